/* vnc-look.c -- a VNC client for scripts: vnc-look PORT PICTURE.ppm [SECONDS [TEXT [WIDTHxHEIGHT]]] types, asks for a size, looks until the time is over or the server ends, and writes what it saw last. */
/* SPDX-License-Identifier: MIT */
#include <glib.h>
#include <rfb/rfbclient.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
write_picture (const rfbClient *client, const char *name)
{
  FILE *file = fopen (name, "wb");
  if (!file)
    return;
  const uint32_t *pixels = (const uint32_t *) client->frameBuffer;
  fprintf (file, "P6\n%d %d\n255\n", client->width, client->height);
  for (int i = 0; i < client->width * client->height; i++)
    for (int shift = 16; shift >= 0; shift -= 8)
      fputc ((int) (pixels[i] >> shift & 255), file);
  fclose (file);
}

/* Line ends are given as \n. */
static void
type (rfbClient *client, const char *text)
{
  for (const char *s = text; *s; s++) {
    bool newline = s[0] == '\\' && s[1] == 'n';
    uint32_t keysym = newline ? XK_Return : (uint8_t) *s;
    s += newline;
    SendKeyEvent (client, keysym, TRUE);
    SendKeyEvent (client, keysym, FALSE);
    g_usleep (50000);
  }
}

/* As a viewer does whose window has become another. */
static void
ask_for_size (rfbClient *client, const char *size)
{
  unsigned width, height;
  if (sscanf (size, "%ux%u", &width, &height) != 2)
    exit (2);
  uint8_t screen[] = { 0, 0, 0, 0, 0, 0, 0, 0, (uint8_t) (width >> 8), (uint8_t) width, (uint8_t) (height >> 8), (uint8_t) height, 0, 0, 0, 0 };
  uint8_t message[] = { 251, 0, (uint8_t) (width >> 8), (uint8_t) width, (uint8_t) (height >> 8), (uint8_t) height, 1, 0 };
  WriteToRFBServer (client, (char *) message, sizeof message);
  WriteToRFBServer (client, (char *) screen, sizeof screen);
}

int
main (int argc, char **argv)
{
  if (argc < 3)
    return 2;
  rfbClient *client = rfbGetClient (8, 3, 4);
  client->appData.encodingsString = "zrle raw";
  client->appData.useRemoteCursor = FALSE;
  client->format.redShift = 16;
  client->format.greenShift = 8;
  client->format.blueShift = 0;
  client->canHandleNewFBSize = TRUE;
  free (client->serverHost);
  client->serverHost = strdup ("127.0.0.1");
  client->serverPort = atoi (argv[1]);
  if (!rfbInitClient (client, NULL, NULL))
    return 1;
  int64_t end = g_get_monotonic_time () + (argc > 3 ? atoi (argv[3]) : 3600) * INT64_C (1000000);
  if (argc > 4)
    type (client, argv[4]);
  if (argc > 5)
    ask_for_size (client, argv[5]);
  while (g_get_monotonic_time () < end) {
    int n = WaitForMessage (client, 100000);
    if (n < 0 || (n > 0 && !HandleRFBServerMessage (client)))
      break;
  }
  write_picture (client, argv[2]);
  free (client->frameBuffer);
  rfbClientCleanup (client);
  return 0;
}
