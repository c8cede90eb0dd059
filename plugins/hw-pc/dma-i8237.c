/* dma-i8237.c -- the DMA of an AT: two Intel 8237A (September 1993), the second's channel 0 a cascade, and the page registers. */
/* SPDX-License-Identifier: MIT */
#include <backplane/clock.h>
#include <backplane/iface/isa-dma.h>
#include <backplane/log.h>
#include <backplane/object.h>
#include <string.h>
#include "hw-pc.h"

#define CHANNELS 8u             /* 0 to 3 move bytes, 5 to 7 words; 4 is the cascade */
#define CASCADE 4u
#define CHUNK 4096u
#define REST_NS INT64_C (20000) /* between two rounds of a block that starts over by itself while its device goes on asking */

/* --- registers -------------------------------------------------------------- */

enum { REG_COMMAND = 8, REG_REQUEST, REG_MASK, REG_MODE, REG_CLEAR, REG_MASTER_CLEAR, REG_CLEAR_MASK, REG_ALL_MASK };
enum {
  COMMAND_MEMORY = 0x01, COMMAND_HOLD = 0x02, COMMAND_DISABLE = 0x04, COMMAND_ROTATE = 0x10, COMMAND_SENSE = 0xc0
};
enum { MODE_KIND = 0x0c, MODE_AUTOINIT = 0x10, MODE_DECREMENT = 0x20, MODE_TYPE = 0xc0 };
enum { TYPE_DEMAND = 0x00, TYPE_SINGLE = 0x40, TYPE_BLOCK = 0x80, TYPE_CASCADE = 0xc0 };

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct Channel {
  uint16_t base_address, base_count, address, count;
  uint8_t mode, page, high_page;
} Channel;

typedef struct Chip {
  uint8_t command, mask, software, done, temporary, first;      /* software: request register; done: TC bits; first: highest priority */
  bool high_byte;               /* the flip-flop */
} Chip;

typedef struct Dma {
  Channel channel[CHANNELS];
  Chip chip[2];
  uint8_t pages[16];            /* as written; those that belong to a channel are in its page too */
  uint8_t requests;             /* DREQ, a bit a channel */
  BpTimer *rest;
  BpRegion *low, *high, *page_ports, *high_page_ports;
  BpAddressSpace *memory;
  const BpIsaDmaHandlers *handlers[CHANNELS];
  void *user[CHANNELS];
  bool cascade;                 /* property */
  bool running;                 /* a device called back, which may ask for more */
} Dma;

/* Of the page register with this number, the channel; 0x80 + 0xf is refresh's. */
static const int8_t page_channel[16] = { -1, 2, 3, 1, -1, -1, -1, 0, -1, 6, 7, 5, -1, -1, -1, 4 };

static unsigned unit (unsigned channel) { return channel < CASCADE ? 1 : 2; }
static unsigned type_of (const Channel *c) { return c->mode & MODE_TYPE; }
static BpIsaDmaKind kind_of (const Channel *c) { return (BpIsaDmaKind) ((c->mode & MODE_KIND) >> 2); }

/* --- addresses ------------------------------------------------------------------- */

/* Of `address` units into the page: the counter has 16 bits and nothing is carried into the page. */
static uint64_t
bus_address (const Channel *c, unsigned n, uint16_t address)
{
  uint64_t high = (uint64_t) c->high_page << 24;
  if (unit (n) == 1)
    return high | (uint64_t) c->page << 16 | address;
  return high | (uint64_t) (c->page & 0xfe) << 16 | (uint64_t) address << 1;
}

/* How many units lie side by side from the current address on, in the channel's direction. */
static uint32_t
run_length (const Channel *c, unsigned n)
{
  uint32_t left = (uint32_t) c->count + 1, room = c->mode & MODE_DECREMENT ? (uint32_t) c->address + 1 : 0x10000u - c->address;
  return MIN (MIN (left, room), CHUNK / unit (n));
}

