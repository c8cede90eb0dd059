/* machine-parse.c -- files, includes, overrides and --set become one descriptor that knows its origins. */
/* SPDX-License-Identifier: MIT */
#include "descriptor.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_LIMIT (64u << 20)

/* A section as it stands in its file, before it is folded into the descriptor. */
typedef struct RawSection {
  char *kind, *name;
  Origin origin;
  GPtrArray *values;            /* of RawValue * */
  GHashTable *keys;
} RawSection;

typedef struct Loader {
  Descriptor *d;
  GPtrArray *stack;             /* canonical paths of the files being read */
  GPtrArray *overrides;         /* of RawSection *, in order */
  GHashTable *seen;             /* canonical paths read */
} Loader;

typedef struct FileLoad {
  Loader *loader;
  GPtrArray *sections;          /* of RawSection * */
  GHashTable *labels;           /* "kind name" -> RawSection *, to find repeated ones */
  RawSection *current;          /* values go here; NULL: after a section that was refused */
  bool any_section;
} FileLoad;

/* --- one file ----------------------------------------------------------------------------- */

static void
raw_value_free (void *data)
{
  RawValue *v = data;
  g_free (v->key);
  g_free (v->whole);
  g_free (v->bare);
  g_free (v);
}

static void
raw_section_free (void *data)
{
  RawSection *s = data;
  g_free (s->kind);
  g_free (s->name);
  g_ptr_array_unref (s->values);
  g_hash_table_unref (s->keys);
  g_free (s);
}

/* What is wrong with a section's kind and name; NULL when fine. */
static const char *
section_wrong (const SectionKind *kind, const char *name)
{
  if (strcmp (kind->name, "override") == 0)
    return *name ? NULL : "an override names what it changes: [override device NAME]";
  if (!*name)
    return kind->may_be_unnamed ? NULL : "the section needs a name";
  if (strpbrk (name, " \t"))
    return "a section has a kind and one name";
  if (!section_is_name (name))
    return "a name is made of letters, digits, `-` and `_`";
  return NULL;
}

static void
on_section (void *user, const Origin *origin, const char *kind, const char *name)
{
  FileLoad *load = user;
  Descriptor *d = load->loader->d;
  load->current = NULL;
  load->any_section = true;
  g_autofree char *label = *name ? g_strdup_printf ("%s %s", kind, name) : g_strdup (kind);
  if (!*kind) {
    descriptor_error (d, origin, NULL, NULL, NULL, "the section has no kind");
    return;
  }
  const SectionKind *k = section_kind (kind);
  const char *wrong = k ? section_wrong (k, name) : NULL;
  if (!k)
    descriptor_error (d, origin, NULL, NULL, nearest_name (kind, section_kind_names ()),
                      "[%s]: unknown section kind `%s`", label, kind);
  else if (wrong)
    descriptor_error (d, origin, NULL, NULL, NULL, "[%s]: %s", label, wrong);
  if (!k && section_is_name (name) && !g_hash_table_contains (d->by_name, name)) {
    /* references to it are not worth an error of their own: known by name, but in no list */
    g_hash_table_insert (d->by_name, g_strdup (name), NULL);
  }
  if (!k || wrong)
    return;
  RawSection *first = g_hash_table_lookup (load->labels, label);
  if (first) {
    descriptor_error (d, origin, NULL, NULL, NULL,
                      "[%s]: the section was there before, in line %u; put all its keys there", label,
                      first->origin.line);
    return;
  }
  RawSection *s = g_new0 (RawSection, 1);
  *s = (RawSection) { g_strdup (kind), g_strdup (name), *origin,
                     g_ptr_array_new_with_free_func (raw_value_free),
                     g_hash_table_new (g_str_hash, g_str_equal) };
  g_ptr_array_add (load->sections, s);
  g_hash_table_insert (load->labels, g_steal_pointer (&label), s);
  load->current = s;
}

static RawValue *
raw_value_new (const Origin *origin, const ReaderValue *value)
{
  RawValue *raw = g_new0 (RawValue, 1);
  *raw = (RawValue) { g_strdup (value->key), g_strdup (value->whole), g_strdup (value->bare),
                     value->extends,        value->quoted,           *origin };
  return raw;
}

