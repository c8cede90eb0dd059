/* test-lapic.c -- vectors, priorities, timer, local inputs, messages and the base of the local APIC. */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/interrupt-controller.h>
#include <string.h>
#include "hw-pc-test.h"
#include "../../plugins/hw-pc/lapic.h"

#define BASE 0xfee00000u
enum { ID = 0x20, VERSION = 0x30, TPR = 0x80, PPR = 0xa0, EOI = 0xb0, LDR = 0xd0, DFR = 0xe0, SPIV = 0xf0, ISR = 0x100, TMR = 0x180, IRR = 0x200,
       ESR = 0x280, ICR = 0x300, ICR2 = 0x310, LVTT = 0x320, LINT0 = 0x350, LINT1 = 0x360, LVTE = 0x370, TMICT = 0x380, TMCCT = 0x390, TDCR = 0x3e0 };

static const char machine[] =
  "[device pic]\ntype = i8259-pair\npio0 = io@0x20\npio1 = io@0xa0\nintr = apic.lint0\n"
  "[device apic]\ntype = lapic\nmmio0 = memory@0xfee00000\npic = pic\nintr = cpu0.intr, probe.in0\nnmi = probe.in1\ninit = probe.in2\nsmi = probe.in3\n"
  "[device probe]\ntype = test-probe\n[cpu]\ntype = test-cpu\nintc = apic\n";

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
  put (h, LINT1, 0x8200);       /* SMI is an edge all the same */
  ck_assert_uint_eq (harness_rises (h, "probe", 3), 1);
  harness_free (h);
}
END_TEST

