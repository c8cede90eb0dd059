/* test-gpu.c -- virtio GPU: pictures of every format, rectangles, cursors, heads, wishes of displays, what is saved, drivers that lie. */
/* SPDX-License-Identifier: MIT */
#include "one-device.h"
#include <backplane/iface/screen.h>
#include <backplane/loop.h>
#include <stdarg.h>
#include <string.h>

enum { CONTROL, CURSOR, QUEUES };
enum { DISPLAY_INFO = 0x100, CREATE, UNREF, SET_SCANOUT, FLUSH, TRANSFER, ATTACH, DETACH, GET_EDID = 0x10a, UPDATE_CURSOR = 0x300, MOVE_CURSOR };
enum { OK = 0x1100, OK_INFO, OK_EDID = 0x1104, UNSPECIFIED = 0x1200, OUT_OF_MEMORY, NO_SCANOUT, NO_RESOURCE, NO_CONTEXT, BAD_PARAMETER };
enum { XRGB = 2, ARGB = 1, PAGES = 0x200000, EVENT_DISPLAY = 1, SCREEN = 1, POINTER = 9 };

/* --- a driver ---------------------------------------------------------------------------------- */

typedef struct Driver {
  BpTest *t;
  BpTestVirtio *v;
  void *gpu;
  const BpScreenIface *screen;
  BpScreenFrame frame;
  uint32_t answer[264];         /* the last one */
  uint32_t answered;            /* bytes */
} Driver;

static Driver
driver_with (bool packed, const char *keys, const char *more)
{
  g_autofree char *all = g_strdup_printf ("type = virtio-gpu\n%s", keys);
  Driver d = { .t = one_device_new (NULL, packed, all, more) };
  d.v = one_device_driver (d.t);
  d.gpu = bp_test_object (d.t, "d");
  d.screen = bp_test_interface (d.t, "d", BP_SCREEN_ID);
  bp_screen_frame_clear (&d.frame);
  bp_test_virtio_setup (d.v, BP_TEST_VIRTIO_ALL, QUEUES);
  return d;
}

static Driver driver_new (bool packed, const char *keys) { return driver_with (packed, keys, NULL); }

static void
driver_free (Driver *d)
{
  bp_screen_frame_clear (&d->frame);
  bp_test_virtio_free (d->v);
  bp_test_free (d->t);
}

/* The answer's type to a command with n words behind its header. */
static uint32_t
command (Driver *d, unsigned type, unsigned n, ...)
{
  uint32_t words[64] = { type };
  va_list args;
  va_start (args, n);
  for (unsigned i = 0; i < n; i++)
    words[6 + i] = va_arg (args, uint32_t);
  va_end (args);
  memset (d->answer, 0xee, sizeof d->answer);
  d->answered = bp_test_virtio_call (d->v, type >= UPDATE_CURSOR ? CURSOR : CONTROL, words, (6 + n) * 4, d->answer, sizeof d->answer);
  return d->answer[0];
}

static void
look (Driver *d, unsigned head)
{
  bp_screen_update (d->screen, d->gpu, head, &d->frame);
}

/* A resource whose backing is one span of memory. */
static void
make (Driver *d, uint32_t id, uint32_t format, uint32_t width, uint32_t height, uint32_t pages)
{
  bp_test_expect_eq (command (d, CREATE, 4, id, format, width, height), OK);
  bp_test_expect_eq (command (d, ATTACH, 6, id, 1, pages, 0, width * height * 4, 0), OK);
}

static uint32_t
transfer (Driver *d, uint32_t id, uint32_t x, uint32_t y, uint32_t width, uint32_t height, uint64_t offset)
{
  return command (d, TRANSFER, 8, x, y, width, height, (uint32_t) offset, (uint32_t) (offset >> 32), id, 0);
}

/* A picture of 8 x 6 whose pixel n is 0x100 + n, on head 0. */
static void
show_numbers (Driver *d)
{
  make (d, SCREEN, XRGB, 8, 6, PAGES);
  for (uint32_t i = 0; i < 48; i++)
    bp_test_store32 (d->t, PAGES + 4 * i, 0xff000100 + i);
  bp_test_expect_eq (transfer (d, SCREEN, 0, 0, 8, 6, 0), OK);
  bp_test_expect_eq (command (d, SET_SCANOUT, 6, 0, 0, 8, 6, 0, SCREEN), OK);
  bp_test_expect_eq (command (d, FLUSH, 6, 0, 0, 8, 6, SCREEN, 0), OK);
  look (d, 0);
}

static void
expect_rows (const Driver *d, unsigned first, unsigned end)
{
  bp_test_expect_eq (d->frame.first_row, first);
  bp_test_expect_eq (d->frame.end_row, end);
}

/* --- what it is ------------------------------------------------------------------------------------- */

