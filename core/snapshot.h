/* snapshot.h -- snapshots: the stream that a machine's state is written as, and where streams are kept. */
/* SPDX-License-Identifier: MIT */
/*
 * A stream is a header as it is, and behind it pieces: u32 bytes packed, u32 bytes unpacked, one zstd frame with its checksum; 0 and 0 are the end.  Unpacked they hold,
 * one after the other, sections, which may begin and end anywhere.  (In formats 1 and 2 it is one frame alone.)  All numbers are little-endian, a text is a u16 length and
 * its bytes.
 *   header   "BPSNAP\r\n", u32 format, u32 bytes of the header, i64 date, u32 its nanoseconds, u32 flags, i64 virtual time, texts: name, machine, program version;
 *            32 bytes SHA-256 of all before
 *   section  u32 kind, u32 0, u64 bytes of payload, payload
 * Sections, in this order:
 *   MACHINE  u32 vCPUs, u32 shift of deterministic mode, u64 turn of the timer that was armed last
 *   CHANGE   u8 what (1: joined, 2: left the machine of the descriptor), text kind, text id, u32 how many keys, each: text key, text value; not in format 1
 *   SHAPE    what the guest can tell of the machine: objects, their properties, wires, maps (migrate-shape.c); not in formats 1 and 2
 *   DISK     text id, u8 inserted, u8 has a part of the snapshot, u64 size, text file
 *   OBJECT   text id, its state (state.c)
 *   PINS     text id, u32 how many, each: text name, u8 level
 *   VCPU     text id, u32 pending word, u64 instructions, u64 skipped
 *   BLOCK    text id of the owner, text region, u64 bytes: a piece of RAM; the first is number 0
 *   PAGES    u32 number of the block, u32 0, u64 offset, bytes; ascending within all; what none has is zero
 *   END      u64 how many sections came before
 * A machine that is moved, or a template, is in format 64 (migrate.h): the same header and the same payloads in another order, each section by itself.
 */
#ifndef CORE_SNAPSHOT_H
#define CORE_SNAPSHOT_H

#include "build.h"
#include <backplane/iface/block.h>
#include <backplane/snapshot.h>

#define SNAPSHOT_MAGIC "BPSNAP\r\n"
#define SNAPSHOT_SUFFIX ".bps"
enum { SNAPSHOT_FORMAT = 3, SNAPSHOT_FORMAT_PIECES = 3 };        /* the newest, which is written; the first that comes in pieces */
enum { SNAPSHOT_FORMAT_SECTIONS = 64 };  /* migrate.h */
enum { SNAPSHOT_DETERMINISTIC = 1 << 0, SNAPSHOT_CHANGED = 1 << 1, SNAPSHOT_TWO_WAY = 1 << 2 };         /* header flags */
enum { SECTION_MACHINE = 1, SECTION_DISK, SECTION_OBJECT, SECTION_PINS, SECTION_VCPU, SECTION_BLOCK, SECTION_PAGES, SECTION_END, SECTION_CHANGE,
       SECTION_SHAPE = 16 };
enum { SNAPSHOT_PAGES_MOST = 1 << 20, SNAPSHOT_PAGES_WRITTEN = 1 << 19 };        /* bytes in one PAGES section; in one of ours: it fits into a piece */
#define SNAPSHOT_SECTION_MOST (UINT64_C (256) << 20)    /* bytes in any: an object's state with all that belongs to it */

typedef struct SnapshotHeader {
  int64_t date;
  uint32_t date_ns, flags;
  int64_t vm_clock;
  char *name, *machine, *version;
  uint32_t format;              /* that was read */
} SnapshotHeader;

void snapshot_header_clear (SnapshotHeader *header);
GByteArray *snapshot_header_bytes (const SnapshotHeader *header, uint32_t format);

/* --- where the bytes go to and come from ------------------------------------------------------ */

typedef struct SnapshotPlace {
  bool (*write) (void *user, const void *data, size_t size, GError **error);
  /* Up to `size` bytes, 0 at the end, -1 with error. */
  ssize_t (*read) (void *user, void *data, size_t size, GError **error);
  void *user;
} SnapshotPlace;

/* false: there is no header of that format, or it is damaged. */
bool snapshot_read_header (const SnapshotPlace *place, uint32_t format, SnapshotHeader *header, GError **error);

