/* test-blk.c -- virtio-blk: requests of all kinds and shapes, errors and what becomes of them, media, resets with requests under way, hostile requests. */
/* SPDX-License-Identifier: MIT */
#include "virtio-test.h"
#include "../random-numbers.h"
#include "build.h"
#include <backplane/machine.h>
#include <backplane/test-block.h>
#include <errno.h>

const BpPluginDesc *bp_plugin_query (void);

enum { RAM = 0x10000, RAM_SIZE = 0xe0000, DISK = 1 << 20, SECTOR = 512, PLACE = BP_TEST_PCI (3, 0), NEEDS_RESET = 0x40 };
enum { IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8, DISCARD = 11, WRITE_ZEROES = 13, OK = 0, IOERR = 1, UNSUPP = 2, PENDING = 0xee };

typedef struct Disk {
  BpTest *t;
  BpTestVirtio *v;
  bool mmio;
} Disk;

static bool repeats;            /* the machine is deterministic: an answer comes when it is due, and is waited for */

static Disk
disk_new (bool mmio, bool packed, const char *keys, const char *disk_keys)
{
  static const BpTypeDesc *types[64];
  const BpTypeDesc *const *plugin = bp_plugin_query ()->types;
  for (unsigned n = 0; plugin[n] && n < BP_N_ELEMENTS (types) - 1; n++)
    types[n] = plugin[n];
  g_autofree char *text = g_strdup_printf (
    "[memory ram]\ntype = test-ram\nsize = 1M\n[map ram]\nregion = ram\nat = memory@0\n%s[device bus]\ndoorbells = off\npacked = %s\n%s[device blk]\ntype = virtio-blk\nbus = bus\n"
    "address = %s\ndrive = disk\n%s[backend disk]\ntype = test-block\n%s%s",
    mmio ? "[device probe]\ntype = test-probe\n" : "[device pci]\ntype = test-pci\n", packed ? "on" : "off",
    mmio ? "type = virtio-mmio\nmmio0 = memory@0x10000000\nirq0 = probe.in0\n" : "type = virtio-pci\nbus = pci\n", mmio ? "0" : "03.0", keys ? keys : "",
    disk_keys ? disk_keys : "size = 1M\n", repeats ? "" : "[override clock]\nmode = host\n");
  Disk d = { .t = bp_test_new (types, text), .mmio = mmio };
  d.v = mmio ? bp_test_virtio_mmio (d.t, 0x10000000, RAM, RAM_SIZE) : bp_test_virtio_pci (d.t, "pci", PLACE, RAM, RAM_SIZE);
  return d;
}

static Disk
disk_started (const char *keys, const char *disk_keys)
{
  Disk d = disk_new (false, false, keys, disk_keys);
  bp_test_virtio_setup (d.v, BP_TEST_VIRTIO_ALL, 1);
  return d;
}

static void
disk_free (Disk *d)
{
  bp_test_virtio_free (d->v);
  bp_test_free (d->t);
}

/* --- requests --------------------------------------------------------------------------------- */

typedef struct Sent {
  unsigned id;
  uint64_t data, status;        /* where they are */
} Sent;

static uint64_t
header (Disk *d, unsigned type, uint64_t sector)
{
  uint64_t at = bp_test_virtio_alloc (d->v, 16);
  bp_test_store32 (d->t, at, type);
  bp_test_store32 (d->t, at + 4, 0);
  bp_test_store64 (d->t, at + 8, sector);
  return at;
}

