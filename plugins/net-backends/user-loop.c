/* user-loop.c -- what libslirp waits for, as a source of the main loop. */
/* SPDX-License-Identifier: MIT */
/*
 * libslirp knows no threads: it runs under the machine lock.  It is asked what it waits for only when that can have changed, since the question costs a walk over
 * all connections.
 */
#include "user.h"
#include <backplane/clock.h>
#include <backplane/log.h>

typedef struct Poll {
  int fd;
  GIOCondition events;
  void *tag;
} Poll;

typedef struct UserSource {
  GSource source;
  NetUser *u;
  GArray *polls, *wanted;       /* of Poll: what is watched, and what libslirp says */
  bool look;                    /* atomic: ask it again */
} UserSource;

/* --- what it waits for ------------------------------------------------------------------------- */

static int
add_poll (int fd, int events, void *opaque)
{
  UserSource *s = opaque;
  Poll p = { .fd = fd };
  p.events = (events & SLIRP_POLL_IN ? G_IO_IN : 0) | (events & SLIRP_POLL_OUT ? G_IO_OUT : 0) | (events & SLIRP_POLL_PRI ? G_IO_PRI : 0)
             | (events & SLIRP_POLL_ERR ? G_IO_ERR : 0) | (events & SLIRP_POLL_HUP ? G_IO_HUP : 0);
  g_array_append_val (s->wanted, p);
  return (int) s->wanted->len - 1;
}

static int
get_events (int index, void *opaque)
{
  UserSource *s = opaque;
  if (index < 0 || (guint) index >= s->polls->len)
    return 0;
  GIOCondition c = g_source_query_unix_fd (&s->source, g_array_index (s->polls, Poll, index).tag);
  return (c & G_IO_IN ? SLIRP_POLL_IN : 0) | (c & G_IO_OUT ? SLIRP_POLL_OUT : 0) | (c & G_IO_PRI ? SLIRP_POLL_PRI : 0)
         | (c & G_IO_ERR ? SLIRP_POLL_ERR : 0) | (c & G_IO_HUP ? SLIRP_POLL_HUP : 0);
}

static bool
is_same_files (const UserSource *s)
{
  bool same = s->polls->len == s->wanted->len;
  for (guint i = 0; same && i < s->polls->len; i++)
    same = g_array_index (s->polls, Poll, i).fd == g_array_index (s->wanted, Poll, i).fd;
  return same;
}

static void
forget_polls (UserSource *s)
{
  for (guint i = 0; i < s->polls->len; i++)
    g_source_remove_unix_fd (&s->source, g_array_index (s->polls, Poll, i).tag);
  g_array_set_size (s->polls, 0);
}

static void
watch_wanted (UserSource *s)
{
  if (is_same_files (s)) {
    for (guint i = 0; i < s->polls->len; i++) {
      Poll *p = &g_array_index (s->polls, Poll, i), *w = &g_array_index (s->wanted, Poll, i);
      if (p->events != w->events)
        g_source_modify_unix_fd (&s->source, p->tag, p->events = w->events);
    }
    return;
  }
  forget_polls (s);
  for (guint i = 0; i < s->wanted->len; i++) {
    Poll p = g_array_index (s->wanted, Poll, i);
    p.tag = g_source_add_unix_fd (&s->source, p.fd, p.events);
    g_array_append_val (s->polls, p);
  }
}

/* --- the source ----------------------------------------------------------------------------------- */

/* A device that takes no packets has its connections wait in the host. */
static void
ask (UserSource *s)
{
  uint32_t timeout = UINT32_MAX;
  g_array_set_size (s->wanted, 0);
  if (!net_is_full (s->u))
    slirp_pollfds_fill (s->u->slirp, &timeout, add_poll, s);
  watch_wanted (s);
  if (!packet_join_is_empty (s->u->net.join))
    timeout = 0;
  g_source_set_ready_time (&s->source, timeout == UINT32_MAX ? -1 : timeout ? g_get_monotonic_time () + (int64_t) timeout * 1000 : 0);
}

static gboolean
prepare (GSource *source, int *timeout)
{
  UserSource *s = (UserSource *) source;
  *timeout = -1;
  if (__atomic_exchange_n (&s->look, false, __ATOMIC_ACQUIRE)) {
    BpMachine *machine = bp_object_machine (s->u);
    bp_machine_lock (machine);
    ask (s);
    bp_machine_unlock (machine);
  }
  return FALSE;
}

