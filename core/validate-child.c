/* validate-child.c -- one plugin's types through their lives, in a process that may die of it. */
/* SPDX-License-Identifier: MIT */
#include "build.h"
#include "memory.h"
#include "validate.h"
#include <backplane/tcg/instrument-host.h>
#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SAMPLE "sample.bin"     /* a file that exists: zeros */

typedef struct Child {
  int fd;
  const BpTypeDesc *type;
  const char *key, *value;      /* what is tried; NULL: the defaults */
  bool links, files;            /* with its optional links, files set: how it could live */
  char *why;                    /* the first thing found wrong */
  char *refused;                /* a refusal in words, which is no fault by itself */
  bool host;                    /* .. and it is the host that lacks something */
  char *needs;                  /* what nobody here provides, or had to be made up */
} Child;

/* --- talking to the parent -------------------------------------------------------------------------- */

static void
say (const Child *c, char *line)
{
  g_strdelimit (line, "\n\r", ' ');
  size_t n = strlen (line);
  line[n] = '\n';               /* in place of the end: lines are not used afterwards */
  for (size_t done = 0; done <= n;) {
    ssize_t m = write (c->fd, line + done, n + 1 - done);
    if (m < 0 && errno == EBADF) {
      fprintf (stderr, "ERROR: a file descriptor was closed that is not the plugin's\n");
      _exit (1);
    }
    if (m < 0 && errno != EINTR)
      _exit (0);                /* nobody listens any more */
    done += m > 0 ? (size_t) m : 0;
  }
  g_free (line);
}

static void begin_item (const Child *c, int type, int item, const char *name, const char *what) { say (c, g_strdup_printf ("@%d %d %s\t%s", type, item, name, what)); }
static void end_item (const Child *c, ValidateResult result, const char *detail) { say (c, g_strdup_printf ("=%d %s", (int) result, detail ? detail : "")); }

static void
step (const Child *c, const char *what)
{
  if (!c->value)
    say (c, g_strdup_printf (":%s", what));
  else
    say (c, g_strdup_printf (":%s with `%.40s%s`", what, c->value, strlen (c->value) > 40 ? "..." : ""));
}

static bool G_GNUC_PRINTF (2, 3)
wrong (Child *c, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  if (!c->why)
    c->why = g_strdup_vprintf (format, args);
  va_end (args);
  return false;
}

/* What a device does to a stand-in that no bus would stand. */
static Child *on_stand_in;
static void on_fault (const char *message) { wrong (on_stand_in, "%s", message); }

static void
forget (Child *c)
{
  g_clear_pointer (&c->why, g_free);
  g_clear_pointer (&c->refused, g_free);
  g_clear_pointer (&c->needs, g_free);
  c->host = false;
}

/* --- what must be as before ------------------------------------------------------------------------- */

static unsigned
entries (const char *directory)
{
  unsigned n = 0;
  DIR *d = opendir (directory);
  while (d && readdir (d))
    n++;
  if (d)
    closedir (d);
  return n;
}

typedef struct Held {
  unsigned descriptors, threads, regions;
} Held;

static Held held (void) { return (Held) { entries ("/proc/self/fd"), entries ("/proc/self/task"), memory_n_regions () }; }

/* Threads that were told to end may need a moment. */
static bool
same_held (Child *c, const Held *before)
{
  Held after = held ();
  for (unsigned i = 0; i < 100 && (after.threads > before->threads || after.descriptors > before->descriptors); i++) {
    g_usleep (5000);
    after = held ();
  }
  if (after.descriptors > before->descriptors)
    return wrong (c, "%u file descriptor(s) stay open after unrealize", after.descriptors - before->descriptors);
  if (after.threads > before->threads)
    return wrong (c, "%u thread(s) go on after unrealize", after.threads - before->threads);
  return after.regions <= before->regions || wrong (c, "%u memory region(s) are not freed", after.regions - before->regions);
}

