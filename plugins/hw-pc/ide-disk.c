/* ide-disk.c -- ide-disk: a hard disk (ATA/ATAPI-7), its commands and its settings. */
/* SPDX-License-Identifier: MIT */
#include <backplane/object.h>
#include <ctype.h>
#include <string.h>
#include "hw-pc.h"
#include "ide-disk.h"

enum { POWER_STANDBY = 0x00, POWER_IDLE = 0x80, POWER_ACTIVE = 0xff };
#define MOST_SECTORS (UINT64_C (1) << 48)

/* --- the medium ---------------------------------------------------------------------------- */

static void
look_at_medium (IdeDisk *k)
{
  BpBlockInfo info = bp_block_info (&k->drive.backend);
  k->n_sectors = MIN (info.size / DISK_SECTOR, MOST_SECTORS);
  k->write_protected = k->read_only || info.read_only;
}

static void
medium_changed (void *user)
{
  IdeDisk *k = user;
  look_at_medium (k);
  k->changed = k->removable;
}

/* What is screwed in stays there. */
static bool
may_eject (void *user)
{
  IdeDisk *k = user;
  return k->removable && !k->locked;
}

static const BpBlockHandlers handlers = { .struct_size = sizeof handlers, .changed = medium_changed, .may_eject = may_eject };

/* Whether a command may touch the medium; false: it has failed for the lack of one, or because it is another. */
static bool
is_ready (IdeDisk *k)
{
  uint8_t error = !k->n_sectors ? (k->removable ? ERROR_NM : ERROR_IDNF) : k->changed ? ERROR_MC : 0;
  k->power = POWER_ACTIVE;
  if (!error)
    return true;
  k->changed = false;
  ide_fail (&k->drive, error | ERROR_ABRT);
  return false;
}

static bool
may_write (IdeDisk *k)
{
  if (!k->write_protected)
    return true;
  ide_fail (&k->drive, ERROR_WP | ERROR_ABRT);
  return false;
}

/* --- commands: data ------------------------------------------------------------------------- */

enum { WIDE = 1 << 0, MULTIPLE = 1 << 1, DURABLE = 1 << 2 };

static void
abort_command (IdeDisk *k)
{
  ide_fail (&k->drive, ERROR_ABRT);
}

static uint32_t
block_of (IdeDisk *k, unsigned flags)
{
  return flags & MULTIPLE ? k->multiple : 1;
}

static void
run_read (IdeDisk *k, unsigned flags)
{
  if (!block_of (k, flags))
    abort_command (k);
  else if (is_ready (k) && disk_take_address (k, flags & WIDE))
    disk_read (k, block_of (k, flags));
}

static void
run_write (IdeDisk *k, unsigned flags)
{
  if (!block_of (k, flags))
    abort_command (k);
  else if (is_ready (k) && may_write (k) && disk_take_address (k, flags & WIDE))
    disk_write (k, block_of (k, flags), flags & DURABLE);
}

static bool
has_dma (IdeDisk *k)
{
  if (ide_bus (&k->drive)->has_dma (k->drive.bus.instance, k->drive.slot))
    return true;
  abort_command (k);
  return false;
}

static void
run_read_dma (IdeDisk *k, unsigned flags)
{
  if (has_dma (k) && is_ready (k) && disk_take_address (k, flags & WIDE))
    disk_dma (k, false, false);
}

static void
run_write_dma (IdeDisk *k, unsigned flags)
{
  if (has_dma (k) && is_ready (k) && may_write (k) && disk_take_address (k, flags & WIDE))
    disk_dma (k, true, flags & DURABLE);
}

static void
run_verify (IdeDisk *k, unsigned flags)
{
  if (is_ready (k) && disk_take_address (k, flags & WIDE))
    disk_verify (k);
}

static void
run_flush (IdeDisk *k, unsigned flags)
{
  if (k->n_sectors)
    disk_flush (k);
  else
    ide_finish (&k->drive);
}

