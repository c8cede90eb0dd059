/* regalloc.c -- linear, local register allocation with pinned globals, shared registers and look-ahead. */
/* SPDX-License-Identifier: MIT */
#include "regalloc.h"
#include "ir-info.h"
#include "regalloc-live.h"

#define LOOK_AHEAD 16           /* insns searched for the global that a local is moved to */
#define NEXT_USE_AHEAD 48       /* insns searched for the next use of a spill candidate */
#define WANTED_AHEAD 12         /* insns searched for a use that is worth a register */

/* --- set-up --------------------------------------------------------------------------- */

void
ra_begin (Regalloc *ra, const RaHost *host, void *gen, BpIrBlock *ir, unsigned pin_set, bool narrow)
{
  ra->host = host;
  ra->gen = gen;
  ra->ir = ir;
  ra->at = 0;
  ra->locked = ra->dying = 0;
  ra->n_freed = 0;
  if (ra->temps_size < ir->n_temps) {
    ra->temps_size = ir->n_temps * 2;
    ra->temps = g_renew (RaTemp, ra->temps, ra->temps_size);
  }
  memset (ra->slot_used, 0, sizeof ra->slot_used);
  for (unsigned r = 0; r < RA_REGS; r++)
    ra->head[r] = ra->pin_global[r] = BP_IR_NONE;
  unsigned pins = 0;
  ra->clean_pins = 0;
  for (uint32_t t = 0; t < ir->n_temps; t++) {
    RaTemp *temp = &ra->temps[t];
    *temp = (RaTemp) { .value = t + 1, .next = BP_IR_NONE, .slot = RA_NO_SLOT, .reg = RA_NONE,
                       .pin = RA_NONE };
    if (ir->temps[t].kind != BP_IR_TEMP_GLOBAL)
      continue;
    temp->in_memory = true;
    if ((ir->globals[ir->temps[t].global].pin >> pin_set & 1) && pins < host->n_pins) {
      temp->reg = temp->pin = host->pins[pins++];
      temp->in_memory = false;
      ra->pin_global[temp->pin] = (BpTemp) t;
      if (narrow || ir->temps[t].type == BP_IR_I32)
        ra->clean_pins |= 1u << temp->pin;
    }
  }
  ra->clean = ra->clean_pins;
  ra->temps[BP_IR_ENV].reg = ra->temps[BP_IR_ENV].pin = host->env;
  ra->pin_global[host->env] = BP_IR_ENV;
  ra->next_value = ir->n_temps + 1;
  ra_liveness (ra);
}

void
ra_finish (Regalloc *ra)
{
  g_free (ra->temps);
  g_free (ra->block_of);
  g_free (ra->live_in);
  g_free (ra->live_out);
  g_free (ra->crossing);
  g_free (ra->label_at);
  memset (ra, 0, sizeof *ra);
}

void
ra_insn (Regalloc *ra, uint32_t at)
{
  ra->at = at;
  ra->locked = ra->dying = 0;
  while (ra->n_freed > 0)
    ra->slot_used[ra->freed[--ra->n_freed]] = 0;
}

/* --- places ----------------------------------------------------------------------------- */

static inline BpIrType
type_of (const Regalloc *ra, BpTemp t)
{
  return (BpIrType) ra->ir->temps[t].type;
}

static inline bool
is_local (const Regalloc *ra, BpTemp t)
{
  return ra->ir->temps[t].kind == BP_IR_TEMP_LOCAL;
}

static inline bool
is_const (const Regalloc *ra, BpTemp t)
{
  return ra->ir->temps[t].kind == BP_IR_TEMP_CONST;
}

static inline void
set_clean (Regalloc *ra, unsigned r, bool clean)
{
  ra->clean = (ra->clean & ~(1u << r)) | (uint32_t) clean << r;
}

