/* tcg-count.c -- exact totals: instructions, blocks, memory accesses, interrupts and exceptions, by vCPU, privilege and address space. */
/* SPDX-License-Identifier: MIT */
#include <backplane/plugin.h>
#include <backplane/tcg/instrument.h>
#include "common/instr-array.h"
#include "common/instr-names.h"
#include "common/instr-rows.h"
#include "common/instr-spaces.h"

/* What is counted for each address space of a vCPU. */
typedef struct SpaceCounts {
  uint64_t insns[INSTR_PRIVILEGES];
} SpaceCounts;

/* A vCPU's own, written on its thread. */
typedef struct Vcpu {
  uint64_t interrupts, exceptions, switches;
  InstrSpaces spaces;
  SpaceCounts *counts;          /* room, by the spaces' numbers */
  uint32_t room;
} Vcpu;

typedef struct Count {
  bool classes, memory, by_space;       /* properties */
  uint32_t top;
  BpInstrument *in;
  BpCounter insns[INSTR_PRIVILEGES], blocks, loads, stores;
  BpCounter by_class[BP_N_CLASSES];
  InstrArray codes;             /* int32_t by site: the instructions (below 0: not executed) and, in the low bits, the privilege; 0: not known yet */
  Vcpu *vcpus;
  unsigned n_vcpus;
} Count;

/* --- counting -------------------------------------------------------------------------------- */

static void
count_block (void *user, BpInstrBlock *block)
{
  Count *c = user;
  bp_block_count (block, BP_EVERY_INSN, c->insns[instr_privilege (bp_block_insn (block, 0))], 1);
  bp_block_count (block, 0, c->blocks, 1);
  if (c->memory) {
    bp_block_count_memory (block, BP_EVERY_INSN, BP_LOADS, c->loads, 1);
    bp_block_count_memory (block, BP_EVERY_INSN, BP_STORES, c->stores, 1);
  }
  if (c->by_space)
    bp_block_record_block (block, instr_privilege (bp_block_insn (block, 0)));
  for (unsigned i = 0, n = c->classes ? bp_block_n_insns (block) : 0; i < n; i++)
    bp_block_count (block, i, c->by_class[instr_class (bp_block_insn (block, i))], 1);
}

static void
count_jump (void *user, unsigned vcpu, const BpJump *jump)
{
  Vcpu *v = &((Count *) user)->vcpus[vcpu];
  if (jump->kind == BP_JUMP_INTERRUPT)
    v->interrupts++;
  else
    v->exceptions++;
}

/* --- by address space ------------------------------------------------------------------------- */

static SpaceCounts *
counts_of (Vcpu *v, uint64_t space)
{
  uint32_t at = instr_spaces_index (&v->spaces, space);
  if (at >= v->room) {
    uint32_t room = MAX (64, v->room * 2);
    v->counts = g_renew (SpaceCounts, v->counts, room);
    memset (v->counts + v->room, 0, (room - v->room) * sizeof *v->counts);
    v->room = room;
  }
  return &v->counts[at];
}

enum { PRIVILEGE_BITS = 2 };
G_STATIC_ASSERT (INSTR_PRIVILEGES == 1 << PRIVILEGE_BITS);

/* vCPUs may learn the same at one time. */
static int32_t
learn (int32_t *code, const BpSite *site)
{
  int32_t insns = site->kind == BP_RECORD_LEFT ? -(int32_t) site->n_insns : (int32_t) site->n_insns;
  int32_t learned = insns * INSTR_PRIVILEGES + (int32_t) site->user;
  __atomic_store_n (code, learned, __ATOMIC_RELAXED);
  return learned;
}

/* Blocks that were entered or left early: counters know nothing of spaces, and to read them at each switch would cost more. */
static void
count_records (void *user, const BpBatch *batch)
{
  Count *c = user;
  const BpSite *sites = bp_sites (c->in);
  int32_t *codes = c->codes.items;
  const BpRecord *r = batch->records;
  int64_t insns[INSTR_PRIVILEGES] = { 0 };
  for (size_t i = 0; i < batch->n; i++) {
    int32_t code = __atomic_load_n (&codes[r[i].site], __ATOMIC_RELAXED);
    if (G_UNLIKELY (!code))
      code = learn (&codes[r[i].site], &sites[r[i].site]);
    insns[code & (INSTR_PRIVILEGES - 1)] += code >> PRIVILEGE_BITS;
  }
  SpaceCounts *counts = counts_of (&c->vcpus[batch->vcpu], batch->space);
  for (unsigned p = 0; p < INSTR_PRIVILEGES; p++)
    counts->insns[p] += (uint64_t) insns[p];
}

static void
count_space (void *user, unsigned vcpu, uint64_t space)
{
  ((Count *) user)->vcpus[vcpu].switches++;
}

