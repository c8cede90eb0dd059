/* opt-fold.c -- one forward pass: constants, copies, algebra, decided branches, unreachable code. */
/* SPDX-License-Identifier: MIT */
/*
 * What is known of a temp holds within one stretch of code, between labels that something branches to.  A write to a temp raises its
 * version, so a copy of it, or an insn that read it, can tell that it has changed since: thus a use is never replaced by a temp (a global
 * above all) that was redefined in between.
 *
 * What is known describes all 64 bits of an i64 temp.  An insn sees as many as it reads: the copy that a 32-bit
 * move made is one for those that read 32 bits, and for others when its source is known to have no more.
 */
#include "opt-fold.h"
#include "opt-scratch.h"

/* --- what is known ------------------------------------------------------------------ */

/* What an insn that reads `width` bits of temp may read instead. */
static BpTemp
canonical (Folder *x, BpTemp temp, BpIrType width)
{
  const Known *k = &x->known[temp];
  BpTemp copy = temp;
  if (k->epoch == x->epoch && k->copy != BP_IR_NONE && x->known[k->copy].version == k->copy_version)
    copy = k->copy;
  else if (!is_const (x, temp))
    return temp;
  bool narrow = copy != temp && k->copy_width == BP_IR_I32;
  if (is_const (x, copy)) {             /* constants have the type of what reads them */
    if (x->ir->temps[copy].type == width && !(narrow && width == BP_IR_I64))
      return copy;
    BpTemp c = fold_constant (x, width, const_value (x, copy, BP_IR_I32));
    return c != BP_IR_NONE ? c : temp;
  }
  if (width == BP_IR_I32)
    return copy;
  bool whole = x->ir->temps[copy].type == BP_IR_I64 && !(narrow && ones_of (x, copy, BP_IR_I64) >> 32);
  return whole ? copy : temp;
}

/* --- rewriting ---------------------------------------------------------------------------- */

/* d0 = op (source) */
static void
to_unary (BpIrInsn *insn, BpIrOp op, BpTemp source)
{
  insn->op = (uint8_t) op;
  insn->aux = 0;
  insn->a[1] = source;
  memset (insn->a + 2, 0xff, sizeof insn->a - 2 * sizeof insn->a[0]);
}

/* d0 = op (source, constant) */
static void
to_binary_const (Folder *x, BpIrInsn *insn, BpIrOp op, BpTemp source, uint64_t value)
{
  BpTemp c = fold_constant (x, (BpIrType) insn->type, value);
  if (c == BP_IR_NONE)
    return;
  to_unary (insn, op, source);
  insn->a[2] = c;
}

/* --- constants -------------------------------------------------------------------------------- */

/* Folds the insn when every input is constant. */
static bool
fold_constants (Folder *x, BpIrInsn *insn)
{
  unsigned n_in = ir_op_info[insn->op].n_in;
  uint64_t in[3] = { 0, 0, 0 }, value;
  if (n_in > 3)
    return false;
  for (unsigned i = 0; i < n_in; i++) {
    if (!is_const (x, insn->a[1 + i]))
      return false;
    in[i] = const_value (x, insn->a[1 + i], ir_operand_type (insn, 1 + i));
  }
  if (!ir_compute (insn, in[0], in[1], in[2], &value))
    return false;
  fold_to_const (x, insn, value);
  return true;
}

/* --- algebra: arithmetic and logic ------------------------------------------------------------------- */

static void
fold_add (Folder *x, BpIrInsn *insn)
{
  if (!is_const (x, insn->a[2]))
    return;
  uint64_t c = const_value (x, insn->a[2], insn->type);
  const BpIrInsn *def = def_of (x, insn->a[1]);
  if (c == 0)
    fold_to_mov (x, insn, insn->a[1]);
  else if (def != NULL && def->op == BP_IR_add && def->type == insn->type && is_const (x, def->a[2]))
    to_binary_const (x, insn, BP_IR_add, def->a[1], c + const_value (x, def->a[2], insn->type));
}

static void
fold_sub (Folder *x, BpIrInsn *insn)
{
  if (insn->a[1] == insn->a[2])
    fold_to_const (x, insn, 0);
  else if (is_value (x, insn->a[1], insn->type, 0))
    to_unary (insn, BP_IR_neg, insn->a[2]);
  else if (is_const (x, insn->a[2])) {
    to_binary_const (x, insn, BP_IR_add, insn->a[1], -const_value (x, insn->a[2], insn->type));
    if (insn->op == BP_IR_add)
      fold_add (x, insn);
  }
}

