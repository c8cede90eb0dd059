/* test-crc-engine.c -- the engine on the PC's own PCI bus, without a guest: configuration, DMA, the pin, messages, state. */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/msi.h>
#include <backplane/test.h>
#include <string.h>

/* --- who takes messages, in the place of a local APIC ----------------------------------------------- */

typedef struct Taker {
  uint32_t n, data;
  uint64_t address;
} Taker;

static bool
take (void *self, uint64_t address, uint32_t data)
{
  Taker *t = self;
  t->n++;
  t->data = data;
  t->address = address;
  return true;
}

static const BpMsiIface taker_iface = { .struct_size = sizeof taker_iface, .send = take };
static const BpInterfaceDesc taker_interfaces[] = { { BP_MSI_ID, &taker_iface }, { NULL, NULL } };
static const BpStateField taker_state[] = { BP_STATE_FIELD_U32 (Taker, n), BP_STATE_END };
static const BpTypeDesc taker_type = { BP_TYPE ("taker", BP_KIND_DEVICE, Taker), .description = "Takes messages", .interfaces = taker_interfaces,
                                       .state_version = 1, .state_minimum = 1, .state = taker_state };
static const BpTypeDesc *const types[] = { &taker_type, NULL };

/* --- the machine ---------------------------------------------------------------------------------------- */

static const char machine[] =
  "[memory ram]\ntype = test-ram\nsize = 16M\n"
  "[device host]\nmodule = hw-pc\ntype = i440fx\nram = ram\npio0 = io@0xcf8\npio1 = io@0xcfc\nmemory = memory@0\nio = io@0\npirq0 = probe.in0\n"
  "[device engine]\nmodule = crc-engine\ntype = crc-engine\nbus = host\naddress = 05.0\nrate = 1M\n"      /* INTA# of device 5 is the first line */
  "[device taker]\ntype = taker\n[device probe]\ntype = test-probe\n";

#define BAR UINT64_C (0x123400000000)
enum { CONTROL = 4, STATUS = 8, LENGTH = 12, SOURCE = 16, RESULT = 24, CRC = 32, PROGRESS = 36 };
enum { START = 1, STOP = 2, INTERRUPT = 4, BUSY = 1, DONE = 2, ERROR = 4 };
#define MILLISECOND 1000000

static uint32_t
config (BpTest *t, unsigned at)
{
  bp_test_out32 (t, 0xcf8, 0x80000000u | 5 << 11 | at);
  return bp_test_in32 (t, 0xcfc);
}

static void
set_config (BpTest *t, unsigned at, uint32_t value)
{
  bp_test_out32 (t, 0xcf8, 0x80000000u | 5 << 11 | at);
  bp_test_out32 (t, 0xcfc, value);
}

static BpTest *
new_test (void)
{
  BpTest *t = bp_test_new (types, machine);
  set_config (t, 0x10, (uint32_t) BAR);
  set_config (t, 0x14, BAR >> 32);
  set_config (t, 0x04, 6);      /* memory, bus master */
  return t;
}

static void
run (BpTest *t, uint64_t source, uint64_t result, uint32_t length, uint32_t more)
{
  bp_test_store64 (t, BAR + SOURCE, source);
  bp_test_store64 (t, BAR + RESULT, result);
  bp_test_store32 (t, BAR + LENGTH, length);
  bp_test_store32 (t, BAR + CONTROL, START | more);
}

/* --- tests ------------------------------------------------------------------------------------------------- */

BP_TEST (is_on_the_bus)
{
  BpTest *t = new_test ();
  bp_test_expect_eq (config (t, 0), 0xc32cf055);
  bp_test_expect_eq (config (t, 8) >> 24, 0x12);
  set_config (t, 0x10, ~0u);
  set_config (t, 0x14, ~0u);
  bp_test_expect_eq (config (t, 0x10), 0xfffff004);     /* 4 KiB, 64 bits */
  bp_test_expect_eq (config (t, 0x14), 0xffffffff);
  bp_test_free (t);
}

BP_TEST (computes)
{
  BpTest *t = new_test ();
  bp_test_write (t, 0x1000, "123456789", 9);
  run (t, 0x1000, 0x2000, 9, 0);
  bp_test_expect_eq (bp_test_load32 (t, BAR + STATUS), BUSY);
  bp_test_advance (t, MILLISECOND);
  bp_test_expect_eq (bp_test_load32 (t, BAR + STATUS), DONE);
  bp_test_expect_eq (bp_test_load32 (t, 0x2000), 0xcbf43926);
  bp_test_expect_eq (bp_test_load32 (t, 0x2004), 9);
  bp_test_store32 (t, BAR + STATUS, DONE);
  bp_test_expect_eq (bp_test_load32 (t, BAR + STATUS), 0);
  run (t, 0x1000, 0x2000, 0, 0);
  bp_test_advance (t, 0);
  bp_test_expect_eq (bp_test_load32 (t, 0x2000), 0);
  bp_test_free (t);
}

