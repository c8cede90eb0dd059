/* cmd-new.c -- `backplane new plugin`: a project for a plugin outside of the tree, which builds and passes its test as it is written. */
/* SPDX-License-Identifier: MIT */
#include "commands.h"
#include "new.h"
#include <stdio.h>
#include <string.h>

static char *kind, *directory, *licence, *author, *build;
static gboolean pci;

static const GOptionEntry entries[] = {
  { "kind", 'k', 0, G_OPTION_ARG_STRING, &kind, "What it is: device (the default), backend, instrument or bus", "KIND" },
  { "pci", 0, 0, G_OPTION_ARG_NONE, &pci, "A device: one for a PCI bus, with DMA and messages", NULL },
  { "dir", 0, 0, G_OPTION_ARG_FILENAME, &directory, "The project's folder, which is made; by default NAME, here", "DIR" },
  { "licence", 0, 0, G_OPTION_ARG_STRING, &licence, "Its licence, as an SPDX identifier; MIT by default", "LICENCE" },
  { "author", 0, 0, G_OPTION_ARG_STRING, &author, "Who holds the copyright; by default the name of the account", "NAME" },
  { "build", 0, 0, G_OPTION_ARG_STRING, &build, "How it is built: make (the default) or autotools", "SYSTEM" },
  G_OPTION_ENTRY_NULL
};

static const char *const kinds[] = { "device", "backend", "instrument", "bus", NULL };
static const char *const builds[] = { "make", "autotools", NULL };

/* --- what is wrong with an operand; NULL when fine, else g_free ------------------------------ */

static char *
not_among (const char *what, const char *word, const char *const *words)
{
  g_autofree char *all = g_strjoinv (", ", (char **) words);
  if (g_strv_contains (words, word))
    return NULL;
  const char *hint = nearest_name (word, words);
  return hint ? g_strdup_printf ("%s: `%s` is none (did you mean `%s`?)", what, word, hint) : g_strdup_printf ("%s: `%s` is none; there are %s", what, word, all);
}

/* It becomes names of files, types, C functions and make variables. */
static char *
name_wrong (const char *name)
{
  static const char *const words[] = { "auto", "bool", "break", "case", "char", "config", "const", "continue", "core", "default", "do", "double", "else", "enum", "extern",
    "float", "for", "goto", "guest", "if", "inline", "int", "long", "main", "register", "restrict", "return", "short", "signed", "sizeof", "static", "struct", "switch",
    "typedef", "union", "unsigned", "void", "volatile", "while", NULL };
  size_t n = strlen (name);
  if (n < 2 || n > 40)
    return g_strdup_printf ("`%s`: a name has 2 to 40 characters", name);
  if (!g_ascii_islower (name[0]) || strspn (name, "abcdefghijklmnopqrstuvwxyz0123456789-") != n || name[n - 1] == '-' || strstr (name, "--"))
    return g_strdup_printf ("`%s` cannot be a plugin's name: it has small letters, digits and single hyphens, and begins with a letter, as in `egg-timer`", name);
  if (g_str_has_prefix (name, "bp-") || g_str_has_prefix (name, "backplane") || g_str_has_prefix (name, "test-"))
    return g_strdup_printf ("`%s`: names that begin with `bp-`, `backplane` or `test-` are Backplane's own, or its tests'", name);
  if (g_str_has_prefix (name, "g-"))
    return g_strdup_printf ("`%s`: names that begin with `g-` are GLib's in C, as GTimer is", name);
  if (g_strv_contains (words, name))
    return g_strdup_printf ("`%s` has a meaning in C or in the project; take a longer name", name);
  g_autofree char *there = plugin_find (name, NULL);
  return there ? g_strdup_printf ("there is a plugin `%s` already: %s", name, there) : NULL;
}

/* The plugin's type is called as the plugin is, and types have different names among all plugins. */
static char *
type_wrong (const char *name)
{
  command_offer_plugins ();
  plugin_load_all ();
  const BpTypeDesc *type = type_find (name);
  return type ? g_strdup_printf ("there is a type `%s` already, of the plugin `%s`", name, type_module (type)->id) : NULL;
}