/* addc and subb whose carry is known */
static void
fold_carry (Folder *x, BpIrInsn *insn)
{
  bool is_add = insn->op == BP_IR_addc;
  if (!is_const (x, insn->a[3]))
    return;
  if (is_value (x, insn->a[3], insn->type, 0)) {
    insn->op = is_add ? BP_IR_add : BP_IR_sub;
    insn->a[3] = BP_IR_NONE;
    if (is_add)
      fold_add (x, insn);
    else
      fold_sub (x, insn);
  } else if (is_const (x, insn->a[2])) {
    uint64_t c = const_value (x, insn->a[2], insn->type) + const_value (x, insn->a[3], insn->type);
    to_binary_const (x, insn, BP_IR_add, insn->a[1], is_add ? c : -c);
    if (insn->op == BP_IR_add)
      fold_add (x, insn);
  }
}

static void
fold_mul (Folder *x, BpIrInsn *insn)
{
  if (!is_const (x, insn->a[2]))
    return;
  uint64_t c = const_value (x, insn->a[2], insn->type);
  if (c == 0)
    fold_to_const (x, insn, 0);
  else if (c == 1)
    fold_to_mov (x, insn, insn->a[1]);
  else if ((c & (c - 1)) == 0)
    to_binary_const (x, insn, BP_IR_shl, insn->a[1], (uint64_t) __builtin_ctzll (c));
}

static void
fold_and (Folder *x, BpIrInsn *insn)
{
  unsigned type = insn->type;
  uint64_t ones = ones_of (x, insn->a[1], type);
  if (insn->a[1] == insn->a[2])
    fold_to_mov (x, insn, insn->a[1]);
  else if ((ones & ones_of (x, insn->a[2], type)) == 0)
    fold_to_const (x, insn, 0);
  else if (!is_const (x, insn->a[2]))
    return;
  else if ((ones & ~const_value (x, insn->a[2], type)) == 0)
    fold_to_mov (x, insn, insn->a[1]);
  else if (is_value (x, insn->a[2], type, 0xff))
    to_unary (insn, BP_IR_ext8u, insn->a[1]);
  else if (is_value (x, insn->a[2], type, 0xffff))
    to_unary (insn, BP_IR_ext16u, insn->a[1]);
  else if (is_value (x, insn->a[2], type, 0xffffffff)) {
    insn->type = BP_IR_I32;
    fold_to_mov (x, insn, insn->a[1]);
  } else {                      /* a mask that keeps nothing of an extension's upper bits does without it */
    const BpIrInsn *def = def_of (x, insn->a[1]);
    uint64_t c = const_value (x, insn->a[2], type);
    if (def != NULL && def->type == insn->type
        && ((c <= 0xff && (def->op == BP_IR_ext8u || def->op == BP_IR_ext8s))
            || (c <= 0xffff && (def->op == BP_IR_ext16u || def->op == BP_IR_ext16s))))
      insn->a[1] = def->a[1];
  }
}

static void
fold_or (Folder *x, BpIrInsn *insn)
{
  if (insn->a[1] == insn->a[2] || is_value (x, insn->a[2], insn->type, 0))
    fold_to_mov (x, insn, insn->a[1]);
  else if (is_value (x, insn->a[2], insn->type, ir_type_mask (insn->type)))
    fold_to_const (x, insn, ir_type_mask (insn->type));
}

static void
fold_xor (Folder *x, BpIrInsn *insn)
{
  if (insn->a[1] == insn->a[2])
    fold_to_const (x, insn, 0);
  else if (is_value (x, insn->a[2], insn->type, 0))
    fold_to_mov (x, insn, insn->a[1]);
  else if (is_value (x, insn->a[2], insn->type, ir_type_mask (insn->type)))
    to_unary (insn, BP_IR_not, insn->a[1]);
}

static void
fold_andc (Folder *x, BpIrInsn *insn)
{
  if (insn->a[1] == insn->a[2])
    fold_to_const (x, insn, 0);
  else if (is_value (x, insn->a[1], insn->type, ir_type_mask (insn->type)))
    to_unary (insn, BP_IR_not, insn->a[2]);
  else if (is_const (x, insn->a[2])) {
    to_binary_const (x, insn, BP_IR_and, insn->a[1], ~const_value (x, insn->a[2], insn->type));
    if (insn->op == BP_IR_and)
      fold_and (x, insn);
  }
}

