/* late-writes.c -- coalesced MMIO and ports: writes that the kernel keeps in a ring until somebody looks. */
/* SPDX-License-Identifier: MIT */
#include "kvm.h"

/* (the kernel's own macro names its page size) */
#define PAGE 4096
#define RING_ENTRIES ((PAGE - sizeof (struct kvm_coalesced_mmio_ring)) / sizeof (struct kvm_coalesced_mmio))

typedef struct LateSpace {
  struct KvmLate *late;
  bool is_ports;
  unsigned listener;            /* 0: none */
  GArray *gone;                 /* of BpFlatRange: in this change of the map; what was written there before is not yet theirs */
} LateSpace;

typedef struct KvmLate {
  Kvm *kvm;
  LateSpace memory, io;
  size_t page;                  /* of a vCPU's mapping where the ring is */
  int n_flushing;               /* atomic: what is out of the ring may not have been written yet */
} KvmLate;

/* --- draining ------------------------------------------------------------------------------- */

static const BpFlatRange *
range_gone (const LateSpace *space, uint64_t address)
{
  for (unsigned i = 0; space->gone && i < space->gone->len; i++) {
    const BpFlatRange *r = &g_array_index (space->gone, BpFlatRange, i);
    if (address >= r->address && address - r->address < r->size)
      return r;
  }
  return NULL;
}

static void
write_one (Kvm *k, const struct kvm_coalesced_mmio *w)
{
  const BpFlatRange *gone = range_gone (w->pio ? &k->late_zones->io : &k->late_zones->memory, w->phys_addr);
  unsigned size = MIN (w->len, 8);
  if (gone)
    kvm_write_region (gone->region, gone->region_offset + w->phys_addr - gone->address, w->data, size);
  else
    kvm_write_bytes (w->pio ? k->io : k->memory, w->phys_addr, w->data, size);
}

/* An entry is out of the ring before it is written, so both are asked, in this order. */
static bool
is_settled (const KvmLate *l, const struct kvm_coalesced_mmio_ring *ring)
{
  return __atomic_load_n (&ring->first, __ATOMIC_SEQ_CST) == __atomic_load_n (&ring->last, __ATOMIC_SEQ_CST)
         && !__atomic_load_n (&l->n_flushing, __ATOMIC_SEQ_CST);
}

/* A device that is written to may ask for what was written: the entry is taken out before it is passed on, so the inner call goes on with the next. */
void
kvm_late_flush (Kvm *k)
{
  struct kvm_coalesced_mmio_ring *ring = __atomic_load_n (&k->late, __ATOMIC_ACQUIRE);
  if (!ring || is_settled (k->late_zones, ring))
    return;
  BpMachine *machine = bp_object_machine (k);
  bp_machine_lock (machine);    /* and waits for who flushes already */
  __atomic_add_fetch (&k->late_zones->n_flushing, 1, __ATOMIC_SEQ_CST);
  for (uint32_t first; (first = ring->first) != __atomic_load_n (&ring->last, __ATOMIC_ACQUIRE);) {
    if (first >= RING_ENTRIES)
      break;                    /* (the page is also the kernel's) */
    struct kvm_coalesced_mmio w = ring->coalesced_mmio[first];
    __atomic_store_n (&ring->first, (first + 1) % RING_ENTRIES, __ATOMIC_SEQ_CST);
    write_one (k, &w);
  }
  __atomic_sub_fetch (&k->late_zones->n_flushing, 1, __ATOMIC_SEQ_CST);
  bp_machine_unlock (machine);
}

/* --- zones ----------------------------------------------------------------------------------- */

/* What the kernel does not take comes to us one by one. */
static void
zone (const LateSpace *space, const BpFlatRange *range, bool add)
{
  for (uint64_t done = 0; done < range->size;) {
    uint32_t part = (uint32_t) MIN (range->size - done, UINT32_C (1) << 31);
    struct kvm_coalesced_mmio_zone z = { .addr = range->address + done, .size = part, .pio = space->is_ports };
    kvm_ioctl (space->late->kvm->vm, add ? KVM_REGISTER_COALESCED_MMIO : KVM_UNREGISTER_COALESCED_MMIO, &z);
    done += part;
  }
}

/* Ranges that go take along what was written to them: the addresses may be other regions' already.  All must have gone before any of it is written. */
static void
settle (LateSpace *space)
{
  if (!space->gone->len)
    return;
  kvm_late_flush (space->late->kvm);
  g_array_set_size (space->gone, 0);
}

static void
on_add (void *user, const BpFlatRange *range)
{
  LateSpace *space = user;
  if (!BP_TABLE_HAS (range, late_writes))
    return;
  settle (space);               /* what comes from now on may be for this one */
  zone (space, range, true);
}

static void
on_remove (void *user, const BpFlatRange *range)
{
  LateSpace *space = user;
  if (!BP_TABLE_HAS (range, late_writes))
    return;
  zone (space, range, false);
  g_array_append_val (space->gone, *range);
}

static void on_commit (void *user) { settle (user); }

static const BpMemoryListener listener = { .struct_size = sizeof listener, .add = on_add, .remove = on_remove, .commit = on_commit };

static void
space_listen (KvmLate *l, LateSpace *space, bool is_ports)
{
  space->late = l;
  space->is_ports = is_ports;
  space->gone = g_array_new (FALSE, FALSE, sizeof (BpFlatRange));
  space->listener = bp_as_listen (is_ports ? l->kvm->io : l->kvm->memory, &listener, space);
}

static void
space_unlisten (LateSpace *space)
{
  if (!space->listener)
    return;
  bp_as_unlisten (space->is_ports ? space->late->kvm->io : space->late->kvm->memory, space->listener);
  g_array_unref (space->gone);
}

void
kvm_late_init (Kvm *k)
{
  int page = kvm_has (k, KVM_CAP_COALESCED_MMIO);
  if (page <= 0)
    return;
  KvmLate *l = g_new0 (KvmLate, 1);
  k->late_zones = l;
  l->kvm = k;
  l->page = (size_t) page;
  space_listen (l, &l->memory, false);
  if (kvm_has (k, KVM_CAP_COALESCED_PIO) > 0)
    space_listen (l, &l->io, true);
}

void
kvm_late_finish (Kvm *k)
{
  KvmLate *l = g_steal_pointer (&k->late_zones);
  if (!l)
    return;
  space_unlisten (&l->memory);
  space_unlisten (&l->io);
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
