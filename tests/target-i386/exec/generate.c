/* generate.c -- makes random cases from random bytes that the decoder accepts. */
/* SPDX-License-Identifier: MIT */

#include "generate.h"

#include <string.h>

/* --- random numbers --------------------------------------------------------------------------- */

static uint64_t random_state;

static uint32_t
random32 (void)
{
  random_state += 0x9e3779b97f4a7c15u;
  uint64_t z = random_state;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return (uint32_t) (z >> 32 ^ z);
}

static uint64_t random64 (void) { return (uint64_t) random32 () << 32 | random32 (); }
static uint32_t below (uint32_t n) { return random32 () % n; }
static bool percent (uint32_t n) { return below (100) < n; }

/* Values at which arithmetic is interesting. */
static uint32_t
random_value (void)
{
  static const uint32_t edges[] = {
    0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff,
    0xfffffffe, 0xffff8000, 0xffffff80, 0x99, 0x9a, 31, 32, 33
  };
  return percent (40) ? edges[below (sizeof edges / sizeof *edges)] : percent (30) ? below (64) : random32 ();
}

/* Not the top of the user's half: there is the stack of this very process. */
static uint64_t
random_wide (void)
{
  static const uint64_t edges[] = {
    0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff, 0xffffffff80000000, 0xffffffff7fffffff, 0x100000000,
    0xfffffffffffffffe, 0xffffffffffffff80, 0xffffffffffff8000, 0x7fffffff80000000, 0x0000900000000000
  };
  if (percent (40))
    return random_value ();
  return percent (50) ? edges[below (sizeof edges / sizeof *edges)] : percent (50) ? random64 () : ~(uint64_t) random_value ();
}

/* --- which instructions ----------------------------------------------------------------------- */

/* Those that ring 3 can run, or that fault in the same way everywhere; nothing that enters the host's kernel
 * on purpose. */
static const uint16_t allowed[] = {
  X86_OP_ADD, X86_OP_OR, X86_OP_ADC, X86_OP_SBB, X86_OP_AND, X86_OP_SUB, X86_OP_XOR, X86_OP_CMP,
  X86_OP_TEST, X86_OP_NOT, X86_OP_NEG, X86_OP_INC, X86_OP_DEC, X86_OP_MUL, X86_OP_IMUL, X86_OP_IMUL2,
  X86_OP_IMUL3, X86_OP_DIV, X86_OP_IDIV, X86_OP_ROL, X86_OP_ROR, X86_OP_RCL, X86_OP_RCR, X86_OP_SHL,
  X86_OP_SHR, X86_OP_SAR, X86_OP_SHLD, X86_OP_SHRD, X86_OP_BT, X86_OP_BTS, X86_OP_BTR, X86_OP_BTC,
  X86_OP_BSF, X86_OP_BSR, X86_OP_TZCNT, X86_OP_LZCNT, X86_OP_POPCNT, X86_OP_CRC32, X86_OP_ADCX,
  X86_OP_ADOX, X86_OP_DAA, X86_OP_DAS, X86_OP_AAA, X86_OP_AAS, X86_OP_AAM, X86_OP_AAD, X86_OP_CBW,
  X86_OP_CWD, X86_OP_MOV, X86_OP_MOV_FROM_SEG, X86_OP_MOVZX, X86_OP_MOVSX, X86_OP_MOVBE, X86_OP_MOVNTI,
  X86_OP_LEA, X86_OP_XCHG, X86_OP_XADD, X86_OP_CMPXCHG, X86_OP_CMPXCHG8B, X86_OP_BSWAP, X86_OP_SETCC,
  X86_OP_CMOVCC, X86_OP_XLAT, X86_OP_PUSH, X86_OP_POP, X86_OP_PUSHA, X86_OP_POPA, X86_OP_ENTER,
  X86_OP_LEAVE, X86_OP_NOP, X86_OP_CLC, X86_OP_STC, X86_OP_CMC, X86_OP_CLD, X86_OP_STD, X86_OP_LAHF,
  X86_OP_SAHF, X86_OP_SALC, X86_OP_MOVS, X86_OP_CMPS, X86_OP_SCAS, X86_OP_LODS, X86_OP_STOS, X86_OP_JCC,
  X86_OP_JCXZ, X86_OP_LOOP, X86_OP_LOOPE, X86_OP_LOOPNE, X86_OP_JMP, X86_OP_CALL, X86_OP_RET, X86_OP_INTO,
  X86_OP_BOUND, X86_OP_ARPL, X86_OP_HLT, X86_OP_CLI, X86_OP_STI, X86_OP_IN, X86_OP_OUT, X86_OP_INS,
  X86_OP_OUTS, X86_OP_WBINVD, X86_OP_RDMSR, X86_OP_MOV_TO_CR, X86_OP_UD2, X86_OP_LFENCE, X86_OP_MFENCE,
  X86_OP_SFENCE, X86_OP_CMPXCHG16B, X86_OP_ANDN, X86_OP_BEXTR, X86_OP_BLSI, X86_OP_BLSMSK, X86_OP_BLSR, X86_OP_BZHI,
  X86_OP_MULX, X86_OP_PDEP, X86_OP_PEXT, X86_OP_RORX, X86_OP_SARX, X86_OP_SHLX, X86_OP_SHRX
};

