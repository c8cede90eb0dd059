/* mem.c -- virtio memory device (VIRTIO 1.2, 5.15): memory that grows and shrinks by blocks, as much as the host asks for. */
/* SPDX-License-Identifier: MIT */
#include <backplane/bus/virtio.h>
#include <backplane/log.h>
#include <backplane/machine.h>
#include "memory-place.h"
#include <string.h>

/* --- what the driver sees ----------------------------------------------------- */

enum { DEVICE_ID = 24, QUEUE = 0, QUEUE_SIZE = 128 };
enum { FEATURE_INACCESSIBLE = 1 << 1 };         /* the driver does not touch what is not plugged */
enum { REQUEST_PLUG, REQUEST_UNPLUG, REQUEST_UNPLUG_ALL, REQUEST_STATE };
enum { ANSWER_ACK, ANSWER_NACK, ANSWER_BUSY, ANSWER_ERROR };
enum { STATE_PLUGGED, STATE_UNPLUGGED, STATE_MIXED };

typedef struct Config {
  uint64_t block_size;
  uint16_t node, padding[3];
  uint64_t address, region_size, usable_size, plugged_size, requested_size;
} Config;

typedef struct Request {
  uint16_t type, padding[3];
  uint64_t address;
  uint16_t n_blocks, more[3];
} Request;

typedef struct Answer {
  uint16_t type, padding[3];
  uint16_t state;
} Answer;
enum { ANSWER_SIZE = 10 };

/* Linux adds memory by sections: its part of the span is so large that whole ones can be used. */
#define PLACE_ALIGN (UINT64_C (128) << 20)

/* --- state: saved | wiring | derived ------------------------------------------ */

typedef struct Mem {
  BpStateBuffer plugged;        /* a bit a block */
  uint64_t saved_request;
  /* wiring */
  BpLink bus;
  char *address;
  MemoryPlace place;
  uint64_t block_size, requested;
  BpVirtioDevice *device;
  /* derived */
  uint64_t n_blocks, n_plugged;
  uint8_t *used;                /* a bit a block: it may hold something, though it is not plugged */
  unsigned watch;
} Mem;

static const BpVirtioBusIface *bus_of (const Mem *m) { return m->bus.table; }
static bool bit (const uint8_t *bits, uint64_t n) { return bits[n / 8] >> n % 8 & 1; }

static void
set_bit (uint8_t *bits, uint64_t n, bool on)
{
  bits[n / 8] = (uint8_t) ((bits[n / 8] & ~(1u << n % 8)) | (unsigned) on << n % 8);
}

static void
config_read (void *self, unsigned offset, uint8_t *bytes, unsigned size)
{
  Mem *m = self;
  uint64_t region = m->n_blocks * m->block_size;
  Config c = { .block_size = GUINT64_TO_LE (m->block_size), .address = GUINT64_TO_LE (m->place.address), .region_size = GUINT64_TO_LE (region),
               .usable_size = GUINT64_TO_LE (region), .plugged_size = GUINT64_TO_LE (m->n_plugged * m->block_size), .requested_size = GUINT64_TO_LE (m->requested) };
  memcpy (bytes, (uint8_t *) &c + offset, size);
}

/* --- the memory ------------------------------------------------------------------------ */

/* Back to the host, if the memory is of a kind that can; zeros come in its place in any case.  Code that was translated from it is dropped, and displays and
 * migration see the change. */
static void
discard (Mem *m, uint64_t block, uint64_t n)
{
  const BpMemoryBackendIface *t = m->place.memory.table;
  BpRegion *region = memory_place_region (&m->place);
  uint64_t offset = block * m->block_size, size = n * m->block_size;
  if (!BP_TABLE_HAS (t, discard) || !t->discard (m->place.memory.instance, offset, size))
    memset ((uint8_t *) bp_region_ram (region) + offset, 0, size);
  bp_dirty_mark (bp_region_ram_address (region) + offset, size);
  for (uint64_t i = block; i < block + n; i++)
    set_bit (m->used, i, false);
}

/* What was left behind by a reset, or by a driver that wrote where it should not. */
static void
discard_unplugged (Mem *m)
{
  for (uint64_t i = 0; i < m->n_blocks; i++)
    if (bit (m->used, i) && !bit (m->plugged.data, i))
      discard (m, i, 1);
}

static void
count_plugged (Mem *m)
{
  m->n_plugged = 0;
  for (uint64_t i = 0; i < m->n_blocks; i++)
    m->n_plugged += bit (m->plugged.data, i);
}

/* --- requests ---------------------------------------------------------------------------- */

static unsigned
state_of (const Mem *m, uint64_t block, uint64_t n)
{
  uint64_t plugged = 0;
  for (uint64_t i = block; i < block + n; i++)
    plugged += bit (m->plugged.data, i);
  return plugged == n ? STATE_PLUGGED : plugged ? STATE_MIXED : STATE_UNPLUGGED;
}

