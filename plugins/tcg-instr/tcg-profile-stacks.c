/* tcg-profile-stacks.c -- sampled stacks, each once, with how often it was seen. */
/* SPDX-License-Identifier: MIT */
#include "tcg-profile-stacks.h"
#include <string.h>

struct Stacks {
  GArray *stacks;               /* Stack */
  GArray *frames;               /* uint64_t */
  uint32_t *index;              /* of a stack, plus 1; 0: free.  Open addressing, at most half full */
  uint32_t mask, limit;
};

#define FIRST_SLOTS 1024u

Stacks *
stacks_new (uint32_t limit)
{
  Stacks *s = g_new0 (Stacks, 1);
  s->stacks = g_array_new (FALSE, FALSE, sizeof (Stack));
  s->frames = g_array_new (FALSE, FALSE, sizeof (uint64_t));
  s->index = g_new0 (uint32_t, FIRST_SLOTS);
  s->mask = FIRST_SLOTS - 1;
  s->limit = limit;
  return s;
}

void
stacks_free (Stacks *s)
{
  if (!s)
    return;
  g_array_free (s->stacks, TRUE);
  g_array_free (s->frames, TRUE);
  g_free (s->index);
  g_free (s);
}

uint32_t
stacks_size (const Stacks *s)
{
  return s->stacks->len;
}

const Stack *
stacks_at (const Stacks *s, uint32_t i)
{
  return &g_array_index (s->stacks, Stack, i);
}

const uint64_t *
stacks_frames (const Stacks *s, const Stack *stack)
{
  return &g_array_index (s->frames, uint64_t, stack->first);
}

static uint64_t
mix (uint64_t h, uint64_t value)
{
  h = (h ^ value) * UINT64_C (0x9e3779b97f4a7c15);
  return h ^ h >> 29;
}

static uint32_t
hash (uint64_t space, uint8_t privilege, const uint64_t *frames, unsigned n)
{
  uint64_t h = mix (mix (n, space), privilege);
  for (unsigned i = 0; i < n; i++)
    h = mix (h, frames[i]);
  return (uint32_t) (h >> 32);
}

static bool
is_same (const Stacks *s, const Stack *a, uint64_t space, uint8_t privilege, const uint64_t *frames, unsigned n)
{
  return a->space == space && a->privilege == privilege && a->n == n && !memcmp (stacks_frames (s, a), frames, n * sizeof *frames);
}

static void
grow (Stacks *s)
{
  uint32_t slots = (s->mask + 1) * 2;
  g_free (s->index);
  s->index = g_new0 (uint32_t, slots);
  s->mask = slots - 1;
  for (uint32_t i = 0; i < s->stacks->len; i++) {
    const Stack *a = stacks_at (s, i);
    uint32_t at = hash (a->space, a->privilege, stacks_frames (s, a), a->n) & s->mask;
    while (s->index[at])
      at = (at + 1) & s->mask;
    s->index[at] = i + 1;
  }
}

bool
stacks_add (Stacks *s, uint64_t space, uint8_t privilege, const uint64_t *frames, unsigned n, uint64_t count)
{
  uint32_t at = hash (space, privilege, frames, n) & s->mask;
  for (; s->index[at]; at = (at + 1) & s->mask) {
    Stack *a = &g_array_index (s->stacks, Stack, s->index[at] - 1);
    if (is_same (s, a, space, privilege, frames, n)) {
      a->count += count;
      return true;
    }
  }
  if (s->stacks->len >= s->limit)
    return false;
  Stack a = { .space = space, .count = count, .first = s->frames->len, .n = (uint16_t) n, .privilege = privilege };
  g_array_append_vals (s->frames, frames, n);
  g_array_append_val (s->stacks, a);
  s->index[at] = s->stacks->len;
  if (s->stacks->len > s->mask / 2)
    grow (s);
  return true;
}

static int
compare_stacks (const void *pa, const void *pb, void *data)
{
  const Stacks *s = data;
  const Stack *a = pa, *b = pb;
  if (a->space != b->space)
    return a->space < b->space ? -1 : 1;
  if (a->privilege != b->privilege)
    return a->privilege < b->privilege ? -1 : 1;
  const uint64_t *fa = stacks_frames (s, a), *fb = stacks_frames (s, b);
  for (unsigned i = 0; i < MIN (a->n, b->n); i++)
    if (fa[i] != fb[i])
      return fa[i] < fb[i] ? -1 : 1;
  return (int) a->n - (int) b->n;
}

void
stacks_sort (Stacks *s)
{
  g_array_sort_with_data (s->stacks, compare_stacks, s);
}
