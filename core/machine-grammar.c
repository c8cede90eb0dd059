/* machine-grammar.c -- what a descriptor is written in: the kinds of sections, and what stands inside values: lists, places. */
/* SPDX-License-Identifier: MIT */
#include "descriptor.h"
#include <errno.h>
#include <string.h>

/* --- section kinds ------------------------------------------------------------------------ */

#define KEYS(...) (const char *const[]) { __VA_ARGS__, NULL }

static const SectionKind kinds[] = {
  { "machine", false, 0, true, KEYS ("format", "description", "include", "on-reset", "snapshot"), "the machine as a whole" },
  { "accel", true, BP_KIND_ACCEL, true, KEYS ("module", "type"), "what runs the vCPUs" },
  { "cpu", true, BP_KIND_CPU, true, KEYS ("module", "type", "count"), "one vCPU or several alike" },
  { "memory", true, BP_KIND_MEMORY, false, KEYS ("module", "type"), "host memory for guest RAM" },
  { "bus", true, BP_KIND_BUS, false, KEYS ("module", "type"), "a bus" },
  { "device", true, BP_KIND_DEVICE, false, KEYS ("module", "type", "count"), "a device, or several alike" },
  { "backend", true, BP_KIND_BACKEND, false, KEYS ("module", "type"), "the host's side of a device" },
  { "map", false, 0, false, KEYS ("region", "at", "offset", "size", "clip", "readonly", "priority"),
    "a region's place in an address space" },
  { "wire", false, 0, false, KEYS ("from", "to"), "wires between pins" },
  { "clock", false, 0, true, KEYS ("mode", "shift"), "how virtual time passes" },
  { "sandbox", false, 0, true, KEYS ("seccomp", "user", "allow", "capabilities"), "what a machine that runs may ask of the host" },
  { "boot", true, BP_KIND_BOOT, true, KEYS ("module", "type"), "what puts a program into the machine" },
  { "instrument", true, BP_KIND_INSTRUMENT, false, KEYS ("module", "type", "start", "stop", "patience", "report", "html"),
    "an instrumentation plugin" },
  { "monitor", true, BP_KIND_MONITOR, true, KEYS ("module", "type"), "a monitor" },
  { "display", true, BP_KIND_DISPLAY, true, KEYS ("module", "type"), "what shows a screen" },
  { "plugin", false, 0, false, KEYS ("module"), "a plugin to load" },
  { "override", false, 0, true, NULL, "changes keys of another section" },
  { "include", false, 0, true, KEYS ("file"), "reads another file first" },
};

const SectionKind *
section_kind (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (strcmp (kinds[i].name, name) == 0)
      return &kinds[i];
  return NULL;
}

bool
section_key_is_prose (const char *kind, const char *key)
{
  return strcmp (kind, "machine") == 0 && strcmp (key, "description") == 0;
}

const char *const *
section_kind_names (void)
{
  static const char *names[G_N_ELEMENTS (kinds) + 1];
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    names[i] = kinds[i].name;
  return names;
}

/* --- small grammars ----------------------------------------------------------------------- */

char **
list_split (const char *text)
{
  GPtrArray *items = g_ptr_array_new ();
  g_auto (GStrv) parts = g_strsplit (text, ",", -1);
  for (char **part = parts; *part; part++)
    if (*g_strstrip (*part))
      g_ptr_array_add (items, g_strdup (*part));
  g_ptr_array_add (items, NULL);
  return (char **) g_ptr_array_free (items, FALSE);
}

bool
parse_priority (const char *text, int *priority)
{
  char *end;
  errno = 0;
  gint64 n = g_ascii_strtoll (text, &end, 10);
  if (end == text || *end || errno || n < G_MININT || n > G_MAXINT)
    return false;
  *priority = (int) n;
  return true;
}

/* The words after the address: prio N, size S; `=` may stand between. */
static char *
place_options (char **words, Place *place)
{
  for (; *words; words += 2) {
    if (!words[1])
      return g_strdup_printf ("`%s` after the address has no value; write `prio N` or `size S`", words[0]);
    if (strcmp (words[0], "prio") == 0 || strcmp (words[0], "priority") == 0) {
      if (!parse_priority (words[1], &place->priority))
        return g_strdup_printf ("`%s` is not a priority (a whole number)", words[1]);
    } else if (strcmp (words[0], "size") == 0) {
      place->has_size = true;
      if (!parse_size (words[1], &place->size) || place->size == 0)
        return g_strdup_printf ("`%s` is not a size", words[1]);
    } else {
      return g_strdup_printf ("`%s` after the address is unknown; write `prio N` or `size S`", words[0]);
    }
  }
  return NULL;
}

char *
place_parse (const char *text, Place *place)
{
  *place = (Place) { 0 };
  const char *at = strchr (text, '@');
  if (!at)
    return g_strdup_printf (
        "`%s` is not a place; write SPACE@ADDRESS, for example memory@0xfec00000 or io@0x3f8", text);
  place->space = g_strstrip (g_strndup (text, (gsize) (at - text)));
  g_autofree char *rest = g_strstrip (g_strdelimit (g_strdup (at + 1), "=\t", ' '));
  g_auto (GStrv) split = g_strsplit (rest, " ", -1);
  char **to = split;
  for (char **from = split; *from; from++) {    /* runs of blanks leave empty words */
    if (**from)
      *to++ = *from;
    else
      g_free (*from);
  }
  *to = NULL;
  if (!split[0] || !parse_size (split[0], &place->address))
    return g_strdup_printf ("`%s` is not an address", split[0] ? split[0] : "");
  return place_options (split + 1, place);
}
