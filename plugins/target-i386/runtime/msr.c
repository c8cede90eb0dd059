/* msr.c -- model-specific registers, the time-stamp counter, CPUID as an instruction (SDM 4 chapter 2). */
/* SPDX-License-Identifier: MIT */
/* Ordinary code: the FP state has been stored before any of these is called. */
#include <backplane/clock.h>
#include <backplane/iface/accel.h>
#include <backplane/iface/interrupt-controller.h>
#include <backplane/log.h>
#include "common.h"
#include "helpers.h"

/* --- numbers --------------------------------------------------------------------------- */

enum {
  MSR_P5_MC_ADDR = 0x0, MSR_P5_MC_TYPE = 0x1, MSR_TSC = 0x10, MSR_PLATFORM_ID = 0x17, MSR_APIC_BASE = 0x1b, MSR_EBL_CR_POWERON = 0x2a,
  MSR_TSC_ADJUST = 0x3b,
  MSR_UPDATE_TRIGGER = 0x79, MSR_UPDATE_REVISION = 0x8b, MSR_MTRR_CAP = 0xfe, MSR_SYSENTER_CS = 0x174, MSR_SYSENTER_ESP = 0x175,
  MSR_SYSENTER_EIP = 0x176, MSR_MCG_CAP = 0x179, MSR_MCG_STATUS = 0x17a, MSR_MISC_ENABLE = 0x1a0, MSR_DEBUGCTL = 0x1d9,
  MSR_MTRR_VARIABLE = 0x200, MSR_MTRR_FIX64K = 0x250, MSR_MTRR_FIX16K = 0x258, MSR_MTRR_FIX4K = 0x268, MSR_PAT = 0x277, MSR_MTRR_DEF = 0x2ff,
  MSR_TSC_DEADLINE = 0x6e0, MSR_PKRS = 0x6e1, MSR_X2APIC = 0x800, MSR_X2APIC_LAST = 0x8ff
};
#define MSR_EFER 0xc0000080u
#define MSR_STAR 0xc0000081u
#define MSR_LSTAR 0xc0000082u
#define MSR_CSTAR 0xc0000083u
#define MSR_SYSCALL_MASK 0xc0000084u
#define MSR_FS_BASE 0xc0000100u
#define MSR_GS_BASE 0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u
#define MSR_TSC_AUX 0xc0000103u

#define N_VARIABLE_MTRRS 8
#define MTRR_CAP (N_VARIABLE_MTRRS | 1 << 8 /* fixed ranges */ | 1 << 10 /* write combining */)

static bool has_mtrr (const X86Cpu *env) { return env->cpuid_1_edx >> 12 & 1; }
static bool has_mca (const X86Cpu *env) { return env->cpuid_1_edx >> 14 & 1; }
static bool has_pat (const X86Cpu *env) { return env->cpuid_1_edx >> 16 & 1; }
static bool has_nx (const X86Cpu *env) { return env->cpuid_80000001_edx >> 20 & 1; }
static bool has_lm (const X86Cpu *env) { return env->feature[X86_FEATURE_LM]; }
static bool has_syscall (const X86Cpu *env) { return env->feature[X86_FEATURE_SYSCALL]; }
static bool has_tsc_adjust (const X86Cpu *env) { return env->cpuid_7_ebx >> 1 & 1; }
static bool has_pks (const X86Cpu *env) { return env->cpuid_7_ecx & X86_C7_PKS; }
static bool has_tsc_aux (const X86Cpu *env) { return env->feature[X86_FEATURE_RDTSCP] || env->feature[X86_FEATURE_RDPID]; }

/* The bits of EFER that may be set. */
static uint64_t
efer_allowed (const X86Cpu *env)
{
  return (has_nx (env) ? EFER_NXE : 0) | (has_syscall (env) ? EFER_SCE : 0) | (has_lm (env) ? EFER_LME : 0);
}

/* --- time-stamp counter ------------------------------------------------------------------- */

/* An accelerator that is no translator has no other than the machine's. */
static int64_t
virtual_time (X86Cpu *env)
{
  return env->tcg.ops ? env->tcg.ops->virtual_time (env) : bp_clock_now (bp_object_machine (env), BP_CLOCK_VIRTUAL);
}

