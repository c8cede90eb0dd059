/* registers.c -- single registers of a stopped CPU as bytes, read and written as a debugger does. */
/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "debug.h"
#include "../runtime/common.h"

/* The FXSAVE64 image (SDM 2A table 3-47). */
enum { FX_CONTROL = 0, FX_STATUS = 2, FX_TAGS = 4, FX_OPCODE = 6, FX_IP = 8, FX_DP = 16, FX_MXCSR = 24, FX_ST = 32, FX_XMM = 160 };

static uint16_t
fx16 (const X86Cpu *env, unsigned at)
{
  uint16_t x;
  memcpy (&x, env->fp + at, sizeof x);
  return x;
}

static uint32_t
fx32 (const X86Cpu *env, unsigned at)
{
  uint32_t x;
  memcpy (&x, env->fp + at, sizeof x);
  return x;
}

static void
fx_put (X86Cpu *env, unsigned at, uint64_t value, unsigned size)
{
  memcpy (env->fp + at, &value, size);
}

/* --- x87: gdb wants the tag word of FNSTENV ---------------------------------------------------- */

enum { TAG_VALID, TAG_ZERO, TAG_SPECIAL, TAG_EMPTY };

/* SDM 1, 8.1.7.  Tags are by physical register, the image by distance from the top. */
static unsigned
tag_of (const X86Cpu *env, unsigned physical)
{
  unsigned top = fx16 (env, FX_STATUS) >> 11 & 7, at = FX_ST + 16 * ((physical - top) & 7);
  uint64_t significand;
  uint16_t exponent = fx16 (env, at + 8) & 0x7fff;
  memcpy (&significand, env->fp + at, sizeof significand);
  if (!(env->fp[FX_TAGS] >> physical & 1))
    return TAG_EMPTY;
  if (exponent == 0)
    return significand == 0 ? TAG_ZERO : TAG_SPECIAL;
  return exponent != 0x7fff && significand >> 63 ? TAG_VALID : TAG_SPECIAL;
}

static uint32_t
fpu_get (const X86Cpu *env, unsigned which)
{
  unsigned tags = 0;
  switch (which) {
  case FPU_CONTROL: return fx16 (env, FX_CONTROL);
  case FPU_STATUS: return fx16 (env, FX_STATUS);
  case FPU_TAGS:
    for (unsigned i = 0; i < 8; i++)
      tags |= tag_of (env, i) << 2 * i;
    return tags;
  case FPU_CS: return x86_in_code64 (env) ? fx32 (env, FX_IP + 4) : fx16 (env, FX_IP + 4);
  case FPU_IP: return fx32 (env, FX_IP);
  case FPU_DS: return x86_in_code64 (env) ? fx32 (env, FX_DP + 4) : fx16 (env, FX_DP + 4);
  case FPU_DP: return fx32 (env, FX_DP);
  default: return fx16 (env, FX_OPCODE) & 0x7ff;
  }
}

static void
fpu_set (X86Cpu *env, unsigned which, uint32_t value)
{
  uint8_t tags = 0;
  switch (which) {
  case FPU_CONTROL: fx_put (env, FX_CONTROL, (value & 0x1f7f) | 0x40, 2); break;
  case FPU_STATUS: fx_put (env, FX_STATUS, value, 2); break;
  case FPU_TAGS:
    for (unsigned i = 0; i < 8; i++)
      tags |= (uint8_t) (((value >> 2 * i & 3) != TAG_EMPTY) << i);
    env->fp[FX_TAGS] = tags;
    break;
  case FPU_CS: fx_put (env, FX_IP + 4, value, x86_in_code64 (env) ? 4 : 2); break;
  case FPU_IP: fx_put (env, FX_IP, value, 4); break;
  case FPU_DS: fx_put (env, FX_DP + 4, value, x86_in_code64 (env) ? 4 : 2); break;
  case FPU_DP: fx_put (env, FX_DP, value, 4); break;
  default: fx_put (env, FX_OPCODE, value & 0x7ff, 2);
  }
}

/* --- segments -------------------------------------------------------------------------------- */

