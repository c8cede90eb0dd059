/* display-none.c -- display-none: nobody looks at the screen. */
/* SPDX-License-Identifier: MIT */
#include <backplane/iface/screen.h>
#include "display-text.h"

/* What a display in whose place it stands was told of. */
typedef struct DisplayNone {
  BpLink screen;
} DisplayNone;

static const BpProperty properties[] = {
  BP_PROP_LINK ("screen", DisplayNone, screen, BP_SCREEN_ID, 0, "The adapter whose screen is not shown."),
  BP_PROP_END
};

const BpTypeDesc display_none_type = {
  BP_TYPE ("display-none", BP_KIND_DISPLAY, DisplayNone),
  .description = "no display: nothing is shown, and the terminal is free for others",
  .properties = properties,
};
