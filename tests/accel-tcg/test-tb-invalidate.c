/* test-tb-invalidate.c -- code that changes: by itself, by devices on other threads, in ROM, across pages. */
/* SPDX-License-Identifier: MIT */
#include "../patience.h"
#include "toy-cpu.h"
#include "../suite.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

#define ROUTINE  0x4000u
#define NEXT     0x3000u        /* the round that was asked for; behind it what the guest got, and the round it has done */
#define GOT      0x3004u
#define DONE     0x3008u

static uint32_t
word_at (Toy *t, uint32_t address)
{
  return __atomic_load_n ((uint32_t *) (void *) (t->board.ram + address), __ATOMIC_ACQUIRE);
}

static ToyState
starting_at (uint32_t pc)
{
  return (ToyState) { .pc = pc };
}

static void
run_code (Toy *t, const ToyCode *c)
{
  ToyState s = starting_at (c->origin);
  toy_put (t->board.ram, c);
  toy_start (t, &s);
  toy_wait_stopped (t);
}

/* --- a device writes new code while the guest runs, then says so in memory -------------------------------- */

/* Waits for a round, calls the routine, reports.  The routine leaves its value in r1 and comes back through r2.  A hot path may hold the
 * routine and the wait, and have been entered before the routine changed: as on processors, only what waits for its fetches is sure. */
static void
put_caller (Toy *t, uint32_t routine, bool indirect)
{
  ToyCode c = { .origin = indirect ? 0x2000 : routine - 0x100 };
  uint32_t wait = c.origin + 6 * 4, back = wait + 6 * 4;
  toy_emit (&c, TOY_LI, 3, 0, NEXT);
  toy_emit (&c, TOY_LI, 4, 0, 0);
  toy_emit_const (&c, 6, routine);
  toy_emit_const (&c, 2, back);
  g_assert (toy_here (&c) == wait);
  toy_emit (&c, TOY_LD32, 5, 3, 0);
  toy_emit (&c, TOY_XOR, 5, 4, 0);
  toy_emit (&c, TOY_BNZ, 5, 0, 4);
  toy_emit_jump (&c, TOY_JMP, 0, wait);
  toy_emit (&c, TOY_SYNC, 0, 0, 0);
  if (indirect)
    toy_emit (&c, TOY_JR, 6, 0, 0);
  else
    toy_emit_jump (&c, TOY_JMP, 0, routine);
  g_assert (toy_here (&c) == back);
  toy_emit (&c, TOY_ST32, 1, 3, GOT - NEXT);
  toy_emit (&c, TOY_ADDI, 4, 4, 1);
  toy_emit (&c, TOY_ST32, 4, 3, DONE - NEXT);
  toy_emit_jump (&c, TOY_JMP, 0, wait);
  toy_put (t->board.ram, &c);
}

static void
write_routine (Toy *t, uint32_t routine, uint32_t value)
{
  ToyCode c = { .origin = routine };
  toy_emit (&c, TOY_LI, 1, 0, (int) (value & 0x7fff));
  toy_emit (&c, TOY_JR, 2, 0, 0);
  bp_as_write (t->memory_space, routine, c.word, 8);
}

/* Reached by a direct link, through the jump cache, and in a block across two pages. */
START_TEST (by_device)
{
  static const uint32_t routines[] = { ROUTINE + 0x200, ROUTINE + 0x200, ROUTINE + 0xffd };
  unsigned way = (unsigned) _i / 3, how = (unsigned) _i % 3;
  uint32_t routine = routines[how];
  Toy *t = toy_new (&toy_ways[way]);
  put_caller (t, routine, how > 0);
  write_routine (t, routine, 0);
  ToyState s = starting_at (how > 0 ? 0x2000 : routine - 0x100);
  toy_start (t, &s);
  int64_t start = g_get_monotonic_time ();
  for (uint32_t k = 1; k < 20000 && g_get_monotonic_time () < start + G_USEC_PER_SEC / 4; k++) {
    unsigned spins = 0;
    write_routine (t, routine, k * 7);
    if (k % 3 == 0)             /* a torn translation must not last */
      for (unsigned i = 0; i < k % 32; i++)
        write_routine (t, routine, k * 7 + i);
    write_routine (t, routine, k);
    bp_as_store (t->memory_space, NEXT, k, 4);
    while (word_at (t, DONE) != k) {
      if (spins++ > 200)
        g_usleep (20);
      if (g_get_monotonic_time () > start + patience (20))
        ck_abort_msg ("way %u, how %u: round %u was not done", way, how, k);
    }
    if (word_at (t, GOT) != (k & 0x7fff))
      ck_abort_msg ("way %u, how %u, round %u: the guest ran old code and got %u", way, how, k, word_at (t, GOT));
  }
  toy_stop (t);
  toy_free_machine (t);
}
END_TEST

/* The routine is rewritten all the time while it is translated and run; what counts is what it says once that has ended. */
typedef struct Writer {
  Toy *toy;
  int end;
} Writer;

