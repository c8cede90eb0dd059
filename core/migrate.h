/* migrate.h -- a machine on its way to another process: the stream, where it goes, and both ends. */
/* SPDX-License-Identifier: MIT */
/*
 * The stream is a snapshot's header (snapshot.h) in format 64, and sections, each with a checksum that goes on from the one before, so that none is lost or moved:
 *   section  u32 kind, u32 CRC-32C of the kind, the size and the payload, u64 size, payload
 * A kind with bit 31: the payload is u64 size and a zstd frame.  From the sender, in this order:
 *   CHANGE   as in a snapshot: who joined the machine and who left it
 *   SHAPE    as in a snapshot: what both must have alike
 *   BLOCK    as in a snapshot, each piece of RAM
 *   ASK      answer whether all this fits
 *   PAGES, ZERO   in any order, a page as often as it was written to: the last one counts
 *   STOPPED  i64 virtual time, u8 whether it ran
 *   MACHINE, DISK, OBJECT, PINS, VCPU, END as in a snapshot
 *   RELEASED the disks are closed;  COMMIT  the machine is yours
 * and from the receiver FITS, LOADED, TAKEN, RUNS, or REFUSED with a text.  One-way (a file, a pipe), END is the last, and nothing comes back.
 *
 * Who has the machine: the sender, until it has sent COMMIT; it does that when it has got TAKEN, and has stopped for good by then.  The receiver, when it has got
 * COMMIT.  So never both.  When the connection breaks just then, disks tell: the receiver has their locks or has ended.
 */
#ifndef CORE_MIGRATE_H
#define CORE_MIGRATE_H

#include "snapshot.h"
#include <backplane/migration.h>

enum {
  SECTION_ASK = SECTION_SHAPE + 1, SECTION_ZERO, SECTION_STOPPED, SECTION_RELEASED, SECTION_COMMIT, SECTION_TEMPLATE, SECTION_PLACE, SECTION_MEDIUM,
  REPLY_FITS = 32, REPLY_LOADED, REPLY_TAKEN, REPLY_RUNS, REPLY_REFUSED
};

/* --- migrate-channel.c: bytes to another process and back ---------------------------------------------- */

typedef struct MigrateChannel MigrateChannel;
MigrateChannel *channel_new (int fd);                   /* a connected socket, taken */
/* Leads nowhere yet, and can be cancelled; to be opened.  Out: to the one who listens there; may take as long as the host does, unless it is cancelled.
 * In: what is there to be read without waiting for a sender: exec:, fd:, file:. [any] */
MigrateChannel *channel_new_closed (void);
bool channel_open (MigrateChannel *c, const char *address, bool out, GError **error);
MigrateChannel *channel_new_open (const char *address, bool out, GError **error);       /* both; NULL with error */
bool channel_is_two_way (const MigrateChannel *c);
char *channel_wrong (const char *address);              /* NULL: it is an address; g_free */
bool channel_listens (const char *address);             /* whether a receiver has to wait for a sender there */
/* Whatever waits ends with an error, and all later calls do. [any] */
void channel_cancel (MigrateChannel *c);
/* From now on to wait so many ms for any byte to move is an error; -1: there is no limit. */
void channel_set_patience (MigrateChannel *c, int ms);
bool channel_write (MigrateChannel *c, const void *data, size_t size, GError **error);
ssize_t channel_read (MigrateChannel *c, void *data, size_t size, GError **error);      /* 0: the end */
/* One way: what was written is there for good, and a command has ended well. */
bool channel_finish (MigrateChannel *c, GError **error);
void channel_free (MigrateChannel *c);                  /* NULL is fine; a file that was not finished is gone */

/* --- migrate-stream.c: sections ------------------------------------------------------------------------- */

typedef struct MigrateWriter MigrateWriter;
/* Errors are kept until flush. */
MigrateWriter *migrate_writer_new (MigrateChannel *c);
void migrate_writer_free (MigrateWriter *w);
void migrate_write_header (MigrateWriter *w, const SnapshotHeader *header);
void migrate_write (MigrateWriter *w, uint32_t kind, const GByteArray *head, const void *data, size_t size);
void migrate_write_text (MigrateWriter *w, uint32_t kind, const char *text);
SnapshotSink migrate_sink (MigrateWriter *w);
void migrate_writer_compress (MigrateWriter *w, unsigned level);        /* 0: no more; no effect without libzstd */
bool migrate_writer_good (const MigrateWriter *w);
uint64_t migrate_writer_bytes (const MigrateWriter *w);
bool migrate_writer_flush (MigrateWriter *w, GError **error);

typedef struct MigrateReader MigrateReader;
MigrateReader *migrate_reader_new (MigrateChannel *c);
void migrate_reader_free (MigrateReader *r);
bool migrate_read_header (MigrateReader *r, SnapshotHeader *header, GError **error);
bool migrate_read (MigrateReader *r, uint32_t *kind, const uint8_t **payload, size_t *size, GError **error);
/* The next section has to be of that kind and empty; REFUSED becomes an error with its text. */
bool migrate_expect (MigrateReader *r, uint32_t kind, GError **error);
char *migrate_last_words (MigrateReader *r);            /* why the other side has ended, which it may have said; NULL: it did not; g_free */
bool migrate_expect_end (MigrateReader *r, GError **error);     /* there is nothing more */
SnapshotPull migrate_pull (MigrateReader *r);
uint64_t migrate_reader_bytes (const MigrateReader *r);