BP_TEST (what_it_is)
{
  Driver d = driver_new (false, "heads = 2\nwidth = 1024\nheight = 768\n");
  bp_test_expect_eq (bp_test_virtio_device_id (d.v), 16);
  bp_test_expect_eq (bp_test_virtio_offered (d.v) & 0xffffff, 2);
  bp_test_expect_eq (bp_test_virtio_config (d.v, 0, 8), 0);
  bp_test_expect_eq (bp_test_virtio_config (d.v, 8, 8), 2);
  bp_test_expect_eq (command (&d, DISPLAY_INFO, 0), OK_INFO);
  bp_test_expect_eq (d.answered, 24 + 16 * 24);
  const uint32_t wanted[18] = { 0, 0, 1024, 768, 1, 0, 1024, 0, 1024, 768, 1, 0, 0, 0, 0, 0, 0, 0 };
  bp_test_expect (memcmp (d.answer + 6, wanted, sizeof wanted) == 0);
  uint8_t edid[BP_SCREEN_EDID_SIZE];
  bp_screen_edid (edid, 1024, 768, 1);
  bp_test_expect_eq (command (&d, GET_EDID, 2, 1, 0), OK_EDID);
  bp_test_expect_eq (d.answered, 24 + 8 + 1024);
  bp_test_expect_eq (d.answer[6], sizeof edid);
  bp_test_expect (memcmp (d.answer + 8, edid, sizeof edid) == 0);
  bp_test_expect_eq (command (&d, GET_EDID, 2, 2, 0), NO_SCANOUT);
  bp_test_virtio_setup (d.v, BP_TEST_VIRTIO_ALL & ~UINT64_C (2), QUEUES);
  bp_test_expect_eq (command (&d, GET_EDID, 2, 0, 0), UNSPECIFIED);
  driver_free (&d);
}

/* --- pictures ------------------------------------------------------------------------------------------ */

BP_TEST (formats)
{
  static const struct { uint32_t format; const char *bytes; } all[] = {
    { 1, "\x33\x22\x11\x80" }, { 2, "\x33\x22\x11\x80" }, { 3, "\x80\x11\x22\x33" }, { 4, "\x80\x11\x22\x33" },
    { 67, "\x11\x22\x33\x80" }, { 68, "\x80\x33\x22\x11" }, { 121, "\x80\x33\x22\x11" }, { 134, "\x11\x22\x33\x80" },
  };
  Driver d = driver_new (false, "");
  for (unsigned i = 0; i < BP_N_ELEMENTS (all); i++) {
    bp_test_write (d.t, PAGES, all[i].bytes, 4);
    make (&d, 1 + i, all[i].format, 1, 1, PAGES);
    bp_test_expect_eq (transfer (&d, 1 + i, 0, 0, 1, 1, 0), OK);
    bp_test_expect_eq (command (&d, SET_SCANOUT, 6, 0, 0, 1, 1, 0, 1 + i), OK);
    look (&d, 0);
    bp_test_expect_eq (d.frame.pixels[0], 0x112233);
  }
  driver_free (&d);
}

BP_TEST (rows_that_changed)
{
  for (int packed = 0; packed < 2; packed++) {
    Driver d = driver_new (packed, "");
    look (&d, 0);
    bp_test_expect (!d.frame.width && !d.frame.pixels && !d.frame.end_row);
    show_numbers (&d);
    bp_test_expect (d.frame.resized && d.frame.width == 8 && d.frame.height == 6);
    expect_rows (&d, 0, 6);
    for (uint32_t i = 0; i < 48; i++)
      bp_test_expect_eq (d.frame.pixels[i], 0x100 + i);
    look (&d, 0);
    bp_test_expect (!d.frame.resized);
    expect_rows (&d, 0, 0);
    for (uint32_t i = 0; i < 48; i++)
      bp_test_store32 (d.t, PAGES + 4 * i, 0x200 + i);
    bp_test_expect_eq (transfer (&d, SCREEN, 3, 2, 4, 2, 4 * (2 * 8 + 3)), OK);
    look (&d, 0);
    expect_rows (&d, 0, 0);     /* it is not flushed yet */
    bp_test_expect_eq (command (&d, FLUSH, 6, 3, 2, 4, 2, SCREEN, 0), OK);
    look (&d, 0);
    expect_rows (&d, 2, 4);
    for (uint32_t i = 0; i < 48; i++) {
      bool inside = i % 8 >= 3 && i % 8 < 7 && i / 8 >= 2 && i / 8 < 4;
      bp_test_expect_eq (d.frame.pixels[i], (inside ? 0x200 : 0x100) + i);
    }
    bp_test_expect_eq (command (&d, FLUSH, 6, 8, 6, 0, 0, SCREEN, 0), OK);
    bp_test_expect_eq (transfer (&d, SCREEN, 8, 6, 0, 0, UINT64_MAX), OK);
    look (&d, 0);
    expect_rows (&d, 0, 0);
    driver_free (&d);
  }
}

