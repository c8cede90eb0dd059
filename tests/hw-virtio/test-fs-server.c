/* test-fs-server.c -- the folder server by messages: names, files, folders, owners, what must not be reached, what must be refused, saved state. */
/* SPDX-License-Identifier: MIT */
#include "fs-messages.h"
#include "../scratch.h"
#include <backplane/test.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

/* --- a folder, and what lies beside it ----------------------------------------------------------- */

typedef struct Place {
  char *above, *folder;
  FsShare share;
  FsServer *s;
} Place;

static FsMessage m;

static void
write_at (const char *folder, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  bp_test_expect (g_file_set_contents (path, text, -1, NULL));
}

static char *
read_at (const char *folder, const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  char *text = NULL;
  g_file_get_contents (path, &text, NULL, NULL);
  return text;
}

static void
open_place (Place *p, FsSecurity security, bool read_only)
{
  g_autofree char *old = g_get_current_dir ();
  p->above = scratch_new ();
  p->folder = g_build_filename (p->above, "share", NULL);
  bp_test_expect (g_mkdir (p->folder, 0755) == 0);
  write_at (p->above, "secret", "secret");
  write_at (p->folder, "hello", "hello, world");
  bp_test_expect (chdir (p->folder) == 0);
  bp_test_expect (symlink ("../secret", "link") == 0 && symlink ("..", "up") == 0 && mkdir ("sub", 0755) == 0);
  bp_test_expect (chdir (old) == 0);
  p->share = (FsShare) { .read_only = read_only, .cache = FS_CACHE_AUTO, .security = security };
  bp_test_expect (fs_share_open (&p->share, p->folder, NULL));
  p->s = fs_server_new (&p->share);
  bp_test_expect_eq (fs_init (&m, p->s), 0);
}

static void
close_place (Place *p)
{
  fs_server_unref (p->s);
  fs_share_close (&p->share);
  scratch_free (p->above);
  g_free (p->folder);
}

/* --- messages ---------------------------------------------------------------------------------------- */

static int
lookup (Place *p, uint64_t parent, const char *name, uint64_t *node)
{
  struct fuse_entry_out e = { 0 };
  fs_begin (&m, FUSE_LOOKUP, parent);
  fs_append_text (&m, name);
  int error = fs_send (&m, p->s);
  if (!error)
    memcpy (&e, fs_answer (&m), sizeof e);
  *node = e.nodeid;
  return error;
}

static uint64_t
node_of (Place *p, uint64_t parent, const char *name)
{
  uint64_t node;
  bp_test_expect_eq (lookup (p, parent, name, &node), 0);
  return node;
}

static int
open_node (Place *p, uint64_t node, uint32_t opcode, uint32_t flags, uint64_t *handle)
{
  struct fuse_open_out out = { 0 };
  fs_begin (&m, opcode, node);
  fs_append (&m, &(struct fuse_open_in) { .flags = flags }, sizeof (struct fuse_open_in));
  int error = fs_send (&m, p->s);
  if (!error)
    memcpy (&out, fs_answer (&m), sizeof out);
  *handle = out.fh;
  return error;
}

static int
read_handle (Place *p, uint64_t handle, uint64_t offset, char *text, uint32_t size)
{
  fs_begin (&m, FUSE_READ, 0);
  fs_append (&m, &(struct fuse_read_in) { .fh = handle, .offset = offset, .size = size - 1 }, sizeof (struct fuse_read_in));
  int error = fs_send (&m, p->s);
  size_t n = error ? 0 : m.answer_size - sizeof (struct fuse_out_header);
  memcpy (text, fs_answer (&m), n);
  text[n] = 0;
  return error;
}

static int
write_handle (Place *p, uint64_t handle, uint64_t offset, const char *text)
{
  fs_begin (&m, FUSE_WRITE, 0);
  fs_append (&m, &(struct fuse_write_in) { .fh = handle, .offset = offset, .size = (uint32_t) strlen (text) }, sizeof (struct fuse_write_in));
  fs_append (&m, text, strlen (text));
  return fs_send (&m, p->s);
}

static int
create (Place *p, uint64_t parent, const char *name, uint32_t flags, uint32_t mode, uint64_t *node, uint64_t *handle)
{
  struct fuse_entry_out e = { 0 };
  struct fuse_open_out out = { 0 };
  fs_begin (&m, FUSE_CREATE, parent);
  fs_append (&m, &(struct fuse_create_in) { .flags = flags, .mode = mode }, sizeof (struct fuse_create_in));
  fs_append_text (&m, name);
  int error = fs_send (&m, p->s);
  if (!error) {
    memcpy (&e, fs_answer (&m), sizeof e);
    memcpy (&out, (const uint8_t *) fs_answer (&m) + sizeof e, sizeof out);
  }
  *node = e.nodeid;
  *handle = out.fh;
  return error;
}

static int
by_name (Place *p, uint32_t opcode, uint64_t parent, const char *name)
{
  fs_begin (&m, opcode, parent);
  fs_append_text (&m, name);
  return fs_send (&m, p->s);
}

static int
make_folder (Place *p, uint64_t parent, const char *name)
{
  fs_begin (&m, FUSE_MKDIR, parent);
  fs_append (&m, &(struct fuse_mkdir_in) { .mode = 0755 }, sizeof (struct fuse_mkdir_in));
  fs_append_text (&m, name);
  return fs_send (&m, p->s);
}

