/* test-softmmu.c -- the software TLB: what it may keep, and for how long. */
/* SPDX-License-Identifier: MIT */
#include "../patience.h"
#include "toy-cpu.h"
#include "../suite.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

#define ALL (TOY_VALID | TOY_WRITABLE | TOY_EXECUTABLE)

static void
set_entry (Toy *t, unsigned table, uint32_t linear, uint32_t entry)
{
  bp_as_store (t->memory_space, TOY_TABLES + 0x1000 * table + 4 * (linear >> 12), entry, 4);
}

static uint32_t
ram_word (Toy *t, uint32_t address)
{
  uint32_t word;
  memcpy (&word, t->board.ram + address, 4);
  return word;
}

/* Runs to STOP and compares with the plain interpreter. */
static void
run_and_compare (Toy *t, const ToyState *s, const char *where)
{
  ToyState want = *s;
  ToyBoard board = { .ram = g_memdup2 (t->board.ram, TOY_RAM_SIZE), .hash = t->board.hash, .counter = t->board.counter };
  ck_assert (toy_reference (&want, &board, 10000000));
  toy_start (t, s);
  toy_wait_stopped (t);
  toy_compare (t, &want, &board, where);
  g_free (board.ram);
}

/* --- size -------------------------------------------------------------------------------------- */

/* Far more pages than the table holds at first, round and round, with other address spaces in between. */
START_TEST (grows)
{
  Toy *t = toy_new (&toy_ways[_i]);
  for (unsigned table = 0; table < 2; table++)
    for (uint32_t i = 0; i < 1024; i++)
      set_entry (t, table, i << 12, ((i < 16 ? i : 16 + (i * 37 + table * 5) % 200) << 12) | ALL | (i < 16 ? TOY_GLOBAL : 0));
  ToyCode c = { .origin = 0x2000 };
  toy_emit (&c, TOY_LI, 7, 0, _i == 1 ? 6 : 40);
  uint32_t again = toy_here (&c);
  toy_emit_const (&c, 6, 0x3f0000);
  uint32_t loop = toy_here (&c);
  toy_emit (&c, TOY_LD32, 1, 6, 0x124);
  toy_emit (&c, TOY_ADD, 1, 6, 0);
  toy_emit (&c, TOY_ST32, 1, 6, 0x124);
  toy_emit (&c, TOY_ST16, 1, 6, 0xfff);         /* and the page behind */
  toy_emit (&c, TOY_ADDI, 6, 6, -0x1000);
  toy_emit_const (&c, 5, 0x10000);
  toy_emit (&c, TOY_XOR, 5, 6, 0);
  toy_emit_jump (&c, TOY_BNZ, 5, loop);
  toy_emit_const (&c, 5, TOY_TABLES);
  toy_emit (&c, TOY_LI, 4, 0, 1);
  toy_emit (&c, TOY_XOR, 3, 4, 0);
  toy_emit (&c, TOY_BNZ, 3, 0, 4);
  toy_emit (&c, TOY_ORI, 5, 0, 0x1000);
  toy_emit (&c, TOY_TABLE, 5, 0, 0);
  toy_emit (&c, TOY_ADDI, 7, 7, -1);
  toy_emit_jump (&c, TOY_BNZ, 7, again);
  toy_emit (&c, TOY_STOP, 0, 0, 0);
  toy_put (t->board.ram, &c);
  ToyState s = { .pc = c.origin, .table = TOY_TABLES };
  run_and_compare (t, &s, "many pages");
  const Softmmu *softmmu = tcg_softmmu (toy_vcpu (t));
  ck_assert (softmmu->private_modes & 1);       /* hardly anything is global */
  ck_assert_uint_ge (softmmu->mode[0]->entries, 512);
  toy_free_machine (t);
}
END_TEST

/* --- address spaces ------------------------------------------------------------------------- */

#define PAGE(n) (0x20000u + 0x1000 * (n))       /* RAM: filled with n */
#define OTHER (TOY_TABLES + 0x1000)

