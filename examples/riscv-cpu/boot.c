/* boot.c -- puts a program into memory, an ELF file or plain bytes, and starts a hart at it. */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/boot.h>
#include <backplane/log.h>
#include <backplane/memory.h>
#include <elf.h>
#include <string.h>
#include "riscv.h"

/* --- state: wiring | derived -------------------------------------------------- */

typedef struct Piece {
  uint32_t address;
  uint32_t file_size, size;     /* what is beyond the file's bytes is zeros */
  size_t offset;                /* in the file */
} Piece;

typedef struct Boot {
  char *kernel;                 /* properties */
  uint32_t address;
  BpLink cpu;
  char *bytes;
  gsize n_bytes;
  GArray *pieces;
  uint32_t entry;
} Boot;

static bool G_GNUC_PRINTF (3, 4)
refuse (const Boot *b, GError **error, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "%s: %s", b->kernel, text);
  g_free (text);
  return false;
}

/* --- the file -------------------------------------------------------------------- */

/* All of it lies in RAM or ROM of the machine. */
static bool
is_memory (const Boot *b, uint64_t address, uint64_t size)
{
  BpAddressSpace *memory = bp_machine_address_space (bp_object_machine (b), "memory");
  for (uint64_t end = address + size; address < end; ) {
    const BpFlatRange *range = bp_as_lookup (memory, address);
    if (!range)
      return false;
    uint64_t next = range->address + range->size;
    bool is_plain = range->host != NULL;
    bp_as_leave (memory);
    if (!is_plain)
      return false;
    address = next ? next : end;
  }
  return true;
}

static bool
add_piece (Boot *b, const Piece *p, GError **error)
{
  if (!is_memory (b, p->address, p->size))
    return refuse (b, error, "the machine has no memory at 0x%x .. 0x%" G_GINT64_MODIFIER "x, where a part of it belongs", p->address,
                   (uint64_t) p->address + p->size - 1);
  g_array_append_val (b->pieces, *p);
  return true;
}

static bool
take_segment (Boot *b, const Elf32_Phdr *p, unsigned index, GError **error)
{
  if (p->p_type != PT_LOAD || p->p_memsz == 0)
    return true;
  if (p->p_offset > b->n_bytes || p->p_filesz > b->n_bytes - p->p_offset)
    return refuse (b, error, "truncated: segment %u ends behind the file", index);
  if (p->p_filesz > p->p_memsz || (uint64_t) p->p_paddr + p->p_memsz > (uint64_t) 1 << 32)
    return refuse (b, error, "the sizes of segment %u are wrong", index);
  return add_piece (b, &(Piece) { p->p_paddr, p->p_filesz, p->p_memsz, p->p_offset }, error);
}

static bool
is_loaded (const Boot *b, uint32_t address)
{
  for (unsigned i = 0; i < b->pieces->len; i++) {
    const Piece *p = &g_array_index (b->pieces, Piece, i);
    if (address >= p->address && address - p->address < p->file_size)
      return true;
  }
  return false;
}

/* Most such programs would only trap, over and over, and say nothing; one that looks at misa first is fine. */
static void
warn_of_extensions (const Boot *b, uint32_t flags)
{
  if (flags & EF_RISCV_RVC)
    bp_warn (b, "%s has instructions of 16 bits, which the hart has not: compile it with -march=rv32im_zicsr", b->kernel);
  if (flags & EF_RISCV_FLOAT_ABI)
    bp_warn (b, "%s uses floating-point registers, which the hart has not: compile it with -mabi=ilp32", b->kernel);
}

static bool
take_elf (Boot *b, GError **error)
{
  Elf32_Ehdr e;
  if (b->n_bytes < sizeof e)
    return refuse (b, error, "truncated: it ends in its ELF header");
  memcpy (&e, b->bytes, sizeof e);
  if (e.e_ident[EI_CLASS] != ELFCLASS32 || e.e_ident[EI_DATA] != ELFDATA2LSB || e.e_machine != EM_RISCV)
    return refuse (b, error, "not a 32-bit RISC-V program (ELF class %u, machine %u)", e.e_ident[EI_CLASS], e.e_machine);
  if (e.e_entry & 3)
    return refuse (b, error, "begins at 0x%x, and instructions begin at multiples of 4", e.e_entry);
  if (e.e_phnum == 0 || e.e_phentsize != sizeof (Elf32_Phdr) || e.e_phoff > b->n_bytes || (b->n_bytes - e.e_phoff) / sizeof (Elf32_Phdr) < e.e_phnum)
    return refuse (b, error, "its program headers are not there, or not whole");
  for (unsigned i = 0; i < e.e_phnum; i++) {
    Elf32_Phdr p;
    memcpy (&p, b->bytes + e.e_phoff + i * sizeof p, sizeof p);
    if (!take_segment (b, &p, i, error))
      return false;
  }
  warn_of_extensions (b, e.e_flags);
  b->entry = e.e_entry;
  if (!is_loaded (b, b->entry))
    return refuse (b, error, "begins at 0x%x, where none of its segments is", b->entry);
  return true;
}

