/* virtio-mmio.c -- a bus of virtio devices with memory-mapped registers (VIRTIO 1.2, 4.2): slots of a window, a pin each. */
/* SPDX-License-Identifier: MIT */
#include "virtio.h"
#include <backplane/iface/acpi.h>
#include <backplane/log.h>

/* --- registers -------------------------------------------------------------- */

enum {                          /* 4.2.2 */
  MAGIC = 0x000, VERSION = 0x004, DEVICE_ID = 0x008, VENDOR_ID = 0x00c, DEVICE_FEATURES = 0x010, DEVICE_FEATURES_SELECT = 0x014, DRIVER_FEATURES = 0x020,
  DRIVER_FEATURES_SELECT = 0x024, QUEUE_SELECT = 0x030, QUEUE_NUM_MAX = 0x034, QUEUE_NUM = 0x038, QUEUE_READY = 0x044, QUEUE_NOTIFY = 0x050,
  INTERRUPT_STATUS = 0x060, INTERRUPT_ACK = 0x064, STATUS = 0x070, QUEUE_DESC = 0x080, QUEUE_DRIVER = 0x090, QUEUE_DEVICE = 0x0a0, MEMORY_SELECT = 0x0ac,
  MEMORY_LENGTH = 0x0b0, MEMORY_BASE = 0x0b8, CONFIG_GENERATION = 0x0fc, CONFIG = 0x100
};
enum { SLOT_SHIFT = 12, SLOT_SIZE = 1 << SLOT_SHIFT, SLOTS = 32 };
#define MAGIC_VALUE 0x74726976u         /* "virt" */
#define VENDOR_VALUE 0x4e4c5042u        /* "BPLN" */

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct VirtioMmio {
  VirtioBus common;
  BpPin *irq[SLOTS];
  uint32_t gsi;
  BpRegion *registers;
} VirtioMmio;

/* --- guest access ----------------------------------------------------------- */

static void update_pin (BpVirtioDevice *d) { bp_pin_set (((VirtioMmio *) d->bus)->irq[d->number], d->state->isr != 0); }
static void interrupt (BpVirtioDevice *d, int queue) { update_pin (d); }

static uint64_t *
address_of (const Queue *q, unsigned offset)
{
  QueueState *s = q->s;
  switch (offset & ~7u) {
  case QUEUE_DESC: return &s->descriptors;
  case QUEUE_DRIVER: return &s->driver;
  case QUEUE_DEVICE: return &s->device;
  default: return NULL;
  }
}

static uint32_t
read_register (BpVirtioDevice *d, unsigned offset)
{
  const DeviceState *s = d->state;
  const Queue *q = device_selected (d);
  switch (offset) {
  case DEVICE_ID: return d->function.device_id;
  case DEVICE_FEATURES: return device_offered (d, s->feature_select);
  case QUEUE_NUM_MAX: return q ? q->size_most : 0;
  case QUEUE_READY: return q && q->s->enabled;
  case INTERRUPT_STATUS: return s->isr;
  case STATUS: return device_status (d);
  case CONFIG_GENERATION: return s->config_generation;
  case MEMORY_LENGTH: case MEMORY_LENGTH + 4: case MEMORY_BASE: case MEMORY_BASE + 4: return UINT32_MAX;   /* no shared memory (4.2.2.1) */
  default: return 0;
  }
}

static uint64_t
registers_read (void *self, uint64_t offset, unsigned size)
{
  VirtioMmio *m = self;
  BpVirtioDevice *d = virtio_bus_device (&m->common, (uint32_t) (offset >> SLOT_SHIFT));
  unsigned at = offset & (SLOT_SIZE - 1);
  if (at >= CONFIG)
    return d ? device_config_read (d, at - CONFIG, size) : 0;
  if (size != 4 || at % 4) {
    bp_log_guest (self, "slot %u: %u bytes read at 0x%x: registers have four", (unsigned) (offset >> SLOT_SHIFT), size, at);
    return 0;
  }
  switch (at) {
  case MAGIC: return MAGIC_VALUE;
  case VERSION: return 2;
  case VENDOR_ID: return VENDOR_VALUE;
  default: return d ? read_register (d, at) : 0;        /* device id 0: the slot is empty */
  }
}

