/* test-segment.c -- segment loads, descriptor queries, limits, far transfers of the x86 runtime. */
/* SPDX-License-Identifier: MIT */
#include "stub-machine.h"

/* --- loads ---------------------------------------------------------------------------------- */

START_TEST (real_mode_loads_a_paragraph)
{
  SUCCEEDS (helper_load_seg (env, X86_DS, 0x1234));
  ck_assert_uint_eq (env->segment[X86_DS].base, 0x12340);
  ck_assert_uint_eq (env->segment[X86_DS].limit, 0xffff);
}
END_TEST

START_TEST (data_segment_rules)
{
  enter_protected (3);
  SUCCEEDS (helper_load_seg (env, X86_ES, 0));
  ck_assert_uint_eq (env->segment[X86_ES].attributes, 0);
  SUCCEEDS (helper_load_seg (env, X86_ES, 3));
  FAULTS (EXC_GP, DATA0, helper_load_seg (env, X86_ES, DATA0));         /* DPL 0 */
  FAULTS (EXC_GP, 0x1f8, helper_load_seg (env, X86_ES, 0x1fb));         /* an empty slot is not a segment */
  env->gdtr.limit = 0x2f;
  FAULTS (EXC_GP, 0x30, helper_load_seg (env, X86_ES, 0x30));           /* beyond the table */
  env->gdtr.limit = 0x7ff;
  FAULTS (EXC_GP, 0x34, helper_load_seg (env, X86_ES, 0x34));           /* no LDT */
  set_descriptor (GDT, FREE, 0, 0xffff, 0x72);                          /* not present */
  FAULTS (EXC_NP, FREE, helper_load_seg (env, X86_ES, FREE | 3));
  set_descriptor (GDT, FREE, 0, 0xffff, 0xf8);                          /* execute-only code */
  FAULTS (EXC_GP, FREE, helper_load_seg (env, X86_ES, FREE | 3));
  set_descriptor (GDT, FREE, 0x123456, 0xfffff, 0x9e);                  /* readable, conforming, DPL 0, not accessed */
  SUCCEEDS (helper_load_seg (env, X86_ES, FREE | 3));
  ck_assert_uint_eq (env->segment[X86_ES].base, 0x123456);
  ck_assert_uint_eq (env->segment[X86_ES].limit, 0xfffff);
  ck_assert_uint_eq (env->segment[X86_ES].attributes, 0x9f);
  ck_assert_uint_eq (peek (GDT + FREE + 5, 1), 0x9f);
}
END_TEST

START_TEST (stack_segment_rules)
{
  enter_protected (0);
  FAULTS (EXC_GP, 0, helper_load_seg (env, X86_SS, 0));
  FAULTS (EXC_GP, DATA3 & ~3u, helper_load_seg (env, X86_SS, DATA3));
  FAULTS (EXC_GP, DATA0, helper_load_seg (env, X86_SS, DATA0 | 1));
  FAULTS (EXC_GP, CODE0, helper_load_seg (env, X86_SS, CODE0));
  set_descriptor (GDT, FREE, 0, 0xffff, 0x90);                          /* read-only, not present: #GP first */
  FAULTS (EXC_GP, FREE, helper_load_seg (env, X86_SS, FREE));
  set_descriptor (GDT, FREE, 0, 0xffff, 0x12);
  FAULTS (EXC_SS, FREE, helper_load_seg (env, X86_SS, FREE));
  set_descriptor (GDT, FREE, 0, 0xffff, 0x92);
  SUCCEEDS (helper_load_seg (env, X86_SS, FREE));
  ck_assert (!(env->hflags & (HF_SS32 | HF_FLAT (X86_SS))));
  ck_assert (env->hflags & HF_BASE0 (X86_SS));
}
END_TEST

