/* test-qcow2.c -- qcow2 images against a plain memory: every cluster size, refcount width and version, backing files, snapshots, resizes. */
/* SPDX-License-Identifier: MIT */
#include "block-test.h"
#include "../suite.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

#define DISK (3u << 20)


/* --- random operations ------------------------------------------------------------------------------- */

/* Every now and then it is closed, checked and opened again. */
static Image *
steps (Model *model, Image *image, const char *file, unsigned n)
{
  for (unsigned i = 0; i < n; i++) {
    model_step (model, image, block_rand);
    if (g_rand_int_range (block_rand, 0, 60) == 0) {
      block_close (image);
      block_check (file, false);
      image = block_open (file);
    }
  }
  model_compare (model, image);
  return image;
}

static void
run_options (const char *options, unsigned n)
{
  Model model = model_new (DISK);
  block_create ("a", "qcow2", DISK, options);
  block_check ("a", false);
  Image *image = steps (&model, block_open ("a"), "a", n);
  block_close (image);
  block_check ("a", false);
  image = block_open ("a");
  model_compare (&model, image);
  block_close (image);
  model_free (&model);
}

START_TEST (test_cluster_sizes)
{
  g_autofree char *options = g_strdup_printf ("cluster_size=%u", 512u << _i);
  run_options (options, 120);
}
END_TEST

START_TEST (test_refcount_widths)
{
  g_autofree char *options = g_strdup_printf ("cluster_size=%s,refcount_bits=%u", _i & 1 ? "4k" : "512", 1u << _i);
  run_options (options, 250);
}
END_TEST

START_TEST (test_version_2)
{
  run_options ("compat=0.10,cluster_size=4k", 200);
}
END_TEST

/* --- backing files ----------------------------------------------------------------------------------- */

/* Each layer over the one before, and a disk that gets longer on the way. */
START_TEST (test_chain)
{
  static const char *const names[] = { "base", "l1", "l2", "l3" };
  Model model = model_new (DISK);
  block_create ("base", _i ? "raw" : "qcow2", DISK, NULL);
  for (unsigned i = 0; i < 4; i++) {
    if (i)
      block_create_over (names[i], names[i - 1], i == 1 && _i ? "raw" : "qcow2", i == 2 ? "cluster_size=1k,compat=0.10" : "cluster_size=8k");
    Image *image = block_open (names[i]);
    for (unsigned k = 0; k < 60; k++)
      model_step (&model, image, block_rand);
    if (i >= 1) {
      uint64_t size = model.size + (i == 3 ? 100 : 1) * 1536;
      ck_assert_int_eq (image_resize (image, size), 0);
      model_resize (&model, size);
    }
    for (unsigned k = 0; k < 60; k++)
      model_step (&model, image, block_rand);
    model_compare (&model, image);
    block_close (image);
    if (i || !_i)
      block_check (names[i], false);
  }
  model_free (&model);
}
END_TEST

/* A backing file that is longer than the disk shows nothing when the disk grows. */
START_TEST (test_grow_over_backing)
{
  Model model = model_new (DISK);
  block_create ("base", "raw", DISK, NULL);
  Image *image = block_open_with ("base", (ImageOptions) { .format = "raw" });
  memset (model.bytes, 0xaa, DISK);
  ck_assert_int_eq (image_write (image, 0, model.bytes, DISK), 0);
  block_close (image);
  ImageNew new = { .format = "qcow2", .size = DISK / 2 + 512, .backing = "base", .backing_format = "raw" };
  ck_assert (image_new_options (&new, NULL, NULL) && image_create ("a", &new, NULL));
  image = block_open ("a");
  ck_assert_int_eq (image_resize (image, DISK), 0);
  memset (model.bytes + DISK / 2 + 512, 0, DISK / 2 - 512);
  model_compare (&model, image);
  ck_assert_int_eq (image_resize (image, 512 * 9), 0);
  ck_assert_int_eq (image_resize (image, DISK), 0);
  memset (model.bytes + 512 * 9, 0, DISK - 512 * 9);
  model_compare (&model, image);
  block_close (image);
  block_check ("a", false);
  model_free (&model);
}
END_TEST

START_TEST (test_loops)
{
  block_create ("a", "qcow2", DISK, NULL);
  block_create_over ("b", "a", "qcow2", NULL);
  block_create_over ("c", "b", "qcow2", NULL);
  g_unlink ("a");
  ck_assert_int_eq (g_rename ("c", "a"), 0);
  g_autofree char *message = block_refused ("b", (ImageOptions) { 0 });
  ck_assert_msg (strstr (message, "its own backing file"), "%s", message);
}
END_TEST