static bool is_calm;                    /* a long case: what ends it is rare */

static bool
is_allowed (const X86Insn *insn)
{
  bool found = false;
  for (unsigned i = 0; i < sizeof allowed / sizeof *allowed; i++)
    found |= allowed[i] == insn->op;
  bool is_64 = insn->mode == X86_MODE_64;
  if (!found || insn->seg_override == X86_FS || (insn->seg_override == X86_GS && !is_64))
    return false;
  /* into nowhere; AMD's processors do so in 64-bit code, too */
  if ((is_64 || is_calm) && insn->mode != X86_MODE_16 && insn->branch != X86_BRANCH_NONE && insn->prefixes & X86_PREFIX_OPSIZE)
    return false;
  switch (insn->op) {
  /* no defined result */
  case X86_OP_BSWAP: return insn->opsize >= 4;
  case X86_OP_MOVSX: return insn->opcode != 0x63 || insn->opsize >= 4;
  case X86_OP_MOV_FROM_SEG: return insn->operand[1].reg < X86_FS;
  case X86_OP_NOP: return insn->opcode != 0x0d || insn->mod != 3;       /* #UD on AMD */
  /* F2 and F3 replace the condition on some AMD processors */
  case X86_OP_LOOPE:
  case X86_OP_LOOPNE: return !(insn->prefixes & (X86_PREFIX_REP | X86_PREFIX_REPNE));
  case X86_OP_SHLD:
  case X86_OP_SHRD: return insn->opsize >= 4
  || (insn->operand[2].kind == X86_OPERAND_IMM && (insn->imm8 & 31) <= 16);
  /* faults end the case: seldom */
  case X86_OP_HLT: case X86_OP_CLI: case X86_OP_STI: case X86_OP_IN: case X86_OP_OUT: case X86_OP_INS: case X86_OP_OUTS:
  case X86_OP_WBINVD: case X86_OP_RDMSR: case X86_OP_MOV_TO_CR: case X86_OP_UD2: return percent (4) && (!is_calm || percent (2));
  case X86_OP_BOUND: case X86_OP_INTO: return percent (is_calm ? 1 : 40);
  case X86_OP_DIV: case X86_OP_IDIV: return percent (is_calm ? 5 : 40);
  default: return true;
  }
}

static bool
writes_esp (const X86Insn *insn)
{
  for (unsigned i = 0; i < insn->n_operands; i++) {
    const X86Operand *o = &insn->operand[i];
    if (o->kind == X86_OPERAND_GPR && o->reg == X86_RSP && !o->high && (o->access & X86_ACCESS_W))
      return true;
  }
  return false;
}

/* --- the case's mode -------------------------------------------------------------------------- */

static ExecMode exec_mode;

static bool is_16 (void) { return exec_mode == EXEC_SMALL16; }
static bool is_64 (void) { return exec_mode == EXEC_LONG64; }
static X86Mode mode_of (ExecMode mode)
{ return mode == EXEC_SMALL16 ? X86_MODE_16 : mode == EXEC_LONG64 ? X86_MODE_64 : X86_MODE_32; }
static X86Mode decode_mode (void) { return mode_of (exec_mode); }
static X86DecodeResult decode (const uint8_t *bytes, size_t n,
                               X86Insn *insn) { return x86_decode (bytes, n, decode_mode (), insn); }
