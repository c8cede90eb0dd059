/* boot-multiboot.c -- starts a kernel by the Multiboot specification 0.6.96: ELF32 or flat images, modules, memory map. */
/* SPDX-License-Identifier: MIT */
#include <backplane/log.h>
#include <backplane/object.h>
#include <elf.h>
#include <string.h>
#include "boot.h"
#include "hw-pc.h"

/* --- layout in guest memory ------------------------------------------------------- */

#define LOW_INFO      0x80000u          /* boot information, unless the kernel is there */
#define LOW_RAM_END   0x9fc00u
#define HIGH_BASE     0x100000u
#define PAGE          0x1000u

/* --- the specification's numbers ----------------------------------------------------- */

#define HEADER_MAGIC  0x1badb002u
#define BOOT_MAGIC    0x2badb002u
#define SEARCH_LIMIT  8192u             /* the header is within so many bytes, on a 4-byte boundary */
enum { HEADER_PAGE_ALIGN = 1 << 0, HEADER_MEMORY = 1 << 1, HEADER_VIDEO = 1 << 2, HEADER_REQUIRED = 0xffff, HEADER_ADDRESSES = 1 << 16 };
enum { INFO_MEMORY = 1 << 0, INFO_CMDLINE = 1 << 2, INFO_MODULES = 1 << 3, INFO_MMAP = 1 << 6, INFO_LOADER = 1 << 9 };
/* Offsets in the information, and its size. */
enum {
  MBI_FLAGS = 0, MBI_MEM_LOWER = 4, MBI_MEM_UPPER = 8, MBI_CMDLINE = 16, MBI_MODS_COUNT = 20, MBI_MODS_ADDR = 24, MBI_MMAP_LENGTH = 44,
  MBI_MMAP_ADDR = 48, MBI_LOADER = 64, MBI_SIZE = 116
};
enum { GDT_ROOM = 64, MODULE_ENTRY = 16, MMAP_ENTRY = 24, MAX_MMAP = 6 };

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct Piece {          /* of the kernel: file bytes to copy, zeros to follow */
  uint32_t address;
  size_t offset, file_size;
  uint64_t memory_size;
} Piece;

typedef struct Module {
  char *path, *text;            /* the file, and the whole string with its arguments */
  uint8_t *data;
  size_t size;
  uint32_t address;
} Module;

typedef struct BootMultiboot {
  BootCommon common;
  char *kernel, *initrd, *append;
  char **modules;
  bool firmware_state, warm;
  BpAddressSpace *memory;
  /* only while the files are looked at or copied */
  uint8_t *image;
  size_t image_size, header;
  GArray *pieces;               /* of Piece */
  GArray *loaded;               /* of Module */
  uint32_t entry, info_address;
  uint64_t end;                 /* first address above the kernel */
  GByteArray *info;
} BootMultiboot;

static uint32_t get32 (const uint8_t *p) { uint32_t v; memcpy (&v, p, 4); return v; }
static void put32 (uint8_t *p, uint32_t v) { memcpy (p, &v, 4); }
static void put64 (uint8_t *p, uint64_t v) { memcpy (p, &v, 8); }

static bool G_GNUC_PRINTF (3, 4)
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

/* --- the kernel file --------------------------------------------------------------------- */

static bool
find_header (BootMultiboot *b, GError **error)
{
  size_t limit = MIN (b->image_size, SEARCH_LIMIT);
  for (size_t at = 0; at + 12 <= limit; at += 4) {
    const uint8_t *h = b->image + at;
    if (get32 (h) != HEADER_MAGIC || get32 (h) + get32 (h + 4) + get32 (h + 8) != 0)
      continue;
    b->header = at;
    uint32_t unknown = get32 (h + 4) & HEADER_REQUIRED & ~(uint32_t) (HEADER_PAGE_ALIGN | HEADER_MEMORY | HEADER_VIDEO);
    if (unknown)
      return refuse (error, b->kernel, "the Multiboot header requires features that are not provided (flags 0x%x)", unknown);
    if (get32 (h + 4) & HEADER_ADDRESSES && at + 32 > b->image_size)
      return refuse (error, b->kernel, "truncated: the file ends inside its Multiboot header");
    return true;
  }
  return refuse (error, b->kernel, "not a Multiboot kernel (no valid header in its first %u bytes)", SEARCH_LIMIT);
}

