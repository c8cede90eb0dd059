/* tcg-coverage-module.c -- modules of coverage: reads where an ELF file is loaded, compares its code. */
/* SPDX-License-Identifier: MIT */
#include "tcg-coverage-module.h"
#include "common/instr-spec.h"
#include <elf.h>
#include <inttypes.h>
#include <string.h>

#define SPAN_LIMIT (UINT64_C (1) << 32)         /* blocks are told as 32-bit distances */

static bool
set_wrong (GError **error, const char *path, const char *what)
{
  g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "%s: %s", path, what);
  return false;
}

/* --- ELF: what both classes have ---------------------------------------------------------------- */

typedef struct Header {
  unsigned type;
  uint64_t entry, table;
  size_t n, row;
  bool is64;
} Header;

static bool
read_header (const char *bytes, size_t size, Header *h)
{
  Elf64_Ehdr e64;
  Elf32_Ehdr e32;
  if (size < sizeof e32 || memcmp (bytes, ELFMAG, SELFMAG) || bytes[EI_DATA] != ELFDATA2LSB)
    return false;
  h->is64 = bytes[EI_CLASS] == ELFCLASS64;
  if (h->is64) {
    if (size < sizeof e64)
      return false;
    memcpy (&e64, bytes, sizeof e64);
    *h = (Header) { e64.e_type, e64.e_entry, e64.e_phoff, e64.e_phnum, e64.e_phentsize, true };
  } else {
    memcpy (&e32, bytes, sizeof e32);
    *h = (Header) { e32.e_type, e32.e_entry, e32.e_phoff, e32.e_phnum, e32.e_phentsize, false };
  }
  return h->row >= (h->is64 ? sizeof (Elf64_Phdr) : sizeof (Elf32_Phdr)) && h->table <= size && h->n <= (size - h->table) / h->row;
}

typedef struct Load {
  uint64_t address, file_bytes, memory_bytes, offset;
  bool is_code;
} Load;

/* false: not a segment that is loaded. */
static bool
read_load (const char *bytes, size_t size, const Header *h, size_t i, Load *load)
{
  const char *at = bytes + h->table + i * h->row;
  Elf64_Phdr p64;
  Elf32_Phdr p32;
  if (h->is64) {
    memcpy (&p64, at, sizeof p64);
  } else {
    memcpy (&p32, at, sizeof p32);
    p64 = (Elf64_Phdr) { .p_type = p32.p_type, .p_flags = p32.p_flags, .p_offset = p32.p_offset, .p_vaddr = p32.p_vaddr, .p_filesz = p32.p_filesz,
                         .p_memsz = p32.p_memsz };
  }
  *load = (Load) { p64.p_vaddr, p64.p_filesz, p64.p_memsz, p64.p_offset, (p64.p_flags & PF_X) != 0 };
  return p64.p_type == PT_LOAD && load->memory_bytes && load->offset <= size && load->file_bytes <= size - load->offset
         && load->file_bytes <= load->memory_bytes && load->address + load->memory_bytes > load->address;
}

/* The program's own base: the lowest segment that is near its code (a kernel has one at 0, for each CPU's data, that is not). */
static bool
find_span (const char *bytes, size_t size, const Header *h, uint64_t *base, uint64_t *end)
{
  uint64_t code = UINT64_MAX;
  Load l;
  for (size_t i = 0; i < h->n; i++)
    if (read_load (bytes, size, h, i, &l) && l.is_code && l.address < code)
      code = l.address;
  if (code == UINT64_MAX)
    return false;
  *base = code;
  *end = code;
  for (size_t i = 0; i < h->n; i++) {
    if (!read_load (bytes, size, h, i, &l) || (l.address < code && code - l.address >= SPAN_LIMIT / 2)
        || (l.address >= code && l.address + l.memory_bytes - code >= SPAN_LIMIT / 2))
      continue;
    *base = MIN (*base, l.address);
    *end = MAX (*end, l.address + l.memory_bytes);
  }
  *base &= ~UINT64_C (4095);
  return true;
}

