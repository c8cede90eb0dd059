/* machine-accel.c -- which accelerator runs the machine: the first of those that [accel] names which can, on this host, what the machine asks for. */
/* SPDX-License-Identifier: MIT */
#include "descriptor.h"
#include <backplane/tcg/instrument-host.h>
#include <string.h>

typedef struct Candidate {
  char *name;                   /* of the module, as plugin_load takes it */
  const BpTypeDesc *type;       /* NULL: not loaded yet, or it cannot be */
  char *reason;                 /* why it is not the one; NULL: nothing is known against it */
} Candidate;

struct AccelChoice {
  GArray *candidates;           /* of Candidate, in the descriptor's order */
  int taken;                    /* -1: none can */
};

static Candidate *candidate_at (const AccelChoice *c, guint i) { return &g_array_index (c->candidates, Candidate, i); }

static void
candidate_clear (void *data)
{
  Candidate *c = data;
  g_free (c->name);
  g_free (c->reason);
}

void
accel_choice_free (AccelChoice *choice)
{
  if (!choice)
    return;
  g_array_unref (choice->candidates);
  g_free (choice);
}

/* --- can it run here? --------------------------------------------------------------------------- */

/* A reason is part of one line: without the folders that plugins were looked for in. */
static char *
one_line (const char *text)
{
  const char *searched = strstr (text, "; searched: ");
  char *line = searched ? g_strndup (text, (gsize) (searched - text)) : g_strdup (text);
  return g_strstrip (g_strdelimit (line, "\n\t", ' '));
}

/* The module's accelerator; NULL with the reason. */
static const BpTypeDesc *
accel_type (const BpModule *module, const char *wanted, char **reason)
{
  const BpTypeDesc *found = NULL;
  unsigned n = 0;
  for (const BpTypeDesc *const *t = module->desc->types; t && *t; t++) {
    if ((*t)->kind != BP_KIND_ACCEL || (wanted && strcmp ((*t)->name, wanted)))
      continue;
    found = *t;
    n++;
  }
  if (n == 1)
    return found;
  *reason = wanted   ? g_strdup_printf ("it has no accelerator `%s`", wanted)
            : n == 0 ? g_strdup ("it has no type for an [accel] section")
                     : g_strdup ("it has several types for an [accel]: say which with `type =`");
  return NULL;
}

/* NULL when it can. */
static char *
cannot_run (const BpTypeDesc *type)
{
  const BpAccelIface *iface = type_interface (type, BP_ACCEL_ID);
  g_autoptr (GError) error = NULL;
  if (!BP_TABLE_HAS (iface, probe) || iface->probe (&error))
    return NULL;
  return error ? one_line (error->message) : g_strdup ("it gave no reason");
}

/* What the machine asks of its accelerator besides.  NULL: nothing that it lacks. */
static char *
lacks (const Descriptor *d, const BpTypeDesc *type)
{
  const BpAccelIface *iface = type_interface (type, BP_ACCEL_ID);
  Section *clock = descriptor_section (d, "clock");
  Value *mode = clock ? section_value (clock, "mode") : NULL;
  if (mode && strcmp (mode->text, "instructions") == 0 && !BP_TABLE_HAS (iface, virtual_time))
    return g_strdup ("it cannot count instructions, which [clock] asks for");
  for (guint i = 0; i < d->sections->len; i++) {
    const Section *s = d->sections->pdata[i];
    if (strcmp (s->kind, "instrument") == 0 && !type_interface (type, BP_INSTRUMENT_HOST_ID))
      return g_strdup_printf ("it cannot be instrumented, which [%s] asks for", section_label (s));
  }
  return NULL;
}

bool
accel_can_run (Descriptor *d, Section *s, const BpTypeDesc *type)
{
  if (full_section (s)->choice)
    return true;                /* it was asked when it was chosen */
  g_autofree char *why = cannot_run (type), *lacking = why ? NULL : lacks (d, type);
  const Value *v = section_value (s, "module");
  if (!v)
    v = section_value (s, "type");
  if (why)
    descriptor_error (d, v ? &v->origin : NULL, s, v ? v->key : NULL, NULL, "`%s` cannot run here: %s", type->name, why);
  else if (lacking)
    descriptor_error (d, v ? &v->origin : NULL, s, v ? v->key : NULL, NULL, "`%s` will not do: %s (accel-tcg can)", type->name, lacking);
  return !why && !lacking;
}

/* --- choosing ------------------------------------------------------------------------------------- */

/* Finds the candidate's type once; false with its reason. */
static bool
load (const Section *s, Candidate *c)
{
  g_autoptr (GError) error = NULL;
  Value *type = section_value (s, "type");
  if (c->type || c->reason)
    return c->type != NULL;
  BpModule *module = plugin_load (c->name, &error);
  if (!module)
    c->reason = one_line (error->message);
  else
    c->type = accel_type (module, type ? type->text : NULL, &c->reason);
  return c->type != NULL;
}

static void
report_none (Descriptor *d, Section *s, const AccelChoice *choice)
{
  g_autoptr (GString) reasons = g_string_new (NULL);
  for (guint i = 0; i < choice->candidates->len; i++)
    g_string_append_printf (reasons, "%s %s: %s", i ? ";" : "", candidate_at (choice, i)->name, candidate_at (choice, i)->reason);
  descriptor_error (d, &section_value (s, "module")->origin, s, "module", NULL, "none of these can run here:%s", reasons->str);
}

