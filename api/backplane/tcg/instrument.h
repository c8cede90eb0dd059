/* tcg/instrument.h -- what an instrument sees of the guest's execution, and what it may ask for. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  An instrument is an object of kind BP_KIND_INSTRUMENT (`[instrument NAME]` in the descriptor).  In its realize it attaches itself with
 * bp_instrument_attach; from then on it is told of every block of guest code when that is translated, and asks for what shall happen when the block
 * runs: counters that generated code adds to, calls, and records that generated code appends to a ring and that arrive as arrays.  What nobody asks
 * for costs nothing, and an instrument that is stopped leaves no trace in the code that runs.
 *
 *     static void
 *     on_block (void *user, BpInstrBlock *block)
 *     {
 *       Mine *m = user;
 *       bp_block_count (block, BP_EVERY_INSN, m->instructions, 1);
 *     }
 *
 * CHEAP FIRST.  From the cheapest to the dearest: a counter (about one host instruction a block, however many are asked for), records behind a filter,
 * records, counters for memory accesses, conditional calls, calls.  A call an instruction costs 10 times the guest's own time; a record some 10 %.
 *
 * EXACTNESS.  An instruction counts, and is recorded, when it is executed; one that faults is not, and will be when it is executed again.  Calls come
 * before their instruction, also when that faults then.  An access is recorded, counted and told after it was made.  A repeated string instruction
 * (x86 `rep`) counts once each time it is begun or resumed; its accesses are told in pieces, of one or many elements.  What the CPU accesses by itself (page
 * tables, the delivery of interrupts) is not told.  In deterministic mode all that an instrument is told is the same in each run.
 *
 * THREADS.  `block` is called [vcpu] under the translator's lock: it looks and asks, and does nothing else; it may be called again for the same code
 * (another vCPU, another mode, the cache was full).  Calls, and records without BP_INSTRUMENT_THREAD, come [vcpu] without any lock; several vCPUs at a
 * time.  The other functions say it.  Nothing here may be called with the machine lock held unless it says so.
 *
 * STABILITY.  The promise of plugin.h: an instrument that is compiled against 1.x works with every later 1.y.  Structs that the host gives are read-only,
 * and only grow at the end.  The inline functions below are calls through BpInstrumentHost, which does likewise; the accelerator that has none of
 * it says so in bp_instrument_attach.
 */
#ifndef BACKPLANE_TCG_INSTRUMENT_H
#define BACKPLANE_TCG_INSTRUMENT_H

#include <backplane/object.h>
#include <backplane/report.h>
BP_BEGIN_DECLS

typedef struct BpInstrument BpInstrument;
typedef struct BpInstrBlock BpInstrBlock;

/* --- guest instructions --------------------------------------------------------------------- */

/* What an instruction is, for mixes and traces.  Finer than the flags below, coarser than an opcode; a CPU frontend that cannot tell says OTHER. */
typedef enum BpInsnClass {
  BP_CLASS_OTHER,
  BP_CLASS_MOVE,                /* register and memory moves, push, pop, lea */
  BP_CLASS_ARITHMETIC,          /* integer add, subtract, compare, negate */
  BP_CLASS_LOGIC,
  BP_CLASS_SHIFT,               /* and rotates, bit tests and scans */
  BP_CLASS_MULTIPLY,
  BP_CLASS_DIVIDE,
  BP_CLASS_CONDITIONAL,         /* conditional moves and sets */
  BP_CLASS_STRING,
  BP_CLASS_ATOMIC,              /* locked read-modify-write */
  BP_CLASS_FLOAT,               /* scalar floating point, x87 included */
  BP_CLASS_VECTOR_FLOAT,
  BP_CLASS_VECTOR_INTEGER,
  BP_CLASS_CRYPTO,
  BP_CLASS_BRANCH,              /* conditional */
  BP_CLASS_JUMP,                /* unconditional, direct or not */
  BP_CLASS_CALL,
  BP_CLASS_RETURN,
  BP_CLASS_SYSTEM_CALL,         /* into the kernel and back: syscall, int, iret, sysret */
  BP_CLASS_SYSTEM,              /* privileged: control registers, descriptor tables, MSRs, TLB */
  BP_CLASS_IO,                  /* ports */
  BP_CLASS_FENCE,               /* and cache control, prefetch */
  BP_CLASS_NOP,
  BP_N_CLASSES
} BpInsnClass;