X86Mode case_decode_mode (const Case *c) { return mode_of (c->start.mode); }

uint64_t
case_pc (const Case *c, uint32_t offset)
{
  if (c->start.mode == EXEC_LONG64)
    return EXEC_HIGH + EXEC_CODE + offset;
  return EXEC_CODE + offset - exec_segment (c->start.mode, X86_CS)->base;
}

/* --- one instruction -------------------------------------------------------------------------- */

typedef struct Draft {
  uint8_t bytes[24];
  unsigned opcode_at, modrm_at;
  X86Insn insn;
} Draft;

/* Opcodes that bytes at random seldom make: mandatory prefix, map, last byte. */
typedef struct Rare {
  uint8_t prefix, map, opcode;
} Rare;

static const Rare rare[] = {
  { 0xf3, 1, 0xb8 }, { 0xf3, 1, 0xbc }, { 0xf3, 1, 0xbd }, { 0xf2, 2, 0xf0 }, { 0xf2, 2, 0xf1 }, { 0, 2, 0xf0 }, { 0, 2, 0xf1 },
  { 0x66, 2, 0xf6 }, { 0xf3, 2, 0xf6 }, { 0, 1, 0xc7 }, { 0, 1, 0xaf }, { 0, 1, 0xbc }, { 0, 1, 0xbd }, { 0, 0, 0xf7 }
};

static void
draft_prefixes (Draft *d, unsigned *n, const Rare *r)
{
  static const uint8_t segments[] = { 0x26, 0x2e, 0x36, 0x3e };
  if (percent (20))
    d->bytes[(*n)++] = 0x66;
  if (percent (is_64 () ? 8 : 2))
    d->bytes[(*n)++] = 0x67;
  if (percent (6))
    d->bytes[(*n)++] = 0xf0;
  if (r == NULL && percent (10))
    d->bytes[(*n)++] = percent (50) ? 0xf2 : 0xf3;
  if (percent (3))
    d->bytes[(*n)++] = segments[below (4)];
  if (is_64 () && percent (5))
    d->bytes[(*n)++] = 0x65;
  if (r != NULL && r->prefix)
    d->bytes[(*n)++] = r->prefix;
  if (is_64 () && percent (70))
    d->bytes[(*n)++] = (uint8_t) (0x40 + (percent (60) ? 8 : 0) + below (8));
}

/* BMI1 and BMI2 are in columns F0 to F7 of maps 2 and 3. */
static void
draft_vex (Draft *d, unsigned *n)
{
  unsigned map = percent (85) ? 2 : 3, group = percent (25) ? 0xf3 : 0xf2 + below (6);
  d->bytes[(*n)++] = 0xc4;
  d->bytes[(*n)++] = (uint8_t) ((is_64 () ? below (8) : 7) << 5 | map);
  d->bytes[(*n)++] = (uint8_t) (below (2) << 7 | (map == 3 ? 15 : below (16) | (is_64 () ? 0 : 8)) << 3 | (map == 3 ? 3 : below (4)));
  d->bytes[(*n)++] = (uint8_t) (map == 2 ? group : 0xf0);
}

static bool
draft (Draft *d)
{
  unsigned n = 0;
  const Rare *r = percent (8) ? &rare[below (sizeof rare / sizeof *rare)] : NULL;
  memset (d, 0, sizeof *d);
  draft_prefixes (d, &n, r);
  d->opcode_at = n;
  if (r != NULL) {
    if (r->map > 0)
      d->bytes[n++] = 0x0f;
    if (r->map > 1)
      d->bytes[n++] = 0x38;
    d->bytes[n++] = r->opcode;
  } else if (n == 0 && !is_16 () && percent (15)) {
    draft_vex (d, &n);
  } else {
    if (percent (35)) {
      d->bytes[n++] = 0x0f;
      if (percent (5))
        d->bytes[n++] = 0x38;
    }
    d->bytes[n++] = (uint8_t) random32 ();
  }
  d->modrm_at = n;
  for (unsigned i = n; i < sizeof d->bytes; i++)
    d->bytes[i] = (uint8_t) (percent (50) ? random_value () : random32 ());
  X86DecodeResult result = decode (d->bytes, X86_MAX_INSN_LENGTH, &d->insn);
  if ((result != X86_DECODE_OK && d->insn.op != X86_OP_UD2) || d->insn.unit != X86_UNIT_INT
      || !is_allowed (&d->insn))
    return false;
  if (d->insn.opcode != d->bytes[d->modrm_at - 1]
      || (d->insn.has_modrm && d->insn.modrm != d->bytes[d->modrm_at]))
    /* the byte meant as opcode is a prefix or an escape: fields would be patched in the wrong place */
    return false;
  return !writes_esp (&d->insn) || percent (10) || d->insn.op == X86_OP_POP;
}

