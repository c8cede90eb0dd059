/* fp-x87.c -- portable x87: stack, loads, stores, arithmetic, comparison (SDM vol. 1, chapter 8). */
/* SPDX-License-Identifier: MIT */

#include <string.h>

#include "fp-x87.h"

/* --- the stack ------------------------------------------------------------------------------------------ */

void
fx_set_top (FxImage *f, unsigned top)
{
  FxRegister old[8];
  unsigned turn = (top - fx_top (f)) & 7;
  memcpy (old, f->st, sizeof old);
  for (unsigned i = 0; i < 8; i++)
    f->st[i] = old[(i + turn) & 7];
  f->fsw = (uint16_t) ((f->fsw & ~(7 << FSW_TOP_SHIFT)) | top << FSW_TOP_SHIFT);
}

void
fx_init (FxImage *f)
{
  fx_set_top (f, 0);
  f->fcw = FCW_INIT;
  f->fsw = 0;
  f->tags = 0;
  f->fop = 0;
  f->fip = f->fdp = 0;
}

static void
set_tag (FxImage *f, unsigned i, bool full)
{
  uint8_t bit = (uint8_t) (1u << ((fx_top (f) + i) & 7));
  f->tags = full ? f->tags | bit : f->tags & (uint8_t) ~bit;
}

static void
st_set_raw (FxImage *f, unsigned i, FxRegister value)
{
  f->st[i] = value;
  set_tag (f, i, true);
}

void
st_set (FxImage *f, unsigned i, const FpNumber *x)
{
  FxRegister value = { 0 };
  value.sig = fp_pack80 (x, &value.sign_exp);
  st_set_raw (f, i, value);
}

void
st_push (FxImage *f)
{
  fx_set_top (f, (fx_top (f) - 1) & 7);
}

void
st_pop (FxImage *f)
{
  set_tag (f, 0, false);
  fx_set_top (f, (fx_top (f) + 1) & 7);
}

/* --- exceptions ----------------------------------------------------------------------------------------- */

bool
x87_report (FxImage *f, uint32_t flags)
{
  f->fsw = (uint16_t) ((f->fsw & ~FSW_C1) | (flags & (FP_ALL | FSW_C1 | FSW_STACK)));
  fx_update_pending (f);
  return !(flags & FP_PRE & ~x87_masked (f));
}

/* FCOMI leaves C1 alone, but for a stack fault (where AMD's manual and its processors agree; Intel's
 * clears it). */
static bool
report_but_c1 (FxImage *f, uint32_t flags)
{
  return x87_report (f, flags & FSW_STACK ? flags : flags | (f->fsw & FSW_C1));
}

bool
x87_stack_fault (FxImage *f, bool overflow)
{
  return x87_report (f, FP_IE | FSW_STACK | (overflow ? FSW_C1 : 0));
}

void
x87_set_cc (FxImage *f, unsigned mask, unsigned value)
{
  f->fsw = (uint16_t) ((f->fsw & ~mask) | value);
}

/* --- NaNs (SDM vol. 1, table 4-7) ----------------------------------------------------------------------- */

bool
x87_nan (FpNumber *r, const FpNumber *a, uint32_t *flags)
{
  if (a->kind == KIND_UNSUPPORTED) {
    *r = fp_default_nan ();
    *flags |= FP_IE;
    return true;
  }
  if (!fp_is_nan (a))
    return false;
  if (a->kind == KIND_SNAN)
    *flags |= FP_IE;
  *r = fp_quiet (*a);
  return true;
}

/* Of two: a quiet one before a signalling one, then the larger significand, then the positive. */
static const FpNumber *
stronger_nan (const FpNumber *a, const FpNumber *b)
{
  if (!fp_is_nan (a) || !fp_is_nan (b))
    return fp_is_nan (a) ? a : b;
  if (a->kind != b->kind)
    return a->kind == KIND_QNAN ? a : b;
  if (a->sig != b->sig)
    return a->sig > b->sig ? a : b;
  return a->sign ? b : a;
}

