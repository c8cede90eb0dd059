/* instrument.c -- an accelerator of a test as instruments see it: blocks that the test makes up, and what instruments have asked for when they run. */
/* SPDX-License-Identifier: MIT */
#include "testing.h"
#include <backplane/test-instrument.h>
#include <string.h>

enum { N_VCPUS = 2, INSNS_MOST = 64, COUNTERS_MOST = 65536, SITES_MOST = 65536 };

/* --- what is there ------------------------------------------------------------------------------ */

typedef enum AskKind { ASK_COUNT, ASK_COUNT_MEMORY, ASK_STORE, ASK_CALL, ASK_CALL_MEMORY, ASK_RECORD } AskKind;

typedef struct Ask {            /* what an instrument wants of one instruction */
  AskKind kind;
  unsigned insn, which;
  BpCounter counter;
  uint64_t n;
  bool conditional;
  BpCondition condition;
  BpInsnCall *call;
  BpAccessCall *access_call;
  void *data;
  BpRecordKind record;
  BpFilter filter;
  uint32_t site;
} Ask;

typedef struct Attached {
  BpInstrument base;
  void *accel, *user;
  BpInstrumentOps ops;
  BpInstrumentControl control;
  bool running;
  uint64_t *counters[N_VCPUS];
  uint32_t n_counters;          /* words, of which the first is none; a BpCounter is a word's offset in bytes */
  GArray *filters;              /* of BpFilterDesc */
  GArray *spaces;               /* of uint64_t; empty: all */
} Attached;

typedef struct Access {
  unsigned insn, which;
  BpAccess access;
} Access;

struct BpTestCode {
  BpTest *test;
  unsigned n;
  BpInsn *insns[INSNS_MOST];
  GArray *accesses;             /* of Access */
  GHashTable *asked;            /* Attached * -> GArray of Ask */
};

typedef struct Block {          /* what BpInstrumentOps.block is given */
  BpInstrBlock base;
  BpTestCode *code;
  GArray *asks;
} Block;

struct TestingInstruments {
  GPtrArray *attached, *codes, *insns;
  BpSite *sites;
  uint32_t n_sites, n_insns;
};

static TestingInstruments *of (const Attached *a) { return testing_instruments (a->accel); }

/* --- attaching ------------------------------------------------------------------------------------ */

static BpInstrument *attach (void *accel, void *self, const BpInstrumentOps *ops, void *user, const BpInstrumentControl *control, GError **error);

static void
detach (BpInstrument *in)
{
  Attached *a = (Attached *) in;
  TestingInstruments *all = of (a);     /* NULL: the accelerator went first */
  if (all)
    g_ptr_array_remove (all->attached, a);
  for (guint i = 0; all && i < all->codes->len; i++)
    g_hash_table_remove (((BpTestCode *) all->codes->pdata[i])->asked, a);
  for (unsigned i = 0; i < N_VCPUS; i++)
    g_free (a->counters[i]);
  g_array_unref (a->filters);
  g_array_unref (a->spaces);
  g_free (a);
}

static void
set_running (BpInstrument *in, bool running)
{
  Attached *a = (Attached *) in;
  if (a->running == running)
    return;
  a->running = running;
  void (*tell) (void *, unsigned) = running ? (BP_TABLE_HAS (&a->ops, started) ? a->ops.started : NULL) : BP_TABLE_HAS (&a->ops, stopped) ? a->ops.stopped : NULL;
  for (unsigned i = 0; tell && i < N_VCPUS; i++)
    tell (a->user, i);
}

static bool is_running (BpInstrument *in, unsigned vcpu) { return ((Attached *) in)->running; }

static void
choose (BpInstrument *in, const uint64_t *spaces, size_t n)
{
  Attached *a = (Attached *) in;
  g_array_set_size (a->spaces, 0);
  if (n)
    g_array_append_vals (a->spaces, spaces, (guint) n);
}

static void flush (BpInstrument *in) { }
static unsigned n_vcpus (BpInstrument *in) { return N_VCPUS; }

