/* test-device.c -- a virtio device on each bus with each kind of ring: start, requests, interrupts, configuration, reset, saved state. */
/* SPDX-License-Identifier: MIT */
#include "virtio-test.h"
#include "../random-numbers.h"
#include <unistd.h>

BP_TEST (sends_back_what_it_gets)
{
  EACH_CASE (c) {
    BpTest *t = virtio_test_new (c, NULL, NULL);
    BpTestVirtio *v = virtio_test_driver (t, c);
    Echo *e = virtio_test_echo (t);
    bp_test_expect_eq (bp_test_virtio_device_id (v), 63);
    bp_test_expect_eq (e->accepted, ECHO_FEATURES);
    bp_test_expect_eq (e->starts, 1);
    for (unsigned i = 0; i < 100; i++) {
      char out[32], in[32] = { 0 };
      int n = g_snprintf (out, sizeof out, "request %u", i) + 1;
      bp_test_expect_eq (bp_test_virtio_call (v, i % ECHO_QUEUES, out, (uint32_t) n, in, sizeof in), n);
      bp_test_expect_str (in, out);
      unsigned interrupts = bp_test_virtio_interrupts (v, (int) (i % ECHO_QUEUES));
      if (c->pci && !c->pin)    /* else queues share one */
        bp_test_expect_eq (interrupts, c->event_index && !c->packed && i >= ECHO_QUEUES ? 0 : 1);
    }
    bp_test_expect (e->data_was_clean);
    bp_test_expect_eq (bp_test_virtio_interrupts (v, -1), 0);
    bp_test_virtio_free (v);
    bp_test_free (t);
  }
}

/* Random buffers of several parts, added in batches, against what must come back. */
BP_TEST (random_requests)
{
  enum { ROUNDS = 300, MOST = 5 };
  EACH_CASE (c) {
    BpTest *t = virtio_test_new (c, NULL, NULL);
    BpTestVirtio *v = virtio_test_driver (t, c);
    uint64_t out = bp_test_virtio_alloc (v, 64 * 64), in = bp_test_virtio_alloc (v, 64 * 64);
    for (unsigned i = 0; i < 64 * 64; i++)
      bp_test_store8 (t, out + i, (uint8_t) (i * 7));
    for (unsigned round = 0; round < ROUNDS && !(c->indirect && round >= 60); round++) {
      unsigned n = 1 + (unsigned) (random64 () % 5), ids[5], sizes[5];
      for (unsigned i = 0; i < n; i++) {
        unsigned n_out = 1 + (unsigned) (random64 () % 2), n_in = (unsigned) (random64 () % 2);
        BpTestPart parts[4];
        sizes[i] = 0;
        for (unsigned p = 0; p < n_out + n_in; p++) {
          parts[p] = (BpTestPart) { (p < n_out ? out : in) + i * 512 + (p < n_out ? p : p - n_out) * 100, 1 + (unsigned) (random64 () % 100) };
          sizes[i] += p < n_out ? parts[p].size : 0;
        }
        if (!n_in)
          sizes[i] = 0;
        else
          sizes[i] = MIN (sizes[i], parts[n_out].size);
        ids[i] = bp_test_virtio_add (v, 1, parts, n_out, n_in);
      }
      if (bp_test_virtio_wants_kick (v, 1))
        bp_test_virtio_kick (v, 1);
      else
        bp_test_fail ("%s: no kick is wanted in round %u", c->name, round);
      for (unsigned i = 0; i < n; i++) {
        unsigned id;
        uint32_t written;
        bp_test_expect (bp_test_virtio_wait (v, 1, &id, &written));
        bp_test_expect_eq (id, ids[i]);
        bp_test_expect_eq (written, sizes[i]);
        if (written)
          bp_test_expect_eq (bp_test_load8 (t, in + i * 512), bp_test_load8 (t, out + i * 512));
      }
    }
    bp_test_virtio_free (v);
    bp_test_free (t);
  }
}

