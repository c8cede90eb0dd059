/* test-memory-dispatch.c -- accesses split, widened, refused; ROM, holes, locks, maps that change meanwhile. */
/* SPDX-License-Identifier: MIT */
#include "machine.h"
#include "memory.h"
#include "../suite.h"
#include <backplane/log.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

/* --- a device that keeps bytes and writes down how it was called ------------------------------ */

typedef struct Device {
  uint8_t bytes[64];
  bool big;
  char calls[256];
  bool (*on_write) (struct Device *device);
  BpRegion *a, *b;
} Device;

static void
note (Device *d, char what, uint64_t offset, unsigned size)
{
  size_t n = strlen (d->calls);
  g_snprintf (d->calls + n, sizeof d->calls - n, "%s%c%u@%u", n ? " " : "", what, size, (unsigned) offset);
}

static uint64_t
device_read (void *self, uint64_t offset, unsigned size)
{
  Device *d = self;
  uint64_t value = 0;
  note (d, 'r', offset, size);
  for (unsigned i = 0; i < size; i++)
    value |= (uint64_t) d->bytes[offset + i] << 8 * (d->big ? size - 1 - i : i);
  return value | (size < 8 ? UINT64_C (0xdead) << 8 * size : 0); /* rubbish above the size must not show */
}

static void
device_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Device *d = self;
  note (d, 'w', offset, size);
  ck_assert (size == 8 || value >> 8 * size == 0);
  for (unsigned i = 0; i < size; i++)
    d->bytes[offset + i] = (uint8_t) (value >> 8 * (d->big ? size - 1 - i : i));
  if (d->on_write)
    d->on_write (d);
}

static const BpTypeDesc device_type = { BP_TYPE ("test-device", BP_KIND_DEVICE, Device),
                                        .description = "keeps bytes" };

static BpMachine machine;
static BpObject *object;
static Device *device;
static BpRegion *root, *region;
static BpAddressSpace *as;

static void
setup (void)
{
  memset (&machine, 0, sizeof machine);
  g_rec_mutex_init (&machine.lock);
  object = object_new (&device_type, "dev", &machine);
  device = object_instance (object);
  for (unsigned i = 0; i < sizeof device->bytes; i++)
    device->bytes[i] = (uint8_t) (i + 1);
  root = bp_region_new_container (NULL, "root", UINT64_MAX);
  as = bp_address_space_new (&machine, "memory", root);
}

static void
teardown (void)
{
  bp_region_free (region);
  region = NULL;
  bp_address_space_free (as);
  bp_region_free (root);
  object_free (object);
  g_rec_mutex_clear (&machine.lock);
}

static void
map (const BpRegionOps *ops)
{
  bp_region_free (region);
  region = bp_region_new_io (device, "regs", ops, sizeof device->bytes);
  bp_region_add (root, 0x1000, region, 0);
  device->big = region->ops.endian == BP_BIG_ENDIAN;
}

static void
check_calls (const char *calls)
{
  ck_assert_str_eq (device->calls, calls);
  device->calls[0] = 0;
}

/* --- sizes ------------------------------------------------------------------------------------ */

START_TEST (split)
{
  static const BpRegionOps ops =
    BP_REGION_OPS (.read = device_read, .write = device_write); /* 1 to 4, aligned */
  map (&ops);
  ck_assert_uint_eq (bp_as_load (as, 0x1000, 4), 0x04030201);
  check_calls ("r4@0");
  ck_assert_uint_eq (bp_as_load (as, 0x1008, 8), UINT64_C (0x100f0e0d0c0b0a09));
  check_calls ("r4@8 r4@12");
  ck_assert_uint_eq (bp_as_load (as, 0x1001, 4), 0x05040302);
  check_calls ("r1@1 r2@2 r1@4");
  bp_as_store (as, 0x1003, 0xaabbccdd, 4);
  check_calls ("w1@3 w2@4 w1@6");
  ck_assert_mem_eq (device->bytes + 3, "\xdd\xcc\xbb\xaa", 4);
  bp_as_store (as, 0x1010, UINT64_C (0x1122334455667788), 8);
  check_calls ("w4@16 w4@20");
  ck_assert_uint_eq (device->bytes[16], 0x88);
}
END_TEST

