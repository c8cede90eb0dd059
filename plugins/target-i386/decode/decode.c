/* decode.c -- bytes to X86Insn: prefixes, the walk through the maps, operands. */
/* SPDX-License-Identifier: MIT */

#include <string.h>

#include "row.h"

typedef struct Decoder {
  const uint8_t *bytes;
  size_t avail;
  size_t pos;
  uint8_t last_rep; /* 0, 0xf2 or 0xf3 */
  uint8_t vex_pp;   /* column of NODE_BY_PREFIX */
  X86DecodeResult result;
  X86Insn *insn;
} Decoder;

/* Stop here: every step returns false once the result is settled. */
static bool
stop (Decoder *d, X86DecodeResult result)
{
  d->result = result;
  return false;
}

/* --- fetching ------------------------------------------------------------------------------------------- */

static bool
fetch8 (Decoder *d, uint8_t *value)
{
  if (d->pos >= X86_MAX_INSN_LENGTH) {
    return stop (d, X86_DECODE_TOO_LONG);
  }
  if (d->pos >= d->avail) {
    return stop (d, X86_DECODE_NEED_MORE);
  }
  *value = d->insn->bytes[d->pos] = d->bytes[d->pos];
  d->pos++;
  return true;
}

static bool
fetch_le (Decoder *d, unsigned size, uint64_t *value)
{
  uint64_t result = 0;
  for (unsigned i = 0; i < size; i++) {
    uint8_t byte;
    if (!fetch8 (d, &byte)) {
      return false;
    }
    result |= (uint64_t) byte << (8 * i);
  }
  *value = result;
  return true;
}

static int64_t
sign_extend (uint64_t value, unsigned size)
{
  unsigned shift = 64 - 8 * size;
  return size == 0 ? 0 : (int64_t) (value << shift) >> shift;
}

static uint64_t
truncate_to (uint64_t value, unsigned size)
{
  return size >= 8 ? value : value & ((1ull << (8 * size)) - 1);
}

/* The modrm byte is fetched by whoever needs it first: a node of the tree or an operand. */
static bool
need_modrm (Decoder *d)
{
  X86Insn *insn = d->insn;
  if (insn->has_modrm) {
    return true;
  }
  if (!fetch8 (d, &insn->modrm)) {
    return false;
  }
  insn->has_modrm = true;
  insn->mod = insn->modrm >> 6;
  insn->reg = (insn->modrm >> 3) & 7;
  insn->rm = insn->modrm & 7;
  return true;
}

/* --- prefixes ------------------------------------------------------------------------------------------- */

static void
apply_segment (X86Insn *insn, uint8_t seg)
{
  insn->prefixes |= X86_PREFIX_SEG;
  insn->seg_override = seg;
}

static void
apply_prefix (Decoder *d, uint8_t byte)
{
  X86Insn *insn = d->insn;
  if (byte >= 0x40 && byte <= 0x4f) {
    insn->prefixes |= X86_PREFIX_REX;
    insn->rex = byte;
    return;
  }
  insn->rex = 0; /* REX counts only right before the opcode */
  switch (byte) {
  case 0x26: apply_segment (insn, X86_ES); break;
  case 0x2e: apply_segment (insn, X86_CS); break;
  case 0x36: apply_segment (insn, X86_SS); break;
  case 0x3e: apply_segment (insn, X86_DS); break;
  case 0x64: apply_segment (insn, X86_FS); break;
  case 0x65: apply_segment (insn, X86_GS); break;
  case 0x66: insn->prefixes |= X86_PREFIX_OPSIZE; break;
  case 0x67: insn->prefixes |= X86_PREFIX_ADSIZE; break;
  case 0xf0: insn->prefixes |= X86_PREFIX_LOCK; break;
  case 0xf2:
    insn->prefixes |= X86_PREFIX_REPNE;
    d->last_rep = byte;
    break;
  default:
    insn->prefixes |= X86_PREFIX_REP;
    d->last_rep = byte;
    break;
  }
}

/* --- the walk through the maps -------------------------------------------------------------------------- */

static unsigned
prefix_column (const Decoder *d)
{
  if (d->last_rep) {
    return d->last_rep == 0xf3 ? 2 : 3;
  }
  return d->insn->prefixes & X86_PREFIX_OPSIZE ? 1 : 0;
}

