/* test-compat.c -- plugins of all versions over a host of two vCPUs: what they count, what they see, how they come and go. */
/* SPDX-License-Identifier: MIT */
#include "fake-host.h"
#include "qemu-plugin-compat/compat.h"
#include "../scratch.h"
#include "../suite.h"
#include <check.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PLUGIN(name) BUILDDIR "/tests/qemu-plugin-compat/.libs/" name ".so"
#define HAS(text, part) ck_assert_msg (strstr ((text), (part)) != NULL, "no `%s' in:\n%s", (part), (text))
#define HAS_NOT(text, part) ck_assert_msg (strstr ((text), (part)) == NULL, "`%s' in:\n%s", (part), (text))

static char *directory;

static void
begin (void)
{
  fake_begin ();
  directory = scratch_new ();
}

static void
end (void)
{
  scratch_free (directory);
  fake_end ();
}

/* --- a program -------------------------------------------------------------------------------------- */

static FakeInsn program[5];

/* A load, a store of 10 bytes, two elements of a string at once, and one that faults. */
static FakeBlock *
translate_program (bool with_fault)
{
  program[0] = fake_insn (0x1000, "\x90");
  program[1] = fake_insn (0x1001, "\x0f\xbe\x07");                      /* movsx */
  program[1].access[0] = (FakeAccess) { 0x1100, 0x80, 1, false };
  program[1].n_accesses = 1;
  program[2] = fake_insn (0x1004, "\xdb\x3f");                          /* fstp m80 */
  program[2].access[0] = (FakeAccess) { 0x1200, 0, 10, true };
  program[2].n_accesses = 1;
  program[3] = fake_insn (0x1006, "\xf3\x48\xa5");                      /* rep movsq */
  program[3].access[0] = (FakeAccess) { 0x1300, 0, 16, false };
  program[3].access[1] = (FakeAccess) { 0x1400, 0, 16, true };
  program[3].n_accesses = 2;
  program[4] = fake_insn (0x1009, "\x0f\x0b");
  program[4].faults = with_fault;
  return fake_translate (program, 5);
}

static void *
load (const char *file, const char *args)
{
  GError *error = NULL;
  void *self = fake_new (&error, "file", file, "args", args, NULL);
  ck_assert_msg (self != NULL, "%s", error ? error->message : "?");
  return self;
}

static void
start_vcpus (void)
{
  for (unsigned i = 0; i < FAKE_VCPUS; i++) {
    fake_vcpu (i, BP_VCPU_START);
  }
}

/* --- versions ------------------------------------------------------------------------------------------ */

START_TEST (version_1)
{
  void *self = load (PLUGIN ("plugin-v1"), "vcpus=2");
  start_vcpus ();
  fake_vcpu (0, BP_VCPU_START);         /* a machine that goes on */
  FakeBlock *b = translate_program (true);
  for (unsigned i = 0; i < 10; i++) {
    fake_run (i % 2, b);
  }
  const char *report = fake_report (true);
  HAS (report, "api-version: 1\n");
  HAS (report, "2 vcpus, 2 started\n");
  HAS (report, "instructions 50 50\n");
  HAS (report, "blocks agree: yes; early additions: 0\n");
  HAS (report, "accesses 70 70: 30 loads, 40 stores, 430 bytes, 10 sign-extended\n");
  HAS (report, "of 1 2 4 8 16 bytes: 10 10 0 50 0\n");
  HAS (report, "first bytes: yes\n");
  HAS_NOT (report, "hang together");
  HAS (fake_report (true), "version 1\n");
  fake_free (self);
}
END_TEST

