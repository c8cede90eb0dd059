/* test-instrument.c -- instruments in libbackplane-test: what they ask for happens, in order, when the test runs its code. */
/* SPDX-License-Identifier: MIT */
#include <backplane/test-instrument.h>
#include <string.h>

/* --- an instrument that asks for everything, and writes down what it is told ------------------ */

typedef struct Toy {
  bool wide;
  BpInstrument *in;
  BpCounter plain, live, board;
  BpFilter low;
  GString *told;
  unsigned blocks;
} Toy;

static void
on_insn (void *user, unsigned vcpu, const BpInsn *insn, void *data)
{
  g_string_append_printf (((Toy *) user)->told, "%s%u:%x ", (const char *) data, vcpu, (unsigned) insn->address);
}

static void
on_access (void *user, unsigned vcpu, const BpInsn *insn, const BpAccess *access, void *data)
{
  g_string_append_printf (((Toy *) user)->told, "%c%x=%x ", access->is_store ? 'S' : 'L', (unsigned) access->address, (unsigned) access->value);
}

static void
on_block (void *user, BpInstrBlock *block)
{
  Toy *toy = user;
  unsigned last = bp_block_n_insns (block) - 1;
  toy->blocks++;
  bp_block_count (block, BP_EVERY_INSN, toy->plain, 2);
  bp_block_count (block, 0, toy->live, 1);
  bp_block_count_memory (block, BP_EVERY_INSN, BP_LOADS | BP_STORES, toy->board + 8, 1);
  bp_block_call (block, last, &(BpCondition) { toy->live, BP_IF_GE, 2 }, on_insn, (void *) "call", BP_CALL_NO_REGISTERS);
  bp_block_call_memory (block, BP_EVERY_INSN, BP_STORES, on_access, NULL, BP_CALL_NO_REGISTERS);
  bp_block_record_memory (block, BP_EVERY_INSN, BP_LOADS, toy->low, 7);
  bp_block_record_block (block, 8);
  bp_block_record_fetch (block, 16, 0, 9);
}

static void
on_records (void *user, const BpBatch *batch)
{
  Toy *toy = user;
  const BpSite *sites = bp_sites (toy->in);
  const BpRecord *narrow = batch->records;
  const BpWideRecord *wide = batch->records;
  for (size_t i = 0; i < batch->n; i++) {
    uint64_t address = toy->wide ? wide[i].address : narrow[i].address;
    uint32_t site = toy->wide ? wide[i].site : narrow[i].site;
    g_string_append_printf (toy->told, "r%u@%x%s ", sites[site].user, (unsigned) address, toy->wide && wide[i].value ? "v" : "");
  }
}

static void on_started (void *user, unsigned vcpu) { g_string_append_printf (((Toy *) user)->told, "on%u ", vcpu); }
static void on_stopped (void *user, unsigned vcpu) { g_string_append_printf (((Toy *) user)->told, "off%u ", vcpu); }

static void
on_report (void *user, BpReport *report)
{
  Toy *toy = user;
  bp_report_count (report, "plain", "Plain", bp_counter_sum (toy->in, toy->plain));
  bp_report_count (report, "board", "Board", bp_counter_get (toy->in, toy->board + 8, 1));
}

static bool
realize (void *self, GError **error)
{
  static const BpInstrumentOps ops = { .struct_size = sizeof ops, .block = on_block, .records = on_records, .started = on_started, .stopped = on_stopped,
                                       .report = on_report };
  static const BpInstrumentOps wide_ops = { .struct_size = sizeof wide_ops, .flags = BP_INSTRUMENT_WIDE, .block = on_block, .records = on_records };
  Toy *toy = self;
  toy->told = g_string_new (NULL);
  toy->in = bp_instrument_attach (self, toy->wide ? &wide_ops : &ops, toy, error);
  if (!toy->in)
    return false;
  toy->plain = bp_counter_new (toy->in, 0);
  toy->live = bp_counter_new (toy->in, BP_COUNTER_LIVE);
  toy->board = bp_scoreboard_new (toy->in, 16);
  toy->low = bp_filter_new (toy->in, &(BpFilterDesc) { .struct_size = sizeof (BpFilterDesc), .first = 0, .last = 0x8fff }, error);
  return true;
}

