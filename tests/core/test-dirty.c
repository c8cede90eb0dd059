/* test-dirty.c -- the numbering of RAM blocks, dirty bits per client, and who is told of writes. */
/* SPDX-License-Identifier: MIT */
#include "memory.h"
#include "../suite.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

#define PAGE UINT64_C (4096)
enum { N_PAGES = 200 };

static uint8_t *host;
static BpRegion *root, *ram;
static BpAddressSpace *as;
static uint64_t at;             /* of ram in the numbering */

static void
setup (void)
{
  host = g_aligned_alloc0 (N_PAGES, PAGE, PAGE);
  root = bp_region_new_container (NULL, "root", UINT64_MAX);
  as = bp_address_space_new (NULL, "memory", root);
  ram = bp_region_new_ram (NULL, "ram", host, N_PAGES * PAGE);
  bp_region_add (root, 0x100000, ram, 0);
  at = bp_region_ram_address (ram);
}

static void
teardown (void)
{
  bp_region_free (ram);
  bp_address_space_free (as);
  bp_region_free (root);
  g_aligned_free (host);
}

START_TEST (blocks_do_not_overlap)
{
  static uint8_t some[8][3 * PAGE] __attribute__ ((aligned (4096)));
  BpRegion *r[8];
  for (unsigned round = 0; round < 20; round++) {
    for (unsigned i = 0; i < 8; i++) {
      r[i] = bp_region_new_ram (NULL, "r", some[i], i % 3 * PAGE + 100);
      for (unsigned j = 0; j < i; j++) {
        uint64_t a = bp_region_ram_address (r[i]), b = bp_region_ram_address (r[j]);
        ck_assert (a % PAGE == 0);
        ck_assert (a + i % 3 * PAGE + PAGE <= b || b + j % 3 * PAGE + PAGE <= a);
      }
    }
    for (unsigned i = 0; i < 8; i++)
      bp_region_free (r[(i * 3 + round) % 8]);
  }
  BpRegion *big = bp_region_new_ram (NULL, "big", host, UINT64_C (1) << 40);    /* a terabyte is no trouble */
  BpRegion *next = bp_region_new_ram (NULL, "next", host, PAGE);
  bp_dirty_mark (bp_region_ram_address (big) + (UINT64_C (1) << 39), 1);
  bp_region_free (big);
  bp_region_free (next);
  BpRegion *io = bp_region_new_container (NULL, "c", 1);
  ck_assert_uint_eq (bp_region_ram_address (io), UINT64_MAX);
  bp_region_free (io);
}
END_TEST

START_TEST (bits_of_clients)
{
  ck_assert (bp_dirty_test (BP_DIRTY_CODE, at) && bp_dirty_test_all (at));
  ck_assert (bp_dirty_test (BP_DIRTY_DISPLAY, at));     /* nobody keeps it: dirty for all one knows */
  ck_assert (bp_dirty_clear (BP_DIRTY_DISPLAY, at, PAGE) && bp_dirty_test (BP_DIRTY_DISPLAY, at));
  bp_dirty_enable (BP_DIRTY_DISPLAY, true);
  ck_assert (bp_dirty_test (BP_DIRTY_DISPLAY, at));     /* at the start all is */
  ck_assert (bp_dirty_clear (BP_DIRTY_DISPLAY, at, N_PAGES * PAGE));
  ck_assert (!bp_dirty_clear (BP_DIRTY_DISPLAY, at, N_PAGES * PAGE));
  ck_assert (!bp_dirty_test_all (at));
  bp_dirty_mark (at + 70 * PAGE - 1, 2);
  for (unsigned i = 0; i < N_PAGES; i++) {
    ck_assert_int_eq (bp_dirty_test (BP_DIRTY_DISPLAY, at + i * PAGE), i == 69 || i == 70);
    ck_assert_int_eq (bp_dirty_test_all (at + i * PAGE), i == 69 || i == 70);
  }
  ck_assert (!bp_dirty_clear (BP_DIRTY_DISPLAY, at, 69 * PAGE));
  ck_assert (bp_dirty_clear (BP_DIRTY_DISPLAY, at + 70 * PAGE, 1));
  ck_assert (bp_dirty_test (BP_DIRTY_DISPLAY, at + 69 * PAGE));
  /* Another client's bits are its own. */
  bp_dirty_enable (BP_DIRTY_MIGRATION, true);
  bp_dirty_clear (BP_DIRTY_MIGRATION, at, N_PAGES * PAGE);
  ck_assert (!bp_dirty_test_all (at + 69 * PAGE));
  bp_dirty_mark (at, N_PAGES * PAGE);
  for (unsigned i = 0; i < N_PAGES; i++)
    ck_assert (bp_dirty_test_all (at + i * PAGE));
  /* A new block starts all dirty for those who want to know. */
  BpRegion *other = bp_region_new_ram (NULL, "other", host, PAGE);
  ck_assert (bp_dirty_clear (BP_DIRTY_DISPLAY, bp_region_ram_address (other), PAGE));
  bp_region_free (other);
  bp_dirty_enable (BP_DIRTY_MIGRATION, false);
  bp_dirty_enable (BP_DIRTY_DISPLAY, false);
  ck_assert (bp_dirty_test_all (at));
}
END_TEST