static bool
write_queue_register (Queue *q, unsigned offset, uint32_t value)
{
  uint64_t *address = address_of (q, offset);
  if (offset == QUEUE_NUM)
    queue_set_size (q, value);
  else if (offset == QUEUE_READY)
    queue_set_enabled (q, value & 1);
  else if (!address || q->s->enabled)
    return false;
  else
    *address = offset & 4 ? (uint32_t) *address | (uint64_t) value << 32 : (*address & ~UINT64_C (0xffffffff)) | value;
  return true;
}

static bool
write_register (BpVirtioDevice *d, unsigned offset, uint32_t value)
{
  DeviceState *s = d->state;
  Queue *q = device_selected (d);
  switch (offset) {
  case DEVICE_FEATURES_SELECT: s->feature_select = value; return true;
  case DRIVER_FEATURES: device_set_driver_features (d, s->driver_feature_select, value); return true;
  case DRIVER_FEATURES_SELECT: s->driver_feature_select = value; return true;
  case QUEUE_SELECT: s->queue_select = (uint16_t) MIN (value, UINT16_MAX); return true;
  case QUEUE_NOTIFY: device_kick (d, value); return true;
  case STATUS: device_set_status (d, (uint8_t) value); return true;
  case MEMORY_SELECT: return true;
  case INTERRUPT_ACK:
    s->isr &= (uint8_t) ~value;
    update_pin (d);
    return true;
  default: return !q || write_queue_register (q, offset, value);
  }
}

static void
registers_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  VirtioMmio *m = self;
  BpVirtioDevice *d = virtio_bus_device (&m->common, (uint32_t) (offset >> SLOT_SHIFT));
  unsigned at = offset & (SLOT_SIZE - 1);
  if (!d)
    return;
  if (at >= CONFIG)
    device_config_write (d, at - CONFIG, value, size);
  else if (size != 4 || at % 4 || !write_register (d, at, (uint32_t) value))
    bp_log_guest (self, "slot %s: a write of 0x%x, %u bytes, to its register 0x%x", d->address, (unsigned) value, size, at);
}

static const BpRegionOps register_ops = BP_REGION_OPS (.read = registers_read, .write = registers_write, .impl_min = 1, .impl_max = 4);

/* --- devices come and go ------------------------------------------------------ */

static void
set_doorbells (BpVirtioDevice *d, void (*change) (BpRegion *region, const BpDoorbell *doorbell))
{
  if (d->bus->sync)
    return;
  bp_memory_begin ();
  for (unsigned i = 0; i < d->n_queues; i++) {
    BpDoorbell bell = { .struct_size = sizeof bell, .size = 4, .offset = ((uint64_t) d->number << SLOT_SHIFT) + QUEUE_NOTIFY, .value = i, .match = true,
                        .fd = d->queues[i].kick_fd };
    change (((VirtioMmio *) d->bus)->registers, &bell);
  }
  bp_memory_commit ();
}

static BpVirtioDevice *
bus_add (void *self, const char *address, const BpVirtioFunction *function, GError **error)
{
  VirtioMmio *m = self;
  guint64 slot;
  if (!address || !g_ascii_string_to_unsigned (address, 10, 0, SLOTS - 1, &slot, NULL)) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "address = %s is not a slot of `%s': 0 to %u", address ? address : "", bp_object_id (self), SLOTS - 1);
    return NULL;
  }
  if (m->common.is_up) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the guest would not be told: devices of `%s', a virtio-mmio, are there from the start; those of a virtio-pci come and go",
                 bp_object_id (self));
    return NULL;
  }
  if (virtio_bus_device (&m->common, (uint32_t) slot)) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "slot %s of `%s' is taken", address, bp_object_id (self));
    return NULL;
  }
  if (function->config_size > SLOT_SIZE - CONFIG) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "its configuration of %u bytes does not fit into a slot, which has %u", function->config_size,
                 SLOT_SIZE - CONFIG);
    return NULL;
  }
  BpAddressSpace *memory = bp_machine_address_space (bp_object_machine (self), "memory");
  BpVirtioDevice *d = virtio_device_new (&m->common, (uint32_t) slot, address, function, memory, error);
  if (d)
    set_doorbells (d, bp_region_add_doorbell);
  return d;
}

static void
bus_remove (void *self, BpVirtioDevice *d)
{
  set_doorbells (d, bp_region_remove_doorbell);
  device_reset (d);             /* takes the pin down */
  virtio_device_free (d);
}