static int
rename_to (Place *p, uint64_t parent, const char *name, uint64_t to, const char *new_name, uint32_t flags)
{
  fs_begin (&m, FUSE_RENAME2, parent);
  fs_append (&m, &(struct fuse_rename2_in) { .newdir = to, .flags = flags }, sizeof (struct fuse_rename2_in));
  fs_append_text (&m, name);
  fs_append_text (&m, new_name);
  return fs_send (&m, p->s);
}

static int
attributes (Place *p, uint64_t node, struct fuse_attr *a)
{
  struct fuse_attr_out out = { 0 };
  fs_begin (&m, FUSE_GETATTR, node);
  fs_append (&m, &(struct fuse_getattr_in) { 0 }, sizeof (struct fuse_getattr_in));
  int error = fs_send (&m, p->s);
  if (!error)
    memcpy (&out, fs_answer (&m), sizeof out);
  *a = out.attr;
  return error;
}

static int
set_attributes (Place *p, uint64_t node, const struct fuse_setattr_in *in)
{
  fs_begin (&m, FUSE_SETATTR, node);
  fs_append (&m, in, sizeof *in);
  return fs_send (&m, p->s);
}

/* --- tests ----------------------------------------------------------------------------------------------- */

BP_TEST (files)
{
  Place p;
  char text[64];
  struct fuse_attr a;
  uint64_t node, handle;
  open_place (&p, FS_SECURITY_SQUASH, false);
  node = node_of (&p, FUSE_ROOT_ID, "hello");
  bp_test_expect_eq (open_node (&p, node, FUSE_OPEN, O_RDWR, &handle), 0);
  bp_test_expect_eq (read_handle (&p, handle, 7, text, sizeof text), 0);
  bp_test_expect_str (text, "world");
  bp_test_expect_eq (write_handle (&p, handle, 7, "folder"), 0);
  g_autofree char *on_host = read_at (p.folder, "hello");
  bp_test_expect_str (on_host, "hello, folder");
  bp_test_expect_eq (set_attributes (&p, node, &(struct fuse_setattr_in) { .valid = FATTR_SIZE, .size = 5 }), 0);
  bp_test_expect_eq (attributes (&p, node, &a), 0);
  bp_test_expect_eq (a.size, 5);
  bp_test_expect_eq (create (&p, FUSE_ROOT_ID, "new", O_WRONLY | O_EXCL, 0640, &node, &handle), 0);
  bp_test_expect_eq (attributes (&p, node, &a), 0);
  bp_test_expect_eq (a.mode, S_IFREG | 0640);
  bp_test_expect_eq (read_handle (&p, handle, 0, text, sizeof text), EBADF);
  bp_test_expect_eq (create (&p, FUSE_ROOT_ID, "new", O_WRONLY | O_EXCL, 0640, &node, &handle), EEXIST);
  bp_test_expect_eq (create (&p, FUSE_ROOT_ID, "new", O_WRONLY, 0640, &node, &handle), 0);
  /* a file without a name is there as long as it is open */
  bp_test_expect_eq (by_name (&p, FUSE_UNLINK, FUSE_ROOT_ID, "new"), 0);
  bp_test_expect_eq (write_handle (&p, handle, 0, "x"), 0);
  bp_test_expect_eq (attributes (&p, node, &a), 0);
  bp_test_expect_eq (a.size, 1);
  fs_begin (&m, FUSE_RELEASE, node);
  fs_append (&m, &(struct fuse_release_in) { .fh = handle }, sizeof (struct fuse_release_in));
  bp_test_expect_eq (fs_send (&m, p.s), 0);
  bp_test_expect_eq (fs_send (&m, p.s), EBADF);
  close_place (&p);
}

/* A driver may know a removed file longer than it has it open; a new file that gets its number is another one. */
BP_TEST (numbers_used_again)
{
  Place p;
  uint64_t old, handle, node;
  struct stat before, st;
  open_place (&p, FS_SECURITY_SQUASH, false);
  g_autofree char *path = g_build_filename (p.folder, "old", NULL), *next = g_build_filename (p.folder, "next", NULL);
  bp_test_expect_eq (create (&p, FUSE_ROOT_ID, "old", O_RDWR | O_EXCL, 0600, &old, &handle), 0);
  bp_test_expect (stat (path, &before) == 0);
  bp_test_expect_eq (by_name (&p, FUSE_UNLINK, FUSE_ROOT_ID, "old"), 0);
  fs_begin (&m, FUSE_RELEASE, old);
  fs_append (&m, &(struct fuse_release_in) { .fh = handle }, sizeof (struct fuse_release_in));
  bp_test_expect_eq (fs_send (&m, p.s), 0);
  write_at (p.folder, "next", "");
  bp_test_expect (stat (next, &st) == 0);
  node = node_of (&p, FUSE_ROOT_ID, "next");
  bp_test_expect (node != old);
  if (st.st_ino != before.st_ino)
    printf ("# this file system does not use numbers again at once\n");
  close_place (&p);
}

