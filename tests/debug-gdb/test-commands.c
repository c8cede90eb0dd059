/* test-commands.c -- what the gdb server answers: registers, memory, threads, stops, and what is malformed. */
/* SPDX-License-Identifier: MIT */
#include "fake-machine.h"
#include "../suite.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

#define SAYS(question, answer) ck_assert_str_eq (fake_ask (question), answer "\n")

START_TEST (features)
{
  const char *s = fake_ask ("qSupported:multiprocess+;swbreak+;hwbreak+;qRelocInsn+");
  ck_assert_ptr_nonnull (strstr (s, "PacketSize=4000"));
  ck_assert_ptr_nonnull (strstr (s, "qXfer:features:read+"));
  ck_assert_ptr_nonnull (strstr (s, "QStartNoAckMode+"));
  ck_assert (server.names_breaks);
  SAYS ("qXfer:features:read:target.xml:0,fff", "l<wide }*#$/>");
  SAYS ("qXfer:features:read:target.xml:1,4", "mwide");
  SAYS ("qXfer:features:read:target.xml:400,4", "l");
  SAYS ("qXfer:features:read:other.xml:0,4", "E00");
  SAYS ("qXfer:features:read:target.xml:0", "E16");
  SAYS ("qXfer:features:read:", "E16");
  SAYS ("vMustReplyEmpty", "");
  SAYS ("qNothingKnown", "");
  SAYS ("QThreadEvents:1", "");
  SAYS ("qOffsets", "");
  SAYS ("qSymbol::", "OK");
  SAYS ("qAttached", "1");
  SAYS ("qCRC:0,1", "");
  SAYS ("!", "OK");
  SAYS ("", "");
  SAYS ("\xff", "");
  server.acks = true;
  SAYS ("QStartNoAckMode", "OK");
  ck_assert (!server.acks);
}
END_TEST

START_TEST (threads)
{
  SAYS ("qfThreadInfo", "m1,2");
  SAYS ("qsThreadInfo", "l");
  SAYS ("qC", "QC1");
  SAYS ("Hg2", "OK");
  SAYS ("qC", "QC2");
  SAYS ("Hgp1.1", "OK");
  SAYS ("qC", "QC1");
  SAYS ("Hg0", "OK");
  SAYS ("Hg3", "E16");
  SAYS ("Hx1", "E16");
  SAYS ("H", "E16");
  SAYS ("T2", "OK");
  SAYS ("T3", "E16");
  SAYS ("Tzz", "E16");
  fake.cpu[1].halted = true;
  SAYS ("qThreadExtraInfo,2", "637075312c207265616c206d6f64652c2068616c746564");   /* cpu1, real mode, halted */
  SAYS ("qThreadExtraInfo,9", "E16");
}
END_TEST

START_TEST (registers)
{
  fake.cpu[0] = (FakeCpu) { .a = 0x11223344, .sp = 0x8000, .pc = 0x1234, .v = { 1, 2 } };
  SAYS ("g", "4433221100800000000000003412000000000000010200000000000000000000000000000000000000000000");
  SAYS ("p0", "44332211");
  SAYS ("p2", "3412000000000000");
  SAYS ("p5", "E16");
  SAYS ("pffffffffffffffff", "E16");
  SAYS ("p", "E16");
  SAYS ("P0=78563412", "OK");
  ck_assert_uint_eq (fake.cpu[0].a, 0x12345678);
  ck_assert_uint_eq (fake.n_synchronised, 1);
  SAYS ("P0=785634", "E16");
  SAYS ("P0=7856341200", "E16");
  SAYS ("P4=0000000000000000", "E16");
  SAYS ("P=00", "E16");
  SAYS ("P0", "E16");
  SAYS ("Gffffffff0000000000000000", "OK");
  ck_assert_uint_eq (fake.cpu[0].a, 0xffffffff);
  SAYS ("Gffff", "E16");
  SAYS ("Gzz", "E16");
  server.view = 1;
  SAYS ("p3", "E16");
}
END_TEST

START_TEST (memory)
{
  memcpy (fake.memory, "\1\2\3\4", 4);
  SAYS ("m10000,4", "01020304");
  SAYS ("m10000,0", "");
  SAYS ("mffff,4", "E0e");
  SAYS ("m1fffe,4", "0000");
  SAYS ("m10000", "E16");
  SAYS ("m10000,4,4", "E16");
  SAYS ("m11111111111111111,4", "E16");
  ck_assert_uint_eq (strlen (fake_ask ("m10000,ffffffffffffffff")), GDB_PACKET_MAX + 1);
  SAYS ("M10002,2:aabb", "OK");
  ck_assert_int_eq (memcmp (fake.memory, "\1\2\xaa\xbb", 4), 0);
  SAYS ("M10002,2:aab", "E16");
  SAYS ("M10002,3:aabb", "E16");
  SAYS ("M10002,ffffffff:aabb", "E16");
  SAYS ("Mffff,1:00", "E0e");
  SAYS ("M1fffe,3:000000", "E0e");
  SAYS ("X10000,0:", "OK");
  ck_assert_str_eq (fake_ask_bytes ("X10000,3:\0#}", 12), "OK\n");
  ck_assert_int_eq (memcmp (fake.memory, "\0#}", 3), 0);
  ck_assert_str_eq (fake_ask_bytes ("X10000,4:\0#}", 12), "E16\n");
  SAYS ("qqemu.PhyMemMode", "0");
  SAYS ("Qqemu.PhyMemMode:1", "OK");
  SAYS ("qqemu.PhyMemMode", "1");
  SAYS ("m1,2", "237d");
  SAYS ("Mfffe,2:0102", "OK");
  SAYS ("Qqemu.PhyMemMode:2", "E16");
  SAYS ("Qqemu.PhyMemMode:0", "OK");
}
END_TEST