static Toy *
toy_with_pages (void)
{
  Toy *t = toy_new (&toy_ways[0]);
  for (unsigned n = 0; n < 16; n++)
    memset (t->board.ram + PAGE (n), (int) n, 4096);
  return t;
}

static unsigned
load_at (Toy *t, uint32_t linear)
{
  return (unsigned) bp_tcg_ops (t->cpu)->load (t->cpu, linear, BP_MO_8);
}

static void
switch_to (Toy *t, uint32_t table, uint64_t asid, bool keep)
{
  t->cpu->s.table = table;
  bp_tcg_ops (t->cpu)->tlb_switch_space (t->cpu, table, asid, keep);
}

/* A change of the tables shows after a reload, and what has not changed is still there. */
START_TEST (reload)
{
  enum { BASE = 0x51000 };      /* none of the pages maps others */
  Toy *t = toy_with_pages ();
  for (unsigned table = 0; table < 2; table++)
    for (uint32_t i = 0; i < 8; i++)
      set_entry (t, table, BASE + (i << 12), PAGE (i + 8 * table) | ALL);
  for (unsigned round = 0; round < 40; round++) {       /* the mode becomes private meanwhile */
    switch_to (t, TOY_TABLES, 0, false);
    for (uint32_t i = 1; i < 8; i++)
      ck_assert_uint_eq (load_at (t, BASE + (i << 12)), i);
    ck_assert_uint_eq (load_at (t, BASE), round % 3);
    switch_to (t, OTHER, 0, false);
    for (uint32_t i = 0; i < 8; i++)
      ck_assert_uint_eq (load_at (t, BASE + (i << 12)), i + 8);
    set_entry (t, 0, BASE, PAGE ((round + 1) % 3) | ALL);       /* of the one that sleeps */
  }
  ck_assert (tcg_softmmu (toy_vcpu (t))->private_modes & 1);
  switch_to (t, TOY_TABLES, 0, false);
  uint32_t fills = tcg_softmmu (toy_vcpu (t))->mode[0]->fills;
  for (uint32_t i = 1; i < 8; i++)
    ck_assert_uint_eq (load_at (t, BASE + (i << 12)), i);
  ck_assert_uint_eq (tcg_softmmu (toy_vcpu (t))->mode[0]->fills, fills);
  set_entry (t, 0, BASE + 0x3000, PAGE (9) | ALL);      /* of the one that runs: seen at the reload */
  switch_to (t, TOY_TABLES, 0, false);
  ck_assert_uint_eq (load_at (t, BASE + 0x3000), 9);
  /* A word above the leaf counts too: the 16 pages are a large one from now on. */
  set_entry (t, 0, 0x50000, 0x30000 | ALL | TOY_LARGE);
  memset (t->board.ram + 0x35000, 77, 4096);
  switch_to (t, TOY_TABLES, 0, false);
  ck_assert_uint_eq (load_at (t, 0x55000), 77);
  toy_free_machine (t);
}
END_TEST