/* Moves what the temps in the list of `from` need. */
static void
emit_move (Regalloc *ra, unsigned to, unsigned from)
{
  bool clean = ra_is_clean (ra, from), wide = false;
  for (BpTemp t = ra->head[from]; t != BP_IR_NONE; t = ra->temps[t].next)
    wide |= type_of (ra, t) == BP_IR_I64;
  ra->host->move (ra->gen, to, from, wide && !clean ? BP_IR_I64 : BP_IR_I32);
  set_clean (ra, to, clean || !wide);
}

RaHome
ra_home (Regalloc *ra, BpTemp t)
{
  const BpIrTemp *ir = &ra->ir->temps[t];
  if (ir->kind == BP_IR_TEMP_GLOBAL)
    return (RaHome) { true, ra->ir->globals[ir->global].offset };
  RaTemp *temp = &ra->temps[t];
  if (temp->slot == RA_NO_SLOT) {
    unsigned slot = 0;
    while (slot < RA_MAX_SLOTS && ra->slot_used[slot])
      slot++;
    g_assert (slot < RA_MAX_SLOTS);
    ra->slot_used[slot] = 1;
    temp->slot = (uint16_t) slot;
  }
  return (RaHome) { false, temp->slot };
}

static void
put_in (Regalloc *ra, BpTemp t, unsigned r)
{
  ra->temps[t].reg = (uint8_t) r;
  ra->temps[t].disp = 0;
  ra->temps[t].next = ra->head[r];
  ra->head[r] = t;
}

/* Takes t out of its register's list (not for the owner of a pin). */
static void
take_out (Regalloc *ra, BpTemp t)
{
  unsigned r = ra->temps[t].reg;
  if (r == RA_NONE || ra->temps[t].pin != RA_NONE)
    return;
  BpTemp *link = &ra->head[r];
  while (*link != t)
    link = &ra->temps[*link].next;
  *link = ra->temps[t].next;
  ra->temps[t].next = BP_IR_NONE;
  ra->temps[t].reg = RA_NONE;
  ra->temps[t].disp = 0;
}

/* t goes from its register's list to that of r, which has the same in it. */
static void
follow_to (Regalloc *ra, BpTemp t, unsigned r)
{
  int32_t disp = ra->temps[t].disp;
  take_out (ra, t);
  put_in (ra, t, r);
  ra->temps[t].disp = disp;
}

void
ra_forget (Regalloc *ra, BpTemp t)
{
  RaTemp *temp = &ra->temps[t];
  if (!is_local (ra, t))
    return;
  take_out (ra, t);
  temp->in_memory = false;
  if (temp->slot != RA_NO_SLOT && !temp->crosses && ra->n_freed < G_N_ELEMENTS (ra->freed)) {
    ra->freed[ra->n_freed++] = temp->slot;
    temp->slot = RA_NO_SLOT;
  }
}

void
ra_to_memory (Regalloc *ra, BpTemp t)
{
  RaTemp *temp = &ra->temps[t];
  if (is_const (ra, t) || temp->pin != RA_NONE || temp->in_memory || temp->reg == RA_NONE)
    return;
  if (temp->disp)               /* there may be no other register: what else is in this one comes back */
    ra->host->sum (ra->gen, temp->reg, temp->reg, temp->disp);
  ra->host->store (ra->gen, temp->reg, ra_home (ra, t), type_of (ra, t));
  if (temp->disp)
    ra->host->sum (ra->gen, temp->reg, temp->reg, -temp->disp);
  temp->in_memory = true;
}

/* --- making room -------------------------------------------------------------------------- */

/* Distance to the next use of t, for the choice of a victim. */
static uint32_t
next_use (const Regalloc *ra, BpTemp t)
{
  uint32_t end = MIN (ra->ir->n_insns, ra->at + NEXT_USE_AHEAD);
  for (uint32_t i = ra->at; i < end; i++) {
    const BpIrInsn *insn = &ra->ir->insns[i];
    unsigned n = ir_n_operands (insn);
    for (unsigned k = ir_op_info[insn->op].n_out; k < n; k++)
      if (insn->a[k] == t)
        return i - ra->at;
  }
  return NEXT_USE_AHEAD;
}

