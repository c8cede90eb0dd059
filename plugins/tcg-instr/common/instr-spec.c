/* instr-spec.c -- parses properties that have several parts. */
/* SPDX-License-Identifier: MIT */
#include "instr-spec.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

bool
instr_refuse (GError **error, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_propagate_error (error, g_error_new_valist (BP_ERROR, BP_ERROR_PROPERTY, format, args));
  va_end (args);
  return false;
}

/* --- numbers ---------------------------------------------------------------------------------- */

bool
instr_parse_number (const char *text, uint64_t *value, GError **error)
{
  char *end = NULL;
  bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
  errno = 0;
  uint64_t v = g_ascii_isdigit (text[0]) ? g_ascii_strtoull (text, &end, hex ? 16 : 10) : 0;
  if (!end || errno == ERANGE || (hex && end == text + 1))
    goto wrong;
  unsigned shift = *end == 'K' || *end == 'k' ? 10 : *end == 'M' || *end == 'm' ? 20 : *end == 'G' || *end == 'g' ? 30 : 0;
  if (shift)
    end++;
  if (*end || (v << shift) >> shift != v)
    goto wrong;
  *value = v << shift;
  return true;
wrong:
  return instr_refuse (error, "`%s` is no number (like 64, 0x40, 32K)", text);
}

/* --- names ------------------------------------------------------------------------------------- */

/* How many letters must be put in, taken out or changed. */
static unsigned
distance (const char *a, const char *b)
{
  enum { LONGEST = 63 };
  unsigned row[LONGEST + 1], n = (unsigned) MIN (strlen (b), LONGEST);
  for (unsigned j = 0; j <= n; j++)
    row[j] = j;
  for (unsigned i = 1; a[i - 1]; i++) {
    unsigned diagonal = row[0];
    row[0] = i;
    for (unsigned j = 1; j <= n; j++) {
      unsigned changed = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = MIN (changed, MIN (row[j], row[j - 1]) + 1);
    }
  }
  return row[n];
}

const char *
instr_nearest (const char *word, const char *const *names)
{
  const char *best = NULL;
  unsigned least = (unsigned) strlen (word) / 2 + 1;
  for (; *names; names++) {
    unsigned d = distance (word, *names);
    if (d < least) {
      least = d;
      best = *names;
    }
  }
  return best;
}

static void
set_unknown_error (const char *what, const char *word, const char *const *names, GError **error)
{
  const char *near = instr_nearest (word, names);
  g_autofree char *all = g_strjoinv (", ", (char **) names);
  g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "%s `%s` is not known%s%s%s: there are %s", what, word, near ? " (did you mean `" : "",
               near ? near : "", near ? "`?)" : "", all);
}

/* --- name=value --------------------------------------------------------------------------------- */

static bool
set_number (const InstrSpec *row, const char *value, uint64_t *number, GError **error)
{
  if (!instr_parse_number (value, number, error)) {
    g_prefix_error (error, "%s: ", row->name);
    return false;
  }
  uint64_t max = row->max ? row->max : row->kind == INSTR_SPEC_U32 ? UINT32_MAX : UINT64_MAX;
  if (*number < row->min || *number > max)
    return instr_refuse (error, "%s=%s is out of its range, %" PRIu64 " to %" PRIu64, row->name, value, row->min, max);
  if ((row->flags & INSTR_SPEC_POWER_OF_TWO) && (!*number || (*number & (*number - 1))))
    return instr_refuse (error, "%s=%s is not a power of two", row->name, value);
  return true;
}

static bool
set_name (const InstrSpec *row, const char *value, int *index, GError **error)
{
  for (int i = 0; row->names[i]; i++)
    if (!strcmp (row->names[i], value)) {
      *index = i;
      return true;
    }
  set_unknown_error (row->name, value, row->names, error);
  return false;
}

static bool
set_bool (const InstrSpec *row, const char *value, bool *on, GError **error)
{
  *on = !value || !strcmp (value, "on");
  if (*on || !strcmp (value, "off"))
    return true;
  return instr_refuse (error, "%s=%s is neither on nor off", row->name, value);
}

static bool
set_part (const InstrSpec *row, const char *value, void *into, GError **error)
{
  char *field = (char *) into + row->offset;
  uint64_t number = 0;
  if (row->kind == INSTR_SPEC_BOOL)
    return set_bool (row, value, (bool *) field, error);
  if (!value)
    return instr_refuse (error, "%s has no value (%s=...)", row->name, row->name);
  if (row->kind == INSTR_SPEC_ENUM)
    return set_name (row, value, (int *) field, error);
  if (!set_number (row, value, &number, error))
    return false;
  if (row->kind == INSTR_SPEC_U32)
    *(uint32_t *) field = (uint32_t) number;
  else
    *(uint64_t *) field = number;
  return true;
}

static const InstrSpec *
find_row (const InstrSpec *rows, const char *name, GError **error)
{
  const char *names[33];
  unsigned n = 0;
  for (const InstrSpec *row = rows; row->name; row++) {
    if (!strcmp (row->name, name))
      return row;
    if (n < G_N_ELEMENTS (names) - 1)
      names[n++] = row->name;
  }
  names[n] = NULL;
  set_unknown_error ("the part", name, names, error);
  return NULL;
}

/* One `name=value' (it is taken apart); seen: a bit a row. */
static bool
parse_part (char *part, const InstrSpec *rows, void *into, uint64_t *seen, GError **error)
{
  char *value = strchr (part, '=');
  if (value)
    *value++ = 0;
  const InstrSpec *row = find_row (rows, g_strstrip (part), error);
  if (!row)
    return false;
  uint64_t bit = UINT64_C (1) << (row - rows);
  if (*seen & bit)
    return instr_refuse (error, "%s is there twice", row->name);
  *seen |= bit;
  return set_part (row, value ? g_strstrip (value) : NULL, into, error);
}

bool
instr_spec_parse (const char *text, const InstrSpec *rows, void *into, GError **error)
{
  uint64_t seen = 0;
  char **parts = g_strsplit (text ? text : "", ",", -1);
  bool fine = true;
  for (char **part = parts; fine && *part; part++)
    if (*g_strstrip (*part))
      fine = parse_part (*part, rows, into, &seen, error);
  g_strfreev (parts);
  for (const InstrSpec *row = rows; fine && row->name; row++)
    if ((row->flags & INSTR_SPEC_REQUIRED) && !(seen & UINT64_C (1) << (row - rows))) {
      g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "%s=... is missing", row->name);
      fine = false;
    }
  return fine;
}