/* Tags: what a switch that keeps may leave, and what flushes take from spaces that sleep. */
START_TEST (tags)
{
  Toy *t = toy_with_pages ();
  const BpTcgOps *ops = bp_tcg_ops (t->cpu);
  set_entry (t, 0, 0x40000, PAGE (1) | ALL);
  set_entry (t, 0, 0x41000, PAGE (2) | ALL | TOY_GLOBAL);
  set_entry (t, 1, 0x40000, PAGE (3) | ALL);
  set_entry (t, 1, 0x41000, PAGE (2) | ALL | TOY_GLOBAL);
  for (unsigned private = 0; private < 2; private++) {
    if (private) {
      ops->tlb_flush (t->cpu, true);
      tcg_softmmu (toy_vcpu (t))->n_local[0] = 1000;
      switch_to (t, OTHER, 7, false);           /* private from here on */
    }
    set_entry (t, 0, 0x40000, PAGE (1) | ALL);
    switch_to (t, TOY_TABLES, 5, false);
    ck_assert (load_at (t, 0x40000) == 1 && load_at (t, 0x41000) == 2);
    switch_to (t, OTHER, 6, true);
    ck_assert (load_at (t, 0x40000) == 3 && load_at (t, 0x41000) == 2);
    set_entry (t, 0, 0x40000, PAGE (4) | ALL);
    switch_to (t, TOY_TABLES, 5, true);
    ck_assert (load_at (t, 0x40000) == (private ? 1 : 4));      /* (either would be right) */
    switch_to (t, TOY_TABLES, 5, false);
    ck_assert (load_at (t, 0x40000) == 4 && load_at (t, 0x41000) == 2);
    switch_to (t, OTHER, 6, true);
    set_entry (t, 0, 0x40000, PAGE (5) | ALL);
    ops->tlb_flush_space (t->cpu, 6);
    ops->tlb_flush_space (t->cpu, 5);
    switch_to (t, TOY_TABLES, 5, true);
    ck_assert (load_at (t, 0x40000) == 5);
    switch_to (t, OTHER, 6, true);
    set_entry (t, 0, 0x40000, PAGE (6) | ALL);
    ops->tlb_flush_page_in (t->cpu, 5, 0x40123);
    switch_to (t, TOY_TABLES, 5, true);
    ck_assert (load_at (t, 0x40000) == 6);
    set_entry (t, 0, 0x40000, PAGE (7) | ALL);
    ops->tlb_flush_page_in (t->cpu, 5, 0x40fff);
    ck_assert (load_at (t, 0x40000) == 7);
    set_entry (t, 0, 0x40000, PAGE (8) | ALL);
    ops->tlb_flush_space (t->cpu, BP_TLB_EVERY_ASID);
    ck_assert (load_at (t, 0x40000) == 8);
    /* The same tag for another root: a reload takes the tag's entries of every root. */
    switch_to (t, OTHER, 5, false);
    set_entry (t, 0, 0x40000, PAGE (9) | ALL);
    switch_to (t, TOY_TABLES, 5, true);
    ck_assert (load_at (t, 0x40000) == 9);
    /* One invalidation of a global page is for every space. */
    set_entry (t, 0, 0x41000, PAGE (10) | ALL | TOY_GLOBAL);
    set_entry (t, 1, 0x41000, PAGE (10) | ALL | TOY_GLOBAL);
    ops->tlb_flush_page (t->cpu, 0x41000);
    ck_assert (load_at (t, 0x41000) == 10);
    switch_to (t, OTHER, 6, true);
    ck_assert (load_at (t, 0x41000) == 10);
    set_entry (t, 0, 0x41000, PAGE (2) | ALL | TOY_GLOBAL);
    set_entry (t, 1, 0x41000, PAGE (2) | ALL | TOY_GLOBAL);
    ops->tlb_flush (t->cpu, true);
    ck_assert (load_at (t, 0x41000) == 2);
    switch_to (t, TOY_TABLES, 5, true);
    ck_assert (load_at (t, 0x41000) == 2);
  }
  toy_free_machine (t);
}
END_TEST

/* What rests on a key goes with it, in the spaces that sleep too, and nothing else does. */
START_TEST (keys)
{
  enum { AT = 0x40000, FIRST = 1 * TOY_KEY, LAST = 32 * TOY_KEY };
  static const uint32_t bits[5] = { ALL, ALL | FIRST, ALL | LAST, ALL | LAST | TOY_GLOBAL, ALL | TOY_GLOBAL };
  Toy *t = toy_with_pages ();
  const BpTcgOps *ops = bp_tcg_ops (t->cpu);
  tcg_softmmu (toy_vcpu (t))->n_local[0] = 1000;
  switch_to (t, OTHER, 7, false);               /* private from here on */
  for (unsigned round = 0; round < 4; round++) {
    uint32_t set = round == 0 ? 0x7ffffffe : round == 1 ? 1 : round == 2 ? 1u << 31 : ~0u;
    ops->tlb_flush (t->cpu, true);
    tcg_softmmu (toy_vcpu (t))->n_local[0] = 1000;
    for (unsigned table = 0; table < 2; table++) {
      switch_to (t, table ? OTHER : TOY_TABLES, table, true);
      for (uint32_t i = 0; i < 5; i++) {
        set_entry (t, table, AT + (i << 12), PAGE (i) | bits[i]);
        ck_assert_uint_eq (load_at (t, AT + (i << 12)), i);
        set_entry (t, table, AT + (i << 12), PAGE (i + 5) | bits[i]);   /* nobody is told */
        ck_assert_uint_eq (load_at (t, AT + (i << 12)), i);
      }
    }
    ck_assert (tcg_softmmu (toy_vcpu (t))->private_modes & 1);
    ops->tlb_flush_keys (t->cpu, set);
    for (unsigned table = 2; table-- > 0; ) {
      switch_to (t, table ? OTHER : TOY_TABLES, table, true);
      for (uint32_t i = 0; i < 5; i++) {
        bool gone = i == 1 ? set & 1 : i == 2 || i == 3 ? set >> 31 : false;
        ck_assert_uint_eq (load_at (t, AT + (i << 12)), gone ? i + 5 : i);
      }
    }
  }
  toy_free_machine (t);
}
END_TEST

