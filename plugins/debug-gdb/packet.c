/* packet.c -- packets of gdb's remote serial protocol: bytes to packets and back. */
/* SPDX-License-Identifier: MIT */
#include "packet.h"
#include <string.h>

enum { IDLE, DATA, ESCAPED, SUM_1, SUM_2 };

/* --- reading -------------------------------------------------------------------------- */

void
gdb_reader_init (GdbReader *r)
{
  r->state = IDLE;
}

static void
begin (GdbReader *r)
{
  r->state = DATA;
  r->sum = r->given = 0;
  r->too_long = false;
  r->size = 0;
}

static void
take (GdbReader *r, uint8_t byte)
{
  if (r->size < GDB_PACKET_MAX)
    r->data[r->size++] = (char) byte;
  else
    r->too_long = true;
}

static GdbEvent
outside (GdbReader *r, uint8_t byte)
{
  switch (byte) {
  case '$': begin (r); return GDB_NOTHING;
  case '+': return GDB_ACK;
  case '-': return GDB_NAK;
  case 3: return GDB_INTERRUPT;
  default: return GDB_NOTHING;
  }
}

static GdbEvent
finish (GdbReader *r)
{
  r->state = IDLE;
  if (r->given != r->sum)
    return GDB_BAD_SUM;
  r->data[r->size] = 0;
  return r->too_long ? GDB_TOO_LONG : GDB_PACKET;
}

static GdbEvent
inside (GdbReader *r, uint8_t byte)
{
  if (byte == '$') {            /* what was before has been cut short */
    begin (r);
    return GDB_NOTHING;
  }
  if (byte == '#') {
    r->state = SUM_1;
    return GDB_NOTHING;
  }
  r->sum = (uint8_t) (r->sum + byte);
  if (r->state == DATA && byte == '}') {
    r->state = ESCAPED;
  } else {
    take (r, r->state == ESCAPED ? byte ^ 0x20 : byte);
    r->state = DATA;
  }
  return GDB_NOTHING;
}

GdbEvent
gdb_reader_feed (GdbReader *r, uint8_t byte)
{
  if (r->state == IDLE)
    return outside (r, byte);
  if (r->state == DATA || r->state == ESCAPED)
    return inside (r, byte);
  int digit = g_ascii_xdigit_value ((char) byte);
  if (digit < 0) {
    r->state = IDLE;
    if (byte == '$')
      begin (r);
    return GDB_BAD_SUM;
  }
  r->given = (uint8_t) (r->given << 4 | digit);
  if (r->state == SUM_2)
    return finish (r);
  r->state = SUM_2;
  return GDB_NOTHING;
}

/* --- writing -------------------------------------------------------------------------- */

void
gdb_frame (GString *out, const char *data, size_t size)
{
  uint8_t sum = 0;
  g_string_append_c (out, '$');
  for (size_t i = 0; i < size; i++) {
    char c = data[i];
    if (c == '$' || c == '#' || c == '}' || c == '*') {
      g_string_append_c (out, '}');
      sum = (uint8_t) (sum + '}');
      c ^= 0x20;
    }
    g_string_append_c (out, c);
    sum = (uint8_t) (sum + (uint8_t) c);
  }
  g_string_append_printf (out, "#%02x", sum);
}

/* --- hex -------------------------------------------------------------------------------- */

void
gdb_hex (GString *out, const void *bytes, size_t n)
{
  static const char digits[] = "0123456789abcdef";
  const uint8_t *p = bytes;
  for (size_t i = 0; i < n; i++) {
    g_string_append_c (out, digits[p[i] >> 4]);
    g_string_append_c (out, digits[p[i] & 15]);
  }
}

size_t
gdb_unhex (const char **text, uint8_t *bytes, size_t n)
{
  size_t done = 0;
  for (; done < n; done++, *text += 2) {
    int high = g_ascii_xdigit_value ((*text)[0]), low = high < 0 ? -1 : g_ascii_xdigit_value ((*text)[1]);
    if (low < 0)
      break;
    bytes[done] = (uint8_t) (high << 4 | low);
  }
  return done;
}

bool
gdb_number (const char **text, uint64_t *value)
{
  const char *p = *text;
  uint64_t x = 0;
  unsigned significant = 0;
  for (int digit; (digit = g_ascii_xdigit_value (*p)) >= 0; p++) {
    significant += significant > 0 || digit > 0;
    x = x << 4 | (unsigned) digit;
  }
  if (p == *text || significant > 16)
    return false;
  *text = p;
  *value = x;
  return true;
}

bool
gdb_skip (const char **text, const char *word)
{
  size_t n = strlen (word);
  if (strncmp (*text, word, n) != 0)
    return false;
  *text += n;
  return true;
}
