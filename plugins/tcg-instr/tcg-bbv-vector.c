/* tcg-bbv-vector.c -- basic block vectors, as SimPoint reads them. */
/* SPDX-License-Identifier: MIT */
#include "tcg-bbv-vector.h"
#include <stdlib.h>
#include <string.h>

bool
bbv_vector_init (BbvVector *v, const void *self, const char *path, uint64_t interval, GError **error)
{
  *v = (BbvVector) { .interval = interval };
  return instr_file_open (&v->file, self, path, error);
}

void
bbv_vector_grow (BbvVector *v, uint32_t block)
{
  if (block >= v->room) {
    uint32_t room = MAX (1024, v->room);
    while (room <= block)
      room *= 2;
    v->counts = g_renew (uint64_t, v->counts, room);
    memset (v->counts + v->room, 0, (room - v->room) * sizeof *v->counts);
    v->room = room;
  }
  if (v->n_touched == v->touched_room) {
    v->touched_room = MAX (1024, v->touched_room * 2);
    v->touched = g_renew (uint32_t, v->touched, v->touched_room);
  }
}

static int
compare_blocks (const void *a, const void *b)
{
  uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;
  return x < y ? -1 : x > y;
}

/* ":id:count " with ids from 1; a block that was taken back to 0 and came again is there twice in `touched'. */
static char *
print_pair (char *out, uint64_t id, uint64_t count)
{
  char digits[48], *p = digits + sizeof digits;
  *--p = ' ';
  do
    *--p = (char) ('0' + count % 10);
  while (count /= 10);
  *--p = ':';
  do
    *--p = (char) ('0' + id % 10);
  while (id /= 10);
  *--p = ':';
  size_t n = (size_t) (digits + sizeof digits - p);
  memcpy (out, p, n);
  return out + n;
}

void
bbv_vector_end_interval (BbvVector *v)
{
  enum { PAIRS = 64 };
  char text[PAIRS * 48];
  if (v->n_touched)
    qsort (v->touched, v->n_touched, sizeof *v->touched, compare_blocks);
  instr_file_write (&v->file, "T", 1);
  for (uint32_t at = 0; at < v->n_touched;) {
    char *end = text;
    for (unsigned i = 0; i < PAIRS && at < v->n_touched; i++, at++) {
      uint32_t block = v->touched[at];
      if (v->counts[block])
        end = print_pair (end, (uint64_t) block + 1, v->counts[block]);
      v->counts[block] = 0;
    }
    instr_file_write (&v->file, text, (size_t) (end - text));
  }
  instr_file_write (&v->file, "\n", 1);
  instr_file_commit (&v->file);
  v->n_intervals++;
  v->written_insns += v->in_interval;
  v->longest = MAX (v->longest, v->in_interval);
  v->in_interval = 0;
  v->n_touched = 0;
}

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
  g_clear_pointer (&v->counts, g_free);
  g_clear_pointer (&v->touched, g_free);
  v->room = v->n_touched = v->touched_room = 0;
}
