/* ir-verify.c -- checks a block against the rules of ir.h. */
/* SPDX-License-Identifier: MIT */
#include "ir-info.h"
#include <string.h>

typedef struct Checker {
  const BpIrBlock *ir;
  uint32_t index;               /* of the insn being checked */
  const BpIrInsn *insn;
  GError **error;
} Checker;

static bool G_GNUC_PRINTF (2, 3)
wrong (Checker *c, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  char *what = g_strdup_vprintf (format, args);
  va_end (args);
  const char *name = c->insn->op < BP_IR_N_OPS ? ir_op_info[c->insn->op].name : "?";
  g_set_error (c->error, g_quark_from_static_string ("bp-ir-verify"), 0, "insn %u (%s): %s", c->index, name,
               what);
  g_free (what);
  return false;
}

/* --- operands ------------------------------------------------------------------------- */

static bool
may_be_absent (const BpIrInsn *insn, unsigned slot)
{
  return insn->op == BP_IR_native || insn->op == BP_IR_record || (insn->op == BP_IR_call && slot == 0);
}

static bool
check_operand (Checker *c, unsigned slot)
{
  const BpIrInsn *insn = c->insn;
  BpTemp temp = insn->a[slot];
  bool is_output = slot < ir_op_info[insn->op].n_out;
  if (temp == BP_IR_NONE)
    return may_be_absent (insn, slot) || wrong (c, "operand %u is absent", slot);
  if (temp >= c->ir->n_temps)
    return wrong (c, "operand %u is no temp", slot);
  const BpIrTemp *t = &c->ir->temps[temp];
  if (is_output && t->kind != BP_IR_TEMP_LOCAL && t->kind != BP_IR_TEMP_GLOBAL)
    return wrong (c, "operand %u cannot be written", slot);
  if (t->type != BP_IR_I64 && ir_operand_type (insn, slot) == BP_IR_I64)
    return wrong (c, "operand %u has the wrong type", slot);
  return true;
}

static bool
check_operands (Checker *c)
{
  const BpIrInsn *insn = c->insn;
  unsigned n = insn->op == BP_IR_call ? 1u + ir_helper (insn)->n_args : ir_n_operands (insn);
  for (unsigned i = 0; i < n; i++)
    if (!check_operand (c, i))
      return false;
  for (unsigned i = n; i < G_N_ELEMENTS (insn->a); i++)
    if (insn->a[i] != BP_IR_NONE)
      return wrong (c, "operand %u is not used by this op", i);
  if (ir_op_info[insn->op].n_out == 2 && insn->a[0] != BP_IR_NONE && insn->a[0] == insn->a[1])
    return wrong (c, "both outputs are one temp");
  return true;
}

/* --- fields by op ------------------------------------------------------------------------ */

/* A global is a register: its field of the state is not reached by its address. */
static bool
check_host_access (Checker *c)
{
  bool is_store = ir_op_is_host_store (c->insn->op);
  int64_t first = c->insn->imm, size = (int64_t) 1 << ir_host_access_size ((BpIrOp) c->insn->op);
  if (c->insn->a[1] != BP_IR_ENV)
    return true;
  for (uint32_t i = 0; i < c->ir->n_globals; i++) {
    const BpIrGlobal *g = &c->ir->globals[i];
    int64_t offset = g->offset, end = offset + (g->type == BP_IR_I64 ? 8 : 4);
    if (first < end && first > offset - size)
      return wrong (c, "the %s touches global %s", is_store ? "store" : "load", g->name);
  }
  return true;
}

static bool
check_guest_access (Checker *c)
{
  const BpIrInsn *insn = c->insn;
  if (insn->aux >> 15 || (insn->aux & BP_MO_SIZE) > BP_MO_64)
    return wrong (c, "bad memop %#x", insn->aux);
  if ((insn->aux & BP_MO_SIZE) == BP_MO_64 && insn->type != BP_IR_I64)
    return wrong (c, "a 64-bit access needs an i64");
  return true;
}

