/* test-lapic-irqchip.c -- local APICs, I/O APIC and i8259 pair in an accelerator's hands; messages as writes to memory. */
/* SPDX-License-Identifier: MIT */
#include <backplane/arch/x86-irqchip.h>
#include <backplane/iface/interrupt-controller.h>
#include <backplane/iface/msi.h>
#include <string.h>
#include "hw-pc-test.h"

#define LAPIC 0xfee00000u
#define IOAPIC 0xfec00000u
enum { ID = 0x20, TPR = 0x80, EOI = 0xb0, LDR = 0xd0, SPIV = 0xf0, ISR = 0x100, IRR = 0x200, ESR = 0x280, ICR = 0x300, LVTT = 0x320, LVTE = 0x370,
       TMICT = 0x380, TMCCT = 0x390, TDCR = 0x3e0 };

static const char machine[] =
  "[device pic]\ntype = i8259-pair\npio0 = io@0x20\npio1 = io@0xa0\npio2 = io@0x4d0\nintr = apic0.lint0, probe.in4\n"
  "[device ioapic]\ntype = ioapic\nmmio0 = memory@0xfec00000\n"
  "[device apic0]\ntype = lapic\nid = 0\nmmio0 = memory@0xfee00000\npic = pic\nintr = cpu0.intr, probe.in0\nnmi = probe.in1\ninit = probe.in2\nsmi = probe.in3\n"
  "[device apic1]\ntype = lapic\nid = 1\nbsp = off\nmmio0 = memory@0xfee10000\nintr = probe.in8\nnmi = probe.in9\n"
  "[device probe]\ntype = test-probe\n[cpu]\ntype = test-cpu\nintc = apic0\n";

static const BpX86IrqchipIface *chip (Harness *h, const char *id) { return bp_object_interface (harness_object (h, id), BP_X86_IRQCHIP_ID); }

static BpX86IrqchipState
state_of (Harness *h, const char *id)
{
  BpX86IrqchipState s = { .struct_size = sizeof s };
  chip (h, id)->get_state (harness_object (h, id), &s);
  return s;
}

static void
set_state (Harness *h, const char *id, const BpX86IrqchipState *s)
{
  bp_machine_lock (harness_machine (h));
  chip (h, id)->set_state (harness_object (h, id), s);
  bp_machine_unlock (harness_machine (h));
}

static uint32_t
reg (const BpX86IrqchipState *s, unsigned offset)
{
  uint32_t value;
  memcpy (&value, s->lapic.registers + offset, sizeof value);
  return value;
}

static int
acknowledge (Harness *h, const char *id)
{
  const BpInterruptControllerIface *t = bp_object_interface (harness_object (h, id), BP_INTERRUPT_CONTROLLER_ID);
  return t->acknowledge (harness_object (h, id));
}

static void
program_entry (Harness *h, unsigned n, uint64_t value)
{
  write32 (h, IOAPIC, 0x11 + 2 * n);
  write32 (h, IOAPIC + 0x10, (uint32_t) (value >> 32));
  write32 (h, IOAPIC, 0x10 + 2 * n);
  write32 (h, IOAPIC + 0x10, (uint32_t) value);
}

static void
program_pic (Harness *h)
{
  static const struct { uint16_t port; uint8_t value; } words[] = {
    { 0x20, 0x11 }, { 0x21, 0x20 }, { 0x21, 4 }, { 0x21, 1 }, { 0xa0, 0x11 }, { 0xa1, 0x28 }, { 0xa1, 2 }, { 0xa1, 1 }
  };
  for (unsigned i = 0; i < BP_N_ELEMENTS (words); i++)
    out8 (h, words[i].port, words[i].value);
}

static Harness *
start (void)
{
  Harness *h = harness_new (hw_pc (), machine);
  const BpInterruptControllerIface *t = bp_object_interface (harness_object (h, "apic1"), BP_INTERRUPT_CONTROLLER_ID);
  bp_machine_lock (harness_machine (h));
  ck_assert (t->apic_base_write (harness_object (h, "apic1"), 0xfee10800));     /* aside, as nobody says which processor asks */
  bp_machine_unlock (harness_machine (h));
  write32 (h, LAPIC + SPIV, 0x1ff);
  write32 (h, LAPIC + 0x10000 + SPIV, 0x1ff);
  return h;
}

