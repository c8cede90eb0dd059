/* test-block-faults.c -- raw and qcow2 images on a host whose calls fail: errors are told, nothing that was flushed is lost, images stay whole. */
/* SPDX-License-Identifier: MIT */
#include "block/block-test.h"
#include "sweep.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define SECTORS 4096u           /* of the disk: 2 MiB */
#define VALUES 16u              /* that a sector may have at once */

/* --- the model: what each sector may hold ------------------------------------------------------------------ */

typedef struct Sector {
  uint32_t value[VALUES];       /* a sector is filled with one; what is on the disk is one of them */
  uint8_t n;
  bool unsure;                  /* also for the program: a write of it failed */
} Sector;

static Sector disk[SECTORS], kept[2][SECTORS];
static uint32_t stamp;
static unsigned n_errors;       /* that were reported */
static Image *image;
static ImageOptions options;

static void
note (Sector *s, uint32_t value, bool good)
{
  if (s->n < VALUES)
    s->value[s->n++] = value;
  else
    s->value[VALUES - 1] = value, s->unsure = true;
  s->unsure = s->unsure ? !good : !good;
}

static void
note_range (uint32_t first, uint32_t n, uint32_t value, int code)
{
  for (uint32_t i = first; i < first + n; i++)
    note (&disk[i], value, !code);
  n_errors += code != 0;
}

/* What was acknowledged is what is there, and nothing older. */
static void
note_flush (int code)
{
  n_errors += code != 0;
  for (uint32_t i = 0; i < SECTORS && !code; i++)
    if (!disk[i].unsure && disk[i].n) {
      disk[i].value[0] = disk[i].value[disk[i].n - 1];
      disk[i].n = 1;
    }
}

static void
fill (uint8_t *bytes, uint32_t n, uint32_t value)
{
  for (uint32_t i = 0; i < n * 128; i++)
    memcpy (bytes + i * 4, &value, 4);
}

static void
check_sector (const Sector *s, uint32_t number, const uint8_t *bytes, bool now)
{
  uint32_t value;
  memcpy (&value, bytes, 4);
  ck_assert_msg (memcmp (bytes, bytes + 4, 508) == 0 || s->unsure, "sector %u is torn", number);
  if (now && !s->unsure) {
    ck_assert_msg (value == s->value[s->n - 1], "sector %u holds %u, and %u was written", number, value, s->value[s->n - 1]);
    return;
  }
  for (unsigned i = 0; i < s->n; i++)
    if (s->value[i] == value)
      return;
  ck_abort_msg ("sector %u holds %u, which is none of %u values up to %u", number, value, s->n, s->value[s->n - 1]);
}

static void
check_disk (Image *of, const Sector *model, bool now)
{
  uint32_t n = (uint32_t) MIN (SECTORS, of->size / 512);
  g_autofree uint8_t *bytes = g_malloc (SECTORS * 512);
  ck_assert_int_eq (image_read (of, 0, bytes, n * 512), 0);
  for (uint32_t i = 0; i < n; i++)
    check_sector (&model[i], i, bytes + i * 512, now);
}

/* --- what a guest does ------------------------------------------------------------------------------------- */

static void
do_write (uint32_t first, uint32_t n)
{
  g_autofree uint8_t *bytes = g_malloc (n * 512);
  fill (bytes, n, ++stamp);
  note_range (first, n, stamp, image_write (image, (uint64_t) first * 512, bytes, n * 512));
}

static void
do_zero (uint32_t first, uint32_t n, bool unmap)
{
  note_range (first, n, 0, image_zero (image, (uint64_t) first * 512, (uint64_t) n * 512, unmap));
}

/* What was discarded is read, and is what there is from then on. */
static void
do_discard (uint32_t first, uint32_t n)
{
  note_range (first, n, 0, image_discard (image, (uint64_t) first * 512, (uint64_t) n * 512));
  for (uint32_t i = first; i < first + n; i++)
    disk[i].unsure = true;
}

