/* image-requests.c -- a few threads that do a device's requests and answer them. */
/* SPDX-License-Identifier: MIT */
/*
 * A request goes from `waiting` to a thread and then to `finished`; the thread takes the machine lock and answers all that are there by then.  It is not
 * under way any more while it waits for the lock, whose holder may be waiting for it.  Requests that are under way together have no order, as the
 * interface says, so a flush needs no special place: what was answered before it is in the image when it starts.
 *
 * What never came to a thread is answered by a call on the main loop, a source of our own and not bp_loop_post's, because it must not outlive the
 * machine that it locks.
 */
#include "image-requests.h"
#include <backplane/log.h>
#include <errno.h>
#include <string.h>

#define N_THREADS 4u

struct Requests {
  const void *self;
  BpMachine *machine;
  bool write_through;
  GMutex lock;                  /* of all below */
  GCond work, idle;             /* something waits; something has finished */
  GThread *threads[N_THREADS];
  unsigned n_threads, n_free;   /* started; of these, those without work */
  GQueue waiting, finished;     /* of BpBlockRequest */
  unsigned under_way, n_idle;   /* n_idle: who waits for `idle` */
  GSource *call;                /* to answer, on the main loop; NULL: none is due */
  bool stop, warned;
  Image *image;
  uint64_t bytes[2], n[2];      /* read, written */
};

/* A request's `backend`: its error is kept there until it is answered. */
static void
set_error (BpBlockRequest *request, int code)
{
  request->backend[0] = GINT_TO_POINTER (code);
}

/* --- one request --------------------------------------------------------------------------------------- */

static int
transfer (Image *image, const BpBlockRequest *request)
{
  ImageSpan span = { request->iov, request->n_iov, 0 };
  return request->op == BP_BLOCK_READ ? image_read_span (image, request->offset, &span, request->size)
                                      : image_write_span (image, request->offset, &span, request->size);
}

static bool
is_sound (const Image *image, const BpBlockRequest *request)
{
  uint64_t end = image->size / BP_BLOCK_SECTOR * BP_BLOCK_SECTOR, memory = 0;
  if (request->op == BP_BLOCK_FLUSH)
    return true;
  if ((request->offset | request->size) % BP_BLOCK_SECTOR || request->offset > end || request->size > end - request->offset)
    return false;
  if (request->op != BP_BLOCK_READ && request->op != BP_BLOCK_WRITE)
    return true;
  for (unsigned i = 0; i < request->n_iov; i++)
    memory += request->iov[i].iov_len;
  return memory == request->size;
}

static int
perform (Requests *r, Image *image, const BpBlockRequest *request)
{
  bool durable = request->flags & BP_BLOCK_FUA || r->write_through;
  int code;
  if (!image)
    return ENOMEDIUM;
  if (!is_sound (image, request))
    return EINVAL;
  switch (request->op) {
  case BP_BLOCK_READ: return request->size ? transfer (image, request) : 0;
  case BP_BLOCK_WRITE: code = request->size ? transfer (image, request) : 0; break;
  case BP_BLOCK_WRITE_ZEROES: code = image_zero (image, request->offset, request->size, request->flags & BP_BLOCK_UNMAP); break;
  case BP_BLOCK_DISCARD: return image_discard (image, request->offset, request->size);
  case BP_BLOCK_FLUSH: return image_flush (image);
  default: return EINVAL;
  }
  return code || !durable ? code : image_flush (image);
}

/* What the contract knows; others are failures of the host. */
static int
guest_error (int code)
{
  switch (code) {
  case 0: case EIO: case ENOSPC: case ENOMEDIUM: case EROFS: case EINVAL: case ECANCELED: return code;
  case EDQUOT: case EFBIG: return ENOSPC;
  default: return EIO;
  }
}

