/* crc-engine.c -- a PCI device that computes checksums: it reads the guest's memory by itself, writes the result there, and interrupts by message. */
/* SPDX-License-Identifier: MIT */
#include <backplane/bus/pci.h>
#include <backplane/device.h>

/* --- registers -------------------------------------------------------------- */

#define VENDOR 0xf055
#define DEVICE 0xc32c
#define CLASS_ACCELERATOR 0x12

/* BAR 0, memory, 64-bit.  32 bits each; an access of 64 bits is two. */
enum {
  REG_ID = 0x00,                /* "CRC1" */
  REG_CONTROL = 0x04,           /* START and STOP read as zero */
  REG_STATUS = 0x08,            /* DONE and ERROR are cleared by writing ones */
  REG_LENGTH = 0x0c,            /* bytes to read */
  REG_SOURCE = 0x10,            /* where they are; 64 bits */
  REG_RESULT = 0x18,            /* where the result goes, 8 bytes: checksum, bytes read; 64 bits */
  REG_CRC = 0x20, REG_PROGRESS = 0x24,  /* the result so far */
  BAR_SIZE = 0x1000
};
#define ID 0x31435243u
enum { CONTROL_START = 1, CONTROL_STOP = 2, CONTROL_INTERRUPT = 4 };
enum { STATUS_BUSY = 1, STATUS_DONE = 2, STATUS_ERROR = 4, STATUS_EVENTS = STATUS_DONE | STATUS_ERROR };

#define CHUNK 4096u             /* bytes read at a time */

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct Engine {
  uint32_t control, status, length, crc, progress;
  uint64_t source, result;
  BpTimer *timer;               /* the next chunk has been read */
  BpLink bus;                   /* properties */
  char *address;
  uint64_t rate;
  BpPciSlot *slot;
  BpRegion *registers;
  bool interrupting;
} Engine;

static const BpPciBusIface *
bus_of (const Engine *e)
{
  return e->bus.table;
}

/* --- events ----------------------------------------------------------------- */

/* The bus is told of changes alone: each rise is a message. */
static void
follow (Engine *e)
{
  bool interrupting = (e->status & STATUS_EVENTS) && e->control & CONTROL_INTERRUPT;
  if (interrupting == e->interrupting)
    return;
  e->interrupting = interrupting;
  bp_pci_interrupt (&e->bus, e->slot, 0, interrupting);
}

/* The checksum of Ethernet, zip and gzip: polynomial 0x04c11db7, reflected; four bits at a time. */
static uint32_t
crc32 (uint32_t crc, const uint8_t *bytes, size_t n)
{
  static const uint32_t table[16] = {
    0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
    0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c
  };
  crc = ~crc;
  for (size_t i = 0; i < n; i++) {
    crc ^= bytes[i];
    crc = crc >> 4 ^ table[crc & 15];
    crc = crc >> 4 ^ table[crc & 15];
  }
  return ~crc;
}

static uint32_t chunk (const Engine *e) { return MIN (e->length - e->progress, CHUNK); }

static void
arm (Engine *e)
{
  int64_t ns = (int64_t) (chunk (e) * (uint64_t) BP_NS_PER_SECOND / e->rate);
  bp_timer_arm (e->timer, bp_clock_now (bp_object_machine (e), BP_CLOCK_VIRTUAL) + ns);
}

/* Whoever has the engine write its result into its own registers may have started it anew by that. */
static void
end (Engine *e, uint32_t event)
{
  bp_timer_cancel (e->timer);
  e->status = (e->status & ~(uint32_t) STATUS_BUSY) | event;
  follow (e);
}

/* The addresses are the guest's: when nothing is there, or the guest has not made the device a bus master, an access fails, and the guest is told. */
static void
timer_fires (void *user)
{
  Engine *e = user;
  BpAddressSpace *dma = bus_of (e)->dma (e->bus.instance, e->slot);
  uint8_t bytes[CHUNK];
  uint32_t n = chunk (e);
  if (!bp_as_read (dma, e->source + e->progress, bytes, n)) {
    bp_log_guest (e, "cannot read %u bytes at 0x%" G_GINT64_MODIFIER "x", n, e->source + e->progress);
    end (e, STATUS_ERROR);
    return;
  }
  e->crc = crc32 (e->crc, bytes, n);
  e->progress += n;
  if (e->progress < e->length) {
    arm (e);
    return;
  }
  uint32_t result[2] = { GUINT32_TO_LE (e->crc), GUINT32_TO_LE (e->progress) };
  bool good = bp_as_write (dma, e->result, result, sizeof result);
  if (!good)
    bp_log_guest (e, "cannot write the result to 0x%" G_GINT64_MODIFIER "x", e->result);
  end (e, good ? STATUS_DONE : STATUS_ERROR);
}

