/* frozen.c -- a plugin of ABI 1.0, kept as it was compiled then: one type of each kind that third parties write. */
/* SPDX-License-Identifier: MIT */
/*
 * frozen.so beside this file was made from it, with the headers of 1.0:
 *   gcc -std=gnu11 -O2 -fPIC -fvisibility=hidden -shared $(pkg-config --cflags backplane) frozen.c -o frozen.so $(pkg-config --libs backplane) && strip frozen.so
 * It is never made again.  tests/abi/test-frozen.c drives it.
 */
#include <backplane/bus/pci.h>
#include <backplane/device.h>
#include <backplane/iface/char.h>
#include <backplane/iface/memory-backend.h>
#include <backplane/tcg/instrument.h>
#include <string.h>

/* --- a device: each kind of property, pin and saved field --------------------------------------------------- */

enum { MODE_SLOW, MODE_FAST };
enum { N_LEVELS = 4 };

typedef struct Level {
  uint16_t value;
  uint8_t touched;
} Level;

typedef struct Device {
  bool loud;
  uint32_t level;
  uint64_t size;
  char *text;
  int mode;
  char **list;
  BpLink line;                  /* bp.char/1 */
  BpPin *irq;
  BpRegion *regs;
  BpTimer *timer;
  uint8_t data[8];
  Level levels[N_LEVELS];
  uint32_t n_edges, n_fired;
  uint64_t rare;
} Device;

static uint64_t
device_read (void *self, uint64_t offset, unsigned size)
{
  const Device *d = self;
  switch (offset) {
  case 8:
    return (uint8_t) d->n_edges;
  case 9:
    return (uint8_t) d->n_fired;
  case 10:
    return d->list ? (uint8_t) g_strv_length (d->list) : 0;
  case 11:
    return (uint8_t) (strlen (d->text) + d->level);
  default:
    return offset < sizeof d->data ? d->data[offset] : 0xff;
  }
}

/* 0: what is written goes to the line and into the first level; 1: arms the timer, in microseconds; 2: the interrupt's level; 3: the rare state. */
static void
device_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Device *d = self;
  uint8_t byte = (uint8_t) value;
  if (offset >= sizeof d->data) {
    bp_log_guest (self, "write of 0x%02x to register %u", byte, (unsigned) offset);
    return;
  }
  d->data[offset] = byte;
  d->levels[offset % N_LEVELS] = (Level) { byte, 1 };
  if (offset == 0)
    bp_char_write (&d->line, &byte, 1);
  else if (offset == 1)
    bp_timer_arm (d->timer, bp_clock_now (bp_object_machine (self), BP_CLOCK_VIRTUAL) + byte * INT64_C (1000));
  else if (offset == 2)
    bp_pin_set (d->irq, byte & 1);
  else if (offset == 3)
    d->rare = byte;
}

static void
device_fire (void *user)
{
  Device *d = user;
  d->n_fired++;
  bp_pin_pulse (d->irq);
}

static void
device_set (void *self, unsigned index, int level)
{
  Device *d = self;
  d->n_edges += level ? index + 1 : 0;
}

static size_t device_can_receive (void *user) { return 1; }

static void
device_receive (void *user, const uint8_t *data, size_t size)
{
  ((Device *) user)->data[4] = data[0];
}

static bool
device_configure (void *self, GError **error)
{
  const Device *d = self;
  if (d->mode == MODE_FAST && !d->loud) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "what is fast is loud");
    return false;
  }
  return true;
}

static bool
device_realize (void *self, GError **error)
{
  static const BpCharHandlers handlers = { .struct_size = sizeof handlers, .can_receive = device_can_receive, .receive = device_receive };
  Device *d = self;
  d->timer = bp_timer_new (self, BP_CLOCK_VIRTUAL, device_fire, d);
  if (bp_char_attach (&d->line, &handlers, d))
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "line: it has a device already");
  return false;
}

static void
device_unrealize (void *self)
{
  Device *d = self;
  bp_char_attach (&d->line, NULL, NULL);
  bp_timer_free (d->timer);
  d->timer = NULL;
}

static void
device_reset (void *self, BpResetKind kind)
{
  Device *d = self;
  memset (d->data, 0, sizeof d->data);
  memset (d->levels, 0, sizeof d->levels);
  d->n_edges = d->n_fired = 0;
  d->rare = 0;
  bp_timer_cancel (d->timer);
  bp_pin_lower (d->irq);
}