START_TEST (version_2)
{
  /* with the host's counters, and without */
  for (unsigned i = 0; i < 2; i++) {
    fake.words_left = i ? 0 : fake.words_left;
    void *self = load (PLUGIN ("plugin-v2"), i ? "every=7,many=3" : "every=7,many=1000");
    start_vcpus ();
    FakeBlock *b = translate_program (true);
    for (unsigned k = 0; k < 10; k++) {
      fake_run (0, b);
    }
    fake_run (1, b);
    const char *report = fake_report (true);
    HAS (report, "instructions 55 55\n");
    HAS (report, "every 7: 7 calls and 6\n");
    HAS (report, "accesses 77, loads 33\n");
    HAS (report, "disagreements 0, blocks some\n");
    HAS_NOT (report, "never be");
    ck_assert_int_eq (strstr (fake.log->str, "no more room for counters") != NULL, i);
    fake_free (self);
  }
}
END_TEST

START_TEST (version_4)
{
  void *self = load (PLUGIN ("plugin-v4"), "at=0x1001,first=0x1000,last=0x2000");
  start_vcpus ();
  FakeBlock *b = translate_program (false);
  program[4].access[0] = (FakeAccess) { FAKE_DEVICE, 0x1234, 2, true };
  program[4].access[1] = (FakeAccess) { FAKE_DEVICE, 0, 16, true };
  program[4].n_accesses = 2;
  fake.rax[1] = 0xdeadbeef;
  memcpy (fake.memory + 1, "\x0f\xbe\x07", 3);
  memcpy (fake.memory + 0x200, "0123456789abcdef", 16);
  fake_run (1, b);
  const char *report = fake_report (true);
  HAS (report, "eax is 0xdeadbeef, pc 0x1001, bytes 0f be 07, and at the top: no\n");
  HAS (report, "without QEMU_PLUGIN_CB_R_REGS: no registers\n");
  HAS (report, "load 0x1100 at 0x101100 in RAM: 80\n");
  HAS (report, "store 0x1200 at 0x101200 in RAM: 3736353433323130\n");
  HAS (report, "store 0x1208 at 0x101208 in RAM: 3938\n");
  HAS (report, "load 0x1308 at 0x101308 in RAM: 0000000000000000\n");
  HAS (report, "store 0x9000 at 0x109000 in device0 (I/O): 1234\n");
  HAS (report, "store 0x9000 at 0x109000 in device0 (I/O): 00000000000000000000000000000000\n");
  HAS (report, "registers are missing\n");       /* there are two */
  HAS (report, "no program\n");
  HAS (report, "cell: qemu_plugin_request_time_control\n");
  HAS (report, "cell: qemu_plugin_mem_get_value\n");
  HAS (fake.log->str, "no control");
  fake_free (self);
}
END_TEST

START_TEST (version_7)
{
  void *self = load (PLUGIN ("plugin-v7"), "poke=0x1000,skip=0x1001,to=0x7777,thread");
  start_vcpus ();
  FakeBlock *b = translate_program (false);
  fake.rax[0] = 5;
  fake_run (0, b);
  ck_assert_uint_eq (fake.rax[0], 0x1234);
  fake_jump (0, BP_JUMP_INTERRUPT, 0x10, 0x20);
  fake_jump (1, BP_JUMP_EXCEPTION, 0x30, 0x20);
  const char *report = fake_report (true);
  HAS (report, "eax is written\n");
  HAS (report, "blocks some, interrupts 1, exceptions 1 from 0x30, skipped 1, vcpus 2 of 2\n");
  HAS (report, "from a thread of its own\n");
  HAS_NOT (report, "user data is not");
  HAS_NOT (report, "can be written");
  HAS (fake.log->str, "system calls");
  fake_free (self);
}
END_TEST

START_TEST (pc_is_set)
{
  void *self = load (PLUGIN ("plugin-v7"), "skip=0x1009,to=0x7777");
  start_vcpus ();
  fake_run (0, translate_program (false));
  ck_assert_uint_eq (fake.rip[0], 0x7777);
  HAS_NOT (fake.log->str, "set_pc");
  fake_free (self);
}
END_TEST

/* --- coming and going --------------------------------------------------------------------------------------- */

