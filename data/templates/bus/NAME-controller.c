/* @{name}-controller.c -- the controller: a place is chosen, then bytes go to and come from the device there. */
/* SPDX-License-Identifier: @{licence} */
/* SPDX-FileCopyrightText: @{year} @{author} */
#include "@{name}.h"
#include <backplane/device.h>
#include "plugin.h"

/* --- registers -------------------------------------------------------------- */

enum {                          /* a byte each */
  REG_PLACE = 0,                /* which device; 0 to 15 */
  REG_DATA = 1,                 /* reads as ones where nobody is */
  REG_PRESENT = 2,              /* 1: there is a device at the chosen place */
  REG_WAITING = 3,              /* the lowest place with an interrupt; 0xff: none */
  N_REGISTERS
};

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct Controller {
  uint8_t place;
  uint16_t levels;              /* of the devices' interrupts, a bit a place */
  BpPin *irq;
  BpRegion *pio0;
  struct { const @{CName}Slave *slave; void *user; } devices[@{C_NAME}_PLACES];
} Controller;

static uint16_t bit (unsigned place) { return (uint16_t) (1u << place); }

/* --- the interface: what devices ask for ------------------------------------ */

static void
set_interrupt (void *bus, unsigned place, bool level)
{
  Controller *c = bus;
  c->levels = level ? c->levels | bit (place) : c->levels & (uint16_t) ~bit (place);
  bp_pin_set (c->irq, c->levels != 0);
}

static bool
add (void *bus, unsigned place, const @{CName}Slave *slave, void *user, GError **error)
{
  Controller *c = bus;
  if (place >= @{C_NAME}_PLACES || c->devices[place].slave) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, place < @{C_NAME}_PLACES ? "the place %u on `%s` is taken" : "there is no place %u on `%s`", place,
                 bp_object_id (bus));
    return false;
  }
  c->devices[place].slave = slave;
  c->devices[place].user = user;
  return true;
}

static void
remove_device (void *bus, unsigned place)
{
  Controller *c = bus;
  c->devices[place].slave = NULL;
  set_interrupt (c, place, false);
}

/* --- guest access ----------------------------------------------------------- */

static unsigned
waiting (const Controller *c)
{
  for (unsigned i = 0; i < @{C_NAME}_PLACES; i++)
    if (c->levels & bit (i))
      return i;
  return 0xff;
}

static uint64_t
controller_read (void *self, uint64_t offset, unsigned size)
{
  const Controller *c = self;
  const @{CName}Slave *slave = c->devices[c->place].slave;
  switch (offset) {
  case REG_PLACE: return c->place;
  case REG_DATA: return BP_TABLE_HAS (slave, read) ? slave->read (c->devices[c->place].user) : 0xff;
  case REG_PRESENT: return slave != NULL;
  default: return waiting (c);
  }
}

static void
controller_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Controller *c = self;
  const @{CName}Slave *slave = c->devices[c->place].slave;
  if (offset == REG_PLACE && value < @{C_NAME}_PLACES)
    c->place = (uint8_t) value;
  else if (offset == REG_DATA && BP_TABLE_HAS (slave, write))
    slave->write (c->devices[c->place].user, (uint8_t) value);
  else
    bp_log_guest (self, "write of 0x%02x to register %u, place %u", (unsigned) value, (unsigned) offset, c->place);
}

/* --- life cycle: reset, post_load --------------------------------------------- */

/* Devices drive their interrupts by themselves, also after a reset. */
static void controller_reset (void *self, BpResetKind kind) { ((Controller *) self)->place = 0; }

/* After a load devices say again what is saved here as well: without it, the first that is silent would lower the pin that another has raised. */
static bool
controller_post_load (void *self, GError **error)
{
  Controller *c = self;
  bool fine = c->place < @{C_NAME}_PLACES;
  for (unsigned i = 0; i < @{C_NAME}_PLACES; i++)
    fine = fine && (c->devices[i].slave || !(c->levels & bit (i)));
  if (!fine)
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the bus is in no such state: place %u, interrupts 0x%04x", c->place, c->levels);
  return fine;
}

/* --- tables: interface, regions, pins, saved fields, type ----------------------- */

static const @{CName}Iface iface = { .struct_size = sizeof iface, .add = add, .remove = remove_device, .set_interrupt = set_interrupt };
static const BpInterfaceDesc interfaces[] = { { @{C_NAME}_ID, &iface }, { NULL, NULL } };

static const BpRegionOps ops = BP_REGION_OPS (.read = controller_read, .write = controller_write, .impl_max = 1);
static const BpRegionDesc regions[] = {
  BP_REGION_DESC ("pio0", Controller, pio0, &ops, N_REGISTERS, "Place, data, presence, who interrupts: a byte each."), BP_REGION_DESC_END
};
static const BpPinDesc pins[] = { BP_PIN_DESC_OUT ("irq", Controller, irq, 0, "High while any device interrupts."), BP_PIN_DESC_END };
static const BpStateField state[] = { BP_STATE_FIELD_U8 (Controller, place), BP_STATE_FIELD_U16 (Controller, levels), BP_STATE_END };

const BpTypeDesc controller_type = {
  BP_TYPE ("@{name}-controller", BP_KIND_DEVICE, Controller),
  .description = "Controller of the bus",
  .regions = regions,
  .pins = pins,
  .interfaces = interfaces,
  .state_version = 1,
  .state_minimum = 1,
  .state = state,
  .reset = controller_reset,
  .post_load = controller_post_load,
};
