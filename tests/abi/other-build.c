/* other-build.c -- a plugin built with pointers of another size. */
/* SPDX-License-Identifier: MIT */

#include <backplane/device.h>

typedef struct Nothing {
  int unused;
} Nothing;

static const BpTypeDesc type = { BP_TYPE ("other-build", BP_KIND_DEVICE, Nothing),
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
    .abi_minor = BP_ABI_MINOR,
    .build_flags = BP_BUILD_FLAGS ^ BP_BUILD_LP64,
    .id = "other-build",
    .version = "1.0",
    .licence = "MIT",
    .description = "a plugin built with pointers of another size",
    .types = types,
  };
  return &desc;
}
