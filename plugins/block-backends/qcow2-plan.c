/* qcow2-plan.c -- requests on a qcow2 image that come to transfers of clusters, which the kernel does while nobody holds the image's lock. */
/* SPDX-License-Identifier: MIT */
/*
 * A cluster that such a transfer goes to may lose its last reference meanwhile (the guest discards what it is just writing).  It must not become another's
 * before the transfer is over.  So plans are counted by the epoch in which they began, there are two, and clusters that lost a reference are free when all plans of
 * the epoch in which that happened, and of the one before, are over: the epoch changes when no plan of the one before is left, and what parted with its table then
 * waits for those of the present one.
 */
#include "qcow2.h"
#include <errno.h>

GArray *
qcow2_plan_parted (Qcow2 *q)
{
  if (__atomic_load_n (&q->plans[!q->epoch], __ATOMIC_ACQUIRE))
    return NULL;
  if (q->parted->len)
    return q->parted;
  GArray *none = q->parted;
  q->parted = q->frees;
  q->frees = none;
  q->epoch = !q->epoch;
  return __atomic_load_n (&q->plans[!q->epoch], __ATOMIC_ACQUIRE) ? NULL : q->parted;
}

static void
hold (Qcow2 *q, ImagePlan *plan)
{
  plan->held = true;
  plan->hold = q->epoch;
  __atomic_add_fetch (&q->plans[q->epoch], 1, __ATOMIC_RELAXED);
}

/* The next L2 entry may belong to a table: data never goes there. */
static bool
may_write (Qcow2 *q, const Qcow2Run *run)
{
  if (run->kind != QCOW2_DATA || !run->own || q->corrupt)
    return false;
  uint64_t first = run->host >> q->header.cluster_bits, last = (run->host + run->size - 1) >> q->header.cluster_bits;
  for (uint64_t c = first; c <= last; c++)
    if (qcow2_is_metadata (q, c))
      return false;             /* told where it is done */
  return true;
}

int
qcow2_try_write (Qcow2 *q, uint64_t offset, ImageSpan *from, uint64_t size)
{
  while (size) {
    Qcow2Run run;
    if (!qcow2_map_now (q, offset, size, &run) || !may_write (q, &run) || image_file_try_write (q->file, run.host, from, run.size))
      return EAGAIN;
    image_span_skip (from, run.size);
    offset += run.size;
    size -= run.size;
  }
  return 0;
}

/* Nothing of it is held: files behind an image are not written. */
static bool
add_backing (Qcow2 *q, uint64_t offset, const ImageSpan *span, uint64_t size, ImagePlan *plan)
{
  Image *backing = q->image->backing;
  if (!backing || offset >= backing->size)
    return image_plan_add (plan, NULL, 0, size);
  uint64_t there = MIN (size, backing->size - offset);
  if (!backing->read_only || !backing->format->plan || !backing->format->plan (backing, offset, span, there, plan))
    return false;
  return there == size || image_plan_add (plan, NULL, 0, size - there);
}

static bool
add_run (Qcow2 *q, uint64_t offset, const ImageSpan *span, const Qcow2Run *run, ImagePlan *plan)
{
  if (plan->kind != IMAGE_PLAN_READ)
    return may_write (q, run) && image_plan_add (plan, q->file, run->host, run->size);
  switch (run->kind) {
  case QCOW2_DATA: return image_plan_add (plan, q->file, run->host, run->size);
  case QCOW2_ZEROS: return image_plan_add (plan, NULL, 0, run->size);
  case QCOW2_UNALLOCATED: return add_backing (q, offset, span, run->size, plan);
  default: return false;
  }
}

static bool
add_runs (Qcow2 *q, uint64_t offset, const ImageSpan *span, uint64_t size, ImagePlan *plan)
{
  while (size) {
    Qcow2Run run;
    if (!qcow2_map_now (q, offset, size, &run) || !add_run (q, offset, span, &run, plan))
      return false;
    offset += run.size;
    size -= run.size;
  }
  return true;
}

/* Tables that are not on the disk yet have to be before a durable write is over. */
bool
qcow2_plan (Image *image, uint64_t offset, const ImageSpan *span, uint64_t size, ImagePlan *plan)
{
  Qcow2 *q = image->state;
  if (pthread_rwlock_tryrdlock (&q->lock) != 0)
    return false;
  bool waits = plan->kind == IMAGE_PLAN_WRITE_DURABLE && (q->changed || !image_file_can_flush (q->file));
  bool fine = !waits && add_runs (q, offset, span, size, plan);
  if (fine && !image->read_only)
    hold (q, plan);
  pthread_rwlock_unlock (&q->lock);
  return fine;
}

void
qcow2_plan_over (Image *image, const ImagePlan *plan)
{
  Qcow2 *q = image->state;
  __atomic_sub_fetch (&q->plans[plan->hold], 1, __ATOMIC_RELEASE);
}
