/* fw-cfg.c -- firmware configuration by selector, data port and DMA (QEMU's fw_cfg interface, docs/specs/fw_cfg): facts and files. */
/* SPDX-License-Identifier: MIT */
#include <backplane/arch/x86-state.h>
#include <backplane/iface/cmos.h>
#include <backplane/iface/firmware-config.h>
#include <backplane/iface/memory-backend.h>
#include <backplane/log.h>
#include <backplane/object.h>
#include <errno.h>
#include <string.h>
#include "hw-pc.h"

/* --- registers -------------------------------------------------------------- */

enum {                          /* selector values */
  ITEM_SIGNATURE = 0x00, ITEM_ID = 0x01, ITEM_UUID = 0x02, ITEM_RAM_SIZE = 0x03, ITEM_NO_GRAPHICS = 0x04, ITEM_NB_CPUS = 0x05, ITEM_NUMA = 0x0d,
  ITEM_BOOT_MENU = 0x0e, ITEM_MAX_CPUS = 0x0f, ITEM_FILE_DIRECTORY = 0x19, ITEM_FIRST_FILE = 0x20, ITEM_ARCH = 0x8000, ITEM_IRQ0_OVERRIDE = 0x8002
};
#define ITEM_WRITE 0x4000u      /* in a selector: once meant writing */
enum { ID_TRADITIONAL = 1, ID_DMA = 2 };
enum { DMA_ERROR = 1, DMA_READ = 2, DMA_SKIP = 4, DMA_SELECT = 8, DMA_WRITE = 16 };
#define DMA_SIGNATURE UINT64_C (0x51454d5520434647)     /* "QEMU CFG" */
#define MAX_NAME 55u
#define MAX_FILES 0x1000u
#define ENTRY_SIZE 64u

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct File {
  char name[MAX_NAME + 1];
  GByteArray *bytes;
  void (*make) (void *user, GByteArray *bytes);         /* NULL: they never change */
  void *user;
} File;

typedef struct FwCfg {
  uint16_t selector;
  uint32_t position;
  uint64_t dma_address;
  BpLink ram, cmos;
  char **files, **boot_order, **boot;   /* properties */
  bool boot_menu, check_floppy, dma;
  BpRegion *ports, *dma_port;
  BpAddressSpace *memory;
  GPtrArray *table;             /* of File *, by name from the first reset on */
  GByteArray *directory, *item; /* item: one of the numbered ones, made when it is selected */
  GBytes *given[ITEM_FIRST_FILE];       /* numbered ones from others */
  uint64_t ram_size;
  uint16_t n_cpus;
  bool fixed;
} FwCfg;

/* --- items ------------------------------------------------------------------------------ */

static void
put (GByteArray *bytes, uint64_t value, unsigned size)
{
  for (unsigned i = 0; i < size; i++) {
    uint8_t byte = (uint8_t) (value >> 8 * i);
    g_byte_array_append (bytes, &byte, 1);
  }
}

/* The numbered item in f->item; false: there is no such item. */
static bool
make_numbered (FwCfg *f, unsigned number)
{
  g_byte_array_set_size (f->item, 0);
  switch (number) {
  case ITEM_SIGNATURE: g_byte_array_append (f->item, (const uint8_t *) "QEMU", 4); return true;
  case ITEM_ID: put (f->item, ID_TRADITIONAL | (f->dma ? ID_DMA : 0), 4); return true;
  case ITEM_UUID: put (f->item, 0, 8), put (f->item, 0, 8); return true;
  case ITEM_RAM_SIZE: put (f->item, f->ram_size, 8); return true;
  case ITEM_NO_GRAPHICS: put (f->item, 0, 2); return true;
  case ITEM_NUMA: put (f->item, 0, 8); return true;
  case ITEM_BOOT_MENU: put (f->item, f->boot_menu, 2); return true;
  case ITEM_NB_CPUS:
  case ITEM_MAX_CPUS: put (f->item, f->n_cpus, 2); return true;
  case ITEM_IRQ0_OVERRIDE: put (f->item, 1, 4); return true;            /* the timer is the I/O APIC's input 2 */
  default: return number >= ITEM_ARCH && number < ITEM_ARCH + 5;        /* older ways to hand over what are files now: empty */
  }
}

