/* test-block-image.c -- block-image in a machine: requests of a device of the test's own, media that change, failures of the host. */
/* SPDX-License-Identifier: MIT */
#include "../patience.h"
#include "block-test.h"
#include "drive.h"
#include "../suite.h"
#include "../types.h"
#include "block-backends/block-backends.h"
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define DISK (4u << 20)

/* A backend with no more than there has to be. */
static void bare_info (void *self, BpBlockInfo *info) { }
static void bare_submit (void *self, BpBlockRequest *request) { }
static void bare_drain (void *self) { }
static const BpBlockIface bare_iface = { .struct_size = sizeof bare_iface, .info = bare_info, .submit = bare_submit, .drain = bare_drain };
static const BpInterfaceDesc bare_interfaces[] = { { BP_BLOCK_ID, &bare_iface }, { NULL, NULL } };
static const BpTypeDesc bare_type = { BP_TYPE ("test-bare", BP_KIND_BACKEND, Drive), .description = "a backend", .interfaces = bare_interfaces };

static void
enter (void)
{
  static const BpTypeDesc *const types[] = { &block_faults_type, &bare_type, NULL };
  types_register (types);
  drive_enter ();
}

static char *
start (const char *keys)
{
  drive_describe (keys);
  return drive_start ();
}

/* --- requests ------------------------------------------------------------------------------------------- */

typedef struct Pending {
  BpBlockRequest request;
  struct iovec iov[8];
  bool submitted, done;
  int error;
} Pending;

static void
done (BpBlockRequest *request, int error)
{
  Pending *p = request->user;
  ck_assert (p->submitted && !p->done);
  p->done = true;
  p->error = error;
}

static void
submit (Pending *p, BpBlockOp op, uint64_t offset, uint64_t size, void *data, unsigned pieces, unsigned flags)
{
  memset (p, 0, sizeof *p);
  for (unsigned i = 0; data && i < pieces; i++) {
    size_t from = size * i / pieces, to = size * (i + 1) / pieces;
    p->iov[i] = (struct iovec) { (uint8_t *) data + from, to - from };
  }
  p->request = (BpBlockRequest) { .struct_size = sizeof p->request, .op = op, .flags = flags, .offset = offset, .size = size, .iov = p->iov,
                                  .n_iov = data ? pieces : 0, .done = done, .user = p };
  p->submitted = true;
  bp_machine_lock (m);
  bp_block_submit (&drive->backend, &p->request);
  ck_assert (!p->done);
  bp_machine_unlock (m);
}

static bool
is_done (const Pending *p)
{
  bp_machine_lock (m);
  bool done_now = p->done;
  bp_machine_unlock (m);
  return done_now;
}

/* Answers come from any thread, some of them from the main loop. */
static void
wait_for (const Pending *p)
{
  gint64 end = patience_ends (20);
  while (!is_done (p) && g_get_monotonic_time () < end)
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (100);
  ck_assert (is_done (p));
}

static int
request (BpBlockOp op, uint64_t offset, uint64_t size, void *data, unsigned pieces, unsigned flags)
{
  Pending p;
  submit (&p, op, offset, size, data, pieces, flags);
  wait_for (&p);
  return p.error;
}

static const BpBlockIface *
table (void)
{
  return drive->backend.table;
}

/* Not every file system that may be below a directory for temporary files has O_DIRECT. */
static bool
can_bypass_cache (const char *file)
{
  int fd = open (file, O_RDWR | O_DIRECT);
  if (fd >= 0)
    close (fd);
  return fd >= 0;
}

/* --- tests ---------------------------------------------------------------------------------------------- */

