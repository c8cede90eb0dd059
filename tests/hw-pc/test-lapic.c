/* test-lapic.c -- vectors, priorities, timer, local inputs, messages and the base of the local APIC. */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/interrupt-controller.h>
#include "hw-pc-test.h"

#define BASE 0xfee00000u
enum { ID = 0x20, VERSION = 0x30, TPR = 0x80, PPR = 0xa0, EOI = 0xb0, LDR = 0xd0, DFR = 0xe0, SPIV = 0xf0, ISR = 0x100, TMR = 0x180, IRR = 0x200,
       ESR = 0x280, ICR = 0x300, ICR2 = 0x310, LVTT = 0x320, LINT0 = 0x350, LINT1 = 0x360, LVTE = 0x370, TMICT = 0x380, TMCCT = 0x390, TDCR = 0x3e0 };

static const char machine[] =
  "[device pic]\ntype = i8259-pair\npio0 = io@0x20\npio1 = io@0xa0\nintr = apic.lint0\n"
  "[device apic]\ntype = lapic\nmmio0 = memory@0xfee00000\npic = pic\nintr = cpu0.intr, probe.in0\nnmi = probe.in1\ninit = probe.in2\nsmi = probe.in3\n"
  "[device probe]\ntype = harness-probe\n[cpu]\ntype = harness-cpu\nintc = apic\n";

static uint32_t get (Harness *h, uint32_t reg) { return read32 (h, BASE + reg); }
static void put (Harness *h, uint32_t reg, uint32_t value) { write32 (h, BASE + reg, value); }

static const BpInterruptControllerIface *
iface_of (Harness *h)
{
  return bp_object_interface (harness_object (h, "apic"), BP_INTERRUPT_CONTROLLER_ID);
}

static int acknowledge (Harness *h) { return iface_of (h)->acknowledge (harness_object (h, "apic")); }
static bool set_base (Harness *h, uint64_t value) { return iface_of (h)->apic_base_write (harness_object (h, "apic"), value); }
static uint64_t base_of (Harness *h) { return iface_of (h)->apic_base_read (harness_object (h, "apic")); }

static Harness *
start (void)
{
  Harness *h = harness_new (hw_pc (), machine);
  put (h, SPIV, 0x1ff);
  return h;
}

START_TEST (it_comes_up_as_a_virtual_wire)
{
  Harness *h = harness_new (hw_pc (), machine);
  ck_assert_uint_eq (get (h, VERSION), 0x50014);
  ck_assert_uint_eq (get (h, SPIV), 0xff);
  ck_assert_uint_eq (get (h, LINT0), 0x700);
  ck_assert_uint_eq (get (h, LINT1), 0x400);
  ck_assert_uint_eq (get (h, LVTT), 0x10000);
  ck_assert (base_of (h) == 0xfee00900);
  out8 (h, 0x20, 0x11), out8 (h, 0x21, 0x20), out8 (h, 0x21, 4), out8 (h, 0x21, 1);
  harness_drive (h, "pic.in1", 1);
  ck_assert_int_eq (harness_level (h, "cpu0.intr"), 1);
  ck_assert_int_eq (acknowledge (h), 0x21);
  ck_assert_int_eq (harness_level (h, "cpu0.intr"), 0);
  put (h, LINT0, 0x10700);
  out8 (h, 0x20, 0x20);
  harness_drive (h, "pic.in0", 1);
  ck_assert_int_eq (harness_level (h, "cpu0.intr"), 0);
  harness_free (h);
}
END_TEST

START_TEST (vectors_nest_by_class)
{
  Harness *h = start ();
  put (h, ICR, 0x40041);        /* self */
  put (h, ICR, 0x40045);
  put (h, ICR, 0x40072);
  ck_assert_uint_eq (get (h, IRR + 0x20), 0x22);
  ck_assert_int_eq (acknowledge (h), 0x72);
  ck_assert_uint_eq (get (h, ISR + 0x30), 1u << 18);
  ck_assert_uint_eq (get (h, PPR), 0x70);
  ck_assert_int_eq (harness_level (h, "cpu0.intr"), 0);
  ck_assert_int_eq (acknowledge (h), -1);
  put (h, EOI, 0);
  ck_assert_int_eq (acknowledge (h), 0x45);
  ck_assert_int_eq (acknowledge (h), -1);       /* the same class waits */
  put (h, EOI, 0);
  put (h, TPR, 0x40);
  ck_assert_int_eq (harness_level (h, "cpu0.intr"), 0);
  ck_assert_uint_eq (iface_of (h)->priority_read (harness_object (h, "apic")), 4);
  iface_of (h)->priority_write (harness_object (h, "apic"), 3);
  ck_assert_uint_eq (get (h, TPR), 0x30);
  ck_assert_int_eq (acknowledge (h), 0x41);
  harness_free (h);
}
END_TEST

