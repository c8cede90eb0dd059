/* test-memory-doorbell.c -- writes that signal an eventfd: which, where they are shown, and when they are gone; late writes. */
/* SPDX-License-Identifier: MIT */
#include "machine.h"
#include "memory.h"
#include "../suite.h"
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

typedef struct Device {
  unsigned writes;
  uint64_t value;
} Device;

static uint64_t
device_read (void *self, uint64_t offset, unsigned size)
{
  return 0x5a;
}

static void
device_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Device *d = self;
  __atomic_add_fetch (&d->writes, 1, __ATOMIC_RELAXED);
  d->value = value;
}

static const BpRegionOps ops = BP_REGION_OPS (.read = device_read, .write = device_write);
static const BpTypeDesc device_type = { BP_TYPE ("test-device", BP_KIND_DEVICE, Device), .description = "counts writes" };

static BpMachine machine;
static BpObject *object;
static Device *device;
static BpRegion *root, *region;
static BpAddressSpace *as;
static int fds[4];

static void
setup (void)
{
  memset (&machine, 0, sizeof machine);
  g_rec_mutex_init (&machine.lock);
  object = object_new (&device_type, "dev", &machine);
  device = object_instance (object);
  root = bp_region_new_container (NULL, "root", UINT64_MAX);
  as = bp_address_space_new (&machine, "memory", root);
  region = bp_region_new_io (device, "regs", &ops, 0x100);
  bp_region_add (root, 0x1000, region, 0);
  for (unsigned i = 0; i < G_N_ELEMENTS (fds); i++)
    fds[i] = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC);
}

static void
teardown (void)
{
  bp_region_free (region);
  region = NULL;
  bp_address_space_free (as);
  bp_region_free (root);
  object_free (object);
  g_rec_mutex_clear (&machine.lock);
  for (unsigned i = 0; i < G_N_ELEMENTS (fds); i++)
    close (fds[i]);
}

static unsigned
rings (int fd)
{
  uint64_t n = 0;
  return read (fd, &n, sizeof n) == sizeof n ? (unsigned) n : 0;
}

static BpDoorbell
bell (uint64_t offset, unsigned size, int fd)
{
  return (BpDoorbell) { .struct_size = sizeof (BpDoorbell), .offset = offset, .size = size, .fd = fd };
}

/* --- the dispatcher --------------------------------------------------------------------------- */

START_TEST (rings_instead_of_a_call)
{
  BpDoorbell b = bell (0x10, 2, fds[0]);
  bp_region_add_doorbell (region, &b);
  bp_as_store (as, 0x1010, 7, 2);
  bp_as_store (as, 0x1010, 8, 2);
  ck_assert_uint_eq (device->writes, 0);
  ck_assert_uint_eq (rings (fds[0]), 2);
  bp_as_store (as, 0x1010, 7, 4);       /* another size, and other places */
  bp_as_store (as, 0x100f, 7, 1);
  bp_as_store (as, 0x1012, 7, 2);
  ck_assert_uint_eq (device->writes, 3);
  ck_assert_uint_eq (rings (fds[0]), 0);
  ck_assert_uint_eq (bp_as_load (as, 0x1010, 1), 0x5a); /* reads go to the region */
  bp_as_write (as, 0x1010, "\1", 2);    /* a device's write is one like the guest's */
  ck_assert_uint_eq (rings (fds[0]), 1);
  const BpFlatRange *range = bp_as_lookup (as, 0x1010);
  bp_region_dispatch_write (range->region, 0x10, 0xff0003, 2);
  bp_as_leave (as);
  ck_assert_uint_eq (rings (fds[0]), 1);
  bp_region_remove_doorbell (region, &b);
  bp_as_store (as, 0x1010, 7, 2);
  ck_assert_uint_eq (device->writes, 4);
  ck_assert_uint_eq (rings (fds[0]), 0);
}
END_TEST

