/* stream.c -- file descriptors as a character backend: buffered output, input at the device's pace. */
/* SPDX-License-Identifier: MIT */
/*
 * Output may come from any thread, so its queue has a lock of its own, below the machine lock.  Input lives
 * on the main loop alone. Descriptors shared with the caller's shell are never made non-blocking: output asks
 * poll() first and writes no more than a pipe's atomic unit.
 */
#include "stream.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN_SIZE 4096
#define OUT_UNIT 4096
#define OUT_LIMIT (64u << 20)
#define OUT_ENOUGH (64u << 10)  /* what a device that can wait is asked to leave it at */
#define FLUSH_PATIENCE_MS 5000
#define DRAIN_PATIENCE_MS 500
#define DRAIN_MOST_MS 3000      /* in all: the machine stands meanwhile, and who reads slowly would hold it for minutes */

struct CharStream {
  int refs;                     /* atomic */
  void *self;                   /* NULL once the object let go */
  BpMachine *machine;
  BpLoop *loop;
  CharHooks hooks;
  /* input: [main][locked] */
  BpCharHandlers handlers;
  void *user;
  bool attached, discard;
  int in_fd;
  unsigned in_watch;
  uint8_t in[IN_SIZE];
  size_t in_at, in_end;
  int posted;                   /* atomic: a delivery is on its way */
  /* output: under `lock` */
  GMutex lock;
  int out_fd;
  bool sockets, out_broken, overflowed;
  int reason;                   /* why it is broken */
  bool waits;                   /* the device was told that there is no room */
  unsigned out_watch;
  GByteArray *out;
  size_t out_at, out_limit;
};

/* --- making and freeing ------------------------------------------------------------------- */

static CharStream *
char_stream (void *self)
{
  CharBase *base = self;
  if (base->stream)
    return base->stream;
  CharStream *s = g_new0 (CharStream, 1);
  s->refs = 1;
  s->self = self;
  s->machine = bp_object_machine (self);
  s->loop = bp_loop_main (s->machine);
  s->in_fd = s->out_fd = -1;
  s->out = g_byte_array_new ();
  s->out_limit = OUT_LIMIT;
  g_mutex_init (&s->lock);
  base->stream = s;
  return s;
}

static void
stream_unref (CharStream *s)
{
  if (!g_atomic_int_dec_and_test (&s->refs))
    return;
  g_byte_array_unref (s->out);
  g_mutex_clear (&s->lock);
  g_free (s);
}

void
char_stream_set_hooks (void *self, const CharHooks *hooks)
{
  char_stream (self)->hooks = *hooks;
}

void
char_stream_limit (void *self, size_t bytes)
{
  char_stream (self)->out_limit = bytes;
}

/* --- input -------------------------------------------------------------------------------- */

static bool read_ready (void *user, GIOCondition condition);

static void
watch_input (CharStream *s)
{
  if (s->in_fd >= 0 && !s->in_watch && (s->discard || s->in_end - s->in_at < IN_SIZE))
    s->in_watch =
        bp_loop_watch_fd (s->loop, s->machine, s->in_fd, G_IO_IN | G_IO_HUP | G_IO_ERR, read_ready, s);
}

static void
deliver (CharStream *s)
{
  while (s->attached && s->in_at < s->in_end) {
    size_t n = s->handlers.can_receive ? s->handlers.can_receive (s->user) : 0;
    if (n == 0)
      break;
    n = MIN (n, s->in_end - s->in_at);
    const uint8_t *data = s->in + s->in_at;
    s->in_at += n;
    s->handlers.receive (s->user, data, n);
  }
  if (s->in_at == s->in_end)
    s->in_at = s->in_end = 0;
}

/* Appends what there is room for. */
static void
take_input (CharStream *s, const uint8_t *data, size_t size)
{
  memmove (s->in, s->in + s->in_at, s->in_end - s->in_at);
  s->in_end -= s->in_at;
  s->in_at = 0;
  size = MIN (size, IN_SIZE - s->in_end);
  memcpy (s->in + s->in_end, data, size);
  s->in_end += size;
}

