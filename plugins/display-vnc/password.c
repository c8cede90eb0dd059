/* password.c -- VNC authentication: where the password comes from, and whether a client knows it. */
/* SPDX-License-Identifier: MIT */
#include "display-vnc.h"
#include <string.h>

#define MOST 8u                 /* characters that count: it is a DES key */

/* The first line of the file. */
static char *
from_file (const char *file, GError **error)
{
  char *text;
  if (!g_file_get_contents (file, &text, NULL, error))
    return NULL;
  text[strcspn (text, "\r\n")] = 0;
  return text;
}

bool
vnc_password_read (VncDisplay *d, GError **error)
{
  if (d->password && d->password_file) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "password and password-file exclude each other");
    return false;
  }
  char *secret = d->password_file ? from_file (d->password_file, error) : g_strdup (d->password);
  if (d->password_file && !secret)
    return false;
  if (secret && !*secret) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, d->password_file ? "%s holds no password" : "password is empty", d->password_file);
    g_free (secret);
    return false;
  }
  if (secret && strlen (secret) > MOST)
    bp_warn (d, "only the first %u characters of the password count: VNC knows no more", MOST);
  g_mutex_lock (&d->lock);
  char *before = d->secret;
  d->secret = secret;
  for (unsigned i = 0; i < d->n_clients; i++)
    d->clients[i].screen->authPasswdData = secret ? d : NULL;
  g_mutex_unlock (&d->lock);
  g_free (before);
  return true;
}

/* The challenge, encrypted with the password. */
rfbBool
vnc_password_check (rfbClientPtr cl, const char *response, int size)
{
  VncClient *c = cl->screen->screenData;
  char key[MOST + 1] = { 0 };
  uint8_t expected[CHALLENGESIZE], differs = 0;
  g_mutex_lock (&c->display->lock);
  bool there = c->display->secret != NULL;
  if (there)
    g_strlcpy (key, c->display->secret, sizeof key);
  g_mutex_unlock (&c->display->lock);
  memcpy (expected, cl->authChallenge, sizeof expected);
  rfbEncryptBytes (expected, key);
  for (int i = 0; i < CHALLENGESIZE && i < size; i++)
    differs |= expected[i] ^ (uint8_t) response[i];
  c->is_authentic = there && size == CHALLENGESIZE && !differs;
  return c->is_authentic;
}