/* --- addresses -------------------------------------------------------------------------------- */

static uint32_t
random_data_address (void)
{
  uint32_t where = below (100);
  if (where < 82)
    return EXEC_DATA + 64 + below (EXEC_DATA_SIZE - 128);
  if (where < 90)
    return EXEC_DATA + EXEC_PAGE - below (16);
  if (where < 94)
    return EXEC_DATA + EXEC_DATA_SIZE - below (16) + below (64);
  if (where < 97)
    /* not across its end: which page faults first is a matter of taste */
    return EXEC_DATA + EXEC_DATA_SIZE + below (EXEC_PAGE - 16);
  return percent (50) ? EXEC_DATA - below (8) : EXEC_CODE + below (64);
}

/* An offset in the segment that an address of that size can name. */
static uint64_t
random_offset (unsigned seg, unsigned adsize)
{
  const ExecSegment *s = exec_segment (exec_mode, seg < X86_FS ? seg : X86_DS);
  uint32_t address = is_calm && percent (99) ? EXEC_DATA + 64 + below (EXEC_DATA_SIZE - 128) : random_data_address ();
  if (is_64 ()) {
    if (seg == X86_GS)
      return (uint64_t) EXEC_HIGH + address - EXEC_GS_BASE;
    if (!is_calm && adsize == 8 && percent (2))
      return percent (50) ? (uint64_t) 0x0000800000000000 - below (12) : random64 ();
    return address + (adsize == 8 && percent (80) ? EXEC_HIGH : 0);
  }
  if (exec_mode != EXEC_FLAT32 && percent (5))
    return percent (50) ? s->limit - 4 + below (8) : 0xfffc + below (8);
  if (exec_mode != EXEC_FLAT32 && seg == X86_CS)
    address = EXEC_CODE + below (256);
  if (exec_mode != EXEC_FLAT32 && seg == X86_SS)
    address = EXEC_STACK + below (EXEC_PAGE);
  return address - s->base;
}

static void
append (Case *c, const uint8_t *bytes, unsigned n, unsigned *at)
{
  CaseStep *s = &c->step[c->n_steps++];
  memcpy (c->code + *at, bytes, n);
  decode (bytes, n, &s->insn);
  s->offset = *at;
  s->target = -1;
  *at += n;
}

static unsigned
put_bytes (uint8_t *at, uint64_t value, unsigned size)
{
  for (unsigned i = 0; i < size; i++)
    at[i] = (uint8_t) (value >> (8 * i));
  return size;
}

/* MOV r64, imm64, or what is shorter where it will do; wide: in any case all of it. */
static void
append_mov64 (Case *c, unsigned reg, uint64_t value, bool wide, unsigned *at)
{
  uint8_t bytes[10], rex = reg >= 8 ? 0x41 : 0x40;
  unsigned n = 0;
  if (!wide && value == (uint32_t) value) {
    if (reg >= 8)
      bytes[n++] = rex;
    bytes[n++] = (uint8_t) (0xb8 + (reg & 7));
    n += put_bytes (bytes + n, value, 4);
  } else if (!wide && value == (uint64_t) (int32_t) value) {
    bytes[n++] = rex | 8;
    bytes[n++] = 0xc7;
    bytes[n++] = (uint8_t) (0xc0 + (reg & 7));
    n += put_bytes (bytes + n, value, 4);
  } else {
    bytes[n++] = rex | 8;
    bytes[n++] = (uint8_t) (0xb8 + (reg & 7));
    n += put_bytes (bytes + n, value, 8);
  }
  append (c, bytes, n, at);
}