/* Bytes that were allocated and not freed, small and great, and those of all mappings; 0 where nobody counts. */
typedef struct Memory {
  size_t allocated, mapped;
} Memory;

static Memory
memory (void)
{
  Memory m = { 0, 0 };
#if defined __GLIBC__ && __GLIBC_PREREQ (2, 33)
  struct mallinfo2 info = mallinfo2 ();
  m.allocated = info.uordblks + info.hblkhd;
#endif
  g_autofree char *text = NULL;
  if (m.allocated && g_file_get_contents ("/proc/self/statm", &text, NULL, NULL))       /* sanitizers map as they like, and do not count */
    m.mapped = strtoul (text, NULL, 10) * (size_t) sysconf (_SC_PAGESIZE);
  return m;
}

typedef struct Tied {
  unsigned timers, watches, listeners, spaces;
} Tied;

static Tied tied (BpMachine *m) { return (Tied) { clock_n_timers (m), loop_n_watches (m->main_loop), memory_n_listeners (m), memory_n_spaces (m) }; }

/* Whatever objects have tied to the machine, in configure too, goes with their unrealize. */
static bool
nothing_is_tied (Child *c, BpMachine *m)
{
  Tied left = tied (m);
  if (left.timers)
    return wrong (c, "%u timer(s) are not freed by unrealize", left.timers);
  if (left.watches)
    return wrong (c, "%u file descriptor(s) are still watched after unrealize", left.watches);
  if (left.spaces > m->address_spaces->len)
    return wrong (c, "%u address space(s) are not freed by unrealize", left.spaces - m->address_spaces->len);
  return !left.listeners || wrong (c, "%u listener(s) of address spaces stay after unrealize", left.listeners);
}

static bool intact (Child *c, const BpObject *o, const char *after) { return object_is_intact (o) || wrong (c, "%s wrote behind the instance: its declared size is too small", after); }

/* --- a life ------------------------------------------------------------------------------------------- */

/* The message without the place in a file that nobody wrote; free it. */
static char *
bare (const char *message)
{
  const char *end = g_str_has_prefix (message, "machine.ini:") ? strchr (message, ']') : NULL, *start = end ? end + 1 + strspn (end + 1, ": ") : message;
  return g_strndup (start, strcspn (start, "\n"));
}

static bool
refuse (Child *c, const char *what, const char *message, bool host)
{
  g_autofree char *text = bare (message);
  g_clear_pointer (&c->refused, g_free);
  c->refused = g_strdup_printf ("%s refuses: %s", what, *text ? text : "(no words)");
  c->host = host;
  return false;
}

static bool
is_of_host (const GError *error)
{
  return g_error_matches (error, BP_ERROR, BP_ERROR_IO) || error->domain == G_FILE_ERROR || error->domain == g_quark_from_static_string ("g-io-error-quark");
}

static BpMachine *
build (Child *c, const char *text, Descriptor **d)
{
  step (c, "configure");
  if (!g_file_set_contents ("machine.ini", text, -1, NULL))
    g_error ("cannot write machine.ini");
  *d = descriptor_load ("machine.ini", NULL);
  BpMachine *m = machine_build (*d);
  if (m)
    return m;
  refuse (c, "configure", (*d)->errors->pdata[0], false);
  g_clear_pointer (d, descriptor_free);
  return NULL;
}

static bool
reset (Child *c, BpMachine *m, BpObject *o, BpResetKind kind, const char *what)
{
  step (c, what);
  bp_machine_lock (m);
  machine_reset_objects (m, kind);
  bp_machine_unlock (m);
  return intact (c, o, what);
}

static GByteArray *
save (Child *c, BpObject *o)
{
  step (c, "save");
  bp_machine_lock (o->machine);
  GByteArray *bytes = state_saved (o);
  bp_machine_unlock (o->machine);
  return bytes;
}

