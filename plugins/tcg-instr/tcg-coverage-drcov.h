/* tcg-coverage-drcov.h -- writes coverage as drcov files, version 2: a table of modules as text, one of blocks in binary. */
/* SPDX-License-Identifier: MIT */
#ifndef TCG_COVERAGE_DRCOV_H
#define TCG_COVERAGE_DRCOV_H

#include <backplane/common.h>

typedef struct DrcovModule {
  uint64_t base, end;           /* end: the first address behind it */
  uint64_t entry;               /* 0: not known */
  const char *path;
} DrcovModule;

/* As it is in the file, little-endian. */
typedef struct DrcovBlock {
  uint32_t start;               /* from the module's base */
  uint16_t size;                /* bytes */
  uint16_t module;              /* its place in the table */
} DrcovBlock;

/* Sorts by module and start, and leaves out what is there twice: how many remain. */
size_t drcov_sort (DrcovBlock *blocks, size_t n);
/* Makes the file, or replaces it by the new one: when the host refuses, with error, what was there before stays. */
bool drcov_write (const char *path, const DrcovModule *modules, size_t n_modules, const DrcovBlock *blocks, size_t n_blocks, GError **error);

#endif
