/* machine-section.c -- sections of a descriptor and their values: made, changed, found, taken out. */
/* SPDX-License-Identifier: MIT */
#include "descriptor.h"
#include <string.h>

const char *
section_label (const Section *s)
{
  return full_section (s)->label;
}

const char *
section_id (const Section *s)
{
  return *s->name ? s->name : s->kind;
}

bool
section_is_name (const char *text)
{
  if (!g_ascii_isalnum (*text))
    return false;
  for (; *text; text++)
    if (!g_ascii_isalnum (*text) && *text != '-' && *text != '_')
      return false;
  return true;
}

bool
section_is_added (const Section *s)
{
  return s->origin.file && !*s->origin.file;
}

char *
origin_directory (const Origin *origin)
{
  if (!origin->file || strcmp (origin->file, "--set") == 0)
    return g_strdup (".");
  return g_path_get_dirname (origin->file);
}

/* --- making and changing -------------------------------------------------------------------- */

static void
old_value_clear (void *data)
{
  OldValue *old = data;
  g_free (old->text);
  g_free (old->whole);
}

static void
value_free (void *data)
{
  FullValue *v = data;
  g_free (v->value.key);
  g_free (v->value.text);
  g_free (v->whole);
  if (v->value.history)
    g_array_unref (v->value.history);
  g_free (v);
}

void
section_free (void *data)
{
  FullSection *s = data;
  g_free (s->section.kind);
  g_free (s->section.name);
  g_free (s->label);
  g_ptr_array_unref (s->section.values);
  g_hash_table_unref (s->by_key);
  accel_choice_free (s->choice);
  g_free (s);
}

static Section *
section_new (const char *kind, const char *name, const Origin *origin)
{
  FullSection *s = g_new0 (FullSection, 1);
  s->section =
      (Section) { g_strdup (kind), g_strdup (name), *origin, g_ptr_array_new_with_free_func (value_free) };
  s->by_key = g_hash_table_new (g_str_hash, g_str_equal);
  s->label = *name ? g_strdup_printf ("%s %s", kind, name) : g_strdup (kind);
  return &s->section;
}

Value *
section_value (const Section *s, const char *key)
{
  Value *v = g_hash_table_lookup (full_section (s)->by_key, key);
  return v && v->text ? v : NULL;
}

static void
keep_whole (char **text, char **whole)
{
  if (!*whole)
    return;
  g_free (*text);
  *text = g_steal_pointer (whole);
}

void
value_keep_comment (Value *v)
{
  keep_whole (&v->text, &((FullValue *) v)->whole);
  for (guint i = 0; v->history && i < v->history->len; i++) {
    OldValue *old = &g_array_index (v->history, OldValue, i);
    keep_whole (&old->text, &old->whole);
  }
}

static char *
joined (const char *old, const char *more, bool quoted)
{
  size_t length = old ? strlen (old) : 0;
  if (length == 0)
    return g_strdup (more);
  bool apart = !quoted && old[length - 1] != ',';
  return g_strconcat (old, apart ? " " : "", more, NULL);
}

/* Takes a raw value into the section; `overrides`: it comes from an override or --set, where an empty value
 * unsets. */
void
section_put (Section *s, const RawValue *raw, bool overrides)
{
  FullValue *f = g_hash_table_lookup (full_section (s)->by_key, raw->key);
  bool created = !f;
  if (created) {
    f = g_new0 (FullValue, 1);
    f->value.key = g_strdup (raw->key);
    f->value.origin = raw->origin;
    g_ptr_array_add (s->values, f);
    g_hash_table_insert (full_section (s)->by_key, f->value.key, f);
  }
  Value *v = &f->value;
  g_autofree char *old_text = g_steal_pointer (&v->text);
  g_autofree char *old_whole = g_steal_pointer (&f->whole);
  if (!created && (overrides || !raw->extends)) {
    if (!v->history) {
      v->history = g_array_new (FALSE, FALSE, sizeof (OldValue));
      g_array_set_clear_func (v->history, old_value_clear);
    }
    OldValue old = { g_strdup (old_text), g_strdup (old_whole), v->origin };
    g_array_append_val (v->history, old);
    v->origin = raw->origin;
  }
  if (raw->extends) {
    v->text = joined (old_text, raw->bare, raw->quoted);
    f->whole = joined (old_whole ? old_whole : old_text, raw->whole, raw->quoted);
  } else if (!overrides || *raw->bare || raw->quoted) {
    v->text = g_strdup (raw->bare);
    f->whole = g_strdup (raw->whole);
  }
  if (section_key_is_prose (s->kind, raw->key))
    value_keep_comment (v);
}

Section *
descriptor_section (const Descriptor *d, const char *id)
{
  return g_hash_table_lookup (d->by_name, id);
}

/* Sections that make no object, of which there is one: also when no file has it. */
static const char *const singles[] = { "machine", "clock", "sandbox", NULL };

bool
section_is_single (const char *kind)
{
  return g_strv_contains (singles, kind);
}

/* The name under which a section is found: objects by their id, the others with their kind. */
char *
section_lookup_name (const char *kind, const char *name)
{
  const SectionKind *k = section_kind (kind);
  if (!k || k->is_object)
    return g_strdup (*name ? name : kind);
  if (section_is_single (kind))
    return g_strdup (kind);
  return g_strdup_printf ("%s %s", kind, name);
}

Section *
descriptor_add (Descriptor *d, const char *kind, const char *name, const Origin *origin)
{
  Section *s = section_new (kind, name, origin);
  g_ptr_array_add (d->sections, s);
  g_hash_table_insert (d->by_name, section_lookup_name (kind, name), s);
  return s;
}

const char **
descriptor_names (Descriptor *d)
{
  GPtrArray *names = g_ptr_array_new ();
  for (guint i = 0; i < d->sections->len; i++) {
    Section *s = d->sections->pdata[i];
    const char *name = section_kind (s->kind)->is_object ? section_id (s) : section_label (s);
    g_ptr_array_add (names, (void *) name);
  }
  for (const char *const *kind = singles; *kind; kind++)
    g_ptr_array_add (names, (void *) *kind);
  g_ptr_array_add (names, NULL);
  return (const char **) g_ptr_array_free (names, FALSE);
}

void
descriptor_take_out (Descriptor *d, Section *s)
{
  g_autofree char *name = section_lookup_name (s->kind, s->name);
  guint at;
  g_hash_table_remove (d->by_name, name);
  if (g_ptr_array_find (d->sections, s, &at))
    g_ptr_array_steal_index (d->sections, at);
}

void
descriptor_put_back (Descriptor *d, Section *s)
{
  g_ptr_array_add (d->sections, s);
  g_hash_table_insert (d->by_name, section_lookup_name (s->kind, s->name), s);
}
