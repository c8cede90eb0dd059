/* tcg-bbv-vector.c -- basic block vectors, as SimPoint reads them. */
/* SPDX-License-Identifier: MIT */
#include "tcg-bbv-vector.h"
#include <stdlib.h>
#include <string.h>

bool
bbv_vector_init (BbvVector *v, const void *self, const char *path, uint64_t interval, GError **error)
{
  *v = (BbvVector) { .interval = interval };
  return instr_file_open (&v->file, self, path, error) && instr_array_init (&v->sites, sizeof (BbvSite), 0, error);
}

void
bbv_vector_touch (BbvVector *v, uint32_t site)
{
  if (v->n_touched == v->room) {
    v->room = MAX (1024, v->room * 2);
    v->touched = g_renew (uint32_t, v->touched, v->room);
  }
  v->touched[v->n_touched++] = site;
}

/* --- a line ---------------------------------------------------------------------------------------- */

typedef struct Pair {
  uint64_t insns;
  uint32_t block;
} Pair;

static int
compare_pairs (const void *a, const void *b)
{
  uint32_t x = ((const Pair *) a)->block, y = ((const Pair *) b)->block;
  return x < y ? -1 : x > y;
}

/* Sites of one block become one; theirs begin anew. */
static size_t
take_pairs (BbvVector *v, Pair *pairs)
{
  size_t n = 0;
  for (uint32_t i = 0; i < v->n_touched; i++) {
    BbvSite *s = bbv_vector_site (v, v->touched[i]);
    pairs[i] = (Pair) { s->times * (uint64_t) (int64_t) s->insns, s->block };
    s->times = 0;
  }
  if (v->n_touched)
    qsort (pairs, v->n_touched, sizeof *pairs, compare_pairs);
  for (uint32_t i = 0; i < v->n_touched; i++)
    if (n && pairs[n - 1].block == pairs[i].block)
      pairs[n - 1].insns += pairs[i].insns;
    else
      pairs[n++] = pairs[i];
  v->n_touched = 0;
  return n;
}

/* Digits in front of `end'. */
static char *
print_number (char *end, uint64_t n)
{
  do
    *--end = (char) ('0' + n % 10);
  while (n /= 10);
  return end;
}

/* ":id:count ", with ids from 1. */
static void
write_pair (InstrFile *f, const Pair *pair)
{
  char text[48], *p = text + sizeof text;
  *--p = ' ';
  p = print_number (p, pair->insns);
  *--p = ':';
  p = print_number (p, (uint64_t) pair->block + 1);
  *--p = ':';
  instr_file_write (f, p, (size_t) (text + sizeof text - p));
}

void
bbv_vector_end_interval (BbvVector *v)
{
  Pair *pairs = g_new (Pair, v->n_touched + 1);
  size_t n = take_pairs (v, pairs);
  instr_file_write (&v->file, "T", 1);
  for (size_t i = 0; i < n; i++)
    if (pairs[i].insns)
      write_pair (&v->file, &pairs[i]);
  instr_file_write (&v->file, "\n", 1);
  instr_file_commit (&v->file);
  g_free (pairs);
  v->n_intervals++;
  v->written_insns += v->in_interval;
  v->longest = MAX (v->longest, v->in_interval);
  v->in_interval = 0;
}

/* --- the end ---------------------------------------------------------------------------------------- */

void
bbv_vector_close (BbvVector *v, bool partial)
{
  if (v->file.fd < 0 || !v->file.path)
    return;
  if (v->in_interval >= v->interval || (partial && v->in_interval))
    bbv_vector_end_interval (v);
  instr_file_close (&v->file);
}

void
bbv_vector_finish (BbvVector *v)
{
  instr_file_finish (&v->file);
  instr_array_finish (&v->sites);
  g_clear_pointer (&v->touched, g_free);
  v->n_touched = v->room = 0;
}