static void
reverse (uint8_t *bytes, uint32_t units, unsigned size)
{
  for (uint32_t i = 0; i < units / 2; i++)
    for (unsigned k = 0; k < size; k++) {
      uint8_t *a = &bytes[i * size + k], *b = &bytes[(units - 1 - i) * size + k], t = *a;
      *a = *b;
      *b = t;
    }
}

/* The lowest address of the next `units`. */
static uint64_t
lowest (const Channel *c, unsigned n, uint32_t units)
{
  return bus_address (c, n, (uint16_t) (c->mode & MODE_DECREMENT ? c->address - (units - 1) : c->address));
}

static void
fetch (Dma *d, unsigned n, uint8_t *bytes, uint32_t units)
{
  const Channel *c = &d->channel[n];
  bp_as_read (d->memory, lowest (c, n, units), bytes, (uint64_t) units * unit (n));
  if (c->mode & MODE_DECREMENT)
    reverse (bytes, units, unit (n));
}

static void
put (Dma *d, unsigned n, uint8_t *bytes, uint32_t units)
{
  const Channel *c = &d->channel[n];
  if (c->mode & MODE_DECREMENT)
    reverse (bytes, units, unit (n));
  bp_as_write (d->memory, lowest (c, n, units), bytes, (uint64_t) units * unit (n));
}

/* Counts; true: that was the last one (terminal count). */
static bool
advance (Dma *d, unsigned n, uint32_t units)
{
  Channel *c = &d->channel[n];
  Chip *chip = &d->chip[n >> 2];
  bool last = units > c->count;
  c->address = (uint16_t) (c->mode & MODE_DECREMENT ? c->address - units : c->address + units);
  c->count = (uint16_t) (c->count - units);
  if (!last)
    return false;
  chip->done |= (uint8_t) (1 << (n & 3));
  chip->software &= (uint8_t) ~(1 << (n & 3));
  if (c->mode & MODE_AUTOINIT) {
    c->address = c->base_address;
    c->count = c->base_count;
  } else
    chip->mask |= (uint8_t) (1 << (n & 3));
  return true;
}

/* --- transfers ---------------------------------------------------------------------- */

static bool is_asked (const Dma *d, unsigned n) { return d->requests >> n & 1; }

/* Units moved between the device and `bytes`.  Nobody on the channel: the data bus floats. */
static uint32_t
ask_device (Dma *d, unsigned n, BpIsaDmaKind kind, uint8_t *bytes, uint32_t units, bool tc)
{
  size_t size = (size_t) units * unit (n);
  if (!d->handlers[n]) {
    if (kind != BP_ISA_DMA_READ)
      memset (bytes, 0xff, size);
    return units;
  }
  size_t moved = d->handlers[n]->transfer (d->user[n], kind, bytes, size, tc);
  if (moved < size)
    d->requests &= (uint8_t) ~(1u << n);
  return (uint32_t) (MIN (moved, size) / unit (n));
}

/* What the device did not give of a block that goes on until its end. */
static uint32_t
fill_block (BpIsaDmaKind kind, uint8_t *bytes, uint32_t moved, uint32_t units, unsigned size)
{
  if (kind == BP_ISA_DMA_WRITE)
    memset (bytes + (size_t) moved * size, 0xff, (size_t) (units - moved) * size);
  return units;
}

/* One run of addresses; false: the device has had enough, or terminal count was reached. */
static bool
move_run (Dma *d, unsigned n)
{
  Channel *c = &d->channel[n];
  uint8_t bytes[CHUNK];
  BpIsaDmaKind kind = kind_of (c);
  uint32_t units = run_length (c, n);
  if (kind == BP_ISA_DMA_READ)
    fetch (d, n, bytes, units);
  else
    memset (bytes, 0xff, sizeof bytes);
  uint32_t moved = ask_device (d, n, kind, bytes, units, units == (uint32_t) c->count + 1);
  bool enough = moved < units;
  if (enough && type_of (c) == TYPE_BLOCK) {
    moved = fill_block (kind, bytes, moved, units, unit (n));
    enough = false;
  }
  if (moved && kind == BP_ISA_DMA_WRITE)
    put (d, n, bytes, moved);
  return !(moved && advance (d, n, moved)) && !enough;
}

