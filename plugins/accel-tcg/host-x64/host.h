/* host.h -- the x86-64 host: register roles, stack frame, thunks, and the state of one compilation. */
/* SPDX-License-Identifier: MIT */
/*
 * REGISTERS. rbp = env. rsp = the frame below. rax, rcx, rdx, rdi are temporaries. The other ten hold pinned
 * globals for as long as generated code runs; an i32 global is always zero-extended to 64 bits. The hottest global
 * gets rbx: it alone of the preserved registers has a name for its second byte (bh).
 *
 * BLOCKS.  Every block starts with this register state, whoever enters it, and with nothing on the stack. Which global
 * a register holds depends on the block's pin set: a block is entered, left and calls C through the thunks of its set.
 */
#ifndef HOST_X64_HOST_H
#define HOST_X64_HOST_H

#include "../backend.h"
#include "../regalloc.h"
#include "encode.h"

#define MAX_PINS 10

#define TEMPORARIES (1u << RAX | 1u << RCX | 1u << RDX | 1u << RDI)
#define HAS_HIGH_BYTE (1u << RAX | 1u << RCX | 1u << RDX | 1u << RBX)
#define CALLER_SAVED (1u << RAX | 1u << RCX | 1u << RDX | 1u << RSI | 1u << RDI \
                      | 1u << R8 | 1u << R9 | 1u << R10 | 1u << R11)

/* The frame: arguments on the way to thunks, their result, saved temporaries, spill slots. */
#define FRAME_ARG(i) (8 * (i))
#define FRAME_RESULT 56
#define FRAME_SLOT(i) (64 + 8 * (int32_t) (i))
#define FRAME_SAVE(i) (FRAME_SLOT (RA_MAX_SLOTS) + 8 * (i))
#define FRAME_SIZE (FRAME_SAVE (5) + 8 + 8)     /* with the return address and six pushes: 16-aligned */
_Static_assert (FRAME_SIZE % 16 == 8, "calls out of blocks need an aligned stack");

#define ENV(field) x64_mem (RBP, (int32_t) offsetof (TcgVcpu, field))

/* Offsets in the FXSAVE image (SDM vol. 1, table 10-2). */
#define FX_MXCSR 24
#define FX_XMM(i) (160 + 16 * (i))
#define MXCSR_DEFAULT 0x1f80
#define LOW_VECTORS 8           /* the others are BP_NATIVE_SSE_HIGH */

/* What the CPU can do; a test may clear bits after begin() to see the fallbacks. */
enum { CPU_BMI2 = 1, CPU_BMI1 = 2, CPU_LZCNT = 4, CPU_POPCNT = 8, CPU_MOVBE = 16 };

typedef enum SlowThunk {
  SLOW_LOAD, SLOW_STORE, SLOW_ATOMIC, SLOW_CMPXCHG, SLOW_NATIVE_OPERAND, SLOW_NATIVE_COMMIT, SLOW_RECORD, SLOW_RING_FULL,
  N_SLOW_THUNKS
} SlowThunk;

/* What a helper does with globals chooses its thunk. */
typedef enum CallThunk { CALL_WRITES, CALL_READS, CALL_NO_GLOBALS, N_CALL_THUNKS } CallThunk;

/* What brings a part of the FP state and those that come with it into the host's registers. */
typedef enum FpLoad { FP_LOAD_X87, FP_LOAD_SSE, FP_LOAD_SSE_HIGH, FP_LOAD_AVX, N_FP_LOADS } FpLoad;

/* A pin set: what is pinned where, and the thunks that know it, at their writable addresses (jumps are relative). */
typedef struct X64Set {
  unsigned n_pins;
  bool narrow;                          /* pins are read as 32 bits: BpTcgFrontend.narrow_pin_sets */
  struct { uint8_t reg; uint8_t wide; uint32_t offset; } pin[MAX_PINS];
  uint8_t *slow[N_SLOW_THUNKS], *call[N_CALL_THUNKS][2 /* leaves FP state alone */];
  uint8_t *exit, *leave, *miss, *miss_link, *any;
  uintptr_t (*enter) (void *env, const void *code);
} X64Set;

typedef struct X64Host {
  const BpTcgFrontend *frontend;
  unsigned cpu;                         /* CPU_* */
  unsigned n_sets;
  X64Set set[BP_TCG_PIN_SETS];
  RaHost ra;
  uint8_t *leave, *events, *fp_store, *fp_store_for_c, *fp_load[N_FP_LOADS];    /* thunks for every set */
  uint8_t *table[16][2][2];             /* by MMU index, whether to store and whether it is near: emit_table */
} X64Host;
extern X64Host x64_host;

