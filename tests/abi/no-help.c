/* no-help.c -- a plugin whose type has a property without help. */
/* SPDX-License-Identifier: MIT */

#include <backplane/device.h>

typedef struct Nothing {
  int unused;
} Nothing;

static const BpProperty properties[] = {
  { .name = "level", .kind = BP_PROPERTY_U32, .offset = offsetof (Nothing, unused) }, BP_PROP_END
};
static const BpTypeDesc type = { BP_TYPE ("no-help", BP_KIND_DEVICE, Nothing), .description = "does nothing",
                                 .properties = properties };
static const BpTypeDesc *const types[] = { &type, NULL };

BP_PLUGIN_DEFINE (.id = "no-help", .version = "1.0", .licence = "MIT",
                  .description = "has a property without help", .types = types);
