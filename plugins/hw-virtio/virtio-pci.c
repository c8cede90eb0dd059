/* virtio-pci.c -- a bus of virtio devices, each a function of a PCI bus (VIRTIO 1.2, 4.1): capabilities, interrupts, life. */
/* SPDX-License-Identifier: MIT */
#include "virtio-pci.h"
#include <backplane/machine.h>
#include <string.h>

enum { VENDOR = 0x1af4, DEVICE_BASE = 0x1040, DEVICES_MOST = 0x3f, SUBSYSTEM = 0x1100, FUNCTIONS = 256, CAPABILITY_VENDOR = 0x09 };
enum { COMMAND = 0x04, COMMAND_MASTER = 1 << 2 };
enum {                          /* a capability's registers (4.1.4) */
  CAP_LENGTH = 2, CAP_TYPE = 3, CAP_BAR = 4, CAP_OFFSET = 8, CAP_SIZE = 12, CAP_BYTES = 16, CAP_MORE = 16, CAP_BYTES_MORE = 20
};
enum { TYPE_COMMON = 1, TYPE_NOTIFY, TYPE_ISR, TYPE_DEVICE, TYPE_PCI };

static uint32_t
get (const uint8_t *at, unsigned size)
{
  uint32_t value = 0;
  for (unsigned i = 0; i < size; i++)
    value |= (uint32_t) at[i] << 8 * i;
  return value;
}

static void
put (uint8_t *at, uint32_t value)
{
  for (unsigned i = 0; i < 4; i++)
    at[i] = (uint8_t) (value >> 8 * i);
}

/* --- interrupts ------------------------------------------------------------------------------- */

unsigned
pci_n_messages (const BpVirtioDevice *d)
{
  const BpPciBusIface *pci = pci_of (d);
  return BP_TABLE_HAS (pci, n_messages) ? pci->n_messages (pci_bus_of (d), place_of (d)->slot) : 0;
}

void
pci_update_pin (BpVirtioDevice *d)
{
  pci_of (d)->set_interrupt (pci_bus_of (d), place_of (d)->slot, d->state->isr && !pci_n_messages (d));
}

static void
interrupt (BpVirtioDevice *d, int queue)
{
  uint16_t vector = queue == CONFIG_INTERRUPT ? d->state->config_vector : d->queues[queue].s->vector;
  unsigned n = pci_n_messages (d);
  if (!n) {
    pci_update_pin (d);
    return;
  }
  d->state->isr &= (uint8_t) ~ISR_QUEUE;        /* the vector says which */
  if (vector < n)
    pci_of (d)->message (pci_bus_of (d), place_of (d)->slot, vector);
}

static void
registers_changed (BpVirtioDevice *d)
{
  if (place_of (d))
    pci_update_pin (d);
}

/* --- configuration space ------------------------------------------------------------------------ */

/* The register that configuration cycles are to reach: for firmware that cannot reach memory there (4.1.4.9). */
static bool
window (const PciPlace *p, unsigned offset, unsigned *at, unsigned *size)
{
  if (!p->device || !p->config_window || offset < p->config_window + CAP_MORE || offset >= p->config_window + CAP_BYTES_MORE)
    return false;
  const uint8_t *c = pci_of (p->device)->config (p->bus->bus.instance, p->slot) + p->config_window;
  *at = get (c + CAP_OFFSET, 4);
  *size = get (c + CAP_SIZE, 4);
  return c[CAP_BAR] == BAR_NUMBER && (*size == 1 || *size == 2 || *size == 4) && *at < REGISTERS_SIZE && *at % *size == 0;
}

static bool
config_read (void *self, unsigned offset, unsigned size, uint32_t *value)
{
  PciPlace *p = self;
  unsigned at, bytes;
  if (!window (p, offset, &at, &bytes))
    return false;
  *value = (uint32_t) pci_register_read (p->device, at, bytes);
  return true;
}

static void
config_written (void *self, unsigned offset, unsigned size)
{
  PciPlace *p = self;
  BpVirtioDevice *d = p->device;
  unsigned at, bytes;
  if (!d)
    return;
  const uint8_t *c = pci_of (d)->config (p->bus->bus.instance, p->slot);
  if (size <= 4 && window (p, offset, &at, &bytes))
    pci_register_write (d, at, get (c + p->config_window + CAP_MORE, bytes), bytes);
  pci_update_pin (d);
  /* It may master the bus now, and had to wait for that. */
  if (offset <= COMMAND && offset + size > COMMAND && size <= 4 && !d->waits && get (c + COMMAND, 2) & COMMAND_MASTER)
    device_go_on (d);
}

