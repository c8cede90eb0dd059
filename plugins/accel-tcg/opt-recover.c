/* opt-recover.c -- one backward pass: what only a fault or a side exit would see in a global is computed there. */
/* SPDX-License-Identifier: MIT */
/*
 * Compiled code sets flags all the time that the next arithmetic overwrites.  Mostly nothing looks at them but the loads and stores in
 * between, which may fault, and exits at the side of a hot path.  Such a write is left out when all that it reads are constants and globals
 * that still hold the same at each insn that would see it.  For faults the block is told a *recovery* instead: for which guest instructions
 * the global is to be computed when a fault is taken there (tb_recover).  For side exits the insn moves to where their code begins.
 *
 * The operands are looked at then, so their own values have to be there: leaving a write out counts as reading them.
 * Recoveries hold for whole guest instructions, of which faults see what was before (ir.h, PRECISE FAULTS): a write that a later insn of
 * its own instruction may see is not touched, and nothing that it overwrites is.
 *
 * The branch itself often tests the global.  It is made to test what that was made from, if that is as simple.
 */
#include "ir-info.h"
#include "opt-scratch.h"

#define NOWHERE 0xffffffffu
#define MAX_GLOBALS 63          /* a bit each */
#define MAX_SINKS 32            /* copies of insns in side exits */
#define MAX_TEMPS 0x8000        /* room is left for what a backend adds */

typedef struct Global {
  uint32_t written;             /* the insn nearest below that writes it, left out or not */
  uint32_t n_seers;             /* those that had been met there: the others see what is written above */
  uint32_t test;                /* the one condition that tests what is written above */
} Global;

/* An insn that may fault, or a branch to a side exit. */
typedef struct Seer {
  uint32_t at;
  uint32_t starts;              /* guest instructions that begin below */
  uint32_t label;               /* NOWHERE: it may fault */
} Seer;

/* Where a branch goes.  A side exit is gone to from one place, never falls into other code, and cannot fault. */
typedef struct Label {
  uint32_t n_branches;
  uint32_t at;                  /* of a side exit, met already; else NOWHERE */
  uint64_t needed;              /* there */
} Label;

typedef struct Sink {
  uint32_t at;                  /* the label's */
  BpIrInsn insn;
} Sink;

typedef struct Recover {
  BpIrBlock *ir;
  GArray *recoveries;           /* of TbRecovery; first and last count from the end until the pass is done */
  Global *global;               /* by temp */
  uint64_t needed;              /* bit per temp that is a global: more than tests and faults look at what is written above */
  Label *label;
  Seer *seers;                  /* that were met: the highest is the last */
  uint32_t n_seers;
  uint32_t end_seers;           /* how many when control last could not fall through */
  uint32_t starts;
  bool seen;                    /* an insn below, of the same guest instruction, may look at every global */
  unsigned n_sinks;
  Sink sink[MAX_SINKS];
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
  return temp - 1u < x->ir->n_globals;
}

static inline uint64_t bit_of (BpTemp global) { return (uint64_t) 1 << global; }

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

static void
need_operands (Recover *x, const BpIrInsn *insn)
{
  for (unsigned i = 1; i <= ir_op_info[insn->op].n_in; i++)
    if (is_global (x, insn->a[i]))
      x->needed |= bit_of (insn->a[i]);
}

/* --- conditions ------------------------------------------------------------------------------- */

static inline bool
is_zero (const Recover *x, BpTemp temp)
{
  return x->ir->temps[temp].kind == BP_IR_TEMP_CONST && x->ir->temps[temp].value == 0;
}

/* Makes the condition test what `insn` makes its first operand of; false: it cannot. */
static bool
redirect (Recover *x, BpIrInsn *test, const BpIrInsn *insn)
{
  unsigned slot = test->op == BP_IR_brcond ? 0 : 1;
  BpTemp first = insn->a[1], second = insn->a[2];
  if (insn->op == BP_IR_mov && is_global (x, first)) {
    test->a[slot] = first;
    return test->type == BP_IR_I32 || insn->type == BP_IR_I64;
  }
  bool is_equality = (test->cond == BP_IR_EQ || test->cond == BP_IR_NE) && is_zero (x, test->a[slot + 1]);
  if (!is_equality || test->type != insn->type)
    return false;
  switch (insn->op) {
  case BP_IR_sub: break;
  case BP_IR_and: test->cond = test->cond == BP_IR_EQ ? BP_IR_TSTEQ : BP_IR_TSTNE; break;
  case BP_IR_add:
    if (x->ir->temps[second].kind != BP_IR_TEMP_CONST || x->ir->n_temps >= MAX_TEMPS)
      return false;
    second = bp_ir_const (x->ir, (BpIrType) insn->type, (int64_t) -(uint64_t) x->ir->temps[second].value);
    break;
  default: return false;
  }
  test->a[slot] = first;
  test->a[slot + 1] = second;
  return true;
}