static bool
read_ready (void *user, GIOCondition condition)
{
  CharStream *s = user;
  uint8_t data[IN_SIZE];
  size_t room = s->discard ? sizeof data : IN_SIZE - (s->in_end - s->in_at);
  ssize_t n = read (s->in_fd, data, room);
  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return true;
  if (n <= 0) {
    int reason = n < 0 ? errno : 0;
    if (reason && !s->sockets && !isatty (s->in_fd))    /* a peer, a terminal that is gone: an end like another */
      bp_warn (s->self, "cannot read any more: %s", g_strerror (reason));
    s->in_watch = 0;
    s->in_fd = -1;
    if (s->hooks.closed)
      s->hooks.closed (s->self);
    return false;
  }
  size_t left = s->hooks.filter ? s->hooks.filter (s->self, data, (size_t) n) : (size_t) n;
  take_input (s, data, left);
  deliver (s);
  if (s->discard || s->in_end - s->in_at < IN_SIZE)
    return true;
  s->in_watch = 0;              /* full: accept_input watches again */
  return false;
}

static void
deliver_posted (void *user)
{
  CharStream *s = user;
  __atomic_store_n (&s->posted, 0, __ATOMIC_SEQ_CST);
  if (s->self) {
    deliver (s);
    watch_input (s);
  }
  stream_unref (s);
}

void
char_stream_accept_input (void *self)
{
  CharStream *s = char_stream (self);
  if (__atomic_exchange_n (&s->posted, 1, __ATOMIC_SEQ_CST))
    return;
  g_atomic_int_inc (&s->refs);
  bp_loop_post (s->loop, true, s->machine, deliver_posted, s);
}

bool
char_stream_attach (void *self, const BpCharHandlers *handlers, void *user)
{
  if (!handlers) {
    if (((CharBase *) self)->stream)    /* a device may let go after the backend did */
      char_stream (self)->attached = false;
    return true;
  }
  CharStream *s = char_stream (self);
  if (s->attached)
    return false;
  memset (&s->handlers, 0, sizeof s->handlers);
  memcpy (&s->handlers, handlers, MIN (handlers->struct_size, sizeof s->handlers));
  s->user = user;
  s->attached = true;
  char_stream_accept_input (self);
  return true;
}

void
char_stream_event (void *self, BpCharEvent event)
{
  CharStream *s = char_stream (self);
  if (s->attached && s->handlers.event)
    s->handlers.event (s->user, event);
}

/* --- output ------------------------------------------------------------------------------- */