START_TEST (test_requests)
{
  static const char *const keys[] = { "file = a", "file = a\ncache = writethrough", "file = a\ncache = unsafe\ndiscard = unmap", "file = a\nsnapshot = on",
                                      "file = a\nio = threads", "file = a\ncache = none", "file = a\ncache = directsync", "file = a\ncache = none\nio = threads" };
  g_autofree uint8_t *data = g_malloc (DISK), *back = g_malloc (DISK);
  block_create ("a", _i & 1 ? "raw" : "qcow2", DISK, NULL);
  if (strstr (keys[_i / 2], "cache = none") || strstr (keys[_i / 2], "directsync"))
    if (!can_bypass_cache ("a"))
      return;
  ck_assert (!start (keys[_i / 2]));
  BpBlockInfo info = bp_block_info (&drive->backend);
  ck_assert (info.inserted && !info.read_only && info.size == DISK);
  ck_assert_str_eq (info.format, _i & 1 ? "raw" : "qcow2");
  for (unsigned i = 0; i < DISK; i++)
    data[i] = (uint8_t) (i * 7 + i / 512);
  ck_assert_int_eq (request (BP_BLOCK_WRITE, 0, DISK, data, 7, 0), 0);
  ck_assert_int_eq (request (BP_BLOCK_READ, 0, DISK, back, 1, 0), 0);
  ck_assert_int_eq (memcmp (data, back, DISK), 0);
  memset (back, 0, DISK);
  ck_assert_int_eq (request (BP_BLOCK_READ, 512, 8192, back, 5, 0), 0);
  ck_assert_int_eq (memcmp (data + 512, back, 8192), 0);
  ck_assert_int_eq (request (BP_BLOCK_WRITE, 4096, 512, data, 1, BP_BLOCK_FUA), 0);
  ck_assert_int_eq (request (BP_BLOCK_WRITE_ZEROES, 0, 1 << 20, NULL, 0, BP_BLOCK_UNMAP), 0);
  ck_assert_int_eq (request (BP_BLOCK_READ, 0, 1 << 20, back, 1, 0), 0);
  ck_assert (image_is_zero (back, 1 << 20));
  ck_assert_int_eq (request (BP_BLOCK_DISCARD, 1 << 20, 1 << 20, NULL, 0, 0), 0);
  ck_assert_int_eq (request (BP_BLOCK_FLUSH, 0, 0, NULL, 0, 0), 0);
  info = bp_block_info (&drive->backend);
  ck_assert_uint_eq (info.requests[0], 3);
  ck_assert_uint_eq (info.requests[1], 3);
  ck_assert_uint_eq (info.bytes[0], DISK + 8192 + (1 << 20));
  ck_assert_uint_eq (info.bytes[1], DISK + 512 + (1 << 20));
  drive_stop ();
}
END_TEST

START_TEST (test_refusals)
{
  uint8_t data[1024] = { 0 };
  block_create ("a", "raw", DISK, NULL);
  ck_assert (!start ("file = a\nread-only = on"));
  ck_assert (bp_block_info (&drive->backend).read_only);
  ck_assert_int_eq (request (BP_BLOCK_WRITE, 0, 512, data, 1, 0), EROFS);
  ck_assert_int_eq (request (BP_BLOCK_READ, 256, 512, data, 1, 0), EINVAL);
  ck_assert_int_eq (request (BP_BLOCK_READ, 0, 100, data, 1, 0), EINVAL);
  ck_assert_int_eq (request (BP_BLOCK_READ, DISK, 512, data, 1, 0), EINVAL);
  ck_assert_int_eq (request (BP_BLOCK_READ, DISK - 512, 1024, data, 1, 0), EINVAL);
  ck_assert_int_eq (request (BP_BLOCK_READ, UINT64_MAX - 511, 1024, data, 1, 0), EINVAL);
  ck_assert_int_eq (request ((BpBlockOp) 99, 0, 512, data, 1, 0), EINVAL);
  ck_assert_int_eq (request (BP_BLOCK_FLUSH, 0, 0, NULL, 0, 0), 0);
  drive_stop ();
}
END_TEST