BP_TEST (takes_its_time)
{
  BpTest *t = new_test ();
  run (t, 0x10000, 0x2000, 0x10000, 0);         /* at 1 MiB a second, a chunk of 4 KiB takes 3.9 ms */
  bp_test_advance (t, 10 * MILLISECOND);
  bp_test_expect_eq (bp_test_load32 (t, BAR + PROGRESS), 0x2000);
  bp_test_store32 (t, BAR + CONTROL, STOP);
  bp_test_expect_eq (bp_test_load32 (t, BAR + STATUS), 0);
  bp_test_advance (t, 100 * MILLISECOND);
  bp_test_expect_eq (bp_test_load32 (t, BAR + PROGRESS), 0x2000);
  bp_test_free (t);
}

BP_TEST (fails_without_memory)
{
  BpTest *t = new_test ();
  run (t, UINT64_C (0xfffffffffffffff0), 0x2000, 64, 0);
  bp_test_advance (t, MILLISECOND);
  bp_test_expect_eq (bp_test_load32 (t, BAR + STATUS), ERROR);
  run (t, 0x1000, UINT64_C (0x100000000000), 64, 0);
  bp_test_advance (t, MILLISECOND);
  bp_test_expect_eq (bp_test_load32 (t, BAR + STATUS), ERROR);
  set_config (t, 0x04, 2);      /* no bus master any more */
  run (t, 0x1000, 0x2000, 64, 0);
  bp_test_advance (t, MILLISECOND);
  bp_test_expect_eq (bp_test_load32 (t, BAR + STATUS), ERROR);
  bp_test_free (t);
}

BP_TEST (interrupts_by_pin)
{
  BpTest *t = new_test ();
  run (t, 0x1000, 0x2000, 64, INTERRUPT);
  bp_test_expect_level (t, "host.pirq0", 0);
  bp_test_advance (t, MILLISECOND);
  bp_test_expect_level (t, "host.pirq0", 1);
  bp_test_round_trip (t);
  bp_test_expect_level (t, "host.pirq0", 1);
  bp_test_store32 (t, BAR + STATUS, DONE);
  bp_test_expect_level (t, "host.pirq0", 0);
  bp_test_expect_eq (bp_test_rises (t, "probe", 0), 1);
  bp_test_free (t);
}

/* The capability's place: 0 when the bus has no messages. */
static unsigned
find_msi (BpTest *t)
{
  unsigned at = config (t, 0x34) & 0xfc;
  while (at && (config (t, at) & 0xff) != 5)
    at = config (t, at) >> 8 & 0xfc;
  return at;
}

BP_TEST (interrupts_by_message)
{
  BpTest *t = new_test ();
  const Taker *taker = bp_test_object (t, "taker");
  unsigned at = find_msi (t);
  bp_test_expect (at >= 0x40);
  set_config (t, at + 4, 0xfee01000);
  set_config (t, at + 8, 0);
  set_config (t, at + 12, 0x41);
  set_config (t, at, 1 << 16);
  for (unsigned i = 1; i <= 3; i++) {
    run (t, 0x1000, 0x2000, 64, INTERRUPT);
    bp_test_advance (t, MILLISECOND);
    bp_test_expect_eq (taker->n, i);
    bp_test_round_trip (t);             /* nothing is sent again */
    bp_test_expect_eq (taker->n, i);
    bp_test_store32 (t, BAR + STATUS, DONE);
  }
  bp_test_expect_eq (taker->address, 0xfee01000);
  bp_test_expect_eq (taker->data, 0x41);
  bp_test_expect_eq (bp_test_rises (t, "probe", 0), 0);
  bp_test_free (t);
}

/* In the middle of a task. */
BP_TEST (keeps_its_state)
{
  BpTest *a = new_test (), *b = new_test ();
  for (unsigned i = 0; i < 0x4000; i += 4)
    bp_test_store32 (a, 0x10000 + i, i * 2654435761u);
  run (a, 0x10000, 0x2000, 0x4000, INTERRUPT);
  bp_test_advance (a, 6 * MILLISECOND);
  bp_test_copy (a, b);
  bp_test_advance (a, 50 * MILLISECOND);
  bp_test_advance (b, 50 * MILLISECOND);
  bp_test_expect_eq (bp_test_load32 (b, BAR + STATUS), DONE);
  bp_test_expect_eq (bp_test_load32 (b, 0x2000), bp_test_load32 (a, 0x2000));
  bp_test_expect_level (b, "host.pirq0", 1);
  bp_test_expect_same (a, b);
  bp_test_reset (b, BP_RESET_WARM);
  bp_test_expect_level (b, "host.pirq0", 0);
  bp_test_free (a);
  bp_test_free (b);
}

