/* fuzz-gdb.c -- libFuzzer entry for gdb's remote protocol: any bytes to the reader of packets, and what comes of them to the commands. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include "fake-machine.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void
require (bool condition)
{
  if (!condition)
    abort ();
}

/* What goes out comes back in as it was. */
static void
check_frame (const char *text, size_t size)
{
  static GdbReader reader;
  GString *packet = g_string_new (NULL);
  GdbEvent last = GDB_NOTHING;
  gdb_reader_init (&reader);
  gdb_frame (packet, text, size);
  for (size_t i = 0; i < packet->len; i++)
    last = gdb_reader_feed (&reader, (uint8_t) packet->str[i]);
  require (size > GDB_PACKET_MAX ? last == GDB_TOO_LONG : last == GDB_PACKET && reader.size == size && memcmp (reader.data, text, size) == 0);
  g_string_free (packet, TRUE);
}

/* A first byte of 0: the rest is one packet's data, which spares the fuzzer the sums. */
int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  fake_begin ();
  if (size > 0 && data[0] == 0) {
    size_t n = MIN (size - 1, GDB_PACKET_MAX);
    g_autofree char *text = g_malloc0 (n + 1);
    memcpy (text, data + 1, n);
    fake_ask_bytes (text, n);
    check_frame (fake.sent->str, fake.sent->len);
  } else {
    for (size_t i = 0; i < size; i++)
      if (gdb_reader_feed (&server.reader, data[i]) == GDB_PACKET)
        fake_ask_bytes (server.reader.data, server.reader.size);
  }
  fake_end ();
  return 0;
}