static bool
rows_differ (const Row *a, const Row *b)
{
  return a->kind != b->kind || a->op != b->op || a->sub != b->sub ||
         memcmp (a->operands, b->operands, sizeof a->operands) != 0;
}

/* A prefix is mandatory when it chose another row than its absence would have (66 BSF is only a 16-bit
 * BSF). */
static const Row *
choose_by_prefix (Decoder *d, const Row *node)
{
  static const uint8_t prefix[4] = { 0, 0x66, 0xf3, 0xf2 };
  unsigned column = d->insn->vex.present ? d->vex_pp : prefix_column (d);
  if (d->insn->vex.present || rows_differ (&node->sub[column], &node->sub[0])) {
    d->insn->mandatory = prefix[column];
  }
  return &node->sub[column];
}

static bool
next_opcode (Decoder *d, const Row **row)
{
  X86Insn *insn = d->insn;
  uint8_t escape = insn->opcode;
  if (!fetch8 (d, &insn->opcode)) {
    return false;
  }
  insn->map = insn->map == 0 ? 1 : escape == 0x38 ? 2 : 3;
  *row = &(*row)->sub[insn->opcode];
  return true;
}

/* A VEX prefix and the opcode behind it (SDM vol. 2, 2.3.5).  Outside 64-bit mode the first payload byte has
 * been looked at as a modrm byte; its upper bits are R and X, set there, and inverted as always.  W and B
 * extend nothing.  Reserved maps are #UD: where the low two bits of the map are 0, before anything else is
 * fetched, as there Intel's processors know no length; the others are as long as maps 1 to 3. */
static bool
parse_vex (Decoder *d, const Row **row)
{
  X86Insn *insn = d->insn;
  bool long_form = insn->opcode == 0xc4, is_64 = insn->mode == X86_MODE_64;
  uint8_t first = insn->modrm, last;
  uint32_t excluded = X86_PREFIX_LOCK | X86_PREFIX_REPNE | X86_PREFIX_REP | X86_PREFIX_OPSIZE;
  insn->has_modrm = false;
  insn->modrm = insn->mod = insn->reg = insn->rm = 0;
  if (insn->rex || (insn->prefixes & excluded)) {
    return stop (d, X86_DECODE_UD);
  }
  if (is_64 && !fetch8 (d, &first)) {
    return false;
  }
  if (long_form && (first & 3) == 0) {
    return stop (d, X86_DECODE_UD);
  }
  last = first;
  if ((long_form && !fetch8 (d, &last)) || !fetch8 (d, &insn->opcode)) {
    return false;
  }
  insn->map = long_form ? first & 31 : 1;
  insn->vex = (X86Vex) { .present = true, .L = (last >> 2) & 1, .W = long_form ? last >> 7 : 0 };
  insn->vex.vvvv = (~last >> 3) & 15;
  d->vex_pp = last & 3;
  if (is_64) {
    insn->rex = 0x40 | insn->vex.W << 3 | (long_form ? (~first >> 5) & 7 : (~first >> 5) & 4);
  }
  if (insn->map < 1 || insn->map > 3) {
    return stop (d, X86_DECODE_UD);
  }
  const Row *const *maps = x86_vex_maps[insn->map];
  *row = &maps[0][insn->opcode];
  if ((*row)->kind == NODE_UD) {
    *row = &maps[1][insn->opcode];
  }
  return true;
}

static unsigned
opsize_column (const X86Insn *insn, const Row *node)
{
  uint8_t size = x86_opsize (insn, node);
  return size == 2 ? 0 : size == 4 ? 1 : 2;
}

static unsigned
modrm_column (const X86Insn *insn, NodeKind kind)
{
  return kind == NODE_BY_REG ? insn->reg : kind == NODE_BY_RM ? insn->rm : insn->mod == 3;
}