/* The state is taken, and comes out again as it went in. */
static bool
load (Child *c, BpObject *o, const GByteArray *state, const char *what)
{
  g_autoptr (GError) error = NULL;
  step (c, what);
  bp_machine_lock (o->machine);
  bool good = state_load (o, state->data, state->len, &error);
  bp_machine_unlock (o->machine);
  if (!good)
    return wrong (c, "%s: its own saved state is refused: %s", what, error->message);
  g_autoptr (GByteArray) again = save (c, o);
  if (again->len != state->len || memcmp (again->data, state->data, state->len))
    return wrong (c, "%s: what is saved afterwards is not what was loaded", what);
  return intact (c, o, what);
}

/* RUNTIME properties change while it is there. */
static bool
set_live (Child *c, BpObject *o)
{
  const BpProperty *p = c->key ? object_property (o, c->key) : NULL;
  g_autoptr (GError) error = NULL;
  if (!p || !(p->flags & BP_PROPERTY_RUNTIME) || p->kind == BP_PROPERTY_LINK)
    return true;
  g_autofree char *other = p->flags & BP_PROPERTY_REQUIRED ? NULL : property_default_text (p);
  step (c, "property_changed");
  bp_machine_lock (o->machine);
  if (other && *other)          /* so that it changes */
    object_set (o, c->key, other, NULL, NULL);
  bool good = object_set (o, c->key, c->value, NULL, &error);
  bp_machine_unlock (o->machine);
  return (good || wrong (c, "it cannot be set at run time: %s", error->message)) && intact (c, o, "property_changed");
}

/* *state: of the life before, and then this one's; NULL: there was none. */
static bool
live (Child *c, BpMachine *m, BpObject *o, GByteArray **state)
{
  if (!intact (c, o, "realize") || !reset (c, m, o, BP_RESET_COLD, "reset") || !reset (c, m, o, BP_RESET_WARM, "warm reset") || !set_live (c, o))
    return false;
  if (*state && !load (c, o, *state, "load of the first life's state"))
    return false;
  g_autoptr (GByteArray) own = save (c, o);
  if (!load (c, o, own, "load"))
    return false;
  g_clear_pointer (state, g_byte_array_unref);
  *state = g_steal_pointer (&own);
  return reset (c, m, o, BP_RESET_COLD, "reset after load");
}

static bool
one_life (Child *c, const char *text, GByteArray **state)
{
  Descriptor *d;
  g_autoptr (GError) error = NULL;
  BpMachine *m = build (c, text, &d);
  if (!m)
    return false;
  BpObject *o = g_hash_table_lookup (m->by_id, VALIDATE_ID);
  machine_set_load (m, "");     /* a boot program is not asked for a program */
  step (c, "realize");
  bool good = intact (c, o, "configure") && (machine_realize (m, &error) || refuse (c, "realize", error->message, is_of_host (error)));
  if (good)
    good = live (c, m, o, state);
  step (c, "unrealize");
  machine_unrealize (m);
  bool clean = intact (c, o, "unrealize") && nothing_is_tied (c, m);
  if (!clean)
    return false;               /* and the machine stays: what is left would stumble over its end */
  step (c, "free");
  machine_free (m);
  descriptor_free (d);
  return good && !c->why;       /* a stand-in may have found something */
}

/* Refused or not, the second leaves nothing behind but what the first has left too: caches. */
static bool
one_life_twice (Child *c, const char *text, GByteArray **state)
{
  bool good = one_life (c, text, state);
  if (c->why)
    return false;
  Held before = held ();
  good = one_life (c, text, state) && good;
  return !c->why && same_held (c, &before) && good;
}

/* --- items: a life with defaults ------------------------------------------------------------------------ */

static void
prepare (const Child *c, ValidateMachine *vm)
{
  *vm = (ValidateMachine) { .type = c->type, .key = c->key, .value = c->value, .all_links = c->links, .all_files = c->files, .sample = SAMPLE };
  validate_machine_write (vm);
}

/* Caches fill in the first lives, those of malloc for some fifty of them, but not for ever: when no life of many gives back what it took, the least of it is
 * lost in each. */
