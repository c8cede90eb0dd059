/* test-instr.c -- what instruments count and record of random programs, against a plain interpreter that is stepped. */
/* SPDX-License-Identifier: MIT */
#include "toy-cpu.h"
#include <check.h>
#include <string.h>
#include "instr.h"
#include "../suite.h"

/* --- what should be told -------------------------------------------------------------------------- */

typedef struct Event {
  uint32_t kind, address, bytes, value;         /* kind: BpRecordKind */
  bool device, unlisted;        /* the value is not known here; by a helper, or one that the list does not have */
} Event;

typedef struct Wanted {
  GArray *events;               /* of Event: instructions and accesses, in order */
  uint64_t n_insns, n_loads, n_stores;
} Wanted;

static void
want (Wanted *w, BpRecordKind kind, uint32_t address, uint32_t bytes, uint32_t value, bool device)
{
  Event e = { kind, address, bytes, bytes < 4 ? value & ((1u << 8 * bytes) - 1) : value, device, false };
  w->n_insns += kind == BP_RECORD_INSN;
  w->n_loads += kind == BP_RECORD_LOAD;
  w->n_stores += kind == BP_RECORD_STORE;
  g_array_append_val (w->events, e);
}

static bool
read_code (const ToyState *s, const ToyBoard *board, uint32_t *word)
{
  uint8_t bytes[4];
  for (unsigned i = 0; i < 4; i++) {
    uint32_t entry, physical;
    if (!toy_walk (s, board->ram, s->base + s->pc + i, &entry, &physical) || physical >= TOY_RAM_SIZE)
      return false;
    bytes[i] = board->ram[physical];
  }
  memcpy (word, bytes, 4);
  return true;
}

static bool
is_device (const ToyState *s, const ToyBoard *board, uint32_t address)
{
  uint32_t entry, physical;
  return toy_walk (s, board->ram, address, &entry, &physical) && physical >= TOY_RAM_SIZE;
}

/* The accesses of the instruction between two states of the interpreter, when it did not fault. */
static void
want_accesses (Wanted *w, const ToyState *before, const ToyState *after, const ToyBoard *board, uint32_t word)
{
  ToyOp op = word & 0xff;
  unsigned a = word >> 8 & 15, b = word >> 12 & 15;
  uint32_t address = before->r[b & 7] + (uint32_t) (int16_t) (word >> 16), now = after->r[a & 7], was = before->r[a & 7];
  bool device = is_device (before, board, address);
  switch (op) {
  case TOY_LD32: want (w, BP_RECORD_LOAD, address, 4, now, device); break;
  case TOY_LD16: want (w, BP_RECORD_LOAD, address, 2, now, device); break;
  case TOY_LD8: want (w, BP_RECORD_LOAD, address, 1, now, device); break;
  case TOY_ST32: want (w, BP_RECORD_STORE, address, 4, was, device); break;
  case TOY_ST16: want (w, BP_RECORD_STORE, address, 2, was, device); break;
  case TOY_ST8: want (w, BP_RECORD_STORE, address, 1, was, device); break;
  case TOY_FETCH_ADD:
  case TOY_SWAP:
  case TOY_CAS:
    want (w, BP_RECORD_LOAD, address, 4, now, device);
    want (w, BP_RECORD_STORE, address, 4, was, device);
    break;
  default: break;
  }
}

static Wanted *
step_program (ToyState *s, ToyBoard *board)
{
  Wanted *w = g_new0 (Wanted, 1);
  w->events = g_array_new (false, false, sizeof (Event));
  while (s->halted == TOY_RUNS) {
    ToyState before = *s;
    uint32_t word;
    bool there = read_code (s, board, &word);
    toy_reference (s, board, 1);
    if (!there || s->n_faults != before.n_faults)
      continue;
    want (w, BP_RECORD_INSN, before.base + before.pc, 4, 0, false);
    want_accesses (w, &before, s, board, word);
  }
  return w;
}

static void
wanted_free (Wanted *w)
{
  g_array_unref (w->events);
  g_free (w);
}

/* --- an instrument -------------------------------------------------------------------------------------- */

