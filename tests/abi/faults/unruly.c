/* unruly.c -- types that make it hard for who watches them: they close what is not theirs, talk without an end, leave others behind. */
/* SPDX-License-Identifier: MIT */

#include <backplane/device.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Unruly {
  uint32_t n;
} Unruly;

#define UNRULY(symbol, name_, description_, ...) \
  static const BpTypeDesc symbol = { BP_TYPE (name_, BP_KIND_DEVICE, Unruly), .description = (description_), __VA_ARGS__ }

enum { DESCRIPTORS = 1024 };

static void
close_all (void)
{
  for (int fd = 0; fd < DESCRIPTORS; fd++)
    close (fd);
}

static void
wait_for_ever (void)
{
  for (;;)
    pause ();
}

static bool
close_realize (void *self, GError **error)
{
  for (int fd = 3; fd < DESCRIPTORS; fd++)
    close (fd);
  return true;
}
UNRULY (closes, "unruly-closes", "closes descriptors that are not its own", .realize = close_realize);

static bool
close_and_hang_realize (void *self, GError **error)
{
  close_all ();
  wait_for_ever ();
  return true;
}
UNRULY (closes_and_hangs, "unruly-silent", "closes all descriptors and never ends its realize", .realize = close_and_hang_realize);

static bool
talk_realize (void *self, GError **error)
{
  char line[4096];
  memset (line, 'x', sizeof line - 1);
  line[sizeof line - 1] = '\n';
  while (write (STDERR_FILENO, line, sizeof line) > 0)
    ;
  return true;
}
UNRULY (talks, "unruly-talks", "writes to standard error without an end", .realize = talk_realize);

/* To the validator's pipe, which is there.  One line is longer than any, others look like what it expects. */
static bool
lie_realize (void *self, GError **error)
{
  char line[65536];
  memset (line, 'x', sizeof line);
  for (int fd = 100; fd < 110; fd++) {
    struct stat s;
    if (fstat (fd, &s) < 0 || !S_ISFIFO (s.st_mode))
      continue;
    for (unsigned i = 0; i < 16; i++)
      if (write (fd, line, sizeof line) < 0)
        break;
    dprintf (fd, "\n@2000000000 2000000000 far\tlife cycle\n@-7 -7 back\tlife cycle\n@@@\n=9 done\n.x\n\xff\xfe\n");
  }
  return true;
}
UNRULY (lies, "unruly-lies", "writes to a pipe what is not its to say", .realize = lie_realize);

static bool
orphan_realize (void *self, GError **error)
{
  if (fork () == 0) {
    sleep (20);
    _exit (0);
  }
  abort ();
}
UNRULY (orphans, "unruly-orphan", "crashes, and a process that it has started lives on", .realize = orphan_realize);

static bool
bytes_realize (void *self, GError **error)
{
  char text[20001];
  memset (text, 'y', sizeof text - 1);
  text[sizeof text - 1] = 0;
  memcpy (text, "\xff\x01\x1b[31m", 7);
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "%s", text);
  return false;
}
UNRULY (bytes, "unruly-bytes", "refuses with bytes that are no text, and many of them", .realize = bytes_realize);

UNRULY (fine, "behind", "is all right");

static const BpTypeDesc *const types[] = { &closes, &closes_and_hangs, &talks, &lies, &orphans, &bytes, &fine, NULL };

BP_PLUGIN_DEFINE (.id = "unruly", .version = "1.0", .licence = "MIT", .description = "is hard to watch", .types = types);
