/* tcg-log-lines.h -- lines of an execution log: begun when an instruction is, ended when its effects are known. */
/* SPDX-License-Identifier: MIT */
#ifndef TCG_LOG_LINES_H
#define TCG_LOG_LINES_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "tcg-trace-file.h"
#include "tcg-trace-format.h"

/* The file that the lines of all vCPUs go to, in large pieces.  [any] */
typedef struct LogFile LogFile;
LogFile *log_file_new (const char *path, int zstd_level, uint64_t limit, GError **error);
/* The limit was reached, or an error came: nothing more is taken. */
bool log_file_ended (const LogFile *file);
void log_file_flush (LogFile *file);
uint64_t log_file_n_lines (LogFile *file);
uint64_t log_file_size (LogFile *file);
const char *log_file_error (LogFile *file);
const char *log_file_path (const LogFile *file);
void log_file_free (LogFile *file);

/* The line of one vCPU that is not ended yet.  One thread at a time. */
typedef struct LogLine {
  LogFile *file;
  unsigned vcpu;
  bool open, effects;
  GString *text;
} LogLine;

void log_line_init (LogLine *line, LogFile *file, unsigned vcpu);
void log_line_clear (LogLine *line);
/* Ends the line before.  text: of the instruction, without its vCPU. */
void log_line_begin (LogLine *line, const char *text, size_t n);
void log_line_access (LogLine *line, const TraceAccess *access);
/* bytes: in the target's order, the lowest first. */
void log_line_register (LogLine *line, const char *name, const uint8_t *bytes, unsigned n);
void log_line_end (LogLine *line);
/* A line that is not an instruction's: "-- ..."; ends the line before, and is ended by the next. */
void log_line_note (LogLine *line, const char *format, ...) G_GNUC_PRINTF (2, 3);

#endif
