/* image-create.h -- new image files. */
/* SPDX-License-Identifier: MIT */
#ifndef BLOCK_BACKENDS_IMAGE_CREATE_H
#define BLOCK_BACKENDS_IMAGE_CREATE_H

#include "qcow2-create.h"

typedef enum ImagePrealloc { IMAGE_PREALLOC_OFF, IMAGE_PREALLOC_FALLOC } ImagePrealloc;

typedef struct ImageNew {
  const char *format;
  uint64_t size;                /* UINT64_MAX: the backing file's */
  const char *backing, *backing_format;
  /* from options */
  ImagePrealloc prealloc;
  Qcow2Create qcow2;
} ImageNew;

/* Defaults, then "key=value" each. */
bool image_new_options (ImageNew *new, const char *const *options, GError **error);
bool image_create (const char *file, const ImageNew *new, GError **error);
/* "4k" -> 4096; binary suffixes b k M G T P E. */
bool image_parse_size (const char *text, uint64_t *size);

#endif