/* Whether it appends is a write's own: the driver may have changed its mind about the open file, and writes back pages of a mapping through any handle. */
BP_TEST (appended)
{
  static const struct { uint32_t flags, write_flags; const char *then; } writes[] = {
    { O_WRONLY | O_APPEND, 0, "hello, worldJ" }, { O_WRONLY, 0, "Jello, worldJ" }, { O_WRONLY | O_APPEND, FUSE_WRITE_CACHE, "Jello, worldJ" },
    { O_WRONLY | O_APPEND, 0, "Jello, worldJJ" },
  };
  Place p;
  uint64_t handle;
  open_place (&p, FS_SECURITY_SQUASH, false);
  uint64_t node = node_of (&p, FUSE_ROOT_ID, "hello");
  bp_test_expect_eq (open_node (&p, node, FUSE_OPEN, O_RDWR | O_APPEND, &handle), 0);
  for (unsigned i = 0; i < G_N_ELEMENTS (writes); i++) {
    fs_begin (&m, FUSE_WRITE, node);
    fs_append (&m, &(struct fuse_write_in) { .fh = handle, .size = 1, .flags = writes[i].flags, .write_flags = writes[i].write_flags }, sizeof (struct fuse_write_in));
    fs_append (&m, "J", 1);
    bp_test_expect_eq (fs_send (&m, p.s), 0);
    g_autofree char *text = read_at (p.folder, "hello");
    bp_test_expect_str (text, writes[i].then);
  }
  close_place (&p);
}

BP_TEST (names_move)
{
  Place p;
  struct fuse_attr a;
  uint64_t handle, none;
  open_place (&p, FS_SECURITY_SQUASH, false);
  uint64_t hello = node_of (&p, FUSE_ROOT_ID, "hello"), sub = node_of (&p, FUSE_ROOT_ID, "sub");
  bp_test_expect_eq (make_folder (&p, sub, "deep"), 0);
  uint64_t deep = node_of (&p, sub, "deep");
  bp_test_expect_eq (rename_to (&p, FUSE_ROOT_ID, "hello", deep, "there", 0), 0);
  bp_test_expect_eq (rename_to (&p, FUSE_ROOT_ID, "sub", FUSE_ROOT_ID, "moved", 0), 0);
  bp_test_expect_eq (attributes (&p, hello, &a), 0);
  bp_test_expect_eq (a.size, 12);
  bp_test_expect_eq (node_of (&p, deep, "there"), hello);
  bp_test_expect_eq (rename_to (&p, FUSE_ROOT_ID, "moved", deep, "loop", 0), EINVAL);
  bp_test_expect_eq (create (&p, FUSE_ROOT_ID, "other", O_RDWR, 0600, &none, &handle), 0);
  bp_test_expect_eq (rename_to (&p, FUSE_ROOT_ID, "other", deep, "there", 1), EEXIST);
  bp_test_expect_eq (rename_to (&p, FUSE_ROOT_ID, "other", deep, "there", 2), 0);
  bp_test_expect_eq (node_of (&p, FUSE_ROOT_ID, "other"), hello);
  bp_test_expect_eq (rename_to (&p, FUSE_ROOT_ID, "other", deep, "there", 4), EINVAL);
  /* what another file's name replaces is gone for good when nobody has it open */
  bp_test_expect_eq (rename_to (&p, deep, "there", FUSE_ROOT_ID, "other", 0), 0);
  bp_test_expect_eq (attributes (&p, hello, &a), ESTALE);
  uint64_t other = node_of (&p, FUSE_ROOT_ID, "other");
  fs_begin (&m, FUSE_LINK, deep);
  fs_append (&m, &(struct fuse_link_in) { .oldnodeid = other }, sizeof (struct fuse_link_in));
  fs_append_text (&m, "again");
  bp_test_expect_eq (fs_send (&m, p.s), 0);
  bp_test_expect_eq (node_of (&p, deep, "again"), other);
  bp_test_expect_eq (by_name (&p, FUSE_RMDIR, FUSE_ROOT_ID, "moved"), ENOTEMPTY);
  close_place (&p);
}

