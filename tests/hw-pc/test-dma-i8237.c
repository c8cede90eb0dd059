/* test-dma-i8237.c -- modes, directions, wrap-around, terminal count and cascade of the DMA controllers. */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/isa-dma.h>
#include <string.h>
#include "hw-pc-test.h"

static const char board[] = "[memory ram]\ntype = test-ram\nsize = 4M\nram = memory@0\n"
                            "[device dma]\ntype = i8237-pair\npio0 = io@0\npio1 = io@0xc0\npio2 = io@0x80\npio3 = io@0x480\n";

/* --- a device on a channel ------------------------------------------------------------------- */

typedef struct Card {
  uint8_t bytes[0x20000];
  size_t at, most;              /* moved; and how many it takes or gives before it has had enough */
  unsigned calls, terminal_counts;
  BpIsaDmaKind kind;
} Card;

static size_t
transfer (void *user, BpIsaDmaKind kind, uint8_t *bytes, size_t size, bool tc)
{
  Card *c = user;
  size_t n = MIN (size, c->most - c->at);
  c->calls++;
  c->kind = kind;
  if (kind == BP_ISA_DMA_READ)
    memcpy (c->bytes + c->at, bytes, n);
  else if (kind == BP_ISA_DMA_WRITE)
    memcpy (bytes, c->bytes + c->at, n);
  c->at += n;
  if (tc && n == size)
    c->terminal_counts++;
  return n;
}

static const BpIsaDmaHandlers handlers = { .struct_size = sizeof handlers, .transfer = transfer };

static BpLink
link_to (Harness *h)
{
  void *dma = harness_object (h, "dma");
  return (BpLink) { dma, bp_object_interface (dma, BP_ISA_DMA_ID) };
}

static Card *
plug (Harness *h, unsigned channel, size_t most)
{
  Card *c = g_new0 (Card, 1);
  BpLink link = link_to (h);
  c->most = most;
  for (size_t i = 0; i < sizeof c->bytes; i++)
    c->bytes[i] = (uint8_t) (i * 3 + 1);
  ck_assert (bp_isa_dma_attach (&link, channel, &handlers, c));
  return c;
}

static void
request (Harness *h, unsigned channel, bool on)
{
  BpLink link = link_to (h);
  bp_machine_lock (harness_machine (h));
  bp_isa_dma_request (&link, channel, on);
  bp_machine_unlock (harness_machine (h));
}

/* --- a guest's driver ---------------------------------------------------------------------------- */

static uint16_t reg (unsigned channel, unsigned n) { return (uint16_t) (channel < 4 ? n : 0xc0 + 2 * n); }

/* Address in bytes, count in units. */
static void
program (Harness *h, unsigned channel, uint32_t address, unsigned count, uint8_t mode)
{
  static const uint8_t pages[8] = { 0x87, 0x83, 0x81, 0x82, 0x8f, 0x8b, 0x89, 0x8a };
  uint16_t word = (uint16_t) (channel < 4 ? address : address >> 1);
  uint8_t n = channel & 3;
  out8 (h, reg (channel, 10), 4 | n);
  out8 (h, reg (channel, 12), 0);
  out8 (h, reg (channel, 11), mode | n);
  out8 (h, reg (channel, 2 * n), (uint8_t) word);
  out8 (h, reg (channel, 2 * n), (uint8_t) (word >> 8));
  out8 (h, reg (channel, 2 * n + 1), (uint8_t) (count - 1));
  out8 (h, reg (channel, 2 * n + 1), (uint8_t) ((count - 1) >> 8));
  out8 (h, pages[channel], (uint8_t) (address >> 16));
  out8 (h, reg (channel, 10), n);
}

static unsigned
word_at (Harness *h, unsigned channel, unsigned n)
{
  out8 (h, reg (channel, 12), 0);
  unsigned low = in8 (h, reg (channel, 2 * (channel & 3) + n));
  return low | (unsigned) in8 (h, reg (channel, 2 * (channel & 3) + n)) << 8;
}

static uint8_t
byte_at (Harness *h, uint32_t address)
{
  return (uint8_t) harness_read (h, "memory", address, 1);
}

/* --- the tests --------------------------------------------------------------------------------------- */

