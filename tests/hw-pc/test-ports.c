/* test-ports.c -- the one-register devices: port 0x92, exit port, debug console, POST port, pc-testdev. */
/* SPDX-License-Identifier: MIT */
#include "hw-pc-test.h"

static const char gates[] = "[device p]\ntype = port92\npio0 = io@0x92\ngate = kbd\n"
                            "[device kbd]\ntype = i8042\npio0 = io@0x60\npio1 = io@0x64\na20 = cpu0.a20\n[cpu]\ntype = test-cpu\n";

/* The gate is as its pin, the port and the controller's output port say, all three. */
static void
expect_gate (Harness *h, bool open)
{
  ck_assert_int_eq (harness_level (h, "cpu0.a20"), open);
  ck_assert_uint_eq (in8 (h, 0x92) & 2, open ? 2 : 0);
  out8 (h, 0x64, 0xd0);
  ck_assert_uint_eq (in8 (h, 0x60) & 2, open ? 2 : 0);
}

START_TEST (the_last_to_touch_the_gate_counts)
{
  Harness *h = harness_new (hw_pc (), gates);
  expect_gate (h, true);
  out8 (h, 0x92, 0x02);         /* firmware */
  expect_gate (h, true);
  out8 (h, 0x64, 0xd1);         /* a memory manager */
  out8 (h, 0x60, 0xdd);
  expect_gate (h, false);
  harness_round_trip (h);
  expect_gate (h, false);
  out8 (h, 0x92, in8 (h, 0x92) | 0x02);
  expect_gate (h, true);
  out8 (h, 0x92, 0x00);
  expect_gate (h, false);
  out8 (h, 0x64, 0xdf);
  expect_gate (h, true);
  out8 (h, 0x64, 0xdd);
  harness_reset (h, BP_RESET_WARM);
  expect_gate (h, true);
  harness_free (h);
}
END_TEST

START_TEST (port_92_gates_and_resets)
{
  Harness *h = harness_new (hw_pc (), "[device p]\ntype = port92\npio0 = io@0x92\na20 = cpu0.a20\n[cpu]\ntype = test-cpu\n");
  ck_assert_int_eq (harness_level (h, "cpu0.a20"), 0);
  out8 (h, 0x92, 0x02);
  ck_assert_int_eq (harness_level (h, "cpu0.a20"), 1);
  ck_assert_uint_eq (in8 (h, 0x92), 0x02);
  harness_round_trip (h);
  ck_assert_int_eq (harness_level (h, "cpu0.a20"), 1);
  out8 (h, 0x92, 0x00);
  ck_assert_int_eq (harness_level (h, "cpu0.a20"), 0);
  ck_assert (!harness_take_reset (h));
  out8 (h, 0x92, 0x01);
  ck_assert (harness_take_reset (h));
  out8 (h, 0x92, 0x01);         /* no rising edge */
  ck_assert (!harness_take_reset (h));
  harness_free (h);
}
END_TEST

START_TEST (the_exit_port_says_how)
{
  Harness *h = harness_new (hw_pc (), "[device x]\ntype = debug-exit\npio0 = io@0xf4\n");
  ck_assert_int_eq (harness_exit_code (h), -1);
  ck_assert_uint_eq (in32 (h, 0xf4), 0);
  out32 (h, 0xf4, 0x10);
  ck_assert_int_eq (harness_exit_code (h), 33);
  harness_free (h);
}
END_TEST

START_TEST (the_debug_console_writes)
{
  Harness *h = harness_new (hw_pc (), "[device e9]\ntype = debug-console\npio0 = io@0xe9\nbackend = text\n[backend text]\ntype = test-char\n");
  ck_assert_uint_eq (in8 (h, 0xe9), 0xe9);
  out8 (h, 0xe9, 'O');
  out8 (h, 0xe9, 'k');
  ck_assert_str_eq (harness_text (h, "text"), "Ok");
  ck_assert_uint_eq (harness_type (h, "text", "x", 1), 0);
  harness_free (h);
}
END_TEST

START_TEST (post_codes_are_lines)
{
  Harness *h = harness_new (hw_pc (), "[device post]\ntype = post-port\npio0 = io@0x190\nbackend = text\nexit = on\n[backend text]\ntype = test-char\n");
  out8 (h, 0x190, 0x0e);
  out8 (h, 0x190, 0xee);
  ck_assert_str_eq (harness_text (h, "text"), "POST 0E\nPOST EE\n");
  ck_assert_uint_eq (in8 (h, 0x190), 0xee);
  harness_round_trip (h);
  ck_assert_uint_eq (in8 (h, 0x190), 0xee);
  ck_assert_int_eq (harness_exit_code (h), -1);
  out8 (h, 0x190, 0xff);
  ck_assert_int_eq (harness_exit_code (h), 0);
  harness_free (h);
}
END_TEST

static const char testdev[] = "[device t]\ntype = pc-testdev\npio0 = io@0xe0\npio1 = io@0xe4\npio2 = io@0xe8\npio3 = io@0x2000\nmmio0 = memory@0xff000000\n"
                              "irq5 = probe.in5\nirq23 = probe.in23\n[device probe]\ntype = test-probe\n";

START_TEST (the_test_device_keeps_and_drives)
{
  Harness *h = harness_new (hw_pc (), testdev);
  out32 (h, 0xe0, 0x12345678);
  ck_assert_uint_eq (in8 (h, 0xe1), 0x56);
  ck_assert_uint_eq (in16 (h, 0xe2), 0x1234);
  ck_assert_uint_eq (in32 (h, 0xe8), 0x12345678);
  out8 (h, 0xe3, 0xff);
  out16 (h, 0xe0, 0xaaaa);
  ck_assert_uint_eq (in32 (h, 0xe0), 0xff34aaaa);
  out32 (h, 0xe4, 0x1000);
  out8 (h, 0x2005, 1);
  out8 (h, 0x2017, 1);
  ck_assert_int_eq (harness_level (h, "t.irq5"), 1);
  ck_assert_int_eq (harness_level (h, "t.irq23"), 1);
  harness_write (h, "memory", 0xff000ffd, 0x1122334455667788, 8);
  ck_assert (harness_read (h, "memory", 0xff000ffd, 8) == 0x1122334455667788);
  ck_assert_uint_eq (harness_read (h, "memory", 0xff000fff, 1), 0x66);
  harness_round_trip (h);
  ck_assert_int_eq (harness_level (h, "t.irq5"), 1);
  out8 (h, 0x2005, 0);
  ck_assert_int_eq (harness_level (h, "t.irq5"), 0);
  harness_free (h);
}
END_TEST

HARNESS_MAIN ("ports", the_last_to_touch_the_gate_counts, port_92_gates_and_resets, the_exit_port_says_how, the_debug_console_writes, post_codes_are_lines,
              the_test_device_keeps_and_drives)
