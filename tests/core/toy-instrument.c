/* toy-instrument.c -- an accelerator that can be instrumented, an instrument and symbols, for tests. */
/* SPDX-License-Identifier: MIT */
#include "toy-instrument.h"
#include "../types.h"
#include <backplane/iface/symbols.h>
#include <string.h>

BpInstrumentControl toy_control;

static void
note (const char *what, const void *self)
{
  if (!toy_events)
    toy_events = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (toy_events, g_strdup_printf ("%s %s", what, bp_object_id (self)));
}

static bool
any_realize (void *self, GError **error)
{
  note ("realize", self);
  return true;
}

static void
any_unrealize (void *self)
{
  note ("unrealize", self);
}

/* --- the accelerator ------------------------------------------------------------------------ */

typedef struct Accel {
  int unused;
} Accel;

typedef struct Attachment {
  BpInstrument base;
  void *self;
  bool running;
} Attachment;

static BpInstrument *host_attach (void *accel, void *self, const BpInstrumentOps *ops, void *user, const BpInstrumentControl *control, GError **error);

static void
host_detach (BpInstrument *instrument)
{
  note ("detach", ((Attachment *) instrument)->self);
  g_free (instrument);
}

static void
host_set_running (BpInstrument *instrument, bool running)
{
  ((Attachment *) instrument)->running = running;
}

static bool
host_is_running (BpInstrument *instrument, unsigned vcpu)
{
  return ((Attachment *) instrument)->running;
}

static void
host_flush (BpInstrument *instrument)
{
  note ("flush", ((Attachment *) instrument)->self);
}

static unsigned
host_n_vcpus (BpInstrument *instrument)
{
  return bp_object_machine (((Attachment *) instrument)->self)->vcpus->len;
}

static const BpInstrumentHost host = { .struct_size = sizeof host, .attach = host_attach, .detach = host_detach, .set_running = host_set_running,
                                       .is_running = host_is_running, .flush = host_flush, .n_vcpus = host_n_vcpus };

static BpInstrument *
host_attach (void *accel, void *self, const BpInstrumentOps *ops, void *user, const BpInstrumentControl *control, GError **error)
{
  Attachment *a = g_new0 (Attachment, 1);
  a->base.host = &host;
  a->self = self;
  a->running = control->start == BP_WHEN_NOW;
  toy_control = *control;
  note ("attach", self);
  return &a->base;
}

static void
accel_run (void *self, BpVcpu *vcpu)
{
  while (bp_vcpu_may_run (vcpu))
    bp_vcpu_wait (vcpu);
}

static void
accel_kick (void *self, BpVcpu *vcpu, GThread *thread, uint64_t pthread_id)
{
}

static const BpAccelIface accel_iface = { .struct_size = sizeof (BpAccelIface), .vcpu_run = accel_run, .vcpu_kick = accel_kick };
static const BpInterfaceDesc accel_interfaces[] = { { BP_ACCEL_ID, &accel_iface }, { BP_INSTRUMENT_HOST_ID, &host }, { NULL, NULL } };
static const BpTypeDesc accel_type = { BP_TYPE ("toy-tcg", BP_KIND_ACCEL, Accel), .description = "waits, and can be instrumented", .interfaces = accel_interfaces,
                                       .realize = any_realize, .unrealize = any_unrealize };

/* --- the instrument --------------------------------------------------------------------------- */

typedef struct Probe {
  BpInstrument *instrument;
  uint32_t size;
  bool silent, twice, early;
} Probe;

static void
probe_report (void *user, BpReport *report)
{
  Probe *p = user;
  note ("report", p);
  bp_report_count (report, "size", "Size", p->size);
  bp_report_share (report, "none", NULL, 0, 0);
}

static const BpInstrumentOps probe_ops = { .struct_size = sizeof probe_ops, .report = probe_report }, silent_ops = { .struct_size = sizeof silent_ops };

static bool
probe_configure (void *self, GError **error)
{
  Probe *p = self;
  return !p->early || bp_instrument_attach (self, &probe_ops, p, error);
}

static bool
probe_realize (void *self, GError **error)
{
  Probe *p = self;
  note ("realize", self);
  p->instrument = bp_instrument_attach (self, p->silent ? &silent_ops : &probe_ops, p, error);
  return p->instrument && (!p->twice || bp_instrument_attach (self, &probe_ops, p, error));
}

static void
probe_unrealize (void *self)
{
  Probe *p = self;
  note ("unrealize", self);
  bp_instrument_detach (p->instrument);
  p->instrument = NULL;
}

static const BpProperty probe_properties[] = { BP_PROP_U32 ("size", Probe, size, 7, "What it reports."), BP_PROP_BOOL ("silent", Probe, silent, false, "It reports nothing."),
                                               BP_PROP_BOOL ("twice", Probe, twice, false, "It attaches itself twice."),
                                               BP_PROP_BOOL ("early", Probe, early, false, "It attaches itself in configure."), BP_PROP_END };
static const BpTypeDesc probe_type = { BP_TYPE ("toy-probe", BP_KIND_INSTRUMENT, Probe), .description = "counts nothing", .properties = probe_properties,
                                       .configure = probe_configure, .realize = probe_realize, .unrealize = probe_unrealize, .flags = BP_TYPE_HOT_PLUG };

/* --- symbols ------------------------------------------------------------------------------------ */

typedef struct Names {
  bool empty;
} Names;

static bool
names_find (void *self, const BpSymbolQuery *query, BpSymbolAnswer *answer)
{
  if (((Names *) self)->empty) {
    answer->name = "scribbled on";
    return false;
  }
  if (query->privilege == 0 && query->address >= 0xffffffff81000000) {
    answer->name = "start_kernel";
    answer->start = 0xffffffff81000000;
    return true;
  }
  if (query->address < 0x401000 || query->address >= 0x401040)
    return false;
  answer->name = "main";
  answer->file = "main.c";
  answer->line = 7;
  answer->start = 0x401000;
  answer->size = 64;
  return true;
}

static bool
names_address (void *self, const char *name, uint64_t *address)
{
  if (((Names *) self)->empty || (strcmp (name, "main") != 0 && strcmp (name, "start_kernel") != 0))
    return false;
  *address = strcmp (name, "main") == 0 ? 0x401000 : 0xffffffff81000000;
  return true;
}

static const BpSymbolsIface names_iface = { .struct_size = sizeof names_iface, .find = names_find, .address = names_address };
static const BpInterfaceDesc names_interfaces[] = { { BP_SYMBOLS_ID, &names_iface }, { NULL, NULL } };
static const BpProperty names_properties[] = { BP_PROP_BOOL ("empty", Names, empty, false, "It knows nothing."), BP_PROP_END };
static const BpTypeDesc names_type = { BP_TYPE ("toy-names", BP_KIND_DEVICE, Names), .description = "knows two names", .properties = names_properties,
                                       .interfaces = names_interfaces, .realize = any_realize, .unrealize = any_unrealize };

void
toy_instrument_register (void)
{
  static const BpTypeDesc *const types[] = { &accel_type, &probe_type, &names_type, NULL };
  types_register_of ("toy-instruments", types);
}
