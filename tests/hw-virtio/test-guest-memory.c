/* test-guest-memory.c -- RAM as host memory: what is joined, what is clipped, what goes when the space changes. */
/* SPDX-License-Identifier: MIT */
#include "hw-virtio/guest-memory.h"
#include <backplane/test.h>
#include <string.h>

static unsigned n_moves;
static void moved (void *user) { n_moves++; }

static BpTest *
machine (void)
{
  n_moves = 0;
  return bp_test_new (NULL, "[memory ram]\ntype = test-ram\nsize = 64K\n[map low]\nregion = ram\nat = memory@0x1000\n"
                            "[memory far]\ntype = test-ram\nsize = 64K\n[map far]\nregion = far\nat = memory@0x11000\n");
}

static uint64_t
there (GuestMemory *m, uint64_t address, bool write)
{
  uint64_t size = UINT64_C (1) << 40, ram;
  return guest_memory_at (m, address, write, &size, &ram) ? size : 0;
}

BP_TEST (follows_the_space)
{
  BpTest *t = machine ();
  BpAddressSpace *as = bp_machine_address_space (bp_test_machine (t), "memory");
  GuestMemory m;
  guest_memory_init (&m, as, moved, NULL);
  bp_test_expect_eq (n_moves, 0);
  unsigned generation = m.generation;
  bp_test_expect_eq (there (&m, 0, false), 0);
  uint64_t size = 1, ram;
  const uint8_t *near = guest_memory_at (&m, 0x1000, false, &size, &ram), *far = guest_memory_at (&m, 0x11000, false, &size, &ram);
  uint64_t more = far == near + 0x10000 ? 0x10000 : 0;          /* what lies behind is other host memory, unless chance has put it there */
  bp_test_expect_eq (there (&m, 0x1000, true), 0x10000 + more);
  bp_test_expect_eq (there (&m, 0x10fff, true), 1 + more);
  bp_test_expect_eq (there (&m, 0x11000, true), 0x10000);
  bp_test_expect_eq (there (&m, 0x21000, false), 0);
  bp_test_expect_eq (there (&m, UINT64_MAX, false), 0);
  BpRegion *hole = bp_region_new_reserved (bp_test_object (t, "ram"), "hole", 0x1000);
  bp_region_add (bp_address_space_root (as), 0x5000, hole, 5);
  bp_test_expect_eq (n_moves, 1);
  bp_test_expect (m.generation != generation);
  bp_test_expect_eq (there (&m, 0x1000, true), 0x4000);
  bp_test_expect_eq (there (&m, 0x5000, true), 0);
  bp_test_expect_eq (there (&m, 0x6000, true), 0xb000 + more);
  bp_region_set_offset (hole, 0x7000);
  bp_test_expect_eq (there (&m, 0x5000, true), 0x2000);
  bp_region_free (hole);
  bp_test_expect_eq (there (&m, 0x1000, true), 0x10000 + more);
  guest_memory_finish (&m);
  bp_test_free (t);
}

/* Two aliases of one region, side by side and in order, are one piece of host memory; in another order they are not. */
BP_TEST (joins_what_goes_on)
{
  BpTest *t = machine ();
  BpAddressSpace *as = bp_machine_address_space (bp_test_machine (t), "memory");
  void *ram = bp_test_object (t, "ram");
  const BpFlatRange *range = bp_as_lookup (as, 0x1000);
  BpRegion *region = range->region;
  bp_as_leave (as);
  BpRegion *first = bp_region_new_alias (ram, "first", region, 0, 0x1000), *second = bp_region_new_alias (ram, "second", region, 0x1000, 0x1000);
  GuestMemory m;
  guest_memory_init (&m, as, moved, NULL);
  bp_region_add (bp_address_space_root (as), 0x80000, first, 1);
  bp_region_add (bp_address_space_root (as), 0x81000, second, 1);
  bp_test_expect_eq (there (&m, 0x80000, true), 0x2000);
  bp_region_set_readonly (second, true);
  bp_test_expect_eq (there (&m, 0x80000, true), 0x1000);
  bp_test_expect_eq (there (&m, 0x81000, true), 0);
  bp_test_expect_eq (there (&m, 0x81000, false), 0x1000);
  bp_region_set_readonly (second, false);
  bp_memory_begin ();
  bp_region_set_offset (first, 0x81000);
  bp_region_set_offset (second, 0x80000);
  bp_memory_commit ();
  bp_test_expect_eq (there (&m, 0x80000, true), 0x1000);
  bp_test_expect_eq (there (&m, 0x81000, true), 0x1000);
  guest_memory_finish (&m);
  bp_region_free (first);
  bp_region_free (second);
  bp_test_free (t);
}

BP_TEST (reads_over_borders)
{
  BpTest *t = machine ();
  BpAddressSpace *as = bp_machine_address_space (bp_test_machine (t), "memory");
  uint8_t bytes[8];
  GuestMemory m;
  guest_memory_init (&m, as, moved, NULL);
  bp_test_write (t, 0x10ffc, "abcdefgh", 8);
  bp_test_expect (guest_memory_read (&m, 0x10ffc, bytes, 8));
  bp_test_expect (memcmp (bytes, "abcdefgh", 8) == 0);
  bp_test_expect (!guest_memory_read (&m, 0x20ffc, bytes, 8));
  bp_test_expect (!guest_memory_read (&m, UINT64_MAX - 3, bytes, 8));
  guest_memory_finish (&m);
  bp_test_free (t);
}

BP_TEST_MAIN ("guest memory", &follows_the_space, &joins_what_goes_on, &reads_over_borders)
