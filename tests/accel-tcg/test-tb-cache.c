/* test-tb-cache.c -- blocks by key, by host address, through links and the jump cache. */
/* SPDX-License-Identifier: MIT */
#include "toy-cpu.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

static Toy *toy;
static TcgMachine *tcg;
static TcgVcpu *v;

static void
setup (void)
{
  toy = toy_new (&toy_ways[1]);         /* the interpreter: its links do nothing, so that blocks need no code */
  tcg = toy_tcg (toy);
  v = toy_vcpu (toy);
}

static void
teardown (void)
{
  toy_free_machine (toy);
}

static const uint8_t host_code[64];

/* A block as translation would leave it, `i` to tell it from others. */
static Tb *
block (unsigned i, uint64_t pc, uint64_t physical)
{
  Tb *tb = g_aligned_alloc0 (1, sizeof *tb, 64);
  tb->key = (BpTbKey) { .pc = pc };
  tb->physical[0] = physical;
  tb->physical[1] = ~(uint64_t) 0;
  tb->n_bytes = 8;
  tb->n_insns = 2;
  tb->code = host_code + i;
  tb->code_size = 1;
  tb->exit_jump[0] = tb->exit_jump[1] = 0;
  return tb;
}

/* --- modes and keys --------------------------------------------------------------------------- */

START_TEST (modes)
{
  uint32_t a = tb_mode (tcg, 0, 1), b = tb_mode (tcg, 0x10000, 1), c = tb_mode (tcg, 0, 2);
  ck_assert (a != b && b != c && a != c);
  ck_assert (tb_mode (tcg, 0, 1) == a && tb_mode (tcg, 0x10000, 1) == b && tb_mode (tcg, 0, 2) == c);
  for (uint32_t i = 0; i < 3000; i++)
    ck_assert_uint_eq (tb_mode (tcg, i << 12, i & 7), tb_mode (tcg, i << 12, i & 7));
}
END_TEST

START_TEST (look_up)
{
  Tb *a = block (0, 0x1000, 0x5000), *b = block (1, 0x1000, 0x6000), *c = block (2, 0x1000, 0x5000);
  c->key.flags = 1;
  tb_insert (tcg, a);
  tb_insert (tcg, b);
  tb_insert (tcg, c);
  ck_assert_ptr_eq (tb_lookup (tcg, &a->key, 0x5000, 0), a);
  ck_assert_ptr_eq (tb_lookup (tcg, &b->key, 0x6000, 0), b);
  ck_assert_ptr_eq (tb_lookup (tcg, &c->key, 0x5000, 0), c);
  ck_assert_ptr_null (tb_lookup (tcg, &a->key, 0x7000, 0));
  ck_assert_ptr_null (tb_lookup (tcg, &a->key, 0x5000, BP_TCG_CF_NO_CHAIN));
  ck_assert (code_page_has_code (tcg, 0x5fff) && code_page_has_code (tcg, 0x6000) && !code_page_has_code (tcg, 0x7000));
  tb_invalidate (tcg, a);
  ck_assert_ptr_null (tb_lookup (tcg, &a->key, 0x5000, 0));
  ck_assert_ptr_eq (tb_lookup (tcg, &c->key, 0x5000, 0), c);
  ck_assert (code_page_has_code (tcg, 0x5000));
  tb_invalidate (tcg, c);
  ck_assert (!code_page_has_code (tcg, 0x5000));
  tb_invalidate (tcg, b);
  g_aligned_free (a);
  g_aligned_free (b);
  g_aligned_free (c);
}
END_TEST