void
accel_choose (Descriptor *d, Section *s, char **names)
{
  AccelChoice *choice = g_new0 (AccelChoice, 1);
  choice->candidates = g_array_new (FALSE, TRUE, sizeof (Candidate));
  choice->taken = -1;
  g_array_set_clear_func (choice->candidates, candidate_clear);
  accel_choice_free (full_section (s)->choice);
  full_section (s)->choice = choice;
  for (guint i = 0; names[i]; i++) {
    Candidate fresh = { .name = g_strdup (names[i]) };
    g_array_append_val (choice->candidates, fresh);
    Candidate *c = candidate_at (choice, i);
    if (choice->taken >= 0 || !load (s, c))
      continue;
    c->reason = cannot_run (c->type);
    if (!c->reason)
      c->reason = lacks (d, c->type);
    if (!c->reason)
      choice->taken = (int) i;
  }
  if (choice->taken < 0)
    report_none (d, s, choice);
}

const char *
accel_module (const Section *s)
{
  const AccelChoice *choice = full_section (s)->choice;
  return choice && choice->taken >= 0 ? candidate_at (choice, (guint) choice->taken)->name : NULL;
}

/* --- keys of the others ---------------------------------------------------------------------------- */

static const BpProperty *
find_property (GArray *rows, const char *key)
{
  for (guint i = 0; i < rows->len; i++)
    if (strcmp (g_array_index (rows, BpProperty, i).name, key) == 0)
      return &g_array_index (rows, BpProperty, i);
  return NULL;
}

/* The candidate, not the one that was taken, that has the key; NULL: none.  *unsure: one could not be asked. */
static const Candidate *
who_knows (const Section *s, const char *key, BpProperty *row, bool *unsure)
{
  const AccelChoice *choice = full_section (s)->choice;
  for (guint i = 0; choice && i < choice->candidates->len; i++) {
    Candidate *c = candidate_at (choice, i);
    if ((int) i == choice->taken)
      continue;
    if (!load (s, c)) {
      *unsure = true;
      continue;
    }
    g_autoptr (GArray) rows = type_properties (c->type);
    const BpProperty *p = find_property (rows, key);
    if (p) {
      *row = *p;
      return c;
    }
  }
  return NULL;
}

bool
accel_skips (Descriptor *d, Section *s, Value *v, bool *unsure)
{
  BpProperty p;
  if (!who_knows (s, v->key, &p, unsure))
    return false;
  bool is_text = p.kind == BP_PROPERTY_STRING || p.kind == BP_PROPERTY_FILE || p.kind == BP_PROPERTY_LIST;
  g_autofree char *wrong = is_text || p.kind == BP_PROPERTY_LINK ? NULL : property_check (&p, v->text);
  if (wrong)
    descriptor_error (d, &v->origin, s, v->key, NULL, "%s", wrong);
  return true;
}

const char *
accel_nearest_key (const Section *s, const char *key)
{
  const AccelChoice *choice = full_section (s)->choice;
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  for (guint i = 0; choice && i < choice->candidates->len; i++) {
    Candidate *c = candidate_at (choice, i);
    g_autoptr (GArray) rows = load (s, c) ? type_properties (c->type) : NULL;
    for (guint j = 0; rows && j < rows->len; j++)
      g_ptr_array_add (names, (void *) g_array_index (rows, BpProperty, j).name);
  }
  g_ptr_array_add (names, NULL);
  return nearest_name (key, (const char *const *) names->pdata);
}

/* --- for people ------------------------------------------------------------------------------------ */

static char *
choice_text (const AccelChoice *choice)
{
  GString *out = g_string_new (candidate_at (choice, (guint) choice->taken)->name);
  for (int i = 0; i < choice->taken; i++)
    g_string_append_printf (out, "%s%s cannot: %s", i ? "; " : " (", candidate_at (choice, (guint) i)->name, candidate_at (choice, (guint) i)->reason);
  if (choice->taken > 0)
    g_string_append_c (out, ')');
  return g_string_free (out, FALSE);
}

char *
accel_taken_text (const Descriptor *d)
{
  for (guint i = 0; i < d->sections->len; i++) {
    const AccelChoice *choice = full_section (d->sections->pdata[i])->choice;
    if (choice && choice->taken >= 0)
      return choice_text (choice);
  }
  return NULL;
}

void
accel_explain (const Section *s, const char *key, GString *out)
{
  const AccelChoice *choice = full_section (s)->choice;
  BpProperty row;
  bool unsure;
  if (!choice || choice->taken < 0)
    return;
  if (strcmp (key, "module") == 0) {
    g_autofree char *text = choice_text (choice);
    g_string_append_printf (out, "  took %s\n", text);
    return;
  }
  const Candidate *c = who_knows (s, key, &row, &unsure);
  g_string_append_printf (out, "  not used: `%s` has no such key%s%s%s\n", accel_module (s), c ? ", `" : "", c ? c->name : "", c ? "` has" : "");
}
