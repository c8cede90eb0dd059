/* lapic.c -- local APIC (Intel SDM 3A, chapter 11): its life cycle, what is saved of it, its tables. */
/* SPDX-License-Identifier: MIT */
#include <backplane/arch/x86-irqchip.h>
#include <backplane/arch/x86-state.h>
#include <backplane/iface/interrupt-controller.h>
#include <backplane/iface/msi.h>
#include <backplane/object.h>
#include "lapic.h"

#define BASE_DEFAULT UINT64_C (0xfee00000)

/* --- life cycle: realize, reset ------------------------------------------------------------ */

static bool
is_id_free (const Lapic *self, GError **error)
{
  for (unsigned i = 0; i < self->bus.members->len; i++) {
    const BpLink *member = &g_array_index (self->bus.members, BpLink, i);
    const Lapic *other = member->instance;
    if (member->table != &lapic_bus_iface || other == self || other->initial_id != self->initial_id)
      continue;
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "id = %u: %s has it too; each local APIC needs its own", self->initial_id, bp_object_id (other));
    return false;
  }
  return true;
}

static bool
lapic_realize (void *self, GError **error)
{
  Lapic *l = self;
  apic_bus_join (&l->bus, bp_object_machine (self));
  if (!is_id_free (l, error)) {
    apic_bus_leave (&l->bus);
    return false;
  }
  lapic_timer_init (l);
  return true;
}

static void
lapic_unrealize (void *self)
{
  Lapic *l = self;
  apic_bus_leave (&l->bus);
  lapic_timer_finish (l);
}

static void
lapic_reset (void *self, BpResetKind kind)
{
  Lapic *l = self;
  l->tpr = l->lint = 0;
  lapic_registers_reset (l);
  lapic_set_base (l, BASE_DEFAULT | BASE_ENABLE | (lapic_is_bootstrap (l) ? BASE_BSP : 0));
}

static bool
lapic_post_load (void *self, GError **error)
{
  Lapic *l = self;
  if (l->counting && l->zero_at < 0) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the timer holds an impossible state");
    return false;
  }
  l->divide &= 0xb;
  lapic_set_base (l, l->base & ~(LAPIC_BASE_RESERVED | (l->base & BASE_ENABLE ? 0 : BASE_X2)));
  lapic_update (l);
  return true;
}

/* --- tables: properties, saved fields, type -------------------------------------------------- */

static const char *const bsp_names[] = { "auto", "on", "off", NULL };

static const BpProperty lapic_properties[] = {
  BP_PROP_ ("id", BP_PROPERTY_U8, Lapic, initial_id, .default_int = 0, .max = 254, .help = "APIC ID after reset; the CPU's apic-id should be the same."),
  BP_PROP_ENUM ("bsp", Lapic, bsp, BSP_AUTO, bsp_names,
                "Whether its processor is the one that starts the machine (bit 8 of the APIC base MSR).  auto: unless the linked CPU's number is not 0."),
  BP_PROP_BOOL ("virtual-wire", Lapic, virtual_wire, true,
                "Set up LINT0 for the PIC and LINT1 for NMI at reset, as firmware leaves them; off: masked, as the chip comes out of reset."),
  BP_PROP_U32_RANGE ("timer-frequency", Lapic, timer_hz, 1000000000, 1000, 4000000000u, "Input of the timer's divider in Hz."),
  BP_PROP_LINK ("pic", Lapic, pic, BP_INTERRUPT_CONTROLLER_ID, 0, "The PIC that gives the vector of external interrupts; its intr pin goes to lint0."),
  BP_PROP_LINK ("cpu", Lapic, cpu, BP_X86_CPU_ID, 0, "Its processor; needed where there are several, which see their own APICs at one address."),
  BP_PROP_END
};

static const BpRegionDesc lapic_regions[] = {
  BP_REGION_DESC ("mmio0", Lapic, mmio, &lapic_ops, 0x1000, "The registers, 0xfee00000; the guest moves them through the APIC base MSR."),
  BP_REGION_DESC_END
};

static const BpPinDesc lapic_pins[] = {
  BP_PIN_DESC_IN ("lint", 2, lapic_set_lint, BP_PIN_WIRED_OR, "Local interrupt inputs: lint0 from the PIC's intr, lint1 for NMI in a PC."),
  BP_PIN_DESC_OUT ("intr", Lapic, intr, 0, "Interrupt request to the CPU, which gets the vector through its link to this object."),
  BP_PIN_DESC_OUT ("nmi", Lapic, nmi, 0, "Non-maskable interrupt to the CPU, a pulse."),
  BP_PIN_DESC_OUT ("smi", Lapic, smi, 0, "System management interrupt to the CPU, a pulse."),
  BP_PIN_DESC_OUT ("init", Lapic, init, 0, "INIT to the CPU, a pulse."),
  BP_PIN_DESC_END
};

static const BpInterfaceDesc lapic_interfaces[] = {
  { BP_INTERRUPT_CONTROLLER_ID, &lapic_controller_iface }, { APIC_BUS_ID, &lapic_bus_iface }, { BP_MSI_ID, &lapic_msi_iface },
  { BP_X86_IRQCHIP_ID, &lapic_irqchip_iface }, { NULL, NULL }
};

static const BpStateField lapic_state[] = {
  BP_STATE_FIELD_U64 (Lapic, base), BP_STATE_FIELD_ARRAY (BP_STATE_U32, Lapic, irr, 8), BP_STATE_FIELD_ARRAY (BP_STATE_U32, Lapic, isr, 8),
  BP_STATE_FIELD_ARRAY (BP_STATE_U32, Lapic, tmr, 8), BP_STATE_FIELD_ARRAY (BP_STATE_U32, Lapic, lvt, LVT_COUNT), BP_STATE_FIELD_U8 (Lapic, id),
  BP_STATE_FIELD_U8 (Lapic, tpr), BP_STATE_FIELD_U8 (Lapic, esr), BP_STATE_FIELD_U8 (Lapic, esr_pending), BP_STATE_FIELD_U8 (Lapic, lint),
  BP_STATE_FIELD_BOOL (Lapic, external), BP_STATE_FIELD_U32 (Lapic, ldr), BP_STATE_FIELD_U32 (Lapic, dfr), BP_STATE_FIELD_U32 (Lapic, spurious),
  BP_STATE_FIELD_U32 (Lapic, icr_low), BP_STATE_FIELD_U32 (Lapic, icr_high), BP_STATE_FIELD_U32 (Lapic, divide),
  BP_STATE_FIELD_U32 (Lapic, initial_count), BP_STATE_FIELD_BOOL (Lapic, counting), BP_STATE_FIELD_U64 (Lapic, zero_at), BP_STATE_FIELD_U64 (Lapic, deadline),
  BP_STATE_FIELD_TIMER (Lapic, timer), BP_STATE_END
};

const BpTypeDesc lapic_type = {
  BP_TYPE ("lapic", BP_KIND_DEVICE, Lapic),
  .description = "Local APIC of a processor",
  .properties = lapic_properties,
  .regions = lapic_regions,
  .pins = lapic_pins,
  .interfaces = lapic_interfaces,
  .state_version = 1,
  .state_minimum = 1,
  .state = lapic_state,
  .realize = lapic_realize,
  .unrealize = lapic_unrealize,
  .reset = lapic_reset,
  .post_load = lapic_post_load,
};
