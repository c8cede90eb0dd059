/* translate.c -- guest code as IR, a block at a time. */
/* SPDX-License-Identifier: MIT */
#include "riscv.h"

/* --- what the IR knows of the state --------------------------------------------------------------- */

/* The registers, the ones that compilers use most first: the accelerator keeps so many of them in the host's as there is room for. */
#define X(name, n) { name, offsetof (RvCpu, x[n]), BP_IR_I32, 1 }
const BpIrGlobal rv_globals[31] = {
  X ("sp", 2), X ("a0", 10), X ("a5", 15), X ("a4", 14), X ("a1", 11), X ("a3", 13), X ("a2", 12), X ("s0", 8), X ("ra", 1), X ("s1", 9),
  X ("t0", 5), X ("t1", 6), X ("a6", 16), X ("a7", 17), X ("s2", 18), X ("s3", 19), X ("s4", 20), X ("t3", 28), X ("t4", 29), X ("t5", 30),
  X ("t6", 31), X ("t2", 7), X ("s5", 21), X ("s6", 22), X ("s7", 23), X ("s8", 24), X ("s9", 25), X ("s10", 26), X ("s11", 27), X ("gp", 3),
  X ("tp", 4)
};

/* Number in that table of each x register, x0 apart. */
static const uint8_t global_of[32] = {
  [2] = 0, [10] = 1, [15] = 2, [14] = 3, [11] = 4, [13] = 5, [12] = 6, [8] = 7, [1] = 8, [9] = 9, [5] = 10, [6] = 11, [16] = 12, [17] = 13, [18] = 14,
  [19] = 15, [20] = 16, [28] = 17, [29] = 18, [30] = 19, [31] = 20, [7] = 21, [21] = 22, [22] = 23, [23] = 24, [24] = 25, [25] = 26, [26] = 27,
  [27] = 28, [3] = 29, [4] = 30
};

static void helper_raise_trap (RvCpu *env, uint32_t cause, uint32_t value) { rv_raise (env, cause, value); }
static uint32_t helper_csr_read (RvCpu *env, uint32_t number) { return rv_csr_read (env, number); }
static void helper_csr_write (RvCpu *env, uint32_t number, uint32_t value) { rv_csr_write (env, number, value); }
static void helper_trap_return (RvCpu *env) { rv_return (env); }
static void helper_marker (RvCpu *env, uint32_t number) { bp_tcg_ops (env)->marker (env, number); }

/* pc is the next instruction's already. */
static void
helper_wait_here (RvCpu *env)
{
  env->halted = true;
  bp_tcg_ops (env)->leave (env);
}

/* All of them look at no x register; those that may raise or look at the clock want the accelerator to know where they were called from. */
#define HELPER(name_, flags_, n, result) \
  static const BpIrHelper name_ = { .name = #name_, .function = (void (*) (void)) helper_##name_, .flags = (flags_), .n_args = (n), .has_result = (result), \
                                    .result_type = BP_IR_I32, .arg_type = { BP_IR_I64, BP_IR_I32, BP_IR_I32 } }
HELPER (raise_trap, BP_HELPER_NO_WRITE | BP_HELPER_NO_RETURN, 3, false);
HELPER (csr_read, BP_HELPER_NO_WRITE, 2, true);
HELPER (csr_write, BP_HELPER_NO_WRITE, 3, false);
HELPER (trap_return, BP_HELPER_NO_WRITE, 1, false);
HELPER (wait_here, BP_HELPER_NO_WRITE | BP_HELPER_NO_RETURN, 1, false);
HELPER (marker, BP_HELPER_NO_WRITE, 2, false);
const BpIrHelper *const rv_helpers[] = { &raise_trap, &csr_read, &csr_write, &trap_return, &wait_here, &marker, NULL };

/* --- operands ------------------------------------------------------------------------------------------ */

typedef struct Translator {
  RvCpu *env;
  BpTranslation *t;
  BpIrBlock *b;
  uint32_t pc;                  /* of the current instruction */
  unsigned n_exits;
  bool ended;                   /* the last instruction went elsewhere */
} Translator;

static BpTemp i32 (Translator *s, uint32_t value) { return bp_ir_i32 (s->b, (int32_t) value); }
static BpTemp local (Translator *s) { return bp_ir_local (s->b, BP_IR_I32); }

static BpTemp
get (Translator *s, unsigned n)
{
  return n == 0 ? i32 (s, 0) : bp_ir_global (global_of[n]);
}

/* Where an instruction's result goes; x0 takes anything, and nobody reads it. */
static BpTemp
destination (Translator *s, unsigned n)
{
  return n == 0 ? local (s) : bp_ir_global (global_of[n]);
}

