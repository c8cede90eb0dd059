/* plugin.c -- target-i386: what the plugin provides. */
/* SPDX-License-Identifier: MIT */
#include <backplane/plugin.h>
#include <backplane/object.h>
#include "plugin.h"

static const BpTypeDesc *const types[] = { &x86_cpu_type, NULL };

BP_PLUGIN_DEFINE_FLAGS (BP_PLUGIN_SAME_MINOR, .id = "target-i386", .version = "0.1", .licence = "MIT",
                        .description = "x86 CPU frontend for translating accelerators", .types = types);
