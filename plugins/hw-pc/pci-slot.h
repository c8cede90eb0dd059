/* pci-slot.h -- a function's place on the bus: what its registers (pci-bus.c), capabilities and messages (pci-msi.c) share. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_PC_PCI_SLOT_H
#define HW_PC_PCI_SLOT_H

#include <backplane/iface/msi.h>
#include "pci-bus.h"

typedef struct PciBar {
  BpRegion *region;
  uint32_t type;
  bool mapped;
  uint64_t address;             /* where, while mapped */
} PciBar;

/* The expansion ROM is kept behind the BARs: a memory BAR with a register elsewhere and a switch of its own. */
enum { PCI_N_BARS = 6, PCI_ROM_PLACE = PCI_N_BARS, PCI_N_PLACES };

/* A vector that an eventfd signals. */
typedef struct PciVector {
  int fd;                       /* -1: none */
  BpMsiSource *source;          /* NULL while messages are off */
} PciVector;

struct BpPciSlot {
  PciBus *bus;
  unsigned address;
  BpPciFunction function;
  PciFunctionState *state;      /* in bus->state */
  uint8_t *config;              /* in state */
  uint8_t write_mask[256], clear_mask[256];     /* writable; cleared by writing ones */
  PciBar bars[PCI_N_PLACES];
  bool driven;                  /* counts in its line */
  void *owner;                  /* the object that may leave; NULL: it stays */
  bool ejected;                 /* the guest has let go, and sees it no more */
  BpRegion *dma_root, *dma_window;
  BpAddressSpace *dma;
  /* capabilities: a bit for each double word that they have, and for each of which the reset value is known */
  uint64_t taken, kept;
  uint8_t reset_values[256], last_capability;
  unsigned msi, msix;           /* offsets of these two; 0: it has none */
  unsigned msi_vectors, msix_vectors;
  BpRegion *table, *pending;    /* MSI-X: windows of bus->messages */
  PciVector *vectors;           /* as many as the greater of both; NULL: none was ever given an eventfd */
};

static inline uint32_t pci_get32 (const uint8_t *p) { return (uint32_t) (p[0] | p[1] << 8 | p[2] << 16) | (uint32_t) p[3] << 24; }
static inline void
pci_put32 (uint8_t *p, uint32_t value)
{
  for (unsigned i = 0; i < 4; i++)
    p[i] = (uint8_t) (value >> 8 * i);
}

/* --- pci-bus.c: makes the interrupt line follow ------------------------------------------------ */
/* Takes its BARs, its line and its bus mastering away. */
void pci_slot_hide (BpPciSlot *s);

/* --- pci-plug.c ------------------------------------------------------------------------------- */
bool pci_hot_plug (void *bus, BpPciSlot *s, void *owner, GError **error);
bool pci_ask (void *bus, BpPciSlot *s, GError **error);
/* It is about to be removed from the bus. */
void pci_plug_gone (BpPciSlot *s);

/* --- pci-capability.c -------------------------------------------------------------------------- */
unsigned pci_add_capability (void *bus, BpPciSlot *s, uint8_t id, unsigned size);
/* Writes what the capabilities hold after a reset; what they hold now, if this is the first since they were added. */
void pci_capability_reset (BpPciSlot *s, const uint8_t before[256]);

/* --- pci-msi.c ---------------------------------------------------------------------------------- */
bool pci_add_msi (void *bus, BpPciSlot *s, unsigned vectors, GError **error);
bool pci_add_msix (void *bus, BpPciSlot *s, unsigned vectors, unsigned bar, BpRegion *region, uint64_t table, uint64_t pending, GError **error);
unsigned pci_n_messages (void *bus, BpPciSlot *s);
bool pci_message (void *bus, BpPciSlot *s, unsigned vector);
bool pci_message_fd (void *bus, BpPciSlot *s, unsigned vector, int fd);
void pci_drain (void *bus);
/* The table as after a reset. */
void pci_msi_reset (BpPciSlot *s);
/* What follows from the registers: messages that were held back go, eventfds send what they should. */
void pci_msi_follow (BpPciSlot *s);
/* Whether one of these registers is a message's. */
bool pci_msi_has (const BpPciSlot *s, unsigned offset, unsigned size);
enum { PCI_MSI_PENDING = 20 };          /* of the MSI capability */
uint32_t pci_msi_fd_pending (BpPciSlot *s, unsigned first);
void pci_msi_finish (BpPciSlot *s);

#endif
