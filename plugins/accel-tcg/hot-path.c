/* hot-path.c -- a block that proves hot is watched, and compiled again along the path that is taken from it.  Built with -mgeneral-regs-only. */
/* SPDX-License-Identifier: MIT */
/*
 * A block's first code counts down how often it is entered, and at the end leaves to the loop instead (TCG_EXIT_HOT).  Then the loop runs the block
 * and those after it one at a time, with their jumps taken out, and notes where each direct jump has led.  When the block is entered the next time,
 * the frontend translates it anew along that path (BpTranslation.path): only then, for the path's end may be another mode or address space.
 */
#include <string.h>
#include "machine-tcg.h"

static void
count_from (Tb *tb, uint32_t n)
{
  if (tb->counter)
    __atomic_store_n (tb->counter, n, __ATOMIC_RELAXED);
}

static bool
has_direct_exit (const Tb *tb)
{
  for (unsigned n = 0; n < tb->n_exits; n++)
    if (tb->exit[n].jump != TB_NO_EXIT)
      return true;
  return false;
}

/* --- watching ----------------------------------------------------------------------------- */

static bool
is_on_path (const HotPath *p, const Tb *tb)
{
  uint16_t offset = (uint16_t) (tb->key.pc & ~TLB_PAGE_MASK);
  if (offset == (p->head->key.pc & ~TLB_PAGE_MASK))
    return true;
  for (unsigned i = 0; i < p->n; i++)
    if (p->offset[i] == offset)
      return true;
  return false;
}

/* Whether tb, where the last block's direct jump has led, belongs to the path. */
static bool
goes_on (const HotPath *p, const Tb *tb)
{
  return p->n < TB_MAX_PATH && ((tb->key.pc ^ p->head->key.pc) & TLB_PAGE_MASK) == 0 && !__atomic_load_n (&tb->n_path, __ATOMIC_RELAXED)
         && !is_on_path (p, tb);
}

/* next: where it leads, NULL: out of what direct jumps reach. */
static void
end_path (TcgVcpu *v, const Tb *next)
{
  TcgMachine *m = v->machine;
  HotPath *p = &tcg_extra (v)->path;
  Tb *head = p->head;
  g_mutex_lock (&m->lock);
  if (!head->invalid) {
    memcpy (head->path, p->offset, p->n * sizeof p->offset[0]);
    __atomic_store_n (&head->n_path, (uint8_t) p->n, __ATOMIC_RELAXED); /* (another vCPU may ask whether its own path goes on here) */
    head->is_watched = true;
    head->is_loop = next == head;
    count_from (head, 0);
  }
  g_mutex_unlock (&m->lock);
  p->head = p->at = NULL;
}

/* The loop is about to run tb, to which the last block's exit led if that is still in last_tb. */
bool
hot_path_enter (TcgVcpu *v, Tb *tb)
{
  VcpuExtra *x = tcg_extra (v);
  HotPath *p = &x->path;
  if (x->last_tb != p->at || (!p->at && tb != p->head)) {       /* something came in between */
    hot_path_forget (v);
    return false;
  }
  if (p->at) {
    if (!goes_on (p, tb)) {
      end_path (v, tb);
      return false;
    }
    p->offset[p->n++] = (uint16_t) (tb->key.pc & ~TLB_PAGE_MASK);
  }
  p->at = tb;
  count_from (tb, v->machine->hot_after);
  tb_unlink_exits (v->machine, tb);
  return true;
}

void
hot_path_leave (TcgVcpu *v)
{
  VcpuExtra *x = tcg_extra (v);
  if (x->path.head && x->last_tb != x->path.at)
    end_path (v, NULL);
}

/* --- compiling ---------------------------------------------------------------------------- */

/* x->hot was entered once too often. */
void
hot_path_see_to (TcgVcpu *v)
{
  VcpuExtra *x = tcg_extra (v);
  TcgMachine *m = v->machine;
  Tb *tb = x->hot;
  x->hot = NULL;
  g_mutex_lock (&m->lock);
  bool gone = tb->invalid, is_known = tb->is_watched || !has_direct_exit (tb);
  g_mutex_unlock (&m->lock);
  if (gone)
    return;
  if (is_known) {
    tb_translate_again (v, tb);
    return;
  }
  x->path.head = tb;
  x->path.at = NULL;
  x->path.n = 0;
  x->last_tb = NULL;
  count_from (tb, m->hot_after);
}
