/* test-mem-backends.c -- memory backends: what they map, what they refuse and how they say it. */
/* SPDX-License-Identifier: MIT */
#include "object.h"
#include <backplane/iface/memory-backend.h>
#include <backplane/log.h>
#include <check.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../plugins/mem-backends/mem-backend.h"
#include "../scratch.h"
#include "../suite.h"

const BpPluginDesc *bp_plugin_query (void);

static char *directory;
static char *path;              /* of a file in it */

static void
setup (void)
{
  directory = scratch_new ();
  path = g_build_filename (directory, "ram", NULL);
}

static void
teardown (void)
{
  g_clear_pointer (&path, g_free);
  g_clear_pointer (&directory, scratch_free);
}

static const BpTypeDesc *
find_type (const char *name)
{
  for (const BpTypeDesc *const *t = bp_plugin_query ()->types; *t; t++)
    if (!strcmp ((*t)->name, name))
      return *t;
  ck_abort_msg ("no type %s", name);
}

/* settings: "size=4K path=..."; configured, or NULL with *message set. */
static BpObject *
make (const char *type, const char *settings, char **message)
{
  BpObject *o = object_new (find_type (type), "ram", NULL);
  char **words = g_strsplit (settings, " ", -1);
  GError *error = NULL;
  bool ok = true;
  for (unsigned i = 0; ok && words[i]; i++) {
    char *value = strchr (words[i], '=');
    *value++ = 0;
    ok = object_set (o, words[i], value, directory, &error);
  }
  ok = ok && object_configure (o, &error) && object_realize (o, &error);
  g_strfreev (words);
  if (ok)
    return o;
  ck_assert_ptr_nonnull (error);
  if (message)
    *message = g_strdup (error->message);
  g_clear_error (&error);
  object_free (o);
  return NULL;
}

static const BpMemoryBackendIface *
table (BpObject *o)
{
  return type_interface (o->type, BP_MEMORY_BACKEND_ID);
}

static uint8_t *
host_of (BpObject *o)
{
  return bp_region_ram (table (o)->region (object_instance (o)));
}

static void
check_refused (const char *type, const char *settings, const char *const *parts)
{
  char *message = NULL;
  BpObject *o = make (type, settings, &message);
  ck_assert_msg (!o, "%s: not refused", settings);
  for (; *parts; parts++)
    ck_assert_msg (strstr (message, *parts) != NULL, "`%s` lacks `%s`", message, *parts);
  g_free (message);
}
#define REFUSED(type, settings, ...)                                                                         \
  check_refused (type, settings, (const char *const[]){ __VA_ARGS__, NULL })

/* --- what all share --------------------------------------------------------------------------- */

START_TEST (common)
{
  static const char *const types[] = { "memory-anonymous", "memory-memfd", "memory-file" };
  const char *extra = _i == 2 ? " path=ram create=on" : "";
  char *settings = g_strconcat ("size=3M prealloc=on prealloc-threads=3 dump=off hugepages=on", extra, NULL);
  BpObject *o = make (types[_i], settings, NULL);
  ck_assert_ptr_nonnull (o);
  ck_assert_ptr_nonnull (object_region (o, "ram"));
  ck_assert_ptr_eq (object_region (o, "ram")->region, table (o)->region (object_instance (o)));
  ck_assert_uint_eq (table (o)->size (object_instance (o)), 3 << 20);
  ck_assert_uint_eq (bp_region_size (object_region (o, "ram")->region), 3 << 20);
  uint8_t *host = host_of (o);
  ck_assert_uint_eq ((uintptr_t) host % (2 << 20), 0);          /* huge pages could serve it */
  unsigned char resident[768];
  ck_assert_int_eq (mincore (host, 3 << 20, resident), 0);
  for (unsigned i = 0; i < 768; i++)
    ck_assert (resident[i] & 1);                                /* prealloc */
  ck_assert (host[0] == 0 && host[(3 << 20) - 1] == 0);
  memset (host, 0xa5, 3 << 20);

  BpRegion *root = bp_region_new_container (NULL, "root", UINT64_MAX);
  BpAddressSpace *as = bp_address_space_new (NULL, "memory", root);
  bp_region_add (root, 0, object_region (o, "ram")->region, 0);
  ck_assert_uint_eq (bp_as_load (as, 0x2ffffe, 2), 0xa5a5);
  object_unrealize (o);
  ck_assert_uint_eq (bp_as_load (as, 0x1000, 4), 0xffffffff);   /* gone from the map before its memory went */
  object_free (o);
  bp_address_space_free (as);
  bp_region_free (root);
  g_free (settings);
}
END_TEST

