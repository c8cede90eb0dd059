/* qmp-client.c -- a QMP client's connection: commands in their order, answers and events as it takes them. */
/* SPDX-License-Identifier: MIT */
/*
 * Nothing here waits for a client.  What it does not take is kept, up to a limit: then its commands wait (unread, so that its own writes stall), and events are
 * dropped; one that takes nothing at all for the server's `patience' is disconnected.
 */
#include "qmp.h"
#include <backplane/log.h>
#include <backplane/loop.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct QmpClient {
  QmpServer *server;
  int fd;
  bool dead, ended;             /* dead: nothing more can be written; ended: it will send no more */
  unsigned in_watch, out_watch;
  GSource *turn;                /* what goes on without input: a job, messages that wait, the end; NULL: nothing */
  GSource *stalled;             /* runs while output waits */
  size_t stalled_at;            /* bytes sent when it was last looked */
  size_t sent, dropped;
  JsonStream *stream;
  GQueue messages;              /* of Item * */
  QmpDialogue dialogue;
  GString *out;
};

typedef struct Item {           /* a message, or what is wrong with one */
  JsonNode *message;
  char *error;
} Item;

static void pump (QmpClient *c);

static BpLoop *
loop_of (const QmpClient *c)
{
  return bp_loop_main (c->server->monitor->machine);
}

/* --- output --------------------------------------------------------------------------------------------- */

static void schedule (QmpClient *c);

static void
unwatch (const QmpClient *c, unsigned *id)
{
  if (*id)
    bp_loop_unwatch (loop_of (c), *id);
  *id = 0;
}

static void
die (QmpClient *c)
{
  c->dead = true;
  schedule (c);
}

static gboolean
look_whether_stalled (void *user)
{
  QmpClient *c = user;
  if (c->sent != c->stalled_at || c->out->len == 0) {
    c->stalled_at = c->sent;
    return G_SOURCE_CONTINUE;
  }
  bp_warn (c->server, "a client takes nothing any more: disconnected");
  die (c);
  g_clear_pointer (&c->stalled, g_source_unref);
  return G_SOURCE_REMOVE;
}

static void
mind (QmpClient *c)
{
  if (c->out->len > 0 && !c->stalled) {
    c->stalled_at = c->sent;
    c->stalled = g_timeout_source_new_seconds (c->server->patience);
    g_source_set_callback (c->stalled, look_whether_stalled, c, NULL);
    g_source_attach (c->stalled, bp_loop_context (loop_of (c)));
  } else if (c->out->len == 0 && c->stalled) {
    g_source_destroy (c->stalled);
    g_clear_pointer (&c->stalled, g_source_unref);
  }
}

