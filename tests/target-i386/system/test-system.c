/* test-system.c -- system instructions of long mode: every way of the translator does what the manual says, and all do the same. */
/* SPDX-License-Identifier: MIT */
/*
 * test-system [-v] [-c NAME] [-s SEED] [-n COUNT]: without arguments, what `make check` runs.  Directed cases say what must come of
 * them; random ones must come out alike on interpreter and code generator.  test-system-kvm asks the host's processor as well.
 */
#include <stdio.h>

#include "suite.h"

enum { MAX_WAYS = 2, MAX_SHOWN = 60 };

typedef struct Test {
  const Options *options;
  unsigned n_ways, n_cases, n_wrong;
  const char *name[MAX_WAYS];
  Backplane *way[MAX_WAYS];
  Slot end[MAX_WAYS];
  unsigned endings[RUN_CRASHED + 1][257];       /* of random cases; 256: not at a handler */
} Test;

static void
complain (Test *t, const Case *c, const char *who, const char *what)
{
  t->n_wrong++;
  if (t->n_wrong > MAX_SHOWN)
    return;
  printf ("%s: %s: %s\n", c->name, who, what);
  if (t->options->verbose)
    case_print (c);
}

static void
one_case (const Case *c, void *user)
{
  Test *t = user;
  t->n_cases++;
  for (unsigned i = 0; i < t->n_ways; i++) {
    t->end[i] = c->start;
    backplane_run (t->way[i], &t->end[i]);
    const char *wrong = c->row ? case_wrong (c, &t->end[i]) : NULL;
    if (wrong)
      complain (t, c, t->name[i], wrong);
  }
  int vector = image_vector (&t->end[0]);
  if (!c->row)
    t->endings[t->end[0].end][vector < 0 ? 256 : vector]++;
  if (t->end[0].end == RUN_STUCK && t->options->verbose) {
    printf ("%s: goes on and on\n", c->name);
    case_print (c);
  }
  const char *differs = t->n_ways > 1 ? case_differs (c, &t->end[0], &t->end[1], t->name[0], t->name[1]) : NULL;
  if (differs)
    complain (t, c, "differ", differs);
}

/* A generator that makes nothing but faults tests nothing. */
static void
print_endings (const Test *t)
{
  static const char *const names[] = { "halted", "shut down", "stuck", "refused", "crashed" };
  printf ("random cases ended by:");
  for (unsigned e = 0; e <= RUN_CRASHED; e++)
    for (unsigned v = 0; v <= 256; v++)
      if (t->endings[e][v] && v < 256)
        printf (" vector %u: %u,", v, t->endings[e][v]);
      else if (t->endings[e][v])
        printf (" %s: %u,", names[e], t->endings[e][v]);
  printf ("\n");
}

int
main (int argc, char **argv)
{
  static const char *const ways[MAX_WAYS] = { "interp", "x64" };
  static Test t;
  Options o = { .seed = 1, .n_random = 3000, .step = 1 };
  if (!suite_options (&o, argc, argv))
    return 2;
  t.options = &o;
  for (unsigned i = 0; i < MAX_WAYS; i++) {
    t.name[t.n_ways] = ways[i];
    t.way[t.n_ways] = backplane_start (ways[i]);
    t.n_ways += t.way[t.n_ways] != NULL;
  }
  suite_walk (&o, one_case, &t);
  for (unsigned i = 0; i < t.n_ways; i++)
    backplane_finish (t.way[i]);
  if (o.n_random)
    print_endings (&t);
  printf ("%u cases on %u ways, %u wrong\n", t.n_cases, t.n_ways, t.n_wrong);
  return t.n_wrong || !t.n_ways || !t.n_cases;
}
