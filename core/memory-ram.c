/* memory-ram.c -- the numbering of RAM blocks and the dirty logs over it. */
/* SPDX-License-Identifier: MIT */
/*
 * Every block of host memory that a region shows gets a span of one process-wide numbering, in whole pages.
 * A bit a page and client is kept in chunks, allocated with the first block that needs them and never freed,
 * so that readers need no lock.  CODE is stored inverted (1: the page holds translated code): a fresh chunk
 * is all zero, which the kernel gives without touching memory.
 */
#include "memory.h"
#include <string.h>

#define CHUNK_PAGES (UINT64_C (1) << 20)        /* 4 GiB of RAM */
#define CHUNK_WORDS (CHUNK_PAGES / 64)
#define N_CHUNKS (UINT64_C (1) << 15)           /* 128 TiB: all that a 47-bit host address space can hold */

typedef struct Chunk {
  uint64_t bits[BP_DIRTY_N_CLIENTS][CHUNK_WORDS];       /* atomic words */
} Chunk;

static Chunk *chunks[N_CHUNKS]; /* atomic pointers */
static unsigned wanted[BP_DIRTY_N_CLIENTS];     /* atomic; how often the client was enabled */

/* --- spans of bits ---------------------------------------------------------------------------- */

typedef enum BitOp { BITS_SET, BITS_CLEAR } BitOp;

typedef struct PageSpan {
  uint64_t first, last;         /* page numbers; first > last: empty */
} PageSpan;

static PageSpan
pages_of (uint64_t ram_address, uint64_t size)
{
  if (!size || ram_address == NO_RAM_ADDRESS)
    return (PageSpan) { 1, 0 };
  uint64_t last = MIN (size - 1, UINT64_MAX - ram_address) + ram_address;
  return (PageSpan){ ram_address >> GUEST_PAGE_BITS,
                     MIN (last >> GUEST_PAGE_BITS, N_CHUNKS * CHUNK_PAGES - 1) };
}

static uint64_t *
word_of (BpDirtyClient client, uint64_t page)
{
  if (page >= N_CHUNKS * CHUNK_PAGES)
    return NULL;
  Chunk *chunk = __atomic_load_n (&chunks[page / CHUNK_PAGES], __ATOMIC_ACQUIRE);
  return chunk ? &chunk->bits[client][page % CHUNK_PAGES / 64] : NULL;
}

static bool
bit_is_set (BpDirtyClient client, uint64_t page)
{
  const uint64_t *word = word_of (client, page);
  return word && (__atomic_load_n (word, __ATOMIC_RELAXED) >> page % 64 & 1);
}

/* Returns whether a bit changed.  Words that already are as wanted are only read. */
static bool
change_bits (BpDirtyClient client, PageSpan span, BitOp op)
{
  bool changed = false;
  for (uint64_t page = span.first; page <= span.last; page = (page | 63) + 1) {
    uint64_t *word = word_of (client, page);
    if (!word) {
      page |= CHUNK_PAGES - 1;
      continue;
    }
    unsigned n = (unsigned) MIN (span.last - page, 63 - page % 64) + 1;
    uint64_t mask = (n == 64 ? UINT64_MAX : (UINT64_C (1) << n) - 1) << page % 64;
    uint64_t value = __atomic_load_n (word, __ATOMIC_RELAXED);
    if (op == BITS_SET && (value & mask) != mask) {
      value = __atomic_fetch_or (word, mask, __ATOMIC_SEQ_CST);
      changed |= (value & mask) != mask;
    } else if (op == BITS_CLEAR && (value & mask) != 0) {
      value = __atomic_fetch_and (word, ~mask, __ATOMIC_SEQ_CST);
      changed |= (value & mask) != 0;
    }
  }
  return changed;
}

static bool
is_wanted (BpDirtyClient client)
{
  return __atomic_load_n (&wanted[client], __ATOMIC_ACQUIRE) > 0;
}

/* --- blocks ----------------------------------------------------------------------------------- */

typedef struct Span {
  uint64_t start, size;
} Span;

static GMutex blocks_lock;
static GArray *free_spans;      /* of Span, sorted, none adjacent to another */
static uint64_t blocks_end;     /* nothing was ever given out from here on */

static uint64_t
take_span (uint64_t size)
{
  for (unsigned i = 0; free_spans && i < free_spans->len; i++) {
    Span *s = &g_array_index (free_spans, Span, i);
    if (s->size >= size) {
      uint64_t start = s->start;
      s->start += size;
      s->size -= size;
      if (!s->size)
        g_array_remove_index (free_spans, i);
      return start;
    }
  }
  uint64_t start = blocks_end;
  blocks_end += size;
  g_assert (blocks_end >> GUEST_PAGE_BITS <= N_CHUNKS * CHUNK_PAGES);
  return start;
}

