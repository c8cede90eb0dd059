/* boot-linux.c -- starts a Linux bzImage by the boot protocol (Documentation/arch/x86/boot.rst): at its 32-bit entry, or by way of the firmware. */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/firmware-config.h>
#include <backplane/object.h>
#include <string.h>
#include "boot.h"
#include "hw-pc.h"

/* --- layout in guest memory ------------------------------------------------------- */

#define GDT_ADDRESS   0x1000u
#define ZERO_PAGE     0x10000u           /* by way of the firmware: the setup code, BOOT_SETUP */
#define CMDLINE       0x20000u
#define CMDLINE_ROOM  0x10000u
#define STACK_TOP     0x9f000u
#define LOW_RAM_END   0x9fc00u
#define KERNEL_BASE   0x100000u

/* Offsets in the setup header and the zero page. */
enum {
  SETUP_SECTS = 0x1f1, SETUP_SYSSIZE = 0x1f4, SETUP_VIDEO_MODE = 0x1fa, SETUP_BOOT_FLAG = 0x1fe, SETUP_JUMP = 0x200, SETUP_MAGIC = 0x202, SETUP_VERSION = 0x206,
  SETUP_TYPE_OF_LOADER = 0x210, SETUP_LOADFLAGS = 0x211, SETUP_CODE32_START = 0x214, SETUP_RAMDISK_IMAGE = 0x218, SETUP_RAMDISK_SIZE = 0x21c,
  SETUP_HEAP_END = 0x224, SETUP_CMDLINE_PTR = 0x228, SETUP_INITRD_MAX = 0x22c, SETUP_ALIGNMENT = 0x230, SETUP_RELOCATABLE = 0x234,
  SETUP_CMDLINE_SIZE = 0x238, SETUP_PREF_ADDRESS = 0x258, SETUP_INIT_SIZE = 0x260,
  ZERO_RSDP = 0x070, ZERO_E820_ENTRIES = 0x1e8, ZERO_E820 = 0x2d0, ZERO_ALT_MEM_K = 0x1e0, ZERO_EXT_MEM_K = 0x002
};
#define HEADER 4096     /* bytes that hold it, at the file's beginning */
enum { LOADED_HIGH = 1, CAN_USE_HEAP = 0x80 };
enum { E820_RAM = 1, E820_RESERVED = 2 };
enum { ITEM_KERNEL = 0x11, ITEM_INITRD = 0x12, ITEM_CMDLINE = 0x15, ITEM_SETUP = 0x18 };        /* of the firmware configuration */
#define ROM_FILE "genroms/boot-linux.bin"

enum { START_DIRECTLY, START_FIRMWARE };
static const char *const start_names[] = { "directly", "firmware", NULL };

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct BootLinux {
  BootCommon common;
  char *kernel, *initrd, *append;
  BpLink firmware;
  int start;                    /* property: START_* */
  bool mp_table;
  uint8_t timer_input;
  BpAddressSpace *memory;
  uint8_t *image, *initrd_data;
  size_t image_size, initrd_size;
  uint32_t setup_size, kernel_address, initrd_address;
  uint64_t ram_end;             /* below 4 GiB, without the tables that lie there */
  uint32_t rsdp;
  GError *error;                /* why there is no ROM since the last reset */
} BootLinux;

static uint32_t get32 (const uint8_t *p) { uint32_t v; memcpy (&v, p, 4); return v; }
static uint16_t get16 (const uint8_t *p) { uint16_t v; memcpy (&v, p, 2); return v; }
static void put32 (uint8_t *p, uint32_t v) { memcpy (p, &v, 4); }
static void put64 (uint8_t *p, uint64_t v) { memcpy (p, &v, 8); }

/* --- what can be wrong with the files ------------------------------------------------ */

static bool
refuse (GError **error, const char *path, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "%s: %s", path, text);
  g_free (text);
  return false;
}

