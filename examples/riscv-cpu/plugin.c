/* plugin.c -- riscv-cpu: what the plugin provides. */
/* SPDX-License-Identifier: MIT */
#include <backplane/plugin.h>
#include "board.h"

static const BpTypeDesc *const types[] = { &rv_cpu_type, &rv_clint_type, &rv_finisher_type, &rv_boot_type, NULL };

/* The translator's IR is promised within a minor version only. */
BP_PLUGIN_DEFINE_FLAGS (BP_PLUGIN_SAME_MINOR, .id = "riscv-cpu", .version = "1.0", .licence = "MIT",
                        .description = "RISC-V processor, timer and loader, outside of Backplane's tree", .types = types);
