/* test-img-faults.c -- what `backplane img` does, on a host whose calls fail: errors name the file and the reason, no image is worse than before. */
/* SPDX-License-Identifier: MIT */
#include "block/block-test.h"
#include "block-backends/block-backends.h"
#include "sweep.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define DISK (1u << 20)

static bool good;               /* what the call said */
static uint8_t contents[DISK];

static const SweepFault faults[] = {
  { INJECT_OPEN, EMFILE, 1 }, { INJECT_READ, EIO, 1 }, { INJECT_READ, EIO, INJECT_FOREVER }, { INJECT_READ, INJECT_SHORT, INJECT_FOREVER }, { INJECT_WRITE, EIO, 1 },
  { INJECT_WRITE, ENOSPC, INJECT_FOREVER }, { INJECT_WRITE, INJECT_SHORT, INJECT_FOREVER }, { INJECT_FLUSH, EIO, 1 }, { INJECT_SPACE, ENOSPC, INJECT_FOREVER },
  { INJECT_SEEK, EIO, 1 }, { INJECT_STAT, EIO, 1 }, { INJECT_LOCK, EIO, 1 }
};

static void
sweep_all (const SweepScenario *s)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (faults); i++)
    sweep (s, faults[i].kind == INJECT_OPEN ? "" : "backplane-", 6, &faults[i], 1);
}

/* --- outcomes ------------------------------------------------------------------------------------------ */

static void
note (bool worked, GError *error)
{
  good = worked;
  ck_assert (worked == !error);
  if (error)
    ck_assert_msg (strstr (error->message, "`a`") || strstr (error->message, "`b`") || strstr (error->message, "`base`"), "no file in: %s", error->message);
  g_clear_error (&error);
}

static bool
is_harmless (const SweepFault *f, uint32_t failed)
{
  return !f || !failed || f->fault == INJECT_SHORT;
}

static bool
has_contents (const char *file, const char *format)
{
  static uint8_t bytes[DISK];
  Image *image = block_open_with (file, (ImageOptions) { .read_only = true, .format = format });
  bool same = image->size == DISK && image_read (image, 0, bytes, DISK) == 0 && memcmp (bytes, contents, DISK) == 0;
  block_close (image);
  return same;
}

static void
fill (const char *file)
{
  for (uint32_t i = 0; i < DISK; i++)
    contents[i] = (uint8_t) (i >> 15 & 1 ? 0 : 1 + i % 251);
  Image *image = block_open (file);
  ck_assert_int_eq (image_write (image, 0, contents, DISK), 0);
  block_close (image);
}

/* --- convert ------------------------------------------------------------------------------------------- */

static const char *from, *to;

static void
prepare_convert (void)
{
  g_unlink ("b");
  block_create ("a", from, DISK, NULL);
  fill ("a");
}

static void
run_convert (void)
{
  GError *error = NULL;
  bool worked = image_tool.convert ("a", from, "b", to, NULL, NULL, NULL, &error);
  note (worked, error);
}

/* An error, or a whole copy; what was copied is as it was. */
static void
verify_convert (const SweepFault *f, uint32_t failed)
{
  ck_assert (good || !is_harmless (f, failed));
  ck_assert (!good || has_contents ("b", to));
  ck_assert (has_contents ("a", from));
}

START_TEST (test_convert)
{
  static const SweepScenario s = { "convert", prepare_convert, run_convert, verify_convert };
  from = _i & 1 ? "qcow2" : "raw";
  to = _i & 2 ? "qcow2" : "raw";
  sweep_all (&s);
}
END_TEST

/* --- check --------------------------------------------------------------------------------------------- */

static unsigned repair;
static BpImageCheck check;

/* Leaked clusters (their refcounts have no user), or clusters whose refcounts are too low; and a snapshot, so that there is more to read. */
static void
prepare_check (void)
{
  block_create ("a", "qcow2", DISK, "cluster_size=4k");
  fill ("a");
  Image *image = block_open ("a");
  uint64_t block = ((Qcow2 *) image->state)->rt[0];
  ck_assert_int_eq (qcow2_snapshot_create (image->state, "s", 0, 0), 0);
  block_close (image);
  for (unsigned i = 400; i < 420 && repair == BP_IMAGE_REPAIR_LEAKS; i++)
    block_poke ("a", block + i * 2, "\0\1", 2);
  if (repair == BP_IMAGE_REPAIR_ALL)
    block_poke ("a", block + 20, "\0\0\0\0", 4);
}

