/* iface/console.h -- you implement this: a console that takes commands about the machine, line by line. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  Whoever owns a terminal (char-stdio, a text display) hands it to the machine's console when its user asks, with Ctrl-A C, and takes it back.
 * The console edits lines itself: it gets bytes as a terminal in raw mode sends them, and writes what a terminal with ANSI's cursor movements shows.
 * A debugger passes single lines.  The provider is found with bp_machine_next; the first one serves.
 */
#ifndef BACKPLANE_IFACE_CONSOLE_H
#define BACKPLANE_IFACE_CONSOLE_H

#include <backplane/common.h>
BP_BEGIN_DECLS

#define BP_CONSOLE_ID "bp.console/1"

/* The terminal's side; called [main], without the machine lock. */
typedef struct BpConsoleTerminal {
  uint32_t struct_size;
  void (*write) (void *user, const char *bytes, size_t size);
  void (*leave) (void *user);   /* the user wants to go back; the terminal closes the console when it likes */
} BpConsoleTerminal;

/* All [main], without the machine lock: commands stop and start the machine. */
typedef struct BpConsoleIface {
  uint32_t struct_size;
  /* Shows itself and its prompt.  false: another terminal has it. */
  bool (*open) (void *self, const BpConsoleTerminal *terminal, void *user);
  void (*input) (void *self, const char *bytes, size_t size);
  void (*close) (void *self);   /* what was typed of a line is kept */
  /* One command as typed, and its answer: text, lines end with \n; free with g_free.  Works while closed. */
  char *(*execute) (void *self, const char *line);
  /* true: whoever owns a terminal opens the console at the start, without being asked.  NULL: false. */
  bool (*at_start) (void *self);
} BpConsoleIface;

BP_END_DECLS
#endif
