/* test-exception.c -- delivery of exceptions and interrupts, flags instructions, breakpoints, port checks of the x86 runtime. */
/* SPDX-License-Identifier: MIT */
#include "stub-machine.h"

/* --- real mode ------------------------------------------------------------------------------- */

START_TEST (real_mode_interrupt)
{
  poke32 (0x21 * 4, 0xf0001234);
  env->eflags |= X86_FL_IF | X86_FL_TF;
  env->cc_src = X86_FL_CF;
  DELIVERS (helper_interrupt (env, 0x21, INSN_EIP + 2));
  ck_assert_uint_eq (env->eip, 0x1234);
  ck_assert_uint_eq (env->segment[X86_CS].base, 0xf0000);
  ck_assert_uint_eq (gpr (env, X86_RSP), 0x7ffa);
  ck_assert_uint_eq (peek16 (0x7ffa), INSN_EIP + 2);
  ck_assert_uint_eq (peek16 (0x7ffe), 0x303);
  ck_assert (!(env->eflags & (X86_FL_IF | X86_FL_TF)));
}
END_TEST

START_TEST (real_mode_faults_push_no_error_code)
{
  poke32 (13 * 4, 0xf0001234);
  DELIVERS (x86_raise_error (env, EXC_GP, 0x1234));
  ck_assert_uint_eq (gpr (env, X86_RSP), 0x7ffa);
  ck_assert_uint_eq (peek16 (0x7ffa), INSN_EIP);
  SUCCEEDS (helper_iret_real (env, 2));
  ck_assert_uint_eq (env->eip, INSN_EIP);
}
END_TEST

START_TEST (real_mode_without_a_table_shuts_down)
{
  env->idtr.limit = 0;
  DELIVERS (x86_raise (env, EXC_UD));
  ck_assert_uint_eq (stub.resets, 1);
  ck_assert (x86_is_halted (env));
  ck_assert (!x86_wakes (env, BP_VCPU_IRQ_HARD | BP_VCPU_IRQ_NMI));
  ck_assert (x86_wakes (env, BP_VCPU_IRQ_INIT));
}
END_TEST

/* --- protected mode ------------------------------------------------------------------------------ */

START_TEST (interrupt_gate_in_the_same_level)
{
  enter_protected (0);
  env->eflags |= X86_FL_IF | X86_FL_NT | X86_FL_TF;
  DELIVERS (x86_raise_error (env, EXC_GP, 0x1234));
  ck_assert_uint_eq (env->eip, 0x5000 + 16 * 13);
  ck_assert_uint_eq (gpr (env, X86_RSP), STACK0 - 16);
  ck_assert_uint_eq (peek32 (STACK0 - 16), 0x1234);
  ck_assert_uint_eq (peek32 (STACK0 - 12), INSN_EIP);
  ck_assert_uint_eq (peek32 (STACK0 - 8), CODE0);
  ck_assert_uint_eq (peek32 (STACK0 - 4), 2 | X86_FL_IF | X86_FL_NT | X86_FL_TF | X86_FL_RF);
  ck_assert_uint_eq (env->eflags, 2);
}
END_TEST

START_TEST (trap_gate_keeps_if)
{
  enter_protected (0);
  set_idt (6, CODE0, 0x6000, SYS_TRAP32, 0);
  env->eflags |= X86_FL_IF;
  DELIVERS (x86_raise (env, EXC_UD));
  ck_assert_uint_eq (env->eip, 0x6000);
  ck_assert (env->eflags & X86_FL_IF);
}
END_TEST

START_TEST (gate_of_16_bits)
{
  enter_protected (0);
  set_idt (13, CODE0, 0x16000, SYS_INT16, 0);
  DELIVERS (x86_raise_error (env, EXC_GP, 0x1234));
  ck_assert_uint_eq (env->eip, 0x6000);
  ck_assert_uint_eq (gpr (env, X86_RSP), STACK0 - 8);
  ck_assert_uint_eq (peek16 (STACK0 - 8), 0x1234);
}
END_TEST

