/* test-piix4-pm.c -- the ACPI registers, their timer, the power button, soft off, the ports that move, and an SMBus on which nobody is. */
/* SPDX-License-Identifier: MIT */
#include "hw-pc-test.h"
#include <backplane/iface/power.h>

#define HZ INT64_C (3579545)
enum { STATUS = 0x600, ENABLE = 0x602, CONTROL = 0x604, TIMER = 0x608, GP_STATUS = 0x60c, GP_ENABLE = 0x60e };
enum { STS_TIMER = 1, STS_BUTTON = 0x100, SCI_EN = 1, SLP_EN = 0x2000 };

static const char machine[] =
  "[memory ram]\ntype = test-ram\nsize = 4M\n"
  "[device host]\ntype = i440fx\nram = ram\nmemory = memory@0\nshadow = memory@0xa0000 prio 10\nio = io@0\npio0 = io@0xcf8\npio1 = io@0xcfc\n"
  "[device pm]\ntype = piix4-pm\nbus = host\npio0 = io@0xb2\nsci = probe.in9\n[device probe]\ntype = test-probe\n";

static uint32_t
config (Harness *h, unsigned reg)
{
  out32 (h, 0xcf8, 0x80000b00 | reg);
  return in32 (h, 0xcfc);
}

static void
set_config (Harness *h, unsigned reg, uint32_t value)
{
  out32 (h, 0xcf8, 0x80000b00 | reg);
  out32 (h, 0xcfc, value);
}

static void
place (Harness *h)
{
  set_config (h, 0x40, 0x601);
  set_config (h, 0x80, 1);
}

static Harness *
start (void)
{
  Harness *h = harness_new (hw_pc (), machine);
  place (h);
  return h;
}

static void
press (Harness *h)
{
  void *pm = harness_object (h, "pm");
  const BpPowerButtonIface *t = bp_object_interface (pm, BP_POWER_BUTTON_ID);
  bp_machine_lock (harness_machine (h));
  t->press (pm);
  bp_machine_unlock (harness_machine (h));
}

START_TEST (the_function_is_what_firmware_looks_for)
{
  Harness *h = harness_new (hw_pc (), machine);
  ck_assert_uint_eq (config (h, 0), 0x71138086);
  ck_assert_uint_eq (config (h, 8) >> 8, 0x068000);
  ck_assert_uint_eq (config (h, 0x40), 1);
  ck_assert_uint_eq (config (h, 0x58), 0x02000000);             /* SMM is set up, as far as SeaBIOS is concerned */
  set_config (h, 0x58, 0);
  ck_assert_uint_eq (config (h, 0x58), 0x02000000);
  harness_free (h);
}
END_TEST

START_TEST (nobody_answers_on_the_smbus)
{
  Harness *h = start ();
  set_config (h, 0x90, 0x70f);
  set_config (h, 0xd0, 0x00090000);                             /* on, IRQ 9 */
  ck_assert_uint_eq (config (h, 0x90), 0x701);
  ck_assert_uint_eq (in8 (h, 0x700), 0xff);
  set_config (h, 0x04, 1);
  ck_assert_uint_eq (in8 (h, 0x700), 0);
  out8 (h, 0x704, 0xa1);
  out8 (h, 0x703, 0x10);
  out8 (h, 0x702, 0x48);                                        /* start, byte data */
  ck_assert_uint_eq (in8 (h, 0x700), 0x04);
  ck_assert_uint_eq (in8 (h, 0x702), 0x08);
  ck_assert_int_eq (harness_level (h, "pm.sci"), 0);
  out8 (h, 0x700, 0xff);
  ck_assert_uint_eq (in8 (h, 0x700), 0);
  out8 (h, 0x702, 0x49);
  ck_assert_int_eq (harness_level (h, "pm.sci"), 1);
  harness_round_trip (h);
  out8 (h, 0x700, 0xff);
  ck_assert_int_eq (harness_level (h, "pm.sci"), 0);
  out8 (h, 0x702, 0x02);                                        /* kill */
  ck_assert_uint_eq (in8 (h, 0x700), 0x10);
  for (unsigned i = 0; i < 40; i++)
    out8 (h, 0x707, (uint8_t) i);
  in8 (h, 0x702);
  ck_assert_uint_eq (in8 (h, 0x707), 32);
  set_config (h, 0xd0, 0);
  ck_assert_uint_eq (in8 (h, 0x700), 0xff);
  harness_free (h);
}
END_TEST

