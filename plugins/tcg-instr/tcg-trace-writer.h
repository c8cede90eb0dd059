/* tcg-trace-writer.h -- one vCPU's instructions and accesses into a file of Backplane's trace format. */
/* SPDX-License-Identifier: MIT */
#ifndef TCG_TRACE_WRITER_H
#define TCG_TRACE_WRITER_H

#include <backplane/tcg/instrument.h>
#include "tcg-trace-blocks.h"
#include "tcg-trace-file.h"
#include "tcg-trace-format.h"

typedef struct TraceWriter TraceWriter;

/* Blocks with more accesses do not go the quick way. */
enum { TRACE_QUICK_ACCESSES = 255 };

/* Asked once for each instruction, by the thread that writes; false: not known.  out->struct_size is set. */
typedef bool TraceRegisters (void *user, const BpInsn *insn, BpInsnRegisters *out);

typedef struct TraceWriterDesc {
  uint32_t flags;               /* TRACE_HAS_* */
  uint32_t vcpu;
  uint64_t skipped;
  const char *text;             /* of the header: lines KEY=VALUE about the machine */
  TraceRegisters *registers;
  void *user;
} TraceWriterDesc;

/* The file is the caller's. */
TraceWriter *trace_writer_new (TraceFile *file, const TraceWriterDesc *desc);
/* An instruction was executed and made these accesses; goes_on: they are more of the last one's. */
void trace_writer_insn (TraceWriter *writer, const BpInsn *insn, const TraceAccess *accesses, unsigned n, bool goes_on);

/*
 * The quick way, for arrays of records (BpRecord, or BpWideRecord) of blocks, their accesses, and of blocks that were left.  Records of sites that it was told
 * of, in blocks that do what they did at first, are taken in a short loop: the function returns how many; the next one is the caller's to handle.
 * learn: an access's when its instruction was written once, a block's when all of them were.
 */
void trace_writer_learn_access (TraceWriter *writer, uint32_t site, const BpSite *what);
void trace_writer_learn_block (TraceWriter *writer, uint32_t site, const TraceBlock *block);
void trace_writer_learn_left (TraceWriter *writer, uint32_t site, const BpSite *what);
bool trace_writer_knows (const TraceWriter *writer, uint32_t site);     /* a block's */
size_t trace_writer_records (TraceWriter *writer, const void *records, size_t n, bool wide);

uint64_t trace_writer_n_blocks (const TraceWriter *writer);     /* that went the quick way */

/* A block that is given back: its site, the accesses so far, and which of its instructions made each. */
typedef struct TraceTaken {
  uint32_t site;
  unsigned n;
  TraceAccess accesses[TRACE_QUICK_ACCESSES];
  unsigned insn[TRACE_QUICK_ACCESSES];
} TraceTaken;
/* The last block of the quick way has made all of its accesses; or (more) there is one that does not fit, or it was left in an unusual way.  true: it was not as
 * it should be, and is taken back, to be told again by instructions. */
bool trace_writer_close (TraceWriter *writer, bool more, TraceTaken *taken);

/* What comes next is another address space's; control went from `from` to `to` otherwise than by an instruction; records are missing here. */
void trace_writer_space (TraceWriter *writer, uint64_t space);
void trace_writer_jump (TraceWriter *writer, unsigned kind, uint64_t from, uint64_t to);
void trace_writer_gap (TraceWriter *writer, uint64_t lost);
/* All that was told is in the file.  Frequent calls make small chunks. */
void trace_writer_flush (TraceWriter *writer);
uint64_t trace_writer_n_insns (const TraceWriter *writer);
uint64_t trace_writer_n_accesses (const TraceWriter *writer);
/* Flushes, and ends the file with its totals. */
void trace_writer_finish (TraceWriter *writer);
void trace_writer_free (TraceWriter *writer);

#endif
