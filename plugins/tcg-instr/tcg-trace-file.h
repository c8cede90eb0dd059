/* tcg-trace-file.h -- an output file of which only whole pieces are ever kept, compressed or not. */
/* SPDX-License-Identifier: MIT */
#ifndef TCG_TRACE_FILE_H
#define TCG_TRACE_FILE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct TraceFile TraceFile;

/* zstd_level 0: pieces are not compressed.  thread: what is posted is done by a thread of the file's own. */
TraceFile *trace_file_create (const char *path, int zstd_level, bool thread, GError **error);
/* Has `job' done (compressed, written, freed), now or soon, in order; waits when too much waits already. */
typedef void TraceJob (TraceFile *file, void *job);
void trace_file_post (TraceFile *file, TraceJob *run, void *job);
/* Until all that was posted is done. */
void trace_file_wait (TraceFile *file);

/* Within a job, or without a thread.  Writes a piece as it is.  false: it could not be written, the file ends with the piece before, and nothing more is
 * written from now on. */
bool trace_file_write (TraceFile *file, const void *data, size_t size);
/* Likewise.  The piece as a zstd frame of its own: returns its size, with *packed valid until the next call; 0: not compressed (level 0). */
size_t trace_file_pack (TraceFile *file, const void *data, size_t size, const void **packed);

/* What went wrong, NULL: nothing (yet). */
const char *trace_file_error (const TraceFile *file);
const char *trace_file_path (const TraceFile *file);
uint64_t trace_file_size (const TraceFile *file);
/* Waits and closes: from now on trace_file_error says how it ended.  Nothing more is written. */
void trace_file_finish (TraceFile *file);
/* Finishes, if that was not done, and frees. */
void trace_file_close (TraceFile *file);

#endif
