/* plugin.c -- audio-backends: what hears a machine. */
/* SPDX-License-Identifier: MIT */
#include <backplane/plugin.h>
#include "audio-backends.h"

static const BpTypeDesc *const types[] = { &tone_wav_type, NULL };

BP_PLUGIN_DEFINE (.id = "audio-backends", .version = "0.1", .licence = "MIT", .description = "Audio backends: the loudspeaker as a WAV file", .types = types);
