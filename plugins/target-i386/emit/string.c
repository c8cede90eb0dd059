/* string.c -- string instructions and ports.  Repeated ones are loops in runtime/string.c. */
/* SPDX-License-Identifier: MIT */

#include "../runtime/helpers.h"
#include "translate.h"

/* --- one element ------------------------------------------------------------------------------ */

static BpTemp
element_linear (Translator *s, const X86Insn *insn, unsigned i)
{
  const X86Operand *o = &insn->operand[i];
  return emit_linear (s, o->mem.seg, emit_offset (s, &o->mem), o->mem.adsize, o->size, o->access);
}

static BpTemp
element (Translator *s, const X86Insn *insn, unsigned i)
{
  return is_mem (insn, i) ? emit_load (s, element_linear (s, insn, i), insn->operand[i].size)
         : operand (s, insn, i);
}

/* 1 or -1 */
static BpTemp
direction (Translator *s, unsigned size)
{
  if (size != 8)
    return ENV32 (s, df);
  BpTemp r = local64 (s);
  bp_ir_ld (s->b, BP_IR_ld32s, BP_IR_I64, r, BP_IR_ENV, (int64_t) offsetof (X86Cpu, df));
  return r;
}

/* Moves the index registers of the memory operands on. */
static void
advance (Translator *s, const X86Insn *insn)
{
  unsigned size = insn->adsize;
  BpTemp step = BP_IR_NONE;
  for (unsigned i = 0; i < insn->n_operands; i++) {
    const X86Operand *o = &insn->operand[i];
    if (!is_mem (insn, i))
      continue;
    if (step == BP_IR_NONE)
      step = binary_imm (s, size, BP_IR_shl, direction (s, size), log2_size (o->size));
    write_gpr (s, o->mem.base, size, false, binary (s, size, BP_IR_add, gpr (o->mem.base), step));
  }
}

/* --- repeated --------------------------------------------------------------------------------- */

static uint32_t
string_mode (const Translator *s, const X86Insn *insn)
{
  unsigned m = (unsigned) insn->mem_operand;
  uint32_t mode = log2_size (insn->operand[m].size);
  for (unsigned i = m; i < insn->n_operands; i++)       /* the source is the one that is not ES:EDI */
    if (is_mem (insn, i) && insn->operand[i].mem.base == X86_RSI)
      mode |= (uint32_t) insn->operand[i].mem.seg << X86_STR_SEG_SHIFT;
  if (insn->adsize == 2)
    mode |= X86_STR_ADDRESS16;
  if (insn->adsize == 8)
    mode |= X86_STR_ADDRESS64;
  if (insn->rep == X86_REP_NE)
    mode |= X86_STR_WHILE_NE;
  if (insn->rep == X86_REP_NONE)
    mode |= X86_STR_NO_COUNT;
  if (s->hflags & HF_TF)
    mode |= X86_STR_ONE;
  return mode;
}

/* Not done after one call (an interrupt wants in, or single steps): come back to this instruction through the
 * loop. */
static void
emit_repeated (Translator *s, const X86Insn *insn, unsigned helper)
{
  bool compares = helper == H_rep_cmps || helper == H_rep_scas;
  uint32_t done = bp_ir_label_new (s->b);
  BpTemp finished = local (s);
  flags_store_op (s);
  SET_ENV32 (s, repeating, i32 (s, 0));
  emit_call (s, helper, finished, BP_IR_ENV, i32 (s, string_mode (s, insn)));
  if (compares)
    flags_dynamic (s, CC_SUB8 + log2_size (insn->operand[0].size));
  bp_ir_brcond (s->b, BP_IR_I32, BP_IR_NE, finished, i32 (s, 0), done);
  SET_ENV32 (s, repeating, i32 (s, 1));
  emit_this_eip (s);
  emit_exit_dynamic (s);
  bp_ir_label (s->b, done);
}

/* --- the instructions ------------------------------------------------------------------------- */

