/* image-ring.c -- requests that the kernel does by itself: a backend's io_uring. */
/* SPDX-License-Identifier: MIT */
/*
 * A request is taken when its image has a plan for it.  Each piece of the plan is one entry of the ring; what comes back short, interrupted or refused makes the
 * whole request one to be done anew by a thread, whose transfers know all about ends of files: doing it twice does no harm, for nothing was answered.
 */
#include "image-ring.h"
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>
#ifdef HAVE_LIBURING
#include <liburing.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef HAVE_VALGRIND_MEMCHECK_H
#include <valgrind/memcheck.h>
#else
#define VALGRIND_MAKE_MEM_DEFINED(address, size) ((void) (address), (void) (size))
#endif

#define ENTRIES 256u            /* of the submission queue; the completion queue has twice as many */
#define MOST_VECTORS 1024u      /* what one transfer may have (IOV_MAX) */

typedef struct Flight Flight;

typedef struct FlightPiece {
  Flight *flight;
  uint64_t size;
} FlightPiece;

struct Flight {
  Flight *next;                 /* of those that have landed */
  BpBlockRequest *request;
  Image *image;
  ImagePlan plan;
  FlightPiece pieces[IMAGE_PIECES];
  unsigned left;                /* pieces in the ring */
  int code;
  struct iovec *vectors;        /* NULL: the request's own do */
};

struct ImageRing {
  GMutex lock;                  /* of all below but `flights` */
  struct io_uring uring;
  unsigned in_ring, prepared;   /* entries whose completion was not seen; those that the kernel has not seen */
  unsigned flights;             /* atomic */
  Flight *landed, **landed_end;
  void (*tell) (void *user, BpBlockRequest *request, int code);
  void *user;
};

/* --- life ------------------------------------------------------------------------------------------------- */

/* Debian 12's liburing declares functions for these and does not have them. */
static long
tell_ring (const struct io_uring *uring, unsigned what, const void *argument, unsigned n)
{
  return syscall (SYS_io_uring_register, uring->ring_fd, what, argument, n);
}

/* A filter of system calls sees nothing of what goes through a ring: this one takes reads and writes, for good.  Kernels before 5.10 cannot promise that. */
static int
open_ring (struct io_uring *uring)
{
  struct io_uring_restriction only[] = { { .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_READV },
                                         { .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_WRITEV } };
  int code = io_uring_queue_init (ENTRIES, uring, IORING_SETUP_R_DISABLED);
  if (code == -EINVAL)
    return io_uring_queue_init (ENTRIES, uring, 0);
  if (code == 0 && (tell_ring (uring, IORING_REGISTER_RESTRICTIONS, only, G_N_ELEMENTS (only)) || tell_ring (uring, IORING_REGISTER_ENABLE_RINGS, NULL, 0))) {
    code = -errno;
    io_uring_queue_exit (uring);
  }
  return code;
}

ImageRing *
image_ring_new (void (*landed) (void *user, BpBlockRequest *request, int code), void *user, GError **error)
{
  ImageRing *ring = g_new0 (ImageRing, 1);
  int code = -open_ring (&ring->uring);
  if (code) {
    g_free (ring);
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "the kernel gives no io_uring: %s%s", g_strerror (code),
                 code == EPERM ? " (sysctl kernel.io_uring_disabled, or a filter of system calls: [sandbox] allow = io_uring_setup io_uring_register)" : code == ENOMEM ? " (ulimit -l)" : "");
    return NULL;
  }
  g_mutex_init (&ring->lock);
  ring->tell = landed;
  ring->user = user;
  ring->landed_end = &ring->landed;
  return ring;
}

void
image_ring_free (ImageRing *ring)
{
  if (!ring)
    return;
  io_uring_queue_exit (&ring->uring);
  g_mutex_clear (&ring->lock);
  g_free (ring);
}

int
image_ring_descriptor (const ImageRing *ring)
{
  return ring->uring.ring_fd;
}

