/* test-codesize.c -- host instructions per guest block, against the record in codesize/expected. */
/* SPDX-License-Identifier: MIT */
/*
 * Each line of the record: a block's file, its guest instructions, and the host instructions in line and out
 * of line that host-x64 makes of it with every CPU feature. A better or worse code generator shows as a diff:
 * CODESIZE_UPDATE=1 writes the record anew.
 *
 * The CPU is one with 64-bit registers. Blocks whose name begins with `wide-` are of its 64-bit mode, where eight more
 * registers take the place of what is kept for flags; the others are of a mode that knows only low halves, and must
 * cost no more than if there were no others.
 */
#include "backend.h"
#include "host-x64/host.h"
#include "../suite.h"
#include <check.h>
#include <stdio.h>
#include <string.h>

typedef struct WideCpu {
  BpTcgArea area;
  uint32_t unused[11], pc32;
  uint64_t pc, gpr[16], cc_dst, cc_src, cc_src2;
} WideCpu;

#define G(name, field, pin) { name, (uint32_t) offsetof (WideCpu, field), BP_IR_I64, pin }
static const BpIrGlobal globals[] = {
  G ("eax", gpr[0], 3), G ("ecx", gpr[1], 3), G ("edx", gpr[2], 3), G ("ebx", gpr[3], 3),
  G ("esp", gpr[4], 3), G ("ebp", gpr[5], 3), G ("esi", gpr[6], 3), G ("edi", gpr[7], 3),
  G ("cc_dst", cc_dst, 1), G ("cc_src", cc_src, 1), G ("r8", gpr[8], 2), G ("r9", gpr[9], 2),
  G ("r10", gpr[10], 0), G ("r11", gpr[11], 0), G ("r12", gpr[12], 0), G ("r13", gpr[13], 0),
  G ("r14", gpr[14], 0), G ("r15", gpr[15], 0), G ("cc_src2", cc_src2, 0),
};

static unsigned
pin_set (const BpTbKey *key)
{
  return key->flags & 1;
}

static const BpTcgFrontend wide_frontend = {
  .struct_size = sizeof wide_frontend, .name = "wide", .globals = globals, .n_globals = G_N_ELEMENTS (globals),
  .pc_offset = offsetof (WideCpu, pc), .pc_size = 8, .address_bits = 64, .n_mmu_indexes = 2, .pin_set = pin_set,
  .narrow_pin_sets = 1,
};

static char *
data_directory (void)
{
  const char *srcdir = g_getenv ("srcdir");
  char *path = g_build_filename (srcdir != NULL ? srcdir : ".", "tests", "accel-tcg", "codesize", NULL);
  if (g_file_test (path, G_FILE_TEST_IS_DIR))
    return path;
  g_free (path);
  char *here = g_path_get_dirname (__FILE__);
  path = g_build_filename (here, "codesize", NULL);
  g_free (here);
  return path;
}

/* "file guest inline late" */
static char *
measure (CodeBuffer *buffer, const char *directory, const char *name)
{
  char *path = g_build_filename (directory, name, NULL), *text;
  GError *error = NULL;
  BpIrBlock ir;
  Tb *tb = g_aligned_alloc0 (1, sizeof *tb, 64);
  GString *dump = g_string_new (NULL);
  GArray *recoveries = g_array_new (false, false, sizeof (TbRecovery));
  BackendBlock block = { .tb = tb, .frontend = &wide_frontend, .buffer = buffer, .dump = dump, .recoveries = recoveries };
  unsigned guest = 0, hot = 0, hot_bytes = 0, late = 0;
  ck_assert (g_file_get_contents (path, &text, NULL, NULL));
  bp_ir_block_init (&ir, globals, G_N_ELEMENTS (globals), NULL);
  tb->key.flags = g_str_has_prefix (name, "wide-");
  ck_assert_msg (ir_parse (&ir, text, &error), "%s: %s", name, error ? error->message : "");
  ck_assert_msg (ir_verify (&ir, &error), "%s: %s", name, error ? error->message : "");
  opt_fold (&ir);
  opt_flags (&ir);
  opt_liveness (&ir);
  opt_recover (&ir, recoveries);
  for (uint32_t i = 0; i < ir.n_insns; i++)
    guest += ir.insns[i].op == BP_IR_insn_start;
  ck_assert (backend_x64.compile (&block, &ir));
  ck_assert_int_eq (sscanf (dump->str, "host x86-64: %u insns (%u bytes) in line, %u", &hot, &hot_bytes,
                            &late), 3);
  bp_ir_block_finish (&ir);
  g_aligned_free (tb);
  g_string_free (dump, TRUE);
  g_array_unref (recoveries);
  g_free (text);
  g_free (path);
  return g_strdup_printf ("%s %u %u %u\n", name, guest, hot, late);
}

static int
by_name (const void *a, const void *b, void *unused)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

START_TEST (test_codesize)
{
  CodeBuffer buffer;
  GError *error = NULL;
  char *directory = data_directory (), *record = g_build_filename (directory, "expected",
                                                                   NULL), *expected = NULL;
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  GString *is = g_string_new ("# block: guest instructions, host instructions in line, out of line\n");
  GDir *dir = g_dir_open (directory, 0, NULL);
  ck_assert (dir != NULL);
  for (const char *name; (name = g_dir_read_name (dir)) != NULL;)
    if (g_str_has_suffix (name, ".ir"))
      g_ptr_array_add (names, g_strdup (name));
  g_dir_close (dir);
  g_ptr_array_sort_with_data (names, by_name, NULL);
  ck_assert (code_buffer_init (&buffer, 1 << 20, &error));
  ck_assert (backend_x64.begin (&buffer, &wide_frontend, &error));
  x64_host.cpu = ~0u;           /* nothing is run */
  for (unsigned i = 0; i < names->len; i++) {
    char *line = measure (&buffer, directory, g_ptr_array_index (names, i));
    g_string_append (is, line);
    g_free (line);
  }
  if (g_getenv ("CODESIZE_UPDATE"))
    ck_assert (g_file_set_contents (record, is->str, -1, NULL));
  ck_assert (g_file_get_contents (record, &expected, NULL, NULL));
  ck_assert_msg (strcmp (is->str, expected) == 0, "now:\n%sexpected:\n%s", is->str, expected);
  code_buffer_finish (&buffer);
  g_ptr_array_free (names, TRUE);
  g_string_free (is, TRUE);
  g_free (expected);
  g_free (record);
  g_free (directory);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("codesize");
  TCase *tcase = tcase_create ("all");
  tcase_add_test (tcase, test_codesize);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}