/* No name leads out, nor does a link, nor what the host does meanwhile. */
BP_TEST (no_way_out)
{
  static const char *const names[] = { "..", ".", "", "/", "../secret", "sub/../../secret", "/etc/passwd", "hello/" };
  Place p;
  struct fuse_attr a;
  uint64_t node, handle;
  open_place (&p, FS_SECURITY_SQUASH, false);
  for (unsigned i = 0; i < G_N_ELEMENTS (names); i++) {
    bp_test_expect_eq (lookup (&p, FUSE_ROOT_ID, names[i], &node), EINVAL);
    bp_test_expect_eq (create (&p, FUSE_ROOT_ID, names[i], O_RDWR, 0600, &node, &handle), EINVAL);
    bp_test_expect_eq (by_name (&p, FUSE_UNLINK, FUSE_ROOT_ID, names[i]), EINVAL);
    bp_test_expect_eq (rename_to (&p, FUSE_ROOT_ID, "hello", FUSE_ROOT_ID, names[i], 0), EINVAL);
    bp_test_expect_eq (make_folder (&p, FUSE_ROOT_ID, names[i]), EINVAL);
  }
  /* a link is a link, whichever way it is asked for */
  uint64_t link = node_of (&p, FUSE_ROOT_ID, "link"), up = node_of (&p, FUSE_ROOT_ID, "up");
  bp_test_expect_eq (open_node (&p, link, FUSE_OPEN, O_RDONLY, &handle), ELOOP);
  bp_test_expect_eq (open_node (&p, up, FUSE_OPENDIR, O_RDONLY, &handle), ENOTDIR);
  bp_test_expect (lookup (&p, up, "secret", &node) != 0);
  bp_test_expect_eq (create (&p, FUSE_ROOT_ID, "link", O_RDWR | O_TRUNC, 0600, &node, &handle), ELOOP);
  bp_test_expect (create (&p, up, "new", O_RDWR, 0600, &node, &handle) != 0);
  bp_test_expect_eq (set_attributes (&p, link, &(struct fuse_setattr_in) { .valid = FATTR_SIZE }), ELOOP);
  bp_test_expect_eq (set_attributes (&p, link, &(struct fuse_setattr_in) { .valid = FATTR_MODE, .mode = 0777 }), EOPNOTSUPP);
  bp_test_expect_eq (by_name (&p, FUSE_READLINK, link, ""), 0);
  bp_test_expect (memcmp (fs_answer (&m), "../secret", 9) == 0);
  /* the host puts a link where a folder was, and moves the folder out */
  uint64_t sub = node_of (&p, FUSE_ROOT_ID, "sub");
  g_autofree char *from = g_build_filename (p.folder, "sub", NULL), *to = g_build_filename (p.above, "out", NULL);
  bp_test_expect (rename (from, to) == 0);
  bp_test_expect_eq (lookup (&p, sub, "x", &node), ESTALE);
  bp_test_expect (symlink ("..", from) == 0);
  bp_test_expect_eq (lookup (&p, sub, "secret", &node), ESTALE);
  bp_test_expect_eq (attributes (&p, sub, &a), ESTALE);
  g_autofree char *secret = read_at (p.above, "secret");
  bp_test_expect_str (secret, "secret");
  close_place (&p);
}

/* A folder that is open when the host moves it out leads no further, nor does a file. */
BP_TEST (moved_out_while_open)
{
  Place p;
  struct fuse_attr a;
  uint64_t node, handle, opened;
  char text[64];
  open_place (&p, FS_SECURITY_SQUASH, false);
  write_at (p.folder, "sub/file", "file");
  uint64_t sub = node_of (&p, FUSE_ROOT_ID, "sub"), file = node_of (&p, sub, "file");
  bp_test_expect_eq (open_node (&p, sub, FUSE_OPENDIR, O_RDONLY, &handle), 0);
  bp_test_expect_eq (open_node (&p, file, FUSE_OPEN, O_RDONLY, &opened), 0);
  g_autofree char *from = g_build_filename (p.folder, "sub", NULL), *to = g_build_filename (p.above, "out", NULL), *gone = g_build_filename (p.above, "out/file", NULL);
  bp_test_expect (rename (from, to) == 0);
  write_at (to, "later", "secret");
  bp_test_expect_eq (lookup (&p, sub, "later", &node), ESTALE);
  bp_test_expect_eq (attributes (&p, sub, &a), ESTALE);
  bp_test_expect_eq (create (&p, sub, "new", O_RDWR, 0600, &node, &handle), ESTALE);
  bp_test_expect_eq (make_folder (&p, sub, "new"), ESTALE);
  bp_test_expect_eq (by_name (&p, FUSE_UNLINK, sub, "later"), ESTALE);
  bp_test_expect_eq (rename_to (&p, sub, "later", FUSE_ROOT_ID, "later", 0), ESTALE);
  bp_test_expect_eq (rename_to (&p, FUSE_ROOT_ID, "hello", sub, "hello", 0), ESTALE);
  for (unsigned plus = 0; plus < 2; plus++) {
    fs_begin (&m, plus ? FUSE_READDIRPLUS : FUSE_READDIR, sub);
    fs_append (&m, &(struct fuse_read_in) { .fh = 1, .size = 4096 }, sizeof (struct fuse_read_in));
    bp_test_expect_eq (fs_send (&m, p.s), ESTALE);
  }
  /* a file is read as it was opened, and neither opened again, nor changed, nor linked to where it is shared again */
  bp_test_expect_eq (read_handle (&p, opened, 0, text, sizeof text), 0);
  bp_test_expect_str (text, "file");
  bp_test_expect_eq (attributes (&p, file, &a), 0);
  bp_test_expect_eq (open_node (&p, file, FUSE_OPEN, O_RDWR, &node), ESTALE);
  bp_test_expect_eq (open_node (&p, file, FUSE_OPEN, O_RDONLY, &node), ESTALE);
  bp_test_expect (set_attributes (&p, file, &(struct fuse_setattr_in) { .valid = FATTR_SIZE, .size = 0 }) != 0);
  fs_begin (&m, FUSE_LINK, FUSE_ROOT_ID);
  fs_append (&m, &(struct fuse_link_in) { .oldnodeid = file }, sizeof (struct fuse_link_in));
  fs_append_text (&m, "back");
  bp_test_expect_eq (fs_send (&m, p.s), ESTALE);
  /* one that was removed is nobody else's */
  bp_test_expect (unlink (gone) == 0);
  bp_test_expect_eq (open_node (&p, file, FUSE_OPEN, O_RDONLY, &node), 0);
  close_place (&p);
}

