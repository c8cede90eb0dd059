/* test-task.c -- hardware task switches of the x86 runtime, 32 and 16 bits wide. */
/* SPDX-License-Identifier: MIT */
#include "stub-machine.h"

enum { TSS2 = 0x4000, TSS2_SEL = 0x40, GATE = 0x48, LDT_SEL = 0x50 };

static unsigned busy (unsigned selector) { return peek (GDT + selector + 5, 1) >> 1 & 1; }

/* A second task: eip 0x900, esp 0xa000, eax 1 .. edi 8, flat segments of level 0. */
static void
second_task (void)
{
  enter_protected (0);
  set_descriptor (GDT, TSS2_SEL, TSS2, 0x67, 0x89);
  set_gate (GDT + GATE, TSS2_SEL, 0, SYS_TASK_GATE, 3, true, 0);
  memset (stub.ram + TSS2, 0, 0x68);
  poke32 (TSS2 + 32, 0x900);
  poke32 (TSS2 + 36, 2 | X86_FL_CF);
  for (unsigned i = 0; i < 8; i++)
    poke32 (TSS2 + 40 + 4 * i, i + 1);
  poke32 (TSS2 + 40 + 16, 0xa000);
  for (unsigned i = 0; i < 6; i++)
    poke16 (TSS2 + 72 + 4 * i, i == X86_CS ? CODE0 : DATA0);
  poke16 (TSS2 + 102, 0x68);
  set_gpr (env, X86_RBX, 0xb00b);
}

START_TEST (jump_and_back)
{
  second_task ();
  SUCCEEDS (helper_ljmp (env, TSS2_SEL, 0, 4, 0x107));
  ck_assert_uint_eq (env->eip, 0x900);
  ck_assert_uint_eq (gpr (env, X86_RAX), 1);
  ck_assert_uint_eq (gpr (env, X86_RSP), 0xa000);
  ck_assert_uint_eq (x86_eflags (env), 3);
  ck_assert_uint_eq (env->segment[BP_X86_TR].selector, TSS2_SEL);
  ck_assert (env->cr0 & CR0_TS);
  ck_assert (busy (TSS2_SEL) && !busy (TSS_SEL));
  ck_assert_uint_eq (peek32 (TSS + 32), 0x107);
  ck_assert_uint_eq (peek32 (TSS + 40 + 12), 0xb00b);
  ck_assert_uint_eq (peek16 (TSS + 76), CODE0);
  SUCCEEDS (helper_ljmp (env, TSS_SEL, 0, 4, 0x908));
  ck_assert_uint_eq (env->eip, 0x107);
  ck_assert_uint_eq (gpr (env, X86_RBX), 0xb00b);
  ck_assert (!busy (TSS2_SEL) && busy (TSS_SEL));
}
END_TEST

START_TEST (call_and_iret)
{
  second_task ();
  SUCCEEDS (helper_lcall (env, GATE, 0, 4, 0x107));
  ck_assert (busy (TSS2_SEL) && busy (TSS_SEL));
  ck_assert_uint_eq (peek16 (TSS2), TSS_SEL);
  ck_assert (env->eflags & X86_FL_NT);
  FAULTS (EXC_GP, TSS_SEL, helper_lcall (env, TSS_SEL, 0, 4, 0));       /* tasks are not recursive */
  SUCCEEDS (helper_iret_protected (env, 4, 0x909));
  ck_assert_uint_eq (env->eip, 0x107);
  ck_assert_uint_eq (env->segment[BP_X86_TR].selector, TSS_SEL);
  ck_assert (!busy (TSS2_SEL) && busy (TSS_SEL));
  ck_assert_uint_eq (peek32 (TSS2 + 32), 0x909);
  ck_assert_uint_eq (peek32 (TSS2 + 36), 3);            /* NT is clear in the image */
  ck_assert (!(env->eflags & X86_FL_NT));
}
END_TEST

START_TEST (exception_through_a_task_gate)
{
  second_task ();
  set_gate (IDT + 13 * 8, TSS2_SEL, 0, SYS_TASK_GATE, 0, true, 0);
  DELIVERS (x86_raise_error (env, EXC_GP, 0x1234));
  ck_assert_uint_eq (env->eip, 0x900);
  ck_assert_uint_eq (gpr (env, X86_RSP), 0xa000 - 4);
  ck_assert_uint_eq (peek32 (0xa000 - 4), 0x1234);
  ck_assert_uint_eq (peek32 (TSS + 32), INSN_EIP);
  ck_assert_uint_eq (peek32 (TSS + 36), 2 | X86_FL_RF);
  ck_assert_uint_eq (peek16 (TSS2), TSS_SEL);
}
END_TEST

/* --- faults in the old task -------------------------------------------------------------------------- */