/* From a row down to its leaf.  Ends on NODE_OP, NODE_UD or NODE_PREFIX. */
static bool
walk (Decoder *d, const Row **row)
{
  X86Insn *insn = d->insn;
  for (;;) {
    const Row *node = *row;
    switch (node->kind) {
    case NODE_VEX:
      if (!parse_vex (d, row)) {
        return false;
      }
      continue;
    case NODE_BY_OPCODE:
      if (insn->vex.present) {
        return stop (d, X86_DECODE_UD);
      }
      if (!next_opcode (d, row)) {
        return false;
      }
      continue;
    case NODE_BY_REG:
    case NODE_BY_RM:
    case NODE_BY_MOD:
      if (!need_modrm (d)) {
        return false;
      }
      *row = &node->sub[modrm_column (insn, node->kind)];
      continue;
    case NODE_BY_PREFIX: *row = choose_by_prefix (d, node); continue;
    case NODE_BY_MODE: *row = &node->sub[insn->mode == X86_MODE_64]; continue;
    case NODE_BY_OPSIZE: *row = &node->sub[opsize_column (insn, node)]; continue;
    case NODE_BY_REX_B: *row = &node->sub[insn->rex & 1]; continue;
    case NODE_BY_L: *row = &node->sub[insn->vex.L]; continue;
    case NODE_BY_W: *row = &node->sub[insn->vex.W]; continue;
    default: return true;
    }
  }
}

/* What a row asks of a VEX prefix: a length it has, the right W, and all ones in a vvvv it does not use.  The
 * top bit of one that it does use counts in 64-bit mode. */
static bool
check_vex (Decoder *d, const Row *row)
{
  X86Vex *vex = &d->insn->vex;
  bool uses_vvvv = false;
  for (unsigned i = 0; i < X86_MAX_OPERANDS; i++) {
    uint8_t method = x86_token_info[row->operands[i]].method;
    uses_vvvv |= method == METHOD_H || method == METHOD_B;
  }
  bool is_64 = d->insn->mode == X86_MODE_64;
  bool wrong_w = row->vex_w == (vex->W ? VEX_W_0 : VEX_W_1);
  if (row->vex[vex->L] == X86_FEATURE_NONE || wrong_w || (vex->vvvv != 0 && !uses_vvvv)) {
    return stop (d, X86_DECODE_UD);
  }
  vex->vvvv &= is_64 ? 15 : 7;
  return true;
}

/* Prefixes and opcode: finds the leaf. */
static bool
find_row (Decoder *d, const Row **row)
{
  do {
    if (!fetch8 (d, &d->insn->opcode)) {
      return false;
    }
    *row = &x86_map_1byte[d->insn->opcode];
    if (!walk (d, row)) {
      return false;
    }
    if ((*row)->kind == NODE_PREFIX) {
      apply_prefix (d, d->insn->opcode);
    }
  } while ((*row)->kind == NODE_PREFIX);

  if ((*row)->kind == NODE_UD) {
    return stop (d, X86_DECODE_UD);
  }
  if ((*row)->columns & (d->insn->mode == X86_MODE_64 ? COLUMN_I64 : COLUMN_O64)) {
    return stop (d, X86_DECODE_UD);
  }
  return d->insn->vex.present ? check_vex (d, *row) : true;
}

/* --- effective addresses -------------------------------------------------------------------------------- */

static uint8_t
effective_segment (const X86Insn *insn, uint8_t by_default)
{
  uint8_t seg = insn->seg_override;
  if (seg == X86_NO_REG || (insn->mode == X86_MODE_64 && seg < X86_FS)) {
    return by_default;
  }
  return seg;
}

static bool
fetch_disp (Decoder *d, X86Mem *mem, uint8_t size)
{
  uint64_t value;
  if (!fetch_le (d, size, &value)) {
    return false;
  }
  mem->disp_size = size;
  mem->disp = sign_extend (value, size);
  return true;
}

/* SDM vol. 2, table 2-1. */
static bool
parse_mem16 (Decoder *d, X86Mem *mem)
{
  static const uint8_t base[8] = { X86_RBX, X86_RBX, X86_RBP, X86_RBP, X86_RSI, X86_RDI, X86_RBP, X86_RBX };
  static const uint8_t index[8] = { X86_RSI,    X86_RDI,    X86_RSI,    X86_RDI,
                                    X86_NO_REG, X86_NO_REG, X86_NO_REG, X86_NO_REG };
  const X86Insn *insn = d->insn;
  if (insn->mod == 0 && insn->rm == 6) {
    return fetch_disp (d, mem, 2);
  }
  mem->base = base[insn->rm];
  mem->index = index[insn->rm];
  return fetch_disp (d, mem, insn->mod);
}

