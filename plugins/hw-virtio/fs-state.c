/* fs-state.c -- what a driver knows of a shared folder, as bytes: nodes by their names, open files by their nodes. */
/* SPDX-License-Identifier: MIT */
#include "fs-private.h"
#include <backplane/common.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { FORMAT = 1 };

/* --- saving ------------------------------------------------------------------------------------------ */

static void
put (GByteArray *out, uint64_t value, unsigned size)
{
  uint64_t le = GUINT64_TO_LE (value);
  g_byte_array_append (out, (const uint8_t *) &le, size);
}

static void
put_name (GByteArray *out, const char *name)
{
  put (out, name ? strlen (name) : 0, 2);
  if (name)
    g_byte_array_append (out, (const uint8_t *) name, (guint) strlen (name));
}

static void
put_node (GByteArray *out, const Node *n)
{
  put (out, n->id, 8);
  put (out, n->lookups, 8);
  put (out, n->parent ? n->parent->id : 0, 8);
  put (out, n->device, 8);
  put (out, n->inode, 8);
  put (out, n->type, 4);
  put_name (out, n->name);
}

/* What is above comes first. */
static void
put_with_parents (GByteArray *out, const Node *n, GHashTable *done)
{
  GSList *way = NULL;
  for (; n && !g_hash_table_contains (done, n); n = n->parent)
    way = g_slist_prepend (way, (gpointer) n);
  for (GSList *l = way; l; l = l->next) {
    g_hash_table_add (done, l->data);
    put_node (out, l->data);
  }
  g_slist_free (way);
}

static int
by_id (const void *a, const void *b)
{
  uint64_t m = **(const uint64_t *const *) a, n = **(const uint64_t *const *) b;
  return m < n ? -1 : m > n;
}

/* Of a table, in their order, so that what is saved depends on what there is alone. */
static gpointer *
ids_of (GHashTable *table, guint *n)
{
  gpointer *ids = g_hash_table_get_keys_as_array (table, n);
  qsort (ids, *n, sizeof *ids, by_id);
  return ids;
}

GByteArray *
fs_server_save (FsServer *s)
{
  GByteArray *out = g_byte_array_new ();
  g_autoptr (GHashTable) done = g_hash_table_new (NULL, NULL);
  g_mutex_lock (&s->lock);
  put (out, FORMAT, 4);
  put (out, s->ready, 1);
  put (out, s->minor, 4);
  put (out, s->share->device, 8);
  put (out, s->share->inode, 8);
  put (out, s->next_node, 8);
  put (out, s->next_handle, 8);
  guint n_nodes, n_handles;
  g_autofree gpointer *ids = ids_of (s->nodes, &n_nodes);
  put (out, n_nodes - 1, 4);
  g_hash_table_add (done, &s->root);
  for (guint i = 0; i < n_nodes; i++)
    put_with_parents (out, nodes_find (s, *(const uint64_t *) ids[i]), done);
  g_autofree gpointer *handle_ids = ids_of (s->handles, &n_handles);
  put (out, n_handles, 4);
  for (guint i = 0; i < n_handles; i++) {
    const Handle *h = g_hash_table_lookup (s->handles, handle_ids[i]);
    put (out, h->id, 8);
    put (out, h->node->id, 8);
    put (out, h->flags, 4);
    put (out, h->is_folder, 1);
  }
  g_mutex_unlock (&s->lock);
  return out;
}

/* --- loading ------------------------------------------------------------------------------------------- */

typedef struct Reader {
  const uint8_t *at, *end;
  bool wrong;
} Reader;

static uint64_t
get (Reader *r, unsigned size)
{
  uint64_t le = 0;
  if ((size_t) (r->end - r->at) < size) {
    r->wrong = true;
    r->at = r->end;
    return 0;
  }
  memcpy (&le, r->at, size);
  r->at += size;
  return GUINT64_FROM_LE (le);
}

