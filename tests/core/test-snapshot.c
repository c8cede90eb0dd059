/* test-snapshot.c -- whole machines saved and loaded: in which order, what is refused, and that what is refused changes nothing; in files and in disks. */
/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "snapshot.h"
#include "toy.h"
#include "../scratch.h"
#include "../suite.h"
#include "../types.h"
#include <backplane/clock.h>
#include <check.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- a chip with all that is saved -------------------------------------------------------------- */

typedef struct Chip {
  uint32_t value;
  uint32_t rises;               /* of its input; not saved */
  uint32_t derived;             /* from its own and the other chip's value, and its input */
  uint64_t size;
  BpTimer *timer;
  BpPin *line;
  BpRegion *ram;
  uint8_t *host;
} Chip;

static const char *unlucky;     /* its next post_load fails */

static void
set_sense (void *self, unsigned index, int level)
{
  ((Chip *) self)->rises++;
}

static void
fired (void *user)
{
}

static bool
chip_configure (void *self, GError **error)
{
  Chip *c = self;
  c->host = g_aligned_alloc0 (1, c->size, 4096);
  c->ram = bp_region_new_ram (self, "bytes", c->host, c->size);
  bp_region_publish (self, c->ram, "its memory");
  return true;
}

static bool
chip_realize (void *self, GError **error)
{
  Chip *c = self;
  c->timer = bp_timer_new (self, BP_CLOCK_VIRTUAL, fired, c);
  return true;
}

static void
chip_unrealize (void *self)
{
  Chip *c = self;
  g_clear_pointer (&c->timer, bp_timer_free);
  g_clear_pointer (&c->host, g_aligned_free);
}

static void
chip_reset (void *self, BpResetKind kind)
{
  Chip *c = self;
  c->value = c->derived = 0;
  bp_timer_cancel (c->timer);
  bp_pin_set (c->line, 0);
}

static Chip *
chip (BpMachine *m, const char *id)
{
  return bp_machine_find (m, id);
}

static uint32_t
derive (const Chip *c)
{
  BpMachine *m = bp_object_machine (c);
  const Chip *other = chip (m, g_str_equal (bp_object_id (c), "a") ? "b" : "a");
  int sense = bp_pin_level (object_pin (object_of (c), "sense")->pin);
  return c->value * 1000 + (other ? other->value : 0) * 10 + (unsigned) sense;
}

static bool
chip_post_load (void *self, GError **error)
{
  Chip *c = self;
  if (g_strcmp0 (unlucky, bp_object_id (self)) == 0) {
    unlucky = NULL;
    return snapshot_refuse (error, "no luck");
  }
  c->derived = derive (c);
  return true;
}

static const BpStateField chip_state[] = { BP_STATE_FIELD_U32 (Chip, value), BP_STATE_FIELD_TIMER (Chip, timer), BP_STATE_END };
static const BpPinDesc chip_pins[] = { BP_PIN_DESC_OUT ("line", Chip, line, 0, "out"), BP_PIN_DESC_IN ("sense", 1, set_sense, 0, "in"), BP_PIN_DESC_END };
static const BpProperty chip_properties[] = {
  { .name = "size", .kind = BP_PROPERTY_SIZE, .offset = offsetof (Chip, size), .default_int = 16384, .min = 4096, .max = 1 << 20, .help = "Of its memory." },
  BP_PROP_END
};
#define CHIP \
  .description = "a chip", .properties = chip_properties, .pins = chip_pins, .state = chip_state, .state_version = 1, .state_minimum = 1, \
  .configure = chip_configure, .realize = chip_realize, .unrealize = chip_unrealize, .reset = chip_reset, .post_load = chip_post_load
static const BpTypeDesc chip_type = { BP_TYPE ("snap-chip", BP_KIND_DEVICE, Chip), CHIP };
static const BpTypeDesc other_type = { BP_TYPE ("snap-other", BP_KIND_DEVICE, Chip), CHIP };

/* --- a disk --------------------------------------------------------------------------------------- */

typedef struct Kept {
  char id[8], name[64];
  BpBlockSnapshot s;
  GByteArray *state;
  uint32_t contents;
} Kept;

