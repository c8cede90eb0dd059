/* wrong-magic.c -- a plugin whose descriptor does not begin with the magic number. */
/* SPDX-License-Identifier: MIT */

#include <backplane/device.h>

typedef struct Nothing {
  int unused;
} Nothing;

static const BpTypeDesc type = { BP_TYPE ("wrong-magic", BP_KIND_DEVICE, Nothing),
                                 .description = "does nothing" };
static const BpTypeDesc *const types[] = { &type, NULL };

BP_EXPORT const BpPluginDesc *bp_plugin_query (void);

const BpPluginDesc *
bp_plugin_query (void)
{
  static const BpPluginDesc desc = {
    .magic = 0x464c457f,
    .struct_size = sizeof (BpPluginDesc),
    .abi_major = BP_ABI_MAJOR,
    .abi_minor = BP_ABI_MINOR,
    .build_flags = BP_BUILD_FLAGS,
    .id = "wrong-magic",
    .version = "1.0",
    .licence = "MIT",
    .description = "a plugin whose descriptor does not begin with the magic number",
    .types = types,
  };
  return &desc;
}