START_TEST (widen)
{
  static const BpRegionOps ops =
    BP_REGION_OPS (.read = device_read, .write = device_write, .impl_min = 4, .impl_max = 4);
  map (&ops);
  ck_assert_uint_eq (bp_as_load (as, 0x1005, 1), 6);
  check_calls ("r4@4");
  ck_assert_uint_eq (bp_as_load (as, 0x1003, 2), 0x0504);
  check_calls ("r4@0 r4@4");
  bp_as_store (as, 0x1006, 0xbeef, 2);
  check_calls ("r4@4 w4@4");
  ck_assert_mem_eq (device->bytes + 4, "\x05\x06\xef\xbe", 4);
  bp_as_store (as, 0x1000, 0x01020304, 4);
  check_calls ("w4@0");
}
END_TEST

START_TEST (unaligned_is_passed_on)
{
  static const BpRegionOps ops = BP_REGION_OPS (.flags = BP_REGION_OPS_UNALIGNED, .read = device_read,
                                                .write = device_write, .impl_max = 8);
  map (&ops);
  ck_assert_uint_eq (bp_as_load (as, 0x1003, 8), UINT64_C (0x0b0a090807060504));
  check_calls ("r8@3");
}
END_TEST

START_TEST (big_endian)
{
  static const BpRegionOps ops =
    BP_REGION_OPS (.read = device_read, .write = device_write, .endian = BP_BIG_ENDIAN, .impl_min = 2);
  map (&ops);
  for (unsigned size = 1; size <= 8; size *= 2)
    for (unsigned at = 0; at < 8; at++) {
      uint64_t want = 0;
      for (unsigned i = 0; i < size; i++)
        want |= (uint64_t) (at + i + 1) << 8 * i;
      ck_assert_uint_eq (bp_as_load (as, 0x1000 + at, size), want);
    }
  bp_as_store (as, 0x1021, 0x11223344, 4);
  ck_assert_mem_eq (device->bytes + 0x20, "\x21\x44\x33\x22\x11\x26", 6);
}
END_TEST

START_TEST (limits_of_the_guest)
{
  static const BpRegionOps ops =
    BP_REGION_OPS (.read = device_read, .write = device_write, .access_min = 2, .access_max = 4);
  map (&ops);
  ck_assert_uint_eq (bp_as_load (as, 0x1000, 1), 0xff);
  ck_assert_uint_eq (bp_as_load (as, 0x1000, 8), UINT64_MAX);
  bp_as_store (as, 0x1000, 0, 1);
  check_calls ("");
  ck_assert_uint_eq (bp_as_load (as, 0x1000, 2), 0x0201);
  check_calls ("r2@0");
  uint8_t buffer[8];
  ck_assert (bp_as_read (as, 0x1000, buffer, 8));       /* DMA comes in sizes that are taken */
  check_calls ("r4@0 r4@4");
  ck_assert (!bp_as_read (as, 0x1000, buffer, 5));
  ck_assert_uint_eq (buffer[4], 0xff);
}
END_TEST

static uint64_t
read_pattern (void *self, uint64_t offset, unsigned size)
{
  note (self, 'r', -offset, size);
  return 0x0123456789abcdef >> 8 * (offset & 7);
}

static void
write_pattern (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  note (self, 'w', -offset, size);
  memcpy (((Device *) self)->bytes + (offset & 7), &value, size);
}

/* The last bytes of a region of 2^64; offsets are noted from its end. */
START_TEST (the_top_of_2_64)
{
  static const BpRegionOps ops = BP_REGION_OPS (.read = read_pattern, .write = write_pattern);
  BpRegion *all = bp_region_new_io (device, "all", &ops, UINT64_MAX);
  BpAddressSpace *its = bp_address_space_new (&machine, "its", all);
  uint8_t buffer[8] = { 0 };
  ck_assert_uint_eq (bp_as_load (its, UINT64_MAX - 7, 8), 0x0123456789abcdef);
  check_calls ("r4@8 r4@4");
  ck_assert (bp_as_read (its, UINT64_MAX - 2, buffer, 3));
  check_calls ("r1@3 r2@2");
  ck_assert_mem_eq (buffer, "\x45\x23\x01", 3);
  bp_as_store (its, UINT64_MAX - 7, 0x1122334455667788, 8);
  check_calls ("w4@8 w4@4");
  ck_assert_mem_eq (device->bytes, "\x88\x77\x66\x55\x44\x33\x22\x11", 8);
  bp_address_space_free (its);
  bp_region_free (all);
}
END_TEST

