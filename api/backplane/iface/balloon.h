/* iface/balloon.h -- you implement this in a device that takes memory from a running guest and gives it back. */
/* SPDX-License-Identifier: MIT */
/* PURPOSE.  Monitors find it with bp_machine_next: the first one is the machine's. */
#ifndef BACKPLANE_IFACE_BALLOON_H
#define BACKPLANE_IFACE_BALLOON_H

#include <backplane/common.h>
BP_BEGIN_DECLS

#define BP_BALLOON_ID "bp.balloon/1"

typedef struct BpBalloonNumber {
  const char *name;             /* "stat-free-memory" ..., as QEMU names it */
  uint64_t value;               /* bytes, or a count */
} BpBalloonNumber;              /* as large in all of 1.x */

typedef struct BpBalloonIface {
  uint32_t struct_size;
  /* Whether the guest has a driver for it. */
  bool (*is_active) (void *self);
  /* Bytes of memory that the guest has now. */
  uint64_t (*actual) (void *self);
  /* What it shall have; above all there is: all. */
  void (*set_target) (void *self, uint64_t bytes);
  /* What the guest has told about its memory: fills up to `most' numbers, and returns how many there are; *seconds: the host's time then (since 1970), 0: it has
   * not told anything. */
  unsigned (*statistics) (void *self, BpBalloonNumber *numbers, unsigned most, int64_t *seconds);
  /* Calls changed (user) after `actual' has changed, soon: several changes may be one call.  One at a time; NULL: none. */
  void (*watch) (void *self, void (*changed) (void *user), void *user);
} BpBalloonIface;                       /* all [main][locked] */

BP_END_DECLS
#endif
