/* screenshot.c -- writes the screen as a PPM picture. */
/* SPDX-License-Identifier: MIT */
#include "screenshot.h"
#include <backplane/iface/screen.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static FILE *
create (char **name)
{
  int fd = -1;
  for (unsigned n = 1; n < 1000 && fd < 0; n++) {
    g_free (*name);
    *name = g_strdup_printf ("screen-%03u.ppm", n);
    fd = open (*name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0 && errno != EEXIST)
      break;
  }
  FILE *file = fd < 0 ? NULL : fdopen (fd, "wb");
  if (fd >= 0 && !file) {
    close (fd);
    unlink (*name);
  }
  return file;
}

static bool
write_picture (FILE *file, const BpScreenFrame *f)
{
  fprintf (file, "P6\n%u %u\n255\n", f->width, f->height);
  for (size_t i = 0; i < (size_t) f->width * f->height; i++) {
    uint32_t p = f->pixels[i];
    const uint8_t dot[3] = { (uint8_t) (p >> 16), (uint8_t) (p >> 8), (uint8_t) p };
    fwrite (dot, 1, sizeof dot, file);
  }
  bool good = fflush (file) == 0 && !ferror (file);
  int reason = errno;
  if (fclose (file) != 0 && good) {
    reason = errno;
    good = false;
  }
  errno = reason;
  return good;
}

char *
screenshot_write (BpMachine *machine, const BpLink *screen, GError **error)
{
  const BpScreenIface *t = screen->table;
  BpScreenFrame frame = { .struct_size = sizeof frame };
  char *name = NULL;
  bp_machine_lock (machine);
  if (BP_TABLE_HAS (t, update))
    t->update (screen->instance, &frame);
  bp_machine_unlock (machine);
  if (!frame.width)
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "there is no picture");
  else {
    FILE *file = create (&name);
    if (!file || !write_picture (file, &frame)) {
      g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot write %s: %s", name, g_strerror (errno));
      if (file)                 /* half a picture is none */
        unlink (name);
      g_clear_pointer (&name, g_free);
    }
  }
  bp_screen_frame_clear (&frame);
  return name;
}