/* The bytes behind a selector; false: none. */
static bool
item (FwCfg *f, unsigned number, const uint8_t **data, gsize *size)
{
  const GByteArray *bytes = NULL;
  number &= ~ITEM_WRITE;
  if (number < ITEM_FIRST_FILE && f->given[number]) {
    *data = g_bytes_get_data (f->given[number], size);
    return true;
  }
  if (number == ITEM_FILE_DIRECTORY)
    bytes = f->directory;
  else if (number >= ITEM_FIRST_FILE && number - ITEM_FIRST_FILE < f->table->len)
    bytes = ((File *) f->table->pdata[number - ITEM_FIRST_FILE])->bytes;
  else if (make_numbered (f, number))
    bytes = f->item;
  *data = bytes ? bytes->data : NULL;
  *size = bytes ? bytes->len : 0;
  return bytes != NULL;
}

/* Where reading goes on in the selected item, and how much is left of it. */
static uint32_t
left (FwCfg *f, const uint8_t **from)
{
  gsize size;
  const uint8_t *data;
  item (f, f->selector, &data, &size);
  if (f->position >= size)
    return 0;
  *from = data + f->position;
  return (uint32_t) MIN (size - f->position, UINT32_MAX);
}

static void
select_item (FwCfg *f, uint16_t selector)
{
  const uint8_t *data;
  gsize size;
  f->selector = selector;
  f->position = 0;
  if (!item (f, selector, &data, &size))
    bp_log_unimp (f, "item %04x", selector);
}

/* Up to `size` bytes from the position on; what lies past the end reads as 0. */
static void
take (FwCfg *f, uint8_t *to, uint32_t size)
{
  const uint8_t *from = NULL;
  uint32_t n = MIN (left (f, &from), size);
  if (n)
    memcpy (to, from, n);
  memset (to + n, 0, size - n);
  f->position += n;
}

/* --- guest access -------------------------------------------------------------------- */

static uint64_t
cfg_read (void *self, uint64_t offset, unsigned size)
{
  uint8_t byte = 0;
  if (offset == 1)
    take (self, &byte, 1);
  return byte;
}

static void
cfg_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  if (offset == 0 && size == 2)         /* (items were writable through the data port once, long ago) */
    select_item (self, (uint16_t) value);
}

/* --- DMA ------------------------------------------------------------------------------- */

static uint64_t
load_big (const uint8_t *at, unsigned size)
{
  uint64_t value = 0;
  for (unsigned i = 0; i < size; i++)
    value = value << 8 | at[i];
  return value;
}

static bool
dma_read (FwCfg *f, uint64_t address, uint32_t length)
{
  uint8_t chunk[4096];
  while (length) {
    uint32_t n = MIN (length, (uint32_t) sizeof chunk);
    take (f, chunk, n);
    if (!bp_as_write (f->memory, address, chunk, n))
      return false;
    address += n;
    length -= n;
  }
  return true;
}

static void
dma_skip (FwCfg *f, uint32_t length)
{
  const uint8_t *from;
  f->position += MIN (left (f, &from), length);
}

static uint32_t
dma_do (FwCfg *f, uint32_t control, uint32_t length, uint64_t address)
{
  if (control & DMA_SELECT)
    select_item (f, (uint16_t) (control >> 16));
  if (control & DMA_READ)
    return dma_read (f, address, length) ? 0 : DMA_ERROR;
  if (control & DMA_WRITE) {
    bp_log_guest (f, "DMA write to item %04x, which is read-only", f->selector);
    return DMA_ERROR;
  }
  if (control & DMA_SKIP)
    dma_skip (f, length);
  return 0;
}

/* The guest's request: control, length, address, big-endian; control becomes 0, or the error bit. */
static void
dma_start (FwCfg *f)
{
  uint8_t request[16], result[4] = { 0 };
  uint64_t at = f->dma_address;
  f->dma_address = 0;
  if (!bp_as_read (f->memory, at, request, sizeof request)) {
    bp_log_guest (f, "DMA request at %" G_GINT64_MODIFIER "x is not in memory", at);
    return;
  }
  result[3] = (uint8_t) dma_do (f, (uint32_t) load_big (request, 4), (uint32_t) load_big (request + 4, 4), load_big (request + 8, 8));
  bp_as_write (f->memory, at, result, sizeof result);
}

