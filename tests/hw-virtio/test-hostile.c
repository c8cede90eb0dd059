/* test-hostile.c -- drivers that break rules: each broken rule stops the device, says why, touches nothing else, and ends with a reset. */
/* SPDX-License-Identifier: MIT */
#include "virtio-test.h"
#include "../random-numbers.h"

enum { NEXT = 1, WRITE = 2, INDIRECT = 4, NEEDS_RESET = 0x40 };

typedef struct Rings {
  BpTest *t;
  BpTestVirtio *v;
  uint64_t descriptors, driver, device;
} Rings;

static const VirtioCase split = { "mmio", .pci = false }, split_indirect = { "mmio, indirect", .indirect = true },
                        packed = { "mmio, packed", .packed = true }, packed_indirect = { "mmio, packed, indirect", .packed = true, .indirect = true };

static Rings
rings_new (const VirtioCase *c)
{
  Rings r = { .t = virtio_test_new (c, "hold = on\n", NULL) };
  r.v = virtio_test_driver (r.t, c);
  bp_test_keep_log ("guest_errors");
  bp_test_virtio_rings (r.v, 0, &r.descriptors, &r.driver, &r.device);
  return r;
}

static void
describe (const Rings *r, unsigned index, uint64_t address, uint32_t size, unsigned flags, unsigned other, bool is_packed)
{
  uint64_t at = r->descriptors + 16u * index;
  bp_test_store64 (r->t, at, address);
  bp_test_store32 (r->t, at + 8, size);
  bp_test_store16 (r->t, at + 12, (uint16_t) (is_packed ? other : flags));
  bp_test_store16 (r->t, at + 14, (uint16_t) (is_packed ? flags : other));
}

/* Split: puts a head into the available ring. */
static void
offer (const Rings *r, unsigned position, unsigned head)
{
  bp_test_store16 (r->t, r->driver + 4 + 2 * (position % 16), (uint16_t) head);
  bp_test_store16 (r->t, r->driver + 2, (uint16_t) (position + 1));
}

/* The device complains of this, waits for a reset, and works after it. */
static void
expect_broken (Rings *r, const VirtioCase *c, const char *complaint)
{
  Echo *e = virtio_test_echo (r->t);
  bp_test_virtio_kick (r->v, 0);
  g_autofree char *log = bp_test_take_log ();
  bp_test_expect_has (log, complaint);
  bp_test_expect_eq (bp_test_virtio_status (r->v) & NEEDS_RESET, NEEDS_RESET);
  bp_test_expect_eq (bp_test_virtio_interrupts (r->v, -1), 1);
  unsigned kicks = e->kicks;
  bp_test_virtio_kick (r->v, 0);
  bp_test_expect_eq (e->kicks, kicks);
  bp_test_expect_eq (e->stops, 0);
  char in[4];
  e->hold = false;
  bp_test_virtio_setup (r->v, virtio_test_features (c), ECHO_QUEUES);
  bp_test_expect_eq (e->stops, 1);
  bp_test_expect_eq (bp_test_virtio_call (r->v, 0, "fine", 4, in, sizeof in), 4);
  bp_test_virtio_free (r->v);
  bp_test_free (r->t);
}

BP_TEST (chains_that_are_wrong)
{
  static const struct { uint64_t address; uint32_t size; unsigned flags, next; const char *complaint; } cases[] = {
    { 0x20000, 16, NEXT, 0, "longer than the queue, or has no end" },   /* a loop */
    { 0x20000, 16, NEXT, 16, "goes on at descriptor 16 of 16" },
    { 0x20000, 16, NEXT, 0xffff, "goes on at descriptor 65535 of 16" },
    { 0x20000, 0, 0, 0, "an empty part" },
    { 0x20000, 0x100000, 0, 0, "which is no memory" },          /* over its end */
    { 0xffff0, 0x11, WRITE, 0, "which is no memory" },
    { 0x100000, 1, 0, 0, "which is no memory" },
    { 0x10000000, 4, 0, 0, "which is no memory" },              /* the device itself */
    { UINT64_MAX, 2, 0, 0, "which is no memory" },
    { UINT64_MAX - 15, 16, WRITE, 0, "which is no memory" },
    { 0x20000, UINT32_MAX, 0, 0, "which is no memory" },
    { 0x20000, 16, INDIRECT, 0, "which was not agreed on" },
  };
  for (unsigned i = 0; i < BP_N_ELEMENTS (cases); i++) {
    Rings r = rings_new (&split);
    describe (&r, 0, cases[i].address, cases[i].size, cases[i].flags, cases[i].next, false);
    offer (&r, 0, 0);
    expect_broken (&r, &split, cases[i].complaint);
  }
}

