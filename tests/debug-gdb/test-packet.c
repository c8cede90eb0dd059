/* test-packet.c -- packets of gdb's protocol: bytes in any pieces and any order, and back. */
/* SPDX-License-Identifier: MIT */
#include "debug-gdb/packet.h"
#include "../suite.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

static GdbReader reader;

/* The last event that the bytes make. */
static GdbEvent
feed (const char *bytes)
{
  GdbEvent last = GDB_NOTHING;
  for (; *bytes; bytes++) {
    GdbEvent e = gdb_reader_feed (&reader, (uint8_t) *bytes);
    if (e != GDB_NOTHING)
      last = e;
  }
  return last;
}

static void
setup (void)
{
  memset (&reader, 0x55, sizeof reader);
  gdb_reader_init (&reader);
}

START_TEST (plain)
{
  ck_assert_int_eq (feed ("$?#3f"), GDB_PACKET);
  ck_assert_str_eq (reader.data, "?");
  ck_assert_int_eq (feed ("+"), GDB_ACK);
  ck_assert_int_eq (feed ("-"), GDB_NAK);
  ck_assert_int_eq (feed ("\3"), GDB_INTERRUPT);
  ck_assert_int_eq (feed ("nonsense #42 between"), GDB_NOTHING);
  ck_assert_int_eq (feed ("$#00"), GDB_PACKET);
  ck_assert_uint_eq (reader.size, 0);
  ck_assert_int_eq (feed ("$g#6"), GDB_NOTHING);
  ck_assert_int_eq (feed ("7"), GDB_PACKET);
  ck_assert_int_eq (feed ("$m10,4#2E"), GDB_PACKET);            /* digits of either case */
}
END_TEST

START_TEST (escapes)
{
  ck_assert_int_eq (feed ("$X0,3:}]}\3}\n#02"), GDB_PACKET);
  ck_assert_uint_eq (reader.size, 8);
  ck_assert_int_eq (memcmp (reader.data, "X0,3:}#*", 8), 0);
  ck_assert_int_eq (feed ("$a\3b#c6"), GDB_PACKET);             /* no interrupt: inside */
}
END_TEST

START_TEST (wrong)
{
  ck_assert_int_eq (feed ("$?#40"), GDB_BAD_SUM);
  ck_assert_int_eq (feed ("$?#3x"), GDB_BAD_SUM);
  ck_assert_int_eq (feed ("$?#3$?#3f"), GDB_PACKET);            /* cut short in the sum, */
  ck_assert_int_eq (feed ("$mffff$?#3f"), GDB_PACKET);          /* and in the data */
  ck_assert_str_eq (reader.data, "?");
  ck_assert_int_eq (feed ("$ab}"), GDB_NOTHING);
  ck_assert_int_eq (feed ("$?#3f"), GDB_PACKET);
}
END_TEST

START_TEST (too_long)
{
  GString *s = g_string_new ("$");
  for (unsigned i = 0; i < GDB_PACKET_MAX; i++)
    g_string_append_c (s, 1);
  g_autofree char *end = g_strdup_printf ("#%02x", GDB_PACKET_MAX & 255);
  g_string_append (s, end);
  ck_assert_int_eq (feed (s->str), GDB_PACKET);
  ck_assert_uint_eq (reader.size, GDB_PACKET_MAX);
  g_string_insert_c (s, 1, 1);
  s->str[s->len - 1] = '1';
  ck_assert_int_eq (feed (s->str), GDB_TOO_LONG);
  for (unsigned i = 0; i < 100; i++)
    feed ("1111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111");
  ck_assert_int_eq (feed ("$?#3f"), GDB_PACKET);
  g_string_free (s, TRUE);
}
END_TEST

START_TEST (round_trip)
{
  char data[256];
  GString *s = g_string_new (NULL);
  for (unsigned i = 0; i < 256; i++)
    data[i] = (char) i;
  gdb_frame (s, data, sizeof data);
  GdbEvent last = GDB_NOTHING;
  for (size_t i = 0; i < s->len; i++)
    last = gdb_reader_feed (&reader, (uint8_t) s->str[i]);
  ck_assert_int_eq (last, GDB_PACKET);
  ck_assert_uint_eq (reader.size, 256);
  ck_assert_int_eq (memcmp (reader.data, data, 256), 0);
  g_string_free (s, TRUE);
}
END_TEST

START_TEST (numbers)
{
  const char *p = "1F,ffffffffffffffff,0000000000000000000000012;10000000000000000";
  uint64_t x;
  uint8_t bytes[4];
  ck_assert (gdb_number (&p, &x) && x == 0x1f && gdb_skip (&p, ","));
  ck_assert (gdb_number (&p, &x) && x == UINT64_MAX && gdb_skip (&p, ","));
  ck_assert (gdb_number (&p, &x) && x == 0x12 && !gdb_skip (&p, ",") && gdb_skip (&p, ";"));
  ck_assert (!gdb_number (&p, &x));
  p = "0aFF1";
  ck_assert_uint_eq (gdb_unhex (&p, bytes, 4), 2);
  ck_assert_uint_eq (bytes[1], 0xff);
  ck_assert_str_eq (p, "1");
  GString *s = g_string_new (NULL);
  gdb_hex (s, "\x01\xab", 2);
  ck_assert_str_eq (s->str, "01ab");
  g_string_free (s, TRUE);
}
END_TEST

int
main (void)
{
  Suite *s = suite_create ("packet");
  TCase *tc = tcase_create ("all");
  tcase_add_checked_fixture (tc, setup, NULL);
  tcase_add_test (tc, plain);
  tcase_add_test (tc, escapes);
  tcase_add_test (tc, wrong);
  tcase_add_test (tc, too_long);
  tcase_add_test (tc, round_trip);
  tcase_add_test (tc, numbers);
  suite_add_tcase (s, tc);
  return suite_run (s);
}