/* The user hears of the first failure; the guest of all. */
static void
warn (Requests *r, const Image *image, const BpBlockRequest *request, int code)
{
  if (r->warned || !image || code == EINVAL || code == EROFS || code == ENOMEDIUM)
    return;
  r->warned = true;
  bp_warn (r->self, "cannot %s `%s`: %s (further failures are not told)",
           request->op == BP_BLOCK_READ ? "read" : request->op == BP_BLOCK_FLUSH ? "flush" : "write", image_file_name (image->file),
           g_strerror (code));
}

/* --- waiting for threads ------------------------------------------------------------------------------- */

/* Both under `lock`.  To wake nobody takes a system call, too. */
static void
wait_idle (Requests *r)
{
  r->n_idle++;
  g_cond_wait (&r->idle, &r->lock);
  r->n_idle--;
}

static void
wake_idle (Requests *r)
{
  if (r->n_idle)
    g_cond_broadcast (&r->idle);
}

/* --- answers -------------------------------------------------------------------------------------------- */

/* [any][locked] */
static void
answer (Requests *r)
{
  BpBlockRequest *request;
  g_mutex_lock (&r->lock);
  while ((request = g_queue_pop_head (&r->finished))) {
    g_mutex_unlock (&r->lock);
    request->done (request, GPOINTER_TO_INT (request->backend[0]));
    g_mutex_lock (&r->lock);
  }
  g_mutex_unlock (&r->lock);
}

static void
drop_call (Requests *r)
{
  if (r->call) {
    g_source_destroy (r->call);
    g_source_unref (r->call);
  }
  r->call = NULL;
}

static gboolean
answer_called (void *user)
{
  Requests *r = user;
  bp_machine_lock (r->machine);
  g_mutex_lock (&r->lock);
  drop_call (r);                /* what finishes from now on needs another */
  g_mutex_unlock (&r->lock);
  answer (r);
  bp_machine_unlock (r->machine);
  return G_SOURCE_REMOVE;
}

/* Under `lock`. */
static void
finish (Requests *r, BpBlockRequest *request, int code)
{
  set_error (request, guest_error (code));
  g_queue_push_tail (&r->finished, request);
  wake_idle (r);
}

static void
finish_later (Requests *r, BpBlockRequest *request, int code)
{
  finish (r, request, code);
  if (r->call)
    return;
  r->call = g_idle_source_new ();
  g_source_set_priority (r->call, G_PRIORITY_DEFAULT);
  g_source_set_callback (r->call, answer_called, r, NULL);
  g_source_attach (r->call, bp_loop_context (bp_loop_main (r->machine)));
}

/* --- threads -------------------------------------------------------------------------------------------- */

static void
count (Requests *r, const BpBlockRequest *request)
{
  bool writes = request->op == BP_BLOCK_WRITE || request->op == BP_BLOCK_WRITE_ZEROES;
  if (!writes && request->op != BP_BLOCK_READ)
    return;
  r->n[writes]++;
  r->bytes[writes] += request->size;
}

/* Under `lock`, which it leaves for the work. */
static void
work_on (Requests *r, BpBlockRequest *request)
{
  Image *image = r->image;
  r->under_way++;
  g_mutex_unlock (&r->lock);
  int code = perform (r, image, request);
  g_mutex_lock (&r->lock);
  r->under_way--;
  if (code)
    warn (r, image, request, code);
  else
    count (r, request);
  finish (r, request, code);
}

static void
answer_locked (Requests *r)
{
  g_mutex_unlock (&r->lock);
  bp_machine_lock (r->machine);
  answer (r);
  bp_machine_unlock (r->machine);
  g_mutex_lock (&r->lock);
}

static void *
run_thread (void *data)
{
  Requests *r = data;
  g_mutex_lock (&r->lock);
  while (!r->stop) {
    BpBlockRequest *request = g_queue_pop_head (&r->waiting);
    if (request) {
      work_on (r, request);
      answer_locked (r);
      continue;
    }
    r->n_free++;
    g_cond_wait (&r->work, &r->lock);
    r->n_free--;
  }
  g_mutex_unlock (&r->lock);
  return NULL;
}

