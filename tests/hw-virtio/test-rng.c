/* test-rng.c -- the entropy device: bytes, its seed, its limits, saved state. */
/* SPDX-License-Identifier: MIT */
#include "virtio-test.h"

static const VirtioCase here = { "mmio", .event_index = true };
enum { SLOT_1 = VIRTIO_TEST_MMIO + 0x1000 };

static BpTest *
machine (const char *keys)
{
  g_autofree char *section = g_strconcat ("[device rng]\ntype = virtio-rng\nbus = bus\naddress = 1\n", keys, NULL);
  return virtio_test_new (&here, NULL, section);
}

static BpTestVirtio *
driver (BpTest *t)
{
  BpTestVirtio *v = bp_test_virtio_mmio (t, SLOT_1, VIRTIO_TEST_MEMORY, VIRTIO_TEST_SIZE);
  bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, 1);
  return v;
}

BP_TEST (random_bytes)
{
  BpTest *t = machine ("");
  BpTestVirtio *v = driver (t);
  uint8_t a[64], b[64], large[40000];
  bp_test_expect_eq (bp_test_virtio_device_id (v), 4);
  bp_test_expect_eq (bp_test_virtio_offered (v) & 0xffffff, 0);
  bp_test_expect_eq (bp_test_virtio_queue_most (v, 1), 0);
  bp_test_expect_eq (bp_test_virtio_call (v, 0, NULL, 0, a, sizeof a), sizeof a);
  bp_test_expect_eq (bp_test_virtio_call (v, 0, NULL, 0, b, sizeof b), sizeof b);
  bp_test_expect (memcmp (a, b, sizeof a) != 0);
  bp_test_expect_eq (bp_test_virtio_call (v, 0, NULL, 0, large, sizeof large), sizeof large);
  unsigned ones = 0;
  for (unsigned i = 0; i < sizeof large; i++)
    ones += (unsigned) __builtin_popcount (large[i]);
  bp_test_expect (ones > 158000 && ones < 162000);      /* 160000 on average, 283 for a standard deviation */
  bp_test_virtio_free (v);
  bp_test_free (t);
}

BP_TEST (a_seed_decides_all)
{
  uint8_t bytes[3][100], more[2][100];
  static const char *const keys[] = { "seed = 1\n", "seed = 1\n", "seed = 2\n" };
  for (unsigned i = 0; i < 3; i++) {
    BpTest *t = machine (keys[i]);
    BpTestVirtio *v = driver (t);
    bp_test_virtio_call (v, 0, NULL, 0, bytes[i], sizeof bytes[i]);
    if (i == 1) {
      bp_test_round_trip (t);
      bp_test_virtio_call (v, 0, NULL, 0, more[1], sizeof more[1]);
    } else if (i == 0) {
      bp_test_virtio_call (v, 0, NULL, 0, more[0], sizeof more[0]);
      bp_test_reset (t, BP_RESET_WARM);
      bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, 1);
      uint8_t again[100];
      bp_test_virtio_call (v, 0, NULL, 0, again, sizeof again);
      bp_test_expect (memcmp (again, bytes[0], sizeof again) == 0);
    }
    bp_test_virtio_free (v);
    bp_test_free (t);
  }
  bp_test_expect (memcmp (bytes[0], bytes[1], sizeof bytes[0]) == 0);
  bp_test_expect (memcmp (bytes[0], bytes[2], sizeof bytes[0]) != 0);
  bp_test_expect (memcmp (more[0], more[1], sizeof more[0]) == 0);
}

BP_TEST (limits)
{
  BpTest *t = machine ("seed = 1\nmax-bytes = 100\nperiod = 10\n");
  BpTestVirtio *v = driver (t);
  uint32_t written;
  bp_test_virtio_add_bytes (v, 0, NULL, 0, 80, NULL);
  bp_test_virtio_add_bytes (v, 0, NULL, 0, 80, NULL);
  bp_test_virtio_add_bytes (v, 0, NULL, 0, 80, NULL);
  bp_test_virtio_kick (v, 0);
  bp_test_expect (bp_test_virtio_take (v, 0, NULL, &written));
  bp_test_expect_eq (written, 80);
  bp_test_expect (bp_test_virtio_take (v, 0, NULL, &written));
  bp_test_expect_eq (written, 20);
  bp_test_expect (!bp_test_virtio_take (v, 0, NULL, &written));
  bp_test_virtio_kick (v, 0);
  bp_test_advance (t, 9999999);
  bp_test_expect (!bp_test_virtio_take (v, 0, NULL, &written));
  bp_test_round_trip (t);
  bp_test_advance (t, 1);
  bp_test_expect (bp_test_virtio_take (v, 0, NULL, &written));
  bp_test_expect_eq (written, 80);
  bp_test_virtio_free (v);
  bp_test_free (t);
}

BP_TEST (a_request_without_room)
{
  BpTest *t = machine ("");
  BpTestVirtio *v = driver (t);
  bp_test_keep_log ("guest_errors");
  bp_test_virtio_add_bytes (v, 0, "x", 1, 0, NULL);
  bp_test_virtio_kick (v, 0);
  g_autofree char *log = bp_test_take_log ();
  bp_test_expect_has (log, "a request for random bytes without room for any");
  bp_test_expect_eq (bp_test_virtio_status (v), 0x4f);
  bp_test_virtio_free (v);
  bp_test_free (t);
}

BP_TEST (wrong_properties)
{
  static const char *const cases[][2] = {
    { "seed = x\n", "seed = x is not a number" }, { "period = 5\n", "max-bytes is not given" }, { "max-bytes = 5\n", "period is not given" },
    { "address = 0\n", "taken" }, { "address = 32\n", "not a slot" },
  };
  for (unsigned i = 0; i < BP_N_ELEMENTS (cases); i++) {
    bool address = g_str_has_prefix (cases[i][0], "address");
    g_autofree char *section = g_strconcat ("[device rng]\ntype = virtio-rng\nbus = bus\n", address ? "" : "address = 1\n", cases[i][0], NULL);
    g_autofree char *refusal = virtio_test_refusal (&here, section);
    bp_test_expect_has (refusal, cases[i][1]);
  }
}

BP_TEST_MAIN ("virtio rng", &random_bytes, &a_seed_decides_all, &limits, &a_request_without_room, &wrong_properties)
