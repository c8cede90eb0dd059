/* image.h -- an image: what a guest sees of a file in some format, and of the files that are behind it. */
/* SPDX-License-Identifier: MIT */
#ifndef BLOCK_BACKENDS_IMAGE_H
#define BLOCK_BACKENDS_IMAGE_H

#include "image-file.h"
#include <backplane/iface/block.h>

#define IMAGE_SECTOR 512u

typedef struct Image Image;

/* What a request comes to that needs no table changed and no file read first: transfers that the kernel can be left to do. */
#define IMAGE_PIECES 16u
typedef enum ImagePlanKind { IMAGE_PLAN_READ, IMAGE_PLAN_WRITE, IMAGE_PLAN_WRITE_DURABLE } ImagePlanKind;
typedef struct ImagePiece {
  ImageFile *file;              /* NULL: zeros */
  uint64_t offset, size;        /* in the file */
} ImagePiece;
typedef struct ImagePlan {
  ImagePlanKind kind;
  unsigned n;
  ImagePiece pieces[IMAGE_PIECES];
  bool held;                    /* the format keeps the pieces for it, until plan_over */
  unsigned hold;                /* the format's */
} ImagePlan;

/* Offsets and sizes that a format's functions get are within the image.  int: 0 or an errno.  All may be called by several threads at once. */
typedef struct ImageFormat {
  const char *name;
  bool (*open) (Image *image, GError **error);  /* image->file is open; sets size, backing_name, backing_format, state */
  int (*close) (Image *image);                  /* writes what is not written yet, and frees state */
  int (*read) (Image *image, uint64_t offset, ImageSpan *to, uint64_t size);
  int (*write) (Image *image, uint64_t offset, ImageSpan *from, uint64_t size);
  /* Without waiting for anything, else EAGAIN, and some of it may be done; the span may be used. */
  int (*try_read) (Image *image, uint64_t offset, ImageSpan *to, uint64_t size);
  int (*try_write) (Image *image, uint64_t offset, ImageSpan *from, uint64_t size);
  /* Adds pieces, in order; false: it is not that simple.  Nothing is waited for. */
  bool (*plan) (Image *image, uint64_t offset, const ImageSpan *span, uint64_t size, ImagePlan *plan);
  void (*plan_over) (Image *image, const ImagePlan *plan);      /* of one that was held, with success or without; NULL: none is */
  int (*zero) (Image *image, uint64_t offset, uint64_t size, bool unmap);
  int (*discard) (Image *image, uint64_t offset, uint64_t size);
  int (*flush) (Image *image);
  int (*resize) (Image *image, uint64_t size);
} ImageFormat;

typedef struct ImageOptions {
  const char *format;           /* NULL or "auto": what the file looks like */
  bool read_only;
  bool snapshot;                /* writes go to a temporary file */
  bool direct, unsafe;          /* see IMAGE_FILE_* */
  bool unmap;                   /* discards are done */
  bool lock;
  bool for_check;               /* opened though it is marked corrupt, and not repaired when it is marked dirty */
  bool quiet;                   /* contradictions are not told, only answered with errors */
  bool no_backing;              /* backing files stay closed: nothing of the contents is read */
} ImageOptions;

struct Image {
  const ImageFormat *format;
  ImageFile *file;
  ImageOptions options;         /* format is NULL */
  bool read_only;
  bool guessed;                 /* raw, because it looks like nothing else: must stay so */
  uint64_t size;                /* bytes that a guest sees */
  char *backing_name, *backing_format;          /* as the file says; NULL: none */
  Image *backing;
  void *state;                  /* the format's */
};

extern const ImageFormat format_raw, format_qcow2;

/* --- image-open.c --- */
Image *image_open (const char *name, const ImageOptions *options, GError **error);
/* False: something could not be written; the message names the file. */
bool image_close (Image *image, GError **error);
const ImageFormat *image_format_find (const char *name, GError **error);
/* The file of a backing file as `image` names it: absolute, or relative to the image's own directory. */
char *image_backing_path (const char *image, const char *backing, GError **error);

/* --- image-probe.c --- */
#define IMAGE_PROBE_BYTES 512u
/* The format that the first bytes of a file belong to; NULL: none that is known.  It need not be one that can be opened. */
const char *image_probe (const uint8_t head[IMAGE_PROBE_BYTES]);

/* --- image.c: what everybody calls; these check ranges and permissions --- */
int image_read_span (Image *image, uint64_t offset, ImageSpan *to, uint64_t size);
/* At once, or EAGAIN: then some of it may have been written. */
int image_try_read (Image *image, uint64_t offset, const ImageSpan *to, uint64_t size);
int image_try_write (Image *image, uint64_t offset, const ImageSpan *from, uint64_t size);
int image_write_span (Image *image, uint64_t offset, ImageSpan *from, uint64_t size);
/* Also false when the plan would not fit.  Followed by image_plan_over once it is carried out, or abandoned; false: nothing is left to do. */
bool image_plan (Image *image, uint64_t offset, const ImageSpan *span, uint64_t size, ImagePlan *plan);
void image_plan_over (Image *image, const ImagePlan *plan);
bool image_plan_add (ImagePlan *plan, ImageFile *file, uint64_t offset, uint64_t size);
int image_read (Image *image, uint64_t offset, void *data, size_t size);
/* Zeros where the image has ended. */
int image_read_padded (Image *image, uint64_t offset, void *data, size_t size);
int image_write (Image *image, uint64_t offset, const void *data, size_t size);
int image_zero (Image *image, uint64_t offset, uint64_t size, bool unmap);
int image_discard (Image *image, uint64_t offset, uint64_t size);
int image_flush (Image *image);
int image_resize (Image *image, uint64_t size);
bool image_is_zero (const void *data, size_t size);

/* --- image-snapshot.c: snapshots inside the image, as iface/block.h has them; image NULL: no medium --- */
BpBlockSnapshots image_snapshots (const Image *image);
bool image_snapshot_list (Image *image, void (*found) (void *user, const BpBlockSnapshot *snapshot), void *user, GError **error);
bool image_snapshot_do (Image *image, BpBlockSnapshotOp op, const BpBlockSnapshot *snapshot, GError **error);
bool image_vm_state_clear (Image *image, GError **error);
bool image_vm_state_write (Image *image, uint64_t position, const void *data, size_t size, GError **error);
bool image_vm_state_read (Image *image, const char *snapshot_id, uint64_t position, void *data, size_t size, GError **error);

#endif
