/* virtio.c -- a driver of virtio devices for tests: registers on PCI and in memory (VIRTIO 1.2, 4.1 and 4.2), start, interrupts. */
/* SPDX-License-Identifier: MIT */
#include "virtio.h"
#include <string.h>

static GSList *drivers;         /* of a process: messages of one bus are told to whom they belong */

/* --- registers ------------------------------------------------------------------------------- */

enum {                          /* of the common configuration on PCI */
  PCI_FEATURE_SELECT = 0x00, PCI_FEATURE = 0x04, PCI_DRIVER_SELECT = 0x08, PCI_DRIVER_FEATURE = 0x0c, PCI_CONFIG_VECTOR = 0x10, PCI_STATUS_AT = 0x14,
  PCI_QUEUE_SELECT = 0x16, PCI_QUEUE_SIZE = 0x18, PCI_QUEUE_VECTOR = 0x1a, PCI_QUEUE_ENABLE = 0x1c, PCI_NOTIFY_OFF = 0x1e, PCI_QUEUE_AREAS = 0x20
};
enum {                          /* in memory */
  MMIO_MAGIC = 0x000, MMIO_DEVICE_ID = 0x008, MMIO_FEATURE = 0x010, MMIO_FEATURE_SELECT = 0x014, MMIO_DRIVER_FEATURE = 0x020, MMIO_DRIVER_SELECT = 0x024,
  MMIO_QUEUE_SELECT = 0x030, MMIO_QUEUE_MOST = 0x034, MMIO_QUEUE_SIZE = 0x038, MMIO_QUEUE_READY = 0x044, MMIO_NOTIFY = 0x050, MMIO_ISR = 0x060, MMIO_ACK = 0x064,
  MMIO_STATUS = 0x070, MMIO_QUEUE_AREAS = 0x080, MMIO_CONFIG = 0x100
};
#define MESSAGE_ADDRESS UINT64_C (0xfee00000)

static uint64_t load (BpTestVirtio *v, uint64_t at, unsigned size) { return (bp_test_load) (v->t, "memory", at, size); }
static void store (BpTestVirtio *v, uint64_t at, uint64_t value, unsigned size) { (bp_test_store) (v->t, "memory", at, value, size); }
static uint64_t reg (BpTestVirtio *v, unsigned pci, unsigned mmio, unsigned pci_size) { return load (v, v->registers + (v->bus ? pci : mmio), v->bus ? pci_size : 4); }
static void
set_reg (BpTestVirtio *v, unsigned pci, unsigned mmio, unsigned pci_size, uint64_t value)
{
  store (v, v->registers + (v->bus ? pci : mmio), value, v->bus ? pci_size : 4);
}

/* --- finding the device ------------------------------------------------------------------------ */

static BpTestVirtio *
driver_new (BpTest *t, uint64_t memory, uint64_t size)
{
  BpTestVirtio *v = g_new0 (BpTestVirtio, 1);
  v->t = t;
  v->memory = v->free_at = memory;
  v->end = memory + size;
  v->queues = g_new0 (TestQueue, VIRTIO_QUEUES);
  drivers = g_slist_prepend (drivers, v);
  return v;
}

static void
learn_capability (BpTestVirtio *v, unsigned at)
{
  uint32_t head = (bp_test_pci_read) (v->t, v->bus, v->function, at, 4), bar = (bp_test_pci_read) (v->t, v->bus, v->function, at + 4, 1);
  if ((head & 0xff) != 9 || head >> 24 == 0 || head >> 24 > 4)
    return;
  uint64_t address = (bp_test_pci_bar) (v->t, v->bus, v->function, bar) + (bp_test_pci_read) (v->t, v->bus, v->function, at + 8, 4);
  uint64_t *const places[] = { NULL, &v->registers, &v->notify, &v->isr, &v->config };
  *places[head >> 24] = address;
  if (head >> 24 == 2)
    v->notify_each = (bp_test_pci_read) (v->t, v->bus, v->function, at + 16, 4);
}

BpTestVirtio *
(bp_test_virtio_pci) (BpTest *t, const char *bus, unsigned function, uint64_t memory, uint64_t size)
{
  BpTestVirtio *v = driver_new (t, memory, size);
  v->bus = bus;
  v->function = function;
  (bp_test_pci_start) (t, bus, function);
  unsigned at = (bp_test_pci_read) (t, bus, function, 0x34, 1);
  for (unsigned n = 0; at && n < 64; n++, at = (bp_test_pci_read) (t, bus, function, at + 1, 1))
    learn_capability (v, at);
  if ((bp_test_pci_read) (t, bus, function, 0, 2) != 0x1af4 || !v->registers || !v->notify || !v->isr)
    (bp_test_fail) ("the function %02x.%u on `%s` is no virtio device", function >> 3, function & 7, bus);
  v->pin = !(bp_test_pci_capability) (t, bus, function, 0x11);
  if (!v->pin)
    (bp_test_pci_use_msix) (t, bus, function, MESSAGE_ADDRESS, function << 12);
  return v;
}

