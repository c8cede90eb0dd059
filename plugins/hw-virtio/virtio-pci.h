/* virtio-pci.h -- virtio over PCI: what the bus, its registers and those of 0.9.5 share. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_VIRTIO_VIRTIO_PCI_H
#define HW_VIRTIO_VIRTIO_PCI_H

#include "virtio.h"
#include <backplane/bus/pci.h>

/* One region of the bus shows the registers of all functions, so that an access says whose it is; each function's BAR has a window of it. */
enum { REGISTERS_SHIFT = 14, REGISTERS_SIZE = 1 << REGISTERS_SHIFT };
enum { COMMON_AT = 0x0000, ISR_AT = 0x1000, CONFIG_AT = 0x2000, NOTIFY_AT = 0x3000, NOTIFY_EACH = 4 };
enum { COMMON_SIZE = 0x38 };
enum { PENDING_AT = 0x4000, TABLE_AT = 0x8000, BAR_SIZE = 0x10000, BAR_NUMBER = 4 };

typedef struct VirtioPci {
  VirtioBus common;
  BpLink bus;
  uint32_t vectors;
  bool legacy;
  BpRegion *registers, *ports;
} VirtioPci;

typedef struct PciPlace {
  VirtioPci *bus;
  BpVirtioDevice *device;       /* NULL: not made yet, or going */
  BpPciSlot *slot;
  unsigned vectors;
  BpRegion *bar, *window;
  BpRegion *ports;              /* NULL: it has none */
  unsigned config_window;       /* the capability through which configuration cycles reach registers (4.1.4.9) */
} PciPlace;

static inline PciPlace *place_of (const BpVirtioDevice *d) { return d->place; }
static inline const BpPciBusIface *pci_of (const BpVirtioDevice *d) { return ((VirtioPci *) d->bus)->bus.table; }
static inline void *pci_bus_of (const BpVirtioDevice *d) { return ((VirtioPci *) d->bus)->bus.instance; }

/* The same for the ports of 0.9.5, BAR 0. */
enum { PORTS_SHIFT = 8, PORTS_SIZE = 1 << PORTS_SHIFT, PORTS_BAR = 0, PORTS_NOTIFY = 0x10 };

/* virtio-pci-registers.c */
extern const BpRegionOps pci_register_ops;
uint64_t pci_register_read (BpVirtioDevice *d, unsigned offset, unsigned size);
void pci_register_write (BpVirtioDevice *d, unsigned offset, uint64_t value, unsigned size);
uint32_t pci_read_isr (BpVirtioDevice *d);              /* takes it back */
uint16_t pci_vector_or_none (const BpVirtioDevice *d, uint16_t vector);
/* virtio-pci-legacy.c */
extern const BpRegionOps pci_port_ops;
uint16_t pci_legacy_id (uint32_t device_id);
/* virtio-pci.c */
unsigned pci_n_messages (const BpVirtioDevice *d);
/* The pin follows the ISR status, unless messages are sent. */
void pci_update_pin (BpVirtioDevice *d);

#endif
