/* screenshot.h -- the screen as a file. */
/* SPDX-License-Identifier: MIT */
#ifndef DISPLAY_TEXT_SCREENSHOT_H
#define DISPLAY_TEXT_SCREENSHOT_H

#include <backplane/object.h>

/* Into the current directory, under a name that is not taken; the name, or NULL with error. */
char *screenshot_write (BpMachine *machine, const BpLink *screen, GError **error);

#endif