/* More spaces than are kept, and paths that push each other out. */
START_TEST (many_spaces)
{
  Toy *t = toy_with_pages ();
  GRand *r = g_rand_new_with_seed (7);
  unsigned page[20][8];
  for (unsigned k = 0; k < 20; k++)
    for (unsigned i = 0; i < 8; i++)
      page[k][i] = 16;
  for (unsigned round = 0; round < 4000; round++) {
    unsigned k = (unsigned) g_rand_int_range (r, 0, round < 2000 ? 6 : 20);
    uint32_t table = 0x80000 + 0x1000 * k;
    for (unsigned n = 0; n < 3; n++) {
      unsigned i = (unsigned) g_rand_int_range (r, 0, 8);
      page[k][i] = (unsigned) g_rand_int_range (r, 0, 16);
      bp_as_store (t->memory_space, table + 4 * (0x40 + 20 * i), PAGE (page[k][i]) | ALL, 4);
    }
    switch_to (t, table, round & 1 ? k : 0, false);
    for (unsigned i = 0; i < 8; i++)
      if (page[k][i] < 16)
        ck_assert_uint_eq (load_at (t, 0x40000 + 0x14000 * i), page[k][i]);
  }
  g_rand_free (r);
  toy_free_machine (t);
}
END_TEST

/* --- large pages ----------------------------------------------------------------------------------- */

/* One invalidation in a large page is for its code and data everywhere. */
START_TEST (large_page)
{
  Toy *t = toy_new (&toy_ways[_i]);
  for (unsigned i = 0; i < 16; i++)
    set_entry (t, 0, i << 12, i << 12 | ALL);
  set_entry (t, 0, 0x40000, 0x40000 | ALL | TOY_LARGE);
  ToyCode c = { .origin = 0x2000 };
  toy_emit_const (&c, 6, 0x4c000);              /* a routine: r1 = r1 * 8 + its number, back to r2 */
  toy_emit_const (&c, 7, 0x42000);              /* data */
  for (unsigned k = 0; k < 8; k++) {
    uint32_t after = toy_here (&c) + 4 * 4;
    toy_emit_const (&c, 2, after);
    toy_emit (&c, TOY_LD32, 3, 7, 0);
    toy_emit (&c, TOY_JR, 6, 0, 0);
    toy_emit (&c, TOY_PURE, 1, 3, 0);
    toy_emit_const (&c, 4, 0x40000);            /* linear address of the entry, and of the one invalidation */
    toy_emit_const (&c, 5, (k % 2 ? 0x40000 : 0x60000) | ALL | TOY_LARGE);
    toy_emit (&c, TOY_MAP, 4, 5, 0);
  }
  toy_emit (&c, TOY_STOP, 0, 0, 0);
  toy_put (t->board.ram, &c);
  for (unsigned k = 0; k < 2; k++) {
    ToyCode r = { .origin = 0x4c000 + k * 0x20000 };
    toy_emit (&r, TOY_ADDI, 1, 1, (int) k * 100 + 7);
    toy_emit (&r, TOY_JR, 2, 0, 0);
    toy_put (t->board.ram, &r);
    memset (t->board.ram + 0x42000 + k * 0x20000, (int) k + 1, 4);
  }
  ToyState s = { .pc = c.origin, .table = TOY_TABLES };
  run_and_compare (t, &s, "large page");
  toy_free_machine (t);
}
END_TEST