/* MOV of the widest immediate. */
static void
append_mov (Case *c, unsigned reg, uint64_t value, unsigned *at)
{
  if (is_64 ()) {
    append_mov64 (c, reg, value, false, at);
    return;
  }
  uint8_t bytes[6] = { 0x66, (uint8_t) (0xb8 + reg) };
  put_bytes (bytes + 2, value, 4);
  append (c, is_16 () ? bytes : bytes + 1, is_16 () ? 6 : 5, at);
}

/* As part of an address of that size: what lies above it should not matter. */
static void
append_part (Case *c, unsigned reg, uint64_t value, unsigned adsize, unsigned *at)
{
  if (is_64 () && adsize == 4)
    value = (uint32_t) value | (percent (50) ? random64 () << 32 : 0);
  append_mov (c, reg, value, at);
}

/* Makes base, index and displacement of operand i meet at an address worth it; false: no way. */
static bool
aim (Case *c, Draft *d, unsigned i, unsigned *at)
{
  const X86Mem *m = &d->insn.operand[i].mem;
  uint64_t target = random_offset (m->seg, m->adsize), disp = (uint64_t) m->disp;
  if (d->insn.op == X86_OP_CMPXCHG16B && percent (95))
    target &= ~(uint64_t) 15;
  if (m->adsize == 2 && !is_16 ())
    return percent (is_calm ? 0 : 10);
  if (m->adsize == 2)
    target &= 0xffff;
  if (m->base == X86_RSP)
    return m->disp_size != 4 && m->index == X86_NO_REG && m->adsize != 4;
  if (m->base == X86_REG_RIP) {
    target = EXEC_HIGH + (m->seg == X86_GS ? (uint32_t) target : random_data_address ());
    if (m->seg == X86_GS)
      return false;
    put_bytes (d->bytes + d->modrm_at + 1, target - (case_pc (c, *at) + d->insn.length), 4);
    return true;
  }
  if (m->base == X86_NO_REG && m->index == X86_NO_REG) {
    bool moffs = !d->insn.has_modrm;
    if (is_64 () && !moffs && m->seg != X86_GS)         /* 32 bits, sign-extended */
      target = (uint32_t) target;
    put_bytes (d->bytes + (moffs ? d->modrm_at : d->modrm_at + 1 + d->insn.has_sib), target,
               moffs || !is_64 () ? m->adsize : 4);
    return true;
  }
  if (m->index != X86_NO_REG && m->index == m->base) {
    append_part (c, m->base, (target - disp) / (1 + (1u << m->scale)), m->adsize, at);
    return true;
  }
  uint64_t index = 0;
  if (m->index != X86_NO_REG) {
    index = m->base == X86_NO_REG ? (target - disp) >> m->scale : below (64);
    append_part (c, m->index, index, m->adsize, at);
    index <<= m->scale;
  }
  if (m->base != X86_NO_REG)
    append_part (c, m->base, target - disp - index, m->adsize, at);
  return true;
}

static uint64_t
stack_offset (uint32_t offset)
{
  if (is_64 ())
    return EXEC_HIGH + EXEC_STACK + offset;
  return EXEC_STACK + offset - exec_segment (exec_mode, X86_SS)->base;
}

/* What a count of 0 leaves in the upper halves is the processor's own (differences.c): there it is never 0. */
static bool
needs_count (const X86Insn *insn)
{
  return is_64 () && insn->adsize == 4 && insn->rep;
}

/* Fast strings look for an overlap by linear address (SDM 1, 7.3.9.3): the two are not at both places of the same memory. */
static bool
needs_one_place (const X86Insn *insn)
{
  return is_64 () && insn->op == X86_OP_MOVS && insn->rep;
}

static bool is_at_home (uint64_t linear) { return linear >> 32 == 0 || linear >> 32 == EXEC_HIGH >> 32; }

