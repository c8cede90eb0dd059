/* test-vm-state.c -- what a qcow2 image keeps of a machine: written, taken by a snapshot, read out of one that is not applied, cleared. */
/* SPDX-License-Identifier: MIT */
#include "block-test.h"
#include "../suite.h"
#include <errno.h>
#include <string.h>

#define DISK (UINT64_C (3) << 20)

static const char *const options[] = { NULL, "cluster_size=512", "cluster_size=4k", "compat=0.10", "refcount_bits=1" };

static uint8_t *
state_of (uint8_t seed, size_t size)
{
  uint8_t *bytes = g_malloc (size);
  for (size_t i = 0; i < size; i++)
    bytes[i] = (uint8_t) (i * seed >> 4 ^ i);
  return bytes;
}

static void
write_state (Image *image, uint8_t seed, size_t size, const char *name, const BpBlockSnapshot *like)
{
  g_autofree uint8_t *bytes = state_of (seed, size);
  BpBlockSnapshot s = *like;
  ck_assert (image_vm_state_clear (image, NULL));
  for (size_t at = 0, n; at < size; at += n) {
    n = MIN (size - at, 10007);
    ck_assert (image_vm_state_write (image, at, bytes + at, n, NULL));
  }
  s.name = name;
  s.vm_state_size = size;
  ck_assert (image_snapshot_do (image, BP_BLOCK_SNAPSHOT_CREATE, &s, NULL));
}

static void
check_state (Image *image, const char *id, uint8_t seed, size_t size)
{
  g_autofree uint8_t *expected = state_of (seed, size), *bytes = g_malloc (size);
  for (size_t at = 0, n; at < size; at += n) {
    n = MIN (size - at, 9001);
    ck_assert (image_vm_state_read (image, id, at, bytes + at, n, NULL));
  }
  ck_assert (memcmp (bytes, expected, size) == 0);
}

static void
count (void *user, const BpBlockSnapshot *s)
{
  ++*(unsigned *) user;
  ck_assert_int_eq (s->date, 1700000000 + *(unsigned *) user);
  ck_assert_uint_eq (s->date_ns, 123000);
  ck_assert_uint_eq (s->vm_clock, 42);
  ck_assert_uint_eq (s->disk_size, DISK);
}

/* Several at once, each with its own; also over a new start of the program. */
START_TEST (each_has_its_own)
{
  bool narrow = options[_i] && strstr (options[_i], "refcount_bits=1");
  unsigned n = 0, most = narrow ? 0 : 3;
  uint8_t sector[512] = { 1 };
  block_create ("a", "qcow2", DISK, options[_i]);
  Image *image = block_open ("a");
  BpBlockSnapshot like = { .struct_size = sizeof like, .date_ns = 123000, .vm_clock = 42 };
  ck_assert_int_eq (image_snapshots (image), BP_BLOCK_SNAPSHOTS_KEPT);
  for (unsigned i = 1; i <= most; i++) {
    like.date = 1700000000 + i;
    sector[0] = (uint8_t) i;
    ck_assert_int_eq (image_write (image, 512 * i, sector, sizeof sector), 0);
    write_state (image, (uint8_t) (i * 3), 50000 * (4 - i), "s", &like);
  }
  for (unsigned again = 0; again < 2; again++) {
    static const char *const ids[] = { "1", "2", "3" };
    for (unsigned i = 1; i <= most; i++)
      check_state (image, ids[i - 1], (uint8_t) (i * 3), 50000 * (4 - i));
    block_close (image);
    image = block_open ("a");
  }
  ck_assert (image_snapshot_list (image, count, &n, NULL));
  ck_assert_uint_eq (n, most);
  if (most) {
    BpBlockSnapshot second = { .struct_size = sizeof second, .id = "2" };
    ck_assert (image_snapshot_do (image, BP_BLOCK_SNAPSHOT_APPLY, &second, NULL));
    ck_assert_int_eq (image_read (image, 1024, sector, sizeof sector), 0);
    ck_assert_uint_eq (sector[0], 2);
    ck_assert_int_eq (image_read (image, 1536, sector, sizeof sector), 0);
    ck_assert_uint_eq (sector[0], 0);
    check_state (image, "1", 3, 150000);
    check_state (image, "2", 6, 100000);
    ck_assert (image_snapshot_do (image, BP_BLOCK_SNAPSHOT_DELETE, &second, NULL));
    check_state (image, "3", 9, 50000);
    GError *error = NULL;
    ck_assert (!image_vm_state_read (image, "2", 0, sector, 1, &error));
    ck_assert_ptr_nonnull (strstr (error->message, "`a`"));
    g_error_free (error);
  }
  block_close (image);
  block_check ("a", false);
}
END_TEST

/* A save that was given up, or whose program was killed, leaves space to the next one, and to the guest. */
START_TEST (given_up)
{
  g_autofree uint8_t *bytes = state_of (7, 400000);
  BpBlockSnapshot like = { .struct_size = sizeof like };
  block_create ("a", "qcow2", DISK, "cluster_size=4k");
  Image *image = block_open ("a");
  for (unsigned i = 0; i < 5; i++) {
    ck_assert (image_vm_state_write (image, 0, bytes, 400000, NULL));
    block_close (image);
    block_check ("a", false);
    image = block_open ("a");
    if (i & 1)
      ck_assert (image_vm_state_clear (image, NULL));
  }
  write_state (image, 5, 1000, "small", &like);
  check_state (image, "1", 5, 1000);
  block_close (image);
  block_check ("a", false);
  Image *again = block_open ("a");
  uint64_t end;
  ck_assert_int_eq (image_file_size (again->file, &end), 0);
  ck_assert_uint_lt (end, 700000);
  block_close (again);
}
END_TEST

START_TEST (who_cannot)
{
  GError *error = NULL;
  uint8_t byte = 0;
  block_create ("r", "raw", DISK, NULL);
  block_create ("a", "qcow2", DISK, NULL);
  Image *raw = block_open_with ("r", (ImageOptions) { .format = "raw" });
  Image *read_only = block_open_with ("a", (ImageOptions) { .read_only = true });
  ck_assert_int_eq (image_snapshots (NULL), BP_BLOCK_SNAPSHOTS_NOT_NEEDED);
  ck_assert_int_eq (image_snapshots (raw), BP_BLOCK_SNAPSHOTS_NONE);
  ck_assert_int_eq (image_snapshots (read_only), BP_BLOCK_SNAPSHOTS_NOT_NEEDED);
  ck_assert (!image_vm_state_write (raw, 0, &byte, 1, &error));
  ck_assert_ptr_nonnull (strstr (error->message, "raw images have no snapshots"));
  g_clear_error (&error);
  ck_assert (!image_vm_state_write (read_only, 0, &byte, 1, &error));
  g_clear_error (&error);
  ck_assert (!image_vm_state_clear (NULL, &error));
  g_clear_error (&error);
  block_close (raw);
  block_close (read_only);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("vm-state");
  TCase *all = tcase_create ("all");
  tcase_add_checked_fixture (all, block_enter, block_leave);
  tcase_add_loop_test (all, each_has_its_own, 0, (int) G_N_ELEMENTS (options));
  tcase_add_test (all, given_up);
  tcase_add_test (all, who_cannot);
  tcase_set_timeout (all, 60);
  suite_add_tcase (suite, all);
  return suite_run (suite);
}
