/* block-test.h -- what the tests of disk contents share: a directory, images, a model of a disk. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_BLOCK_BLOCK_TEST_H
#define TESTS_BLOCK_BLOCK_TEST_H

#include "block-backends/image-create.h"
#include "block-backends/qcow2.h"
#include <check.h>

/* A directory of its own, which is the current one; and random numbers, the same in each run unless BACKPLANE_TEST_SEED says otherwise. */
void block_enter (void);
void block_leave (void);
extern GRand *block_rand;

/* options: "key=value,..." or NULL. */
void block_create (const char *file, const char *format, uint64_t size, const char *options);
void block_create_over (const char *file, const char *backing, const char *backing_format, const char *options);
Image *block_open (const char *file);
Image *block_open_with (const char *file, ImageOptions options);
/* The message of an open that must fail. */
char *block_refused (const char *file, ImageOptions options);
void block_close (Image *image);
/* Nothing wrong, and (unless `leaks`) nothing leaked. */
void block_check (const char *file, bool leaks);
void block_poke (const char *file, uint64_t offset, const void *data, size_t size);
void block_poke32 (const char *file, uint64_t offset, uint32_t value);
void block_poke64 (const char *file, uint64_t offset, uint64_t value);

/* --- a disk as plain memory --- */
typedef struct Model {
  uint8_t *bytes;
  uint64_t size;
} Model;

Model model_new (uint64_t size);
Model model_copy (const Model *model);
void model_resize (Model *model, uint64_t size);
void model_free (Model *model);
void model_compare (const Model *model, Image *image);
/* A random write, zeroing, discard, read or flush, on both. */
void model_step (Model *model, Image *image, GRand *rand);

/* --- programs of others --- */
bool block_has_qemu_img (void);
/* Runs a command line; its exit status. */
int block_run (const char *format, ...) G_GNUC_PRINTF (1, 2);

#endif