START_TEST (test_relative_names)
{
  ck_assert_int_eq (g_mkdir ("d", 0777), 0);
  block_create ("d/base", "raw", DISK, NULL);
  block_create_over ("d/over", "base", "raw", NULL);
  block_close (block_open ("d/over"));
  g_unlink ("d/base");
  g_autofree char *message = block_refused ("d/over", (ImageOptions) { 0 });
  ck_assert_msg (strstr (message, "d/base"), "%s", message);
  g_unlink ("d/over");
  g_rmdir ("d");
}
END_TEST

/* --- snapshots ---------------------------------------------------------------------------------------- */

#define MOST 4

typedef struct Kept {
  bool used;
  Model model;
  uint8_t vm_state[5000];
  unsigned vm_state_size;
} Kept;

static void
take (Kept *kept, const Model *model, Image *image, const char *name, bool wide)
{
  kept->model = model_copy (model);
  kept->used = true;
  kept->vm_state_size = g_rand_boolean (block_rand) ? 0 : (unsigned) g_rand_int_range (block_rand, 1, sizeof kept->vm_state);
  memset (kept->vm_state, g_rand_int (block_rand) & 0xff, sizeof kept->vm_state);
  if (kept->vm_state_size)
    ck_assert_int_eq (qcow2_vm_state_write (image->state, 0, kept->vm_state, kept->vm_state_size), 0);
  ck_assert_int_eq (qcow2_snapshot_create (image->state, name, kept->vm_state_size, 1), 0);
}

static void
go_back (const Kept *kept, Model *model, Image *image, const char *name)
{
  ck_assert_int_eq (qcow2_snapshot_apply (image->state, name), 0);
  model_free (model);
  *model = model_copy (&kept->model);
  model_compare (model, image);
}

static void
snapshot_step (Kept *kept, Model *model, Image *image)
{
  unsigned i = (unsigned) g_rand_int_range (block_rand, 0, MOST);
  g_autofree char *name = g_strdup_printf ("snapshot-%u", i);
  if (!kept[i].used) {
    take (&kept[i], model, image, name, false);
  } else if (g_rand_boolean (block_rand)) {
    go_back (&kept[i], model, image, name);
  } else {
    ck_assert_int_eq (qcow2_snapshot_delete (image->state, name), 0);
    model_free (&kept[i].model);
    kept[i].used = false;
  }
}

START_TEST (test_snapshots)
{
  static const char *const options[] = { "cluster_size=512", "cluster_size=4k,refcount_bits=4", "cluster_size=64k", "cluster_size=2k,refcount_bits=64",
                                         "cluster_size=4k,compat=0.10" };
  Kept kept[MOST] = { 0 };
  Model model = model_new (DISK);
  block_create ("a", "qcow2", DISK, options[_i]);
  Image *image = block_open ("a");
  for (unsigned round = 0; round < 40; round++) {
    image = steps (&model, image, "a", 12);
    snapshot_step (kept, &model, image);
    block_close (image);
    block_check ("a", false);
    image = block_open ("a");
    model_compare (&model, image);
  }
  for (unsigned i = 0; i < MOST; i++) {
    g_autofree char *name = g_strdup_printf ("snapshot-%u", i);
    if (kept[i].used) {
      go_back (&kept[i], &model, image, name);
      ck_assert_int_eq (qcow2_snapshot_delete (image->state, name), 0);
      model_free (&kept[i].model);
    }
  }
  block_close (image);
  block_check ("a", false);
  model_free (&model);
}
END_TEST

START_TEST (test_snapshot_sizes)
{
  block_create ("a", "qcow2", DISK, "cluster_size=512");
  Image *image = block_open ("a");
  Model model = model_new (DISK);
  image = steps (&model, image, "a", 30);
  ck_assert_int_eq (qcow2_snapshot_create (image->state, "small", 0, 0), 0);
  ck_assert_int_eq (image_resize (image, 4 * DISK), 0);
  ck_assert_int_eq (qcow2_snapshot_create (image->state, "large", 0, 0), 0);
  ck_assert_int_eq (qcow2_snapshot_apply (image->state, "small"), 0);
  model_compare (&model, image);
  ck_assert_int_eq (qcow2_snapshot_apply (image->state, "large"), 0);
  ck_assert_uint_eq (image->size, 4 * DISK);
  ck_assert_int_eq (qcow2_snapshot_apply (image->state, "no such"), ENOENT);
  block_close (image);
  block_check ("a", false);
  model_free (&model);
}
END_TEST