/* --- guest access ----------------------------------------------------------- */

static uint64_t
engine_read (void *self, uint64_t offset, unsigned size)
{
  const Engine *e = self;
  switch (offset) {
  case REG_ID: return ID;
  case REG_CONTROL: return e->control;
  case REG_STATUS: return e->status;
  case REG_LENGTH: return e->length;
  case REG_SOURCE: return (uint32_t) e->source;
  case REG_SOURCE + 4: return e->source >> 32;
  case REG_RESULT: return (uint32_t) e->result;
  case REG_RESULT + 4: return e->result >> 32;
  case REG_CRC: return e->crc;
  case REG_PROGRESS: return e->progress;
  default: return 0;
  }
}

static void
start (Engine *e)
{
  e->status = STATUS_BUSY;
  e->crc = e->progress = 0;
  follow (e);
  arm (e);
}

static void
write_control (Engine *e, uint32_t value)
{
  e->control = value & CONTROL_INTERRUPT;
  if (value & CONTROL_STOP && e->status & STATUS_BUSY) {
    bp_timer_cancel (e->timer);
    e->status &= ~(uint32_t) STATUS_BUSY;
  }
  if (value & CONTROL_START && e->status & STATUS_BUSY)
    bp_log_guest (e, "started while it is busy: ignored");
  else if (value & CONTROL_START)
    start (e);
  follow (e);
}

static void set_low (uint64_t *address, uint32_t value) { *address = (*address & ~UINT64_C (0xffffffff)) | value; }
static void set_high (uint64_t *address, uint32_t value) { *address = (uint32_t) *address | (uint64_t) value << 32; }

/* What a task needs stays as it was when it started. */
static void
write_task (Engine *e, uint64_t offset, uint32_t value)
{
  if (e->status & STATUS_BUSY) {
    bp_log_guest (e, "register 0x%02x written while it is busy: ignored", (unsigned) offset);
    return;
  }
  switch (offset) {
  case REG_LENGTH: e->length = value; break;
  case REG_SOURCE: set_low (&e->source, value); break;
  case REG_SOURCE + 4: set_high (&e->source, value); break;
  case REG_RESULT: set_low (&e->result, value); break;
  default: set_high (&e->result, value); break;
  }
}

static void
engine_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Engine *e = self;
  switch (offset) {
  case REG_CONTROL:
    write_control (e, (uint32_t) value);
    break;
  case REG_STATUS:
    e->status &= ~((uint32_t) value & STATUS_EVENTS);
    follow (e);
    break;
  case REG_LENGTH: case REG_SOURCE: case REG_SOURCE + 4: case REG_RESULT: case REG_RESULT + 4:
    write_task (e, offset, (uint32_t) value);
    break;
  default:
    bp_log_guest (self, "write of 0x%08x to register 0x%03x", (unsigned) value, (unsigned) offset);
  }
}

/* --- life cycle: configure, realize, reset, unrealize ------------------------ */

static bool
engine_configure (void *self, GError **error)
{
  Engine *e = self;
  if (bp_pci_address_parse (e->address) >= 0)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "address = %s is not a place on a PCI bus; write DEVICE.FUNCTION, as in 05.0", e->address);
  return false;
}

/* Anything narrower reads as ones and is not written: the registers are words. */
static const BpRegionOps engine_ops = BP_REGION_OPS (.read = engine_read, .write = engine_write, .access_min = 4, .access_max = 8, .impl_min = 4, .impl_max = 4);