/* Whether the host's instruction for it may have that input in memory. */
static bool
reads_memory (const BpIrInsn *insn, unsigned slot)
{
  switch (insn->op) {
  case BP_IR_add:
  case BP_IR_sub:
  case BP_IR_and:
  case BP_IR_or:
  case BP_IR_xor:
  case BP_IR_mul:
  case BP_IR_brcond:
  case BP_IR_setcond: return true;
  case BP_IR_movcond: return slot >= 3;
  default: return false;
  }
}

bool
ra_is_wanted (const Regalloc *ra, BpTemp t, bool as_register)
{
  uint32_t end = MIN (ra->ir->n_insns, ra->at + 1 + WANTED_AHEAD);
  for (uint32_t i = ra->at + 1; i < end; i++) {
    const BpIrInsn *insn = &ra->ir->insns[i];
    const BpIrOpInfo *info = &ir_op_info[insn->op];
    unsigned n = ir_n_operands (insn);
    for (unsigned k = info->n_out; k < n; k++)
      if (insn->a[k] == t && !(as_register && reads_memory (insn, k)))
        return true;
    for (unsigned k = 0; k < info->n_out; k++)
      if (insn->a[k] == t)
        return false;
    if (insn->op == BP_IR_call || (info->attributes & BP_IR_ATTR_END))
      return false;
  }
  return false;
}

/* Whether nothing looks at the state before t, a global in it that now has another value, is written again; until then a register will do. */
bool
ra_may_wait (const Regalloc *ra, BpTemp t)
{
  uint32_t end = MIN (ra->ir->n_insns, ra->at + 1 + WANTED_AHEAD);
  for (uint32_t i = ra->at + 1; i < end; i++) {
    const BpIrInsn *insn = &ra->ir->insns[i];
    const BpIrOpInfo *info = &ir_op_info[insn->op];
    bool is_plain = insn->op == BP_IR_insn_start || ir_op_is_host_store (insn->op);
    if (!is_plain && (info->attributes & (BP_IR_ATTR_END | BP_IR_ATTR_FAULT | BP_IR_ATTR_SIDE)))
      return false;
    for (unsigned k = 0; k < info->n_out; k++)
      if (insn->a[k] == t)
        return true;
  }
  return false;
}

/* Higher is a better victim; stores to do count most. */
static uint32_t
victim_merit (const Regalloc *ra, unsigned r)
{
  uint32_t nearest = NEXT_USE_AHEAD, stores = 0;
  for (BpTemp t = ra->head[r]; t != BP_IR_NONE; t = ra->temps[t].next) {
    nearest = MIN (nearest, next_use (ra, t));
    if (!is_const (ra, t) && !ra->temps[t].in_memory)
      stores++;
  }
  return nearest * 4 + (stores ? 0 : 3 * 4);
}

static void
empty (Regalloc *ra, unsigned r)
{
  while (ra->head[r] != BP_IR_NONE) {
    BpTemp t = ra->head[r];
    ra_to_memory (ra, t);
    take_out (ra, t);
  }
}

static unsigned
allocate (Regalloc *ra, uint32_t mask)
{
  unsigned best = RA_NONE;
  uint32_t best_merit = 0;
  for (const uint8_t *r = ra->host->order; *r != RA_NONE; r++) {
    if (!(mask >> *r & 1))
      continue;
    if (ra->head[*r] == BP_IR_NONE)
      return *r;
  }
  for (const uint8_t *r = ra->host->order; *r != RA_NONE; r++) {
    if (!(mask >> *r & 1))
      continue;
    uint32_t merit = 1 + victim_merit (ra, *r);
    if (merit > best_merit)
      best = *r, best_merit = merit;
  }
  g_assert (best != RA_NONE);
  empty (ra, best);
  return best;
}

static uint32_t
unlocked (const Regalloc *ra, uint32_t mask)
{
  return (mask ? mask : ra->host->temporaries) & ra->host->temporaries & ~ra->locked;
}

unsigned
ra_scratch (Regalloc *ra, uint32_t mask)
{
  unsigned r = allocate (ra, unlocked (ra, mask));
  ra->locked |= 1u << r;
  return r;
}

