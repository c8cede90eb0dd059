/* fs-nodes.c -- nodes of the folder server: numbers for files, and the way from a number to the file, which cannot leave the folder. */
/* SPDX-License-Identifier: MIT */
#include "fs-private.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- the tables ------------------------------------------------------------------------------- */

static guint
key_hash (gconstpointer p)
{
  const Node *n = p;
  uint64_t h = (n->inode ^ (uint64_t) n->device << 40) * UINT64_C (0x9e3779b97f4a7c15);
  return (guint) (h >> 32);
}

static gboolean
key_equal (gconstpointer a, gconstpointer b)
{
  const Node *m = a, *n = b;
  return m->inode == n->inode && m->device == n->device;
}

static void
free_node (Node *n)
{
  g_free (n->name);
  g_slist_free (n->handles);
  g_free (n);
}

void
nodes_init (FsServer *s)
{
  s->nodes = g_hash_table_new (g_int64_hash, g_int64_equal);
  s->keys = g_hash_table_new (key_hash, key_equal);
  s->next_node = FUSE_ROOT_ID + 1;
  s->root = (Node) { .id = FUSE_ROOT_ID, .lookups = 1, .device = s->share->device, .inode = s->share->inode, .type = S_IFDIR };
  nodes_add (s, &s->root);
}

void
nodes_finish (FsServer *s)
{
  GHashTableIter iter;
  gpointer node;
  g_hash_table_iter_init (&iter, s->nodes);
  while (g_hash_table_iter_next (&iter, NULL, &node))
    if (node != &s->root)
      free_node (node);
  g_hash_table_unref (s->nodes);
  g_hash_table_unref (s->keys);
  g_slist_free (s->root.handles);
}

Node *nodes_find (FsServer *s, uint64_t id) { return g_hash_table_lookup (s->nodes, &id); }

/* [lock] */
static Node *
nodes_find_key (FsServer *s, dev_t device, ino_t inode)
{
  const Node key = { .device = device, .inode = inode };
  return g_hash_table_lookup (s->keys, &key);
}

void
nodes_key (FsServer *s, Node *n, bool keyed)
{
  if (n->keyed && !keyed)
    g_hash_table_remove (s->keys, n);
  if (!n->keyed && keyed) {
    Node *before = nodes_find_key (s, n->device, n->inode);
    if (before)
      nodes_key (s, before, false);
    g_hash_table_add (s->keys, n);
  }
  n->keyed = keyed;
}

void
nodes_add (FsServer *s, Node *n)
{
  g_hash_table_insert (s->nodes, &n->id, n);
  nodes_key (s, n, true);
}

/* And those above it that were kept for its sake alone. */
void
nodes_drop_if_idle (FsServer *s, Node *n)
{
  while (n && n != &s->root && !n->lookups && !n->uses) {
    Node *parent = n->parent;
    nodes_key (s, n, false);
    g_hash_table_remove (s->nodes, &n->id);
    free_node (n);
    if (parent)
      parent->uses--;
    n = parent;
  }
}

/* [lock]; name NULL: it has lost its name */
static void
nodes_rename (Node *n, Node *parent, const char *name, FsServer *s)
{
  Node *before = n->parent;
  if (n == &s->root)
    return;
  if (parent && name)
    parent->uses++;
  char *copy = name ? g_strdup (name) : NULL;
  g_free (n->name);
  n->name = copy;
  n->parent = name ? parent : NULL;
  if (before) {
    before->uses--;
    nodes_drop_if_idle (s, before);
  }
}

void
nodes_forget (FsServer *s, uint64_t id, uint64_t lookups)
{
  g_mutex_lock (&s->lock);
  Node *n = nodes_find (s, id);
  if (n && n != &s->root) {
    n->lookups -= MIN (lookups, n->lookups);
    nodes_drop_if_idle (s, n);
  }
  g_mutex_unlock (&s->lock);
}

/* --- what the host's folders teach -------------------------------------------------------------- */

/* A folder is never below itself: the host may have moved one into what was below it, and told in an order that shows both. */
static bool
is_above (const Node *n, const Node *below)
{
  for (; below; below = below->parent)
    if (below == n)
      return true;
  return false;
}

