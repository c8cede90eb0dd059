/* blk-request.c -- requests of a virtio block device (VIRTIO 1.2, 5.2.6): from the driver's buffer to the backend, back, and again after an error. */
/* SPDX-License-Identifier: MIT */
/*
 * The guest's memory is the backend's: nothing is copied.  In deterministic mode requests are done one after the other, each waited for, so that their answers
 * have the same order in each run; see blk.c for when.
 */
#include "blk.h"
#include <backplane/log.h>
#include <backplane/loop.h>
#include <backplane/machine.h>
#include <errno.h>

enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11, T_WRITE_ZEROES = 13 };
enum { S_OK = 0, S_IOERR = 1, S_UNSUPP = 2 };
enum { HEADER = 16, SEGMENT = 16, SEGMENT_UNMAP = 1 };
enum { SMALL = 65536 };         /* bytes that are copied faster than another thread wakes up */

struct BlkRequest {
  BpBlockRequest block;
  Blk *blk;
  BpVirtioBuffer *buffer;
  BlkRequest *next;             /* of those that failed */
  struct iovec *iov;            /* a copy, where the driver has put header or status into one part with data; else NULL */
  uint8_t *segments;            /* of a discard or write-zeroes, as the driver has written them */
  unsigned n_segments, segment;
};

size_t blk_request_size (void) { return sizeof (BlkRequest); }

static uint32_t get32 (const uint8_t *p) { uint32_t v; memcpy (&v, p, sizeof v); return GUINT32_FROM_LE (v); }
static uint64_t get64 (const uint8_t *p) { uint64_t v; memcpy (&v, p, sizeof v); return GUINT64_FROM_LE (v); }

/* --- answers ------------------------------------------------------------------------------ */

static void
show (Blk *b, unsigned queue)
{
  if (b->serving)
    b->shown_late |= UINT64_C (1) << MIN (queue, 63);
  else
    bp_virtio_notify (&b->bus, b->device, queue);
}

static void
forget (BlkRequest *r)
{
  g_clear_pointer (&r->iov, g_free);
  g_clear_pointer (&r->segments, g_free);
}

static void
finish (BlkRequest *r, uint8_t status)
{
  Blk *b = r->blk;
  BpVirtioBuffer *buffer = r->buffer;
  uint32_t written = (uint32_t) buffer->in_size;
  forget (r);
  bp_virtio_write (buffer, buffer->in_size - 1, &status, 1);
  unsigned queue = buffer->queue;
  bp_virtio_push (&b->bus, b->device, buffer, written);
  show (b, queue);
}

/* --- to the backend and back ---------------------------------------------------------------- */

static void conclude (BlkRequest *r, int error);

/* [any][locked] */
static void
request_done (BpBlockRequest *block, int error)
{
  conclude (block->user, error);
}

static void
submit (BlkRequest *r)
{
  Blk *b = r->blk;
  int error;
  r->block.struct_size = sizeof r->block;
  r->block.done = request_done;
  r->block.user = r;
  if (r->block.op <= BP_BLOCK_WRITE && r->block.size <= SMALL && !b->deterministic && bp_block_try (&b->backend, &r->block, &error)) {
    conclude (r, error);
    return;
  }
  bp_block_submit (&b->backend, &r->block);
  if (b->deterministic)
    bp_block_drain (&b->backend);
}

/* The guest chooses the numbers; that a segment lies within the medium is the backend's to see. */
static uint8_t
begin_segment (BlkRequest *r)
{
  const uint8_t *s = r->segments + r->segment * SEGMENT;
  uint64_t sector = get64 (s), n = get32 (s + 8);
  uint32_t flags = get32 (s + 12);
  bool zeroes = r->block.op == BP_BLOCK_WRITE_ZEROES;
  if (flags & ~(zeroes ? SEGMENT_UNMAP : 0u))
    return S_UNSUPP;
  if (n > BLK_SEGMENT_SECTORS || sector > UINT64_MAX / BLK_SECTOR - n)
    return S_IOERR;
  r->block.offset = sector * BLK_SECTOR;
  r->block.size = n * BLK_SECTOR;
  r->block.flags = (flags & SEGMENT_UNMAP ? BP_BLOCK_UNMAP : 0) | (zeroes && blk_is_durable (r->blk) ? BP_BLOCK_FUA : 0);
  submit (r);
  return S_OK;
}

