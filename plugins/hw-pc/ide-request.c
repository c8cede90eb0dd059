/* ide-request.c -- a drive's one request to its block backend: memory for it, the policy for errors, a second try, cancelling. */
/* SPDX-License-Identifier: MIT */
/*
 * The backend's answer comes when the host has it, and counts at once; for a small read that the host has in memory that is before the guest's next
 * instruction.  In deterministic mode a request is no more than a note until a timer says so, which was armed with a time that depends on nothing but
 * the request: then memory is looked up, the host is asked, the machine waits for it, and the answer counts, before the guest does anything else.
 * So a machine that was loaded in between, which has the note and the timer, does the same as the one that went on.
 *
 * A request under way is part of the saved state, and can be made again: its memory is the buffer, or what the adapter maps for the same bytes.
 */
#include "ide-request.h"
#include <backplane/clock.h>
#include <backplane/machine.h>
#include <errno.h>
#include <string.h>

#define LATENCY_NS 50000        /* deterministic mode: of a request, and of a byte */
#define BYTE_NS 4
#define SMALL (128u << 10)      /* bytes that are copied faster than another thread wakes up */

const char *const ide_policy_names[] = { BP_BLOCK_POLICY_NAMES };

static BpMachine *machine_of (const IdeDrive *d) { return bp_object_machine (d); }

/* --- answers ------------------------------------------------------------------------------- */

/* How much of it the guest's memory takes now. */
static uint64_t
map (IdeDrive *d, uint64_t most, unsigned unit)
{
  d->mapped = ide_bus (d)->dma_map (d->bus.instance, d->slot, most, unit, &d->iov, &d->n_iov);
  return d->mapped;
}

static void
unmap (IdeDrive *d, bool moved)
{
  if (d->mapped)
    ide_bus (d)->dma_unmap (d->bus.instance, d->slot, moved);
  d->mapped = 0;
}

/* The request stays as it is when the machine is stopped for it: see resumed. */
static void
conclude (IdeDrive *d)
{
  int error = d->result, what = bp_block_policy (d->read_policy, d->write_policy, (BpBlockOp) d->op, error);
  unsigned work = d->work;
  d->answered = false;
  if (what == BP_BLOCK_STOP) {
    unmap (d, false);
    bp_machine_request_stop (machine_of (d), BP_RUN_IO_ERROR);
    return;
  }
  if (what == BP_BLOCK_IGNORE)
    error = 0;
  unmap (d, error == 0);
  d->work = 0;
  d->ops->answered (d, work, error);
}

/* An answer leads to the next request, which may be answered before it returns: this goes round and not deeper, for the guest chooses how often. */
static void
conclude_all (IdeDrive *d)
{
  if (d->held)
    return;
  d->held = true;
  while (d->answered)
    conclude (d);
  d->held = false;
}

/* [any][locked] */
static void
request_done (BpBlockRequest *request, int error)
{
  IdeDrive *d = request->user;
  d->submitted = false;
  d->answered = true;
  d->result = error;
  conclude_all (d);
}

/* Waits for the answer, and leaves it to the caller. */
static void
drain (IdeDrive *d)
{
  const BpBlockIface *t = d->backend.table;
  bool held = d->held;
  d->held = true;
  if (d->submitted && BP_TABLE_HAS (t, drain))
    t->drain (d->backend.instance);
  d->held = held;
}

/* --- requests ------------------------------------------------------------------------------- */

/* For DMA the size becomes what there is of it. */
static bool
find_memory (IdeDrive *d)
{
  BpBlockRequest *r = &d->request;
  switch (d->memory) {
  case IDE_MEMORY_NONE:
    r->iov = NULL;
    r->n_iov = 0;
    return true;
  case IDE_MEMORY_BUFFER:
    if (d->position > IDE_BUFFER || d->size > IDE_BUFFER - d->position)
      return false;
    d->own = (struct iovec) { d->buffer + d->position, (size_t) d->size };
    r->iov = &d->own;
    r->n_iov = 1;
    return true;
  default:
    d->size = map (d, d->size, d->ops->sector);
    r->iov = d->iov;
    r->n_iov = d->n_iov;
    return d->size != 0;
  }
}

