/* block-test.c -- what the tests of disk contents share: a directory, images, a model of a disk. */
/* SPDX-License-Identifier: MIT */
#include "block-test.h"
#include "../scratch.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

GRand *block_rand;

void
block_enter (void)
{
  const char *seed = g_getenv ("BACKPLANE_TEST_SEED");
  block_rand = g_rand_new_with_seed (seed ? (guint32) atoi (seed) : 1);
  signal (SIGXFSZ, SIG_IGN);
  scratch_enter ();
}

void
block_leave (void)
{
  scratch_leave ();
  g_clear_pointer (&block_rand, g_rand_free);
}

/* --- images ------------------------------------------------------------------------------------------ */

static void
create (const char *file, ImageNew *new, const char *options)
{
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) list = options ? g_strsplit (options, ",", -1) : NULL;
  ck_assert_msg (image_new_options (new, (const char *const *) list, &error) && image_create (file, new, &error), "%s",
                 error ? error->message : "");
}

void
block_create (const char *file, const char *format, uint64_t size, const char *options)
{
  ImageNew new = { .format = format, .size = size };
  create (file, &new, options);
}

void
block_create_over (const char *file, const char *backing, const char *backing_format, const char *options)
{
  ImageNew new = { .format = "qcow2", .size = UINT64_MAX, .backing = backing, .backing_format = backing_format };
  create (file, &new, options);
}

Image *
block_open_with (const char *file, ImageOptions options)
{
  g_autoptr (GError) error = NULL;
  Image *image = image_open (file, &options, &error);
  ck_assert_msg (image != NULL, "%s", error ? error->message : "");
  return image;
}

Image *
block_open (const char *file)
{
  return block_open_with (file, (ImageOptions) { .unmap = true, .lock = true });
}

char *
block_refused (const char *file, ImageOptions options)
{
  g_autoptr (GError) error = NULL;
  Image *image = image_open (file, &options, &error);
  ck_assert_msg (image == NULL, "%s was opened", file);
  ck_assert (error != NULL);
  return g_strdup (error->message);
}

void
block_close (Image *image)
{
  g_autoptr (GError) error = NULL;
  ck_assert_msg (image_close (image, &error), "%s", error ? error->message : "");
}

static void
say (void *user, const char *text)
{
  g_string_append_printf (user, "%s\n", text);
}

void
block_check (const char *file, bool leaks)
{
  g_autoptr (GString) said = g_string_new (NULL);
  BpImageCheck check = { .say = say, .user = said };
  Image *image = block_open_with (file, (ImageOptions) { .read_only = true, .for_check = true });
  qcow2_check (image->state, IMAGE_CHECK_ONLY, &check);
  ck_assert_msg (!check.corruptions && !check.errors && (leaks || !check.leaks), "%s: %s", file, said->str);
  block_close (image);
}

void
block_poke (const char *file, uint64_t offset, const void *data, size_t size)
{
  FILE *f = fopen (file, "r+b");
  ck_assert (f != NULL);
  ck_assert_int_eq (fseek (f, (long) offset, SEEK_SET), 0);
  ck_assert_uint_eq (fwrite (data, 1, size, f), size);
  fclose (f);
}

void
block_poke32 (const char *file, uint64_t offset, uint32_t value)
{
  uint8_t bytes[4];
  qcow2_put32 (bytes, value);
  block_poke (file, offset, bytes, sizeof bytes);
}

void
block_poke64 (const char *file, uint64_t offset, uint64_t value)
{
  uint8_t bytes[8];
  qcow2_put64 (bytes, value);
  block_poke (file, offset, bytes, sizeof bytes);
}

/* --- the model --------------------------------------------------------------------------------------- */

Model
model_new (uint64_t size)
{
  return (Model) { g_malloc0 (size), size };
}

Model
model_copy (const Model *model)
{
  return (Model) { g_memdup2 (model->bytes, model->size), model->size };
}

void
model_resize (Model *model, uint64_t size)
{
  model->bytes = g_realloc (model->bytes, size);
  if (size > model->size)
    memset (model->bytes + model->size, 0, size - model->size);
  model->size = size;
}

