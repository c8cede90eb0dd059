/* test-vhost-user.c -- devices that another process drives: requests, a back end that misbehaves, goes, comes back; saved state. */
/* SPDX-License-Identifier: MIT */
#include "virtio-test.h"
#include "vhost-back-end.h"
#include <backplane/plugin.h>
#include <unistd.h>

const BpPluginDesc *bp_plugin_query (void);

static char *socket_path;

static char *
machine_text (const char *type, const char *keys, bool shared)
{
  if (!socket_path)
    socket_path = bp_test_file ("back-end.sock", "", 0);
  return g_strdup_printf ("[memory ram]\n%ssize = 1M\n[map ram]\nregion = ram\nat = memory@0\n[device probe]\ntype = test-probe\n"
                          "[device bus]\ntype = virtio-mmio\nmmio0 = memory@0x10000000\nirq0 = probe.in0\n"
                          "[device d]\ntype = %s\nbus = bus\naddress = 0\nsocket = unix:%s\n%s",
                          shared ? "module = mem-backends\ntype = memory-memfd\n" : "type = test-ram\n", type, socket_path, keys);
}

static BpTest *
new_machine (const char *type, const char *keys)
{
  bp_test_plugin_path (PLUGINS);
  g_autofree char *text = machine_text (type, keys, true);
  return bp_test_new (bp_plugin_query ()->types, text);
}

static BpTestVirtio *
new_driver (BpTest *t, unsigned n_queues)
{
  BpTestVirtio *v = bp_test_virtio_mmio (t, VIRTIO_TEST_MMIO, VIRTIO_TEST_MEMORY, VIRTIO_TEST_SIZE);
  bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, n_queues);
  return v;
}

/* Type 0 reads, 1 writes a sector; its status, or -1 when nothing comes. */
static unsigned
begin_request (BpTestVirtio *v, BpTest *t, unsigned queue, uint32_t type, uint64_t sector, uint64_t at[3])
{
  at[0] = bp_test_virtio_alloc (v, 16);
  at[1] = bp_test_virtio_alloc (v, 512);
  at[2] = bp_test_virtio_alloc (v, 1);
  bp_test_store32 (t, at[0], type);
  bp_test_store64 (t, at[0] + 8, sector);
  bp_test_store8 (t, at[2], 0xff);
  for (unsigned i = 0; type && i < 512; i++)
    bp_test_store8 (t, at[1] + i, (uint8_t) (i ^ 0x55));
  const BpTestPart parts[] = { { at[0], 16 }, { at[1], 512 }, { at[2], 1 } };
  unsigned id = bp_test_virtio_add (v, queue, parts, type ? 2 : 1, type ? 1 : 2);
  bp_test_virtio_kick (v, queue);
  return id;
}

static int
request (BpTestVirtio *v, BpTest *t, unsigned queue, uint32_t type, uint64_t sector, uint64_t at[3])
{
  unsigned got, id = begin_request (v, t, queue, type, sector, at);
  if (!bp_test_virtio_wait (v, queue, &got, NULL))
    return -1;
  bp_test_expect_eq (got, id);
  return bp_test_load8 (t, at[2]);
}

static void
wait_a_second (BpTest *t)
{
  for (unsigned i = 0; i < 2000; i++) {
    bp_test_iterate (t);
    g_usleep (500);
  }
}

BP_TEST (reads_and_writes)
{
  g_autofree char *text = machine_text ("vhost-user-blk", "", true);
  BackEnd *b = back_end_new (socket_path, BACK_END_FINE);
  BpTest *t = new_machine ("vhost-user-blk", "queues = 2\n");
  BpTestVirtio *v = new_driver (t, 2);
  uint64_t at[3];
  bp_test_expect_eq (bp_test_virtio_device_id (v), 2);
  bp_test_expect_eq (bp_test_virtio_config (v, 0, 8), BACK_END_DISK / 512);
  for (unsigned i = 0; i < 300; i++) {
    bp_test_expect_eq (request (v, t, i % 2, 0, i % 100, at), 0);
    bp_test_expect_eq (bp_test_load8 (t, at[1] + 1), back_end_disk (b)[i % 100 * 512 + 1]);
    if (i % 50 == 49) {
      bp_test_virtio_set_status (v, 0);
      bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, 2);
    }
  }
  bp_test_expect_eq (request (v, t, 0, 1, 7, at), 0);
  bp_test_expect_eq (back_end_disk (b)[7 * 512 + 3], 3 ^ 0x55);
  /* the rings go back and forth when the machine is saved */
  bp_test_round_trip (t);
  bp_test_expect_eq (request (v, t, 0, 0, 7, at), 0);
  bp_test_expect_eq (bp_test_load8 (t, at[1] + 3), 3 ^ 0x55);
  bp_test_virtio_free (v);
  bp_test_free (t);
  back_end_free (b);
}

