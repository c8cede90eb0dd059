/* test-fs-race.c -- the folder server by several drivers' requests at a time, while the host puts links and folders in each other's places: nothing outside is reached. */
/* SPDX-License-Identifier: MIT */
/*
 * What a walk by name could be led astray by: `swap' is a folder of the share one moment and a symbolic link to what lies beside it the next; `wander' is in the
 * share, and then beside it; and the guest itself renames the folder that others walk through.  Whatever is answered holds nothing of what lies beside, and
 * nothing is made there.
 */
#include "fs-messages.h"
#include "../scratch.h"
#include <backplane/test.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { THREADS = 4, ROUNDS = 3000 };
static const char secret[] = "not to be read by the guest";

typedef struct Place {
  char *above, *share, *beside;
  FsShare folder;
  FsServer *s;
  gint ends;
  gint reached;                 /* requests that got to what they asked for: the test would show nothing if none did */
  gint wrong;
} Place;

/* --- the host ------------------------------------------------------------------------------------- */

static char *
path_of (const char *folder, const char *name)
{
  return g_build_filename (folder, name, NULL);
}

static void
write_at (const char *folder, const char *name, const char *text)
{
  g_autofree char *path = path_of (folder, name);
  bp_test_expect (g_file_set_contents (path, text, -1, NULL));
}

static void
make_at (const char *folder, const char *name)
{
  g_autofree char *path = path_of (folder, name);
  bp_test_expect (g_mkdir (path, 0755) == 0);
}

static gpointer
host (gpointer user)
{
  Place *p = user;
  g_autofree char *swap = path_of (p->share, "swap"), *link = path_of (p->share, "link");
  g_autofree char *in = path_of (p->share, "wander"), *out = path_of (p->beside, "wander");
  while (!g_atomic_int_get (&p->ends)) {
    renameat2 (AT_FDCWD, swap, AT_FDCWD, link, RENAME_EXCHANGE);
    rename (in, out);
    renameat2 (AT_FDCWD, swap, AT_FDCWD, link, RENAME_EXCHANGE);
    rename (out, in);
  }
  return NULL;
}

/* --- the guest -------------------------------------------------------------------------------------- */

static void
look_for_secret (Place *p, const FsMessage *m)
{
  if (m->answer_size && memmem (m->answer, m->answer_size, secret, sizeof secret - 1))
    g_atomic_int_inc (&p->wrong);
}

static int
send (Place *p, FsMessage *m)
{
  int error = fs_send (m, p->s);
  look_for_secret (p, m);
  return error;
}

static uint64_t
lookup (Place *p, FsMessage *m, uint64_t parent, const char *name)
{
  struct fuse_entry_out e;
  fs_begin (m, FUSE_LOOKUP, parent);
  fs_append_text (m, name);
  if (send (p, m) != 0)
    return 0;
  memcpy (&e, fs_answer (m), sizeof e);
  return e.nodeid;
}

static void
forget (Place *p, FsMessage *m, uint64_t node)
{
  fs_begin (m, FUSE_FORGET, node);
  fs_append (m, &(struct fuse_forget_in) { 1 }, sizeof (struct fuse_forget_in));
  send (p, m);
}

static uint64_t
open_node (Place *p, FsMessage *m, uint32_t opcode, uint64_t node)
{
  struct fuse_open_out out;
  fs_begin (m, opcode, node);
  fs_append (m, &(struct fuse_open_in) { .flags = opcode == FUSE_OPEN ? O_RDWR : O_RDONLY }, sizeof (struct fuse_open_in));
  if (send (p, m) != 0)
    return 0;
  memcpy (&out, fs_answer (m), sizeof out);
  return out.fh;
}

static void
use_handle (Place *p, FsMessage *m, uint64_t node, uint64_t handle, bool is_folder)
{
  fs_begin (m, is_folder ? FUSE_READDIRPLUS : FUSE_READ, node);
  fs_append (m, &(struct fuse_read_in) { .fh = handle, .size = 4096 }, sizeof (struct fuse_read_in));
  if (send (p, m) == 0)
    g_atomic_int_inc (&p->reached);
  fs_begin (m, is_folder ? FUSE_RELEASEDIR : FUSE_RELEASE, node);
  fs_append (m, &(struct fuse_release_in) { .fh = handle }, sizeof (struct fuse_release_in));
  send (p, m);
}

/* Makes a file, a folder and a link in `node', which are to be in the share wherever it is. */
static void
make_in (Place *p, FsMessage *m, uint64_t node, unsigned n)
{
  char name[32];
  g_snprintf (name, sizeof name, "guest-%u", n);
  fs_begin (m, FUSE_MKNOD, node);
  fs_append (m, &(struct fuse_mknod_in) { .mode = S_IFREG | 0600 }, sizeof (struct fuse_mknod_in));
  fs_append_text (m, name);
  if (send (p, m) == 0)
    forget (p, m, ((const struct fuse_entry_out *) fs_answer (m))->nodeid);
  fs_begin (m, FUSE_UNLINK, node);
  fs_append_text (m, name);
  send (p, m);
}