/* --- blocks ----------------------------------------------------------------------------------------- */

static unsigned block_n_insns (const BpInstrBlock *b) { return ((const Block *) b)->code->n; }

static const BpInsn *
block_insn (const BpInstrBlock *b, unsigned insn)
{
  const Block *block = (const Block *) b;
  if (insn >= block->code->n)
    (bp_test_fail) ("the instrument asks for instruction %u of a block of %u", insn, block->code->n);
  return block->code->insns[insn];
}

static void
ask (BpInstrBlock *b, Ask a)
{
  const Block *block = (const Block *) b;
  if (a.insn != BP_EVERY_INSN) {
    block_insn (b, a.insn);
    g_array_append_val (block->asks, a);
    return;
  }
  for (a.insn = 0; a.insn < block->code->n; a.insn++)
    g_array_append_val (block->asks, a);
}

static void
check_counter (const BpInstrBlock *b, BpCounter counter)
{
  if (!counter || counter % 8 || counter / 8 >= ((const Attached *) b->instrument)->n_counters)
    (bp_test_fail) ("the instrument uses a counter that it has not made: %u", counter);
}

static void
block_count (BpInstrBlock *b, unsigned insn, BpCounter counter, uint64_t n)
{
  check_counter (b, counter);
  ask (b, (Ask) { .kind = ASK_COUNT, .insn = insn, .counter = counter, .n = n });
}

static void
block_count_memory (BpInstrBlock *b, unsigned insn, unsigned which, BpCounter counter, uint64_t n)
{
  check_counter (b, counter);
  ask (b, (Ask) { .kind = ASK_COUNT_MEMORY, .insn = insn, .which = which, .counter = counter, .n = n });
}

static void
block_store (BpInstrBlock *b, unsigned insn, BpCounter counter, uint64_t value)
{
  check_counter (b, counter);
  ask (b, (Ask) { .kind = ASK_STORE, .insn = insn, .counter = counter, .n = value });
}

static void
block_call (BpInstrBlock *b, unsigned insn, const BpCondition *condition, BpInsnCall *call, void *data, unsigned registers)
{
  if (condition)
    check_counter (b, condition->counter);
  ask (b, (Ask) { .kind = ASK_CALL, .insn = insn, .conditional = condition != NULL, .condition = condition ? *condition : (BpCondition) { 0 }, .call = call, .data = data });
}

static void
block_call_memory (BpInstrBlock *b, unsigned insn, unsigned which, BpAccessCall *call, void *data, unsigned registers)
{
  ask (b, (Ask) { .kind = ASK_CALL_MEMORY, .insn = insn, .which = which, .access_call = call, .data = data });
}

static void
record_one (BpInstrBlock *b, unsigned insn, BpRecordKind kind, BpFilter filter, uint32_t bytes, uint32_t user)
{
  const Block *block = (const Block *) b;
  TestingInstruments *all = of ((const Attached *) b->instrument);
  if (all->n_sites == SITES_MOST)
    (bp_test_fail) ("instruments have asked for %d records, and there is room for no more", SITES_MOST);
  all->sites[all->n_sites] = (BpSite) { .insn = block_insn (b, insn), .kind = (uint8_t) kind, .bytes = (uint16_t) bytes, .user = user, .n_insns = block->code->n };
  ask (b, (Ask) { .kind = ASK_RECORD, .insn = insn, .record = kind, .filter = filter, .site = all->n_sites++ });
}