START_TEST (switched_off_by_software_it_takes_nothing)
{
  Harness *h = start ();
  put (h, LVTT, 0x30);
  put (h, SPIV, 0xff);
  ck_assert_uint_eq (get (h, LVTT), 0x10030);
  put (h, LVTT, 0x30);
  ck_assert_uint_eq (get (h, LVTT), 0x10030);
  put (h, ICR, 0x40041);
  ck_assert_int_eq (harness_level (h, "cpu0.intr"), 0);
  harness_free (h);
}
END_TEST

START_TEST (the_timer_counts_once)
{
  Harness *h = start ();
  put (h, TDCR, 0x3);           /* by 16, from 1 GHz */
  put (h, LVTT, 0x40);
  put (h, TMICT, 1000);
  harness_advance (h, 8000);
  ck_assert_uint_eq (get (h, TMCCT), 500);
  ck_assert_int_eq (harness_level (h, "cpu0.intr"), 0);
  harness_advance (h, 8000);
  ck_assert_int_eq (acknowledge (h), 0x40);
  put (h, EOI, 0);
  ck_assert_uint_eq (get (h, TMCCT), 0);
  harness_advance (h, 1000000);
  ck_assert_int_eq (acknowledge (h), -1);
  put (h, LVTT, 0x20040);       /* a stopped count does not start by a change of mode */
  ck_assert_uint_eq (get (h, TMCCT), 0);
  ck_assert_uint_eq (get (h, TMICT), 1000);
  harness_free (h);
}
END_TEST

START_TEST (the_timer_counts_on_and_on)
{
  Harness *h = start ();
  unsigned n = 0;
  put (h, TDCR, 0xb);
  put (h, LVTT, 0x20040);
  put (h, TMICT, 1000000);
  for (unsigned i = 0; i < 100; i++) {
    harness_advance (h, 500000);
    if (acknowledge (h) == 0x40)
      put (h, EOI, 0), n++;
  }
  ck_assert_uint_eq (n, 50);
  harness_advance (h, 250000);
  ck_assert_uint_eq (get (h, TMCCT), 750000);
  put (h, LVTT, 0x40);          /* the rest of it, once */
  ck_assert_uint_eq (get (h, TMCCT), 750000);
  put (h, TDCR, 0x0);
  ck_assert_uint_eq (get (h, TMCCT), 750000);
  harness_advance (h, 1500000);
  ck_assert_int_eq (acknowledge (h), 0x40);
  harness_advance (h, 10000000);
  ck_assert_uint_eq (get (h, TMCCT), 0);
  harness_free (h);
}
END_TEST

START_TEST (a_tiny_period_does_not_stall_the_host)
{
  Harness *h = start ();
  put (h, TDCR, 0xb);
  put (h, LVTT, 0x20040);
  put (h, TMICT, 1);
  harness_advance (h, 100000000);
  ck_assert_int_eq (acknowledge (h), 0x40);
  harness_free (h);
}
END_TEST

START_TEST (errors_are_latched)
{
  Harness *h = start ();
  put (h, LVTE, 0x33);
  put (h, ICR, 0x40005);
  ck_assert_uint_eq (get (h, ESR), 0);
  put (h, ESR, 0);
  ck_assert_uint_eq (get (h, ESR), 0x20);
  ck_assert_int_eq (acknowledge (h), 0x33);
  put (h, EOI, 0);
  get (h, 0x40);
  put (h, ESR, 0);
  ck_assert_uint_eq (get (h, ESR), 0x80);
  put (h, ESR, 0);
  ck_assert_uint_eq (get (h, ESR), 0);
  harness_free (h);
}
END_TEST

START_TEST (local_inputs_have_modes)
{
  Harness *h = start ();
  harness_drive (h, "apic.lint1", 1);
  ck_assert_uint_eq (harness_rises (h, "probe", 1), 1);
  harness_drive (h, "apic.lint1", 0);
  put (h, LINT1, 0x8050);       /* fixed, level */
  harness_drive (h, "apic.lint1", 1);
  ck_assert_uint_eq (get (h, LINT1), 0xc050);
  ck_assert_int_eq (acknowledge (h), 0x50);
  ck_assert_uint_eq (get (h, TMR + 0x20), 1u << 16);
  put (h, EOI, 0);
  ck_assert_int_eq (acknowledge (h), 0x50);     /* still high */
  harness_drive (h, "apic.lint1", 0);
  put (h, EOI, 0);
  ck_assert_int_eq (acknowledge (h), -1);
  put (h, LINT1, 0x200);
  harness_drive (h, "apic.lint1", 1);
  ck_assert_uint_eq (harness_rises (h, "probe", 3), 1);
  harness_free (h);
}
END_TEST