/* SDM vol. 2, tables 2-2 and 2-3; 2.2.1 for REX and RIP-relative addresses. */
static bool
parse_mem32 (Decoder *d, X86Mem *mem)
{
  X86Insn *insn = d->insn;
  uint8_t disp_size = insn->mod == 2 ? 4 : insn->mod;
  uint8_t base = insn->rm;
  if (base == 4) {
    if (!fetch8 (d, &insn->sib)) {
      return false;
    }
    insn->has_sib = true;
    base = insn->sib & 7;
    uint8_t index = ((insn->sib >> 3) & 7) | (insn->rex & 2 ? 8 : 0);
    if (index != 4 || mem->vsib) {
      mem->index = index;
      mem->scale = insn->sib >> 6;
    }
  }
  if (base == 5 && insn->mod == 0) {
    disp_size = 4;
    mem->base = insn->mode == X86_MODE_64 && !insn->has_sib ? X86_REG_RIP : X86_NO_REG;
  } else {
    mem->base = base | (insn->rex & 1 ? 8 : 0);
  }
  return fetch_disp (d, mem, disp_size);
}

/* All of it, the hole between the fields too: equal instructions are equal bytes. */
static void
init_mem (const X86Insn *insn, X86Mem *mem)
{
  memset (mem, 0, sizeof *mem);
  mem->base = mem->index = X86_NO_REG;
  mem->adsize = insn->adsize;
}

static bool
parse_modrm_mem (Decoder *d, X86Mem *mem)
{
  if (mem->vsib && (d->insn->adsize == 2 || d->insn->rm != 4)) {
    return stop (d, X86_DECODE_UD);
  }
  if (!(d->insn->adsize == 2 ? parse_mem16 (d, mem) : parse_mem32 (d, mem))) {
    return false;
  }
  bool on_stack = mem->base == X86_RSP || mem->base == X86_RBP;
  mem->seg = effective_segment (d->insn, on_stack ? X86_SS : X86_DS);
  return true;
}

/* --- operands ------------------------------------------------------------------------------------------- */

static bool
set_reg (X86Operand *operand, X86OperandKind kind, uint8_t reg)
{
  operand->kind = kind;
  operand->reg = reg;
  return true;
}

/* Without REX, byte registers 4 to 7 are AH CH DH BH. */
static bool
set_gpr (const X86Insn *insn, X86Operand *operand, uint8_t reg)
{
  operand->high = operand->size == 1 && !insn->rex && reg >= 4;
  return set_reg (operand, X86_OPERAND_GPR, operand->high ? reg - 4 : reg);
}

static bool
set_implicit_mem (const X86Insn *insn, X86Operand *operand, uint8_t base, uint8_t seg)
{
  operand->kind = X86_OPERAND_MEM;
  init_mem (insn, &operand->mem);
  operand->mem.base = base;
  operand->mem.seg = seg;
  return true;
}

static bool
set_modrm_mem (X86Operand *operand, const X86Mem *mem)
{
  operand->kind = X86_OPERAND_MEM;
  operand->mem = *mem;
  return true;
}

static bool
set_control (Decoder *d, X86Operand *operand, uint8_t reg)
{
  static const uint16_t provided = 1 << 0 | 1 << 2 | 1 << 3 | 1 << 4;
  uint16_t legal = provided | (d->insn->mode == X86_MODE_64 ? 1 << 8 : 0);
  return (legal >> reg) & 1 ? set_reg (operand, X86_OPERAND_CR, reg) : stop (d, X86_DECODE_UD);
}

static bool
set_segment (Decoder *d, X86Operand *operand)
{
  uint8_t reg = d->insn->reg;
  if (reg > X86_GS || (reg == X86_CS && d->insn->op == X86_OP_MOV_TO_SEG)) {
    return stop (d, X86_DECODE_UD);
  }
  if (reg == X86_SS && d->insn->op == X86_OP_MOV_TO_SEG) {
    d->insn->attributes |= X86_A_INHIBIT;
  }
  return set_reg (operand, X86_OPERAND_SEG, reg);
}

static bool
fetch_imm (Decoder *d, X86Operand *operand, unsigned encoded)
{
  uint64_t value;
  if (!fetch_le (d, encoded, &value)) {
    return false;
  }
  if (encoded == 1) {
    d->insn->has_imm8 = true;
    d->insn->imm8 = value;
  }
  operand->kind = X86_OPERAND_IMM;
  operand->imm = truncate_to (sign_extend (value, encoded), operand->size);
  return true;
}

