/* iface/block.h -- you implement this: a disk's contents (an image file, a device, memory), as a device reads and writes them. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  A device links to a block backend (property kind LINK, interface BP_BLOCK_ID), attaches in realize, and submits requests.  The backend does
 * them off the vCPU's thread, several at a time and in any order; who needs an order waits for `done`, and who needs to survive a crash of the host
 * flushes.  A backend can be empty: then it is a drive without a medium.  Monitors change media through the same table.
 */
#ifndef BACKPLANE_IFACE_BLOCK_H
#define BACKPLANE_IFACE_BLOCK_H

#include <backplane/common.h>
#include <string.h>
#include <sys/uio.h>
BP_BEGIN_DECLS

#define BP_BLOCK_ID "bp.block/1"
#define BP_BLOCK_SECTOR 512u    /* offsets and sizes are multiples of it, whatever the image's own blocks are */

typedef enum BpBlockOp {
  BP_BLOCK_READ,
  BP_BLOCK_WRITE,
  BP_BLOCK_FLUSH,               /* what was done before is on the host's disk when this is done; offset and size are 0 */
  BP_BLOCK_DISCARD,             /* the contents do not matter any more: they read as anything from now on */
  BP_BLOCK_WRITE_ZEROES
} BpBlockOp;

enum {
  BP_BLOCK_FUA = 1 << 0,        /* WRITE, WRITE_ZEROES: on the host's disk when done */
  BP_BLOCK_UNMAP = 1 << 1       /* WRITE_ZEROES: the space may be given back */
};

/* The caller's, and unchanged by it from submit until done is called. */
typedef struct BpBlockRequest {
  uint32_t struct_size;
  BpBlockOp op;
  uint32_t flags;               /* BP_BLOCK_* */
  uint64_t offset, size;        /* bytes, within the medium */
  const struct iovec *iov;      /* READ, WRITE: host memory, `size` bytes in all */
  unsigned n_iov;
  /* Called once [any][locked], never before submit has returned to a caller who holds the machine lock.  error: 0, or an errno: EIO, ENOSPC, ENOMEDIUM, EROFS (read-only), EINVAL (not within the
   * medium), ECANCELED (the medium was taken away). */
  void (*done) (struct BpBlockRequest *request, int error);
  void *user;
  void *backend[8];             /* the backend's while it has the request */
} BpBlockRequest;

/* What there is to know of a backend now. */
typedef struct BpBlockInfo {
  uint32_t struct_size;
  bool inserted;                /* false: no medium, and the rest is 0 */
  bool read_only;
  uint64_t size;                /* bytes, rounded down to whole sectors */
  uint64_t bytes[2], requests[2];       /* read, written and done since the start */
  char file[256];               /* the image as the user named it, perhaps cut short */
  char format[32];              /* "raw", "qcow2" */
} BpBlockInfo;

/* The device's side. [main][locked] */
typedef struct BpBlockHandlers {
  uint32_t struct_size;
  /* Another medium, another size, or none: look at info again. */
  void (*changed) (void *user);
  /* Somebody wants the medium out: a device whose door is locked by the guest asks it, and returns false.  NULL: no door. */
  bool (*may_eject) (void *user);
  /* The thread on which requests are mostly answered: one on which the device submits them has both at hand.  NULL: the backend's own.  It outlives the attachment. */
  BpLoop *loop;
} BpBlockHandlers;

/* What becomes of a disk when a snapshot of the machine is taken. */
typedef enum BpBlockSnapshots {
  BP_BLOCK_SNAPSHOTS_NOT_NEEDED,        /* no medium, or nobody writes to it */
  BP_BLOCK_SNAPSHOTS_NONE,      /* it is written to, and its format has none */
  BP_BLOCK_SNAPSHOTS_TEMPORARY, /* it can keep some, which are forgotten with everything else at the end of the run */
  BP_BLOCK_SNAPSHOTS_KEPT
} BpBlockSnapshots;

