/* tcg-trace-checksum.c -- CRC-32C, eight bytes at a time. */
/* SPDX-License-Identifier: MIT */
#include <glib.h>
#include <string.h>
#include "tcg-trace-format.h"

#define POLYNOMIAL 0x82f63b78u  /* 0x1edc6f41 with the bits the other way round */

/* table[k][b]: what byte b does to the sum when k more bytes follow. */
static const uint32_t (*
tables (void))[256]
{
  static uint32_t table[8][256];
  static gsize ready;
  if (g_once_init_enter (&ready)) {
    for (unsigned b = 0; b < 256; b++) {
      uint32_t crc = b;
      for (int i = 0; i < 8; i++)
        crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
      table[0][b] = crc;
    }
    for (unsigned k = 1; k < 8; k++)
      for (unsigned b = 0; b < 256; b++)
        table[k][b] = table[k - 1][b] >> 8 ^ table[0][table[k - 1][b] & 0xff];
    g_once_init_leave (&ready, 1);
  }
  return (const uint32_t (*)[256]) table;
}

uint32_t
trace_checksum (uint32_t crc, const void *data, size_t size)
{
  const uint32_t (*t)[256] = tables ();
  const uint8_t *p = data;
  crc = ~crc;
  for (; size >= 8; size -= 8, p += 8) {
    uint64_t v;
    memcpy (&v, p, 8);
    v = GUINT64_FROM_LE (v) ^ crc;
    crc = t[7][v & 0xff] ^ t[6][v >> 8 & 0xff] ^ t[5][v >> 16 & 0xff] ^ t[4][v >> 24 & 0xff] ^ t[3][v >> 32 & 0xff] ^ t[2][v >> 40 & 0xff]
          ^ t[1][v >> 48 & 0xff] ^ t[0][v >> 56];
  }
  while (size--)
    crc = crc >> 8 ^ t[0][(crc ^ *p++) & 0xff];
  return ~crc;
}