bool
x87_nan2 (FpNumber *r, const FpNumber *a, const FpNumber *b, uint32_t *flags)
{
  if (a->kind == KIND_UNSUPPORTED || b->kind == KIND_UNSUPPORTED) {
    *r = fp_default_nan ();
    *flags |= FP_IE;
    return true;
  }
  if (!fp_is_nan (a) && !fp_is_nan (b))
    return false;
  if (a->kind == KIND_SNAN || b->kind == KIND_SNAN)
    *flags |= FP_IE;
  *r = fp_quiet (*stronger_nan (a, b));
  return true;
}

/* --- arithmetic ----------------------------------------------------------------------------------------- */

enum { OP_ADD, OP_MUL, OP_COM, OP_COMP, OP_SUB, OP_SUBR, OP_DIV, OP_DIVR };     /* modrm.reg of D8 */

bool
x87_finish (FxImage *f, unsigned i, FpNumber r, uint32_t flags, int bits)
{
  if (flags & FP_PRE & ~x87_masked (f)) {
    x87_report (f, flags & FP_PRE);
    return false;
  }
  FpFormat format = fp_extended;
  format.precision = bits;
  flags |= fp_round (&r, &format, x87_rounding (f), x87_masked (f));
  x87_report (f, flags);
  st_set (f, i, &r);
  return true;
}

static uint32_t
binary (FpNumber *r, unsigned op, FpNumber a, FpNumber b, FpRounding rounding)
{
  uint32_t flags = 0;
  if (x87_nan2 (r, &a, &b, &flags))
    return flags;
  switch (op) {
  case OP_ADD: flags = fp_add (r, a, b, rounding); break;
  case OP_MUL: flags = fp_mul (r, a, b); break;
  case OP_SUB:
    b.sign = !b.sign;
    flags = fp_add (r, a, b, rounding);
    break;
  case OP_SUBR:
    a.sign = !a.sign;
    flags = fp_add (r, b, a, rounding);
    break;
  case OP_DIV: flags = fp_div (r, a, b); break;
  default: flags = fp_div (r, b, a); break;
  }
  if (!(flags & (FP_IE | FP_ZE)) && (a.denormal || b.denormal))
    flags |= FP_DE;
  return flags;
}

/* ST(0) op b, into ST(dst). */
static void
arithmetic (FxImage *f, unsigned op, FpNumber b, bool b_empty, unsigned dst, bool pop)
{
  if (st_empty (f, 0) || b_empty) {
    if (!x87_stack_fault (f, false))
      return;
    FpNumber indefinite = fp_default_nan ();
    st_set (f, dst, &indefinite);
  } else {
    FpNumber r;
    uint32_t flags = binary (&r, op, st_get (f, 0), b, x87_rounding (f));
    if (!x87_finish (f, dst, r, flags, x87_precision (f)))
      return;
  }
  if (pop)
    st_pop (f);
}

/* --- comparison ----------------------------------------------------------------------------------------- */

enum {
  RESULT_GREATER = 0, RESULT_LESS = FSW_C0, RESULT_EQUAL = FSW_C3, RESULT_UNORDERED = FSW_C0 | FSW_C2 | FSW_C3
};

/* quiet: FUCOM, to which a QNaN is no invalid operand */
static unsigned
compare (FpNumber a, FpNumber b, bool quiet, uint32_t *flags)
{
  bool bad = a.kind == KIND_UNSUPPORTED || b.kind == KIND_UNSUPPORTED;
  if (bad || fp_is_nan (&a) || fp_is_nan (&b)) {
    if (bad || !quiet || a.kind == KIND_SNAN || b.kind == KIND_SNAN)
      *flags |= FP_IE;
    return RESULT_UNORDERED;
  }
  if (a.denormal || b.denormal)
    *flags |= FP_DE;
  int c = fp_compare (&a, &b);
  return c < 0 ? RESULT_LESS : c > 0 ? RESULT_GREATER : RESULT_EQUAL;
}

static void
pop_times (FxImage *f, unsigned n)
{
  while (n--)
    st_pop (f);
}

static void
compare_to_cc (FxImage *f, FpNumber b, bool b_empty, bool quiet, unsigned pops)
{
  unsigned result = RESULT_UNORDERED;
  uint32_t flags = 0;
  if (st_empty (f, 0) || b_empty)
    flags = FP_IE | FSW_STACK;
  else
    result = compare (st_get (f, 0), b, quiet, &flags);
  bool go_on = x87_report (f, flags);
  x87_set_cc (f, FSW_C0 | FSW_C2 | FSW_C3, result);     /* known even when the exception is not masked */
  if (go_on)
    pop_times (f, pops);
}

