/* commands-memory.c -- commands about memory: what is where, its contents on the screen and into files. */
/* SPDX-License-Identifier: MIT */
#include "commands.h"
#include <backplane/iface/cpu-debug.h>
#include <backplane/iface/memory-backend.h>
#include <string.h>

#define CHUNK (1u << 20)
#define MOST_ITEMS 65536

/* --- reading ---------------------------------------------------------------------------------------- */

/* By a CPU's addresses, or (cpu NULL) by those of a space. */
typedef struct Source {
  void *cpu;
  BpAddressSpace *space;
} Source;

typedef struct Read {
  const BpCpuDebugIface *iface;
  uint64_t address, size, got;
  void *buffer;
} Read;

/* [vcpu] */
static void
read_on_cpu (void *cpu, void *user)
{
  Read *r = user;
  r->got = r->iface->read_memory (cpu, r->address, r->buffer, r->size);
}

/* How many bytes were there. */
static uint64_t
source_read (const Source *s, uint64_t address, void *buffer, uint64_t size)
{
  if (!s->cpu) {
    bp_as_read (s->space, address, buffer, size);       /* what is nowhere reads as ones */
    return size;
  }
  Read r = { .iface = bp_object_interface (s->cpu, BP_CPU_DEBUG_ID), .address = address, .size = size, .buffer = buffer };
  bp_vcpu_run_on (bp_vcpu_of (s->cpu), read_on_cpu, &r, true);
  return r.got;
}

static bool
source_cpu (Call *call, int64_t index, Source *s, GError **error)
{
  s->cpu = monitor_cpu (call, index, error);
  const BpCpuDebugIface *iface = s->cpu ? bp_object_interface (s->cpu, BP_CPU_DEBUG_ID) : NULL;
  if (s->cpu && !BP_TABLE_HAS (iface, read_memory)) {
    monitor_fail (error, MONITOR_ERROR_GENERIC, "a %s does not say where its addresses lead", bp_object_type_name (s->cpu));
    s->cpu = NULL;
  }
  return s->cpu;
}

static bool
source_space (Call *call, const char *name, Source *s)
{
  *s = (Source) { NULL, bp_machine_address_space (call->monitor->machine, name) };
  return true;
}

/* --- into a file -------------------------------------------------------------------------------------- */

typedef struct Save {
  Source source;
  uint64_t address, left, whole, start;
  NewFile file;
  uint8_t buffer[CHUNK];
} Save;

static bool
save_step (void *user, bool *done, GError **error)
{
  Save *s = user;
  uint64_t n = MIN (s->left, CHUNK);
  if (source_read (&s->source, s->address, s->buffer, n) < n) {
    monitor_fail (error, MONITOR_ERROR_GENERIC, "Invalid addr 0x%016" G_GINT64_MODIFIER "x/size %" G_GINT64_FORMAT " specified", s->start,
                  (int64_t) s->whole);
    return false;
  }
  if (!new_file_write (&s->file, s->buffer, n, error))
    return false;
  s->address += n;
  s->left -= n;
  *done = s->left == 0;
  return !*done || new_file_commit (&s->file, error);
}

static void
save_free (void *user)
{
  Save *s = user;
  new_file_discard (&s->file);
  g_free (s);
}

static JsonNode *
save (Call *call, const Source *source, JsonObject *arguments, GError **error)
{
  int64_t size = argument_int (arguments, "size", 0);
  if (size < 0)
    return monitor_fail (error, MONITOR_ERROR_GENERIC, "Parameter 'size' expects a number of bytes");
  Save *s = g_new0 (Save, 1);
  s->source = *source;
  s->address = s->start = (uint64_t) argument_int (arguments, "val", 0);
  s->left = s->whole = (uint64_t) size;
  if (!new_file_open (&s->file, argument_string (arguments, "filename"), error)) {
    save_free (s);
    return NULL;
  }
  call->job = job_new (save_step, save_free, s);
  return NULL;
}

static void
note_last (void *user, const BpFlatRange *range)
{
  uint64_t *last = user, last_of_range = range->address + (range->size - 1);
  *last = MAX (*last, last_of_range);
}

static void
ignore_range (void *user, const BpFlatRange *range)
{
}

/* The greatest address at which anything is; 0: none. */
static uint64_t
last_mapped (BpAddressSpace *space)
{
  static const BpMemoryListener listener = { .struct_size = sizeof listener, .add = note_last, .remove = ignore_range };
  uint64_t last = 0;
  bp_as_unlisten (space, bp_as_listen (space, &listener, &last));
  return last;
}