BpTestVirtio *
(bp_test_virtio_mmio) (BpTest *t, uint64_t registers, uint64_t memory, uint64_t size)
{
  BpTestVirtio *v = driver_new (t, memory, size);
  v->registers = registers;
  v->config = registers + MMIO_CONFIG;
  if (load (v, registers + MMIO_MAGIC, 4) != 0x74726976 || !load (v, registers + MMIO_DEVICE_ID, 4))
    (bp_test_fail) ("there is no virtio device at 0x%" G_GINT64_MODIFIER "x", registers);
  return v;
}

void
bp_test_virtio_free (BpTestVirtio *v)
{
  if (!v)
    return;
  drivers = g_slist_remove (drivers, v);
  test_virtio_forget_queues (v);
  g_free (v->queues);
  g_free (v);
}

void
bp_test_virtio_use_pin (BpTestVirtio *v)
{
  if (!v->bus || v->pin)
    return;
  unsigned at = (bp_test_pci_capability) (v->t, v->bus, v->function, 0x11);
  (bp_test_pci_write) (v->t, v->bus, v->function, at + 2, 0, 2);
  v->pin = true;
}

/* A transitional function says it by its subsystem (4.1.2.2). */
uint32_t
bp_test_virtio_device_id (BpTestVirtio *v)
{
  if (!v->bus)
    return (uint32_t) load (v, v->registers + MMIO_DEVICE_ID, 4);
  uint32_t id = (bp_test_pci_read) (v->t, v->bus, v->function, 2, 2);
  return id >= 0x1040 ? id - 0x1040 : (bp_test_pci_read) (v->t, v->bus, v->function, 0x2e, 2);
}

/* --- features, queues, start --------------------------------------------------------------------- */

uint8_t bp_test_virtio_status (BpTestVirtio *v) { return (uint8_t) reg (v, PCI_STATUS_AT, MMIO_STATUS, 1); }
void bp_test_virtio_set_status (BpTestVirtio *v, uint8_t status) { set_reg (v, PCI_STATUS_AT, MMIO_STATUS, 1, status); }

uint64_t
bp_test_virtio_offered (BpTestVirtio *v)
{
  uint64_t offered = 0;
  for (unsigned i = 0; i < 2; i++) {
    set_reg (v, PCI_FEATURE_SELECT, MMIO_FEATURE_SELECT, 4, i);
    offered |= reg (v, PCI_FEATURE, MMIO_FEATURE, 4) << 32 * i;
  }
  return offered;
}