/* --- leaving out -------------------------------------------------------------------------------- */

/* The insn's copies for the side exits that see its result; false: there are too many. */
static bool
sink (Recover *x, const BpIrInsn *insn, uint32_t first)
{
  unsigned n = x->n_sinks;
  for (uint32_t i = first; i < x->n_seers; i++) {
    if (x->seers[i].label == NOWHERE || !(x->label[x->seers[i].label].needed & bit_of (insn->a[0])))
      continue;
    if (n == MAX_SINKS)
      return false;
    x->sink[n++] = (Sink) { x->label[x->seers[i].label].at, *insn };
  }
  x->n_sinks = n;
  return true;
}

/* The first and the last of the guest instructions in which a fault sees the result; false: none. */
static bool
find_faults (const Recover *x, uint32_t first, TbRecovery *r)
{
  bool found = false;
  for (uint32_t i = first; i < x->n_seers; i++)
    if (x->seers[i].label == NOWHERE) {
      r->first = (uint8_t) x->seers[i].starts;
      if (!found)
        r->last = r->first;
      found = true;
    }
  return found;
}

/* Whether the insn need not be done where it is. */
static bool
leave_out (Recover *x, const BpIrInsn *insn)
{
  const Global *to = &x->global[insn->a[0]];
  if ((x->needed & bit_of (insn->a[0])) || x->seen || !is_recoverable (insn))
    return false;
  uint32_t last = to->n_seers < x->n_seers ? x->seers[to->n_seers].at : 0;
  if (to->test != NOWHERE)
    last = MAX (last, to->test);
  TbRecovery r = { .op = insn->op, .type = insn->type, .aux = insn->aux, .to = in_state (x, insn->a[0]) };
  for (unsigned i = 1; i <= ir_op_info[insn->op].n_in; i++)
    if (!operand (x, insn, i, last, &r))
      return false;
  unsigned n_sinks = x->n_sinks;
  if (!sink (x, insn, to->n_seers))
    return false;
  if (to->test != NOWHERE) {
    BpIrInsn test = x->ir->insns[to->test];
    if (!redirect (x, &test, insn)) {
      x->n_sinks = n_sinks;
      return false;
    }
    x->ir->insns[to->test] = test;
  }
  if (find_faults (x, to->n_seers, &r))
    g_array_append_val (x->recoveries, r);
  need_operands (x, insn);
  return true;
}

/* --- the pass ----------------------------------------------------------------------------------- */

static void
need_all (Recover *x)
{
  x->needed = ~(uint64_t) 0;
  x->seen = true;
}

static inline void
write_global (Recover *x, BpTemp temp, uint32_t index)
{
  x->global[temp] = (Global) { index, x->n_seers, NOWHERE };
  x->needed = x->seen ? x->needed | bit_of (temp) : x->needed & ~bit_of (temp);
}

static inline void
read_global (Recover *x, const BpIrInsn *insn, unsigned slot, uint32_t index)
{
  Global *g = &x->global[insn->a[slot]];
  bool is_test = insn->op == BP_IR_brcond ? slot == 0 : (insn->op == BP_IR_setcond || insn->op == BP_IR_movcond) && slot == 1;
  if (is_test && g->test == NOWHERE)
    g->test = index;
  else
    x->needed |= bit_of (insn->a[slot]);
}

static inline void
add_seer (Recover *x, uint32_t index, uint32_t label)
{
  x->seers[x->n_seers++] = (Seer) { index, x->starts, label };
  x->seen = true;
}

/* Whether control cannot fall to the insn at index. */
static bool
is_apart (const Recover *x, uint32_t index)
{
  while (index > 0 && (x->ir->insns[index - 1].op == BP_IR_insn_start || x->ir->insns[index - 1].op == BP_IR_nop))
    index--;
  return index > 0 && ir_ends_flow (&x->ir->insns[index - 1]);
}

static void
visit_label (Recover *x, const BpIrInsn *insn, uint32_t index)
{
  Label *label = &x->label[insn->aux];
  if (label->n_branches == 1 && x->n_seers == x->end_seers && is_apart (x, index)) {
    label->at = index;
    label->needed = x->needed;
  }
  need_all (x);
}

