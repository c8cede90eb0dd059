/* vhost-connection.c -- the back end of a virtio device whose queues another process drives: found, lost, and looked for again. */
/* SPDX-License-Identifier: MIT */
#include "vhost-front.h"
#include <backplane/clock.h>
#include <backplane/log.h>
#include <backplane/loop.h>
#include <errno.h>
#include <sys/socket.h>

static BpLoop *loop_of (VhostFront *f) { return bp_loop_main (bp_object_machine (f)); }

static void
unwatch (VhostFront *f)
{
  if (f->watch)
    bp_loop_unwatch (loop_of (f), f->watch);
  if (f->channel_watch)
    bp_loop_unwatch (loop_of (f), f->channel_watch);
  f->watch = f->channel_watch = 0;
}

/* [locked] */
void
vhost_front_lose (VhostFront *f, const char *why)
{
  if (!f->warned)
    bp_warn (f, "%s; %s", why, f->reconnect ? "its requests wait for another at the same socket" : "the guest gets errors");
  f->warned = true;
  unwatch (f);
  vhost_disconnect (&f->v);
  vhost_front_end_rings (f, true);
  f->kind->changed (f, false);
  for (unsigned i = 0; i < f->n_queues && !f->reconnect && f->started; i++)
    f->kind->fail (f, i);
  if (f->reconnect)
    bp_timer_arm (f->timer, bp_clock_now (bp_object_machine (f), BP_CLOCK_REALTIME) + f->reconnect * INT64_C (1000000));
}

/* It says nothing that it is not asked, and an answer is taken by who has asked: what is there still is its end. */
static bool
on_socket (void *user, GIOCondition condition)
{
  VhostFront *f = user;
  uint8_t byte;
  if (recv (f->v.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EINTR))
    return true;
  f->watch = 0;
  g_autofree char *why = g_strdup_printf ("the vhost-user back end at %s is gone", f->socket);
  vhost_front_lose (f, why);
  return false;
}

/* That its channel ends is told by the socket. */
static bool
on_channel (void *user, GIOCondition condition)
{
  VhostFront *f = user;
  g_autoptr (GError) error = NULL;
  uint32_t request;
  if (vhost_hear_back_end (&f->v, &request, &error)) {
    if (request == VHOST_BACK_END_CONFIG_CHANGE && f->kind->reconfigured && f->device)
      f->kind->reconfigured (f);
    return true;
  }
  f->channel_watch = 0;
  if (error)
    vhost_front_lose (f, error->message);
  return false;
}

/* Bits of the bus's that it does not know, or that do not work with it: what was written in packed rings is told by a log alone. */
uint64_t
vhost_unknown_features (const VhostFront *f)
{
  uint64_t unknown = ~f->v.features & (VHOST_BIT (VHOST_F_INDIRECT) | VHOST_BIT (VHOST_F_EVENT_INDEX) | VHOST_BIT (VHOST_F_PACKED));
  return vhost_can_log (&f->v) ? unknown : unknown | VHOST_BIT (VHOST_F_PACKED);
}

static bool
connect_to_it (VhostFront *f, bool again, GError **error)
{
  if (!vhost_connect (&f->v, f->socket, error))
    return false;
  if (!(f->v.features & VHOST_BIT (VHOST_F_VERSION_1))) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the vhost-user back end is older than virtio 1.0");
    return false;
  }
  if (f->v.queues_most < f->n_queues) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the vhost-user back end has %u queues, not %u", f->v.queues_most, f->n_queues);
    return false;
  }
  if (again && vhost_unknown_features (f) & ~f->without) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the vhost-user back end that is back can do less");
    return false;
  }
  if (!f->kind->connected (f, again, error))
    return false;
  f->watch = bp_loop_watch_fd (loop_of (f), bp_object_machine (f), f->v.fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_socket, f);
  if (f->v.channel >= 0)
    f->channel_watch = bp_loop_watch_fd (loop_of (f), bp_object_machine (f), f->v.channel, G_IO_IN | G_IO_HUP | G_IO_ERR, on_channel, f);
  return true;
}

static void
on_timer (void *user)
{
  VhostFront *f = user;
  g_autoptr (GError) error = NULL;
  if (connect_to_it (f, true, &error)) {
    f->kind->changed (f, true);
    vhost_front_begin_rings (f);
    return;
  }
  if (f->v.fd >= 0 && strcmp (error->message, f->refused ? f->refused : "") != 0) {
    bp_warn (f, "%s", error->message);  /* that none is there was said */
    g_free (f->refused);
    f->refused = g_strdup (error->message);
  }
  vhost_disconnect (&f->v);
  bp_timer_arm (f->timer, bp_clock_now (bp_object_machine (f), BP_CLOCK_REALTIME) + f->reconnect * INT64_C (1000000));
}

bool
vhost_front_find (VhostFront *f, GError **error)
{
  f->timer = bp_timer_new (f, BP_CLOCK_REALTIME, on_timer, f);
  return connect_to_it (f, false, error);
}

void
vhost_front_forget (VhostFront *f)
{
  unwatch (f);
  bp_timer_free (f->timer);
  g_clear_pointer (&f->refused, g_free);
}