static bool
check_kernel (BootLinux *b, GError **error)
{
  const uint8_t *h = b->image;
  if (b->image_size < 0x268 || get16 (h + SETUP_BOOT_FLAG) != 0xaa55 || memcmp (h + SETUP_MAGIC, "HdrS", 4) != 0)
    return refuse (error, b->kernel, "not a Linux bzImage (no boot header)");
  if (get16 (h + SETUP_VERSION) < 0x0202 || !(h[SETUP_LOADFLAGS] & LOADED_HIGH))
    return refuse (error, b->kernel, "boot protocol %u.%02u is too old (2.02 and a high-loaded kernel are needed)", h[SETUP_VERSION + 1],
                   h[SETUP_VERSION]);
  unsigned sectors = h[SETUP_SECTS] ? h[SETUP_SECTS] : 4;
  b->setup_size = (sectors + 1) * 512;
  uint64_t wanted = (uint64_t) b->setup_size + (uint64_t) get32 (h + SETUP_SYSSIZE) * 16;
  if (b->image_size <= b->setup_size || b->image_size + 15 < wanted)
    return refuse (error, b->kernel, "truncated: it has %zu bytes, its header says %" G_GUINT64_FORMAT, b->image_size, wanted);
  return true;
}

/* Where the kernel goes: where it was linked for, unless it can be moved and RAM ends before. */
static bool
place_kernel (BootLinux *b, uint64_t ram, GError **error)
{
  const uint8_t *h = b->image;
  uint64_t size = b->image_size - b->setup_size, init_size = size;
  b->kernel_address = KERNEL_BASE;
  if (get16 (h + SETUP_VERSION) >= 0x020a) {
    uint64_t preferred;
    memcpy (&preferred, h + SETUP_PREF_ADDRESS, 8);
    init_size = MAX (size, get32 (h + SETUP_INIT_SIZE));
    if (b->start == START_DIRECTLY && preferred >= KERNEL_BASE && preferred + init_size <= ram)
      b->kernel_address = (uint32_t) preferred;
    else if (!h[SETUP_RELOCATABLE] && preferred + init_size > ram)
      return refuse (error, b->kernel, "needs RAM up to %" G_GUINT64_FORMAT " MiB, the machine has %" G_GUINT64_FORMAT " MiB",
                     (preferred + init_size + 0xfffff) >> 20, ram >> 20);
  }
  if (b->kernel_address + init_size > ram)
    return refuse (error, b->kernel, "needs RAM up to %" G_GUINT64_FORMAT " MiB, the machine has %" G_GUINT64_FORMAT " MiB",
                   (b->kernel_address + init_size + 0xfffff) >> 20, ram >> 20);
  if (b->initrd_size) {
    uint64_t limit = get16 (h + SETUP_VERSION) >= 0x0203 ? get32 (h + SETUP_INITRD_MAX) : 0x37ffffff;
    uint64_t end = MIN (ram, limit + 1), floor = b->kernel_address + init_size;
    uint64_t start = end < b->initrd_size ? 0 : (end - b->initrd_size) & ~UINT64_C (0xfff);
    if (start < floor)
      return refuse (error, b->initrd, "%zu bytes do not fit between the kernel's end (%" G_GUINT64_FORMAT " MiB) and the end of RAM (%" G_GUINT64_FORMAT
                     " MiB)", b->initrd_size, (floor + 0xfffff) >> 20, end >> 20);
    b->initrd_address = (uint32_t) start;
  }
  return true;
}

/* The files are in memory only while they are looked at or copied to the guest. */
static void
forget_files (BootLinux *b)
{
  boot_unmap_file (&b->image, &b->image_size);
  boot_unmap_file (&b->initrd_data, &b->initrd_size);
}

/* As far as `most` bytes of each: HEADER is what tells where all goes. */
static bool
read_files (BootLinux *b, size_t most, GError **error)
{
  uint64_t ram = boot_ram_size (&b->common);
  if (b->firmware.instance)
    ram -= MIN (ram, BOOT_TABLES_ROOM);
  if (!boot_map_file (b->kernel, most, &b->image, &b->image_size, error) || !check_kernel (b, error))
    return false;
  if (b->initrd && *b->initrd) {
    if (!boot_map_file (b->initrd, most, &b->initrd_data, &b->initrd_size, error))
      return false;
    if (!b->initrd_size)
      return refuse (error, b->initrd, "is empty");
  }
  uint32_t room = get16 (b->image + SETUP_VERSION) >= 0x0206 ? MIN (get32 (b->image + SETUP_CMDLINE_SIZE), CMDLINE_ROOM - 1) : 255;
  if (b->append && strlen (b->append) > room)
    return refuse (error, b->kernel, "the command line has %zu characters, this kernel takes %u", strlen (b->append), room);
  return place_kernel (b, ram, error);
}

