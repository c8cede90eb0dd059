/* test-encodings.c -- a client of libvncclient sees the same picture whatever it is encoded in, and follows sizes. */
/* SPDX-License-Identifier: MIT */
#include "../patience.h"
#include "vnc-test.h"
#include "../suite.h"
#include <rfb/rfbclient.h>
#include <string.h>

/* --- a picture with text, areas and noise --------------------------------------------------------- */

static void
draw (uint32_t width, uint32_t height)
{
  screen_size (width, height);
  for (uint32_t y = 0; y < height; y++)
    for (uint32_t x = 0; x < width; x++) {
      bool noise = x > width / 2 && y > height / 2, text = x < width / 3 && y % 16 < 12;
      screen.pixels[y * width + x] = noise ? (x * 40503 + y * 2654435761u) & 0xffffff : text ? ((x * y) >> 3 & 1 ? 0xaaaaaa : 0) : 0x204060 + (y / 32) * 0x010101;
    }
  screen_changed (0, height);
}

/* --- the client ------------------------------------------------------------------------------------- */

/* It counts what it is sent; red is in the lowest bits unless the server's order is asked for. */
static unsigned updated;
static void count (rfbClient *client, int x, int y, int width, int height) { updated++; }

/* Looked at before the server has sent anything. */
static rfbBool
make_blank_screen (rfbClient *client)
{
  free (client->frameBuffer);
  client->frameBuffer = calloc ((size_t) client->width * client->height, 4);
  return client->frameBuffer != NULL;
}

static rfbClient *
connect_with (const char *encodings)
{
  rfbClient *client = rfbGetClient (8, 3, 4);
  client->appData.encodingsString = encodings;
  client->appData.useRemoteCursor = FALSE;
  client->appData.enableJPEG = FALSE;   /* nothing is lost */
  client->format.redShift = 16;
  client->format.greenShift = 8;
  client->format.blueShift = 0;
  client->canHandleNewFBSize = TRUE;
  client->MallocFrameBuffer = make_blank_screen;
  client->GotFrameBufferUpdate = count;
  free (client->serverHost);
  client->serverHost = strdup ("127.0.0.1");
  client->serverPort = (int) port;
  ck_assert (rfbInitClient (client, NULL, NULL));
  return client;
}

static bool
sees_screen (const rfbClient *client)
{
  const uint32_t *pixels = (const uint32_t *) client->frameBuffer;
  if (client->width != (int) screen.width || client->height != (int) screen.height)
    return false;
  for (uint32_t i = 0; i < screen.width * screen.height; i++)
    if ((pixels[i] & 0xffffff) != screen.pixels[i])
      return false;
  return true;
}

static void
watch (rfbClient *client)
{
  int64_t end = patience_ends (10);
  while (!sees_screen (client) && g_get_monotonic_time () < end)
    if (WaitForMessage (client, 100000) > 0)
      ck_assert (HandleRFBServerMessage (client));
  ck_assert (sees_screen (client));
}

static void
look (void *encodings)
{
  rfbClient *client = connect_with (encodings);
  watch (client);
  for (unsigned i = 0; i < 3; i++) {
    bp_machine_lock (vnc_machine ());
    if (i == 2)
      draw (400, 300);
    else
      screen.pixels[(100 + i) * screen.width + 50] ^= 0x0f0f0f;
    screen_changed (0, screen.height);
    bp_machine_unlock (vnc_machine ());
    watch (client);
  }
  ck_assert_uint_gt (updated, 0);
  free (client->frameBuffer);
  rfbClientCleanup (client);
}

static const char *const all[] = { "raw", "copyrect raw", "hextile", "corre", "rre", "zlib", "zrle", "ultra", "tight" };

START_TEST (the_picture_is_the_same)
{
  vnc_start ("");
  draw (640, 480);
  aside (look, (void *) all[_i]);
  vnc_stop ();
}
END_TEST

static void say_nothing (const char *format, ...) { }

int
main (void)
{
  Suite *suite = suite_create ("display-vnc encodings");
  TCase *tc = tcase_create ("all");
  rfbClientLog = rfbClientErr = say_nothing;
  tcase_set_timeout (tc, 60);
  tcase_add_loop_test (tc, the_picture_is_the_same, 0, (int) G_N_ELEMENTS (all));
  suite_add_tcase (suite, tc);
  return suite_run (suite);
}
