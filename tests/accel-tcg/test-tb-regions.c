/* test-tb-regions.c -- parts of the code buffer: which one goes, how many are in use. */
/* SPDX-License-Identifier: MIT */
#include "toy-cpu.h"
#include "../suite.h"
#include <check.h>
#include <stdlib.h>

static void
run_code (Toy *t, const ToyCode *c)
{
  ToyState s = { .pc = c->origin };
  toy_put (t->board.ram, c);
  toy_start (t, &s);
  toy_wait_stopped (t);
}

/* So many blocks, one after the other. */
static ToyCode
chain (uint32_t origin, unsigned n)
{
  ToyCode c = { .origin = origin };
  for (unsigned i = 0; i < n; i++) {
    toy_emit (&c, TOY_ADDI, 1, 1, 1);
    toy_emit (&c, TOY_JMP, 0, 0, 0);
  }
  toy_emit (&c, TOY_STOP, 0, 0, 0);
  return c;
}

/* --- what goes ------------------------------------------------------------------------------------------------ */

START_TEST (flush_of_everything)
{
  Toy *t = toy_new (&toy_ways[_i]);
  TcgMachine *m = toy_tcg (t);
  uint64_t base = bp_region_ram_address (t->ram_region);
  ToyCode c = { .origin = 0x6ffe };
  toy_emit (&c, TOY_STOP, 0, 0, 0);
  run_code (t, &c);
  ck_assert (code_page_has_code (m, base + 0x6000) && code_page_has_code (m, base + 0x7000));
  tb_flush_all (m);
  ck_assert (!code_page_has_code (m, base + 0x6000) && !code_page_has_code (m, base + 0x7000));
  ck_assert (bp_dirty_test (BP_DIRTY_CODE, base + 0x6000) && bp_dirty_test (BP_DIRTY_CODE, base + 0x7000));
  ck_assert_uint_eq (m->n_by_address[0], 0);
  run_code (t, &c);
  toy_free_machine (t);
}
END_TEST

/* As a guest does that makes up code segments. */
START_TEST (more_modes_than_are_kept)
{
  Toy *t = toy_new (&toy_ways[_i]);
  TcgMachine *m = toy_tcg (t);
  ToyCode c = chain (0x6000, 3);
  run_code (t, &c);
  uint32_t before = m->n_modes;
  for (uint64_t base = 1; m->n_modes <= MOST_MODES; base++)
    tb_mode (m, base << 32, 0, 0);
  uint64_t flushes = m->n_flushes;
  run_code (t, &c);             /* nothing is made: they stay */
  ck_assert_uint_gt (m->n_modes, MOST_MODES);
  c = chain (0x9000, 3);
  run_code (t, &c);
  ck_assert_uint_eq (t->cpu->s.r[1], 3);
  ck_assert_uint_eq (m->n_flushes, flushes + 1);
  ck_assert_uint_le (m->n_modes, before);
  toy_free_machine (t);
}
END_TEST

static unsigned
n_in_region (TcgMachine *m, unsigned region)
{
  uint32_t n;
  Tb **blocks = tb_region_blocks (m, region, &n);
  for (uint32_t i = 0; i < n; i++) {
    ck_assert_ptr_eq (tb_at (m, (uintptr_t) blocks[i]->code), blocks[i]);
    ck_assert (blocks[i]->invalid || tb_lookup (m, &blocks[i]->key, blocks[i]->physical[0], blocks[i]->cflags) == blocks[i]);
    for (unsigned k = 0; k < blocks[i]->n_exits; k++)
      if (blocks[i]->exit[k].target)
        ck_assert_ptr_eq (tb_at (m, (uintptr_t) blocks[i]->exit[k].target->code), blocks[i]->exit[k].target);
  }
  return n;
}

/* A chain of blocks over many pages, in parts of the buffer that go one after the other. */
START_TEST (oldest_goes)
{
  Toy *t = toy_new (&toy_ways[3]);
  TcgMachine *m = toy_tcg (t);
  if (m->n_regions < 3) {       /* (no code generator on this host) */
    toy_free_machine (t);
    return;
  }
  ToyCode c = { .origin = 0x20000 };
  for (unsigned i = 0; i < 2000; i++) {
    toy_emit (&c, TOY_ADDI, 1, 1, 1);
    toy_emit (&c, TOY_JMP, 0, 0, 0);
  }
  toy_emit (&c, TOY_STOP, 0, 0, 0);
  for (unsigned round = 0; round < 6; round++) {
    run_code (t, &c);
    ck_assert_uint_eq (t->cpu->s.r[1], 2000);
    unsigned n[CODE_REGIONS], all = 0;
    for (unsigned r = 0; r < m->n_regions; r++)
      all += n[r] = n_in_region (m, r);
    ck_assert_uint_gt (all, 200);
    unsigned oldest = (m->region + 1) % m->n_regions;
    m->n_missed = 0;
    tb_make_room (m);
    ck_assert_uint_eq (m->region, oldest);
    for (unsigned r = 0; r < m->n_regions; r++)
      ck_assert_uint_eq (n_in_region (m, r), r == oldest ? 0 : n[r]);
  }
  ck_assert_uint_gt (m->n_flushes, 6);
  toy_free_machine (t);
}
END_TEST

