/* template.c -- a machine as a folder that many begin with: RAM as a file that is mapped, the rest as a stream. */
/* SPDX-License-Identifier: MIT */
/*
 * The folder holds `state', a stream as a migration's, whose RAM is somewhere else: TEMPLATE (text: the name of the RAM's file in the folder, u64 its size) and a
 * PLACE (u32 block, u32 0, u64 offset) a block.  A file of RAM never changes once `state' names it: machines that have it mapped would see that.  So nobody may
 * write to it, and its time of change is the header's date.  A MEDIUM (text id, text absolute file name, i64 its time of change, u32 nanoseconds) a disk: what the
 * guest knows of the disk holds as long as nobody has written to it.
 */
#include "contract.h"
#include "memory.h"
#include "migrate.h"
#include <backplane/clock.h>
#include <backplane/iface/memory-backend.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096, ALIGN = 2 << 20, PIECE = 1 << 20 };

/* --- saving: RAM ------------------------------------------------------------------------------------------ */

static bool
failed (const char *path, const char *what, GError **error)
{
  int code = errno;
  return snapshot_refuse (error, "`%s` cannot be %s: %s", path, what, g_strerror (code));
}

static bool
write_at (int fd, const char *path, const uint8_t *data, uint64_t size, uint64_t offset, GError **error)
{
  while (size) {
    ssize_t n = pwrite (fd, data, size, (off_t) offset);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return failed (path, "written", error);
    data += n;
    offset += (uint64_t) n;
    size -= (uint64_t) n;
  }
  return true;
}

/* Pages of zeros stay holes. */
static bool
write_block (int fd, const char *path, const SnapshotBlock *b, uint64_t offset, GError **error)
{
  const uint8_t *host = b->region->host;
  bool good = true;
  SnapshotExtent known = { 0 };
  for (uint64_t at = 0, run = 0; good && at < b->size; at += run) {
    uint64_t size = MIN (b->size - at, (uint64_t) PAGE);
    if (snapshot_is_hole (b->region, at, &known) || snapshot_is_zero (host + at, size)) {
      run = size;
      continue;
    }
    for (run = size; at + run < b->size && run < PIECE && !snapshot_is_zero (host + at + run, MIN (b->size - at - run, (uint64_t) PAGE));)
      run += MIN (b->size - at - run, (uint64_t) PAGE);
    good = write_at (fd, path, host + at, run, offset + at, error);
  }
  return good;
}

static uint64_t
round_up (uint64_t size)
{
  return (size + ALIGN - 1) & ~(uint64_t) (ALIGN - 1);
}

/* So that a change shows: the file's date is the template's. */
static bool
seal (int fd, const SnapshotHeader *h)
{
  const struct timespec times[2] = { { h->date, h->date_ns }, { h->date, h->date_ns } };
  return fchmod (fd, 0400) == 0 && futimens (fd, times) == 0;
}

/* Not every file system keeps nanoseconds. */
static bool
is_of_date (const struct stat *file, int64_t date, uint32_t date_ns)
{
  return file->st_mtim.tv_sec == date && (file->st_mtim.tv_nsec == 0 || file->st_mtim.tv_nsec == date_ns);
}

static bool
write_ram (const char *path, const GArray *blocks, const SnapshotHeader *header, uint64_t *size, GError **error)
{
  int fd = open (path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);    /* it has all that the guest knows, passwords too */
  if (fd < 0)
    return failed (path, "made", error);
  bool good = true;
  *size = 0;
  for (guint i = 0; good && i < blocks->len; i++) {
    const SnapshotBlock *b = &g_array_index (blocks, SnapshotBlock, i);
    good = write_block (fd, path, b, *size, error);
    *size += round_up (b->size);
  }
  good = good && ((ftruncate (fd, (off_t) *size) == 0 && seal (fd, header) && fsync (fd) == 0) || failed (path, "written", error));
  close (fd);
  return good;
}

/* --- saving: the rest -------------------------------------------------------------------------------------- */

static void
write_places (MigrateWriter *w, const GArray *blocks)
{
  uint64_t offset = 0;
  for (guint i = 0; i < blocks->len; i++) {
    g_autoptr (GByteArray) place = g_byte_array_new ();
    snapshot_put (place, i, 4);
    snapshot_put (place, 0, 4);
    snapshot_put (place, offset, 8);
    migrate_write (w, SECTION_PLACE, place, NULL, 0);
    offset += round_up (g_array_index (blocks, SnapshotBlock, i).size);
  }
}