/* Memory to memory: channel 0 reads, channel 1 writes and counts, one unit at a time through the temporary register. */
static void
move_memory (Dma *d, unsigned chip)
{
  unsigned from = 4 * chip, to = from + 1, size = unit (from);
  Channel *source = &d->channel[from];
  bool last;
  do {
    uint8_t bytes[2] = { 0xff, 0xff };
    bp_as_read (d->memory, bus_address (source, from, source->address), bytes, size);
    bp_as_write (d->memory, bus_address (&d->channel[to], to, d->channel[to].address), bytes, size);
    d->chip[chip].temporary = bytes[0];
    if (!(d->chip[chip].command & COMMAND_HOLD))
      source->address = (uint16_t) (source->mode & MODE_DECREMENT ? source->address - 1 : source->address + 1);
    source->count--;
    last = advance (d, to, 1);
  } while (!last);
  d->chip[chip].software &= (uint8_t) ~1u;
}

/* A channel that was chosen: as far as it goes now. */
static void
serve (Dma *d, unsigned n)
{
  Channel *c = &d->channel[n];
  Chip *chip = &d->chip[n >> 2];
  if (chip->command & COMMAND_ROTATE)
    chip->first = (uint8_t) ((n + 1) & 3);
  if (type_of (c) == TYPE_CASCADE) {
    if (d->handlers[n])
      d->handlers[n]->transfer (d->user[n], BP_ISA_DMA_CASCADE, NULL, 0, false);
    d->requests &= (uint8_t) ~(1u << n);
    chip->software &= (uint8_t) ~(1u << (n & 3));
    return;
  }
  if (kind_of (c) == BP_ISA_DMA_CASCADE) {
    bp_log_guest (d, "channel %u: transfer type 3 is illegal", n);
    chip->mask |= (uint8_t) (1u << (n & 3));
    chip->software &= (uint8_t) ~(1u << (n & 3));       /* which no mask holds back: it would ask for good */
    return;
  }
  while (move_run (d, n) && (is_asked (d, n) || chip->software >> (n & 3) & 1 || type_of (c) == TYPE_BLOCK))
    ;
}

/* The next channel of a chip that can be served, or -1; those that were served (a bit each) have had their turn. */
static int
choose (const Dma *d, unsigned chip, unsigned served)
{
  const Chip *c = &d->chip[chip];
  unsigned asked = ((d->requests >> 4 * chip & 0x0f & ~c->mask) | c->software) & ~(served >> 4 * chip);
  if (c->command & COMMAND_DISABLE)
    return -1;
  for (unsigned i = 0; i < 4; i++) {
    unsigned n = (c->first + i) & 3;
    if (asked >> n & 1 && 4 * chip + n != CASCADE)
      return (int) (4 * chip + n);
  }
  return -1;
}

/* The first chip asks through the second's channel 0. */
static bool
is_cascade_open (const Dma *d)
{
  const Chip *c = &d->chip[1];
  return !(c->command & COMMAND_DISABLE) && !(c->mask & 1) && type_of (&d->channel[CASCADE]) == TYPE_CASCADE;
}

static int
choose_any (const Dma *d, unsigned served)
{
  int n = is_cascade_open (d) ? choose (d, 0, served) : -1;
  return n >= 0 ? n : choose (d, 1, served);
}

