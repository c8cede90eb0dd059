/* plugin.c -- display-vnc: the screen over the network, by libvncserver. */
/* SPDX-License-Identifier: MIT */
#include "display-vnc.h"
#include <backplane/plugin.h>

/* libvncserver writes a line for each connection and each encoding. */
static void say_nothing (const char *format, ...) { }

static bool
load (GError **error)
{
  rfbLog = rfbErr = say_nothing;
  rfbRegisterProtocolExtension (&vnc_scan_codes);
  return true;
}

static void unload (void) { rfbUnregisterProtocolExtension (&vnc_scan_codes); }

static const BpTypeDesc *const types[] = { &display_vnc_type, NULL };

BP_PLUGIN_DEFINE (.id = "display-vnc", .version = "1.0", .licence = "MIT AND GPL-2.0-or-later", .description = "VNC server, with libvncserver (GPL)", .types = types,
                  .load = load, .unload = unload);
