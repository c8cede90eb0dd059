/* test-migrate.c -- machines moved within a process: by files and sockets, with every byte of the stream changed, cut anywhere, to machines that are others. */
/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "crc32c.h"
#include "memory.h"
#include "migrate-pair.h"
#include "../suite.h"
#include "../types.h"
#include <check.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* --- a chip with memory ---------------------------------------------------------------------------------- */

typedef struct Chip {
  uint32_t value, model;
  char *label;
  uint64_t size;
  BpRegion *ram;
  uint8_t *host;
} Chip;

static bool
chip_configure (void *self, GError **error)
{
  Chip *c = self;
  c->host = g_aligned_alloc0 (1, c->size, 4096);
  c->ram = bp_region_new_ram (self, "bytes", c->host, c->size);
  bp_region_publish (self, c->ram, "its memory");
  return true;
}

static void
chip_unrealize (void *self)
{
  g_clear_pointer (&((Chip *) self)->host, g_aligned_free);
}

static const char *unlucky;     /* the post_load of this one fails */

static bool
chip_post_load (void *self, GError **error)
{
  return g_strcmp0 (unlucky, bp_object_id (self)) != 0 || snapshot_refuse (error, "no luck");
}

static const BpStateField chip_state[] = { BP_STATE_FIELD_U32 (Chip, value), BP_STATE_END };
static const BpProperty chip_properties[] = {
  { .name = "size", .kind = BP_PROPERTY_SIZE, .offset = offsetof (Chip, size), .default_int = 65536, .min = 4096, .max = 64 << 20, .help = "Of its memory." },
  BP_PROP_U32 ("model", Chip, model, 1, "What the guest sees."), BP_PROP_STRING ("label", Chip, label, NULL, "Printed on it."), BP_PROP_END
};
#define CHIP \
  .description = "a chip", .properties = chip_properties, .state = chip_state, .state_version = 1, .state_minimum = 1, .configure = chip_configure, \
  .unrealize = chip_unrealize, .post_load = chip_post_load
static const BpTypeDesc chip_type = { BP_TYPE ("move-chip", BP_KIND_DEVICE, Chip), CHIP };
static const BpTypeDesc other_type = { BP_TYPE ("move-other", BP_KIND_DEVICE, Chip), CHIP };

/* --- a disk that one process has ----------------------------------------------------------------------------- */

typedef struct Disk {
  bool fails;                   /* take */
} Disk;

static void *owner;             /* the machine that has the image; one for all */
static unsigned n_takes;

static void
disk_info (void *self, BpBlockInfo *info)
{
  info->inserted = true;
  info->size = 1024;
  g_strlcpy (info->file, "image", sizeof info->file);
}

static bool
disk_release (void *self, GError **error)
{
  if (owner == bp_object_machine (self))
    owner = NULL;
  return true;
}

static bool
disk_take (void *self, GError **error)
{
  n_takes++;
  if (((Disk *) self)->fails || (owner && owner != bp_object_machine (self)))
    return snapshot_refuse (error, "another has the image");
  owner = bp_object_machine (self);
  return true;
}

static const BpBlockIface disk_iface = { .struct_size = sizeof disk_iface, .info = disk_info, .release = disk_release, .take = disk_take };
static const BpInterfaceDesc disk_interfaces[] = { { BP_BLOCK_ID, &disk_iface }, { NULL, NULL } };
static const BpProperty disk_properties[] = { BP_PROP_BOOL ("fails", Disk, fails, false, "Nobody gets it."), BP_PROP_END };
static const BpTypeDesc disk_type = { BP_TYPE ("move-disk", BP_KIND_BACKEND, Disk), .description = "a disk", .properties = disk_properties,
                                      .interfaces = disk_interfaces };

/* --- machines --------------------------------------------------------------------------------------------------- */

#define CHIPS "[device a]\ntype = move-chip\n[device b]\ntype = move-chip\n"
#define DISK "[backend hd]\ntype = move-disk\n"

static Chip *
chip (BpMachine *m, const char *id)
{
  return bp_machine_find (m, id);
}