static void
on_value (void *user, const Origin *origin, const ReaderValue *value)
{
  FileLoad *load = user;
  Descriptor *d = load->loader->d;
  RawSection *s = load->current;
  if (!s) {
    if (!load->any_section)
      descriptor_error (d, origin, NULL, value->key, NULL, "the key stands before the first section");
    return;
  }
  RawValue *first = g_hash_table_lookup (s->keys, value->key);
  if (first && !value->extends) {
    g_autofree char *label = g_strstrip (g_strdup_printf ("%s %s", s->kind, s->name));
    descriptor_error (d, origin, NULL, NULL, NULL,
                      "[%s] %s: the key was given before, in line %u (`%s += ...` extends a value)", label,
                      value->key, first->origin.line, value->key);
    return;
  }
  RawValue *raw = raw_value_new (origin, value);
  g_ptr_array_add (s->values, raw);
  if (!first)
    g_hash_table_insert (s->keys, raw->key, raw);
}

static void
on_error (void *user, const Origin *origin, const char *key, const char *message)
{
  FileLoad *load = user;
  RawSection *s = load->current;
  g_autofree char *label =
      s ? g_strstrip (g_strdup_printf ("[%s%s%s] ", s->kind, *s->name ? " " : "", s->name)) : NULL;
  g_autofree char *place =
      label && key ? g_strdup_printf ("%s %s", label, key) : g_strdup (label ? label : key);
  descriptor_error (load->loader->d, origin, NULL, place, NULL, "%s", message);
}

/* --- includes and folding ----------------------------------------------------------------- */

static bool load_file (Loader *l, const char *path, const Origin *origin);

static void
include_list (Loader *l, const RawValue *value)
{
  g_auto (GStrv) names = list_split (value->bare);
  for (char **name = names; *name; name++) {
    g_autofree char *directory = origin_directory (&value->origin);
    g_autofree char *path = g_path_is_absolute (*name) || strcmp (directory, ".") == 0
                                ? g_strdup (*name)
                                : g_build_filename (directory, *name, NULL);
    g_autofree char *shipped = g_file_test (path, G_FILE_TEST_EXISTS) ? NULL : machine_find_file (*name, NULL);
    load_file (l, shipped ? shipped : path, &value->origin);
  }
  if (!names[0])
    descriptor_error (l->d, &value->origin, NULL, value->key, NULL, "no file is named");
}

static void
fold_includes (Loader *l, RawSection *s)
{
  bool is_include = strcmp (s->kind, "include") == 0;
  if (!is_include && strcmp (s->kind, "machine") != 0)
    return;
  bool any = false;
  for (guint i = 0; i < s->values->len; i++) {
    RawValue *v = s->values->pdata[i];
    if (strcmp (v->key, is_include ? "file" : "include") == 0) {
      include_list (l, v);
      any = true;
    } else if (is_include) {
      static const char *const keys[] = { "file", NULL };
      descriptor_error (l->d, &v->origin, NULL, NULL, nearest_name (v->key, keys),
                        "[include%s%s] %s: unknown key", *s->name ? " " : "", s->name, v->key);
    }
  }
  if (is_include && !any)
    descriptor_error (l->d, &s->origin, NULL, NULL, NULL, "[include%s%s]: the key `file` is missing",
                      *s->name ? " " : "", s->name);
}

static void
fold_section (Loader *l, RawSection *raw)
{
  Descriptor *d = l->d;
  g_autofree char *name = section_lookup_name (raw->kind, raw->name);
  Section *s = g_hash_table_lookup (d->by_name, name);
  if (s && (strcmp (raw->kind, "machine") != 0 || strcmp (s->kind, "machine") != 0)) {
    bool same = strcmp (s->kind, raw->kind) == 0;
    descriptor_error (d, &raw->origin, NULL, NULL, NULL,
                      same ? "[%s%s%s]: already defined at %s:%u; change it with [override %s]"
                           : "[%s%s%s]: the name is taken by %s:%u, [%s]",
                      raw->kind, *raw->name ? " " : "", raw->name, s->origin.file, s->origin.line,
                      section_label (s));
    return;
  }
  if (!s)
    s = descriptor_add (d, raw->kind, raw->name, &raw->origin);
  for (guint i = 0; i < raw->values->len; i++)
    section_put (s, raw->values->pdata[i], false);
}

/* [override device com1], [override com1], [override map low] */
static Section *
override_target (Descriptor *d, const RawSection *raw)
{
  g_auto (GStrv) words = g_strsplit_set (raw->name, " \t", 2);
  const SectionKind *kind = section_kind (words[0]);
  const char *name = words[1] ? g_strstrip (words[1]) : "";
  Section *s;
  if (kind && (*name || kind->may_be_unnamed)) {
    g_autofree char *lookup = section_lookup_name (kind->name, name);
    s = descriptor_section (d, lookup);
    if (!s && section_is_single (kind->name) && strcmp (kind->name, "machine") != 0)
      return descriptor_add (d, kind->name, "", &raw->origin);
    if (s && strcmp (s->kind, kind->name) != 0) {
      descriptor_error (d, &raw->origin, NULL, NULL, section_label (s),
                        "[override %s]: there is a [%s] of that name", raw->name, section_label (s));
      return NULL;
    }
  } else {
    s = *name ? NULL : descriptor_section (d, words[0]);
  }
  if (!s) {
    g_autofree const char **names = descriptor_names (d);
    descriptor_error (d, &raw->origin, NULL, NULL,
                      nearest_name (*name && kind && kind->is_object ? name : raw->name, names),
                      "[override %s]: there is no such section", raw->name);
  }
  return s;
}

