/* image-file.h -- a host file that holds an image: reads and writes of any alignment, flushes, holes, locks. */
/* SPDX-License-Identifier: MIT */
#ifndef BLOCK_BACKENDS_IMAGE_FILE_H
#define BLOCK_BACKENDS_IMAGE_FILE_H

#include "image-span.h"

/* Functions that return int give 0 or an errno. [any] unless they say otherwise. */
typedef struct ImageFile ImageFile;

enum {
  IMAGE_FILE_WRITE = 1 << 0,
  IMAGE_FILE_DIRECT = 1 << 1,   /* past the host's page cache */
  IMAGE_FILE_UNSAFE = 1 << 2,   /* flushes do nothing */
  IMAGE_FILE_LOCK = 1 << 3,     /* refused while another program has it in a way that does not go together */
  IMAGE_FILE_CREATE = 1 << 4    /* made, or emptied (once it is locked) */
};

ImageFile *image_file_open (const char *name, unsigned flags, GError **error);
/* In a directory for temporary files, and gone when it is closed. */
ImageFile *image_file_temporary (GError **error);
void image_file_close (ImageFile *file);

const char *image_file_name (const ImageFile *file);
/* Whether both are one and the same file. */
bool image_file_is_same (const ImageFile *a, const ImageFile *b);
/* An error is not a size: who took it for the end of the file would lose what is there. */
int image_file_size (ImageFile *file, uint64_t *size);
/* The space it takes on the host's disk. */
uint64_t image_file_allocated (ImageFile *file);

/* All of it or an error; what is beyond the end of the file reads as zeros. */
int image_file_read (ImageFile *file, uint64_t offset, void *data, size_t size);
int image_file_write (ImageFile *file, uint64_t offset, const void *data, size_t size);
/* The same for memory in pieces, which is `size` bytes at least; the span goes on behind it.  *there: how much of it was within the file. */
int image_file_read_span (ImageFile *file, uint64_t offset, ImageSpan *to, uint64_t size, uint64_t *there);
/* The same from the host's memory alone: EAGAIN when that has not all of it. */
int image_file_try_read (ImageFile *file, uint64_t offset, const ImageSpan *to, uint64_t size);
int image_file_write_span (ImageFile *file, uint64_t offset, ImageSpan *from, uint64_t size);
/* What was written is on the disk.  Once it has failed it always fails: nobody knows any more what was lost. */
int image_file_flush (ImageFile *file);
void image_file_flush_soon (ImageFile *file);   /* the disk may begin now with what a flush will wait for */
int image_file_truncate (ImageFile *file, uint64_t size);
/* Space for all of it now, rather than ENOSPC later. */
int image_file_allocate (ImageFile *file, uint64_t offset, uint64_t size);
/* To the host's memory alone: EAGAIN when that needs to be waited for, or the file system cannot say so. */
int image_file_try_write (ImageFile *file, uint64_t offset, const ImageSpan *from, uint64_t size);
/* Whether a transfer is one for the kernel alone: nothing of it has to be bounced, no neighbour of it read and written back.  A write to the host's memory is none: the
 * kernel makes a thread do it, one at a time. */
bool image_file_is_plain (const ImageFile *file, bool write, uint64_t offset, const ImageSpan *span, uint64_t size);
int image_file_descriptor (const ImageFile *file);
/* Whether a flush has anything to do. */
bool image_file_can_flush (ImageFile *file);
/* Zeros; `punch`: the space is given back.  ENOTSUP: the host's file system cannot, write them instead. */
int image_file_zero (ImageFile *file, uint64_t offset, uint64_t size, bool punch);

/* --- image-lock.c --- */
/* EACCES with a message when somebody else's use excludes ours. */
bool image_lock (int fd, const char *name, bool writable, GError **error);

#endif
