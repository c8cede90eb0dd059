/* snapshot-memory.c -- RAM into a snapshot and back: every piece of host memory that an object shows to the guest. */
/* SPDX-License-Identifier: MIT */
#include "memory.h"
#include "snapshot.h"
#include <string.h>

enum { PAGE = 4096 };

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

GArray *
snapshot_blocks (BpMachine *m)
{
  GArray *blocks = snapshot_blocks_new ();
  g_autoptr (GPtrArray) regions = memory_regions_with_host (m);
  for (guint i = 0; i < regions->len; i++) {
    BpRegion *region = regions->pdata[i];
    SnapshotBlock b = { .owner = g_strdup (bp_object_id (region->owner)), .name = g_strdup (region->name), .size = (uint64_t) region->size, .region = region };
    for (guint j = 0; j < blocks->len; j++) {
      const SnapshotBlock *other = &g_array_index (blocks, SnapshotBlock, j);
      b.turn += strcmp (other->owner, b.owner) == 0 && strcmp (other->name, b.name) == 0;
    }
    g_array_append_val (blocks, b);
  }
  return blocks;
}

/* --- saving --------------------------------------------------------------------------------------- */

static bool
is_zero (const uint8_t *data, size_t size)
{
  return data[0] == 0 && memcmp (data, data + 1, size - 1) == 0;
}

static void
write_run (SnapshotWriter *w, unsigned number, const uint8_t *host, uint64_t offset, uint64_t size)
{
  g_autoptr (GByteArray) head = g_byte_array_sized_new (16);
  snapshot_put (head, number, 4);
  snapshot_put (head, 0, 4);
  snapshot_put (head, offset, 8);
  snapshot_write_section (w, SECTION_PAGES, head, host + offset, size);
}

static void
write_block (SnapshotWriter *w, unsigned number, const SnapshotBlock *b)
{
  const uint8_t *host = b->region->host;
  uint64_t start = 0, run = 0;          /* pages that are not zero and wait: from, bytes */
  for (uint64_t at = 0, n; at < b->size; at += n) {
    n = MIN (b->size - at, (uint64_t) PAGE);
    bool zero = is_zero (host + at, n);
    if (!zero) {
      start = run ? start : at;
      run += n;
    }
    if (run && (zero || run + PAGE > SNAPSHOT_PAGES_MOST)) {
      write_run (w, number, host, start, run);
      run = 0;
    }
  }
  if (run)
    write_run (w, number, host, start, run);
}

void
snapshot_write_memory (SnapshotWriter *w, const GArray *blocks)
{
  for (guint i = 0; i < blocks->len; i++) {
    const SnapshotBlock *b = &g_array_index (blocks, SnapshotBlock, i);
    g_autoptr (GByteArray) head = g_byte_array_new ();
    snapshot_put_text (head, b->owner);
    snapshot_put_text (head, b->name);
    snapshot_put (head, b->size, 8);
    snapshot_write_section (w, SECTION_BLOCK, head, NULL, 0);
  }
  for (guint i = 0; i < blocks->len; i++)
    write_block (w, i, &g_array_index (blocks, SnapshotBlock, i));
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
  if (data ? memcmp (host, data, size) == 0 : is_zero (host, size))
    return;
  ram_before_write (region->ram_address + offset, size);
  if (data)
    memcpy (host, data, size);
  else
    memset (host, 0, size);
  bp_dirty_mark (region->ram_address + offset, size);
}

static void
put (BpRegion *region, uint64_t offset, const uint8_t *data, uint64_t size)
{
  for (uint64_t done = 0, n; done < size; done += n) {
    n = MIN (size - done, PAGE - ((offset + done) & (PAGE - 1)));
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