bool x64_thunks_emit (CodeBuffer *buffer, Enc *e);

/* --- one compilation ----------------------------------------------------------------------- */

/* What the host's flags say now. */
typedef struct Flags {
  bool in_use;                  /* flags must survive: constants are not made by xor */
  bool compare;                 /* as after cmp of the values a, b */
  bool logic;                   /* as after test of `result`: CF = OF = 0 */
  bool b_const;                 /* b is the constant b_value */
  BpIrType type;
  uint32_t a, b;                /* value numbers */
  uint32_t result;              /* 0, or the value that ZF and SF describe */
  int64_t b_value;
} Flags;

typedef struct Gen Gen;

/* The value of a temp as an operand. */
typedef struct Operand {
  enum { IN_REGISTER, IS_IMMEDIATE, IN_MEMORY } kind;
  uint8_t reg;
  X64Mem mem;
  int64_t imm;                  /* of an address in a register: what to add to it */
} Operand;

/* One access: what to probe for, and in which registers. */
typedef struct Probe {
  Operand address;              /* a register with the address in all its bits, less imm, or a constant */
  unsigned entry, work;         /* scratch registers; entry holds the addend afterwards, work may be part of the address */
  unsigned bytes, mmu_index;
  bool store, aligned, wide;    /* wide: BP_MO_ADDR64 */
  bool near;                    /* BP_MO_NEAR */
  unsigned guess;               /* 1 + number of the TlbGuess, 0: none */
  int32_t before, after;        /* bytes around it that the page must hold as well */
  uint8_t *miss;                /* x64_probe: rel32 of the jump to the slow path */
  uint8_t *found;               /* x64_probe: where to go on with the addend in `entry`; NULL: what missed is not there */
} Probe;

/* Code for a rare case, put after the block: emit() runs with the guest instruction restored for marks. */
typedef struct Late {
  void (*emit) (Gen *g, const struct Late *late);
  uint8_t *from;                /* rel32 of the jump there */
  uint8_t *from_too;            /* of another one that `emit` sees to, or NULL */
  uint8_t *back;                /* where to go on */
  int32_t insn;                 /* guest instruction index */
  BpIrType type;
  uint32_t aux;                 /* memop, or the native insn's aux */
  uint32_t op;                  /* BpIrOp; icount: insns */
  Operand address, value, other;
  uint8_t result, entry;        /* registers */
  bool shared;                  /* native: entry is an addend */
  Probe probe;                  /* of the access */
  uint64_t native;
  uint32_t stale;               /* registers that hold addends which do not outlive a call of C */
  uint16_t stale_slot[2];       /* and spill slots, RA_NO_SLOT */
} Late;

/* Accesses between two labels through one base value, near to each other: the first proves the page of all
 * of them and leaves the TLB entry's addend in a register, 0 when it cannot; the others test that register
 * only. */
#define SHARE_NONE 0xffffu
typedef struct Share {
  uint32_t base;                /* value number while analysing */
  int64_t low, high;            /* displacements of the lowest and highest byte */
  int64_t start;                /* of the first access */
  uint32_t first, last, count;  /* insns */
  uint8_t mmu_index;
  bool wide;                    /* BP_MO_ADDR64 */
  bool store, dead;
  BpTemp addend;                /* BP_IR_NONE until the first is compiled */
} Share;

typedef struct Fixup {
  uint8_t *rel32;
  uint32_t label;
} Fixup;

/* Insns behind the rest of the block that belong to a guest instruction in it. */
typedef struct Cold {
  uint32_t at;
  int32_t insn;
} Cold;

/* One row of select.def: what carries out an op, and two numbers of encoding for it. */
typedef struct SelectRow {
  void (*emit) (Gen *g, const BpIrInsn *insn);
  bool keeps_flags;
  uint32_t code, extra;
} SelectRow;

/* A list that is filled anew for each block, and keeps its room. */
#define LIST(T) struct { T *at; uint32_t n, size; }
/* A pointer to a new entry, with anything in it. */
#define LIST_ADD(list) \
  ((list)->n == (list)->size ? (list)->at = x64_list_grow ((list)->at, &(list)->size, sizeof *(list)->at) : NULL, &(list)->at[(list)->n++])