/* Buffers come back in another order; a packed ring shows them in the driver's. */
BP_TEST (out_of_order)
{
  EACH_CASE (c) {
    BpTest *t = virtio_test_new (c, "hold = on\n", NULL);
    BpTestVirtio *v = virtio_test_driver (t, c);
    Echo *e = virtio_test_echo (t);
    unsigned id[3], got;
    for (unsigned i = 0; i < 3; i++)
      id[i] = bp_test_virtio_add_bytes (v, 0, "abc", 3, 8, NULL);
    bp_test_virtio_kick (v, 0);
    bp_test_expect_eq (e->n_held, 3);
    bp_machine_lock (bp_test_machine (t));
    echo_answer (e, 2);
    echo_notify (e, 0);
    bp_machine_unlock (bp_test_machine (t));
    if (c->packed) {
      bp_test_expect (!bp_test_virtio_take (v, 0, NULL, NULL));
    } else {
      bp_test_expect (bp_test_virtio_take (v, 0, &got, NULL));
      bp_test_expect_eq (got, id[2]);
    }
    bp_machine_lock (bp_test_machine (t));
    echo_answer (e, 0);
    echo_answer (e, 0);
    echo_notify (e, 0);
    bp_machine_unlock (bp_test_machine (t));
    for (unsigned i = 0; i < (c->packed ? 3 : 2); i++) {
      bp_test_expect (bp_test_virtio_take (v, 0, &got, NULL));
      bp_test_expect_eq (got, id[i]);
    }
    bp_test_virtio_free (v);
    bp_test_free (t);
  }
}

BP_TEST (interrupts_as_wanted)
{
  EACH_CASE (c) {
    BpTest *t = virtio_test_new (c, NULL, NULL);
    BpTestVirtio *v = virtio_test_driver (t, c);
    char in[8];
    bp_test_virtio_want_interrupts (v, 1, false);
    bp_test_virtio_call (v, 1, "x", 1, in, sizeof in);
    bp_test_expect_eq (bp_test_virtio_interrupts (v, 1), 0);
    bp_test_virtio_want_interrupts (v, 1, true);
    bp_test_virtio_call (v, 1, "x", 1, in, sizeof in);
    bp_test_expect_eq (bp_test_virtio_interrupts (v, 1), 1);
    if (!c->pci || c->pin)
      bp_test_expect_eq (c->pci ? bp_test_pci_interrupt (t, "pci", BP_TEST_PCI (3, 0)) : bp_test_level (t, "probe.in0"), 0);
    bp_test_virtio_free (v);
    bp_test_free (t);
  }
}

BP_TEST (a_device_that_looks_by_itself)
{
  EACH_CASE (c) {
    BpTest *t = virtio_test_new (c, "looks = on\n", NULL);
    BpTestVirtio *v = virtio_test_driver (t, c);
    Echo *e = virtio_test_echo (t);
    BpMachine *m = bp_test_machine (t);
    char in[4];
    bp_test_virtio_call (v, 1, "x", 1, in, sizeof in);
    bp_test_virtio_add_bytes (v, 1, "y", 1, 1, NULL);
    bp_test_expect_eq (bp_test_virtio_wants_kick (v, 1), 0);
    bp_machine_lock (m);
    bp_test_expect (echo_bus (e)->has_buffers (e->bus.instance, e->device, 1));
    bp_test_expect (echo_bus (e)->want_kicks (e->bus.instance, e->device, 1, true));
    bp_machine_unlock (m);
    bp_test_virtio_kick (v, 1);
    bp_test_expect (bp_test_virtio_take (v, 1, NULL, NULL));
    bp_test_virtio_add_bytes (v, 1, "y", 1, 1, NULL);
    bp_test_expect_eq (bp_test_virtio_wants_kick (v, 1), 1);
    bp_test_virtio_free (v);
    bp_test_free (t);
  }
}

/* A device that changes its mind while the driver's memory cannot be reached: the driver is told when it can. */
BP_TEST (looks_no_more_without_the_bus)
{
  EACH_CASE (c) {
    if (!c->pci)
      continue;
    BpTest *t = virtio_test_new (c, "looks = on\n", NULL);
    BpTestVirtio *v = virtio_test_driver (t, c);
    Echo *e = virtio_test_echo (t);
    BpMachine *m = bp_test_machine (t);
    char in[4];
    bp_test_virtio_call (v, 1, "x", 1, in, sizeof in);
    bp_test_pci_write (t, "pci", BP_TEST_PCI (3, 0), 4, 3, 2);
    bp_machine_lock (m);
    bp_test_expect (!echo_bus (e)->want_kicks (e->bus.instance, e->device, 1, true));
    bp_machine_unlock (m);
    bp_test_pci_write (t, "pci", BP_TEST_PCI (3, 0), 4, 7, 2);
    bp_test_virtio_add_bytes (v, 1, "y", 1, 1, NULL);
    bp_test_expect_eq (bp_test_virtio_wants_kick (v, 1), 1);
    bp_test_virtio_free (v);
    bp_test_free (t);
  }
}