/* `size' bytes of data in up to `pieces' parts; data NULL: room for the answer. */
static Sent
send_to (Disk *d, unsigned queue, unsigned type, uint64_t sector, const void *data, uint32_t size, unsigned pieces)
{
  BpTestPart parts[12] = { { header (d, type, sector), 16 } };
  Sent s = { .data = bp_test_virtio_alloc (d->v, size + 1), .status = bp_test_virtio_alloc (d->v, 1) };
  unsigned n = 1;
  if (data)
    bp_test_write (d->t, s.data, data, size);
  for (unsigned i = 0; i < pieces; i++) {
    uint32_t from = size / SECTOR * i / pieces * SECTOR, to = i + 1 == pieces ? size : size / SECTOR * (i + 1) / pieces * SECTOR;
    if (to > from)
      parts[n++] = (BpTestPart) { s.data + from, to - from };
  }
  bp_test_store8 (d->t, s.status, PENDING);
  parts[n] = (BpTestPart) { s.status, 1 };
  s.id = bp_test_virtio_add (d->v, queue, parts, data ? n : 1, data ? 1 : n);
  bp_test_virtio_kick (d->v, queue);
  return s;
}

static Sent
send (Disk *d, unsigned type, uint64_t sector, const void *data, uint32_t size)
{
  return send_to (d, 0, type, sector, data, size, size ? 1 : 0);
}

static unsigned
status_of (Disk *d, const Sent *s)
{
  if (repeats)
    bp_test_advance (d->t, 1000000);
  while (bp_test_block_answer (d->t, "disk"))
    ;                           /* an answer may lead to another request */
  return bp_test_load8 (d->t, s->status);
}

static unsigned
request (Disk *d, unsigned type, uint64_t sector, const void *data, uint32_t size)
{
  Sent s = send (d, type, sector, data, size);
  unsigned status = status_of (d, &s), id;
  uint32_t written;
  bp_test_expect (bp_test_virtio_take (d->v, 0, &id, &written));
  bp_test_expect_eq (id, s.id);
  bp_test_expect_eq (written, data ? 1 : size + 1);
  return status;
}

/* --- tests --------------------------------------------------------------------------------------- */

BP_TEST (configuration)
{
  Disk d = disk_new (true, false, "block-size = 1024\nphysical-block-size = 4096\nqueues = 3\nmin-io-size = 2048\nopt-io-size = 65536\nsize-max = 65536\n", NULL);
  uint64_t features = bp_test_virtio_setup (d.v, BP_TEST_VIRTIO_ALL, 3);
  bp_test_expect_eq (bp_test_virtio_device_id (d.v), 2);
  bp_test_expect_eq (features & 0xffff, 0x7e56);
  bp_test_expect_eq (bp_test_virtio_config (d.v, 0, 8), DISK / SECTOR);
  bp_test_expect_eq (bp_test_virtio_config (d.v, 8, 4), 65536);
  bp_test_expect_eq (bp_test_virtio_config (d.v, 12, 4), 254);
  bp_test_expect_eq (bp_test_virtio_config (d.v, 20, 4), 1024);
  bp_test_expect_eq (bp_test_virtio_config (d.v, 24, 1), 2);
  bp_test_expect_eq (bp_test_virtio_config (d.v, 26, 2), 2);
  bp_test_expect_eq (bp_test_virtio_config (d.v, 28, 4), 64);
  bp_test_expect_eq (bp_test_virtio_config (d.v, 32, 1), 1);
  bp_test_expect_eq (bp_test_virtio_config (d.v, 34, 2), 3);
  bp_test_expect_eq (bp_test_virtio_queue_most (d.v, 2), 256);
  bp_test_expect_eq (bp_test_virtio_queue_most (d.v, 3), 0);
  bp_test_virtio_set_config (d.v, 32, 0, 1);
  bp_test_expect_eq (bp_test_virtio_config (d.v, 32, 1), 0);
  disk_free (&d);
}