START_TEST (ldt_and_task_register)
{
  enter_protected (0);
  set_descriptor (GDT, FREE, LDT, 0xff, 0x82);
  SUCCEEDS (helper_lldt (env, FREE));
  set_descriptor (LDT, 8, 0x7000, 0xff, 0x92);
  SUCCEEDS (helper_load_seg (env, X86_FS, 0x0c));
  ck_assert_uint_eq (env->segment[X86_FS].base, 0x7000);
  FAULTS (EXC_GP, DATA0, helper_lldt (env, DATA0));
  FAULTS (EXC_GP, 0xc, helper_lldt (env, 0xc));
  set_descriptor (GDT, FREE, LDT, 0xff, 0x02);
  FAULTS (EXC_NP, FREE, helper_lldt (env, FREE));
  SUCCEEDS (helper_lldt (env, 0));
  FAULTS (EXC_GP, 0xc, helper_load_seg (env, X86_FS, 0x0c));
  FAULTS (EXC_GP, 0, helper_ltr (env, 0));
  FAULTS (EXC_GP, TSS_SEL, helper_ltr (env, TSS_SEL));                  /* busy */
  set_descriptor (GDT, TSS_SEL, TSS, 0x67, 0x89);
  SUCCEEDS (helper_ltr (env, TSS_SEL));
  ck_assert_uint_eq (peek (GDT + TSS_SEL + 5, 1), 0x8b);
  ck_assert_uint_eq (env->segment[BP_X86_TR].attributes, 0x8b);
}
END_TEST

START_TEST (questions_about_selectors)
{
  enter_protected (3);
  ck_assert_uint_eq (helper_lar (env, 0), 0);
  ck_assert_uint_eq (helper_lar (env, DATA0), 0);
  ck_assert_uint_eq (helper_lar (env, DATA3), (uint64_t) 1 << 32 | 0xcff300);
  ck_assert_uint_eq (helper_lsl (env, DATA3), (uint64_t) 1 << 32 | 0xffffffff);
  set_gate (GDT + FREE, CODE0, 0, SYS_CALL32, 3, true, 0);
  ck_assert_uint_eq (helper_lar (env, FREE) >> 32, 1);
  ck_assert_uint_eq (helper_lsl (env, FREE), 0);
  set_gate (GDT + FREE, CODE0, 0, SYS_INT32, 3, true, 0);
  ck_assert_uint_eq (helper_lar (env, FREE), 0);
  ck_assert (helper_verr (env, DATA3) && helper_verw (env, DATA3));
  ck_assert (helper_verr (env, CODE3) && !helper_verw (env, CODE3));
  ck_assert (!helper_verr (env, CODE0) && !helper_verr (env, TSS_SEL));
  set_descriptor (GDT, FREE, 0, 0xffff, 0x9e);
  ck_assert (helper_verr (env, FREE));
  set_descriptor (GDT, FREE, 0, 0xffff, 0x9c);
  ck_assert (!helper_verr (env, FREE));
}
END_TEST

/* --- limits ------------------------------------------------------------------------------------- */

START_TEST (limit_checks)
{
  enter_protected (0);
  x86_set_segment (env, X86_DS, DATA0, 0x1000, 0xfff, 0x93);
  ck_assert_uint_eq (helper_segment_check (env, X86_DS, 0xffc, 4), 0x1ffc);
  FAULTS (EXC_GP, 0, helper_segment_check (env, X86_DS, 0xffd, 4));
  FAULTS (EXC_GP, 0, helper_segment_check (env, X86_DS, 0xffffffff, 2));
  x86_set_segment (env, X86_DS, DATA0, 0x1000, 0xfff, 0x97);            /* expand-down, 16 bits */
  FAULTS (EXC_GP, 0, helper_segment_check (env, X86_DS, 0xfff, 1));
  ck_assert_uint_eq (helper_segment_check (env, X86_DS, 0x1000, 1), 0x2000);
  ck_assert_uint_eq (helper_segment_check (env, X86_DS, 0xffff, 1), 0x10fff);
  FAULTS (EXC_GP, 0, helper_segment_check (env, X86_DS, 0xffff, 2));
  x86_set_segment (env, X86_DS, DATA0, 0, 0xffffffff, 0xc091);          /* read-only */
  SUCCEEDS (helper_segment_check (env, X86_DS, 5, 4));
  FAULTS (EXC_GP, 0, helper_segment_check (env, X86_DS, 5, 4 | 1 << 8));
  FAULTS (EXC_GP, 0, helper_segment_check (env, X86_CS, 5, 4 | 1 << 8));
  x86_put_null (env, X86_DS, 0);
  FAULTS (EXC_GP, 0, helper_segment_check (env, X86_DS, 0, 1));
  x86_set_segment (env, X86_SS, DATA0, 0, 0xfff, 0x93);
  FAULTS (EXC_SS, 0, helper_segment_check (env, X86_SS, 0xfff, 2));
}
END_TEST

/* --- far transfers ------------------------------------------------------------------------------- */

