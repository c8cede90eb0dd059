/* disasm.c -- prints an X86Insn in AT&T syntax, as GNU objdump does. */
/* SPDX-License-Identifier: MIT */

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "decode.h"

/* --- names ---------------------------------------------------------------------------------------------- */

static const char *const op_names[X86_OP__COUNT] = {
#define OP(name, stem, kind) [X86_OP_##name] = #name,
#include "ops.def"
#undef OP
};

static const char *const op_stems[X86_OP__COUNT] = {
#define OP(name, stem, kind) [X86_OP_##name] = stem,
#include "ops.def"
#undef OP
};

static const char *const feature_names[X86_FEATURE__COUNT] = {
#define FEATURE(name, text) [X86_FEATURE_##name] = text,
#include "features.def"
#undef FEATURE
};

static const char *const condition_names[16] = { "o", "no", "b",  "ae", "e", "ne", "be", "a",
                                                 "s", "ns", "p",  "np", "l", "ge", "le", "g" };
static const char *const segment_names[6] = { "es", "cs", "ss", "ds", "fs", "gs" };
static const char *const names8[8] = { "al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil" };
static const char *const names_high[4] = { "ah", "ch", "dh", "bh" };
static const char *const names16[8] = { "ax", "cx", "dx", "bx", "sp", "bp", "si", "di" };

const char *
x86_op_name (X86Op op)
{
  return op < X86_OP__COUNT ? op_names[op] : "?";
}

/* "add" */
static const char *
x86_op_stem (X86Op op)
{
  return op < X86_OP__COUNT ? op_stems[op] : "?";
}

const char *
x86_feature_name (X86Feature feature)
{
  return feature < X86_FEATURE__COUNT ? feature_names[feature] : "?";
}

/* --- output --------------------------------------------------------------------------------------------- */

typedef struct Text {
  char *buf;
  size_t size;
  size_t length;
} Text;

static void __attribute__ ((format (printf, 2, 3)))
add (Text *text, const char *format, ...) {
  va_list args;
  va_start (args, format);
  int n = vsnprintf (text->buf + text->length, text->size - text->length, format, args);
  va_end (args);
  text->length += n < 0 ? 0 : (size_t) n;
  if (text->length >= text->size) {
    text->length = text->size - 1;
  }
}

static void
add_signed_hex (Text *text, int64_t value)
{
  if (value < 0) {
    add (text, "-0x%" PRIx64, -(uint64_t) value);
  } else {
    add (text, "0x%" PRIx64, (uint64_t) value);
  }
}

/* --- operands ------------------------------------------------------------------------------------------- */

static void
add_gpr (Text *text, uint8_t reg, unsigned size, bool high)
{
  static const char suffix[9] = { [1] = 'b', [2] = 'w', [4] = 'd' };
  if (reg >= 8 && size == 8) {
    add (text, "%%r%d", reg);
  } else if (reg >= 8) {
    add (text, "%%r%d%c", reg, suffix[size]);
  } else if (size == 1) {
    add (text, "%%%s", high ? names_high[reg & 3] : names8[reg]);
  } else {
    add (text, "%%%s%s", size == 8 ? "r" : size == 4 ? "e" : "", names16[reg]);
  }
}

/* A SIB byte that names no index shows as %eiz or %riz, unless there was no other way to say %esp. */
static bool
shows_no_index (const X86Insn *insn, const X86Mem *mem)
{
  if (!insn->has_sib || mem->index != X86_NO_REG) {
    return false;
  }
  bool sp_base = mem->base != X86_NO_REG && (mem->base & 7) == X86_RSP;
  bool absolute_64 = insn->mode == X86_MODE_64 && mem->base == X86_NO_REG && mem->adsize == 8;
  return insn->sib >> 6 ? true : !sp_base && !absolute_64;
}

