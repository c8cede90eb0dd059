/* qcow2.h -- qcow2 images: what the files qcow2-*.c share. */
/* SPDX-License-Identifier: MIT */
/*
 * The format is QEMU's docs/interop/qcow2.  Two levels of tables lead from a guest's cluster to the host's (L1, L2), two more from a host's cluster
 * to the number of its users (refcount table, refcount blocks).
 *
 * Locking.  `lock` is held shared by who reads, or writes over clusters that are the guest's own; exclusively by who changes a table.  `tables` guards the
 * cache of L2 tables between those who hold `lock` shared.  Functions below want `lock` exclusively unless they say otherwise.
 *
 * Order on the disk.  Tables are changed in memory and written by qcow2_write_tables, so that a reference never is on the disk before what it refers to:
 * data and refcounts, flush, refcount table, flush, L2 tables, flush, L1 table.  A cluster that lost a reference keeps its refcount (it is in `frees`) until
 * the tables without the reference are on the disk.  So a program that is killed, or a host that loses power, at worst leaves clusters that nobody uses.
 */
#ifndef BLOCK_BACKENDS_QCOW2_H
#define BLOCK_BACKENDS_QCOW2_H

#include "image-check.h"
#include "image.h"
#include <pthread.h>

#define QCOW2_MAGIC 0x514649fbu
#define QCOW2_COPIED (UINT64_C (1) << 63)       /* the refcount is 1: may be written in place */
#define QCOW2_COMPRESSED (UINT64_C (1) << 62)
#define QCOW2_ZERO UINT64_C (1)                 /* version 3: reads as zeros */
#define QCOW2_OFFSET UINT64_C (0x00fffffffffffe00)
#define QCOW2_L1_RESERVED UINT64_C (0x7f000000000001ff)
#define QCOW2_L2_RESERVED UINT64_C (0x3f000000000001fe)

#define QCOW2_MAX_L1 (UINT32_C (32) << 17)      /* entries: 32 MiB, QEMU's limit */
#define QCOW2_MAX_RT_BYTES (UINT64_C (8) << 20)
#define QCOW2_MAX_SNAPSHOTS 65536u

enum { QCOW2_DIRTY = 1 << 0, QCOW2_CORRUPT = 1 << 1, QCOW2_EXTERNAL = 1 << 2, QCOW2_COMPRESSION = 1 << 3, QCOW2_EXTENDED_L2 = 1 << 4 };
enum { QCOW2_LAZY = 1 << 0 };
enum { QCOW2_BITMAPS = 1 << 0 };
enum { QCOW2_ZLIB = 0, QCOW2_ZSTD = 1 };

/* Where fields of the header are. */
enum {
  QCOW2_AT_SIZE = 24, QCOW2_AT_L1_SIZE = 36, QCOW2_AT_L1 = 40, QCOW2_AT_RT = 48, QCOW2_AT_RT_CLUSTERS = 56, QCOW2_AT_N_SNAPSHOTS = 60,
  QCOW2_AT_SNAPSHOTS = 64, QCOW2_AT_INCOMPATIBLE = 72, QCOW2_AT_AUTOCLEAR = 88, QCOW2_V2_LENGTH = 72, QCOW2_V3_LENGTH = 104
};

typedef struct Qcow2Header {
  unsigned version, cluster_bits, refcount_order, compression;
  uint64_t backing_offset, size, l1_offset, rt_offset, snapshots_offset, incompatible, compatible, autoclear;
  uint32_t backing_size, crypt, l1_size, rt_clusters, n_snapshots, length;
  /* extensions */
  char *backing_name, *backing_format;
  uint64_t bitmaps_offset, bitmaps_size;        /* the directory of bitmaps; 0: none */
  uint32_t n_bitmaps;
} Qcow2Header;

typedef struct Qcow2Table {     /* a cluster of a table in memory, as it is on the disk */
  uint64_t offset;
  uint64_t used;                /* when, for replacement */
  bool dirty;
  uint8_t *data;
} Qcow2Table;