START_TEST (points)
{
  SAYS ("Z0,1234,1", "OK");
  SAYS ("Z4,1234,8", "OK");
  ck_assert_uint_eq (fake.n_points, 2);
  SAYS ("z4,1234,8", "OK");
  SAYS ("z0,1234,1", "OK");
  SAYS ("z0,1234,1", "E16");
  SAYS ("Z5,1234,1", "");
  SAYS ("Z", "E16");
  SAYS ("Z0,1234", "E16");
  SAYS ("Z0,1234,1;X1,00", "E16");
}
END_TEST

/* --- running --------------------------------------------------------------------------------- */

START_TEST (continuing)
{
  server.names_breaks = true;
  SAYS ("?", "T05thread:1;");
  ck_assert_str_eq (fake_ask ("vCont;c"), "");
  ck_assert_int_eq (fake.state, BP_RUN_RUNNING);
  ck_assert_int_eq (fake.cpu[1].how.action, BP_DEBUG_RUN);
  fake.cpu[1].pc = 0x100;
  ck_assert_str_eq (fake_stops (1, BP_DEBUG_SOFTWARE, 0x100), "T05thread:2;swbreak:;\n");
  SAYS ("qC", "QC2");
  ck_assert_str_eq (fake_ask ("c"), "");
  ck_assert_uint_eq (fake.cpu[1].how.flags, BP_DEBUG_OVER);     /* gdb has seen it there */
  ck_assert_uint_eq (fake.cpu[0].how.flags, 0);
  ck_assert_str_eq (fake_stops (1, BP_DEBUG_HARDWARE, 0x100), "T05thread:2;hwbreak:;\n");
  fake.cpu[1].pc = 0x102;
  fake_ask ("c");
  ck_assert_uint_eq (fake.cpu[1].how.flags, 0);                 /* it is elsewhere now */
  ck_assert_str_eq (fake_stops (0, BP_DEBUG_WRITE, 0x4321), "T05thread:1;watch:4321;\n");
  fake_ask ("c");
  ck_assert_str_eq (fake_stops (0, BP_DEBUG_READ, 0x4321), "T05thread:1;rwatch:4321;\n");
  fake_ask ("c");
  ck_assert_str_eq (fake_stops (0, BP_DEBUG_ACCESS, 0x4321), "T05thread:1;awatch:4321;\n");
  /* What gdb would not find at its pc it is not told. */
  fake.cpu[0].base = 0xf0000;
  fake_ask ("c");
  ck_assert_str_eq (fake_stops (0, BP_DEBUG_SOFTWARE, 0xf0000), "T05thread:1;\n");
  fake_ask ("c");
  ck_assert_uint_eq (fake.cpu[0].how.flags, BP_DEBUG_OVER);
}
END_TEST

START_TEST (stepping)
{
  fake_ask ("vCont;s:2;c");
  ck_assert_int_eq (fake.cpu[0].how.action, BP_DEBUG_RUN);
  ck_assert_int_eq (fake.cpu[1].how.action, BP_DEBUG_ONE);
  ck_assert_uint_eq (fake.cpu[1].how.flags, BP_DEBUG_NO_INTERRUPTS);
  ck_assert_str_eq (fake_stops (1, BP_DEBUG_STEP, 2), "T05thread:2;\n");
  fake_ask ("vCont;s:2");
  ck_assert_int_eq (fake.cpu[0].how.action, BP_DEBUG_STAY);
  fake_stops (1, BP_DEBUG_STEP, 2);
  fake.cpu[0].base = FAKE_LONG;
  fake_ask ("vCont;r100,180:1;c:2");
  ck_assert_uint_eq (fake.cpu[0].how.first, FAKE_LONG + 0x100);
  ck_assert_uint_eq (fake.cpu[0].how.end, FAKE_LONG + 0x180);
  fake_stops (0, BP_DEBUG_STEP, 2);
  SAYS ("Qqemu.sstep=0x1", "OK");
  SAYS ("qqemu.sstep", "0x1");
  SAYS ("Qqemu.sstep=0x8", "E16");
  SAYS ("Qqemu.sstep=", "E16");
  SAYS ("qqemu.sstepbits", "ENABLE=1,NOIRQ=2,NOTIMER=4");
  fake_ask ("Hc2");
  fake_ask ("S05;1000");
  ck_assert_uint_eq (fake.cpu[1].pc, 0x1000);
  ck_assert_int_eq (fake.cpu[1].how.action, BP_DEBUG_ONE);
  ck_assert_uint_eq (fake.cpu[1].how.flags & BP_DEBUG_NO_INTERRUPTS, 0);
  ck_assert_int_eq (fake.cpu[0].how.action, BP_DEBUG_RUN);
}
END_TEST