START_TEST (an_older_and_smaller_table)
{
  struct {
    uint32_t struct_size, flags;
    uint64_t (*read) (void *, uint64_t, unsigned);
  } old = { sizeof old, 0, device_read };
  map ((const BpRegionOps *) (const void *) &old);
  ck_assert_uint_eq (bp_as_load (as, 0x1000, 4), 0x04030201);
  bp_as_store (as, 0x1000, 0, 4);               /* no such callback: dropped */
  check_calls ("r4@0");
}
END_TEST

/* --- what is not a device --------------------------------------------------------------------- */

START_TEST (holes_and_borders)
{
  static const BpRegionOps ops = BP_REGION_OPS (.read = device_read, .write = device_write);
  map (&ops);
  uint8_t *host = g_aligned_alloc0 (1, 0x1000, 4096), buffer[0x80];
  BpRegion *ram = bp_region_new_ram (NULL, "ram", host, 0x1000),
           *reserved = bp_region_new_reserved (NULL, "reserved", 0x10);
  bp_region_add (root, 0x1040, ram, 0);
  bp_region_add (root, 0x3000, reserved, 0);
  memset (host, 0x77, 0x1000);
  bp_log_mask = BP_LOG_GUEST_ERRORS;
  ck_assert_uint_eq (bp_as_load (as, 0x5000, 4), 0xffffffff);
  ck_assert_uint_eq (bp_as_load (as, UINT64_MAX - 1, 8), UINT64_MAX);
  ck_assert_uint_eq (bp_as_load (as, 0x3000, 2), 0xffff);
  bp_as_store (as, 0x3000, 1, 2);
  bp_log_mask = 0;
  ck_assert_uint_eq (bp_as_load (as, 0x103e, 4), 0x7777403f);   /* half device, half RAM */
  ck_assert_uint_eq (bp_as_load (as, 0xffc, 8), UINT64_C (0x04030201ffffffff));
  bp_as_store (as, 0x103e, 0x99887766, 4);
  ck_assert_uint_eq (host[1], 0x99);
  ck_assert_uint_eq (device->bytes[63], 0x77);
  ck_assert (!bp_as_read (as, 0x2030, buffer, 0x20));
  ck_assert (buffer[0] == 0x77 && buffer[0xf] == 0x77 && buffer[0x10] == 0xff && buffer[0x1f] == 0xff);
  ck_assert (bp_as_read (as, 0x1030, buffer, 0x80));
  ck_assert (!bp_as_read (as, UINT64_MAX - 3, buffer, 8));
  ck_assert (!bp_as_write (as, 0x3000, buffer, 8));
  ck_assert (bp_as_read (as, 0x9999, buffer, 0));
  bp_region_free (ram);
  bp_region_free (reserved);
  g_aligned_free (host);
}
END_TEST

START_TEST (rom_and_rom_devices)
{
  static const BpRegionOps ops = BP_REGION_OPS (.read = device_read, .write = device_write);
  uint8_t *host = g_aligned_alloc0 (1, 0x2000, 4096);
  BpRegion *rom = bp_region_new_rom (NULL, "rom", host, 0x1000);
  region = bp_region_new_rom_device (device, "flash", &ops, host + 0x1000, 0x1000);
  bp_region_add (root, 0, rom, 0);
  bp_region_add (root, 0x1000, region, 0);
  bp_as_store (as, 0x10, 1, 4);
  ck_assert (!bp_as_write (as, 0x10, "ab", 2));
  ck_assert_uint_eq (host[0x10], 0);
  ck_assert (bp_as_write_rom (as, 0xfff, "abcd", 4));           /* into both */
  ck_assert_mem_eq (host + 0xfff, "abcd", 4);
  ck_assert_uint_eq (bp_as_load (as, 0x1000, 1), 'b');
  check_calls ("");
  bp_as_store (as, 0x1004, 0x5a, 1);
  check_calls ("w1@4");
  ck_assert_uint_eq (host[0x1004], 0);
  bp_region_set_rom_mode (region, false);
  ck_assert_uint_eq (bp_as_load (as, 0x1004, 1), 0x5a);
  check_calls ("r1@4");
  ck_assert (bp_as_write_rom (as, 0x1004, "z", 1));
  ck_assert_uint_eq (host[0x1004], 'z');
  bp_region_free (rom);
  bp_region_free (region);
  region = NULL;
  g_aligned_free (host);
}
END_TEST