BP_TEST (popped_and_put_back)
{
  EACH_CASE (c) {
    BpTest *t = virtio_test_new (c, NULL, NULL);
    BpTestVirtio *v = virtio_test_driver (t, c);
    Echo *e = virtio_test_echo (t);
    BpMachine *m = bp_test_machine (t);
    for (unsigned round = 0; round < 20; round++) {
      unsigned id[2], got;
      id[0] = bp_test_virtio_add_bytes (v, 0, "a", 1, 1, NULL);
      id[1] = bp_test_virtio_add_bytes (v, 0, "bc", 2, 2, NULL);
      bp_machine_lock (m);
      BpVirtioBuffer *first = bp_virtio_pop (&e->bus, e->device, 0), *second = bp_virtio_pop (&e->bus, e->device, 0);
      bp_test_expect (first && second && !bp_virtio_pop (&e->bus, e->device, 0));
      bp_test_expect_eq (second->out_size, 2);
      echo_bus (e)->unpop (e->bus.instance, e->device, second);
      echo_bus (e)->unpop (e->bus.instance, e->device, first);
      bp_test_expect (echo_bus (e)->has_buffers (e->bus.instance, e->device, 0));
      bp_machine_unlock (m);
      bp_test_virtio_kick (v, 0);
      for (unsigned i = 0; i < 2; i++) {
        bp_test_expect (bp_test_virtio_take (v, 0, &got, NULL));
        bp_test_expect_eq (got, id[i]);
      }
    }
    bp_test_virtio_free (v);
    bp_test_free (t);
  }
}

BP_TEST (configuration)
{
  EACH_CASE (c) {
    BpTest *t = virtio_test_new (c, NULL, NULL);
    BpTestVirtio *v = virtio_test_driver (t, c);
    Echo *e = virtio_test_echo (t);
    BpMachine *m = bp_test_machine (t);
    bp_test_expect_eq (bp_test_virtio_config (v, 0, 4), 0x13121110);
    bp_test_expect_eq (bp_test_virtio_config (v, 5, 1), 0x15);
    bp_test_expect_eq (bp_test_virtio_config (v, 8, 8), UINT64_C (0x1f1e1d1c1b1a1918));
    bp_test_expect_eq (bp_test_virtio_config (v, 64, 4), UINT32_MAX);
    bp_test_virtio_set_config (v, 2, 0xabcd, 2);
    bp_test_expect_eq (bp_test_virtio_config (v, 0, 4), 0xabcd1110);
    bp_test_virtio_set_config (v, 62, 0x1234, 4);
    bp_test_virtio_set_config (v, 200, 0x1234, 4);
    bp_test_expect_eq (e->config_writes, 2);
    bp_machine_lock (m);
    echo_bus (e)->config_changed (e->bus.instance, e->device);
    bp_machine_unlock (m);
    bp_test_expect_eq (bp_test_virtio_interrupts (v, -1), 1);
    bp_test_expect_eq (bp_test_virtio_interrupts (v, -1), 0);
    bp_test_virtio_free (v);
    bp_test_free (t);
  }
}

BP_TEST (a_reset_takes_everything_back)
{
  EACH_CASE (c) {
    BpTest *t = virtio_test_new (c, "hold = on\n", NULL);
    BpTestVirtio *v = virtio_test_driver (t, c);
    Echo *e = virtio_test_echo (t);
    for (unsigned round = 0; round < 3; round++) {
      for (unsigned i = 0; i < 5; i++)
        bp_test_virtio_add_bytes (v, 0, "abc", 3, 8, NULL);
      bp_test_virtio_kick (v, 0);
      bp_test_expect_eq (e->n_held, 5);
      if (round == 1)
        bp_test_reset (t, BP_RESET_WARM);
      else
        bp_test_virtio_set_status (v, 0);
      bp_test_expect_eq (e->stops, round + 1);
      bp_test_expect_eq (e->n_held, 0);
      if (round == 1) {
        bp_test_virtio_free (v);
        v = virtio_test_find (t, c);
      }
      bp_test_expect_eq (bp_test_virtio_status (v), 0);
      bp_test_virtio_setup (v, virtio_test_features (c), ECHO_QUEUES);
    }
    bp_test_virtio_free (v);
    bp_test_free (t);
  }
}