/* --- an owner that writes down what it hears ------------------------------------------------------ */

typedef struct Owner {
  GString *heard;
} Owner;

static void
owner_line (void *user, unsigned input, int level)
{
  g_string_append_printf (((Owner *) user)->heard, "%u=%d ", input, level);
}

static const BpX86IrqchipOwner owner_table = { .struct_size = sizeof owner_table, .line = owner_line };

static void
take_over (Harness *h, const char *id, Owner *o)
{
  bp_machine_lock (harness_machine (h));
  chip (h, id)->take_over (harness_object (h, id), o ? &owner_table : NULL, o);
  bp_machine_unlock (harness_machine (h));
}

static void
check_heard (Owner *o, const char *text)
{
  ck_assert_str_eq (o->heard->str, text);
  g_string_truncate (o->heard, 0);
}

/* --- messages ------------------------------------------------------------------------------------------ */

START_TEST (messages_are_decoded)
{
  static const struct { uint64_t address; uint32_t data; bool taken; unsigned cpus, vector; } rows[] = {
    { 0xfee00000, 0x41, true, 1, 0x41 },                /* physical */
    { 0xfee01000, 0x42, true, 2, 0x42 },
    { 0xfee02000, 0x43, false, 0, 0 },                  /* nobody */
    { 0xfeeff000, 0x44, true, 3, 0x44 },                /* all */
    { 0xfee02004, 0x45, true, 2, 0x45 },                /* logical, flat */
    { 0xfee03004, 0x46, true, 3, 0x46 },
    { 0xfee0300c, 0x47, true, 1, 0x47 },                /* redirected to one */
    { 0xfee03004, 0x148, true, 1, 0x48 },               /* lowest priority */
    { 0xfee01008, 0x49, true, 2, 0x49 },
    { 0xfee00000, 0x341, false, 0, 0 },                 /* reserved */
    { 0xfee00000, 0x641, false, 0, 0 },                 /* start-up is a processor's */
    { 0xfed00000, 0x41, false, 0, 0 },
    { UINT64_C (0x1fee00000), 0x41, false, 0, 0 },
  };
  Harness *h = start ();
  write32 (h, LAPIC + LDR, 0x01000000);
  write32 (h, LAPIC + 0x10000 + LDR, 0x02000000);
  for (unsigned i = 0; i < BP_N_ELEMENTS (rows); i++) {
    ck_assert_msg (bp_msi_send (harness_machine (h), rows[i].address, rows[i].data) == rows[i].taken, "row %u", i);
    unsigned cpus = (unsigned) harness_level (h, "cpu0.intr") | (unsigned) harness_level (h, "probe.in8") << 1;
    ck_assert_msg (cpus == rows[i].cpus, "row %u: %u", i, cpus);
    if (cpus & 1)
      ck_assert_int_eq (acknowledge (h, "apic0"), rows[i].vector);
    if (cpus & 2)
      ck_assert_int_eq (acknowledge (h, "apic1"), rows[i].vector);
    write32 (h, LAPIC + EOI, 0);
    write32 (h, LAPIC + 0x10000 + EOI, 0);
  }
  harness_free (h);
}
END_TEST

START_TEST (messages_without_a_vector)
{
  Harness *h = start ();
  ck_assert (bp_msi_send (harness_machine (h), 0xfee00000, 0x400));
  ck_assert_uint_eq (harness_rises (h, "probe", 1), 1);
  ck_assert (bp_msi_send (harness_machine (h), 0xfee00000, 0x200));
  ck_assert_uint_eq (harness_rises (h, "probe", 3), 1);
  write32 (h, LAPIC + LVTE, 0x33);
  ck_assert (bp_msi_send (harness_machine (h), 0xfee00000, 0x0f));      /* an illegal vector is received, and reported */
  ck_assert_int_eq (acknowledge (h, "apic0"), 0x33);
  write32 (h, LAPIC + ESR, 0);
  ck_assert_uint_eq (read32 (h, LAPIC + ESR), 0x40);
  ck_assert (bp_msi_send (harness_machine (h), 0xfee00000, 0x500));
  ck_assert_uint_eq (harness_rises (h, "probe", 2), 1);
  harness_free (h);
}
END_TEST

