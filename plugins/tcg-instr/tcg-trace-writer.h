/* tcg-trace-writer.h -- one vCPU's instructions and accesses into a file of Backplane's trace format. */
/* SPDX-License-Identifier: MIT */
#ifndef TCG_TRACE_WRITER_H
#define TCG_TRACE_WRITER_H

#include <backplane/tcg/instrument.h>
#include "tcg-trace-file.h"
#include "tcg-trace-format.h"

typedef struct TraceWriter TraceWriter;

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
 * The quick way, for arrays of records (BpRecord, or BpWideRecord).  Records of sites that it was told of (learn: an instruction's after the instruction was
 * written once, then its accesses'), of instructions that do what they did at first, are taken in a short loop: the function returns how many; the next one
 * is the caller's to handle.  close: the last instruction (last; NULL: there is none) has made all of its accesses, or there are more that do not fit.  NULL
 * when it was as it should be, else it is taken back, and given with the accesses so far (room for TRACE_SHAPE_LIMIT), to be told again when all are known.
 */
void trace_writer_learn (TraceWriter *writer, uint32_t site, const BpSite *what);
bool trace_writer_knows (const TraceWriter *writer, uint32_t site);     /* an instruction's */
size_t trace_writer_records (TraceWriter *writer, const BpSite *sites, const void *records, size_t n, bool wide);
/* Instructions of the quick way whose site's `user' is not 0. */
uint64_t trace_writer_n_marked (const TraceWriter *writer);
const BpInsn *trace_writer_last (const TraceWriter *writer);
const BpInsn *trace_writer_close (TraceWriter *writer, bool more, TraceAccess *accesses, unsigned *n);

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