typedef struct Disk {
  int able;
  bool fails;                   /* CREATE */
  uint32_t contents;
  unsigned last_id, drains;
  GArray *kept;                 /* of Kept */
  GByteArray *state;
} Disk;

static unsigned reads_left;      /* until one fails; 0: none does */
static const char *in_the_way;   /* a folder that is made while disks take their parts */
static Disk *disk (BpMachine *m, const char *id) { return bp_machine_find (m, id); }

static bool
disk_configure (void *self, GError **error)
{
  Disk *d = self;
  d->kept = g_array_new (FALSE, TRUE, sizeof (Kept));
  d->state = g_byte_array_new ();
  return true;
}

static void
disk_unrealize (void *self)
{
  Disk *d = self;
  for (guint i = 0; i < d->kept->len; i++)
    g_byte_array_unref (g_array_index (d->kept, Kept, i).state);
  g_array_unref (d->kept);
  g_byte_array_unref (d->state);
}

static void
disk_info (void *self, BpBlockInfo *info)
{
  const Disk *d = self;
  info->inserted = true;
  info->read_only = d->able == BP_BLOCK_SNAPSHOTS_NOT_NEEDED;
  info->size = 1024;
  g_strlcpy (info->file, bp_object_id (self), sizeof info->file);
  g_strlcpy (info->format, "toy", sizeof info->format);
}

static void disk_drain (void *self) { ((Disk *) self)->drains++; }
static BpBlockSnapshots disk_snapshots (void *self) { return (BpBlockSnapshots) ((Disk *) self)->able; }

static bool
disk_list (void *self, void (*found) (void *user, const BpBlockSnapshot *snapshot), void *user, GError **error)
{
  Disk *d = self;
  for (guint i = 0; i < d->kept->len; i++) {
    Kept *k = &g_array_index (d->kept, Kept, i);
    BpBlockSnapshot s = k->s;
    s.id = k->id;
    s.name = k->name;
    found (user, &s);
  }
  return true;
}

static Kept *
find_kept (Disk *d, const char *id, guint *at)
{
  for (*at = 0; *at < d->kept->len; ++*at)
    if (g_str_equal (g_array_index (d->kept, Kept, *at).id, id))
      return &g_array_index (d->kept, Kept, *at);
  ck_abort_msg ("no snapshot %s", id);
  return NULL;
}

static bool
disk_do (void *self, BpBlockSnapshotOp op, const BpBlockSnapshot *s, GError **error)
{
  Disk *d = self;
  guint at;
  if (op == BP_BLOCK_SNAPSHOT_CREATE) {
    if (d->fails)
      return snapshot_refuse (error, "it fails");
    if (in_the_way)
      ck_assert_int_eq (g_mkdir (in_the_way, 0777), 0);
    Kept k = { .s = *s, .state = d->state, .contents = d->contents };
    g_snprintf (k.id, sizeof k.id, "%u", ++d->last_id);
    g_strlcpy (k.name, s->name, sizeof k.name);
    k.s.disk_size = 1024;
    d->state = g_byte_array_new ();
    g_array_append_val (d->kept, k);
    return true;
  }
  Kept *k = find_kept (d, s->id, &at);
  if (op == BP_BLOCK_SNAPSHOT_APPLY) {
    d->contents = k->contents;
    return true;
  }
  g_byte_array_unref (k->state);
  g_array_remove_index (d->kept, at);
  return true;
}

static bool
disk_clear (void *self, GError **error)
{
  g_byte_array_set_size (((Disk *) self)->state, 0);
  return true;
}

static bool
disk_write (void *self, uint64_t position, const void *data, size_t size, GError **error)
{
  Disk *d = self;
  ck_assert_uint_eq (position, d->state->len);
  g_byte_array_append (d->state, data, (guint) size);
  return true;
}

static bool
disk_read (void *self, const char *id, uint64_t position, void *data, size_t size, GError **error)
{
  guint at;
  const Kept *k = find_kept (self, id, &at);
  if (reads_left && !--reads_left)
    return snapshot_refuse (error, "the host's disk fails");
  ck_assert_uint_le (position + size, k->state->len);
  memcpy (data, k->state->data + position, size);
  return true;
}

