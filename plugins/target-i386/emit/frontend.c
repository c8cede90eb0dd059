/* frontend.c -- the table through which an accelerator drives this CPU type; block keys, restoring. */
/* SPDX-License-Identifier: MIT */
/*
 * Keys are made and instructions restored while the guest's FP registers may be in the host's: this file is
 * built with -mgeneral-regs-only.
 */

#include <stdio.h>

#include "../runtime/helpers.h"
#include "translate.h"

/* --- keys ------------------------------------------------------------------------------------- */

/* How a segment that is not flat may be accessed, when nothing but its limit can be wrong.  Outside protected
 * mode types are not
 * looked at. */
static uint64_t
segment_access (const X86Cpu *env, unsigned seg)
{
  uint32_t a = env->segment[seg].attributes;
  bool is_code = a & SEG_CODE;
  if (!x86_is_protected (env))
    return !is_code && (a & SEG_EXPAND_DOWN) ? 0 : KEY_READ (seg) | KEY_WRITE (seg);
  if (!(a & SEG_P) || !(a & SEG_S) || (!is_code && (a & SEG_EXPAND_DOWN)))
    return 0;
  if (is_code)
    return a & SEG_WRITABLE ? KEY_READ (seg) : 0;
  return KEY_READ (seg) | (a & SEG_WRITABLE ? KEY_WRITE (seg) : 0);
}

void
x86_block_key (const void *cpu, BpTbKey *key)
{
  const X86Cpu *env = cpu;
  const BpX86Segment *cs = &env->segment[BP_X86_CS];
  uint32_t hflags = env->hflags;
  uint64_t flags = x86_key_flags (hflags);
  if (hflags & HF_CODE64) {
    key->base = 0;
    key->pc = env->eip;
    key->flags = flags;
    return;
  }
  unsigned last = x86_key_leaves_out_gs (hflags) ? X86_FS : X86_GS;
  for (unsigned seg = X86_ES; seg <= last; seg++)
    if (!(hflags & HF_FLAT (seg)))
      flags |= segment_access (env, seg);
  if (!(hflags & HF_FLAT (X86_CS)))
    flags |= (uint64_t) (cs->limit < 1u << 20 ? cs->limit : cs->limit >> 12) << KEY_CS_LIMIT_SHIFT;
  key->base = cs->base;
  key->pc = (uint32_t) (cs->base + env->eip);
  key->flags = flags;
}

#define NEAR_STACK 16           /* an instruction with another memory operand reaches so far from the stack pointer */
#define FP_ES 0x80              /* status word: an unmasked exception waits */

/* --- back to the start of an instruction ------------------------------------------------------ */

/* The flags that a PENDING_* operation would have left.  Doing it twice changes nothing. */
static void
restore_pending (X86Cpu *env, uint32_t word)
{
  unsigned kind = word >> WORD_PENDING_SHIFT & 7, log2 = word >> WORD_PENDING_SIZE_SHIFT & 3,
    bits = 8u << log2;
  uint64_t result = env->gpr[word >> WORD_PENDING_REG_SHIFT & 15];
  uint32_t flags = x86_compute_cc (env->cc_op, env->cc_dst, env->cc_src, env->cc_src2);
  if (kind == PENDING_INC || kind == PENDING_DEC) {
    env->cc_dst = result;
    env->cc_src = flags & X86_FL_CF;
    env->cc_op = (kind == PENDING_INC ? CC_INC8 : CC_DEC8) + log2;
    return;
  }
  bool top = result >> (bits - 1) & 1, carry = kind == PENDING_ROL ? result & 1 : top;
  bool other = kind == PENDING_ROL ? carry : result >> (bits - 2) & 1;
  env->cc_src = (flags & ~(uint32_t) (X86_FL_CF | X86_FL_OF)) | (carry ? X86_FL_CF : 0)
    | (top != other ? X86_FL_OF : 0);
  env->cc_op = CC_EFLAGS;
}

/* SDM 3A table 6-2: an x87 exception that waits is of a higher class than faults on the operand are. */
static void
prefer_fp_exception (X86Cpu *env)
{
  uint32_t faults = 1u << EXC_PF | 1u << EXC_GP | 1u << EXC_SS | 1u << EXC_AC;
  uint16_t status = (uint16_t) (env->fp[2] | env->fp[3] << 8);
  if (env->exc_vector < 0 || env->exc_vector > 31 || !(faults >> env->exc_vector & 1) || !(status & FP_ES)
      || !(env->cr0 & CR0_NE))
    return;
  if (env->exc_vector == EXC_PF)
    env->cr2 = env->cr2_before;
  env->exc_vector = EXC_MF;
  env->exc_error = env->exc_has_error = 0;
}

