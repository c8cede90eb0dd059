/* instrument.h -- the machine's instruments: their sections' keys, who is attached, and what they say at the end. */
/* SPDX-License-Identifier: MIT */
#ifndef CORE_INSTRUMENT_H
#define CORE_INSTRUMENT_H

#include "build.h"
#include "report.h"
#include <backplane/tcg/instrument.h>

/* --- instrument.c --------------------------------------------------------------------------- */

/* An instrument that has attached itself, until its object is unrealized. */
typedef struct Attached {
  BpObject *object;
  const BpInstrumentOps *ops;
  void *user;
  BpInstrument *instrument;
} Attached;

/* Errors of the keys that every [instrument] has. */
void instruments_check (Descriptor *d, BpMachine *m);
/* A key of the object's section; NULL: not given.  Of one that is no [instrument], and attaches itself all the same, the keys are not these: NULL. */
Value *instrument_value (BpObject *o, const char *key);
const Attached *instrument_attached (const BpObject *o);        /* NULL: it is none */
/* Its object is unrealized. */
void instrument_forget (BpObject *o);
/* Why a file cannot be written, as far as can be told before; NULL: it seems that it can. */
char *output_wrong (const char *path);

/* --- results.c -------------------------------------------------------------------------------- */

/* What the instruments of a run had to say; it needs the machine no more. */
typedef struct Results Results;

/* Asks the instruments; the vCPUs stand.  NULL: there are none. [main] */
Results *results_collect (BpMachine *m);
void results_free (Results *results);
/* For a terminal. */
char *results_text (const Results *results);
/* All of it as one file: a page when the name ends in .html, else JSON; `-' is standard output. */
bool results_write (const Results *results, const char *path, GError **error);
/* The files that the sections name.  Each that cannot be written is told. */
bool results_write_own (const Results *results, void (*tell) (const char *message));

#endif