static const BpBlockIface disk_iface = { .struct_size = sizeof disk_iface, .info = disk_info, .drain = disk_drain, .snapshots = disk_snapshots,
                                         .snapshot_list = disk_list, .snapshot_do = disk_do, .vm_state_clear = disk_clear, .vm_state_write = disk_write,
                                         .vm_state_read = disk_read };
static const BpInterfaceDesc disk_interfaces[] = { { BP_BLOCK_ID, &disk_iface }, { NULL, NULL } };
static const char *const able_names[] = { "not-needed", "none", "temporary", "kept", NULL };
static const BpProperty disk_properties[] = { BP_PROP_ENUM ("able", Disk, able, BP_BLOCK_SNAPSHOTS_KEPT, able_names, "What it can."), BP_PROP_END };
static BpRemoval disk_removal (void *self, GError **error) { return BP_REMOVAL_ASKED; }
static const BpTypeDesc disk_type = { BP_TYPE ("snap-disk", BP_KIND_BACKEND, Disk), .description = "a disk", .properties = disk_properties,
                                      .interfaces = disk_interfaces, .configure = disk_configure, .unrealize = disk_unrealize,
                                      .flags = BP_TYPE_HOT_PLUG, .removal = disk_removal };

/* One that has nothing of its own: another backend keeps what is written to it. */
static void
filter_info (void *self, BpBlockInfo *info)
{
  info->inserted = true;
  info->size = 1024;
}

static BpBlockSnapshots filter_snapshots (void *self) { return BP_BLOCK_SNAPSHOTS_NOT_NEEDED; }

static const BpBlockIface filter_iface = { .struct_size = sizeof filter_iface, .info = filter_info, .snapshots = filter_snapshots };
static const BpInterfaceDesc filter_interfaces[] = { { BP_BLOCK_ID, &filter_iface }, { NULL, NULL } };
static const BpTypeDesc filter_type = { BP_TYPE ("snap-filter", BP_KIND_BACKEND, Disk), .description = "a filter", .interfaces = filter_interfaces };

/* --- machines --------------------------------------------------------------------------------------- */

#define CHIPS "[device a]\ntype = snap-chip\nline = b.sense\n[device b]\ntype = snap-chip\nline = a.sense\n"
#define DISKS "[backend cd]\ntype = snap-disk\nable = not-needed\n[backend hd0]\ntype = snap-disk\n[backend hd1]\ntype = snap-disk\n"

static BpMachine *machine;

static BpMachine *
build (const char *text)
{
  static const BpTypeDesc *const types[] = { &chip_type, &other_type, &disk_type, &filter_type, NULL };
  g_autofree char *errors = NULL;
  toy_forget ();
  unlucky = NULL;
  types_register (types);
  BpMachine *m = toy_build (text, NULL, &errors);
  ck_assert_msg (m != NULL, "%s", errors);
  ck_assert (machine_realize (m, NULL));
  machine_reset (m, BP_RESET_COLD);
  return m;
}

static void
set (uint32_t a, uint32_t b, int level, uint8_t byte)
{
  chip (machine, "a")->value = a;
  chip (machine, "b")->value = b;
  bp_machine_lock (machine);
  bp_pin_set (chip (machine, "a")->line, level);
  bp_timer_arm (chip (machine, "b")->timer, 1000 + a);
  bp_machine_unlock (machine);
  memset (chip (machine, "b")->host + 8192, byte, 4096);
}

static void
check_is (uint32_t a, uint32_t b, int level, uint8_t byte)
{
  ck_assert_uint_eq (chip (machine, "a")->value, a);
  ck_assert_uint_eq (chip (machine, "b")->value, b);
  ck_assert_int_eq (bp_pin_level (chip (machine, "a")->line), level);
  ck_assert_int_eq (bp_pin_level (object_pin (object_of (chip (machine, "b")), "sense")->pin), level);
  ck_assert (bp_timer_is_armed (chip (machine, "b")->timer));
  ck_assert_int_eq (bp_timer_expiry (chip (machine, "b")->timer), 1000 + a);
  ck_assert_uint_eq (chip (machine, "b")->host[8192], byte);
  ck_assert_uint_eq (chip (machine, "b")->host[12287], byte);
  ck_assert_uint_eq (chip (machine, "b")->host[12288], 0);
}

