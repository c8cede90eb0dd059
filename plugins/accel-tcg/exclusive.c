/* exclusive.c -- one vCPU has the blocks to itself: the code cache is emptied while no other one runs.  Built with -mgeneral-regs-only. */
/* SPDX-License-Identifier: MIT */
/*
 * A vCPU is `running` while it may hold a pointer to a block, or use its TLB or jump cache: all of its loop but the sleep.  Who wants
 * to be alone says so, kicks the others, and waits until none is running; the others wait on their way in.
 */
#include "machine-tcg.h"

void
run_enter (TcgVcpu *v)
{
  TcgMachine *m = v->machine;
  g_mutex_lock (&m->run_lock);
  while (m->exclusive)
    g_cond_wait (&m->run_cond, &m->run_lock);
  m->n_running++;
  tcg_extra (v)->running = true;
  g_mutex_unlock (&m->run_lock);
}

static void
leave_locked (TcgVcpu *v)
{
  TcgMachine *m = v->machine;
  if (!tcg_extra (v)->running)
    return;
  m->n_running--;
  tcg_extra (v)->running = false;
  g_cond_broadcast (&m->run_cond);
}

void
run_leave (TcgVcpu *v)
{
  TcgMachine *m = v->machine;
  if (!tcg_extra (v)->running)
    return;
  g_mutex_lock (&m->run_lock);
  leave_locked (v);
  g_mutex_unlock (&m->run_lock);
}

bool
exclusive_begin (TcgVcpu *v)
{
  TcgMachine *m = v->machine;
  g_mutex_lock (&m->run_lock);
  bool mine = !m->exclusive;    /* before we leave: somebody who waits for that may be done before we look */
  leave_locked (v);
  if (mine)
    m->exclusive = true;
  g_mutex_unlock (&m->run_lock);
  if (!mine) {                  /* somebody else was first: what was wanted is done when we may run again */
    run_enter (v);
    return false;
  }
  for (unsigned i = 0; i < m->vcpus->len; i++)
    if (m->vcpus->pdata[i] != v)
      bp_vcpu_kick (((TcgVcpu *) m->vcpus->pdata[i])->vcpu);
  g_mutex_lock (&m->run_lock);
  while (m->n_running > 0)
    g_cond_wait (&m->run_cond, &m->run_lock);
  g_mutex_unlock (&m->run_lock);
  return true;
}

void
exclusive_end (TcgVcpu *v)
{
  TcgMachine *m = v->machine;
  g_mutex_lock (&m->run_lock);
  m->exclusive = false;
  m->n_running++;
  tcg_extra (v)->running = true;
  g_cond_broadcast (&m->run_cond);
  g_mutex_unlock (&m->run_lock);
}
