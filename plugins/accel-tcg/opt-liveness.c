/* opt-liveness.c -- one backward pass: drops what no one reads, writes results where they are moved to. */
/* SPDX-License-Identifier: MIT */
/*
 * A local dies at its last read.  A global is read by whatever leaves the block, by an insn that may
 * fault, and by calls that say nothing better.  What is live at a label is known when the pass meets a
 * branch forward to it; a branch backward finds everything live there.
 *
 * Frontends compute into a local and move it to a global after the last insn that can fault.  Where
 * nothing between the two looks at the global, the local's maker writes the global itself and the move
 * goes.
 */
#include "ir-info.h"
#include "opt-scratch.h"
#include <string.h>

#define NONE_YET 0xffffffffu

typedef struct Liveness {
  BpIrBlock *ir;
  uint32_t n_words;
  uint64_t *live;               /* bit per temp */
  uint64_t *globals;            /* the bits of all globals */
  uint64_t *at_label;           /* n_words a label: live at it, everything until it is met */
  uint32_t *touched;            /* per temp: the insn nearest below that reads or writes it */
  uint32_t globals_read;        /* the insn nearest below that looks at every global */
  uint32_t boundary;            /* the label, branch or exit nearest below */
} Liveness;

/* --- sets --------------------------------------------------------------------------------- */

static inline bool
is_live (const Liveness *x, BpTemp temp)
{
  return x->live[temp / 64] >> temp % 64 & 1;
}

static inline void
set_live (Liveness *x, BpTemp temp)
{
  x->live[temp / 64] |= (uint64_t) 1 << temp % 64;
}

static inline void
set_dead (Liveness *x, BpTemp temp)
{
  x->live[temp / 64] &= ~((uint64_t) 1 << temp % 64);
}

static inline void
add_set (Liveness *x, const uint64_t *set)
{
  for (uint32_t i = 0; i < x->n_words; i++)
    x->live[i] |= set[i];
}

static inline void
read_globals (Liveness *x, uint32_t index)
{
  add_set (x, x->globals);
  x->globals_read = index;
}

/* --- insns that leave or join -------------------------------------------------------------- */

static void
visit_flow (Liveness *x, const BpIrInsn *insn, uint32_t index)
{
  size_t size = x->n_words * sizeof *x->live;
  uint64_t *label = x->at_label + (size_t) insn->aux * x->n_words;
  switch (insn->op) {
  case BP_IR_label: memcpy (label, x->live, size); break;
  case BP_IR_br: memcpy (x->live, label, size); break;
  case BP_IR_brcond: add_set (x, label); break;
  case BP_IR_goto_tb: read_globals (x, index); break;
  default:                      /* exit_tb, goto_ptr, goto_any */
    memset (x->live, 0, size);
    read_globals (x, index);
    break;
  }
  x->boundary = index;
}

static inline bool
is_flow (unsigned op)
{
  switch (op) {
  case BP_IR_label:
  case BP_IR_br:
  case BP_IR_brcond:
  case BP_IR_goto_tb:
  case BP_IR_exit_tb:
  case BP_IR_goto_ptr:
  case BP_IR_goto_any: return true;
  default: return false;
  }
}

/* --- outputs ---------------------------------------------------------------------------------- */

/* Whether the insn does nothing but write its outputs. */
static bool
is_removable (const BpIrInsn *insn)
{
  if (insn->op == BP_IR_call)
    return ir_helper (insn)->flags & BP_HELPER_PURE;
  return !(ir_op_info[insn->op].attributes & (BP_IR_ATTR_SIDE | BP_IR_ATTR_FAULT | BP_IR_ATTR_END));
}

static bool
has_live_output (const Liveness *x, const BpIrInsn *insn)
{
  for (unsigned i = 0; i < ir_op_info[insn->op].n_out; i++)
    if (insn->a[i] != BP_IR_NONE && is_live (x, insn->a[i]))
      return true;
  return false;
}

/* Whether the low half of the result is what the insn makes of low halves. */
static bool
keeps_low_half (const BpIrInsn *insn)
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
  case BP_IR_not: return true;
  default: return false;
  }
}

/* If only a move reads output `slot`, into something that nothing in between looks at: write that at once. */
static void
merge_move (Liveness *x, BpIrInsn *insn, uint32_t index, unsigned slot)
{
  BpIrBlock *ir = x->ir;
  BpTemp local = insn->a[slot];
  uint32_t at = x->touched[local];
  if (ir->temps[local].kind != BP_IR_TEMP_LOCAL || at == NONE_YET)
    return;
  BpIrInsn *move = &ir->insns[at];
  if (!move->mark || move->a[1] != local)
    return;
  bool narrows = move->type == BP_IR_I32 && ir_operand_type (insn, slot) == BP_IR_I64;
  if (narrows && !keeps_low_half (insn))
    return;                     /* the move cuts the upper half off */
  BpTemp target = move->a[0];
  if (x->touched[target] != at || x->boundary < at)
    return;
  for (unsigned i = 0; i < ir_op_info[insn->op].n_out; i++)
    if (insn->a[i] == target)
      return;
  if (ir->temps[target].kind == BP_IR_TEMP_GLOBAL && x->globals_read < at)
    return;
  if (narrows)
    insn->type = BP_IR_I32;
  insn->a[slot] = target;
  move->op = BP_IR_nop;
  move->mark = 0;
  set_dead (x, local);
  set_live (x, target);
}

