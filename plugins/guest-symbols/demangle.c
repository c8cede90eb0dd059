/* demangle.c -- C++ names as their source has them, by the C++ library where there is one. */
/* SPDX-License-Identifier: MIT */
#include "guest-symbols.h"
#include <gmodule.h>
#include <stdlib.h>
#include <string.h>

#define MANGLED_MAX 2048
#define TEXT_MAX (1u << 20)
#define REFERENCES_MAX 64

typedef char *Demangler (const char *mangled, char *buffer, size_t *length, int *status);      /* __cxa_demangle of the C++ ABI */

static void *
look_for_demangler (void *none)
{
  GModule *library = g_module_open ("libstdc++.so.6", G_MODULE_BIND_LAZY | G_MODULE_BIND_LOCAL);
  gpointer symbol = NULL;
  return library && g_module_symbol (library, "__cxa_demangle", &symbol) ? symbol : NULL;
}

/* The library is looked for when the first such name comes, and stays.  Several objects may ask at once, each under its own lock. */
static Demangler *
find_demangler (void)
{
  static GOnce once = G_ONCE_INIT;
  return (Demangler *) g_once (&once, look_for_demangler, NULL);
}

/* --- how long it can become --------------------------------------------------------------------- */

/*
 * A name refers to parts of itself (S_, S0_ ... in the order in which they end, T_ to arguments of templates), and those again: two hundred letters can
 * stand for gigabytes.  The library makes them all, so what a name can become is estimated first.  What is referred to was complete at the first reference to it or to
 * a later one, and so is not longer than what all letters up to there stand for.
 */
typedef struct Growth {
  uint64_t length;              /* of the text so far, at most */
  struct { uint64_t number, length; } first[REFERENCES_MAX];    /* references with a higher number than all before */
  unsigned n;
  uint64_t arguments;           /* of the template whose arguments were referred to last; 0: of none yet */
} Growth;

static void
refer (Growth *g, uint64_t number)
{
  unsigned i = 0;
  while (i < g->n && g->first[i].number < number)
    i++;
  if (i == g->n) {
    if (g->n == REFERENCES_MAX)
      g->length = TEXT_MAX;
    else
      g->first[g->n++] = (typeof (g->first[0])) { number, g->length };
  }
  g->length += i < g->n ? g->first[i].length : 0;
}

/* The letters behind an S or T, as far as they are a number; 0: they are none. */
static size_t
sequence_length (const char *p)
{
  size_t n = strspn (p, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");
  return p[n] == '_' && n < 8 ? n + 1 : 0;
}

static bool
can_be_long (const char *name)
{
  Growth g = { .length = 0 };
  uint64_t packs = 1;
  for (const char *p = name; *p && g.length < TEXT_MAX; p++) {
    size_t sequence = *p == 'S' || *p == 'T' ? sequence_length (p + 1) : 0;
    g.length += *p == 'S' ? 40 : 2;
    if (sequence && *p == 'S') {
      refer (&g, sequence == 1 ? 0 : g_ascii_strtoull (p + 1, NULL, 36) + 1);
    } else if (sequence) {
      g.arguments = g.arguments ? g.arguments : g.length;
      g.length += g.arguments;
    } else if (*p == 'I') {
      g.arguments = 0;
    } else if ((*p == 'D' || *p == 's') && p[1] == 'p') {       /* once for each of some arguments */
      packs = MIN (packs * (1 + strlen (name) / 8), TEXT_MAX);
    }
  }
  return g.length * packs >= TEXT_MAX;
}

/* --- the whole ---------------------------------------------------------------------------------- */

char *
demangle (const char *name)
{
  if (strncmp (name, "_Z", 2) != 0 || strlen (name) > MANGLED_MAX || can_be_long (name))
    return NULL;
  Demangler *f = find_demangler ();
  int status = 0;
  char *text = f ? f (name, NULL, NULL, &status) : NULL;
  char *copy = text && status == 0 ? g_strdup (text) : NULL;
  free (text);
  return copy;
}
