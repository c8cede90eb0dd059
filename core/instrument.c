/* instrument.c -- instruments find the accelerator, and the machine its instruments; what their sections' own keys say. */
/* SPDX-License-Identifier: MIT */
#include "contract.h"
#include "instrument.h"
#include <backplane/iface/symbols.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_PATIENCE 10000
#define LONGEST_PATIENCE 3600000

const SectionKey instrument_keys[] = {
  { "start", "now", "now, marker, ADDRESS, SYMBOL, never", "When it begins: at once; at the guest's marker 1; before the instruction at an address or symbol; when a monitor says so." },
  { "stop", "never", "marker, ADDRESS, SYMBOL, never", "When it ends: likewise, with the guest's marker 2." },
  { "patience", "10000", "0..3600000", "How many milliseconds a vCPU waits for an instrument with a thread of its own before records are dropped." },
  { "report", NULL, "FILE", "Where its results go as JSON at the end of the run." },
  { "html", NULL, "FILE", "Where its results go as a page of HTML." },
  { NULL, NULL, NULL, NULL }
};

/* --- start and stop ----------------------------------------------------------------------- */

/* What `start' or `stop' says. */
typedef struct When {
  BpInstrumentWhen when;
  uint64_t address;
  const char *symbol;           /* its address is not known yet */
} When;

static const char *const start_words[] = { "now", "marker", "never", NULL }, *const stop_words[] = { "marker", "never", NULL };

/* NULL when fine, else what is wrong. */
static const char *
when_parse (const char *text, bool is_start, When *when)
{
  *when = (When) { .when = BP_WHEN_ADDRESS };
  if (!*text)
    return "the value is empty";
  if (strcmp (text, "now") == 0) {
    when->when = BP_WHEN_NOW;
    return is_start ? NULL : "an instrument does not stop before it has begun";
  }
  if (strcmp (text, "marker") == 0)
    when->when = BP_WHEN_MARKER;
  else if (strcmp (text, "never") == 0)
    when->when = BP_WHEN_NEVER;
  else if (!g_ascii_isdigit (*text))
    when->symbol = text;
  else if (!parse_size (text, &when->address))
    return "that is not an address";
  return NULL;
}

/* A section that was refused, which was said, might have been the one with symbols. */
static bool
may_have_symbols (Descriptor *d, BpMachine *m)
{
  unsigned cursor = 0;
  for (guint i = 0; i < d->sections->len; i++) {
    Section *s = d->sections->pdata[i];
    g_autofree char *first = g_strconcat (section_id (s), "0", NULL);
    if (section_kind (s->kind)->is_object && !g_hash_table_contains (m->by_id, section_id (s)) && !g_hash_table_contains (m->by_id, first))
      return true;
  }
  return bp_machine_next (m, BP_SYMBOLS_ID, &cursor) != NULL;
}

static void
check_when (Descriptor *d, BpMachine *m, Section *s, const char *key)
{
  Value *v = section_value (s, key);
  bool is_start = strcmp (key, "start") == 0;
  When when;
  if (!v)
    return;
  const char *wrong = when_parse (v->text, is_start, &when);
  if (wrong)
    descriptor_error (d, &v->origin, s, key, NULL, "`%s`: %s", v->text, wrong);
  else if (when.symbol && !may_have_symbols (d, m))
    descriptor_error (d, &v->origin, s, key, nearest_name (v->text, is_start ? start_words : stop_words),
                      "`%s` is neither %smarker, never nor an address, and no object of the machine has symbols", v->text, is_start ? "now, " : "");
}

Value *
instrument_value (BpObject *o, const char *key)
{
  return o->type->kind == BP_KIND_INSTRUMENT ? section_value (object_section (o), key) : NULL;
}

/* Symbols were read when their objects were realized, which was before this. */
static bool
resolve (BpObject *o, const char *key, BpInstrumentWhen *when, uint64_t *address, GError **error)
{
  Value *v = instrument_value (o, key);
  bool is_start = strcmp (key, "start") == 0;
  When parsed;
  if (!v || when_parse (v->text, is_start, &parsed))
    return true;                /* what is wrong was said when the machine was built */
  *when = parsed.when;
  *address = parsed.address;
  if (!parsed.symbol || bp_machine_symbol_address (o->machine, parsed.symbol, address))
    return true;
  const char *hint = nearest_name (v->text, is_start ? start_words : stop_words);
  g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "%s: no object of the machine knows a symbol `%s`%s%s%s", key, v->text, hint ? " (did you mean `" : "",
               hint ? hint : "", hint ? "`?)" : "");
  return false;
}

/* --- the other keys ------------------------------------------------------------------------- */

static bool
parse_patience (const char *text, uint32_t *ms)
{
  uint64_t n;
  bool good = *text && strspn (text, "0123456789") == strlen (text) && parse_size (text, &n) && n <= LONGEST_PATIENCE;
  if (good)
    *ms = (uint32_t) n;
  return good;
}