static uint16_t
plug (Mem *m, uint64_t block, uint64_t n, bool on)
{
  if (state_of (m, block, n) != (on ? STATE_UNPLUGGED : STATE_PLUGGED))
    return ANSWER_ERROR;
  if (on && (m->n_plugged + n) * m->block_size > m->requested)
    return ANSWER_NACK;
  for (uint64_t i = block; i < block + n; i++) {
    if (on && bit (m->used, i))
      discard (m, i, 1);
    set_bit (m->plugged.data, i, on);
    set_bit (m->used, i, true);
  }
  m->n_plugged = on ? m->n_plugged + n : m->n_plugged - n;
  if (!on)
    discard (m, block, n);
  return ANSWER_ACK;
}

static void
unplug_all (Mem *m)
{
  memset (m->plugged.data, 0, m->plugged.size);
  m->n_plugged = 0;
}

static Answer
carry_out (Mem *m, const Request *r)
{
  uint64_t address = GUINT64_FROM_LE (r->address), n = GUINT16_FROM_LE (r->n_blocks), offset = address - m->place.address, block = offset / m->block_size;
  uint16_t type = GUINT16_FROM_LE (r->type);
  Answer a = { .type = ANSWER_ERROR };
  bool fits = address >= m->place.address && offset % m->block_size == 0 && n && block < m->n_blocks && n <= m->n_blocks - block;
  if (type == REQUEST_UNPLUG_ALL) {
    unplug_all (m);
    discard_unplugged (m);
    a.type = ANSWER_ACK;
  } else if (type > REQUEST_STATE || !fits) {
    bp_log_guest (m, "request %u for %" G_GUINT64_FORMAT " blocks at 0x%" G_GINT64_MODIFIER "x cannot be", type, n, address);
  } else if (type == REQUEST_STATE) {
    a.type = ANSWER_ACK;
    a.state = GUINT16_TO_LE (state_of (m, block, n));
  } else {
    a.type = plug (m, block, n, type == REQUEST_PLUG);
  }
  a.type = GUINT16_TO_LE (a.type);
  return a;
}

static void
on_kick (void *self, unsigned queue)
{
  Mem *m = self;
  bool any = false;
  for (BpVirtioBuffer *b; (b = bp_virtio_pop (&m->bus, m->device, queue)); any = true) {
    Request r;
    if (bp_virtio_read (b, 0, &r, sizeof r) != sizeof r || b->in_size < ANSWER_SIZE) {
      bus_of (m)->broken (m->bus.instance, m->device, "a request for memory is too short");
      return;
    }
    Answer a = carry_out (m, &r);
    bp_virtio_push (&m->bus, m->device, b, (uint32_t) bp_virtio_write (b, 0, &a, ANSWER_SIZE));
  }
  if (any)
    bp_virtio_notify (&m->bus, m->device, queue);
}

/* --- events ---------------------------------------------------------------------------------- */

/* A reset, and a snapshot that is loaded, leave the memory as it is until the machine goes on: till then what was before may come back. */
static void
on_machine (void *user, BpMachineEvent event, const char *detail)
{
  Mem *m = user;
  if (event != BP_MACHINE_RESUMED && event != BP_MACHINE_RESET)
    return;
  bp_machine_lock (bp_object_machine (m));
  discard_unplugged (m);
  bp_machine_unlock (bp_object_machine (m));
}

static void
mem_property_changed (void *self, const char *name)
{
  Mem *m = self;
  uint64_t region = m->n_blocks * m->block_size, wish = m->requested;
  m->saved_request = m->requested = MIN (wish - wish % m->block_size, region);
  if (wish != m->requested)
    bp_warn (m, "requested-size = %" G_GUINT64_FORMAT " is %" G_GUINT64_FORMAT " now: it is a multiple of %" G_GUINT64_FORMAT ", and %" G_GUINT64_FORMAT " at most", wish,
             m->requested, m->block_size, region);
  if (m->device)
    bus_of (m)->config_changed (m->bus.instance, m->device);
}

/* --- life cycle: configure, realize, reset ----------------------------------------------------- */

static bool
mem_configure (void *self, GError **error)
{
  Mem *m = self;
  uint64_t size = memory_place_size (&m->place);
  const char *wrong = NULL;
  if (m->block_size & (m->block_size - 1))
    wrong = "block-size is not a power of two";
  else if (m->requested % m->block_size)
    wrong = "requested-size is not a multiple of block-size";
  else if (m->requested > size)
    wrong = "requested-size is more than the memory has";
  if (wrong) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "%s", wrong);
    return false;
  }
  m->n_blocks = size / m->block_size;
  m->plugged = (BpStateBuffer) { g_malloc0 (m->n_blocks / 8 + 1), m->n_blocks / 8 + 1 };
  m->used = g_malloc0 (m->n_blocks / 8 + 1);
  return true;
}