START_TEST (the_ports_move)
{
  Harness *h = harness_new (hw_pc (), machine);
  ck_assert_uint_eq (in16 (h, CONTROL), 0xffff);
  set_config (h, 0x40, 0x601);
  ck_assert_uint_eq (in16 (h, CONTROL), 0xffff);
  set_config (h, 0x80, 1);
  ck_assert_uint_eq (in16 (h, CONTROL), 0);
  set_config (h, 0x40, 0xb03f);
  ck_assert_uint_eq (config (h, 0x40), 0xb001);
  ck_assert_uint_eq (in16 (h, CONTROL), 0xffff);
  ck_assert_uint_eq (in16 (h, 0xb004), 0);
  set_config (h, 0x80, 0);
  ck_assert_uint_eq (in16 (h, 0xb004), 0xffff);
  set_config (h, 0x80, 1);
  set_config (h, 0x40, 0);                                      /* 0 is nowhere */
  ck_assert_uint_eq (in16 (h, 4), 0xffff);
  set_config (h, 0x40, 0xb001);
  harness_reset (h, BP_RESET_WARM);
  ck_assert_uint_eq (in16 (h, 0xb004), 0xffff);
  harness_free (h);
}
END_TEST

START_TEST (the_timer_counts)
{
  Harness *h = start ();
  uint32_t before = in32 (h, TIMER);
  harness_advance (h, BP_NS_PER_SECOND);
  ck_assert_uint_eq ((in32 (h, TIMER) - before) & 0xffffff, HZ);
  harness_advance (h, 10 * BP_NS_PER_SECOND);
  ck_assert_uint_eq ((in32 (h, TIMER) - before) & 0xffffff, 11 * HZ & 0xffffff);
  ck_assert_uint_eq (in16 (h, TIMER), in32 (h, TIMER) & 0xffff);
  ck_assert_uint_eq (in8 (h, TIMER + 2), in32 (h, TIMER) >> 16);
  ck_assert_uint_eq (in8 (h, TIMER + 3), 0);
  out32 (h, TIMER, 0);                                          /* read-only */
  ck_assert_uint_eq ((in32 (h, TIMER) - before) & 0xffffff, 11 * HZ & 0xffffff);
  harness_free (h);
}
END_TEST

/* Twice a turn: 2^23 / 3.579545 MHz = 2.34 s. */
START_TEST (half_turns_are_noticed)
{
  Harness *h = start ();
  ck_assert_uint_eq (in16 (h, STATUS), 0);
  harness_advance (h, INT64_C (2343000000));
  ck_assert_uint_eq (in16 (h, STATUS), 0);
  harness_advance (h, 1000000);
  ck_assert_uint_eq (in16 (h, STATUS), STS_TIMER);
  out16 (h, STATUS, STS_TIMER);
  ck_assert_uint_eq (in16 (h, STATUS), 0);
  out16 (h, CONTROL, SCI_EN);
  out16 (h, ENABLE, STS_TIMER);
  harness_advance (h, INT64_C (2342000000));
  ck_assert_uint_eq (harness_rises (h, "probe", 9), 0);
  harness_advance (h, 1000000);
  ck_assert_uint_eq (harness_rises (h, "probe", 9), 1);
  ck_assert_int_eq (harness_level (h, "pm.sci"), 1);
  harness_round_trip (h);
  out16 (h, STATUS, STS_TIMER);
  ck_assert_int_eq (harness_level (h, "pm.sci"), 0);
  unsigned before = harness_rises (h, "probe", 9);
  harness_advance (h, 20 * BP_NS_PER_SECOND);
  ck_assert_uint_eq (harness_rises (h, "probe", 9), before + 1);        /* once, until it is seen to */
  harness_free (h);
}
END_TEST

START_TEST (the_button_interrupts)
{
  Harness *h = start ();
  press (h);
  ck_assert_int_eq (harness_level (h, "pm.sci"), 0);
  ck_assert_uint_eq (in16 (h, STATUS), STS_BUTTON);
  out16 (h, STATUS, 0xffff);
  ck_assert_uint_eq (in16 (h, STATUS), 0);
  out16 (h, ENABLE, STS_BUTTON);
  press (h);
  ck_assert_int_eq (harness_level (h, "pm.sci"), 0);            /* not ACPI's yet */
  out8 (h, 0xb2, 0xf1);
  ck_assert_uint_eq (in16 (h, CONTROL), SCI_EN);
  ck_assert_int_eq (harness_level (h, "pm.sci"), 1);
  harness_round_trip (h);
  ck_assert_int_eq (harness_level (h, "pm.sci"), 1);
  out8 (h, 0xb2, 0xf0);
  ck_assert_int_eq (harness_level (h, "pm.sci"), 0);
  out8 (h, 0xb2, 0xf1);
  out8 (h, STATUS, 0xff);                                       /* the other byte */
  ck_assert_int_eq (harness_level (h, "pm.sci"), 1);
  out8 (h, STATUS + 1, 1);
  ck_assert_int_eq (harness_level (h, "pm.sci"), 0);
  ck_assert_int_eq (harness_exit_code (h), -1);
  harness_free (h);
}
END_TEST

