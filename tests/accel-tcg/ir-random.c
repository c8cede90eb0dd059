/* ir-random.c -- valid random blocks for the fake CPU. */
/* SPDX-License-Identifier: MIT */
/*
 * A pool of locals is written first, so that every read finds a value.  Idioms that the passes look for
 * (a setcond that is branched on, results moved to globals after an access, guarded divisions) come up as
 * often as single ops.
 */
#include "ir-random.h"

enum { POOL = 6, OPEN_LABELS = 4 };

typedef struct Random {
  BpIrBlock *ir;
  uint64_t state;
  BpTemp pool[2][POOL];         /* by type */
  uint32_t open[OPEN_LABELS];   /* labels that were branched to and are not placed yet */
  unsigned n_open;
  uint64_t pc;
  bool narrow;                  /* no 64-bit writes to w0 .. w3 */
} Random;

/* --- choices -------------------------------------------------------------------------- */

static uint32_t
next (Random *x)
{
  x->state = x->state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t) (x->state >> 33);
}

static unsigned
below (Random *x, unsigned n)
{
  return next (x) % n;
}

static uint64_t
any_value (Random *x)
{
  static const uint64_t edges[] = { 0, 1, 2, 7, 8, 31, 32, 63, 64, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff,
                                    0x10000, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000,
                                    0x7fffffffffffffff,
                                    0x8000000000000000, 0xffffffffffffff80, 0xffffffffffffffff,
                                    0xffffffff80000000 };
  switch (below (x, 4)) {
  case 0: return (uint64_t) next (x) << 33 ^ (uint64_t) next (x) << 11 ^ next (x);
  case 1: return below (x, 256);
  default: return edges[below (x, G_N_ELEMENTS (edges))];
  }
}

/* The type of a temp that an op may use at that width. */
static BpIrType
at_least (Random *x, BpIrType type)
{
  return type == BP_IR_I32 && below (x, 3) == 0 ? BP_IR_I64 : type;
}

static BpTemp
a_global (Random *x, BpIrType type)
{
  type = at_least (x, type);
  for (;;) {
    BpTemp t = bp_ir_global (below (x, x->ir->n_globals));
    if (x->ir->temps[t].type == type)
      return t;
  }
}

static BpTemp
a_local (Random *x, BpIrType type)
{
  return bp_ir_local (x->ir, at_least (x, type));
}

static BpTemp
a_const (Random *x, BpIrType type, uint64_t value)
{
  return bp_ir_const (x->ir, below (x, 8) ? type : at_least (x, type), (int64_t) value);
}

static BpTemp
input (Random *x, BpIrType type)
{
  switch (below (x, 8)) {
  case 0:
  case 1: return a_const (x, type, any_value (x));
  case 2:
  case 3:
  case 4: return a_global (x, type);
  default: return x->pool[at_least (x, type)][below (x, POOL)];
  }
}

static BpTemp
an_output_global (Random *x, BpIrType type)
{
  return x->narrow && type == BP_IR_I64 ? bp_ir_global (x->ir->n_globals - 1) : a_global (x, type);
}

static BpTemp
output (Random *x, BpIrType type)
{
  return below (x, 3) == 0 ? an_output_global (x, type) : x->pool[at_least (x, type)][below (x, POOL)];
}

static BpIrType
a_type (Random *x)
{
  return below (x, 2) == 0 ? BP_IR_I64 : BP_IR_I32;
}

static BpIrCond
a_cond (Random *x)
{
  return (BpIrCond) (below (x, 16) == 0 ? below (x, 14) : 2 + below (x, 12));
}

/* --- single ops -------------------------------------------------------------------------- */

static void
put_plain (Random *x)
{
  static const uint8_t ops[] = {
    BP_IR_mov, BP_IR_add, BP_IR_sub, BP_IR_mul, BP_IR_and, BP_IR_or, BP_IR_xor, BP_IR_andc, BP_IR_neg,
    BP_IR_not,
    BP_IR_shl, BP_IR_shr, BP_IR_sar, BP_IR_rotl, BP_IR_rotr, BP_IR_clz, BP_IR_ctz, BP_IR_popcnt, BP_IR_bswap,
    BP_IR_ext8s, BP_IR_ext8u, BP_IR_ext16s, BP_IR_ext16u, BP_IR_add, BP_IR_sub, BP_IR_and, BP_IR_mov,
  };
  BpIrOp op = (BpIrOp) ops[below (x, G_N_ELEMENTS (ops))];
  BpIrType type = a_type (x);
  BpTemp s0 = input (x, type), s1 = ir_op_info[op].n_in == 2 ? input (x, type) : BP_IR_NONE;
  bp_ir_op3 (x->ir, op, type, output (x, type), s0, s1);
}

