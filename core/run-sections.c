/* run-sections.c -- what options of `run' add to a descriptor, as if the descriptor had it. */
/* SPDX-License-Identifier: MIT */
/*
 * Here, and in no other place but messages for people, the core names modules and types of plugins: an option like --monitor has to mean some, and by this convention they are those that
 * are shipped.  All that goes through is text; the plugins themselves are found, checked and built like any others.
 */
#include "commands.h"
#include <string.h>

#define MODULE "monitor"
#define GDB_MODULE "debug-gdb"
#define SYMBOLS_MODULE "guest-symbols"

/* --- what there is ------------------------------------------------------------------------ */

static const char *
find_type (const Descriptor *d, const char *type)
{
  for (guint i = 0; i < d->sections->len; i++) {
    Section *s = d->sections->pdata[i];
    Value *v = section_value (s, "type");
    if (v && strcmp (v->text, type) == 0)
      return section_id (s);
  }
  return NULL;
}

/* NAME, NAME1, NAME2 ...: the first that no section has. */
static char *
free_name (const Descriptor *d, GHashTable *taken, const char *base)
{
  char *name = g_strdup (base);
  for (unsigned i = 1; g_hash_table_contains (d->by_name, name) || g_hash_table_contains (taken, name); i++) {
    g_free (name);
    name = g_strdup_printf ("%s%u", base, i);
  }
  g_hash_table_add (taken, name);
  return name;                  /* the table's */
}

/* --- sections ----------------------------------------------------------------------------- */

static void
append_quoted (GString *out, const char *key, const char *text)
{
  g_string_append_printf (out, "%s = \"", key);
  for (; *text; text++) {
    if (*text == '"' || *text == '\\' || *text == '\n')
      g_string_append_c (out, '\\');
    g_string_append_c (out, *text == '\n' ? 'n' : *text);
  }
  g_string_append (out, "\"\n");
}

static void
append_console (const Descriptor *d, GHashTable *taken, bool start, GString *out)
{
  const char *there = find_type (d, "monitor-console");
  if (there)
    g_string_append_printf (out, start ? "[override monitor %s]\nstart = on\n" : "", there);
  else
    g_string_append_printf (out, "[monitor %s]\nmodule = " MODULE "\ntype = monitor-console\nstart = %s\n", free_name (d, taken, "monitor"),
                            start ? "on" : "off");
  if (start && !find_type (d, "char-stdio"))
    g_string_append_printf (out, "[backend %s]\nmodule = char-backends\ntype = char-stdio\n", free_name (d, taken, "terminal"));
}

static void
append_qmp (const Descriptor *d, GHashTable *taken, const char *address, GString *out)
{
  g_string_append_printf (out, "[monitor %s]\nmodule = " MODULE "\ntype = monitor-qmp\n", free_name (d, taken, "qmp"));
  append_quoted (out, "listen", address);
}

/* One that the descriptor has is told where to listen. */
static void
append_gdb (const Descriptor *d, GHashTable *taken, const char *address, GString *out)
{
  const char *there = find_type (d, "gdb-server");
  if (there)
    g_string_append_printf (out, "[override monitor %s]\n", there);
  else
    g_string_append_printf (out, "[monitor %s]\nmodule = " GDB_MODULE "\ntype = gdb-server\n", free_name (d, taken, "gdb"));
  append_quoted (out, "listen", address);
}

/* The parts of MODULE,KEY=VALUE...; a comma that is written twice is one of a value.  Free with g_ptr_array_unref. */
static GPtrArray *
instrument_parts (const char *text)
{
  GPtrArray *parts = g_ptr_array_new_with_free_func (g_free);
  GString *part = g_string_new (NULL);
  for (; *text; text++) {
    if (*text == ',' && text[1] != ',') {
      g_ptr_array_add (parts, g_string_free (part, FALSE));
      part = g_string_new (NULL);
      continue;
    }
    text += *text == ',';
    g_string_append_c (part, *text);
  }
  g_ptr_array_add (parts, g_string_free (part, FALSE));
  return parts;
}

