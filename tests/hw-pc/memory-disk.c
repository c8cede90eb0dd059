/* memory-disk.c -- the type `memory-disk`: a disk under a test's hand, whose requests are done when the test says so. */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/block.h>
#include <errno.h>
#include <string.h>
#include "hw-pc-test.h"
#include "memory-disk.h"

typedef struct MemoryDisk {
  uint64_t size;
  bool read_only;
  uint8_t *bytes;
  GQueue *requests;
  int error;
  const BpBlockHandlers *handlers;
  void *user;
} MemoryDisk;

static void
fill (MemoryDisk *d)
{
  d->bytes = g_realloc (d->bytes, d->size);
  for (uint64_t i = 0; i < d->size; i++)
    d->bytes[i] = (uint8_t) (i / BP_BLOCK_SECTOR * 7 + i % BP_BLOCK_SECTOR);
}

/* --- the interface -------------------------------------------------------------------------- */

static unsigned run (MemoryDisk *d);

static bool
disk_attach (void *self, const BpBlockHandlers *handlers, void *user)
{
  MemoryDisk *d = self;
  if (handlers && d->handlers)
    return false;
  if (!handlers && d->requests)
    run (d);
  d->handlers = handlers;
  d->user = user;
  return true;
}

static void
disk_info (void *self, BpBlockInfo *info)
{
  const MemoryDisk *d = self;
  BpBlockInfo now = { .struct_size = info->struct_size, .inserted = d->size > 0, .read_only = d->read_only, .size = d->size, .file = "memory" };
  memcpy (info, &now, MIN (info->struct_size, sizeof now));
}

static void disk_submit (void *self, BpBlockRequest *request) { g_queue_push_tail (((MemoryDisk *) self)->requests, request); }
static void disk_drain (void *self) { run (self); }

static int
move (MemoryDisk *d, const BpBlockRequest *r)
{
  uint64_t at = r->offset;
  if (d->error)
    return d->error;
  if (!d->size)
    return ENOMEDIUM;
  if (r->offset + r->size > d->size)
    return EINVAL;
  if (r->op != BP_BLOCK_READ && d->read_only)
    return EROFS;
  for (unsigned i = 0; i < r->n_iov; at += r->iov[i++].iov_len)
    if (r->op == BP_BLOCK_READ)
      memcpy (r->iov[i].iov_base, d->bytes + at, r->iov[i].iov_len);
    else if (r->op == BP_BLOCK_WRITE)
      memcpy (d->bytes + at, r->iov[i].iov_base, r->iov[i].iov_len);
  return 0;
}

static unsigned
run (MemoryDisk *d)
{
  unsigned n = 0;
  BpBlockRequest *r;
  for (; (r = g_queue_pop_head (d->requests)); n++)
    r->done (r, move (d, r));
  return n;
}

static const BpBlockIface disk_iface = {
  .struct_size = sizeof disk_iface, .attach = disk_attach, .info = disk_info, .submit = disk_submit, .drain = disk_drain
};

/* --- life cycle, type -------------------------------------------------------------------------- */

static bool
disk_realize (void *self, GError **error)
{
  MemoryDisk *d = self;
  d->requests = g_queue_new ();
  fill (d);
  return true;
}

static void
disk_unrealize (void *self)
{
  MemoryDisk *d = self;
  if (d->requests)
    g_queue_free (d->requests);
  d->requests = NULL;
  g_clear_pointer (&d->bytes, g_free);
}

static const BpInterfaceDesc interfaces[] = { { BP_BLOCK_ID, &disk_iface }, { NULL, NULL } };
static const BpProperty properties[] = {
  BP_PROP_SIZE ("size", MemoryDisk, size, 0, "Bytes."), BP_PROP_BOOL ("read-only", MemoryDisk, read_only, false, "Not to be written."), BP_PROP_END
};
const BpTypeDesc memory_disk_type = {
  BP_TYPE ("memory-disk", BP_KIND_BACKEND, MemoryDisk), .description = "Disk of a test", .properties = properties, .interfaces = interfaces,
  .realize = disk_realize, .unrealize = disk_unrealize
};

const BpTypeDesc *const *
memory_disk_and_hw_pc (void)
{
  static const BpTypeDesc *all[128] = { &memory_disk_type };
  unsigned n = 1;
  for (const BpTypeDesc *const *t = hw_pc (); *t && n < G_N_ELEMENTS (all) - 1; t++)
    all[n++] = *t;
  return all;
}

/* --- the test's side ------------------------------------------------------------------------------- */

uint8_t *memory_disk_bytes (Harness *h, const char *id) { return ((MemoryDisk *) harness_object (h, id))->bytes; }
void memory_disk_fail (Harness *h, const char *id, int error) { ((MemoryDisk *) harness_object (h, id))->error = error; }

unsigned
memory_disk_run (Harness *h, const char *id)
{
  MemoryDisk *d = harness_object (h, id);
  bp_machine_lock (harness_machine (h));
  unsigned n = run (d);
  bp_machine_unlock (harness_machine (h));
  return n;
}

void
memory_disk_change (Harness *h, const char *id, uint64_t size, bool read_only)
{
  MemoryDisk *d = harness_object (h, id);
  bp_machine_lock (harness_machine (h));
  run (d);
  d->size = size;
  d->read_only = read_only;
  fill (d);
  if (d->handlers)
    d->handlers->changed (d->user);
  bp_machine_unlock (harness_machine (h));
}
