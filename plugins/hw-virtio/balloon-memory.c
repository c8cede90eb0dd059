/* balloon-memory.c -- how much RAM the guest finds, of which the balloon may take. */
/* SPDX-License-Identifier: MIT */
#include "balloon.h"
#include <backplane/bus/memory-slots.h>
#include <backplane/iface/memory-backend.h>

static void
note_owner (void *user, const BpFlatRange *r)
{
  GPtrArray *owners = user;
  void *owner = r->host && !r->readonly ? bp_region_owner (r->region) : NULL;
  if (owner && bp_object_interface (owner, BP_MEMORY_BACKEND_ID) && !g_ptr_array_find (owners, owner, NULL))
    g_ptr_array_add (owners, owner);
}

/* virtio-mem and virtio-pmem do with theirs as they please. */
static void
leave_out_devices (BpMachine *machine, GPtrArray *owners)
{
  unsigned cursor = 0;
  for (void *d; (d = bp_machine_next (machine, BP_MEMORY_DEVICE_ID, &cursor));) {
    const BpMemoryDeviceIface *iface = bp_object_interface (d, BP_MEMORY_DEVICE_ID);
    BpMemoryDeviceInfo info = { .struct_size = sizeof info };
    if (BP_TABLE_HAS (iface, info))
      iface->info (d, &info);
    if (info.memory && info.slot < 0)
      g_ptr_array_remove_fast (owners, info.memory);
  }
}

uint64_t
balloon_all_memory (BpMachine *machine)
{
  static const BpMemoryListener listener = { .struct_size = sizeof listener, .add = note_owner };
  BpAddressSpace *as = bp_machine_address_space (machine, "memory");
  g_autoptr (GPtrArray) owners = g_ptr_array_new ();
  uint64_t size = 0;
  if (as)
    bp_as_unlisten (as, bp_as_listen (as, &listener, owners));
  leave_out_devices (machine, owners);
  for (guint i = 0; i < owners->len; i++) {
    const BpMemoryBackendIface *iface = bp_object_interface (owners->pdata[i], BP_MEMORY_BACKEND_ID);
    size += BP_TABLE_HAS (iface, size) ? iface->size (owners->pdata[i]) : 0;
  }
  return size;
}
