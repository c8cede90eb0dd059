/* terminal.h -- the program's terminal: taken for the screen, lent out, and given back whatever happens. */
/* SPDX-License-Identifier: MIT */
#ifndef DISPLAY_TEXT_TERMINAL_H
#define DISPLAY_TEXT_TERMINAL_H

#include <backplane/common.h>

/* Standard input and output are a terminal whose cursor can be moved. */
bool terminal_is_there (void);
bool terminal_take (GError **error);
void terminal_give_back (void);
/* For the console: the terminal's own screen, keys unprocessed; what went to standard error meanwhile is shown. */
void terminal_lend (void);
void terminal_reclaim (void);
/* Looked at now and then: its size changed, or the program was stopped and goes on.  Everything has to be drawn anew. */
bool terminal_needs_drawing (void);
/* The next look draws everything. */
void terminal_redraw (void);
/* Whether it shows Unicode. */
bool terminal_has_unicode (void);
/* To what is nearest to this part of a character's height, in percent. */
void terminal_shape_cursor (unsigned height);

#endif
