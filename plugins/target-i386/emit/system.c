/* system.c -- control and debug registers, MSRs, time, halting, interrupt flag, caches. */
/* SPDX-License-Identifier: MIT */

#include "translate.h"

/* What comes next may run in another mode. */
static void
change_mode (Translator *s)
{
  s->mode_changed = s->end_block = true;
}

static void
set_edx_eax (Translator *s, BpTemp wide)
{
  BpTemp high = bp_ir_local (s->b, BP_IR_I64);
  bp_ir_op3 (s->b, BP_IR_shr, BP_IR_I64, high, wide, bp_ir_i64 (s->b, 32));
  write_gpr (s, X86_RAX, 4, false, op2 (s, BP_IR_trunc, wide));
  write_gpr (s, X86_RDX, 4, false, op2 (s, BP_IR_trunc, high));
}

/* --- control and debug registers -------------------------------------------------------------- */

void
emit_mov_to_cr (Translator *s, const X86Insn *insn)
{
  flags_store_op (s);
  emit_call (s, H_mov_to_cr, BP_IR_NONE, BP_IR_ENV, i32 (s, insn->operand[0].reg), operand (s, insn, 1));
  change_mode (s);
}

void
emit_mov_from_cr (Translator *s, const X86Insn *insn)
{
  BpTemp r = local64 (s);
  emit_call (s, H_mov_from_cr, r, BP_IR_ENV, i32 (s, insn->operand[1].reg));
  set_operand (s, insn, 0, r);
}

void
emit_mov_to_dr (Translator *s, const X86Insn *insn)
{
  flags_store_op (s);
  emit_call (s, H_mov_to_dr, BP_IR_NONE, BP_IR_ENV, i32 (s, insn->operand[0].reg), operand (s, insn, 1));
  change_mode (s);
}

void
emit_mov_from_dr (Translator *s, const X86Insn *insn)
{
  BpTemp r = local64 (s);
  emit_call (s, H_mov_from_dr, r, BP_IR_ENV, i32 (s, insn->operand[1].reg));
  set_operand (s, insn, 0, r);
}

void
emit_umip_check (Translator *s)
{
  if (s->cpl > 0)
    emit_call (s, H_umip_check, BP_IR_NONE, BP_IR_ENV);
}

void
emit_smsw (Translator *s, const X86Insn *insn)
{
  emit_umip_check (s);
  set_operand (s, insn, 0, load_env64 (s, offsetof (X86Cpu, cr0)));
}

void
emit_lmsw (Translator *s, const X86Insn *insn)
{
  flags_store_op (s);
  emit_call (s, H_lmsw, BP_IR_NONE, BP_IR_ENV, operand_zx (s, insn, 0));
  change_mode (s);
}

void
emit_clts (Translator *s, const X86Insn *insn)
{
  emit_call (s, H_clts, BP_IR_NONE, BP_IR_ENV);
  change_mode (s);
}

void
emit_invlpg (Translator *s, const X86Insn *insn)
{
  emit_call (s, H_invlpg, BP_IR_NONE, BP_IR_ENV, operand_linear (s, insn, 0));
  change_mode (s);
}

void
emit_invpcid (Translator *s, const X86Insn *insn)
{
  BpTemp type = operand (s, insn, 0), linear = operand_linear (s, insn, 1);
  BpTemp pcid = emit_load (s, linear, 8), address = emit_load (s, linear_plus (s, linear, 8), 8);
  emit_call (s, H_invpcid, BP_IR_NONE, BP_IR_ENV, type, pcid, address);
  change_mode (s);
}

/* --- identification, time, model-specific registers ------------------------------------------- */

void
emit_cpuid (Translator *s, const X86Insn *insn)
{
  emit_call (s, H_cpuid, BP_IR_NONE, BP_IR_ENV);
}

