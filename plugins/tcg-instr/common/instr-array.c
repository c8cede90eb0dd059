/* instr-array.c -- arrays indexed by ids, as address space that becomes memory where it is touched. */
/* SPDX-License-Identifier: MIT */
#include "instr-array.h"
#include <errno.h>
#include <sys/mman.h>

static size_t
bytes_of (const InstrArray *a)
{
  return (size_t) a->n * a->element;
}

bool
instr_array_init (InstrArray *a, size_t element, uint32_t n, GError **error)
{
  *a = (InstrArray) { .element = element, .n = n ? n : INSTR_MAX_IDS };
  void *p = mmap (NULL, bytes_of (a), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) {
    int why = errno;
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "no address space for a table of %u entries of %zu bytes: %s", a->n, element, g_strerror (why));
    return false;
  }
  a->items = p;
  return true;
}

void
instr_array_finish (InstrArray *a)
{
  if (a->items)
    munmap (a->items, bytes_of (a));
  a->items = NULL;
}