static unsigned
add_capability (BpVirtioDevice *d, unsigned type, uint32_t offset, uint32_t length, uint32_t more)
{
  const BpPciBusIface *pci = pci_of (d);
  PciPlace *p = place_of (d);
  unsigned size = type == TYPE_NOTIFY || type == TYPE_PCI ? CAP_BYTES_MORE : CAP_BYTES;
  unsigned at = pci->add_capability (pci_bus_of (d), p->slot, CAPABILITY_VENDOR, size);
  if (!at)
    return 0;
  uint8_t *c = pci->config (pci_bus_of (d), p->slot) + at;
  c[CAP_LENGTH] = (uint8_t) size;
  c[CAP_TYPE] = (uint8_t) type;
  c[CAP_BAR] = BAR_NUMBER;
  put (c + CAP_OFFSET, offset);
  put (c + CAP_SIZE, length);
  if (size > CAP_BYTES)
    put (c + CAP_MORE, more);
  return at;
}

static bool
add_capabilities (BpVirtioDevice *d, GError **error)
{
  const BpPciBusIface *pci = pci_of (d);
  PciPlace *p = place_of (d);
  bool room = add_capability (d, TYPE_COMMON, COMMON_AT, COMMON_SIZE, 0) && add_capability (d, TYPE_ISR, ISR_AT, 1, 0)
              && add_capability (d, TYPE_NOTIFY, NOTIFY_AT, NOTIFY_EACH * MAX (d->n_queues, 1), NOTIFY_EACH)
              && (!d->function.config_size || add_capability (d, TYPE_DEVICE, CONFIG_AT, d->function.config_size, 0))
              && (p->config_window = add_capability (d, TYPE_PCI, 0, 0, 0));
  if (!room) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "there is no room for its capabilities in configuration space");
    return false;
  }
  uint8_t *writable = pci->write_mask (pci_bus_of (d), p->slot) + p->config_window;
  writable[CAP_BAR] = 0xff;
  for (unsigned i = CAP_OFFSET; i < CAP_BYTES_MORE; i++)
    writable[i] = 0xff;
  return true;
}

/* --- devices come and go -------------------------------------------------------------------------- */

/* What else it is to systems that go by the class (PCI Code and ID Assignment 1.11). */
static uint32_t
class_of (const BpVirtioFunction *f)
{
  static const uint32_t classes[] = { [1] = 0x020000, [2] = 0x018000, [3] = 0x078000, [5] = 0x058000, [8] = 0x010000, [9] = 0x018000, [16] = 0x038000,
                                      [18] = 0x098000, [19] = 0x028000, [24] = 0x058000, [26] = 0x018000, [27] = 0x058000 };
  if (f->pci_class)
    return f->pci_class;
  return f->device_id < G_N_ELEMENTS (classes) && classes[f->device_id] ? classes[f->device_id] : 0xff0000;
}

static bool
add_function (PciPlace *p, unsigned number, const BpVirtioFunction *f, GError **error)
{
  const BpPciBusIface *pci = p->bus->bus.table;
  uint32_t class = class_of (f);
  uint16_t legacy_id = p->ports ? pci_legacy_id (f->device_id) : 0;
  BpPciFunction function = { .struct_size = sizeof function, .vendor_id = VENDOR, .device_id = (uint16_t) (DEVICE_BASE + f->device_id), .revision = 1,
                             .class_code = (uint8_t) (class >> 16), .subclass = (uint8_t) (class >> 8), .prog_if = (uint8_t) class,
                             .subsystem_vendor_id = VENDOR, .subsystem_id = SUBSYSTEM, .interrupt_pin = 1, .self = p, .config_read = config_read,
                             .config_written = config_written };
  if (legacy_id) {              /* 4.1.2.2: a transitional device; its driver knows it by the subsystem */
    function.device_id = legacy_id;
    function.revision = 0;
    function.subsystem_id = (uint16_t) f->device_id;
    function.bars[PORTS_BAR] = (BpPciBar) { p->ports, BP_PCI_BAR_IO };
  }
  function.bars[BAR_NUMBER] = (BpPciBar) { p->bar, BP_PCI_BAR_MEMORY | BP_PCI_BAR_64BIT };
  p->slot = pci->add (p->bus->bus.instance, number, &function, error);
  return p->slot != NULL;
}

