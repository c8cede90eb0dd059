/* qmp.c -- monitor-qmp: the QEMU Machine Protocol over a Unix or TCP socket. */
/* SPDX-License-Identifier: MIT */
#include "qmp.h"
#include <backplane/device.h>
#include <backplane/loop.h>
#include <unistd.h>

#define FAREWELL_US (500 * 1000)        /* for the last answers and events, to all together: who reads a byte now and then does not hold up the end */

/* --- events ------------------------------------------------------------------------------------------ */

static void
on_event (void *user, const char *name, JsonObject *data)
{
  QmpServer *s = user;
  g_autoptr (GString) line = g_string_new (NULL);
  qmp_append_event (name, data, line);
  for (guint i = 0; i < s->clients->len; i++)
    qmp_client_event (s->clients->pdata[i], line->str);
}

/* --- clients ----------------------------------------------------------------------------------------- */

/* Too many: the new one is told by an end without a greeting. */
static bool
on_client (void *user, int fd)
{
  QmpServer *s = user;
  if (s->clients->len >= s->most_clients)
    close (fd);
  else
    g_ptr_array_add (s->clients, qmp_client_new (s, fd));
  return true;
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

static bool
qmp_configure (void *self, GError **error)
{
  g_autofree char *wrong = bp_socket_wrong (((QmpServer *) self)->listen);
  if (wrong)
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "listen: %s", wrong);
  return !wrong;
}

static bool
qmp_realize (void *self, GError **error)
{
  QmpServer *s = self;
  s->listener = bp_listener_new (s->listen, 0, error);
  if (!s->listener)
    return false;
  s->clients = g_ptr_array_new ();
  s->monitor = monitor_ref (self);
  s->sink = (MonitorSink) { on_event, s };
  monitor_add_sink (s->monitor, &s->sink);
  bp_listener_watch (s->listener, s->monitor->machine, false, on_client, s);
  return true;
}

static void
qmp_unrealize (void *self)
{
  QmpServer *s = self;
  if (!s->monitor)
    return;
  monitor_remove_sink (s->monitor, &s->sink);
  int64_t deadline = g_get_monotonic_time () + FAREWELL_US;
  for (guint i = 0; i < s->clients->len; i++)
    qmp_client_free (s->clients->pdata[i], deadline);
  g_ptr_array_unref (s->clients);
  g_clear_pointer (&s->listener, bp_listener_free);
  monitor_unref (s->monitor);
  s->monitor = NULL;
}

/* --- tables ------------------------------------------------------------------------------------------------ */

static const BpProperty properties[] = {
  BP_PROP_ ("listen", BP_PROPERTY_STRING, QmpServer, listen, .flags = BP_PROPERTY_REQUIRED,
            .help = "unix:PATH (relative to the current directory) or HOST:PORT; without HOST, 127.0.0.1. Whoever can connect has the machine, and can write "
                    "files as the user who runs it."),
  BP_PROP_U32_RANGE ("clients", QmpServer, most_clients, 8, 1, 1000, "How many clients there may be at a time; each negotiates for itself, and all get the events."),
  BP_PROP_U32_RANGE ("patience", QmpServer, patience, 60, 1, 86400, "Seconds after which a client is disconnected that takes nothing of what waits for it."),
  BP_PROP_END
};

const BpTypeDesc monitor_qmp_type = {
  BP_TYPE ("monitor-qmp", BP_KIND_MONITOR, QmpServer),
  .description = "the QEMU Machine Protocol over a Unix or TCP socket",
  .properties = properties,
  .configure = qmp_configure,
  .realize = qmp_realize,
  .unrealize = qmp_unrealize,
};