/* Only what overlaps goes, in either page of a block. */
START_TEST (ranges)
{
  Tb *a = block (0, 0x1ffc, 0x5ffc), *b = block (1, 0x5100, 0x5100), *c = block (2, 0x9000, 0x9000);
  a->physical[1] = 0x9000;      /* its second half: 4 bytes */
  Tb *all[3] = { a, b, c };
  for (unsigned i = 0; i < 3; i++)
    tb_insert (tcg, all[i]);
  ck_assert (!tb_invalidate_range (tcg, 0x5000, 0x100, a) && !a->invalid && !b->invalid);
  ck_assert (!tb_invalidate_range (tcg, 0x5108, 0xef4, a) && !a->invalid && !b->invalid);
  ck_assert (!tb_invalidate_range (tcg, 0x9008, 0x1000, a) && !a->invalid && !c->invalid);
  ck_assert (!tb_invalidate_range (tcg, 0x9004, 1, a) && !a->invalid && c->invalid);
  ck_assert (tb_invalidate_range (tcg, 0x9003, 1, a) && a->invalid && !b->invalid);
  ck_assert (!tb_invalidate_range (tcg, 0x5100, 0xe00, a) && b->invalid);
  ck_assert (tb_invalidate_range (tcg, 0, 0x10000, a)); /* it has gone, but may still be running */
  ck_assert_uint_eq (tcg->n_invalidated, 3);
  for (unsigned i = 0; i < 3; i++)
    g_aligned_free (all[i]);
}
END_TEST

/* Two linear pages, one after the other, that are the same RAM page. */
START_TEST (both_pages_the_same)
{
  Tb *a = block (0, 0x1ffc, 0x5ffc), *b = block (1, 0x1ffc, 0x5ffc);
  a->physical[1] = b->physical[1] = 0x5000;
  b->key.flags = 1;
  tb_insert (tcg, a);
  tb_insert (tcg, b);
  ck_assert (tb_invalidate_range (tcg, 0x5002, 1, b) && a->invalid && b->invalid);
  ck_assert (!code_page_has_code (tcg, 0x5000));
  ck_assert_uint_eq (tcg->n_invalidated, 2);
  g_aligned_free (a);
  g_aligned_free (b);
}
END_TEST

/* --- links -------------------------------------------------------------------------------------- */

static unsigned
n_incoming (const Tb *tb)
{
  unsigned n = 0;
  for (Tb *p = tb->incoming; p; n++)
    p = ((Tb *) ((uintptr_t) p & ~(uintptr_t) 7))->incoming_next[(uintptr_t) p & 7];
  return n;
}

START_TEST (links)
{
  Tb *a = block (0, 0x1000, 0x5000), *b = block (1, 0x1010, 0x5010), *c = block (2, 0x1020, 0x5020);
  Tb *all[3] = { a, b, c };
  for (unsigned i = 0; i < 3; i++)
    tb_insert (tcg, all[i]);
  tb_link (tcg, a, 0, b);
  tb_link (tcg, a, 1, b);
  tb_link (tcg, b, 0, b);       /* to itself */
  tb_link (tcg, c, 1, b);
  ck_assert (a->exit_target[0] == b && a->exit_target[1] == b && b->exit_target[0] == b && c->exit_target[1] == b);
  ck_assert_uint_eq (n_incoming (b), 4);
  tb_link (tcg, a, 0, c);       /* one target is enough */
  ck_assert (a->exit_target[0] == b && n_incoming (c) == 0);
  tb_invalidate (tcg, c);
  ck_assert (n_incoming (b) == 3 && !c->exit_target[1]);
  tb_link (tcg, b, 1, c);       /* gone */
  ck_assert_ptr_null (b->exit_target[1]);
  tb_invalidate (tcg, b);
  ck_assert (!a->exit_target[0] && !a->exit_target[1] && !b->exit_target[0] && n_incoming (b) == 0);
  tb_invalidate (tcg, a);
  for (unsigned i = 0; i < 3; i++)
    g_aligned_free (all[i]);
}
END_TEST

