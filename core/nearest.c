/* nearest.c -- which known name a mistyped one was meant to be. */
/* SPDX-License-Identifier: MIT */

#include <string.h>

#include "object.h"

enum { LONGEST = 63 };          /* names beyond it are compared no further: nobody mistypes one that long */

/* Case and the choice of '-' or '_' are never the difference that matters. */
static char
fold (char c)
{
  return c == '_' ? '-' : g_ascii_tolower (c);
}

static unsigned
least (unsigned a, unsigned b, unsigned c)
{
  return MIN (MIN (a, b), c);
}

/* Edits that turn a into b: insert, delete, replace, swap two neighbours. */
static unsigned
distance (const char *a, size_t a_length, const char *b, size_t b_length)
{
  unsigned rows[3][LONGEST + 1];
  unsigned *before = rows[0], *last = rows[1], *row = rows[2];
  for (size_t j = 0; j <= b_length; j++) {
    last[j] = (unsigned) j;
  }
  for (size_t i = 1; i <= a_length; i++) {
    row[0] = (unsigned) i;
    for (size_t j = 1; j <= b_length; j++) {
      bool same = fold (a[i - 1]) == fold (b[j - 1]);
      row[j] = least (last[j] + 1, row[j - 1] + 1, last[j - 1] + !same);
      if (i > 1 && j > 1 && fold (a[i - 1]) == fold (b[j - 2]) && fold (a[i - 2]) == fold (b[j - 1])) {
        row[j] = MIN (row[j], before[j - 2] + 1);
      }
    }
    unsigned *oldest = before;
    before = last;
    last = row;
    row = oldest;
  }
  return last[b_length];
}

/* "uart" is short for "uart-16550", "serial" is not for "serials". */
static bool
abbreviates (const char *word, size_t length, const char *name)
{
  return length >= 2 && g_ascii_strncasecmp (word, name, length) == 0 &&
         (name[length] == '-' || name[length] == '.');
}

/* "kvm" is the last part of "accel-kvm". */
static bool
ends (const char *word, size_t length, const char *name, size_t name_length)
{
  const char *at = name + name_length - length;
  return length >= 2 && name_length > length + 1 && at[-1] == '-' && g_ascii_strcasecmp (word, at) == 0;
}

/* "virtio-net" is what is known here of "virtio-net-pci", as others call it. */
static bool
begins (const char *word, size_t length, const char *name, size_t name_length)
{
  for (size_t i = 0; i < name_length; i++) {
    if (name_length >= length || fold (word[i]) != fold (name[i])) {
      return false;
    }
  }
  return name_length >= 2 && (fold (word[name_length]) == '-' || word[name_length] == '.');
}

const char *
nearest_name (const char *word, const char *const *candidates)
{
  size_t length = strlen (word);
  if (length == 0 || length > LONGEST || !candidates) {
    return NULL;
  }
  enum { SLIPS = 2 };           /* no more edits than that are a slip of the fingers, whatever the words are */
  const char *best = NULL, *longer = NULL, *tail = NULL, *stem = NULL;
  size_t stem_length = 0;
  unsigned best_distance = MAX (1, (unsigned) length / 3) + 1;
  for (; *candidates; candidates++) {
    const char *name = *candidates;
    size_t name_length = strlen (name);
    if (!longer && abbreviates (word, length, name)) {
      longer = name;
    }
    if (!tail && ends (word, length, name, name_length)) {
      tail = name;
    }
    if (name_length > stem_length && begins (word, length, name, name_length)) {
      stem = name;
      stem_length = name_length;
    }
    if (name_length > LONGEST || name_length + best_distance <= length ||
        length + best_distance <= name_length) {
      continue;
    }
    unsigned d = distance (word, length, name, name_length);
    /* as many edits as letters is another word, not a mistyped one */
    if (d < best_distance && d < MAX (length, name_length)) {
      best = name;
      best_distance = d;
    }
  }
  if (stem && best_distance > SLIPS) {
    return stem;
  }
  return best ? best : longer ? longer : tail;
}