static bool
loses_nothing (Child *c, const char *text, GByteArray **state)
{
  enum { N = 96 };
  Memory before = memory (), least = { SIZE_MAX, SIZE_MAX };
  for (unsigned i = 0; i < N && (least.allocated || least.mapped) && before.allocated; i++) {
    if (!one_life (c, text, state))
      return false;
    Memory now = memory ();
    least.allocated = MIN (least.allocated, now.allocated > before.allocated ? now.allocated - before.allocated : 0);
    least.mapped = MIN (least.mapped, now.mapped > before.mapped ? now.mapped - before.mapped : 0);
    before = now;
  }
  if (!before.allocated)
    return true;
  if (least.allocated)
    return wrong (c, "about %zu bytes of memory are lost in each life", least.allocated);
  return !least.mapped || wrong (c, "about %zu bytes stay mapped after each life", least.mapped);
}

static bool
two_lives (Child *c)
{
  ValidateMachine vm;
  GByteArray *state = NULL;
  prepare (c, &vm);
  g_clear_pointer (&c->needs, g_free);
  if (vm.missing || vm.invented->len)
    c->needs = vm.missing ? g_strdup_printf ("an object with %s", vm.missing) : g_strdup_printf ("a real `%s`", vm.invented->str);
  bool good = !vm.missing && one_life_twice (c, vm.text, &state) && loses_nothing (c, vm.text, &state);
  g_clear_pointer (&state, g_byte_array_unref);
  validate_machine_clear (&vm);
  return good;
}

static bool
has_optional (const BpTypeDesc *type, BpPropertyKind kind)
{
  g_autoptr (GArray) rows = type_properties (type);
  for (unsigned i = 0; i < rows->len; i++) {
    const BpProperty *p = &g_array_index (rows, BpProperty, i);
    if (p->kind == kind && !(p->flags & BP_PROPERTY_REQUIRED))
      return true;
  }
  return false;
}

/* What the kind of type cannot do without; NULL: it is here. */
static char *
lacks (const BpTypeDesc *type)
{
  const BpAccelIface *accel = type->kind == BP_KIND_ACCEL ? type_interface (type, BP_ACCEL_ID) : NULL;
  g_autoptr (GError) error = NULL;
  if (BP_TABLE_HAS (accel, probe) && !accel->probe (&error))
    return g_strdup_printf ("it cannot run here: %s", error ? error->message : "(no words)");
  g_autoptr (GPtrArray) all = type_all ();
  bool can = type->kind != BP_KIND_INSTRUMENT;
  for (unsigned i = 0; !can && i < all->len; i++)
    can = type_interface (all->pdata[i], BP_INSTRUMENT_HOST_ID) != NULL;
  return can ? NULL : g_strdup ("needs an accelerator with " BP_INSTRUMENT_HOST_ID ", and no plugin here has one");
}

/* With its defaults; when it refuses, also with links, and then with files, that may be left out but that it cannot do without. */
static bool
try_lives (Child *c)
{
  const bool with[2] = { has_optional (c->type, BP_PROPERTY_LINK), has_optional (c->type, BP_PROPERTY_FILE) };
  c->links = c->files = false;
  bool good = two_lives (c);
  g_autofree char *refused = g_strdup (c->refused), *needs = g_strdup (c->needs);
  for (unsigned i = 0; !good && !c->why && !c->host && i < 2; i++) {
    if (!with[i])
      continue;
    *(i ? &c->files : &c->links) = true;
    good = two_lives (c);
  }
  if (!good && !c->why && !c->host && refused) {        /* the plain refusal says most */
    g_free (c->refused);
    g_free (c->needs);
    c->refused = g_steal_pointer (&refused);
    c->needs = g_steal_pointer (&needs);
  }
  return good;
}

