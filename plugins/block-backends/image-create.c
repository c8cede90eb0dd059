/* image-create.c -- new image files, and the options that they are made with. */
/* SPDX-License-Identifier: MIT */
#include "image-create.h"
#include "qcow2.h"
#include <errno.h>
#include <string.h>

/* --- options ----------------------------------------------------------------------------------------- */

bool
image_parse_size (const char *text, uint64_t *size)
{
  static const char suffixes[] = "bkmgtpe";
  char *end;
  errno = 0;
  *size = g_ascii_strtoull (text, &end, 10);
  if (end == text || errno || *text == '-')
    return false;
  if (!*end)
    return true;
  const char *suffix = strchr (suffixes, g_ascii_tolower (*end));
  unsigned shift = suffix && *suffix ? (unsigned) (suffix - suffixes) * 10 : 64;
  if (shift >= 64 || end[1] || *size > UINT64_MAX >> shift)
    return false;
  *size <<= shift;
  return true;
}

static bool
wrong_value (const char *key, const char *value, const char *wanted, GError **error)
{
  g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "%s=%s: it is %s", key, value, wanted);
  return false;
}

/* A power of two between 1 << low and 1 << high. */
static bool
parse_power (const char *value, unsigned low, unsigned high, unsigned *bits)
{
  uint64_t n;
  if (!image_parse_size (value, &n))
    return false;
  for (unsigned i = low; i <= high; i++)
    if (n == UINT64_C (1) << i) {
      *bits = i;
      return true;
    }
  return false;
}

static bool
parse_switch (const char *value, bool *on)
{
  *on = strcmp (value, "on") == 0;
  return *on || strcmp (value, "off") == 0;
}

static bool
set_qcow2 (Qcow2Create *q, const char *key, const char *value, GError **error)
{
  if (strcmp (key, "cluster_size") == 0)
    return parse_power (value, 9, 21, &q->cluster_bits) || wrong_value (key, value, "a power of two from 512 to 2M", error);
  if (strcmp (key, "refcount_bits") == 0)
    return parse_power (value, 0, 6, &q->refcount_order) || wrong_value (key, value, "1, 2, 4, 8, 16, 32 or 64", error);
  if (strcmp (key, "lazy_refcounts") == 0)
    return parse_switch (value, &q->lazy_refcounts) || wrong_value (key, value, "on or off", error);
  if (strcmp (key, "compat") == 0) {
    bool v2 = strcmp (value, "0.10") == 0 || strcmp (value, "v2") == 0;
    q->version = v2 ? 2 : 3;
    return v2 || strcmp (value, "1.1") == 0 || strcmp (value, "v3") == 0 || wrong_value (key, value, "0.10 or 1.1", error);
  }
  if (strcmp (key, "compression_type") == 0) {
    q->compression = strcmp (value, "zstd") == 0 ? QCOW2_ZSTD : QCOW2_ZLIB;
    if (!qcow2_can_unpack (q->compression))
      return wrong_value (key, value, "not there in this program", error);
    return q->compression || strcmp (value, "zlib") == 0 || wrong_value (key, value, "zlib or zstd", error);
  }
  g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY,
               "qcow2 has no option `%s` (cluster_size, refcount_bits, lazy_refcounts, compat, compression_type, backing_file, backing_fmt, preallocation)", key);
  return false;
}

static bool
set_option (ImageNew *new, const char *key, const char *value, GError **error)
{
  bool qcow2 = strcmp (new->format, "qcow2") == 0;
  if (strcmp (key, "preallocation") == 0) {
    bool falloc = strcmp (value, "falloc") == 0;
    new->prealloc = falloc ? IMAGE_PREALLOC_FALLOC : IMAGE_PREALLOC_OFF;
    if (strcmp (value, "off") == 0 || (falloc && !qcow2))
      return true;
    return wrong_value (key, value, qcow2 ? "off for qcow2; others are not supported" : "off or falloc", error);
  }
  if (qcow2)
    return set_qcow2 (&new->qcow2, key, value, error);
  g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "%s has no option `%s` (preallocation)", new->format, key);
  return false;
}