static void
set (Translator *s, unsigned n, BpTemp value)
{
  if (n != 0)
    bp_ir_mov (s->b, BP_IR_I32, bp_ir_global (global_of[n]), value);
}

static BpTemp
binary (Translator *s, BpIrOp op, BpTemp x, BpTemp y)
{
  BpTemp result = local (s);
  bp_ir_op3 (s->b, op, BP_IR_I32, result, x, y);
  return result;
}

/* --- leaving the block ---------------------------------------------------------------------------------- */

static void
set_pc (Translator *s, BpTemp pc)
{
  bp_ir_st (s->b, BP_IR_st32, pc, BP_IR_ENV, offsetof (RvCpu, pc));
}

/* Through the loop, or by a look-up that sees whether anybody has asked to leave: after what may have changed how code runs. */
static void
go_anywhere (Translator *s)
{
  if (s->t->cflags & BP_TCG_CF_NO_CHAIN)
    bp_ir_exit_tb (s->b, BP_IR_EXIT_NONE);
  else
    bp_ir_goto_any (s->b);
  s->ended = true;
}

static void
jump_indirect (Translator *s, BpTemp target)
{
  if (s->t->cflags & BP_TCG_CF_NO_CHAIN) {
    set_pc (s, target);
    bp_ir_exit_tb (s->b, BP_IR_EXIT_NONE);
  } else {
    bp_ir_goto_ptr (s->b, target);
  }
  s->ended = true;
}

/* Direct jumps stay on the page: only of it is it certain that it is mapped as it was. */
static void
jump (Translator *s, uint32_t target)
{
  bool same_page = ((target ^ (uint32_t) s->t->key.pc) & ~4095u) == 0;
  if (!same_page || s->t->cflags & BP_TCG_CF_NO_CHAIN) {
    jump_indirect (s, i32 (s, target));
    return;
  }
  unsigned exit = s->n_exits++;
  bp_ir_goto_tb (s->b, exit);
  set_pc (s, i32 (s, target));
  bp_ir_exit_tb (s->b, exit);
  s->ended = true;
}

static void
raise_exception (Translator *s, uint32_t cause, BpTemp value)
{
  bp_ir_call (s->b, &raise_trap, BP_IR_NONE, (BpTemp[]) { BP_IR_ENV, i32 (s, cause), value }, 3);
  bp_ir_exit_tb (s->b, BP_IR_EXIT_NONE);
  s->ended = true;
}

static void
illegal (Translator *s, uint32_t word)
{
  raise_exception (s, CAUSE_ILLEGAL, i32 (s, word));
}

static void
jump_checked (Translator *s, uint32_t target)
{
  if (target & 3)
    raise_exception (s, CAUSE_FETCH_MISALIGNED, i32 (s, target));
  else
    jump (s, target);
}

/* --- jumps ------------------------------------------------------------------------------------------------- */

static void
emit_branch (Translator *s, const RvInsn *i, BpIrCond condition)
{
  uint32_t taken = bp_ir_label_new (s->b);
  bp_ir_brcond (s->b, BP_IR_I32, condition, get (s, i->rs1), get (s, i->rs2), taken);
  jump (s, s->pc + 4);
  bp_ir_label (s->b, taken);
  jump_checked (s, s->pc + (uint32_t) i->imm);
}

static void
emit_jal (Translator *s, const RvInsn *i)
{
  uint32_t target = s->pc + (uint32_t) i->imm;
  if (!(target & 3))
    set (s, i->rd, i32 (s, s->pc + 4));
  jump_checked (s, target);
}

/* The register that is written may be the one that the target comes from, and is not written when the target is no place for code. */
static void
emit_jalr (Translator *s, const RvInsn *i)
{
  uint32_t misaligned = bp_ir_label_new (s->b);
  BpTemp target = binary (s, BP_IR_and, binary (s, BP_IR_add, get (s, i->rs1), i32 (s, (uint32_t) i->imm)), i32 (s, ~1u));
  bp_ir_brcond (s->b, BP_IR_I32, BP_IR_TSTNE, target, i32 (s, 2), misaligned);
  set (s, i->rd, i32 (s, s->pc + 4));
  jump_indirect (s, target);
  bp_ir_label (s->b, misaligned);
  raise_exception (s, CAUSE_FETCH_MISALIGNED, target);
}

/* --- memory ---------------------------------------------------------------------------------------------- */

static BpTemp
address (Translator *s, const RvInsn *i)
{
  return i->imm ? binary (s, BP_IR_add, get (s, i->rs1), i32 (s, (uint32_t) i->imm)) : get (s, i->rs1);
}

