/* test-@{name}.c -- the countdown by itself: a guest's accesses, time that moves when told, state that is saved. */
/* SPDX-License-Identifier: @{licence} */
/* SPDX-FileCopyrightText: @{year} @{author} */
#include <backplane/test.h>

#define REGS 0x1000
enum { ID = REGS, COUNT = REGS + 4, CONTROL = REGS + 8, STATUS = REGS + 12 };
enum { START = 1, INTERRUPT = 2, DONE = 2 };

/* Sections of a descriptor, as a user would write them; `test-probe` is the harness's own. */
static const char machine[] =
  "[device d]\nmodule = @{name}\ntype = @{name}\nregs = memory@0x1000\nirq = probe.in0\n"
  "[device probe]\ntype = test-probe\n";

BP_TEST (registers_are_there)
{
  BpTest *t = bp_test_new (NULL, machine);
  bp_test_expect_eq (bp_test_load32 (t, ID), 0x4e554f43);
  bp_test_store32 (t, COUNT, 7);
  bp_test_expect_eq (bp_test_load32 (t, COUNT), 7);
  bp_test_expect_eq (bp_test_load32 (t, STATUS), 0);
  bp_test_reset (t, BP_RESET_WARM);
  bp_test_expect_eq (bp_test_load32 (t, COUNT), 0);
  bp_test_free (t);
}

BP_TEST (it_interrupts_at_zero)
{
  BpTest *t = bp_test_new (NULL, machine);
  bp_test_advance (t, 500);
  bp_test_store32 (t, COUNT, 10);
  bp_test_store32 (t, CONTROL, START | INTERRUPT);
  bp_test_expect_eq (bp_test_load32 (t, CONTROL), INTERRUPT);
  bp_test_advance (t, 3000);    /* ns: `tick` is 1000 */
  bp_test_expect_eq (bp_test_load32 (t, COUNT), 7);
  bp_test_expect_level (t, "d.irq", 0);
  bp_test_advance (t, 7000);
  bp_test_expect_eq (bp_test_load32 (t, STATUS), DONE);
  bp_test_expect_level (t, "d.irq", 1);
  bp_test_store32 (t, STATUS, DONE);
  bp_test_expect_level (t, "d.irq", 0);
  bp_test_expect_eq (bp_test_rises (t, "probe", 0), 1);
  bp_test_free (t);
}

BP_TEST (what_a_guest_does_wrong_is_logged)
{
  BpTest *t = bp_test_new (NULL, machine);
  bp_test_keep_log ("guest_errors");
  bp_test_store32 (t, ID, 1);
  bp_test_store32 (t, COUNT, 10);
  bp_test_store32 (t, CONTROL, START);
  bp_test_store32 (t, COUNT, 20);
  char *log = bp_test_take_log ();
  bp_test_expect_str (log, "d: guest_errors: write of 0x00000001 to register 0x00\nd: guest_errors: write of 0x00000014 to register 0x04\n");
  g_free (log);
  bp_test_free (t);
}

BP_TEST (state_survives)
{
  BpTest *a = bp_test_new (NULL, machine), *b = bp_test_new (NULL, machine);
  bp_test_store32 (a, COUNT, 10);
  bp_test_store32 (a, CONTROL, START | INTERRUPT);
  bp_test_advance (a, 4000);
  bp_test_copy (a, b);
  bp_test_advance (a, 6000);
  bp_test_advance (b, 6000);
  bp_test_expect_level (b, "d.irq", 1);
  bp_test_expect_same (a, b);
  bp_test_free (a);
  bp_test_free (b);
}

/* Whatever was done before: two that were used differently are the same. */
BP_TEST (a_reset_forgets)
{
  BpTest *a = bp_test_new (NULL, machine), *b = bp_test_new (NULL, machine);
  bp_test_store32 (a, COUNT, 10);
  bp_test_store32 (a, CONTROL, START);
  bp_test_advance (a, 4000);    /* running */
  bp_test_advance (b, 1000);
  bp_test_store32 (b, COUNT, 1);
  bp_test_store32 (b, CONTROL, START | INTERRUPT);
  bp_test_advance (b, 3000);    /* done */
  bp_test_expect_level (b, "d.irq", 1);
  bp_test_reset (a, BP_RESET_WARM);
  bp_test_reset (b, BP_RESET_WARM);
  bp_test_expect_level (b, "d.irq", 0);
  bp_test_expect_same (a, b);
  bp_test_free (a);
  bp_test_free (b);
}

BP_TEST (properties_have_limits)
{
  char *why = bp_test_refusal (NULL, "[device d]\nmodule = @{name}\ntype = @{name}\ntick = 0\n");
  bp_test_expect_has (why, "[device d] tick");
  g_free (why);
}

BP_TEST_MAIN ("@{name}", &registers_are_there, &it_interrupts_at_zero, &what_a_guest_does_wrong_is_logged, &state_survives, &a_reset_forgets,
              &properties_have_limits)