typedef struct Qcow2Cache {
  GHashTable *by_offset;        /* &table->offset -> Qcow2Table * */
  unsigned most;
  uint64_t now;
} Qcow2Cache;

typedef struct Qcow2Snapshot {
  uint64_t l1_offset, vm_state_size, disk_size, vm_clock;       /* vm_clock: nanoseconds */
  uint32_t l1_size, seconds, nanoseconds, extra_size;
  char *id, *name;
  uint8_t *extra;               /* what we do not know, behind the first 16 bytes */
} Qcow2Snapshot;

typedef struct Qcow2 {
  Image *image;
  ImageFile *file;
  Qcow2Header header;
  uint64_t cluster_size;
  unsigned l2_bits, rb_bits;    /* entries of an L2 table, of a refcount block */
  pthread_rwlock_t lock;
  GMutex tables;
  /* tables in memory, in the host's byte order, and which of their entries are not written yet */
  uint64_t *l1, *rt;
  uint64_t rt_size;             /* entries */
  uint64_t l1_dirty[2], rt_dirty[2];            /* from, to */
  Qcow2Cache l2, rb;
  /* allocation */
  uint64_t hint;                /* no cluster below it is free */
  GArray *frees;                /* of uint64_t: clusters (numbers) that lost a reference */
  GArray *parted;               /* likewise: in no table any more, but the kernel may still be transferring to and from them, see qcow2-plan.c */
  unsigned epoch;               /* changed under `lock` */
  unsigned plans[2];            /* atomic: that are carried out, by the epoch in which they began */
  bool changed;                 /* a table is not on the disk yet, or a cluster not free yet */
  GHashTable *metadata;         /* numbers of clusters that hold tables: no data is written there */
  GArray *snapshots;            /* of Qcow2Snapshot */
  uint64_t snapshots_size;      /* bytes of their table */
  bool corrupt;                 /* atomic: found since it was opened; nothing is written any more */
  /* the compressed cluster read last */
  GMutex unpack;
  uint64_t unpacked_entry;
  uint8_t *unpacked;
} Qcow2;

static inline uint64_t qcow2_align (const Qcow2 *q, uint64_t n) { return (n + q->cluster_size - 1) & ~(q->cluster_size - 1); }
static inline bool qcow2_is_metadata (const Qcow2 *q, uint64_t cluster) { return g_hash_table_contains (q->metadata, GSIZE_TO_POINTER (cluster)); }
static inline uint64_t qcow2_get64 (const uint8_t *p) { uint64_t v; __builtin_memcpy (&v, p, 8); return GUINT64_FROM_BE (v); }
static inline uint32_t qcow2_get32 (const uint8_t *p) { uint32_t v; __builtin_memcpy (&v, p, 4); return GUINT32_FROM_BE (v); }
static inline uint16_t qcow2_get16 (const uint8_t *p) { return (uint16_t) (p[0] << 8 | p[1]); }
static inline void qcow2_put64 (uint8_t *p, uint64_t v) { v = GUINT64_TO_BE (v); __builtin_memcpy (p, &v, 8); }
static inline void qcow2_put32 (uint8_t *p, uint32_t v) { v = GUINT32_TO_BE (v); __builtin_memcpy (p, &v, 4); }
static inline void qcow2_put16 (uint8_t *p, unsigned v) { p[0] = (uint8_t) (v >> 8); p[1] = (uint8_t) v; }

/* --- qcow2-header.c --- */
bool qcow2_header_read (ImageFile *file, Qcow2Header *header, GError **error);
void qcow2_header_clear (Qcow2Header *header);
/* How many L1 entries a disk of `size` bytes has; UINT64_MAX: too many. */
uint64_t qcow2_l1_entries (unsigned cluster_bits, uint64_t size);
/* Changes fields of the header on the disk, and waits until they are there. */
int qcow2_header_write_l1 (Qcow2 *q);           /* size, l1_size, l1_offset: at once */
int qcow2_header_write_rt (Qcow2 *q);
int qcow2_header_write_snapshots (Qcow2 *q);
int qcow2_header_write_features (Qcow2 *q);