void
ra_take (Regalloc *ra, unsigned r)
{
  if (ra->head[r] != BP_IR_NONE) {
    /* keep what is needed soon in another free register */
    for (const uint8_t *other = ra->host->order; *other != RA_NONE; other++)
      if (*other != r && ra->head[*other] == BP_IR_NONE && !(ra->locked >> *other & 1)) {
        BpTemp t;
        emit_move (ra, *other, r);
        while ((t = ra->head[r]) != BP_IR_NONE)
          follow_to (ra, t, *other);
        break;
      }
    empty (ra, r);
  }
  ra->locked |= 1u << r;
}

/* --- inputs ----------------------------------------------------------------------------------- */

static unsigned
use_sum (Regalloc *ra, BpTemp t, uint32_t mask)
{
  uint32_t others = unlocked (ra, mask) & ~(1u << ra->temps[t].reg);
  unsigned r = ra->temps[t].reg, to = allocate (ra, others ? others : unlocked (ra, mask));
  if (ra->temps[t].reg == RA_NONE) {    /* its own register was taken for it, and it is in its slot */
    ra->locked |= 1u << to;
    ra->host->load (ra->gen, to, ra_home (ra, t), BP_IR_I64);
  } else {
    ra->locked |= 1u << to;
    ra->host->sum (ra->gen, to, r, ra->temps[t].disp);
  }
  take_out (ra, t);
  put_in (ra, t, to);
  set_clean (ra, to, false);
  return to;
}

unsigned
ra_use (Regalloc *ra, BpTemp t, uint32_t mask)
{
  RaTemp *temp = &ra->temps[t];
  unsigned r = temp->reg;
  if (temp->disp)
    return use_sum (ra, t, mask);
  if (r != RA_NONE && (mask == 0 || (mask >> r & 1))) {
    ra->locked |= 1u << r;
    return r;
  }
  unsigned to = allocate (ra, unlocked (ra, mask));
  ra->locked |= 1u << to;
  if (r != RA_NONE) {           /* in the wrong register: a local moves, a pin is copied */
    bool short_move = ra_is_clean (ra, r) || type_of (ra, t) == BP_IR_I32;
    ra->host->move (ra->gen, to, r, short_move ? BP_IR_I32 : BP_IR_I64);
    set_clean (ra, to, short_move);
    if (temp->pin == RA_NONE) {
      take_out (ra, t);
      put_in (ra, t, to);
    }
    return to;
  }
  if (ra_is_const (ra, t))
    ra->host->constant (ra->gen, to, ra->ir->temps[t].value, type_of (ra, t));
  else
    ra->host->load (ra->gen, to, ra_home (ra, t), type_of (ra, t));
  set_clean (ra, to, type_of (ra, t) == BP_IR_I32
             || (ra_is_const (ra, t) && !((uint64_t) ra->ir->temps[t].value >> 32)));
  put_in (ra, t, to);
  return to;
}

void
ra_release_dead (Regalloc *ra)
{
  const BpIrInsn *insn = &ra->ir->insns[ra->at];
  unsigned first = ir_op_info[insn->op].n_out, n = ir_n_operands (insn);
  for (unsigned k = first; k < n && insn->mark >> k; k++)
    if ((insn->mark >> k & 1) && insn->a[k] != BP_IR_NONE) {
      unsigned r = ra->temps[insn->a[k]].reg;
      ra_forget (ra, insn->a[k]);
      if (r != RA_NONE && ra->head[r] == BP_IR_NONE && (ra->host->temporaries >> r & 1))
        ra->dying |= 1u << r;
    }
  /* A constant or a global's copy that was brought in for this insn alone may be overwritten too. */
  for (unsigned k = first; k < n; k++) {
    BpTemp t = insn->a[k];
    if (t == BP_IR_NONE || is_local (ra, t) || ra->temps[t].pin != RA_NONE || ra->temps[t].reg == RA_NONE)
      continue;
    unsigned r = ra->temps[t].reg;
    bool alone = ra->head[r] == t && ra->temps[t].next == BP_IR_NONE && (ra->host->temporaries >> r & 1);
    if (alone && !(ra->ir->temps[t].kind == BP_IR_TEMP_GLOBAL && ra_is_wanted (ra, t, false)))
      ra->dying |= 1u << r;
  }
}

