/* flags.c -- EFLAGS from the operands of the last operation, and EFLAGS as a whole. */
/* SPDX-License-Identifier: MIT */

#include "../cpu.h"
#include "helpers.h"

/* --- the arithmetic flags --------------------------------------------------------------------- */

typedef struct Operation {
  uint64_t dst, src, src2;      /* truncated to the width */
  unsigned bits;
} Operation;

static uint64_t
truncate_to (uint64_t x, unsigned bits)
{
  return bits == 64 ? x : x & (((uint64_t) 1 << bits) - 1);
}

static bool
top_bit (const Operation *o, uint64_t x)
{
  return x >> (o->bits - 1) & 1;
}

static uint32_t
flag_if (bool set, uint32_t flag)
{
  return set ? flag : 0;
}

/* PF, ZF, SF */
static uint32_t
result_flags (const Operation *o)
{
  return flag_if (!__builtin_parity ((unsigned) (o->dst & 0xff)), X86_FL_PF)
         | flag_if (o->dst == 0, X86_FL_ZF)
         | flag_if (top_bit (o, o->dst), X86_FL_SF);
}

/* first + second = result: AF is where the sum differs from the exclusive or, OF where both operands differ
 * from it. */
static uint32_t
add_flags (const Operation *o, uint64_t first, uint64_t carry_in)
{
  uint64_t second = o->src, result = o->dst;
  bool carry = carry_in ? result <= second : result < second;
  return result_flags (o) | flag_if (carry, X86_FL_CF) | flag_if ((first ^ second ^ result) & 0x10, X86_FL_AF)
         | flag_if (top_bit (o, (first ^ result) & (second ^ result)), X86_FL_OF);
}

static uint32_t
sub_flags (const Operation *o, uint64_t first, uint64_t borrow_in)
{
  uint64_t second = o->src, result = o->dst;
  bool borrow = borrow_in ? first <= second : first < second;
  return result_flags (o) | flag_if (borrow, X86_FL_CF)
         | flag_if ((first ^ second ^ result) & 0x10, X86_FL_AF)
         | flag_if (top_bit (o, (first ^ second) & (first ^ result)), X86_FL_OF);
}

static uint32_t
step_flags (const Operation *o, bool down)
{
  uint64_t extreme = ((uint64_t) 1 << (o->bits - 1)) - down;
  return result_flags (o) | flag_if (o->src != 0, X86_FL_CF)
         | flag_if ((o->dst & 0xf) == (down ? 0xf : 0), X86_FL_AF)
         | flag_if (o->dst == extreme, X86_FL_OF);
}

static uint32_t
shift_flags (const Operation *o, bool carry)
{
  return result_flags (o) | flag_if (carry, X86_FL_CF) | flag_if (top_bit (o, o->dst ^ o->src), X86_FL_OF);
}

/* As emit/flags.c's flags_set_rotated. */
static uint32_t
rotate_flags (const Operation *o, bool carry, bool other)
{
  return result_flags (o) | flag_if (carry, X86_FL_CF) | flag_if (top_bit (o, o->src) != other, X86_FL_OF);
}

#define WIDTHS(name) case name##8: case name##16: case name##32: case name##64

uint32_t
x86_compute_cc (uint32_t cc_op, uint64_t dst, uint64_t src, uint64_t src2)
{
  if (cc_op < CC_ADD8)
    return (uint32_t) src;
  Operation o = { .bits = 8u << ((cc_op - CC_ADD8) & 3) };
  o.dst = truncate_to (dst, o.bits);
  o.src = truncate_to (src, o.bits);
  o.src2 = src2 & 1;
  switch (cc_op) {
  WIDTHS (CC_ADD): return add_flags (&o, truncate_to (o.dst - o.src, o.bits), 0);
  WIDTHS (CC_ADC): return add_flags (&o, truncate_to (o.dst - o.src - o.src2, o.bits), o.src2);
  WIDTHS (CC_SUB): return sub_flags (&o, truncate_to (o.dst + o.src, o.bits), 0);
  WIDTHS (CC_SBB): return sub_flags (&o, truncate_to (o.dst + o.src + o.src2, o.bits), o.src2);
  WIDTHS (CC_LOGIC): return result_flags (&o);
  WIDTHS (CC_INC): return step_flags (&o, false);
  WIDTHS (CC_DEC): return step_flags (&o, true);
  WIDTHS (CC_SHL): return shift_flags (&o, top_bit (&o, o.src));
  WIDTHS (CC_SAR): return shift_flags (&o, o.src & 1);
  /* overflow may show in bits of src beyond the width */
  WIDTHS (CC_MUL): return result_flags (&o) | flag_if ((o.bits == 64 ? src : (uint32_t) src) != 0, X86_FL_CF | X86_FL_OF);
  WIDTHS (CC_ROL): return rotate_flags (&o, o.src & 1, o.src & 1);
  WIDTHS (CC_ROR): return rotate_flags (&o, top_bit (&o, o.src), o.src >> (o.bits - 2) & 1);
  default: return 0;
  }
}

uint32_t
helper_compute_cc (uint32_t cc_op, uint64_t dst, uint64_t src, uint64_t src2)
{
  return x86_compute_cc (cc_op, dst, src, src2);
}

/* --- the register ----------------------------------------------------------------------------- */

static uint32_t
arithmetic_flags (const X86Cpu *env)
{
  return x86_compute_cc (env->cc_op, env->cc_dst, env->cc_src, env->cc_src2);
}

uint32_t
x86_eflags (X86Cpu *env)
{
  return env->eflags | arithmetic_flags (env) | flag_if (env->df < 0, X86_FL_DF) | 2;
}

void
x86_set_eflags (X86Cpu *env, uint32_t value, uint32_t mask)
{
  if (mask & X86_FL_ARITH) {
    uint32_t changed = mask & X86_FL_ARITH;
    uint32_t old = changed == X86_FL_ARITH ? 0 : arithmetic_flags (env);
    env->cc_src = (old & ~changed) | (value & changed);
    env->cc_op = CC_EFLAGS;
  }
  if (mask & X86_FL_DF)
    env->df = value & X86_FL_DF ? -1 : 1;
  uint32_t rest = mask & ~(uint32_t) (X86_FL_ARITH | X86_FL_DF);
  env->eflags = (env->eflags & ~rest) | (value & rest) | 2;
  x86_update_mode (env);
}
