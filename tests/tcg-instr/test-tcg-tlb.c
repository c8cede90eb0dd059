/* test-tcg-tlb.c -- TLBs against lists, and a processor's records through them. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include "tcg-instr/tcg-tlb-model.h"
#include "test-instr.h"

/* --- LRU: for each set the pages it has seen, latest first; those beyond its ways are not there ------------------- */

typedef struct List { GArray *of_set[64]; unsigned ways, sets; } List;

static void
list_init (List *l, const TlbGeometry *g)
{
  l->ways = g->ways;
  l->sets = g->entries / g->ways;
  for (unsigned s = 0; s < l->sets; s++)
    l->of_set[s] = g_array_new (FALSE, FALSE, sizeof (uint64_t));
}

static void
list_finish (List *l)
{
  for (unsigned s = 0; s < l->sets; s++)
    g_array_free (l->of_set[s], TRUE);
}

static bool
list_access (List *l, uint64_t page)
{
  GArray *set = l->of_set[page % l->sets];
  bool hit = false;
  for (unsigned i = 0; i < set->len; i++)
    if (g_array_index (set, uint64_t, i) == page) {
      hit = i < l->ways;
      g_array_remove_index (set, i);
      break;
    }
  g_array_prepend_val (set, page);
  return hit;
}

START_TEST (test_lru)
{
  static const TlbGeometry geometries[] = { { 64, 4, TLB_LRU }, { 64, 64, TLB_LRU }, { 16, 1, TLB_LRU }, { 96, 12, TLB_LRU }, { 1, 1, TLB_LRU } };
  for (unsigned g = 0; g < G_N_ELEMENTS (geometries); g++) {
    Tlb t;
    List l;
    uint64_t hits = 0;
    tlb_init (&t, &geometries[g], 1);
    list_init (&l, &geometries[g]);
    for (unsigned n = 0; n < 100000; n++) {
      uint64_t page = random64 () % (2 * geometries[g].entries + 1) + 0xffff800000000;
      if (n == 50000) {
        tlb_flush (&t);
        list_finish (&l);
        list_init (&l, &geometries[g]);
      }
      bool hit = tlb_access (&t, tlb_key (page << 12, 7));
      if (hit != list_access (&l, page))
        ck_abort_msg ("%u entries, %u ways: access %u", geometries[g].entries, geometries[g].ways, n);
      hits += hit;
    }
    ck_assert_uint_gt (hits, 10000);
    tlb_finish (&t);
    list_finish (&l);
  }
}
END_TEST

/* --- random: nothing goes while there is room, and then any --------------------------------------------------------- */

START_TEST (test_random)
{
  TlbGeometry g = { 8, 8, TLB_RANDOM };
  unsigned lost[8] = { 0 };
  for (unsigned round = 0; round < 8000; round++) {
    Tlb t;
    tlb_init (&t, &g, random64 ());
    for (unsigned i = 0; i < 8; i++)
      ck_assert (!tlb_access (&t, tlb_key (i << 12, 1)));
    for (unsigned i = 0; i < 8; i++)
      if (!tlb_access (&t, tlb_key (i << 12, 1)))
        ck_abort_msg ("page %u is gone", i);
    tlb_access (&t, tlb_key (8 << 12, 1));
    unsigned gone = 0, which = 0;
    for (unsigned i = 0; i < 8; i++) {
      bool there = false;
      for (unsigned k = 0; k < 8; k++)
        there |= t.keys[k] == tlb_key (i << 12, 1);
      gone += !there;
      which = there ? which : i;
    }
    ck_assert_uint_eq (gone, 1);
    lost[which]++;
    tlb_finish (&t);
  }
  for (unsigned i = 0; i < 8; i++) {
    ck_assert_uint_gt (lost[i], 800);
    ck_assert_uint_lt (lost[i], 1200);
  }
}
END_TEST

START_TEST (test_keys)
{
  ck_assert_uint_ne (tlb_key (0xffffffff81000000, 1), tlb_key (0xffffffff81000000, 2));
  ck_assert_uint_ne (tlb_key (0xffffffff81000000, 1), tlb_key (0x7fff81000000, 1));
  ck_assert_uint_eq (tlb_key (0x1234, 1), tlb_key (0x1fff, 1));
  for (uint32_t i = 0; i < 1u << 20; i++)
    if (tlb_space_number (i) == TLB_EVERY_SPACE || tlb_key (UINT64_MAX, tlb_space_number (i)) == TLB_NOTHING)
      ck_abort_msg ("space %u", i);
}
END_TEST

