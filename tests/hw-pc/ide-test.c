/* ide-test.c -- an IDE adapter under test: its ports, commands with their registers, data, and DMA. */
/* SPDX-License-Identifier: MIT */
#include "ide-test.h"
#include <string.h>

#define WAIT_NS 2000000000

static void
config_write (Harness *h, uint32_t offset, uint32_t value)
{
  out32 (h, 0xcf8, 0x80000900u | offset);
  out32 (h, 0xcfc, value);
}

Harness *
ide_new (const char *drives)
{
  g_autofree char *text = g_strdup_printf (
    "[memory ram]\ntype = test-ram\nsize = 16M\n[device probe]\ntype = test-probe\n"
    "[device host]\ntype = i440fx\nram = ram\npio0 = io@0xcf8\npio1 = io@0xcfc\nmemory = memory@0\nio = io@0\n"
    "[device ide]\ntype = piix3-ide\nbus = host\nenabled = on\npio0 = io@0x1f0\npio1 = io@0x3f6\npio2 = io@0x170\npio3 = io@0x376\n"
    "irq14 = probe.in14\nirq15 = probe.in15\n%s", drives);
  Harness *h = harness_new (hw_pc (), text);
  config_write (h, 0x20, IDE_MASTER);
  config_write (h, 0x04, 5);
  return h;
}

void
ide_command (Harness *h, uint16_t base, uint8_t command, uint8_t device, uint64_t sector, unsigned count)
{
  out8 (h, (uint16_t) (base + 6), device);
  out8 (h, (uint16_t) (base + 2), (uint8_t) (count >> 8));
  out8 (h, (uint16_t) (base + 2), (uint8_t) count);
  for (unsigned i = 0; i < 3; i++) {
    out8 (h, (uint16_t) (base + 3 + i), (uint8_t) (sector >> (24 + 8 * i)));
    out8 (h, (uint16_t) (base + 3 + i), (uint8_t) (sector >> 8 * i));
  }
  out8 (h, (uint16_t) (base + 7), command);
}

uint8_t
ide_wait (Harness *h, uint16_t base)
{
  for (unsigned i = 0; i < 64 && in8 (h, base == 0x1f0 ? 0x3f6 : 0x376) & BSY; i++)
    harness_advance (h, WAIT_NS / 64);
  return in8 (h, (uint16_t) (base + 7));
}

void
ide_read_data (Harness *h, uint16_t base, void *to, size_t size)
{
  for (size_t i = 0; i < size; i += 2) {
    uint16_t word = in16 (h, base);
    memcpy ((uint8_t *) to + i, &word, MIN (size - i, 2));
  }
}

void
ide_write_data (Harness *h, uint16_t base, const void *from, size_t size)
{
  for (size_t i = 0; i < size; i += 2) {
    uint16_t word = 0;
    memcpy (&word, (const uint8_t *) from + i, MIN (size - i, 2));
    out16 (h, base, word);
  }
}

void
ide_start_dma (Harness *h, unsigned channel, bool to_memory, uint32_t bytes, uint32_t piece)
{
  uint16_t master = (uint16_t) (IDE_MASTER + 8 * channel);
  uint32_t table = IDE_TABLE + 0x1000 * channel, i = 0;
  for (uint32_t at = 0; at < bytes; at += piece, i++) {
    uint32_t n = MIN (piece, bytes - at);
    write32 (h, table + 8 * i, IDE_MEMORY + at);
    write32 (h, table + 8 * i + 4, (n & 0xffff) | (at + n >= bytes ? 0x80000000u : 0));
  }
  out8 (h, master, 0);
  out8 (h, (uint16_t) (master + 2), 6);
  out32 (h, (uint16_t) (master + 4), table);
  out8 (h, master, (uint8_t) (1 | (to_memory ? 8 : 0)));
}

uint8_t
ide_master_status (Harness *h, unsigned channel)
{
  return in8 (h, (uint16_t) (IDE_MASTER + 8 * channel + 2));
}

uint8_t
ide_packet (Harness *h, const uint8_t packet[12], void *data, size_t size, size_t *got)
{
  size_t n = 0;
  uint8_t status, page[65536];
  out8 (h, 0x176, 0);
  out8 (h, 0x171, 0);
  out8 (h, 0x174, 0xff);
  out8 (h, 0x175, 0xff);
  out8 (h, 0x177, 0xa0);
  ck_assert_uint_eq (in8 (h, 0x376) & (BSY | DRQ), DRQ);
  ck_assert_uint_eq (in8 (h, 0x172), 1);
  ide_write_data (h, 0x170, packet, 12);
  while ((status = ide_wait (h, 0x170)) & DRQ) {
    size_t part = (size_t) (in8 (h, 0x175) << 8 | in8 (h, 0x174));
    ck_assert_uint_eq (in8 (h, 0x172), 2);
    ide_read_data (h, 0x170, page, part);
    if (data && n < size)
      memcpy ((uint8_t *) data + n, page, MIN (part, size - n));
    n += part;
  }
  ck_assert_uint_eq (in8 (h, 0x172), 3);
  if (got)
    *got = n;
  return status;
}

void
ide_fill (uint8_t *bytes, size_t size, unsigned seed)
{
  for (size_t i = 0; i < size; i++)
    bytes[i] = (uint8_t) ((i >> 9) * 7 + i * 13 + seed);
}
