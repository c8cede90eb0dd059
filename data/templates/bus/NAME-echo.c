/* @{name}-echo.c -- a device on the bus: it says what was said to it, and interrupts while it has something to say. */
/* SPDX-License-Identifier: @{licence} */
/* SPDX-FileCopyrightText: @{year} @{author} */
#include "@{name}.h"
#include <backplane/device.h>
#include <string.h>
#include "plugin.h"

enum { ROOM = 16 };

/* --- state: saved | wiring ---------------------------------------------------- */

typedef struct Echo {
  uint8_t bytes[ROOM], first, n;
  BpLink bus;                   /* properties */
  uint8_t place;
  bool upper, added;
} Echo;

/* --- the bus's side ------------------------------------------------------------- */

static void
update_interrupt (Echo *e)
{
  const @{CName}Iface *bus = e->bus.table;
  bus->set_interrupt (e->bus.instance, e->place, e->n > 0);
}

static uint8_t
echo_read (void *user)
{
  Echo *e = user;
  if (!e->n)
    return 0;
  uint8_t byte = e->bytes[e->first];
  e->first = (uint8_t) ((e->first + 1) % ROOM);
  e->n--;
  update_interrupt (e);
  return e->upper ? (uint8_t) g_ascii_toupper ((char) byte) : byte;
}

static void
echo_write (void *user, uint8_t byte)
{
  Echo *e = user;
  if (e->n == ROOM) {
    bp_log_guest (e, "there is no room: the byte 0x%02x is lost", byte);
    return;
  }
  e->bytes[(e->first + e->n++) % ROOM] = byte;
  update_interrupt (e);
}

static const @{CName}Slave slave = { .struct_size = sizeof slave, .read = echo_read, .write = echo_write };

/* --- life cycle: realize, reset, unrealize, post_load ------------------------------ */

static bool
echo_realize (void *self, GError **error)
{
  Echo *e = self;
  const @{CName}Iface *bus = e->bus.table;
  e->added = bus->add (e->bus.instance, e->place, &slave, e, error);
  return e->added;
}

static void
echo_reset (void *self, BpResetKind kind)
{
  Echo *e = self;
  memset (e->bytes, 0, sizeof e->bytes);
  e->first = e->n = 0;
  update_interrupt (e);
}

/* Also when realize failed, or was never called. */
static void
echo_unrealize (void *self)
{
  Echo *e = self;
  const @{CName}Iface *bus = e->bus.table;
  if (e->added)
    bus->remove (e->bus.instance, e->place);
  e->added = false;
}

static bool
echo_post_load (void *self, GError **error)
{
  Echo *e = self;
  if (e->first >= ROOM || e->n > ROOM) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "%u bytes from %u on do not fit into %d", e->n, e->first, ROOM);
    return false;
  }
  update_interrupt (e);
  return true;
}

/* --- tables: properties, saved fields, type -------------------------------------------- */

static const BpProperty properties[] = {
  BP_PROP_LINK ("bus", Echo, bus, @{C_NAME}_ID, BP_PROPERTY_REQUIRED, "The bus it is on."),
  BP_PROP_ ("place", BP_PROPERTY_U8, Echo, place, .max = @{C_NAME}_PLACES - 1, .help = "Its place on the bus."),
  BP_PROP_BOOL ("upper", Echo, upper, false, "Whether it answers in capital letters."),
  BP_PROP_END
};
static const BpStateField state[] = { BP_STATE_FIELD_BYTES (Echo, bytes), BP_STATE_FIELD_U8 (Echo, first), BP_STATE_FIELD_U8 (Echo, n), BP_STATE_END };

const BpTypeDesc echo_type = {
  BP_TYPE ("@{name}-echo", BP_KIND_DEVICE, Echo),
  .description = "Device on the bus that says what it hears",
  .properties = properties,
  .state_version = 1,
  .state_minimum = 1,
  .state = state,
  .realize = echo_realize,
  .reset = echo_reset,
  .unrealize = echo_unrealize,
  .post_load = echo_post_load,
};
