/* @{name}.c -- a countdown on the PCI bus: at zero it adds one to a word of the guest's memory, and interrupts. */
/* SPDX-License-Identifier: @{licence} */
/* SPDX-FileCopyrightText: @{year} @{author} */
#include <backplane/bus/pci.h>
#include <backplane/device.h>

/* --- registers -------------------------------------------------------------- */

/* Vendor 0xf055 is nobody's: take one that is yours, or the one that Linux's driver looks for. */
#define VENDOR 0xf055
#define DEVICE 0x0001
#define CLASS_OTHER 0xff

/* BAR 0, memory.  32 bits each; other sizes read as ones and are not written. */
enum {
  REG_ID = 0x00,                /* "COUN" */
  REG_COUNT = 0x04,             /* what is left; writing it is only possible while it stands */
  REG_CONTROL = 0x08,
  REG_STATUS = 0x0c,            /* DONE is cleared by writing a one */
  REG_ADDRESS = 0x10,           /* of the word that is added to, 64 bits; 0: none */
  BAR_SIZE = 0x1000
};
#define ID 0x4e554f43u
enum { CONTROL_START = 1, CONTROL_INTERRUPT = 2 };
enum { STATUS_RUNNING = 1, STATUS_DONE = 2, STATUS_ERROR = 4, STATUS_EVENTS = STATUS_DONE | STATUS_ERROR };

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct @{CName} {
  uint32_t count, control, status;
  uint64_t began;               /* ns of virtual time, while it runs */
  uint64_t address;
  BpTimer *timer;               /* fires at zero */
  BpLink bus;                   /* properties */
  char *place;
  uint32_t tick;                /* ns a step */
  BpPciSlot *slot;
  BpRegion *regs;
  bool interrupting;
} @{CName};

/* --- events ----------------------------------------------------------------- */

static const BpPciBusIface *bus_of (const @{CName} *d) { return d->bus.table; }

/* The bus sends a message, or sets the pin while the guest has not switched messages on.  It is told of changes alone: each rise is a message. */
static void
update_irq (@{CName} *d)
{
  bool interrupting = d->control & CONTROL_INTERRUPT && d->status & STATUS_EVENTS;
  if (interrupting == d->interrupting)
    return;
  d->interrupting = interrupting;
  bp_pci_interrupt (&d->bus, d->slot, 0, interrupting);
}

/* The address is the guest's: when nothing is there, or the device was not made a bus master, the access fails, and the guest is told. */
static bool
add_one (@{CName} *d)
{
  BpAddressSpace *memory = bus_of (d)->dma (d->bus.instance, d->slot);
  uint32_t word;
  if (!bp_as_read (memory, d->address, &word, 4))
    return false;
  word = GUINT32_TO_LE (GUINT32_FROM_LE (word) + 1);
  return bp_as_write (memory, d->address, &word, 4);
}

static void
at_zero (void *user)
{
  @{CName} *d = user;
  d->count = 0;
  d->status = STATUS_DONE;
  if (d->address && !add_one (d)) {
    d->status |= STATUS_ERROR;
    bp_log_guest (d, "no word at 0x%" G_GINT64_MODIFIER "x, or no bus master", d->address);
  }
  update_irq (d);
}

/* --- guest access ----------------------------------------------------------- */

static uint64_t now (const @{CName} *d) { return (uint64_t) bp_clock_now (bp_object_machine (d), BP_CLOCK_VIRTUAL); }

static uint32_t
left (const @{CName} *d)
{
  uint64_t steps = d->status & STATUS_RUNNING ? (now (d) - d->began) / d->tick : 0;
  return steps < d->count ? d->count - (uint32_t) steps : 0;
}

static uint64_t
@{c_name}_read (void *self, uint64_t offset, unsigned size)
{
  const @{CName} *d = self;
  switch (offset) {
  case REG_ID: return ID;
  case REG_COUNT: return left (d);
  case REG_CONTROL: return d->control;
  case REG_STATUS: return d->status;
  case REG_ADDRESS: return (uint32_t) d->address;
  case REG_ADDRESS + 4: return d->address >> 32;
  default: return 0;
  }
}

static void
write_control (@{CName} *d, uint32_t value)
{
  d->control = value & CONTROL_INTERRUPT;
  if (value & CONTROL_START && d->status & STATUS_RUNNING) {
    bp_log_guest (d, "started while it runs: ignored");
  } else if (value & CONTROL_START) {
    d->status = STATUS_RUNNING;
    d->began = now (d);
    bp_timer_arm (d->timer, (int64_t) (d->began + (uint64_t) d->count * d->tick));
  }
  update_irq (d);
}

/* A guest may write anything anywhere: what the device has no answer to is logged, and nothing else happens. */
static void
@{c_name}_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  @{CName} *d = self;
  if (offset == REG_CONTROL) {
    write_control (d, (uint32_t) value);
  } else if (offset == REG_STATUS) {
    d->status &= ~((uint32_t) value & STATUS_EVENTS);
    update_irq (d);
  } else if (offset == REG_COUNT && !(d->status & STATUS_RUNNING)) {
    d->count = (uint32_t) value;
  } else if (offset == REG_ADDRESS) {
    d->address = (d->address & ~UINT64_C (0xffffffff)) | value;
  } else if (offset == REG_ADDRESS + 4) {
    d->address = (uint32_t) d->address | value << 32;
  } else {
    bp_log_guest (self, "write of 0x%08x to register 0x%02x", (unsigned) value, (unsigned) offset);
  }
}

