/* block.c -- a disk of a test: memory behind a block backend, which answers when it is told to, and fails where it is told to. */
/* SPDX-License-Identifier: MIT */
#include "stand-ins.h"
#include <errno.h>
#include <string.h>

/* --- requests ------------------------------------------------------------------------------ */

static void
move (StandInBlock *b, const BpBlockRequest *r)
{
  uint8_t *at = b->bytes + r->offset;
  for (unsigned i = 0; i < r->n_iov; i++) {
    memcpy (r->op == BP_BLOCK_READ ? r->iov[i].iov_base : at, r->op == BP_BLOCK_READ ? at : r->iov[i].iov_base, r->iov[i].iov_len);
    at += r->iov[i].iov_len;
  }
}

/* What a new medium holds: byte i of sector n is not that of another sector nearby. */
void
stand_in_block_fill (StandInBlock *b, uint64_t size)
{
  b->size = b->there = size;
  b->bytes = g_realloc (b->bytes, size + 1);
  for (uint64_t i = 0; i < size; i++)
    b->bytes[i] = (uint8_t) (i / BP_BLOCK_SECTOR * 7 + i % BP_BLOCK_SECTOR);
}

static bool
is_to_fail (const StandInBlock *b, const BpBlockRequest *r)
{
  uint64_t first = r->offset / BP_BLOCK_SECTOR, n = r->size / BP_BLOCK_SECTOR;
  if (!b->fail_error || b->fail_n == UINT64_MAX)
    return b->fail_error != 0;
  return r->op != BP_BLOCK_FLUSH && first + n > b->fail_first && (first < b->fail_first || first - b->fail_first < b->fail_n);
}

static int
perform (StandInBlock *b, const BpBlockRequest *r)
{
  uint64_t memory = 0;
  bool data = r->op == BP_BLOCK_READ || r->op == BP_BLOCK_WRITE;
  if ((unsigned) r->op > BP_BLOCK_WRITE_ZEROES) {
    stand_in_fault ("%u is no kind of request to a disk", (unsigned) r->op);
    return EINVAL;
  }
  if (!b->size)
    return ENOMEDIUM;
  if ((r->offset | r->size) % BP_BLOCK_SECTOR || r->offset > b->size || r->size > b->size - r->offset)
    return EINVAL;
  if (is_to_fail (b, r))
    return b->fail_error;
  if (r->op != BP_BLOCK_READ && r->op != BP_BLOCK_FLUSH && b->read_only)
    return EROFS;
  if (r->offset + r->size > b->there)
    return EIO;
  for (unsigned i = 0; data && i < r->n_iov; i++)
    memory += r->iov[i].iov_len;
  if (data && memory != r->size) {
    stand_in_fault ("a request for %" G_GUINT64_FORMAT " bytes brings %" G_GUINT64_FORMAT " of memory", (uint64_t) r->size, memory);
    return EINVAL;
  }
  if (data)
    move (b, r);
  if (r->op == BP_BLOCK_WRITE_ZEROES)
    memset (b->bytes + r->offset, 0, r->size);
  if (r->op == BP_BLOCK_DISCARD) {
    b->discarded[0] = r->offset;
    b->discarded[1] = r->size;
  }
  b->counts[r->op]++;
  return 0;
}

static BpBlockRequest *
next_request (StandInBlock *b)
{
  g_mutex_lock (&b->lock);
  BpBlockRequest *r = g_queue_pop_head (&b->waiting);
  g_mutex_unlock (&b->lock);
  return r;
}

unsigned
stand_in_block_answer (StandInBlock *b)
{
  unsigned n = 0;
  for (BpBlockRequest *r; (r = next_request (b)); n++)
    r->done (r, perform (b, r));
  return n;
}

/* --- the interface ---------------------------------------------------------------------------- */

static bool
attach (void *self, const BpBlockHandlers *handlers, void *user)
{
  StandInBlock *b = self;
  if (handlers && b->handlers)
    return false;
  if (!handlers)
    stand_in_block_answer (b);
  b->handlers = handlers;
  b->user = user;
  return true;
}

static void
info (void *self, BpBlockInfo *out)
{
  StandInBlock *b = self;
  out->inserted = b->size != 0;
  g_strlcpy (out->file, "memory", sizeof out->file);
  out->read_only = b->read_only;
  out->size = b->size / BP_BLOCK_SECTOR * BP_BLOCK_SECTOR;
}

static void
submit (void *self, BpBlockRequest *request)
{
  StandInBlock *b = self;
  g_mutex_lock (&b->lock);
  g_queue_push_tail (&b->waiting, request);
  g_mutex_unlock (&b->lock);
}

static void drain (void *self) { stand_in_block_answer (self); }

static bool
try_now (void *self, BpBlockRequest *request, int *error)
{
  StandInBlock *b = self;
  uintptr_t frame = (uintptr_t) __builtin_frame_address (0);
  if (!b->at_once || request->op != BP_BLOCK_READ)
    return false;
  b->lowest = b->lowest ? MIN (b->lowest, frame) : frame;
  b->highest = MAX (b->highest, frame);
  *error = perform (b, request);
  return true;
}

static const BpBlockIface iface = { .struct_size = sizeof iface, .attach = attach, .info = info, .submit = submit, .drain = drain, .try_now = try_now };
static const BpInterfaceDesc interfaces[] = { { BP_BLOCK_ID, &iface }, { NULL, NULL } };

/* --- the type ------------------------------------------------------------------------------------ */

static bool
realize (void *self, GError **error)
{
  StandInBlock *b = self;
  g_queue_init (&b->waiting);
  stand_in_block_fill (b, b->size);
  return true;
}

static void
unrealize (void *self)
{
  StandInBlock *b = self;
  g_clear_pointer (&b->bytes, g_free);
}

static const BpProperty properties[] = {
  BP_PROP_INT_ ("size", BP_PROPERTY_SIZE, StandInBlock, size, 0, 0, UINT64_C (1) << 32, "Bytes of the medium; 0: none."),
  BP_PROP_BOOL ("read-only", StandInBlock, read_only, false, "Cannot be written."),
  BP_PROP_END
};

const BpTypeDesc stand_in_block = {
  BP_TYPE ("test-block", BP_KIND_BACKEND, StandInBlock), .description = "Disk of a test", .properties = properties, .interfaces = interfaces,
  .realize = realize, .unrealize = unrealize
};