static void
give_span (Span span)
{
  if (!free_spans)
    free_spans = g_array_new (FALSE, FALSE, sizeof (Span));
  unsigned i = 0;
  while (i < free_spans->len && g_array_index (free_spans, Span, i).start < span.start)
    i++;
  g_array_insert_val (free_spans, i, span);
  for (unsigned j = MIN (i + 1, free_spans->len - 1); j > 0 && j + 1 > i; j--) {
    Span *a = &g_array_index (free_spans, Span, j - 1), *b = &g_array_index (free_spans, Span, j);
    if (a->start + a->size == b->start) {
      a->size += b->size;
      g_array_remove_index (free_spans, j);
    }
  }
}

static uint64_t
round_to_pages (uint64_t size)
{
  return MAX (size + GUEST_PAGE_SIZE - 1, GUEST_PAGE_SIZE) & ~(GUEST_PAGE_SIZE - 1);
}

uint64_t
ram_block_new (uint64_t size)
{
  size = round_to_pages (size);
  g_mutex_lock (&blocks_lock);
  uint64_t start = take_span (size);
  for (uint64_t c = (start >> GUEST_PAGE_BITS) / CHUNK_PAGES;
       c <= ((start + size - 1) >> GUEST_PAGE_BITS) / CHUNK_PAGES; c++)
    if (!chunks[c])
      __atomic_store_n (&chunks[c], g_new0 (Chunk, 1), __ATOMIC_RELEASE);
  for (unsigned client = 0; client < BP_DIRTY_CODE; client++)
    if (is_wanted (client))
      change_bits (client, pages_of (start, size), BITS_SET);
  g_mutex_unlock (&blocks_lock);
  return start;
}

void
ram_block_free (uint64_t ram_address, uint64_t size)
{
  size = round_to_pages (size);
  for (unsigned client = 0; client < BP_DIRTY_N_CLIENTS; client++)
    change_bits (client, pages_of (ram_address, size), BITS_CLEAR);
  g_mutex_lock (&blocks_lock);
  give_span ((Span) { ram_address, size });
  g_mutex_unlock (&blocks_lock);
}

/* --- who is told ------------------------------------------------------------------------------ */

typedef struct CodeListener {
  void (*written) (void *user, uint64_t ram_address, uint64_t size);
  void *user;
} CodeListener;

typedef struct Watcher {
  BpDirtyWatcher table;
  void *user;
} Watcher;

/* Replaced whole, and the old one kept: a call may be under way on another thread.  They rarely change. */
static CodeListener *code_listener;
static Watcher *watcher;
static GSList *replaced;

static void
replace (void **place, void *with)
{
  g_mutex_lock (&blocks_lock);
  void *old = *place;
  __atomic_store_n (place, with, __ATOMIC_RELEASE);
  if (old)
    replaced = g_slist_prepend (replaced, old);
  g_mutex_unlock (&blocks_lock);
}

void
bp_dirty_set_code_listener (void (*written) (void *user, uint64_t ram_address, uint64_t size), void *user)
{
  CodeListener *l = NULL;
  if (written) {
    l = g_new (CodeListener, 1);
    *l = (CodeListener) { written, user };
  }
  replace ((void **) &code_listener, l);
}

/* Held while a client is enabled, and while the watcher hears of it: it must not hear of an end after the next beginning. */
static GMutex wanted_lock;

static void
tell_wanted (BpDirtyClient client, bool is)
{
  const Watcher *w = __atomic_load_n (&watcher, __ATOMIC_ACQUIRE);
  if (w && w->table.wanted)
    w->table.wanted (w->user, client, is);
}

void
bp_dirty_set_watcher (const BpDirtyWatcher *table, void *user)
{
  Watcher *w = NULL;
  if (table) {
    w = g_new0 (Watcher, 1);
    memcpy (&w->table, table, MIN (table->struct_size, sizeof w->table));
    w->user = user;
  }
  g_mutex_lock (&wanted_lock);
  replace ((void **) &watcher, w);
  for (unsigned client = 0; w && client < BP_DIRTY_CODE; client++)
    if (is_wanted (client))
      tell_wanted (client, true);
  g_mutex_unlock (&wanted_lock);
}

void
ram_tell_code (uint64_t ram_address, uint64_t size)
{
  const CodeListener *l = __atomic_load_n (&code_listener, __ATOMIC_ACQUIRE);
  PageSpan span = pages_of (ram_address, size);
  for (uint64_t page = span.first; l && page <= span.last; page++)
    if (bit_is_set (BP_DIRTY_CODE, page)) {
      uint64_t first = MAX (ram_address, page << GUEST_PAGE_BITS);
      uint64_t end = MIN (ram_address + size, (page + 1) << GUEST_PAGE_BITS);
      l->written (l->user, first, end - first);
    }
}

/* --- the logs --------------------------------------------------------------------------------- */

