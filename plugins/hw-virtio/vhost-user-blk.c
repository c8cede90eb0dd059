/* vhost-user-blk.c -- virtio block device (VIRTIO 1.2, 5.2) that another process drives. */
/* SPDX-License-Identifier: MIT */
#include <backplane/log.h>
#include "vhost-front.h"

/* --- what the driver sees ----------------------------------------------------------------------------- */

enum { DEVICE_ID = 2, CONFIG_SIZE = 60, CONFIG_WRITEBACK = 32, CONFIG_QUEUES = 34, STATUS_IOERR = 1 };
enum {                          /* feature bits */
  BLK_SIZE_MAX = 1, BLK_SEG_MAX = 2, BLK_GEOMETRY = 4, BLK_RO = 5, BLK_BLK_SIZE = 6, BLK_FLUSH = 9, BLK_TOPOLOGY = 10, BLK_CONFIG_WCE = 11, BLK_MQ = 12,
  BLK_DISCARD = 13, BLK_WRITE_ZEROES = 14
};
#define BIT(n) (UINT64_C (1) << (n))
#define FEATURES \
  (BIT (BLK_SIZE_MAX) | BIT (BLK_SEG_MAX) | BIT (BLK_GEOMETRY) | BIT (BLK_RO) | BIT (BLK_BLK_SIZE) | BIT (BLK_FLUSH) | BIT (BLK_TOPOLOGY) \
   | BIT (BLK_CONFIG_WCE) | BIT (BLK_DISCARD) | BIT (BLK_WRITE_ZEROES))

/* --- state: saved | wiring | derived ------------------------------------------------------------------------------ */

typedef struct VhostBlk {
  VhostFront front;
  /* saved */
  bool writeback;               /* the driver's wish, where it has one (CONFIG_WCE) */
  /* wiring */
  uint32_t queues, queue_size;
  /* derived */
  uint8_t config[CONFIG_SIZE];
  uint64_t features;            /* as offered to the driver */
} VhostBlk;

/* --- guest access -------------------------------------------------------------------------------------------- */

static void
config_read (void *self, unsigned offset, uint8_t *bytes, unsigned size)
{
  const VhostBlk *b = self;
  uint8_t config[CONFIG_SIZE];
  memcpy (config, b->config, sizeof config);
  config[CONFIG_WRITEBACK] = b->writeback;
  memcpy (bytes, config + offset, size);
}

static bool
tell_writeback (VhostBlk *b, GError **error)
{
  const uint8_t value = b->writeback;
  return vhost_set_config (&b->front.v, CONFIG_WRITEBACK, &value, sizeof value, error);
}

/* The cache's mode alone can be written (5.2.5). */
static void
config_written (void *self, unsigned offset, const uint8_t *bytes, unsigned size)
{
  VhostBlk *b = self;
  g_autoptr (GError) error = NULL;
  if (offset != CONFIG_WRITEBACK || size != 1 || !(b->features & BIT (BLK_CONFIG_WCE))) {
    bp_log_guest (b, "a write of %u bytes at 0x%x of its configuration, where nothing can be written", size, offset);
    return;
  }
  b->writeback = *bytes & 1;
  if (b->front.v.fd >= 0 && !tell_writeback (b, &error))
    bp_warn (b, "%s", error->message);
}

/* --- events: the back end comes and goes, its disk changes -------------------------------------------------------- */

static bool
ask_config (VhostBlk *b, uint8_t config[CONFIG_SIZE], GError **error)
{
  if (!vhost_get_config (&b->front.v, config, CONFIG_SIZE, error))
    return false;
  config[CONFIG_QUEUES] = (uint8_t) b->front.n_queues;
  config[CONFIG_QUEUES + 1] = 0;
  return true;
}