/* Many at once, from several threads' hands, and one drain for all. */
START_TEST (test_drain)
{
  enum { N = 400 };
  g_autofree Pending *p = g_new0 (Pending, N);
  g_autofree uint8_t *data = g_malloc (N * 4096), *back = g_malloc (N * 4096);
  block_create ("a", _i ? "raw" : "qcow2", DISK, NULL);
  ck_assert (!start ("file = a"));
  for (unsigned i = 0; i < N; i++) {
    memset (data + i * 4096, (int) i + 1, 4096);
    submit (&p[i], BP_BLOCK_WRITE, (uint64_t) (i * 77 % N) * 4096, 4096, data + i * 4096, 1 + i % 3, 0);
  }
  table ()->drain (drive->backend.instance);
  for (unsigned i = 0; i < N; i++)
    ck_assert (p[i].done && !p[i].error);
  ck_assert_int_eq (request (BP_BLOCK_READ, 0, N * 4096, back, 1, 0), 0);
  for (unsigned i = 0; i < N; i++)
    ck_assert_int_eq (memcmp (back + (i * 77 % N) * 4096, data + i * 4096, 4096), 0);
  drive_stop ();
}
END_TEST

/* What was just written is in the host's memory: a read needs nobody else.  Holes, and what has to be waited for, are left to the others. */
START_TEST (test_try)
{
  uint8_t data[8192], back[8192];
  struct iovec iov[2] = { { back, 100 }, { back + 100, sizeof back - 100 } };
  BpBlockRequest r = { .struct_size = sizeof r, .op = BP_BLOCK_READ, .offset = 65536, .size = sizeof back, .iov = iov, .n_iov = 2 };
  int error = -1;
  memset (data, 0x5a, sizeof data);
  block_create ("a", _i ? "raw" : "qcow2", DISK, NULL);
  ck_assert (!start ("file = a"));
  ck_assert_int_eq (request (BP_BLOCK_WRITE, 65536, sizeof data, data, 1, 0), 0);
  if (bp_block_try (&drive->backend, &r, &error)) {     /* the file's place may not have it */
    ck_assert_int_eq (error, 0);
    ck_assert_int_eq (memcmp (back, data, sizeof data), 0);
  }
  r.offset = DISK;
  ck_assert (!bp_block_try (&drive->backend, &r, &error));
  r.offset = 65536;
  r.op = BP_BLOCK_WRITE;
  if (bp_block_try (&drive->backend, &r, &error))       /* few file systems have that */
    ck_assert_int_eq (error, 0);
  r.flags = BP_BLOCK_FUA;
  ck_assert (!bp_block_try (&drive->backend, &r, &error));
  ck_assert (((const BpBlockIface *) table ())->eject (drive->backend.instance, true, NULL));
  r.op = BP_BLOCK_READ;
  ck_assert (!bp_block_try (&drive->backend, &r, &error));
  drive_stop ();
}
END_TEST

/* --- a lone write, asked for by a guest's access: the same thread has done it when the access is over ----- */

static Pending here[2];
static GThread *answered_by;

static void
done_here (BpBlockRequest *request, int error)
{
  answered_by = g_thread_self ();
  done (request, error);
}

/* value: how many. */
static void
ring (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  static uint8_t data[2][4096];
  for (unsigned i = 0; i < value; i++) {
    here[i] = (Pending) { .submitted = true, .iov = { { data[i], sizeof data[i] } } };
    memset (data[i], (int) (offset + i + 1), sizeof data[i]);
    here[i].request = (BpBlockRequest) { .struct_size = sizeof (BpBlockRequest), .op = BP_BLOCK_WRITE, .flags = offset & 8 ? BP_BLOCK_FUA : 0, .offset = i * 4096, .size = 4096,
                                         .iov = here[i].iov, .n_iov = 1, .done = done_here, .user = &here[i] };
    bp_block_submit (&drive->backend, &here[i].request);
    ck_assert (!here[i].done);
  }
}