static void
save (const char *name)
{
  GError *error = NULL;
  ck_assert_msg (bp_machine_save_snapshot (machine, name, &error), "%s", error->message);
}

static void
load (const char *name)
{
  GError *error = NULL;
  ck_assert_msg (bp_machine_load_snapshot (machine, name, &error), "%s", error->message);
}

static void
refuses (bool (*f) (BpMachine *m, const char *name, GError **error), const char *name, const char *because)
{
  GError *error = NULL;
  ck_assert (!f (machine, name, &error));
  ck_assert_msg (strstr (error->message, because) != NULL, "%s", error->message);
  g_error_free (error);
}

static void
teardown (void)
{
  toy_free (machine);
  machine = NULL;
  scratch_leave ();
}

/* --- files --------------------------------------------------------------------------------------------- */

START_TEST (there_and_back)
{
  machine = build (CHIPS);
  set (7, 9, 1, 0x55);
  save ("x");
  ck_assert (g_file_test ("x.bps", G_FILE_TEST_IS_REGULAR));
  set (1, 2, 0, 0xaa);
  memset (chip (machine, "b")->host + 12288, 1, 4096);
  uint32_t rises = chip (machine, "b")->rises;
  load ("x");
  check_is (7, 9, 1, 0x55);
  /* Pins came back without a word, and both post_loads found both values and pins. */
  ck_assert_uint_eq (chip (machine, "b")->rises, rises);
  ck_assert_uint_eq (chip (machine, "a")->derived, 7090);
  ck_assert_uint_eq (chip (machine, "b")->derived, 9071);
  load ("./x.bps");
  check_is (7, 9, 1, 0x55);
}
END_TEST

START_TEST (post_load_fails)
{
  machine = build (CHIPS);
  set (7, 9, 1, 0x55);
  save ("x");
  set (1, 2, 0, 0xaa);
  unlucky = "b";
  refuses (bp_machine_load_snapshot, "x", "b (type `snap-chip`): no luck");
  check_is (1, 2, 0, 0xaa);
  load ("x");
  check_is (7, 9, 1, 0x55);
}
END_TEST

START_TEST (another_machine)
{
  machine = build (CHIPS "[device c]\ntype = snap-chip\n");
  save ("x");
  toy_free (machine);
  machine = build ("[device a]\ntype = snap-other\nline = b.sense\n[device b]\ntype = snap-chip\nsize = 8k\n[device d]\ntype = snap-chip\n");
  chip (machine, "b")->value = 5;
  refuses (bp_machine_load_snapshot, "x", "a is of type `snap-chip` in the snapshot and of type `snap-other` in this machine");
  refuses (bp_machine_load_snapshot, "x", "c (type `snap-chip`) is in the snapshot and not in this machine");
  refuses (bp_machine_load_snapshot, "x", "d (type `snap-chip`) is in this machine and not in the snapshot");
  refuses (bp_machine_load_snapshot, "x", "RAM `bytes` of b has 16384 bytes in the snapshot and 8192 in this machine");
  refuses (bp_machine_load_snapshot, "x", "RAM `bytes` of c is in the snapshot");
  refuses (bp_machine_load_snapshot, "x", "`x.bps`: the snapshot (of `");
  ck_assert_uint_eq (chip (machine, "b")->value, 5);
}
END_TEST

START_TEST (damaged_files)
{
  machine = build (CHIPS);
  set (7, 9, 1, 0x55);
  save ("x");
  char *bytes;
  gsize size;
  ck_assert (g_file_get_contents ("x.bps", &bytes, &size, NULL));
  unsigned harmless = 0;
  set (1, 2, 0, 0xaa);
  for (gsize n = 0; n < size; n += 7) {
    ck_assert (g_file_set_contents ("y.bps", bytes, (gssize) n, NULL));
    refuses (bp_machine_load_snapshot, "y", "cut short");
    bytes[n] ^= 0x10;
    ck_assert (g_file_set_contents ("y.bps", bytes, (gssize) size, NULL));
    if (bp_machine_load_snapshot (machine, "y", NULL)) {        /* a bit that nothing depends on: see test-snapshot-stream.c */
      check_is (7, 9, 1, 0x55);
      set (1, 2, 0, 0xaa);
      harmless++;
    }
    bytes[n] ^= 0x10;
  }
  check_is (1, 2, 0, 0xaa);
  ck_assert_uint_le (harmless, 1);
  g_free (bytes);
}
END_TEST

