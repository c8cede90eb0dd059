/* plugin.c -- guest-symbols: names and source lines for guest addresses. */
/* SPDX-License-Identifier: MIT */
#include "guest-symbols.h"
#include <backplane/plugin.h>

static const BpTypeDesc *const types[] = { &elf_symbols_type, NULL };

BP_PLUGIN_DEFINE (.id = "guest-symbols", .version = "1.0", .licence = "MIT AND (GPL-2.0-or-later OR LGPL-3.0-or-later)",
                  .description = "symbols and source lines of guest programs and kernels", .types = types);
