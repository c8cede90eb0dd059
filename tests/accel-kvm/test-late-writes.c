/* test-late-writes.c -- writes that a kernel which is a list keeps: their order, whose they are when the map changes, who waits for them; needs no /dev/kvm. */
/* SPDX-License-Identifier: MIT */
#include "accel-kvm/kvm.h"
#include "machine.h"
#include "memory.h"
#include "../suite.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 4096, RING_PAGE = 2, N_ENTRIES = (PAGE - sizeof (struct kvm_coalesced_mmio_ring)) / sizeof (struct kvm_coalesced_mmio) };

/* --- the kernel ------------------------------------------------------------------------------ */

static uint8_t run_area[(RING_PAGE + 1) * PAGE] __attribute__ ((aligned (PAGE)));
static struct kvm_coalesced_mmio_ring *const ring = (void *) (run_area + RING_PAGE * PAGE);
static struct kvm_coalesced_mmio_zone zones[8];
static unsigned n_zones;
static bool has_ports;

static bool
is_zone (const struct kvm_coalesced_mmio_zone *a, uint64_t address, bool is_port)
{
  return address >= a->addr && address - a->addr < a->size && is_port == (a->pio != 0);
}

int
kvm_ioctl (int fd, unsigned long request, const void *argument)
{
  const struct kvm_coalesced_mmio_zone *z = argument;
  if (request == KVM_REGISTER_COALESCED_MMIO) {
    ck_assert_uint_lt (n_zones, G_N_ELEMENTS (zones));
    zones[n_zones++] = *z;
    return 0;
  }
  ck_assert (request == KVM_UNREGISTER_COALESCED_MMIO);
  for (unsigned i = 0; i < n_zones; i++)
    if (zones[i].addr == z->addr && zones[i].size == z->size && zones[i].pio == z->pio) {
      zones[i] = zones[--n_zones];
      return 0;
    }
  ck_abort_msg ("no such zone");
}

int
kvm_has (const Kvm *k, int capability)
{
  return capability == KVM_CAP_COALESCED_MMIO ? RING_PAGE : has_ports;
}

static void
guest_writes_to (bool is_port, uint64_t address, const char *bytes)
{
  struct kvm_coalesced_mmio *w = &ring->coalesced_mmio[ring->last];
  unsigned i = 0;
  while (i < n_zones && !is_zone (&zones[i], address, is_port))
    i++;
  ck_assert_uint_lt (i, n_zones);
  w->phys_addr = address;
  w->len = (uint32_t) strlen (bytes);
  w->pio = is_port;
  memcpy (w->data, bytes, w->len);
  __atomic_store_n (&ring->last, (ring->last + 1) % N_ENTRIES, __ATOMIC_RELEASE);
}

static void guest_writes (uint64_t address, const char *bytes) { guest_writes_to (false, address, bytes); }

/* --- devices ----------------------------------------------------------------------------------- */

typedef struct Device {
  char name;
  bool flushes;                 /* asks for what was written, as it is written to */
  int is_slow, is_in, is_out;   /* atomic */
} Device;

static BpMachine machine;
static Kvm *k;
static KvmVcpu vcpu;
static Device *device[2];
static BpRegion *root, *io_root, *region[2];
static GString *heard;

static void
device_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Device *d = self;
  g_string_append_printf (heard, "%c%x:", d->name, (unsigned) offset);
  for (unsigned i = 0; i < size; i++)
    g_string_append_c (heard, (char) (value >> 8 * i));
  g_string_append_c (heard, ' ');
  if (d->flushes)
    kvm_late_flush (k);
  if (__atomic_load_n (&d->is_slow, __ATOMIC_SEQ_CST)) {
    __atomic_store_n (&d->is_in, 1, __ATOMIC_SEQ_CST);
    g_usleep (100000);
    __atomic_store_n (&d->is_out, 1, __ATOMIC_SEQ_CST);
  }
}

