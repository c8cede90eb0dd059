/* test-memory-slots.c -- memory slots and dimms: places chosen and refused, registers as the operating system's methods use them, and what guests answer. */
/* SPDX-License-Identifier: MIT */
#include "hot-plug-test.h"
#include <backplane/bus/memory-slots.h>
#include <string.h>

enum { SELECT = 0xa00, OST_EVENT = 0xa04, OST_STATUS = 0xa08, STATUS = 0xa14 };
enum { ENABLED = 1, INSERTED = 2, REMOVE = 4, EJECT = 8 };
#define GIB (UINT64_C (1) << 30)

#define SLOTS(more) \
  "[memory ram]\ntype = test-ram\nsize = 16M\n[device probe]\ntype = test-probe\n" \
  "[device slots]\ntype = memory-slots\nram = ram\nmemory = memory@0\npio0 = io@0xa00\nevent = probe.in0\n" more
#define MEMORY(id, size) "[memory " id "]\ntype = test-ram\nsize = " size "\n"
#define DIMM(id, memory, more) "[device " id "]\ntype = dimm\nmemory = " memory "\n" more

static const char usual[] = SLOTS ("slots = 4\nmaxmem = 2G\n") MEMORY ("m1", "128M") MEMORY ("m2", "256M");
static const char with_one[] = SLOTS ("slots = 4\nmaxmem = 2G\n") MEMORY ("m1", "128M") DIMM ("d1", "m1", "");

static Harness *start (const char *text) { return hot_plug_new (hw_pc (), text); }

static bool
add_dimm (Harness *h, const char *id, const char *memory, const char *key, const char *value, GError **error)
{
  BpObjectKey keys[] = { { "type", "dimm" }, { "memory", memory }, { key, value }, { NULL, NULL } };
  return bp_machine_add_object (harness_machine (h), "device", id, keys, error);
}

static void
ask (Harness *h, const char *id)
{
  void *slots = harness_object (h, "slots");
  const BpMemorySlotsIface *t = bp_object_interface (slots, BP_MEMORY_SLOTS_ID);
  bp_machine_lock (harness_machine (h));
  t->ask (slots, harness_object (h, id));
  bp_machine_unlock (harness_machine (h));
}

static void
ost (Harness *h, uint32_t event, uint32_t status)
{
  out32 (h, OST_EVENT, event);
  out32 (h, OST_STATUS, status);
  bp_test_iterate (h);
}

/* --- what is in the slots -------------------------------------------------------------------------------- */

START_TEST (a_module_is_there_from_the_start)
{
  Harness *h = start (with_one);
  out32 (h, SELECT, 0);
  ck_assert_uint_eq (in32 (h, 0xa00), 0);
  ck_assert_uint_eq (in32 (h, 0xa04), 1);               /* at 4 GiB */
  ck_assert_uint_eq (in32 (h, 0xa08), 128 << 20);
  ck_assert_uint_eq (in32 (h, 0xa0c), 0);
  ck_assert_uint_eq (in32 (h, 0xa10), 0);
  ck_assert_uint_eq (in8 (h, STATUS), ENABLED);         /* no event: the operating system looks when it starts */
  ck_assert_int_eq (harness_level (h, "slots.event"), 0);
  out32 (h, SELECT, 1);
  ck_assert_uint_eq (in32 (h, 0xa04), 0);
  ck_assert_uint_eq (in8 (h, STATUS), 0);
  harness_write (h, "memory", 4 * GIB + 5, 0x5a, 1);
  ck_assert_uint_eq (harness_read (h, "memory", 4 * GIB + 5, 1), 0x5a);
  ck_assert_uint_eq (harness_read (h, "memory", 4 * GIB + (128 << 20), 1), 0xff);
  harness_round_trip (h);
  out32 (h, SELECT, 77);
  ck_assert_uint_eq (in32 (h, 0xa00), 0);
  out8 (h, STATUS, 0xff);
  hot_plug_free (h);
}
END_TEST

