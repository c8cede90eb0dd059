/* snapshot.c -- snapshots of a machine: saved, loaded, deleted, listed; in its disks, or in files. */
/* SPDX-License-Identifier: MIT */
#include "contract.h"
#include "migrate.h"
#include <backplane/iface/char.h>
#include <glib/gstdio.h>
#include <errno.h>
#include <string.h>

/* --- a machine that stands ------------------------------------------------------------------------ */

/* What is done for one disk may begin something on another. */
void
machine_drain_disks (BpMachine *m)
{
  g_autoptr (GArray) disks = snapshot_disks (m);
  for (guint round = 0; round <= disks->len; round++)
    for (guint i = 0; i < disks->len; i++) {
      const SnapshotDisk *d = &g_array_index (disks, SnapshotDisk, i);
      if (BP_TABLE_HAS (d->iface, drain))
        d->iface->drain (object_instance (d->object));
    }
}

static void
drain_chars (BpMachine *m)
{
  unsigned cursor = 0;
  for (void *o; (o = bp_machine_next (m, BP_CHAR_ID, &cursor));) {
    const BpCharIface *iface = bp_object_interface (o, BP_CHAR_ID);
    if (BP_TABLE_HAS (iface, drain))
      iface->drain (o);
  }
}

/* Nothing of the guest is under way any more. */
Standing
machine_stand (BpMachine *m, BpRunState how)
{
  Standing s = { bp_machine_run_state (m) == BP_RUN_RUNNING, bp_machine_run_state (m) };
  bp_machine_stop (m, how);
  vcpus_settle (m);
  machine_drain_disks (m);
  drain_chars (m);
  return s;
}

void
machine_go_on (BpMachine *m, const Standing *s)
{
  g_autoptr (GError) error = NULL;
  if (!s->ran)
    bp_machine_stop (m, s->state);
  else if (!bp_machine_continue (m, &error))
    bp_machine_request_shutdown (m, 1, error->message);
}

/* A reset or a stop that was asked for and not done yet is done first. */
bool
machine_serve_first (BpMachine *m, Standing *s, BpRunState how, GError **error)
{
  machine_serve (m);
  if (machine_is_ending (m))
    return snapshot_refuse (error, "the machine is about to end");
  if (bp_machine_run_state (m) != how) {
    s->ran = false;
    s->state = bp_machine_run_state (m);
    bp_machine_stop (m, how);
  }
  return true;
}

/* --- names ------------------------------------------------------------------------------------------ */

typedef struct Target {
  char *path;                   /* NULL: in a disk */
  char *part;                   /* what it is called in disks */
} Target;

static void
target_clear (Target *t)
{
  g_free (t->path);
  g_free (t->part);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Target, target_clear)

static bool
is_file_name (const char *name)
{
  return strchr (name, '/') || g_str_has_suffix (name, SNAPSHOT_SUFFIX);
}

/* Parts of files end in the suffix, so that they are never taken for a snapshot in disks. */
static char *
part_of_file (const char *path)
{
  g_autofree char *base = g_path_get_basename (path);
  return g_strconcat (base, g_str_has_suffix (base, SNAPSHOT_SUFFIX) ? "" : SNAPSHOT_SUFFIX, NULL);
}

/* The suffix comes by itself.  What has not got it and is there keeps its name: a folder or a device, which is refused, and for who reads (`there'), a file that is not
 * beside one with the suffix. */
static char *
path_of (const char *name, bool there)
{
  g_autofree char *path = g_strconcat (name, SNAPSHOT_SUFFIX, NULL);
  GStatBuf found;
  if (g_str_has_suffix (name, SNAPSHOT_SUFFIX))
    return g_strdup (name);
  if (g_stat (name, &found) == 0 && (!S_ISREG (found.st_mode) || (there && !g_file_test (path, G_FILE_TEST_EXISTS))))
    return g_strdup (name);
  return g_steal_pointer (&path);
}

