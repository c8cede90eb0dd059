/* demangle.c -- C++ names as their source has them, by the C++ library where there is one. */
/* SPDX-License-Identifier: MIT */
#include "guest-symbols.h"
#include <gmodule.h>
#include <stdlib.h>
#include <string.h>

/* Longer names are shown as they are: what they stand for can be of any length. */
#define MANGLED_MAX 2048

typedef char *Demangler (const char *mangled, char *buffer, size_t *length, int *status);      /* __cxa_demangle of the C++ ABI */

/* The library is looked for when the first such name comes, and stays. */
static Demangler *
find_demangler (void)
{
  static bool is_known;
  static Demangler *demangler;
  if (is_known)
    return demangler;
  is_known = true;
  GModule *library = g_module_open ("libstdc++.so.6", G_MODULE_BIND_LAZY | G_MODULE_BIND_LOCAL);
  gpointer symbol = NULL;
  if (library && g_module_symbol (library, "__cxa_demangle", &symbol))
    demangler = (Demangler *) symbol;
  return demangler;
}

char *
demangle (const char *name)
{
  if (strncmp (name, "_Z", 2) != 0 || strlen (name) > MANGLED_MAX)
    return NULL;
  Demangler *f = find_demangler ();
  int status = 0;
  char *text = f ? f (name, NULL, NULL, &status) : NULL;
  char *copy = text && status == 0 ? g_strdup (text) : NULL;
  free (text);
  return copy;
}
