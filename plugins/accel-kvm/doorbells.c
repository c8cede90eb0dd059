/* doorbells.c -- doorbells as ioeventfds: the vCPU stays in the guest. */
/* SPDX-License-Identifier: MIT */
#include "kvm.h"

typedef struct KvmDoorbells {
  unsigned memory, io;          /* listeners */
} KvmDoorbells;

/* What the kernel does not take (a size of any, on old kernels) leaves the guest and comes to the dispatcher, which signals as well. */
static void
tell (Kvm *k, uint64_t address, const BpDoorbell *d, bool is_port, bool add)
{
  struct kvm_ioeventfd e = {
    .datamatch = d->match ? d->value : 0, .addr = address, .len = d->size, .fd = d->fd,
    .flags = (d->match ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0u) | (is_port ? KVM_IOEVENTFD_FLAG_PIO : 0u) | (add ? 0u : KVM_IOEVENTFD_FLAG_DEASSIGN)
  };
  if (d->size == 0 && (d->match || !kvm_has (k, KVM_CAP_IOEVENTFD_ANY_LENGTH)))
    return;
  kvm_ioctl (k->vm, KVM_IOEVENTFD, &e);
}

static void on_memory_add (void *user, uint64_t address, const BpDoorbell *d) { tell (user, address, d, false, true); }
static void on_memory_remove (void *user, uint64_t address, const BpDoorbell *d) { tell (user, address, d, false, false); }
static void on_io_add (void *user, uint64_t address, const BpDoorbell *d) { tell (user, address, d, true, true); }
static void on_io_remove (void *user, uint64_t address, const BpDoorbell *d) { tell (user, address, d, true, false); }

static const BpMemoryListener memory_listener = {
  .struct_size = sizeof memory_listener, .doorbell_add = on_memory_add, .doorbell_remove = on_memory_remove
};
static const BpMemoryListener io_listener = { .struct_size = sizeof io_listener, .doorbell_add = on_io_add, .doorbell_remove = on_io_remove };

void
kvm_doorbells_init (Kvm *k)
{
  if (!kvm_has (k, KVM_CAP_IOEVENTFD))
    return;
  k->doorbells = g_new0 (KvmDoorbells, 1);
  k->doorbells->memory = bp_as_listen (k->memory, &memory_listener, k);
  k->doorbells->io = bp_as_listen (k->io, &io_listener, k);
}

void
kvm_doorbells_finish (Kvm *k)
{
  KvmDoorbells *d = g_steal_pointer (&k->doorbells);
  if (!d)
    return;
  bp_as_unlisten (k->memory, d->memory);
  bp_as_unlisten (k->io, d->io);
  g_free (d);
}
