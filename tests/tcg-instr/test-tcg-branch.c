/* test-tcg-branch.c -- predictors against obvious ones, and outcomes of branches out of streams of records. */
/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include "tcg-instr/tcg-branch-core.h"
#include "test-instr.h"

/* --- a program's branches: some biased, some periodic, some that follow others, some by chance ------------------ */

typedef struct Step { uint64_t pc; bool taken; } Step;

static Step
next_step (void)
{
  static unsigned count[64], last[64];
  unsigned b = (unsigned) (random64 () % 64);
  bool taken;
  switch (b % 4) {
  case 0: taken = random64 () % 16 != 0; break;
  case 1: taken = count[b] % (b / 4 + 2) != 0; break;
  case 2: taken = last[(b + 62) % 64] ^ last[(b + 63) % 64]; break;
  default: taken = random64 () & 1; break;
  }
  count[b]++;
  last[b] = taken;
  return (Step) { 0xffffffff81000000 + b * 37, taken };
}

/* --- bimodal, gshare ------------------------------------------------------------------------------------------- */

START_TEST (test_bimodal)
{
  Bimodal b;
  int counter[64];
  for (unsigned i = 0; i < 64; i++)
    counter[i] = 1;
  bimodal_init (&b, 64);
  for (unsigned n = 0; n < 100000; n++) {
    Step s = next_step ();
    int *c = &counter[s.pc % 64];
    if (bimodal_step (&b, s.pc, s.taken) != (*c >= 2))
      ck_abort_msg ("step %u", n);
    *c = CLAMP (*c + (s.taken ? 1 : -1), 0, 3);
  }
  bimodal_finish (&b);
}
END_TEST

START_TEST (test_gshare)
{
  Gshare g;
  int counter[1024];
  bool history[10] = { false };         /* the latest first */
  for (unsigned i = 0; i < 1024; i++)
    counter[i] = 1;
  gshare_init (&g, 1024, 10);
  for (unsigned n = 0; n < 100000; n++) {
    Step s = next_step ();
    unsigned index = (unsigned) (s.pc % 1024);
    for (unsigned i = 0; i < 10; i++)
      index ^= (unsigned) history[i] << i;
    if (gshare_step (&g, s.pc, s.taken) != (counter[index] >= 2))
      ck_abort_msg ("step %u", n);
    counter[index] = CLAMP (counter[index] + (s.taken ? 1 : -1), 0, 3);
    memmove (history + 1, history, sizeof history - sizeof *history);
    history[0] = s.taken;
  }
  gshare_finish (&g);
}
END_TEST

/* --- TAGE ------------------------------------------------------------------------------------------------------ */

/* As the header says it, with nothing kept that can be computed again. */
typedef struct Naive {
  TageGeometry g;
  int *base;
  struct { int tag, counter, useful; } *table[TAGE_MAX_TABLES];
  bool history[TAGE_MAX_HISTORY];       /* the latest first */
  int use_alternative;
  uint32_t random;
  unsigned steps;
} Naive;

static void
naive_init (Naive *v, const TageGeometry *g)
{
  memset (v, 0, sizeof *v);
  v->g = *g;
  v->random = 1;
  v->base = g_new (int, g->base_entries);
  for (unsigned i = 0; i < g->base_entries; i++)
    v->base[i] = 1;
  for (unsigned i = 0; i < g->tables; i++)
    v->table[i] = g_malloc0 (g->entries * sizeof *v->table[i]);
}

static void
naive_finish (Naive *v)
{
  g_free (v->base);
  for (unsigned i = 0; i < v->g.tables; i++)
    g_free (v->table[i]);
}

static unsigned
naive_fold (const Naive *v, unsigned table, unsigned width)
{
  unsigned length = tage_history_length (&v->g, table), sum = 0;
  for (unsigned age = 0; age < length; age++)
    sum ^= (unsigned) v->history[age] << age % width;
  return sum;
}

