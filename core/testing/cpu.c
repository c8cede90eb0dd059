/* cpu.c -- a processor of a test, which holds an x86 state and runs nothing. */
/* SPDX-License-Identifier: MIT */
#include "testing.h"
#include <backplane/iface/interrupt-controller.h>
#include <backplane/test-x86.h>
#include <string.h>

typedef struct Cpu {
  BpX86State state;
  BpLink intc;
  unsigned startups;
  uint8_t startup_vector;
} Cpu;

static void
get_state (void *self, BpX86State *state)
{
  memcpy (state, &((Cpu *) self)->state, MIN (state->struct_size, sizeof *state));
}

static void
set_state (void *self, const BpX86State *state)
{
  memcpy (&((Cpu *) self)->state, state, MIN (state->struct_size, sizeof *state));
}

static bool get_msr (void *self, uint32_t number, uint64_t *value) { return false; }
static bool set_msr (void *self, uint32_t number, uint64_t value) { return false; }
static void cpuid (void *self, uint32_t leaf, uint32_t subleaf, uint32_t out[4]) { memset (out, 0, 16); }

static void
startup (void *self, uint8_t vector)
{
  ((Cpu *) self)->startups++;
  ((Cpu *) self)->startup_vector = vector;
}

static void pin (void *self, unsigned index, int level) { }

static void
reset (void *self, BpResetKind kind)
{
  Cpu *c = self;
  memset (&c->state, 0, sizeof c->state);
  c->state.struct_size = sizeof c->state;
}

static const BpX86CpuIface iface = {
  .struct_size = sizeof iface, .get_state = get_state, .set_state = set_state, .get_msr = get_msr, .set_msr = set_msr, .cpuid = cpuid, .startup = startup
};
static const BpInterfaceDesc interfaces[] = { { BP_X86_CPU_ID, &iface }, { NULL, NULL } };
static const BpProperty properties[] = {
  BP_PROP_LINK ("intc", Cpu, intc, BP_INTERRUPT_CONTROLLER_ID, 0, "The interrupt controller."), BP_PROP_END
};
static const BpPinDesc pins[] = {
  BP_PIN_DESC_IN ("intr", 1, pin, 0, "Interrupt request."), BP_PIN_DESC_IN ("nmi", 1, pin, BP_PIN_WIRED_OR, "NMI."),
  BP_PIN_DESC_IN ("init", 1, pin, BP_PIN_WIRED_OR, "INIT."), BP_PIN_DESC_IN ("smi", 1, pin, BP_PIN_WIRED_OR, "SMI."),
  BP_PIN_DESC_IN ("reset", 1, pin, BP_PIN_WIRED_OR, "Reset."), BP_PIN_DESC_IN ("a20", 1, pin, BP_PIN_WIRED_OR, "A20 gate."), BP_PIN_DESC_END
};
const BpTypeDesc testing_cpu = {
  BP_TYPE ("test-cpu", BP_KIND_CPU, Cpu), .description = "Processor of a test, which does not run", .properties = properties, .pins = pins,
  .interfaces = interfaces, .reset = reset
};

BpX86State *
(bp_test_cpu_state) (BpTest *t, const char *cpu)
{
  return &((Cpu *) testing_object (t, cpu, &testing_cpu))->state;
}

unsigned
(bp_test_cpu_startups) (BpTest *t, const char *cpu, uint8_t *vector)
{
  const Cpu *c = testing_object (t, cpu, &testing_cpu);
  *vector = c->startup_vector;
  return c->startups;
}