/* --- wrapping around the top ------------------------------------------------------------------------ */

/* Code and data at both ends of the 32-bit space: linear addresses wrap, and so do pcs with a base. */
START_TEST (wraps)
{
  Toy *t = toy_new (&toy_ways[_i]);
  ToyCode c = { .origin = 0x2000 };
  toy_emit (&c, TOY_LI, 7, 0, 50);
  uint32_t loop = toy_here (&c);
  toy_emit (&c, TOY_POKE, 1, 3, 8);             /* the block is there again in the jump cache after each change */
  toy_emit (&c, TOY_ADDI, 1, 1, 0x77);
  toy_emit (&c, TOY_LI, 3, 0, 5);
  toy_emit (&c, TOY_LUI, 4, 0, 1);
  toy_emit (&c, TOY_MUL, 1, 4, 0);
  toy_emit (&c, TOY_ADD, 1, 3, 0);
  toy_emit (&c, TOY_ADDI, 7, 7, -1);
  toy_emit (&c, TOY_BNZ, 7, 0, 4);
  toy_emit (&c, TOY_STOP, 0, 0, 0);
  toy_emit_const (&c, 5, loop + 0x10000);       /* its pc: base is -64 KiB */
  toy_emit (&c, TOY_JR, 5, 0, 0);
  toy_put (t->board.ram, &c);
  ToyState s = { .pc = 0x2000 + 0x10000, .base = (uint32_t) -0x10000 };
  run_and_compare (t, &s, "base + pc wraps");
  toy_free_machine (t);
}
END_TEST

/* --- the memory map ---------------------------------------------------------------------------------- */

/* By the vCPU itself: the very next load sees it. */
START_TEST (map_changed_by_guest)
{
  Toy *t = toy_new (&toy_ways[_i]);
  memset (t->window, 0x5a, 4096);
  ToyCode c = { .origin = 0x2000 };
  toy_emit_const (&c, 6, TOY_DEVICE);
  toy_emit_const (&c, 7, TOY_WINDOW);
  toy_emit (&c, TOY_LI, 5, 0, 100);
  toy_emit (&c, TOY_LI, 1, 0, 1);
  toy_emit (&c, TOY_LI, 4, 0, 0);
  uint32_t loop = toy_here (&c);
  toy_emit (&c, TOY_ST32, 1, 6, 0x10);          /* shown */
  toy_emit (&c, TOY_LD8, 2, 7, 8);
  toy_emit (&c, TOY_ST32, 4, 6, 0x10);          /* hidden */
  toy_emit (&c, TOY_LD8, 3, 7, 8);
  toy_emit (&c, TOY_ST32, 2, 7, 0x20);          /* to nothing */
  toy_emit (&c, TOY_PURE, 0, 2, 0);
  toy_emit (&c, TOY_PURE, 0, 3, 0);
  toy_emit (&c, TOY_ADDI, 5, 5, -1);
  toy_emit_jump (&c, TOY_BNZ, 5, loop);
  toy_emit (&c, TOY_STOP, 0, 0, 0);
  toy_put (t->board.ram, &c);
  ToyState s = { .pc = c.origin };
  uint32_t want = 0;
  for (unsigned k = 0; k < 100; k++)
    want = toy_mix (toy_mix (want, 0x5a), 0xff);
  toy_start (t, &s);
  toy_wait_stopped (t);
  ck_assert_uint_eq (t->cpu->s.r[0], want);
  ck_assert_uint_eq (t->window[0x20], 0x5a);
  toy_free_machine (t);
}
END_TEST