/* neg and not of themselves */
static void
fold_negation (Folder *x, BpIrInsn *insn)
{
  const BpIrInsn *def = def_of (x, insn->a[1]);
  if (def != NULL && def->op == insn->op && def->type == insn->type)
    fold_to_mov (x, insn, def->a[1]);
}

static void
fold_shift (Folder *x, BpIrInsn *insn)
{
  unsigned type = insn->type, bits = ir_type_bits (type);
  bool is_rotate = insn->op == BP_IR_rotl || insn->op == BP_IR_rotr;
  if (is_value (x, insn->a[1], type, 0) || (insn->op != BP_IR_shl && insn->op != BP_IR_shr
                                            && is_value (x, insn->a[1], type, ir_type_mask (type)))) {
    fold_to_const (x, insn, const_value (x, insn->a[1], type));
    return;
  }
  if (!is_const (x, insn->a[2])) {
    const BpIrInsn *mask = def_of (x, insn->a[2]);      /* of the count: the op itself has one */
    if (mask != NULL && mask->op == BP_IR_and && is_const (x, mask->a[2]) && x->ir->temps[mask->a[1]].type >= type
        && (const_value (x, mask->a[2], mask->type) & (bits - 1)) == bits - 1)
      insn->a[2] = mask->a[1];
    return;
  }
  uint64_t count = const_value (x, insn->a[2], type);
  uint64_t ones = ones_of (x, insn->a[1], type);
  if ((count & (bits - 1)) == 0)
    fold_to_mov (x, insn, insn->a[1]);
  else if (count >= bits)
    to_binary_const (x, insn, (BpIrOp) insn->op, insn->a[1], count & (bits - 1));
  else if (!is_rotate
           && (insn->op == BP_IR_shl ? ones << count & ir_type_mask (type) : ones >> count) == 0)
    fold_to_const (x, insn, 0);
  else if (insn->op == BP_IR_sar && !(ones >> (bits - 1)))
    insn->op = BP_IR_shr;
}

/* --- algebra: widths and fields ------------------------------------------------------------------------ */

/* ext8s, ext8u, ext16s, ext16u */
static void
fold_extension (Folder *x, BpIrInsn *insn)
{
  bool is_signed = insn->op == BP_IR_ext8s || insn->op == BP_IR_ext16s;
  unsigned bits = insn->op == BP_IR_ext8s || insn->op == BP_IR_ext8u ? 8 : 16;
  if ((ones_of (x, insn->a[1], insn->type) & ~ir_low_mask (bits - is_signed)) == 0) {
    fold_to_mov (x, insn, insn->a[1]);
    return;
  }
  const BpIrInsn *def = def_of (x, insn->a[1]);
  if (def == NULL || def->type != insn->type)
    return;
  bool inner_8 = def->op == BP_IR_ext8s || def->op == BP_IR_ext8u;
  bool inner_16 = def->op == BP_IR_ext16s || def->op == BP_IR_ext16u;
  if (is_signed && (def->op == insn->op || (def->op == BP_IR_ext8s && bits == 16)))
    fold_to_mov (x, insn, insn->a[1]);
  else if ((inner_8 && bits == 8) || inner_16)
    insn->a[1] = def->a[1];
}

/* ext32u and trunc are 32-bit moves. */
static void
fold_low_half (Folder *x, BpIrInsn *insn)
{
  const BpIrInsn *def = def_of (x, insn->a[1]);
  insn->op = BP_IR_mov;
  insn->type = BP_IR_I32;
  fold_to_mov (x, insn, def != NULL && def->op == BP_IR_ext32s ? def->a[1] : insn->a[1]);
}

static void
fold_ext32s (Folder *x, BpIrInsn *insn)
{
  if (!(ones_of (x, insn->a[1], BP_IR_I32) >> 31))
    fold_low_half (x, insn);
}

