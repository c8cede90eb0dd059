/* test-memory-slots.c -- slots that follow a memory map, and their logs, beside a kernel that is a list; needs no /dev/kvm. */
/* SPDX-License-Identifier: MIT */
#include "accel-kvm/memory-slots.h"
#include "../suite.h"
#include "faults/inject.h"
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAGE UINT64_C (4096)
enum { N_PAGES = 512, N_SLOTS = 32 };

/* --- the kernel ------------------------------------------------------------------------------ */

static struct kvm_userspace_memory_region slot[N_SLOTS];
static uint64_t written[N_SLOTS][N_PAGES / 64];         /* by the guest, for KVM_GET_DIRTY_LOG */
static unsigned n_calls, n_closed;
static uint64_t refuse_at = UINT64_MAX;
static int refuse_with = -EINVAL;
static bool is_closed, is_manual;
static unsigned n_warnings;

/* (there is no object that the real one could name) */
void test_warn (const void *self, const char *format, ...) { n_warnings++; }

static bool
overlaps (const struct kvm_userspace_memory_region *a, const struct kvm_userspace_memory_region *b)
{
  return a->memory_size && b->memory_size && a->guest_phys_addr < b->guest_phys_addr + b->memory_size
         && b->guest_phys_addr < a->guest_phys_addr + a->memory_size;
}

static int
set_region (const struct kvm_userspace_memory_region *r)
{
  ck_assert_uint_lt (r->slot, N_SLOTS);
  struct kvm_userspace_memory_region *s = &slot[r->slot];
  n_calls++;
  if (r->guest_phys_addr == refuse_at)
    return refuse_with;
  ck_assert_uint_eq (r->guest_phys_addr % PAGE, 0);
  ck_assert_uint_eq (r->memory_size % PAGE, 0);
  ck_assert_uint_eq (r->userspace_addr % PAGE, 0);
  ck_assert_uint_le (r->memory_size / PAGE, (UINT64_C (1) << 31) - 1);
  for (unsigned i = 0; i < N_SLOTS; i++)
    ck_assert (i == r->slot || !overlaps (&slot[i], r));
  if (s->memory_size && r->memory_size) {               /* only its log changes */
    ck_assert_uint_eq (s->guest_phys_addr, r->guest_phys_addr);
    ck_assert_uint_eq (s->memory_size, r->memory_size);
    ck_assert_uint_eq ((s->flags ^ r->flags) & ~(unsigned) KVM_MEM_LOG_DIRTY_PAGES, 0);
  } else if (s->memory_size)
    ck_assert (is_closed);                              /* nobody is inside when one goes */
  *s = *r;
  if (!(r->flags & KVM_MEM_LOG_DIRTY_PAGES))
    memset (written[r->slot], 0, sizeof written[0]);
  return 0;
}

static int
get_log (const struct kvm_dirty_log *l)
{
  ck_assert (slot[l->slot].flags & KVM_MEM_LOG_DIRTY_PAGES);
  size_t bytes = (slot[l->slot].memory_size / PAGE + 63) / 64 * 8, kept = MIN (bytes, sizeof written[0]);
  memcpy (l->dirty_bitmap, written[l->slot], kept);
  memset ((char *) l->dirty_bitmap + kept, 0, bytes - kept);
  if (!is_manual)
    memset (written[l->slot], 0, sizeof written[0]);
  return 0;
}

static int
clear_log (const struct kvm_clear_dirty_log *l)
{
  uint64_t pages = slot[l->slot].memory_size / PAGE;
  ck_assert (is_manual && l->first_page % 64 == 0);
  ck_assert (l->num_pages % 64 == 0 || l->first_page + l->num_pages == pages);
  for (unsigned i = 0; i < (l->num_pages + 63) / 64 && l->first_page / 64 + i < N_PAGES / 64; i++)
    written[l->slot][l->first_page / 64 + i] &= ~((const uint64_t *) l->dirty_bitmap)[i];
  return 0;
}

int
kvm_ioctl (int fd, unsigned long request, const void *argument)
{
  switch (request) {
  case KVM_SET_USER_MEMORY_REGION: return set_region (argument);
  case KVM_GET_DIRTY_LOG: return get_log (argument);
  case KVM_CLEAR_DIRTY_LOG: return clear_log (argument);
  default: return 0;
  }
}

int
kvm_has (const Kvm *k, int capability)
{
  return capability == KVM_CAP_NR_MEMSLOTS ? N_SLOTS : capability == KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 ? is_manual : 1;
}

void
kvm_gate_close (Kvm *k)
{
  ck_assert (!is_closed);
  is_closed = true;
  n_closed++;
}

