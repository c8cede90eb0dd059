/* snapshot-memory.c -- RAM into a snapshot and back: every piece of host memory that an object shows to the guest. */
/* SPDX-License-Identifier: MIT */
#include "memory.h"
#include <backplane/iface/memory-backend.h>
#include "snapshot.h"
#include <string.h>

enum { PAGE = 4096, BLOCKS_MOST = 4096 };

/* --- which pieces there are ----------------------------------------------------------------------- */

static void
block_clear (void *data)
{
  SnapshotBlock *b = data;
  g_free (b->owner);
  g_free (b->name);
}

GArray *
snapshot_blocks_new (void)
{
  GArray *blocks = g_array_new (FALSE, TRUE, sizeof (SnapshotBlock));
  g_array_set_clear_func (blocks, block_clear);
  return blocks;
}

static unsigned
turn_of (const GArray *blocks, const SnapshotBlock *like)
{
  unsigned turn = 0;
  for (guint i = 0; i < blocks->len; i++) {
    const SnapshotBlock *other = &g_array_index (blocks, SnapshotBlock, i);
    turn += strcmp (other->owner, like->owner) == 0 && strcmp (other->name, like->name) == 0;
  }
  return turn;
}

GArray *
snapshot_blocks (BpMachine *m)
{
  GArray *blocks = snapshot_blocks_new ();
  g_autoptr (GPtrArray) regions = memory_regions_with_host (m);
  for (guint i = 0; i < regions->len; i++) {
    BpRegion *region = regions->pdata[i];
    SnapshotBlock b = { .owner = g_strdup (bp_object_id (region->owner)), .name = g_strdup (region->name), .size = (uint64_t) region->size, .region = region };
    b.turn = turn_of (blocks, &b);
    g_array_append_val (blocks, b);
  }
  return blocks;
}

SnapshotBlock *
snapshot_block_find (const GArray *blocks, const SnapshotBlock *like)
{
  for (guint i = 0; i < blocks->len; i++) {
    SnapshotBlock *b = &g_array_index (blocks, SnapshotBlock, i);
    if (b->turn == like->turn && strcmp (b->owner, like->owner) == 0 && strcmp (b->name, like->name) == 0)
      return b;
  }
  return NULL;
}

bool
snapshot_read_block (GArray *blocks, SnapshotBytes *payload)
{
  SnapshotBlock block = { .owner = snapshot_get_text (payload) };
  block.name = snapshot_get_text (payload);
  block.size = snapshot_get (payload, 8);
  block.turn = turn_of (blocks, &block);
  g_array_append_val (blocks, block);
  return blocks->len <= BLOCKS_MOST;
}

/* --- saving --------------------------------------------------------------------------------------- */

bool
snapshot_is_zero (const void *bytes, size_t size)
{
  const uint8_t *data = bytes;
  return data[0] == 0 && memcmp (data, data + 1, size - 1) == 0;
}

bool
snapshot_is_hole (const BpRegion *region, uint64_t offset, SnapshotExtent *known)
{
  if (offset >= known->start && offset < known->end)
    return known->hole;
  const BpMemoryBackendIface *t = region->owner ? bp_object_interface (region->owner, BP_MEMORY_BACKEND_ID) : NULL;
  *known = (SnapshotExtent) { offset, (uint64_t) region->size, false };
  if (BP_TABLE_HAS (t, is_hole) && t->region (region->owner) == region)
    known->hole = t->is_hole (region->owner, offset, &known->end);
  return known->hole;
}

static void
write_run (const SnapshotSink *sink, unsigned number, const uint8_t *host, uint64_t offset, uint64_t size)
{
  g_autoptr (GByteArray) head = g_byte_array_sized_new (16);
  snapshot_put (head, number, 4);
  snapshot_put (head, 0, 4);
  snapshot_put (head, offset, 8);
  sink->put (sink->user, SECTION_PAGES, head, host + offset, size);
}

static void
write_block (const SnapshotSink *sink, unsigned number, const SnapshotBlock *b)
{
  const uint8_t *host = b->region->host;
  uint64_t start = 0, run = 0;          /* pages that are not zero and wait: from, bytes */
  SnapshotExtent known = { 0 };
  for (uint64_t at = 0, n; at < b->size; at += n) {
    n = MIN (b->size - at, (uint64_t) PAGE);
    bool zero = snapshot_is_hole (b->region, at, &known) || snapshot_is_zero (host + at, n);
    if (!zero) {
      start = run ? start : at;
      run += n;
    }
    if (run && (zero || run + PAGE > SNAPSHOT_PAGES_WRITTEN)) {
      write_run (sink, number, host, start, run);
      run = 0;
    }
  }
  if (run)
    write_run (sink, number, host, start, run);
}

void
snapshot_write_blocks (const SnapshotSink *sink, const GArray *blocks)
{
  for (guint i = 0; i < blocks->len; i++) {
    const SnapshotBlock *b = &g_array_index (blocks, SnapshotBlock, i);
    g_autoptr (GByteArray) head = g_byte_array_new ();
    snapshot_put_text (head, b->owner);
    snapshot_put_text (head, b->name);
    snapshot_put (head, b->size, 8);
    sink->put (sink->user, SECTION_BLOCK, head, NULL, 0);
  }
}

