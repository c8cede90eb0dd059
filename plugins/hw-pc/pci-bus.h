/* pci-bus.h -- a PCI bus as a host bridge of this plugin keeps it: configuration spaces, BARs, interrupt lines, DMA. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_PC_PCI_BUS_H
#define HW_PC_PCI_BUS_H

#include <backplane/bus/pci.h>
#include <backplane/state.h>

enum { PCI_BAR_END = 0x28, PCI_ROM_END = 0x34 };         /* behind the last of bus/pci.h */
#define PCI_N_FUNCTIONS 256

typedef struct PciFunctionState {       /* saved */
  uint8_t config[256];
  bool level;                   /* of the interrupt pin */
  BpStateBuffer messages;       /* MSI-X: the table, and the pending bits behind it */
} PciFunctionState;

/* Who tells the guest of functions that come and go: pci-slots.c. [main or locked] */
typedef struct PciPlugger {
  void (*came) (void *self, unsigned device);
  void (*asked) (void *self, unsigned device);  /* it shall go */
  void (*gone) (void *self, unsigned device);
} PciPlugger;

/* The first member of a host bridge's state, so that the interface's `bus` is this. */
typedef struct PciBus {
  PciFunctionState state[PCI_N_FUNCTIONS];
  BpPin *intx[4];               /* the bridge's PCI interrupt lines, after the board's swizzle */
  BpRegion *memory, *io;        /* containers: PCI's memory and I/O space */
  BpRegion *messages;           /* all functions' MSI-X tables; NULL: there is none */
  BpPciSlot *slots[PCI_N_FUNCTIONS];
  bool is_up;                   /* it was reset: what is added now joins a machine that runs */
  const PciPlugger *plugger;    /* NULL: none */
  void *plugger_self;
} PciBus;

extern const BpPciBusIface pci_bus_iface;
extern const BpStateField pci_function_state[];
#define PCI_BUS_STATE_FIELDS(T) BP_STATE_FIELD_STRUCTS (T, bus.state, PCI_N_FUNCTIONS, pci_function_state)

/* --- for the host bridge ------------------------------------------------------------------ */
/* One cycle of configuration access; a function that is not there reads ones. [locked] */
uint32_t pci_bus_config_read (PciBus *bus, unsigned address, unsigned offset, unsigned size);
void pci_bus_config_write (PciBus *bus, unsigned address, unsigned offset, uint32_t value, unsigned size);
void pci_bus_reset (PciBus *bus);
void pci_bus_post_load (PciBus *bus);   /* what follows from the configuration spaces: mappings, lines; each function is told of all its registers */
void pci_bus_free (PciBus *bus);        /* the slots that are left */

/* --- functions that come and go -------------------------------------------------------------- */
/* What a host bridge implements beside the bus for pci-slots.c. */
#define PCI_PLUG_ID "backplane.hw-pc.pci-plug/1"
typedef struct PciPlugIface {
  uint32_t struct_size;
  bool (*attach) (void *bus, const PciPlugger *plugger, void *self);    /* NULL: detaches; false: there is one already */
  uint32_t (*removable) (void *bus);            /* a bit for each device number that is free, or whose function may leave */
  void *(*owner) (void *bus, unsigned device);  /* of the function that may leave; NULL: there is none */
  void (*hide) (void *bus, unsigned device);    /* the guest has let go of it, and sees it no more */
} PciPlugIface;
extern const PciPlugIface pci_plug_iface;

/* --- port 0xcf9 ------------------------------------------------------------------------------- */
/* The port lies inside the host bridge's configuration address register; a bridge that passes byte accesses on implements this, and the
 * south bridge attaches its register. */
#define RESET_PORT_ID "hw-pc.reset-port/1"
typedef struct ResetPortIface {
  uint32_t struct_size;
  void (*attach) (void *bridge, uint8_t (*read) (void *self), void (*write) (void *self, uint8_t value), void *self);   /* NULL: detach */
} ResetPortIface;

#endif
