/* opt-recover.c -- one backward pass: what only a fault would see in a global is computed when the fault comes. */
/* SPDX-License-Identifier: MIT */
/*
 * Compiled code sets flags all the time that the next arithmetic overwrites.  Mostly nothing looks at them but the loads and stores in
 * between, which may fault.  Such a write is left out when all that it reads are constants and globals that still hold the same at each
 * insn that would see it, and the block is told a *recovery* instead: for which guest instructions the global is to be computed when a
 * fault is taken there (tb_recover).
 *
 * The operands are found in the CPU's state then, so their own values have to be there: leaving a write out counts as reading them.
 * Recoveries hold for whole guest instructions, of which faults see what was before (ir.h, PRECISE FAULTS): a write that a later insn of
 * its own instruction may see is not touched, and nothing that it overwrites is.
 */
#include "ir-info.h"
#include "opt-scratch.h"

#define NOWHERE 0xffffffffu

typedef struct Global {
  uint32_t written;             /* the insn nearest below that writes it, left out or not */
  uint32_t n_faults;            /* those that had been met there: the others see what is written above */
  bool needed;                  /* more than faults see what is written above */
} Global;

typedef struct Fault {
  uint32_t at;
  uint32_t starts;              /* guest instructions that begin below */
} Fault;

typedef struct Recover {
  BpIrBlock *ir;
  GArray *recoveries;           /* of TbRecovery; first and last count from the end until the pass is done */
  Global *global;               /* by temp */
  Fault *faults;                /* that were met: the highest is the last */
  uint32_t n_faults;
  uint32_t starts;
  bool seen;                    /* an insn below, of the same guest instruction, may look at every global */
} Recover;

/* --- what may be left out ---------------------------------------------------------------------- */

static bool
is_recoverable (const BpIrInsn *insn)
{
  switch (insn->op) {
  case BP_IR_mov:
  case BP_IR_add:
  case BP_IR_sub:
  case BP_IR_mul:
  case BP_IR_and:
  case BP_IR_or:
  case BP_IR_xor:
  case BP_IR_andc:
  case BP_IR_neg:
  case BP_IR_not:
  case BP_IR_shl:
  case BP_IR_shr:
  case BP_IR_sar:
  case BP_IR_ext8s:
  case BP_IR_ext8u:
  case BP_IR_ext16s:
  case BP_IR_ext16u:
  case BP_IR_ext32s:
  case BP_IR_ext32u:
  case BP_IR_trunc:
  case BP_IR_deposit:
  case BP_IR_extract:
  case BP_IR_sextract: return true;
  default: return false;
  }
}

static inline bool
is_global (const Recover *x, BpTemp temp)
{
  return x->ir->temps[temp].kind == BP_IR_TEMP_GLOBAL;
}

static TbOperand
in_state (const Recover *x, BpTemp temp)
{
  return (TbOperand) { x->ir->globals[x->ir->temps[temp].global].offset, x->ir->temps[temp].type == BP_IR_I64, false };
}

/* Input `slot` as it will be found until insn `last`. */
static bool
operand (const Recover *x, const BpIrInsn *insn, unsigned slot, uint32_t last, TbRecovery *r)
{
  BpTemp temp = insn->a[slot];
  const BpIrTemp *t = &x->ir->temps[temp];
  switch (t->kind) {
  case BP_IR_TEMP_CONST:
    if (t->value != (int32_t) t->value || r->from[0].is_value)
      return false;
    r->value = (int32_t) t->value;
    r->from[slot - 1] = (TbOperand) { .is_value = true };
    return true;
  case BP_IR_TEMP_GLOBAL:
    r->from[slot - 1] = in_state (x, temp);
    return temp != insn->a[0] && x->global[temp].written >= last;    /* a fault comes before the insn's own results */
  default:
    return false;
  }
}