/* The section is named after the module: "tcg-cache", of ./libmine.so "libmine". */
static char *
instrument_base (const char *module)
{
  char *base = g_path_get_basename (module);
  if (g_str_has_suffix (base, ".so"))
    base[strlen (base) - 3] = 0;
  for (char *p = base; *p; p++)
    if (!g_ascii_isalnum (*p) && !strchr ("-_", *p))
      *p = '-';
  return base;
}

/* A path on the command line is relative to where we are, not to the descriptor. */
static void
append_instrument (const Descriptor *d, GHashTable *taken, const char *text, GString *out)
{
  g_autoptr (GPtrArray) parts = instrument_parts (text);
  const char *module = parts->pdata[0];
  g_autofree char *base = instrument_base (module), *path = strchr (module, '/') ? g_canonicalize_filename (module, NULL) : g_strdup (module);
  g_string_append_printf (out, "[instrument %s]\n", free_name (d, taken, base));
  append_quoted (out, "module", path);
  for (guint i = 1; i < parts->len; i++) {
    g_auto (GStrv) pair = g_strsplit (parts->pdata[i], "=", 2);
    append_quoted (out, pair[0], pair[1]);
  }
}

static void
append_symbols (const Descriptor *d, GHashTable *taken, const char *file, GString *out)
{
  g_autofree char *path = g_canonicalize_filename (file, NULL);
  g_string_append_printf (out, "[backend %s]\nmodule = " SYMBOLS_MODULE "\ntype = elf-symbols\n", free_name (d, taken, "symbols"));
  append_quoted (out, "file", path);
}

/* Without any option there is a console too, for Ctrl-A C, if it can be had. */
char *
run_sections (const Descriptor *d, const RunSections *options)
{
  GString *out = g_string_new (NULL);
  g_autoptr (GHashTable) taken = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  const char *const *monitors = (const char *const *) options->monitors;
  bool stdio = monitors && g_strv_contains (monitors, "stdio");
  g_autofree char *file = plugin_find (MODULE, NULL);
  if (stdio || file)
    append_console (d, taken, stdio, out);
  for (; monitors && *monitors; monitors++)
    if (strcmp (*monitors, "stdio") != 0)
      append_qmp (d, taken, *monitors, out);
  if (options->gdb)
    append_gdb (d, taken, options->gdb, out);
  for (char **s = options->symbols; s && *s; s++)
    append_symbols (d, taken, *s, out);
  for (char **i = options->instruments; i && *i; i++)
    append_instrument (d, taken, *i, out);
  return g_string_free (out, FALSE);
}

static char *
instrument_wrong (const char *text)
{
  g_autoptr (GPtrArray) parts = instrument_parts (text);
  if (!*(char *) parts->pdata[0] || strpbrk (parts->pdata[0], "=\n"))
    return g_strdup_printf ("--instrument takes MODULE[,KEY=VALUE]..., not `%s`", text);
  for (guint i = 1; i < parts->len; i++) {
    const char *part = parts->pdata[i], *equals = strchr (part, '=');
    if (!equals || !reader_is_key (part, (size_t) (equals - part)))
      return g_strdup_printf ("--instrument %s: `%s` is not KEY=VALUE (write a comma within a value twice)", (const char *) parts->pdata[0], part);
  }
  return NULL;
}

char *
run_sections_wrong (const RunSections *options)
{
  for (char **i = options->instruments; i && *i; i++) {
    char *wrong = instrument_wrong (*i);
    if (wrong)
      return wrong;
  }
  for (char **m = options->monitors; m && *m; m++)
    if (strcmp (*m, "stdio") != 0 && !strchr (*m, ':'))
      return g_strdup_printf ("--monitor takes unix:PATH, tcp:HOST:PORT or stdio, not `%s`", *m);
  return NULL;
}
