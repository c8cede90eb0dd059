/* debug-console.c -- a port whose writes appear on a character backend, as the 0xe9 port of other emulators. */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/char.h>
#include <backplane/object.h>
#include "hw-pc.h"

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct DebugConsole {
  BpLink backend;
  uint8_t readback;
  BpRegion *port;
} DebugConsole;

/* --- guest access -------------------------------------------------------------------- */

static uint64_t
console_read (void *self, uint64_t offset, unsigned size)
{
  return ((DebugConsole *) self)->readback;
}

static void
console_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  DebugConsole *c = self;
  uint8_t byte = (uint8_t) value;
  bp_char_write (&c->backend, &byte, 1);
}

/* --- life cycle: realize, reset ------------------------------------------------------------ */

static size_t
takes_nothing (void *user)
{
  return 0;
}

static const BpCharHandlers handlers = { .struct_size = sizeof (BpCharHandlers), .can_receive = takes_nothing };

static bool
console_realize (void *self, GError **error)
{
  DebugConsole *c = self;
  if (bp_char_attach (&c->backend, &handlers, c))
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "its backend is in use by another device");
  c->backend = (BpLink) { NULL, NULL };
  return false;
}

static void
console_unrealize (void *self)
{
  bp_char_attach (&((DebugConsole *) self)->backend, NULL, NULL);
}

/* --- tables: properties, saved fields, type -------------------------------------------------- */

static const BpProperty console_properties[] = {
  BP_PROP_LINK ("backend", DebugConsole, backend, BP_CHAR_ID, 0, "Character backend that shows what is written; none: it is dropped."),
  BP_PROP_U8 ("readback", DebugConsole, readback, 0xe9, "What a read of the port gives; 0xe9 tells programs that the port is there."),
  BP_PROP_END
};

static const BpRegionOps console_ops = BP_REGION_OPS (.read = console_read, .write = console_write, .impl_max = 1);
static const BpRegionDesc console_regions[] = {
  BP_REGION_DESC ("pio0", DebugConsole, port, &console_ops, 1, "The port, by custom 0xe9 or 0x402."), BP_REGION_DESC_END
};

const BpTypeDesc debug_console_type = {
  BP_TYPE ("debug-console", BP_KIND_DEVICE, DebugConsole),
  .description = "Port whose writes go to a character backend",
  .properties = console_properties,
  .regions = console_regions,
  .realize = console_realize,
  .unrealize = console_unrealize,
};
