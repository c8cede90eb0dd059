/* line-table.c -- DWARF versions 2 to 5, section 6.2: line number programs, run once into a table. */
/* SPDX-License-Identifier: MIT */
#include "line-table.h"

#define MAX_ROWS (48u << 20)    /* a kernel with all its drivers has 10 million */
#define MAX_PATH_BYTES (64u << 20)      /* of all names of files together */
#define MAX_PATH 4096
#define MAX_TRIES 32            /* sequences that may claim an address */
#define NO_FILE UINT32_MAX

typedef struct Row {
  uint64_t address;
  uint32_t file;                /* in `files' */
  uint32_t line;
} Row;

/* Code that is in one piece: rows with ascending addresses. */
typedef struct Sequence {
  uint64_t start, end;
  uint32_t first, n;            /* rows */
} Sequence;

struct LineTable {
  GArray *rows, *sequences;
  GPtrArray *files;             /* full names */
  GHashTable *known_files;      /* name -> index + 1; while it is read */
  size_t path_bytes;
};

/* A unit while it is read. */
typedef struct UnitFile {
  const char *name;
  uint64_t directory;
  uint32_t file;                /* in the table's `files', NO_FILE: not there yet */
} UnitFile;

typedef struct Unit {
  LineTable *table;
  const LineSections *sections;
  ByteReader r;
  unsigned version, offset_bytes;
  uint8_t min_insn, line_range, opcode_base;
  int8_t line_base;
  const uint8_t *opcode_lengths;
  GArray *directories;          /* const char * */
  GArray *files;                /* UnitFile; in version 2 to 4 number 1 comes first */
  /* the state machine */
  uint64_t address, file;
  uint32_t line;
  uint32_t first_row;           /* of the sequence */
  bool is_ascending;
  bool is_cut;                  /* of the unit: the table had no room for some of its rows */
} Unit;

/* --- names of files ----------------------------------------------------------------------------- */

static const char *
directory_at (const Unit *u, uint64_t i)
{
  return i < u->directories->len ? g_array_index (u->directories, const char *, i) : "";
}

/* Version 5 has the folder of the compilation as directory 0, the older ones do not say it here. */
static char *
full_name (const Unit *u, const UnitFile *f)
{
  const char *directory = u->version >= 5 ? directory_at (u, f->directory) : f->directory > 0 ? directory_at (u, f->directory - 1) : "";
  const char *compilation = u->version >= 5 && f->directory > 0 && directory[0] != '/' ? directory_at (u, 0) : "";
  if (f->name[0] == '/')
    return g_strndup (f->name, MAX_PATH);
  return g_strdup_printf ("%.*s%s%.*s%s%.*s", MAX_PATH, compilation, *compilation ? "/" : "", MAX_PATH, directory, *directory ? "/" : "", MAX_PATH, f->name);
}

static uint32_t
file_index (Unit *u, uint64_t number)
{
  LineTable *t = u->table;
  uint64_t i = u->version >= 5 ? number : number - 1;
  if (i >= u->files->len)
    return NO_FILE;
  UnitFile *f = &g_array_index (u->files, UnitFile, i);
  if (f->file != NO_FILE || t->path_bytes > MAX_PATH_BYTES)
    return f->file;
  char *name = full_name (u, f);
  gpointer known = g_hash_table_lookup (t->known_files, name);
  if (known) {
    g_free (name);
    f->file = GPOINTER_TO_UINT (known) - 1;
  } else {
    t->path_bytes += strlen (name) + 1;
    f->file = t->files->len;
    g_ptr_array_add (t->files, name);
    g_hash_table_insert (t->known_files, name, GUINT_TO_POINTER (f->file + 1));
  }
  return f->file;
}

/* --- rows --------------------------------------------------------------------------------------- */

static void
add_row (Unit *u)
{
  GArray *rows = u->table->rows;
  Row row = { .address = u->address, .file = file_index (u, u->file), .line = u->line };
  Row *last = rows->len > u->first_row ? &g_array_index (rows, Row, rows->len - 1) : NULL;
  if (rows->len >= MAX_ROWS) {  /* the last row there is would claim the rest of the sequence */
    u->is_ascending = false;
    u->is_cut = true;
    return;
  }
  if (last && row.address < last->address)
    u->is_ascending = false;
  if (last && row.address == last->address)
    *last = row;
  else if (!last || row.file != last->file || row.line != last->line || !u->is_ascending)
    g_array_append_val (rows, row);
}