static BpMachine *
build (const char *text, bool incoming)
{
  static const BpTypeDesc *const types[] = { &chip_type, &other_type, &disk_type, NULL };
  types_register (types);
  return pair_build (text, incoming);
}

static void
setup (void)
{
  owner = NULL;
  unlucky = NULL;
  pair_setup ();
}

/* The thread has ended, and said all. */
static void
settle (BpMachine *m)
{
  while (!migration_may_change (m, NULL) || g_main_context_pending (NULL))
    g_main_context_iteration (NULL, FALSE);
}

static void
fill (BpMachine *m)
{
  chip (m, "a")->value = 4711;
  chip (m, "b")->value = 815;
  memset (chip (m, "a")->host + 8192, 0xa5, 4096);
  memset (chip (m, "b")->host + 65535, 1, 1);
}

static void
check_is_filled (BpMachine *m)
{
  ck_assert_uint_eq (chip (m, "a")->value, 4711);
  ck_assert_uint_eq (chip (m, "b")->value, 815);
  ck_assert_mem_eq (chip (m, "a")->host, chip (from, "a")->host, 65536);
  ck_assert_mem_eq (chip (m, "b")->host, chip (from, "b")->host, 65536);
}

static void
begin (const char *text)
{
  from = build (text, false);
  owner = from;
  fill (from);
  ck_assert (bp_machine_continue (from, NULL));
}

static BpMigrationInfo
send_away (const char *where)
{
  GError *error = NULL;
  ck_assert_msg (bp_migration_start (from, where, &error), "%s", error ? error->message : "");
  return wait_for (from);
}

static BpMigrationInfo
receive (void)
{
  GError *error = NULL;
  ck_assert_msg (bp_migration_receive (to, address, &error), "%s", error ? error->message : "");
  BpMigrationInfo info = wait_for (to);
  settle (to);
  return info;
}

/* For another try with the same machine. */
static void
forget_failure (void)
{
  migration_finish (to);
  g_clear_pointer (&to->shutdown_reason, g_free);
  to->shutdown_requested = false;
}

static void
write_file (const char *path, const char *bytes, size_t size)
{
  FILE *f = fopen (path, "wb");
  ck_assert_ptr_nonnull (f);
  ck_assert_uint_eq (fwrite (bytes, 1, size, f), size);
  ck_assert_int_eq (fclose (f), 0);
}

/* --- the checksum -------------------------------------------------------------------------------------------------- */

START_TEST (checksum)
{
  uint8_t bytes[100];
  ck_assert_uint_eq (crc32c (0, "123456789", 9), 0xe3069283u);
  for (unsigned i = 0; i < sizeof bytes; i++)
    bytes[i] = (uint8_t) (i * 37 + 11);
  for (unsigned start = 0; start < 9; start++)
    for (unsigned n = 0; n < 80; n++) {
      uint32_t whole = crc32c (0, bytes + start, n);
      ck_assert_uint_eq (whole, crc32c_portable (0, bytes + start, n));
      ck_assert_uint_eq (whole, crc32c (crc32c (0, bytes + start, n / 3), bytes + start + n / 3, n - n / 3));
    }
}
END_TEST

/* --- the dirty log --------------------------------------------------------------------------------------------------- */

START_TEST (bits_are_taken_once)
{
  uint64_t start = ram_block_new (UINT64_C (4096) * 500), bits[8];
  bp_dirty_enable (BP_DIRTY_MIGRATION, true);
  for (uint64_t first = 0; first < 130; first += 13) {
    ck_assert (dirty_take (BP_DIRTY_MIGRATION, start, 500, bits) == (first == 0) || first);
    for (uint64_t page = first; page < 500; page += 7)
      bp_dirty_mark (start + page * 4096 + 5, 1);
    ck_assert_uint_eq (dirty_count (BP_DIRTY_MIGRATION, start, 500 * 4096), (500 - first + 6) / 7);
    ck_assert (dirty_take (BP_DIRTY_MIGRATION, start + first * 4096, 500 - first, bits));
    for (uint64_t i = 0; i < 500 - first; i++)
      ck_assert_uint_eq (bits[i / 64] >> i % 64 & 1, i % 7 == 0);
    ck_assert (!dirty_take (BP_DIRTY_MIGRATION, start, 500, bits));
  }
  bp_dirty_enable (BP_DIRTY_MIGRATION, false);
  ram_block_free (start, UINT64_C (4096) * 500);
}
END_TEST

