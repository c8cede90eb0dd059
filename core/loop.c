/* loop.c -- the main loop and I/O threads: posted calls and watched file descriptors. */
/* SPDX-License-Identifier: MIT */
#include "machine.h"
#include <glib-unix.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct BpLoop {
  GMainContext *context;
  GMainLoop *loop;              /* an I/O thread's; the main loop is run by the machine */
  GThread *thread;
  GMutex lock;                  /* for: */
  GQueue posts;                 /* of Post *: those that were not made yet */
  unsigned n_watches;           /* atomic */
};

typedef struct Post {
  BpLoop *loop;
  BpMachine *machine;           /* locked around the call; NULL: not */
  void (*f) (void *user);
  void *user;
  GSource *source;
} Post;

/* --- life cycle ------------------------------------------------------------------------------- */

BpLoop *
loop_main_new (void)
{
  BpLoop *loop = g_new0 (BpLoop, 1);
  g_mutex_init (&loop->lock);
  loop->context = g_main_context_ref (g_main_context_default ());
  return loop;
}

static void *
run_thread (void *data)
{
  BpLoop *loop = data;
  g_main_context_push_thread_default (loop->context);
  g_main_loop_run (loop->loop);
  g_main_context_pop_thread_default (loop->context);
  return NULL;
}

/* GLib ends the program when it has no descriptor for a context. */
static bool
has_descriptor (void)
{
  int fd = eventfd (0, EFD_CLOEXEC);
  if (fd >= 0)
    close (fd);
  return fd >= 0;
}

static void
free_thread_loop (BpLoop *loop)
{
  g_main_loop_unref (loop->loop);
  g_main_context_unref (loop->context);
  g_mutex_clear (&loop->lock);
  g_free (loop);
}

BpLoop *
bp_loop_new_thread (const char *name)
{
  if (!has_descriptor ())
    return NULL;
  BpLoop *loop = g_new0 (BpLoop, 1);
  g_mutex_init (&loop->lock);
  loop->context = g_main_context_new ();
  loop->loop = g_main_loop_new (loop->context, FALSE);
  loop->thread = g_thread_try_new (name, run_thread, loop, NULL);
  if (loop->thread)
    return loop;
  free_thread_loop (loop);
  return NULL;
}

static void
quit (void *loop)
{
  g_main_loop_quit (((BpLoop *) loop)->loop);
}

void
bp_loop_free (BpLoop *loop)
{
  if (!loop)
    return;
  if (loop->thread) {
    bp_loop_post (loop, false, NULL, quit, loop);       /* after what was posted before */
    g_thread_join (loop->thread);
    g_main_loop_unref (loop->loop);
  }
  loop_make_posts (loop);       /* the main context outlives the loop: what it would call must not wait there */
  g_main_context_unref (loop->context);
  g_mutex_clear (&loop->lock);
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
  return loop->context;
}

/* --- posted calls ----------------------------------------------------------------------------- */

static void
call (const Post *post)
{
  if (post->machine)
    bp_machine_lock (post->machine);
  post->f (post->user);
  if (post->machine)
    bp_machine_unlock (post->machine);
}

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
    call (post);
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
    call (&post);
  }
}

void
bp_loop_post (BpLoop *loop, bool locked, BpMachine *machine, void (*f) (void *user), void *user)
{
  g_assert (!locked || machine);
  Post *post = g_new (Post, 1);
  GSource *source = g_idle_source_new ();
  *post = (Post) { loop, locked ? machine : NULL, f, user, source };
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, run_post, post, g_free);
  g_mutex_lock (&loop->lock);
  g_queue_push_tail (&loop->posts, post);
  g_source_attach (source, loop->context);
  g_mutex_unlock (&loop->lock);
  g_source_unref (source);
}

/* --- watched file descriptors ----------------------------------------------------------------- */

typedef struct Watch {
  BpLoop *loop;
  BpMachine *machine;
  bool (*ready) (void *user, GIOCondition condition);
  void *user;
} Watch;

static gboolean
run_watch (int fd, GIOCondition condition, void *data)
{
  Watch *watch = data;
  GSource *source = g_main_current_source ();
  if (watch->machine)
    bp_machine_lock (watch->machine);
  /* While this thread waited for the lock, its holder may have unwatched. */
  bool keep = !g_source_is_destroyed (source) && watch->ready (watch->user, condition);
  if (watch->machine)
    bp_machine_unlock (watch->machine);
  return keep;
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

unsigned
bp_loop_watch_fd (BpLoop *loop, BpMachine *machine, int fd, GIOCondition condition,
                  bool (*ready) (void *user, GIOCondition condition), void *user)
{
  Watch *watch = g_new (Watch, 1);
  *watch = (Watch) { loop, machine, ready, user };
  __atomic_add_fetch (&loop->n_watches, 1, __ATOMIC_RELAXED);
  GSource *source = g_unix_fd_source_new (fd, condition);
  g_source_set_callback (source, G_SOURCE_FUNC (run_watch), watch, watch_free);
  unsigned id = g_source_attach (source, loop->context);
  g_source_unref (source);
  return id;
}

void
bp_loop_unwatch (BpLoop *loop, unsigned id)
{
  GSource *source = g_main_context_find_source_by_id (loop->context, id);
  if (source)
    g_source_destroy (source);
}