START_TEST (far_jump)
{
  enter_protected (0);
  SUCCEEDS (helper_ljmp (env, CODE0 | 0, 0x12345678, 4, 0));
  ck_assert_uint_eq (env->eip, 0x12345678);
  SUCCEEDS (helper_ljmp (env, CODE0, 0x12345678, 2, 0));
  ck_assert_uint_eq (env->eip, 0x5678);
  FAULTS (EXC_GP, 0, helper_ljmp (env, 0, 0, 4, 0));
  FAULTS (EXC_GP, CODE3 & ~3u, helper_ljmp (env, CODE3, 0, 4, 0));
  FAULTS (EXC_GP, CODE0, helper_ljmp (env, CODE0 | 1, 0, 4, 0));
  FAULTS (EXC_GP, DATA0, helper_ljmp (env, DATA0, 0, 4, 0));
  set_descriptor (GDT, FREE, 0, 0xff, 0x9a);
  FAULTS (EXC_GP, 0, helper_ljmp (env, FREE, 0x100, 4, 0));
  SUCCEEDS (helper_ljmp (env, FREE, 0xff, 4, 0));
  ck_assert (!(env->hflags & HF_CS32));
  set_descriptor (GDT, FREE, 0, 0xff, 0x1a);
  FAULTS (EXC_NP, FREE, helper_ljmp (env, FREE, 0, 4, 0));
  set_gate (GDT + FREE, CODE0, 0x4444, SYS_CALL32, 0, true, 0);
  SUCCEEDS (helper_ljmp (env, FREE, 0, 4, 0));
  ck_assert_uint_eq (env->eip, 0x4444);
  set_gate (GDT + FREE, CODE0, 0x4444, SYS_CALL32, 0, false, 0);
  FAULTS (EXC_NP, FREE, helper_ljmp (env, FREE, 0, 4, 0));
}
END_TEST

START_TEST (call_gate_to_inner_level_and_back)
{
  enter_protected (3);
  set_gate (GDT + FREE, CODE0, 0x4444, SYS_CALL32, 3, true, 2);
  poke32 (STACK3, 0x11111111);
  poke32 (STACK3 + 4, 0x22222222);
  x86_set_segment (env, X86_ES, DATA3, 0, 0xffffffff, 0xc0f3);
  SUCCEEDS (helper_lcall (env, FREE, 0, 4, 0x777));
  ck_assert_uint_eq (env->eip, 0x4444);
  ck_assert_uint_eq (env->segment[X86_CS].selector, CODE0);
  ck_assert_uint_eq (env->segment[X86_SS].selector, DATA0);
  ck_assert_uint_eq (x86_cpl (env), 0);
  ck_assert_uint_eq (gpr (env, X86_RSP), STACK0 - 24);
  ck_assert_uint_eq (peek32 (STACK0 - 4), DATA3);
  ck_assert_uint_eq (peek32 (STACK0 - 8), STACK3);
  ck_assert_uint_eq (peek32 (STACK0 - 12), 0x22222222);
  ck_assert_uint_eq (peek32 (STACK0 - 16), 0x11111111);
  ck_assert_uint_eq (peek32 (STACK0 - 20), CODE3);
  ck_assert_uint_eq (peek32 (STACK0 - 24), 0x777);
  load_flat (X86_FS, DATA0, 0xc093);
  SUCCEEDS (helper_lret (env, 4, 8));
  ck_assert_uint_eq (env->eip, 0x777);
  ck_assert_uint_eq (x86_cpl (env), 3);
  ck_assert_uint_eq (gpr (env, X86_RSP), STACK3 + 8);
  ck_assert_uint_eq (env->segment[X86_FS].selector, 0);         /* not for level 3 */
  ck_assert_uint_eq (env->segment[X86_FS].attributes, 0);
  ck_assert_uint_eq (env->segment[X86_ES].selector, DATA3);
}
END_TEST