static void
write_media (MigrateWriter *w, const GArray *disks)
{
  for (guint i = 0; i < disks->len; i++) {
    const SnapshotDisk *d = &g_array_index (disks, SnapshotDisk, i);
    g_autofree char *path = g_canonicalize_filename (d->info.file, NULL);
    g_autoptr (GByteArray) medium = g_byte_array_new ();
    struct stat file;
    if (!d->info.inserted || stat (path, &file) != 0)
      continue;
    snapshot_put_text (medium, d->object->id);
    snapshot_put_text (medium, path);
    snapshot_put (medium, (uint64_t) file.st_mtim.tv_sec, 8);
    snapshot_put (medium, (uint64_t) file.st_mtim.tv_nsec, 4);
    migrate_write (w, SECTION_MEDIUM, medium, NULL, 0);
  }
}

static bool
write_state (BpMachine *m, const Standing *standing, const SnapshotHeader *header, const char *path, const char *ram, const GArray *blocks, uint64_t ram_size,
             GError **error)
{
  g_autofree char *address = g_strconcat ("file:", path, NULL);
  MigrateChannel *c = channel_new_open (address, true, error);
  if (!c)
    return false;
  MigrateWriter *w = migrate_writer_new (c);
  SnapshotSink sink = migrate_sink (w);
  g_autoptr (GByteArray) shape = shape_of (m), files = g_byte_array_new (), stopped = g_byte_array_new ();
  g_autoptr (GArray) disks = snapshot_disks (m);
  snapshot_put_text (files, ram);
  snapshot_put (files, ram_size, 8);
  snapshot_put (stopped, (uint64_t) header->vm_clock, 8);
  snapshot_put (stopped, standing->ran, 1);
  migrate_write_header (w, header);
  snapshot_write_changes (m, &sink);
  migrate_write (w, SECTION_SHAPE, NULL, shape->data, shape->len);
  snapshot_write_blocks (&sink, blocks);
  migrate_write (w, SECTION_TEMPLATE, files, NULL, 0);
  write_places (w, blocks);
  write_media (w, disks);
  migrate_write (w, SECTION_STOPPED, stopped, NULL, 0);
  snapshot_write_objects (m, &sink, disks, false);
  migrate_write (w, SECTION_END, NULL, NULL, 0);
  bool good = migrate_writer_flush (w, error) && channel_finish (c, error);
  migrate_writer_free (w);
  channel_free (c);
  return good;
}

/* What has been written to a disk is not in the template. */
static bool
disks_shareable (BpMachine *m, GError **error)
{
  g_autoptr (GArray) disks = snapshot_disks (m);
  for (guint i = 0; i < disks->len; i++) {
    const SnapshotDisk *d = &g_array_index (disks, SnapshotDisk, i);
    if (d->info.inserted && !d->info.read_only && (d->info.requests[1] || d->info.bytes[1]))
      return snapshot_refuse (error, "the guest has written to %s (`%s`), whose contents a template does not hold: give the disk read-only = on, and let the "
                              "guest keep in RAM what changes", d->object->id, d->info.file);
  }
  return true;
}

/* Files of RAM that were there before, of another template or of one that was never complete. */
static void
forget_others (const char *folder, const char *ram)
{
  GDir *dir = g_dir_open (folder, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name (dir));) {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    if (g_str_has_prefix (name, "ram-") && strcmp (name, ram) != 0)
      g_unlink (path);
  }
  if (dir)
    g_dir_close (dir);
}

static bool
save (BpMachine *m, const Standing *standing, const char *folder, GError **error)
{
  g_autofree char *ram = g_strdup_printf ("ram-%08x%08x", g_random_int (), g_random_int ());
  g_autofree char *ram_path = g_build_filename (folder, ram, NULL), *state_path = g_build_filename (folder, "state", NULL);
  g_autoptr (GArray) blocks = snapshot_blocks (m);
  uint64_t size = 0;
  bp_machine_lock (m);
  SnapshotHeader header = snapshot_header_now (m, "");
  bool good = write_ram (ram_path, blocks, &header, &size, error) && write_state (m, standing, &header, state_path, ram, blocks, size, error);
  bp_machine_unlock (m);
  snapshot_header_clear (&header);
  if (good)
    forget_others (folder, ram);
  else
    g_unlink (ram_path);
  return good;
}

/* And none above it: a name with a typing error in its middle makes nothing. */
static bool
make_folder (const char *folder, GError **error)
{
  int code = g_mkdir (folder, 0700) == 0 ? 0 : errno;
  g_autofree char *path = g_canonicalize_filename (folder, NULL), *parent = g_path_get_dirname (path);
  if (code == 0 || g_file_test (folder, G_FILE_TEST_IS_DIR))
    return true;
  if (code == EEXIST)
    return snapshot_refuse (error, "`%s` is no folder", folder);
  if (code == ENOENT && !g_file_test (parent, G_FILE_TEST_EXISTS))
    return snapshot_refuse (error, "`%s` cannot be made: there is no folder `%s`", folder, parent);
  return snapshot_refuse (error, "`%s` cannot be made: %s", folder, g_strerror (code));
}

