/* test-balloon.c -- virtio balloon: pages reach their memory backend, sizes are told, statistics come, whatever a driver says. */
/* SPDX-License-Identifier: MIT */
#include "one-device.h"
#include <backplane/iface/balloon.h>
#include <backplane/iface/memory-backend.h>
#include <backplane/machine.h>
#include <string.h>

/* --- memory that notes what it is given back ------------------------------------------------------ */

enum { SIZE = 1 << 20, AT = 0x1000000 };

typedef struct Giving {
  uint8_t *host;
  BpRegion *region;
  GString *log;
} Giving;

static bool
giving_configure (void *self, GError **error)
{
  Giving *g = self;
  g->log = g_string_new (NULL);
  g->host = g_aligned_alloc0 (1, SIZE, 4096);
  g->region = bp_region_new_ram (self, "ram", g->host, SIZE);
  bp_region_publish (self, g->region, "The memory.");
  return true;
}

static void
giving_unrealize (void *self)
{
  Giving *g = self;
  bp_region_free (g->region);
  g_aligned_free (g->host);
  if (g->log)
    g_string_free (g->log, TRUE);
  g->log = NULL;
  g->host = NULL;
  g->region = NULL;
}

static bool
giving_discard (void *self, uint64_t offset, uint64_t size)
{
  Giving *g = self;
  bp_test_expect (offset % 4096 == 0 && size % 4096 == 0 && offset + size <= SIZE);
  g_string_append_printf (g->log, "%x+%x ", (unsigned) offset, (unsigned) size);
  memset (g->host + offset, 0, size);
  return true;
}

static BpRegion *giving_region (void *self) { return ((Giving *) self)->region; }
static uint64_t giving_size (void *self) { return SIZE; }
static const BpMemoryBackendIface giving_iface = { .struct_size = sizeof giving_iface, .region = giving_region, .size = giving_size, .discard = giving_discard };
static const BpInterfaceDesc giving_interfaces[] = { { BP_MEMORY_BACKEND_ID, &giving_iface }, { NULL, NULL } };
static const BpTypeDesc giving_type = { BP_TYPE ("giving-ram", BP_KIND_MEMORY, Giving), .description = "Memory", .interfaces = giving_interfaces,
                                        .configure = giving_configure, .unrealize = giving_unrealize, .flags = BP_TYPE_HOT_PLUG };

static const char *
given (BpTest *t)
{
  static char text[4096];
  GString *log = ((Giving *) bp_test_object (t, "more"))->log;
  g_strlcpy (text, log->str, sizeof text);
  g_string_truncate (log, 0);
  return text;
}

/* --- machines --------------------------------------------------------------------------------------- */

enum { INFLATE, DEFLATE, STATS, REPORTS, STANDARD_REPORTS, QUEUES };
enum { F_STATS = 2, F_OOM = 4, F_POISON = 16, F_REPORTING = 32 };

static BpTest *
balloon_new (bool packed, const char *keys)
{
  g_autofree char *all = g_strdup_printf ("type = virtio-balloon\n%s", keys);
  return one_device_new (&giving_type, packed, all,
                         "[memory more]\ntype = giving-ram\n[map more]\nregion = more\nat = memory@0x1000000\n");
}

static void
inflate (BpTestVirtio *v, const uint32_t *pages, unsigned n)
{
  bp_test_virtio_call (v, INFLATE, pages, 4 * n, NULL, 0);
}

static const BpBalloonIface *iface (BpTest *t) { return bp_test_interface (t, "d", BP_BALLOON_ID); }
static void note_change (void *user) { ++*(unsigned *) user; }

/* --- tests --------------------------------------------------------------------------------------------- */

BP_TEST (pages_go_to_their_backend)
{
  for (int packed = 0; packed < 2; packed++) {
    BpTest *t = balloon_new (packed, "");
    BpTestVirtio *v = one_device_driver (t);
    const uint32_t falling[] = { 0x1005, 0x1004, 0x1003, 0x1010, 0x1003 }, outside[] = { 0x10ff, 0x1100, 0x1101, 0xfffffffe, 0xffffffff, 0x10000, 3 };
    bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, QUEUES);
    bp_test_store32 (t, AT + 0x4123, 0x12345678);
    inflate (v, falling, 5);
    bp_test_expect_str (given (t), "3000+3000 10000+1000 ");
    bp_test_expect_eq (bp_test_load32 (t, AT + 0x4123), 0);
    inflate (v, outside, 7);
    bp_test_expect_str (given (t), "ff000+1000 ");
    bp_test_virtio_call (v, DEFLATE, falling, sizeof falling, NULL, 0);
    bp_test_virtio_call (v, INFLATE, "abc", 3, NULL, 0);
    bp_test_expect_str (given (t), "");
    bp_test_virtio_free (v);
    bp_test_free (t);
  }
}

