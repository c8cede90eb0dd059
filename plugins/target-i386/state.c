/* state.c -- the CPU's state for others: the saved fields, and the architected registers that loaders, debuggers and KVM exchange. */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/interrupt-controller.h>
#include <string.h>
#include "cpu.h"

/* --- saved state --------------------------------------------------------------------------- */

static const BpStateField segment_fields[] = {
  BP_STATE_FIELD_U16 (BpX86Segment, selector),
  BP_STATE_FIELD_U16 (BpX86Segment, attributes),
  BP_STATE_FIELD_U32 (BpX86Segment, limit),
  BP_STATE_FIELD_U64 (BpX86Segment, base),
  BP_STATE_END
};

const BpStateField x86_state_fields[] = {
  BP_STATE_FIELD_ARRAY (BP_STATE_U64, X86Cpu, gpr, 16),
  BP_STATE_FIELD_U64 (X86Cpu, cc_dst),
  BP_STATE_FIELD_U64 (X86Cpu, cc_src),
  BP_STATE_FIELD_U64 (X86Cpu, cc_src2),
  BP_STATE_FIELD_U64 (X86Cpu, eip),
  BP_STATE_FIELD_U32 (X86Cpu, cc_op),
  BP_STATE_FIELD_U32 (X86Cpu, df),
  BP_STATE_FIELD_U32 (X86Cpu, eflags),
  BP_STATE_FIELD_U32 (X86Cpu, hflags),  /* for HF_INHIBIT; the rest is derived */
  BP_STATE_FIELD_STRUCTS (X86Cpu, segment, 8, segment_fields),
  BP_STATE_FIELD_U64 (X86Cpu, gdtr.base),
  BP_STATE_FIELD_U32 (X86Cpu, gdtr.limit),
  BP_STATE_FIELD_U64 (X86Cpu, idtr.base),
  BP_STATE_FIELD_U32 (X86Cpu, idtr.limit),
  BP_STATE_FIELD_U64 (X86Cpu, cr0),
  BP_STATE_FIELD_U64 (X86Cpu, cr2),
  BP_STATE_FIELD_U64 (X86Cpu, cr3),
  BP_STATE_FIELD_U64 (X86Cpu, cr4),
  BP_STATE_FIELD_ARRAY (BP_STATE_U64, X86Cpu, pdpte, 4),
  BP_STATE_FIELD_ARRAY (BP_STATE_U64, X86Cpu, dr, 8),
  BP_STATE_FIELD_U64 (X86Cpu, efer),
  BP_STATE_FIELD_U32 (X86Cpu, a20_mask),
  BP_STATE_FIELD_U32 (X86Cpu, halted),
  BP_STATE_FIELD_BYTES (X86Cpu, fp),
  BP_STATE_FIELD_U64 (X86Cpu, sysenter_cs),
  BP_STATE_FIELD_U64 (X86Cpu, sysenter_esp),
  BP_STATE_FIELD_U64 (X86Cpu, sysenter_eip),
  BP_STATE_FIELD_U64 (X86Cpu, tsc_offset),
  BP_STATE_FIELD_U64 (X86Cpu, pat),
  BP_STATE_FIELD_U64 (X86Cpu, mcg_status),
  BP_STATE_FIELD_U64 (X86Cpu, misc_enable),
  BP_STATE_FIELD_U64 (X86Cpu, mtrr_def),
  BP_STATE_FIELD_ARRAY (BP_STATE_U64, X86Cpu, mtrr_fixed, 11),
  BP_STATE_FIELD_ARRAY (BP_STATE_U64, X86Cpu, mtrr_variable, 16),
  BP_STATE_FIELD_U64 (X86Cpu, tsc_adjust),
  BP_STATE_FIELD_U64 (X86Cpu, tsc_aux),
  BP_STATE_FIELD_U64 (X86Cpu, star),
  BP_STATE_FIELD_U64 (X86Cpu, lstar),
  BP_STATE_FIELD_U64 (X86Cpu, cstar),
  BP_STATE_FIELD_U64 (X86Cpu, sfmask),
  BP_STATE_FIELD_U64 (X86Cpu, kernel_gs_base),
  BP_STATE_FIELD_U64 (X86Cpu, xcr0),
  BP_STATE_FIELD_U64 (X86Cpu, xss),
  BP_STATE_FIELD_U64 (X86Cpu, pkru),
  BP_STATE_FIELD_U64 (X86Cpu, pkrs),
  BP_STATE_FIELD_U64 (X86Cpu, cr8),
  BP_STATE_FIELD_U32 (X86Cpu, exc_vector),
  BP_STATE_FIELD_U32 (X86Cpu, exc_error),
  BP_STATE_FIELD_U32 (X86Cpu, exc_has_error),
  BP_STATE_FIELD_U32 (X86Cpu, exc_is_int),
  BP_STATE_FIELD_U64 (X86Cpu, exc_next_eip),
  BP_STATE_FIELD_U32 (X86Cpu, exc_old),
  BP_STATE_FIELD_U32 (X86Cpu, nmi_masked),
  BP_STATE_FIELD_U8 (X86Cpu, startup_vector),
  BP_STATE_FIELD_U32 (X86Cpu, repeating),
  { .name = "watch_hits", .kind = BP_STATE_U32, .offset = offsetof (X86Cpu, watch_hits), .count = 1, .size = 4, .since = 3 },
  BP_STATE_END
};

