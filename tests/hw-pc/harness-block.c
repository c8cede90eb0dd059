/* harness-block.c -- a disk of a test: memory behind a block backend, which answers when it is told to, and fails where it is told to. */
/* SPDX-License-Identifier: MIT */
#include "harness-block.h"
#include <check.h>
#include <errno.h>
#include <string.h>

typedef struct Block {
  uint64_t size;                /* of the medium; 0: none */
  bool read_only;
  uint64_t there;               /* bytes that have not been cut off */
  uint8_t *bytes;
  const BpBlockHandlers *handlers;
  void *user;
  GQueue waiting;
  uint64_t fail_first, fail_n, discarded[2];
  int fail_error;
  unsigned counts[BP_BLOCK_WRITE_ZEROES + 1];
  bool at_once;
  uintptr_t lowest, highest;    /* frames that asked for such a read */
} Block;

static Block *block_of (Harness *h, const char *id) { return harness_object (h, id); }

/* --- requests ------------------------------------------------------------------------------ */

static void
move (Block *b, const BpBlockRequest *r)
{
  uint8_t *at = b->bytes + r->offset;
  for (unsigned i = 0; i < r->n_iov; i++) {
    memcpy (r->op == BP_BLOCK_READ ? r->iov[i].iov_base : at, r->op == BP_BLOCK_READ ? at : r->iov[i].iov_base, r->iov[i].iov_len);
    at += r->iov[i].iov_len;
  }
}

/* What a new medium holds: byte i of sector n is not that of another sector nearby. */
static void
fill (Block *b, uint64_t size)
{
  b->size = b->there = size;
  b->bytes = g_realloc (b->bytes, size + 1);
  for (uint64_t i = 0; i < size; i++)
    b->bytes[i] = (uint8_t) (i / BP_BLOCK_SECTOR * 7 + i % BP_BLOCK_SECTOR);
}

static int
perform (Block *b, const BpBlockRequest *r)
{
  uint64_t first = r->offset / BP_BLOCK_SECTOR, n = r->size / BP_BLOCK_SECTOR, memory = 0;
  bool data = r->op == BP_BLOCK_READ || r->op == BP_BLOCK_WRITE;
  if (!b->size)
    return ENOMEDIUM;
  if ((r->offset | r->size) % BP_BLOCK_SECTOR || r->offset > b->size || r->size > b->size - r->offset)
    return EINVAL;
  if (b->fail_error && (r->op == BP_BLOCK_FLUSH ? b->fail_n == UINT64_MAX : first < b->fail_first + b->fail_n && b->fail_first < first + n))
    return b->fail_error;
  if (r->op != BP_BLOCK_READ && r->op != BP_BLOCK_FLUSH && b->read_only)
    return EROFS;
  if (r->offset + r->size > b->there)
    return EIO;
  for (unsigned i = 0; data && i < r->n_iov; i++)
    memory += r->iov[i].iov_len;
  ck_assert (!data || memory == r->size);
  if (data)
    move (b, r);
  if (r->op == BP_BLOCK_DISCARD) {
    b->discarded[0] = r->offset;
    b->discarded[1] = r->size;
  }
  b->counts[r->op]++;
  return 0;
}

static unsigned
answer (Block *b)
{
  unsigned n = 0;
  for (BpBlockRequest *r; (r = g_queue_pop_head (&b->waiting)); n++)
    r->done (r, perform (b, r));
  return n;
}

/* --- the interface ---------------------------------------------------------------------------- */

static bool
attach (void *self, const BpBlockHandlers *handlers, void *user)
{
  Block *b = self;
  if (handlers && b->handlers)
    return false;
  if (!handlers)
    answer (b);
  b->handlers = handlers;
  b->user = user;
  return true;
}

static void
info (void *self, BpBlockInfo *out)
{
  Block *b = self;
  out->inserted = b->size != 0;
  g_strlcpy (out->file, "memory", sizeof out->file);
  out->read_only = b->read_only;
  out->size = b->size / BP_BLOCK_SECTOR * BP_BLOCK_SECTOR;
}

