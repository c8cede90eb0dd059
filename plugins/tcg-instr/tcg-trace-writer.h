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
/* An instruction was executed and made these accesses. */
void trace_writer_insn (TraceWriter *writer, const BpInsn *insn, const TraceAccess *accesses, unsigned n);
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