static void
set_doorbells (BpVirtioDevice *d, void (*change) (BpRegion *region, const BpDoorbell *doorbell))
{
  if (d->bus->sync)
    return;
  bp_memory_begin ();
  for (unsigned i = 0; i < d->n_queues; i++) {
    BpDoorbell bell = { .struct_size = sizeof bell, .offset = ((uint64_t) d->number << REGISTERS_SHIFT) + NOTIFY_AT + i * (uint64_t) NOTIFY_EACH,
                        .fd = d->queues[i].kick_fd };
    change (place_of (d)->bus->registers, &bell);
    bell = (BpDoorbell) { .struct_size = sizeof bell, .size = 2, .offset = ((uint64_t) d->number << PORTS_SHIFT) + PORTS_NOTIFY, .value = i, .match = true,
                          .fd = d->queues[i].kick_fd };
    if (place_of (d)->ports)
      change (place_of (d)->bus->ports, &bell);
  }
  bp_memory_commit ();
}

static bool
add_messages (PciPlace *p, GError **error)
{
  const BpPciBusIface *pci = p->bus->bus.table;
  p->vectors = BP_TABLE_HAS (pci, add_msix) ? MIN (p->bus->vectors, p->device->n_queues + 1) : 0;
  return !p->vectors || pci->add_msix (p->bus->bus.instance, p->slot, p->vectors, BAR_NUMBER, p->bar, TABLE_AT, PENDING_AT, error);
}

/* Its address space goes with the function, and whatever is under way before that. */
static void
drop (PciPlace *p)
{
  BpVirtioDevice *d = p->device;
  const BpPciBusIface *pci = p->bus->bus.table;
  if (d) {
    device_stop (d);
    guest_memory_finish (&d->memory);
    p->device = NULL;
  }
  if (p->slot)
    pci->remove (p->bus->bus.instance, p->slot);
  bp_region_free (p->window);
  bp_region_free (p->bar);
  bp_region_free (p->ports);
  if (d) {
    d->place = NULL;
    virtio_device_free (d);
  }
  g_free (p);
}

static bool
add_device (PciPlace *p, unsigned number, const char *address, const BpVirtioFunction *f, GError **error)
{
  VirtioPci *v = p->bus;
  const BpPciBusIface *pci = v->bus.table;
  p->bar = bp_region_new_container (v, address, BAR_SIZE);
  p->window = bp_region_new_alias (v, "registers", v->registers, (uint64_t) number << REGISTERS_SHIFT, REGISTERS_SIZE);
  bp_region_add (p->bar, 0, p->window, 0);
  if (v->legacy && pci_legacy_id (f->device_id))
    p->ports = bp_region_new_alias (v, "ports", v->ports, (uint64_t) number << PORTS_SHIFT, PORTS_SIZE);
  if (!add_function (p, number, f, error))
    return false;
  BpVirtioDevice *d = virtio_device_new (&v->common, number, address, f, pci->dma (v->bus.instance, p->slot), error);
  if (!d)
    return false;
  d->place = p;
  p->device = d;
  return add_capabilities (d, error) && add_messages (p, error);
}

static void
bus_remove (void *self, BpVirtioDevice *d)
{
  set_doorbells (d, bp_region_remove_doorbell);
  drop (d->place);
}

