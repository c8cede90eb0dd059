/* gen.c -- what all that emits code for x86-64 stands on: the host, lists, marks, code that goes behind its block. */
/* SPDX-License-Identifier: MIT */
#include "host.h"
#include <string.h>

X64Host x64_host;

void *
x64_list_grow (void *at, uint32_t *size, size_t entry)
{
  *size = MAX (64, *size * 2);
  return g_realloc_n (at, *size, entry);
}

/* --- marks ------------------------------------------------------------------------------------------- */

/* A mark holds until the next one. Return addresses are looked up less one, so that they belong to their
 * call. */
void
x64_mark (Gen *g)
{
  if (g->insn < 0)
    return;
  const TbMark *last = g->marks.n ? &g->marks.at[g->marks.n - 1] : NULL;
  if (last && last->insn == (uint32_t) g->insn)
    return;
  TbMark mark = { (uint32_t) (g->e.p - g->start), (uint32_t) g->insn };
  *LIST_ADD (&g->marks) = mark;
}

void
x64_call_marked (Gen *g, const uint8_t *thunk)
{
  x64_mark (g);
  enc_call_to (&g->e, thunk);
}

/* --- out-of-line code -------------------------------------------------------------------------------- */

Late *
x64_late (Gen *g, void (*emit) (Gen *g, const Late *late), uint8_t *from)
{
  Late *late = LIST_ADD (&g->late);
  memset (late, 0, sizeof *late);
  late->emit = emit;
  late->from = from;
  late->insn = g->insn;
  late->stale_slot[0] = late->stale_slot[1] = RA_NO_SLOT;
  return late;
}

void
x64_emit_late (Gen *g)
{
  int32_t insn = g->insn;
  for (unsigned i = 0; i < g->late.n; i++) {
    const Late *late = &g->late.at[i];  /* (none of them asks for another) */
    g->insn = late->insn;
    enc_patch (late->from, g->e.p);
    late->emit (g, late);
  }
  g->insn = insn;
}