static void
emit_read_wide (Translator *s, unsigned helper)
{
  BpTemp wide = local64 (s);
  emit_call (s, helper, wide, BP_IR_ENV);
  set_edx_eax (s, wide);
  if (s->t->cflags & BP_TCG_CF_ICOUNT)
    s->end_block = true;
}

void
emit_rdtscp (Translator *s, const X86Insn *insn)
{
  emit_read_wide (s, H_rdtsc);
  write_gpr (s, X86_RCX, 4, false, ENV32 (s, tsc_aux));
}

void
emit_rdpid (Translator *s, const X86Insn *insn)
{
  set_operand (s, insn, 0, load_env64 (s, offsetof (X86Cpu, tsc_aux)));
}

void emit_rdtsc (Translator *s, const X86Insn *insn) { emit_read_wide (s, H_rdtsc); }
void emit_rdpmc (Translator *s, const X86Insn *insn) { emit_read_wide (s, H_rdpmc); }
void emit_rdmsr (Translator *s, const X86Insn *insn) { emit_read_wide (s, H_rdmsr); }

void
emit_wrmsr (Translator *s, const X86Insn *insn)
{
  flags_store_op (s);
  emit_call (s, H_wrmsr, BP_IR_NONE, BP_IR_ENV);
  change_mode (s);
}

/* Instruments hear of it, and may start or stop: what comes next may be translated otherwise. */
void
emit_marker (Translator *s)
{
  flags_store_op (s);
  emit_call (s, H_marker, BP_IR_NONE, BP_IR_ENV, zx64 (s, gpr (X86_RAX), 4));
  change_mode (s);
}

/* --- halting and interrupts ------------------------------------------------------------------- */

void
emit_hlt (Translator *s, const X86Insn *insn)
{
  flags_store_op (s);
  emit_call (s, H_hlt, BP_IR_NONE, BP_IR_ENV, next_eip (s));
  s->ended = true;
}

/* ECX: extensions, none known (SDM 2B, MONITOR).  The address is only read. */
void
emit_monitor (Translator *s, const X86Insn *insn)
{
  uint32_t good = bp_ir_label_new (s->b);
  bp_ir_brcond (s->b, BP_IR_I32, BP_IR_EQ, gpr (X86_RCX), i32 (s, 0), good);
  emit_raise_error (s, EXC_GP, 0);
  bp_ir_label (s->b, good);
  unsigned seg = insn->seg_override == X86_NO_REG ? X86_DS : insn->seg_override;
  BpTemp offset = zx (s, gpr (X86_RAX), insn->adsize);
  emit_load (s, emit_linear (s, seg, offset, insn->adsize, 1, X86_ACCESS_R), 1);
}

void
emit_mwait (Translator *s, const X86Insn *insn)
{
  flags_store_op (s);
  emit_call (s, H_mwait, BP_IR_NONE, BP_IR_ENV, next_eip (s));
  s->mode_changed = true;
}

/* CLI and STI are decided by IOPL and, in virtual-8086 mode or with PVI, by more: the helper's rules. */
void
emit_cli (Translator *s, const X86Insn *insn)
{
  if (!s->is_vm86 && s->io_ok) {
    SET_ENV32 (s, eflags, op3i (s, BP_IR_and, ENV32 (s, eflags), ~(uint32_t) X86_FL_IF));
    return;
  }
  flags_store_op (s);
  emit_call (s, H_cli, BP_IR_NONE, BP_IR_ENV);
}

void
emit_sti (Translator *s, const X86Insn *insn)
{
  flags_store_op (s);
  emit_call (s, H_sti, BP_IR_NONE, BP_IR_ENV);
  change_mode (s);
}

/* --- user pages in the kernel's reach -------------------------------------------------------------
 * HF_SMAP says that CR4.SMAP is set and EFLAGS.AC clear.  The rest of the block is translated for the other
 * state. */