static void
fold_extract (Folder *x, BpIrInsn *insn)
{
  unsigned bits = ir_type_bits (insn->type), pos = insn->aux & 0xff, len = insn->aux >> 8;
  bool is_signed = insn->op == BP_IR_sextract;
  uint64_t ones = ones_of (x, insn->a[1], insn->type);
  if ((ones >> pos & ir_low_mask (len)) == 0)
    fold_to_const (x, insn, 0);
  else if (pos == 0 && (len == bits || (ones & ~ir_low_mask (len - is_signed)) == 0))
    fold_to_mov (x, insn, insn->a[1]);
  else if (pos == 0 && len == 8)
    to_unary (insn, is_signed ? BP_IR_ext8s : BP_IR_ext8u, insn->a[1]);
  else if (pos == 0 && len == 16)
    to_unary (insn, is_signed ? BP_IR_ext16s : BP_IR_ext16u, insn->a[1]);
  else if (pos == 0 && len == 32) {     /* of 64 */
    to_unary (insn, is_signed ? BP_IR_ext32s : BP_IR_ext32u, insn->a[1]);
    if (!is_signed)
      fold_low_half (x, insn);
  } else if (pos + len == bits)
    to_binary_const (x, insn, is_signed ? BP_IR_sar : BP_IR_shr, insn->a[1], pos);
}

static void
fold_deposit (Folder *x, BpIrInsn *insn)
{
  unsigned bits = ir_type_bits (insn->type), pos = insn->aux & 0xff, len = insn->aux >> 8;
  uint64_t field = ir_low_mask (len) << pos, base_ones = ones_of (x, insn->a[1], insn->type);
  if (len == bits) {
    fold_to_mov (x, insn, insn->a[2]);
  } else if ((ones_of (x, insn->a[2], insn->type) & ir_low_mask (len)) == 0) {         /* the field becomes 0 */
    to_binary_const (x, insn, BP_IR_and, insn->a[1], ~field);
    if (insn->op == BP_IR_and)
      fold_and (x, insn);
  } else if (is_value (x, insn->a[2], insn->type, ir_low_mask (len))) {                /* all ones */
    to_binary_const (x, insn, BP_IR_or, insn->a[1], field);
  } else if (pos == 0 && (base_ones & ~field) == 0) {                   /* nothing of the base remains */
    to_binary_const (x, insn, BP_IR_and, insn->a[2], field);
    if (insn->op == BP_IR_and)
      fold_and (x, insn);
  } else if (pos == 0) {                /* what widened the field's source does not matter */
    const BpIrInsn *def = def_of (x, insn->a[2]);
    if (def != NULL && def->type == insn->type
        && ((len <= 8 && (def->op == BP_IR_ext8u || def->op == BP_IR_ext8s))
            || (len <= 16 && (def->op == BP_IR_ext16u || def->op == BP_IR_ext16s))))
      insn->a[2] = def->a[1];
  }
}

/* --- one insn ---------------------------------------------------------------------------- */

static void
simplify (Folder *x, BpIrInsn *insn)
{
  switch (insn->op) {
  case BP_IR_add:
  case BP_IR_addc:
  case BP_IR_mul:
  case BP_IR_mulu2:
  case BP_IR_muls2:
  case BP_IR_and:
  case BP_IR_or:
  case BP_IR_xor: {
    BpTemp *in = &insn->a[ir_op_info[insn->op].n_out];
    if (is_const (x, in[0]) && !is_const (x, in[1]))
      swap_temps (&in[0], &in[1]);
    break;
  }
  case BP_IR_mov:
    fold_to_mov (x, insn, insn->a[1]);
    return;
  case BP_IR_setcond: fold_setcond (x, insn); return;
  case BP_IR_movcond: fold_movcond (x, insn); return;
  case BP_IR_brcond: fold_brcond (x, insn); return;
  default: break;
  }
  if (ir_op_info[insn->op].n_out != 1 || (ir_op_info[insn->op].attributes & BP_IR_ATTR_SIDE)
      || fold_constants (x, insn))
    return;
  switch (insn->op) {
  case BP_IR_add: fold_add (x, insn); break;
  case BP_IR_sub: fold_sub (x, insn); break;
  case BP_IR_addc:
  case BP_IR_subb: fold_carry (x, insn); break;
  case BP_IR_mul: fold_mul (x, insn); break;
  case BP_IR_and: fold_and (x, insn); break;
  case BP_IR_or: fold_or (x, insn); break;
  case BP_IR_xor: fold_xor (x, insn); break;
  case BP_IR_andc: fold_andc (x, insn); break;
  case BP_IR_neg:
  case BP_IR_not: fold_negation (x, insn); break;
  case BP_IR_shl:
  case BP_IR_shr:
  case BP_IR_sar:
  case BP_IR_rotl:
  case BP_IR_rotr: fold_shift (x, insn); break;
  case BP_IR_ext8s:
  case BP_IR_ext8u:
  case BP_IR_ext16s:
  case BP_IR_ext16u: fold_extension (x, insn); break;
  case BP_IR_ext32s: fold_ext32s (x, insn); break;
  case BP_IR_ext32u:
  case BP_IR_trunc: fold_low_half (x, insn); break;
  case BP_IR_extract:
  case BP_IR_sextract: fold_extract (x, insn); break;
  case BP_IR_deposit: fold_deposit (x, insn); break;
  default: break;
  }
}

