/* test-hello-device.c -- the registers without a guest: libbackplane-test is the machine. */
/* SPDX-License-Identifier: MIT */
#include <backplane/test.h>

#define MACHINE "[device d]\nmodule = hello-device\ntype = hello\ngreeting = Hello\nregs = io@0x500\nirq = probe.in5\n[device probe]\ntype = test-probe\n"

BP_TEST (greets)
{
  BpTest *t = bp_test_new (NULL, MACHINE);
  bp_test_expect_eq (bp_test_in32 (t, 0x500), 0x6c6c6548);      /* "Hell" */
  bp_test_out8 (t, 0x51f, 1);
  bp_test_expect_eq (bp_test_in32 (t, 0x500), 0x4c4c4548);      /* "HELL" */
  bp_test_reset (t, BP_RESET_WARM);
  bp_test_expect_eq (bp_test_in8 (t, 0x501), 'e');
  bp_test_out8 (t, 0x51f, 2);
  bp_test_reset (t, BP_RESET_WARM);
  bp_test_expect_level (t, "d.irq", 0);
  bp_test_free (t);
}

BP_TEST (interrupts)
{
  BpTest *a = bp_test_new (NULL, MACHINE), *b = bp_test_new (NULL, MACHINE);
  bp_test_out8 (a, 0x51f, 2);
  bp_test_expect_level (a, "d.irq", 1);
  bp_test_copy (a, b);          /* as a snapshot would */
  bp_test_expect_level (b, "d.irq", 1);
  bp_test_out8 (b, 0x51f, 0);
  bp_test_expect_level (b, "d.irq", 0);
  bp_test_expect_eq (bp_test_rises (a, "probe", 5), 1);
  bp_test_free (a);
  bp_test_free (b);
}

BP_TEST (refuses_state_that_cannot_be)
{
  BpTest *a = bp_test_new (NULL, MACHINE), *b = bp_test_new (NULL, MACHINE);
  *(uint8_t *) bp_test_object (a, "d") = 0xff;  /* `control', which is the first field */
  g_autoptr (GBytes) state = bp_test_save (a);
  g_autofree char *why = bp_test_load_state (b, state);
  bp_test_expect_has (why, "the control register cannot be 0xff");
  bp_test_free (a);
  bp_test_free (b);
}

BP_TEST (tells_of_mistakes)
{
  BpTest *t = bp_test_new (NULL, MACHINE);
  bp_test_keep_log ("guest_errors");
  bp_test_out8 (t, 0x51f, 0xff);
  bp_test_out8 (t, 0x500, 'J');
  bp_test_expect_eq (bp_test_in8 (t, 0x500), 'H');
  g_autofree char *log = bp_test_take_log ();
  bp_test_expect_has (log, "write of 0xff to register 31");
  bp_test_expect_has (log, "write of 0x4a to register 0");
  bp_test_free (t);
}

BP_TEST_MAIN ("hello-device", &greets, &interrupts, &refuses_state_that_cannot_be, &tells_of_mistakes)