static void
mem_unrealize (void *self)
{
  Mem *m = self;
  if (m->watch)
    bp_machine_unwatch (bp_object_machine (m), m->watch);
  m->watch = 0;
  if (m->device)
    bus_of (m)->remove (m->bus.instance, m->device);
  m->device = NULL;
  memory_place_give (&m->place, m);
  g_clear_pointer (&m->plugged.data, g_free);
  g_clear_pointer (&m->used, g_free);
}

static bool
mem_realize (void *self, GError **error)
{
  static const uint16_t sizes[] = { QUEUE_SIZE };
  Mem *m = self;
  BpVirtioFunction f = { .struct_size = sizeof f, .device_id = DEVICE_ID, .n_queues = 1, .queue_sizes = sizes, .features = FEATURE_INACCESSIBLE,
                         .config_size = sizeof (Config), .self = m, .config_read = config_read, .kick = on_kick };
  if (!memory_place_take (&m->place, m, MAX (PLACE_ALIGN, m->block_size), error))
    return false;
  m->device = bus_of (m)->add (m->bus.instance, m->address, &f, error);
  if (m->device)
    m->watch = bp_machine_watch (bp_object_machine (m), on_machine, m);
  return m->device != NULL;
}

static void
mem_reset (void *self, BpResetKind kind)
{
  Mem *m = self;
  bus_of (m)->reset (m->bus.instance, m->device);
  unplug_all (m);
  m->saved_request = m->requested;
}

static bool
mem_post_load (void *self, GError **error)
{
  Mem *m = self;
  uint8_t *bits = m->plugged.data;
  for (uint64_t i = m->n_blocks; i < m->plugged.size * 8; i++)
    if (bit (bits, i)) {
      g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "a block behind the end of the memory is plugged");
      return false;
    }
  if (m->saved_request > m->n_blocks * m->block_size || m->saved_request % m->block_size) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "requested-size cannot have been %" G_GUINT64_FORMAT, m->saved_request);
    return false;
  }
  m->requested = m->saved_request;
  for (uint64_t i = 0; i < m->plugged.size; i++)
    m->used[i] |= bits[i];
  count_plugged (m);
  return true;
}

/* --- tables: properties, saved fields, type ---------------------------------------------------- */

static void
mem_info (void *self, BpMemoryDeviceInfo *info)
{
  Mem *m = self;
  const BpMemoryDeviceInfo all = { .struct_size = info->struct_size, .slot = -1, .address = m->place.address, .size = m->n_plugged * m->block_size, .kind = "virtio-mem",
                                   .memory = m->place.memory.instance, .block = m->block_size, .requested = m->requested };
  memcpy (info, &all, MIN (info->struct_size, sizeof all));
}

static const BpMemoryDeviceIface device_iface = { .struct_size = sizeof (BpMemoryDeviceIface), .info = mem_info };
static const BpInterfaceDesc mem_interfaces[] = { { BP_MEMORY_DEVICE_ID, &device_iface }, { NULL, NULL } };

static const BpProperty mem_properties[] = {
  BP_VIRTIO_DEVICE_PROPERTIES (Mem, bus, address), MEMORY_PLACE_PROPERTIES (Mem),
  BP_PROP_ ("block-size", BP_PROPERTY_SIZE, Mem, block_size, .default_int = 2 << 20, .min = 1 << 20, .max = UINT64_C (1) << 30,
            .help = "What is plugged and unplugged at a time: a power of two."),
  BP_PROP_ ("requested-size", BP_PROPERTY_SIZE, Mem, requested, .flags = BP_PROPERTY_RUNTIME,
            .help = "How much of its memory the guest shall have, in whole blocks; it may be changed while the machine runs, and the guest follows as far as it can."),
  BP_PROP_END
};

static const BpStateField mem_state[] = { BP_STATE_FIELD_BUFFER (Mem, plugged), BP_STATE_FIELD_U64 (Mem, saved_request), BP_STATE_END };

const BpTypeDesc virtio_mem_type = {
  BP_TYPE ("virtio-mem", BP_KIND_DEVICE, Mem),
  .description = "Virtio memory device: memory that grows and shrinks",
  .properties = mem_properties,
  .interfaces = mem_interfaces,
  .state_version = 1,
  .state_minimum = 1,
  .state = mem_state,
  .configure = mem_configure,
  .realize = mem_realize,
  .unrealize = mem_unrealize,
  .reset = mem_reset,
  .post_load = mem_post_load,
  .property_changed = mem_property_changed,
};
