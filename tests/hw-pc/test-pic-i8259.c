/* test-pic-i8259.c -- initialization, priority, cascade, modes, edges and levels of the interrupt controllers. */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/interrupt-controller.h>
#include "hw-pc-test.h"

static const char pair[] = "[device pic]\ntype = i8259-pair\npio0 = io@0x20\npio1 = io@0xa0\npio2 = io@0x4d0\n";

static int
acknowledge (Harness *h)
{
  void *pic = harness_object (h, "pic");
  const BpInterruptControllerIface *t = bp_object_interface (pic, BP_INTERRUPT_CONTROLLER_ID);
  return t->acknowledge (pic);
}

/* As a BIOS does: vectors 0x08 and 0x70. */
static Harness *
start_with (uint8_t icw4)
{
  Harness *h = harness_new (hw_pc (), pair);
  static const struct { uint16_t port; uint8_t base, cascade; } chips[] = { { 0x20, 0x08, 4 }, { 0xa0, 0x70, 2 } };
  for (unsigned i = 0; i < 2; i++) {
    out8 (h, chips[i].port, 0x11);
    out8 (h, chips[i].port + 1, chips[i].base);
    out8 (h, chips[i].port + 1, chips[i].cascade);
    out8 (h, chips[i].port + 1, icw4);
  }
  return h;
}

static Harness *start (void) { return start_with (0x01); }

START_TEST (a_request_is_answered_with_its_vector)
{
  Harness *h = start ();
  harness_drive (h, "pic.in3", 1);
  ck_assert_int_eq (harness_level (h, "pic.intr"), 1);
  ck_assert_int_eq (acknowledge (h), 0x0b);
  ck_assert_int_eq (harness_level (h, "pic.intr"), 0);
  out8 (h, 0x20, 0x0b);
  ck_assert_uint_eq (in8 (h, 0x20), 0x08);      /* in service */
  out8 (h, 0x20, 0x20);
  ck_assert_uint_eq (in8 (h, 0x20), 0x00);
  ck_assert_int_eq (harness_level (h, "pic.intr"), 0);  /* an edge counts once */
  harness_free (h);
}
END_TEST

START_TEST (the_lower_number_comes_first_and_nests)
{
  Harness *h = start ();
  harness_drive (h, "pic.in5", 1);
  ck_assert_int_eq (acknowledge (h), 0x0d);
  harness_drive (h, "pic.in7", 1);
  ck_assert_int_eq (harness_level (h, "pic.intr"), 0);
  harness_drive (h, "pic.in1", 1);
  ck_assert_int_eq (harness_level (h, "pic.intr"), 1);
  ck_assert_int_eq (acknowledge (h), 0x09);
  out8 (h, 0x20, 0x20);
  ck_assert_int_eq (harness_level (h, "pic.intr"), 0);
  out8 (h, 0x20, 0x20);
  ck_assert_int_eq (acknowledge (h), 0x0f);
  harness_free (h);
}
END_TEST

START_TEST (the_slave_comes_through_input_2)
{
  Harness *h = start ();
  harness_drive (h, "pic.in12", 1);
  ck_assert_int_eq (acknowledge (h), 0x74);
  out8 (h, 0x20, 0x0b);
  out8 (h, 0xa0, 0x0b);
  ck_assert_uint_eq (in8 (h, 0x20), 0x04);
  ck_assert_uint_eq (in8 (h, 0xa0), 0x10);
  out8 (h, 0xa0, 0x20);
  out8 (h, 0x20, 0x20);
  harness_drive (h, "pic.in2", 1);              /* not for devices */
  ck_assert_int_eq (harness_level (h, "pic.intr"), 0);
  harness_free (h);
}
END_TEST

START_TEST (masks_hold_requests_back)
{
  Harness *h = start ();
  out8 (h, 0x21, 0xff);
  harness_drive (h, "pic.in0", 1);
  ck_assert_int_eq (harness_level (h, "pic.intr"), 0);
  ck_assert_uint_eq (in8 (h, 0x21), 0xff);
  out8 (h, 0x21, 0xfe);
  ck_assert_int_eq (harness_level (h, "pic.intr"), 1);
  harness_free (h);
}
END_TEST

START_TEST (a_vanished_request_is_spurious)
{
  Harness *h = start ();
  harness_drive (h, "pic.in4", 1);
  harness_drive (h, "pic.in4", 0);
  ck_assert_int_eq (harness_level (h, "pic.intr"), 0);
  ck_assert_int_eq (acknowledge (h), 0x0f);
  out8 (h, 0x20, 0x0b);
  ck_assert_uint_eq (in8 (h, 0x20), 0x00);
  harness_free (h);
}
END_TEST