static bool
add_piece (BootMultiboot *b, uint64_t ram, const Piece *piece, GError **error)
{
  uint64_t end = (uint64_t) piece->address + piece->memory_size;
  if (piece->memory_size == 0)
    return true;
  if (end > ram)
    return refuse (error, b->kernel, "needs RAM up to %" G_GUINT64_FORMAT " MiB, the machine has %" G_GUINT64_FORMAT " MiB", (end + 0xfffff) >> 20,
                   ram >> 20);
  g_array_append_val (b->pieces, *piece);
  b->end = MAX (b->end, end);
  return true;
}

/* The header says where everything goes (the "a.out kludge", 3.1.3). */
static bool
take_addresses (BootMultiboot *b, uint64_t ram, GError **error)
{
  const uint8_t *h = b->image + b->header;
  uint32_t header = get32 (h + 12), load = get32 (h + 16), load_end = get32 (h + 20), bss_end = get32 (h + 24);
  b->entry = get32 (h + 28);
  if (load > header || header - load > b->header)
    return refuse (error, b->kernel, "the Multiboot header's addresses contradict its place (load 0x%x, header 0x%x at offset 0x%zx)", load, header,
                   b->header);
  size_t offset = b->header - (header - load), rest = b->image_size - offset;
  uint64_t file_size = load_end ? (uint64_t) load_end - load : rest;
  if (load_end && load_end < load)
    return refuse (error, b->kernel, "the Multiboot header's load_end_addr 0x%x is below its load_addr 0x%x", load_end, load);
  if (file_size > rest)
    return refuse (error, b->kernel, "truncated: it has %zu bytes, its header says %" G_GUINT64_FORMAT, b->image_size, offset + file_size);
  uint64_t memory_size = bss_end > load ? MAX ((uint64_t) bss_end - load, file_size) : file_size;
  return add_piece (b, ram, &(Piece) { load, offset, (size_t) file_size, memory_size }, error);
}

static bool
take_segment (BootMultiboot *b, uint64_t ram, const Elf32_Phdr *p, unsigned index, GError **error)
{
  if (p->p_type != PT_LOAD)
    return true;
  if (p->p_offset > b->image_size || p->p_filesz > b->image_size - p->p_offset)
    return refuse (error, b->kernel, "truncated: it has %zu bytes, segment %u ends at %" G_GUINT64_FORMAT, b->image_size, index,
                   (uint64_t) p->p_offset + p->p_filesz);
  if (p->p_filesz > p->p_memsz)
    return refuse (error, b->kernel, "segment %u is larger in the file than in memory", index);
  return add_piece (b, ram, &(Piece) { p->p_paddr, p->p_offset, p->p_filesz, p->p_memsz }, error);
}

/* The entry is a virtual address; where the segment that holds it was moved, so is the entry. */
static uint32_t
physical_entry (const BootMultiboot *b, const Elf32_Ehdr *e)
{
  for (unsigned i = 0; i < e->e_phnum; i++) {
    Elf32_Phdr p;
    memcpy (&p, b->image + e->e_phoff + i * sizeof p, sizeof p);
    bool physical = e->e_entry >= p.p_paddr && e->e_entry - p.p_paddr < p.p_memsz;
    if (p.p_type == PT_LOAD && !physical && e->e_entry >= p.p_vaddr && e->e_entry - p.p_vaddr < p.p_memsz)
      return e->e_entry - p.p_vaddr + p.p_paddr;
  }
  return e->e_entry;
}

static bool
take_elf (BootMultiboot *b, uint64_t ram, GError **error)
{
  Elf32_Ehdr e;
  if (b->image_size < sizeof e || memcmp (b->image, ELFMAG, SELFMAG) != 0)
    return refuse (error, b->kernel, "neither an ELF file nor does its Multiboot header say where it goes");
  memcpy (&e, b->image, sizeof e);
  if (e.e_ident[EI_CLASS] != ELFCLASS32 || e.e_ident[EI_DATA] != ELFDATA2LSB || e.e_machine != EM_386)
    return refuse (error, b->kernel, "not a 32-bit x86 ELF file (class %u, machine %u)", e.e_ident[EI_CLASS], e.e_machine);
  if (e.e_phnum == 0 || e.e_phentsize != sizeof (Elf32_Phdr))
    return refuse (error, b->kernel, "has no program headers: nothing to load");
  if (e.e_phoff > b->image_size || (b->image_size - e.e_phoff) / sizeof (Elf32_Phdr) < e.e_phnum)
    return refuse (error, b->kernel, "truncated: it has %zu bytes, its program headers end at %" G_GUINT64_FORMAT, b->image_size,
                   e.e_phoff + (uint64_t) e.e_phnum * sizeof (Elf32_Phdr));
  for (unsigned i = 0; i < e.e_phnum; i++) {
    Elf32_Phdr p;
    memcpy (&p, b->image + e.e_phoff + i * sizeof p, sizeof p);
    if (!take_segment (b, ram, &p, i, error))
      return false;
  }
  b->entry = physical_entry (b, &e);
  return true;
}