/* The #GP(0) of an address that is not canonical is #SS(0) where the stack's segment was meant (SDM 1, 3.3.7.1). */
static void
prefer_stack_fault (X86Cpu *env, uint32_t word)
{
  uint64_t below = env->gpr[X86_RSP] - NEAR_STACK;
  if (env->exc_vector != EXC_GP || env->bad_address == 0)
    return;
  if (!(word & WORD_STACK_TOO) || env->bad_address - below < 2 * NEAR_STACK)
    env->exc_vector = EXC_SS;
}

/* The jump's target is not canonical: #GP(0) on the instruction that jumps (SDM 2, JMP, CALL, RET). */
static bool
may_jump (void *cpu, uint64_t pc)
{
  X86Cpu *env = cpu;
  if (x86_is_canonical (pc))
    return true;
  x86_record_exception (env, EXC_GP, 0);
  env->bad_jump = true;
  return false;
}

static void
undo_jump (X86Cpu *env, uint32_t word)
{
  env->bad_jump = false;
  env->gpr[X86_RSP] += word & WORD_CALLS ? 8 : word & WORD_RETURNS ? -(uint64_t) 8 : 0;
}

void
x86_restore (void *cpu, uint64_t pc, uint32_t word)
{
  X86Cpu *env = cpu;
  env->eip = env->hflags & HF_CODE64 ? pc : (uint32_t) pc;
  if ((word & WORD_CC_OP) != CC_DYNAMIC)
    env->cc_op = word & WORD_CC_OP;
  if (word & WORD_PENDING_MASK)
    restore_pending (env, word);
  if ((word & WORD_RMW) && env->exc_vector == EXC_PF)
    env->exc_error |= 2;
  if (word & WORD_STACK)
    prefer_stack_fault (env, word);
  if (word & WORD_WAITS)
    prefer_fp_exception (env);
  if (env->bad_jump)
    undo_jump (env, word);
}

/* --- the table -------------------------------------------------------------------------------- */

/* The TLB knows two privileges; CPL 3 is the user. */
static unsigned
fetch_mmu_index (const void *env)
{
  return x86_mmu_fetch (env);
}

static unsigned
pin_set (const BpTbKey *key)
{
  return key->flags & HF_CODE64 ? 1 : 0;
}

static unsigned
disassemble (const BpTbKey *key, uint64_t pc, const uint8_t *bytes, unsigned n, char *out, size_t out_size)
{
  X86Insn insn;
  X86Mode mode = key->flags & HF_CODE64 ? X86_MODE_64 : key->flags & HF_CS32 ? X86_MODE_32 : X86_MODE_16;
  X86DecodeResult result = x86_decode (bytes, n, mode, &insn);
  if (result == X86_DECODE_OK) {
    x86_disasm (&insn, pc, out, out_size);
    return insn.length;
  }
  snprintf (out, out_size, "(bad)");
  return 0;
}

static bool
is_address (uint64_t address)
{
  return x86_is_canonical (address);
}

const BpTcgFrontend x86_frontend = {
  .struct_size = sizeof (BpTcgFrontend),
  .name = "i386",
  .globals = x86_globals,
  .n_globals = G_N,
  .helpers = x86_helper_list,
  .pc_offset = offsetof (X86Cpu, eip),
  .pc_size = 8,
  .address_bits = 64,
  .n_mmu_indexes = MMU_N,
  .max_insn_bytes = X86_MAX_INSN_LENGTH,
  .fp_offset = offsetof (X86Cpu, fp),
  .fp_vectors = 16,
  .key = x86_block_key,
  .fetch_mmu_index = fetch_mmu_index,
  .translate = x86_translate,
  .restore = x86_restore,
  .tlb_fill = x86_tlb_fill,
  .deliver = x86_deliver,
  .interrupt = x86_interrupt,
  .wakes = x86_wakes,
  .is_halted = x86_is_halted,
  .host_fault = x86_host_fault,
  .native_portable = x86_native_portable,
  .disassemble = disassemble,
  .dump = x86_dump,
  .watch = x86_watch,
  .pin_set = pin_set,
  .narrow_pin_sets = 1,
  .fp_upper_offset = offsetof (X86Cpu, fp) + X86_FP_UPPERS,
  .may_jump = may_jump,
  .is_address = is_address,
  .debug_masked = BP_VCPU_IRQ_HARD | BP_VCPU_IRQ_SMI | X86_IRQ_NMIS,
  .describe = x86_describe,
  .insn_registers = x86_insn_registers
};