/* The user has to know each time: nothing else tells why the machine stands. */
static void
hold (BlkRequest *r, int error)
{
  Blk *b = r->blk;
  const char *what = r->block.op == BP_BLOCK_READ ? "read" : r->block.op == BP_BLOCK_FLUSH ? "flush" : "write";
  if (!b->failed)
    bp_warn (b, "the host cannot %s: %s; the machine stops, and tries again when it is continued", what, g_strerror (error));
  r->next = NULL;
  *b->failed_end = r;
  b->failed_end = &r->next;
  bp_machine_request_stop (bp_object_machine (b), BP_RUN_IO_ERROR);
}

static void
conclude (BlkRequest *r, int error)
{
  Blk *b = r->blk;
  BpBlockPolicy what = bp_block_policy (b->rerror, b->werror, r->block.op, error);
  if (b->stopping) {
    forget (r);
    return;
  }
  if (what == BP_BLOCK_STOP) {
    hold (r, error);
    return;
  }
  if (what == BP_BLOCK_IGNORE)
    error = 0;
  uint8_t status = error ? S_IOERR : S_OK;
  if (!error && ++r->segment < r->n_segments) {
    status = begin_segment (r);
    if (!status)
      return;
  }
  finish (r, status);
}

/* --- from the driver --------------------------------------------------------------------------- */

/* What is between the first `skip` and the last `cut` bytes. */
static void
set_data (BlkRequest *r, const struct iovec *iov, unsigned n, size_t skip, size_t cut)
{
  for (; n && skip >= iov->iov_len; iov++, n--)
    skip -= iov->iov_len;
  for (; n && cut >= iov[n - 1].iov_len; n--)
    cut -= iov[n - 1].iov_len;
  if (n && (skip || cut)) {
    r->iov = g_memdup2 (iov, n * sizeof *iov);
    r->iov[0].iov_base = (uint8_t *) r->iov[0].iov_base + skip;
    r->iov[0].iov_len -= skip;
    r->iov[n - 1].iov_len -= cut;
  }
  r->block.iov = r->iov ? r->iov : iov;
  r->block.n_iov = n;
}

static uint8_t
begin_transfer (BlkRequest *r, bool write, uint64_t sector)
{
  const BpVirtioBuffer *buffer = r->buffer;
  uint64_t size = write ? buffer->out_size - HEADER : buffer->in_size - 1;
  if (size % BLK_SECTOR || size > BLK_REQUEST_MOST || sector > UINT64_MAX / BLK_SECTOR) {
    bp_log_guest (r->blk, "a request of 0x%" G_GINT64_MODIFIER "x bytes at sector 0x%" G_GINT64_MODIFIER "x", size, sector);
    return S_IOERR;
  }
  if (write)
    set_data (r, buffer->out, buffer->n_out, HEADER, 0);
  else
    set_data (r, buffer->in, buffer->n_in, 0, 1);
  r->block.op = write ? BP_BLOCK_WRITE : BP_BLOCK_READ;
  r->block.flags = write && blk_is_durable (r->blk) ? BP_BLOCK_FUA : 0;
  r->block.offset = sector * BLK_SECTOR;
  r->block.size = size;
  submit (r);
  return S_OK;
}

static uint8_t
begin_segments (BlkRequest *r, BpBlockOp op)
{
  uint64_t size = r->buffer->out_size - HEADER;
  if (!size || size % SEGMENT || size / SEGMENT > BLK_SEGMENTS)
    return S_IOERR;
  r->block.op = op;
  r->segments = g_malloc (size);
  r->n_segments = (unsigned) (size / SEGMENT);
  bp_virtio_read (r->buffer, HEADER, r->segments, size);
  return begin_segment (r);
}

static void
answer_id (BlkRequest *r)
{
  char id[BLK_SERIAL] = { 0 };
  const char *serial = r->blk->serial ? r->blk->serial : "";
  memcpy (id, serial, MIN (strlen (serial), sizeof id));
  bp_virtio_write (r->buffer, 0, id, MIN (sizeof id, r->buffer->in_size - 1));
  finish (r, S_OK);
}