START_TEST (a_request_that_vanishes_while_its_line_is_served_is_forgotten)
{
  Harness *h = start ();
  harness_drive (h, "pic.in4", 1);
  ck_assert_int_eq (acknowledge (h), 0x0c);
  harness_drive (h, "pic.in4", 0);
  harness_drive (h, "pic.in4", 1);
  ck_assert_uint_eq (in8 (h, 0x20), 0x10);
  harness_drive (h, "pic.in4", 0);
  ck_assert_uint_eq (in8 (h, 0x20), 0x00);
  out8 (h, 0x20, 0x20);
  ck_assert_int_eq (harness_level (h, "pic.intr"), 0);
  harness_drive (h, "pic.in12", 1);
  harness_drive (h, "pic.in12", 0);
  ck_assert_int_eq (harness_level (h, "pic.intr"), 0);  /* the slave's falls through both */
  harness_free (h);
}
END_TEST

START_TEST (level_lines_ask_again)
{
  Harness *h = start ();
  out16 (h, 0x4d0, 0xffff);
  ck_assert_uint_eq (in16 (h, 0x4d0), 0xdef8);
  harness_drive (h, "pic.in10", 1);
  ck_assert_int_eq (acknowledge (h), 0x72);
  out8 (h, 0xa0, 0x20);
  out8 (h, 0x20, 0x20);
  ck_assert_int_eq (harness_level (h, "pic.intr"), 1);
  harness_drive (h, "pic.in10", 0);
  ck_assert_int_eq (harness_level (h, "pic.intr"), 0);
  harness_free (h);
}
END_TEST

START_TEST (an_automatic_end_leaves_nothing_in_service)
{
  Harness *h = start_with (0x03);
  harness_drive (h, "pic.in9", 1);
  harness_drive (h, "pic.in11", 1);
  ck_assert_int_eq (acknowledge (h), 0x71);
  ck_assert_int_eq (acknowledge (h), 0x73);     /* the slave's second request is a new edge for the master */
  ck_assert_int_eq (harness_level (h, "pic.intr"), 0);
  harness_free (h);
}
END_TEST

START_TEST (rotation_makes_the_served_the_last)
{
  Harness *h = start ();
  harness_drive (h, "pic.in3", 1);
  ck_assert_int_eq (acknowledge (h), 0x0b);
  out8 (h, 0x20, 0xa0);                         /* rotate on non-specific EOI */
  harness_drive (h, "pic.in1", 1);
  harness_drive (h, "pic.in4", 1);
  ck_assert_int_eq (acknowledge (h), 0x0c);
  out8 (h, 0x20, 0x64);                         /* specific EOI */
  ck_assert_int_eq (acknowledge (h), 0x09);
  harness_free (h);
}
END_TEST

START_TEST (special_mask_lets_lower_ones_through)
{
  Harness *h = start ();
  harness_drive (h, "pic.in1", 1);
  ck_assert_int_eq (acknowledge (h), 0x09);
  harness_drive (h, "pic.in6", 1);
  ck_assert_int_eq (harness_level (h, "pic.intr"), 0);
  out8 (h, 0x21, 0x02);
  out8 (h, 0x20, 0x68);
  ck_assert_int_eq (acknowledge (h), 0x0e);
  harness_free (h);
}
END_TEST

START_TEST (a_poll_acknowledges)
{
  Harness *h = start ();
  out8 (h, 0x20, 0x0c);
  ck_assert_uint_eq (in8 (h, 0x20), 0x00);
  harness_drive (h, "pic.in6", 1);
  out8 (h, 0x20, 0x0c);
  ck_assert_uint_eq (in8 (h, 0x20), 0x86);
  out8 (h, 0x20, 0x0b);
  ck_assert_uint_eq (in8 (h, 0x20), 0x40);
  harness_free (h);
}
END_TEST

START_TEST (state_survives)
{
  Harness *h = start ();
  harness_drive (h, "pic.in3", 1);
  acknowledge (h);
  harness_drive (h, "pic.in0", 1);
  harness_round_trip (h);
  ck_assert_int_eq (acknowledge (h), 0x08);
  harness_free (h);
}
END_TEST

HARNESS_MAIN ("pic-i8259", a_request_is_answered_with_its_vector, the_lower_number_comes_first_and_nests, the_slave_comes_through_input_2,
              masks_hold_requests_back, a_vanished_request_is_spurious, a_request_that_vanishes_while_its_line_is_served_is_forgotten,
              level_lines_ask_again, an_automatic_end_leaves_nothing_in_service,
              rotation_makes_the_served_the_last, special_mask_lets_lower_ones_through, a_poll_acknowledges, state_survives)