/* By another thread, while the guest only loads. */
START_TEST (map_changed_by_another)
{
  Toy *t = toy_new (&toy_ways[_i]);
  memset (t->window, 0x5a, 4096);
  ToyCode c = { .origin = 0x2000 };
  toy_emit_const (&c, 7, TOY_WINDOW);
  toy_emit (&c, TOY_LI, 6, 0, 0x3000);
  uint32_t loop = toy_here (&c);
  toy_emit (&c, TOY_LD8, 2, 7, 8);
  toy_emit (&c, TOY_ST8, 2, 6, 0);
  toy_emit_jump (&c, TOY_JMP, 0, loop);
  toy_put (t->board.ram, &c);
  ToyState s = { .pc = c.origin };
  toy_start (t, &s);
  int64_t start = g_get_monotonic_time ();
  for (unsigned k = 0; k < 300 && g_get_monotonic_time () < start + G_USEC_PER_SEC / 4; k++) {
    bp_machine_lock (&t->machine);
    bp_region_set_enabled (t->window_region, k & 1);
    bp_machine_unlock (&t->machine);
    while (__atomic_load_n (t->board.ram + 0x3000, __ATOMIC_ACQUIRE) != (k & 1 ? 0x5a : 0xff)) {
      if (g_get_monotonic_time () > start + patience (10))
        ck_abort_msg ("change %u was not seen", k);
      g_thread_yield ();
    }
  }
  toy_stop (t);
  toy_free_machine (t);
}
END_TEST

/* --- dirty logs ------------------------------------------------------------------------------------------ */

/* A display: it clears a page's bit, then copies the page.  In the end a page that differs from its copy is dirty. */
START_TEST (no_write_is_lost)
{
  enum { FIRST = 0x20000, PAGES = 24 };
  Toy *t = toy_new (&toy_ways[_i]);
  uint64_t base = bp_region_ram_address (t->ram_region);
  uint8_t *copy = g_malloc0 (PAGES << 12);
  unsigned n_clean = 0;
  ToyCode c = { .origin = 0x2000 };
  uint32_t top = toy_here (&c);
  toy_emit_const (&c, 6, FIRST);
  toy_emit (&c, TOY_LI, 5, 0, PAGES / 2);
  uint32_t loop = toy_here (&c);
  toy_emit (&c, TOY_ADDI, 1, 1, 1);
  toy_emit (&c, TOY_ST32, 1, 6, 0x40);
  toy_emit (&c, TOY_FETCH_ADD, 2, 6, 0xffe);    /* two pages */
  toy_emit (&c, TOY_ADDI, 3, 6, 0x80);
  toy_emit (&c, TOY_COPY, 3, 6, 60);
  toy_emit_const (&c, 4, 0x2000);
  toy_emit (&c, TOY_ADD, 6, 4, 0);
  toy_emit (&c, TOY_ADDI, 5, 5, -1);
  toy_emit_jump (&c, TOY_BNZ, 5, loop);
  toy_emit_jump (&c, TOY_JMP, 0, top);
  toy_put (t->board.ram, &c);
  ToyCode stop = { .origin = FIRST + 0x3800 };  /* a page that has code too */
  toy_emit (&stop, TOY_STOP, 0, 0, 0);
  toy_put (t->board.ram, &stop);
  ToyState s = { .pc = stop.origin };
  toy_start (t, &s);
  toy_wait_stopped (t);
  bp_dirty_enable (BP_DIRTY_DISPLAY, true);
  s.pc = c.origin;
  int64_t end = g_get_monotonic_time () + G_USEC_PER_SEC / 3;
  for (unsigned round = 0; g_get_monotonic_time () < end; round++) {
    toy_start (t, &s);
    for (unsigned k = 0; k < 3; k++)
      for (unsigned i = 0; i < PAGES; i++)
        if (bp_dirty_clear (BP_DIRTY_DISPLAY, base + FIRST + (i << 12), 4096))
          memcpy (copy + (i << 12), t->board.ram + FIRST + (i << 12), 4096);
    if (round & 1)
      g_usleep (50);
    toy_stop (t);
    for (unsigned i = 0; i < PAGES; i++)
      if (!bp_dirty_test (BP_DIRTY_DISPLAY, base + FIRST + (i << 12))) {
        n_clean++;
        if (memcmp (copy + (i << 12), t->board.ram + FIRST + (i << 12), 4096))
          ck_abort_msg ("round %u: page %u changed and is not dirty", round, i);
      }
    s = t->cpu->s;
  }
  /* Untouched pages stay clean. */
  for (unsigned k = 0; k < 3; k++) {
    bp_dirty_clear (BP_DIRTY_DISPLAY, base, TOY_RAM_SIZE);
    s = (ToyState) { .pc = stop.origin };
    toy_start (t, &s);
    toy_wait_stopped (t);
  }
  ck_assert (!bp_dirty_test (BP_DIRTY_DISPLAY, base + FIRST));
  bp_dirty_enable (BP_DIRTY_DISPLAY, false);
  g_free (copy);
  toy_free_machine (t);
}
END_TEST

