/* cpu.c -- a processor of a test, which holds an x86 state and runs nothing; a debugger sees one register and no memory. */
/* SPDX-License-Identifier: MIT */
#include "stand-ins.h"
#include <backplane/iface/cpu-debug.h>
#include <backplane/iface/interrupt-controller.h>
#include <string.h>

/* --- state ------------------------------------------------------------------------------------ */

/* As much as both know of; each keeps its own size. */
static void
get_state (void *self, BpX86State *state)
{
  uint32_t size = state->struct_size;
  memcpy (state, &((StandInCpu *) self)->state, MIN (size, sizeof *state));
  state->struct_size = size;
}

static void
set_state (void *self, const BpX86State *state)
{
  StandInCpu *c = self;
  memcpy (&c->state, state, MIN (state->struct_size, sizeof *state));
  c->state.struct_size = sizeof c->state;
}

static bool get_msr (void *self, uint32_t number, uint64_t *value) { return false; }
static bool set_msr (void *self, uint32_t number, uint64_t value) { return false; }
static void cpuid (void *self, uint32_t leaf, uint32_t subleaf, uint32_t out[4]) { memset (out, 0, 16); }

static void
startup (void *self, uint8_t vector)
{
  ((StandInCpu *) self)->startups++;
  ((StandInCpu *) self)->startup_vector = vector;
}

static const BpX86CpuIface iface = {
  .struct_size = offsetof (BpX86CpuIface, startup_vector), .get_state = get_state, .set_state = set_state, .get_msr = get_msr, .set_msr = set_msr, .cpuid = cpuid,
  .startup = startup
};

/* --- for a debugger ----------------------------------------------------------------------------- */

static const BpDebugRegister pc_register = { .name = "pc", .bits = 64, .flags = BP_DEBUG_PC, .type = "code_ptr", .group = "general", .feature = "stand-in" };
static const char *debug_view (void *self, unsigned view) { return view ? NULL : "i386:x86-64"; }
static const BpDebugRegister *debug_reg (void *self, unsigned view, unsigned number) { return view || number ? NULL : &pc_register; }

static unsigned
debug_get (void *self, unsigned view, unsigned number, uint8_t bytes[BP_DEBUG_REGISTER_BYTES])
{
  memset (bytes, 0, 8);
  return view || number ? 0 : 8;
}

static bool debug_set (void *self, unsigned view, unsigned number, const uint8_t *bytes, unsigned size) { return false; }
static char *debug_description (void *self, unsigned view, const char *file) { return NULL; }
static void debug_where (void *self, BpDebugPlace *place) { place->code_bits = 64; place->mode = "long"; }
static bool debug_translate (void *self, uint64_t address, BpDebugPage *page) { return false; }
static uint64_t debug_read (void *self, uint64_t address, void *buffer, uint64_t size) { return 0; }
static uint64_t debug_write (void *self, uint64_t address, const void *buffer, uint64_t size) { return 0; }
static unsigned debug_text (void *self, uint64_t address, unsigned code_bits, char *text, size_t size) { return 0; }
static const BpCpuDebugIface debug_iface = {
  .struct_size = sizeof debug_iface, .view = debug_view, .reg = debug_reg, .get_register = debug_get, .set_register = debug_set, .description = debug_description,
  .where = debug_where, .translate = debug_translate, .read_memory = debug_read, .write_memory = debug_write, .disassemble = debug_text
};

/* --- life cycle, tables --------------------------------------------------------------------------- */

static void
reset (void *self, BpResetKind kind)
{
  StandInCpu *c = self;
  memset (&c->state, 0, sizeof c->state);
  c->state.struct_size = sizeof c->state;
}

static void pin (void *self, unsigned index, int level) { }
static const BpInterfaceDesc interfaces[] = { { BP_X86_CPU_ID, &iface }, { BP_CPU_DEBUG_ID, &debug_iface }, { NULL, NULL } };
static const BpProperty properties[] = {
  BP_PROP_LINK ("intc", StandInCpu, intc, BP_INTERRUPT_CONTROLLER_ID, 0, "The interrupt controller."), BP_PROP_END
};
static const BpPinDesc pins[] = {
  BP_PIN_DESC_IN ("intr", 1, pin, 0, "Interrupt request."), BP_PIN_DESC_IN ("nmi", 1, pin, BP_PIN_WIRED_OR, "NMI."),
  BP_PIN_DESC_IN ("init", 1, pin, BP_PIN_WIRED_OR, "INIT."), BP_PIN_DESC_IN ("smi", 1, pin, BP_PIN_WIRED_OR, "SMI."),
  BP_PIN_DESC_IN ("reset", 1, pin, BP_PIN_WIRED_OR, "Reset."), BP_PIN_DESC_IN ("a20", 1, pin, BP_PIN_WIRED_OR, "A20 gate."), BP_PIN_DESC_END
};
const BpTypeDesc stand_in_cpu = {
  BP_TYPE ("test-cpu", BP_KIND_CPU, StandInCpu), .description = "Processor of a test, which does not run", .properties = properties, .pins = pins,
  .interfaces = interfaces, .reset = reset
};
