/* tcg-trace-jumps.c -- a short queue of jumps; when nobody comes for the oldest, it is forgotten. */
/* SPDX-License-Identifier: MIT */
#include "tcg-trace-jumps.h"

enum { SIZE = 1024 };

struct JumpQueue {
  GMutex lock;
  unsigned first, n;
  BpJump jumps[SIZE];
};

JumpQueue *
jump_queue_new (void)
{
  JumpQueue *q = g_new0 (JumpQueue, 1);
  g_mutex_init (&q->lock);
  return q;
}

void
jump_queue_free (JumpQueue *q)
{
  if (!q)
    return;
  g_mutex_clear (&q->lock);
  g_free (q);
}

bool jump_queue_is_empty (const JumpQueue *q) { return !__atomic_load_n (&q->n, __ATOMIC_RELAXED); }

static void
drop (JumpQueue *q, unsigned n)
{
  q->first = (q->first + n) % SIZE;
  __atomic_store_n (&q->n, q->n - n, __ATOMIC_RELAXED);
}

void
jump_queue_put (JumpQueue *q, const BpJump *jump)
{
  g_mutex_lock (&q->lock);
  if (q->n == SIZE)
    drop (q, 1);
  q->jumps[(q->first + q->n) % SIZE] = (BpJump) { .struct_size = sizeof *jump, .kind = jump->kind, .from = jump->from, .to = jump->to };
  __atomic_store_n (&q->n, q->n + 1, __ATOMIC_RELAXED);
  g_mutex_unlock (&q->lock);
}

bool
jump_queue_take (JumpQueue *q, uint64_t address, BpJump *out)
{
  bool found = false;
  g_mutex_lock (&q->lock);
  for (unsigned i = 0; i < q->n && !found; i++)
    if (q->jumps[(q->first + i) % SIZE].to == address) {
      *out = q->jumps[(q->first + i) % SIZE];
      drop (q, i + 1);
      found = true;
    }
  g_mutex_unlock (&q->lock);
  return found;
}
