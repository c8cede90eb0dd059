/* test-tb-revive.c -- code that changes and changes back: its old blocks serve again, and only where their very bytes are back. */
/* SPDX-License-Identifier: MIT */
#include "toy-cpu.h"
#include "../suite.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

#define CODE 0x6000u

/* Three instructions: r1 = 1, r2 = `second`, r3 = `third`; and the end. */
static void
put (Toy *t, uint32_t origin, int second, int third)
{
  ToyCode c = { .origin = origin };
  toy_emit (&c, TOY_LI, 1, 0, 1);
  toy_emit (&c, TOY_LI, 2, 0, second);
  toy_emit (&c, TOY_LI, 3, 0, third);
  toy_emit (&c, TOY_STOP, 0, 0, 0);
  bp_as_write (t->memory_space, origin, c.word, 16);
}

static void
run (Toy *t, uint32_t origin, uint32_t base, int second, int third)
{
  ToyState s = { .pc = origin - base, .base = base };
  toy_start (t, &s);
  toy_wait_stopped (t);
  ck_assert_uint_eq (t->cpu->s.r[1], 1);
  ck_assert_uint_eq (t->cpu->s.r[2], (uint32_t) second);
  ck_assert_uint_eq (t->cpu->s.r[3], (uint32_t) third);
}

/* How many of the blocks that a run needed were made for it, and how many were put back. */
static void
check_run (Toy *t, uint32_t origin, int second, int third, unsigned made, unsigned back)
{
  TcgMachine *m = toy_tcg (t);
  uint64_t n_translated = m->n_translated, n_revived = m->n_revived;
  put (t, origin, second, third);
  run (t, origin, 0, second, third);
  ck_assert_uint_eq (m->n_translated - n_translated, made);
  ck_assert_uint_eq (m->n_revived - n_revived, back);
}

START_TEST (back_and_forth)
{
  Toy *t = toy_new (&toy_ways[_i]);
  check_run (t, CODE, 10, 20, 1, 0);
  check_run (t, CODE, 11, 20, 1, 0);
  for (unsigned k = 0; k < 50; k++) {
    check_run (t, CODE, 10, 20, 0, 1);
    run (t, CODE, 0, 10, 20);
    check_run (t, CODE, 11, 20, 0, 1);
  }
  toy_free_machine (t);
}
END_TEST

/* What begins alike is told apart by the rest. */
START_TEST (every_byte_counts)
{
  Toy *t = toy_new (&toy_ways[_i]);
  uint32_t origin = _i & 1 ? CODE : CODE + 0xff5;       /* ... on the second page, too */
  check_run (t, origin, 10, 20, 1, 0);
  check_run (t, origin, 10, 21, 1, 0);
  check_run (t, origin, 10, 22, 1, 0);
  check_run (t, origin, 10, 20, 0, 1);
  check_run (t, origin, 10, 22, 0, 1);
  check_run (t, origin, 10, 21, 0, 1);
  check_run (t, origin, 10, 23, 1, 0);
  toy_free_machine (t);
}
END_TEST

/* The same bytes, but elsewhere, or reached in another way. */
START_TEST (only_where_it_was)
{
  Toy *t = toy_new (&toy_ways[_i]);
  TcgMachine *m = toy_tcg (t);
  check_run (t, CODE, 10, 20, 1, 0);
  check_run (t, CODE, 11, 20, 1, 0);
  check_run (t, CODE + 0x100, 10, 20, 1, 0);
  put (t, CODE, 10, 20);
  uint64_t n = m->n_revived;
  run (t, CODE, 0x1000, 10, 20);
  ck_assert_uint_eq (m->n_revived, n);
  run (t, CODE, 0, 10, 20);
  ck_assert_uint_eq (m->n_revived, n + 1);
  toy_free_machine (t);
}
END_TEST

/* More forms than the table holds, and blocks whose part of the buffer has been emptied. */
START_TEST (forgotten)
{
  Toy *t = toy_new (&toy_ways[_i]);
  TcgMachine *m = toy_tcg (t);
  for (unsigned round = 0; round < 2; round++)
    for (int k = 0; k < 300; k++) {
      put (t, CODE, 7, k);
      run (t, CODE, 0, 7, k);
    }
  for (unsigned r = 0; r < m->n_regions; r++)
    tb_make_room (m);
  for (unsigned i = 0; i < 1u << RETIRED_BITS; i++)
    for (unsigned k = 0; k < RETIRED_WAYS; k++)
      ck_assert_ptr_null (m->retired[i][k].tb);
  check_run (t, CODE, 7, 299, 1, 0);
  check_run (t, CODE, 7, 298, 1, 0);
  check_run (t, CODE, 7, 299, 0, 1);
  toy_free_machine (t);
}
END_TEST

/* A caller that was linked to the block goes to whatever is there now. */
START_TEST (links)
{
  Toy *t = toy_new (&toy_ways[_i]);
  ToyCode c = { .origin = CODE };
  toy_emit (&c, TOY_LI, 4, 0, 100);
  uint32_t loop = toy_here (&c);
  toy_emit (&c, TOY_ADDI, 4, 4, -1);
  toy_emit_jump (&c, TOY_JMP, 0, CODE + 0x200);
  toy_put (t->board.ram, &c);
  for (unsigned k = 0; k < 20; k++) {
    ToyCode d = { .origin = CODE + 0x200 };
    toy_emit (&d, TOY_ADDI, 5, 5, 1 + (int) (k & 1));
    toy_emit_jump (&d, TOY_BNZ, 4, loop);
    toy_emit (&d, TOY_STOP, 0, 0, 0);
    bp_as_write (t->memory_space, CODE + 0x200, d.word, 12);
    ToyState s = { .pc = CODE };
    toy_start (t, &s);
    toy_wait_stopped (t);
    ck_assert_uint_eq (t->cpu->s.r[5], 100 * (1 + (k & 1)));
  }
  ck_assert_uint_gt (toy_tcg (t)->n_revived, 10);
  toy_free_machine (t);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("tb-revive");
  TCase *c = tcase_create ("tb-revive");
  tcase_set_timeout (c, 60);
  tcase_add_loop_test (c, back_and_forth, 0, (int) toy_n_ways);
  tcase_add_loop_test (c, every_byte_counts, 0, (int) toy_n_ways);
  tcase_add_loop_test (c, only_where_it_was, 0, (int) toy_n_ways);
  tcase_add_loop_test (c, forgotten, 0, (int) toy_n_ways);
  tcase_add_loop_test (c, links, 0, (int) toy_n_ways);
  suite_add_tcase (suite, c);
  return suite_run (suite);
}
