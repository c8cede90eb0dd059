/* dirty-log.c -- what the guest writes to its RAM, as KVM notes it, in the core's dirty log. */
/* SPDX-License-Identifier: MIT */
/*
 * A slot's log is on from the first time that a display or a migration clears bits of it until neither wants any.  KVM notes a page once and then lets
 * the guest write there freely: until its log is read, or, with manual protection, until that page is said to be cleared, which is cheaper for who reads a
 * large slot and clears a small part.  Between the two more may be written to the page; who clears looks at the page afterwards, and sees that.
 */
#include "memory-slots.h"
#include <backplane/log.h>
#include <string.h>

#define PAGE_BITS 12
enum { CLEARED_PAGES = 1 << 16 };       /* at once */

static uint64_t pages_of (const Slot *slot) { return slot->size >> PAGE_BITS; }

static size_t bitmap_size (const Slot *slot) { return (size_t) ((pages_of (slot) + 63) / 64 * 8); }

/* --- switching logs on and off ------------------------------------------------------------------- */

/* With manual protection and without memory for it nothing is watched again, and everything is dirty whenever somebody looks. */
static void
make_open (KvmSlots *s, Slot *slot)
{
  slot->open = s->manual ? g_try_malloc0 (bitmap_size (slot)) : NULL;
}

static bool
log_start (KvmSlots *s, Slot *slot)
{
  if (slot->is_logged || slot->readonly)
    return slot->is_logged;
  slot->is_logged = true;
  int r = slot_tell (s, slot, slot->size);
  if (r < 0) {
    bp_warn (s->kvm, "KVM does not note what is written to RAM at 0x%" G_GINT64_MODIFIER "x: %s; what is shown or saved of it may be old", slot->address,
             g_strerror (-r));
    slot->is_logged = false;
    return false;
  }
  make_open (s, slot);
  return true;
}

/* A page that is not dirty to everybody, as another slot may have shown it before. */
static bool
has_clean_page (const KvmSlots *s, const Slot *slot)
{
  for (unsigned client = 0; client < BP_DIRTY_CODE; client++)
    for (uint64_t page = 0; s->is_wanted[client] && page < pages_of (slot); page++)
      if (!bp_dirty_test (client, slot->ram_address + (page << PAGE_BITS)))
        return true;
  return false;
}

void
log_prepare (KvmSlots *s, Slot *slot)
{
  slot->is_logged = !slot->readonly && has_clean_page (s, slot);
  if (slot->is_logged)
    make_open (s, slot);
}

static void
log_end (KvmSlots *s, Slot *slot)
{
  if (!slot->is_logged)
    return;
  slot->is_logged = false;
  g_clear_pointer (&slot->open, g_free);
  slot_tell (s, slot, slot->size);
}

/* --- reading them ------------------------------------------------------------------------------------ */

/* Runs of bits, so that a screen that was cleared is one call. */
static void
mark_bits (const Slot *slot, const uint64_t *bits)
{
  uint64_t n = pages_of (slot), first = 0;
  bool in_run = false;
  for (uint64_t page = 0; page < n; page++) {
    if (page % 64 == 0 && !in_run && !bits[page / 64]) {
      page |= 63;
      continue;
    }
    bool is_set = bits[page / 64] >> page % 64 & 1;
    if (is_set && !in_run)
      first = page;
    else if (!is_set && in_run)
      bp_dirty_mark (slot->ram_address + (first << PAGE_BITS), (page - first) << PAGE_BITS);
    in_run = is_set;
  }
  if (in_run)
    bp_dirty_mark (slot->ram_address + (first << PAGE_BITS), (n - first) << PAGE_BITS);
}