/* It follows virtual time, which in deterministic mode follows executed instructions. */
uint64_t
x86_tsc (X86Cpu *env)
{
  return bp_muldiv ((uint64_t) virtual_time (env), (uint32_t) env->tsc_frequency, BP_NS_PER_SECOND) + env->tsc_offset;
}

/* What the guest is told. */
static uint64_t
tsc_read (X86Cpu *env)
{
  /* A loop that waits for a tick would go round and round in its blocks: nobody else tells this thread of what it has fired itself. */
  if (env->tcg.ops && bp_machine_catch_up (bp_object_machine (env), env->tcg.ops->virtual_time (env)))
    env->tcg.ops->leave_soon (env);
  return x86_tsc (env);
}

uint64_t
helper_rdtsc (X86Cpu *env)
{
  if (env->cr4 & CR4_TSD && x86_cpl (env) != 0)
    x86_raise_error (env, EXC_GP, 0);
  return tsc_read (env);
}

/* There are no performance counters. */
uint64_t
helper_rdpmc (X86Cpu *env)
{
  x86_raise_error (env, EXC_GP, 0);
}

#define APIC_BASE_X2 (1u << 10)
#define APIC_BASE_ENABLED (1u << 11)

/* --- local APIC ------------------------------------------------------------------------------ */

static bool
apic_base_read (X86Cpu *env, uint64_t *value)
{
  const BpInterruptControllerIface *intc = env->intc.table;
  BpMachine *machine = bp_object_machine (env);
  if (!x86_has_apic (env))
    return false;
  bp_machine_lock (machine);
  *value = intc->apic_base_read (env->intc.instance);
  bp_machine_unlock (machine);
  return true;
}

static bool
apic_base_write (X86Cpu *env, uint64_t value)
{
  const BpInterruptControllerIface *intc = env->intc.table;
  BpMachine *machine = bp_object_machine (env);
  if (!BP_TABLE_HAS (intc, apic_base_write) || (value & APIC_BASE_X2 && !x86_has_x2apic (env)))
    return false;
  bp_machine_lock (machine);
  bool ok = intc->apic_base_write (env->intc.instance, value);
  bp_machine_unlock (machine);
  return ok;
}

static bool
x2apic_access (X86Cpu *env, uint32_t number, uint64_t *value, bool write)
{
  const BpInterruptControllerIface *intc = env->intc.table;
  BpMachine *machine = bp_object_machine (env);
  if (!x86_has_x2apic (env))
    return false;
  bp_machine_lock (machine);
  bool ok = write ? intc->msr_write (env->intc.instance, number, *value) : intc->msr_read (env->intc.instance, number, value);
  bp_machine_unlock (machine);
  return ok;
}

/* CR8 is the upper half of the APIC's task priority. */
uint64_t __attribute__ ((noinline))
x86_cr8_read (X86Cpu *env)
{
  const BpInterruptControllerIface *intc = env->intc.table;
  BpMachine *machine = bp_object_machine (env);
  env->tcg.ops->fp_store (env);
  if (!BP_TABLE_HAS (intc, priority_read))
    return env->cr8;
  bp_machine_lock (machine);
  uint64_t value = intc->priority_read (env->intc.instance);
  bp_machine_unlock (machine);
  return value;
}

void __attribute__ ((noinline))
x86_cr8_write (X86Cpu *env, uint64_t value)
{
  const BpInterruptControllerIface *intc = env->intc.table;
  BpMachine *machine = bp_object_machine (env);
  env->tcg.ops->fp_store (env);
  env->cr8 = value;
  if (!BP_TABLE_HAS (intc, priority_write))
    return;
  bp_machine_lock (machine);
  intc->priority_write (env->intc.instance, (uint8_t) value);
  bp_machine_unlock (machine);
}

/* When the time-stamp counter gets there; the past is now. */
static int64_t
time_of_tsc (X86Cpu *env, uint64_t tsc)
{
  int64_t now = virtual_time (env);
  uint64_t counter = x86_tsc (env), ticks = tsc > counter ? tsc - counter : 0;
  unsigned __int128 ns = ((unsigned __int128) ticks * BP_NS_PER_SECOND + env->tsc_frequency - 1) / env->tsc_frequency;
  return ns > (uint64_t) (INT64_MAX - now) ? INT64_MAX : now + (int64_t) ns;
}