enum {                          /* BpInsn.flags */
  BP_INSN_BRANCH = 1 << 0,      /* may go elsewhere than to the next instruction: jumps, calls, returns, loops */
  BP_INSN_CONDITIONAL = 1 << 1,
  BP_INSN_INDIRECT = 1 << 2,    /* the target is in a register or memory (returns too) */
  BP_INSN_CALL = 1 << 3,
  BP_INSN_RETURN = 1 << 4,
  BP_INSN_LOADS = 1 << 5,       /* reads memory by an operand (or the stack) */
  BP_INSN_STORES = 1 << 6,
  BP_INSN_REPEATED = 1 << 7     /* x86 rep */
};

/* One guest instruction at one place.  The same pointer whenever it is translated again; it lives as long as the machine. */
typedef struct BpInsn {
  uint64_t address;             /* virtual (x86: linear) */
  uint64_t physical;            /* guest-physical, of its first byte */
  uint32_t id;                  /* 0, 1, 2 ...: an index for tables of your own */
  uint8_t size;                 /* bytes */
  uint8_t privilege;            /* 0: the most */
  uint8_t insn_class;           /* BpInsnClass */
  uint8_t code_bits;            /* 16, 32 or 64: how it was decoded; 0: not told */
  uint16_t flags;               /* BP_INSN_* */
  uint8_t bytes[16];
  uint64_t target;              /* of a direct branch; UINT64_MAX: none, or not known */
} BpInsn;

/* The registers that an instruction names, by numbers of the frontend: x86: 0 .. 15 rax rcx rdx rbx rsp rbp rsi rdi r8 ..., 16 rip, 17 flags, 32 .. 47 xmm,
 * 48 .. 55 st/mm. */
typedef struct BpInsnRegisters {
  uint32_t struct_size;
  uint8_t n_read, n_written;
  uint8_t read[8], written[8];
} BpInsnRegisters;

/* --- records ----------------------------------------------------------------------------------- */

typedef enum BpRecordKind {
  BP_RECORD_LOAD,
  BP_RECORD_STORE,
  BP_RECORD_FETCH,              /* code: bp_block_record_fetch */
  BP_RECORD_INSN,               /* an instruction was executed: bp_block_record_insn */
  BP_RECORD_BLOCK               /* a block was entered: bp_block_record_block */
} BpRecordKind;
enum { BP_SITE_ATOMIC = 1 << 0 /* the load and the store of one locked access */, BP_SITE_HELPER = 1 << 1 /* sizes are the records' own */ };

/* Where records come from: one request for one instruction.  bp_sites () [record.site]; lives as long as the machine. */
typedef struct BpSite {
  const BpInsn *insn;
  uint8_t kind;                 /* BpRecordKind */
  uint8_t flags;                /* BP_SITE_* */
  uint16_t bytes;               /* of the access; FETCH: of the instructions that lie in the line; BLOCK: of the whole block */
  uint32_t user;                /* what was asked with */
  uint32_t mmu;                 /* the host's */
  uint32_t n_insns;             /* BLOCK: instructions in it */
} BpSite;

typedef struct BpRecord {
  uint64_t address;             /* virtual: of the access, of the line's first byte (FETCH), of the instruction */
  uint32_t site;
  uint32_t bytes;               /* 0: as the site says */
} BpRecord;

/* With BP_INSTRUMENT_WIDE. */
typedef struct BpWideRecord {
  uint64_t address;
  uint32_t site, bytes;
  uint64_t physical;            /* guest-physical, of `address` */
  uint64_t value;               /* loaded (zero-extended) or stored: low 64 bits; 0 when bytes > 8 */
} BpWideRecord;

