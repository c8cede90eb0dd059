/* byte-reader.h -- numbers and strings out of bytes that may be anything: what is not there reads as 0, and is remembered. */
/* SPDX-License-Identifier: MIT */
#ifndef GUEST_SYMBOLS_BYTE_READER_H
#define GUEST_SYMBOLS_BYTE_READER_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef struct ByteReader {
  const uint8_t *at, *end;
  bool is_big_endian;
  bool failed;                  /* something was read that is not there; at == end then */
} ByteReader;

static inline size_t
reader_left (const ByteReader *r)
{
  return (size_t) (r->end - r->at);
}

/* NULL: there are not so many. */
static inline const uint8_t *
read_bytes (ByteReader *r, uint64_t n)
{
  const uint8_t *p = r->at;
  if (n > reader_left (r)) {
    r->failed = true;
    r->at = r->end;
    return NULL;
  }
  r->at += n;
  return p;
}

/* n: 1 to 8. */
static inline uint64_t
read_number (ByteReader *r, unsigned n)
{
  const uint8_t *p = read_bytes (r, n);
  uint64_t value = 0;
  for (unsigned i = 0; p && i < n; i++)
    value = value << 8 | p[r->is_big_endian ? i : n - 1 - i];
  return value;
}

static inline uint64_t
read_uleb (ByteReader *r)
{
  uint64_t value = 0;
  for (unsigned shift = 0; r->at < r->end; shift += 7) {
    uint8_t byte = *r->at++;
    if (shift < 64)
      value |= (uint64_t) (byte & 0x7f) << shift;
    if (!(byte & 0x80))
      return value;
  }
  r->failed = true;
  return 0;
}

static inline int64_t
read_sleb (ByteReader *r)
{
  uint64_t value = 0;
  for (unsigned shift = 0; r->at < r->end;) {
    uint8_t byte = *r->at++;
    if (shift < 64)
      value |= (uint64_t) (byte & 0x7f) << shift;
    shift += 7;
    if (!(byte & 0x80))
      return (int64_t) (shift < 64 && byte & 0x40 ? value | UINT64_MAX << shift : value);
  }
  r->failed = true;
  return 0;
}

/* Up to its 0; "" when there is none. */
static inline const char *
read_string (ByteReader *r)
{
  const uint8_t *p = r->at, *zero = reader_left (r) ? memchr (p, 0, reader_left (r)) : NULL;
  if (!zero) {
    r->failed = true;
    r->at = r->end;
    return "";
  }
  r->at = zero + 1;
  return (const char *) p;
}

#endif