/* Bit 0 of the features is TRIM, and there is nothing else. */
static void
run_data_set (IdeDisk *k, unsigned flags)
{
  if (!(k->drive.features[0] & 1))
    abort_command (k);
  else if (has_dma (k) && is_ready (k) && may_write (k))
    disk_trim (k);
}

static void
run_identify (IdeDisk *k, unsigned flags)
{
  uint16_t words[256];
  disk_identify (k, words);
  disk_give (k, words);
}

/* --- commands: settings ----------------------------------------------------------------------- */

static void
run_multiple (IdeDisk *k, unsigned flags)
{
  uint8_t n = k->drive.count[0];
  bool good = n <= DISK_MAX_MULTIPLE && !(n & (n - 1));
  k->multiple = good ? n : 0;
  if (good)
    ide_finish (&k->drive);
  else
    abort_command (k);
}

static void
run_parameters (IdeDisk *k, unsigned flags)
{
  if (!k->drive.count[0]) {
    abort_command (k);
    return;
  }
  k->sectors = k->drive.count[0];
  k->heads = (k->drive.device & 15) + 1;
  ide_finish (&k->drive);
}

static bool
take_mode (IdeDisk *k)
{
  uint8_t mode = k->drive.count[0];
  bool dma = ide_bus (&k->drive)->has_dma (k->drive.bus.instance, k->drive.slot);
  if (mode <= 0x01 || (mode >= 0x08 && mode <= 0x0c))
    return true;
  if (!dma || !((mode >= 0x20 && mode <= 0x22) || (mode >= 0x40 && mode <= 0x45)))
    return false;
  k->mode = mode;
  return true;
}

static void
run_features (IdeDisk *k, unsigned flags)
{
  bool good = true;
  switch (k->drive.features[0]) {
  case 0x02: k->write_cache = true; break;
  case 0x82:                    /* what is in the cache goes to the disk first */
    k->write_cache = false;
    run_flush (k, 0);
    return;
  case 0x03: good = take_mode (k); break;
  case 0x55: k->look_ahead = false; break;
  case 0xaa: k->look_ahead = true; break;
  case 0x31: case 0x95: good = k->removable; break;
  case 0x66: case 0xcc: break;  /* settings after a software reset: they stay in any case */
  default: good = false; break;
  }
  if (good)
    ide_finish (&k->drive);
  else
    abort_command (k);
}

/* --- commands: power, media, the rest ------------------------------------------------------------- */

static void
run_power (IdeDisk *k, unsigned power)
{
  k->power = (uint8_t) power;
  ide_finish (&k->drive);
}

static void
run_check_power (IdeDisk *k, unsigned flags)
{
  k->drive.count[0] = k->power;
  ide_finish (&k->drive);
}

static void
run_sleep (IdeDisk *k, unsigned flags)
{
  k->power = POWER_STANDBY;
  ide_finish (&k->drive);
  k->drive.sleeping = true;
}

static void
run_native_max (IdeDisk *k, unsigned flags)
{
  bool wide = flags & WIDE;
  if (!k->n_sectors) {
    abort_command (k);
    return;
  }
  uint64_t last = wide ? k->n_sectors - 1 : MIN (k->n_sectors - 1, 0x0ffffffe);
  k->drive.device |= DEVICE_LBA;
  disk_put_address (k, wide, last);
  ide_finish (&k->drive);
}

static void run_nothing (IdeDisk *k, unsigned flags) { ide_finish (&k->drive); }
static void run_smart (IdeDisk *k, unsigned flags) { disk_smart (k); }

/* The removable media feature set: status, door, ejecting (ATA/ATAPI-6, 6.4). */
static void
run_media_status (IdeDisk *k, unsigned flags)
{
  uint8_t error = (uint8_t) ((k->n_sectors ? 0 : ERROR_NM) | (k->changed ? ERROR_MC : 0) | (k->n_sectors && k->write_protected ? ERROR_WP : 0));
  k->changed = false;
  if (!k->removable)
    abort_command (k);
  else if (error)
    ide_fail (&k->drive, error);
  else
    ide_finish (&k->drive);
}

