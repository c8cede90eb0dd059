/* console.h -- monitor-console: commands typed by people. */
/* SPDX-License-Identifier: MIT */
#ifndef MONITOR_CONSOLE_H
#define MONITOR_CONSOLE_H

#include "monitor.h"

/* complete.c: what the last word of the text (a line up to the cursor) may become; *start, the text's length before, is where that word begins then. */
GPtrArray *console_complete (BpMachine *machine, const char *text, size_t *start);

extern const BpTypeDesc monitor_console_type;

#endif
