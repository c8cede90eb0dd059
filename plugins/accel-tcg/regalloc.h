/* regalloc.h -- where temps live while a block is compiled: pinned registers, temporaries, spill slots. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE. Host-independent. The host's select code walks the IR once, forwards, and asks here for places;
 * what must be emitted to make room (moves, spills, reloads) goes through the four calls of RaHost.
 *
 * PLACES. A pinned global always is in its register. Every other global is in the CPU's state whenever that can be looked at
 * (writes go through unless another one comes first) and may have a copy in any register. A local is in a register, in its spill
 * slot, or both; several temps with one value may share a register, a pinned one included: `mov` costs
 * nothing until one of them is written.
 *
 * WIDTHS. A register with an i64 in it may be read as an i32: its low half. `clean` says of which registers the upper
 * half is known to be 0; what is not clean must not stand where all 64 bits count. A 32-bit move of it into an i64 is
 * no copy.
 *
 * SUMS. An i64 local that is a sum of something in a register and a constant, and serves as a guest address next, need not be
 * computed: it shares the register, `disp` away. Whoever wants it in a register gets it computed then.
 *
 * COALESCING. A local that ra_define() makes and that is soon moved into a pinned global is computed right in
 * that global's register, when nothing can observe the global in between.
 *
 * One insn at a time: ra_insn(); ra_use_* for inputs, ra_release_dead() once they are in registers;
 * ra_define() for the outputs. Registers handed out stay locked until the next ra_insn().
 */
#ifndef ACCEL_TCG_REGALLOC_H
#define ACCEL_TCG_REGALLOC_H

#include "backend.h"

#define RA_REGS 16
#define RA_NONE 0xffu
#define RA_NO_SLOT 0xffffu
#define RA_MAX_SLOTS 448

/* A temp's home in memory. */
typedef struct RaHome {
  bool in_state;                /* at `offset` from env; else spill slot number `offset` */
  uint32_t offset;
} RaHome;

typedef struct RaHost {
  uint32_t temporaries;         /* registers that may be allocated */
  const uint8_t *order;         /* the same in order of preference, RA_NONE at the end */
  const uint8_t *pins;          /* registers for pinned globals, in table order */
  unsigned n_pins;
  uint8_t env;                  /* the register that holds env */
  /* None of these may change the host's flags.  sum: dst = src + disp, 64 bits. */
  void (*move) (void *gen, unsigned dst, unsigned src, BpIrType type);
  void (*sum) (void *gen, unsigned dst, unsigned src, int32_t disp);
  void (*constant) (void *gen, unsigned dst, int64_t value, BpIrType type);
  void (*load) (void *gen, unsigned dst, RaHome home, BpIrType type);
  void (*store) (void *gen, unsigned src, RaHome home, BpIrType type);
} RaHost;

typedef struct RaTemp {
  uint32_t value;               /* equal numbers: equal values */
  int32_t disp;                 /* what the value is more than reg: a sum not computed yet */
  BpTemp next;                  /* in the list of temps that share reg */
  uint16_t slot;
  uint8_t reg;                  /* RA_NONE: only in memory, or a constant, or dead */
  uint8_t pin;                  /* the register that a pinned global owns, else RA_NONE */
  uint8_t in_memory;            /* its home holds the value */
  uint8_t crosses;              /* local used in several basic blocks */
  uint8_t bit;                  /* its bit in the live-out sets; 64: always taken as live */
  uint8_t live;                 /* while liveness is found: read below */
  uint32_t seen;                /* ditto: 1 + the basic block that it was first met in */
} RaTemp;

typedef struct Regalloc {
  const RaHost *host;
  void *gen;
  BpIrBlock *ir;
  RaTemp *temps;
  uint32_t temps_size;
  uint32_t at;                  /* insn being compiled */
  uint32_t locked;              /* registers not to be given away during it */
  uint32_t dying;               /* registers whose last user is the current insn's input */
  uint32_t next_value;
  uint32_t clean, clean_pins;   /* registers whose upper half is 0: now, and whenever a basic block begins */
  /* temps that share a register (pinned: the locals that are copies of its global) */
  BpTemp head[RA_REGS];
  BpTemp pin_global[RA_REGS];   /* the global that owns it, BP_IR_NONE */
  uint8_t slot_used[RA_MAX_SLOTS];
  uint16_t freed[16];           /* slots of temps that die at the current insn: not to be reused within it */
  unsigned n_freed;
  /* per basic block */
  uint32_t *block_of;           /* insn -> basic block */
  uint64_t *live_out;           /* by basic block: bits of locals that cross */
  uint64_t *live_in;
  uint32_t blocks_size, insns_size;
  BpTemp *crossing;             /* locals that cross, in order of `bit` */
  uint32_t n_crossing, crossing_size;
  uint32_t *label_at;           /* label -> insn */
  uint32_t labels_size;
} Regalloc;