/* A register number in the upper half of an immediate. */
static bool
fetch_is4 (Decoder *d, X86Operand *operand)
{
  X86Insn *insn = d->insn;
  if (!fetch8 (d, &insn->imm8)) {
    return false;
  }
  insn->has_imm8 = true;
  return set_reg (operand, X86_OPERAND_XMM, (insn->imm8 >> 4) & (insn->mode == X86_MODE_64 ? 15 : 7));
}

/* Iz of a 64-bit instruction: four bytes, sign-extended. */
static bool
fetch_operand_imm (Decoder *d, X86Operand *operand, Size size)
{
  unsigned encoded = operand->size;
  if (size == SIZE_z && d->insn->opsize == 8) {
    operand->size = 8;
  }
  return fetch_imm (d, operand, encoded);
}

static bool
fetch_rel (Decoder *d, X86Operand *operand)
{
  uint64_t value;
  if (!fetch_le (d, operand->size, &value)) {
    return false;
  }
  operand->kind = X86_OPERAND_REL;
  operand->rel = sign_extend (value, operand->size);
  return true;
}

static bool
fetch_far (Decoder *d, X86Operand *operand)
{
  uint64_t offset, selector;
  if (!fetch_le (d, d->insn->opsize, &offset) || !fetch_le (d, 2, &selector)) {
    return false;
  }
  operand->kind = X86_OPERAND_FAR;
  operand->imm = offset;
  operand->selector = selector;
  return true;
}

static bool
fetch_moffs (Decoder *d, X86Operand *operand)
{
  X86Insn *insn = d->insn;
  uint64_t offset;
  if (!fetch_le (d, insn->adsize, &offset)) {
    return false;
  }
  set_implicit_mem (insn, operand, X86_NO_REG, effective_segment (insn, X86_DS));
  operand->mem.disp_size = insn->adsize;
  operand->mem.disp = sign_extend (offset, insn->adsize);
  return true;
}

/* modrm.rm as a register of the wanted file, or as memory; memory may be narrower than the register. */
static bool
set_rm (Decoder *d, X86Operand *operand, X86OperandKind kind, const X86Mem *mem, uint16_t mem_size)
{
  const X86Insn *insn = d->insn;
  uint8_t reg = insn->rm | (insn->rex & 1 ? 8 : 0);
  if (insn->mod != 3) {
    operand->size = mem_size;
    return set_modrm_mem (operand, mem);
  }
  if (kind == X86_OPERAND_GPR) {
    return set_gpr (insn, operand, reg);
  }
  return set_reg (operand, kind, kind == X86_OPERAND_MM ? reg & 7 : reg);
}

static bool
register_only (Decoder *d, X86Operand *operand, X86OperandKind kind)
{
  return d->insn->mod == 3 ? set_rm (d, operand, kind, NULL, 0) : stop (d, X86_DECODE_UD);
}

