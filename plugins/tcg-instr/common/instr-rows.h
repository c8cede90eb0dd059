/* instr-rows.h -- rows of counts for instructions, functions, lines or address spaces: gathered, the greatest picked, shown as a table. */
/* SPDX-License-Identifier: MIT */
/*
 *     InstrRows rows;
 *     instr_rows_init (&rows, 2);
 *     for (...) {
 *       InstrRow *r = instr_rows_add (&rows, insn);
 *       r->counts[0] = misses;
 *       r->counts[1] = accesses;
 *     }
 *     InstrRows lines;
 *     instr_rows_group (&lines, &rows, INSTR_BY_LINE, in);
 *     instr_rows_top (&lines, 0, 20);
 *     instr_rows_report (report, "by-line", "Misses by source line", in, &lines, columns, G_N_ELEMENTS (columns));
 *     instr_rows_finish (&lines);
 *     instr_rows_finish (&rows);
 *
 * The order never depends on addresses of the host: the same counts give the same table.  [main] where symbols are asked for; the rest [any].
 */
#ifndef TCG_INSTR_ROWS_H
#define TCG_INSTR_ROWS_H

#include <backplane/report.h>
#include <backplane/tcg/instrument.h>

enum { INSTR_ROW_COUNTS = 8 };

typedef struct InstrRow {
  const BpInsn *insn;           /* where; groups: the first instruction that belongs to it; NULL: an address alone */
  uint64_t address;             /* insn's; groups: of the function's start, or the first of the line's instructions; spaces: the space */
  char *label;                  /* groups: "vfs_read", "fs/read_write.c:450"; NULL: an instruction, a space.  The rows', as the next */
  char *detail;                 /* of a function: the object it is in ("vmlinux"); of a line: the function of `insn'; NULL: not known */
  uint32_t privilege;
  uint32_t user;                /* the instrument's */
  uint64_t counts[INSTR_ROW_COUNTS];
} InstrRow;

typedef struct InstrRows {
  InstrRow *rows;
  size_t n, room;
  unsigned n_counts;            /* used of each row's counts */
  unsigned kind;                /* InstrGrouping */
} InstrRows;

typedef enum InstrGrouping { INSTR_BY_INSN, INSTR_BY_SYMBOL, INSTR_BY_LINE, INSTR_BY_SPACE } InstrGrouping;

void instr_rows_init (InstrRows *rows, unsigned n_counts);
void instr_rows_finish (InstrRows *rows);
/* A row of zeros; valid until the next is added.  The same instruction may be added twice, and is two rows then. */
InstrRow *instr_rows_add (InstrRows *rows, const BpInsn *insn);
/* A row without an instruction: for an address, or (kind INSTR_BY_SPACE) an address space. */
InstrRow *instr_rows_add_address (InstrRows *rows, uint64_t address);
/* Rows of the same function or line become one; those that nobody knows one a privilege, "[privilege 0]".  Rows whose counts are all 0 are left out.
 * `to` is initialised here. [main] */
void instr_rows_group (InstrRows *to, const InstrRows *from, InstrGrouping by, BpInstrument *in);
/* The n with the greatest counts[column] stay, greatest first (0: all stay); equal ones by the other counts, then by address, label, privilege.
 * Rows whose counts[column] is 0 go. */
void instr_rows_top (InstrRows *rows, unsigned column, size_t n);
/* The sum of one column. */
uint64_t instr_rows_sum (const InstrRows *rows, unsigned column);

/* --- as a table ------------------------------------------------------------------------------------- */

enum { INSTR_WHOLE_TOTAL = -1 };

/* A column of numbers behind those that say where. */
typedef struct InstrColumn {
  const char *key, *title;
  BpReportKind kind;            /* COUNT: counts[count]; SHARE: counts[count] of `whole'; NUMBER: the quotient of the same */
  unsigned count;
  int whole;                    /* another count of the row, or INSTR_WHOLE_TOTAL */
  uint64_t total;               /* with INSTR_WHOLE_TOTAL */
} InstrColumn;

/*
 * The table's first columns, by what the rows are:
 *   instructions: address, instruction, privilege, symbol ("vfs_read+0x1c"), source ("fs/read_write.c:450")
 *   functions:    symbol, object, address (of its start), privilege
 *   lines:        source, symbol (of the line's first instruction), privilege
 *   spaces:       space
 * What is not known is empty.
 */
void instr_rows_report (BpReport *report, const char *key, const char *title, BpInstrument *in, const InstrRows *rows, const InstrColumn *columns,
                        unsigned n);
/* "vfs_read+0x1c" and "fs/read_write.c:450" of an instruction; NULL: not known; g_free.  Either may be NULL. [main] */
void instr_place_texts (BpInstrument *in, const BpInsn *insn, char **symbol, char **source);

#endif