typedef struct Writer {
  uint64_t start;
  uint32_t *memory;             /* a counter a page */
  int stop;
} Writer;

static void *
write_and_mark (void *user)
{
  Writer *w = user;
  for (uint32_t n = 1; !__atomic_load_n (&w->stop, __ATOMIC_RELAXED); n++)
    for (unsigned page = 0; page < 70; page += 1 + n % 3) {
      __atomic_store_n (&w->memory[page], n, __ATOMIC_RELAXED);
      bp_dirty_mark (w->start + page * 4096, 4);
    }
  return NULL;
}

/* Whoever takes a bit and then reads the page has, when all is quiet, read the last that was written. */
START_TEST (no_write_is_lost)
{
  uint32_t memory[70] = { 0 }, copy[70] = { 0 };
  uint64_t bits[2];
  Writer w = { ram_block_new (70 * 4096), memory, 0 };
  bp_dirty_enable (BP_DIRTY_MIGRATION, true);
  GThread *threads[2] = { g_thread_new ("writer", write_and_mark, &w), g_thread_new ("writer", write_and_mark, &w) };
  for (unsigned round = 0; round < 40000; round++) {
    if (round == 39999) {
      __atomic_store_n (&w.stop, 1, __ATOMIC_RELAXED);
      g_thread_join (threads[0]);
      g_thread_join (threads[1]);
    }
    dirty_take (BP_DIRTY_MIGRATION, w.start, 70, bits);
    for (unsigned page = 0; page < 70; page++)
      if (bits[page / 64] >> page % 64 & 1)
        copy[page] = __atomic_load_n (&memory[page], __ATOMIC_RELAXED);
  }
  ck_assert_mem_eq (memory, copy, sizeof memory);
  bp_dirty_enable (BP_DIRTY_MIGRATION, false);
  ram_block_free (w.start, 70 * 4096);
}
END_TEST

/* --- there ------------------------------------------------------------------------------------------------------------ */

START_TEST (by_a_file)
{
  BpMigrationParameters p = { .struct_size = sizeof p };
  begin (CHIPS DISK);
  bp_migration_parameters (from, &p);
#ifdef HAVE_ZSTD
  p.compress = (uint32_t) _i;
#endif
  ck_assert (bp_migration_set_parameters (from, &p, NULL));
  BpMigrationInfo info = send_away (address);
  ck_assert_msg (info.status == BP_MIGRATION_COMPLETED, "%s", info.error);
  ck_assert_int_eq (bp_machine_run_state (from), BP_RUN_MOVED);
  ck_assert_ptr_null (owner);
  ck_assert_uint_eq (info.total, 131072);
  to = build (CHIPS DISK, true);
  ck_assert (bp_machine_is_incoming (to));
  ck_assert (!bp_machine_continue (to, NULL));
  info = receive ();
  ck_assert_msg (info.status == BP_MIGRATION_COMPLETED, "%s", info.error);
  ck_assert_int_eq (bp_machine_run_state (to), BP_RUN_RUNNING);
  ck_assert (!bp_machine_is_incoming (to));
  ck_assert_ptr_eq (owner, to);
  check_is_filled (to);
  ck_assert (!bp_machine_continue (from, NULL));       /* the disk is another's */
  end_machine (&to);
  owner = NULL;
  ck_assert (bp_machine_continue (from, NULL));
}
END_TEST

static BpMigrationInfo
by_socket (const char *text)
{
  GError *error = NULL;
  g_autofree char *where = g_strdup_printf ("unix:%s/socket", folder);
  to = build (text, true);
  ck_assert_msg (bp_migration_receive (to, where, &error), "%s", error ? error->message : "");
  BpMigrationInfo info = send_away (where);
  wait_for (to);
  settle (to);
  return info;
}