/* What acts when it is opened is not. */
BP_TEST (only_files_and_folders_are_opened)
{
  Place p;
  uint64_t handle;
  open_place (&p, FS_SECURITY_SQUASH, false);
  g_autofree char *fifo = g_build_filename (p.folder, "fifo", NULL);
  bp_test_expect (mkfifo (fifo, 0600) == 0);
  uint64_t node = node_of (&p, FUSE_ROOT_ID, "fifo"), created;
  bp_test_expect_eq (open_node (&p, node, FUSE_OPEN, O_RDONLY, &handle), ENXIO);
  bp_test_expect_eq (create (&p, FUSE_ROOT_ID, "fifo", O_WRONLY, 0600, &created, &handle), ENXIO);
  bp_test_expect_eq (open_node (&p, FUSE_ROOT_ID, FUSE_OPEN, O_RDONLY, &handle), EISDIR);
  fs_begin (&m, FUSE_MKNOD, FUSE_ROOT_ID);
  fs_append (&m, &(struct fuse_mknod_in) { .mode = S_IFCHR | 0666, .rdev = 0x105 }, sizeof (struct fuse_mknod_in));
  fs_append_text (&m, "zero");
  bp_test_expect_eq (fs_send (&m, p.s), EPERM);
  close_place (&p);
}

BP_TEST (owners)
{
  for (FsSecurity security = FS_SECURITY_SQUASH; security <= FS_SECURITY_MAPPED; security++) {
    Place p;
    struct fuse_attr a;
    struct stat st;
    uint64_t node, handle;
    open_place (&p, security, false);
    g_autofree char *path = g_build_filename (p.folder, "new", NULL);
    if (security == FS_SECURITY_MAPPED && setxattr (p.folder, "user.test", "x", 1, 0) != 0) {
      close_place (&p);
      continue;                 /* the host's file system has no extended attributes */
    }
    bp_test_expect_eq (create (&p, FUSE_ROOT_ID, "new", O_RDWR, 0600, &node, &handle), 0);
    bp_test_expect_eq (set_attributes (&p, node, &(struct fuse_setattr_in) { .valid = FATTR_MODE, .mode = 06755 }), 0);
    bp_test_expect (stat (path, &st) == 0);
    bp_test_expect_eq (attributes (&p, node, &a), 0);
    bp_test_expect_eq (a.mode & 07777, security == FS_SECURITY_SQUASH ? 0755 : 06755);
    bp_test_expect_eq (st.st_mode & 07777, security == FS_SECURITY_SQUASH ? 0755 : security == FS_SECURITY_MAPPED ? 0600 : 06755);
    int error = set_attributes (&p, node, &(struct fuse_setattr_in) { .valid = FATTR_UID, .uid = 1234 });
    bp_test_expect_eq (error, security == FS_SECURITY_SQUASH || (security == FS_SECURITY_PASSTHROUGH && geteuid ()) ? EPERM : 0);
    if (security == FS_SECURITY_MAPPED) {
      bp_test_expect_eq (attributes (&p, node, &a), 0);
      bp_test_expect_eq (a.uid, 1234);
      bp_test_expect_eq (st.st_uid, geteuid ());
      fs_begin (&m, FUSE_SYMLINK, FUSE_ROOT_ID);
      fs_append_text (&m, "mapped-link");
      fs_append_text (&m, "anywhere");
      bp_test_expect_eq (fs_send (&m, p.s), 0);
      bp_test_expect_eq (by_name (&p, FUSE_READLINK, node_of (&p, FUSE_ROOT_ID, "mapped-link"), ""), 0);
      bp_test_expect (memcmp (fs_answer (&m), "anywhere", 8) == 0);
      fs_begin (&m, FUSE_SETXATTR, node);
      fs_append (&m, (const uint32_t[]) { 1, 0 }, 8);
      fs_append_text (&m, "user.backplane.owner");
      fs_append (&m, "x", 1);
      bp_test_expect_eq (fs_send (&m, p.s), EOPNOTSUPP);
    }
    close_place (&p);
  }
}

/* Whose group is what is made in a folder with the set-group-ID bit: the folder's; and a number of a device is told as a whole. */
BP_TEST (groups_and_numbers)
{
  for (FsSecurity security = FS_SECURITY_PASSTHROUGH; security <= FS_SECURITY_MAPPED; security++) {
    Place p;
    struct fuse_attr a;
    uint64_t node, handle;
    open_place (&p, security, false);
    uint64_t sub = node_of (&p, FUSE_ROOT_ID, "sub");
    if (geteuid () != 0 || (security == FS_SECURITY_MAPPED && setxattr (p.folder, "user.test", "x", 1, 0) != 0)) {
      close_place (&p);
      continue;                 /* only root gives files away, or the host's file system has no extended attributes */
    }
    bp_test_expect_eq (set_attributes (&p, sub, &(struct fuse_setattr_in) { .valid = FATTR_GID, .gid = 77 }), 0);
    bp_test_expect_eq (set_attributes (&p, sub, &(struct fuse_setattr_in) { .valid = FATTR_MODE, .mode = 02775 }), 0);
    bp_test_expect_eq (create (&p, sub, "file", O_RDWR | O_EXCL, 0640, &node, &handle), 0);
    bp_test_expect_eq (attributes (&p, node, &a), 0);
    bp_test_expect (a.gid == 77 && a.mode == (S_IFREG | 0640));
    bp_test_expect_eq (make_folder (&p, sub, "deep"), 0);
    bp_test_expect_eq (attributes (&p, node_of (&p, sub, "deep"), &a), 0);
    bp_test_expect (a.gid == 77 && a.mode == (S_IFDIR | 02755));
    if (security == FS_SECURITY_PASSTHROUGH) {
      g_autofree char *path = g_build_filename (p.folder, "device", NULL);
      if (mknod (path, S_IFCHR | 0600, makedev (10, 0x12345)) == 0) {
        bp_test_expect_eq (attributes (&p, node_of (&p, FUSE_ROOT_ID, "device"), &a), 0);
        bp_test_expect_eq (a.rdev, 0x12300000 | 10 << 8 | 0x45);
      }
    }
    close_place (&p);
  }
}