static bool
set_up_string (Case *c, Draft *d, unsigned *at)
{
  if (d->insn.adsize == 2 && !is_16 ())
    return percent (is_calm ? 0 : 10);
  unsigned source = d->insn.seg_override, adsize = d->insn.adsize;
  source = source == X86_NO_REG || (is_64 () && source < X86_FS) ? X86_DS : source;
  /* often near to one another */
  uint64_t from = random_offset (source, adsize);
  uint64_t to = percent (30) && source == X86_DS ? from + exec_segment (exec_mode, X86_DS)->base + below (64) - 32
                - exec_segment (exec_mode, X86_ES)->base : random_offset (X86_ES, adsize);
  uint64_t place = source == X86_GS ? EXEC_HIGH : from & ~(uint64_t) UINT32_MAX;
  if (needs_one_place (&d->insn) && source == X86_GS && adsize == 4)
    return false;
  if (needs_one_place (&d->insn) && is_at_home (place) && is_at_home (to))
    to = (uint32_t) to | place;
  append_part (c, X86_RSI, from, adsize, at);
  append_part (c, X86_RDI, to, adsize, at);
  if (d->insn.rep)
    append_part (c, X86_RCX, (percent (80) ? below (20) : below (6000)) + needs_count (&d->insn), adsize, at);
  return true;
}

/* What the instruction needs before it; may change its bytes. */
static bool
set_up (Case *c, Draft *d, unsigned *at)
{
  const X86Insn *insn = &d->insn;
  if (insn->attributes & X86_A_STRING)
    return set_up_string (c, d, at);
  switch (insn->op) {
  case X86_OP_ENTER:
    d->bytes[d->opcode_at + 2] = 0;
    d->bytes[d->opcode_at + 3] &= 7;
    append_mov (c, X86_RBP, stack_offset (1024 + below (2048)), at);
    return true;
  case X86_OP_LEAVE: append_mov (c, X86_RBP, stack_offset (1024 + below (2048)), at); return true;
  case X86_OP_LEA: case X86_OP_NOP: return true;
  case X86_OP_DIV: case X86_OP_IDIV:
    if (percent (80))
      append_mov (c, X86_RDX, percent (50) ? 0 : below (100), at);
    if (percent (30))
      append_mov (c, X86_RAX, below (1000), at);
    break;
  case X86_OP_BT: case X86_OP_BTS: case X86_OP_BTR: case X86_OP_BTC:
    if (insn->mem_operand >= 0 && insn->operand[1].kind == X86_OPERAND_GPR) {
      if (insn->operand[1].reg == X86_RSP || insn->operand[1].reg == insn->operand[0].mem.base)
        return false;
      append_mov (c, insn->operand[1].reg, (uint64_t) below (4000) - 2000, at);
      if (insn->operand[1].reg == insn->operand[0].mem.index)
        return false;
    }
    break;
  default: break;
  }
  return insn->mem_operand < 0 || aim (c, d, (unsigned) insn->mem_operand, at);
}

static bool
is_branch (const X86Insn *insn)
{
  return insn->branch == X86_BRANCH_JCC || insn->branch == X86_BRANCH_JMP || insn->branch == X86_BRANCH_CALL;
}

/* MOV reg, target; JMP or CALL reg.  PUSH target; RET.  All of 32 bits. */
static void
add_computed_branch_32 (Case *c, unsigned *at)
{
  unsigned reg = below (2) ? X86_RAX : X86_RBP;
  uint8_t branch[3] = { 0x66, 0xff, (uint8_t) ((percent (50) ? 0xe0 : 0xd0) + reg) };
  static const uint8_t push[6] = { 0x66, 0x68 };
  uint8_t ret[4] = { 0x66, (uint8_t) (percent (50) ? 0xc3 : 0xc2), (uint8_t) (4 * below (8)), 0 };
  unsigned skip = is_16 () ? 0 : 1;
  if (percent (50)) {
    append_mov (c, reg, 0, at);
    append (c, branch + skip, 3 - skip, at);
  } else {
    append (c, push + skip, 6 - skip, at);
    append (c, ret + skip, (ret[1] == 0xc3 ? 2 : 4) - skip, at);
  }
  c->step[c->n_steps - 1].computed_from = 1;
}