START_TEST (guard_page)
{
  BpObject *o = make ("memory-anonymous", "size=64K", NULL);
  uint8_t *end = host_of (o) + (64 << 10);
  int fds[2];
  ck_assert_int_eq (pipe (fds), 0);
  ck_assert_int_eq (write (fds[1], end - 1, 1), 1);
  ck_assert_int_eq (write (fds[1], end, 1), -1);                /* EFAULT */
  close (fds[0]);
  close (fds[1]);
  object_free (o);
}
END_TEST

START_TEST (refused_sizes)
{
  REFUSED ("memory-anonymous", "merge=off", "size");
  REFUSED ("memory-anonymous", "size=6000", "6000", "multiple", "4096");
  REFUSED ("memory-file", "size=6000 path=ram create=on", "6000", "4096");
  ck_assert (g_access (path, F_OK) != 0);       /* refused before anything was made */
  REFUSED ("memory-anonymous", "size=127T prealloc=off", "cannot get", "memory");
  REFUSED ("memory-anonymous", "size=1K", "size");
  REFUSED ("memory-memfd", "size=2M hugetlb-size=2M", "hugetlb is off");
  REFUSED ("memory-memfd", "size=6M hugetlb=on hugetlb-size=3M", "power of two");
  REFUSED ("memory-memfd", "size=1M hugetlb=on hugetlb-size=2M", "");   /* no such pages */
}
END_TEST

START_TEST (every_property_has_help)
{
  for (const BpTypeDesc *const *t = bp_plugin_query ()->types; *t; t++) {
    GArray *rows = type_properties (*t);
    ck_assert_uint_ge (rows->len, 7);
    for (unsigned i = 0; i < rows->len; i++)
      ck_assert (g_array_index (rows, BpProperty, i).help && *g_array_index (rows, BpProperty, i).help);
    g_array_unref (rows);
  }
}
END_TEST

/* --- files ------------------------------------------------------------------------------------ */

static void
write_file (size_t size, char byte)
{
  char *data = g_strnfill (size, byte);
  ck_assert (g_file_set_contents (path, data, (gssize) size, NULL));
  g_free (data);
}

static char
byte_of_file (size_t at)
{
  char *data = NULL;
  size_t size;
  ck_assert (g_file_get_contents (path, &data, &size, NULL));
  ck_assert_uint_lt (at, size);
  char byte = data[at];
  g_free (data);
  return byte;
}

START_TEST (file_shared_and_private)
{
  write_file (0x6000, 'a');
  BpObject *o = make ("memory-file", "size=16K offset=4K path=ram", NULL);
  ck_assert_ptr_nonnull (o);
  ck_assert_int_ge (table (o)->fd (object_instance (o)), 0);
  host_of (o)[1] = 'b';
  object_free (o);
  ck_assert (byte_of_file (0x1001) == 'b' && byte_of_file (0x1002) == 'a');
  o = make ("memory-file", "size=16K path=ram share=off", NULL);
  ck_assert_int_eq (table (o)->fd (object_instance (o)), -1);
  ck_assert_uint_eq (host_of (o)[0x1001], 'b');
  host_of (o)[1] = 'c';
  object_free (o);
  ck_assert_int_eq (byte_of_file (1), 'a');
}
END_TEST