static void count (void *user) { ++*(unsigned *) user; }

/* Turns go on from the saved machine's last one, and a timer that is no part of the state has had a later one. */
START_TEST (other_timers_go_on)
{
  unsigned n = 0;
  machine = build (CHIPS);
  set (1, 2, 0, 0x55);
  save ("x");
  BpTimer *t = bp_timer_new (chip (machine, "a"), BP_CLOCK_REALTIME, count, &n);
  int64_t now = bp_clock_now (machine, BP_CLOCK_REALTIME), due = now + 100000000;
  for (unsigned i = 0; i < 100; i++)
    bp_timer_arm (t, due);
  load ("x");
  for (unsigned i = 0; i < 50 && !n; i++) {
    g_main_context_iteration (NULL, FALSE);
    g_usleep (20000);
  }
  ck_assert_uint_eq (n, 1);
  bp_timer_free (t);
}
END_TEST

START_TEST (names)
{
  machine = build (CHIPS);
  refuses (bp_machine_save_snapshot, "", "1 to 255");
  refuses (bp_machine_save_snapshot, "a\nb", "control characters");
  refuses (bp_machine_save_snapshot, "\xff", "UTF-8");
  refuses (bp_machine_save_snapshot, "here/", "folder");
  refuses (bp_machine_save_snapshot, "no/such/folder", "cannot be made");
  refuses (bp_machine_load_snapshot, "nothing", "cannot be opened");
  refuses (bp_machine_load_snapshot, "/", "folder");
  refuses (bp_machine_load_snapshot, "/tmp", "no file");
  refuses (bp_machine_save_snapshot, "/dev/null", "no file");
  refuses (bp_machine_delete_snapshot, "nothing", "cannot be opened");
  refuses (bp_machine_load_snapshot, "./nothing", "`./nothing.bps` cannot be opened");
  ck_assert (!g_file_test ("/dev/null.bps", G_FILE_TEST_EXISTS));
}
END_TEST

/* A path is called what a name is; and what was saved without the suffix can be loaded. */
START_TEST (paths_get_the_suffix)
{
  g_autofree char *here = g_get_current_dir (), *path = g_build_filename (here, "x", NULL);
  machine = build (CHIPS);
  set (7, 9, 1, 0x55);
  save ("./x");
  ck_assert_int_eq (g_rename ("x.bps", "x"), 0);
  set (1, 2, 0, 0xaa);
  save (path);                  /* the older one stays */
  load (path);
  check_is (1, 2, 0, 0xaa);
  ck_assert (bp_machine_delete_snapshot (machine, "./x", NULL));
  load ("./x");
  check_is (7, 9, 1, 0x55);
  ck_assert (bp_machine_delete_snapshot (machine, "./x", NULL));
  refuses (bp_machine_load_snapshot, "./x", "`./x.bps` cannot be opened");
}
END_TEST

START_TEST (a_reset_that_waits_is_done_first)
{
  machine = build (CHIPS);
  full_machine (machine)->started = true;
  set (7, 9, 1, 0x55);
  bp_machine_request_reset (machine, "the guest");
  save ("x");
  ck_assert_uint_eq (chip (machine, "a")->value, 0);
  set (7, 9, 1, 0x55);
  bp_machine_request_reset (machine, "the guest");
  load ("x");
  ck_assert_uint_eq (chip (machine, "a")->value, 0);
  ck_assert_uint_eq (full_machine (machine)->requested & REQUEST_RESET, 0);
  bp_machine_request_shutdown (machine, 0, NULL);
  refuses (bp_machine_save_snapshot, "x", "about to end");
  refuses (bp_machine_load_snapshot, "x", "about to end");
}
END_TEST

/* --- disks --------------------------------------------------------------------------------------------- */

static void
note (void *user, const BpSnapshotInfo *info)
{
  g_string_append_printf (user, "%s:%s:%s%s%s ", info->name, info->id, info->where, info->vm_state_size ? "" : ":contents", info->complete ? "" : ":parts");
}