static bool
naive_step (Naive *v, uint64_t pc, bool taken)
{
  unsigned n = v->g.tables, bits = (unsigned) __builtin_ctz (v->g.entries), index[TAGE_MAX_TABLES];
  int tag[TAGE_MAX_TABLES], provider = -1, alternative = -1;
  int *base = &v->base[pc % v->g.base_entries];
  for (unsigned i = 0; i < n; i++) {
    index[i] = (unsigned) ((pc ^ pc >> bits ^ naive_fold (v, i, bits)) % v->g.entries);
    tag[i] = (int) ((pc ^ naive_fold (v, i, v->g.tag_bits) ^ naive_fold (v, i, v->g.tag_bits - 1) << 1) % (1u << v->g.tag_bits));
    if (v->table[i][index[i]].tag == tag[i]) {
      alternative = provider;
      provider = (int) i;
    }
  }
  bool second = alternative < 0 ? *base >= 2 : v->table[alternative][index[alternative]].counter >= 0;
  bool first = provider < 0 ? second : v->table[provider][index[provider]].counter >= 0;
  bool is_new = false, predicted;
  if (provider >= 0) {
    int c = v->table[provider][index[provider]].counter;
    is_new = (c == 0 || c == -1) && v->table[provider][index[provider]].useful == 0;
  }
  predicted = is_new && v->use_alternative >= 0 ? second : first;
  if (is_new && first != second)
    v->use_alternative = CLAMP (v->use_alternative + (second == taken ? 1 : -1), -8, 7);
  if (provider < 0)
    *base = CLAMP (*base + (taken ? 1 : -1), 0, 3);
  else {
    int *counter = &v->table[provider][index[provider]].counter, *useful = &v->table[provider][index[provider]].useful;
    if (first != second && *useful == 0 && alternative < 0)
      *base = CLAMP (*base + (taken ? 1 : -1), 0, 3);
    else if (first != second && *useful == 0) {
      int *c = &v->table[alternative][index[alternative]].counter;
      *c = CLAMP (*c + (taken ? 1 : -1), -4, 3);
    }
    if (first != second)
      *useful = CLAMP (*useful + (first == taken ? 1 : -1), 0, 3);
    *counter = CLAMP (*counter + (taken ? 1 : -1), -4, 3);
  }
  if (predicted != taken && !(is_new && first == taken) && provider + 1 < (int) n) {
    unsigned from = (unsigned) provider + 1, at;
    if (from + 1 < n) {
      v->random ^= v->random << 13;
      v->random ^= v->random >> 17;
      v->random ^= v->random << 5;
      from += v->random & 1;
    }
    for (at = from; at < n && v->table[at][index[at]].useful > 0; at++)
      ;
    if (at < n) {
      v->table[at][index[at]].tag = tag[at];
      v->table[at][index[at]].counter = taken ? 0 : -1;
    } else {
      for (at = from; at < n; at++)
        v->table[at][index[at]].useful--;
    }
  }
  memmove (v->history + 1, v->history, sizeof v->history - sizeof *v->history);
  v->history[0] = taken;
  if (++v->steps % TAGE_AGING == 0)
    for (unsigned i = 0; i < n; i++)
      for (unsigned k = 0; k < v->g.entries; k++)
        v->table[i][k].useful /= 2;
  return predicted;
}

static void
compare_tage (const TageGeometry *g, unsigned steps)
{
  Tage t;
  Naive v;
  tage_init (&t, g);
  naive_init (&v, g);
  for (unsigned n = 0; n < steps; n++) {
    Step s = next_step ();
    if (tage_step (&t, s.pc, s.taken) != naive_step (&v, s.pc, s.taken))
      ck_abort_msg ("%u tables of %u entries, tags of %u bits: step %u", g->tables, g->entries, g->tag_bits, n);
  }
  tage_finish (&t);
  naive_finish (&v);
}