bool
bp_machine_save_template (BpMachine *machine, const char *folder, GError **error)
{
  CONTRACT_MAIN_UNLOCKED (machine);
  if (migration_holds (machine))
    return snapshot_refuse (error, "the machine is on its way from one process to another");
  if (!make_folder (folder, error))
    return false;
  Standing standing = machine_stand (machine, BP_RUN_SAVING);
  bool good = machine_serve_first (machine, &standing, BP_RUN_SAVING, error) && disks_shareable (machine, error) && save (machine, &standing, folder, error);
  machine_go_on (machine, &standing);
  return good;
}

/* --- beginning with one ---------------------------------------------------------------------------------------- */

typedef struct Reader {
  BpMachine *m;
  const char *folder;
  MigrateReader *r;
  SnapshotHeader header;
  GArray *blocks;
  SnapshotObjects *changes;
  int fd;                       /* of the RAM; -1: not yet */
  uint64_t size;
  bool shaped, compared, ran;
  uint32_t n_placed;
} Reader;

static bool
damaged (GError **error, const char *what)
{
  return snapshot_refuse (error, "the template is damaged: %s", what);
}

static bool
open_ram (Reader *s, SnapshotBytes *b, GError **error)
{
  g_autofree char *name = snapshot_get_text (b);
  struct stat file;
  s->size = snapshot_get (b, 8);
  if (b->bad || b->at != b->end || s->fd >= 0 || !g_str_has_prefix (name, "ram-") || strchr (name, '/') || !s->shaped)
    return damaged (error, "it does not say where its RAM is");
  g_autofree char *path = g_build_filename (s->folder, name, NULL);
  s->fd = open (path, O_RDONLY | O_CLOEXEC);
  if (s->fd < 0)
    return failed (path, "opened", error);
  if (fstat (s->fd, &file) != 0 || !S_ISREG (file.st_mode) || (uint64_t) file.st_size != s->size)
    return damaged (error, "its RAM has another size than it says");
  if (!is_of_date (&file, s->header.date, s->header.date_ns))
    return snapshot_refuse (error, "`%s` was changed after it had been saved (a copy keeps its time of change with cp -p)", path);
  s->compared = true;
  return shape_check_blocks (s->m, s->blocks, s->header.machine, error);
}

/* Parts of the file that are no holes, and zeros between them. */
static bool
read_block (int fd, uint64_t offset, const SnapshotBlock *b, GError **error)
{
  g_autofree uint8_t *piece = g_malloc (PIECE);
  uint64_t end = offset + b->size;
  for (uint64_t at = offset, n; at < end; at += n) {
    off_t data = lseek (fd, (off_t) at, SEEK_DATA);
    if (data < 0 && errno != ENXIO)
      return failed ("its RAM", "read", error);
    uint64_t next = data < 0 ? end : MIN (MAX ((uint64_t) data, at), end);
    snapshot_put_bytes (b, at - offset, NULL, next - at);
    at = next;
    n = MIN (end - at, (uint64_t) PIECE - at % PAGE);
    ssize_t got = n ? pread (fd, piece, n, (off_t) at) : 0;
    if (got < 0 && errno != EINTR)
      return failed ("its RAM", "read", error);
    if (got == 0 && n)
      return damaged (error, "its RAM ends too early");
    n = (uint64_t) MAX (got, 0);
    snapshot_put_bytes (b, at - offset, piece, n);
  }
  return true;
}

static bool
place_block (Reader *s, SnapshotBytes *b, GError **error)
{
  uint32_t number = (uint32_t) snapshot_get (b, 4), zero = (uint32_t) snapshot_get (b, 4);
  uint64_t offset = snapshot_get (b, 8);
  const SnapshotBlock *block = number == s->n_placed && number < s->blocks->len ? &g_array_index (s->blocks, SnapshotBlock, number) : NULL;
  if (b->bad || b->at != b->end || zero || !block || !s->compared || offset % ALIGN || offset > s->size || block->size > s->size - offset)
    return damaged (error, "a piece of RAM belongs nowhere");
  s->n_placed++;
  const BpMemoryBackendIface *iface = bp_object_interface (block->region->owner, BP_MEMORY_BACKEND_ID);
  if (BP_TABLE_HAS (iface, map_private) && iface->map_private (block->region->owner, s->fd, offset))
    return true;
  return read_block (s->fd, offset, block, error);
}

