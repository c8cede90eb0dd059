/* plugin.c -- char-backends: where the bytes of serial ports and consoles go. */
/* SPDX-License-Identifier: MIT */
#include "stream.h"

static const BpTypeDesc *const types[] = { &char_stdio_type,  &char_file_type, &char_null_type,
                                           &char_socket_type, &char_pty_type,  NULL };

BP_PLUGIN_DEFINE (.id = "char-backends", .version = "1.0", .licence = "MIT",
                  .description = "character backends: terminal, file, socket, pseudo-terminal, nothing",
                  .types = types);