/* --- report ------------------------------------------------------------------------------------- */

static uint64_t
insns_of (Count *c, unsigned vcpu)
{
  uint64_t sum = 0;
  for (unsigned p = 0; p < INSTR_PRIVILEGES; p++)
    sum += bp_counter_get (c->in, c->insns[p], vcpu);
  return sum;
}

static uint64_t
report_totals (Count *c, BpReport *report)
{
  uint64_t insns = 0, interrupts = 0, exceptions = 0;
  for (unsigned i = 0; i < c->n_vcpus; i++) {
    insns += insns_of (c, i);
    interrupts += c->vcpus[i].interrupts;
    exceptions += c->vcpus[i].exceptions;
  }
  bp_report_count (report, "instructions", "Instructions", insns);
  for (unsigned p = 0; p < INSTR_PRIVILEGES; p++)
    bp_report_count (report, instr_privilege_key (p), instr_privilege_title (p), bp_counter_sum (c->in, c->insns[p]));
  bp_report_count (report, "blocks", "Blocks entered", bp_counter_sum (c->in, c->blocks));
  if (c->memory) {
    bp_report_count (report, "loads", "Loads", bp_counter_sum (c->in, c->loads));
    bp_report_count (report, "stores", "Stores", bp_counter_sum (c->in, c->stores));
  }
  bp_report_count (report, "interrupts", "Interrupts", interrupts);
  bp_report_count (report, "exceptions", "Exceptions", exceptions);
  return insns;
}

static void
report_vcpus (Count *c, BpReport *report)
{
  static const BpReportColumn columns[] = {
    { "vcpu", "vCPU", BP_REPORT_COUNT }, { "instructions", "Instructions", BP_REPORT_COUNT },
    { "privilege-0", "Privilege 0", BP_REPORT_COUNT }, { "privilege-1", "1", BP_REPORT_COUNT },
    { "privilege-2", "2", BP_REPORT_COUNT }, { "privilege-3", "3", BP_REPORT_COUNT },
    { "blocks", "Blocks", BP_REPORT_COUNT }, { "interrupts", "Interrupts", BP_REPORT_COUNT },
    { "exceptions", "Exceptions", BP_REPORT_COUNT }, { "loads", "Loads", BP_REPORT_COUNT }, { "stores", "Stores", BP_REPORT_COUNT },
  };
  BpReportTable *table = bp_report_table (report, "vcpus", "By vCPU", columns, G_N_ELEMENTS (columns) - (c->memory ? 0 : 2));
  for (unsigned i = 0; i < c->n_vcpus; i++) {
    bp_report_cell_u64 (table, i);
    bp_report_cell_u64 (table, insns_of (c, i));
    for (unsigned p = 0; p < INSTR_PRIVILEGES; p++)
      bp_report_cell_u64 (table, bp_counter_get (c->in, c->insns[p], i));
    bp_report_cell_u64 (table, bp_counter_get (c->in, c->blocks, i));
    bp_report_cell_u64 (table, c->vcpus[i].interrupts);
    bp_report_cell_u64 (table, c->vcpus[i].exceptions);
    if (c->memory) {
      bp_report_cell_u64 (table, bp_counter_get (c->in, c->loads, i));
      bp_report_cell_u64 (table, bp_counter_get (c->in, c->stores, i));
    }
  }
}

static void
report_classes (Count *c, BpReport *report, uint64_t insns)
{
  static const BpReportColumn columns[] = {
    { "class", "Class", BP_REPORT_TEXT }, { "instructions", "Instructions", BP_REPORT_COUNT }, { "share", "Share", BP_REPORT_SHARE },
  };
  BpReportTable *table = bp_report_table (report, "classes", "By class", columns, G_N_ELEMENTS (columns));
  for (unsigned i = 0; i < BP_N_CLASSES; i++) {
    uint64_t n = bp_counter_sum (c->in, c->by_class[i]);
    bp_report_cell_text (table, instr_class_key (i));
    bp_report_cell_u64 (table, n);
    bp_report_cell_share (table, n, insns);
  }
}