BP_TEST (free_pages_are_the_buffer)
{
  BpTest *t = balloon_new (true, "");
  BpTestVirtio *v = one_device_driver (t);
  const BpTestPart parts[] = { { AT + 0x8000, 0x4000 }, { AT + 0x20800, 0x2000 }, { AT + 0x30000, 0x800 } };
  bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, QUEUES);
  for (unsigned queue = REPORTS; queue <= STANDARD_REPORTS; queue++) {
    bp_test_virtio_add (v, queue, parts, 0, 3);
    bp_test_virtio_kick (v, queue);
    bp_test_expect (bp_test_virtio_wait (v, queue, NULL, NULL));
    bp_test_expect_str (given (t), "8000+4000 21000+1000 ");
  }
  bp_test_virtio_set_config (v, 12, 0xaaaaaaaa, 4);     /* they would have to come back filled */
  bp_test_virtio_add (v, REPORTS, parts, 0, 3);
  bp_test_virtio_kick (v, REPORTS);
  bp_test_expect (bp_test_virtio_wait (v, REPORTS, NULL, NULL));
  bp_test_expect_str (given (t), "");
  bp_test_virtio_free (v);
  bp_test_free (t);
}

BP_TEST (sizes)
{
  const uint64_t all = ONE_DEVICE_RAM + SIZE;
  unsigned changes = 0;
  BpTest *t = balloon_new (false, "deflate-on-oom = on\ntarget = 4M\n"), *other = balloon_new (false, "deflate-on-oom = on\n");
  BpTestVirtio *v = one_device_driver (t);
  void *d = bp_test_object (t, "d");
  bp_test_expect (!iface (t)->is_active (d));
  bp_test_expect_eq (bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, QUEUES) & 0xff, F_STATS | F_OOM | F_POISON | F_REPORTING);
  bp_test_expect (iface (t)->is_active (d));
  bp_test_expect_eq (bp_test_virtio_config (v, 0, 4), SIZE >> 12);
  iface (t)->watch (d, note_change, &changes);
  bp_test_virtio_set_config (v, 4, 5, 4);
  bp_test_virtio_set_config (v, 4, 6, 4);
  bp_test_iterate (t);
  bp_test_expect_eq (changes, 1);
  bp_test_expect_eq (iface (t)->actual (d), all - 6 * 4096);
  bp_test_virtio_set_config (v, 4, 0xffffffff, 4);
  bp_test_expect_eq (iface (t)->actual (d), 0);
  bp_test_virtio_set_config (v, 4, 7, 4);
  bp_test_copy (t, other);
  bp_test_expect_eq (iface (other)->actual (bp_test_object (other, "d")), all - 7 * 4096);
  g_autofree char *target = bp_object_get (bp_test_object (other, "d"), "target", NULL);
  bp_test_expect_str (target, "4M");
  BpTestVirtio *w = one_device_driver (other);
  bp_test_expect_eq (bp_test_virtio_config (w, 0, 4), SIZE >> 12);      /* it asks for no more and no less than before */
  bp_test_virtio_free (w);
  bp_test_virtio_interrupts (v, -1);
  bp_machine_lock (bp_test_machine (t));
  iface (t)->set_target (d, all - 8192);
  bp_machine_unlock (bp_test_machine (t));
  bp_test_expect_eq (bp_test_virtio_interrupts (v, -1), 1);
  bp_test_expect_eq (bp_test_virtio_config (v, 0, 4), 2);
  iface (t)->watch (d, NULL, NULL);
  bp_test_virtio_free (v);
  bp_test_free (t);
  bp_test_free (other);
}