START_TEST (test_here)
{
  static const BpRegionOps ops = BP_REGION_OPS (.write = ring);
  uint8_t back[8192];
  block_create ("a", _i ? "raw" : "qcow2", DISK, NULL);
  ck_assert (!start ("file = a"));
  BpRegion *region = bp_region_new_io (drive, "doorbell", &ops, 64);
  bp_region_dispatch_write (region, 1, 1, 4);
  ck_assert (here[0].done && !here[0].error && answered_by == g_thread_self ());
  bp_region_dispatch_write (region, 16, 2, 4);
  wait_for (&here[0]);
  wait_for (&here[1]);
  ck_assert_int_eq (request (BP_BLOCK_READ, 0, sizeof back, back, 1, 0), 0);
  ck_assert_uint_eq (back[0], 17);
  ck_assert_uint_eq (back[4096], 18);
  bp_region_dispatch_write (region, 8, 1, 4);   /* durable: a disk is waited for, and nobody else */
  wait_for (&here[0]);
  ck_assert (answered_by != g_thread_self ());
  bp_region_free (region);
  drive_stop ();
}
END_TEST

/* --- many under way: each slot has its own part of the disk, and goes on by itself ----- */

enum { SLOTS = 24, SLOT = 128 << 10, STEPS = 60 };

typedef struct Slot {
  Pending p;
  unsigned number, step;
  uint8_t *model, *data;        /* what it must have */
  uint64_t offset, size;        /* of the request, in its part */
  bool unknown;                 /* a discard went over it */
  GRand *rand;
} Slot;

static void next_step (Slot *s);

static void
step_done (BpBlockRequest *request, int error)
{
  Slot *s = request->user;
  ck_assert_int_eq (error, 0);
  if (request->op == BP_BLOCK_READ && !s->unknown)
    ck_assert_int_eq (memcmp (s->data, s->model + s->offset, s->size), 0);
  if (++s->step < STEPS)
    next_step (s);
  else
    s->p.done = true;
}

static void
next_step (Slot *s)
{
  unsigned what = (unsigned) g_rand_int_range (s->rand, 0, 10);
  BpBlockOp op = what < 4 ? BP_BLOCK_WRITE : what < 8 ? BP_BLOCK_READ : what < 9 ? BP_BLOCK_WRITE_ZEROES : g_rand_boolean (s->rand) ? BP_BLOCK_FLUSH : BP_BLOCK_DISCARD;
  s->size = (uint64_t) g_rand_int_range (s->rand, 1, op == BP_BLOCK_DISCARD ? SLOT / 512 : 64) * 512;
  s->offset = (uint64_t) g_rand_int_range (s->rand, 0, (int) ((SLOT - s->size) / 512) + 1) * 512;
  if (s->unknown)               /* all of it is written anew */
    op = BP_BLOCK_WRITE, s->offset = 0, s->size = SLOT;
  s->unknown = op == BP_BLOCK_DISCARD;
  for (unsigned i = 0; op == BP_BLOCK_WRITE && i < s->size; i++)
    s->data[i] = (uint8_t) g_rand_int (s->rand);
  if (op == BP_BLOCK_WRITE)
    memcpy (s->model + s->offset, s->data, s->size);
  if (op == BP_BLOCK_WRITE_ZEROES)
    memset (s->model + s->offset, 0, s->size);
  size_t half = s->size / 1024 * 512;
  s->p.iov[0] = (struct iovec) { s->data, half };
  s->p.iov[1] = (struct iovec) { s->data + half, s->size - half };
  bool moves = op == BP_BLOCK_READ || op == BP_BLOCK_WRITE, flush = op == BP_BLOCK_FLUSH;
  s->p.request = (BpBlockRequest) { .struct_size = sizeof s->p.request, .op = op, .offset = flush ? 0 : s->number * (uint64_t) SLOT + s->offset,
                                    .flags = what == 3 ? BP_BLOCK_FUA : op == BP_BLOCK_WRITE_ZEROES ? BP_BLOCK_UNMAP : 0, .size = flush ? 0 : s->size,
                                    .iov = moves ? s->p.iov : NULL, .n_iov = moves ? 2 : 0, .done = step_done, .user = s };
  bp_block_submit (&drive->backend, &s->p.request);
}

