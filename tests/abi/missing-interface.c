/* missing-interface.c -- a plugin that requires an interface of another one. */
/* SPDX-License-Identifier: MIT */

#include <backplane/device.h>
#include <backplane/iface/char.h>

typedef struct Nothing {
  int unused;
} Nothing;

static const BpTypeDesc type = { BP_TYPE ("missing-interface", BP_KIND_DEVICE, Nothing),
                                 .description = "does nothing" };
static const BpTypeDesc *const types[] = { &type, NULL };

static const char *const required[] = { "org.example.sensor/1", BP_CHAR_ID, NULL };

BP_PLUGIN_DEFINE (.id = "missing-interface", .version = "1.0", .licence = "MIT",
                  .description = "requires org.example.sensor/1", .types = types,
                  .requires_interfaces = required);