static void
unrealize (void *self)
{
  Toy *toy = self;
  bp_instrument_detach (toy->in);
  if (toy->told)
    g_string_free (toy->told, TRUE);
  toy->in = NULL;
  toy->told = NULL;
}

static const BpProperty properties[] = { BP_PROP_BOOL ("wide", Toy, wide, false, "Wide records."), BP_PROP_END };
static const BpTypeDesc toy_type = {
  BP_TYPE ("toy", BP_KIND_INSTRUMENT, Toy), .description = "Writes down what it is told", .properties = properties, .realize = realize, .unrealize = unrealize
};
static const BpTypeDesc *const types[] = { &toy_type, NULL };
#define TOY "[instrument toy]\ntype = toy\n"

static BpTestCode *
code (BpTest *t)
{
  BpTestCode *c = bp_test_code_new (t, 0x1008, 3, 4);
  bp_test_code_access (c, 0, BP_LOADS, 0x8000, 4, 5);
  bp_test_code_access (c, 1, BP_LOADS, 0x9000, 4, 6);
  bp_test_code_access (c, 1, BP_STORES, 0x9004, 4, 7);
  return c;
}

/* --- tests ------------------------------------------------------------------------------------------ */

BP_TEST (what_was_asked_for_happens)
{
  BpTest *t = bp_test_new (types, TOY);
  const Toy *toy = bp_test_object (t, "toy");
  BpTestCode *c = code (t);
  bp_test_code_run (c, 0, 1);
  bp_test_expect_str (toy->told->str, "r8@1008 r9@1000 r7@8000 S9004=7 r9@1010 ");
  g_string_truncate (toy->told, 0);
  bp_test_code_run (c, 0, 1);
  bp_test_expect_has (toy->told->str, "call0:1010");
  bp_test_expect_eq (toy->blocks, 1);
  bp_test_code_run (c, 1, 5);
  bp_test_expect_eq (bp_counter_get (toy->in, toy->board + 8, 1), 15);
  bp_test_expect_eq (*(uint64_t *) bp_counter_at (toy->in, toy->live, 0), 2);
  char *text = bp_test_report (t, "toy");
  bp_test_expect_has (text, "Plain         42");
  bp_test_expect_has (text, "Board         15");
  g_free (text);
  bp_test_free (t);
}

BP_TEST (wide_records_have_values)
{
  BpTest *t = bp_test_new (types, TOY "wide = on\n");
  const Toy *toy = bp_test_object (t, "toy");
  bp_test_code_run (code (t), 0, 1);
  bp_test_expect_has (toy->told->str, "r7@8000v ");
  bp_test_free (t);
}

BP_TEST (it_starts_and_stops_where_it_is_told)
{
  BpTest *t = bp_test_new (types, TOY "start = marker\nstop = 0x100c\n");
  const Toy *toy = bp_test_object (t, "toy");
  BpTestCode *c = code (t);
  bp_test_code_run (c, 0, 1);
  bp_test_expect_str (toy->told->str, "");
  bp_test_marker (t, 0, BP_MARKER_START);
  bp_test_expect_str (toy->told->str, "on0 on1 ");
  bp_test_code_run (bp_test_code_new (t, 0x2000, 1, 1), 0, 1);
  bp_test_expect_eq (toy->blocks, 1);
  bp_test_code_run (c, 0, 1);
  bp_test_expect_has (toy->told->str, "off0 off1 ");
  bp_test_expect_eq (toy->blocks, 1);
  bp_test_free (t);
}

BP_TEST_MAIN ("instrument", &what_was_asked_for_happens, &wide_records_have_values, &it_starts_and_stops_where_it_is_told)