/* Where sections go to: payload is head, then data, either NULL.  Where they come from: `payload` is theirs until the next call. */
typedef struct SnapshotSink {
  void (*put) (void *user, uint32_t kind, const GByteArray *head, const void *data, size_t size);
  void (*fail) (void *user, GError *error);     /* takes it; the first one counts */
  void *user;
} SnapshotSink;
typedef struct SnapshotPull {
  bool (*next) (void *user, uint32_t *kind, const uint8_t **payload, size_t *size, GError **error);
  void *user;
} SnapshotPull;

/* --- snapshot-pieces.c ------------------------------------------------------------------------ */

enum { SNAPSHOT_PIECE_MOST = SNAPSHOT_PAGES_WRITTEN + 4096, SNAPSHOT_PACKED_MOST = SNAPSHOT_PIECE_MOST + 8192 };
typedef struct SnapshotPiece {
  uint8_t *data, *packed;       /* room for the most */
  size_t size, packed_size;     /* of data; to be unpacked, of both */
  const char *wrong;            /* NULL: it went well */
} SnapshotPiece;
typedef struct SnapshotPieces SnapshotPieces;
SnapshotPieces *snapshot_pieces_new (bool packs);
/* The one to be filled next, and given: then threads work on it.  NULL: so many are under way that the oldest comes first. */
SnapshotPiece *snapshot_pieces_next (SnapshotPieces *s);
void snapshot_pieces_give (SnapshotPieces *s);
/* Waits for the one that was given first; it is the caller's until released.  NULL: none is under way. */
SnapshotPiece *snapshot_pieces_oldest (SnapshotPieces *s);
void snapshot_pieces_release (SnapshotPieces *s);
void snapshot_pieces_free (SnapshotPieces *s);

/* --- snapshot-stream.c ------------------------------------------------------------------------ */

typedef struct SnapshotWriter SnapshotWriter;
/* Errors are kept, and given by finish; meanwhile nothing more is written. */
SnapshotWriter *snapshot_writer_new (const SnapshotPlace *place, const SnapshotHeader *header);
void snapshot_write_section (SnapshotWriter *w, uint32_t kind, const GByteArray *head, const void *data, size_t size);   /* payload: head, then data; either NULL */
void snapshot_write_raw (SnapshotWriter *w, const void *data, size_t size);     /* what is no section: for tests of readers */
void snapshot_writer_fail (SnapshotWriter *w, GError *error);   /* takes it */
SnapshotSink snapshot_sink (SnapshotWriter *w);
bool snapshot_writer_finish (SnapshotWriter *w, uint64_t *bytes, GError **error);      /* writes END, and frees */

typedef struct SnapshotReader SnapshotReader;
/* Reads the header alone; NULL with error when it is none. */
SnapshotReader *snapshot_reader_new (const SnapshotPlace *place, SnapshotHeader *header, GError **error);
/* The next section; `payload` is the reader's until the next call.  At SECTION_END everything was read and its checksum is right. */
bool snapshot_read_section (SnapshotReader *r, uint32_t *kind, const uint8_t **payload, size_t *size, GError **error);
/* After SECTION_END, with the place at its beginning: the same once more, which takes no memory. */
bool snapshot_reader_again (SnapshotReader *r, GError **error);
SnapshotPull snapshot_pull (SnapshotReader *r);
void snapshot_reader_free (SnapshotReader *r);

/* Payloads. */
void snapshot_put (GByteArray *out, uint64_t value, unsigned size);
void snapshot_put_text (GByteArray *out, const char *text);
typedef struct SnapshotBytes { const uint8_t *at, *end; bool bad; } SnapshotBytes;     /* bad: they ended too early; values are 0 and "" then */
uint64_t snapshot_get (SnapshotBytes *b, unsigned size);
char *snapshot_get_text (SnapshotBytes *b);
bool snapshot_refuse (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);    /* false */

/* --- snapshot-memory.c ------------------------------------------------------------------------ */

typedef struct SnapshotBlock {  /* a piece of RAM and what it is called: owner and region, and which of several that have both alike */
  char *owner, *name;
  uint64_t size;
  BpRegion *region;             /* NULL: this machine has none */
  unsigned turn;
} SnapshotBlock;
GArray *snapshot_blocks (BpMachine *m); /* of SnapshotBlock, in the same order each time; g_array_unref */
GArray *snapshot_blocks_new (void);
void snapshot_write_blocks (const SnapshotSink *sink, const GArray *blocks);
void snapshot_write_memory (const SnapshotSink *sink, const GArray *blocks);
/* Which of `blocks`, by owner, name and turn; NULL: none. */
SnapshotBlock *snapshot_block_find (const GArray *blocks, const SnapshotBlock *like);
/* A BLOCK payload, appended; false: it is none, or there are more than there can be. */
bool snapshot_read_block (GArray *blocks, SnapshotBytes *payload);
bool snapshot_is_zero (const void *data, size_t size);
typedef struct SnapshotExtent { /* of a block: a hole, or none; zeros: nothing is known */
  uint64_t start, end;
  bool hole;
} SnapshotExtent;
/* Whether the page at `offset' is in a hole: all zeros, and the host gives memory for it when it is read.  *known: from the calls before, for the same region.
 * What was written before the first of them is no hole. */
