/* new.c -- a project for a plugin, made of templates: all of it, or nothing. */
/* SPDX-License-Identifier: MIT */
#include "new.h"
#include "object.h"
#include <backplane/common.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef TEMPLATESDIR
#define TEMPLATESDIR "/usr/local/share/backplane/templates"
#endif

typedef struct File {
  char *name, *text;            /* within the project; as the template has it, until it is expanded */
  char *template;               /* where it is from, for messages */
} File;

static void
file_free (void *data)
{
  File *f = data;
  g_free (f->name);
  g_free (f->text);
  g_free (f->template);
  g_free (f);
}

static bool
refuse (GError **error, const char *what, const char *path)
{
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "%s %s: %s", what, path, g_strerror (errno));
  return false;
}

/* --- reading templates ------------------------------------------------------------------------ */

/* "dot-gitignore" -> ".gitignore", "test-NAME.c" -> "test-egg-timer.c" */
static char *
file_name (const char *template, const char *name)
{
  bool dot = g_str_has_prefix (template, "dot-");
  g_auto (GStrv) parts = g_strsplit (template + (dot ? 4 : 0), "NAME", -1);
  g_autofree char *joined = g_strjoinv (name, parts);
  return g_strconcat (dot ? "." : "", joined, NULL);
}

static bool read_folder (GPtrArray *files, const char *folder, const char *inside, const char *name, GError **error);

static bool
read_entry (GPtrArray *files, const char *folder, const char *entry, const char *inside, const char *name, GError **error)
{
  g_autofree char *path = g_build_filename (folder, entry, NULL), *as = file_name (entry, name);
  g_autofree char *where = *inside ? g_build_filename (inside, as, NULL) : g_strdup (as);
  if (g_file_test (path, G_FILE_TEST_IS_DIR))
    return read_folder (files, path, where, name, error);
  File *f = g_new0 (File, 1);
  g_ptr_array_add (files, f);
  f->name = g_steal_pointer (&where);
  f->template = g_steal_pointer (&path);
  return g_file_get_contents (f->template, &f->text, NULL, error);
}

static bool
read_folder (GPtrArray *files, const char *folder, const char *inside, const char *name, GError **error)
{
  GDir *dir = g_dir_open (folder, 0, error);
  bool fine = dir != NULL;
  const char *entry;
  while (fine && (entry = g_dir_read_name (dir)))
    if (entry[0] != '.' && !g_str_has_suffix (entry, "~"))
      fine = read_entry (files, folder, entry, inside, name, error);
  if (dir)
    g_dir_close (dir);
  return fine;
}

static int
compare_files (gconstpointer a, gconstpointer b)
{
  const File *const *x = a, *const *y = b;
  return strcmp ((*x)->name, (*y)->name);
}

/* Sorted by name: two templates that become one file would each lose half of the project. */
static bool
names_differ (const GPtrArray *files, GError **error)
{
  for (guint i = 1; i < files->len; i++) {
    const File *a = files->pdata[i - 1], *b = files->pdata[i];
    if (strcmp (a->name, b->name) == 0) {
      g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "with this name the templates %s and %s are both %s; take another", a->template, b->template, b->name);
      return false;
    }
  }
  return true;
}

static GPtrArray *
read_templates (const NewProject *p, GError **error)
{
  const char *given = g_getenv ("BACKPLANE_TEMPLATES_PATH"), *top = given && *given ? given : TEMPLATESDIR;
  const char *const folders[] = { "common", p->kind, p->build };
  g_autoptr (GPtrArray) files = g_ptr_array_new_with_free_func (file_free);
  for (guint i = 0; i < G_N_ELEMENTS (folders); i++) {
    g_autofree char *folder = g_build_filename (top, folders[i], NULL);
    if (!read_folder (files, folder, "", p->name, error)) {
      g_prefix_error (error, "the templates cannot be read (BACKPLANE_TEMPLATES_PATH names another folder of them): ");
      return NULL;
    }
  }
  g_ptr_array_sort (files, compare_files);
  return names_differ (files, error) ? g_steal_pointer (&files) : NULL;
}

/* --- placeholders -------------------------------------------------------------------------------- */

typedef struct Words {
  char *values[10];
  const char *names[10];
  guint n;
} Words;

static void
add_word (Words *w, const char *name, char *value)
{
  w->names[w->n] = name;
  w->values[w->n++] = value;
}

static char *
camel (const char *name)
{
  GString *s = g_string_new (NULL);
  for (const char *c = name; *c; c++)
    if (*c != '-')
      g_string_append_c (s, c == name || c[-1] == '-' ? g_ascii_toupper (*c) : *c);
  return g_string_free (s, FALSE);
}

/* Names of files of the plugin itself with this end. */
static char *
names_ending (const GPtrArray *files, const char *end)
{
  GString *s = g_string_new (NULL);
  for (guint i = 0; i < files->len; i++) {
    const char *name = ((const File *) files->pdata[i])->name;
    if (g_str_has_suffix (name, end) && !strchr (name, '/') && !g_str_has_prefix (name, "test-") && !g_str_has_prefix (name, "guest."))
      g_string_append_printf (s, "%s%s", s->len ? " " : "", name);
  }
  return g_string_free (s, FALSE);
}

