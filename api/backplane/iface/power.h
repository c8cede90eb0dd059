/* iface/power.h -- you implement this: a power button. */
/* SPDX-License-Identifier: MIT */
/* PURPOSE.  bp_machine_request_powerdown asks each object that has it to tell the guest, which may do as it likes. */
#ifndef BACKPLANE_IFACE_POWER_H
#define BACKPLANE_IFACE_POWER_H

#include <backplane/common.h>
BP_BEGIN_DECLS

#define BP_POWER_BUTTON_ID "bp.power-button/1"

typedef struct BpPowerButtonIface {
  uint32_t struct_size;
  void (*press) (void *self);   /* [main][locked] */
} BpPowerButtonIface;

BP_END_DECLS
#endif
