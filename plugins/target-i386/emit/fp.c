/* fp.c -- x87, MMX, SSE and AVX: dispatch, pending exceptions, and the `native` insn that most become. */
/* SPDX-License-Identifier: MIT */

#include "fp.h"

/* --- pending exceptions --------------------------------------------------------------------------------- */

bool
fp_is_waiting (const X86Insn *insn)
{
  switch (insn->unit) {
  case X86_UNIT_X87: return !(insn->attributes & X86_A_NO_WAIT);
  case X86_UNIT_WAIT:
  case X86_UNIT_MMX: return true;
  case X86_UNIT_SSE: return insn->attributes & X86_A_MMX_STATE;
  default: return false;
  }
}

/* With CR0.NE set the host's own exception at the waiting instruction raises #MF. With it clear the guest
 * wants FERR#. */
static void
emit_pending (Translator *s)
{
  if (!(s->hflags & HF_NE))
    emit_call (s, H_fp_pending, BP_IR_NONE, BP_IR_ENV);
}

/* --- the native insn ------------------------------------------------------------------------------------ */

/* With a VEX prefix, 256 bits are what some operand has; where none does, VEX.L is as good as ignored. */
static bool
is_256 (const X86Insn *insn)
{
  bool found = insn->n_operands == 0 && insn->vex.L;
  for (unsigned i = 0; i < insn->n_operands; i++)
    found |= insn->operand[i].size == 32;
  return found;
}

/* REX.W or VEX.W gives the integer operand 64 bits; outside 64-bit mode it does not. */
static bool
has_integer_operand (const X86Insn *insn)
{
  for (unsigned i = 0; i < insn->n_operands; i++)
    if (insn->operand[i].kind == X86_OPERAND_GPR)
      return true;
  switch (insn->op) {
  case X86_OP_MOVD:
  case X86_OP_CVTSI2SS:
  case X86_OP_CVTSI2SD:
  case X86_OP_PINSRD:
  case X86_OP_PEXTRD: return true;
  default: return false;
  }
}

static bool
native_is_wide (const X86Insn *insn)
{
  bool w = insn->vex.present ? insn->vex.W : insn->rex & 8;
  switch (insn->op) {
  case X86_OP_PCMPESTRI:        /* emit_pcmpestr has seen to it */
  case X86_OP_PCMPESTRM:
  case X86_OP_PCMPISTRI: return false;
  default: return w && (has_integer_operand (insn) ? insn->mode == X86_MODE_64 : insn->vex.present);
  }
}

uint64_t
native_opcode (const X86Insn *insn)
{
  uint8_t byte = insn->mandatory;
  unsigned prefix = byte == 0x66 ? 1 : byte == 0xf3 ? 2 : byte == 0xf2 ? 3 : 0;
  uint64_t n = BP_NATIVE_MAKE (insn->opcode, insn->map, prefix);
  if (insn->has_imm8)
    n |= BP_NATIVE_SET_IMM8 (insn->imm8);
  if (insn->vex.present)
    n |= BP_NATIVE_SET_VEX (is_256 (insn), insn->vex.vvvv);
  if (native_is_wide (insn))
    n |= BP_NATIVE_SET_W;
  return n;
}

/* 32-bit code has no registers above XMM7 to bring along. */
static uint64_t
native_state (const X86Insn *insn)
{
  unsigned state = BP_NATIVE_X87;
  if (insn->unit == X86_UNIT_AVX)
    state = BP_NATIVE_SSE | BP_NATIVE_SSE_HIGH | BP_NATIVE_AVX;
  else if (insn->unit == X86_UNIT_SSE)
    state = BP_NATIVE_SSE | (insn->mode == X86_MODE_64 ? BP_NATIVE_SSE_HIGH : 0)
            | (insn->attributes & X86_A_MMX_STATE ? BP_NATIVE_X87 : 0);
  return BP_NATIVE_SET_STATE (state);
}

static uint32_t
native_memory (const Translator *s, const X86Insn *insn)
{
  const X86Operand *o = &insn->operand[insn->mem_operand];
  uint32_t aux = o->size | BP_NATIVE_MEM_MMU (s->mmu) | (s->word == BP_IR_I64 ? BP_NATIVE_MEM_ADDR64 : 0);
  if (o->access & X86_ACCESS_R)
    aux |= BP_NATIVE_MEM_READ;
  if (o->access & X86_ACCESS_W)
    aux |= BP_NATIVE_MEM_WRITE;
  if (insn->unit == X86_UNIT_X87 && aux & BP_NATIVE_MEM_WRITE)
    aux |= BP_NATIVE_MEM_READ;  /* an unmasked exception keeps it from storing, and is no fault of it yet */
  bool checked = (s->hflags & HF_AC) && (o->size == 2 || o->size == 4 || o->size == 8);
  if (insn->mem_align || checked)
    aux |= BP_NATIVE_MEM_ALIGN;
  return aux;
}

/* Among the instructions that write a general register, which name it in modrm.rm: MOVD, and the PEXTRs of
 * map 0F 3A. */
static bool
result_is_rm (const X86Insn *insn)
{
  return insn->map == 3 || (insn->map == 1 && insn->opcode == 0x7e);
}

typedef struct Integers {
  const X86Operand *in, *out;
} Integers;

