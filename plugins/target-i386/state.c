/* state.c -- the CPU's state for others: the saved fields, and the architected registers that loaders, debuggers and KVM exchange. */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/interrupt-controller.h>
#include <string.h>
#include "cpu.h"
#include "debug/debug.h"

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
  BP_STATE_SINCE (4, BP_STATE_U64, X86Cpu, tsc_counted, 1),
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

/* An event that waits for its delivery: one that was put here, or a trap.  (One that is being raised is delivered before anybody looks.) */
static void
get_event (X86Cpu *env, BpX86State *s)
{
  static const uint8_t kinds[] = { [EXC_KIND_INTERRUPT] = BP_X86_EVENT_INTERRUPT, [EXC_KIND_NMI] = BP_X86_EVENT_NMI };
  uint32_t pending = bp_vcpu_pending (bp_vcpu_of (env));
  if (pending & X86_IRQ_EVENT) {
    bool is_fault = env->exc_is_int != EXC_KIND_INTERRUPT && env->exc_is_int != EXC_KIND_NMI;
    s->event_kind = is_fault ? BP_X86_EVENT_EXCEPTION : kinds[env->exc_is_int];
    s->event_vector = (uint8_t) env->exc_vector;
    s->event_has_error = is_fault && env->exc_has_error;
    s->event_error = s->event_has_error ? env->exc_error : 0;
  } else if (pending & X86_IRQ_TRAP) {
    s->event_kind = BP_X86_EVENT_EXCEPTION;
    s->event_vector = EXC_DB;
  }
}

static void
set_event (X86Cpu *env, const BpX86State *s)
{
  BpVcpu *vcpu = bp_vcpu_of (env);
  uint32_t pending = bp_vcpu_pending (vcpu) & (X86_IRQ_EVENT | X86_IRQ_TRAP), bit = X86_IRQ_EVENT;
  bool is_fault = s->event_kind == BP_X86_EVENT_EXCEPTION;
  if (pending & X86_IRQ_EVENT)
    env->exc_vector = -1;
  if (s->event_kind == BP_X86_EVENT_NONE || s->event_kind > BP_X86_EVENT_EXCEPTION || (is_fault && s->event_vector > 31))
    bit = 0;
  else if (is_fault && s->event_vector == EXC_DB)
    bit = X86_IRQ_TRAP;
  if (bit != X86_IRQ_TRAP)
    env->watch_hits = 0;
  bp_vcpu_lower (vcpu, pending & ~bit);
  if (bit == X86_IRQ_EVENT) {
    env->exc_vector = s->event_vector;
    env->exc_has_error = is_fault && s->event_has_error;
    env->exc_error = env->exc_has_error ? s->event_error : 0;
    env->exc_is_int = is_fault ? EXC_KIND_FAULT : s->event_kind == BP_X86_EVENT_NMI ? EXC_KIND_NMI : EXC_KIND_INTERRUPT;
    env->exc_old = -1;
    env->bad_address = 0;
  }
  if (bit)
    bp_vcpu_raise (vcpu, bit);
}

enum { HELD_BY_STI = 1, HELD_BY_SS = 2 };

/* The translator does not tell STI from MOV SS, which holds off more. */
static uint32_t
held_kind (const X86Cpu *env)
{
  if (!(env->hflags & HF_INHIBIT))
    return 0;
  return env->held && env->held_eip == env->eip ? env->held : HELD_BY_SS;
}

static bool
uses_pdptes (const X86Cpu *env)
{
  return env->cr0 & CR0_PG && env->cr4 & CR4_PAE && !x86_in_long_mode (env);
}

/* As x86_load_pdptes, when there is no translator to ask. */
static void
read_pdptes (X86Cpu *env)
{
  uint64_t pdpte[4];
  if (env->tcg.ops)
    x86_load_pdptes (env, env->cr3);
  else if (x86_debug_read_physical (env, env->cr3 & 0xffffffe0, pdpte, sizeof pdpte))
    memcpy (env->pdpte, pdpte, sizeof pdpte);
}

static bool
has_other_tables (const BpX86State *a, const BpX86State *b)
{
  enum { CR4_TABLES = CR4_PAE | CR4_PSE };
  return a->cr3 != b->cr3 || (a->cr0 ^ b->cr0) & CR0_PG || (a->cr4 ^ b->cr4) & CR4_TABLES || (a->efer ^ b->efer) & EFER_LME;
}

static void
set_pdptes (X86Cpu *env, const BpX86State *before, const BpX86State *s)
{
  bool given = memcmp (before->pdpte, s->pdpte, sizeof s->pdpte) != 0;
  memcpy (env->pdpte, s->pdpte, sizeof env->pdpte);
  if (!given && uses_pdptes (env) && has_other_tables (before, s))
    read_pdptes (env);
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
  s.tsc = x86_tsc (env);
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
  get_event (env, &s);
  s.interrupts_held = held_kind (env);
  s.nmi_blocked = env->nmi_masked != 0;
  s.activity = env->halted;
  memcpy (s.pdpte, env->pdpte, sizeof s.pdpte);
  memcpy (out, &s, s.struct_size);
}

