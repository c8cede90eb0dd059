/* fp.h -- the state's copy of the FP registers, an XSAVE area in standard format, as a struct; and its rules. */
/* SPDX-License-Identifier: MIT */
#ifndef TARGET_I386_RUNTIME_FP_H
#define TARGET_I386_RUNTIME_FP_H

#include "../cpu.h"
#include "fp-core.h"

typedef struct FxRegister {     /* ST(i), or MM(i) when TOP is 0 */
  uint64_t sig;
  uint16_t sign_exp;
  uint16_t reserved[3];
} FxRegister;

typedef union FxVector {
  uint8_t b[16];
  uint16_t w[8];
  uint32_t d[4];
  uint64_t q[2];
  int8_t sb[16];
  int16_t sw[8];
  int32_t sd[4];
  int64_t sq[2];
} FxVector;

/* SDM vol. 2A, table 3-47. st[] counts from the top of the stack; the tag byte has a bit per physical
 * register. */
typedef struct __attribute__ ((may_alias)) FxImage {
  uint16_t fcw, fsw;
  uint8_t tags, reserved;
  uint16_t fop;
  uint64_t fip, fdp;
  uint32_t mxcsr, mxcsr_mask;
  FxRegister st[8];
  FxVector xmm[16];
  uint8_t unused[96];
} FxImage;
_Static_assert (sizeof (FxImage) == 512, "FXSAVE image");

static inline FxImage *fx_image (X86Cpu *env) { return (FxImage *) env->fp; }

/* Bits 255:128 of the vector registers (SDM vol. 1, 13.5.3), behind the XSAVE header. */
typedef struct __attribute__ ((may_alias)) FxUppers {
  FxVector ymm[16];
} FxUppers;

static inline FxUppers *fx_uppers (X86Cpu *env) { return (FxUppers *) (env->fp + X86_FP_UPPERS); }

enum {
  FSW_STACK = 1 << 6, FSW_ES = 1 << 7, FSW_C0 = 1 << 8, FSW_C1 = 1 << 9, FSW_C2 = 1 << 10, FSW_TOP_SHIFT = 11,
  FSW_C3 = 1 << 14, FSW_B = 1 << 15,
  FSW_CC = FSW_C0 | FSW_C1 | FSW_C2 | FSW_C3
};
enum { FCW_MASKS = 0x3f, FCW_ALWAYS = 0x40, FCW_VALID = 0x1f7f, FCW_INIT = 0x37f };
enum {
  MXCSR_DAZ = 1 << 6, MXCSR_MASK_SHIFT = 7, MXCSR_RC_SHIFT = 13, MXCSR_FTZ = 1 << 15, MXCSR_INIT = 0x1f80,
  MXCSR_VALID = 0xffff
};

static inline unsigned fx_top (const FxImage *f) { return f->fsw >> FSW_TOP_SHIFT & 7; }

/* ES and B follow from the flags and the masks. */
static inline void
fx_update_pending (FxImage *f)
{
  bool pending = f->fsw & ~f->fcw & FCW_MASKS;
  f->fsw = (uint16_t) ((f->fsw & ~(FSW_ES | FSW_B)) | (pending ? FSW_ES | FSW_B : 0));
}

static inline void
fx_set_control (FxImage *f, uint16_t value)
{
  f->fcw = (value & FCW_VALID) | FCW_ALWAYS;
  fx_update_pending (f);
}

/* Vector registers that the mode's instructions reach. */
static inline unsigned fx_vectors (const X86Cpu *env) { return x86_in_code64 (env) ? 16 : 8; }

/* Turns the register file so that st[0] is the physical register `top`. */
void fx_set_top (FxImage *f, unsigned top);
void fx_init (FxImage *f);

/* What every MMX instruction but EMMS does besides: all registers are in use, and MM(i) is st[i]. */
static inline void
fx_enter_mmx (FxImage *f)
{
  fx_set_top (f, 0);
  f->tags = 0xff;
}

/* The x87 part of an image that FXSAVE made. */
void fx_load_x87 (FxImage *f, const FxImage *image);
/* #GP for reserved bits; #MF when an exception waits. */
void fp_check_mxcsr (X86Cpu *env, uint32_t value);
void fp_raise_pending (X86Cpu *env);
/* Guest memory, as the current privilege may.  Faults of its two pages come before a part of it is done. */
void fp_check_access (X86Cpu *env, uint64_t linear, unsigned size, BpMmuAccess access);
void fp_read (X86Cpu *env, uint64_t linear, uint8_t *buffer, unsigned size);
void fp_write (X86Cpu *env, uint64_t linear, const uint8_t *buffer, unsigned size);

/* --- portable execution of native insns: fp-portable.c dispatches to these ------------------------------ */

typedef struct FpInsn {
  X86Cpu *env;
  FxImage *f;
  FxUppers *upper;
  uint64_t native;
  uint32_t aux;
  uint64_t in;                  /* integer operand */
  uint8_t *mem;                 /* memory operand, or NULL */
  uint32_t *flags;              /* EFLAGS bits in and out */
  uint64_t out;                 /* integer result */
} FpInsn;

/* false: no such instruction */
bool fp_x87_execute (FpInsn *x);
bool fp_simd_execute (FpInsn *x);
bool fp_vex_execute (FpInsn *x);

#endif