void kvm_gate_open (Kvm *k) { is_closed = false; }
void kvm_late_flush (Kvm *k) { }

/* --- a guest's memory ------------------------------------------------------------------------------ */

static Kvm kvm;
static uint8_t *host;
static BpRegion *root, *ram, *low;
static uint64_t at;

static void
setup (void)
{
  memset (slot, 0, sizeof slot);
  memset (written, 0, sizeof written);
  n_calls = n_closed = 0;
  refuse_at = UINT64_MAX;
  refuse_with = -EINVAL;
  host = g_aligned_alloc0 (N_PAGES, PAGE, PAGE);
  root = bp_region_new_container (NULL, "root", UINT64_MAX);
  kvm = (Kvm) { .memory = bp_address_space_new (NULL, "memory", root) };
  ram = bp_region_new_ram (NULL, "ram", host, N_PAGES * PAGE);
  at = bp_region_ram_address (ram);
  low = bp_region_new_alias (NULL, "low", ram, 0, 256 * PAGE);
  bp_region_add (root, 0, low, 0);
  ck_assert (kvm_slots_init (&kvm, NULL));
}

static void
teardown (void)
{
  kvm_slots_finish (&kvm);
  bp_region_free (low);
  bp_region_free (ram);
  bp_address_space_free (kvm.memory);
  bp_region_free (root);
  g_aligned_free (host);
  is_manual = false;
}

/* The slots by address, as text: "address+pages" in pages, r for what cannot be written, d for one with a log. */
static const char *
slots_text (void)
{
  static char text[1000];
  GString *s = g_string_new (NULL);
  for (uint64_t page = 0; page < 0x10000; page++)
    for (unsigned i = 0; i < N_SLOTS; i++)
      if (slot[i].memory_size && slot[i].guest_phys_addr == page * PAGE)
        g_string_append_printf (s, "%s%u+%u%s%s", s->len ? " " : "", (unsigned) page, (unsigned) (slot[i].memory_size / PAGE),
                                slot[i].flags & KVM_MEM_READONLY ? "r" : "", slot[i].flags & KVM_MEM_LOG_DIRTY_PAGES ? "d" : "");
  g_strlcpy (text, s->str, sizeof text);
  g_string_free (s, TRUE);
  return text;
}

static void
guest_writes (uint64_t page)
{
  for (unsigned i = 0; i < N_SLOTS; i++)
    if (slot[i].flags & KVM_MEM_LOG_DIRTY_PAGES && page * PAGE >= slot[i].guest_phys_addr
        && page * PAGE < slot[i].guest_phys_addr + slot[i].memory_size) {
      uint64_t n = page - slot[i].guest_phys_addr / PAGE;
      written[i][n / 64] |= UINT64_C (1) << n % 64;
    }
}

/* --- tests --------------------------------------------------------------------------------------------- */

START_TEST (follows_the_map)
{
  ck_assert_str_eq (slots_text (), "0+256");
  BpRegion *high = bp_region_new_alias (NULL, "high", ram, 256 * PAGE, 256 * PAGE);
  bp_region_add (root, 1024 * PAGE, high, 0);
  ck_assert_str_eq (slots_text (), "0+256 1024+256");
  bp_region_set_offset (high, 256 * PAGE);      /* the same memory goes on there: one slot */
  ck_assert_str_eq (slots_text (), "0+512");
  bp_region_set_readonly (high, true);
  ck_assert_str_eq (slots_text (), "0+256 256+256r");
  BpRegion *hole = bp_region_new_reserved (NULL, "hole", 3 * PAGE);
  unsigned before = n_closed;
  bp_region_add (root, 100 * PAGE, hole, 1);
  ck_assert_str_eq (slots_text (), "0+100 103+153 256+256r");
  ck_assert_uint_eq (n_closed, before + 1);
  bp_region_free (hole);
  ck_assert_str_eq (slots_text (), "0+256 256+256r");
  bp_region_free (high);
  ck_assert_str_eq (slots_text (), "0+256");
}
END_TEST

START_TEST (what_is_the_same_is_not_touched)
{
  unsigned calls = n_calls, closed = n_closed;
  bp_memory_begin ();
  bp_region_set_enabled (low, false);
  bp_region_set_enabled (low, true);
  bp_memory_commit ();
  BpRegion *stranger = bp_region_new_reserved (NULL, "stranger", PAGE);
  bp_region_add (root, 5000 * PAGE, stranger, 0);
  bp_region_free (stranger);
  ck_assert_uint_eq (n_calls, calls);
  ck_assert_uint_eq (n_closed, closed);
}
END_TEST

