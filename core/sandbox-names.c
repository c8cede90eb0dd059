/* sandbox-names.c -- names of system calls and capabilities, from the kernel headers that this was built with. */
/* SPDX-License-Identifier: MIT */
#include "sandbox.h"
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

typedef struct Name {
  const char *name;
  int number;
} Name;

#define NAME(name, number) { #name, number },
static const Name syscalls[] = {
#include "core/syscall-names.def"
};
static const Name capabilities[] = {
#include "core/capability-names.def"
};
#undef NAME

static int
compare (const void *name, const void *row)
{
  return strcmp (name, ((const Name *) row)->name);
}

/* The build has sorted them. */
static int
find (const Name *names, unsigned n, const char *name)
{
  const Name *found = bsearch (name, names, n, sizeof *names, compare);
  return found ? found->number : -1;
}

static const char *
nearest (const Name *names, unsigned n, const char *word)
{
  g_autofree const char **candidates = g_new0 (const char *, n + 1);
  for (unsigned i = 0; i < n; i++)
    candidates[i] = names[i].name;
  return nearest_name (word, candidates);
}

int syscall_number (const char *name) { return find (syscalls, G_N_ELEMENTS (syscalls), name); }
int capability_number (const char *name) { return find (capabilities, G_N_ELEMENTS (capabilities), name); }
const char *syscall_nearest (const char *word) { return nearest (syscalls, G_N_ELEMENTS (syscalls), word); }
const char *capability_nearest (const char *word) { return nearest (capabilities, G_N_ELEMENTS (capabilities), word); }

const char *
syscall_name (int number)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (syscalls); i++)
    if (syscalls[i].number == number)
      return syscalls[i].name;
  return NULL;
}