/* Into a local first: the access may fault, and the register then keeps its value. */
static void
emit_load (Translator *s, const RvInsn *i, BpMemOp memop)
{
  BpTemp value = local (s);
  bp_ir_gld (s->b, BP_IR_I32, value, address (s, i), memop | (i->rs1 == 2 ? BP_MO_NEAR : 0));
  set (s, i->rd, value);
}

static void
emit_store (Translator *s, const RvInsn *i, BpMemOp memop)
{
  bp_ir_gst (s->b, get (s, i->rs2), address (s, i), memop | (i->rs1 == 2 ? BP_MO_NEAR : 0));
}

/* --- arithmetic ---------------------------------------------------------------------------------------------- */

static void
emit_arithmetic (Translator *s, const RvInsn *i, BpIrOp op, BpTemp y)
{
  bp_ir_op3 (s->b, op, BP_IR_I32, destination (s, i->rd), get (s, i->rs1), y);
}

static void
emit_compare (Translator *s, const RvInsn *i, BpIrCond condition, BpTemp y)
{
  bp_ir_setcond (s->b, BP_IR_I32, condition, destination (s, i->rd), get (s, i->rs1), y);
}

/* The upper half of the product. */
static void
emit_multiply_high (Translator *s, const RvInsn *i, BpIrOp op)
{
  BpTemp low = local (s), high = local (s);
  bp_ir_op4 (s->b, op, BP_IR_I32, low, high, get (s, i->rs1), get (s, i->rs2));
  set (s, i->rd, high);
}

static BpTemp
widen (Translator *s, BpIrOp op, BpTemp x)
{
  BpTemp wide = bp_ir_local (s->b, BP_IR_I64);
  bp_ir_op2 (s->b, op, BP_IR_I64, wide, x);
  return wide;
}

static void
emit_mulhsu (Translator *s, const RvInsn *i)
{
  BpTemp product = widen (s, BP_IR_ext32s, get (s, i->rs1)), y = widen (s, BP_IR_ext32u, get (s, i->rs2)), high = local (s);
  bp_ir_op3 (s->b, BP_IR_mul, BP_IR_I64, product, product, y);
  bp_ir_op3 (s->b, BP_IR_shr, BP_IR_I64, product, product, bp_ir_i64 (s->b, 32));
  bp_ir_op2 (s->b, BP_IR_trunc, BP_IR_I32, high, product);
  set (s, i->rd, high);
}

/* In 64 bits nothing overflows: -2^31 / -1 is 2^31, of which the low half is what the manual wants (unprivileged, table 7.1).  Division by 0 is done by 1
 * instead: the remainder of that is 0, and not what is wanted. */
static void
emit_divide (Translator *s, const RvInsn *i, bool is_signed, bool wants_remainder)
{
  BpIrBlock *b = s->b;
  BpTemp x = widen (s, is_signed ? BP_IR_ext32s : BP_IR_ext32u, get (s, i->rs1)), y = widen (s, is_signed ? BP_IR_ext32s : BP_IR_ext32u, get (s, i->rs2));
  BpTemp high = bp_ir_i64 (b, 0), zero = bp_ir_i64 (b, 0), quotient = bp_ir_local (b, BP_IR_I64), remainder = bp_ir_local (b, BP_IR_I64);
  if (is_signed) {
    high = bp_ir_local (b, BP_IR_I64);
    bp_ir_op3 (b, BP_IR_sar, BP_IR_I64, high, x, bp_ir_i64 (b, 63));
  }
  bp_ir_movcond (b, BP_IR_I64, BP_IR_EQ, y, y, zero, bp_ir_i64 (b, 1), y);
  bp_ir_op5 (b, is_signed ? BP_IR_divs2 : BP_IR_divu2, BP_IR_I64, quotient, remainder, x, high, y);
  BpTemp result = local (s);
  bp_ir_op2 (b, BP_IR_trunc, BP_IR_I32, result, wants_remainder ? remainder : quotient);
  bp_ir_movcond (b, BP_IR_I32, BP_IR_EQ, result, get (s, i->rs2), i32 (s, 0), wants_remainder ? get (s, i->rs1) : i32 (s, ~0u), result);
  set (s, i->rd, result);
}

/* --- control and status registers --------------------------------------------------------------------- */