START_TEST (whole_pages_only)
{
  BpRegion *odd = bp_region_new_alias (NULL, "odd", ram, 300 * PAGE, 4 * PAGE);
  bp_region_add (root, 1000 * PAGE + 0x800, odd, 0);    /* other places in pages */
  ck_assert_str_eq (slots_text (), "0+256");
  bp_region_free (odd);
  odd = bp_region_new_alias (NULL, "odd", ram, 300 * PAGE + 0x800, 4 * PAGE);
  bp_region_add (root, 1000 * PAGE + 0x800, odd, 0);    /* half pages at both ends */
  ck_assert_str_eq (slots_text (), "0+256 1001+3");
  bp_region_set_size (odd, 0x900);                      /* no whole one */
  ck_assert_str_eq (slots_text (), "0+256");
  bp_region_free (odd);
}
END_TEST

START_TEST (kvm_has_limits)
{
  BpRegion *piece[40];
  for (unsigned i = 0; i < 40; i++) {
    piece[i] = bp_region_new_alias (NULL, "piece", ram, (300 + i) * PAGE, PAGE);
    bp_region_add (root, (1000 + 2 * i) * PAGE, piece[i], 0);
  }
  unsigned n = 0;
  for (unsigned i = 0; i < N_SLOTS; i++)
    n += slot[i].memory_size != 0;
  ck_assert_uint_eq (n, N_SLOTS);
  ck_assert_uint_eq (n_warnings, 40 - (N_SLOTS - 1));
  for (unsigned i = 0; i < 40; i++)
    bp_region_free (piece[i]);                  /* one that goes makes room for one of the others */
  ck_assert_uint_eq (n_warnings, 40 - (N_SLOTS - 1));
  n_warnings = 0;
  ck_assert_str_eq (slots_text (), "0+256");
  refuse_at = 700 * PAGE;
  BpRegion *refused = bp_region_new_alias (NULL, "refused", ram, 300 * PAGE, PAGE);
  bp_region_add (root, 700 * PAGE, refused, 0);
  ck_assert_str_eq (slots_text (), "0+256");
  bp_region_free (refused);
  ck_assert_uint_eq (n_warnings, 1);
}
END_TEST

/* At the start it is an error, which says why. */
START_TEST (refused_at_the_start)
{
  g_autoptr (GError) error = NULL;
  kvm_slots_finish (&kvm);
  memset (slot, 0, sizeof slot);
  refuse_at = 0;
  refuse_with = -EEXIST;
  ck_assert (!kvm_slots_init (&kvm, &error));
  ck_assert_ptr_nonnull (error);
  ck_assert_str_eq (error->message, "KVM does not take RAM at 0x0 to 0xfffff: pages of its own are there (RAM leaves it four somewhere from 0xf0000000 to 0xfffbffff)");
}
END_TEST

/* It is a slot that cannot be written while reads come from it, and none while they are calls. */
START_TEST (rom_devices)
{
  static const BpRegionOps ops = BP_REGION_OPS (.flags = 0);
  uint8_t *flash = g_aligned_alloc0 (4, PAGE, PAGE);
  BpRegion *rom = bp_region_new_rom_device (NULL, "flash", &ops, flash, 4 * PAGE);
  bp_region_add (root, 1000 * PAGE, rom, 0);
  ck_assert_str_eq (slots_text (), "0+256 1000+4r");
  bp_region_set_rom_mode (rom, false);
  ck_assert_str_eq (slots_text (), "0+256");
  bp_region_set_rom_mode (rom, true);
  ck_assert_str_eq (slots_text (), "0+256 1000+4r");
  bp_region_free (rom);
  ck_assert_str_eq (slots_text (), "0+256");
  g_aligned_free (flash);
}
END_TEST

/* More than 2^31 - 1 pages: nobody looks at its memory. */
START_TEST (giants_are_divided)
{
  BpRegion *giant = bp_region_new_ram (NULL, "giant", (void *) (UINT64_C (1) << 46), UINT64_C (9) << 40);
  bp_region_add (root, UINT64_C (1) << 44, giant, 0);
  uint64_t total = 0;
  unsigned n = 0;
  for (unsigned i = 0; i < N_SLOTS; i++)
    if (slot[i].guest_phys_addr >> 44) {
      ck_assert_uint_eq (slot[i].guest_phys_addr - (UINT64_C (1) << 44), slot[i].userspace_addr - (UINT64_C (1) << 46));
      total += slot[i].memory_size;
      n++;
    }
  ck_assert_uint_eq (n, 3);
  ck_assert_uint_eq (total, UINT64_C (9) << 40);
  bp_region_free (giant);
}
END_TEST