/* Sends what the socket takes. */
static void
flush (QmpClient *c)
{
  size_t at = 0;
  while (!c->dead && at < c->out->len) {
    ssize_t n = send (c->fd, c->out->str + at, c->out->len - at, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
      break;
    if (n < 0)
      die (c);
    else
      at += (size_t) n;
  }
  c->sent += at;
  g_string_erase (c->out, 0, (gssize) at);
  mind (c);
}

static bool
can_write (void *user, GIOCondition condition)
{
  QmpClient *c = user;
  flush (c);
  if (c->out->len == 0)
    c->out_watch = 0;
  if (c->out->len < QMP_ENOUGH)
    schedule (c);
  return c->out_watch;
}

static void
write_out (QmpClient *c)
{
  if (!c->out_watch)
    flush (c);
  if (c->out->len > 0 && !c->dead && !c->out_watch)
    c->out_watch = bp_loop_watch_fd (loop_of (c), NULL, c->fd, G_IO_OUT | G_IO_HUP | G_IO_ERR, can_write, c);
}

void
qmp_client_event (QmpClient *c, const char *line)
{
  if (!c->dialogue.negotiated || c->dead)
    return;
  if (c->out->len >= QMP_FULL) {
    if (c->dropped++ == 0)
      bp_warn (c->server, "events are dropped: a client does not read them");
    return;
  }
  g_string_append (c->out, line);
  write_out (c);
}

/* --- input ------------------------------------------------------------------------------------------------ */

static void
on_message (void *user, JsonNode *message)
{
  Item *item = g_new0 (Item, 1);
  item->message = message;
  g_queue_push_tail (&((QmpClient *) user)->messages, item);
}

static void
on_error (void *user, const char *why)
{
  Item *item = g_new0 (Item, 1);
  item->error = g_strdup (why);
  g_queue_push_tail (&((QmpClient *) user)->messages, item);
}

static void
item_free (void *data)
{
  Item *item = data;
  if (item->message)
    json_node_free (item->message);
  g_free (item->error);
  g_free (item);
}

static bool
can_read (void *user, GIOCondition condition)
{
  QmpClient *c = user;
  char bytes[4096];
  ssize_t n = recv (c->fd, bytes, sizeof bytes, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
    return true;
  c->in_watch = 0;              /* pump watches again when everything is done */
  if (n <= 0)
    c->ended = true;
  else
    json_stream_feed (c->stream, bytes, (size_t) n);
  pump (c);
  return false;
}

/* --- turns --------------------------------------------------------------------------------------------------- */

static bool
is_busy (QmpClient *c)
{
  return c->dialogue.call.job || !g_queue_is_empty (&c->messages);
}

static void
do_item (QmpClient *c, Item *item)
{
  if (item->message)
    qmp_dispatch (&c->dialogue, item->message, c->out);
  else
    qmp_append_error (NULL, "GenericError", item->error, c->out);
  item_free (item);
}

/* One command or one step of one; then what is to come is arranged for. */
static void
pump (QmpClient *c)
{
  if (c->dead || (c->ended && !is_busy (c))) {
    g_ptr_array_remove (c->server->clients, c);
    qmp_client_free (c, 0);
    return;
  }
  if (c->out->len < QMP_ENOUGH) {
    if (c->dialogue.call.job)
      qmp_continue (&c->dialogue, c->out);
    else if (!g_queue_is_empty (&c->messages))
      do_item (c, g_queue_pop_head (&c->messages));
  }
  write_out (c);
  if (c->out->len >= QMP_ENOUGH)
    return;                     /* can_write goes on */
  if (is_busy (c) || c->ended)
    schedule (c);
  else if (!c->in_watch)
    c->in_watch = bp_loop_watch_fd (loop_of (c), NULL, c->fd, G_IO_IN | G_IO_HUP | G_IO_ERR, can_read, c);
}

static gboolean
on_turn (void *user)
{
  QmpClient *c = user;
  g_clear_pointer (&c->turn, g_source_unref);
  pump (c);
  return G_SOURCE_REMOVE;
}

static void
schedule (QmpClient *c)
{
  if (c->turn)
    return;
  const Job *job = c->dialogue.call.job;
  c->turn = job && job->pause ? g_timeout_source_new (job->pause) : g_idle_source_new ();
  g_source_set_priority (c->turn, G_PRIORITY_DEFAULT);  /* others' sources have their turns in between */
  g_source_set_callback (c->turn, on_turn, c, NULL);
  g_source_attach (c->turn, bp_loop_context (loop_of (c)));
}

/* --- life cycle -------------------------------------------------------------------------------------------------- */

QmpClient *
qmp_client_new (QmpServer *server, int fd)
{
  static const JsonStreamClient client = { on_message, on_error };
  QmpClient *c = g_new0 (QmpClient, 1);
  c->server = server;
  c->fd = fd;
  c->stream = json_stream_new (&client, c);
  c->out = g_string_new (NULL);
  c->dialogue.call = (Call) { .monitor = server->monitor, .cpu = &c->dialogue.cpu };
  g_queue_init (&c->messages);
  qmp_append_greeting (c->out);
  schedule (c);
  return c;
}

static void
destroy (GSource **source)
{
  if (*source) {
    g_source_destroy (*source);
    g_clear_pointer (source, g_source_unref);
  }
}

void
qmp_client_free (QmpClient *c, int64_t deadline)
{
  struct pollfd ready = { .fd = c->fd, .events = POLLOUT };
  int64_t left;
  flush (c);
  while (!c->dead && c->out->len > 0 && (left = deadline - g_get_monotonic_time ()) > 0 && poll (&ready, 1, (int) (left / 1000) + 1) == 1)
    flush (c);
  unwatch (c, &c->in_watch);
  unwatch (c, &c->out_watch);
  destroy (&c->turn);
  destroy (&c->stalled);
  close (c->fd);
  json_stream_free (c->stream);
  qmp_dialogue_clear (&c->dialogue);
  g_queue_clear_full (&c->messages, item_free);
  g_string_free (c->out, TRUE);
  g_free (c);
}