/* there: it is to be read. */
static Target
target_of (const GArray *disks, const char *name, bool there)
{
  if (is_file_name (name))
    return (Target){ path_of (name, there), part_of_file (name) };
  if (snapshot_disks_first (disks))
    return (Target){ NULL, g_strdup (name) };
  return (Target){ g_strconcat (name, SNAPSHOT_SUFFIX, NULL), part_of_file (name) };
}

static bool
check_name (const char *name, GError **error)
{
  if (!*name || strlen (name) > 255 || !g_utf8_validate (name, -1, NULL))
    return snapshot_refuse (error, "a snapshot's name has 1 to 255 bytes of UTF-8");
  for (const char *c = name; *c; c++)
    if (g_ascii_iscntrl (*c))
      return snapshot_refuse (error, "a snapshot's name has no control characters");
  return !g_str_has_suffix (name, "/") || snapshot_refuse (error, "`%s` is a folder", name);
}

/* One that goes to another process, or comes from there, has its state and its disks half here and half there. */
static bool
is_here (BpMachine *m, GError **error)
{
  return !migration_holds (m) || snapshot_refuse (error, "the machine is on its way from one process to another");
}

/* --- save ------------------------------------------------------------------------------------------- */

static bool
write_stream (BpMachine *m, const SnapshotPlace *place, const SnapshotHeader *header, const GArray *disks, uint64_t *bytes, GError **error)
{
  g_autoptr (GArray) blocks = snapshot_blocks (m);
  bp_machine_lock (m);
  SnapshotWriter *w = snapshot_writer_new (place, header);
  SnapshotSink sink = snapshot_sink (w);
  snapshot_write_objects (m, &sink, disks, true);
  snapshot_write_memory (&sink, blocks);
  bool good = snapshot_writer_finish (w, bytes, error);
  bp_machine_unlock (m);
  return good;
}

static bool
save_in_file (BpMachine *m, const GArray *disks, const Target *t, const SnapshotHeader *header, GError **error)
{
  uint64_t bytes;
  SnapshotFile *f = snapshot_file_create (t->path, error);
  if (!f)
    return false;
  SnapshotPlace place = snapshot_in_file (f);
  bool made = write_stream (m, &place, header, disks, &bytes, error) && snapshot_file_sync (f, error) &&
              snapshot_disks_create (disks, NULL, 0, t->part, header, error);
  bool good = made && snapshot_file_commit (f, error);
  if (made && !good)
    snapshot_disks_forget (disks, t->part, header);
  snapshot_file_close (f);
  return good;
}

static bool
save_in_disk (BpMachine *m, const GArray *disks, const Target *t, const SnapshotHeader *header, GError **error)
{
  SnapshotInDisk in_disk = { .disk = snapshot_disks_first (disks) };
  void *self = object_instance (in_disk.disk->object);
  SnapshotPlace place = snapshot_in_disk (&in_disk);
  uint64_t bytes;
  bool good = in_disk.disk->iface->vm_state_clear (self, error) && write_stream (m, &place, header, disks, &bytes, error) &&
              snapshot_disks_create (disks, in_disk.disk, bytes, t->part, header, error);
  if (!good)                    /* the space is for what the guest writes */
    in_disk.disk->iface->vm_state_clear (self, NULL);
  return good;
}

/* Of a machine that stands. */
static bool
save_standing (BpMachine *m, const char *name, GError **error)
{
  g_autoptr (GArray) disks = snapshot_disks (m);
  if (!snapshot_disks_able (disks, error))
    return false;
  g_auto (Target) t = target_of (disks, name, false);
  SnapshotHeader header = snapshot_header_now (m, t.part);
  bool good = t.path ? save_in_file (m, disks, &t, &header, error) : save_in_disk (m, disks, &t, &header, error);
  if (good)
    snapshot_disks_forget_older (disks, t.part, &header);
  snapshot_header_clear (&header);
  return good;
}

static bool
disks_are_able (BpMachine *m, GError **error)
{
  g_autoptr (GArray) disks = snapshot_disks (m);
  return snapshot_disks_able (disks, error);
}