static void
run_lock (IdeDisk *k, unsigned lock)
{
  if (!k->removable) {
    abort_command (k);
  } else if (lock && !k->n_sectors) {
    ide_fail (&k->drive, ERROR_NM);
  } else {
    k->locked = lock;
    ide_finish (&k->drive);
  }
}

/* --- commands: the table ---------------------------------------------------------------------------- */

typedef struct Command {
  void (*run) (IdeDisk *k, unsigned flags);
  unsigned flags;
} Command;

/* What is not here is aborted. */
static const Command commands[256] = {
  [0x06] = { run_data_set, 0 },
  [0x10] = { run_nothing, 0 },  /* RECALIBRATE; 0x11 to 0x1f are it, too */
  [0x20] = { run_read, 0 }, [0x21] = { run_read, 0 }, [0x24] = { run_read, WIDE }, [0x29] = { run_read, WIDE | MULTIPLE },
  [0x25] = { run_read_dma, WIDE }, [0xc8] = { run_read_dma, 0 }, [0xc9] = { run_read_dma, 0 }, [0xc4] = { run_read, MULTIPLE },
  [0x27] = { run_native_max, WIDE }, [0xf8] = { run_native_max, 0 },
  [0x30] = { run_write, 0 }, [0x31] = { run_write, 0 }, [0x34] = { run_write, WIDE }, [0x39] = { run_write, WIDE | MULTIPLE },
  [0xce] = { run_write, WIDE | MULTIPLE | DURABLE }, [0xc5] = { run_write, MULTIPLE },
  [0x35] = { run_write_dma, WIDE }, [0x3d] = { run_write_dma, WIDE | DURABLE }, [0xca] = { run_write_dma, 0 }, [0xcb] = { run_write_dma, 0 },
  [0x40] = { run_verify, 0 }, [0x41] = { run_verify, 0 }, [0x42] = { run_verify, WIDE },
  [0x70] = { run_nothing, 0 },  /* SEEK */
  [0x91] = { run_parameters, 0 },
  [0x94] = { run_power, POWER_STANDBY }, [0xe0] = { run_power, POWER_STANDBY }, [0x96] = { run_power, POWER_STANDBY }, [0xe2] = { run_power, POWER_STANDBY },
  [0x95] = { run_power, POWER_IDLE }, [0xe1] = { run_power, POWER_IDLE }, [0x97] = { run_power, POWER_IDLE }, [0xe3] = { run_power, POWER_IDLE },
  [0x98] = { run_check_power, 0 }, [0xe5] = { run_check_power, 0 }, [0x99] = { run_sleep, 0 }, [0xe6] = { run_sleep, 0 },
  [0xb0] = { run_smart, 0 },
  [0xc6] = { run_multiple, 0 },
  [0xda] = { run_media_status, 0 }, [0xde] = { run_lock, 1 }, [0xdf] = { run_lock, 0 },
  [0xe7] = { run_flush, 0 }, [0xea] = { run_flush, 0 },
  [0xec] = { run_identify, 0 },
  [0xef] = { run_features, 0 },
};

static void
run_command (IdeDrive *d, uint8_t command)
{
  uint8_t slot = (command & 0xf0) == 0x10 || (command & 0xf0) == 0x70 ? command & 0xf0 : command;
  const Command *c = &commands[slot];
  if (c->run)
    c->run (disk_of (d), c->flags);
  else
    abort_command (disk_of (d));
}

/* --- life cycle: realize, reset ------------------------------------------------------------------------ */

static void
reset_settings (IdeDrive *d, bool power)
{
  IdeDisk *k = disk_of (d);
  k->left = k->offered = 0;
  k->most = k->block = 1;
  k->power = POWER_ACTIVE;
  if (!power)
    return;
  k->multiple = DISK_MAX_MULTIPLE;
  k->mode = 0x45;
  k->heads = (uint8_t) k->physical.heads;
  k->sectors = (uint8_t) k->physical.sectors;
  k->write_cache = k->cache;
  k->look_ahead = k->smart = true;
  k->locked = k->changed = false;
}