void *x64_list_grow (void *at, uint32_t *size, size_t entry);

struct Gen {
  Enc e;
  uint8_t *start;
  const BackendBlock *block;
  BpIrBlock *ir;
  const X64Set *set;
  Regalloc ra;
  Flags flags;
  uint32_t at;                  /* IR insn */
  const SelectRow *row;         /* of its op */
  int32_t insn;                 /* guest instruction, -1 before the first */
  unsigned fp_known;            /* BP_NATIVE_* known to be resident here */
  uint8_t **label;              /* label -> code, NULL: not yet */
  uint32_t labels_size;
  uint32_t *label_refs;
  uint16_t *share_of;           /* insn -> index in shares, SHARE_NONE */
  struct Symbols *symbols;      /* temp -> what share.c knows of it */
  uint32_t share_of_size, symbols_size, n_live_shares;
  uint64_t *made_of;            /* see chase.c */
  uint32_t made_of_size, n_chased;
  uint32_t chased[TLB_GUESSES]; /* insns whose addend is guessed */
  uint16_t live_share[2];
  LIST (Share) shares;
  LIST (Fixup) fixups;
  LIST (Late) late;
  LIST (TbMark) marks;
  LIST (TbInsn) insns;
  LIST (uint32_t) lines;                /* offsets; for the dump */
  LIST (Cold) cold;
  LIST (BpIrInsn) cold_insns;
  TbExit exit[TB_MAX_EXITS];
  unsigned n_exits;             /* that are in use: one more than the highest */
  bool direct_exit[TB_MAX_EXITS];       /* the conditional jump itself was linked: goto_tb emits nothing */
  uint32_t hot_insns, hot_bytes;        /* before the out-of-line code, for the dump */
  uint32_t restart[2][3], n_restart;
  bool has_look_up;             /* an inline one, with its two restarts */
};

#define W(type) ((type) == BP_IR_I64 ? X64_W : 0)

/* gen.c */
/* the next host instruction belongs to the current guest instruction */
void x64_mark (Gen *g);
void x64_call_marked (Gen *g, const uint8_t *thunk);    /* call, with a mark */
Late *x64_late (Gen *g, void (*emit) (Gen *g, const Late *late), uint8_t *from);
void x64_emit_late (Gen *g);

/* operand.c */
enum { ALLOW_IMM = 1, ALLOW_MEM = 2, ALLOW_IMM64 = 4 };
/* As an insn reads it that wants `type`: of a wider one the low half. */
Operand x64_operand (Gen *g, BpTemp t, BpIrType type, unsigned allow);
/* A constant as such an insn reads it, sign-extended. */
static inline int64_t
x64_const_value (const Gen *g, BpTemp t, BpIrType type)
{
  int64_t value = g->ir->temps[t].value;
  return type == BP_IR_I32 ? (int32_t) value : value;
}
X64Mem x64_home_mem (RaHome home);
void x64_constant (Gen *g, unsigned dst, int64_t value, BpIrType type);
static inline unsigned x64_operand_reg (Operand o) { return o.kind == IN_REGISTER ? o.reg : RA_NONE; }
static inline uint32_t x64_operand_mask (Operand o) { return o.kind == IN_REGISTER ? 1u << o.reg : 0; }
void x64_move_operand (Gen *g, BpIrType type, unsigned dst, Operand src);
/* The same for a result that nothing else is done to: with zeros above an i32 even when it is in place already. */
void x64_move_result (Gen *g, BpIrType type, unsigned dst, Operand src);
void x64_alu_operand (Gen *g, X64Alu alu, BpIrType type, unsigned dst, Operand src);
void x64_flags_result (Gen *g, BpIrType type, BpTemp t, bool logic);

/* select.c */
void x64_select (Gen *g, const BpIrInsn *insn);

/* compare.c */
void x64_setcond (Gen *g, const BpIrInsn *insn);
void x64_movcond (Gen *g, const BpIrInsn *insn);
void x64_brcond (Gen *g, const BpIrInsn *insn);

/* arith.c */
void x64_binary (Gen *g, const BpIrInsn *insn);
void x64_add (Gen *g, const BpIrInsn *insn);
void x64_and_not (Gen *g, const BpIrInsn *insn);
void x64_unary (Gen *g, const BpIrInsn *insn);
void x64_carry (Gen *g, const BpIrInsn *insn);
void x64_shift (Gen *g, const BpIrInsn *insn);