/* What the device had, it gets again, in order, and before what came later; in the same machine, and in another. */
BP_TEST (saved_with_requests_under_way)
{
  EACH_CASE (c) {
    BpTest *t = virtio_test_new (c, "hold = on\n", NULL), *other = virtio_test_new (c, "hold = on\n", NULL);
    BpTestVirtio *v = virtio_test_driver (t, c), *w = virtio_test_driver (other, c);
    Echo *e = virtio_test_echo (t), *f = virtio_test_echo (other);
    unsigned id[4], got;
    bp_test_virtio_add_bytes (w, 0, "gone", 4, 4, NULL);
    bp_test_virtio_kick (w, 0);
    for (unsigned i = 0; i < 4; i++) {
      char text[2] = { (char) ('a' + i), 0 };
      id[i] = bp_test_virtio_add_bytes (v, 0, text, 1, 8, NULL);
    }
    bp_test_virtio_kick (v, 0);
    bp_test_expect_eq (e->n_held, 4);
    bp_machine_lock (bp_test_machine (t));
    echo_answer (e, 1);         /* not told: it counts as under way */
    bp_machine_unlock (bp_test_machine (t));
    bp_test_copy (t, other);
    bp_test_virtio_copy (v, w);
    bp_test_iterate (other);
    bp_test_expect_eq (f->stops, 1);
    bp_test_expect_eq (f->n_held, 4);
    for (unsigned i = 0; i < 4; i++)
      bp_test_expect_eq (*(const char *) f->held[i]->out[0].iov_base, 'a' + i);
    unsigned last = bp_test_virtio_add_bytes (w, 0, "e", 1, 8, NULL);
    bp_test_virtio_kick (w, 0);
    bp_test_expect_eq (f->n_held, 5);
    bp_test_round_trip (other);
    bp_test_iterate (other);
    bp_test_expect_eq (f->n_held, 5);
    bp_machine_lock (bp_test_machine (other));
    while (f->n_held)
      echo_answer (f, 0);
    echo_notify (f, 0);
    bp_machine_unlock (bp_test_machine (other));
    for (unsigned i = 0; i < 5; i++) {
      bp_test_expect (bp_test_virtio_take (w, 0, &got, NULL));
      bp_test_expect_eq (got, i < 4 ? id[i] : last);
    }
    bp_test_virtio_free (v);
    bp_test_virtio_free (w);
    bp_test_free (t);
    bp_test_free (other);
  }
}

BP_TEST (on_a_thread_of_its_own)
{
  for (unsigned n = 0; n < n_virtio_cases; n++) {
    const VirtioCase *c = &virtio_cases[n];
    if (!c->events)
      continue;
    BpTest *t = virtio_test_new (c, "thread = on\n", NULL);
    BpTestVirtio *v = virtio_test_driver (t, c);
    Echo *e = virtio_test_echo (t);
    for (unsigned i = 0; i < 200; i++) {
      char out[16], in[16];
      g_snprintf (out, sizeof out, "%u", i);
      bp_test_expect_eq (bp_test_virtio_call (v, i % ECHO_QUEUES, out, sizeof out, in, sizeof in), sizeof out);
      bp_test_expect_str (in, out);
    }
    const GThread *kicked_on = __atomic_load_n (&e->kicked_on, __ATOMIC_RELAXED);
    bp_test_expect (kicked_on && kicked_on != g_thread_self ());
    bp_test_virtio_set_status (v, 0);
    bp_test_expect_eq (e->stops, 1);
    bp_test_virtio_free (v);
    bp_test_free (t);
  }
}

