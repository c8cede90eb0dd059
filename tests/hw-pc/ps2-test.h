/* ps2-test.h -- a keyboard controller in the harness, and what comes out of its two ports. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_PS2_TEST_H
#define TESTS_PS2_TEST_H

#include <backplane/iface/input.h>
#include <linux/input-event-codes.h>
#include "hw-pc-test.h"

#define PS2_KBD(more) \
  "[device kbd]\ntype = i8042\npio0 = io@0x60\npio1 = io@0x64\nirq1 = probe.in1\nirq12 = probe.in12\na20 = probe.in20\n" more \
  "[device probe]\ntype = test-probe\n"

#define MS INT64_C (1000000)

static inline bool full (Harness *h) { return in8 (h, 0x64) & 1; }

/* -1: within 20 ms none comes; those of the aux port are 0x100 and more. */
static inline int
next_byte (Harness *h)
{
  for (unsigned i = 0; i < 20 && !full (h); i++)
    harness_advance (h, MS);
  uint8_t status = in8 (h, 0x64);
  return status & 1 ? (status & 0x20 ? 0x100 : 0) | in8 (h, 0x60) : -1;
}

/* The bytes that come, none more. */
static inline void
expect (Harness *h, int port, const uint8_t *bytes, unsigned n)
{
  for (unsigned i = 0; i < n; i++) {
    int byte = next_byte (h);
    ck_assert_msg (byte == (port | bytes[i]), "byte %u: %x came, not %x", i, (unsigned) byte, (unsigned) port | bytes[i]);
  }
  harness_advance (h, 15 * MS);
  ck_assert_msg (!full (h), "%x came as well", (unsigned) next_byte (h));
}
#define EXPECT(h, ...) do { static const uint8_t bytes_[] = { __VA_ARGS__ }; expect ((h), 0, bytes_, sizeof bytes_); } while (0)
#define EXPECT_AUX(h, ...) do { static const uint8_t bytes_[] = { __VA_ARGS__ }; expect ((h), 0x100, bytes_, sizeof bytes_); } while (0)
#define EXPECT_NOTHING(h) expect ((h), 0, NULL, 0)

static inline void
command_byte (Harness *h, uint8_t value)
{
  out8 (h, 0x64, 0x60);
  out8 (h, 0x60, value);
}

static inline void
to_mouse (Harness *h, uint8_t value)
{
  out8 (h, 0x64, 0xd4);
  out8 (h, 0x60, value);
}

static inline bool press (Harness *h, unsigned code) { return bp_input_send_key (harness_machine (h), code, true); }
static inline bool release (Harness *h, unsigned code) { return bp_input_send_key (harness_machine (h), code, false); }
static inline bool
move (Harness *h, int dx, int dy, int wheel, uint32_t buttons)
{
  return bp_input_send_relative (harness_machine (h), dx, dy, wheel, buttons);
}

#endif
