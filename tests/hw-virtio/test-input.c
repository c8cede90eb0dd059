/* test-input.c -- virtio input: what a device says it is, events in whole frames, keys that never stay down, LEDs, drivers that lie. */
/* SPDX-License-Identifier: MIT */
#include "one-device.h"
#include <backplane/iface/input.h>
#include <linux/input-event-codes.h>
#include <string.h>

enum { EVENTS, STATUS, QUEUES };

static BpTest *
input_new (bool packed, const char *kind)
{
  g_autofree char *keys = g_strdup_printf ("type = virtio-input\nserial = 12ab\nkind = %s\n", kind);
  return one_device_new (NULL, packed, keys, NULL);
}

/* The answer to a selection, as hexadecimal bytes. */
static const char *
selected (BpTestVirtio *v, unsigned select, unsigned subselect)
{
  static char text[300];
  bp_test_virtio_set_config (v, 0, select, 1);
  bp_test_virtio_set_config (v, 1, subselect, 1);
  unsigned size = (unsigned) bp_test_virtio_config (v, 2, 1);
  bp_test_expect (size <= 128);
  for (unsigned i = 0; i < size; i++)
    g_snprintf (text + 2 * i, 3, "%02x", (unsigned) bp_test_virtio_config (v, 8 + i, 1));
  text[2 * size] = 0;
  return text;
}

static void
offer (BpTestVirtio *v, unsigned n)
{
  for (unsigned i = 0; i < n; i++)
    one_device_offer (v, EVENTS, 8);
}


/* Buffers of eight bytes lie one behind the other. */
static uint64_t first_event;

static void
offer_known (BpTestVirtio *v, unsigned n)
{
  uint64_t at = bp_test_virtio_alloc (v, 8 * n);
  first_event = at;
  for (unsigned i = 0; i < n; i++)
    bp_test_virtio_add (v, EVENTS, &(BpTestPart) { at + 8 * i, 8 }, 0, 1);
  bp_test_virtio_kick (v, EVENTS);
}

/* Those that came into the buffers of offer_known, as "type:code=value". */
static void
expect_events (BpTest *t, BpTestVirtio *v, const char *wanted)
{
  g_autoptr (GString) text = g_string_new (NULL);
  uint32_t written;
  for (; bp_test_virtio_take (v, EVENTS, NULL, &written); first_event += 8) {
    bp_test_expect_eq (written, 8);
    g_string_append_printf (text, "%u:%u=%d ", bp_test_load16 (t, first_event), bp_test_load16 (t, first_event + 2), (int) bp_test_load32 (t, first_event + 4));
  }
  bp_test_expect_str (text->str, wanted);
}

static const BpInputIface *iface (BpTest *t) { return bp_test_interface (t, "d", BP_INPUT_ID); }

BP_TEST (what_it_is)
{
  BpTest *t = input_new (false, "keyboard"), *u = input_new (false, "tablet"), *w = input_new (true, "mouse");
  BpTestVirtio *k = one_device_driver (t), *a = one_device_driver (u), *m = one_device_driver (w);
  bp_test_expect_eq (bp_test_virtio_device_id (k), 18);
  bp_test_expect_str (selected (k, 1, 0), "4261636b706c616e65206b6579626f617264");
  bp_test_expect_str (selected (k, 2, 0), "31326162");
  bp_test_expect_str (selected (k, 3, 0), "0600f41a01000100");
  bp_test_expect_str (selected (k, 0x10, 0), "");
  bp_test_expect (strlen (selected (k, 0x11, EV_KEY)) > 20);
  bp_test_expect_str (selected (k, 0x11, EV_LED), "07");
  bp_test_expect_str (selected (k, 0x11, EV_REP), "00");
  bp_test_expect_str (selected (k, 0x11, EV_REL), "");
  bp_test_expect_str (selected (k, 0x12, 0), "");
  bp_test_expect_str (selected (k, 1, 1), "");
  bp_test_expect_str (selected (k, 0xff, 0xff), "");
  bp_test_expect_str (selected (a, 0x11, EV_ABS), "03");
  bp_test_expect_str (selected (a, 0x11, EV_REL), "0001");
  bp_test_expect_str (selected (a, 0x12, ABS_Y), "00000000ff7f0000000000000000000000000000");
  bp_test_expect_str (selected (a, 0x12, 2), "");
  bp_test_expect_str (selected (m, 0x11, EV_REL), "0301");
  bp_test_expect_str (selected (m, 0x11, EV_KEY), "000000000000000000000000000000000000000000000000000000000000000000001f");
  bp_test_virtio_free (k);
  bp_test_virtio_free (a);
  bp_test_virtio_free (m);
  bp_test_free (t);
  bp_test_free (u);
  bp_test_free (w);
}

BP_TEST (keys)
{
  for (int packed = 0; packed < 2; packed++) {
    BpTest *t = input_new (packed, "keyboard");
    BpTestVirtio *v = one_device_driver (t);
    BpMachine *m = bp_test_machine (t);
    bp_test_expect (!bp_input_send_key (m, KEY_A, true));
    bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, QUEUES);
    offer_known (v, 20);
    bp_test_expect (bp_input_send_key (m, KEY_A, true));
    bp_test_expect (bp_input_send_key (m, KEY_A, true));
    bp_test_expect (bp_input_send_key (m, KEY_A, false));
    bp_test_expect (!bp_input_send_relative (m, 1, 1, 0, 0));
    expect_events (t, v, "1:30=1 0:0=0 1:30=0 0:0=0 ");
    bp_input_send_key (m, KEY_B, true);
    bp_input_send_key (m, KEY_LEFTSHIFT, true);
    bp_input_release_all (m);
    expect_events (t, v, "1:48=1 0:0=0 1:42=1 0:0=0 1:42=0 1:48=0 0:0=0 ");
    bp_test_virtio_free (v);
    bp_test_free (t);
  }
}