static void
add_index (Text *text, const X86Insn *insn, const X86Mem *mem)
{
  if (mem->vsib) {
    add (text, ",%%%cmm%d", mem->vsib == 32 ? 'y' : 'x', mem->index);
  } else if (mem->index != X86_NO_REG) {
    add (text, ",");
    add_gpr (text, mem->index, mem->adsize, false);
  } else if (shows_no_index (insn, mem)) {
    add (text, ",%%%ciz", mem->adsize == 8 ? 'r' : 'e');
  } else {
    return;
  }
  if (mem->adsize != 2) {
    add (text, ",%d", insn->has_sib ? 1 << (insn->sib >> 6) : 1);
  }
}

static void
add_mem (Text *text, const X86Insn *insn, const X86Operand *operand, bool always_segment)
{
  const X86Mem *mem = &operand->mem;
  bool has_base = mem->base != X86_NO_REG;
  bool has_registers = has_base || mem->index != X86_NO_REG || shows_no_index (insn, mem);
  bool overridden = insn->seg_override == mem->seg;
  if (always_segment || overridden) {
    add (text, "%%%s:", segment_names[mem->seg]);
  }
  /* an address has no sign, unless objdump gives it one */
  bool is_eiz = insn->mode == X86_MODE_64 && mem->adsize == 4 && !has_base && mem->index == X86_NO_REG;
  bool is_signed = has_registers ? !is_eiz : mem->adsize == 2 && insn->has_modrm;
  if (!is_signed) {
    uint64_t mask = mem->adsize == 8 ? UINT64_MAX : (1ull << (8 * mem->adsize)) - 1;
    add (text, "0x%" PRIx64, (uint64_t) mem->disp & mask);
  } else if (mem->disp_size != 0) {
    add_signed_hex (text, mem->disp);
  }
  if (!has_registers) {
    return;
  }
  add (text, "(");
  if (mem->base == X86_REG_RIP) {
    add (text, mem->adsize == 8 ? "%%rip" : "%%eip");
  } else if (has_base) {
    add_gpr (text, mem->base, mem->adsize, false);
  }
  add_index (text, insn, mem);
  add (text, ")");
}

static bool
is_port_access (const X86Insn *insn)
{
  return insn->op == X86_OP_IN || insn->op == X86_OP_OUT || insn->op == X86_OP_INS || insn->op == X86_OP_OUTS;
}

/* Of two stack operands one is the top by definition (%st), the other by number, which may be zero: %st(0).
 * */
static bool
is_numbered_st (const X86Insn *insn, unsigned index)
{
  if (insn->n_operands == 1) {
    return true;
  }
  bool number_first = (insn->opcode & 4) && insn->operand[0].access == X86_ACCESS_RW;
  return index == (number_first ? 0 : 1);
}

static void
add_operand (Text *text, const X86Insn *insn, unsigned index, uint64_t pc)
{
  const X86Operand *operand = &insn->operand[index];
  switch ((X86OperandKind) operand->kind) {
  case X86_OPERAND_GPR:
    if (is_port_access (insn) && operand->reg == X86_RDX) {
      add (text, "(%%dx)");
    } else {
      bool widened = insn->op == X86_OP_MOV_TO_SEG || insn->op == X86_OP_LAR || insn->op == X86_OP_LSL;
      unsigned size = widened ? insn->opsize : operand->size;
      add_gpr (text, operand->reg, size, operand->high);
    }
    break;
  case X86_OPERAND_MEM:
    add_mem (text, insn, operand, (insn->attributes & X86_A_STRING) || insn->op == X86_OP_XLAT);
    break;
  case X86_OPERAND_IMM: add (text, "$0x%" PRIx64, operand->imm); break;
  case X86_OPERAND_REL: add (text, "0x%" PRIx64, x86_branch_target (insn, pc)); break;
  case X86_OPERAND_FAR: add (text, "$0x%x,$0x%" PRIx64, operand->selector, operand->imm); break;
  case X86_OPERAND_SEG: add (text, "%%%s", segment_names[operand->reg]); break;
  case X86_OPERAND_CR: add (text, "%%cr%d", operand->reg); break;
  case X86_OPERAND_DR: add (text, "%%db%d", operand->reg); break;
  case X86_OPERAND_ST:
    add (text, is_numbered_st (insn, index) ? "%%st(%d)" : "%%st", operand->reg);
    break;
  case X86_OPERAND_MM: add (text, "%%mm%d", operand->reg); break;
  case X86_OPERAND_XMM: add (text, "%%%cmm%d", operand->size == 32 ? 'y' : 'x', operand->reg); break;
  case X86_OPERAND_NONE: break;
  }
}

