/* fs-handles.c -- open files and folders of the folder server. */
/* SPDX-License-Identifier: MIT */
#include "fs-private.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* Of all shares: they take from the same process. */
static gint open_handles;

FdPath
fd_path (int fd)
{
  FdPath p;
  snprintf (p.text, sizeof p.text, "/proc/self/fd/%d", fd);
  return p;
}

/* What `fd' is was looked at, and the path leads to it and nothing else: nothing that acts when it is opened (a device, a FIFO) is. */
int
handles_reopen (const FsServer *s, int path_fd, const struct stat *st, uint32_t flags, bool is_folder)
{
  if (is_folder ? !S_ISDIR (st->st_mode) : !S_ISREG (st->st_mode))
    return is_folder ? -ENOTDIR : S_ISDIR (st->st_mode) ? -EISDIR : S_ISLNK (st->st_mode) ? -ELOOP : -ENXIO;
  bool writes = (flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC;
  if (writes && (s->share->read_only || is_folder))
    return is_folder ? -EISDIR : -EROFS;
  int kept = O_ACCMODE | O_TRUNC | O_SYNC | O_DSYNC;       /* each write says whether it appends */
  int fd = open (FD_PATH (path_fd), is_folder ? O_RDONLY | O_DIRECTORY | O_CLOEXEC : ((int) flags & kept) | O_CLOEXEC | O_NOCTTY);
  if (fd >= 0 && writes)
    owner_opened_to_write (s, fd, st);
  return fd < 0 ? -errno : fd;
}

void
handle_unref (FsServer *s, Handle *h)
{
  if (!g_atomic_int_dec_and_test (&h->refs))
    return;
  if (h->fd >= 0)
    close (h->fd);
  g_mutex_clear (&h->reading);
  g_free (h);
  g_atomic_int_add (&open_handles, -1);
}

int
handles_add (FsServer *s, uint64_t node, int fd, uint32_t flags, bool is_folder, uint64_t *id)
{
  g_mutex_lock (&s->lock);
  Node *n = nodes_find (s, node);
  int error = !n ? ESTALE : (unsigned) g_atomic_int_get (&open_handles) >= s->share->handles_most ? ENFILE : 0;
  if (!error) {
    g_atomic_int_inc (&open_handles);
    Handle *h = g_new0 (Handle, 1);
    *h = (Handle) { .id = s->next_handle++, .refs = 1, .fd = fd, .flags = flags & ~(uint32_t) (O_TRUNC | O_CREAT | O_EXCL), .is_folder = is_folder, .node = n,
                     .node_id = node };
    g_mutex_init (&h->reading);
    n->uses++;
    n->handles = g_slist_prepend (n->handles, h);
    g_hash_table_insert (s->handles, &h->id, h);
    *id = h->id;
  }
  g_mutex_unlock (&s->lock);
  if (error && fd >= 0)
    close (fd);
  return error;
}

Handle *
handles_get (FsServer *s, uint64_t id, bool is_folder, int *error)
{
  g_mutex_lock (&s->lock);
  Handle *h = g_hash_table_lookup (s->handles, &id);
  *error = !h || h->is_folder != is_folder ? EBADF : h->fd < 0 ? ESTALE : 0;
  if (*error)
    h = NULL;
  else
    g_atomic_int_inc (&h->refs);
  g_mutex_unlock (&s->lock);
  return h;
}

/* When nothing holds a removed file any more, its number is free for another file. */
static void
forget_handle (FsServer *s, Handle *h)
{
  struct stat st;
  Node *n = h->node;
  n->handles = g_slist_remove (n->handles, h);
  n->uses--;
  if (!n->handles && (h->fd < 0 || fstat (h->fd, &st) != 0 || !st.st_nlink))
    nodes_key (s, n, false);
  nodes_drop_if_idle (s, n);
}

int
handles_remove (FsServer *s, uint64_t id, bool is_folder)
{
  g_mutex_lock (&s->lock);
  Handle *h = g_hash_table_lookup (s->handles, &id);
  if (h && h->is_folder != is_folder)
    h = NULL;
  if (h) {
    g_hash_table_remove (s->handles, &id);
    forget_handle (s, h);
  }
  g_mutex_unlock (&s->lock);
  if (h)
    handle_unref (s, h);        /* closing may take its time */
  return h ? 0 : EBADF;
}

void
handles_finish (FsServer *s)
{
  GHashTableIter iter;
  gpointer h;
  g_hash_table_iter_init (&iter, s->handles);
  while (g_hash_table_iter_next (&iter, NULL, &h))
    handle_unref (s, h);
  g_hash_table_unref (s->handles);
}
