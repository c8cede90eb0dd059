/* suite.h -- walks over all cases, for the two programs. */
/* SPDX-License-Identifier: MIT */
#ifndef TEST_SYSTEM_SUITE_H
#define TEST_SYSTEM_SUITE_H

#include "case.h"

typedef struct Options {
  bool verbose;
  const char *only;             /* part of a name; NULL: all */
  uint64_t seed;                /* of the first random case */
  unsigned n_random, step;      /* seeds: all, or with step 2 the even ones, which KVM can do */
} Options;

/* -v, -c NAME, -s SEED, -n COUNT.  false: something else. */
bool suite_options (Options *o, int argc, char **argv);
/* Directed cases first, then generated, then random ones. */
void suite_walk (const Options *o, void (*each) (const Case *c, void *user), void *user);

#endif
