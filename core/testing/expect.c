/* expect.c -- expectations, where they stand, and what becomes of one that is not met. */
/* SPDX-License-Identifier: MIT */
#include "testing.h"
#include "private.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static __thread const char *where_file = "?";     /* devices of a test may expect as well, on threads of theirs */
static __thread int where_line;
static BpTestFailed *on_failure;

/* --- failing ------------------------------------------------------------------------------ */

void
bp_test_at (const char *file, int line)
{
  where_file = file;
  where_line = line;
}

const char *
bp_test_where (int *line)
{
  *line = where_line;
  return where_file;
}

void
bp_test_on_failure (BpTestFailed *failed)
{
  on_failure = failed;
}

void
testing_fail (const char *message)
{
  if (on_failure)
    on_failure (where_file, where_line, message);
  fprintf (stderr, "%s:%d: %s\n", where_file, where_line, message);
  exit (1);
}

void
(bp_test_fail) (const char *format, ...)
{
  va_list args;
  va_start (args, format);
  char *message = g_strdup_vprintf (format, args);
  va_end (args);
  testing_fail (message);
}

/* --- expectations --------------------------------------------------------------------------- */

void
(bp_test_expect_true) (bool holds, const char *what)
{
  if (!holds)
    (bp_test_fail) ("expected: %s", what);
}

void
(bp_test_expect_number) (uint64_t is, uint64_t expected, const char *what)
{
  if (is != expected)
    (bp_test_fail) ("%s is 0x%" PRIx64 " (%" PRId64 "), expected 0x%" PRIx64 " (%" PRId64 ")", what, is, (int64_t) is, expected, (int64_t) expected);
}

void
(bp_test_expect_string) (const char *is, const char *expected, const char *what)
{
  if (g_strcmp0 (is, expected) != 0)
    (bp_test_fail) ("%s is \"%s\", expected \"%s\"", what, is ? is : "(null)", expected ? expected : "(null)");
}

void
(bp_test_expect_text_has) (const char *text, const char *part, const char *what)
{
  if (!text || !strstr (text, part))
    (bp_test_fail) ("%s has no \"%s\": \"%s\"", what, part, text ? text : "(null)");
}

void
(bp_test_expect_load) (BpTest *t, const char *space, uint64_t address, unsigned size, uint64_t expected)
{
  uint64_t is = (bp_test_load) (t, space, address, size);
  if (is != expected)
    (bp_test_fail) ("%u bytes at 0x%" PRIx64 " of `%s` are 0x%" PRIx64 ", expected 0x%" PRIx64, size, address, space, is, expected);
}

void
(bp_test_expect_level) (BpTest *t, const char *pin, int expected)
{
  int is = (bp_test_level) (t, pin);
  if (is != expected)
    (bp_test_fail) ("%s is %s, expected %s", pin, is ? "high" : "low", expected ? "high" : "low");
}

/* --- the log ------------------------------------------------------------------------------------ */

static GString *kept;
static GMutex kept_lock;

static void
keep (const char *line)
{
  g_mutex_lock (&kept_lock);
  g_string_append (kept, line);
  g_mutex_unlock (&kept_lock);
}

void
(bp_test_keep_log) (const char *topics)
{
  g_autoptr (GError) error = NULL;
  if (!kept)
    kept = g_string_new (NULL);
  if (!bp_log_set_topics (topics ? topics : "", &error))
    (bp_test_fail) ("%s", error->message);
  bp_private_log_sink (topics ? keep : NULL);
}

char *
(bp_test_take_log) (void)
{
  g_mutex_lock (&kept_lock);
  char *text = g_strdup (kept ? kept->str : "");
  if (kept)
    g_string_truncate (kept, 0);
  g_mutex_unlock (&kept_lock);
  return text;
}