static uint64_t
dma_port_read (void *self, uint64_t offset, unsigned size)
{
  const FwCfg *f = self;
  return f->dma ? GUINT64_SWAP_LE_BE (DMA_SIGNATURE) >> 8 * offset : 0;
}

/* The request's address, big-endian, its low half last. */
static void
dma_port_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  FwCfg *f = self;
  if (!f->dma || size < 4)
    return;
  if (size == 8) {
    f->dma_address = GUINT64_SWAP_LE_BE (value);
    dma_start (f);
  } else if (offset == 0) {
    f->dma_address = (uint64_t) GUINT32_SWAP_LE_BE ((uint32_t) value) << 32;
  } else if (offset == 4) {
    f->dma_address |= GUINT32_SWAP_LE_BE ((uint32_t) value);
    dma_start (f);
  }
}

/* --- files -------------------------------------------------------------------------------- */

static void
file_free (void *file)
{
  g_byte_array_unref (((File *) file)->bytes);
  g_free (file);
}

static File *
add (FwCfg *f, const char *name, GError **error)
{
  const char *wrong = NULL;
  for (guint i = 0; i < f->table->len; i++)
    if (strcmp (((File *) f->table->pdata[i])->name, name) == 0)
      wrong = "is there already";
  if (strlen (name) > MAX_NAME)
    wrong = "has a name of more than 55 characters";
  if (f->fixed || f->table->len == MAX_FILES)
    wrong = f->fixed ? "comes too late: the machine runs" : "is one too many";
  if (wrong) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the firmware file `%s` %s", name, wrong);
    return NULL;
  }
  File *file = g_new0 (File, 1);
  g_strlcpy (file->name, name, sizeof file->name);
  file->bytes = g_byte_array_new ();
  g_ptr_array_add (f->table, file);
  return file;
}

static bool
add_file (void *self, const char *name, const void *bytes, size_t size, GError **error)
{
  File *file = add (self, name, error);
  if (file)
    g_byte_array_append (file->bytes, bytes, (guint) size);
  return file != NULL;
}

static bool
add_maker (void *self, const char *name, void (*make) (void *user, GByteArray *bytes), void *user, GError **error)
{
  File *file = add (self, name, error);
  if (!file)
    return false;
  file->make = make;
  file->user = user;
  return true;
}

static const GByteArray *
file_bytes (void *self, const char *name)
{
  const FwCfg *f = self;
  for (guint i = 0; i < f->table->len; i++)
    if (strcmp (((File *) f->table->pdata[i])->name, name) == 0)
      return ((File *) f->table->pdata[i])->bytes;
  return NULL;
}

/* The kernel's, the UUID, and what else is not known here. */
static bool
set_item (void *self, uint16_t number, GBytes *bytes)
{
  FwCfg *f = self;
  if (number >= ITEM_FILE_DIRECTORY || (number <= ITEM_NB_CPUS && number != ITEM_UUID) || number == ITEM_NUMA || number == ITEM_BOOT_MENU || number == ITEM_MAX_CPUS)
    return false;
  g_clear_pointer (&f->given[number], g_bytes_unref);
  f->given[number] = bytes ? g_bytes_ref (bytes) : NULL;
  return true;
}

static gint
by_name (gconstpointer a, gconstpointer b)
{
  return strcmp ((*(File *const *) a)->name, (*(File *const *) b)->name);
}

static void
put_big (GByteArray *bytes, uint32_t value, unsigned size)
{
  value = GUINT32_TO_BE (value) >> 8 * (4 - size);
  g_byte_array_append (bytes, (const uint8_t *) &value, size);
}

/* How many, then for each its size, selector, two bytes unused, its name. */
static void
make_directory (FwCfg *f)
{
  g_byte_array_set_size (f->directory, 0);
  put_big (f->directory, f->table->len, 4);
  for (guint i = 0; i < f->table->len; i++) {
    const File *file = f->table->pdata[i];
    put_big (f->directory, file->bytes->len, 4);
    put_big (f->directory, ITEM_FIRST_FILE + i, 2);
    put_big (f->directory, 0, 2);
    g_byte_array_append (f->directory, (const uint8_t *) file->name, sizeof file->name);
  }
}

