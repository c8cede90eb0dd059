/* image-requests.c -- a device's requests: the kernel does those that are simple, a few threads the others; answers. */
/* SPDX-License-Identifier: MIT */
/*
 * A request goes from `waiting` to a thread and then to `finished`; the thread takes the machine lock and answers all that are there by then.  It is not
 * under way any more while it waits for the lock, whose holder may be waiting for it.  Requests that are under way together have no order, as the
 * interface says, so a flush needs no special place: what was answered before it is in the image when it starts.
 *
 * A lone write to the page cache takes less time than a thread to wake up: the vCPU that asked for it does it itself, when it has left the device and the lock.  A host
 * whose memory for such pages is full makes it wait, though, so after a slow one threads have their turn until many in a row were quick.
 *
 * What comes to plain transfers of the host's files goes to the kernel, through a ring (image-ring.h), and is answered by the loop that watches it, or at the end
 * of a batch.  It may come back to be done by a thread.
 *
 * What never came to a thread is answered by a call on the main loop, a source of our own and not bp_loop_post's, because it must not outlive the
 * machine that it locks.
 */
#include "image-requests.h"
#include "image-ring.h"
#include <backplane/log.h>
#include <backplane/memory.h>
#include <errno.h>
#include <string.h>

#define N_THREADS 4u
#define HERE_MOST (UINT64_C (256) << 10)        /* bytes that who asks copies himself */
#define SLOW_US 4000            /* a tick of a guest's clock: longer than this no vCPU stands still twice */
#define QUICK_IN_A_ROW 256u

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
  ImageRing *ring;              /* NULL: none */
  unsigned batch;               /* begun and not ended */
  bool attached;                /* [main] */
  BpLoop *loop, *own;           /* [main]: the device's, NULL: none; a thread for what the ring has done */
  unsigned watch;               /* of the ring; 0: none, so it is not used */
  GSource *call;                /* to answer, on the main loop; NULL: none is due */
  GSource *again;               /* to have the kernel take what it did not, on the main loop; NULL: it did */
  bool stop, warned, here;      /* here: an access that is under way ends with serve_here */
  unsigned distrust;            /* quick writes that are wanted before one is done here again */
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

static bool
is_durable (const Requests *r, const BpBlockRequest *request)
{
  return request->flags & BP_BLOCK_FUA || r->write_through;
}

