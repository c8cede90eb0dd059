/* migrate-ram.c -- RAM sent while the guest writes to it: what the dirty log says, again and again. */
/* SPDX-License-Identifier: MIT */
/*
 * A page's bit is cleared first and the page read after that: what is written in between marks it again, and it is sent again.  Bits are taken a few thousand
 * pages ahead of what is sent, no further, so that pages which change often are sent late in a round, and once.
 */
#include "memory.h"
#include "migrate.h"

enum { PAGE = 4096, TAKE_PAGES = 4096 };

/* --- sections -------------------------------------------------------------------------------------------- */

static void
put_place (GByteArray *out, unsigned block, uint64_t offset)
{
  snapshot_put (out, block, 4);
  snapshot_put (out, 0, 4);
  snapshot_put (out, offset, 8);
}

static void
send_zeros (RamSender *s)
{
  if (!s->zero_size)
    return;
  g_autoptr (GByteArray) head = g_byte_array_sized_new (24);
  put_place (head, s->zero_block, s->zero_start);
  snapshot_put (head, s->zero_size, 8);
  migrate_write (s->writer, SECTION_ZERO, head, NULL, 0);
  s->zero_pages += (s->zero_size + PAGE - 1) / PAGE;
  s->zero_size = 0;
}

static void
note_zero (RamSender *s, unsigned block, uint64_t offset, uint64_t size)
{
  if (s->zero_size && (s->zero_block != block || s->zero_start + s->zero_size != offset))
    send_zeros (s);
  if (!s->zero_size) {
    s->zero_block = block;
    s->zero_start = offset;
  }
  s->zero_size += size;
}

/* The guest may write meanwhile: a copy keeps section and checksum one. */
static void
send_run (RamSender *s, unsigned block, const uint8_t *host, uint64_t offset, uint64_t size)
{
  g_autoptr (GByteArray) payload = g_byte_array_sized_new ((guint) size + 16);
  put_place (payload, block, offset);
  g_byte_array_append (payload, host + offset, (guint) size);
  migrate_write (s->writer, SECTION_PAGES, NULL, payload->data, payload->len);
  s->pages += (size + PAGE - 1) / PAGE;
}

/* --- rounds ------------------------------------------------------------------------------------------------ */

static bool
go_on (RamSender *s)
{
  return migrate_writer_good (s->writer) && (!s->between || s->between (s->user));
}

/* The pages from `first` on whose bits are set. */
static bool
send_taken (RamSender *s, unsigned block, uint64_t first, uint64_t n, const uint64_t *bits)
{
  const SnapshotBlock *b = &g_array_index (s->blocks, SnapshotBlock, block);
  const uint8_t *host = b->region->host;
  uint64_t start = 0, run = 0;
  SnapshotExtent known = { 0 };         /* no older than the bits: a page that was written since has its bit again */
  for (uint64_t i = 0; i <= n; i++) {
    uint64_t at = (first + i) * PAGE, size = i < n ? MIN (b->size - at, (uint64_t) PAGE) : 0;
    bool dirty = i < n && bits[i / 64] >> i % 64 & 1;
    bool zero = dirty && (snapshot_is_hole (b->region, at, &known) || snapshot_is_zero (host + at, size));
    if (run && (!dirty || zero || run + PAGE > SNAPSHOT_PAGES_MOST)) {
      send_run (s, block, host, start, run);
      run = 0;
      if (!go_on (s))
        return false;
    }
    if (zero) {
      note_zero (s, block, at, size);
    } else if (dirty) {
      start = run ? start : at;
      run += size;
    }
  }
  return true;
}

static bool
send_block (RamSender *s, unsigned block)
{
  const SnapshotBlock *b = &g_array_index (s->blocks, SnapshotBlock, block);
  uint64_t n_pages = (b->size + PAGE - 1) / PAGE, bits[TAKE_PAGES / 64];
  bp_dirty_sync (b->region->ram_address, b->size);
  for (uint64_t first = 0, n; first < n_pages; first += n) {
    n = MIN (n_pages - first, (uint64_t) TAKE_PAGES);
    uint64_t start = b->region->ram_address + first * PAGE;
    if (!dirty_take (BP_DIRTY_MIGRATION, start, n, bits) || (send_taken (s, block, first, n, bits) && go_on (s)))
      continue;
    bp_dirty_set (BP_DIRTY_MIGRATION, start, n * PAGE);         /* what was taken and not sent */
    return false;
  }
  return true;
}

bool
ram_sender_round (RamSender *s)
{
  bool good = true;
  for (guint i = 0; good && i < s->blocks->len; i++)
    good = send_block (s, i);
  send_zeros (s);
  return good;
}

uint64_t
ram_sender_left (RamSender *s)
{
  uint64_t pages = 0;
  for (guint i = 0; i < s->blocks->len; i++) {
    const SnapshotBlock *b = &g_array_index (s->blocks, SnapshotBlock, i);
    bp_dirty_sync (b->region->ram_address, b->size);
    pages += dirty_count (BP_DIRTY_MIGRATION, b->region->ram_address, b->size);
  }
  return pages * PAGE;
}

uint64_t
ram_sender_total (const RamSender *s)
{
  uint64_t bytes = 0;
  for (guint i = 0; i < s->blocks->len; i++)
    bytes += g_array_index (s->blocks, SnapshotBlock, i).size;
  return bytes;
}

void
ram_sender_begin (RamSender *s)
{
  bp_dirty_enable (BP_DIRTY_MIGRATION, true);
}

void
ram_sender_end (RamSender *s)
{
  bp_dirty_enable (BP_DIRTY_MIGRATION, false);
}
