/* plugin.c -- mem-backends: host memory for guest RAM. */
/* SPDX-License-Identifier: MIT */
#include "mem-backend.h"
#include <backplane/plugin.h>

static const BpTypeDesc *const types[] = { &memory_anonymous_type, &memory_file_type, &memory_memfd_type,
                                           NULL };

BP_PLUGIN_DEFINE (.id = "mem-backends", .version = "1.0", .licence = "MIT",
                  .description = "Host memory for guest RAM: anonymous, from a file, from a memfd",
                  .types = types);
