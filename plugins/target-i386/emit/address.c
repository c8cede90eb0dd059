/* address.c -- effective addresses, segments, guest memory, the stack. */
/* SPDX-License-Identifier: MIT */

#include "translate.h"

/* --- effective addresses ---------------------------------------------------------------------- */

static unsigned
address_width (unsigned adsize)
{
  return adsize == 8 ? 8 : 4;
}

static BpTemp
add_part (Translator *s, unsigned width, BpTemp sum, BpTemp part)
{
  return sum == BP_IR_NONE ? part : binary (s, width, BP_IR_add, sum, part);
}

/* Cut to the address size, and of type s->word. */
static BpTemp
truncated (Translator *s, unsigned adsize, BpTemp sum)
{
  if (adsize == 2)
    return zx (s, sum, 2);
  return adsize == 4 && s->is_64 && sum >= gpr (0) && sum <= gpr (15) ? zx64 (s, sum, 4) : sum;
}

static BpTemp
constant_offset (Translator *s, unsigned adsize, uint64_t disp)
{
  return s->is_64 ? i64 (s, disp & size_mask (adsize)) : i32 (s, (uint32_t) (disp & size_mask (adsize)));
}

/* Sums of 32 bits need no truncation: what the addition writes is zero-extended. */
static BpTemp
offset_plus (Translator *s, const X86Mem *mem, uint64_t displacement)
{
  BpTemp sum = BP_IR_NONE;
  unsigned width = address_width (mem->adsize);
  uint64_t disp = (uint64_t) mem->disp + displacement;
  if (mem->base == X86_REG_RIP)
    disp += s->next_pc;
  else if (mem->base != X86_NO_REG)
    sum = gpr (mem->base);
  if (mem->index != X86_NO_REG) {
    BpTemp index = gpr (mem->index);
    sum = add_part (s, width, sum, mem->scale ? binary_imm (s, width, BP_IR_shl, index, mem->scale) : index);
  }
  if (sum == BP_IR_NONE)
    return constant_offset (s, mem->adsize, disp);
  if (disp != 0)
    sum = binary_imm (s, width, BP_IR_add, sum, disp);
  return truncated (s, mem->adsize, sum);
}

BpTemp
emit_offset (Translator *s, const X86Mem *mem)
{
  return offset_plus (s, mem, 0);
}

BpTemp
add_offset (Translator *s, unsigned adsize, BpTemp offset, BpTemp more)
{
  return truncated (s, adsize, binary (s, address_width (adsize), BP_IR_add, offset, more));
}

/* --- segments --------------------------------------------------------------------------------- */

/* Code segments are flat for reading; writing through one is a fault in protected mode. */
static bool
is_flat (const Translator *s, unsigned seg, unsigned access)
{
  return s->is_64 || ((s->hflags & HF_FLAT (seg)) && !(seg == X86_CS && (access & X86_ACCESS_W) && s->is_protected));
}

static bool
has_base_0 (const Translator *s, unsigned seg)
{
  return seg == X86_CS ? s->cs_base == 0 : (s->hflags & HF_BASE0 (seg)) != 0;
}

static BpTemp
add_base (Translator *s, unsigned seg, BpTemp offset)
{
  if (has_base_0 (s, seg))
    return offset;
  if (s->is_64)
    return binary (s, 8, BP_IR_add, load_env64 (s, offsetof (X86Cpu, segment[seg].base)), offset);
  if (seg == X86_CS)
    return op3i (s, BP_IR_add, offset, (uint32_t) s->cs_base);
  return op3 (s, BP_IR_add, load_env32 (s, offsetof (X86Cpu, segment[seg].base)), offset);
}

/* Only the limit can be wrong. */
static bool
needs_limit_only (const Translator *s, unsigned seg, unsigned access)
{
  return (!(access & X86_ACCESS_W) || (s->key & KEY_WRITE (seg)))
         && (!(access & X86_ACCESS_R) || (s->key & KEY_READ (seg)));
}

static BpTemp
call_segment_check (Translator *s, unsigned seg, BpTemp offset, unsigned size, unsigned access)
{
  BpTemp r = local (s);
  emit_call (s, H_segment_check, r, BP_IR_ENV, i32 (s, seg), offset,
             i32 (s, size | (access & X86_ACCESS_W ? 1u << 8 : 0)));
  return r;
}

/* Branches to `good` when [offset, offset + size) lies below the limit. */
static void
branch_below_limit (Translator *s, unsigned seg, BpTemp offset, unsigned adsize, unsigned size, uint32_t good)
{
  BpTemp limit = load_env32 (s, offsetof (X86Cpu, segment[seg].limit));
  if (adsize == 2) {
    BpTemp last = size == 1 ? offset : op3i (s, BP_IR_add, offset, size - 1);
    bp_ir_brcond (s->b, BP_IR_I32, BP_IR_LEU, last, limit, good);
    return;
  }
  BpTemp last64 = bp_ir_local (s->b, BP_IR_I64), limit64 = bp_ir_local (s->b, BP_IR_I64);
  bp_ir_op2 (s->b, BP_IR_ext32u, BP_IR_I64, last64, offset);
  if (size > 1)
    bp_ir_op3 (s->b, BP_IR_add, BP_IR_I64, last64, last64, bp_ir_i64 (s->b, size - 1));
  bp_ir_op2 (s->b, BP_IR_ext32u, BP_IR_I64, limit64, limit);
  bp_ir_brcond (s->b, BP_IR_I64, BP_IR_LEU, last64, limit64, good);
}

