/* read-map.c -- symbols as text: System.map, /proc/kallsyms, what nm prints. */
/* SPDX-License-Identifier: MIT */
#include "guest-symbols.h"
#include <string.h>

#define MARK_REACH (UINT64_C (1) << 20)         /* the last symbol before a hole is not told farther than this */

/* A line in pieces.  Strings are in the text, ended with 0. */
typedef struct MapLine {
  uint64_t address, size;
  bool has_address, has_size;
  bool is_wide;                 /* the address has more than 8 digits, zeros or not */
  char type;
  char *name, *module;
} MapLine;

/* --- one line ------------------------------------------------------------------------------- */

static char *
next_word (char **at)
{
  char *word = *at + strspn (*at, " \t");
  *at = word + strcspn (word, " \t");
  if (**at)
    *(*at)++ = 0;
  return *word ? word : NULL;
}

static bool
parse_hex (const char *word, uint64_t *value)
{
  if (!word || strlen (word) > 16 || word[strspn (word, "0123456789abcdefABCDEF")])
    return false;
  *value = g_ascii_strtoull (word, NULL, 16);
  return true;
}

/* "ADDRESS TYPE NAME", "ADDRESS SIZE TYPE NAME", each with a "[module]" or not; "U NAME" of nm has no address. */
static bool
parse_line (char *text, MapLine *l)
{
  memset (l, 0, sizeof *l);
  char *word = next_word (&text);
  if (word && word[0] && !word[1] && strchr ("UwvV", word[0])) {
    l->type = word[0];
    l->name = next_word (&text);
    return l->name != NULL;
  }
  if (!parse_hex (word, &l->address))
    return false;
  l->has_address = true;
  l->is_wide = strlen (word) > 8;
  word = next_word (&text);
  if (word && word[0] && word[1]) {
    if (!parse_hex (word, &l->size))
      return false;
    l->has_size = l->size > 0;
    word = next_word (&text);
  }
  if (!word || word[1] || !(g_ascii_isalpha (word[0]) || word[0] == '?'))
    return false;
  l->type = word[0];
  l->name = text + strspn (text, " \t");
  g_strchomp (l->name);
  char *bracket = strrchr (l->name, '[');       /* at the end: names of C++ have brackets within */
  if (bracket && bracket > l->name && (bracket[-1] == '\t' || bracket[-1] == ' ') && g_str_has_suffix (bracket, "]")) {
    l->module = bracket;
    bracket[-1] = 0;
    g_strchomp (l->name);
  }
  return l->name[0] != 0 && strlen (l->name) <= SYMBOL_NAME_MAX;
}

/* --- the file ------------------------------------------------------------------------------- */

static void
add_line (SymbolFile *file, const MapLine *l)
{
  char lower = g_ascii_tolower (l->type);
  bool is_weak = lower == 'w' || lower == 'v';
  uint64_t reach = l->has_size ? l->size : MARK_REACH;
  Symbol s = {
    .start = l->address, .end = l->address + MIN (reach, UINT64_MAX - l->address), .name = l->name, .module = l->module, .has_size = l->has_size,
    .type = lower == 't' || lower == 'w' || lower == 'i' ? SYMBOL_FUNCTION : SYMBOL_DATA,
    .binding = is_weak ? SYMBOL_WEAK : g_ascii_isupper (l->type) ? SYMBOL_GLOBAL : SYMBOL_LOCAL,
  };
  symbol_table_add (file->table, &s);
  if (l->is_wide)
    file->address_bits = 64;
  if (!strcmp (l->name, "_text") || (!strcmp (l->name, "_stext") && !file->has_load_address)) {
    file->load_address = file->moves_from = l->address;
    file->has_load_address = true;
  }
}

/* Debian's /boot has a System.map of one line, which says where the real one is. */
static bool
is_placeholder (const MapLine *l)
{
  return l->has_address && g_str_has_prefix (l->name, "The real System.map is");
}

static bool
parse_map (SymbolFile *file, char *text, const char *path, GError **error)
{
  unsigned number = 0;
  uint64_t all_addresses = 0;
  for (char *next, *at = text; at; at = next) {
    next = strchr (at, '\n');
    if (next)
      *next++ = 0;
    number++;
    g_strchomp (at);
    MapLine l;
    if (!*at || *at == '#')
      continue;
    if (!parse_line (at, &l)) {
      g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s`, line %u: neither an ELF file nor `ADDRESS TYPE NAME` as in System.map", path, number);
      return false;
    }
    if (is_placeholder (&l)) {
      g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s` has no symbols; it says: %s", path, l.name);
      return false;
    }
    if (l.has_address)
      add_line (file, &l);
    all_addresses |= l.address;
  }
  if (symbol_table_size (file->table) > 0 && all_addresses == 0) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s`: every address in it is 0: /proc/kallsyms tells them to root alone", path);
    return false;
  }
  return true;
}

bool
read_map (SymbolFile *file, const char *path, GError **error)
{
  char *text;
  gsize size;
  if (!g_file_get_contents (path, &text, &size, error))
    return false;
  g_ptr_array_add (file->blobs, text);
  if (memchr (text, 0, size)) {
    bool is_boot_image = size > 0x206 && !memcmp (text + 0x202, "HdrS", 4);
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s`: %s", path,
                 is_boot_image ? "a kernel to boot has no symbols; its System.map, its vmlinux, or the guest's /proc/kallsyms have"
                               : "neither an ELF file nor text as in System.map");
    return false;
  }
  file->address_bits = 32;
  return parse_map (file, text, path, error);
}
