/* read-elf.c -- symbols of ELF files: programs, libraries and kernels, and what was stripped off into a file beside them. */
/* SPDX-License-Identifier: MIT */
#include "byte-reader.h"
#include "guest-symbols.h"
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <string.h>
#include <unistd.h>

#define PAGE_BYTES UINT64_C (4096)

typedef struct ElfFile {
  const char *path;
  int fd;
  Elf *elf;
  GElf_Ehdr header;
} ElfFile;

/* --- opening ---------------------------------------------------------------------------------- */

static void
elf_file_finish (ElfFile *e)
{
  elf_end (e->elf);
  if (e->fd >= 0)
    close (e->fd);
  e->elf = NULL;
  e->fd = -1;
}

static bool
elf_file_init (ElfFile *e, const char *path, GError **error)
{
  *e = (ElfFile) { .path = path, .fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK) };
  if (e->fd < 0) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot open `%s`: %s", path, g_strerror (errno));
    return false;
  }
  elf_version (EV_CURRENT);
  e->elf = elf_begin (e->fd, ELF_C_READ, NULL);
  if (e->elf && elf_kind (e->elf) == ELF_K_ELF && gelf_getehdr (e->elf, &e->header))
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s` is not an ELF file that can be read: %s", path, e->elf ? "not one object" : elf_errmsg (-1));
  elf_file_finish (e);
  return false;
}

/* --- the file beside it ----------------------------------------------------------------------- */

/* Notes in sections: name "GNU", type 3. */
static char *
build_id_text (Elf *elf)
{
  for (Elf_Scn *s = elf_nextscn (elf, NULL); s; s = elf_nextscn (elf, s)) {
    GElf_Shdr h;
    Elf_Data *data = gelf_getshdr (s, &h) && h.sh_type == SHT_NOTE ? elf_getdata (s, NULL) : NULL;
    GElf_Nhdr note;
    size_t at = 0, name, id, next;
    while (data && data->d_buf && (next = gelf_getnote (data, at, &note, &name, &id)) > 0) {
      const uint8_t *bytes = data->d_buf;
      if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && !memcmp (bytes + name, "GNU", 4) && note.n_descsz >= 2 && note.n_descsz <= 64) {
        GString *text = g_string_new (NULL);
        for (size_t i = 0; i < note.n_descsz; i++)
          g_string_append_printf (text, "%02x", bytes[id + i]);
        return g_string_free (text, FALSE);
      }
      at = next;
    }
  }
  return NULL;
}

/* A name, zeros up to a multiple of 4, and the checksum of what the name means; NULL: there is none.  Free with g_free. */
static char *
debug_link (const ElfFile *e, uint32_t *crc)
{
  size_t names;
  bool fine = elf_getshdrstrndx (e->elf, &names) == 0;
  for (Elf_Scn *s = elf_nextscn (e->elf, NULL); fine && s; s = elf_nextscn (e->elf, s)) {
    GElf_Shdr h;
    const char *section = gelf_getshdr (s, &h) && h.sh_type == SHT_PROGBITS ? elf_strptr (e->elf, names, h.sh_name) : NULL;
    Elf_Data *data = section && !strcmp (section, ".gnu_debuglink") ? elf_rawdata (s, NULL) : NULL;
    if (!data || !data->d_buf)
      continue;
    ByteReader r = { .at = data->d_buf, .end = (const uint8_t *) data->d_buf + data->d_size, .is_big_endian = e->header.e_ident[EI_DATA] == ELFDATA2MSB };
    const char *name = read_string (&r);
    size_t used = strlen (name) + 1;
    read_bytes (&r, -used & 3);
    *crc = (uint32_t) read_number (&r, 4);
    return r.failed || !*name ? NULL : g_strdup (name);
  }
  return NULL;
}

/* What .gnu_debuglink has of its file: CRC-32, polynomial 0xedb88320. */
static bool
file_crc (int fd, uint32_t *sum)
{
  uint32_t table[256], crc = UINT32_MAX;
  uint8_t buffer[65536];
  ssize_t n;
  for (uint32_t i = 0; i < 256; i++) {
    table[i] = i;
    for (unsigned bit = 0; bit < 8; bit++)
      table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320u : 0);
  }
  for (off_t at = 0; (n = pread (fd, buffer, sizeof buffer, at)) > 0; at += n)
    for (ssize_t i = 0; i < n; i++)
      crc = table[(crc ^ buffer[i]) & 255] ^ crc >> 8;
  *sum = ~crc;
  return n == 0;
}

/* A file, or a folder like /usr/lib/debug: there by build-id, then by the name that the file says. */
static char *
find_debug_path (const ElfFile *e, const char *given, GError **error)
{
  if (!g_file_test (given, G_FILE_TEST_IS_DIR))
    return g_strdup (given);
  uint32_t crc;
  g_autofree char *id = build_id_text (e->elf), *link = debug_link (e, &crc);
  g_autofree char *by_id = id ? g_strdup_printf ("%s/.build-id/%.2s/%s.debug", given, id, id + 2) : NULL;
  if (by_id && g_file_test (by_id, G_FILE_TEST_EXISTS))
    return g_steal_pointer (&by_id);
  g_autofree char *full = g_canonicalize_filename (e->path, NULL);
  g_autofree char *folder = g_path_get_dirname (full);
  g_autofree char *name = link ? g_path_get_basename (link) : NULL;
  g_autofree char *mirrored = name ? g_build_filename (given, folder, name, NULL) : NULL;
  g_autofree char *plain = name ? g_build_filename (given, name, NULL) : NULL;
  if (mirrored && g_file_test (mirrored, G_FILE_TEST_EXISTS))
    return g_steal_pointer (&mirrored);
  if (plain && g_file_test (plain, G_FILE_TEST_EXISTS))
    return g_steal_pointer (&plain);
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "nothing in `%s` belongs to `%s`: it should be `%s`", given, e->path,
               by_id ? by_id : mirrored ? mirrored : "named by a build-id or .gnu_debuglink, of which there is none");
  return NULL;
}

static bool
check_pair (const ElfFile *e, const ElfFile *debug, GError **error)
{
  g_autofree char *a = build_id_text (e->elf), *b = build_id_text (debug->elf);
  uint32_t crc, wanted;
  g_autofree char *link = debug_link (e, &wanted);
  if (a && b && strcmp (a, b) != 0) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s` does not belong to `%s`: its build-id is %s, not %s", debug->path, e->path, b, a);
    return false;
  }
  if (!(a && b) && link && (!file_crc (debug->fd, &crc) || crc != wanted)) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s` does not belong to `%s`: its checksum is another than .gnu_debuglink says", debug->path, e->path);
    return false;
  }
  if (debug->header.e_ident[EI_CLASS] == e->header.e_ident[EI_CLASS] && debug->header.e_machine == e->header.e_machine)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s` does not belong to `%s`: it is for another CPU", debug->path, e->path);
  return false;
}