static ssize_t
write_some (const CharStream *s, const uint8_t *data, size_t size)
{
  ssize_t n;
  do {
    if (s->sockets)
      return send (s->out_fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    struct pollfd ready = { .fd = s->out_fd, .events = POLLOUT };
    if (poll (&ready, 1, 0) != 1) {
      errno = EAGAIN;
      return -1;
    }
    n = write (s->out_fd, data, MIN (size, OUT_UNIT));
  } while (n < 0 && errno == EINTR);
  return n;
}

/* Writes until the host takes no more; false when it never will again. */
static bool
drain (CharStream *s)
{
  while (s->out_at < s->out->len) {
    ssize_t n = write_some (s, s->out->data + s->out_at, s->out->len - s->out_at);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
      break;
    if (n < 0) {
      s->reason = errno;
      return false;
    }
    s->out_at += (size_t) n;
  }
  if (s->out_at == s->out->len || s->out_at > 1 << 16) {
    g_byte_array_remove_range (s->out, 0, (guint) s->out_at);
    s->out_at = 0;
  }
  return true;
}

static void
output_broken (CharStream *s)
{
  s->out_broken = true;
  g_byte_array_set_size (s->out, 0);
  s->out_at = 0;
}

/* Under `lock`. */
static size_t
room (const CharStream *s)
{
  if (s->out_fd < 0 || s->out_broken)
    return SIZE_MAX;
  return OUT_ENOUGH - MIN (OUT_ENOUGH, s->out->len - s->out_at);
}

size_t
char_stream_room (void *self)
{
  CharStream *s = char_stream (self);
  g_mutex_lock (&s->lock);
  size_t bytes = room (s);
  s->waits |= !bytes;
  g_mutex_unlock (&s->lock);
  return bytes;
}

/* [main][locked] */
static void
tell_room (CharStream *s)
{
  g_mutex_lock (&s->lock);
  bool told = s->waits && room (s) >= OUT_ENOUGH / 2;
  if (told)
    s->waits = false;
  g_mutex_unlock (&s->lock);
  if (told && s->attached && s->handlers.can_write)
    s->handlers.can_write (s->user);
}

static bool
write_ready (void *user, GIOCondition condition)
{
  CharStream *s = user;
  g_mutex_lock (&s->lock);
  bool good = s->out_fd >= 0 && drain (s);
  bool more = good && s->out->len > 0;
  if (!good)
    output_broken (s);
  if (!more)
    s->out_watch = 0;
  g_mutex_unlock (&s->lock);
  tell_room (s);
  if (!good && s->self && s->hooks.broken)
    s->hooks.broken (s->self);
  return more;
}

/* Under `lock`.  Errors are found, and reported, by the watch: here any thread may be calling. */
static void
queue (CharStream *s, const uint8_t *data, size_t size)
{
  size_t room = s->out_limit - MIN (s->out_limit, s->out->len - s->out_at);
  if (size > room && !s->overflowed) {
    s->overflowed = true;
    bp_warn (s->self, "output is dropped: nobody takes it, and %zu bytes wait already",
             s->out->len - s->out_at);
  }
  g_byte_array_append (s->out, data, (guint) MIN (size, room));
  if (s->out->len > 0 && !s->out_watch)
    s->out_watch =
        bp_loop_watch_fd (s->loop, s->machine, s->out_fd, G_IO_OUT | G_IO_HUP | G_IO_ERR, write_ready, s);
}

void
char_stream_write (void *self, const uint8_t *data, size_t size)
{
  CharStream *s = char_stream (self);
  g_mutex_lock (&s->lock);
  while (size > 0 && s->out_fd >= 0 && !s->out_broken) {
    ssize_t n = s->out->len > 0 ? -1 : write_some (s, data, size);
    if (n < 0) {
      queue (s, data, size);
      break;
    }
    data += n;
    size -= (size_t) n;
  }
  g_mutex_unlock (&s->lock);
}

/* As long as the host takes some within so many milliseconds, and no longer than `most`. */
static void
drain_patiently (CharStream *s, int patience, int64_t most)
{
  int64_t end = g_get_monotonic_time () + most * 1000;
  while (s->out->len > 0 && s->out_fd >= 0 && g_get_monotonic_time () < end) {
    struct pollfd ready = { .fd = s->out_fd, .events = POLLOUT };
    if (poll (&ready, 1, patience) != 1 || !drain (s))
      break;
  }
}

void
char_stream_drain (void *self)
{
  CharStream *s = char_stream (self);
  g_mutex_lock (&s->lock);
  if (!s->out_broken)
    drain_patiently (s, DRAIN_PATIENCE_MS, DRAIN_MOST_MS);
  g_mutex_unlock (&s->lock);
}

const char *
char_stream_reason (void *self)
{
  return g_strerror (char_stream (self)->reason);
}

bool
char_stream_is_open (void *self)
{
  CharStream *s = char_stream (self);
  g_mutex_lock (&s->lock);
  bool open = s->out_fd >= 0 && !s->out_broken;
  g_mutex_unlock (&s->lock);
  return open;
}

static void
flush_output (CharStream *s)
{
  drain_patiently (s, FLUSH_PATIENCE_MS, G_MAXINT);
  if (s->out->len > 0)
    bp_warn (s->self, "%zu bytes of output are lost: nobody takes them", s->out->len - s->out_at);
}

/* --- life cycle --------------------------------------------------------------------------- */

void
char_stream_open (void *self, int in_fd, int out_fd, bool sockets, bool discard)
{
  CharStream *s = char_stream (self);
  g_mutex_lock (&s->lock);
  s->out_fd = out_fd;
  s->sockets = sockets;
  s->out_broken = s->overflowed = false;
  g_mutex_unlock (&s->lock);
  s->in_fd = in_fd;
  s->discard = discard;
  watch_input (s);
}

void
char_stream_close (void *self, bool flush)
{
  CharStream *s = char_stream (self);
  if (s->in_watch)
    bp_loop_unwatch (s->loop, s->in_watch);
  s->in_watch = 0;
  s->in_fd = -1;
  g_mutex_lock (&s->lock);
  if (s->out_watch)
    bp_loop_unwatch (s->loop, s->out_watch);
  s->out_watch = 0;
  if (flush)
    flush_output (s);
  g_byte_array_set_size (s->out, 0);
  s->out_at = 0;
  s->out_fd = -1;
  g_mutex_unlock (&s->lock);
  if (s->self)
    tell_room (s);
}

void
char_stream_finish (void *self, bool flush)
{
  CharBase *base = self;
  if (!base->stream)
    return;
  char_stream_close (self, flush);
  base->stream->attached = false;
  base->stream->self = NULL;
  stream_unref (g_steal_pointer (&base->stream));
}

const BpCharIface char_stream_iface = { CHAR_STREAM_IFACE };
