/* image-check.h -- what a check of an image found, and what was done about it. */
/* SPDX-License-Identifier: MIT */
#ifndef BLOCK_BACKENDS_IMAGE_CHECK_H
#define BLOCK_BACKENDS_IMAGE_CHECK_H

#include <backplane/common.h>

typedef enum ImageCheckRepair { IMAGE_CHECK_ONLY, IMAGE_CHECK_LEAKS, IMAGE_CHECK_ALL } ImageCheckRepair;

typedef struct ImageCheck {
  uint64_t corruptions, leaks;  /* that are there still */
  uint64_t corruptions_fixed, leaks_fixed;
  uint64_t errors;              /* the check itself could not be done: host errors */
  uint64_t total_clusters, allocated_clusters, compressed_clusters, end_offset;
  void (*say) (void *user, const char *text);   /* NULL: nobody listens */
  void *user;
} ImageCheck;

#endif