/* Another process has the ring: kicks reach it, it interrupts, and what comes after it is the bus's again. */
BP_TEST (a_ring_in_other_hands)
{
  for (unsigned n = 0; n < n_virtio_cases; n++) {
    const VirtioCase *c = &virtio_cases[n];
    if (c->packed || c->indirect)
      continue;
    BpTest *t = virtio_test_new (c, NULL, NULL);
    BpTestVirtio *v = virtio_test_find (t, c);
    Echo *e = virtio_test_echo (t);
    BpMachine *m = bp_test_machine (t);
    BpVirtioRing ring = { .struct_size = sizeof ring };
    uint64_t area[3], count;
    char in[4];
    bp_machine_lock (m);
    bp_test_expect (!echo_bus (e)->ring_take (e->bus.instance, e->device, 0, &ring));
    bp_machine_unlock (m);
    bp_test_virtio_setup (v, virtio_test_features (c), ECHO_QUEUES);
    bp_test_virtio_call (v, 0, "one", 3, in, sizeof in);
    bp_test_virtio_interrupts (v, 0);
    bp_machine_lock (m);
    bp_test_expect (echo_bus (e)->ring_take (e->bus.instance, e->device, 0, &ring));
    bp_machine_unlock (m);
    bp_test_virtio_rings (v, 0, &area[0], &area[1], &area[2]);
    bp_test_expect_eq (ring.size, 16);
    bp_test_expect (ring.descriptors == area[0] && ring.driver == area[1] && ring.device == area[2]);
    bp_test_expect_eq (ring.next, 1);
    bp_test_expect_eq (read (ring.kick_fd, &count, 8), 8);        /* what may have come before */
    unsigned kicks = e->kicks, id = bp_test_virtio_add_bytes (v, 0, "two", 3, 4, NULL), got;
    bp_test_virtio_kick (v, 0);
    bp_test_expect_eq (e->kicks, kicks);
    bp_test_expect_eq (read (ring.kick_fd, &count, 8), 8);
    bp_test_store32 (t, area[2] + 4 + 8, id);
    bp_test_store32 (t, area[2] + 4 + 12, 3);
    bp_test_store16 (t, area[2] + 2, 2);
    bp_test_expect_eq (write (ring.call_fd, &count, 8), 8);
    bp_test_expect_eq (bp_test_virtio_interrupts (v, 0), 1);
    bp_test_expect (bp_test_virtio_take (v, 0, &got, NULL));
    bp_test_expect_eq (got, id);
    bp_test_virtio_add_bytes (v, 0, "three", 5, 5, NULL);
    bp_test_expect_eq (write (ring.call_fd, &count, 8), 8);       /* a call, and nobody listens before the ring is back */
    bp_machine_lock (m);
    echo_bus (e)->ring_give (e->bus.instance, e->device, 0, 2);
    bp_machine_unlock (m);
    bp_test_expect (bp_test_virtio_interrupts (v, 0) >= 1);
    bp_test_expect (bp_test_virtio_wait (v, 0, NULL, NULL));
    bp_test_virtio_call (v, 0, "four", 4, in, sizeof in);
    bp_test_virtio_free (v);
    bp_test_free (t);
  }
}

/* A peer may say anything. */
BP_TEST (a_ring_that_comes_back_from_nowhere)
{
  static const uint32_t positions[] = { 16, 16u << 16, 0x8010, UINT32_MAX };
  for (unsigned i = 0; i < BP_N_ELEMENTS (positions); i++) {
    const VirtioCase c = { "mmio, packed", .packed = true };
    BpTest *t = virtio_test_new (&c, NULL, NULL);
    BpTestVirtio *v = virtio_test_driver (t, &c);
    Echo *e = virtio_test_echo (t);
    BpMachine *m = bp_test_machine (t);
    BpVirtioRing ring = { .struct_size = sizeof ring };
    bp_test_keep_log ("guest_errors");
    bp_machine_lock (m);
    bp_test_expect (echo_bus (e)->ring_take (e->bus.instance, e->device, 0, &ring));
    echo_bus (e)->ring_give (e->bus.instance, e->device, 0, positions[i]);
    bp_machine_unlock (m);
    bp_test_expect_eq (bp_test_virtio_status (v), 0x4f);
    g_autofree char *log = bp_test_take_log ();
    bp_test_expect_has (log, "where it cannot be");
    bp_test_virtio_free (v);
    bp_test_free (t);
  }
}

static bool
take_dirty (BpTest *t, uint64_t address)
{
  const BpFlatRange *r = bp_as_lookup (bp_machine_address_space (bp_test_machine (t), "memory"), address);
  uint64_t ram = r->ram_address + (address - r->address);
  bp_as_leave (bp_machine_address_space (bp_test_machine (t), "memory"));
  return bp_dirty_clear (BP_DIRTY_MIGRATION, ram & ~UINT64_C (4095), 4096);
}

