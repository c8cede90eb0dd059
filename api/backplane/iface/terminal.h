/* iface/terminal.h -- you implement this in what takes the terminal that the program was started in, so that others leave it alone. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  Standard input and output are one terminal, and a machine may have several objects that would use it: a text display, a serial line on
 * char-stdio.  Displays go first.  Whoever wants the terminal otherwise asks every provider (bp_machine_next) in its realize, and leaves standard
 * input and output alone when one of them says yes.  A pipe or a file is nobody's terminal: the display is silent then, and serial lines get it.
 */
#ifndef BACKPLANE_IFACE_TERMINAL_H
#define BACKPLANE_IFACE_TERMINAL_H

#include <backplane/common.h>
BP_BEGIN_DECLS

#define BP_TERMINAL_ID "bp.terminal/1"

typedef struct BpTerminalIface {
  uint32_t struct_size;
  /* Whether it takes the terminal, or has it; the answer does not change while the machine lives. [main][configured] */
  bool (*takes) (void *self);
} BpTerminalIface;

BP_END_DECLS
#endif
