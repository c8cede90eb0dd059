/* migration.h -- a running machine moved to another process, and templates that many machines begin with, as monitors ask for them. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  Two processes have the same descriptor.  The one that is to receive the machine waits for it (`backplane run --incoming ADDRESS`); the other sends
 * RAM while the guest runs on, then again what the guest has written meanwhile, until what is left takes no longer than the downtime limit.  A guest that writes
 * faster than the connection takes is slowed down, more and more, until it does not.  Then the machine stops, the rest and the devices' state follow, the disks change hands, and the receiver goes on.  Until the receiver has said that it has everything, nothing
 * is lost here: whatever fails before leaves this machine running, with an error.
 *
 * Addresses:
 *   unix:PATH  tcp:HOST:PORT     as in socket.h (without a host: this one)
 *   file:PATH                    a file, which a receiver reads later; this machine stays stopped once it is complete
 *   exec:COMMAND                 a shell's command, which gets it on its standard input, or, receiving, gives it on its standard output
 *   fd:NUMBER                    a descriptor that the program was started with
 *
 * All functions are called [main], never under the machine lock, unless it says otherwise.
 */
#ifndef BACKPLANE_MIGRATION_H
#define BACKPLANE_MIGRATION_H

#include <backplane/object.h>
BP_BEGIN_DECLS

typedef enum BpMigrationStatus {
  BP_MIGRATION_NONE,            /* there was none yet */
  BP_MIGRATION_SETUP,           /* connecting; receiving: waiting for a sender */
  BP_MIGRATION_ACTIVE,          /* RAM is on its way */
  BP_MIGRATION_DEVICE,          /* the machine stands: the rest, devices, disks */
  BP_MIGRATION_COMPLETED,
  BP_MIGRATION_FAILED,          /* the machine here is what it was */
  BP_MIGRATION_CANCELLING,
  BP_MIGRATION_CANCELLED
} BpMigrationStatus;
/* "none", "setup", "active", "device" ...: the words of the field, never NULL. [any] */
BP_EXPORT const char *bp_migration_status_name (BpMigrationStatus status);

typedef struct BpMigrationInfo {
  uint32_t struct_size;
  BpMigrationStatus status;
  bool incoming;
  const char *error;            /* why it failed or was cancelled, NULL: neither; until the next call of any function here */
  uint64_t total;               /* bytes of RAM */
  uint64_t remaining;           /* of them, to be sent (again) */
  uint64_t transferred;         /* bytes in the stream */
  uint64_t pages, zero_pages;   /* sent as they are, and as being zero */
  uint64_t rounds;              /* over RAM, begun */
  uint64_t dirty_rate;          /* pages a second that the guest writes to, in the last round */
  uint64_t bandwidth;           /* bytes a second, in the last round */
  uint64_t total_time, setup_time, downtime, expected_downtime;         /* ms; receiving, downtime is from the last of RAM until it runs */
  uint32_t throttle;            /* percent of their time that the vCPUs are held, for the guest writes faster than the connection takes */
} BpMigrationInfo;
/* How it stands with the one under way, or how the last one went; struct_size is set by the caller, and no more is filled, here and below. */
BP_EXPORT void bp_migration_info (BpMachine *machine, BpMigrationInfo *info);

/* Those of a running migration may be changed; the values are those of before anybody does. */
typedef struct BpMigrationParameters {
  uint32_t struct_size;
  uint32_t downtime_limit;      /* ms that the machine may stand, 1 to 2000000; 300 */
  uint64_t max_bandwidth;       /* bytes a second while it runs; 0: no limit; 0 */
  uint32_t patience;            /* ms that the machine stands without anything moving on the way, before it goes on here, 100 to 3600000; 10000 */
  uint32_t compress;            /* zstd's level, up to 19; 0: none; 0 */
  uint32_t max_throttle;        /* percent, as in BpMigrationInfo, up to 99; 0: a guest that writes too fast is sent for ever; 99 */
} BpMigrationParameters;
BP_EXPORT void bp_migration_parameters (BpMachine *machine, BpMigrationParameters *parameters);
/* false: one of them is out of its range, and none is changed. */
BP_EXPORT bool bp_migration_set_parameters (BpMachine *machine, const BpMigrationParameters *parameters, GError **error);

/* Begins; true says no more than that the machine is one that can be moved. */
BP_EXPORT bool bp_migration_start (BpMachine *machine, const char *address, GError **error);
/* Soon the machine is what it was; nothing happens when none is under way, to one that is received, or when it is too late. */
BP_EXPORT void bp_migration_cancel (BpMachine *machine);
/* For a machine that was started with `--incoming defer`: waits for it there. */
BP_EXPORT bool bp_migration_receive (BpMachine *machine, const char *address, GError **error);

/* Told of every change of the status, one after the other; it may watch and unwatch. */
typedef void BpMigrationWatch (void *user, BpMigrationStatus status);
BP_EXPORT unsigned bp_migration_watch (BpMachine *machine, BpMigrationWatch *watch, void *user);       /* an id > 0 */
BP_EXPORT void bp_migration_unwatch (BpMachine *machine, unsigned id);

/* Another process has the machine's disks, and it is about to be this one's: from realize until it was received.  A backend then opens what it must know of
 * without a lock, and writes nothing, until it is told to take it (iface/block.h). [any] */
BP_EXPORT bool bp_machine_is_incoming (BpMachine *machine);

/* --- templates ------------------------------------------------------------------------------------ */
/*
 * A folder: the RAM as a file that can be mapped, and the rest of the machine.  `backplane run --template FOLDER` begins with it: RAM that the guest does not
 * write to stays in that file, one copy for all who begin with it.
 */

/* The machine stands meanwhile.  The folder is made, and none above it; one that holds a template gets the new one when that is complete.  false: a disk is written to, which
 * many cannot share (the message names it), or the host's disk is full ... */
BP_EXPORT bool bp_machine_save_template (BpMachine *machine, const char *folder, GError **error);

BP_END_DECLS
#endif