/* --- outputs ----------------------------------------------------------------------------------- */

/* Globals of the state need not be saved. */
static void
drop_state_copies (Regalloc *ra, unsigned r)
{
  for (BpTemp t = ra->head[r], next; t != BP_IR_NONE; t = next) {
    next = ra->temps[t].next;
    if (ra->ir->temps[t].kind == BP_IR_TEMP_GLOBAL && ra->temps[t].in_memory)
      take_out (ra, t);
  }
}

static void
ra_save_copies (Regalloc *ra, unsigned pin)
{
  drop_state_copies (ra, pin);
  if (ra->head[pin] == BP_IR_NONE)
    return;
  if (!unlocked (ra, 0)) {
    empty (ra, pin);
    return;
  }
  unsigned to = allocate (ra, unlocked (ra, 0));
  emit_move (ra, to, pin);
  BpTemp t;
  while ((t = ra->head[pin]) != BP_IR_NONE)
    follow_to (ra, t, to);
}

/* The register of the global that local t, made by the current insn, will be moved to; RA_NONE when there
 * is none or when the global is looked at before. `prefer` is taken when several fit. */
static unsigned
coming_pin (const Regalloc *ra, BpTemp t, unsigned prefer)
{
  uint32_t end = MIN (ra->ir->n_insns, ra->at + 1 + LOOK_AHEAD), touched = 0;
  unsigned found = RA_NONE;
  const BpIrInsn *self = &ra->ir->insns[ra->at];
  for (unsigned k = 0; k < ir_op_info[self->op].n_out; k++)
    if (self->a[k] != BP_IR_NONE && ra->temps[self->a[k]].pin != RA_NONE)
      touched |= 1u << ra->temps[self->a[k]].pin;
  for (uint32_t i = ra->at + 1; i < end; i++) {
    const BpIrInsn *insn = &ra->ir->insns[i];
    const BpIrOpInfo *info = &ir_op_info[insn->op];
    if (insn->op == BP_IR_discard && insn->a[0] != t)
      continue;
    if (insn->op != BP_IR_insn_start && insn->op != BP_IR_nop
        && (info->attributes & (BP_IR_ATTR_END | BP_IR_ATTR_FAULT | BP_IR_ATTR_SIDE))
        && !ir_op_is_host_store (insn->op))
      break;
    if (insn->op == BP_IR_mov && insn->a[1] == t) {
      unsigned pin = ra->temps[insn->a[0]].pin;
      if (pin != RA_NONE && !(touched >> pin & 1)) {
        if (pin == prefer)
          return pin;
        if (found == RA_NONE)
          found = pin;
      }
    }
    unsigned n = ir_n_operands (insn);
    for (unsigned k = 0; k < n; k++) {
      if (insn->a[k] == BP_IR_NONE)
        continue;
      if (k < info->n_out && insn->a[k] == t)
        return found;
      unsigned pin = ra->temps[insn->a[k]].pin;
      if (pin != RA_NONE)
        touched |= 1u << pin;
    }
    for (unsigned k = info->n_out; k < n; k++)
      if (insn->a[k] == t && (insn->mark >> k & 1))
        return found;
  }
  return found;
}

static void
new_value (Regalloc *ra, BpTemp t)
{
  ra->temps[t].value = ra->next_value++;
}

/* How wide the current insn makes its output; less than the temp is: zero-extended. */
static inline BpIrType
output_type (const Regalloc *ra, unsigned slot)
{
  return ir_operand_type (&ra->ir->insns[ra->at], slot);
}

