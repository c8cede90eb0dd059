/* test-hpet.c -- counting, one-shot and periodic matches, 32-bit mode, routes and legacy replacement. */
/* SPDX-License-Identifier: MIT */
#include "hw-pc-test.h"

#define BASE UINT64_C (0xfed00000)
#define TICK INT64_C (10)       /* ns */
enum { LEVEL = 2, ENABLE = 4, PERIODIC = 8, SET_VALUE = 0x40, NARROW = 0x100, ROUTE20 = 20 << 9, ROUTE21 = 21 << 9 };

static const char machine[] = "[device hpet]\ntype = hpet\nmmio0 = memory@0xfed00000\nlegacy0 = probe.in0\nlegacy1 = probe.in8\nroute20 = probe.in20\n"
                              "route21 = probe.in21\n[device probe]\ntype = test-probe\n";

static uint64_t get (Harness *h, unsigned offset) { return harness_read (h, "memory", BASE + offset, 8); }
static void put (Harness *h, unsigned offset, uint64_t value) { harness_write (h, "memory", BASE + offset, value, 8); }
static void configure (Harness *h, unsigned n, uint32_t value) { put (h, 0x100 + 0x20 * n, value); }
static void compare (Harness *h, unsigned n, uint64_t value) { put (h, 0x108 + 0x20 * n, value); }
static void ticks (Harness *h, int64_t n) { harness_advance (h, n * TICK); }

static Harness *
start (uint32_t config)
{
  Harness *h = harness_new (hw_pc (), machine);
  put (h, 0x10, config);
  return h;
}

START_TEST (it_says_what_it_can)
{
  Harness *h = start (0);
  ck_assert_uint_eq (get (h, 0), UINT64_C (0x009896808086a201));
  ck_assert_uint_eq (read32 (h, BASE + 4), 10000000);
  ck_assert_uint_eq (read32 (h, BASE), 0x8086a201);
  ck_assert_uint_eq (get (h, 0x120), UINT64_C (0x00f0000000000030));
  ck_assert_uint_eq (get (h, 0x108), UINT64_MAX);
  ck_assert_uint_eq (get (h, 0x160), 0);                        /* a fourth timer */
  configure (h, 1, 0xffffffff);
  ck_assert_uint_eq (get (h, 0x120), UINT64_C (0x00f000000000013e));    /* route 31 is not one; bit 6 is write-only */
  configure (h, 1, ROUTE21);
  ck_assert_uint_eq (get (h, 0x120), UINT64_C (0x00f0000000000030) | ROUTE21);
  put (h, 0x130, UINT64_MAX);
  ck_assert_uint_eq (get (h, 0x130), 0);
  harness_free (h);
}
END_TEST

START_TEST (the_counter_runs_while_it_may)
{
  Harness *h = start (0);
  ticks (h, 5);
  ck_assert_uint_eq (get (h, 0xf0), 0);
  put (h, 0xf0, UINT64_C (0xfffffff0));
  put (h, 0x10, 1);
  ticks (h, 0x20);
  ck_assert_uint_eq (get (h, 0xf0), UINT64_C (0x100000010));
  ck_assert_uint_eq (read32 (h, BASE + 0xf0), 0x10);
  ck_assert_uint_eq (read32 (h, BASE + 0xf4), 1);
  harness_advance (h, 9);
  put (h, 0x10, 3);                                             /* keeps the part of a tick that has gone by */
  harness_advance (h, 1);
  ck_assert_uint_eq (get (h, 0xf0), UINT64_C (0x100000011));
  put (h, 0x10, 0);
  ticks (h, 100);
  ck_assert_uint_eq (get (h, 0xf0), UINT64_C (0x100000011));
  write32 (h, BASE + 0xf4, 7);
  ck_assert_uint_eq (get (h, 0xf0), UINT64_C (0x700000011));
  harness_free (h);
}
END_TEST

START_TEST (the_period_is_a_property)
{
  char *text = g_strconcat (machine, "[override hpet]\nperiod = 69841279\n", NULL);     /* 14.318 MHz */
  Harness *h = harness_new (hw_pc (), text);
  put (h, 0x10, 1);
  harness_advance (h, BP_NS_PER_SECOND);
  ck_assert_uint_eq (get (h, 0xf0), 14318179);
  harness_free (h);
  g_free (text);
}
END_TEST