static void
words_init (Words *w, const NewProject *p, const GPtrArray *files)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();
  char *c_name = g_strdelimit (g_strdup (p->name), "-", '_');
  *w = (Words) { .n = 0 };
  add_word (w, "name", g_strdup (p->name));
  add_word (w, "c_name", c_name);
  add_word (w, "C_NAME", g_ascii_strup (c_name, -1));
  add_word (w, "CName", camel (p->name));
  add_word (w, "licence", g_strdup (p->licence));
  add_word (w, "author", g_strdup (p->author));
  add_word (w, "year", g_strdup_printf ("%d", g_date_time_get_year (now)));
  add_word (w, "sources", names_ending (files, ".c"));
  add_word (w, "headers", names_ending (files, ".h"));
}

static void
words_finish (Words *w)
{
  for (guint i = 0; i < w->n; i++)
    g_free (w->values[i]);
}

static bool
expand (File *f, const Words *w, GError **error)
{
  GString *out = g_string_new (NULL);
  const char *at = f->text, *begin, *end;
  while ((begin = strstr (at, "@{")) && (end = strchr (begin, '}'))) {
    g_autofree char *word = g_strndup (begin + 2, (gsize) (end - begin - 2));
    guint i = 0;
    while (i < w->n && strcmp (w->names[i], word) != 0)
      i++;
    if (i == w->n) {
      g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the template %s has an unknown placeholder `@{%s}`", f->template, word);
      g_string_free (out, TRUE);
      return false;
    }
    g_string_append_len (out, at, begin - at);
    g_string_append (out, w->values[i]);
    at = end + 1;
  }
  g_string_append (out, at);
  g_free (f->text);
  f->text = g_string_free (out, FALSE);
  return true;
}

/* --- writing ------------------------------------------------------------------------------------------ */

static bool
write_file (const char *folder, const File *f, GError **error)
{
  g_autofree char *path = g_build_filename (folder, f->name, NULL), *parent = g_path_get_dirname (path);
  if (g_mkdir_with_parents (parent, 0777) != 0)
    return refuse (error, "cannot make", parent);
  return g_file_set_contents_full (path, f->text, -1, G_FILE_SET_CONTENTS_NONE, 0666, error);
}

/* Nothing is replaced; a folder that is empty is as good as none.  *there: it is such a one. */
static bool
check_target (const char *target, bool *there, GError **error)
{
  struct stat s;
  *there = stat (target, &s) == 0;
  if (!*there && lstat (target, &s) != 0)
    return errno == ENOENT || refuse (error, "cannot look at", target);
  bool is_folder = *there && S_ISDIR (s.st_mode);
  GDir *dir = is_folder ? g_dir_open (target, 0, error) : NULL;
  if (is_folder && !dir)
    return false;
  bool empty = dir && !g_dir_read_name (dir);
  if (dir)
    g_dir_close (dir);
  if (!empty)
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "%s exists%s; give another folder with --dir", target, is_folder ? " and is not empty" : "");
  return empty;
}

/* A folder that was there stays the same one: somebody may stand in it, and it may be all that he can write to. */
static bool
move_into (const char *temporary, const char *target, GError **error)
{
  g_autoptr (GPtrArray) moved = g_ptr_array_new_with_free_func (g_free);
  GDir *dir = g_dir_open (temporary, 0, error);
  bool fine = dir != NULL;
  const char *entry;
  while (fine && (entry = g_dir_read_name (dir))) {
    g_autofree char *from = g_build_filename (temporary, entry, NULL), *to = g_build_filename (target, entry, NULL);
    fine = g_rename (from, to) == 0 || refuse (error, "cannot make", to);
    if (fine)
      g_ptr_array_add (moved, g_steal_pointer (&to));
  }
  if (dir)
    g_dir_close (dir);
  for (guint i = 0; !fine && i < moved->len; i++)
    remove_tree (moved->pdata[i]);
  return fine;
}

/* Made under another name, where nobody takes it for the project, and then given its place at once. */
static bool
write_project (const char *target, const GPtrArray *files, GError **error)
{
  g_autofree char *here = realpath (".", NULL);
  if (!here && !g_path_is_absolute (target))
    return refuse (error, "cannot find", "the current directory");
  g_autofree char *plain = g_canonicalize_filename (target, here ? here : "/");
  bool there;
  if (!check_target (plain, &there, error))
    return false;
  g_autofree char *parent = there ? g_strdup (plain) : g_path_get_dirname (plain);
  g_autofree char *temporary = there ? g_build_filename (plain, ".new.XXXXXX", NULL) : g_strdup_printf ("%s.XXXXXX", plain);
  if (!g_mkdtemp_full (temporary, 0777))
    return refuse (error, "cannot make a folder in", parent);
  bool fine = true;
  for (guint i = 0; fine && i < files->len; i++)
    fine = write_file (temporary, files->pdata[i], error);
  if (fine && there)
    fine = move_into (temporary, plain, error);
  else if (fine)
    fine = g_rename (temporary, plain) == 0 || refuse (error, "cannot make", plain);
  if (!fine || there)
    remove_tree (temporary);
  return fine;
}

GPtrArray *
new_project (const NewProject *p, GError **error)
{
  g_autoptr (GPtrArray) files = read_templates (p, error);
  if (!files)
    return NULL;
  Words words;
  words_init (&words, p, files);
  bool fine = true;
  for (guint i = 0; fine && i < files->len; i++)
    fine = expand (files->pdata[i], &words, error);
  words_finish (&words);
  if (!fine || !write_project (p->directory, files, error))
    return NULL;
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i < files->len; i++)
    g_ptr_array_add (names, g_strdup (((const File *) files->pdata[i])->name));
  return names;
}