static void *
write_always (void *data)
{
  Writer *w = data;
  for (uint32_t k = 0; !__atomic_load_n (&w->end, __ATOMIC_ACQUIRE); k++)
    write_routine (w->toy, ROUTINE + 0xffd, k);
  return NULL;
}

START_TEST (while_translating)
{
  Toy *t = toy_new (&toy_ways[_i]);
  put_caller (t, ROUTINE + 0xffd, true);
  write_routine (t, ROUTINE + 0xffd, 0);
  ToyState s = starting_at (0x2000);
  toy_start (t, &s);
  int64_t start = g_get_monotonic_time ();
  for (uint32_t k = 0; k < 300 && g_get_monotonic_time () < start + G_USEC_PER_SEC / 4;) {
    Writer w = { t, 0 };
    GThread *thread = g_thread_new ("writer", write_always, &w);
    for (unsigned i = 0; i < 10; i++) {
      bp_as_store (t->memory_space, NEXT, ++k, 4);
      while (word_at (t, DONE) != k)
        g_thread_yield ();
    }
    __atomic_store_n (&w.end, 1, __ATOMIC_RELEASE);
    g_thread_join (thread);
    write_routine (t, ROUTINE + 0xffd, k + 77);
    bp_as_store (t->memory_space, NEXT, ++k, 4);
    while (word_at (t, DONE) != k)
      g_thread_yield ();
    ck_assert_uint_eq (word_at (t, GOT), k - 1 + 77);
  }
  toy_stop (t);
  toy_free_machine (t);
}
END_TEST

/* A helper has asked for the address and not stored yet, when the code there is translated anew (by another vCPU, if there were one). */
START_TEST (between_probe_and_store)
{
  Toy *t = toy_new (&toy_ways[_i]);
  const BpTcgOps *ops = toy_vcpu (t)->ops;
  ToyState s = starting_at (0x6000);
  ToyCode c = { .origin = 0x6000 };
  toy_emit (&c, TOY_LI, 1, 0, 1);
  toy_emit (&c, TOY_STOP, 0, 0, 0);
  run_code (t, &c);
  uint32_t *at = ops->probe (t->cpu, 0x6000, 4, BP_MMU_STORE, 0);
  toy_start (t, &s);
  toy_wait_stopped (t);
  ck_assert_uint_eq (t->cpu->s.r[1], 1);
  *at = toy_insn (TOY_LI, 1, 0, 2);
  if (ops->accessed)
    ops->accessed (t->cpu, 0x6000, 4, BP_MMU_STORE, 0);
  toy_start (t, &s);
  toy_wait_stopped (t);
  ck_assert_uint_eq (t->cpu->s.r[1], 2);
  toy_free_machine (t);
}
END_TEST

/* --- the running block --------------------------------------------------------------------------------------- */

/* An atomic across two pages whose second half is code of the block that runs: done exactly once. */
START_TEST (split_atomic_into_itself)
{
  Toy *t = toy_new (&toy_ways[_i]);
  ToyCode c = { .origin = 0x5000 };
  toy_emit (&c, TOY_LI, 6, 0, 0x4ffe);          /* r1, the low half, and the op and registers of this very instruction: li r6 */
  toy_emit (&c, TOY_LUI, 1, 0, 0x0100);
  toy_emit (&c, TOY_FETCH_ADD, 1, 6, 0);        /* li r6 becomes li r7 */
  toy_emit (&c, TOY_STOP, 0, 0, 0);
  uint16_t low = 0x1234;
  memcpy (t->board.ram + 0x4ffe, &low, 2);
  run_code (t, &c);
  uint32_t word;
  memcpy (&word, t->board.ram + 0x5000, 4);
  ck_assert_uint_eq (word, toy_insn (TOY_LI, 7, 0, 0x4ffe));
  ck_assert_uint_eq (t->cpu->s.r[1], (c.word[0] & 0xffff) << 16 | low);
  toy_free_machine (t);
}
END_TEST

/* Once the code of a page is gone, stores to it are plain again. */
START_TEST (page_is_let_go)
{
  Toy *t = toy_new (&toy_ways[_i]);
  uint64_t base = bp_region_ram_address (t->ram_region);
  ToyCode c = { .origin = 0x6000 };
  toy_emit (&c, TOY_STOP, 0, 0, 0);
  run_code (t, &c);
  ck_assert (!bp_dirty_test (BP_DIRTY_CODE, base + 0x6000));
  ck_assert (code_page_has_code (toy_tcg (t), base + 0x6000));
  bp_as_store (t->memory_space, 0x6800, 1, 4);          /* beside it */
  ck_assert (!bp_dirty_test (BP_DIRTY_CODE, base + 0x6000));
  bp_as_store (t->memory_space, 0x6003, 1, 1);
  ck_assert (bp_dirty_test (BP_DIRTY_CODE, base + 0x6000));
  ck_assert (!code_page_has_code (toy_tcg (t), base + 0x6000));
  ck_assert_uint_eq (toy_tcg (t)->n_invalidated, 1);
  toy_free_machine (t);
}
END_TEST

/* --- code that is not in RAM ------------------------------------------------------------------------------------ */

