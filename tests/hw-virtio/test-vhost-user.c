/* test-vhost-user.c -- devices that another process drives: requests, a back end that misbehaves, goes, comes back; saved state. */
/* SPDX-License-Identifier: MIT */
#include "virtio-test.h"
#include "vhost-back-end.h"
#include "build.h"
#include <backplane/machine.h>
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
                          "[device bus]\ntype = virtio-mmio\npacked = on\nmmio0 = memory@0x10000000\nirq0 = probe.in0\n"
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

/* As whoever saves a machine stops it before. */
static void
round_trip (BpTest *t)
{
  machine_tell (bp_test_machine (t), BP_MACHINE_STOPPED, NULL);
  bp_test_round_trip (t);
}

static void
read_and_write (unsigned knows)
{
  g_autofree char *text = machine_text ("vhost-user-blk", "", true);
  BackEnd *b = back_end_new (socket_path, BACK_END_FINE, knows);
  BpTest *t = new_machine ("vhost-user-blk", "queues = 2\n");
  BpTestVirtio *v = bp_test_virtio_mmio (t, VIRTIO_TEST_MMIO, VIRTIO_TEST_MEMORY, VIRTIO_TEST_SIZE);
  uint64_t at[3];
  bp_test_expect_eq (bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, 2) >> 34 & 1, (knows & (BACK_END_LOGS | BACK_END_PACKED)) == (BACK_END_LOGS | BACK_END_PACKED));
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
  round_trip (t);
  bp_test_expect_eq (request (v, t, 0, 0, 7, at), 0);
  bp_test_expect_eq (bp_test_load8 (t, at[1] + 3), 3 ^ 0x55);
  bp_test_virtio_free (v);
  bp_test_free (t);
  back_end_free (b);
}

BP_TEST (reads_and_writes)
{
  read_and_write (0);
  read_and_write (BACK_END_PACKED);     /* without a log it is not offered */
  read_and_write (BACK_END_LOGS | BACK_END_INFLIGHT);
  read_and_write (BACK_END_LOGS | BACK_END_PACKED | BACK_END_CHANNEL);
}

/* The other process maps the file, whose first 64 KiB are none of the guest's. */
BP_TEST (memory_in_a_file)
{
  g_autofree char *text = machine_text ("vhost-user-blk", "", true), *file = bp_test_file ("ram", "", 0),
                  *memory = g_strdup_printf ("type = memory-file\npath = %s\noffset = 64K\ncreate = on\n", file);
  g_auto (GStrv) parts = g_strsplit (text, "type = memory-memfd\n", 2);
  g_autofree char *all = g_strjoinv (memory, parts);
  BackEnd *b = back_end_new (socket_path, BACK_END_FINE, 0);
  bp_test_plugin_path (PLUGINS);
  BpTest *t = bp_test_new (bp_plugin_query ()->types, all);
  BpTestVirtio *v = new_driver (t, 1);
  uint64_t at[3];
  bp_test_expect_eq (request (v, t, 0, 0, 3, at), 0);
  bp_test_expect_eq (bp_test_load8 (t, at[1] + 1), back_end_disk (b)[3 * 512 + 1]);
  bp_test_virtio_free (v);
  bp_test_free (t);
  back_end_free (b);
}

enum { PAGE = 4096 };

static uint64_t
ram_address (BpTest *t)
{
  BpAddressSpace *as = bp_machine_address_space (bp_test_machine (t), "memory");
  const BpFlatRange *r = bp_as_lookup (as, 0);
  uint64_t address = r->ram_address;
  bp_as_leave (as);
  return address;
}

