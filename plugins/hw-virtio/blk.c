/* blk.c -- virtio block device (VIRTIO 1.2, 5.2): what the driver sees of a disk, kicks, errors that stop the machine, media that change. */
/* SPDX-License-Identifier: MIT */
#include "blk.h"
#include <backplane/clock.h>
#include <backplane/log.h>
#include <backplane/machine.h>

/* --- what the driver sees ------------------------------------------------------ */

enum { DEVICE_ID = 2, QUEUES_MOST_BLK = 256 };
enum {                          /* configuration (5.2.4) */
  C_CAPACITY = 0, C_SIZE_MAX = 8, C_SEG_MAX = 12, C_CYLINDERS = 16, C_HEADS = 18, C_SECTORS = 19, C_BLK_SIZE = 20, C_PHYSICAL_EXPONENT = 24, C_MIN_IO = 26,
  C_OPT_IO = 28, C_WRITEBACK = 32, C_QUEUES = 34, C_DISCARD_SECTORS = 36, C_DISCARD_SEGMENTS = 40, C_DISCARD_ALIGNMENT = 44, C_ZEROES_SECTORS = 48,
  C_ZEROES_SEGMENTS = 52, C_ZEROES_MAY_UNMAP = 56, CONFIG_SIZE = 60
};
enum { LATENCY_NS = 50000 };    /* deterministic mode: from a kick to the answers */

static void put16 (uint8_t *p, uint32_t v) { uint16_t le = GUINT16_TO_LE ((uint16_t) v); memcpy (p, &le, sizeof le); }
static void put32 (uint8_t *p, uint32_t v) { v = GUINT32_TO_LE (v); memcpy (p, &v, sizeof v); }
static void put64 (uint8_t *p, uint64_t v) { v = GUINT64_TO_LE (v); memcpy (p, &v, sizeof v); }

/* As every BIOS would make it up for a disk that has none of its own. */
static void
put_geometry (uint8_t *c, uint64_t sectors)
{
  enum { HEADS = 16, PER_TRACK = 63, CYLINDERS_MOST = 16383 };
  put16 (c + C_CYLINDERS, (uint32_t) MIN (sectors / (HEADS * PER_TRACK), CYLINDERS_MOST));
  c[C_HEADS] = HEADS;
  c[C_SECTORS] = PER_TRACK;
}

static void
make_config (const Blk *b, uint8_t c[CONFIG_SIZE])
{
  uint64_t sectors = bp_block_info (&b->backend).size / BLK_SECTOR;
  unsigned physical = b->physical_block_size ? b->physical_block_size : b->block_size;
  memset (c, 0, CONFIG_SIZE);
  put64 (c + C_CAPACITY, sectors);
  put32 (c + C_SIZE_MAX, b->size_max);
  put32 (c + C_SEG_MAX, b->seg_max ? b->seg_max : b->queue_size - 2);
  put_geometry (c, sectors);
  put32 (c + C_BLK_SIZE, b->block_size);
  c[C_PHYSICAL_EXPONENT] = (uint8_t) g_bit_nth_lsf (physical / b->block_size, -1);
  put16 (c + C_MIN_IO, b->min_io_size / b->block_size);
  put32 (c + C_OPT_IO, b->opt_io_size / b->block_size);
  c[C_WRITEBACK] = b->writeback;
  put16 (c + C_QUEUES, b->n_queues);
  put32 (c + C_DISCARD_SECTORS, BLK_SEGMENT_SECTORS);
  put32 (c + C_DISCARD_SEGMENTS, BLK_SEGMENTS);
  put32 (c + C_DISCARD_ALIGNMENT, b->block_size / BLK_SECTOR);
  put32 (c + C_ZEROES_SECTORS, BLK_SEGMENT_SECTORS);
  put32 (c + C_ZEROES_SEGMENTS, BLK_SEGMENTS);
  c[C_ZEROES_MAY_UNMAP] = 1;
}

static uint64_t
offered (const Blk *b)
{
#define F(name, condition) ((condition) ? UINT64_C (1) << BLK_F_##name : 0)
  return F (SIZE_MAX, b->size_max) | F (SEG_MAX, true) | F (GEOMETRY, true) | F (RO, bp_block_info (&b->backend).read_only) | F (BLK_SIZE, true) |
         F (FLUSH, b->write_cache) | F (TOPOLOGY, true) | F (CONFIG_WCE, b->config_wce && b->write_cache) | F (MQ, b->n_queues > 1) | F (DISCARD, b->discard) |
         F (WRITE_ZEROES, b->write_zeroes);
#undef F
}

/* --- guest access ---------------------------------------------------------------- */

static void
config_read (void *self, unsigned offset, uint8_t *bytes, unsigned size)
{
  uint8_t c[CONFIG_SIZE];
  make_config (self, c);
  memcpy (bytes, c + offset, size);
}

