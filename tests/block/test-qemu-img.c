/* test-qemu-img.c -- qcow2 images of ours in QEMU's hands, and QEMU's in ours; skipped where qemu-img is not installed. */
/* SPDX-License-Identifier: MIT */
#include "block-test.h"
#include "../suite.h"
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

#define DISK (2u << 20)


static void
save (const Model *model, const char *file)
{
  ck_assert (g_file_set_contents (file, (const char *) model->bytes, (gssize) model->size, NULL));
}

/* What QEMU makes of the image, sound and equal to the model. */
static void
ask_qemu (const char *file, const Model *model)
{
  save (model, "model.raw");
  ck_assert_int_eq (block_run ("qemu-img check -q -f qcow2 %s >check.log 2>&1 || { cat check.log; false; }", file), 0);
  ck_assert_int_eq (block_run ("qemu-img compare -q -f qcow2 -F raw %s model.raw", file), 0);
}

static void
load (Model *model, const char *file)
{
  char *bytes;
  gsize size;
  ck_assert_int_eq (block_run ("qemu-img convert -f qcow2 -O raw %s qemu.raw", file), 0);
  ck_assert (g_file_get_contents ("qemu.raw", &bytes, &size, NULL));
  model_free (model);
  *model = (Model) { (uint8_t *) bytes, size };
}

/* Writes, zeroes and discards by QEMU. */
static void
scribble (const char *file)
{
  g_autoptr (GString) line = g_string_new ("qemu-io -f qcow2 -d unmap");
  for (unsigned i = 0; i < 25; i++) {
    unsigned offset = (unsigned) g_rand_int_range (block_rand, 0, DISK / 512) * 512;
    unsigned most = MIN (DISK - offset, 200u * 512), size = (unsigned) g_rand_int_range (block_rand, 1, (gint32) (most / 512) + 1) * 512;
    static const char *const what[] = { "write -q -P 0x55", "write -q -P 0xaa", "write -q -z", "write -q -z -u", "discard -q" };
    g_string_append_printf (line, " -c '%s %u %u'", what[g_rand_int_range (block_rand, 0, 5)], offset, size);
  }
  ck_assert_int_eq (block_run ("%s %s >io.log 2>&1 || { cat io.log; false; }", line->str, file), 0);
}

static void
steps (Model *model, const char *file, unsigned n)
{
  Image *image = block_open (file);
  model_compare (model, image);
  for (unsigned i = 0; i < n; i++)
    model_step (model, image, block_rand);
  model_compare (model, image);
  block_close (image);
  block_check (file, false);
}

/* --- formats ------------------------------------------------------------------------------------------ */

static const char *const formats[] = {
  "cluster_size=512", "cluster_size=1k,refcount_bits=64", "cluster_size=2k,refcount_bits=1", "cluster_size=4k,refcount_bits=2", "cluster_size=8k,refcount_bits=4",
  "cluster_size=16k,refcount_bits=8", "cluster_size=32k,refcount_bits=32", "cluster_size=64k", "cluster_size=128k", "cluster_size=256k", "cluster_size=512k",
  "cluster_size=1M", "cluster_size=2M", "compat=0.10", "compat=0.10,cluster_size=4k", "lazy_refcounts=on,cluster_size=4k", "cluster_size=512,refcount_bits=64",
};

START_TEST (test_ours)
{
  Model model = model_new (DISK);
  block_create ("a", "qcow2", DISK, formats[_i]);
  ask_qemu ("a", &model);
  steps (&model, "a", 60);
  ask_qemu ("a", &model);
  scribble ("a");
  load (&model, "a");
  steps (&model, "a", 60);
  ask_qemu ("a", &model);
  model_free (&model);
}
END_TEST

START_TEST (test_theirs)
{
  Model model = model_new (DISK);
  ck_assert_int_eq (block_run ("qemu-img create -q -f qcow2 -o %s a %u", formats[_i], DISK), 0);
  scribble ("a");
  load (&model, "a");
  block_check ("a", false);
  steps (&model, "a", 60);
  ask_qemu ("a", &model);
  model_free (&model);
}
END_TEST

/* --- compressed clusters ------------------------------------------------------------------------------- */