/* Two who ask at different times get what changed since their own last time. */
BP_TEST (two_askers)
{
  Driver d = driver_new (false, "");
  BpScreenFrame other = { .struct_size = sizeof other };
  show_numbers (&d);
  d.screen->update (d.gpu, &other);
  command (&d, FLUSH, 6, 0, 1, 1, 1, SCREEN, 0);
  look (&d, 0);
  expect_rows (&d, 1, 2);
  command (&d, FLUSH, 6, 0, 4, 1, 1, SCREEN, 0);
  d.screen->update (d.gpu, &other);
  bp_test_expect (other.first_row == 1 && other.end_row == 5);
  look (&d, 0);
  expect_rows (&d, 4, 5);
  bp_screen_frame_clear (&other);
  driver_free (&d);
}

/* Pixels that lie across the ends of spans, of one byte and of none; rows that lie apart. */
BP_TEST (scattered_backing)
{
  static const uint32_t lengths[] = { 3, 0, 1, 70, 2, 500 };
  Driver d = driver_new (true, "");
  uint32_t words[64] = { ATTACH, 0, 0, 0, 0, 0, SCREEN, BP_N_ELEMENTS (lengths) }, at = PAGES, byte = 0;
  for (unsigned i = 0; i < BP_N_ELEMENTS (lengths); i++, at += 0x1001) {
    words[8 + 4 * i] = at;
    words[8 + 4 * i + 2] = lengths[i];
    for (uint32_t n = 0; n < lengths[i]; n++)
      bp_test_store8 (d.t, at + n, (uint8_t) (byte++ * 7));
  }
  bp_test_expect_eq (command (&d, CREATE, 4, SCREEN, XRGB, 9, 16), OK);
  bp_test_virtio_call (d.v, CONTROL, words, (8 + 4 * BP_N_ELEMENTS (lengths)) * 4, d.answer, 24);
  bp_test_expect_eq (d.answer[0], OK);
  bp_test_expect_eq (transfer (&d, SCREEN, 0, 0, 9, 16, 0), OK);
  bp_test_expect_eq (transfer (&d, SCREEN, 1, 1, 2, 3, 50), OK);
  bp_test_expect_eq (transfer (&d, SCREEN, 0, 0, 9, 16, 1), BAD_PARAMETER);
  bp_test_expect_eq (command (&d, SET_SCANOUT, 6, 0, 0, 9, 16, 0, SCREEN), OK);
  look (&d, 0);
  for (uint32_t i = 0; i < 9 * 16; i++) {
    uint32_t x = i % 9, y = i / 9, from = 4 * i;
    if (x >= 1 && x < 3 && y >= 1 && y < 4)
      from = 50 + (y - 1) * 36 + (x - 1) * 4;
    bp_test_expect_eq (d.frame.pixels[i], (from + 2) * 7 % 256 << 16 | (from + 1) * 7 % 256 << 8 | from * 7 % 256);
  }
  driver_free (&d);
}

/* --- cursors ------------------------------------------------------------------------------------------- */

static void
use_cursor (uint32_t format)
{
  Driver d = driver_new (false, "");
  show_numbers (&d);
  make (&d, POINTER, format, 64, 64, PAGES + 0x10000);
  bp_test_store32 (d.t, PAGES + 0x10000, 0xff112233);
  bp_test_store32 (d.t, PAGES + 0x10000 + 4, 0x80400000);       /* half of what is below, brighter in red */
  bp_test_store32 (d.t, PAGES + 0x10000 + 4 * 64, 0x00ffffff);  /* more light than it may have */
  bp_test_expect_eq (transfer (&d, POINTER, 0, 0, 64, 64, 0), OK);
  bp_test_expect_eq (command (&d, UPDATE_CURSOR, 8, 0, 2, 1, 0, POINTER, 0, 0, 0), OK);
  look (&d, 0);
  expect_rows (&d, 1, 6);
  bp_test_expect_eq (d.frame.pixels[8 + 2], 0x112233);
  bp_test_expect_eq (d.frame.pixels[8 + 3], 0x400000 + (0x01 * 0x7f / 0xff << 8) + 0x0b * 0x7f / 0xff);
  bp_test_expect_eq (d.frame.pixels[16 + 2], 0xffffff);
  bp_test_expect_eq (d.frame.pixels[16 + 3], 0x100 + 19);
  /* It is a copy, which lives on. */
  bp_test_expect_eq (command (&d, UNREF, 2, POINTER, 0), OK);
  bp_test_expect_eq (command (&d, MOVE_CURSOR, 8, 0, 0xffffffff, 3, 0, 0, 0, 0, 0), OK);
  look (&d, 0);
  expect_rows (&d, 1, 6);
  bp_test_expect_eq (d.frame.pixels[8 + 2], 0x100 + 10);
  bp_test_expect_eq (d.frame.pixels[24] >> 16, 0x40);
  command (&d, MOVE_CURSOR, 8, 0, 0x80000000, 0x7fffffff, 0, 0, 0, 0, 0);
  command (&d, MOVE_CURSOR, 8, 0, 0x7fffffff, 0x80000000, 0, 0, 0, 0, 0);
  look (&d, 0);
  expect_rows (&d, 3, 6);
  bp_test_expect_eq (d.frame.pixels[24], 0x100 + 24);
  command (&d, MOVE_CURSOR, 8, 0, 0, 0, 0, 0, 0, 0, 0);
  look (&d, 0);
  bp_test_expect_eq (d.frame.pixels[0], 0x112233);
  bp_test_expect_eq (command (&d, UPDATE_CURSOR, 8, 0, 0, 0, 0, 0, 0, 0, 0), OK);
  look (&d, 0);
  bp_test_expect_eq (d.frame.pixels[0], 0x100);
  bp_test_expect_eq (command (&d, UPDATE_CURSOR, 8, 0, 0, 0, 0, 7, 0, 0, 0), NO_RESOURCE);
  bp_test_expect_eq (command (&d, UPDATE_CURSOR, 8, 0, 0, 0, 0, SCREEN, 0, 0, 0), BAD_PARAMETER);
  bp_test_expect_eq (command (&d, UPDATE_CURSOR, 8, 1, 0, 0, 0, SCREEN, 0, 0, 0), NO_SCANOUT);
  bp_test_expect_eq (command (&d, MOVE_CURSOR, 8, 1, 0, 0, 0, 0, 0, 0, 0), NO_SCANOUT);
  driver_free (&d);
}

