/* test-hostile.c -- qcow2 images that lie: every field of headers and tables out of range, files cut off, entries that lead to the image's own tables. */
/* SPDX-License-Identifier: MIT */
#include "block-test.h"
#include "../suite.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DISK (1u << 20)
#define CLUSTER 4096u

static char *bytes;             /* of a good image */
static gsize size;
static uint64_t l1, rt, l2;     /* where its tables are */

static void
enter (void)
{
  block_enter ();
  block_create ("good", "qcow2", DISK, "cluster_size=4k");
  Image *image = block_open ("good");
  uint8_t data[CLUSTER];
  memset (data, 0x5a, sizeof data);
  for (unsigned i = 0; i < 20; i++)
    ck_assert_int_eq (image_write (image, i * 3 * CLUSTER, data, sizeof data), 0);
  ck_assert_int_eq (qcow2_snapshot_create (image->state, "one", 0, 0), 0);
  ck_assert_int_eq (image_write (image, 0, data, sizeof data), 0);
  Qcow2 *q = image->state;
  l1 = q->header.l1_offset;
  rt = q->header.rt_offset;
  l2 = q->l1[0] & QCOW2_OFFSET;
  block_close (image);
  block_check ("good", false);
  ck_assert (g_file_get_contents ("good", &bytes, &size, NULL));
}

static void
leave (void)
{
  g_free (bytes);
  block_leave ();
}

static void
restore (void)
{
  ck_assert (g_file_set_contents ("a", bytes, (gssize) size, NULL));
}

/* Opens, reads all, writes, zeroes, flushes, snapshots, checks and repairs: errors are fine, and so is success. */
static void
use (bool writable)
{
  g_autofree uint8_t *data = g_malloc (DISK);
  ImageOptions options = { .read_only = !writable, .unmap = true, .unsafe = true };
  Image *image = image_open ("a", &options, NULL);
  if (image) {
    for (uint64_t at = 0; at < MIN (image->size, DISK); at += CLUSTER)
      image_read_padded (image, at, data, CLUSTER);
    if (writable) {
      for (uint64_t at = 0; at < MIN (image->size, DISK); at += 15 * 512)
        image_write (image, at, data, 512);
      image_zero (image, 0, MIN (image->size, 9 * CLUSTER), true);
      image_flush (image);
      if (image->format == &format_qcow2) {
        qcow2_snapshot_create (image->state, "two", 0, 0);
        qcow2_snapshot_apply (image->state, "one");
        qcow2_snapshot_delete (image->state, "one");
      }
      image_resize (image, image->size > DISK ? DISK : image->size + 512);
    }
    image_close (image, NULL);
  }
}

static void
check_and_repair (ImageCheckRepair how)
{
  BpImageCheck check = { 0 };
  ImageOptions options = { .for_check = true, .no_backing = true, .unsafe = true };
  Image *image = image_open ("a", &options, NULL);
  if (image && image->format == &format_qcow2)
    qcow2_check (image->state, how, &check);
  image_close (image, NULL);
}

static void
use_in_all_ways (uint64_t at, const void *value, size_t n)
{
  restore ();
  block_poke ("a", at, value, n);
  use (false);
  use (true);
  restore ();
  block_poke ("a", at, value, n);
  check_and_repair (IMAGE_CHECK_ONLY);
  check_and_repair (IMAGE_CHECK_LEAKS);
  check_and_repair (IMAGE_CHECK_ALL);
  use (true);
}

/* --- fields ------------------------------------------------------------------------------------------- */

static const uint64_t values[] = { 0, 1, 3, 511, 512, 513, CLUSTER, CLUSTER - 1, 0x7fffffff, 0x80000000, 0xffffffff, UINT64_C (1) << 40, UINT64_C (1) << 55,
                                   UINT64_C (1) << 56, UINT64_C (1) << 62, UINT64_C (1) << 63, UINT64_MAX, UINT64_MAX - 511, INT64_MAX };

START_TEST (test_header)
{
  static const struct { unsigned at, size; } fields[] = { { 0, 4 }, { 4, 4 }, { 8, 8 }, { 16, 4 }, { 20, 4 }, { 24, 8 }, { 32, 4 }, { 36, 4 }, { 40, 8 }, { 48, 8 },
    { 56, 4 }, { 60, 4 }, { 64, 8 }, { 72, 8 }, { 80, 8 }, { 88, 8 }, { 96, 4 }, { 100, 4 }, { 104, 4 }, { 112, 4 }, { 116, 4 } };
  for (unsigned i = 0; i < G_N_ELEMENTS (values); i++) {
    uint8_t value[8];
    qcow2_put64 (value, values[i]);
    use_in_all_ways (fields[_i].at, value + 8 - fields[_i].size, fields[_i].size);
  }
}
END_TEST

static uint64_t
place (unsigned i)
{
  Image *image = block_open_with ("good", (ImageOptions) { .read_only = true });
  Qcow2 *q = image->state;
  uint64_t places[] = { l1, rt, q->rt[0], q->rt[0] + 8, l2, l2 + 8, l2 + 24, q->header.snapshots_offset, q->header.snapshots_offset + 8,
                        q->header.snapshots_offset + 12, q->header.snapshots_offset + 32, q->header.snapshots_offset + 36, q->header.snapshots_offset + 48,
                        g_array_index (q->snapshots, Qcow2Snapshot, 0).l1_offset };
  uint64_t at = i < G_N_ELEMENTS (places) ? places[i] : 0;
  block_close (image);
  return at;
}

