/* block.c -- a disk of a test: memory behind a block backend, which answers when it is told to, and fails where it is told to. */
/* SPDX-License-Identifier: MIT */
#include "testing.h"
#include <backplane/test-block.h>
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

static Block *block_of (BpTest *t, const char *id) { return testing_object (t, id, &testing_block); }

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
  if (data && memory != r->size)
    (bp_test_fail) ("a request for %" G_GUINT64_FORMAT " bytes brings %" G_GUINT64_FORMAT " of memory", (uint64_t) r->size, memory);
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

const BpTypeDesc testing_block = {
  BP_TYPE ("test-block", BP_KIND_BACKEND, Block), .description = "Disk of a test", .properties = properties, .interfaces = interfaces,
  .realize = realize, .unrealize = unrealize
};

/* --- for tests ------------------------------------------------------------------------------------ */

uint8_t *(bp_test_block_bytes) (BpTest *t, const char *id) { return block_of (t, id)->bytes; }
void (bp_test_block_at_once) (BpTest *t, const char *id) { block_of (t, id)->at_once = true; }
size_t (bp_test_block_depth) (BpTest *t, const char *id) { return block_of (t, id)->highest - block_of (t, id)->lowest; }
unsigned (bp_test_block_waiting) (BpTest *t, const char *id) { return block_of (t, id)->waiting.length; }
unsigned (bp_test_block_count) (BpTest *t, const char *id, BpBlockOp op) { return block_of (t, id)->counts[op]; }

void
(bp_test_block_fail) (BpTest *t, const char *id, uint64_t first, uint64_t n, int error)
{
  Block *b = block_of (t, id);
  b->fail_first = first;
  b->fail_n = n;
  b->fail_error = error;
}

unsigned
(bp_test_block_answer) (BpTest *t, const char *id)
{
  bp_machine_lock (t->machine);
  unsigned n = answer (block_of (t, id));
  bp_machine_unlock (t->machine);
  return n;
}

void
(bp_test_block_discarded) (BpTest *t, const char *id, uint64_t *offset, uint64_t *size)
{
  *offset = block_of (t, id)->discarded[0];
  *size = block_of (t, id)->discarded[1];
}

bool
(bp_test_block_change) (BpTest *t, const char *id, uint64_t size, bool read_only, bool force)
{
  Block *b = block_of (t, id);
  bool may = true;
  bp_machine_lock (t->machine);
  if (b->size && !force && BP_TABLE_HAS (b->handlers, may_eject))
    may = b->handlers->may_eject (b->user);
  if (may) {
    answer (b);
    b->read_only = read_only;
    fill (b, size);
    if (BP_TABLE_HAS (b->handlers, changed))
      b->handlers->changed (b->user);
  }
  bp_machine_unlock (t->machine);
  return may;
}

void
(bp_test_block_truncate) (BpTest *t, const char *id, uint64_t size)
{
  block_of (t, id)->there = size;
}

void
(bp_test_block_copy) (BpTest *from, BpTest *to)
{
  unsigned cursor = 0;
  for (void *o; (o = bp_machine_next (from->machine, BP_BLOCK_ID, &cursor));) {
    const Block *a = o;
    Block *b = block_of (to, bp_object_id (o));
    (bp_test_block_answer) (from, bp_object_id (o));
    bp_machine_lock (to->machine);
    answer (b);
    fill (b, a->size);
    memcpy (b->bytes, a->bytes, a->size);
    b->read_only = a->read_only;
    b->there = a->there;
    b->fail_first = a->fail_first;
    b->fail_n = a->fail_n;
    b->fail_error = a->fail_error;
    bp_machine_unlock (to->machine);
  }
}