static Node *
new_node (FsServer *s, Node *parent, const char *name, const struct stat *st)
{
  if (g_hash_table_size (s->nodes) >= NODES_MOST)
    return NULL;
  Node *n = g_new0 (Node, 1);
  *n = (Node) { .id = s->next_node++, .device = st->st_dev, .inode = st->st_ino, .type = st->st_mode & S_IFMT, .parent = parent, .name = g_strdup (name) };
  parent->uses++;
  nodes_add (s, n);
  return n;
}

uint64_t
nodes_learn (FsServer *s, uint64_t parent_id, const char *name, const struct stat *st)
{
  uint64_t id = 0;
  g_mutex_lock (&s->lock);
  Node *parent = nodes_find (s, parent_id), *n = nodes_find_key (s, st->st_dev, st->st_ino);
  if (n && (n->type != (st->st_mode & S_IFMT) || is_above (n, parent))) {
    nodes_key (s, n, false);    /* the inode's number was used again, or the host has moved it meanwhile */
    n = NULL;
  }
  if (n && parent && (n->parent != parent || !n->name || strcmp (n->name, name) != 0))
    nodes_rename (n, parent, name, s);
  if (!n && parent)
    n = new_node (s, parent, name, st);
  if (n) {
    n->lookups++;
    id = n->id;
  }
  g_mutex_unlock (&s->lock);
  return id;
}

/* The node that goes by this name. */
static Node *
find_named (FsServer *s, uint64_t parent, const char *name, const struct stat *st)
{
  Node *n = nodes_find_key (s, st->st_dev, st->st_ino);
  return n && n->parent && n->parent->id == parent && strcmp (n->name, name) == 0 ? n : NULL;
}

void
nodes_lose_name (FsServer *s, uint64_t parent, const char *name, const struct stat *st)
{
  g_mutex_lock (&s->lock);
  Node *n = find_named (s, parent, name, st);
  bool last = S_ISDIR (st->st_mode) || st->st_nlink <= 1;
  if (n) {
    if (last && !n->handles)
      nodes_key (s, n, false);  /* its number is free for another file */
    nodes_rename (n, NULL, NULL, s);
  }
  g_mutex_unlock (&s->lock);
}

void
nodes_move (FsServer *s, uint64_t from, const char *old_name, uint64_t to, const char *new_name, const struct stat *st)
{
  g_mutex_lock (&s->lock);
  Node *n = find_named (s, from, old_name, st), *parent = nodes_find (s, to);
  if (n && parent && !is_above (n, parent))
    nodes_rename (n, parent, new_name, s);
  g_mutex_unlock (&s->lock);
}

void
nodes_exchange (FsServer *s, uint64_t a_parent, const char *a_name, const struct stat *a_st, uint64_t b_parent, const char *b_name, const struct stat *b_st)
{
  g_mutex_lock (&s->lock);
  Node *a = find_named (s, a_parent, a_name, a_st), *b = find_named (s, b_parent, b_name, b_st);
  Node *above_a = nodes_find (s, a_parent), *above_b = nodes_find (s, b_parent);
  if (above_a && above_b) {
    if (a && !is_above (a, above_b))
      nodes_rename (a, above_b, b_name, s);
    if (b && !is_above (b, above_a))
      nodes_rename (b, above_a, a_name, s);
  }
  g_mutex_unlock (&s->lock);
}

bool
nodes_name_is_fine (const char *name)
{
  return *name && !strchr (name, '/') && strcmp (name, ".") != 0 && strcmp (name, "..") != 0;
}

/* --- from a number to the file --------------------------------------------------------------------- */

