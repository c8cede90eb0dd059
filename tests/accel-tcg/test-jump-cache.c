/* test-jump-cache.c -- what the jump cache finds, and when its entries and the names of pages go. */
/* SPDX-License-Identifier: MIT */
#include "toy-block.h"
#include "../suite.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

static Tb *
block (unsigned i, uint64_t pc, uint64_t physical)
{
  Tb *tb = toy_block (i, pc, physical);
  tb->mode = tb_mode (tcg, 0, 0, 0);
  tb->exit[0].jump = tb->exit[1].jump = TB_NO_EXIT;
  ck_assert (tb_name_pages (tcg, tb));
  return tb;
}

static CodeFetch
fetch (uint64_t linear, uint64_t ram_address, bool global)
{
  return (CodeFetch) { .linear = linear, .ram_address = ram_address, .proof = { .path = TLB_NO_PATH }, .global = global, .page_shift = 12 };
}

static void
enter (Tb *tb, bool global)
{
  CodeFetch first = fetch (tb->key.pc, tb->physical[0], global);
  tcg_softmmu (v)->last_mode[LAST_MODE (&tb->key, 0)] = (LastMode) { .base = tb->key.base, .flags = tb->key.flags, .mode = tb->mode };
  jump_cache_enter (v, 0, tb, &first, NULL);
}

static bool
named (const Tb *tb, unsigned which)
{
  return v->page_ids[tb->page_id[which] % PAGE_IDS] == tb->page_id[which];
}

/* As generated code looks, and as the loop does: they must agree. */
static bool
has (const Tb *tb)
{
  uint64_t pc = (uint32_t) (tb->key.pc - tb->key.base);
  const JumpEntry *e = &v->jump_cache[jump_index (pc)];
  bool found = false;
  for (unsigned way = 0; way < 2; way++)
    found |= e[way].pc == pc && e[way].mode == tb->mode && e[way].code == tb->code;
  ck_assert (!found || named (tb, 0));
  ck_assert (found == (jump_cache_find (v, 0, &tb->key) == tb) || (tb->physical[1] != ~(uint64_t) 0 && !named (tb, 1)));
  return found;
}

START_TEST (global_or_not)
{
  Tb *a = block (0, 0x1000, 0x5000), *b = block (1, 0x2000, 0x6000), *c = block (2, 0x3010, 0x7010);
  enter (a, true);
  enter (b, false);
  enter (c, false);
  ck_assert (has (a) && has (b) && has (c));
  space_switch (v, 0x8000, 0, false);
  ck_assert (has (a) && !has (b) && !has (c) && !named (b, 0));
  enter (b, false);
  ck_assert (has (a) && has (b));
  space_switch (v, 0x8000, 0, false);           /* a reload: nobody can say why b should hold */
  ck_assert (has (a) && !has (b));
  enter (b, true);
  space_switch (v, 0x9000, 0, false);
  ck_assert (has (a) && has (b));
  tlb_flush_all (v);
  ck_assert (!has (a) && !has (b) && !named (a, 0));
  g_aligned_free (a);
  g_aligned_free (b);
  g_aligned_free (c);
}
END_TEST

/* What a proof says decides. */
START_TEST (proofs)
{
  static uint32_t words[8];
  Tb *all[8];
  for (unsigned i = 0; i < 8; i++) {
    all[i] = block (i, 0x1010 * i, 0x5000 + 0x1010 * i);
    words[i] = i;
    CodeFetch first = fetch (all[i]->key.pc, all[i]->physical[0], false);
    first.proof.leaf = &words[i];
    first.proof.value = i;
    first.proof.size = 4;
    enter (all[i], false);
    jump_cache_flush_page (v, 0x1000 * i);
    jump_cache_enter (v, 0, all[i], &first, NULL);
  }
  words[3] = words[5] = 77;
  for (unsigned k = 0; k < 3; k++) {
    space_flush_current (v);
    for (unsigned i = 0; i < 8; i++)
      ck_assert (has (all[i]) == (i != 3 && i != 5) && named (all[i], 0) == (i != 3 && i != 5));
  }
  for (unsigned i = 0; i < 8; i++)
    g_aligned_free (all[i]);
}
END_TEST

