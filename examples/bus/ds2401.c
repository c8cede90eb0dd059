/* ds2401.c -- Dallas Semiconductor DS2401 (Silicon Serial Number): a number on a 1-Wire bus, and nothing else. */
/* SPDX-License-Identifier: MIT */
#include <backplane/device.h>
#include <one-wire/one-wire-rom.h>
#include <one-wire/one-wire.h>

#define FAMILY 0x01

/* --- state: saved | wiring ------------------------------------------------------ */

typedef struct Ds2401 {
  OneWireRom rom;
  BpLink bus;
  uint64_t serial;
} Ds2401;

/* --- the line --------------------------------------------------------------------- */

static bool
number_reset (void *self)
{
  one_wire_rom_reset (&((Ds2401 *) self)->rom);
  return true;
}

static bool
number_slot (void *self, bool high)
{
  Ds2401 *d = self;
  return one_wire_rom_is_selected (&d->rom) || one_wire_rom_slot (&d->rom, high);
}

/* --- life cycle: configure, realize, reset, unrealize --------------------------------- */

static bool
number_configure (void *self, GError **error)
{
  Ds2401 *d = self;
  one_wire_rom_init (&d->rom, FAMILY, d->serial);
  return true;
}

static bool
number_realize (void *self, GError **error)
{
  static const OneWireDevice device = { .struct_size = sizeof device, .reset = number_reset, .slot = number_slot };
  Ds2401 *d = self;
  if (one_wire_attach (&d->bus, &device, d))
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "bus: nothing can be attached to it");
  return false;
}

static void number_power_on (void *self, BpResetKind kind) { one_wire_rom_power_on (&((Ds2401 *) self)->rom); }
static void number_unrealize (void *self) { one_wire_detach (&((Ds2401 *) self)->bus, self); }

static bool
number_post_load (void *self, GError **error)
{
  if (one_wire_rom_is_valid (&((Ds2401 *) self)->rom))
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "no device on a 1-Wire bus is in such a state");
  return false;
}

/* --- tables: properties, saved fields, type ---------------------------------------------- */

static const BpProperty number_properties[] = {
  BP_PROP_LINK ("bus", Ds2401, bus, ONE_WIRE_BUS_ID, BP_PROPERTY_REQUIRED, "The 1-Wire bus it is on."),
  BP_PROP_ ("serial", BP_PROPERTY_U64, Ds2401, serial, .default_int = 1, .min = 0, .max = UINT64_C (0xffffffffffff),
            .help = "The number, 48 bits; no two devices of a kind on a bus may have the same."),
  BP_PROP_END
};

static const BpStateField number_state[] = { BP_STATE_FIELD_STRUCTS (Ds2401, rom, 1, one_wire_rom_state), BP_STATE_END };

static const BpTypeDesc number_type = {
  BP_TYPE ("ds2401", BP_KIND_DEVICE, Ds2401),
  .description = "Serial number on a 1-Wire bus",
  .properties = number_properties,
  .state_version = 1,
  .state_minimum = 1,
  .state = number_state,
  .configure = number_configure,
  .realize = number_realize,
  .reset = number_power_on,
  .unrealize = number_unrealize,
  .post_load = number_post_load,
};

static const BpTypeDesc *const types[] = { &number_type, NULL };
static const char *const needs[] = { ONE_WIRE_BUS_ID, NULL };

BP_PLUGIN_DEFINE (.id = "ds2401", .version = "1.0", .licence = "MIT", .description = "A serial number for a 1-Wire bus", .types = types,
                  .requires_interfaces = needs);