static char *
get_name (Reader *r)
{
  size_t size = get (r, 2);
  if (!size || (size_t) (r->end - r->at) < size) {
    r->wrong |= size != 0;
    return NULL;
  }
  char *name = g_strndup ((const char *) r->at, size);
  r->at += size;
  if (strlen (name) == size && size <= NAME_MAX && nodes_name_is_fine (name))
    return name;
  r->wrong = true;
  g_free (name);
  return NULL;
}

static void
get_node (FsServer *s, Reader *r)
{
  Node *n = g_new0 (Node, 1);
  n->id = get (r, 8);
  n->lookups = get (r, 8);
  uint64_t parent = get (r, 8);
  n->device = get (r, 8);
  n->inode = get (r, 8);
  n->type = (mode_t) get (r, 4);
  n->name = get_name (r);
  Node *above = parent ? nodes_find (s, parent) : NULL;
  r->wrong |= nodes_find (s, n->id) || n->id >= s->next_node || !above != !n->name || !above != !parent || n->id == 0;
  if (r->wrong) {
    g_free (n->name);
    g_free (n);
    return;
  }
  n->parent = above;
  if (above)
    above->uses++;
  nodes_add (s, n);
  if (!above)
    nodes_key (s, n, false);    /* it was removed: what has its number now is another file */
}

/* What has gone keeps its number, which answers ESTALE from now on. */
static void
get_handle (FsServer *s, Reader *r)
{
  uint64_t id = get (r, 8), node = get (r, 8);
  uint32_t flags = (uint32_t) get (r, 4) & ~(uint32_t) O_TRUNC;
  bool is_folder = get (r, 1) & 1;
  r->wrong |= id >= s->next_handle || id == 0 || g_hash_table_contains (s->handles, &id) || !nodes_find (s, node);
  if (r->wrong)
    return;
  struct stat st;
  int path_fd = nodes_open (s, node, &st), fd = path_fd < 0 ? -1 : handles_reopen (s, path_fd, &st, flags, is_folder);
  if (path_fd >= 0)
    close (path_fd);
  uint64_t next = s->next_handle;
  s->next_handle = id;
  r->wrong |= handles_add (s, node, MAX (fd, -1), flags, is_folder, &id) != 0;
  s->next_handle = next;
}

/* Another folder than that of the saved machine (it was copied, or mounted elsewhere): files are those of the same names. */
static void
find_again (FsServer *s)
{
  GHashTableIter iter;
  gpointer node;
  g_hash_table_iter_init (&iter, s->nodes);
  while (g_hash_table_iter_next (&iter, NULL, &node)) {
    Node *n = node;
    struct stat st;
    if (n == &s->root)
      continue;
    nodes_key (s, n, false);
    int fd = nodes_open_any (s, n->id, &st);
    if (fd < 0)
      continue;
    close (fd);
    if ((st.st_mode & S_IFMT) != n->type)
      continue;
    n->device = st.st_dev;
    n->inode = st.st_ino;
    nodes_key (s, n, true);
  }
}

bool
fs_server_load (FsServer *s, const uint8_t *bytes, size_t size, GError **error)
{
  Reader r = { bytes, bytes + size, false };
  r.wrong = get (&r, 4) != FORMAT;
  s->ready = get (&r, 1) & 1;
  s->minor = (uint32_t) get (&r, 4);
  dev_t device = get (&r, 8);
  ino_t inode = get (&r, 8);
  s->next_node = get (&r, 8);
  s->next_handle = get (&r, 8);
  uint64_t n_nodes = get (&r, 4);
  r.wrong |= n_nodes >= NODES_MOST || s->next_node <= FUSE_ROOT_ID || s->next_handle == 0;
  for (uint64_t i = 0; i < n_nodes && !r.wrong; i++)
    get_node (s, &r);
  if (!r.wrong && (device != s->share->device || inode != s->share->inode))
    find_again (s);
  uint64_t n_handles = get (&r, 4);
  for (uint64_t i = 0; i < n_handles && !r.wrong; i++)
    get_handle (s, &r);
  if (!r.wrong && r.at == r.end)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the saved state of the shared folder is impossible%s",
               r.wrong && n_handles > s->share->handles_most ? ", or it has more open files than this process may have (ulimit -n)" : "");
  return false;
}