/* --- qcow2-open.c --- */
void qcow2_lock (Qcow2 *q);     /* exclusively */
int qcow2_unlock (Qcow2 *q, int code);          /* gives the code, or that of a flush that became due */
int qcow2_flush (Qcow2 *q);     /* what was done is on the disk, and what was freed is free */
/* The image contradicts itself: it is marked so, and not written any more.  Gives EIO. [any] */
int qcow2_found_corrupt (Qcow2 *q, const char *format, ...) G_GNUC_PRINTF (2, 3);
bool qcow2_load_tables (Qcow2 *q, GError **error);

/* --- qcow2-cache.c --- */
void qcow2_caches_init (Qcow2 *q);
void qcow2_caches_finish (Qcow2 *q);
/* The table at `offset`; fresh: not read, all zeros.  Valid until the next call for the same cache.  With `lock` shared: under `tables`. */
int qcow2_table_get (Qcow2 *q, Qcow2Cache *cache, uint64_t offset, bool fresh, Qcow2Table **table);
int qcow2_table_write (Qcow2 *q, Qcow2Table *table);
void qcow2_table_forget (Qcow2 *q, uint64_t offset);
int qcow2_write_blocks (Qcow2 *q);              /* refcount blocks: these may be written at any time */
int qcow2_write_tables (Qcow2 *q);

/* --- qcow2-refcount.c --- */
int qcow2_refcount_get (Qcow2 *q, uint64_t cluster, uint64_t *count);
int qcow2_refcount_add (Qcow2 *q, uint64_t cluster, int delta);         /* ERANGE: too many for the width */
int qcow2_refcount_set (Qcow2 *q, uint64_t cluster, uint64_t count);    /* its block is there */
uint64_t qcow2_refcount_most (const Qcow2 *q);
uint64_t qcow2_entry_get (const Qcow2 *q, const uint8_t *block, uint64_t index);
void qcow2_entry_set (const Qcow2 *q, uint8_t *block, uint64_t index, uint64_t count);
/* One cluster, or several in a row for a table (which are then `metadata`); their refcounts are 1. */
int qcow2_alloc (Qcow2 *q, bool metadata, uint64_t *offset);
int qcow2_alloc_run (Qcow2 *q, uint64_t bytes, uint64_t *offset);
/* A reference goes: when the tables without it are on the disk, or at once. */
void qcow2_free_later (Qcow2 *q, uint64_t offset, uint64_t bytes, bool table);
int qcow2_free_table (Qcow2 *q, uint64_t offset, uint64_t bytes);
void qcow2_add_metadata (Qcow2 *q, uint64_t first, uint64_t n);
int qcow2_apply_frees (Qcow2 *q);

/* --- qcow2-map.c --- */
typedef enum Qcow2Kind { QCOW2_UNALLOCATED, QCOW2_ZEROS, QCOW2_DATA, QCOW2_PACKED, QCOW2_WRONG } Qcow2Kind;
Qcow2Kind qcow2_entry_kind (const Qcow2 *q, uint64_t entry);
/* Bytes from `offset` on that have one kind (and, DATA, lie in one piece).  `lock` shared is enough. */
typedef struct Qcow2Run {
  Qcow2Kind kind;
  uint64_t entry;               /* of the first cluster */
  uint64_t host;                /* DATA: of the first byte */
  uint64_t size;
  bool own;                     /* DATA: may be written in place */
} Qcow2Run;
int qcow2_map (Qcow2 *q, uint64_t offset, uint64_t size, Qcow2Run *run);
bool qcow2_map_now (Qcow2 *q, uint64_t offset, uint64_t size, Qcow2Run *run);
/* The L2 table for a guest's offset, one that may be changed: made, or copied when it is shared. */
int qcow2_l2_own (Qcow2 *q, uint64_t offset, Qcow2Table **table, uint64_t *index);
int qcow2_l2_peek (Qcow2 *q, uint64_t offset, uint64_t *entry);
void qcow2_l1_set (Qcow2 *q, uint64_t index, uint64_t entry);
int qcow2_l1_grow (Qcow2 *q, uint64_t entries);
/* The host's clusters behind an L2 entry; bytes 0: none. */
void qcow2_entry_extent (const Qcow2 *q, uint64_t entry, uint64_t *offset, uint64_t *bytes);

