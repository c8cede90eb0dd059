/* sandbox.c -- [sandbox]: what a machine that has started may still ask of the host. */
/* SPDX-License-Identifier: MIT */
#include "sandbox.h"
#include "build.h"
#include <backplane/log.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

const SectionKey sandbox_keys[] = {
  { "seccomp", "off", "off, log, on", "Which system calls the host takes once the machine has started: all; all, and those that `on' would refuse are told, each once; those that a machine needs." },
  { "user", NULL, "NAME", "Whom a machine that root starts becomes, when its files and sockets are open." },
  { "allow", NULL, "NAME...", "System calls that are taken besides, whatever their arguments." },
  { "capabilities", NULL, "NAME...", "What of root's privileges stays, as in capabilities(7): chown, dac_override. Not with another user." },
  { NULL, NULL, NULL, NULL }
};

typedef enum Mode { MODE_OFF, MODE_LOG, MODE_ON } Mode;

static const char *const modes[] = { "off", "log", "on", NULL };

typedef struct Sandbox {
  Mode mode;
  const char *user;             /* NULL: as it is */
  GArray *allow;                /* of int */
  uint64_t capabilities;
} Sandbox;

static bool confined_to_threads;        /* no process can be started; never unset */

/* --- lists ------------------------------------------------------------------------------------ */

static char **
words_of (const char *text)
{
  GPtrArray *words = g_ptr_array_new ();
  g_auto (GStrv) parts = g_strsplit_set (text, " \t,", -1);
  for (char **part = parts; *part; part++)
    if (**part)
      g_ptr_array_add (words, g_strdup (*part));
  g_ptr_array_add (words, NULL);
  return (char **) g_ptr_array_free (words, FALSE);
}

/* A number is for a call that is newer than the headers of this build. */
static int
call_of (const char *word)
{
  guint64 number;
  return g_ascii_string_to_unsigned (word, 10, 0, 0xffff, &number, NULL) ? (int) number : syscall_number (word);
}

static int
capability_of (const char *word)
{
  g_autofree char *name = g_ascii_strdown (word, -1);
  return capability_number (g_str_has_prefix (name, "cap_") ? name + 4 : name);
}

static void
check_words (Descriptor *d, Section *s, const char *key, int (*number_of) (const char *word), const char *(*nearest) (const char *word), const char *what)
{
  Value *v = section_value (s, key);
  g_auto (GStrv) words = v && v->text ? words_of (v->text) : NULL;
  for (char **word = words; word && *word; word++)
    if (number_of (*word) < 0)
      descriptor_error (d, &v->origin, s, key, nearest (*word), "`%s` is not a %s", *word, what);
}

/* --- the section -------------------------------------------------------------------------------- */

static const char *
nearest_user (const char *name, GStringChunk *strings)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  setpwent ();
  for (const struct passwd *who; (who = getpwent ());)
    g_ptr_array_add (names, g_string_chunk_insert (strings, who->pw_name));
  endpwent ();
  g_ptr_array_add (names, NULL);
  return nearest_name (name, (const char *const *) names->pdata);
}

static void
check_user (Descriptor *d, Section *s)
{
  Value *v = section_value (s, "user"), *kept = section_value (s, "capabilities");
  if (!v || !v->text)
    return;
  const struct passwd *who = getpwnam (v->text);
  if (!who)
    descriptor_error (d, &v->origin, s, "user", nearest_user (v->text, full_descriptor (d)->strings), "the host has no user `%s`", v->text);
  else if (kept && kept->text && *kept->text && who->pw_uid != 0)
    descriptor_error (d, &kept->origin, s, "capabilities", NULL, "another user than root has none");
}

void
sandbox_check (Descriptor *d, Section *s)
{
  Value *mode = section_value (s, "seccomp");
  if (mode && mode->text && !g_strv_contains (modes, mode->text))
    descriptor_error (d, &mode->origin, s, "seccomp", nearest_name (mode->text, modes), "`%s` is neither off, log nor on", mode->text);
  check_user (d, s);
  check_words (d, s, "allow", call_of, syscall_nearest, "system call of this host");
  check_words (d, s, "capabilities", capability_of, capability_nearest, "capability");
}

static const char *
text_of (const Section *s, const char *key)
{
  Value *v = s ? section_value (s, key) : NULL;
  return v && v->text && *v->text ? v->text : NULL;
}

static void
allow_word (Sandbox *b, const char *word)
{
  int number = call_of (word);
  g_array_append_val (b->allow, number);
}

static Sandbox
sandbox_of (BpMachine *m)
{
  const Section *s = descriptor_section (m->descriptor, "sandbox");
  const char *mode = text_of (s, "seccomp"), *allow = text_of (s, "allow"), *kept = text_of (s, "capabilities");
  g_auto (GStrv) calls = words_of (allow ? allow : ""), capabilities = words_of (kept ? kept : "");
  Sandbox b = { .user = text_of (s, "user"), .allow = g_array_new (FALSE, FALSE, sizeof (int)) };
  for (unsigned i = 0; mode && modes[i]; i++)
    if (g_str_equal (mode, modes[i]))
      b.mode = (Mode) i;
  for (char **word = calls; *word; word++)
    allow_word (&b, *word);
  for (char **word = capabilities; *word; word++)
    b.capabilities |= UINT64_C (1) << capability_of (*word);
  if (full_machine (m)->incoming && g_str_has_prefix (full_machine (m)->incoming, "exec:"))
    allow_word (&b, "kill");    /* the command, when the move is cancelled */
  return b;
}

/* --- confinement --------------------------------------------------------------------------------- */

void
sandbox_prepare (BpMachine *m)
{
  Sandbox b = sandbox_of (m);
  if (b.mode != MODE_OFF && !b.user)    /* who becomes another loses them in all threads at once, and must have them in all until then */
    privileges_prepare (b.capabilities);
  g_array_unref (b.allow);
}

static bool
is_allowed (const Sandbox *b, const char *name)
{
  int number = syscall_number (name);
  for (guint i = 0; i < b->allow->len; i++)
    if (g_array_index (b->allow, int, i) == number)
      return true;
  return false;
}

/* A host without filters, as some containers are, runs the machine all the same. */
static void
filter (const Sandbox *b)
{
  g_autoptr (GError) lack = NULL;
  const int *allowed = (const int *) (void *) b->allow->data;
  if (b->mode == MODE_OFF)
    return;
  bool good = b->mode == MODE_ON ? filter_enforce (allowed, b->allow->len, &lack) : filter_observe (allowed, b->allow->len, &lack);
  if (!good)
    bp_warn (NULL, "[sandbox] seccomp = %s: %s; the machine runs without one", modes[b->mode], lack->message);
  confined_to_threads = good && b->mode == MODE_ON && !is_allowed (b, "execve");
}

bool
sandbox_enter (BpMachine *m, GError **error)
{
  Sandbox b = sandbox_of (m);
  g_autoptr (GError) wrong = NULL;
  bool good = !b.user || privileges_change_user (b.user, &wrong);
  if (good && b.mode != MODE_OFF)
    good = privileges_drop (b.capabilities, &wrong);
  if (good)
    filter (&b);
  else
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "[sandbox] %s", wrong->message);
  g_array_unref (b.allow);
  return good;
}

bool
sandbox_may_start_commands (const char *what, GError **error)
{
  if (!confined_to_threads)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "%s a confined machine starts no commands (it needs [sandbox] seccomp = off)", what);
  return false;
}