BP_TEST (pointers)
{
  BpTest *t = input_new (false, "mouse"), *u = input_new (false, "tablet");
  BpTestVirtio *v = one_device_driver (t), *w = one_device_driver (u);
  bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, QUEUES);
  offer_known (v, 20);
  bp_input_send_relative (bp_test_machine (t), 3, -4, 0, 0);
  bp_input_send_relative (bp_test_machine (t), 0, 0, 1, BP_INPUT_LEFT | BP_INPUT_EXTRA);
  bp_input_send_relative (bp_test_machine (t), 0, 0, 0, 0);
  bp_input_send_relative (bp_test_machine (t), 0, 0, 0, 0);
  expect_events (t, v, "2:0=3 2:1=-4 0:0=0 2:8=-1 1:272=1 1:276=1 0:0=0 1:272=0 1:276=0 0:0=0 ");
  bp_test_virtio_setup (w, BP_TEST_VIRTIO_ALL, QUEUES);
  offer_known (w, 20);
  bp_input_send_absolute (bp_test_machine (u), 100, 0x9000, 0, BP_INPUT_RIGHT);
  expect_events (u, w, "3:0=100 3:1=32767 1:273=1 0:0=0 ");
  bp_test_virtio_free (v);
  bp_test_virtio_free (w);
  bp_test_free (t);
  bp_test_free (u);
}

/* A driver that has no buffers: events wait, then are lost, but no key stays down; a load takes what waits along. */
BP_TEST (slow_driver)
{
  BpTest *t = input_new (false, "keyboard"), *other = input_new (false, "keyboard");
  BpTestVirtio *v = one_device_driver (t), *w = one_device_driver (other);
  bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, QUEUES);
  bp_test_virtio_setup (w, BP_TEST_VIRTIO_ALL, QUEUES);
  for (unsigned i = 0; i < 500; i++)
    bp_input_send_key (bp_test_machine (t), KEY_A + i % 2, i / 2 % 2 == 0);
  bp_input_send_key (bp_test_machine (t), KEY_C, true);
  bp_input_release_all (bp_test_machine (t));
  bp_input_send_key (bp_test_machine (t), KEY_Z, true);
  bp_test_copy (t, other);
  bp_test_virtio_copy (v, w);
  bool down[KEY_MAX] = { false };
  for (unsigned taken = 32; taken == 32;) {
    offer_known (w, 32);
    bp_test_iterate (other);
    for (taken = 0; bp_test_virtio_take (w, EVENTS, NULL, NULL); first_event += 8, taken++)
      if (bp_test_load16 (other, first_event) == EV_KEY)
        down[bp_test_load16 (other, first_event + 2)] = bp_test_load32 (other, first_event + 4);
  }
  for (unsigned i = 0; i < KEY_MAX; i++)
    bp_test_expect_eq (down[i], i == KEY_Z);
  bp_test_virtio_free (v);
  bp_test_virtio_free (w);
  bp_test_free (t);
  bp_test_free (other);
}

BP_TEST (leds_and_lies)
{
  BpTest *t = input_new (false, "keyboard");
  BpTestVirtio *v = one_device_driver (t);
  void *d = bp_test_object (t, "d");
  const uint8_t caps[8] = { EV_LED, 0, LED_CAPSL, 0, 1 }, off[8] = { EV_LED, 0, LED_CAPSL, 0, 0 }, strange[8] = { EV_LED, 0, 200, 0, 1 };
  bp_test_keep_log ("guest_errors");
  bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, QUEUES);
  bp_test_virtio_call (v, STATUS, caps, 8, NULL, 0);
  bp_test_expect_eq (iface (t)->leds (d), BP_INPUT_LED_CAPS);
  bp_test_virtio_call (v, STATUS, strange, 8, NULL, 0);
  bp_test_virtio_call (v, STATUS, caps, 3, NULL, 0);
  bp_test_virtio_call (v, STATUS, off, 8, NULL, 0);
  bp_test_expect_eq (iface (t)->leds (d), 0);
  bp_test_virtio_set_config (v, 0, 0xffffffff, 4);
  offer (v, 3);
  one_device_offer (v, EVENTS, 4);
  for (unsigned i = 0; i < 3; i++)
    bp_input_send_key (bp_test_machine (t), KEY_A, i % 2 == 0);
  bp_test_expect_eq (bp_test_virtio_status (v) & 0x40, 0x40);
  g_autofree char *log = bp_test_take_log ();
  bp_test_expect_has (log, "where nothing can be written");
  bp_test_expect_has (log, "too small for one");
  bp_test_virtio_free (v);
  bp_test_free (t);
}

BP_TEST (a_serial_number_that_is_too_long)
{
  g_autofree char *serial = g_strnfill (129, 's'), *text = g_strdup_printf ("type = virtio-input\nkind = mouse\nserial = %s\n", serial);
  g_autofree char *refusal = one_device_refusal (text, "");
  bp_test_expect_has (refusal, "it has 129 characters, and there is room for 128");
}

BP_TEST_MAIN ("virtio input", &what_it_is, &keys, &pointers, &slow_driver, &leds_and_lies, &a_serial_number_that_is_too_long)