/* --- the map changes under a callback --------------------------------------------------------- */

static bool
swap_regions (Device *d)
{
  bp_memory_begin ();
  bp_region_set_enabled (d->a, false);
  bp_region_set_enabled (d->b, true);
  bp_memory_commit ();
  return true;
}

static bool
free_itself (Device *d)
{
  bp_region_free (region);
  region = NULL;
  return true;
}

START_TEST (a_callback_changes_the_map)
{
  static const BpRegionOps ops = BP_REGION_OPS (.read = device_read, .write = device_write);
  uint8_t *host = g_aligned_alloc0 (1, 0x2000, 4096);
  map (&ops);
  device->a = bp_region_new_ram (device, "a", host, 0x1000);
  device->b = bp_region_new_ram (device, "b", host + 0x1000, 0x1000);
  host[0] = 1;
  host[0x1000] = 2;
  bp_region_set_enabled (device->b, false);
  bp_region_add (root, 0x2000, device->a, 0);
  bp_region_add (root, 0x2000, device->b, 0);
  ck_assert_uint_eq (bp_as_load (as, 0x2000, 1), 1);
  device->on_write = swap_regions;
  bp_as_store (as, 0x1000, 1, 1);
  ck_assert_uint_eq (bp_as_load (as, 0x2000, 1), 2);
  device->on_write = free_itself;
  bp_as_store (as, 0x1001, UINT64_MAX, 8);      /* in pieces: the rest goes nowhere */
  ck_assert_uint_eq (bp_as_load (as, 0x1000, 1), 0xff);
  /* The range of a lookup may go away inside a dispatch. */
  device->on_write = free_itself;
  map (&ops);
  const BpFlatRange *r = bp_as_lookup (as, 0x1004);
  bp_region_dispatch_write (r->region, 4, 0, 4);
  bp_as_leave (as);
  ck_assert_ptr_null (region);
  bp_region_free (device->a);
  bp_region_free (device->b);
  g_aligned_free (host);
}
END_TEST

/* --- the lock --------------------------------------------------------------------------------- */

static void *
try_lock (void *data)
{
  bool free_to_take = g_rec_mutex_trylock (&machine.lock);
  if (free_to_take)
    g_rec_mutex_unlock (&machine.lock);
  return GINT_TO_POINTER (free_to_take ? 1 : 2);
}

static uint64_t
read_who_has_it (void *self, uint64_t offset, unsigned size)
{
  return (uint64_t) GPOINTER_TO_INT (g_thread_join (g_thread_new ("try", try_lock, NULL)));
}

START_TEST (callbacks_are_locked_unless_lock_free)
{
  static const BpRegionOps locked = BP_REGION_OPS (.read = read_who_has_it);
  static const BpRegionOps lock_free =
    BP_REGION_OPS (.flags = BP_REGION_OPS_LOCK_FREE, .read = read_who_has_it);
  map (&locked);
  ck_assert_uint_eq (bp_as_load (as, 0x1000, 1), 2);
  map (&lock_free);
  ck_assert_uint_eq (bp_as_load (as, 0x1000, 1), 1);
  ck_assert_int_eq (GPOINTER_TO_INT (try_lock (NULL)), 1);
}
END_TEST

/* --- DMA that goes in a circle ----------------------------------------------------------------- */

static unsigned n_calls, n_refused, n_complaints;

static void
count_complaint (const char *line)
{
  n_complaints += strstr (line, "guest_errors: regs: 4-byte ") && strstr (line, " at 0x0 from within 16 others is refused") ? 1 : 100;
}

