/* late-writes.c -- coalesced MMIO and ports: writes that the kernel keeps in a ring until somebody looks. */
/* SPDX-License-Identifier: MIT */
#include "kvm.h"

/* (the kernel's own macro names its page size) */
#define PAGE 4096
#define RING_ENTRIES ((PAGE - sizeof (struct kvm_coalesced_mmio_ring)) / sizeof (struct kvm_coalesced_mmio))

typedef struct KvmLate {
  Kvm *kvm;
  unsigned memory, io;          /* listeners */
  size_t page;                  /* of a vCPU's mapping where the ring is */
  bool has_ports;
} KvmLate;

/* --- draining ------------------------------------------------------------------------------- */

static void
write_one (Kvm *k, const struct kvm_coalesced_mmio *w, const BpFlatRange *gone, bool gone_is_port)
{
  unsigned size = MIN (w->len, 8);
  bool is_gone = gone && gone_is_port == (w->pio != 0) && w->phys_addr >= gone->address && w->phys_addr - gone->address < gone->size;
  if (is_gone)
    kvm_write_region (gone->region, gone->region_offset + w->phys_addr - gone->address, w->data, size);
  else
    kvm_write_bytes (w->pio ? k->io : k->memory, w->phys_addr, w->data, size);
}

/* A device that is written to may ask for what was written: the entry is taken out before it is passed on, so the inner call goes on with the next. */
static void
flush (Kvm *k, const BpFlatRange *gone, bool gone_is_port)
{
  struct kvm_coalesced_mmio_ring *ring = __atomic_load_n (&k->late, __ATOMIC_ACQUIRE);
  if (!ring || __atomic_load_n (&ring->first, __ATOMIC_RELAXED) == __atomic_load_n (&ring->last, __ATOMIC_ACQUIRE))
    return;
  BpMachine *machine = bp_object_machine (k);
  bp_machine_lock (machine);
  for (uint32_t first; (first = ring->first) != __atomic_load_n (&ring->last, __ATOMIC_ACQUIRE);) {
    if (first >= RING_ENTRIES)
      break;                    /* (the page is also the kernel's) */
    struct kvm_coalesced_mmio w = ring->coalesced_mmio[first];
    __atomic_store_n (&ring->first, (first + 1) % RING_ENTRIES, __ATOMIC_RELEASE);
    write_one (k, &w, gone, gone_is_port);
  }
  bp_machine_unlock (machine);
}

void
kvm_late_flush (Kvm *k)
{
  flush (k, NULL, false);
}

/* --- zones ----------------------------------------------------------------------------------- */

/* What the kernel does not take comes to us one by one. */
static void
zone (KvmLate *l, const BpFlatRange *range, bool is_port, bool add)
{
  if (!BP_TABLE_HAS (range, late_writes))
    return;
  for (uint64_t done = 0; done < range->size;) {
    uint32_t part = (uint32_t) MIN (range->size - done, UINT32_C (1) << 31);
    struct kvm_coalesced_mmio_zone z = { .addr = range->address + done, .size = part, .pio = is_port };
    kvm_ioctl (l->kvm->vm, add ? KVM_REGISTER_COALESCED_MMIO : KVM_UNREGISTER_COALESCED_MMIO, &z);
    done += part;
  }
}

static void on_memory_add (void *user, const BpFlatRange *range) { zone (user, range, false, true); }
static void on_io_add (void *user, const BpFlatRange *range) { zone (user, range, true, true); }

/* A range that goes takes along what was written to it: the address may be another region's already. */
static void
on_memory_remove (void *user, const BpFlatRange *range)
{
  zone (user, range, false, false);
  flush (((KvmLate *) user)->kvm, range, false);
}

static void
on_io_remove (void *user, const BpFlatRange *range)
{
  zone (user, range, true, false);
  flush (((KvmLate *) user)->kvm, range, true);
}

static const BpMemoryListener memory_listener = { .struct_size = sizeof memory_listener, .add = on_memory_add, .remove = on_memory_remove };
static const BpMemoryListener io_listener = { .struct_size = sizeof io_listener, .add = on_io_add, .remove = on_io_remove };

bool
kvm_late_init (Kvm *k)
{
  int page = kvm_has (k, KVM_CAP_COALESCED_MMIO);
  if (page <= 0)
    return false;
  KvmLate *l = g_new0 (KvmLate, 1);
  k->late_zones = l;
  l->kvm = k;
  l->page = (size_t) page;
  l->has_ports = kvm_has (k, KVM_CAP_COALESCED_PIO) > 0;
  l->memory = bp_as_listen (k->memory, &memory_listener, l);
  if (l->has_ports)
    l->io = bp_as_listen (k->io, &io_listener, l);
  return true;
}

void
kvm_late_finish (Kvm *k)
{
  KvmLate *l = g_steal_pointer (&k->late_zones);
  if (!l)
    return;
  bp_as_unlisten (k->memory, l->memory);
  if (l->has_ports)
    bp_as_unlisten (k->io, l->io);
  g_free (l);
}

/* --- the ring ------------------------------------------------------------------------------------ */

static struct kvm_coalesced_mmio_ring *
ring_of (const KvmVcpu *v)
{
  size_t at = v->kvm->late_zones ? v->kvm->late_zones->page * PAGE : 0;
  return at && v->run && at < v->run_size ? (void *) ((uint8_t *) v->run + at) : NULL;
}

void
kvm_late_map (KvmVcpu *v)
{
  if (!v->kvm->late)
    __atomic_store_n (&v->kvm->late, ring_of (v), __ATOMIC_RELEASE);
}

/* The ring is one: seen through another vCPU it is the same. */
void
kvm_late_unmap (KvmVcpu *v)
{
  Kvm *k = v->kvm;
  if (!k->late || k->late != ring_of (v))
    return;
  bp_machine_lock (bp_object_machine (k));
  kvm_late_flush (k);
  k->late = NULL;
  for (unsigned i = 0; i < k->vcpus->len && !k->late; i++)
    if (k->vcpus->pdata[i] != v)
      k->late = ring_of (k->vcpus->pdata[i]);
  bp_machine_unlock (bp_object_machine (k));
}