/* Each channel once: what asks on and on waits a little, and the guest and the other channels go on meanwhile. */
static void
run (Dma *d)
{
  int n;
  unsigned served = 0;
  if (d->running)
    return;
  d->running = true;
  while ((n = choose_any (d, served)) >= 0) {
    served |= 1u << n;
    if (!(n & 3) && d->chip[n >> 2].command & COMMAND_MEMORY && d->chip[n >> 2].software & 1)
      move_memory (d, (unsigned) n >> 2);
    else
      serve (d, (unsigned) n);
  }
  d->running = false;
  if (choose_any (d, 0) >= 0 && !bp_timer_is_armed (d->rest))
    bp_timer_arm (d->rest, bp_clock_now (bp_object_machine (d), BP_CLOCK_VIRTUAL) + REST_NS);
}

static void
on_rest (void *user)
{
  run (user);
}

/* --- the interface of devices ------------------------------------------------------------ */

static bool
dma_attach (void *self, unsigned channel, const BpIsaDmaHandlers *handlers, void *user)
{
  Dma *d = self;
  if (channel >= CHANNELS || channel == CASCADE || (handlers && d->handlers[channel]))
    return false;
  d->handlers[channel] = handlers;
  d->user[channel] = user;
  if (!handlers)
    d->requests &= (uint8_t) ~(1u << channel);
  return true;
}

static void
dma_request (void *self, unsigned channel, bool on)
{
  Dma *d = self;
  if (channel >= CHANNELS || channel == CASCADE)
    return;
  d->requests = (uint8_t) ((d->requests & ~(1u << channel)) | (unsigned) on << channel);
  if (on)
    run (d);
}

static const BpIsaDmaIface dma_iface = { .struct_size = sizeof dma_iface, .attach = dma_attach, .request = dma_request };

/* --- guest access: the chips ----------------------------------------------------------------- */

static uint8_t
take_byte (Chip *chip, uint16_t word)
{
  chip->high_byte = !chip->high_byte;
  return (uint8_t) (chip->high_byte ? word : word >> 8);
}

static uint8_t
status (Dma *d, unsigned number)
{
  Chip *chip = &d->chip[number];
  uint8_t value = (uint8_t) (chip->done | (d->requests >> 4 * number & 0x0f) << 4);
  chip->done = 0;
  return value;
}

static uint8_t
chip_read (Dma *d, unsigned number, unsigned reg)
{
  Chip *chip = &d->chip[number];
  const Channel *c = &d->channel[4 * number + (reg >> 1 & 3)];
  if (reg < REG_COMMAND)
    return take_byte (chip, reg & 1 ? c->count : c->address);
  switch (reg) {
  case REG_COMMAND: return status (d, number);
  case REG_MASTER_CLEAR: return chip->temporary;
  case REG_ALL_MASK: return chip->mask | 0xf0;         /* as the chipsets that have taken its place */
  default: return 0xff;
  }
}

static void
write_word (Dma *d, unsigned number, unsigned reg, uint8_t value)
{
  Chip *chip = &d->chip[number];
  Channel *c = &d->channel[4 * number + (reg >> 1 & 3)];
  uint16_t *base = reg & 1 ? &c->base_count : &c->base_address, *current = reg & 1 ? &c->count : &c->address;
  *base = (uint16_t) (chip->high_byte ? (*base & 0x00ff) | value << 8 : (*base & 0xff00) | value);
  *current = *base;
  if (!(reg & 1))
    c->high_page = 0;           /* who does not know of it does not want it (82374EB, 3.2.1) */
  chip->high_byte = !chip->high_byte;
}

static void
master_clear (Dma *d, unsigned number)
{
  Chip *chip = &d->chip[number];
  chip->command = chip->software = chip->done = chip->temporary = chip->first = 0;
  chip->mask = 0x0f;
  chip->high_byte = false;
}

static uint8_t
one_bit (uint8_t bits, uint8_t value)
{
  unsigned bit = 1u << (value & 3);
  return (uint8_t) (value & 4 ? bits | bit : bits & ~bit);
}

static void
write_mode (Dma *d, unsigned number, uint8_t value)
{
  d->channel[4 * number + (value & 3)].mode = value & 0xfc;
}