/* The disks are looked at again when the machine stands: what was asked for before may have removed one. */
bool
bp_machine_save_snapshot (BpMachine *machine, const char *name, GError **error)
{
  CONTRACT_MAIN_UNLOCKED (machine);
  if (!check_name (name, error) || !is_here (machine, error) || !disks_are_able (machine, error))
    return false;
  Standing standing = machine_stand (machine, BP_RUN_SAVING);
  bool good = machine_serve_first (machine, &standing, BP_RUN_SAVING, error) && save_standing (machine, name, error);
  machine_go_on (machine, &standing);
  return good;
}

/* --- load ------------------------------------------------------------------------------------------- */

typedef struct Source {
  SnapshotFile *file;           /* NULL: */
  SnapshotInDisk in_disk;
  SnapshotPlace place;
  char *part;
} Source;

static bool
rewind_source (Source *s, GError **error)
{
  s->in_disk.at = 0;
  return !s->file || snapshot_file_rewind (s->file, error);
}

/* The disks change only when all that can be checked has been, and RAM last. */
static bool
put (BpMachine *m, const GArray *disks, Source *s, SnapshotPlan *plan, const SnapshotHeader *header, bool *broken, GError **error)
{
  bool any = false;
  if (!snapshot_plan_apply (plan, error))
    return false;
  if (!snapshot_disks_apply (disks, plan, s->part, header, &any, error)) {
    *broken = any;
    if (!any)
      snapshot_plan_undo (plan);
    return false;
  }
  *broken = !rewind_source (s, error) || !snapshot_plan_fill (plan, error);
  if (!*broken)
    snapshot_plan_settle (plan);
  return !*broken;
}

/* no_part: what was wrong is that a disk lacks its part. */
static bool
load_from (BpMachine *m, const GArray *disks, Source *s, bool *no_part, bool *broken, GError **error)
{
  SnapshotHeader header = { 0 };
  SnapshotPlan *plan = snapshot_plan_new (m, &s->place, disks, &header, error);
  *no_part = plan && !snapshot_disks_find (disks, plan, s->part, &header, error);
  bool good = plan && !*no_part && put (m, disks, s, plan, &header, broken, error);
  snapshot_plan_free (plan);
  snapshot_header_clear (&header);
  return good;
}

/* What is wrong with the host's file has its name already. */
static void
name_file (const Target *t, GError **error)
{
  g_autofree char *quoted = g_strdup_printf ("`%s`", t->path);
  if (error && *error && !g_str_has_prefix ((*error)->message, quoted))
    g_prefix_error (error, "%s: ", quoted);
}

static bool
load_file (BpMachine *m, const GArray *disks, const Target *t, bool *broken, GError **error)
{
  Source s = { .file = snapshot_file_open (t->path, error), .part = t->part };
  bool no_part;
  if (!s.file)
    return false;
  s.place = snapshot_in_file (s.file);
  bool good = load_from (m, disks, &s, &no_part, broken, error);
  snapshot_file_close (s.file);
  if (!good)
    name_file (t, error);
  return good;
}

static bool
has_name (const GArray *disks, const char *name)
{
  for (guint i = 0; i < disks->len; i++) {
    const SnapshotDisk *d = &g_array_index (disks, SnapshotDisk, i);
    g_autoptr (GArray) all = d->able >= BP_BLOCK_SNAPSHOTS_TEMPORARY ? snapshot_entries (d, NULL) : NULL;
    for (guint j = 0; all && j < all->len; j++)
      if (strcmp (g_array_index (all, SnapshotEntry, j).name, name) == 0)
        return true;
  }
  return false;
}

/* A name that is another's id means the name. */
static bool
is_called (const SnapshotEntry *e, const char *name, bool by_name)
{
  return strcmp (by_name ? e->name : e->id, name) == 0;
}

