/* fp-vex.c -- portable AVX: a VEX-encoded instruction's row, its operands by the lane, where the result goes. */
/* SPDX-License-Identifier: MIT */

#include <string.h>

#include "fp-vex.h"

#define N_MAPS 3

static const VexRow rows[N_MAPS][256][4] = {
#define LANE(map, opcode, prefix, shape, form, step, function) \
  [map - 1][opcode][prefix] = { simd_##function, NULL, shape, form, step },
#define WIDE(map, opcode, prefix, shape, function) \
  [map - 1][opcode][prefix] = { NULL, wide_##function, shape, 0, 0 },
#include "fp-vex.def"
#undef LANE
#undef WIDE
};

static VexRow
row_of (uint64_t n)
{
  VexRow row = rows[BP_NATIVE_MAP (n) - 1][BP_NATIVE_OPCODE (n)][BP_NATIVE_PREFIX (n)];
  if (!row.lane && !row.wide) {
    const SimdRow *sse = fp_simd_row (n);
    row.lane = sse->function;
    row.shape = sse->shape;
  }
  return row;
}

/* --- operands ------------------------------------------------------------------------------------------- */

typedef struct Ymm {
  FxVector lane[2];
} Ymm;

static Ymm
get_ymm (const FpInsn *x, unsigned number)
{
  return (Ymm) { { x->f->xmm[number], x->upper->ymm[number] } };
}

/* 128 bits clear the others. */
static void
put_ymm (FpInsn *x, unsigned number, Ymm v)
{
  x->f->xmm[number] = v.lane[0];
  x->upper->ymm[number] = BP_NATIVE_VEX_L (x->native) ? v.lane[1] : (FxVector) { .q = { 0, 0 } };
}

static Ymm
get_rm (const FpInsn *x, unsigned shape)
{
  uint64_t n = x->native;
  Ymm v = { { { .q = { 0, 0 } }, { .q = { 0, 0 } } } };
  if (x->mem && shape & TO_RM)
    return v;
  if (x->mem)
    memcpy (&v, x->mem, BP_NATIVE_MEM_SIZE (x->aux));
  else if (shape & RM_G)
    v.lane[0] = simd_low_bytes (&x->in, BP_NATIVE_W (n) ? 8 : 4);
  else
    v = get_ymm (x, BP_NATIVE_RM (n));
  return v;
}

/* To rm, to vvvv (shifts by an immediate), to reg. */
static void
put_result (FpInsn *x, unsigned shape, Ymm v)
{
  uint64_t n = x->native;
  if (shape & NO_RESULT)
    return;
  if (shape & TO_RM && x->mem)
    memcpy (x->mem, &v, BP_NATIVE_MEM_SIZE (x->aux));
  else if (shape & (REG_G | RM_G) && (shape & REG_G || shape & TO_RM))
    x->out = BP_NATIVE_W (n) ? v.lane[0].q[0] : v.lane[0].d[0];
  else
    put_ymm (x, shape & TO_RM ? BP_NATIVE_RM (n) : shape & GROUP ? BP_NATIVE_VVVV (n) : BP_NATIVE_REG (n), v);
}

/* --- lane by lane --------------------------------------------------------------------------------------- */

typedef struct Operands {
  Ymm reg, vvvv, rm, is4;
} Operands;

static FxVector
source_lane (const Ymm *rm, unsigned form, unsigned lane)
{
  FxVector v = rm->lane[lane];
  unsigned source = form & VEX_SOURCE;
  if (source == VEX_SOURCE_SAME)
    return rm->lane[0];
  if (source)
    memcpy (&v, (const uint8_t *) rm + (lane << source), 16);
  return v;
}

static Simd
simd_of_lane (FpInsn *x, const VexRow *row, const Operands *o, unsigned lane)
{
  unsigned shape = row->shape, form = row->form;
  Simd s = { .x = x, .bytes = 16, .imm = BP_NATIVE_IMM8 (x->native), .reg = BP_NATIVE_REG (x->native) & 7 };
  if (!(shape & REG_G))
    s.imm >>= lane * row->step;
  s.d = form & VEX_FMA || shape & NO_RESULT ? o->reg.lane[lane] : shape & GROUP ? o->rm.lane[lane] : o->vvvv.lane[lane];
  s.s = shape & TO_RM ? o->reg.lane[lane] : source_lane (&o->rm, form, lane);
  s.t = form & VEX_IS4 ? o->is4.lane[lane] : o->vvvv.lane[lane];
  return s;
}

static void
take_lane (Ymm *result, const VexRow *row, const FxVector *d, unsigned lane)
{
  if (row->shape & REG_G && row->step)
    result->lane[0].d[0] |= d->d[0] << lane * row->step;
  else if (row->form & VEX_NARROW)
    result->lane[0].q[lane] = d->q[0];
  else
    result->lane[lane] = *d;
}

static bool
execute_lanes (FpInsn *x, const VexRow *row)
{
  uint64_t n = x->native;
  Operands o = {
    .reg = get_ymm (x, BP_NATIVE_REG (n)), .vvvv = get_ymm (x, BP_NATIVE_VVVV (n)), .rm = get_rm (x, row->shape),
    .is4 = get_ymm (x, BP_NATIVE_IMM8 (n) >> 4)
  };
  Ymm result = { { { .q = { 0, 0 } }, { .q = { 0, 0 } } } };
  uint32_t exceptions = 0, flags = ~0u;
  for (unsigned lane = 0; lane <= BP_NATIVE_VEX_L (n); lane++) {
    Simd s = simd_of_lane (x, row, &o, lane);
    row->lane (&s);
    if (s.undefined)
      return false;
    take_lane (&result, row, &s.d, lane);
    exceptions |= s.exceptions;
    flags &= *x->flags;
  }
  *x->flags = flags;            /* those that tests of two lanes set hold for both */
  if (exceptions)
    simd_report (x, exceptions);
  put_result (x, row->shape, result);
  return true;
}

static void
execute_wide (FpInsn *x, const VexRow *row)
{
  uint64_t n = x->native;
  Ymm a = get_ymm (x, BP_NATIVE_VVVV (n)), s = row->shape & TO_RM ? get_ymm (x, BP_NATIVE_REG (n)) : get_rm (x, 0);
  Wide w = { .x = x, .a = { a.lane[0], a.lane[1] }, .s = { s.lane[0], s.lane[1] }, .imm = BP_NATIVE_IMM8 (n) };
  row->wide (&w);
  if (w.exceptions)
    simd_report (x, w.exceptions);
  put_result (x, row->shape, (Ymm) { { w.d[0], w.d[1] } });
}

/* --- execution ------------------------------------------------------------------------------------------ */

/* VZEROUPPER, VZEROALL */
static void
execute_zero (FpInsn *x)
{
  for (unsigned i = 0; i < 16; i++) {
    x->upper->ymm[i] = (FxVector) { .q = { 0, 0 } };
    if (BP_NATIVE_VEX_L (x->native))
      x->f->xmm[i] = x->upper->ymm[i];
  }
}

static bool
execute_mxcsr (FpInsn *x)
{
  if (!x->mem || (BP_NATIVE_REG (x->native) & 7) != 3)
    return false;
  memcpy (x->mem, &x->f->mxcsr, 4);
  return true;
}

bool
fp_vex_execute (FpInsn *x)
{
  uint64_t n = x->native;
  unsigned map = BP_NATIVE_MAP (n), opcode = BP_NATIVE_OPCODE (n);
  if (map == 1 && opcode == 0x77) {
    execute_zero (x);
    return true;
  }
  if (map == 1 && opcode == 0xae)
    return execute_mxcsr (x);
  VexRow row = row_of (n);
  if (!row.wide)
    return row.lane && execute_lanes (x, &row);
  execute_wide (x, &row);
  return true;
}
