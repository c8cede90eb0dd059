/* icount.c -- deterministic mode: virtual time follows the instructions executed.  Built with -mgeneral-regs-only. */
/* SPDX-License-Identifier: MIT */
/*
 * The loop grants a budget up to the next virtual timer; each block takes its instructions off icount_left at its start, and the loop
 * runs a shortened block for the rest.  So a timer fires at the same instruction in every run.
 */
#include <string.h>
#include "ir-info.h"
#include "machine-tcg.h"

#define BUDGET_MAX 1000000

void
icount_start (TcgVcpu *v)
{
  VcpuExtra *x = tcg_extra (v);
  TcgMachine *m = v->machine;
  int64_t next = bp_machine_next_virtual_timer (m->machine), now = icount_time (m);
  int64_t left = BUDGET_MAX;
  if (next != INT64_MAX) {
    int64_t until = (next - now + ((INT64_C (1) << m->icount_shift) - 1)) >> m->icount_shift;
    left = until < 1 ? 1 : until < left ? until : left;
  }
  x->icount_budget = left;
  v->icount_left = left;
}

void
icount_stop (TcgVcpu *v)
{
  VcpuExtra *x = tcg_extra (v);
  x->icount_done += (uint64_t) (x->icount_budget - v->icount_left);
  x->icount_budget = v->icount_left = 0;
  __atomic_store_n (&x->icount_seen, x->icount_done + x->icount_skew, __ATOMIC_RELEASE);
}

uint64_t
icount_now (TcgVcpu *v)
{
  VcpuExtra *x = tcg_extra (v);
  int64_t left = v->icount_left;
  Tb *tb = v->ret_pc ? tb_left (tb_at (v->machine, v->ret_pc - 1)) : NULL;
  if (tb && tb->cflags & BP_TCG_CF_ICOUNT) {
    int i = tb_insn_at (tb, (const uint8_t *) v->ret_pc - 1);
    if (i >= 0)
      left += (int64_t) (tb->n_insns - (uint32_t) i);
  }
  return x->icount_done + (uint64_t) (x->icount_budget - left);
}

int64_t
icount_time (TcgMachine *m)
{
  if (m->vcpus->len == 0)
    return 0;
  TcgVcpu *v = m->vcpus->pdata[0];
  VcpuExtra *x = tcg_extra (v);
  uint64_t n = bp_vcpu_is_current (v->vcpu) ? icount_now (v) + x->icount_skew : __atomic_load_n (&x->icount_seen, __ATOMIC_ACQUIRE);
  return (int64_t) (n << m->icount_shift);
}

static void
insert_refund (BpIrBlock *ir, uint32_t at, uint32_t n)
{
  uint32_t before = ir->n_insns, added;
  BpTemp left = bp_ir_local (ir, BP_IR_I64);
  bp_ir_ld (ir, BP_IR_ld64, BP_IR_I64, left, BP_IR_ENV, offsetof (TcgVcpu, icount_left));
  bp_ir_op3 (ir, BP_IR_add, BP_IR_I64, left, left, bp_ir_const (ir, BP_IR_I64, n));
  bp_ir_st (ir, BP_IR_st64, left, BP_IR_ENV, offsetof (TcgVcpu, icount_left));
  added = ir->n_insns - before;
  BpIrInsn last[3];
  memcpy (last, ir->insns + before, added * sizeof *last);
  memmove (ir->insns + at + added, ir->insns + at, (before - at) * sizeof *last);
  memcpy (ir->insns + at, last, added * sizeof *last);
}

/* A block is paid for when it is entered; an exit before its end pays back what comes behind. */
void
icount_weave (BpIrBlock *ir, uint32_t n_insns)
{
  uint32_t insn = 0;            /* that have begun */
  bool is_leaving = false;
  for (uint32_t i = 0; i < ir->n_insns && insn < n_insns; i++) {
    unsigned op = ir->insns[i].op;
    bool is_exit = ir_is_exit (op) && !is_leaving;
    insn += op == BP_IR_insn_start;
    is_leaving = op == BP_IR_goto_tb || (is_leaving && !ir_is_exit (op));
    if (is_exit && insn < n_insns) {
      uint32_t before = ir->n_insns;
      insert_refund (ir, i, n_insns - insn);
      i += ir->n_insns - before;
    }
  }
}