/* The bits that the insn's result may have set; those above its width do not matter. */
static uint64_t
result_ones (const Folder *x, const BpIrInsn *insn)
{
  const BpTemp *a = insn->a;
  unsigned type = insn->type, pos = insn->aux & 0xff, len = insn->aux >> 8 & 0xff;
  switch (insn->op) {
  case BP_IR_mov:
  case BP_IR_andc: return ones_of (x, a[1], type);
  case BP_IR_ext32u:
  case BP_IR_trunc: return ones_of (x, a[1], BP_IR_I32);
  case BP_IR_and: return ones_of (x, a[1], type) & ones_of (x, a[2], type);
  case BP_IR_or:
  case BP_IR_xor: return ones_of (x, a[1], type) | ones_of (x, a[2], type);
  case BP_IR_shl:
    return is_const (x, a[2]) ? ones_of (x, a[1], type) << (const_value (x, a[2], type) & 63) : ~(uint64_t) 0;
  case BP_IR_shr:
    return is_const (x, a[2]) ? ones_of (x, a[1], type) >> (const_value (x, a[2], type) & 63) : ~(uint64_t) 0;
  case BP_IR_ld8u:
  case BP_IR_ext8u: return 0xff;
  case BP_IR_ld16u:
  case BP_IR_ext16u: return 0xffff;
  case BP_IR_ld32u: return 0xffffffffu;
  case BP_IR_extract: return ones_of (x, a[1], type) >> pos & ir_low_mask (len);
  case BP_IR_deposit:
    return (ones_of (x, a[1], type) & ~(ir_low_mask (len) << pos)) | (ones_of (x, a[2], type) & ir_low_mask (len)) << pos;
  case BP_IR_setcond: return 1;
  case BP_IR_movcond: return ones_of (x, a[3], type) | ones_of (x, a[4], type);
  case BP_IR_popcnt: return 0x7f;
  case BP_IR_gld:
  case BP_IR_gxchg:
  case BP_IR_gfetch_add:
  case BP_IR_gfetch_and:
  case BP_IR_gfetch_or:
  case BP_IR_gfetch_xor:
  case BP_IR_gcmpxchg:
    return insn->aux & BP_MO_SIGN ? ~(uint64_t) 0 : ir_low_mask (8 * BP_MO_BYTES (insn->aux));
  default: return ~(uint64_t) 0;
  }
}

/* Notes what the insn, about to be kept at index x->n, writes. */
static void
note_writes (Folder *x, const BpIrInsn *insn)
{
  unsigned n_out = ir_op_info[insn->op].n_out;
  if (n_out == 0)
    return;
  uint64_t ones = n_out == 1 ? result_ones (x, insn) : ~(uint64_t) 0;
  bool has_def = n_out == 1 && insn->a[1] != BP_IR_NONE && insn->a[1] != insn->a[0];
  for (unsigned i = 0; i < n_out; i++) {
    if (insn->a[i] == BP_IR_NONE)
      continue;
    Known *k = &x->known[insn->a[i]];
    k->version++;
    k->epoch = x->epoch;
    k->ones = insn->op == BP_IR_discard ? ~(uint64_t) 0 : ones & ir_type_mask (ir_operand_type (insn, i));
    k->copy = BP_IR_NONE;
    k->def = has_def ? x->n + 1 : 0;
    k->def_version = has_def ? x->known[insn->a[1]].version : 0;
  }
  /* A global is not replaced by the local it was set from: that local can then become the global itself
   * (opt-liveness.c). */
  if (insn->op == BP_IR_mov && insn->a[0] != insn->a[1]
      && (is_const (x, insn->a[1]) || x->ir->temps[insn->a[0]].kind == BP_IR_TEMP_LOCAL)) {
    x->known[insn->a[0]].copy = insn->a[1];
    x->known[insn->a[0]].copy_width = insn->type;
    x->known[insn->a[0]].copy_version = x->known[insn->a[1]].version;
  }
}