/* Pages that the device wrote: of the answer, as far as it goes, and of the rings. */
BP_TEST (dirty_pages)
{
  bp_dirty_enable (BP_DIRTY_MIGRATION, true);
  EACH_CASE (c) {
    BpTest *t = virtio_test_new (c, NULL, NULL);
    BpTestVirtio *v = virtio_test_driver (t, c);
    uint64_t rings[3], room = (bp_test_virtio_alloc (v, 5 * 4096) + 4095) & ~UINT64_C (4095);
    bp_test_virtio_rings (v, 0, &rings[0], &rings[1], &rings[2]);
    BpTestPart parts[] = { { VIRTIO_TEST_MEMORY + VIRTIO_TEST_SIZE - 4096, 4096 }, { room, 4 * 4096 } };
    bp_test_virtio_add (v, 0, parts, 1, 1);
    for (uint64_t page = 0; page < 0x100000; page += 4096)
      take_dirty (t, page);
    bp_test_virtio_kick (v, 0);
    bp_test_expect (bp_test_virtio_take (v, 0, NULL, NULL));
    for (unsigned i = 0; i < 4; i++)
      bp_test_expect_eq (take_dirty (t, room + i * 4096), i < 1);
    bp_test_expect (!take_dirty (t, parts[0].address));
    bp_test_expect (take_dirty (t, rings[c->packed ? 0 : 2]));
    bp_test_virtio_free (v);
    bp_test_free (t);
  }
  bp_dirty_enable (BP_DIRTY_MIGRATION, false);
}

BP_TEST (features_that_do_not_go)
{
  const VirtioCase *c = &virtio_cases[0];
  BpTest *t = virtio_test_new (c, "picky = on\n", NULL);
  BpTestVirtio *v = virtio_test_find (t, c);
  Echo *e = virtio_test_echo (t);
  uint64_t at = bp_test_virtio_registers (v);
  bp_test_keep_log ("guest_errors");
  bp_test_virtio_set_status (v, 3);
  bp_test_virtio_set_status (v, 11);
  bp_test_expect_eq (bp_test_virtio_status (v), 3);     /* no VERSION_1 */
  bp_test_store32 (t, at + 8, 1);
  bp_test_store32 (t, at + 12, 1);
  bp_test_virtio_set_status (v, 11);
  bp_test_expect_eq (bp_test_virtio_status (v), 3);     /* not without feature 3 */
  bp_test_store32 (t, at + 8, 0);
  bp_test_store32 (t, at + 12, 0x10008);
  bp_test_virtio_set_status (v, 11);
  bp_test_expect_eq (bp_test_virtio_status (v), 3);     /* never offered */
  bp_test_virtio_set_status (v, 7);
  bp_test_expect_eq (bp_test_virtio_status (v), 3);
  bp_test_store32 (t, at + 12, 8);
  bp_test_virtio_set_status (v, 11);
  bp_test_expect_eq (bp_test_virtio_status (v), 11);
  bp_test_store32 (t, at + 12, 0x28);
  bp_test_expect_load (t, "memory", at + 12, 4, 8);
  bp_test_expect_eq (e->starts, 0);
  bp_test_virtio_set_status (v, 15);
  bp_test_expect_eq (e->starts, 1);
  g_autofree char *log = bp_test_take_log ();
  bp_test_expect_has (log, "VIRTIO_F_VERSION_1");
  bp_test_expect_has (log, "features 0x10000 were not offered");
  bp_test_expect_has (log, "DRIVER_OK before FEATURES_OK");
  bp_test_virtio_free (v);
  bp_test_free (t);
}

BP_TEST_MAIN ("virtio device", &sends_back_what_it_gets, &random_requests, &out_of_order, &interrupts_as_wanted, &a_device_that_looks_by_itself,
              &looks_no_more_without_the_bus, &popped_and_put_back, &configuration, &a_reset_takes_everything_back, &saved_with_requests_under_way,
              &on_a_thread_of_its_own, &a_ring_in_other_hands, &a_ring_that_comes_back_from_nowhere,
              &dirty_pages, &features_that_do_not_go)
