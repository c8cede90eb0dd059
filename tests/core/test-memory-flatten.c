/* test-memory-flatten.c -- flattening against cases worked out by hand, and against a model byte by byte. */
/* SPDX-License-Identifier: MIT */
#include "../patience.h"
#include "memory.h"
#include "../suite.h"
#include <check.h>
#include <stdlib.h>

static uint8_t host[1 << 16] __attribute__ ((aligned (4096)));
static const BpRegionOps no_ops = BP_REGION_OPS (.flags = 0);

static BpRegion *
io (const char *name, uint64_t size)
{
  return bp_region_new_io (NULL, name, &no_ops, size);
}

static void
check_range (GArray *ranges, unsigned i, uint64_t address, uint64_t size, BpRegion *region, uint64_t offset)
{
  ck_assert_uint_lt (i, ranges->len);
  const BpFlatRange *r = &g_array_index (ranges, BpFlatRange, i);
  ck_assert_uint_eq (r->address, address);
  ck_assert_uint_eq (r->size, size);
  ck_assert_ptr_eq (r->region, region);
  ck_assert_uint_eq (r->region_offset, offset);
}

/* --- by hand ---------------------------------------------------------------------------------- */

START_TEST (priorities_and_holes)
{
  BpRegion *root = bp_region_new_container (NULL, "root", 0x1000),
           *window = bp_region_new_container (NULL, "window", 0x100);
  BpRegion *low = io ("low", 0x1000), *a = io ("a", 0x10), *b = io ("b", 0x10);
  bp_region_add (root, 0, low, -1);
  bp_region_add (root, 0x200, window, 1);
  bp_region_add (window, 0x20, a, 0);
  bp_region_add (window, 0xf8, b, 0);           /* the window cuts it */
  GArray *f = memory_flatten (root);
  ck_assert_uint_eq (f->len, 5);
  check_range (f, 0, 0, 0x220, low, 0);
  check_range (f, 1, 0x220, 0x10, a, 0);
  check_range (f, 2, 0x230, 0xc8, low, 0x230);
  check_range (f, 3, 0x2f8, 8, b, 0);
  check_range (f, 4, 0x300, 0xd00, low, 0x300);
  g_array_unref (f);

  bp_region_set_enabled (window, false);        /* pieces of one leaf merge */
  f = memory_flatten (root);
  ck_assert_uint_eq (f->len, 1);
  check_range (f, 0, 0, 0x1000, low, 0);
  g_array_unref (f);

  BpRegion *later = io ("later", 0x10);         /* equal priority: the later wins */
  bp_region_set_enabled (window, true);
  bp_region_add (window, 0x28, later, 0);
  f = memory_flatten (root);
  check_range (f, 1, 0x220, 8, a, 0);
  check_range (f, 2, 0x228, 0x10, later, 0);
  g_array_unref (f);
  BpRegion *all[] = { later, a, b, low, window, root };
  for (unsigned i = 0; i < G_N_ELEMENTS (all); i++)
    bp_region_free (all[i]);
}
END_TEST

START_TEST (aliases_and_readonly)
{
  BpRegion *root = bp_region_new_container (NULL, "root", UINT64_MAX),
           *ram = bp_region_new_ram (NULL, "ram", host, sizeof host);
  BpRegion *hole = bp_region_new_reserved (NULL, "hole", 0x1000);
  BpRegion *view = bp_region_new_alias (NULL, "view", ram, 0x4000, 0x2000),
           *view2 = bp_region_new_alias (NULL, "view2", view, 0x1800, 0x2000);
  bp_region_add (root, 0, ram, 0);
  bp_region_add (root, 0x2000, hole, 1);
  bp_region_add (root, 0x100000, view, 0);
  bp_region_add (root, 0x200000, view2, 0);     /* its target ends after 0x800 bytes */
  bp_region_set_readonly (view, true);
  GArray *f = memory_flatten (root);
  ck_assert_uint_eq (f->len, 5);
  check_range (f, 0, 0, 0x2000, ram, 0);
  check_range (f, 1, 0x2000, 0x1000, hole, 0);
  check_range (f, 2, 0x3000, 0xd000, ram, 0x3000);
  check_range (f, 3, 0x100000, 0x2000, ram, 0x4000);
  check_range (f, 4, 0x200000, 0x800, ram, 0x5800);
  const BpFlatRange *r = (const BpFlatRange *) f->data;
  ck_assert (!r[0].readonly && r[3].readonly && r[4].readonly && !r[2].readonly);
  ck_assert_ptr_eq (r[4].host, host + 0x5800);
  ck_assert_uint_eq (r[4].ram_address, bp_region_ram_address (ram) + 0x5800);
  ck_assert_ptr_null (r[1].host);
  ck_assert_uint_eq (r[1].ram_address, UINT64_MAX);
  g_array_unref (f);
  bp_region_free (ram);                         /* its aliases show nothing now */
  f = memory_flatten (root);
  ck_assert_uint_eq (f->len, 1);
  g_array_unref (f);
  BpRegion *all[] = { hole, view, view2, root };
  for (unsigned i = 0; i < G_N_ELEMENTS (all); i++)
    bp_region_free (all[i]);
}
END_TEST

