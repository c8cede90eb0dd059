/* fw-cfg.c -- firmware configuration by selector and data port (QEMU's fw_cfg interface, docs/specs/fw_cfg): facts about the machine. */
/* SPDX-License-Identifier: MIT */
#include <backplane/arch/x86-state.h>
#include <backplane/iface/memory-backend.h>
#include <string.h>
#include "hw-pc.h"

/* --- registers -------------------------------------------------------------- */

enum {                          /* selector values */
  ITEM_SIGNATURE = 0x00, ITEM_ID = 0x01, ITEM_RAM_SIZE = 0x03, ITEM_NB_CPUS = 0x05, ITEM_MAX_CPUS = 0x0f, ITEM_FILE_DIRECTORY = 0x19
};
enum { ID_TRADITIONAL = 1 };    /* selector and data port, no DMA */

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct FwCfg {
  uint16_t selector;
  uint32_t position;
  BpLink ram;
  BpRegion *ports;
  uint64_t ram_size;
  uint16_t n_cpus;
} FwCfg;

/* --- items ------------------------------------------------------------------------------ */

/* The item's bytes in `bytes`, and how many they are; 0: there is no such item. */
static unsigned
item (const FwCfg *f, uint8_t bytes[8])
{
  memset (bytes, 0, 8);
  switch (f->selector) {
  case ITEM_SIGNATURE:
    memcpy (bytes, "QEMU", 4);
    return 4;
  case ITEM_ID:
    bytes[0] = ID_TRADITIONAL;
    return 4;
  case ITEM_RAM_SIZE:
    for (unsigned i = 0; i < 8; i++)
      bytes[i] = (uint8_t) (f->ram_size >> 8 * i);
    return 8;
  case ITEM_NB_CPUS:
  case ITEM_MAX_CPUS:
    bytes[0] = (uint8_t) f->n_cpus;
    bytes[1] = (uint8_t) (f->n_cpus >> 8);
    return 2;
  case ITEM_FILE_DIRECTORY:     /* a count of files, which are none */
    return 4;
  default:
    return 0;
  }
}

/* --- guest access -------------------------------------------------------------------- */

/* The data port gives the next byte; past the end zeros. */
static uint64_t
cfg_read (void *self, uint64_t offset, unsigned size)
{
  FwCfg *f = self;
  uint8_t bytes[8];
  if (offset != 1)
    return 0;
  unsigned n = item (f, bytes);
  return f->position < n ? bytes[f->position++] : 0;
}

static void
cfg_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  FwCfg *f = self;
  uint8_t bytes[8];
  if (offset != 0 || size != 2)
    return;                     /* items were writable once, long ago */
  f->selector = (uint16_t) value;
  f->position = 0;
  if (!item (f, bytes))
    bp_log_unimp (f, "item %04x", f->selector);
}

/* --- life cycle: realize, reset ------------------------------------------------------------ */

static bool
cfg_realize (void *self, GError **error)
{
  FwCfg *f = self;
  const BpMemoryBackendIface *ram = f->ram.table;
  unsigned cursor = 0;
  f->n_cpus = 0;
  while (bp_machine_next (bp_object_machine (self), BP_X86_CPU_ID, &cursor))
    f->n_cpus++;
  f->ram_size = BP_TABLE_HAS (ram, size) ? ram->size (f->ram.instance) : 0;
  return true;
}

static void
cfg_reset (void *self, BpResetKind kind)
{
  FwCfg *f = self;
  f->selector = 0;
  f->position = 0;
}

/* --- tables: properties, saved fields, type -------------------------------------------------- */

static const BpProperty cfg_properties[] = {
  BP_PROP_LINK ("ram", FwCfg, ram, BP_MEMORY_BACKEND_ID, 0, "The memory backend whose size the guest is told; none: 0 bytes."),
  BP_PROP_END
};

static const BpRegionOps cfg_ops = BP_REGION_OPS (.read = cfg_read, .write = cfg_write, .impl_max = 2, .flags = BP_REGION_OPS_UNALIGNED);
static const BpRegionDesc cfg_regions[] = {
  BP_REGION_DESC ("pio0", FwCfg, ports, &cfg_ops, 2, "Selector (16 bits at offset 0) and data (bytes at offset 1), 0x510 by custom."),
  BP_REGION_DESC_END
};
static const BpStateField cfg_state[] = { BP_STATE_FIELD_U16 (FwCfg, selector), BP_STATE_FIELD_U32 (FwCfg, position), BP_STATE_END };

const BpTypeDesc fw_cfg_type = {
  BP_TYPE ("fw-cfg", BP_KIND_DEVICE, FwCfg),
  .description = "Firmware configuration ports: number of CPUs and size of RAM",
  .properties = cfg_properties,
  .regions = cfg_regions,
  .state_version = 1,
  .state_minimum = 1,
  .state = cfg_state,
  .realize = cfg_realize,
  .reset = cfg_reset,
};