BP_TEST (reads_behind_writes)
{
  Rings r = rings_new (&split);
  describe (&r, 0, 0x20000, 16, NEXT | WRITE, 1, false);
  describe (&r, 1, 0x20000, 16, 0, 0, false);
  offer (&r, 0, 0);
  expect_broken (&r, &split, "a part to read behind one to write");
}

BP_TEST (available_rings_that_are_wrong)
{
  Rings r = rings_new (&split);
  offer (&r, 0, 16);
  expect_broken (&r, &split, "descriptor 16 is made available, and there is none");
  r = rings_new (&split);
  bp_test_store16 (r.t, r.driver + 2, 17);
  expect_broken (&r, &split, "the available index is 17 ahead, of 16 entries");
  r = rings_new (&split);
  bp_test_store16 (r.t, r.driver + 2, 0xffff);
  expect_broken (&r, &split, "65535 ahead");
  r = rings_new (&split);
  describe (&r, 0, 0x20000, 16, 0, 0, false);
  offer (&r, 0, 0);
  offer (&r, 1, 0);
  expect_broken (&r, &split, "descriptor 0 is made available while the device has it");
}

BP_TEST (indirect_tables_that_are_wrong)
{
  static const struct { uint32_t size; unsigned flags, inner_flags, inner_next; uint64_t table; const char *complaint; } cases[] = {
    { 0, INDIRECT, 0, 0, 0x20000, "an indirect descriptor of 0 bytes" },
    { 24, INDIRECT, 0, 0, 0x20000, "an indirect descriptor of 24 bytes" },
    { 32, INDIRECT | NEXT, 0, 0, 0x20000, "and a next one" },
    { 32, INDIRECT, INDIRECT, 0, 0x20000, "an indirect descriptor in an indirect table" },
    { 32, INDIRECT, NEXT, 2, 0x20000, "goes on at descriptor 2 of 2" },
    { 32, INDIRECT, NEXT, 0, 0x20000, "longer than the queue, or has no end" },
    { 32, INDIRECT, 0, 0, 0x200000, "a table of descriptors at 0x200000, which is no memory" },
    { 32, INDIRECT, NEXT, 1, 0xffff0, "a table of descriptors at 0xffff0, which is no memory" },
    { 32, INDIRECT, 0, 0, UINT64_MAX - 7, "which is no memory" },
  };
  for (unsigned i = 0; i < BP_N_ELEMENTS (cases); i++) {
    Rings r = rings_new (&split_indirect);
    describe (&r, 0, cases[i].table, cases[i].size, cases[i].flags, 1, false);
    describe (&r, 1, 0x20000, 4, 0, 0, false);
    if (cases[i].table < 0x100000) {
      bp_test_store64 (r.t, cases[i].table, 0x30000);
      bp_test_store32 (r.t, cases[i].table + 8, 4);
      bp_test_store16 (r.t, cases[i].table + 12, (uint16_t) cases[i].inner_flags);
      bp_test_store16 (r.t, cases[i].table + 14, (uint16_t) cases[i].inner_next);
    }
    offer (&r, 0, 0);
    expect_broken (&r, &split_indirect, cases[i].complaint);
  }
}

BP_TEST (packed_rings_that_are_wrong)
{
  enum { AVAILABLE = 1 << 7 };
  static const struct { uint64_t address; uint32_t size; unsigned flags; bool indirect; const char *complaint; } cases[] = {
    { 0x20000, 4, NEXT, false, "more descriptors are available than it has" },  /* all of them */
    { 0x20000, 0, 0, false, "an empty part" },
    { 0x200000, 4, WRITE, false, "which is no memory" },
    { 0x20000, 16, INDIRECT, false, "which was not agreed on" },
    { 0x20000, 16, INDIRECT | NEXT, true, "an indirect descriptor in a chain" },
    { 0x20000, 8, INDIRECT, true, "an indirect descriptor of 8 bytes" },
    { 0x20000, 17 * 16, INDIRECT, true, "an indirect descriptor of 272 bytes" },
    { 0x20000, 16, INDIRECT, true, "an empty part" },
  };
  for (unsigned i = 0; i < BP_N_ELEMENTS (cases); i++) {
    const VirtioCase *c = cases[i].indirect ? &packed_indirect : &packed;
    Rings r = rings_new (c);
    for (unsigned n = 0; n < 16; n++)
      describe (&r, n, cases[i].address, cases[i].size, cases[i].flags | AVAILABLE, 0, true);
    expect_broken (&r, c, cases[i].complaint);
  }
}

