/* validate-values.c -- values at the limits of a property, and beyond them. */
/* SPDX-License-Identifier: MIT */
#include "validate.h"
#include <string.h>

enum { LONG_TEXT = 5000 };

static void
take (GPtrArray *values, char *text)
{
  if (!g_ptr_array_find_with_equal_func (values, text, g_str_equal, NULL))
    g_ptr_array_add (values, text);
  else
    g_free (text);
}

static void take_copy (GPtrArray *values, const char *text) { take (values, g_strdup (text)); }

static bool is_signed (BpPropertyKind kind) { return kind >= BP_PROPERTY_I8 && kind <= BP_PROPERTY_I64; }

static char *
number (const BpProperty *p, uint64_t value)
{
  return is_signed (p->kind) ? g_strdup_printf ("%" G_GINT64_FORMAT, (int64_t) value) : g_strdup_printf ("%" G_GUINT64_FORMAT, value);
}

static char **
end (GPtrArray *values)
{
  g_ptr_array_add (values, NULL);
  return (char **) g_ptr_array_free (values, FALSE);
}

static char *
many_words (void)
{
  GString *text = g_string_new ("a");
  while (text->len < LONG_TEXT)
    g_string_append (text, ",a");
  return g_string_free (text, FALSE);
}

char **
validate_good_values (const BpProperty *p, const char *sample)
{
  GPtrArray *values = g_ptr_array_new ();
  uint64_t min, max;
  char *by_default = p->flags & BP_PROPERTY_REQUIRED ? NULL : property_default_text (p);
  if (by_default && (*by_default || p->kind != BP_PROPERTY_FILE))
    take (values, by_default);
  else
    g_free (by_default);
  switch (p->kind) {
  case BP_PROPERTY_BOOL:
    take_copy (values, "off");
    take_copy (values, "on");
    break;
  case BP_PROPERTY_ENUM:
    for (unsigned i = 0; p->names[i]; i++)
      take_copy (values, p->names[i]);
    break;
  case BP_PROPERTY_STRING:
  case BP_PROPERTY_LIST:
    take_copy (values, "");
    take_copy (values, "x");
    take_copy (values, p->kind == BP_PROPERTY_LIST ? "x,,y" : "a b\\c");
    take_copy (values, "%s%n%s%n");      /* a text is no format */
    take (values, g_strnfill (LONG_TEXT, 'a'));
    if (p->kind == BP_PROPERTY_LIST)
      take (values, many_words ());
    break;
  case BP_PROPERTY_FILE:
    take_copy (values, p->flags & BP_PROPERTY_FOLDER ? "." : sample);
    take_copy (values, "no-such-file");
    take_copy (values, p->flags & BP_PROPERTY_FOLDER ? sample : ".");
    break;
  case BP_PROPERTY_LINK:
    break;
  default:
    property_limits (p, &min, &max);
    take (values, number (p, min));
    take (values, number (p, max));
    break;
  }
  return end (values);
}

/* The number behind a limit, where the kind has one; that behind the kind's own is too long for 64 bits at most. */
static void
take_beyond (GPtrArray *values, const BpProperty *p)
{
  uint64_t min, max;
  property_limits (p, &min, &max);
  if (is_signed (p->kind)) {
    if ((int64_t) min != INT64_MIN)
      take (values, number (p, min - 1));
    if ((int64_t) max != INT64_MAX)
      take (values, number (p, max + 1));
  } else {
    if (min)
      take (values, number (p, min - 1));
    if (max != UINT64_MAX)
      take (values, number (p, max + 1));
    take_copy (values, "-1");
  }
  take_copy (values, "18446744073709551616");
  take_copy (values, "1e3");
  take_copy (values, "x");
  take_copy (values, "");
}

char **
validate_wrong_values (const BpProperty *p)
{
  GPtrArray *values = g_ptr_array_new ();
  switch (p->kind) {
  case BP_PROPERTY_BOOL:
  case BP_PROPERTY_ENUM:
    take_copy (values, "no-such-value");
    take_copy (values, "");
    break;
  case BP_PROPERTY_FILE:
  case BP_PROPERTY_LINK:
    take_copy (values, "");
    break;
  case BP_PROPERTY_STRING:
  case BP_PROPERTY_LIST:
    break;
  default:
    take_beyond (values, p);
    break;
  }
  return end (values);
}
