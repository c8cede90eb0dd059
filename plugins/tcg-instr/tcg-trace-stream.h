/* tcg-trace-stream.h -- one vCPU's records, put together into instructions with their accesses, into a file of either format. */
/* SPDX-License-Identifier: MIT */
#ifndef TCG_TRACE_STREAM_H
#define TCG_TRACE_STREAM_H

#include <backplane/tcg/instrument.h>
#include "tcg-trace-champsim.h"
#include "tcg-trace-writer.h"

typedef struct TraceStream TraceStream;

typedef enum TraceFormat { TRACE_FORMAT_BACKPLANE, TRACE_FORMAT_CHAMPSIM } TraceFormat;

typedef struct TraceStreamDesc {
  TraceFormat format;
  int zstd_level;               /* 0: not compressed */
  bool thread;                  /* compressing and writing is done by a thread of the file's own */
  uint32_t flags;               /* TRACE_HAS_* */
  uint32_t vcpu;
  uint64_t skip, limit;         /* instructions; limit 0: none */
  const char *text;             /* of the header */
  const TraceBlocks *blocks;    /* by what records of blocks have in their sites' `user' */
  TraceRegisters *registers;
  void *user;
} TraceStreamDesc;

/* What came out. */
typedef struct TraceStreamTotals {
  uint64_t insns, accesses, bytes;
  uint64_t skipped, lost;
  uint64_t stray;               /* accesses of instructions that then faulted */
  const char *path, *error;     /* error NULL: none */
} TraceStreamTotals;

TraceStream *trace_stream_new (const char *path, const TraceStreamDesc *desc, GError **error);
/* Records in order, of blocks, their accesses, and of blocks that were left: BpRecord, or wide ones.  An array ends where there was a jump. */
void trace_stream_records (TraceStream *s, const BpSite *sites, const void *records, size_t n, bool wide);
/* An interrupt or exception, told when it happens, on whatever thread, before the records of what comes after it are.  position: how many records of
 * blocks came before it. */
void trace_stream_jump (TraceStream *s, const BpJump *jump, uint64_t position);
/* Of what comes next. */
void trace_stream_space (TraceStream *s, uint64_t space);
void trace_stream_gap (TraceStream *s, uint64_t lost);
/* Nothing more will be written: the limit was reached, or an error came. */
bool trace_stream_ended (const TraceStream *s);
/* All that was told is in the file; later accesses of the last instruction are not expected. */
void trace_stream_flush (TraceStream *s);
void trace_stream_totals (const TraceStream *s, TraceStreamTotals *totals);
/* Ends the file and closes it: the totals are the last ones.  Nothing more is told. */
void trace_stream_finish (TraceStream *s);
/* Finishes, if that was not done. */
void trace_stream_free (TraceStream *s);

#endif