START_TEST (logs)
{
  is_manual = _i;
  kvm_slots_finish (&kvm);
  memset (slot, 0, sizeof slot);
  ck_assert (kvm_slots_init (&kvm, NULL));
  bp_dirty_enable (BP_DIRTY_DISPLAY, true);
  ck_assert_str_eq (slots_text (), "0+256");            /* all is dirty as yet */
  ck_assert (bp_dirty_clear (BP_DIRTY_DISPLAY, at, 256 * PAGE));
  ck_assert_str_eq (slots_text (), "0+256d");
  bp_dirty_sync (at, 256 * PAGE);
  ck_assert (!bp_dirty_test (BP_DIRTY_DISPLAY, at + 70 * PAGE));
  guest_writes (70);
  guest_writes (71);
  guest_writes (255);
  bp_dirty_sync (at, 256 * PAGE);
  for (unsigned i = 0; i < 256; i++)
    ck_assert (bp_dirty_test (BP_DIRTY_DISPLAY, at + i * PAGE) == (i == 70 || i == 71 || i == 255));
  ck_assert (bp_dirty_clear (BP_DIRTY_DISPLAY, at + 70 * PAGE, PAGE));  /* one of them */
  bp_dirty_sync (at, 256 * PAGE);
  ck_assert (!bp_dirty_test (BP_DIRTY_DISPLAY, at + 70 * PAGE));
  ck_assert (bp_dirty_test (BP_DIRTY_DISPLAY, at + 71 * PAGE));
  ck_assert (bp_dirty_clear (BP_DIRTY_DISPLAY, at, 256 * PAGE));
  guest_writes (200);
  BpRegion *hole = bp_region_new_reserved (NULL, "hole", PAGE);         /* the slot goes: its log does not */
  bp_region_add (root, 10 * PAGE, hole, 1);
  ck_assert_str_eq (slots_text (), "0+10d 11+245d");    /* these begin over pages that are clean */
  ck_assert (bp_dirty_test (BP_DIRTY_DISPLAY, at + 200 * PAGE));
  ck_assert (!bp_dirty_test (BP_DIRTY_DISPLAY, at + 201 * PAGE));
  bp_region_free (hole);
  bp_dirty_enable (BP_DIRTY_MIGRATION, true);
  bp_dirty_enable (BP_DIRTY_DISPLAY, false);
  ck_assert_str_eq (slots_text (), "0+256d");           /* still somebody */
  bp_dirty_enable (BP_DIRTY_MIGRATION, false);
  ck_assert_str_eq (slots_text (), "0+256");
}
END_TEST

/* Without memory for what was written everything was, which is too much and never too little.  Under sanitizers allocations do not fail. */
START_TEST (logs_without_memory)
{
  enum { LARGE = 1 << 17 };     /* pages: 16 KiB of bits */
  is_manual = _i;
  kvm_slots_finish (&kvm);
  memset (slot, 0, sizeof slot);
  ck_assert (kvm_slots_init (&kvm, NULL));
  BpRegion *large = bp_region_new_ram (NULL, "large", (void *) (UINT64_C (1) << 46), LARGE * PAGE);
  uint64_t first = bp_region_ram_address (large);
  bp_region_add (root, UINT64_C (1) << 32, large, 0);
  bp_dirty_enable (BP_DIRTY_DISPLAY, true);
  inject_page->least = LARGE / 8;
  inject_arm (INJECT_MEMORY, "", 0, INJECT_FOREVER, ENOMEM);
  bp_dirty_clear (BP_DIRTY_DISPLAY, first, LARGE * PAGE);
  bp_dirty_sync (first, LARGE * PAGE);
  if (inject_disarm ())
    ck_assert (bp_dirty_test (BP_DIRTY_DISPLAY, first) && bp_dirty_test (BP_DIRTY_DISPLAY, first + (LARGE - 1) * PAGE));
  bp_dirty_enable (BP_DIRTY_DISPLAY, false);
  bp_region_free (large);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("memory-slots");
  TCase *tcase = tcase_create ("all");
  tcase_add_checked_fixture (tcase, setup, teardown);
  tcase_add_test (tcase, follows_the_map);
  tcase_add_test (tcase, what_is_the_same_is_not_touched);
  tcase_add_test (tcase, whole_pages_only);
  tcase_add_test (tcase, kvm_has_limits);
  tcase_add_test (tcase, refused_at_the_start);
  tcase_add_test (tcase, rom_devices);
  tcase_add_test (tcase, giants_are_divided);
  tcase_add_loop_test (tcase, logs, 0, 2);
  tcase_add_loop_test (tcase, logs_without_memory, 0, 2);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}
