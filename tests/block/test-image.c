/* test-image.c -- image files: formats found out, locks, what raw images refuse, files past the page cache. */
/* SPDX-License-Identifier: MIT */
#include "block-test.h"
#include "../suite.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define DISK (1u << 20)

static void
expect (char *message, const char *part)
{
  ck_assert_msg (strstr (message, part), "%s", message);
  g_free (message);
}

/* --- formats ------------------------------------------------------------------------------------------ */

START_TEST (test_probe)
{
  block_create ("raw", "raw", DISK, NULL);
  block_create ("qcow2", "qcow2", DISK, NULL);
  Image *image = block_open ("raw");
  ck_assert (image->format == &format_raw && image->guessed);
  block_close (image);
  image = block_open_with ("raw", (ImageOptions) { .format = "raw" });
  ck_assert (!image->guessed);
  block_close (image);
  image = block_open_with ("qcow2", (ImageOptions) { .format = "auto" });
  ck_assert (image->format == &format_qcow2);
  ck_assert_uint_eq (image->size, DISK);
  block_close (image);
  image = block_open_with ("qcow2", (ImageOptions) { .format = "raw" });
  ck_assert_uint_ne (image->size, DISK);
  block_close (image);
  expect (block_refused ("raw", (ImageOptions) { .format = "qcow2" }), "qcow2 header: there is none");
  expect (block_refused ("raw", (ImageOptions) { .format = "vmdk" }), "no format `vmdk`");
  expect (block_refused ("nothing", (ImageOptions) { 0 }), "`nothing`");
  expect (block_refused (".", (ImageOptions) { .read_only = true }), "neither a file nor a block device");
}
END_TEST

START_TEST (test_others_formats)
{
  static const char *const heads[][2] = { { "KDMV", "vmdk" }, { "QED", "qed" }, { "vhdxfile", "vhdx" }, { "QFI\xfb", "qcow" }, { "LUKS\xba\xbe", "luks" } };
  block_create ("a", "raw", DISK, NULL);
  block_poke ("a", 0, heads[_i][0], strlen (heads[_i][0]));
  g_autofree char *looks = g_strdup_printf ("`a` looks like %s", heads[_i][1]);
  expect (block_refused ("a", (ImageOptions) { 0 }), looks);
  block_close (block_open_with ("a", (ImageOptions) { .format = "raw" }));
}
END_TEST

/* The guest of an image that was taken for raw cannot make it anything else. */
START_TEST (test_guest_header)
{
  uint8_t sectors[1536] = { 0 }, back[512];
  memcpy (sectors, "QFI\xfb\0\0\0\3", 8);
  block_create ("a", "raw", DISK, NULL);
  Image *image = block_open ("a");
  ck_assert_int_eq (image_write (image, 0, sectors, 512), EIO);
  ck_assert_int_eq (image_write (image, 0, sectors, sizeof sectors), EIO);
  ck_assert_int_eq (image_write (image, 512, sectors, 512), 0);
  ck_assert_int_eq (image_read (image, 0, back, 512), 0);
  ck_assert (image_is_zero (back, 512));
  sectors[0] = 0xeb;
  ck_assert_int_eq (image_write (image, 0, sectors, 512), 0);
  block_close (image);
  image = block_open_with ("a", (ImageOptions) { .format = "raw" });
  sectors[0] = 'Q';
  ck_assert_int_eq (image_write (image, 0, sectors, 512), 0);
  block_close (image);
}
END_TEST

START_TEST (test_ranges)
{
  uint8_t bytes[1024] = { 0 };
  block_create ("a", _i ? "raw" : "qcow2", DISK, NULL);
  Image *image = block_open ("a");
  ck_assert_int_eq (image_read (image, DISK - 512, bytes, 512), 0);
  ck_assert_int_eq (image_read (image, DISK - 512, bytes, 1024), EINVAL);
  ck_assert_int_eq (image_write (image, DISK, bytes, 512), EINVAL);
  ck_assert_int_eq (image_write (image, UINT64_MAX - 511, bytes, 512), EINVAL);
  ck_assert_int_eq (image_zero (image, DISK - 512, UINT64_MAX - 511, true), EINVAL);
  ck_assert_int_eq (image_discard (image, DISK, 512), EINVAL);
  block_close (image);
}
END_TEST

