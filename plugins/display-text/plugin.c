/* plugin.c -- display-text: a machine's screen in the terminal, or none. */
/* SPDX-License-Identifier: MIT */
#include "display-text.h"

static const BpTypeDesc *const types[] = { &display_text_type, &display_none_type, NULL };

BP_PLUGIN_DEFINE (.id = "display-text", .version = "0.1", .licence = "MIT AND X11-distribute-modifications-variant", .description = "the screen in the terminal",
                  .types = types);