/* Records of one vCPU in the order of execution. */
typedef struct BpBatch {
  uint32_t struct_size;
  uint32_t vcpu;
  const void *records;          /* n BpRecord, or BpWideRecord */
  size_t n;
  uint64_t space;               /* the address space that all of them were made in (x86: CR3 less its low 12 bits) */
  uint64_t lost;                /* how many before these were dropped, because a consumer did not come back in time */
} BpBatch;

/* --- other things told ------------------------------------------------------------------------- */

typedef enum BpVcpuEvent { BP_VCPU_START, BP_VCPU_STOP, BP_VCPU_IDLE, BP_VCPU_RESUME } BpVcpuEvent;

typedef enum BpJumpKind { BP_JUMP_INTERRUPT, BP_JUMP_EXCEPTION } BpJumpKind;
typedef struct BpJump {         /* control went elsewhere than by an instruction */
  uint32_t struct_size;
  BpJumpKind kind;
  uint64_t from, to;            /* virtual: the next or the faulting instruction, and the handler's first */
} BpJump;

/* Markers with a meaning of their own: the guest executes the magic instruction (x86: xchg %bx,%bx, with the number in eax). */
enum { BP_MARKER_START = 1, BP_MARKER_STOP = 2 };

enum {                          /* BpInstrumentOps.flags */
  BP_INSTRUMENT_THREAD = 1 << 0,        /* `records` are called on a thread of the instrument's own */
  BP_INSTRUMENT_WIDE = 1 << 1           /* records are BpWideRecord */
};

/* The instrument's side.  Every function may be NULL. */
typedef struct BpInstrumentOps {
  uint32_t struct_size;
  uint32_t flags;
  /* Code is translated that runs while the instrument does. [vcpu] */
  void (*block) (void *user, BpInstrBlock *block);
  /* The array is the host's, for the call. [vcpu], or the instrument's thread: one call at a time then */
  void (*records) (void *user, const BpBatch *batch);
  void (*vcpu) (void *user, unsigned vcpu, BpVcpuEvent event);          /* [vcpu] */
  void (*jump) (void *user, unsigned vcpu, const BpJump *jump);         /* [vcpu]; after the jump */
  void (*space) (void *user, unsigned vcpu, uint64_t space);            /* [vcpu]; the address space is another one now */
  /* The guest's magic instruction; START and STOP have been obeyed already when `start = marker` is set. [vcpu] */
  void (*marker) (void *user, unsigned vcpu, uint64_t number);
  void (*started) (void *user, unsigned vcpu);                  /* the vCPU runs instrumented code from now on */
  void (*stopped) (void *user, unsigned vcpu);
  /* At the end, and whenever somebody asks: all vCPUs stand, all records have arrived. [main] */
  void (*report) (void *user, BpReport *report);
} BpInstrumentOps;

typedef void BpInsnCall (void *user, unsigned vcpu, const BpInsn *insn, void *data);
/* value: as in BpWideRecord; physical likewise. */
typedef struct BpAccess {
  uint32_t struct_size;
  uint32_t bytes;
  uint64_t address, physical, value;
  bool is_store, is_atomic, is_device;
} BpAccess;
typedef void BpAccessCall (void *user, unsigned vcpu, const BpInsn *insn, const BpAccess *access, void *data);

/* --- requests ----------------------------------------------------------------------------------- */

#define BP_EVERY_INSN UINT32_MAX        /* in place of an instruction's index: for each one of the block */
enum { BP_LOADS = 1, BP_STORES = 2 };   /* which accesses */

/* A number a vCPU that generated code adds to; 0: none. */
typedef uint32_t BpCounter;
enum {
  BP_COUNTER_LIVE = 1           /* is right at every instruction, for conditions and bp_counter_at; dearer.  The others are right when they are read */
};

typedef enum BpCompare { BP_IF_EQ, BP_IF_NE, BP_IF_LT, BP_IF_LE, BP_IF_GT, BP_IF_GE } BpCompare;        /* unsigned */
typedef struct BpCondition {
  BpCounter counter;            /* a live one, of the vCPU that runs */
  BpCompare compare;
  uint64_t value;
} BpCondition;

/* What a call may do with the vCPU's registers. */
enum { BP_CALL_NO_REGISTERS = 0, BP_CALL_READS = 1, BP_CALL_WRITES = 2 };

