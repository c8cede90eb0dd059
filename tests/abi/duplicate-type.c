/* duplicate-type.c -- a plugin with a type of its own and one that the core has. */
/* SPDX-License-Identifier: MIT */

#include <backplane/device.h>

typedef struct Nothing {
  int unused;
} Nothing;

static const BpTypeDesc own = { BP_TYPE ("duplicate-own", BP_KIND_DEVICE, Nothing),
                                .description = "does nothing" };
static const BpTypeDesc taken = { BP_TYPE ("stub", BP_KIND_DEVICE, Nothing), .description = "does nothing" };
static const BpTypeDesc *const types[] = { &own, &taken, NULL };

BP_PLUGIN_DEFINE (.id = "duplicate-type", .version = "1.0", .licence = "MIT",
                  .description = "brings a type that is there already", .types = types);
