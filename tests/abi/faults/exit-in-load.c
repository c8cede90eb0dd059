/* exit-in-load.c -- a plugin whose load() ends the process. */
/* SPDX-License-Identifier: MIT */

#include <backplane/device.h>
#include <stdlib.h>

typedef struct Nothing {
  int unused;
} Nothing;

static const BpTypeDesc type = { BP_TYPE ("exit-in-load", BP_KIND_DEVICE, Nothing), .description = "does nothing" };
static const BpTypeDesc *const types[] = { &type, NULL };

static bool
load (GError **error)
{
  exit (3);
}

BP_PLUGIN_DEFINE (.id = "exit-in-load", .version = "1.0", .licence = "MIT", .description = "ends the process", .types = types, .load = load);
