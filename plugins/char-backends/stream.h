/* stream.h -- file descriptors as a character backend: buffered output, input at the device's pace. */
/* SPDX-License-Identifier: MIT */
#ifndef CHAR_BACKENDS_STREAM_H
#define CHAR_BACKENDS_STREAM_H

#include <backplane/device.h>
#include <backplane/iface/char.h>
#include <backplane/loop.h>

/* Reference-counted: calls posted to the loop may outlive the object. */
typedef struct CharStream CharStream;

/* What the backend adds; each may be NULL.  Called [main][locked]. */
typedef struct CharHooks {
  size_t (*filter) (void *self, uint8_t *data,
                    size_t size); /* takes escapes out of input, in place; returns what is left */
  void (*closed) (void *self); /* end of input, or an error; the descriptors are still open */
  void (*broken) (void *self);                                  /* nobody reads the output any more */
} CharHooks;

/* First member of every backend's state. */
typedef struct CharBase {
  CharStream *stream;           /* made when first asked for */
} CharBase;

void char_stream_set_hooks (void *self, const CharHooks *hooks);
/* -1: none.  `sockets`: written with send(); `discard`: input is thrown away, not left waiting, while the
 * device takes none. */
void char_stream_open (void *self, int in_fd, int out_fd, bool sockets, bool discard);
/* Output beyond this is dropped (with one warning). */
void char_stream_limit (void *self, size_t bytes);
/* Stops watching; the descriptors are the caller's to close.  `flush`: writes what is buffered first, as long
 * as it moves on. */
void char_stream_close (void *self, bool flush);
void char_stream_event (void *self, BpCharEvent event);
/* For unrealize: closes, detaches, forgets. */
void char_stream_finish (void *self, bool flush);

/* The interface's functions, the same for all streams. */
bool char_stream_attach (void *self, const BpCharHandlers *handlers, void *user);
void char_stream_write (void *self, const uint8_t *data, size_t size);
void char_stream_accept_input (void *self);
void char_stream_drain (void *self);
size_t char_stream_room (void *self);
const char *char_stream_reason (void *self);    /* for `broken` */
bool char_stream_is_open (void *self);
#define CHAR_STREAM_IFACE \
  .struct_size = sizeof (BpCharIface), .attach = char_stream_attach, .write = char_stream_write, \
  .accept_input = char_stream_accept_input, .drain = char_stream_drain, .room = char_stream_room, \
  .is_open = char_stream_is_open
extern const BpCharIface char_stream_iface;

extern const BpTypeDesc char_stdio_type, char_file_type, char_null_type, char_socket_type, char_pty_type;

#endif
