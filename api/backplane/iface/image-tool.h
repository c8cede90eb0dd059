/* iface/image-tool.h -- you implement this: disk images as files, made, examined and changed by a person at the command line. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  `backplane img` asks for nothing but this.  The table belongs to a type, not to an instance: its functions work on files, and are called without
 * `self`, on one thread, in a program that runs no machine.  Each returns false with a message that names the file.  The first plugin, by name, that has a type
 * with the interface serves.
 */
#ifndef BACKPLANE_IFACE_IMAGE_TOOL_H
#define BACKPLANE_IFACE_IMAGE_TOOL_H

#include <backplane/common.h>
BP_BEGIN_DECLS

#define BP_IMAGE_TOOL_ID "bp.image-tool/1"

enum {
  BP_IMAGE_SHARE = 1 << 0,      /* look at it even while others write it */
  BP_IMAGE_SHRINK = 1 << 1,     /* resize: may cut off contents */
  BP_IMAGE_REPAIR_LEAKS = 1 << 2, BP_IMAGE_REPAIR_ALL = 1 << 3          /* check */
};

/* A format's own options, as on the command line: "cluster_size=4k". NULL-terminated; NULL: none. */
typedef const char *const *BpImageOptions;

/* As large in all of 1.x: it comes in arrays. */
typedef struct BpImageSnapshot {
  uint32_t struct_size;
  const char *id, *name;
  uint64_t vm_state_size, disk_size;    /* bytes */
  int64_t date;                 /* seconds since 1970 */
  uint64_t vm_clock;            /* nanoseconds that the guest had run */
} BpImageSnapshot;

/* Strings and arrays are the tool's until the next call. */
typedef struct BpImageInfo {
  uint32_t struct_size;
  const char *format;
  uint64_t size, disk_size;     /* bytes that a guest sees; that the file takes on the host. */
  uint64_t cluster_size;        /* 0: the format has none */
  bool dirty, corrupt;
  const char *backing, *backing_path, *backing_format;          /* as the image says; where that is; NULL: none */
  const char *const *details;   /* NULL-terminated, pairs of key and value: "compat", "1.1" */
  const BpImageSnapshot *snapshots;
  unsigned n_snapshots;
} BpImageInfo;

/* The caller zeroes it; what is found is counted up. */
typedef struct BpImageCheck {
  uint32_t struct_size;
  bool supported;               /* false: the format has nothing that could be checked */
  uint64_t corruptions, leaks, errors;  /* left; errors: the host could not read or write */
  uint64_t corruptions_fixed, leaks_fixed;
  uint64_t total_clusters, allocated_clusters, compressed_clusters, end_offset;
  void (*say) (void *user, const char *text);   /* the caller's: told of each finding; may be NULL */
  void *user;
} BpImageCheck;

typedef enum BpImageSnapshotOp { BP_IMAGE_SNAPSHOT_CREATE, BP_IMAGE_SNAPSHOT_APPLY, BP_IMAGE_SNAPSHOT_DELETE } BpImageSnapshotOp;

typedef struct BpImageTool {
  uint32_t struct_size;
  /* format NULL: raw.  backing may be NULL; size UINT64_MAX: the backing file's. */
  bool (*create) (const char *file, const char *format, uint64_t size, const char *backing, const char *backing_format, BpImageOptions options,
                  GError **error);
  /* format, here and below: NULL: what the file looks like */
  bool (*info) (const char *file, const char *format, unsigned flags, BpImageInfo *info, GError **error);
  bool (*check) (const char *file, const char *format, unsigned flags, BpImageCheck *check, GError **error);
  /* progress: told of bytes done and in all; may be NULL */
  bool (*convert) (const char *in, const char *in_format, const char *out, const char *out_format, BpImageOptions options,
                   void (*progress) (void *user, uint64_t done, uint64_t all), void *user, GError **error);
  /* direction: 0: to `size`; 1, -1: by `size` more or less.  Smaller only with BP_IMAGE_SHRINK */
  bool (*resize) (const char *file, const char *format, int direction, uint64_t size, unsigned flags, GError **error);
  bool (*snapshot) (const char *file, const char *format, BpImageSnapshotOp op, const char *name, GError **error);
} BpImageTool;

BP_END_DECLS
#endif
