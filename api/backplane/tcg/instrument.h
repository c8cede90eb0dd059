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
 * records, counters for memory accesses, conditional calls, calls.  Exact instruction counts cost some 10 to 20 % of the
 * guest's own time, all memory accesses as records some 40 %, a call an instruction 10 times as much as the guest.
 *
 * EXACTNESS.  An instruction counts, and is recorded, when it is executed; one that faults is not, and will be when it is executed again.  Calls come
 * before their instruction, also when that faults then.  An access is recorded, counted and told after it was made; those that an instruction made
 * before it faulted (the first half of a move from memory to memory) may stay recorded, and come again with it.  A repeated string instruction
 * (x86 `rep`) counts once each time it is begun or resumed; its accesses are told in pieces, of one or many elements.  What the CPU accesses by itself (page
 * tables, the delivery of interrupts) is not told.  In deterministic mode all that an instrument is told is the same in each run.
 *
 * THREADS.  `block` is called [vcpu] under the translator's lock: it looks and asks, and does nothing else; it may be called again for the same code
 * (another vCPU, another mode, the cache was full).  Calls, and records without BP_INSTRUMENT_THREAD, come [vcpu] without any lock; several vCPUs at a
 * time.  The other functions say it.  Nothing here may be called with the machine lock held unless it says so.
 *
 * STABILITY.  The promise of plugin.h: an instrument that is compiled against 1.x works with every later 1.y.  Structs that the host gives are read-only;
 * those with struct_size only grow at the end, the others (BpSite, BpRecord, BpWideRecord, BpInsn) are as large in all of 1.x.  The inline functions below are calls
 * through BpInstrumentHost, which is appended to; the accelerator that has none of it says so in bp_instrument_attach.
 */
#ifndef BACKPLANE_TCG_INSTRUMENT_H
#define BACKPLANE_TCG_INSTRUMENT_H

#include <backplane/object.h>
#include <backplane/tcg/instrument-host.h>
BP_BEGIN_DECLS

/* Attaches an instrument, `self' being the object, which attaches one; ops and user live until detach.  NULL, with error: the accelerator cannot be instrumented, or has
 * too many instruments (8), or the section's `start' or `stop' names a symbol that nobody knows, or it is not realized yet (configure).  The rest of this header works from then until detach.
 * In realize. [main] */
BP_EXPORT BpInstrument *bp_instrument_attach (void *self, const BpInstrumentOps *ops, void *user, GError **error);
/* NULL is allowed.  In unrealize. [main] */
static inline void bp_instrument_detach (BpInstrument *in) { if (in) in->host->detach (in); }

/* --- a machine's instruments, for monitors: [main], without the machine lock ------------------------------------------ */

/* What an object has attached; NULL: nothing.  See bp_machine_next_object. */
BP_EXPORT BpInstrument *bp_instrument_of (const void *self);
typedef enum BpReportForm { BP_REPORT_FORM_TEXT, BP_REPORT_FORM_JSON, BP_REPORT_FORM_HTML } BpReportForm;
/* Its report so far (it has attached something).  A machine that runs stands for as long as that takes, and nobody is told.  Free with g_free. */
BP_EXPORT char *bp_instrument_report (const void *self, BpReportForm form);
/* The same into a file: .html, .txt, else JSON.  A file that is there is replaced when all is written. */
BP_EXPORT bool bp_instrument_write_report (const void *self, const char *path, GError **error);

/* --- running ---------------------------------------------------------------------------------------------- */