START_TEST (one_shot_comes_once)
{
  Harness *h = start (1);
  configure (h, 2, ENABLE | ROUTE20);
  compare (h, 2, 1000);
  ticks (h, 999);
  ck_assert_uint_eq (harness_rises (h, "probe", 20), 0);
  ticks (h, 1);
  ck_assert_uint_eq (harness_rises (h, "probe", 20), 1);
  ticks (h, INT64_C (1) << 33);
  ck_assert_uint_eq (harness_rises (h, "probe", 20), 1);
  compare (h, 2, 500);                                          /* long gone */
  ticks (h, INT64_C (1) << 33);
  ck_assert_uint_eq (harness_rises (h, "probe", 20), 1);
  compare (h, 2, get (h, 0xf0) + 10);
  ticks (h, 10);
  ck_assert_uint_eq (harness_rises (h, "probe", 20), 2);
  compare (h, 2, get (h, 0xf0) + 10);
  configure (h, 2, ROUTE20);                                    /* disabled */
  ticks (h, 10);
  ck_assert_uint_eq (harness_rises (h, "probe", 20), 2);
  ck_assert_int_eq (harness_level (h, "hpet.route20"), 0);
  harness_free (h);
}
END_TEST

START_TEST (thirty_two_bits_come_around)
{
  Harness *h = start (1);
  configure (h, 0, ENABLE | NARROW | ROUTE20);
  compare (h, 0, 1000);
  ticks (h, 1000);
  ck_assert_uint_eq (harness_rises (h, "probe", 20), 1);
  ticks (h, (INT64_C (1) << 32) - 1);
  ck_assert_uint_eq (harness_rises (h, "probe", 20), 1);
  ticks (h, 1);
  ck_assert_uint_eq (harness_rises (h, "probe", 20), 2);
  harness_free (h);
}
END_TEST

/* As Linux does: the first match with SET_VALUE, then the period. */
START_TEST (periods_follow)
{
  Harness *h = start (1);
  ticks (h, 50);
  configure (h, 0, ENABLE | PERIODIC | SET_VALUE | NARROW | ROUTE21);
  compare (h, 0, 10000);
  compare (h, 0, 20000);
  ck_assert_uint_eq (get (h, 0x108), 10000);
  ticks (h, 9950);
  ck_assert_uint_eq (harness_rises (h, "probe", 21), 1);
  ck_assert_uint_eq (get (h, 0x108), 30000);
  ticks (h, 200000);
  ck_assert_uint_eq (harness_rises (h, "probe", 21), 11);
  compare (h, 0, 100);                                          /* from the next match on */
  ck_assert_uint_eq (get (h, 0x108), 230000);
  put (h, 0x10, 0);
  ticks (h, 100000);
  ck_assert_uint_eq (harness_rises (h, "probe", 21), 11);
  harness_free (h);
}
END_TEST

/* One wake-up of the host in 50 us at most: the others are lost, and the comparator stays in step. */
/* As Linux sets it: the counter stands still meanwhile.  A host that does so as soon as it goes again must not lose the match: the next is 2^32 ticks away. */
START_TEST (a_late_start_still_matches)
{
  Harness *h = start (1);
  struct { int64_t now, pace; } *clock = harness_object (h, "accel");
  put (h, 0x10, 0);
  configure (h, 0, ENABLE | PERIODIC | SET_VALUE | NARROW | ROUTE20);
  compare (h, 0, get (h, 0xf0) + 10000);
  compare (h, 0, 10000);
  clock->pace = 15000 * TICK;     /* a reading */
  put (h, 0x10, 1);
  clock->pace = 0;
  unsigned before = harness_rises (h, "probe", 20);
  ticks (h, 100000);
  ck_assert_uint_ge (harness_rises (h, "probe", 20) - before, 9);
  harness_free (h);
}
END_TEST

START_TEST (a_short_period_does_not_drown_the_host)
{
  Harness *h = start (1);
  configure (h, 0, ENABLE | PERIODIC | SET_VALUE | ROUTE20);
  compare (h, 0, 3);
  compare (h, 0, 2);
  harness_advance (h, 1000000);
  ck_assert_uint_ge (harness_rises (h, "probe", 20), 15);
  ck_assert_uint_le (harness_rises (h, "probe", 20), 21);
  uint64_t next = get (h, 0x108), at = get (h, 0xf0);
  ck_assert (next > at && next <= at + 2 && next % 2 == 1);
  compare (h, 0, 0);                                            /* no period at all */
  harness_advance (h, 1000000);
  harness_free (h);
}
END_TEST

