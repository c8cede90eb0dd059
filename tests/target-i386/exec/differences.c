/* differences.c -- where this processor and the translator may end a case otherwise, by the instruction it ended in. */
/* SPDX-License-Identifier: MIT */
/*
 * A rule is about the instruction that faulted.  It looks whether what it explains is what happened, and then makes that alike in both
 * states; whatever else differs is wrong.
 */
#include "differences.h"

#include <stdio.h>
#include <string.h>

enum { BR = 5, SS = 12, GP = 13, PF = 14, WIDEST = 8 };

/* --- the case's memory ---------------------------------------------------------------------------- */

static uint64_t
linear_address (const X86Mem *m, const ExecState *s)
{
  uint64_t offset = (uint64_t) m->disp;
  if (m->base != X86_NO_REG)
    offset += s->gpr[m->base];
  if (m->index != X86_NO_REG)
    offset += s->gpr[m->index] << m->scale;
  if (m->adsize < 8)
    offset &= m->adsize == 2 ? 0xffff : 0xffffffff;
  if (s->mode == EXEC_LONG64)
    return offset + (m->seg == X86_GS ? EXEC_GS_BASE : 0);
  return (uint32_t) (offset + exec_segment (s->mode, m->seg)->base);
}

/* false: nothing is there */
static bool
peek (const Case *c, const ExecState *s, uint64_t linear, void *to, size_t size)
{
  const struct { uint64_t base; const uint8_t *bytes; size_t size; } areas[] = {
    { EXEC_CODE, c->code, sizeof c->code }, { EXEC_DATA, s->data, sizeof s->data }, { EXEC_STACK, s->stack, sizeof s->stack }
  };
  for (unsigned i = 0; i < sizeof areas / sizeof *areas; i++)
    if (linear - areas[i].base <= areas[i].size - size) {
      memcpy (to, areas[i].bytes + (linear - areas[i].base), size);
      return true;
    }
  return false;
}

/* --- faults --------------------------------------------------------------------------------------- */

static bool is_memory_fault (const ExecState *s) { return s->vector >= SS && s->vector <= PF; }

static bool
is_page_fault_of (const ExecState *s, const X86Operand *o)
{
  uint64_t distance = s->cr2 - linear_address (&o->mem, s);
  return s->vector == PF && (s->mode == EXEC_LONG64 ? distance : (uint32_t) distance) < o->size;
}

static void
same_fault (ExecState *native, const ExecState *guest)
{
  native->vector = guest->vector;
  native->error = guest->error;
  native->cr2 = guest->cr2;
}

/* --- the rules ------------------------------------------------------------------------------------ */

/* Of faults while one instruction is executed the first is the processor's own choice (SDM 3A, 6.9): Intel's look at ES:rDI first, as the
 * translator does, and AMD's at DS:rSI. */
static bool
is_cmps_order (const Case *c, const X86Insn *i, ExecState *native, ExecState *guest)
{
  if (i->op != X86_OP_CMPS || !is_memory_fault (native) || !is_memory_fault (guest)
      || (native->vector == PF && !is_page_fault_of (native, &i->operand[0]))
      || (guest->vector == PF && !is_page_fault_of (guest, &i->operand[1])))
    return false;
  same_fault (native, guest);
  return true;
}

/* As before: Intel's load the lower bound and compare with it before they look at the upper one. */
static bool
is_bound_order (const Case *c, const X86Insn *i, ExecState *native, ExecState *guest)
{
  int32_t index = 0, lower = 0;
  if (i->op != X86_OP_BOUND || !is_memory_fault (guest))
    return false;
  uint64_t linear = linear_address (&i->operand[1].mem, native);
  if (native->vector == PF && native->cr2 - linear < i->opsize) {
    same_fault (native, guest);
    return true;
  }
  if (native->vector != BR || !peek (c, native, linear, &lower, i->opsize))
    return false;
  memcpy (&index, &native->gpr[i->operand[0].reg], i->opsize);
  if (i->opsize == 2)
    index = (int16_t) index, lower = (int16_t) lower;
  same_fault (native, guest);
  return index < lower;
}