BP_TEST (each_kind_of_request)
{
  for (unsigned i = 0; i < 8; i++) {
    repeats = i & 4;
    Disk d = disk_new (i & 1, i & 2, "serial = 12345678901234567890\n", NULL);
    uint8_t data[4 * SECTOR], *disk = bp_test_block_bytes (d.t, "disk");
    bp_test_virtio_setup (d.v, ~UINT64_C (0), 1);
    Sent s = send_to (&d, 0, IN, 3, NULL, 4 * SECTOR, 3);
    bp_test_expect_eq (status_of (&d, &s), OK);
    bp_test_read (d.t, s.data, data, sizeof data);
    bp_test_expect (memcmp (data, disk + 3 * SECTOR, sizeof data) == 0);
    bp_test_expect (bp_test_virtio_take (d.v, 0, NULL, NULL));
    for (unsigned k = 0; k < sizeof data; k++)
      data[k] = (uint8_t) random64 ();
    s = send_to (&d, 0, OUT, 100, data, sizeof data, 4);
    bp_test_expect_eq (status_of (&d, &s), OK);
    bp_test_expect (memcmp (data, disk + 100 * SECTOR, sizeof data) == 0);
    bp_test_expect (bp_test_virtio_take (d.v, 0, NULL, NULL));
    bp_test_expect_eq (request (&d, FLUSH, 0, NULL, 0), OK);
    bp_test_expect_eq (bp_test_block_count (d.t, "disk", BP_BLOCK_FLUSH), 1);
    s = send (&d, GET_ID, 0, NULL, 20);
    bp_test_expect_eq (status_of (&d, &s), OK);
    bp_test_read (d.t, s.data, data, 20);
    bp_test_expect (memcmp (data, "12345678901234567890", 20) == 0);
    bp_test_expect (bp_test_virtio_take (d.v, 0, NULL, NULL));
    bp_test_expect_eq (request (&d, 77, 0, NULL, 0), UNSUPP);
    disk_free (&d);
    repeats = false;
  }
}

/* Header, data and status may share parts (2.6.4.2). */
BP_TEST (any_layout)
{
  Disk d = disk_started (NULL, NULL);
  uint64_t out = bp_test_virtio_alloc (d.v, 16 + SECTOR), in = bp_test_virtio_alloc (d.v, 2 * SECTOR + 1);
  uint8_t *disk = bp_test_block_bytes (d.t, "disk"), back[2 * SECTOR];
  bp_test_store32 (d.t, out, OUT);
  bp_test_store64 (d.t, out + 8, 9);
  for (unsigned i = 0; i < SECTOR; i++)
    bp_test_store8 (d.t, out + 16 + i, (uint8_t) (i * 3));
  BpTestPart one[] = { { out, 7 }, { out + 7, 9 + 100 }, { out + 116, SECTOR - 100 }, { in, 1 } };
  bp_test_virtio_add (d.v, 0, one, 3, 1);
  bp_test_virtio_kick (d.v, 0);
  bp_test_block_answer (d.t, "disk");
  for (unsigned i = 0; i < SECTOR; i++)
    bp_test_expect_eq (disk[9 * SECTOR + i], (uint8_t) (i * 3));
  bp_test_store32 (d.t, out, IN);
  BpTestPart two[] = { { out, 16 }, { in, 5 }, { in + 5, 2 * SECTOR - 4 } };
  bp_test_store8 (d.t, in + 2 * SECTOR, PENDING);
  bp_test_virtio_add (d.v, 0, two, 1, 2);
  bp_test_virtio_kick (d.v, 0);
  bp_test_block_answer (d.t, "disk");
  bp_test_expect_eq (bp_test_load8 (d.t, in + 2 * SECTOR), OK);
  bp_test_read (d.t, in, back, sizeof back);
  bp_test_expect (memcmp (back, disk + 9 * SECTOR, sizeof back) == 0);
  disk_free (&d);
}

static void
put_segment (uint8_t *to, uint64_t sector, uint32_t n, uint32_t flags)
{
  sector = GUINT64_TO_LE (sector);
  n = GUINT32_TO_LE (n);
  flags = GUINT32_TO_LE (flags);
  memcpy (to, &sector, 8);
  memcpy (to + 8, &n, 4);
  memcpy (to + 12, &flags, 4);
}

