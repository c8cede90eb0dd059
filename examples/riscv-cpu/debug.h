/* debug.h -- a hart as debuggers see it. */
/* SPDX-License-Identifier: MIT */
#ifndef RISCV_DEBUG_H
#define RISCV_DEBUG_H

#include <backplane/iface/cpu-debug.h>

extern const BpCpuDebugIface rv_debug;

#endif
