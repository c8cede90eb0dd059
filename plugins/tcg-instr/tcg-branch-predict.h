/* tcg-branch-predict.h -- models of branch predictors: bimodal, gshare, one like TAGE; return-address stack, last target. */
/* SPDX-License-Identifier: MIT */
/*
 * Plain C over plain numbers: a model knows nothing of guests.  A step predicts, is told what came, learns from it, and says what it had predicted.  Tables
 * have powers of two of entries; counters start as weakly not taken.  No model depends on anything but the sequence of its steps.
 */
#ifndef TCG_BRANCH_PREDICT_H
#define TCG_BRANCH_PREDICT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* --- conditional branches ------------------------------------------------------------------- */

/* Of 2 bits, taken from 2 on: counts, and says what it said before. */
static inline bool
counter_step (uint8_t *counter, bool taken)
{
  uint8_t old = *counter;
  *counter = (uint8_t) (taken ? old + (old < 3) : old - (old > 0));
  return old >= 2;
}

/* Smith 1981: 2-bit counters by address. */
typedef struct Bimodal {
  uint8_t *counters;
  uint64_t mask;
} Bimodal;

void bimodal_init (Bimodal *b, uint32_t entries);
void bimodal_finish (Bimodal *b);
static inline bool
bimodal_step (Bimodal *b, uint64_t pc, bool taken)
{
  return counter_step (&b->counters[pc & b->mask], taken);
}

/* McFarling 1993: 2-bit counters by address XOR the outcomes of the latest branches. */
typedef struct Gshare {
  uint8_t *counters;
  uint64_t mask, history, history_mask;
} Gshare;

void gshare_init (Gshare *g, uint32_t entries, uint32_t history_bits);
void gshare_finish (Gshare *g);
static inline bool
gshare_step (Gshare *g, uint64_t pc, bool taken)
{
  bool predicted = counter_step (&g->counters[(pc ^ g->history) & g->mask], taken);
  g->history = (g->history << 1 | taken) & g->history_mask;
  return predicted;
}

/*
 * After Seznec and Michaud 2006: a bimodal table, and tagged tables that are indexed with geometrically longer histories; the longest match provides.
 *   index    (pc ^ pc >> index_bits ^ F (index_bits)) & mask
 *   tag      (pc ^ F (tag_bits) ^ F (tag_bits - 1) << 1) & its mask
 *   F (w)    bit k: XOR of the outcomes of age k, k + w, k + 2w ..., age 0 the latest, below the table's length
 * An entry has a counter of 3 bits (-4 .. 3, taken from 0 on), and how useful it was, 2 bits.  A weak counter of an entry that was not useful yet gives way to
 * the next longest match while that has lately been the better one (use_alternative >= 0).  A wrong prediction takes an entry that is not useful in a
 * longer table, the next or the one after (by a shift register); when there is none, all those become less useful.  Every 2^18 steps all do.
 */
enum { TAGE_MAX_TABLES = 12, TAGE_MAX_HISTORY = 1024, TAGE_AGING = 1 << 18 };

typedef struct TageEntry {
  uint16_t tag;
  int8_t counter;
  uint8_t useful;
} TageEntry;

typedef struct TageGeometry {
  uint32_t base_entries, tables, entries, tag_bits, min_history, max_history;
} TageGeometry;

/* A number for each table, and four at a time. */
typedef uint32_t Lane __attribute__ ((vector_size (16)));
typedef union Lanes {
  Lane lane[TAGE_MAX_TABLES / 4];
  uint32_t of[TAGE_MAX_TABLES];
} Lanes;

/* F (width) of each table. */
typedef struct Folded {
  Lanes value;
  Lanes out;                    /* the bit where the outcome that leaves the history stands */
  uint32_t width;
} Folded;

typedef struct Tage {
  TageGeometry geometry;
  Bimodal base;
  TageEntry *entries;           /* of all tables, one after the other; up to a multiple of 4 there are more, which never match */
  uint32_t length[TAGE_MAX_TABLES];     /* of the histories */
  unsigned n_lanes;             /* that are used */
  Folded index, tag[2];
  int8_t history[2 * TAGE_MAX_HISTORY]; /* a ring, twice, one behind the other; -1: taken */
  uint32_t newest, index_bits, steps, random;
  int use_alternative;          /* -8 .. 7 */
} Tage;

void tage_init (Tage *t, const TageGeometry *geometry);
void tage_finish (Tage *t);
bool tage_step (Tage *t, uint64_t pc, bool taken);
/* The history of table i, 0 the shortest. */
uint32_t tage_history_length (const TageGeometry *geometry, unsigned i);
uint64_t tage_bits (const TageGeometry *geometry);      /* of state, but for the history and the odd register */

/* --- targets ---------------------------------------------------------------------------------- */

/* A ring: a call too many overwrites the oldest, a return too many finds nothing. */
typedef struct ReturnStack {
  uint64_t *address;
  uint32_t entries, top, depth;
} ReturnStack;

void return_stack_init (ReturnStack *r, uint32_t entries);
void return_stack_finish (ReturnStack *r);
void return_stack_call (ReturnStack *r, uint64_t address);
/* Takes the address on top; false: there is none. */
bool return_stack_return (ReturnStack *r, uint64_t *address);

/* Where an indirect jump or call went last time: direct-mapped, with the whole address as tag. */
typedef struct LastTarget {
  struct { uint64_t pc, target; } *entries;
  uint64_t mask;
} LastTarget;

void last_target_init (LastTarget *l, uint32_t entries);
void last_target_finish (LastTarget *l);
bool last_target_step (LastTarget *l, uint64_t pc, uint64_t target);

#endif