static void
set_smap (Translator *s, bool on)
{
  uint32_t bit = HF_SMAP;
  BpTemp mode = ENV32 (s, hflags);
  SET_ENV32 (s, hflags, on ? op3i (s, BP_IR_or, mode, bit) : op3i (s, BP_IR_and, mode, ~bit));
  s->hflags = on ? s->hflags | bit : s->hflags & ~bit;
  s->mmu = x86_mmu_index_of (s->hflags);
  s->end_block = s->mode_changed;
}

void
emit_stac (Translator *s, const X86Insn *insn)
{
  SET_ENV32 (s, eflags, op3i (s, BP_IR_or, ENV32 (s, eflags), X86_FL_AC));
  set_smap (s, false);
}

/* Whether CR4.SMAP is set is not in the block's key: most likely it is as it was when this was translated. */
void
emit_clac (Translator *s, const X86Insn *insn)
{
  bool on = s->env->cr4 & CR4_SMAP;
  s->end_block = s->mode_changed;
  if (s->hflags & HF_SMAP)
    return;
  uint32_t as_guessed = bp_ir_label_new (s->b);
  flags_store_op (s);           /* on both ways */
  SET_ENV32 (s, eflags, op3i (s, BP_IR_and, ENV32 (s, eflags), ~(uint32_t) X86_FL_AC));
  BpTemp smap = op3i (s, BP_IR_and, ENV32 (s, cr4), CR4_SMAP);
  bp_ir_brcond (s->b, BP_IR_I32, on ? BP_IR_NE : BP_IR_EQ, smap, i32 (s, 0), as_guessed);
  BpTemp mode = ENV32 (s, hflags), bit = i32 (s, HF_SMAP);
  SET_ENV32 (s, hflags, on ? op3i (s, BP_IR_and, mode, ~(uint32_t) HF_SMAP) : op3 (s, BP_IR_or, mode, bit));
  emit_next_eip (s);
  emit_go_anywhere (s);
  bp_ir_label (s->b, as_guessed);
  set_smap (s, on);
}

void
emit_rdpkru (Translator *s, const X86Insn *insn)
{
  BpTemp value = bp_ir_local (s->b, BP_IR_I32);
  emit_call (s, H_rdpkru, value, BP_IR_ENV);
  write_gpr (s, X86_RAX, 4, false, value);
  write_gpr (s, X86_RDX, 4, false, i32 (s, 0));
}

void
emit_wrpkru (Translator *s, const X86Insn *insn)
{
  emit_call (s, H_wrpkru, BP_IR_NONE, BP_IR_ENV);
}

/* --- system calls ------------------------------------------------------------------------------- */

/* It has seen to a single-step trap itself. */
static void
go_where_helper_went (Translator *s)
{
  flags_dynamic (s, CC_EFLAGS);
  emit_go_anywhere (s);
  s->ended = true;
}

void
emit_syscall (Translator *s, const X86Insn *insn)
{
  flags_store_op (s);
  emit_call (s, H_syscall, BP_IR_NONE, BP_IR_ENV, next_eip (s));
  go_where_helper_went (s);
}

void
emit_sysret (Translator *s, const X86Insn *insn)
{
  flags_store_op (s);
  emit_call (s, H_sysret, BP_IR_NONE, BP_IR_ENV, i32 (s, insn->opsize));
  go_where_helper_went (s);
}

/* --- caches and ordering ---------------------------------------------------------------------- */

void
emit_fence (Translator *s, const X86Insn *insn)
{
  bp_ir_append (s->b, BP_IR_fence, BP_IR_I32)->aux = insn->op == X86_OP_LFENCE ? 1
    : insn->op == X86_OP_SFENCE ? 2 : 3;
}

/* There is no cache to flush, but the address must be readable. */
void
emit_clflush (Translator *s, const X86Insn *insn)
{
  operand (s, insn, 0);
}

/* INVD, WBINVD */
void
emit_wbinvd (Translator *s, const X86Insn *insn)
{
}
