/* test-tb-cache.c -- blocks by key, by host address, through links. */
/* SPDX-License-Identifier: MIT */
#include "toy-block.h"
#include "../suite.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

/* --- modes and keys --------------------------------------------------------------------------- */

START_TEST (modes)
{
  uint32_t a = tb_mode (tcg, 0, 1, 0), b = tb_mode (tcg, 0x10000, 1, 0), c = tb_mode (tcg, 0, 2, 0), d = tb_mode (tcg, 0, 1, 1);
  ck_assert (a != b && b != c && a != c && d != a && d != b && d != c);
  ck_assert (a && b && c && d);
  ck_assert (tb_mode (tcg, 0, 1, 0) == a && tb_mode (tcg, 0x10000, 1, 0) == b && tb_mode (tcg, 0, 2, 0) == c && tb_mode (tcg, 0, 1, 1) == d);
  for (uint32_t i = 0; i < 3000; i++)
    ck_assert_uint_eq (tb_mode (tcg, i << 12, i & 7, i & 1), tb_mode (tcg, i << 12, i & 7, i & 1));
}
END_TEST

START_TEST (look_up)
{
  Tb *a = toy_block (0, 0x1000, 0x5000), *b = toy_block (1, 0x1000, 0x6000), *c = toy_block (2, 0x1000, 0x5000);
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
  Tb *a = toy_block (0, 0x1ffc, 0x5ffc), *b = toy_block (1, 0x5100, 0x5100), *c = toy_block (2, 0x9000, 0x9000);
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
  Tb *a = toy_block (0, 0x1ffc, 0x5ffc), *b = toy_block (1, 0x1ffc, 0x5ffc);
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
    p = ((Tb *) ((uintptr_t) p & ~(uintptr_t) 7))->exit[(uintptr_t) p & 7].incoming_next;
  return n;
}

START_TEST (links)
{
  Tb *a = toy_block (0, 0x1000, 0x5000), *b = toy_block (1, 0x1010, 0x5010), *c = toy_block (2, 0x1020, 0x5020);
  Tb *all[3] = { a, b, c };
  for (unsigned i = 0; i < 3; i++)
    tb_insert (tcg, all[i]);
  tb_link (tcg, a, 0, b);
  tb_link (tcg, a, 1, b);
  tb_link (tcg, b, 0, b);       /* to itself */
  tb_link (tcg, c, 1, b);
  ck_assert (a->exit[0].target == b && a->exit[1].target == b && b->exit[0].target == b && c->exit[1].target == b);
  ck_assert_uint_eq (n_incoming (b), 4);
  tb_link (tcg, a, 0, c);       /* one target is enough */
  ck_assert (a->exit[0].target == b && n_incoming (c) == 0);
  tb_invalidate (tcg, c);
  ck_assert (n_incoming (b) == 3 && !c->exit[1].target);
  tb_link (tcg, b, 1, c);       /* gone */
  ck_assert_ptr_null (b->exit[1].target);
  tb_invalidate (tcg, b);
  ck_assert (!a->exit[0].target && !a->exit[1].target && !b->exit[0].target && n_incoming (b) == 0);
  tb_invalidate (tcg, a);
  for (unsigned i = 0; i < 3; i++)
    g_aligned_free (all[i]);
}
END_TEST

static struct { unsigned n; uint32_t page_id; } guard;

static void
note_guard (CodeBuffer *buffer, Tb *tb, unsigned n, uint32_t page_id)
{
  guard.n++;
  guard.page_id = page_id;
}

/* A jump to another page is told its name once, and linked to nothing of another name. */
START_TEST (guarded_links)
{
  Backend backend = *tcg->backend, *before = tcg->backend;
  backend.guard = note_guard;
  tcg->backend = &backend;
  Tb *a = toy_block (0, 0x1000, 0x5000), *b = toy_block (1, 0x2010, 0x6010), *c = toy_block (2, 0x2010, 0x7010), *d = toy_block (3, 0x2010, 0x6010);
  Tb *all[4] = { a, b, c, d };
  a->exit[1].guard = 8;
  d->key.flags = 1;
  for (unsigned i = 0; i < 4; i++) {
    ck_assert (tb_name_pages (tcg, all[i]));
    tb_insert (tcg, all[i]);
  }
  ck_assert (b->page_id[0] == d->page_id[0] && b->page_id[0] != c->page_id[0] && b->page_id[0] != a->page_id[0]);
  memset (&guard, 0, sizeof guard);
  tb_link (tcg, a, 1, b);
  ck_assert (a->exit[1].target == b && guard.n == 1 && guard.page_id == b->page_id[0]);
  tb_invalidate (tcg, b);
  ck_assert_ptr_null (a->exit[1].target);
  tb_link (tcg, a, 1, c);
  ck_assert_ptr_null (a->exit[1].target);
  tb_link (tcg, a, 1, d);
  ck_assert (a->exit[1].target == d && guard.n == 1);
  for (unsigned i = 0; i < 4; i++)
    tb_invalidate (tcg, all[i]);
  tcg->backend = before;
  for (unsigned i = 0; i < 4; i++)
    g_aligned_free (all[i]);
}
END_TEST

