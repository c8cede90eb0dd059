/* screendump.c -- plugin for tests: writes what a screen shows to files, after some time or when the guest says so, and ends the run. */
/* SPDX-License-Identifier: MIT */
#include <backplane/device.h>
#include <backplane/iface/screen.h>
#include <backplane/plugin.h>
#include <stdio.h>

typedef struct Screendump {
  BpLink screen;
  char *picture, *pictures, *text;
  BpRegion *port;
  uint32_t after;
  BpTimer *timer;
} Screendump;

static void
write_picture (const char *name, const BpScreenFrame *f)
{
  FILE *file = fopen (name, "wb");
  if (!file)
    return;
  fprintf (file, "P6\n%u %u\n255\n", f->width, f->height);
  for (size_t i = 0; i < (size_t) f->width * f->height; i++) {
    uint8_t rgb[3] = { (uint8_t) (f->pixels[i] >> 16), (uint8_t) (f->pixels[i] >> 8), (uint8_t) f->pixels[i] };
    fwrite (rgb, 1, 3, file);
  }
  fclose (file);
}

static void
write_text (const char *name, const BpScreenText *t)
{
  FILE *file = fopen (name, "wb");
  if (!file)
    return;
  for (uint32_t row = 0; row < t->rows; row++) {
    for (uint32_t column = 0; column < t->columns; column++) {
      int c = t->cells[row * t->columns + column] & 255;
      fputc (c >= 32 && c < 127 ? c : c ? '?' : ' ', file);
    }
    fputc ('\n', file);
  }
  fclose (file);
}

static void
on_time (void *user)
{
  Screendump *s = user;
  const BpScreenIface *screen = s->screen.table;
  BpScreenFrame frame = { .struct_size = sizeof frame };
  BpScreenText text = { .struct_size = sizeof text };
  screen->update (s->screen.instance, &frame);
  if (s->picture)
    write_picture (s->picture, &frame);
  if (s->text && screen->text (s->screen.instance, &text))
    write_text (s->text, &text);
  bp_screen_frame_clear (&frame);
  bp_machine_request_shutdown (bp_object_machine (s), 0, "the screen was written");
}

/* --- at the guest's word --------------------------------------------------------------------- */

/* The guest goes on when it reads what is not 0xe9, which QEMU's debug console answers. */
static uint64_t port_read (void *self, uint64_t offset, unsigned size) { return 0; }

static void
port_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Screendump *s = self;
  const BpScreenIface *screen = s->screen.table;
  BpScreenFrame frame = { .struct_size = sizeof frame };
  if (value == 0xff || !s->pictures) {
    bp_machine_request_shutdown (bp_object_machine (s), 0, "the guest has shown all");
    return;
  }
  char *name = g_strdup_printf ("%s%03u.ppm", s->pictures, (unsigned) value);
  screen->update (s->screen.instance, &frame);
  write_picture (name, &frame);
  bp_screen_frame_clear (&frame);
  g_free (name);
}

static const BpRegionOps port_ops = BP_REGION_OPS (.read = port_read, .write = port_write, .impl_max = 1);

static bool
realize (void *self, GError **error)
{
  Screendump *s = self;
  s->timer = bp_timer_new (self, BP_CLOCK_VIRTUAL, on_time, s);
  if (s->after)
    bp_timer_arm (s->timer, s->after * INT64_C (1000000));
  return true;
}

static void
unrealize (void *self)
{
  Screendump *s = self;
  bp_timer_free (s->timer);
  s->timer = NULL;
}

static const BpProperty properties[] = {
  BP_PROP_LINK ("screen", Screendump, screen, BP_SCREEN_ID, BP_PROPERTY_REQUIRED, "The adapter."),
  BP_PROP_STRING ("picture", Screendump, picture, NULL, "File for the picture, a PPM."),
  BP_PROP_STRING ("pictures", Screendump, pictures, NULL, "What the names of pictures begin with that the guest asks for through the port, by number; 255 ends the run."),
  BP_PROP_STRING ("text", Screendump, text, NULL, "File for the characters, if it is a text screen."),
  BP_PROP_U32 ("after", Screendump, after, 1000, "Milliseconds of virtual time; 0: never."),
  BP_PROP_END
};

static const BpRegionDesc regions[] = { BP_REGION_DESC ("pio0", Screendump, port, &port_ops, 1, "Numbers of pictures."), BP_REGION_DESC_END };

static const BpTypeDesc screendump_type = {
  BP_TYPE ("screendump", BP_KIND_DEVICE, Screendump), .description = "Writes what a screen shows and ends the run", .properties = properties,
  .regions = regions, .realize = realize, .unrealize = unrealize
};

static const BpTypeDesc *const types[] = { &screendump_type, NULL };
BP_PLUGIN_DEFINE (.id = "screendump", .version = "0.1", .licence = "MIT", .description = "Writes what a screen shows to files", .types = types);