typedef struct Mine {
  Toy *toy;
  BpInstrument *in;
  BpCounter lazy, live, loads, stores;
  BpFilter filter;
  bool records, calls;
  GArray *events;               /* of Event */
  uint64_t n_calls, n_accesses;
  unsigned n_blocks;
} Mine;

static uint64_t
mapped_at (const Toy *t, uint32_t address)
{
  uint32_t entry, physical;
  return toy_walk (&t->cpu->s, t->board.ram, address, &entry, &physical) ? physical : UINT64_MAX;
}

static void
on_call (void *user, unsigned vcpu, const BpInsn *insn, void *data)
{
  Mine *m = user;
  ck_assert_ptr_eq (data, m);
  ck_assert_uint_eq (insn->size, 4);
  m->n_calls++;
}

static void
on_access (void *user, unsigned vcpu, const BpInsn *insn, const BpAccess *access, void *data)
{
  Mine *m = user;
  ck_assert_uint_eq (access->physical, mapped_at (m->toy, (uint32_t) access->address));
  m->n_accesses++;
}

static void
on_block (void *user, BpInstrBlock *block)
{
  Mine *m = user;
  unsigned n = bp_block_n_insns (block);
  m->n_blocks++;
  ck_assert_uint_gt (n, 0);
  for (unsigned i = 1; i < n; i++)
    ck_assert_uint_eq (bp_block_insn (block, i)->address, bp_block_insn (block, i - 1)->address + bp_block_insn (block, i - 1)->size);
  bp_block_count (block, BP_EVERY_INSN, m->lazy, 1);
  bp_block_count (block, BP_EVERY_INSN, m->live, 1);
  bp_block_count_memory (block, BP_EVERY_INSN, BP_LOADS, m->loads, 1);
  bp_block_count_memory (block, BP_EVERY_INSN, BP_STORES, m->stores, 1);
  if (m->records)
    bp_block_record_insn (block, BP_EVERY_INSN, 7);
  if (m->records || m->filter)
    bp_block_record_memory (block, BP_EVERY_INSN, BP_LOADS | BP_STORES, m->filter, 8);
  if (m->calls) {
    bp_block_call (block, BP_EVERY_INSN, NULL, on_call, m, BP_CALL_NO_REGISTERS);
    bp_block_call_memory (block, BP_EVERY_INSN, BP_LOADS | BP_STORES, on_access, m, BP_CALL_NO_REGISTERS);
  }
}

static void
on_records (void *user, const BpBatch *batch)
{
  Mine *m = user;
  const BpSite *sites = bp_sites (m->in);
  const BpWideRecord *r = batch->records;
  ck_assert_uint_eq (batch->vcpu, 0);
  ck_assert_uint_eq (batch->lost, 0);
  for (size_t i = 0; i < batch->n; i++) {
    const BpSite *site = &sites[r[i].site];
    ck_assert_uint_eq (site->user, site->kind == BP_RECORD_INSN ? 7 : 8);
    ToyOp op = site->insn->bytes[0];
    bool unlisted = site->kind != BP_RECORD_INSN && (site->flags & BP_SITE_HELPER || op == TOY_POKE || op == TOY_MAP || op == TOY_COPY);
    Event e = { site->kind, (uint32_t) r[i].address, r[i].bytes ? r[i].bytes : site->bytes, (uint32_t) r[i].value, false, unlisted };
    g_array_append_val (m->events, e);
  }
}

static unsigned n_vcpu_events[BP_VCPU_RESUME + 1];

static void on_vcpu (void *user, unsigned vcpu, BpVcpuEvent event) { n_vcpu_events[event]++; }

static BpInstrumentOps ops = { .struct_size = sizeof ops, .block = on_block, .records = on_records, .vcpu = on_vcpu };