START_TEST (test_many)
{
  static const char *const keys[] = { "", "io = threads", "cache = none", "cache = directsync", "snapshot = on" };
  Slot slots[SLOTS];
  block_create ("a", _i & 1 ? "raw" : "qcow2", (uint64_t) SLOTS * SLOT, _i & 1 ? NULL : "cluster_size=4k");
  if (_i / 2 % 5 >= 2 && _i / 2 % 5 <= 3 && !can_bypass_cache ("a"))
    return;
  g_autofree char *all = g_strdup_printf ("file = a\nformat = %s\ndiscard = unmap\n%s", _i & 1 ? "raw" : "qcow2", keys[_i / 2 % 5]);
  ck_assert (!start (all));
  bp_machine_lock (m);
  bp_block_batch_begin (&drive->backend);
  for (unsigned i = 0; i < SLOTS; i++) {
    slots[i] = (Slot) { .number = i, .model = g_malloc0 (SLOT), .rand = g_rand_new_with_seed ((guint32) _i * 100 + i) };
    ck_assert_int_eq (posix_memalign ((void **) &slots[i].data, 4096, SLOT), 0);
    next_step (&slots[i]);
  }
  bp_block_batch_end (&drive->backend);
  bp_machine_unlock (m);
  for (unsigned i = 0; i < SLOTS; i++) {
    if (_i & 2)
      wait_for (&slots[i].p);
    else
      table ()->drain (drive->backend.instance);
    ck_assert (slots[i].p.done);
    if (!slots[i].unknown) {
      ck_assert_int_eq (request (BP_BLOCK_READ, (uint64_t) i * SLOT, SLOT, slots[i].data, 1, 0), 0);
      ck_assert_int_eq (memcmp (slots[i].data, slots[i].model, SLOT), 0);
    }
    free (slots[i].data);
    g_free (slots[i].model);
    g_rand_free (slots[i].rand);
  }
  drive_stop ();
  if (!(_i & 1))
    block_check ("a", false);
}
END_TEST

/* All threads wait for the lock that is held by who drains. */
START_TEST (test_drain_locked)
{
  Pending p[32];
  uint8_t data[512] = { 1 };
  block_create ("a", "raw", DISK, NULL);
  ck_assert (!start ("file = a"));
  bp_machine_lock (m);
  for (unsigned round = 0; round < 20; round++) {
    for (unsigned i = 0; i < G_N_ELEMENTS (p); i++)
      submit (&p[i], BP_BLOCK_WRITE, i * 512, 512, data, 1, 0);
    table ()->drain (drive->backend.instance);
    for (unsigned i = 0; i < G_N_ELEMENTS (p); i++)
      ck_assert (p[i].done && !p[i].error);
  }
  bp_machine_unlock (m);
  drive_stop ();
}
END_TEST

START_TEST (test_media)
{
  g_autoptr (GError) error = NULL;
  uint8_t data[512] = { 7 };
  block_create ("a", "raw", DISK, NULL);
  block_create ("b", "qcow2", 2 * DISK, NULL);
  ck_assert (!start (""));
  void *b = drive->backend.instance;
  ck_assert (!bp_block_info (&drive->backend).inserted);
  ck_assert_int_eq (request (BP_BLOCK_READ, 0, 512, data, 1, 0), ENOMEDIUM);
  ck_assert (table ()->insert (b, "a", NULL, true, &error));
  ck_assert_uint_eq (drive->n_changed, 1);
  ck_assert (bp_block_info (&drive->backend).read_only);
  ck_assert_str_eq (bp_block_info (&drive->backend).file, "a");
  drive->door_locked = true;
  ck_assert (!table ()->eject (b, false, &error));
  ck_assert (strstr (error->message, "locked"));
  g_clear_error (&error);
  ck_assert (table ()->eject (b, true, &error));
  ck_assert (!bp_block_info (&drive->backend).inserted);
  ck_assert (table ()->insert (b, "b", "qcow2", false, &error));
  ck_assert_uint_eq (bp_block_info (&drive->backend).size, 2 * DISK);
  ck_assert_int_eq (request (BP_BLOCK_WRITE, 0, 512, data, 1, 0), 0);
  drive->door_locked = false;
  ck_assert (!table ()->insert (b, "nothing", NULL, false, &error));
  ck_assert (!bp_block_info (&drive->backend).inserted);
  ck_assert_uint_eq (drive->n_changed, 4);
  drive_stop ();
  block_check ("b", false);
}
END_TEST

