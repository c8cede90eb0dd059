/* instr-rows.c -- rows of counts: added, grouped by function or line, the greatest picked. */
/* SPDX-License-Identifier: MIT */
#include "instr-rows.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void
instr_rows_init (InstrRows *rows, unsigned n_counts)
{
  g_assert (n_counts <= INSTR_ROW_COUNTS);
  *rows = (InstrRows) { .n_counts = n_counts };
}

static void
row_finish (InstrRow *row)
{
  g_free (row->label);
  g_free (row->detail);
}

void
instr_rows_finish (InstrRows *rows)
{
  for (size_t i = 0; i < rows->n; i++)
    row_finish (&rows->rows[i]);
  g_free (rows->rows);
  *rows = (InstrRows) { .n_counts = 0 };
}

InstrRow *
instr_rows_add_address (InstrRows *rows, uint64_t address)
{
  if (rows->n == rows->room) {
    rows->room = rows->room ? rows->room * 2 : 256;
    rows->rows = g_renew (InstrRow, rows->rows, rows->room);
  }
  InstrRow *row = &rows->rows[rows->n++];
  *row = (InstrRow) { .address = address };
  return row;
}

InstrRow *
instr_rows_add (InstrRows *rows, const BpInsn *insn)
{
  InstrRow *row = instr_rows_add_address (rows, insn->address);
  row->insn = insn;
  row->privilege = insn->privilege;
  return row;
}

uint64_t
instr_rows_sum (const InstrRows *rows, unsigned column)
{
  uint64_t sum = 0;
  for (size_t i = 0; i < rows->n; i++)
    sum += rows->rows[i].counts[column];
  return sum;
}

/* --- order ---------------------------------------------------------------------------------- */

static int
compare_u64 (uint64_t a, uint64_t b)
{
  return a < b ? -1 : a > b;
}

/* Below, for who sorts rows himself: negative, 0, positive; the places alone. */
static int
instr_row_compare_place (const InstrRow *a, const InstrRow *b)
{
  int by = compare_u64 (a->address, b->address);
  if (!by)
    by = g_strcmp0 (a->label, b->label);
  if (!by)
    by = g_strcmp0 (a->detail, b->detail);
  if (!by)
    by = compare_u64 (a->privilege, b->privilege);
  if (!by && a->insn && b->insn)
    by = compare_u64 (a->insn->physical, b->insn->physical);
  if (!by && a->insn && b->insn)
    by = compare_u64 (a->insn->id, b->insn->id);
  return by;
}

typedef struct Order {
  unsigned column, n_counts;
} Order;

/* Greatest first. */
static int
compare_counts (const void *pa, const void *pb, void *data)
{
  const InstrRow *a = pa, *b = pb;
  const Order *order = data;
  int by = compare_u64 (b->counts[order->column], a->counts[order->column]);
  for (unsigned i = 0; !by && i < order->n_counts; i++)
    by = compare_u64 (b->counts[i], a->counts[i]);
  return by ? by : instr_row_compare_place (a, b);
}

void
instr_rows_top (InstrRows *rows, unsigned column, size_t n)
{
  size_t kept = 0;
  for (size_t i = 0; i < rows->n; i++)
    if (rows->rows[i].counts[column])
      rows->rows[kept++] = rows->rows[i];
    else
      row_finish (&rows->rows[i]);
  rows->n = kept;
  Order order = { .column = column, .n_counts = rows->n_counts };
  if (kept)
    qsort_r (rows->rows, kept, sizeof *rows->rows, compare_counts, &order);
  for (size_t i = n; n && i < kept; i++)
    row_finish (&rows->rows[i]);
  if (n && kept > n)
    rows->n = n;
}

/* --- places and groups --------------------------------------------------------------------------------- */

void
instr_place_texts (BpInstrument *in, const BpInsn *insn, char **symbol, char **source)
{
  BpSymbol s = { .struct_size = sizeof s };
  bool known = bp_insn_symbol (in, insn, &s);
  if (symbol)
    *symbol = !known || !s.name ? NULL : s.offset ? g_strdup_printf ("%s+0x%" PRIx64, s.name, s.offset) : g_strdup (s.name);
  if (source)
    *source = known && s.file && s.line ? g_strdup_printf ("%s:%u", s.file, s.line) : NULL;
}

/* What a group is called, and where it begins. */
static char *
group_label (const BpInsn *insn, InstrGrouping by, BpInstrument *in, char **detail, uint64_t *address)
{
  BpSymbol symbol = { .struct_size = sizeof symbol };
  *detail = NULL;
  *address = insn->address;
  bool known = bp_insn_symbol (in, insn, &symbol);
  if (known && by == INSTR_BY_SYMBOL && symbol.name) {
    *detail = g_strdup (symbol.object);
    *address = insn->address - symbol.offset;
    return g_strdup (symbol.name);
  }
  if (known && by == INSTR_BY_LINE && symbol.file && symbol.line) {
    *detail = g_strdup (symbol.name);
    return g_strdup_printf ("%s:%u", symbol.file, symbol.line);
  }
  return g_strdup_printf ("[privilege %u]", insn->privilege);
}

static bool
is_empty (const InstrRow *row, unsigned n_counts)
{
  for (unsigned i = 0; i < n_counts; i++)
    if (row->counts[i])
      return false;
  return true;
}

/* The group's row has the lowest of its rows' places, whatever their order was; a line that is inlined in several functions, the one that is there. */
static void
group_add (InstrRow *group, const InstrRow *row, uint64_t address, char **detail, unsigned n_counts)
{
  for (unsigned i = 0; i < n_counts; i++)
    group->counts[i] += row->counts[i];
  if (address < group->address)
    group->address = address;
  if (instr_row_compare_place (&(InstrRow) { .insn = row->insn, .address = row->address },
                               &(InstrRow) { .insn = group->insn, .address = group->insn->address }) < 0) {
    char *other = group->detail;
    group->insn = row->insn;
    group->detail = *detail;
    *detail = other;
  }
}

void
instr_rows_group (InstrRows *to, const InstrRows *from, InstrGrouping by, BpInstrument *in)
{
  g_assert (by == INSTR_BY_SYMBOL || by == INSTR_BY_LINE);
  instr_rows_init (to, from->n_counts);
  to->kind = by;
  /* The same function in two objects, or a line reached at two privileges, are groups of their own. */
  GHashTable *groups = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (size_t i = 0; i < from->n; i++) {
    const InstrRow *row = &from->rows[i];
    if (!row->insn || is_empty (row, from->n_counts))
      continue;
    char *detail;
    uint64_t address;
    char *label = group_label (row->insn, by, in, &detail, &address);
    char *key = g_strdup_printf ("%u %s %s", row->insn->privilege, label, by == INSTR_BY_SYMBOL && detail ? detail : "");
    size_t at = GPOINTER_TO_SIZE (g_hash_table_lookup (groups, key));
    if (!at) {
      InstrRow *group = instr_rows_add (to, row->insn);
      group->label = g_steal_pointer (&label);
      group->detail = g_steal_pointer (&detail);
      group->address = address;
      at = to->n;
      g_hash_table_insert (groups, g_steal_pointer (&key), GSIZE_TO_POINTER (at));
    }
    group_add (&to->rows[at - 1], row, address, &detail, from->n_counts);
    g_free (label);
    g_free (detail);
    g_free (key);
  }
  g_hash_table_destroy (groups);
}
