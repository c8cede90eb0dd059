/* display-text.h -- the types of this plugin. */
/* SPDX-License-Identifier: MIT */
#ifndef DISPLAY_TEXT_DISPLAY_TEXT_H
#define DISPLAY_TEXT_DISPLAY_TEXT_H

#include <backplane/device.h>

/* --- display-none.c: what shows nothing takes display-text's keys, so that the same descriptors do --- */
typedef struct DisplayNone {
  BpLink screen;
  int characters;
  bool pictures;
  uint32_t rate;
} DisplayNone;
extern const BpProperty display_none_properties[];

extern const BpTypeDesc display_text_type, display_none_type;

#endif