static void
lists (const char *expected)
{
  g_autoptr (GString) text = g_string_new (NULL);
  GError *error = NULL;
  ck_assert_msg (bp_machine_list_snapshots (machine, note, text, &error), "%s", error->message);
  ck_assert_str_eq (text->str, expected);
}

START_TEST (in_disks)
{
  machine = build (CHIPS DISKS);
  set (7, 9, 1, 0x55);
  disk (machine, "hd0")->contents = disk (machine, "hd1")->contents = 1;
  save ("one");
  ck_assert_uint_gt (disk (machine, "hd0")->drains, 0);
  ck_assert_uint_eq (disk (machine, "cd")->kept->len, 0);
  ck_assert (!g_file_test ("one.bps", G_FILE_TEST_EXISTS));
  lists ("one:1:hd0 ");
  set (1, 2, 0, 0xaa);
  disk (machine, "hd0")->contents = disk (machine, "hd1")->contents = 2;
  save ("two");
  lists ("one:1:hd0 two:2:hd0 ");
  load ("one");
  check_is (7, 9, 1, 0x55);
  ck_assert_uint_eq (disk (machine, "hd0")->contents, 1);
  ck_assert_uint_eq (disk (machine, "hd1")->contents, 1);
  load ("2");                   /* by its id */
  check_is (1, 2, 0, 0xaa);
  ck_assert_uint_eq (disk (machine, "hd1")->contents, 2);
  save ("one");                 /* replaces */
  lists ("two:2:hd0 one:3:hd0 ");
  ck_assert_uint_eq (disk (machine, "hd1")->kept->len, 2);
  refuses (bp_machine_load_snapshot, "three", "there are: `two`, `one`");
  ck_assert (bp_machine_delete_snapshot (machine, "two", NULL));
  lists ("one:3:hd0 ");
  refuses (bp_machine_delete_snapshot, "two", "no disk of this machine has");
}
END_TEST

/* What the guest let go of before is gone when the snapshot is taken. */
START_TEST (a_disk_leaves)
{
  machine = build (CHIPS DISKS);
  full_machine (machine)->started = true;
  ck_assert_int_eq (bp_machine_remove_object (machine, "hd0", NULL), BP_REMOVAL_ASKED);
  bp_object_removal_done (disk (machine, "hd0"));
  save ("one");
  ck_assert_ptr_null (disk (machine, "hd0"));
  lists ("one:1:hd1 ");
}
END_TEST

START_TEST (a_disk_fails)
{
  machine = build (CHIPS DISKS);
  set (7, 9, 1, 0x55);
  save ("one");
  for (unsigned i = 0; i < 2; i++) {
    Disk *d = disk (machine, i ? "hd1" : "hd0");
    d->fails = true;
    refuses (bp_machine_save_snapshot, "one", "it fails");
    d->fails = false;
    lists ("one:1:hd0 ");
    ck_assert_uint_eq (disk (machine, "hd0")->kept->len, 1);
    ck_assert_uint_eq (disk (machine, "hd1")->kept->len, 1);
    ck_assert_uint_eq (d->state->len, 0);
  }
  set (1, 2, 0, 0xaa);
  Disk *d = disk (machine, "hd1");
  g_array_index (d->kept, Kept, 0).s.vm_clock++;        /* that of another time */
  refuses (bp_machine_load_snapshot, "one", "hd1 (`hd1`) lacks its part of snapshot `one`");
  check_is (1, 2, 0, 0xaa);
  lists ("one:1:hd0:parts one:1:hd1:contents:parts ");
}
END_TEST

/* Killed while it replaced one, a run leaves the old one in all disks and the new in some. */
START_TEST (one_of_two_is_complete)
{
  machine = build (CHIPS DISKS);
  set (7, 9, 1, 0x55);
  save ("one");
  Disk *d = disk (machine, "hd0");
  Kept newer = g_array_index (d->kept, Kept, 0);
  g_strlcpy (newer.id, "9", sizeof newer.id);
  newer.state = g_byte_array_new ();
  set (1, 2, 0, 0xaa);
  save ("two");
  g_byte_array_append (newer.state, g_array_index (d->kept, Kept, 1).state->data, g_array_index (d->kept, Kept, 1).state->len);
  newer.s.vm_state_size = newer.state->len;
  g_array_append_val (d->kept, newer);
  load ("one");
  check_is (7, 9, 1, 0x55);
}
END_TEST