/* multiply.c */
void x64_multiply (Gen *g, const BpIrInsn *insn);
void x64_wide_multiply (Gen *g, const BpIrInsn *insn);
void x64_divide (Gen *g, const BpIrInsn *insn);

/* bits.c */
void x64_count_zeros (Gen *g, const BpIrInsn *insn);
void x64_popcnt (Gen *g, const BpIrInsn *insn);
void x64_bswap (Gen *g, const BpIrInsn *insn);
void x64_extend (Gen *g, const BpIrInsn *insn);
void x64_deposit (Gen *g, const BpIrInsn *insn);
void x64_extract (Gen *g, const BpIrInsn *insn);

/* memory.c */
void x64_guest_load (Gen *g, const BpIrInsn *insn);
void x64_guest_store (Gen *g, const BpIrInsn *insn);
void x64_guest_atomic (Gen *g, const BpIrInsn *insn);
void x64_guest_cmpxchg (Gen *g, const BpIrInsn *insn);
/* layout.c */
void x64_layout (Gen *g);               /* before anything counts insns: fills g->cold */
/* share.c */
void x64_share_finish (Gen *g);
void x64_share_analyse (Gen *g);        /* before ra_begin: adds the temps for addends */
Share *x64_share_of (Gen *g);           /* of the current insn, or NULL */
bool x64_share_begin (Gen *g, Share *share);            /* false: too many at a time */
/* after the insn: forgets an addend that was used for the last time */
void x64_share_end (Gen *g);
void x64_share_stale (Gen *g, Late *late);              /* notes what a call of C makes stale */
void x64_share_clear (Gen *g, const Late *late);        /* emits its clearing */

/* chase.c */
void x64_chase_analyse (Gen *g);        /* after x64_share_analyse */
unsigned x64_guess_of (const Gen *g);   /* the current insn's: Probe.guess */
void x64_chase_finish (Gen *g);
void x64_guess_addend (Gen *g, Probe *p);       /* entry points to the table's entry and is the addend afterwards */

/* Where to access: after a probe of its own, a probe for all that share it, or just a test that there was
 * one. *share becomes NULL when the access is on its own after all. */
X64Mem x64_site (Gen *g, Probe *probe, Share **share);
/* Out of line: looks into the table once more.  With the addend it goes on at `found`, else with what is emitted next. */
void x64_probe_again (Gen *g, const Probe *probe);
/* The same for one of those that share, when not all are in one page: with the addend in `entry` it goes on with what is emitted next, else at
 * `miss`, a rel32.  The host address. */
X64Mem x64_probe_alone (Gen *g, const Probe *probe, uint8_t **miss);
/* A guest address as an operand that a probe takes; in a register without `allow_constant`. */
Operand x64_address (Gen *g, BpTemp t, bool wide, bool allow_constant);
/* No displacement for it: the probe's work register is part of the host's address. */
static inline bool x64_is_far (Operand o) { return o.kind == IS_IMMEDIATE && o.imm != (int32_t) o.imm; }
/* for a slow thunk; memory goes through rax */
void x64_store_operand (Gen *g, X64Mem to, Operand o);    /* all 64 bits; clobbers RAX when it is in memory */
void x64_put_argument (Gen *g, unsigned i, Operand o);

/* control.c */
void x64_call (Gen *g, const BpIrInsn *insn);
void x64_goto_tb (Gen *g, const BpIrInsn *insn);
void x64_exit_tb (Gen *g, const BpIrInsn *insn);
void x64_goto_ptr (Gen *g, const BpIrInsn *insn);
void x64_goto_any (Gen *g, const BpIrInsn *insn);
void x64_label (Gen *g, const BpIrInsn *insn);
void x64_icount (Gen *g);
void x64_count (Gen *g);                 /* how often the block is entered */
void x64_second_page (Gen *g);          /* the block is right only while its second page is the one it was made from */
/* compare: where what sets the flags begins */
void x64_label_jump (Gen *g, unsigned cc, uint32_t label, uint8_t *compare);

/* record.c */
void x64_score (Gen *g, const BpIrInsn *insn);
void x64_record (Gen *g, const BpIrInsn *insn);
void x64_advance (Gen *g, const BpIrInsn *insn);

/* native.c */
void x64_native (Gen *g, const BpIrInsn *insn);

#endif
