/* snapshot.h -- snapshots of the whole machine, as monitors make, load, delete and list them. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  A snapshot is all that a guest could notice: every object's saved state, pins, clocks, RAM, and the contents of its disks.  It is kept by the disks
 * themselves (each writable one whose format can takes an internal snapshot of that name, and the first of them the machine's state as well), or, when no
 * disk can, in a file of its own.
 *
 * A name that holds a '/' or ends in ".bps" is a file's, which gets that ending when the name has none (a file without it is loaded when there is none with it); any other is a snapshot's in the disks, or, when no disk can keep one, of the file NAME.bps in the
 * current directory.  Disks take their part of a file's snapshot under the file's name without its folder (which ends in ".bps" there in any case).
 *
 * All functions are called [main], never under the machine lock, and not from a watcher of the machine's events.  All but the listing stop the machine for as long as
 * they take (watchers hear of it), and continue it when it ran.
 */
#ifndef BACKPLANE_SNAPSHOT_H
#define BACKPLANE_SNAPSHOT_H

#include <backplane/object.h>
BP_BEGIN_DECLS

/* Strings live for the call. */
typedef struct BpSnapshotInfo {
  uint32_t struct_size;
  const char *id;               /* within the disk that keeps it; "" for a file */
  const char *name;
  const char *where;            /* the id of the block backend that keeps the machine's state, or the file */
  const char *format;           /* "qcow2": in a disk's image; "file" */
  uint64_t vm_state_size;       /* bytes that the machine's state takes; 0: a disk's contents alone, which cannot be loaded into a running machine */
  uint64_t disk_size;           /* of that disk, in bytes; 0 for a file */
  int64_t date;                 /* seconds since 1970 */
  uint32_t date_ns;
  int64_t vm_clock;             /* virtual time, ns */
  bool complete;                /* every disk that has to has its part */
} BpSnapshotInfo;

/* Saves under a name; one that is there under it is replaced once the new one is complete.  false, with everything as it was: a disk that is written to cannot
 * keep a snapshot (the message names it and says what helps), the host's disk is full ... */
BP_EXPORT bool bp_machine_save_snapshot (BpMachine *machine, const char *name, GError **error);
/* Everything is checked before anything changes: what does not fit this machine is listed, all of it, and the machine goes on as it was.  When the host fails
 * later than that, the message says so and the machine stays stopped.  `name` may be the id of one in a disk. */
BP_EXPORT bool bp_machine_load_snapshot (BpMachine *machine, const char *name, GError **error);
/* By its name alone: of all disks, or the file and what the disks have of it.  false: there is none, or it could not be deleted everywhere. */
BP_EXPORT bool bp_machine_delete_snapshot (BpMachine *machine, const char *name, GError **error);
/* Those in the machine's disks, oldest first, then those of this machine in files *.bps of the current directory.  `found` must not change any.  false: a disk cannot
 * tell, and nothing was found. */
BP_EXPORT bool bp_machine_list_snapshots (BpMachine *machine, void (*found) (void *user, const BpSnapshotInfo *info), void *user, GError **error);

BP_END_DECLS
#endif
