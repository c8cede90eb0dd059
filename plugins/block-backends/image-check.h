/* image-check.h -- what a check of an image may do about what it finds. */
/* SPDX-License-Identifier: MIT */
#ifndef BLOCK_BACKENDS_IMAGE_CHECK_H
#define BLOCK_BACKENDS_IMAGE_CHECK_H

#include <backplane/iface/image-tool.h>

typedef enum ImageCheckRepair { IMAGE_CHECK_ONLY, IMAGE_CHECK_LEAKS, IMAGE_CHECK_ALL } ImageCheckRepair;

#endif
