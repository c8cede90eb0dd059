/* missing-symbol.c -- a plugin that calls a function which nobody has. */
/* SPDX-License-Identifier: MIT */

#include <backplane/device.h>

typedef struct Nothing {
  int unused;
} Nothing;

static const BpTypeDesc type = { BP_TYPE ("missing-symbol", BP_KIND_DEVICE, Nothing),
                                 .description = "does nothing" };
static const BpTypeDesc *const types[] = { &type, NULL };

void bp_function_of_the_future (void);

static bool
load (GError **error)
{
  bp_function_of_the_future ();
  return true;
}

BP_PLUGIN_DEFINE (.id = "missing-symbol", .version = "1.0", .licence = "MIT",
                  .description = "calls what is not there", .types = types, .load = load);