static void
visit_effects (Recover *x, const BpIrInsn *insn, uint32_t index)
{
  unsigned attributes = ir_op_info[insn->op].attributes;
  if (insn->op == BP_IR_call) {
    if (!(ir_helper (insn)->flags & (BP_HELPER_NO_GLOBALS | BP_HELPER_PURE)))
      need_all (x);
  } else if (insn->op == BP_IR_label) {
    visit_label (x, insn, index);
  } else if (insn->op == BP_IR_brcond && x->label[insn->aux].at != NOWHERE) {
    add_seer (x, index, insn->aux);
  } else if ((attributes & BP_IR_ATTR_END) || insn->op == BP_IR_goto_tb) {
    need_all (x);
  } else if (attributes & BP_IR_ATTR_FAULT) {
    add_seer (x, index, NOWHERE);
  }
  if (ir_ends_flow (insn))
    x->end_seers = x->n_seers;
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
  unsigned n_out = info->n_out, n = n_out + info->n_in;
  bool drop = insn->op == BP_IR_discard || (n_out == 1 && is_global (x, insn->a[0]) && leave_out (x, insn));
  for (unsigned i = 0; i < n_out; i++)
    if (is_global (x, insn->a[i]))
      write_global (x, insn->a[i], index);
  if (drop) {
    insn->op = BP_IR_nop;
    return;
  }
  if (info->attributes & (BP_IR_ATTR_END | BP_IR_ATTR_FAULT | BP_IR_ATTR_SIDE))
    visit_effects (x, insn, index);
  for (unsigned i = n_out; i < n; i++)
    if (is_global (x, insn->a[i]))
      read_global (x, insn, i, index);
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

static void
remove_nops (BpIrBlock *ir)
{
  uint32_t n = 0;
  while (n < ir->n_insns && ir->insns[n].op != BP_IR_nop)
    n++;
  for (uint32_t i = n; i < ir->n_insns; i++)
    if (ir->insns[i].op != BP_IR_nop)
      ir->insns[n++] = ir->insns[i];
  ir->n_insns = n;
}

/* Puts the copies into the side exits: from the end, for they make the block longer. */
static void
insert_sinks (Recover *x)
{
  BpIrBlock *ir = x->ir;
  uint32_t from = ir->n_insns;
  for (unsigned i = 0; i < x->n_sinks; i++)
    bp_ir_append (ir, BP_IR_nop, BP_IR_I32);
  uint32_t to = ir->n_insns;
  while (from < to) {
    const BpIrInsn *insn = &ir->insns[--from];
    for (unsigned i = 0; insn->op == BP_IR_label && i < x->n_sinks; i++)
      if (x->sink[i].at == from)
        ir->insns[--to] = x->sink[i].insn;
    ir->insns[--to] = *insn;
  }
}

static void
init (Recover *x)
{
  const BpIrBlock *ir = x->ir;
  size_t globals = (ir->n_globals + 1) * sizeof *x->global, labels = ir->n_labels * sizeof *x->label;
  x->label = opt_scratch (labels + globals + ir->n_insns * sizeof *x->seers);   /* they alone have to be 8-aligned */
  x->global = (Global *) ((uint8_t *) x->label + labels);
  x->seers = (Seer *) ((uint8_t *) x->global + globals);
  for (uint32_t t = 1; t <= ir->n_globals; t++)
    x->global[t] = (Global) { NOWHERE, 0, NOWHERE };
  for (uint32_t i = 0; i < ir->n_labels; i++)
    x->label[i] = (Label) { 0, NOWHERE, 0 };
  for (uint32_t i = 0; ir->n_labels && i < ir->n_insns; i++)
    if (ir->insns[i].op == BP_IR_br || ir->insns[i].op == BP_IR_brcond)
      x->label[ir->insns[i].aux].n_branches++;
}

void
opt_recover (BpIrBlock *ir, GArray *recoveries)
{
  Recover x;
  x.ir = ir;
  x.recoveries = recoveries;
  x.n_seers = x.end_seers = x.starts = x.n_sinks = 0;
  x.seen = false;
  x.needed = ~(uint64_t) 0;
  g_array_set_size (recoveries, 0);
  g_assert (ir->n_globals <= MAX_GLOBALS);
  init (&x);
  for (uint32_t i = ir->n_insns; i-- > 0;)
    visit (&x, &ir->insns[i], i);
  number (&x);
  if (x.n_sinks > 0)
    insert_sinks (&x);
  remove_nops (ir);
}