START_TEST (the_whole_of_2_64)
{
  BpRegion *root = bp_region_new_container (NULL, "root", UINT64_MAX), *all = io ("all", UINT64_MAX),
           *top = io ("top", 0x1000);
  bp_region_add (root, 0, all, -10);
  GArray *f = memory_flatten (root);
  ck_assert_uint_eq (f->len, 1);
  check_range (f, 0, 0, 0, all, 0);             /* size 0: 2^64 */
  ck_assert_uint_eq (range_last ((BpFlatRange *) f->data), UINT64_MAX);
  g_array_unref (f);
  bp_region_add (root, UINT64_MAX - 0x7ff, top, 0);     /* half of it is past the end */
  BpRegion *wrapped = bp_region_new_alias (NULL, "wrapped", all, UINT64_MAX - 0xf, UINT64_MAX);
  bp_region_add (root, 0x100, wrapped, 0);
  FlatView *v = view_new (root);
  ck_assert_uint_eq (v->n_ranges, 4);
  ck_assert_ptr_eq (v->ranges[3].region, top);
  ck_assert_uint_eq (v->ranges[3].size, 0x800);
  ck_assert_uint_eq (v->ranges[1].address, 0x100);
  ck_assert_uint_eq (v->ranges[1].size, 0x10);
  ck_assert_uint_eq (v->ranges[1].region_offset, UINT64_MAX - 0xf);
  ck_assert_ptr_eq (view_find (v, 0x10f), &v->ranges[1]);
  ck_assert_ptr_eq (view_find (v, 0x110), &v->ranges[2]);
  ck_assert_ptr_eq (view_find (v, UINT64_C (1) << 50), &v->ranges[2]);
  ck_assert_ptr_eq (view_find (v, UINT64_MAX), &v->ranges[3]);
  view_free (v);
  BpRegion *these[] = { wrapped, top, all, root };
  for (unsigned i = 0; i < G_N_ELEMENTS (these); i++)
    bp_region_free (these[i]);
}
END_TEST

START_TEST (rom_device_modes)
{
  BpRegion *root = bp_region_new_container (NULL, "root", 0x100000),
           *flash = bp_region_new_rom_device (NULL, "flash", &no_ops, host, 0x4000);
  bp_region_add (root, 0x1000, flash, 0);
  GArray *f = memory_flatten (root);
  const BpFlatRange *r = (const BpFlatRange *) f->data;
  ck_assert (r->host == host && r->readonly);
  g_array_unref (f);
  bp_region_set_rom_mode (flash, false);
  f = memory_flatten (root);
  r = (const BpFlatRange *) f->data;
  ck_assert (!r->host && !r->readonly && r->ram_address == UINT64_MAX);
  g_array_unref (f);
  bp_region_free (root);
  bp_region_free (flash);
}
END_TEST

