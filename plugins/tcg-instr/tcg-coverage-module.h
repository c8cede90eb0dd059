/* tcg-coverage-module.h -- what coverage is told of: programs by their ELF files, or ranges of addresses with a name. */
/* SPDX-License-Identifier: MIT */
#ifndef TCG_COVERAGE_MODULE_H
#define TCG_COVERAGE_MODULE_H

#include <backplane/common.h>

/* A piece of an ELF file that is loaded. */
typedef struct ModuleSegment {
  uint64_t address, size;       /* of what the file has, at its address in the guest */
  uint8_t *bytes;               /* a copy: the file may be written anew while the machine runs */
} ModuleSegment;

typedef struct CoverageModule {
  char *path;                   /* of the file, or the range's name */
  uint64_t base, end;           /* end: the first address behind it; at most 4 GiB */
  uint64_t entry;
  uint64_t code_bytes;          /* in segments that may be executed; 0: not known */
  ModuleSegment *segments;      /* NULL: a range */
  size_t n_segments;
} CoverageModule;

/* "FILE": an ELF file at the addresses it was linked for; "FILE@BASE": loaded at BASE; "NAME@BASE-END": a range.
 * false, with error. */
bool coverage_module_init (CoverageModule *m, const char *text, GError **error);
void coverage_module_finish (CoverageModule *m);
static inline bool
coverage_module_spans (const CoverageModule *m, uint64_t address)
{
  return address >= m->base && address < m->end;
}
/* Whether the file has other code than these bytes there; false when it is not known. */
bool coverage_module_contradicts (const CoverageModule *m, uint64_t address, const uint8_t *bytes, size_t n);

#endif
