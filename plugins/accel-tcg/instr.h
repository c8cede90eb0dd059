/* instr.h -- instruments as the translator sees them: who is attached, what they asked for, what their rings hold. */
/* SPDX-License-Identifier: MIT */
/*
 * Which instruments run on a vCPU is a mask, and part of the key of its blocks (Tb.cflags): code for every set of running instruments stands beside the
 * code without any, and starting or stopping one changes nothing but which blocks are looked for.
 *
 * What an instrument asks for becomes insns of the block's IR (instr-weave.c).  What helpers access in C is told from here (instr_accessed).
 * Locks: TcgInstr.lock is the innermost, below the translator's.
 */
#ifndef ACCEL_TCG_INSTR_H
#define ACCEL_TCG_INSTR_H

#include <backplane/iface/symbols.h>
#include <backplane/tcg/instrument.h>
#include "machine-tcg.h"

/* --- a vCPU's scoreboard: an area of memory of its own, mapped when it is touched ------------------------------- */

#define SCORE_LAZY 64u                          /* counters that are made right when they are read */
#define SCORE_LIVE (32u << 20)                  /* live counters, scoreboards */
#define SCORE_BLOCKS (64u << 20)                /* how often blocks were entered */
#define SCORE_SIZE (192u << 20)

/* --- requests, kept with the block for what generated code does not do ------------------------------------------- */

typedef struct InstrTally {     /* a counter that instructions [first, last] add n to */
  uint32_t counter;
  uint16_t first, last;
  uint64_t n;
  bool begun;                   /* one that faults counts, too */
} InstrTally;

typedef enum InstrMemoryAct { INSTR_MEMORY_RECORD, INSTR_MEMORY_COUNT, INSTR_MEMORY_CALL } InstrMemoryAct;
typedef struct InstrMemory {    /* what an access of an instruction leads to */
  uint16_t insn;
  uint8_t which;                /* BP_LOADS | BP_STORES */
  uint8_t act;                  /* InstrMemoryAct */
  uint8_t channel;
  uint8_t filter;               /* number from 1 */
  uint8_t registers;            /* of a call */
  uint32_t user;
  uint32_t site[2];             /* RECORD: of loads and of stores that helpers make; 0: not yet */
  uint32_t counter;
  uint64_t n;
  BpAccessCall *call;
  void *data;
  const BpInsn *guest;
} InstrMemory;

typedef struct InstrTold {      /* whoever is told that the block was entered is told when it is left early */
  uint32_t user;
  uint8_t channel;
} InstrTold;

/* Records that have been written, and not counted yet, when an instruction begins. */
typedef struct InstrAhead {
  uint8_t channel;
  uint16_t *bytes;              /* by instruction; INSTR_COUNTED: its own record as well has been counted before anything may fault */
} InstrAhead;
#define INSTR_COUNTED 0xffffu

typedef struct InstrTb {
  uint32_t slot;                /* in the scoreboard: how often the block was entered; 0: nobody wants to know */
  uint16_t n_tallies, n_live, n_whole, n_memory, n_insns, n_told;
  InstrTally *tally;            /* by way of the slot */
  InstrTally *live;             /* added where they are, in front of each instruction */
  InstrTally *whole;            /* to live counters, added where the block is entered: nobody looks in between */
  InstrMemory *memory;          /* by instruction */
  InstrTold *told;
  struct InstrCall *calls;      /* a list: freed with it */
  const BpInsn **insn;
  unsigned n_ahead;
  InstrAhead *ahead;
} InstrTb;

/* A call of a function of the instrument's, as generated code finds it. */
typedef struct InstrCall {
  struct InstrCall *next;
  struct Instr *instr;
  BpInsnCall *call;
  void *data;
  const BpInsn *insn;
} InstrCall;

typedef struct InstrFilter {
  bool used, is_code, is_data, stores_apart, is_ranged;
  uint8_t shift;                /* log2 of a line's bytes */
  uint8_t channel;
  uint32_t entries;             /* 0: no same-line filter */
  uint64_t first, last;
} InstrFilter;

/* --- instruments ---------------------------------------------------------------------------------------------------- */

/* Arrays on their way to a consumer's thread. */
typedef struct InstrParcel {
  void *records;
  size_t n;
  uint32_t vcpu;
  uint64_t space, lost;
} InstrParcel;

typedef struct InstrConsumer {
  GThread *thread;
  GMutex lock;
  GCond cond;
  GQueue full;                  /* of InstrParcel * */
  GPtrArray *free;              /* of arrays */
  bool ends, busy, stuck;
} InstrConsumer;