static void
write_to_itself (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  uint32_t again = 1;
  ck_assert_uint_lt (++n_calls, 100);
  n_refused += !bp_as_write (as, 0x1000, &again, sizeof again);
}

static uint64_t
read_from_itself (void *self, uint64_t offset, unsigned size)
{
  ck_assert_uint_lt (++n_calls, 100);
  return bp_as_load (as, 0x1000, 4) - 1;
}

START_TEST (circles_end)
{
  const BpRegionOps ops = BP_REGION_OPS (.flags = _i ? BP_REGION_OPS_LOCK_FREE : 0, .write = write_to_itself, .read = read_from_itself);
  map (&ops);
  log_set_topics ("guest_errors", NULL);
  log_set_sink (count_complaint);
  for (unsigned i = 1; i <= 2; i++) {
    n_calls = n_refused = 0;
    bp_as_store (as, 0x1000, 1, 4);
    ck_assert_uint_eq (n_calls, 16);
    ck_assert_uint_eq (n_refused, 1);
    n_calls = 0;
    ck_assert_uint_eq (bp_as_load (as, 0x1000, 4), UINT32_MAX - 16);
    ck_assert_uint_eq (n_calls, 16);
    ck_assert_uint_eq (n_complaints, 1);
  }
  log_set_sink (NULL);
  log_set_topics ("", NULL);
}
END_TEST

/* --- what is left for the end of an access ----------------------------------------------------- */

static char left[64];           /* in order: w the callback, digits what it left, with * the lock was free; ! one too many was refused */

static void
left_is_done (void *user)
{
  bool is_free = GPOINTER_TO_INT (g_thread_join (g_thread_new ("try", try_lock, NULL))) == 1;
  g_snprintf (left + strlen (left), sizeof left - strlen (left), "%d%s", GPOINTER_TO_INT (user), is_free ? "*" : "");
  if (GPOINTER_TO_INT (user) < 3)
    ck_assert (bp_memory_after_access (&machine, left_is_done, GINT_TO_POINTER (GPOINTER_TO_INT (user) + 1)));
}

static bool
leave_work (Device *d)
{
  bool nested = d->bytes[0] == 7;       /* an access that a device makes in another's is no end */
  if (nested) {
    d->bytes[0] = 0;
    bp_as_store (as, 0x1001, 1, 1);
  } else {
    ck_assert (bp_memory_after_access (&machine, left_is_done, GINT_TO_POINTER (1)));
  }
  g_strlcat (left, "w", sizeof left);
  if (!bp_memory_after_access (&machine, left_is_done, NULL))
    g_strlcat (left, "!", sizeof left);
  return true;
}

START_TEST (work_left_for_the_end)
{
  static const BpRegionOps ops = BP_REGION_OPS (.read = device_read, .write = device_write);
  map (&ops);
  ck_assert (!bp_memory_after_access (&machine, left_is_done, NULL));
  device->on_write = leave_work;
  bp_as_store (as, 0x1000, 1, 1);
  ck_assert_str_eq (left, "w!1*2*3*");
  left[0] = 0;
  bp_as_store (as, 0x1000, 7, 1);
  ck_assert_str_eq (left, "w!w!1*2*3*");
  ck_assert (!bp_memory_after_access (&machine, left_is_done, NULL));
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("memory-dispatch");
  TCase *tcase = tcase_create ("all");
  tcase_add_checked_fixture (tcase, setup, teardown);
  tcase_add_test (tcase, split);
  tcase_add_test (tcase, widen);
  tcase_add_test (tcase, unaligned_is_passed_on);
  tcase_add_test (tcase, big_endian);
  tcase_add_test (tcase, limits_of_the_guest);
  tcase_add_test (tcase, the_top_of_2_64);
  tcase_add_test (tcase, an_older_and_smaller_table);
  tcase_add_test (tcase, holes_and_borders);
  tcase_add_test (tcase, rom_and_rom_devices);
  tcase_add_test (tcase, a_callback_changes_the_map);
  tcase_add_test (tcase, callbacks_are_locked_unless_lock_free);
  tcase_add_loop_test (tcase, circles_end, 0, 2);
  tcase_add_test (tcase, work_left_for_the_end);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}
