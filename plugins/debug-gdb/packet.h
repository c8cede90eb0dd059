/* packet.h -- packets of gdb's remote serial protocol: bytes to packets and back.  Knows nothing of machines. */
/* SPDX-License-Identifier: MIT */
/*
 * A packet is `$DATA#SUM'; `}' escapes the byte behind it (gdb's manual, appendix E.1).  The reader takes any bytes whatever: what is cut short, too long or has
 * the wrong sum is reported as that, and the next `$' begins anew.
 */
#ifndef DEBUG_GDB_PACKET_H
#define DEBUG_GDB_PACKET_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define GDB_PACKET_MAX 0x4000   /* bytes of data */

typedef enum GdbEvent {
  GDB_NOTHING,                  /* more bytes are needed */
  GDB_PACKET,                   /* reader.data, reader.size: unescaped, and a zero behind it */
  GDB_BAD_SUM,
  GDB_TOO_LONG,                 /* the sum was right, its data is lost */
  GDB_ACK, GDB_NAK,
  GDB_INTERRUPT                 /* Ctrl-C */
} GdbEvent;

typedef struct GdbReader {
  uint8_t state, sum, given;
  bool too_long;
  size_t size;
  char data[GDB_PACKET_MAX + 1];
} GdbReader;

void gdb_reader_init (GdbReader *r);
GdbEvent gdb_reader_feed (GdbReader *r, uint8_t byte);
/* Appends the packet that holds the data. */
void gdb_frame (GString *out, const char *data, size_t size);

void gdb_hex (GString *out, const void *bytes, size_t n);
/* Bytes from pairs of hex digits, at most n; stops at the first that is none.  Returns how many, and leaves *text behind them. */
size_t gdb_unhex (const char **text, uint8_t *bytes, size_t n);
/* A hex number of 64 bits; false: there is none, or it has too many digits. */
bool gdb_number (const char **text, uint64_t *value);
/* Whether *text goes on with `word'; then it is behind it. */
bool gdb_skip (const char **text, const char *word);

#endif