static bool has_kernel (const BootLinux *b) { return b->kernel && *b->kernel; }

static bool
boot_check (void *self, GError **error)
{
  const BootLinux *b = self;
  if (b->start == START_FIRMWARE && !has_kernel (b))
    return true;
  bool fine = read_files (self, HEADER, error);
  forget_files (self);
  return fine;
}

/* --- loading ----------------------------------------------------------------------------- */

static void
add_e820 (uint8_t *zero, uint64_t start, uint64_t end, uint32_t type)
{
  uint8_t *entry = zero + ZERO_E820 + 20 * zero[ZERO_E820_ENTRIES]++;
  put64 (entry, start);
  put64 (entry + 8, end - start);
  put32 (entry + 16, type);
}

static void
fill_zero_page (BootLinux *b, uint8_t *zero)
{
  uint64_t ram = boot_ram_size (&b->common), high = boot_high_ram (&b->common, b->memory);
  unsigned header_end = 0x202 + b->image[0x201];
  memcpy (zero + SETUP_SECTS, b->image + SETUP_SECTS, MIN (header_end, 0x290u) - SETUP_SECTS);
  zero[SETUP_TYPE_OF_LOADER] = 0xff;
  zero[SETUP_LOADFLAGS] |= CAN_USE_HEAP;
  put32 (zero + SETUP_HEAP_END, 0xfe00);
  put32 (zero + SETUP_CODE32_START, b->kernel_address);
  put32 (zero + SETUP_RAMDISK_IMAGE, b->initrd_address);
  put32 (zero + SETUP_RAMDISK_SIZE, (uint32_t) b->initrd_size);
  put32 (zero + SETUP_CMDLINE_PTR, CMDLINE);
  put32 (zero + ZERO_ALT_MEM_K, (uint32_t) ((b->ram_end - KERNEL_BASE) >> 10));
  put64 (zero + ZERO_RSDP, b->rsdp);
  add_e820 (zero, 0, LOW_RAM_END, E820_RAM);
  add_e820 (zero, LOW_RAM_END, 0xa0000, E820_RESERVED);
  add_e820 (zero, 0xf0000, KERNEL_BASE, E820_RESERVED);
  add_e820 (zero, KERNEL_BASE, b->ram_end, E820_RAM);
  if (b->ram_end < ram)
    add_e820 (zero, b->ram_end, ram, E820_RESERVED);
  if (high)
    add_e820 (zero, BOOT_HIGH_BASE, BOOT_HIGH_BASE + high, E820_RAM);
}

static bool
copy_to_guest (BootLinux *b, GError **error)
{
  uint8_t zero[4096] = { 0 };
  const char *append = b->append ? b->append : "";
  fill_zero_page (b, zero);
  boot_write_reset_vector (b->memory);
  if (!boot_copy_file (b->kernel, b->setup_size, b->image_size - b->setup_size, b->memory, b->kernel_address, error)
      || (b->initrd_size && !boot_copy_file (b->initrd, 0, b->initrd_size, b->memory, b->initrd_address, error)))
    return false;
  if (bp_as_write (b->memory, ZERO_PAGE, zero, sizeof zero) && bp_as_write (b->memory, CMDLINE, append, strlen (append) + 1))
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "guest memory has holes where boot data should go");
  return false;
}

static bool
place_tables (BootLinux *b, GError **error)
{
  b->ram_end = boot_ram_size (&b->common);
  b->rsdp = 0;
  return !b->firmware.instance || boot_place_tables (bp_object_machine (b), &b->firmware, &b->ram_end, &b->rsdp, error);
}

/* --- by way of the firmware ------------------------------------------------------------- */