/* --- mnemonics ------------------------------------------------------------------------------------------ */

static char
size_letter (unsigned size)
{
  return size == 1 ? 'b' : size == 2 ? 'w' : size == 4 ? 'l' : 'q';
}

/* The size a stack, return or branch instruction has when no prefix says otherwise; far ones stay 32-bit. */
static unsigned
native_size (const X86Insn *insn)
{
  bool far = (insn->op >= X86_OP_JMPF && insn->op <= X86_OP_IRET);
  if (far && insn->mode == X86_MODE_64) {
    return 4;
  }
  return insn->mode == X86_MODE_16 ? 2 : insn->mode == X86_MODE_32 ? 4 : 8;
}

static bool
is_x87_integer (X86Op op)
{
  return (op >= X86_OP_FIADD && op <= X86_OP_FIDIVR) || (op >= X86_OP_FILD && op <= X86_OP_FISTTP);
}

static const char *
x87_suffix (const X86Insn *insn, const X86Operand *operand)
{
  bool arithmetic = insn->op >= X86_OP_FADD && insn->op <= X86_OP_FDIVR;
  bool move = insn->op >= X86_OP_FLD && insn->op <= X86_OP_FSTP;
  if (is_x87_integer (insn->op)) {
    return operand->size == 2 ? "s" : operand->size == 4 ? "l" : "ll";
  }
  if (arithmetic || move) {
    return operand->size == 4 ? "s" : operand->size == 8 ? "l" : "t";
  }
  return "";
}

/* The x87 environment has the size of the mode unless a letter says another. */
static const char *
environment_suffix (const X86Insn *insn)
{
  if (insn->mode == X86_MODE_16) {
    return insn->opsize == 4 ? "l" : "";
  }
  return insn->opsize == 2 ? "s" : "";
}

/* A memory operand with no register beside it does not tell its own size.  The CL of a shift does not
 * count. */
static bool
needs_size_letter (const X86Insn *insn)
{
  switch (insn->op) {
  case X86_OP_ADD ... X86_OP_BTC:
  case X86_OP_MOV:
  case X86_OP_NOP: break;
  default: return false;
  }
  if (insn->mem_operand != 0) {
    return false;
  }
  bool by_cl = insn->op >= X86_OP_ROL && insn->op <= X86_OP_SAR;
  return insn->n_operands == 1 || insn->operand[1].kind == X86_OPERAND_IMM || by_cl;
}

static bool
is_stack_sized (const X86Insn *insn)
{
  switch (insn->op) {
  case X86_OP_PUSH:
  case X86_OP_POP:
  case X86_OP_PUSH_SEG:
  case X86_OP_POP_SEG:
  case X86_OP_PUSHA ... X86_OP_LEAVE:
  case X86_OP_JMP:
  case X86_OP_CALL:
  case X86_OP_RET:
  case X86_OP_JMPF:
  case X86_OP_CALLF:
  case X86_OP_RETF:
  case X86_OP_IRET: break;
  default: return false;
  }
  bool gpr = insn->n_operands && insn->operand[0].kind == X86_OPERAND_GPR;
  return !gpr;
}

