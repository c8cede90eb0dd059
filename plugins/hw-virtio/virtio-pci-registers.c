/* virtio-pci-registers.c -- registers of a virtio function on PCI (VIRTIO 1.2, 4.1.4): common configuration, ISR status, device configuration, kicks. */
/* SPDX-License-Identifier: MIT */
#include <backplane/log.h>
#include "virtio-pci.h"

enum {                          /* 4.1.4.3 */
  DEVICE_FEATURE_SELECT = 0x00, DEVICE_FEATURE = 0x04, DRIVER_FEATURE_SELECT = 0x08, DRIVER_FEATURE = 0x0c, CONFIG_VECTOR = 0x10, NUM_QUEUES = 0x12,
  DEVICE_STATUS = 0x14, CONFIG_GENERATION = 0x15, QUEUE_SELECT = 0x16, QUEUE_SIZE = 0x18, QUEUE_VECTOR = 0x1a, QUEUE_ENABLE = 0x1c, QUEUE_NOTIFY_OFF = 0x1e,
  QUEUE_DESC = 0x20, QUEUE_DRIVER = 0x28, QUEUE_DEVICE = 0x30
};

/* --- common configuration ------------------------------------------------------------------- */

static uint64_t address_half (uint64_t address, unsigned offset) { return offset & 4 ? address >> 32 : (uint32_t) address; }

static uint32_t
queue_word (BpVirtioDevice *d, unsigned offset)
{
  const Queue *q = device_selected (d);
  if (!q)
    return offset == QUEUE_SIZE ? (uint32_t) NO_VECTOR << 16 : 0;
  const QueueState *s = q->s;
  switch (offset & ~7u) {
  case QUEUE_DESC: return (uint32_t) address_half (s->descriptors, offset);
  case QUEUE_DRIVER: return (uint32_t) address_half (s->driver, offset);
  case QUEUE_DEVICE: return (uint32_t) address_half (s->device, offset);
  default: return offset == QUEUE_SIZE ? s->size | (uint32_t) s->vector << 16 : s->enabled | (uint32_t) q->index << 16;
  }
}

/* The four bytes at a multiple of four. */
static uint32_t
common_word (BpVirtioDevice *d, unsigned offset)
{
  const DeviceState *s = d->state;
  switch (offset) {
  case DEVICE_FEATURE_SELECT: return s->feature_select;
  case DEVICE_FEATURE: return device_offered (d, s->feature_select);
  case DRIVER_FEATURE_SELECT: return s->driver_feature_select;
  case DRIVER_FEATURE: return device_driver_features (d, s->driver_feature_select);
  case CONFIG_VECTOR: return s->config_vector | d->n_queues << 16;
  case DEVICE_STATUS: return device_status (d) | (s->config_generation & 0xff) << 8 | (uint32_t) s->queue_select << 16;
  default: return offset < COMMON_SIZE ? queue_word (d, offset) : 0;
  }
}

/* A vector that is not there reads back as none (4.1.5.1.2.1). */
uint16_t
pci_vector_or_none (const BpVirtioDevice *d, uint16_t vector)
{
  return vector < place_of (d)->vectors ? vector : NO_VECTOR;
}

static void
set_address (uint64_t *address, unsigned offset, uint32_t value)
{
  *address = offset & 4 ? (uint32_t) *address | (uint64_t) value << 32 : (*address & ~UINT64_C (0xffffffff)) | value;
}

static bool
queue_write (BpVirtioDevice *d, unsigned offset, uint32_t value, unsigned size)
{
  Queue *q = device_selected (d);
  if (!q)
    return true;                /* there is no such queue: nothing to write to */
  if (offset >= QUEUE_DESC) {
    if (size != 4 || q->s->enabled)
      return false;
    unsigned area = offset & ~7u;
    set_address (area == QUEUE_DESC ? &q->s->descriptors : area == QUEUE_DRIVER ? &q->s->driver : &q->s->device, offset, value);
    return true;
  }
  if (size != 2)
    return false;
  switch (offset) {
  case QUEUE_SIZE: queue_set_size (q, value); return true;
  case QUEUE_VECTOR: q->s->vector = pci_vector_or_none (d, (uint16_t) value); return true;
  case QUEUE_ENABLE:
    if (value == 1)
      queue_set_enabled (q, true);
    return value == 1;
  default: return false;
  }
}

static bool
common_write (BpVirtioDevice *d, unsigned offset, uint32_t value, unsigned size)
{
  DeviceState *s = d->state;
  switch (offset << 4 | size) {
  case DEVICE_FEATURE_SELECT << 4 | 4: s->feature_select = value; return true;
  case DRIVER_FEATURE_SELECT << 4 | 4: s->driver_feature_select = value; return true;
  case DRIVER_FEATURE << 4 | 4: device_set_driver_features (d, s->driver_feature_select, value); return true;
  case CONFIG_VECTOR << 4 | 2: s->config_vector = pci_vector_or_none (d, (uint16_t) value); return true;
  case DEVICE_STATUS << 4 | 1: device_set_status (d, (uint8_t) value); return true;
  case QUEUE_SELECT << 4 | 2: s->queue_select = (uint16_t) value; return true;
  default: return offset >= QUEUE_SIZE && offset < COMMON_SIZE && queue_write (d, offset, value, size);
  }
}

/* --- all of them ------------------------------------------------------------------------------- */

/* Reading takes the status back, and with it the pin (4.1.4.5). */
uint32_t
pci_read_isr (BpVirtioDevice *d)
{
  uint8_t isr = d->state->isr;
  d->state->isr = 0;
  pci_update_pin (d);
  return isr;
}

uint64_t
pci_register_read (BpVirtioDevice *d, unsigned offset, unsigned size)
{
  if (offset >= CONFIG_AT && offset < NOTIFY_AT)
    return device_config_read (d, offset - CONFIG_AT, size);
  if (offset >= COMMON_AT + COMMON_SIZE)
    return offset == ISR_AT ? pci_read_isr (d) : 0;
  return common_word (d, offset & ~3u) >> 8 * (offset & 3) & UINT64_MAX >> (64 - 8 * size);
}

void
pci_register_write (BpVirtioDevice *d, unsigned offset, uint64_t value, unsigned size)
{
  if (offset >= NOTIFY_AT)
    device_kick (d, (offset - NOTIFY_AT) / NOTIFY_EACH);
  else if (offset >= CONFIG_AT)
    device_config_write (d, offset - CONFIG_AT, value, size);
  else if (offset >= COMMON_SIZE || !common_write (d, offset, (uint32_t) value, size))
    bp_log_guest (d->bus, "%s: a write of 0x%x, %u bytes, to its register 0x%x", d->address, (unsigned) value, size, offset);
}

static uint64_t
registers_read (void *self, uint64_t offset, unsigned size)
{
  BpVirtioDevice *d = virtio_bus_device (self, (uint32_t) (offset >> REGISTERS_SHIFT));
  return d ? pci_register_read (d, offset & (REGISTERS_SIZE - 1), size) : UINT64_MAX;
}

static void
registers_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  BpVirtioDevice *d = virtio_bus_device (self, (uint32_t) (offset >> REGISTERS_SHIFT));
  if (d)
    pci_register_write (d, offset & (REGISTERS_SIZE - 1), value, size);
}

const BpRegionOps pci_register_ops = BP_REGION_OPS (.read = registers_read, .write = registers_write, .impl_min = 1, .impl_max = 4);