/* --- modules ------------------------------------------------------------------------------ */

static void
module_clear (void *data)
{
  Module *m = data;
  g_free (m->path);
  g_free (m->text);
  boot_unmap_file (&m->data, &m->size);
}

/* The string that the kernel gets is the whole, the file its first `path_length` characters. */
static bool
read_module (BootMultiboot *b, const char *text, size_t path_length, uint64_t *at, uint64_t ram, GError **error)
{
  Module m = { .path = g_strndup (text, path_length), .text = g_strdup (text) };
  bool fine = boot_map_file (m.path, BOOT_WHOLE, &m.data, &m.size, error);
  if (fine && (*at > ram || m.size > ram - *at))
    fine = refuse (error, m.path, "%zu bytes do not fit above 0x%" G_GINT64_MODIFIER "x: the machine has %" G_GUINT64_FORMAT " MiB", m.size, *at,
                   ram >> 20);
  m.address = (uint32_t) *at;
  *at = (*at + m.size + PAGE - 1) & ~(uint64_t) (PAGE - 1);
  g_array_append_val (b->loaded, m);
  return fine;
}

static bool
read_modules (BootMultiboot *b, uint64_t ram, GError **error)
{
  uint64_t at = (MAX (b->end, HIGH_BASE) + PAGE - 1) & ~(uint64_t) (PAGE - 1);
  if (b->initrd && *b->initrd && !read_module (b, b->initrd, strlen (b->initrd), &at, ram, error))
    return false;
  for (char **text = b->modules; text && *text; text++)
    if (**text && !read_module (b, *text, strcspn (*text, " "), &at, ram, error))
      return false;
  b->end = at;
  return true;
}

/* --- boot information ------------------------------------------------------------------------ */

static unsigned
add_range (uint8_t *map, unsigned n, uint64_t start, uint64_t size, bool available)
{
  uint8_t *entry = map + n * MMAP_ENTRY;
  put32 (entry, MMAP_ENTRY - 4);        /* without the field itself */
  put64 (entry + 4, start);
  put64 (entry + 12, size);
  put32 (entry + 20, available ? 1 : 2);
  return n + 1;
}

static unsigned
fill_map (BootMultiboot *b, uint8_t *map)
{
  uint64_t ram = boot_ram_size (&b->common), high = boot_high_ram (&b->common, b->memory);
  unsigned n = add_range (map, 0, 0, LOW_RAM_END, true);
  n = add_range (map, n, LOW_RAM_END, 0xa0000 - LOW_RAM_END, false);
  n = add_range (map, n, 0xf0000, 0x10000, false);
  if (ram > HIGH_BASE)
    n = add_range (map, n, HIGH_BASE, ram - HIGH_BASE, true);
  return high ? add_range (map, n, BOOT_HIGH_BASE, high, true) : n;
}

static uint32_t
add_text (BootMultiboot *b, const char *text)
{
  uint32_t at = b->info_address + b->info->len;
  g_byte_array_append (b->info, (const uint8_t *) text, (guint) strlen (text) + 1);
  return at;
}