/* Which there are, for who asked for one that there is not. */
static bool
none_found (const GArray *disks, const char *name, bool contents_only, GError **error)
{
  g_autoptr (GString) there = g_string_new (NULL);
  for (guint i = 0; i < disks->len; i++) {
    const SnapshotDisk *d = &g_array_index (disks, SnapshotDisk, i);
    g_autoptr (GArray) all = d->able >= BP_BLOCK_SNAPSHOTS_TEMPORARY ? snapshot_entries (d, NULL) : NULL;
    for (guint j = 0; all && j < all->len; j++) {
      const SnapshotEntry *e = &g_array_index (all, SnapshotEntry, j);
      if (e->vm_state_size)
        g_string_append_printf (there, "%s`%s`", there->len ? ", " : "", e->name);
    }
  }
  if (contents_only)
    return snapshot_refuse (error, "snapshot `%s` has a disk's contents alone and no machine's state (`backplane img snapshot -a` goes back to it)", name);
  return snapshot_refuse (error, "no disk of this machine has a snapshot `%s` (%s%s)", name, there->len ? "there are: " : "there are none",
                          there->str);
}

/* One that was saved twice at the time of a crash is there twice, and the newer perhaps not in all disks. */
static bool
load_disk (BpMachine *m, const GArray *disks, const char *name, bool *broken, GError **error)
{
  bool contents_only = false, no_part = false, by_name = has_name (disks, name);
  for (guint i = 0; i < disks->len; i++) {
    const SnapshotDisk *d = &g_array_index (disks, SnapshotDisk, i);
    if (d->able < BP_BLOCK_SNAPSHOTS_TEMPORARY)
      continue;
    g_autoptr (GArray) all = snapshot_entries (d, error);
    if (!all)
      return false;
    for (guint j = all->len; j-- > 0;) {
      const SnapshotEntry *e = &g_array_index (all, SnapshotEntry, j);
      if (!is_called (e, name, by_name))
        continue;
      if (!e->vm_state_size) {
        contents_only = true;
        continue;
      }
      Source s = { .in_disk = { d, e->id, 0, e->vm_state_size }, .part = e->name };
      s.place = snapshot_in_disk (&s.in_disk);
      if (no_part)
        g_clear_error (error);
      if (load_from (m, disks, &s, &no_part, broken, error))
        return true;
      if (!no_part) {
        g_prefix_error (error, "%s, snapshot `%s` (ID %s): ", d->object->id, e->name, e->id);
        return false;
      }
    }
  }
  return no_part ? false : none_found (disks, name, contents_only, error);
}

bool
bp_machine_load_snapshot (BpMachine *machine, const char *name, GError **error)
{
  CONTRACT_MAIN_UNLOCKED (machine);
  g_autoptr (GError) wrong = NULL;
  if (!check_name (name, error) || !is_here (machine, error) || !migration_may_change (machine, error))
    return false;
  Standing standing = machine_stand (machine, BP_RUN_LOADING);
  g_autoptr (GArray) disks = snapshot_disks (machine);
  g_auto (Target) t = target_of (disks, name, true);
  bool broken = false;
  bool good = !machine_is_ending (machine) || snapshot_refuse (&wrong, "the machine is about to end");
  if (good)
    good = t.path ? load_file (machine, disks, &t, &broken, &wrong) : load_disk (machine, disks, name, &broken, &wrong);
  if (good)
    machine_forget_requests (machine);  /* they were those of another time */
  if (good || broken)
    full_machine (machine)->half_loaded = broken;
  if (broken) {
    g_prefix_error (&wrong, "the machine is neither what it was nor what it should be, and stays stopped until it is reset or a snapshot is loaded: ");
    standing = (Standing){ false, BP_RUN_IO_ERROR };
  }
  if (good && standing.state == BP_RUN_SHUTDOWN)
    standing.state = BP_RUN_PAUSED;
  machine_go_on (machine, &standing);
  if (wrong)
    g_propagate_error (error, g_steal_pointer (&wrong));
  return good;
}

/* --- delete ----------------------------------------------------------------------------------------- */