typedef struct Instr {
  BpInstrument instrument;      /* first */
  struct TcgInstr *all;
  unsigned index;
  void *self;
  char *label;                  /* "instrument `cache' (tcg-cache)" */
  const BpInstrumentOps *ops;
  void *user;
  BpInstrumentControl control;
  bool wide;
  bool running;                 /* atomic: wanted by set_running, markers, addresses */
  bool has_run;                 /* atomic: it was wanted once */
  uint64_t *spaces;             /* under the lock: selected; n 0: all */
  size_t n_spaces;
  InstrConsumer *consumer;      /* NULL: batches come on the vCPU's thread */
} Instr;

typedef struct TcgInstr {
  TcgMachine *m;
  GMutex lock;
  Instr *slot[INSTR_MAX];
  unsigned n_vcpus;
  uint8_t **score;              /* by vCPU */
  uint32_t serial;              /* atomic: changes when masks may */
  bool has_triggers, has_selections;
  InstrFilter filter[INSTR_FILTERS];
  BpSite *site;                 /* never moves */
  uint32_t n_sites, n_insns, n_lines;
  GHashTable *site_index, *insn_index, *line_index;
  GArray *free_slots;           /* of uint32_t */
  uint32_t next_lazy, next_live, next_slot;
  bool settled;                 /* atomic, changed under the translator's lock: no entry of a block is waiting to be added to counters */
  bool is_full;                 /* said that there are too many sites */
} TcgInstr;

/* Of a vCPU. */
typedef struct VcpuInstr {
  TcgInstr *all;
  uint32_t serial;              /* TcgInstr.serial that the mask is of */
  uint8_t mask;                 /* which run; atomic for other threads */
  bool in_block;                /* an instrument looks at a block: the translator's lock is held */
  bool started, is_idle;
  bool at_exit;                 /* the block that raises has counted all of its records */
  uint64_t space;
  struct { uint8_t *base; uint64_t lost; } ring[INSTR_MAX];
  const Instr *calling;         /* whose function is running; for the signal handler */
} VcpuInstr;

static inline uint32_t instr_cflags (const TcgVcpu *v) { return G_UNLIKELY (v->instr != NULL) ? (uint32_t) v->instr->mask << TB_INSTR_SHIFT : 0; }
static inline uint32_t instr_mask (uint32_t cflags) { return cflags >> TB_INSTR_SHIFT & 0xff; }
/* What tells apart blocks of one key: a number that takes the place of the MMU index when modes are interned. */
static inline unsigned instr_mode (uint32_t cflags) { return cflags >> TB_MMU_SHIFT | instr_mask (cflags) << 8; }

/* instr.c */
extern const BpInstrumentHost instr_host;
void instr_vcpu_init (TcgVcpu *v, unsigned index);
void instr_vcpu_finish (TcgVcpu *v);
void instr_finish (TcgMachine *m);
void instr_update_mask (TcgVcpu *v);                    /* [vcpu] between blocks: serial has changed */
uint64_t instr_translate (TcgVcpu *v, uint64_t address);        /* by the page tables, without a trace in them; UINT64_MAX: nothing is mapped */

/* instr-sites.c */
void *instr_reserve (size_t size);                      /* memory that is there when it is touched; NULL: no address space is left */
bool instr_sites_init (TcgInstr *a);                    /* false likewise */
void instr_sites_finish (TcgInstr *a);
const BpInsn *instr_intern (TcgInstr *a, const BpTbKey *key, const BpInsn *insn);       /* under the translator's lock */
uint32_t instr_site (TcgInstr *a, const BpSite *site);
uint32_t instr_line (TcgInstr *a, uint64_t line);
const BpTbKey *instr_insn_key (const BpInsn *insn);     /* under which it was decoded */

/* instr-score.c: members of BpInstrumentHost, and others */
BpCounter instr_counter_new (BpInstrument *in, unsigned flags);
BpCounter instr_scoreboard_new (BpInstrument *in, size_t bytes);
void *instr_counter_at (BpInstrument *in, BpCounter c, unsigned vcpu);
uint64_t instr_counter_get (BpInstrument *in, BpCounter c, unsigned vcpu);
uint32_t instr_slot_new (TcgInstr *a);
void instr_release (TcgMachine *m, Tb *tb);             /* no vCPU runs it: what it has counted is added up */
bool instr_nobody_runs (const TcgInstr *a);

