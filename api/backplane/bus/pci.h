/* bus/pci.h -- PCI as a device sees it and as a host bridge provides it. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  A PCI device's type has properties `bus` (link to BP_PCI_BUS_ID) and `address` ("DD.F"), and registers itself in realize with a
 * BpPciFunction.  The bus keeps the standard configuration header (PCI Local Bus 3.0, chapter 6) and maps BARs as the guest programs them.
 */
#ifndef BACKPLANE_BUS_PCI_H
#define BACKPLANE_BUS_PCI_H

#include <backplane/memory.h>
BP_BEGIN_DECLS

#define BP_PCI_BUS_ID "bp.pci-bus/1"

enum { BP_PCI_BAR_MEMORY = 0, BP_PCI_BAR_IO = 1, BP_PCI_BAR_64BIT = 4, BP_PCI_BAR_PREFETCHABLE = 8 };

/* Registers of the standard configuration header, by offset (PCI Local Bus 3.0, 6.1), and bits of theirs. */
enum {
  BP_PCI_VENDOR = 0x00, BP_PCI_DEVICE = 0x02, BP_PCI_COMMAND = 0x04, BP_PCI_STATUS = 0x06, BP_PCI_REVISION = 0x08, BP_PCI_CLASS = 0x0b,
  BP_PCI_HEADER_TYPE = 0x0e, BP_PCI_BAR0 = 0x10, BP_PCI_SUBSYSTEM = 0x2c, BP_PCI_ROM = 0x30, BP_PCI_CAPABILITIES = 0x34,
  BP_PCI_INTERRUPT_LINE = 0x3c, BP_PCI_INTERRUPT_PIN = 0x3d
};
enum { BP_PCI_COMMAND_IO = 1 << 0, BP_PCI_COMMAND_MEMORY = 1 << 1, BP_PCI_COMMAND_MASTER = 1 << 2, BP_PCI_COMMAND_NO_INTERRUPT = 1 << 10 };
enum { BP_PCI_STATUS_INTERRUPT = 1 << 3, BP_PCI_STATUS_CAPABILITIES = 1 << 4 };
enum { BP_PCI_ROM_ENABLE = 1 << 0 };

typedef struct BpPciBar {
  BpRegion *region;             /* NULL: unused; size a power of two */
  uint32_t type;                /* BP_PCI_BAR_* */
} BpPciBar;                     /* as large in all of 1.x */

/* What the device registers; copied by the bus. */
typedef struct BpPciFunction {
  uint32_t struct_size;
  uint16_t vendor_id, device_id, subsystem_vendor_id, subsystem_id;
  uint8_t revision, prog_if, subclass, class_code;
  uint8_t interrupt_pin;        /* 0 none, 1 INTA# .. 4 INTD# */
  uint8_t header_type;          /* bit 7 multifunction */
  BpPciBar bars[6];
  void *self;                   /* passed to the callbacks */
  /* Device-specific configuration registers (0x40 up, and any the device wants to see).  Called before/after the bus's own handling; may be NULL.
   * read: returns true and sets *value to answer itself. written: the bus has stored the bytes under the write masks. [locked] */
  bool (*config_read) (void *self, unsigned offset, unsigned size, uint32_t *value);
  void (*config_written) (void *self, unsigned offset, unsigned size);
  BpRegion *rom;                /* expansion ROM: a power of two from 2 KiB to 16 MiB, mapped while the guest has switched it on; NULL: none */
} BpPciFunction;

typedef struct BpPciSlot BpPciSlot;     /* the bus's side of a registered function */

