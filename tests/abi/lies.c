/* lies.c -- a plugin that says a wrong size somewhere: $BACKPLANE_LIE says where. */
/* SPDX-License-Identifier: MIT */

#include <backplane/device.h>
#include <backplane/iface/accel.h>
#include <string.h>

typedef struct Liar {
  uint32_t level;
  BpRegion *region;
} Liar;

static uint64_t read_none (void *self, uint64_t offset, unsigned size) { return 0; }

static BpRegionOps ops = BP_REGION_OPS (.read = read_none);
static const BpProperty properties[] = { BP_PROP_U32 ("level", Liar, level, 0, "How much."), BP_PROP_END };
static const BpRegionDesc regions[] = { BP_REGION_DESC ("pio0", Liar, region, &ops, 8, "registers"), BP_REGION_DESC_END };
static BpTypeDesc type = { BP_TYPE ("liar", BP_KIND_DEVICE, Liar), .description = "lies", .properties = properties, .regions = regions };
static BpTypeDesc parent = { BP_TYPE (NULL, BP_KIND_DEVICE, Liar), .description = "nobody's name is looked up" };
static const BpAccelIface accel = { .struct_size = sizeof accel };
static const BpInterfaceDesc interfaces[] = { { BP_ACCEL_ID, &accel }, { NULL, NULL } };
static const BpTypeDesc *const types[] = { &type, NULL };

BP_EXPORT const BpPluginDesc *bp_plugin_query (void);

const BpPluginDesc *
bp_plugin_query (void)
{
  static BpPluginDesc desc = { .magic = BP_PLUGIN_MAGIC, .struct_size = sizeof desc, .abi_major = BP_ABI_MAJOR, .abi_minor = BP_ABI_MINOR, .build_flags = BP_BUILD_FLAGS,
                               .id = "lies", .version = "1.0", .licence = "MIT", .description = "says a wrong size", .types = types };
  const char *lie = g_getenv ("BACKPLANE_LIE");
  lie = lie ? lie : "";
  if (strcmp (lie, "plugin") == 0)
    desc.struct_size = 16;
  else if (strcmp (lie, "type") == 0)
    type.struct_size = 40;
  else if (strcmp (lie, "row") == 0)
    type.property_size = 0;
  else if (strcmp (lie, "long-row") == 0)
    type.region_size = 60000;
  else if (strcmp (lie, "no-instance") == 0)
    type.instance_size = 0;
  else if (strcmp (lie, "small-instance") == 0)
    type.instance_size = 2;
  else if (strcmp (lie, "great-instance") == 0)
    type.instance_size = UINT32_MAX;
  else if (strcmp (lie, "callbacks") == 0)
    ops.struct_size = 4;
  else if (strcmp (lie, "parent") == 0)
    type.parent = &parent;
  else if (strcmp (lie, "any-minor") == 0)
    type.interfaces = interfaces;
  return &desc;
}