START_TEST (inner_level_takes_its_stack_from_the_tss)
{
  enter_protected (3);
  set_idt (0x80, CODE0, 0x6000, SYS_TRAP32, 3);
  DELIVERS (helper_interrupt (env, 0x80, INSN_EIP + 2));
  ck_assert_uint_eq (x86_cpl (env), 0);
  ck_assert_uint_eq (gpr (env, X86_RSP), STACK0 - 20);
  ck_assert_uint_eq (peek32 (STACK0 - 4), DATA3);
  ck_assert_uint_eq (peek32 (STACK0 - 8), STACK3);
  ck_assert_uint_eq (peek32 (STACK0 - 12), 2);
  ck_assert_uint_eq (peek32 (STACK0 - 16), CODE3);
  ck_assert_uint_eq (peek32 (STACK0 - 20), INSN_EIP + 2);
  SUCCEEDS (helper_iret_protected (env, 4, 0));
  ck_assert_uint_eq (env->eip, INSN_EIP + 2);
  ck_assert_uint_eq (gpr (env, X86_RSP), STACK3);
}
END_TEST

/* INT n through a gate of DPL 0: #GP names the gate, EXT clear; return to the INT itself. */
START_TEST (software_interrupt_needs_the_gate)
{
  enter_protected (3);
  DELIVERS (helper_interrupt (env, 0x80, INSN_EIP + 2));
  ck_assert_uint_eq (env->eip, 0x5000 + 16 * 13);
  ck_assert_uint_eq (peek32 (STACK0 - 24), 0x80 * 8 + 2);
  ck_assert_uint_eq (peek32 (STACK0 - 20), INSN_EIP);
}
END_TEST

START_TEST (icebp_does_not)
{
  enter_protected (3);
  DELIVERS (helper_icebp (env, INSN_EIP + 1));
  ck_assert_uint_eq (env->eip, 0x5000 + 16);
  ck_assert_uint_eq (peek32 (STACK0 - 20), INSN_EIP + 1);
}
END_TEST

START_TEST (ext_bit_of_faults_in_delivery)
{
  enter_protected (0);
  poke32 (IDT + 6 * 8 + 4, 0x0e00);                     /* #UD's gate is not present */
  DELIVERS (x86_raise (env, EXC_UD));
  ck_assert_uint_eq (env->eip, 0x5000 + 16 * 11);
  ck_assert_uint_eq (peek32 (STACK0 - 16), 6 * 8 + 3);
  enter_protected (0);
  set_idt (6, FREE, 0x6000, SYS_INT32, 0);              /* an empty descriptor */
  DELIVERS (x86_raise (env, EXC_UD));
  ck_assert_uint_eq (env->eip, 0x5000 + 16 * 13);
  ck_assert_uint_eq (peek32 (STACK0 - 16), FREE | 1);
  enter_protected (0);
  set_idt (0x80, 0, 0x6000, SYS_INT32, 0);              /* null, by software: EXT clear */
  DELIVERS (helper_interrupt (env, 0x80, 0));
  ck_assert_uint_eq (peek32 (STACK0 - 16), 0);
}
END_TEST

START_TEST (double_fault)
{
  enter_protected (0);
  poke32 (IDT + 13 * 8 + 4, 0x0e00);
  DELIVERS (x86_raise_error (env, EXC_GP, 4));
  ck_assert_uint_eq (env->eip, 0x5000 + 16 * 8);
  ck_assert_uint_eq (peek32 (STACK0 - 16), 0);
  ck_assert_int_eq (env->exc_old, -1);
  ck_assert_uint_eq (stub.resets, 0);
  poke32 (IDT + 8 * 8 + 4, 0x0e00);
  DELIVERS (x86_raise_error (env, EXC_GP, 4));
  ck_assert_uint_eq (stub.resets, 1);
}
END_TEST

START_TEST (inner_stack_faults)
{
  enter_protected (3);
  poke16 (TSS + 8, 0x38);                               /* outside is an empty slot */
  DELIVERS (x86_raise (env, EXC_UD));
  /* #TS cannot be delivered either, nor #DF: the stack is the same */
  ck_assert_uint_eq (stub.resets, 1);
  enter_protected (3);
  env->halted = 0;
  set_descriptor (GDT, 0x40, 0, 0xffffffff, 0xc09f);    /* conforming: the handler of #TS stays in level 3 */
  set_idt (10, 0x40, 0x6000, SYS_INT32, 0);
  poke16 (TSS + 8, 0x38);
  DELIVERS (x86_raise (env, EXC_UD));
  ck_assert_uint_eq (env->eip, 0x6000);
  ck_assert_uint_eq (x86_cpl (env), 3);
  ck_assert_uint_eq (env->segment[X86_CS].selector, 0x43);
  ck_assert_uint_eq (peek32 (STACK3 - 16), 0x39);
}
END_TEST