/* A cursor has alpha, whether its format says so or not (Linux's does not). */
BP_TEST (cursors)
{
  use_cursor (ARGB);
  use_cursor (XRGB);
}

/* --- heads ------------------------------------------------------------------------------------------------ */

BP_TEST (several_heads)
{
  Driver d = driver_new (false, "heads = 3\n");
  BpScreenFrame left = { .struct_size = sizeof left }, right = { .struct_size = sizeof right }, none = { .struct_size = sizeof none };
  bp_test_expect_eq (bp_screen_heads (d.screen, d.gpu), 3);
  show_numbers (&d);
  bp_test_expect_eq (command (&d, SET_SCANOUT, 6, 0, 0, 4, 6, 0, SCREEN), OK);
  bp_test_expect_eq (command (&d, SET_SCANOUT, 6, 4, 1, 4, 5, 2, SCREEN), OK);
  d.screen->update_head (d.gpu, 0, &left);
  d.screen->update_head (d.gpu, 1, &none);
  d.screen->update_head (d.gpu, 2, &right);
  bp_test_expect (left.width == 4 && left.height == 6 && left.pixels[4] == 0x108);
  bp_test_expect (right.width == 4 && right.height == 5 && right.pixels[4] == 0x100 + 8 + 8 + 4);
  bp_test_expect (!none.width);
  command (&d, FLUSH, 6, 4, 0, 4, 3, SCREEN, 0);
  d.screen->update_head (d.gpu, 0, &left);
  d.screen->update_head (d.gpu, 2, &right);
  bp_test_expect_eq (left.end_row, 0);
  bp_test_expect (right.first_row == 0 && right.end_row == 2);
  bp_test_expect_eq (command (&d, SET_SCANOUT, 6, 0, 0, 0, 0, 0, 0), OK);
  bp_test_expect_eq (command (&d, UNREF, 2, SCREEN, 0), OK);
  d.screen->update_head (d.gpu, 0, &left);
  d.screen->update_head (d.gpu, 2, &right);
  bp_test_expect (left.resized && !left.width && !left.pixels && right.resized && !right.width);
  bp_screen_frame_clear (&left);
  bp_screen_frame_clear (&right);
  driver_free (&d);
}

BP_TEST (wishes)
{
  Driver d = driver_new (false, "heads = 2\n");
  bp_test_expect (d.screen->want_size (d.gpu, 0, 1280, 800));
  bp_test_expect_eq (bp_test_virtio_config (d.v, 0, 4), 0);
  bp_test_expect (d.screen->want_size (d.gpu, 1, 1600, 900));
  bp_test_expect_eq (bp_test_virtio_config (d.v, 0, 4), EVENT_DISPLAY);
  bp_test_expect_eq (bp_test_virtio_interrupts (d.v, -1), 1);
  command (&d, DISPLAY_INFO, 0);
  bp_test_expect (d.answer[6 + 6] == 1280 && d.answer[6 + 8] == 1600 && d.answer[6 + 9] == 900);
  bp_test_virtio_set_config (d.v, 5, 0xff, 1);
  bp_test_expect_eq (bp_test_virtio_config (d.v, 0, 4), EVENT_DISPLAY);
  bp_test_virtio_set_config (d.v, 4, 1, 4);
  bp_test_expect_eq (bp_test_virtio_config (d.v, 0, 4), 0);
  static const uint32_t impossible[][3] = { { 0, 63, 800 }, { 0, 800, 63 }, { 0, 4096, 800 }, { 0, 800, 4096 }, { 2, 800, 600 }, { 0, 0, 0 } };
  for (unsigned i = 0; i < BP_N_ELEMENTS (impossible); i++)
    bp_test_expect (!d.screen->want_size (d.gpu, impossible[i][0], impossible[i][1], impossible[i][2]));
  bp_test_reset (d.t, BP_RESET_COLD);
  bp_test_expect (d.screen->want_size (d.gpu, 0, 640, 480));    /* nobody to tell */
  bp_test_virtio_setup (d.v, BP_TEST_VIRTIO_ALL, QUEUES);
  bp_test_expect_eq (bp_test_virtio_config (d.v, 0, 4), 0);
  command (&d, DISPLAY_INFO, 0);
  bp_test_expect (d.answer[6 + 2] == 640 && d.answer[6 + 8] == 1600);
  driver_free (&d);
}

