/* layout.c -- code that only raises goes behind the rest of the block. */
/* SPDX-License-Identifier: MIT */
#include "host.h"
#include "../ir-info.h"
#include <string.h>

#define MAX_COLD 8              /* insns in one piece */

/* A branch at i past insns that end in a call that does not return, to a label that nothing else goes to: how many insns that is, the
 * label included; 0: none. */
static uint32_t
cold_after (const Gen *g, uint32_t i)
{
  const BpIrBlock *ir = g->ir;
  const BpIrInsn *branch = &ir->insns[i];
  if (branch->cond <= BP_IR_ALWAYS || g->label_refs[branch->aux] != 1)
    return 0;
  for (uint32_t k = i + 1; k <= i + MAX_COLD && k + 1 < ir->n_insns; k++) {
    const BpIrInsn *insn = &ir->insns[k];
    if (insn->op == BP_IR_call && ir_ends_flow (insn)) {
      const BpIrInsn *label = insn + 1;
      return label->op == BP_IR_label && label->aux == branch->aux ? k + 1 - i : 0;
    }
    if (insn->op == BP_IR_insn_start || (ir_op_info[insn->op].attributes & BP_IR_ATTR_END))
      return 0;
  }
  return 0;
}

void
x64_layout (Gen *g)
{
  BpIrBlock *ir = g->ir;
  uint32_t to = 0;
  int32_t guest = -1;
  g->cold.n = g->cold_insns.n = 0;
  if (ir->n_labels == 0)
    return;
  for (uint32_t i = 0; i < ir->n_insns; i++) {
    uint32_t n = ir->insns[i].op == BP_IR_brcond ? cold_after (g, i) : 0;
    guest += ir->insns[i].op == BP_IR_insn_start;
    if (to != i)
      ir->insns[to] = ir->insns[i];
    to++;
    if (n == 0)
      continue;
    ir->insns[to - 1].cond = (uint8_t) ir_cond_invert ((BpIrCond) ir->insns[i].cond);
    *LIST_ADD (&g->cold) = (Cold) { g->cold_insns.n, guest };
    *LIST_ADD (&g->cold_insns) = ir->insns[i + n];      /* the label comes first now */
    for (uint32_t k = 1; k < n; k++)
      *LIST_ADD (&g->cold_insns) = ir->insns[i + k];
    i += n;
  }
  for (unsigned k = 0; k < g->cold.n; k++)
    g->cold.at[k].at += to;
  if (g->cold_insns.n > 0)
    memcpy (&ir->insns[to], g->cold_insns.at, g->cold_insns.n * sizeof (BpIrInsn));
}
