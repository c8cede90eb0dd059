/* toy-cpu.h -- a small instruction set for tests of the translator's runtime, and a machine around it. */
/* SPDX-License-Identifier: MIT */
/*
 * An instruction is 4 bytes at any address: op | a << 8 | b << 12 | imm << 16.  Eight registers.  Paging is a table of
 * 1024 words, one a page; TOY_LARGE in the entry of a 16th page covers 64 KiB.  A fault or trap is not delivered to the
 * guest: it is mixed into `faults`, and the instruction is skipped.  An interrupt goes to TOY_VECTOR.
 */
#ifndef TESTS_TOY_CPU_H
#define TESTS_TOY_CPU_H

#include <backplane/iface/cpu-debug.h>
#include "machine.h"
#include "machine-tcg.h"

#define TOY_RAM_SIZE    0x100000u
#define TOY_TABLES      0x8000u         /* two of them; what is mapped globally is kept the same in both */
#define TOY_VECTOR      0x1000u
#define TOY_ROM         0x180000u       /* a page, filled with what toy_new() is told */
#define TOY_DEVICE      0x200000u       /* physical and, by the tests' tables, linear */
#define TOY_WINDOW      0x210000u       /* a page of RAM that a write to TOY_DEVICE + 0x10 shows (1) or hides (0) */
#define TOY_PORT_HASH   0x10
#define TOY_PORT_ACK    0x20            /* write: the interrupt line goes low */
#define TOY_PORT_TIMER  0x30            /* write: an interrupt that many ns from now */

enum { TOY_VALID = 1, TOY_WRITABLE = 2, TOY_EXECUTABLE = 4, TOY_GLOBAL = 8, TOY_LARGE = 16, TOY_KEY = 32 /* times BpTlbFill.key */ };
enum { TOY_FAULT_LOAD = 1, TOY_FAULT_STORE, TOY_FAULT_FETCH, TOY_FAULT_TRAP, TOY_FAULT_DIVIDE };
enum { TOY_RUNS, TOY_WAITS, TOY_STOPPED };

typedef enum ToyOp {
  TOY_STOP,                     /* (zeroes) */
  TOY_WAIT,                     /* for an interrupt */
  TOY_LI, TOY_LUI, TOY_ORI, TOY_ADDI,           /* a = imm; a = imm << 16; a |= imm; a = b + imm */
  TOY_ADD, TOY_XOR, TOY_MUL,                    /* a op= b */
  TOY_PURE,                                     /* a = helper (a, b) that is PURE */
  TOY_DIV,                                      /* a /= b, a fault of the host when b is 0 */
  TOY_LD32, TOY_LD16, TOY_LD8,                  /* a = [b + imm] */
  TOY_ST32, TOY_ST16, TOY_ST8,
  TOY_FETCH_ADD, TOY_SWAP, TOY_CAS,             /* a <-> [b + imm]; CAS: if [..] == r0 then it = a; a = old */
  TOY_BNZ, TOY_JMP, TOY_JR,                     /* if a != 0, to the next + imm; to the next + imm; to a */
  TOY_OUT, TOY_IN,                              /* port imm */
  TOY_EI, TOY_DI, TOY_RETI, TOY_TRAP,
  TOY_TABLE,                                    /* the page table is at physical a; 0: no paging */
  TOY_MAP,                                      /* the page of linear a gets entry b in the current table */
  TOY_POKE,                                     /* the instruction at imm from here becomes `li b, a >> 16` */
  TOY_COPY,                                     /* imm bytes or as many as are in both pages, from b to a; all at once */
  TOY_SYNC,                                     /* what is behind it is fetched after it: code that others have written, see put_caller */
  TOY_N_OPS
} ToyOp;

static inline uint32_t
toy_insn (ToyOp op, unsigned a, unsigned b, int imm)
{
  return (uint32_t) op | a << 8 | b << 12 | (uint32_t) imm << 16;
}

typedef struct ToyState {
  uint32_t r[8];
  uint32_t pc, base;            /* the first instruction's byte is at base + pc */
  uint32_t table;
  uint32_t enabled, epc, halted;
  uint32_t faults, n_faults;
} ToyState;

/* What the devices have seen. */
typedef struct ToyBoard {
  uint8_t *ram;                 /* TOY_RAM_SIZE bytes */
  uint32_t hash, counter;
} ToyBoard;

typedef struct ToyCpu {
  BpTcgArea area;
  ToyState s;
  uint32_t fault_kind, fault_address;
  uint32_t n_interrupts;        /* atomic */
  uint64_t trace;               /* of where interrupts hit: instruction counts and pcs */
} ToyCpu;