/* --- state ------------------------------------------------------------------------------------------------------ */

BP_TEST (saved_and_loaded)
{
  Driver d = driver_new (false, "heads = 2\n"), e = driver_new (false, "heads = 2\n");
  show_numbers (&d);
  make (&d, POINTER, ARGB, 64, 64, PAGES + 0x10000);
  bp_test_expect_eq (command (&d, CREATE, 4, 77, 134, 3, 2), OK);
  bp_test_store32 (d.t, PAGES + 0x10000, 0xff112233);
  transfer (&d, POINTER, 0, 0, 64, 64, 0);
  command (&d, UPDATE_CURSOR, 8, 0, 5, 0, 0, POINTER, 0, 0, 0);
  command (&d, SET_SCANOUT, 6, 1, 1, 5, 4, 1, SCREEN);
  d.screen->want_size (d.gpu, 1, 720, 400);
  bp_test_store32 (d.t, PAGES, 0x999999);       /* not transferred yet */
  /* what was there goes */
  make (&e, 5, XRGB, 20, 20, PAGES);
  command (&e, SET_SCANOUT, 6, 0, 0, 20, 20, 0, 5);
  look (&e, 0);
  bp_test_copy (d.t, e.t);
  bp_test_virtio_copy (d.v, e.v);
  for (unsigned head = 0; head < 2; head++) {
    look (&d, head);
    look (&e, head);
    bp_test_expect (d.frame.width == e.frame.width && d.frame.height == e.frame.height);
    bp_test_expect (memcmp (d.frame.pixels, e.frame.pixels, d.frame.width * d.frame.height * 4) == 0);
  }
  bp_test_expect_eq (command (&e, FLUSH, 6, 0, 0, 1, 1, 5, 0), NO_RESOURCE);
  bp_test_expect_eq (transfer (&e, SCREEN, 0, 0, 1, 1, 0), OK);
  bp_test_expect_eq (transfer (&e, 77, 0, 0, 1, 1, 0), UNSPECIFIED);
  bp_test_expect_eq (command (&e, FLUSH, 6, 0, 0, 1, 1, SCREEN, 0), OK);
  look (&e, 0);
  bp_test_expect_eq (e.frame.pixels[0], 0x999999);
  bp_test_expect_eq (bp_test_virtio_config (e.v, 0, 4), EVENT_DISPLAY);
  bp_test_expect_eq (command (&e, UNREF, 2, SCREEN, 0), OK);
  bp_test_round_trip (e.t);
  driver_free (&d);
  driver_free (&e);
}

/* A machine with less memory for pictures, or fewer heads. */
BP_TEST (states_that_do_not_fit)
{
  Driver d = driver_new (false, "heads = 2\nmemory = 2M\n"), small = driver_new (false, "heads = 2\nmemory = 1M\n"), narrow = driver_new (false, "memory = 2M\n");
  make (&d, SCREEN, XRGB, 600, 600, PAGES);
  bp_test_expect_eq (command (&d, SET_SCANOUT, 6, 0, 0, 600, 600, 1, SCREEN), OK);
  g_autoptr (GBytes) state = bp_test_save (d.t);
  g_autofree char *why = bp_test_load_state (small.t, state), *other = bp_test_load_state (narrow.t, state);
  bp_test_expect_has (why, "property memory");
  bp_test_expect_has (other, "a head shows what cannot be");
  driver_free (&d);
  driver_free (&small);
  driver_free (&narrow);
}

/* A driver that goes leaves nothing, and the next one finds nothing. */
BP_TEST (resets)
{
  Driver d = driver_new (false, "memory = 1M\n");
  for (unsigned i = 0; i < 3; i++) {
    show_numbers (&d);
    bp_test_expect_eq (command (&d, CREATE, 4, 2, XRGB, 500, 500), OK);
    bp_test_expect_eq (command (&d, CREATE, 4, 3, XRGB, 500, 500), OUT_OF_MEMORY);
    if (i == 0)
      bp_test_virtio_set_status (d.v, 0);
    else
      bp_test_reset (d.t, i == 1 ? BP_RESET_WARM : BP_RESET_COLD);
    look (&d, 0);
    bp_test_expect (!d.frame.width);
    bp_test_virtio_setup (d.v, BP_TEST_VIRTIO_ALL, QUEUES);
    bp_test_expect_eq (command (&d, FLUSH, 6, 0, 0, 0, 0, SCREEN, 0), NO_RESOURCE);
  }
  driver_free (&d);
}

