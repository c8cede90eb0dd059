/* keys.h -- what a terminal sends, as keys with modifiers. */
/* SPDX-License-Identifier: MIT */
#ifndef DISPLAY_TEXT_KEYS_H
#define DISPLAY_TEXT_KEYS_H

#include <backplane/common.h>

enum { CHORD_SHIFT = 1 << 0, CHORD_ALT = 1 << 1, CHORD_CTRL = 1 << 2 };         /* as xterm counts them */

typedef struct Chord {
  uint16_t key;                 /* Linux's code */
  uint16_t modifiers;
} Chord;

typedef void ChordTaker (void *user, Chord chord);

/* Bytes of a sequence that is not complete; zeroed at first. */
typedef struct KeyParser {
  uint8_t bytes[24];
  unsigned count;
} KeyParser;

void keys_take (KeyParser *p, const uint8_t *bytes, size_t n, ChordTaker *taker, void *user);
/* Nothing followed for a while: what began like a sequence was a key of its own. */
void keys_settle (KeyParser *p, ChordTaker *taker, void *user);
static inline bool keys_are_pending (const KeyParser *p) { return p->count > 0; }

#endif
