/* plugin.h -- the types that this plugin provides. */
/* SPDX-License-Identifier: MIT */
#ifndef TARGET_I386_PLUGIN_H
#define TARGET_I386_PLUGIN_H

#include <backplane/object.h>

extern const BpTypeDesc x86_cpu_type;

#endif