typedef struct Mapping {
  uint8_t *data;
  size_t size;
} Mapping;

static void
unmap (void *mapping)
{
  Mapping *m = mapping;
  boot_unmap_file (&m->data, &m->size);
  g_free (m);
}

/* The bytes live as long as somebody has them; the pointer is given up. */
static GBytes *
take_mapping (uint8_t **data, size_t *size)
{
  Mapping *m = g_new (Mapping, 1);
  *m = (Mapping) { *data, *size };
  *data = NULL;
  *size = 0;
  return g_bytes_new_with_free_func (m->data, m->size, unmap, m);
}

static void
give_item (BootLinux *b, uint16_t item, GBytes *bytes, uint32_t address, BootPiece *piece)
{
  *piece = (BootPiece) { item, (uint32_t) g_bytes_get_size (bytes), address };
  bp_firmware_config_set_item (&b->firmware, item, bytes);
  g_bytes_unref (bytes);
}

enum { VIDEO_NORMAL = 0xffff, VIDEO_EXTENDED = 0xfffe, VIDEO_ASK = 0xfffd };

/* vga=MODE is the boot loader's to read (boot.rst, "Special Command Line Options"): the last one on the command line. */
static uint16_t
video_mode (const char *append)
{
  uint16_t mode = VIDEO_NORMAL;
  g_auto (GStrv) words = g_strsplit (append, " ", -1);
  for (char **w = words; *w; w++) {
    const char *value = g_str_has_prefix (*w, "vga=") ? *w + 4 : NULL;
    if (value)
      mode = g_str_equal (value, "ask") ? VIDEO_ASK : g_str_equal (value, "ext") ? VIDEO_EXTENDED : g_str_equal (value, "normal") ? VIDEO_NORMAL
             : (uint16_t) g_ascii_strtoull (value, NULL, 0);
  }
  return GUINT16_TO_LE (mode);
}

/* The setup's header says where the rest is. */
static GBytes *
make_setup (const BootLinux *b)
{
  uint8_t *setup = g_memdup2 (b->image, b->setup_size);
  setup[SETUP_TYPE_OF_LOADER] = 0xff;
  setup[SETUP_LOADFLAGS] |= CAN_USE_HEAP;
  uint16_t heap_end = GUINT16_TO_LE (0xfe00), mode = video_mode (b->append ? b->append : "");
  memcpy (setup + SETUP_HEAP_END, &heap_end, 2);
  memcpy (setup + SETUP_VIDEO_MODE, &mode, 2);
  put32 (setup + SETUP_RAMDISK_IMAGE, b->initrd_address);
  put32 (setup + SETUP_RAMDISK_SIZE, (uint32_t) b->initrd_size);
  put32 (setup + SETUP_CMDLINE_PTR, CMDLINE);
  return g_bytes_new_take (setup, b->setup_size);
}

/* At each reset, when firmware's files are made: the kernel's files become items, and what loads them the ROM.  Without a ROM nothing is booted. */
static void
make_rom (void *self, GByteArray *bytes)
{
  BootLinux *b = self;
  BootPiece pieces[BOOT_ROM_PIECES];
  const char *append = b->append ? b->append : "";
  g_clear_error (&b->error);
  if (read_files (b, BOOT_WHOLE, &b->error)) {
    size_t setup = b->setup_size;
    give_item (b, ITEM_SETUP, make_setup (b), BOOT_SETUP, &pieces[0]);
    give_item (b, ITEM_CMDLINE, g_bytes_new (append, strlen (append) + 1), CMDLINE, &pieces[1]);
    give_item (b, ITEM_INITRD, take_mapping (&b->initrd_data, &b->initrd_size), b->initrd_address, &pieces[2]);
    g_autoptr (GBytes) whole = take_mapping (&b->image, &b->image_size);
    give_item (b, ITEM_KERNEL, g_bytes_new_from_bytes (whole, setup, g_bytes_get_size (whole) - setup), KERNEL_BASE, &pieces[3]);
    boot_make_rom (bytes, pieces);
  }
  forget_files (b);
}

static bool
rom_was_made (BootLinux *b, GError **error)
{
  if (b->error)
    g_propagate_error (error, g_steal_pointer (&b->error));
  return !error || !*error;
}