START_TEST (by_page)
{
  Tb *a = block (0, 0x1000, 0x5000), *b = block (1, 0x1800, 0x5800), *c = block (2, 0x123000, 0x7000), *d = block (3, 0x2ffc, 0x8ffc);
  d->physical[1] = 0x9000;
  ck_assert (tb_name_pages (tcg, d));
  enter (a, true);
  enter (b, true);
  enter (c, false);
  CodeFetch first = fetch (0x2ffc, 0x8ffc, true), second = fetch (0x3000, 0x9000, false);
  jump_cache_enter (v, 0, d, &first, &second);
  tlb_flush_page (v, 0x99000);
  tlb_flush_page (v, 0x401000);                 /* (the same hash as a's) */
  ck_assert (has (a) && has (b) && has (c) && has (d));
  tlb_flush_page (v, 0x3000);                   /* d itself looks for it */
  ck_assert (has (a) && has (d) && !named (d, 1) && !jump_cache_find (v, 0, &d->key));
  tlb_flush_page (v, 0x1fff);
  ck_assert (!has (a) && !has (b) && has (c));
  tlb_flush_page (v, 0x2000);
  ck_assert (!has (d) && has (c));
  /* Any page of a large one takes all code in it. */
  first = fetch (0x12345000, 0xa000, true);
  first.page_shift = 22;
  a->key.pc = 0x12345000;
  jump_cache_enter (v, 0, a, &first, NULL);
  ck_assert (has (a) && has (c));
  tlb_flush_page (v, 0x12800000);
  ck_assert (has (a));
  tlb_flush_page (v, 0x12000000);
  ck_assert (!has (a) && has (c));
  g_aligned_free (a);
  g_aligned_free (b);
  g_aligned_free (c);
  g_aligned_free (d);
}
END_TEST

/* Two ways: the last two of an index are there. */
START_TEST (ways)
{
  Tb *all[3];
  for (unsigned i = 0; i < 3; i++)
    all[i] = block (i, i * 0x4000000u, 0x5000 + 0x1000 * i);
  ck_assert (jump_index (0) == jump_index (0x4000000) && jump_index (0) == jump_index (0x8000000));
  enter (all[0], true);
  enter (all[1], true);
  ck_assert (has (all[0]) && has (all[1]));
  enter (all[1], true);
  enter (all[2], true);
  ck_assert (!has (all[0]) && has (all[1]) && has (all[2]));
  tb_invalidate (tcg, all[1]);
  enter (all[0], true);
  ck_assert (has (all[0]) && !has (all[1]) && has (all[2]));
  for (unsigned i = 0; i < 3; i++)
    g_aligned_free (all[i]);
}
END_TEST

/* Names that want the same place: the one that was there is lost, and so are jumps when either page goes. */
START_TEST (crowded)
{
  Tb *a = block (0, 0x1000, 0x5000), *b = block (1, 0x2000, 0x6000);
  for (unsigned k = 0; k < 2; k++) {
    b->page_id[0] = a->page_id[0] + PAGE_IDS;
    enter (a, true);
    enter (b, true);
    ck_assert (!named (a, 0) && named (b, 0));
    tlb_flush_page (v, k ? 0x1000 : 0x2000);
    ck_assert (!named (a, 0) && !named (b, 0) && !has (a) && !has (b));
  }
  enter (a, false);
  enter (b, true);
  space_switch (v, 0x8000, 0, false);
  ck_assert (!has (a));
  g_aligned_free (a);
  g_aligned_free (b);
}
END_TEST

