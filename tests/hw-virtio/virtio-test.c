/* virtio-test.c -- what tests of hw-virtio share: machines with a bus, and a device that sends back what it gets. */
/* SPDX-License-Identifier: MIT */
#include "virtio-test.h"
#include <backplane/loop.h>

const BpPluginDesc *bp_plugin_query (void);

/* --- the device ------------------------------------------------------------------------------- */

typedef struct Note {
  uint64_t number, other;
} Note;

void
echo_notify (Echo *e, unsigned queue)
{
  bp_virtio_notify (&e->bus, e->device, queue);
}

static void
answer (Echo *e, BpVirtioBuffer *b)
{
  uint8_t bytes[4096];
  uint32_t done = 0;
  size_t n;
  while ((n = bp_virtio_read (b, done, bytes, sizeof bytes)) && (n = bp_virtio_write (b, done, bytes, n)))
    done += (uint32_t) n;
  bp_virtio_push (&e->bus, e->device, b, done);
}

void
echo_answer (Echo *e, unsigned i)
{
  bp_test_expect (i < e->n_held);
  answer (e, e->held[i]);
  for (e->n_held--; i < e->n_held; i++)
    e->held[i] = e->held[i + 1];
}

static void
echo_kick (void *self, unsigned queue)
{
  Echo *e = self;
  BpVirtioBuffer *b;
  e->kicks++;
  __atomic_store_n (&e->kicked_on, g_thread_self (), __ATOMIC_RELAXED);
  while ((b = bp_virtio_pop (&e->bus, e->device, queue))) {
    const Note *note = b->data;
    e->data_was_clean &= !note->number && !note->other;
    *(Note *) b->data = (Note) { 1, 2 };
    bp_test_expect_eq (b->queue, queue);
    if (e->hold && queue == 0)
      e->held[e->n_held++] = b;
    else
      answer (e, b);
  }
  echo_notify (e, queue);
}

static void
echo_start (void *self)
{
  Echo *e = self;
  e->starts++;
  e->data_was_clean = true;
  bp_test_expect (echo_bus (e)->features (e->bus.instance, e->device) != 0);
  if (e->looks)
    echo_bus (e)->want_kicks (e->bus.instance, e->device, 1, false);
}

static void
echo_stop (void *self)
{
  Echo *e = self;
  e->stops++;
  e->n_held = 0;
}

static bool
echo_accept (void *self, uint64_t features)
{
  Echo *e = self;
  e->accepted = features;
  return !e->picky || features & 8;
}

static void echo_config_read (void *self, unsigned offset, uint8_t *bytes, unsigned size) { memcpy (bytes, ((Echo *) self)->config + offset, size); }

static void
echo_config_written (void *self, unsigned offset, const uint8_t *bytes, unsigned size)
{
  Echo *e = self;
  memcpy (e->config + offset, bytes, size);
  e->config_writes++;
}

static bool
echo_realize (void *self, GError **error)
{
  static const uint16_t sizes[ECHO_QUEUES] = { 16, 64, 256 };
  Echo *e = self;
  BpVirtioFunction f = { .struct_size = e->sizeless ? 0 : sizeof f, .device_id = 63, .n_queues = ECHO_QUEUES, .queue_sizes = sizes, .features = ECHO_FEATURES,
                         .config_size = e->config_bytes, .data_size = sizeof (Note), .self = e, .config_read = echo_config_read,
                         .config_written = echo_config_written, .accept_features = echo_accept, .start = echo_start, .stop = echo_stop, .kick = echo_kick };
  if (e->thread)
    f.loop = e->loop = bp_loop_new_thread ("echo");
  e->device = echo_bus (e)->add (e->bus.instance, e->address, &f, error);
  return e->device != NULL;
}

static void
echo_unrealize (void *self)
{
  Echo *e = self;
  if (e->device)
    echo_bus (e)->remove (e->bus.instance, e->device);
  e->device = NULL;
  bp_loop_free (e->loop);
  e->loop = NULL;
}

static void
echo_reset (void *self, BpResetKind kind)
{
  Echo *e = self;
  echo_bus (e)->reset (e->bus.instance, e->device);
  for (unsigned i = 0; i < sizeof e->config; i++)
    e->config[i] = (uint8_t) (0x10 + i);
}

