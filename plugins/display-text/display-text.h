/* display-text.h -- the types of this plugin. */
/* SPDX-License-Identifier: MIT */
#ifndef DISPLAY_TEXT_DISPLAY_TEXT_H
#define DISPLAY_TEXT_DISPLAY_TEXT_H

#include <backplane/device.h>

extern const BpTypeDesc display_text_type, display_none_type;

#endif