/* Holes read as ones; behind all that is there, a typing error would fill the host's disk with them. */
static JsonNode *
pmemsave (Call *call, JsonObject *arguments, GError **error)
{
  Source s;
  uint64_t address = (uint64_t) argument_int (arguments, "val", 0);
  int64_t size = argument_int (arguments, "size", 0);
  source_space (call, "memory", &s);
  uint64_t last = last_mapped (s.space);
  if (size > 0 && (address > last || (uint64_t) size - 1 > last - address))
    return monitor_fail (error, MONITOR_ERROR_GENERIC, "Invalid addr 0x%016" G_GINT64_MODIFIER "x/size %" G_GINT64_FORMAT " specified: nothing is mapped behind 0x%"
                         G_GINT64_MODIFIER "x", address, size, last);
  return save (call, &s, arguments, error);
}

static JsonNode *
memsave (Call *call, JsonObject *arguments, GError **error)
{
  Source s = { NULL, NULL };
  int64_t index = argument_int (arguments, "cpu-index", -1);
  if (index < -1 || index > INT32_MAX)
    return monitor_fail (error, MONITOR_ERROR_GENERIC, "Parameter 'cpu-index' expects a CPU number");
  return source_cpu (call, index, &s, error) ? save (call, &s, arguments, error) : NULL;
}

/* --- on the screen --------------------------------------------------------------------------------------- */

typedef struct Format {
  unsigned count, size;
  char letter;                  /* x d u o c i */
} Format;

/* "/10xw"; NULL: one word in hexadecimal. */
static bool
format_parse (const char *text, Format *f, GError **error)
{
  *f = (Format) { 1, 0, 0 };
  if (text) {
    char *end;
    guint64 count = g_ascii_strtoull (text + 1, &end, 10);
    f->count = end > text + 1 ? (unsigned) MIN (count, MOST_ITEMS + 1) : 1;
    for (; *end; end++) {
      static const char sizes[] = "bhwg";
      const char *size = strchr (sizes, *end);
      if (size)
        f->size = 1u << (size - sizes);
      else if (strchr ("xduoci", *end))
        f->letter = *end;
      else
        return monitor_fail (error, MONITOR_ERROR_GENERIC, "invalid char in format: '%c'", *end);
    }
  }
  if (f->count > MOST_ITEMS)
    return monitor_fail (error, MONITOR_ERROR_GENERIC, "at most %d items at a time", MOST_ITEMS);
  f->letter = f->letter ? f->letter : 'x';
  f->size = f->letter == 'c' ? 1 : f->size ? f->size : 4;
  return true;
}

static void
print_item (GString *out, const Format *f, uint64_t v)
{
  unsigned bits = f->size * 8;
  int64_t sign = (int64_t) (v << (64 - bits)) >> (64 - bits);
  switch (f->letter) {
  case 'd':
    g_string_append_printf (out, "%*" G_GINT64_FORMAT, (int) (bits * 10 + 32) / 33, sign);
    break;
  case 'u':
    g_string_append_printf (out, "%*" G_GUINT64_FORMAT, (int) (bits * 10 + 32) / 33, v);
    break;
  case 'o':
    g_string_append_printf (out, "%#*" G_GINT64_MODIFIER "o", (int) (bits + 2) / 3, v);
    break;
  case 'c':
    if (v >= 0x20 && v < 0x7f)
      g_string_append_printf (out, v == '\'' || v == '\\' ? "'\\%c'" : "'%c'", (char) v);
    else
      g_string_append_printf (out, "'\\x%02x'", (unsigned) v);
    break;
  default:
    g_string_append_printf (out, "0x%0*" G_GINT64_MODIFIER "x", (int) bits / 4, v);
  }
}

/* In accesses of the item's size, so that a device sees them so. */
static bool
read_item (const Source *s, uint64_t address, unsigned size, uint64_t *value)
{
  uint8_t bytes[8] = { 0 };
  *value = 0;
  if (!s->cpu) {
    *value = bp_as_load (s->space, address, size);
    return true;
  }
  if (source_read (s, address, bytes, size) < size)
    return false;
  for (unsigned i = size; i-- > 0;)
    *value = *value << 8 | bytes[i];
  return true;
}

typedef struct Disassembly {
  const BpCpuDebugIface *iface;
  GString *out;
  uint64_t address;
  unsigned count;
} Disassembly;

/* [vcpu] */
static void
disassemble (void *cpu, void *user)
{
  Disassembly *d = user;
  char text[160];
  for (unsigned i = 0; i < d->count; i++) {
    unsigned length = d->iface->disassemble (cpu, d->address, 0, text, sizeof text);
    if (!length) {
      g_string_append_printf (d->out, "Cannot access memory at address 0x%" G_GINT64_MODIFIER "x\n", d->address);
      return;
    }
    g_string_append_printf (d->out, "0x%08" G_GINT64_MODIFIER "x:  %s\n", d->address, text);
    d->address += length;
  }
}