typedef struct BpPciBusIface {
  uint32_t struct_size;
  /* address: device << 3 | function.  NULL: occupied or invalid. [main][realized] */
  BpPciSlot *(*add) (void *bus, unsigned address, const BpPciFunction *function, GError **error);
  /* In unrealize: the slot is gone, and with it what the bus made for it; regions of BARs stay the device's, to be freed after this. [main or locked] */
  void (*remove) (void *bus, BpPciSlot *slot);
  /* The 256 bytes of configuration space, little-endian, and which bits the guest may write; the bus's, which saves the first.  A device that changes its registers
   * by itself writes here (bp_pci_put16). [any][locked] */
  uint8_t *(*config) (void *bus, BpPciSlot *slot);
  uint8_t *(*write_mask) (void *bus, BpPciSlot *slot);
  /* Level of the function's interrupt pin. [locked] */
  void (*set_interrupt) (void *bus, BpPciSlot *slot, int level);
  /* The address space in which the function does DMA, the bus's own; while the guest has not switched bus mastering on, nothing is there. [any] */
  BpAddressSpace *(*dma) (void *bus, BpPciSlot *slot);
  /* PCI configuration reset of one function: a device calls it in its own reset. [main][locked] */
  void (*reset) (void *bus, BpPciSlot *slot);
  /*
   * The container that is PCI's I/O or memory space, for what a function decodes by registers other than BARs; at priority 0 or less it is behind all BARs,
   * wherever a guest puts them and whenever. [main or locked][realized]
   */
  BpRegion *(*space) (void *bus, bool io);

  /* --- capabilities and message-signalled interrupts; after add, in the device's realize [main][realized] --- */
  /* A capability of `size` bytes (its two of header included, from 0x40 up, aligned to 4): its offset, 0: there is no room.  Fill in config and write_mask.
   * What they hold then is what they hold after each reset. */
  unsigned (*add_capability) (void *bus, BpPciSlot *slot, uint8_t id, unsigned size);
  /* MSI (PCI 3.0, 6.8.1) with 1, 2, 4 .. 32 vectors, 64-bit addresses and a mask bit each.  false, with error: no room, or a wrong number. */
  bool (*add_msi) (void *bus, BpPciSlot *slot, unsigned vectors, GError **error);
  /* MSI-X (6.8.2) with 1 to 2048 vectors.  The bus puts its table at `table' and its pending bits at `pending' into `region', a container
   * of the device that the BAR number `bar' shows; both multiples of 8, 16 bytes a vector and 1 bit a vector.  The bus saves both. */
  bool (*add_msix) (void *bus, BpPciSlot *slot, unsigned vectors, unsigned bar, BpRegion *region, uint64_t table, uint64_t pending, GError **error);
  /* How many vectors the guest has switched on; 0: it wants the interrupt pin.  MSI-X: all of them. [any][locked] */
  unsigned (*n_messages) (void *bus, BpPciSlot *slot);
  /* Sends the vector's message, or keeps it while it is masked; vectors that MSI did not get fold onto those that it got.  false: messages are off, use
   * set_interrupt. [any][locked] */
  bool (*message) (void *bus, BpPciSlot *slot, unsigned vector);
  /* The vector is sent whenever the eventfd is signalled (iface/msi.h); -1: no longer.  fd stays the device's, is this vector's alone, and may be signalled by
   * several threads or the kernel.  The device does not read it while messages are on: what it counts while the vector is held is the pending bit.  What it has
   * counted while messages were off is sent when they are switched on, unless the device has read it before. [any][locked] */
  bool (*message_fd) (void *bus, BpPciSlot *slot, unsigned vector, int fd);
  /* What the eventfds of message_fd have counted and nobody has sent becomes messages, or pending bits of vectors that are held: the machine stands and is
   * about to be saved, and eventfds are no part of its state.  Eventfds of vectors while messages are off are left alone. [main][locked] */
  void (*drain) (void *bus);

  /* --- functions that come and go while the machine runs; after all else that add is followed by --- */
  /* The function is that of `owner', an object of a type that may leave (BP_TYPE_HOT_PLUG).  In a machine that runs the guest is told that it has come; false,
   * with error: it would never know. [main or locked] */
  bool (*hot_plug) (void *bus, BpPciSlot *slot, void *owner, GError **error);
  /* Asks the guest to let go of the function, which answers by bp_object_removal_done for the owner, and sees it no more.  false, with error: it cannot be
   * asked. [main or locked] */
  bool (*ask) (void *bus, BpPciSlot *slot, GError **error);
} BpPciBusIface;

/* An interrupt as most devices have one: messages when the guest has switched them on, else the level of the pin.  Call it with each change: a second call with
 * true is a second message.  A level that stands while the guest switches messages off comes to the pin with the next call; a device that a guest may leave so calls
 * it from config_written when n_messages has become 0. [any][locked] */
static inline void
bp_pci_interrupt (const BpLink *bus, BpPciSlot *slot, unsigned vector, bool level)
{
  const BpPciBusIface *t = (const BpPciBusIface *) bus->table;
  bool messages = BP_TABLE_HAS (t, n_messages) && t->n_messages (bus->instance, slot) > 0;
  if (messages && level)
    t->message (bus->instance, slot, vector);
  t->set_interrupt (bus->instance, slot, level && !messages);
}

/* 16-bit registers, little-endian, in what BpPciBusIface.config and write_mask return. */
static inline uint16_t bp_pci_get16 (const uint8_t *config, unsigned offset) { return (uint16_t) (config[offset] | config[offset + 1] << 8); }
static inline void bp_pci_put16 (uint8_t *config, unsigned offset, uint16_t value)
{
  config[offset] = (uint8_t) value;
  config[offset + 1] = (uint8_t) (value >> 8);
}

/* "DD.F" (hex device, function) -> device << 3 | function; -1 when malformed. */
static inline int bp_pci_address_parse (const char *text)
{
  unsigned device = 0, function = 0;
  if (!text || !g_ascii_isxdigit (*text))
    return -1;
  for (; g_ascii_isxdigit (*text) && device <= 31; text++)
    device = device << 4 | (unsigned) g_ascii_xdigit_value (*text);
  if (device > 31 || *text != '.' || !g_ascii_isdigit (text[1]))
    return -1;
  for (text++; g_ascii_isdigit (*text) && function <= 7; text++)
    function = function * 10 + (unsigned) g_ascii_digit_value (*text);
  return *text || function > 7 ? -1 : (int) (device << 3 | function);
}

BP_END_DECLS
#endif