/* --- a processor ----------------------------------------------------------------------------------------------------- */

enum { LOAD, STORE, FETCH, N_SITES };
static BpInsn insns[N_SITES] = { { .id = 0, .privilege = 3 }, { .id = 1 }, { .id = 2 } };
static const BpSite sites[N_SITES] = {
  { &insns[LOAD], BP_RECORD_LOAD, 0, 8, 0, 0, 0 }, { &insns[STORE], BP_RECORD_STORE, 0, 4, 0, 0, 0 }, { &insns[FETCH], BP_RECORD_FETCH, 0, 20, 0, 0, 0 }
};
static TlbCount counts[N_SITES];
static TlbCore core;
static TlbConfig config;

static void
start (void)
{
  memset (counts, 0, sizeof counts);
  tlb_core_init (&core, &config, counts, N_SITES);
  tlb_core_space (&core, 1);
}

static void
see (unsigned site, uint64_t address, uint32_t bytes)
{
  BpRecord r = { address, site, bytes };
  tlb_core_records (&core, &r, 1, sites);
}

static void
expect (uint64_t fetches, uint64_t loads, uint64_t stores, uint64_t all_walks)
{
  TlbCount sum;
  tlb_core_sum (&core, &sum);
  ck_assert_uint_eq (sum.n[TLB_FETCH_MISS], fetches);
  ck_assert_uint_eq (sum.n[TLB_LOAD_MISS], loads);
  ck_assert_uint_eq (sum.n[TLB_STORE_MISS], stores);
  ck_assert_uint_eq (sum.n[TLB_FETCH_WALK] + sum.n[TLB_LOAD_WALK] + sum.n[TLB_STORE_WALK], all_walks);
}

START_TEST (test_levels)
{
  config = (TlbConfig) { { 2, 2, TLB_LRU }, { 2, 2, TLB_LRU }, { 8, 8, TLB_LRU }, false, false, 1, 1000 };
  start ();
  see (FETCH, 0x1000, 0);
  expect (1, 0, 0, 1);
  see (LOAD, 0x1ff8, 0);                /* the other TLB; the second level has it */
  expect (1, 1, 0, 1);
  see (STORE, 0x1000, 0);
  expect (1, 1, 0, 1);
  see (LOAD, 0x2000, 0);
  see (STORE, 0x3000, 0);               /* 1 is out of the first level */
  expect (1, 2, 1, 3);
  see (LOAD, 0x1000, 0);
  expect (1, 3, 1, 3);
  see (FETCH, 0x1000, 0);               /* still in its own */
  expect (1, 3, 1, 3);
  ck_assert_uint_eq (counts[LOAD].n[TLB_LOAD_MISS], 3);
  ck_assert_uint_eq (counts[LOAD].n[TLB_LOAD_WALK], 1);
  ck_assert_uint_eq (counts[STORE].n[TLB_STORE_WALK], 1);
  ck_assert_uint_eq (core.total[3].n[TLB_LOAD_MISS], 3);
  ck_assert_uint_eq (core.total[0].n[TLB_STORE_MISS], 1);
  tlb_core_finish (&core);
}
END_TEST

START_TEST (test_several_pages)
{
  config = (TlbConfig) { { 16, 16, TLB_LRU }, { 16, 16, TLB_LRU }, { 0, 0, TLB_LRU }, false, false, 1, 1000 };
  start ();
  see (LOAD, 0x1ffc, 0);                /* 8 bytes */
  expect (0, 2, 0, 2);
  see (STORE, 0x3ffc, 0);               /* 4 bytes */
  expect (0, 2, 1, 3);
  see (STORE, 0x4000, 0x2001);          /* its own number of bytes: three pages */
  expect (0, 2, 4, 6);
  see (STORE, 0xfffffffffffffffc, 8);   /* around the end */
  expect (0, 2, 6, 8);
  see (FETCH, 0x1000, 0);
  expect (1, 2, 6, 9);
  tlb_core_finish (&core);
}
END_TEST