START_TEST (file_readonly)
{
  write_file (0x4000, 'a');
  ck_assert_int_eq (g_chmod (path, 0400), 0);
  if (geteuid () != 0)          /* root may write anything */
    REFUSED ("memory-file", "size=16K path=ram", "cannot be written", "readonly = on");
  BpObject *o = make ("memory-file", "size=16K path=ram readonly=on", NULL);
  ck_assert_ptr_nonnull (o);
  BpRegion *root = bp_region_new_container (NULL, "root", UINT64_MAX);
  BpAddressSpace *as = bp_address_space_new (NULL, "memory", root);
  bp_region_add (root, 0, object_region (o, "ram")->region, 0);
  bp_as_store (as, 0, 'x', 1);
  ck_assert_uint_eq (bp_as_load (as, 0, 1), 'a');
  ck_assert (bp_as_write_rom (as, 0, "y", 1));  /* into the machine's copy */
  ck_assert_uint_eq (bp_as_load (as, 0, 1), 'y');
  object_free (o);
  bp_address_space_free (as);
  bp_region_free (root);
  ck_assert_int_eq (byte_of_file (0), 'a');
  REFUSED ("memory-file", "size=16K path=ram readonly=on create=on", "exclude");
}
END_TEST

START_TEST (file_create_and_lengthen)
{
  REFUSED ("memory-file", "size=8K path=ram", "does not exist", "create = on", path);
  BpObject *o = make ("memory-file", "size=8K path=ram create=on", NULL);
  ck_assert_ptr_nonnull (o);
  host_of (o)[8191] = 'z';
  object_free (o);
  ck_assert_int_eq (byte_of_file (8191), 'z');
  REFUSED ("memory-file", "size=12K path=ram", "8192 bytes long", "12288");
  REFUSED ("memory-file", "size=8K offset=4K path=ram", "offset 4096", "8192", "12288");
  o = make ("memory-file", "size=12K path=ram create=on prealloc=on", NULL);
  ck_assert_uint_eq (host_of (o)[8191], 'z');
  object_free (o);
  REFUSED ("memory-file", "size=4K offset=100 path=ram", "offset is 100");
  REFUSED ("memory-file", "size=4K path=.", "");
  REFUSED ("memory-file", "size=4K path=none/such create=on", "cannot create", "none/such");
}
END_TEST

/* As `backplane check' does: nothing is left of it. */
START_TEST (file_that_is_only_looked_at)
{
  for (unsigned i = 0; i < 2; i++) {    /* there is none; there is a short one */
    BpObject *o = object_new (find_type ("memory-file"), "ram", NULL);
    struct stat st;
    ck_assert (object_set (o, "path", "ram", directory, NULL) && object_set (o, "size", "8K", NULL, NULL) && object_set (o, "create", "on", NULL, NULL));
    if (i)
      ck_assert (g_file_set_contents (path, "short", -1, NULL));
    ck_assert (object_configure (o, NULL));
    ck_assert (stat (path, &st) == 0 && st.st_size == 8192);
    object_free (o);
    ck_assert_int_eq (stat (path, &st), i ? 0 : -1);
    ck_assert (!i || st.st_size == 5);
  }
}
END_TEST

/* --- memfd ------------------------------------------------------------------------------------ */