/* The descriptor, without a fault. */
static bool
find_descriptor (X86Cpu *env, unsigned selector, X86Descriptor *d)
{
  const BpX86Segment *ldt = &env->segment[BP_X86_LDTR];
  bool is_local = selector & 4;
  uint64_t base = is_local ? ldt->base : env->gdtr.base;
  uint32_t limit = is_local ? ldt->limit : env->gdtr.limit, raw[2];
  if ((selector | 7) > limit || (is_local && !(ldt->attributes & SEG_P))
      || x86_debug_read (env, x86_system_linear (env, base + (selector & ~7u)), raw, sizeof raw) != sizeof raw)
    return false;
  *d = (X86Descriptor) { .lo = raw[0], .hi = raw[1] };
  return true;
}

/* What the register would not take is refused; its level is the descriptor's, as a stack's after a call through a gate. */
static bool
load_protected (X86Cpu *env, unsigned seg, unsigned selector)
{
  X86Descriptor d;
  if (selector_is_null (selector)) {
    if (seg == BP_X86_CS || (seg == BP_X86_SS && !x86_in_code64 (env)))
      return false;
    if (seg == BP_X86_SS)
      x86_put_null_stack (env, selector, x86_cpl (env));
    else
      x86_put_null (env, seg, selector);
    return true;
  }
  if (!find_descriptor (env, selector, &d) || !(d.hi & DESC_P) || !(d.hi & DESC_S))
    return false;
  bool fits = seg == BP_X86_CS ? desc_is_code (&d) : seg == BP_X86_SS ? desc_is_writable_data (&d) : !desc_is_code (&d) || d.hi & DESC_WRITABLE;
  if (!fits)
    return false;
  if (seg == BP_X86_CS)
    x86_put_code (env, selector, &d);
  else
    x86_put_descriptor (env, seg, selector, &d);
  return true;
}

static bool
selector_set (X86Cpu *env, unsigned seg, uint32_t selector)
{
  if (selector == env->segment[seg].selector)
    return true;
  if (selector > 0xffff)
    return false;
  if (in_v86 (env))
    x86_put_v86 (env, seg, selector);
  else if (is_paragraph_mode (env))
    x86_put_paragraph (env, seg, selector);
  else if (!load_protected (env, seg, selector))
    return false;
  x86_update_hflags (env);
  return true;
}

/* --- control registers: what an instruction would not write is refused, and what follows from the value follows ------- */

static bool
load_pdptes (X86Cpu *env)
{
  uint64_t entry[4];
  if (!(env->cr0 & CR0_PG) || !(env->cr4 & CR4_PAE) || x86_in_long_mode (env))
    return true;
  if (!x86_debug_read_physical (env, env->cr3 & 0xffffffe0 & ~(uint64_t) (uint32_t) ~env->a20_mask, entry, sizeof entry))
    return false;
  memcpy (env->pdpte, entry, sizeof entry);
  return true;
}

/* The four that make the mode. */
typedef struct Control { uint64_t cr0, cr3, cr4, efer; } Control;

static bool
control_set (X86Cpu *env, Control c)
{
  Control old = { env->cr0, env->cr3, env->cr4, env->efer };
  uint64_t known = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
  bool is_long = c.efer & EFER_LME && c.cr0 & CR0_PG;
  if (c.cr0 >> 32 || (c.cr0 & CR0_PG && !(c.cr0 & CR0_PE)) || c.cr4 & ~(uint64_t) env->cr4_allowed || (is_long && !(c.cr4 & CR4_PAE))
      || c.efer & ~known || (c.efer & (EFER_LME | EFER_SCE) && !env->feature[X86_FEATURE_LM]) || c.cr3 >> env->physical_bits)
    return false;
  env->cr0 = c.cr0 | CR0_ET;
  env->cr3 = c.cr3;
  env->cr4 = c.cr4;
  env->efer = (c.efer & ~(uint64_t) EFER_LMA) | (is_long ? EFER_LMA : 0);
  if (memcmp (&old, &c, sizeof c) && !load_pdptes (env)) {
    env->cr0 = old.cr0;
    env->cr3 = old.cr3;
    env->cr4 = old.cr4;
    env->efer = old.efer;
    return false;
  }
  x86_update_hflags (env);
  return true;
}

static uint64_t
cr_get (X86Cpu *env, unsigned number)
{
  return number == 0 ? env->cr0 : number == 2 ? env->cr2 : number == 3 ? env->cr3 : number == 4 ? env->cr4 : x86_priority (env);
}