bool snapshot_is_hole (const BpRegion *region, uint64_t offset, SnapshotExtent *known);
/* A PAGES payload into the blocks' regions, in any order.  false: it belongs nowhere. */
bool snapshot_put_pages (const GArray *blocks, const uint8_t *payload, size_t size, GError **error);
void snapshot_put_bytes (const SnapshotBlock *block, uint64_t offset, const uint8_t *data, uint64_t size);      /* within it; NULL: zeros */
bool snapshot_put_zeros (const GArray *blocks, const uint8_t *payload, size_t size, GError **error);   /* ZERO: u32 block, u32 0, u64 offset, u64 bytes */
typedef struct SnapshotFill {   /* how far RAM is as the snapshot has it */
  const GArray *blocks;
  unsigned block;
  uint64_t at;
} SnapshotFill;
/* Whether a PAGES payload is in order after the ones before; moves on. */
bool snapshot_check_pages (SnapshotFill *f, const uint8_t *payload, size_t size, GError **error);
/* The same, and puts it there; what was skipped becomes zero.  Pages that are right already are not touched. */
void snapshot_fill_pages (SnapshotFill *f, const uint8_t *payload, size_t size);
void snapshot_fill_rest (SnapshotFill *f);

/* --- snapshot-objects.c ------------------------------------------------------------------------- */

typedef struct SnapshotObjects SnapshotObjects;         /* who joined and who left, as a stream has it */
bool snapshot_has_changed_objects (BpMachine *m);
void snapshot_write_changes (BpMachine *m, const SnapshotSink *sink);
SnapshotObjects *snapshot_objects_new (BpMachine *m);
bool snapshot_objects_read (SnapshotObjects *s, SnapshotBytes *b);      /* a CHANGE's payload */
/* Makes the machine have what the snapshot has.  differs: is told what cannot be. */
typedef void SnapshotDiffers (void *user, const char *text);
/* Both: who lacks joins, and who is too many leaves; for a machine that has no state of its own yet. */
bool snapshot_objects_bring (SnapshotObjects *s, GError **error);
void snapshot_objects_join (SnapshotObjects *s, SnapshotDiffers *differs, void *user);
bool snapshot_objects_leaves (const SnapshotObjects *s, BpObject *o);   /* the snapshot lacks it: it leaves when that is loaded */
void snapshot_objects_settle (SnapshotObjects *s);      /* the snapshot is loaded */
void snapshot_objects_free (SnapshotObjects *s);        /* not settled: who joined leaves */

/* --- migrate-shape.c: what the guest can tell of two machines ------------------------------------ */

GByteArray *shape_of (BpMachine *m);
/* A snapshot's.  changes: who leaves is not missed.  differs: is told each difference.  false: it is damaged. */
bool shape_compare (BpMachine *m, SnapshotBytes *bytes, const SnapshotObjects *changes, SnapshotDiffers *differs, void *user);

/* --- snapshot.c ---------------------------------------------------------------------------------- */

/* Nothing is under way at any block backend. [main] */
void machine_drain_disks (BpMachine *m);

/* --- snapshot-save.c, snapshot-load.c: [main], the machine stopped and drained ------------------ */

typedef struct SnapshotDisk {   /* one of the machine's block backends */
  BpObject *object;
  const BpBlockIface *iface;
  BpBlockSnapshots able;
  BpBlockInfo info;
} SnapshotDisk;

SnapshotHeader snapshot_header_now (BpMachine *m, const char *name);
/* All but RAM.  shape: who reads it has not compared the machines before. */
void snapshot_write_objects (BpMachine *m, const SnapshotSink *sink, const GArray *disks, bool shape);
bool snapshot_has_state (const BpObject *o);            /* else it is the same in any snapshot */