/* Random links and invalidations keep the lists whole. */
START_TEST (random_links)
{
  enum { N = 40 };
  Tb *all[N];
  GRand *r = g_rand_new_with_seed (5);
  for (unsigned i = 0; i < N; i++) {
    all[i] = block (i, 0x1000 + 16 * i, 0x5000 + 16 * i);
    tb_insert (tcg, all[i]);
  }
  for (unsigned k = 0; k < 3000; k++) {
    Tb *from = all[g_rand_int_range (r, 0, N)], *to = all[g_rand_int_range (r, 0, N)];
    if (k % 20 != 19)
      tb_link (tcg, from, k & 1, to);
    else if (!from->invalid) {
      tb_invalidate (tcg, from);
      from->invalid = false;
      memset (from->exit_target, 0, sizeof from->exit_target);
      tb_insert (tcg, from);
    }
    unsigned outgoing = 0, incoming = 0;
    for (unsigned i = 0; i < N; i++) {
      outgoing += (all[i]->exit_target[0] != NULL) + (all[i]->exit_target[1] != NULL);
      incoming += n_incoming (all[i]);
    }
    if (outgoing != incoming)
      ck_abort_msg ("after %u changes: %u links, %u known to their targets", k, outgoing, incoming);
  }
  g_rand_free (r);
  for (unsigned i = 0; i < N; i++)
    tb_invalidate (tcg, all[i]);
  for (unsigned i = 0; i < N; i++)
    g_aligned_free (all[i]);
}
END_TEST

/* --- the jump cache -------------------------------------------------------------------------------- */

static unsigned
index_of (uint64_t pc)
{
  return (unsigned) ((pc ^ pc >> JUMP_CACHE_BITS) & ((1u << JUMP_CACHE_BITS) - 1));
}

static bool
has (const Tb *tb, uint64_t pc)
{
  const JumpEntry *e = &v->jump_cache_full[index_of (pc)];
  return e->pc == pc && e->mode == tb->mode && e->code == tb->code;
}

START_TEST (jump_cache)
{
  Tb *a = block (0, 0x1000, 0x5000), *b = block (1, 0x2000, 0x6000), *c = block (2, 0x1000 + 0x123000, 0x7000);
  jump_cache_enter (v, 0x1000, a, true);
  jump_cache_enter (v, 0x2000, b, false);
  ck_assert (has (a, 0x1000) && has (b, 0x2000));
  jump_cache_flush (v, false);
  ck_assert (has (a, 0x1000) && !has (b, 0x2000));
  /* An index may change its kind, and stand in both lists. */
  jump_cache_enter (v, 0x1000, a, false);
  jump_cache_enter (v, 0x1000, a, true);
  jump_cache_flush (v, false);
  ck_assert (has (a, 0x1000));
  jump_cache_enter (v, 0x1000, a, false);
  jump_cache_flush (v, false);
  ck_assert (!has (a, 0x1000));
  jump_cache_enter (v, 0x1000, a, true);
  jump_cache_flush (v, true);
  ck_assert (!has (a, 0x1000));
  /* A page: those of other pages may go with it. */
  jump_cache_enter (v, c->key.pc, c, true);
  jump_cache_enter (v, 0x2000, b, false);
  jump_cache_flush_page (v, 0x99000);
  ck_assert (has (c, c->key.pc) && has (b, 0x2000));
  jump_cache_flush_page (v, c->key.pc & TLB_PAGE_MASK);
  ck_assert (!has (c, c->key.pc));
  /* The second page of a block counts. */
  b->key.pc = 0x2ffc;
  jump_cache_enter (v, 0x2ffc, b, true);
  jump_cache_flush_page (v, 0x3000);
  ck_assert (!has (b, 0x2ffc));
  g_aligned_free (a);
  g_aligned_free (b);
  g_aligned_free (c);
}
END_TEST

/* Entering more than there is room for leaves everything else in place. */
START_TEST (jump_cache_overwritten)
{
  Tb *a = block (0, 0x1000, 0x5000);
  for (uint64_t k = 0; k < 40000; k++)
    jump_cache_enter (v, k * 4, a, k % 3 == 0);
  ck_assert (has (a, 39999 * 4));
  unsigned n = 0, globals = 0;
  for (unsigned i = 0; i < 1u << JUMP_CACHE_BITS; i++)
    n += v->jump_cache_full[i].code == a->code;
  ck_assert_uint_gt (n, 1000);
  jump_cache_flush (v, false);
  for (uint64_t k = 0; k < 40000; k++)
    if (has (a, k * 4)) {
      ck_assert (k % 3 == 0);
      globals++;
    }
  ck_assert_uint_gt (globals, 100);
  jump_cache_flush (v, true);
  for (unsigned i = 0; i < 1u << JUMP_CACHE_BITS; i++)
    ck_assert (v->jump_cache_full[i].mode == ~(uint64_t) 0);
  g_aligned_free (a);
}
END_TEST