typedef enum BpBlockSnapshotOp { BP_BLOCK_SNAPSHOT_CREATE, BP_BLOCK_SNAPSHOT_APPLY, BP_BLOCK_SNAPSHOT_DELETE } BpBlockSnapshotOp;

typedef struct BpBlockSnapshot {
  uint32_t struct_size;
  const char *id, *name;        /* CREATE: the backend chooses the id, which is not set; APPLY, DELETE: the id says which */
  uint64_t vm_state_size;       /* CREATE: bytes written by vm_state_write before, which become the snapshot's */
  uint64_t disk_size;           /* bytes; CREATE: the backend knows */
  int64_t date;                 /* seconds since 1970 */
  uint32_t date_ns;
  uint64_t vm_clock;            /* ns */
} BpBlockSnapshot;

typedef struct BpBlockIface {
  uint32_t struct_size;
  /* One device at a time; NULL handlers detach, when all of its requests are done.  false: another device is attached. [main] */
  bool (*attach) (void *self, const BpBlockHandlers *handlers, void *user);
  void (*info) (void *self, BpBlockInfo *info);                         /* fills up to info->struct_size. [any] */
  void (*submit) (void *self, BpBlockRequest *request);                 /* [any] */
  /* Returns when all that was submitted is done; calls the `done`s itself.  Before state is saved, at the end, and by a device that is reset while it
   * has requests, which must not touch the guest's memory afterwards. [main] or [any][locked] */
  void (*drain) (void *self);
  /* From here on each may be NULL.
   * For monitors.  A medium comes or is changed; format NULL: what the file looks like.  force: even when the device's door is locked. [main] */
  bool (*insert) (void *self, const char *file, const char *format, bool read_only, GError **error);
  bool (*eject) (void *self, bool force, GError **error);
  /* Snapshots of the contents, kept within the image, and beside them a place for the machine's state (backplane/snapshot.h is for who wants one of the whole
   * machine): these six together, or `snapshots' alone, which then says NOT_NEEDED or NONE.  snapshots and snapshot_list are called at any time, the others while
   * nothing is under way: after drain, the machine stopped.  Messages name the file. [main] */
  BpBlockSnapshots (*snapshots) (void *self);
  bool (*snapshot_list) (void *self, void (*found) (void *user, const BpBlockSnapshot *snapshot), void *user, GError **error);
  bool (*snapshot_do) (void *self, BpBlockSnapshotOp op, const BpBlockSnapshot *snapshot, GError **error);
  /* The state that the next CREATE takes: written from position 0 on, after vm_state_clear.  It survives nothing but that. */
  bool (*vm_state_clear) (void *self, GError **error);
  bool (*vm_state_write) (void *self, uint64_t position, const void *data, size_t size, GError **error);
  /* That of a snapshot, which need not be applied. */
  bool (*vm_state_read) (void *self, const char *snapshot_id, uint64_t position, void *data, size_t size, GError **error);
  /* Does the request at once, if nothing has to be waited for: true, *error is what `done` would have been told, and `done` is not called.  false: nothing
   * has happened, submit it.  For small requests, whose way to another thread and back takes longer than they do. [any] */
  bool (*try_now) (void *self, BpBlockRequest *request, int *error);
  /* The machine goes to another process, and the image with it (backplane/migration.h).  release: all that was written is in the file, which is closed and whose
   * lock is given up; requests fail with ENOMEDIUM, info stays as it is.  take: the other way round, also the first time in a machine that was received
   * (bp_machine_is_incoming was true in realize); false: another has it, or the file is not what it was.  Neither does anything the second time, to a medium
   * that is read-only, or where there is none.  While nothing is under way, after drain, the machine stopped.  Without both a backend that is written to cannot
   * be moved. [main] */
  bool (*release) (void *self, GError **error);
  bool (*take) (void *self, GError **error);
  /* Between begin and end, which nest, the host need not see what is submitted; at the outermost end it sees all of it at once.  `done' may be called by end for
   * what the host does without waiting.  Both or none. [any][locked], and begin and end are called without leaving the lock in between. */
  void (*batch_begin) (void *self);
  void (*batch_end) (void *self);
  /* Makes the medium longer or shorter, now; what is behind a new end is lost.  The device hears of it by `changed', also when that went wrong half-way.  For
   * monitors. [main] */
  bool (*resize) (void *self, uint64_t size, GError **error);
} BpBlockIface;

