/* complete.c -- what the word at the end of a console's line may become. */
/* SPDX-License-Identifier: MIT */
#include "console.h"
#include <backplane/iface/input.h>
#include <backplane/tcg/instrument.h>
#include <string.h>

typedef struct Candidates {
  GPtrArray *words;             /* of char * */
  const char *prefix;
} Candidates;

static void
offer (Candidates *c, const char *word)
{
  for (guint i = 0; i < c->words->len; i++)
    if (strcmp (c->words->pdata[i], word) == 0)
      return;
  if (g_str_has_prefix (word, c->prefix))
    g_ptr_array_add (c->words, g_strdup (word));
}

/* --- kinds ------------------------------------------------------------------------------------------- */

/* Commands whose names begin with the words that stand before: `info ' offers status, cpus ... */
static void
offer_commands (Candidates *c, const char *before)
{
  unsigned cursor = 0;
  for (const Command *command; (command = command_next (&cursor));) {
    if (!command->console || !g_str_has_prefix (command->console, before))
      continue;
    const char *rest = command->console + strlen (before);
    g_autofree char *word = g_strndup (rest, strcspn (rest, " "));
    if (*word)
      offer (c, word);
  }
}

static void
offer_objects (Candidates *c, BpMachine *machine, const char *suffix)
{
  unsigned cursor = 0;
  for (void *o; (o = bp_machine_next_object (machine, &cursor));) {
    g_autofree char *word = g_strconcat (bp_object_id (o), suffix, NULL);
    offer (c, word);
  }
}

static void
offer_instruments (Candidates *c, BpMachine *machine)
{
  unsigned cursor = 0;
  for (void *o; (o = bp_machine_next_object (machine, &cursor));)
    if (bp_instrument_of (o))
      offer (c, bp_object_id (o));
}

static void
offer_properties (Candidates *c, BpMachine *machine)
{
  const char *dot = strchr (c->prefix, '.');
  const BpProperty *p;
  if (!dot) {
    offer_objects (c, machine, ".");
    return;
  }
  g_autofree char *id = g_strndup (c->prefix, (gsize) (dot - c->prefix));
  void *object = bp_machine_find (machine, id);
  for (unsigned i = 0; object && (p = bp_object_property (object, i)); i++) {
    g_autofree char *word = g_strconcat (id, ".", p->name, NULL);
    offer (c, word);
  }
}

static void
offer_files (Candidates *c)
{
  const char *slash = strrchr (c->prefix, '/');
  g_autofree char *folder = g_strndup (c->prefix, slash ? (gsize) (slash + 1 - c->prefix) : 0);
  GDir *dir = g_dir_open (*folder ? folder : ".", 0, NULL);
  const char *name;
  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *path = g_strconcat (folder, name, NULL);
    g_autofree char *marked = g_strconcat (path, g_file_test (path, G_FILE_TEST_IS_DIR) ? "/" : "", NULL);
    if (*name != '.' || (slash ? slash[1] : *c->prefix) == '.')
      offer (c, marked);
  }
  if (dir)
    g_dir_close (dir);
}

/* The key after the last minus. */
static void
offer_keys (Candidates *c)
{
  const char *minus = strrchr (c->prefix, '-');
  g_autofree char *chord = g_strndup (c->prefix, minus ? (gsize) (minus + 1 - c->prefix) : 0);
  for (unsigned code = 1; code < 256; code++) {
    const char *name = bp_input_key_name (code);
    g_autofree char *word = name ? g_strconcat (chord, name, NULL) : NULL;
    if (word)
      offer (c, word);
  }
}

static void
offer_kind (Candidates *c, BpMachine *machine, const Argument *a)
{
  static const char *const switches[] = { "on", "off", NULL };
  const char *const *names = a->kind == ARGUMENT_BOOL ? switches : a->names;
  switch (a->kind) {
  case ARGUMENT_OBJECT:
    offer_objects (c, machine, "");
    break;
  case ARGUMENT_INSTRUMENT:
    offer_instruments (c, machine);
    break;
  case ARGUMENT_PROPERTY:
    offer_properties (c, machine);
    break;
  case ARGUMENT_FILE:
    offer_files (c);
    break;
  case ARGUMENT_KEYS:
    offer_keys (c);
    break;
  default:
    for (; names && *names; names++)
      offer (c, *names);
  }
}

/* --- places -------------------------------------------------------------------------------------------- */

/* The argument that a word after `before' is. */
static const Argument *
argument_at (const Command *command, const char *before)
{
  const Argument *a = command->arguments, *flag = NULL;
  g_autofree char *word = NULL;
  while ((word = word_next (&before, NULL))) {
    bool was_value = flag && flag->kind != ARGUMENT_BOOL;
    flag = NULL;
    for (const Argument *f = command->arguments; !was_value && f->kind != ARGUMENT_END; f++)
      if (f->flag && word[0] == '-' && word[1] == f->flag && !word[2])
        flag = f;
    bool is_format = *word == '/';
    while (a->kind != ARGUMENT_END && (a->flag || (a->kind == ARGUMENT_FORMAT && !is_format)))
      a++;
    if (!flag && !was_value && a->kind != ARGUMENT_END && a->kind != ARGUMENT_COMMAND && a->kind != ARGUMENT_REST)
      a++;
    g_clear_pointer (&word, g_free);
  }
  if (flag && flag->kind != ARGUMENT_BOOL)
    return flag;
  while (a->kind != ARGUMENT_END && (a->flag || a->kind == ARGUMENT_FORMAT))
    a++;
  return a;
}

GPtrArray *
console_complete (BpMachine *machine, const char *text, size_t *start)
{
  text += strspn (text, " ");
  const char *space = strrchr (text, ' '), *last = space ? space + 1 : text, *rest;
  g_autofree char *before = g_strndup (text, (gsize) (last - text));
  Candidates c = { g_ptr_array_new_with_free_func (g_free), last };
  *start -= strlen (last);
  const Command *command = *before ? command_find_console (before, &rest) : NULL;
  offer_commands (&c, before);
  const Argument *a = command ? argument_at (command, rest) : NULL;
  if (a && a->kind == ARGUMENT_COMMAND)
    offer_commands (&c, rest + strspn (rest, " "));
  else if (a)
    offer_kind (&c, machine, a);
  return c.words;
}
