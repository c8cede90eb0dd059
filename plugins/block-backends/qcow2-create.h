/* qcow2-create.h -- what a new qcow2 image shall be. */
/* SPDX-License-Identifier: MIT */
#ifndef BLOCK_BACKENDS_QCOW2_CREATE_H
#define BLOCK_BACKENDS_QCOW2_CREATE_H

#include "image-file.h"

typedef struct Qcow2Create {
  uint64_t size;
  unsigned version, cluster_bits, refcount_order;
  bool lazy_refcounts;
  unsigned compression;         /* QCOW2_ZLIB, QCOW2_ZSTD */
  const char *backing_name, *backing_format;
} Qcow2Create;

/* Into an empty file. */
bool qcow2_create (ImageFile *file, const Qcow2Create *options, GError **error);

#endif