static bool device_rare (const void *self) { return ((const Device *) self)->rare != 0; }

static const char *const mode_names[] = { "slow", "fast", NULL };
static const BpProperty device_properties[] = {
  BP_PROP_BOOL ("loud", Device, loud, true, "Whether it is heard."),
  BP_PROP_U32_RANGE ("level", Device, level, 3, 1, 9, "How much, 1 to 9."),
  BP_PROP_SIZE ("size", Device, size, 4096, "Bytes of nothing."),
  BP_PROP_STRING ("text", Device, text, "frozen", "What it is called."),
  BP_PROP_ENUM ("mode", Device, mode, MODE_SLOW, mode_names, "How fast."),
  BP_PROP_LIST ("list", Device, list, "a,b", "Some words."),
  BP_PROP_LINK ("line", Device, line, BP_CHAR_ID, 0, "Where what is written to register 0 goes."),
  BP_PROP_END
};
static const BpRegionOps device_ops = BP_REGION_OPS (.read = device_read, .write = device_write, .impl_max = 1);
static const BpRegionDesc device_regions[] = { BP_REGION_DESC ("regs", Device, regs, &device_ops, 16, "Its registers."), BP_REGION_DESC_END };
static const BpPinDesc device_pins[] = {
  BP_PIN_DESC_OUT ("irq", Device, irq, 0, "Register 2, bit 0; a pulse from the timer."),
  BP_PIN_DESC_IN ("in", 2, device_set, BP_PIN_WIRED_OR, "Edges that are counted."), BP_PIN_DESC_END
};
static const BpStateField level_state[] = { BP_STATE_FIELD_U16 (Level, value), BP_STATE_FIELD_U8 (Level, touched), BP_STATE_END };
static const BpStateField device_state[] = {
  BP_STATE_FIELD_BYTES (Device, data), BP_STATE_FIELD_STRUCTS (Device, levels, N_LEVELS, level_state), BP_STATE_FIELD_U32 (Device, n_edges),
  BP_STATE_FIELD_U32 (Device, n_fired), BP_STATE_FIELD_TIMER (Device, timer), BP_STATE_ (BP_STATE_U64, Device, rare, 1, .needed = device_rare), BP_STATE_END
};
static const BpTypeDesc device_type = {
  BP_TYPE ("frozen-device", BP_KIND_DEVICE, Device), .description = "A device of ABI 1.0", .properties = device_properties, .pins = device_pins,
  .regions = device_regions, .state_version = 1, .state_minimum = 1, .state = device_state, .configure = device_configure,
  .realize = device_realize, .reset = device_reset, .unrealize = device_unrealize
};

/* --- a PCI function: a BAR, DMA, an interrupt ------------------------------------------------------------------ */

typedef struct Pci {
  BpLink bus;
  char *address;
  BpPciSlot *slot;
  BpRegion *bar;
  uint32_t from;
} Pci;

static const BpPciBusIface *pci_bus (const Pci *p) { return p->bus.table; }

static uint64_t pci_read (void *self, uint64_t offset, unsigned size) { return offset ? 0x1f1f0000 : ((Pci *) self)->from; }

/* 0: an address; 4: the 32 bits there are read, inverted and written behind, and the interrupt says so while bit 0 is set. */
static void
pci_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Pci *p = self;
  BpAddressSpace *dma = pci_bus (p)->dma (p->bus.instance, p->slot);
  uint32_t word;
  if (offset == 0) {
    p->from = (uint32_t) value;
    return;
  }
  if (bp_as_read (dma, p->from, &word, sizeof word)) {
    word = ~word;
    bp_as_write (dma, p->from + sizeof word, &word, sizeof word);
  }
  bp_pci_interrupt (&p->bus, p->slot, 0, value & 1);
}

static bool
pci_realize (void *self, GError **error)
{
  static const BpRegionOps ops = BP_REGION_OPS (.read = pci_read, .write = pci_write, .impl_min = 4, .impl_max = 4);
  Pci *p = self;
  p->bar = bp_region_new_io (self, "bar0", &ops, 16);
  const BpPciFunction function = { .struct_size = sizeof function, .vendor_id = 0x1af4, .device_id = 0x10ff, .class_code = 0xff, .interrupt_pin = 1,
                                   .bars = { { p->bar, BP_PCI_BAR_MEMORY } }, .self = self };
  int address = bp_pci_address_parse (p->address);
  p->slot = address < 0 ? NULL : pci_bus (p)->add (p->bus.instance, (unsigned) address, &function, error);
  if (!p->slot && error && !*error)
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "address = %s is no place on a PCI bus", p->address);
  return p->slot && pci_bus (p)->add_msi (p->bus.instance, p->slot, 1, error);
}