START_TEST (test_tage)
{
  static const TageGeometry geometries[] = {
    { 4096, 7, 1024, 11, 4, 128 }, { 64, 4, 16, 8, 3, 40 }, { 2, 1, 64, 4, 1, 1 }, { 256, 12, 128, 15, 2, 1024 }, { 1024, 3, 65536, 12, 8, 8 },
    { 512, 5, 512, 9, 9, 512 }
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (geometries); i++)
    compare_tage (&geometries[i], geometries[i].max_history > 500 ? 20000 : 100000);
  compare_tage (&geometries[1], TAGE_AGING + 50000);
}
END_TEST

START_TEST (test_tage_geometry)
{
  TageGeometry g = { 4096, 7, 1024, 11, 4, 128 };
  static const uint32_t lengths[] = { 4, 7, 13, 23, 40, 72, 128 };
  for (unsigned i = 0; i < 7; i++)
    ck_assert_uint_eq (tage_history_length (&g, i), lengths[i]);
  ck_assert_uint_eq (tage_bits (&g), 8192 + 7 * 1024 * 16);
}
END_TEST

/* What each is made for: a bias, a short pattern, a long one. */
START_TEST (test_predictors_learn)
{
  TageGeometry geometry = { 4096, 7, 1024, 11, 4, 128 };
  unsigned missed[3][3] = { { 0 } };
  for (unsigned kind = 0; kind < 3; kind++) {
    static const unsigned periods[] = { 1, 6, 60 };
    Bimodal b;
    Gshare g;
    Tage t;
    bimodal_init (&b, 4096);
    gshare_init (&g, 16384, 12);
    tage_init (&t, &geometry);
    for (unsigned n = 0; n < 20000; n++) {
      bool taken = periods[kind] == 1 || n % periods[kind] != 0;
      bool wrong[3] = { bimodal_step (&b, 0x400123, taken) != taken, gshare_step (&g, 0x400123, taken) != taken,
                        tage_step (&t, 0x400123, taken) != taken };
      for (unsigned p = 0; p < 3; p++)
        missed[p][kind] += n >= 10000 && wrong[p];
    }
    bimodal_finish (&b);
    gshare_finish (&g);
    tage_finish (&t);
  }
  for (unsigned p = 0; p < 3; p++)
    ck_assert_uint_eq (missed[p][0], 0);
  ck_assert_uint_gt (missed[0][1], 1600);       /* each sixth time */
  ck_assert_uint_eq (missed[1][1], 0);
  ck_assert_uint_gt (missed[1][2], 160);        /* a history of 12 does not tell */
  ck_assert_uint_lt (missed[2][1] + missed[2][2], 20);
}
END_TEST

/* --- targets ---------------------------------------------------------------------------------------------------- */

START_TEST (test_return_stack)
{
  ReturnStack r;
  GArray *all = g_array_new (FALSE, FALSE, sizeof (uint64_t));
  return_stack_init (&r, 5);
  for (unsigned n = 0; n < 10000; n++) {
    uint64_t address = random64 (), got = 0;
    if (random64 () & 1) {
      return_stack_call (&r, address);
      g_array_append_val (all, address);
      if (all->len > 5)
        g_array_remove_index (all, 0);
    } else {
      bool has = return_stack_return (&r, &got);
      ck_assert (has == (all->len > 0));
      if (has) {
        ck_assert_uint_eq (got, g_array_index (all, uint64_t, all->len - 1));
        g_array_remove_index (all, all->len - 1);
      }
    }
  }
  return_stack_finish (&r);
  g_array_free (all, TRUE);
}
END_TEST

START_TEST (test_last_target)
{
  LastTarget l;
  last_target_init (&l, 16);
  ck_assert (!last_target_step (&l, 0x1003, 0x2000));
  ck_assert (last_target_step (&l, 0x1003, 0x2000));
  ck_assert (!last_target_step (&l, 0x1003, 0x3000));
  ck_assert (!last_target_step (&l, 0x1013, 0x3000));   /* the same entry, another branch */
  ck_assert (!last_target_step (&l, 0x1003, 0x3000));
  ck_assert (last_target_step (&l, 0x1003, 0x3000));
  last_target_finish (&l);
}
END_TEST

