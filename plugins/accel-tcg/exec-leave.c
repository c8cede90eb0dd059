/* exec-leave.c -- how C code that a block called leaves it: with its instruction done or undone, now or at the block's end.  Built with -mgeneral-regs-only. */
/* SPDX-License-Identifier: MIT */
#include "instr.h"

/* --- where generated code was ---------------------------------------------------------- */

/* The guest instruction being executed, from the return address that the thunk recorded. */
static const TbInsn *
current_insn (TcgVcpu *v, Tb **tb_out)
{
  Tb *tb = v->ret_pc ? tb_left (tb_at (v->machine, v->ret_pc - 1)) : NULL;
  *tb_out = tb;
  if (!tb)
    return NULL;
  int i = tb_insn_at (tb, (const uint8_t *) v->ret_pc - 1);
  return i < 0 ? NULL : &tb->insns[i];
}

/* Puts pc and flag representation of the current instruction into the state. */
void
tcg_restore (TcgVcpu *v)
{
  Tb *tb;
  const TbInsn *insn = current_insn (v, &tb);
  if (!insn)
    return;
  int i = (int) (insn - tb->insns);
  tb_recover (tb, i, v);
  v->frontend->restore (v, tb_insn_pc (tb, (unsigned) i), insn->word);
}

/* What follows the current instruction in its block (`executed`: and is not the instruction itself) was paid for but not run. */
static void
refund (TcgVcpu *v, unsigned executed)
{
  Tb *tb;
  const TbInsn *insn = current_insn (v, &tb);
  if (insn && tb->cflags & BP_TCG_CF_ICOUNT)
    v->icount_left += (int64_t) (tb->n_insns - (uint32_t) (insn - tb->insns) - executed);
  if (insn && tb->instr)
    instr_not_executed (v, tb, (unsigned) (insn - tb->insns) + executed, executed);
}

/* --- at once ------------------------------------------------------------------------------- */

static void leave (TcgVcpu *v) __attribute__ ((noreturn));
static void
leave (TcgVcpu *v)
{
  v->ret_pc = 0;
  siglongjmp (*v->leave_buffer, 1);
}

void
tcg_leave_loop (TcgVcpu *v)
{
  fp_leave (v);
  refund (v, 1);
  leave (v);
}

/* As if the current instruction had not been begun. */
static void
undo (TcgVcpu *v)
{
  fp_leave (v);
  tcg_restore (v);
  refund (v, 0);
}

static void
undo_for_fault (TcgVcpu *v)
{
  undo (v);
  if (G_UNLIKELY (v->machine->debug != NULL))
    debug_forget_hit (v);
  tcg_extra (v)->in_event = true;
}

void
tcg_raise (TcgVcpu *v)
{
  undo_for_fault (v);
  leave (v);
}

void
tcg_host_fault (TcgVcpu *v, BpHostFault fault)
{
  undo_for_fault (v);
  v->ret_pc = 0;                /* restored: once is enough */
  v->frontend->host_fault (v, fault);
  leave (v);
}

void
tcg_begin_again (TcgVcpu *v)
{
  undo (v);
  leave (v);
}

void
tcg_redo_alone (TcgVcpu *v)
{
  undo (v);
  tcg_extra (v)->one_insn = true;
  leave (v);
}

/* --- at the block's end ------------------------------------------------------------------- */

/* Take the direct jumps out of the block that the vCPU is in, so that it comes back to the loop at its end. */
void
tcg_leave_block (void *env)
{
  TcgVcpu *v = env;
  TcgMachine *m = v->machine;
  v->events &= ~(uint32_t) TCG_EVENT_LEAVE;
  tcg_ask_to_leave (v);
  tb_unlink_exits (m, tb_left (tb_at (m, v->ret_pc - 1)));
}

void
tcg_after_device (TcgVcpu *v)
{
  uint32_t pending = bp_vcpu_pending (v->vcpu);
  if (v->exit_request)
    return;
  if (G_UNLIKELY (bp_vcpu_is_held (v->vcpu)) || (G_UNLIKELY (pending) && v->frontend->wakes (v, pending)))
    tcg_leave_soon (v);
}