static JsonNode *
dump_instructions (const Source *s, const Format *f, uint64_t address, GError **error)
{
  Disassembly d = { s->cpu ? bp_object_interface (s->cpu, BP_CPU_DEBUG_ID) : NULL, NULL, address, f->count };
  if (!BP_TABLE_HAS (d.iface, disassemble))
    return monitor_fail (error, MONITOR_ERROR_GENERIC, "instructions are shown by the CPU's own addresses only: x /i");
  d.out = g_string_new (NULL);
  bp_vcpu_run_on (bp_vcpu_of (s->cpu), disassemble, &d, true);
  return node_take_string (g_string_free (d.out, FALSE));
}

static JsonNode *
dump (const Source *s, JsonObject *arguments, GError **error)
{
  Format f;
  uint64_t address = (uint64_t) argument_int (arguments, "addr", 0), value;
  if (!format_parse (argument_string (arguments, "fmt"), &f, error))
    return NULL;
  if (f.letter == 'i')
    return dump_instructions (s, &f, address, error);
  GString *out = g_string_new (NULL);
  unsigned per_line = (f.size == 1 ? 8 : 16) / f.size;
  for (unsigned i = 0; i < f.count; i++, address += f.size) {
    if (i % per_line == 0)
      g_string_append_printf (out, "%s%016" G_GINT64_MODIFIER "x:", i ? "\n" : "", address);
    if (!read_item (s, address, f.size, &value)) {
      g_string_append_printf (out, " Cannot access memory at address 0x%" G_GINT64_MODIFIER "x", address);
      break;
    }
    g_string_append_c (out, ' ');
    print_item (out, &f, value);
  }
  g_string_append (out, f.count ? "\n" : "");
  return node_take_string (g_string_free (out, FALSE));
}

static JsonNode *
x (Call *call, JsonObject *arguments, GError **error)
{
  Source s = { NULL, NULL };
  return source_cpu (call, -1, &s, error) ? dump (&s, arguments, error) : NULL;
}

static JsonNode *
xp (Call *call, JsonObject *arguments, GError **error)
{
  Source s;
  source_space (call, "memory", &s);
  return dump (&s, arguments, error);
}

/* --- ports --------------------------------------------------------------------------------------------------- */

static bool
port_format (JsonObject *arguments, Format *f, GError **error)
{
  const char *text = argument_string (arguments, "fmt");
  if (!format_parse (text ? text : "/b", f, error))
    return false;
  if (f->count == 1 && f->size <= 4 && f->letter != 'i' && argument_int (arguments, "addr", 0) >= 0 && argument_int (arguments, "addr", 0) <= 0xffff)
    return true;
  return monitor_fail (error, MONITOR_ERROR_GENERIC, "a port is 0 to 0xffff, and read or written once as b, h or w");
}

static JsonNode *
port_in (Call *call, JsonObject *arguments, GError **error)
{
  Format f;
  BpAddressSpace *io = bp_machine_address_space (call->monitor->machine, "io");
  unsigned port = (unsigned) argument_int (arguments, "addr", 0);
  if (!port_format (arguments, &f, error))
    return NULL;
  GString *out = g_string_new (NULL);
  static const char letters[] = " bw l";
  g_string_append_printf (out, "port%c[0x%04x] = ", letters[f.size], port);
  print_item (out, &f, bp_as_load (io, port, f.size));
  return node_take_string (g_string_free (g_string_append_c (out, '\n'), FALSE));
}

static JsonNode *
port_out (Call *call, JsonObject *arguments, GError **error)
{
  Format f;
  BpAddressSpace *io = bp_machine_address_space (call->monitor->machine, "io");
  if (!port_format (arguments, &f, error))
    return NULL;
  bp_as_store (io, (uint64_t) argument_int (arguments, "addr", 0), (uint64_t) argument_int (arguments, "val", 0), f.size);
  return node_empty ();
}

/* --- expressions, translations ---------------------------------------------------------------------------------- */

static JsonNode *
print (Call *call, JsonObject *arguments, GError **error)
{
  Format f;
  int64_t value;
  const char *format = argument_string (arguments, "fmt");
  if (!format_parse (format ? format : "/xg", &f, error) || !expression_parse (call, argument_string (arguments, "expression"), &value, error))
    return NULL;
  GString *out = g_string_new (NULL);
  if (f.letter == 'x')
    g_string_append_printf (out, "0x%" G_GINT64_MODIFIER "x", (uint64_t) value);
  else if (f.letter == 'i' || f.letter == 'c')
    print_item (out, &(Format) { 1, 1, 'c' }, (uint8_t) value);
  else if (f.letter == 'o')
    g_string_append_printf (out, "%#" G_GINT64_MODIFIER "o", (uint64_t) value);
  else
    g_string_append_printf (out, f.letter == 'd' ? "%" G_GINT64_FORMAT : "%" G_GUINT64_FORMAT, value);
  return node_take_string (g_string_free (g_string_append_c (out, '\n'), FALSE));
}