/* A program of the host's that runs as its owner does so no more when a guest has written it. */
BP_TEST (programs_of_others)
{
  for (FsSecurity security = FS_SECURITY_SQUASH; security <= FS_SECURITY_MAPPED; security++) {
    Place p;
    struct stat st;
    uint64_t handle;
    open_place (&p, security, false);
    g_autofree char *path = g_build_filename (p.folder, "hello", NULL);
    bp_test_expect (chmod (path, 06755) == 0);
    uint64_t node = node_of (&p, FUSE_ROOT_ID, "hello");
    bp_test_expect_eq (open_node (&p, node, FUSE_OPEN, O_RDONLY, &handle), 0);
    bp_test_expect (stat (path, &st) == 0);
    bp_test_expect_eq (st.st_mode & 07777, 06755);
    bp_test_expect_eq (open_node (&p, node, FUSE_OPEN, O_WRONLY, &handle), 0);
    bp_test_expect_eq (write_handle (&p, handle, 0, "mine"), 0);
    bp_test_expect (stat (path, &st) == 0);
    if (security != FS_SECURITY_PASSTHROUGH)
      bp_test_expect_eq (st.st_mode & 07777, 0755);
    close_place (&p);
  }
}

/* Linux gives as much room as the value takes, and the header: what is short has little. */
BP_TEST (extended_attributes)
{
  Place p;
  uint8_t answer[64];
  struct fuse_out_header out;
  struct fuse_getxattr_out size;
  open_place (&p, FS_SECURITY_SQUASH, false);
  if (setxattr (p.folder, "user.t", "abc", 3, 0) != 0) {
    close_place (&p);
    return;                     /* the host's file system has no extended attributes */
  }
  for (unsigned list = 0; list < 2; list++) {
    const char *expected = list ? "user.t" : "abc";
    uint32_t n = list ? 7 : 3, opcode = list ? FUSE_LISTXATTR : FUSE_GETXATTR;
    for (uint32_t asked = 0; asked <= n + 1; asked++) {
      fs_begin (&m, opcode, FUSE_ROOT_ID);
      fs_append (&m, &(struct fuse_getxattr_in) { .size = asked }, sizeof (struct fuse_getxattr_in));
      if (!list)
        fs_append_text (&m, "user.t");
      fs_end (&m);
      size_t got = fs_server_answer (p.s, m.bytes, m.size, answer, sizeof out + (asked ? asked : sizeof size));
      memcpy (&out, answer, sizeof out);
      memcpy (&size, answer + sizeof out, sizeof size);
      bp_test_expect_eq (out.error, asked && asked < n ? -ERANGE : 0);
      bp_test_expect_eq (got, sizeof out + (!asked ? sizeof size : asked < n ? 0 : n));
      bp_test_expect (asked ? asked < n || memcmp (answer + sizeof out, expected, n) == 0 : size.size == n);
    }
    bp_test_expect_eq (fs_server_answer (p.s, m.bytes, m.size, answer, sizeof out), sizeof out);
    memcpy (&out, answer, sizeof out);
    bp_test_expect (out.error < 0);
  }
  close_place (&p);
}

BP_TEST (listing)
{
  enum { MANY = 300 };
  Place p;
  char name[32];
  bool seen[MANY] = { false };
  uint64_t handle, offset = 0, n = 0;
  open_place (&p, FS_SECURITY_SQUASH, false);
  for (unsigned i = 0; i < MANY; i++) {
    g_snprintf (name, sizeof name, "sub/%u", i);
    write_at (p.folder, name, "");
  }
  uint64_t sub = node_of (&p, FUSE_ROOT_ID, "sub");
  bp_test_expect_eq (open_node (&p, sub, FUSE_OPENDIR, 0, &handle), 0);
  for (bool more = true; more;) {
    fs_begin (&m, FUSE_READDIRPLUS, sub);
    fs_append (&m, &(struct fuse_read_in) { .fh = handle, .offset = offset, .size = 4096 }, sizeof (struct fuse_read_in));
    bp_test_expect_eq (fs_send (&m, p.s), 0);
    more = false;
    for (size_t at = sizeof (struct fuse_out_header); at < m.answer_size; more = true) {
      struct fuse_direntplus e;
      memcpy (&e, m.answer + at, FUSE_NAME_OFFSET_DIRENTPLUS);
      const char *text = (const char *) m.answer + at + FUSE_NAME_OFFSET_DIRENTPLUS;
      g_autofree char *copy = g_strndup (text, e.dirent.namelen);
      offset = e.dirent.off;
      at += FUSE_REC_ALIGN (FUSE_NAME_OFFSET_DIRENTPLUS + e.dirent.namelen);
      bp_test_expect_eq (e.entry_out.nodeid != 0, copy[0] != '.');
      if (copy[0] == '.')
        continue;
      unsigned i = (unsigned) atoi (copy);
      bp_test_expect (i < MANY && !seen[i]);
      seen[i] = true;
      n++;
    }
  }
  bp_test_expect_eq (n, MANY);
  close_place (&p);
}