/* Starts or stops for all vCPUs; each obeys at the end of the block that it is in. [any] */
static inline void bp_instrument_set_running (BpInstrument *in, bool running) { in->host->set_running (in, running); }
/* Of the vCPU, as it has heard of it last. [any] */
static inline bool bp_instrument_is_running (BpInstrument *in, unsigned vcpu) { return in->host->is_running (in, vcpu); }
/* Runs in these address spaces only (copied); n 0: in all.  Others run without a trace of it. [any] */
static inline void bp_instrument_select (BpInstrument *in, const uint64_t *spaces, size_t n) { in->host->select (in, spaces, n); }
/* Records that wait in rings are delivered. [main], all vCPUs stopped, or [vcpu]: of that vCPU */
static inline void bp_instrument_flush (BpInstrument *in) { in->host->flush (in); }
static inline unsigned bp_instrument_n_vcpus (BpInstrument *in) { return in->host->n_vcpus (in); }      /* [any] */

/* --- a block: only within BpInstrumentOps.block ---------------------------------------------------------------- */
/* insn: from 0, or BP_EVERY_INSN.  `data' lives until detach.  More than 64 requests for each instruction of the block, of all instruments together, are not done, and the
 * user is told. */

/* (first member of BpInstrBlock, so that these are calls without a look-up) */
struct BpInstrBlock {
  BpInstrument *instrument;     /* whose `block' is being called */
};

static inline unsigned bp_block_n_insns (const BpInstrBlock *b) { return b->instrument->host->block_n_insns (b); }
/* NULL: there are not so many. */
static inline const BpInsn *bp_block_insn (const BpInstrBlock *b, unsigned insn) { return b->instrument->host->block_insn (b, insn); }
/* The instruction is executed: n is added; to a live counter at most INT32_MAX.  Live counters, stores and calls of one instruction happen in the order in
 * which they were asked. */
static inline void
bp_block_count (BpInstrBlock *b, unsigned insn, BpCounter counter, uint64_t n)
{
  b->instrument->host->block_count (b, insn, counter, n);
}
/* The instruction makes an access (BP_LOADS | BP_STORES): n, at most INT32_MAX, is added to a counter, live or not, for each. */
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
/* A record for each line of `line_bytes` (a power of two, 8 to 4096) that the block's instructions are fetched from, before the first instruction that lies (in part) in
 * it.  Filters work as for loads, with the line as the access. */
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

/* 0 at first.  Counter 0, here and below: there is no room for more (of live ones, scoreboards included, 32 MiB a vCPU; of others likewise). */
static inline BpCounter bp_counter_new (BpInstrument *in, unsigned flags) { return in->host->counter_new (in, flags); }
/* `bytes` of zeroed memory a vCPU, whose words of 8 bytes are live counters: the one at byte k, a multiple of 8, is counter + k. */
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
/* Here and below, insn is the pointer that the host gave, not that of a copy.  "mov (%rax),%rbx"; returns the length in bytes, 0: not decodable. [any] */
static inline unsigned
bp_insn_text (BpInstrument *in, const BpInsn *insn, char *out, size_t size)
{
  return in->host->disassemble (in, insn, out, size);
}
/* out->struct_size is set by the caller; false: not known. [any] */
static inline bool bp_insn_registers (BpInstrument *in, const BpInsn *insn, BpInsnRegisters *out) { return in->host->registers (in, insn, out); }
/* Out of the machine's objects with symbols (iface/symbols.h).  out->struct_size is set by the caller; strings live as long as the object that knew it.  false: nobody
 * knows. [any] */
static inline bool bp_insn_symbol (BpInstrument *in, const BpInsn *insn, BpSymbol *out) { return in->host->symbol (in, insn, out); }
/* Registers by the names of iface/cpu-debug.h ("rax", "eflags", "xmm0"): returns the register's bytes, 0: no such one; `out' gets `size' of them, zeros behind the last.
 * Writing: `size' is the register's; false also for the program counter within a call, where the block goes on as it is.  In a call with BP_CALL_READS (for writing:
 * BP_CALL_WRITES) [vcpu]; or [main], the machine stopped. */
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
/* Virtual memory as the vCPU sees it now, and physical memory; false: not all of it is there.  Devices are read and written, too; ROM is written by virtual addresses.  In
 * calls and batches [vcpu], or [main], the machine stopped. */
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