static const BpProperty echo_properties[] = {
  BP_PROP_LINK ("bus", Echo, bus, BP_VIRTIO_BUS_ID, BP_PROPERTY_REQUIRED, "The bus."), BP_PROP_STRING ("address", Echo, address, NULL, "The place."),
  BP_PROP_ ("hold", BP_PROPERTY_BOOL, Echo, hold, .flags = BP_PROPERTY_RUNTIME, .help = "Keeps buffers of queue 0."),
  BP_PROP_BOOL ("picky", Echo, picky, false, "Wants feature 3."), BP_PROP_BOOL ("thread", Echo, thread, false, "Has a loop of its own."), BP_PROP_BOOL ("looks", Echo, looks, false, "Wants no kicks of queue 1."),
  BP_PROP_BOOL ("sizeless", Echo, sizeless, false, "Has forgotten struct_size."),
  BP_PROP_U32_RANGE ("config-bytes", Echo, config_bytes, 64, 0, 64, "Size of its configuration."), BP_PROP_END
};
static const BpStateField echo_state[] = { BP_STATE_FIELD_BYTES (Echo, config), BP_STATE_END };
static const BpTypeDesc echo_type = {
  BP_TYPE ("echo", BP_KIND_DEVICE, Echo), .description = "Sends back what it gets", .properties = echo_properties, .state_version = 1, .state_minimum = 1,
  .state = echo_state, .realize = echo_realize, .unrealize = echo_unrealize, .reset = echo_reset
};

/* --- machines ----------------------------------------------------------------------------------- */

const VirtioCase virtio_cases[] = {
  { "pci", .pci = true },
  { "pci, event index", .pci = true, .event_index = true },
  { "pci, indirect, pin", .pci = true, .indirect = true, .pin = true },
  { "pci, packed", .pci = true, .packed = true },
  { "pci, packed, event index, indirect", .pci = true, .packed = true, .event_index = true, .indirect = true },
  { "pci, event index, doorbells", .pci = true, .event_index = true, .events = true },
  { "mmio", .pci = false },
  { "mmio, packed, event index, doorbells", .packed = true, .event_index = true, .events = true },
  { "mmio, event index, indirect", .event_index = true, .indirect = true },
};
const unsigned n_virtio_cases = BP_N_ELEMENTS (virtio_cases);

static const BpTypeDesc *const *
all_types (void)
{
  static const BpTypeDesc *types[32];
  const BpTypeDesc *const *plugin = bp_plugin_query ()->types;
  unsigned n = 0;
  types[n++] = &echo_type;
  while (*plugin && n < BP_N_ELEMENTS (types) - 1)
    types[n++] = *plugin++;
  return types;
}

static char *
sections (const VirtioCase *c, const char *echo_keys, const char *more)
{
  return g_strdup_printf (
    "[memory ram]\ntype = test-ram\nsize = 1M\n[map ram]\nregion = ram\nat = memory@0\n[device probe]\ntype = test-probe\n%s"
    "[device bus]\npacked = %s\ndoorbells = %s\n%s[device echo]\ntype = echo\nbus = bus\naddress = %s\n%s%s",
    c->pci ? "[device pci]\ntype = test-pci\n" : "", c->packed ? "on" : "off", c->events ? "on" : "auto",
    c->pci ? "type = virtio-pci\nbus = pci\n" : "type = virtio-mmio\nmmio0 = memory@0x10000000\nirq0 = probe.in0\n", c->pci ? "03.0" : "0",
    echo_keys ? echo_keys : "", more ? more : "");
}

BpTest *
virtio_test_new (const VirtioCase *c, const char *echo_keys, const char *more)
{
  g_autofree char *text = sections (c, echo_keys, more);
  return bp_test_new (all_types (), text);
}

char *
virtio_test_refusal (const VirtioCase *c, const char *more)
{
  g_autofree char *text = sections (c, NULL, more);
  return bp_test_refusal (all_types (), text);
}

BpTestVirtio *
virtio_test_find (BpTest *t, const VirtioCase *c)
{
  BpTestVirtio *v = c->pci ? bp_test_virtio_pci (t, "pci", BP_TEST_PCI (3, 0), VIRTIO_TEST_MEMORY, VIRTIO_TEST_SIZE)
                           : bp_test_virtio_mmio (t, VIRTIO_TEST_MMIO, VIRTIO_TEST_MEMORY, VIRTIO_TEST_SIZE);
  if (c->pin)
    bp_test_virtio_use_pin (v);
  return v;
}

uint64_t
virtio_test_features (const VirtioCase *c)
{
  return ECHO_FEATURES | (c->indirect ? UINT64_C (1) << 28 : 0) | (c->event_index ? UINT64_C (1) << 29 : 0) | (c->packed ? UINT64_C (1) << 34 : 0);
}

BpTestVirtio *
virtio_test_driver (BpTest *t, const VirtioCase *c)
{
  BpTestVirtio *v = virtio_test_find (t, c);
  uint64_t features = bp_test_virtio_setup (v, virtio_test_features (c), ECHO_QUEUES);
  bp_test_expect_eq (features, virtio_test_features (c) | UINT64_C (1) << 32);
  return v;
}