START_TEST (reset)
{
  void *self = load (PLUGIN ("plugin-v7"), "reset=3");
  start_vcpus ();
  FakeBlock *b = translate_program (false);
  for (unsigned i = 0; i < 5; i++) {
    fake_run (0, b);
  }
  ck_assert_uint_eq (fake.n_calls, 5);  /* the code is still there, but its last two calls did not get through */
  b = translate_program (false);
  fake_run (0, b);
  fake_jump (0, BP_JUMP_INTERRUPT, 0x10, 0x20); /* nobody listens any more */
  const char *report = fake_report (true);
  HAS (report, "flush\nreset\n");
  HAS_NOT (report, "reset\nreset");
  HAS_NOT (report, "interrupts");       /* the exit call-back is gone, too */
  ck_assert (fake.running);
  fake_free (self);
}
END_TEST

START_TEST (removal)
{
  void *self = load (PLUGIN ("plugin-v7"), "remove=2");
  start_vcpus ();
  FakeBlock *b = translate_program (false);
  for (unsigned i = 0; i < 5; i++) {
    fake_run (i % 2, b);
  }
  ck_assert (!fake.running);
  const char *report = fake_report (true);
  HAS (report, "removed\n");
  HAS_NOT (report, "blocks some");
  fake_free (self);
}
END_TEST

/* From a call-back that does not return. */
START_TEST (removal_and_escape)
{
  void *self = load (PLUGIN ("plugin-v7"), "skip=0x1009,to=0x7777,quit");
  start_vcpus ();
  fake_run (0, translate_program (false));
  ck_assert (!fake.running);
  HAS (fake_report (false), "removed\n");
  fake_free (self);
}
END_TEST

/* In translation nobody is told; when the block runs, on that thread. */
START_TEST (removal_in_translation)
{
  void *self = load (PLUGIN ("plugin-v7"), "drop");
  start_vcpus ();
  FakeBlock *b = translate_program (false);
  ck_assert (fake.running);
  HAS_NOT (fake_report (false), "removed\n");
  fake_run (0, b);
  ck_assert (!fake.running);
  HAS (fake_report (false), "removed\n");
  ck_assert_uint_eq (fake.n_calls, 2);  /* that one, and the plugin's, which it did not get */
  fake_free (self);
}
END_TEST

START_TEST (two_of_a_kind)
{
  void *a = load (PLUGIN ("plugin-v1"), NULL), *b = load (PLUGIN ("plugin-v1"), NULL);
  ck_assert_ptr_ne (((Plugin *) a)->handle, ((Plugin *) b)->handle);
  ck_assert_uint_ne (((Plugin *) a)->id, ((Plugin *) b)->id);
  fake_run (0, translate_program (false));      /* the second one's: it attached last */
  HAS (fake_report (true), "instructions 5 5\n");
  fake_free (b);
  g_string_truncate (fake.report, 0);
  events_ops.report (a, NULL);
  HAS (fake.report->str, "instructions 0 0\n");
  fake_free (a);
}
END_TEST

/* Nobody has asked for a report: what was said comes to standard error. */
START_TEST (end_without_a_report)
{
  g_autofree char *path = g_build_filename (directory, "output", NULL), *text = NULL;
  GError *error = NULL;
  void *self = fake_new (&error, "file", PLUGIN ("plugin-v1"), "output", path, NULL);
  ck_assert_ptr_nonnull (self);
  fake_run (0, translate_program (false));
  fake_free (self);
  ck_assert (g_file_get_contents (path, &text, NULL, NULL));
  HAS (text, "instructions 5 5\n");
}
END_TEST

/* In the current directory, as a name alone. */
START_TEST (file_without_a_directory)
{
  g_autofree char *before = g_get_current_dir ();
  ck_assert_int_eq (g_chdir (BUILDDIR "/tests/qemu-plugin-compat/.libs"), 0);
  void *self = load ("plugin-v1.so", NULL);
  ck_assert_int_eq (g_chdir (before), 0);
  fake_free (self);
}
END_TEST