/* A fault while pushing leaves registers as they were: the stack's page is missing. */
START_TEST (page_fault_in_delivery_leaves_the_old_state)
{
  enter_protected (0);
  poke32 (0x10000, 0x11000 | 7);                        /* page directory: one table */
  for (unsigned i = 0; i < 256; i++)
    poke32 (0x11000 + 4 * i, i << 12 | 7);
  poke32 (0x11000 + 4 * 0x20, 0);
  env->cr3 = 0x10000;
  env->cr0 |= CR0_PG;
  set_gpr (env, X86_RSP, 0x21004);                      /* two pushes fit, the third does not */
  set_descriptor (GDT, TSS_SEL, TSS, 0x3ff, 0x89);
  ATTEMPT (x86_raise (env, EXC_UD));
  stub.in_insn = false;
  if (!sigsetjmp (stub.leave, 0))
    x86_deliver (env);
  ck_assert_int_eq (env->exc_vector, EXC_PF);
  ck_assert_uint_eq (env->cr2, 0x20ffc);
  ck_assert_uint_eq (env->exc_error, 2);
  ck_assert_uint_eq (gpr (env, X86_RSP), 0x21004);
  ck_assert_uint_eq (env->eip, INSN_EIP);
  ck_assert_uint_eq (env->segment[X86_CS].selector, CODE0);
}
END_TEST

/* --- virtual-8086 mode -------------------------------------------------------------------------------- */

START_TEST (from_virtual_8086_to_level_0)
{
  enter_v86 (3);
  set_idt (0x21, CODE0, 0x6000, SYS_INT32, 3);
  DELIVERS (helper_interrupt (env, 0x21, INSN_EIP + 2));
  ck_assert_uint_eq (env->eip, 0x6000);
  ck_assert (!(env->eflags & X86_FL_VM));
  ck_assert_uint_eq (x86_cpl (env), 0);
  ck_assert_uint_eq (gpr (env, X86_RSP), STACK0 - 36);
  ck_assert_uint_eq (peek32 (STACK0 - 4), 0x1000);
  ck_assert_uint_eq (peek32 (STACK0 - 20), 0x2000);
  ck_assert_uint_eq (peek32 (STACK0 - 24), 0xffe);
  ck_assert_uint_eq (peek32 (STACK0 - 28) & X86_FL_VM, X86_FL_VM);
  ck_assert_uint_eq (env->segment[X86_DS].selector, 0);
  SUCCEEDS (helper_iret_protected (env, 4, 0));
  ck_assert (env->hflags & HF_VM);
  ck_assert_uint_eq (env->segment[X86_DS].base, 0x10000);
}
END_TEST

START_TEST (virtual_8086_iopl)
{
  enter_v86 (0);
  set_idt (0x21, CODE0, 0x6000, SYS_INT32, 3);
  DELIVERS (helper_interrupt (env, 0x21, INSN_EIP + 2));
  ck_assert_uint_eq (env->eip, 0x5000 + 16 * 13);
  ck_assert_uint_eq (peek32 (STACK0 - 40), 0);
  enter_v86 (0);
  poke (0x10000 + INSN_EIP, 0xcc, 1);
  set_idt (3, CODE0, 0x6100, SYS_INT32, 3);
  DELIVERS (helper_interrupt (env, 3, INSN_EIP + 1));   /* INT3 is free */
  ck_assert_uint_eq (env->eip, 0x6100);
  enter_v86 (0);
  poke (0x10000 + INSN_EIP, 0x03cd, 2);
  DELIVERS (helper_interrupt (env, 3, INSN_EIP + 2));   /* INT 3 is not */
  ck_assert_uint_eq (env->eip, 0x5000 + 16 * 13);
}
END_TEST

