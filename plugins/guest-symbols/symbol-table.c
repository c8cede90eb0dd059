/* symbol-table.c -- symbols of a file, by address and by name. */
/* SPDX-License-Identifier: MIT */
#include "symbol-table.h"
#include <string.h>

#define NONE UINT32_MAX
#define MAX_NESTING 64          /* symbols around an address that are tried; only a hostile file has more than two or three */

/* The part of a symbol that a search by address touches. */
typedef struct Range {
  uint64_t start, end;
  uint32_t symbol;              /* in `symbols' */
  uint32_t outer;               /* in `ranges': the next one around it */
} Range;

struct SymbolTable {
  GArray *symbols;              /* Symbol */
  GArray *ranges;               /* Range, by start; one a start */
  GHashTable *names;            /* name -> index + 1; made when first asked */
};

#define SYMBOL(table, i) (&g_array_index ((table)->symbols, Symbol, (i)))
#define RANGE(table, i) (&g_array_index ((table)->ranges, Range, (i)))

/* --- making ------------------------------------------------------------------------------ */

SymbolTable *
symbol_table_new (void)
{
  SymbolTable *t = g_new0 (SymbolTable, 1);
  t->symbols = g_array_new (FALSE, FALSE, sizeof (Symbol));
  t->ranges = g_array_new (FALSE, FALSE, sizeof (Range));
  return t;
}

void
symbol_table_free (SymbolTable *t)
{
  if (!t)
    return;
  for (guint i = 0; i < t->symbols->len; i++)
    g_free (SYMBOL (t, i)->text);
  g_clear_pointer (&t->names, g_hash_table_destroy);
  g_array_free (t->symbols, TRUE);
  g_array_free (t->ranges, TRUE);
  g_free (t);
}

void
symbol_table_add (SymbolTable *t, const Symbol *symbol)
{
  if (t->symbols->len < NONE - 1)
    g_array_append_vals (t->symbols, symbol, 1);
}

static int
compare_u64 (uint64_t a, uint64_t b)
{
  return a < b ? -1 : a > b;
}

static size_t
underscores (const char *name)
{
  return strspn (name, "_.");
}

/* The order of symbols at one address: the one to tell first. */
static int
compare_preference (const Symbol *a, const Symbol *b)
{
  if (a->type != b->type)
    return a->type > b->type ? -1 : 1;
  if (a->has_size != b->has_size)
    return a->has_size ? -1 : 1;
  if (a->binding != b->binding)
    return a->binding > b->binding ? -1 : 1;
  size_t ua = underscores (a->name), ub = underscores (b->name);
  if (ua != ub)
    return ua < ub ? -1 : 1;
  int names = strncmp (a->name, b->name, 256);
  return names ? names : compare_u64 (b->end, a->end);
}

static int
compare_symbols (const void *pa, const void *pb)
{
  const Symbol *a = pa, *b = pb;
  int starts = compare_u64 (a->start, b->start);
  return starts ? starts : compare_preference (a, b);
}

/* One range a start.  A mark within a sized symbol (a label in a function) is not what somebody means who asks for its address. */
static void
make_ranges (SymbolTable *t)
{
  uint64_t covered = 0;         /* the highest end of sized symbols so far */
  for (guint i = 0; i < t->symbols->len; i++) {
    const Symbol *s = SYMBOL (t, i);
    if ((i > 0 && s->start == SYMBOL (t, i - 1)->start) || (!s->has_size && s->start < covered))
      continue;
    if (s->has_size)
      covered = MAX (covered, s->end);
    Range r = { .start = s->start, .end = s->end, .symbol = i, .outer = NONE };
    g_array_append_val (t->ranges, r);
  }
}

static void
extend_marks (SymbolTable *t)
{
  for (guint i = 0; i < t->ranges->len; i++) {
    Range *r = RANGE (t, i);
    Symbol *s = SYMBOL (t, r->symbol);
    if (s->has_size)
      continue;
    if (i + 1 < t->ranges->len)
      r->end = MIN (r->end, RANGE (t, i + 1)->start);
    s->end = r->end;
  }
}

static void
link_nested (SymbolTable *t)
{
  g_autoptr (GArray) open = g_array_new (FALSE, FALSE, sizeof (uint32_t));
  for (uint32_t i = 0; i < t->ranges->len; i++) {
    Range *r = RANGE (t, i);
    while (open->len > 0 && RANGE (t, g_array_index (open, uint32_t, open->len - 1))->end <= r->start)
      g_array_set_size (open, open->len - 1);
    if (open->len > 0)
      r->outer = g_array_index (open, uint32_t, open->len - 1);
    g_array_append_val (open, i);
  }
}

void
symbol_table_finish (SymbolTable *t)
{
  g_array_sort (t->symbols, compare_symbols);
  make_ranges (t);
  extend_marks (t);
  link_nested (t);
}

/* --- asking ------------------------------------------------------------------------------ */

size_t
symbol_table_size (const SymbolTable *t)
{
  return t->symbols->len;
}

const Symbol *
symbol_table_at (const SymbolTable *t, size_t i)
{
  return SYMBOL (t, i);
}

Symbol *
symbol_table_find (SymbolTable *t, uint64_t address)
{
  size_t first = 0, end = t->ranges->len;
  while (first < end) {         /* the first range that starts behind the address */
    size_t middle = first + (end - first) / 2;
    if (RANGE (t, middle)->start <= address)
      first = middle + 1;
    else
      end = middle;
  }
  uint32_t i = first > 0 ? (uint32_t) first - 1 : NONE;
  for (unsigned n = 0; i != NONE && n < MAX_NESTING; n++, i = RANGE (t, i)->outer)
    if (address < RANGE (t, i)->end)
      return SYMBOL (t, RANGE (t, i)->symbol);
  return NULL;
}

/* Is `a' the one to tell of two with the same name? */
static bool
is_better_name (const Symbol *a, const Symbol *b)
{
  return a->binding != b->binding ? a->binding > b->binding : a->start < b->start;
}

const Symbol *
symbol_table_by_name (SymbolTable *t, const char *name)
{
  if (!t->names) {
    t->names = g_hash_table_new (g_str_hash, g_str_equal);
    for (guint i = 0; i < t->symbols->len; i++) {
      const Symbol *s = SYMBOL (t, i);
      guint known = GPOINTER_TO_UINT (g_hash_table_lookup (t->names, s->name));
      if (!known || is_better_name (s, SYMBOL (t, known - 1)))
        g_hash_table_insert (t->names, (gpointer) s->name, GUINT_TO_POINTER (i + 1));
    }
  }
  guint i = GPOINTER_TO_UINT (g_hash_table_lookup (t->names, name));
  return i ? SYMBOL (t, i - 1) : NULL;
}