bool
image_new_options (ImageNew *new, const char *const *options, GError **error)
{
  new->qcow2 = (Qcow2Create) { .version = 3, .cluster_bits = 16, .refcount_order = 4 };
  if (!image_format_find (new->format, error))
    return false;
  for (; options && *options; options++) {
    const char *equals = strchr (*options, '=');
    g_autofree char *key = g_strndup (*options, equals ? (gsize) (equals - *options) : strlen (*options));
    const char *value = equals ? g_intern_string (equals + 1) : "on";
    if (strcmp (key, "backing_file") == 0)
      new->backing = value;
    else if (strcmp (key, "backing_fmt") == 0)
      new->backing_format = value;
    else if (!set_option (new, key, value, error))
      return false;
  }
  if (new->qcow2.version < 3 && (new->qcow2.refcount_order != 4 || new->qcow2.lazy_refcounts || new->qcow2.compression)) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "refcount_bits, lazy_refcounts and compression_type need compat=1.1");
    return false;
  }
  return true;
}

/* --- files ------------------------------------------------------------------------------------------- */

/* The backing file has to be there; its size is the default. */
static bool
look_at_backing (const char *file, const ImageNew *new, uint64_t *size, GError **error)
{
  ImageOptions options = { .format = new->backing_format, .read_only = true, .lock = true };
  if (strcmp (new->format, "qcow2") != 0) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s`: %s images have no backing file", file, new->format);
    return false;
  }
  if (!new->backing_format) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s`: say the backing file's format (-F raw or -F qcow2)", file);
    return false;
  }
  g_autofree char *path = image_backing_path (file, new->backing, error);
  Image *image = path ? image_open (path, &options, error) : NULL;
  if (!image) {
    g_prefix_error (error, "`%s`: backing file: ", file);
    return false;
  }
  if (*size == UINT64_MAX)
    *size = image->size;
  bool itself = g_strcmp0 (path, file) == 0;
  image_close (image, NULL);
  if (itself)
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s` cannot be its own backing file", file);
  return !itself;
}

static bool
create_raw (ImageFile *file, const ImageNew *new, uint64_t size, GError **error)
{
  uint64_t there;
  int code = image_file_truncate (file, size);
  if (code == EINVAL && image_file_size (file, &there) == 0 && there >= size)         /* a block device has the size that it has */
    code = 0;
  if (!code && new->prealloc == IMAGE_PREALLOC_FALLOC)
    code = image_file_allocate (file, 0, size);
  if (code)
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot make `%s` %" G_GUINT64_FORMAT " bytes long: %s", image_file_name (file), size,
                 g_strerror (code));
  return !code;
}

bool
image_create (const char *name, const ImageNew *new, GError **error)
{
  uint64_t size = new->size;
  if (new->backing && !look_at_backing (name, new, &size, error))
    return false;
  if (size == UINT64_MAX || size > INT64_MAX - IMAGE_SECTOR) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s`: %s", name, size == UINT64_MAX ? "how large?" : "it would be too large");
    return false;
  }
  size = (size + IMAGE_SECTOR - 1) & ~(uint64_t) (IMAGE_SECTOR - 1);
  ImageFile *file = image_file_open (name, IMAGE_FILE_WRITE | IMAGE_FILE_CREATE | IMAGE_FILE_LOCK, error);
  if (!file)
    return false;
  Qcow2Create create = new->qcow2;
  create.size = size;
  create.backing_name = new->backing;
  create.backing_format = new->backing_format;
  bool good = strcmp (new->format, "raw") == 0 ? create_raw (file, new, size, error) : qcow2_create (file, &create, error);
  image_file_close (file);
  return good;
}
