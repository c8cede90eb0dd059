/* validate-virtio.c -- a bus of virtio devices whose driver never comes: the end of the link of a device that is looked at alone. */
/* SPDX-License-Identifier: MIT */
#include "validate.h"
#include <backplane/bus/virtio.h>
#include <backplane/object.h>
#include <string.h>

struct BpVirtioDevice {
  char *address;
  BpVirtioFunction function;
};

typedef struct VirtioBus {
  GSList *devices;
} VirtioBus;

static BpVirtioDevice *
add (void *self, const char *address, const BpVirtioFunction *function, GError **error)
{
  VirtioBus *bus = self;
  bool taken = false;
  for (GSList *l = bus->devices; l; l = l->next)
    taken |= g_strcmp0 (((const BpVirtioDevice *) l->data)->address, address) == 0;
  bool wrong = function->n_queues && !(function->queue_sizes && function->kick);
  if (function->struct_size < offsetof (BpVirtioFunction, without)) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "%s: the device's struct_size is to be sizeof (BpVirtioFunction)", address);
    return NULL;
  }
  if (taken || wrong) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, taken ? "the place %s is taken" : "%s: the device has queues without sizes, or takes no kicks", address);
    return NULL;
  }
  BpVirtioDevice *d = g_new0 (BpVirtioDevice, 1);
  d->address = g_strdup (address);
  memcpy (&d->function, function, MIN (function->struct_size, sizeof d->function));
  bus->devices = g_slist_prepend (bus->devices, d);
  return d;
}

static void
remove_device (void *self, BpVirtioDevice *d)
{
  VirtioBus *bus = self;
  bus->devices = g_slist_remove (bus->devices, d);
  g_free (d->address);
  g_free (d);
}

static void reset (void *self, BpVirtioDevice *d) { }
static uint64_t features (void *self, BpVirtioDevice *d) { return 0; }
static BpVirtioBuffer *pop (void *self, BpVirtioDevice *d, unsigned queue) { return NULL; }
static void push (void *self, BpVirtioDevice *d, BpVirtioBuffer *b, uint32_t written) { }
static void unpop (void *self, BpVirtioDevice *d, BpVirtioBuffer *b) { }
static void notify (void *self, BpVirtioDevice *d, unsigned queue) { }
static bool want_kicks (void *self, BpVirtioDevice *d, unsigned queue, bool wanted) { return false; }
static bool has_buffers (void *self, BpVirtioDevice *d, unsigned queue) { return false; }
static void config_changed (void *self, BpVirtioDevice *d) { }
static void broken (void *self, BpVirtioDevice *d, const char *why) { }
static BpAddressSpace *dma (void *self, BpVirtioDevice *d) { return bp_machine_address_space (bp_object_machine (self), "memory"); }
static bool ring_take (void *self, BpVirtioDevice *d, unsigned queue, BpVirtioRing *ring) { return false; }
static void ring_give (void *self, BpVirtioDevice *d, unsigned queue, uint32_t next) { }
static uint32_t queue_size (void *self, BpVirtioDevice *d, unsigned queue) { return 0; }

static const BpVirtioBusIface iface = {
  .struct_size = sizeof iface, .add = add, .remove = remove_device, .reset = reset, .features = features, .pop = pop, .push = push, .unpop = unpop,
  .notify = notify, .want_kicks = want_kicks, .has_buffers = has_buffers, .config_changed = config_changed, .broken = broken, .dma = dma,
  .ring_take = ring_take, .ring_give = ring_give, .queue_size = queue_size
};
static const BpInterfaceDesc interfaces[] = { { BP_VIRTIO_BUS_ID, &iface }, { NULL, NULL } };
const BpTypeDesc stand_in_virtio = { BP_TYPE ("stand-in-virtio", BP_KIND_DEVICE, VirtioBus), .description = "stands in for the other end of a link",
                                     .interfaces = interfaces };
