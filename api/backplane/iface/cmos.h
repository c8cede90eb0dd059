/* iface/cmos.h -- you implement this in a clock with CMOS RAM: bytes of it that tell firmware what is in the machine. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  In a PC a set-up program writes down once what hardware there is.  Here the objects do it themselves: who links to the CMOS sets its
 * bytes (or bits) in realize, and the provider keeps the checksum of 0x10 to 0x2d.  The guest may change them like all others.
 */
#ifndef BACKPLANE_IFACE_CMOS_H
#define BACKPLANE_IFACE_CMOS_H

#include <backplane/common.h>
BP_BEGIN_DECLS

#define BP_CMOS_ID "bp.cmos/1"

typedef struct BpCmosIface {
  uint32_t struct_size;
  /* The bits of `mask` at `index`, 0x0e to 0x7f, get the value; the clock's own registers do not change. [main][locked] */
  void (*set) (void *self, unsigned index, uint8_t mask, uint8_t value);
} BpCmosIface;

static inline void bp_cmos_set (const BpLink *link, unsigned index, uint8_t mask, uint8_t value)
{
  const BpCmosIface *t = (const BpCmosIface *) link->table;
  if (BP_TABLE_HAS (t, set))
    t->set (link->instance, index, mask, value);
}

BP_END_DECLS
#endif