START_TEST (malformed)
{
  static const char *const packets[] = { "vCont", "vCont;", "vCont;x", "vCont;c:", "vCont;c:9", "vCont;C", "vCont;r1", "vCont;r1,", "vCont;t",
                                         "vCont;c;", "cxx", "C", "S", "s12;" };
  for (unsigned i = 0; i < G_N_ELEMENTS (packets); i++) {
    ck_assert_msg (strcmp (fake_ask (packets[i]), "E16\n") == 0, "%s: %s", packets[i], fake.sent->str);
    ck_assert_int_eq (fake.state, BP_RUN_DEBUG);
  }
  SAYS ("vCont?", "vCont;c;C;s;S;t;r");
  SAYS ("vAttach;1", "");
}
END_TEST

/* Two stop at once: a watchpoint that is past waits for its turn, a breakpoint is met again. */
START_TEST (several_stops)
{
  fake_ask ("vCont;c");
  fake.cpu[0].stop = (BpDebugStop) { .kind = BP_DEBUG_WRITE, .address = 0x77, .serial = 1000 };
  fake.cpu[0].has_stop = true;
  ck_assert_str_eq (fake_stops (1, BP_DEBUG_SOFTWARE, 0), "T05thread:2;\n");
  ck_assert_str_eq (fake_ask ("vCont;c"), "T05thread:1;watch:77;\n");
  ck_assert_int_eq (fake.state, BP_RUN_DEBUG);
  ck_assert_str_eq (fake_ask ("vCont;c"), "");
  ck_assert_int_eq (fake.state, BP_RUN_RUNNING);
}
END_TEST

START_TEST (interrupted)
{
  fake_ask ("c");
  ck_assert_str_eq (fake_ask ("qC"), "T02thread:1;\nQC1\n");
  fake.state = BP_RUN_SHUTDOWN;
  ck_assert_ptr_nonnull (strstr (fake_ask ("c"), "shut down"));
}
END_TEST

/* --- the rest ------------------------------------------------------------------------------------ */

START_TEST (monitor)
{
  ck_assert_str_eq (fake_ask ("qRcmd,696e666f20737461747573"), "O stopped\nOK\n");
  ck_assert_ptr_nonnull (strstr (fake_ask ("qRcmd,6e6f"), "no such command: no"));
  ck_assert_ptr_nonnull (strstr (fake_ask ("qRcmd,"), "no such command"));
  SAYS ("qRcmd,7", "E16");
  SAYS ("qRcmd,zz", "E16");
  SAYS ("qRcmd,ff", "E16");
  fake_ask ("qRcmd,7265736574");
  ck_assert_uint_eq (fake.n_resets, 1);
  fake.has_console = true;
  ck_assert_str_eq (fake_ask ("qRcmd,696e666f20637075"), "O done\nOK\n");
  ck_assert_str_eq (fake.listened, "info cpu");
  ck_assert_ptr_nonnull (strstr (fake_ask ("qRcmd,617263686974656374757265"), "wide:x"));
  ck_assert_ptr_nonnull (strstr (fake_ask ("qRcmd,617263686974656374757265206e6172726f77"), "next connection"));
  ck_assert_str_eq (server.architecture, "narrow");
  ck_assert_int_eq (gdb_view_by_name (&server, "X"), 0);
  ck_assert_int_eq (gdb_view_by_name (&server, "z"), -1);
}
END_TEST

START_TEST (endings)
{
  SAYS ("D", "OK");
  ck_assert (fake.closed && !fake.has_debugger);
  ck_assert_int_eq (fake.state, BP_RUN_RUNNING);
  fake.state = BP_RUN_DEBUG;
  ck_assert_str_eq (fake_ask ("k"), "");
  ck_assert_uint_eq (fake.n_shutdowns, 1);
  SAYS ("vKill;1", "OK");
  ck_assert_uint_eq (fake.n_shutdowns, 2);
  ck_assert_str_eq (fake_ask ("R00"), "");
  ck_assert_uint_eq (fake.n_resets, 1);
}
END_TEST

int
main (void)
{
  Suite *s = suite_create ("commands");
  TCase *tc = tcase_create ("all");
  tcase_add_checked_fixture (tc, fake_begin, fake_end);
  tcase_add_test (tc, features);
  tcase_add_test (tc, threads);
  tcase_add_test (tc, registers);
  tcase_add_test (tc, memory);
  tcase_add_test (tc, points);
  tcase_add_test (tc, continuing);
  tcase_add_test (tc, stepping);
  tcase_add_test (tc, malformed);
  tcase_add_test (tc, several_stops);
  tcase_add_test (tc, interrupted);
  tcase_add_test (tc, monitor);
  tcase_add_test (tc, endings);
  suite_add_tcase (s, tc);
  return suite_run (s);
}