START_TEST (a_device_writes_to_memory)
{
  Harness *h = harness_new (hw_pc (), board);
  Card *c = plug (h, 2, 512);
  program (h, 2, 0x12345, 512, 0x44);           /* single, to memory */
  ck_assert_uint_eq (c->at, 0);
  request (h, 2, true);
  ck_assert_uint_eq (c->at, 512);
  ck_assert_uint_eq (c->terminal_counts, 1);
  for (unsigned i = 0; i < 512; i++)
    ck_assert_uint_eq (byte_at (h, 0x12345 + i), c->bytes[i]);
  ck_assert_uint_eq (byte_at (h, 0x12345 + 512), 0);
  ck_assert_uint_eq (word_at (h, 2, 0), 0x2545);
  ck_assert_uint_eq (word_at (h, 2, 1), 0xffff);
  ck_assert_uint_eq (in8 (h, 8), 0x44);         /* terminal count; it still asks */
  ck_assert_uint_eq (in8 (h, 8), 0x40);
  ck_assert_uint_eq (in8 (h, 15) & 0x0f, 0x0f); /* masked itself */
  harness_free (h);
  g_free (c);
}
END_TEST

START_TEST (words_go_to_a_device)
{
  Harness *h = harness_new (hw_pc (), board);
  Card *c = plug (h, 5, 0x20000);
  for (unsigned i = 0; i < 64; i++)
    write32 (h, 0x30000 + 4 * i, i * 0x01020304);
  program (h, 5, 0x30000, 128, 0x48);
  request (h, 5, true);
  ck_assert_uint_eq (c->at, 256);
  for (unsigned i = 0; i < 256; i++)
    ck_assert_uint_eq (c->bytes[i], byte_at (h, 0x30000 + i));
  ck_assert_uint_eq (in8 (h, 0xd0), 0x22);
  harness_free (h);
  g_free (c);
}
END_TEST

START_TEST (addresses_stay_in_their_page)
{
  Harness *h = harness_new (hw_pc (), board);
  Card *c = plug (h, 1, 0x20000), *w = plug (h, 6, 0x20000);
  program (h, 1, 0x2fffe, 4, 0x44);
  request (h, 1, true);
  ck_assert_uint_eq (byte_at (h, 0x2ffff), c->bytes[1]);
  ck_assert_uint_eq (byte_at (h, 0x20000), c->bytes[2]);
  ck_assert_uint_eq (byte_at (h, 0x30000), 0);
  program (h, 6, 0x5fffe, 2, 0x44);             /* 128 KiB */
  request (h, 6, true);
  ck_assert_uint_eq (byte_at (h, 0x5ffff), w->bytes[1]);
  ck_assert_uint_eq (byte_at (h, 0x40000), w->bytes[2]);
  ck_assert_uint_eq (byte_at (h, 0x60000), 0);
  harness_free (h);
  g_free (c);
  g_free (w);
}
END_TEST

START_TEST (addresses_can_go_down)
{
  Harness *h = harness_new (hw_pc (), board);
  Card *c = plug (h, 3, 0x20000);
  program (h, 3, 0x10003, 6, 0x64);
  request (h, 3, true);
  for (unsigned i = 0; i < 4; i++)
    ck_assert_uint_eq (byte_at (h, 0x10003 - i), c->bytes[i]);
  ck_assert_uint_eq (byte_at (h, 0x1ffff), c->bytes[4]);
  ck_assert_uint_eq (byte_at (h, 0x1fffe), c->bytes[5]);
  write32 (h, 0x40000, 0x44332211);
  c->at = 0;
  program (h, 3, 0x40003, 4, 0x68);
  request (h, 3, true);
  ck_assert_mem_eq (c->bytes, "\x44\x33\x22\x11", 4);
  harness_free (h);
  g_free (c);
}
END_TEST

START_TEST (a_slow_device_gets_the_rest_later)
{
  Harness *h = harness_new (hw_pc (), board);
  Card *c = plug (h, 1, 100);
  program (h, 1, 0x10000, 256, 0x04);           /* demand */
  request (h, 1, true);
  ck_assert_uint_eq (word_at (h, 1, 1), 155);
  ck_assert_uint_eq (in8 (h, 8), 0);            /* asks no more */
  c->most = 0x1000;
  request (h, 1, true);
  ck_assert_uint_eq (c->at, 256);
  ck_assert_uint_eq (byte_at (h, 0x100ff), c->bytes[255]);
  harness_free (h);
  g_free (c);
}
END_TEST

