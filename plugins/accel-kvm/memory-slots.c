/* memory-slots.c -- RAM of the flat view as KVM's memory slots. */
/* SPDX-License-Identifier: MIT */
/*
 * The listener keeps the ranges that have host memory; at a commit they become the slots that should be, which are compared with those that are.  What
 * is the same is not touched.  A slot cannot be changed but for its log: it is taken away and given anew, and no vCPU may be in the guest meanwhile
 * (gate.c).  What is not a whole page, or lies differently within pages here and there, stays with the dispatcher.
 */
#include "memory-slots.h"
#include <backplane/log.h>
#include <errno.h>
#include <string.h>

#define PAGE UINT64_C (4096)
#define SLOT_MAX (UINT64_C (1) << 42)   /* KVM: 2^31 - 1 pages */
#define HEX "0x%" G_GINT64_MODIFIER "x"

/* --- telling KVM ----------------------------------------------------------------------------- */

int
slot_tell (KvmSlots *s, const Slot *slot, uint64_t size)
{
  struct kvm_userspace_memory_region r = {
    .slot = slot->number,
    .flags = (slot->readonly ? (uint32_t) KVM_MEM_READONLY : 0) | (slot->is_logged ? (uint32_t) KVM_MEM_LOG_DIRTY_PAGES : 0),
    .guest_phys_addr = slot->address,
    .memory_size = size,
    .userspace_addr = (uintptr_t) slot->host
  };
  return kvm_ioctl (s->kvm->vm, KVM_SET_USER_MEMORY_REGION, &r);
}

static void
slot_free (Slot *slot)
{
  g_free (slot->open);
  g_free (slot);
}

/* --- which slots there should be ----------------------------------------------------------------- */

/* The range's whole pages; false: there are none, or the host's pages are not the guest's. */
static bool
whole_pages (const BpFlatRange *r, Slot *out)
{
  uint64_t first = (r->address + PAGE - 1) & ~(PAGE - 1), end = (r->address + r->size) & ~(PAGE - 1);
  uint64_t skip = first - r->address;
  if (first < r->address || end <= first || ((uintptr_t) r->host + skip) & (PAGE - 1))
    return false;
  *out = (Slot) { .address = first, .size = end - first, .host = r->host + skip, .ram_address = r->ram_address + skip, .readonly = r->readonly != 0 };
  return true;
}

static bool
continues (const Slot *a, const Slot *b)
{
  return a->address + a->size == b->address && a->host + a->size == b->host && a->ram_address + a->size == b->ram_address
         && a->readonly == b->readonly;
}

/* Neighbours become one, giants several. */
static GArray *
slots_wanted (const GArray *ranges)
{
  GArray *wanted = g_array_new (FALSE, FALSE, sizeof (Slot));
  for (unsigned i = 0; i < ranges->len; i++) {
    Slot slot;
    if (!whole_pages (&g_array_index (ranges, BpFlatRange, i), &slot))
      continue;
    Slot *last = wanted->len ? &g_array_index (wanted, Slot, wanted->len - 1) : NULL;
    if (last && continues (last, &slot) && last->size + slot.size <= SLOT_MAX) {
      last->size += slot.size;
      continue;
    }
    for (Slot part = slot; part.size; slot = part) {
      part.size = MIN (slot.size, SLOT_MAX);
      g_array_append_val (wanted, part);
      part.address += part.size;
      part.host += part.size;
      part.ram_address += part.size;
      part.size = slot.size - MIN (slot.size, SLOT_MAX);
    }
  }
  return wanted;
}

static bool
is_same (const Slot *a, const Slot *b)
{
  return a->address == b->address && a->size == b->size && a->host == b->host && a->ram_address == b->ram_address && a->readonly == b->readonly;
}

/* --- from those that are to those that should be --------------------------------------------------- */

static bool
was_refused (const KvmSlots *s, const Slot *slot)
{
  for (unsigned i = 0; i < s->refused->len; i++)
    if (is_same (&g_array_index (s->refused, Slot, i), slot))
      return true;
  return false;
}

static void
complain (KvmSlots *s, const Slot *slot, int r)
{
  if (was_refused (s, slot))
    return;
  g_autofree char *why = r == 0         ? g_strdup_printf ("it has only %u memory slots", s->n_numbers)
                         : r == -EEXIST ? g_strdup ("pages of its own are there (RAM leaves it four somewhere from 0xf0000000 to 0xfffbffff)")
                                        : g_strdup (g_strerror (-r));
  if (!s->starting)
    bp_warn (s->kvm, "KVM does not take RAM at " HEX " to " HEX ": %s; the guest cannot execute code there, and accesses are slow", slot->address,
             slot->address + slot->size - 1, why);
  else if (!s->error)
    g_set_error (&s->error, BP_ERROR, BP_ERROR_IO, "KVM does not take RAM at " HEX " to " HEX ": %s", slot->address,
                 slot->address + slot->size - 1, why);
}

/* false: KVM does not take it. */
static bool
slot_add (KvmSlots *s, const Slot *wanted)
{
  Slot *slot = g_memdup2 (wanted, sizeof *wanted);
  bool is_free = s->free_numbers->len > 0;
  if (!is_free && s->next_number == s->n_numbers) {
    complain (s, slot, 0);
    slot_free (slot);
    return false;
  }
  slot->number = is_free ? g_array_index (s->free_numbers, uint32_t, s->free_numbers->len - 1) : s->next_number;
  log_prepare (s, slot);
  int r = slot_tell (s, slot, slot->size);
  if (r < 0) {
    complain (s, slot, r);
    slot_free (slot);
    return false;
  }
  if (is_free)
    g_array_set_size (s->free_numbers, s->free_numbers->len - 1);
  else
    s->next_number++;
  g_ptr_array_add (s->slots, slot);
  return true;
}