START_TEST (by_a_socket)
{
  begin (CHIPS DISK);
  BpMigrationInfo info = by_socket (CHIPS DISK);
  ck_assert_msg (info.status == BP_MIGRATION_COMPLETED, "%s", info.error);
  ck_assert_int_eq (bp_machine_run_state (from), BP_RUN_MOVED);
  ck_assert_int_eq (bp_machine_run_state (to), BP_RUN_RUNNING);
  ck_assert_ptr_eq (owner, to);
  check_is_filled (to);
}
END_TEST

START_TEST (paused_stays_paused)
{
  begin (CHIPS);
  bp_machine_stop (from, BP_RUN_PAUSED);
  BpMigrationInfo info = by_socket (CHIPS);
  ck_assert_msg (info.status == BP_MIGRATION_COMPLETED, "%s", info.error);
  ck_assert_int_eq (bp_machine_run_state (to), BP_RUN_PAUSED);
}
END_TEST

/* --- not there --------------------------------------------------------------------------------------------------------- */

static void
check_refused (const char *text, const char *because)
{
  begin (CHIPS DISK);
  BpMigrationInfo info = by_socket (text);
  ck_assert_int_eq (info.status, BP_MIGRATION_FAILED);
  ck_assert_msg (strstr (info.error, because) != NULL, "%s", info.error);
  ck_assert_int_eq (bp_machine_run_state (from), BP_RUN_RUNNING);
  ck_assert_ptr_eq (owner, from);
  ck_assert (to->shutdown_requested);
  ck_assert_msg (strstr (to->shutdown_reason, strchr (because, '`') ? because : "") != NULL, "%s", to->shutdown_reason);
  check_is_filled (from);
}

START_TEST (another_machine)
{
  static const char *const others[][2] = {
    { "[device a]\ntype = move-chip\n[device b]\ntype = move-other\n" DISK, "b is of type `move-chip` there and of type `move-other` here" },
    { "[device a]\ntype = move-chip\n" DISK, "b (type `move-chip`) is there and not here" },
    { CHIPS "[device c]\ntype = move-chip\n" DISK, "c (type `move-chip`) is here and not there" },
    { "[device a]\ntype = move-chip\nsize = 32K\n[device b]\ntype = move-chip\n" DISK, "a.size is `64K` there and `32K` here" },
    { "[device a]\ntype = move-chip\nmodel = 2\n[device b]\ntype = move-chip\n" DISK, "a.model is `1` there and `2` here" },
    { "[device a]\ntype = move-chip\nlabel = new\n[device b]\ntype = move-chip\n" DISK, "a.label is not set there and `new` here" },
    { CHIPS "bytes = memory@0x4000\n" DISK, "b.bytes is not set there and `memory@0x4000` here" },
    { CHIPS, "disk `hd` (`image`) is not in this machine" },
    { CHIPS DISK "fails = on\n", "another has the image" },
  };
  check_refused (others[_i][0], others[_i][1]);
}
END_TEST

START_TEST (a_device_that_refuses)
{
  begin (CHIPS DISK);
  unlucky = "b";
  BpMigrationInfo info = by_socket (CHIPS DISK);
  ck_assert_int_eq (info.status, BP_MIGRATION_FAILED);
  ck_assert_msg (strstr (info.error, "b (type `move-chip`): no luck") != NULL, "%s", info.error);
  ck_assert_int_eq (bp_machine_run_state (from), BP_RUN_RUNNING);
  ck_assert_ptr_eq (owner, from);
}
END_TEST

START_TEST (nobody_there)
{
  begin (CHIPS);
  g_autofree char *where = g_strdup_printf ("unix:%s/nothing", folder);
  BpMigrationInfo info = send_away (where);
  ck_assert_int_eq (info.status, BP_MIGRATION_FAILED);
  ck_assert_int_eq (bp_machine_run_state (from), BP_RUN_RUNNING);
  ck_assert (!bp_migration_start (from, "nonsense", NULL));
  ck_assert (!bp_migration_start (from, "fd:x", NULL));
  ck_assert (!bp_migration_receive (from, where, NULL));
  info = send_away ("file:/nowhere/at/all");
  ck_assert_int_eq (info.status, BP_MIGRATION_FAILED);
  info = send_away ("exec:exit 3");
  ck_assert_int_eq (info.status, BP_MIGRATION_FAILED);
  ck_assert_int_eq (bp_machine_run_state (from), BP_RUN_RUNNING);
}
END_TEST