static bool
cr_set (X86Cpu *env, unsigned number, uint64_t value)
{
  Control c = { env->cr0, env->cr3, env->cr4, env->efer };
  switch (number) {
  case 0: c.cr0 = value; break;
  case 2: env->cr2 = value; return true;
  case 3: c.cr3 = value; break;
  case 4: c.cr4 = value; break;
  default:
    if (value > 15)
      return false;
    x86_set_priority (env, value);
    return true;
  }
  return control_set (env, c);
}

static bool
efer_set (X86Cpu *env, uint64_t value)
{
  return control_set (env, (Control) { env->cr0, env->cr3, env->cr4, value });
}

static bool
dr_set (X86Cpu *env, unsigned number, uint64_t value)
{
  if (number >= 6 && value >> 32)
    return false;
  env->dr[number] = number == 6 ? (value & 0xe00f) | 0xffff0ff0 : number == 7 ? (value & 0xffff23ff) | 0x400 : value;
  x86_update_mode (env);
  return true;
}

/* --- all of them --------------------------------------------------------------------------------- */

static uint64_t
number_of (X86Cpu *env, const X86DebugRow *row)
{
  switch ((X86DebugKind) row->kind) {
  case REG_GPR: return env->gpr[row->index];
  case REG_IP: return env->eip & x86_linear_mask (env);
  case REG_LINEAR_IP: return x86_code_linear (env, env->eip);
  case REG_EFLAGS: return x86_eflags (env);
  case REG_SELECTOR: return env->segment[row->index].selector;
  case REG_FPU: return fpu_get (env, row->index);
  case REG_MXCSR: return fx32 (env, FX_MXCSR);
  case REG_BASE: return env->segment[row->index].base;
  case REG_KERNEL_GS: return env->kernel_gs_base;
  case REG_CR: return cr_get (env, row->index);
  case REG_DR: return env->dr[row->index];
  default: return env->efer;
  }
}

/* Where a register that is no number lies; NULL: it is one. */
static uint8_t *
image_of (X86Cpu *env, const X86DebugRow *row)
{
  switch (row->kind) {
  case REG_ST: return env->fp + FX_ST + 16 * row->index;
  case REG_XMM: return env->fp + FX_XMM + 16 * row->index;
  case REG_YMM_HIGH: return env->fp + X86_FP_UPPERS + 16 * row->index;
  default: return NULL;
  }
}

unsigned
x86_debug_get (X86Cpu *env, const X86DebugRow *row, uint8_t *bytes)
{
  unsigned size = row->reg.bits / 8;
  const uint8_t *image = image_of (env, row);
  uint64_t number = image ? 0 : number_of (env, row);
  memcpy (bytes, image ? image : (const uint8_t *) &number, size);
  return size;
}

static bool
set_number (X86Cpu *env, const X86DebugRow *row, uint64_t value)
{
  switch ((X86DebugKind) row->kind) {
  case REG_GPR: env->gpr[row->index] = value & x86_linear_mask (env); return true;
  case REG_IP: env->eip = value & x86_linear_mask (env); return true;
  case REG_LINEAR_IP: env->eip = x86_in_code64 (env) ? value : (uint32_t) (value - env->segment[BP_X86_CS].base); return true;
  case REG_EFLAGS:
    x86_set_eflags (env, (uint32_t) value, X86_FL_ALL);
    return true;
  case REG_SELECTOR: return selector_set (env, row->index, (uint32_t) value);
  case REG_FPU: fpu_set (env, row->index, (uint32_t) value); return true;
  case REG_MXCSR:
    fx_put (env, FX_MXCSR, value, 4);
    x86_mask_mxcsr (env);
    return true;
  case REG_BASE: x86_put_base (env, row->index, value); return true;
  case REG_KERNEL_GS: env->kernel_gs_base = value; return true;
  case REG_CR: return cr_set (env, row->index, value);
  case REG_DR: return dr_set (env, row->index, value);
  default: return efer_set (env, value);
  }
}

/* gdb writes whole sets of registers when it means one: what does not change is never looked at. */
bool
x86_debug_set (X86Cpu *env, const X86DebugRow *row, const uint8_t *bytes)
{
  uint8_t before[BP_DEBUG_REGISTER_BYTES];
  uint64_t number = 0;
  unsigned size = x86_debug_get (env, row, before);
  if (memcmp (before, bytes, size) == 0)
    return true;
  uint8_t *image = image_of (env, row);
  if (image) {
    memcpy (image, bytes, size);
    return true;
  }
  memcpy (&number, bytes, size);
  return set_number (env, row, number);
}
