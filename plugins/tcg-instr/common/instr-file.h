/* instr-file.h -- a file that an instrument writes while the guest runs: buffered, and whole up to the last commit when the disk is full. */
/* SPDX-License-Identifier: MIT */
/*
 * What lies between two commits is written whole or not at all: when the host refuses a write, the file is cut back to the last commit, the person at the
 * terminal is told once, and everything written later is dropped.  One thread at a time.
 */
#ifndef TCG_INSTR_FILE_H
#define TCG_INSTR_FILE_H

#include <backplane/common.h>

typedef struct InstrFile {
  const void *self;             /* the object, for the warning; may be NULL */
  char *path;
  int fd;                       /* -1: not open */
  char *buffer;
  size_t used;                  /* bytes in the buffer */
  size_t committed;             /* of those, up to the last commit */
  uint64_t written;             /* bytes in the file */
  uint64_t valid;               /* bytes up to the last commit that is in the file whole */
  uint64_t pending;             /* commits that are in the buffer */
  uint64_t dropped;             /* commits that did not get into the file */
  char *failure;                /* why it stopped; NULL: it did not */
} InstrFile;

/* Creates or empties the file.  false, with error naming the path. [main] */
bool instr_file_open (InstrFile *f, const void *self, const char *path, GError **error);
void instr_file_write (InstrFile *f, const void *data, size_t size);
void instr_file_print (InstrFile *f, const char *format, ...) G_GNUC_PRINTF (2, 3);
void instr_file_commit (InstrFile *f);
/* What is committed goes to the host. */
void instr_file_flush (InstrFile *f);
/* Flushes and closes; the text of `failure' stays until _finish.  Closing what is closed does nothing. */
void instr_file_close (InstrFile *f);
void instr_file_finish (InstrFile *f);
/* Committed and not dropped: what a reader will find. */
uint64_t instr_file_bytes (const InstrFile *f);

#endif