START_TEST (memfd_is_shared_and_sealed)
{
  BpObject *o = make ("memory-memfd", "size=64K", NULL);
  int fd = table (o)->fd (object_instance (o));
  ck_assert_int_ge (fd, 0);
  uint8_t *other = mmap (NULL, 64 << 10, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ck_assert (other != MAP_FAILED);
  other[5] = 0x42;
  ck_assert_uint_eq (host_of (o)[5], 0x42);
  munmap (other, 64 << 10);
  ck_assert_int_eq (ftruncate (fd, 0), -1);
  object_free (o);
  o = make ("memory-memfd", "size=64K seal=off share=off", NULL);
  ck_assert_int_eq (table (o)->fd (object_instance (o)), -1);
  object_free (o);
}
END_TEST

/* --- hints, and what the host says of them -------------------------------------------------------- */

/* VmFlags of the mapping at `host', as " rd wr ... ". */
static char *
flags_of (const void *host)
{
  g_autofree char *all = NULL, *start = g_strdup_printf ("\n%lx-", (unsigned long) (uintptr_t) host);
  ck_assert (g_file_get_contents ("/proc/self/smaps", &all, NULL, NULL));
  const char *mapping = strstr (all, start), *flags = mapping ? strstr (mapping, "\nVmFlags:") : NULL;
  ck_assert_ptr_nonnull (flags);
  flags += strlen ("\nVmFlags:");
  return g_strndup (flags, strcspn (flags, "\n"));
}

/* dd: not in core dumps; mg: KSM; hg, nh: huge pages or none. */
START_TEST (hints)
{
  static const struct { const char *settings, *flag; bool set; } cases[] = {
    { "size=4M dump=off", " dd ", true }, { "size=4M", " dd ", false }, { "size=4M merge=on", " mg ", true }, { "size=4M", " mg ", false },
    { "size=4M hugepages=on", " hg ", true }, { "size=4M hugepages=off", " nh ", true }, { "size=4M", " hg ", false },
  };
  BpObject *o = make ("memory-anonymous", cases[_i].settings, NULL);
  ck_assert_ptr_nonnull (o);
  g_autofree char *flags = flags_of (host_of (o));
  bool can = strcmp (cases[_i].flag, " mg ") != 0 || g_access ("/sys/kernel/mm/ksm", F_OK) == 0;
  ck_assert_msg (!can || !!strstr (flags, cases[_i].flag) == cases[_i].set, "%s: %s", cases[_i].settings, flags);
  object_free (o);
}
END_TEST

/* --- given back ------------------------------------------------------------------------------------ */

static bool
is_resident (const void *page)
{
  unsigned char resident;
  ck_assert_int_eq (mincore ((void *) page, 4096, &resident), 0);
  return resident & 1;
}

START_TEST (discarded)
{
  static const struct { const char *type, *settings; bool can; } cases[] = {
    { "memory-anonymous", "size=64K", true }, { "memory-anonymous", "size=64K share=on", true }, { "memory-anonymous", "size=64K prealloc=on", true },
    { "memory-memfd", "size=64K", true }, { "memory-memfd", "size=64K share=off", true }, { "memory-file", "size=64K path=ram create=on", true },
    { "memory-file", "size=64K path=ram share=off", false }, { "memory-file", "size=64K path=ram readonly=on", false },
  };
  g_autofree char *data = g_malloc (64 << 10);
  memset (data, 'f', 64 << 10);
  ck_assert (g_file_set_contents (path, data, 64 << 10, NULL));
  BpObject *o = make (cases[_i].type, cases[_i].settings, NULL);
  ck_assert_ptr_nonnull (o);
  void *self = object_instance (o);
  uint8_t *host = host_of (o);
  memset (host, 'x', 64 << 10);
  ck_assert (!table (o)->discard (self, 0, 68 << 10) && !table (o)->discard (self, 68 << 10, 4096) && !table (o)->discard (self, 4096, UINT64_MAX - 4095));
  ck_assert_int_eq (table (o)->discard (self, 8192, 4096), cases[_i].can);
  if (strcmp (cases[_i].type, "memory-file") != 0)      /* file systems may keep a folio around a hole */
    ck_assert (!is_resident (host + 8192));
  ck_assert_int_eq (host[8192], cases[_i].can ? 0 : 'x');
  ck_assert_int_eq (host[12287], cases[_i].can ? 0 : 'x');
  ck_assert_int_eq (host[8191], 'x');
  ck_assert_int_eq (host[12288], 'x');
  object_free (o);
}
END_TEST

/* A page that went back to the pool would be anybody's. */
START_TEST (discard_keeps_huge_pages)
{
  BpObject *o = make ("memory-memfd", "size=2M hugetlb=on hugetlb-size=2M", NULL);
  if (!o)
    return;                     /* the pool is empty */
  memset (host_of (o), 'x', 4096);
  ck_assert (!table (o)->discard (object_instance (o), 0, 2 << 20));
  ck_assert_int_eq (host_of (o)[0], 'x');
  object_free (o);
}
END_TEST

/* A template's bytes are under it from then on. */
START_TEST (discard_of_a_copy)
{
  write_file (2 << 20, 't');
  int fd = open (path, O_RDONLY);
  BpObject *o = make ("memory-anonymous", "size=2M dump=off", NULL);
  ck_assert (table (o)->map_private (object_instance (o), fd, 0));
  ck_assert_int_eq (host_of (o)[4096], 't');
  ck_assert (!table (o)->discard (object_instance (o), 0, 4096));
  g_autofree char *flags = flags_of (host_of (o));
  ck_assert (strstr (flags, " dd ") != NULL);
  object_free (o);
  close (fd);
}
END_TEST

/* --- holes: what the host has given no memory for ------------------------------------------------------ */

static void
expect_extent (BpObject *o, uint64_t offset, bool hole, uint64_t end)
{
  uint64_t until = 1;
  ck_assert_int_eq (table (o)->is_hole (object_instance (o), offset, &until), hole);
  ck_assert_uint_eq (until, end);
}

START_TEST (holes)
{
  g_autofree char *in_shm = g_strdup_printf ("/dev/shm/backplane-test-%d", (int) getpid ()), *settings = g_strdup_printf ("size=64K offset=8K create=on path=%s", in_shm);
  if (_i && g_access ("/dev/shm", W_OK) != 0)
    return;
  BpObject *o = _i ? make ("memory-file", settings, NULL) : make ("memory-memfd", "size=64K", NULL);
  ck_assert_ptr_nonnull (o);
  ck_assert_uint_eq (table (o)->fd_offset (object_instance (o)), _i ? 8192 : 0);
  expect_extent (o, 0, true, 65536);
  host_of (o)[0x3000] = 1;
  host_of (o)[0x4fff] = 1;
  expect_extent (o, 0, true, 0x3000);
  expect_extent (o, 0x2000, true, 0x3000);
  expect_extent (o, 0x3000, false, 0x5000);
  expect_extent (o, 0x4000, false, 0x5000);
  expect_extent (o, 0x5000, true, 65536);
  expect_extent (o, 65536, false, 65536);
  ck_assert (table (o)->discard (object_instance (o), 0x4000, 4096));
  expect_extent (o, 0x3000, false, 0x4000);
  expect_extent (o, 0x4000, true, 65536);
  object_free (o);
  g_unlink (in_shm);
}
END_TEST

/* What has contents elsewhere than in the file, or in one that may not know them yet, has none. */
START_TEST (no_holes)
{
  static const struct { const char *type, *settings; } cases[] = {
    { "memory-anonymous", "size=64K" }, { "memory-anonymous", "size=64K share=on" }, { "memory-memfd", "size=64K share=off" },
    { "memory-file", "size=64K path=ram create=on share=off" }
  };
  BpObject *o = make (cases[_i].type, cases[_i].settings, NULL);
  ck_assert_ptr_nonnull (o);
  expect_extent (o, 0, false, 65536);
  object_free (o);
}
END_TEST

/* --- allocation ahead of use ------------------------------------------------------------------------- */

static char *
root_with (const char *meminfo, const char *groups, const char *const *rows)
{
  static unsigned n;
  g_autofree char *name = g_strdup_printf ("root%u", n++);
  char *root = g_build_filename (directory, name, NULL);
  struct { const char *path, *text; } files[12] = { { "/proc/meminfo", meminfo }, { "/proc/self/cgroup", groups } };
  for (unsigned i = 2; *rows; i++, rows += 2) {
    files[i].path = rows[0];
    files[i].text = rows[1];
  }
  for (unsigned i = 0; files[i].path; i++) {
    g_autofree char *file = g_strconcat (root, files[i].path, NULL), *folder = g_path_get_dirname (file);
    ck_assert (!files[i].text || (g_mkdir_with_parents (folder, 0700) == 0 && g_file_set_contents (file, files[i].text, -1, NULL)));
  }
  return root;
}

START_TEST (room_of_the_host)
{
  static const char meminfo[] = "MemTotal:       100 kB\nMemAvailable:    80 kB\nSwapFree:         20 kB\n";
  static const struct { const char *meminfo, *groups, *rows[9]; uint64_t bytes; } cases[] = {
    { NULL, NULL, { NULL }, UINT64_MAX },
    { "MemTotal: 100 kB\n", "", { NULL }, UINT64_MAX },
    { meminfo, NULL, { NULL }, 100 << 10 },
    { meminfo, "0::/a/b\n", { "/sys/fs/cgroup/a/b/memory.max", "max\n", "/sys/fs/cgroup/a/b/memory.current", "5000\n", NULL }, 100 << 10 },
    { meminfo, "0::/a/b\n", { "/sys/fs/cgroup/a/memory.max", "50000\n", "/sys/fs/cgroup/a/memory.current", "30000\n",
                               "/sys/fs/cgroup/a/memory.stat", "file 9\ninactive_file 2000\nactive_file 1000\n", NULL }, 23000 },
    { meminfo, "0::/\n", { "/sys/fs/cgroup/memory.max", "50000\n", "/sys/fs/cgroup/memory.current", "60000\n", NULL }, 0 },
    { meminfo, "9:name=x:/\n4:memory:/gone\n0::/\n", { "/sys/fs/cgroup/memory/memory.limit_in_bytes", "7000\n", "/sys/fs/cgroup/memory/memory.usage_in_bytes", "3000\n",
                                                         "/sys/fs/cgroup/memory/memory.stat", "total_inactive_file 5000\n", NULL }, 7000 },
  };
  g_autofree char *root = root_with (cases[_i].meminfo, cases[_i].groups, cases[_i].rows);
  ck_assert_uint_eq (mem_backend_room (root), cases[_i].bytes);
}
END_TEST

/* Nobody is killed, and no page was taken. */
START_TEST (prealloc_of_too_much)
{
  static const char *const types[] = { "memory-anonymous", "memory-memfd" };
  uint64_t most = mem_backend_room ("");
  if (most > UINT64_C (1) << 44)
    return;                     /* this host does not say */
  g_autofree char *settings = g_strdup_printf ("size=%" G_GUINT64_FORMAT "M prealloc=on", (most >> 20) + (most >> 22) + 64);
  REFUSED (types[_i], settings, "prealloc = on takes", "the host can give");
}
END_TEST

START_TEST (prealloc_fills_holes)
{
  struct stat st;
  write_file (0, 0);
  ck_assert_int_eq (truncate (path, 1 << 20), 0);
  BpObject *o = make ("memory-file", "size=1M path=ram prealloc=on", NULL);
  ck_assert_ptr_nonnull (o);
  ck_assert_int_eq (stat (path, &st), 0);
  ck_assert_int_ge (st.st_blocks, (1 << 20) / 512);
  object_free (o);
}
END_TEST

/* What an object that came to nothing did to its file is undone. */
START_TEST (file_is_left_alone)
{
  REFUSED ("memory-file", "size=8K path=ram create=on policy=bind nodes=1023", "1023");
  ck_assert (g_access (path, F_OK) != 0);
  write_file (5000, 'a');
  REFUSED ("memory-file", "size=8K path=ram create=on policy=bind nodes=1023", "1023");
  ck_assert_int_eq (byte_of_file (4999), 'a');
  char *data = NULL;
  size_t size;
  ck_assert (g_file_get_contents (path, &data, &size, NULL));
  ck_assert_uint_eq (size, 5000);
  g_free (data);
}
END_TEST

/* --- NUMA ------------------------------------------------------------------------------------- */

START_TEST (numa_refused)
{
  REFUSED ("memory-anonymous", "size=64K policy=bind", "does not say for which");
  REFUSED ("memory-anonymous", "size=64K nodes=0", "policy is default");
  REFUSED ("memory-anonymous", "size=64K policy=preferred nodes=0-1", "one node");
  REFUSED ("memory-anonymous", "size=64K policy=bind nodes=x", "`x`", "neither a node");
  REFUSED ("memory-anonymous", "size=64K policy=bind nodes=3-1", "`3-1`");
  REFUSED ("memory-anonymous", "size=64K policy=bind nodes=0,1024", "`1024`", "0 to 1023");
  REFUSED ("memory-anonymous", "size=64K policy=bind nodes=1-", "`1-`");
  REFUSED ("memory-anonymous", "size=64K policy=bind nodes=1023", "1023");      /* no host has that one */
  REFUSED ("memory-anonymous", "size=64K policy=nearest nodes=0", "nearest", "interleave");
}
END_TEST

/* What the kernel says of the page is what was asked for; one that knows no nodes has no effect, and says so. */
START_TEST (numa_applied)
{
  static const struct { const char *settings; int mode; } cases[] = {
    { "size=64K policy=bind nodes=0 prealloc=on", 2 }, { "size=64K policy=preferred nodes=0", 1 }, { "size=64K policy=interleave nodes=0-0", 3 }, { "size=64K", 0 }
  };
  BpObject *o = make ("memory-memfd", cases[_i].settings, NULL);
  int mode = -1;
  ck_assert_ptr_nonnull (o);
  host_of (o)[0] = 1;
  if (syscall (SYS_get_mempolicy, &mode, NULL, 0, host_of (o), 2 /* of this address */) == 0)
    ck_assert_int_eq (mode & 0xff, cases[_i].mode);
  object_free (o);
}
END_TEST

/* The pool is empty, or there is none, or it serves. */
START_TEST (huge_pages)
{
  char *message = NULL;
  BpObject *o = make ("memory-memfd", "size=2M hugetlb=on hugetlb-size=2M", &message);
  if (o)
    host_of (o)[0] = 1;
  else
    ck_assert_msg (strstr (message, "1 huge pages of 2M are needed, and 0 are free") || strstr (message, "no huge pages of this size"), "%s", message);
  g_free (message);
  object_free (o);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("mem-backends");
  TCase *tcase = tcase_create ("all");
  tcase_add_checked_fixture (tcase, setup, teardown);
  tcase_add_loop_test (tcase, common, 0, 3);
  tcase_add_test (tcase, guard_page);
  tcase_add_test (tcase, refused_sizes);
  tcase_add_test (tcase, every_property_has_help);
  tcase_add_test (tcase, file_shared_and_private);
  tcase_add_test (tcase, file_readonly);
  tcase_add_test (tcase, file_create_and_lengthen);
  tcase_add_test (tcase, file_that_is_only_looked_at);
  tcase_add_test (tcase, memfd_is_shared_and_sealed);
  tcase_add_loop_test (tcase, hints, 0, 7);
  tcase_add_loop_test (tcase, discarded, 0, 8);
  tcase_add_test (tcase, discard_keeps_huge_pages);
  tcase_add_test (tcase, discard_of_a_copy);
  tcase_add_loop_test (tcase, holes, 0, 2);
  tcase_add_loop_test (tcase, no_holes, 0, 4);
  tcase_add_loop_test (tcase, room_of_the_host, 0, 7);
  tcase_add_loop_test (tcase, prealloc_of_too_much, 0, 2);
  tcase_add_test (tcase, prealloc_fills_holes);
  tcase_add_test (tcase, file_is_left_alone);
  tcase_add_test (tcase, numa_refused);
  tcase_add_loop_test (tcase, numa_applied, 0, 4);
  tcase_add_test (tcase, huge_pages);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}