/* Keeps records out that say nothing new; 0: none.  Made once, used in many requests. */
typedef uint32_t BpFilter;
typedef struct BpFilterDesc {
  uint32_t struct_size;
  /*
   * Same line: an access is left out when it is to the line that was accessed last among those with the same index, line_bytes (a power of two, 8 to
   * 4096) and `entries' (a power of two, at most 4096 / line_bytes and 64) indexes.  An access that crosses lines never is.  In a cache of at least as many sets such an
   * access hits, and changes neither LRU, pseudo-LRU, FIFO nor random order.  What changes translations (address spaces, TLB flushes) empties
   * the filter, and so does bp_filter_clear.
   * stores_apart: a store is only left out when the last access that was not was a store to that line: for who keeps dirty bits.
   */
  uint32_t line_bytes, entries;
  bool stores_apart;
  /* Ranges: accesses that do not begin in [first, last] are left out; both 0: everywhere. */
  uint64_t first, last;
} BpFilterDesc;

/* --- symbols ---------------------------------------------------------------------------------------- */

typedef struct BpSymbol {
  uint32_t struct_size;
  const char *name;             /* NULL: not known */
  uint64_t offset;              /* from the symbol's start */
  const char *file;             /* source; NULL: not known */
  uint32_t line;                /* 0: not known */
  const char *object;           /* the object that knew it: "vmlinux"; NULL: none */
} BpSymbol;

/* --- the host's side ---------------------------------------------------------------------------------- */

/* When an instrument runs: the descriptor's `start' and `stop' keys, which bp_instrument_attach reads. */
typedef enum BpInstrumentWhen { BP_WHEN_NOW, BP_WHEN_MARKER, BP_WHEN_ADDRESS, BP_WHEN_NEVER } BpInstrumentWhen;
typedef struct BpInstrumentControl {
  uint32_t struct_size;
  BpInstrumentWhen start, stop; /* start NEVER: until somebody says so; stop NOW is not used */
  uint64_t start_address, stop_address;         /* virtual, of an instruction: before it is executed */
  uint32_t patience_ms;         /* how long a vCPU waits for a consumer before records are dropped */
} BpInstrumentControl;

typedef struct BpInstrumentHost {
  uint32_t struct_size;
  BpInstrument *(*attach) (void *accel, void *self, const BpInstrumentOps *ops, void *user, const BpInstrumentControl *control, GError **error);
  void (*detach) (BpInstrument *instrument);
  void (*set_running) (BpInstrument *instrument, bool running);
  bool (*is_running) (BpInstrument *instrument, unsigned vcpu);
  void (*select) (BpInstrument *instrument, const uint64_t *spaces, size_t n);
  void (*flush) (BpInstrument *instrument);
  unsigned (*n_vcpus) (BpInstrument *instrument);
  /* blocks */
  unsigned (*block_n_insns) (const BpInstrBlock *block);
  const BpInsn *(*block_insn) (const BpInstrBlock *block, unsigned insn);
  void (*block_count) (BpInstrBlock *block, unsigned insn, BpCounter counter, uint64_t n);
  void (*block_count_memory) (BpInstrBlock *block, unsigned insn, unsigned which, BpCounter counter, uint64_t n);
  void (*block_call) (BpInstrBlock *block, unsigned insn, const BpCondition *condition, BpInsnCall *call, void *data, unsigned registers);
  void (*block_call_memory) (BpInstrBlock *block, unsigned insn, unsigned which, BpAccessCall *call, void *data, unsigned registers);
  void (*block_record) (BpInstrBlock *block, unsigned insn, BpRecordKind kind, BpFilter filter, uint32_t line_bytes, uint32_t user);
  void (*block_store_immediate) (BpInstrBlock *block, unsigned insn, BpCounter counter, uint64_t value);
  /* counters, filters */
  BpCounter (*counter_new) (BpInstrument *instrument, unsigned flags);
  BpCounter (*scoreboard_new) (BpInstrument *instrument, size_t bytes);
  void *(*counter_at) (BpInstrument *instrument, BpCounter counter, unsigned vcpu);
  uint64_t (*counter_get) (BpInstrument *instrument, BpCounter counter, unsigned vcpu);
  BpFilter (*filter_new) (BpInstrument *instrument, const BpFilterDesc *desc, GError **error);
  void (*filter_clear) (BpInstrument *instrument, BpFilter filter, unsigned vcpu);
  /* the guest */
  const BpSite *(*sites) (BpInstrument *instrument);
  unsigned (*disassemble) (BpInstrument *instrument, const BpInsn *insn, char *out, size_t size);
  bool (*registers) (BpInstrument *instrument, const BpInsn *insn, BpInsnRegisters *out);
  bool (*symbol) (BpInstrument *instrument, const BpInsn *insn, BpSymbol *out);
  unsigned (*read_register) (BpInstrument *instrument, unsigned vcpu, const char *name, void *out, size_t size);
  bool (*write_register) (BpInstrument *instrument, unsigned vcpu, const char *name, const void *value, size_t size);
  bool (*read_memory) (BpInstrument *instrument, unsigned vcpu, uint64_t address, void *out, size_t size);
  bool (*write_memory) (BpInstrument *instrument, unsigned vcpu, uint64_t address, const void *data, size_t size);
  bool (*read_physical) (BpInstrument *instrument, uint64_t physical, void *out, size_t size);
  bool (*write_physical) (BpInstrument *instrument, uint64_t physical, const void *data, size_t size);
  bool (*translate) (BpInstrument *instrument, unsigned vcpu, uint64_t address, uint64_t *physical);
  uint64_t (*space) (BpInstrument *instrument, unsigned vcpu);
} BpInstrumentHost;