static uint64_t
misses_after_switch (bool asid, bool global_upper, uint64_t address)
{
  TlbCount sum;
  config = (TlbConfig) { { 4, 4, TLB_LRU }, { 4, 4, TLB_LRU }, { 8, 8, TLB_LRU }, asid, global_upper, 1, 1000 };
  start ();
  see (LOAD, address, 0);
  tlb_core_space (&core, 2);
  see (LOAD, address, 0);
  tlb_core_space (&core, 2);            /* the same */
  see (LOAD, address, 0);
  tlb_core_space (&core, 1);
  see (LOAD, address, 0);
  ck_assert_uint_eq (core.switches, 2);
  tlb_core_sum (&core, &sum);
  ck_assert_uint_eq (sum.n[TLB_LOAD_MISS], sum.n[TLB_LOAD_WALK]);       /* the second level likewise */
  tlb_core_finish (&core);
  return sum.n[TLB_LOAD_MISS];
}

START_TEST (test_spaces)
{
  ck_assert_uint_eq (misses_after_switch (false, false, 0x1000), 3);
  ck_assert_uint_eq (misses_after_switch (true, false, 0x1000), 2);
  ck_assert_uint_eq (misses_after_switch (false, true, 0x1000), 3);
  ck_assert_uint_eq (misses_after_switch (false, false, 0xffff888000000000), 3);
  ck_assert_uint_eq (misses_after_switch (false, true, 0xffff888000000000), 1);
  ck_assert_uint_eq (misses_after_switch (true, true, 0xffff888000000000), 1);
}
END_TEST

/* What a filter of one page leaves out changes nothing. */
START_TEST (test_filtered)
{
  uint64_t all = 0;
  for (unsigned filtered = 0; filtered < 2; filtered++) {
    uint64_t last[2] = { 0, 0 };
    config = (TlbConfig) { { 8, 2, TLB_LRU }, { 16, 4, TLB_RANDOM }, { 64, 4, TLB_LRU }, true, false, 1, 1000 };
    start ();
    random_seed = 12345;
    for (unsigned n = 0; n < 200000; n++) {
      unsigned site = (unsigned) (random64 () % N_SITES);
      uint64_t address = random64 () % 3 == 0 ? (random64 () % 40) << 12 : last[site == FETCH];
      if (!filtered || address >> 12 != last[site == FETCH] >> 12 || n < 10)
        see (site, address, 1);
      last[site == FETCH] = address;
    }
    TlbCount sum;
    tlb_core_sum (&core, &sum);
    uint64_t digest = 0;
    for (unsigned i = 0; i < N_TLB_EVENTS; i++)
      digest = digest * 1000003 + sum.n[i];
    if (filtered)
      ck_assert_uint_eq (digest, all);
    all = digest;
    ck_assert_uint_gt (sum.n[TLB_LOAD_WALK], 10);
    tlb_core_finish (&core);
  }
}
END_TEST

START_TEST (test_series)
{
  uint64_t sums[N_TLB_SERIES] = { 0 };
  TlbCount sum;
  config = (TlbConfig) { { 4, 4, TLB_LRU }, { 4, 4, TLB_LRU }, { 8, 8, TLB_LRU }, false, false, 1, 1000 };
  start ();
  for (unsigned n = 1; n <= 5000; n++) {
    see (n % N_SITES, random64 () << 12, 1);
    tlb_core_sample (&core, n * 1700);
  }
  tlb_core_sample (&core, 5000 * 1700 + 5);
  tlb_core_sum (&core, &sum);
  for (unsigned bin = 0; bin < core.series.used; bin++)
    for (unsigned i = 0; i < N_TLB_SERIES; i++)
      sums[i] += core.series.sums[bin * N_TLB_SERIES + i];
  ck_assert_uint_eq (sums[TLB_SERIES_INSNS], 5000 * 1700 + 5);
  ck_assert_uint_eq (sums[TLB_SERIES_ITLB], sum.n[TLB_FETCH_MISS]);
  ck_assert_uint_eq (sums[TLB_SERIES_DTLB], sum.n[TLB_LOAD_MISS] + sum.n[TLB_STORE_MISS]);
  tlb_core_finish (&core);
}
END_TEST

int
main (void)
{
  TCase *c = tcase_create ("tcg-tlb");
  tcase_set_timeout (c, 120);
  tcase_add_test (c, test_lru);
  tcase_add_test (c, test_random);
  tcase_add_test (c, test_keys);
  tcase_add_test (c, test_levels);
  tcase_add_test (c, test_several_pages);
  tcase_add_test (c, test_spaces);
  tcase_add_test (c, test_filtered);
  tcase_add_test (c, test_series);
  return run_tests ("tcg-tlb", c);
}
