/* block-faults.c -- block-faults: another backend, some of whose requests fail, for trying out what a guest does about it. */
/* SPDX-License-Identifier: MIT */
#include "block-backends.h"
#include <backplane/iface/block.h>
#include <backplane/loop.h>
#include <errno.h>

enum { OPS_NONE, OPS_READ, OPS_WRITE, OPS_FLUSH, OPS_DISCARD, OPS_ALL };
enum { ERROR_EIO, ERROR_ENOSPC, ERROR_ENOMEDIUM };

typedef struct BlockFaults {
  /* properties */
  BpLink target;
  int ops, error;
  uint64_t first, sectors;
  uint32_t times;
  bool snapshot;                /* the target's own decides */
  /* derived */
  GMutex lock;                  /* of: */
  GQueue failed;                /* of BpBlockRequest: to be answered */
  uint32_t failures;
} BlockFaults;

static const BpBlockIface *target_of (const BlockFaults *b) { return b->target.table; }

/* --- what fails --------------------------------------------------------------------------------------------- */

static bool
is_of_kind (const BlockFaults *b, BpBlockOp op)
{
  switch (b->ops) {
  case OPS_READ: return op == BP_BLOCK_READ;
  case OPS_WRITE: return op == BP_BLOCK_WRITE || op == BP_BLOCK_WRITE_ZEROES;
  case OPS_FLUSH: return op == BP_BLOCK_FLUSH;
  case OPS_DISCARD: return op == BP_BLOCK_DISCARD;
  default: return b->ops == OPS_ALL;
  }
}

static bool
fails (const BlockFaults *b, const BpBlockRequest *r)
{
  uint64_t first = b->first * BP_BLOCK_SECTOR, n = b->sectors * BP_BLOCK_SECTOR;
  if (!is_of_kind (b, r->op) || (b->times && b->failures >= b->times))
    return false;
  return r->op == BP_BLOCK_FLUSH || (r->offset + r->size > first && (!n || r->offset < first + n));
}

static void
answer (void *user)
{
  static const int codes[] = { EIO, ENOSPC, ENOMEDIUM };
  BlockFaults *b = user;
  for (;;) {
    g_mutex_lock (&b->lock);
    BpBlockRequest *request = g_queue_pop_head (&b->failed);
    g_mutex_unlock (&b->lock);
    if (!request)
      return;
    request->done (request, codes[b->error]);
  }
}

/* --- the interface -------------------------------------------------------------------------------------------- */

static void
faults_submit (void *self, BpBlockRequest *request)
{
  BlockFaults *b = self;
  g_mutex_lock (&b->lock);
  bool failed = fails (b, request);
  if (failed) {
    b->failures++;
    g_queue_push_tail (&b->failed, request);
  }
  g_mutex_unlock (&b->lock);
  if (failed)
    bp_loop_post (bp_loop_main (bp_object_machine (b)), true, bp_object_machine (b), answer, b);
  else
    bp_block_submit (&b->target, request);
}

static bool
faults_try (void *self, BpBlockRequest *request, int *error)
{
  BlockFaults *b = self;
  g_mutex_lock (&b->lock);
  bool failed = fails (b, request);
  g_mutex_unlock (&b->lock);
  return !failed && bp_block_try (&b->target, request, error);
}

/* An answer may lead to another request, to either. */
static void
faults_drain (void *self)
{
  BlockFaults *b = self;
  bp_machine_lock (bp_object_machine (b));
  for (bool left = true; left;) {
    answer (b);
    bp_block_drain (&b->target);
    g_mutex_lock (&b->lock);
    left = b->failed.length;
    g_mutex_unlock (&b->lock);
  }
  bp_machine_unlock (bp_object_machine (b));
}

static bool
faults_attach (void *self, const BpBlockHandlers *handlers, void *user)
{
  if (!handlers)
    faults_drain (self);
  return bp_block_attach (&((BlockFaults *) self)->target, handlers, user);
}

static void
faults_info (void *self, BpBlockInfo *info)
{
  BlockFaults *b = self;
  target_of (b)->info (b->target.instance, info);
}

/* What the other one lacks, this one cannot do either. */
static bool
lacks (const BlockFaults *b, const char *what, GError **error)
{
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "%s %s", bp_object_id (b->target.instance), what);
  return false;
}