START_TEST (masks_and_the_controllers_switch_hold_it_back)
{
  Harness *h = harness_new (hw_pc (), board);
  Card *c = plug (h, 2, 0x1000);
  program (h, 2, 0x10000, 16, 0x44);
  out8 (h, 10, 6);
  request (h, 2, true);
  ck_assert_uint_eq (c->at, 0);
  ck_assert_uint_eq (in8 (h, 8), 0x40);
  out8 (h, 8, 4);               /* disabled */
  out8 (h, 14, 0);              /* all masks cleared */
  ck_assert_uint_eq (c->at, 0);
  out8 (h, 0xd4, 4);            /* the cascade is masked */
  out8 (h, 8, 0);
  ck_assert_uint_eq (c->at, 0);
  out8 (h, 0xd4, 0);
  ck_assert_uint_eq (c->at, 16);
  out8 (h, 0xda, 0);            /* master clear masks the cascade, and the mode is gone only by a mode word */
  program (h, 2, 0x10000, 16, 0x44);
  ck_assert_uint_eq (c->at, 16);
  out8 (h, 0xd6, 0xc0);
  out8 (h, 0xd4, 0);
  ck_assert_uint_eq (c->at, 32);
  harness_free (h);
  g_free (c);
}
END_TEST

START_TEST (autoinit_starts_over)
{
  Harness *h = harness_new (hw_pc (), board);
  Card *c = plug (h, 1, 40);
  program (h, 1, 0x10000, 16, 0x58);            /* single, autoinit, to the device */
  request (h, 1, true);
  ck_assert_uint_eq (c->at, 16);                /* a pause, so that the guest can go on */
  ck_assert_uint_eq (word_at (h, 1, 1), 15);
  ck_assert_uint_eq (in8 (h, 15) & 2, 0);
  harness_advance (h, 1000000);
  ck_assert_uint_eq (c->at, 40);
  ck_assert_uint_eq (c->terminal_counts, 2);
  ck_assert_uint_eq (word_at (h, 1, 0), 8);
  harness_free (h);
  g_free (c);
}
END_TEST

/* A channel that asks on and on leaves time to the others, whatever their priority. */
START_TEST (nobody_is_kept_waiting)
{
  Harness *h = harness_new (hw_pc (), board);
  Card *always = plug (h, 1, 1000000), *later = plug (h, 2, 64);
  program (h, 1, 0x10000, 16, 0x58);
  program (h, 2, 0x20000, 64, 0x48);
  always->most = sizeof always->bytes;
  request (h, 1, true);
  request (h, 2, true);
  harness_advance (h, 100000);
  ck_assert_uint_eq (later->at, 64);
  ck_assert_uint_gt (always->at, 16);
  harness_free (h);
  g_free (always);
  g_free (later);
}
END_TEST

START_TEST (an_illegal_transfer_is_over)
{
  Harness *h = harness_new (hw_pc (), board);
  out8 (h, 11, 0x4c | 3);
  out8 (h, 9, 4 | 3);                           /* asked for by software, which no mask holds back */
  ck_assert_uint_eq (in8 (h, 15) & 8, 8);
  Card *c = plug (h, 3, 16);
  out8 (h, 11, 0x44 | 3);
  harness_advance (h, 1000000);
  ck_assert_uint_eq (c->calls, 0);
  harness_free (h);
  g_free (c);
}
END_TEST

START_TEST (verify_moves_nothing)
{
  Harness *h = harness_new (hw_pc (), board);
  Card *c = plug (h, 2, 0x1000);
  program (h, 2, 0x10000, 64, 0x40);
  request (h, 2, true);
  ck_assert_uint_eq (c->at, 64);
  ck_assert_int_eq (c->kind, BP_ISA_DMA_VERIFY);
  ck_assert_uint_eq (read32 (h, 0x10000), 0);
  ck_assert_uint_eq (in8 (h, 8) & 4, 4);
  harness_free (h);
  g_free (c);
}
END_TEST

START_TEST (a_block_goes_to_its_end)
{
  Harness *h = harness_new (hw_pc (), board);
  Card *c = plug (h, 1, 10);
  program (h, 1, 0x10000, 5000, 0x84);
  request (h, 1, true);
  ck_assert_uint_eq (byte_at (h, 0x10009), c->bytes[9]);
  ck_assert_uint_eq (byte_at (h, 0x1000a), 0xff);
  ck_assert_uint_eq (byte_at (h, 0x10000 + 4999), 0xff);
  ck_assert_uint_eq (in8 (h, 8), 2);
  harness_free (h);
  g_free (c);
}
END_TEST

START_TEST (software_can_ask)
{
  Harness *h = harness_new (hw_pc (), board);
  program (h, 3, 0x10000, 8, 0x84);             /* nobody is on the channel: the bus floats */
  out8 (h, 9, 7);
  ck_assert_uint_eq (read32 (h, 0x10004), 0xffffffff);
  ck_assert_uint_eq (read32 (h, 0x10008), 0);
  ck_assert_uint_eq (in8 (h, 8), 8);
  harness_free (h);
}
END_TEST

