/* test-tcg-log.c -- lines of an execution log: their text, their registers, their number, and a disk that is full. */
/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tcg-instr/tcg-log-lines.h"
#include "tcg-instr/tcg-log-registers.h"
#include "../suite.h"

static char *path;
static LogFile *file;
static LogLine line;

static void
open_log (uint64_t limit)
{
  GError *error = NULL;
  path = g_strdup ("/tmp/backplane-log.XXXXXX");
  close (g_mkstemp (path));
  file = log_file_new (path, 0, limit, &error);
  ck_assert_msg (file != NULL, "%s", error ? error->message : "");
  log_line_init (&line, file, 2);
}

static char *
close_log (void)
{
  char *text;
  log_line_end (&line);
  log_line_clear (&line);
  log_file_free (file);
  ck_assert (g_file_get_contents (path, &text, NULL, NULL));
  g_unlink (path);
  g_free (path);
  return text;
}

static void begin (const char *text) { log_line_begin (&line, text, strlen (text)); }

START_TEST (test_lines)
{
  const TraceAccess load = { .address = UINT64_C (0xffffffff81000000), .value = 0x2a, .bytes = 4 };
  const TraceAccess store = { .address = 0, .value = 0, .bytes = 32, .is_store = true };
  const uint8_t bytes[] = { 0x78, 0x56, 0x34, 0x12 };
  open_log (0);
  begin ("0000000000001000 3 main+0x4                 mov (%rax),%ebx");
  log_line_access (&line, &load);
  log_line_register (&line, "rbx", bytes, sizeof bytes);
  begin ("0000000000001002 3 main+0x6                 nop");
  log_line_note (&line, "interrupt, from %x to %x", 0x1003, 0x2000);
  log_line_register (&line, "rsp", bytes, 2);
  begin ("0000000000002000 0 -                        vmovaps %ymm0,(%rdi)");
  log_line_access (&line, &store);
  log_line_access (&line, &load);
  g_autofree char *text = close_log ();
  ck_assert_str_eq (text,
                    "2 0000000000001000 3 main+0x4                 mov (%rax),%ebx            | load ffffffff81000000/4=2a rbx=12345678\n"
                    "2 0000000000001002 3 main+0x6                 nop\n"
                    "2 -- interrupt, from 1003 to 2000                                        | rsp=5678\n"
                    "2 0000000000002000 0 -                        vmovaps %ymm0,(%rdi)       | store 0/32 load ffffffff81000000/4=2a\n");
}
END_TEST

START_TEST (test_limit)
{
  open_log (3);
  for (unsigned i = 0; i < 10; i++) {
    ck_assert_int_eq (log_file_ended (file), i > 3);    /* the fourth is begun, and never written */
    begin ("x");
  }
  ck_assert_uint_eq (log_file_n_lines (file), 3);
  g_autofree char *text = close_log ();
  ck_assert_str_eq (text, "2 x\n2 x\n2 x\n");
}
END_TEST

/* More than a piece: no line is torn. */
START_TEST (test_much)
{
  char text[400];
  open_log (0);
  for (unsigned i = 0; i < 10000; i++) {
    g_snprintf (text, sizeof text, "%0*u", 1 + i % 380, i);
    begin (text);
  }
  g_autofree char *all = close_log ();
  char *at = all;
  for (unsigned i = 0; i < 10000; i++) {
    size_t n = (size_t) g_snprintf (text, sizeof text, "2 %0*u\n", 1 + i % 380, i);
    if (strncmp (at, text, n))
      ck_abort_msg ("line %u", i);
    at += n;
  }
  ck_assert_str_eq (at, "");
}
END_TEST

START_TEST (test_full_disk)
{
  GError *error = NULL;
  if (access ("/dev/full", W_OK))
    return;
  file = log_file_new ("/dev/full", 0, 0, &error);
  ck_assert_ptr_nonnull (file);
  log_line_init (&line, file, 0);
  begin ("x");
  log_line_end (&line);
  log_file_flush (file);
  ck_assert (log_file_ended (file));
  ck_assert_ptr_nonnull (log_file_error (file));
  begin ("y");
  log_line_end (&line);
  ck_assert_uint_eq (log_file_n_lines (file), 1);
  log_line_clear (&line);
  log_file_free (file);
  ck_assert_ptr_null (log_file_new ("/nowhere/at/all", 0, 0, &error));
  ck_assert_ptr_nonnull (strstr (error->message, "/nowhere/at/all"));
  g_error_free (error);
}
END_TEST