/* --- outcomes ----------------------------------------------------------------------------------------------------- */

/* Sites by number: 0 .. 9 blocks, 10 an instruction that is no branch, and those of branches. */
enum { BLOCK = 0, BEHIND = 10, JNE, JNE_INNER, CALL, CALL_INDIRECT, RET, JMP_INDIRECT, N_SITES };
static BpInsn insns[N_SITES] = {
  [JNE] = { .address = 0x1010, .size = 2, .flags = BP_INSN_BRANCH | BP_INSN_CONDITIONAL, .insn_class = BP_CLASS_BRANCH, .target = 0x1000,
            .code_bits = 64, .privilege = 3 },
  [JNE_INNER] = { .address = 0x1004, .size = 2, .flags = BP_INSN_BRANCH | BP_INSN_CONDITIONAL, .insn_class = BP_CLASS_BRANCH, .target = 0x1008,
                  .code_bits = 64 },
  [CALL] = { .address = 0x2000, .size = 5, .flags = BP_INSN_BRANCH | BP_INSN_CALL, .insn_class = BP_CLASS_CALL, .target = 0x3000, .code_bits = 64 },
  [CALL_INDIRECT] = { .address = 0x2010, .size = 2, .flags = BP_INSN_BRANCH | BP_INSN_CALL | BP_INSN_INDIRECT, .insn_class = BP_CLASS_CALL,
                      .target = UINT64_MAX, .code_bits = 64 },
  [RET] = { .address = 0x3008, .size = 1, .flags = BP_INSN_BRANCH | BP_INSN_RETURN | BP_INSN_INDIRECT, .insn_class = BP_CLASS_RETURN,
            .target = UINT64_MAX, .code_bits = 64 },
  [JMP_INDIRECT] = { .address = 0xfffffffe, .size = 2, .flags = BP_INSN_BRANCH | BP_INSN_INDIRECT, .insn_class = BP_CLASS_JUMP,
                     .target = UINT64_MAX, .code_bits = 32 }
};
static BpSite sites[N_SITES];
static BranchCount counts[N_SITES];
static BranchCore core;
static BranchConfig config = {
  .uses = { true, true, true }, .bimodal_entries = 64, .gshare_entries = 64, .gshare_history = 4, .tage = { 64, 3, 64, 8, 4, 16 },
  .return_entries = 4, .indirect_entries = 16, .interval = 1000
};

static void
start (void)
{
  memset (counts, 0, sizeof counts);
  for (unsigned i = 0; i < N_SITES; i++)
    sites[i] = (BpSite) { &insns[i], i < BEHIND ? BP_RECORD_BLOCK : BP_RECORD_INSN, 0, 0, i > BEHIND ? i : 0, 0, i < BEHIND ? 5 : 0 };
  branch_core_init (&core, &config, counts);
}

static void
see (unsigned site, uint64_t address)
{
  BpRecord r = { address, site, 0 };
  branch_core_records (&core, &r, 1, sites);
}

static void
see_branch (unsigned site)
{
  see (site, insns[site].address);
}

static void
expect (unsigned branch, uint64_t executed, uint64_t taken, uint64_t unknown)
{
  ck_assert_uint_eq (counts[branch].executed, executed);
  ck_assert_uint_eq (counts[branch].taken, taken);
  ck_assert_uint_eq (core.unknown, unknown);
}