/* Functions that the linker left out are at 0, or at the highest addresses. */
static void
end_sequence (Unit *u)
{
  GArray *rows = u->table->rows;
  uint32_t n = rows->len - u->first_row;
  uint64_t start = n ? g_array_index (rows, Row, u->first_row).address : 0;
  Sequence s = { .start = start, .end = u->address, .first = u->first_row, .n = n };
  if (n > 0 && u->is_ascending && start > 0 && start < u->address && g_array_index (rows, Row, rows->len - 1).address <= u->address)
    g_array_append_val (u->table->sequences, s);
  else
    g_array_set_size (rows, u->first_row);
  u->first_row = rows->len;
}

static void
begin_sequence (Unit *u)
{
  u->address = 0;
  u->file = 1;
  u->line = 1;
  u->is_ascending = true;
}

/* --- the program -------------------------------------------------------------------------------- */

enum {                          /* DW_LNS_*, DW_LNE_* */
  LNS_EXTENDED, LNS_COPY, LNS_ADVANCE_PC, LNS_ADVANCE_LINE, LNS_SET_FILE, LNS_SET_COLUMN, LNS_NEGATE_STMT, LNS_SET_BASIC_BLOCK, LNS_CONST_ADD_PC,
  LNS_FIXED_ADVANCE_PC, LNS_SET_PROLOGUE_END, LNS_SET_EPILOGUE_BEGIN, LNS_SET_ISA
};
enum { LNE_END_SEQUENCE = 1, LNE_SET_ADDRESS, LNE_DEFINE_FILE };

static void
run_extended (Unit *u)
{
  uint64_t size = read_uleb (&u->r);
  const uint8_t *body = read_bytes (&u->r, size);
  if (!body || size == 0)
    return;
  ByteReader r = { .at = body + 1, .end = body + size, .is_big_endian = u->r.is_big_endian };
  if (body[0] == LNE_END_SEQUENCE) {
    end_sequence (u);
    begin_sequence (u);
  } else if (body[0] == LNE_SET_ADDRESS) {
    u->address = size == 5 || size == 9 ? read_number (&r, (unsigned) size - 1) : 0;
  } else if (body[0] == LNE_DEFINE_FILE && u->version < 5) {
    UnitFile f = { .name = read_string (&r), .directory = read_uleb (&r), .file = NO_FILE };
    g_array_append_val (u->files, f);
  }
}

static void
run_special (Unit *u, unsigned opcode)
{
  unsigned adjusted = opcode - u->opcode_base;
  u->address += (uint64_t) u->min_insn * (adjusted / u->line_range);
  u->line += (uint32_t) (u->line_base + (int) (adjusted % u->line_range));
  add_row (u);
}

static void
run_standard (Unit *u, unsigned opcode)
{
  switch (opcode) {
  case LNS_EXTENDED: run_extended (u); break;
  case LNS_COPY: add_row (u); break;
  case LNS_ADVANCE_PC: u->address += u->min_insn * read_uleb (&u->r); break;
  case LNS_ADVANCE_LINE: u->line += (uint32_t) read_sleb (&u->r); break;
  case LNS_SET_FILE: u->file = read_uleb (&u->r); break;
  case LNS_CONST_ADD_PC: u->address += (uint64_t) u->min_insn * ((255u - u->opcode_base) / u->line_range); break;
  case LNS_FIXED_ADVANCE_PC: u->address += read_number (&u->r, 2); break;
  default:                      /* columns and other things that are not kept here */
    for (unsigned n = u->opcode_lengths[opcode - 1]; n > 0; n--)
      read_uleb (&u->r);
    break;
  }
}

static void
run_program (Unit *u)
{
  u->first_row = u->table->rows->len;
  begin_sequence (u);
  while (reader_left (&u->r) > 0) {
    unsigned opcode = (unsigned) read_number (&u->r, 1);
    if (opcode >= u->opcode_base)
      run_special (u, opcode);
    else
      run_standard (u, opcode);
  }
  g_array_set_size (u->table->rows, u->first_row);      /* a sequence without end */
}

/* --- the header --------------------------------------------------------------------------------- */

