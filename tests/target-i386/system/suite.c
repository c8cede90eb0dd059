/* suite.c -- walks over all cases, for the two programs. */
/* SPDX-License-Identifier: MIT */

#include "suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const Table *const tables[] = {
  &cases_exceptions, &cases_gates, &cases_iret, &cases_segments, &cases_transfers, &cases_calls, &cases_control, &cases_msr,
  &cases_flags, &cases_debug, &cases_paging, &cases_keys, &cases_compat, &cases_vectors
};

bool
suite_options (Options *o, int argc, char **argv)
{
  int c;
  while ((c = getopt (argc, argv, "vc:s:n:")) != -1)
    switch (c) {
    case 'v': o->verbose = true; break;
    case 'c': o->only = optarg; break;
    case 's': o->seed = strtoull (optarg, NULL, 0); break;
    case 'n': o->n_random = (unsigned) strtoul (optarg, NULL, 0); break;
    default: return false;
    }
  return optind == argc;
}

static void
offer (const Options *o, Case *c, void (*each) (const Case *c, void *user), void *user)
{
  if (!o->only || strstr (c->name, o->only))
    each (c, user);
}

void
suite_walk (const Options *o, void (*each) (const Case *c, void *user), void *user)
{
  Case *c = aligned_alloc (_Alignof (Case), sizeof *c);
  for (unsigned t = 0; t < sizeof tables / sizeof *tables; t++)
    for (unsigned i = 0; i < tables[t]->n; i++) {
      case_from_row (c, tables[t], &tables[t]->row[i]);
      offer (o, c, each, user);
    }
  for (unsigned i = 0; i < matrix_count (); i++) {
    matrix_case (c, i);
    offer (o, c, each, user);
  }
  for (unsigned i = 0; i < o->n_random; i++) {
    random_case (c, o->seed + i * o->step);
    offer (o, c, each, user);
  }
  free (c);
}
