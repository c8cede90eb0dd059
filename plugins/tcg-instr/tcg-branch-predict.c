/* tcg-branch-predict.c -- tables of predictors without tags, and predictors of targets. */
/* SPDX-License-Identifier: MIT */
#include "tcg-branch-predict.h"
#include <string.h>

enum { WEAKLY_NOT_TAKEN = 1 };

static uint8_t *
counters_new (uint32_t entries)
{
  uint8_t *counters = g_malloc (entries);
  memset (counters, WEAKLY_NOT_TAKEN, entries);
  return counters;
}

/* --- bimodal, gshare ---------------------------------------------------------------------------- */

void
bimodal_init (Bimodal *b, uint32_t entries)
{
  *b = (Bimodal) { .counters = counters_new (entries), .mask = entries - 1 };
}

void
bimodal_finish (Bimodal *b)
{
  g_clear_pointer (&b->counters, g_free);
}

void
gshare_init (Gshare *g, uint32_t entries, uint32_t history_bits)
{
  *g = (Gshare) { .counters = counters_new (entries), .mask = entries - 1, .history_mask = (UINT64_C (1) << history_bits) - 1 };
}

void
gshare_finish (Gshare *g)
{
  g_clear_pointer (&g->counters, g_free);
}

/* --- return addresses ------------------------------------------------------------------------------ */

void
return_stack_init (ReturnStack *r, uint32_t entries)
{
  *r = (ReturnStack) { .address = g_new0 (uint64_t, entries), .entries = entries };
}

void
return_stack_finish (ReturnStack *r)
{
  g_clear_pointer (&r->address, g_free);
}

void
return_stack_call (ReturnStack *r, uint64_t address)
{
  r->top = r->top + 1 == r->entries ? 0 : r->top + 1;
  r->address[r->top] = address;
  r->depth += r->depth < r->entries;
}

bool
return_stack_return (ReturnStack *r, uint64_t *address)
{
  if (r->depth == 0)
    return false;
  *address = r->address[r->top];
  r->top = r->top == 0 ? r->entries - 1 : r->top - 1;
  r->depth--;
  return true;
}

/* --- indirect targets ------------------------------------------------------------------------------- */

void
last_target_init (LastTarget *l, uint32_t entries)
{
  l->entries = g_malloc (entries * sizeof *l->entries);
  memset (l->entries, 0xff, entries * sizeof *l->entries);
  l->mask = entries - 1;
}

void
last_target_finish (LastTarget *l)
{
  g_clear_pointer (&l->entries, g_free);
}

bool
last_target_step (LastTarget *l, uint64_t pc, uint64_t target)
{
  uint64_t at = pc & l->mask;
  bool right = l->entries[at].pc == pc && l->entries[at].target == target;
  l->entries[at].pc = pc;
  l->entries[at].target = target;
  return right;
}
