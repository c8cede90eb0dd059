/* stub.c -- the type `stub`: registers that nobody models; accesses are logged and change nothing. */
/* SPDX-License-Identifier: MIT */

#include <backplane/device.h>

#include "object.h"

/* --- state: wiring -------------------------------------------------------------------------- */

typedef struct Stub {
  BpRegion *regs;
  uint64_t size;
  uint64_t value;
  bool log;
} Stub;

/* --- guest access --------------------------------------------------------------------------- */

static uint64_t
stub_read (void *self, uint64_t offset, unsigned size)
{
  Stub *stub = self;
  if (stub->log) {
    bp_log_unimp (stub, "read of %u bytes at 0x%" G_GINT64_MODIFIER "x", size, offset);
  }
  return size < 8 ? stub->value & ((UINT64_C (1) << 8 * size) - 1) : stub->value;
}

static void
stub_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Stub *stub = self;
  if (stub->log) {
    bp_log_unimp (stub, "write of 0x%0*" G_GINT64_MODIFIER "x at 0x%" G_GINT64_MODIFIER "x", (int) size * 2,
                  value, offset);
  }
}

/* --- life cycle ----------------------------------------------------------------------------- */

static bool
stub_configure (void *self, GError **error)
{
  Stub *stub = self;
  bp_region_set_size (stub->regs, stub->size);
  return true;
}

/* --- tables --------------------------------------------------------------------------------- */

static const BpRegionOps stub_ops =
    BP_REGION_OPS (.flags = BP_REGION_OPS_UNALIGNED | BP_REGION_OPS_LOCK_FREE, .read = stub_read,
                   .write = stub_write, .access_min = 1, .access_max = 8, .impl_min = 1, .impl_max = 8);

static const BpProperty stub_properties[] = {
  BP_PROP_ ("size", BP_PROPERTY_SIZE, Stub, size, .default_int = 16, .min = 1, .max = UINT64_MAX,
            .help = "Bytes that the region `regs` covers, in memory or among the I/O ports."),
  BP_PROP_U64 ("value", Stub, value, 0,
               "What every read gives, whatever its address; its low bytes for a narrow read."),
  BP_PROP_BOOL ("log", Stub, log, true, "Whether accesses are reported under the log topic `unimp`."),
  BP_PROP_END,
};

static const BpRegionDesc stub_regions[] = {
  BP_REGION_DESC ("regs", Stub, regs, &stub_ops, 16, "The registers; as long as the property `size` says."),
  BP_REGION_DESC_END,
};

const BpTypeDesc stub_type = {
  BP_TYPE ("stub", BP_KIND_DEVICE, Stub),
  .description = "registers that nobody models: reads give a constant, writes are ignored, both are logged",
  .properties = stub_properties,
  .regions = stub_regions,
  .configure = stub_configure,
  .flags = BP_TYPE_HOT_PLUG,
};