/* The descriptor table, the information, the memory map, the modules' entries; the strings follow. */
static void
build_info (BootMultiboot *b)
{
  enum { INFO = GDT_ROOM, MAP = INFO + MBI_SIZE + 4, MODULES = MAP + MAX_MMAP * MMAP_ENTRY };
  uint64_t ram = boot_ram_size (&b->common);
  b->info = g_byte_array_new ();
  g_byte_array_set_size (b->info, MODULES + b->loaded->len * MODULE_ENTRY);
  memset (b->info->data, 0, b->info->len);
  unsigned n_ranges = fill_map (b, b->info->data + MAP);
  for (unsigned i = 0; i < b->loaded->len; i++) {
    const Module *m = &g_array_index (b->loaded, Module, i);
    uint32_t text = add_text (b, m->text);
    uint8_t *entry = b->info->data + MODULES + i * MODULE_ENTRY;
    put32 (entry, m->address);
    put32 (entry + 4, m->address + (uint32_t) m->size);
    put32 (entry + 8, text);
  }
  char *line = g_strconcat (b->kernel, b->append && *b->append ? " " : "", b->append, NULL);
  uint32_t cmdline = add_text (b, line), loader = add_text (b, "backplane");
  g_free (line);
  uint8_t *info = b->info->data + INFO;
  put32 (info + MBI_FLAGS, INFO_MEMORY | INFO_CMDLINE | INFO_MODULES | INFO_MMAP | INFO_LOADER);
  put32 (info + MBI_MEM_LOWER, LOW_RAM_END >> 10);
  put32 (info + MBI_MEM_UPPER, ram > HIGH_BASE ? (uint32_t) ((ram - HIGH_BASE) >> 10) : 0);
  put32 (info + MBI_CMDLINE, cmdline);
  put32 (info + MBI_MODS_COUNT, b->loaded->len);
  put32 (info + MBI_MODS_ADDR, b->info_address + MODULES);
  put32 (info + MBI_MMAP_LENGTH, n_ranges * MMAP_ENTRY);
  put32 (info + MBI_MMAP_ADDR, b->info_address + MAP);
  put32 (info + MBI_LOADER, loader);
}

static bool
kernel_is_in (const BootMultiboot *b, uint64_t start, uint64_t end)
{
  for (unsigned i = 0; i < b->pieces->len; i++) {
    const Piece *p = &g_array_index (b->pieces, Piece, i);
    if (p->address < end && p->address + p->memory_size > start)
      return true;
  }
  return false;
}

/* In low memory, out of the way of kernels that take all above them for free; else above everything. */
static bool
place_info (BootMultiboot *b, uint64_t ram, GError **error)
{
  b->info_address = LOW_INFO;
  build_info (b);
  uint64_t size = b->info->len;
  if (LOW_INFO + size <= LOW_RAM_END && LOW_INFO + size <= ram && !kernel_is_in (b, LOW_INFO, LOW_INFO + size))
    return true;
  if (b->end > ram || size > ram - b->end)
    return refuse (error, b->kernel, "no room for %" G_GUINT64_FORMAT " bytes of boot information above it and its modules", size);
  g_byte_array_unref (b->info);
  b->info_address = (uint32_t) b->end;
  build_info (b);
  return true;
}

/* --- checking ----------------------------------------------------------------------------------- */

static void
forget_files (BootMultiboot *b)
{
  boot_unmap_file (&b->image, &b->image_size);
  g_clear_pointer (&b->pieces, g_array_unref);
  g_clear_pointer (&b->loaded, g_array_unref);
  g_clear_pointer (&b->info, g_byte_array_unref);
}

static bool
read_files (BootMultiboot *b, GError **error)
{
  uint64_t ram = boot_ram_size (&b->common);
  b->end = 0;
  b->pieces = g_array_new (FALSE, FALSE, sizeof (Piece));
  b->loaded = g_array_new (FALSE, FALSE, sizeof (Module));
  g_array_set_clear_func (b->loaded, module_clear);
  if (!boot_map_file (b->kernel, BOOT_WHOLE, &b->image, &b->image_size, error) || !find_header (b, error))
    return false;
  bool flat = get32 (b->image + b->header + 4) & HEADER_ADDRESSES;
  if (get32 (b->image + b->header + 4) & HEADER_VIDEO)
    bp_log_unimp (b, "%s asks for a video mode; it gets none", b->kernel);
  if (!(flat ? take_addresses (b, ram, error) : take_elf (b, ram, error)))
    return false;
  if (!kernel_is_in (b, b->entry, (uint64_t) b->entry + 1))
    return refuse (error, b->kernel, "its entry point 0x%x is outside of what is loaded", b->entry);
  return read_modules (b, ram, error) && place_info (b, ram, error);
}

static bool
boot_check (void *self, GError **error)
{
  bool fine = read_files (self, error);
  forget_files (self);
  return fine;
}