/* --- output --------------------------------------------------------------------------------------------------- */

START_TEST (output)
{
  g_autofree char *path = g_build_filename (directory, "output", NULL), *text = NULL;
  GError *error = NULL;
  void *self = fake_new (&error, "file", PLUGIN ("plugin-v4"), "args", "first=0,last=0x2000", "output", path, "keep", "100", NULL);
  ck_assert_ptr_nonnull (self);
  start_vcpus ();
  FakeBlock *b = translate_program (false);
  for (unsigned i = 0; i < 100; i++) {
    fake_run (0, b);
  }
  const char *report = fake_report (true);
  HAS (report, "note: This is the beginning; the file has all.");
  ck_assert (g_file_get_contents (path, &text, NULL, NULL));
  ck_assert_uint_gt (strlen (text), 10000);
  HAS (text, "no program\n");
  fake_free (self);
}
END_TEST

START_TEST (output_without_end)
{
  GError *error = NULL;
  void *self = fake_new (&error, "file", PLUGIN ("plugin-v4"), "args", "first=0,last=0x2000", "keep", "100", NULL);
  FakeBlock *b = translate_program (false);
  for (unsigned i = 0; i < 100; i++) {
    fake_run (0, b);
  }
  HAS (fake.log->str, "more than 100 bytes");
  HAS (fake_report (false), "the rest is lost");
  fake_free (self);
}
END_TEST

START_TEST (full_disk)
{
  GError *error = NULL;
  if (access ("/dev/full", W_OK) != 0) {
    return;
  }
  void *self = fake_new (&error, "file", PLUGIN ("plugin-v4"), "args", "first=0,last=0x2000", "output", "/dev/full", NULL);
  ck_assert_ptr_nonnull (self);
  FakeBlock *b = translate_program (false);
  for (unsigned i = 0; i < 5000; i++) {
    fake_run (0, b);
  }
  fake_report (true);
  HAS (fake.log->str, "/dev/full: No space left on device; nothing more is written to it");
  fake_free (self);
}
END_TEST

/* --- what is wrong ------------------------------------------------------------------------------------------------- */

static void
refused (const char *file, const char *args, const char *where, const char *because)
{
  GError *error = NULL;
  void *self = fake_new (&error, "file", file, "args", args, "output", where, NULL);
  ck_assert_ptr_null (self);
  ck_assert_ptr_nonnull (error);
  HAS (error->message, because);
  g_error_free (error);
}

START_TEST (refusals)
{
  refused ("/nowhere/plugin.so", NULL, NULL, "/nowhere/plugin.so: No such file");
  refused ("/", NULL, NULL, "/: not a file");
  refused (SRCDIR "/README.md", NULL, NULL, "README.md: not loadable: ");
  refused (PLUGIN ("plugin-bad"), NULL, NULL, "is written for version 99 of QEMU's plugin interface; 1 to 7 are served");
  refused (PLUGIN ("plugin-v1"), "fail=on", NULL, "qemu_plugin_install refused (arguments: fail=on)");
  refused (PLUGIN ("plugin-v1"), "other", NULL, "(arguments: other=on)");
  refused (PLUGIN ("plugin-v1"), "vcpus=3", NULL, "refused");
  refused (PLUGIN ("plugin-v7"), "uninstall", NULL, "called qemu_plugin_uninstall");
  refused (PLUGIN ("plugin-v1"), NULL, "/nowhere/output", "/nowhere/output: No such file");
  fake.no_attach = true;
  refused (PLUGIN ("plugin-v1"), NULL, NULL, "cannot be instrumented");
}
END_TEST

START_TEST (arguments)
{
  const char *given[] = { "inline", " limit=5", "arg=deep", "arg=on", "arg=a=b", "", NULL };
  int n;
  g_auto (GStrv) argv = loader_argv ((char **) given, &n);
  g_autofree char *all = g_strjoinv ("|", argv);
  ck_assert_int_eq (n, 5);
  ck_assert_str_eq (all, "inline=on|limit=5|deep=on|arg=on|a=b");
  g_auto (GStrv) none = loader_argv (NULL, &n);
  ck_assert_int_eq (n, 0);
  ck_assert_ptr_null (none[0]);
}
END_TEST