BP_TEST (rings_that_are_nowhere)
{
  static const struct { unsigned reg; uint32_t low, high; const char *complaint; } cases[] = {
    { 0x80, 0x100000, 0, "its descriptor table at 0x100000, of 0x100 bytes, is not in memory" },
    { 0x80, 0x20008, 0, "is not aligned" },
    { 0x90, 0xffff0, 0, "its available ring at 0xffff0" },
    { 0x90, 0x20001, 0, "is not aligned" },
    { 0xa0, 0x10000000, 0, "its used ring at 0x10000000" },
    { 0xa0, 0x20002, 0, "is not aligned" },
    { 0xa0, 0, 1, "its used ring at 0x100000000" },
    { 0xa0, 0xfffffff0, 0xffffffff, "is not in memory" },
  };
  for (unsigned i = 0; i < BP_N_ELEMENTS (cases); i++) {
    Rings r = { .t = virtio_test_new (&split, "hold = on\n", NULL) };
    r.v = virtio_test_find (r.t, &split);
    uint64_t at = bp_test_virtio_registers (r.v);
    bp_test_keep_log ("guest_errors");
    bp_test_virtio_negotiate (r.v, virtio_test_features (&split));
    bp_test_virtio_queue (r.v, 0, 0);
    bp_test_store32 (r.t, at + 0x44, 0);
    bp_test_store32 (r.t, at + cases[i].reg, cases[i].low);
    bp_test_store32 (r.t, at + cases[i].reg + 4, cases[i].high);
    bp_test_store32 (r.t, at + 0x44, 1);
    bp_test_virtio_start (r.v);
    expect_broken (&r, &split, cases[i].complaint);
  }
}

BP_TEST (queues_that_are_impossible)
{
  BpTest *t = virtio_test_new (&split, NULL, NULL);
  BpTestVirtio *v = virtio_test_find (t, &split);
  uint64_t at = bp_test_virtio_registers (v);
  static const uint32_t sizes[] = { 0, 17, 32, 0xffff, UINT32_MAX };
  bp_test_keep_log ("guest_errors");
  bp_test_virtio_negotiate (v, 0);
  bp_test_store32 (t, at + 0x30, 0);
  for (unsigned i = 0; i < BP_N_ELEMENTS (sizes); i++)
    bp_test_store32 (t, at + 0x38, sizes[i]);
  bp_test_store32 (t, at + 0x38, 12);
  bp_test_store32 (t, at + 0x44, 1);
  bp_test_expect_load (t, "memory", at + 0x44, 4, 0);
  bp_test_store32 (t, at + 0x30, 77);
  bp_test_store32 (t, at + 0x38, 4);
  bp_test_store32 (t, at + 0x44, 1);
  bp_test_store32 (t, at + 0x80, 1);
  bp_test_store32 (t, at + 0x50, 77);
  bp_test_store32 (t, at + 0x50, UINT32_MAX);
  g_autofree char *log = bp_test_take_log ();
  bp_test_expect_has (log, "4294967295 entries, of 16, are impossible");
  bp_test_expect_has (log, "12 entries: not a power of two");
  bp_test_expect_has (log, "a kick of queue 77, of 3");
  bp_test_virtio_free (v);
  bp_test_free (t);
}

/* A function that may not master the bus waits; memory that goes takes the requests in it along. */
BP_TEST (without_the_bus)
{
  static const VirtioCase pci = { "pci", .pci = true };
  BpTest *t = virtio_test_new (&pci, "hold = on\n", NULL);
  BpTestVirtio *v = virtio_test_driver (t, &pci);
  Echo *e = virtio_test_echo (t);
  unsigned f = BP_TEST_PCI (3, 0);
  bp_test_pci_write (t, "pci", f, 4, 3, 2);
  bp_test_virtio_add_bytes (v, 0, "abc", 3, 4, NULL);
  bp_test_virtio_kick (v, 0);
  bp_test_expect_eq (e->n_held, 0);
  bp_test_pci_write (t, "pci", f, 4, 7, 2);
  bp_test_expect_eq (e->n_held, 1);
  bp_test_expect_eq (bp_test_virtio_status (v), 15);
  bp_test_pci_write (t, "pci", f, 4, 3, 2);
  bp_test_expect_eq (e->stops, 1);
  bp_test_expect_eq (bp_test_virtio_status (v), 15 | NEEDS_RESET);
  bp_test_virtio_free (v);
  bp_test_free (t);
}