static int
perform (Requests *r, Image *image, const BpBlockRequest *request)
{
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
  return code || !is_durable (r, request) ? code : image_flush (image);
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

static bool
kernel_has_some (Requests *r)
{
  return r->ring && image_ring_under_way (r->ring);
}

/* The ring first: whoever watches it may need a lock that is held here. */
static void
wait_any (Requests *r)
{
  if (!kernel_has_some (r)) {
    wait_idle (r);
    return;
  }
  g_mutex_unlock (&r->lock);
  image_ring_wait (r->ring);
  g_mutex_lock (&r->lock);
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
drop_source (GSource **source)
{
  if (*source) {
    g_source_destroy (*source);
    g_source_unref (*source);
  }
  *source = NULL;
}

static gboolean
answer_called (void *user)
{
  Requests *r = user;
  bp_machine_lock (r->machine);
  g_mutex_lock (&r->lock);
  drop_source (&r->call);       /* what finishes from now on needs another */
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

/* Under `lock`. */
static void
answer_later (Requests *r)
{
  if (r->call)
    return;
  r->call = g_idle_source_new ();
  g_source_set_priority (r->call, G_PRIORITY_DEFAULT);
  g_source_set_callback (r->call, answer_called, r, NULL);
  g_source_attach (r->call, bp_loop_context (bp_loop_main (r->machine)));
}

static void
finish_later (Requests *r, BpBlockRequest *request, int code)
{
  finish (r, request, code);
  answer_later (r);
}

/* --- what the kernel does not take ------------------------------------------------------------------------ */

#define AGAIN_MS 2

static void push (Requests *r);

static gboolean
push_again (void *user)
{
  Requests *r = user;
  bp_machine_lock (r->machine);
  g_mutex_lock (&r->lock);
  drop_source (&r->again);
  g_mutex_unlock (&r->lock);
  push (r);
  bp_machine_unlock (r->machine);
  return G_SOURCE_REMOVE;
}

/* The next request may never come, so a clock asks again. */
static void
push (Requests *r)
{
  if (image_ring_push (r->ring))
    return;
  g_mutex_lock (&r->lock);
  if (!r->again) {
    r->again = g_timeout_source_new (AGAIN_MS);
    g_source_set_priority (r->again, G_PRIORITY_DEFAULT);
    g_source_set_callback (r->again, push_again, r, NULL);
    g_source_attach (r->again, bp_loop_context (bp_loop_main (r->machine)));
  }
  g_mutex_unlock (&r->lock);
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
  gint64 start = g_get_monotonic_time ();
  int code = perform (r, image, request);
  bool slow = g_get_monotonic_time () - start > SLOW_US;
  g_mutex_lock (&r->lock);
  r->under_way--;
  if (request->op == BP_BLOCK_WRITE)
    r->distrust = slow ? QUICK_IN_A_ROW : r->distrust - (r->distrust > 0);
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

static void *run_thread (void *data);

/* Under `lock`.  Whether a thread is to be woken. */
static bool
enqueue (Requests *r, BpBlockRequest *request)
{
  g_queue_push_tail (&r->waiting, request);
  if (r->n_free < r->waiting.length && r->n_threads < N_THREADS) {
    r->threads[r->n_threads] = g_thread_try_new ("block", run_thread, r, NULL);
    r->n_threads += r->threads[r->n_threads] != NULL;
  }
  if (!r->n_threads) {          /* the host has none to spare: slowly is better than not at all */
    work_on (r, g_queue_pop_tail (&r->waiting));
    answer_later (r);
  }
  return r->n_free > 0;
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

/* --- on the thread that asks ------------------------------------------------------------------------------ */

/* What waited may be another's by now. */
static void
serve_here (void *user)
{
  Requests *r = user;
  g_mutex_lock (&r->lock);
  BpBlockRequest *request = g_queue_pop_head (&r->waiting);
  if (request) {
    work_on (r, request);
    r->here = false;            /* the answer may leave the next */
    answer_locked (r);
  } else {
    r->here = false;
  }
  wake_idle (r);
  g_mutex_unlock (&r->lock);
}

/* Under `lock`.  Several at a time are faster on several threads. */
static bool
leave_here (Requests *r, BpBlockRequest *request)
{
  if (request->op != BP_BLOCK_WRITE || request->size > HERE_MOST || is_durable (r, request) || r->image->options.direct || r->distrust || r->under_way ||
      r->waiting.length || r->here || !bp_memory_after_access (r->machine, serve_here, r))
    return false;
  r->here = true;
  g_queue_push_tail (&r->waiting, request);
  return true;
}

void
requests_submit (Requests *r, BpBlockRequest *request)
{
  bool taken = false, kick = false, wake = false;
  g_mutex_lock (&r->lock);
  if (!r->image) {
    finish_later (r, request, ENOMEDIUM);
  } else {
    taken = r->watch && is_sound (r->image, request) && image_ring_take (r->ring, r->image, request, is_durable (r, request));
    kick = taken && !r->batch;
    wake = !taken && !leave_here (r, request) && enqueue (r, request);
  }
  g_mutex_unlock (&r->lock);
  if (kick)
    push (r);
  if (wake)                     /* it needs the lock */
    g_cond_signal (&r->work);
}

/* --- the kernel ------------------------------------------------------------------------------------------ */

static void
landed (void *user, BpBlockRequest *request, int code)
{
  Requests *r = user;
  bool wake = false;
  g_mutex_lock (&r->lock);
  if (code == IMAGE_RING_AGAIN && r->image) {
    wake = enqueue (r, request);
  } else {
    if (code == IMAGE_RING_AGAIN)
      code = ECANCELED;
    if (code)
      warn (r, r->image, request, code);
    else
      count (r, request);
    finish (r, request, code);
  }
  g_mutex_unlock (&r->lock);
  if (wake)
    g_cond_signal (&r->work);
}

/* [locked] */
static bool
on_ring (void *user, GIOCondition condition)
{
  Requests *r = user;
  image_ring_reap (r->ring);
  answer (r);
  return true;
}

void
requests_batch (Requests *r, bool begin)
{
  g_mutex_lock (&r->lock);
  bool end = begin ? !++r->batch : !--r->batch;
  g_mutex_unlock (&r->lock);
  if (!end || !r->ring || !image_ring_under_way (r->ring))
    return;
  push (r);
  image_ring_reap (r->ring);    /* what was in the host's memory is there already */
  answer (r);
}

/* Under the machine lock, which keeps the callback away. */
static void
unwatch (Requests *r)
{
  bp_machine_lock (r->machine);
  g_mutex_lock (&r->lock);
  unsigned watch = r->watch;
  r->watch = 0;
  g_mutex_unlock (&r->lock);
  if (watch)
    bp_loop_unwatch (r->loop ? r->loop : r->own, watch);
  bp_machine_unlock (r->machine);
}

static void
watch (Requests *r)
{
  if (!r->ring || !r->attached || r->watch)
    return;
  if (!r->loop && !r->own && !(r->own = bp_loop_new_thread ("block-ring")))
    return;                     /* threads do what there is: one is made when there is work, or who submits hears of it */
  unsigned id = bp_loop_watch_fd (r->loop ? r->loop : r->own, r->machine, image_ring_descriptor (r->ring), G_IO_IN, on_ring, r);
  g_mutex_lock (&r->lock);
  r->watch = id;
  g_mutex_unlock (&r->lock);
}

bool
requests_use_ring (Requests *r, GError **error)
{
  r->ring = image_ring_new (landed, r, error);
  watch (r);
  return r->ring;
}

void
requests_attach (Requests *r, bool attached, BpLoop *loop)
{
  unwatch (r);
  r->attached = attached;
  r->loop = loop;
  watch (r);
}

bool
requests_try (Requests *r, const BpBlockRequest *request, int *error)
{
  ImageSpan span = { request->iov, request->n_iov, 0 };
  g_mutex_lock (&r->lock);
  bool write = request->op == BP_BLOCK_WRITE && !is_durable (r, request);
  Image *image = (request->op == BP_BLOCK_READ || write) && request->size ? r->image : NULL;
  if (image)
    r->under_way++;
  g_mutex_unlock (&r->lock);
  if (!image)
    return false;
  int code = EAGAIN;
  if (is_sound (image, request))
    code = write ? image_try_write (image, request->offset, &span, request->size) : image_try_read (image, request->offset, &span, request->size);
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
  while (r->under_way || kernel_has_some (r))
    wait_any (r);
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
    while (!r->finished.length && !r->waiting.length && (r->under_way || kernel_has_some (r)))
      wait_any (r);
    left = r->finished.length || r->waiting.length;
    g_mutex_unlock (&r->lock);
  }
  bp_machine_unlock (r->machine);
}

/* Devices submit under the machine lock: what is left to wait for is others'. */
int
requests_resize (Requests *r, uint64_t size)
{
  bp_machine_lock (r->machine);
  requests_drain (r);
  g_mutex_lock (&r->lock);
  while (r->under_way || kernel_has_some (r))
    wait_any (r);
  int code = r->image ? image_resize (r->image, size) : ENOMEDIUM;
  g_mutex_unlock (&r->lock);
  bp_machine_unlock (r->machine);
  return code;
}

void
requests_free (Requests *r)
{
  requests_drain (r);
  g_mutex_lock (&r->lock);
  while (r->here)
    wait_idle (r);
  r->stop = true;
  g_cond_broadcast (&r->work);
  g_mutex_unlock (&r->lock);
  for (unsigned i = 0; i < r->n_threads; i++)
    g_thread_join (r->threads[i]);
  unwatch (r);
  bp_loop_free (r->own);
  image_ring_free (r->ring);
  drop_source (&r->call);
  drop_source (&r->again);
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