/* Whoever copies memory hears of what it has written, of both layouts, with a log and without. */
BP_TEST (written_pages)
{
  static const unsigned knows[] = { 0, BACK_END_LOGS, BACK_END_LOGS | BACK_END_PACKED };
  for (unsigned i = 0; i < BP_N_ELEMENTS (knows); i++) {
    g_autofree char *text = machine_text ("vhost-user-blk", "", true);
    BackEnd *b = back_end_new (socket_path, BACK_END_FINE, knows[i]);
    BpTest *t = new_machine ("vhost-user-blk", "");
    BpTestVirtio *v = new_driver (t, 1);
    uint64_t ram = ram_address (t), header = bp_test_virtio_alloc (v, 16), data = bp_test_virtio_alloc (v, 4 * PAGE), status = bp_test_virtio_alloc (v, 1);
    const BpTestPart parts[] = { { header, 16 }, { data, 4 * PAGE }, { status, 1 } };
    bp_test_virtio_add (v, 0, parts, 1, 2);
    bp_dirty_enable (BP_DIRTY_MIGRATION, true);
    bp_dirty_clear (BP_DIRTY_MIGRATION, ram, 1 << 20);
    bp_test_virtio_interrupts (v, 0);
    bp_test_virtio_kick (v, 0);
    for (unsigned k = 0; k < 20000 && !bp_test_virtio_interrupts (v, 0); k++) {
      bp_test_iterate (t);
      g_usleep (500);
    }
    bp_test_expect (bp_test_virtio_take (v, 0, NULL, NULL));
    bp_test_expect_eq (bp_test_load8 (t, data + PAGE), back_end_disk (b)[PAGE]);
    for (uint64_t at = data; at <= data + 4 * PAGE; at += PAGE)
      bp_test_expect (bp_dirty_test (BP_DIRTY_MIGRATION, ram + at));
    bp_test_expect (!bp_dirty_test (BP_DIRTY_MIGRATION, ram + status + PAGE));
    bp_dirty_enable (BP_DIRTY_MIGRATION, false);
    bp_test_virtio_free (v);
    bp_test_free (t);
    back_end_free (b);
  }
}

static unsigned
open_files (void)
{
  GDir *d = g_dir_open ("/proc/self/fd", 0, NULL);
  unsigned n = 0;
  while (g_dir_read_name (d))
    n++;
  g_dir_close (d);
  return n;
}

/* A device is not made with a back end that is not one, and nothing of it stays. */
BP_TEST (misbehaves)
{
  static const char *const says[BACK_END_N_FAULTS] = {
    [BACK_END_SHORT_ANSWER] = "gone or stuck", [BACK_END_OTHER_ANSWER] = "something else than it was asked", [BACK_END_HUGE_ANSWER] = "something else",
    [BACK_END_OLD] = "older than virtio 1.0", [BACK_END_NO_CONFIG] = "cannot tell its configuration", [BACK_END_NO_QUEUES] = "has 0 queues, not 1"
  };
  bp_test_plugin_path (PLUGINS);
  g_autofree char *text = machine_text ("vhost-user-blk", "", true);
  g_free (bp_test_refusal (bp_plugin_query ()->types, text));   /* nobody is there: what is loaded once is */
  for (BackEndFault fault = BACK_END_FINE + 1; fault < BACK_END_REFUSES_MEMORY; fault++) {
    unsigned before = open_files ();
    BackEnd *b = back_end_new (socket_path, fault, 0);
    g_autofree char *refusal = bp_test_refusal (bp_plugin_query ()->types, text);
    bp_test_expect_has (refusal, says[fault]);
    back_end_free (b);
    bp_test_expect_eq (open_files (), before);
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
    BackEnd *b = back_end_new (socket_path, fault, 0);
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
  BackEnd *b = back_end_new (socket_path, BACK_END_ENDS_IN_REQUEST, 0);
  BpTest *t = new_machine ("vhost-user-blk", "reconnect = 20\n");
  BpTestVirtio *v = new_driver (t, 1);
  uint64_t at[3];
  unsigned got, id = begin_request (v, t, 0, 0, 5, at);
  wait_a_second (t);
  bp_test_expect (!bp_test_virtio_take (v, 0, &got, NULL));
  back_end_free (b);
  b = back_end_new (socket_path, BACK_END_FINE, 0);
  bp_test_expect (bp_test_virtio_wait (v, 0, &got, NULL));
  bp_test_expect_eq (got, id);
  bp_test_expect_eq (bp_test_load8 (t, at[2]), 0);
  bp_test_expect_eq (bp_test_load8 (t, at[1]), back_end_disk (b)[5 * 512]);
  bp_test_virtio_free (v);
  bp_test_free (t);
  back_end_free (b);
}

/* What the one that ended had done is not done again, and what it had begun is done by the one that comes. */
BP_TEST (comes_back_in_the_middle)
{
  g_autofree char *text = machine_text ("vhost-user-blk", "", true);
  BackEnd *b = back_end_new (socket_path, BACK_END_ENDS_WITH_SECOND, BACK_END_INFLIGHT);
  BpTest *t = new_machine ("vhost-user-blk", "reconnect = 20\n");
  BpTestVirtio *v = new_driver (t, 1);
  uint64_t first[3], second[3];
  unsigned got, a = begin_request (v, t, 0, 1, 5, first), z = begin_request (v, t, 0, 0, 9, second);
  bp_test_expect (bp_test_virtio_wait (v, 0, &got, NULL));
  bp_test_expect_eq (got, z);
  wait_a_second (t);
  bp_test_expect (!bp_test_virtio_take (v, 0, &got, NULL));
  back_end_free (b);
  b = back_end_new (socket_path, BACK_END_FINE, BACK_END_INFLIGHT);
  bp_test_expect (bp_test_virtio_wait (v, 0, &got, NULL));
  bp_test_expect_eq (got, a);
  bp_test_expect_eq (bp_test_load8 (t, first[2]), 0);
  bp_test_expect_eq (back_end_inherited (b), 1);
  bp_test_expect_eq (back_end_disk (b)[5 * 512 + 3], 3 ^ 0x55);
  bp_test_expect_eq (request (v, t, 0, 0, 7, first), 0);
  bp_test_expect (!bp_test_virtio_take (v, 0, &got, NULL));
  bp_test_virtio_free (v);
  bp_test_free (t);
  back_end_free (b);
}

/* A driver that begins anew has nothing under way, whatever the one that ended had. */
BP_TEST (nothing_is_inherited_over_a_reset)
{
  g_autofree char *text = machine_text ("vhost-user-blk", "", true);
  BackEnd *b = back_end_new (socket_path, BACK_END_ENDS_IN_REQUEST, BACK_END_INFLIGHT);
  BpTest *t = new_machine ("vhost-user-blk", "reconnect = 20\n");
  BpTestVirtio *v = new_driver (t, 1);
  uint64_t old[3], at[3];
  unsigned got;
  begin_request (v, t, 0, 0, 5, old);
  wait_a_second (t);
  bp_test_virtio_set_status (v, 0);
  back_end_free (b);
  bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, 1);
  bp_test_virtio_alloc (v, 2 * PAGE);   /* what comes is elsewhere */
  bp_test_store8 (t, old[2], 0xff);
  b = back_end_new (socket_path, BACK_END_FINE, BACK_END_INFLIGHT);
  bp_test_expect_eq (request (v, t, 0, 0, 6, at), 0);
  bp_test_expect (!bp_test_virtio_take (v, 0, &got, NULL));
  bp_test_expect_eq (back_end_inherited (b), 0);
  bp_test_expect_eq (bp_test_load8 (t, old[2]), 0xff);
  bp_test_virtio_free (v);
  bp_test_free (t);
  back_end_free (b);
}

