/* instrument.c -- instruments find the accelerator, and the machine its instruments. */
/* SPDX-License-Identifier: MIT */
#include <backplane/tcg/instrument.h>
#include "machine.h"

BpInstrument *
bp_instrument_attach (void *self, const BpInstrumentOps *ops, void *user, GError **error)
{
  BpMachine *m = bp_object_machine (self);
  void *accel = m->accel ? object_instance (m->accel) : NULL;
  const BpInstrumentHost *host = accel ? bp_object_interface (accel, BP_INSTRUMENT_HOST_ID) : NULL;
  if (!BP_TABLE_HAS (host, attach)) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the accelerator%s%s cannot be instrumented (accel-tcg can)", accel ? " " : "",
                 accel ? bp_object_type_name (accel) : "");
    return NULL;
  }
  BpInstrumentControl control = { .struct_size = sizeof control, .start = BP_WHEN_NOW, .stop = BP_WHEN_NEVER, .patience_ms = 10000 };
  return host->attach (accel, self, ops, user, &control, error);
}
