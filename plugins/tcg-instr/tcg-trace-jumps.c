/* tcg-trace-jumps.c -- a queue of jumps; when nobody comes for the oldest, it is forgotten. */
/* SPDX-License-Identifier: MIT */
#include "tcg-trace-jumps.h"

enum { SIZE = 4096 };

typedef struct Waiting {
  BpJump jump;
  uint64_t position;
} Waiting;

struct JumpQueue {
  GMutex lock;
  unsigned first, n;            /* n: also read without the lock */
  Waiting waiting[SIZE];
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

static void
drop (JumpQueue *q, unsigned n)
{
  q->first = (q->first + n) % SIZE;
  __atomic_store_n (&q->n, q->n - n, __ATOMIC_RELAXED);
}

static bool is_empty (const JumpQueue *q) { return !__atomic_load_n (&q->n, __ATOMIC_RELAXED); }

void
jump_queue_put (JumpQueue *q, const BpJump *jump, uint64_t position)
{
  g_mutex_lock (&q->lock);
  if (q->n == SIZE)
    drop (q, 1);
  Waiting *w = &q->waiting[(q->first + q->n) % SIZE];
  w->jump = (BpJump) { .struct_size = sizeof *jump, .kind = jump->kind, .from = jump->from, .to = jump->to };
  w->position = position;
  __atomic_store_n (&q->n, q->n + 1, __ATOMIC_RELAXED);
  g_mutex_unlock (&q->lock);
}

bool
jump_queue_take (JumpQueue *q, uint64_t position, BpJump *out)
{
  bool taken = false;
  if (is_empty (q))
    return false;
  g_mutex_lock (&q->lock);
  if (q->n && q->waiting[q->first].position <= position) {
    *out = q->waiting[q->first].jump;
    drop (q, 1);
    taken = true;
  }
  g_mutex_unlock (&q->lock);
  return taken;
}

bool
jump_queue_find (JumpQueue *q, uint64_t address, BpJump *out, uint64_t *position)
{
  bool found = false;
  if (is_empty (q))
    return false;
  g_mutex_lock (&q->lock);
  for (unsigned i = 0; i < q->n && !found; i++) {
    const Waiting *w = &q->waiting[(q->first + i) % SIZE];
    if (w->jump.to != address)
      continue;
    *out = w->jump;
    *position = w->position;
    drop (q, i + 1);
    found = true;
  }
  g_mutex_unlock (&q->lock);
  return found;
}