/* files = opt/name=path, ...: what people hand to their own firmware and guests. */
static bool
add_given (FwCfg *f, const char *given, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (given, "=", 2);
  g_autofree char *text = NULL;
  gsize size;
  if (!parts[0] || !parts[1]) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "`%s` is not NAME=PATH, such as opt/org.example/key=key.txt", given);
    return false;
  }
  return g_file_get_contents (parts[1], &text, &size, error) && add_file (f, parts[0], text, size, error);
}

/* Lines that firmware compares with the paths of what it found.  A path has commas of its own: what does not begin like one goes on with the last. */
static bool
add_boot_order (FwCfg *f, GError **error)
{
  g_autoptr (GString) lines = g_string_new (NULL);
  for (char **item = f->boot_order; item && *item; item++) {
    bool goes_on = lines->len && **item != '/' && strcmp (*item, "HALT") != 0;
    g_string_append_printf (lines, "%s%s", goes_on ? "," : lines->len ? "\n" : "", *item);
  }
  return !lines->len || add_file (f, "bootorder", lines->str, lines->len + 1, error);
}

/* --- CMOS RAM: what older firmware looks for ------------------------------------------------ */

enum { CMOS_EQUIPMENT = 0x14, CMOS_BOOT_THIRD = 0x38, CMOS_BOOT_FIRST = 0x3d, CMOS_CPUS = 0x5f };
enum { EQUIPMENT_FPU = 1 << 1, NO_FLOPPY_CHECK = 1 << 0, CPUID_FPU = 1 << 0, MOST_BOOT_KINDS = 3 };

/* boot = disk, cdrom: the first three kinds as digits, the first lowest; 0 is none. */
static bool
boot_digits (const FwCfg *f, unsigned *digits, GError **error)
{
  static const char *const kinds[] = { "floppy", "disk", "cdrom", "network" };
  unsigned n = 0;
  *digits = 0;
  for (char **given = f->boot; given && *given; given++, n++) {
    unsigned kind = 0;
    while (kind < G_N_ELEMENTS (kinds) && strcmp (kinds[kind], *given) != 0)
      kind++;
    if (kind == G_N_ELEMENTS (kinds) || n == MOST_BOOT_KINDS) {
      g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "boot: `%s' is not right: up to three of floppy, disk, cdrom, network", *given);
      return false;
    }
    *digits |= (kind + 1) << 4 * n;
  }
  return true;
}

static void
fill_cmos (FwCfg *f)
{
  unsigned cursor = 0, digits = 0;
  void *cpu = bp_machine_next (bp_object_machine (f), BP_X86_CPU_ID, &cursor);
  const BpX86CpuIface *t = cpu ? bp_object_interface (cpu, BP_X86_CPU_ID) : NULL;
  uint32_t leaf[4] = { 0 };
  if (t)
    t->cpuid (cpu, 1, 0, leaf);
  boot_digits (f, &digits, NULL);
  bp_cmos_set (&f->cmos, CMOS_EQUIPMENT, EQUIPMENT_FPU, leaf[3] & CPUID_FPU ? EQUIPMENT_FPU : 0);
  bp_cmos_set (&f->cmos, CMOS_BOOT_FIRST, 0xff, (uint8_t) digits);
  bp_cmos_set (&f->cmos, CMOS_BOOT_THIRD, 0xff, (uint8_t) (digits >> 4 & 0xf0) | (f->check_floppy ? 0 : NO_FLOPPY_CHECK));
  bp_cmos_set (&f->cmos, CMOS_CPUS, 0xff, (uint8_t) (f->n_cpus ? f->n_cpus - 1 : 0));
}

/* --- life cycle: configure, realize, reset ------------------------------------------------------------ */

static bool
cfg_configure (void *self, GError **error)
{
  FwCfg *f = self;
  unsigned digits;
  f->table = g_ptr_array_new_with_free_func (file_free);        /* of two that link to each other the other one may be realized first */
  f->directory = g_byte_array_new ();
  f->item = g_byte_array_new ();
  return boot_digits (self, &digits, error);
}

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
  f->memory = bp_machine_address_space (bp_object_machine (self), "memory");
  fill_cmos (f);
  for (char **given = f->files; given && *given; given++)
    if (!add_given (f, *given, error))
      return false;
  return add_boot_order (f, error);
}