/* CMPPS and kin: predicates above 7 need a VEX prefix. */
static bool
has_predicate (const X86Insn *insn)
{
  return insn->op >= X86_OP_CMPPS && insn->op <= X86_OP_CMPSD && insn->imm8 < (insn->vex.present ? 32 : 8);
}

static void
add_predicate (Text *text, const X86Insn *insn)
{
  static const char *const predicates[32] = {
    "eq", "lt", "le", "unord", "neq", "nlt", "nle", "ord",
    "eq_uq", "nge", "ngt", "false", "neq_oq", "ge", "gt", "true",
    "eq_os", "lt_oq", "le_oq", "unord_s", "neq_us", "nlt_uq", "nle_uq", "ord_s",
    "eq_us", "nge_uq", "ngt_uq", "false_os", "neq_os", "ge_oq", "gt_oq", "true_us"
  };
  const char *stem = x86_op_stem (insn->op);
  add (text, "cmp%s%s", has_predicate (insn) ? predicates[insn->imm8] : "", stem + 3);
}

/* PCLMULQDQ: an immediate of the two bits that mean something. */
static bool
names_halves (const X86Insn *insn)
{
  return (insn->imm8 & ~0x11) == 0;
}

static bool
add_special_x87 (Text *text, const X86Insn *insn)
{
  const char *stem = x86_op_stem (insn->op);
  switch (insn->op) {
  case X86_OP_FLDENV:
  case X86_OP_FNSTENV:
  case X86_OP_FRSTOR:
  case X86_OP_FNSAVE:
    add (text, "%s%s", stem, environment_suffix (insn));
    return true;
  /* The AT&T assemblers took the reversed names when the destination is not the top, and that has stayed. */
  case X86_OP_FSUB ... X86_OP_FDIVR:
    if (insn->mem_operand < 0 && (insn->opcode & 4)) {
      bool reverse = insn->op == X86_OP_FSUBR || insn->op == X86_OP_FDIVR;
      add (text, insn->op <= X86_OP_FSUBR ? "fsub%s" : "fdiv%s", reverse ? "" : "r");
      return true;
    }
    return false;
  case X86_OP_FSUBP: add (text, "fsubrp"); return true;
  case X86_OP_FSUBRP: add (text, "fsubp"); return true;
  case X86_OP_FDIVP: add (text, "fdivrp"); return true;
  case X86_OP_FDIVRP: add (text, "fdivp"); return true;
  default: return false;
  }
}

/* SSE and later, and what works on general registers with them. */
static bool
add_special_vector (Text *text, const X86Insn *insn)
{
  const char *stem = x86_op_stem (insn->op);
  switch (insn->op) {
  case X86_OP_CVTSI2SS:
  case X86_OP_CVTSI2SD:
    add (text, insn->mem_operand >= 0 && insn->mode == X86_MODE_64 ? "%s%c" : "%s", stem,
         size_letter (insn->operand[insn->n_operands - 1].size));
    return true;
  case X86_OP_CVTPD2PS:
  case X86_OP_CVTPD2DQ:
  case X86_OP_CVTTPD2DQ:
    add (text, "%s%s", stem, !insn->vex.present || insn->mem_operand < 0 ? "" : insn->vex.L ? "y" : "x");
    return true;
  case X86_OP_CRC32:
    add (text, insn->mem_operand >= 0 ? "%s%c" : "%s", stem, size_letter (insn->operand[1].size));
    return true;
  case X86_OP_CMPPS ... X86_OP_CMPSD: add_predicate (text, insn); return true;
  case X86_OP_PCLMULQDQ:
    if (names_halves (insn)) {
      add (text, "pclmul%cq%cqdq", insn->imm8 & 1 ? 'h' : 'l', insn->imm8 & 16 ? 'h' : 'l');
      return true;
    }
    return false;
  case X86_OP_MOVD: add (text, "%s", insn->opsize == 8 ? "movq" : stem); return true;
  case X86_OP_PCMPESTRM:
  case X86_OP_PCMPESTRI:
    add (text, insn->opsize == 8 ? "%sq" : "%s", stem);
    return true;
  case X86_OP_PEXTRD: add (text, "pextr%c", insn->opsize == 8 ? 'q' : 'd'); return true;
  case X86_OP_PINSRD: add (text, "pinsr%c", insn->opsize == 8 ? 'q' : 'd'); return true;
  default: return false;
  }
}