/* Its header says which parts are of it. */
static bool
delete_file (const GArray *disks, const Target *t, GError **error)
{
  SnapshotHeader header = { 0 };
  SnapshotFile *f = snapshot_file_open (t->path, error);
  if (!f)
    return false;
  SnapshotPlace place = snapshot_in_file (f);
  SnapshotReader *r = snapshot_reader_new (&place, &header, error);
  bool good = r;
  snapshot_reader_free (r);
  snapshot_file_close (f);
  if (good && g_unlink (t->path)) {
    int code = errno;
    good = snapshot_refuse (error, "cannot be deleted: %s", g_strerror (code));
  }
  if (good)
    snapshot_disks_forget (disks, t->part, &header);
  else
    name_file (t, error);
  snapshot_header_clear (&header);
  return good;
}

/* Whose id that is; NULL: nobody's. */
static char *
name_of_id (const GArray *disks, const char *id)
{
  char *name = NULL;
  for (guint i = 0; i < disks->len && !name; i++) {
    const SnapshotDisk *d = &g_array_index (disks, SnapshotDisk, i);
    g_autoptr (GArray) all = d->able >= BP_BLOCK_SNAPSHOTS_TEMPORARY ? snapshot_entries (d, NULL) : NULL;
    for (guint j = 0; all && j < all->len && !name; j++)
      if (is_called (&g_array_index (all, SnapshotEntry, j), id, false))
        name = g_strdup (g_array_index (all, SnapshotEntry, j).name);
  }
  return name;
}

/* By its name alone: who deletes `1' twice does not mean another the second time. */
static bool
delete_in_disks (const GArray *disks, const char *name, GError **error)
{
  unsigned n = 0;
  if (has_name (disks, name))
    return snapshot_disks_delete (disks, name, &n, error);
  g_autofree char *other = name_of_id (disks, name);
  if (other)
    return snapshot_refuse (error, "no disk of this machine has a snapshot called `%s`; that is the ID of `%s`, which is deleted by its name", name, other);
  return none_found (disks, name, false, error);
}

bool
bp_machine_delete_snapshot (BpMachine *machine, const char *name, GError **error)
{
  CONTRACT_MAIN_UNLOCKED (machine);
  if (!check_name (name, error) || !is_here (machine, error))
    return false;
  Standing standing = machine_stand (machine, BP_RUN_SAVING);
  g_autoptr (GArray) disks = snapshot_disks (machine);
  g_auto (Target) t = target_of (disks, name, true);
  bool good = t.path ? delete_file (disks, &t, error) : delete_in_disks (disks, name, error);
  machine_go_on (machine, &standing);
  return good;
}

/* --- list ------------------------------------------------------------------------------------------- */

typedef struct Found {
  void (*f) (void *user, const BpSnapshotInfo *info);
  void *user;
} Found;

static int
compare_dates (gconstpointer a, gconstpointer b)
{
  const SnapshotEntry *x = *(const SnapshotEntry *const *) a, *y = *(const SnapshotEntry *const *) b;
  if (x->date != y->date)
    return x->date < y->date ? -1 : 1;
  return x->date_ns < y->date_ns ? -1 : x->date_ns > y->date_ns;
}

static void
tell_entry (const Found *found, const SnapshotEntry *e, bool complete)
{
  BpSnapshotInfo info = { .struct_size = sizeof info, .id = e->id, .name = e->name, .where = e->disk->object->id, .format = e->disk->info.format,
                          .vm_state_size = e->vm_state_size, .disk_size = e->disk_size, .date = e->date, .date_ns = e->date_ns,
                          .vm_clock = (int64_t) e->vm_clock, .complete = complete };
  found->f (found->user, &info);
}

