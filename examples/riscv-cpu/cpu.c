/* cpu.c -- the CPU type riscv-cpu: properties, pins, reset, saved state. */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/accel.h>
#include <backplane/irq.h>
#include <backplane/state.h>
#include <string.h>
#include "debug.h"
#include "riscv.h"

/* --- pins: levels, as mip shows them ---------------------------------------------------------- */

static void
set_level (void *self, int level, uint32_t bit)
{
  if (level)
    bp_vcpu_raise (bp_vcpu_of (self), bit);
  else
    bp_vcpu_lower (bp_vcpu_of (self), bit);
}

static void set_software (void *self, unsigned index, int level) { set_level (self, level, IRQ_SOFTWARE); }
static void set_timer (void *self, unsigned index, int level) { set_level (self, level, IRQ_TIMER); }
static void set_external (void *self, unsigned index, int level) { set_level (self, level, IRQ_EXTERNAL); }

/* --- life cycle: configure, realize, reset ----------------------------------------------------- */

static bool
configure (void *self, GError **error)
{
  RvCpu *env = self;
  if (env->reset_vector & 3) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "reset-vector = 0x%x: instructions begin at multiples of 4", env->reset_vector);
    return false;
  }
  return true;
}

static bool
realize (void *self, GError **error)
{
  RvCpu *env = self;
  env->memory = bp_machine_address_space (bp_object_machine (self), "memory");
  env->is_deterministic = bp_machine_is_deterministic (bp_object_machine (self), NULL);
  return true;
}

/* Pins are low: who drives one is heard after this.  (privileged, 3.4, leaves all but the pc, mstatus.MIE and mcause open.) */
static void
reset (void *self, BpResetKind kind)
{
  RvCpu *env = self;
  bp_vcpu_lower (bp_vcpu_of (self), IRQ_SOFTWARE | IRQ_TIMER | IRQ_EXTERNAL);
  memset (env->x, 0, sizeof env->x);
  env->pc = env->reset_vector;
  env->halted = false;
  env->mstatus = MSTATUS_MPP;
  env->mie = env->mtvec = env->mscratch = env->mepc = env->mcause = env->mtval = 0;
  env->cycle_offset = env->instret_offset = 0;
}

/* A file may hold any value; what the registers cannot is put right or refused. */
static bool
post_load (void *self, GError **error)
{
  RvCpu *env = self;
  if (env->pc & 3 || env->x[0]) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "no hart is in such a state: pc 0x%x, x0 0x%x", env->pc, env->x[0]);
    return false;
  }
  env->halted = env->halted != 0;
  env->mstatus = (env->mstatus & (MSTATUS_MIE | MSTATUS_MPIE)) | MSTATUS_MPP;
  env->mie &= MIP_ALL;
  env->mtvec &= ~2u;
  env->mepc &= ~3u;
  return true;
}

/* --- for loaders ---------------------------------------------------------------------------------- */

static void
start (void *self, uint32_t pc)
{
  RvCpu *env = self;
  env->pc = pc;
}

/* --- tables: properties, pins, saved fields, type -------------------------------------------------- */

static const BpProperty properties[] = {
  BP_PROP_U32 ("hart-id", RvCpu, hart_id, 0, "What the register mhartid says."),
  BP_PROP_U32 ("reset-vector", RvCpu, reset_vector, 0x80000000, "Where it begins after a reset, unless a loader says otherwise; a multiple of 4."),
  BP_PROP_LINK ("clock", RvCpu, clock, RV_CLOCK_ID, 0,
                "The riscv-clint whose mtime the register `time' shows; without one, reading it is an illegal instruction."),
  BP_PROP_END
};

static const BpPinDesc pins[] = {
  BP_PIN_DESC_IN ("software", 1, set_software, 0, "Machine software interrupt, by level: mip bit 3."),
  BP_PIN_DESC_IN ("timer", 1, set_timer, 0, "Machine timer interrupt, by level: mip bit 7."),
  BP_PIN_DESC_IN ("external", 1, set_external, BP_PIN_WIRED_OR, "Machine external interrupt, by level: mip bit 11."),
  BP_PIN_DESC_END
};

static const BpStateField fields[] = {
  BP_STATE_FIELD_ARRAY (BP_STATE_U32, RvCpu, x, 32), BP_STATE_FIELD_U32 (RvCpu, pc), BP_STATE_FIELD_U32 (RvCpu, halted),
  BP_STATE_FIELD_U32 (RvCpu, mstatus), BP_STATE_FIELD_U32 (RvCpu, mie), BP_STATE_FIELD_U32 (RvCpu, mtvec), BP_STATE_FIELD_U32 (RvCpu, mscratch),
  BP_STATE_FIELD_U32 (RvCpu, mepc), BP_STATE_FIELD_U32 (RvCpu, mcause), BP_STATE_FIELD_U32 (RvCpu, mtval),
  BP_STATE_FIELD_U64 (RvCpu, cycle_offset), BP_STATE_FIELD_U64 (RvCpu, instret_offset),
  BP_STATE_END
};

static const RvCpuIface cpu_iface = { .struct_size = sizeof cpu_iface, .start = start };
static const BpInterfaceDesc interfaces[] = {
  { BP_TCG_FRONTEND_ID, &rv_frontend }, { BP_CPU_DEBUG_ID, &rv_debug }, { RV_CPU_ID, &cpu_iface }, { NULL, NULL }
};

const BpTypeDesc rv_cpu_type = {
  BP_TYPE ("riscv-cpu", BP_KIND_CPU, RvCpu),
  .description = "RISC-V hart: RV32IM, machine mode",
  .properties = properties, .pins = pins, .interfaces = interfaces,
  .state_version = 1, .state_minimum = 1, .state = fields,
  .configure = configure, .realize = realize, .reset = reset, .post_load = post_load
};