/* --- life cycle: configure, realize, reset, unrealize, post_load -------------- */

static const BpRegionOps ops = BP_REGION_OPS (.read = @{c_name}_read, .write = @{c_name}_write, .access_min = 4, .access_max = 4, .impl_min = 4, .impl_max = 4);

static bool
@{c_name}_configure (void *self, GError **error)
{
  @{CName} *d = self;
  if (bp_pci_address_parse (d->place) >= 0)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "address = %s is not a place on a PCI bus; write DEVICE.FUNCTION, as in 05.0", d->place);
  return false;
}

static bool
@{c_name}_realize (void *self, GError **error)
{
  @{CName} *d = self;
  const BpPciBusIface *bus = bus_of (d);
  d->timer = bp_timer_new (self, BP_CLOCK_VIRTUAL, at_zero, d);
  d->regs = bp_region_new_io (self, "regs", &ops, BAR_SIZE);
  BpPciFunction f = { .struct_size = sizeof f, .vendor_id = VENDOR, .device_id = DEVICE, .class_code = CLASS_OTHER, .interrupt_pin = 1,
                      .bars = { { d->regs, BP_PCI_BAR_MEMORY } }, .self = d };
  d->slot = bus->add (d->bus.instance, (unsigned) bp_pci_address_parse (d->place), &f, error);
  /* A bus that has no messages has the pin still. */
  return d->slot && (!BP_TABLE_HAS (bus, add_msi) || bus->add_msi (d->bus.instance, d->slot, 1, error));
}

static void
@{c_name}_reset (void *self, BpResetKind kind)
{
  @{CName} *d = self;
  bp_timer_cancel (d->timer);
  d->count = d->control = d->status = 0;
  d->began = d->address = 0;
  d->interrupting = false;
  bus_of (d)->set_interrupt (d->bus.instance, d->slot, 0);
  bus_of (d)->reset (d->bus.instance, d->slot);
}

/* Also when realize failed, or was never called. */
static void
@{c_name}_unrealize (void *self)
{
  @{CName} *d = self;
  if (d->slot)
    bus_of (d)->remove (d->bus.instance, d->slot);
  bp_timer_free (d->timer);
  bp_region_free (d->regs);
  d->slot = NULL;
  d->timer = NULL;
  d->regs = NULL;
}

/* A file may hold anything: what cannot be is refused.  The bus has saved its own side: a message that was sent was sent, and nothing is told anew. */
static bool
@{c_name}_post_load (void *self, GError **error)
{
  @{CName} *d = self;
  bool running = d->status & STATUS_RUNNING;
  if (d->status & ~(uint32_t) (STATUS_RUNNING | STATUS_EVENTS) || (running && d->status & STATUS_DONE) || d->control & ~(uint32_t) CONTROL_INTERRUPT || running != bp_timer_is_armed (d->timer) || (running && d->began > now (d))) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the countdown is in no such state: status 0x%x, control 0x%x", d->status, d->control);
    return false;
  }
  d->interrupting = d->control & CONTROL_INTERRUPT && d->status & STATUS_EVENTS;
  return true;
}

/* --- tables: properties, saved fields, type ------------------ */

static const BpProperty properties[] = {
  BP_PROP_LINK ("bus", @{CName}, bus, BP_PCI_BUS_ID, BP_PROPERTY_REQUIRED, "The PCI bus it is on."),
  BP_PROP_STRING ("address", @{CName}, place, "05.0", "Its place on the bus: device (hexadecimal) and function."),
  BP_PROP_ ("tick", BP_PROPERTY_U32, @{CName}, tick, .default_int = 1000, .min = 1, .max = 1000000000, .help = "Nanoseconds that a step of the count takes."),
  BP_PROP_END
};

static const BpStateField state[] = {
  BP_STATE_FIELD_U32 (@{CName}, count), BP_STATE_FIELD_U32 (@{CName}, control), BP_STATE_FIELD_U32 (@{CName}, status), BP_STATE_FIELD_U64 (@{CName}, began),
  BP_STATE_FIELD_U64 (@{CName}, address), BP_STATE_FIELD_TIMER (@{CName}, timer), BP_STATE_END
};

static const BpTypeDesc @{c_name}_type = {
  BP_TYPE ("@{name}", BP_KIND_DEVICE, @{CName}),
  .description = "Countdown on the PCI bus",
  .properties = properties,
  .state_version = 1,
  .state_minimum = 1,
  .state = state,
  .configure = @{c_name}_configure,
  .realize = @{c_name}_realize,
  .reset = @{c_name}_reset,
  .unrealize = @{c_name}_unrealize,
  .post_load = @{c_name}_post_load,
};

static const char *const needs[] = { BP_PCI_BUS_ID, NULL };
static const BpTypeDesc *const types[] = { &@{c_name}_type, NULL };

BP_PLUGIN_DEFINE (.id = "@{name}", .version = "1.0", .licence = "@{licence}", .description = "A countdown for PCI", .types = types,
                  .requires_interfaces = needs);