void
model_free (Model *model)
{
  g_clear_pointer (&model->bytes, g_free);
}

void
model_compare (const Model *model, Image *image)
{
  ck_assert_uint_eq (image->size, model->size);
  g_autofree uint8_t *bytes = g_malloc (model->size + 1);
  ck_assert_int_eq (image_read (image, 0, bytes, model->size), 0);
  for (uint64_t i = 0; i < model->size; i++)
    if (bytes[i] != model->bytes[i])
      ck_abort_msg ("byte 0x%" G_GINT64_MODIFIER "x is 0x%02x, not 0x%02x", i, bytes[i], model->bytes[i]);
}

static void
write_random (Model *model, Image *image, GRand *rand, uint64_t offset, uint64_t size)
{
  g_autofree uint8_t *bytes = g_malloc (size);
  uint8_t value = (uint8_t) g_rand_int (rand);
  for (uint64_t i = 0; i < size; i++)
    bytes[i] = (uint8_t) (value + i * 7 + (i >> 9));
  ck_assert_int_eq (image_write (image, offset, bytes, size), 0);
  memcpy (model->bytes + offset, bytes, size);
}

static void
read_random (const Model *model, Image *image, uint64_t offset, uint64_t size)
{
  g_autofree uint8_t *bytes = g_malloc (size);
  ck_assert_int_eq (image_read (image, offset, bytes, size), 0);
  ck_assert_msg (memcmp (bytes, model->bytes + offset, size) == 0, "0x%" G_GINT64_MODIFIER "x + 0x%" G_GINT64_MODIFIER "x differs", offset, size);
}

/* What was discarded may read as anything; then it is written, so that it has contents again. */
static void
discard_random (Model *model, Image *image, GRand *rand, uint64_t offset, uint64_t size)
{
  ck_assert_int_eq (image_discard (image, offset, size), 0);
  g_autofree uint8_t *bytes = g_malloc (size);
  ck_assert_int_eq (image_read (image, offset, bytes, size), 0);
  for (uint64_t i = 0; i < size; i++)
    if (bytes[i] && bytes[i] != model->bytes[offset + i])
      ck_abort_msg ("byte 0x%" G_GINT64_MODIFIER "x is 0x%02x after a discard", offset + i, bytes[i]);
  memcpy (model->bytes + offset, bytes, size);
}

void
model_step (Model *model, Image *image, GRand *rand)
{
  uint64_t sectors = model->size / 512;
  uint64_t offset = (uint64_t) g_rand_int_range (rand, 0, (gint32) sectors);
  uint64_t limit = g_rand_boolean (rand) ? 16 : 600, most = MIN (sectors - offset, limit);
  uint64_t size = (uint64_t) g_rand_int_range (rand, 1, (gint32) most + 1) * 512;
  offset *= 512;
  switch (g_rand_int_range (rand, 0, 12)) {
  case 0: case 1: case 2: case 3: case 4: write_random (model, image, rand, offset, size); break;
  case 5: case 6: read_random (model, image, offset, size); break;
  case 7: discard_random (model, image, rand, offset, size); break;
  case 8: case 9:
    ck_assert_int_eq (image_zero (image, offset, size, g_rand_boolean (rand)), 0);
    memset (model->bytes + offset, 0, size);
    break;
  case 10: ck_assert_int_eq (image_flush (image), 0); break;
  default: read_random (model, image, offset, MIN (size, 512)); break;
  }
}

/* --- programs of others ------------------------------------------------------------------------------ */

int
block_run (const char *format, ...)
{
  va_list arguments;
  va_start (arguments, format);
  g_autofree char *command = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  int status = system (command);
  return WIFEXITED (status) ? WEXITSTATUS (status) : -1;
}

bool
block_has_qemu_img (void)
{
  g_autofree char *img = g_find_program_in_path ("qemu-img"), *io = g_find_program_in_path ("qemu-io");
  return img && io;
}
