/* drive.h -- a machine of one disk: a device of the tests' own, and the block-image at its end. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_BLOCK_DRIVE_H
#define TESTS_BLOCK_DRIVE_H

#include "build.h"
#include <backplane/iface/block.h>

/* The type `test-drive`. */
typedef struct Drive {
  BpLink backend;
  unsigned n_changed;           /* media */
  bool door_locked;
} Drive;

extern BpMachine *m;
extern Drive *drive;

/* A checked fixture: block_enter, and the types. */
void drive_enter (void);
void drive_leave (void);
/* What is started next; keys: of its block-image. */
void drive_describe (const char *keys);
/* NULL, or why it does not start. */
char *drive_start (void);
void drive_stop (void);

#endif
