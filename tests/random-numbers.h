/* random-numbers.h -- random numbers that are the same in each run of a test. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_RANDOM_NUMBERS_H
#define TESTS_RANDOM_NUMBERS_H

#include <stddef.h>
#include <stdint.h>

/* xorshift64 (G. Marsaglia, Xorshift RNGs, 2003).  A test may set it to begin anew; not 0. */
static uint64_t random_seed = 88172645463325252u;

static inline uint64_t
random64 (void)
{
  random_seed ^= random_seed << 13;
  random_seed ^= random_seed >> 7;
  return random_seed ^= random_seed << 17;
}

static inline void
random_bytes (void *p, size_t size)
{
  for (size_t i = 0; i < size; i++)
    ((uint8_t *) p)[i] = (uint8_t) (random64 () >> 32);
}

#endif
