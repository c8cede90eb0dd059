/* fs-private.h -- what the parts of the folder server share. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_VIRTIO_FS_PRIVATE_H
#define HW_VIRTIO_FS_PRIVATE_H

#include "fs-server.h"
#include <linux/fuse.h>
#include <string.h>
#include <sys/stat.h>

/* --- nodes (fs-nodes.c) ------------------------------------------------------------------------- */

typedef struct Handle Handle;
typedef struct Node Node;
struct Node {
  uint64_t id;                  /* FUSE_ROOT_ID: the folder */
  uint64_t lookups;             /* what the driver has to forget */
  unsigned uses;                /* nodes below it, handles */
  dev_t device;
  ino_t inode;
  mode_t type;                  /* S_IFMT */
  Node *parent;
  char *name;                   /* in parent; NULL: it has lost its name */
  bool keyed;                   /* device and inode lead to it */
  GSList *handles;
};

/* An open file or folder. */
struct Handle {
  uint64_t id;
  gint refs;
  int fd;                       /* -1: it was there when the machine was saved, and has gone */
  uint32_t flags;               /* of open(2) */
  bool is_folder;
  Node *node;                   /* holds a use of it [lock] */
  uint64_t node_id;
  GMutex reading;               /* of a folder: its position */
};

struct FsServer {
  const FsShare *share;
  gint refs;
  GRWLock names;                /* held to write while names change, to read while a path is walked */
  GMutex lock;                  /* of what follows; taken after names */
  bool ready;                   /* FUSE_INIT came */
  uint32_t minor;
  GHashTable *nodes;            /* by id */
  GHashTable *keys;             /* by device and inode */
  GHashTable *handles;          /* by id */
  uint64_t next_node, next_handle;
  Node root;
};

enum { NODES_MOST = 1 << 20, PATH_BYTES_MOST = 1 << 16 };

void nodes_init (FsServer *s);
void nodes_finish (FsServer *s);
Node *nodes_find (FsServer *s, uint64_t id);                                    /* [lock] */
void nodes_key (FsServer *s, Node *n, bool keyed);                              /* [lock] */
void nodes_add (FsServer *s, Node *n);                                          /* [lock] */
void nodes_drop_if_idle (FsServer *s, Node *n);                                 /* [lock] */
void nodes_forget (FsServer *s, uint64_t id, uint64_t lookups);
/* The node of what is `name' in `parent' and was found to be `st', with one lookup more; 0: too many. */
uint64_t nodes_learn (FsServer *s, uint64_t parent, const char *name, const struct stat *st);
/* What the name that goes away, or that another file gets, stood for: its node has none any more.  `st' is what was found there. */
void nodes_lose_name (FsServer *s, uint64_t parent, const char *name, const struct stat *st);
void nodes_move (FsServer *s, uint64_t from, const char *old_name, uint64_t to, const char *new_name, const struct stat *st);
/* Each gets the other's name. */
void nodes_exchange (FsServer *s, uint64_t a_parent, const char *a_name, const struct stat *a_st, uint64_t b_parent, const char *b_name, const struct stat *b_st);

/* A descriptor with O_PATH (of a file that was removed: that of an open handle), and what it is; below 0: -errno. */
int nodes_open (FsServer *s, uint64_t id, struct stat *st);
/* The same while the caller holds `names'. */
int nodes_open_held (FsServer *s, uint64_t id, struct stat *st);
/* Also a file that is open and has another name by now, perhaps outside: for what is done to open files. */
int nodes_open_moved (FsServer *s, uint64_t id, struct stat *st);
/* Whatever has its place now. */
int nodes_open_any (FsServer *s, uint64_t id, struct stat *st);
bool nodes_name_is_fine (const char *name);

/* --- handles (fs-handles.c) ------------------------------------------------------------------------ */