/* --- drivers that lie ---------------------------------------------------------------------------------------------- */

BP_TEST (errors)
{
  Driver d = driver_new (false, "");
  show_numbers (&d);
  bp_test_expect_eq (command (&d, CREATE, 4, 2, XRGB, 4, 4), OK);
  static const struct { uint32_t type, answer, n, body[8]; } all[] = {
    { CREATE, NO_RESOURCE, 4, { 0, XRGB, 4, 4 } },
    { CREATE, NO_RESOURCE, 4, { SCREEN, XRGB, 4, 4 } },
    { CREATE, BAD_PARAMETER, 4, { 9, 0, 4, 4 } },
    { CREATE, BAD_PARAMETER, 4, { 9, 5, 4, 4 } },
    { CREATE, BAD_PARAMETER, 4, { 9, 0x102, 4, 4 } },
    { CREATE, BAD_PARAMETER, 4, { 9, XRGB, 0, 4 } },
    { CREATE, BAD_PARAMETER, 4, { 9, XRGB, 4, 0 } },
    { CREATE, OUT_OF_MEMORY, 4, { 9, XRGB, 0xffffffff, 0xffffffff } },
    { CREATE, OUT_OF_MEMORY, 4, { 9, XRGB, 0x80000000, 0x80000000 } },
    { CREATE, OUT_OF_MEMORY, 4, { 9, XRGB, 0x8000, 0x8000 } },
    { CREATE, OUT_OF_MEMORY, 4, { 9, XRGB, 8192, 8192 } },      /* all of `memory', and then some */
    { CREATE, BAD_PARAMETER, 3, { 9, XRGB, 4 } },
    { UNREF, NO_RESOURCE, 2, { 9 } },
    { UNREF, NO_RESOURCE, 2, { 0 } },
    { UNREF, BAD_PARAMETER, 1, { SCREEN } },
    { SET_SCANOUT, NO_SCANOUT, 6, { 0, 0, 8, 6, 1, SCREEN } },
    { SET_SCANOUT, NO_SCANOUT, 6, { 0, 0, 8, 6, 0xffffffff, 0 } },
    { SET_SCANOUT, NO_RESOURCE, 6, { 0, 0, 8, 6, 0, 9 } },
    { SET_SCANOUT, BAD_PARAMETER, 6, { 0, 0, 9, 6, 0, SCREEN } },
    { SET_SCANOUT, BAD_PARAMETER, 6, { 0, 0, 8, 7, 0, SCREEN } },
    { SET_SCANOUT, BAD_PARAMETER, 6, { 1, 0, 8, 6, 0, SCREEN } },
    { SET_SCANOUT, BAD_PARAMETER, 6, { 0xffffffff, 0, 2, 6, 0, SCREEN } },
    { SET_SCANOUT, BAD_PARAMETER, 6, { 2, 0, 0xffffffff, 6, 0, SCREEN } },
    { SET_SCANOUT, BAD_PARAMETER, 6, { 0, 0, 0, 6, 0, SCREEN } },
    { SET_SCANOUT, BAD_PARAMETER, 6, { 8, 6, 0, 0, 0, SCREEN } },
    { SET_SCANOUT, BAD_PARAMETER, 5, { 0, 0, 8, 6, 0 } },
    { FLUSH, NO_RESOURCE, 6, { 0, 0, 1, 1, 9 } },
    { FLUSH, BAD_PARAMETER, 6, { 1, 0, 8, 1, SCREEN } },
    { FLUSH, BAD_PARAMETER, 6, { 0, 0xfffffffe, 1, 4, SCREEN } },
    { TRANSFER, NO_RESOURCE, 8, { 0, 0, 1, 1, 0, 0, 9 } },
    { TRANSFER, UNSPECIFIED, 8, { 0, 0, 1, 1, 0, 0, 2 } },      /* it has no backing */
    { TRANSFER, BAD_PARAMETER, 8, { 0, 0, 9, 1, 0, 0, SCREEN } },
    { TRANSFER, BAD_PARAMETER, 8, { 0, 5, 1, 2, 0, 0, SCREEN } },
    { TRANSFER, BAD_PARAMETER, 8, { 0, 5, 1, 0xffffffff, 0, 0, SCREEN } },
    { TRANSFER, BAD_PARAMETER, 8, { 0, 0, 8, 6, 4, 0, SCREEN } },
    { TRANSFER, BAD_PARAMETER, 8, { 0, 0, 1, 1, 0, 1, SCREEN } },
    { TRANSFER, BAD_PARAMETER, 8, { 0, 0, 8, 6, 0xfffffffc, 0xffffffff, SCREEN } },
    { TRANSFER, BAD_PARAMETER, 7, { 0, 0, 1, 1, 0, 0, SCREEN } },
    { ATTACH, NO_RESOURCE, 6, { 9, 1, PAGES, 0, 4096 } },
    { ATTACH, UNSPECIFIED, 6, { SCREEN, 1, PAGES, 0, 4096 } },  /* it has one */
    { ATTACH, BAD_PARAMETER, 6, { 2, 2, PAGES, 0, 4096 } },
    { ATTACH, BAD_PARAMETER, 6, { 2, 0xffffffff, PAGES, 0, 4096 } },
    { ATTACH, BAD_PARAMETER, 6, { 2, 1, 0xfffff001, 0xffffffff, 4096 } },
    { ATTACH, BAD_PARAMETER, 1, { 2 } },
    { DETACH, UNSPECIFIED, 2, { 2 } },
    { DETACH, NO_RESOURCE, 2, { 9 } },
    { 0x108, UNSPECIFIED, 2, { 0 } },   /* capability sets */
    { 0x10c, UNSPECIFIED, 8, { 9 } },   /* blobs */
    { 0x200, UNSPECIFIED, 8, { 0 } },   /* contexts */
    { 0, UNSPECIFIED, 8, { 0 } },
    { 0x1100, UNSPECIFIED, 0, { 0 } },  /* goes to the cursor queue */
    { MOVE_CURSOR, BAD_PARAMETER, 7, { 0 } },
  };
  for (unsigned i = 0; i < BP_N_ELEMENTS (all); i++) {
    const uint32_t *b = all[i].body;
    g_autofree char *what = g_strdup_printf ("the answer to number %u", i);
    bp_test_expect_number (command (&d, all[i].type, all[i].n, b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]), all[i].answer, what);
    bp_test_expect_eq (d.answered, 24);
  }
  for (uint32_t x = 0; x < 48; x++)
    bp_test_expect_eq (d.frame.pixels[x], 0x100 + x);
  bp_test_expect_eq (bp_test_virtio_status (d.v), 15);
  driver_free (&d);
}