START_TEST (disks_that_cannot)
{
  machine = build (CHIPS "[backend hd0]\ntype = snap-disk\nable = none\n[backend hd1]\ntype = snap-disk\nable = temporary\n");
  refuses (bp_machine_save_snapshot, "one", "the guest writes to hd0 (`hd0`, toy), which cannot keep a snapshot");
  disk (machine, "hd0")->able = BP_BLOCK_SNAPSHOTS_NOT_NEEDED;
  set (7, 9, 1, 0x55);
  save ("one");
  lists ("one:1:hd1 ");
  save ("./file.bps");
  lists ("one:1:hd1 file.bps:2:hd1:contents file.bps::file.bps ");
  toy_free (machine);
  machine = build (CHIPS "[backend hd0]\ntype = snap-disk\nable = not-needed\n[backend hd1]\ntype = snap-disk\nable = temporary\n");
  refuses (bp_machine_load_snapshot, "./file.bps", "what is written to it is forgotten at the end of each run");
}
END_TEST

START_TEST (filters)
{
  machine = build (CHIPS "[backend f]\ntype = snap-filter\n[backend hd1]\ntype = snap-disk\n");
  set (7, 9, 1, 0x55);
  save ("one");
  lists ("one:1:hd1 ");
}
END_TEST

START_TEST (a_file_and_disks)
{
  machine = build (CHIPS DISKS);
  set (7, 9, 1, 0x55);
  disk (machine, "hd1")->contents = 1;
  save ("./f.bps");
  disk (machine, "hd1")->contents = 2;
  set (1, 2, 0, 0xaa);
  load ("f.bps");
  check_is (7, 9, 1, 0x55);
  ck_assert_uint_eq (disk (machine, "hd1")->contents, 1);
  refuses (bp_machine_load_snapshot, "f", "no disk of this machine has a snapshot `f`");
  refuses (bp_machine_load_snapshot, "1", "contents alone");
  save ("f");
  save ("./f.bps");             /* they are two */
  lists ("f:2:hd0 f.bps:3:hd0:contents f.bps::f.bps ");
  ck_assert (bp_machine_delete_snapshot (machine, "f", NULL));
  ck_assert (bp_machine_delete_snapshot (machine, "f.bps", NULL));
  ck_assert (!g_file_test ("f.bps", G_FILE_TEST_EXISTS));
  ck_assert_uint_eq (disk (machine, "hd0")->kept->len, 0);
  ck_assert_uint_eq (disk (machine, "hd1")->kept->len, 0);
}
END_TEST

START_TEST (a_file_that_cannot_have_its_name)
{
  machine = build (CHIPS DISKS);
  set (7, 9, 1, 0x55);
  in_the_way = "f.bps";
  disk (machine, "hd1")->able = BP_BLOCK_SNAPSHOTS_NOT_NEEDED;
  refuses (bp_machine_save_snapshot, "./f.bps", "cannot be replaced");
  in_the_way = NULL;
  lists ("");
  ck_assert_uint_eq (disk (machine, "hd0")->kept->len, 0);
  ck_assert_int_eq (g_rmdir ("f.bps"), 0);
}
END_TEST

START_TEST (a_file_is_the_users_alone)
{
  GStatBuf there;
  machine = build (CHIPS);
  save ("x");
  ck_assert_int_eq (g_stat ("x.bps", &there), 0);
  ck_assert_uint_eq (there.st_mode & 077, 0);
}
END_TEST

static GByteArray *stream;

static bool
write_stream (void *user, const void *data, size_t size, GError **error)
{
  g_byte_array_append (stream, data, (guint) size);
  return true;
}

