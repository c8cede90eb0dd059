/* test-pit-i8254.c -- counting, modes, latches and outputs of the interval timer. */
/* SPDX-License-Identifier: MIT */
#include "hw-pc-test.h"

static const char timer[] = "[device pit]\ntype = i8254\npio0 = io@0x40\npio1 = io@0x61\nout0 = probe.in0\n"
                            "[device probe]\ntype = test-probe\n";

#define TICKS(n) ((int64_t) (n) * 1000000000 / 1193182 + 1)

static void
load (Harness *h, unsigned counter, uint8_t mode, uint16_t count)
{
  out8 (h, 0x43, (uint8_t) (counter << 6 | 0x30 | mode << 1));
  out8 (h, (uint16_t) (0x40 + counter), (uint8_t) count);
  out8 (h, (uint16_t) (0x40 + counter), (uint8_t) (count >> 8));
}

static uint16_t
latched (Harness *h, unsigned counter)
{
  out8 (h, 0x43, (uint8_t) (counter << 6));
  uint8_t low = in8 (h, (uint16_t) (0x40 + counter));
  return (uint16_t) (low | in8 (h, (uint16_t) (0x40 + counter)) << 8);
}

START_TEST (mode_2_gives_an_edge_a_period)
{
  Harness *h = harness_new (hw_pc (), timer);
  load (h, 0, 2, 11932);        /* 100 Hz */
  unsigned before = harness_rises (h, "probe", 0);
  harness_advance (h, 1000000000);
  ck_assert_uint_eq (harness_rises (h, "probe", 0) - before, 99);       /* 99.998 Hz */
  harness_free (h);
}
END_TEST

START_TEST (mode_3_is_high_for_half_of_it)
{
  Harness *h = harness_new (hw_pc (), timer);
  load (h, 0, 3, 1000);
  ck_assert_int_eq (harness_level (h, "pit.out0"), 1);
  harness_advance (h, TICKS (499));
  ck_assert_int_eq (harness_level (h, "pit.out0"), 1);
  harness_advance (h, TICKS (2));
  ck_assert_int_eq (harness_level (h, "pit.out0"), 0);
  harness_advance (h, TICKS (500));
  ck_assert_int_eq (harness_level (h, "pit.out0"), 1);
  harness_free (h);
}
END_TEST

START_TEST (mode_0_rises_once)
{
  Harness *h = harness_new (hw_pc (), timer);
  load (h, 0, 0, 100);
  ck_assert_int_eq (harness_level (h, "pit.out0"), 0);
  harness_advance (h, TICKS (60));
  ck_assert_uint_eq (latched (h, 0), 40);
  harness_advance (h, TICKS (50));
  ck_assert_int_eq (harness_level (h, "pit.out0"), 1);
  harness_advance (h, TICKS (200000));
  ck_assert_uint_eq (harness_rises (h, "probe", 0), 1);
  harness_free (h);
}
END_TEST

/* A host that is late by a little must not lose the pulse of mode 2, one that is late by much loses periods but goes on. */
START_TEST (a_late_host_still_makes_edges)
{
  Harness *h = harness_new (hw_pc (), timer);
  load (h, 0, 2, 1193);
  unsigned before = harness_rises (h, "probe", 0);
  for (unsigned i = 0; i < 10; i++) {
    harness_advance (h, 0);
    *(int64_t *) harness_object (h, "accel") += 1700000;        /* the harness's clock, behind the timers' back */
  }
  harness_advance (h, 0);
  ck_assert_uint_ge (harness_rises (h, "probe", 0) - before, 9);
  harness_free (h);
}
END_TEST

/* A host that stands still while the guest loads a count must not lose the pulse of mode 4 either: the guest would wait for ever. */
START_TEST (a_late_load_still_makes_its_pulse)
{
  Harness *h = harness_new (hw_pc (), timer);
  struct { int64_t now, pace; } *clock = harness_object (h, "accel");
  clock->pace = 700000;         /* a reading */
  load (h, 0, 4, 789);          /* 661 us */
  clock->pace = 0;
  unsigned before = harness_rises (h, "probe", 0);
  harness_advance (h, TICKS (800));
  ck_assert_uint_eq (harness_rises (h, "probe", 0) - before, 1);
  harness_free (h);
}
END_TEST