static void
apply_overrides (Loader *l)
{
  for (guint i = 0; i < l->overrides->len; i++) {
    RawSection *raw = l->overrides->pdata[i];
    Section *s = override_target (l->d, raw);
    for (guint j = 0; s && j < raw->values->len; j++)
      section_put (s, raw->values->pdata[j], true);
  }
}

static char *
inclusion_chain (Loader *l, const char *again)
{
  GString *out = g_string_new (NULL);
  bool inside = false;
  for (guint i = 0; i < l->stack->len; i++) {
    inside |= strcmp (l->stack->pdata[i], again) == 0;
    if (inside) {
      g_autofree char *base = g_path_get_basename (l->stack->pdata[i]);
      g_string_append_printf (out, "%s -> ", base);
    }
  }
  g_autofree char *base = g_path_get_basename (again);
  g_string_append (out, base);
  return g_string_free (out, FALSE);
}

static bool
includes_seen (Loader *l, const char *canonical, const Origin *origin)
{
  for (guint i = 0; i < l->stack->len; i++) {
    if (strcmp (l->stack->pdata[i], canonical) == 0) {
      g_autofree char *chain = inclusion_chain (l, canonical);
      descriptor_error (l->d, origin, NULL, "include", NULL, "the file includes itself: %s", chain);
      return true;
    }
  }
  return false;
}

static void
fold_file (Loader *l, FileLoad *load)
{
  for (guint i = 0; i < load->sections->len; i++)
    fold_includes (l, load->sections->pdata[i]);
  for (guint i = 0; i < load->sections->len; i++) {
    RawSection *raw = load->sections->pdata[i];
    if (strcmp (raw->kind, "override") == 0) {
      g_ptr_array_add (l->overrides, raw);
      load->sections->pdata[i] = NULL;
    } else if (strcmp (raw->kind, "include") != 0) {
      fold_section (l, raw);
    }
  }
}

static void
raw_section_maybe_free (void *data)
{
  if (data)
    raw_section_free (data);
}

/* Whole, up to a limit that nothing but a mistake (or /dev/zero) reaches. */
static GByteArray *
read_file (Descriptor *d, const char *path, const Origin *origin)
{
  GByteArray *data = g_byte_array_new ();
  FILE *file = fopen (path, "re");
  uint8_t piece[16384];
  size_t n;
  while (file && data->len <= FILE_LIMIT && (n = fread (piece, 1, sizeof piece, file)) > 0)
    g_byte_array_append (data, piece, (guint) n);
  int reason = !file || ferror (file) ? errno : data->len > FILE_LIMIT ? EFBIG : 0;
  if (file)
    fclose (file);
  if (!reason)
    return data;
  descriptor_error (d, origin, NULL, NULL, NULL, "cannot read `%s`: %s", path, g_strerror (reason));
  g_byte_array_unref (data);
  return NULL;
}

static void
load_text (Loader *l, const char *text, size_t size, const char *name)
{
  static const ReaderClient client = { on_section, on_value, on_error };
  FileLoad load = { .loader = l, .sections = g_ptr_array_new_with_free_func (raw_section_maybe_free),
                    .labels = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL) };
  reader_read (text, size, name, full_descriptor (l->d)->strings, &client, &load);
  g_hash_table_unref (load.labels);
  fold_file (l, &load);
  g_ptr_array_unref (load.sections);
}

static bool
load_file (Loader *l, const char *path, const Origin *origin)
{
  g_autofree char *canonical = realpath (path, NULL);
  FullDescriptor *f = full_descriptor (l->d);
  if (canonical && includes_seen (l, canonical, origin))
    return false;
  g_autoptr (GByteArray) data = read_file (l->d, path, origin);
  if (!data)
    return false;
  const char *file = g_intern_string (path);
  if (!g_hash_table_add (l->seen, g_strdup (canonical ? canonical : path)))
    return true;                /* two includers share a base: it counts once */
  g_ptr_array_add (f->files, (void *) file);
  g_ptr_array_add (l->stack, g_strdup (canonical ? canonical : path));
  load_text (l, (const char *) data->data, data->len, file);
  g_ptr_array_set_size (l->stack, (int) l->stack->len - 1);
  return true;
}

