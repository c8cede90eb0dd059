/* pty.c -- char-pty: a new pseudo-terminal that another program opens. */
/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE             /* ptsname_r, posix_openpt */
#endif
#include "stream.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define UNREAD_LIMIT (64u << 10)

typedef struct CharPty {
  CharBase base;
  /* wiring */
  char *link;
  /* derived: descriptors + 1, so that 0 is none */
  int master, slave;
  bool linked;
} CharPty;

static bool
failed (const char *what, GError **error)
{
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "%s: %s", what, g_strerror (errno));
  return false;
}

/* The slave side stays open here: a master without one reports a hang-up for ever. */
static bool
open_pair (CharPty *pty, char *path, size_t size, GError **error)
{
  int master = posix_openpt (O_RDWR | O_NOCTTY | O_CLOEXEC);
  pty->master = master + 1;
  if (master < 0 || grantpt (master) || unlockpt (master) || ptsname_r (master, path, size))
    return failed ("cannot make a pseudo-terminal", error);
  int slave = open (path, O_RDWR | O_NOCTTY | O_CLOEXEC);
  pty->slave = slave + 1;
  if (slave < 0)
    return failed ("cannot open the pseudo-terminal", error);
  struct termios settings;
  if (tcgetattr (slave, &settings) == 0) {
    cfmakeraw (&settings);
    tcsetattr (slave, TCSANOW, &settings);
  }
  fcntl (master, F_SETFL, fcntl (master, F_GETFL) | O_NONBLOCK);
  return true;
}

/* An old link of ours may be there; anything else is not touched. */
static bool
make_link (CharPty *pty, const char *path, GError **error)
{
  char target[16];
  ssize_t n = readlink (pty->link, target, sizeof target);
  if (n >= 9 && memcmp (target, "/dev/pts/", 9) == 0)
    unlink (pty->link);
  if (symlink (path, pty->link) == 0) {
    pty->linked = true;
    return true;
  }
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot make the link `%s`: %s", pty->link, g_strerror (errno));
  return false;
}

/* --- life cycle --------------------------------------------------------------------------- */

static bool
pty_realize (void *self, GError **error)
{
  CharPty *pty = self;
  char path[64];
  if (!open_pair (pty, path, sizeof path, error) || (pty->link && !make_link (pty, path, error)))
    return false;
  fprintf (stderr, "backplane: %s: %s\n", bp_object_id (self), path);
  char_stream_limit (self, UNREAD_LIMIT);
  char_stream_open (self, pty->master - 1, pty->master - 1, false, false);
  return true;
}

static void
pty_unrealize (void *self)
{
  CharPty *pty = self;
  char_stream_finish (self, false);
  if (pty->linked)
    unlink (pty->link);
  if (pty->slave)
    close (pty->slave - 1);
  if (pty->master)
    close (pty->master - 1);
  pty->master = pty->slave = 0;
  pty->linked = false;
}

/* --- tables ------------------------------------------------------------------------------- */

static const BpProperty properties[] = { BP_PROP_STRING (
                                             "link", CharPty, link, NULL,
                                             "A symbolic link to make to the terminal's device, so that its "
                                             "name is known; relative to the current directory."),
                                         BP_PROP_END };

static const BpInterfaceDesc interfaces[] = { { BP_CHAR_ID, &char_stream_iface }, { NULL, NULL } };

const BpTypeDesc char_pty_type = {
  BP_TYPE ("char-pty", BP_KIND_BACKEND, CharPty),
  .description = "a new pseudo-terminal, whose name is printed",
  .properties = properties,
  .interfaces = interfaces,
  .realize = pty_realize,
  .unrealize = pty_unrealize,
};