/* Nobody knows what a packed ring looked like: the device waits for its reset, and works again. */
BP_TEST (packed_ring_is_lost)
{
  g_autofree char *text = machine_text ("vhost-user-blk", "", true);
  BackEnd *b = back_end_new (socket_path, BACK_END_FINE, BACK_END_LOGS | BACK_END_PACKED);
  BpTest *t = new_machine ("vhost-user-blk", "reconnect = 20\n");
  BpTestVirtio *v = new_driver (t, 1);
  uint64_t at[3];
  bp_test_keep_log ("guest_errors");
  bp_test_expect_eq (request (v, t, 0, 0, 6, at), 0);
  back_end_free (b);
  wait_a_second (t);
  bp_test_expect_eq (bp_test_virtio_status (v) & 0x40, 0x40);
  b = back_end_new (socket_path, BACK_END_FINE, BACK_END_LOGS | BACK_END_PACKED);
  wait_a_second (t);
  bp_test_virtio_set_status (v, 0);
  bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, 1);
  bp_test_expect_eq (request (v, t, 0, 0, 6, at), 0);
  bp_test_virtio_free (v);
  bp_test_free (t);
  back_end_free (b);
}

/* One that is back without the log by which packed rings live is not taken; another is. */
BP_TEST (comes_back_poorer)
{
  const unsigned knows = BACK_END_LOGS | BACK_END_PACKED | BACK_END_INFLIGHT;
  g_autofree char *text = machine_text ("vhost-user-blk", "", true);
  BackEnd *b = back_end_new (socket_path, BACK_END_FINE, knows);
  BpTest *t = new_machine ("vhost-user-blk", "reconnect = 20\n");
  BpTestVirtio *v = new_driver (t, 1);
  uint64_t at[3];
  unsigned got;
  back_end_free (b);
  b = back_end_new (socket_path, BACK_END_FINE, knows & ~(unsigned) BACK_END_LOGS);
  begin_request (v, t, 0, 0, 6, at);
  wait_a_second (t);
  bp_test_expect (!bp_test_virtio_take (v, 0, &got, NULL));
  back_end_free (b);
  b = back_end_new (socket_path, BACK_END_FINE, knows);
  bp_test_expect (bp_test_virtio_wait (v, 0, &got, NULL));
  bp_test_expect_eq (bp_test_load8 (t, at[2]), 0);
  bp_test_virtio_free (v);
  bp_test_free (t);
  back_end_free (b);
}

