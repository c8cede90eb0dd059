/* tcg.h -- the accelerator's own view of a vCPU and of translation blocks: what generated code and C runtime share. */
/* SPDX-License-Identifier: MIT */
#ifndef ACCEL_TCG_TCG_H
#define ACCEL_TCG_TCG_H

#include <backplane/tcg/frontend.h>
#include <setjmp.h>
#include <stdatomic.h>

/* --- software TLB --------------------------------------------------------------- */

#define TLB_PAGE_BITS 12
#define TLB_PAGE_MASK (~(uint64_t) 0xfff)
/* Bits of a tag: any set makes the inline compare fail, so that the access takes the slow path.  They lie above what an access that must be
 * aligned compares as well: a misaligned address must not look like a flag. */
#define TLB_INVALID   64u       /* nothing cached */
#define TLB_DEVICE    128u      /* not plain RAM */
#define TLB_BREAKPOINT 256u     /* loads and stores: the frontend wants to be asked */
#define TLB_WATCHED   512u      /* stores: the page holds translated code or a dirty log wants to know */

/* 32 bytes; generated code indexes by ((address >> 12) << 5) & mask. */
typedef struct TlbEntry {
  uint64_t load, store, fetch;  /* page address for that access, plus TLB_* bits */
  uint64_t addend;              /* host address = guest address + addend */
} TlbEntry;

typedef struct TlbFast {
  uint64_t mask;                /* (entries - 1) << 5 */
  TlbEntry *table;
} TlbFast;

/*
 * The entry that an access marked BP_MO_NEAR found last: a copy of one in the live table.  Generated code reaches it without an index, and
 * without waiting for the address.  Whatever changes an entry drops its copy; where that is another thread (WATCHED), both put a fence
 * between writing to the one and reading the other.
 */
#define TLB_NEAR_NONE ((uint64_t) 1 << 62)      /* far from any address, whichever is subtracted */
typedef struct TlbNear {
  uint64_t load, store;         /* the page that may be accessed so, or TLB_NEAR_NONE */
  uint64_t addend;
  uint32_t patience;            /* misses until another page takes its place: two pages in turns are better off when one stays */
  uint32_t unused;
} TlbNear;

/*
 * What generated code takes for an entry's addend before it has it: one of the two that were found there last.  It is compared with the entry's, so
 * that nobody has to drop it: it is never wrong, only of no use.
 */
#define TLB_GUESSES 16
#define TLB_NO_GUESS 1          /* no entry's addend */
typedef struct TlbGuess {
  uint64_t addend[2];
  uint64_t misses;
  uint64_t unused;
} TlbGuess;

/* --- jump cache: guest pc and mode -> host code ------------------------------------ */

#define JUMP_CACHE_BITS 14
#define JUMP_CACHE_SHIFT 6      /* of two entries' size */
typedef struct JumpEntry {
  uint64_t pc;                  /* guest pc as the frontend's goto_ptr gives it (pc_size bits) */
  uint32_t mode;                /* Tb.mode; 0 = empty */
  uint16_t page, listed;        /* see jump-cache.c */
  const void *code;
  struct Tb *tb;
} JumpEntry;
/* An entry is at one of the two places from here on, the one used last first. */
static inline uint32_t
jump_index (uint64_t pc)
{
  return 2 * (uint32_t) (pc & ((1u << (JUMP_CACHE_BITS - 1)) - 1));
}

/* Code pages that are mapped now, by name (Tb.page_id): page_ids[name % PAGE_IDS] == name. */
#define PAGE_IDS 4096u

/* --- instrumentation ------------------------------------------------------------------- */

#define INSTR_MAX 8             /* instruments; a bit each in tb->cflags, from TB_INSTR_SHIFT on */
#define INSTR_FILTERS 8
#define INSTR_LINES 64
/* A ring has twice as many bytes and is aligned to that: a pointer with this bit set is in its second half, which is for what comes before anybody looks. */
#define INSTR_RING_BYTES 65536u

/* What a same-line filter remembers of the lines with one index: the number of the line accessed last, and that of the line when that was a
 * store (of a filter that keeps stores apart); INSTR_NO_LINE: none.  Filters of code have line ids in `load`. */
typedef struct InstrLine {
  uint64_t load, store;
} InstrLine;
#define INSTR_NO_LINE (~(uint64_t) 0)

/* --- the vCPU ------------------------------------------------------------------------ */

enum { TCG_EVENT_FP_DROPPED = 1, TCG_EVENT_LEAVE = 2 };

struct Tb;