START_TEST (call_gate_faults)
{
  enter_protected (3);
  set_gate (GDT + FREE, CODE0, 0x4444, SYS_CALL32, 2, true, 0);
  FAULTS (EXC_GP, FREE, helper_lcall (env, FREE, 0, 4, 0));             /* the gate's DPL */
  set_gate (GDT + FREE, CODE0, 0x4444, SYS_CALL32, 3, true, 0);
  poke16 (TSS + 8, 0);
  FAULTS (EXC_TS, 0, helper_lcall (env, FREE, 0, 4, 0));
  poke16 (TSS + 8, DATA3);
  FAULTS (EXC_TS, DATA3 & ~3u, helper_lcall (env, FREE, 0, 4, 0));
  set_descriptor (GDT, 0x38, 0, 0xffffffff, 0xc013);
  poke16 (TSS + 8, 0x38);
  FAULTS (EXC_SS, 0x38, helper_lcall (env, FREE, 0, 4, 0));
  set_descriptor (GDT, 0x38, 0, STACK0 - 1, 0x4093);                    /* room up to STACK0 */
  SUCCEEDS (helper_lcall (env, FREE, 0, 4, 0));
  enter_protected (3);
  poke16 (TSS + 8, 0x38);
  poke32 (TSS + 4, STACK0 + 4);
  FAULTS (EXC_SS, 0x38, helper_lcall (env, FREE, 0, 4, 0));
  env->segment[BP_X86_TR].limit = 8;
  FAULTS (EXC_TS, TSS_SEL, helper_lcall (env, FREE, 0, 4, 0));
  ck_assert_uint_eq (gpr (env, X86_RSP), STACK3);
  ck_assert_uint_eq (x86_cpl (env), 3);
}
END_TEST

START_TEST (call_in_the_same_level)
{
  enter_protected (0);
  SUCCEEDS (helper_lcall (env, CODE0, 0x1234, 4, 0x105));
  ck_assert_uint_eq (peek32 (STACK0 - 4), CODE0);
  ck_assert_uint_eq (peek32 (STACK0 - 8), 0x105);
  SUCCEEDS (helper_lret (env, 4, 0));
  ck_assert_uint_eq (env->eip, 0x105);
  ck_assert_uint_eq (gpr (env, X86_RSP), STACK0);
  set_gate (GDT + FREE, CODE0, 0x9999, SYS_CALL16, 0, true, 0);
  SUCCEEDS (helper_lcall (env, FREE, 0, 4, 0x10107));
  ck_assert_uint_eq (peek16 (STACK0 - 4), 0x107);
  ck_assert_uint_eq (gpr (env, X86_RSP), STACK0 - 4);
}
END_TEST

START_TEST (far_return_faults)
{
  enter_protected (0);
  poke32 (STACK0, 0x500);
  poke32 (STACK0 + 4, 0);
  FAULTS (EXC_GP, 0, helper_lret (env, 4, 0));
  poke32 (STACK0 + 4, DATA0);
  FAULTS (EXC_GP, DATA0, helper_lret (env, 4, 0));
  poke32 (STACK0 + 4, CODE3);
  poke32 (STACK0 + 8, STACK3);
  poke32 (STACK0 + 12, DATA0);
  FAULTS (EXC_GP, DATA0, helper_lret (env, 4, 0));
  poke32 (STACK0 + 12, 0);
  FAULTS (EXC_GP, 0, helper_lret (env, 4, 0));
  enter_protected (3);
  poke32 (STACK3, 0x500);
  poke32 (STACK3 + 4, CODE0);
  FAULTS (EXC_GP, CODE0, helper_lret (env, 4, 0));      /* to an inner level */
}
END_TEST

START_TEST (real_mode_call_and_return)
{
  SUCCEEDS (helper_lcall (env, 0xf000, 0x1234, 2, 0x105));
  ck_assert_uint_eq (env->segment[X86_CS].base, 0xf0000);
  ck_assert_uint_eq (peek16 (0x7ffc), 0x105);
  SUCCEEDS (helper_lret (env, 2, 2));
  ck_assert_uint_eq (env->eip, 0x105);
  ck_assert_uint_eq (gpr (env, X86_RSP), 0x8002);
  set_gpr (env, X86_RSP, 0xabcd0001);
  FAULTS (EXC_SS, 0, helper_lcall (env, 0xf000, 0, 2, 0));
}
END_TEST

/* --- IRET ---------------------------------------------------------------------------------------------- */

static void
push_frame (uint32_t eip, uint32_t cs, uint32_t eflags, uint32_t esp, uint32_t ss)
{
  poke32 (STACK0, eip);
  poke32 (STACK0 + 4, cs);
  poke32 (STACK0 + 8, eflags);
  poke32 (STACK0 + 12, esp);
  poke32 (STACK0 + 16, ss);
}