/* MOV reg, target; JMP or CALL reg, or PUSH reg; RET, or PUSH reg; JMP or CALL [rsp]. */
static void
add_computed_branch_64 (Case *c, unsigned *at)
{
  static const uint8_t registers[4] = { X86_RAX, X86_RBP, 8, 15 };
  unsigned reg = registers[below (4)], low = reg & 7, rex = reg >> 3, op = percent (50) ? 0xe0 : 0xd0;
  uint8_t branch[3] = { 0x41, 0xff, (uint8_t) (op + low) }, push[2] = { 0x41, (uint8_t) (0x50 + low) };
  uint8_t ret[3] = { (uint8_t) (percent (50) ? 0xc3 : 0xc2), (uint8_t) (8 * below (8)), 0 };
  uint8_t indirect[3] = { 0xff, (uint8_t) (op - 0xe0 + 0x24), 0x24 };
  append_mov64 (c, reg, 0, true, at);
  if (percent (40)) {
    append (c, branch + !rex, 2 + rex, at);
  } else {
    append (c, push + !rex, 1 + rex, at);
    c->step[c->n_steps - 1].no_entry = true;
    if (percent (70))
      append (c, ret, ret[0] == 0xc3 ? 1 : 3, at);
    else
      append (c, indirect, 3, at);
  }
  CaseStep *s = &c->step[c->n_steps - 1];
  s->computed_from = s[-1].no_entry ? 2 : 1;
}

static void
add_computed_branch (Case *c, unsigned *at)
{
  if (is_64 ())
    add_computed_branch_64 (c, at);
  else
    add_computed_branch_32 (c, at);
  c->step[c->n_steps - 1].no_entry = true;
}

static void
add_insn (Case *c, unsigned *at)
{
  if (percent (3)) {
    add_computed_branch (c, at);
    return;
  }
  for (;;) {
    Draft d;
    unsigned steps = c->n_steps, place = *at;
    if (!draft (&d) || d.insn.op == X86_OP_RET
        || (is_branch (&d.insn) && d.insn.operand[0].kind != X86_OPERAND_REL))
      continue;
    if (!set_up (c, &d, at)) {
      c->n_steps = steps;
      *at = place;
      continue;
    }
    decode (d.bytes, X86_MAX_INSN_LENGTH, &d.insn);
    append (c, d.bytes, d.insn.length, at);
    bool is_whole = is_calm || needs_count (&d.insn) || needs_one_place (&d.insn);
    for (unsigned i = steps + 1; i < c->n_steps && is_whole; i++)
      c->step[i].no_entry = true;
    if (is_calm) {
      if (writes_esp (&d.insn) || percent (5))
        append_mov (c, X86_RSP, stack_offset (2048 + 4 * below (64)), at);
    }
    return;
  }
}

/* --- the case --------------------------------------------------------------------------------- */

static void
patch (Case *c, unsigned i, unsigned from_end, unsigned size, uint64_t value)
{
  CaseStep *s = &c->step[i];
  put_bytes (c->code + s->offset + s->insn.length - from_end, value, size);
  decode (c->code + s->offset, X86_MAX_INSN_LENGTH, &s->insn);
}

/* A call to nowhere from a stack that is not there is a matter of taste. */
static bool
may_go_nowhere (const Case *c, unsigned i)
{
  for (unsigned k = 0; k < i; k++)
    if (writes_esp (&c->step[k].insn))
      return false;
  return !is_calm && percent (3);
}

/* Branches go forward to the start of some step. */
static void
aim_branch (Case *c, unsigned i)
{
  CaseStep *s = &c->step[i];
  unsigned size = s->insn.operand[0].size, end = s->offset + s->insn.length, target, reach = is_calm ? 8 : c->n_steps;
  bool reaches;
  do {
    unsigned ahead = c->n_steps - i - 1;
    target = i + 1 + below (ahead < reach ? ahead : reach);
    reaches = s->computed_from || size > 1 || c->step[target].offset - end <= 127;
  } while (!reaches || c->step[target].no_entry);
  s->target = (int) target;
  if (s->computed_from && is_64 ()) {
    uint64_t to = case_pc (c, c->step[target].offset);
    if (may_go_nowhere (c, i))
      to = percent (50) ? 0x0000800000000000 : random64 (), s->target = -1;
    patch (c, i - s->computed_from, 8, 8, to);
  } else if (s->computed_from) {
    patch (c, i - s->computed_from, 4, 4, case_pc (c, c->step[target].offset));
  } else {
    patch (c, i, size, size, c->step[target].offset - end);
    if (s->insn.opsize == 2 && exec_mode == EXEC_FLAT32)
      s->target = -1;   /* into nowhere */
  }
}