/* Overlays BpTcgArea at the start of env. */
typedef struct TcgVcpu {
  const BpTcgOps *ops;
  void *vcpu;
  const BpTcgFrontend *frontend;
  struct TcgMachine *machine;
  /* Written by generated code's thunks on the way into C: the address in the block to which they will return.  0 in the loop. */
  uintptr_t ret_pc;
  /* Set by C, tested by thunks on the way back to the block: TCG_EVENT_*. */
  uint32_t events;
  uint32_t exit_request;                /* the entry thunk does not enter a block while it is set */
  /* Which FP state (BpIrNativeState bits, with those they imply) is in the host's registers.  fp_dropped: what C stored away. */
  uint32_t fp_resident, fp_dropped;
  JumpEntry *jump_cache;                /* the live one, or an empty one while leaving is wanted */
  const uint32_t *page_ids;
  TlbFast tlb[16];
  int64_t icount_left;                  /* deterministic mode: instructions until the next event */
  /* The stack pointer of blocks while generated code runs: a call out of a block leaves its return address below. 0: not yet. */
  uintptr_t frame;
  uint32_t pin_set;                     /* of the blocks that run: set where they are entered (host-x64) */
  uint32_t unused;
  TlbNear near[16];
  uint64_t spare[6];
  /* Operand of a native insn that cannot be reached directly. */
  uint8_t bounce[512] __attribute__ ((aligned (64)));
  /* --- below: C only --- */
  JumpEntry *jump_cache_empty;
  struct Tb *entering;                  /* block about to be entered by the loop */
  sigjmp_buf *leave_buffer;
  void *softmmu;                        /* struct Softmmu * */
  void *extra;                          /* struct VcpuExtra * */
  void *bounce_direct;                  /* native store: where the operand really went, NULL = bounce */
  /* --- instrumentation: see instr.h.  Generated code again --- */
  uint8_t *score;               /* this vCPU's counters, by their offsets */
  uintptr_t ring[INSTR_MAX];    /* by channel: where the next record goes */
  struct VcpuInstr *instr;      /* C only; NULL: the machine has no instruments */
  InstrLine line[INSTR_FILTERS][INSTR_LINES];
  TlbGuess guess[TLB_GUESSES];
} TcgVcpu;
_Static_assert (sizeof (TcgVcpu) <= sizeof (BpTcgArea), "the vCPU's area is full");

/* Of functions that the kick's handler calls: it may have interrupted ThreadSanitizer's library, which must not be entered a second time. */
#define TCG_IN_SIGNAL __attribute__ ((no_sanitize ("thread")))

static inline TcgVcpu *tcg_vcpu (void *env) { return (TcgVcpu *) env; }

/* A vCPU's counters are written by its own thread, as generated code does, or while it stands still; any thread may read them. */
static inline void
tcg_score_add (uint8_t *score, size_t counter, uint64_t n)
{
  uint64_t *at = (uint64_t *) (void *) (score + counter);
  __atomic_store_n (at, *at + n, __ATOMIC_RELAXED);
}

static inline void
tlb_near_drop (TcgVcpu *v, unsigned mmu)
{
  v->near[mmu].load = TLB_NEAR_NONE;
  __atomic_store_n (&v->near[mmu].store, TLB_NEAR_NONE, __ATOMIC_RELAXED);      /* (tlb_watch_page does it on any thread) */
  v->near[mmu].patience = 0;
}

static inline void
tlb_near_drop_all (TcgVcpu *v)
{
  for (unsigned i = 0; i < 16; i++)
    tlb_near_drop (v, i);
}

/* --- translation blocks ------------------------------------------------------------- */

/* From a host code address to the guest instruction that was executing: marks are sorted by offset, each holds until the next. */
typedef struct TbMark {
  uint32_t offset : 24;         /* from tb->code */
  uint32_t insn : 8;            /* index into tb->insns */
} TbMark;
#define TB_MAX_INSNS 255

typedef struct TbInsn {
  int32_t pc_delta;             /* the frontend's pc, less that of the block's first instruction */
  uint32_t word;                /* the frontend's state word */
} TbInsn;

/* A field of the CPU's state, or the recovery's constant. */
typedef struct TbOperand {
  uint32_t offset : 30, is_wide : 1 /* 8 bytes, else 4 */, is_value : 1;
} TbOperand;

/* A write to a global that is not done, for only faults could see it: one that is taken in guest instructions first to last does it
 * (opt-recover.c).  The operands hold in the state there what they would have held at the write. */
typedef struct TbRecovery {
  uint8_t first, last;          /* indexes into tb->insns */
  uint8_t op, type;             /* BpIrOp, BpIrType */
  TbOperand to, from[2];
  uint32_t aux;                 /* as in the insn */
  int32_t value;
} TbRecovery;

#define TB_NO_EXIT 0xffffffffu

/* A direct exit: a jump that can be linked. */
typedef struct TbExit {
  uint32_t jump;                /* offset of the 4-byte aligned rel32 of the patchable jump, TB_NO_EXIT without */
  uint32_t unlinked;            /* offset where that jump goes while unlinked */
  uint32_t guard;               /* jumps to another page: offset of what has to be told the target's name, TB_NO_EXIT: none */
  uint32_t page_id;             /* what it was told; 0: nothing yet */
  struct Tb *target;
  struct Tb *incoming_next;     /* see Tb.incoming */
  struct Tb **incoming_at;      /* what points to it there */
} TbExit;
#define TB_MAX_EXITS BP_IR_EXITS
#define TB_MAX_PATH 8

