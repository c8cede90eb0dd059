/* host-x64-machine.h -- a CPU, a page of memory and stubs of the slow paths, for tests of blocks on the host. */
/* SPDX-License-Identifier: MIT */
#ifndef TEST_HOST_X64_MACHINE_H
#define TEST_HOST_X64_MACHINE_H

#include "backend.h"
#include "host-x64/host.h"
#include "host-x64/context.h"
#include <check.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <ucontext.h>

#define PAGE 0x10000u           /* the only guest page that the TLB maps */

typedef struct Cpu {
  BpTcgArea area;
  uint32_t r[10], pc, other;
  uint64_t q[6], wide_pc;
  uint8_t fp[512] __attribute__ ((aligned (64)));
  TlbEntry tlb[16];
  JumpEntry cache[1 << JUMP_CACHE_BITS];
  uint32_t page_ids[PAGE_IDS];
  sigjmp_buf raised;
  uintptr_t fault_pc;
} Cpu;

/* What the slow paths have been asked for. */
typedef struct Seen {
  unsigned loads, stores, atomics, commits, lookups, left, exit, continued;
  uint64_t address, value;
  uint32_t memop, on_load;              /* events that a slow load causes */
  const void *lookup;                   /* what the next look-up finds */
  uint32_t pin_set;                     /* of that */
  bool wrong;
} Seen;

extern const BpTcgFrontend frontend;     /* 32-bit globals, one pin set */
extern const BpTcgFrontend *current;    /* that one, or after use_frontend64 one of 64-bit globals */
extern BpTbKey key;                     /* of the blocks compiled */
extern Cpu *cpu;
extern TcgVcpu *vcpu;
extern CodeBuffer buffer;
extern BpIrBlock ir;
extern uint8_t page[4096];
extern uint8_t slow_page[4096];         /* what the slow paths see at any other address */
extern Seen seen;
extern uint32_t page_id;                /* of the next block's second page, 0: none */

static inline BpTemp g (unsigned i) { return bp_ir_global (i); }
static inline BpTemp c32 (int32_t v) { return bp_ir_i32 (&ir, v); }
static inline BpTemp t32 (void) { return bp_ir_local (&ir, BP_IR_I32); }

void setup (void);
void teardown (void);
void use_frontend64 (uint64_t flags);
Tb *compile_with (uint32_t cflags);
Tb *compile (void);
void release (Tb *tb);
unsigned run (Tb *tb);                  /* the exit's number */
unsigned run_once (void);               /* ends the block, runs and drops it */
Tb *adder (int32_t amount);             /* r0 += amount; exits 0 */
void on_fpe (int signal, siginfo_t *info, void *context);       /* SIGFPE: stores the context, back to cpu->raised */

#endif
