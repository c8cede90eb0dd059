/* tcg-branch-core.c -- records become outcomes of branches, and those the predictors' lessons. */
/* SPDX-License-Identifier: MIT */
#include "tcg-branch-core.h"

void
branch_core_init (BranchCore *c, const BranchConfig *config, BranchCount *by_branch)
{
  *c = (BranchCore) { .config = config, .by_branch = by_branch, .next_sample = config->interval };
  if (config->uses[PREDICTOR_BIMODAL])
    bimodal_init (&c->bimodal, config->bimodal_entries);
  if (config->uses[PREDICTOR_GSHARE])
    gshare_init (&c->gshare, config->gshare_entries, config->gshare_history);
  if (config->uses[PREDICTOR_TAGE])
    tage_init (&c->tage, &config->tage);
  return_stack_init (&c->returns, config->return_entries);
  last_target_init (&c->targets, config->indirect_entries);
  instr_series_init (&c->series, SERIES_BINS, N_SERIES, config->interval);
}

void
branch_core_finish (BranchCore *c)
{
  bimodal_finish (&c->bimodal);
  gshare_finish (&c->gshare);
  tage_finish (&c->tage);
  return_stack_finish (&c->returns);
  last_target_finish (&c->targets);
  instr_series_finish (&c->series);
}

/* --- kinds ---------------------------------------------------------------------------------------- */

bool
branch_is_followed (const BpInsn *insn)
{
  return (insn->flags & BP_INSN_BRANCH) && insn->insn_class != BP_CLASS_SYSTEM_CALL
         && (insn->flags & (BP_INSN_CONDITIONAL | BP_INSN_CALL | BP_INSN_INDIRECT));
}

BranchKind
branch_kind (const BpInsn *insn)
{
  return insn->flags & BP_INSN_CONDITIONAL ? BRANCH_CONDITIONAL : insn->flags & BP_INSN_RETURN ? BRANCH_RETURN : BRANCH_INDIRECT;
}

static inline uint64_t
address_behind (const BpInsn *insn)
{
  uint64_t address = insn->address + insn->size;
  return insn->code_bits == 64 || insn->code_bits == 0 ? address : (uint32_t) address;
}

/* --- outcomes --------------------------------------------------------------------------------------- */

static inline void
predict (BranchCore *c, const BpInsn *insn, bool taken)
{
  const bool *uses = c->config->uses;
  BranchCount *total = &c->total[instr_privilege (insn)][BRANCH_CONDITIONAL], *mine = &c->by_branch[c->pending_number];
  total->executed++;
  mine->executed++;
  total->taken += taken;
  mine->taken += taken;
#define PREDICTOR(kind, step) \
  if (uses[kind]) { \
    bool missed = (step) != taken; \
    total->missed[kind] += missed; \
    mine->missed[kind] += missed; \
  }
  PREDICTOR (PREDICTOR_BIMODAL, bimodal_step (&c->bimodal, insn->address, taken))
  PREDICTOR (PREDICTOR_GSHARE, gshare_step (&c->gshare, insn->address, taken))
  PREDICTOR (PREDICTOR_TAGE, tage_step (&c->tage, insn->address, taken))
#undef PREDICTOR
}

static inline void
conditional_outcome (BranchCore *c, const BpInsn *insn, uint64_t next)
{
  if (next == address_behind (insn))
    predict (c, insn, false);
  else if (next == insn->target || insn->target == UINT64_MAX)
    predict (c, insn, true);
  else
    c->unknown++;               /* a handler, that nobody announced */
}

static inline void
target_outcome (BranchCore *c, const BpInsn *insn, BranchKind kind, uint64_t next)
{
  bool right = kind == BRANCH_RETURN ? c->has_return && c->return_to == next : last_target_step (&c->targets, insn->address, next);
  BranchCount *total = &c->total[instr_privilege (insn)][kind], *mine = &c->by_branch[c->pending_number];
  total->executed++;
  mine->executed++;
  total->missed[0] += !right;
  mine->missed[0] += !right;
}

static inline void
resolve (BranchCore *c, uint64_t next)
{
  const BpInsn *insn = c->pending;
  BranchKind kind = branch_kind (insn);
  c->pending = NULL;
  if (kind == BRANCH_CONDITIONAL)
    conditional_outcome (c, insn, next);
  else
    target_outcome (c, insn, kind, next);
}

/* --- the stream ---------------------------------------------------------------------------------------- */

static inline void
see_branch (BranchCore *c, const BpInsn *insn, uint32_t number)
{
  if (insn->flags & BP_INSN_CALL) {
    c->calls++;
    return_stack_call (&c->returns, address_behind (insn));
  }
  if (insn->flags & BP_INSN_RETURN)
    c->has_return = return_stack_return (&c->returns, &c->return_to);
  if (insn->flags & (BP_INSN_CONDITIONAL | BP_INSN_INDIRECT)) {
    c->pending = insn;
    c->pending_number = number;
  }
}

void
branch_core_records (BranchCore *c, const BpRecord *records, size_t n, const BpSite *sites)
{
  for (size_t i = 0; i < n; i++) {
    const BpRecord *r = &records[i];
    const BpSite *site = &sites[r->site];
    if (c->pending)
      resolve (c, r->address);
    if (site->kind == BP_RECORD_BLOCK) {
      c->insns += site->n_insns;
      if (G_UNLIKELY (c->insns >= c->next_sample))
        branch_core_sample (c);
    } else if (site->user) {
      see_branch (c, site->insn, site->user);
    }
  }
}

void
branch_core_jump (BranchCore *c, uint64_t from)
{
  if (c->pending)
    resolve (c, from);
}

void
branch_core_break (BranchCore *c)
{
  c->unknown += c->pending != NULL;
  c->pending = NULL;
}

/* --- over time ------------------------------------------------------------------------------------------- */

void
branch_core_sample (BranchCore *c)
{
  uint64_t now[N_SERIES] = { [SERIES_INSNS] = c->insns };
  for (unsigned p = 0; p < INSTR_PRIVILEGES; p++) {
    now[SERIES_CONDITIONAL] += c->total[p][BRANCH_CONDITIONAL].executed;
    for (unsigned k = 0; k < N_PREDICTORS; k++)
      now[k] += c->total[p][BRANCH_CONDITIONAL].missed[k];
  }
  uint64_t *row = instr_series_at (&c->series, c->sampled[SERIES_INSNS]);
  for (unsigned i = 0; i < N_SERIES; i++) {
    row[i] += now[i] - c->sampled[i];
    c->sampled[i] = now[i];
  }
  c->next_sample = c->insns + c->config->interval;
}