#define TB_ALIGN 16

typedef struct Tb {
  /* what a look-up reads */
  BpTbKey key;
  uint64_t physical[2];         /* of the first byte, and of the second page's start (~0 when it has none) */
  struct Tb *hash_next;
  uint32_t cflags;
  uint32_t mode;                /* interned (base, flags, MMU index that fetches): see tb-cache.c */
  uint16_t n_before, n_bytes;   /* its instructions lie from so many bytes before key.pc to n_bytes behind it */
  uint16_t n_insns;
  bool invalid;
  uint8_t pin_set;              /* which globals its code finds in host registers (host-x64) */
  uint32_t exit_mode;           /* that direct and jump-cache exits go on in */
  /* host code */
  const uint8_t *code;          /* executable view (host-interp: the block itself) */
  uint32_t code_size;
  uint32_t n_marks;
  TbMark *marks;
  TbInsn *insns;                /* n_insns */
  TbRecovery *recoveries;
  uint32_t n_recoveries;
  struct { uint32_t from, to, again; } restart[2];      /* parts of a jump-cache look-up that may be done again from there (host-x64) */
  /* direct exits, by number */
  TbExit *exit;
  uint32_t n_exits;
  struct Tb *incoming;          /* blocks that jump here: list through their exits' incoming_next, low bits of pointers = exit */
  /* invalidation */
  const uint8_t *bytes;         /* the guest's that it was made from, n_bytes of them; NULL: not kept */
  uint32_t page_id[2];          /* names of its pages: jump-cache.c */
  struct Tb *page_next[2];      /* see CodePage */
  struct Tb **page_at[2];       /* what points to it there */
  /* how hot it is: see hot-path.c */
  bool is_watched;              /* its path is known, or that there is none */
  bool is_loop;                 /* the path leads back to it */
  uint8_t n_path;
  uint16_t path[TB_MAX_PATH];   /* where direct jumps led from it, one after the other: offsets in its page.  Code: which of them it was given to follow */
  uint32_t *counter;            /* of what its code counts down where it is entered; NULL: nothing */
  struct InstrTb *instr;        /* what instruments asked for; NULL: nothing */
} Tb;

/* tb->cflags: limit of instructions above, 0 none.  A block with one is entered by the loop only, which has looked at its pages. */
#define TB_MAX_INSNS_SHIFT 16
#define TB_INSTR_SHIFT 8        /* which instruments run: 8 bits */
static inline bool tb_is_limited (const Tb *tb) { return tb->cflags >> TB_MAX_INSNS_SHIFT & TB_MAX_INSNS; }

/* The pc that insn_start gave for instruction i. */
static inline uint64_t tb_insn_pc (const Tb *tb, unsigned i) { return tb->key.pc - tb->key.base + tb->insns[i].pc_delta; }

/* --- runtime entry points for generated code (softmmu-access.c, tb-find.c, exec-leave.c) ----------
 * Built with -mgeneral-regs-only: they leave resident FP state alone, or store it and set fp_dropped + TCG_EVENT_FP_DROPPED. */
uint64_t tcg_slow_load (void *env, uint64_t address, BpMemOp memop);            /* extended to 64 bits as memop says */
void tcg_slow_store (void *env, uint64_t address, uint64_t value, BpMemOp memop);
uint64_t tcg_slow_atomic (void *env, uint64_t address, uint64_t value, BpMemOp memop, uint32_t op /* BP_IR_gxchg.. */);
uint64_t tcg_slow_cmpxchg (void *env, uint64_t address, uint64_t expected, uint64_t desired, BpMemOp memop);
/* Where a native insn finds (or puts) its memory operand: guest RAM or env->bounce.  Raises before anything is done.  After a store
 * through such an address, _commit writes the bounce buffer to the guest if it was used. */
void *tcg_native_operand (void *env, uint64_t address, uint32_t aux);
void tcg_native_commit (void *env, uint64_t address, uint32_t aux);
/* Stores the pc that a block jumps to, or raises what the frontend has against it. */
void tcg_jump (void *env, uint64_t pc);
/* tcg_jump, and the code for guest pc under the state's key; the exit thunk's address when the loop must decide.  exit: of the
 * block that ret_pc lies in, to be linked, or BP_IR_EXIT_NONE. */
const void *tcg_lookup (void *env, uint64_t pc, unsigned exit);
/* The code for the state's pc under its key, of whatever pin set; the exit thunk's address when the loop must decide. */
const void *tcg_continue (void *env);
/* A record as the op gives it, which generated code leaves to C; and: the channel's ring is full. */
void tcg_slow_record (void *env, uint64_t address, uint64_t value, uint64_t imm, uint32_t aux);
void tcg_ring_full (void *env, uint32_t channel);
/* A thunk found TCG_EVENT_LEAVE: unlink the block that ret_pc lies in. */
void tcg_leave_block (void *env);

/* Stores resident FP state into env and notes that it was dropped (thunks reload it).  Any thread state: [vcpu]. */
void tcg_fp_store (void *env);

#endif