static void
put_carry (Random *x)
{
  BpIrType type = a_type (x);
  BpTemp carry = below (x, 3) == 0 ? a_const (x, type, below (x, 2)) : a_local (x, type);
  if (x->ir->temps[carry].kind == BP_IR_TEMP_LOCAL)
    bp_ir_setcond (x->ir, type, a_cond (x), carry, input (x, type), input (x, type));
  BpTemp s0 = input (x, type), s1 = input (x, type);
  bp_ir_op4 (x->ir, below (x, 2) ? BP_IR_addc : BP_IR_subb, type, output (x, type), s0, s1, carry);
}

static void
put_width (Random *x)
{
  static const uint8_t ops[] = { BP_IR_ext32s, BP_IR_ext32u, BP_IR_trunc };
  BpIrOp op = (BpIrOp) ops[below (x, 3)];
  BpIrType from = op == BP_IR_trunc ? BP_IR_I64 : BP_IR_I32;
  BpTemp in = input (x, from);
  bp_ir_op2 (x->ir, op, from == BP_IR_I32 ? BP_IR_I64 : BP_IR_I32, output (x, from ^ 1), in);
}

static void
put_field (Random *x)
{
  static const uint16_t common[] = { 0 | 8 << 8, 8 | 8 << 8, 0 | 16 << 8, 16 | 16 << 8, 0 | 1 << 8,
                                     31 | 1 << 8, 0 | 32 << 8 };
  BpIrType type = a_type (x);
  unsigned bits = type == BP_IR_I64 ? 64 : 32, len = 1 + below (x, bits), pos = below (x, bits - len + 1);
  if (below (x, 2)) {
    unsigned c = common[below (x, G_N_ELEMENTS (common))];
    pos = c & 0xff, len = c >> 8;
  }
  BpTemp s0 = input (x, type), s1 = input (x, type);
  if (below (x, 2))
    bp_ir_deposit (x->ir, type, output (x, type), s0, s1, pos, len);
  else
    bp_ir_field (x->ir, below (x, 2) ? BP_IR_extract : BP_IR_sextract, type, output (x, type), s0, pos, len);
}

static void
put_condition (Random *x)
{
  BpIrType type = a_type (x);
  BpIrCond cond = a_cond (x);
  BpTemp a = input (x, type), b = input (x, type), t = input (x, type), f = input (x, type);
  if (below (x, 2))
    bp_ir_setcond (x->ir, type, cond, output (x, type), a, b);
  else
    bp_ir_movcond (x->ir, type, cond, output (x, type), a, b, t, f);
}

static void
put_double (Random *x)
{
  BpIrType type = a_type (x);
  BpTemp s0 = input (x, type), s1 = input (x, type), d0 = output (x, type), d1;
  do
    d1 = output (x, type);
  while (d1 == d0);
  bp_ir_op4 (x->ir, below (x, 2) ? BP_IR_mulu2 : BP_IR_muls2, type, d0, d1, s0, s1);
}

/* Mostly divisions that fit: high half 0 or the sign, divisor not 0. */
static void
put_division (Random *x)
{
  BpIrType type = a_type (x);
  bool is_signed = below (x, 2);
  BpTemp low = input (x, type), high = a_local (x, type), divisor = a_local (x, type);
  bp_ir_op3 (x->ir, is_signed ? BP_IR_sar : BP_IR_and, type, high, low,
             bp_ir_const (x->ir, type, is_signed ? (type == BP_IR_I64 ? 63 : 31) : 0));
  bp_ir_op3 (x->ir, BP_IR_or, type, divisor, input (x, type), bp_ir_const (x->ir, type, 1));
  if (below (x, 4) == 0)
    high = input (x, type);
  if (below (x, 8) == 0)
    divisor = input (x, type);
  BpTemp d0 = output (x, type), d1;
  do
    d1 = output (x, type);
  while (d1 == d0);
  bp_ir_op5 (x->ir, is_signed ? BP_IR_divs2 : BP_IR_divu2, type, d0, d1, low, high, divisor);
}

