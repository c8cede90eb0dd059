/* fs-server.c -- FUSE messages of the folder server: which there are, what they must hold, a life from FUSE_INIT on. */
/* SPDX-License-Identifier: MIT */
#include "fs-private.h"
#include <backplane/common.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/xattr.h>
#include <unistd.h>

/* --- the folder ---------------------------------------------------------------------------------- */

static bool
refuse (GError **error, const char *what, const char *folder, const char *why)
{
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "%s `%s`: %s", what, folder, why);
  return false;
}

/* The rest is for the machine's disks, sockets and what else it opens. */
static unsigned
handles_by_limit (void)
{
  struct rlimit limit = { 1024, 1024 };
  getrlimit (RLIMIT_NOFILE, &limit);
  return (unsigned) MIN (limit.rlim_cur, 1 << 20) / 2;
}

bool
fs_share_open (FsShare *share, const char *folder, GError **error)
{
  struct stat st, again;
  share->root = open (folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (share->root < 0)
    return refuse (error, "cannot share the folder", folder, g_strerror (errno));
  if (fstat (share->root, &st) != 0 || stat (FD_PATH (share->root), &again) != 0 || st.st_ino != again.st_ino || st.st_dev != again.st_dev) {
    fs_share_close (share);
    return refuse (error, "cannot share the folder", folder, "/proc is not mounted, by which its files are opened");
  }
  share->device = st.st_dev;
  share->inode = st.st_ino;
  share->handles_most = handles_by_limit ();
  return true;
}

bool
fs_share_keeps_owners (const FsShare *share)
{
  return getxattr (FD_PATH (share->root), FS_OWNER_ATTRIBUTE, NULL, 0) >= 0 || errno != EOPNOTSUPP;
}

void
fs_share_close (FsShare *share)
{
  if (share->root >= 0)
    close (share->root);
  share->root = -1;
}

/* --- what one driver knows --------------------------------------------------------------------------- */

FsServer *
fs_server_new (const FsShare *share)
{
  FsServer *s = g_new0 (FsServer, 1);
  s->share = share;
  s->refs = 1;
  g_rw_lock_init (&s->names);
  g_mutex_init (&s->lock);
  s->handles = g_hash_table_new (g_int64_hash, g_int64_equal);
  s->next_handle = 1;
  nodes_init (s);
  return s;
}

FsServer *
fs_server_ref (FsServer *s)
{
  g_atomic_int_inc (&s->refs);
  return s;
}

void
fs_server_unref (FsServer *s)
{
  if (!g_atomic_int_dec_and_test (&s->refs))
    return;
  handles_finish (s);
  nodes_finish (s);
  g_mutex_clear (&s->lock);
  g_rw_lock_clear (&s->names);
  g_free (s);
}

/* --- messages that are about no file -------------------------------------------------------------------- */

static void
forget_everything (FsServer *s)
{
  g_rw_lock_writer_lock (&s->names);
  g_mutex_lock (&s->lock);
  GHashTable *handles = s->handles;
  s->handles = g_hash_table_new (g_int64_hash, g_int64_equal);
  nodes_finish (s);
  uint64_t next = s->next_node;
  nodes_init (s);
  s->next_node = next;
  g_mutex_unlock (&s->lock);
  g_rw_lock_writer_unlock (&s->names);
  GHashTableIter iter;
  gpointer h;
  g_hash_table_iter_init (&iter, handles);
  while (g_hash_table_iter_next (&iter, NULL, &h))
    handle_unref (s, h);
  g_hash_table_unref (handles);
}

/* Locks are not offered: the driver's kernel keeps them, for the folder is its own as far as it knows. */
static int
op_init (Call *c)
{
  CALL_IN (c, fuse_init_in, in);
  enum { MINOR_LEAST = 27, MINOR_MOST = 31 };
  uint32_t offered = FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES | FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO | FUSE_ASYNC_DIO
                     | FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES | (c->s->share->cache == FS_CACHE_ALWAYS ? 0 : FUSE_AUTO_INVAL_DATA);
  struct fuse_init_out out = { .major = FUSE_KERNEL_VERSION, .minor = MINOR_MOST, .max_readahead = in.max_readahead, .flags = in.flags & offered,
                               .max_background = 64, .congestion_threshold = 48, .max_write = FS_DATA_MOST, .time_gran = 1,
                               .max_pages = FS_DATA_MOST / 4096 };
  if (in.major < FUSE_KERNEL_VERSION || (in.major == FUSE_KERNEL_VERSION && in.minor < MINOR_LEAST))
    return EPROTO;
  if (in.major == FUSE_KERNEL_VERSION) {        /* a later one asks again */
    forget_everything (c->s);
    g_mutex_lock (&c->s->lock);
    c->s->minor = MIN (in.minor, (uint32_t) MINOR_MOST);
    c->s->ready = true;
    g_mutex_unlock (&c->s->lock);
  }
  call_put (c, &out, sizeof out);
  return 0;
}

static int
op_destroy (Call *c)
{
  forget_everything (c->s);
  g_mutex_lock (&c->s->lock);
  c->s->ready = false;
  g_mutex_unlock (&c->s->lock);
  return 0;
}

static int
op_forget (Call *c)
{
  CALL_IN (c, fuse_forget_in, in);
  nodes_forget (c->s, c->h.nodeid, in.nlookup);
  return 0;
}

static int
op_batch_forget (Call *c)
{
  CALL_IN (c, fuse_batch_forget_in, in);
  struct fuse_forget_one one;
  for (uint64_t i = 0; i < in.count && (i + 1) * sizeof one <= c->data_size; i++) {
    memcpy (&one, c->data + i * sizeof one, sizeof one);
    nodes_forget (c->s, one.nodeid, one.nlookup);
  }
  return 0;
}

/* What it is to interrupt never waits for anybody but the host's files, and is soon done: the protocol lets it be. */
static int op_interrupt (Call *c) { return 0; }

/* --- which there are ---------------------------------------------------------------------------------------- */

enum { NO_ANSWER = 1, WRITES = 2, UNREADY = 4 };
typedef struct OperationRow {
  const char *name;
  Operation *f;
  uint16_t in, out;             /* fixed parts; an answer as large as the driver asks sees to its room itself */
  uint8_t texts;
  uint8_t flags;
} OperationRow;

#define IN(T) sizeof (struct fuse_##T##_in)
#define OUT(T) sizeof (struct fuse_##T##_out)
static const OperationRow operations[] = {
  [FUSE_LOOKUP] = { "LOOKUP", op_lookup, 0, OUT (entry), ONE_NAME, 0 },
  [FUSE_FORGET] = { "FORGET", op_forget, IN (forget), 0, NO_NAMES, NO_ANSWER },
  [FUSE_GETATTR] = { "GETATTR", op_getattr, IN (getattr), OUT (attr), NO_NAMES, 0 },
  [FUSE_SETATTR] = { "SETATTR", op_setattr, IN (setattr), OUT (attr), NO_NAMES, WRITES },
  [FUSE_READLINK] = { "READLINK", op_readlink, 0, 0, NO_NAMES, 0 },
  [FUSE_SYMLINK] = { "SYMLINK", op_symlink, 0, OUT (entry), NAME_AND_TEXT, WRITES },
  [FUSE_MKNOD] = { "MKNOD", op_mknod, IN (mknod), OUT (entry), ONE_NAME, WRITES },
  [FUSE_MKDIR] = { "MKDIR", op_mkdir, IN (mkdir), OUT (entry), ONE_NAME, WRITES },
  [FUSE_UNLINK] = { "UNLINK", op_unlink, 0, 0, ONE_NAME, WRITES },
  [FUSE_RMDIR] = { "RMDIR", op_rmdir, 0, 0, ONE_NAME, WRITES },
  [FUSE_RENAME] = { "RENAME", op_rename, IN (rename), 0, TWO_NAMES, WRITES },
  [FUSE_LINK] = { "LINK", op_link, IN (link), OUT (entry), ONE_NAME, WRITES },
  [FUSE_OPEN] = { "OPEN", op_open, IN (open), OUT (open), NO_NAMES, 0 },
  [FUSE_READ] = { "READ", op_read, IN (read), 0, NO_NAMES, 0 },
  [FUSE_WRITE] = { "WRITE", op_write, IN (write), OUT (write), NO_NAMES, WRITES },
  [FUSE_STATFS] = { "STATFS", op_statfs, 0, OUT (statfs), NO_NAMES, 0 },
  [FUSE_RELEASE] = { "RELEASE", op_release, IN (release), 0, NO_NAMES, 0 },
  [FUSE_FSYNC] = { "FSYNC", op_fsync, IN (fsync), 0, NO_NAMES, 0 },
  [FUSE_SETXATTR] = { "SETXATTR", op_setxattr, FUSE_COMPAT_SETXATTR_IN_SIZE, 0, TEXT, WRITES },
  [FUSE_GETXATTR] = { "GETXATTR", op_getxattr, IN (getxattr), 0, TEXT, 0 },
  [FUSE_LISTXATTR] = { "LISTXATTR", op_listxattr, IN (getxattr), 0, NO_NAMES, 0 },
  [FUSE_REMOVEXATTR] = { "REMOVEXATTR", op_removexattr, 0, 0, TEXT, WRITES },
  [FUSE_FLUSH] = { "FLUSH", op_flush, IN (flush), 0, NO_NAMES, 0 },
  [FUSE_INIT] = { "INIT", op_init, 16, OUT (init), NO_NAMES, UNREADY },
  [FUSE_OPENDIR] = { "OPENDIR", op_opendir, IN (open), OUT (open), NO_NAMES, 0 },
  [FUSE_READDIR] = { "READDIR", op_readdir, IN (read), 0, NO_NAMES, 0 },
  [FUSE_RELEASEDIR] = { "RELEASEDIR", op_releasedir, IN (release), 0, NO_NAMES, 0 },
  [FUSE_FSYNCDIR] = { "FSYNCDIR", op_fsyncdir, IN (fsync), 0, NO_NAMES, 0 },
  [FUSE_ACCESS] = { "ACCESS", op_access, IN (access), 0, NO_NAMES, 0 },
  [FUSE_CREATE] = { "CREATE", op_create, IN (create), OUT (entry) + OUT (open), ONE_NAME, WRITES },
  [FUSE_INTERRUPT] = { "INTERRUPT", op_interrupt, IN (interrupt), 0, NO_NAMES, NO_ANSWER },
  [FUSE_DESTROY] = { "DESTROY", op_destroy, 0, 0, NO_NAMES, 0 },
  [FUSE_BATCH_FORGET] = { "BATCH_FORGET", op_batch_forget, IN (batch_forget), 0, NO_NAMES, NO_ANSWER },
  [FUSE_FALLOCATE] = { "FALLOCATE", op_fallocate, IN (fallocate), 0, NO_NAMES, WRITES },
  [FUSE_READDIRPLUS] = { "READDIRPLUS", op_readdirplus, IN (read), 0, NO_NAMES, 0 },
  [FUSE_RENAME2] = { "RENAME2", op_rename2, IN (rename2), 0, TWO_NAMES, WRITES },
  [FUSE_LSEEK] = { "LSEEK", op_lseek, IN (lseek), OUT (lseek), NO_NAMES, 0 },
  [FUSE_COPY_FILE_RANGE] = { "COPY_FILE_RANGE", op_copy_file_range, IN (copy_file_range), OUT (write), NO_NAMES, WRITES },
  [FUSE_SYNCFS] = { "SYNCFS", op_syncfs, IN (syncfs), 0, NO_NAMES, 0 },
};

/* --- one message ------------------------------------------------------------------------------------------------ */

/* A text that ends within the message; NULL: it does not. */
static const char *
take_text (Call *c)
{
  const char *text = (const char *) c->data;
  const uint8_t *end = memchr (c->data, 0, c->data_size);
  if (!end)
    return NULL;
  c->data_size -= (size_t) (end + 1 - c->data);
  c->data = end + 1;
  return text;
}

static int
take_texts (Call *c, unsigned texts)
{
  unsigned n = texts == NO_NAMES ? 0 : texts == ONE_NAME || texts == TEXT ? 1 : 2;
  unsigned n_names = texts == TWO_NAMES ? 2 : texts == ONE_NAME || texts == NAME_AND_TEXT ? 1 : 0;
  for (unsigned i = 0; i < n; i++) {
    c->names[i] = take_text (c);
    if (!c->names[i] || (i < n_names && !nodes_name_is_fine (c->names[i])))
      return EINVAL;
    if (i < n_names && strlen (c->names[i]) > NAME_MAX)
      return ENAMETOOLONG;
  }
  return 0;
}

/* What it must hold, before anything is done. */
static int
examine (Call *c, const OperationRow *row)
{
  if (c->data_size < row->in || c->room < row->out)
    return EINVAL;
  c->in = c->data;
  c->in_size = row->in;
  c->data += row->in;
  c->data_size -= row->in;
  g_mutex_lock (&c->s->lock);
  bool ready = c->s->ready;
  g_mutex_unlock (&c->s->lock);
  if (!ready && !(row->flags & UNREADY))
    return EIO;
  if (row->flags & WRITES && c->s->share->read_only)
    return EROFS;
  return take_texts (c, row->texts);
}

static const OperationRow *
row_of (uint32_t opcode)
{
  const OperationRow *row = opcode < G_N_ELEMENTS (operations) ? &operations[opcode] : NULL;
  return row && row->f ? row : NULL;
}

size_t
fs_server_answer (FsServer *s, const uint8_t *message, size_t size, uint8_t *answer, size_t room)
{
  Call c = { .s = s };
  struct fuse_out_header out = { .len = sizeof out };
  if (size < sizeof c.h)
    return 0;
  memcpy (&c.h, message, sizeof c.h);
  const OperationRow *row = row_of (c.h.opcode);
  if (room < sizeof out && !(row && row->flags & NO_ANSWER))
    return 0;
  c.data = message + sizeof c.h;
  c.data_size = size - sizeof c.h;
  c.out = answer + sizeof out;
  c.room = room < sizeof out ? 0 : room - sizeof out;
  int error = c.h.len != size ? EINVAL : !row ? ENOSYS : examine (&c, row);
  if (!error)
    error = row->f (&c);
  if (row && row->flags & NO_ANSWER)
    return 0;
  out.unique = c.h.unique;
  out.error = -error;
  if (!error)
    out.len += (uint32_t) c.out_size;
  memcpy (answer, &out, sizeof out);
  return out.len;
}