static const BpRegionOps late_ops = BP_REGION_OPS (.flags = BP_REGION_OPS_LATE_WRITES | BP_REGION_OPS_UNALIGNED, .write = device_write, .impl_max = 8);
static const BpTypeDesc device_type = { BP_TYPE ("test-device", BP_KIND_DEVICE, Device), .description = "writes down what is written" };
static const BpTypeDesc kvm_type = { BP_TYPE ("test-kvm", BP_KIND_DEVICE, Kvm), .description = "the accelerator" };

static void
setup (void)
{
  memset (run_area, 0, sizeof run_area);
  n_zones = 0;
  memset (&machine, 0, sizeof machine);
  g_rec_mutex_init (&machine.lock);
  heard = g_string_new (NULL);
  root = bp_region_new_container (NULL, "root", UINT64_MAX);
  io_root = bp_region_new_container (NULL, "io", 0x10000);
  for (unsigned i = 0; i < 2; i++) {
    device[i] = object_instance (object_new (&device_type, i ? "b" : "a", &machine));
    device[i]->name = "ab"[i];
    region[i] = bp_region_new_io (device[i], "late", &late_ops, 0x100);
    bp_region_add (root, 0x1000 * (i + 1), region[i], 0);
  }
  k = object_instance (object_new (&kvm_type, "kvm", &machine));
  k->memory = bp_address_space_new (&machine, "memory", root);
  k->io = bp_address_space_new (&machine, "io", io_root);
  k->vcpus = g_ptr_array_new ();
  vcpu = (KvmVcpu) { .kvm = k, .run = (void *) run_area, .run_size = sizeof run_area };
  kvm_late_init (k);
  kvm_late_map (&vcpu);
}

static void
teardown (void)
{
  kvm_late_unmap (&vcpu);
  ck_assert_ptr_null (k->late);
  kvm_late_finish (k);
  ck_assert_uint_eq (memory_n_listeners (&machine), 0);
  bp_address_space_free (k->memory);
  bp_address_space_free (k->io);
  g_ptr_array_unref (k->vcpus);
  object_free (object_of (k));
  for (unsigned i = 0; i < 2; i++) {
    if (region[i])
      bp_region_free (region[i]);
    object_free (object_of (device[i]));
  }
  bp_region_free (root);
  bp_region_free (io_root);
  g_string_free (heard, TRUE);
  g_rec_mutex_clear (&machine.lock);
  has_ports = false;
}

static void
check_heard (const char *expected)
{
  ck_assert_str_eq (heard->str, expected);
  g_string_truncate (heard, 0);
}

/* --- tests --------------------------------------------------------------------------------------- */

START_TEST (in_order)
{
  kvm_late_flush (k);
  check_heard ("");
  guest_writes (0x1000, "AB");
  guest_writes (0x2004, "CDEF");
  guest_writes (0x1001, "xyz");         /* a part of an access across two pages */
  guest_writes (0x2008, "12345678");
  check_heard ("");
  kvm_late_flush (k);
  check_heard ("a0:AB b4:CDEF a1:x a2:yz b8:12345678 ");
  for (unsigned i = 0; i < 1000; i++) {         /* more than the ring holds, in turns */
    guest_writes (0x1000 + i % 0x100, "q");
    kvm_late_flush (k);
  }
  ck_assert_uint_eq (ring->first, ring->last);
}
END_TEST

/* They change places at once: what is in the ring is for where they were. */
START_TEST (two_that_change_places)
{
  guest_writes (0x1010, "one");
  guest_writes (0x2020, "two.");
  guest_writes (0x1030, "3");
  bp_memory_begin ();
  bp_region_set_offset (region[0], 0x2000);
  bp_region_set_offset (region[1], 0x1000);
  check_heard ("");
  bp_memory_commit ();
  check_heard ("a10:on a12:e b20:two. a30:3 ");
  guest_writes (0x1010, "new");
  kvm_late_flush (k);
  check_heard ("b10:ne b12:w ");
}
END_TEST

