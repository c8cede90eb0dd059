/* dimm.c -- a memory module: a memory backend in one of the chipset's memory slots. */
/* SPDX-License-Identifier: MIT */
#include <backplane/bus/memory-slots.h>
#include <backplane/iface/memory-backend.h>
#include <backplane/machine.h>
#include "hw-pc.h"
#include <string.h>

/* What operating systems add and remove at a time, at least: Linux's section. */
#define DIMM_BLOCK (UINT64_C (128) << 20)

/* --- state: saved | wiring | derived ---------------------------------------- */

typedef struct Dimm {
  uint64_t saved_address;
  uint32_t saved_slot;
  BpLink memory, slots;
  uint64_t address;             /* 0: any */
  int32_t slot;                 /* negative: any */
  uint32_t node;
  BpRegion *shown;
  void *bus;                    /* the slots that it is in; NULL: in none */
  const BpMemorySlotsIface *bus_iface;
} Dimm;

static uint64_t
size_of (const Dimm *d)
{
  const BpMemoryBackendIface *t = d->memory.table;
  return t->size (d->memory.instance);
}

/* --- checks ----------------------------------------------------------------------------- */

static bool
find_slots (Dimm *d, GError **error)
{
  unsigned cursor = 0;
  d->bus = d->slots.instance ? d->slots.instance : bp_machine_next (bp_object_machine (d), BP_MEMORY_SLOTS_ID, &cursor);
  d->bus_iface = d->bus ? bp_object_interface (d->bus, BP_MEMORY_SLOTS_ID) : NULL;
  if (BP_TABLE_HAS (d->bus_iface, ask))
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the machine has no slots for memory: a [device] of type memory-slots makes some");
  d->bus = NULL;
  return false;
}

/* --- life cycle: configure, realize, removal ---------------------------------------------- */

static bool
dimm_configure (void *self, GError **error)
{
  Dimm *d = self;
  const BpMemoryBackendIface *t = d->memory.table;
  if (!BP_TABLE_HAS (t, size) || !t->region (d->memory.instance)) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "memory = %s has no memory", bp_object_id (d->memory.instance));
    return false;
  }
  if (size_of (d) % DIMM_BLOCK == 0)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "memory = %s has %" G_GUINT64_FORMAT " bytes; a module's size is a multiple of 128M, which is what guests add and "
               "remove at a time", bp_object_id (d->memory.instance), size_of (d));
  return false;
}

static void
dimm_unrealize (void *self)
{
  Dimm *d = self;
  if (d->bus)
    d->bus_iface->unplug (d->bus, d);
  d->bus = NULL;
  g_clear_pointer (&d->shown, bp_region_free);
}

static bool
dimm_realize (void *self, GError **error)
{
  Dimm *d = self;
  const BpMemoryBackendIface *t = d->memory.table;
  int slot = d->slot < 0 ? BP_MEMORY_ANY_SLOT : d->slot;
  uint64_t address = d->address ? d->address : BP_MEMORY_ANYWHERE;
  if (!find_slots (d, error))
    return false;
  d->shown = bp_region_new_alias (d, bp_object_id (d), t->region (d->memory.instance), 0, size_of (d));
  if (!d->bus_iface->plug (d->bus, d, d->shown, DIMM_BLOCK, &slot, &address, error))
    return false;
  d->saved_slot = (uint32_t) (d->slot = slot);
  d->saved_address = d->address = address;
  return true;
}

/* Before the first instruction nobody has seen it. */
static BpRemoval
dimm_removal (void *self, GError **error)
{
  Dimm *d = self;
  if (bp_machine_run_state (bp_object_machine (d)) == BP_RUN_PRELAUNCH)
    return BP_REMOVAL_NOW;
  d->bus_iface->ask (d->bus, d);
  return BP_REMOVAL_ASKED;
}

static bool
dimm_post_load (void *self, GError **error)
{
  Dimm *d = self;
  uint64_t address = d->saved_address;
  uint32_t slot = d->saved_slot;
  d->saved_address = d->address;
  d->saved_slot = (uint32_t) d->slot;
  if (address == d->address && slot == (uint32_t) d->slot)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "it was in slot %u at 0x%" G_GINT64_MODIFIER "x, and is in slot %d at 0x%" G_GINT64_MODIFIER "x", slot, address, d->slot,
               d->address);
  return false;
}

/* --- tables: properties, saved fields, type -------------------------------------------------- */

static void
dimm_info (void *self, BpMemoryDeviceInfo *info)
{
  Dimm *d = self;
  const BpMemoryDeviceInfo all = { .struct_size = info->struct_size, .slot = d->slot, .address = d->address, .size = size_of (d), .node = d->node, .kind = "dimm",
                                   .memory = d->memory.instance };
  memcpy (info, &all, MIN (info->struct_size, sizeof all));
}

static const BpMemoryDeviceIface device_iface = { .struct_size = sizeof (BpMemoryDeviceIface), .info = dimm_info };
static const BpInterfaceDesc dimm_interfaces[] = { { BP_MEMORY_DEVICE_ID, &device_iface }, { NULL, NULL } };

static const BpProperty dimm_properties[] = {
  BP_PROP_LINK ("memory", Dimm, memory, BP_MEMORY_BACKEND_ID, BP_PROPERTY_REQUIRED, "The memory backend that it is made of; a multiple of 128M, and used by nothing else."),
  BP_PROP_LINK ("slots", Dimm, slots, BP_MEMORY_SLOTS_ID, 0, "The slots that it goes into; unset: the machine's first."),
  BP_PROP_SIZE ("address", Dimm, address, 0, "Where the guest finds it, a multiple of 128M; 0: the first place that is free."),
  BP_PROP_ ("slot", BP_PROPERTY_I32, Dimm, slot, .default_int = (uint64_t) -1, .min = (uint64_t) -1, .max = 255, .help = "The number of its slot; -1: the first that is free."),
  BP_PROP_END
};

static const BpStateField dimm_state[] = { BP_STATE_FIELD_U64 (Dimm, saved_address), BP_STATE_FIELD_U32 (Dimm, saved_slot), BP_STATE_END };

const BpTypeDesc dimm_type = {
  BP_TYPE ("dimm", BP_KIND_DEVICE, Dimm),
  .description = "Memory module in a slot, which may come and go while the machine runs",
  .properties = dimm_properties,
  .interfaces = dimm_interfaces,
  .state_version = 1,
  .state_minimum = 1,
  .state = dimm_state,
  .configure = dimm_configure,
  .realize = dimm_realize,
  .unrealize = dimm_unrealize,
  .post_load = dimm_post_load,
  .flags = BP_TYPE_HOT_PLUG,
  .removal = dimm_removal,
};
