/* hello-instrument.c -- a first instrument: how often functions of the guest are called, named by symbol. */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/symbols.h>
#include <backplane/plugin.h>
#include <backplane/tcg/instrument.h>

typedef struct Hello {
  char **functions;             /* property; the host owns it */
  BpInstrument *in;
  uint64_t address[64];
  BpCounter calls[64];
} Hello;

/* A block was translated: ask for a count where a function begins.  All other code runs at full speed. */
static void
on_block (void *self, BpInstrBlock *block)
{
  Hello *h = self;
  for (unsigned i = 0; i < bp_block_n_insns (block); i++)
    for (unsigned f = 0; h->functions[f]; f++)
      if (bp_block_insn (block, i)->address == h->address[f])
        bp_block_count (block, i, h->calls[f], 1);
}

static void
on_report (void *self, BpReport *report)
{
  Hello *h = self;
  for (unsigned f = 0; h->functions[f]; f++)
    bp_report_count (report, h->functions[f], NULL, bp_counter_sum (h->in, h->calls[f]));
}

static bool
realize (void *self, GError **error)
{
  static const BpInstrumentOps ops = { .struct_size = sizeof ops, .block = on_block, .report = on_report };
  Hello *h = self;
  h->in = bp_instrument_attach (self, &ops, h, error);
  for (unsigned f = 0; h->in && h->functions[f]; f++) {
    if (f == 64 || !bp_machine_symbol_address (bp_object_machine (self), h->functions[f], &h->address[f]))
      return g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "functions: nobody knows `%s`, or it is one too many", h->functions[f]), false;
    h->calls[f] = bp_counter_new (h->in, 0);
  }
  return h->in != NULL;
}

static void unrealize (void *self) { bp_instrument_detach (((Hello *) self)->in); }

static const BpProperty properties[] = {
  BP_PROP_LIST ("functions", Hello, functions, "main", "Names of functions, at most 64."),
  BP_PROP_END
};
static const BpTypeDesc type = { BP_TYPE ("hello-instrument", BP_KIND_INSTRUMENT, Hello), .description = "Counts calls of functions",
                                 .properties = properties, .realize = realize, .unrealize = unrealize };
static const BpTypeDesc *const types[] = { &type, NULL };
BP_PLUGIN_DEFINE (.id = "hello-instrument", .version = "1.0", .licence = "MIT", .description = "Counts calls of functions", .types = types);