static Mine *
mine_new (Toy *t, uint32_t flags)
{
  BpInstrumentControl control = { .struct_size = sizeof control, .start = BP_WHEN_NOW, .stop = BP_WHEN_NEVER, .patience_ms = 10000 };
  Mine *m = g_new0 (Mine, 1);
  ops.flags = BP_INSTRUMENT_WIDE | flags;
  m->toy = t;
  m->events = g_array_new (false, false, sizeof (Event));
  m->in = instr_host.attach (object_instance (t->accel_object), t->cpu, &ops, m, &control, NULL);
  ck_assert_ptr_nonnull (m->in);
  m->lazy = bp_counter_new (m->in, 0);
  m->live = bp_counter_new (m->in, BP_COUNTER_LIVE);
  m->loads = bp_counter_new (m->in, 0);
  m->stores = bp_counter_new (m->in, BP_COUNTER_LIVE);
  return m;
}

static void
mine_free (Mine *m)
{
  bp_instrument_detach (m->in);
  g_array_unref (m->events);
  g_free (m);
}

static void
run (Toy *t, const ToyProgram *p)
{
  ck_assert (bp_as_write (t->memory_space, 0, p->ram, TOY_RAM_SIZE));
  t->board.hash = t->board.counter = 0;
  toy_start (t, &p->start);
  toy_wait_stopped (t);
}

/* --- comparing ---------------------------------------------------------------------------------------------- */

static void
compare_events (const GArray *got, const GArray *expected, unsigned seed)
{
  unsigned k = 0;
  for (unsigned i = 0; i < got->len; i++) {
    const Event *g = &g_array_index (got, Event, i);
    if (g->unlisted)
      continue;
    while (k < expected->len && g_array_index (expected, Event, k).unlisted)
      k++;
    ck_assert_msg (k < expected->len, "seed %u: more is told than happens", seed);
    const Event *e = &g_array_index (expected, Event, k++);
    ck_assert_msg (g->kind == e->kind && g->address == e->address && g->bytes == e->bytes && (g->value == e->value || e->device || e->kind == BP_RECORD_INSN),
                   "seed %u, event %u: kind %u at %x, %u bytes, value %x; not kind %u at %x, %u bytes, value %x", seed, k - 1, g->kind, g->address, g->bytes,
                   g->value, e->kind, e->address, e->bytes, e->value);
  }
  while (k < expected->len && g_array_index (expected, Event, k).unlisted)
    k++;
  ck_assert_msg (k == expected->len, "seed %u: %u of %u events are told", seed, k, expected->len);
}

/* Pages that the TLB has and others; the toy's tlb_fill does not let itself be asked for data that nobody touches. */
static void
check_pages (const Toy *t)
{
  for (uint32_t address = 0x123; address < 2 * TOY_RAM_SIZE; address += 0x1000)
    ck_assert_uint_eq (instr_physical ((TcgVcpu *) t->cpu, address, BP_MMU_LOAD, 0), mapped_at (t, address));
}

static void
check_program (unsigned way, unsigned seed, uint32_t flags, bool records, bool calls)
{
  Toy *t = toy_new (&toy_ways[way]);
  ToyProgram *p = toy_program_new (seed);
  ToyState s = p->start;
  ToyBoard board = { .ram = g_memdup2 (p->ram, TOY_RAM_SIZE) };
  Wanted *w = step_program (&s, &board);
  Mine *m = mine_new (t, flags);
  m->records = records;
  m->calls = calls;
  run (t, p);
  g_autofree char *where = g_strdup_printf ("seed %u", seed);
  toy_compare (t, &s, &board, where);
  bp_instrument_flush (m->in);
  ck_assert_uint_eq (bp_counter_sum (m->in, m->live), w->n_insns);
  ck_assert_uint_eq (bp_counter_sum (m->in, m->lazy), w->n_insns);
  ck_assert_uint_ge (bp_counter_sum (m->in, m->loads), w->n_loads);
  ck_assert_uint_ge (bp_counter_sum (m->in, m->stores), w->n_stores);
  if (records)
    compare_events (m->events, w->events, seed);
  check_pages (t);
  if (calls) {
    ck_assert_uint_ge (m->n_calls, w->n_insns);
    ck_assert_uint_eq (m->n_accesses, bp_counter_sum (m->in, m->loads) + bp_counter_sum (m->in, m->stores));
  }
  mine_free (m);
  wanted_free (w);
  g_free (board.ram);
  toy_program_free (p);
  toy_free_machine (t);
}