BP_TEST (discards_and_zeroes)
{
  Disk d = disk_started (NULL, NULL);
  uint8_t segments[33 * 16], *disk = bp_test_block_bytes (d.t, "disk");
  uint64_t offset, size;
  put_segment (segments, 8, 8, 0);
  put_segment (segments + 16, 32, 4, 0);
  bp_test_expect_eq (request (&d, DISCARD, 0, segments, 32), OK);
  bp_test_expect_eq (bp_test_block_count (d.t, "disk", BP_BLOCK_DISCARD), 2);
  bp_test_block_discarded (d.t, "disk", &offset, &size);
  bp_test_expect_eq (offset, 32 * SECTOR);
  bp_test_expect_eq (size, 4 * SECTOR);
  put_segment (segments, 100, 2, 1);
  bp_test_expect_eq (request (&d, WRITE_ZEROES, 0, segments, 16), OK);
  bp_test_expect_eq (disk[100 * SECTOR + 10], 0);
  put_segment (segments, 1, 1, 1);      /* unmap is no flag of a discard */
  bp_test_expect_eq (request (&d, DISCARD, 0, segments, 16), UNSUPP);
  put_segment (segments, 1, 1, 2);
  bp_test_expect_eq (request (&d, WRITE_ZEROES, 0, segments, 16), UNSUPP);
  put_segment (segments, UINT64_MAX - 1, 8, 0);
  bp_test_expect_eq (request (&d, DISCARD, 0, segments, 16), IOERR);
  put_segment (segments, 0, UINT32_MAX, 0);
  bp_test_expect_eq (request (&d, DISCARD, 0, segments, 16), IOERR);
  bp_test_expect_eq (request (&d, DISCARD, 0, segments, 15), IOERR);
  bp_test_expect_eq (request (&d, DISCARD, 0, segments, 33 * 16), IOERR);
  bp_test_expect_eq (request (&d, DISCARD, 0, NULL, 0), IOERR);
  disk_free (&d);
}

BP_TEST (wrong_requests_fail_alone)
{
  Disk d = disk_started (NULL, NULL);
  static uint8_t data[SECTOR];
  bp_test_expect_eq (request (&d, IN, DISK / SECTOR, NULL, SECTOR), IOERR);
  bp_test_expect_eq (request (&d, IN, DISK / SECTOR - 1, NULL, 2 * SECTOR), IOERR);
  bp_test_expect_eq (request (&d, IN, UINT64_MAX, NULL, SECTOR), IOERR);
  bp_test_expect_eq (request (&d, OUT, UINT64_C (1) << 55, data, SECTOR), IOERR);
  bp_test_expect_eq (request (&d, OUT, 0, data, SECTOR - 1), IOERR);
  bp_test_expect_eq (request (&d, IN, 0, NULL, 100), IOERR);
  bp_test_expect_eq (request (&d, IN, 0, NULL, SECTOR), OK);
  bp_test_expect_eq (bp_test_virtio_status (d.v) & NEEDS_RESET, 0);
  disk_free (&d);
}

BP_TEST (broken_requests_stop_the_device)
{
  for (unsigned i = 0; i < 3; i++) {
    Disk d = disk_started (NULL, NULL);
    uint64_t at = bp_test_virtio_alloc (d.v, 64);
    BpTestPart parts[] = { { at, i == 0 ? 15 : 16 }, { at + 32, 1 } };
    bp_test_keep_log ("guest_errors");
    if (i == 2)
      bp_test_virtio_add (d.v, 0, parts + 1, 0, 1);
    else
      bp_test_virtio_add (d.v, 0, parts, 1, i == 0);
    bp_test_virtio_kick (d.v, 0);
    bp_test_expect_eq (bp_test_virtio_status (d.v) & NEEDS_RESET, NEEDS_RESET);
    bp_test_virtio_setup (d.v, BP_TEST_VIRTIO_ALL, 1);
    bp_test_expect_eq (request (&d, IN, 0, NULL, SECTOR), OK);
    disk_free (&d);
  }
}

