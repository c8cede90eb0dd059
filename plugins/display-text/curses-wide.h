/* curses-wide.h -- curses with wide characters, and without its short names that others use. */
/* SPDX-License-Identifier: MIT */
#ifndef DISPLAY_TEXT_CURSES_WIDE_H
#define DISPLAY_TEXT_CURSES_WIDE_H

#define NCURSES_WIDECHAR 1
#define NCURSES_NOMACROS 1
#include <curses.h>

#endif
