/* fp-simd.c -- portable MMX and SSE: an instruction's row, its operands, where the result goes. */
/* SPDX-License-Identifier: MIT */

#include <string.h>

#include "fp-simd.h"

#define N_MAPS 3

static const SimdRow rows[N_MAPS][256][4] = {
#define SIMD(map, opcode, prefix, shape, function) [map - 1][opcode][prefix] = { simd_##function, shape },
#include "fp-simd.def"
#undef SIMD
};

/* --- operands ------------------------------------------------------------------------------------------- */

FxVector
simd_low_bytes (const void *from, unsigned size)
{
  FxVector v = { .q = { 0, 0 } };
  memcpy (&v, from, size);
  return v;
}

/* MM(i) is physical register i, wherever the top of the stack is. */
static FxVector
get_register (const FxImage *f, unsigned number, bool mmx)
{
  return mmx ? simd_low_bytes (&f->st[(number - fx_top (f)) & 7].sig, 8) : f->xmm[number];
}

static FxVector
get_rm (const FpInsn *x, unsigned shape)
{
  if (x->mem)
    return simd_low_bytes (x->mem, BP_NATIVE_MEM_SIZE (x->aux));
  if (shape & RM_G)
    return simd_low_bytes (&x->in, BP_NATIVE_W (x->native) ? 8 : 4);
  return get_register (x->f, BP_NATIVE_RM (x->native), shape & RM_M);
}

/* An MMX register shows up in the x87 with an exponent of all ones. */
static void
put_register (FxImage *f, unsigned number, bool mmx, const FxVector *v)
{
  if (mmx) {
    f->st[number & 7].sig = v->q[0];
    f->st[number & 7].sign_exp = 0xffff;
  } else
    f->xmm[number] = *v;
}

static void
put_rm (FpInsn *x, unsigned shape, const FxVector *v)
{
  if (x->mem)
    memcpy (x->mem, v, BP_NATIVE_MEM_SIZE (x->aux));
  else if (shape & RM_G)
    x->out = BP_NATIVE_W (x->native) ? v->q[0] : v->d[0];
  else
    put_register (x->f, BP_NATIVE_RM (x->native), shape & RM_M, v);
}

static void
put_result (Simd *s, unsigned shape)
{
  FpInsn *x = s->x;
  if (shape & NO_RESULT)
    return;
  if (shape & (TO_RM | GROUP))
    put_rm (x, shape, &s->d);
  else if (shape & REG_G)
    x->out = BP_NATIVE_W (x->native) ? s->d.q[0] : s->d.d[0];
  else
    put_register (x->f, BP_NATIVE_REG (x->native), shape & REG_M, &s->d);
}

/* --- exceptions (SDM vol. 1, 11.5) ---------------------------------------------------------------------- */

void
simd_report (FpInsn *x, uint32_t exceptions)
{
  uint32_t found = exceptions & FP_ALL, unmasked = found & ~(x->f->mxcsr >> MXCSR_MASK_SHIFT);
  if (unmasked & FP_PRE)
    found &= FP_PRE;            /* no result was computed that could have been inexact, or too large */
  x->f->mxcsr |= found;
  if (unmasked)
    x86_raise (x->env, x->env->cr4 & CR4_OSXMMEXCPT ? EXC_XM : EXC_UD);
}

/* --- execution ------------------------------------------------------------------------------------------ */

static void
empty_mmx (FpInsn *x)
{
  if (x->f->fsw & FSW_ES)
    x86_raise (x->env, EXC_MF);
  fx_set_top (x->f, 0);
  x->f->tags = 0;
}

/* CVTPI2PS and CVTPI2PD from memory touch no MMX register. */
static bool
enters_mmx (const FpInsn *x, unsigned shape)
{
  return shape & REG_M || (shape & RM_M && !x->mem);
}

static bool
execute_mxcsr (FpInsn *x)
{
  unsigned reg = BP_NATIVE_REG (x->native) & 7;
  if (!x->mem || (reg != 2 && reg != 3))
    return false;
  if (reg == 2)
    memcpy (&x->f->mxcsr, x->mem, 4);
  else
    memcpy (x->mem, &x->f->mxcsr, 4);
  return true;
}

const SimdRow *
fp_simd_row (uint64_t native)
{
  return &rows[BP_NATIVE_MAP (native) - 1][BP_NATIVE_OPCODE (native)][BP_NATIVE_PREFIX (native)];
}

bool
fp_simd_execute (FpInsn *x)
{
  uint64_t n = x->native;
  unsigned map = BP_NATIVE_MAP (n), opcode = BP_NATIVE_OPCODE (n);
  if (map == 1 && opcode == 0x77) {
    empty_mmx (x);
    return true;
  }
  if (map == 1 && opcode == 0xae)
    return execute_mxcsr (x);
  const SimdRow *row = fp_simd_row (n);
  unsigned shape = row->shape;
  if (!row->function)
    return false;
  if (enters_mmx (x, shape) && (x->f->fsw & FSW_ES))
    x86_raise (x->env, EXC_MF);
  FxVector reg = { .q = { 0, 0 } };
  if (!(shape & (REG_G | GROUP)))
    reg = get_register (x->f, BP_NATIVE_REG (n), shape & REG_M);
  FxVector rm = shape & TO_RM && x->mem ? reg : get_rm (x, shape);
  Simd s = { .x = x, .bytes = shape & MM ? 8 : 16, .imm = BP_NATIVE_IMM8 (n), .reg = BP_NATIVE_REG (n) & 7 };
  s.d = shape & (TO_RM | GROUP) ? rm : reg;
  s.s = shape & TO_RM ? reg : rm;
  s.t = x->f->xmm[0];
  row->function (&s);
  if (s.undefined)
    return false;
  if (enters_mmx (x, shape))
    fx_enter_mmx (x->f);
  if (s.exceptions)
    simd_report (x, s.exceptions);
  put_result (&s, shape);
  return true;
}