/* Below `at', along names that are no symbolic links.  A host without openat2 (Linux before 5.6, some sandboxes) walks name by name. */
static int
open_below (int at, const char *path)
{
  static const struct open_how how = { .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
  int fd = (int) syscall (SYS_openat2, at, path, &how, sizeof how);
  if (fd >= 0 || (errno != ENOSYS && errno != EPERM))
    return fd < 0 ? -errno : fd;
  g_auto (GStrv) names = g_strsplit (path, "/", -1);
  int folder = at;
  for (unsigned i = 0; names[i]; i++) {
    fd = openat (folder, names[i], O_PATH | O_NOFOLLOW | O_CLOEXEC | (names[i + 1] ? O_DIRECTORY : 0));
    int error = errno;
    if (folder != at)
      close (folder);
    if (fd < 0)
      return -error;
    folder = fd;
  }
  return folder;
}

/* From the folder on, in parts that the host takes (PATH_MAX). */
static int
walk (const FsServer *s, GPtrArray *names)
{
  int at = s->share->root;
  g_autoptr (GString) path = g_string_new (NULL);
  for (unsigned i = names->len; i-- > 0;) {
    const char *name = g_ptr_array_index (names, i);
    g_string_append_printf (path, "%s%s", path->len ? "/" : "", name);
    if (i && path->len + strlen (g_ptr_array_index (names, i - 1)) + 2 < PATH_MAX)
      continue;
    int fd = open_below (at, path->str);
    if (at != s->share->root)
      close (at);
    if (fd < 0)
      return fd;
    at = fd;
    g_string_truncate (path, 0);
  }
  return at == s->share->root ? fcntl (at, F_DUPFD_CLOEXEC, 0) : at;
}

/* The names on the way up; 0 or an errno. [lock] */
static int
names_of (FsServer *s, const Node *n, GPtrArray *names)
{
  size_t bytes = 0;
  for (; n != &s->root; n = n->parent) {
    if (!n || !n->name)
      return ESTALE;
    bytes += strlen (n->name) + 1;
    if (bytes > PATH_BYTES_MOST)
      return ENAMETOOLONG;
    g_ptr_array_add (names, g_strdup (n->name));
  }
  return 0;
}

/* Of a file without a name: what an open handle has. */
static int
fd_of_handle (const Node *n)
{
  const Handle *h = n->handles ? n->handles->data : NULL;
  int fd = h && h->fd >= 0 ? fcntl (h->fd, F_DUPFD_CLOEXEC, 0) : -1;
  return fd >= 0 ? fd : -ESTALE;
}

/* Whatever has its place now.  `want' is filled with what the node knows. */
static int
open_place (FsServer *s, uint64_t id, Node *want)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_mutex_lock (&s->lock);
  const Node *n = nodes_find (s, id);
  *want = n ? *n : (Node) { 0 };
  int error = n ? names_of (s, n, names) : ESTALE;
  g_mutex_unlock (&s->lock);
  int fd = error ? -error : walk (s, names);
  return fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP || fd == -EXDEV ? -ESTALE : fd;
}

int
nodes_open_any (FsServer *s, uint64_t id, struct stat *st)
{
  Node want;
  int fd = open_place (s, id, &want);
  if (fd < 0 || fstat (fd, st) == 0)
    return fd;
  close (fd);
  return -EIO;
}

static int
open_by_name (FsServer *s, uint64_t id, struct stat *st)
{
  Node want;
  int fd = open_place (s, id, &want);
  if (fd < 0)
    return fd;
  if (fstat (fd, st) == 0 && st->st_dev == want.device && st->st_ino == want.inode && (st->st_mode & S_IFMT) == want.type)
    return fd;
  close (fd);
  return -ESTALE;               /* another file has its place */
}

/* Of one that was removed, or that the host has moved; the driver still has it open.  What has moved is open as it was opened, and leads no further: a folder
 * to what lies in it now, a file to being opened for more, or linked. */
static int
open_by_handle (FsServer *s, uint64_t id, bool moved, struct stat *st)
{
  g_mutex_lock (&s->lock);
  const Node *n = nodes_find (s, id);
  int fd = n ? fd_of_handle (n) : -ESTALE;
  g_mutex_unlock (&s->lock);
  if (fd < 0)
    return fd;
  if (fstat (fd, st) == 0 && (!st->st_nlink || (moved && !S_ISDIR (st->st_mode))))
    return fd;
  close (fd);
  return -ESTALE;
}

int
nodes_open_held (FsServer *s, uint64_t id, struct stat *st)
{
  int fd = open_by_name (s, id, st);
  return fd == -ESTALE ? open_by_handle (s, id, false, st) : fd;
}

int
nodes_open (FsServer *s, uint64_t id, struct stat *st)
{
  g_rw_lock_reader_lock (&s->names);
  int fd = nodes_open_held (s, id, st);
  g_rw_lock_reader_unlock (&s->names);
  return fd;
}

int
nodes_open_moved (FsServer *s, uint64_t id, struct stat *st)
{
  int fd = nodes_open (s, id, st);
  return fd == -ESTALE ? open_by_handle (s, id, true, st) : fd;
}
