/* loop-thread.c -- the loop of an I/O thread: posted calls and watched file descriptors, on poll alone. */
/* SPDX-License-Identifier: MIT */
/*
 * No GMainContext: GLib ends the program when it gets no descriptor for one, and whether there is one cannot be asked for another that other threads take
 * meanwhile.  All that a loop needs of the host it has before its thread begins.
 */
#include "loop-thread.h"
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

typedef struct Watched {
  unsigned id;
  LoopWatch watch;
} Watched;

struct LoopThread {
  GThread *thread;
  int wake;                     /* an eventfd, the first that is polled */
  GMutex lock;                  /* for: */
  GArray *calls;                /* of LoopCall: that were not made yet */
  GArray *fds, *watched;        /* of struct pollfd and Watched, in one order; the first is `wake' */
  unsigned last_id;
  bool waits, ends;             /* waits: in poll, or about to be, until somebody writes to `wake' */
  /* the thread's own: */
  GArray *polled, *asked;       /* what fds and watched were when it began to wait */
  GArray *taken;                /* calls that it is about to make */
};

/* --- calls ------------------------------------------------------------------------------------ */

void
loop_make_call (const LoopCall *call)
{
  if (call->machine)
    bp_machine_lock (call->machine);
  call->f (call->user);
  if (call->machine)
    bp_machine_unlock (call->machine);
}

/* Those that are there now: what they post comes after the descriptors. */
static void
make_calls (LoopThread *t)
{
  g_mutex_lock (&t->lock);
  GArray *calls = t->calls;
  t->calls = t->taken;
  t->taken = calls;
  g_mutex_unlock (&t->lock);
  for (guint i = 0; i < calls->len; i++)
    loop_make_call (&g_array_index (calls, LoopCall, i));
  g_array_set_size (calls, 0);
}

/* [locked] */
static void
wake_up (LoopThread *t)
{
  const uint64_t one = 1;
  if (!t->waits)
    return;
  t->waits = false;
  while (write (t->wake, &one, sizeof one) < 0 && errno == EINTR)
    ;
}

void
loop_thread_post (LoopThread *t, LoopCall call)
{
  g_mutex_lock (&t->lock);
  g_array_append_val (t->calls, call);
  wake_up (t);
  g_mutex_unlock (&t->lock);
}

/* --- descriptors ------------------------------------------------------------------------------ */

/* [locked] */
static unsigned
add (LoopThread *t, int fd, GIOCondition condition, LoopWatch watch)
{
  struct pollfd p = { .fd = fd, .events = (short) condition };
  Watched w = { t->last_id = MAX (t->last_id + 1, 1), watch };
  g_array_append_val (t->fds, p);
  g_array_append_val (t->watched, w);
  return w.id;
}

/* [locked] 0: it is not there. */
static guint
find (const LoopThread *t, unsigned id)
{
  for (guint i = t->watched->len; i-- > 1;)
    if (g_array_index (t->watched, Watched, i).id == id)
      return i;
  return 0;
}

unsigned
loop_thread_watch (LoopThread *t, int fd, GIOCondition condition, LoopWatch watch)
{
  g_mutex_lock (&t->lock);
  unsigned id = add (t, fd, condition, watch);
  wake_up (t);
  g_mutex_unlock (&t->lock);
  return id;
}

void
loop_thread_unwatch (LoopThread *t, unsigned id)
{
  g_mutex_lock (&t->lock);
  guint i = find (t, id);
  if (i) {
    g_array_remove_index (t->fds, i);
    g_array_remove_index (t->watched, i);
    wake_up (t);                /* its owner may close the descriptor now, and another may get its number */
  }
  g_mutex_unlock (&t->lock);
}

static bool
is_watched (LoopThread *t, unsigned id)
{
  g_mutex_lock (&t->lock);
  bool there = find (t, id);
  g_mutex_unlock (&t->lock);
  return there;
}

/* While this thread waited for the machine's lock, its holder may have unwatched. */
static void
offer (LoopThread *t, const Watched *w, GIOCondition condition)
{
  const LoopWatch *watch = &w->watch;
  if (watch->machine)
    bp_machine_lock (watch->machine);
  if (is_watched (t, w->id) && !watch->ready (watch->user, condition))
    loop_thread_unwatch (t, w->id);
  if (watch->machine)
    bp_machine_unlock (watch->machine);
}

/* --- the thread ------------------------------------------------------------------------------- */

static void
copy (GArray *to, const GArray *from)
{
  g_array_set_size (to, 0);
  g_array_append_vals (to, from->data, from->len);
}

/* false: it is to end, and has nothing to do before. */
static bool
begin_turn (LoopThread *t, bool *waits)
{
  g_mutex_lock (&t->lock);
  bool goes_on = t->calls->len || !t->ends;
  *waits = t->waits = goes_on && !t->calls->len;
  copy (t->polled, t->fds);
  copy (t->asked, t->watched);
  g_mutex_unlock (&t->lock);
  return goes_on;
}

static void
wait_for_something (LoopThread *t, bool waits)
{
  uint64_t count;
  struct pollfd *fds = (struct pollfd *) t->polled->data;
  int n = poll (fds, t->polled->len, waits ? -1 : 0);
  for (guint i = 0; n < 0 && i < t->polled->len; i++)   /* a signal */
    fds[i].revents = 0;
  g_mutex_lock (&t->lock);
  t->waits = false;
  g_mutex_unlock (&t->lock);
  if (fds->revents)             /* nobody writes any more before the next turn */
    while (read (t->wake, &count, sizeof count) < 0 && errno == EINTR)
      ;
}

static void *
run (void *data)
{
  LoopThread *t = data;
  bool waits;
  while (begin_turn (t, &waits)) {
    wait_for_something (t, waits);
    make_calls (t);
    for (guint i = 1; i < t->polled->len; i++) {
      short ready = g_array_index (t->polled, struct pollfd, i).revents;
      if (ready)
        offer (t, &g_array_index (t->asked, Watched, i), (GIOCondition) ready);
    }
  }
  return NULL;
}

static void
free_all (LoopThread *t)
{
  GArray *arrays[] = { t->calls, t->fds, t->watched, t->polled, t->asked, t->taken };
  for (guint i = 0; i < G_N_ELEMENTS (arrays); i++)
    g_array_unref (arrays[i]);
  g_mutex_clear (&t->lock);
  close (t->wake);
  g_free (t);
}

LoopThread *
loop_thread_new (const char *name)
{
  int wake = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake < 0)
    return NULL;
  LoopThread *t = g_new0 (LoopThread, 1);
  t->wake = wake;
  g_mutex_init (&t->lock);
  t->calls = g_array_new (FALSE, FALSE, sizeof (LoopCall));
  t->taken = g_array_new (FALSE, FALSE, sizeof (LoopCall));
  t->fds = g_array_new (FALSE, FALSE, sizeof (struct pollfd));
  t->polled = g_array_new (FALSE, FALSE, sizeof (struct pollfd));
  t->watched = g_array_new (FALSE, FALSE, sizeof (Watched));
  t->asked = g_array_new (FALSE, FALSE, sizeof (Watched));
  add (t, wake, G_IO_IN, (LoopWatch) { NULL });
  t->thread = g_thread_try_new (name, run, t, NULL);
  if (t->thread)
    return t;
  free_all (t);
  return NULL;
}

void
loop_thread_free (LoopThread *t)
{
  g_mutex_lock (&t->lock);
  t->ends = true;
  wake_up (t);
  g_mutex_unlock (&t->lock);
  g_thread_join (t->thread);
  make_calls (t);               /* posted while it ended */
  free_all (t);
}