/* A snapshot whose clock and counters would make times come around, and a vCPU that a debugger is said to want. */
START_TEST (times_that_cannot_be)
{
  static const struct { int64_t clock; uint64_t instructions; const char *because; } cases[] = {
    { INT64_MAX, 0, "its time is further on" }, { 0, UINT64_MAX, "executed more than there was time for" }
  };
  machine = build (CHIPS "[accel x]\ntype = toy-accel\n[cpu c]\ntype = toy-cpu\n");
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    SnapshotPlace place = { write_stream, NULL, NULL };
    SnapshotHeader h = { .vm_clock = cases[i].clock, .name = "x", .machine = "m", .version = "1" };
    stream = g_byte_array_new ();
    SnapshotWriter *w = snapshot_writer_new (&place, &h);
    g_autoptr (GByteArray) head = g_byte_array_new (), vcpu = g_byte_array_new ();
    uint64_t bytes;
    snapshot_put (head, 1, 4);
    snapshot_put (head, 0, 4);
    snapshot_put (head, 0, 8);
    snapshot_write_section (w, SECTION_MACHINE, head, NULL, 0);
    snapshot_put_text (vcpu, "c");
    snapshot_put (vcpu, BP_VCPU_DEBUG, 4);
    snapshot_put (vcpu, cases[i].instructions, 8);
    snapshot_put (vcpu, 0, 8);
    snapshot_write_section (w, SECTION_VCPU, vcpu, NULL, 0);
    ck_assert (snapshot_writer_finish (w, &bytes, NULL));
    ck_assert (g_file_set_contents ("x.bps", (char *) stream->data, stream->len, NULL));
    g_byte_array_unref (stream);
    refuses (bp_machine_load_snapshot, "x", cases[i].because);
  }
}
END_TEST

START_TEST (names_before_ids)
{
  machine = build (CHIPS DISKS);
  set (7, 9, 1, 0x55);
  save ("2");                   /* its id is 1 */
  set (1, 2, 0, 0xaa);
  save ("other");               /* its id is 2 */
  load ("2");
  check_is (7, 9, 1, 0x55);
  ck_assert (bp_machine_delete_snapshot (machine, "2", NULL));
  lists ("other:2:hd0 ");
  refuses (bp_machine_delete_snapshot, "2", "has a snapshot called `2`; that is the ID of `other`, which is deleted by its name");
  lists ("other:2:hd0 ");
  load ("2");
  check_is (1, 2, 0, 0xaa);
}
END_TEST

/* What is neither the one nor the other must not run, whoever asks. */
START_TEST (loaded_in_part)
{
  machine = build (CHIPS DISKS);
  full_machine (machine)->started = true;
  set (7, 9, 1, 0x55);
  save ("x");
  GError *error = NULL;
  for (unsigned n = 1; !full_machine (machine)->half_loaded; n++) {     /* the stream is read twice */
    reads_left = n;
    ck_assert (!bp_machine_load_snapshot (machine, "x", &error));
    ck_assert_msg (strstr (error->message, "the host's disk fails") != NULL, "%s", error->message);
    g_clear_error (&error);
  }
  reads_left = 0;
  ck_assert_int_eq (bp_machine_run_state (machine), BP_RUN_IO_ERROR);
  ck_assert (!bp_machine_continue (machine, &error));
  ck_assert_msg (strstr (error->message, "in part only") != NULL, "%s", error->message);
  g_clear_error (&error);
  load ("x");
  ck_assert (bp_machine_continue (machine, NULL));
  bp_machine_stop (machine, BP_RUN_PAUSED);
  full_machine (machine)->half_loaded = true;
  bp_machine_request_reset (machine, "a test");
  machine_serve (machine);
  ck_assert (bp_machine_continue (machine, NULL));
  bp_machine_stop (machine, BP_RUN_PAUSED);
}
END_TEST

int
main (void)
{
#ifndef HAVE_ZSTD
  puts ("built without libzstd");
  return 77;
#endif
  const TTest *const tests[] = { there_and_back, post_load_fails, another_machine, damaged_files, other_timers_go_on, names, paths_get_the_suffix, a_reset_that_waits_is_done_first, in_disks,
                                 a_disk_leaves, a_disk_fails, one_of_two_is_complete, disks_that_cannot, filters, a_file_and_disks, a_file_that_cannot_have_its_name, a_file_is_the_users_alone, names_before_ids, times_that_cannot_be,
                                 loaded_in_part };
  Suite *suite = suite_create ("snapshot");
  TCase *all = tcase_create ("all");
  tcase_add_checked_fixture (all, scratch_enter, teardown);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    tcase_add_test (all, tests[i]);
  tcase_set_timeout (all, 60);
  suite_add_tcase (suite, all);
  return suite_run (suite);
}