/* The fence: a bit that is found set may be cleared at once, by who then reads the page; what was written before must be there by then. */
void
bp_dirty_mark (uint64_t ram_address, uint64_t size)
{
  PageSpan span = pages_of (ram_address, size);
  __atomic_thread_fence (__ATOMIC_SEQ_CST);
  ram_tell_code (ram_address, size);
  change_bits (BP_DIRTY_DISPLAY, span, BITS_SET);
  change_bits (BP_DIRTY_MIGRATION, span, BITS_SET);
}

bool
bp_dirty_test (BpDirtyClient client, uint64_t ram_address)
{
  uint64_t page = ram_address >> GUEST_PAGE_BITS;
  if (client == BP_DIRTY_CODE)
    return !bit_is_set (client, page);
  return !is_wanted (client) || bit_is_set (client, page);
}

bool
bp_dirty_test_all (uint64_t ram_address)
{
  return bp_dirty_test (BP_DIRTY_CODE, ram_address) && bp_dirty_test (BP_DIRTY_DISPLAY, ram_address)
    && bp_dirty_test (BP_DIRTY_MIGRATION, ram_address);
}

bool
bp_dirty_clear (BpDirtyClient client, uint64_t ram_address, uint64_t size)
{
  PageSpan span = pages_of (ram_address, size);
  if (client == BP_DIRTY_CODE)
    return change_bits (client, span, BITS_SET);
  if (!is_wanted (client))      /* first: bits that go while somebody begins to want them would be missed by the watcher */
    return true;
  bool changed = change_bits (client, span, BITS_CLEAR);
  const Watcher *w = __atomic_load_n (&watcher, __ATOMIC_ACQUIRE);
  if (changed && w && w->table.cleared)
    w->table.cleared (w->user, ram_address, size);
  return changed;
}

/* The bits of the page that is `n' pages after the first: those of the word that it begins. */
bool
dirty_take (BpDirtyClient client, uint64_t ram_address, uint64_t n_pages, uint64_t *bits)
{
  uint64_t first = ram_address >> GUEST_PAGE_BITS;
  bool any = false;
  memset (bits, 0, (n_pages + 63) / 64 * sizeof *bits);
  for (uint64_t at = 0, n; at < n_pages; at += n) {
    uint64_t page = first + at, *word = word_of (client, page);
    unsigned shift = page % 64;
    n = MIN (n_pages - at, (uint64_t) 64 - shift);
    uint64_t mask = (n == 64 ? UINT64_MAX : (UINT64_C (1) << n) - 1) << shift;
    if (!word || !(__atomic_load_n (word, __ATOMIC_RELAXED) & mask))
      continue;
    uint64_t was = (__atomic_fetch_and (word, ~mask, __ATOMIC_SEQ_CST) & mask) >> shift;
    bits[at / 64] |= was << at % 64;
    if (at % 64 && at % 64 + n > 64)
      bits[at / 64 + 1] |= was >> (64 - at % 64);
    any |= was != 0;
  }
  const Watcher *w = __atomic_load_n (&watcher, __ATOMIC_ACQUIRE);
  if (any && w && w->table.cleared)
    w->table.cleared (w->user, ram_address, n_pages << GUEST_PAGE_BITS);
  return any;
}

uint64_t
dirty_count (BpDirtyClient client, uint64_t ram_address, uint64_t size)
{
  PageSpan span = pages_of (ram_address, size);
  uint64_t count = 0;
  for (uint64_t page = span.first; page <= span.last; page = (page | 63) + 1) {
    const uint64_t *word = word_of (client, page);
    unsigned n = (unsigned) MIN (span.last - page, 63 - page % 64) + 1;
    uint64_t mask = (n == 64 ? UINT64_MAX : (UINT64_C (1) << n) - 1) << page % 64;
    count += word ? (unsigned) __builtin_popcountll (__atomic_load_n (word, __ATOMIC_RELAXED) & mask) : 0;
  }
  return count;
}

void
bp_dirty_set (BpDirtyClient client, uint64_t ram_address, uint64_t size)
{
  change_bits (client, pages_of (ram_address, size), client == BP_DIRTY_CODE ? BITS_CLEAR : BITS_SET);
}

void
bp_dirty_enable (BpDirtyClient client, bool enable)
{
  g_assert (client != BP_DIRTY_CODE);
  g_mutex_lock (&wanted_lock);
  g_mutex_lock (&blocks_lock);
  g_assert (enable || wanted[client]);
  bool changes = wanted[client] == (enable ? 0 : 1);
  if (enable && changes)
    change_bits (client, pages_of (0, blocks_end), BITS_SET);
  __atomic_store_n (&wanted[client], enable ? wanted[client] + 1 : wanted[client] - 1, __ATOMIC_RELEASE);
  g_mutex_unlock (&blocks_lock);
  if (changes)
    tell_wanted (client, enable);
  g_mutex_unlock (&wanted_lock);
}

void
bp_dirty_sync (uint64_t ram_address, uint64_t size)
{
  const Watcher *w = __atomic_load_n (&watcher, __ATOMIC_ACQUIRE);
  if (w && w->table.sync)
    w->table.sync (w->user, ram_address, size);
}