/* The parts of one snapshot are told once, as the one that has the machine's state. */
static void
list_entries (const GPtrArray *of_disks, const Found *found)
{
  g_autoptr (GPtrArray) tell = g_ptr_array_new ();
  g_autoptr (GHashTable) parts = g_hash_table_new (NULL, NULL);         /* those that are told with another: how many disks have it */
  for (guint i = 0; i < of_disks->len; i++) {
    const GArray *all = of_disks->pdata[i];
    for (guint j = 0; j < all->len; j++) {
      SnapshotEntry *e = &g_array_index (all, SnapshotEntry, j), *told = NULL;
      guint k = 0;
      for (; k < tell->len && !told; k++) {
        SnapshotEntry *other = tell->pdata[k];
        if (other->disk != e->disk && strcmp (other->name, e->name) == 0 && compare_dates (&other, &e) == 0 && other->vm_clock == e->vm_clock)
          told = other;
      }
      guint n = told ? GPOINTER_TO_UINT (g_hash_table_lookup (parts, told)) + 1 : 1;
      if (told && !told->vm_state_size && e->vm_state_size)
        tell->pdata[k - 1] = told = e;
      if (!told)
        g_ptr_array_add (tell, told = e);
      g_hash_table_insert (parts, told, GUINT_TO_POINTER (n));
    }
  }
  g_ptr_array_sort (tell, compare_dates);
  for (guint i = 0; i < tell->len; i++)
    tell_entry (found, tell->pdata[i], GPOINTER_TO_UINT (g_hash_table_lookup (parts, tell->pdata[i])) == of_disks->len);
}

static bool
has_parts (const GPtrArray *of_disks, const char *path, const SnapshotHeader *h)
{
  g_autofree char *part = part_of_file (path);
  for (guint i = 0; i < of_disks->len; i++)
    if (!snapshot_entry_match (of_disks->pdata[i], part, h->date, h->date_ns, (uint64_t) h->vm_clock))
      return false;
  return true;
}

static void
list_file (const char *path, const char *machine, const GPtrArray *of_disks, const Found *found)
{
  SnapshotFile *f = snapshot_file_open (path, NULL);
  SnapshotHeader h = { 0 };
  GStatBuf there;
  if (!f)
    return;
  SnapshotPlace place = snapshot_in_file (f);
  SnapshotReader *r = snapshot_reader_new (&place, &h, NULL);
  if (r && strcmp (h.machine, machine) == 0 && g_stat (path, &there) == 0) {
    BpSnapshotInfo info = { .struct_size = sizeof info, .id = "", .name = path, .where = path, .format = "file", .date = h.date,
                            .vm_state_size = (uint64_t) there.st_size, .date_ns = h.date_ns, .vm_clock = h.vm_clock,
                            .complete = has_parts (of_disks, path, &h) };
    found->f (found->user, &info);
  }
  snapshot_reader_free (r);
  snapshot_header_clear (&h);
  snapshot_file_close (f);
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static void
list_files (BpMachine *m, const GPtrArray *of_disks, const Found *found)
{
  SnapshotHeader ours = snapshot_header_now (m, "");
  GDir *dir = g_dir_open (".", 0, NULL);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  for (const char *name; dir && (name = g_dir_read_name (dir));)
    if (g_str_has_suffix (name, SNAPSHOT_SUFFIX))
      g_ptr_array_add (names, g_strdup (name));
  if (dir)
    g_dir_close (dir);
  g_ptr_array_sort (names, compare_names);
  for (guint i = 0; i < names->len; i++)
    list_file (names->pdata[i], ours.machine, of_disks, found);
  snapshot_header_clear (&ours);
}

bool
bp_machine_list_snapshots (BpMachine *machine, void (*found) (void *user, const BpSnapshotInfo *info), void *user, GError **error)
{
  CONTRACT_MAIN_UNLOCKED (machine);
  g_autoptr (GArray) disks = snapshot_disks (machine);
  g_autoptr (GPtrArray) of_disks = g_ptr_array_new_with_free_func ((GDestroyNotify) g_array_unref);
  Found f = { found, user };
  for (guint i = 0; i < disks->len; i++) {
    const SnapshotDisk *d = &g_array_index (disks, SnapshotDisk, i);
    GArray *all = d->able >= BP_BLOCK_SNAPSHOTS_TEMPORARY ? snapshot_entries (d, error) : NULL;
    if (d->able >= BP_BLOCK_SNAPSHOTS_TEMPORARY && !all)
      return false;
    if (all)
      g_ptr_array_add (of_disks, all);
  }
  list_entries (of_disks, &f);
  list_files (machine, of_disks, &f);
  return true;
}
