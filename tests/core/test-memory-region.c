/* test-memory-region.c -- the tree, transactions, listeners, and views published to readers elsewhere. */
/* SPDX-License-Identifier: MIT */
#include "memory.h"
#include "../suite.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

static const BpRegionOps no_ops = BP_REGION_OPS (.flags = 0);

/* --- a listener that keeps its own copy ------------------------------------------------------- */

typedef struct Mirror {
  GArray *ranges;
  unsigned n_begin, n_commit, n_add, n_remove;
} Mirror;

static void
mirror_begin (void *user)
{
  ((Mirror *) user)->n_begin++;
}

static void
mirror_commit (void *user)
{
  ((Mirror *) user)->n_commit++;
}

static void
mirror_add (void *user, const BpFlatRange *range)
{
  Mirror *m = user;
  for (unsigned i = 0; i < m->ranges->len; i++) {       /* an overlap: KVM would refuse it */
    const BpFlatRange *r = &g_array_index (m->ranges, BpFlatRange, i);
    ck_assert (range_last (r) < range->address || range_last (range) < r->address);
  }
  g_array_append_vals (m->ranges, range, 1);
  m->n_add++;
}

static void
mirror_remove (void *user, const BpFlatRange *range)
{
  Mirror *m = user;
  ck_assert_str_ne (bp_region_name (range->region), "");
  for (unsigned i = 0; i < m->ranges->len; i++)
    if (!memcmp (&g_array_index (m->ranges, BpFlatRange, i), range, sizeof *range)) {
      g_array_remove_index_fast (m->ranges, i);
      m->n_remove++;
      return;
    }
  ck_abort_msg ("removed what was never added");
}

static const BpMemoryListener mirror_listener = {
  .struct_size = sizeof (BpMemoryListener),
  .begin = mirror_begin,
  .add = mirror_add,
  .remove = mirror_remove,
  .commit = mirror_commit,
};

static int
by_address (const void *a, const void *b)
{
  const BpFlatRange *x = a, *y = b;
  return x->address < y->address ? -1 : x->address > y->address;
}

static void
mirror_check (Mirror *m, BpAddressSpace *as)
{
  g_array_sort (m->ranges, by_address);
  ck_assert_uint_eq (m->ranges->len, as->view->n_ranges);
  ck_assert (!m->ranges->len
             || !memcmp (m->ranges->data, as->view->ranges, m->ranges->len * sizeof (BpFlatRange)));
}

static void *
page_memory (size_t size)
{
  return g_aligned_alloc0 (1, size, 4096);
}

/* --- tests ------------------------------------------------------------------------------------ */

START_TEST (transactions_group_changes)
{
  BpRegion *root = bp_region_new_container (NULL, "root", UINT64_MAX),
           *a = bp_region_new_io (NULL, "a", &no_ops, 0x100);
  BpAddressSpace *as = bp_address_space_new (NULL, "memory", root);
  Mirror m = { .ranges = g_array_new (FALSE, FALSE, sizeof (BpFlatRange)) };
  bp_region_add (root, 0x1000, a, 0);
  unsigned number = bp_as_listen (as, &mirror_listener, &m);
  ck_assert (m.n_begin == 1 && m.n_add == 1 && m.n_commit == 1);
  bp_memory_begin ();
  bp_region_set_offset (a, 0x2000);
  bp_memory_begin ();
  bp_region_set_offset (a, 0x3000);
  bp_memory_commit ();
  ck_assert (bp_as_lookup (as, 0x1000));        /* nothing is visible yet */
  bp_as_leave (as);
  bp_memory_commit ();
  ck_assert_ptr_null (bp_as_lookup (as, 0x1000));
  const BpFlatRange *r = bp_as_lookup (as, 0x3010);
  ck_assert (r && r->address == 0x3000 && r->region == a);
  bp_as_leave (as);
  ck_assert (m.n_begin == 2 && m.n_add == 2 && m.n_remove == 1 && m.n_commit == 2);
  mirror_check (&m, as);
  bp_memory_begin ();                           /* there and back: nobody is told */
  bp_region_set_enabled (a, false);
  bp_region_set_enabled (a, true);
  bp_memory_commit ();
  ck_assert_uint_eq (m.n_begin, 2);
  bp_as_unlisten (as, number);
  bp_region_set_enabled (a, false);
  ck_assert_uint_eq (m.n_begin, 2);
  bp_region_free (a);
  bp_address_space_free (as);
  bp_region_free (root);
  g_array_unref (m.ranges);
}
END_TEST