static void
block_record (BpInstrBlock *b, unsigned insn, BpRecordKind kind, BpFilter filter, uint32_t line_bytes, uint32_t user)
{
  const BpTestCode *c = ((const Block *) b)->code;
  uint64_t line = UINT64_MAX;
  if (kind == BP_RECORD_FETCH && (!line_bytes || line_bytes & (line_bytes - 1)))
    (bp_test_fail) ("the instrument asks for fetches of lines of %u bytes, which is no power of two", line_bytes);
  for (unsigned i = insn == BP_EVERY_INSN ? 0 : insn; i < c->n && (insn == BP_EVERY_INSN || i == insn); i++) {
    uint64_t here = kind == BP_RECORD_FETCH ? c->insns[i]->address / line_bytes : 0;
    if (kind == BP_RECORD_FETCH && here == line)
      continue;
    line = here;
    record_one (b, i, kind, filter, kind == BP_RECORD_FETCH ? line_bytes : kind == BP_RECORD_BLOCK ? c->n * c->insns[0]->size : c->insns[i]->size, user);
  }
}

/* --- counters and filters ------------------------------------------------------------------------------ */

static uint64_t *word_of (const Attached *a, unsigned vcpu, BpCounter counter) { return &a->counters[vcpu][counter / 8]; }

static BpCounter
scoreboard_new (BpInstrument *in, size_t bytes)
{
  Attached *a = (Attached *) in;
  uint32_t first = a->n_counters, words = (uint32_t) ((bytes + 7) / 8);
  if (bytes > COUNTERS_MOST * 8 || words > COUNTERS_MOST - first)
    (bp_test_fail) ("the instrument makes more than %d counters", COUNTERS_MOST);
  a->n_counters += words;
  return 8 * first;
}

static BpCounter counter_new (BpInstrument *in, unsigned flags) { return scoreboard_new (in, 8); }

static void *
counter_at (BpInstrument *in, BpCounter counter, unsigned vcpu)
{
  const Attached *a = (const Attached *) in;
  return counter && counter / 8 < a->n_counters && vcpu < N_VCPUS ? word_of (a, vcpu, counter) : NULL;
}

static uint64_t
counter_get (BpInstrument *in, BpCounter counter, unsigned vcpu)
{
  const uint64_t *at = counter_at (in, counter, vcpu);
  return at ? *at : 0;
}

static BpFilter
filter_new (BpInstrument *in, const BpFilterDesc *desc, GError **error)
{
  Attached *a = (Attached *) in;
  BpFilterDesc copy = { 0 };
  memcpy (&copy, desc, MIN (desc->struct_size, sizeof copy));
  g_array_append_val (a->filters, copy);
  return a->filters->len;
}

static void filter_clear (BpInstrument *in, BpFilter filter, unsigned vcpu) { }

static bool
is_outside (const Attached *a, BpFilter filter, uint64_t address)
{
  if (!filter || filter > a->filters->len)
    return false;
  const BpFilterDesc *f = &g_array_index (a->filters, BpFilterDesc, filter - 1);
  return (f->first || f->last) && (address < f->first || address > f->last);
}

/* --- the guest: there is little of it ------------------------------------------------------------------- */

static const BpSite *sites (BpInstrument *in) { return of ((Attached *) in)->sites; }

static unsigned
disassemble (BpInstrument *in, const BpInsn *insn, char *out, size_t size)
{
  g_snprintf (out, size, "insn 0x%" G_GINT64_MODIFIER "x", insn->address);
  return insn->size;
}

static bool no_registers (BpInstrument *in, const BpInsn *insn, BpInsnRegisters *out) { return false; }
static bool no_symbol (BpInstrument *in, const BpInsn *insn, BpSymbol *out) { return false; }
static unsigned no_register (BpInstrument *in, unsigned vcpu, const char *name, void *out, size_t size) { return 0; }
static bool no_register_write (BpInstrument *in, unsigned vcpu, const char *name, const void *value, size_t size) { return false; }
static bool no_memory (BpInstrument *in, unsigned vcpu, uint64_t address, void *out, size_t size) { return false; }
static bool no_memory_write (BpInstrument *in, unsigned vcpu, uint64_t address, const void *data, size_t size) { return false; }
static BpAddressSpace *memory_of (BpInstrument *in) { return bp_machine_address_space (bp_object_machine (((Attached *) in)->accel), "memory"); }
static bool read_physical (BpInstrument *in, uint64_t at, void *out, size_t size) { return bp_as_read (memory_of (in), at, out, size); }
static bool write_physical (BpInstrument *in, uint64_t at, const void *data, size_t size) { return bp_as_write (memory_of (in), at, data, size); }
static uint64_t space (BpInstrument *in, unsigned vcpu) { return 0; }