/* --- registers ------------------------------------------------------------------------------ */

#define ROW(n, b, g, f) { .name = (n), .bits = (b), .group = (g), .flags = (f) }
static const BpDebugRegister rows[] = {
  ROW ("rax", 64, "general", 0), ROW ("rcx", 64, "general", 0), ROW ("r9", 64, "general", 0), ROW ("rip", 64, "general", BP_DEBUG_PC),
  ROW ("eflags", 32, "general", 0), ROW ("ds", 32, "general", 0), ROW ("xmm1", 128, "vector", 0), ROW ("cr3", 64, "system", 0), { .name = NULL }
};
static uint64_t values[BP_N_ELEMENTS (rows)];
static unsigned reads;

static unsigned
read_register (void *user, unsigned vcpu, const char *name, void *out, size_t size)
{
  for (unsigned i = 0; rows[i].name; i++)
    if (!strcmp (rows[i].name, name)) {
      unsigned n = rows[i].bits / 8;
      memset (out, 0, size);
      memcpy (out, &values[i], MIN (n, 8));
      reads++;
      return n;
    }
  return 0;
}

static LogRegisters *
choose (const char *a, const char *b)
{
  GError *error = NULL;
  const char *choice[] = { a, b, NULL };
  LogRegisters *r = log_registers_new (choice, rows, &error);
  ck_assert (!error);
  return r;
}

START_TEST (test_choice)
{
  GError *error = NULL;
  const struct { const char *a, *b; unsigned n; } cases[] = { { "general", NULL, 5 }, { "all", NULL, 7 }, { "none", NULL, 0 }, { NULL, NULL, 0 },
                                                              { "general", "xmm1", 6 }, { "cr3", "rax", 2 }, { "general", "rax", 5 },
                                                              { "all", "general", 7 }, { "r9", "r9", 1 } };
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++) {
    LogRegisters *r = choose (cases[i].a, cases[i].b);
    ck_assert_uint_eq (log_registers_n (r), cases[i].n);
    log_registers_free (r);
  }
  const char *wrong[] = { "eax", NULL };
  ck_assert_ptr_null (log_registers_new (wrong, rows, &error));
  ck_assert_ptr_nonnull (strstr (error->message, "eax"));
  g_error_free (error);
}
END_TEST

START_TEST (test_changes)
{
  LogRegisters *r = choose ("general", "cr3");
  LogValues *v = log_values_new (r);
  BpInsnRegisters written = { .n_written = 2, .written = { 0, 17 } };
  memset (values, 0, sizeof values);
  open_log (0);
  begin ("a");
  log_values_update (v, &written, read_register, NULL, &line);  /* the first time all are shown */
  begin ("b");
  values[0] = 0xabc;
  values[4] = 2;
  values[1] = 9;                /* not said to be written */
  reads = 0;
  log_values_update (v, &written, read_register, NULL, &line);
  ck_assert_uint_eq (reads, 2);
  begin ("c");
  log_values_update (v, NULL, read_register, NULL, &line);
  begin ("d");
  log_values_update (v, NULL, read_register, NULL, &line);
  log_values_free (v);
  log_registers_free (r);
  g_autofree char *text = close_log ();
  char *lines[5] = { text };
  for (unsigned i = 1; i < 5; i++) {
    lines[i] = strchr (lines[i - 1], '\n') + 1;
    lines[i][-1] = 0;
  }
  ck_assert_ptr_nonnull (strstr (lines[0], "| rax=0000000000000000 rcx=0000000000000000 r9=0000000000000000 eflags=00000000 ds=00000000 cr3=0000000000000000"));
  ck_assert_ptr_nonnull (strstr (lines[1], "| rax=0000000000000abc eflags=00000002"));
  ck_assert_ptr_null (strstr (lines[1], "rcx"));
  ck_assert_ptr_nonnull (strstr (lines[2], "| rcx=0000000000000009"));
  ck_assert_str_eq (lines[3], "2 d");
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("tcg-log");
  TCase *c = tcase_create ("tcg-log");
  tcase_add_test (c, test_lines);
  tcase_add_test (c, test_limit);
  tcase_add_test (c, test_much);
  tcase_add_test (c, test_full_disk);
  tcase_add_test (c, test_choice);
  tcase_add_test (c, test_changes);
  suite_add_tcase (suite, c);
  return suite_run (suite);
}