/* --- raw images ---------------------------------------------------------------------------------------- */

static void
run_raw (ImageOptions options)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  Model model = model_new (DISK);
  block_create ("a", "raw", DISK, NULL);
  Image *image = block_open_with ("a", options);
  for (unsigned i = 0; i < 300; i++)
    model_step (&model, image, rand);
  model_compare (&model, image);
  ck_assert_int_eq (image_resize (image, DISK + 1536), 0);
  model_resize (&model, DISK + 1536);
  for (unsigned i = 0; i < 300; i++)
    model_step (&model, image, rand);
  block_close (image);
  GStatBuf st;
  ck_assert_int_eq (g_stat ("a", &st), 0);
  ck_assert_uint_eq ((uint64_t) st.st_size, DISK + 1536);
  image = block_open_with ("a", options);
  model_compare (&model, image);
  block_close (image);
  model_free (&model);
}

START_TEST (test_raw)
{
  run_raw ((ImageOptions) { .format = "raw", .unmap = _i });
}
END_TEST

START_TEST (test_direct)
{
  g_autoptr (GError) error = NULL;
  block_create ("probe", "raw", DISK, NULL);
  ImageOptions options = { .format = "raw", .direct = true, .unmap = true };
  Image *image = image_open ("probe", &options, &error);
  if (!image) {                 /* some file systems have no O_DIRECT */
    ck_assert_msg (strstr (error->message, "cache = none"), "%s", error->message);
    return;
  }
  block_close (image);
  run_raw (options);
  block_create ("q", "qcow2", DISK, "cluster_size=512");
  image = block_open_with ("q", (ImageOptions) { .direct = true });
  g_autoptr (GRand) rand = g_rand_new_with_seed (8);
  Model model = model_new (DISK);
  for (unsigned i = 0; i < 100; i++)
    model_step (&model, image, rand);
  block_close (image);
  block_check ("q", false);
  image = block_open ("q");
  model_compare (&model, image);
  block_close (image);
  model_free (&model);
}
END_TEST

/* --- locks --------------------------------------------------------------------------------------------- */

/* A part of a block that is written makes the whole block be read and written back: not over zeros that were made meanwhile. */
static gpointer
write_begin (gpointer user)
{
  uint8_t data[256] = { 1 };
  int code = 0;
  for (unsigned i = 0; i < 20000 && !code; i++)
    code = image_file_write (user, 0, data, sizeof data);
  return GINT_TO_POINTER (code);
}

START_TEST (test_direct_zeros)
{
  uint8_t end[256], back[256];
  block_create ("a", "raw", DISK, NULL);
  ImageFile *file = image_file_open ("a", IMAGE_FILE_WRITE | IMAGE_FILE_DIRECT, NULL);
  if (!file || image_file_zero (file, 0, 512, true)) {
    image_file_close (file);
    return;                     /* no O_DIRECT, or no holes */
  }
  memset (end, 0x55, sizeof end);
  GThread *other = g_thread_new ("writes", write_begin, file);
  for (unsigned i = 0; i < 2000; i++) {
    ck_assert_int_eq (image_file_write (file, 256, end, sizeof end), 0);
    ck_assert_int_eq (image_file_zero (file, 256, sizeof end, true), 0);
    ck_assert_int_eq (image_file_read (file, 256, back, sizeof back), 0);
    ck_assert (image_is_zero (back, sizeof back));
  }
  ck_assert_ptr_null (g_thread_join (other));
  image_file_close (file);
}
END_TEST

