/* @{name}.c -- an instrument that counts instructions and memory accesses, in all and in a range of addresses. */
/* SPDX-License-Identifier: @{licence} */
/* SPDX-FileCopyrightText: @{year} @{author} */
#include <backplane/plugin.h>
#include <backplane/tcg/instrument.h>

/* --- state ------------------------------------------------------------------- */

typedef struct @{CName} {
  uint64_t first, last;         /* properties */
  BpInstrument *in;
  BpCounter insns, inside, loads, stores;
} @{CName};

/* --- events: code is translated, a report is wanted ---------------------------- */

/* Asks for what shall happen when the block runs, and does nothing else.  Code that nobody asks about runs at full speed. */
static void
on_block (void *user, BpInstrBlock *block)
{
  @{CName} *c = user;
  bp_block_count (block, BP_EVERY_INSN, c->insns, 1);
  bp_block_count_memory (block, BP_EVERY_INSN, BP_LOADS, c->loads, 1);
  bp_block_count_memory (block, BP_EVERY_INSN, BP_STORES, c->stores, 1);
  for (unsigned i = 0; i < bp_block_n_insns (block); i++) {
    uint64_t address = bp_block_insn (block, i)->address;
    if (address >= c->first && address <= c->last)
      bp_block_count (block, i, c->inside, 1);
  }
}

static void
on_report (void *user, BpReport *report)
{
  @{CName} *c = user;
  bp_report_count (report, "instructions", "Instructions", bp_counter_sum (c->in, c->insns));
  bp_report_count (report, "inside", "In the range", bp_counter_sum (c->in, c->inside));
  bp_report_count (report, "loads", "Loads", bp_counter_sum (c->in, c->loads));
  bp_report_count (report, "stores", "Stores", bp_counter_sum (c->in, c->stores));
}

/* --- life cycle: configure, realize, unrealize ---------------------------------- */

static bool
@{c_name}_configure (void *self, GError **error)
{
  @{CName} *c = self;
  if (c->first <= c->last)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "first = 0x%" G_GINT64_MODIFIER "x is behind last = 0x%" G_GINT64_MODIFIER "x", c->first, c->last);
  return false;
}

static bool
@{c_name}_realize (void *self, GError **error)
{
  static const BpInstrumentOps ops = { .struct_size = sizeof ops, .block = on_block, .report = on_report };
  @{CName} *c = self;
  c->in = bp_instrument_attach (self, &ops, c, error);
  if (!c->in)
    return false;
  c->insns = bp_counter_new (c->in, 0);
  c->inside = bp_counter_new (c->in, 0);
  c->loads = bp_counter_new (c->in, 0);
  c->stores = bp_counter_new (c->in, 0);
  return true;
}

static void
@{c_name}_unrealize (void *self)
{
  @{CName} *c = self;
  bp_instrument_detach (c->in);
  c->in = NULL;
}

/* --- tables: properties, type ------------------------------------------------------ */

static const BpProperty properties[] = {
  BP_PROP_ ("first", BP_PROPERTY_U64, @{CName}, first, .max = UINT64_MAX, .help = "The first address of the range."),
  BP_PROP_ ("last", BP_PROPERTY_U64, @{CName}, last, .default_int = UINT64_MAX, .max = UINT64_MAX, .help = "Its last address; by default there is no end."),
  BP_PROP_END
};

static const BpTypeDesc @{c_name}_type = {
  BP_TYPE ("@{name}", BP_KIND_INSTRUMENT, @{CName}),
  .description = "Counts instructions and accesses",
  .properties = properties,
  .configure = @{c_name}_configure,
  .realize = @{c_name}_realize,
  .unrealize = @{c_name}_unrealize,
};

static const BpTypeDesc *const types[] = { &@{c_name}_type, NULL };

BP_PLUGIN_DEFINE (.id = "@{name}", .version = "1.0", .licence = "@{licence}", .description = "Counts what a guest executes", .types = types);