/* Outputs that no one reads, of an insn that stays. */
static void
drop_outputs (Liveness *x, BpIrInsn *insn)
{
  switch (insn->op) {
  case BP_IR_mulu2:
  case BP_IR_muls2:
    if (!is_live (x, insn->a[1])) {
      insn->op = BP_IR_mul;
      insn->a[1] = insn->a[2];
      insn->a[2] = insn->a[3];
      insn->a[3] = BP_IR_NONE;
    }
    break;
  case BP_IR_call:
    if (insn->a[0] != BP_IR_NONE && !is_live (x, insn->a[0]))
      insn->a[0] = BP_IR_NONE;
    break;
  case BP_IR_native:
    if (insn->a[1] != BP_IR_NONE && !is_live (x, insn->a[1])) {
      insn->a[1] = BP_IR_NONE;
      insn->imm &= ~(int64_t) BP_NATIVE_SET_FLAGS_OUT;
    }
    break;
  default: break;
  }
}

/* --- the pass --------------------------------------------------------------------------------- */

static void
visit_call (Liveness *x, const BpIrInsn *insn, uint32_t index)
{
  if (ir_helper (insn)->flags & BP_HELPER_NO_RETURN) {
    memset (x->live, 0, x->n_words * sizeof *x->live);
    x->boundary = index;
  }
  if (!(ir_helper (insn)->flags & (BP_HELPER_NO_GLOBALS | BP_HELPER_PURE)))
    read_globals (x, index);
}

static void
visit (Liveness *x, BpIrInsn *insn, uint32_t index)
{
  const BpIrOpInfo *info;
  if (insn->op == BP_IR_insn_start)
    return;
  if (insn->op == BP_IR_discard) {
    set_dead (x, insn->a[0]);
    x->touched[insn->a[0]] = index;
    if (x->ir->temps[insn->a[0]].kind != BP_IR_TEMP_GLOBAL)
      insn->op = BP_IR_nop;     /* opt-recover.c wants to know of globals */
    return;
  }
  if (insn->op == BP_IR_nop || (is_removable (insn) && !has_live_output (x, insn))) {
    insn->op = BP_IR_nop;
    return;
  }
  drop_outputs (x, insn);
  info = &ir_op_info[insn->op];
  for (unsigned i = 0; i < info->n_out; i++)
    if (insn->a[i] != BP_IR_NONE)
      merge_move (x, insn, index, i);
  for (unsigned i = 0; i < info->n_out; i++)
    if (insn->a[i] != BP_IR_NONE) {
      set_dead (x, insn->a[i]);
      x->touched[insn->a[i]] = index;
    }
  if (is_flow (insn->op))
    visit_flow (x, insn, index);
  else if (insn->op == BP_IR_call)
    visit_call (x, insn, index);
  else if (info->attributes & BP_IR_ATTR_FAULT)
    read_globals (x, index);
  if (insn->op == BP_IR_mov && x->ir->temps[insn->a[1]].kind == BP_IR_TEMP_LOCAL && !is_live (x, insn->a[1]))
    insn->mark = 1;
  for (unsigned i = info->n_out; i < (unsigned) info->n_out + info->n_in; i++)
    if (insn->a[i] != BP_IR_NONE) {
      set_live (x, insn->a[i]);
      x->touched[insn->a[i]] = index;
    }
}

static void
init_sets (Liveness *x)
{
  uint32_t n_temps = x->ir->n_temps, n_labels = x->ir->n_labels;
  x->n_words = (n_temps + 63) / 64;
  size_t set = x->n_words * sizeof (uint64_t);
  x->live = opt_scratch (set * (2 + (size_t) n_labels) + n_temps * sizeof *x->touched);
  x->globals = x->live + x->n_words;
  x->at_label = x->globals + x->n_words;
  x->touched = (uint32_t *) (x->at_label + (size_t) n_labels * x->n_words);
  memset (x->live, 0, 2 * set);
  memset (x->at_label, 0xff, set * n_labels);
  memset (x->touched, 0xff, n_temps * sizeof *x->touched);
  if (x->ir->n_globals < 63)
    x->globals[0] = (((uint64_t) 1 << x->ir->n_globals) - 1) << 1;
  else
    for (uint32_t i = 1; i <= x->ir->n_globals; i++)
      x->globals[i / 64] |= (uint64_t) 1 << i % 64;
  x->globals_read = x->boundary = NONE_YET;
}

void
opt_liveness (BpIrBlock *ir)
{
  Liveness x = { .ir = ir };
  init_sets (&x);
  for (uint32_t i = ir->n_insns; i-- > 0;)
    visit (&x, &ir->insns[i], i);

  uint32_t n = 0;
  for (uint32_t i = 0; i < ir->n_insns; i++) {
    if (ir->insns[i].op == BP_IR_nop)
      continue;
    ir->insns[i].mark = 0;
    if (n != i)
      ir->insns[n] = ir->insns[i];
    n++;
  }
  ir->n_insns = n;
}