/* Whatever was done before: two that were used differently are the same, and each rise is told again. */
BP_TEST (a_reset_forgets)
{
  BpTest *a = new_test (), *b = new_test ();
  run (a, 0x1000, 0x2000, 64, 0);
  run (b, UINT64_C (0x123400000000000), 0x3000, 32, INTERRUPT);
  bp_test_expect_eq (bp_test_load64 (b, BAR + SOURCE), UINT64_C (0x123400000000000));
  bp_test_advance (a, 1000);
  bp_test_advance (b, 1000 + 31000);
  bp_test_expect_level (b, "host.pirq0", 1);
  bp_test_advance (a, 31000);
  bp_test_reset (a, BP_RESET_WARM);
  bp_test_reset (b, BP_RESET_WARM);
  bp_test_expect_level (b, "host.pirq0", 0);
  bp_test_expect_same (a, b);
  set_config (b, 0x10, (uint32_t) BAR);
  set_config (b, 0x14, BAR >> 32);
  set_config (b, 0x04, 6);
  run (b, 0x1000, 0x2000, 64, INTERRUPT);
  bp_test_advance (b, MILLISECOND);
  bp_test_expect_level (b, "host.pirq0", 1);
  bp_test_free (a);
  bp_test_free (b);
}

/* The result goes into the engine's own registers: over control, which says start and stop at once. */
BP_TEST (writes_to_itself)
{
  BpTest *t = new_test ();
  for (uint32_t length = 0; length < 64; length++) {
    run (t, 0x1000, BAR + CONTROL - length % 2 * 4, length, INTERRUPT);
    bp_test_advance (t, MILLISECOND);
    bp_test_round_trip (t);
    bp_test_store32 (t, BAR + CONTROL, STOP);
  }
  bp_test_free (t);
}

/* Whatever a guest writes, wherever, however wide. */
BP_TEST (survives)
{
  BpTest *t = new_test ();
  uint32_t x = 1;
  for (int i = 0; i < 20000; i++) {
    x = x * 1664525 + 1013904223;
    bp_test_store (t, "memory", BAR + (x >> 20) % 48, x & 1 ? x >> 12 : x, 1u << (x >> 30));
    bp_test_load (t, "memory", BAR + (x >> 18) % 4096, 1u << (x >> 28) % 4);
    if (i % 16 == 0)
      bp_test_advance (t, x >> 8);
    if (i % 512 == 0)
      bp_test_round_trip (t);
    if (i % 100 == 0)
      set_config (t, 0x40 + (x >> 16) % 16 * 4, x);
  }
  bp_test_free (t);
}

/* A snapshot is a file, and may hold what the engine never is. */
BP_TEST (refuses_state_that_cannot_be)
{
  static const uint32_t wrong[][2] = { { START, 0 }, { 0, 8 }, { 0, BUSY }, { 0, BUSY | DONE } };
  for (unsigned i = 0; i < G_N_ELEMENTS (wrong); i++) {
    BpTest *a = new_test (), *b = new_test ();
    memcpy (bp_test_object (a, "engine"), wrong[i], sizeof wrong[i]);   /* `control' and `status', the first fields */
    g_autoptr (GBytes) state = bp_test_save (a);
    g_autofree char *why = bp_test_load_state (b, state);
    bp_test_expect_has (why, "the engine is in no such state");
    bp_test_free (a);
    bp_test_free (b);
  }
}

BP_TEST (refuses)
{
  g_autofree char *place = bp_test_refusal (NULL, "[device p]\ntype = test-probe\n[device e]\nmodule = crc-engine\ntype = crc-engine\nbus = p\n");
  bp_test_expect_has (place, "bp.pci-bus/1");
  g_autofree char *with = g_strdup_printf ("%s[device other]\ntype = crc-engine\nbus = host\naddress = 05.0\n", machine);
  g_autofree char *taken = bp_test_refusal (types, with);
  bp_test_expect_has (taken, "other");
}

BP_TEST_MAIN ("crc-engine", &is_on_the_bus, &computes, &takes_its_time, &fails_without_memory, &interrupts_by_pin, &interrupts_by_message,
              &keeps_its_state, &a_reset_forgets, &writes_to_itself, &survives, &refuses_state_that_cannot_be, &refuses)
