/* opt-flags.c -- one forward pass that makes conditions test what their operand was made of. */
/* SPDX-License-Identifier: MIT */
/*
 * Frontends keep guest flags as values and test them with setcond, movcond and brcond.  Where the tested
 * local was itself made by a setcond, a subtraction, a mask or the like, the test moves to that insn's
 * operands, so that the host's compare (or test) and branch remains and opt-liveness can drop the rest.
 * Only locals are looked through: a global is stored anyway, and testing it costs nothing more.
 *
 * A test of 64 bits sees a 32-bit result zero-extended: as good for ==, never negative.  A test of 32 bits sees half
 * of a 64-bit result, of which only a setcond's says the same as the whole.
 */
#include "ir-info.h"
#include "opt-scratch.h"
#include <string.h>

typedef struct Flags {
  BpIrBlock *ir;
  uint32_t *written;            /* per temp: 1 + index of the last insn that wrote it */
  uint32_t barrier;             /* 1 + index of the last label: what came before may not have run */
  uint32_t globals_written;     /* 1 + index of the last call that may have written any global */
  uint32_t max_temps;
} Flags;

/* --- looking back ------------------------------------------------------------------------ */

static inline bool
is_const (const Flags *x, BpTemp temp)
{
  return x->ir->temps[temp].kind == BP_IR_TEMP_CONST;
}

static inline bool
is_value (const Flags *x, BpTemp temp, int64_t value)
{
  return is_const (x, temp) && x->ir->temps[temp].value == value;
}

/* Whether temp holds what it held before the insn at index `since` ran. */
static bool
is_unchanged (const Flags *x, BpTemp temp, uint32_t since)
{
  switch (x->ir->temps[temp].kind) {
  case BP_IR_TEMP_GLOBAL: return x->written[temp] <= since && x->globals_written <= since;
  case BP_IR_TEMP_LOCAL: return x->written[temp] <= since;
  default: return true;
  }
}

/* The insn that made a local, when its inputs still hold what it read. */
static const BpIrInsn *
maker (const Flags *x, BpTemp temp)
{
  if (x->ir->temps[temp].kind != BP_IR_TEMP_LOCAL || x->written[temp] <= x->barrier)
    return NULL;
  uint32_t index = x->written[temp] - 1;
  const BpIrInsn *insn = &x->ir->insns[index];
  const BpIrOpInfo *info = &ir_op_info[insn->op];
  if (info->n_out != 1 || info->n_in > 2)
    return NULL;
  for (unsigned i = 0; i < info->n_in; i++)
    if (!is_unchanged (x, insn->a[1 + i], index))
      return NULL;
  return insn;
}

static BpTemp
constant (Flags *x, BpIrType type, int64_t value)
{
  return x->ir->n_temps < x->max_temps ? bp_ir_const (x->ir, type, value) : BP_IR_NONE;
}

/* --- rules ---------------------------------------------------------------------------------- */

/* What a condition tests: rewritten step by step. */
typedef struct Test {
  BpIrType type;
  BpIrCond cond;
  BpTemp a, b;
} Test;

static bool
set_masked (Flags *x, Test *test, bool is_zero, BpTemp a, BpIrType type, uint64_t mask)
{
  /* Wider masks are no host immediate. */
  if (type == BP_IR_I64 && mask > INT32_MAX)
    return false;
  BpTemp b = constant (x, type, (int64_t) mask);
  if (b == BP_IR_NONE)
    return false;
  *test = (Test) { type, is_zero ? BP_IR_TSTEQ : BP_IR_TSTNE, a, b };
  return true;
}

/* (x - y) == 0, (x & y) == 0 and their kin. */
static bool
test_zero (Flags *x, Test *test, const BpIrInsn *m)
{
  bool is_zero = test->cond == BP_IR_EQ;
  BpIrType type = (BpIrType) m->type;
  switch (m->op) {
  case BP_IR_setcond: {
    BpIrCond cond = (BpIrCond) m->cond;
    *test = (Test) { type, is_zero ? ir_cond_invert (cond) : cond, m->a[1], m->a[2] };
    return true;
  }
  case BP_IR_sub:
  case BP_IR_xor:
    *test = (Test) { type, test->cond, m->a[1], m->a[2] };
    return true;
  case BP_IR_add: {             /* opt-fold.c made it of a subtraction */
    if (!is_const (x, m->a[2]))
      return false;
    BpTemp b = constant (x, type, (int64_t) -(uint64_t) x->ir->temps[m->a[2]].value);
    if (b != BP_IR_NONE)
      *test = (Test) { type, test->cond, m->a[1], b };
    return b != BP_IR_NONE;
  }
  case BP_IR_and:
    *test = (Test) { type, is_zero ? BP_IR_TSTEQ : BP_IR_TSTNE, m->a[1], m->a[2] };
    return true;
  case BP_IR_mov:
  case BP_IR_neg:
  case BP_IR_bswap: {
    BpTemp zero = constant (x, type, 0);
    if (zero != BP_IR_NONE)
      *test = (Test) { type, test->cond, m->a[1], zero };
    return zero != BP_IR_NONE;
  }
  case BP_IR_ext8u:
  case BP_IR_ext8s: return set_masked (x, test, is_zero, m->a[1], type, 0xff);
  case BP_IR_ext16u:
  case BP_IR_ext16s: return set_masked (x, test, is_zero, m->a[1], type, 0xffff);
  case BP_IR_extract:
  case BP_IR_sextract:
    return set_masked (x, test, is_zero, m->a[1], type, ir_low_mask (m->aux >> 8 & 0xff) << (m->aux & 0xff));
  case BP_IR_ext32u:
  case BP_IR_ext32s: {
    BpTemp zero = constant (x, BP_IR_I32, 0);
    if (zero != BP_IR_NONE)
      *test = (Test) { BP_IR_I32, test->cond, m->a[1], zero };
    return zero != BP_IR_NONE;
  }
  default: return false;
  }
}

