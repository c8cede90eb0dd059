/* gate.c -- a gate before the guest: slots that are taken away and given anew must not be missed by a vCPU in between. */
/* SPDX-License-Identifier: MIT */
/*
 * `inside' is said before `gate_closed' is looked at, and `gate_closed' before `inside' is: one of the two sees the other.  A vCPU that finds the gate
 * closed steps back and waits; who closes it kicks those inside until all have come out.  No vCPU waits with a lock held.
 */
#include "kvm.h"

void
kvm_gate_init (Kvm *k)
{
  g_mutex_init (&k->gate_lock);
  g_cond_init (&k->gate_cond);
}

void
kvm_gate_finish (Kvm *k)
{
  g_mutex_clear (&k->gate_lock);
  g_cond_clear (&k->gate_cond);
}

static bool
is_inside (const KvmVcpu *v)
{
  return __atomic_load_n (&v->inside, __ATOMIC_SEQ_CST);
}

void
kvm_gate_close (Kvm *k)
{
  __atomic_store_n (&k->gate_closed, 1, __ATOMIC_SEQ_CST);
  for (unsigned i = 0; i < k->vcpus->len; i++) {
    const KvmVcpu *v = k->vcpus->pdata[i];
    if (is_inside (v))
      bp_vcpu_kick (v->vcpu);
  }
  g_mutex_lock (&k->gate_lock);
  for (unsigned i = 0; i < k->vcpus->len; i++)
    while (is_inside (k->vcpus->pdata[i]))
      g_cond_wait (&k->gate_cond, &k->gate_lock);
  g_mutex_unlock (&k->gate_lock);
}

void
kvm_gate_open (Kvm *k)
{
  g_mutex_lock (&k->gate_lock);
  __atomic_store_n (&k->gate_closed, 0, __ATOMIC_SEQ_CST);
  g_cond_broadcast (&k->gate_cond);
  g_mutex_unlock (&k->gate_lock);
}

void
kvm_gate_leave (KvmVcpu *v)
{
  Kvm *k = v->kvm;
  __atomic_store_n (&v->inside, 0, __ATOMIC_SEQ_CST);
  if (G_LIKELY (!__atomic_load_n (&k->gate_closed, __ATOMIC_SEQ_CST)))
    return;
  g_mutex_lock (&k->gate_lock);
  g_cond_broadcast (&k->gate_cond);
  g_mutex_unlock (&k->gate_lock);
}

void
kvm_gate_enter (KvmVcpu *v)
{
  Kvm *k = v->kvm;
  for (;;) {
    __atomic_store_n (&v->inside, 1, __ATOMIC_SEQ_CST);
    if (G_LIKELY (!__atomic_load_n (&k->gate_closed, __ATOMIC_SEQ_CST)))
      return;
    kvm_gate_leave (v);
    g_mutex_lock (&k->gate_lock);
    while (__atomic_load_n (&k->gate_closed, __ATOMIC_SEQ_CST))
      g_cond_wait (&k->gate_cond, &k->gate_lock);
    g_mutex_unlock (&k->gate_lock);
  }
}