START_TEST (test_locks)
{
  ImageOptions reader = { .read_only = true, .lock = true }, writer = { .lock = true };
  block_create ("a", "qcow2", DISK, NULL);
  Image *one = block_open_with ("a", writer);
  expect (block_refused ("a", writer), "`a` is in use");
  expect (block_refused ("a", reader), "writes to it");
  block_close (block_open_with ("a", (ImageOptions) { .read_only = true }));    /* who does not ask is not kept out */
  block_close (one);
  one = block_open_with ("a", reader);
  Image *two = block_open_with ("a", reader);
  expect (block_refused ("a", writer), "cannot be written");
  block_close (one);
  block_close (two);
  block_close (block_open_with ("a", writer));
}
END_TEST

/* A file that is somebody's backing file cannot be written meanwhile. */
START_TEST (test_backing_lock)
{
  block_create ("base", "raw", DISK, NULL);
  block_create_over ("a", "base", "raw", NULL);
  block_create_over ("b", "base", "raw", NULL);
  Image *a = block_open ("a"), *b = block_open ("b");
  expect (block_refused ("base", (ImageOptions) { .lock = true }), "`base` is in use");
  block_close (a);
  block_close (b);
}
END_TEST

/* --- new images ---------------------------------------------------------------------------------------- */

START_TEST (test_options)
{
  static const char *const wrong[] = { "cluster_size=3k", "cluster_size=4M", "cluster_size=256", "refcount_bits=3", "refcount_bits=128", "compat=0.9",
                                       "compat=0.10,refcount_bits=8", "preallocation=full", "colour=red", "lazy_refcounts=maybe", "cluster_size=-4" };
  g_auto (GStrv) list = g_strsplit (wrong[_i], ",", -1);
  g_autoptr (GError) error = NULL;
  ImageNew new = { .format = "qcow2", .size = DISK };
  ck_assert (!image_new_options (&new, (const char *const *) list, &error));
  ck_assert (error != NULL);
}
END_TEST

START_TEST (test_sizes)
{
  static const struct { const char *text; uint64_t size; } good[] = { { "0", 0 }, { "512", 512 }, { "4k", 4096 }, { "4K", 4096 }, { "3M", 3 << 20 },
                                                                     { "7E", UINT64_C (7) << 60 } };
  static const char *const bad[] = { "", "k", "-1", "1x", "1kk", "16E", "99999999999999999999" };
  uint64_t size;
  for (unsigned i = 0; i < G_N_ELEMENTS (good); i++)
    ck_assert (image_parse_size (good[i].text, &size) && size == good[i].size);
  for (unsigned i = 0; i < G_N_ELEMENTS (bad); i++)
    ck_assert_msg (!image_parse_size (bad[i], &size), "%s", bad[i]);
}
END_TEST

/* A file that loses its end while it is open: what is gone fails, and does not read as zeros. */
START_TEST (test_cut_short)
{
  g_autofree uint8_t *bytes = g_malloc (DISK);
  memset (bytes, 0x77, DISK);
  block_create ("a", _i ? "raw" : "qcow2", DISK, NULL);
  Image *image = block_open ("a");
  ck_assert_int_eq (image_write (image, 0, bytes, DISK), 0);
  block_close (image);
  image = block_open_with ("a", (ImageOptions) { .read_only = true });
  ck_assert_int_eq (truncate ("a", _i ? DISK / 2 + 512 : DISK / 2), 0);
  ck_assert_int_eq (image_read (image, 0, bytes, 65536), 0);
  ck_assert_uint_eq (bytes[65535], 0x77);
  ck_assert_int_eq (image_read (image, DISK - 65536, bytes, 512), EIO);
  if (_i) {
    ck_assert_int_eq (image_read (image, DISK / 2, bytes, 512), 0);
    ck_assert_int_eq (image_read (image, DISK / 2, bytes, 1024), EIO);
  }
  block_close (image);
}
END_TEST