static uint32_t
undefined_after (const CaseStep *s)
{
  const X86Insn *insn = &s->insn;
  uint32_t unclear = insn->flags_undefined | insn->flags_varying;
  if (insn->attributes & X86_A_FLAGS_KEEP)
    return s->undefined_before | unclear;
  return (s->undefined_before & ~insn->flags_written) | unclear;
}

/* A NOP as long as the step was. */
static void
neutralise (Case *c, CaseStep *s)
{
  unsigned length = s->insn.length;
  memset (c->code + s->offset, 0x66, length - 1);
  c->code[s->offset + length - 1] = 0x90;
  decode (c->code + s->offset, length, &s->insn);
  s->target = -1;
}

/* Fills undefined_before.  What reads flags that are not defined becomes a NOP; false: there was such, look again. */
static bool
find_undefined (Case *c)
{
  bool good = true;
  for (unsigned i = 0; i < c->n_steps; i++)
    c->step[i].undefined_before = 0;
  for (unsigned i = 0; i + 1 < c->n_steps; i++) {
    CaseStep *s = &c->step[i];
    if (s->insn.flags_read & s->undefined_before) {
      neutralise (c, s);
      good = false;
    }
    uint32_t after = undefined_after (s);
    if (s->insn.op != X86_OP_JMP && s->insn.op != X86_OP_CALL && s->insn.op != X86_OP_RET)
      c->step[i + 1].undefined_before |= after;
    if (s->target >= 0)
      c->step[s->target].undefined_before |= after;
  }
  return good;
}

static void
random_start (Case *c)
{
  ExecState *s = &c->start;
  for (unsigned i = 0; i < (is_64 () ? 16 : 8); i++)
    s->gpr[i] = is_64 () ? random_wide () : random_value ();
  s->gpr[X86_RSP] = stack_offset (2048 + 4 * below (64));
  s->pc = case_pc (c, 0);
  s->eflags = random32 () & (X86_FL_ARITH | (percent (40) ? X86_FL_DF : 0));
  for (unsigned i = 0; i < sizeof s->data; i += 8)
    put_bytes (s->data + i, is_64 () && percent (50) ? random_wide () : random_value () | (uint64_t) random_value () << 32, 8);
  for (unsigned i = 0; i < sizeof s->stack; i += 8)
    put_bytes (s->stack + i, is_64 () ? random_wide () : random_value () | (uint64_t) random_value () << 32, 8);
}

void
case_generate (Case *c, uint64_t seed, ExecMode mode, unsigned n_insns)
{
  static const uint8_t int3[1] = { 0xcc };
  unsigned room = mode == EXEC_LONG64 || mode == EXEC_FLAT32 ? EXEC_CODE_SIZE : EXEC_PAGE;
  random_state = seed;
  exec_mode = mode;
  is_calm = n_insns > 20;
  unsigned at = 0;
  memset (c, 0, sizeof *c);
  memset (c->code, 0xcc, sizeof c->code);
  c->start.mode = mode;
  for (unsigned i = 0; i < n_insns && c->n_steps + 8 < CASE_STEPS && at + 128 < room; i++)
    add_insn (c, &at);
  append (c, int3, 1, &at);
  for (unsigned i = 0; i + 1 < c->n_steps; i++)
    if (c->step[i].computed_from || is_branch (&c->step[i].insn))
      aim_branch (c, i);
  while (!find_undefined (c))
    ;
  random_start (c);
}

uint32_t
case_undefined (const Case *c, uint64_t pc)
{
  for (unsigned i = 0; i < c->n_steps; i++) {
    const X86Insn *insn = &c->step[i].insn;
    if (pc != case_pc (c, c->step[i].offset))
      continue;
    /* a fault in the middle of REP CMPS: Intel restores the flags, AMD leaves those of the last comparison */
    return insn->rep && (insn->op == X86_OP_CMPS || insn->op == X86_OP_SCAS) ? X86_FL_ARITH
           : c->step[i].undefined_before;
  }
  for (unsigned i = 0; i < c->n_steps; i++)     /* traps: behind INT3, the last one */
    if (pc == case_pc (c, c->step[i].offset) + c->step[i].insn.length)
      return c->step[i].undefined_before;
  return X86_FL_ARITH;          /* somewhere else: a jump into nowhere */
}