START_TEST (a_level_lasts_until_its_status_is_cleared)
{
  Harness *h = start (1);
  configure (h, 1, LEVEL | ROUTE20);
  compare (h, 1, 10);
  ticks (h, 10);
  ck_assert_uint_eq (get (h, 0x20), 2);                         /* the status comes without the interrupt */
  ck_assert_int_eq (harness_level (h, "hpet.route20"), 0);
  configure (h, 1, LEVEL | ENABLE | ROUTE20);
  ck_assert_int_eq (harness_level (h, "hpet.route20"), 1);
  configure (h, 1, LEVEL | ENABLE | ROUTE21);
  ck_assert_int_eq (harness_level (h, "hpet.route20"), 0);
  ck_assert_int_eq (harness_level (h, "hpet.route21"), 1);
  put (h, 0x20, 1);
  ck_assert_int_eq (harness_level (h, "hpet.route21"), 1);
  put (h, 0x20, 2);
  ck_assert_int_eq (harness_level (h, "hpet.route21"), 0);
  ck_assert_uint_eq (get (h, 0x20), 0);
  harness_free (h);
}
END_TEST

START_TEST (legacy_replacement_cuts_pit_and_rtc_off)
{
  Harness *h = start (0);
  harness_drive (h, "hpet.pit", 1);
  harness_drive (h, "hpet.rtc", 1);
  ck_assert_int_eq (harness_level (h, "hpet.legacy0"), 1);
  ck_assert_int_eq (harness_level (h, "hpet.legacy1"), 1);
  put (h, 0x10, 3);
  ck_assert_int_eq (harness_level (h, "hpet.legacy0"), 0);
  configure (h, 0, ENABLE | ROUTE20);
  compare (h, 0, 100);
  configure (h, 1, ENABLE | ROUTE20);
  compare (h, 1, 200);
  configure (h, 2, ENABLE | ROUTE20);
  compare (h, 2, 300);
  harness_drive (h, "hpet.pit", 0);
  harness_drive (h, "hpet.pit", 1);
  ck_assert_int_eq (harness_level (h, "hpet.legacy0"), 0);
  ticks (h, 100);
  ck_assert_int_eq (harness_level (h, "hpet.legacy0"), 1);
  ck_assert_int_eq (harness_level (h, "hpet.legacy1"), 0);
  ticks (h, 100);
  ck_assert_int_eq (harness_level (h, "hpet.legacy1"), 1);
  ck_assert_int_eq (harness_level (h, "hpet.route20"), 0);
  ticks (h, 100);
  ck_assert_int_eq (harness_level (h, "hpet.route20"), 1);
  harness_drive (h, "hpet.rtc", 0);
  put (h, 0x10, 1);
  ck_assert_int_eq (harness_level (h, "hpet.legacy0"), 1);      /* the PIT's again */
  ck_assert_int_eq (harness_level (h, "hpet.legacy1"), 0);
  harness_free (h);
}
END_TEST

START_TEST (state_survives)
{
  Harness *h = start (1);
  configure (h, 0, ENABLE | PERIODIC | SET_VALUE | ROUTE20);
  compare (h, 0, 10000);
  compare (h, 0, 10000);
  configure (h, 1, LEVEL | ENABLE | ROUTE21);
  compare (h, 1, 5);
  ticks (h, 15000);
  harness_round_trip (h);
  ck_assert_uint_eq (get (h, 0xf0), 15000);
  ck_assert_int_eq (harness_level (h, "hpet.route21"), 1);
  unsigned rises = harness_rises (h, "probe", 20);
  ticks (h, 5000);
  ck_assert_uint_eq (harness_rises (h, "probe", 20), rises + 1);
  harness_free (h);
}
END_TEST

HARNESS_MAIN ("hpet", it_says_what_it_can, the_counter_runs_while_it_may, the_period_is_a_property, one_shot_comes_once, thirty_two_bits_come_around,
              periods_follow, a_late_start_still_matches, a_short_period_does_not_drown_the_host, a_level_lasts_until_its_status_is_cleared,
              legacy_replacement_cuts_pit_and_rtc_off, state_survives)