static void
set_system_registers (X86Cpu *env, const BpX86State *s)
{
  memcpy (env->segment, s->segment, sizeof s->segment);
  memcpy (&env->gdtr, &s->gdtr, sizeof s->gdtr);
  memcpy (&env->idtr, &s->idtr, sizeof s->idtr);
  env->cr0 = s->cr0 | CR0_ET;
  env->cr2 = s->cr2;
  env->cr3 = s->cr3;
  env->cr4 = s->cr4 & env->cr4_allowed;
  bool is_long = s->efer & EFER_LME && s->cr0 & CR0_PG;
  env->efer = (s->efer & ~(uint64_t) EFER_LMA) | (is_long ? EFER_LMA : 0);
  memcpy (env->dr, s->dr, sizeof s->dr);
  env->star = s->star;
  env->lstar = s->lstar;
  env->cstar = s->cstar;
  env->sfmask = s->sfmask;
  env->kernel_gs_base = s->kernel_gs_base;
  env->tsc_aux = s->tsc_aux;
  env->sysenter_cs = s->sysenter_cs;
  env->sysenter_esp = s->sysenter_esp;
  env->sysenter_eip = s->sysenter_eip;
}

static void
set_fp (X86Cpu *env, const BpX86State *s)
{
  memcpy (env->fp, s->fxsave, sizeof s->fxsave);
  x86_mask_mxcsr (env);
  memcpy (env->fp + X86_FP_UPPERS, s->ymm_high, sizeof s->ymm_high);
  env->xcr0 = s->xcr0 | 1;
  env->pkru = env->cpuid_7_ecx & X86_C7_PKU ? (uint32_t) s->pkru : 0;
  env->pkrs = env->cpuid_7_ecx & X86_C7_PKS ? (uint32_t) s->pkrs : 0;
}

/* A caller whose struct is older leaves what it does not know as it is. */
static void
set_state (void *self, const BpX86State *in)
{
  X86Cpu *env = self;
  BpX86State before = { .struct_size = sizeof before };
  get_state (self, &before);
  BpX86State s = before;
  memcpy (&s, in, MIN (in->struct_size, (uint32_t) sizeof s));
  env->halted = s.halted != before.halted ? s.halted : s.activity;
  memcpy (env->gpr, s.gpr, sizeof s.gpr);
  env->eip = s.rip;
  set_system_registers (env, &s);
  set_fp (env, &s);
  env->hflags = 0;
  x86_set_eflags (env, (uint32_t) s.rflags, X86_FL_ALL);
  env->held = s.interrupts_held;
  env->held_eip = s.rip;
  env->hflags |= s.interrupts_held ? HF_INHIBIT : 0;
  x86_update_hflags (env);
  __atomic_store_n (&env->nmi_masked, s.nmi_blocked != 0, __ATOMIC_SEQ_CST);
  set_event (env, &s);
  set_pdptes (env, &before, &s);
  env->tsc_offset += s.tsc - x86_tsc (env);
  if (s.cr8 != before.cr8)
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

/* --- for an accelerator that is no translator ---------------------------------------------------------- */

static uint8_t
startup_vector (void *self)
{
  X86Cpu *env = self;
  return __atomic_load_n (&env->startup_vector, __ATOMIC_ACQUIRE);
}

static void
reset_registers (void *self, bool init)
{
  X86Cpu *env = self;
  bp_vcpu_lower (bp_vcpu_of (self), X86_IRQ_EVENT | X86_IRQ_TRAP);
  x86_reset_registers (env, init);
  if (is_running_here (env))
    env->tcg.ops->tlb_flush (env, true);
}

static const void *
controller (void *self, void **instance)
{
  X86Cpu *env = self;
  *instance = env->intc.instance;
  return env->intc.table;
}

static bool
a20_closed (void *self)
{
  return !(((X86Cpu *) self)->a20_mask >> 20 & 1);
}

static unsigned
state_msrs (void *self, uint32_t *numbers, unsigned n)
{
  return x86_state_msrs (self, numbers, n);
}

static const char *
feature_name (void *self, uint32_t leaf, uint32_t subleaf, unsigned reg, unsigned bit)
{
  return x86_cpuid_bit_name (leaf, subleaf, reg, bit);
}

static uint64_t
tsc_frequency (void *self)
{
  return ((X86Cpu *) self)->tsc_frequency;
}

static void
set_tsc_frequency (void *self, uint64_t hz)
{
  x86_set_tsc_frequency (self, hz);
}

const BpX86CpuIface x86_cpu_iface = {
  .struct_size = sizeof (BpX86CpuIface), .get_state = get_state, .set_state = set_state, .get_msr = get_msr, .set_msr = set_msr,
  .cpuid = get_cpuid, .startup = startup, .startup_vector = startup_vector, .reset_registers = reset_registers, .controller = controller,
  .a20_closed = a20_closed, .state_msrs = state_msrs, .feature_name = feature_name, .tsc_frequency = tsc_frequency,
  .set_tsc_frequency = set_tsc_frequency
};