START_TEST (the_base_moves_and_switches)
{
  Harness *h = start ();
  put (h, ICR, 0x40041);
  ck_assert (!set_base (h, 0xfee00c00));        /* x2APIC */
  ck_assert (!set_base (h, 0xfee00901));
  ck_assert (!set_base (h, UINT64_C (1) << 36 | 0xfee00900));
  ck_assert (set_base (h, 0xfed40900));
  ck_assert_uint_eq (read32 (h, 0xfed40000 + VERSION), 0x50014);
  ck_assert_uint_eq (get (h, VERSION), 0xffffffff);
  ck_assert (set_base (h, 0xfee00100));
  ck_assert_uint_eq (get (h, VERSION), 0xffffffff);
  ck_assert_int_eq (harness_level (h, "cpu0.intr"), 0);
  harness_drive (h, "apic.lint0", 1);           /* straight through */
  ck_assert_int_eq (harness_level (h, "cpu0.intr"), 1);
  harness_drive (h, "apic.lint0", 0);
  ck_assert (set_base (h, 0xfee00900));
  ck_assert_uint_eq (get (h, SPIV), 0xff);
  ck_assert_uint_eq (get (h, IRR + 0x20), 0);
  harness_free (h);
}
END_TEST

static const char two[] =
  "[device a]\ntype = lapic\nmmio0 = memory@0xfee00000\nnmi = probe.in0\ninit = probe.in1\n"
  "[device b]\ntype = lapic\nid = 1\nbsp = off\nmmio0 = memory@0xfed00000\nnmi = probe.in2\ninit = probe.in3\nintr = probe.in4\n"
  "[device probe]\ntype = harness-probe\n";

START_TEST (messages_find_their_processors)
{
  Harness *h = harness_new (hw_pc (), two);
  put (h, SPIV, 0x1ff);
  harness_write (h, "memory", 0xfed00000 + SPIV, 0x1ff, 4);
  /* Both registers moved to 0xfee00000 at reset; the later wins, so that b is the one the test writes to. */
  ck_assert_uint_eq (get (h, ID) >> 24, 1);
  put (h, ICR, 0x40041);
  put (h, ICR2, 0x00000000);
  put (h, ICR, 0x00400);        /* NMI to 0 */
  ck_assert_uint_eq (harness_rises (h, "probe", 0), 1);
  put (h, ICR, 0xc0400);        /* all but self */
  ck_assert_uint_eq (harness_rises (h, "probe", 0), 2);
  ck_assert_uint_eq (harness_rises (h, "probe", 2), 0);
  put (h, ICR, 0x80500);        /* INIT to all */
  ck_assert_uint_eq (harness_rises (h, "probe", 1), 1);
  ck_assert_uint_eq (harness_rises (h, "probe", 3), 1);
  put (h, ICR, 0x88500);        /* its de-assertion */
  ck_assert_uint_eq (harness_rises (h, "probe", 1), 1);
  put (h, LDR, 0x02000000);
  put (h, ICR2, 0x06000000);
  put (h, ICR, 0x00850 & ~0x700);       /* logical, flat */
  ck_assert_uint_eq (get (h, IRR + 0x20) & 1u << 16, 1u << 16);
  put (h, DFR, 0x0fffffff);
  put (h, LDR, 0x12000000);
  put (h, ICR2, 0x26000000);
  put (h, ICR, 0x00851);
  ck_assert_uint_eq (get (h, IRR + 0x20) & 1u << 17, 0);
  put (h, ICR2, 0x16000000);
  put (h, ICR, 0x00851);
  ck_assert_uint_eq (get (h, IRR + 0x20) & 1u << 17, 1u << 17);
  harness_free (h);
}
END_TEST

START_TEST (state_survives)
{
  Harness *h = start ();
  put (h, TDCR, 0xb);
  put (h, LVTT, 0x20040);
  put (h, TMICT, 100000);
  put (h, ICR, 0x40051);
  harness_advance (h, 30000);
  harness_round_trip (h);
  ck_assert_uint_eq (get (h, TMCCT), 70000);
  ck_assert_int_eq (acknowledge (h), 0x51);
  put (h, EOI, 0);
  harness_advance (h, 70000);
  ck_assert_int_eq (acknowledge (h), 0x40);
  harness_free (h);
}
END_TEST

HARNESS_MAIN ("lapic", it_comes_up_as_a_virtual_wire, vectors_nest_by_class, switched_off_by_software_it_takes_nothing, the_timer_counts_once,
              the_timer_counts_on_and_on, a_tiny_period_does_not_stall_the_host, errors_are_latched, local_inputs_have_modes,
              the_base_moves_and_switches, messages_find_their_processors, state_survives)
