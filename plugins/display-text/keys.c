/* keys.c -- parses what terminals send for keys: ECMA-48 sequences as xterm, rxvt, screen, VT220 and the Linux console have them. */
/* SPDX-License-Identifier: MIT */
#include "keys.h"
#include <backplane/iface/input.h>
#include <linux/input-event-codes.h>
#include <string.h>

enum { ESC = 0x1b };

typedef struct Emit {
  ChordTaker *taker;
  void *user;
} Emit;

static void
emit (const Emit *e, unsigned key, unsigned modifiers)
{
  if (key)
    e->taker (e->user, (Chord) { (uint16_t) key, (uint16_t) modifiers });
}

/* --- single bytes --------------------------------------------------------------------- */

static void
take_control (const Emit *e, uint8_t byte, unsigned modifiers)
{
  bool shift;
  switch (byte) {
  case '\b': case 0x7f:
    emit (e, KEY_BACKSPACE, modifiers);
    break;
  case '\t':
    emit (e, KEY_TAB, modifiers);
    break;
  case '\r': case '\n':
    emit (e, KEY_ENTER, modifiers);
    break;
  case ESC:
    emit (e, KEY_ESC, modifiers);
    break;
  case 0:
    emit (e, KEY_SPACE, modifiers | CHORD_CTRL);
    break;
  default:                      /* from Ctrl-\ on digits or signs: "\]^_" */
    emit (e, byte == 0x1e ? KEY_6 : byte == 0x1f ? KEY_MINUS : bp_input_key_of_character ((char) (byte < ESC ? byte + 0x60 : byte + 0x40), &shift),
          modifiers | CHORD_CTRL);
  }
}

/* Bytes of other alphabets have no key. */
static void
take_character (const Emit *e, uint8_t byte, unsigned modifiers)
{
  bool shift = false;
  if (byte < ' ' || byte == 0x7f) {
    take_control (e, byte, modifiers);
    return;
  }
  unsigned key = byte < 0x7f ? bp_input_key_of_character ((char) byte, &shift) : 0;
  emit (e, key, modifiers | (shift ? CHORD_SHIFT : 0));
}

/* --- sequences ------------------------------------------------------------------------- */

static const struct { char final; uint16_t key; } finals[] = {
  { 'A', KEY_UP }, { 'B', KEY_DOWN }, { 'C', KEY_RIGHT }, { 'D', KEY_LEFT }, { 'E', KEY_KP5 }, { 'F', KEY_END }, { 'H', KEY_HOME },
  { 'M', KEY_KPENTER }, { 'P', KEY_F1 }, { 'Q', KEY_F2 }, { 'R', KEY_F3 }, { 'S', KEY_F4 }, { 'j', KEY_KPASTERISK }, { 'k', KEY_KPPLUS },
  { 'm', KEY_KPMINUS }, { 'n', KEY_KPDOT }, { 'o', KEY_KPSLASH }, { 'p', KEY_KP0 }, { 'q', KEY_KP1 }, { 'r', KEY_KP2 }, { 's', KEY_KP3 },
  { 't', KEY_KP4 }, { 'u', KEY_KP5 }, { 'v', KEY_KP6 }, { 'w', KEY_KP7 }, { 'x', KEY_KP8 }, { 'y', KEY_KP9 }
};

static const uint16_t numbered[] = {
  [1] = KEY_HOME, [2] = KEY_INSERT, [3] = KEY_DELETE, [4] = KEY_END, [5] = KEY_PAGEUP, [6] = KEY_PAGEDOWN, [7] = KEY_HOME, [8] = KEY_END,
  [11] = KEY_F1, [12] = KEY_F2, [13] = KEY_F3, [14] = KEY_F4, [15] = KEY_F5, [17] = KEY_F6, [18] = KEY_F7, [19] = KEY_F8, [20] = KEY_F9,
  [21] = KEY_F10, [23] = KEY_F11, [24] = KEY_F12
};

/* Where a terminal has no other way to say shift: F13 is shift and F1 (VT220's numbers have gaps). */
static const uint16_t numbered_with_shift[] = {
  [25] = KEY_F1, [26] = KEY_F2, [28] = KEY_F3, [29] = KEY_F4, [31] = KEY_F5, [32] = KEY_F6, [33] = KEY_F7, [34] = KEY_F8
};

static unsigned
key_of_final (char final)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (finals); i++)
    if (finals[i].final == final)
      return finals[i].key;
  return 0;
}

static void
take_numbered (const Emit *e, unsigned number, unsigned modifiers)
{
  if (number < G_N_ELEMENTS (numbered))
    emit (e, numbered[number], modifiers);
  else if (number < G_N_ELEMENTS (numbered_with_shift))
    emit (e, numbered_with_shift[number], modifiers | CHORD_SHIFT);
}