/* The sign of something widened or shifted up is a bit of it. */
static bool
test_sign (Flags *x, Test *test, const BpIrInsn *m)
{
  bool is_clear = test->cond == BP_IR_GE;
  BpIrType type = (BpIrType) m->type;
  unsigned bits = ir_type_bits (type);
  switch (m->op) {
  case BP_IR_ext8s: return set_masked (x, test, is_clear, m->a[1], type, 0x80);
  case BP_IR_ext16s: return set_masked (x, test, is_clear, m->a[1], type, 0x8000);
  case BP_IR_sextract:
    return set_masked (x, test, is_clear, m->a[1], type,
                       (uint64_t) 1 << ((m->aux & 0xff) + (m->aux >> 8 & 0xff) - 1));
  case BP_IR_shl:
    if (!is_const (x, m->a[2]))
      return false;
    return set_masked (x, test, is_clear, m->a[1], type,
                       (uint64_t) 1 << (bits - 1 - ((unsigned) x->ir->temps[m->a[2]].value & (bits - 1))));
  default: return false;
  }
}

/* A setcond's result xor 1, or compared with 1. */
static bool
test_one (Test *test, const BpIrInsn *m)
{
  if (m->op != BP_IR_setcond)
    return false;
  BpIrCond cond = (BpIrCond) m->cond;
  *test = (Test) { (BpIrType) m->type, test->cond == BP_IR_EQ ? cond : ir_cond_invert (cond), m->a[1],
                   m->a[2] };
  return true;
}

static bool
improve (Flags *x, Test *test)
{
  bool equality = test->cond == BP_IR_EQ || test->cond == BP_IR_NE;
  bool sign = test->cond == BP_IR_LT || test->cond == BP_IR_GE;
  if ((!equality && !sign) || !is_const (x, test->b))
    return false;
  const BpIrInsn *m = maker (x, test->a);
  if (m == NULL)
    return false;
  BpIrType width = ir_operand_type (m, 0);
  if (width != test->type && m->op != BP_IR_setcond && (sign || width == BP_IR_I64))
    return false;
  if (is_value (x, test->b, 0))
    return equality ? test_zero (x, test, m) : test_sign (x, test, m);
  return equality && is_value (x, test->b, 1) && test_one (test, m);
}

/* --- the pass ---------------------------------------------------------------------------------- */

/* The longest chain that is looked through: no block needs more, and each step was itself improved before. */
#define MAX_STEPS 4

static bool
find_test (Flags *x, Test *test)
{
  unsigned n = 0;
  while (n < MAX_STEPS && improve (x, test))
    n++;
  return n > 0;
}

static void
visit (Flags *x, BpIrInsn *insn)
{
  unsigned first = insn->op == BP_IR_brcond ? 0 : 1;
  Test test = { (BpIrType) insn->type, (BpIrCond) insn->cond, insn->a[first], insn->a[first + 1] };
  if (!find_test (x, &test))
    return;
  /* setcond and movcond give a value as wide as what they compare; that of setcond may be narrower. */
  bool fits = insn->op == BP_IR_brcond || test.type == insn->type || (insn->op == BP_IR_setcond && test.type == BP_IR_I32);
  if (!fits)
    return;
  insn->type = (uint8_t) test.type;
  insn->cond = (uint8_t) test.cond;
  insn->a[first] = test.a;
  insn->a[first + 1] = test.b;
}

/* setcond's result, inverted by arithmetic */
static void
visit_xor (Flags *x, BpIrInsn *insn)
{
  if (!is_value (x, insn->a[2], 1))
    return;
  const BpIrInsn *m = maker (x, insn->a[1]);
  if (m == NULL || m->op != BP_IR_setcond || (m->type != insn->type && m->type != BP_IR_I32))
    return;
  insn->op = BP_IR_setcond;
  insn->type = m->type;
  insn->cond = (uint8_t) ir_cond_invert ((BpIrCond) m->cond);
  insn->a[1] = m->a[1];
  insn->a[2] = m->a[2];
}

void
opt_flags (BpIrBlock *ir)
{
  uint32_t max_temps = MIN (ir->n_temps + 2 * ir->n_insns, BP_IR_NONE - 1);
  max_temps = MAX (max_temps, ir->n_temps);
  Flags x = { .ir = ir, .max_temps = max_temps };
  x.written = opt_scratch (max_temps * sizeof *x.written);
  memset (x.written, 0, max_temps * sizeof *x.written);

  for (uint32_t i = 0; i < ir->n_insns; i++) {
    BpIrInsn *insn = &ir->insns[i];
    switch (insn->op) {
    case BP_IR_insn_start: continue;
    case BP_IR_setcond:
    case BP_IR_movcond:
    case BP_IR_brcond: visit (&x, insn); break;
    case BP_IR_xor: visit_xor (&x, insn); break;
    case BP_IR_label: x.barrier = i + 1; break;
    case BP_IR_call:
      if (!(ir_helper (insn)->flags & (BP_HELPER_NO_WRITE | BP_HELPER_NO_GLOBALS | BP_HELPER_PURE)))
        x.globals_written = i + 1;
      break;
    default: break;
    }
    for (unsigned k = 0; k < ir_op_info[insn->op].n_out; k++)
      if (insn->a[k] != BP_IR_NONE)
        x.written[insn->a[k]] = i + 1;
  }
}