/* Where the limit is 4 GiB, an operand that goes beyond it may or may not be #GP or #SS (SDM 3A, 5.3); Intel's take the address that it
 * begins at, where there is no page. */
static bool
is_wrapped (const Case *c, const X86Insn *i, ExecState *native, ExecState *guest)
{
  if (native->mode != EXEC_FLAT32 || native->vector != PF || native->cr2 <= UINT32_MAX - WIDEST
      || (guest->vector != GP && guest->vector != SS) || guest->error != 0)
    return false;
  same_fault (native, guest);
  return true;
}

/* Before the first element of a repeated instruction no manual says what is in the upper halves of registers that are 32-bit addresses
 * and counts in 64-bit code (SDM 2B, REP, speaks of ECX alone): Intel's clear the count's, and those of the pointers that MOVS and STOS store
 * by. */
static bool
is_rep_upper_half (const Case *c, const X86Insn *i, ExecState *native, ExecState *guest)
{
  if (native->mode != EXEC_LONG64 || !i->rep || i->adsize != 4 || !is_memory_fault (native))
    return false;
  bool moves = i->op == X86_OP_MOVS, cleared[16] = { [X86_RCX] = true, [X86_RSI] = moves, [X86_RDI] = moves || i->op == X86_OP_STOS };
  for (unsigned r = 0; r < 16; r++)
    if (cleared[r] && native->gpr[r] == (uint32_t) guest->gpr[r])
      guest->gpr[r] = native->gpr[r];
  return true;
}

typedef struct Rule {
  const char *why;
  bool (*explains) (const Case *c, const X86Insn *insn, ExecState *native, ExecState *guest);
} Rule;

static const Rule rules[] = {
  { "Intel: #PF of an operand beyond 4 GiB", is_wrapped }, { "AMD: order of two faults of CMPS", is_cmps_order },
  { "Intel: order of #BR and a fault of BOUND", is_bound_order }, { "Intel: upper halves in REP with 32-bit addresses", is_rep_upper_half }
};
enum { N_RULES = sizeof rules / sizeof *rules };
static unsigned n_used[N_RULES];

/* --- comparing ------------------------------------------------------------------------------------ */

static bool
agree (const Case *c, const ExecState *x, const ExecState *y)
{
  uint32_t mask = ~case_undefined (c, x->pc);
  return !memcmp (x->gpr, y->gpr, sizeof x->gpr) && x->pc == y->pc && !((x->eflags ^ y->eflags) & mask)
         && x->vector == y->vector
         && x->error == y->error && x->cr2 == y->cr2 && !memcmp (x->data, y->data, sizeof x->data)
         && !memcmp (x->stack, y->stack, sizeof x->stack);
}

static const X86Insn *
insn_at (const Case *c, uint64_t pc)
{
  for (unsigned i = 0; i < c->n_steps; i++)
    if (pc == case_pc (c, c->step[i].offset))
      return &c->step[i].insn;
  return NULL;
}

bool
ended_alike (const Case *c, const ExecState *native, const ExecState *guest)
{
  static ExecState n, g;
  if (agree (c, native, guest))
    return true;
  const X86Insn *insn = insn_at (c, native->pc);
  for (unsigned i = 0; i < N_RULES && insn != NULL; i++) {
    n = *native;
    g = *guest;
    if (!rules[i].explains (c, insn, &n, &g) || !agree (c, &n, &g))
      continue;
    n_used[i]++;
    return true;
  }
  return false;
}

void
print_differences (void)
{
  for (unsigned i = 0; i < N_RULES; i++)
    if (n_used[i])
      printf ("  known to differ: %s (%u)\n", rules[i].why, n_used[i]);
  memset (n_used, 0, sizeof n_used);
}
