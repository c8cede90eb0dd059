/* test-symbol-table.c -- which of several symbols an address and a name belong to. */
/* SPDX-License-Identifier: MIT */
#include "guest-symbols/symbol-table.h"
#include "../suite.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

static SymbolTable *table;

static void
setup (void)
{
  table = symbol_table_new ();
}

static void
teardown (void)
{
  g_clear_pointer (&table, symbol_table_free);
}

static void
add_as (const char *name, uint64_t start, uint64_t size, SymbolType type, SymbolBinding binding)
{
  Symbol s = { .start = start, .end = start + (size ? size : 0x1000), .name = name, .has_size = size > 0, .type = type, .binding = binding };
  symbol_table_add (table, &s);
}

static void
add (const char *name, uint64_t start, uint64_t size)
{
  add_as (name, start, size, SYMBOL_FUNCTION, SYMBOL_GLOBAL);
}

static void
check_at (uint64_t address, const char *name)
{
  const Symbol *s = symbol_table_find (table, address);
  if (name)
    ck_assert_msg (s && !strcmp (s->name, name), "%#" G_GINT64_MODIFIER "x is in %s, not %s", address, s ? s->name : "nothing", name);
  else
    ck_assert_msg (!s, "%#" G_GINT64_MODIFIER "x is in %s", address, s ? s->name : "");
}

START_TEST (empty)
{
  symbol_table_finish (table);
  check_at (0, NULL);
  check_at (UINT64_MAX, NULL);
  ck_assert_ptr_null (symbol_table_by_name (table, "x"));
}
END_TEST

START_TEST (holes)
{
  add ("c", 0x3000, 0x10);
  add ("a", 0x1000, 0x10);
  add ("b", 0x1010, 0x10);
  symbol_table_finish (table);
  check_at (0xfff, NULL);
  check_at (0x1000, "a");
  check_at (0x100f, "a");
  check_at (0x1010, "b");
  check_at (0x1020, NULL);
  check_at (0x3000, "c");
  check_at (0x3010, NULL);
}
END_TEST

/* A mark reaches to the next symbol and not behind its limit; within a sized function it is none. */
START_TEST (marks)
{
  add ("mark", 0x1000, 0);
  add ("sized", 0x1800, 0x100);
  add ("within", 0x1880, 0);
  add ("last", 0x2000, 0);
  symbol_table_finish (table);
  check_at (0x1000, "mark");
  check_at (0x17ff, "mark");
  check_at (0x1800, "sized");
  check_at (0x1890, "sized");
  check_at (0x1900, NULL);
  check_at (0x2fff, "last");
  check_at (0x3000, NULL);
  ck_assert_uint_eq (symbol_table_find (table, 0x1000)->end, 0x1800);
}
END_TEST

START_TEST (nested)
{
  add ("outer", 0x1000, 0x1000);
  add ("middle", 0x1100, 0x100);
  add ("inner", 0x1140, 0x10);
  add ("beside", 0x1300, 0x10);
  symbol_table_finish (table);
  check_at (0x1000, "outer");
  check_at (0x1100, "middle");
  check_at (0x1145, "inner");
  check_at (0x1150, "middle");
  check_at (0x1200, "outer");
  check_at (0x1305, "beside");
  check_at (0x1fff, "outer");
  check_at (0x2000, NULL);
}
END_TEST

START_TEST (aliases)
{
  add_as ("data", 0x1000, 0x10, SYMBOL_DATA, SYMBOL_GLOBAL);
  add_as ("label", 0x1000, 0, SYMBOL_LABEL, SYMBOL_GLOBAL);
  add_as ("local", 0x1000, 0x10, SYMBOL_FUNCTION, SYMBOL_LOCAL);
  add_as ("weak", 0x1000, 0x10, SYMBOL_FUNCTION, SYMBOL_WEAK);
  add_as ("__global", 0x1000, 0x10, SYMBOL_FUNCTION, SYMBOL_GLOBAL);
  add_as ("global", 0x1000, 0x10, SYMBOL_FUNCTION, SYMBOL_GLOBAL);
  add_as ("aglobal", 0x1000, 0, SYMBOL_FUNCTION, SYMBOL_GLOBAL);
  symbol_table_finish (table);
  check_at (0x1008, "global");
  ck_assert_uint_eq (symbol_table_by_name (table, "weak")->start, 0x1000);
}
END_TEST

START_TEST (same_name)
{
  add_as ("init", 0x3000, 0x10, SYMBOL_FUNCTION, SYMBOL_LOCAL);
  add_as ("init", 0x1000, 0x10, SYMBOL_FUNCTION, SYMBOL_LOCAL);
  add_as ("main", 0x1010, 0x10, SYMBOL_FUNCTION, SYMBOL_LOCAL);
  add_as ("main", 0x2000, 0x10, SYMBOL_FUNCTION, SYMBOL_GLOBAL);
  symbol_table_finish (table);
  ck_assert_uint_eq (symbol_table_by_name (table, "init")->start, 0x1000);
  ck_assert_uint_eq (symbol_table_by_name (table, "main")->start, 0x2000);
}
END_TEST

/* The answer is that of a search through all. */
START_TEST (against_search)
{
  GRand *rand = g_rand_new_with_seed (7);
  Symbol all[300];
  for (unsigned i = 0; i < G_N_ELEMENTS (all); i++) {
    uint64_t start = (uint64_t) g_rand_int_range (rand, 0, 40) * 100;
    uint64_t inside = 100u >> g_rand_int_range (rand, 0, 4);    /* nested ones begin together or lie apart */
    all[i] = (Symbol) { .start = start, .end = start + inside, .name = "s", .has_size = true, .type = SYMBOL_FUNCTION };
    symbol_table_add (table, &all[i]);
  }
  symbol_table_finish (table);
  for (uint64_t address = 0; address < 4200; address++) {
    const Symbol *s = symbol_table_find (table, address);
    bool covered = false;
    for (unsigned i = 0; i < G_N_ELEMENTS (all); i++)
      covered |= all[i].start == address;
    ck_assert (!covered || s);
    ck_assert (!s || (s->start <= address && address < s->end));
  }
  g_rand_free (rand);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("symbol-table");
  TCase *tc = tcase_create ("symbol-table");
  tcase_add_checked_fixture (tc, setup, teardown);
  tcase_add_test (tc, empty);
  tcase_add_test (tc, holes);
  tcase_add_test (tc, marks);
  tcase_add_test (tc, nested);
  tcase_add_test (tc, aliases);
  tcase_add_test (tc, same_name);
  tcase_add_test (tc, against_search);
  suite_add_tcase (suite, tc);
  return suite_run (suite);
}
