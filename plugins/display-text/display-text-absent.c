/* display-text-absent.c -- display-text in a build without ncurses: says so, and leaves the terminal to others. */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/screen.h>
#include <unistd.h>
#include "display-text.h"

typedef struct Display {
  BpLink screen;
  int characters;
  bool pictures;
  uint32_t rate;
} Display;

static bool
display_realize (void *self, GError **error)
{
  if (isatty (STDERR_FILENO))
    bp_warn (self, "this program was built without ncurses: the screen is not shown");
  return true;
}

/* The same keys, so that the same descriptors do. */
static const char *const character_names[] = { "auto", "unicode", "ascii", NULL };

static const BpProperty properties[] = {
  BP_PROP_LINK ("screen", Display, screen, BP_SCREEN_ID, 0, "The adapter whose screen would be shown."),
  BP_PROP_ENUM ("characters", Display, characters, 0, character_names, "What the terminal can show; not used without ncurses."),
  BP_PROP_BOOL ("pictures", Display, pictures, true, "Whether graphics modes are drawn; not used without ncurses."),
  BP_PROP_U32_RANGE ("rate", Display, rate, 30, 1, 60, "How often a second the screen is looked at; not used without ncurses."),
  BP_PROP_END
};

const BpTypeDesc display_text_type = {
  BP_TYPE ("display-text", BP_KIND_DISPLAY, Display),
  .description = "the screen in the terminal (built without ncurses: shows nothing)",
  .properties = properties,
  .realize = display_realize,
};
