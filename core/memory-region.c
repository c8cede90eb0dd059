/* memory-region.c -- the tree of memory regions and the transactions that change it. */
/* SPDX-License-Identifier: MIT */
#include "contract.h"
#include "memory.h"
#include "object.h"
#include <string.h>

/* --- transactions ----------------------------------------------------------------------------- */

static GRecMutex map_lock;
static unsigned depth;
static uint64_t stamp = 1;
static bool changed_any, wait_for_readers;
static GSList *doomed;          /* regions freed in this transaction */

void
memory_map_lock (void)
{
  g_rec_mutex_lock (&map_lock);
}

void
memory_map_unlock (void)
{
  g_rec_mutex_unlock (&map_lock);
}

void
bp_memory_begin (void)
{
  memory_map_lock ();
  depth++;
}

static void
retire_doomed (void)
{
  GSList *list = g_slist_reverse (g_steal_pointer (&doomed));
  for (GSList *l = list; l; l = l->next)
    view_retire (l->data, (void (*) (void *)) region_unref);
  g_slist_free (list);
}

void
bp_memory_commit (void)
{
  g_assert (depth > 0);
  /* Listeners may change the map again: their transactions nest in this one and cost another round. */
  while (depth == 1 && (changed_any || doomed)) {
    uint64_t round = stamp++;
    bool wait = wait_for_readers;
    changed_any = wait_for_readers = false;
    views_update (round);
    if (wait)
      views_synchronise ();
    retire_doomed ();
  }
  depth--;
  memory_map_unlock ();
}

/* Notes that flat views which show the region may differ; reaches every root above it. */
static void
mark_changed (BpRegion *region)
{
  changed_any = true;
  if (region->stamp == stamp)
    return;
  region->stamp = stamp;
  if (region->container)
    mark_changed (region->container);
  for (unsigned i = 0; region->aliases && i < region->aliases->len; i++)
    mark_changed (g_ptr_array_index (region->aliases, i));
}

void
region_changed (BpRegion *region, bool wait)
{
  g_assert (depth > 0);
  mark_changed (region);
  wait_for_readers |= wait;
}

/* --- making and freeing ----------------------------------------------------------------------- */

static unsigned n_regions;      /* atomic: not freed by their owners yet */

unsigned
memory_n_regions (void)
{
  return __atomic_load_n (&n_regions, __ATOMIC_RELAXED);
}

static BpRegion *
region_new (RegionKind kind, void *owner, const char *name, uint64_t size)
{
  BpRegion *r = g_new0 (BpRegion, 1);
  r->kind = kind;
  r->refs = 1;
  r->enabled = r->rom_mode = true;
  r->owner = owner;
  if (owner) {
    g_assert (object_of (owner)->magic == OBJECT_MAGIC);
    r->machine = object_of (owner)->machine;
  }
  r->name = g_strdup (name);
  r->size = size == UINT64_MAX ? WIDE_2_64 : (Wide) size;
  r->ram_address = NO_RAM_ADDRESS;
  __atomic_add_fetch (&n_regions, 1, __ATOMIC_RELAXED);
  return r;
}

static bool
is_access_size (unsigned n)
{
  return n == 1 || n == 2 || n == 4 || n == 8;
}

static void
copy_ops (BpRegion *region, const BpRegionOps *ops)
{
  BpRegionOps *o = &region->ops;
  memcpy (o, ops, MIN (ops->struct_size, sizeof *o));
  o->struct_size = sizeof *o;
  o->access_min = o->access_min ? o->access_min : 1;
  o->access_max = o->access_max ? o->access_max : 8;
  o->impl_min = o->impl_min ? o->impl_min : 1;
  o->impl_max = o->impl_max ? o->impl_max : MAX (4, o->impl_min);
  g_assert (is_access_size (o->access_min) && is_access_size (o->access_max)
            && o->access_min <= o->access_max);
  g_assert (is_access_size (o->impl_min) && is_access_size (o->impl_max) && o->impl_min <= o->impl_max);
}

static GPtrArray *with_host;    /* regions that have memory of their own, in the order in which they were made; under the map lock */

