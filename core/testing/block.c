/* block.c -- the disk of a test as the test sees it: it is told when to answer and where to fail, and what became of it is looked at. */
/* SPDX-License-Identifier: MIT */
#include "testing.h"
#include <backplane/test-block.h>
#include <string.h>

static StandInBlock *block_of (BpTest *t, const char *id) { return testing_object (t, id, &stand_in_block); }

uint8_t *(bp_test_block_bytes) (BpTest *t, const char *id) { return block_of (t, id)->bytes; }
void (bp_test_block_at_once) (BpTest *t, const char *id) { block_of (t, id)->at_once = true; }
size_t (bp_test_block_depth) (BpTest *t, const char *id) { return block_of (t, id)->highest - block_of (t, id)->lowest; }
unsigned (bp_test_block_waiting) (BpTest *t, const char *id) { return block_of (t, id)->waiting.length; }

unsigned
(bp_test_block_count) (BpTest *t, const char *id, BpBlockOp op)
{
  if ((unsigned) op > BP_BLOCK_WRITE_ZEROES)
    (bp_test_fail) ("%u is no kind of request to a disk", (unsigned) op);
  return block_of (t, id)->counts[op];
}

void
(bp_test_block_fail) (BpTest *t, const char *id, uint64_t first, uint64_t n, int error)
{
  StandInBlock *b = block_of (t, id);
  b->fail_first = first;
  b->fail_n = n;
  b->fail_error = error;
}

unsigned
(bp_test_block_answer) (BpTest *t, const char *id)
{
  bp_machine_lock (t->machine);
  unsigned n = stand_in_block_answer (block_of (t, id));
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
  StandInBlock *b = block_of (t, id);
  bool may = true;
  bp_machine_lock (t->machine);
  if (b->size && !force && BP_TABLE_HAS (b->handlers, may_eject))
    may = b->handlers->may_eject (b->user);
  if (may) {
    stand_in_block_answer (b);
    b->read_only = read_only;
    stand_in_block_fill (b, size);
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
    const StandInBlock *a = o;
    StandInBlock *b = block_of (to, bp_object_id (o));
    (bp_test_block_answer) (from, bp_object_id (o));
    bp_machine_lock (to->machine);
    stand_in_block_answer (b);
    stand_in_block_fill (b, a->size);
    memcpy (b->bytes, a->bytes, a->size);
    b->read_only = a->read_only;
    b->there = a->there;
    b->fail_first = a->fail_first;
    b->fail_n = a->fail_n;
    b->fail_error = a->fail_error;
    bp_machine_unlock (to->machine);
  }
}