/* --- i8259 pair -------------------------------------------------------------------------------------------- */

START_TEST (the_pair_is_taken_over)
{
  Harness *h = start ();
  Owner o = { g_string_new (NULL) };
  program_pic (h);
  harness_drive (h, "pic.in3", 1);
  ck_assert_int_eq (harness_level (h, "cpu0.intr"), 1);
  take_over (h, "pic", &o);
  ck_assert_int_eq (harness_level (h, "probe.in4"), 0);
  ck_assert_int_eq (acknowledge (h, "pic"), -1);
  harness_drive (h, "pic.in3", 0);
  harness_drive (h, "pic.in12", 1);
  check_heard (&o, "3=0 12=1 ");
  BpX86IrqchipState s = state_of (h, "pic");
  ck_assert_uint_eq (s.i8259.chip[0].lines, 0);
  ck_assert_uint_eq (s.i8259.chip[1].lines, 1 << 4);
  s.i8259.chip[0].irr = 1 << 1;                         /* what the owner made of it */
  s.i8259.chip[0].isr = 0;
  set_state (h, "pic", &s);
  ck_assert_int_eq (harness_level (h, "probe.in4"), 0);
  take_over (h, "pic", NULL);
  ck_assert_int_eq (harness_level (h, "probe.in4"), 1);
  ck_assert_int_eq (acknowledge (h, "pic"), 0x21);
  harness_drive (h, "pic.in12", 0);
  harness_drive (h, "pic.in12", 1);
  check_heard (&o, "");
  g_string_free (o.heard, TRUE);
  harness_free (h);
}
END_TEST

START_TEST (the_pairs_state_goes_both_ways)
{
  Harness *h = start (), *other = start ();
  program_pic (h);
  out8 (h, 0x21, 0x40);
  out8 (h, 0x4d1, 0x0c);
  out8 (h, 0x20, 0x0b);
  out8 (h, 0xa0, 0xc3);
  harness_drive (h, "pic.in5", 1);
  harness_drive (h, "pic.in6", 1);
  harness_drive (h, "pic.in11", 1);
  ck_assert_int_eq (acknowledge (h, "pic"), 0x2b);
  BpX86IrqchipState s = state_of (h, "pic"), again;
  set_state (other, "pic", &s);
  again = state_of (other, "pic");
  ck_assert_mem_eq (&s, &again, sizeof s);
  ck_assert_uint_eq (in8 (other, 0x20), 4);
  ck_assert_uint_eq (in8 (other, 0x4d1), 0x0c);
  for (unsigned i = 0; i < 2; i++) {
    Harness *x = i ? other : h;
    out8 (x, 0xa0, 0x20);
    out8 (x, 0x20, 0x20);
    ck_assert_int_eq (acknowledge (x, "pic"), 0x2b);    /* a level */
  }
  memset (&s.i8259, 0xff, sizeof s.i8259);              /* a file may hold anything */
  set_state (other, "pic", &s);
  acknowledge (other, "pic");
  in8 (other, 0x20);
  harness_free (h);
  harness_free (other);
}
END_TEST

/* --- I/O APIC -------------------------------------------------------------------------------------------------- */

START_TEST (the_ioapic_is_taken_over)
{
  Harness *h = start ();
  Owner o = { g_string_new (NULL) };
  program_entry (h, 4, 0x44);
  program_entry (h, 20, 0x8055);
  take_over (h, "ioapic", &o);
  harness_drive (h, "ioapic.in4", 1);
  harness_drive (h, "ioapic.in20", 1);
  harness_drive (h, "ioapic.in4", 0);
  check_heard (&o, "4=1 20=1 4=0 ");
  ck_assert_int_eq (harness_level (h, "cpu0.intr"), 0);
  BpX86IrqchipState s = state_of (h, "ioapic");
  ck_assert_uint_eq (s.ioapic.lines, 1 << 20);
  ck_assert_uint_eq (s.ioapic.redirection[20], 0x8055);
  s.ioapic.id = 3;
  set_state (h, "ioapic", &s);
  ck_assert_int_eq (harness_level (h, "cpu0.intr"), 0);
  take_over (h, "ioapic", NULL);                        /* a level that was not accepted yet */
  ck_assert_int_eq (acknowledge (h, "apic0"), 0x55);
  write32 (h, IOAPIC, 0);
  ck_assert_uint_eq (read32 (h, IOAPIC + 0x10), 3 << 24);
  s = state_of (h, "ioapic");
  ck_assert_uint_eq (s.ioapic.redirection[20], 0xc055);
  set_state (h, "ioapic", &s);                          /* was accepted: no second time */
  ck_assert_int_eq (acknowledge (h, "apic0"), -1);
  memset (&s.ioapic, 0xff, sizeof s.ioapic);
  set_state (h, "ioapic", &s);
  s = state_of (h, "ioapic");
  ck_assert_uint_eq (s.ioapic.redirection[0], UINT64_C (0xff0000000001efff));
  g_string_free (o.heard, TRUE);
  harness_free (h);
}
END_TEST