/* instr-weave.c, instr-block.c: under the translator's lock */
void instr_weave (TcgVcpu *v, Tb *tb, BpIrBlock *ir, const uint8_t *code);
bool instr_cuts (const TcgInstr *a, uint64_t pc);       /* an instrument starts or stops there: a block begins */
/* members of BpInstrumentHost */
unsigned instr_block_n_insns (const BpInstrBlock *b);
const BpInsn *instr_block_insn (const BpInstrBlock *b, unsigned insn);
void instr_block_count (BpInstrBlock *b, unsigned insn, BpCounter counter, uint64_t n);
void instr_block_count_memory (BpInstrBlock *b, unsigned insn, unsigned which, BpCounter counter, uint64_t n);
void instr_block_call (BpInstrBlock *b, unsigned insn, const BpCondition *condition, BpInsnCall *call, void *data, unsigned registers);
void instr_block_call_memory (BpInstrBlock *b, unsigned insn, unsigned which, BpAccessCall *call, void *data, unsigned registers);
void instr_block_record (BpInstrBlock *b, unsigned insn, BpRecordKind kind, BpFilter filter, uint32_t line_bytes, uint32_t user);
void instr_block_store_immediate (BpInstrBlock *b, unsigned insn, BpCounter counter, uint64_t value);

/* instr-record.c: [vcpu].  Built with -mgeneral-regs-only, as what calls it */
bool instr_passes (TcgVcpu *v, const InstrFilter *f, unsigned number, uint64_t address, unsigned bytes, bool is_store); /* it says something new, which the filter remembers */
void instr_append (TcgVcpu *v, uint64_t address, uint64_t value, uint32_t site, unsigned bytes, uint32_t aux);
/* Of a block that was entered: from that instruction on, for it faults, or (is_left) the one before it has left. */
void instr_not_executed (TcgVcpu *v, const Tb *tb, unsigned insn, bool is_left);

/* instr-events.c: [vcpu].  Built with -mgeneral-regs-only, as what calls it */
void instr_begin (TcgVcpu *v);                          /* it runs from now on */
void instr_end (TcgVcpu *v);                            /* [main] it will run no more */
void instr_idle (TcgVcpu *v, bool idle);
/* The vCPU is between blocks. */
static inline void
instr_look (TcgVcpu *v)
{
  if (v->instr->serial != __atomic_load_n (&v->instr->all->serial, __ATOMIC_ACQUIRE))
    instr_update_mask (v);
}
void instr_jump (TcgVcpu *v, BpJumpKind kind, uint64_t from);
void instr_space (TcgVcpu *v, uint64_t space);
void instr_translations_change (TcgVcpu *v);            /* before the TLB forgets something */
void instr_filters_forget (TcgVcpu *v, unsigned channel);       /* INSTR_MAX: of all */
void instr_set_running (BpInstrument *in, bool running);        /* [any] */
void instr_kick_all (TcgInstr *a);                      /* each looks at its mask before its next block */
void instr_marker (TcgVcpu *v, uint64_t number);
void instr_accessed (TcgVcpu *v, uint64_t address, uint64_t value, unsigned bytes, bool is_store, unsigned mmu);        /* by a helper */
extern const BpIrHelper instr_reached_helper, instr_call_helper[3], instr_access_helper[3];

/* instr-ring.c */
void instr_rings_init (TcgVcpu *v);
void instr_rings_finish (TcgVcpu *v);
void instr_deliver (TcgVcpu *v, unsigned channel);      /* what the ring holds; FP state has been put away */
void instr_deliver_all (TcgVcpu *v);
/* The TLB's answer, or that of the page tables as they are now. */
uint64_t instr_physical (TcgVcpu *v, uint64_t address, BpMmuAccess access, unsigned mmu);       /* [vcpu] UINT64_MAX: nothing is mapped */
bool instr_consumer_start (Instr *in, GError **error);
void instr_consumer_wait (Instr *in);                   /* until all has arrived */
void instr_consumer_stop (Instr *in);
extern __thread const Instr *instr_consumed __attribute__ ((tls_model ("initial-exec")));       /* whose thread this is, NULL: none's */

/* signals.c */
void signals_name_instruments (void);

static inline size_t instr_record_size (bool wide) { return wide ? sizeof (BpWideRecord) : sizeof (BpRecord); }

/* The instrument's functions are called between these; so a crash has a name. */
static inline const Instr *
instr_enter (VcpuInstr *x, const Instr *in)
{
  const Instr *last = x->calling;
  __atomic_store_n (&x->calling, in, __ATOMIC_RELAXED);
  return last;
}

/* Calls a function of its table with user and these, if it has one. */
#define INSTR_TELL(v, in, member, ...) \
  G_STMT_START { \
    if (BP_TABLE_HAS ((in)->ops, member)) { \
      const Instr *last_ = instr_enter ((v)->instr, in); \
      (in)->ops->member ((in)->user, __VA_ARGS__); \
      instr_enter ((v)->instr, last_); \
    } \
  } G_STMT_END

#endif