static bool
check_field (Checker *c)
{
  unsigned bits = c->insn->type == BP_IR_I64 ? 64 : 32, pos = c->insn->aux & 0xff, len = c->insn->aux >> 8;
  bool good = len >= 1 && len <= bits && pos <= bits - len;
  return good || wrong (c, "field %u, %u lies outside the word", pos, len);
}

static bool
check_call (Checker *c)
{
  const BpIrHelper *helper = ir_helper (c->insn);
  if (helper->n_args > BP_HELPER_MAX_ARGS || helper->function == NULL)
    return wrong (c, "bad helper %s", helper->name);
  if (!helper->has_result && c->insn->a[0] != BP_IR_NONE)
    return wrong (c, "helper %s has no result", helper->name);
  return true;
}

static bool
check_native (Checker *c)
{
  uint64_t n = (uint64_t) c->insn->imm;
  const BpTemp *a = c->insn->a;
  uint32_t aux = c->insn->aux;
  BpIrNativeOperand reg = BP_NATIVE_REG_KIND (n), rm = BP_NATIVE_RM_KIND (n);
  bool out = reg == BP_NATIVE_OUT || rm == BP_NATIVE_OUT || BP_NATIVE_RAX_OUT (n) || BP_NATIVE_RCX_OUT (n);
  bool in = reg == BP_NATIVE_IN || rm == BP_NATIVE_IN || BP_NATIVE_LENGTHS_IN (n), memory = rm == BP_NATIVE_MEM;
  if (n >> 50 || (!BP_NATIVE_VEX (n) && (BP_NATIVE_VEX_L (n) || BP_NATIVE_VVVV (n))) || (!BP_NATIVE_HAS_IMM (n) && BP_NATIVE_IMM8 (n)))
    return wrong (c, "stray bits in the native fields");
  if (reg == BP_NATIVE_MEM || (BP_NATIVE_NO_MODRM (n) && (reg || rm)))
    return wrong (c, "this operand cannot be memory");
  if (c->insn->type != (BP_NATIVE_W (n) ? BP_IR_I64 : BP_IR_I32))
    return wrong (c, "type and field w disagree");
  if ((a[0] != BP_IR_NONE) != out || (a[1] != BP_IR_NONE) != BP_NATIVE_FLAGS_OUT (n)
      || (a[2] != BP_IR_NONE) != in
      || (a[3] != BP_IR_NONE) != memory || (a[4] != BP_IR_NONE) != BP_NATIVE_FLAGS_IN (n))
    return wrong (c, "operands and native fields disagree");
  unsigned size = BP_NATIVE_MEM_SIZE (aux);
  if (memory ? size < 1 || !(aux & (BP_NATIVE_MEM_READ | BP_NATIVE_MEM_WRITE)) || aux >> 16 : aux != 0)
    return wrong (c, "bad memory operand %#x", aux);
  return true;
}

static bool
check_label (Checker *c)
{
  return c->insn->aux < c->ir->n_labels || wrong (c, "no such label: $L%u", c->insn->aux);
}

static bool
check_exit (Checker *c)
{
  if (c->insn->aux >= BP_IR_EXITS && !(c->insn->op == BP_IR_exit_tb && c->insn->aux == BP_IR_EXIT_NONE))
    return wrong (c, "no such exit: %u", c->insn->aux);
  if (c->insn->op == BP_IR_goto_tb)
    for (uint32_t i = 0; i < c->index; i++)
      if (c->ir->insns[i].op == BP_IR_goto_tb && c->ir->insns[i].aux == c->insn->aux)
        return wrong (c, "exit %u is used twice", c->insn->aux);
  return true;
}