/* csrrw without a destination does not read, csrrs and csrrc of x0 (or 0) do not write: it matters where either has an effect (unprivileged, 9.1). */
static void
emit_csr (Translator *s, const RvInsn *i)
{
  uint32_t number = (uint32_t) i->imm;
  bool swaps = i->op == RV_OP_csrrw || i->op == RV_OP_csrrwi, writes = swaps || i->rs1 != 0, is_read_only = number >> 10 == 3;
  if (!rv_csr_exists (s->env, number) || (writes && is_read_only)) {
    illegal (s, i->word);
    return;
  }
  BpTemp source = i->format == RV_FORMAT_CSRI ? i32 (s, i->rs1) : get (s, i->rs1), old = local (s);
  if (!swaps || i->rd != 0)
    bp_ir_call (s->b, &csr_read, old, (BpTemp[]) { BP_IR_ENV, i32 (s, number) }, 2);
  if (writes) {
    bool sets = i->op == RV_OP_csrrs || i->op == RV_OP_csrrsi;
    BpTemp value = swaps ? source : binary (s, sets ? BP_IR_or : BP_IR_andc, old, source);
    bp_ir_call (s->b, &csr_write, BP_IR_NONE, (BpTemp[]) { BP_IR_ENV, i32 (s, number), value }, 3);
  }
  if (!swaps || i->rd != 0)
    set (s, i->rd, old);
  if (writes || (rv_csr_counts (number) && s->t->cflags & BP_TCG_CF_ICOUNT)) {
    set_pc (s, i32 (s, s->pc + 4));
    go_anywhere (s);
  }
}

/* --- the rest of the system ---------------------------------------------------------------------------- */

static void
emit_mret (Translator *s)
{
  bp_ir_call (s->b, &trap_return, BP_IR_NONE, (BpTemp[]) { BP_IR_ENV }, 1);
  go_anywhere (s);
}

static void
emit_wfi (Translator *s)
{
  set_pc (s, i32 (s, s->pc + 4));
  bp_ir_call (s->b, &wait_here, BP_IR_NONE, (BpTemp[]) { BP_IR_ENV }, 1);
  bp_ir_exit_tb (s->b, BP_IR_EXIT_NONE);
  s->ended = true;
}

/* slti x0, x0, N does nothing, and is set aside for such uses (unprivileged, table 2.3). */
static void
emit_marker (Translator *s, const RvInsn *i)
{
  bp_ir_call (s->b, &marker, BP_IR_NONE, (BpTemp[]) { BP_IR_ENV, i32 (s, (uint32_t) i->imm) }, 2);
  set_pc (s, i32 (s, s->pc + 4));
  go_anywhere (s);
}

/* --- by instruction ------------------------------------------------------------------------------------ */