START_TEST (test_taken_or_not)
{
  start ();
  see (BLOCK, 0x1000);
  see_branch (JNE);
  expect (JNE, 0, 0, 0);
  see (BLOCK, 0x1000);
  expect (JNE, 1, 1, 0);
  see_branch (JNE);
  see (BLOCK, 0x1012);
  expect (JNE, 2, 1, 0);
  see (BLOCK, 0x1000);                  /* a jump of no interest between */
  expect (JNE, 2, 1, 0);
  ck_assert_uint_eq (core.insns, 20);
  ck_assert_uint_eq (core.total[3][BRANCH_CONDITIONAL].executed, 2);
  ck_assert_uint_eq (core.total[0][BRANCH_CONDITIONAL].executed, 0);
  ck_assert_uint_eq (core.total[3][BRANCH_CONDITIONAL].missed[PREDICTOR_BIMODAL], 2);   /* begins as not taken, then says taken */
  branch_core_finish (&core);
}
END_TEST

/* A hot path goes on behind a branch in the same block; or leaves it there. */
START_TEST (test_branch_within_a_block)
{
  start ();
  see (BLOCK, 0x1000);
  see_branch (JNE_INNER);
  see (BEHIND, 0x1008);
  expect (JNE_INNER, 1, 1, 0);
  see_branch (JNE);
  see (BLOCK, 0x1000);
  expect (JNE, 1, 1, 0);
  see_branch (JNE_INNER);
  see (BLOCK, 0x1006);
  expect (JNE_INNER, 2, 1, 0);
  insns[JNE_INNER].target = insns[JNE].address;         /* straight to another branch */
  see (BLOCK, 0x1000);
  see_branch (JNE_INNER);
  see_branch (JNE);
  expect (JNE_INNER, 3, 2, 0);
  insns[JNE_INNER].target = 0x1008;
  branch_core_finish (&core);
}
END_TEST

/* The stream goes on in a handler: that is no outcome, unless somebody says where the branch had gone. */
START_TEST (test_interrupted)
{
  start ();
  see (BLOCK, 0x1000);
  see_branch (JNE);
  see (BLOCK, 0xffff8000);
  expect (JNE, 0, 0, 1);
  see_branch (JNE);
  branch_core_jump (&core, 0x1012);     /* an interrupt before the next instruction, or its fault */
  see (BLOCK, 0xffff8000);
  expect (JNE, 1, 0, 1);
  branch_core_jump (&core, 0x1012);     /* another one, after no branch */
  expect (JNE, 1, 0, 1);
  see_branch (JNE);
  branch_core_jump (&core, 0x1000);
  see (BLOCK, 0x1000);                  /* back from it: said once only */
  expect (JNE, 2, 1, 1);
  see_branch (JNE);
  branch_core_break (&core);            /* lost records, another address space */
  see (BLOCK, 0x1000);
  expect (JNE, 2, 1, 2);
  see_branch (RET);
  branch_core_jump (&core, 0x7000);
  see (BLOCK, 0xffff8000);
  ck_assert_uint_eq (core.total[0][BRANCH_RETURN].executed, 1);
  branch_core_finish (&core);
}
END_TEST

START_TEST (test_calls_and_returns)
{
  start ();
  see_branch (CALL);
  see (BLOCK, 0x3000);
  see_branch (CALL_INDIRECT);
  see (BLOCK, 0x3000);
  see_branch (RET);
  see (BLOCK, 0x2012);                  /* behind the inner call */
  see_branch (RET);
  see (BLOCK, 0x2005);
  ck_assert_uint_eq (core.total[0][BRANCH_RETURN].missed[0], 0);
  see_branch (RET);
  see (BLOCK, 0x2005);                  /* nothing was called */
  ck_assert_uint_eq (core.total[0][BRANCH_RETURN].missed[0], 1);
  see_branch (CALL);
  see (BLOCK, 0x3000);
  see_branch (RET);
  branch_core_break (&core);            /* takes its address all the same */
  see_branch (CALL_INDIRECT);
  see (BLOCK, 0x3000);
  see_branch (RET);
  see (BLOCK, 0x2005);                  /* somewhere else */
  ck_assert_uint_eq (core.total[0][BRANCH_RETURN].missed[0], 2);
  ck_assert_uint_eq (counts[RET].executed, 4);
  ck_assert_uint_eq (counts[RET].missed[0], 2);
  ck_assert_uint_eq (core.calls, 4);
  ck_assert_uint_eq (counts[CALL].executed, 0);
  ck_assert_uint_eq (counts[CALL_INDIRECT].executed, 2);
  ck_assert_uint_eq (counts[CALL_INDIRECT].missed[0], 1);
  see_branch (JMP_INDIRECT);
  see (BLOCK, 0x0);                     /* behind its end, where addresses of 32 bits begin again */
  ck_assert_uint_eq (counts[JMP_INDIRECT].missed[0], 1);
  branch_core_finish (&core);
}
END_TEST