START_TEST (shapes)
{
  static const struct { const char *bytes; unsigned bits, element, is_signed; } rows[] = {
    { "\xf3\xa4", 32, 1, 0 }, { "\xf3\xa5", 32, 4, 0 }, { "\xf3\x66\xa5", 32, 2, 0 }, { "\x66\xf3\xa5", 16, 4, 0 }, { "\xf3\xab", 16, 2, 0 },
    { "\xf3\x48\xab", 64, 8, 0 }, { "\x48\xf3\xab", 64, 4, 0 }, { "\xf2\xae", 64, 1, 0 }, { "\xf3\x6d", 32, 4, 0 }, { "\xf3\x48\x6f", 64, 4, 0 }, { "\xa5", 32, 0, 0 },
    { "\xf3\x0f\xa5", 32, 0, 0 }, { "\x0f\xbe\xc0", 32, 0, 1 }, { "\x48\x63\xc0", 64, 0, 1 }, { "\x63\xc0", 32, 0, 0 }, { "\x0f\xb6\xc0", 32, 0, 0 },
  };
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    FakeInsn insn = fake_insn (0, rows[i].bytes);
    insn.insn.code_bits = (uint8_t) rows[i].bits;
    Shape s = shape_of (&insn.insn);
    ck_assert_msg (s.element == rows[i].element && s.is_signed == rows[i].is_signed, "row %u: %u %u", i, s.element, s.is_signed);
  }
  static const struct { const char *bytes; bool is_plain; } moves[] = { { "\x8b\x07", true }, { "\x0f\x10\x07", true }, { "\xc5\xfc\x10\x07", false },
                                                                        { "\xc4\xc1\x7c\x10\x07", false }, { "\x0f\xc4\x07", true } };
  for (unsigned i = 0; i < G_N_ELEMENTS (moves); i++) {
    FakeInsn insn = fake_insn (0, moves[i].bytes);
    insn.insn.insn_class = BP_CLASS_MOVE;
    ck_assert_msg (shape_of (&insn.insn).is_plain == moves[i].is_plain, "move %u", i);
  }
  Plugin one = { .version = 1 }, two = { .version = 2 };
  Shape none = { 0 };
  ck_assert_uint_eq (shape_next (&one, none, 32), 8);
  ck_assert_uint_eq (shape_next (&two, none, 32), 16);
  ck_assert_uint_eq (shape_next (&two, none, 10), 8);
  ck_assert_uint_eq (shape_next (&two, none, 6), 4);
  ck_assert_uint_eq (shape_next (&two, none, 1), 1);
}
END_TEST

int
main (void)
{
  Suite *s = suite_create ("compat");
  TCase *tc = tcase_create ("all");
  tcase_add_checked_fixture (tc, begin, end);
  tcase_add_test (tc, version_1);
  tcase_add_test (tc, version_2);
  tcase_add_test (tc, version_4);
  tcase_add_test (tc, version_7);
  tcase_add_test (tc, pc_is_set);
  tcase_add_test (tc, reset);
  tcase_add_test (tc, removal);
  tcase_add_test (tc, removal_and_escape);
  tcase_add_test (tc, removal_in_translation);
  tcase_add_test (tc, two_of_a_kind);
  tcase_add_test (tc, end_without_a_report);
  tcase_add_test (tc, file_without_a_directory);
  tcase_add_test (tc, output);
  tcase_add_test (tc, output_without_end);
  tcase_add_test (tc, full_disk);
  tcase_add_test (tc, refusals);
  tcase_add_test (tc, arguments);
  tcase_add_test (tc, shapes);
  suite_add_tcase (s, tc);
  return suite_run (s);
}
