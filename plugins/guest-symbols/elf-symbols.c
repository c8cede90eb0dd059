/* elf-symbols.c -- the type elf-symbols: one program's symbols, where the guest has it. */
/* SPDX-License-Identifier: MIT */
#include "guest-symbols.h"
#include <backplane/iface/symbols.h>
#include <string.h>

typedef struct ElfSymbols {
  /* properties */
  char *path, *debug_path, *debug_folder, *base;
  int privilege;                /* AUTOMATIC, or a SymbolAudience + 1 */
  uint64_t space;
  bool demangle;
  /* derived */
  SymbolFile *file;
  GMutex lock;
  SymbolAudience audience;
  uint64_t bias;                /* guest's address less the file's */
} ElfSymbols;

enum { AUTOMATIC };
static const char *const privilege_names[] = { "auto", "kernel", "user", "any", NULL };

/* --- where it is loaded --------------------------------------------------------------------------- */

static bool
parse_base (const ElfSymbols *s, uint64_t *base, GError **error)
{
  char *end;
  bool is_hex = g_str_has_prefix (s->base, "0x");
  const char *digits = s->base + (is_hex ? 2 : 0);
  errno = 0;
  *base = g_ascii_strtoull (digits, &end, is_hex ? 16 : 10);
  if (g_ascii_isxdigit (*digits) && !*end && errno == 0)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "base = %s is neither `auto` nor an address", s->base);
  return false;
}

static uint64_t
wrap (const SymbolFile *f, uint64_t address)
{
  return f->address_bits == 32 ? address & UINT32_MAX : address;
}

/* Linux has a place for programs; what has no interpreter, a static-pie program or a library, goes where there is room. */
static bool
refuse_anywhere (const ElfSymbols *s, GError **error)
{
  bool has_place = s->file->has_interpreter && s->file->address_bits == 64;
  const char *where = has_place ? "0x555555554000 in a 64-bit Linux that was started with norandmaps" : "the same in each run of a Linux that was started with norandmaps";
  g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY,
               "`%s` can be loaded anywhere; base must say where its first segment is: --set %s.base=ADDRESS (/proc/PID/maps of the guest has it; %s)", s->path,
               bp_object_id (s), where);
  return false;
}

static bool
find_bias (ElfSymbols *s, GError **error)
{
  const SymbolFile *f = s->file;
  uint64_t base;
  if (!strcmp (s->base, "auto")) {
    if (!f->is_position_independent || f->load_address != 0)
      return true;
    return refuse_anywhere (s, error);
  }
  if (!parse_base (s, &base, error))
    return false;
  if (!f->has_load_address) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "base = %s: `%s` does not say where it would be otherwise (%s)", s->base, s->path,
                 f->is_elf ? "no PT_LOAD" : "no _text");
    return false;
  }
  if (f->address_bits == 32 && base > UINT32_MAX) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "base = %s: the addresses of `%s` have 32 bits", s->base, s->path);
    return false;
  }
  s->bias = wrap (f, base - f->load_address);
  return true;
}

static uint64_t
to_guest (const ElfSymbols *s, uint64_t address)
{
  return address < s->file->moves_from ? address : wrap (s->file, address + s->bias);
}

/* false: nothing of the file is there. */
static bool
to_file (const ElfSymbols *s, uint64_t address, uint64_t *in_file)
{
  if (s->file->address_bits == 32 && address > UINT32_MAX)
    return false;
  uint64_t moved = wrap (s->file, address - s->bias);
  *in_file = moved >= s->file->moves_from ? moved : address;
  return moved >= s->file->moves_from || address < s->file->moves_from;
}

/* --- asking ----------------------------------------------------------------------------------------- */

static const char *
name_of (const ElfSymbols *s, Symbol *symbol)
{
  if (!symbol->text && symbol->module)
    symbol->text = g_strdup_printf ("%s %s", symbol->name, symbol->module);
  if (!symbol->text && s->demangle && symbol->name[0] == '_' && symbol->name[1] == 'Z') {
    symbol->text = demangle (symbol->name);
    if (!symbol->text)
      symbol->text = g_strdup (symbol->name);   /* not tried again */
  }
  return symbol->text ? symbol->text : symbol->name;
}

static bool
is_mine (const ElfSymbols *s, const BpSymbolQuery *q)
{
  bool is_user = q->privilege == 3;
  return (s->audience == FOR_ANY || is_user == (s->audience == FOR_USER)) && (!s->space || !q->space || s->space == q->space);
}