START_TEST (memory_to_memory)
{
  Harness *h = harness_new (hw_pc (), board);
  for (unsigned i = 0; i < 8; i++)
    write32 (h, 0x10000 + 4 * i, 0x01010101 * (i + 1));
  program (h, 0, 0x10000, 32, 0x88);
  program (h, 1, 0x20000, 32, 0x84);
  out8 (h, 8, 1);
  out8 (h, 9, 4);
  ck_assert_uint_eq (read32 (h, 0x2001c), 0x08080808);
  ck_assert_uint_eq (in8 (h, 13), 8);           /* the temporary register holds the last byte */
  ck_assert_uint_eq (in8 (h, 8) & 2, 2);
  out8 (h, 8, 3);               /* the source stays: fills */
  program (h, 0, 0x10000, 32, 0x88);
  program (h, 1, 0x20000, 32, 0x84);
  out8 (h, 9, 4);
  ck_assert_uint_eq (read32 (h, 0x2001c), 0x01010101);
  harness_free (h);
}
END_TEST

START_TEST (high_pages_go_with_low_ones)
{
  Harness *h = harness_new (hw_pc (), board);
  Card *c = plug (h, 2, 0x1000);
  program (h, 2, 0x10000, 4, 0x44);
  out8 (h, 0x481, 0x10);
  ck_assert_uint_eq (in8 (h, 0x481), 0x10);
  request (h, 2, true);                         /* goes to 0x10010000, where nothing is */
  ck_assert_uint_eq (c->at, 4);
  ck_assert_uint_eq (read32 (h, 0x10000), 0);
  out8 (h, 0x81, 1);
  ck_assert_uint_eq (in8 (h, 0x481), 0);
  ck_assert_uint_eq (in8 (h, 0x81), 1);
  out8 (h, 0x80, 0x55);
  ck_assert_uint_eq (in8 (h, 0x80), 0x55);
  harness_free (h);
  g_free (c);
}
END_TEST

START_TEST (a_bus_master_gets_the_bus)
{
  Harness *h = harness_new (hw_pc (), board);
  Card *c = plug (h, 7, 0x1000);
  out8 (h, 0xd6, 0xc3);
  out8 (h, 0xd4, 3);
  request (h, 7, true);
  ck_assert_uint_eq (c->calls, 1);
  ck_assert_int_eq (c->kind, BP_ISA_DMA_CASCADE);
  harness_free (h);
  g_free (c);
}
END_TEST

START_TEST (a_channel_has_one_device)
{
  Harness *h = harness_new (hw_pc (), board);
  Card *c = plug (h, 2, 0x1000);
  BpLink link = link_to (h);
  ck_assert (!bp_isa_dma_attach (&link, 2, &handlers, c));
  ck_assert (!bp_isa_dma_attach (&link, 4, &handlers, c));
  ck_assert (!bp_isa_dma_attach (&link, 8, &handlers, c));
  ck_assert (bp_isa_dma_attach (&link, 2, NULL, NULL));
  ck_assert (bp_isa_dma_attach (&link, 2, &handlers, c));
  harness_free (h);
  g_free (c);
}
END_TEST

START_TEST (state_survives)
{
  Harness *h = harness_new (hw_pc (), board);
  Card *c = plug (h, 2, 100), *d = plug (h, 5, 10);
  program (h, 2, 0x10000, 512, 0x44);
  request (h, 2, true);
  program (h, 5, 0x20000, 100, 0x54);
  out8 (h, 0xd4, 5);
  request (h, 5, true);
  out8 (h, 2 * 2, 0x12);        /* the flip-flop is in the middle */
  harness_round_trip (h);
  ck_assert_uint_eq (d->at, 0);
  out8 (h, 0xd4, 1);
  ck_assert_uint_eq (d->at, 10);
  c->most = 0x1000;
  request (h, 2, true);
  ck_assert_uint_eq (in8 (h, 8) & 4, 4);
  harness_free (h);
  g_free (c);
  g_free (d);
}
END_TEST

HARNESS_MAIN ("dma-i8237", a_device_writes_to_memory, words_go_to_a_device, addresses_stay_in_their_page, addresses_can_go_down,
              a_slow_device_gets_the_rest_later, masks_and_the_controllers_switch_hold_it_back, autoinit_starts_over, nobody_is_kept_waiting, an_illegal_transfer_is_over, verify_moves_nothing,
              a_block_goes_to_its_end, software_can_ask, memory_to_memory, high_pages_go_with_low_ones, a_bus_master_gets_the_bus,
              a_channel_has_one_device, state_survives)