/* Row counts: 0 all instructions, 1 .. INSTR_PRIVILEGES by privilege. */
static void
report_spaces (Count *c, BpReport *report, uint64_t insns)
{
  const InstrColumn columns[] = {
    { "instructions", "Instructions", BP_REPORT_COUNT, .count = 0 },
    { "privilege-0", "Privilege 0", BP_REPORT_COUNT, .count = 1 },
    { "privilege-3", "Privilege 3", BP_REPORT_COUNT, .count = INSTR_PRIVILEGES },
    { "share", "Share", BP_REPORT_SHARE, .count = 0, .whole = INSTR_WHOLE_TOTAL, .total = insns },
  };
  InstrSpaces all;
  InstrRows rows;
  instr_spaces_init (&all);
  instr_rows_init (&rows, 1 + INSTR_PRIVILEGES);
  rows.kind = INSTR_BY_SPACE;
  uint64_t switches = 0;
  for (unsigned i = 0; i < c->n_vcpus; i++) {
    const Vcpu *v = &c->vcpus[i];
    switches += v->switches;
    for (uint32_t s = 0; s < v->spaces.n; s++) {
      uint32_t at = instr_spaces_index (&all, v->spaces.spaces[s]);
      InstrRow *row = at < rows.n ? &rows.rows[at] : instr_rows_add_address (&rows, v->spaces.spaces[s]);
      for (unsigned p = 0; p < INSTR_PRIVILEGES; p++) {
        row->counts[0] += v->counts[s].insns[p];
        row->counts[1 + p] += v->counts[s].insns[p];
      }
    }
  }
  bp_report_count (report, "address-spaces", "Address spaces", all.n);
  bp_report_count (report, "switches", "Switches of the address space", switches);
  instr_rows_top (&rows, 0, c->top);
  instr_rows_report (report, "spaces", "By address space", c->in, &rows, columns, G_N_ELEMENTS (columns));
  instr_rows_finish (&rows);
  instr_spaces_finish (&all);
}

static void
count_report (void *user, BpReport *report)
{
  Count *c = user;
  uint64_t insns = report_totals (c, report);
  report_vcpus (c, report);
  if (c->classes)
    report_classes (c, report, insns);
  if (c->by_space)
    report_spaces (c, report, insns);
}

/* --- life cycle ---------------------------------------------------------------------------------- */

static bool
count_realize (void *self, GError **error)
{
  static const BpInstrumentOps ops = { .struct_size = sizeof ops, .block = count_block, .jump = count_jump, .report = count_report };
  static const BpInstrumentOps with_spaces = { .struct_size = sizeof ops, .flags = BP_INSTRUMENT_LEFT, .block = count_block, .jump = count_jump, .report = count_report,
                                               .records = count_records, .space = count_space };
  Count *c = self;
  if (c->by_space && !instr_array_init (&c->codes, sizeof (int32_t), 0, error))
    return false;
  c->in = bp_instrument_attach (self, c->by_space ? &with_spaces : &ops, c, error);
  if (!c->in)
    return false;
  c->n_vcpus = bp_instrument_n_vcpus (c->in);
  c->vcpus = g_new0 (Vcpu, c->n_vcpus);
  for (unsigned p = 0; p < INSTR_PRIVILEGES; p++)
    c->insns[p] = bp_counter_new (c->in, 0);
  c->blocks = bp_counter_new (c->in, 0);
  if (c->memory) {
    c->loads = bp_counter_new (c->in, BP_COUNTER_LIVE);
    c->stores = bp_counter_new (c->in, BP_COUNTER_LIVE);
  }
  for (unsigned i = 0; c->classes && i < BP_N_CLASSES; i++)
    c->by_class[i] = bp_counter_new (c->in, 0);
  for (unsigned i = 0; c->by_space && i < c->n_vcpus; i++)
    instr_spaces_init (&c->vcpus[i].spaces);
  return true;
}

static void
count_unrealize (void *self)
{
  Count *c = self;
  bp_instrument_detach (c->in);
  for (unsigned i = 0; i < c->n_vcpus; i++) {
    instr_spaces_finish (&c->vcpus[i].spaces);
    g_free (c->vcpus[i].counts);
  }
  g_clear_pointer (&c->vcpus, g_free);
  instr_array_finish (&c->codes);
  c->n_vcpus = 0;
  c->in = NULL;
}

/* --- tables ---------------------------------------------------------------------------------------- */

static const BpProperty count_properties[] = {
  BP_PROP_BOOL ("classes", Count, classes, false, "Also counts by class of instruction."),
  BP_PROP_BOOL ("memory", Count, memory, false, "Also counts loads and stores; dearer than the rest."),
  BP_PROP_BOOL ("by-space", Count, by_space, false, "Also counts instructions by address space, which is by process."),
  BP_PROP_U32 ("top", Count, top, 20, "How many address spaces the report shows, 0: all."),
  BP_PROP_END
};

static const BpTypeDesc count_type = {
  BP_TYPE ("tcg-count", BP_KIND_INSTRUMENT, Count),
  .description = "Exact totals of what the guest executes",
  .properties = count_properties,
  .realize = count_realize,
  .unrealize = count_unrealize,
};

static const BpTypeDesc *const types[] = { &count_type, NULL };

BP_PLUGIN_DEFINE (.id = "tcg-count", .version = "1.0", .licence = "MIT", .description = "Exact totals of what the guest executes", .types = types);