static const char *
string_of (const Section *s, uint64_t offset)
{
  return s->data && offset < s->size && memchr (s->data + offset, 0, s->size - offset) ? (const char *) s->data + offset : "";
}

/* A value of an entry's format: a string or a number. */
typedef struct Value {
  const char *text;             /* NULL: it is none */
  uint64_t number;
} Value;

static Value
read_value (Unit *u, uint64_t form)
{
  ByteReader *r = &u->r;
  switch (form) {
  case 0x08: return (Value) { .text = read_string (r) };                                                                /* string */
  case 0x0e: return (Value) { .text = string_of (&u->sections->strings, read_number (r, u->offset_bytes)) };            /* strp */
  case 0x1f: return (Value) { .text = string_of (&u->sections->line_strings, read_number (r, u->offset_bytes)) };       /* line_strp */
  case 0x0b: return (Value) { .number = read_number (r, 1) };                                                           /* data1 */
  case 0x05: return (Value) { .number = read_number (r, 2) };                                                           /* data2 */
  case 0x06: return (Value) { .number = read_number (r, 4) };                                                           /* data4 */
  case 0x07: return (Value) { .number = read_number (r, 8) };                                                           /* data8 */
  case 0x0f: return (Value) { .number = read_uleb (r) };                                                                /* udata */
  case 0x1e: read_bytes (r, 16); break;                                                                                 /* data16: a checksum */
  case 0x09: read_bytes (r, read_uleb (r)); break;                                                                      /* block */
  case 0x0a: read_bytes (r, read_number (r, 1)); break;                                                                 /* block1 */
  default: r->failed = true; break;
  }
  return (Value) { .number = 0 };
}

/* Version 5: a format, then that many entries; each takes at least one byte, so that the count is bounded by what there is. */
static void
read_entries (Unit *u, bool are_files)
{
  enum { PATH = 1, DIRECTORY = 2 };             /* DW_LNCT_* */
  uint64_t content[256], form[256];
  unsigned n_formats = (unsigned) read_number (&u->r, 1);
  for (unsigned i = 0; i < n_formats; i++) {
    content[i] = read_uleb (&u->r);
    form[i] = read_uleb (&u->r);
  }
  uint64_t n = read_uleb (&u->r);
  for (uint64_t k = 0; k < n && n_formats > 0 && !u->r.failed; k++) {
    UnitFile f = { .name = "", .file = NO_FILE };
    for (unsigned i = 0; i < n_formats; i++) {
      Value v = read_value (u, form[i]);
      if (content[i] == PATH && v.text)
        f.name = v.text;
      else if (content[i] == DIRECTORY)
        f.directory = v.number;
    }
    if (are_files)
      g_array_append_val (u->files, f);
    else
      g_array_append_val (u->directories, f.name);
  }
}

/* Versions 2 to 4: strings, each list ended by an empty one. */
static void
read_plain_entries (Unit *u)
{
  for (const char *name = read_string (&u->r); *name; name = read_string (&u->r))
    g_array_append_val (u->directories, name);
  for (const char *name = read_string (&u->r); *name; name = read_string (&u->r)) {
    UnitFile f = { .name = name, .directory = read_uleb (&u->r), .file = NO_FILE };
    read_uleb (&u->r);          /* time */
    read_uleb (&u->r);          /* size */
    g_array_append_val (u->files, f);
  }
}

static bool
read_header (Unit *u)
{
  ByteReader *r = &u->r;
  u->version = (unsigned) read_number (r, 2);
  if (u->version < 2 || u->version > 5)
    return false;
  if (u->version >= 5)
    read_bytes (r, 2);          /* sizes of addresses and segment selectors */
  uint64_t header_bytes = read_number (r, u->offset_bytes);
  const uint8_t *header = r->at;
  if (header_bytes > reader_left (r))
    return false;
  u->min_insn = (uint8_t) read_number (r, 1);
  unsigned max_operations = u->version >= 4 ? (unsigned) read_number (r, 1) : 1;
  read_bytes (r, 1);            /* default_is_stmt */
  u->line_base = (int8_t) read_number (r, 1);
  u->line_range = (uint8_t) read_number (r, 1);
  u->opcode_base = (uint8_t) read_number (r, 1);
  if (u->line_range == 0 || u->opcode_base == 0 || max_operations > 1)
    return false;
  u->opcode_lengths = read_bytes (r, u->opcode_base - 1u);
  if (!u->opcode_lengths)
    return false;
  if (u->version >= 5) {
    read_entries (u, false);
    read_entries (u, true);
  } else {
    read_plain_entries (u);
  }
  if (r->failed)
    return false;
  r->at = header + header_bytes;
  return true;
}