static inline bool bp_block_attach (const BpLink *link, const BpBlockHandlers *handlers, void *user)
{
  const BpBlockIface *t = (const BpBlockIface *) link->table;
  return BP_TABLE_HAS (t, attach) ? t->attach (link->instance, handlers, user) : true;
}
/* Without a backend: no medium. */
static inline BpBlockInfo bp_block_info (const BpLink *link)
{
  const BpBlockIface *t = (const BpBlockIface *) link->table;
  BpBlockInfo info;
  memset (&info, 0, sizeof info);
  info.struct_size = sizeof info;
  if (BP_TABLE_HAS (t, info))
    t->info (link->instance, &info);
  return info;
}
/* The link has to be set. */
static inline void bp_block_submit (const BpLink *link, BpBlockRequest *request)
{
  const BpBlockIface *t = (const BpBlockIface *) link->table;
  t->submit (link->instance, request);
}
static inline bool bp_block_try (const BpLink *link, BpBlockRequest *request, int *error)
{
  const BpBlockIface *t = (const BpBlockIface *) link->table;
  return BP_TABLE_HAS (t, try_now) && t->try_now (link->instance, request, error);
}
static inline void bp_block_batch_begin (const BpLink *link)
{
  const BpBlockIface *t = (const BpBlockIface *) link->table;
  if (BP_TABLE_HAS (t, batch_begin) && BP_TABLE_HAS (t, batch_end))
    t->batch_begin (link->instance);
}
static inline void bp_block_batch_end (const BpLink *link)
{
  const BpBlockIface *t = (const BpBlockIface *) link->table;
  if (BP_TABLE_HAS (t, batch_begin) && BP_TABLE_HAS (t, batch_end))
    t->batch_end (link->instance);
}
/* Waits for all that was submitted. [any][locked] */
static inline void bp_block_drain (const BpLink *link)
{
  const BpBlockIface *t = (const BpBlockIface *) link->table;
  if (BP_TABLE_HAS (t, drain))
    t->drain (link->instance);
}

/* --- what a device does about an error: properties `rerror` and `werror`, of enums in this order -------- */

typedef enum BpBlockPolicy {
  BP_BLOCK_REPORT,              /* the guest is told */
  BP_BLOCK_STOP,                /* the machine stops (BP_RUN_IO_ERROR); the request is tried again when it goes on */
  BP_BLOCK_IGNORE,              /* the guest is told that all went well */
  BP_BLOCK_ENOSPC               /* STOP for a write when the host's disk is full, else REPORT */
} BpBlockPolicy;
#define BP_BLOCK_POLICY_NAMES "report", "stop", "ignore", "enospc", NULL

static inline BpBlockPolicy bp_block_policy_ (int policy, bool write, bool failure, bool full)
{
  if (!failure)
    return BP_BLOCK_REPORT;
  if (policy == BP_BLOCK_ENOSPC)
    return full && write ? BP_BLOCK_STOP : BP_BLOCK_REPORT;
  return (BpBlockPolicy) policy;
}
/* REPORT, STOP or IGNORE.  What is the guest's own fault, or was done to it from outside, it is told in any case.  With <errno.h>. */
#define bp_block_policy(rerror, werror, op, error) \
  bp_block_policy_ ((op) == BP_BLOCK_READ ? (rerror) : (werror), (op) != BP_BLOCK_READ, \
                    (error) != 0 && (error) != EROFS && (error) != ENOMEDIUM && (error) != ECANCELED && (error) != EINVAL, (error) == ENOSPC)

BP_END_DECLS
#endif