static void
do_read (uint32_t first, uint32_t n)
{
  g_autofree uint8_t *bytes = g_malloc (n * 512);
  int code = image_read (image, (uint64_t) first * 512, bytes, n * 512);
  n_errors += code != 0;
  for (uint32_t i = 0; i < n && !code; i++)
    check_sector (&disk[first + i], first + i, bytes + i * 512, true);
}

static void
do_flush (void)
{
  note_flush (image_flush (image));
}

static void
do_some (uint32_t seed)
{
  for (uint32_t i = 0; i < 10; i++) {
    uint32_t at = (seed + i) * 2654435761u >> 20 & (SECTORS - 1), n = MIN (SECTORS - at, 1 + (seed + i) * 7 % 40);
    switch ((seed + i) % 5) {
    case 0: case 1: do_write (at, n); break;
    case 2: do_zero (at, n, i & 1); break;
    case 3: do_discard (at, n); break;
    default: do_read (at, n);
    }
  }
}

/* --- images ------------------------------------------------------------------------------------------------ */

static const char *format, *create_options;

static void
begin (void)
{
  memset (disk, 0, sizeof disk);
  for (uint32_t i = 0; i < SECTORS; i++)
    disk[i].n = 1;
  n_errors = stamp = 0;
  options = (ImageOptions) { .unmap = true, .lock = true, .quiet = true, .format = format };
}

static void
prepare (void)
{
  begin ();
  block_create ("a", format, SECTORS * 512, create_options);
}

static bool
open_it (void)
{
  g_autoptr (GError) error = NULL;
  image = image_open ("a", &options, &error);
  if (!image) {
    ck_assert (error != NULL);
    ck_assert_msg (strstr (error->message, "`a`") || strstr (error->message, "backplane-"), "no file in: %s", error->message);
    n_errors++;
  }
  return image;
}

static void
close_it (void)
{
  g_autoptr (GError) error = NULL;
  bool good = image_close (image, &error);
  ck_assert (good == !error);
  image = NULL;
  note_flush (!good);
}

/* Whatever failed: the image opens, is whole, has what was flushed, and can be written. */
static void
verify_image (void)
{
  bool qcow2 = strcmp (format, "qcow2") == 0;
  if (qcow2)
    block_check ("a", true);
  options = (ImageOptions) { .unmap = true, .lock = true, .format = format };
  image = block_open_with ("a", options);
  check_disk (image, disk, false);
  n_errors = 0;
  do_write (77, 200);
  do_flush ();
  do_read (77, 200);
  ck_assert_uint_eq (n_errors, 0);
  block_close (image);
  if (qcow2)
    block_check ("a", true);
}

/* What a caller need not know of is not reported; what could not be done is. */
static void
check_reports (const SweepFault *f, uint32_t failed)
{
  if (!f) {
    ck_assert_uint_eq (n_errors, 0);
  } else if (failed) {
    bool harmless = f->fault == EINTR || f->fault == INJECT_SHORT || f->fault == EOPNOTSUPP;
    bool must = f->n == INJECT_FOREVER && (f->kind == INJECT_WRITE || f->kind == INJECT_FLUSH) && !harmless;
    ck_assert_msg (!harmless || !n_errors, "%u errors", n_errors);
    ck_assert_msg (!must || n_errors, "no error was reported");
  }
}

static void
verify (const SweepFault *f, uint32_t failed)
{
  check_reports (f, failed);
  verify_image ();
}

static const SweepFault faults[] = {
  { INJECT_OPEN, EMFILE, 1 }, { INJECT_READ, EIO, 1 }, { INJECT_READ, EIO, INJECT_FOREVER }, { INJECT_READ, EINTR, 1 }, { INJECT_READ, INJECT_SHORT, INJECT_FOREVER },
  { INJECT_WRITE, EIO, 1 }, { INJECT_WRITE, ENOSPC, INJECT_FOREVER }, { INJECT_WRITE, EINTR, 1 }, { INJECT_WRITE, INJECT_SHORT, INJECT_FOREVER },
  { INJECT_FLUSH, EIO, 1 }, { INJECT_FLUSH, EIO, INJECT_FOREVER }, { INJECT_FLUSH, EINTR, 1 }, { INJECT_SPACE, EIO, 1 }, { INJECT_SPACE, ENOSPC, INJECT_FOREVER },
  { INJECT_SPACE, EINTR, 1 }, { INJECT_SEEK, EIO, 1 }, { INJECT_SEEK, EIO, INJECT_FOREVER }, { INJECT_STAT, EIO, 1 }, { INJECT_LOCK, EIO, 1 }, { INJECT_LOCK, EINTR, 1 }
};