START_TEST (the_base_moves_and_switches)
{
  Harness *h = start ();
  put (h, ICR, 0x40041);
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
  "[device probe]\ntype = test-probe\n";

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
  ck_assert_uint_eq (get (h, SPIV), 0xff);      /* INIT resets it too */
  put (h, SPIV, 0x1ff);
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

/* --- registers as MSRs ---------------------------------------------------------------------------- */

static bool wrmsr (Harness *h, uint32_t n, uint64_t v) { return iface_of (h)->msr_write (harness_object (h, "apic"), n, v); }
static bool has_msr (Harness *h, uint32_t n) { uint64_t v; return iface_of (h)->msr_read (harness_object (h, "apic"), n, &v); }

static uint64_t
rdmsr (Harness *h, uint32_t n)
{
  uint64_t v = 0;
  ck_assert (iface_of (h)->msr_read (harness_object (h, "apic"), n, &v));
  return v;
}

START_TEST (x2apic_mode_has_one_way_in)
{
  Harness *h = start ();
  ck_assert (!has_msr (h, 0x802) && !wrmsr (h, 0x808, 0));
  ck_assert (!set_base (h, 0xfee00500));        /* off, and yet in the mode */
  ck_assert (set_base (h, 0xfee00d00));
  ck_assert_uint_eq (get (h, VERSION), 0xffffffff);     /* the page is gone */
  ck_assert (!set_base (h, 0xfee00900));
  ck_assert (set_base (h, 0xfee00100));
  ck_assert (!has_msr (h, 0x802));
  ck_assert (!set_base (h, 0xfee00d00));
  ck_assert (set_base (h, 0xfee00900));
  ck_assert_uint_eq (get (h, VERSION), 0x50014);
  harness_free (h);
}
END_TEST

START_TEST (x2apic_registers)
{
  Harness *h = start ();
  ck_assert (set_base (h, 0xfee00d00));
  ck_assert_uint_eq (rdmsr (h, 0x802), 0);
  ck_assert_uint_eq (rdmsr (h, 0x803), 0x50014);
  ck_assert_uint_eq (rdmsr (h, 0x80d), 1);
  ck_assert_uint_eq (rdmsr (h, 0x80f), 0x1ff);          /* as it was before */
  ck_assert (wrmsr (h, 0x808, 0x40) && !wrmsr (h, 0x808, 0x100));
  ck_assert_uint_eq (rdmsr (h, 0x80a), 0x40);
  ck_assert (wrmsr (h, 0x83f, 0x51));
  ck_assert_int_eq (acknowledge (h), 0x51);
  ck_assert (!wrmsr (h, 0x80b, 1) && wrmsr (h, 0x80b, 0));
  ck_assert_uint_eq (rdmsr (h, 0x812), 0);
  ck_assert (wrmsr (h, 0x830, UINT64_C (0x00000000000040) | 0x4000));   /* by ID */
  ck_assert (wrmsr (h, 0x808, 0));
  ck_assert_int_eq (acknowledge (h), 0x40);
  ck_assert (wrmsr (h, 0x830, UINT64_C (0x0000000100004861)));          /* by cluster and bit */
  ck_assert_int_eq (acknowledge (h), 0x61);
  ck_assert (wrmsr (h, 0x830, UINT64_C (0x0001000100004871)));          /* another cluster */
  ck_assert (wrmsr (h, 0x830, UINT64_C (0x000000ff00004072)));          /* nobody's ID */
  ck_assert_int_eq (acknowledge (h), -1);
  ck_assert (wrmsr (h, 0x830, UINT64_C (0xffffffff00004073)));
  ck_assert_int_eq (acknowledge (h), 0x73);
  ck_assert (rdmsr (h, 0x830) == UINT64_C (0xffffffff00004073));
  ck_assert (!wrmsr (h, 0x830, 0x100073) && !wrmsr (h, 0x832, 0x80000));
  ck_assert (!wrmsr (h, 0x802, 1) && !wrmsr (h, 0x80d, 1) && !wrmsr (h, 0x838, UINT64_C (1) << 32));
  ck_assert (!has_msr (h, 0x80b) && !has_msr (h, 0x80e) && !has_msr (h, 0x831) && !has_msr (h, 0x83f));
  ck_assert (wrmsr (h, 0x83e, 0xb) && wrmsr (h, 0x832, 0x81 - 0x41) && wrmsr (h, 0x838, 1000));
  harness_advance (h, 400);
  ck_assert_uint_eq (rdmsr (h, 0x839), 600);
  harness_round_trip (h);
  ck_assert_uint_eq (rdmsr (h, 0x839), 600);
  harness_free (h);
}
END_TEST

static void
set_deadline (Harness *h, uint64_t tsc, int64_t at)
{
  iface_of (h)->deadline_write (harness_object (h, "apic"), tsc, at);
}

static uint64_t deadline_of (Harness *h) { return iface_of (h)->deadline_read (harness_object (h, "apic")); }

START_TEST (deadlines_come_once)
{
  Harness *h = start ();
  set_deadline (h, 5000, harness_now (h) + 1000);       /* not in this mode */
  ck_assert_uint_eq (deadline_of (h), 0);
  put (h, LVTT, 0x40040);
  ck_assert_uint_eq (get (h, LVTT), 0x40040);
  put (h, TMICT, 100);
  ck_assert_uint_eq (get (h, TMICT), 0);
  set_deadline (h, 5000, harness_now (h) + 1000);
  put (h, TDCR, 0xb);
  harness_advance (h, 999);
  ck_assert_uint_eq (deadline_of (h), 5000);
  ck_assert_uint_eq (get (h, TMCCT), 0);
  ck_assert_int_eq (harness_level (h, "cpu0.intr"), 0);
  harness_advance (h, 1);
  ck_assert_int_eq (acknowledge (h), 0x40);
  put (h, EOI, 0);
  ck_assert_uint_eq (deadline_of (h), 0);
  set_deadline (h, 1, harness_now (h));                 /* in the past */
  ck_assert_int_eq (acknowledge (h), 0x40);
  put (h, EOI, 0);
  set_deadline (h, 9000, harness_now (h) + 1000);
  set_deadline (h, 0, harness_now (h));                 /* called off */
  set_deadline (h, 9000, harness_now (h) + 1000);
  put (h, LVTT, 0x40);                                  /* so does another mode */
  put (h, LVTT, 0x40040);
  ck_assert_uint_eq (deadline_of (h), 0);
  harness_advance (h, 1000000);
  ck_assert_int_eq (acknowledge (h), -1);
  harness_free (h);
}
END_TEST

/* --- several processors --------------------------------------------------------------------------- */

/* Each page is moved to a place of its own, where the test reaches it. */
#define PAGE(n) (0xfe000000u + 0x1000u * (n))
#define PROCESSOR(n) \
  "[device apic" n "]\ntype = lapic\nid = " n "\ncpu = cpu" n "\nmmio0 = memory@0xfee00000 prio " n "\nintr = cpu" n ".intr\n" \
  "nmi = cpu" n ".nmi, nmi.in" n "\ninit = cpu" n ".init, init.in" n "\n"

static const char several[] =
  PROCESSOR ("0") PROCESSOR ("1") PROCESSOR ("2") "[cpu]\ntype = test-cpu\ncount = 3\nintc = apic${index}\n"
  "[device nmi]\ntype = test-probe\n[device init]\ntype = test-probe\n";

static uint32_t get_of (Harness *h, unsigned n, uint32_t reg) { return read32 (h, PAGE (n) + reg); }
static void put_of (Harness *h, unsigned n, uint32_t reg, uint32_t value) { write32 (h, PAGE (n) + reg, value); }

static int
acknowledge_of (Harness *h, unsigned n)
{
  static const char *const names[] = { "apic0", "apic1", "apic2" };
  void *apic = harness_object (h, names[n]);
  const BpInterruptControllerIface *t = bp_object_interface (apic, BP_INTERRUPT_CONTROLLER_ID);
  return t->acknowledge (apic);
}

static Harness *
start_several (void)
{
  static const char *const names[] = { "apic0", "apic1", "apic2" };
  Harness *h = harness_new (hw_pc (), several);
  for (unsigned n = 0; n < 3; n++) {
    void *apic = harness_object (h, names[n]);
    const BpInterruptControllerIface *t = bp_object_interface (apic, BP_INTERRUPT_CONTROLLER_ID);
    ck_assert_uint_eq (t->apic_base_read (apic), n ? 0xfee00800 : 0xfee00900);  /* one of them starts the machine */
    ck_assert (t->apic_base_write (apic, PAGE (n) | 0x800));
    ck_assert_uint_eq (get_of (h, n, ID), n << 24);
    ck_assert_uint_eq (get_of (h, n, LINT0), n ? 0x10000 : 0x700);
    put_of (h, n, SPIV, 0x1ff);
  }
  return h;
}

/* A file may hold any number; a count that is over before time began would be reckoned with beyond what a number holds. */
START_TEST (an_impossible_count_is_refused)
{
  Harness *h = start ();
  put (h, LVTT, 0x20050);
  put (h, TMICT, 1000000);
  Lapic *l = harness_object (h, "apic");
  int64_t zero_at = l->zero_at;
  l->zero_at = INT64_MIN;
  g_autoptr (GBytes) bad = bp_test_save (h);
  l->zero_at = zero_at;
  g_autofree char *refusal = bp_test_load_state (h, bad);
  ck_assert_msg (refusal && strstr (refusal, "the timer holds an impossible state"), "%s", refusal);
  ck_assert (l->zero_at == zero_at);
  harness_free (h);
}
END_TEST

START_TEST (processors_are_started)
{
  Harness *h = start_several ();
  uint8_t vector;
  put_of (h, 0, ICR, 0xc4500);          /* INIT, SIPI to all others */
  put_of (h, 0, ICR, 0xc4609);
  ck_assert_uint_eq (harness_rises (h, "init", 0), 0);
  ck_assert_uint_eq (harness_startups (h, "cpu0", &vector), 0);
  for (unsigned n = 1; n < 3; n++) {
    ck_assert_uint_eq (harness_rises (h, "init", n), 1);
    ck_assert_uint_eq (harness_startups (h, n == 1 ? "cpu1" : "cpu2", &vector), 1);
    ck_assert_uint_eq (vector, 9);
  }
  put_of (h, 0, ICR2, 2u << 24);
  put_of (h, 0, ICR, 0x004621);         /* one more to number 2 */
  ck_assert_uint_eq (harness_startups (h, "cpu1", &vector), 1);
  ck_assert_uint_eq (harness_startups (h, "cpu2", &vector), 2);
  ck_assert_uint_eq (vector, 0x21);
  put_of (h, 0, ICR, 0x00c500);         /* INIT asserted by level, and its end */
  put_of (h, 0, ICR, 0x008500);
  ck_assert_uint_eq (harness_rises (h, "init", 2), 2);
  harness_free (h);
}
END_TEST

START_TEST (init_resets_all_but_the_id)
{
  Harness *h = start_several ();
  put_of (h, 1, ID, 0x77000000);
  put_of (h, 1, TPR, 0x40);
  put_of (h, 1, ICR, 0x40051);
  ck_assert_int_eq (acknowledge_of (h, 1), 0x51);
  put_of (h, 1, LDR, 0x02000000);
  put_of (h, 1, LVTT, 0x20040);
  put_of (h, 1, TMICT, 1000);
  put_of (h, 1, ICR, 0x40061);
  ck_assert_int_eq (harness_level (h, "cpu1.intr"), 1);
  put_of (h, 0, ICR2, 0x77u << 24);
  put_of (h, 0, ICR, 0x4500);
  ck_assert_uint_eq (harness_rises (h, "init", 1), 1);
  ck_assert_int_eq (harness_level (h, "cpu1.intr"), 0);
  ck_assert_uint_eq (get_of (h, 1, ID), 0x77000000);
  ck_assert_uint_eq (get_of (h, 1, TPR), 0);
  ck_assert_uint_eq (get_of (h, 1, SPIV), 0xff);
  ck_assert_uint_eq (get_of (h, 1, LDR), 0);
  ck_assert_uint_eq (get_of (h, 1, LVTT), 0x10000);
  ck_assert_uint_eq (get_of (h, 1, TMCCT), 0);
  ck_assert_uint_eq (get_of (h, 1, ISR + 0x20), 0);
  ck_assert_uint_eq (get_of (h, 1, LINT0), 0x10000);
  harness_free (h);
}
END_TEST

START_TEST (vectors_go_where_they_are_sent)
{
  Harness *h = start_several ();
  put_of (h, 1, ICR2, 0);
  put_of (h, 1, ICR, 0x4040);           /* to number 0 */
  ck_assert_int_eq (harness_level (h, "cpu0.intr"), 1);
  ck_assert_int_eq (acknowledge_of (h, 0), 0x40);
  ck_assert_int_eq (acknowledge_of (h, 1), -1);
  put_of (h, 1, ICR, 0xc4041);          /* others */
  ck_assert_int_eq (acknowledge_of (h, 1), -1);
  ck_assert_int_eq (acknowledge_of (h, 2), 0x41);
  put_of (h, 0, EOI, 0);
  ck_assert_int_eq (acknowledge_of (h, 0), 0x41);
  put_of (h, 2, ICR2, 0xff000000);      /* everybody, by address */
  put_of (h, 2, ICR, 0x4052);
  for (unsigned n = 0; n < 3; n++)
    ck_assert_int_eq (acknowledge_of (h, n), 0x52);
  put_of (h, 0, ICR, 0x84400);          /* NMI to all; a self-NMI */
  put_of (h, 2, ICR, 0x44400);
  for (unsigned n = 0; n < 3; n++)
    ck_assert_uint_eq (harness_rises (h, "nmi", n), n == 2 ? 2 : 1);
  harness_free (h);
}
END_TEST

START_TEST (logical_names_are_masks_or_clusters)
{
  Harness *h = start_several ();
  for (unsigned n = 0; n < 3; n++)
    put_of (h, n, LDR, 1u << (24 + n));
  put_of (h, 0, ICR2, 6u << 24);
  put_of (h, 0, ICR, 0x4840);
  ck_assert_int_eq (acknowledge_of (h, 0), -1);
  ck_assert_int_eq (acknowledge_of (h, 1), 0x40);
  ck_assert_int_eq (acknowledge_of (h, 2), 0x40);
  for (unsigned n = 0; n < 3; n++) {
    put_of (h, n, DFR, 0x0fffffff);
    put_of (h, n, LDR, n < 2 ? 1u << (24 + n) : 0x11000000u);   /* 0 and 1 in cluster 0, 2 in cluster 1 */
  }
  put_of (h, 0, ICR2, 0x03000000);
  put_of (h, 0, ICR, 0x4850);
  ck_assert_int_eq (acknowledge_of (h, 0), 0x50);
  ck_assert_int_eq (acknowledge_of (h, 1), 0x50);
  ck_assert_int_eq (acknowledge_of (h, 2), -1);
  put_of (h, 0, ICR2, 0x11000000);
  put_of (h, 0, ICR, 0x4860);
  ck_assert_int_eq (acknowledge_of (h, 2), 0x60);
  ck_assert_int_eq (acknowledge_of (h, 0), -1);
  harness_free (h);
}
END_TEST

START_TEST (the_least_busy_takes_it)
{
  Harness *h = start_several ();
  for (unsigned n = 0; n < 3; n++)
    put_of (h, n, LDR, 1u << (24 + n));
  put_of (h, 0, TPR, 0x30);
  put_of (h, 1, TPR, 0x20);
  put_of (h, 2, SPIV, 0xff);            /* out of it, for all its low priority */
  put_of (h, 0, ICR2, 0x07000000);
  put_of (h, 0, ICR, 0x4960);
  ck_assert_int_eq (acknowledge_of (h, 1), 0x60);
  ck_assert_int_eq (acknowledge_of (h, 0), -1);
  put_of (h, 0, ICR, 0x4970);           /* it serves one now */
  ck_assert_int_eq (acknowledge_of (h, 1), -1);
  ck_assert_int_eq (acknowledge_of (h, 0), 0x70);
  harness_free (h);
}
END_TEST

START_TEST (numbers_are_not_shared)
{
  char *text = harness_refusal (hw_pc (), "[device a]\ntype = lapic\n[device b]\ntype = lapic\n");
  ck_assert_msg (g_str_has_suffix (text, "id = 0: b has it too; each local APIC needs its own"), "%s", text);
  g_free (text);
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

/* Who drives a line is loaded before the local APIC, or after it. */
START_TEST (loading_repeats_no_edge)
{
  g_autofree char *sections = g_strconcat (machine, "[device lines]\ntype = pc-testdev\npio3 = io@0x2000\nirq0 = apic.lint1\n", NULL);
  Harness *h = harness_new (hw_pc (), sections);
  put (h, SPIV, 0x1ff);
  put (h, LINT1, 0x00050);      /* fixed, edge */
  out8 (h, 0x2000, 1);
  ck_assert_int_eq (acknowledge (h), 0x50);
  put (h, EOI, 0);
  harness_round_trip (h);
  ck_assert_int_eq (acknowledge (h), -1);
  out8 (h, 0x2000, 0), out8 (h, 0x2000, 1);
  harness_round_trip (h);
  ck_assert_int_eq (harness_level (h, "cpu0.intr"), 1);
  ck_assert_int_eq (acknowledge (h), 0x50);
  harness_free (h);
}
END_TEST

HARNESS_MAIN ("lapic", it_comes_up_as_a_virtual_wire, vectors_nest_by_class, switched_off_by_software_it_takes_nothing, the_timer_counts_once,
              the_timer_counts_on_and_on, a_tiny_period_does_not_stall_the_host, errors_are_latched, local_inputs_have_modes,
              the_base_moves_and_switches, x2apic_mode_has_one_way_in, x2apic_registers, deadlines_come_once, messages_find_their_processors, an_impossible_count_is_refused,
              processors_are_started, init_resets_all_but_the_id,
              vectors_go_where_they_are_sent, logical_names_are_masks_or_clusters, the_least_busy_takes_it, numbers_are_not_shared, state_survives,
              loading_repeats_no_edge)
