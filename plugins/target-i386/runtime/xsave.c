/* xsave.c -- XCR0, XSAVE and its relatives, XRSTOR (SDM vol. 1, chapter 13). */
/* SPDX-License-Identifier: MIT */
/*
 * State components: 0 x87, 1 SSE (XMM and MXCSR), 2 AVX (upper halves of YMM), 9 PKRU.  There are no supervisor components:
 * IA32_XSS is 0.  AVX comes first behind the header, at the same place in both formats; PKRU's place in the standard format is that of
 * Intel's processors, behind what they have between.
 */

#include <string.h>

#include "fp.h"
#include "helpers.h"

enum { X87 = 1, SSE = 2, AVX = 4, PKRU = 1 << 9 };
#define COMPACTED ((uint64_t) 1 << 63)
#define XGETBV_1 (1u << 2)               /* CPUID.0dh.1:EAX: XGETBV with ECX = 1 */

typedef struct XsaveHeader {
  uint64_t present, compaction; /* XSTATE_BV, XCOMP_BV */
  uint64_t reserved[6];
} XsaveHeader;

enum { HEADER_AT = 512, MXCSR_AT = offsetof (FxImage, mxcsr), ST_AT = offsetof (FxImage, st), XMM_AT = offsetof (FxImage, xmm) };

/* --- layout ---------------------------------------------------------------------------------------------- */

static const struct Component { uint32_t number, offset, size; } components[] = {
  { 2, X86_FP_UPPERS, X86_FP_SIZE - X86_FP_UPPERS }, { 9, 2688, 8 }
};

uint32_t
x86_xsave_component (unsigned i, uint32_t *offset)
{
  for (unsigned k = 0; k < G_N_ELEMENTS (components); k++)
    if (components[k].number == i) {
      *offset = components[k].offset;
      return components[k].size;
    }
  return 0;
}

uint32_t
x86_xsave_size (uint64_t which, bool compacted)
{
  uint32_t end = X86_FP_UPPERS;
  for (unsigned k = 0; k < G_N_ELEMENTS (components); k++)
    if (which >> components[k].number & 1)
      end = (compacted ? end : components[k].offset) + components[k].size;
  return end;
}

/* Where an area of these components has PKRU: the last one. */
static uint64_t
pkru_at (uint64_t which, bool compacted)
{
  return x86_xsave_size (which | PKRU, compacted) - 8;
}

/* --- XCR0 ----------------------------------------------------------------------------------------------- */

uint64_t
x86_xcr0_allowed (const X86Cpu *env)
{
  return X87 | (env->feature[X86_FEATURE_SSE] ? SSE : 0) | (env->feature[X86_FEATURE_AVX] ? AVX : 0)
         | (env->feature[X86_FEATURE_PKU] ? PKRU : 0);
}

/* What the translator leaves to run time: whether the unit is enabled. */
static void
check_enabled (X86Cpu *env, bool uses_state)
{
  if (!(env->cr4 & CR4_OSXSAVE))
    x86_raise (env, EXC_UD);
  if (uses_state && env->cr0 & CR0_TS)
    x86_raise (env, EXC_NM);
}

static bool
is_zero (const void *p, size_t size)
{
  const uint64_t *q = p;
  uint64_t any = 0;
  for (size_t i = 0; i < size / 8; i++)
    any |= q[i];
  return !any;
}

/* XINUSE: the components that are not as a reset leaves them.  SSE counts as used for the sake of MXCSR, too. */
static uint64_t
in_use (X86Cpu *env)
{
  FxImage *f = fx_image (env);
  bool x87 = f->fcw != FCW_INIT || f->fsw || f->tags || !is_zero (f->st, sizeof f->st);
  bool sse = f->mxcsr != MXCSR_INIT || !is_zero (f->xmm, fx_vectors (env) * sizeof f->xmm[0]);
  bool avx = !is_zero (fx_uppers (env), fx_vectors (env) * sizeof (FxVector));
  return (x87 ? X87 : 0) | (sse ? SSE : 0) | (avx ? AVX : 0) | (env->pkru ? PKRU : 0);
}

static uint64_t
edx_eax (const X86Cpu *env)
{
  return (uint32_t) env->gpr[X86_RAX] | env->gpr[X86_RDX] << 32;
}

uint64_t
helper_xgetbv (X86Cpu *env)
{
  uint32_t which = (uint32_t) env->gpr[X86_RCX];
  check_enabled (env, false);
  if (which == 1 && env->cpuid_13_1_eax & XGETBV_1)
    return env->xcr0 & in_use (env);
  if (which != 0)
    x86_raise_error (env, EXC_GP, 0);
  return env->xcr0;
}

void
helper_xsetbv (X86Cpu *env)
{
  uint64_t value = edx_eax (env);
  check_enabled (env, false);
  if ((uint32_t) env->gpr[X86_RCX] || !(value & X87) || value & ~x86_xcr0_allowed (env)
      || (value & (SSE | AVX)) == AVX)
    x86_raise_error (env, EXC_GP, 0);
  env->xcr0 = value;
  x86_update_mode (env);
}

/* --- XSAVE, XSAVEOPT, XSAVEC, XSAVES -------------------------------------------------------------------- */

static void
check_area (X86Cpu *env, uint64_t linear)
{
  check_enabled (env, true);
  if (linear & 63)
    x86_raise_error (env, EXC_GP, 0);
}

