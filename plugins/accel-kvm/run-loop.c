/* run-loop.c -- a vCPU's loop: in and out of the guest. */
/* SPDX-License-Identifier: MIT */
#include "kvm.h"
#include <errno.h>
#include <sys/ioctl.h>

/* One KVM_RUN and what it was left for. */
static void
run_once (KvmVcpu *v)
{
  kvm_gate_enter (v);
  v->incomplete = false;
  int r = ioctl (v->fd, KVM_RUN, 0), error = r < 0 ? errno : 0;
  kvm_gate_leave (v);
  kvm_late_flush (v->kvm);      /* what was written before this exit comes before it */
  kvm_after_run (v);
  if (G_LIKELY (!error))
    kvm_handle_exit (v);
  else if (error == EINTR || error == EAGAIN)
    kvm_irqchip_look_at_halt (v);
  else
    kvm_run_failed (v, error);
}

/* An instruction that left for a device is done when the kernel has got the answer: only then do registers tell all. */
static void
complete (KvmVcpu *v)
{
  while (v->incomplete) {
    __atomic_store_n (&v->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
    run_once (v);
  }
}

void
kvm_vcpu_fetch (KvmVcpu *v)
{
  if (!v->in_loop || v->dirty)
    return;
  complete (v);
  kvm_state_get (v);
  v->dirty = true;              /* whoever looks at it may write it, too */
}

/* --- interrupt controllers in the kernel are everybody's ------------------------------------ */

static void
enter_loop (KvmVcpu *v)
{
  Kvm *k = v->kvm;
  bp_machine_lock (bp_object_machine (k));
  g_mutex_lock (&k->run_lock);
  if (k->n_running++ == 0) {
    kvm_tsc_resume (k);
    kvm_irqchip_put (k);        /* and registers that belong to it */
  }
  g_mutex_unlock (&k->run_lock);
  bp_machine_unlock (bp_object_machine (k));
  v->in_loop = true;
  if (v->dirty)
    kvm_state_put (v);
  kvm_after_put (v);            /* (or it was put with the interrupt controllers) */
}

/* The first to enter puts what belongs to all; a thread that was slow may not have come in meanwhile, and its vCPU may have been sent messages.  Nobody runs. */
static void
fetch_others (Kvm *k)
{
  for (unsigned i = 0; i < k->vcpus->len; i++) {
    KvmVcpu *v = k->vcpus->pdata[i];
    if (v->dirty)
      continue;
    kvm_state_get (v);
    v->dirty = true;
  }
}

static void
leave_loop (KvmVcpu *v)
{
  Kvm *k = v->kvm;
  kvm_vcpu_fetch (v);
  v->in_loop = false;
  kvm_debug_left (v);
  bp_machine_lock (bp_object_machine (k));
  g_mutex_lock (&k->run_lock);
  if (--k->n_running == 0) {
    fetch_others (k);
    kvm_irqchip_get (k);
  }
  g_mutex_unlock (&k->run_lock);
  bp_machine_unlock (bp_object_machine (k));
}

/* --- the loop ---------------------------------------------------------------------------------- */

void
kvm_vcpu_run (KvmVcpu *v)
{
  kvm_signals_thread ();
  enter_loop (v);
  for (;;) {
    /* First: a kick from here on is for what is looked at below, or ends KVM_RUN at once. */
    __atomic_store_n (&v->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
    if (!bp_vcpu_may_run (v->vcpu))
      break;
    if (v->dirty) {
      kvm_state_put (v);
      kvm_after_put (v);
    }
    if (!kvm_debug_may_run (v) || !kvm_see_to_events (v)) {
      bp_vcpu_wait (v->vcpu);
      continue;
    }
    kvm_debug_arm (v);
    run_once (v);
  }
  leave_loop (v);
}