static void submit (void *self, BpBlockRequest *request) { g_queue_push_tail (&((Block *) self)->waiting, request); }
static void drain (void *self) { answer (self); }

static bool
try_now (void *self, BpBlockRequest *request, int *error)
{
  Block *b = self;
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
  Block *b = self;
  g_queue_init (&b->waiting);
  fill (b, b->size);
  return true;
}

static void
unrealize (void *self)
{
  Block *b = self;
  g_clear_pointer (&b->bytes, g_free);
}

static const BpProperty properties[] = {
  BP_PROP_SIZE ("size", Block, size, 0, "Bytes of the medium; 0: none."), BP_PROP_BOOL ("read-only", Block, read_only, false, "Cannot be written."),
  BP_PROP_END
};

const BpTypeDesc harness_block_type = {
  BP_TYPE ("harness-block", BP_KIND_BACKEND, Block), .description = "Disk of a test", .properties = properties, .interfaces = interfaces,
  .realize = realize, .unrealize = unrealize
};

/* --- for tests ------------------------------------------------------------------------------------ */

uint8_t *harness_block_bytes (Harness *h, const char *id) { return block_of (h, id)->bytes; }
void harness_block_at_once (Harness *h, const char *id) { block_of (h, id)->at_once = true; }
size_t harness_block_depth (Harness *h, const char *id) { return block_of (h, id)->highest - block_of (h, id)->lowest; }
unsigned harness_block_waiting (Harness *h, const char *id) { return block_of (h, id)->waiting.length; }
unsigned harness_block_count (Harness *h, const char *id, BpBlockOp op) { return block_of (h, id)->counts[op]; }

void
harness_block_fail (Harness *h, const char *id, uint64_t first, uint64_t n, int error)
{
  Block *b = block_of (h, id);
  b->fail_first = first;
  b->fail_n = n;
  b->fail_error = error;
}

unsigned
harness_block_answer (Harness *h, const char *id)
{
  bp_machine_lock (harness_machine (h));
  unsigned n = answer (block_of (h, id));
  bp_machine_unlock (harness_machine (h));
  return n;
}

void
harness_block_discarded (Harness *h, const char *id, uint64_t *offset, uint64_t *size)
{
  *offset = block_of (h, id)->discarded[0];
  *size = block_of (h, id)->discarded[1];
}

bool
harness_block_change (Harness *h, const char *id, uint64_t size, bool read_only, bool force)
{
  Block *b = block_of (h, id);
  bool may = true;
  bp_machine_lock (harness_machine (h));
  if (b->size && !force && BP_TABLE_HAS (b->handlers, may_eject))
    may = b->handlers->may_eject (b->user);
  if (may) {
    answer (b);
    b->read_only = read_only;
    fill (b, size);
    if (BP_TABLE_HAS (b->handlers, changed))
      b->handlers->changed (b->user);
  }
  bp_machine_unlock (harness_machine (h));
  return may;
}

void
harness_block_truncate (Harness *h, const char *id, uint64_t size)
{
  block_of (h, id)->there = size;
}

void
harness_block_copy (Harness *from, Harness *to)
{
  unsigned cursor = 0;
  for (void *o; (o = bp_machine_next (harness_machine (from), BP_BLOCK_ID, &cursor));) {
    const Block *a = o;
    Block *b = block_of (to, bp_object_id (o));
    harness_block_answer (from, bp_object_id (o));
    bp_machine_lock (harness_machine (to));
    answer (b);
    fill (b, a->size);
    memcpy (b->bytes, a->bytes, a->size);
    b->read_only = a->read_only;
    b->there = a->there;
    b->fail_first = a->fail_first;
    b->fail_n = a->fail_n;
    b->fail_error = a->fail_error;
    bp_machine_unlock (harness_machine (to));
  }
}