void
snapshot_write_memory (const SnapshotSink *sink, const GArray *blocks)
{
  snapshot_write_blocks (sink, blocks);
  for (guint i = 0; i < blocks->len; i++)
    write_block (sink, i, &g_array_index (blocks, SnapshotBlock, i));
}

/* --- loading -------------------------------------------------------------------------------------- */

typedef struct Run {
  uint32_t block;
  uint64_t offset;
  const uint8_t *data;
  size_t size;
} Run;

static bool
parse_run (const uint8_t *payload, size_t size, Run *run)
{
  SnapshotBytes b = { payload, payload + size, false };
  run->block = (uint32_t) snapshot_get (&b, 4);
  uint32_t zero = (uint32_t) snapshot_get (&b, 4);
  run->offset = snapshot_get (&b, 8);
  run->data = b.at;
  run->size = (size_t) (b.end - b.at);
  return !b.bad && !zero && run->size && run->size <= SNAPSHOT_PAGES_MOST;
}

bool
snapshot_check_pages (SnapshotFill *f, const uint8_t *payload, size_t size, GError **error)
{
  Run run;
  if (!parse_run (payload, size, &run) || run.block >= f->blocks->len)
    return snapshot_refuse (error, "the snapshot is damaged: a piece of RAM belongs nowhere");
  const SnapshotBlock *b = &g_array_index (f->blocks, SnapshotBlock, run.block);
  bool in_order = run.block > f->block || (run.block == f->block && run.offset >= f->at);
  if (!in_order || run.offset > b->size || run.size > b->size - run.offset)
    return snapshot_refuse (error, "the snapshot is damaged: a piece of RAM is not within `%s` of `%s`, or comes too late", b->name, b->owner);
  f->block = run.block;
  f->at = run.offset + run.size;
  return true;
}

/* Translated code is dropped before what it was made from changes, and displays see the change. */
static void
put_page (BpRegion *region, uint64_t offset, const uint8_t *data, size_t size)
{
  uint8_t *host = region->host + offset;
  if (data ? memcmp (host, data, size) == 0 : snapshot_is_zero (host, size))
    return;
  ram_tell_code (region->ram_address + offset, size);
  if (data)
    memcpy (host, data, size);
  else
    memset (host, 0, size);
  bp_dirty_mark (region->ram_address + offset, size);
}

static void
put (BpRegion *region, uint64_t offset, const uint8_t *data, uint64_t size)
{
  SnapshotExtent known = { 0 };
  for (uint64_t done = 0, n; done < size; done += n) {
    n = MIN (size - done, PAGE - ((offset + done) & (PAGE - 1)));
    if (data || !snapshot_is_hole (region, offset + done, &known))
      put_page (region, offset + done, data ? data + done : NULL, n);
  }
}

/* Zeros from where it stands up to there. */
static void
skip_to (SnapshotFill *f, unsigned block, uint64_t offset)
{
  for (; f->block < block; f->block++, f->at = 0) {
    const SnapshotBlock *b = &g_array_index (f->blocks, SnapshotBlock, f->block);
    put (b->region, f->at, NULL, b->size - f->at);
  }
  if (offset)
    put (g_array_index (f->blocks, SnapshotBlock, block).region, f->at, NULL, offset - f->at);
}

void
snapshot_fill_pages (SnapshotFill *f, const uint8_t *payload, size_t size)
{
  Run run;
  if (!parse_run (payload, size, &run))
    return;
  skip_to (f, run.block, run.offset);
  put (g_array_index (f->blocks, SnapshotBlock, run.block).region, run.offset, run.data, run.size);
  f->at = run.offset + run.size;
}

void
snapshot_fill_rest (SnapshotFill *f)
{
  skip_to (f, f->blocks->len, 0);
}

/* --- pieces in any order ---------------------------------------------------------------------------- */

static BpRegion *
place_of (const GArray *blocks, uint32_t number, uint64_t offset, uint64_t size, GError **error)
{
  const SnapshotBlock *b = number < blocks->len ? &g_array_index (blocks, SnapshotBlock, number) : NULL;
  if (b && offset <= b->size && size <= b->size - offset)
    return b->region;
  snapshot_refuse (error, "the stream is damaged: a piece of RAM belongs nowhere");
  return NULL;
}

void
snapshot_put_bytes (const SnapshotBlock *block, uint64_t offset, const uint8_t *data, uint64_t size)
{
  put (block->region, offset, data, size);
}

bool
snapshot_put_pages (const GArray *blocks, const uint8_t *payload, size_t size, GError **error)
{
  Run run;
  if (!parse_run (payload, size, &run))
    return snapshot_refuse (error, "the stream is damaged: a piece of RAM is none");
  BpRegion *region = place_of (blocks, run.block, run.offset, run.size, error);
  if (region)
    put (region, run.offset, run.data, run.size);
  return region;
}

bool
snapshot_put_zeros (const GArray *blocks, const uint8_t *payload, size_t size, GError **error)
{
  SnapshotBytes b = { payload, payload + size, false };
  uint32_t number = (uint32_t) snapshot_get (&b, 4), zero = (uint32_t) snapshot_get (&b, 4);
  uint64_t offset = snapshot_get (&b, 8), bytes = snapshot_get (&b, 8);
  if (b.bad || b.at != b.end || zero)
    return snapshot_refuse (error, "the stream is damaged: a piece of RAM is none");
  BpRegion *region = place_of (blocks, number, offset, bytes, error);
  if (region)
    put (region, offset, NULL, bytes);
  return region;
}