static void faults_batch_begin (void *self) { bp_block_batch_begin (&((BlockFaults *) self)->target); }
static void faults_batch_end (void *self) { bp_block_batch_end (&((BlockFaults *) self)->target); }

static bool
faults_insert (void *self, const char *file, const char *format, bool read_only, GError **error)
{
  BlockFaults *b = self;
  return BP_TABLE_HAS (target_of (b), insert) ? target_of (b)->insert (b->target.instance, file, format, read_only, error) : lacks (b, "takes no medium", error);
}

static bool
faults_eject (void *self, bool force, GError **error)
{
  BlockFaults *b = self;
  return BP_TABLE_HAS (target_of (b), eject) ? target_of (b)->eject (b->target.instance, force, error) : lacks (b, "cannot be opened", error);
}

static bool
faults_resize (void *self, uint64_t size, GError **error)
{
  BlockFaults *b = self;
  return BP_TABLE_HAS (target_of (b), resize) ? target_of (b)->resize (b->target.instance, size, error) : lacks (b, "cannot be resized", error);
}

/* Snapshots are the target's, which is asked itself: each image has its own part in one of the machine. */
static BpBlockSnapshots faults_snapshots (void *self) { return BP_BLOCK_SNAPSHOTS_NOT_NEEDED; }

/* So is its handing over. */
static bool faults_release (void *self, GError **error) { return true; }
static bool faults_take (void *self, GError **error) { return true; }

static const BpBlockIface faults_iface = {
  .struct_size = sizeof faults_iface, .attach = faults_attach, .info = faults_info, .submit = faults_submit, .drain = faults_drain, .insert = faults_insert,
  .eject = faults_eject, .snapshots = faults_snapshots, .try_now = faults_try, .batch_begin = faults_batch_begin, .batch_end = faults_batch_end,
  .release = faults_release, .take = faults_take, .resize = faults_resize,
};

/* --- life cycle -------------------------------------------------------------------------------------------------- */

static bool
faults_configure (void *self, GError **error)
{
  BlockFaults *b = self;
  if (b->first < UINT64_MAX / BP_BLOCK_SECTOR / 2 && b->sectors < UINT64_MAX / BP_BLOCK_SECTOR / 2)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "first and sectors: no disk is that large");
  return false;
}

static void
faults_property_changed (void *self, const char *name)
{
  BlockFaults *b = self;
  g_mutex_lock (&b->lock);
  b->failures = 0;
  g_mutex_unlock (&b->lock);
}

/* --- tables -------------------------------------------------------------------------------------------------------- */

static const char *const ops_names[] = { "none", "read", "write", "flush", "discard", "all", NULL };
static const char *const error_names[] = { "EIO", "ENOSPC", "ENOMEDIUM", NULL };

static const BpProperty properties[] = {
  BP_PROP_LINK ("drive", BlockFaults, target, BP_BLOCK_ID, BP_PROPERTY_REQUIRED, "The backend that does what does not fail."),
  BP_PROP_ ("fails", BP_PROPERTY_ENUM, BlockFaults, ops, .flags = BP_PROPERTY_RUNTIME, .names = ops_names,
            .help = "Which requests fail; write has the writing of zeros with it."),
  BP_PROP_ ("error", BP_PROPERTY_ENUM, BlockFaults, error, .flags = BP_PROPERTY_RUNTIME, .names = error_names,
            .help = "How they fail."),
  BP_PROP_U64 ("first", BlockFaults, first, 0, "The first sector (of 512 bytes) whose requests fail."),
  BP_PROP_U64 ("sectors", BlockFaults, sectors, 0, "How many sectors from there on; 0: all."),
  BP_PROP_U32 ("times", BlockFaults, times, 0, "After so many failures all is well, until `fails` or `error` is set anew; 0: never."),
  BP_PROP_BOOL ("snapshot", BlockFaults, snapshot, false, "Nothing is kept here: `snapshot` of the other backend decides, which --snapshot sets as well."),
  BP_PROP_END
};

static const BpInterfaceDesc interfaces[] = { { BP_BLOCK_ID, &faults_iface }, { NULL, NULL } };

const BpTypeDesc block_faults_type = {
  BP_TYPE ("block-faults", BP_KIND_BACKEND, BlockFaults),
  .description = "another backend, some of whose requests fail",
  .properties = properties,
  .interfaces = interfaces,
  .configure = faults_configure,
  .property_changed = faults_property_changed,
};