START_TEST (test_compressed)
{
  static const char *const options[] = { "cluster_size=64k", "cluster_size=512", "cluster_size=2M", "cluster_size=4k,compat=0.10", "cluster_size=64k,compression_type=zstd",
                                         "cluster_size=4k,compression_type=zstd" };
  Model model = model_new (DISK);
  if (strstr (options[_i], "zstd") && !qcow2_can_unpack (QCOW2_ZSTD))
    return;
  for (unsigned i = 0; i < DISK; i++)   /* words that repeat, with gaps, and a part that does not get smaller */
    model.bytes[i] = i >> 17 & 1 ? (uint8_t) (i / 700 + i % 11) : i >> 18 & 1 ? (uint8_t) g_rand_int (block_rand) : 0;
  save (&model, "in.raw");
  ck_assert_int_eq (block_run ("qemu-img convert -c -f raw -O qcow2 -o %s in.raw a", options[_i]), 0);
  block_check ("a", false);
  steps (&model, "a", 80);
  ask_qemu ("a", &model);
  Image *image = block_open ("a");
  ck_assert_int_eq (qcow2_snapshot_create (image->state, "s", 0, 0), 0);
  block_close (image);
  steps (&model, "a", 40);
  ask_qemu ("a", &model);
  image = block_open ("a");
  ck_assert_int_eq (qcow2_snapshot_delete (image->state, "s"), 0);
  block_close (image);
  ask_qemu ("a", &model);
  model_free (&model);
}
END_TEST

/* --- backing files, snapshots, sizes, bitmaps ------------------------------------------------------------ */

START_TEST (test_backing)
{
  Model model = model_new (DISK);
  block_create ("base", "raw", DISK, NULL);
  Image *image = block_open_with ("base", (ImageOptions) { .format = "raw" });
  for (unsigned i = 0; i < 60; i++)
    model_step (&model, image, block_rand);
  block_close (image);
  ck_assert_int_eq (block_run ("qemu-img create -q -f qcow2 -b base -F raw mid"), 0);
  scribble ("mid");
  load (&model, "mid");
  block_create_over ("top", "mid", "qcow2", _i ? "cluster_size=4k,compat=0.10" : "cluster_size=16k");
  steps (&model, "top", 80);
  ask_qemu ("top", &model);
  scribble ("top");
  load (&model, "top");
  image = block_open ("top");
  ck_assert_int_eq (image_resize (image, DISK + 51200), 0);
  model_resize (&model, DISK + 51200);
  block_close (image);
  steps (&model, "top", 40);
  ask_qemu ("top", &model);
  model_free (&model);
}
END_TEST

static void
change_snapshot (const char *what, const char *name, bool ours)
{
  if (!ours) {
    ck_assert_int_eq (block_run ("qemu-img snapshot -%s %s a", what, name), 0);
    return;
  }
  Image *image = block_open ("a");
  int code = *what == 'c' ? qcow2_snapshot_create (image->state, name, 0, 0)
                          : *what == 'a' ? qcow2_snapshot_apply (image->state, name) : qcow2_snapshot_delete (image->state, name);
  ck_assert_int_eq (code, 0);
  block_close (image);
}

/* Made, applied and deleted by ours and theirs in turn. */
START_TEST (test_snapshots)
{
  static const char *const options[] = { "cluster_size=64k", "cluster_size=1k,refcount_bits=8", "compat=0.10,cluster_size=2k" };
  Model model = model_new (DISK), one, two;
  block_create ("a", "qcow2", DISK, options[_i / 2]);
  steps (&model, "a", 50);
  change_snapshot ("c", "one", _i & 1);
  one = model_copy (&model);
  ask_qemu ("a", &model);
  steps (&model, "a", 50);
  change_snapshot ("c", "two", !(_i & 1));
  two = model_copy (&model);
  steps (&model, "a", 50);
  ask_qemu ("a", &model);
  change_snapshot ("a", "one", !(_i & 1));
  ask_qemu ("a", &one);
  block_check ("a", false);
  steps (&one, "a", 30);
  change_snapshot ("a", "two", _i & 1);
  ask_qemu ("a", &two);
  steps (&two, "a", 30);
  change_snapshot ("d", "one", _i & 1);
  ask_qemu ("a", &two);
  change_snapshot ("d", "two", !(_i & 1));
  ask_qemu ("a", &two);
  steps (&two, "a", 30);
  ask_qemu ("a", &two);
  model_free (&model);
  model_free (&one);
  model_free (&two);
}
END_TEST

