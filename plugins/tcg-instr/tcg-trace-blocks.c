/* tcg-trace-blocks.c -- a table that grows and never moves. */
/* SPDX-License-Identifier: MIT */
#include "tcg-trace-blocks.h"
#include <string.h>

enum { SHIFT = 16, LEAF = 1 << SHIFT };

struct TraceBlocks {
  TraceBlock **leaf[LEAF];
  uint32_t n;                   /* numbers given, with 0 */
  GArray *last;                 /* of uint32_t: by the first instruction's id, the block that was told of last */
};

TraceBlocks *
trace_blocks_new (void)
{
  TraceBlocks *b = g_new0 (TraceBlocks, 1);
  b->n = 1;
  b->last = g_array_new (FALSE, TRUE, sizeof (uint32_t));
  return b;
}

void
trace_blocks_free (TraceBlocks *b)
{
  if (!b)
    return;
  for (uint32_t i = 1; i < b->n; i++)
    g_free (b->leaf[i >> SHIFT][i & (LEAF - 1)]);
  for (unsigned i = 0; i < LEAF; i++)
    g_free (b->leaf[i]);
  g_array_unref (b->last);
  g_free (b);
}

const TraceBlock *
trace_blocks_at (const TraceBlocks *b, uint32_t number)
{
  return b->leaf[number >> SHIFT][number & (LEAF - 1)];
}

uint32_t
trace_blocks_add (TraceBlocks *b, const BpInsn *const *insn, unsigned n)
{
  uint32_t id = insn[0]->id;
  if (id >= b->last->len)
    g_array_set_size (b->last, MAX (id + 1, b->last->len * 2));
  uint32_t *last = &g_array_index (b->last, uint32_t, id);
  const TraceBlock *known = *last ? trace_blocks_at (b, *last) : NULL;
  if (known && known->n == n && !memcmp (known->insn, insn, n * sizeof *insn))
    return *last;
  TraceBlock ***leaf = &b->leaf[b->n >> SHIFT];
  if (!*leaf)
    *leaf = g_new0 (TraceBlock *, LEAF);
  TraceBlock *new = g_malloc (sizeof *new + n * sizeof *insn);
  new->n = n;
  memcpy (new->insn, insn, n * sizeof *insn);
  (*leaf)[b->n & (LEAF - 1)] = new;
  return *last = b->n++;
}