START_TEST (a_module_comes)
{
  GError *error = NULL;
  Harness *h = start (usual);
  ck_assert (add_dimm (h, "d1", "m1", "slot", "2", NULL));
  ck_assert_int_eq (harness_level (h, "slots.event"), 1);
  harness_round_trip (h);
  out32 (h, SELECT, 2);
  ck_assert_uint_eq (in8 (h, STATUS), ENABLED | INSERTED);
  out8 (h, STATUS, INSERTED);
  ck_assert_uint_eq (in8 (h, STATUS), ENABLED);
  ck_assert_int_eq (harness_level (h, "slots.event"), 0);
  ck_assert (add_dimm (h, "d2", "m2", "address", "0x140000000", &error));
  out32 (h, SELECT, 0);
  ck_assert_uint_eq (in32 (h, 0xa00), 0x40000000);
  BpMemoryDeviceInfo info = { .struct_size = sizeof info };
  void *d2 = harness_object (h, "d2");
  ((const BpMemoryDeviceIface *) bp_object_interface (d2, BP_MEMORY_DEVICE_ID))->info (d2, &info);
  ck_assert (info.slot == 0 && info.address == 5 * GIB && info.size == 256 << 20 && info.memory == harness_object (h, "m2"));
  ost (h, 1, 0);
  ck_assert_str_eq (heard->str, "");
  harness_reset (h, BP_RESET_WARM);
  ck_assert_int_eq (harness_level (h, "slots.event"), 0);
  out32 (h, SELECT, 0);
  ck_assert_uint_eq (in8 (h, STATUS), ENABLED);
  hot_plug_free (h);
}
END_TEST

/* --- leaving ------------------------------------------------------------------------------------------------ */

START_TEST (a_module_goes)
{
  Harness *h = start (with_one);
  ask (h, "d1");
  ck_assert_int_eq (harness_level (h, "slots.event"), 1);
  harness_round_trip (h);
  bp_test_iterate (h);
  g_string_truncate (heard, 0);                         /* there was a reset in it */
  out32 (h, SELECT, 0);
  ck_assert_uint_eq (in8 (h, STATUS), ENABLED | REMOVE);
  out8 (h, STATUS, REMOVE);
  ck_assert_int_eq (harness_level (h, "slots.event"), 0);
  ost (h, 3, 0x84);                                     /* it is at it */
  out8 (h, STATUS, EJECT);
  ck_assert_uint_eq (in8 (h, STATUS), 0);               /* at once: the operating system looks */
  ck_assert_uint_eq (harness_read (h, "memory", 4 * GIB, 1), 0xff);
  ck_assert_ptr_nonnull (bp_machine_find (harness_machine (h), "d1"));
  out8 (h, STATUS, EJECT);
  bp_test_iterate (h);
  ost (h, 3, 0);
  ck_assert_ptr_null (bp_machine_find (harness_machine (h), "d1"));
  ck_assert_str_eq (heard->str, "gone d1;");
  ck_assert_int_eq (bp_machine_remove_object (harness_machine (h), "m1", NULL), BP_REMOVAL_REFUSED);   /* test-ram is not of the kind */
  ck_assert (add_dimm (h, "d9", "m1", "slot", "0", NULL));
  hot_plug_free (h);
}
END_TEST