static gboolean
check (GSource *source)
{
  UserSource *s = (UserSource *) source;
  for (guint i = 0; i < s->polls->len; i++)
    if (g_source_query_unix_fd (source, g_array_index (s->polls, Poll, i).tag))
      return TRUE;
  return FALSE;
}

static gboolean
dispatch (GSource *source, GSourceFunc unused, void *data)
{
  UserSource *s = (UserSource *) source;
  NetUser *u = s->u;
  BpMachine *machine = bp_object_machine (u);
  bp_machine_lock (machine);
  if (!g_source_is_destroyed (source)) {
    if (!net_is_full (u))
      slirp_pollfds_poll (u->slirp, 0, get_events, s);
    net_receive_end (u);
  }
  s->look = true;
  g_source_set_ready_time (source, -1);
  bp_machine_unlock (machine);
  return G_SOURCE_CONTINUE;
}

static void
finalize (GSource *source)
{
  UserSource *s = (UserSource *) source;
  g_array_unref (s->polls);
  g_array_unref (s->wanted);
}

static GSourceFuncs functions = { .prepare = prepare, .check = check, .dispatch = dispatch, .finalize = finalize };

void
user_loop_start (NetUser *u)
{
  u->source = g_source_new (&functions, sizeof (UserSource));
  UserSource *s = (UserSource *) u->source;
  s->u = u;
  s->polls = g_array_new (FALSE, TRUE, sizeof (Poll));
  s->wanted = g_array_new (FALSE, TRUE, sizeof (Poll));
  s->look = true;
  g_source_attach (u->source, bp_loop_context (bp_loop_main (bp_object_machine (u))));
}

void
user_loop_stop (NetUser *u)
{
  if (!u->source)
    return;
  g_source_destroy (u->source);
  g_source_unref (u->source);
  u->source = NULL;
}

void
user_loop_look (NetUser *u)
{
  UserSource *s = (UserSource *) u->source;
  if (s && !__atomic_exchange_n (&s->look, true, __ATOMIC_RELEASE))
    g_main_context_wakeup (g_source_get_context (u->source));
}

/* --- what libslirp asks for -------------------------------------------------------------------------- */

typedef struct UserTimer {
  NetUser *u;
  BpTimer *timer;
  SlirpTimerCb fire;
  void *opaque;
} UserTimer;

static ssize_t
on_packet (const void *bytes, size_t size, void *opaque)
{
  NetUser *u = opaque;
  net_receive_frame (u, bytes, (uint32_t) size, true);
  return (ssize_t) size;
}

static void on_guest_error (const char *message, void *opaque) { bp_log_guest (opaque, "%s", message); }
static int64_t clock_now (void *opaque) { return bp_clock_now (bp_object_machine (opaque), BP_CLOCK_VIRTUAL); }

static void
on_timer (void *user)
{
  UserTimer *t = user;
  t->fire (t->opaque);
  net_receive_end (t->u);
}

static void *
timer_new (SlirpTimerCb fire, void *cb_opaque, void *opaque)
{
  UserTimer *t = g_new (UserTimer, 1);
  *t = (UserTimer){ opaque, NULL, fire, cb_opaque };
  t->timer = bp_timer_new (opaque, BP_CLOCK_VIRTUAL, on_timer, t);
  return t;
}

static void
timer_free (void *timer, void *opaque)
{
  UserTimer *t = timer;
  bp_timer_free (t->timer);
  g_free (t);
}

static void
timer_set (void *timer, int64_t ms, void *opaque)
{
  UserTimer *t = timer;
  bp_timer_arm (t->timer, ms * 1000000);
}

static void no_poll_fd (int fd, void *opaque) { }
static void on_notify (void *opaque) { user_loop_look (opaque); }

const SlirpCb user_callbacks = {
  .send_packet = on_packet,
  .guest_error = on_guest_error,
  .clock_get_ns = clock_now,
  .timer_new = timer_new,
  .timer_free = timer_free,
  .timer_mod = timer_set,
  .register_poll_fd = no_poll_fd,
  .unregister_poll_fd = no_poll_fd,
  .notify = on_notify,
};