bool
bp_test_virtio_try (BpTestVirtio *v, uint64_t wanted)
{
  bp_test_virtio_set_status (v, 0);
  test_virtio_forget_queues (v);
  v->free_at = v->memory;
  bp_test_virtio_set_status (v, STATUS_ACKNOWLEDGE);
  bp_test_virtio_set_status (v, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
  v->features = bp_test_virtio_offered (v) & (wanted | UINT64_C (1) << FEATURE_VERSION_1);
  for (unsigned i = 0; i < 2; i++) {
    set_reg (v, PCI_DRIVER_SELECT, MMIO_DRIVER_SELECT, 4, i);
    set_reg (v, PCI_DRIVER_FEATURE, MMIO_DRIVER_FEATURE, 4, (uint32_t) (v->features >> 32 * i));
  }
  bp_test_virtio_set_status (v, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
  if (v->bus && !v->pin)
    set_reg (v, PCI_CONFIG_VECTOR, 0, 2, 0);
  return bp_test_virtio_status (v) & STATUS_FEATURES_OK;
}

uint64_t
(bp_test_virtio_negotiate) (BpTestVirtio *v, uint64_t wanted)
{
  bp_test_virtio_set_status (v, 0);
  if (bp_test_virtio_status (v))
    (bp_test_fail) ("the device was reset, and its status is 0x%x", bp_test_virtio_status (v));
  if (!bp_test_virtio_try (v, wanted))
    (bp_test_fail) ("the device does not work with features 0x%" G_GINT64_MODIFIER "x", v->features);
  return v->features;
}

unsigned
bp_test_virtio_queue_most (BpTestVirtio *v, unsigned queue)
{
  set_reg (v, PCI_QUEUE_SELECT, MMIO_QUEUE_SELECT, 2, queue);
  return (unsigned) reg (v, PCI_QUEUE_SIZE, MMIO_QUEUE_MOST, 2);
}

static void
set_area (BpTestVirtio *v, unsigned n, uint64_t address)
{
  uint64_t at = v->registers + (v->bus ? PCI_QUEUE_AREAS + 8 * n : MMIO_QUEUE_AREAS + 16 * n);
  store (v, at, (uint32_t) address, 4);
  store (v, at + 4, address >> 32, 4);
}

/* The vector of queue n is n + 1, as far as there are so many. */
void
(bp_test_virtio_queue) (BpTestVirtio *v, unsigned queue, unsigned size)
{
  unsigned most = bp_test_virtio_queue_most (v, queue);
  if (!most || size > most)
    (bp_test_fail) ("queue %u has %u entries at most", queue, most);
  TestQueue *q = &v->queues[queue];
  bool packed = test_virtio_has (v, FEATURE_PACKED);
  q->size = size ? size : most;
  q->descriptors = (bp_test_virtio_alloc) (v, 16 * q->size);
  q->driver = (bp_test_virtio_alloc) (v, packed ? 4 : 6 + 2 * q->size);
  q->device = (bp_test_virtio_alloc) (v, packed ? 4 : 6 + 8 * q->size);
  q->next = q->used = packed ? 1 << 15 : 0;
  q->chain = g_new0 (uint16_t, q->size);
  q->busy = g_new0 (bool, q->size);
  set_reg (v, PCI_QUEUE_SIZE, MMIO_QUEUE_SIZE, 2, q->size);
  set_area (v, 0, q->descriptors);
  set_area (v, 1, q->driver);
  set_area (v, 2, q->device);
  if (v->bus && !v->pin)
    set_reg (v, PCI_QUEUE_VECTOR, 0, 2, queue + 1);
  set_reg (v, PCI_QUEUE_ENABLE, MMIO_QUEUE_READY, 2, 1);
}

void
(bp_test_virtio_start) (BpTestVirtio *v)
{
  bp_test_virtio_set_status (v, bp_test_virtio_status (v) | STATUS_DRIVER_OK);
  if (!(bp_test_virtio_status (v) & STATUS_DRIVER_OK))
    (bp_test_fail) ("the device does not start");
}

uint64_t
(bp_test_virtio_setup) (BpTestVirtio *v, uint64_t wanted, unsigned n_queues)
{
  (bp_test_virtio_negotiate) (v, wanted);
  for (unsigned i = 0; i < n_queues; i++)
    (bp_test_virtio_queue) (v, i, 0);
  (bp_test_virtio_start) (v);
  return v->features;
}

void
test_virtio_forget_queues (BpTestVirtio *v)
{
  for (unsigned i = 0; i < VIRTIO_QUEUES; i++) {
    g_free (v->queues[i].chain);
    g_free (v->queues[i].busy);
    v->queues[i] = (TestQueue) { 0 };
  }
}

/* --- configuration, kicks, interrupts -------------------------------------------------------------- */

uint64_t
bp_test_virtio_config (BpTestVirtio *v, unsigned offset, unsigned size)
{
  return size == 8 ? load (v, v->config + offset, 4) | load (v, v->config + offset + 4, 4) << 32 : load (v, v->config + offset, size);
}

void
bp_test_virtio_set_config (BpTestVirtio *v, unsigned offset, uint64_t value, unsigned size)
{
  store (v, v->config + offset, value, MIN (size, 4));
  if (size == 8)
    store (v, v->config + offset + 4, value >> 32, 4);
}

void
bp_test_virtio_kick (BpTestVirtio *v, unsigned queue)
{
  v->queues[queue % VIRTIO_QUEUES].kicked = test_virtio_has (v, FEATURE_PACKED) ? 0 : v->queues[queue % VIRTIO_QUEUES].next;
  if (!v->bus) {
    store (v, v->registers + MMIO_NOTIFY, queue, 4);
  } else {
    set_reg (v, PCI_QUEUE_SELECT, 0, 2, queue);
    store (v, v->notify + reg (v, PCI_NOTIFY_OFF, 0, 2) * v->notify_each, queue, 2);
  }
  (bp_test_iterate) (v->t);
}

static void
note (BpTestVirtio *v, unsigned vector)
{
  if (vector)
    v->queues[(vector - 1) % VIRTIO_QUEUES].interrupts++;
  else
    v->config_interrupts++;
}

static void
collect_messages (BpTest *t, const char *bus)
{
  BpTestMessage m = { .struct_size = sizeof m };
  while ((bp_test_pci_take_message) (t, bus, &m))
    for (GSList *l = drivers; l; l = l->next) {
      BpTestVirtio *v = l->data;
      if (v->t == t && v->bus && !v->pin && v->function == m.function && v->function == m.data >> 12)
        note (v, m.data & 0xfff);
    }
}

static void
collect_status (BpTestVirtio *v)
{
  uint32_t isr = (uint32_t) load (v, v->bus ? v->isr : v->registers + MMIO_ISR, v->bus ? 1 : 4);
  if (!v->bus && isr)
    store (v, v->registers + MMIO_ACK, isr, 4);
  for (unsigned i = 0; isr & 1 && i < VIRTIO_QUEUES; i++)
    v->queues[i].interrupts += v->queues[i].size != 0;
  v->config_interrupts += isr >> 1 & 1;
}

unsigned
bp_test_virtio_interrupts (BpTestVirtio *v, int queue)
{
  (bp_test_iterate) (v->t);
  if (v->bus && !v->pin)
    collect_messages (v->t, v->bus);
  else
    collect_status (v);
  unsigned *counter = queue < 0 ? &v->config_interrupts : &v->queues[queue % VIRTIO_QUEUES].interrupts, n = *counter;
  *counter = 0;
  return n;
}

uint64_t bp_test_virtio_registers (BpTestVirtio *v) { return v->registers; }
