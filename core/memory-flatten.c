/* memory-flatten.c -- from a tree of regions to sorted flat ranges and a page table: pure functions. */
/* SPDX-License-Identifier: MIT */
#include "machine.h"
#include "memory.h"
#include <string.h>

/* Aliases within aliases; a tree that shows itself through an alias ends here rather than never. */
#define MAX_ALIAS_DEPTH 24

/* --- leaves, in order of visibility ----------------------------------------------------------- */

/* What a leaf would show if nothing hid it.  Ranks are in order of the walk: lower hides higher. */
typedef struct Leaf {
  uint64_t first, last;
  const BpRegion *region;
  Wide base;                    /* where offset 0 of the region is, or would be */
  uint32_t rank;
  bool readonly;
} Leaf;

typedef struct Window {
  Wide start, end;
} Window;

/* A container's children come before its lower-priority siblings: what they leave uncovered falls through. */
static void
collect (GArray *leaves, const BpRegion *r, Wide base, Window window, bool readonly, unsigned alias_depth)
{
  Window clip = { MAX (window.start, base), MIN (window.end, base + r->size) };
  if (!r->enabled || clip.start >= clip.end)
    return;
  readonly |= r->readonly;
  if (r->kind == REGION_ALIAS) {
    if (r->target && alias_depth < MAX_ALIAS_DEPTH)
      collect (leaves, r->target, base - (Wide) r->target_offset, clip, readonly, alias_depth + 1);
  } else if (r->kind == REGION_CONTAINER) {
    for (unsigned i = 0; i < r->children->len; i++) {
      const BpRegion *child = g_ptr_array_index (r->children, i);
      collect (leaves, child, base + (Wide) child->offset, clip, readonly, alias_depth);
    }
  } else {
    Leaf leaf = { (uint64_t) clip.start, (uint64_t) (clip.end - 1), r, base, leaves->len, readonly };
    g_array_append_val (leaves, leaf);
  }
}

static int
compare_leaves (const void *a, const void *b)
{
  const Leaf *x = a, *y = b;
  if (x->first != y->first)
    return x->first < y->first ? -1 : 1;
  return x->rank < y->rank ? -1 : 1;
}

/* --- a heap of leaves by rank ----------------------------------------------------------------- */

static void
heap_push (GPtrArray *heap, const Leaf *leaf)
{
  g_ptr_array_add (heap, (void *) leaf);
  unsigned i = heap->len - 1;
  while (i && ((const Leaf *) heap->pdata[(i - 1) / 2])->rank > leaf->rank) {
    heap->pdata[i] = heap->pdata[(i - 1) / 2];
    i = (i - 1) / 2;
  }
  heap->pdata[i] = (void *) leaf;
}

static void
heap_pop (GPtrArray *heap)
{
  const Leaf *moved = heap->pdata[heap->len - 1];
  g_ptr_array_set_size (heap, (int) heap->len - 1);
  unsigned i = 0, n = heap->len;
  if (!n)
    return;
  for (unsigned child; (child = 2 * i + 1) < n; i = child) {
    if (child + 1 < n
        && ((const Leaf *) heap->pdata[child + 1])->rank < ((const Leaf *) heap->pdata[child])->rank)
      child++;
    if (((const Leaf *) heap->pdata[child])->rank >= moved->rank)
      break;
    heap->pdata[i] = heap->pdata[child];
  }
  heap->pdata[i] = (void *) moved;
}

/* --- ranges ----------------------------------------------------------------------------------- */

static bool
leaf_is_readonly (const Leaf *leaf)
{
  const BpRegion *r = leaf->region;
  return r->kind == REGION_ROM || (r->kind == REGION_ROM_DEVICE && r->rom_mode)
         || (r->kind == REGION_RAM && leaf->readonly);
}

