/* plugin.c -- the bus's controller and a device for it, as a plugin. */
/* SPDX-License-Identifier: @{licence} */
/* SPDX-FileCopyrightText: @{year} @{author} */
#include <backplane/plugin.h>
#include "plugin.h"

static const BpTypeDesc *const types[] = { &controller_type, &echo_type, NULL };

BP_PLUGIN_DEFINE (.id = "@{name}", .version = "1.0", .licence = "@{licence}", .description = "A bus, and a device for it", .types = types);