/* An object that was made for it is not as it needs one, and it names that: NULL, or what it needs. */
static char *
blames_provider (const char *refusal)
{
  g_autoptr (GRegex) ids = g_regex_new ("\\b" VALIDATE_PROVIDER "[0-9]+\\b", 0, 0, NULL);
  g_autoptr (GMatchInfo) match = NULL;
  if (!refusal || !g_regex_match (ids, refusal, 0, &match))
    return NULL;
  g_autofree char *id = g_match_info_fetch (match, 0);
  return g_strdup_printf ("another object than `%s`", id);
}

static void
report_life (Child *c, bool good)
{
  g_autofree char *detail = NULL;
  if (good)
    detail = g_strdup_printf ("twice%s%s", c->links ? ", with its links set" : "", c->files ? ", with a file of zeros" : "");
  else if (c->why)
    detail = g_strdup (c->why);
  else if (c->needs || (c->needs = blames_provider (c->refused)))
    detail = g_strdup_printf ("needs %s%s%s", c->needs, c->refused ? "; " : "", c->refused ? c->refused : "");
  else
    detail = g_strdup_printf ("%s%s", c->host ? "the host: " : "with its own defaults, ", c->refused);
  end_item (c, good ? VALIDATE_PASSED : c->why || (!c->needs && !c->host) ? VALIDATE_FAILED : VALIDATE_SKIPPED, detail);
}

/* true: its properties can be tried in a machine.  again: its row is there. */
static bool
try_life (Child *c, bool again)
{
  g_autofree char *lack = lacks (c->type);
  bool good = !lack && try_lives (c);
  if (lack)
    end_item (c, VALIDATE_SKIPPED, lack);
  else if (!again)
    report_life (c, good);
  forget (c);
  return good;
}

/* --- items: the values of a property ----------------------------------------------------------------------- */

static bool
wrong_values_are_refused (Child *c, const BpProperty *p, unsigned *n)
{
  g_auto (GStrv) values = validate_wrong_values (p);
  bool good = true;
  for (char **v = values; good && *v; v++) {
    g_autofree char *bad = property_check (p, *v);
    (*n)++;
    good = bad || wrong (c, "`%s` is taken, and lies outside of what it says it takes", *v);
  }
  return good;
}

/* One value; a refusal is fine, as long as everything is unwound. */
static bool
try_value (Child *c, const BpProperty *p, const char *value, bool in_machine, unsigned *refusals)
{
  ValidateMachine vm;
  GByteArray *state = NULL;
  g_autofree char *bad = property_check (p, value);
  if (bad)
    return wrong (c, "`%.40s` is within its limits and refused: %s", value, bad);
  if (!in_machine)
    return true;
  c->value = value;
  prepare (c, &vm);
  if (!one_life_twice (c, vm.text, &state) && !c->why) {
    (*refusals)++;
    g_clear_pointer (&c->refused, g_free);
  }
  if (c->why) {
    g_autofree char *why = g_steal_pointer (&c->why);
    wrong (c, "with `%.40s`: %s", value, why);
  }
  c->value = NULL;
  g_clear_pointer (&state, g_byte_array_unref);
  validate_machine_clear (&vm);
  return !c->why;
}

/* A link that may be left out is set, alone; one that must not be was there all the time. */
static void
try_link (Child *c, const BpProperty *p, bool in_machine)
{
  ValidateMachine vm;
  GByteArray *state = NULL;
  bool alone = in_machine && !(p->flags & BP_PROPERTY_REQUIRED);
  g_autofree char *detail = NULL;
  ValidateResult result = VALIDATE_PASSED;
  prepare (c, &vm);
  if (vm.missing && (alone || !in_machine)) {
    result = VALIDATE_SKIPPED;
    detail = g_strdup_printf ("needs an object with %s", vm.missing);
  } else if (!alone) {
    detail = g_strdup (in_machine ? "with the life above" : "looked at without a machine");
  } else {
    bool good = one_life_twice (c, vm.text, &state);
    result = c->why ? VALIDATE_FAILED : VALIDATE_PASSED;
    detail = c->why ? g_strdup (c->why) : good ? g_strdup ("set") : g_strdup_printf ("set; %s", c->refused);
  }
  end_item (c, result, detail);
  g_clear_pointer (&state, g_byte_array_unref);
  validate_machine_clear (&vm);
}

