/* ide-channel.c -- ATA channels (ATA/ATAPI-6, chapter 9): ports, who answers them, the interrupt line; the bus as drives see it. */
/* SPDX-License-Identifier: MIT */
#include <backplane/object.h>
#include "ide-channel.h"
#include <string.h>

enum { DEVICE_DEV = 1 << 4, CONTROL_SRST = 1 << 2, COMMAND_DIAGNOSTIC = 0x90 };

/* --- the cable -------------------------------------------------------------------------- */

static void
follow_line (IdeChannel *c)
{
  int level = (c->slots[0].there && c->slots[0].level) || (c->slots[1].there && c->slots[1].level);
  if (level && !bp_pin_level (c->irq))
    c->status |= IDE_MASTER_INTERRUPT;
  bp_pin_set (c->irq, level);
}

/* After a software reset and after diagnostics the master is selected. */
static void
write_register (IdeChannel *c, unsigned reg, uint8_t value)
{
  if (reg == BP_ATA_DEVICE)
    c->selected = value & DEVICE_DEV ? 1 : 0;
  if ((reg == BP_ATA_CONTROL && value & CONTROL_SRST) || (reg == BP_ATA_COMMAND && value == COMMAND_DIAGNOSTIC))
    c->selected = 0;
  for (unsigned i = 0; i < 2; i++)
    if (c->slots[i].there)
      c->slots[i].drive.write (c->slots[i].drive.self, reg, value);
}

/* Nothing drives the lines of an empty channel, and a slave does not answer for its master. */
static uint8_t
read_register (IdeChannel *c, unsigned reg)
{
  const BpAtaSlot *slot = &c->slots[c->selected], *master = &c->slots[0];
  if (slot->there)
    return slot->drive.read (slot->drive.self, reg);
  if (!master->there || reg == BP_ATA_STATUS || reg == BP_ATA_ALTERNATE)
    return 0;
  return master->drive.read (master->drive.self, reg);
}

/* --- ports ------------------------------------------------------------------------------- */

static uint64_t
command_read (IdeChannel *c, uint64_t offset, unsigned size)
{
  const BpAtaSlot *slot = &c->slots[c->selected];
  uint64_t value = 0;
  if (offset == BP_ATA_DATA)
    return slot->there ? slot->drive.read_data (slot->drive.self, size) : 0;
  for (unsigned i = 0; i < size; i++)
    value |= (uint64_t) read_register (c, (unsigned) offset + i) << 8 * i;
  return value;
}

static void
command_write (IdeChannel *c, uint64_t offset, uint64_t value, unsigned size)
{
  const BpAtaSlot *slot = &c->slots[c->selected];
  if (offset == BP_ATA_DATA && slot->there)
    slot->drive.write_data (slot->drive.self, (uint32_t) value, size);
  for (unsigned i = 0; i < size && offset != BP_ATA_DATA; i++)
    write_register (c, (unsigned) offset + i, (uint8_t) (value >> 8 * i));
}

static IdeChannel *channel_of (void *adapter, unsigned n) { return &((IdeAdapter *) adapter)->channels[n]; }

static uint64_t command0_read (void *self, uint64_t offset, unsigned size) { return command_read (channel_of (self, 0), offset, size); }
static uint64_t command1_read (void *self, uint64_t offset, unsigned size) { return command_read (channel_of (self, 1), offset, size); }
static void command0_write (void *self, uint64_t offset, uint64_t value, unsigned size) { command_write (channel_of (self, 0), offset, value, size); }
static void command1_write (void *self, uint64_t offset, uint64_t value, unsigned size) { command_write (channel_of (self, 1), offset, value, size); }
static uint64_t control0_read (void *self, uint64_t offset, unsigned size) { return read_register (channel_of (self, 0), BP_ATA_ALTERNATE); }
static uint64_t control1_read (void *self, uint64_t offset, unsigned size) { return read_register (channel_of (self, 1), BP_ATA_ALTERNATE); }

static void
control0_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  write_register (channel_of (self, 0), BP_ATA_CONTROL, (uint8_t) value);
}

static void
control1_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  write_register (channel_of (self, 1), BP_ATA_CONTROL, (uint8_t) value);
}

const BpRegionOps ide_command_ops[IDE_N_CHANNELS] = {
  BP_REGION_OPS (.read = command0_read, .write = command0_write, .impl_max = 4),
  BP_REGION_OPS (.read = command1_read, .write = command1_write, .impl_max = 4),
};
const BpRegionOps ide_control_ops[IDE_N_CHANNELS] = {
  BP_REGION_OPS (.read = control0_read, .write = control0_write, .impl_max = 1),
  BP_REGION_OPS (.read = control1_read, .write = control1_write, .impl_max = 1),
};

/* --- set-up memory ------------------------------------------------------------------------ */

enum { CMOS_TYPES = 0x12, CMOS_TYPE0 = 0x19, CMOS_DISK0 = 0x1b, CMOS_DISK_BYTES = 9, TYPE_LISTED = 15, TYPE_OF_USER = 47, MANY_HEADS = 8 };