/* A command that has everything and does not end: it is waited for as long as bytes are, and no longer. */
START_TEST (a_command_that_stays)
{
  BpMigrationParameters p = { .struct_size = sizeof p };
  begin (CHIPS);
  bp_migration_parameters (from, &p);
  p.patience = 200;
  ck_assert (bp_migration_set_parameters (from, &p, NULL));
  BpMigrationInfo info = send_away ("exec:trap '' TERM; cat >/dev/null; sleep 20");
  ck_assert_int_eq (info.status, BP_MIGRATION_FAILED);
  ck_assert_msg (strstr (info.error, "has not ended") != NULL, "%s", info.error);
  ck_assert_int_eq (bp_machine_run_state (from), BP_RUN_RUNNING);
  settle (from);
  ck_assert_uint_lt (info.total_time, 10000);
}
END_TEST

/* A number that is a descriptor of ours by now is not one that the program was started with. */
START_TEST (descriptors_of_ours)
{
  GError *error = NULL;
  begin (CHIPS);
  write_file (file, "precious", 8);
  int ours = open (file, O_RDWR | O_CLOEXEC), given = dup (ours);
  g_autofree char *where = g_strdup_printf ("fd:%d", ours), *where_given = g_strdup_printf ("fd:%d", given), *text = NULL;
  BpMigrationInfo info = send_away (where);
  ck_assert_int_eq (info.status, BP_MIGRATION_FAILED);
  ck_assert_msg (strstr (info.error, "no descriptor") != NULL, "%s", info.error);
  ck_assert (g_file_get_contents (file, &text, NULL, &error));
  ck_assert_str_eq (text, "precious");
  ck_assert_int_eq (send_away (where_given).status, BP_MIGRATION_COMPLETED);
  close (ours);
}
END_TEST

static void
note_status (void *user, BpMigrationStatus status)
{
  g_string_append_printf (user, "%s ", bp_migration_status_name (status));
}

/* The connection is fast until the machine stands, and then it is not: the machine does not stand for long, and is sent when it is fast again. */
START_TEST (standing_too_long)
{
  BpMigrationParameters p = { .struct_size = sizeof p };
  BpMigrationInfo info = { .struct_size = sizeof info };
  g_autoptr (GString) told = g_string_new (NULL);
  begin ("[device a]\ntype = move-chip\nsize = 16M\n[device b]\ntype = move-chip\n");
  memset (chip (from, "a")->host, 1, 16 << 20);
  bp_migration_parameters (from, &p);
  p.max_bandwidth = 10000000;
  p.downtime_limit = 100;
  ck_assert (bp_migration_set_parameters (from, &p, NULL));
  bp_migration_watch (from, note_status, told);
  ck_assert (bp_migration_start (from, "exec:head -c 17000000 >/dev/null; sleep 1; cat >/dev/null", NULL));
  do {
    g_main_context_iteration (NULL, FALSE);
    bp_migration_info (from, &info);
  } while (info.transferred < 4 << 20);
  memset (chip (from, "a")->host, 2, 1 << 19);
  bp_dirty_mark (bp_region_ram_address (chip (from, "a")->ram), 1 << 19);
  info = wait_for (from);
  settle (from);
  ck_assert_int_eq (info.status, BP_MIGRATION_COMPLETED);
  ck_assert_str_eq (told->str, "setup active device active device completed ");
}
END_TEST

START_TEST (cancelled)
{
  BpMigrationParameters p = { .struct_size = sizeof p };
  begin ("[device a]\ntype = move-chip\nsize = 16M\n[device b]\ntype = move-chip\n");
  memset (chip (from, "a")->host, 1, 16 << 20);
  bp_migration_parameters (from, &p);
  p.max_bandwidth = 1 << 20;
  ck_assert (bp_migration_set_parameters (from, &p, NULL));
  ck_assert (bp_migration_start (from, address, NULL));
  ck_assert (!bp_migration_start (from, address, NULL));
  BpMigrationInfo info = { .struct_size = sizeof info };
  do {
    g_main_context_iteration (NULL, FALSE);
    bp_migration_info (from, &info);
  } while (info.transferred < 1 << 20);
  bp_migration_cancel (from);
  info = wait_for (from);
  ck_assert_int_eq (info.status, BP_MIGRATION_CANCELLED);
  ck_assert_int_eq (bp_machine_run_state (from), BP_RUN_RUNNING);
  ck_assert (!g_file_test (file, G_FILE_TEST_EXISTS));
  bp_migration_cancel (from);
}
END_TEST

