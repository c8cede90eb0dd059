/* regalloc-live.c -- liveness of locals: last uses within a block, sets at the borders of basic blocks. */
/* SPDX-License-Identifier: MIT */
#include "regalloc-live.h"
#include "ir-info.h"

/* --- basic blocks ------------------------------------------------------------------------ */

static void
grow (Regalloc *ra)
{
  const BpIrBlock *ir = ra->ir;
  if (ra->insns_size < ir->n_insns) {
    ra->insns_size = ir->n_insns * 2;
    ra->block_of = g_renew (uint32_t, ra->block_of, ra->insns_size);
  }
  if (ra->labels_size < ir->n_labels) {
    ra->labels_size = ir->n_labels * 2;
    ra->label_at = g_renew (uint32_t, ra->label_at, ra->labels_size);
  }
}

static void
note_crossing (Regalloc *ra, BpTemp t)
{
  if (ra->n_crossing == ra->crossing_size) {
    ra->crossing_size = MAX (64, ra->crossing_size * 2);
    ra->crossing = g_renew (BpTemp, ra->crossing, ra->crossing_size);
  }
  ra->temps[t].crosses = true;
  ra->temps[t].bit = (uint8_t) MIN (ra->n_crossing, 64);
  ra->crossing[ra->n_crossing++] = t;
}

static inline void
note_uses (Regalloc *ra, const BpIrInsn *insn, uint32_t block)
{
  const BpIrTemp *temps = ra->ir->temps;
  unsigned n = ir_n_operands (insn);
  for (unsigned k = 0; k < n; k++) {
    BpTemp t = insn->a[k];
    if (t == BP_IR_NONE || temps[t].kind != BP_IR_TEMP_LOCAL)
      continue;
    RaTemp *temp = &ra->temps[t];
    if (temp->seen == 0)
      temp->seen = block + 1;
    else if (temp->seen != block + 1 && !temp->crosses)
      note_crossing (ra, t);
  }
}

/* Numbers the blocks, one of which begins at each label and after each insn with END, and finds the locals that cross their borders.  How many
 * blocks there are. */
static uint32_t
find_blocks (Regalloc *ra)
{
  uint32_t block = 0, n_insns = ra->ir->n_insns;
  bool begun = false;           /* the block has an insn */
  ra->n_crossing = 0;
  for (uint32_t i = 0; i < n_insns; i++) {
    const BpIrInsn *insn = &ra->ir->insns[i];
    if (insn->op == BP_IR_label) {
      ra->label_at[insn->aux] = i;
      block += begun;
      ra->block_of[i] = block;
      begun = true;
      continue;
    }
    ra->block_of[i] = block;
    note_uses (ra, insn, block);
    begun = !(ir_op_info[insn->op].attributes & BP_IR_ATTR_END) && !ir_ends_flow (insn);
    block += !begun;
  }
  return n_insns ? ra->block_of[n_insns - 1] + 1 : 0;
}

/* --- what is live where they meet ---------------------------------------------------------- */

static uint64_t
bit_of (const Regalloc *ra, BpTemp t)
{
  if (t == BP_IR_NONE || !ra->temps[t].crosses || ra->temps[t].bit >= 64)
    return 0;
  return (uint64_t) 1 << ra->temps[t].bit;
}

/* What is live after the last insn of the block that ends at i. */
static uint64_t
successors (const Regalloc *ra, uint32_t i)
{
  const BpIrInsn *insn = &ra->ir->insns[i];
  uint64_t live = 0;
  if (insn->op == BP_IR_br || insn->op == BP_IR_brcond)
    live |= ra->live_in[ra->block_of[ra->label_at[insn->aux]]];
  if (!ir_ends_flow (insn) && i + 1 < ra->ir->n_insns)
    live |= ra->live_in[ra->block_of[i + 1]];
  return live;
}

static uint64_t
through (const Regalloc *ra, const BpIrInsn *insn, uint64_t live)
{
  unsigned n_out = ir_op_info[insn->op].n_out, n = ir_n_operands (insn);
  for (unsigned k = 0; k < n_out; k++)
    live &= ~bit_of (ra, insn->a[k]);
  for (unsigned k = n_out; k < n; k++)
    live |= bit_of (ra, insn->a[k]);
  return live;
}

static void
solve (Regalloc *ra, uint32_t n_blocks)
{
  if (ra->blocks_size < n_blocks) {
    ra->blocks_size = n_blocks * 2;
    ra->live_in = g_renew (uint64_t, ra->live_in, ra->blocks_size);
    ra->live_out = g_renew (uint64_t, ra->live_out, ra->blocks_size);
  }
  memset (ra->live_in, 0, n_blocks * sizeof *ra->live_in);
  memset (ra->live_out, 0, n_blocks * sizeof *ra->live_out);
  bool changed = ra->n_crossing > 0;
  while (changed) {
    changed = false;
    uint64_t live = 0;
    for (uint32_t i = ra->ir->n_insns; i-- > 0;) {
      uint32_t block = ra->block_of[i];
      if (i + 1 == ra->ir->n_insns || ra->block_of[i + 1] != block)
        ra->live_out[block] = live = successors (ra, i);
      live = through (ra, &ra->ir->insns[i], live);
      if ((i == 0 || ra->block_of[i - 1] != block) && live != ra->live_in[block]) {
        ra->live_in[block] = live;
        changed = true;
      }
    }
  }
}

/* --- last uses ---------------------------------------------------------------------------------- */

static void
mark_last_uses (Regalloc *ra)
{
  BpIrBlock *ir = ra->ir;
  for (uint32_t i = ir->n_insns; i-- > 0;) {
    BpIrInsn *insn = &ir->insns[i];
    insn->mark = 0;
    uint32_t block = ra->block_of[i];
    if (i + 1 == ir->n_insns || ra->block_of[i + 1] != block)
      for (uint32_t k = 0; k < ra->n_crossing; k++)
        ra->temps[ra->crossing[k]].live = k >= 64 || (ra->live_out[block] >> k & 1);
    unsigned n_out = ir_op_info[insn->op].n_out, n = ir_n_operands (insn);
    for (unsigned k = 0; k < n; k++) {
      BpTemp t = insn->a[k];
      if (t == BP_IR_NONE || ir->temps[t].kind != BP_IR_TEMP_LOCAL)
        continue;
      if (!ra->temps[t].live)
        insn->mark |= (uint8_t) (1u << k);
      ra->temps[t].live = k >= n_out;
    }
  }
}

void
ra_liveness (Regalloc *ra)
{
  grow (ra);
  uint32_t n_blocks = find_blocks (ra);
  solve (ra, n_blocks);
  mark_last_uses (ra);
}