/* --- load -------------------------------------------------------------------------------- */

static bool
boot_load (void *self, GError **error)
{
  BootLinux *b = self;
  if (b->start == START_FIRMWARE)
    return rom_was_made (b, error);
  bool fine = place_tables (b, error) && read_files (b, HEADER, error) && copy_to_guest (b, error);
  fine = fine && (!b->mp_table || boot_write_mp_table (bp_object_machine (self), &b->common.cpu, b->timer_input, error));
  forget_files (b);
  if (!fine)
    return false;
  uint64_t gpr[8] = { [BP_X86_RSI] = ZERO_PAGE, [BP_X86_RSP] = STACK_TOP };
  boot_enter_flat32 (&b->common, b->memory, GDT_ADDRESS, 0x10, 0x18, b->kernel_address, gpr);
  return true;
}

/* --- life cycle: realize, reset ------------------------------------------------------------ */

static bool
boot_configure (void *self, GError **error)
{
  const BootLinux *b = self;
  if (b->start == START_DIRECTLY || b->firmware.instance)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "start = firmware needs `firmware = ID', the configuration by which firmware gets the kernel");
  return false;
}

static bool
boot_realize (void *self, GError **error)
{
  BootLinux *b = self;
  b->memory = bp_machine_address_space (bp_object_machine (self), "memory");
  return b->start == START_DIRECTLY || !has_kernel (b) || bp_firmware_config_add_maker (&b->firmware, ROM_FILE, make_rom, b, error);
}

static void
boot_unrealize (void *self)
{
  BootLinux *b = self;
  g_clear_error (&b->error);
}

/* --- tables: properties, type ----------------------------------------------------------------- */

static const BpProperty boot_properties[] = {
  BP_PROP_FILE ("kernel", BootLinux, kernel, 0, "The kernel, a bzImage."),
  BP_PROP_FILE ("initrd", BootLinux, initrd, 0, "Initial RAM disk, loaded as high as the kernel allows; none by default."),
  BP_PROP_STRING ("append", BootLinux, append, "", "The kernel's command line."),
  BP_PROP_BOOL ("mp-table", BootLinux, mp_table, false,
                "Tell the kernel of processors and APICs by a table of the MultiProcessor Specification: for machines with an I/O APIC at 0xfec00000."),
  BP_PROP_ ("mp-timer-input", BP_PROPERTY_U8, BootLinux, timer_input, .default_int = 2, .max = 23,
            .help = "The I/O APIC's input that the interval timer is wired to, for that table."),
  BP_PROP_ENUM ("start", BootLinux, start, START_DIRECTLY, start_names,
                "`directly': at the kernel, as if firmware had run; `firmware': with the firmware, which then starts the kernel, or what it finds when there is none."),
  BP_PROP_LINK ("firmware", BootLinux, firmware, BP_FIRMWARE_CONFIG_ID, 0,
                "The firmware configuration.  It gets the kernel with start = firmware; else its ACPI tables are placed as firmware does it."),
  BP_PROP_LINK ("cpu", BootLinux, common.cpu, BP_X86_CPU_ID, BP_PROPERTY_REQUIRED, "The CPU that starts the kernel."),
  BP_PROP_LINK ("ram", BootLinux, common.ram, "bp.memory-backend/1", BP_PROPERTY_REQUIRED,
                "The memory backend mapped from address 0: its size goes into the memory map that the kernel is given."),
  BP_PROP_END
};

static const BpBootIface boot_iface = { .struct_size = sizeof (BpBootIface), .check = boot_check, .load = boot_load };
static const BpInterfaceDesc boot_interfaces[] = { { BP_BOOT_ID, &boot_iface }, { NULL, NULL } };

const BpTypeDesc boot_linux_type = {
  BP_TYPE ("boot-linux", BP_KIND_BOOT, BootLinux),
  .description = "Starts a Linux bzImage directly, without firmware",
  .properties = boot_properties,
  .interfaces = boot_interfaces,
  .configure = boot_configure,
  .realize = boot_realize,
  .unrealize = boot_unrealize,
};