START_TEST (changes_reach_every_space_that_shows_them)
{
  void *host = page_memory (0x10000);
  BpRegion *root = bp_region_new_container (NULL, "root", UINT64_MAX),
           *inner = bp_region_new_container (NULL, "inner", 0x100000);
  BpRegion *ram = bp_region_new_ram (NULL, "ram", host, 0x10000),
           *device_root = bp_region_new_container (NULL, "bus-master", UINT64_MAX);
  BpRegion *alias = bp_region_new_alias (NULL, "all", root, 0, UINT64_MAX);
  BpAddressSpace *as = bp_address_space_new (NULL, "memory", root),
                 *dma = bp_address_space_new (NULL, "dma", device_root);
  bp_region_add (root, 0x100000, inner, 0);
  bp_region_add (device_root, 0, alias, 0);
  bp_region_add (inner, 0x1000, ram, 0);
  uint32_t value = 0x12345678;
  ck_assert (bp_as_write (dma, 0x101004, &value, 4));
  ck_assert_uint_eq (bp_as_load (as, 0x101004, 4), 0x12345678);
  bp_region_set_offset (inner, 0x200000);
  ck_assert (!bp_as_write (dma, 0x101004, &value, 4));
  ck_assert_uint_eq (bp_as_load (dma, 0x201004, 4), 0x12345678);
  bp_region_free (root);                        /* in any order */
  ck_assert_uint_eq (bp_as_load (as, 0x201004, 4), 0xffffffff);
  ck_assert_uint_eq (bp_as_load (dma, 0x201004, 4), 0xffffffff);
  bp_region_free (alias);
  bp_region_free (ram);
  bp_region_free (inner);
  bp_address_space_free (dma);
  bp_address_space_free (as);
  bp_region_free (device_root);
  g_aligned_free (host);
}
END_TEST

START_TEST (random_changes_and_a_listener)
{
  enum { N = 24 };
  GRand *rand = g_rand_new_with_seed (7);
  void *host = page_memory (0x4000);
  BpRegion *root = bp_region_new_container (NULL, "root", UINT64_MAX),
           *box = bp_region_new_container (NULL, "box", 0x8000), *some[N] = { 0 };
  BpAddressSpace *as = bp_address_space_new (NULL, "memory", root);
  Mirror m = { .ranges = g_array_new (FALSE, FALSE, sizeof (BpFlatRange)) };
  bp_as_listen (as, &mirror_listener, &m);
  bp_region_add (root, 0x4000, box, 0);
  for (unsigned round = 0; round < 4000; round++) {
    unsigned i = (unsigned) g_rand_int_range (rand, 0, N);
    bool group = g_rand_boolean (rand);
    if (group)
      bp_memory_begin ();
    for (int n = group ? 5 : 1; n--; i = (i + 1) % N) {
      BpRegion **r = &some[i];
      if (!*r) {
        *r = i % 2 ? bp_region_new_io (NULL, "io", &no_ops, (uint64_t) g_rand_int_range (rand, 1, 0x3000))
                   : bp_region_new_ram (NULL, "ram", host, 0x4000);
        bp_region_add (i % 3 ? root : box, (uint64_t) g_rand_int_range (rand, 0, 0x10000), *r,
                       g_rand_int_range (rand, -1, 2));
      } else if (g_rand_boolean (rand)) {
        bp_region_set_offset (*r, (uint64_t) g_rand_int_range (rand, 0, 0x10000));
      } else if (g_rand_boolean (rand)) {
        bp_region_set_readonly (*r, g_rand_boolean (rand));
        bp_region_set_enabled (*r, g_rand_int_range (rand, 0, 4) > 0);
      } else {
        bp_region_free (*r);
        *r = NULL;
      }
    }
    if (group)
      bp_memory_commit ();
    mirror_check (&m, as);
  }
  for (unsigned i = 0; i < N; i++)
    bp_region_free (some[i]);
  bp_region_free (box);
  ck_assert_uint_eq (m.ranges->len, 0);
  bp_address_space_free (as);
  bp_region_free (root);
  g_array_unref (m.ranges);
  g_rand_free (rand);
  g_aligned_free (host);
}
END_TEST

typedef struct Nested {
  BpRegion *follows;
  bool done;
} Nested;

static void
enable_follower (void *user)
{
  Nested *n = user;
  if (!n->done) {
    n->done = true;
    bp_region_set_enabled (n->follows, true);
  }
}

START_TEST (a_listener_may_change_the_map)
{
  static const BpMemoryListener listener = { .struct_size = sizeof listener, .commit = enable_follower };
  BpRegion *root = bp_region_new_container (NULL, "root", 0x1000),
           *a = bp_region_new_io (NULL, "a", &no_ops, 0x10);
  BpRegion *b = bp_region_new_io (NULL, "b", &no_ops, 0x10);
  bp_region_set_enabled (b, false);
  bp_region_add (root, 0x100, b, 0);
  BpAddressSpace *as = bp_address_space_new (NULL, "io", root);
  Nested n = { b, true };
  bp_as_listen (as, &listener, &n);
  n.done = false;
  bp_region_add (root, 0x200, a, 0);
  ck_assert (bp_as_lookup (as, 0x100) && bp_as_lookup (as, 0x200));
  bp_as_leave (as);
  bp_as_leave (as);
  bp_address_space_free (as);
  bp_region_free (a);
  bp_region_free (b);
  bp_region_free (root);
}
END_TEST