START_TEST (a_tree_that_shows_itself_ends)
{
  BpRegion *root = bp_region_new_container (NULL, "root", 0x10000),
           *self = bp_region_new_alias (NULL, "self", root, 0, 0x10000);
  BpRegion *leaf = io ("leaf", 0x10);
  bp_region_add (root, 0x100, self, 1);
  bp_region_add (root, 0, leaf, 0);
  GArray *f = memory_flatten (root);
  ck_assert_uint_ge (f->len, 2);
  check_range (f, 0, 0, 0x10, leaf, 0);
  check_range (f, 1, 0x100, 0x10, leaf, 0);
  g_array_unref (f);
  bp_region_free (leaf);
  bp_region_free (self);
  bp_region_free (root);
}
END_TEST

START_TEST (a_thousand_regions_are_quick)
{
  enum { N = 1000 };
  BpRegion *root = bp_region_new_container (NULL, "root", UINT64_MAX), *ram = io ("ram", UINT64_C (1) << 39),
           *some[N];
  bp_memory_begin ();
  bp_region_add (root, 0, ram, -1);
  for (unsigned i = 0; i < N; i++) {
    some[i] = io ("some", 0x1000);
    bp_region_add (root, UINT64_C (0x1000000) * i + 0x800, some[i], 0);
  }
  bp_memory_commit ();
  int64_t start = g_get_monotonic_time ();
  FlatView *v = view_new (root);
  int64_t took = g_get_monotonic_time () - start;
  ck_assert_uint_eq (v->n_ranges, 2 * N + 1);
  ck_assert_msg (took < patience (1) / 10, "flattening took %d us", (int) took); /* about 1000 */
  if (g_getenv ("BENCH"))
    g_print ("a thousand regions: %d us\n", (int) took);
  view_free (v);
  bp_memory_begin ();
  for (unsigned i = 0; i < N; i++)
    bp_region_free (some[i]);
  bp_region_free (ram);
  bp_region_free (root);
  bp_memory_commit ();
}
END_TEST

/* --- against a model -------------------------------------------------------------------------- */

enum { MAX_REGIONS = 16, SPACE = 96 };

typedef struct Model {
  BpRegion *region[MAX_REGIONS];
  unsigned parent[MAX_REGIONS]; /* index, or MAX_REGIONS */
  int64_t offset[MAX_REGIONS], size[MAX_REGIONS], target_offset[MAX_REGIONS];
  unsigned target[MAX_REGIONS], added[MAX_REGIONS];
  int priority[MAX_REGIONS];
  bool enabled[MAX_REGIONS], readonly[MAX_REGIONS];
  unsigned n;
} Model;

typedef struct Answer {
  BpRegion *region;
  int64_t offset;
  bool readonly;
} Answer;

/* What byte `at` of region i is. */
static Answer
ask (const Model *m, unsigned i, int64_t at, bool readonly)
{
  Answer nothing = { NULL, 0, false };
  if (!m->enabled[i] || at < 0 || at >= m->size[i])
    return nothing;
  readonly |= m->readonly[i];
  RegionKind kind = m->region[i]->kind;
  if (kind == REGION_ALIAS)
    return ask (m, m->target[i], m->target_offset[i] + at, readonly);
  if (kind != REGION_CONTAINER)
    return (Answer) { m->region[i], at, kind == REGION_RAM && readonly };
  Answer best = nothing;
  unsigned best_child = MAX_REGIONS;
  for (unsigned c = 0; c < m->n; c++)
    if (m->parent[c] == i) {
      bool better = best_child == MAX_REGIONS || m->priority[c] > m->priority[best_child]
        || (m->priority[c] == m->priority[best_child] && m->added[c] > m->added[best_child]);
      Answer a = better ? ask (m, c, at - m->offset[c], readonly) : nothing;
      if (a.region) {
        best = a;
        best_child = c;
      }
    }
  return best;
}