static bool
set_operand (Decoder *d, X86Operand *operand, const TokenInfo *token, const X86Mem *mem)
{
  X86Insn *insn = d->insn;
  uint8_t reg = insn->reg | (insn->rex & 4 ? 8 : 0);
  uint8_t low = (insn->opcode & 7) | (insn->rex & 1 ? 8 : 0);
  operand->size = x86_size_of (insn, token->size);

  switch ((Method) token->method) {
  case METHOD_E: return set_rm (d, operand, X86_OPERAND_GPR, mem, operand->size);
  case METHOD_E_Mb: return set_rm (d, operand, X86_OPERAND_GPR, mem, 1);
  case METHOD_E_Mw: return set_rm (d, operand, X86_OPERAND_GPR, mem, 2);
  case METHOD_Q: return set_rm (d, operand, X86_OPERAND_MM, mem, operand->size);
  case METHOD_W: return set_rm (d, operand, X86_OPERAND_XMM, mem, operand->size);
  case METHOD_R: return register_only (d, operand, X86_OPERAND_GPR);
  case METHOD_N: return register_only (d, operand, X86_OPERAND_MM);
  case METHOD_U: return register_only (d, operand, X86_OPERAND_XMM);
  case METHOD_VM_x:
  case METHOD_VM_dq:
  case METHOD_M: return insn->mod == 3 ? stop (d, X86_DECODE_UD) : set_modrm_mem (operand, mem);
  case METHOD_R_any_mod: return set_gpr (insn, operand, insn->rm | (insn->rex & 1 ? 8 : 0));
  case METHOD_G: return set_gpr (insn, operand, reg);
  case METHOD_P: return set_reg (operand, X86_OPERAND_MM, insn->reg);
  case METHOD_V: return set_reg (operand, X86_OPERAND_XMM, reg);
  case METHOD_H: return set_reg (operand, X86_OPERAND_XMM, insn->vex.vvvv);
  case METHOD_L: return fetch_is4 (d, operand);
  case METHOD_B: return set_gpr (insn, operand, insn->vex.vvvv);
  case METHOD_S: return set_segment (d, operand);
  case METHOD_C: return set_control (d, operand, reg);
  case METHOD_D: return reg > 7 ? stop (d, X86_DECODE_UD) : set_reg (operand, X86_OPERAND_DR, reg);
  case METHOD_ST_I: return set_reg (operand, X86_OPERAND_ST, insn->rm);
  case METHOD_ST_0: return set_reg (operand, X86_OPERAND_ST, 0);
  case METHOD_XMM_0: return set_reg (operand, X86_OPERAND_XMM, 0);
  case METHOD_Z: return set_gpr (insn, operand, low);
  case METHOD_AX: return set_gpr (insn, operand, X86_RAX);
  case METHOD_CX: return set_gpr (insn, operand, X86_RCX);
  case METHOD_DX: return set_gpr (insn, operand, X86_RDX);
  case METHOD_SEG_ES: return set_reg (operand, X86_OPERAND_SEG, X86_ES);
  case METHOD_SEG_CS: return set_reg (operand, X86_OPERAND_SEG, X86_CS);
  case METHOD_SEG_SS: return set_reg (operand, X86_OPERAND_SEG, X86_SS);
  case METHOD_SEG_DS: return set_reg (operand, X86_OPERAND_SEG, X86_DS);
  case METHOD_SEG_FS: return set_reg (operand, X86_OPERAND_SEG, X86_FS);
  case METHOD_SEG_GS: return set_reg (operand, X86_OPERAND_SEG, X86_GS);
  case METHOD_X: return set_implicit_mem (insn, operand, X86_RSI, effective_segment (insn, X86_DS));
  case METHOD_Y: return set_implicit_mem (insn, operand, X86_RDI, X86_ES);
  case METHOD_BX: return set_implicit_mem (insn, operand, X86_RBX, effective_segment (insn, X86_DS));
  case METHOD_DI: return set_implicit_mem (insn, operand, X86_RDI, effective_segment (insn, X86_DS));
  case METHOD_O: return fetch_moffs (d, operand);
  case METHOD_J: return fetch_rel (d, operand);
  case METHOD_A: return fetch_far (d, operand);
  case METHOD_I: return fetch_operand_imm (d, operand, token->size);
  case METHOD_SI: return fetch_imm (d, operand, 1);
  case METHOD_ONE:
    operand->kind = X86_OPERAND_IMM;
    operand->imm = 1;
    return true;
  default: return stop (d, X86_DECODE_UD);
  }
}

/* The VEX form of an SSE instruction reads its first source from vvvv instead of its destination. */
static uint8_t
access_to_first (const X86Insn *insn, const Row *row)
{
  uint8_t access = (row->columns >> COLUMN_ACCESS_SHIFT) & 3;
  bool has_sse_form = row->columns >> COLUMN_FEATURE_SHIFT;
  return insn->vex.present && has_sse_form && access == X86_ACCESS_RW ? X86_ACCESS_W : access;
}

static uint8_t
access_of (const X86Insn *insn, const Row *row, unsigned index, const TokenInfo *token)
{
  if (token->method == METHOD_M && token->size == SIZE_0) {
    return X86_ACCESS_NONE;
  }
  if (token->method == METHOD_DI) {
    return X86_ACCESS_W;
  }
  if (index == 0) {
    return access_to_first (insn, row);
  }
  if (index == 1 && (row->columns & COLUMN_W2)) {
    return X86_ACCESS_W;
  }
  return row->columns & (index == 1 ? COLUMN_RMW2 : COLUMN_RMW3) ? X86_ACCESS_RW : X86_ACCESS_R;
}