START_TEST (counts)
{
  for (unsigned seed = 1; seed <= 10; seed++)
    check_program ((unsigned) _i, seed, 0, false, false);
}
END_TEST

START_TEST (every_record)
{
  for (unsigned seed = 1; seed <= 10; seed++)
    check_program ((unsigned) _i, seed, 0, true, false);
}
END_TEST

START_TEST (records_on_a_thread)
{
  for (unsigned seed = 11; seed <= 14; seed++)
    check_program ((unsigned) _i, seed, BP_INSTRUMENT_THREAD, true, false);
}
END_TEST

START_TEST (calls)
{
  for (unsigned seed = 15; seed <= 18; seed++)
    check_program ((unsigned) _i, seed, 0, false, true);
}
END_TEST

/* --- filters ----------------------------------------------------------------------------------------------------- */

typedef struct Line {
  uint64_t load, store;
} Line;

/* The rule of BpFilterDesc, applied to all accesses: which are left. */
static bool
passes (Line *table, const BpFilterDesc *d, const Event *e)
{
  uint64_t first = e->address / d->line_bytes, last = (e->address + (uint64_t) e->bytes - 1) / d->line_bytes;
  Line *l = &table[first % d->entries];
  bool is_store = e->kind == BP_RECORD_STORE;
  if (first == last && (is_store && d->stores_apart ? l->store : l->load) == first)
    return false;
  for (uint64_t n = first; n <= last; n++)
    table[n % d->entries] = (Line) { n, is_store ? n : UINT64_MAX };
  return true;
}

/* A program without paging, helpers and faults: loads and stores of a walk that goes back and forth. */
static void
make_walk (ToyProgram *p, unsigned seed)
{
  GRand *rand = g_rand_new_with_seed (seed);
  ToyCode c = { .origin = 0x1000 };
  toy_emit_const (&c, 6, 0x4000);
  toy_emit_const (&c, 7, 200);
  uint32_t again = toy_here (&c);
  for (unsigned i = 0; i < 100; i++) {
    static const ToyOp some[] = { TOY_LD32, TOY_LD16, TOY_LD8, TOY_ST32, TOY_ST16, TOY_ST8, TOY_FETCH_ADD };
    toy_emit (&c, some[g_rand_int_range (rand, 0, G_N_ELEMENTS (some))], 1, 6, g_rand_int_range (rand, 0, i % 3 ? 80 : 9000));
  }
  toy_emit (&c, TOY_ADDI, 6, 6, 12);
  toy_emit (&c, TOY_ADDI, 7, 7, -1);
  toy_emit_jump (&c, TOY_BNZ, 7, again);
  toy_emit (&c, TOY_STOP, 0, 0, 0);
  p->ram = g_malloc0 (TOY_RAM_SIZE);
  toy_put (p->ram, &c);
  p->start = (ToyState) { .pc = c.origin };
  g_rand_free (rand);
}

static void
check_filter (unsigned way, unsigned seed, const BpFilterDesc *d)
{
  Toy *t = toy_new (&toy_ways[way]);
  ToyProgram p = { 0 };
  make_walk (&p, seed);
  ToyState s = p.start;
  ToyBoard board = { .ram = g_memdup2 (p.ram, TOY_RAM_SIZE) };
  Wanted *w = step_program (&s, &board);
  Line *table = g_malloc (64 * sizeof *table);
  memset (table, 0xff, 64 * sizeof *table);
  GArray *left = g_array_new (false, false, sizeof (Event));
  for (unsigned i = 0; i < w->events->len; i++) {
    const Event *e = &g_array_index (w->events, Event, i);
    bool in_range = !d->last || (e->address >= d->first && e->address <= d->last);
    if (e->kind != BP_RECORD_INSN && in_range && (!d->entries || passes (table, d, e)))
      g_array_append_val (left, *e);
  }
  Mine *m = mine_new (t, 0);
  m->filter = bp_filter_new (m->in, d, NULL);
  ck_assert_uint_ne (m->filter, 0);
  run (t, &p);
  bp_instrument_flush (m->in);
  compare_events (m->events, left, seed);
  ck_assert_uint_lt (left->len, w->events->len);
  mine_free (m);
  g_array_unref (left);
  g_free (table);
  wanted_free (w);
  g_free (board.ram);
  g_free (p.ram);
  toy_free_machine (t);
}

