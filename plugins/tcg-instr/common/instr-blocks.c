/* instr-blocks.c -- distinct blocks of guest code, numbered as they come. */
/* SPDX-License-Identifier: MIT */
#include "instr-blocks.h"

bool
instr_blocks_init (InstrBlocks *b, bool keeps_insns, GError **error)
{
  *b = (InstrBlocks) { .keeps_insns = keeps_insns };
  return instr_array_init (&b->blocks, sizeof (InstrBlock), INSTR_MAX_BLOCKS, error) && instr_array_init (&b->heads, sizeof (uint32_t), 0, error);
}

void
instr_blocks_finish (InstrBlocks *b)
{
  for (uint32_t i = 0; i < b->n; i++)
    g_free (instr_blocks_at (b, i)->insns);
  instr_array_finish (&b->blocks);
  instr_array_finish (&b->heads);
  b->n = 0;
}

static void
fill (InstrBlock *entry, const BpInstrBlock *block, bool keeps_insns)
{
  entry->n_insns = bp_block_n_insns (block);
  entry->first = bp_block_insn (block, 0);
  entry->last = bp_block_insn (block, entry->n_insns - 1);
  if (keeps_insns)
    entry->insns = g_new (const BpInsn *, entry->n_insns);
  for (unsigned i = 0; i < entry->n_insns; i++) {
    const BpInsn *insn = bp_block_insn (block, i);
    entry->bytes += insn->size;
    if (keeps_insns)
      entry->insns[i] = insn;
  }
}

InstrBlock *
instr_blocks_find (InstrBlocks *b, const BpInstrBlock *block, bool *is_new)
{
  unsigned n = bp_block_n_insns (block);
  const BpInsn *first = bp_block_insn (block, 0), *last = bp_block_insn (block, n - 1);
  uint32_t *head = instr_array_at (&b->heads, first->id);
  *is_new = false;
  for (uint32_t at = *head; at; at = instr_blocks_at (b, at - 1)->next) {
    InstrBlock *entry = instr_blocks_at (b, at - 1);
    if (entry->first == first && entry->last == last && entry->n_insns == n)
      return entry;
  }
  if (b->n == INSTR_MAX_BLOCKS)
    return instr_blocks_at (b, INSTR_MAX_BLOCKS - 1);
  InstrBlock *entry = instr_blocks_at (b, b->n);
  fill (entry, block, b->keeps_insns);
  entry->next = *head;
  __atomic_store_n (&b->n, b->n + 1, __ATOMIC_RELEASE);
  *head = b->n;
  *is_new = true;
  return entry;
}
