/* pci.h -- the PCI bus of a test: what its files share. */
/* SPDX-License-Identifier: MIT */
#ifndef CORE_STAND_INS_PCI_H
#define CORE_STAND_INS_PCI_H

#include "stand-ins.h"
#include <backplane/bus/pci.h>

enum { PCI_FUNCTIONS = 256, PCI_BARS = 6, PCI_ROM_PLACE = PCI_BARS, PCI_PLACES };
enum { PCI_COMMAND = 0x04, PCI_STATUS = 0x06, PCI_BAR0 = 0x10, PCI_ROM = 0x30, PCI_CAPABILITIES = 0x34, PCI_PIN = 0x3d };
enum { COMMAND_IO = 1, COMMAND_MEMORY = 2, COMMAND_MASTER = 4, COMMAND_NO_INTERRUPT = 0x400 };
enum { CAPABILITY_MSI = 0x05, CAPABILITY_MSIX = 0x11 };
enum { MSIX_VECTORS = 4096 };   /* of all functions */

typedef struct PciState {       /* saved; one a place */
  uint8_t config[256];
  bool level;
} PciState;

typedef struct MsixEntry {      /* saved */
  uint64_t address;
  uint32_t data, control;
  bool pending;
} MsixEntry;

typedef struct PciMessage {
  unsigned function;
  uint64_t address;
  uint32_t data;
} PciMessage;

typedef struct Pci {
  PciState state[PCI_FUNCTIONS];
  MsixEntry entries[MSIX_VECTORS];
  BpRegion *memory, *io, *table, *pending;
  BpPciSlot *slots[PCI_FUNCTIONS];
  unsigned n_entries;
  GQueue messages;              /* of PciMessage *; those that were sent */
} Pci;

struct BpPciSlot {
  Pci *bus;
  unsigned address;
  BpPciFunction function;
  uint8_t *config;              /* in bus->state */
  uint8_t write_mask[256], first[256];
  bool sealed;                  /* `first` holds what a reset gives */
  unsigned end;                 /* of the capabilities so far */
  struct { BpRegion *region; uint32_t type; bool mapped; uint64_t at; } bars[PCI_PLACES];
  BpRegion *dma_root, *dma_window;
  BpAddressSpace *dma;
  unsigned msi, msix;           /* where the capabilities are; 0: none */
  unsigned n_msi, n_msix;
  MsixEntry *table;
  BpRegion *table_window, *pending_window;
  GArray *fds;                  /* of SlotFd: message_fd */
};

typedef struct SlotFd {
  unsigned vector;
  int fd;
} SlotFd;

/* pci-messages.c */
bool stand_in_pci_add_msi (void *bus, BpPciSlot *s, unsigned vectors, GError **error);
bool stand_in_pci_add_msix (void *bus, BpPciSlot *s, unsigned vectors, unsigned bar, BpRegion *region, uint64_t table, uint64_t pending, GError **error);
unsigned stand_in_pci_n_messages (void *bus, BpPciSlot *s);
bool stand_in_pci_message (void *bus, BpPciSlot *s, unsigned vector);
bool stand_in_pci_message_fd (void *bus, BpPciSlot *s, unsigned vector, int fd);
void stand_in_pci_messages_follow (BpPciSlot *s);        /* what waited and is not masked any more is sent */
void stand_in_pci_messages_reset (BpPciSlot *s);
void stand_in_pci_messages_free (BpPciSlot *s);
void stand_in_pci_messages_init (Pci *bus);
void stand_in_pci_poll (Pci *bus);      /* eventfds that were signalled send their messages [locked] */

/* pci.c */
unsigned stand_in_pci_add_capability (void *bus, BpPciSlot *s, uint8_t id, unsigned size);
uint32_t stand_in_pci_get (const uint8_t *at, unsigned size);
void stand_in_pci_put (uint8_t *at, uint32_t value, unsigned size);
/* Cycles that the function answers. [locked] */
uint32_t stand_in_pci_read (const BpPciSlot *s, unsigned offset, unsigned size);
void stand_in_pci_write (BpPciSlot *s, unsigned offset, uint32_t value, unsigned size);

#endif
