/* guest-symbols.h -- what the parts of this plugin say to each other: a file of symbols, and its source lines. */
/* SPDX-License-Identifier: MIT */
#ifndef GUEST_SYMBOLS_GUEST_SYMBOLS_H
#define GUEST_SYMBOLS_GUEST_SYMBOLS_H

#include <backplane/object.h>
#include "symbol-table.h"

extern const BpTypeDesc elf_symbols_type;

/* No symbol's name is longer; C++ makes names of some thousand bytes. */
#define SYMBOL_NAME_MAX 16384

/* --- a file of symbols ------------------------------------------------------------------------ */

typedef enum SymbolAudience { FOR_KERNEL, FOR_USER, FOR_ANY } SymbolAudience;

/* What was read from a file.  Addresses are those of the file; at run time they are `bias' higher, from `moves_from' on (what is lower is not the
 * program's: a kernel's offsets of per-CPU data). */
typedef struct SymbolFile {
  SymbolTable *table;
  GPtrArray *blobs;             /* memory that the symbols' names are in */
  bool is_elf, is_position_independent, has_interpreter, has_load_address;
  uint64_t load_address;        /* of the first PT_LOAD, whole pages; of _text */
  uint64_t moves_from;
  uint8_t address_bits;         /* 32, 64 */
  bool is_multiboot;
  struct Lines *lines;          /* NULL: no source lines */
} SymbolFile;

/* Reads `path'; debug_path: another file or folder with what was stripped from it, or NULL. */
SymbolFile *symbol_file_read (const char *path, const char *debug_path, GError **error);
void symbol_file_free (SymbolFile *file);       /* NULL is allowed */
/* By what its addresses say. */
SymbolAudience symbol_file_audience (const SymbolFile *file);

/* The two forms of files; each adds to `file'. */
bool read_elf (SymbolFile *file, const char *path, const char *debug_path, GError **error);
bool read_map (SymbolFile *file, const char *path, GError **error);

/* --- source lines ----------------------------------------------------------------------------- */

typedef struct Lines Lines;

/* Keeps the descriptor of an ELF file with source lines in it, and reads them when first asked.  NULL: there is none in it (fd stays the caller's then). */
Lines *lines_new (int fd, const char *path);
void lines_free (Lines *lines); /* NULL is allowed */
/* `address' as in the file.  The name lives as long as `lines'. */
bool lines_find (Lines *lines, uint64_t address, const char **file, uint32_t *line);

/* --- names ------------------------------------------------------------------------------------ */

/* A C++ name as its source has it; NULL: it is none, or nobody can tell.  Free with g_free. */
char *demangle (const char *name);

#endif
