/* line-table.h -- which source line an address belongs to: DWARF's .debug_line as a table to search. */
/* SPDX-License-Identifier: MIT */
#ifndef GUEST_SYMBOLS_LINE_TABLE_H
#define GUEST_SYMBOLS_LINE_TABLE_H

#include "byte-reader.h"

/* A section; data NULL: there is none. */
typedef struct Section {
  const uint8_t *data;
  size_t size;
} Section;

typedef struct LineSections {
  Section line, line_strings, strings;          /* .debug_line, .debug_line_str, .debug_str */
  bool is_big_endian;
} LineSections;

typedef struct LineTable LineTable;

/* Never NULL.  Units that are broken, or that use what no compiler of x86 code does, are left out (and counted, if `broken' is given). */
LineTable *line_table_new (const LineSections *sections, unsigned *broken);
void line_table_free (LineTable *table);
/* The name lives as long as the table. */
bool line_table_find (const LineTable *table, uint64_t address, const char **file, uint32_t *line);

#endif