START_TEST (test_tables)
{
  uint64_t at = place ((unsigned) _i), leads_to[] = { l1, rt, l2, 0 };
  for (unsigned i = 0; i < G_N_ELEMENTS (values) + 8; i++) {
    uint8_t value[8];
    uint64_t to = leads_to[i % 4] | (i & 4 ? QCOW2_COPIED : 0);         /* the image's own tables */
    qcow2_put64 (value, i < G_N_ELEMENTS (values) ? values[i] : to);
    use_in_all_ways (at, value, sizeof value);
  }
}
END_TEST

/* All bytes of the header's cluster that mean something, and of the tables, with every bit turned over. */
START_TEST (test_bits)
{
  uint64_t at = _i < 16 ? (uint64_t) _i * 8 : place ((unsigned) _i - 16);
  for (unsigned bit = 0; bit < 64; bit++) {
    uint8_t value[8];
    memcpy (value, bytes + at, sizeof value);
    value[bit / 8] ^= (uint8_t) (1u << bit % 8);
    use_in_all_ways (at, value, sizeof value);
  }
}
END_TEST

START_TEST (test_cut_off)
{
  for (gsize n = 0; n < size; n += n < 512 ? 7 : 1536) {
    restore ();
    ck_assert_int_eq (truncate ("a", (off_t) n), 0);
    use (false);
    use (true);
    restore ();
    ck_assert_int_eq (truncate ("a", (off_t) n), 0);
    check_and_repair (IMAGE_CHECK_ALL);
    use (true);
  }
}
END_TEST

/* --- what a guest must not reach ------------------------------------------------------------------------ */

/* An entry that leads a guest's cluster to a table: writes fail, the table stays, the image is marked. */
START_TEST (test_table_as_data)
{
  uint64_t targets[] = { 0, l1, rt, l2 };
  uint8_t data[512];
  g_autofree char *now = NULL;
  gsize now_size;
  uint64_t target = targets[_i];
  if (!target)
    return;
  restore ();
  block_poke64 ("a", l2 + 3 * 8, target | QCOW2_COPIED);
  memset (data, 0xff, sizeof data);
  Image *image = block_open ("a");
  ck_assert_int_eq (image_write (image, 3 * CLUSTER, data, sizeof data), EIO);
  ck_assert_int_eq (image_write (image, 0, data, sizeof data), EIO);
  ck_assert (((Qcow2 *) image->state)->corrupt);
  image_close (image, NULL);
  ck_assert (g_file_get_contents ("a", &now, &now_size, NULL));
  if (target != l2)
    ck_assert_int_eq (memcmp (now + target, bytes + target, CLUSTER), 0);
  g_autofree char *message = block_refused ("a", (ImageOptions) { 0 });
  ck_assert_msg (strstr (message, "marked corrupt"), "%s", message);
  block_close (block_open_with ("a", (ImageOptions) { .read_only = true }));
}
END_TEST

/* A table whose cluster has the refcount 0 is not given to a guest. */
START_TEST (test_free_table)
{
  uint8_t data[CLUSTER] = { 1 };
  uint64_t targets[] = { l1, rt, l2 };
  Image *image = block_open_with ("good", (ImageOptions) { .read_only = true });
  uint64_t block = ((Qcow2 *) image->state)->rt[0];
  block_close (image);
  restore ();
  block_poke ("a", block + targets[_i] / CLUSTER * 2, "\0", 2);
  image = block_open ("a");
  int code = 0;
  for (unsigned i = 0; i < 200 && !code; i++)
    code = image_write (image, i * CLUSTER, data, sizeof data);
  ck_assert_int_eq (code, EIO);
  image_close (image, NULL);
  check_and_repair (IMAGE_CHECK_ALL);
  block_check ("a", false);
  block_close (block_open ("a"));
}
END_TEST

/* Refcounts of nonsense: all of them are made anew, and what the guest has stays. */
START_TEST (test_rebuild)
{
  uint8_t junk[CLUSTER];
  Model before = model_new (DISK);
  Image *image = block_open_with ("good", (ImageOptions) { .read_only = true });
  uint64_t block = ((Qcow2 *) image->state)->rt[0];
  ck_assert_int_eq (image_read (image, 0, before.bytes, DISK), 0);
  block_close (image);
  restore ();
  memset (junk, _i == 0 ? 0 : _i == 1 ? 0xff : 0x01, sizeof junk);
  block_poke ("a", _i < 2 ? block : rt, junk, sizeof junk);
  BpImageCheck check = { 0 };
  image = block_open_with ("a", (ImageOptions) { .for_check = true });
  ck_assert (qcow2_check (image->state, IMAGE_CHECK_ALL, &check));
  ck_assert_uint_eq (check.corruptions + check.leaks, 0);
  block_close (image);
  block_check ("a", false);
  image = block_open ("a");
  model_compare (&before, image);
  ck_assert_int_eq (qcow2_snapshot_apply (image->state, "one"), 0);
  ck_assert_int_eq (qcow2_snapshot_delete (image->state, "one"), 0);
  block_close (image);
  block_check ("a", false);
  model_free (&before);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("hostile");
  TCase *tc = tcase_create ("all");
  tcase_add_checked_fixture (tc, enter, leave);
  tcase_set_timeout (tc, 120);
  tcase_add_loop_test (tc, test_header, 0, 21);
  tcase_add_loop_test (tc, test_tables, 0, 14);
  tcase_add_loop_test (tc, test_bits, 0, 30);
  tcase_add_test (tc, test_cut_off);
  tcase_add_loop_test (tc, test_table_as_data, 0, 4);
  tcase_add_loop_test (tc, test_free_table, 0, 3);
  tcase_add_loop_test (tc, test_rebuild, 0, 3);
  suite_add_tcase (suite, tc);
  return suite_run (suite);
}
