/* plugin.c -- monitor: commands about a running machine, for programs (QMP) and for people (a console). */
/* SPDX-License-Identifier: MIT */
#include "qmp.h"
#include <backplane/plugin.h>

static const BpTypeDesc *const types[] = { &monitor_qmp_type, &monitor_console_type, NULL };

BP_PLUGIN_DEFINE (.id = "monitor", .version = "1.0", .licence = "MIT", .description = "monitors: QMP over a socket, and a console for people", .types = types);
