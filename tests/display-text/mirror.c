/* mirror.c -- plugin for tests: a screen that shows which keys were pressed, and some of everything that a text screen can show. */
/* SPDX-License-Identifier: MIT */
#include <backplane/device.h>
#include <backplane/iface/console.h>
#include <backplane/iface/input.h>
#include <backplane/iface/screen.h>
#include <signal.h>
#include <string.h>

enum { COLUMNS = 80, ROWS = 25, LOG_ROW = 6, WIDTH = 64, HEIGHT = 48 };

typedef struct Mirror {
  uint16_t cells[COLUMNS * ROWS];
  unsigned at;
  bool picture;
  BpConsoleTerminal terminal;   /* of who opened the console */
  void *user;
} Mirror;

/* --- the screen --------------------------------------------------------------------------- */

static void
put (Mirror *m, unsigned at, const char *text, uint8_t attribute)
{
  for (; *text; text++, at++)
    m->cells[at % (COLUMNS * ROWS)] = (uint16_t) (attribute << 8 | (uint8_t) *text);
}

static void
fill (Mirror *m)
{
  for (unsigned i = 0; i < COLUMNS * ROWS; i++)
    m->cells[i] = 0x0720;
  put (m, 0, "mirror", 0x07);
  put (m, COLUMNS, "blue", 0x09);
  put (m, COLUMNS + 10, "red on cyan", 0x34);
  put (m, COLUMNS + 30, "blinking", 0x87);
  put (m, 2 * COLUMNS, "\xc9\xcd\xbb\xb0\xdb\x01", 0x07);
  put (m, 3 * COLUMNS + 70, "right edge", 0x07);
  put (m, 24 * COLUMNS, "last row", 0x07);
  m->at = LOG_ROW * COLUMNS;
}

static void
note (Mirror *m, const char *text)
{
  put (m, m->at, text, 0x07);
  m->at += (unsigned) strlen (text);
  if (m->at >= 23 * COLUMNS)
    m->at = LOG_ROW * COLUMNS;
}

static bool
text (void *self, BpScreenText *t)
{
  Mirror *m = self;
  t->columns = COLUMNS;
  t->rows = ROWS;
  t->cells = m->cells;
  t->cursor_column = m->at % COLUMNS;
  t->cursor_row = m->at / COLUMNS;
  t->cursor_visible = t->blinks = true;
  t->cursor_height = m->at % 2 ? 100 : 10;
  return !m->picture;
}

/* Red above, blue below. */
static void
update (void *self, BpScreenFrame *f)
{
  Mirror *m = self;
  f->resized = m->picture && !f->pixels;
  f->first_row = f->end_row = 0;
  if (!f->resized)
    return;
  f->width = WIDTH;
  f->height = f->end_row = HEIGHT;
  f->pixels = g_new (uint32_t, WIDTH * HEIGHT);
  for (unsigned i = 0; i < WIDTH * HEIGHT; i++)
    f->pixels[i] = i < WIDTH * HEIGHT / 2 ? 0xff0000 : 0x0000ff;
}

/* --- keys ------------------------------------------------------------------------------------- */

static uint32_t kinds (void *self) { return BP_INPUT_KEYS; }

static void
key (void *self, unsigned code, bool down)
{
  Mirror *m = self;
  const char *name = bp_input_key_name (code);
  g_autofree char *entry = g_strdup_printf ("%s%c ", name ? name : "?", down ? '+' : '-');
  note (m, entry);
  if (down && name && strcmp (name, "f12") == 0)
    m->picture = !m->picture;
  if (down && name && strcmp (name, "f11") == 0)
    raise (SIGSEGV);
  if (down && name && strcmp (name, "f10") == 0)
    bp_warn (m, "a warning of the machine");
  if (down && name && strcmp (name, "f9") == 0)
    fill (m);
}

/* --- a console that says what it got ------------------------------------------------------------- */

static void
say (Mirror *m, const char *words)
{
  m->terminal.write (m->user, words, strlen (words));
}

static bool
console_open (void *self, const BpConsoleTerminal *terminal, void *user)
{
  Mirror *m = self;
  m->terminal = *terminal;
  m->user = user;
  say (m, "console opened\n");
  return true;
}

static void
console_input (void *self, const char *bytes, size_t size)
{
  Mirror *m = self;
  for (size_t i = 0; i < size; i++) {
    g_autofree char *words = g_strdup_printf ("<%d>", bytes[i]);
    say (m, words);
    if (bytes[i] == 'q')
      m->terminal.leave (m->user);
  }
}

static void console_close (void *self) { say (self, "console closed\n"); }

/* --- tables ----------------------------------------------------------------------------------------- */

static void mirror_reset (void *self, BpResetKind kind) { fill (self); }

static const BpScreenIface screen_iface = { .struct_size = sizeof (BpScreenIface), .update = update, .text = text };
static const BpInputIface input_iface = { .struct_size = sizeof (BpInputIface), .kinds = kinds, .key = key };
static const BpConsoleIface console_iface = { .struct_size = sizeof (BpConsoleIface), .open = console_open, .input = console_input,
                                              .close = console_close };
static const BpInterfaceDesc interfaces[] = {
  { BP_SCREEN_ID, &screen_iface }, { BP_INPUT_ID, &input_iface }, { BP_CONSOLE_ID, &console_iface }, { NULL, NULL }
};

static const BpTypeDesc mirror_type = {
  BP_TYPE ("mirror", BP_KIND_DEVICE, Mirror),
  .description = "a screen that shows keys",
  .interfaces = interfaces,
  .reset = mirror_reset,
};

static const BpTypeDesc *const types[] = { &mirror_type, NULL };

BP_PLUGIN_DEFINE (.id = "mirror", .version = "1.0", .licence = "MIT", .description = "for tests of displays", .types = types);