static bool
translate (BpInstrument *in, unsigned vcpu, uint64_t address, uint64_t *physical)
{
  *physical = address;
  return true;
}

const BpInstrumentHost testing_instrument_host = {
  .struct_size = sizeof testing_instrument_host, .attach = attach, .detach = detach, .set_running = set_running, .is_running = is_running, .select = choose,
  .flush = flush, .n_vcpus = n_vcpus, .block_n_insns = block_n_insns, .block_insn = block_insn, .block_count = block_count,
  .block_count_memory = block_count_memory, .block_call = block_call, .block_call_memory = block_call_memory, .block_record = block_record,
  .block_store_immediate = block_store, .counter_new = counter_new, .scoreboard_new = scoreboard_new, .counter_at = counter_at, .counter_get = counter_get,
  .filter_new = filter_new, .filter_clear = filter_clear, .sites = sites, .disassemble = disassemble, .registers = no_registers, .symbol = no_symbol,
  .read_register = no_register, .write_register = no_register_write, .read_memory = no_memory, .write_memory = no_memory_write,
  .read_physical = read_physical, .write_physical = write_physical, .translate = translate, .space = space
};

static BpInstrument *
attach (void *accel, void *self, const BpInstrumentOps *ops, void *user, const BpInstrumentControl *control, GError **error)
{
  Attached *a = g_new0 (Attached, 1);
  a->base.host = &testing_instrument_host;
  a->accel = accel;
  a->user = user;
  memcpy (&a->ops, ops, MIN (ops->struct_size, sizeof a->ops));
  memcpy (&a->control, control, MIN (control->struct_size, sizeof a->control));
  a->running = control->start == BP_WHEN_NOW;
  a->n_counters = 1;
  for (unsigned i = 0; i < N_VCPUS; i++)
    a->counters[i] = g_new0 (uint64_t, COUNTERS_MOST);
  a->filters = g_array_new (FALSE, FALSE, sizeof (BpFilterDesc));
  a->spaces = g_array_new (FALSE, FALSE, sizeof (uint64_t));
  g_ptr_array_add (of (a)->attached, a);
  return &a->base;
}

/* --- running -------------------------------------------------------------------------------------------------- */

static bool
holds (const Attached *a, const BpCondition *c, unsigned vcpu)
{
  uint64_t value = *word_of (a, vcpu, c->counter);
  switch (c->compare) {
  case BP_IF_EQ: return value == c->value;
  case BP_IF_NE: return value != c->value;
  case BP_IF_LT: return value < c->value;
  case BP_IF_LE: return value <= c->value;
  case BP_IF_GT: return value > c->value;
  default: return value >= c->value;
  }
}

static void
record (const Attached *a, const Ask *k, unsigned vcpu, uint64_t address, const BpAccess *access)
{
  BpWideRecord wide = { .address = address, .site = k->site, .bytes = access ? access->bytes : 0, .physical = address, .value = access ? access->value : 0 };
  BpRecord narrow = { .address = address, .site = k->site, .bytes = wide.bytes };
  BpBatch batch = { .struct_size = sizeof batch, .vcpu = vcpu, .records = a->ops.flags & BP_INSTRUMENT_WIDE ? (const void *) &wide : &narrow, .n = 1 };
  if (BP_TABLE_HAS (&a->ops, records))
    a->ops.records (a->user, &batch);
}