static bool
check_fields (Checker *c)
{
  unsigned op = c->insn->op;
  if (ir_op_is_host_load (op) || ir_op_is_host_store (op))
    return check_host_access (c);
  if (ir_op_is_guest_access (op))
    return check_guest_access (c);
  switch (op) {
  case BP_IR_deposit:
  case BP_IR_extract:
  case BP_IR_sextract:
    return check_field (c);
  case BP_IR_label:
  case BP_IR_br:
  case BP_IR_brcond:
    return check_label (c);
  case BP_IR_goto_tb:
  case BP_IR_exit_tb:
    return check_exit (c);
  case BP_IR_fence:
    return (c->insn->aux >= 1 && c->insn->aux <= 3) || wrong (c, "bad fence");
  case BP_IR_native:
    return check_native (c);
  case BP_IR_call:
    return check_call (c);
  default:
    return true;
  }
}

static bool
check_insn (Checker *c)
{
  const BpIrInsn *insn = c->insn;
  if (insn->op >= BP_IR_N_OPS)
    return wrong (c, "no such op: %u", insn->op);
  if (insn->type > BP_IR_I64)
    return wrong (c, "no such type: %u", insn->type);
  if (insn->cond > BP_IR_TSTNE)
    return wrong (c, "no such condition: %u", insn->cond);
  if (insn->mark != 0)
    return wrong (c, "mark is not 0");
  if (insn->op == BP_IR_call && insn->imm == 0)
    return wrong (c, "no helper");
  return check_operands (c) && check_fields (c);
}

/* --- temps --------------------------------------------------------------------------------- */

static bool
check_temps (Checker *c)
{
  const BpIrBlock *ir = c->ir;
  for (uint32_t i = 0; i < ir->n_temps; i++) {
    const BpIrTemp *t = &ir->temps[i];
    bool is_state = i <= ir->n_globals;
    if (t->type > BP_IR_I64 || t->kind > BP_IR_TEMP_CONST)
      return wrong (c, "temp %u has a bad kind or type", i);
    if (is_state != (t->kind == BP_IR_TEMP_ENV || t->kind == BP_IR_TEMP_GLOBAL))
      return wrong (c, "temp %u is of a kind that does not belong there", i);
    if (t->kind == BP_IR_TEMP_GLOBAL && (t->global != i - 1 || t->type != ir->globals[i - 1].type))
      return wrong (c, "temp %u is not its global", i);
    if (t->kind == BP_IR_TEMP_CONST && t->type == BP_IR_I32 && t->value != (int32_t) t->value)
      return wrong (c, "temp %u: an i32 constant is not sign-extended", i);
  }
  return true;
}

/* --- control flow --------------------------------------------------------------------------- */

#define NOT_PLACED 0xffffffffu

static bool
check_flow (Checker *c, uint32_t *place)
{
  const BpIrBlock *ir = c->ir;
  bool started = false;
  memset (place, 0xff, ir->n_labels * sizeof *place);
  for (c->index = 0; c->index < ir->n_insns; c->index++) {
    c->insn = &ir->insns[c->index];
    bool may_fault = ir_op_info[c->insn->op].attributes & BP_IR_ATTR_FAULT;
    if (c->insn->op == BP_IR_call && (ir_helper (c->insn)->flags & (BP_HELPER_NO_GLOBALS | BP_HELPER_PURE)))
      may_fault = false;
    if (c->insn->op == BP_IR_insn_start)
      started = true;
    if (may_fault && !started)
      return wrong (c, "may fault before the first insn_start");
    if (c->insn->op == BP_IR_label) {
      if (place[c->insn->aux] != NOT_PLACED)
        return wrong (c, "$L%u is placed twice", c->insn->aux);
      place[c->insn->aux] = c->index;
    }
  }
  for (c->index = 0; c->index < ir->n_insns; c->index++) {
    c->insn = &ir->insns[c->index];
    if ((c->insn->op == BP_IR_br || c->insn->op == BP_IR_brcond) && place[c->insn->aux] == NOT_PLACED)
      return wrong (c, "$L%u is placed nowhere", c->insn->aux);
  }
  c->index = ir->n_insns - 1;
  return ir_ends_flow (c->insn) || wrong (c, "control runs off the block's end");
}