/* The accelerator loads the image into the host's registers as it is: a reserved bit of MXCSR would be the host's #GP. */
void
x86_mask_mxcsr (X86Cpu *env)
{
  enum { MXCSR_AT = 24, MXCSR_VALID = 0xffff };
  uint32_t mxcsr;
  memcpy (&mxcsr, env->fp + MXCSR_AT, sizeof mxcsr);
  mxcsr &= MXCSR_VALID;
  memcpy (env->fp + MXCSR_AT, &mxcsr, sizeof mxcsr);
}

/* --- architected state --------------------------------------------------------------------------- */

static bool
is_running_here (const X86Cpu *env)
{
  return env->tcg.ops && env->tcg.vcpu && bp_vcpu_is_current (env->tcg.vcpu);
}

uint64_t
x86_priority (X86Cpu *env)
{
  const BpInterruptControllerIface *intc = env->intc.table;
  if (is_running_here (env))
    return x86_cr8_read (env);
  if (!BP_TABLE_HAS (intc, priority_read))
    return env->cr8;
  bp_machine_lock (bp_object_machine (env));
  uint64_t value = intc->priority_read (env->intc.instance);
  bp_machine_unlock (bp_object_machine (env));
  return value;
}

void
x86_set_priority (X86Cpu *env, uint64_t value)
{
  const BpInterruptControllerIface *intc = env->intc.table;
  env->cr8 = value & 15;
  if (is_running_here (env))
    x86_cr8_write (env, env->cr8);
  else if (BP_TABLE_HAS (intc, priority_write)) {
    bp_machine_lock (bp_object_machine (env));
    intc->priority_write (env->intc.instance, (uint8_t) env->cr8);
    bp_machine_unlock (bp_object_machine (env));
  }
}

static void
get_state (void *self, BpX86State *out)
{
  X86Cpu *env = self;
  BpX86State s = { .struct_size = MIN (out->struct_size, (uint32_t) sizeof s), .halted = env->halted };
  if (is_running_here (env))
    env->tcg.ops->fp_store (env);
  memcpy (s.gpr, env->gpr, sizeof s.gpr);
  s.rip = env->eip;
  s.rflags = x86_eflags (env);
  memcpy (s.segment, env->segment, sizeof s.segment);
  memcpy (&s.gdtr, &env->gdtr, sizeof s.gdtr);
  memcpy (&s.idtr, &env->idtr, sizeof s.idtr);
  s.cr0 = env->cr0;
  s.cr2 = env->cr2;
  s.cr3 = env->cr3;
  s.cr4 = env->cr4;
  s.efer = env->efer;
  memcpy (s.dr, env->dr, sizeof s.dr);
  if (env->tcg.ops)
    x86_msr_read (env, 0x10, &s.tsc);
  memcpy (s.fxsave, env->fp, sizeof s.fxsave);
  s.xcr0 = env->xcr0;
  memcpy (s.ymm_high, env->fp + X86_FP_UPPERS, sizeof s.ymm_high);
  s.cr8 = x86_priority (env);
  s.star = env->star;
  s.lstar = env->lstar;
  s.cstar = env->cstar;
  s.sfmask = env->sfmask;
  s.kernel_gs_base = env->kernel_gs_base;
  s.tsc_aux = env->tsc_aux;
  s.sysenter_cs = env->sysenter_cs;
  s.sysenter_esp = env->sysenter_esp;
  s.sysenter_eip = env->sysenter_eip;
  s.pkru = env->pkru;
  s.pkrs = env->pkrs;
  memcpy (out, &s, s.struct_size);
}

