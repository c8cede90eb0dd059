/* debug-exit.c -- a port that ends the run with an exit code: what guest test suites know as isa-debug-exit. */
/* SPDX-License-Identifier: MIT */
#include <backplane/object.h>
#include "hw-pc.h"

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct DebugExit {
  BpRegion *ports;
} DebugExit;

/* --- guest access -------------------------------------------------------------------- */

static uint64_t
exit_read (void *self, uint64_t offset, unsigned size)
{
  return 0;
}

/* Bit 0 is always set, so that no guest can say "success" by accident. */
static void
exit_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  int code = (int) ((uint32_t) value << 1 | 1);
  char reason[64];
  g_snprintf (reason, sizeof reason, "the guest wrote %u to the exit port", (unsigned) value);
  bp_machine_request_shutdown (bp_object_machine (self), code, reason);
}

/* --- tables: properties, saved fields, type -------------------------------------------------- */

static const BpRegionOps exit_ops = BP_REGION_OPS (.read = exit_read, .write = exit_write, .impl_max = 4);
static const BpRegionDesc exit_regions[] = {
  BP_REGION_DESC ("pio0", DebugExit, ports, &exit_ops, 4, "Writing N ends the run with exit code (N << 1) | 1; reads give 0.  Test suites expect it at 0xf4."),
  BP_REGION_DESC_END
};

const BpTypeDesc debug_exit_type = {
  BP_TYPE ("debug-exit", BP_KIND_DEVICE, DebugExit),
  .description = "Port by which the guest ends the run with an exit code",
  .regions = exit_regions,
};