static BpRemoval
bus_removal (void *self, BpVirtioDevice *d, GError **error)
{
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the guest cannot be asked: devices of `%s', a virtio-mmio, are there to the end; those of a virtio-pci come and go",
               bp_object_id (self));
  return BP_REMOVAL_REFUSED;
}

/* --- firmware's tables ----------------------------------------------------------- */

typedef struct Place {
  const BpRegion *region;
  uint64_t address;             /* 0: it is mapped nowhere */
} Place;

static void
look (void *user, const BpFlatRange *range)
{
  Place *p = user;
  if (range->region == p->region && !p->address)
    p->address = range->address - range->region_offset;
}

static uint64_t
mapped_at (const VirtioMmio *m)
{
  static const BpMemoryListener listener = { .struct_size = sizeof listener, .add = look };
  BpAddressSpace *memory = bp_machine_address_space (m->common.machine, "memory");
  Place place = { m->registers, 0 };
  bp_as_unlisten (memory, bp_as_listen (memory, &listener, &place));    /* tells what there is */
  return place.address;
}

static bool
acpi_device (void *self, unsigned n, BpAcpiDevice *out)
{
  const VirtioMmio *m = self;
  uint64_t base = mapped_at (m);
  if (n >= m->common.devices->len || m->gsi == BP_ACPI_NO_INTERRUPT || !base)
    return false;
  uint32_t slot = ((const BpVirtioDevice *) g_ptr_array_index (m->common.devices, n))->number;
  BpAcpiDevice d = { .struct_size = out->struct_size, .interrupt = m->gsi + slot, .hid = "LNRO0005", .uid = slot,
                     .address = base + ((uint64_t) slot << SLOT_SHIFT), .size = SLOT_SIZE };
  memcpy (out, &d, MIN (out->struct_size, sizeof d));
  return true;
}

/* --- life cycle: configure, reset --------------------------------------------- */

static bool
mmio_configure (void *self, GError **error)
{
  VirtioMmio *m = self;
  m->common.interrupt = interrupt;
  m->common.registers_changed = update_pin;
  virtio_bus_init (&m->common);
  return true;
}

static void mmio_unrealize (void *self) { virtio_bus_finish (self); }
static void mmio_reset (void *self, BpResetKind kind) { virtio_bus_reset (self); }
static bool mmio_post_load (void *self, GError **error) { return virtio_bus_post_load (self, error); }

/* --- tables: properties, pins, regions, saved fields, interface, type ----------- */

static const BpProperty mmio_properties[] = {
  VIRTIO_BUS_PROPERTIES (VirtioMmio),
  BP_PROP_U32 ("gsi", VirtioMmio, gsi, BP_ACPI_NO_INTERRUPT,
               "Global system interrupt that irq0 is wired to (with one I/O APIC, its input), irq1 to the next and so on: ACPI tables then name the devices.  Not "
               "given: they do not."),
  BP_PROP_END
};
static const BpPinDesc mmio_pins[] = {
  BP_PIN_DESC_OUTS ("irq", VirtioMmio, irq, SLOTS, 0, "Interrupt of the device in each slot; level-triggered."), BP_PIN_DESC_END
};
static const BpRegionDesc mmio_regions[] = {
  BP_REGION_DESC ("mmio0", VirtioMmio, registers, &register_ops, (uint64_t) SLOTS << SLOT_SHIFT, "The slots' registers: slot n is at n * 0x1000."),
  BP_REGION_DESC_END
};
static const BpStateField mmio_state[] = { VIRTIO_BUS_STATE (VirtioMmio), BP_STATE_END };
static const BpVirtioBusIface mmio_iface = { .struct_size = sizeof mmio_iface, .add = bus_add, .remove = bus_remove, .removal = bus_removal, VIRTIO_BUS_IFACE };
static const BpAcpiIface mmio_acpi = { .struct_size = sizeof mmio_acpi, .device = acpi_device };
static const BpInterfaceDesc mmio_interfaces[] = { { BP_VIRTIO_BUS_ID, &mmio_iface }, { BP_ACPI_ID, &mmio_acpi }, { NULL, NULL } };

const BpTypeDesc virtio_mmio_type = {
  BP_TYPE ("virtio-mmio", BP_KIND_DEVICE, VirtioMmio),
  .description = "Bus of virtio devices with memory-mapped registers",
  .properties = mmio_properties,
  .pins = mmio_pins,
  .regions = mmio_regions,
  .interfaces = mmio_interfaces,
  .state_version = 1,
  .state_minimum = 1,
  .state = mmio_state,
  .configure = mmio_configure,
  .unrealize = mmio_unrealize,
  .reset = mmio_reset,
  .post_load = mmio_post_load,
};