/* Segments share a page of the file at most; a file in which they overlap as a whole would take its size times their number. */
static bool
add_segments (CoverageModule *m, const char *bytes, size_t size, const Header *h, uint64_t bias)
{
  Load l;
  uint64_t all = 0;
  m->segments = g_new0 (ModuleSegment, h->n + 1);
  for (size_t i = 0; i < h->n; i++) {
    if (!read_load (bytes, size, h, i, &l) || !coverage_module_spans (m, l.address + bias))
      continue;
    all += l.file_bytes;
    if (all > 2 * (uint64_t) size)
      return false;
    m->segments[m->n_segments++] = (ModuleSegment) { l.address + bias, l.file_bytes, g_memdup2 (bytes + l.offset, l.file_bytes) };
    if (l.is_code)
      m->code_bytes += l.memory_bytes;
  }
  return true;
}

/* base: NULL, where it was linked for. */
static bool
take_elf (CoverageModule *m, const char *bytes, size_t size, const uint64_t *base, GError **error)
{
  Header h;
  uint64_t linked, end;
  if (!bytes || !read_header (bytes, size, &h))
    return set_wrong (error, m->path, "is no ELF file (little-endian)");
  if (!find_span (bytes, size, &h, &linked, &end))
    return set_wrong (error, m->path, "has no code that would be loaded");
  if (h.type == ET_DYN && !base)
    return set_wrong (error, m->path, "runs where it is loaded (position independent): say where that is, FILE@BASE");
  uint64_t bias = base ? *base - linked : 0;
  m->base = linked + bias;
  m->end = end + bias;
  m->entry = h.entry ? h.entry + bias : 0;
  if (m->end <= m->base)
    return set_wrong (error, m->path, "would be behind the last address if its first were BASE");
  return add_segments (m, bytes, size, &h, bias) || set_wrong (error, m->path, "has segments that overlap");
}

static bool
read_elf (CoverageModule *m, const uint64_t *base, GError **error)
{
  GMappedFile *file = g_mapped_file_new (m->path, false, error);
  if (!file)
    return false;
  bool fine = take_elf (m, g_mapped_file_get_contents (file), g_mapped_file_get_length (file), base, error);
  g_mapped_file_unref (file);
  return fine;
}

/* --- what the user wrote --------------------------------------------------------------------------- */

static bool
parse_range (CoverageModule *m, const char *first, const char *behind, GError **error)
{
  if (!instr_parse_number (first, &m->base, error) || !instr_parse_number (behind, &m->end, error))
    return false;
  if (m->end > m->base && m->end - m->base <= SPAN_LIMIT)
    return true;
  return set_wrong (error, m->path, m->end > m->base ? "has more than 4 GiB" : "ends before it begins (NAME@BASE-END, END is the first address behind it)");
}

static bool
has_control_characters (const char *text)
{
  for (; *text; text++)
    if (g_ascii_iscntrl (*text))
      return true;
  return false;
}

bool
coverage_module_init (CoverageModule *m, const char *text, GError **error)
{
  *m = (CoverageModule) { .path = g_strdup (text) };
  if (!*text || has_control_characters (text))
    return set_wrong (error, text, "is no module (FILE, FILE@BASE, NAME@BASE-END)");
  char *at = strrchr (m->path, '@');
  char *dash = at ? strchr (at, '-') : NULL;
  if (at)
    *at++ = 0;
  if (dash) {
    *dash++ = 0;
    return parse_range (m, at, dash, error);
  }
  uint64_t base = 0;
  if (at && !instr_parse_number (at, &base, error))
    return false;
  return read_elf (m, at ? &base : NULL, error);
}

void
coverage_module_finish (CoverageModule *m)
{
  for (size_t i = 0; i < m->n_segments; i++)
    g_free (m->segments[i].bytes);
  m->n_segments = 0;
  g_clear_pointer (&m->segments, g_free);
  g_clear_pointer (&m->path, g_free);
}

bool
coverage_module_contradicts (const CoverageModule *m, uint64_t address, const uint8_t *bytes, size_t n)
{
  for (size_t i = 0; i < m->n_segments; i++) {
    const ModuleSegment *s = &m->segments[i];
    if (address < s->address || address - s->address >= s->size)
      continue;
    size_t there = MIN (n, s->size - (address - s->address));
    return memcmp (s->bytes + (address - s->address), bytes, there) != 0;
  }
  return m->segments != NULL;   /* the file has nothing there */
}
