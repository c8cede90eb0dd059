/* taken-name.c -- a plugin whose type has the name of a stand-in. */
/* SPDX-License-Identifier: MIT */

#include <backplane/device.h>

typedef struct Nothing {
  int unused;
} Nothing;

static const BpTypeDesc type = { BP_TYPE ("test-ram", BP_KIND_DEVICE, Nothing), .description = "does nothing" };
static const BpTypeDesc *const types[] = { &type, NULL };

BP_PLUGIN_DEFINE (.id = "taken-name", .version = "1.0", .licence = "MIT", .description = "has a name that is taken", .types = types);