/* --- qcow2-io.c, qcow2-packed.c: any offset that has a place in the L1 table, vm state too --- */
int qcow2_read (Qcow2 *q, uint64_t offset, uint8_t *data, uint64_t size);               /* `lock` shared is enough */
int qcow2_read_span (Qcow2 *q, uint64_t offset, ImageSpan *to, uint64_t size);          /* here too */
/* From memory alone, or EAGAIN. */
int qcow2_try_read (Qcow2 *q, uint64_t offset, ImageSpan *to, uint64_t size);
/* As long as it goes to clusters of the guest's own: *offset and *size are what is left then.  `lock` shared is enough. */
int qcow2_write_own (Qcow2 *q, uint64_t *offset, ImageSpan *from, uint64_t *size);
int qcow2_write (Qcow2 *q, uint64_t offset, const uint8_t *data, uint64_t size);
typedef enum Qcow2Drop { QCOW2_DROP_DISCARD, QCOW2_DROP_ZERO, QCOW2_DROP_UNMAP, QCOW2_DROP_FORGET } Qcow2Drop;
int qcow2_drop (Qcow2 *q, uint64_t offset, uint64_t size, Qcow2Drop how);
/* The contents of a compressed cluster. [any] */
int qcow2_unpack (Qcow2 *q, uint64_t entry, uint64_t skip, uint8_t *data, uint64_t size);
bool qcow2_can_unpack (unsigned compression);

/* --- qcow2-plan.c --- */
bool qcow2_plan (Image *image, uint64_t offset, const ImageSpan *span, uint64_t size, ImagePlan *plan);
void qcow2_plan_over (Image *image, const ImagePlan *plan);
/* From memory to memory alone, or EAGAIN.  `lock' shared is enough. */
int qcow2_try_write (Qcow2 *q, uint64_t offset, ImageSpan *from, uint64_t size);
/* What lost its last reference before any plan that is still carried out began; clusters in `frees` take part from now on.  NULL: none is known yet. */
GArray *qcow2_plan_parted (Qcow2 *q);

/* --- qcow2-snapshot.c --- */
bool qcow2_snapshots_load (Qcow2 *q, GError **error);
void qcow2_snapshots_clear (GArray *snapshots);
const Qcow2Snapshot *qcow2_snapshot_find (Qcow2 *q, const char *id_or_name);
int qcow2_snapshot_l1 (Qcow2 *q, const Qcow2Snapshot *s, uint64_t **l1);
/* These lock.  vm_state_size: bytes written with qcow2_vm_state_write before. */
int qcow2_snapshot_create (Qcow2 *q, const char *name, uint64_t vm_state_size, uint64_t vm_clock);
int qcow2_snapshot_create_like (Qcow2 *q, const char *name, const Qcow2Snapshot *like);    /* with its vm state's size, date and clock */
int qcow2_snapshot_apply (Qcow2 *q, const char *name);
int qcow2_snapshot_delete (Qcow2 *q, const char *name);
int qcow2_update_copied (Qcow2 *q, uint64_t *n_changed);        /* QCOW2_COPIED of the active tables, by the refcounts */

/* --- qcow2-vm-state.c: what a snapshot has beside the disk's contents; these lock, but for drop --- */
int qcow2_vm_state_write (Qcow2 *q, uint64_t position, const void *data, uint64_t size);
int qcow2_vm_state_read_of (Qcow2 *q, const char *id_or_name, uint64_t position, void *data, uint64_t size);
int qcow2_vm_state_clear (Qcow2 *q);
int qcow2_vm_state_drop (Qcow2 *q);

/* --- qcow2-resize.c --- */
int qcow2_resize (Qcow2 *q, uint64_t size);

/* --- qcow2-check.c --- */
bool qcow2_check (Qcow2 *q, ImageCheckRepair repair, BpImageCheck *check);

#endif