/* modrm, SIB and displacement come before every immediate, whatever the order of the operands. */
static bool
fetch_address (Decoder *d, const Row *row, X86Mem *mem)
{
  bool wants_modrm = false, any_mod = false;
  init_mem (d->insn, mem);
  for (unsigned i = 0; i < X86_MAX_OPERANDS && row->operands[i] != TOKEN_none; i++) {
    uint8_t method = x86_token_info[row->operands[i]].method;
    wants_modrm |= method != METHOD_NONE && method <= METHOD__LAST_MODRM;
    any_mod |= method == METHOD_R_any_mod;
    if (method == METHOD_VM_x || method == METHOD_VM_dq) {
      mem->vsib = method == METHOD_VM_x && d->insn->vex.L ? 32 : 16;
    }
  }
  if (!wants_modrm) {
    return true;
  }
  if (!need_modrm (d)) {
    return false;
  }
  return d->insn->mod == 3 || any_mod || parse_modrm_mem (d, mem);
}

/* Destination, index and mask of a gather have to be three registers. */
static bool
check_gather (Decoder *d)
{
  const X86Operand *o = d->insn->operand;
  bool same = o[0].reg == o[2].reg || o[0].reg == o[1].mem.index || o[2].reg == o[1].mem.index;
  return same ? stop (d, X86_DECODE_UD) : true;
}

static bool
set_operands (Decoder *d, const Row *row)
{
  X86Insn *insn = d->insn;
  X86Mem mem;
  if (!fetch_address (d, row, &mem)) {
    return false;
  }
  for (unsigned i = 0; i < X86_MAX_OPERANDS && row->operands[i] != TOKEN_none; i++) {
    const TokenInfo *token = &x86_token_info[row->operands[i]];
    unsigned index = insn->n_operands;
    X86Operand *operand = &insn->operand[index];
    if (token->method == METHOD_H && !insn->vex.present) {
      continue;
    }
    if (!set_operand (d, operand, token, &mem)) {
      return false;
    }
    operand->access = access_of (insn, row, index, token);
    insn->n_operands++;
    if (operand->kind == X86_OPERAND_MEM && insn->mem_operand < 0) {
      insn->mem_operand = index;
      insn->mem_access = operand->access;
    }
  }
  return !mem.vsib || check_gather (d);
}

/* --- refusals ------------------------------------------------------------------------------------------- */

/* Bytes that mean nothing keep their encoding fields, but no operands or columns of the row that refused
 * them. */
static void
forget_row (X86Insn *insn)
{
  insn->op = X86_OP_INVALID;
  insn->n_operands = 0;
  memset (insn->operand, 0, sizeof insn->operand);
  insn->mem_operand = -1;
  insn->mem_access = insn->mem_align = 0;
  insn->attributes = 0;
  insn->flags_read = insn->flags_written = insn->flags_undefined = insn->flags_varying = 0;
  insn->branch = insn->unit = insn->feature = insn->rep = insn->cond = 0;
}

/* LOCK: only where the table allows it, and only on a memory destination. */
static bool
check_lock (Decoder *d)
{
  X86Insn *insn = d->insn;
  if (!(insn->prefixes & X86_PREFIX_LOCK)) {
    return true;
  }
  if (!(insn->attributes & X86_A_LOCKABLE) || insn->operand[0].kind != X86_OPERAND_MEM) {
    return stop (d, X86_DECODE_UD);
  }
  insn->lock = true;
  return true;
}

/* --- entry points --------------------------------------------------------------------------------------- */

static void
decode_row (Decoder *d)
{
  X86Insn *insn = d->insn;
  const Row *row;
  if (!find_row (d, &row)) {
    return;
  }
  insn->op = row->op;
  insn->adsize = x86_adsize (insn);
  insn->opsize = x86_opsize (insn, row);
  if (!set_operands (d, row)) {
    forget_row (insn);
    return;
  }
  x86_set_columns (insn, row, d->last_rep);
  if (!check_lock (d)) {
    forget_row (insn);
    return;
  }
  if (row->columns & COLUMN_ALWAYS_UD) {
    d->result = X86_DECODE_UD;
  }
}

X86DecodeResult
x86_decode (const uint8_t *bytes, size_t avail, X86Mode mode, X86Insn *out)
{
  memset (out, 0, sizeof *out);
  out->mode = mode;
  out->seg_override = X86_NO_REG;
  out->mem_operand = -1;
  Decoder d = { .bytes = bytes, .avail = avail, .result = X86_DECODE_OK, .insn = out };
  decode_row (&d);
  out->length = d.pos;
  return d.result;
}

uint64_t
x86_branch_target (const X86Insn *insn, uint64_t pc)
{
  uint64_t target = pc + insn->length + (uint64_t) insn->operand[0].rel;
  return truncate_to (target, insn->opsize);
}
