/* tcg-branch-core.h -- one processor's predictors, and the outcomes of its branches made out of records. */
/* SPDX-License-Identifier: MIT */
/*
 * Where a branch went is the address of what was executed next: that of the block that was entered, or, when the branch lies within a block, of the
 * instruction that came.  An interrupt or a fault in between says by itself where the branch had gone (branch_core_jump).  Where the stream has a gap
 * the outcome is not known, and nothing learns from it (branch_core_break).
 */
#ifndef TCG_BRANCH_CORE_H
#define TCG_BRANCH_CORE_H

#include <backplane/tcg/instrument.h>
#include "common/instr-names.h"
#include "common/instr-series.h"
#include "tcg-branch-predict.h"

typedef enum PredictorKind { PREDICTOR_BIMODAL, PREDICTOR_GSHARE, PREDICTOR_TAGE, N_PREDICTORS } PredictorKind;

typedef struct BranchConfig {
  bool uses[N_PREDICTORS];
  uint32_t bimodal_entries, gshare_entries, gshare_history;
  TageGeometry tage;
  uint32_t return_entries, indirect_entries;
  uint64_t interval;            /* instructions of the first bins of the series */
} BranchConfig;

/* What is told apart in totals; the kinds of branches, whose `missed' are those of PredictorKind, or one number. */
typedef enum BranchKind { BRANCH_CONDITIONAL, BRANCH_RETURN, BRANCH_INDIRECT, N_BRANCH_KINDS } BranchKind;

typedef struct BranchCount {
  uint64_t executed, taken;     /* taken: conditional ones */
  uint64_t missed[N_PREDICTORS];        /* returns and indirect ones: [0] */
} BranchCount;

/* Values of the series. */
enum { SERIES_INSNS = N_PREDICTORS, SERIES_CONDITIONAL, N_SERIES };
enum { SERIES_BINS = 512 };

typedef struct BranchCore {
  const BranchConfig *config;
  Bimodal bimodal;
  Gshare gshare;
  Tage tage;
  ReturnStack returns;
  LastTarget targets;
  const BpInsn *pending;        /* its outcome comes next; NULL: none */
  uint32_t pending_number;
  bool has_return;              /* pending is a return, and the stack said where to: */
  uint64_t return_to;
  uint64_t space;               /* of the latest batch */
  uint64_t insns;               /* of the blocks that were entered */
  BranchCount *by_branch;       /* by number: the caller's */
  BranchCount total[INSTR_PRIVILEGES][N_BRANCH_KINDS];
  uint64_t calls, unknown, lost;        /* unknown: outcomes; lost: records */
  InstrSeries series;
  uint64_t next_sample, sampled[N_SERIES];
} BranchCore;

void branch_core_init (BranchCore *c, const BranchConfig *config, BranchCount *by_branch);
void branch_core_finish (BranchCore *c);

/* Records of blocks, and of instructions: user 0 for one that is no branch, else the branch's number. */
void branch_core_records (BranchCore *c, const BpRecord *records, size_t n, const BpSite *sites);
/* Control left for a handler; `from' would have been executed. */
void branch_core_jump (BranchCore *c, uint64_t from);
/* Something is missing here. */
void branch_core_break (BranchCore *c);
/* What the series has not got yet. */
void branch_core_sample (BranchCore *c);

/* Whether outcomes of the instruction are wanted: conditional branches, calls, returns, indirect jumps; not system calls. */
bool branch_is_followed (const BpInsn *insn);
BranchKind branch_kind (const BpInsn *insn);

#endif