/* One that is back writes as the driver has told the one before. */
static bool
connected (VhostFront *f, bool again, GError **error)
{
  VhostBlk *b = (VhostBlk *) f;
  uint8_t config[CONFIG_SIZE];
  uint64_t features = (f->v.features & FEATURES) | (f->n_queues > 1 ? f->v.features & BIT (BLK_MQ) : 0);
  if (!ask_config (b, config, error))
    return false;
  if (again && (b->features & ~features || memcmp (config, b->config, 8) != 0)) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the vhost-user back end that is back has another disk, or can do less");
    return false;
  }
  memcpy (b->config, config, sizeof config);
  if (again)
    return !(b->features & BIT (BLK_CONFIG_WCE)) || tell_writeback (b, error);
  b->features = features;
  b->writeback = config[CONFIG_WRITEBACK];
  return true;
}

static void
reconfigured (VhostFront *f)
{
  VhostBlk *b = (VhostBlk *) f;
  const BpVirtioBusIface *bus = f->bus.table;
  g_autoptr (GError) error = NULL;
  uint8_t config[CONFIG_SIZE];
  if (!ask_config (b, config, &error)) {
    bp_warn (b, "%s", error->message);
    return;
  }
  memcpy (b->config, config, sizeof config);
  bus->config_changed (f->bus.instance, f->device);
}

static void changed (VhostFront *f, bool there) { }

/* Requests end in one byte of status (5.2.6). */
static void
fail (VhostFront *f, unsigned queue)
{
  const BpVirtioBusIface *bus = f->bus.table;
  const uint8_t status = STATUS_IOERR;
  bool any = false;
  for (BpVirtioBuffer *q; (q = bp_virtio_pop (&f->bus, f->device, queue)); any = true) {
    if (q->in_size)
      bp_virtio_write (q, q->in_size - 1, &status, 1);
    bp_virtio_push (&f->bus, f->device, q, (uint32_t) q->in_size);
  }
  if (any)
    bus->notify (f->bus.instance, f->device, queue);
}

/* --- life cycle: configure, realize, reset ------------------------------------------------------------------------ */

static bool
blk_configure (void *self, GError **error)
{
  VhostBlk *b = self;
  if (b->queue_size & (b->queue_size - 1)) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "queue-size = %u is not a power of two", b->queue_size);
    return false;
  }
  return vhost_front_configure (&b->front, error);
}

static bool
blk_realize (void *self, GError **error)
{
  static const VhostKind kind = { .connected = connected, .changed = changed, .reconfigured = reconfigured, .fail = fail };
  VhostBlk *b = self;
  b->front.kind = &kind;
  b->front.n_queues = b->queues;
  b->front.queue_size = b->queue_size;
  if (!vhost_front_connect (&b->front, error))
    return false;
  BpVirtioFunction function = { .device_id = DEVICE_ID, .features = b->features, .config_size = CONFIG_SIZE, .config_read = config_read,
                                .config_written = config_written };
  return vhost_front_add (&b->front, &function, error);
}

static bool
blk_post_load (void *self, GError **error)
{
  VhostBlk *b = self;
  return b->front.v.fd < 0 || !(b->features & BIT (BLK_CONFIG_WCE)) || tell_writeback (b, error);
}

static void blk_unrealize (void *self) { vhost_front_unrealize (self); }
static void blk_reset (void *self, BpResetKind kind) { vhost_front_reset (self); }

/* --- tables: properties, saved fields, type ------------------------------------------------------------------------------------------ */

static const BpProperty properties[] = {
  VHOST_FRONT_PROPERTIES (VhostBlk),
  BP_PROP_U32_RANGE ("queues", VhostBlk, queues, 1, 1, VHOST_QUEUES_MOST, "Queues for requests."),
  BP_PROP_U32_RANGE ("queue-size", VhostBlk, queue_size, 128, 2, 1024, "Entries of a queue: a power of two."),
  BP_PROP_END
};

static const BpStateField state[] = { BP_STATE_FIELD_BOOL (VhostBlk, writeback), BP_STATE_END };

const BpTypeDesc vhost_user_blk_type = {
  BP_TYPE ("vhost-user-blk", BP_KIND_DEVICE, VhostBlk),
  .description = "Virtio block device driven by another process",
  .properties = properties,
  .state_version = 1,
  .state_minimum = 1,
  .state = state,
  .post_load = blk_post_load,
  .configure = blk_configure,
  .realize = blk_realize,
  .unrealize = blk_unrealize,
  .reset = blk_reset,
  .flags = BP_TYPE_STAYS,
};