/* A disk of the same name that was written to since is not what the guest has in its caches; what it would write from there would destroy it. */
static bool
check_medium (Reader *s, SnapshotBytes *b, GError **error)
{
  g_autofree char *id = snapshot_get_text (b), *path = snapshot_get_text (b);
  int64_t date = (int64_t) snapshot_get (b, 8);
  uint32_t date_ns = (uint32_t) snapshot_get (b, 4);
  g_autoptr (GArray) disks = snapshot_disks (s->m);
  struct stat file;
  if (b->bad || b->at != b->end)
    return damaged (error, "a disk is none");
  for (guint i = 0; i < disks->len; i++) {
    const SnapshotDisk *d = &g_array_index (disks, SnapshotDisk, i);
    g_autofree char *ours = g_canonicalize_filename (d->info.file, NULL);
    if (strcmp (d->object->id, id) != 0 || strcmp (ours, path) != 0 || stat (ours, &file) != 0 || is_of_date (&file, date, date_ns))
      continue;
    return snapshot_refuse (error, "%s (`%s`) was written to after the template had been saved, and the guest knows what was there before: give each machine an "
                            "image of its own over that one, or snapshot = on, and save the template again", id, path);
  }
  return true;
}

static bool
take_section (Reader *s, uint32_t kind, const uint8_t *payload, size_t size, GError **error)
{
  SnapshotBytes b = { payload, payload + size, false };
  switch (kind) {
  case SECTION_CHANGE: return (!s->shaped && snapshot_objects_read (s->changes, &b) && b.at == b.end) || damaged (error, "a change of the machine is none");
  case SECTION_SHAPE:
    if (s->shaped)
      return damaged (error, "its sections are not in order");
    s->shaped = true;
    if (!snapshot_objects_bring (s->changes, error))
      return false;
    return shape_check (s->m, payload, size, s->header.machine, error);
  case SECTION_BLOCK:
    return (s->shaped && !s->compared && snapshot_read_block (s->blocks, &b) && !b.bad) || damaged (error, "a piece of RAM is none");
  case SECTION_TEMPLATE: return open_ram (s, &b, error);
  case SECTION_PLACE: return place_block (s, &b, error);
  case SECTION_MEDIUM: return check_medium (s, &b, error);
  case SECTION_STOPPED:
    s->header.vm_clock = (int64_t) snapshot_get (&b, 8);
    s->ran = snapshot_get (&b, 1);
    return (!b.bad && s->compared && s->n_placed == s->blocks->len && s->header.vm_clock >= 0) || damaged (error, "it lacks RAM");
  default: return damaged (error, "a section of a kind that has no business here");
  }
}

static bool
take_all (Reader *s, GError **error)
{
  uint32_t kind = 0;
  const uint8_t *payload;
  size_t size;
  SnapshotPull pull = migrate_pull (s->r);
  if (!migrate_read_header (s->r, &s->header, error))
    return false;
  if (!(s->header.flags & SNAPSHOT_DETERMINISTIC) != !s->m->deterministic)
    return snapshot_refuse (error, "[clock] mode = instructions is not set alike there and here");
  while (kind != SECTION_STOPPED)
    if (!migrate_read (s->r, &kind, &payload, &size, error) || !take_section (s, kind, payload, size, error))
      return false;
  g_autoptr (GArray) disks = snapshot_disks (s->m);
  SnapshotPlan *plan = snapshot_plan_rest (s->m, &pull, disks, &s->header, error);
  bool good = plan && migrate_expect_end (s->r, error) && snapshot_plan_apply (plan, error);
  snapshot_plan_free (plan);
  return good;
}

bool
template_begin (BpMachine *m, const char *folder, bool *ran, GError **error)
{
  g_autofree char *address = g_strdup_printf ("file:%s/state", folder);
  Reader s = { .m = m, .folder = folder, .fd = -1 };
  MigrateChannel *c = channel_new_open (address, false, error);
  if (!c)
    return false;
  s.r = migrate_reader_new (c);
  s.blocks = snapshot_blocks_new ();
  s.changes = snapshot_objects_new (m);
  bool good = take_all (&s, error);
  *ran = s.ran;
  if (s.fd >= 0)
    close (s.fd);
  g_array_unref (s.blocks);
  snapshot_objects_free (s.changes);
  migrate_reader_free (s.r);
  channel_free (c);
  snapshot_header_clear (&s.header);
  if (!good)
    g_prefix_error (error, "template `%s`: ", folder);
  return good;
}
