/* describe.c -- what instruments are told of an instruction: its class, where it goes, what it accesses. */
/* SPDX-License-Identifier: MIT */

#include "cpu.h"
#include "decode/decode.h"

/* --- facts by operation ----------------------------------------------------------------------- */

static const uint8_t class_of[X86_OP__COUNT] = {
#define OP(name, stem, kind) [X86_OP_##name] = BP_CLASS_##kind,
#include "decode/ops.def"
#undef OP
};

/* Registers as instruments number them (BpInsnRegisters): a set is a word. */
enum { NUM_RIP = 16, NUM_FLAGS = 17, NUM_XMM = 32, NUM_ST = 48 };
#define BIT(n) ((uint64_t) 1 << (n))
enum { NONE = 0, L = BP_INSN_LOADS, S = BP_INSN_STORES };

typedef struct Implicit {
  uint64_t read, written;
  uint16_t memory;
} Implicit;

#define RAX BIT (X86_RAX)
#define RCX BIT (X86_RCX)
#define RDX BIT (X86_RDX)
#define RBX BIT (X86_RBX)
#define RSP BIT (X86_RSP)
#define RBP BIT (X86_RBP)
#define RSI BIT (X86_RSI)
#define RDI BIT (X86_RDI)
#define R11 BIT (11)
#define RIP BIT (NUM_RIP)
#define XMM0 BIT (NUM_XMM)
#define ST0 BIT (NUM_ST)
#define ST1 BIT (NUM_ST + 1)

static const Implicit implicit[X86_OP__COUNT] = {
#define IMPLICIT(name, memory, read, written) [X86_OP_##name] = { read, written, memory },
#include "decode/implicit.def"
#undef IMPLICIT
};

/* --- class ------------------------------------------------------------------------------------ */

static unsigned
class_of_insn (const X86Insn *x)
{
  if (x->lock || ((x->attributes & X86_A_ATOMIC) && x->mem_operand >= 0))
    return BP_CLASS_ATOMIC;
  return x86_insn_is_marker (x) ? BP_CLASS_NOP : class_of[x->op];
}

/* --- where it goes ------------------------------------------------------------------------------ */

static unsigned
near_or_far (const X86Insn *x)
{
  unsigned kind = x->operand[0].kind;
  return BP_INSN_BRANCH | (kind == X86_OPERAND_REL || kind == X86_OPERAND_FAR ? 0 : BP_INSN_INDIRECT);
}

/* Calls of the system and returns from it are neither CALL nor RETURN: they do not pair on the stack. */
static unsigned
branch_flags (const X86Insn *x)
{
  switch (x->branch) {
  case X86_BRANCH_NONE: return 0;
  case X86_BRANCH_JCC: return BP_INSN_BRANCH | BP_INSN_CONDITIONAL;
  case X86_BRANCH_JMP: case X86_BRANCH_JMP_FAR: return near_or_far (x);
  case X86_BRANCH_CALL: case X86_BRANCH_CALL_FAR: return near_or_far (x) | BP_INSN_CALL;
  case X86_BRANCH_RET: case X86_BRANCH_RET_FAR: return BP_INSN_BRANCH | BP_INSN_INDIRECT | BP_INSN_RETURN;
  default: return BP_INSN_BRANCH | BP_INSN_INDIRECT | (x->op == X86_OP_INTO ? BP_INSN_CONDITIONAL : 0);
  }
}

/* A selector means an address only where it is one: in real and virtual-8086 mode. */
static uint64_t
target_of (const X86Insn *x, const BpTbKey *key, uint64_t address)
{
  const X86Operand *o = &x->operand[0];
  if (x->branch == X86_BRANCH_NONE || x->n_operands == 0)
    return UINT64_MAX;
  if (o->kind == X86_OPERAND_FAR)
    return (key->flags & (HF_PE | HF_VM)) == HF_PE ? UINT64_MAX : (uint32_t) (((uint32_t) o->selector << 4) + o->imm);
  if (o->kind != X86_OPERAND_REL)
    return UINT64_MAX;
  if (x->mode == X86_MODE_64)
    return x86_branch_target (x, address);
  return (uint32_t) (key->base + x86_branch_target (x, (uint32_t) (address - key->base)));
}

/* --- memory --------------------------------------------------------------------------------------- */

static unsigned
memory_flags (const X86Insn *x)
{
  unsigned flags = implicit[x->op].memory;
  for (unsigned i = 0; i < x->n_operands; i++)
    if (x->operand[i].kind == X86_OPERAND_MEM)
      flags |= (x->operand[i].access & X86_ACCESS_R ? BP_INSN_LOADS : 0) | (x->operand[i].access & X86_ACCESS_W ? BP_INSN_STORES : 0);
  if (x->op == X86_OP_ENTER && (x->operand[1].imm & 31) > 1)    /* copies frame pointers of outer levels */
    flags |= BP_INSN_LOADS;
  return flags;
}

/* --- registers ------------------------------------------------------------------------------------- */