/* C0, C2, C3 stand where CF, PF and ZF do. */
static void
compare_to_eflags (FpInsn *x, unsigned i, bool quiet, bool pop)
{
  FxImage *f = x->f;
  unsigned result = RESULT_UNORDERED;
  uint32_t flags = 0;
  if (st_empty (f, 0) || st_empty (f, i))
    flags = FP_IE | FSW_STACK;
  else
    result = compare (st_get (f, 0), st_get (f, i), quiet, &flags);
  bool go_on = report_but_c1 (f, flags);
  *x->flags = (result & FSW_C0 ? X86_FL_CF : 0) | (result & FSW_C2 ? X86_FL_PF : 0)
              | (result & FSW_C3 ? X86_FL_ZF : 0);
  if (go_on && pop)
    st_pop (f);
}

/* --- loads ---------------------------------------------------------------------------------------------- */

static int64_t
read_int (const uint8_t *mem, unsigned size)
{
  int64_t value = 0;
  memcpy (&value, mem, size);
  unsigned shift = 64 - 8 * size;
  return (int64_t) ((uint64_t) value << shift) >> shift;
}

static FpNumber
read_float (const uint8_t *mem, unsigned size)
{
  uint64_t bits = 0;
  memcpy (&bits, mem, size);
  return size == 4 ? fp_unpack32 ((uint32_t) bits) : fp_unpack64 (bits);
}

/* Makes room for a value: false when the register is in use, and the fault has been dealt with. */
static bool
push_room (FxImage *f)
{
  if (st_empty (f, 7))
    return true;
  if (x87_stack_fault (f, true)) {
    FpNumber indefinite = fp_default_nan ();
    st_push (f);
    st_set (f, 0, &indefinite);
  }
  return false;
}

static void
load (FxImage *f, FpNumber x)
{
  if (!push_room (f))
    return;
  uint32_t flags = 0;
  FpNumber r = x;
  if (!x87_nan (&r, &x, &flags) && x.denormal)
    flags |= FP_DE;             /* does not keep it from being loaded */
  if (!x87_report (f, flags) && flags & FP_IE)
    return;
  st_push (f);
  st_set (f, 0, &r);
}

static void
load_raw (FxImage *f, FxRegister value)
{
  if (!push_room (f))
    return;
  x87_report (f, 0);
  st_push (f);
  st_set_raw (f, 0, value);
}

static void
load_extended (FxImage *f, const uint8_t *mem)
{
  FxRegister value = { 0 };
  memcpy (&value.sig, mem, 8);
  memcpy (&value.sign_exp, mem + 8, 2);
  load_raw (f, value);
}

static void
load_register (FxImage *f, unsigned i)
{
  FxRegister value = f->st[i];
  if (!st_empty (f, i)) {
    load_raw (f, value);
    return;
  }
  if (x87_stack_fault (f, false)) {
    FpNumber indefinite = fp_default_nan ();
    st_push (f);
    st_set (f, 0, &indefinite);
  }
}

/* FLD1 .. FLDZ: 128 bits of each, rounded as RC says (no exception comes of it). */
static bool
load_constant (FxImage *f, unsigned n)
{
  static const struct { int32_t exp; uint64_t high, low; } constant[7] = {
    { 0, 0x8000000000000000, 0 },                       /* 1 */
    { 1, 0xd49a784bcd1b8afe, 0x492bf6ff4dafdb4c },      /* log2 10 */
    { 0, 0xb8aa3b295c17f0bb, 0xbe87fed0691d3e88 },      /* log2 e */
    { 1, 0xc90fdaa22168c234, 0xc4c6628b80dc1cd1 },      /* pi */
    { -2, 0x9a209a84fbcff798, 0x8f8959ac0b7c9178 },     /* log10 2 */
    { -1, 0xb17217f7d1cf79ab, 0xc9e3b39803f2f6af },     /* ln 2 */
    { 0, 0, 0 }
  };
  if (n > 6)
    return false;
  if (!push_room (f))
    return true;
  FpNumber x = fp_make (false, constant[n].exp, (FpWide) constant[n].high << 64 | constant[n].low);
  fp_round (&x, &fp_extended, x87_rounding (f), FP_ALL);
  x87_report (f, 0);
  st_push (f);
  st_set (f, 0, &x);
  return true;
}