typedef struct Translation {
  const BpCpuDebugIface *iface;
  uint64_t address;
  BpDebugPage page;
  bool mapped;
} Translation;

/* [vcpu] */
static void
translate (void *cpu, void *user)
{
  Translation *t = user;
  t->page = (BpDebugPage) { .struct_size = sizeof t->page };
  t->mapped = t->iface->translate (cpu, t->address, &t->page);
}

static JsonNode *
gva2gpa (Call *call, JsonObject *arguments, GError **error)
{
  Source s = { NULL, NULL };
  if (!source_cpu (call, -1, &s, error))
    return NULL;
  Translation t = { .iface = bp_object_interface (s.cpu, BP_CPU_DEBUG_ID), .address = (uint64_t) argument_int (arguments, "addr", 0) };
  if (BP_TABLE_HAS (t.iface, translate))
    bp_vcpu_run_on (bp_vcpu_of (s.cpu), translate, &t, true);
  if (!t.mapped)
    return node_string ("Unmapped\n");
  return node_take_string (g_strdup_printf ("gpa: 0x%" G_GINT64_MODIFIER "x\n", t.page.physical));
}

/* --- what there is --------------------------------------------------------------------------------------------- */

static JsonNode *
query_memory_size (Call *call, JsonObject *arguments, GError **error)
{
  JsonObject *o = json_object_new ();
  uint64_t size = 0;
  unsigned cursor = 0;
  for (void *m; (m = bp_machine_next (call->monitor->machine, BP_MEMORY_BACKEND_ID, &cursor));) {
    const BpMemoryBackendIface *iface = bp_object_interface (m, BP_MEMORY_BACKEND_ID);
    size += BP_TABLE_HAS (iface, size) ? iface->size (m) : 0;
  }
  uint64_t behind, plugged = hotplug_memory_size (call->monitor, &behind);
  json_object_set_int_member (o, "base-memory", (int64_t) (size - MIN (behind, size)));
  json_object_set_int_member (o, "plugged-memory", (int64_t) plugged);
  return node_take_object (o);
}

static void
print_memory_size (JsonNode *result, GString *out)
{
  JsonObject *o = json_node_get_object (result);
  g_string_append_printf (out, "base memory: %" G_GINT64_FORMAT "\nplugged memory: %" G_GINT64_FORMAT "\n", json_object_get_int_member (o, "base-memory"),
                          json_object_get_int_member (o, "plugged-memory"));
}

static JsonNode *
info_mtree (Call *call, JsonObject *arguments, GError **error)
{
  return node_take_string (bp_machine_map_text (call->monitor->machine));
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

#define SAVE_ARGUMENTS ARGUMENT ("val", INTEGER), ARGUMENT ("size", INTEGER), ARGUMENT ("filename", FILE)
#define DUMP_ARGUMENTS { OPTIONAL ("fmt", FORMAT), ARGUMENT ("addr", INTEGER) }

const Command memory_commands[] = {
  BOTH ("pmemsave", "pmemsave", "save physical memory to a file", pmemsave,
    .arguments = { SAVE_ARGUMENTS }),
  BOTH ("memsave", "memsave", "save memory by the processor's addresses to a file", memsave,
    .arguments = { SAVE_ARGUMENTS, OPTIONAL ("cpu-index", INTEGER) }),
  CONSOLE ("x", "show memory by the processor's addresses; /fmt is COUNT, a letter of xduoci and a size of bhwg: x /8xw $sp, x /10i $pc", x,
    .arguments = DUMP_ARGUMENTS),
  CONSOLE ("xp", "show physical memory: xp /8xw 0x1000", xp,
    .arguments = DUMP_ARGUMENTS),
  CONSOLE ("i", "read a port: i /b 0x3fd", port_in,
    .arguments = DUMP_ARGUMENTS),
  CONSOLE ("o", "write to a port: o /b 0x3f8 0x41", port_out,
    .arguments = { OPTIONAL ("fmt", FORMAT), ARGUMENT ("addr", INTEGER), ARGUMENT ("val", INTEGER) }),
  CONSOLE ("print", "work out an expression: print /d $sp + 0x10", print, .alias = "p",
    .arguments = { OPTIONAL ("fmt", FORMAT), ARGUMENT ("expression", REST) }),
  CONSOLE ("gva2gpa", "the physical address that one of the processor's leads to", gva2gpa,
    .arguments = { ARGUMENT ("addr", INTEGER) }),
  BOTH ("query-memory-size-summary", "info memory_size_summary", "how much memory there is", query_memory_size, .print = print_memory_size),
  CONSOLE ("info mtree", "address spaces: what is where now", info_mtree),
  COMMANDS_END
};