START_TEST (interrupt_redirection)
{
  enter_v86 (0);
  env->cr4 = CR4_VME;
  env->eflags |= X86_FL_VIF;
  x86_update_hflags (env);
  poke32 (0x21 * 4, 0x30000444);
  DELIVERS (helper_interrupt (env, 0x21, INSN_EIP + 2));
  ck_assert_uint_eq (env->eip, 0x444);
  ck_assert_uint_eq (env->segment[X86_CS].base, 0x30000);
  ck_assert (env->eflags & X86_FL_VM);
  ck_assert (!(env->eflags & X86_FL_VIF));
  ck_assert (env->eflags & X86_FL_IF);
  ck_assert_uint_eq (peek16 (0x20ffc), 2 | X86_FL_IF | X86_FL_IOPL);
  SUCCEEDS (helper_iret_real (env, 2));
  ck_assert (env->eflags & X86_FL_VIF);
  ck_assert_uint_eq (env->segment[X86_CS].base, 0x10000);
  poke (TSS + 0x80 - 32 + 0x21 / 8, 1 << (0x21 & 7), 1);        /* this one goes to the monitor */
  DELIVERS (helper_interrupt (env, 0x21, INSN_EIP + 2));
  ck_assert_uint_eq (env->eip, 0x5000 + 16 * 13);
}
END_TEST

/* --- interrupts from outside ----------------------------------------------------------------------------- */

START_TEST (maskable_interrupt)
{
  enter_protected (0);
  stub.pending = BP_VCPU_IRQ_HARD;
  stub.vector = 0x20;
  ck_assert (!take_interrupt ());
  ck_assert (!x86_wakes (env, stub.pending));
  SUCCEEDS (helper_sti (env));
  ck_assert_uint_eq (stub.leave_soons, 1);
  ck_assert (!take_interrupt ());                       /* not before the next instruction is done */
  env->hflags &= ~HF_INHIBIT;
  env->halted = HALTED_HLT;
  ck_assert (x86_wakes (env, stub.pending));
  ck_assert (take_interrupt ());
  ck_assert_uint_eq (env->eip, 0x5000 + 16 * 0x20);
  ck_assert_uint_eq (env->halted, 0);
  ck_assert_uint_eq (peek32 (STACK0 - 4), 2 | X86_FL_IF);
  env->eflags |= X86_FL_IF;
  stub.vector = -1;
  ck_assert (!take_interrupt ());
}
END_TEST

START_TEST (a_request_that_went_before_the_lock_was_free_is_not_acknowledged)
{
  enter_protected (0);
  env->eflags |= X86_FL_IF;
  stub.pending = stub.withdrawn = BP_VCPU_IRQ_HARD;
  stub.vector = 0x27;
  ck_assert (!take_interrupt ());
  stub.withdrawn = 0;
  stub.pending = BP_VCPU_IRQ_HARD;
  ck_assert (take_interrupt ());
  ck_assert_uint_eq (env->eip, 0x5000 + 16 * 0x27);
}
END_TEST

START_TEST (nmi_masks_itself_until_iret)
{
  enter_protected (0);
  stub.pending = BP_VCPU_IRQ_NMI;
  ck_assert (take_interrupt ());
  ck_assert_uint_eq (env->eip, 0x5000 + 32);
  ck_assert_uint_eq (stub.pending, 0);
  stub.pending = BP_VCPU_IRQ_NMI;
  ck_assert (!take_interrupt ());
  SUCCEEDS (helper_iret_protected (env, 4, 0));
  ck_assert (take_interrupt ());
}
END_TEST

START_TEST (init_resets)
{
  enter_protected (0);
  stub.pending = BP_VCPU_IRQ_INIT | BP_VCPU_IRQ_HARD;
  ck_assert (take_interrupt ());
  ck_assert_uint_eq (env->eip, 0xfff0);
  ck_assert_uint_eq (stub.pending, BP_VCPU_IRQ_HARD);
  ck_assert_uint_eq (stub.flushes_all, 1);
}
END_TEST

START_TEST (halt)
{
  ATTEMPT (helper_hlt (env, INSN_EIP + 1));
  ck_assert (stub.left && x86_is_halted (env));
  ck_assert_uint_eq (env->eip, INSN_EIP + 1);
  ck_assert_uint_eq (stub.shutdowns, 0);
  env->exit_on_halt = 1;
  env->eflags |= X86_FL_IF;
  ATTEMPT (helper_hlt (env, INSN_EIP + 1));
  ck_assert_uint_eq (stub.shutdowns, 0);
  env->eflags &= ~X86_FL_IF;
  ATTEMPT (helper_hlt (env, INSN_EIP + 1));
  ck_assert_uint_eq (stub.shutdowns, 1);
}
END_TEST