/* A caller whose struct is older leaves what it does not know as it is. */
static void
set_state (void *self, const BpX86State *in)
{
  X86Cpu *env = self;
  BpX86State s = { .struct_size = sizeof s };
  get_state (self, &s);
  memcpy (&s, in, MIN (in->struct_size, (uint32_t) sizeof s));
  env->halted = s.halted;
  memcpy (env->gpr, s.gpr, sizeof s.gpr);
  env->eip = s.rip;
  memcpy (env->segment, s.segment, sizeof s.segment);
  memcpy (&env->gdtr, &s.gdtr, sizeof s.gdtr);
  memcpy (&env->idtr, &s.idtr, sizeof s.idtr);
  env->cr0 = s.cr0 | CR0_ET;
  env->cr2 = s.cr2;
  env->cr3 = s.cr3;
  env->cr4 = s.cr4 & env->cr4_allowed;
  bool is_long = s.efer & EFER_LME && s.cr0 & CR0_PG;
  env->efer = (s.efer & ~(uint64_t) EFER_LMA) | (is_long ? EFER_LMA : 0);
  memcpy (env->dr, s.dr, sizeof s.dr);
  memcpy (env->fp, s.fxsave, sizeof s.fxsave);
  x86_mask_mxcsr (env);
  memcpy (env->fp + X86_FP_UPPERS, s.ymm_high, sizeof s.ymm_high);
  env->xcr0 = s.xcr0 | 1;
  env->star = s.star;
  env->lstar = s.lstar;
  env->cstar = s.cstar;
  env->sfmask = s.sfmask;
  env->kernel_gs_base = s.kernel_gs_base;
  env->tsc_aux = s.tsc_aux;
  env->sysenter_cs = s.sysenter_cs;
  env->sysenter_esp = s.sysenter_esp;
  env->sysenter_eip = s.sysenter_eip;
  env->pkru = env->cpuid_7_ecx & X86_C7_PKU ? (uint32_t) s.pkru : 0;
  env->pkrs = env->cpuid_7_ecx & X86_C7_PKS ? (uint32_t) s.pkrs : 0;
  env->hflags = 0;
  x86_set_eflags (env, (uint32_t) s.rflags, X86_FL_ALL);
  x86_update_hflags (env);
  if (!env->tcg.ops)
    return;
  if (env->cr0 & CR0_PG && env->cr4 & CR4_PAE && !is_long)
    x86_load_pdptes (env, env->cr3);
  x86_set_priority (env, s.cr8);
  if (is_running_here (env))
    env->tcg.ops->tlb_flush (env, true);
}

static bool
get_msr (void *self, uint32_t number, uint64_t *value)
{
  return x86_msr_read (self, number, value);
}

static bool
set_msr (void *self, uint32_t number, uint64_t value)
{
  return x86_msr_write (self, number, value);
}

static void
get_cpuid (void *self, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
  x86_cpuid (self, leaf, subleaf, out);
}

/* The vector is there before the bit that announces it. */
static void
startup (void *self, uint8_t vector)
{
  X86Cpu *env = self;
  __atomic_store_n (&env->startup_vector, vector, __ATOMIC_RELEASE);
  bp_vcpu_raise (bp_vcpu_of (self), BP_VCPU_IRQ_SIPI);
}

const BpX86CpuIface x86_cpu_iface = {
  .struct_size = sizeof (BpX86CpuIface), .get_state = get_state, .set_state = set_state, .get_msr = get_msr, .set_msr = set_msr,
  .cpuid = get_cpuid, .startup = startup
};