START_TEST (faults_in_the_old_task)
{
  second_task ();
  set_descriptor (GDT, TSS2_SEL, TSS2, 0x66, 0x89);
  FAULTS (EXC_TS, TSS2_SEL, helper_ljmp (env, TSS2_SEL, 0, 4, 0));
  set_descriptor (GDT, TSS2_SEL, TSS2, 0x67, 0x09);
  FAULTS (EXC_NP, TSS2_SEL, helper_ljmp (env, TSS2_SEL, 0, 4, 0));
  FAULTS (EXC_NP, TSS2_SEL, helper_ljmp (env, GATE, 0, 4, 0));
  set_descriptor (GDT, TSS2_SEL, TSS2, 0x67, 0x8b);
  FAULTS (EXC_GP, TSS2_SEL, helper_ljmp (env, TSS2_SEL, 0, 4, 0));
  FAULTS (EXC_GP, TSS2_SEL, helper_ljmp (env, GATE, 0, 4, 0));
  set_gate (GDT + GATE, 0x44, 0, SYS_TASK_GATE, 0, true, 0);
  FAULTS (EXC_GP, 0x44, helper_ljmp (env, GATE, 0, 4, 0));      /* a TSS lives in the GDT */
  set_gate (GDT + GATE, TSS2_SEL, 0, SYS_TASK_GATE, 0, false, 0);
  FAULTS (EXC_NP, GATE, helper_ljmp (env, GATE, 0, 4, 0));
  env->eflags |= X86_FL_NT;
  poke16 (TSS, TSS2_SEL);
  set_descriptor (GDT, TSS2_SEL, TSS2, 0x67, 0x89);             /* a nested task's caller is busy */
  FAULTS (EXC_TS, TSS2_SEL, helper_iret_protected (env, 4, 0));
  ck_assert_uint_eq (env->segment[BP_X86_TR].selector, TSS_SEL);
  ck_assert_uint_eq (gpr (env, X86_RBX), 0xb00b);
}
END_TEST

/* --- faults in the new one ------------------------------------------------------------------------------- */

/* The switch happened; the fault is delivered there, with the new task's first instruction to return to. */
static void
faults_in_new_task (unsigned vector, uint32_t error)
{
  ATTEMPT (helper_ljmp (env, TSS2_SEL, 0, 4, 0x107));
  ck_assert (stub.raised);
  ck_assert_int_eq (env->exc_vector, (int) vector);
  ck_assert_uint_eq (env->exc_error, error);
  ck_assert_uint_eq (env->segment[BP_X86_TR].selector, TSS2_SEL);
  ck_assert_uint_eq (gpr (env, X86_RAX), 1);
  ck_assert (env->new_task);
  ck_assert_uint_eq (env->new_task_eip, 0x900);
  env->exc_vector = env->exc_old = -1;
  env->new_task = 0;
  env->cr0 = CR0_PE | CR0_ET;
  second_task ();
}

START_TEST (faults_in_the_new_task)
{
  second_task ();
  poke16 (TSS2 + 96, LDT_SEL);
  faults_in_new_task (EXC_TS, LDT_SEL);
  poke16 (TSS2 + 76, 0);
  faults_in_new_task (EXC_TS, 0);
  poke16 (TSS2 + 76, DATA0);
  faults_in_new_task (EXC_TS, DATA0);
  set_descriptor (GDT, FREE, 0, 0xffffffff, 0xc01b);
  poke16 (TSS2 + 76, FREE);
  faults_in_new_task (EXC_NP, FREE);
  poke16 (TSS2 + 80, DATA3);
  faults_in_new_task (EXC_TS, DATA3 & ~3u);
  set_descriptor (GDT, FREE, 0, 0xffffffff, 0xc013);
  poke16 (TSS2 + 80, FREE);
  faults_in_new_task (EXC_SS, FREE);
  poke16 (TSS2 + 84, FREE);
  faults_in_new_task (EXC_NP, FREE);
  poke16 (TSS2 + 84, TSS_SEL);
  faults_in_new_task (EXC_TS, TSS_SEL);
  set_descriptor (GDT, FREE, 0, 0xff, 0x409b);
  poke16 (TSS2 + 76, FREE);
  faults_in_new_task (EXC_GP, 0);                               /* eip beyond its limit */
}
END_TEST

START_TEST (fault_of_the_new_task_returns_to_it)
{
  second_task ();
  poke16 (TSS2 + 84, TSS_SEL);
  DELIVERS (helper_ljmp (env, TSS2_SEL, 0, 4, 0x107));
  ck_assert_uint_eq (env->eip, 0x5000 + 16 * 10);
  ck_assert_uint_eq (gpr (env, X86_RSP), 0xa000 - 16);
  ck_assert_uint_eq (peek32 (0xa000 - 12), 0x900);
  ck_assert_uint_eq (peek32 (0xa000 - 4), 3 | X86_FL_RF);
}
END_TEST