/* Up to two numbers behind the introducer. */
static void
parse_numbers (const uint8_t *text, unsigned n, unsigned number[2])
{
  unsigned at = 0;
  number[0] = number[1] = 0;
  for (unsigned i = 0; i < n && at < 2; i++)
    if (text[i] == ';')
      at++;
    else if (text[i] >= '0' && text[i] <= '9')
      number[at] = MIN (number[at] * 10 + text[i] - '0', 9999);
}

/* xterm: 1 and the bits of the modifiers. */
static unsigned modifiers_of (unsigned number) { return number ? (number - 1) & 7 : 0; }

static void
take_csi (const Emit *e, const uint8_t *text, unsigned n)
{
  char final = (char) text[n - 1];
  unsigned number[2];
  parse_numbers (text, n - 1, number);
  unsigned modifiers = modifiers_of (number[1]);
  if (n >= 2 && text[0] == '[')         /* the Linux console's F1 to F5 */
    emit (e, final >= 'A' && final <= 'E' ? KEY_F1 + (unsigned) (final - 'A') : 0, 0);
  else if (text[0] == '<' || text[0] == '?' || text[0] == '>')
    return;                     /* a mouse, or an answer that nobody asked for */
  else if (final == '~')
    take_numbered (e, number[0], modifiers);
  else if (final == '$' || final == '^' || final == '@')        /* rxvt */
    take_numbered (e, number[0], final == '$' ? CHORD_SHIFT : final == '^' ? CHORD_CTRL : CHORD_CTRL | CHORD_SHIFT);
  else if (final == 'Z')
    emit (e, KEY_TAB, CHORD_SHIFT);
  else if (final == 'u')
    take_character (e, number[0] < 0x80 ? (uint8_t) number[0] : 0x80, modifiers);
  else if (final >= 'a' && final <= 'd')        /* rxvt's arrows with shift */
    emit (e, key_of_final ((char) (final - 'a' + 'A')), CHORD_SHIFT);
  else if (final >= 'A' && final <= 'S')
    emit (e, key_of_final (final), modifiers);
}

/* Bytes of "ESC [" ... or "ESC O" ...; true when the sequence is complete. */
static bool
is_complete (const KeyParser *p)
{
  uint8_t last = p->bytes[p->count - 1];
  if (p->count < 3)
    return false;
  if (p->bytes[1] == 'O')
    return !(last >= '0' && last <= '9') && last != ';';
  if (p->count == 3 && last == '[')
    return false;
  return (last >= 0x40 && last <= 0x7e) || last == '$';
}

static void
finish_sequence (KeyParser *p, const Emit *e)
{
  unsigned n = p->count, number[2];
  p->count = 0;
  if (p->bytes[1] == '[') {
    take_csi (e, p->bytes + 2, n - 2);
    return;
  }
  parse_numbers (p->bytes + 2, n - 3, number);
  uint8_t final = p->bytes[n - 1];
  bool rxvt = final >= 'a' && final <= 'd';     /* arrows with Ctrl */
  emit (e, key_of_final ((char) (rxvt ? final - 'a' + 'A' : final)),
        rxvt ? CHORD_CTRL : modifiers_of (number[1] ? number[1] : number[0]));
}

static void
take_byte (KeyParser *p, const Emit *e, uint8_t byte)
{
  if (p->count == 0 && byte != ESC) {
    take_character (e, byte, 0);
    return;
  }
  if (p->count == 1 && byte != '[' && byte != 'O') {
    p->count = byte == ESC;
    if (byte == ESC)
      emit (e, KEY_ESC, 0);     /* and this one may begin a sequence */
    else
      take_character (e, byte, CHORD_ALT);
    return;
  }
  if (byte == ESC && p->count > 1) {    /* what came before was none */
    p->count = 0;
  }
  p->bytes[p->count++] = byte;
  if (is_complete (p))
    finish_sequence (p, e);
  else if (p->count == sizeof p->bytes)
    p->count = 0;
}

void
keys_take (KeyParser *p, const uint8_t *bytes, size_t n, ChordTaker *taker, void *user)
{
  Emit e = { taker, user };
  for (size_t i = 0; i < n; i++)
    take_byte (p, &e, bytes[i]);
}

void
keys_settle (KeyParser *p, ChordTaker *taker, void *user)
{
  Emit e = { taker, user };
  unsigned n = p->count;
  p->count = 0;
  if (n == 1)
    emit (&e, KEY_ESC, 0);
  else if (n == 2)
    take_character (&e, p->bytes[1], CHORD_ALT);
}