static const IdeWork works[] = {
  [WORK_FETCH] = { 1 << BP_BLOCK_READ, 1 << IDE_MEMORY_BUFFER }, [WORK_STORE] = { 1 << BP_BLOCK_WRITE, 1 << IDE_MEMORY_BUFFER },
  [WORK_DMA] = { 1 << BP_BLOCK_READ | 1 << BP_BLOCK_WRITE, 1 << IDE_MEMORY_DMA }, [WORK_VERIFY] = { 1 << BP_BLOCK_READ, 1 << IDE_MEMORY_BUFFER },
  [WORK_FLUSH] = { 1 << BP_BLOCK_FLUSH, 1 << IDE_MEMORY_NONE }, [WORK_TRIM] = { 1 << BP_BLOCK_DISCARD, 1 << IDE_MEMORY_NONE }
};
static const IdeDriveOps disk_ops = { .works = works, .n_works = G_N_ELEMENTS (works), .sector = DISK_SECTOR, .ready = STATUS_DRDY | STATUS_DSC, .command = run_command, .pio_done = disk_pio_done, .dma_ready = disk_dma_ready,
                                      .answered = disk_answered, .reset = reset_settings };

static void
take_head (BpBlockRequest *request, int error)
{
  *(int *) request->user = error;
}

/* The first sector; false: it cannot be read now. [main] */
static bool
read_head (IdeDisk *k, uint8_t head[DISK_SECTOR])
{
  const BpBlockIface *t = k->drive.backend.table;
  int result = -1;
  struct iovec iov = { head, DISK_SECTOR };
  BpBlockRequest r = { .struct_size = sizeof r, .op = BP_BLOCK_READ, .size = DISK_SECTOR, .iov = &iov, .n_iov = 1, .done = take_head, .user = &result };
  if (!k->n_sectors || !BP_TABLE_HAS (t, drain))
    return false;
  bp_block_submit (&k->drive.backend, &r);
  t->drain (k->drive.backend.instance);
  return result == 0;
}

static void
find_geometry (IdeDisk *k)
{
  uint8_t head[DISK_SECTOR];
  if (k->geometry_heads) {
    k->physical = k->logical = (DiskGeometry) { k->geometry_cylinders, k->geometry_heads, k->geometry_sectors };
    k->logical.cylinders = MIN (k->logical.cylinders, 1024);
    return;
  }
  disk_guess_geometry (k->n_sectors, read_head (k, head) ? head : NULL, &k->physical, &k->logical);
}

static bool
disk_configure (void *self, GError **error)
{
  IdeDisk *k = self;
  bool all = k->geometry_cylinders && k->geometry_heads && k->geometry_sectors, none = !k->geometry_cylinders && !k->geometry_heads && !k->geometry_sectors;
  if (all || none)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "cylinders, heads and sectors go together: give all three, or none");
  return false;
}

/* A disk without contents is a place where no disk is. */
static bool
disk_realize (void *self, GError **error)
{
  IdeDisk *k = self;
  look_at_medium (k);
  if (!k->n_sectors && !k->removable)
    return true;
  if (!k->serial) {
    g_autofree char *id = g_ascii_strup (bp_object_id (self), -1);
    k->own_serial = g_strdup_printf ("BP-%.16s", id);
  }
  find_geometry (k);
  const uint32_t geometry[3] = { k->logical.cylinders, k->logical.heads, k->logical.sectors };
  return ide_drive_realize (&k->drive, &disk_ops, geometry, &handlers, error);
}

static void
disk_unrealize (void *self)
{
  IdeDisk *k = self;
  ide_drive_unrealize (&k->drive);
  g_clear_pointer (&k->own_serial, g_free);
}

static void disk_reset (void *self, BpResetKind kind) { ide_drive_reset (self); }