/* --- memory ------------------------------------------------------------------------------------ */

static void
put_host_access (Random *x)
{
  static const uint8_t sizes[] = { 1, 1, 2, 2, 4, 4, 8, 1, 2, 4, 8 };
  unsigned i = below (x, G_N_ELEMENTS (sizes));
  BpIrOp op = (BpIrOp) (BP_IR_ld8u + i);
  BpIrType type = sizes[i] == 8 ? BP_IR_I64 : a_type (x);
  int64_t offset = (int64_t) offsetof (FakeCpu, state.plain) + below (x, 64 - sizes[i] + 1);
  if (op <= BP_IR_ld64)
    bp_ir_ld (x->ir, op, type, output (x, type), BP_IR_ENV, offset);
  else
    bp_ir_st (x->ir, op, input (x, type), BP_IR_ENV, offset);
}

/* An address that is mostly mapped, as the memop wants it. */
static BpTemp
an_address (Random *x, BpMemOp memop)
{
  static const uint64_t places[] = { 0, FAKE_MIDDLE, FAKE_HIGH };
  BpIrType type = memop & BP_MO_ADDR64 ? BP_IR_I64 : BP_IR_I32;
  uint64_t base = FAKE_MEMORY_BASE + (type == BP_IR_I64 ? places[below (x, 3)] : 0);
  if (below (x, 24) == 0)
    return input (x, type);
  if (below (x, 4) == 0)
    return a_const (x, type, base + below (x, FAKE_MEMORY_SIZE - 8));
  BpTemp t = a_local (x, type), u = a_local (x, type);
  BpTemp mask = a_const (x, type, below (x, 2) ? 0x3fff : 0xcffe);
  bp_ir_op3 (x->ir, BP_IR_and, type, t, input (x, type), mask);
  bp_ir_op3 (x->ir, BP_IR_add, type, u, t, a_const (x, type, base));
  if (type == BP_IR_I64 || below (x, 4))
    return u;
  BpTemp v = bp_ir_local (x->ir, BP_IR_I64);            /* with something above that is none of the address's */
  bp_ir_deposit (x->ir, BP_IR_I64, v, input (x, BP_IR_I64), x->ir->temps[u].type == BP_IR_I64 ? u : bp_ir_i64 (x->ir, (int64_t) base), 0, 32);
  return v;
}

static BpMemOp
a_memop (Random *x, BpIrType type)
{
  BpMemOp memop = below (x, type == BP_IR_I64 ? 4 : 3) | BP_MO_MMU (below (x, 2));
  if (below (x, 2))
    memop |= BP_MO_ADDR64;
  if (below (x, 2))
    memop |= BP_MO_SIGN;
  if (below (x, 8) == 0)
    memop |= BP_MO_BE;
  if (below (x, 8) == 0)
    memop |= BP_MO_STACK;
  if (below (x, 16) == 0)
    memop |= BP_MO_ALIGN;
  return memop;
}

static void
put_guest_access (Random *x)
{
  BpIrType type = a_type (x);
  BpMemOp memop = a_memop (x, type);
  BpTemp address = an_address (x, memop), value = input (x, type), expected = input (x, type);
  switch (below (x, 6)) {
  case 0:
  case 1:
  case 2: bp_ir_gld (x->ir, type, output (x, type), address, memop); break;
  case 3:
  case 4: bp_ir_gst (x->ir, value, address, memop & ~BP_MO_SIGN); break;
  default:
    if (below (x, 3) == 0)
      bp_ir_gcmpxchg (x->ir, type, output (x, type), address, expected, value, memop);
    else
      bp_ir_gatomic (x->ir, (BpIrOp) (BP_IR_gxchg + below (x, 5)), type, output (x, type), address, value,
                     memop);
    break;
  }
}

/* --- idioms, calls, control -------------------------------------------------------------------------- */