#define BP_INSTRUMENT_HOST_ID "bp.instrument-host/1"

/* What an instrument holds of its host. */
struct BpInstrument {
  const BpInstrumentHost *host;
};

/* Attaches an instrument, `self' being the object; ops and user live until detach.  NULL, with error: the accelerator cannot be instrumented, or has too
 * many instruments (8).  The rest of this header works from then until detach. [main][realize] */
BP_EXPORT BpInstrument *bp_instrument_attach (void *self, const BpInstrumentOps *ops, void *user, GError **error);
/* NULL is allowed.  In unrealize. [main] */
static inline void bp_instrument_detach (BpInstrument *in) { if (in) in->host->detach (in); }

/* --- a machine's instruments, for monitors: [main], without the machine lock ------------------------------------------ */

/* What an object has attached; NULL: nothing.  See bp_machine_next_object. */
BP_EXPORT BpInstrument *bp_instrument_of (const void *self);
typedef enum BpReportForm { BP_REPORT_FORM_TEXT, BP_REPORT_FORM_JSON, BP_REPORT_FORM_HTML } BpReportForm;
/* Its report so far.  A machine that runs stands for as long as that takes, and nobody is told.  Free with g_free. */
BP_EXPORT char *bp_instrument_report (const void *self, BpReportForm form);
/* The same into a file: .html, .txt, else JSON.  A file that is there is replaced when all is written. */
BP_EXPORT bool bp_instrument_write_report (const void *self, const char *path, GError **error);

/* --- running ---------------------------------------------------------------------------------------------- */

/* Starts or stops for all vCPUs; each obeys at the end of the block that it is in. [any] */
static inline void bp_instrument_set_running (BpInstrument *in, bool running) { in->host->set_running (in, running); }
static inline bool bp_instrument_is_running (BpInstrument *in, unsigned vcpu) { return in->host->is_running (in, vcpu); }
/* Runs in these address spaces only; n 0: in all.  Others run without a trace of it. [any] */
static inline void bp_instrument_select (BpInstrument *in, const uint64_t *spaces, size_t n) { in->host->select (in, spaces, n); }
/* Records that wait in rings are delivered. [main], all vCPUs stopped, or [vcpu]: of that vCPU */
static inline void bp_instrument_flush (BpInstrument *in) { in->host->flush (in); }
static inline unsigned bp_instrument_n_vcpus (BpInstrument *in) { return in->host->n_vcpus (in); }      /* [any] */