START_TEST (random_spans)
{
  GRand *rand = g_rand_new_with_seed (3);
  bool model[N_PAGES] = { false };
  bp_dirty_enable (BP_DIRTY_DISPLAY, true);
  bp_dirty_clear (BP_DIRTY_DISPLAY, at, N_PAGES * PAGE);
  for (unsigned round = 0; round < 5000; round++) {
    uint64_t first = (uint64_t) g_rand_int_range (rand, 0, (int) (N_PAGES * PAGE));
    uint64_t size = (uint64_t) g_rand_int_range (rand, 0, (int) (N_PAGES * PAGE - first) + 1);
    bool mark = g_rand_boolean (rand), any = false;
    for (uint64_t p = first / PAGE; size && p <= (first + size - 1) / PAGE; p++) {
      any |= model[p];
      model[p] = mark;
    }
    if (mark)
      bp_dirty_mark (at + first, size);
    else
      ck_assert_int_eq (bp_dirty_clear (BP_DIRTY_DISPLAY, at + first, size), any);
    for (unsigned i = 0; i < N_PAGES; i += 1 + round % 7)
      ck_assert_int_eq (bp_dirty_test (BP_DIRTY_DISPLAY, at + i * PAGE), model[i]);
  }
  bp_dirty_enable (BP_DIRTY_DISPLAY, false);
  g_rand_free (rand);
}
END_TEST

/* --- translated code -------------------------------------------------------------------------- */

static struct {
  uint64_t address[8], size[8];
  uint8_t byte[8];              /* of the written span's start, when told */
  unsigned n;
} told;

static void
written (void *user, uint64_t ram_address, uint64_t size)
{
  ck_assert_ptr_eq (user, &told);
  if (told.n < 8) {
    told.address[told.n] = ram_address - at;
    told.size[told.n] = size;
    told.byte[told.n] = host[ram_address - at];
  }
  told.n++;
}

START_TEST (code)
{
  bp_dirty_set_code_listener (written, &told);
  bp_as_store (as, 0x100000, 1, 4);
  ck_assert_uint_eq (told.n, 0);
  bp_dirty_clear (BP_DIRTY_CODE, at + PAGE, 2 * PAGE);
  ck_assert (!bp_dirty_test (BP_DIRTY_CODE, at + PAGE) && !bp_dirty_test_all (at + 2 * PAGE)
             && bp_dirty_test_all (at + 3 * PAGE));
  bp_as_store (as, 0x100000 + PAGE + 0x123, 0x55, 1);
  ck_assert_uint_ge (told.n, 1);
  ck_assert (told.address[0] == PAGE + 0x123 && told.size[0] == 1);
  ck_assert_uint_eq (told.byte[0], 0);          /* before it was written */
  ck_assert_uint_eq (host[PAGE + 0x123], 0x55);
  ck_assert (!bp_dirty_test (BP_DIRTY_CODE, at + PAGE));        /* other blocks may be there */
  told.n = 0;
  uint8_t buffer[3 * PAGE] = { 0 };
  bp_as_write (as, 0x100000 + PAGE - 8, buffer, 2 * PAGE);      /* exactly what was hit, page by page */
  ck_assert_uint_ge (told.n, 2);
  ck_assert (told.address[0] == PAGE && told.size[0] == PAGE);
  ck_assert (told.address[1] == 2 * PAGE && told.size[1] == PAGE - 8);
  told.n = 0;
  bp_dirty_set (BP_DIRTY_CODE, at + PAGE, PAGE);
  bp_dirty_mark (at, 3 * PAGE);
  ck_assert_uint_eq (told.n, 1);
  ck_assert (told.address[0] == 2 * PAGE && told.size[0] == PAGE);
  bp_dirty_set_code_listener (NULL, NULL);
  bp_dirty_mark (at, 3 * PAGE);
  ck_assert_uint_eq (told.n, 1);
  bp_dirty_set (BP_DIRTY_CODE, at, N_PAGES * PAGE);
}
END_TEST