static bool
deadline_access (X86Cpu *env, uint64_t *value, bool write)
{
  const BpInterruptControllerIface *intc = env->intc.table;
  BpMachine *machine = bp_object_machine (env);
  if (!x86_has_tsc_deadline (env))
    return false;
  bp_machine_lock (machine);
  if (write)
    intc->deadline_write (env->intc.instance, *value, time_of_tsc (env, *value));
  else
    *value = intc->deadline_read (env->intc.instance);
  bp_machine_unlock (machine);
  return true;
}

/* The deadline stays where it is, the counter moves, and so does what counts its moves (SDM 3B 17.17.3). */
static void
tsc_move (X86Cpu *env, uint64_t by)
{
  uint64_t deadline;
  bool waits = deadline_access (env, &deadline, false) && deadline;
  env->tsc_offset += by;
  env->tsc_adjust += by;
  if (waits)
    deadline_access (env, &deadline, true);
}

/* A deadline that the local APIC holds stays where it is in virtual time: a post_load, which this is part of, lets no device's timer go off. */
void
x86_set_tsc_frequency (X86Cpu *env, uint64_t hz)
{
  uint64_t now = x86_tsc (env);
  env->tsc_frequency = env->tsc_counted = CLAMP (hz, 1000000, G_MAXUINT32);
  env->tsc_offset += now - x86_tsc (env);
}

/* --- memory types: kept, of no effect ---------------------------------------------------------- */

static uint64_t *
mtrr_register (X86Cpu *env, uint32_t number)
{
  if (!has_mtrr (env))
    return NULL;
  if (number - MSR_MTRR_VARIABLE < 2 * N_VARIABLE_MTRRS)
    return &env->mtrr_variable[number - MSR_MTRR_VARIABLE];
  if (number == MSR_MTRR_FIX64K)
    return &env->mtrr_fixed[0];
  if (number - MSR_MTRR_FIX16K < 2)
    return &env->mtrr_fixed[1 + number - MSR_MTRR_FIX16K];
  if (number - MSR_MTRR_FIX4K < 8)
    return &env->mtrr_fixed[3 + number - MSR_MTRR_FIX4K];
  return number == MSR_MTRR_DEF ? &env->mtrr_def : NULL;
}

/* Each byte is one of the types in the set. */
static bool
types_valid (uint64_t value, unsigned set)
{
  for (unsigned i = 0; i < 8; i++, value >>= 8)
    if ((value & 0xff) > 7 || !(set >> (value & 0xff) & 1))
      return false;
  return true;
}

#define MTRR_TYPES 0x73u        /* UC WC WT WP WB */
#define PAT_TYPES 0xf3u         /* and UC- */

static bool
mtrr_valid (const X86Cpu *env, uint32_t number, uint64_t value)
{
  uint64_t beyond = ~(uint64_t) 0 << env->physical_bits;
  if (number == MSR_MTRR_DEF)
    return !(value & ~(uint64_t) 0xcff) && types_valid (value & 0xff, MTRR_TYPES);
  if (number - MSR_MTRR_VARIABLE < 2 * N_VARIABLE_MTRRS)
    return number & 1 ? !(value & (beyond | 0x7ff)) : !(value & (beyond | 0xf00)) && types_valid (value & 0xff, MTRR_TYPES);
  return types_valid (value, MTRR_TYPES);
}

/* --- read, write ----------------------------------------------------------------------------------- */