/* As an accelerator tells it. */
static void
end_of_interrupt (Harness *h, uint8_t vector)
{
  bp_machine_lock (harness_machine (h));
  chip (h, "ioapic")->end_of_interrupt (harness_object (h, "ioapic"), vector);
  bp_machine_unlock (harness_machine (h));
}

static void count_change (void *user, unsigned entry) { g_string_append_printf (user, "%u ", entry); }

START_TEST (a_split_ioapic_sends_messages)
{
  Harness *h = start ();
  GString *changes = g_string_new (NULL);
  Owner o = { g_string_new (NULL) };
  chip (h, "ioapic")->split (harness_object (h, "ioapic"), count_change, changes);
  program_entry (h, 5, UINT64_C (0x0100000000000061));
  ck_assert_str_eq (changes->str, "5 5 ");
  harness_drive (h, "ioapic.in5", 1);
  ck_assert_int_eq (harness_level (h, "probe.in8"), 1);
  ck_assert_int_eq (acknowledge (h, "apic1"), 0x61);
  program_entry (h, 21, 0x8172);
  harness_drive (h, "ioapic.in21", 1);
  ck_assert_int_eq (acknowledge (h, "apic0"), 0x72);
  ck_assert_uint_eq (state_of (h, "ioapic").ioapic.redirection[21], 0xc172);
  end_of_interrupt (h, 0x72);
  ck_assert_uint_eq (state_of (h, "ioapic").ioapic.redirection[21], 0xc172);    /* the level lasts: sent again */
  take_over (h, "apic0", &o);
  take_over (h, "apic1", &o);
  end_of_interrupt (h, 0x72);
  ck_assert_uint_eq (state_of (h, "ioapic").ioapic.redirection[21], 0x8172);    /* nobody takes it */
  take_over (h, "apic0", NULL);
  harness_drive (h, "ioapic.in21", 0);
  harness_drive (h, "ioapic.in21", 1);
  ck_assert_uint_eq (state_of (h, "ioapic").ioapic.redirection[21], 0xc172);
  harness_drive (h, "ioapic.in21", 0);
  end_of_interrupt (h, 0x72);
  ck_assert_uint_eq (state_of (h, "ioapic").ioapic.redirection[21], 0x8172);
  g_string_free (changes, TRUE);
  g_string_free (o.heard, TRUE);
  harness_free (h);
}
END_TEST

/* --- local APIC ---------------------------------------------------------------------------------------------------- */

START_TEST (a_local_apic_is_taken_over)
{
  Harness *h = start ();
  Owner o = { g_string_new (NULL) };
  write32 (h, LAPIC + LVTT, 0x40);
  write32 (h, LAPIC + TDCR, 0xb);
  write32 (h, LAPIC + TMICT, 1000);
  write32 (h, LAPIC + ICR, 0x40051);
  ck_assert_int_eq (harness_level (h, "cpu0.intr"), 1);
  program_pic (h);
  harness_drive (h, "pic.in1", 1);
  take_over (h, "apic0", &o);
  check_heard (&o, "0=1 1=0 ");
  ck_assert_int_eq (harness_level (h, "cpu0.intr"), 0);
  harness_drive (h, "apic0.lint1", 1);
  check_heard (&o, "1=1 ");
  ck_assert_uint_eq (harness_rises (h, "probe", 1), 0);
  ck_assert (!bp_msi_send (harness_machine (h), 0xfee00000, 0x41));
  harness_advance (h, 2000);
  BpX86IrqchipState s = state_of (h, "apic0");
  ck_assert_uint_eq (reg (&s, IRR + 0x20), 1 << 17);    /* no timer's vector */
  ck_assert_int_eq (acknowledge (h, "apic0"), 0x21);    /* the owner let the PIC through */
  check_heard (&o, "0=0 ");
  ck_assert_int_eq (acknowledge (h, "apic0"), -1);
  take_over (h, "apic0", NULL);
  ck_assert_int_eq (acknowledge (h, "apic0"), 0x51);
  write32 (h, LAPIC + EOI, 0);
  harness_advance (h, 1);                               /* the count ran out meanwhile */
  ck_assert_int_eq (acknowledge (h, "apic0"), 0x40);
  g_string_free (o.heard, TRUE);
  harness_free (h);
}
END_TEST