BP_TEST (read_only)
{
  Disk d = disk_new (false, false, NULL, "size = 1M\nread-only = on\n");
  static uint8_t data[SECTOR];
  bp_test_expect (bp_test_virtio_setup (d.v, BP_TEST_VIRTIO_ALL, 1) & 1 << 5);
  bp_test_expect_eq (request (&d, OUT, 0, data, SECTOR), IOERR);
  bp_test_expect_eq (request (&d, IN, 0, NULL, SECTOR), OK);
  disk_free (&d);
}

BP_TEST (another_medium)
{
  Disk d = disk_started (NULL, NULL);
  bp_test_virtio_interrupts (d.v, -1);
  bp_test_expect (bp_test_block_change (d.t, "disk", 2 * DISK, false, false));
  bp_test_expect_eq (bp_test_virtio_interrupts (d.v, -1), 1);
  bp_test_expect_eq (bp_test_virtio_config (d.v, 0, 8), 2 * DISK / SECTOR);
  bp_test_expect_eq (request (&d, IN, 3 * DISK / 2 / SECTOR, NULL, SECTOR), OK);
  bp_test_expect (bp_test_block_change (d.t, "disk", 0, false, false));
  bp_test_expect_eq (bp_test_virtio_config (d.v, 0, 8), 0);
  bp_test_expect_eq (request (&d, IN, 0, NULL, SECTOR), IOERR);
  disk_free (&d);
}

BP_TEST (answers_out_of_order_and_many)
{
  Disk d = disk_new (false, false, "queues = 4\n", NULL);
  enum { N = 40 };
  Sent s[N];
  bp_test_virtio_setup (d.v, BP_TEST_VIRTIO_ALL, 4);
  for (unsigned i = 0; i < N; i++)
    s[i] = send_to (&d, i % 4, IN, i, NULL, SECTOR, 1);
  bp_test_expect_eq (bp_test_block_waiting (d.t, "disk"), N);
  for (unsigned i = 0; i < N; i++)
    bp_test_expect_eq (status_of (&d, &s[i]), OK);
  for (unsigned i = 0; i < N; i++)
    bp_test_expect (bp_test_virtio_take (d.v, i % 4, NULL, NULL));
  bp_test_block_at_once (d.t, "disk");
  bp_test_expect_eq (request (&d, IN, 5, NULL, SECTOR), OK);
  disk_free (&d);
}

/* The driver's memory is not touched once the reset is over. */
BP_TEST (reset_with_requests_under_way)
{
  for (unsigned round = 0; round < 2; round++) {
    Disk d = disk_started (NULL, NULL);
    Sent s = send (&d, IN, 4, NULL, SECTOR);
    bp_test_expect_eq (bp_test_block_waiting (d.t, "disk"), 1);
    if (round)
      bp_test_reset (d.t, BP_RESET_COLD);
    else
      bp_test_virtio_set_status (d.v, 0);
    bp_test_expect_eq (bp_test_block_waiting (d.t, "disk"), 0);
    bp_test_expect_eq (bp_test_block_answer (d.t, "disk"), 0);
    if (!round)
      bp_test_expect_eq (bp_test_load8 (d.t, s.status), PENDING);
    disk_free (&d);
  }
}

/* --- errors ----------------------------------------------------------------------------------------- */

BP_TEST (policies)
{
  static uint8_t data[SECTOR];
  static const struct { const char *keys; int error; bool write; unsigned status; } cases[] = {
    { "rerror = report\n", EIO, false, IOERR }, { "rerror = ignore\n", EIO, false, OK }, { "rerror = stop\n", EIO, false, PENDING },
    { "rerror = enospc\n", ENOSPC, false, IOERR }, { "werror = report\n", ENOSPC, true, IOERR }, { "werror = ignore\n", EIO, true, OK },
    { "werror = stop\n", EIO, true, PENDING }, { "", ENOSPC, true, PENDING }, { "", EIO, true, IOERR },
  };
  for (unsigned i = 0; i < BP_N_ELEMENTS (cases); i++) {
    Disk d = disk_started (cases[i].keys, NULL);
    bp_test_block_fail (d.t, "disk", 10, 1, cases[i].error);
    Sent s = send (&d, cases[i].write ? OUT : IN, 10, cases[i].write ? data : NULL, SECTOR);
    bp_test_expect_eq (status_of (&d, &s), cases[i].status);
    bp_test_expect_eq (bp_test_virtio_take (d.v, 0, NULL, NULL), cases[i].status != PENDING);
    bp_test_expect_eq (request (&d, IN, 11, NULL, SECTOR), OK);
    disk_free (&d);
  }
}