/* Computes into a local, may access memory, then moves to a global. */
static void
put_late_move (Random *x)
{
  static const uint8_t ops[] = { BP_IR_add, BP_IR_sub, BP_IR_and, BP_IR_or, BP_IR_xor, BP_IR_shl };
  BpIrType type = a_type (x), move = below (x, 3) ? type : BP_IR_I32;
  BpTemp t = a_local (x, type), target = an_output_global (x, move), s1 = input (x, type);
  bool reads_target = below (x, 2) && (type == BP_IR_I32 || x->ir->temps[target].type == BP_IR_I64);
  bp_ir_op3 (x->ir, (BpIrOp) ops[below (x, 6)], type, t, reads_target ? target : input (x, type), s1);
  if (below (x, 2))
    put_plain (x);
  if (below (x, 3) == 0)
    put_guest_access (x);
  bp_ir_mov (x->ir, move, target, t);
  if (below (x, 3) == 0)
    bp_ir_mov (x->ir, move, an_output_global (x, move), t);
}

/* Accesses near what a register points to, which moves as a stack pointer does; an address may outlive its register's value. */
static void
put_frame (Random *x)
{
  static const uint64_t places[] = { 0, FAKE_MIDDLE, FAKE_HIGH };
  BpIrBlock *ir = x->ir;
  BpTemp base = an_output_global (x, BP_IR_I64), t = bp_ir_local (ir, BP_IR_I64), u = bp_ir_local (ir, BP_IR_I64);
  bp_ir_op3 (ir, BP_IR_and, BP_IR_I64, t, input (x, BP_IR_I64), bp_ir_i64 (ir, 0x3ff8));
  bp_ir_op3 (ir, BP_IR_add, BP_IR_I64, u, t, bp_ir_i64 (ir, (int64_t) (FAKE_MEMORY_BASE + places[below (x, 3)])));
  bp_ir_mov (ir, BP_IR_I64, base, u);
  for (unsigned n = 1 + below (x, 6); n > 0; n--) {
    BpIrType type = a_type (x);
    BpMemOp memop = (a_memop (x, type) & ~BP_MO_ALIGN) | BP_MO_ADDR64;
    BpTemp at = bp_ir_local (ir, BP_IR_I64);
    bp_ir_op3 (ir, BP_IR_add, BP_IR_I64, at, base, bp_ir_i64 (ir, (int) below (x, 80) - 40));
    if (below (x, 2))
      bp_ir_gld (ir, type, output (x, type), at, memop);
    if (below (x, 3) == 0)
      bp_ir_mov (ir, BP_IR_I64, base, below (x, 2) ? at : input (x, BP_IR_I64));
    if (below (x, 4) == 0)
      put_plain (x);
    if (below (x, 2))
      bp_ir_gst (ir, input (x, type), at, memop & ~BP_MO_SIGN);
    if (below (x, 4) == 0)
      bp_ir_op3 (ir, BP_IR_xor, BP_IR_I64, x->pool[BP_IR_I64][below (x, POOL)], at, input (x, BP_IR_I64));
    if (below (x, 3) == 0)
      bp_ir_mov (ir, BP_IR_I64, base, at);
  }
}

static uint32_t
a_label (Random *x)
{
  if (x->n_open == OPEN_LABELS || (x->n_open > 0 && below (x, 2)))
    return x->open[below (x, x->n_open)];
  return x->open[x->n_open++] = bp_ir_label_new (x->ir);
}

static void
put_call (Random *x)
{
  const BpIrHelper *helper = x->ir->helpers[below (x, 6)];
  if (x->narrow && !helper->flags)      /* h_write writes 64 bits */
    return;
  BpTemp args[BP_HELPER_MAX_ARGS];
  bool is_pure = helper->flags & BP_HELPER_PURE;
  for (unsigned i = 0; i < helper->n_args; i++)
    args[i] = i == 0 && !is_pure ? BP_IR_ENV : input (x, (BpIrType) helper->arg_type[i]);
  BpTemp result = BP_IR_NONE;
  if (helper->has_result && below (x, 8))
    result = output (x, (BpIrType) helper->result_type);
  bp_ir_call (x->ir, helper, result, args, helper->n_args);
}

