/* tcg/instrument-told.h -- what an instrument is told, and what it says about it: records, events, filters, calls. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  The types of tcg/instrument.h, which includes this header.
 */
#ifndef BACKPLANE_TCG_INSTRUMENT_TOLD_H
#define BACKPLANE_TCG_INSTRUMENT_TOLD_H

#include <backplane/report.h>
#include <backplane/tcg/guest-insn.h>
BP_BEGIN_DECLS

typedef struct BpInstrument BpInstrument;
typedef struct BpInstrBlock BpInstrBlock;

/* --- records ----------------------------------------------------------------------------------- */

typedef enum BpRecordKind {
  BP_RECORD_LOAD,
  BP_RECORD_STORE,
  BP_RECORD_FETCH,              /* code: bp_block_record_fetch */
  BP_RECORD_INSN,               /* an instruction was executed: bp_block_record_insn */
  BP_RECORD_BLOCK,              /* a block was entered: bp_block_record_block */
  BP_RECORD_LEFT                /* the block that was entered last was left before its end, with BP_INSTRUMENT_LEFT: a fault, an exit in its midst */
} BpRecordKind;
enum { BP_SITE_ATOMIC = 1 << 0 /* the load and the store of one locked access */, BP_SITE_HELPER = 1 << 1 /* sizes are the records' own */ };

/* Where records come from: one request for one instruction.  bp_sites () [record.site]; lives as long as the machine.  Number 0 has no instruction (size 0): it
 * stands for all that came when there were 2^25 of them.  As large in all of 1.x, as are both records: they come in arrays. */
typedef struct BpSite {
  const BpInsn *insn;
  uint8_t kind;                 /* BpRecordKind */
  uint8_t flags;                /* BP_SITE_* */
  uint16_t bytes;               /* of the access; FETCH: of the instructions that lie in the line; BLOCK: of the whole block */
  uint32_t user;                /* what was asked with */
  uint32_t mmu;                 /* the host's */
  uint32_t n_insns;             /* BLOCK: instructions in it; LEFT: how many of them, from insn on, were not executed */
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
  uint64_t physical;            /* guest-physical, of `address`; UINT64_MAX: nothing is mapped there any more */
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

typedef enum BpVcpuEvent {
  BP_VCPU_START,                /* it is about to run for the first time [vcpu] */
  BP_VCPU_STOP,                 /* it has started and will run no more: the machine ends, after the report, or the instrument detaches [main] */
  BP_VCPU_IDLE,                 /* it waits for an interrupt [vcpu] */
  BP_VCPU_RESUME                /* it goes on [vcpu] */
} BpVcpuEvent;

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
  BP_INSTRUMENT_WIDE = 1 << 1,          /* records are BpWideRecord */
  BP_INSTRUMENT_LEFT = 1 << 2,          /* where there is a record of a block, also one when it is left early (BP_RECORD_LEFT) */
  BP_INSTRUMENT_BEGUN = 1 << 3          /* live counters count what is begun, as calls do: also an instruction that faults then */
};

/* The instrument's side.  Every function may be NULL.  Those with the tag [runs] are called for vCPUs on which the instrument runs (started, and not stopped). */
typedef struct BpInstrumentOps {
  uint32_t struct_size;
  uint32_t flags;
  /* Code is translated that runs while the instrument does. [vcpu] */
  void (*block) (void *user, BpInstrBlock *block);
  /* The array is the host's, for the call. [vcpu], or the instrument's thread: one call at a time then */
  void (*records) (void *user, const BpBatch *batch);
  void (*vcpu) (void *user, unsigned vcpu, BpVcpuEvent event);          /* where, each event says */
  void (*jump) (void *user, unsigned vcpu, const BpJump *jump);         /* [vcpu][runs]; after the jump */
  void (*space) (void *user, unsigned vcpu, uint64_t space);            /* [vcpu][runs]; the address space is another one now */
  /* The guest's magic instruction; START and STOP have been obeyed already when `start = marker` is set. [vcpu] */
  void (*marker) (void *user, unsigned vcpu, uint64_t number);
  void (*started) (void *user, unsigned vcpu);                  /* [vcpu]; it runs instrumented code from now on */
  void (*stopped) (void *user, unsigned vcpu);                  /* [vcpu]; no more */
  /* At the end, and whenever somebody asks: all vCPUs stand, all records have arrived; without the machine lock. [main] */
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

/* A number a vCPU that generated code adds to; 0: none, and what is asked with it is not done. */
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

/* Keeps records out that say nothing new; 0: none.  Made once, used in many requests: for accesses, or for the fetching of code, but not for both. */
typedef uint32_t BpFilter;
typedef struct BpFilterDesc {
  uint32_t struct_size;
  /*
   * Same line: an access is left out when it is to the line that was accessed last among those with the same index, line_bytes (a power of two, 16 to
   * 4096) and `entries' (a power of two, at most 4096 / line_bytes and 64) indexes.  An access that crosses lines never is.  In a cache of at least as many sets such an
   * access hits, and changes neither LRU, pseudo-LRU, FIFO nor random order.  What changes translations (address spaces, TLB flushes) empties
   * the filter, and so does bp_filter_clear.
   * stores_apart: a store is only left out when the last access that was not was a store to that line: for who keeps dirty bits.
   */
  uint32_t line_bytes, entries;
  bool stores_apart;
  /* Ranges: accesses that do not begin in [first, last] are left out; both 0: everywhere.  Not for the fetching of code. */
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

BP_END_DECLS
#endif