/* --- debugging --------------------------------------------------------------------------------------------- */

START_TEST (single_step)
{
  enter_protected (0);
  env->eflags |= X86_FL_TF;
  ATTEMPT (helper_single_step (env));
  ck_assert (stub.left && stub.pending == X86_IRQ_TRAP);
  env->eip = INSN_EIP + 3;
  ck_assert (take_interrupt ());
  ck_assert_uint_eq (env->eip, 0x5000 + 16);
  ck_assert_uint_eq (env->dr[6], 0xffff4ff0);
  ck_assert_uint_eq (peek32 (STACK0 - 12), INSN_EIP + 3);
  ck_assert_uint_eq (peek32 (STACK0 - 4), 2 | X86_FL_TF);
  ck_assert (!(env->eflags & X86_FL_TF));
}
END_TEST

/* Pages, kinds, lengths; a fault takes the hits back. */
START_TEST (data_breakpoint)
{
  env->cr4 = CR4_DE;
  env->dr[0] = 0x12346;
  env->dr[1] = 0x70;
  SUCCEEDS (helper_mov_to_dr (env, 7, 0xa | 5 << 16 | 2 << 20));        /* store, 2 bytes; port, 1 byte */
  ck_assert (stub.flushes_all > 0);
  ck_assert (env->hflags & HF_BREAKPOINTS);
  ck_assert (x86_is_watched (env, 0x12000));
  ck_assert (!x86_is_watched (env, 0x13000));
  ck_assert (!x86_watch (env, 0x12346, 4, BP_MMU_LOAD, true));
  ck_assert (!x86_watch (env, 0x12344, 2, BP_MMU_STORE, true));
  ck_assert_uint_eq (stub.pending, 0);
  ck_assert (x86_watch (env, 0x12344, 4, BP_MMU_STORE, false));         /* do it again alone */
  ck_assert_uint_eq (stub.pending, 0);
  ck_assert (!x86_watch (env, 0x12347, 4, BP_MMU_STORE, true));
  ck_assert_uint_eq (stub.pending, X86_IRQ_TRAP);
  ck_assert_uint_eq (env->dr[6] & 15, 1);
  FAULTS (EXC_GP, 0, x86_raise_error (env, EXC_GP, 0));
  ck_assert_uint_eq (stub.pending, 0);
  ck_assert_uint_eq (env->dr[6] & 15, 0);
  helper_in (env, 0x71, 1);
  ck_assert_uint_eq (stub.pending, 0);
  helper_in (env, 0x6f, 2);
  ck_assert_uint_eq (stub.pending, X86_IRQ_TRAP);
  ck_assert_uint_eq (env->dr[6] & 15, 2);
}
END_TEST

START_TEST (instruction_breakpoint)
{
  enter_protected (0);
  SUCCEEDS (helper_mov_to_dr (env, 1, 0x12345));
  SUCCEEDS (helper_mov_to_dr (env, 7, 1 << 2));
  ck_assert (env->hflags & HF_BREAKPOINTS);
  SUCCEEDS (helper_check_breakpoint (env, 0x12344));
  DELIVERS (helper_check_breakpoint (env, 0x12345));
  ck_assert_uint_eq (env->dr[6], 0xffff0ff2);
  ck_assert_uint_eq (peek32 (STACK0 - 4), 2);
  env->eflags |= X86_FL_RF;
  SUCCEEDS (helper_check_breakpoint (env, 0x12345));
}
END_TEST

START_TEST (debug_registers)
{
  enter_protected (0);
  SUCCEEDS (helper_mov_to_dr (env, 6, 0));
  ck_assert_uint_eq (helper_mov_from_dr (env, 6), 0xffff0ff0);
  ck_assert_uint_eq (helper_mov_from_dr (env, 4), 0xffff0ff0);
  env->cr4 = CR4_DE;
  FAULTS (EXC_UD, 0, helper_mov_from_dr (env, 4));
  SUCCEEDS (helper_mov_to_dr (env, 7, DR7_GD));
  DELIVERS (helper_mov_from_dr (env, 0));
  ck_assert_uint_eq (env->dr[6], 0xffff2ff0);
  ck_assert_uint_eq (env->dr[7], 0x400);
}
END_TEST

