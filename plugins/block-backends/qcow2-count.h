/* qcow2-count.h -- the users of each cluster of a qcow2 image, as the tables themselves have them. */
/* SPDX-License-Identifier: MIT */
#ifndef BLOCK_BACKENDS_QCOW2_COUNT_H
#define BLOCK_BACKENDS_QCOW2_COUNT_H

#include "qcow2.h"

typedef struct Qcow2Counts {
  GHashTable *pages;            /* number of a page -> uint32_t[], only where there is something */
  uint64_t n_data, n_packed;    /* clusters of the disk */
  uint64_t n_errors;            /* the host could not read */
  uint64_t n_wrong;             /* entries that lead nowhere */
  uint64_t n_bad_copied;
} Qcow2Counts;

/* refcounts: those who use the tables of refcounts too.  `wrong` is told of each entry that makes no sense. */
Qcow2Counts *qcow2_count (Qcow2 *q, bool refcounts, void (*wrong) (void *user, const char *text), void *user);
void qcow2_counts_free (Qcow2Counts *counts);
uint32_t qcow2_counts_get (const Qcow2Counts *counts, uint64_t cluster);
void qcow2_counts_add (Qcow2Counts *counts, uint64_t cluster);
/* In ascending order, those that have users. */
void qcow2_counts_each (const Qcow2Counts *counts, void (*f) (void *user, uint64_t cluster, uint32_t users), void *user);
/* Behind the last one that has users. */
void qcow2_counts_end (const Qcow2Counts *counts, uint64_t *end);

/* --- qcow2-rebuild.c --- */
/* Refcounts made anew behind all that is used; the old ones become free. */
int qcow2_rebuild (Qcow2 *q);

#endif
