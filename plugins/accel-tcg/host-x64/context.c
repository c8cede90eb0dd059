/* context.c -- what a signal found of generated code: where it was, the guest's state in the host's registers, a fault's way into C. */
/* SPDX-License-Identifier: MIT */
#include "context.h"
#include "host.h"
#include <string.h>
#include <ucontext.h>

TCG_IN_SIGNAL uintptr_t
x64_context_pc (const void *context)
{
  return (uintptr_t) ((const ucontext_t *) context)->uc_mcontext.gregs[REG_RIP];
}

TCG_IN_SIGNAL bool
x64_restart (const Tb *tb, void *context)
{
  ucontext_t *uc = context;
  uint64_t offset = (uint64_t) uc->uc_mcontext.gregs[REG_RIP] - (uintptr_t) tb->code;
  for (unsigned i = 0; i < 2; i++)
    if (offset > tb->restart[i].from && offset < tb->restart[i].to) {
      uc->uc_mcontext.gregs[REG_RIP] = (greg_t) (uintptr_t) (tb->code + tb->restart[i].again);
      return true;
    }
  return false;
}

/* The kernel's frame is an XSAVE area in standard format when its magic number is there (asm/sigcontext.h). */
static void
store_upper_context (uint8_t *to, const uint8_t *image)
{
  enum { MAGIC_AT = 464, MAGIC = 0x46505853, FEATURES_AT = 472, XSTATE_BV_AT = 512, UPPERS_AT = 576, YMM = 4 };
  uint32_t magic;
  uint64_t features, present;
  memcpy (&magic, image + MAGIC_AT, 4);
  memcpy (&features, image + FEATURES_AT, 8);
  if (magic != MAGIC || !(features & YMM))
    return;
  memcpy (&present, image + XSTATE_BV_AT, 8);
  size_t size = 16 * x64_host.frontend->fp_vectors;
  if (present & YMM)
    memcpy (to, image + UPPERS_AT, size);
  else
    memset (to, 0, size);
}

/* image: FXSAVE64 layout, or NULL */
static void
store_fp_context (TcgVcpu *vcpu, const uint8_t *image)
{
  const BpTcgFrontend *f = x64_host.frontend;
  uint8_t *to = (uint8_t *) vcpu + f->fp_offset;
  if (!vcpu->fp_resident || !f->fp_offset || !image)
    return;
  if (vcpu->fp_resident & BP_NATIVE_X87) {
    memcpy (to, image, 464);            /* the rest is the kernel's own (SDM: available to software) */
  } else {
    unsigned n = vcpu->fp_resident & BP_NATIVE_SSE_HIGH ? f->fp_vectors : LOW_VECTORS;
    memcpy (to + FX_MXCSR, image + FX_MXCSR, 4);
    memcpy (to + FX_XMM (0), image + FX_XMM (0), 16 * n);
  }
  if (vcpu->fp_resident & BP_NATIVE_AVX)
    store_upper_context ((uint8_t *) vcpu + f->fp_upper_offset, image);
  vcpu->fp_resident = 0;
}

void
x64_store_context (void *env, const void *context)
{
  static const uint8_t greg[16] = {
    [RAX] = REG_RAX, [RCX] = REG_RCX, [RDX] = REG_RDX, [RBX] = REG_RBX, [RSP] = REG_RSP, [RBP] = REG_RBP,
    [RSI] = REG_RSI, [RDI] = REG_RDI, [R8] = REG_R8, [R9] = REG_R9, [R10] = REG_R10, [R11] = REG_R11,
    [R12] = REG_R12, [R13] = REG_R13, [R14] = REG_R14, [R15] = REG_R15,
  };
  const ucontext_t *uc = context;
  TcgVcpu *vcpu = tcg_vcpu (env);
  const X64Set *set = &x64_host.set[vcpu->pin_set];
  for (unsigned i = 0; i < set->n_pins; i++) {
    uint64_t value = (uint64_t) uc->uc_mcontext.gregs[greg[set->pin[i].reg]];
    memcpy ((uint8_t *) env + set->pin[i].offset, &value, set->pin[i].wide ? 8 : 4);
  }
  store_fp_context (vcpu, (const uint8_t *) uc->uc_mcontext.fpregs);
}

/* --- faults ------------------------------------------------------------------------------------------------- */

/* The exception's vector, which the kernel notes (SDM vol. 3, table 6-1).  The instruction does not tell: one of MMX reports what the x87 left. */
static BpHostFault
fault_of (greg_t vector)
{
  enum { VECTOR_MF = 16, VECTOR_XM = 19 };
  return vector == VECTOR_MF ? BP_HOST_FAULT_FP : vector == VECTOR_XM ? BP_HOST_FAULT_SIMD : BP_HOST_FAULT_DIVIDE;
}

/* C's defaults, which the handler's return brings into the registers. */
static void
use_default_control (uint8_t *image)
{
  const uint16_t fcw = 0x037f, fsw_ftw[2] = { 0 };
  const uint32_t mxcsr = MXCSR_DEFAULT;
  memcpy (image, &fcw, sizeof fcw);
  memcpy (image + 2, fsw_ftw, sizeof fsw_ftw);
  memcpy (image + FX_MXCSR, &mxcsr, sizeof mxcsr);
}

void
x64_take_fault (TcgVcpu *v, void *context, void (*entry) (TcgVcpu *v, BpHostFault fault))
{
  ucontext_t *uc = context;
  greg_t *g = uc->uc_mcontext.gregs;
  x64_store_context (v, context);
  if (uc->uc_mcontext.fpregs)
    use_default_control ((uint8_t *) uc->uc_mcontext.fpregs);
  v->ret_pc = x64_context_pc (context) + 1;
  g[REG_RSI] = fault_of (g[REG_TRAPNO]);
  g[REG_RDI] = (greg_t) (uintptr_t) v;
  g[REG_RIP] = (greg_t) (uintptr_t) entry;
  g[REG_RSP] = (g[REG_RSP] & ~(greg_t) 15) - 8;
}
