/* console.c -- virtio console device (VIRTIO 1.2, 5.3): a console, and up to 15 more ports, each with a character backend. */
/* SPDX-License-Identifier: MIT */
#include <backplane/log.h>
#include "console.h"

/* --- what the driver sees ----------------------------------------------------- */

enum { DEVICE_ID = 3, QUEUE_SIZE = 128, CONTROL_SIZE = 64, CONFIG_SIZE = 12, CONFIG_EMERGENCY = 8 };

/* Only the size can change, and it is looked up. */
static void
on_config_read (void *self, unsigned offset, uint8_t *bytes, unsigned size)
{
  Console *c = self;
  unsigned columns = 0, rows = 0;
  console_port_size (&c->ports[0], &columns, &rows);
  const uint8_t config[CONFIG_SIZE] = { (uint8_t) columns, (uint8_t) (columns >> 8), (uint8_t) rows, (uint8_t) (rows >> 8), (uint8_t) c->n_ports };
  memcpy (bytes, config + offset, size);
}

/* A character before, or without, any queue. */
static void
on_config_written (void *self, unsigned offset, const uint8_t *bytes, unsigned size)
{
  Console *c = self;
  if (offset != CONFIG_EMERGENCY)
    bp_log_guest (c, "a write at 0x%x of its configuration, where nothing can be written", offset);
  else if (c->ports[0].backend.instance)
    bp_char_write (&c->ports[0].backend, bytes, 1);
}

static void
on_kick (void *self, unsigned queue)
{
  Console *c = self;
  bool output;
  ConsolePort *p = console_port_of_queue (c, queue, &output);
  if (queue == CONTROL_TX)
    console_control_receive (c);
  else if (queue == CONTROL_RX)
    console_control_send (c);
  else if (p && output)
    console_port_send (p);
  else if (p)
    console_port_accept (p);
}

/* --- events: a driver comes and goes --------------------------------------------- */

static void
forget_driver (Console *c)
{
  for (unsigned i = 0; i < CONSOLE_PORTS; i++) {
    ConsolePort *p = &c->ports[i];
    p->sent = 0;
    p->tell = 0;
    p->ready = p->guest_open = p->told_open = false;
  }
}

/* A new driver, unlike one that is started by a load, agrees on features. */
static bool
on_features (void *self, uint64_t features)
{
  forget_driver (self);
  return true;
}

/* After a load the backends are those of here, and may not be what the driver knows. */
static void
on_start (void *self)
{
  Console *c = self;
  for (unsigned i = 0; i < c->n_ports; i++) {
    ConsolePort *p = &c->ports[i];
    unsigned columns, rows;
    bool open = p->backend.instance && bp_char_is_open (&p->backend);
    if (p->ready && open != p->told_open)
      p->tell |= open ? TELL_OPEN : TELL_CLOSED;
    if (p->ready && console_port_is_console (p) && console_port_size (p, &columns, &rows))
      p->tell |= TELL_SIZE;
    console_port_accept (p);
  }
}

/* --- life cycle: configure, realize, reset -------------------------------------------------- */

static bool
console_configure (void *self, GError **error)
{
  Console *c = self;
  for (unsigned i = 0; i < CONSOLE_PORTS; i++) {
    ConsolePort *p = &c->ports[i];
    p->console = c;
    p->number = i;
    if (console_port_is_there (p))
      c->n_ports = i + 1;
    else if (p->name) {
      g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "name%u names a port without a backend: port%u is not given", i, i);
      return false;
    }
    if (p->name && strlen (p->name) > CONSOLE_NAME_MOST) {
      g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "the name of port %u has %zu bytes; %d is the most that drivers are told", i, strlen (p->name), CONSOLE_NAME_MOST);
      return false;
    }
  }
  return true;
}

static bool
attach_ports (Console *c, GError **error)
{
  for (unsigned i = 0; i < c->n_ports; i++) {
    BpLink *backend = &c->ports[i].backend;
    if (!backend->instance || bp_char_attach (backend, &console_port_handlers, &c->ports[i]))
      continue;
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the backend of port %u is in use by another device, or another port", i);
    for (; i < c->n_ports; i++) /* not ours to detach */
      c->ports[i].backend = (BpLink) { NULL, NULL };
    return false;
  }
  return true;
}

