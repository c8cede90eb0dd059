/* test-tcg-coverage.c -- drcov files read back by a reader of the test's own; modules out of ELF files and ranges. */
/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE 1
#include "test-instr.h"
#include "tcg-instr/tcg-coverage-drcov.h"
#include "tcg-instr/tcg-coverage-module.h"
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

/* --- drcov ---------------------------------------------------------------------------------------------- */

/* Reads as the tools do: lines up to the table of blocks, then 8 bytes each. */
typedef struct Reader {
  char *bytes, *at, *end;
} Reader;

static const char *
next_line (Reader *r)
{
  char *line = r->at, *stop = memchr (r->at, '\n', (size_t) (r->end - r->at));
  ck_assert_ptr_nonnull (stop);
  *stop = 0;
  r->at = stop + 1;
  return line;
}

START_TEST (a_reader_finds_what_was_written)
{
  const DrcovModule modules[] = {
    { 0xffffffff81000000, 0xffffffff82000000, 0xffffffff81000010, "/boot/vmlinux" }, { 0x400000, 0x500000, 0, "a program" },
  };
  DrcovBlock blocks[] = { { 0x20, 5, 1 }, { 0x10, 3, 0 }, { 0x20, 5, 1 }, { 0x10, 2, 0 }, { 0xffffff, 15, 0 } };
  size_t n = drcov_sort (blocks, G_N_ELEMENTS (blocks)), size = 0;
  ck_assert_uint_eq (n, 4);
  ck_assert (drcov_write (scratch_file, modules, 2, blocks, n, NULL));
  Reader r = { 0 };
  ck_assert (g_file_get_contents (scratch_file, &r.bytes, &size, NULL));
  r.at = r.bytes;
  r.end = r.bytes + size;
  ck_assert_str_eq (next_line (&r), "DRCOV VERSION: 2");
  ck_assert (g_str_has_prefix (next_line (&r), "DRCOV FLAVOR: "));
  ck_assert_str_eq (next_line (&r), "Module Table: version 2, count 2");
  ck_assert_str_eq (next_line (&r), "Columns: id, base, end, entry, path");
  for (unsigned i = 0; i < 2; i++) {
    char **fields = g_strsplit (next_line (&r), ", ", -1);
    ck_assert_uint_eq (g_strv_length (fields), 5);
    ck_assert_uint_eq (g_ascii_strtoull (fields[0], NULL, 10), i);
    ck_assert_uint_eq (g_ascii_strtoull (fields[1], NULL, 16), modules[i].base);
    ck_assert_uint_eq (g_ascii_strtoull (fields[2], NULL, 16), modules[i].end);
    ck_assert_uint_eq (g_ascii_strtoull (fields[3], NULL, 16), modules[i].entry);
    ck_assert_str_eq (fields[4], modules[i].path);
    g_strfreev (fields);
  }
  ck_assert_str_eq (next_line (&r), "BB Table: 4 bbs");
  ck_assert_uint_eq ((size_t) (r.end - r.at), 4 * 8);
  struct { uint32_t start; unsigned size, module; } expected[] = { { 0x10, 2, 0 }, { 0x10, 3, 0 }, { 0xffffff, 15, 0 }, { 0x20, 5, 1 } };
  for (unsigned i = 0; i < 4; i++) {
    const uint8_t *b = (const uint8_t *) r.at + 8 * i;
    ck_assert_uint_eq ((uint32_t) (b[0] | b[1] << 8 | b[2] << 16 | (uint32_t) b[3] << 24), expected[i].start);
    ck_assert_uint_eq ((unsigned) (b[4] | b[5] << 8), expected[i].size);
    ck_assert_uint_eq ((unsigned) (b[6] | b[7] << 8), expected[i].module);
  }
  g_free (r.bytes);
}
END_TEST

START_TEST (what_cannot_be_written_leaves_what_was_there)
{
  GError *error = NULL;
  ck_assert (!drcov_write ("/nonexistent/x", NULL, 0, NULL, 0, &error));
  ck_assert (strstr (error->message, "/nonexistent/x") != NULL);
  g_clear_error (&error);
  ck_assert (drcov_write (scratch_file, NULL, 0, NULL, 0, &error));
  /* A folder in the draft's place. */
  g_autofree char *draft = g_strdup_printf ("%s.new", scratch_file), *text = NULL;
  g_mkdir (draft, 0700);
  ck_assert (!drcov_write (scratch_file, NULL, 0, NULL, 0, &error));
  g_clear_error (&error);
  ck_assert (g_file_get_contents (scratch_file, &text, NULL, NULL));
  ck_assert (g_str_has_suffix (text, "BB Table: 0 bbs\n"));
  g_rmdir (draft);
}
END_TEST