/* --- flags ------------------------------------------------------------------------------------------------------ */

START_TEST (cli_sti_popf)
{
  enter_protected (3);
  FAULTS (EXC_GP, 0, helper_cli (env));
  SUCCEEDS (helper_popf (env, 0x3202 | X86_FL_CF | X86_FL_VM | X86_FL_RF, 4));
  ck_assert_uint_eq (x86_eflags (env), 3);
  env->eflags |= X86_FL_IOPL;
  SUCCEEDS (helper_sti (env));
  ck_assert (env->eflags & X86_FL_IF && env->hflags & HF_INHIBIT);
  SUCCEEDS (helper_popf (env, X86_FL_AC | X86_FL_ID, 4));
  ck_assert_uint_eq (x86_eflags (env), 2 | X86_FL_AC | X86_FL_ID | X86_FL_IOPL);
  enter_protected (0);
  SUCCEEDS (helper_popf (env, 0xffffffff & ~X86_FL_TF, 2));
  ck_assert_uint_eq (x86_eflags (env) & 0xffff, 0x7ed7);
}
END_TEST

START_TEST (flags_in_virtual_8086)
{
  enter_v86 (0);
  FAULTS (EXC_GP, 0, helper_popf (env, 0, 2));
  FAULTS (EXC_GP, 0, helper_pushf_check (env));
  FAULTS (EXC_GP, 0, helper_sti (env));
  env->cr4 = CR4_VME;
  SUCCEEDS (helper_sti (env));
  ck_assert (env->eflags & X86_FL_VIF);
  poke (0x10000 + INSN_EIP, 0x9c, 1);
  SUCCEEDS (helper_pushf_check (env));
  ck_assert_uint_eq (helper_read_eflags (env) & 0xffff, 2 | X86_FL_IF | X86_FL_IOPL);
  poke (0x10000 + INSN_EIP, 0x9c66, 2);
  FAULTS (EXC_GP, 0, helper_pushf_check (env));
  env->eflags |= X86_FL_VIP;
  FAULTS (EXC_GP, 0, helper_popf (env, X86_FL_IF, 2));
  SUCCEEDS (helper_popf (env, X86_FL_CF, 2));
  ck_assert (!(env->eflags & X86_FL_VIF));
  FAULTS (EXC_GP, 0, helper_sti (env));
}
END_TEST

/* --- ports ----------------------------------------------------------------------------------------------------------- */

START_TEST (port_permissions)
{
  enter_protected (3);
  env->segment[BP_X86_TR].limit = 0x80 + 2;             /* bitmap of 2 bytes, and its end */
  poke16 (TSS + 0x80, 0x0104);
  SUCCEEDS (helper_check_io (env, 0, 2));
  FAULTS (EXC_GP, 0, helper_check_io (env, 2, 1));
  FAULTS (EXC_GP, 0, helper_check_io (env, 0, 4));
  FAULTS (EXC_GP, 0, helper_check_io (env, 7, 2));      /* its second port is in the next byte */
  SUCCEEDS (helper_check_io (env, 15, 1));
  FAULTS (EXC_GP, 0, helper_check_io (env, 16, 1));
  env->eflags |= X86_FL_IOPL;
  SUCCEEDS (helper_check_io (env, 2, 1));
  env->eflags = 2;
  env->segment[BP_X86_TR].attributes = 0x83;            /* a 16-bit TSS has no bitmap */
  FAULTS (EXC_GP, 0, helper_check_io (env, 0, 1));
  helper_out (env, 0x3f8, 0x41, 1);
  ck_assert_uint_eq (stub.port, 0x3f8);
  ck_assert_uint_eq (helper_in (env, 0x3f8, 1), 0x41);
}
END_TEST

/* --- host faults ---------------------------------------------------------------------------------------------------------- */

