/* crc32c.c -- CRC-32C (Castagnoli): by the host's instruction where it has one, else eight bytes a step from tables. */
/* SPDX-License-Identifier: MIT */
#include "crc32c.h"
#include <glib.h>
#include <string.h>

#define POLYNOMIAL UINT32_C (0x82f63b78)        /* reversed */

/* table[n][b]: what byte b does to the remainder when n more bytes follow it. */
static uint32_t table[8][256];

static void
make_table (void)
{
  for (uint32_t b = 0; b < 256; b++) {
    uint32_t r = b;
    for (unsigned i = 0; i < 8; i++)
      r = r >> 1 ^ (r & 1 ? POLYNOMIAL : 0);
    table[0][b] = r;
  }
  for (unsigned n = 1; n < 8; n++)
    for (unsigned b = 0; b < 256; b++)
      table[n][b] = table[n - 1][b] >> 8 ^ table[0][table[n - 1][b] & 0xff];
}

static uint64_t
load_8 (const uint8_t *at)
{
  uint64_t value;
  memcpy (&value, at, sizeof value);
  return GUINT64_FROM_LE (value);
}

uint32_t
crc32c_portable (uint32_t crc, const void *data, size_t size)
{
  static gsize made;
  const uint8_t *at = data;
  if (g_once_init_enter (&made)) {
    make_table ();
    g_once_init_leave (&made, 1);
  }
  crc = ~crc;
  for (; size >= 8; size -= 8, at += 8) {
    uint64_t value = load_8 (at) ^ crc;
    crc = 0;
    for (unsigned i = 0; i < 8; i++)
      crc ^= table[7 - i][value >> 8 * i & 0xff];
  }
  for (; size; size--, at++)
    crc = crc >> 8 ^ table[0][(crc ^ *at) & 0xff];
  return ~crc;
}

#if defined __x86_64__ && defined __GNUC__

__attribute__ ((target ("sse4.2"))) static uint32_t
by_instruction (uint32_t crc, const uint8_t *at, size_t size)
{
  uint64_t r = ~crc;
  for (; size >= 8; size -= 8, at += 8)
    r = __builtin_ia32_crc32di (r, load_8 (at));
  for (; size; size--, at++)
    r = __builtin_ia32_crc32qi ((uint32_t) r, *at);
  return ~(uint32_t) r;
}

uint32_t
crc32c (uint32_t crc, const void *data, size_t size)
{
  return __builtin_cpu_supports ("sse4.2") ? by_instruction (crc, data, size) : crc32c_portable (crc, data, size);
}

#else

uint32_t
crc32c (uint32_t crc, const void *data, size_t size)
{
  return crc32c_portable (crc, data, size);
}

#endif
