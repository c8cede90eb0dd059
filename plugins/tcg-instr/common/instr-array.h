/* instr-array.h -- arrays that are indexed by BpInsn.id or by site: zeroed, never moved, memory only where they were touched. */
/* SPDX-License-Identifier: MIT */
/*
 * The whole array is address space from the beginning, so that a record's loop is `items[id].n++`: no look-up, no check of bounds, and other vCPUs may
 * read what one has grown.  A vCPU that writes has an array of its own, or none of the words is written by two.
 */
#ifndef TCG_INSTR_ARRAY_H
#define TCG_INSTR_ARRAY_H

#include <backplane/common.h>

/* Ids beyond this share the last element: more code than any guest has shown. */
#define INSTR_MAX_IDS (UINT32_C (1) << 26)

typedef struct InstrArray {
  void *items;                  /* of the caller's type; NULL: not made */
  size_t element;               /* bytes */
  uint32_t n;                   /* elements there is room for */
} InstrArray;

/* n 0: INSTR_MAX_IDS.  false, with error: the host has no address space left. */
bool instr_array_init (InstrArray *a, size_t element, uint32_t n, GError **error);
void instr_array_finish (InstrArray *a);

static inline void *
instr_array_at (const InstrArray *a, uint32_t id)
{
  return (char *) a->items + (size_t) (id < a->n ? id : a->n - 1) * a->element;
}

#endif
