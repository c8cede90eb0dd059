/* test-rtc-mc146818.c -- time, alarm, interrupts and memory of the real-time clock. */
/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "hw-pc-test.h"

static const char clock_at[] = "[device rtc]\ntype = mc146818\npio0 = io@0x70\nirq = probe.in8\nstart = 2024-02-28T23:59:58Z\n"
                               "[device probe]\ntype = test-probe\n";
#define SECOND INT64_C (1000000000)

static uint8_t
get (Harness *h, uint8_t index)
{
  out8 (h, 0x70, index);
  return in8 (h, 0x71);
}

static void
put (Harness *h, uint8_t index, uint8_t value)
{
  out8 (h, 0x70, index);
  out8 (h, 0x71, value);
}

START_TEST (time_goes_on_through_a_leap_day)
{
  Harness *h = harness_new (hw_pc (), clock_at);
  ck_assert_uint_eq (get (h, 0), 0x58);
  ck_assert_uint_eq (get (h, 4), 0x23);
  harness_advance (h, 3 * SECOND);
  ck_assert_uint_eq (get (h, 0), 0x01);
  ck_assert_uint_eq (get (h, 7), 0x29);
  ck_assert_uint_eq (get (h, 8), 0x02);
  ck_assert_uint_eq (get (h, 9), 0x24);
  ck_assert_uint_eq (get (h, 0x32), 0x20);
  ck_assert_uint_eq (get (h, 6), 5);            /* Thursday */
  harness_free (h);
}
END_TEST

/* The last day of a long month, written before the month is: fields must not spill over meanwhile. */
START_TEST (a_date_is_set_field_by_field)
{
  Harness *h = harness_new (hw_pc (), clock_at);
  put (h, 0x0b, 0x82);
  static const uint8_t values[][2] = { { 0, 0x30 }, { 2, 0x59 }, { 4, 0x12 }, { 7, 0x31 }, { 8, 0x01 }, { 9, 0x99 }, { 0x32, 0x19 } };
  for (unsigned i = 0; i < G_N_ELEMENTS (values); i++)
    put (h, values[i][0], values[i][1]);
  harness_advance (h, 5 * SECOND);
  ck_assert_uint_eq (get (h, 0), 0x30);         /* halted */
  put (h, 0x0b, 0x02);
  harness_advance (h, 31 * SECOND);
  ck_assert_uint_eq (get (h, 0), 0x01);
  ck_assert_uint_eq (get (h, 2), 0x00);
  ck_assert_uint_eq (get (h, 4), 0x13);
  ck_assert_uint_eq (get (h, 7), 0x31);
  ck_assert_uint_eq (get (h, 8), 0x01);
  ck_assert_uint_eq (get (h, 9), 0x99);
  harness_free (h);
}
END_TEST

START_TEST (hours_have_two_forms)
{
  Harness *h = harness_new (hw_pc (), clock_at);
  put (h, 0x0b, 0x04);          /* 12 hours, binary */
  ck_assert_uint_eq (get (h, 4), 0x8b);
  harness_advance (h, 3 * SECOND);
  ck_assert_uint_eq (get (h, 4), 12);
  harness_free (h);
}
END_TEST

START_TEST (the_periodic_interrupt_has_its_rate)
{
  Harness *h = harness_new (hw_pc (), clock_at);
  put (h, 0x0b, 0x42);
  unsigned n = 0;
  for (unsigned i = 0; i < 2000; i++) {
    harness_advance (h, SECOND / 2000);
    if (harness_level (h, "rtc.irq")) {
      n++;
      ck_assert_uint_eq (get (h, 0x0c) & 0xef, 0xc0);
    }
  }
  ck_assert_uint_ge (n, 1022);
  ck_assert_uint_le (n, 1025);
  harness_free (h);
}
END_TEST

START_TEST (the_alarm_fires_at_its_time)
{
  Harness *h = harness_new (hw_pc (), clock_at);
  put (h, 1, 0x05);
  put (h, 3, 0xff);             /* any minute, any hour */
  put (h, 5, 0xff);
  put (h, 0x0b, 0x22);
  harness_advance (h, 6 * SECOND);
  ck_assert_int_eq (harness_level (h, "rtc.irq"), 0);
  harness_advance (h, SECOND);
  ck_assert_int_eq (harness_level (h, "rtc.irq"), 1);
  ck_assert_uint_eq (get (h, 0x0c) & 0xa0, 0xa0);
  ck_assert_int_eq (harness_level (h, "rtc.irq"), 0);
  harness_free (h);
}
END_TEST

START_TEST (flags_are_there_for_who_polls)
{
  Harness *h = harness_new (hw_pc (), clock_at);
  get (h, 0x0c);
  ck_assert_uint_eq (get (h, 0x0c), 0);
  harness_advance (h, 2 * SECOND);
  ck_assert_uint_eq (get (h, 0x0c), 0x50);
  ck_assert_uint_eq (harness_rises (h, "probe", 8), 0);
  harness_free (h);
}
END_TEST

START_TEST (memory_and_time_outlive_a_reset)
{
  Harness *h = harness_new (hw_pc (), clock_at);
  put (h, 0x40, 0xa5);
  put (h, 0x0b, 0x72);
  harness_advance (h, SECOND);
  harness_reset (h, BP_RESET_WARM);
  ck_assert_uint_eq (get (h, 0x40), 0xa5);
  ck_assert_uint_eq (get (h, 0x0b), 0x02);
  ck_assert_uint_eq (get (h, 0), 0x59);
  ck_assert_uint_eq (get (h, 0x0d), 0x80);
  harness_round_trip (h);
  harness_free (h);
}
END_TEST

START_TEST (a_bad_start_is_refused)
{
  char *text = harness_refusal (hw_pc (), "[device rtc]\ntype = mc146818\npio0 = io@0x70\nstart = yesterday\n");
  ck_assert_msg (strstr (text, "yesterday") && strstr (text, "[device rtc]"), "%s", text);
  g_free (text);
}
END_TEST

HARNESS_MAIN ("rtc-mc146818", time_goes_on_through_a_leap_day, a_date_is_set_field_by_field, hours_have_two_forms,
              the_periodic_interrupt_has_its_rate, the_alarm_fires_at_its_time, flags_are_there_for_who_polls, memory_and_time_outlive_a_reset,
              a_bad_start_is_refused)
