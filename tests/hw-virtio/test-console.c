/* test-console.c -- virtio console: bytes both ways at the slower one's pace, ports that open and close, drivers that lie. */
/* SPDX-License-Identifier: MIT */
#include "one-device.h"
#include <backplane/iface/char.h>
#include <string.h>

/* --- a backend whose room, size and peer the test says ------------------------------------------- */

typedef struct Line {
  BpCharHandlers handlers;
  void *user;
  GString *text;
  size_t room;
  bool closed;
  unsigned columns, rows, accepts;
} Line;

static bool
line_attach (void *self, const BpCharHandlers *handlers, void *user)
{
  Line *l = self;
  if (handlers)
    l->handlers = *handlers;
  l->user = handlers ? user : NULL;
  return true;
}

static void
line_write (void *self, const uint8_t *data, size_t size)
{
  Line *l = self;
  g_string_append_len (l->text, (const char *) data, (gssize) size);
  l->room -= MIN (l->room, size);
}

static void line_accept (void *self) { ((Line *) self)->accepts++; }
static size_t line_room (void *self) { return ((Line *) self)->room; }
static bool line_is_open (void *self) { return !((Line *) self)->closed; }

static bool
line_size (void *self, unsigned *columns, unsigned *rows)
{
  *columns = ((Line *) self)->columns;
  *rows = ((Line *) self)->rows;
  return *columns;
}

static bool
line_configure (void *self, GError **error)
{
  ((Line *) self)->text = g_string_new (NULL);
  ((Line *) self)->room = SIZE_MAX;
  return true;
}

static void
line_unrealize (void *self)
{
  Line *l = self;
  if (l->text)
    g_string_free (l->text, TRUE);
  l->text = NULL;
}

static const BpCharIface line_iface = { .struct_size = sizeof line_iface, .attach = line_attach, .write = line_write, .accept_input = line_accept,
                                        .room = line_room, .is_open = line_is_open, .terminal_size = line_size };
static const BpInterfaceDesc line_interfaces[] = { { BP_CHAR_ID, &line_iface }, { NULL, NULL } };
static const BpTypeDesc line_type = { BP_TYPE ("line", BP_KIND_BACKEND, Line), .description = "A line", .interfaces = line_interfaces,
                                      .configure = line_configure, .unrealize = line_unrealize };

static void
line_event (BpTest *t, Line *l, BpCharEvent event)
{
  bp_machine_lock (bp_test_machine (t));
  l->closed = event == BP_CHAR_CLOSED || (l->closed && event != BP_CHAR_OPENED);
  l->handlers.event (l->user, event);
  bp_machine_unlock (bp_test_machine (t));
}

static void
line_has_room (BpTest *t, Line *l, size_t room)
{
  bp_machine_lock (bp_test_machine (t));
  l->room = room;
  l->handlers.can_write (l->user);
  bp_machine_unlock (bp_test_machine (t));
}

/* As much as the device takes; how much that was. */
static size_t
line_type_in (BpTest *t, Line *l, const char *text, size_t size)
{
  bp_machine_lock (bp_test_machine (t));
  size_t done = 0, n;
  while (done < size && (n = MIN (l->handlers.can_receive (l->user), size - done))) {
    l->handlers.receive (l->user, (const uint8_t *) text + done, n);
    done += n;
  }
  bp_machine_unlock (bp_test_machine (t));
  return done;
}

/* --- machines ---------------------------------------------------------------------------------------- */

enum { F_SIZE = 1, F_MULTIPORT = 2, F_EMERGENCY = 4 };
enum { CONTROL_RX = 2, CONTROL_TX = 3, PORT1_RX = 4, PORT1_TX = 5, QUEUES = 8 };
enum { DEVICE_READY, PORT_ADD, PORT_REMOVE, PORT_READY, CONSOLE_PORT, RESIZE, PORT_OPEN, PORT_NAME };

static BpTest *
console_new (bool packed)
{
  return one_device_new (&line_type, packed, "type = virtio-console\nbackend = l0\nport2 = l2\nname2 = org.test\n",
                         "[backend l0]\ntype = line\n[backend l2]\ntype = line\n");
}

static void
control (BpTestVirtio *v, unsigned port, unsigned event, unsigned value)
{
  const uint8_t message[8] = { (uint8_t) port, (uint8_t) (port >> 8), 0, 0, (uint8_t) event, 0, (uint8_t) value, 0 };
  bp_test_virtio_call (v, CONTROL_TX, message, sizeof message, NULL, 0);
}

/* The next control message as "port event value rest". */
static void
expect_control (BpTest *t, BpTestVirtio *v, const char *wanted)
{
  uint64_t at = one_device_offer (v, CONTROL_RX, 64);
  uint32_t size = 0;
  bool told = bp_test_virtio_take (v, CONTROL_RX, NULL, &size);
  if (!wanted) {
    bp_test_expect (!told);
    return;
  }
  bp_test_expect (told);
  g_autoptr (GString) text = g_string_new (NULL);
  g_string_printf (text, "%u %u %u", bp_test_load32 (t, at), bp_test_load16 (t, at + 4), bp_test_load16 (t, at + 6));
  for (unsigned i = 8; i < size; i++)
    g_string_append_printf (text, "%s%02x", i == 8 ? " " : "", bp_test_load8 (t, at + i));
  bp_test_expect_str (text->str, wanted);
}