START_TEST (in_rom)
{
  uint32_t rom[] = { toy_insn (TOY_LI, 1, 0, 5), toy_insn (TOY_ADDI, 6, 0, 0), toy_insn (TOY_ST32, 6, 2, 0), toy_insn (TOY_STOP, 0, 0, 0) };
  ToyOptions o = toy_ways[_i];
  o.rom = rom;
  o.n_rom = G_N_ELEMENTS (rom);
  Toy *t = toy_new (&o);
  ToyState s = starting_at (TOY_ROM);
  s.r[2] = TOY_ROM;             /* the store changes nothing */
  for (unsigned k = 5; k < 10; k++) {
    rom[0] = toy_insn (TOY_LI, 1, 0, (int) k);
    ck_assert (bp_as_write_rom (t->memory_space, TOY_ROM, rom, 4));
    toy_start (t, &s);
    toy_wait_stopped (t);
    ck_assert_uint_eq (t->cpu->s.r[1], k);
  }
  toy_free_machine (t);
}
END_TEST

/* A device may give other code each time: nothing of it is kept. */
START_TEST (in_a_device)
{
  Toy *t = toy_new (&toy_ways[_i]);
  ToyState s = starting_at (TOY_DEVICE + 0x100);
  toy_start (t, &s);
  int64_t end = patience_ends (5);
  while (__atomic_load_n (&t->board.counter, __ATOMIC_ACQUIRE) < 4 * 0x01020304u && g_get_monotonic_time () < end)
    g_usleep (20);
  toy_stop (t);
  ck_assert_uint_ge (t->board.counter, 4 * 0x01020304u);
  ck_assert_ptr_null (code_page_find (toy_tcg (t), (~(uint64_t) 0) >> TLB_PAGE_BITS));
  toy_free_machine (t);
}
END_TEST

/* --- two pages ---------------------------------------------------------------------------------------------------- */

static void
set_entry (Toy *t, uint32_t linear, uint32_t entry)
{
  bp_as_store (t->memory_space, TOY_TABLES + 4 * (linear >> 12), entry, 4);
}

/* The second page of a block has gone: its first instructions are run, then the one that needs it faults. */
START_TEST (second_page_goes)
{
  const uint32_t all = TOY_VALID | TOY_WRITABLE | TOY_EXECUTABLE;
  Toy *t = toy_new (&toy_ways[_i]);
  ToyCode c = { .origin = 0x6ff4 };
  toy_emit (&c, TOY_ADDI, 1, 1, 1);
  toy_emit (&c, TOY_LD32, 4, 5, 0);     /* the fault in between must come first */
  toy_emit (&c, TOY_ADDI, 2, 2, 1);
  toy_emit (&c, TOY_ADDI, 3, 3, 1);     /* in the second page */
  toy_emit (&c, TOY_STOP, 0, 0, 0);
  set_entry (t, 0x6000, 0x6000 | all);
  set_entry (t, 0x7000, 0x7000 | all);
  ToyState s = starting_at (c.origin);
  s.table = TOY_TABLES;
  s.r[5] = 0x6000;
  toy_put (t->board.ram, &c);
  toy_start (t, &s);
  toy_wait_stopped (t);
  ck_assert_uint_eq (t->cpu->s.r[3], 1);
  /* Now the second page is missing and the load faults too: two faults, in that order. */
  set_entry (t, 0x7000, 0);
  s.r[5] = 0x100000;
  ToyState want = s;
  ToyBoard board = { .ram = g_memdup2 (t->board.ram, TOY_RAM_SIZE) };
  ck_assert (!toy_reference (&want, &board, 5));        /* (it goes on faulting) */
  toy_start (t, &s);
  int64_t end = patience_ends (5);
  while (__atomic_load_n (&t->cpu->s.n_faults, __ATOMIC_ACQUIRE) < 3 && g_get_monotonic_time () < end)
    g_usleep (20);
  toy_stop (t);
  ck_assert_uint_eq (t->cpu->s.r[1], want.r[1]);
  ck_assert_uint_eq (t->cpu->s.r[2], want.r[2]);
  ck_assert_uint_eq (t->cpu->s.r[3], 0);
  g_free (board.ram);
  toy_free_machine (t);
}
END_TEST

int
main (void)
{
  int ways = (int) toy_n_ways;
  Suite *suite = suite_create ("tb-invalidate");
  TCase *tcase = tcase_create ("all");
  tcase_add_loop_test (tcase, by_device, 0, 3 * ways);
  tcase_add_loop_test (tcase, while_translating, 0, ways);
  tcase_add_loop_test (tcase, between_probe_and_store, 0, ways);
  tcase_add_loop_test (tcase, split_atomic_into_itself, 0, ways);
  tcase_add_loop_test (tcase, page_is_let_go, 0, ways);
  tcase_add_loop_test (tcase, in_rom, 0, ways);
  tcase_add_loop_test (tcase, in_a_device, 0, ways);
  tcase_add_loop_test (tcase, second_page_goes, 0, ways);
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}
