/* iface/boot.h -- you implement this: what puts a program into the machine and starts its first CPU. */
/* SPDX-License-Identifier: MIT */
/* PURPOSE.  The [boot] section names one object of kind boot.  `load` runs at every reset, after all objects were reset. */
#ifndef BACKPLANE_IFACE_BOOT_H
#define BACKPLANE_IFACE_BOOT_H

#include <backplane/common.h>
BP_BEGIN_DECLS

#define BP_BOOT_ID "bp.boot/1"

typedef struct BpBootIface {
  uint32_t struct_size;
  /* Checks files and sizes before anything runs. [main][realized] */
  bool (*check) (void *self, GError **error);
  /* Writes images into guest memory and sets the CPU's start state. [main][locked] */
  bool (*load) (void *self, GError **error);
} BpBootIface;

BP_END_DECLS
#endif