static void
check_patience (Descriptor *d, Section *s)
{
  Value *v = section_value (s, "patience");
  uint32_t ms;
  if (v && !parse_patience (v->text, &ms))
    descriptor_error (d, &v->origin, s, "patience", NULL, "`%s` is not a number of milliseconds in 0..%d", v->text, LONGEST_PATIENCE);
}

char *
output_wrong (const char *path)
{
  g_autofree char *directory = g_path_get_dirname (path);
  if (!*path)
    return g_strdup ("the value is empty");
  if (g_file_test (path, G_FILE_TEST_IS_DIR))
    return g_strdup_printf ("`%s` is a directory, not a file", path);
  if (!g_file_test (directory, G_FILE_TEST_IS_DIR))
    return g_strdup_printf ("cannot write `%s`: there is no directory `%s`", path, directory);
  bool special = g_file_test (path, G_FILE_TEST_EXISTS) && !g_file_test (path, G_FILE_TEST_IS_REGULAR);
  if (access (special ? path : directory, W_OK) != 0)
    return g_strdup_printf ("cannot write `%s`: %s", path, g_strerror (errno));
  return NULL;
}

/* writers: path -> the section that writes it. */
static void
check_output (Descriptor *d, Section *s, const char *key, GHashTable *writers)
{
  Value *v = section_value (s, key);
  if (!v)
    return;
  g_autofree char *wrong = output_wrong (v->text);
  char *path = g_canonicalize_filename (v->text, NULL);
  Section *other = g_hash_table_lookup (writers, path);
  if (wrong)
    descriptor_error (d, &v->origin, s, key, NULL, "%s", wrong);
  else if (other)
    descriptor_error (d, &v->origin, s, key, NULL, "`%s` is written by [%s] already", v->text, section_label (other));
  g_hash_table_insert (writers, path, s);
}

void
instruments_check (Descriptor *d, BpMachine *m)
{
  g_autoptr (GHashTable) writers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < d->sections->len; i++) {
    Section *s = d->sections->pdata[i];
    if (strcmp (s->kind, "instrument") != 0)
      continue;
    check_when (d, m, s, "start");
    check_when (d, m, s, "stop");
    check_patience (d, s);
    check_output (d, s, "report", writers);
    check_output (d, s, "html", writers);
  }
}

static bool
read_control (BpObject *o, BpInstrumentControl *control, GError **error)
{
  Value *v = instrument_value (o, "patience");
  *control = (BpInstrumentControl) { .struct_size = sizeof *control, .start = BP_WHEN_NOW, .stop = BP_WHEN_NEVER, .patience_ms = DEFAULT_PATIENCE };
  if (v)
    parse_patience (v->text, &control->patience_ms);
  return resolve (o, "start", &control->start, &control->start_address, error) &&
         resolve (o, "stop", &control->stop, &control->stop_address, error);
}

/* --- who is attached ------------------------------------------------------------------------ */

static void
remember (BpObject *o, const BpInstrumentOps *ops, void *user, BpInstrument *instrument)
{
  FullMachine *fm = full_machine (o->machine);
  Attached *a = g_new0 (Attached, 1);
  *a = (Attached) { o, ops, user, instrument };
  if (!fm->instruments)
    fm->instruments = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (fm->instruments, a);
}

const Attached *
instrument_attached (const BpObject *o)
{
  GPtrArray *all = full_machine (o->machine)->instruments;
  for (guint i = 0; all && i < all->len; i++)
    if (((const Attached *) all->pdata[i])->object == o)
      return all->pdata[i];
  return NULL;
}

void
instrument_forget (BpObject *o)
{
  const Attached *a = instrument_attached (o);
  if (a)
    g_ptr_array_remove (full_machine (o->machine)->instruments, (void *) a);
}

BpInstrument *
bp_instrument_attach (void *self, const BpInstrumentOps *ops, void *user, GError **error)
{
  CONTRACT_MAIN (bp_object_machine (self));
  BpObject *o = object_of (self);
  BpMachine *m = bp_object_machine (self);
  void *accel = m->accel ? object_instance (m->accel) : NULL;
  const BpInstrumentHost *host = accel ? bp_object_interface (accel, BP_INSTRUMENT_HOST_ID) : NULL;
  BpInstrumentControl control;
  g_assert (ops);
  if (o->stage == OBJECT_NEW) {         /* the accelerator is not realized either */
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "it is attached too early: bp_instrument_attach is for `realize`, not for `configure`");
    return NULL;
  }
  if (instrument_attached (o)) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "it is attached already");
    return NULL;
  }
  if (!BP_TABLE_HAS (host, attach)) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the accelerator%s%s cannot be instrumented (accel-tcg can)", accel ? " " : "",
                 accel ? bp_object_type_name (accel) : "");
    return NULL;
  }
  BpInstrument *instrument = read_control (o, &control, error) ? host->attach (accel, self, ops, user, &control, error) : NULL;
  if (instrument)
    remember (o, ops, user, instrument);
  return instrument;
}

BpInstrument *
bp_instrument_of (const void *self)
{
  CONTRACT_MAIN (bp_object_machine (self));
  const Attached *a = instrument_attached (object_of (self));
  return a ? a->instrument : NULL;
}