/* Who adds files has done so by the first reset. */
static void
cfg_reset (void *self, BpResetKind kind)
{
  FwCfg *f = self;
  f->selector = 0;
  f->position = 0;
  f->dma_address = 0;
  if (!f->fixed)
    g_ptr_array_sort (f->table, by_name);
  f->fixed = true;
  for (guint i = 0; i < f->table->len; i++) {
    File *file = f->table->pdata[i];
    if (file->make) {
      g_byte_array_set_size (file->bytes, 0);
      file->make (file->user, file->bytes);
    }
  }
  make_directory (f);
}

static void
cfg_unrealize (void *self)
{
  FwCfg *f = self;
  g_clear_pointer (&f->table, g_ptr_array_unref);
  g_clear_pointer (&f->directory, g_byte_array_unref);
  g_clear_pointer (&f->item, g_byte_array_unref);
  for (unsigned i = 0; i < ITEM_FIRST_FILE; i++)
    g_clear_pointer (&f->given[i], g_bytes_unref);
}

/* --- tables: properties, saved fields, type -------------------------------------------------- */

static const BpProperty cfg_properties[] = {
  BP_PROP_LINK ("ram", FwCfg, ram, BP_MEMORY_BACKEND_ID, 0, "The memory backend whose size the guest is told; none: 0 bytes."),
  BP_PROP_LIST ("files", FwCfg, files, NULL, "Files for the guest, each NAME=PATH, relative to the current directory; names of your own begin with opt/ and a reversed domain."),
  BP_PROP_LIST ("boot-order", FwCfg, boot_order, NULL, "What firmware starts from, first to last: SeaBIOS's device paths, or HALT to try nothing else."),
  BP_PROP_LIST ("boot", FwCfg, boot, NULL, "Kinds of disks to start from, up to three, for what `boot-order' does not name: floppy, disk, cdrom, network."),
  BP_PROP_BOOL ("check-floppy", FwCfg, check_floppy, true, "Whether a floppy needs the signature 55 aa to be started from; old ones have none."),
  BP_PROP_LINK ("cmos", FwCfg, cmos, BP_CMOS_ID, 0, "The clock whose CMOS RAM has `boot', `check-floppy' and the number of CPUs."),
  BP_PROP_BOOL ("boot-menu", FwCfg, boot_menu, false, "Whether firmware offers its boot menu."),
  BP_PROP_BOOL ("dma", FwCfg, dma, true, "Whether the DMA interface is there (pio1 has to be mapped, too)."),
  BP_PROP_END
};

static const BpRegionOps cfg_ops = BP_REGION_OPS (.read = cfg_read, .write = cfg_write, .impl_max = 2, .flags = BP_REGION_OPS_UNALIGNED);
static const BpRegionOps dma_ops = BP_REGION_OPS (.read = dma_port_read, .write = dma_port_write, .impl_max = 8);
static const BpRegionDesc cfg_regions[] = {
  BP_REGION_DESC ("pio0", FwCfg, ports, &cfg_ops, 2, "Selector (16 bits at offset 0) and data (bytes at offset 1), 0x510 by custom."),
  BP_REGION_DESC ("pio1", FwCfg, dma_port, &dma_ops, 8, "Address of a DMA request, big-endian, 0x514 by custom."),
  BP_REGION_DESC_END
};
static const BpStateField cfg_state[] = {
  BP_STATE_FIELD_U16 (FwCfg, selector), BP_STATE_FIELD_U32 (FwCfg, position),
  BP_STATE_FIELD_U64 (FwCfg, dma_address), BP_STATE_END
};
static const BpFirmwareConfigIface cfg_iface = { .struct_size = sizeof (BpFirmwareConfigIface), .add_file = add_file, .add_maker = add_maker,
                                                 .file = file_bytes, .set_item = set_item };
static const BpInterfaceDesc cfg_interfaces[] = { { BP_FIRMWARE_CONFIG_ID, &cfg_iface }, { NULL, NULL } };

const BpTypeDesc fw_cfg_type = {
  BP_TYPE ("fw-cfg", BP_KIND_DEVICE, FwCfg),
  .description = "Firmware configuration: number of CPUs, size of RAM, and files",
  .properties = cfg_properties,
  .regions = cfg_regions,
  .interfaces = cfg_interfaces,
  .state_version = 1,
  .state_minimum = 1,
  .state = cfg_state,
  .configure = cfg_configure,
  .realize = cfg_realize,
  .reset = cfg_reset,
  .unrealize = cfg_unrealize,
};