/* The parts of the legacy region that belong to the components. */
static void
save_legacy (X86Cpu *env, uint64_t linear, uint64_t which, bool mxcsr)
{
  FxImage image = *fx_image (env);
  image.reserved = 0;
  image.fop = 0;
  image.fip = image.fdp = 0;
  image.mxcsr_mask = MXCSR_VALID;
  uint8_t *bytes = (uint8_t *) &image;
  if ((which & (X87 | SSE)) == (X87 | SSE)) {
    fp_write (env, linear, bytes, XMM_AT + 16 * fx_vectors (env));
    return;
  }
  if (which & X87)
    fp_write (env, linear, bytes, MXCSR_AT);
  if (mxcsr)
    fp_write (env, linear + MXCSR_AT, bytes + MXCSR_AT, 8);
  if (which & X87)
    fp_write (env, linear + ST_AT, bytes + ST_AT, sizeof image.st);
  if (which & SSE)
    fp_write (env, linear + XMM_AT, bytes + XMM_AT, 16 * fx_vectors (env));
}

static void
save (X86Cpu *env, uint64_t linear, uint64_t which, bool mxcsr, uint64_t pkru_offset)
{
  save_legacy (env, linear, which, mxcsr);
  if (which & AVX)
    fp_write (env, linear + X86_FP_UPPERS, (uint8_t *) fx_uppers (env), 16 * fx_vectors (env));
  if (which & PKRU)
    fp_write (env, linear + pkru_offset, (uint8_t *) &env->pkru, sizeof env->pkru);
}

/* Only the plain form stores components that are as a reset leaves them.  XSAVES is no different from XSAVEC while there are no supervisor
 * components; that what has not changed since XRSTOR need not be written is not made use of. */
void
helper_xsave (X86Cpu *env, uint64_t linear, uint32_t form)
{
  check_area (env, linear);
  uint64_t wanted = env->xcr0 & edx_eax (env), used = wanted & in_use (env);
  bool compact = form == XSAVE_COMPACT;
  fp_check_access (env, linear, x86_xsave_size (wanted, compact), BP_MMU_STORE);
  XsaveHeader header;
  if (compact) {
    header = (XsaveHeader) { .present = used, .compaction = wanted | COMPACTED };
    save (env, linear, used, used & SSE, pkru_at (wanted, true));
    fp_write (env, linear + HEADER_AT, (uint8_t *) &header, 16);
    return;
  }
  fp_read (env, linear + HEADER_AT, (uint8_t *) &header.present, 8);
  header.present = (header.present & ~wanted) | used;
  save (env, linear, form == XSAVE_PLAIN ? wanted : used, wanted & (SSE | AVX), pkru_at (wanted, false));
  fp_write (env, linear + HEADER_AT, (uint8_t *) &header.present, 8);
}

/* --- XRSTOR, XRSTORS ------------------------------------------------------------------------------------ */

static void
check_header (X86Cpu *env, const XsaveHeader *h, bool supervisor)
{
  bool compact = h->compaction & COMPACTED, good;
  if (compact)
    good = env->feature[X86_FEATURE_XSAVEC] && !(h->compaction & ~COMPACTED & ~env->xcr0)
           && !(h->present & ~h->compaction) && is_zero (h->reserved, sizeof h->reserved);
  else
    good = !supervisor && !h->compaction && !h->reserved[0] && !(h->present & ~env->xcr0);
  if (!good || h->present & COMPACTED)
    x86_raise_error (env, EXC_GP, 0);
}

static void
reset_x87 (FxImage *f)
{
  static const FxImage initial = { .fcw = FCW_INIT };
  fx_load_x87 (f, &initial);
}

void
helper_xrstor (X86Cpu *env, uint64_t linear, uint32_t supervisor)
{
  check_area (env, linear);
  struct { FxImage image; XsaveHeader header; } area;
  FxImage *f = fx_image (env);
  FxUppers uppers = { 0 };
  uint32_t pkru = 0;
  uint64_t wanted = env->xcr0 & edx_eax (env);
  fp_read (env, linear, (uint8_t *) &area, sizeof area);
  check_header (env, &area.header, supervisor);
  uint64_t load = wanted & area.header.present;
  /* MXCSR is part of SSE, but in the standard format it comes with AVX as well, and whether present or not. */
  bool compact = area.header.compaction & COMPACTED;
  bool mxcsr = compact ? load & SSE : wanted & (SSE | AVX);
  if (mxcsr)
    fp_check_mxcsr (env, area.image.mxcsr);
  if (load & AVX)
    fp_read (env, linear + X86_FP_UPPERS, (uint8_t *) &uppers, 16 * fx_vectors (env));
  if (load & PKRU)
    fp_read (env, linear + pkru_at (area.header.compaction, compact), (uint8_t *) &pkru, sizeof pkru);
  if (load & X87)
    fx_load_x87 (f, &area.image);
  else if (wanted & X87)
    reset_x87 (f);
  if (!(load & SSE))
    memset (area.image.xmm, 0, sizeof area.image.xmm);
  if (wanted & SSE)
    memcpy (f->xmm, area.image.xmm, fx_vectors (env) * sizeof f->xmm[0]);
  if (wanted & AVX)
    memcpy (fx_uppers (env), &uppers, fx_vectors (env) * sizeof (FxVector));
  if (mxcsr)
    f->mxcsr = area.image.mxcsr;
  else if (wanted & SSE)
    f->mxcsr = MXCSR_INIT;
  if (wanted & PKRU)
    x86_set_pkru (env, pkru);
}