START_TEST (soft_off_ends_the_run)
{
  Harness *h = start ();
  out16 (h, CONTROL, SLP_EN | 5 << 10);                         /* no such sleep here */
  ck_assert_int_eq (harness_exit_code (h), -1);
  ck_assert_uint_eq (in16 (h, CONTROL), 5 << 10);               /* SLP_EN reads as 0 */
  out16 (h, CONTROL, 0);
  ck_assert_int_eq (harness_exit_code (h), -1);
  out16 (h, CONTROL, SLP_EN);
  ck_assert_int_eq (harness_exit_code (h), 0);
  harness_free (h);
}
END_TEST

START_TEST (registers_keep_what_they_have_bits_for)
{
  Harness *h = start ();
  out16 (h, ENABLE, 0xffff);
  ck_assert_uint_eq (in16 (h, ENABLE), 0x0521);
  out8 (h, ENABLE, 0);
  ck_assert_uint_eq (in16 (h, ENABLE), 0x0500);
  out16 (h, GP_ENABLE, 0xffff);
  ck_assert_uint_eq (in16 (h, GP_ENABLE), 0x0f81);
  ck_assert_uint_eq (in16 (h, GP_STATUS), 0);
  out32 (h, STATUS, 0x05210000);                                /* both halves at once, as Linux does */
  ck_assert_uint_eq (in32 (h, STATUS), 0x05210000);
  ck_assert_uint_eq (in8 (h, 0x614), 0);                        /* a C2 that nothing waits in */
  out8 (h, 0xb3, 0x5a);
  out8 (h, 0xb2, 0x42);
  ck_assert_uint_eq (in8 (h, 0xb3), 0x5a);
  ck_assert_uint_eq (in8 (h, 0xb2), 0x42);
  harness_round_trip (h);
  ck_assert_uint_eq (in8 (h, 0xb3), 0x5a);
  harness_reset (h, BP_RESET_WARM);
  ck_assert_uint_eq (in8 (h, 0xb3), 0);
  harness_free (h);
}
END_TEST

/* Event 9 of the general-purpose ones, which stays as long as the input is high. */
START_TEST (an_input_is_an_event)
{
  Harness *h = start ();
  out16 (h, CONTROL, SCI_EN);
  harness_drive (h, "pm.gpi1", 1);
  ck_assert_uint_eq (in16 (h, GP_STATUS), 0x200);
  ck_assert_int_eq (harness_level (h, "pm.sci"), 0);
  out8 (h, GP_ENABLE + 1, 0x02);
  ck_assert_int_eq (harness_level (h, "pm.sci"), 1);
  harness_round_trip (h);
  out8 (h, GP_STATUS + 1, 0x02);
  ck_assert_uint_eq (in16 (h, GP_STATUS), 0x200);
  harness_drive (h, "pm.gpi1", 0);
  ck_assert_int_eq (harness_level (h, "pm.sci"), 1);
  harness_round_trip (h);
  out8 (h, GP_STATUS, 0xff);
  ck_assert_uint_eq (in16 (h, GP_STATUS), 0x200);
  out8 (h, GP_STATUS + 1, 0x02);
  ck_assert_uint_eq (in16 (h, GP_STATUS), 0);
  ck_assert_int_eq (harness_level (h, "pm.sci"), 0);
  harness_drive (h, "pm.gpi1", 1);
  harness_reset (h, BP_RESET_WARM);     /* inputs are low after it */
  place (h);
  ck_assert_uint_eq (in16 (h, GP_STATUS), 0);
  harness_free (h);
}
END_TEST

START_TEST (a_place_is_needed)
{
  char *text = g_strconcat (machine, "[override pm]\naddress = nowhere\n", NULL), *refusal = harness_refusal (hw_pc (), text);
  ck_assert_ptr_nonnull (strstr (refusal, "address = nowhere is not a place on a PCI bus"));
  g_free (text);
  g_free (refusal);
}
END_TEST

HARNESS_MAIN ("piix4-pm", the_function_is_what_firmware_looks_for, nobody_answers_on_the_smbus, the_ports_move, the_timer_counts, half_turns_are_noticed, the_button_interrupts,
              soft_off_ends_the_run, registers_keep_what_they_have_bits_for, an_input_is_an_event, a_place_is_needed)
