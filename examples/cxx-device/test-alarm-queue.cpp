/* test-alarm-queue.cpp -- the device without a guest: its registers, its pin, its clock, its saved state. */
/* SPDX-License-Identifier: MIT */
#include <backplane/test.h>
#include <cstdlib>
#include <string>

namespace {

constexpr uint64_t BASE = 0x1000, TAG = BASE, DELAY = BASE + 4, DUE = BASE + 8, STATUS = BASE + 12;
constexpr uint32_t NONE = 0xffffffff;

std::string
machine (const char *capacity)
{
  return std::string ("[device queue]\nmodule = alarm-queue-cxx\ntype = alarm-queue-cxx\nregs = memory@0x1000\nirq = probe.in0\ncapacity = ") + capacity
         + "\n[device probe]\ntype = test-probe\n";
}

BpTest *
start (const char *capacity = "16")
{
  bp_test_plugin_path (std::getenv ("PLUGIN_DIR") ? std::getenv ("PLUGIN_DIR") : ".");
  return bp_test_new (nullptr, machine (capacity).c_str ());
}

void
queue (BpTest *t, uint32_t tag, uint32_t microseconds)
{
  bp_test_store32 (t, TAG, tag);
  bp_test_store32 (t, DELAY, microseconds);
}

BP_TEST (comes_in_order)
{
  BpTest *t = start ();
  queue (t, 'c', 30);
  queue (t, 'a', 10);
  queue (t, 'b', 20);
  queue (t, 'B', 20);
  bp_test_expect_eq (bp_test_load32 (t, STATUS), 4);
  bp_test_expect_eq (bp_test_load32 (t, DUE), NONE);
  bp_test_advance (t, 9999);
  bp_test_expect_level (t, "queue.irq", 0);
  bp_test_advance (t, 1);
  bp_test_expect_level (t, "queue.irq", 1);
  bp_test_expect_eq (bp_test_load32 (t, DUE), 'a');
  bp_test_expect_level (t, "queue.irq", 0);
  bp_test_advance (t, 20000);
  for (uint32_t tag : { 'b', 'B', 'c' })
    bp_test_expect_eq (bp_test_load32 (t, DUE), tag);
  bp_test_expect_eq (bp_test_load32 (t, DUE), NONE);
  bp_test_expect_eq (bp_test_rises (t, "probe", 0), 2);
  bp_test_free (t);
}

BP_TEST (tells_what_is_lost)
{
  BpTest *t = start ("2");
  for (uint32_t i = 0; i < 3; i++)
    queue (t, i, 1);
  bp_test_expect_eq (bp_test_load32 (t, STATUS), 0x80000002);
  bp_test_store32 (t, STATUS, 0);
  bp_test_expect_eq (bp_test_load32 (t, STATUS), 2);
  bp_test_reset (t, BP_RESET_WARM);
  bp_test_expect_eq (bp_test_load32 (t, STATUS), 0);
  bp_test_advance (t, 5000);
  bp_test_expect_level (t, "queue.irq", 0);
  bp_test_free (t);
}

BP_TEST (goes_on_elsewhere)
{
  BpTest *t = start (), *other = start ();
  for (uint32_t i = 0; i < 10; i++)
    queue (t, i, (i * 7 % 10) * 100);
  bp_test_advance (t, 350000);
  bp_test_round_trip (t);
  bp_test_copy (t, other);
  for (int i = 0; i < 10; i++) {
    bp_test_advance (t, 100000);
    bp_test_advance (other, 100000);
    bp_test_expect_eq (bp_test_load32 (t, DUE), bp_test_load32 (other, DUE));
    bp_test_expect_same (t, other);
  }
  bp_test_free (other);
  bp_test_free (t);
}

/* Exceptions of the device arrive as errors of the host. */
BP_TEST (refuses)
{
  bp_test_plugin_path (std::getenv ("PLUGIN_DIR") ? std::getenv ("PLUGIN_DIR") : ".");
  char *said = bp_test_refusal (nullptr, machine ("3").c_str ());
  bp_test_expect_has (said, "capacity = 3: it is a power of two");
  g_free (said);
  BpTest *large = start ("16"), *small = start ("4");
  for (uint32_t i = 0; i < 10; i++)
    queue (large, i, 1);
  GBytes *state = bp_test_save (large);
  said = bp_test_load_state (small, state);
  bp_test_expect_has (said, "10 alarms in a queue for 4");
  g_free (said);
  g_bytes_unref (state);
  bp_test_free (small);
  bp_test_free (large);
}

}

BP_TEST_MAIN ("alarm-queue", &comes_in_order, &tells_what_is_lost, &goes_on_elsewhere, &refuses)