/* A branch on something that opt-flags looks through. */
static void
put_flag_branch (Random *x)
{
  static const uint8_t makers[] = { BP_IR_setcond, BP_IR_sub, BP_IR_and, BP_IR_xor, BP_IR_add, BP_IR_ext8u,
                                    BP_IR_ext8s,
                                    BP_IR_ext16s, BP_IR_shl, BP_IR_neg, BP_IR_bswap };
  static const uint8_t conds[] = { BP_IR_EQ, BP_IR_NE, BP_IR_LT, BP_IR_GE, BP_IR_GTU };
  BpIrType type = a_type (x);
  BpIrOp op = (BpIrOp) makers[below (x, G_N_ELEMENTS (makers))];
  BpTemp t = a_local (x, type), s0 = input (x, type), s1 = input (x, type);
  if (op == BP_IR_setcond)
    bp_ir_setcond (x->ir, type, a_cond (x), t, s0, s1);
  else
    bp_ir_op3 (x->ir, op, type, t, s0, ir_op_info[op].n_in == 2 ? s1 : BP_IR_NONE);
  if (below (x, 4) == 0)
    put_plain (x);
  if (below (x, 8) == 0)
    put_call (x);
  if (below (x, 8) == 0 && x->ir->temps[s0].kind == BP_IR_TEMP_LOCAL)
    bp_ir_mov (x->ir, type, s0, s1);
  if (op == BP_IR_setcond && below (x, 3) == 0) {
    BpTemp u = a_local (x, type);
    bp_ir_op3 (x->ir, BP_IR_xor, type, u, t, a_const (x, type, 1));
    t = u;
  }
  type = x->ir->temps[t].type == BP_IR_I64 ? a_type (x) : BP_IR_I32;
  BpTemp value = a_const (x, type, below (x, 8) == 0);
  BpIrCond cond = (BpIrCond) conds[below (x, G_N_ELEMENTS (conds))];
  if (below (x, 3) == 0)
    bp_ir_setcond (x->ir, type, cond, output (x, type), t, value);
  else
    bp_ir_brcond (x->ir, type, cond, t, value, a_label (x));
}

/* A check: past it nothing has changed, not even where values are. */
static void
put_guard (Random *x)
{
  BpIrType type = a_type (x);
  uint32_t label = bp_ir_label_new (x->ir);
  BpTemp a = input (x, type), b = input (x, type), env = BP_IR_ENV;
  bp_ir_brcond (x->ir, type, a_cond (x), a, b, label);
  for (unsigned n = below (x, 3); n > 0; n--)
    put_plain (x);
  bp_ir_call (x->ir, x->ir->helpers[6], BP_IR_NONE, &env, 1);
  bp_ir_label (x->ir, label);
}

static void
put_control (Random *x)
{
  if (x->n_open > 0 && below (x, 2)) {
    bp_ir_label (x->ir, x->open[--x->n_open]);
  } else if (below (x, 8) == 0) {
    bp_ir_br (x->ir, a_label (x));
  } else {
    BpIrType type = a_type (x);
    BpTemp a = input (x, type), b = input (x, type);
    bp_ir_brcond (x->ir, type, a_cond (x), a, b, a_label (x));
  }
}

static void
start_insn (Random *x)
{
  x->pc += 1 + below (x, 15);
  bp_ir_insn_start (x->ir, x->pc, below (x, 64));
}

/* A register of the type, or a constant. */
static BpTemp
a_register (Random *x, BpIrType type)
{
  return below (x, 4) ? a_global (x, type) : a_const (x, type, any_value (x));
}

