/* fuzz-qcow2.c -- any bytes are a qcow2 image or are refused: read, written, checked and repaired without going outside of anything. */
/* SPDX-License-Identifier: MIT */
#include "block-backends/qcow2.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#define MOST (1u << 18)

static Image *
open_image (const char *name, bool writable, bool for_check)
{
  ImageOptions options = { .format = "qcow2", .read_only = !writable, .unsafe = true, .unmap = true, .no_backing = true, .for_check = for_check,
                           .quiet = true };
  return image_open (name, &options, NULL);
}

static void
read_some (Image *image)
{
  static uint8_t bytes[4096];
  for (uint64_t at = 0; at < MIN (image->size, 65536); at += sizeof bytes)
    image_read_padded (image, at, bytes, sizeof bytes);
  if (image->size > sizeof bytes)
    image_read (image, image->size - sizeof bytes, bytes, sizeof bytes);
}

static void
change_some (Image *image)
{
  static const uint8_t bytes[1536] = { 1, 2, 3 };
  for (uint64_t at = 0; at < 32768; at += 2560)
    image_write (image, at, bytes, sizeof bytes);
  image_zero (image, 0, MIN (image->size, 8192), true);
  image_discard (image, 0, MIN (image->size, 4096));
  image_flush (image);
  qcow2_snapshot_create (image->state, "new", 0, 0);
  image_write (image, 0, bytes, sizeof bytes);
  qcow2_snapshot_apply (image->state, "1");
  qcow2_snapshot_delete (image->state, "1");
}

/* Tables may be as large as the file says: what it takes is bounded by what there is of it. */
static void
run (const char *name)
{
  Image *image = open_image (name, false, false);
  if (!image)
    return;
  read_some (image);
  image_close (image, NULL);
  image = open_image (name, false, true);
  if (image) {
    BpImageCheck check = { 0 };
    qcow2_check (image->state, IMAGE_CHECK_ONLY, &check);
  }
  image_close (image, NULL);
  image = open_image (name, true, false);
  if (image)
    change_some (image);
  image_close (image, NULL);
  image = open_image (name, true, true);
  if (image) {
    BpImageCheck check = { 0 };
    qcow2_check (image->state, IMAGE_CHECK_ALL, &check);
  }
  image_close (image, NULL);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static int fd = -1;
  if (fd < 0) {
    fd = memfd_create ("image", MFD_CLOEXEC);
    if (fd < 0)
      abort ();
  }
  if (size > MOST || ftruncate (fd, 0) != 0 || pwrite (fd, data, size, 0) != (ssize_t) size)
    return 0;
  g_autofree char *name = g_strdup_printf ("/proc/self/fd/%d", fd);
  run (name);
  return 0;
}