/* One bit counts to one: there is no room for a snapshot, and nothing changes. */
START_TEST (test_narrow_refcounts)
{
  block_create ("a", "qcow2", DISK, "refcount_bits=1");
  Image *image = block_open ("a");
  Model model = model_new (DISK);
  image = steps (&model, image, "a", 20);
  model.bytes[0] = 1;
  ck_assert_int_eq (image_write (image, 0, model.bytes, 512), 0);
  ck_assert_int_eq (qcow2_snapshot_create (image->state, "one", 0, 0), ERANGE);
  image = steps (&model, image, "a", 20);
  block_close (image);
  block_check ("a", false);
  model_free (&model);
}
END_TEST

/* --- what is on the disk and when ---------------------------------------------------------------------- */

START_TEST (test_read_only)
{
  uint8_t bytes[512] = { 1 };
  block_create ("a", "qcow2", DISK, NULL);
  Image *image = block_open_with ("a", (ImageOptions) { .read_only = true });
  ck_assert_int_eq (image_write (image, 0, bytes, sizeof bytes), EROFS);
  ck_assert_int_eq (image_zero (image, 0, 512, true), EROFS);
  ck_assert_int_eq (qcow2_snapshot_create (image->state, "one", 0, 0), EROFS);
  block_close (image);
}
END_TEST

START_TEST (test_overlay)
{
  g_autofree char *before = NULL, *after = NULL;
  gsize size, size_after;
  Model model = model_new (DISK);
  block_create ("a", _i ? "raw" : "qcow2", DISK, NULL);
  Image *image = block_open ("a");
  for (unsigned i = 0; i < 50; i++)
    model_step (&model, image, block_rand);
  block_close (image);
  ck_assert (g_file_get_contents ("a", &before, &size, NULL));
  image = block_open_with ("a", (ImageOptions) { .snapshot = true, .unmap = true });
  for (unsigned i = 0; i < 100; i++)
    model_step (&model, image, block_rand);
  model_compare (&model, image);
  block_close (image);
  ck_assert (g_file_get_contents ("a", &after, &size_after, NULL));
  ck_assert (size == size_after && memcmp (before, after, size) == 0);
  model_free (&model);
}
END_TEST

/* Refcounts that a program with lazy ones did not write are made when the image is opened. */
START_TEST (test_dirty)
{
  Model model = model_new (DISK);
  block_create ("a", "qcow2", DISK, "lazy_refcounts=on,cluster_size=4k");
  Image *image = block_open ("a");
  for (unsigned i = 0; i < 60; i++)
    model_step (&model, image, block_rand);
  block_close (image);
  uint8_t block[4096] = { 0, 1, 0, 1, 0, 1, 0, 0 };
  block_poke (  "a", 8192, block, sizeof block);
  block_poke64 ("a", QCOW2_AT_INCOMPATIBLE, QCOW2_DIRTY);
  image = block_open ("a");
  model_compare (&model, image);
  for (unsigned i = 0; i < 60; i++)
    model_step (&model, image, block_rand);
  block_close (image);
  block_check ("a", false);
  image = block_open_with ("a", (ImageOptions) { .read_only = true });
  ck_assert_uint_eq (((Qcow2 *) image->state)->header.incompatible, 0);
  model_compare (&model, image);
  block_close (image);
  model_free (&model);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("qcow2");
  TCase *tc = tcase_create ("all");
  tcase_add_checked_fixture (tc, block_enter, block_leave);
  tcase_set_timeout (tc, 60);
  tcase_add_loop_test (tc, test_cluster_sizes, 0, 13);
  tcase_add_loop_test (tc, test_refcount_widths, 0, 7);
  tcase_add_test (tc, test_version_2);
  tcase_add_loop_test (tc, test_chain, 0, 2);
  tcase_add_test (tc, test_grow_over_backing);
  tcase_add_test (tc, test_loops);
  tcase_add_test (tc, test_relative_names);
  tcase_add_loop_test (tc, test_snapshots, 0, 5);
  tcase_add_test (tc, test_snapshot_sizes);
  tcase_add_test (tc, test_narrow_refcounts);
  tcase_add_test (tc, test_read_only);
  tcase_add_loop_test (tc, test_overlay, 0, 2);
  tcase_add_test (tc, test_dirty);
  suite_add_tcase (suite, tc);
  return suite_run (suite);
}