/* A flat stack ends at the top of the address space: nothing lies across it. */
START_TEST (stack_over_the_top)
{
  X86Stack s;
  enter_protected (0);
  set_gpr (env, X86_RSP, 2);
  x86_stack_current (env, &s, 0);
  FAULTS (EXC_SS, 0, x86_stack_room (env, &s, 1, 4));
  SUCCEEDS (x86_stack_room (env, &s, 1, 2));
  set_gpr (env, X86_RSP, 0xfffffffc);
  x86_stack_current (env, &s, 0);
  SUCCEEDS (x86_stack_holds (env, &s, 1, 4));
  set_gpr (env, X86_RSP, 0xfffffffe);
  x86_stack_current (env, &s, 0);
  FAULTS (EXC_SS, 0, x86_stack_holds (env, &s, 1, 4));
}
END_TEST

START_TEST (iret_to_outer_level)
{
  enter_protected (0);
  push_frame (0x600, CODE3, 0x3202 | X86_FL_CF, STACK3, DATA3);
  env->nmi_masked = 1;
  stub.pending = BP_VCPU_IRQ_NMI;                       /* it waited for this */
  SUCCEEDS (helper_iret_protected (env, 4, 0));
  ck_assert_uint_eq (env->eip, 0x600);
  ck_assert_uint_eq (x86_cpl (env), 3);
  ck_assert_uint_eq (gpr (env, X86_RSP), STACK3);
  ck_assert_uint_eq (x86_eflags (env), 0x3203);
  ck_assert_uint_eq (env->nmi_masked, 0);
  ck_assert_uint_ge (stub.leave_soons, 1);
  ck_assert_uint_eq (env->segment[X86_DS].attributes, 0);       /* DATA0 was there */
}
END_TEST

START_TEST (iret_keeps_upper_esp_of_a_16_bit_stack)
{
  enter_protected (0);
  set_descriptor (GDT, FREE, 0, 0xffff, 0xf3);
  push_frame (0x600, CODE3, 2, 0x12345678, FREE | 3);
  SUCCEEDS (helper_iret_protected (env, 4, 0));
  ck_assert_uint_eq (gpr (env, X86_RSP), (STACK0 & 0xffff0000) | 0x5678);
}
END_TEST

START_TEST (iret_at_level_3_leaves_iopl_and_if)
{
  enter_protected (3);
  poke32 (STACK3, 0x600);
  poke32 (STACK3 + 4, CODE3);
  poke32 (STACK3 + 8, 0x3202 | X86_FL_VM | X86_FL_NT);
  SUCCEEDS (helper_iret_protected (env, 4, 0));
  ck_assert_uint_eq (x86_eflags (env), 2 | X86_FL_NT);
}
END_TEST

START_TEST (iret_to_virtual_8086)
{
  enter_protected (0);
  push_frame (0x600, 0x1000, 2 | X86_FL_VM | X86_FL_IOPL | X86_FL_IF, 0xffe, 0x2000);
  for (unsigned i = 0; i < 4; i++)
    poke32 (STACK0 + 20 + 4 * i, 0x3000 + i);
  SUCCEEDS (helper_iret_protected (env, 4, 0));
  ck_assert (env->hflags & HF_VM);
  ck_assert_uint_eq (x86_cpl (env), 3);
  ck_assert_uint_eq (env->segment[X86_CS].base, 0x10000);
  ck_assert_uint_eq (env->segment[X86_SS].base, 0x20000);
  ck_assert_uint_eq (env->segment[X86_ES].selector, 0x3000);
  ck_assert_uint_eq (env->segment[X86_GS].selector, 0x3003);
  ck_assert_uint_eq (env->segment[X86_GS].attributes, 0xf3);
  ck_assert_uint_eq (gpr (env, X86_RSP), 0xffe);
}
END_TEST

START_TEST (iret_in_virtual_8086)
{
  enter_v86 (3);
  poke16 (0x20ffe, 0x700);
  poke16 (0x21000, 0x1100);
  poke16 (0x21002, 0x0002);
  SUCCEEDS (helper_iret_real (env, 2));
  ck_assert_uint_eq (env->eip, 0x700);
  ck_assert_uint_eq (env->segment[X86_CS].base, 0x11000);
  ck_assert_uint_eq (x86_eflags (env), 2 | X86_FL_VM | X86_FL_IOPL);
  enter_v86 (0);
  FAULTS (EXC_GP, 0, helper_iret_real (env, 2));
}
END_TEST

