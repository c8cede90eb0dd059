/* newer-minor.c -- a plugin built for a newer ABI minor. */
/* SPDX-License-Identifier: MIT */

#include <backplane/device.h>

typedef struct Nothing {
  int unused;
} Nothing;

static const BpTypeDesc type = { BP_TYPE ("newer-minor", BP_KIND_DEVICE, Nothing),
                                 .description = "does nothing" };
static const BpTypeDesc *const types[] = { &type, NULL };

BP_EXPORT const BpPluginDesc *bp_plugin_query (void);

const BpPluginDesc *
bp_plugin_query (void)
{
  static const BpPluginDesc desc = {
    .magic = BP_PLUGIN_MAGIC,
    .struct_size = sizeof (BpPluginDesc),
    .abi_major = BP_ABI_MAJOR,
    .abi_minor = BP_ABI_MINOR + 1,
    .build_flags = BP_BUILD_FLAGS,
    .id = "newer-minor",
    .version = "1.0",
    .licence = "MIT",
    .description = "a plugin built for a newer ABI minor",
    .types = types,
  };
  return &desc;
}
