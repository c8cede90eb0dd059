/* fs-messages.h -- FUSE messages as tests of the shared folder make them. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FS_MESSAGES_H
#define TESTS_FS_MESSAGES_H

#include "hw-virtio/fs-server.h"
#include <linux/fuse.h>
#include <string.h>

/* A message, and what came back.  Fixed part and what is behind it are appended one by one. */
typedef struct FsMessage {
  uint8_t bytes[FS_REQUEST_MOST];
  size_t size;
  uint8_t answer[FS_ANSWER_MOST];
  size_t answer_size;
} FsMessage;

static inline void
fs_begin (FsMessage *m, uint32_t opcode, uint64_t node)
{
  struct fuse_in_header h = { .opcode = opcode, .unique = 7, .nodeid = node };
  memcpy (m->bytes, &h, sizeof h);
  m->size = sizeof h;
}
static inline void
fs_append (FsMessage *m, const void *bytes, size_t size)
{
  memcpy (m->bytes + m->size, bytes, size);
  m->size += size;
}
static inline void fs_append_text (FsMessage *m, const char *text) { fs_append (m, text, strlen (text) + 1); }

static inline void
fs_end (FsMessage *m)
{
  uint32_t size = (uint32_t) m->size;
  memcpy (m->bytes, &size, sizeof size);
}
/* The answer's error, or 0; -1: there is none. */
static inline int
fs_send (FsMessage *m, FsServer *s)
{
  struct fuse_out_header out;
  fs_end (m);
  m->answer_size = fs_server_answer (s, m->bytes, m->size, m->answer, sizeof m->answer);
  if (!m->answer_size)
    return -1;
  memcpy (&out, m->answer, sizeof out);
  return -out.error;
}
static inline const void *fs_answer (const FsMessage *m) { return m->answer + sizeof (struct fuse_out_header); }

static inline int
fs_init (FsMessage *m, FsServer *s)
{
  fs_begin (m, FUSE_INIT, 0);
  fs_append (m, &(struct fuse_init_in) { .major = 7, .minor = 36, .flags = ~0u }, 16);
  return fs_send (m, s);
}

#endif