START_TEST (any_size_and_values)
{
  BpDoorbell any = bell (0x20, 0, fds[0]), three = bell (0x30, 4, fds[1]), four = three, wide = bell (0x30, 8, fds[3]);
  three.match = four.match = true;
  three.value = 3;
  four.value = UINT64_C (0xffffffff00000004);   /* beyond its size nothing counts */
  four.fd = fds[2];
  bp_region_add_doorbell (region, &wide);
  bp_region_add_doorbell (region, &four);
  bp_region_add_doorbell (region, &any);
  bp_region_add_doorbell (region, &three);
  for (unsigned size = 1; size <= 8; size *= 2)
    bp_as_store (as, 0x1020, size, size);
  ck_assert_uint_eq (rings (fds[0]), 4);
  bp_as_store (as, 0x1030, 3, 4);
  bp_as_store (as, 0x1030, 4, 4);
  bp_as_store (as, 0x1030, 4, 4);
  bp_as_store (as, 0x1030, 3, 8);
  ck_assert_uint_eq (rings (fds[1]), 1);
  ck_assert_uint_eq (rings (fds[2]), 2);
  ck_assert_uint_eq (rings (fds[3]), 1);
  ck_assert_uint_eq (device->writes, 0);
  bp_as_store (as, 0x1030, 5, 4);
  ck_assert_uint_eq (device->writes, 1);
  ck_assert_uint_eq (device->value, 5);
}
END_TEST

/* The value is what the callback would have got. */
START_TEST (big_endian)
{
  static const BpRegionOps big = BP_REGION_OPS (.read = device_read, .write = device_write, .endian = BP_BIG_ENDIAN);
  BpRegion *r = bp_region_new_io (device, "big", &big, 0x10);
  BpDoorbell b = bell (4, 2, fds[0]);
  bp_region_add (root, 0x2000, r, 0);
  bp_as_store (as, 0x2004, 0x0102, 2);
  b.match = true;
  b.value = device->value;
  ck_assert_uint_eq (b.value, 0x0201);
  bp_region_add_doorbell (r, &b);
  bp_as_store (as, 0x2004, 0x0102, 2);
  bp_as_store (as, 0x2004, 0x0201, 2);
  ck_assert_uint_eq (device->writes, 2);
  ck_assert_uint_eq (rings (fds[0]), 1);
  bp_region_free (r);
}
END_TEST

/* --- listeners -------------------------------------------------------------------------------- */

static GString *heard;

static void heard_begin (void *user) { g_string_append (heard, "("); }

static void heard_commit (void *user) { g_string_append (heard, ")"); }

static void
heard_range (const char *what, const BpFlatRange *r)
{
  g_string_append_printf (heard, "%s%x+%x%s ", what, (unsigned) r->address, (unsigned) r->size, r->late_writes ? "L" : "");
}

static void heard_add (void *user, const BpFlatRange *r) { heard_range ("+", r); }

static void heard_remove (void *user, const BpFlatRange *r) { heard_range ("-", r); }

static void
heard_bell (const char *what, uint64_t address, const BpDoorbell *b)
{
  unsigned n = 0;
  while (fds[n] != b->fd)
    n++;
  ck_assert_uint_eq (b->struct_size, sizeof *b);
  g_string_append_printf (heard, "%sbell%u@%x", what, n, (unsigned) address);
  if (b->match)
    g_string_append_printf (heard, "=%x", (unsigned) b->value);
  g_string_append_c (heard, ' ');
}

static void heard_bell_add (void *user, uint64_t address, const BpDoorbell *b) { heard_bell ("+", address, b); }

static void heard_bell_remove (void *user, uint64_t address, const BpDoorbell *b) { heard_bell ("-", address, b); }

static const BpMemoryListener listener = {
  .struct_size = sizeof listener, .begin = heard_begin, .add = heard_add, .remove = heard_remove, .commit = heard_commit,
  .doorbell_add = heard_bell_add, .doorbell_remove = heard_bell_remove
};