static void
emit (Translator *s, const RvInsn *i)
{
  BpTemp imm = i32 (s, (uint32_t) i->imm);
  switch ((RvOp) i->op) {
  case RV_OP_lui: set (s, i->rd, imm); break;
  case RV_OP_auipc: set (s, i->rd, i32 (s, s->pc + (uint32_t) i->imm)); break;
  case RV_OP_jal: emit_jal (s, i); break;
  case RV_OP_jalr: emit_jalr (s, i); break;
  case RV_OP_beq: emit_branch (s, i, BP_IR_EQ); break;
  case RV_OP_bne: emit_branch (s, i, BP_IR_NE); break;
  case RV_OP_blt: emit_branch (s, i, BP_IR_LT); break;
  case RV_OP_bge: emit_branch (s, i, BP_IR_GE); break;
  case RV_OP_bltu: emit_branch (s, i, BP_IR_LTU); break;
  case RV_OP_bgeu: emit_branch (s, i, BP_IR_GEU); break;
  case RV_OP_lb: emit_load (s, i, BP_MO_8 | BP_MO_SIGN); break;
  case RV_OP_lh: emit_load (s, i, BP_MO_16 | BP_MO_SIGN); break;
  case RV_OP_lw: emit_load (s, i, BP_MO_32); break;
  case RV_OP_lbu: emit_load (s, i, BP_MO_8); break;
  case RV_OP_lhu: emit_load (s, i, BP_MO_16); break;
  case RV_OP_sb: emit_store (s, i, BP_MO_8); break;
  case RV_OP_sh: emit_store (s, i, BP_MO_16); break;
  case RV_OP_sw: emit_store (s, i, BP_MO_32); break;
  case RV_OP_addi: emit_arithmetic (s, i, BP_IR_add, imm); break;
  case RV_OP_slti: i->rd || i->rs1 ? emit_compare (s, i, BP_IR_LT, imm) : emit_marker (s, i); break;
  case RV_OP_sltiu: emit_compare (s, i, BP_IR_LTU, imm); break;
  case RV_OP_xori: emit_arithmetic (s, i, BP_IR_xor, imm); break;
  case RV_OP_ori: emit_arithmetic (s, i, BP_IR_or, imm); break;
  case RV_OP_andi: emit_arithmetic (s, i, BP_IR_and, imm); break;
  case RV_OP_slli: emit_arithmetic (s, i, BP_IR_shl, imm); break;
  case RV_OP_srli: emit_arithmetic (s, i, BP_IR_shr, imm); break;
  case RV_OP_srai: emit_arithmetic (s, i, BP_IR_sar, imm); break;
  case RV_OP_add: emit_arithmetic (s, i, BP_IR_add, get (s, i->rs2)); break;
  case RV_OP_sub: emit_arithmetic (s, i, BP_IR_sub, get (s, i->rs2)); break;
  case RV_OP_sll: emit_arithmetic (s, i, BP_IR_shl, get (s, i->rs2)); break;
  case RV_OP_slt: emit_compare (s, i, BP_IR_LT, get (s, i->rs2)); break;
  case RV_OP_sltu: emit_compare (s, i, BP_IR_LTU, get (s, i->rs2)); break;
  case RV_OP_xor: emit_arithmetic (s, i, BP_IR_xor, get (s, i->rs2)); break;
  case RV_OP_srl: emit_arithmetic (s, i, BP_IR_shr, get (s, i->rs2)); break;
  case RV_OP_sra: emit_arithmetic (s, i, BP_IR_sar, get (s, i->rs2)); break;
  case RV_OP_or: emit_arithmetic (s, i, BP_IR_or, get (s, i->rs2)); break;
  case RV_OP_and: emit_arithmetic (s, i, BP_IR_and, get (s, i->rs2)); break;
  case RV_OP_mul: emit_arithmetic (s, i, BP_IR_mul, get (s, i->rs2)); break;
  case RV_OP_mulh: emit_multiply_high (s, i, BP_IR_muls2); break;
  case RV_OP_mulhsu: emit_mulhsu (s, i); break;
  case RV_OP_mulhu: emit_multiply_high (s, i, BP_IR_mulu2); break;
  case RV_OP_div: emit_divide (s, i, true, false); break;
  case RV_OP_divu: emit_divide (s, i, false, false); break;
  case RV_OP_rem: emit_divide (s, i, true, true); break;
  case RV_OP_remu: emit_divide (s, i, false, true); break;
  case RV_OP_fence: bp_ir_append (s->b, BP_IR_fence, BP_IR_I32)->aux = 3; break;
  case RV_OP_fence_i: jump (s, s->pc + 4); break;       /* (the accelerator sees by itself when code is written) */
  case RV_OP_csrrw: case RV_OP_csrrs: case RV_OP_csrrc: case RV_OP_csrrwi: case RV_OP_csrrsi: case RV_OP_csrrci: emit_csr (s, i); break;
  case RV_OP_ecall: raise_exception (s, CAUSE_ECALL_M, i32 (s, 0)); break;
  case RV_OP_ebreak: raise_exception (s, CAUSE_BREAKPOINT, i32 (s, s->pc)); break;
  case RV_OP_mret: emit_mret (s); break;
  case RV_OP_wfi: emit_wfi (s); break;
  default: illegal (s, i->word); break;
  }
}

/* --- the block ------------------------------------------------------------------------------------------- */

/* false: the next instruction cannot be fetched, and the block ends before it; the first one's fault is raised. */
static bool
translate_insn (Translator *s)
{
  uint8_t bytes[4];
  RvInsn insn;
  BpTranslation *t = s->t;
  if (bp_tcg_ops (s->env)->fetch (s->env, t, s->pc, bytes, sizeof bytes, t->n_insns == 0) < sizeof bytes)
    return false;
  uint32_t word = bytes[0] | (uint32_t) bytes[1] << 8 | (uint32_t) bytes[2] << 16 | (uint32_t) bytes[3] << 24;
  bp_ir_insn_start (s->b, s->pc, 0);
  if (rv_decode (word, &insn))
    emit (s, &insn);
  else
    illegal (s, word);
  s->pc += 4;
  t->n_insns++;
  return true;
}

/* An instruction never crosses pages, and a block does not either. */
void
rv_translate (void *env, BpTranslation *t)
{
  Translator s = { .env = env, .t = t, .b = t->ir, .pc = (uint32_t) t->key.pc };
  t->n_insns = 0;
  while (translate_insn (&s) && !s.ended && t->n_insns < t->max_insns && s.pc & 4095)
    ;
  if (!s.ended)
    jump (&s, s.pc);
  t->n_bytes = 4 * t->n_insns;
}
