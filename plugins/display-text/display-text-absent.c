/* display-text-absent.c -- display-text in a build without ncurses: says so, and leaves the terminal to others. */
/* SPDX-License-Identifier: MIT */
#include <unistd.h>
#include "display-text.h"

static bool
display_realize (void *self, GError **error)
{
  if (isatty (STDERR_FILENO))
    bp_warn (self, "this program was built without ncurses: the screen is not shown");
  return true;
}

const BpTypeDesc display_text_type = {
  BP_TYPE ("display-text", BP_KIND_DISPLAY, DisplayNone),
  .description = "the screen in the terminal (built without ncurses: shows nothing)",
  .properties = display_none_properties,
  .realize = display_realize,
};