START_TEST (what_goes_and_what_is_freed)
{
  BpRegion *cover = bp_region_new_reserved (NULL, "cover", 2);
  guest_writes (0x1011, "!");
  guest_writes (0x2000, "?");
  bp_region_add (root, 0x1010, cover, 1);
  check_heard ("a11:! b0:? ");
  guest_writes (0x1012, "+");
  guest_writes (0x2001, "-");
  bp_memory_begin ();
  bp_region_set_enabled (region[1], false);
  bp_region_free (region[0]);           /* a device that is no more takes nothing */
  region[0] = NULL;
  bp_memory_commit ();
  check_heard ("b1:- ");
  ck_assert_uint_eq (n_zones, 0);
  bp_region_free (cover);
}
END_TEST

/* The inner flush is for the same change of the map. */
START_TEST (a_device_that_flushes)
{
  device[0]->flushes = device[1]->flushes = true;
  guest_writes (0x1000, "1");
  guest_writes (0x2000, "2");
  guest_writes (0x1001, "3");
  bp_memory_begin ();
  bp_region_set_offset (region[0], 0x2000);
  bp_region_set_offset (region[1], 0x1000);
  bp_memory_commit ();
  check_heard ("a0:1 b0:2 a1:3 ");
}
END_TEST

START_TEST (ports)
{
  kvm_late_unmap (&vcpu);
  kvm_late_finish (k);
  n_zones = 0;
  has_ports = true;
  kvm_late_init (k);
  kvm_late_map (&vcpu);
  bp_memory_begin ();
  bp_region_remove (region[1]);
  bp_region_add (io_root, 0x1000, region[1], 0);
  bp_memory_commit ();
  guest_writes (0x1008, "m");
  guest_writes_to (true, 0x1008, "p");
  bp_region_set_enabled (region[1], false);     /* only that space changes */
  check_heard ("a8:m b8:p ");
}
END_TEST

static void *
flush_now (void *user)
{
  kvm_late_flush (k);
  return NULL;
}

/* Another thread has taken a write out of the ring, which is empty now: it is not done. */
START_TEST (waits_for_who_flushes)
{
  device[0]->is_slow = 1;
  guest_writes (0x1000, "s");
  GThread *other = g_thread_new ("flush", flush_now, NULL);
  while (!__atomic_load_n (&device[0]->is_in, __ATOMIC_SEQ_CST))
    g_usleep (100);
  kvm_late_flush (k);
  ck_assert_int_eq (__atomic_load_n (&device[0]->is_out, __ATOMIC_SEQ_CST), 1);
  g_thread_join (other);
}
END_TEST

START_TEST (the_ring_is_seen_through_any)
{
  static uint8_t other_area[sizeof run_area] __attribute__ ((aligned (PAGE)));
  KvmVcpu other = { .kvm = k, .run = (void *) other_area, .run_size = sizeof other_area };
  g_ptr_array_add (k->vcpus, &other);
  kvm_late_map (&other);
  ck_assert_ptr_eq (k->late, ring);
  guest_writes (0x1000, "l");
  kvm_late_unmap (&vcpu);
  check_heard ("a0:l ");
  ck_assert_ptr_eq (k->late, other_area + RING_PAGE * PAGE);
  g_ptr_array_set_size (k->vcpus, 0);
  kvm_late_unmap (&other);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("late-writes");
  TCase *tcase = tcase_create ("all");
  tcase_add_checked_fixture (tcase, setup, teardown);
  tcase_add_test (tcase, in_order);
  tcase_add_test (tcase, two_that_change_places);
  tcase_add_test (tcase, what_goes_and_what_is_freed);
  tcase_add_test (tcase, a_device_that_flushes);
  tcase_add_test (tcase, ports);
  tcase_add_test (tcase, waits_for_who_flushes);
  tcase_add_test (tcase, the_ring_is_seen_through_any);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}