/* Whether the write at `index` need not be done. */
static bool
leave_out (Recover *x, const BpIrInsn *insn)
{
  const Global *to = &x->global[insn->a[0]];
  if (to->needed || x->seen || !is_recoverable (insn))
    return false;
  if (to->n_faults == x->n_faults)
    return true;                /* no one sees it */
  const Fault *first = &x->faults[x->n_faults - 1], *last = &x->faults[to->n_faults];
  TbRecovery r = { .first = (uint8_t) first->starts, .last = (uint8_t) last->starts, .op = insn->op, .type = insn->type,
                   .aux = (uint16_t) insn->aux, .to = in_state (x, insn->a[0]) };
  unsigned n_in = ir_op_info[insn->op].n_in;
  for (unsigned i = 1; i <= n_in; i++)
    if (!operand (x, insn, i, last->at, &r))
      return false;
  for (unsigned i = 1; i <= n_in; i++)
    if (is_global (x, insn->a[i]))
      x->global[insn->a[i]].needed = true;
  g_array_append_val (x->recoveries, r);
  return true;
}

/* --- the pass ----------------------------------------------------------------------------------- */

static void
need_all (Recover *x)
{
  for (uint32_t t = 1; t <= x->ir->n_globals; t++)
    x->global[t].needed = true;
  x->seen = true;
}

static inline void
write_global (Recover *x, BpTemp temp, uint32_t index)
{
  x->global[temp] = (Global) { index, x->n_faults, x->seen };
}

static void
visit_effects (Recover *x, const BpIrInsn *insn, uint32_t index)
{
  unsigned attributes = ir_op_info[insn->op].attributes;
  if (insn->op == BP_IR_call) {
    if (!(ir_helper (insn)->flags & (BP_HELPER_NO_GLOBALS | BP_HELPER_PURE)))
      need_all (x);
  } else if ((attributes & BP_IR_ATTR_END) || insn->op == BP_IR_goto_tb) {
    need_all (x);
  } else if (attributes & BP_IR_ATTR_FAULT) {
    x->faults[x->n_faults++] = (Fault) { index, x->starts };
    x->seen = true;
  }
}

static void
visit (Recover *x, BpIrInsn *insn, uint32_t index)
{
  if (insn->op == BP_IR_insn_start) {
    x->starts++;
    x->seen = false;
    return;
  }
  const BpIrOpInfo *info = &ir_op_info[insn->op];
  bool drop = insn->op == BP_IR_discard
              || (info->n_out == 1 && insn->a[0] != BP_IR_NONE && is_global (x, insn->a[0]) && leave_out (x, insn));
  for (unsigned i = 0; i < info->n_out; i++)
    if (insn->a[i] != BP_IR_NONE && is_global (x, insn->a[i]))
      write_global (x, insn->a[i], index);
  if (drop) {
    insn->op = BP_IR_nop;
    return;
  }
  visit_effects (x, insn, index);
  for (unsigned i = info->n_out; i < (unsigned) info->n_out + info->n_in; i++)
    if (insn->a[i] != BP_IR_NONE && is_global (x, insn->a[i]))
      x->global[insn->a[i]].needed = true;
}

/* Numbers of guest instructions from the start. */
static void
number (Recover *x)
{
  for (unsigned i = 0; i < x->recoveries->len; i++) {
    TbRecovery *r = &g_array_index (x->recoveries, TbRecovery, i);
    r->first = (uint8_t) (x->starts - 1 - r->first);
    r->last = (uint8_t) (x->starts - 1 - r->last);
  }
}

void
opt_recover (BpIrBlock *ir, GArray *recoveries)
{
  Recover x = { .ir = ir, .recoveries = recoveries };
  g_array_set_size (recoveries, 0);
  x.global = opt_scratch ((ir->n_globals + 1) * sizeof *x.global + ir->n_insns * sizeof *x.faults);
  x.faults = (Fault *) (x.global + ir->n_globals + 1);
  for (uint32_t t = 1; t <= ir->n_globals; t++)
    x.global[t] = (Global) { NOWHERE, 0, true };
  for (uint32_t i = ir->n_insns; i-- > 0;)
    visit (&x, &ir->insns[i], i);
  number (&x);

  uint32_t n = 0;
  for (uint32_t i = 0; i < ir->n_insns; i++)
    if (ir->insns[i].op != BP_IR_nop)
      ir->insns[n++] = ir->insns[i];
  ir->n_insns = n;
}