/* --- how many are in use --------------------------------------------------------------------------------------- */

/* A machine with small parts, two of them in use; NULL: its host has but one. */
static Toy *
with_two_in_use (void)
{
  Toy *t = toy_new (&toy_ways[3]);
  TcgMachine *m = toy_tcg (t);
  if (m->n_regions > 2) {
    m->n_in_use = 2;
    return t;
  }
  ck_assert_uint_eq (m->n_regions, 1);
  toy_free_machine (t);
  return NULL;
}

/* Code that comes back soon after it went gets room, until all of it has some. */
START_TEST (what_is_missed)
{
  Toy *t = with_two_in_use ();
  if (!t)
    return;
  TcgMachine *m = toy_tcg (t);
  ToyCode once = chain (0x80000, 1900);
  run_code (t, &once);
  ck_assert_uint_eq (m->n_in_use, 2);
  uint32_t n;
  tb_region_blocks (m, m->region == 0, &n);             /* a full one */
  ToyCode c = chain (0x20000, n * 5 / 2);
  for (unsigned round = 0; round < 8; round++)
    run_code (t, &c);
  ck_assert_uint_eq (m->n_in_use, 3);
  uint64_t translated = m->n_translated;
  run_code (t, &c);
  ck_assert_uint_eq (m->n_translated, translated);
  toy_free_machine (t);
}
END_TEST

/* Code that runs once takes the place of older code. */
START_TEST (what_runs_once)
{
  Toy *t = with_two_in_use ();
  if (!t)
    return;
  TcgMachine *m = toy_tcg (t);
  for (uint32_t k = 0; k < 160; k++) {
    ToyCode c = chain (0x20000 + k * 0x1000, 100);
    run_code (t, &c);
    ck_assert_uint_eq (t->cpu->s.r[1], 100);
  }
  ck_assert_uint_gt (m->n_flushes, 16);
  ck_assert_uint_eq (m->n_in_use, 2);
  toy_free_machine (t);
}
END_TEST

/* All of a small buffer is used at once; a part of a large one holds a good many blocks. */
START_TEST (sizes)
{
  static const struct { size_t room; unsigned n, in_use; } want[] = {
    { 20000, 1, 1 }, { 4 * CODE_REGION_MIN, 4, 4 }, { 1u << 20, 8, 8 }, { 4u << 20, 8, 8 }, { 16u << 20, 16, 16 }, { 32u << 20, 32, 30 },
    { 256u << 20, 256, 30 }, { 1u << 30, 256, 7 },
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (want); i++) {
    TcgMachine *m = g_new0 (TcgMachine, 1);
    m->buffer_start = 64;
    m->buffer.size = want[i].room + 64;
    tb_regions_init (m);
    ck_assert_uint_eq (m->n_regions, want[i].n);
    ck_assert_uint_eq (m->n_in_use, want[i].in_use);
    ck_assert_uint_le ((size_t) m->region_blocks * m->n_regions, m->buffer.size / CODE_BLOCK_LEAST);
    ck_assert_uint_eq (m->buffer.limit - m->buffer.used, m->region_size);
    ck_assert_uint_le (tb_region_start (m, m->n_regions), m->buffer.size);
    g_free (m);
  }
}
END_TEST

int
main (void)
{
  int ways = (int) toy_n_ways;
  Suite *suite = suite_create ("tb-regions");
  TCase *tcase = tcase_create ("all");
  tcase_add_loop_test (tcase, flush_of_everything, 0, ways);
  tcase_add_loop_test (tcase, more_modes_than_are_kept, 0, ways);
  tcase_add_test (tcase, oldest_goes);
  tcase_add_test (tcase, what_is_missed);
  tcase_add_test (tcase, what_runs_once);
  tcase_add_test (tcase, sizes);
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}