typedef struct SnapshotPlan SnapshotPlan;
/* Reads all of a stream and checks it against the machine; every difference is in the error.  Nothing changes. */
SnapshotPlan *snapshot_plan_new (BpMachine *m, const SnapshotPlace *place, const GArray *disks, SnapshotHeader *header, GError **error);
/* The same of what comes behind the RAM, from MACHINE on, when that has been dealt with. */
SnapshotPlan *snapshot_plan_rest (BpMachine *m, const SnapshotPull *pull, const GArray *disks, const SnapshotHeader *header, GError **error);
void snapshot_plan_free (SnapshotPlan *plan);
/* Puts objects, pins and clocks as the stream has them.  false: an object did not take its state; all is as it was. */
bool snapshot_plan_apply (SnapshotPlan *plan, GError **error);
/* After apply: RAM, from the same stream, its place at the beginning again, and vCPUs.  false: the machine is neither what it was nor what it should be. */
bool snapshot_plan_fill (SnapshotPlan *plan, GError **error);
/* After apply: back to what was before. */
void snapshot_plan_undo (SnapshotPlan *plan);
/* All of it is there: objects that the snapshot lacks leave. */
void snapshot_plan_settle (SnapshotPlan *plan);
bool snapshot_plan_wants_disk (const SnapshotPlan *plan, const char *id);      /* it has a part of the snapshot */

typedef struct Standing {       /* a machine that stands for something of ours */
  bool ran;
  BpRunState state;             /* what it was, when it did not run */
} Standing;
Standing machine_stand (BpMachine *m, BpRunState how);  /* nothing of the guest is under way any more */
void machine_go_on (BpMachine *m, const Standing *s);
/* A reset or a stop that was asked for and not done yet is done first.  false: the machine is about to end. */
bool machine_serve_first (BpMachine *m, Standing *s, BpRunState how, GError **error);

/* --- snapshot-disks.c ---------------------------------------------------------------------------- */

GArray *snapshot_disks (BpMachine *m);  /* of SnapshotDisk, in descriptor order; g_array_unref */
/* The one that keeps the machine's state; NULL: none can. */
const SnapshotDisk *snapshot_disks_first (const GArray *disks);
bool snapshot_disks_able (const GArray *disks, GError **error);        /* the error names those that cannot */
typedef struct SnapshotEntry {  /* a snapshot in a disk */
  const SnapshotDisk *disk;
  char *id, *name;
  uint64_t vm_state_size, disk_size, vm_clock;
  int64_t date;
  uint32_t date_ns;
} SnapshotEntry;
GArray *snapshot_entries (const SnapshotDisk *disk, GError **error);    /* of SnapshotEntry, oldest first; NULL with error */
/* The disk's part of the snapshot that was taken then, or NULL: its entries in `all`. */
const SnapshotEntry *snapshot_entry_match (const GArray *all, const char *name, int64_t date, uint32_t date_ns, uint64_t vm_clock);
/* All parts or none; the disk that keeps the state (or NULL) comes last.  Then those that had the name before go. */
bool snapshot_disks_create (const GArray *disks, const SnapshotDisk *keeper, uint64_t vm_state_size, const char *name, const SnapshotHeader *header, GError **error);
void snapshot_disks_forget_older (const GArray *disks, const char *name, const SnapshotHeader *header);
void snapshot_disks_forget (const GArray *disks, const char *name, const SnapshotHeader *header);      /* the parts of this one */
bool snapshot_disks_delete (const GArray *disks, const char *name, unsigned *n_deleted, GError **error);
/* Each disk's part of what the header says.  find: false when one lacks it.  apply: *any: one of them was changed. */
bool snapshot_disks_find (const GArray *disks, const SnapshotPlan *plan, const char *name, const SnapshotHeader *header, GError **error);
bool snapshot_disks_apply (const GArray *disks, const SnapshotPlan *plan, const char *name, const SnapshotHeader *header, bool *any, GError **error);

typedef struct SnapshotInDisk { /* SnapshotPlace's user: the state area of a disk; id NULL: to write */
  const SnapshotDisk *disk;
  const char *id;
  uint64_t at, size;            /* size: to read */
} SnapshotInDisk;
SnapshotPlace snapshot_in_disk (SnapshotInDisk *s);

/* --- snapshot-file.c --------------------------------------------------------------------------------- */

typedef struct SnapshotFile SnapshotFile;
/* A new file beside the one that is to have the name, which it takes by commit; else nobody sees it. */
SnapshotFile *snapshot_file_create (const char *path, GError **error);
bool snapshot_file_sync (SnapshotFile *f, GError **error);
bool snapshot_file_commit (SnapshotFile *f, GError **error);
SnapshotFile *snapshot_file_open (const char *path, GError **error);
bool snapshot_file_rewind (SnapshotFile *f, GError **error);
void snapshot_file_close (SnapshotFile *f);             /* NULL is fine */
SnapshotPlace snapshot_in_file (SnapshotFile *f);

#endif
