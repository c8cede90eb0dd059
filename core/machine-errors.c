/* machine-errors.c -- what is wrong with a descriptor: each error with its place, all of them in the order of files and lines. */
/* SPDX-License-Identifier: MIT */
#include "descriptor.h"
#include <string.h>

static void
append_place (const Descriptor *d, GString *out, const Origin *origin)
{
  if (!origin || !origin->file)
    g_string_append_printf (out, "%s: ", d->path);
  else if (origin_has_line (origin))
    g_string_append_printf (out, "%s:%u: ", origin->file, origin->line);
  else if (*origin->file)
    g_string_append_printf (out, "%s: ", origin->file);
}

static void
append_source_line (GString *out, const Origin *origin)
{
  if (!origin || !origin->text || !*origin->text)
    return;
  const char *text = origin->text;
  while (*text == ' ' || *text == '\t')
    text++;
  size_t length = strlen (text), shown = length;
  if (length > 160)
    for (shown = 160; shown > 150 && ((unsigned char) text[shown] & 0xc0) == 0x80; shown--)
      ;
  g_string_append (out, "\n    ");
  g_string_append_len (out, text, (gssize) shown);
  if (shown < length)
    g_string_append (out, "...");
}

void
descriptor_error (Descriptor *d, const Origin *origin, const Section *section, const char *key,
                  const char *hint, const char *format, ...)
{
  g_autoptr (GString) out = g_string_new (NULL);
  if (!origin && section)
    origin = &section->origin;
  append_place (d, out, origin);
  if (section)
    g_string_append_printf (out, "[%s] ", section_label (section));
  if (key)
    g_string_append_printf (out, "%s: ", key);
  else if (section)
    g_string_overwrite (out, out->len - 1, ": ");
  va_list arguments;
  va_start (arguments, format);
  g_string_append_vprintf (out, format, arguments);
  va_end (arguments);
  if (hint)
    g_string_append_printf (out, " (did you mean `%s`?)", hint);
  append_source_line (out, origin);
  char *text = g_strdup (out->str);
  if (g_hash_table_contains (full_descriptor (d)->error_texts, text)) {
    g_free (text);
    return;
  }
  g_hash_table_add (full_descriptor (d)->error_texts, text);
  g_ptr_array_add (d->errors, text);
  ErrorPlace place = { origin ? origin->file : NULL, origin ? origin->line : 0 };
  g_array_append_val (full_descriptor (d)->error_places, place);
}

/* What a type says of one of its keys begins with that: "model: no such", "size is 5, which is no", "address = 9 is not".  The value, which has a place, and the message
 * behind "KEY: "; NULL: it is about the section. */
static Value *
value_meant (const Section *s, const char **message)
{
  size_t length = strspn (*message, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");
  const char *rest = *message + length;
  g_autofree char *key = g_strndup (*message, length);
  Value *v = section_value (s, key);
  if (!v)
    return NULL;
  if (g_str_has_prefix (rest, ": "))
    *message = rest + 2;
  else if (!g_str_has_prefix (rest, " = ") && !g_str_has_prefix (rest, " is "))
    return NULL;
  return v;
}

void
descriptor_object_error (Descriptor *d, const Section *section, const char *message)
{
  const char *rest = message;
  const Value *v = value_meant (section, &rest);
  descriptor_error (d, v ? &v->origin : NULL, section, rest != message ? v->key : NULL, NULL, "%s", rest);
}

void
descriptor_place_error (const Descriptor *d, const Section *section, GError *error)
{
  const char *rest = error->message;
  const Value *v = value_meant (section, &rest);
  g_autoptr (GString) out = g_string_new (NULL);
  append_place (d, out, v ? &v->origin : &section->origin);
  if (rest != error->message)
    g_string_append_printf (out, "[%s] %s: %s", section_label (section), v->key, rest);
  else
    g_string_append_printf (out, "[%s]: %s", section_label (section), rest);
  g_free (error->message);
  error->message = g_string_free (g_steal_pointer (&out), FALSE);
}

void
descriptor_clear_errors (Descriptor *d)
{
  FullDescriptor *f = full_descriptor (d);
  g_hash_table_remove_all (f->error_texts);
  g_hash_table_remove_all (f->bad_modules);
  g_array_set_size (f->error_places, 0);
  g_ptr_array_set_size (d->errors, 0);
}

typedef struct SortedError {
  char *text;
  guint file, line, sequence;
} SortedError;

static int
compare_errors (const void *a, const void *b)
{
  const SortedError *x = a, *y = b;
  if (x->file != y->file)
    return x->file < y->file ? -1 : 1;
  if (x->line != y->line)
    return x->line < y->line ? -1 : 1;
  return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

static guint
file_rank (FullDescriptor *f, const char *file)
{
  for (guint i = 0; i < f->files->len; i++)
    if (g_strcmp0 (file, f->files->pdata[i]) == 0)
      return i;
  return file ? f->files->len : 0;      /* --set last, the file as a whole first */
}

void
descriptor_sort_errors (Descriptor *d)
{
  FullDescriptor *f = full_descriptor (d);
  guint n = d->errors->len;
  g_autofree SortedError *sorted = g_new (SortedError, n + 1);
  for (guint i = 0; i < n; i++) {
    const ErrorPlace *place = &g_array_index (f->error_places, ErrorPlace, i);
    sorted[i] = (SortedError) { d->errors->pdata[i], file_rank (f, place->file), place->line, i };
  }
  qsort (sorted, n, sizeof *sorted, compare_errors);
  g_autofree ErrorPlace *places = g_new (ErrorPlace, n + 1);
  for (guint i = 0; i < n; i++) {
    places[i] = g_array_index (f->error_places, ErrorPlace, sorted[i].sequence);
    d->errors->pdata[i] = sorted[i].text;
  }
  for (guint i = 0; i < n; i++)
    g_array_index (f->error_places, ErrorPlace, i) = places[i];
}