/* Whenever the host stands still: the guest never finds the output low for longer than its tick, and an i8259's request with it. */
START_TEST (a_late_host_makes_no_pulse_longer)
{
  static const uint8_t modes[] = { 2, 4 };
  Harness *h = harness_new (hw_pc (), timer);
  for (unsigned i = 0; i < G_N_ELEMENTS (modes); i++) {
    load (h, 0, modes[i], 1193);
    for (unsigned n = 0; n < (modes[i] == 2 ? 5 : 1); n++) {
      unsigned rises = harness_rises (h, "probe", 0), falls = bp_test_falls (h, "probe", 0);
      harness_advance (h, bp_test_next_timer (h) - harness_now (h));
      ck_assert_int_eq (harness_level (h, "pit.out0"), 1);
      ck_assert_uint_eq (harness_rises (h, "probe", 0) - rises, 1);
      ck_assert_uint_eq (bp_test_falls (h, "probe", 0) - falls, 1);
    }
  }
  harness_free (h);
}
END_TEST

START_TEST (the_gate_of_counter_2_holds_it)
{
  Harness *h = harness_new (hw_pc (), timer);
  out8 (h, 0x61, 0x01);
  load (h, 2, 0, 1000);
  harness_advance (h, TICKS (100));
  out8 (h, 0x61, 0x00);
  uint16_t stood = latched (h, 2);
  harness_advance (h, TICKS (5000));
  ck_assert_uint_eq (latched (h, 2), stood);
  ck_assert_uint_eq (in8 (h, 0x61) & 0x20, 0);
  out8 (h, 0x61, 0x01);
  harness_advance (h, TICKS (901));
  ck_assert_uint_eq (in8 (h, 0x61) & 0x20, 0x20);
  harness_free (h);
}
END_TEST

START_TEST (latches_hold_until_read)
{
  Harness *h = harness_new (hw_pc (), timer);
  load (h, 1, 2, 5000);
  harness_advance (h, TICKS (1000));
  out8 (h, 0x43, 0xc4);         /* count and status of counter 1 */
  harness_advance (h, TICKS (1000));
  ck_assert_uint_eq (in8 (h, 0x41), 0x80 | 0x30 | 2 << 1);
  uint8_t low = in8 (h, 0x41), high = in8 (h, 0x41);
  ck_assert_uint_eq (low | high << 8, 4000);
  harness_free (h);
}
END_TEST

START_TEST (decimal_counts_are_decimal)
{
  Harness *h = harness_new (hw_pc (), timer);
  out8 (h, 0x43, 0x71);         /* counter 1, mode 0, BCD */
  out8 (h, 0x41, 0x50);
  out8 (h, 0x41, 0x12);
  harness_advance (h, TICKS (250));
  ck_assert_uint_eq (latched (h, 1), 0x1000);
  harness_advance (h, TICKS (1001));
  ck_assert_uint_eq (latched (h, 1), 0x9999);
  harness_free (h);
}
END_TEST

START_TEST (a_tiny_period_does_not_stall_the_host)
{
  Harness *h = harness_new (hw_pc (), timer);
  load (h, 0, 3, 1);
  harness_advance (h, 100000000);
  load (h, 0, 2, 2);
  harness_advance (h, 100000000);
  harness_free (h);
}
END_TEST

START_TEST (state_survives)
{
  Harness *h = harness_new (hw_pc (), timer);
  load (h, 0, 3, 1000);
  harness_advance (h, TICKS (700));
  harness_round_trip (h);
  ck_assert_int_eq (harness_level (h, "pit.out0"), 0);
  harness_advance (h, TICKS (301));
  ck_assert_int_eq (harness_level (h, "pit.out0"), 1);
  harness_free (h);
}
END_TEST

HARNESS_MAIN ("pit-i8254", mode_2_gives_an_edge_a_period, mode_3_is_high_for_half_of_it, mode_0_rises_once, a_late_host_still_makes_edges, a_late_load_still_makes_its_pulse,
              a_late_host_makes_no_pulse_longer, the_gate_of_counter_2_holds_it, latches_hold_until_read, decimal_counts_are_decimal, a_tiny_period_does_not_stall_the_host, state_survives)
