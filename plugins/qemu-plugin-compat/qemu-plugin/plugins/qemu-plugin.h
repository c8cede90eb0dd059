/* plugins/qemu-plugin.h -- the same header by the name that it has in QEMU's own tree. */
/* SPDX-License-Identifier: MIT */
#ifndef BACKPLANE_QEMU_PLUGIN_IN_PLUGINS_H
#define BACKPLANE_QEMU_PLUGIN_IN_PLUGINS_H
#include "../qemu-plugin.h"
#endif