/* Memory in pieces of any size, on images of every kind of cluster, against the same in one piece. */
START_TEST (test_spans)
{
  static const char *const options[] = { NULL, NULL, "cluster_size=4k", NULL };
  g_autoptr (GRand) rand = g_rand_new_with_seed ((guint32) _i);
  g_autofree uint8_t *memory = g_malloc (2 * DISK), *flat = g_malloc (DISK);
  Model model = model_new (DISK);
  block_create ("a", _i == 0 ? "raw" : "qcow2", DISK, options[_i]);
  Image *image = block_open_with ("a", (ImageOptions) { .direct = _i == 3 });
  for (unsigned round = 0; round < 300; round++) {
    uint64_t offset = (uint64_t) g_rand_int_range (rand, 0, DISK / 512) * 512, size = (uint64_t) g_rand_int_range (rand, 1, DISK / 512 + 1) * 512;
    struct iovec iov[64];
    unsigned n = 0;
    uint64_t left = size = MIN (size, DISK - offset);
    for (uint8_t *at = memory; left; n++) {
      uint64_t part = (uint64_t) MAX (0, g_rand_int_range (rand, -4000, 40000));        /* some have no bytes */
      part = n == 63 || part > left ? left : part;
      iov[n] = (struct iovec) { at, part };
      at += part + (uint64_t) g_rand_int_range (rand, 0, 3);
      left -= part;
    }
    ImageSpan span = { iov, n, 0 };
    if (g_rand_boolean (rand)) {
      for (unsigned i = 0; i < n; i++)
        memset (iov[i].iov_base, g_rand_int_range (rand, 0, 256), iov[i].iov_len);
      ImageSpan copy = span;
      image_span_load (&copy, model.bytes + offset, size);
      ck_assert_int_eq (image_write_span (image, offset, &span, size), 0);
    } else {
      ImageSpan copy = span;
      ck_assert_int_eq (image_read_span (image, offset, &span, size), 0);
      image_span_load (&copy, flat, size);
      ck_assert_int_eq (memcmp (flat, model.bytes + offset, size), 0);
    }
    uint8_t *end;
    ck_assert_uint_eq (image_span_piece (&span, &end), 0);
  }
  model_compare (&model, image);
  block_close (image);
  model_free (&model);
}
END_TEST

START_TEST (test_backing_names)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *a = image_backing_path ("d/e", "b", NULL), *b = image_backing_path ("d/e", "/b", NULL), *c = image_backing_path ("e", "file:x/b", NULL);
  ck_assert_str_eq (a, "d/b");
  ck_assert_str_eq (b, "/b");
  ck_assert_str_eq (c, "x/b");
  ck_assert (!image_backing_path ("e", "nbd://host/x", &error));
  ck_assert (strstr (error->message, "not a file of this host"));
  ck_assert (!image_backing_path ("e", "json:{}", NULL));
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("image");
  TCase *tc = tcase_create ("all");
  tcase_add_checked_fixture (tc, block_enter, block_leave);
  tcase_set_timeout (tc, 60);
  tcase_add_test (tc, test_probe);
  tcase_add_loop_test (tc, test_others_formats, 0, 5);
  tcase_add_test (tc, test_guest_header);
  tcase_add_loop_test (tc, test_ranges, 0, 2);
  tcase_add_loop_test (tc, test_raw, 0, 2);
  tcase_add_test (tc, test_direct);
  tcase_add_test (tc, test_direct_zeros);
  tcase_add_test (tc, test_locks);
  tcase_add_test (tc, test_backing_lock);
  tcase_add_loop_test (tc, test_options, 0, 11);
  tcase_add_test (tc, test_sizes);
  tcase_add_loop_test (tc, test_cut_short, 0, 2);
  tcase_add_loop_test (tc, test_spans, 0, 4);
  tcase_add_test (tc, test_backing_names);
  suite_add_tcase (suite, tc);
  return suite_run (suite);
}