static char *
text_wrong (const char *option, const char *text)
{
  for (const char *c = text; *c; c++)
    if (g_ascii_iscntrl (*c) || strchr ("\"\\", *c) || (c[0] == '*' && c[1] == '/') || (c[0] == '/' && c[1] == '*'))
      return g_strdup_printf ("%s: quotes, backslashes, control characters, `/*` and `*/` cannot be in it", option);
  if (!*text || !g_utf8_validate (text, -1, NULL))
    return g_strdup_printf ("%s: it must be UTF-8 and not empty", option);
  return NULL;
}

static char *
licence_wrong (const char *text)
{
  if (*text && strspn (text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+-() ") == strlen (text))
    return NULL;
  return g_strdup_printf ("--licence: `%s` is no SPDX identifier, as MIT, GPL-2.0-or-later or LicenseRef-Mine are", text);
}

/* All of them, in the order of the command line. */
static char *
operands_wrong (const char *name)
{
  char *wrong = name_wrong (name);
  wrong = wrong ? wrong : not_among ("--kind", kind, kinds);
  wrong = wrong ? wrong : not_among ("--build", build, builds);
  wrong = wrong ? wrong : licence_wrong (licence);
  wrong = wrong ? wrong : text_wrong ("--author", author);
  if (!wrong && !*directory)
    wrong = g_strdup ("--dir: which folder?  It is empty");
  if (!wrong && pci && strcmp (kind, "device") != 0)
    wrong = g_strdup_printf ("--pci is for a device, and not for a plugin of kind %s", kind);
  return wrong ? wrong : type_wrong (name);
}

/* --- the command ----------------------------------------------------------------------------- */

/* Of the account; one that has none, or a strange one, is called by its short name. */
static char *
account_name (void)
{
  const char *names[] = { g_get_real_name (), g_get_user_name () };
  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *wrong = names[i] ? text_wrong ("", names[i]) : g_strdup ("none");
    if (!wrong && strcmp (names[i], "Unknown") != 0)
      return g_strdup (names[i]);
  }
  return g_strdup ("its author");
}

static void
set_default (char **option, const char *value)
{
  if (!*option)
    *option = g_strdup (value);
}

static void
tell (const char *where, const char *name, GPtrArray *files)
{
  printf ("%s: %u files\n", where, files->len);
  for (guint i = 0; i < files->len; i++)
    printf ("  %s\n", (const char *) files->pdata[i]);
  g_autofree char *quoted = g_shell_quote (where);
  bool plain = strspn (where, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/+") == strlen (where);
  printf ("Next:\n  cd %s%s\n", *where == '-' ? "./" : "", plain ? where : quoted);
  if (strcmp (build, "autotools") == 0)
    puts ("  autoreconf -i && ./configure");
  printf ("  make\n  make check\n  backplane run %s.ini\n", name);
}

int
cmd_new (int argc, char **argv)
{
  int code;
  if (!command_options (&argc, &argv, "plugin NAME", "Writes a project for a plugin: sources, test, manual page, sample machine and build.", entries, &code))
    return code;
  if (argc < 2 || strcmp (argv[1], "plugin") != 0)
    return command_usage ("new", argc < 2 ? "what? `plugin NAME`" : "there is only `new plugin NAME`");
  if (argc != 3)
    return command_usage ("new", argc < 3 ? "plugin: which name shall it have?" : "plugin: one name, without blanks");
  g_autofree char *account = account_name ();
  set_default (&kind, "device");
  set_default (&licence, "MIT");
  set_default (&author, account);
  set_default (&build, "make");
  set_default (&directory, argv[2]);
  g_autofree char *wrong = operands_wrong (argv[2]);
  if (wrong)
    return command_usage ("new", wrong);
  NewProject p = { argv[2], directory, pci ? "device-pci" : kind, build, licence, author };
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) files = new_project (&p, &error);
  if (!files) {
    command_error ("new: %s", error->message);
    return EXIT_FAILED;
  }
  tell (directory, argv[2], files);
  return EXIT_OK;
}