/* --- a block: only within BpInstrumentOps.block ---------------------------------------------------------------- */

/* (first member of BpInstrBlock, so that these are calls without a look-up) */
struct BpInstrBlock {
  BpInstrument *instrument;     /* whose `block' is being called */
};

static inline unsigned bp_block_n_insns (const BpInstrBlock *b) { return b->instrument->host->block_n_insns (b); }
static inline const BpInsn *bp_block_insn (const BpInstrBlock *b, unsigned insn) { return b->instrument->host->block_insn (b, insn); }
/* The instruction is executed: n is added. */
static inline void
bp_block_count (BpInstrBlock *b, unsigned insn, BpCounter counter, uint64_t n)
{
  b->instrument->host->block_count (b, insn, counter, n);
}
/* The instruction makes an access (BP_LOADS | BP_STORES): n is added to a live counter, for each. */
static inline void
bp_block_count_memory (BpInstrBlock *b, unsigned insn, unsigned which, BpCounter counter, uint64_t n)
{
  b->instrument->host->block_count_memory (b, insn, which, counter, n);
}
/* The instruction is about to be executed: the live counter becomes `value`. */
static inline void
bp_block_store (BpInstrBlock *b, unsigned insn, BpCounter counter, uint64_t value)
{
  b->instrument->host->block_store_immediate (b, insn, counter, value);
}
/* Calls before the instruction; registers: BP_CALL_*.  condition: NULL, or under which. */
static inline void
bp_block_call (BpInstrBlock *b, unsigned insn, const BpCondition *condition, BpInsnCall *call, void *data, unsigned registers)
{
  b->instrument->host->block_call (b, insn, condition, call, data, registers);
}
/* Calls after each access. */
static inline void
bp_block_call_memory (BpInstrBlock *b, unsigned insn, unsigned which, BpAccessCall *call, void *data, unsigned registers)
{
  b->instrument->host->block_call_memory (b, insn, which, call, data, registers);
}
/* A record after each access.  user: comes back in BpSite.user, here and below. */
static inline void
bp_block_record_memory (BpInstrBlock *b, unsigned insn, unsigned which, BpFilter filter, uint32_t user)
{
  if (which & BP_LOADS)
    b->instrument->host->block_record (b, insn, BP_RECORD_LOAD, filter, 0, user);
  if (which & BP_STORES)
    b->instrument->host->block_record (b, insn, BP_RECORD_STORE, filter, 0, user);
}
/* A record for each line of `line_bytes` that the block's instructions are fetched from, before the first instruction that lies (in part) in it.  Filters
 * work as for loads, with the line as the access. */
static inline void
bp_block_record_fetch (BpInstrBlock *b, uint32_t line_bytes, BpFilter filter, uint32_t user)
{
  b->instrument->host->block_record (b, BP_EVERY_INSN, BP_RECORD_FETCH, filter, line_bytes, user);
}
/* A record before the instruction.  When it faults then, the record is taken back. */
static inline void
bp_block_record_insn (BpInstrBlock *b, unsigned insn, uint32_t user)
{
  b->instrument->host->block_record (b, insn, BP_RECORD_INSN, 0, 0, user);
}
static inline void
bp_block_record_block (BpInstrBlock *b, uint32_t user)
{
  b->instrument->host->block_record (b, 0, BP_RECORD_BLOCK, 0, 0, user);
}

/* --- counters and filters: [main] in realize, unless said otherwise ---------------------------------------------- */