/* What a backing has of memory that is none, and of registers, which nobody touches. */
BP_TEST (strange_backing)
{
  static const uint64_t places[] = { ONE_DEVICE_REGISTERS, ONE_DEVICE_RAM, ONE_DEVICE_RAM - 4, UINT64_MAX - 63 };
  Driver d = driver_new (false, "");
  for (unsigned i = 0; i < BP_N_ELEMENTS (places); i++) {
    bp_test_expect_eq (command (&d, CREATE, 4, 1 + i, XRGB, 4, 4), OK);
    bp_test_expect_eq (command (&d, ATTACH, 6, 1 + i, 1, (uint32_t) places[i], (uint32_t) (places[i] >> 32), 63, 0), OK);
    bp_test_expect_eq (transfer (&d, 1 + i, 0, 0, 4, 4, 0), BAD_PARAMETER);
    bp_test_expect_eq (transfer (&d, 1 + i, 0, 0, 4, 3, 0), UNSPECIFIED);
  }
  bp_test_expect_eq (command (&d, CREATE, 4, 9, XRGB, 4, 4), OK);
  bp_test_expect_eq (command (&d, ATTACH, 2, 9, 0), OK);
  bp_test_expect_eq (transfer (&d, 9, 0, 0, 1, 1, 0), BAD_PARAMETER);
  bp_test_expect_eq (command (&d, DETACH, 2, 9, 0), OK);
  driver_free (&d);
}

/* Nothing of it costs the host more than `memory'; what is given back can be had again. */
BP_TEST (memory_is_limited)
{
  Driver d = driver_new (false, "memory = 1M\n");
  uint32_t n, words[8 + 4 * 2048] = { ATTACH, 0, 0, 0, 0, 0, 1, 2048 };
  for (unsigned round = 0; round < 3; round++) {
    for (n = 0; command (&d, CREATE, 4, 1 + n, XRGB, 1, 1) == OK; n++)
      ;
    bp_test_expect_eq (d.answer[0], OUT_OF_MEMORY);
    bp_test_expect (n > 1000 && n < 5000);
    bp_test_virtio_call (d.v, CONTROL, words, sizeof words, d.answer, 24);
    bp_test_expect_eq (d.answer[0], OUT_OF_MEMORY);
    for (uint32_t i = 0; i < n; i++)
      bp_test_expect_eq (command (&d, UNREF, 2, 1 + i, 0), OK);
    bp_test_expect_eq (command (&d, CREATE, 4, 1, XRGB, 1000, 200), OK);
    bp_test_virtio_call (d.v, CONTROL, words, sizeof words, d.answer, 24);
    bp_test_expect_eq (d.answer[0], OK);
    bp_test_expect_eq (command (&d, CREATE, 4, 2, XRGB, 1000, 57), OUT_OF_MEMORY);
    bp_test_expect_eq (command (&d, DETACH, 2, 1, 0), OK);
    bp_test_expect_eq (command (&d, CREATE, 4, 2, XRGB, 1000, 57), OK);
    bp_test_expect_eq (command (&d, UNREF, 2, 1, 0), OK);
    bp_test_expect_eq (command (&d, UNREF, 2, 2, 0), OK);
  }
  driver_free (&d);
}

