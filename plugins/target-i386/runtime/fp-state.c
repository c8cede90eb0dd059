/* fp-state.c -- the FP state as a whole: environments, FSAVE and FXSAVE images, MXCSR. */
/* SPDX-License-Identifier: MIT */
/*
 * The instruction and operand pointers (FIP, FDP, FOP and their selectors) are not tracked: natives run at
 * host addresses.  They are stored as zero, which is what AMD's processors store of them while no exception
 * is pending.
 */

#include <string.h>

#include "fp.h"
#include "helpers.h"

enum { ENVIRONMENT_16 = 14, ENVIRONMENT_32 = 28, FORMAT_SIZE = 0xff };

static uint16_t
get16 (const uint8_t *p)
{
  uint16_t value;
  memcpy (&value, p, 2);
  return value;
}

static void
put16 (uint8_t *p, uint16_t value)
{
  memcpy (p, &value, 2);
}

/* --- tags: two bits a register in memory, one in FXSAVE's image (SDM vol. 1, 8.1.7) --------------------- */

enum { TAG_VALID, TAG_ZERO, TAG_SPECIAL, TAG_EMPTY };

static unsigned
tag_of (const FxImage *f, unsigned physical)
{
  if (!(f->tags >> physical & 1))
    return TAG_EMPTY;
  const FxRegister *r = &f->st[(physical - fx_top (f)) & 7];
  unsigned exp = r->sign_exp & 0x7fff;
  if (exp == 0)
    return r->sig == 0 ? TAG_ZERO : TAG_SPECIAL;
  return exp != 0x7fff && r->sig >> 63 ? TAG_VALID : TAG_SPECIAL;
}

static uint16_t
full_tags (const FxImage *f)
{
  unsigned tags = 0;
  for (unsigned i = 0; i < 8; i++)
    tags |= tag_of (f, i) << 2 * i;
  return (uint16_t) tags;
}

static uint8_t
short_tags (uint16_t full)
{
  unsigned tags = 0;
  for (unsigned i = 0; i < 8; i++)
    tags |= ((full >> 2 * i & 3) != TAG_EMPTY) << i;
  return (uint8_t) tags;
}

/* --- environment (SDM vol. 1, figures 8-9 to 8-12) ------------------------------------------------------ */

static unsigned
environment_size (uint32_t format)
{
  return (format & FORMAT_SIZE) == 2 ? ENVIRONMENT_16 : ENVIRONMENT_32;
}

/* Real and protected formats differ in the pointers alone. The 32-bit ones leave the upper halves of the
 * words all ones; that of the last (the operand's selector) is only so in the protected format, where the
 * real one holds pointer bits. */
static void
store_environment (const FxImage *f, uint32_t format, uint8_t *image)
{
  unsigned step = (format & FORMAT_SIZE) == 2 ? 2 : 4;
  bool real = format >> 8;
  memset (image, 0, environment_size (format));
  if (step == 4) {
    memset (image, 0xff, 12);
    if (!real)
      put16 (image + 26, 0xffff);
  }
  put16 (image, f->fcw);
  put16 (image + step, f->fsw);
  put16 (image + 2 * step, full_tags (f));
}

/* FLDENV, FRSTOR and MASKMOVQ wait, which a host's instruction in their place would see to. */
void
fp_raise_pending (X86Cpu *env)
{
  if (fx_image (env)->fsw & FSW_ES)
    x86_raise (env, EXC_MF);
}

static void
load_environment (FxImage *f, uint32_t format, const uint8_t *image)
{
  unsigned step = (format & FORMAT_SIZE) == 2 ? 2 : 4;
  uint16_t fsw = get16 (image + step);
  fx_set_top (f, fsw >> FSW_TOP_SHIFT & 7);
  f->fsw = fsw;
  f->tags = short_tags (get16 (image + 2 * step));
  f->fop = 0;
  f->fip = f->fdp = 0;
  fx_set_control (f, get16 (image));
}

void
helper_fnstenv (X86Cpu *env, uint64_t linear, uint32_t format)
{
  FxImage *f = fx_image (env);
  uint8_t image[ENVIRONMENT_32];
  store_environment (f, format, image);
  fp_write (env, linear, image, environment_size (format));
  fx_set_control (f, f->fcw | FCW_MASKS);
}