START_TEST (filters_leave_out_what_they_say)
{
  static const BpFilterDesc some[] = {
    { .struct_size = sizeof (BpFilterDesc), .line_bytes = 64, .entries = 64 },
    { .struct_size = sizeof (BpFilterDesc), .line_bytes = 64, .entries = 64, .stores_apart = true },
    { .struct_size = sizeof (BpFilterDesc), .line_bytes = 16, .entries = 8, .stores_apart = true },
    { .struct_size = sizeof (BpFilterDesc), .line_bytes = 4096, .entries = 1 },
    { .struct_size = sizeof (BpFilterDesc), .line_bytes = 16, .entries = 1 },
    { .struct_size = sizeof (BpFilterDesc), .line_bytes = 16, .entries = 2, .stores_apart = true },
    { .struct_size = sizeof (BpFilterDesc), .first = 0x4100, .last = 0x4fff },
    { .struct_size = sizeof (BpFilterDesc), .line_bytes = 32, .entries = 16, .first = 0x4040, .last = UINT64_C (0x123456789) },
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (some); i++)
    check_filter ((unsigned) _i, i + 1, &some[i]);
}
END_TEST

START_TEST (filters_that_cannot_be)
{
  Toy *t = toy_new (&toy_ways[0]);
  Mine *m = mine_new (t, 0);
  static const BpFilterDesc bad[] = {
    { .struct_size = sizeof (BpFilterDesc), .line_bytes = 48, .entries = 8 },
    { .struct_size = sizeof (BpFilterDesc), .line_bytes = 8, .entries = 8 },
    { .struct_size = sizeof (BpFilterDesc), .line_bytes = 64, .entries = 128 },
    { .struct_size = sizeof (BpFilterDesc), .line_bytes = 4096, .entries = 2 },
    { .struct_size = sizeof (BpFilterDesc), .line_bytes = 64, .entries = 0 },
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (GError) error = NULL;
    ck_assert_uint_eq (bp_filter_new (m->in, &bad[i], &error), 0);
    ck_assert_ptr_nonnull (error);
  }
  mine_free (m);
  toy_free_machine (t);
}
END_TEST

/* --- starting, stopping, and many ----------------------------------------------------------------------------------- */

START_TEST (one_that_is_stopped_hears_nothing)
{
  Toy *t = toy_new (&toy_ways[_i]);
  ToyProgram *p = toy_program_new (3);
  Mine *m = mine_new (t, 0);
  bp_instrument_set_running (m->in, false);
  run (t, p);
  ck_assert_uint_eq (m->n_blocks, 0);
  ck_assert_uint_eq (bp_counter_sum (m->in, m->lazy), 0);
  bp_instrument_set_running (m->in, true);
  run (t, p);
  uint64_t once = bp_counter_sum (m->in, m->lazy);
  ck_assert_uint_gt (once, 0);
  ck_assert_uint_eq (bp_counter_sum (m->in, m->live), once);
  bp_instrument_set_running (m->in, false);
  run (t, p);
  ck_assert_uint_eq (bp_counter_sum (m->in, m->lazy), once);
  mine_free (m);
  toy_program_free (p);
  toy_free_machine (t);
}
END_TEST