/* As PC/AT's set-up has it: a type, and for the one that is the user's own the geometry. */
static void
note_disk (const IdeAdapter *a, const BpAtaSlot *slot)
{
  const BpAtaDrive *d = &slot->drive;
  unsigned n = slot == &a->channels[0].slots[1];
  uint8_t low = (uint8_t) d->cylinders, high = (uint8_t) (d->cylinders >> 8);
  const uint8_t bytes[CMOS_DISK_BYTES] = { low, high, (uint8_t) d->heads, 0xff, 0xff, d->heads > 8 ? MANY_HEADS : 0, low, high, (uint8_t) d->sectors };
  if (slot->channel != &a->channels[0] || !d->sectors)
    return;
  bp_cmos_set (&a->cmos, CMOS_TYPES, n ? 0x0f : 0xf0, n ? TYPE_LISTED : TYPE_LISTED << 4);
  bp_cmos_set (&a->cmos, CMOS_TYPE0 + n, 0xff, TYPE_OF_USER);
  for (unsigned i = 0; i < CMOS_DISK_BYTES; i++)
    bp_cmos_set (&a->cmos, CMOS_DISK0 + n * CMOS_DISK_BYTES + i, 0xff, bytes[i]);
}

/* --- the bus ------------------------------------------------------------------------------- */

static BpAtaSlot *
add (void *bus, unsigned address, const BpAtaDrive *drive, GError **error)
{
  BpAtaSlot *slot = address < 2 * IDE_N_CHANNELS ? &channel_of (bus, address >> 1)->slots[address & 1] : NULL;
  if (!slot || slot->there) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, slot ? "the place %u.%u on `%s' is taken" : "there is no place %u.%u on `%s'", address >> 1, address & 1,
                 bp_object_id (bus));
    return NULL;
  }
  if (drive->struct_size < offsetof (BpAtaDrive, cylinders)) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the drive for %u.%u on `%s' has a struct_size of %u, which is to be sizeof (BpAtaDrive)", address >> 1, address & 1,
                 bp_object_id (bus), drive->struct_size);
    return NULL;
  }
  memset (slot, 0, sizeof *slot);
  memcpy (&slot->drive, drive, MIN (drive->struct_size, sizeof slot->drive));
  slot->channel = channel_of (bus, address >> 1);
  slot->there = true;
  note_disk (bus, slot);
  return slot;
}

static void
remove_drive (void *bus, BpAtaSlot *slot)
{
  if (slot->channel->user == slot)
    ide_dma_unmap (slot->channel, false);
  slot->there = slot->wants_dma = false;
  follow_line (slot->channel);
}

static void
set_interrupt (void *bus, BpAtaSlot *slot, int level)
{
  if (slot->level == (level != 0))
    return;
  slot->level = level != 0;
  follow_line (slot->channel);
}

static bool has_dma (void *bus, BpAtaSlot *slot) { return slot->channel->memory != NULL; }
static void request_dma (void *bus, BpAtaSlot *slot, bool wanted, bool to_memory) { ide_dma_request (slot->channel, slot, wanted, to_memory); }

static void
dma_unmap (void *bus, BpAtaSlot *slot, bool moved)
{
  if (slot->channel->user == slot)
    ide_dma_unmap (slot->channel, moved);
}

static uint64_t
dma_map (void *bus, BpAtaSlot *slot, uint64_t most, unsigned unit, const struct iovec **iov, unsigned *n_iov)
{
  IdeChannel *c = slot->channel;
  uint64_t size = ide_dma_map (c, slot, most, unit);
  *iov = c->iov;
  *n_iov = c->n_iov;
  return size;
}

const BpAtaBusIface ide_bus_iface = {
  .struct_size = sizeof ide_bus_iface, .add = add, .remove = remove_drive, .set_interrupt = set_interrupt, .has_dma = has_dma,
  .request_dma = request_dma, .dma_map = dma_map, .dma_unmap = dma_unmap,
};

/* --- the whole ------------------------------------------------------------------------------- */

void
ide_adapter_init (IdeAdapter *a)
{
  for (unsigned i = 0; i < IDE_N_CHANNELS; i++)
    a->channels[i].owner = a;
}

/* The drives are objects of their own, which are reset after the adapter that they link to. */
void
ide_adapter_reset (IdeAdapter *a)
{
  for (unsigned i = 0; i < IDE_N_CHANNELS; i++) {
    a->channels[i].selected = 0;
    ide_master_reset (&a->channels[i]);
  }
}

void
ide_adapter_post_load (IdeAdapter *a)
{
  for (unsigned i = 0; i < IDE_N_CHANNELS; i++) {
    IdeChannel *c = &a->channels[i];
    c->selected &= 1;
    bp_pin_set (c->irq, (c->slots[0].there && c->slots[0].level) || (c->slots[1].there && c->slots[1].level));
  }
}

/* --- saved fields ------------------------------------------------------------------------------ */

static const BpStateField cursor_state[] = {
  BP_STATE_FIELD_U32 (IdeCursor, entry), BP_STATE_FIELD_U32 (IdeCursor, at), BP_STATE_FIELD_U32 (IdeCursor, left), BP_STATE_FIELD_BOOL (IdeCursor, last),
  BP_STATE_END
};

static const BpStateField slot_state[] = {
  BP_STATE_FIELD_BOOL (BpAtaSlot, level), BP_STATE_FIELD_BOOL (BpAtaSlot, wants_dma), BP_STATE_FIELD_BOOL (BpAtaSlot, to_memory), BP_STATE_END
};

const BpStateField ide_channel_state[] = {
  BP_STATE_FIELD_STRUCTS (IdeChannel, slots, 2, slot_state), BP_STATE_FIELD_U8 (IdeChannel, selected), BP_STATE_FIELD_U8 (IdeChannel, command), BP_STATE_FIELD_U8 (IdeChannel, status),
  BP_STATE_FIELD_U32 (IdeChannel, table), BP_STATE_FIELD_STRUCTS (IdeChannel, cursor, 1, cursor_state), BP_STATE_END
};
