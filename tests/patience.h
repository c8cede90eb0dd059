/* patience.h -- how long a test waits for what is to happen: longer under tools that make everything slow, of which tests/run-test tells. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_PATIENCE_H
#define TESTS_PATIENCE_H

#include <glib.h>

/* so many seconds, in microseconds */
static inline gint64
patience (unsigned seconds)
{
  const char *times = g_getenv ("BACKPLANE_PATIENCE");
  return seconds * MAX (times ? g_ascii_strtoll (times, NULL, 10) : 1, 1) * G_USEC_PER_SEC;
}

static inline gint64
patience_ends (unsigned seconds)
{
  return g_get_monotonic_time () + patience (seconds);
}

#endif