/* --- physical memory ------------------------------------------------------------------------------------------ */

START_TEST (physical_memory)
{
  Toy *t = toy_new (&toy_ways[_i]);
  TcgVcpu *v = toy_vcpu (t);
  uint64_t base = bp_region_ram_address (t->ram_region);
  for (unsigned k = 0; k < 3; k++) {
    const PhysRange *p = phys_range (v, 0x3123);
    ck_assert (phys_host (p, 0x3123) == t->board.ram + 0x3123 && phys_ram_address (p, 0x3123) == base + 0x3123 && !p->readonly);
    p = phys_range (v, TOY_ROM + 8);
    ck_assert (phys_host (p, TOY_ROM + 8) == t->rom + 8 && p->readonly);
    p = phys_range (v, TOY_DEVICE);
    ck_assert (!phys_host (p, TOY_DEVICE) && phys_ram_address (p, TOY_DEVICE) == ~(uint64_t) 0);
    for (uint64_t hole = 0; hole < 20; hole++)  /* nothing there */
      ck_assert_ptr_null (phys_host (phys_range (v, 0x7fff0000 + (hole << 12)), 0x7fff0000 + (hole << 12)));
    ck_assert_ptr_eq (phys_host (phys_range (v, TOY_RAM_SIZE - 1), TOY_RAM_SIZE - 1), t->board.ram + TOY_RAM_SIZE - 1);
    ck_assert_ptr_null (phys_host (phys_range (v, TOY_RAM_SIZE), TOY_RAM_SIZE));
  }
  const BpTcgOps *ops = bp_tcg_ops (v);
  ops->store_physical (v, 0x3000, 0x1122334455667788, 8);
  ck_assert (ops->load_physical (v, 0x3002, 4) == 0x33445566 && ram_word (t, 0x3000) == 0x55667788);
  ck_assert (!ops->cmpxchg_physical (v, 0x3000, 1, 2, 4) && ops->cmpxchg_physical (v, 0x3000, 0x55667788, 7, 4));
  ck_assert_uint_eq (ram_word (t, 0x3000), 7);
  ck_assert (!ops->cmpxchg_physical (v, TOY_ROM, 1, 2, 4));
  toy_free_machine (t);
}
END_TEST

int
main (void)
{
  int ways = (int) toy_n_ways;
  Suite *suite = suite_create ("softmmu");
  TCase *tcase = tcase_create ("all");
  tcase_add_loop_test (tcase, grows, 0, ways);
  tcase_add_test (tcase, reload);
  tcase_add_test (tcase, tags);
  tcase_add_test (tcase, many_spaces);
  tcase_add_test (tcase, keys);
  tcase_add_loop_test (tcase, large_page, 0, ways);
  tcase_add_loop_test (tcase, wraps, 0, ways);
  tcase_add_loop_test (tcase, map_changed_by_guest, 0, ways);
  tcase_add_loop_test (tcase, map_changed_by_another, 0, ways);
  tcase_add_loop_test (tcase, no_write_is_lost, 0, ways);
  tcase_add_loop_test (tcase, physical_memory, 0, 2);
  tcase_set_timeout (tcase, 60);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}
