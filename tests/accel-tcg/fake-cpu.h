/* fake-cpu.h -- a CPU for the translator's tests: registers, memory, helpers, what generated code calls. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FAKE_CPU_H
#define TESTS_FAKE_CPU_H

#include "backend.h"

#define FAKE_N_TLB 16
/* Guest memory; outside is a page fault.  In it: a page that is read-only, a device page (every access takes
 * the slow path, and works) and a page whose stores are watched.  64-bit addresses reach it in two more places, one of
 * which a sign-extended 32-bit number is enough for. */
#define FAKE_MEMORY_BASE 0x10000u
#define FAKE_MIDDLE      0x00007f1200000000u
#define FAKE_HIGH        0xffffffff80000000u
#define FAKE_MEMORY_SIZE 0x10000u
#define FAKE_READ_ONLY   0x1f000u
#define FAKE_DEVICE      0x1e000u
#define FAKE_WATCHED     0x1d000u

enum { FAKE_N_R = 10, FAKE_N_W = 4 };

/* What the tests compare. */
typedef struct FakeState {
  uint32_t r[FAKE_N_R];         /* eax ecx edx ebx esp ebp esi edi cc_dst cc_src */
  uint32_t u0;                  /* not worth a host register */
  uint32_t pc;
  uint64_t w[FAKE_N_W];         /* w0 .. w3 */
  uint64_t u1;
  uint8_t plain[64];            /* for ld and st */
  uint64_t calls;               /* how often h_count was called, and with what */
} FakeState;

typedef struct FakeCpu {
  BpTcgArea area;
  FakeState state;
  /* --- harness --- */
  Tb *tb;
  const GArray *recoveries;     /* of the next block to be run: NULL, or what opt_recover left out */
  sigjmp_buf leave;
  TlbEntry tlb[FAKE_N_TLB];
  JumpEntry jump_cache[1 << JUMP_CACHE_BITS];
  uint64_t jumped_to;           /* by goto_ptr */
  uint32_t page_ids[PAGE_IDS];
  uint8_t *memory;              /* FAKE_MEMORY_SIZE bytes, page-aligned */
  unsigned slow_accesses;
  unsigned bad_addresses;       /* i32 ones that came with something above */
  int kind;                     /* FakeKind of a raise in progress */
  uint64_t fault_pc;            /* restore's values */
  uint32_t fault_word;
} FakeCpu;

typedef enum FakeKind {
  FAKE_EXIT,                    /* number: the exit's */
  FAKE_PAGE_FAULT, FAKE_DIVIDE, FAKE_ALIGN, FAKE_RAISED
} FakeKind;

typedef struct FakeResult {
  FakeKind kind;
  unsigned number;
  uint64_t pc;                  /* of the insn_start that a fault belongs to */
  uint32_t word;
} FakeResult;

/* Key flag of blocks in which other globals have host registers than in those without. */
#define FAKE_PIN_SET 1u

extern const BpTcgFrontend fake_frontend;
/* The same, with the promise that blocks of the second set write no more than 32 bits to what is pinned in it (w0 .. w3). */
extern const BpTcgFrontend fake_narrow_frontend;

FakeCpu *fake_cpu_new (void);
void fake_cpu_free (FakeCpu *cpu);
/* Zero state, memory and TLB. */
void fake_cpu_reset (FakeCpu *cpu);
void fake_cpu_block_init (BpIrBlock *ir);
/* Compiles the block, runs it once, releases it.  `buffer` as the backend's begin() left it; what it used
 * is given back. */
FakeResult fake_cpu_run_flags (FakeCpu *cpu, const Backend *backend, CodeBuffer *buffer, BpIrBlock *ir, uint64_t flags);
FakeResult fake_cpu_run (FakeCpu *cpu, const Backend *backend, CodeBuffer *buffer, BpIrBlock *ir);

static inline const char *
fake_kind_name (FakeKind kind)
{
  static const char *const names[] = { "exit", "page-fault", "divide", "align", "raised" };
  return names[kind];
}

#endif
