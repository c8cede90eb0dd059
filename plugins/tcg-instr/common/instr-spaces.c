/* instr-spaces.c -- address spaces numbered as they come. */
/* SPDX-License-Identifier: MIT */
#include "instr-spaces.h"

enum { FIRST_SLOTS = 64 };

void
instr_spaces_init (InstrSpaces *s)
{
  *s = (InstrSpaces) { .n_slots = FIRST_SLOTS, .slots = g_new0 (uint32_t, FIRST_SLOTS), .spaces = g_new (uint64_t, FIRST_SLOTS / 2) };
}

void
instr_spaces_finish (InstrSpaces *s)
{
  g_free (s->slots);
  g_free (s->spaces);
  *s = (InstrSpaces) { .n = 0 };
}

/* The slot that has the space, or the free one where it belongs. */
static uint32_t *
slot_of (const InstrSpaces *s, uint64_t space)
{
  uint32_t at = (uint32_t) ((space * UINT64_C (0x9e3779b97f4a7c15)) >> 32);
  while (s->slots[at & (s->n_slots - 1)] && s->spaces[s->slots[at & (s->n_slots - 1)] - 1] != space)
    at++;
  return &s->slots[at & (s->n_slots - 1)];
}

static void
grow (InstrSpaces *s)
{
  g_free (s->slots);
  s->n_slots *= 2;
  s->slots = g_new0 (uint32_t, s->n_slots);
  s->spaces = g_renew (uint64_t, s->spaces, s->n_slots / 2);
  for (uint32_t i = 0; i < s->n; i++)
    *slot_of (s, s->spaces[i]) = i + 1;
}

uint32_t
instr_spaces_find (InstrSpaces *s, uint64_t space)
{
  uint32_t *slot = slot_of (s, space);
  if (!*slot) {
    if ((s->n + 1) * 2 >= s->n_slots) {
      grow (s);
      slot = slot_of (s, space);
    }
    s->spaces[s->n] = space;
    *slot = ++s->n;
  }
  return s->last = *slot - 1;
}