/* Names: the same for the same page, its place and the MMU index; never two of a block's at one place; and none when all are used. */
START_TEST (names)
{
  Tb *a = toy_block (0, 0x1ff8, 0x5ff8);
  a->physical[1] = 0x9000;
  for (unsigned k = 0; k < 20000; k++) {
    Tb *b = toy_block (1, 0x1000 * k, 0x5000);
    b->cflags = (k & 1) << TB_MMU_SHIFT;
    ck_assert (tb_name_pages (tcg, b) && tb_name_pages (tcg, a));
    uint32_t name = b->page_id[0];
    ck_assert (name % PAGE_IDS && tb_name_pages (tcg, b) && b->page_id[0] == name);
    ck_assert ((a->page_id[0] - a->page_id[1]) % PAGE_IDS && a->page_id[1] % PAGE_IDS);
    g_aligned_free (b);
  }
  tcg->n_page_ids[0] = UINT32_MAX - 10;
  unsigned n = 0;
  for (unsigned k = 0; k < 20; k++) {
    Tb *b = toy_block (1, 0x1000 * k, 0xa000 + 0x1000 * k);
    n += tb_name_pages (tcg, b);
    g_aligned_free (b);
  }
  ck_assert (n > 0 && n < 20);
  tb_flush_all (tcg);
  ck_assert (tb_name_pages (tcg, a));
  g_aligned_free (a);
}
END_TEST

/* Random links and invalidations keep the lists whole. */
START_TEST (random_links)
{
  enum { N = 40 };
  Tb *all[N];
  GRand *r = g_rand_new_with_seed (5);
  for (unsigned i = 0; i < N; i++) {
    all[i] = toy_block (i, 0x1000 + 16 * i, 0x5000 + 16 * i);
    tb_insert (tcg, all[i]);
  }
  for (unsigned k = 0; k < 3000; k++) {
    Tb *from = all[g_rand_int_range (r, 0, N)], *to = all[g_rand_int_range (r, 0, N)];
    if (k % 20 != 19)
      tb_link (tcg, from, k & 1, to);
    else if (!from->invalid) {
      tb_invalidate (tcg, from);
      from->invalid = false;
      from->exit[0].target = from->exit[1].target = NULL;
      tb_insert (tcg, from);
    }
    unsigned outgoing = 0, incoming = 0;
    for (unsigned i = 0; i < N; i++) {
      outgoing += (all[i]->exit[0].target != NULL) + (all[i]->exit[1].target != NULL);
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
  uint32_t n;
  Tb **blocks = tb_region_blocks (m, 0, &n);
  ck_assert_uint_eq (n, 201);
  for (uint32_t i = 0; i < n; i++) {
    Tb *tb = blocks[i];
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

/* --- one block a key ----------------------------------------------------------------------------------- */

static void
translate_again (void *cpu, void *user)
{
  Tb *tb = user;
  GPtrArray *vcpus = tcg_vcpu (cpu)->machine->vcpus;
  g_ptr_array_add (vcpus, cpu); /* one alone does not look */
  ck_assert_ptr_eq (tb_translate (tcg_vcpu (cpu), &tb->key, tb->cflags), tb);
  g_ptr_array_set_size (vcpus, 1);
}

/* Two vCPUs that come to the same code at once translate it both; the second finds that there is a block. */
START_TEST (made_by_another)
{
  Toy *t = toy_new (&toy_ways[_i]);
  TcgMachine *m = toy_tcg (t);
  ToyCode c = { .origin = 0x2000 };
  toy_emit (&c, TOY_ADDI, 1, 1, 1);
  toy_emit (&c, TOY_JMP, 0, 0, 0);
  toy_emit (&c, TOY_STOP, 0, 0, 0);
  toy_put (t->board.ram, &c);
  ToyState s = { .pc = c.origin };
  toy_start (t, &s);
  toy_wait_stopped (t);
  uint32_t n, after;
  Tb **blocks = tb_region_blocks (m, 0, &n);
  ck_assert_uint_eq (n, 2);
  size_t used = m->buffer.used;
  bp_vcpu_run_on (t->vcpu, translate_again, blocks[0], true);
  tb_region_blocks (m, 0, &after);
  ck_assert_uint_eq (after, n);
  ck_assert_uint_eq (m->buffer.used, used);
  toy_free_machine (t);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("tb-cache");
  TCase *tcase = tcase_create ("all");
  tcase_add_checked_fixture (tcase, toy_block_setup, toy_block_teardown);
  tcase_add_test (tcase, modes);
  tcase_add_test (tcase, look_up);
  tcase_add_test (tcase, ranges);
  tcase_add_test (tcase, both_pages_the_same);
  tcase_add_test (tcase, links);
  tcase_add_test (tcase, guarded_links);
  tcase_add_test (tcase, names);
  tcase_add_test (tcase, random_links);
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  TCase *ways = tcase_create ("ways");  /* a machine of their own, of which there is one at a time */
  tcase_add_loop_test (ways, made_by_another, 0, 2);
  tcase_add_loop_test (ways, by_host_address, 0, 2);
  tcase_set_timeout (ways, 60);
  suite_add_tcase (suite, ways);
  return suite_run (suite);
}