/* The stems whose printed form depends on the sizes in a way of its own; false: not one of them. */
static bool
add_special_mnemonic (Text *text, const X86Insn *insn)
{
  const char *stem = x86_op_stem (insn->op);
  unsigned column = insn->opsize == 2 ? 0 : insn->opsize == 4 ? 1 : 2;
  switch (insn->op) {
  case X86_OP_CBW: add (text, "%s", ((const char *const[]) { "cbtw", "cwtl", "cltq" })[column]); return true;
  case X86_OP_CWD: add (text, "%s", ((const char *const[]) { "cwtd", "cltd", "cqto" })[column]); return true;
  case X86_OP_MOV: {
    const X86Operand *other = &insn->operand[insn->mem_operand < 0 ? 1 : insn->mem_operand];
    bool moffs_64 = insn->mem_operand >= 0 && other->mem.disp_size == 8;
    bool imm_64 = other->kind == X86_OPERAND_IMM && insn->opsize == 8 && (insn->opcode & 0xf8) == 0xb8;
    if (moffs_64 || imm_64) {
      add (text, "movabs");
      return true;
    }
    return false;
  }
  case X86_OP_MOVSX:
    if (insn->map == 0 && insn->opsize != 8) {
      add (text, "movsxd");
      return true;
    }
    /* fall through */
  case X86_OP_MOVZX:
    add (text, "%s%c%c", stem, size_letter (insn->operand[1].size), size_letter (insn->operand[0].size));
    return true;
  case X86_OP_SCAS:
  case X86_OP_LODS:
  case X86_OP_STOS: add (text, "%s", stem); return true; /* the accumulator tells the size */
  case X86_OP_MOVS:
  case X86_OP_CMPS:
  case X86_OP_INS:
  case X86_OP_OUTS:
    add (text, "%s%c", stem, size_letter (insn->operand[insn->mem_operand].size));
    return true;
  case X86_OP_SGDT:
  case X86_OP_SIDT:
  case X86_OP_LGDT:
  case X86_OP_LIDT:
    add (text, insn->mode == X86_MODE_64 ? "%s" : "%s%c", stem, size_letter (insn->opsize));
    return true;
  case X86_OP_LOOP:
  case X86_OP_LOOPE:
  case X86_OP_LOOPNE:
    add (text, insn->adsize == native_size (insn) ? "%s" : "%s%c", stem, size_letter (insn->adsize));
    return true;
  case X86_OP_JCC:
  case X86_OP_SETCC:
  case X86_OP_CMOVCC: add (text, "%s%s", stem, condition_names[insn->cond]); return true;
  case X86_OP_JCXZ:
    add (text, "%s", insn->adsize == 2 ? "jcxz" : insn->adsize == 4 ? "jecxz" : "jrcxz");
    return true;
  case X86_OP_SYSRET:
  case X86_OP_SYSEXIT:
    add (text, insn->mode == X86_MODE_64 ? "%s%c" : "%s", stem, insn->opsize == 8 ? 'q' : 'l');
    return true;
  case X86_OP_XSAVE ... X86_OP_FXRSTOR:
    add (text, insn->opsize == 8 ? "%s64" : "%s", stem);
    return true;
  default: return insn->unit == X86_UNIT_X87 ? add_special_x87 (text, insn) : add_special_vector (text, insn);
  }
}