/* --- stores --------------------------------------------------------------------------------------------- */

static void
write_float (uint8_t *mem, unsigned size, const FpNumber *x)
{
  uint64_t bits = size == 4 ? fp_pack32 (x) : fp_pack64 (x);
  memcpy (mem, &bits, size);
}

/* Nothing is stored when any of IE, OE, UE is unmasked. */
static void
store_float (FxImage *f, uint8_t *mem, unsigned size, bool pop)
{
  FpNumber r = fp_default_nan ();
  uint32_t flags = 0;
  if (st_empty (f, 0))
    flags = FP_IE | FSW_STACK;
  else {
    FpNumber x = st_get (f, 0);
    if (!x87_nan (&r, &x, &flags)) {
      r = x;
      flags = fp_round (&r, size == 4 ? &fp_single : &fp_double, x87_rounding (f), x87_masked (f));
    }
  }
  uint32_t stop = flags & (FP_IE | FP_OE | FP_UE) & ~x87_masked (f);
  x87_report (f, stop ? flags & ~(uint32_t) (FP_PE | FP_UP) : flags);
  if (stop)
    return;
  write_float (mem, size, &r);
  if (pop)
    st_pop (f);
}

static void
store_int (FxImage *f, uint8_t *mem, unsigned size, FpRounding rounding, bool pop)
{
  int64_t value = (int64_t) (~(uint64_t) 0 << (8 * size - 1));
  uint32_t flags = FP_IE | FSW_STACK;
  if (!st_empty (f, 0))
    flags = fp_to_int (&value, st_get (f, 0), 8 * size, rounding);
  if (!x87_report (f, flags))
    return;
  memcpy (mem, &value, size);
  if (pop)
    st_pop (f);
}

static void
store_extended (FxImage *f, uint8_t *mem)
{
  FxRegister value = f->st[0];
  if (st_empty (f, 0)) {
    if (!x87_stack_fault (f, false))
      return;
    FpNumber indefinite = fp_default_nan ();
    value.sig = fp_pack80 (&indefinite, &value.sign_exp);
  } else
    x87_report (f, 0);
  memcpy (mem, &value.sig, 8);
  memcpy (mem + 8, &value.sign_exp, 2);
  st_pop (f);
}

static void
store_register (FxImage *f, unsigned i, bool pop)
{
  if (st_empty (f, 0)) {
    if (!x87_stack_fault (f, false))
      return;
    FpNumber indefinite = fp_default_nan ();
    st_set (f, i, &indefinite);
  } else {
    x87_report (f, 0);
    st_set_raw (f, i, f->st[0]);
  }
  if (pop)
    st_pop (f);
}

/* --- register shuffling --------------------------------------------------------------------------------- */

static void
exchange (FxImage *f, unsigned i)
{
  FpNumber indefinite = fp_default_nan ();
  if (st_empty (f, 0) || st_empty (f, i)) {
    if (!x87_stack_fault (f, false))
      return;
    if (st_empty (f, 0))
      st_set (f, 0, &indefinite);
    if (st_empty (f, i))
      st_set (f, i, &indefinite);
  } else
    x87_report (f, 0);
  FxRegister t = f->st[0];
  f->st[0] = f->st[i];
  f->st[i] = t;
}

static void
conditional_move (FpInsn *x, unsigned i, unsigned condition, bool negated)
{
  static const uint32_t tested[4] = { X86_FL_CF, X86_FL_ZF, X86_FL_CF | X86_FL_ZF, X86_FL_PF };
  FxImage *f = x->f;
  bool holds = ((*x->flags & tested[condition]) != 0) != negated;
  if (st_empty (f, 0) || st_empty (f, i)) {
    if (!x87_stack_fault (f, false))
      return;
    FpNumber indefinite = fp_default_nan ();
    st_set (f, 0, &indefinite);
    return;
  }
  if (holds)
    st_set_raw (f, 0, f->st[i]);
}

