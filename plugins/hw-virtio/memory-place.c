/* memory-place.c -- addresses of the machine's memory slots for a virtio device that brings memory. */
/* SPDX-License-Identifier: MIT */
#include "memory-place.h"
#include <backplane/object.h>

uint64_t
memory_place_size (const MemoryPlace *p)
{
  const BpMemoryBackendIface *t = p->memory.table;
  return t->size (p->memory.instance);
}

BpRegion *
memory_place_region (const MemoryPlace *p)
{
  const BpMemoryBackendIface *t = p->memory.table;
  return t->region (p->memory.instance);
}

int
memory_place_fd (const MemoryPlace *p)
{
  const BpMemoryBackendIface *t = p->memory.table;
  return BP_TABLE_HAS (t, fd) ? t->fd (p->memory.instance) : -1;
}

static void *
find_slots (const MemoryPlace *p, void *device)
{
  unsigned cursor = 0;
  return p->slots.instance ? p->slots.instance : bp_machine_next (bp_object_machine (device), BP_MEMORY_SLOTS_ID, &cursor);
}

bool
memory_place_take (MemoryPlace *p, void *device, uint64_t align, GError **error)
{
  int slot = BP_MEMORY_NO_SLOT;
  uint64_t address = p->address ? p->address : BP_MEMORY_ANYWHERE, size = memory_place_size (p);
  if (size % align) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "memory = %s has %" G_GUINT64_FORMAT " bytes, which is not a multiple of %" G_GUINT64_FORMAT, bp_object_id (p->memory.instance),
                 size, align);
    return false;
  }
  void *slots = find_slots (p, device);
  const BpMemorySlotsIface *t = slots ? bp_object_interface (slots, BP_MEMORY_SLOTS_ID) : NULL;
  if (!BP_TABLE_HAS (t, unplug)) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "memory = %s: the machine has no addresses for its memory: a [device] of type memory-slots has some",
                 bp_object_id (p->memory.instance));
    return false;
  }
  p->shown = bp_region_new_alias (device, "memory", memory_place_region (p), 0, size);
  if (!t->plug (slots, device, p->shown, align, &slot, &address, error)) {
    g_clear_pointer (&p->shown, bp_region_free);
    return false;
  }
  p->bus = slots;
  p->address = address;
  return true;
}

void
memory_place_give (MemoryPlace *p, void *device)
{
  const BpMemorySlotsIface *t = p->bus ? bp_object_interface (p->bus, BP_MEMORY_SLOTS_ID) : NULL;
  if (t)
    t->unplug (p->bus, device);
  p->bus = NULL;
  g_clear_pointer (&p->shown, bp_region_free);
}