/* Who listens there takes nobody: to connect lasts for ever. */
START_TEST (cancelled_before_it_is_connected)
{
  struct sockaddr_un sun = { .sun_family = AF_UNIX };
  int listener = socket (AF_UNIX, SOCK_STREAM, 0), other = socket (AF_UNIX, SOCK_STREAM, 0);
  g_snprintf (sun.sun_path, sizeof sun.sun_path, "%s", file);
  ck_assert (bind (listener, (struct sockaddr *) &sun, sizeof sun) == 0 && listen (listener, 0) == 0);
  ck_assert_int_eq (connect (other, (struct sockaddr *) &sun, sizeof sun), 0);
  begin (CHIPS);
  g_autofree char *where = g_strconcat ("unix:", file, NULL);
  ck_assert (bp_migration_start (from, where, NULL));
  g_usleep (100000);
  bp_migration_cancel (from);
  ck_assert_int_eq (wait_for (from).status, BP_MIGRATION_CANCELLED);
  settle (from);
  close (listener);
  close (other);
}
END_TEST

/* --- streams that are not what was sent ----------------------------------------------------------------------------------- */

static void
check_bad (const char *bytes, size_t size, size_t at)
{
  write_file (file, bytes, size);
  BpMigrationInfo info = receive ();
  ck_assert_msg (info.status == BP_MIGRATION_FAILED, "changed at %zu of %zu: %s", at, size, bp_migration_status_name (info.status));
  ck_assert_str_ne (info.error, "");
  ck_assert_int_eq (bp_machine_run_state (to), BP_RUN_INCOMING);
  ck_assert (to->shutdown_requested);
  forget_failure ();
}

START_TEST (any_byte_changed)
{
  g_autofree char *bytes = NULL;
  gsize size;
  begin (CHIPS);
  ck_assert_int_eq (send_away (address).status, BP_MIGRATION_COMPLETED);
  ck_assert (g_file_get_contents (file, &bytes, &size, NULL));
  to = build (CHIPS, true);
  for (size_t at = 0; at < size; at += at < 2000 || size - at < 2000 ? 5 : 67) {
    bytes[at] = (char) (bytes[at] ^ 1 << at % 8);
    check_bad (bytes, size, at);
    bytes[at] = (char) (bytes[at] ^ 1 << at % 8);
  }
}
END_TEST

START_TEST (cut_anywhere)
{
  g_autofree char *bytes = NULL;
  gsize size;
  begin (CHIPS);
  ck_assert_int_eq (send_away (address).status, BP_MIGRATION_COMPLETED);
  ck_assert (g_file_get_contents (file, &bytes, &size, NULL));
  to = build (CHIPS, true);
  for (size_t n = 0; n < size; n += n < 1000 || size - n < 1000 ? 7 : 201)
    check_bad (bytes, n, n);
  g_autofree char *longer = g_malloc0 (size + 1);
  memcpy (longer, bytes, size);
  check_bad (longer, size + 1, size);
}
END_TEST

/* What has right checksums and makes no sense. */
static GByteArray *lies;
static uint32_t lies_crc;

static void
section (uint32_t kind, const void *data, uint64_t size, uint64_t claimed)
{
  uint8_t head[12];
  uint32_t k = GUINT32_TO_LE (kind);
  uint64_t n = GUINT64_TO_LE (claimed);
  memcpy (head, &k, 4);
  memcpy (head + 4, &n, 8);
  lies_crc = crc32c (crc32c (lies_crc, head, 12), data, size);
  uint32_t crc = GUINT32_TO_LE (lies_crc);
  g_byte_array_append (lies, head, 4);
  g_byte_array_append (lies, (uint8_t *) &crc, 4);
  g_byte_array_append (lies, head + 4, 8);
  if (size)
    g_byte_array_append (lies, data, (guint) size);
}