static void
set_host (BpRegion *region, void *host, uint64_t size)
{
  g_assert (host && size != UINT64_MAX);
  region->host = host;
  region->ram_address = ram_block_new (size);
#ifdef __SANITIZE_THREAD__
  /* What vCPUs and devices do to the same bytes at once is the guest's to order; what the host wants ordered there it orders by fences. */
  AnnotateBenignRaceSized (__FILE__, __LINE__, host, size, "guest memory");
#endif
  memory_map_lock ();
  if (!with_host)
    with_host = g_ptr_array_new ();
  g_ptr_array_add (with_host, region);
  memory_map_unlock ();
}

GPtrArray *
memory_regions_with_host (BpMachine *machine)
{
  GPtrArray *found = g_ptr_array_new ();
  memory_map_lock ();
  for (unsigned i = 0; with_host && i < with_host->len; i++)
    if (((BpRegion *) with_host->pdata[i])->machine == machine)
      g_ptr_array_add (found, with_host->pdata[i]);
  memory_map_unlock ();
  return found;
}

BpRegion *
bp_region_new_container (void *owner, const char *name, uint64_t size)
{
  BpRegion *r = region_new (REGION_CONTAINER, owner, name, size);
  r->children = g_ptr_array_new ();
  return r;
}

BpRegion *
bp_region_new_io (void *owner, const char *name, const BpRegionOps *ops, uint64_t size)
{
  BpRegion *r = region_new (REGION_IO, owner, name, size);
  copy_ops (r, ops);
  return r;
}

BpRegion *
bp_region_new_ram (void *owner, const char *name, void *host, uint64_t size)
{
  BpRegion *r = region_new (REGION_RAM, owner, name, size);
  set_host (r, host, size);
  return r;
}

BpRegion *
bp_region_new_rom (void *owner, const char *name, void *host, uint64_t size)
{
  BpRegion *r = region_new (REGION_ROM, owner, name, size);
  set_host (r, host, size);
  return r;
}

BpRegion *
bp_region_new_rom_device (void *owner, const char *name, const BpRegionOps *ops, void *host, uint64_t size)
{
  BpRegion *r = region_new (REGION_ROM_DEVICE, owner, name, size);
  copy_ops (r, ops);
  set_host (r, host, size);
  return r;
}

BpRegion *
bp_region_new_alias (void *owner, const char *name, BpRegion *target, uint64_t offset, uint64_t size)
{
  g_assert (target && !target->dead);
  BpRegion *r = region_new (REGION_ALIAS, owner, name, size);
  r->target = target;
  r->target_offset = offset;
  memory_map_lock ();
  if (!target->aliases)
    target->aliases = g_ptr_array_new ();
  g_ptr_array_add (target->aliases, r);
  memory_map_unlock ();
  return r;
}

BpRegion *
bp_region_new_reserved (void *owner, const char *name, uint64_t size)
{
  return region_new (REGION_RESERVED, owner, name, size);
}

void
region_unref (BpRegion *region)
{
  if (__atomic_sub_fetch (&region->refs, 1, __ATOMIC_ACQ_REL) > 0)
    return;
  if (region->ram_address != NO_RAM_ADDRESS)
    ram_block_free (region->ram_address, (uint64_t) region->size);
  g_free (region->name);
  g_free (region);
}

/* Cuts every tie to other regions; they may outlive this one in any order. */
static void
disconnect (BpRegion *region)
{
  for (unsigned i = 0; region->aliases && i < region->aliases->len; i++)
    ((BpRegion *) g_ptr_array_index (region->aliases, i))->target = NULL;
  g_clear_pointer (&region->aliases, g_ptr_array_unref);
  for (unsigned i = 0; region->children && i < region->children->len; i++)
    ((BpRegion *) g_ptr_array_index (region->children, i))->container = NULL;
  g_clear_pointer (&region->children, g_ptr_array_unref);
  if (region->target)
    g_ptr_array_remove (region->target->aliases, region);
  region->target = NULL;
}

void
bp_region_free (BpRegion *region)
{
  if (!region)
    return;
  g_assert (!region->dead);
  if (region->publisher)
    object_forget_region (object_of (region->publisher), region);
  if (region_has_host (region)) /* what was translated from it must not be taken for what another block has at the same number */
    ram_tell_code (region->ram_address, (uint64_t) region->size);
  bp_memory_begin ();
  bp_region_remove (region);
  mark_changed (region);
  disconnect (region);
  if (region_has_host (region))
    g_ptr_array_remove (with_host, region);
  doorbells_drop (region);
  views_forget_root (region);
  __atomic_store_n (&region->dead, true, __ATOMIC_RELEASE);
  __atomic_sub_fetch (&n_regions, 1, __ATOMIC_RELAXED);
  wait_for_readers |= region_has_host (region);
  doomed = g_slist_prepend (doomed, region);
  bp_memory_commit ();
}