static const uint64_t *
plain_register (const X86Cpu *env, uint32_t number)
{
  switch (number) {
  case MSR_SYSENTER_CS: return env->feature[X86_FEATURE_SEP] ? &env->sysenter_cs : NULL;
  case MSR_SYSENTER_ESP: return env->feature[X86_FEATURE_SEP] ? &env->sysenter_esp : NULL;
  case MSR_SYSENTER_EIP: return env->feature[X86_FEATURE_SEP] ? &env->sysenter_eip : NULL;
  case MSR_MCG_STATUS: return has_mca (env) ? &env->mcg_status : NULL;
  case MSR_MISC_ENABLE: return x86_family (env) >= 6 ? &env->misc_enable : NULL;
  case MSR_PAT: return has_pat (env) ? &env->pat : NULL;
  case MSR_EFER: return efer_allowed (env) ? &env->efer : NULL;
  case MSR_STAR: return has_syscall (env) ? &env->star : NULL;
  case MSR_LSTAR: return has_lm (env) ? &env->lstar : NULL;
  case MSR_CSTAR: return has_lm (env) ? &env->cstar : NULL;
  case MSR_SYSCALL_MASK: return has_lm (env) ? &env->sfmask : NULL;
  case MSR_FS_BASE: return has_lm (env) ? &env->segment[X86_FS].base : NULL;
  case MSR_GS_BASE: return has_lm (env) ? &env->segment[X86_GS].base : NULL;
  case MSR_KERNEL_GS_BASE: return has_lm (env) ? &env->kernel_gs_base : NULL;
  case MSR_TSC_AUX: return has_tsc_aux (env) ? &env->tsc_aux : NULL;
  case MSR_TSC_ADJUST: return has_tsc_adjust (env) ? &env->tsc_adjust : NULL;
  case MSR_PKRS: return has_pks (env) ? &env->pkrs : NULL;
  }
  return NULL;
}

bool
x86_msr_read (X86Cpu *env, uint32_t number, uint64_t *value)
{
  const uint64_t *plain = plain_register (env, number);
  if (!plain)
    plain = mtrr_register (env, number);
  if (plain) {
    *value = *plain;
    return true;
  }
  switch (number) {
  case MSR_TSC:
    *value = tsc_read (env);
    return true;
  case MSR_APIC_BASE:
    return apic_base_read (env, value);
  case MSR_MTRR_CAP:
    *value = MTRR_CAP;
    return has_mtrr (env);
  case MSR_MCG_CAP:
    *value = 0;
    return has_mca (env);
  case MSR_UPDATE_REVISION:
    *value = (uint64_t) 0xff << 32;     /* late enough for every known fault to be mended */
    return true;
  case MSR_P5_MC_ADDR:
  case MSR_P5_MC_TYPE:
  case MSR_PLATFORM_ID:
  case MSR_EBL_CR_POWERON:
  case MSR_DEBUGCTL:
    *value = 0;
    return true;
  case MSR_TSC_DEADLINE:
    return deadline_access (env, value, false);
  case MSR_X2APIC ... MSR_X2APIC_LAST:
    return x2apic_access (env, number, value, false);
  }
  return false;
}

static bool
efer_write (X86Cpu *env, uint64_t value)
{
  uint64_t allowed = efer_allowed (env), lma = env->efer & EFER_LMA;
  value &= ~(uint64_t) EFER_LMA;        /* is written by nobody but the processor */
  if (!allowed || value & ~allowed || ((env->efer ^ value) & EFER_LME && env->cr0 & CR0_PG))
    return false;
  bool changed = (env->efer ^ value) & EFER_NXE;
  env->efer = value | lma;
  x86_update_mode (env);
  if (changed && env->tcg.ops)
    env->tcg.ops->tlb_flush (env, true);
  return true;
}