/* Its log goes with it, so that is brought in first. */
static void
slot_remove (KvmSlots *s, Slot *slot)
{
  log_fetch (s, slot, slot->ram_address, slot->size);
  int r = slot_tell (s, slot, 0);
  if (r < 0)
    bp_warn (s->kvm, "KVM does not give RAM at " HEX " back: %s", slot->address, g_strerror (-r));
  g_array_append_val (s->free_numbers, slot->number);
  slot_free (slot);
}

static int
compare_slots (const void *a, const void *b)
{
  const Slot *x = *(Slot *const *) a, *y = *(Slot *const *) b;
  return x->address < y->address ? -1 : x->address > y->address;
}

/* What is both here and there leaves `wanted'; what is only here is returned, taken out of `slots'. */
static GPtrArray *
split_off_old (KvmSlots *s, GArray *wanted)
{
  GPtrArray *old = g_ptr_array_new (), *kept = g_ptr_array_new ();
  GArray *fresh = g_array_new (FALSE, FALSE, sizeof (Slot));
  unsigned j = 0;
  for (unsigned i = 0; i < s->slots->len; i++) {
    Slot *slot = s->slots->pdata[i];
    while (j < wanted->len && g_array_index (wanted, Slot, j).address < slot->address)
      g_array_append_val (fresh, g_array_index (wanted, Slot, j++));
    if (j < wanted->len && is_same (&g_array_index (wanted, Slot, j), slot)) {
      g_ptr_array_add (kept, slot);
      j++;
    } else
      g_ptr_array_add (old, slot);
  }
  g_array_append_vals (fresh, j < wanted->len ? &g_array_index (wanted, Slot, j) : NULL, wanted->len - j);
  g_array_set_size (wanted, 0);
  g_array_append_vals (wanted, fresh->data, fresh->len);
  g_array_unref (fresh);
  g_ptr_array_unref (s->slots);
  s->slots = kept;
  return old;
}

static void
update (KvmSlots *s)
{
  GArray *wanted = slots_wanted (s->ranges);
  g_mutex_lock (&s->lock);
  GPtrArray *old = split_off_old (s, wanted);
  bool is_torn = old->len > 0;
  if (is_torn)
    kvm_gate_close (s->kvm);
  for (unsigned i = 0; i < old->len; i++)
    slot_remove (s, old->pdata[i]);
  for (unsigned i = wanted->len; i-- > 0;)      /* what stays is what was refused */
    if (slot_add (s, &g_array_index (wanted, Slot, i)))
      g_array_remove_index (wanted, i);
  if (is_torn)
    kvm_gate_open (s->kvm);
  g_ptr_array_sort (s->slots, compare_slots);
  g_mutex_unlock (&s->lock);
  g_ptr_array_unref (old);
  g_array_unref (s->refused);
  s->refused = wanted;
}

/* --- the flat view ----------------------------------------------------------------------------------- */

static unsigned
place_of (const GArray *ranges, uint64_t address)
{
  unsigned low = 0, high = ranges->len;
  while (low < high) {
    unsigned middle = low + (high - low) / 2;
    if (g_array_index (ranges, BpFlatRange, middle).address < address)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

static void
on_add (void *user, const BpFlatRange *range)
{
  KvmSlots *s = user;
  if (range->host)
    g_array_insert_vals (s->ranges, place_of (s->ranges, range->address), range, 1);
}

static void
on_remove (void *user, const BpFlatRange *range)
{
  KvmSlots *s = user;
  unsigned i = place_of (s->ranges, range->address);
  if (range->host && i < s->ranges->len && g_array_index (s->ranges, BpFlatRange, i).address == range->address)
    g_array_remove_index (s->ranges, i);
}

static void
on_commit (void *user)
{
  update (user);
}

static const BpMemoryListener listener = { .struct_size = sizeof listener, .add = on_add, .remove = on_remove, .commit = on_commit };

/* --- life ---------------------------------------------------------------------------------------------- */

bool
kvm_slots_init (Kvm *k, GError **error)
{
  KvmSlots *s = g_new0 (KvmSlots, 1);
  k->slots = s;
  s->kvm = k;
  s->ranges = g_array_new (FALSE, FALSE, sizeof (BpFlatRange));
  s->slots = g_ptr_array_new ();
  s->refused = g_array_new (FALSE, FALSE, sizeof (Slot));
  s->free_numbers = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  int n = kvm_has (k, KVM_CAP_NR_MEMSLOTS);
  s->n_numbers = (uint32_t) MAX (n, 32);
  g_mutex_init (&s->lock);
  log_init (s);
  s->starting = true;
  s->listener = bp_as_listen (k->memory, &listener, s);
  s->starting = false;
  bp_dirty_set_watcher (&log_watcher, s);
  if (!s->error)
    return true;
  g_propagate_error (error, g_steal_pointer (&s->error));
  return false;
}

/* The slots themselves end with the virtual machine. */
void
kvm_slots_finish (Kvm *k)
{
  KvmSlots *s = g_steal_pointer (&k->slots);
  if (!s)
    return;
  bp_dirty_set_watcher (NULL, NULL);
  bp_as_unlisten (k->memory, s->listener);
  for (unsigned i = 0; i < s->slots->len; i++)
    slot_free (s->slots->pdata[i]);
  g_ptr_array_unref (s->slots);
  g_array_unref (s->ranges);
  g_array_unref (s->refused);
  g_array_unref (s->free_numbers);
  g_mutex_clear (&s->lock);
  g_free (s);
}