/* --- --set -------------------------------------------------------------------------------- */

static Section *
set_target (Descriptor *d, const char *id, const Origin *origin)
{
  Section *s = descriptor_section (d, id);
  if (s)
    return s;
  static const char *const other_kinds[] = { "map", "wire", "plugin" };
  for (guint i = 0; i < G_N_ELEMENTS (other_kinds); i++) {
    g_autofree char *lookup = g_strdup_printf ("%s %s", other_kinds[i], id);
    if ((s = descriptor_section (d, lookup)))
      return s;
  }
  if (section_is_single (id))
    return descriptor_add (d, id, "", origin);
  /* "cpu" and "boot" mean the only section of their kind, whatever its name */
  for (guint i = 0; i < d->sections->len; i++) {
    Section *other = d->sections->pdata[i];
    if (strcmp (other->kind, id) == 0 && section_kind (id)->may_be_unnamed) {
      if (s)
        return NULL;
      s = other;
    }
  }
  return s;
}

static void
apply_set (Descriptor *d, const char *option)
{
  const char *equals = strchr (option, '='), *dot = strchr (option, '.');
  Origin origin = { "--set", 0, g_string_chunk_insert (full_descriptor (d)->strings, option) };
  if (!equals || !dot || dot > equals || dot == option) {
    descriptor_error (d, &origin, NULL, NULL, NULL, "an option is OBJECT.KEY=VALUE");
    return;
  }
  bool extends = equals > dot + 1 && equals[-1] == '+';
  g_autofree char *id = g_strstrip (g_strndup (option, (gsize) (dot - option)));
  g_autofree char *key = g_strstrip (g_strndup (dot + 1, (gsize) (equals - extends - dot - 1)));
  if (!reader_is_key (key, strlen (key))) {
    descriptor_error (d, &origin, NULL, NULL, NULL, "`%s` is not a key", key);
    return;
  }
  Section *s = set_target (d, id, &origin);
  if (!s) {
    g_autofree const char **names = descriptor_names (d);
    if (!g_hash_table_contains (d->by_name, id))
      descriptor_error (d, &origin, NULL, NULL, nearest_name (id, names), "there is no object `%s`", id);
    return;
  }
  g_autofree char *text = g_strstrip (g_strdup (equals + 1));
  RawValue raw = { key, text, text, extends, false, origin };
  section_put (s, &raw, true);
}

/* --- the descriptor ----------------------------------------------------------------------- */

Descriptor *
descriptor_load (const char *path, char **set_options)
{
  return descriptor_load_more (path, set_options, NULL, NULL);
}

/* What the command line adds is folded like a file of its own: [override] works, and errors name the option. */
static void
load_more (Loader *l, DescriptorMore *more, void *user)
{
  const char *name = NULL;
  g_autofree char *text = more (l->d, user, &name);
  if (text && *text)
    load_text (l, text, strlen (text), g_intern_string (name));
}

Descriptor *
descriptor_load_more (const char *path, char **set_options, DescriptorMore *more, void *user)
{
  FullDescriptor *f = g_new0 (FullDescriptor, 1);
  Descriptor *d = &f->descriptor;
  d->path = g_strdup (path ? path : "");
  d->sections = g_ptr_array_new_with_free_func (section_free);
  d->by_name = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  d->errors = g_ptr_array_new_with_free_func (g_free);
  f->strings = g_string_chunk_new (4096);
  f->files = g_ptr_array_new ();
  f->error_texts = g_hash_table_new (g_str_hash, g_str_equal);
  f->bad_modules = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  f->error_places = g_array_new (FALSE, FALSE, sizeof (ErrorPlace));
  Loader l = { d, g_ptr_array_new_with_free_func (g_free), g_ptr_array_new_with_free_func (raw_section_free),
               g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL) };
  if (!path || load_file (&l, path, NULL)) {
    if (more)
      load_more (&l, more, user);
    apply_overrides (&l);
    for (char **option = set_options; option && *option; option++)
      apply_set (d, *option);
  }
  g_ptr_array_unref (l.stack);
  g_ptr_array_unref (l.overrides);
  g_hash_table_unref (l.seen);
  return d;
}

void
descriptor_free (Descriptor *d)
{
  if (!d)
    return;
  FullDescriptor *f = full_descriptor (d);
  g_ptr_array_unref (d->sections);
  g_hash_table_unref (d->by_name);
  g_ptr_array_unref (d->errors);
  g_ptr_array_unref (f->files);
  g_array_unref (f->error_places);
  g_hash_table_unref (f->bad_modules);
  g_hash_table_unref (f->error_texts);
  g_string_chunk_free (f->strings);
  g_free (d->path);
  g_free (f);
}
