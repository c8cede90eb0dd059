/* tcg-profile-stacks.h -- sampled stacks, each once, with how often it was seen. */
/* SPDX-License-Identifier: MIT */
#ifndef TCG_PROFILE_STACKS_H
#define TCG_PROFILE_STACKS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define STACK_DEPTH_MAX 256

typedef struct Stack {
  uint64_t space, count;
  uint32_t first;               /* in the table's frames: the innermost; stacks_frames () */
  uint16_t n;
  uint8_t privilege;
} Stack;

typedef struct Stacks Stacks;

/* No more than `limit' different ones are kept. */
Stacks *stacks_new (uint32_t limit);
void stacks_free (Stacks *stacks);      /* NULL is allowed */
/* n: 1 to STACK_DEPTH_MAX.  false: it is a new one, and there is no room. */
bool stacks_add (Stacks *stacks, uint64_t space, uint8_t privilege, const uint64_t *frames, unsigned n, uint64_t count);
uint32_t stacks_size (const Stacks *stacks);
const Stack *stacks_at (const Stacks *stacks, uint32_t i);
const uint64_t *stacks_frames (const Stacks *stacks, const Stack *stack);
/* By space, privilege and addresses: the order no longer says when they came.  Nothing is added afterwards. */
void stacks_sort (Stacks *stacks);

#endif