/* --- the watcher ------------------------------------------------------------------------------ */

static uint64_t cleared_at, synced_at;

static void
on_cleared (void *user, uint64_t ram_address, uint64_t size)
{
  cleared_at = ram_address;
}

static void
on_sync (void *user, uint64_t ram_address, uint64_t size)
{
  synced_at = ram_address;
  bp_dirty_mark (ram_address, 1);
}

START_TEST (watcher)
{
  static const BpDirtyWatcher table = { .struct_size = sizeof table, .cleared = on_cleared, .sync = on_sync };
  bp_dirty_set_watcher (&table, NULL);
  bp_dirty_enable (BP_DIRTY_DISPLAY, true);
  bp_dirty_clear (BP_DIRTY_DISPLAY, at, N_PAGES * PAGE);
  ck_assert_uint_eq (cleared_at, at);
  cleared_at = 1;
  bp_dirty_clear (BP_DIRTY_DISPLAY, at, N_PAGES * PAGE);        /* nothing to clear, nothing to tell */
  ck_assert_uint_eq (cleared_at, 1);
  bp_dirty_sync (at + PAGE, PAGE);
  ck_assert_uint_eq (synced_at, at + PAGE);
  ck_assert (bp_dirty_clear (BP_DIRTY_DISPLAY, at + PAGE, PAGE));
  bp_dirty_enable (BP_DIRTY_DISPLAY, false);
  bp_dirty_set_watcher (NULL, NULL);
}
END_TEST

static int wanted_last, n_inside, n_wrong;       /* atomic */

static void
on_wanted (void *user, BpDirtyClient client, bool wanted)
{
  bool is_second = __atomic_fetch_add (&n_inside, 1, __ATOMIC_SEQ_CST) != 0;
  bool is_again = __atomic_exchange_n (&wanted_last, wanted, __ATOMIC_SEQ_CST) == wanted;
  if (is_second || is_again)
    __atomic_add_fetch (&n_wrong, 1, __ATOMIC_SEQ_CST);
  g_usleep (1);
  __atomic_sub_fetch (&n_inside, 1, __ATOMIC_SEQ_CST);
}

static void *
want_and_want_not (void *user)
{
  for (unsigned i = 0; i < 2000; i++) {
    bp_dirty_enable (BP_DIRTY_MIGRATION, true);
    bp_dirty_enable (BP_DIRTY_MIGRATION, false);
  }
  return NULL;
}

/* An accelerator that hears of the end last logs no more, and somebody waits for what is written. */
START_TEST (watcher_hears_in_order)
{
  static const BpDirtyWatcher table = { .struct_size = sizeof table, .wanted = on_wanted };
  GThread *threads[3];
  bp_dirty_set_watcher (&table, NULL);
  for (unsigned i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("client", want_and_want_not, NULL);
  for (unsigned i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  bp_dirty_set_watcher (NULL, NULL);
  ck_assert_int_eq (n_wrong, 0);
  ck_assert_int_eq (wanted_last, 0);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("dirty");
  TCase *tcase = tcase_create ("all");
  tcase_add_checked_fixture (tcase, setup, teardown);
  tcase_add_test (tcase, blocks_do_not_overlap);
  tcase_add_test (tcase, bits_of_clients);
  tcase_add_test (tcase, random_spans);
  tcase_add_test (tcase, code);
  tcase_add_test (tcase, watcher);
  tcase_add_test (tcase, watcher_hears_in_order);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}
