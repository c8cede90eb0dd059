/* other-major.c -- a plugin built for another ABI major. */
/* SPDX-License-Identifier: MIT */

#include <backplane/device.h>

typedef struct Nothing {
  int unused;
} Nothing;

static const BpTypeDesc type = { BP_TYPE ("other-major", BP_KIND_DEVICE, Nothing),
                                 .description = "does nothing" };
static const BpTypeDesc *const types[] = { &type, NULL };

BP_EXPORT const BpPluginDesc *bp_plugin_query (void);

const BpPluginDesc *
bp_plugin_query (void)
{
  static const BpPluginDesc desc = {
    .magic = BP_PLUGIN_MAGIC,
    .struct_size = sizeof (BpPluginDesc),
    .abi_major = BP_ABI_MAJOR + 1,
    .abi_minor = BP_ABI_MINOR,
    .build_flags = BP_BUILD_FLAGS,
    .id = "other-major",
    .version = "1.0",
    .licence = "MIT",
    .description = "a plugin built for another ABI major",
    .types = types,
  };
  return &desc;
}