unsigned
ra_define (Regalloc *ra, BpTemp t, unsigned prefer, uint32_t avoid)
{
  RaTemp *temp = &ra->temps[t];
  if (temp->pin != RA_NONE) {
    ra_save_copies (ra, temp->pin);
    return temp->pin;
  }
  take_out (ra, t);
  temp->in_memory = false;
  if (is_local (ra, t)) {
    unsigned pin = coming_pin (ra, t, prefer);
    if (pin != RA_NONE && !(avoid >> pin & 1)) {
      ra_save_copies (ra, pin);
      put_in (ra, t, pin);
      return pin;
    }
  }
  uint32_t mask = (ra->host->temporaries & ~ra->locked) | ra->dying;
  unsigned r;
  if (prefer != RA_NONE && ((mask & ~avoid) >> prefer & 1)
      && (ra->head[prefer] == BP_IR_NONE || (ra->dying >> prefer & 1)))
    r = prefer;
  else if (mask & ~avoid)
    r = allocate (ra, mask & ~avoid);
  else
    r = allocate (ra, mask);
  if (ra->head[r] != BP_IR_NONE)        /* a constant or a state copy whose last moment this is */
    empty (ra, r);
  ra->locked |= 1u << r;
  ra->dying &= ~(1u << r);
  put_in (ra, t, r);
  return r;
}

void
ra_defined (Regalloc *ra, BpTemp t, unsigned slot)
{
  RaTemp *temp = &ra->temps[t];
  bool clean = output_type (ra, slot) == BP_IR_I32;
  g_assert (clean || temp->pin == RA_NONE || !(ra->clean_pins >> temp->pin & 1));       /* the frontend's promise */
  new_value (ra, t);
  set_clean (ra, temp->reg, clean);
  if (ra->ir->temps[t].kind == BP_IR_TEMP_GLOBAL && !ra_may_wait (ra, t))
    ra_to_memory (ra, t);
  if (ra_dies (ra, slot))
    ra_forget (ra, t);
}

void
ra_defined_in_memory (Regalloc *ra, BpTemp t)
{
  take_out (ra, t);
  new_value (ra, t);
  ra->temps[t].in_memory = true;
}

void
ra_copy_in (Regalloc *ra, BpTemp t, unsigned r, uint32_t value)
{
  take_out (ra, t);
  put_in (ra, t, r);
  ra->temps[t].value = value;
}

void
ra_define_in (Regalloc *ra, BpTemp t, unsigned slot, unsigned r)
{
  RaTemp *temp = &ra->temps[t];
  unsigned pin = temp->pin;
  if (pin == RA_NONE) {
    take_out (ra, t);
    temp->in_memory = false;
    if (is_local (ra, t) && (pin = coming_pin (ra, t, RA_NONE)) != RA_NONE)
      put_in (ra, t, pin);
  }
  if (pin != RA_NONE) {
    BpTemp self = temp->pin == RA_NONE ? t : BP_IR_NONE;
    if (self != BP_IR_NONE)
      take_out (ra, t);
    ra_save_copies (ra, pin);
    if (self != BP_IR_NONE)
      put_in (ra, t, pin);
    ra->host->move (ra->gen, pin, r, output_type (ra, slot));
  } else {
    put_in (ra, t, r);
  }
  ra_defined (ra, t, slot);
}

void
ra_hold (Regalloc *ra, BpTemp t, unsigned r)
{
  ra_forget (ra, t);
  set_clean (ra, r, false);
  put_in (ra, t, r);
}

bool
ra_copy (Regalloc *ra, BpTemp t, BpTemp s, BpIrType type, unsigned slot)
{
  RaTemp *to = &ra->temps[t];
  const RaTemp from = ra->temps[s];
  if (from.reg == RA_NONE || from.disp)
    return false;
  bool extends = type == BP_IR_I32 && (type_of (ra, t) == BP_IR_I64 || to->pin != RA_NONE);
  if (extends && !ra_is_clean (ra, from.reg))
    return false;
  if (to->reg == from.reg && to->reg != RA_NONE) {      /* coalesced, or already the same */
    to->in_memory &= ra->ir->temps[t].kind != BP_IR_TEMP_LOCAL || to->value == from.value;
  } else if (is_local (ra, t)) {
    take_out (ra, t);
    to->in_memory = false;
    put_in (ra, t, from.reg);
  } else {
    return false;
  }
  to->value = from.value;
  if (!is_local (ra, t) && to->pin == RA_NONE) {
    to->in_memory = false;
    ra_to_memory (ra, t);
  }
  if (ra_dies (ra, slot))
    ra_forget (ra, t);
  return true;
}