/* Whole sections, each right by itself, that are lost, doubled, or have changed places. */
START_TEST (sections_that_moved)
{
  g_autofree char *bytes = NULL;
  gsize size;
  uint32_t start;
  g_autoptr (GArray) at = g_array_new (FALSE, FALSE, sizeof (size_t));
  begin (CHIPS);
  ck_assert_int_eq (send_away (address).status, BP_MIGRATION_COMPLETED);
  ck_assert (g_file_get_contents (file, &bytes, &size, NULL));
  to = build (CHIPS, true);
  memcpy (&start, bytes + 12, sizeof start);
  for (size_t n = GUINT32_FROM_LE (start); n <= size;) {
    uint64_t payload = 0;
    g_array_append_val (at, n);
    if (n < size)
      memcpy (&payload, bytes + n + 8, sizeof payload);
    n += 16 + GUINT64_FROM_LE (payload);
  }
  ck_assert_uint_ge (at->len, 10);
  for (guint i = 0; i + 2 < at->len; i++) {
    size_t a = g_array_index (at, size_t, i), b = g_array_index (at, size_t, i + 1), c = g_array_index (at, size_t, i + 2);
    g_autofree char *other = g_malloc (size + (b - a));
    memcpy (other, bytes, a);
    memcpy (other + a, bytes + b, size - b);
    check_bad (other, size - (b - a), a);       /* lost */
    memcpy (other, bytes, b);
    memcpy (other + b, bytes + a, size - a);
    check_bad (other, size + (b - a), a);       /* doubled */
    memcpy (other, bytes, size);
    memcpy (other + a, bytes + b, c - b);
    memcpy (other + a + (c - b), bytes + a, b - a);
    check_bad (other, size, a);
  }
}
END_TEST

START_TEST (sections_that_lie)
{
  to = build (CHIPS, true);
  g_autoptr (GByteArray) shape = shape_of (to);
  static const uint8_t pages[24] = { 9 }, far[24] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
  static const uint32_t kinds[] = { 0, SECTION_PAGES, SECTION_ZERO, SECTION_STOPPED, SECTION_ASK, SECTION_BLOCK, SECTION_CHANGE, SECTION_MACHINE, SECTION_END,
                                    SECTION_RELEASED, SECTION_COMMIT, SECTION_PLACE, SECTION_TEMPLATE, REPLY_FITS, 999, 0x80000000u | SECTION_PAGES, 0x7fffffffu };
  for (unsigned shaped = 0; shaped < 2; shaped++)
    for (unsigned i = 0; i < G_N_ELEMENTS (kinds); i++)
      for (unsigned what = 0; what < 4; what++) {
        SnapshotHeader h = snapshot_header_now (to, "");
        lies = snapshot_header_bytes (&h, SNAPSHOT_FORMAT_SECTIONS);
        lies_crc = 0;
        snapshot_header_clear (&h);
        if (shaped)
          section (SECTION_SHAPE, shape->data, shape->len, shape->len);
        section (kinds[i], what & 1 ? far : pages, what & 2 ? 24 : 0, what == 0 ? UINT64_MAX : what & 2 ? 24 : 0);
        check_bad ((const char *) lies->data, lies->len, i);
        g_byte_array_unref (lies);
      }
}
END_TEST

/* --- templates --------------------------------------------------------------------------------------------------------------- */