/* S_OK: it is under way, or answered. */
static uint8_t
begin (BlkRequest *r, const uint8_t header[HEADER])
{
  Blk *b = r->blk;
  switch (get32 (header)) {
  case T_IN: return begin_transfer (r, false, get64 (header + 8));
  case T_OUT: return begin_transfer (r, true, get64 (header + 8));
  case T_FLUSH:
    r->block.op = BP_BLOCK_FLUSH;
    submit (r);
    return S_OK;
  case T_GET_ID: answer_id (r); return S_OK;
  case T_DISCARD: return blk_has (b, BLK_F_DISCARD) ? begin_segments (r, BP_BLOCK_DISCARD) : S_UNSUPP;
  case T_WRITE_ZEROES: return blk_has (b, BLK_F_WRITE_ZEROES) ? begin_segments (r, BP_BLOCK_WRITE_ZEROES) : S_UNSUPP;
  default: bp_log_unimp (b, "a request of type %u", get32 (header)); return S_UNSUPP;
  }
}

static bool
take (Blk *b, BpVirtioBuffer *buffer)
{
  BlkRequest *r = buffer->data;
  uint8_t header[HEADER];
  r->blk = b;
  r->buffer = buffer;
  if (buffer->in_size < 1 || bp_virtio_read (buffer, 0, header, sizeof header) != sizeof header) {
    blk_bus (b)->broken (b->bus.instance, b->device, "a request without a whole header, or without room for its status");
    return false;
  }
  uint8_t status = begin (r, header);
  if (status)
    finish (r, status);
  return true;
}

/* --- all of them --------------------------------------------------------------------------------- */

static void
serving_begins (Blk *b)
{
  b->serving = true;
  bp_block_batch_begin (&b->backend);
}

static void
serving_ends (Blk *b)
{
  bp_block_batch_end (&b->backend);
  b->serving = false;
  for (unsigned q = 0; q < b->n_queues && b->shown_late; q++)
    if (b->shown_late >> MIN (q, 63) & 1)
      bp_virtio_notify (&b->bus, b->device, q);
  b->shown_late = 0;
}

void
blk_serve (Blk *b, unsigned queue)
{
  BpVirtioBuffer *buffer;
  serving_begins (b);
  while ((buffer = bp_virtio_pop (&b->bus, b->device, queue)) && take (b, buffer))
    ;
  serving_ends (b);
}

void
blk_retry (Blk *b)
{
  BlkRequest *r = b->failed;
  b->failed = NULL;
  b->failed_end = &b->failed;
  serving_begins (b);
  for (BlkRequest *next; r; r = next) {
    next = r->next;
    submit (r);
  }
  serving_ends (b);
}

void
blk_cancel (Blk *b)
{
  b->stopping = true;
  bp_block_drain (&b->backend);
  for (BlkRequest *r = b->failed; r; r = r->next)
    forget (r);
  b->failed = NULL;
  b->failed_end = &b->failed;
  b->stopping = false;
}

/* --- the backend ---------------------------------------------------------------------- */

/* [main][locked] */
static void
on_changed (void *user)
{
  Blk *b = user;
  if (b->device)
    blk_bus (b)->config_changed (b->bus.instance, b->device);
}

/* Requests are answered on the thread that makes them. */
bool
blk_attach (Blk *b, GError **error)
{
  BpMachine *m = bp_object_machine (b);
  if (b->iothread && !b->deterministic && !(b->loop = bp_loop_new_thread (bp_object_id (b)))) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "iothread = on: the host has no thread to spare");
    return false;
  }
  b->handlers = (BpBlockHandlers) { .struct_size = sizeof b->handlers, .changed = on_changed, .loop = b->loop ? b->loop : bp_loop_main (m) };
  b->attached = bp_block_attach (&b->backend, &b->handlers, b);
  if (!b->attached)
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "drive = %s is another device's already", bp_object_id (b->backend.instance));
  return b->attached;
}

static void free_loop (void *loop) { bp_loop_free (loop); }

void
blk_detach (Blk *b)
{
  if (b->attached)
    bp_block_attach (&b->backend, NULL, NULL);
  b->attached = false;
  if (b->loop)                  /* its thread may wait for the lock that is held here */
    bp_loop_post (bp_loop_main (bp_object_machine (b)), false, NULL, free_loop, b->loop);
  b->loop = NULL;
}