static void
write_command (Dma *d, Chip *chip, uint8_t value)
{
  if (value & COMMAND_SENSE & ~chip->command)
    bp_log_unimp (d, "command %02x: the levels of DREQ and DACK are the board's", value);
  chip->command = value;
  if (!(value & COMMAND_ROTATE))
    chip->first = 0;
}

static void
chip_write (Dma *d, unsigned number, unsigned reg, uint8_t value)
{
  Chip *chip = &d->chip[number];
  if (reg < REG_COMMAND)
    write_word (d, number, reg, value);
  switch (reg) {
  case REG_COMMAND: write_command (d, chip, value); break;
  case REG_REQUEST: chip->software = one_bit (chip->software, value); break;
  case REG_MASK: chip->mask = one_bit (chip->mask, value); break;
  case REG_MODE: write_mode (d, number, value); break;
  case REG_CLEAR: chip->high_byte = false; break;
  case REG_MASTER_CLEAR: master_clear (d, number); break;
  case REG_CLEAR_MASK: chip->mask = 0; break;
  case REG_ALL_MASK: chip->mask = value & 0x0f; break;
  }
  run (d);
}

static uint64_t low_read (void *self, uint64_t offset, unsigned size) { return chip_read (self, 0, (unsigned) offset); }
static void low_write (void *self, uint64_t offset, uint64_t value, unsigned size) { chip_write (self, 0, (unsigned) offset, (uint8_t) value); }
/* The second chip hangs on A1 to A4. */
static uint64_t high_read (void *self, uint64_t offset, unsigned size) { return chip_read (self, 1, (unsigned) offset >> 1); }
static void high_write (void *self, uint64_t offset, uint64_t value, unsigned size) { chip_write (self, 1, (unsigned) offset >> 1, (uint8_t) value); }

/* --- guest access: the pages ---------------------------------------------------------------------- */

static uint64_t page_read (void *self, uint64_t offset, unsigned size) { return ((Dma *) self)->pages[offset]; }

static void
page_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Dma *d = self;
  int n = page_channel[offset];
  d->pages[offset] = (uint8_t) value;
  if (n < 0)
    return;
  d->channel[n].page = (uint8_t) value;
  d->channel[n].high_page = 0;
}

static uint64_t
high_page_read (void *self, uint64_t offset, unsigned size)
{
  Dma *d = self;
  int n = page_channel[offset];
  return n < 0 ? 0xff : d->channel[n].high_page;
}

static void
high_page_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Dma *d = self;
  int n = page_channel[offset];
  if (n >= 0)
    d->channel[n].high_page = (uint8_t) value;
}

/* --- life cycle: realize, reset -------------------------------------------------------------------- */

static bool
dma_realize (void *self, GError **error)
{
  Dma *d = self;
  d->memory = bp_machine_address_space (bp_object_machine (d), "memory");
  d->rest = bp_timer_new (self, BP_CLOCK_VIRTUAL, on_rest, d);
  return true;
}

static void
dma_unrealize (void *self)
{
  Dma *d = self;
  bp_timer_free (d->rest);
  d->rest = NULL;
}

static void
dma_reset (void *self, BpResetKind kind)
{
  Dma *d = self;
  memset (d->channel, 0, sizeof d->channel);
  memset (d->pages, 0, sizeof d->pages);
  d->requests = 0;
  for (unsigned i = 0; i < 2; i++)
    master_clear (d, i);
  if (d->cascade) {
    d->channel[CASCADE].mode = TYPE_CASCADE;
    d->chip[1].mask = 0x0e;
  }
  bp_timer_cancel (d->rest);
}

static bool
dma_post_load (void *self, GError **error)
{
  Dma *d = self;
  for (unsigned i = 0; i < 2; i++) {
    d->chip[i].first &= 3;
    d->chip[i].software &= 0x0f;
  }
  d->requests &= (uint8_t) ~(1u << CASCADE);
  return true;
}