static void
change_sign (FxImage *f, bool clear)
{
  if (st_empty (f, 0)) {
    if (x87_stack_fault (f, false)) {
      FpNumber indefinite = fp_default_nan ();
      st_set (f, 0, &indefinite);
    }
    return;
  }
  x87_report (f, 0);
  f->st[0].sign_exp = clear ? f->st[0].sign_exp & 0x7fff : f->st[0].sign_exp ^ 0x8000;
}

/* --- decoding: memory forms ----------------------------------------------------------------------------- */

static void
arithmetic_or_compare (FxImage *f, unsigned op, FpNumber b)
{
  if (op == OP_COM || op == OP_COMP)
    compare_to_cc (f, b, false, false, op == OP_COMP);
  else
    arithmetic (f, op, b, false, 0, false);
}

static void
write16 (uint8_t *mem, uint16_t value)
{
  memcpy (mem, &value, 2);
}

/* D9, DB, DD, DF: loads and stores */
static bool
transfer (FpInsn *x, unsigned opcode, unsigned reg)
{
  FxImage *f = x->f;
  unsigned size = opcode == 0xdf ? 2 : opcode == 0xdd ? 8 : 4;
  bool integer = opcode == 0xdb || opcode == 0xdf;
  switch (reg) {
  case 0: load (f, integer ? fp_from_int (read_int (x->mem, size)) : read_float (x->mem, size)); return true;
  case 1:
    if (opcode == 0xd9)
      return false;
    store_int (f, x->mem, size, FP_CHOP, true);
    return true;
  case 2:
  case 3:
    if (integer)
      store_int (f, x->mem, size, x87_rounding (f), reg == 3);
    else
      store_float (f, x->mem, size, reg == 3);
    return true;
  case 4:
    if (opcode == 0xdf)
      x87_load_bcd (f, x->mem);
    return opcode == 0xdf;
  case 5:
    switch (opcode) {
    case 0xd9: {
      uint16_t value;
      memcpy (&value, x->mem, 2);
      fx_set_control (f, value);
      return true;
    }
    case 0xdb: load_extended (f, x->mem); return true;
    case 0xdf: load (f, fp_from_int (read_int (x->mem, 8))); return true;
    default: return false;
    }
  case 6:
    if (opcode == 0xdf)
      x87_store_bcd (f, x->mem);
    return opcode == 0xdf;
  default:
    switch (opcode) {
    case 0xd9: write16 (x->mem, f->fcw); break;
    case 0xdb: store_extended (f, x->mem); break;
    case 0xdd: write16 (x->mem, f->fsw); break;
    default: store_int (f, x->mem, 8, x87_rounding (f), true); break;
    }
    return true;
  }
}

static bool
execute_memory (FpInsn *x, unsigned opcode, unsigned reg)
{
  switch (opcode) {
  case 0xd8: arithmetic_or_compare (x->f, reg, read_float (x->mem, 4)); return true;
  case 0xda: arithmetic_or_compare (x->f, reg, fp_from_int (read_int (x->mem, 4))); return true;
  case 0xdc: arithmetic_or_compare (x->f, reg, read_float (x->mem, 8)); return true;
  case 0xde: arithmetic_or_compare (x->f, reg, fp_from_int (read_int (x->mem, 2))); return true;
  default: return transfer (x, opcode, reg);
  }
}

/* --- decoding: register forms --------------------------------------------------------------------------- */

static bool
execute_d9 (FpInsn *x, unsigned reg, unsigned rm)
{
  FxImage *f = x->f;
  switch (reg) {
  case 0: load_register (f, rm); return true;
  case 1: exchange (f, rm); return true;
  case 2: return rm == 0;       /* FNOP */
  case 3:                       /* an alias of FSTP that takes no notice of an empty stack */
    if (st_empty (f, 0)) {
      x87_report (f, 0);
      st_pop (f);
    } else
      store_register (f, rm, true);
    return true;
  case 4:
    if (rm < 2) {
      change_sign (f, rm == 1);
      return true;
    }
    if (rm == 4) {
      compare_to_cc (f, fp_zero (false), false, false, 0);
      return true;
    }
    return rm == 5 && x87_math (f, 0x25);
  case 5: return load_constant (f, rm);
  default: return x87_math (f, (reg & 1) << 3 | rm);
  }
}