/* --- migrate-shape.c: the same of a stream (shape_of: snapshot.h) --------------------------------------- */

/* false: every difference is in the error. */
bool shape_check (BpMachine *m, const uint8_t *payload, size_t size, const char *machine, GError **error);
/* The blocks of the stream get our regions.  false: they are not the same. */
bool shape_check_blocks (BpMachine *m, GArray *blocks, const char *machine, GError **error);

/* --- migrate-ram.c: RAM while it is written to ------------------------------------------------------------- */

typedef struct RamSender {
  MigrateWriter *writer;
  GArray *blocks;               /* of SnapshotBlock */
  uint64_t pages, zero_pages;
  /* Called after each piece; false: end the round.  NULL: nobody asks. */
  bool (*between) (void *user);
  void *user;
  /* zeros that wait to be sent as one */
  unsigned zero_block;
  uint64_t zero_start, zero_size;
} RamSender;
void ram_sender_begin (RamSender *s);                   /* the dirty log is on, and everything dirty */
void ram_sender_end (RamSender *s);
/* All that is dirty now, once.  false: between said so. */
bool ram_sender_round (RamSender *s);
uint64_t ram_sender_left (RamSender *s);                /* bytes */
uint64_t ram_sender_total (const RamSender *s);

/* --- migrate-throttle.c: a guest that is slowed down ------------------------------------------------------------ */

enum { MIGRATE_THROTTLE_MOST = 99 };    /* percent */
typedef struct MigrateThrottle MigrateThrottle;
MigrateThrottle *migrate_throttle_new (BpMachine *m);
void migrate_throttle_set (MigrateThrottle *t, unsigned percent);       /* of the time that its vCPUs do not run; 0: they run as ever [any] */
void migrate_throttle_free (MigrateThrottle *t);        /* not on a vCPU's thread, not under the machine lock */

/* --- migrate-disks.c: images that two processes share [main], the machine stopped and drained --------------- */

bool disks_movable (BpMachine *m, GError **error);      /* the error names those that are not */
bool disks_release (BpMachine *m, GError **error);      /* false: this machine has them all */
bool disks_shared (BpMachine *m);                       /* there is one that only one process may have */
bool disks_take (BpMachine *m, GError **error);         /* false: those that were taken are released again */

/* --- migrate.c: what both ends share; migrate-out.c, migrate-in.c -------------------------------------------- */

struct BpListener;

typedef struct Migration {
  BpMachine *m;
  GMutex lock;                  /* of all down to the blank line */
  GCond called;
  BpMigrationInfo info;
  BpMigrationParameters parameters;
  char *error;
  MigrateChannel *channel;      /* NULL: not open */
  bool cancelled;
  struct MainCall *call;        /* that the main loop makes for the thread; NULL: none */
  bool thread_ended;

  GThread *thread;
  char *address;
  int64_t start, stopped, shown;        /* monotonic, us */
  struct BpListener *listener;
  /* out */
  bool ran, standing, released, gone;
  bool complete;                /* one way: all is written, and nobody can be told that it does not count */
  BpRunState state;             /* what it was, when it did not run */
  /* in */
  SnapshotPlan *plan;
  GArray *disks;                /* on its way to the thread */
  SnapshotObjects *changes;     /* who joined and who left; NULL: nobody, or it is done */
  bool joining;
  bool runs;                    /* the sender's machine ran */
  bool stays_stopped;           /* ours is not to run in any case */
  GArray *watchers;
  bool telling;                 /* them */
  unsigned last_watcher;
  GQueue told;                  /* statuses to tell */
} Migration;

/* f on the main loop, and its outcome; false when the run ends instead. [the migration's thread] */
bool migration_call (Migration *g, bool (*f) (Migration *g, GError **error), GError **error);
void migration_set_status (Migration *g, BpMigrationStatus status);     /* [any] */
/* Takes the error; clear it first.  [any] */
void migration_failed (Migration *g, GError *error);
/* A line on the terminal, now and then, of who waits for it alone; `ended': the last. [the thread] */
void migration_show (Migration *g, bool ended);
bool migration_is_cancelled (Migration *g);             /* [any] */
bool migration_set_channel (Migration *g, MigrateChannel *c);   /* false: it is cancelled */
void migration_drop_channel (Migration *g);
void migration_serve (void *g);                         /* what was asked of the machine meanwhile, soon [main] */
uint64_t migration_ms (int64_t since);
void migration_send (Migration *g);                     /* the thread that sends */
void migration_take (Migration *g);                     /* ... and that receives */

/* --- template.c ----------------------------------------------------------------------------------------------- */

/* The machine, which was reset, gets the template's state; *ran: whether it is to run. [main] */
bool template_begin (BpMachine *m, const char *folder, bool *ran, GError **error);

/* Used by machine-run.c and machine-control.c. [main] */
bool migration_may_continue (BpMachine *m, GError **error);     /* takes disks back that were given away */
bool migration_holds (BpMachine *m);                    /* the machine stands on its way: nobody but us may change it */
bool migration_may_change (BpMachine *m, GError **error);       /* objects may join and leave */
bool migration_await (BpMachine *m, const char *address, bool stays_stopped, GError **error);   /* the run begins with it */
void migration_finish (BpMachine *m);                   /* the run ends */
void migration_free (BpMachine *m);

#endif