/* --- locals are written before they are read --------------------------------------------------- */

/* Bit sets over the temps: what is surely defined at each label (all ones before it is reached), and now. */
typedef struct Defined {
  uint32_t n_words;
  uint64_t *now, *at_label;     /* at_label: n_words each */
  bool changed;
} Defined;

static inline bool
has_bit (const uint64_t *set, unsigned bit)
{
  return set[bit / 64] >> bit % 64 & 1;
}

static void
meet (Defined *d, uint32_t label)
{
  uint64_t *set = d->at_label + (size_t) label * d->n_words;
  for (uint32_t i = 0; i < d->n_words; i++) {
    d->changed |= (set[i] & ~d->now[i]) != 0;
    set[i] &= d->now[i];
  }
}

static bool
flow_insn (Checker *c, Defined *d)
{
  const BpIrInsn *insn = c->insn;
  const BpIrOpInfo *info = &ir_op_info[insn->op];
  for (unsigned i = info->n_out; i < ir_n_operands (insn); i++) {
    BpTemp t = insn->a[i];
    if (t != BP_IR_NONE && c->ir->temps[t].kind == BP_IR_TEMP_LOCAL && !has_bit (d->now, t))
      return wrong (c, "t%u is read before it is written", t - 1 - c->ir->n_globals);
  }
  for (unsigned i = 0; i < info->n_out; i++)
    if (insn->a[i] != BP_IR_NONE) {
      uint64_t bit = (uint64_t) 1 << insn->a[i] % 64, *word = &d->now[insn->a[i] / 64];
      *word = insn->op == BP_IR_discard ? *word & ~bit : *word | bit;
    }
  if (insn->op == BP_IR_label) {
    meet (d, insn->aux);
    memcpy (d->now, d->at_label + (size_t) insn->aux * d->n_words, d->n_words * sizeof *d->now);
  }
  if (insn->op == BP_IR_br || insn->op == BP_IR_brcond)
    meet (d, insn->aux);
  if (ir_ends_flow (insn))
    memset (d->now, 0xff, d->n_words * sizeof *d->now);
  return true;
}

static bool
check_defined (Checker *c, Defined *d)
{
  memset (d->at_label, 0xff, (size_t) c->ir->n_labels * d->n_words * sizeof *d->at_label);
  do {
    d->changed = false;
    memset (d->now, 0, d->n_words * sizeof *d->now);
    for (c->index = 0; c->index < c->ir->n_insns; c->index++) {
      c->insn = &c->ir->insns[c->index];
      if (!flow_insn (c, d))
        return false;
    }
  } while (d->changed);
  return true;
}

bool
ir_verify (const BpIrBlock *ir, GError **error)
{
  static const BpIrInsn none = { .op = BP_IR_nop };
  Checker c = { ir, 0, &none, error };
  if (ir->n_insns == 0)
    return wrong (&c, "the block is empty");
  if (ir->n_temps < 1 + ir->n_globals || ir->n_temps > BP_IR_NONE)
    return wrong (&c, "bad number of temps");
  if (!check_temps (&c))
    return false;
  for (c.index = 0; c.index < ir->n_insns; c.index++) {
    c.insn = &ir->insns[c.index];
    if (!check_insn (&c))
      return false;
  }
  Defined d = { .n_words = (ir->n_temps + 63) / 64 };
  uint32_t *place = g_new (uint32_t, ir->n_labels + 1);
  d.now = g_new (uint64_t, d.n_words);
  d.at_label = g_new (uint64_t, (size_t) ir->n_labels * d.n_words + 1);
  bool good = check_flow (&c, place) && check_defined (&c, &d);
  g_free (place);
  g_free (d.now);
  g_free (d.at_label);
  return good;
}