unsigned
image_ring_under_way (ImageRing *ring)
{
  return __atomic_load_n (&ring->flights, __ATOMIC_ACQUIRE);
}

/* --- there ------------------------------------------------------------------------------------------------ */

/* Zeros are made here; the others' entries are for the kernel, which reads vectors when it sees them at the latest. */
static unsigned
count_transfers (const Flight *f)
{
  unsigned n = 0;
  for (unsigned i = 0; i < f->plan.n; i++)
    n += f->plan.pieces[i].file != NULL;
  return n;
}

static void
prepare (ImageRing *ring, Flight *f, unsigned i, const struct iovec *vectors, unsigned n)
{
  const ImagePiece *p = &f->plan.pieces[i];
  struct io_uring_sqe *sqe = io_uring_get_sqe (&ring->uring);
  int fd = image_file_descriptor (p->file);
  switch (f->plan.kind) {
  case IMAGE_PLAN_READ: io_uring_prep_readv (sqe, fd, vectors, n, p->offset); break;
  default: io_uring_prep_writev2 (sqe, fd, vectors, n, p->offset, f->plan.kind == IMAGE_PLAN_WRITE_DURABLE ? RWF_DSYNC : 0);
  }
  f->pieces[i] = (FlightPiece) { f, p->size };
  io_uring_sqe_set_data (sqe, &f->pieces[i]);
  f->left++;
  ring->in_ring++;
  ring->prepared++;
}

static void
prepare_all (ImageRing *ring, Flight *f)
{
  const BpBlockRequest *r = f->request;
  ImageSpan span = { r->iov, r->n_iov, 0 };
  struct iovec *at = f->vectors;
  for (unsigned i = 0; i < f->plan.n; i++) {
    ImagePiece *p = &f->plan.pieces[i];
    uint64_t bytes;
    if (!p->file) {
      image_span_zero (&span, p->size);
      continue;
    }
    if (!f->vectors) {
      prepare (ring, f, i, r->iov, r->n_iov);
      continue;
    }
    unsigned n = image_span_vectors (&span, p->size, at, MOST_VECTORS, &bytes);
    prepare (ring, f, i, at, n);
    image_span_skip (&span, p->size);
    at += n;
  }
}

static ImagePlanKind
kind_of (const BpBlockRequest *request, bool durable)
{
  return request->op == BP_BLOCK_READ ? IMAGE_PLAN_READ : durable ? IMAGE_PLAN_WRITE_DURABLE : IMAGE_PLAN_WRITE;
}

bool
image_ring_take (ImageRing *ring, Image *image, BpBlockRequest *request, bool durable)
{
  if ((request->op != BP_BLOCK_READ && request->op != BP_BLOCK_WRITE) || request->n_iov > MOST_VECTORS)
    return false;
  ImageSpan span = { request->iov, request->n_iov, 0 };
  Flight *f = g_new (Flight, 1);
  *f = (Flight) { .request = request, .image = image, .plan.kind = kind_of (request, durable) };
  if (!image_plan (image, request->offset, &span, request->size, &f->plan)) {
    g_free (f);
    return false;
  }
  unsigned n = count_transfers (f);
  g_mutex_lock (&ring->lock);
  if (n && io_uring_sq_space_left (&ring->uring) < n && ring->prepared) {
    io_uring_submit (&ring->uring);
    ring->prepared = io_uring_sq_ready (&ring->uring);
  }
  bool fits = n && ring->in_ring + n <= 2 * ENTRIES && io_uring_sq_space_left (&ring->uring) >= n;
  if (fits) {
    if (f->plan.n > 1)
      f->vectors = g_new (struct iovec, request->n_iov + f->plan.n);
    prepare_all (ring, f);
    __atomic_add_fetch (&ring->flights, 1, __ATOMIC_RELAXED);
  }
  g_mutex_unlock (&ring->lock);
  if (!fits) {
    image_plan_over (image, &f->plan);
    g_free (f);
  }
  return fits;
}