void
emit_movs (Translator *s, const X86Insn *insn)
{
  if (insn->rep) {
    emit_repeated (s, insn, H_rep_movs);
    return;
  }
  BpTemp value = element (s, insn, 1);
  emit_store (s, value, element_linear (s, insn, 0), insn->operand[0].size);
  advance (s, insn);
}

void
emit_stos (Translator *s, const X86Insn *insn)
{
  if (insn->rep) {
    emit_repeated (s, insn, H_rep_stos);
    return;
  }
  emit_store (s, operand (s, insn, 1), element_linear (s, insn, 0), insn->operand[0].size);
  advance (s, insn);
}

void
emit_lods (Translator *s, const X86Insn *insn)
{
  if (insn->rep) {
    emit_repeated (s, insn, H_rep_lods);
    return;
  }
  BpTemp value = element (s, insn, 1);
  set_operand (s, insn, 0, value);
  advance (s, insn);
}

static void
emit_compare (Translator *s, const X86Insn *insn, unsigned helper)
{
  if (insn->rep) {
    emit_repeated (s, insn, helper);
    return;
  }
  /* of two faults ES:rDI's comes first, as on Intel's processors; no manual says so (SDM 3A, 6.9) */
  BpTemp second = element (s, insn, 1), first = element (s, insn, 0);
  unsigned size = insn->operand[0].size;
  advance (s, insn);
  set (s, size, bp_ir_global (G_CC_SRC), second);
  bp_ir_op3 (s->b, BP_IR_sub, op_type (size), bp_ir_global (G_CC_DST), first, second);
  flags_set_sub (s, size, first, second);
}

void emit_cmps (Translator *s, const X86Insn *insn) { emit_compare (s, insn, H_rep_cmps); }
void emit_scas (Translator *s, const X86Insn *insn) { emit_compare (s, insn, H_rep_scas); }

/* --- ports ------------------------------------------------------------------------------------ */

/* IOPL and the TSS's bitmap (SDM 1, chapter 19.5). */
static void
check_port (Translator *s, BpTemp port, unsigned size)
{
  if (s->is_vm86 || !s->io_ok)
    emit_call (s, H_check_io, BP_IR_NONE, BP_IR_ENV, port, i32 (s, size));
  if (s->t->cflags & BP_TCG_CF_ICOUNT || s->hflags & HF_BREAKPOINTS)
    s->end_block = true;
}

static BpTemp
port_of (Translator *s, const X86Insn *insn, unsigned i)
{
  const X86Operand *o = &insn->operand[i];
  return o->kind == X86_OPERAND_IMM ? i32 (s, o->imm & 0xff) : zx (s, gpr (X86_RDX), 2);
}

/* One element or many: the order of port access and memory fault is the loop's business. */
void
emit_ins (Translator *s, const X86Insn *insn)
{
  s->end_block = true;          /* it is alone in its block: see translate_insn */
  check_port (s, port_of (s, insn, 1), insn->operand[0].size);
  emit_repeated (s, insn, H_rep_ins);
}

void
emit_outs (Translator *s, const X86Insn *insn)
{
  check_port (s, port_of (s, insn, 0), insn->operand[1].size);
  emit_repeated (s, insn, H_rep_outs);
}

void
emit_in (Translator *s, const X86Insn *insn)
{
  unsigned size = insn->operand[0].size;
  BpTemp port = port_of (s, insn, 1), value = local (s);
  check_port (s, port, size);
  emit_call (s, H_in, value, BP_IR_ENV, port, i32 (s, size));
  set_operand (s, insn, 0, value);
}

void
emit_out (Translator *s, const X86Insn *insn)
{
  unsigned size = insn->operand[1].size;
  BpTemp port = port_of (s, insn, 0);
  check_port (s, port, size);
  emit_call (s, H_out, BP_IR_NONE, BP_IR_ENV, port, zx (s, operand (s, insn, 1), size), i32 (s, size));
}