/* Names and lines are made when they are asked for: under the lock. */
static bool
find_locked (ElfSymbols *s, uint64_t address, BpSymbolAnswer *answer)
{
  *answer = (BpSymbolAnswer) { .struct_size = answer->struct_size };
  Symbol *symbol = symbol_table_find (s->file->table, address);
  if (symbol) {
    answer->name = name_of (s, symbol);
    answer->start = to_guest (s, symbol->start);
    answer->size = symbol->end - symbol->start;
  }
  bool has_line = s->file->lines && lines_find (s->file->lines, address, &answer->file, &answer->line);
  return symbol || has_line;
}

static bool
find (void *self, const BpSymbolQuery *q, BpSymbolAnswer *answer)
{
  ElfSymbols *s = self;
  uint64_t address;
  if (!s->file || answer->struct_size < sizeof *answer || !is_mine (s, q) || !to_file (s, q->address, &address))
    return false;
  g_mutex_lock (&s->lock);
  bool found = find_locked (s, address, answer);
  g_mutex_unlock (&s->lock);
  return found;
}

static bool
find_address (void *self, const char *name, uint64_t *address)
{
  ElfSymbols *s = self;
  g_mutex_lock (&s->lock);
  const Symbol *symbol = s->file ? symbol_table_by_name (s->file->table, name) : NULL;
  if (symbol)
    *address = to_guest (s, symbol->start);
  g_mutex_unlock (&s->lock);
  return symbol != NULL;
}

/* --- life cycle ------------------------------------------------------------------------------------- */

static void
unrealize (void *self)
{
  ElfSymbols *s = self;
  g_clear_pointer (&s->file, symbol_file_free);
  g_mutex_clear (&s->lock);
}

static bool
configure (void *self, GError **error)
{
  const ElfSymbols *s = self;
  uint64_t base;
  if (s->debug_path && s->debug_folder) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "debug-file and debug-folder are two ways to say one thing");
    return false;
  }
  return !strcmp (s->base, "auto") || parse_base (s, &base, error);
}

static bool
realize (void *self, GError **error)
{
  ElfSymbols *s = self;
  s->bias = 0;
  g_mutex_init (&s->lock);
  if (s->debug_folder && !g_file_test (s->debug_folder, G_FILE_TEST_IS_DIR)) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "debug-folder: there is no folder `%s`", s->debug_folder);
    return false;
  }
  s->file = symbol_file_read (s->path, s->debug_path ? s->debug_path : s->debug_folder, error);
  if (!s->file || !find_bias (s, error))
    return false;
  s->audience = s->privilege == AUTOMATIC ? symbol_file_audience (s->file) : (SymbolAudience) (s->privilege - 1);
  return true;
}

/* --- tables ----------------------------------------------------------------------------------------- */

static const BpSymbolsIface iface = { .struct_size = sizeof iface, .find = find, .address = find_address };
static const BpInterfaceDesc interfaces[] = { { BP_SYMBOLS_ID, &iface }, { NULL, NULL } };

static const BpProperty properties[] = {
  BP_PROP_FILE ("file", ElfSymbols, path, BP_PROPERTY_REQUIRED,
                "The program, library or kernel as an ELF file, or its symbols as text in the form of System.map, /proc/kallsyms or nm."),
  BP_PROP_FILE ("debug-file", ElfSymbols, debug_path, 0,
                "What was stripped from an ELF file, as a file of its own."),
  BP_PROP_STRING ("debug-folder", ElfSymbols, debug_folder, NULL,
                  "A folder such as /usr/lib/debug in which that file is found by build-id or .gnu_debuglink."),
  BP_PROP_STRING ("base", ElfSymbols, base, "auto",
                  "Address at which the guest has the program's first segment (System.map: _text); auto: where the file says."),
  BP_PROP_ENUM ("privilege", ElfSymbols, privilege, AUTOMATIC, privilege_names,
                "Whose addresses these are: the kernel's, user programs', or anybody's; auto: the kernel's if they are in the upper half, else user programs'."),
  BP_PROP_U64 ("space", ElfSymbols, space, 0,
               "Names addresses in this address space only (x86: CR3 less its low 12 bits, as reports show it); 0: in all."),
  BP_PROP_BOOL ("demangle", ElfSymbols, demangle, true, "Show C++ names as their source has them."),
  BP_PROP_END
};

const BpTypeDesc elf_symbols_type = {
  BP_TYPE ("elf-symbols", BP_KIND_BACKEND, ElfSymbols),
  .description = "symbols and source lines of a guest program or kernel",
  .properties = properties,
  .interfaces = interfaces,
  .configure = configure,
  .realize = realize,
  .unrealize = unrealize,
};