static void
try_values (Child *c, const BpProperty *p, bool in_machine)
{
  g_auto (GStrv) values = validate_good_values (p, SAMPLE);
  unsigned n = 0, n_wrong = 0, refusals = 0;
  bool good = wrong_values_are_refused (c, p, &n_wrong);
  for (char **v = values; good && *v; v++, n++)
    good = try_value (c, p, *v, in_machine, &refusals);
  g_autofree char *detail = good ? NULL : g_strdup (c->why);
  if (good)
    detail = g_strdup_printf ("%u value(s)%s, %u of them refused; %u wrong one(s) refused", n, in_machine ? "" : " looked at without a machine", refusals, n_wrong);
  end_item (c, good ? VALIDATE_PASSED : VALIDATE_FAILED, detail);
}

static void
try_property (Child *c, const BpProperty *p, bool in_machine)
{
  c->key = p->name;
  if (p->kind == BP_PROPERTY_LINK)
    try_link (c, p, in_machine);
  else
    try_values (c, p, in_machine);
  c->key = NULL;
  forget (c);
}

/* --- all of a plugin -------------------------------------------------------------------------------------- */

/* Instruments need an accelerator, which the search path may have. */
static void
load_accelerators (const BpModule *module)
{
  bool wanted = false;
  for (const BpTypeDesc *const *t = module->desc->types; t && *t; t++)
    wanted |= (*t)->kind == BP_KIND_INSTRUMENT;
  if (wanted)
    plugin_load_all ();
}

static void
try_type (Child *c, int number, const BpTypeDesc *type, int first)
{
  c->type = type;
  if (first <= 0)
    begin_item (c, number, 0, type->name, "life cycle");
  bool in_machine = try_life (c, first > 0);
  g_autoptr (GArray) rows = type_properties (type);
  for (int i = 0; i < (int) rows->len; i++) {
    const BpProperty *p = &g_array_index (rows, BpProperty, i);
    if (i + 1 < first)
      continue;
    g_autofree char *what = g_strdup_printf ("property %s", p->name);
    begin_item (c, number, i + 1, type->name, what);
    try_property (c, p, in_machine);
  }
}

static BpModule *
load_plugin (Child *c, const char *file, ValidatePlace from)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *name = g_path_get_basename (file);
  bool first = from.type < 0;
  if (first)
    begin_item (c, -1, 0, name, "load");
  step (c, "load");
  BpModule *module = plugin_load (file, &error);
  if (first && module)
    end_item (c, VALIDATE_PASSED, module->desc->description);
  if (!first && !module)
    begin_item (c, from.type, from.item, name, "load once more");
  if (!module)
    end_item (c, VALIDATE_FAILED, error->message);
  return module;
}

static bool
register_stand_ins (Child *c, ValidatePlace from, const BpModule *module)
{
  g_autoptr (GError) error = NULL;
  on_stand_in = c;
  stand_in_on_fault (on_fault);
  if (stand_ins_register (&error))
    return true;
  begin_item (c, from.type, from.item + (from.type < 0), module->id, "names");
  end_item (c, VALIDATE_FAILED, error->message);
  return false;
}

void
validate_child (const char *file, ValidatePlace from, int fd)
{
  Child c = { .fd = fd };
  BpModule *module = load_plugin (&c, file, from);
  if (module && register_stand_ins (&c, from, module)) {
    load_accelerators (module);
    int number = 0;
    for (const BpTypeDesc *const *t = module->desc->types; t && *t; t++, number++)
      if (number >= from.type)
        try_type (&c, number, type_find ((*t)->name), number == from.type ? from.item : 0);
  }
  say (&c, g_strdup ("."));
  _exit (0);
}
