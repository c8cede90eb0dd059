/* misnamed.c -- a plugin that calls itself otherwise than its file. */
/* SPDX-License-Identifier: MIT */

#include <backplane/device.h>

typedef struct Nothing {
  int unused;
} Nothing;

static const BpTypeDesc type = { BP_TYPE ("misnamed", BP_KIND_DEVICE, Nothing),
                                 .description = "does nothing" };
static const BpTypeDesc *const types[] = { &type, NULL };

BP_PLUGIN_DEFINE (.id = "other-name", .version = "1.0", .licence = "MIT",
                  .description = "is in the wrong file", .types = types);