/* insn->mark bit k, set by ra_begin: a[k] is a local's last use, or an output that no one reads. */

/* Takes the block: finds liveness, assigns the pins of that set.  `narrow`: no pinned global has more than 32 bits in it. Reuse one
 * Regalloc for many blocks; ra_finish frees it. */
void ra_begin (Regalloc *ra, const RaHost *host, void *gen, BpIrBlock *ir, unsigned pin_set, bool narrow);
void ra_finish (Regalloc *ra);

void ra_insn (Regalloc *ra, uint32_t at);

static inline bool ra_is_sum (const Regalloc *ra, BpTemp t) { return ra->temps[t].disp != 0; }
/* The register that holds t, or RA_NONE. */
static inline unsigned ra_register (const Regalloc *ra, BpTemp t) { return ra_is_sum (ra, t) ? RA_NONE : ra->temps[t].reg; }
static inline bool ra_is_pinned (const Regalloc *ra, BpTemp t) { return ra->temps[t].pin != RA_NONE; }
static inline bool ra_is_clean (const Regalloc *ra, unsigned r) { return ra->clean >> r & 1; }
static inline uint32_t ra_value (const Regalloc *ra, BpTemp t) { return ra->temps[t].value; }
static inline bool ra_is_const (const Regalloc *ra,
                                BpTemp t) { return ra->ir->temps[t].kind == BP_IR_TEMP_CONST; }
static inline bool ra_dies (const Regalloc *ra,
                            unsigned slot) { return ra->ir->insns[ra->at].mark >> slot & 1; }
RaHome ra_home (Regalloc *ra, BpTemp t);

/* Brings t into a register of `mask` (0: any) and locks it. */
unsigned ra_use (Regalloc *ra, BpTemp t, uint32_t mask);
/* A register of mask (0: any temporary) that holds nothing, locked. */
unsigned ra_scratch (Regalloc *ra, uint32_t mask);
/* Empties register r (a temporary), which is then locked. */
void ra_take (Regalloc *ra, unsigned r);
/* The value of t is in its slot, or in the state, as well (or t is a constant or pinned). */
void ra_to_memory (Regalloc *ra, BpTemp t);

/* The current insn's last uses: forgets those temps; their registers may become its outputs but nothing
 * else. */
void ra_release_dead (Regalloc *ra);
/* The register in which output t is to be made. `prefer`: a register that would be handy (or RA_NONE);
 * `avoid`: mask of those that would not. Follow with ra_defined() when the value is there. */
unsigned ra_define (Regalloc *ra, BpTemp t, unsigned prefer, uint32_t avoid);
void ra_defined (Regalloc *ra, BpTemp t, unsigned slot);
/* Output t was made in temporary r (which ra_take gave): moves it where it belongs. */
void ra_define_in (Regalloc *ra, BpTemp t, unsigned slot, unsigned r);
/* Output t, a global in the state, was changed there. */
void ra_defined_in_memory (Regalloc *ra, BpTemp t);
/* t, a global in the state that was given another value, need not be stored yet. */
bool ra_may_wait (const Regalloc *ra, BpTemp t);
/* Register r holds the value of t, a global in the state, as well. */
void ra_copy_in (Regalloc *ra, BpTemp t, unsigned r, uint32_t value);
/* t, a global in the state, is read again soon, so that a register is well spent on it; `as_register`: by an insn that
 * cannot read it where it is. */
bool ra_is_wanted (const Regalloc *ra, BpTemp t, bool as_register);
/* Temporaries that are not locked. */
static inline unsigned ra_n_free (const Regalloc *ra)
{ return (unsigned) __builtin_popcount (ra->host->temporaries & ~ra->locked); }
/* Output t takes over the value of input s (that many bits of it) without code, if it can: true. Else the caller
 * defines t and moves. */
bool ra_copy (Regalloc *ra, BpTemp t, BpTemp s, BpIrType type, unsigned slot);
/* Output t is s + disp: true when it is enough to remember that. s may be brought into a register. */
bool ra_sum (Regalloc *ra, BpTemp t, BpTemp s, int64_t disp, unsigned slot);
void ra_forget (Regalloc *ra, BpTemp t);
/* Scratch register r holds the value of local t from now on, until ra_forget (for temps that no insn
 * names). */
void ra_hold (Regalloc *ra, BpTemp t, unsigned r);

/* Before control goes to the label: locals that are live there are in their slots. */
void ra_block_end (Regalloc *ra, uint32_t label);
/* At a label: nothing is known but the pins and the slots. */
void ra_block_begin (Regalloc *ra);
/* Before a call that changes every temporary: what lives on is in memory, and the temporaries are empty.
 * With writes_globals copies of globals do not survive either. */
void ra_call (Regalloc *ra, bool writes_globals);

#endif