/* Instructions that set flags from registers, and some that may fault: of most flags nothing else knows. */
static void
put_flags (Random *x)
{
  static const uint8_t ops[] = { BP_IR_mov, BP_IR_mov, BP_IR_sub, BP_IR_add, BP_IR_and, BP_IR_neg, BP_IR_sar, BP_IR_ext16s, BP_IR_andc };
  BpTemp flags[2][2];           /* by type */
  for (unsigned type = 0; type < 2; type++)
    for (unsigned i = 0; i < 2; i++)
      flags[type][i] = an_output_global (x, (BpIrType) type);
  for (unsigned n = 4 + below (x, 8); n > 0; n--) {
    start_insn (x);
    if (below (x, 3) == 0)
      put_guest_access (x);
    BpIrType type = a_type (x);
    if (below (x, 8) == 0)
      put_control (x);
    else if (below (x, 4) == 0)
      bp_ir_brcond (x->ir, type, below (x, 2) ? BP_IR_EQ : a_cond (x), flags[type][below (x, 2)], a_const (x, type, below (x, 6) / 5), a_label (x));
    else if (below (x, 8) == 0)
      bp_ir_setcond (x->ir, type, BP_IR_NE, output (x, type), flags[type][below (x, 2)], a_const (x, type, 0));
    if (below (x, 4) == 0)
      continue;
    BpIrOp op = (BpIrOp) ops[below (x, G_N_ELEMENTS (ops))];
    BpTemp s0 = a_register (x, type), s1 = ir_op_info[op].n_in == 2 ? a_register (x, type) : BP_IR_NONE;
    bp_ir_op3 (x->ir, op, type, flags[type][below (x, 2)], s0, s1);
  }
  start_insn (x);
}

static void
put_something (Random *x)
{
  switch (below (x, 24)) {
  case 0: below (x, 4) ? start_insn (x) : put_flags (x); break;
  case 1: start_insn (x); break;
  case 2:
  case 3: put_carry (x); break;
  case 4: put_width (x); break;
  case 5:
  case 6: put_field (x); break;
  case 7:
  case 8: put_condition (x); break;
  case 9: put_double (x); break;
  case 10: put_division (x); break;
  case 11: put_host_access (x); break;
  case 12:
  case 13: put_guest_access (x); break;
  case 14:
  case 15: put_late_move (x); break;
  case 16: below (x, 2) ? put_flag_branch (x) : put_frame (x); break;
  case 17: put_call (x); break;
  case 18: below (x, 2) ? put_control (x) : put_guard (x); break;
  default: put_plain (x); break;
  }
}

static void
make_block (BpIrBlock *ir, uint32_t seed, unsigned size, bool narrow)
{
  Random x = { .ir = ir, .state = seed, .pc = 0x1000, .narrow = narrow };
  bp_ir_block_reset (ir);
  next (&x);
  start_insn (&x);
  for (unsigned type = 0; type < 2; type++)
    for (unsigned i = 0; i < POOL; i++) {
      x.pool[type][i] = bp_ir_local (ir, (BpIrType) type);
      bp_ir_mov (ir, (BpIrType) type, x.pool[type][i], below (&x, 2) ? a_global (&x, (BpIrType) type)
                 : bp_ir_const (ir, (BpIrType) type, (int64_t) any_value (&x)));
    }
  while (ir->n_insns < size)
    put_something (&x);
  bp_ir_exit_tb (ir, BP_IR_EXIT_NONE);
  while (x.n_open > 0) {
    bp_ir_label (ir, x.open[--x.n_open]);
    put_plain (&x);
    bp_ir_exit_tb (ir, x.n_open % 2);
  }
}

void
ir_random (BpIrBlock *ir, uint32_t seed, unsigned size)
{
  make_block (ir, seed, size, false);
}

void
ir_random_narrow (BpIrBlock *ir, uint32_t seed, unsigned size)
{
  make_block (ir, seed, size, true);
}

void
ir_random_state (FakeCpu *cpu, uint32_t seed)
{
  Random x = { .state = seed };
  fake_cpu_reset (cpu);
  next (&x);
  for (unsigned i = 0; i < FAKE_N_R; i++)
    cpu->state.r[i] = (uint32_t) any_value (&x);
  for (unsigned i = 0; i < FAKE_N_W; i++)
    cpu->state.w[i] = any_value (&x);
  cpu->state.u0 = (uint32_t) any_value (&x);
  cpu->state.u1 = any_value (&x);
  for (unsigned i = 0; i < sizeof cpu->state.plain; i++)
    cpu->state.plain[i] = (uint8_t) next (&x);
  for (unsigned i = 0; i < FAKE_MEMORY_SIZE; i++)
    cpu->memory[i] = (uint8_t) (next (&x) >> 8);
}
