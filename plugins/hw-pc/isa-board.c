/* isa-board.c -- what is between the chips of an ISA board: its BIOS, copied to RAM as 486 chipsets do, and its memory's size in CMOS. */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/cmos.h>
#include <backplane/iface/memory-backend.h>
#include <backplane/object.h>
#include <string.h>
#include "hw-pc.h"

#define MIB (UINT64_C (1) << 20)
#define WINDOW_SIZE (16 * MIB)

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct IsaBoard {
  char *bios_file;
  BpLink ram, cmos;
  uint8_t *bios;                /* page-aligned, as a region shows it */
  size_t bios_size;
  BpRegion *rom, *top;
} IsaBoard;

/* --- the images -------------------------------------------------------------------------- */

static bool
read_file (const char *file, char **bytes, size_t *size, GError **error)
{
  GError *why = NULL;
  if (!g_file_get_contents (file, bytes, size, &why)) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "%s", why->message);
    g_error_free (why);
    return false;
  }
  if (*size == 64u << 10 || *size == 128u << 10)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "%s has %zu bytes; a BIOS for an ISA board has 64 or 128 KiB", file, *size);
  g_clear_pointer (bytes, g_free);
  return false;
}

/* Without a file the descriptor can still be checked: a block of empty ROM stands in. */
static bool
read_bios (IsaBoard *b, GError **error)
{
  char *bytes = NULL;
  b->bios_size = 64u << 10;
  if (b->bios_file && !read_file (b->bios_file, &bytes, &b->bios_size, error))
    return false;
  b->bios = g_aligned_alloc (1, b->bios_size, 4096);
  memset (b->bios, 0xff, b->bios_size);
  if (bytes)
    memcpy (b->bios, bytes, b->bios_size);
  g_free (bytes);
  return true;
}

/* --- life cycle: configure, realize, reset ------------------------------------------------------ */

static bool
board_configure (void *self, GError **error)
{
  IsaBoard *b = self;
  if (!read_bios (b, error))
    return false;
  b->top = bp_region_new_container (self, "top", WINDOW_SIZE);
  b->rom = bp_region_new_rom (self, "rom", b->bios, b->bios_size);
  bp_region_add (b->top, WINDOW_SIZE - b->bios_size, b->rom, 0);
  bp_region_publish (self, b->rom, "The BIOS ROM itself.");
  bp_region_publish (self, b->top, "The 16 MiB below 4 GiB with the BIOS ROM at their end, where the CPU starts: map it at memory@0xff000000.");
  return true;
}

static bool
board_realize (void *self, GError **error)
{
  IsaBoard *b = self;
  if (!b->bios_file) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "there is no BIOS image: name one with `bios = FILE', or with --set %s.bios=FILE", bp_object_id (b));
    return false;
  }
  const BpMemoryBackendIface *ram = b->ram.table;
  cmos_describe_memory (&b->cmos, ram->size (b->ram.instance));
  return true;
}

/* The copy is RAM like all other: what firmware keeps in its own segment is there until the next reset. */
static void
board_reset (void *self, BpResetKind kind)
{
  IsaBoard *b = self;
  BpAddressSpace *memory = bp_machine_address_space (bp_object_machine (b), "memory");
  bp_as_write (memory, MIB - b->bios_size, b->bios, b->bios_size);
}

/* The host memory goes last: regions wait for their readers when they are freed. */
static void
board_unrealize (void *self)
{
  IsaBoard *b = self;
  bp_region_free (b->rom);
  bp_region_free (b->top);
  b->rom = b->top = NULL;
  g_clear_pointer (&b->bios, g_aligned_free);
}

/* --- tables: properties, type --------------------------------------------------------------------- */

static const BpProperty board_properties[] = {
  BP_PROP_FILE ("bios", IsaBoard, bios_file, 0, "The BIOS image, 64 or 128 KiB, for a machine without PCI."),
  BP_PROP_LINK ("ram", IsaBoard, ram, BP_MEMORY_BACKEND_ID, BP_PROPERTY_REQUIRED, "The memory that lies at address 0."),
  BP_PROP_LINK ("cmos", IsaBoard, cmos, BP_CMOS_ID, 0, "The clock whose CMOS RAM tells firmware the size of memory."),
  BP_PROP_END
};

const BpTypeDesc isa_board_type = {
  BP_TYPE ("isa-board", BP_KIND_DEVICE, IsaBoard),
  .description = "Glue of an ISA board: BIOS ROM, its shadow in RAM, size of memory in CMOS",
  .properties = board_properties,
  .configure = board_configure,
  .realize = board_realize,
  .reset = board_reset,
  .unrealize = board_unrealize,
};