void
log_fetch (KvmSlots *s, Slot *slot, uint64_t ram_address, uint64_t size)
{
  bool overlaps = ram_address < slot->ram_address + slot->size && slot->ram_address < ram_address + size;
  if (!slot->is_logged || !overlaps)
    return;
  g_autofree uint64_t *bits = s->manual && !slot->open ? NULL : g_try_malloc0 (bitmap_size (slot));
  struct kvm_dirty_log request = { .slot = slot->number, .dirty_bitmap = bits };
  if (!bits || kvm_ioctl (s->kvm->vm, KVM_GET_DIRTY_LOG, &request) < 0) {
    bp_dirty_mark (slot->ram_address, slot->size);      /* all of it, then */
    return;
  }
  for (size_t i = 0; slot->open && i < bitmap_size (slot) / 8; i++)
    slot->open[i] |= bits[i];
  mark_bits (slot, bits);
}

/* --- clearing -------------------------------------------------------------------------------------------- */

/* KVM watches these pages again: those of the span that it told us of. */
static void
watch_some_again (KvmSlots *s, Slot *slot, uint64_t first, uint64_t end)
{
  uint64_t word = first / 64, end_word = (end + 63) / 64, bits[CLEARED_PAGES / 64] = { 0 };
  bool any = false;
  for (uint64_t page = first; page < end; page++) {
    uint64_t bit = UINT64_C (1) << page % 64;
    if (!(slot->open[page / 64] & bit))
      continue;
    slot->open[page / 64] &= ~bit;
    bits[page / 64 - word] |= bit;
    any = true;
  }
  if (!any)
    return;
  struct kvm_clear_dirty_log request = {
    .slot = slot->number, .first_page = word * 64, .num_pages = (uint32_t) (MIN (end_word * 64, pages_of (slot)) - word * 64), .dirty_bitmap = bits
  };
  int r = kvm_ioctl (s->kvm->vm, KVM_CLEAR_DIRTY_LOG, &request);
  if (r < 0)
    bp_warn (s->kvm, "KVM_CLEAR_DIRTY_LOG: %s", g_strerror (-r));
}

static void
watch_again (KvmSlots *s, Slot *slot, uint64_t first, uint64_t end)
{
  for (uint64_t behind; first < end; first = behind) {
    behind = MIN (end, (first / CLEARED_PAGES + 1) * CLEARED_PAGES);
    watch_some_again (s, slot, first, behind);
  }
}

static void
on_cleared (void *user, uint64_t ram_address, uint64_t size)
{
  KvmSlots *s = user;
  g_mutex_lock (&s->lock);
  for (unsigned i = 0; i < s->slots->len; i++) {        /* an alias shows it more than once */
    Slot *slot = s->slots->pdata[i];
    uint64_t from = MAX (ram_address, slot->ram_address), to = MIN (ram_address + size, slot->ram_address + slot->size);
    if (from >= to || !log_start (s, slot) || !slot->open)
      continue;
    watch_again (s, slot, (from - slot->ram_address) >> PAGE_BITS, (to - slot->ram_address + (1 << PAGE_BITS) - 1) >> PAGE_BITS);
  }
  g_mutex_unlock (&s->lock);
}

static void
on_sync (void *user, uint64_t ram_address, uint64_t size)
{
  KvmSlots *s = user;
  kvm_late_flush (s->kvm);
  g_mutex_lock (&s->lock);
  for (unsigned i = 0; i < s->slots->len; i++)
    log_fetch (s, s->slots->pdata[i], ram_address, size);
  g_mutex_unlock (&s->lock);
}

static void
on_wanted (void *user, BpDirtyClient client, bool wanted)
{
  KvmSlots *s = user;
  g_mutex_lock (&s->lock);
  s->is_wanted[client] = wanted;
  for (unsigned i = 0; i < s->slots->len && !s->is_wanted[BP_DIRTY_DISPLAY] && !s->is_wanted[BP_DIRTY_MIGRATION]; i++)
    log_end (s, s->slots->pdata[i]);
  g_mutex_unlock (&s->lock);
}

const BpDirtyWatcher log_watcher = { .struct_size = sizeof log_watcher, .cleared = on_cleared, .sync = on_sync, .wanted = on_wanted };

void
log_init (KvmSlots *s)
{
  struct kvm_enable_cap cap = { .cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, .args = { KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE } };
  s->manual = kvm_has (s->kvm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2) & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE
              && kvm_ioctl (s->kvm->vm, KVM_ENABLE_CAP, &cap) >= 0;
}
