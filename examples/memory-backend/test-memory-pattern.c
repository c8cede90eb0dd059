/* test-memory-pattern.c -- what the memory holds, what the guest writes, and what the report says of it. */
/* SPDX-License-Identifier: MIT */
#include <backplane/test.h>
#include <glib/gstdio.h>
#include <unistd.h>

#define MACHINE(more) "[memory ram]\nmodule = memory-pattern\ntype = memory-pattern\n" more "[map ram]\nregion = ram\nat = memory@0\n"

BP_TEST (holds_its_pattern)
{
  BpTest *t = bp_test_new (NULL, MACHINE ("size = 5M\npattern = checkerboard\n"));
  for (uint64_t at = 0; at < 5 << 20; at += 0x10000 - 8)
    bp_test_expect_eq (bp_test_load16 (t, at), 0x55aa);
  bp_test_store32 (t, 0x200000, 0x12345678);
  bp_test_expect_eq (bp_test_load32 (t, 0x200000), 0x12345678);
  bp_test_expect_eq (bp_test_load32 (t, 0x0), 0x55aa55aa);      /* the same place in other tiles is another page */
  bp_test_expect_eq (bp_test_load32 (t, 0x400000), 0x55aa55aa);
  bp_test_round_trip (t);
  bp_test_free (t);
}

BP_TEST (is_random_by_seed)
{
  BpTest *a = bp_test_new (NULL, MACHINE ("size = 4K\nseed = 7\n")), *b = bp_test_new (NULL, MACHINE ("size = 4K\nseed = 7\n"));
  BpTest *c = bp_test_new (NULL, MACHINE ("size = 4K\nseed = 8\n"));
  bp_test_expect_eq (bp_test_load64 (a, 0xff8), bp_test_load64 (b, 0xff8));
  bp_test_expect (bp_test_load64 (a, 0xff8) != bp_test_load64 (c, 0xff8));
  bp_test_expect (bp_test_load64 (a, 0xff8) != bp_test_load64 (a, 0xff0));
  bp_test_free (a);
  bp_test_free (b);
  bp_test_free (c);
}

BP_TEST (reports)
{
  g_autofree char *path = bp_test_file ("report", "", 0), *text = NULL;
  g_autofree char *sections = g_strdup_printf (MACHINE ("size = 8M\nreport = %s\n"), path);
  BpTest *t = bp_test_new (NULL, sections);
  bp_test_store8 (t, 0x0, 1);
  bp_test_store32 (t, 0x100ffe, 1);     /* two pages */
  bp_test_store8 (t, 0x7fffff, 1);
  bp_test_load8 (t, 0x300000);
  bp_test_free (t);
  bp_test_expect (g_file_get_contents (path, &text, NULL, NULL));
  bp_test_expect_str (text, "ram: 4 of 2048 pages were written (16 KiB)\n0x0 |+.......+......................................................+| 0x800000\n");
}

BP_TEST (refuses)
{
  g_autofree char *odd = bp_test_refusal (NULL, MACHINE ("size = 5000\n")), *word = bp_test_refusal (NULL, MACHINE ("size = 4K\npattern = check\n"));
  bp_test_expect_has (odd, "multiple of 4096");
  bp_test_expect_has (word, "checkerboard");
}

BP_TEST_MAIN ("memory-pattern", &holds_its_pattern, &is_random_by_seed, &reports, &refuses)