/* --- tables: properties, saved fields, type ------------------------------------------------------------------------ */

static const BpProperty dma_properties[] = {
  BP_PROP_BOOL ("cascade", Dma, cascade, true,
                "Channel 4 is in cascade mode and open from reset on, as firmware leaves it, so that channels 0 to 3 work; off: as it comes out of reset."),
  BP_PROP_END
};

static const BpRegionOps low_ops = BP_REGION_OPS (.read = low_read, .write = low_write, .impl_max = 1);
static const BpRegionOps high_ops = BP_REGION_OPS (.read = high_read, .write = high_write, .impl_max = 1);
static const BpRegionOps page_ops = BP_REGION_OPS (.read = page_read, .write = page_write, .impl_max = 1);
static const BpRegionOps high_page_ops = BP_REGION_OPS (.read = high_page_read, .write = high_page_write, .impl_max = 1);

static const BpRegionDesc dma_regions[] = {
  BP_REGION_DESC ("pio0", Dma, low, &low_ops, 16, "The first chip, channels 0 to 3; 0x00 in a PC."),
  BP_REGION_DESC ("pio1", Dma, high, &high_ops, 32, "The second chip, channels 4 to 7, a register every other port; 0xc0 in a PC."),
  BP_REGION_DESC ("pio2", Dma, page_ports, &page_ops, 16, "Page registers: address bits 16 to 23 of each channel; 0x80 in a PC.  Where a diagnostic port is at 0x80 "
                  "too, map that one with prio 1."),
  BP_REGION_DESC ("pio3", Dma, high_page_ports, &high_page_ops, 16, "High page registers: address bits 24 to 31; 0x480 in an EISA board, absent in others."),
  BP_REGION_DESC_END
};

static const BpInterfaceDesc dma_interfaces[] = { { BP_ISA_DMA_ID, &dma_iface }, { NULL, NULL } };

static const BpStateField channel_state[] = {
  BP_STATE_FIELD_U16 (Channel, base_address), BP_STATE_FIELD_U16 (Channel, base_count), BP_STATE_FIELD_U16 (Channel, address),
  BP_STATE_FIELD_U16 (Channel, count), BP_STATE_FIELD_U8 (Channel, mode), BP_STATE_FIELD_U8 (Channel, page), BP_STATE_FIELD_U8 (Channel, high_page),
  BP_STATE_END
};
static const BpStateField chip_state[] = {
  BP_STATE_FIELD_U8 (Chip, command), BP_STATE_FIELD_U8 (Chip, mask), BP_STATE_FIELD_U8 (Chip, software), BP_STATE_FIELD_U8 (Chip, done),
  BP_STATE_FIELD_U8 (Chip, temporary), BP_STATE_FIELD_U8 (Chip, first), BP_STATE_FIELD_BOOL (Chip, high_byte), BP_STATE_END
};
static const BpStateField dma_state[] = {
  BP_STATE_FIELD_STRUCTS (Dma, channel, CHANNELS, channel_state), BP_STATE_FIELD_STRUCTS (Dma, chip, 2, chip_state), BP_STATE_FIELD_BYTES (Dma, pages),
  BP_STATE_FIELD_U8 (Dma, requests), BP_STATE_FIELD_TIMER (Dma, rest), BP_STATE_END
};

const BpTypeDesc i8237_pair_type = {
  BP_TYPE ("i8237-pair", BP_KIND_DEVICE, Dma),
  .description = "Two cascaded Intel 8237A DMA controllers with page registers",
  .properties = dma_properties,
  .regions = dma_regions,
  .interfaces = dma_interfaces,
  .state_version = 1,
  .state_minimum = 1,
  .state = dma_state,
  .realize = dma_realize,
  .unrealize = dma_unrealize,
  .reset = dma_reset,
  .post_load = dma_post_load,
};