static bool
execute_db (FpInsn *x, unsigned reg, unsigned rm)
{
  FxImage *f = x->f;
  switch (reg) {
  case 0:
  case 1:
  case 2:
  case 3: conditional_move (x, rm, reg, true); return true;
  case 4:
    if (rm == 2)
      f->fsw &= (uint16_t) ~(FP_ALL | FSW_STACK | FSW_ES | FSW_B);
    else if (rm == 3)
      fx_init (f);
    return rm <= 4;
  case 5:
  case 6: compare_to_eflags (x, rm, reg == 5, false); return true;
  default: return false;
  }
}

static bool
execute_dd (FpInsn *x, unsigned reg, unsigned rm)
{
  FxImage *f = x->f;
  switch (reg) {
  case 0:
    x87_report (f, 0);
    set_tag (f, rm, false);
    return true;
  case 1: exchange (f, rm); return true;
  case 2:
  case 3: store_register (f, rm, reg == 3); return true;
  case 4:
  case 5: compare_to_cc (f, st_get (f, rm), st_empty (f, rm), true, reg == 5); return true;
  default: return false;
  }
}

static bool
execute_df (FpInsn *x, unsigned reg, unsigned rm)
{
  FxImage *f = x->f;
  switch (reg) {
  case 0:
    x87_report (f, 0);
    set_tag (f, rm, false);
    st_pop (f);
    return true;
  case 1: exchange (f, rm); return true;
  case 2:
  case 3: store_register (f, rm, true); return true;
  case 4: x->out = f->fsw; return rm == 0;
  case 5:
  case 6: compare_to_eflags (x, rm, reg == 5, true); return true;
  default: return false;
  }
}

static bool
execute_register (FpInsn *x, unsigned opcode, unsigned reg, unsigned rm)
{
  FxImage *f = x->f;
  switch (opcode) {
  case 0xd8:
  case 0xdc:
  case 0xde:
    if (opcode == 0xde && reg == OP_COMP) {
      compare_to_cc (f, st_get (f, rm), st_empty (f, rm), false, 2);
      return rm == 1;
    }
    if (reg == OP_COM || reg == OP_COMP)
      compare_to_cc (f, st_get (f, rm), st_empty (f, rm), false, reg == OP_COMP || opcode == 0xde);
    else
      arithmetic (f, reg, st_get (f, rm), st_empty (f, rm), opcode == 0xd8 ? 0 : rm, opcode == 0xde);
    return true;
  case 0xd9: return execute_d9 (x, reg, rm);
  case 0xda:
    if (reg < 4)
      conditional_move (x, rm, reg, false);
    else if (reg == 5 && rm == 1)
      compare_to_cc (f, st_get (f, 1), st_empty (f, 1), true, 2);
    else
      return false;
    return true;
  case 0xdb: return execute_db (x, reg, rm);
  case 0xdd: return execute_dd (x, reg, rm);
  default: return execute_df (x, reg, rm);
  }
}

/* FNSTCW, FNSTSW, FNCLEX, FNINIT and their like ignore what is pending. */
static bool
is_waiting (unsigned opcode, bool memory, unsigned reg)
{
  if (memory)
    return !((opcode == 0xd9 || opcode == 0xdd) && reg >= 6);
  return !((opcode == 0xdb || opcode == 0xdf) && reg == 4);
}

bool
fp_x87_execute (FpInsn *x)
{
  uint64_t n = x->native;
  unsigned opcode = BP_NATIVE_OPCODE (n), reg = BP_NATIVE_REG (n), rm = BP_NATIVE_RM (n);
  bool memory = x->mem;
  if (is_waiting (opcode, memory, reg) && (x->f->fsw & FSW_ES))
    x86_raise (x->env, EXC_MF);
  if (opcode == 0x9b)
    return true;
  if (opcode < 0xd8 || opcode > 0xdf)
    return false;
  return memory ? execute_memory (x, opcode, reg) : execute_register (x, opcode, reg, rm);
}