/* What comes before the instruction. */
static void
begin_insn (const Attached *a, const Ask *k, unsigned vcpu, const BpInsn *insn)
{
  switch (k->kind) {
  case ASK_COUNT: *word_of (a, vcpu, k->counter) += k->n; break;
  case ASK_STORE: *word_of (a, vcpu, k->counter) = k->n; break;
  case ASK_CALL:
    if (!k->conditional || holds (a, &k->condition, vcpu))
      k->call (a->user, vcpu, insn, k->data);
    break;
  case ASK_RECORD:
    if (k->record == BP_RECORD_FETCH) {
      uint64_t line = insn->address & ~(uint64_t) (of (a)->sites[k->site].bytes - 1u);
      if (!is_outside (a, k->filter, line))
        record (a, k, vcpu, line, NULL);
    } else if (k->record == BP_RECORD_INSN || k->record == BP_RECORD_BLOCK) {
      record (a, k, vcpu, insn->address, NULL);
    }
    break;
  default: break;
  }
}

/* What comes after an access. */
static void
after_access (const Attached *a, const Ask *k, unsigned vcpu, const BpInsn *insn, const Access *x)
{
  if (k->kind == ASK_COUNT_MEMORY && k->which & x->which)
    *word_of (a, vcpu, k->counter) += k->n;
  else if (k->kind == ASK_CALL_MEMORY && k->which & x->which)
    k->access_call (a->user, vcpu, insn, &x->access, k->data);
  else if (k->kind == ASK_RECORD && k->record == (x->access.is_store ? BP_RECORD_STORE : BP_RECORD_LOAD) && !is_outside (a, k->filter, x->access.address))
    record (a, k, vcpu, x->access.address, &x->access);
}

static void
execute (const Attached *a, const BpTestCode *c, const GArray *asks, unsigned vcpu)
{
  for (unsigned i = 0; i < c->n; i++) {
    for (guint n = 0; n < asks->len; n++)
      if (g_array_index (asks, Ask, n).insn == i)
        begin_insn (a, &g_array_index (asks, Ask, n), vcpu, c->insns[i]);
    for (guint x = 0; x < c->accesses->len; x++)
      for (guint n = 0; g_array_index (c->accesses, Access, x).insn == i && n < asks->len; n++)
        if (g_array_index (asks, Ask, n).insn == i)
          after_access (a, &g_array_index (asks, Ask, n), vcpu, c->insns[i], &g_array_index (c->accesses, Access, x));
  }
}

static GArray *
asks_of (BpTestCode *c, Attached *a)
{
  GArray *asks = g_hash_table_lookup (c->asked, a);
  if (asks)
    return asks;
  asks = g_array_new (FALSE, FALSE, sizeof (Ask));
  Block block = { { &a->base }, c, asks };
  if (BP_TABLE_HAS (&a->ops, block))
    a->ops.block (a->user, &block.base);
  g_hash_table_insert (c->asked, a, asks);
  return asks;
}

/* --- addresses at which an instrument starts and stops, and markers -------------------------------------------- */

static void
pass_addresses (Attached *a, const BpTestCode *c)
{
  for (unsigned i = 0; i < c->n; i++) {
    uint64_t address = c->insns[i]->address;
    if (!a->running && a->control.start == BP_WHEN_ADDRESS && address == a->control.start_address)
      set_running (&a->base, true);
    else if (a->running && a->control.stop == BP_WHEN_ADDRESS && address == a->control.stop_address)
      set_running (&a->base, false);
  }
}

void
(bp_test_marker) (BpTest *t, unsigned vcpu, uint64_t number)
{
  TestingInstruments *all = testing_instruments (testing_accel (t));
  for (guint i = 0; i < all->attached->len; i++) {
    Attached *a = all->attached->pdata[i];
    if (number == BP_MARKER_START && a->control.start == BP_WHEN_MARKER)
      set_running (&a->base, true);
    if (number == BP_MARKER_STOP && a->control.stop == BP_WHEN_MARKER)
      set_running (&a->base, false);
    if (BP_TABLE_HAS (&a->ops, marker))
      a->ops.marker (a->user, vcpu, number);
  }
}

/* --- code ------------------------------------------------------------------------------------------------------------ */

static void
code_free (void *data)
{
  BpTestCode *c = data;
  g_array_unref (c->accesses);
  g_hash_table_unref (c->asked);
  g_free (c);
}