/* --- symbols ---------------------------------------------------------------------------------- */

/* Where sections lie, by index. */
typedef struct Extent {
  uint64_t end;                 /* 0: not in memory */
  bool is_code;
} Extent;

static GArray *
section_extents (Elf *elf)
{
  GArray *extents = g_array_new (FALSE, TRUE, sizeof (Extent));
  for (Elf_Scn *s = elf_nextscn (elf, NULL); s; s = elf_nextscn (elf, s)) {
    GElf_Shdr h;
    size_t index = elf_ndxscn (s);
    if (!gelf_getshdr (s, &h) || !(h.sh_flags & SHF_ALLOC) || index >= 1u << 20)
      continue;
    if (extents->len <= index)
      g_array_set_size (extents, (guint) index + 1);
    Extent x = { .end = h.sh_addr + MIN (h.sh_size, UINT64_MAX - h.sh_addr), .is_code = h.sh_flags & SHF_EXECINSTR };
    g_array_index (extents, Extent, index) = x;
  }
  return extents;
}

/* A copy of a string table, with a 0 behind it. */
static char *
copy_strings (SymbolFile *file, Elf *elf, size_t section, size_t *size)
{
  GElf_Shdr h;
  Elf_Scn *s = elf_getscn (elf, section);
  Elf_Data *data = s && gelf_getshdr (s, &h) && h.sh_type == SHT_STRTAB ? elf_rawdata (s, NULL) : NULL;
  if (!data || !data->d_buf || data->d_size == 0)
    return NULL;
  char *copy = g_try_malloc (data->d_size + 1);
  if (!copy)
    return NULL;
  memcpy (copy, data->d_buf, data->d_size);
  copy[data->d_size] = 0;
  *size = data->d_size;
  g_ptr_array_add (file->blobs, copy);
  return copy;
}