START_TEST (a_local_apics_state_goes_both_ways)
{
  Harness *h = start (), *other = start ();
  write32 (h, LAPIC + TPR, 0x30);
  write32 (h, LAPIC + LDR, 0x04000000);
  write32 (h, LAPIC + ICR, 0x40071);
  acknowledge (h, "apic0");
  write32 (h, LAPIC + ICR, 0x40051);
  write32 (h, LAPIC + LVTT, 0x20040);
  write32 (h, LAPIC + TDCR, 0x3);
  write32 (h, LAPIC + TMICT, 10000);
  harness_advance (h, 80000);
  BpX86IrqchipState s = state_of (h, "apic0"), again;
  ck_assert_uint_eq (reg (&s, TMCCT), 5000);
  ck_assert_uint_eq (reg (&s, ISR + 0x30), 1 << 17);
  ck_assert_uint_eq (s.lapic.base, 0xfee00900);
  set_state (other, "apic0", &s);
  again = state_of (other, "apic0");
  ck_assert_mem_eq (&s, &again, sizeof s);
  for (unsigned i = 0; i < 2; i++) {
    Harness *x = i ? other : h;
    harness_advance (x, 79999);
    write32 (x, LAPIC + EOI, 0);
    ck_assert_int_eq (acknowledge (x, "apic0"), 0x51);
    write32 (x, LAPIC + EOI, 0);
    ck_assert_int_eq (acknowledge (x, "apic0"), -1);
    harness_advance (x, 1);
    ck_assert_int_eq (acknowledge (x, "apic0"), 0x40);
    write32 (x, LAPIC + EOI, 0);
    harness_advance (x, 160000);                        /* and on */
    ck_assert_int_eq (acknowledge (x, "apic0"), 0x40);
  }
  memset (&s.lapic, 0xff, sizeof s.lapic);
  set_state (other, "apic0", &s);
  acknowledge (other, "apic0");
  harness_advance (other, 100000);
  harness_free (h);
  harness_free (other);
}
END_TEST

START_TEST (x2apic_state)
{
  Harness *h = start (), *other = start ();
  const BpInterruptControllerIface *t = bp_object_interface (harness_object (h, "apic1"), BP_INTERRUPT_CONTROLLER_ID);
  void *apic = harness_object (h, "apic1");
  uint64_t value;
  ck_assert (t->apic_base_write (apic, 0xfee10c00));
  ck_assert (t->msr_write (apic, 0x830, UINT64_C (0x0000000500004041)));
  BpX86IrqchipState s = state_of (h, "apic1"), again;
  ck_assert_uint_eq (reg (&s, ID), 0x01000000);
  ck_assert_uint_eq (reg (&s, LDR), 2);
  set_state (other, "apic1", &s);
  again = state_of (other, "apic1");
  ck_assert_mem_eq (&s, &again, sizeof s);
  ck_assert (t->msr_read (harness_object (other, "apic1"), 0x830, &value));
  ck_assert_uint_eq (value, UINT64_C (0x0000000500004041));
  harness_free (h);
  harness_free (other);
}
END_TEST

HARNESS_MAIN ("lapic-irqchip", messages_are_decoded, messages_without_a_vector, the_pair_is_taken_over, the_pairs_state_goes_both_ways,
              the_ioapic_is_taken_over, a_split_ioapic_sends_messages, a_local_apic_is_taken_over, a_local_apics_state_goes_both_ways, x2apic_state)