START_TEST (the_guest_keeps_it)
{
  static const struct { uint32_t event, status; const char *why; } cases[] = {
    { 3, 0x80, "the guest cannot eject it" }, { 3, 0x81, "the guest uses it" }, { 0x103, 0x82, "the guest cannot free it: it is busy" },
    { 3, 0x83, "what depends on it in the guest is busy" }, { 3, 1, "the guest could not free it" }
  };
  Harness *h = start (with_one);
  out32 (h, SELECT, 0);
  ost (h, 3, 0x82);                                     /* nobody has asked */
  ck_assert_str_eq (heard->str, "");
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *expected = g_strdup_printf ("kept d1: %s;", cases[i].why);
    g_string_truncate (heard, 0);
    ask (h, "d1");
    out8 (h, STATUS, REMOVE);
    ost (h, cases[i].event, 0x84);
    ost (h, cases[i].event, cases[i].status);
    ost (h, cases[i].event, cases[i].status);           /* once is enough */
    ck_assert_str_eq (heard->str, expected);
  }
  ck_assert_uint_eq (in8 (h, STATUS), ENABLED);
  hot_plug_free (h);
}
END_TEST

/* Another operating system starts, and was asked nothing. */
START_TEST (a_reset_is_an_answer)
{
  Harness *h = start (with_one);
  ask (h, "d1");
  harness_reset (h, BP_RESET_WARM);
  bp_test_iterate (h);
  ck_assert_str_eq (heard->str, "kept d1: the machine was reset before the guest answered;");
  harness_reset (h, BP_RESET_WARM);
  bp_test_iterate (h);
  ck_assert_str_eq (heard->str, "kept d1: the machine was reset before the guest answered;");
  ask (h, "d1");
  out32 (h, SELECT, 0);
  out8 (h, STATUS, EJECT);
  harness_reset (h, BP_RESET_WARM);                     /* it is on its way */
  ck_assert_uint_eq (in8 (h, STATUS), 0);
  bp_test_iterate (h);
  ck_assert_ptr_null (bp_machine_find (harness_machine (h), "d1"));
  hot_plug_free (h);
}
END_TEST

/* The guest ejected it while the machine was on its way to another process: there it is not seen, and leaves when the machine goes on. */
START_TEST (ejected_on_the_way)
{
  Harness *h = start (with_one), *there = start (with_one);
  out32 (h, SELECT, 0);
  out8 (h, STATUS, EJECT);
  bp_test_copy (h, there);
  ck_assert_uint_eq (harness_read (there, "memory", 4 * GIB, 1), 0xff);
  out32 (there, SELECT, 0);
  ck_assert_uint_eq (in8 (there, STATUS), 0);
  bp_test_iterate (h);
  g_string_truncate (heard, 0);
  ck_assert_ptr_nonnull (bp_machine_find (harness_machine (there), "d1"));
  bp_machine_stop (harness_machine (there), BP_RUN_PAUSED);
  ck_assert (bp_machine_continue (harness_machine (there), NULL));
  bp_test_iterate (there);
  ck_assert_str_eq (heard->str, "gone d1;");
  harness_free (h);
  hot_plug_free (there);
}
END_TEST

/* Before the machine has run nobody has seen it. */
START_TEST (goes_unseen)
{
  Harness *h = start (with_one);
  ck_assert_int_eq (bp_machine_remove_object (harness_machine (h), "d1", NULL), BP_REMOVAL_NOW);
  ck_assert_uint_eq (harness_read (h, "memory", 4 * GIB, 1), 0xff);
  hot_plug_free (h);
}
END_TEST

/* --- refusals --------------------------------------------------------------------------------------------------- */