START_TEST (sysenter_and_sysexit)
{
  enter_protected (3);
  FAULTS (EXC_GP, 0, helper_sysenter (env));
  env->sysenter_cs = 8;
  env->sysenter_esp = 0x1234;
  env->sysenter_eip = 0x5678;
  env->eflags |= X86_FL_IF;
  SUCCEEDS (helper_sysenter (env));
  ck_assert_uint_eq (x86_cpl (env), 0);
  ck_assert_uint_eq (env->eip, 0x5678);
  ck_assert_uint_eq (gpr (env, X86_RSP), 0x1234);
  ck_assert (!(env->eflags & X86_FL_IF));
  set_gpr (env, X86_RDX, 0x10);
  set_gpr (env, X86_RCX, 0x20);
  SUCCEEDS (helper_sysexit (env, 4));
  ck_assert_uint_eq (x86_cpl (env), 3);
  ck_assert_uint_eq (env->segment[X86_CS].selector, 0x1b);
  ck_assert_uint_eq (env->segment[X86_SS].selector, 0x23);
  ck_assert_uint_eq (env->eip, 0x10);
  FAULTS (EXC_GP, 0, helper_sysexit (env, 4));
}
END_TEST

START_TEST (syscall_without_long_mode)
{
  enter_protected (3);
  FAULTS (EXC_UD, 0, helper_syscall (env, 0x102));
  env->own_features = OWN_SYSCALL32;
  env->efer = EFER_SCE;
  env->star = (uint64_t) 0x001b0008 << 32 | 0x4000;
  env->eflags |= X86_FL_IF;
  SUCCEEDS (helper_syscall (env, 0x102));
  ck_assert_uint_eq (x86_cpl (env), 0);
  ck_assert_uint_eq (env->eip, 0x4000);
  ck_assert_uint_eq (gpr (env, X86_RCX), 0x102);
  ck_assert_uint_eq (gpr (env, X86_RSP), STACK3);
  ck_assert (!(env->eflags & X86_FL_IF));
  SUCCEEDS (helper_sysret (env, 4));
  ck_assert_uint_eq (x86_cpl (env), 3);
  ck_assert_uint_eq (env->segment[X86_CS].selector, 0x1b);
  ck_assert_uint_eq (env->segment[X86_SS].selector, 0x23);
  ck_assert_uint_eq (env->eip, 0x102);
  ck_assert (env->eflags & X86_FL_IF);
  FAULTS (EXC_GP, 0, helper_sysret (env, 4));
  env->own_features = 0;                                                /* Intel's: 64-bit mode only */
  FAULTS (EXC_UD, 0, helper_syscall (env, 0x102));
}
END_TEST

START_TEST (umip)
{
  enter_protected (3);
  SUCCEEDS (helper_umip_check (env));
  env->cr4 = CR4_UMIP;
  FAULTS (EXC_GP, 0, helper_umip_check (env));
}
END_TEST

static void
add (TCase *tc)
{
  tcase_add_test (tc, real_mode_loads_a_paragraph);
  tcase_add_test (tc, data_segment_rules);
  tcase_add_test (tc, stack_segment_rules);
  tcase_add_test (tc, ldt_and_task_register);
  tcase_add_test (tc, questions_about_selectors);
  tcase_add_test (tc, limit_checks);
  tcase_add_test (tc, far_jump);
  tcase_add_test (tc, call_gate_to_inner_level_and_back);
  tcase_add_test (tc, call_gate_faults);
  tcase_add_test (tc, call_in_the_same_level);
  tcase_add_test (tc, far_return_faults);
  tcase_add_test (tc, real_mode_call_and_return);
  tcase_add_test (tc, stack_over_the_top);
  tcase_add_test (tc, iret_to_outer_level);
  tcase_add_test (tc, iret_keeps_upper_esp_of_a_16_bit_stack);
  tcase_add_test (tc, iret_at_level_3_leaves_iopl_and_if);
  tcase_add_test (tc, iret_to_virtual_8086);
  tcase_add_test (tc, iret_in_virtual_8086);
  tcase_add_test (tc, sysenter_and_sysexit);
  tcase_add_test (tc, syscall_without_long_mode);
  tcase_add_test (tc, umip);
}

int
main (void)
{
  void (*const tests[]) (TCase *) = { add };
  return run_suite ("segment", tests, 1);
}