/* Without memory there is no request: the drive waits, with DMARQ up, until the guest starts the engine again or resets one of the two. */
static void
start (IdeDrive *d)
{
  BpBlockRequest *r = &d->request;
  *r = (BpBlockRequest) { .struct_size = sizeof *r, .op = (BpBlockOp) d->op, .flags = d->flags, .offset = d->offset, .done = request_done, .user = d };
  if (!find_memory (d)) {
    d->work = 0;
    return;
  }
  r->size = d->memory == IDE_MEMORY_NONE && d->op == BP_BLOCK_FLUSH ? 0 : d->size;
  if (d->op == BP_BLOCK_READ && d->size <= SMALL && bp_block_try (&d->backend, r, &d->result)) {
    d->answered = true;
    conclude_all (d);
    return;
  }
  d->submitted = true;
  bp_block_submit (&d->backend, r);
}

static void
begin (IdeDrive *d)
{
  if (bp_machine_is_deterministic (machine_of (d), NULL))
    bp_timer_arm (d->timer, bp_clock_now (machine_of (d), BP_CLOCK_VIRTUAL) + LATENCY_NS +
                              (d->memory == IDE_MEMORY_NONE ? 0 : (int64_t) d->size * BYTE_NS));
  else
    start (d);
}

void
ide_submit (IdeDrive *d, unsigned work, BpBlockOp op, uint64_t offset, uint64_t size, IdeMemory memory, uint32_t flags)
{
  g_assert (!d->work && work);
  d->work = (uint8_t) work;
  d->op = (uint8_t) op;
  d->memory = (uint8_t) memory;
  d->flags = flags;
  d->offset = offset;
  d->size = size;
  begin (d);
}

/* Deterministic mode.  An answer that leads to another request arms the timer anew. */
static void
due (void *user)
{
  IdeDrive *d = user;
  if (!d->work)
    return;
  start (d);
  drain (d);
  conclude_all (d);
}

void
ide_cancel (IdeDrive *d)
{
  drain (d);
  d->answered = false;
  if (d->timer)
    bp_timer_cancel (d->timer);
  unmap (d, false);
  d->work = 0;
}

bool
ide_dma_copy (IdeDrive *d, bool to_memory, uint32_t size)
{
  size = MIN (size, IDE_BUFFER - d->position);
  for (uint32_t part; size; size -= part) {
    part = (uint32_t) map (d, size, 1);
    if (!part)
      return false;
    for (unsigned i = 0; i < d->n_iov; i++) {
      uint8_t *memory = d->iov[i].iov_base, *own = d->buffer + d->position;
      memcpy (to_memory ? memory : own, to_memory ? own : memory, d->iov[i].iov_len);
      d->position += (uint32_t) d->iov[i].iov_len;
    }
    unmap (d, true);
  }
  return true;
}

/* --- the machine's life ---------------------------------------------------------------------- */

/* What failed and held the machine, or was loaded as it was under way, is tried (again). [main] */
static void
event (void *user, BpMachineEvent what, const char *detail)
{
  IdeDrive *d = user;
  bp_machine_lock (machine_of (d));
  if (what == BP_MACHINE_RESUMED && d->work && !d->submitted && !d->answered && !bp_timer_is_armed (d->timer))
    begin (d);
  if (what == BP_MACHINE_SHUTDOWN)      /* other devices' memory goes, perhaps before this drive does */
    ide_cancel (d);
  bp_machine_unlock (machine_of (d));
}

void
ide_requests_init (IdeDrive *d)
{
  d->timer = bp_timer_new (d, BP_CLOCK_VIRTUAL, due, d);
  d->watch = bp_machine_watch (machine_of (d), event, d);
}

void
ide_requests_finish (IdeDrive *d)
{
  bp_machine_lock (machine_of (d));
  ide_cancel (d);
  bp_machine_unlock (machine_of (d));
  bp_machine_unwatch (machine_of (d), d->watch);
  bp_timer_free (d->timer);
  d->timer = NULL;
}