/* What was submitted before is done by the old size; the device is told. */
START_TEST (test_resize)
{
  static const char *const formats[] = { "raw", "qcow2", "qcow2" };
  enum { N = 100 };
  g_autofree Pending *p = g_new0 (Pending, N);
  g_autofree uint8_t *data = g_malloc (65536);
  g_autoptr (GError) error = NULL;
  memset (data, 0x5a, 65536);
  block_create ("a", formats[_i], DISK, NULL);
  ck_assert (!start (_i == 2 ? "file = a\nsnapshot = on" : "file = a"));
  void *b = drive->backend.instance;
  for (unsigned i = 0; i < N; i++)
    submit (&p[i], i % 2 ? BP_BLOCK_WRITE : BP_BLOCK_READ, DISK - 65536 * (1 + i / 2 % 16), 65536, i % 2 ? data : g_memdup2 (data, 65536), 1, 0);
  ck_assert_msg (table ()->resize (b, 2 * DISK, &error), "%s", error ? error->message : "");
  for (unsigned i = 0; i < N; i++) {
    wait_for (&p[i]);
    ck_assert_int_eq (p[i].error, 0);
    if (i % 2 == 0)
      g_free (p[i].iov->iov_base);
  }
  ck_assert_uint_eq (drive->n_changed, 1);
  ck_assert_uint_eq (bp_block_info (&drive->backend).size, 2 * DISK);
  ck_assert_int_eq (request (BP_BLOCK_WRITE, 2 * DISK - 512, 512, data, 1, 0), 0);
  ck_assert_int_eq (request (BP_BLOCK_READ, DISK, 512, data, 1, 0), 0);
  ck_assert (image_is_zero (data, 512));
  ck_assert (table ()->resize (b, DISK / 2, NULL));
  ck_assert_uint_eq (bp_block_info (&drive->backend).size, DISK / 2);
  ck_assert_int_eq (request (BP_BLOCK_READ, DISK / 2, 512, data, 1, 0), EINVAL);
  ck_assert_int_eq (request (BP_BLOCK_READ, DISK / 2 - 512, 512, data, 1, 0), 0);
  ck_assert (!table ()->resize (b, 1000, &error));
  ck_assert_msg (strstr (error->message, "multiple of 512"), "%s", error->message);
  g_clear_error (&error);
  ck_assert_uint_eq (drive->n_changed, 2);
  ck_assert (table ()->eject (b, true, NULL));
  ck_assert (!table ()->resize (b, DISK, &error));
  ck_assert_msg (strstr (error->message, "no medium"), "%s", error->message);
  g_clear_error (&error);
  ck_assert (table ()->insert (b, "a", NULL, true, NULL));
  ck_assert (!table ()->resize (b, DISK, &error));
  ck_assert_msg (strstr (error->message, "`a` is read-only"), "%s", error->message);
  ck_assert_uint_eq (bp_block_info (&drive->backend).size, _i == 2 ? DISK : DISK / 2);
  drive_stop ();
  if (_i)
    block_check ("a", false);
}
END_TEST

/* What waits when the medium goes is given back. */
START_TEST (test_cancel)
{
  enum { N = 200 };
  g_autofree Pending *p = g_new0 (Pending, N);
  g_autofree uint8_t *data = g_malloc0 (65536);
  block_create ("a", "qcow2", DISK, NULL);
  ck_assert (!start ("file = a\ncache = writethrough"));
  for (unsigned i = 0; i < N; i++)
    submit (&p[i], BP_BLOCK_WRITE, (uint64_t) (i % 60) * 65536, 65536, data, 1, 0);
  ck_assert (table ()->eject (drive->backend.instance, true, NULL));
  for (unsigned i = 0; i < N; i++) {
    wait_for (&p[i]);
    ck_assert (p[i].error == 0 || p[i].error == ECANCELED);
  }
  ck_assert_int_eq (p[N - 1].error, ECANCELED);
  drive_stop ();
  block_check ("a", false);
}
END_TEST