static void
pci_unrealize (void *self)
{
  Pci *p = self;
  if (p->slot)
    pci_bus (p)->remove (p->bus.instance, p->slot);
  bp_region_free (p->bar);
  p->slot = NULL;
  p->bar = NULL;
}

static void
pci_reset (void *self, BpResetKind kind)
{
  Pci *p = self;
  p->from = 0;
  pci_bus (p)->reset (p->bus.instance, p->slot);
}

static const BpProperty pci_properties[] = {
  BP_PROP_LINK ("bus", Pci, bus, BP_PCI_BUS_ID, BP_PROPERTY_REQUIRED, "The PCI bus it is on."),
  BP_PROP_STRING ("address", Pci, address, "1e.0", "Its place there."), BP_PROP_END
};
static const BpStateField pci_state[] = { BP_STATE_FIELD_U32 (Pci, from), BP_STATE_END };
static const BpTypeDesc pci_type = {
  BP_TYPE ("frozen-pci", BP_KIND_DEVICE, Pci), .description = "A PCI function of ABI 1.0", .properties = pci_properties, .state_version = 1,
  .state_minimum = 1, .state = pci_state, .realize = pci_realize, .reset = pci_reset, .unrealize = pci_unrealize
};

/* --- a character backend: what it is told comes back, each byte one higher --------------------------------------------- */

typedef struct Echo {
  const BpCharHandlers *handlers;
  void *user;
} Echo;

static bool
echo_attach (void *self, const BpCharHandlers *handlers, void *user)
{
  Echo *e = self;
  if (handlers && e->handlers)
    return false;
  *e = (Echo) { handlers, user };
  return true;
}

static void
echo_write (void *self, const uint8_t *data, size_t size)
{
  const Echo *e = self;
  for (size_t i = 0; i < size && e->handlers; i++) {
    uint8_t next = (uint8_t) (data[i] + 1);
    if (e->handlers->can_receive (e->user))
      e->handlers->receive (e->user, &next, 1);
  }
}

static const BpCharIface echo_iface = { .struct_size = sizeof echo_iface, .attach = echo_attach, .write = echo_write };
static const BpInterfaceDesc echo_interfaces[] = { { BP_CHAR_ID, &echo_iface }, { NULL, NULL } };
static const BpTypeDesc echo_type = {
  BP_TYPE ("frozen-char", BP_KIND_BACKEND, Echo), .description = "A character backend of ABI 1.0", .interfaces = echo_interfaces
};

/* --- a memory backend ------------------------------------------------------------------------------------------- */

typedef struct Memory {
  uint64_t size;
  void *host;
  BpRegion *region;
} Memory;

static bool
memory_configure (void *self, GError **error)
{
  Memory *m = self;
  m->host = g_aligned_alloc0 (1, m->size, 4096);
  m->region = bp_region_new_ram (self, "ram", m->host, m->size);
  bp_region_publish (self, m->region, "The memory.");
  return true;
}

static void
memory_unrealize (void *self)
{
  Memory *m = self;
  bp_region_free (m->region);
  m->region = NULL;
  g_clear_pointer (&m->host, g_aligned_free);
}

static BpRegion *memory_region (void *self) { return ((Memory *) self)->region; }
static uint64_t memory_size (void *self) { return ((Memory *) self)->size; }
static int memory_fd (void *self) { return -1; }
static const BpMemoryBackendIface memory_iface = { .struct_size = sizeof memory_iface, .region = memory_region, .size = memory_size, .fd = memory_fd };
static const BpInterfaceDesc memory_interfaces[] = { { BP_MEMORY_BACKEND_ID, &memory_iface }, { NULL, NULL } };
static const BpProperty memory_properties[] = {
  BP_PROP_SIZE_REQUIRED ("size", Memory, size, 4096, UINT64_C (1) << 30, "Bytes of memory."), BP_PROP_END
};
static const BpTypeDesc memory_type = {
  BP_TYPE ("frozen-memory", BP_KIND_MEMORY, Memory), .description = "A memory backend of ABI 1.0", .properties = memory_properties,
  .interfaces = memory_interfaces, .configure = memory_configure, .unrealize = memory_unrealize
};