/* --- changing the tree ------------------------------------------------------------------------ */

static void
insert_sorted (BpRegion *container, BpRegion *child)
{
  unsigned i = 0;
  while (i < container->children->len
         && ((BpRegion *) g_ptr_array_index (container->children, i))->priority > child->priority)
    i++;
  g_ptr_array_insert (container->children, (int) i, child);
}

void
bp_region_add (BpRegion *container, uint64_t offset, BpRegion *child, int priority)
{
  CONTRACT_MAIN_OR_LOCKED (child->machine);
  g_assert (container->kind == REGION_CONTAINER && !container->dead);
  g_assert (!child->container && !child->dead);
  for (const BpRegion *up = container; up; up = up->container)
    g_assert (up != child);
  bp_memory_begin ();
  child->container = container;
  child->offset = offset;
  child->priority = priority;
  insert_sorted (container, child);
  mark_changed (container);
  bp_memory_commit ();
}

void
bp_region_remove (BpRegion *child)
{
  CONTRACT_MAIN_OR_LOCKED (child->machine);
  if (!child->container)
    return;
  bp_memory_begin ();
  mark_changed (child->container);
  g_ptr_array_remove (child->container->children, child);
  child->container = NULL;
  bp_memory_commit ();
}

void
bp_region_set_enabled (BpRegion *region, bool enabled)
{
  CONTRACT_MAIN_OR_LOCKED (region->machine);
  if (region->enabled == enabled)
    return;
  bp_memory_begin ();
  region->enabled = enabled;
  wait_for_readers |= !enabled && region_has_host (region);
  mark_changed (region);
  bp_memory_commit ();
}

void
bp_region_set_readonly (BpRegion *region, bool readonly)
{
  CONTRACT_MAIN_OR_LOCKED (region->machine);
  if (region->readonly == readonly)
    return;
  bp_memory_begin ();
  region->readonly = readonly;
  mark_changed (region);
  bp_memory_commit ();
}

void
bp_region_set_offset (BpRegion *child, uint64_t offset)
{
  CONTRACT_MAIN_OR_LOCKED (child->machine);
  if (child->offset == offset)
    return;
  bp_memory_begin ();
  child->offset = offset;
  mark_changed (child);
  bp_memory_commit ();
}

void
bp_region_set_size (BpRegion *region, uint64_t size)
{
  CONTRACT_MAIN_OR_LOCKED (region->machine);
  Wide wide = size == UINT64_MAX ? WIDE_2_64 : (Wide) size;
  if (region->size == wide)
    return;
  g_assert (!region_has_host (region));         /* the block's place in the RAM numbering is fixed */
  bp_memory_begin ();
  region->size = wide;
  mark_changed (region);
  bp_memory_commit ();
}

void
bp_region_set_rom_mode (BpRegion *region, bool on)
{
  CONTRACT_MAIN_OR_LOCKED (region->machine);
  g_assert (region->kind == REGION_ROM_DEVICE);
  if (region->rom_mode == on)
    return;
  bp_memory_begin ();
  region->rom_mode = on;
  mark_changed (region);
  bp_memory_commit ();
}

/* --- questions -------------------------------------------------------------------------------- */

const char *
bp_region_name (const BpRegion *region)
{
  return region->name;
}

uint64_t
bp_region_size (const BpRegion *region)
{
  return region->size == WIDE_2_64 ? UINT64_MAX : (uint64_t) region->size;
}

void *
bp_region_owner (const BpRegion *region)
{
  return region->owner;
}

void *
bp_region_ram (const BpRegion *region)
{
  return region->host;
}

uint64_t
bp_region_ram_address (const BpRegion *region)
{
  return region->ram_address;
}

const char *
region_kind_name (RegionKind kind)
{
  static const char *const names[] = { "container", "ram", "rom", "rom-device", "io", "alias", "reserved" };
  return names[kind];
}

void
bp_region_publish (void *self, BpRegion *region, const char *help)
{
  CONTRACT_MAIN (bp_object_machine (self));
  BpObject *object = object_of (self);
  g_assert (object->magic == OBJECT_MAGIC);
  object_add_region (object, region->name, region, help);
  region->publisher = self;
}