/* --- readers and a writer --------------------------------------------------------------------- */

typedef struct Race {
  BpAddressSpace *as;
  int stop;                     /* atomic */
  uint64_t n;
} Race;

/* Each block of memory is filled with its own byte while it is mapped, and with 0xee once it is not. */
static void *
read_all_the_time (void *data)
{
  Race *race = data;
  while (!__atomic_load_n (&race->stop, __ATOMIC_RELAXED)) {
    uint64_t address = 0x1000 + race->n++ % 8 * 0x1000;
    const BpFlatRange *r = bp_as_lookup (race->as, address);
    if (!r)
      continue;
    ck_assert_uint_eq (r->size, 0x1000);
    ck_assert_str_eq (bp_region_name (r->region), "block");
    uint8_t first = __atomic_load_n (r->host, __ATOMIC_RELAXED);
    if (first == 0xee)
      ck_abort_msg ("read a block that was taken away");
    bp_as_leave (race->as);
  }
  return NULL;
}

static unsigned other_listener;

static void
end_the_other (void *user)
{
  if (other_listener)
    bp_as_unlisten (user, other_listener);
  other_listener = 0;
}

/* Who was ended may be gone: it hears of nothing more, not even of the change that it was ended in. */
START_TEST (a_listener_may_end_another)
{
  static const BpMemoryListener ending = { .struct_size = sizeof ending, .begin = end_the_other };
  BpRegion *root = bp_region_new_container (NULL, "root", UINT64_MAX), *a = bp_region_new_io (NULL, "a", &no_ops, 0x100);
  BpAddressSpace *as = bp_address_space_new (NULL, "memory", root);
  Mirror m = { .ranges = g_array_new (FALSE, FALSE, sizeof (BpFlatRange)) };
  unsigned number = bp_as_listen (as, &ending, as);
  other_listener = bp_as_listen (as, &mirror_listener, &m);
  bp_region_add (root, 0x1000, a, 0);
  ck_assert_uint_eq (other_listener, 0);
  ck_assert (m.n_begin == 1 && m.n_add == 0 && m.n_commit == 1);
  bp_as_unlisten (as, number);
  bp_region_free (a);
  bp_address_space_free (as);
  bp_region_free (root);
  g_array_unref (m.ranges);
}
END_TEST

START_TEST (readers_never_see_what_is_gone)
{
  BpRegion *root = bp_region_new_container (NULL, "root", UINT64_MAX), *block[8] = { 0 };
  Race race = { .as = bp_address_space_new (NULL, "memory", root) }, race2 = race;
  GThread *one = g_thread_new ("reader", read_all_the_time, &race),
          *two = g_thread_new ("reader", read_all_the_time, &race2);
  int64_t end = g_get_monotonic_time () + 400000;
  for (unsigned i = 0; g_get_monotonic_time () < end; i++) {
    BpRegion **b = &block[i % 8];
    if (*b) {
      uint8_t *host = bp_region_ram (*b);
      bp_region_free (*b);
      *host = 0xee;                             /* nobody looks any more: free waited */
      g_aligned_free (host);
    }
    uint8_t *host = page_memory (0x1000);
    *host = 1;
    *b = bp_region_new_ram (NULL, "block", host, 0x1000);
    bp_region_add (root, 0x1000 + i % 8 * 0x1000, *b, 0);
  }
  __atomic_store_n (&race.stop, 1, __ATOMIC_RELAXED);
  __atomic_store_n (&race2.stop, 1, __ATOMIC_RELAXED);
  g_thread_join (one);
  g_thread_join (two);
  ck_assert_uint_gt (race.n + race2.n, 0);
  for (unsigned i = 0; i < 8; i++)
    if (block[i]) {
      void *host = bp_region_ram (block[i]);
      bp_region_free (block[i]);
      g_aligned_free (host);
    }
  bp_address_space_free (race.as);
  bp_region_free (root);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("memory-region");
  TCase *tcase = tcase_create ("all");
  tcase_add_test (tcase, transactions_group_changes);
  tcase_add_test (tcase, changes_reach_every_space_that_shows_them);
  tcase_add_test (tcase, random_changes_and_a_listener);
  tcase_add_test (tcase, a_listener_may_change_the_map);
  tcase_add_test (tcase, a_listener_may_end_another);
  tcase_add_test (tcase, readers_never_see_what_is_gone);
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}
