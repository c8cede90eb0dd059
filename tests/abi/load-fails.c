/* load-fails.c -- a plugin whose load() refuses. */
/* SPDX-License-Identifier: MIT */

#include <backplane/device.h>

typedef struct Nothing {
  int unused;
} Nothing;

static const BpTypeDesc type = { BP_TYPE ("load-fails", BP_KIND_DEVICE, Nothing),
                                 .description = "does nothing" };
static const BpTypeDesc *const types[] = { &type, NULL };

static bool
load (GError **error)
{
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the moon is not full");
  return false;
}

BP_PLUGIN_DEFINE (.id = "load-fails", .version = "1.0", .licence = "MIT", .description = "refuses to start",
                  .types = types, .load = load);