BP_TEST (read_only)
{
  Place p;
  uint64_t node, handle;
  open_place (&p, FS_SECURITY_SQUASH, true);
  node = node_of (&p, FUSE_ROOT_ID, "hello");
  bp_test_expect_eq (open_node (&p, node, FUSE_OPEN, O_RDWR, &handle), EROFS);
  bp_test_expect_eq (open_node (&p, node, FUSE_OPEN, O_RDONLY | O_TRUNC, &handle), EROFS);
  bp_test_expect_eq (by_name (&p, FUSE_UNLINK, FUSE_ROOT_ID, "hello"), EROFS);
  bp_test_expect_eq (create (&p, FUSE_ROOT_ID, "new", O_RDWR, 0600, &node, &handle), EROFS);
  bp_test_expect_eq (make_folder (&p, FUSE_ROOT_ID, "new"), EROFS);
  close_place (&p);
}

/* A guest with two folders has no more files open than one with a single one: there have to be descriptors for all else that the machine does. */
BP_TEST (open_files_are_limited)
{
  Place p, q;
  uint64_t first, handle;
  open_place (&p, FS_SECURITY_SQUASH, false);
  open_place (&q, FS_SECURITY_SQUASH, false);
  p.share.handles_most = q.share.handles_most = 3;
  uint64_t node = node_of (&p, FUSE_ROOT_ID, "hello"), other = node_of (&q, FUSE_ROOT_ID, "hello");
  bp_test_expect_eq (open_node (&p, node, FUSE_OPEN, O_RDONLY, &first), 0);
  bp_test_expect_eq (open_node (&p, node, FUSE_OPEN, O_RDONLY, &handle), 0);
  bp_test_expect_eq (open_node (&q, other, FUSE_OPEN, O_RDONLY, &handle), 0);
  bp_test_expect_eq (open_node (&q, other, FUSE_OPEN, O_RDONLY, &handle), ENFILE);
  bp_test_expect_eq (open_node (&p, FUSE_ROOT_ID, FUSE_OPENDIR, O_RDONLY, &handle), ENFILE);
  fs_begin (&m, FUSE_RELEASE, node);
  fs_append (&m, &(struct fuse_release_in) { .fh = first }, sizeof (struct fuse_release_in));
  bp_test_expect_eq (fs_send (&m, p.s), 0);
  bp_test_expect_eq (open_node (&q, other, FUSE_OPEN, O_RDONLY, &handle), 0);
  close_place (&p);
  close_place (&q);
}

/* Every message cut short, in size or in its word for it; numbers that are nobody's; texts without an end. */
BP_TEST (refused)
{
  Place p;
  uint8_t answer[256];
  open_place (&p, FS_SECURITY_SQUASH, false);
  for (uint32_t opcode = 0; opcode < 64; opcode++) {
    memset (m.bytes, 0xff, 512);
    for (size_t size = 0; size < 200; size++) {
      struct fuse_in_header h = { .len = (uint32_t) size, .opcode = opcode, .nodeid = 0x1234567 };
      memcpy (m.bytes, &h, sizeof h);
      uint8_t *bytes = g_memdup2 (m.bytes, size);
      if (opcode != FUSE_INIT && opcode != FUSE_DESTROY && opcode != FUSE_STATFS && opcode != FUSE_SYNCFS) {
        size_t n = fs_server_answer (p.s, bytes, size, answer, sizeof answer);
        bp_test_expect (n == 0 || (n == sizeof (struct fuse_out_header) && ((int32_t *) answer)[1] < 0));
        bp_test_expect_eq (fs_server_answer (p.s, bytes, size, answer, 15), 0);
      } else if (opcode == FUSE_INIT) {         /* of a later FUSE, in as few bytes as the first had */
        size_t n = fs_server_answer (p.s, bytes, size, answer, sizeof answer);
        bp_test_expect (n == 0 || (((int32_t *) answer)[1] == 0) == (size >= sizeof h + 16));
      }
      g_free (bytes);
    }
  }
  fs_begin (&m, FUSE_LOOKUP, FUSE_ROOT_ID);
  fs_append (&m, "hello", 5);
  bp_test_expect_eq (fs_send (&m, p.s), EINVAL);
  uint64_t node = node_of (&p, FUSE_ROOT_ID, "hello"), handle;
  bp_test_expect_eq (open_node (&p, node, FUSE_OPEN, O_RDWR, &handle), 0);
  fs_begin (&m, FUSE_WRITE, node);
  fs_append (&m, &(struct fuse_write_in) { .fh = handle, .size = 100 }, sizeof (struct fuse_write_in));
  fs_append (&m, "short", 5);
  bp_test_expect_eq (fs_send (&m, p.s), EINVAL);
  fs_begin (&m, FUSE_READ, node);
  fs_append (&m, &(struct fuse_read_in) { .fh = handle, .size = ~0u }, sizeof (struct fuse_read_in));
  bp_test_expect_eq (fs_send (&m, p.s), EINVAL);
  fs_begin (&m, FUSE_BATCH_FORGET, 0);
  fs_append (&m, &(struct fuse_batch_forget_in) { .count = ~0u }, sizeof (struct fuse_batch_forget_in));
  fs_append (&m, &(struct fuse_forget_one) { node, ~UINT64_C (0) }, sizeof (struct fuse_forget_one));
  bp_test_expect_eq (fs_send (&m, p.s), -1);
  char text[32];
  bp_test_expect_eq (read_handle (&p, handle, 0, text, sizeof text), 0);       /* forgotten, and open */
  close_place (&p);
}

