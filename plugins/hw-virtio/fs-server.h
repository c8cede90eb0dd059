/* fs-server.h -- a folder of the host served by FUSE messages (Linux uapi linux/fuse.h, 7.31); nothing here knows virtio. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  The peer of a FUSE driver: it takes one message at a time and answers it.  The driver is not trusted.  It names files by node numbers, which it has from
 * answers, and by names in a folder, which are single ones; a node is found again by its path below the folder, at each message anew, along which no symbolic
 * link is followed.  So nothing outside is ever reached, whatever links there are and whatever is renamed meanwhile; what has moved out is gone (ESTALE).
 * Only regular files and folders are opened.
 */
#ifndef HW_VIRTIO_FS_SERVER_H
#define HW_VIRTIO_FS_SERVER_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { FS_DATA_MOST = 1 << 20, FS_REQUEST_MOST = FS_DATA_MOST + 4096, FS_ANSWER_MOST = FS_DATA_MOST + 4096 };

/* How long the driver may believe what it was told: not at all, for a second, until it forgets. */
typedef enum FsCache { FS_CACHE_NONE, FS_CACHE_AUTO, FS_CACHE_ALWAYS } FsCache;

/* Whose files are: as on the host; as the driver says, kept in an extended attribute of the host's file; always root's. */
typedef enum FsSecurity { FS_SECURITY_SQUASH, FS_SECURITY_PASSTHROUGH, FS_SECURITY_MAPPED } FsSecurity;

typedef struct FsShare {
  int root;                     /* the folder, opened with O_PATH; -1: it is not open */
  bool read_only;
  FsCache cache;
  FsSecurity security;
  unsigned handles_most;        /* open files at a time, with those of the other shares */
  dev_t device;                 /* of the folder */
  ino_t inode;
} FsShare;

/* false: there is no such folder, or the host lacks something.  The other members are set by the caller. */
bool fs_share_open (FsShare *share, const char *folder, GError **error);
/* Whether its file system has extended attributes, without which owners cannot be mapped. */
bool fs_share_keeps_owners (const FsShare *share);
void fs_share_close (FsShare *share);

/* What one driver knows from its FUSE_INIT on. */
typedef struct FsServer FsServer;
FsServer *fs_server_new (const FsShare *share);         /* the share outlives it */
FsServer *fs_server_ref (FsServer *s);
void fs_server_unref (FsServer *s);
/* Answers one message of `size' bytes in room for `room'.  How many bytes the answer has; 0: none is due, or there is no room for any.  [any thread, several at a time] */
size_t fs_server_answer (FsServer *s, const uint8_t *message, size_t size, uint8_t *answer, size_t room);

/* Nodes and open files as bytes; nothing is under way. */
GByteArray *fs_server_save (FsServer *s);
/* Into a new one.  What has gone meanwhile answers ESTALE.  false: these are not such bytes. */
bool fs_server_load (FsServer *s, const uint8_t *bytes, size_t size, GError **error);

#endif
