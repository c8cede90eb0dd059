/* block-backends.h -- the plugin's types and interfaces. */
/* SPDX-License-Identifier: MIT */
#ifndef BLOCK_BACKENDS_BLOCK_BACKENDS_H
#define BLOCK_BACKENDS_BLOCK_BACKENDS_H

#include <backplane/iface/image-tool.h>
#include <backplane/object.h>

extern const BpTypeDesc block_image_type, block_faults_type;
extern const BpImageTool image_tool;    /* image-tool.c */

#endif