static uint64_t
register_bit (const X86Operand *o)
{
  switch (o->kind) {
  case X86_OPERAND_GPR: return BIT (o->reg);
  case X86_OPERAND_XMM: return BIT (NUM_XMM + o->reg);
  case X86_OPERAND_ST: case X86_OPERAND_MM: return BIT (NUM_ST + o->reg);
  default: return 0;
  }
}

static uint64_t
base_bit (const X86Mem *mem)
{
  return mem->base == X86_NO_REG ? 0 : mem->base == X86_REG_RIP ? BIT (NUM_RIP) : BIT (mem->base);
}

static uint64_t
address_bits (const X86Mem *mem)
{
  return base_bit (mem) | (mem->index == X86_NO_REG ? 0 : BIT (mem->vsib ? NUM_XMM + mem->index : mem->index));
}

static void
add_operands (const X86Insn *x, uint64_t *read, uint64_t *written)
{
  for (unsigned i = 0; i < x->n_operands; i++) {
    const X86Operand *o = &x->operand[i];
    uint64_t bit = register_bit (o);
    *read |= o->access & X86_ACCESS_R ? bit : 0;
    *written |= o->access & X86_ACCESS_W ? bit : 0;
    if (o->kind == X86_OPERAND_MEM && x->op != X86_OP_NOP)
      *read |= address_bits (&o->mem);
    if (o->kind == X86_OPERAND_MEM && (x->attributes & X86_A_STRING))
      *written |= base_bit (&o->mem);
    if (o->kind == X86_OPERAND_REL)
      *read |= BIT (NUM_RIP);
  }
}

static void
add_implicit (const X86Insn *x, uint64_t *read, uint64_t *written)
{
  const Implicit *i = &implicit[x->op];
  bool bytes = (i->read & RAX) && (i->written & RDX) && x->n_operands > 0 && x->operand[0].size == 1;  /* AX in place of DX:AX */
  *read |= bytes ? i->read & ~RDX : i->read;
  *written |= bytes ? i->written & ~RDX : i->written;
  if (x->attributes & X86_A_STACK) {
    *read |= RSP;
    *written |= RSP;
  }
  if (x->rep != X86_REP_NONE) {
    *read |= RCX;
    *written |= RCX;
  }
}

static void
add_flow_and_flags (const X86Insn *x, uint64_t *read, uint64_t *written)
{
  if (x->flags_read)
    *read |= BIT (NUM_FLAGS);
  if (x->flags_written | x->flags_undefined)
    *written |= BIT (NUM_FLAGS);
  if (x->branch != X86_BRANCH_NONE)
    *written |= BIT (NUM_RIP);
  if (x->branch == X86_BRANCH_CALL || x->branch == X86_BRANCH_CALL_FAR || x->branch == X86_BRANCH_INT)
    *read |= BIT (NUM_RIP);
}

static unsigned
list (uint64_t set, uint8_t out[8])
{
  unsigned n = 0;
  for (; set && n < 8; set &= set - 1)
    out[n++] = (uint8_t) __builtin_ctzll (set);
  return n;
}

/* --- the frontend's functions ---------------------------------------------------------------------- */

static bool
decode (const BpInsn *insn, X86Mode mode, X86Insn *x)
{
  return x86_decode (insn->bytes, insn->size < sizeof insn->bytes ? insn->size : sizeof insn->bytes, mode, x) == X86_DECODE_OK;
}

void
x86_describe (const BpTbKey *key, BpInsn *insn)
{
  X86Insn x;
  X86Mode mode = key->flags & HF_CODE64 ? X86_MODE_64 : key->flags & HF_CS32 ? X86_MODE_32 : X86_MODE_16;
  insn->code_bits = mode == X86_MODE_64 ? 64 : mode == X86_MODE_32 ? 32 : 16;
  insn->privilege = key->flags & HF_CPL;
  insn->insn_class = BP_CLASS_OTHER;
  insn->flags = 0;
  insn->target = UINT64_MAX;
  if (!decode (insn, mode, &x))
    return;
  insn->insn_class = (uint8_t) class_of_insn (&x);
  insn->flags = (uint16_t) (branch_flags (&x) | memory_flags (&x) | (x.rep != X86_REP_NONE ? BP_INSN_REPEATED : 0));
  insn->target = target_of (&x, key, insn->address);
}

bool
x86_insn_registers (const BpInsn *insn, BpInsnRegisters *out)
{
  X86Insn x;
  uint64_t read = 0, written = 0;
  X86Mode mode = insn->code_bits == 64 ? X86_MODE_64 : insn->code_bits == 32 ? X86_MODE_32 : X86_MODE_16;
  if (insn->code_bits == 0 || !decode (insn, mode, &x))
    return false;
  add_operands (&x, &read, &written);
  add_implicit (&x, &read, &written);
  add_flow_and_flags (&x, &read, &written);
  out->n_read = (uint8_t) list (read, out->read);
  out->n_written = (uint8_t) list (written, out->written);
  return true;
}
