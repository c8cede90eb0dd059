/* display-none.c -- display-none: nobody looks at the screen. */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/screen.h>
#include "display-text.h"

static const char *const character_names[] = { "auto", "unicode", "ascii", NULL };

const BpProperty display_none_properties[] = {
  BP_PROP_LINK ("screen", DisplayNone, screen, BP_SCREEN_ID, 0, "The adapter whose screen is not shown."),
  BP_PROP_ENUM ("characters", DisplayNone, characters, 0, character_names, "As display-text has it; not used."),
  BP_PROP_BOOL ("pictures", DisplayNone, pictures, true, "As display-text has it; not used."),
  BP_PROP_U32_RANGE ("rate", DisplayNone, rate, 30, 1, 60, "As display-text has it; not used."),
  BP_PROP_END
};

const BpTypeDesc display_none_type = {
  BP_TYPE ("display-none", BP_KIND_DISPLAY, DisplayNone),
  .description = "no display: nothing is shown, and the terminal is free for others",
  .properties = display_none_properties,
};