/* Held by an error, tried again each time the machine goes on, done when the host can; a reset gives them up. */
BP_TEST (again)
{
  static uint8_t data[SECTOR] = { 7 };
  for (unsigned i = 0; i < 2; i++) {
    repeats = i;
    Disk d = disk_started ("werror = stop\nrerror = stop\n", NULL);
    bp_test_block_fail (d.t, "disk", 0, 20, EIO);
    Sent write = send (&d, OUT, 10, data, SECTOR), read = send (&d, IN, 11, NULL, SECTOR);
    bp_test_expect_eq (status_of (&d, &write), PENDING);
    bp_test_expect_eq (status_of (&d, &read), PENDING);
    machine_tell (bp_test_machine (d.t), BP_MACHINE_RESUMING, NULL);
    bp_test_expect_eq (status_of (&d, &write), PENDING);
    bp_test_block_fail (d.t, "disk", 0, 0, 0);
    machine_tell (bp_test_machine (d.t), BP_MACHINE_RESUMING, NULL);
    bp_test_expect_eq (status_of (&d, &write), OK);
    bp_test_expect_eq (status_of (&d, &read), OK);
    bp_test_expect_eq (bp_test_block_bytes (d.t, "disk")[10 * SECTOR], 7);
    bp_test_block_fail (d.t, "disk", 0, 20, EIO);
    write = send (&d, OUT, 12, data, SECTOR);
    bp_test_expect_eq (status_of (&d, &write), PENDING);
    bp_test_virtio_set_status (d.v, 0);
    bp_test_block_fail (d.t, "disk", 0, 0, 0);
    machine_tell (bp_test_machine (d.t), BP_MACHINE_RESUMING, NULL);
    bp_test_expect_eq (status_of (&d, &write), PENDING);
    bp_test_expect (bp_test_block_bytes (d.t, "disk")[12 * SECTOR] != 7);
    disk_free (&d);
    repeats = false;
  }
}

/* Requests that an error holds are part of the driver's rings, and are done in the machine that was loaded. */
BP_TEST (saved_while_an_error_holds_it)
{
  static uint8_t data[SECTOR] = { 9 };
  repeats = true;
  Disk from = disk_new (false, false, "werror = stop\n", NULL), to = disk_new (false, false, "werror = stop\n", NULL);
  bp_test_virtio_setup (from.v, BP_TEST_VIRTIO_ALL, 1);
  bp_test_block_fail (from.t, "disk", 0, 20, EIO);
  Sent write = send (&from, OUT, 10, data, SECTOR);
  bp_test_expect_eq (status_of (&from, &write), PENDING);
  bp_test_copy (from.t, to.t);
  bp_test_virtio_copy (from.v, to.v);
  machine_tell (bp_test_machine (to.t), BP_MACHINE_RESUMING, NULL);
  bp_test_expect_eq (status_of (&to, &write), OK);
  bp_test_expect_eq (bp_test_block_bytes (to.t, "disk")[10 * SECTOR], 9);
  disk_free (&from);
  disk_free (&to);
  repeats = false;
}

BP_TEST_MAIN ("virtio-blk", &configuration, &each_kind_of_request, &any_layout, &discards_and_zeroes, &wrong_requests_fail_alone, &broken_requests_stop_the_device, &read_only, &another_medium, &answers_out_of_order_and_many, &reset_with_requests_under_way, &policies, &again, &saved_while_an_error_holds_it)