/* --- loading ----------------------------------------------------------------------------- */

static bool
copy_piece (BootMultiboot *b, const Piece *p)
{
  static const uint8_t zeros[PAGE];
  bool fine = bp_as_write (b->memory, p->address, b->image + p->offset, p->file_size);
  for (uint64_t at = p->file_size; at < p->memory_size && fine; at += PAGE)
    fine = bp_as_write (b->memory, p->address + at, zeros, MIN (PAGE, p->memory_size - at));
  return fine;
}

static bool
copy_to_guest (BootMultiboot *b, GError **error)
{
  bool fine = true;
  for (unsigned i = 0; i < b->pieces->len; i++)
    fine = fine && copy_piece (b, &g_array_index (b->pieces, Piece, i));
  for (unsigned i = 0; i < b->loaded->len; i++) {
    const Module *m = &g_array_index (b->loaded, Module, i);
    fine = fine && bp_as_write (b->memory, m->address, m->data, m->size);
  }
  if (fine && bp_as_write (b->memory, b->info_address, b->info->data, b->info->len))
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "guest memory has holes where kernel, modules or boot information should go");
  return false;
}

static bool
boot_load (void *self, GError **error)
{
  BootMultiboot *b = self;
  if (b->firmware_state && b->warm && boot_resume (&b->common, bp_object_machine (self)))
    return true;
  if (b->firmware_state)
    boot_leave_firmware_state (bp_object_machine (self));
  bool fine = read_files (b, error) && copy_to_guest (b, error);
  forget_files (b);
  if (!fine)
    return false;
  uint64_t gpr[8] = { [BP_X86_RAX] = BOOT_MAGIC, [BP_X86_RBX] = b->info_address + GDT_ROOM };
  boot_enter_flat32 (&b->common, b->memory, b->info_address, 0x08, 0x10, b->entry, gpr);
  return true;
}

/* --- life cycle: realize, reset ------------------------------------------------------------ */

static bool
boot_realize (void *self, GError **error)
{
  BootMultiboot *b = self;
  b->memory = bp_machine_address_space (bp_object_machine (self), "memory");
  return true;
}

static void
boot_reset (void *self, BpResetKind kind)
{
  ((BootMultiboot *) self)->warm = kind == BP_RESET_WARM;
}

/* --- tables: properties, type ----------------------------------------------------------------- */

static const BpProperty boot_properties[] = {
  BP_PROP_FILE ("kernel", BootMultiboot, kernel, 0, "The kernel: a file with a Multiboot 1 header, ELF32 or with load addresses."),
  BP_PROP_FILE ("initrd", BootMultiboot, initrd, 0, "A file that becomes the first module; none by default."),
  BP_PROP_LIST ("modules", BootMultiboot, modules, NULL,
                "Further modules, each a file and, after a blank, the arguments that it is given; files are relative to the current directory."),
  BP_PROP_STRING ("append", BootMultiboot, append, "", "The kernel's command line, which follows the kernel's file name."),
  BP_PROP_BOOL ("firmware-state", BootMultiboot, firmware_state, false,
                "Leave PIC, timer and real-mode interrupt vectors as firmware does, and heed the CMOS memory's shutdown status at a reset: for kernels "
                "that go back to real mode or wait for a tick."),
  BP_PROP_LINK ("cpu", BootMultiboot, common.cpu, BP_X86_CPU_ID, BP_PROPERTY_REQUIRED, "The CPU that starts the kernel."),
  BP_PROP_LINK ("ram", BootMultiboot, common.ram, "bp.memory-backend/1", BP_PROPERTY_REQUIRED,
                "The memory backend mapped from address 0: its size goes into the memory map that the kernel is given."),
  BP_PROP_END
};

static const BpBootIface boot_iface = { .struct_size = sizeof (BpBootIface), .check = boot_check, .load = boot_load };
static const BpInterfaceDesc boot_interfaces[] = { { BP_BOOT_ID, &boot_iface }, { NULL, NULL } };

const BpTypeDesc boot_multiboot_type = {
  BP_TYPE ("boot-multiboot", BP_KIND_BOOT, BootMultiboot),
  .description = "Starts a Multiboot kernel directly, without firmware",
  .properties = boot_properties,
  .interfaces = boot_interfaces,
  .realize = boot_realize,
  .reset = boot_reset,
};