static void
check_heard (const char *expected)
{
  ck_assert_str_eq (heard->str, expected);
  g_string_truncate (heard, 0);
}

START_TEST (listeners_follow)
{
  heard = g_string_new (NULL);
  BpDoorbell a = bell (0x10, 2, fds[0]), b = bell (0x10, 2, fds[1]), c = bell (0x40, 0, fds[2]);
  a.match = b.match = true;
  a.value = 5;
  b.value = 6;
  bp_region_add_doorbell (region, &b);
  unsigned number = bp_as_listen (as, &listener, NULL);
  check_heard ("(+1000+100 +bell1@1010=6 )");
  bp_region_add_doorbell (region, &a);
  check_heard ("(+bell0@1010=5 )");
  bp_memory_begin ();
  bp_region_add_doorbell (region, &c);
  bp_region_remove_doorbell (region, &a);
  check_heard ("");
  bp_memory_commit ();
  check_heard ("(-bell0@1010=5 +bell2@1040 )");
  bp_region_set_offset (region, 0x3000);
  check_heard ("(-1000+100 +3000+100 -bell1@1010=6 -bell2@1040 +bell1@3010=6 +bell2@3040 )");
  bp_region_set_enabled (region, false);
  check_heard ("(-3000+100 -bell1@3010=6 -bell2@3040 )");
  bp_region_set_enabled (region, true);
  check_heard ("(+3000+100 +bell1@3010=6 +bell2@3040 )");
  bp_region_free (region);
  region = NULL;
  check_heard ("(-3000+100 -bell1@3010=6 -bell2@3040 )");
  bp_as_unlisten (as, number);
  g_string_free (heard, TRUE);
}
END_TEST

/* An alias shows them again; what lies over a part of one hides it, for such a write is split. */
START_TEST (aliases_and_covers)
{
  heard = g_string_new (NULL);
  BpDoorbell b = bell (0x10, 4, fds[0]);
  bp_region_add_doorbell (region, &b);
  BpRegion *alias = bp_region_new_alias (NULL, "alias", region, 0x8, 0x20);
  BpRegion *cover = bp_region_new_reserved (NULL, "cover", 2);
  bp_region_add (root, 0x5000, alias, 0);
  unsigned number = bp_as_listen (as, &listener, NULL);
  check_heard ("(+1000+100 +5000+20 +bell0@1010 +bell0@5008 )");
  bp_as_store (as, 0x5008, 1, 4);
  ck_assert_uint_eq (rings (fds[0]), 1);
  bp_region_add (root, 0x1012, cover, 1);
  check_heard ("(-1000+100 +1000+12 +1012+2 +1014+ec -bell0@1010 )");
  bp_region_remove (cover);
  check_heard ("(-1000+12 -1012+2 -1014+ec +1000+100 +bell0@1010 )");
  bp_as_unlisten (as, number);
  bp_region_free (cover);
  bp_region_free (alias);
  g_string_free (heard, TRUE);
}
END_TEST

/* A listener of the first release's size knows nothing of doorbells. */
START_TEST (short_listener)
{
  heard = g_string_new (NULL);
  BpMemoryListener short_one = listener;
  short_one.struct_size = offsetof (BpMemoryListener, doorbell_add);
  BpDoorbell b = bell (0x10, 4, fds[0]);
  unsigned number = bp_as_listen (as, &short_one, NULL);
  check_heard ("(+1000+100 )");
  bp_region_add_doorbell (region, &b);
  check_heard ("()");
  bp_as_unlisten (as, number);
  g_string_free (heard, TRUE);
}
END_TEST

/* --- late writes ------------------------------------------------------------------------------ */