/* --- tests --------------------------------------------------------------------------------------------- */

BP_TEST (without_ports)
{
  for (int packed = 0; packed < 2; packed++) {
    BpTest *t = console_new (packed);
    BpTestVirtio *v = one_device_driver (t);
    Line *l = bp_test_object (t, "l0");
    l->columns = 80, l->rows = 25;
    bp_test_expect_eq (bp_test_virtio_device_id (v), 3);
    bp_test_virtio_set_config (v, 8, '!', 4);
    bp_test_expect_str (l->text->str, "!");
    bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL & ~(uint64_t) F_MULTIPORT, 2);
    bp_test_virtio_call (v, 1, "hello", 5, NULL, 0);
    bp_test_expect_str (l->text->str, "!hello");
    bp_test_expect_eq (line_type_in (t, l, "abc", 3), 0);
    uint64_t at = one_device_offer (v, 0, 4);
    bp_test_expect_eq (line_type_in (t, l, "abcdef", 6), 4);
    uint32_t written;
    bp_test_expect (bp_test_virtio_take (v, 0, NULL, &written));
    bp_test_expect_eq (written, 4);
    bp_test_expect_eq (bp_test_load32 (t, at), 0x64636261);
    bp_test_expect_eq (bp_test_virtio_config (v, 0, 2), 80);
    bp_test_expect_eq (bp_test_virtio_config (v, 2, 2), 25);
    bp_test_expect_eq (bp_test_virtio_config (v, 4, 4), 3);
    line_event (t, l, BP_CHAR_RESIZED);
    bp_test_expect_eq (bp_test_virtio_interrupts (v, -1), 1);
    bp_test_virtio_free (v);
    bp_test_free (t);
  }
}

BP_TEST (ports_are_told)
{
  BpTest *t = console_new (true);
  BpTestVirtio *v = one_device_driver (t);
  Line *l = bp_test_object (t, "l0"), *m = bp_test_object (t, "l2");
  l->columns = 80, l->rows = 25;
  m->closed = true;
  bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, QUEUES);
  expect_control (t, v, NULL);
  control (v, 0, DEVICE_READY, 1);
  bp_test_expect (bp_test_virtio_take (v, CONTROL_RX, NULL, NULL));     /* the buffer from before */
  expect_control (t, v, "2 1 1");
  control (v, 0, PORT_READY, 1);
  expect_control (t, v, "0 4 1");
  expect_control (t, v, "0 5 0 19005000");
  expect_control (t, v, "0 6 1");
  control (v, 2, PORT_READY, 1);
  expect_control (t, v, "2 7 1 6f72672e74657374");
  line_event (t, m, BP_CHAR_OPENED);
  expect_control (t, v, "2 6 1");
  line_event (t, m, BP_CHAR_CLOSED);
  line_event (t, m, BP_CHAR_OPENED);
  expect_control (t, v, "2 6 0");
  expect_control (t, v, "2 6 1");
  line_event (t, m, BP_CHAR_OPENED);
  line_event (t, m, BP_CHAR_CLOSED);
  expect_control (t, v, "2 6 0");
  expect_control (t, v, NULL);
  bp_test_virtio_free (v);
  bp_test_free (t);
}

/* A port's output waits for its backend, a console's does not; after a load it goes on where it was. */
BP_TEST (output_at_the_backends_pace)
{
  BpTest *t = console_new (false), *other = console_new (false);
  BpTestVirtio *v = one_device_driver (t), *w = one_device_driver (other);
  Line *l = bp_test_object (t, "l0"), *m = bp_test_object (t, "l2");
  bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, QUEUES);
  bp_test_virtio_setup (w, BP_TEST_VIRTIO_ALL, QUEUES);
  l->room = m->room = 3;
  bp_test_virtio_call (v, 1, "console", 7, NULL, 0);
  bp_test_expect_str (l->text->str, "console");
  one_device_send (v, 7, "port two", 8);
  one_device_send (v, 7, " and more", 9);
  bp_test_iterate (t);
  bp_test_expect_str (m->text->str, "por");
  bp_test_expect (!bp_test_virtio_take (v, 7, NULL, NULL));
  line_has_room (t, m, 2);
  bp_test_expect_str (m->text->str, "port ");
  bp_test_copy (t, other);
  bp_test_virtio_copy (v, w);
  bp_test_iterate (other);
  bp_test_expect_str (((Line *) bp_test_object (other, "l2"))->text->str, "two and more");
  line_event (t, m, BP_CHAR_CLOSED);    /* what nobody will read is done with */
  bp_test_expect (bp_test_virtio_take (v, 7, NULL, NULL));
  bp_test_expect (bp_test_virtio_take (v, 7, NULL, NULL));
  bp_test_expect_str (m->text->str, "port ");
  bp_test_virtio_free (v);
  bp_test_virtio_free (w);
  bp_test_free (t);
  bp_test_free (other);
}

