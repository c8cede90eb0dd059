/* symbol-table.h -- symbols of a file, by address and by name. */
/* SPDX-License-Identifier: MIT */
/*
 * Symbols are added in any order, then the table is finished and only asked.  A symbol of size 0 reaches to the next one, and no farther than its limit.
 * Of several at one address the one is told that people mean: a function before data, a sized one before a mark, a global before a local one, few
 * underscores before many.  Where sized symbols lie within each other, the inner one is.
 */
#ifndef GUEST_SYMBOLS_SYMBOL_TABLE_H
#define GUEST_SYMBOLS_SYMBOL_TABLE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum SymbolType { SYMBOL_DATA, SYMBOL_LABEL, SYMBOL_FUNCTION } SymbolType;
typedef enum SymbolBinding { SYMBOL_LOCAL, SYMBOL_WEAK, SYMBOL_GLOBAL } SymbolBinding;

typedef struct Symbol {
  uint64_t start;
  uint64_t end;                 /* of a symbol of size 0: its limit, until the table is finished */
  const char *name;             /* not the table's */
  const char *module;           /* in front of `name' when people read it; NULL: none */
  char *text;                   /* the user's, freed with the table: the name for people, when that is another */
  bool has_size;
  uint8_t type, binding;        /* SymbolType, SymbolBinding */
} Symbol;

typedef struct SymbolTable SymbolTable;

SymbolTable *symbol_table_new (void);
void symbol_table_free (SymbolTable *table);    /* NULL is allowed */
/* The symbol's strings must live as long as the table. */
void symbol_table_add (SymbolTable *table, const Symbol *symbol);
void symbol_table_finish (SymbolTable *table);

size_t symbol_table_size (const SymbolTable *table);
/* After _finish: by address, ascending. */
const Symbol *symbol_table_at (const SymbolTable *table, size_t i);
/* The symbol that holds the address; NULL: none. */
Symbol *symbol_table_find (SymbolTable *table, uint64_t address);
/* Of several with the name, a global one, and the lowest. */
const Symbol *symbol_table_by_name (SymbolTable *table, const char *name);

#endif
