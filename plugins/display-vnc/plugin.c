/* plugin.c -- display-vnc: the screen over the network, by libvncserver. */
/* SPDX-License-Identifier: MIT */
#include "display-vnc.h"
#include <backplane/plugin.h>

static const BpTypeDesc *const types[] = { &display_vnc_type, NULL };

BP_PLUGIN_DEFINE (.id = "display-vnc", .version = "1.0", .licence = "MIT AND GPL-2.0-or-later", .description = "VNC server, with libvncserver (GPL)", .types = types,
                  .load = vnc_library_start);