START_TEST (host_faults)
{
  enter_protected (0);
  x86_host_fault (env, BP_HOST_FAULT_DIVIDE);
  ck_assert_int_eq (env->exc_vector, EXC_DE);
  x86_host_fault (env, BP_HOST_FAULT_FP);
  ck_assert_int_eq (env->exc_vector, EXC_MF);
  x86_host_fault (env, BP_HOST_FAULT_SIMD);
  ck_assert_int_eq (env->exc_vector, EXC_UD);
  env->cr4 = CR4_OSXMMEXCPT;
  x86_host_fault (env, BP_HOST_FAULT_SIMD);
  ck_assert_int_eq (env->exc_vector, EXC_XM);
  x86_host_fault (env, BP_HOST_FAULT_ALIGN);
  ck_assert_int_eq (env->exc_vector, EXC_GP);
  env->cr0 &= ~(uint64_t) CR0_NE;
  x86_host_fault (env, BP_HOST_FAULT_FP);
  ck_assert_int_eq (env->exc_vector, -1);
  ck_assert_int_eq (stub.pin_edges, 1);
  ck_assert (x86_is_halted (env));
}
END_TEST

START_TEST (two_rules_about_alignment)
{
  enter_protected (3);
  env->cr0 |= CR0_AM;
  env->eflags |= X86_FL_AC;
  x86_update_hflags (env);
  env->eip = INSN_EIP;
  poke32 (INSN_EIP, 0x0000018b);                        /* mov (%ecx),%eax */
  x86_host_fault (env, BP_HOST_FAULT_ALIGN);
  ck_assert_int_eq (env->exc_vector, EXC_AC);
  poke32 (INSN_EIP, 0x0001280f);                        /* movaps (%ecx),%xmm0 */
  x86_host_fault (env, BP_HOST_FAULT_ALIGN);
  ck_assert_int_eq (env->exc_vector, EXC_GP);
}
END_TEST

/* --- the magic instruction ------------------------------------------------------------------------- */

static uint64_t marked;
static void on_marker (void *cpu, uint64_t number) { marked = number; }

START_TEST (marker_of_accelerators_that_have_it)
{
  BpTcgOps ops = { .struct_size = sizeof ops, .marker = on_marker };
  env->tcg.ops = &ops;
  helper_marker (env, 0xfffffff0);
  ck_assert_uint_eq (marked, 0xfffffff0);
  ops.struct_size = offsetof (BpTcgOps, marker);        /* built before it */
  helper_marker (env, 1);
  ops = (BpTcgOps) { .struct_size = sizeof ops };
  helper_marker (env, 2);
  ck_assert_uint_eq (marked, 0xfffffff0);
}
END_TEST

static void
add (TCase *tc)
{
  tcase_add_test (tc, real_mode_interrupt);
  tcase_add_test (tc, real_mode_faults_push_no_error_code);
  tcase_add_test (tc, real_mode_without_a_table_shuts_down);
  tcase_add_test (tc, interrupt_gate_in_the_same_level);
  tcase_add_test (tc, trap_gate_keeps_if);
  tcase_add_test (tc, gate_of_16_bits);
  tcase_add_test (tc, inner_level_takes_its_stack_from_the_tss);
  tcase_add_test (tc, software_interrupt_needs_the_gate);
  tcase_add_test (tc, icebp_does_not);
  tcase_add_test (tc, ext_bit_of_faults_in_delivery);
  tcase_add_test (tc, double_fault);
  tcase_add_test (tc, inner_stack_faults);
  tcase_add_test (tc, page_fault_in_delivery_leaves_the_old_state);
  tcase_add_test (tc, from_virtual_8086_to_level_0);
  tcase_add_test (tc, virtual_8086_iopl);
  tcase_add_test (tc, interrupt_redirection);
  tcase_add_test (tc, maskable_interrupt);
  tcase_add_test (tc, a_request_that_went_before_the_lock_was_free_is_not_acknowledged);
  tcase_add_test (tc, nmi_masks_itself_until_iret);
  tcase_add_test (tc, init_resets);
  tcase_add_test (tc, halt);
  tcase_add_test (tc, single_step);
  tcase_add_test (tc, instruction_breakpoint);
  tcase_add_test (tc, data_breakpoint);
  tcase_add_test (tc, debug_registers);
  tcase_add_test (tc, cli_sti_popf);
  tcase_add_test (tc, flags_in_virtual_8086);
  tcase_add_test (tc, port_permissions);
  tcase_add_test (tc, host_faults);
  tcase_add_test (tc, two_rules_about_alignment);
  tcase_add_test (tc, marker_of_accelerators_that_have_it);
}

int
main (void)
{
  void (*const tests[]) (TCase *) = { add };
  return run_suite ("exception", tests, 1);
}