static Integers
integer_operands (const X86Insn *insn)
{
  Integers x = { NULL, NULL };
  for (unsigned i = 0; i < insn->n_operands; i++) {
    const X86Operand *o = &insn->operand[i];
    if (o->kind != X86_OPERAND_GPR)
      continue;
    if (i == 0)
      x.out = o;
    else
      x.in = o;
  }
  return x;
}

static uint64_t
native_fields (const X86Insn *insn, Integers x)
{
  if (!insn->has_modrm || (insn->map == 1 && insn->opcode == 0x77))
    return BP_NATIVE_SET_NO_MODRM;
  if (insn->op == X86_OP_FNSTSW && x.out)
    return BP_NATIVE_SET_RAX_OUT | BP_NATIVE_SET_REG (BP_NATIVE_FIELD, insn->reg)
           | BP_NATIVE_SET_RM (BP_NATIVE_FIELD, insn->rm);
  BpIrNativeOperand reg = BP_NATIVE_FIELD, rm = insn->mem_operand >= 0 ? BP_NATIVE_MEM : BP_NATIVE_FIELD;
  if (x.in)
    rm = BP_NATIVE_IN;
  if (x.out && result_is_rm (insn))
    rm = BP_NATIVE_OUT;
  else if (x.out)
    reg = BP_NATIVE_OUT;
  /* the number of a general register is nobody's business: the translator chooses one */
  bool vectors = insn->unit == X86_UNIT_SSE || insn->unit == X86_UNIT_AVX;      /* the others have 8 registers */
  unsigned reg_number = insn->reg | (vectors && insn->rex & 4 ? 8 : 0);
  unsigned rm_number = insn->rm | (vectors && insn->rex & 1 ? 8 : 0);
  return BP_NATIVE_SET_REG (reg, reg == BP_NATIVE_FIELD ? reg_number : 0)
         | BP_NATIVE_SET_RM (rm, rm == BP_NATIVE_FIELD ? rm_number : 0);
}

static bool
gives_index (const X86Insn *insn)
{
  return insn->op == X86_OP_PCMPESTRI || insn->op == X86_OP_PCMPISTRI;
}

void
emit_native_with (Translator *s, const X86Insn *insn, BpTemp lengths)
{
  static const X86Operand ecx = { .kind = X86_OPERAND_GPR, .reg = X86_RCX, .size = 4 };
  Integers x = integer_operands (insn);
  uint64_t n = native_opcode (insn) | native_state (insn) | native_fields (insn, x);
  if (gives_index (insn)) {
    n |= BP_NATIVE_SET_RCX_OUT;
    x.out = &ecx;
  }
  if (lengths != BP_IR_NONE)
    n |= BP_NATIVE_SET_LENGTHS_IN;
  BpTemp out = BP_IR_NONE, in = lengths, address = BP_IR_NONE;
  BpTemp flags_out = BP_IR_NONE, flags_in = BP_IR_NONE;
  uint32_t aux = 0;
  if (insn->mem_operand >= 0) {
    aux = native_memory (s, insn);
    address = operand_linear (s, insn, (unsigned) insn->mem_operand);
  }
  if (insn->flags_read) {
    n |= BP_NATIVE_SET_FLAGS_IN;
    flags_in = flags_value (s);
  }
  if (insn->flags_written) {
    n |= BP_NATIVE_SET_FLAGS_OUT;
    flags_out = local (s);
  }
  if (x.in)
    in = read_gpr (s, x.in->reg, s->word == BP_IR_I64 ? 8 : 4, false);
  if (x.out)
    out = local (s);
  bp_ir_native (s->b, n, aux, out, flags_out, in, address, flags_in);
  if (x.out)
    write_gpr (s, x.out->reg, x.out->size, false, out);
  if (insn->flags_written)
    flags_set_eflags (s, flags_out);
}

void
emit_native (Translator *s, const X86Insn *insn)
{
  emit_native_with (s, insn, BP_IR_NONE);
}

BpTemp
linear_argument (Translator *s, BpTemp linear)
{
  const BpIrTemp *t = &s->b->temps[linear];
  bool wide = t->type == BP_IR_I64 && s->word == BP_IR_I64;
  if (wide)
    return linear;
  if (t->kind == BP_IR_TEMP_CONST)
    return bp_ir_i64 (s->b, (uint32_t) t->value);
  BpTemp r = bp_ir_local (s->b, BP_IR_I64);
  bp_ir_op2 (s->b, BP_IR_ext32u, BP_IR_I64, r, linear);
  return r;
}

/* --- dispatch ------------------------------------------------------------------------------------------- */

bool
emit_fp (Translator *s, const X86Insn *insn)
{
  if (fp_is_waiting (insn))
    emit_pending (s);
  switch (insn->unit) {
  case X86_UNIT_X87:
  case X86_UNIT_WAIT:
  case X86_UNIT_FXSR: return emit_x87 (s, insn);
  case X86_UNIT_MMX: return emit_mmx (s, insn);
  case X86_UNIT_SSE: return emit_sse (s, insn);
  case X86_UNIT_AVX: return emit_avx (s, insn);
  case X86_UNIT_XSAVE: return emit_xsave (s, insn);
  default: return false;
  }
}
