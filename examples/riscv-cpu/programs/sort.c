/* sort.c -- numbers from a generator, sorted and summed up: loops, memory, division. */
/* SPDX-License-Identifier: MIT */
#include "board.h"

enum { N = 20000 };
static uint32_t numbers[N];

static void
sift (uint32_t *a, unsigned root, unsigned n)
{
  for (unsigned child; (child = 2 * root + 1) < n; root = child) {
    if (child + 1 < n && a[child] < a[child + 1])
      child++;
    if (a[root] >= a[child])
      return;
    uint32_t t = a[root];
    a[root] = a[child];
    a[child] = t;
  }
}

static void
heap_sort (uint32_t *a, unsigned n)
{
  for (unsigned i = n / 2; i-- > 0;)
    sift (a, i, n);
  for (unsigned i = n; i-- > 1;) {
    uint32_t t = a[0];
    a[0] = a[i];
    a[i] = t;
    sift (a, 0, i);
  }
}

int
main (void)
{
  uint32_t seed = 12345, sum = 0;
  for (unsigned i = 0; i < N; i++)
    numbers[i] = (seed = seed * 1103515245 + 12345) >> 8;
  marker (1);
  heap_sort (numbers, N);
  marker (2);
  for (unsigned i = 0; i < N; i++) {
    if (i && numbers[i - 1] > numbers[i])
      return 1;
    sum = sum * 31 + numbers[i] / (i + 1) + numbers[i] % (i + 7) + (uint32_t) ((int32_t) (numbers[i] << 8) / -(int32_t) (i + 3));
  }
  put ("sorted %u numbers: first %u, last %u, check %08x\n", N, numbers[0], numbers[N - 1], sum);
  return 0;
}