static bool
take_plain (Boot *b, GError **error)
{
  b->entry = b->address;
  if (b->n_bytes == 0 || b->n_bytes > UINT32_MAX)
    return refuse (b, error, "has %zu bytes: not a program", (size_t) b->n_bytes);
  return add_piece (b, &(Piece) { b->address, (uint32_t) b->n_bytes, (uint32_t) b->n_bytes, 0 }, error);
}

/* --- interface bp.boot ------------------------------------------------------------- */

static void
forget (Boot *b)
{
  g_clear_pointer (&b->bytes, g_free);
  g_clear_pointer (&b->pieces, g_array_unref);
}

static bool
check (void *self, GError **error)
{
  Boot *b = self;
  forget (b);
  if (!b->kernel) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "no program: name one as kernel in [boot], or by --kernel");
    return false;
  }
  if (!g_file_get_contents (b->kernel, &b->bytes, &b->n_bytes, error))
    return false;
  b->pieces = g_array_new (FALSE, FALSE, sizeof (Piece));
  bool is_elf = b->n_bytes >= SELFMAG && memcmp (b->bytes, ELFMAG, SELFMAG) == 0;
  return is_elf ? take_elf (b, error) : take_plain (b, error);
}

static bool
load (void *self, GError **error)
{
  Boot *b = self;
  BpAddressSpace *memory = bp_machine_address_space (bp_object_machine (self), "memory");
  const RvCpuIface *cpu = b->cpu.table;
  for (unsigned i = 0; i < b->pieces->len; i++) {
    const Piece *p = &g_array_index (b->pieces, Piece, i);
    uint8_t *zeros = g_malloc0 (p->size - p->file_size);
    bool written = bp_as_write_rom (memory, p->address, b->bytes + p->offset, p->file_size)
                   && bp_as_write_rom (memory, (uint64_t) p->address + p->file_size, zeros, p->size - p->file_size);
    g_free (zeros);
    if (!written)
      return refuse (b, error, "the machine's memory at 0x%x is gone", p->address);
  }
  cpu->start (b->cpu.instance, b->entry);
  return true;
}

/* --- life cycle: configure, unrealize ------------------------------------------------- */

static bool
configure (void *self, GError **error)
{
  const Boot *b = self;
  if (b->address & 3) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "address = 0x%x: instructions begin at multiples of 4", b->address);
    return false;
  }
  return true;
}

static void unrealize (void *self) { forget (self); }

/* --- tables: properties, type ----------------------------------------------------------- */

static const BpProperty properties[] = {
  BP_PROP_FILE ("kernel", Boot, kernel, 0, "The program: a 32-bit RISC-V ELF file, or plain bytes; --kernel on the command line."),
  BP_PROP_U32 ("address", Boot, address, 0x80000000, "Where plain bytes go and begin; ELF files say it themselves."),
  BP_PROP_LINK ("cpu", Boot, cpu, RV_CPU_ID, BP_PROPERTY_REQUIRED, "The hart that starts; others begin at their reset-vector."),
  BP_PROP_END
};

static const BpBootIface boot_iface = { .struct_size = sizeof boot_iface, .check = check, .load = load };
static const BpInterfaceDesc interfaces[] = { { BP_BOOT_ID, &boot_iface }, { NULL, NULL } };

const BpTypeDesc rv_boot_type = {
  BP_TYPE ("riscv-boot", BP_KIND_BOOT, Boot),
  .description = "Starts a RISC-V program from an ELF file or plain bytes",
  .properties = properties, .interfaces = interfaces,
  .configure = configure, .unrealize = unrealize,
};