/* RAM that the guest finds counts, and nothing else; a module that comes or goes changes nothing of what is to be given. */
BP_TEST (memory_joins)
{
  const BpObjectKey nowhere[] = { { "type", "giving-ram" }, { NULL, NULL } }, mapped[] = { { "type", "giving-ram" }, { "ram", "memory@0x2000000" }, { NULL, NULL } };
  BpTest *t = balloon_new (false, "");
  BpTestVirtio *v = one_device_driver (t);
  BpMachine *machine = bp_test_machine (t);
  void *d = bp_test_object (t, "d");
  const uint64_t all = ONE_DEVICE_RAM + SIZE, wanted = (all - (2 << 20)) >> 12;
  bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, QUEUES);
  bp_test_expect_eq (iface (t)->actual (d), all);
  bp_test_expect (bp_machine_add_object (machine, "memory", "m0", nowhere, NULL) != NULL);
  bp_test_expect_eq (iface (t)->actual (d), all);
  bp_test_expect (bp_object_set (d, "target", "2M", NULL));
  bp_test_expect_eq (bp_test_virtio_config (v, 0, 4), wanted);
  bp_test_expect (bp_machine_add_object (machine, "memory", "m1", mapped, NULL) != NULL);
  bp_test_expect_eq (iface (t)->actual (d), all + SIZE);
  bp_test_expect_eq (bp_test_virtio_config (v, 0, 4), wanted);
  g_autofree char *more = bp_object_get (d, "target", NULL);
  bp_test_expect_str (more, "3M");
  bp_test_expect_eq (bp_machine_remove_object (machine, "m1", NULL), BP_REMOVAL_NOW);
  bp_test_expect_eq (iface (t)->actual (d), all);
  bp_test_expect_eq (bp_test_virtio_config (v, 0, 4), wanted);
  g_autofree char *less = bp_object_get (d, "target", NULL);
  bp_test_expect_str (less, "2M");
  bp_test_reset (t, BP_RESET_WARM);
  bp_test_expect_eq (bp_test_virtio_config (v, 0, 4), wanted);
  bp_test_virtio_free (v);
  bp_test_free (t);
}

BP_TEST (statistics)
{
  BpTest *t = balloon_new (false, "statistics-interval = 2\n");
  BpTestVirtio *v = one_device_driver (t);
  void *d = bp_test_object (t, "d");
  BpBalloonNumber numbers[16];
  int64_t told;
  /* free memory, an unknown tag, half a row */
  const uint8_t rows[] = { 4, 0, 0x78, 0x56, 0, 0, 0, 0, 0, 0, 0x99, 0x99, 1, 2, 3, 4, 5, 6, 7, 8, 5, 0, 1 };
  bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, QUEUES);
  bp_test_expect_eq (iface (t)->statistics (d, numbers, 16, &told), 10);
  bp_test_expect_eq (told, 0);
  for (unsigned round = 0; round < 3; round++) {
    one_device_send (v, STATS, rows, sizeof rows);
    bp_test_iterate (t);
    bp_test_expect (!bp_test_virtio_take (v, STATS, NULL, NULL));
    bp_test_expect_eq (iface (t)->statistics (d, numbers, 5, &told), 5);
    bp_test_expect (told != 0);
    bp_test_expect_str (numbers[4].name, "stat-free-memory");
    bp_test_expect_eq (numbers[4].value, 0x5678);
    bp_test_expect_eq (numbers[3].value, UINT64_MAX);
    bp_test_expect (bp_test_virtio_wait (v, STATS, NULL, NULL));
  }
  bp_test_virtio_free (v);
  bp_test_free (t);
}

BP_TEST (drivers_that_lie)
{
  BpTest *t = balloon_new (false, "free-page-reporting = off\n");
  BpTestVirtio *v = one_device_driver (t);
  bp_test_keep_log ("guest_errors");
  bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, QUEUES);
  one_device_offer (v, REPORTS, 8);
  one_device_offer (v, INFLATE, 8);
  bp_test_expect (bp_test_virtio_wait (v, INFLATE, NULL, NULL));
  bp_test_virtio_set_config (v, 0, 1, 4);
  BpTestPart parts[20];
  for (unsigned i = 0; i < BP_N_ELEMENTS (parts); i++)
    parts[i] = (BpTestPart) { AT, 0x20000 };
  bp_test_virtio_add (v, INFLATE, parts, 20, 0);
  bp_test_virtio_kick (v, INFLATE);
  bp_test_iterate (t);
  bp_test_expect_eq (bp_test_virtio_status (v) & 0x40, 0x40);
  g_autofree char *log = bp_test_take_log ();
  bp_test_expect_has (log, "where nothing can be written");
  bp_test_expect_has (log, "more pages in one buffer");
  bp_test_virtio_free (v);
  bp_test_free (t);
}

BP_TEST_MAIN ("virtio balloon", &pages_go_to_their_backend, &free_pages_are_the_buffer, &sizes, &memory_joins, &statistics, &drivers_that_lie)
