/* keys.c -- which key a keysym or a scan code is, and QEMU's extension of the protocol that brings scan codes. */
/* SPDX-License-Identifier: MIT */
#include "display-vnc.h"
#include <rfb/keysym.h>

/* --- keysyms ----------------------------------------------------------------------------- */

static const struct { uint32_t keysym; uint16_t code; } keysyms[] = {
#define KEYSYM(value_, code_) { value_, KEY_##code_ },
#include "keysyms.def"
#undef KEYSYM
};

unsigned
vnc_key_of_keysym (uint32_t keysym)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (keysyms); i++)
    if (keysyms[i].keysym == keysym)
      return keysyms[i].code;
  return 0;
}

/* --- scan codes: set 1, bit 7 stands for the prefix e0 ---------------------------------------- */

static const struct { uint8_t scan; uint16_t code; } extended[] = {
  { 0x54, KEY_SYSRQ },  { 0x9c, KEY_KPENTER }, { 0x9d, KEY_RIGHTCTRL }, { 0xb5, KEY_KPSLASH }, { 0xb7, KEY_SYSRQ },    { 0xb8, KEY_RIGHTALT },
  { 0xc6, KEY_PAUSE },  { 0xc7, KEY_HOME },    { 0xc8, KEY_UP },        { 0xc9, KEY_PAGEUP },  { 0xcb, KEY_LEFT },     { 0xcd, KEY_RIGHT },
  { 0xcf, KEY_END },    { 0xd0, KEY_DOWN },    { 0xd1, KEY_PAGEDOWN },  { 0xd2, KEY_INSERT },  { 0xd3, KEY_DELETE },   { 0xdb, KEY_LEFTMETA },
  { 0xdc, KEY_RIGHTMETA }, { 0xdd, KEY_COMPOSE }, { 0xde, KEY_POWER }, { 0xdf, KEY_SLEEP }, { 0xe3, KEY_WAKEUP },
};

/* Below 0x59 Linux's codes are those of set 1. */
unsigned
vnc_key_of_scan_code (uint32_t scan)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (extended); i++)
    if (extended[i].scan == scan)
      return extended[i].code;
  return scan > 0 && scan <= KEY_F12 && scan != 0x55 ? scan : 0;
}

/* --- the extension: pseudo-encoding -258, message 255, kind 0 ------------------------------------- */

static int encodings[] = { (int) rfbEncodingQemuExtendedKeyEvent, 0 };

/* The client learns that its messages are understood by a rectangle of that encoding. */
static rfbBool
enable (rfbClientPtr cl, void **data, int encoding)
{
  struct { rfbFramebufferUpdateMsg update; rfbFramebufferUpdateRectHeader rectangle; } __attribute__ ((packed)) m = {
    .update = { .type = rfbFramebufferUpdate, .nRects = g_htons (1) }, .rectangle = { .encoding = g_htonl (rfbEncodingQemuExtendedKeyEvent) }
  };
  if (encoding != encodings[0])
    return FALSE;
  return cl->sock != RFB_INVALID_SOCKET && rfbWriteExact (cl, (char *) &m, sizeof m) > 0;
}

static rfbBool
take_message (rfbClientPtr cl, void *data, const rfbClientToServerMsg *head)
{
  rfbQemuExtendedKeyEventMsg m;
  if (head->type != rfbQemuEvent)
    return FALSE;
  if (rfbReadExact (cl, (char *) &m + 1, sz_rfbQemuExtendedKeyEventMsg - 1) <= 0 || m.subtype != 0) {
    rfbCloseClient (cl);
    return TRUE;
  }
  uint32_t scan = g_ntohl (m.keycode);
  if (cl->viewOnly)
    return TRUE;
  if (vnc_key_of_scan_code (scan))
    vnc_input_push (cl->screen->screenData, VNC_CODE, scan, m.down != 0, 0);
  else
    vnc_input_push (cl->screen->screenData, VNC_KEYSYM, g_ntohl (m.keysym), m.down != 0, 0);
  return TRUE;
}

rfbProtocolExtension vnc_scan_codes = { .pseudoEncodings = encodings, .enablePseudoEncoding = enable, .handleMessage = take_message };
