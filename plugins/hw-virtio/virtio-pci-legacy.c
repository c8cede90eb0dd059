/* virtio-pci-legacy.c -- ports of a transitional virtio function, for drivers older than VIRTIO 1.0 (VIRTIO 1.2, 4.1.4.10 and 2.7.2). */
/* SPDX-License-Identifier: MIT */
#include <backplane/log.h>
#include "virtio-pci.h"

enum {
  HOST_FEATURES = 0x00, GUEST_FEATURES = 0x04, QUEUE_ADDRESS = 0x08, QUEUE_SIZE = 0x0c, QUEUE_SELECT = 0x0e, QUEUE_NOTIFY = 0x10, DEVICE_STATUS = 0x12,
  ISR_STATUS = 0x13, CONFIG_VECTOR = 0x14, QUEUE_VECTOR = 0x16
};
enum { RING_PAGE = 4096 };

/* The vectors are there while MSI-X is on, and the device's configuration begins behind them. */
static unsigned config_at (BpVirtioDevice *d) { return pci_n_messages (d) ? 0x18 : 0x14; }

/* --- queues --------------------------------------------------------------------------------- */

/* One span of memory: descriptors, available ring, and the used ring on the next page (2.7.2).  A queue that is on, perhaps of another size, is another one. */
static void
set_address (Queue *q, uint32_t page)
{
  QueueState *s = q->s;
  queue_set_enabled (q, false);
  if (!page)
    return;
  s->size = q->size_most;
  s->descriptors = (uint64_t) page * RING_PAGE;
  s->driver = s->descriptors + 16u * s->size;
  s->device = (s->driver + 6u + 2u * s->size + RING_PAGE - 1) & ~(uint64_t) (RING_PAGE - 1);
  queue_set_enabled (q, true);
}

/* --- guest access ------------------------------------------------------------------------------ */

static uint32_t
read_word (BpVirtioDevice *d, unsigned offset)
{
  const DeviceState *s = d->state;
  const Queue *q = device_selected (d);
  switch (offset) {
  case HOST_FEATURES: return device_offered (d, 0) | FEATURE_BIT (FEATURE_ANY_LAYOUT);
  case GUEST_FEATURES: return device_driver_features (d, 0);
  case QUEUE_ADDRESS: return q && q->s->enabled ? (uint32_t) (q->s->descriptors / RING_PAGE) : 0;
  case QUEUE_SIZE: return (q ? q->size_most : 0) | (uint32_t) s->queue_select << 16;
  case QUEUE_NOTIFY: return (uint32_t) device_status (d) << 16;
  default: return s->config_vector | (uint32_t) (q ? q->s->vector : NO_VECTOR) << 16;
  }
}

static uint64_t
pci_legacy_read (BpVirtioDevice *d, unsigned offset, unsigned size)
{
  if (offset >= config_at (d))
    return device_config_read (d, offset - config_at (d), size);
  if (offset == ISR_STATUS)
    return pci_read_isr (d);
  return read_word (d, offset & ~3u) >> 8 * (offset & 3) & UINT64_MAX >> (64 - 8 * size);
}

static void
set_features (BpVirtioDevice *d, uint32_t bits)
{
  d->state->legacy = true;
  device_set_driver_features (d, 0, bits & (uint32_t) ~FEATURE_BIT (FEATURE_ANY_LAYOUT));
}

static bool
write_register (BpVirtioDevice *d, unsigned offset, uint32_t value, unsigned size)
{
  Queue *q = device_selected (d);
  switch (offset << 4 | size) {
  case GUEST_FEATURES << 4 | 4: set_features (d, value); return true;
  case QUEUE_SELECT << 4 | 2: d->state->queue_select = (uint16_t) value; return true;
  case QUEUE_NOTIFY << 4 | 2: device_kick (d, value); return true;
  case CONFIG_VECTOR << 4 | 2: d->state->config_vector = pci_vector_or_none (d, (uint16_t) value); return true;
  case QUEUE_ADDRESS << 4 | 4:
    if (q)
      set_address (q, value);
    return true;
  case QUEUE_VECTOR << 4 | 2:
    if (q)
      q->s->vector = pci_vector_or_none (d, (uint16_t) value);
    return true;
  case DEVICE_STATUS << 4 | 1:
    d->state->legacy = true;
    device_set_status (d, (uint8_t) value);
    return true;
  default: return false;
  }
}

static void
pci_legacy_write (BpVirtioDevice *d, unsigned offset, uint64_t value, unsigned size)
{
  if (offset >= config_at (d))
    device_config_write (d, offset - config_at (d), value, size);
  else if (!write_register (d, offset, (uint32_t) value, size))
    bp_log_guest (d->bus, "%s: a write of 0x%x, %u bytes, to its port 0x%x", d->address, (unsigned) value, size, offset);
}

static uint64_t
ports_read (void *self, uint64_t offset, unsigned size)
{
  BpVirtioDevice *d = virtio_bus_device (self, (uint32_t) (offset >> PORTS_SHIFT));
  return d ? pci_legacy_read (d, offset & (PORTS_SIZE - 1), size) : UINT64_MAX;
}

static void
ports_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  BpVirtioDevice *d = virtio_bus_device (self, (uint32_t) (offset >> PORTS_SHIFT));
  if (d)
    pci_legacy_write (d, offset & (PORTS_SIZE - 1), value, size);
}

const BpRegionOps pci_port_ops = BP_REGION_OPS (.read = ports_read, .write = ports_write, .impl_min = 1, .impl_max = 4);

/* The number that old drivers look for (4.1.2.1); 0: they know no such device. */
uint16_t
pci_legacy_id (uint32_t device_id)
{
  static const uint16_t ids[] = { [1] = 0x1000, [2] = 0x1001, [3] = 0x1003, [4] = 0x1005, [5] = 0x1002, [8] = 0x1004, [9] = 0x1009 };
  return device_id < G_N_ELEMENTS (ids) ? ids[device_id] : 0;
}