BpTemp
emit_linear (Translator *s, unsigned seg, BpTemp offset, unsigned adsize, unsigned size, unsigned access)
{
  bool flat = is_flat (s, seg, access);
  BpMemOp reach = s->is_64 ? BP_MO_ADDR64 : flat && has_base_0 (s, seg) ? BP_MO_TOP : 0;
  s->access_bits = (seg == X86_SS ? BP_MO_STACK : 0) | reach;
  if (flat || size == 0)
    return add_base (s, seg, offset);
  if (!needs_limit_only (s, seg, access))
    return call_segment_check (s, seg, offset, size, access);
  uint32_t good = bp_ir_label_new (s->b);
  branch_below_limit (s, seg, offset, adsize, size, good);
  call_segment_check (s, seg, offset, size, access);
  bp_ir_label (s->b, good);
  return add_base (s, seg, offset);
}

BpTemp
operand_linear (Translator *s, const X86Insn *insn, unsigned i)
{
  const X86Operand *o = &insn->operand[i];
  bool is_the_one = (int) i == insn->mem_operand;
  if (is_the_one && s->linear != BP_IR_NONE) {
    s->access_bits = s->linear_bits;
    return s->linear;
  }
  BpTemp offset = emit_offset (s, &o->mem);
  BpTemp linear = emit_linear (s, o->mem.seg, offset, o->mem.adsize, o->size, o->access);
  if (o->mem.base == X86_RSP)
    s->access_bits |= BP_MO_NEAR;
  if (is_the_one)       /* may be a register itself: none changes before the last access */
    s->linear = linear, s->linear_bits = s->access_bits;
  return linear;
}

BpTemp
operand_linear_at (Translator *s, const X86Insn *insn, unsigned i, uint32_t displacement, unsigned size,
                   unsigned access)
{
  const X86Mem *mem = &insn->operand[i].mem;
  return emit_linear (s, mem->seg, offset_plus (s, mem, displacement), mem->adsize, size, access);
}

BpTemp
linear_plus (Translator *s, BpTemp linear, uint32_t bytes)
{
  return binary_imm (s, s->is_64 ? 8 : 4, BP_IR_add, linear, bytes);
}

/* --- memory ----------------------------------------------------------------------------------- */

BpMemOp
memop (const Translator *s, unsigned size)
{
  BpMemOp align = (s->hflags & HF_AC) && size > 1 ? BP_MO_ALIGN : 0;
  return log2_size (size) | BP_MO_MMU (s->mmu) | align | s->access_bits;
}

BpTemp
emit_load (Translator *s, BpTemp linear, unsigned size)
{
  BpTemp r = local_for (s, size);
  bp_ir_gld (s->b, op_type (size), r, linear, memop (s, size) | s->rmw_bit);
  return r;
}

BpTemp
emit_load_signed (Translator *s, BpTemp linear, unsigned size, unsigned to)
{
  BpTemp r = local_for (s, to);
  BpMemOp sign = size < to ? BP_MO_SIGN : 0;
  bp_ir_gld (s->b, op_type (to), r, linear, memop (s, size) | sign | s->rmw_bit);
  return r;
}

void
emit_store (Translator *s, BpTemp value, BpTemp linear, unsigned size)
{
  bp_ir_gst (s->b, size == 8 ? zx64 (s, value, 8) : value, linear, memop (s, size));
}

/* --- the stack -------------------------------------------------------------------------------- */

unsigned
stack_width (const Translator *s)
{
  return s->is_64 ? 8 : s->ss32 ? 4 : 2;
}

BpTemp
stack_pointer (Translator *s)
{
  return zx (s, gpr (X86_RSP), stack_width (s));
}

BpTemp
stack_add (Translator *s, BpTemp sp, int32_t delta)
{
  unsigned width = stack_width (s);
  return zx (s, binary_imm (s, width, BP_IR_add, sp, (uint64_t) (int64_t) delta), width);
}

void
set_stack_pointer (Translator *s, BpTemp sp)
{
  write_gpr (s, X86_RSP, stack_width (s), false, sp);
}

static BpTemp
stack_linear (Translator *s, BpTemp sp, unsigned size, unsigned access)
{
  BpTemp linear = emit_linear (s, X86_SS, sp, stack_width (s), size, access);
  s->access_bits |= BP_MO_NEAR;
  return linear;
}

BpTemp
stack_load (Translator *s, BpTemp sp, unsigned size)
{
  BpTemp r = local_for (s, size), linear = stack_linear (s, sp, size, X86_ACCESS_R);
  bp_ir_gld (s->b, op_type (size), r, linear, memop (s, size));
  return r;
}

void
stack_store (Translator *s, BpTemp value, BpTemp sp, unsigned size)
{
  emit_store (s, value, stack_linear (s, sp, size, X86_ACCESS_W), size);
}

void
emit_push (Translator *s, BpTemp value, unsigned size)
{
  BpTemp sp = stack_add (s, gpr (X86_RSP), -(int32_t) size);
  stack_store (s, value, sp, size);
  set_stack_pointer (s, sp);
}