static bool
console_realize (void *self, GError **error)
{
  Console *c = self;
  uint16_t sizes[2 + 2 * CONSOLE_PORTS];
  for (unsigned i = 0; i < BP_N_ELEMENTS (sizes); i++)
    sizes[i] = i == CONTROL_RX || i == CONTROL_TX ? CONTROL_SIZE : QUEUE_SIZE;
  BpVirtioFunction f = { .struct_size = sizeof f, .device_id = DEVICE_ID, .n_queues = 2 + 2 * c->n_ports, .queue_sizes = sizes,
                         .features = CONSOLE_SIZE | CONSOLE_MULTIPORT | CONSOLE_EMERGENCY, .config_size = CONFIG_SIZE, .self = c, .owner = c,
                         .config_read = on_config_read, .config_written = on_config_written, .accept_features = on_features, .start = on_start,
                         .kick = on_kick };
  if (!attach_ports (c, error))
    return false;
  c->device = console_bus (c)->add (c->bus.instance, c->address, &f, error);
  return c->device != NULL;
}

static void
console_unrealize (void *self)
{
  Console *c = self;
  for (unsigned i = 0; i < c->n_ports; i++)
    if (c->ports[i].backend.instance)
      bp_char_attach (&c->ports[i].backend, NULL, NULL);
  if (c->device)
    console_bus (c)->remove (c->bus.instance, c->device);
  c->device = NULL;
}

static BpRemoval
console_removal (void *self, GError **error)
{
  Console *c = self;
  return bp_virtio_removal (&c->bus, c->device, error);
}

static void
console_reset (void *self, BpResetKind kind)
{
  Console *c = self;
  console_bus (c)->reset (c->bus.instance, c->device);
  forget_driver (c);
}

static bool
console_post_load (void *self, GError **error)
{
  Console *c = self;
  for (unsigned i = 0; i < CONSOLE_PORTS; i++) {
    ConsolePort *p = &c->ports[i];
    if (p->tell & ~TELL_ALL || (i >= c->n_ports && (p->tell || p->ready))) {
      g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the saved console has a port %u, which there is not here", i);
      return false;
    }
    if (!p->name)
      p->tell &= (uint8_t) ~TELL_NAME;
  }
  return true;
}

/* --- tables: properties, saved fields, type ---------------------------------------------------- */

#define PORT(n) \
  BP_PROP_LINK ("port" #n, Console, ports[n].backend, BP_CHAR_ID, 0, "Character backend of port " #n "; not given: there is no such port, unless `consoles' says so."), \
  BP_PROP_STRING ("name" #n, Console, ports[n].name, NULL, "The name of port " #n ", by which a guest finds it: /dev/virtio-ports/NAME.")

static const char *const size_orders[] = { "rows-first", "columns-first", NULL };

static const BpProperty console_properties[] = {
  BP_VIRTIO_DEVICE_PROPERTIES (Console, bus, address),
  BP_PROP_LINK ("backend", Console, ports[0].backend, BP_CHAR_ID, 0, "Character backend of port 0, the console; none: output is dropped."),
  BP_PROP_STRING ("name", Console, ports[0].name, NULL, "The name of port 0."),
  PORT (1), PORT (2), PORT (3), PORT (4), PORT (5), PORT (6), PORT (7), PORT (8), PORT (9), PORT (10), PORT (11), PORT (12), PORT (13), PORT (14), PORT (15),
  BP_PROP_U32_RANGE ("consoles", Console, n_consoles, 1, 0, CONSOLE_PORTS,
                     "How many ports, from port 0 on, are consoles (/dev/hvc0, ...); the others carry bytes between programs."),
  BP_PROP_BOOL ("throttle", Console, throttle, false,
                "Whether a console waits for a backend that does not take what it says, as other ports always do: nothing is lost then, but Linux stands still meanwhile."),
  BP_PROP_ENUM ("resize-order", Console, size_order, 0, size_orders,
                "How a terminal's new size is told to the driver: rows-first is what Linux expects, columns-first what the standard says."),
  BP_PROP_END
};
static const BpStateField port_state[] = {
  BP_STATE_FIELD_U32 (ConsolePort, sent), BP_STATE_FIELD_U8 (ConsolePort, tell), BP_STATE_FIELD_BOOL (ConsolePort, ready),
  BP_STATE_FIELD_BOOL (ConsolePort, guest_open), BP_STATE_FIELD_BOOL (ConsolePort, told_open), BP_STATE_END
};
static const BpStateField console_state[] = {
  BP_STATE_FIELD_STRUCTS (Console, ports, CONSOLE_PORTS, port_state), BP_STATE_END
};

const BpTypeDesc virtio_console_type = {
  BP_TYPE ("virtio-console", BP_KIND_DEVICE, Console),
  .description = "Virtio console device: a console and up to 15 named ports",
  .properties = console_properties,
  .state_version = 1,
  .state_minimum = 1,
  .state = console_state,
  .configure = console_configure,
  .realize = console_realize,
  .unrealize = console_unrealize,
  .reset = console_reset,
  .post_load = console_post_load,
  .flags = BP_TYPE_HOT_PLUG,
  .removal = console_removal,
};