static void
run_check (void)
{
  GError *error = NULL;
  check = (BpImageCheck) { .struct_size = sizeof check };
  bool worked = image_tool.check ("a", "qcow2", repair, &check, &error);
  note (worked, error);
  good &= !check.errors;
}

/* Nothing that has users lost its refcount: repaired, now or once the host is well, the image has its contents, and may be written. */
static void
verify_check (const SweepFault *f, uint32_t failed)
{
  ck_assert_msg (good || !is_harmless (f, failed), "errors: %u", (unsigned) check.errors);
  if (repair == BP_IMAGE_REPAIR_LEAKS) {
    block_check ("a", true);
  } else {
    BpImageCheck again = { .struct_size = sizeof again };
    ck_assert (image_tool.check ("a", "qcow2", repair, &again, NULL));
    ck_assert_uint_eq (again.errors + again.corruptions, 0);
  }
  ck_assert (has_contents ("a", "qcow2"));
  fill ("a");
  block_check ("a", true);
}

START_TEST (test_check)
{
  static const SweepScenario s = { "check", prepare_check, run_check, verify_check };
  repair = _i == 0 ? 0 : _i == 1 ? BP_IMAGE_REPAIR_LEAKS : BP_IMAGE_REPAIR_ALL;
  sweep_all (&s);
}
END_TEST

/* --- info ---------------------------------------------------------------------------------------------- */

static void
run_info (void)
{
  GError *error = NULL;
  BpImageInfo info = { .struct_size = sizeof info };
  bool worked = image_tool.info ("a", NULL, 0, &info, &error);
  note (worked, error);
  ck_assert (!worked || info.size == DISK);
}

static void
verify_info (const SweepFault *f, uint32_t failed)
{
  ck_assert (good || !is_harmless (f, failed));
  ck_assert (has_contents ("a", "qcow2"));
}

START_TEST (test_info)
{
  static const SweepScenario s = { "info", prepare_check, run_info, verify_info };
  repair = 0;
  sweep_all (&s);
}
END_TEST

/* --- resize -------------------------------------------------------------------------------------------- */

static int direction;

static void
prepare_resize (void)
{
  block_create ("a", from, DISK, NULL);
  fill ("a");
}

static void
run_resize (void)
{
  GError *error = NULL;
  bool worked = image_tool.resize ("a", from, direction, DISK / 2, direction < 0 ? BP_IMAGE_SHRINK : 0, &error);
  note (worked, error);
}

/* As long as before or as it is to be, with what was there; and the next attempt succeeds. */
static void
verify_resize (const SweepFault *f, uint32_t failed)
{
  static uint8_t bytes[DISK];
  ck_assert (good || !is_harmless (f, failed));
  if (strcmp (from, "qcow2") == 0)
    block_check ("a", true);
  Image *image = block_open_with ("a", (ImageOptions) { .format = from });
  uint64_t wanted = direction < 0 ? DISK / 2 : DISK + DISK / 2;
  ck_assert_msg (image->size == wanted || (!good && image->size == DISK), "%" G_GUINT64_FORMAT " bytes", image->size);
  ck_assert_int_eq (image_read (image, 0, bytes, MIN (image->size, DISK)), 0);
  ck_assert (memcmp (bytes, contents, MIN (image->size, DISK)) == 0);
  ck_assert_int_eq (image_resize (image, wanted), 0);
  block_close (image);
}

START_TEST (test_resize)
{
  static const SweepScenario s = { "resize", prepare_resize, run_resize, verify_resize };
  from = _i & 1 ? "qcow2" : "raw";
  direction = _i & 2 ? -1 : 1;
  sweep_all (&s);
}
END_TEST

int
main (void)
{
  const SweepTest tests[] = { { test_convert, 4 }, { test_check, 3 }, { test_info, 1 }, { test_resize, 4 } };
  return sweep_run ("img faults", block_enter, block_leave, tests, G_N_ELEMENTS (tests));
}