static void
sweep_all (const SweepScenario *s, unsigned most)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (faults); i++)
    sweep (s, faults[i].kind == INJECT_OPEN ? "" : "backplane-", most, &faults[i], 1);
}

/* --- reading and writing ------------------------------------------------------------------------------------ */

static void
run_io (void)
{
  if (!open_it ())
    return;
  for (uint32_t round = 0; round < 3; round++) {
    do_some (round * 31);
    do_flush ();
  }
  do_some (99);
  close_it ();
}

static const struct {
  const char *format, *options;
} images[] = {
  { "raw", NULL },
  { "qcow2", "cluster_size=4k" },
  { "qcow2", "cluster_size=64k,refcount_bits=1" },
  { "qcow2", "cluster_size=512,refcount_bits=64" },
  { "qcow2", "cluster_size=4k,compat=0.10" },
};

START_TEST (test_io)
{
  const SweepScenario s = { images[_i].options ? images[_i].options : "raw", prepare, run_io, verify };
  format = images[_i].format;
  create_options = images[_i].options;
  sweep_all (&s, 5);
}
END_TEST

/* Over a raw image that has contents of its own. */
static void
prepare_overlay (void)
{
  g_autofree uint8_t *bytes = g_malloc (SECTORS * 512);
  begin ();
  format = NULL;
  block_create ("base", "raw", SECTORS * 512, NULL);
  for (uint32_t i = 0; i < SECTORS; i++)
    fill (bytes + i * 512, 1, disk[i].value[0] = 1000000 + i);
  block_poke ("base", 0, bytes, SECTORS * 512);
  block_create_over ("a", "base", "raw", "cluster_size=4k");
  options.format = format = "qcow2";
}

START_TEST (test_overlay)
{
  static const SweepScenario s = { "an overlay", prepare_overlay, run_io, verify };
  sweep_all (&s, 5);
}
END_TEST

/* With snapshot = on nothing comes to the image. */
static void
run_temporary (void)
{
  options.snapshot = true;
  if (!open_it ())
    return;
  do_some (0);
  do_flush ();
  do_some (31);
  close_it ();
}

static void
verify_temporary (const SweepFault *f, uint32_t failed)
{
  if (f && f->kind == INJECT_FLUSH)
    ck_assert_uint_eq (n_errors, 0);
  else
    check_reports (f, failed);
  prepare_overlay ();
  block_check ("a", false);
}

START_TEST (test_temporary)
{
  static const SweepScenario s = { "a temporary overlay", prepare_overlay, run_temporary, verify_temporary };
  sweep_all (&s, 5);
}
END_TEST

/* --- snapshots and machines' states -------------------------------------------------------------------------- */

#define STATE_BYTES 20000u
static int have[2];             /* whether a snapshot is there: 0, 1, or -1 for unknown */

static bool
has (const char *name)
{
  return qcow2_snapshot_find (image->state, name);
}

static void
do_create (unsigned i, const char *name, uint64_t state_size)
{
  int code = qcow2_snapshot_create (image->state, name, state_size, 0);
  n_errors += code != 0;
  have[i] = code ? -1 : 1;
  memcpy (kept[i], disk, sizeof disk);
  if (!code) {
    note_flush (0);
    memcpy (kept[i], disk, sizeof disk);
  }
}

static void
do_delete (unsigned i, const char *name)
{
  if (!has (name))
    return;
  int code = qcow2_snapshot_delete (image->state, name);
  n_errors += code != 0;
  have[i] = code ? -1 : 0;
}