/* Regions refer only to earlier ones, so the last is a root and nothing shows itself. */
static void
make_random (Model *m, GRand *rand, int64_t scale)
{
  unsigned order = 0;
  m->n = (unsigned) g_rand_int_range (rand, 3, MAX_REGIONS);
  for (unsigned i = 0; i < m->n; i++) {
    bool last = i + 1 == m->n;
    int kind = last ? 9 : g_rand_int_range (rand, 0, 10);
    int64_t size = last ? SPACE : g_rand_int_range (rand, 1, SPACE);
    m->size[i] = kind < 3 ? size * 16 : size * scale;   /* host memory is small */
    m->parent[i] = MAX_REGIONS;
    if (kind < 3) {
      m->region[i] = bp_region_new_ram (NULL, "ram", host, (uint64_t) m->size[i]);
    } else if (kind < 5) {
      m->region[i] = io ("io", (uint64_t) m->size[i]);
    } else if (kind < 8 && i) {
      m->target[i] = (unsigned) g_rand_int_range (rand, 0, (int) i);
      m->target_offset[i] = g_rand_int_range (rand, 0, 20) * scale;
      m->region[i] = bp_region_new_alias (NULL, "alias", m->region[m->target[i]],
                                          (uint64_t) m->target_offset[i], (uint64_t) m->size[i]);
    } else {
      m->region[i] = bp_region_new_container (NULL, "container", (uint64_t) m->size[i]);
      for (unsigned c = 0; c < i; c++)
        if (m->parent[c] == MAX_REGIONS && g_rand_int_range (rand, 0, 3)) {
          m->parent[c] = i;
          m->offset[c] = g_rand_int_range (rand, 0, SPACE) * scale;
          m->priority[c] = g_rand_int_range (rand, -1, 2);
          m->added[c] = order++;
          bp_region_add (m->region[i], (uint64_t) m->offset[c], m->region[c], m->priority[c]);
        }
    }
    m->enabled[i] = last || g_rand_int_range (rand, 0, 8);
    m->readonly[i] = !g_rand_int_range (rand, 0, 4);
    bp_region_set_enabled (m->region[i], m->enabled[i]);
    bp_region_set_readonly (m->region[i], m->readonly[i]);
  }
}

static void
check_byte (const Model *m, const FlatView *v, int64_t at)
{
  Answer want = ask (m, m->n - 1, at, false);
  const BpFlatRange *r = view_find (v, (uint64_t) at);
  ck_assert_ptr_eq (r ? r->region : NULL, want.region);
  if (r) {
    ck_assert_uint_eq (r->region_offset + ((uint64_t) at - r->address), (uint64_t) want.offset);
    ck_assert_uint_eq (r->readonly, want.readonly);
    ck_assert (!r->host || r->host == host + r->region_offset);
  }
}

static void
check_sorted_and_merged (const FlatView *v)
{
  for (unsigned i = 1; i < v->n_ranges; i++) {
    const BpFlatRange *a = &v->ranges[i - 1], *b = &v->ranges[i];
    ck_assert (range_last (a) < b->address);
    ck_assert (range_last (a) + 1 != b->address || a->region != b->region
               || a->region_offset + a->size != b->region_offset || a->readonly != b->readonly);
  }
}

START_TEST (random_trees)
{
  static const int64_t scales[] = { 1, 100, 4096, 5000, 0x40001000 };
  GRand *rand = g_rand_new_with_seed (20 + (guint32) _i);
  int64_t scale = scales[_i];
  for (unsigned round = 0; round < 1000; round++) {
    Model m = { .n = 0 };
    make_random (&m, rand, scale);
    FlatView *v = view_new (m.region[m.n - 1]);
    check_sorted_and_merged (v);
    for (int64_t a = 0; a < SPACE + 8; a++) {
      check_byte (&m, v, a * scale);
      check_byte (&m, v, a * scale + scale - 1);
      check_byte (&m, v, a * scale + g_rand_int_range (rand, 0, (int) MIN (scale, 70000)));
    }
    view_free (v);
    for (unsigned i = 0; i < m.n; i++)
      bp_region_free (m.region[i]);
  }
  g_rand_free (rand);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("memory-flatten");
  TCase *hand = tcase_create ("by hand"), *model = tcase_create ("model");
  tcase_add_test (hand, priorities_and_holes);
  tcase_add_test (hand, aliases_and_readonly);
  tcase_add_test (hand, the_whole_of_2_64);
  tcase_add_test (hand, rom_device_modes);
  tcase_add_test (hand, a_tree_that_shows_itself_ends);
  tcase_add_test (hand, a_thousand_regions_are_quick);
  tcase_add_loop_test (model, random_trees, 0, 5);
  tcase_set_timeout (model, 60);
  suite_add_tcase (suite, hand);
  suite_add_tcase (suite, model);
  return suite_run (suite);
}
