/* test-ioapic.c -- redirection, edges, levels and end of interrupt between I/O APIC and local APIC. */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/interrupt-controller.h>
#include "hw-pc-test.h"

static const char machine[] = "[device ioapic]\ntype = ioapic\nmmio0 = memory@0xfec00000\n"
                              "[device apic]\ntype = lapic\nmmio0 = memory@0xfee00000\nintr = cpu0.intr\nnmi = cpu0.nmi\n"
                              "[cpu]\ntype = test-cpu\nintc = apic\n";

static uint32_t
get (Harness *h, uint8_t index)
{
  write32 (h, 0xfec00000, index);
  return read32 (h, 0xfec00010);
}

static void
put (Harness *h, uint8_t index, uint32_t value)
{
  write32 (h, 0xfec00000, index);
  write32 (h, 0xfec00010, value);
}

static int
acknowledge (Harness *h)
{
  void *apic = harness_object (h, "apic");
  const BpInterruptControllerIface *t = bp_object_interface (apic, BP_INTERRUPT_CONTROLLER_ID);
  return t->acknowledge (apic);
}

static Harness *
start (void)
{
  Harness *h = harness_new (hw_pc (), machine);
  write32 (h, 0xfee000f0, 0x1ff);
  return h;
}

static void end_of_interrupt (Harness *h) { write32 (h, 0xfee000b0, 0); }

START_TEST (it_says_what_it_is)
{
  Harness *h = start ();
  ck_assert_uint_eq (get (h, 1), 0x00170011);
  put (h, 0, 0xff000000);
  ck_assert_uint_eq (get (h, 0), 0x0f000000);
  ck_assert_uint_eq (get (h, 2), 0x0f000000);
  ck_assert_uint_eq (get (h, 0x10), 0x10000);
  put (h, 0x3f, 0xffffffff);
  ck_assert_uint_eq (get (h, 0x3f), 0xff000000);
  put (h, 0x3e, 0xffffffff);
  ck_assert_uint_eq (get (h, 0x3e), 0x1afff);   /* read-only: delivery status, remote IRR */
  ck_assert_uint_eq (get (h, 0x40), 0);
  harness_free (h);
}
END_TEST

START_TEST (an_edge_counts_once)
{
  Harness *h = start ();
  put (h, 0x18, 0x52);          /* input 4 */
  harness_drive (h, "ioapic.in4", 1);
  ck_assert_int_eq (acknowledge (h), 0x52);
  end_of_interrupt (h);
  ck_assert_int_eq (acknowledge (h), -1);
  harness_drive (h, "ioapic.in4", 0);
  harness_drive (h, "ioapic.in4", 1);
  ck_assert_int_eq (acknowledge (h), 0x52);
  harness_free (h);
}
END_TEST

START_TEST (a_masked_edge_is_lost)
{
  Harness *h = start ();
  put (h, 0x18, 0x10052);
  harness_drive (h, "ioapic.in4", 1);
  put (h, 0x18, 0x52);
  ck_assert_int_eq (acknowledge (h), -1);
  harness_free (h);
}
END_TEST

START_TEST (a_level_lasts)
{
  Harness *h = start ();
  put (h, 0x24, 0x18060);       /* input 10, level, masked */
  harness_drive (h, "ioapic.in10", 1);
  ck_assert_int_eq (acknowledge (h), -1);
  put (h, 0x24, 0x08060);
  ck_assert_uint_eq (get (h, 0x24), 0x0c060);
  ck_assert_int_eq (acknowledge (h), 0x60);
  ck_assert_int_eq (acknowledge (h), -1);
  end_of_interrupt (h);
  ck_assert_int_eq (acknowledge (h), 0x60);
  harness_drive (h, "ioapic.in10", 0);
  end_of_interrupt (h);
  ck_assert_uint_eq (get (h, 0x24), 0x08060);
  ck_assert_int_eq (acknowledge (h), -1);
  harness_free (h);
}
END_TEST

/* Nobody would end it: it is sent again once there is somebody. */
START_TEST (a_level_that_nobody_takes)
{
  Harness *h = start ();
  put (h, 0x25, 0x05000000);    /* nobody has this ID */
  put (h, 0x24, 0x08060);
  harness_drive (h, "ioapic.in10", 1);
  ck_assert_uint_eq (get (h, 0x24), 0x08060);
  put (h, 0x25, 0);
  ck_assert_uint_eq (get (h, 0x24), 0x0c060);
  ck_assert_int_eq (acknowledge (h), 0x60);
  harness_drive (h, "ioapic.in10", 0);
  end_of_interrupt (h);
  static const uint32_t modes[] = { 0x08060, 0x08160 };         /* fixed, lowest priority */
  for (unsigned i = 0; i < BP_N_ELEMENTS (modes); i++) {
    write32 (h, 0xfee000f0, 0xff);      /* the local APIC is switched off by software */
    put (h, 0x24, modes[i]);
    harness_drive (h, "ioapic.in10", 1);
    ck_assert_uint_eq (get (h, 0x24), modes[i]);
    write32 (h, 0xfee000f0, 0x1ff);
    put (h, 0x24, modes[i]);
    ck_assert_int_eq (acknowledge (h), 0x60);
    harness_drive (h, "ioapic.in10", 0);
    end_of_interrupt (h);
  }
  harness_free (h);
}
END_TEST

START_TEST (destinations_are_kept)
{
  Harness *h = start ();
  put (h, 0x19, 0x05000000);    /* nobody has this ID */
  put (h, 0x18, 0x52);
  harness_drive (h, "ioapic.in4", 1);
  ck_assert_int_eq (acknowledge (h), -1);
  put (h, 0x1b, 0xff000000);
  put (h, 0x1a, 0x00153);       /* lowest priority, to all */
  harness_drive (h, "ioapic.in5", 1);
  ck_assert_int_eq (acknowledge (h), 0x53);
  put (h, 0x1c, 0x00400);       /* NMI */
  harness_drive (h, "ioapic.in6", 1);
  ck_assert_int_eq (acknowledge (h), -1);
  harness_free (h);
}
END_TEST

/* INIT, and what else has no vector, comes once though the entry says level. */
START_TEST (what_has_no_vector_is_an_edge)
{
  Harness *h = start ();
  put (h, 0x24, 0x08500);       /* input 10, INIT */
  harness_drive (h, "ioapic.in10", 1);
  ck_assert_uint_eq (read32 (h, 0xfee000f0), 0xff);
  ck_assert_uint_eq (get (h, 0x24), 0x08500);
  write32 (h, 0xfee000f0, 0x1ff);
  put (h, 0x24, 0x08500);
  ck_assert_uint_eq (read32 (h, 0xfee000f0), 0x1ff);
  harness_drive (h, "ioapic.in10", 0);
  harness_drive (h, "ioapic.in10", 1);
  ck_assert_uint_eq (read32 (h, 0xfee000f0), 0xff);
  harness_free (h);
}
END_TEST

START_TEST (state_survives)
{
  Harness *h = start ();
  put (h, 0x24, 0x08060);
  put (h, 0x18, 0x52);
  harness_drive (h, "ioapic.in10", 1);
  harness_round_trip (h);
  ck_assert_int_eq (acknowledge (h), 0x60);
  ck_assert_uint_eq (get (h, 0x24), 0x0c060);
  harness_free (h);
}
END_TEST

HARNESS_MAIN ("ioapic", it_says_what_it_is, an_edge_counts_once, a_masked_edge_is_lost, a_level_lasts, a_level_that_nobody_takes, destinations_are_kept,
              what_has_no_vector_is_an_edge, state_survives)