/* Local labels and what assemblers note down are no names for people. */
static bool
is_name (const char *name)
{
  return name[0] && name[0] != '$' && !(name[0] == '.' && name[1] == 'L') && memchr (name, 0, SYMBOL_NAME_MAX) != NULL;
}

static void
add_symbol (SymbolFile *file, const GElf_Sym *sym, const char *name, const GArray *extents)
{
  unsigned type = GELF_ST_TYPE (sym->st_info), binding = GELF_ST_BIND (sym->st_info);
  bool is_function = type == STT_FUNC || type == STT_GNU_IFUNC;
  if (!(is_function || type == STT_OBJECT || type == STT_NOTYPE) || sym->st_shndx == SHN_UNDEF || sym->st_shndx == SHN_COMMON)
    return;
  if (sym->st_shndx == SHN_ABS && !is_function)        /* a number, not an address */
    return;
  const Extent *x = sym->st_shndx < extents->len ? &g_array_index (extents, Extent, sym->st_shndx) : NULL;
  uint64_t reach = sym->st_size ? sym->st_size : PAGE_BYTES;
  Symbol s = {
    .start = sym->st_value, .end = sym->st_value + MIN (reach, UINT64_MAX - sym->st_value), .name = name, .has_size = sym->st_size > 0,
    .type = is_function ? SYMBOL_FUNCTION : type == STT_NOTYPE && x && x->is_code ? SYMBOL_LABEL : SYMBOL_DATA,
    .binding = binding == STB_LOCAL ? SYMBOL_LOCAL : binding == STB_WEAK ? SYMBOL_WEAK : SYMBOL_GLOBAL,
  };
  if (!s.has_size && x && x->end)
    s.end = x->end;
  symbol_table_add (file->table, &s);
}

static bool
add_symbols (SymbolFile *file, Elf *elf, unsigned wanted_type)
{
  size_t before = symbol_table_size (file->table);
  g_autoptr (GArray) extents = section_extents (elf);
  for (Elf_Scn *s = elf_nextscn (elf, NULL); s; s = elf_nextscn (elf, s)) {
    GElf_Shdr h;
    if (!gelf_getshdr (s, &h) || h.sh_type != wanted_type)
      continue;
    size_t strings_size = 0, row = gelf_fsize (elf, ELF_T_SYM, 1, EV_CURRENT);
    const char *strings = copy_strings (file, elf, h.sh_link, &strings_size);
    Elf_Data *data = strings && row ? elf_getdata (s, NULL) : NULL;
    size_t n = data && data->d_buf ? MIN (data->d_size / row, G_MAXINT) : 0;
    for (size_t i = 1; i < n; i++) {
      GElf_Sym sym;
      if (gelf_getsym (data, (int) i, &sym) && sym.st_name < strings_size && is_name (strings + sym.st_name))
        add_symbol (file, &sym, strings + sym.st_name, extents);
    }
    break;                      /* there is one table of a type; more of them are a hostile file's */
  }
  return symbol_table_size (file->table) > before;
}

