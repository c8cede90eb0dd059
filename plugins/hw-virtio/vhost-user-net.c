/* vhost-user-net.c -- virtio network device (VIRTIO 1.2, 5.1) that another process drives. */
/* SPDX-License-Identifier: MIT */
#include "vhost-front.h"
#include <stdio.h>

/* --- what the driver sees ----------------------------------------------------------------------------- */

enum { DEVICE_ID = 1, RECEIVE = 0, TRANSMIT = 1, STATUS_LINK_UP = 1 };
enum {                          /* feature bits */
  NET_CSUM = 0, NET_GUEST_CSUM = 1, NET_MAC = 5, NET_GUEST_TSO4 = 7, NET_GUEST_TSO6, NET_GUEST_ECN, NET_GUEST_UFO, NET_HOST_TSO4, NET_HOST_TSO6,
  NET_HOST_ECN, NET_HOST_UFO, NET_MRG_RXBUF, NET_STATUS
};
#define BIT(n) (UINT64_C (1) << (n))
/* Of the back end's.  A control queue would be the front end's to serve: there is none. */
#define FEATURES \
  (BIT (NET_CSUM) | BIT (NET_GUEST_CSUM) | BIT (NET_GUEST_TSO4) | BIT (NET_GUEST_TSO6) | BIT (NET_GUEST_ECN) | BIT (NET_GUEST_UFO) | BIT (NET_HOST_TSO4) \
   | BIT (NET_HOST_TSO6) | BIT (NET_HOST_ECN) | BIT (NET_HOST_UFO) | BIT (NET_MRG_RXBUF))

typedef struct Config {
  uint8_t mac[6];
  uint16_t status;
} Config;

/* --- state: wiring | derived ------------------------------------------------------------------------------ */

typedef struct VhostNet {
  VhostFront front;
  char *mac;
  uint32_t queue_size;
  Config config;
  uint64_t features;            /* as offered to the driver */
} VhostNet;

static void
config_read (void *self, unsigned offset, uint8_t *bytes, unsigned size)
{
  memcpy (bytes, (const uint8_t *) &((const VhostNet *) self)->config + offset, size);
}

/* --- events: the back end comes and goes ------------------------------------------------------------------------ */

static bool
connected (VhostFront *f, bool again, GError **error)
{
  VhostNet *n = (VhostNet *) f;
  uint64_t features = (f->v.features & FEATURES) | BIT (NET_MAC) | BIT (NET_STATUS);
  if (again && n->features & ~features) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the vhost-user back end that is back can do less");
    return false;
  }
  if (!again)
    n->features = features;
  n->config.status = GUINT16_TO_LE (STATUS_LINK_UP);
  return true;
}

/* The driver sees the link go down and come up (5.1.4). */
static void
changed (VhostFront *f, bool there)
{
  VhostNet *n = (VhostNet *) f;
  const BpVirtioBusIface *bus = f->bus.table;
  n->config.status = GUINT16_TO_LE (there ? STATUS_LINK_UP : 0);
  if (f->device)
    bus->config_changed (f->bus.instance, f->device);
}

/* What is sent goes nowhere, as on a cable that is not plugged in. */
static void
fail (VhostFront *f, unsigned queue)
{
  const BpVirtioBusIface *bus = f->bus.table;
  bool any = false;
  if (queue != TRANSMIT)
    return;
  for (BpVirtioBuffer *b; (b = bp_virtio_pop (&f->bus, f->device, queue)); any = true)
    bp_virtio_push (&f->bus, f->device, b, 0);
  if (any)
    bus->notify (f->bus.instance, f->device, queue);
}

/* --- life cycle: configure, realize, reset ------------------------------------------------------------------------ */

static bool
net_configure (void *self, GError **error)
{
  VhostNet *n = self;
  unsigned m[6];
  char rest;
  if (sscanf (n->mac, "%2x:%2x:%2x:%2x:%2x:%2x%c", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5], &rest) != 6 || m[0] & 1) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "mac = %s: an address is six numbers such as 52:54:00:12:34:56, the first one even", n->mac);
    return false;
  }
  for (unsigned i = 0; i < 6; i++)
    n->config.mac[i] = (uint8_t) m[i];
  if (n->queue_size & (n->queue_size - 1)) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "queue-size = %u is not a power of two", n->queue_size);
    return false;
  }
  return vhost_front_configure (&n->front, error);
}

static bool
net_realize (void *self, GError **error)
{
  static const VhostKind kind = { .connected = connected, .changed = changed, .fail = fail };
  VhostNet *n = self;
  n->front.kind = &kind;
  n->front.n_queues = 2;
  n->front.queue_size = n->queue_size;
  if (!vhost_front_connect (&n->front, error))
    return false;
  BpVirtioFunction function = { .device_id = DEVICE_ID, .features = n->features, .config_size = sizeof (Config), .config_read = config_read };
  return vhost_front_add (&n->front, &function, error);
}

static void net_unrealize (void *self) { vhost_front_unrealize (self); }
static void net_reset (void *self, BpResetKind kind) { vhost_front_reset (self); }

/* --- tables: properties, type ------------------------------------------------------------------------------------------ */

static const BpProperty properties[] = {
  VHOST_FRONT_PROPERTIES (VhostNet),
  BP_PROP_STRING ("mac", VhostNet, mac, "52:54:00:12:34:56", "The device's Ethernet address."),
  BP_PROP_U32_RANGE ("queue-size", VhostNet, queue_size, 256, 2, 1024, "Entries of each of its two queues: a power of two."),
  BP_PROP_END
};

const BpTypeDesc vhost_user_net_type = {
  BP_TYPE ("vhost-user-net", BP_KIND_DEVICE, VhostNet),
  .description = "Virtio network device driven by another process",
  .properties = properties,
  .configure = net_configure,
  .realize = net_realize,
  .unrealize = net_unrealize,
  .reset = net_reset,
  .flags = BP_TYPE_STAYS,
};
