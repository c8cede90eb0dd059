/* tcg-profile-walk.h -- who called whom, by frame pointers. */
/* SPDX-License-Identifier: MIT */
#ifndef TCG_PROFILE_WALK_H
#define TCG_PROFILE_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the return address is when a function is about to make its frame or has just dropped it. */
typedef enum FrameState {
  FRAME_MADE,                   /* above the saved frame pointer */
  FRAME_AT_ENTRY,               /* on top of the stack */
  FRAME_PUSHED                  /* beneath the top: the frame pointer was saved, and not set yet */
} FrameState;

/* Reads guest memory; false: it is not there. */
typedef bool WalkRead (void *user, uint64_t address, void *out, size_t size);

typedef struct Walk {
  uint64_t pc, sp, fp;
  unsigned code_bits;           /* 32 or 64; 16 has no frames that could be told from other things */
  FrameState state;
  WalkRead *read;
  void *user;
} Walk;

/* By the bytes of the instructions that come next. */
FrameState frame_state (const uint8_t *code, size_t size, unsigned code_bits);
/* Return addresses, the innermost first; how many there are. */
unsigned walk_frames (const Walk *walk, uint64_t *out, unsigned max);

#endif