static bool
read_unit (LineTable *t, const LineSections *sections, ByteReader r, unsigned offset_bytes)
{
  Unit u = { .table = t, .sections = sections, .r = r, .offset_bytes = offset_bytes };
  u.directories = g_array_new (FALSE, FALSE, sizeof (const char *));
  u.files = g_array_new (FALSE, FALSE, sizeof (UnitFile));
  bool fine = read_header (&u);
  if (fine)
    run_program (&u);
  g_array_free (u.directories, TRUE);
  g_array_free (u.files, TRUE);
  return fine && !u.r.failed && !u.is_cut;
}

/* --- the table ---------------------------------------------------------------------------------- */

static int
compare_sequences (const void *pa, const void *pb)
{
  const Sequence *a = pa, *b = pb;
  if (a->start != b->start)
    return a->start < b->start ? -1 : 1;
  if (a->end != b->end)
    return a->end > b->end ? -1 : 1;
  return a->first < b->first ? -1 : a->first > b->first;
}

LineTable *
line_table_new (const LineSections *sections, unsigned *broken)
{
  LineTable *t = g_new0 (LineTable, 1);
  unsigned n_broken = 0;
  t->rows = g_array_new (FALSE, FALSE, sizeof (Row));
  t->sequences = g_array_new (FALSE, FALSE, sizeof (Sequence));
  t->files = g_ptr_array_new_with_free_func (g_free);
  t->known_files = g_hash_table_new (g_str_hash, g_str_equal);
  const uint8_t *data = sections->line.data;
  ByteReader r = { .at = data, .end = data ? data + sections->line.size : data, .is_big_endian = sections->is_big_endian };
  while (reader_left (&r) > 4) {
    uint64_t size = read_number (&r, 4);
    unsigned offset_bytes = size == UINT32_MAX ? 8 : 4;
    if (offset_bytes == 8)
      size = read_number (&r, 8);
    const uint8_t *unit = read_bytes (&r, size);
    ByteReader body = { .at = unit, .end = unit ? unit + size : NULL, .is_big_endian = r.is_big_endian };
    if (!unit || !read_unit (t, sections, body, offset_bytes))
      n_broken++;
  }
  g_array_sort (t->sequences, compare_sequences);
  g_clear_pointer (&t->known_files, g_hash_table_destroy);
  if (broken)
    *broken = n_broken;
  return t;
}

void
line_table_free (LineTable *t)
{
  if (!t)
    return;
  g_array_free (t->rows, TRUE);
  g_array_free (t->sequences, TRUE);
  g_ptr_array_free (t->files, TRUE);
  g_free (t);
}

/* The last row at or before the address; the first one is. */
static const Row *
find_row (const LineTable *t, const Sequence *s, uint64_t address)
{
  const Row *rows = &g_array_index (t->rows, Row, s->first);
  size_t first = 0, end = s->n;
  while (end - first > 1) {
    size_t middle = first + (end - first) / 2;
    if (rows[middle].address <= address)
      first = middle;
    else
      end = middle;
  }
  return &rows[first];
}

bool
line_table_find (const LineTable *t, uint64_t address, const char **file, uint32_t *line)
{
  size_t first = 0, end = t->sequences->len;
  while (first < end) {         /* the first sequence that starts behind the address */
    size_t middle = first + (end - first) / 2;
    if (g_array_index (t->sequences, Sequence, middle).start <= address)
      first = middle + 1;
    else
      end = middle;
  }
  for (unsigned n = 0; first > 0 && n < MAX_TRIES; n++) {
    const Sequence *s = &g_array_index (t->sequences, Sequence, --first);
    const Row *row = address < s->end ? find_row (t, s, address) : NULL;
    if (!row || row->file == NO_FILE)
      continue;
    *file = g_ptr_array_index (t->files, row->file);
    *line = row->line;
    return true;
  }
  return false;
}
