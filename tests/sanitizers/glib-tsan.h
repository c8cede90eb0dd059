/* glib-tsan.h -- what GLib does between threads, told to ThreadSanitizer: included before every source when --enable-tsan is given. */
/* SPDX-License-Identifier: MIT */
/*
 * GLib is not compiled with the sanitizer, and its mutexes, conditions and main contexts are made of atomics and futexes inside of it, so that
 * nothing tells ThreadSanitizer what happens before what.  (What GLib makes of the pthread library's parts, GRecMutex, GRWLock and GThread, is seen.)
 */
#ifndef TESTS_SANITIZERS_GLIB_TSAN_H
#define TESTS_SANITIZERS_GLIB_TSAN_H
#if defined __has_feature
#if __has_feature (thread_sanitizer) && !defined __SANITIZE_THREAD__
#define __SANITIZE_THREAD__ 1
#endif
#endif
#if defined __SANITIZE_THREAD__ && !defined __ASSEMBLER__ && __has_include (<glib.h>)
#include <glib.h>
#include <sanitizer/tsan_interface.h>
#ifdef __cplusplus
extern "C" {
#endif

/* (no header of gcc's declares them) */
void AnnotateIgnoreWritesBegin (const char *file, int line);
void AnnotateIgnoreWritesEnd (const char *file, int line);
void AnnotateBenignRaceSized (const char *file, int line, const volatile void *address, size_t size, const char *what);

/* --- mutexes and conditions ------------------------------------------------------------------- */

static inline void
tsan_mutex_init (GMutex *mutex)
{
  g_mutex_init (mutex);
  __tsan_mutex_create (mutex, 0);
}

static inline void
tsan_mutex_clear (GMutex *mutex)
{
  __tsan_mutex_destroy (mutex, 0);
  g_mutex_clear (mutex);
}

static inline void
tsan_mutex_lock (GMutex *mutex)
{
  __tsan_mutex_pre_lock (mutex, 0);
  g_mutex_lock (mutex);
  __tsan_mutex_post_lock (mutex, 0, 0);
}

static inline gboolean
tsan_mutex_trylock (GMutex *mutex)
{
  __tsan_mutex_pre_lock (mutex, __tsan_mutex_try_lock);
  gboolean got = g_mutex_trylock (mutex);
  __tsan_mutex_post_lock (mutex, got ? __tsan_mutex_try_lock : __tsan_mutex_try_lock_failed, 0);
  return got;
}

static inline void
tsan_mutex_unlock (GMutex *mutex)
{
  __tsan_mutex_pre_unlock (mutex, 0);
  g_mutex_unlock (mutex);
  __tsan_mutex_post_unlock (mutex, 0);
}

static inline void
tsan_cond_wait (GCond *cond, GMutex *mutex)
{
  __tsan_mutex_pre_unlock (mutex, 0);
  __tsan_mutex_post_unlock (mutex, 0);
  g_cond_wait (cond, mutex);
  __tsan_mutex_pre_lock (mutex, 0);
  __tsan_mutex_post_lock (mutex, 0, 0);
}

static inline gboolean
tsan_cond_wait_until (GCond *cond, GMutex *mutex, gint64 end)
{
  __tsan_mutex_pre_unlock (mutex, 0);
  __tsan_mutex_post_unlock (mutex, 0);
  gboolean in_time = g_cond_wait_until (cond, mutex, end);
  __tsan_mutex_pre_lock (mutex, 0);
  __tsan_mutex_post_lock (mutex, 0, 0);
  return in_time;
}

#define g_mutex_init(mutex) tsan_mutex_init (mutex)
#define g_mutex_clear(mutex) tsan_mutex_clear (mutex)
#define g_mutex_lock(mutex) tsan_mutex_lock (mutex)
#define g_mutex_trylock(mutex) tsan_mutex_trylock (mutex)
#define g_mutex_unlock(mutex) tsan_mutex_unlock (mutex)
#define g_cond_wait(cond, mutex) tsan_cond_wait (cond, mutex)
#define g_cond_wait_until(cond, mutex, end) tsan_cond_wait_until (cond, mutex, end)

/* --- what is made once ------------------------------------------------------------------------ */

static inline gboolean
tsan_once_init_enter (void *location)
{
  gboolean mine = g_once_init_enter ((gsize *) location);
  __tsan_acquire (location);
  return mine;
}

static inline void
tsan_once_init_leave (void *location, gsize value)
{
  __tsan_release (location);
  (g_once_init_leave) (location, value);
}

#undef g_once_init_enter
#undef g_once_init_leave
#define g_once_init_enter(location) tsan_once_init_enter (location)
#define g_once_init_leave(location, value) tsan_once_init_leave (location, (gsize) (value))

/* --- calls handed from one thread to another -------------------------------------------------- */

/* What a source calls, or a thread of a pool: who asked for it may be another thread. */
typedef struct TsanCall {
  union {
    GSourceFunc source;
    gboolean (*fd) (int fd, GIOCondition condition, void *data);
    GFunc pool;
  } f;
  void *data;
  GDestroyNotify destroy;
} TsanCall;

static inline gboolean
tsan_run_source (void *data)
{
  TsanCall *call = (TsanCall *) data;
  __tsan_acquire (call);
  return call->f.source (call->data);
}

static inline gboolean
tsan_run_fd (int fd, GIOCondition condition, void *data)
{
  TsanCall *call = (TsanCall *) data;
  __tsan_acquire (call);
  return call->f.fd (fd, condition, call->data);
}

static inline void
tsan_run_pool (void *data, void *user)
{
  TsanCall *call = (TsanCall *) user;
  __tsan_acquire (call);
  call->f.pool (data, call->data);
}

static inline void
tsan_call_free (void *data)
{
  TsanCall *call = (TsanCall *) data;
  __tsan_acquire (call);
  if (call->destroy)
    call->destroy (call->data);
  g_free (call);
}

static inline void
tsan_source_set_callback (GSource *source, GSourceFunc f, void *data, GDestroyNotify destroy)
{
  gboolean is_fd = source->source_funcs == &g_unix_fd_source_funcs;
  TsanCall *call = g_new (TsanCall, 1);
  call->f.source = f;
  call->data = data;
  call->destroy = destroy;
  __tsan_release (call);
  g_source_set_callback (source, is_fd ? G_SOURCE_FUNC (tsan_run_fd) : tsan_run_source, call, tsan_call_free);
}

/* (the few bytes that say so live as long as the program) */
static inline GThreadPool *
tsan_thread_pool_new (GFunc f, void *user, int max, gboolean exclusive, GError **error)
{
  TsanCall *call = g_new0 (TsanCall, 1);
  call->f.pool = f;
  call->data = user;
  __tsan_release (call);
  return g_thread_pool_new (tsan_run_pool, call, max, exclusive, error);
}

static inline gboolean
tsan_thread_pool_push (GThreadPool *pool, void *data, GError **error)
{
  __tsan_release (pool->user_data);
  AnnotateIgnoreWritesBegin (__FILE__, __LINE__);
  gboolean done = g_thread_pool_push (pool, data, error);
  AnnotateIgnoreWritesEnd (__FILE__, __LINE__);
  return done;
}

/* What GLib allocates on one thread for itself and frees on another, under locks of its own: malloc and free are seen, the locks are not. */
static inline void
tsan_thread_pool_free (GThreadPool *pool, gboolean at_once, gboolean wait)
{
  AnnotateIgnoreWritesBegin (__FILE__, __LINE__);
  g_thread_pool_free (pool, at_once, wait);
  AnnotateIgnoreWritesEnd (__FILE__, __LINE__);
}

static inline guint
tsan_source_attach (GSource *source, GMainContext *context)
{
  AnnotateIgnoreWritesBegin (__FILE__, __LINE__);
  guint id = g_source_attach (source, context);
  AnnotateIgnoreWritesEnd (__FILE__, __LINE__);
  return id;
}

static inline void
tsan_source_destroy (GSource *source)
{
  AnnotateIgnoreWritesBegin (__FILE__, __LINE__);
  g_source_destroy (source);
  AnnotateIgnoreWritesEnd (__FILE__, __LINE__);
}

static inline void
tsan_source_unref (GSource *source)
{
  AnnotateIgnoreWritesBegin (__FILE__, __LINE__);
  g_source_unref (source);
  AnnotateIgnoreWritesEnd (__FILE__, __LINE__);
}

#define g_source_set_callback(source, f, data, destroy) tsan_source_set_callback (source, f, data, destroy)
#define g_thread_pool_new(f, user, max, exclusive, error) tsan_thread_pool_new (f, user, max, exclusive, error)
#define g_thread_pool_free(pool, at_once, wait) tsan_thread_pool_free (pool, at_once, wait)
#define g_source_attach(source, context) tsan_source_attach (source, context)
#define g_source_destroy(source) tsan_source_destroy (source)
#define g_source_unref(source) tsan_source_unref (source)
#define g_thread_pool_push(pool, data, error) tsan_thread_pool_push (pool, data, error)

#ifdef __cplusplus
}
#endif
#endif
#endif
