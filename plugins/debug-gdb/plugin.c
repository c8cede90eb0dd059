/* plugin.c -- debug-gdb: a machine debugged by gdb. */
/* SPDX-License-Identifier: MIT */
#include "gdb.h"

static const BpTypeDesc *const types[] = { &gdb_server_type, NULL };

BP_PLUGIN_DEFINE (.id = "debug-gdb", .version = "1.0", .licence = "MIT", .description = "gdb's remote serial protocol", .types = types);
