/* plugin.c -- accel-kvm: vCPUs run by the host's processor, through /dev/kvm. */
/* SPDX-License-Identifier: MIT */
#include "kvm.h"

/* --- life cycle ---------------------------------------------------------------------------- */

static bool
configure (void *self, GError **error)
{
  Kvm *k = self;
  k->kvm = k->vm = -1;
  k->vcpus = g_ptr_array_new ();
  g_mutex_init (&k->run_lock);
  g_mutex_init (&k->tsc_lock);
  kvm_gate_init (k);
  return true;
}

static bool
realize (void *self, GError **error)
{
  return kvm_signals_install (error) && kvm_vm_open (self, error);
}

static void
unrealize (void *self)
{
  Kvm *k = self;
  if (!k->vcpus)
    return;
  if (k->has_begun) {
    kvm_debug_finish (k);
    kvm_doorbells_finish (k);
    kvm_slots_finish (k);
    kvm_late_finish (k);
    kvm_irqchip_finish (k);
  }
  kvm_vm_close (k);
  g_clear_pointer (&k->supported, g_free);
  g_clear_pointer (&k->vcpus, g_ptr_array_unref);
  g_mutex_clear (&k->run_lock);
  g_mutex_clear (&k->tsc_lock);
  kvm_gate_finish (k);
}

/* --- vCPUs ----------------------------------------------------------------------------------- */

static unsigned
count_processors (BpMachine *machine)
{
  unsigned n = 0;
  for (unsigned cursor = 0; bp_machine_next (machine, BP_X86_CPU_ID, &cursor);)
    n++;
  return n;
}

static bool
vcpu_init (void *self, BpVcpu *vcpu, GError **error)
{
  Kvm *k = self;
  if (!k->has_begun) {
    k->has_begun = true;
    if (!kvm_vm_begin (k, error))
      return false;
  }
  if (!kvm_vcpu_init (k, vcpu, error))
    return false;
  if (k->vcpus->len < count_processors (bp_object_machine (k)) || kvm_irqchip_start (k, error))
    return true;
  kvm_vcpu_finish (kvm_vcpu_at (k, vcpu));
  return false;
}

static void
vcpu_run (void *self, BpVcpu *vcpu)
{
  kvm_vcpu_run (kvm_vcpu_at (self, vcpu));
}

static void
vcpu_kick (void *self, BpVcpu *vcpu, GThread *thread, uint64_t pthread_id)
{
  kvm_vcpu_kick (kvm_vcpu_at (self, vcpu), thread, pthread_id);
}

static void
vcpu_synchronise (void *self, BpVcpu *vcpu)
{
  KvmVcpu *v = kvm_vcpu_at (self, vcpu);
  if (v)
    v->dirty = true;
}

static void
vcpu_fetch (void *self, BpVcpu *vcpu)
{
  kvm_vcpu_fetch (kvm_vcpu_at (self, vcpu));
}

static void
vcpu_finish (void *self, BpVcpu *vcpu)
{
  KvmVcpu *v = kvm_vcpu_at (self, vcpu);
  if (v)
    kvm_vcpu_finish (v);
}

static void
flush_writes (void *self)
{
  kvm_late_flush (self);
}

/* --- tables ---------------------------------------------------------------------------------- */

static const char *const irqchip_names[] = { "ours", "split", "kernel", "auto", NULL };

static const BpProperty properties[] = {
  BP_PROP_ENUM ("irqchip", Kvm, irqchip, KVM_IRQCHIP_AUTO, irqchip_names,
                "Who models interrupt controllers: ours, the descriptor's devices do; kernel, KVM does the work of those devices; split, KVM only that of "
                "local APICs; auto, what the machine and the host allow."),
  BP_PROP_STRING ("device", Kvm, device, "/dev/kvm", "The device through which the host's KVM is reached."),
  BP_PROP_END
};

static const BpAccelIface accel_iface = {
  .struct_size = sizeof accel_iface,
  .vcpu_init = vcpu_init,
  .vcpu_run = vcpu_run,
  .vcpu_kick = vcpu_kick,
  .vcpu_synchronise = vcpu_synchronise,
  .vcpu_finish = vcpu_finish,
  .debug_attach = kvm_debug_attach,
  .debug_insert = kvm_debug_insert,
  .debug_remove = kvm_debug_remove,
  .debug_resume = kvm_debug_resume,
  .debug_take_stop = kvm_debug_take_stop,
  .probe = kvm_probe,
  .flush_writes = flush_writes,
  .vcpu_fetch = vcpu_fetch
};

static const BpInterfaceDesc accel_interfaces[] = { { BP_ACCEL_ID, &accel_iface }, { BP_MSI_ID, &kvm_msi_iface }, { NULL, NULL } };

static const BpTypeDesc accel_type = {
  BP_TYPE ("accel-kvm", BP_KIND_ACCEL, Kvm),
  .description = "vCPUs run by the host's processor, through /dev/kvm",
  .properties = properties,
  .interfaces = accel_interfaces,
  .configure = configure,
  .realize = realize,
  .unrealize = unrealize
};

static const BpTypeDesc *const types[] = { &accel_type, NULL };

BP_PLUGIN_DEFINE_FLAGS (BP_PLUGIN_SAME_MINOR, .id = "accel-kvm", .version = "0.1", .licence = "MIT", .description = "KVM as accelerator", .types = types);
