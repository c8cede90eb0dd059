/* loop.c -- the main loop and I/O threads: posted calls and watched file descriptors. */
/* SPDX-License-Identifier: MIT */
#include "loop-thread.h"
#include <glib-unix.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct BpLoop {
  LoopThread *thread;           /* an I/O thread's, and nothing else then; NULL: the main loop, which is run by the machine */
  GMainContext *context;
  GMutex lock;                  /* for: */
  GQueue posts;                 /* of Post *: those that were not made yet */
  unsigned n_watches;           /* atomic */
};

typedef struct Post {
  BpLoop *loop;
  LoopCall call;
  GSource *source;
} Post;

/* --- life cycle ------------------------------------------------------------------------------- */

static void *nothing (void *unused) { return NULL; }

bool
loop_can_begin (GError **error)
{
  int fds[] = { eventfd (0, EFD_CLOEXEC), eventfd (0, EFD_CLOEXEC) };
  bool there = fds[1] >= 0;
  for (unsigned i = 0; i < G_N_ELEMENTS (fds); i++)
    if (fds[i] >= 0)
      close (fds[i]);
  GThread *thread = there ? g_thread_try_new ("probe", nothing, NULL, NULL) : NULL;
  if (thread)
    g_thread_join (thread);
  else
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the host has no %s to spare", there ? "thread" : "descriptors");
  return thread;
}

BpLoop *
loop_main_new (void)
{
  BpLoop *loop = g_new0 (BpLoop, 1);
  g_mutex_init (&loop->lock);
  loop->context = g_main_context_ref (g_main_context_default ());
  return loop;
}

BpLoop *
bp_loop_new_thread (const char *name)
{
  LoopThread *thread = loop_thread_new (name);
  BpLoop *loop = thread ? g_new0 (BpLoop, 1) : NULL;
  if (loop)
    loop->thread = thread;
  return loop;
}

void
bp_loop_free (BpLoop *loop)
{
  if (!loop)
    return;
  if (loop->thread) {
    loop_thread_free (loop->thread);
  } else {
    loop_make_posts (loop);     /* the main context outlives the loop: what it would call must not wait there */
    g_main_context_unref (loop->context);
    g_mutex_clear (&loop->lock);
  }
  g_free (loop);
}

BpLoop *
bp_loop_main (BpMachine *machine)
{
  return machine->main_loop;
}

GMainContext *
bp_loop_context (BpLoop *loop)
{
  g_return_val_if_fail (!loop->thread, NULL);
  return loop->context;
}

/* --- posted calls ----------------------------------------------------------------------------- */

/* Whoever takes a post out of the queue makes its call, and nobody else does. */
static bool
take (Post *post)
{
  g_mutex_lock (&post->loop->lock);
  bool there = g_queue_remove (&post->loop->posts, post);
  g_mutex_unlock (&post->loop->lock);
  return there;
}

static gboolean
run_post (void *data)
{
  Post *post = data;
  if (take (post))
    loop_make_call (&post->call);
  return G_SOURCE_REMOVE;
}

void
loop_make_posts (BpLoop *loop)
{
  for (;;) {
    g_mutex_lock (&loop->lock);
    Post *first = g_queue_pop_head (&loop->posts);
    Post post = first ? *first : (Post){ 0 };
    if (first)
      g_source_ref (post.source);
    g_mutex_unlock (&loop->lock);
    if (!first)
      return;
    g_source_destroy (post.source);     /* frees the post */
    g_source_unref (post.source);
    loop_make_call (&post.call);
  }
}

static void
post_to_main (BpLoop *loop, LoopCall call)
{
  Post *post = g_new (Post, 1);
  GSource *source = g_idle_source_new ();
  *post = (Post) { loop, call, source };
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, run_post, post, g_free);
  g_mutex_lock (&loop->lock);
  g_queue_push_tail (&loop->posts, post);
  g_source_attach (source, loop->context);
  g_mutex_unlock (&loop->lock);
  g_source_unref (source);
}

void
bp_loop_post (BpLoop *loop, bool locked, BpMachine *machine, void (*f) (void *user), void *user)
{
  g_assert (!locked || machine);
  LoopCall call = { locked ? machine : NULL, f, user };
  if (loop->thread)
    loop_thread_post (loop->thread, call);
  else
    post_to_main (loop, call);
}

/* --- watched file descriptors, and times --------------------------------------------------------- */

typedef struct Watch {
  BpLoop *loop;
  LoopWatch watch;
} Watch;

static gboolean
run_watch (int fd, GIOCondition condition, void *data)
{
  const LoopWatch *watch = &((Watch *) data)->watch;
  GSource *source = g_main_current_source ();
  if (watch->machine)
    bp_machine_lock (watch->machine);
  /* While this thread waited for the lock, its holder may have unwatched. */
  bool keep = !g_source_is_destroyed (source) && watch->ready (watch->user, condition);
  if (watch->machine)
    bp_machine_unlock (watch->machine);
  return keep;
}

static gboolean
run_time (void *data)
{
  return run_watch (-1, 0, data);
}

static void
watch_free (void *data)
{
  Watch *watch = data;
  __atomic_sub_fetch (&watch->loop->n_watches, 1, __ATOMIC_RELAXED);
  g_free (watch);
}

unsigned
loop_n_watches (BpLoop *loop)
{
  return __atomic_load_n (&loop->n_watches, __ATOMIC_RELAXED);
}

static unsigned
attach (BpLoop *loop, GSource *source, GSourceFunc f, LoopWatch what)
{
  Watch *watch = g_new (Watch, 1);
  *watch = (Watch) { loop, what };
  __atomic_add_fetch (&loop->n_watches, 1, __ATOMIC_RELAXED);
  g_source_set_callback (source, f, watch, watch_free);
  unsigned id = g_source_attach (source, loop->context);
  g_source_unref (source);
  return id;
}

unsigned
bp_loop_watch_fd (BpLoop *loop, BpMachine *machine, int fd, GIOCondition condition,
                  bool (*ready) (void *user, GIOCondition condition), void *user)
{
  LoopWatch watch = { machine, ready, user };
  if (loop->thread)
    return loop_thread_watch (loop->thread, fd, condition, watch);
  return attach (loop, g_unix_fd_source_new (fd, condition), G_SOURCE_FUNC (run_watch), watch);
}

unsigned
loop_watch_time (BpLoop *loop, BpMachine *machine, unsigned ms, bool (*ready) (void *user, GIOCondition condition), void *user)
{
  return attach (loop, g_timeout_source_new (ms), run_time, (LoopWatch) { machine, ready, user });
}

void
bp_loop_unwatch (BpLoop *loop, unsigned id)
{
  if (loop->thread) {
    loop_thread_unwatch (loop->thread, id);
    return;
  }
  GSource *source = g_main_context_find_source_by_id (loop->context, id);
  if (source)
    g_source_destroy (source);
}