/* A block that goes is not found again: not by its pc with a base, and not when it goes while it is entered. */
START_TEST (jump_cache_forgets)
{
  Tb *a = block (0, 0x1000, 0x5000), *b = block (1, 0x2000, 0x6000);
  a->key.base = 0xffff0000;
  tb_insert (tcg, a);
  tb_insert (tcg, b);
  uint32_t pc = (uint32_t) (a->key.pc - a->key.base);
  jump_cache_enter (v, pc, a, true);
  jump_cache_enter (v, 0x2000, b, true);
  ck_assert (has (a, pc));
  tb_invalidate (tcg, a);
  ck_assert (!has (a, pc) && has (b, 0x2000));
  jump_cache_enter (v, pc, a, true);
  ck_assert (!has (a, pc));
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

START_TEST (jump_cache_race)
{
  for (unsigned k = 0; k < 300; k++) {
    Race r = { block (k % 64, 0x1000, 0x5000), 0 };
    tb_insert (tcg, r.tb);
    GThread *thread = g_thread_new ("race", invalidate_when_told, &r);
    if (k % 4 == 0)
      g_thread_yield ();
    __atomic_store_n (&r.go, 1, __ATOMIC_RELEASE);
    for (unsigned delay = k % 50 * 10; delay; delay--)
      __asm__ volatile ("");
    jump_cache_enter (v, 0x1000, r.tb, true);
    g_thread_join (thread);
    ck_assert (!has (r.tb, 0x1000));
    g_aligned_free (r.tb);
  }
}
END_TEST

/* --- by host address ----------------------------------------------------------------------------------- */

START_TEST (by_host_address)
{
  Toy *t = toy_new (&toy_ways[_i]);
  TcgMachine *m = toy_tcg (t);
  ToyCode c = { .origin = 0x2000 };
  for (unsigned i = 0; i < 200; i++) {
    toy_emit (&c, TOY_ADDI, 1, 1, 1);
    toy_emit (&c, TOY_JMP, 0, 0, 0);
  }
  toy_emit (&c, TOY_STOP, 0, 0, 0);
  toy_put (t->board.ram, &c);
  ToyState s = { .pc = c.origin };
  toy_start (t, &s);
  toy_wait_stopped (t);
  ck_assert_uint_eq (m->n_by_address, 201);
  for (uint32_t i = 0; i < m->n_by_address; i++) {
    Tb *tb = m->by_address[i];
    ck_assert_ptr_eq (tb_at (m, (uintptr_t) tb->code), tb);
    ck_assert_ptr_eq (tb_at (m, (uintptr_t) tb->code + tb->code_size - 1), tb);
    ck_assert_ptr_ne (tb_at (m, (uintptr_t) tb->code + tb->code_size), tb);
    ck_assert_ptr_ne (tb_at (m, (uintptr_t) tb->code - 1), tb);
  }
  ck_assert_ptr_null (tb_at (m, 0));
  ck_assert_ptr_null (tb_at (m, (uintptr_t) host_code));
  ck_assert_ptr_null (tb_at (m, ~(uintptr_t) 0));
  toy_free_machine (t);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("tb-cache");
  TCase *tcase = tcase_create ("all");
  tcase_add_checked_fixture (tcase, setup, teardown);
  tcase_add_test (tcase, modes);
  tcase_add_test (tcase, look_up);
  tcase_add_test (tcase, ranges);
  tcase_add_test (tcase, both_pages_the_same);
  tcase_add_test (tcase, links);
  tcase_add_test (tcase, random_links);
  tcase_add_test (tcase, jump_cache);
  tcase_add_test (tcase, jump_cache_overwritten);
  tcase_add_test (tcase, jump_cache_forgets);
  tcase_add_test (tcase, jump_cache_race);
  tcase_add_loop_test (tcase, by_host_address, 0, 2);
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  SRunner *runner = srunner_create (suite);
  srunner_run_all (runner, CK_NORMAL);
  int failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