/* Functions that may leave are told to the bus; it tells the guest when the machine runs. */
static bool
plug (BpVirtioDevice *d, GError **error)
{
  VirtioPci *v = (VirtioPci *) d->bus;
  const BpPciBusIface *pci = v->bus.table;
  if (!d->function.owner)
    return true;
  if (BP_TABLE_HAS (pci, hot_plug))
    return pci->hot_plug (v->bus.instance, place_of (d)->slot, d->function.owner, error);
  if (d->bus->is_up)
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the PCI bus `%s' takes no functions while the machine runs", bp_object_id (v->bus.instance));
  return !d->bus->is_up;
}

static BpVirtioDevice *
bus_add (void *self, const char *address, const BpVirtioFunction *function, GError **error)
{
  int number = bp_pci_address_parse (address);
  if (number < 0 || number >= FUNCTIONS) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "address = %s is not a place on a PCI bus; write DEVICE.FUNCTION, as in 05.0", address ? address : "");
    return NULL;
  }
  if (function->device_id > DEVICES_MOST) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "a virtio device %u has no PCI device ID: there are those of 1 to %u", function->device_id, DEVICES_MOST);
    return NULL;
  }
  PciPlace *p = g_new0 (PciPlace, 1);
  p->bus = self;
  if (!add_device (p, (unsigned) number, address, function, error)) {
    drop (p);
    return NULL;
  }
  set_doorbells (p->device, bp_region_add_doorbell);
  if (!plug (p->device, error)) {
    bus_remove (self, p->device);
    return NULL;
  }
  return p->device;
}

/* Before the first instruction nobody has seen it. */
static BpRemoval
bus_removal (void *self, BpVirtioDevice *d, GError **error)
{
  VirtioPci *v = self;
  const BpPciBusIface *pci = v->bus.table;
  if (bp_machine_run_state (v->common.machine) == BP_RUN_PRELAUNCH)
    return BP_REMOVAL_NOW;
  if (BP_TABLE_HAS (pci, ask))
    return pci->ask (v->bus.instance, place_of (d)->slot, error) ? BP_REMOVAL_ASKED : BP_REMOVAL_REFUSED;
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the PCI bus `%s' cannot ask the guest to let go of a function", bp_object_id (v->bus.instance));
  return BP_REMOVAL_REFUSED;
}

/* --- life cycle: configure, reset ----------------------------------------------------------------------- */

static bool
pci_configure (void *self, GError **error)
{
  VirtioPci *v = self;
  v->common.interrupt = interrupt;
  v->common.registers_changed = registers_changed;
  v->registers = bp_region_new_io (self, "registers", &pci_register_ops, (uint64_t) FUNCTIONS << REGISTERS_SHIFT);
  v->ports = bp_region_new_io (self, "ports", &pci_port_ops, (uint64_t) FUNCTIONS << PORTS_SHIFT);
  virtio_bus_init (&v->common);
  return true;
}

static void
pci_unrealize (void *self)
{
  VirtioPci *v = self;
  virtio_bus_finish (&v->common);
  bp_region_free (v->registers);
  bp_region_free (v->ports);
  v->registers = v->ports = NULL;
}

static void pci_reset (void *self, BpResetKind kind) { virtio_bus_reset (self); }
static bool pci_post_load (void *self, GError **error) { return virtio_bus_post_load (self, error); }

/* --- tables: properties, saved fields, interface, type -------------------------------------------------- */

static const BpProperty pci_properties[] = {
  BP_PROP_LINK ("bus", VirtioPci, bus, BP_PCI_BUS_ID, BP_PROPERTY_REQUIRED, "The PCI bus whose functions the devices are."),
  BP_PROP_INT_ ("vectors", BP_PROPERTY_U32, VirtioPci, vectors, 1025, 0, 1025,
                "MSI-X vectors that each device has at most: one for its configuration and one for each queue are of use; 0: it has its interrupt pin alone."),
  BP_PROP_BOOL ("legacy", VirtioPci, legacy, false,
                "Devices that drivers older than virtio 1.0 know (network, disk, console, entropy, balloon, SCSI, 9P) are transitional: they have those drivers' "
                "device IDs and ports too."),
  VIRTIO_BUS_PROPERTIES (VirtioPci), BP_PROP_END
};
static const BpStateField pci_state[] = { VIRTIO_BUS_STATE (VirtioPci), BP_STATE_END };
static const BpVirtioBusIface pci_iface = { .struct_size = sizeof pci_iface, .add = bus_add, .remove = bus_remove, .removal = bus_removal, VIRTIO_BUS_IFACE };
static const BpInterfaceDesc pci_interfaces[] = { { BP_VIRTIO_BUS_ID, &pci_iface }, { NULL, NULL } };

const BpTypeDesc virtio_pci_type = {
  BP_TYPE ("virtio-pci", BP_KIND_DEVICE, VirtioPci),
  .description = "Bus of virtio devices, each a function of a PCI bus",
  .properties = pci_properties,
  .interfaces = pci_interfaces,
  .state_version = 1,
  .state_minimum = 1,
  .state = pci_state,
  .configure = pci_configure,
  .unrealize = pci_unrealize,
  .reset = pci_reset,
  .post_load = pci_post_load,
};