START_TEST (test_vm_state)
{
  uint8_t state[100000];
  Model model = model_new (DISK);
  block_create ("a", "qcow2", DISK, "cluster_size=4k");
  steps (&model, "a", 30);
  Image *image = block_open ("a");
  memset (state, 0x77, sizeof state);
  ck_assert_int_eq (qcow2_vm_state_write (image->state, 0, state, sizeof state), 0);
  ck_assert_int_eq (qcow2_snapshot_create (image->state, "running", sizeof state, 12345678), 0);
  block_close (image);
  ask_qemu ("a", &model);
  ck_assert_int_eq (block_run ("qemu-img snapshot -l a | grep -q 'running.*97.7 KiB'"), 0);
  ck_assert_int_eq (block_run ("qemu-img snapshot -a running a"), 0);
  ask_qemu ("a", &model);
  model_free (&model);
}
END_TEST

/* A bitmap's clusters are not leaks until we write: then it is not to be trusted any more, and QEMU, too, takes them for leaked. */
START_TEST (test_bitmaps)
{
  Model model = model_new (DISK);
  block_create ("a", "qcow2", DISK, NULL);
  ck_assert_int_eq (block_run ("qemu-img bitmap --add a b0 && qemu-io -f qcow2 -c 'write -q 0 1M' a"), 0);
  load (&model, "a");
  block_check ("a", false);
  Image *image = block_open ("a");
  for (unsigned i = 0; i < 30; i++)
    model_step (&model, image, block_rand);
  block_close (image);
  block_check ("a", true);
  ck_assert_int_eq (block_run ("qemu-img check -q a >log 2>&1"), 3);
  image = block_open_with ("a", (ImageOptions) { .for_check = true });
  BpImageCheck check = { 0 };
  ck_assert (qcow2_check (image->state, IMAGE_CHECK_LEAKS, &check));
  ck_assert (check.leaks_fixed && !check.leaks);
  block_close (image);
  ask_qemu ("a", &model);
  model_free (&model);
}
END_TEST

/* Both keep the other from writing. */
START_TEST (test_locks)
{
  block_create ("a", "qcow2", DISK, NULL);
  Image *image = block_open ("a");
  ck_assert_int_ne (block_run ("qemu-img info a >log 2>&1"), 0);
  ck_assert_int_eq (block_run ("grep -q lock log"), 0);
  block_close (image);
  image = block_open_with ("a", (ImageOptions) { .read_only = true, .lock = true });
  ck_assert_int_eq (block_run ("qemu-img info a >log 2>&1"), 0);
  ck_assert_int_ne (block_run ("qemu-io -c 'write 0 512' a >log 2>&1"), 0);
  block_close (image);
  ck_assert_int_eq (block_run ("qemu-io -c 'write -q 0 512' -c 'sleep 1500' a & sleep 0.7"), 0);
  g_autofree char *message = block_refused ("a", (ImageOptions) { .lock = true });
  ck_assert_msg (strstr (message, "`a` is in use"), "%s", message);
  g_free (block_refused ("a", (ImageOptions) { .read_only = true, .lock = true }));
  block_close (block_open_with ("a", (ImageOptions) { .read_only = true }));
  ck_assert_int_eq (block_run ("sleep 1.5"), 0);
}
END_TEST

int
main (void)
{
  if (!block_has_qemu_img ()) {
    puts ("skipped: qemu-img and qemu-io are not installed (package qemu-utils)");
    return 77;
  }
  Suite *suite = suite_create ("qemu-img");
  TCase *tc = tcase_create ("all");
  tcase_add_checked_fixture (tc, block_enter, block_leave);
  tcase_set_timeout (tc, 60);
  tcase_add_loop_test (tc, test_ours, 0, G_N_ELEMENTS (formats));
  tcase_add_loop_test (tc, test_theirs, 0, G_N_ELEMENTS (formats));
  tcase_add_loop_test (tc, test_compressed, 0, 6);
  tcase_add_loop_test (tc, test_backing, 0, 2);
  tcase_add_loop_test (tc, test_snapshots, 0, 6);
  tcase_add_test (tc, test_vm_state);
  tcase_add_test (tc, test_bitmaps);
  tcase_add_test (tc, test_locks);
  suite_add_tcase (suite, tc);
  return suite_run (suite);
}