/* A vCPU that has never run did not start, and does not stop. */
START_TEST (who_starts_stops)
{
  Toy *t = toy_new (&toy_ways[_i]);
  ToyProgram *p = toy_program_new (3);
  mine_free (mine_new (t, 0));
  ck_assert_uint_eq (n_vcpu_events[BP_VCPU_START], 0);
  ck_assert_uint_eq (n_vcpu_events[BP_VCPU_STOP], 0);
  Mine *m = mine_new (t, 0);
  run (t, p);
  ck_assert_uint_eq (n_vcpu_events[BP_VCPU_START], 1);
  ck_assert_uint_eq (n_vcpu_events[BP_VCPU_STOP], 0);
  mine_free (m);
  ck_assert_uint_eq (n_vcpu_events[BP_VCPU_STOP], 1);
  m = mine_new (t, 0);
  run (t, p);
  vcpus_join (&t->machine);     /* as a machine ends: before objects are unrealized */
  ck_assert_uint_eq (n_vcpu_events[BP_VCPU_STOP], 2);
  mine_free (m);
  ck_assert_uint_eq (n_vcpu_events[BP_VCPU_STOP], 2);
  toy_program_free (p);
  toy_free_machine (t);
}
END_TEST

typedef struct Asker {
  Mine *m;
  int ends;                     /* atomic */
} Asker;

static void *
keep_asking (void *user)
{
  const Asker *a = user;
  while (!g_atomic_int_get (&a->ends))
    bp_counter_get (a->m->in, a->m->lazy, 0);
  return NULL;
}

/* Any thread may ask, also at the moment at which a vCPU begins to run; ThreadSanitizer sees what is not in order. */
START_TEST (asked_while_it_begins)
{
  Toy *t = toy_new (&toy_ways[_i]);
  ToyProgram *p = toy_program_new (3);
  Asker a = { .m = mine_new (t, 0) };
  GThread *thread = g_thread_new ("asks", keep_asking, &a);
  for (unsigned i = 0; i < 20; i++) {
    run (t, p);
    ck_assert_uint_eq (bp_counter_sum (a.m->in, a.m->lazy), bp_counter_sum (a.m->in, a.m->live));
  }
  g_atomic_int_set (&a.ends, 1);
  g_thread_join (thread);
  mine_free (a.m);
  toy_program_free (p);
  toy_free_machine (t);
}
END_TEST

START_TEST (several_do_not_disturb_each_other)
{
  Toy *t = toy_new (&toy_ways[_i]);
  ToyProgram *p = toy_program_new (5);
  Mine *m[INSTR_MAX];
  for (unsigned i = 0; i < INSTR_MAX; i++) {
    m[i] = mine_new (t, 0);
    m[i]->records = i % 3 == 0;
  }
  BpInstrumentControl control = { .struct_size = sizeof control };
  g_autoptr (GError) error = NULL;
  ck_assert_ptr_null (instr_host.attach (object_instance (t->accel_object), t->cpu, &ops, NULL, &control, &error));
  ck_assert_ptr_nonnull (error);
  run (t, p);
  for (unsigned i = 0; i < INSTR_MAX; i++) {
    bp_instrument_flush (m[i]->in);
    ck_assert_uint_eq (bp_counter_sum (m[i]->in, m[i]->lazy), bp_counter_sum (m[0]->in, m[0]->live));
    if (m[i]->records)
      compare_events (m[i]->events, m[0]->events, 5);
  }
  for (unsigned i = 0; i < INSTR_MAX; i++)
    mine_free (m[i]);
  toy_program_free (p);
  toy_free_machine (t);
}
END_TEST

int
main (void)
{
  Suite *s = suite_create ("instr");
  TCase *c = tcase_create ("instr");
  int ways = (int) toy_n_ways;
  tcase_set_timeout (c, 60);
  tcase_add_loop_test (c, counts, 0, ways);
  tcase_add_loop_test (c, every_record, 0, ways);
  tcase_add_loop_test (c, records_on_a_thread, 0, ways);
  tcase_add_loop_test (c, calls, 0, ways);
  tcase_add_loop_test (c, filters_leave_out_what_they_say, 0, ways);
  tcase_add_test (c, filters_that_cannot_be);
  tcase_add_loop_test (c, one_that_is_stopped_hears_nothing, 0, ways);
  tcase_add_loop_test (c, who_starts_stops, 0, ways);
  tcase_add_loop_test (c, asked_while_it_begins, 0, ways);
  tcase_add_loop_test (c, several_do_not_disturb_each_other, 0, ways);
  suite_add_tcase (s, c);
  return suite_run (s);
}