/* What the kernel does not take now (it has no memory) it is asked to take again. */
static void
push (ImageRing *ring)
{
  if (ring->prepared)
    io_uring_submit (&ring->uring);
  ring->prepared = io_uring_sq_ready (&ring->uring);
}

bool
image_ring_push (ImageRing *ring)
{
  g_mutex_lock (&ring->lock);
  push (ring);
  bool all = !ring->prepared;
  g_mutex_unlock (&ring->lock);
  return all;
}

/* --- and back --------------------------------------------------------------------------------------------- */

static int
result_of (const FlightPiece *piece, int result)
{
  if (result < 0)
    return result == -EINTR || result == -EAGAIN || result == -ECANCELED || result == -EINVAL || result == -EOPNOTSUPP ? IMAGE_RING_AGAIN : -result;
  return (uint64_t) result == piece->size ? 0 : IMAGE_RING_AGAIN;
}

/* Under `lock`. */
static void
collect (ImageRing *ring)
{
  struct io_uring_cqe *cqe;
  while (io_uring_peek_cqe (&ring->uring, &cqe) == 0) {
    FlightPiece *piece = io_uring_cqe_get_data (cqe);
    Flight *f = piece->flight;
    int code = result_of (piece, cqe->res);
    io_uring_cqe_seen (&ring->uring, cqe);
    ring->in_ring--;
    if (code && (!f->code || f->code == IMAGE_RING_AGAIN))
      f->code = code;
    if (--f->left)
      continue;
    f->next = NULL;
    *ring->landed_end = f;
    ring->landed_end = &f->next;
  }
}

/* Valgrind sees system calls alone: a read's bytes, which no call brought, it takes for ones that nobody wrote. */
static void
tell_memcheck (const Flight *f)
{
  for (unsigned i = 0; f->plan.kind == IMAGE_PLAN_READ && !f->code && i < f->request->n_iov; i++)
    VALGRIND_MAKE_MEM_DEFINED (f->request->iov[i].iov_base, f->request->iov[i].iov_len);
}

/* Told without the lock: who hears of it may submit more.  It is under way until it was told. */
static void
collect_and_tell (ImageRing *ring)
{
  collect (ring);
  Flight *landed = ring->landed;
  ring->landed = NULL;
  ring->landed_end = &ring->landed;
  g_mutex_unlock (&ring->lock);
  for (Flight *f = landed, *next; f; f = next) {
    next = f->next;
    image_plan_over (f->image, &f->plan);
    tell_memcheck (f);
    ring->tell (ring->user, f->request, f->code);
    __atomic_sub_fetch (&ring->flights, 1, __ATOMIC_RELEASE);
    g_free (f->vectors);
    g_free (f);
  }
}

void
image_ring_reap (ImageRing *ring)
{
  g_mutex_lock (&ring->lock);
  collect_and_tell (ring);
}

void
image_ring_wait (ImageRing *ring)
{
  struct io_uring_cqe *cqe;
  g_mutex_lock (&ring->lock);
  push (ring);
  if (ring->in_ring > ring->prepared)
    io_uring_wait_cqe (&ring->uring, &cqe);
  else if (ring->prepared)
    g_usleep (1000);            /* the kernel takes nothing now */
  collect_and_tell (ring);
}

#else /* without liburing */

ImageRing *
image_ring_new (void (*landed) (void *user, BpBlockRequest *request, int code), void *user, GError **error)
{
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "this program was built without liburing");
  return NULL;
}

void image_ring_free (ImageRing *ring) { }
int image_ring_descriptor (const ImageRing *ring) { return -1; }
bool image_ring_take (ImageRing *ring, Image *image, BpBlockRequest *request, bool durable) { return false; }
bool image_ring_push (ImageRing *ring) { return true; }
void image_ring_reap (ImageRing *ring) { }
void image_ring_wait (ImageRing *ring) { }
unsigned image_ring_under_way (ImageRing *ring) { return 0; }

#endif
