/* bytes.c -- bytes that grow to what somebody else has chosen. */
/* SPDX-License-Identifier: MIT */
#include "bytes.h"
#include <string.h>

enum { ROOM_FIRST = 256 };

static bool
make_room (Bytes *b, size_t size)
{
  if (b->lacks || size <= b->room - b->size)
    return !b->lacks;
  size_t room = MAX (MAX (b->size + size, b->room + b->room / 2), ROOM_FIRST);
  uint8_t *more = size > SIZE_MAX / 4 ? NULL : g_try_realloc (b->data, room);
  b->lacks = !more;
  if (more) {
    b->data = more;
    b->room = room;
  }
  return more;
}

void
bytes_put (Bytes *b, const void *data, size_t size)
{
  if (!size || !make_room (b, size))
    return;
  memcpy (b->data + b->size, data, size);
  b->size += size;
}

void
bytes_clear (Bytes *b)
{
  g_free (b->data);
  *b = (Bytes) { NULL };
}