void
requests_submit (Requests *r, BpBlockRequest *request)
{
  bool wake = false;
  g_mutex_lock (&r->lock);
  if (!r->image) {
    finish_later (r, request, ENOMEDIUM);
  } else {
    g_queue_push_tail (&r->waiting, request);
    if (r->n_free < r->waiting.length && r->n_threads < N_THREADS) {
      r->threads[r->n_threads] = g_thread_try_new ("block", run_thread, r, NULL);
      r->n_threads += r->threads[r->n_threads] != NULL;
    }
    wake = r->n_free > 0;
    if (!r->n_threads)          /* the host has no thread to spare */
      finish_later (r, g_queue_pop_tail (&r->waiting), EIO);
  }
  g_mutex_unlock (&r->lock);
  if (wake)                     /* it needs the lock */
    g_cond_signal (&r->work);
}

bool
requests_try (Requests *r, const BpBlockRequest *request, int *error)
{
  ImageSpan span = { request->iov, request->n_iov, 0 };
  g_mutex_lock (&r->lock);
  Image *image = request->op == BP_BLOCK_READ && request->size ? r->image : NULL;
  if (image)
    r->under_way++;
  g_mutex_unlock (&r->lock);
  if (!image)
    return false;
  int code = is_sound (image, request) ? image_try_read (image, request->offset, &span, request->size) : EAGAIN;
  g_mutex_lock (&r->lock);
  r->under_way--;
  if (!code)
    count (r, request);
  wake_idle (r);
  g_mutex_unlock (&r->lock);
  *error = 0;
  return !code;
}

/* --- the whole ------------------------------------------------------------------------------------------- */

Requests *
requests_new (const void *self, bool write_through)
{
  Requests *r = g_new0 (Requests, 1);
  r->self = self;
  r->machine = bp_object_machine (self);
  r->write_through = write_through;
  g_mutex_init (&r->lock);
  g_cond_init (&r->work);
  g_cond_init (&r->idle);
  g_queue_init (&r->waiting);
  g_queue_init (&r->finished);
  return r;
}

void
requests_set_image (Requests *r, Image *image)
{
  BpBlockRequest *request;
  g_mutex_lock (&r->lock);
  while ((request = g_queue_pop_head (&r->waiting)))
    finish_later (r, request, ECANCELED);
  r->image = image;             /* what is under way keeps the old one */
  while (r->under_way)
    wait_idle (r);
  r->warned = false;
  g_mutex_unlock (&r->lock);
}

void
requests_drain (Requests *r)
{
  bp_machine_lock (r->machine);
  for (bool left = true; left;) {
    answer (r);
    g_mutex_lock (&r->lock);
    for (BpBlockRequest *request; (request = g_queue_pop_head (&r->waiting));)
      work_on (r, request);     /* the threads may all be waiting for the lock that is held here */
    while (!r->finished.length && r->under_way)
      wait_idle (r);
    left = r->finished.length;
    g_mutex_unlock (&r->lock);
  }
  bp_machine_unlock (r->machine);
}

void
requests_free (Requests *r)
{
  requests_drain (r);
  g_mutex_lock (&r->lock);
  r->stop = true;
  g_cond_broadcast (&r->work);
  g_mutex_unlock (&r->lock);
  for (unsigned i = 0; i < r->n_threads; i++)
    g_thread_join (r->threads[i]);
  drop_call (r);
  g_mutex_clear (&r->lock);
  g_cond_clear (&r->work);
  g_cond_clear (&r->idle);
  g_free (r);
}

void
requests_counters (Requests *r, uint64_t bytes[2], uint64_t n[2])
{
  g_mutex_lock (&r->lock);
  memcpy (bytes, r->bytes, sizeof r->bytes);
  memcpy (n, r->n, sizeof r->n);
  g_mutex_unlock (&r->lock);
}