static void
config_written (void *self, unsigned offset, const uint8_t *bytes, unsigned size)
{
  Blk *b = self;
  if (offset == C_WRITEBACK && size == 1 && b->config_wce && b->write_cache)
    b->writeback = bytes[0] & 1;
  else
    bp_log_guest (b, "a write of %u bytes at 0x%x of its configuration, where nothing can be written", size, offset);
}

/* A driver that knows of no cache gets none (5.2.6.2). */
static void
on_start (void *self)
{
  Blk *b = self;
  b->features = blk_bus (b)->features (b->bus.instance, b->device);
  b->knows_cache = blk_has (b, BLK_F_CONFIG_WCE) || blk_has (b, BLK_F_FLUSH);
}

static void
on_stop (void *self)
{
  Blk *b = self;
  blk_cancel (b);
  if (bp_machine_run_state (bp_object_machine (b)) == BP_RUN_LOADING)
    return;                     /* what is saved of it has come already */
  bp_timer_cancel (b->timer);
  b->writeback = b->write_cache;
}

static void
on_kick (void *self, unsigned queue)
{
  Blk *b = self;
  if (!b->deterministic)
    blk_serve (b, queue);
  else if (!bp_timer_is_armed (b->timer))
    bp_timer_arm (b->timer, bp_clock_now (bp_object_machine (b), BP_CLOCK_VIRTUAL) + LATENCY_NS);
}

/* --- events (timer, media, the machine) ---------------------------------------------- */

static void
on_due (void *user)
{
  Blk *b = user;
  for (unsigned q = 0; q < b->n_queues; q++)
    blk_serve (b, q);
}

static void
on_event (void *user, BpMachineEvent event, const char *detail)
{
  Blk *b = user;
  bp_machine_lock (bp_object_machine (b));
  if (event == BP_MACHINE_RESUMING)
    blk_retry (b);
  if (event == BP_MACHINE_SHUTDOWN)     /* the guest's memory goes, perhaps before this device does */
    blk_cancel (b);
  bp_machine_unlock (bp_object_machine (b));
}

/* --- life cycle: configure, realize, reset ------------------------------------------------ */

static bool
is_power_of_two (uint32_t n)
{
  return n && !(n & (n - 1));
}

static bool
blk_configure (void *self, GError **error)
{
  Blk *b = self;
  uint32_t physical = b->physical_block_size ? b->physical_block_size : b->block_size;
  const char *wrong = NULL;
  if (b->serial && strlen (b->serial) > BLK_SERIAL)
    wrong = "serial has up to 20 characters";
  else if (!is_power_of_two (b->queue_size))
    wrong = "queue-size is a power of two";
  else if (!is_power_of_two (b->block_size) || !is_power_of_two (physical) || physical < b->block_size)
    wrong = "block-size and physical-block-size are powers of two, the second no less than the first";
  else if (b->min_io_size % b->block_size || b->opt_io_size % b->block_size || b->min_io_size / b->block_size > UINT16_MAX)
    wrong = "min-io-size and opt-io-size are multiples of block-size";
  else if (b->size_max && b->size_max < b->block_size)
    wrong = "size-max is no less than block-size";
  if (wrong)
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "%s", wrong);
  return !wrong;
}

static bool
add (Blk *b, GError **error)
{
  g_autofree uint16_t *sizes = g_new (uint16_t, b->n_queues);
  for (unsigned i = 0; i < b->n_queues; i++)
    sizes[i] = (uint16_t) b->queue_size;
  BpVirtioFunction f = { .struct_size = sizeof f, .device_id = DEVICE_ID, .n_queues = b->n_queues, .queue_sizes = sizes, .features = offered (b),
                         .config_size = CONFIG_SIZE, .data_size = (uint32_t) blk_request_size (), .loop = b->loop, .self = b, .owner = b,
                         .config_read = config_read, .config_written = config_written, .start = on_start, .stop = on_stop, .kick = on_kick };
  b->device = blk_bus (b)->add (b->bus.instance, b->address, &f, error);
  return b->device;
}

static bool
blk_realize (void *self, GError **error)
{
  Blk *b = self;
  BpMachine *m = bp_object_machine (b);
  b->deterministic = bp_machine_is_deterministic (m, NULL);
  b->failed_end = &b->failed;
  b->writeback = b->write_cache;
  b->timer = bp_timer_new (b, BP_CLOCK_VIRTUAL, on_due, b);
  b->watch = bp_machine_watch (m, on_event, b);
  if (bp_block_info (&b->backend).inserted)
    return blk_attach (b, error) && add (b, error);
  /* A disk that is not there is no device, as with the other disks of a machine; who adds one wants to see it. */
  if (bp_machine_run_state (m) == BP_RUN_PRELAUNCH)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "drive = %s has no medium", bp_object_id (b->backend.instance));
  return false;
}