START_TEST (test_what_is_followed)
{
  BpInsn direct = { .flags = BP_INSN_BRANCH, .insn_class = BP_CLASS_JUMP };
  BpInsn into_the_kernel = { .flags = BP_INSN_BRANCH | BP_INSN_INDIRECT, .insn_class = BP_CLASS_SYSTEM_CALL };
  BpInsn trap = { .flags = BP_INSN_BRANCH | BP_INSN_CONDITIONAL | BP_INSN_INDIRECT, .insn_class = BP_CLASS_SYSTEM_CALL };
  BpInsn load = { .flags = BP_INSN_LOADS };
  for (unsigned i = JNE; i < N_SITES; i++)
    ck_assert (branch_is_followed (&insns[i]));
  ck_assert (!branch_is_followed (&direct) && !branch_is_followed (&into_the_kernel) && !branch_is_followed (&trap) && !branch_is_followed (&load));
}
END_TEST

/* The bins' sums are the totals. */
START_TEST (test_series)
{
  uint64_t sums[N_SERIES] = { 0 }, missed = 0;
  start ();
  for (unsigned n = 0; n < 1000000; n++) {
    see (BLOCK, 0x1000);
    see_branch (JNE);
    if (random64 () & 1)
      see (BLOCK, 0x1012);
  }
  branch_core_break (&core);
  branch_core_sample (&core);
  branch_core_sample (&core);           /* asking twice changes nothing */
  ck_assert_uint_le (core.series.used, SERIES_BINS);
  ck_assert_uint_gt (core.series.used, SERIES_BINS / 3);
  for (unsigned bin = 0; bin < core.series.used; bin++)
    for (unsigned i = 0; i < N_SERIES; i++)
      sums[i] += core.series.sums[bin * N_SERIES + i];
  ck_assert_uint_eq (sums[SERIES_INSNS], core.insns);
  ck_assert_uint_eq (sums[SERIES_CONDITIONAL] + core.unknown, 1000000);
  for (unsigned k = 0; k < N_PREDICTORS; k++) {
    ck_assert_uint_eq (sums[k], counts[JNE].missed[k]);
    missed += sums[k];
  }
  ck_assert_uint_gt (missed, 1000000);
  branch_core_finish (&core);
}
END_TEST

int
main (void)
{
  TCase *c = tcase_create ("tcg-branch");
  tcase_set_timeout (c, 120);
  tcase_add_test (c, test_bimodal);
  tcase_add_test (c, test_gshare);
  tcase_add_test (c, test_tage);
  tcase_add_test (c, test_tage_geometry);
  tcase_add_test (c, test_predictors_learn);
  tcase_add_test (c, test_return_stack);
  tcase_add_test (c, test_last_target);
  tcase_add_test (c, test_taken_or_not);
  tcase_add_test (c, test_branch_within_a_block);
  tcase_add_test (c, test_interrupted);
  tcase_add_test (c, test_calls_and_returns);
  tcase_add_test (c, test_what_is_followed);
  tcase_add_test (c, test_series);
  return run_tests ("tcg-branch", c);
}