/* Takes the descriptor over.  0 and an errno: there are too many, or the node has gone. */
int handles_add (FsServer *s, uint64_t node, int fd, uint32_t flags, bool is_folder, uint64_t *id);
Handle *handles_get (FsServer *s, uint64_t id, bool is_folder, int *error);     /* a reference */
void handle_unref (FsServer *s, Handle *h);
int handles_remove (FsServer *s, uint64_t id, bool is_folder);
void handles_finish (FsServer *s);
/* Opens what a descriptor of nodes_open stands for; only regular files and folders.  Below 0: -errno. */
int handles_reopen (const FsServer *s, int path_fd, const struct stat *st, uint32_t flags, bool is_folder);

typedef struct FdPath { char text[40]; } FdPath;
/* The path that leads to what a descriptor stands for, whatever it is called now. */
FdPath fd_path (int fd);
#define FD_PATH(fd) (fd_path (fd).text)

/* --- owners and modes (fs-owner.c) ------------------------------------------------------------------ */

#define FS_OWNER_ATTRIBUTE "user.backplane.owner"
/* Of functions that take `fd': it may be one with O_PATH. 0 or an errno. */
int owner_attributes (const FsServer *s, int fd, const struct stat *st, struct fuse_attr *a);
int owner_set_mode (const FsServer *s, int fd, const struct stat *st, uint32_t mode);
int owner_set (const FsServer *s, int fd, const struct stat *st, uint32_t uid, uint32_t gid);   /* ~0: as it is */
/* Of a file that was just made in `folder'. */
int owner_new (const FsServer *s, int folder, int fd, const struct fuse_in_header *who, uint32_t mode, uint32_t rdev);
/* Of one that the driver can write to from now on. */
void owner_opened_to_write (const FsServer *s, int fd, const struct stat *st);
/* The mode that a new one has on the host until owner_new, without its type. */
mode_t owner_first_mode (bool is_folder);
/* How a kind of node is made on the host: S_IFREG in place of what only the driver shall see; 0: not at all. */
mode_t owner_host_type (const FsServer *s, mode_t type);
/* Whether the driver may see and set the extended attribute. */
bool owner_attribute_is_open (const FsServer *s, const char *name);

/* --- messages (fs-server.c) --------------------------------------------------------------------------- */

typedef struct Call {
  FsServer *s;
  struct fuse_in_header h;
  const uint8_t *in;            /* the fixed part, in_size bytes */
  size_t in_size;
  const char *names[2];         /* the texts behind it */
  const uint8_t *data;          /* what is behind them */
  size_t data_size;
  uint8_t *out;
  size_t room, out_size;
} Call;
/* 0: the answer is in out; else an errno. */
typedef int Operation (Call *c);

enum { NO_NAMES, ONE_NAME, TWO_NAMES, NAME_AND_TEXT, TEXT };
/* What an older driver's message has not is 0. */
#define CALL_IN(c, T, v) struct T v = { 0 }; memcpy (&v, (c)->in, MIN (sizeof v, (c)->in_size))
static inline void
call_put (Call *c, const void *bytes, size_t size)
{
  memcpy (c->out + c->out_size, bytes, size);   /* the table of operations has seen to the room */
  c->out_size += size;
}

/* How long what was told is believed. */
void call_validity (const FsServer *s, uint64_t *seconds, uint32_t *nanoseconds);
/* Looks a name up and counts it. 0 or an errno. */
int call_entry (FsServer *s, int parent_fd, uint64_t parent, const char *name, struct fuse_entry_out *e);

Operation op_lookup, op_symlink, op_mknod, op_mkdir, op_unlink, op_rmdir, op_rename, op_rename2, op_link, op_readlink;          /* fs-names.c */
Operation op_getattr, op_setattr, op_access, op_statfs, op_syncfs;                                                              /* fs-attributes.c */
Operation op_setxattr, op_getxattr, op_listxattr, op_removexattr;                                                               /* fs-xattr.c */
Operation op_open, op_create, op_read, op_write, op_release, op_flush, op_fsync, op_lseek, op_fallocate, op_copy_file_range;   /* fs-files.c */
Operation op_opendir, op_readdir, op_readdirplus, op_releasedir, op_fsyncdir;                                                  /* fs-folders.c */

#endif