static void
do_apply (unsigned i, const char *name)
{
  if (!has (name))
    return;
  int code = qcow2_snapshot_apply (image->state, name);
  n_errors += code != 0;
  for (uint32_t k = 0; k < SECTORS; k++) {
    const Sector *s = &kept[i][k];
    if (!code) {
      disk[k] = *s;
      continue;
    }
    for (unsigned v = 0; v < s->n; v++)
      note (&disk[k], s->value[v], false);
  }
}

static void
do_state (void)
{
  g_autofree uint8_t *bytes = g_malloc (STATE_BYTES);
  memset (bytes, 0x5a, STATE_BYTES);
  int code = qcow2_vm_state_clear (image->state);
  for (uint64_t at = 0; at < STATE_BYTES && !code; at += 5000)
    code = qcow2_vm_state_write (image->state, at, bytes, 5000);
  n_errors += code != 0;
  if (!code)
    do_create (1, "two", STATE_BYTES);
}

static void
prepare_snapshots (void)
{
  prepare ();
  image = block_open ("a");
  do_some (0);
  block_close (image);
  for (uint32_t i = 0; i < SECTORS; i++)
    if (disk[i].unsure)         /* discarded: as zeros, since nothing is behind it, or as it was */
      disk[i].unsure = true;
  have[0] = have[1] = 0;
}

static void
run_snapshots (void)
{
  if (!open_it ())
    return;
  do_create (0, "one", 0);
  do_some (31);
  do_state ();
  do_some (62);
  do_apply (0, "one");
  do_some (93);
  do_delete (1, "two");
  do_some (124);
  close_it ();
}

static void
verify_snapshot (unsigned i, const char *name)
{
  image = block_open_with ("a", (ImageOptions) { .unmap = true, .format = format });
  bool there = has (name);
  ck_assert_msg (have[i] < 0 || have[i] == there, "snapshot %s is%s there", name, there ? "" : " not");
  if (there && i == 1) {
    g_autofree uint8_t *bytes = g_malloc0 (STATE_BYTES);
    ck_assert_int_eq (qcow2_vm_state_read_of (image->state, name, 0, bytes, STATE_BYTES), 0);
    ck_assert (bytes[0] == 0x5a && memcmp (bytes, bytes + 1, STATE_BYTES - 1) == 0);
  }
  if (there) {
    ck_assert_int_eq (qcow2_snapshot_apply (image->state, name), 0);
    check_disk (image, kept[i], false);
    ck_assert_int_eq (qcow2_snapshot_delete (image->state, name), 0);
  }
  block_close (image);
  block_check ("a", true);
}

static void
verify_snapshots (const SweepFault *f, uint32_t failed)
{
  check_reports (f, failed);
  verify_image ();
  verify_snapshot (0, "one");
  verify_snapshot (1, "two");
}

START_TEST (test_snapshots)
{
  static const char *const list[] = { "cluster_size=4k", "cluster_size=512", "cluster_size=64k" };
  const SweepScenario s = { "snapshots", prepare_snapshots, run_snapshots, verify_snapshots };
  format = "qcow2";
  create_options = list[_i];
  sweep_all (&s, 5);
}
END_TEST

/* --- sizes ---------------------------------------------------------------------------------------------------- */

static uint64_t sizes[4];

static void
do_resize (uint64_t size)
{
  uint64_t old = image->size;
  int code = image_resize (image, size);
  n_errors += code != 0;
  if (code)                     /* a shorter disk may be so although what was behind its end could not be given back */
    ck_assert (image->size == old || (size < old && image->size == size));
  for (uint64_t i = size / 512; i < SECTORS; i++)
    if (!code)
      disk[i] = (Sector) { .n = 1 };
    else if (size < old)
      note (&disk[i], 0, false);
}