static bool
engine_realize (void *self, GError **error)
{
  Engine *e = self;
  const BpPciBusIface *bus = bus_of (e);
  e->timer = bp_timer_new (self, BP_CLOCK_VIRTUAL, timer_fires, e);
  e->registers = bp_region_new_io (self, "registers", &engine_ops, BAR_SIZE);
  BpPciFunction f = { .struct_size = sizeof f, .vendor_id = VENDOR, .device_id = DEVICE, .revision = 1, .class_code = CLASS_ACCELERATOR,
                      .interrupt_pin = 1, .bars = { { e->registers, BP_PCI_BAR_MEMORY | BP_PCI_BAR_64BIT } }, .self = e };
  e->slot = bus->add (e->bus.instance, (unsigned) bp_pci_address_parse (e->address), &f, error);
  if (!e->slot)
    return false;
  if (BP_TABLE_HAS (bus, add_msi))      /* without, there is the pin still */
    return bus->add_msi (e->bus.instance, e->slot, 1, error);
  return true;
}

static void
engine_reset (void *self, BpResetKind kind)
{
  Engine *e = self;
  bp_timer_cancel (e->timer);
  e->control = e->status = e->length = e->crc = e->progress = 0;
  e->source = e->result = 0;
  e->interrupting = false;
  bus_of (e)->set_interrupt (e->bus.instance, e->slot, 0);
  bus_of (e)->reset (e->bus.instance, e->slot);
}

static void
engine_unrealize (void *self)
{
  Engine *e = self;
  if (e->slot)
    bus_of (e)->remove (e->bus.instance, e->slot);
  bp_timer_free (e->timer);
  bp_region_free (e->registers);
  e->slot = NULL;
  e->timer = NULL;
  e->registers = NULL;
}

/* The bus has saved the level of the pin, and a message that was sent was sent: nothing is told anew. */
static bool
engine_post_load (void *self, GError **error)
{
  Engine *e = self;
  bool busy = e->status & STATUS_BUSY;
  if (e->control & ~(uint32_t) CONTROL_INTERRUPT || e->status & ~(uint32_t) (STATUS_BUSY | STATUS_EVENTS) || (busy && e->status != STATUS_BUSY)
      || busy != bp_timer_is_armed (e->timer) || (busy && e->progress > e->length)) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the engine is in no such state: control 0x%x, status 0x%x, %u of %u bytes", e->control, e->status,
                 e->progress, e->length);
    return false;
  }
  e->interrupting = (e->status & STATUS_EVENTS) && e->control & CONTROL_INTERRUPT;
  return true;
}

/* --- tables: properties, saved fields, type ----------------------------------- */

static const BpProperty engine_properties[] = {
  BP_PROP_LINK ("bus", Engine, bus, BP_PCI_BUS_ID, BP_PROPERTY_REQUIRED, "The PCI bus it is on."),
  BP_PROP_STRING ("address", Engine, address, "05.0", "Its place on the bus: device (hexadecimal) and function."),
  BP_PROP_ ("rate", BP_PROPERTY_SIZE, Engine, rate, .default_int = 100 << 20, .min = 1, .max = UINT64_C (1) << 40,
            .help = "Bytes a second that it reads."),
  BP_PROP_END
};

static const BpStateField engine_state[] = {
  BP_STATE_FIELD_U32 (Engine, control), BP_STATE_FIELD_U32 (Engine, status), BP_STATE_FIELD_U32 (Engine, length), BP_STATE_FIELD_U32 (Engine, crc),
  BP_STATE_FIELD_U32 (Engine, progress), BP_STATE_FIELD_U64 (Engine, source), BP_STATE_FIELD_U64 (Engine, result),
  BP_STATE_FIELD_TIMER (Engine, timer), BP_STATE_END
};

static const BpTypeDesc engine_type = {
  BP_TYPE ("crc-engine", BP_KIND_DEVICE, Engine),
  .description = "PCI device that computes CRC-32 checksums of memory",
  .properties = engine_properties,
  .state_version = 1,
  .state_minimum = 1,
  .state = engine_state,
  .configure = engine_configure,
  .realize = engine_realize,
  .reset = engine_reset,
  .unrealize = engine_unrealize,
  .post_load = engine_post_load,
};

static const BpTypeDesc *const types[] = { &engine_type, NULL };
static const char *const needs[] = { BP_PCI_BUS_ID, NULL };

BP_PLUGIN_DEFINE (.id = "crc-engine", .version = "1.0", .licence = "MIT", .description = "A checksum engine for PCI", .types = types,
                  .requires_interfaces = needs);