/* Another server goes on where the first was; what has gone meanwhile is stale. */
BP_TEST (saved)
{
  Place p;
  char text[64];
  struct fuse_attr a;
  uint64_t kept, gone, node, none;
  open_place (&p, FS_SECURITY_SQUASH, false);
  write_at (p.folder, "sub/gone", "x");
  node = node_of (&p, FUSE_ROOT_ID, "hello");
  uint64_t sub = node_of (&p, FUSE_ROOT_ID, "sub"), lost = node_of (&p, sub, "gone");
  bp_test_expect_eq (open_node (&p, node, FUSE_OPEN, O_RDWR | O_TRUNC, &kept), 0);
  bp_test_expect_eq (write_handle (&p, kept, 0, "kept"), 0);
  bp_test_expect_eq (open_node (&p, lost, FUSE_OPEN, O_RDONLY, &gone), 0);
  g_autoptr (GByteArray) bytes = fs_server_save (p.s);
  g_autofree char *path = g_build_filename (p.folder, "sub/gone", NULL);
  bp_test_expect (unlink (path) == 0);
  fs_server_unref (p.s);
  p.s = fs_server_new (&p.share);
  bp_test_expect (fs_server_load (p.s, bytes->data, bytes->len, NULL));
  g_autoptr (GByteArray) again = fs_server_save (p.s);
  bp_test_expect (bytes->len == again->len && memcmp (bytes->data, again->data, bytes->len) == 0);
  bp_test_expect_eq (read_handle (&p, kept, 0, text, sizeof text), 0);
  bp_test_expect_str (text, "kept");
  bp_test_expect_eq (write_handle (&p, kept, 4, " well"), 0);
  bp_test_expect_eq (node_of (&p, FUSE_ROOT_ID, "hello"), node);
  bp_test_expect_eq (read_handle (&p, gone, 0, text, sizeof text), ESTALE);
  bp_test_expect_eq (attributes (&p, lost, &a), ESTALE);
  bp_test_expect_eq (attributes (&p, sub, &a), 0);
  bp_test_expect_eq (open_node (&p, node, FUSE_OPEN, O_RDONLY, &none), 0);
  bp_test_expect (none != kept && none != gone);
  /* bytes that are cut or changed anywhere are refused, or are another state that is possible */
  for (unsigned i = 0; i < bytes->len; i++) {
    FsServer *s = fs_server_new (&p.share);
    bp_test_expect (!fs_server_load (s, bytes->data, i, NULL));
    fs_server_unref (s);
    s = fs_server_new (&p.share);
    bytes->data[i] ^= 0x5a;
    fs_server_load (s, bytes->data, bytes->len, NULL);
    bytes->data[i] ^= 0x5a;
    fs_server_unref (s);
  }
  close_place (&p);
}

/* A copy of the folder elsewhere: the same names are the same files. */
BP_TEST (loaded_elsewhere)
{
  Place p, q;
  struct fuse_attr a;
  uint64_t handle;
  char text[64];
  open_place (&p, FS_SECURITY_SQUASH, false);
  open_place (&q, FS_SECURITY_SQUASH, false);
  uint64_t node = node_of (&p, FUSE_ROOT_ID, "hello");
  bp_test_expect_eq (open_node (&p, node, FUSE_OPEN, O_RDONLY, &handle), 0);
  g_autoptr (GByteArray) bytes = fs_server_save (p.s);
  fs_server_unref (q.s);
  q.s = fs_server_new (&q.share);
  bp_test_expect (fs_server_load (q.s, bytes->data, bytes->len, NULL));
  bp_test_expect_eq (attributes (&q, node, &a), 0);
  bp_test_expect_eq (read_handle (&q, handle, 0, text, sizeof text), 0);
  bp_test_expect_str (text, "hello, world");
  close_place (&p);
  close_place (&q);
}

BP_TEST_MAIN ("folder server", &files, &numbers_used_again, &appended, &names_move, &no_way_out, &moved_out_while_open, &only_files_and_folders_are_opened, &owners,
              &groups_and_numbers, &programs_of_others, &extended_attributes, &listing, &read_only, &open_files_are_limited, &refused, &saved, &loaded_elsewhere)