static void
run_resize (void)
{
  if (!open_it ())
    return;
  do_some (0);
  do_flush ();
  do_resize (3 * SECTORS * 512);
  do_write (SECTORS - 64, 64);
  do_resize (SECTORS * 256);
  do_resize (SECTORS * 512);
  if (image->size >= SECTORS * 512)
    do_some (31);
  close_it ();
}

static void
verify_resize (const SweepFault *f, uint32_t failed)
{
  check_reports (f, failed);
  image = block_open_with ("a", (ImageOptions) { .unmap = true, .format = format });
  sizes[0] = image->size;
  ck_assert (sizes[0] == SECTORS * 512 || sizes[0] == SECTORS * 256 || sizes[0] == 3 * SECTORS * 512);
  check_disk (image, disk, false);
  if (sizes[0] < SECTORS * 512) {
    ck_assert_int_eq (image_resize (image, SECTORS * 512), 0);
    for (uint32_t i = SECTORS / 2; i < SECTORS; i++)
      disk[i] = (Sector) { .n = 1 };
  }
  block_close (image);
  verify_image ();
}

START_TEST (test_resize)
{
  const SweepScenario s = { "resize", prepare, run_resize, verify_resize };
  format = images[_i].format;
  create_options = images[_i].options;
  sweep_all (&s, 5);
}
END_TEST

/* --- memory --------------------------------------------------------------------------------------------------- */

static void
prepare_large (void)
{
  prepare_snapshots ();
  inject_page->least = 100000;  /* what a file's cluster decides, and not what a request does */
}

/* What could not be done is told, and the program goes on. */
static void
run_large (void)
{
  run_snapshots ();
  if (open_it ()) {
    do_resize (SECTORS * 512 + (UINT64_C (1) << 40));
    close_it ();
  }
}

static void
verify_large (const SweepFault *f, uint32_t failed)
{
  ck_assert (f || !n_errors);
  ck_assert (!failed || n_errors);
  verify_image ();
  verify_snapshot (0, "one");
}

START_TEST (test_memory)
{
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
  fprintf (stderr, "memory: skipped, a sanitizer has malloc\n");
  return;
#endif
  static const SweepScenario s = { "memory", prepare_large, run_large, verify_large };
  static const SweepFault memory[] = { { INJECT_MEMORY, ENOMEM, 1 }, { INJECT_MEMORY, ENOMEM, INJECT_FOREVER } };
  format = "qcow2";
  create_options = "cluster_size=2M";
  sweep (&s, "", 10, memory, 2);
}
END_TEST

/* --- making images ---------------------------------------------------------------------------------------------- */

static void
prepare_new (void)
{
  begin ();
  g_unlink ("a");
  block_create ("base", "raw", SECTORS * 512, NULL);
}

static bool made;

static void
run_new (void)
{
  g_autoptr (GError) error = NULL;
  bool qcow2 = strcmp (format, "qcow2") == 0;
  ImageNew new = { .format = format, .size = SECTORS * 512, .backing = qcow2 ? "base" : NULL, .backing_format = "raw" };
  ck_assert (image_new_options (&new, NULL, NULL));
  made = image_create ("a", &new, &error);
  ck_assert (made == !error);
  ck_assert_msg (made || strstr (error->message, "`a`") || strstr (error->message, "`base`"), "no file in: %s", error->message);
  n_errors = !made;
}

static void
verify_new (const SweepFault *f, uint32_t failed)
{
  check_reports (f, failed);
  if (made)
    verify_image ();
}

START_TEST (test_new)
{
  const SweepScenario s = { "a new image", prepare_new, run_new, verify_new };
  format = _i ? "qcow2" : "raw";
  sweep_all (&s, 5);
}
END_TEST

int
main (void)
{
  const SweepTest tests[] = { { test_io, G_N_ELEMENTS (images) }, { test_overlay, 1 }, { test_temporary, 1 }, { test_snapshots, 3 },
                              { test_resize, G_N_ELEMENTS (images) }, { test_new, 2 }, { test_memory, 1 } };
  return sweep_run ("block faults", block_enter, block_leave, tests, G_N_ELEMENTS (tests));
}
