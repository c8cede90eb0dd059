/* audio-backends.h -- the types of this plugin. */
/* SPDX-License-Identifier: MIT */
#ifndef AUDIO_BACKENDS_AUDIO_BACKENDS_H
#define AUDIO_BACKENDS_AUDIO_BACKENDS_H

#include <backplane/object.h>

extern const BpTypeDesc tone_wav_type;

#endif