static inline BpCounter bp_counter_new (BpInstrument *in, unsigned flags) { return in->host->counter_new (in, flags); }
/* `bytes` of zeroed memory a vCPU, whose words of 8 bytes are live counters: the one at offset k is counter + k. */
static inline BpCounter bp_scoreboard_new (BpInstrument *in, size_t bytes) { return in->host->scoreboard_new (in, bytes); }
/* Where a vCPU's live counter is.  It stays there; NULL: not a live one. [any] */
static inline void *bp_counter_at (BpInstrument *in, BpCounter c, unsigned vcpu) { return in->host->counter_at (in, c, vcpu); }
/* Exact [vcpu], and for all when the machine stands; else somewhat late. [any] */
static inline uint64_t bp_counter_get (BpInstrument *in, BpCounter c, unsigned vcpu) { return in->host->counter_get (in, c, vcpu); }
static inline uint64_t
bp_counter_sum (BpInstrument *in, BpCounter c)
{
  uint64_t sum = 0;
  for (unsigned i = 0, n = bp_instrument_n_vcpus (in); i < n; i++)
    sum += bp_counter_get (in, c, i);
  return sum;
}
/* 0, with error: what is asked for is not possible. */
static inline BpFilter bp_filter_new (BpInstrument *in, const BpFilterDesc *desc, GError **error) { return in->host->filter_new (in, desc, error); }
/* The next access to each line is recorded again: after a line was taken out of the cache by somebody else. [vcpu], or all stopped */
static inline void bp_filter_clear (BpInstrument *in, BpFilter filter, unsigned vcpu) { in->host->filter_clear (in, filter, vcpu); }

/* --- the guest ------------------------------------------------------------------------------------------------------ */

/* By BpRecord.site; the table never moves. [any] */
static inline const BpSite *bp_sites (BpInstrument *in) { return in->host->sites (in); }
static inline uint32_t
bp_record_bytes (const BpSite *sites, const BpRecord *r)
{
  return r->bytes ? r->bytes : sites[r->site].bytes;
}
/* "mov (%rax),%rbx"; returns the length in bytes, 0: not decodable. [any] */
static inline unsigned
bp_insn_text (BpInstrument *in, const BpInsn *insn, char *out, size_t size)
{
  return in->host->disassemble (in, insn, out, size);
}
/* out->struct_size is set by the caller; false: not known. [any] */
static inline bool bp_insn_registers (BpInstrument *in, const BpInsn *insn, BpInsnRegisters *out) { return in->host->registers (in, insn, out); }
/* Out of the machine's objects with symbols (iface/symbols.h).  out->struct_size is set by the caller; strings live as long as the machine.  false: nobody knows. [main] */
static inline bool bp_insn_symbol (BpInstrument *in, const BpInsn *insn, BpSymbol *out) { return in->host->symbol (in, insn, out); }
/* Registers by the names of iface/cpu-debug.h ("rax", "eflags", "xmm0"): returns the register's bytes, 0: no such one.  In a call with BP_CALL_READS (for
 * writing: BP_CALL_WRITES) [vcpu]; or [main], the machine stopped. */
static inline unsigned
bp_read_register (BpInstrument *in, unsigned vcpu, const char *name, void *out, size_t size)
{
  return in->host->read_register (in, vcpu, name, out, size);
}
static inline bool
bp_write_register (BpInstrument *in, unsigned vcpu, const char *name, const void *value, size_t size)
{
  return in->host->write_register (in, vcpu, name, value, size);
}
/* Virtual memory as the vCPU sees it now; false: not all of it is there.  In calls and batches [vcpu], or [main], the machine stopped. */
static inline bool
bp_read_memory (BpInstrument *in, unsigned vcpu, uint64_t address, void *out, size_t size)
{
  return in->host->read_memory (in, vcpu, address, out, size);
}
static inline bool
bp_write_memory (BpInstrument *in, unsigned vcpu, uint64_t address, const void *data, size_t size)
{
  return in->host->write_memory (in, vcpu, address, data, size);
}
static inline bool bp_read_physical (BpInstrument *in, uint64_t at, void *out, size_t size) { return in->host->read_physical (in, at, out, size); }
static inline bool bp_write_physical (BpInstrument *in, uint64_t at, const void *data, size_t size) { return in->host->write_physical (in, at, data, size); }
static inline bool
bp_translate (BpInstrument *in, unsigned vcpu, uint64_t address, uint64_t *physical)
{
  return in->host->translate (in, vcpu, address, physical);
}
/* The vCPU's address space now, as in BpBatch.space. [vcpu], or all stopped */
static inline uint64_t bp_instrument_space (BpInstrument *in, unsigned vcpu) { return in->host->space (in, vcpu); }

BP_END_DECLS
#endif