static void
add_mnemonic (Text *text, const X86Insn *insn)
{
  if (insn->unit == X86_UNIT_AVX && x86_op_stem (insn->op)[0] != 'v') {
    add (text, "v");
  }
  if (add_special_mnemonic (text, insn)) {
    return;
  }
  add (text, "%s", x86_op_stem (insn->op));
  if (insn->mem_operand >= 0 && insn->unit == X86_UNIT_X87) {
    add (text, "%s", x87_suffix (insn, &insn->operand[insn->mem_operand]));
  } else if (needs_size_letter (insn)) {
    add (text, "%c", size_letter (insn->operand[0].size));
  } else if (is_stack_sized (insn) && insn->opsize != native_size (insn)) {
    add (text, "%c", size_letter (insn->opsize));
  }
}

static void
add_prefixes (Text *text, const X86Insn *insn)
{
  static const char *const rep_names[] = { "", "rep ", "repz ", "repnz " };
  if (insn->lock) {
    add (text, "lock ");
  }
  if (insn->rep == X86_REP_PLAIN && insn->mandatory == 0) {
    bool repne_last = !(insn->prefixes & X86_PREFIX_REP);
    add (text, "%s", repne_last ? "repnz " : "rep ");
  } else {
    add (text, "%s", rep_names[insn->rep]);
  }
}

/* --- entry ---------------------------------------------------------------------------------------------- */

/* What the mnemonic already says: the top of the x87 stack, the memory of MASKMOVx, a predicate, a count of
 * one. */
static bool
is_implied (const X86Insn *insn, unsigned index)
{
  const X86Operand *operand = &insn->operand[index];
  switch (insn->op) {
  case X86_OP_FCOM:
  case X86_OP_FCOMP:
  case X86_OP_FUCOM:
  case X86_OP_FUCOMP: return index == 0;
  case X86_OP_MASKMOVQ:
  case X86_OP_MASKMOVDQU: return index == 2;
  case X86_OP_PCLMULQDQ: return operand->kind == X86_OPERAND_IMM && names_halves (insn);
  case X86_OP_CMPPS ... X86_OP_CMPSD: return operand->kind == X86_OPERAND_IMM && has_predicate (insn);
  case X86_OP_ROL ... X86_OP_SAR: return index == 1 && operand->kind == X86_OPERAND_IMM && !insn->has_imm8;
  default: return insn->unit == X86_UNIT_X87 && insn->mem_operand >= 0 && operand->kind == X86_OPERAND_ST;
  }
}

/* Which operands are printed: sources first (AT&T), but ENTER and BOUND keep their order. */
static unsigned
printed_operands (const X86Insn *insn, unsigned order[X86_MAX_OPERANDS])
{
  unsigned n = 0;
  bool intel_order = insn->op == X86_OP_ENTER || insn->op == X86_OP_BOUND;
  for (unsigned i = 0; i < insn->n_operands; i++) {
    unsigned index = intel_order ? i : insn->n_operands - 1 - i;
    if (is_implied (insn, index)) {
      continue;
    }
    order[n++] = index;
  }
  return n;
}

size_t
x86_disasm (const X86Insn *insn, uint64_t pc, char *buf, size_t size)
{
  if (size == 0) {
    return 0;
  }
  Text text = { .buf = buf, .size = size };
  unsigned order[X86_MAX_OPERANDS];
  buf[0] = 0;
  add_prefixes (&text, insn);
  add_mnemonic (&text, insn);
  unsigned n = printed_operands (insn, order);
  for (unsigned i = 0; i < n; i++) {
    const X86Operand *operand = &insn->operand[order[i]];
    add (&text, i == 0 ? " " : ",");
    bool indirect = insn->op == X86_OP_JMP || insn->op == X86_OP_CALL || insn->op == X86_OP_JMPF ||
                    insn->op == X86_OP_CALLF;
    if (indirect && (operand->kind == X86_OPERAND_GPR || operand->kind == X86_OPERAND_MEM)) {
      add (&text, "*");
    }
    add_operand (&text, insn, order[i], pc);
  }
  return text.length;
}