/* What the device has goes with a queue that is switched off: the driver may use its memory for something else at once. */
BP_TEST (a_queue_that_is_switched_off)
{
  Rings r = rings_new (&split);
  Echo *e = virtio_test_echo (r.t);
  uint64_t at = bp_test_virtio_registers (r.v);
  bp_test_virtio_add_bytes (r.v, 0, "abc", 3, 4, NULL);
  bp_test_virtio_kick (r.v, 0);
  bp_test_expect_eq (e->n_held, 1);
  bp_test_store32 (r.t, at + 0x30, 0);
  bp_test_store32 (r.t, at + 0x44, 0);
  bp_test_expect_load (r.t, "memory", at + 0x44, 4, 0);
  bp_test_expect_eq (e->stops, 1);
  bp_test_expect_eq (bp_test_virtio_status (r.v) & NEEDS_RESET, NEEDS_RESET);
  g_autofree char *log = bp_test_take_log ();
  bp_test_expect_has (log, "switched off while the device has buffers");
  bp_test_virtio_free (r.v);
  bp_test_free (r.t);
}

/* The layout of a ring is agreed on before there is one. */
BP_TEST (packed_rings_as_an_afterthought)
{
  Rings r = { .t = virtio_test_new (&packed, NULL, NULL) };
  r.v = virtio_test_find (r.t, &packed);
  Echo *e = virtio_test_echo (r.t);
  uint64_t at = bp_test_virtio_registers (r.v);
  bp_test_keep_log ("guest_errors");
  bp_test_virtio_set_status (r.v, 0);
  bp_test_virtio_set_status (r.v, 3);
  bp_test_virtio_queue (r.v, 0, 16);    /* split, so far */
  bp_test_store32 (r.t, at + 0x24, 1);
  bp_test_store32 (r.t, at + 0x20, 1 | 1 << 2);
  bp_test_virtio_set_status (r.v, 11);
  bp_test_expect_eq (bp_test_virtio_status (r.v), 11);
  bp_test_virtio_set_status (r.v, 15);
  bp_test_expect_eq (e->starts, 0);
  bp_test_expect_eq (bp_test_virtio_status (r.v), 11 | NEEDS_RESET);
  g_autofree char *log = bp_test_take_log ();
  bp_test_expect_has (log, "switched on before its layout was agreed on");
  bp_test_virtio_free (r.v);
  bp_test_free (r.t);
}

BP_TEST (what_a_device_says_is_broken)
{
  Rings r = rings_new (&split);
  Echo *e = virtio_test_echo (r.t);
  bp_test_virtio_add_bytes (r.v, 0, "abc", 3, 4, NULL);
  bp_test_virtio_kick (r.v, 0);
  bp_test_expect_eq (e->n_held, 1);
  bp_machine_lock (bp_test_machine (r.t));
  echo_bus (e)->broken (e->bus.instance, e->device, "it has a strange taste");
  echo_answer (e, 0);           /* goes nowhere */
  echo_notify (e, 0);
  bp_machine_unlock (bp_test_machine (r.t));
  bp_test_expect_load (r.t, "memory", r.device + 2, 2, 0);
  expect_broken (&r, &split, "it has a strange taste");
}

/* Any bytes in rings, descriptors and registers. */
BP_TEST (noise)
{
  for (unsigned n = 0; n < n_virtio_cases; n++) {
    const VirtioCase *c = &virtio_cases[n];
    BpTest *t = virtio_test_new (c, NULL, NULL);
    BpTestVirtio *v = virtio_test_find (t, c);
    bp_test_keep_log ("guest_errors");
    for (unsigned round = 0; round < 200; round++) {
      uint64_t area[3];
      bp_test_virtio_setup (v, virtio_test_features (c), ECHO_QUEUES);
      bp_test_virtio_rings (v, 1, &area[0], &area[1], &area[2]);
      for (unsigned i = 0; i < 40; i++) {
        uint64_t where = area[random64 () % 3] + random64 () % 1024, value = random64 () % 3 ? random64 () % 0x40 : random64 ();
        bp_test_store (t, "memory", where & ~UINT64_C (1), value, 2);
        if (random64 () % 4 == 0)
          bp_test_virtio_kick (v, (unsigned) (random64 () % 4));
        if (random64 () % 16 == 0)
          bp_test_store (t, "memory", bp_test_virtio_registers (v) + random64 () % 0x40 * 4, random64 () % 0x20000, 4);
      }
      g_free (bp_test_take_log ());
    }
    bp_test_virtio_free (v);
    bp_test_free (t);
  }
}

BP_TEST_MAIN ("virtio hostile", &chains_that_are_wrong, &reads_behind_writes, &available_rings_that_are_wrong, &indirect_tables_that_are_wrong,
              &packed_rings_that_are_wrong, &rings_that_are_nowhere, &queues_that_are_impossible, &without_the_bus, &a_queue_that_is_switched_off, &packed_rings_as_an_afterthought, &what_a_device_says_is_broken, &noise)