/* An accelerator that keeps writes does not look at their size, nor for doorbells among them. */
static bool
has_late_writes (const BpRegion *r)
{
  return r->kind == REGION_IO && r->ops.flags & BP_REGION_OPS_LATE_WRITES && r->ops.access_min == 1 && r->ops.access_max == 8 && !r->doorbells;
}

static void
emit (GArray *ranges, const Leaf *leaf, uint64_t first, uint64_t last)
{
  const BpRegion *r = leaf->region;
  BpFlatRange range = {
    .struct_size = sizeof range,
    .readonly = leaf_is_readonly (leaf),
    .address = first,
    .size = last - first + 1,
    .region = (BpRegion *) r,
    .region_offset = (uint64_t) ((Wide) first - leaf->base),
    .ram_address = NO_RAM_ADDRESS,
    .late_writes = has_late_writes (r),
  };
  if (r->host && (r->kind != REGION_ROM_DEVICE || r->rom_mode)) {
    range.host = r->host + range.region_offset;
    range.ram_address = r->ram_address + range.region_offset;
  }
  if (ranges->len) {
    BpFlatRange *before = &g_array_index (ranges, BpFlatRange, ranges->len - 1);
    if (before->region == r && range_last (before) + 1 == first
        && before->region_offset + before->size == range.region_offset
        && before->readonly == range.readonly) {
      before->size += range.size;
      return;
    }
  }
  g_array_append_val (ranges, range);
}

/* A sweep over the starts: between two of them the visible leaf is the top of the heap. */
static void
sweep (GArray *ranges, const Leaf *leaves, unsigned n)
{
  GPtrArray *heap = g_ptr_array_new ();
  uint64_t at = 0;
  unsigned i = 0;
  while (i < n || heap->len) {
    if (!heap->len)
      at = MAX (at, leaves[i].first);
    while (i < n && leaves[i].first <= at)
      heap_push (heap, &leaves[i++]);
    const Leaf *top = heap->pdata[0];
    if (top->last < at) {
      heap_pop (heap);
      continue;
    }
    uint64_t last = i < n ? MIN (top->last, leaves[i].first - 1) : top->last;
    emit (ranges, top, at, last);
    if (last == UINT64_MAX)
      break;
    at = last + 1;
  }
  g_ptr_array_unref (heap);
}

GArray *
memory_flatten (const BpRegion *root)
{
  GArray *ranges = g_array_new (FALSE, FALSE, sizeof (BpFlatRange));
  GArray *leaves = g_array_new (FALSE, FALSE, sizeof (Leaf));
  if (root)
    collect (leaves, root, 0, (Window) { 0, WIDE_2_64 }, false, 0);
  if (leaves->len) {
    qsort (leaves->data, leaves->len, sizeof (Leaf), compare_leaves);
    sweep (ranges, (const Leaf *) leaves->data, leaves->len);
  }
  g_array_unref (leaves);
  return ranges;
}

/* --- the page table --------------------------------------------------------------------------- */

/* Memory: 1 GiB, 2 MiB and 4 KiB steps up to 2^40.  A space of 64 KiB (I/O ports): 256 and 1 byte. */
static const ViewLevel memory_levels[] = { { 30, 10 }, { 21, 9 }, { GUEST_PAGE_BITS, 9 } };
static const ViewLevel port_levels[] = { { 8, 8 }, { 0, 8 } };
#define MEMORY_LIMIT ((Wide) 1 << 40)
#define PORT_LIMIT ((Wide) 1 << 16)

typedef struct TableBuilder {
  GArray *table;                /* of uint32_t */
  const ViewLevel *levels;
  unsigned n_levels;
} TableBuilder;

static uint32_t
new_node (TableBuilder *b, unsigned level)
{
  uint32_t at = b->table->len;
  g_array_set_size (b->table, at + (1u << b->levels[level].bits));      /* zeroed: VIEW_HOLE */
  return at;
}

/* Enters `value` for [first, last] in the node that starts at address `base`.  Steps covered whole are
 * filled here, others go down. */