START_TEST (template_there_and_back)
{
  bool ran = false;
  GError *error = NULL;
  begin (CHIPS);
  ck_assert_msg (bp_machine_save_template (from, folder, &error), "%s", error ? error->message : "");
  ck_assert_int_eq (bp_machine_run_state (from), BP_RUN_RUNNING);
  ck_assert (bp_machine_save_template (from, folder, NULL));    /* in the place of the other */
  to = build (CHIPS, false);
  memset (chip (to, "a")->host, 0x77, 65536);
  ck_assert_msg (template_begin (to, folder, &ran, &error), "%s", error ? error->message : "");
  ck_assert (ran);
  check_is_filled (to);
  end_machine (&to);
  to = build (CHIPS "[device c]\ntype = move-chip\n", false);
  ck_assert (!template_begin (to, folder, &ran, &error));
  ck_assert_msg (strstr (error->message, "c (type `move-chip`) is here and not there") != NULL, "%s", error->message);
  g_clear_error (&error);
  end_machine (&to);
  to = build (CHIPS, false);
  g_autofree char *state = g_build_filename (folder, "state", NULL), *bytes = NULL;
  gsize size;
  unsigned n = 0;
  ck_assert (g_file_get_contents (state, &bytes, &size, NULL));
  for (size_t at = 0; at < size; at += 3) {
    bytes[at] ^= 4;
    write_file (state, bytes, size);
    ck_assert_msg (!template_begin (to, folder, &ran, NULL), "changed at %zu", at);
    bytes[at] ^= 4;
  }
  write_file (state, bytes, size);
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);
  GDir *dir = g_dir_open (folder, 0, NULL);
  for (const char *name; (name = g_dir_read_name (dir)); n++) {
    g_autofree char *path = g_build_filename (folder, name, NULL);
    struct stat st;
    ck_assert_int_eq (stat (path, &st), 0);
    if (g_str_has_prefix (name, "ram-")) {
      ck_assert_uint_eq (st.st_mode & 0777, 0400);
      ck_assert_msg (template_begin (to, folder, &ran, &error), "%s", error ? error->message : "");
      ck_assert_int_eq (utimensat (AT_FDCWD, path, NULL, 0), 0);
      ck_assert (!template_begin (to, folder, &ran, &error));
      ck_assert_msg (strstr (error->message, "was changed after it had been saved") != NULL, "%s", error->message);
      g_clear_error (&error);
    }
    g_ptr_array_add (paths, g_steal_pointer (&path));
  }
  g_dir_close (dir);
  for (guint i = 0; i < paths->len; i++)
    g_unlink (paths->pdata[i]);
  ck_assert_uint_eq (n, 2);
}
END_TEST

START_TEST (template_folders)
{
  GError *error = NULL;
  g_autofree char *one = g_build_filename (folder, "one", NULL), *two = g_build_filename (one, "two", NULL), *wanted = g_strdup_printf ("there is no folder `%s`", one);
  begin (CHIPS);
  ck_assert (!bp_machine_save_template (from, two, &error));
  ck_assert_msg (strstr (error->message, wanted) != NULL, "%s", error->message);
  ck_assert (!g_file_test (one, G_FILE_TEST_EXISTS));
  g_clear_error (&error);
  write_file (one, "x", 1);
  ck_assert (!bp_machine_save_template (from, one, &error));
  ck_assert_msg (strstr (error->message, "is no folder") != NULL, "%s", error->message);
  g_clear_error (&error);
  ck_assert_int_eq (g_unlink (one), 0);
  ck_assert_msg (bp_machine_save_template (from, one, &error), "%s", error ? error->message : "");
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("migrate");
  TCase *tcase = tcase_create ("all");
  tcase_set_timeout (tcase, 600);
  tcase_add_checked_fixture (tcase, setup, pair_teardown);
  tcase_add_test (tcase, checksum);
  tcase_add_test (tcase, bits_are_taken_once);
  tcase_add_test (tcase, no_write_is_lost);
  tcase_add_loop_test (tcase, by_a_file, 0, 2);
  tcase_add_test (tcase, by_a_socket);
  tcase_add_test (tcase, paused_stays_paused);
  tcase_add_loop_test (tcase, another_machine, 0, 9);
  tcase_add_test (tcase, a_device_that_refuses);
  tcase_add_test (tcase, nobody_there);
  tcase_add_test (tcase, a_command_that_stays);
  tcase_add_test (tcase, standing_too_long);
  tcase_add_test (tcase, descriptors_of_ours);
  tcase_add_test (tcase, cancelled);
  tcase_add_test (tcase, cancelled_before_it_is_connected);
  tcase_add_test (tcase, any_byte_changed);
  tcase_add_test (tcase, cut_anywhere);
  tcase_add_test (tcase, sections_that_moved);
  tcase_add_test (tcase, sections_that_lie);
  tcase_add_test (tcase, template_there_and_back);
  tcase_add_test (tcase, template_folders);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}