START_TEST (late_ranges)
{
  static const BpRegionOps late = BP_REGION_OPS (.flags = BP_REGION_OPS_LATE_WRITES, .write = device_write);
  static const BpRegionOps narrow = BP_REGION_OPS (.flags = BP_REGION_OPS_LATE_WRITES, .write = device_write, .access_max = 4);
  heard = g_string_new (NULL);
  BpRegion *a = bp_region_new_io (device, "a", &late, 0x10), *b = bp_region_new_io (device, "b", &narrow, 0x10);
  bp_region_add (root, 0x2000, a, 0);
  bp_region_add (root, 0x2010, b, 0);
  unsigned number = bp_as_listen (as, &listener, NULL);
  check_heard ("(+1000+100 +2000+10L +2010+10 )");
  BpDoorbell bell_a = bell (0, 4, fds[0]);
  bp_region_add_doorbell (a, &bell_a);          /* it could not ring in time */
  check_heard ("(-2000+10L +2000+10 +bell0@2000 )");
  bp_region_remove_doorbell (a, &bell_a);
  check_heard ("(-2000+10 +2000+10L -bell0@2000 )");
  bp_as_unlisten (as, number);
  bp_region_free (a);
  bp_region_free (b);
  g_string_free (heard, TRUE);
}
END_TEST

static unsigned n_flushed;

static void flush (void *self) { n_flushed++; }

START_TEST (flush_writes)
{
  static const BpAccelIface without = { .struct_size = offsetof (BpAccelIface, flush_writes) }, with = { .struct_size = sizeof with, .flush_writes = flush };
  bp_memory_flush_writes (&machine);
  machine.accel = object;
  machine.accel_iface = &without;
  bp_memory_flush_writes (&machine);
  machine.accel_iface = &with;
  bp_memory_flush_writes (&machine);
  ck_assert_uint_eq (n_flushed, 1);
}
END_TEST

/* --- threads ---------------------------------------------------------------------------------- */

static void *
store_forever (void *stop)
{
  unsigned n = 0;
  for (; !__atomic_load_n ((int *) stop, __ATOMIC_RELAXED); n++)
    bp_as_store (as, 0x1010, n & 3, 4);
  return GUINT_TO_POINTER (n);
}

/* Each write is a ring or a call; once a doorbell is removed, its eventfd is not signalled. */
START_TEST (come_and_go_while_written)
{
  int stop = 0;
  uint64_t rung = 0;
  GThread *threads[2];
  for (unsigned i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("writer", store_forever, &stop);
  for (unsigned i = 0; i < 2000; i++) {
    BpDoorbell b = bell (0x10, 4, fds[i % 4]);
    b.match = i & 1;
    b.value = i & 3;
    bp_region_add_doorbell (region, &b);
    if (i % 16 == 0)
      g_thread_yield ();
    bp_region_remove_doorbell (region, &b);
    rung += rings (b.fd);
    ck_assert_uint_eq (rings (b.fd), 0);
  }
  __atomic_store_n (&stop, 1, __ATOMIC_RELAXED);
  uint64_t n = 0;
  for (unsigned i = 0; i < G_N_ELEMENTS (threads); i++)
    n += GPOINTER_TO_UINT (g_thread_join (threads[i]));
  ck_assert_uint_eq (rung + device->writes, n);
}
END_TEST

int
main (void)
{
  Suite *s = suite_create ("memory-doorbell");
  TCase *c = tcase_create ("doorbells");
  tcase_set_timeout (c, 60);
  tcase_add_checked_fixture (c, setup, teardown);
  tcase_add_test (c, rings_instead_of_a_call);
  tcase_add_test (c, any_size_and_values);
  tcase_add_test (c, big_endian);
  tcase_add_test (c, listeners_follow);
  tcase_add_test (c, aliases_and_covers);
  tcase_add_test (c, short_listener);
  tcase_add_test (c, late_ranges);
  tcase_add_test (c, flush_writes);
  tcase_add_test (c, come_and_go_while_written);
  suite_add_tcase (s, c);
  return suite_run (s);
}
