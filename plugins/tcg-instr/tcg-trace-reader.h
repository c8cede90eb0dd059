/* tcg-trace-reader.h -- reads trace files of tcg-trace; with tcg-trace-reader.c, -format.h and -checksum.c it stands alone (glib, libzstd, Backplane's headers). */
/* SPDX-License-Identifier: MIT */
/*
 *     g_autoptr (GError) error = NULL;
 *     TcgTraceReader *r = tcg_trace_reader_open ("run.trace", &error);
 *     TcgTraceEvent event;
 *     while (r && tcg_trace_reader_next (r, &event, &error))
 *       if (event.kind == TCG_TRACE_INSN)
 *         simulate (event.insn->address, event.accesses, event.n_accesses);
 *
 * A file that was cut off (the disk was full, the program was killed) is read up to its last whole chunk; tcg_trace_reader_info tells that it was.  A file
 * that is wrong in any other way ends with an error.  Memory is bounded by what the file holds.  A reader belongs to one thread.
 */
#ifndef TCG_TRACE_READER_H
#define TCG_TRACE_READER_H

#include <backplane/tcg/instrument.h>
#include "tcg-trace-format.h"

typedef struct TcgTraceReader TcgTraceReader;

typedef struct TcgTraceInfo {
  uint32_t version, flags;      /* TRACE_HAS_* */
  uint32_t vcpu;
  uint64_t skipped;             /* instructions before the first */
  const char *text;             /* lines KEY=VALUE about the machine */
  /* so far */
  uint64_t insns, accesses, lost, chunks, stored_bytes, raw_bytes;
  bool complete;                /* the end was seen: nothing is missing */
  bool truncated;               /* the file ends within a chunk, or before its end */
} TcgTraceInfo;

typedef enum TcgTraceEventKind {
  TCG_TRACE_INSN,
  TCG_TRACE_SPACE,              /* of what follows */
  TCG_TRACE_JUMP,               /* an interrupt or exception (BpJumpKind) */
  TCG_TRACE_GAP                 /* records were lost here */
} TcgTraceEventKind;

typedef struct TcgTraceEvent {
  TcgTraceEventKind kind;
  uint64_t number;              /* INSN: 0, 1, 2 ... in the file */
  const BpInsn *insn;           /* insn->id: 0, 1, 2 ... in the file.  It stays */
  const BpInsnRegisters *registers;
  const TraceAccess *accesses;  /* until the next call */
  unsigned n_accesses;
  bool goes_on;                 /* INSN: more accesses of the last one, whose number it has; not an instruction of its own */
  uint64_t space, from, to, lost;
  unsigned jump;
} TcgTraceEvent;

TcgTraceReader *tcg_trace_reader_open (const char *path, GError **error);
/* Bytes in memory, which the caller keeps. */
TcgTraceReader *tcg_trace_reader_open_memory (const void *data, size_t size, GError **error);
/* false: the end, without an error; or the file is broken. */
bool tcg_trace_reader_next (TcgTraceReader *reader, TcgTraceEvent *event, GError **error);
const TcgTraceInfo *tcg_trace_reader_info (const TcgTraceReader *reader);
void tcg_trace_reader_close (TcgTraceReader *reader);

#endif