static bool
disk_post_load (void *self, GError **error)
{
  IdeDisk *k = self;
  look_at_medium (k);
  k->left = MIN (k->left, 65536);
  k->block = CLAMP (k->block, 1, DISK_MAX_MULTIPLE);
  k->most = CLAMP (k->most, 1, IDE_MOST_DMA / DISK_SECTOR);
  k->offered = MIN (k->offered, IDE_BUFFER);
  k->multiple = MIN (k->multiple, DISK_MAX_MULTIPLE);
  return ide_drive_post_load (&k->drive, error);
}

/* --- tables: properties, saved fields, type ---------------------------------------------------------------- */

static const BpProperty disk_properties[] = {
  IDE_DRIVE_PROPERTIES (IdeDisk),
  BP_PROP_STRING ("serial", IdeDisk, serial, NULL, "Serial number, up to 20 characters; unset: BP- and the object's name."),
  BP_PROP_STRING ("model", IdeDisk, model, "BACKPLANE HARDDISK", "Model, up to 40 characters."),
  BP_PROP_STRING ("revision", IdeDisk, revision, "1.0", "Revision of the drive's firmware, up to 8 characters."),
  BP_PROP_U64 ("wwn", IdeDisk, wwn, 0, "World wide name, 64 bits; 0: it has none."),
  BP_PROP_U32_RANGE ("cylinders", IdeDisk, geometry_cylinders, 0, 0, 16383,
                     "Geometry, together with heads and sectors; 0: by the partition table, or what fits the size."),
  BP_PROP_U32_RANGE ("heads", IdeDisk, geometry_heads, 0, 0, 16, "Heads of the geometry."),
  BP_PROP_U32_RANGE ("sectors", IdeDisk, geometry_sectors, 0, 0, 63, "Sectors a track of the geometry."),
  BP_PROP_BOOL ("write-cache", IdeDisk, cache, true, "The write cache is on at power-on; off, each write is on the host's disk when the guest hears of it."),
  BP_PROP_BOOL ("removable", IdeDisk, removable, false, "A drive with removable media: it is there without one, and a monitor may change it."),
  BP_PROP_BOOL ("read-only", IdeDisk, read_only, false, "Writes fail as on a medium that is write-protected, as they do when the backend is read-only."),
  BP_PROP_END
};

static const BpStateField disk_state[] = {
  IDE_DRIVE_STATE (IdeDisk), BP_STATE_FIELD_U64 (IdeDisk, sector), BP_STATE_FIELD_U32 (IdeDisk, left), BP_STATE_FIELD_U32 (IdeDisk, most),
  BP_STATE_FIELD_U32 (IdeDisk, block), BP_STATE_FIELD_U32 (IdeDisk, offered), BP_STATE_FIELD_BOOL (IdeDisk, writes), BP_STATE_FIELD_BOOL (IdeDisk, durable),
  BP_STATE_FIELD_U8 (IdeDisk, multiple), BP_STATE_FIELD_U8 (IdeDisk, mode), BP_STATE_FIELD_U8 (IdeDisk, power), BP_STATE_FIELD_U8 (IdeDisk, heads),
  BP_STATE_FIELD_U8 (IdeDisk, sectors), BP_STATE_FIELD_BOOL (IdeDisk, write_cache), BP_STATE_FIELD_BOOL (IdeDisk, look_ahead),
  BP_STATE_FIELD_BOOL (IdeDisk, smart), BP_STATE_FIELD_BOOL (IdeDisk, locked), BP_STATE_FIELD_BOOL (IdeDisk, changed), BP_STATE_END
};

const BpTypeDesc ide_disk_type = {
  BP_TYPE ("ide-disk", BP_KIND_DEVICE, IdeDisk),
  .description = "IDE hard disk; without contents there is no drive",
  .properties = disk_properties,
  .state_version = 1,
  .state_minimum = 1,
  .state = disk_state,
  .configure = disk_configure,
  .realize = disk_realize,
  .unrealize = disk_unrealize,
  .reset = disk_reset,
  .post_load = disk_post_load,
};