TestingInstruments *
testing_instruments_new (void)
{
  TestingInstruments *all = g_new0 (TestingInstruments, 1);
  all->attached = g_ptr_array_new ();
  all->codes = g_ptr_array_new_with_free_func (code_free);
  all->insns = g_ptr_array_new_with_free_func (g_free);
  all->sites = g_new0 (BpSite, SITES_MOST);
  return all;
}

void
testing_instruments_free (TestingInstruments *all)
{
  if (!all)
    return;
  g_ptr_array_unref (all->attached);
  g_ptr_array_unref (all->codes);
  g_ptr_array_unref (all->insns);
  g_free (all->sites);
  g_free (all);
}

BpTestCode *
(bp_test_code_new) (BpTest *t, uint64_t address, unsigned n_insns, unsigned insn_size)
{
  TestingInstruments *all = testing_instruments (testing_accel (t));
  if (!n_insns || n_insns > INSNS_MOST || !insn_size || insn_size > 15)
    (bp_test_fail) ("a block has 1 to %d instructions of 1 to 15 bytes", INSNS_MOST);
  BpTestCode *c = g_new0 (BpTestCode, 1);
  c->test = t;
  c->n = n_insns;
  c->accesses = g_array_new (FALSE, FALSE, sizeof (Access));
  c->asked = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) g_array_unref);
  for (unsigned i = 0; i < n_insns; i++) {
    uint64_t at = address + i * insn_size;
    c->insns[i] = g_new0 (BpInsn, 1);
    *c->insns[i] = (BpInsn) { .address = at, .physical = at, .id = all->n_insns++, .size = (uint8_t) insn_size, .target = UINT64_MAX };
    g_ptr_array_add (all->insns, c->insns[i]);
  }
  g_ptr_array_add (all->codes, c);
  return c;
}

static BpInsn *
insn_of (const BpTestCode *c, unsigned insn)
{
  if (insn >= c->n)
    (bp_test_fail) ("the block has %u instructions, and no number %u", c->n, insn);
  return c->insns[insn];
}

void
(bp_test_code_access) (BpTestCode *c, unsigned insn, unsigned which, uint64_t address, unsigned bytes, uint64_t value)
{
  BpInsn *i = insn_of (c, insn);
  if (which != BP_LOADS && which != BP_STORES)
    (bp_test_fail) ("an access is one of BP_LOADS and BP_STORES");
  Access x = { insn, which, { .struct_size = sizeof (BpAccess), .bytes = bytes, .address = address, .physical = address, .value = value, .is_store = which == BP_STORES } };
  i->flags |= which == BP_STORES ? BP_INSN_STORES : BP_INSN_LOADS;
  g_array_append_val (c->accesses, x);
}

void
(bp_test_code_is) (BpTestCode *c, unsigned insn, BpInsnClass insn_class, unsigned flags)
{
  BpInsn *i = insn_of (c, insn);
  i->insn_class = (uint8_t) insn_class;
  i->flags |= (uint16_t) flags;
}

void
(bp_test_code_run) (BpTestCode *c, unsigned vcpu, unsigned times)
{
  TestingInstruments *all = testing_instruments (testing_accel (c->test));
  if (vcpu >= N_VCPUS)
    (bp_test_fail) ("there are vCPUs 0 and 1, and no number %u", vcpu);
  for (; times; times--)
    for (guint i = 0; i < all->attached->len; i++) {
      Attached *a = all->attached->pdata[i];
      pass_addresses (a, c);
      if (a->running && a->spaces->len == 0)
        execute (a, c, asks_of (c, a), vcpu);
    }
}

char *
(bp_test_report) (BpTest *t, const char *instrument)
{
  void *object = (bp_test_object) (t, instrument);
  char *text = bp_instrument_of (object) ? bp_instrument_report (object, BP_REPORT_FORM_TEXT) : NULL;
  if (!text)
    (bp_test_fail) ("`%s` is not attached as an instrument", instrument);
  return text;
}