/* Whether local t, which the current insn makes, is first read as a guest address of 64 bits, soon (`at_once`: next). */
static bool
becomes_address (const Regalloc *ra, BpTemp t, bool at_once)
{
  uint32_t end = MIN (ra->ir->n_insns, ra->at + 1 + WANTED_AHEAD);
  for (uint32_t i = ra->at + 1; i < end; i++) {
    const BpIrInsn *insn = &ra->ir->insns[i];
    const BpIrOpInfo *info = &ir_op_info[insn->op];
    unsigned n = ir_n_operands (insn);
    bool is_access = insn->op == BP_IR_gld || insn->op == BP_IR_gst;
    if (is_access && insn->a[1] == t)
      return (insn->aux & BP_MO_ADDR64) && !(insn->op == BP_IR_gst && insn->a[0] == t);
    for (unsigned k = 0; k < n; k++)
      if (insn->a[k] == t)
        return false;
    if (insn->op == BP_IR_call || (info->attributes & BP_IR_ATTR_END) || (at_once && insn->op != BP_IR_insn_start))
      return false;
  }
  return false;
}

bool
ra_sum (Regalloc *ra, BpTemp t, BpTemp s, int64_t disp, unsigned slot)
{
  const int64_t most = 1 << 30;
  if (!is_local (ra, t) || ra->temps[t].crosses || s == t || is_const (ra, s)
      || !becomes_address (ra, t, ra->temps[s].pin == RA_NONE))
    return false;
  disp += ra->temps[s].disp;
  if (disp < -most || disp > most || disp == 0)
    return false;
  unsigned r = ra->temps[s].reg != RA_NONE ? ra->temps[s].reg : ra_use (ra, s, 0);
  take_out (ra, t);
  put_in (ra, t, r);
  ra->temps[t].in_memory = false;
  ra->temps[t].disp = (int32_t) disp;
  new_value (ra, t);
  ra_release_dead (ra);
  if (ra_dies (ra, slot))
    ra_forget (ra, t);
  return true;
}

/* --- edges ----------------------------------------------------------------------------------------- */

void
ra_block_end (Regalloc *ra, uint32_t label)
{
  uint64_t live = ra->live_in[ra->block_of[ra->label_at[label]]];
  for (uint32_t k = 0; k < ra->n_crossing; k++)
    if (k >= 64 || (live >> k & 1))
      ra_to_memory (ra, ra->crossing[k]);
}

void
ra_block_begin (Regalloc *ra)
{
  for (unsigned r = 0; r < RA_REGS; r++)
    while (ra->head[r] != BP_IR_NONE)
      take_out (ra, ra->head[r]);
  ra->clean = ra->clean_pins;
  for (uint32_t k = 0; k < ra->n_crossing; k++)
    ra->temps[ra->crossing[k]].in_memory = true;
  for (uint32_t t = 0; t < ra->ir->n_temps; t++)
    if (ra->ir->temps[t].kind != BP_IR_TEMP_CONST)
      new_value (ra, (BpTemp) t);
}

void
ra_call (Regalloc *ra, bool writes_globals)
{
  for (unsigned r = 0; r < RA_REGS; r++) {
    bool pinned = ra->pin_global[r] != BP_IR_NONE;
    if (!pinned || writes_globals)
      empty (ra, r);
  }
  if (!writes_globals)
    return;
  ra->clean = ra->clean_pins;
  for (uint32_t t = 1; t <= ra->ir->n_globals; t++)
    new_value (ra, (BpTemp) t);
}