static void
forget_globals (Folder *x)
{
  for (uint32_t i = 1; i <= x->ir->n_globals; i++) {
    x->known[i].version++;
    x->known[i].epoch = 0;
  }
}

/* --- the pass ---------------------------------------------------------------------------- */

/* Whether the label, which control does not run into, is where one branch goes past a call that does not return: then all that was known at
 * the branch still holds. */
static bool
skips_a_raise (const Folder *x, uint32_t label)
{
  const BpIrInsn *last = &x->ir->insns[x->n - 1];
  if (x->label_uses[label] != 1 || x->n < 2 || last->op != BP_IR_call || last->a[0] != BP_IR_NONE)
    return false;
  return last[-1].op == BP_IR_brcond && last[-1].aux == label;
}

/* At a label: branches to it right before it go.  True when it stays, for others branch to it. */
static bool
meet_label (Folder *x, uint32_t label, bool *reachable)
{
  BpIrInsn *insns = x->ir->insns;
  for (;;) {
    uint32_t at = x->n;
    while (at > 0 && insns[at - 1].op == BP_IR_insn_start)
      at--;
    if (at == 0 || (insns[at - 1].op != BP_IR_br && insns[at - 1].op != BP_IR_brcond) || insns[at - 1].aux != label)
      break;
    memmove (&insns[at - 1], &insns[at], (x->n - at) * sizeof *insns);
    *reachable = true;
    x->label_uses[label]--;
    x->n--;
  }
  if (x->label_uses[label] == 0)
    return false;
  if (*reachable || !skips_a_raise (x, label))
    x->epoch++;
  *reachable = true;
  return true;
}

static void
count_label_uses (Folder *x)
{
  memset (x->label_uses, 0, x->ir->n_labels * sizeof *x->label_uses);
  if (x->ir->n_labels == 0)
    return;
  for (uint32_t i = 0; i < x->ir->n_insns; i++)
    if (x->ir->insns[i].op == BP_IR_br || x->ir->insns[i].op == BP_IR_brcond)
      x->label_uses[x->ir->insns[i].aux]++;
}

static void
fold_insns (Folder *x)
{
  BpIrBlock *ir = x->ir;
  bool reachable = true;
  for (uint32_t i = 0; i < ir->n_insns; i++) {
    if (ir->insns[i].op == BP_IR_insn_start) {
      if (x->n != i)
        ir->insns[x->n] = ir->insns[i];
      x->n++;
      continue;
    }
    BpIrInsn insn = ir->insns[i];
    if (insn.op == BP_IR_label) {
      if (!meet_label (x, insn.aux, &reachable))
        continue;
    } else if (!reachable) {
      if (insn.op == BP_IR_br || insn.op == BP_IR_brcond)
        x->label_uses[insn.aux]--;
      continue;
    }
    const BpIrOpInfo *info = &ir_op_info[insn.op];
    for (unsigned k = info->n_out; k < (unsigned) info->n_out + info->n_in; k++)
      if (insn.a[k] != BP_IR_NONE)
        insn.a[k] = canonical (x, insn.a[k], ir_operand_type (&insn, k));
    simplify (x, &insn);
    if (insn.op == BP_IR_nop)
      continue;
    if (insn.op == BP_IR_call
        && !(ir_helper (&insn)->flags & (BP_HELPER_NO_WRITE | BP_HELPER_NO_GLOBALS | BP_HELPER_PURE | BP_HELPER_NO_RETURN)))
      forget_globals (x);
    note_writes (x, &insn);
    ir->insns[x->n++] = insn;
    if (ir_ends_flow (&insn))
      reachable = false;
  }
  /* Guest instructions that nothing reaches keep their starts, so that what follows is attributed rightly; at the end none does. */
  while (!reachable && x->n > 0 && ir->insns[x->n - 1].op == BP_IR_insn_start)
    x->n--;
  ir->n_insns = x->n;
}

void
opt_fold (BpIrBlock *ir)
{
  uint32_t max_temps = MIN (ir->n_temps + 2 * ir->n_insns, BP_IR_NONE - 1);
  max_temps = MAX (max_temps, ir->n_temps);
  Folder x = { .ir = ir, .epoch = 1, .max_temps = max_temps };
  x.known = opt_scratch (max_temps * sizeof (Known) + ir->n_labels * sizeof (uint32_t));
  x.label_uses = (uint32_t *) (x.known + max_temps);
  memset (x.known, 0, ir->n_temps * sizeof (Known));
  count_label_uses (&x);
  fold_insns (&x);
}
