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
  if (branch->op != BP_IR_brcond || branch->cond <= BP_IR_ALWAYS || g->label_refs[branch->aux] != 1)
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
  g_array_set_size (g->cold, 0);
  g_array_set_size (g->cold_insns, 0);
  for (uint32_t i = 0; i < ir->n_insns; i++) {
    uint32_t n = cold_after (g, i);
    guest += ir->insns[i].op == BP_IR_insn_start;
    ir->insns[to++] = ir->insns[i];
    if (n == 0)
      continue;
    ir->insns[to - 1].cond = (uint8_t) ir_cond_invert ((BpIrCond) ir->insns[i].cond);
    Cold cold = { g->cold_insns->len, guest };
    g_array_append_val (g->cold, cold);
    g_array_append_val (g->cold_insns, ir->insns[i + n]);      /* the label comes first now */
    g_array_append_vals (g->cold_insns, &ir->insns[i + 1], n - 1);
    i += n;
  }
  for (unsigned k = 0; k < g->cold->len; k++)
    g_array_index (g->cold, Cold, k).at += to;
  if (g->cold_insns->len > 0)
    memcpy (&ir->insns[to], g->cold_insns->data, g->cold_insns->len * sizeof (BpIrInsn));
}