/* Input waits until a program has the port open, and for room. */
BP_TEST (input_at_the_guests_pace)
{
  BpTest *t = console_new (true);
  BpTestVirtio *v = one_device_driver (t);
  Line *m = bp_test_object (t, "l2");
  bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, QUEUES);
  one_device_offer (v, 6, 4);
  bp_test_expect_eq (line_type_in (t, m, "abcdefgh", 8), 0);
  unsigned accepts = m->accepts;
  control (v, 2, PORT_OPEN, 1);
  bp_test_expect (m->accepts > accepts);
  bp_test_expect_eq (line_type_in (t, m, "abcdefgh", 8), 4);
  bp_test_expect (bp_test_virtio_take (v, 6, NULL, NULL));
  accepts = m->accepts;
  one_device_offer (v, 6, 8);
  bp_test_iterate (t);
  bp_test_expect (m->accepts > accepts);
  control (v, 2, PORT_OPEN, 0);
  bp_test_expect_eq (line_type_in (t, m, "efgh", 4), 0);
  bp_test_virtio_free (v);
  bp_test_free (t);
}

BP_TEST (more_than_a_turn)
{
  enum { SIZE = 64 * 1024, PARTS = 100 };
  BpTest *t = console_new (false);
  BpTestVirtio *v = one_device_driver (t);
  Line *m = bp_test_object (t, "l2");
  bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, QUEUES);
  uint64_t at = bp_test_virtio_alloc (v, SIZE);
  BpTestPart parts[PARTS];
  for (unsigned i = 0; i < PARTS; i++)
    parts[i] = (BpTestPart) { at, SIZE };
  bp_test_virtio_add (v, 7, parts, PARTS, 0);
  bp_test_virtio_kick (v, 7);
  bp_test_expect (bp_test_virtio_wait (v, 7, NULL, NULL));
  bp_test_expect_eq (m->text->len, PARTS * SIZE);
  bp_test_virtio_free (v);
  bp_test_free (t);
}

BP_TEST (drivers_that_lie)
{
  BpTest *t = console_new (false);
  BpTestVirtio *v = one_device_driver (t);
  Line *l = bp_test_object (t, "l0");
  bp_test_keep_log ("guest_errors");
  bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, QUEUES);
  control (v, 1, PORT_READY, 1);
  control (v, 0xffff, PORT_OPEN, 1);
  control (v, 0, PORT_NAME, 1);
  bp_test_virtio_call (v, CONTROL_TX, "abc", 3, NULL, 0);
  for (unsigned i = 0; i < 1000; i++)
    control (v, 0, DEVICE_READY, 1);
  bp_test_virtio_set_config (v, 0, 1, 4);
  one_device_send (v, PORT1_TX, "nobody", 6);
  one_device_offer (v, PORT1_RX, 8);
  control (v, 0, PORT_OPEN, 1);
  one_device_send (v, 0, "input without room", 18);
  bp_test_expect_eq (line_type_in (t, l, "x", 1), 0);
  bp_test_expect_eq (bp_test_virtio_status (v) & 0x40, 0x40);
  bp_test_virtio_setup (v, BP_TEST_VIRTIO_ALL, QUEUES);
  control (v, 0, DEVICE_READY, 1);
  one_device_offer (v, CONTROL_RX, 4);
  bp_test_iterate (t);
  bp_test_expect_eq (bp_test_virtio_status (v) & 0x40, 0x40);
  g_autofree char *log = bp_test_take_log ();
  bp_test_expect_has (log, "about port 1, which there is not");
  bp_test_expect_has (log, "about port 65535");
  bp_test_expect_has (log, "that no driver sends");
  bp_test_expect_has (log, "a control message of 3 bytes");
  bp_test_expect_has (log, "without room for any");
  bp_test_expect_has (log, "too small for one");
  bp_test_virtio_free (v);
  bp_test_free (t);
}

BP_TEST (names_that_cannot_be)
{
  g_autofree char *longest = g_strnfill (257, 'n'), *keys = g_strdup_printf ("type = virtio-console\nname = %s\n", longest);
  g_autofree char *too_long = one_device_refusal (keys, ""), *nobody = one_device_refusal ("type = virtio-console\nname4 = agent\n", "");
  bp_test_expect_has (too_long, "the name of port 0 has 257 bytes; 256 is the most");
  bp_test_expect_has (nobody, "port4 is not given");
}

BP_TEST_MAIN ("virtio console", &without_ports, &ports_are_told, &output_at_the_backends_pace, &input_at_the_guests_pace, &more_than_a_turn, &drivers_that_lie,
              &names_that_cannot_be)
