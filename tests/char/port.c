/* port.c -- a device at the end of a character backend: keeps what comes, counts events. */
/* SPDX-License-Identifier: MIT */
#include "port.h"
#include <check.h>

static size_t
port_room (void *user)
{
  return ((Port *) user)->room;
}

static void
port_receive (void *user, const uint8_t *data, size_t size)
{
  Port *port = user;
  ck_assert_uint_le (size, port->room);
  port->room -= size;
  g_string_append_len (port->input, (const char *) data, (gssize) size);
}

static void
port_event (void *user, BpCharEvent event)
{
  Port *port = user;
  port->n_opened += event == BP_CHAR_OPENED;
  port->n_closed += event == BP_CHAR_CLOSED;
  port->n_breaks += event == BP_CHAR_BREAK;
}

static void
port_can_write (void *user)
{
  ((Port *) user)->n_writes++;
}

static bool
port_realize (void *self, GError **error)
{
  static const BpCharHandlers handlers = { sizeof handlers, port_room, port_receive, port_event, port_can_write };
  Port *port = self;
  port->input = g_string_new (NULL);
  port->room = 1 << 20;
  if (bp_char_attach (&port->backend, &handlers, port))
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the backend is in use");
  return false;
}

static void
port_unrealize (void *self)
{
  Port *port = self;
  bp_char_attach (&port->backend, NULL, NULL);
  if (port->input)
    g_string_free (port->input, TRUE);
  port->input = NULL;
}

static const BpProperty port_properties[] = { BP_PROP_LINK ("backend", Port, backend, BP_CHAR_ID, 0, "The backend."), BP_PROP_END };
const BpTypeDesc port_type = {
  BP_TYPE ("test-port", BP_KIND_DEVICE, Port), .description = "a port", .properties = port_properties, .realize = port_realize, .unrealize = port_unrealize
};
