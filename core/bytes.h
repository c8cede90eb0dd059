/* bytes.h -- bytes that grow to what somebody else has chosen: the lack of memory is noted, and is the owner's to tell. */
/* SPDX-License-Identifier: MIT */
#ifndef CORE_BYTES_H
#define CORE_BYTES_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Bytes {          /* begins as zeros */
  uint8_t *data;
  size_t size, room;
  bool lacks;                   /* there was no memory for some: they are not there, and no more are taken */
} Bytes;

void bytes_put (Bytes *b, const void *data, size_t size);
void bytes_clear (Bytes *b);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Bytes, bytes_clear)

#endif
