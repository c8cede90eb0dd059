/* screen-copy.h -- what the adapter showed when it was asked last, for painting without the machine lock. */
/* SPDX-License-Identifier: MIT */
#ifndef DISPLAY_TEXT_SCREEN_COPY_H
#define DISPLAY_TEXT_SCREEN_COPY_H

#include <backplane/iface/screen.h>
#include <backplane/object.h>

typedef enum CopyKind { COPY_NOTHING, COPY_TEXT, COPY_PICTURE } CopyKind;

typedef struct ScreenCopy {
  CopyKind kind;
  BpScreenText text;            /* its cells are ours */
  uint16_t *cells;
  BpScreenFrame frame;
} ScreenCopy;

/* Whether anything is new.  `pictures`: graphics modes are looked at; else the copy keeps what it had of them. */
bool screen_copy_take (ScreenCopy *c, BpMachine *machine, const BpLink *screen, bool pictures);
void screen_copy_finish (ScreenCopy *c);

#endif