bool
x86_msr_write (X86Cpu *env, uint32_t number, uint64_t value)
{
  uint64_t *mtrr = mtrr_register (env, number);
  if (mtrr) {
    if (!mtrr_valid (env, number, value))
      return false;
    *mtrr = value;
    return true;
  }
  switch (number) {
  case MSR_TSC:
    tsc_move (env, value - x86_tsc (env));
    return true;
  case MSR_TSC_ADJUST:
    if (has_tsc_adjust (env))
      tsc_move (env, value - env->tsc_adjust);
    return has_tsc_adjust (env);
  case MSR_TSC_AUX:
  case MSR_SYSCALL_MASK:
    if (value >> 32)
      return false;
    break;
  case MSR_FS_BASE:
  case MSR_GS_BASE:
    if (!has_lm (env) || !x86_is_canonical (value))
      return false;
    x86_put_base (env, number == MSR_FS_BASE ? X86_FS : X86_GS, value);
    return true;
  case MSR_LSTAR:
  case MSR_CSTAR:
  case MSR_KERNEL_GS_BASE:
  case MSR_SYSENTER_ESP:
  case MSR_SYSENTER_EIP:
    if (has_lm (env) && !x86_is_canonical (value))
      return false;
    break;
  case MSR_TSC_DEADLINE:
    return deadline_access (env, &value, true);
  case MSR_X2APIC ... MSR_X2APIC_LAST:
    return x2apic_access (env, number, &value, true);
  case MSR_PKRS:
    if (!has_pks (env) || value >> 32)
      return false;
    x86_set_pkrs (env, (uint32_t) value);
    return true;
  case MSR_APIC_BASE:
    return apic_base_write (env, value);
  case MSR_EFER:
    return efer_write (env, value);
  case MSR_PAT:
    if (!types_valid (value, PAT_TYPES))
      return false;
    break;
  case MSR_UPDATE_TRIGGER:
  case MSR_UPDATE_REVISION:
  case MSR_EBL_CR_POWERON:
  case MSR_P5_MC_ADDR:
  case MSR_P5_MC_TYPE:
    return true;
  case MSR_DEBUGCTL:
    if (value)
      bp_log_unimp (env, "IA32_DEBUGCTL = %" G_GINT64_MODIFIER "x: no branch records, no branch steps", value);
    return true;
  }
  uint64_t *plain = (uint64_t *) plain_register (env, number);
  if (plain)
    *plain = value;
  return plain;
}

/* What X86Cpu has that BpX86State has not. */
unsigned
x86_state_msrs (const X86Cpu *env, uint32_t *numbers, unsigned n)
{
  static const struct { uint32_t first; unsigned count; } ranges[] = {
    { MSR_TSC_ADJUST, 1 }, { MSR_MCG_STATUS, 1 }, { MSR_MISC_ENABLE, 1 }, { MSR_PAT, 1 }, { MSR_MTRR_VARIABLE, 2 * N_VARIABLE_MTRRS },
    { MSR_MTRR_FIX64K, 1 }, { MSR_MTRR_FIX16K, 2 }, { MSR_MTRR_FIX4K, 8 }, { MSR_MTRR_DEF, 1 }
  };
  unsigned k = 0;
  for (unsigned i = 0; i < G_N_ELEMENTS (ranges); i++)
    for (uint32_t m = ranges[i].first; m < ranges[i].first + ranges[i].count; m++)
      if (plain_register (env, m) || mtrr_register ((X86Cpu *) env, m)) {
        if (k < n)
          numbers[k] = m;
        k++;
      }
  return k;
}

/* --- instructions -------------------------------------------------------------------------------------- */

uint64_t
helper_rdmsr (X86Cpu *env)
{
  uint64_t value;
  uint32_t number = gpr (env, X86_RCX);
  if (!x86_msr_read (env, number, &value)) {
    bp_log_unimp (env, "read of MSR %08x", number);
    x86_raise_error (env, EXC_GP, 0);
  }
  return value;
}

void
helper_wrmsr (X86Cpu *env)
{
  uint32_t number = gpr (env, X86_RCX);
  uint64_t value = (uint64_t) gpr (env, X86_RDX) << 32 | gpr (env, X86_RAX);
  if (!x86_msr_write (env, number, value)) {
    bp_log_unimp (env, "write of MSR %08x = %016" G_GINT64_MODIFIER "x", number, value);
    x86_raise_error (env, EXC_GP, 0);
  }
  x86_look_for_interrupts (env);        /* the local APIC may have one now */
}

#define CPUID_1_APIC (1u << 9)

/* A local APIC that is switched off is not there. */
static bool
hides_apic (X86Cpu *env)
{
  uint64_t base;
  return apic_base_read (env, &base) && !(base & APIC_BASE_ENABLED);
}

void
helper_cpuid (X86Cpu *env)
{
  static const uint8_t order[4] = { X86_RAX, X86_RBX, X86_RCX, X86_RDX };
  uint32_t out[4], leaf = gpr (env, X86_RAX);
  x86_cpuid (env, leaf, gpr (env, X86_RCX), out);
  if (leaf == 1 && hides_apic (env))
    out[3] &= ~CPUID_1_APIC;
  for (unsigned i = 0; i < 4; i++)
    set_gpr (env, order[i], out[i]);
}