static void
fill (TableBuilder *b, unsigned level, uint32_t node, uint64_t base, uint64_t first, uint64_t last,
      uint32_t value)
{
  unsigned shift = b->levels[level].shift;
  for (uint64_t i = (first - base) >> shift; i <= (last - base) >> shift; i++) {
    uint64_t step_first = base + (i << shift), step_last = step_first + ((UINT64_C (1) << shift) - 1);
    uint32_t *entry = &g_array_index (b->table, uint32_t, node + i);
    if (first <= step_first && last >= step_last) {
      *entry = value;
    } else if (level + 1 == b->n_levels) {
      *entry = VIEW_SEARCH;
    } else {
      uint32_t below = *entry & ~(uint32_t) VIEW_NODE;
      if (*entry == VIEW_HOLE) {
        below = new_node (b, level + 1);
        g_array_index (b->table, uint32_t, node + i) = below | (uint32_t) VIEW_NODE;
      }
      fill (b, level + 1, below, step_first, MAX (first, step_first), MIN (last, step_last), value);
    }
  }
}

FlatView *
view_new (const BpRegion *root)
{
  FlatView *view = g_new0 (FlatView, 1);
  GArray *ranges = memory_flatten (root);
  bool ports = root && root->size <= PORT_LIMIT;
  TableBuilder b = {
    .table = g_array_new (FALSE, TRUE, sizeof (uint32_t)),
    .levels = ports ? port_levels : memory_levels,
    .n_levels = ports ? G_N_ELEMENTS (port_levels) : G_N_ELEMENTS (memory_levels),
  };
  view->levels = b.levels;
  view->limit = ports ? PORT_LIMIT : MEMORY_LIMIT;
  new_node (&b, 0);
  for (unsigned i = 0; i < ranges->len; i++) {
    const BpFlatRange *r = &g_array_index (ranges, BpFlatRange, i);
    if (r->address >= view->limit)
      break;
    fill (&b, 0, 0, 0, r->address, (uint64_t) MIN ((Wide) range_last (r), view->limit - 1), i + 1);
  }
  view->n_ranges = ranges->len;
  view->doorbells = doorbells_flatten ((const BpFlatRange *) ranges->data, ranges->len);
  view->ranges = (BpFlatRange *) g_array_free (ranges, FALSE);
  view->table = (uint32_t *) g_array_free (b.table, FALSE);
  return view;
}

void
view_free (FlatView *view)
{
  g_free (view->ranges);
  g_free (view->table);
  g_clear_pointer (&view->doorbells, g_array_unref);
  g_free (view);
}

unsigned
view_search (const FlatView *view, uint64_t address)
{
  unsigned low = 0, high = view->n_ranges;
  while (low < high) {
    unsigned middle = low + (high - low) / 2;
    if (range_last (&view->ranges[middle]) < address)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* --- for people ------------------------------------------------------------------------------- */

void
memory_print_map (BpAddressSpace *as, GString *out)
{
  memory_map_lock ();
  const FlatView *view = as->view;
  int digits = as->root && as->root->size <= PORT_LIMIT ? 4 : 16;
  for (unsigned i = 0; i < view->n_ranges; i++) {
    const BpFlatRange *r = &view->ranges[i];
    g_string_append_printf (out, "%0*" G_GINT64_MODIFIER "x-%0*" G_GINT64_MODIFIER "x  %-10s  ", digits,
                            r->address, digits, range_last (r), region_kind_name (r->region->kind));
    if (r->region->owner)
      g_string_append_printf (out, "%s.", bp_object_id (r->region->owner));
    g_string_append (out, r->region->name);
    if (r->region_offset)
      g_string_append_printf (out, " +0x%" G_GINT64_MODIFIER "x", r->region_offset);
    if (r->readonly && r->region->kind == REGION_RAM)
      g_string_append (out, " (read-only)");
    g_string_append_c (out, '\n');
  }
  memory_map_unlock ();
}