static void
blk_unrealize (void *self)
{
  Blk *b = self;
  if (b->device)
    blk_bus (b)->remove (b->bus.instance, b->device);
  b->device = NULL;
  blk_detach (b);
  if (b->watch)
    bp_machine_unwatch (bp_object_machine (b), b->watch);
  b->watch = 0;
  bp_timer_free (b->timer);
  b->timer = NULL;
}

static BpRemoval
blk_removal (void *self, GError **error)
{
  Blk *b = self;
  return bp_virtio_removal (&b->bus, b->device, error);
}

static void
blk_reset (void *self, BpResetKind kind)
{
  Blk *b = self;
  if (b->device)
    blk_bus (b)->reset (b->bus.instance, b->device);
  bp_timer_cancel (b->timer);
  b->writeback = b->write_cache;
}

/* --- tables: properties, saved fields, type ---------------------------------------------------- */

static const char *const policy_names[] = { BP_BLOCK_POLICY_NAMES };

static const BpProperty blk_properties[] = {
  BP_VIRTIO_DEVICE_PROPERTIES (Blk, bus, address),
  BP_PROP_LINK ("drive", Blk, backend, BP_BLOCK_ID, BP_PROPERTY_REQUIRED, "The block backend that holds its contents."),
  BP_PROP_STRING ("serial", Blk, serial, NULL, "Up to 20 characters by which the guest can tell the disk from others (/dev/disk/by-id)."),
  BP_PROP_ ("rerror", BP_PROPERTY_ENUM, Blk, rerror, .default_int = BP_BLOCK_REPORT, .names = policy_names, .flags = BP_PROPERTY_HOST,
            .help = "When the host cannot read: report tells the guest, stop holds the machine and tries again when it is continued, ignore says that all is well. "
                    "(enospc is report here.)"),
  BP_PROP_ ("werror", BP_PROPERTY_ENUM, Blk, werror, .default_int = BP_BLOCK_ENOSPC, .names = policy_names, .flags = BP_PROPERTY_HOST,
            .help = "The same when the host cannot write or flush; enospc stops when the host's disk is full and reports everything else."),
  BP_PROP_ ("iothread", BP_PROPERTY_BOOL, Blk, iothread, .flags = BP_PROPERTY_HOST,
            .help = "Requests are taken, and answered, on a thread of the device's own rather than the main loop's."),
  BP_PROP_U32_RANGE ("queues", Blk, n_queues, 1, 1, QUEUES_MOST_BLK, "Queues: one for each vCPU keeps these out of each other's way."),
  BP_PROP_U32_RANGE ("queue-size", Blk, queue_size, 256, 4, 1024, "Entries of a queue, a power of two."),
  BP_PROP_U32_RANGE ("seg-max", Blk, seg_max, 0, 0, 1022, "Pieces of memory that a request may have; 0: as many as fit into a queue."),
  BP_PROP_U32 ("size-max", Blk, size_max, 0, "Bytes that such a piece may have; 0: no limit."),
  BP_PROP_U32_RANGE ("block-size", Blk, block_size, 512, 512, 65536, "Bytes of a logical block: what the guest's requests are multiples of."),
  BP_PROP_U32_RANGE ("physical-block-size", Blk, physical_block_size, 0, 0, 1 << 20, "Bytes of a physical block: what the guest's requests should be multiples of; 0: as block-size."),
  BP_PROP_U32 ("min-io-size", Blk, min_io_size, 0, "Bytes that a request had better not be smaller than; 0: not told."),
  BP_PROP_U32 ("opt-io-size", Blk, opt_io_size, 0, "Bytes that requests are best multiples of; 0: not told."),
  BP_PROP_BOOL ("write-cache", Blk, write_cache, true, "The guest is told that writes are safe only when it has flushed them; off: each of them is when it is done."),
  BP_PROP_BOOL ("config-wce", Blk, config_wce, true, "The guest may choose between these two."),
  BP_PROP_BOOL ("discard", Blk, discard, true, "Offers to take space back that the guest does not need; the backend's `discard` says what becomes of it."),
  BP_PROP_BOOL ("write-zeroes", Blk, write_zeroes, true, "Offers to write zeros that need not be sent."),
  BP_PROP_END
};
static const BpStateField blk_state[] = { BP_STATE_FIELD_TIMER (Blk, timer), BP_STATE_FIELD_BOOL (Blk, writeback), BP_STATE_END };

const BpTypeDesc virtio_blk_type = {
  BP_TYPE ("virtio-blk", BP_KIND_DEVICE, Blk),
  .description = "Virtio block device",
  .properties = blk_properties,
  .state_version = 1,
  .state_minimum = 1,
  .state = blk_state,
  .configure = blk_configure,
  .realize = blk_realize,
  .unrealize = blk_unrealize,
  .reset = blk_reset,
  .flags = BP_TYPE_HOT_PLUG,
  .removal = blk_removal,
};
