/* probe.c -- counts edges of pins for a test. */
/* SPDX-License-Identifier: MIT */
#include "testing.h"

#define PROBE_INPUTS 32

typedef struct Probe {
  unsigned rises[PROBE_INPUTS], falls[PROBE_INPUTS];
} Probe;

static void
probe_set (void *self, unsigned index, int level)
{
  Probe *p = self;
  if (level)
    p->rises[index]++;
  else
    p->falls[index]++;
}

static const BpPinDesc probe_pins[] = { BP_PIN_DESC_IN ("in", PROBE_INPUTS, probe_set, BP_PIN_WIRED_OR, "Inputs."), BP_PIN_DESC_END };
const BpTypeDesc testing_probe = {
  BP_TYPE ("test-probe", BP_KIND_DEVICE, Probe), .description = "Counts what its inputs see", .pins = probe_pins
};

static const Probe *
probe_of (BpTest *t, const char *probe, unsigned input)
{
  if (input >= PROBE_INPUTS)
    (bp_test_fail) ("a probe has inputs in0 .. in%d, and no in%u", PROBE_INPUTS - 1, input);
  return testing_object (t, probe, &testing_probe);
}

unsigned (bp_test_rises) (BpTest *t, const char *probe, unsigned input) { return probe_of (t, probe, input)->rises[input]; }
unsigned (bp_test_falls) (BpTest *t, const char *probe, unsigned input) { return probe_of (t, probe, input)->falls[input]; }