/* Answers without enough room, fences, cursor commands without any; a header that is none. */
BP_TEST (headers)
{
  Driver d = driver_new (false, "");
  uint32_t words[14] = { CREATE, 1, 0x11223344, 0x55667788, 7, 3, 1, XRGB, 4, 4 }, in[6] = { 0 };
  bp_test_expect_eq (bp_test_virtio_call (d.v, CONTROL, words, 40, in, sizeof in), 24);
  const uint32_t wanted[6] = { OK, 1, 0x11223344, 0x55667788, 7, 0 };
  bp_test_expect (memcmp (in, wanted, sizeof in) == 0);
  words[0] = DISPLAY_INFO;
  words[1] = 0;
  bp_test_expect_eq (bp_test_virtio_call (d.v, CONTROL, words, 24, in, 20), 20);
  bp_test_expect (in[0] == OK_INFO && in[1] == 0 && in[2] == 0 && in[4] == 0);
  words[0] = UPDATE_CURSOR;
  bp_test_expect_eq (bp_test_virtio_call (d.v, CURSOR, words, 56, NULL, 0), 0);
  bp_test_expect_eq (bp_test_virtio_call (d.v, CONTROL, words, 56, in, sizeof in), 24);
  bp_test_expect_eq (in[0], UNSPECIFIED);
  bp_test_keep_log ("guest_errors");
  one_device_send (d.v, CONTROL, words, 23);
  bp_test_iterate (d.t);
  bp_test_expect_eq (bp_test_virtio_status (d.v) & 0x40, 0x40);
  g_autofree char *log = bp_test_take_log ();
  bp_test_expect_has (log, "without a whole header");
  driver_free (&d);
}

/* Much at once: others of the main loop have their turns between, and all of it is answered, in its order. */
typedef struct Turns {
  Driver *d;
  const unsigned *ids;
  unsigned done, most;          /* commands: in all, and since the last turn at most */
} Turns;
enum { COMMANDS = 5 };

static void
another (void *user)
{
  Turns *turns = user;
  BpMachine *m = bp_test_machine (turns->d->t);
  unsigned before = turns->done, id;
  for (; bp_test_virtio_take (turns->d->v, CONTROL, &id, NULL); turns->done++)
    bp_test_expect_eq (id, turns->ids[turns->done]);
  turns->most = MAX (turns->most, turns->done - before);
  if (turns->done < COMMANDS)
    bp_loop_post (bp_loop_main (m), true, m, another, turns);
}

BP_TEST (much_at_once)
{
  enum { ENTRIES = 1024, SPAN = 0x10000 };
  Driver d = driver_with (false, "", "[override clock]\nmode = host\n");
  BpMachine *m = bp_test_machine (d.t);
  uint32_t attach[8 + 4 * ENTRIES] = { ATTACH, 0, 0, 0, 0, 0, 1, ENTRIES };
  const uint32_t words[14] = { TRANSFER, 0, 0, 0, 0, 0, 0, 0, 4096, 4096, 0, 0, 1, 0 };
  unsigned ids[COMMANDS];
  Turns turns = { &d, ids, 0, 0 };
  for (unsigned i = 0; i < ENTRIES; i++) {
    attach[8 + 4 * i] = PAGES;
    attach[8 + 4 * i + 2] = SPAN;
  }
  bp_test_expect_eq (command (&d, CREATE, 4, 1, XRGB, 4096, 4096), OK);
  bp_test_virtio_call (d.v, CONTROL, attach, sizeof attach, d.answer, 24);
  bp_test_expect_eq (d.answer[0], OK);
  for (unsigned i = 0; i < COMMANDS; i++)
    ids[i] = bp_test_virtio_add_bytes (d.v, CONTROL, words, sizeof words, 24, NULL);
  bp_loop_post (bp_loop_main (m), true, m, another, &turns);
  bp_test_virtio_kick (d.v, CONTROL);
  while (turns.done < COMMANDS)
    bp_test_iterate (d.t);
  bp_test_expect_eq (turns.most, 1);
  driver_free (&d);
}

BP_TEST_MAIN ("virtio GPU", &what_it_is, &formats, &rows_that_changed, &two_askers, &scattered_backing, &cursors, &several_heads, &wishes, &saved_and_loaded,
              &states_that_do_not_fit, &resets, &errors, &strange_backing, &memory_is_limited, &headers, &much_at_once)