/* Random entering and dropping against a plain list. */
START_TEST (random_changes)
{
  enum { N = 3000 };
  GRand *r = g_rand_new_with_seed (11);
  Tb **all = g_new (Tb *, N);
  bool *may = g_new0 (bool, N), *global = g_new0 (bool, N);
  for (unsigned i = 0; i < N; i++) {
    uint64_t pc = 0x1000u * (unsigned) g_rand_int_range (r, 0, 700) + 4 * i;
    all[i] = block (i % 64, pc, 0x1000000 + pc);
    if (i % 5 == 0)
      all[i]->page_id[0] += PAGE_IDS * (i % 3);
  }
  for (unsigned k = 0; k < 40000; k++) {
    unsigned i = (unsigned) g_rand_int_range (r, 0, N), kind = (unsigned) g_rand_int_range (r, 0, 1000);
    if (kind < 980) {
      bool g = all[i]->key.pc >> 12 & 1;
      enter (all[i], g);
      may[i] = true;
      global[i] = g;
      ck_assert (has (all[i]));
    } else if (kind < 995) {
      tlb_flush_page (v, all[i]->key.pc);
      for (unsigned j = 0; j < N; j++)
        if (!((all[j]->key.pc ^ all[i]->key.pc) >> 12))
          may[j] = false;
    } else {
      if (kind < 997)
        space_flush_current (v);
      else
        space_switch (v, 0x1000 * (kind & 1), 0, false);
      for (unsigned j = 0; j < N; j++)
        may[j] &= global[j];
    }
    if (k % 50 == 0)
      for (unsigned j = 0; j < N; j++) {
        const JumpEntry *e = &v->jump_cache[jump_index (all[j]->key.pc)];
        bool found = (e->tb == all[j] && e->mode) || (e[1].tb == all[j] && e[1].mode);
        if (found && !may[j])
          ck_abort_msg ("after %u changes: block %u at %x is found", k, j, (unsigned) all[j]->key.pc);
      }
  }
  jump_cache_flush (v);
  for (unsigned i = 0; i < N; i++) {
    ck_assert (!has (all[i]));
    g_aligned_free (all[i]);
  }
  g_rand_free (r);
  g_free (all);
  g_free (may);
  g_free (global);
}
END_TEST

/* A block that goes is not found again: not by its pc with a base, and not when it goes while it is entered. */
START_TEST (forgets)
{
  Tb *a = block (0, 0x1000, 0x5000), *b = block (1, 0x2000, 0x6000);
  a->key.base = 0xffff0000;
  tb_insert (tcg, a);
  tb_insert (tcg, b);
  enter (a, true);
  enter (b, true);
  ck_assert (has (a));
  tb_invalidate (tcg, a);
  ck_assert (!has (a) && has (b));
  enter (a, true);
  ck_assert (!has (a));
  tb_invalidate (tcg, b);
  g_aligned_free (a);
  g_aligned_free (b);
}
END_TEST

typedef struct Race {
  Tb *tb;
  int go;                       /* atomic */
} Race;

static void *
invalidate_when_told (void *data)
{
  Race *r = data;
  while (!__atomic_load_n (&r->go, __ATOMIC_ACQUIRE))
    ;
  g_mutex_lock (&tcg->lock);
  tb_invalidate (tcg, r->tb);
  g_mutex_unlock (&tcg->lock);
  return NULL;
}

START_TEST (race)
{
  Tb *other = block (63, 0x4001000u, 0x9000);
  for (unsigned k = 0; k < 300; k++) {
    Race r = { block (k % 63, 0x1000, 0x5000), 0 };
    tb_insert (tcg, r.tb);
    GThread *thread = g_thread_new ("race", invalidate_when_told, &r);
    if (k % 4 == 0)
      g_thread_yield ();
    if (k % 3 == 0)
      enter (r.tb, true);
    __atomic_store_n (&r.go, 1, __ATOMIC_RELEASE);
    for (unsigned delay = k % 50 * 10; delay; delay--)
      __asm__ volatile ("");
    enter (k % 3 ? r.tb : other, true);         /* the other: it moves to the second way */
    g_thread_join (thread);
    ck_assert (!has (r.tb));
    g_aligned_free (r.tb);
  }
  g_aligned_free (other);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("jump-cache");
  TCase *tcase = tcase_create ("all");
  tcase_add_checked_fixture (tcase, toy_block_setup, toy_block_teardown);
  tcase_add_test (tcase, global_or_not);
  tcase_add_test (tcase, proofs);
  tcase_add_test (tcase, by_page);
  tcase_add_test (tcase, ways);
  tcase_add_test (tcase, crowded);
  tcase_add_test (tcase, random_changes);
  tcase_add_test (tcase, forgets);
  tcase_add_test (tcase, race);
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}
