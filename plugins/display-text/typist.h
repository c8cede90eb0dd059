/* typist.h -- keys on their way to the guest, at a pace that its keyboard follows. */
/* SPDX-License-Identifier: MIT */
#ifndef DISPLAY_TEXT_TYPIST_H
#define DISPLAY_TEXT_TYPIST_H

#include "keys.h"

typedef struct Typist {
  BpMachine *machine;
  GQueue steps;                 /* Step */
  GSource *timer;               /* NULL: nothing to do */
} Typist;

void typist_init (Typist *t, BpMachine *machine);
void typist_finish (Typist *t);
void typist_press (Typist *t, Chord chord);

#endif
