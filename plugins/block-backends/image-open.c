/* image-open.c -- opens an image with everything behind it: formats told or found out, chains of backing files, temporary overlays. */
/* SPDX-License-Identifier: MIT */
#include "image.h"
#include "qcow2-create.h"
#include <backplane/log.h>
#include <errno.h>
#include <string.h>

#define DEEPEST 200             /* files in a chain: each read may have to go through all */

typedef struct Chain {          /* the files that are open already, from the newest down */
  const struct Chain *above;
  const ImageFile *file;
  unsigned depth;
} Chain;

static Image *open_node (const char *name, const ImageOptions *options, const Chain *above, GError **error);

/* --- formats ------------------------------------------------------------------------------------ */

static const ImageFormat *const formats[] = { &format_raw, &format_qcow2 };

const ImageFormat *
image_format_find (const char *name, GError **error)
{
  for (guint i = 0; i < G_N_ELEMENTS (formats); i++)
    if (strcmp (formats[i]->name, name) == 0)
      return formats[i];
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "there is no format `%s` (raw and qcow2 are there)", name);
  return NULL;
}

static const ImageFormat *
find_out (Image *image, const char *told, GError **error)
{
  if (told && strcmp (told, "auto") != 0)
    return image_format_find (told, error);
  uint8_t head[IMAGE_PROBE_BYTES];
  int code = image_file_read (image->file, 0, head, sizeof head);
  if (code) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot read `%s`: %s", image_file_name (image->file), g_strerror (code));
    return NULL;
  }
  const char *format = image_probe (head);
  if (format && strcmp (format, format_qcow2.name) == 0)
    return &format_qcow2;
  if (format) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s` looks like %s, which is not supported (format = raw takes its bytes as they are)",
                 image_file_name (image->file), format);
    return NULL;
  }
  image->guessed = true;
  return &format_raw;
}

/* --- backing files ------------------------------------------------------------------------------ */

char *
image_backing_path (const char *image, const char *backing, GError **error)
{
  if (g_str_has_prefix (backing, "file:"))
    backing += strlen ("file:");
  size_t scheme = strcspn (backing, ":/");
  if (backing[scheme] == ':') {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s`: its backing file `%s` is not a file of this host", image, backing);
    return NULL;
  }
  if (g_path_is_absolute (backing))
    return g_strdup (backing);
  g_autofree char *directory = g_path_get_dirname (image);
  return strcmp (directory, ".") == 0 ? g_strdup (backing) : g_build_filename (directory, backing, NULL);
}

static bool
open_backing (Image *image, const Chain *chain, GError **error)
{
  ImageOptions options = image->options;
  options.format = image->backing_format;
  options.read_only = true;
  options.for_check = options.snapshot = false;
  g_autofree char *path = image_backing_path (image_file_name (image->file), image->backing_name, error);
  image->backing = path ? open_node (path, &options, chain, error) : NULL;
  if (image->backing)
    return true;
  g_prefix_error (error, "`%s`: backing file: ", image_file_name (image->file));
  return false;
}

static bool
check_loop (const ImageFile *file, const Chain *above, GError **error)
{
  if (above && above->depth >= DEEPEST) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s`: there are more than %d files in the chain", image_file_name (file), DEEPEST);
    return false;
  }
  for (const Chain *c = above; c; c = c->above)
    if (image_file_is_same (c->file, file)) {
      g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s` is, through its chain of backing files, its own backing file",
                   image_file_name (file));
      return false;
    }
  return true;
}

/* --- images ------------------------------------------------------------------------------------- */

static unsigned
file_flags (const ImageOptions *options)
{
  return (options->read_only ? 0 : IMAGE_FILE_WRITE) | (options->direct ? IMAGE_FILE_DIRECT : 0) |
         (options->unsafe ? IMAGE_FILE_UNSAFE : 0) | (options->lock ? IMAGE_FILE_LOCK : 0);
}

static void
image_free (Image *image)
{
  image_file_close (image->file);
  g_free (image->backing_name);
  g_free (image->backing_format);
  g_free (image);
}

bool
image_close (Image *image, GError **error)
{
  if (!image)
    return true;
  int code = image->state || image->format == &format_raw ? image->format->close (image) : 0;
  if (code)
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot write all of `%s`: %s", image_file_name (image->file), g_strerror (code));
  image_close (image->backing, NULL);
  image_free (image);
  return code == 0;
}

static bool
open_format (Image *image, const char *told, const Chain *above, GError **error)
{
  Chain chain = { above, image->file, above ? above->depth + 1 : 1 };
  image->format = check_loop (image->file, above, error) ? find_out (image, told, error) : NULL;
  if (!image->format)
    return false;
  if (!image->format->open (image, error)) {
    image->state = NULL;
    return false;
  }
  if (image->options.no_backing || !image->backing_name || open_backing (image, &chain, error))
    return true;
  image->format->close (image);
  return false;
}

static Image *
open_node (const char *name, const ImageOptions *options, const Chain *above, GError **error)
{
  ImageFile *file = image_file_open (name, file_flags (options), error);
  if (!file)
    return NULL;
  Image *image = g_new0 (Image, 1);
  image->file = file;
  image->options = *options;
  image->options.format = NULL;
  image->read_only = options->read_only;
  if (open_format (image, options->format, above, error))
    return image;
  image_free (image);
  return NULL;
}

/* A temporary qcow2 image in front of another, which it then owns. */
static Image *
open_overlay (Image *base, GError **error)
{
  Image *image = g_new0 (Image, 1);
  Qcow2Create create = { .size = (base->size + IMAGE_SECTOR - 1) & ~(uint64_t) (IMAGE_SECTOR - 1), .version = 3, .cluster_bits = 16,
                         .refcount_order = 4 };
  image->options = base->options;
  image->options.read_only = image->options.direct = image->options.lock = false;
  image->options.unsafe = true;
  image->file = image_file_temporary (error);
  image->format = &format_qcow2;
  if (image->file && qcow2_create (image->file, &create, error) && image->format->open (image, error)) {
    image->backing = base;
    return image;
  }
  image_free (image);
  return NULL;
}

Image *
image_open (const char *name, const ImageOptions *options, GError **error)
{
  ImageOptions real = *options;
  real.read_only |= options->snapshot;
  Image *image = open_node (name, &real, NULL, error);
  if (!image || !options->snapshot || options->read_only)
    return image;
  Image *overlay = open_overlay (image, error);
  if (!overlay)
    image_close (image, NULL);
  return overlay;
}