/* --- what kind of program ----------------------------------------------------------------------- */

static bool
check_type (SymbolFile *file, const ElfFile *e, GError **error)
{
  switch (e->header.e_type) {
  case ET_EXEC:
  case ET_DYN:
    file->is_position_independent = e->header.e_type == ET_DYN;
    return true;
  case ET_REL:
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s` is not linked yet (a kernel module is not before it is loaded: /proc/kallsyms of the guest has its symbols)", e->path);
    return false;
  default:
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s` is neither a program nor a library: ELF type %u", e->path, e->header.e_type);
    return false;
  }
}

static void
read_program_headers (SymbolFile *file, Elf *elf)
{
  size_t n = 0;
  if (elf_getphdrnum (elf, &n) != 0)
    return;
  for (size_t i = 0; i < n && i < 65536; i++) {
    GElf_Phdr h;
    if (!gelf_getphdr (elf, (int) i, &h))
      return;
    file->has_interpreter |= h.p_type == PT_INTERP;
    if (h.p_type != PT_LOAD || file->has_load_address)
      continue;
    file->load_address = file->moves_from = h.p_vaddr & ~(PAGE_BYTES - 1);
    file->has_load_address = true;
  }
}

static uint32_t
load_le32 (const uint8_t *p)
{
  return p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16 | (uint32_t) p[3] << 24;
}

/* A Multiboot header, of either version, in its place: the program is a kernel whatever its addresses are. */
static bool
is_multiboot (int fd)
{
  uint8_t head[32768 + 16] = { 0 };
  ssize_t n = pread (fd, head, sizeof head - 16, 0);
  for (ssize_t i = 0; i < n; i += 4) {
    uint32_t magic = load_le32 (head + i), sum = magic + load_le32 (head + i + 4) + load_le32 (head + i + 8);
    if ((magic == 0x1badb002 && sum == 0 && i < 8192) || (magic == 0xe85250d6 && sum + load_le32 (head + i + 12) == 0))
      return true;
  }
  return false;
}

/* --- the whole -------------------------------------------------------------------------------- */

/* The fd goes to the source lines, when there are some. */
static bool
take_lines (SymbolFile *file, ElfFile *e)
{
  int fd = fcntl (e->fd, F_DUPFD_CLOEXEC, 0);
  file->lines = fd >= 0 ? lines_new (fd, e->path) : NULL;
  if (!file->lines && fd >= 0)
    close (fd);
  return file->lines != NULL;
}

static bool
read_pair (SymbolFile *file, ElfFile *e, ElfFile *debug, GError **error)
{
  if (!check_type (file, e, error) || (debug && !check_pair (e, debug, error)))
    return false;
  file->address_bits = e->header.e_ident[EI_CLASS] == ELFCLASS32 ? 32 : 64;
  file->is_multiboot = is_multiboot (e->fd);
  read_program_headers (file, e->elf);
  bool any = (debug && add_symbols (file, debug->elf, SHT_SYMTAB)) || add_symbols (file, e->elf, SHT_SYMTAB)
             || add_symbols (file, e->elf, SHT_DYNSYM);
  if (!take_lines (file, e) && debug)
    take_lines (file, debug);
  if (any || file->lines)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s` has no symbols: it was stripped (debug-file or debug-folder says where that is)", e->path);
  return false;
}

bool
read_elf (SymbolFile *file, const char *path, const char *given_debug, GError **error)
{
  ElfFile e, debug;
  file->is_elf = true;
  if (!elf_file_init (&e, path, error))
    return false;
  g_autofree char *debug_path = given_debug ? find_debug_path (&e, given_debug, error) : NULL;
  bool ok = false;
  if (!given_debug) {
    ok = read_pair (file, &e, NULL, error);
  } else if (debug_path && elf_file_init (&debug, debug_path, error)) {
    ok = read_pair (file, &e, &debug, error);
    elf_file_finish (&debug);
  }
  elf_file_finish (&e);
  return ok;
}