/* --- variants ------------------------------------------------------------------------------------------------ */

START_TEST (task_of_level_3_with_ldt_and_cr3)
{
  second_task ();
  set_descriptor (GDT, LDT_SEL, LDT, 0xff, 0x82);
  set_descriptor (LDT, 8, 0, 0xffffffff, 0xc0f2);
  poke16 (TSS2 + 96, LDT_SEL);
  poke16 (TSS2 + 76, CODE3);
  poke16 (TSS2 + 80, DATA3);
  poke16 (TSS2 + 84, 0xf);                                      /* DS from the LDT */
  poke16 (TSS2 + 72, DATA3);
  poke16 (TSS2 + 88, 0);
  poke16 (TSS2 + 92, 0);
  SUCCEEDS (helper_ljmp (env, TSS2_SEL, 0, 4, 0x107));
  ck_assert_uint_eq (x86_cpl (env), 3);
  ck_assert_uint_eq (env->segment[X86_DS].selector, 0xf);
  ck_assert_uint_eq (env->segment[X86_FS].attributes, 0);
  ck_assert_uint_eq (peek (LDT + 13, 1), 0xf3);
  ck_assert_uint_eq (env->cr3, 0);                              /* without paging CR3 stays */
}
END_TEST

START_TEST (virtual_8086_task)
{
  second_task ();
  poke32 (TSS2 + 36, 2 | X86_FL_VM);
  for (unsigned i = 0; i < 6; i++)
    poke16 (TSS2 + 72 + 4 * i, 0x1000 * i);
  SUCCEEDS (helper_ljmp (env, TSS2_SEL, 0, 4, 0x107));
  ck_assert (env->hflags & HF_VM);
  ck_assert_uint_eq (env->segment[X86_DS].base, 0x30000);
  ck_assert_uint_eq (x86_cpl (env), 3);
}
END_TEST

START_TEST (debug_trap_bit)
{
  second_task ();
  poke16 (TSS2 + 100, 1);
  env->dr[7] = 0x7ff;
  SUCCEEDS (helper_ljmp (env, TSS2_SEL, 0, 4, 0x107));
  ck_assert_uint_eq (stub.pending, X86_IRQ_TRAP);
  ck_assert_uint_eq (env->dr[6], 0xffff8ff0);
  ck_assert_uint_eq (env->dr[7], 0x6aa);                        /* local enables end with the task */
}
END_TEST

START_TEST (tss_of_16_bits)
{
  second_task ();
  set_descriptor (GDT, TSS2_SEL, TSS2, 0x2b, 0x81);
  memset (stub.ram + TSS2, 0, 0x40);
  poke16 (TSS2 + 14, 0x900);
  poke16 (TSS2 + 16, 2);
  poke16 (TSS2 + 18, 0x1234);
  poke16 (TSS2 + 26, 0xa000);
  for (unsigned i = 0; i < 4; i++)
    poke16 (TSS2 + 34 + 2 * i, i == X86_CS ? CODE0 : DATA0);
  SUCCEEDS (helper_lcall (env, TSS2_SEL, 0, 4, 0x107));
  ck_assert_uint_eq (env->eip, 0x900);
  ck_assert_uint_eq (gpr (env, X86_RAX), 0xffff1234);
  ck_assert_uint_eq (env->segment[X86_FS].attributes, 0);
  ck_assert_uint_eq (env->segment[BP_X86_TR].attributes & 15, SYS_TSS16_BUSY);
  SUCCEEDS (helper_iret_protected (env, 2, 0x912));
  ck_assert_uint_eq (env->eip, 0x107);
  ck_assert_uint_eq (peek16 (TSS2 + 14), 0x912);
  set_descriptor (GDT, TSS2_SEL, TSS2, 0x2a, 0x81);
  FAULTS (EXC_TS, TSS2_SEL, helper_lcall (env, TSS2_SEL, 0, 4, 0));
}
END_TEST

static void
add (TCase *tc)
{
  tcase_add_test (tc, jump_and_back);
  tcase_add_test (tc, call_and_iret);
  tcase_add_test (tc, exception_through_a_task_gate);
  tcase_add_test (tc, faults_in_the_old_task);
  tcase_add_test (tc, faults_in_the_new_task);
  tcase_add_test (tc, fault_of_the_new_task_returns_to_it);
  tcase_add_test (tc, task_of_level_3_with_ldt_and_cr3);
  tcase_add_test (tc, virtual_8086_task);
  tcase_add_test (tc, debug_trap_bit);
  tcase_add_test (tc, tss_of_16_bits);
}

int
main (void)
{
  void (*const tests[]) (TCase *) = { add };
  return run_suite ("task", tests, 1);
}