void
helper_fldenv (X86Cpu *env, uint64_t linear, uint32_t format)
{
  uint8_t image[ENVIRONMENT_32];
  fp_raise_pending (env);
  fp_read (env, linear, image, environment_size (format));
  load_environment (fx_image (env), format, image);
}

/* --- FSAVE, FRSTOR: the environment, then eight registers of ten bytes ---------------------------------- */

void
helper_fnsave (X86Cpu *env, uint64_t linear, uint32_t format)
{
  FxImage *f = fx_image (env);
  uint8_t image[ENVIRONMENT_32 + 80];
  unsigned size = environment_size (format);
  store_environment (f, format, image);
  for (unsigned i = 0; i < 8; i++)
    memcpy (image + size + 10 * i, &f->st[i], 10);
  fp_write (env, linear, image, size + 80);
  fx_init (f);
}

void
helper_frstor (X86Cpu *env, uint64_t linear, uint32_t format)
{
  FxImage *f = fx_image (env);
  uint8_t image[ENVIRONMENT_32 + 80];
  unsigned size = environment_size (format);
  fp_raise_pending (env);
  fp_read (env, linear, image, size + 80);
  load_environment (f, format, image);
  for (unsigned i = 0; i < 8; i++) {
    f->st[i] = (FxRegister) { 0 };
    memcpy (&f->st[i], image + size + 10 * i, 10);
  }
}

/* --- FXSAVE, FXRSTOR (SDM vol. 1, tables 10-2 and 10-3) ------------------------------------------------ */

/* The registers that the mode has; what follows them in memory is left alone. */
static unsigned
fx_size (const X86Cpu *env)
{
  return (unsigned) offsetof (FxImage, xmm) + 16 * fx_vectors (env);
}

static void
check_alignment (X86Cpu *env, uint64_t linear)
{
  if (linear & 15)
    x86_raise_error (env, EXC_GP, 0);
}

void
fp_check_mxcsr (X86Cpu *env, uint32_t value)
{
  if (value & ~(uint32_t) MXCSR_VALID)
    x86_raise_error (env, EXC_GP, 0);
}

void
helper_fxsave (X86Cpu *env, uint64_t linear)
{
  check_alignment (env, linear);
  FxImage image = *fx_image (env);
  image.reserved = 0;
  image.fop = 0;
  image.fip = image.fdp = 0;
  image.mxcsr_mask = MXCSR_VALID;
  fp_write (env, linear, (uint8_t *) &image, fx_size (env));
}

void
fx_load_x87 (FxImage *f, const FxImage *image)
{
  f->fsw = image->fsw;
  f->tags = image->tags;
  f->fop = 0;
  f->fip = f->fdp = 0;
  for (unsigned i = 0; i < 8; i++)
    f->st[i] = (FxRegister) { .sig = image->st[i].sig, .sign_exp = image->st[i].sign_exp };
  fx_set_control (f, image->fcw);
}

void
helper_fxrstor (X86Cpu *env, uint64_t linear)
{
  check_alignment (env, linear);
  FxImage *f = fx_image (env), image;
  fp_read (env, linear, (uint8_t *) &image, fx_size (env));
  fp_check_mxcsr (env, image.mxcsr);
  fx_load_x87 (f, &image);
  f->mxcsr = image.mxcsr;
  memcpy (f->xmm, image.xmm, fx_vectors (env) * sizeof f->xmm[0]);
}

/* --- the rest ------------------------------------------------------------------------------------------- */

void
helper_ldmxcsr (X86Cpu *env, uint32_t value)
{
  fp_check_mxcsr (env, value);
  fx_image (env)->mxcsr = value;
}

/* CR0.NE is clear: what the host would raise is FERR# to this guest, and a wait for its interrupt. */
void
helper_fp_pending (X86Cpu *env)
{
  if (!(fx_image (env)->fsw & FSW_ES))
    return;
  env->tcg.ops->restore (env);
  x86_host_fault (env, BP_HOST_FAULT_FP);
  env->tcg.ops->raise (env);
}