START_TEST (the_hosts_own_reason_is_told)
{
  GError *error = NULL;
  g_autofree DrcovBlock *blocks = g_new0 (DrcovBlock, 10000);
  struct rlimit old, small;
  getrlimit (RLIMIT_FSIZE, &old);
  small = (struct rlimit) { .rlim_cur = 20000, .rlim_max = old.rlim_max };
  signal (SIGXFSZ, SIG_IGN);
  setrlimit (RLIMIT_FSIZE, &small);
  ck_assert (!drcov_write (scratch_file, NULL, 0, blocks, 10000, &error));
  setrlimit (RLIMIT_FSIZE, &old);
  ck_assert_msg (strstr (error->message, g_strerror (EFBIG)) != NULL, "%s", error->message);
  ck_assert (!g_file_test (scratch_file, G_FILE_TEST_EXISTS));
  g_clear_error (&error);
}
END_TEST

/* --- modules ---------------------------------------------------------------------------------------------- */

static void
refused (const char *text, const char *says)
{
  CoverageModule m;
  GError *error = NULL;
  ck_assert_msg (!coverage_module_init (&m, text, &error), "%s was taken", text);
  ck_assert_msg (strstr (error->message, says) != NULL, "%s: %s", text, error->message);
  g_clear_error (&error);
  coverage_module_finish (&m);
}

START_TEST (ranges_have_a_name)
{
  CoverageModule m;
  ck_assert (coverage_module_init (&m, "my program@0x400000-0x401000", NULL));
  ck_assert_str_eq (m.path, "my program");
  ck_assert (coverage_module_spans (&m, 0x400fff) && !coverage_module_spans (&m, 0x401000));
  ck_assert (!coverage_module_contradicts (&m, 0x400000, (const uint8_t *) "x", 1));
  coverage_module_finish (&m);
  refused ("x@5-4", "ends before");
  refused ("x@0-0x100000001", "4 GiB");
  refused ("x@0x-5", "no number");
  refused ("", "no module");
  refused ("/nonexistent/program", "/nonexistent/program");
}
END_TEST

static void
write_elf32 (void)
{
  struct {
    Elf32_Ehdr e;
    Elf32_Phdr p[3];
    char code[32];
  } f = { .e = { .e_type = ET_EXEC, .e_machine = EM_386, .e_entry = 0xc1000010, .e_phoff = sizeof f.e, .e_phentsize = sizeof f.p[0], .e_phnum = 3 },
          .p = { { .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = 0xc1000000, .p_offset = offsetof (__typeof__ (f), code), .p_filesz = 32, .p_memsz = 32 },
                 { .p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_vaddr = 0, .p_memsz = 0x8000 },
                 { .p_type = PT_LOAD, .p_flags = PF_R | PF_W, .p_vaddr = 0xc2000000, .p_memsz = 0x5000 } },
          .code = "the code of a kernel" };
  memcpy (f.e.e_ident, ELFMAG, SELFMAG);
  f.e.e_ident[EI_CLASS] = ELFCLASS32;
  f.e.e_ident[EI_DATA] = ELFDATA2LSB;
  ck_assert (g_file_set_contents (scratch_file, (const char *) &f, sizeof f, NULL));
}

START_TEST (an_elf_file_says_where_it_is)
{
  CoverageModule m;
  GError *error = NULL;
  write_elf32 ();
  ck_assert (coverage_module_init (&m, scratch_file, &error));
  ck_assert_uint_eq (m.base, 0xc1000000);
  ck_assert_uint_eq (m.end, 0xc2005000);
  ck_assert_uint_eq (m.entry, 0xc1000010);
  ck_assert_uint_eq (m.code_bytes, 32);
  ck_assert (!coverage_module_contradicts (&m, 0xc1000004, (const uint8_t *) "code", 4));
  ck_assert (coverage_module_contradicts (&m, 0xc1000004, (const uint8_t *) "c0de", 4));
  ck_assert (coverage_module_contradicts (&m, 0xc1800000, (const uint8_t *) "x", 1));
  coverage_module_finish (&m);
  g_autofree char *elsewhere = g_strdup_printf ("%s@0xc5000000", scratch_file);
  ck_assert (coverage_module_init (&m, elsewhere, &error));
  ck_assert_uint_eq (m.base, 0xc5000000);
  ck_assert_uint_eq (m.end, 0xc6005000);
  ck_assert (!coverage_module_contradicts (&m, 0xc5000004, (const uint8_t *) "code", 4));
  coverage_module_finish (&m);
}
END_TEST

/* A compiler empties the file and writes it anew, while a machine runs. */
START_TEST (a_file_that_shrinks_takes_nothing_away)
{
  CoverageModule m;
  write_elf32 ();
  ck_assert (coverage_module_init (&m, scratch_file, NULL));
  ck_assert_int_eq (truncate (scratch_file, 0), 0);
  ck_assert (!coverage_module_contradicts (&m, 0xc1000004, (const uint8_t *) "code", 4));
  ck_assert (coverage_module_contradicts (&m, 0xc1000004, (const uint8_t *) "c0de", 4));
  coverage_module_finish (&m);
}
END_TEST