/* --- a bus with an interface of its own, and a device on it -------------------------------------------------------------- */

#define FROZEN_BUS_ID "org.example.frozen-bus/1"
typedef struct FrozenBusIface {
  uint32_t struct_size;
  unsigned (*add) (void *bus, void *child);     /* the child's number */
} FrozenBusIface;

typedef struct Bus {
  unsigned n;
} Bus;

static unsigned bus_add (void *self, void *child) { return ++((Bus *) self)->n; }
static const FrozenBusIface bus_iface = { sizeof bus_iface, bus_add };
static const BpInterfaceDesc bus_interfaces[] = { { FROZEN_BUS_ID, &bus_iface }, { NULL, NULL } };
static const BpTypeDesc bus_type = {
  BP_TYPE ("frozen-bus", BP_KIND_BUS, Bus), .description = "A bus of ABI 1.0", .interfaces = bus_interfaces
};

typedef struct Child {
  BpLink bus;
  uint32_t number;
  BpRegion *regs;
} Child;

static uint64_t child_read (void *self, uint64_t offset, unsigned size) { return ((Child *) self)->number; }

static bool
child_realize (void *self, GError **error)
{
  Child *c = self;
  const FrozenBusIface *t = c->bus.table;
  c->number = t->add (c->bus.instance, self);
  return true;
}

static const BpRegionOps child_ops = BP_REGION_OPS (.read = child_read);
static const BpRegionDesc child_regions[] = { BP_REGION_DESC ("regs", Child, regs, &child_ops, 4, "Its number on the bus."), BP_REGION_DESC_END };
static const BpProperty child_properties[] = {
  BP_PROP_LINK ("bus", Child, bus, FROZEN_BUS_ID, BP_PROPERTY_REQUIRED, "The bus it is on."), BP_PROP_END
};
static const BpTypeDesc child_type = {
  BP_TYPE ("frozen-child", BP_KIND_DEVICE, Child), .description = "A device on the bus of ABI 1.0", .properties = child_properties,
  .regions = child_regions, .realize = child_realize
};

/* --- an instrument: instructions, loads and stores ------------------------------------------------------------------------ */

typedef struct Count {
  BpInstrument *in;
  BpCounter instructions, accesses;
  uint64_t n_blocks;
} Count;

static void
count_block (void *user, BpInstrBlock *block)
{
  Count *c = user;
  c->n_blocks++;
  bp_block_count (block, BP_EVERY_INSN, c->instructions, 1);
  bp_block_count_memory (block, BP_EVERY_INSN, BP_LOADS | BP_STORES, c->accesses, 1);
}

static void
count_report (void *user, BpReport *report)
{
  const Count *c = user;
  uint64_t instructions = 0, accesses = 0;
  for (unsigned i = 0; i < bp_instrument_n_vcpus (c->in); i++) {
    instructions += bp_counter_get (c->in, c->instructions, i);
    accesses += bp_counter_get (c->in, c->accesses, i);
  }
  bp_report_count (report, "instructions", "Instructions", instructions);
  bp_report_count (report, "accesses", "Loads and stores", accesses);
}

static bool
count_realize (void *self, GError **error)
{
  static const BpInstrumentOps ops = { .struct_size = sizeof ops, .block = count_block, .report = count_report };
  Count *c = self;
  c->in = bp_instrument_attach (self, &ops, c, error);
  if (!c->in)
    return false;
  c->instructions = bp_counter_new (c->in, 0);
  c->accesses = bp_counter_new (c->in, 0);
  return true;
}

static void
count_unrealize (void *self)
{
  Count *c = self;
  bp_instrument_detach (c->in);
  c->in = NULL;
}

static const BpTypeDesc count_type = {
  BP_TYPE ("frozen-count", BP_KIND_INSTRUMENT, Count), .description = "An instrument of ABI 1.0", .realize = count_realize, .unrealize = count_unrealize
};

static const BpTypeDesc *const types[] = {
  &device_type, &pci_type, &echo_type, &memory_type, &bus_type, &child_type, &count_type, NULL
};

BP_PLUGIN_DEFINE (.id = "frozen", .version = "1.0", .licence = "MIT", .description = "What third parties write, as of ABI 1.0", .types = types);