/* A position that the ring does not have is not looked at. */
BP_TEST (stops_nowhere)
{
  g_autofree char *text = machine_text ("vhost-user-blk", "", true);
  BackEnd *b = back_end_new (socket_path, BACK_END_WRONG_POSITION, BACK_END_LOGS | BACK_END_PACKED);
  BpTest *t = new_machine ("vhost-user-blk", "");
  BpTestVirtio *v = new_driver (t, 1);
  uint64_t at[3];
  bp_test_keep_log ("guest_errors");
  bp_test_expect_eq (request (v, t, 0, 0, 6, at), 0);
  machine_tell (bp_test_machine (t), BP_MACHINE_STOPPED, NULL);
  bp_test_expect_eq (bp_test_virtio_status (v) & 0x40, 0x40);
  bp_test_virtio_free (v);
  bp_test_free (t);
  back_end_free (b);
}

BP_TEST (its_disk_changes)
{
  g_autofree char *text = machine_text ("vhost-user-blk", "", true);
  BackEnd *b = back_end_new (socket_path, BACK_END_FINE, BACK_END_CHANNEL);
  BpTest *t = new_machine ("vhost-user-blk", "");
  BpTestVirtio *v = new_driver (t, 1);
  uint64_t at[3];
  bp_test_virtio_interrupts (v, -1);
  back_end_resize (b, 100);
  wait_a_second (t);
  bp_test_expect (back_end_heard (b));
  bp_test_expect_eq (bp_test_virtio_config (v, 0, 8), 100);
  bp_test_expect_eq (bp_test_virtio_interrupts (v, -1), 1);
  bp_test_expect_eq (request (v, t, 0, 0, 6, at), 0);
  back_end_babble (b);
  wait_a_second (t);
  bp_test_expect_eq (request (v, t, 0, 0, 6, at), 1);
  bp_test_virtio_free (v);
  bp_test_free (t);
  back_end_free (b);
}

/* The driver's wish goes with it to another back end, and into saved state. */
BP_TEST (writeback)
{
  g_autofree char *text = machine_text ("vhost-user-blk", "", true);
  BackEnd *b = back_end_new (socket_path, BACK_END_FINE, BACK_END_WCE);
  BpTest *t = new_machine ("vhost-user-blk", "reconnect = 20\n");
  BpTestVirtio *v = new_driver (t, 1);
  bp_test_expect_eq (bp_test_virtio_config (v, 32, 1), 1);
  bp_test_virtio_set_config (v, 32, 0, 1);
  bp_test_expect_eq (bp_test_virtio_config (v, 32, 1), 0);
  bp_test_expect (!back_end_writeback (b));
  back_end_free (b);
  wait_a_second (t);
  b = back_end_new (socket_path, BACK_END_FINE, BACK_END_WCE);
  wait_a_second (t);
  bp_test_expect_eq (bp_test_virtio_config (v, 32, 1), 0);
  bp_test_expect (!back_end_writeback (b));
  round_trip (t);
  bp_test_expect_eq (bp_test_virtio_config (v, 32, 1), 0);
  bp_test_expect (!back_end_writeback (b));
  bp_test_virtio_free (v);
  bp_test_free (t);
  back_end_free (b);
}

BP_TEST (net_link)
{
  g_autofree char *text = machine_text ("vhost-user-net", "", true);
  BackEnd *b = back_end_new (socket_path, BACK_END_FINE, 0);
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

BP_TEST_MAIN ("vhost-user", &reads_and_writes, &memory_in_a_file, &misbehaves, &goes, &comes_back, &comes_back_in_the_middle, &nothing_is_inherited_over_a_reset, &packed_ring_is_lost, &comes_back_poorer, &stops_nowhere, &its_disk_changes, &writeback,
              &written_pages, &net_link)