START_TEST (a_base_must_leave_room)
{
  write_elf32 ();
  g_autofree char *text = g_strdup_printf ("%s@0xfffffffffffff000", scratch_file);
  refused (text, "behind the last address");
}
END_TEST

START_TEST (segments_may_not_overlap)
{
  struct {
    Elf32_Ehdr e;
    Elf32_Phdr p[50];
    char code[8000];
  } f = { .e = { .e_type = ET_EXEC, .e_machine = EM_386, .e_phoff = sizeof f.e, .e_phentsize = sizeof f.p[0], .e_phnum = G_N_ELEMENTS (f.p) } };
  for (unsigned i = 0; i < G_N_ELEMENTS (f.p); i++)
    f.p[i] = (Elf32_Phdr) { .p_type = PT_LOAD, .p_flags = PF_X, .p_vaddr = 0x400000 + 0x10000 * i, .p_filesz = sizeof f, .p_memsz = sizeof f };
  memcpy (f.e.e_ident, ELFMAG, SELFMAG);
  f.e.e_ident[EI_CLASS] = ELFCLASS32;
  f.e.e_ident[EI_DATA] = ELFDATA2LSB;
  ck_assert (g_file_set_contents (scratch_file, (const char *) &f, sizeof f, NULL));
  refused (scratch_file, "overlap");
}
END_TEST

START_TEST (a_damaged_elf_file_is_refused)
{
  write_elf32 ();
  g_autofree char *bytes = NULL;
  gsize size;
  ck_assert (g_file_get_contents (scratch_file, &bytes, &size, NULL));
  ((Elf32_Ehdr *) bytes)->e_phnum = 60000;
  ck_assert (g_file_set_contents (scratch_file, bytes, (gssize) size, NULL));
  refused (scratch_file, "no ELF file");
  ((Elf32_Ehdr *) bytes)->e_phnum = 3;
  ((Elf32_Phdr *) (bytes + sizeof (Elf32_Ehdr)))->p_offset = 0xfffffff0;
  ck_assert (g_file_set_contents (scratch_file, bytes, (gssize) size, NULL));
  refused (scratch_file, "no code");
  ck_assert (g_file_set_contents (scratch_file, bytes, 20, NULL));
  refused (scratch_file, "no ELF file");
  ck_assert (g_file_set_contents (scratch_file, "", 0, NULL));
  refused (scratch_file, "no ELF file");
}
END_TEST

static int
first_object (struct dl_phdr_info *info, size_t size, void *base)
{
  *(uint64_t *) base = info->dlpi_addr;
  return 1;
}

/* This very program is loaded where the host's loader wanted. */
START_TEST (code_is_compared_with_the_file)
{
  CoverageModule m;
  GError *error = NULL;
  uint64_t base = 0;
  dl_iterate_phdr (first_object, &base);
  if (!base)
    return;
  refused ("/proc/self/exe", "FILE@BASE");
  g_autofree char *text = g_strdup_printf ("/proc/self/exe@0x%" G_GINT64_MODIFIER "x", base);
  ck_assert_msg (coverage_module_init (&m, text, &error), "%s", error ? error->message : "");
  const uint8_t *code = (const uint8_t *) (uintptr_t) first_object;
  uint8_t other[16];
  memcpy (other, code, sizeof other);
  ck_assert (coverage_module_spans (&m, (uintptr_t) code));
  ck_assert (!coverage_module_contradicts (&m, (uintptr_t) code, other, sizeof other));
  other[15] ^= 1;
  ck_assert (coverage_module_contradicts (&m, (uintptr_t) code, other, sizeof other));
  coverage_module_finish (&m);
}
END_TEST

int
main (void)
{
  TCase *cases = tcase_create ("coverage");
  tcase_add_checked_fixture (cases, make_scratch, remove_scratch);
  tcase_add_test (cases, a_reader_finds_what_was_written);
  tcase_add_test (cases, what_cannot_be_written_leaves_what_was_there);
  tcase_add_test (cases, the_hosts_own_reason_is_told);
  tcase_add_test (cases, ranges_have_a_name);
  tcase_add_test (cases, an_elf_file_says_where_it_is);
  tcase_add_test (cases, a_file_that_shrinks_takes_nothing_away);
  tcase_add_test (cases, a_base_must_leave_room);
  tcase_add_test (cases, segments_may_not_overlap);
  tcase_add_test (cases, a_damaged_elf_file_is_refused);
  tcase_add_test (cases, code_is_compared_with_the_file);
  return run_tests ("tcg-coverage", cases);
}
