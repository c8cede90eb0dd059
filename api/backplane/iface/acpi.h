/* iface/acpi.h -- you implement this: what an operating system finds by firmware's tables alone. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  A device on no bus that can be searched (memory-mapped registers, an interrupt input) tells its place, and the machine's ACPI tables name it in the
 * name space under \_SB (ACPI 6.4, chapter 6).  Asked while the tables are made: at each reset, when everything is mapped and wired.
 */
#ifndef BACKPLANE_IFACE_ACPI_H
#define BACKPLANE_IFACE_ACPI_H

#include <backplane/common.h>
BP_BEGIN_DECLS

#define BP_ACPI_ID "bp.acpi/1"
#define BP_ACPI_NO_INTERRUPT UINT32_MAX

typedef struct BpAcpiDevice {
  uint32_t struct_size;
  uint32_t interrupt;           /* global system interrupt: with one I/O APIC, its input; level, active high.  BP_ACPI_NO_INTERRUPT: none */
  const char *hid;              /* _HID: "LNRO0005", "PNP0501".  Lives until the next call */
  uint32_t uid;                 /* _UID: tells devices of one hid apart */
  uint32_t reserved;
  uint64_t address, size;       /* of its registers in memory, below 4 GiB; size 0: none */
} BpAcpiDevice;

typedef struct BpAcpiIface {
  uint32_t struct_size;
  /* Fills *device with the n-th (from 0) that the object has; false: there are no more. [main][locked][realized] */
  bool (*device) (void *self, unsigned n, BpAcpiDevice *device);
} BpAcpiIface;

BP_END_DECLS
#endif
