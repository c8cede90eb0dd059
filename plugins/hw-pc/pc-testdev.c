/* pc-testdev.c -- the test device that kvm-unit-tests expects in a PC: a latch, bytes of memory, interrupt lines under the guest's hand. */
/* SPDX-License-Identifier: MIT */
#include <backplane/object.h>
#include <string.h>
#include "hw-pc.h"

#define MEMORY_SIZE 0x10000
#define N_LINES 24

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct PcTestdev {
  uint32_t latch;
  uint32_t lines;
  uint8_t memory[MEMORY_SIZE];
  BpPin *irq[N_LINES];
  BpRegion *latch_ports, *flush_ports, *byte_ports, *line_ports, *memory_region;
} PcTestdev;

/* --- guest access -------------------------------------------------------------------- */

static uint64_t
latch_read (void *self, uint64_t offset, unsigned size)
{
  return ((PcTestdev *) self)->latch >> 8 * offset;
}

static void
latch_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  PcTestdev *t = self;
  uint32_t mask = (uint32_t) (UINT32_MAX >> (32 - 8 * size)) << 8 * offset;
  t->latch = (t->latch & ~mask) | ((uint32_t) value << 8 * offset & mask);
}

/* The guest names a page of its RAM that the host is to throw out and bring back.  No mapping of ours outlives such a thing. */
static uint64_t flush_read (void *self, uint64_t offset, unsigned size) { return 0; }
static void flush_write (void *self, uint64_t offset, uint64_t value, unsigned size) { }

static uint64_t
line_read (void *self, uint64_t offset, unsigned size)
{
  return ((PcTestdev *) self)->lines >> offset & 1;
}

static void
line_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  PcTestdev *t = self;
  t->lines = (value & 0xff) ? t->lines | 1u << offset : t->lines & ~(1u << offset);
  bp_pin_set (t->irq[offset], (value & 0xff) != 0);
}

static uint64_t
memory_read (void *self, uint64_t offset, unsigned size)
{
  uint64_t value = 0;
  memcpy (&value, ((PcTestdev *) self)->memory + offset, size);
  return GUINT64_FROM_LE (value);
}

static void
memory_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  value = GUINT64_TO_LE (value);
  memcpy (((PcTestdev *) self)->memory + offset, &value, size);
}

/* --- life cycle: realize, reset ------------------------------------------------------------ */

static void
testdev_reset (void *self, BpResetKind kind)
{
  PcTestdev *t = self;
  t->latch = t->lines = 0;
  memset (t->memory, 0, sizeof t->memory);
  for (unsigned i = 0; i < N_LINES; i++)
    bp_pin_lower (t->irq[i]);
}

static bool
testdev_post_load (void *self, GError **error)
{
  PcTestdev *t = self;
  for (unsigned i = 0; i < N_LINES; i++)
    bp_pin_set (t->irq[i], t->lines >> i & 1);
  return true;
}

/* --- tables: properties, saved fields, type -------------------------------------------------- */

static const BpRegionOps latch_ops = BP_REGION_OPS (.read = latch_read, .write = latch_write, .impl_max = 4);
static const BpRegionOps byte_ops = BP_REGION_OPS (.read = latch_read, .write = latch_write, .impl_max = 1);
static const BpRegionOps flush_ops = BP_REGION_OPS (.read = flush_read, .write = flush_write, .impl_max = 4);
static const BpRegionOps line_ops = BP_REGION_OPS (.read = line_read, .write = line_write, .impl_max = 1);
static const BpRegionOps memory_ops = BP_REGION_OPS (.read = memory_read, .write = memory_write, .impl_max = 8, .flags = BP_REGION_OPS_UNALIGNED);

static const BpRegionDesc testdev_regions[] = {
  BP_REGION_DESC ("pio0", PcTestdev, latch_ports, &latch_ops, 4, "A 32-bit latch that keeps what is written, in any size; 0xe0."),
  BP_REGION_DESC ("pio1", PcTestdev, flush_ports, &flush_ops, 4, "Takes the address of a page whose host mapping is to be renewed, and has nothing to do; 0xe4."),
  BP_REGION_DESC ("pio2", PcTestdev, byte_ports, &byte_ops, 4, "The same latch, a byte at a time; 0xe8."),
  BP_REGION_DESC ("pio3", PcTestdev, line_ports, &line_ops, N_LINES, "One port an interrupt line, whose level is whether the byte is not 0; 0x2000."),
  BP_REGION_DESC ("mmio0", PcTestdev, memory_region, &memory_ops, MEMORY_SIZE, "Memory that is a device: keeps what is written; 0xff000000."),
  BP_REGION_DESC_END
};

static const BpPinDesc testdev_pins[] = {
  BP_PIN_DESC_OUTS ("irq", PcTestdev, irq, N_LINES, 0, "The interrupt lines, by their number at the I/O APIC; 0 to 15 go to the PIC as well."),
  BP_PIN_DESC_END
};

static const BpStateField testdev_state[] = {
  BP_STATE_FIELD_U32 (PcTestdev, latch), BP_STATE_FIELD_U32 (PcTestdev, lines), BP_STATE_FIELD_BYTES (PcTestdev, memory), BP_STATE_END
};

const BpTypeDesc pc_testdev_type = {
  BP_TYPE ("pc-testdev", BP_KIND_DEVICE, PcTestdev),
  .description = "Test device of kvm-unit-tests: ports, memory and interrupt lines",
  .regions = testdev_regions,
  .pins = testdev_pins,
  .state_version = 1,
  .state_minimum = 1,
  .state = testdev_state,
  .reset = testdev_reset,
  .post_load = testdev_post_load,
};
