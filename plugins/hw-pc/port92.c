/* port92.c -- system control port A of the PS/2: fast A20 and fast reset. */
/* SPDX-License-Identifier: MIT */
#include <backplane/object.h>
#include "a20-gate.h"
#include "hw-pc.h"

/* --- registers -------------------------------------------------------------- */

enum { FAST_RESET = 1 << 0, FAST_A20 = 1 << 1, WRITABLE = 0xcb };      /* 6, 7: disk lamp; 3: password lock */

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct Port92 {
  uint8_t value;                /* with a gate, FAST_A20 is there and not here */
  BpLink gate;
  BpPin *a20;
  BpRegion *port;
} Port92;

static const A20GateIface *gate_of (const Port92 *p) { return p->gate.table; }

/* --- guest access -------------------------------------------------------------------- */

/* Where the gate is elsewhere its real state is read: who looks first and writes only if he must finds it as the other switch left it. */
static uint64_t
port_read (void *self, uint64_t offset, unsigned size)
{
  const Port92 *p = self;
  return p->value | (gate_of (p) && gate_of (p)->is_open (p->gate.instance) ? FAST_A20 : 0u);
}

static void
set_a20 (Port92 *p, bool open)
{
  if (gate_of (p)) {
    gate_of (p)->set (p->gate.instance, open);
    p->value &= (uint8_t) ~FAST_A20;
  } else {
    bp_pin_set (p->a20, open);
  }
}

static void
port_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Port92 *p = self;
  bool reset = value & ~(uint64_t) p->value & FAST_RESET;
  p->value = (uint8_t) value & WRITABLE;
  set_a20 (p, value & FAST_A20);
  if (reset)
    bp_machine_request_reset (bp_object_machine (p), "port 0x92");
}

/* --- life cycle: realize, reset ------------------------------------------------------------ */

/* Bit 0 is cleared by a hard reset alone: so a program knows that a soft one brought it here.  A gate that is elsewhere is reset there. */
static void
port_reset (void *self, BpResetKind kind)
{
  Port92 *p = self;
  p->value = kind == BP_RESET_COLD ? 0 : p->value & FAST_RESET;
  bp_pin_lower (p->a20);
}

static bool
port_post_load (void *self, GError **error)
{
  Port92 *p = self;
  if (gate_of (p))
    p->value &= (uint8_t) ~FAST_A20;
  bp_pin_set (p->a20, p->value & FAST_A20);
  return true;
}

/* --- tables: properties, saved fields, type -------------------------------------------------- */

static const BpProperty port_properties[] = {
  BP_PROP_LINK ("gate", Port92, gate, A20_GATE_ID, 0,
                "The keyboard controller that has the A20 gate: bit 1 works that, and says how it is.  Without one bit 1 is the pin `a20' alone."),
  BP_PROP_END
};
static const BpRegionOps port_ops = BP_REGION_OPS (.read = port_read, .write = port_write, .impl_max = 1);
static const BpRegionDesc port_regions[] = {
  BP_REGION_DESC ("pio0", Port92, port, &port_ops, 1, "The port, 0x92 in a PC."), BP_REGION_DESC_END
};
static const BpPinDesc port_pins[] = {
  BP_PIN_DESC_OUT ("a20", Port92, a20, 0, "Bit 1, on a board without a keyboard controller: lets address line 20 through.  With `gate' it stays low."),
  BP_PIN_DESC_END
};
static const BpStateField port_state[] = { BP_STATE_FIELD_U8 (Port92, value), BP_STATE_END };

const BpTypeDesc port92_type = {
  BP_TYPE ("port92", BP_KIND_DEVICE, Port92),
  .description = "System control port A: fast A20 gate and fast reset",
  .properties = port_properties,
  .regions = port_regions,
  .pins = port_pins,
  .state_version = 1,
  .state_minimum = 1,
  .state = port_state,
  .reset = port_reset,
  .post_load = port_post_load,
};