START_TEST (refusals)
{
  static const struct { const char *text, *why; } cases[] = {
    { SLOTS ("slots = 4\nmaxmem = 8M\n"), "maxmem is 8M; it must be a multiple of 1G" },
    { SLOTS ("slots = 4\nmaxmem = 1500M\n"), "multiple of 1G" },
    { SLOTS ("maxmem = 2G\n") MEMORY ("m", "128M") DIMM ("d", "m", ""), "`slots` has no slots (slots = 0)" },
    { SLOTS ("slots = 257\n"), "outside the range 0..256" },
    { SLOTS ("") MEMORY ("m", "128M") DIMM ("d", "m", ""), "this machine takes no memory but what it begins with: maxmem of `slots` is not set" },
    { MEMORY ("m", "128M") DIMM ("d", "m", ""), "the machine has no slots for memory" },
    { SLOTS ("slots = 4\nmaxmem = 2G\n") MEMORY ("m", "100M") DIMM ("d", "m", ""), "m has 104857600 bytes; a module's size is a multiple of 128M" },
    { SLOTS ("slots = 4\nmaxmem = 2G\n") MEMORY ("m", "128M") DIMM ("d", "m", "slot = 4\n"), "slot = 4: `slots` has the slots 0 to 3" },
    { SLOTS ("slots = 4\nmaxmem = 2G\n") MEMORY ("m", "128M") DIMM ("d", "m", "address = 0x100001000\n"), "is not a multiple of 128M" },
    { SLOTS ("slots = 4\nmaxmem = 2G\n") MEMORY ("m", "128M") DIMM ("d", "m", "address = 1G\n"), "memory can be added from 0x100000000 to 0x17f000000" },
    { SLOTS ("slots = 4\nmaxmem = 1G\n") MEMORY ("m", "1G") DIMM ("d", "m", ""), "1024M do not fit any more between 0x100000000 and 0x13f000000 (maxmem of `slots` is 1024M)" },
    { SLOTS ("slots = 4\nmaxmem = 2G\n") MEMORY ("m", "128M") DIMM ("d", "m", "") DIMM ("e", "m", ""), "memory = m is in use: " },
    { SLOTS ("slots = 4\nmaxmem = 2G\n") DIMM ("d", "ram", ""), "a module's size is a multiple of 128M" },
    { SLOTS ("slots = 1\nmaxmem = 2G\n") MEMORY ("m", "128M") MEMORY ("n", "128M") DIMM ("d", "m", "") DIMM ("e", "n", ""), "all 1 slots of `slots` are taken" },
    { SLOTS ("slots = 4\nmaxmem = 2G\n") MEMORY ("m", "128M") MEMORY ("n", "128M") DIMM ("d", "m", "slot = 2\n") DIMM ("e", "n", "slot = 2\n"), "slot = 2 is taken by `d`" },
    { SLOTS ("slots = 4\nmaxmem = 2G\n") MEMORY ("m", "256M") MEMORY ("n", "128M") DIMM ("d", "m", "") DIMM ("e", "n", "address = 0x108000000\n"),
      "address = 0x108000000 is taken by `d`" },
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *refusal = harness_refusal (hw_pc (), cases[i].text);
    ck_assert_msg (strstr (refusal, cases[i].why) != NULL, "%s\n%s\ninstead of %s", cases[i].text, refusal, cases[i].why);
  }
}
END_TEST

/* A refused one leaves no trace: the next gets its place. */
START_TEST (refused_while_it_runs)
{
  GError *error = NULL;
  Harness *h = start (usual);
  ck_assert (!add_dimm (h, "d1", "m1", "address", "0x10000", &error));
  ck_assert_str_eq (error->message, "[device d1]: address = 0x10000 is not a multiple of 128M");
  g_clear_error (&error);
  ck_assert (!add_dimm (h, "d1", "nothing", "slot", "1", &error));
  g_clear_error (&error);
  ck_assert_int_eq (harness_level (h, "slots.event"), 0);
  ck_assert (add_dimm (h, "d1", "m1", "slot", "-1", NULL));
  out32 (h, SELECT, 0);
  ck_assert_uint_eq (in32 (h, 0xa04), 1);
  ck_assert (!add_dimm (h, "d2", "m1", "slot", "-1", &error));
  ck_assert_str_eq (error->message, "[device d2]: memory = m1 is in use: d1.memory");
  g_clear_error (&error);
  hot_plug_free (h);
}
END_TEST

HARNESS_MAIN ("memory-slots", a_module_is_there_from_the_start, a_module_comes, a_module_goes, the_guest_keeps_it, a_reset_is_an_answer, ejected_on_the_way, goes_unseen, refusals, refused_while_it_runs)