/* A device is not made with a back end that is not one. */
BP_TEST (misbehaves)
{
  static const char *const says[BACK_END_N_FAULTS] = {
    [BACK_END_SHORT_ANSWER] = "gone or stuck", [BACK_END_OTHER_ANSWER] = "something else than it was asked", [BACK_END_HUGE_ANSWER] = "something else",
    [BACK_END_OLD] = "older than virtio 1.0", [BACK_END_NO_CONFIG] = "cannot tell its configuration", [BACK_END_NO_QUEUES] = "has 0 queues, not 1"
  };
  bp_test_plugin_path (PLUGINS);
  g_autofree char *text = machine_text ("vhost-user-blk", "", true);
  for (BackEndFault fault = BACK_END_FINE + 1; fault < BACK_END_REFUSES_MEMORY; fault++) {
    BackEnd *b = back_end_new (socket_path, fault);
    g_autofree char *refusal = bp_test_refusal (bp_plugin_query ()->types, text);
    bp_test_expect_has (refusal, says[fault]);
    back_end_free (b);
  }
  unlink (socket_path);
  g_autofree char *refusal = bp_test_refusal (bp_plugin_query ()->types, text);
  bp_test_expect_has (refusal, "back-end.sock");
}

/* Requests get errors, also the one that it had. */
BP_TEST (goes)
{
  for (BackEndFault fault = BACK_END_REFUSES_MEMORY; fault <= BACK_END_ENDS_IN_REQUEST; fault++) {
    g_autofree char *text = machine_text ("vhost-user-blk", "", true);
    BackEnd *b = back_end_new (socket_path, fault);
    BpTest *t = new_machine ("vhost-user-blk", "");
    BpTestVirtio *v = new_driver (t, 1);
    uint64_t at[3];
    bp_test_expect_eq (request (v, t, 0, 0, 1, at), 1);
    bp_test_expect_eq (request (v, t, 0, 1, 1, at), 1);
    back_end_free (b);
    bp_test_virtio_free (v);
    bp_test_free (t);
  }
}

/* Requests wait for another one. */
BP_TEST (comes_back)
{
  g_autofree char *text = machine_text ("vhost-user-blk", "", true);
  BackEnd *b = back_end_new (socket_path, BACK_END_ENDS_IN_REQUEST);
  BpTest *t = new_machine ("vhost-user-blk", "reconnect = 20\n");
  BpTestVirtio *v = new_driver (t, 1);
  uint64_t at[3];
  unsigned got, id = begin_request (v, t, 0, 0, 5, at);
  wait_a_second (t);
  bp_test_expect (!bp_test_virtio_take (v, 0, &got, NULL));
  back_end_free (b);
  b = back_end_new (socket_path, BACK_END_FINE);
  bp_test_expect (bp_test_virtio_wait (v, 0, &got, NULL));
  bp_test_expect_eq (got, id);
  bp_test_expect_eq (bp_test_load8 (t, at[2]), 0);
  bp_test_expect_eq (bp_test_load8 (t, at[1]), back_end_disk (b)[5 * 512]);
  bp_test_virtio_free (v);
  bp_test_free (t);
  back_end_free (b);
}

BP_TEST (net_link)
{
  g_autofree char *text = machine_text ("vhost-user-net", "", true);
  BackEnd *b = back_end_new (socket_path, BACK_END_FINE);
  BpTest *t = new_machine ("vhost-user-net", "mac = 52:54:00:01:02:03\n");
  BpTestVirtio *v = new_driver (t, 2);
  uint8_t frame[72] = { 0 };
  bp_test_expect_eq (bp_test_virtio_device_id (v), 1);
  bp_test_expect_eq (bp_test_virtio_config (v, 5, 1), 3);
  bp_test_expect_eq (bp_test_virtio_config (v, 6, 2), 1);
  bp_test_virtio_interrupts (v, -1);
  back_end_free (b);
  wait_a_second (t);
  bp_test_expect_eq (bp_test_virtio_config (v, 6, 2), 0);
  bp_test_expect (bp_test_virtio_interrupts (v, -1) > 0);
  bp_test_expect_eq (bp_test_virtio_call (v, 1, frame, sizeof frame, NULL, 0), 0);     /* goes nowhere, and comes back */
  bp_test_virtio_free (v);
  bp_test_free (t);
}

BP_TEST_MAIN ("vhost-user", &reads_and_writes, &misbehaves, &goes, &comes_back, &net_link)