/* `swap' and `deep' stay what they were found as, for some time. */
static void
visit (Place *p, FsMessage *m, const char *name, unsigned n)
{
  uint64_t folder = lookup (p, m, FUSE_ROOT_ID, name), file = folder ? lookup (p, m, folder, "file") : 0;
  uint64_t list = folder ? open_node (p, m, FUSE_OPENDIR, folder) : 0, open = file ? open_node (p, m, FUSE_OPEN, file) : 0;
  if (folder)
    make_in (p, m, folder, n);
  if (list)
    use_handle (p, m, folder, list, true);
  if (open)
    use_handle (p, m, file, open, false);
  if (file)
    forget (p, m, file);
  if (folder)
    forget (p, m, folder);
}

static void
rename_own (Place *p, FsMessage *m, unsigned n)
{
  fs_begin (m, FUSE_RENAME, FUSE_ROOT_ID);
  fs_append (m, &(struct fuse_rename_in) { .newdir = FUSE_ROOT_ID }, sizeof (struct fuse_rename_in));
  fs_append_text (m, n & 1 ? "own" : "mine");
  fs_append_text (m, n & 1 ? "mine" : "own");
  send (p, m);
}

typedef struct Guest {
  Place *p;
  unsigned number;
} Guest;

static gpointer
guest (gpointer user)
{
  static const char *const names[] = { "swap", "wander", "own", "mine", "link" };
  const Guest *g = user;
  FsMessage *m = g_new (FsMessage, 1);
  for (unsigned i = 0; i < ROUNDS; i++) {
    if (g->number == 0)
      rename_own (g->p, m, i);
    visit (g->p, m, names[(i + g->number) % G_N_ELEMENTS (names)], g->number);
  }
  g_free (m);
  return NULL;
}

/* --- the test ------------------------------------------------------------------------------------------ */

static void
make_place (Place *p)
{
  p->above = scratch_new ();
  p->share = path_of (p->above, "share");
  p->beside = path_of (p->above, "beside");
  make_at (p->above, "share");
  make_at (p->above, "beside");
  write_at (p->beside, "file", secret);
  for (const char *const *name = (const char *const[]) { "swap", "wander", "own", NULL }; *name; name++) {
    g_autofree char *folder = path_of (p->share, *name);
    make_at (p->share, *name);
    write_at (folder, "file", "the guest's");
  }
  g_autofree char *link = path_of (p->share, "link");
  bp_test_expect (symlink (p->beside, link) == 0);
}

/* Beside the share are a file as it was, and at times the folder that wanders. */
static void
check_beside (const Place *p)
{
  g_autofree char *file = path_of (p->beside, "file"), *text = NULL;
  bp_test_expect (g_file_get_contents (file, &text, NULL, NULL));
  bp_test_expect_str (text, secret);
  g_autoptr (GDir) dir = g_dir_open (p->beside, 0, NULL);
  for (const char *name; (name = g_dir_read_name (dir));)
    bp_test_expect (strcmp (name, "file") == 0 || strcmp (name, "wander") == 0);
}

BP_TEST (no_way_out)
{
  Place p = { .folder = { .cache = FS_CACHE_NONE, .security = FS_SECURITY_SQUASH } };
  Guest guests[THREADS];
  GThread *threads[THREADS];
  FsMessage *m = g_new (FsMessage, 1);
  make_place (&p);
  bp_test_expect (fs_share_open (&p.folder, p.share, NULL));
  p.s = fs_server_new (&p.folder);
  bp_test_expect_eq (fs_init (m, p.s), 0);
  GThread *other = g_thread_new ("host", host, &p);
  for (unsigned i = 0; i < THREADS; i++) {
    guests[i] = (Guest) { &p, i };
    threads[i] = g_thread_new ("guest", guest, &guests[i]);
  }
  for (unsigned i = 0; i < THREADS; i++)
    g_thread_join (threads[i]);
  g_atomic_int_set (&p.ends, 1);
  g_thread_join (other);
  bp_test_expect_eq (p.wrong, 0);
  bp_test_expect (p.reached > ROUNDS / 10);
  check_beside (&p);
  fs_server_unref (p.s);
  fs_share_close (&p.folder);
  scratch_free (p.above);
  g_free (p.share);
  g_free (p.beside);
  g_free (m);
}

BP_TEST_MAIN ("folder server and a host that moves things", &no_way_out)