extern const BpTcgFrontend toy_frontend;
extern const BpCpuDebugIface toy_debug;          /* translate alone */
uint32_t toy_mix (uint32_t a, uint32_t b);
/* The translation of a linear address: false, or the entry that maps its page and the physical address. */
bool toy_walk (const ToyState *s, const uint8_t *ram, uint32_t linear, uint32_t *entry, uint32_t *physical);
bool toy_allows (uint32_t entry, unsigned kind);

/* --- a plain interpreter: what must come out (toy-reference.c) ------------------------------------------- */

/* Runs until it stops; false when it did not after max_insns. */
bool toy_reference (ToyState *s, ToyBoard *board, uint64_t max_insns);
uint32_t toy_device_read (ToyBoard *board, uint32_t offset, unsigned size);
void toy_device_write (ToyBoard *board, uint32_t offset, uint32_t value, unsigned size);

/* --- a machine (toy-machine.c) ---------------------------------------------------------------------------- */

typedef struct Toy {
  BpMachine machine;
  BpObject *accel_object, *cpu_object;
  BpVcpu *vcpu;
  ToyCpu *cpu;
  ToyBoard board;
  uint8_t *rom, *window;
  BpRegion *memory, *io, *ram_region, *rom_region, *window_region, *device_region, *port_region;
  BpAddressSpace *memory_space, *io_space;
  BpTimer *timer;
} Toy;

typedef struct ToyOptions {
  const char *backend;          /* "interp", "x64", "auto" */
  bool no_chain, no_optimise, deterministic;
  unsigned hot_after;           /* 0: nothing is compiled twice */
  size_t buffer_size;           /* 0, or room for that many bytes of code */
  const uint32_t *rom;          /* TOY_ROM's first words */
  unsigned n_rom;
} ToyOptions;

Toy *toy_new (const ToyOptions *options);
void toy_free_machine (Toy *t);
/* Sets the state and starts the vCPU. */
void toy_start (Toy *t, const ToyState *s);
void toy_stop (Toy *t);                 /* the vCPU is out of guest code afterwards */
void toy_wait_stopped (Toy *t);         /* until the guest has executed STOP (fails the test after 20 s) */
static inline TcgVcpu *toy_vcpu (Toy *t) { return (TcgVcpu *) t->cpu; }
static inline TcgMachine *toy_tcg (Toy *t) { return tcg_extra (toy_vcpu (t))->tcg; }
/* Ways to run that every test should go through. */
extern const ToyOptions toy_ways[];
extern const unsigned toy_n_ways;

/* --- little programs ---------------------------------------------------------------------------------------- */

typedef struct ToyCode {
  uint32_t origin, n;
  uint32_t word[4096];
} ToyCode;

static inline uint32_t toy_here (const ToyCode *c) { return c->origin + 4 * c->n; }
static inline void toy_emit (ToyCode *c, ToyOp op, unsigned a, unsigned b, int imm) { c->word[c->n++] = toy_insn (op, a, b, imm); }
static inline void
toy_emit_const (ToyCode *c, unsigned a, uint32_t value)
{
  toy_emit (c, TOY_LUI, a, 0, (int) (value >> 16));
  toy_emit (c, TOY_ORI, a, 0, (int) (value & 0xffff));
}
/* A jump or branch from here to an address. */
static inline void
toy_emit_jump (ToyCode *c, ToyOp op, unsigned a, uint32_t to)
{
  toy_emit (c, op, a, 0, (int) (to - (toy_here (c) + 4)));
}
void toy_put (uint8_t *ram, const ToyCode *c);  /* at its origin */

/* --- random programs (toy-program.c) -------------------------------------------------------------------------- */

typedef struct ToyProgram {
  ToyCode code;
  GRand *rand;
  uint32_t group[1024];         /* indexes where a group of instructions begins: jumps go there */
  unsigned n_groups;
  ToyState start;
  uint8_t *ram;                 /* TOY_RAM_SIZE bytes */
} ToyProgram;

ToyProgram *toy_program_new (uint64_t seed);
void toy_program_free (ToyProgram *p);
/* Fails the test where the machine differs from what the plain interpreter left. */
void toy_compare (Toy *t, const ToyState *want, const ToyBoard *board, const char *where);
/* Runs a program and compares; `meanwhile` (NULL: nothing) is called while it runs. */
void toy_program_run (Toy *t, uint64_t seed, void (*meanwhile) (Toy *t));

#endif