START_TEST (test_second_opener)
{
  block_create ("a", "qcow2", DISK, NULL);
  ck_assert (!start ("file = a\n[backend c]\ntype = block-image\nread-only = on"));
  void *c = bp_machine_find (m, "c");
  const BpBlockIface *iface = bp_object_interface (c, BP_BLOCK_ID);
  g_autoptr (GError) error = NULL;
  ck_assert (!iface->insert (c, "a", NULL, true, &error));
  ck_assert_msg (strstr (error->message, "`a` is in use"), "%s", error->message);
  drive_stop ();
  g_autofree char *message = start ("file = a\n[backend c]\ntype = block-image\nfile = a");
  ck_assert_msg (message && strstr (message, "is in use"), "%s", message);
  drive_stop ();
  g_autofree char *nothing = start ("file = a\nlocking = off\n[backend c]\ntype = block-image\nfile = a\nlocking = off");
  ck_assert (!nothing);
  drive_stop ();
}
END_TEST

/* A full disk is the guest's ENOSPC. */
START_TEST (test_full)
{
  struct rlimit limit, before;
  g_autofree uint8_t *data = g_malloc0 (DISK);
  memset (data, 1, DISK);
  block_create ("a", "qcow2", DISK, NULL);
  ck_assert (!start ("file = a"));
  getrlimit (RLIMIT_FSIZE, &before);
  limit = before;
  limit.rlim_cur = 2 << 20;
  setrlimit (RLIMIT_FSIZE, &limit);
  ck_assert_int_eq (request (BP_BLOCK_WRITE, 0, DISK, data, 1, 0), ENOSPC);
  setrlimit (RLIMIT_FSIZE, &before);
  ck_assert_int_eq (request (BP_BLOCK_WRITE, 0, DISK, data, 1, 0), 0);
  drive_stop ();
  block_check ("a", false);
}
END_TEST

/* What the other backend cannot do block-faults cannot either, and says so. */
START_TEST (test_faults_of_little)
{
  g_autoptr (GError) insert = NULL, eject = NULL, resize = NULL;
  ck_assert_ptr_null (start ("[backend bare]\ntype = test-bare\n[backend faults]\ntype = block-faults\ndrive = bare"));
  void *faults = bp_machine_find (m, "faults");
  const BpBlockIface *t = bp_object_interface (faults, BP_BLOCK_ID);
  ck_assert (!t->insert (faults, "x", NULL, false, &insert));
  ck_assert_str_eq (insert->message, "bare takes no medium");
  ck_assert (!t->eject (faults, true, &eject));
  ck_assert_str_eq (eject->message, "bare cannot be opened");
  ck_assert (!t->resize (faults, 512, &resize));
  ck_assert_str_eq (resize->message, "bare cannot be resized");
  drive_stop ();
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("block-image");
  TCase *tc = tcase_create ("all");
  tcase_add_checked_fixture (tc, enter, drive_leave);
  tcase_set_timeout (tc, 60);
  tcase_add_loop_test (tc, test_requests, 0, 16);
  tcase_add_test (tc, test_refusals);
  tcase_add_loop_test (tc, test_drain, 0, 2);
  tcase_add_loop_test (tc, test_try, 0, 2);
  tcase_add_loop_test (tc, test_here, 0, 2);
  tcase_add_loop_test (tc, test_many, 0, 20);
  tcase_add_test (tc, test_drain_locked);
  tcase_add_test (tc, test_media);
  tcase_add_loop_test (tc, test_resize, 0, 3);
  tcase_add_test (tc, test_cancel);
  tcase_add_test (tc, test_second_opener);
  tcase_add_test (tc, test_full);
  tcase_add_test (tc, test_faults_of_little);
  suite_add_tcase (suite, tc);
  return suite_run (suite);
}
