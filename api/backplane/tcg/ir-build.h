/* ir-build.h -- inline builders that append IR insns to a block. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  Used by CPU frontends, instrumentation and the IR text parser.  A block is initialised by whoever translates
 * (bp_ir_block_init), filled by appending, and cleared for reuse.  Not thread-safe: one block, one thread.
 */
#ifndef BACKPLANE_TCG_IR_BUILD_H
#define BACKPLANE_TCG_IR_BUILD_H

#include <backplane/tcg/ir.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Empties the block and enters env and the globals; keeps what it has allocated. */
static inline void
bp_ir_block_reset (BpIrBlock *b)
{
  b->n_insns = 0;
  b->n_labels = 0;
  b->n_temps = 1 + b->n_globals;
}

static inline void
bp_ir_block_init (BpIrBlock *b, const BpIrGlobal *globals, uint32_t n_globals, const BpIrHelper *const *helpers)
{
  memset (b, 0, sizeof *b);
  b->globals = globals;
  b->n_globals = n_globals;
  b->helpers = helpers;
  b->insns_size = 512;
  b->insns = (BpIrInsn *) malloc (b->insns_size * sizeof *b->insns);
  b->temps_size = 256 + n_globals;
  b->temps = (BpIrTemp *) calloc (b->temps_size, sizeof *b->temps);
  b->temps[0].kind = BP_IR_TEMP_ENV;
  b->temps[0].type = BP_IR_I64;
  for (uint32_t i = 0; i < n_globals; i++) {
    b->temps[1 + i].kind = BP_IR_TEMP_GLOBAL;
    b->temps[1 + i].type = globals[i].type;
    b->temps[1 + i].global = (uint16_t) i;
  }
  bp_ir_block_reset (b);
}

static inline void
bp_ir_block_finish (BpIrBlock *b)
{
  free (b->insns);
  free (b->temps);
  memset (b, 0, sizeof *b);
}

static inline BpTemp
bp_ir_temp_add (BpIrBlock *b, BpIrTempKind kind, BpIrType type, int64_t value)
{
  if (b->n_temps == b->temps_size) {
    b->temps_size *= 2;
    b->temps = (BpIrTemp *) realloc (b->temps, b->temps_size * sizeof *b->temps);
  }
  BpIrTemp *t = &b->temps[b->n_temps];
  memset (t, 0, sizeof *t);
  t->kind = (uint8_t) kind;
  t->type = (uint8_t) type;
  t->value = value;
  return (BpTemp) b->n_temps++;
}

static inline BpTemp bp_ir_global (unsigned index) { return (BpTemp) (1 + index); }
static inline BpTemp bp_ir_local (BpIrBlock *b, BpIrType type) { return bp_ir_temp_add (b, BP_IR_TEMP_LOCAL, type, 0); }

/* Constants are interned among the block's latest temps, so a short search finds the common ones. */
static inline BpTemp
bp_ir_const (BpIrBlock *b, BpIrType type, int64_t value)
{
  if (type == BP_IR_I32)
    value = (int32_t) value;
  uint32_t first = 1 + b->n_globals, low = b->n_temps > first + 64 ? b->n_temps - 64 : first;
  for (uint32_t i = b->n_temps; i-- > low;)
    if (b->temps[i].kind == BP_IR_TEMP_CONST && b->temps[i].type == type && b->temps[i].value == value)
      return (BpTemp) i;
  return bp_ir_temp_add (b, BP_IR_TEMP_CONST, type, value);
}
static inline BpTemp bp_ir_i32 (BpIrBlock *b, int32_t v) { return bp_ir_const (b, BP_IR_I32, v); }
static inline BpTemp bp_ir_i64 (BpIrBlock *b, int64_t v) { return bp_ir_const (b, BP_IR_I64, v); }

static inline uint32_t bp_ir_label_new (BpIrBlock *b) { return b->n_labels++; }

/* Appends an insn with no operands set (all NONE); the caller fills it before the next append. */
static inline BpIrInsn *
bp_ir_append (BpIrBlock *b, BpIrOp op, BpIrType type)
{
  if (b->n_insns == b->insns_size) {
    b->insns_size *= 2;
    b->insns = (BpIrInsn *) realloc (b->insns, b->insns_size * sizeof *b->insns);
  }
  BpIrInsn *i = &b->insns[b->n_insns++];
  memset (i, 0, sizeof *i);
  memset (i->a, 0xff, sizeof i->a);
  i->op = (uint8_t) op;
  i->type = (uint8_t) type;
  return i;
}

/* --- shapes ------------------------------------------------------------------- */

static inline void
bp_ir_op2 (BpIrBlock *b, BpIrOp op, BpIrType type, BpTemp a0, BpTemp a1)
{
  BpIrInsn *i = bp_ir_append (b, op, type);
  i->a[0] = a0, i->a[1] = a1;
}

static inline void
bp_ir_op3 (BpIrBlock *b, BpIrOp op, BpIrType type, BpTemp a0, BpTemp a1, BpTemp a2)
{
  BpIrInsn *i = bp_ir_append (b, op, type);
  i->a[0] = a0, i->a[1] = a1, i->a[2] = a2;
}

static inline void
bp_ir_op4 (BpIrBlock *b, BpIrOp op, BpIrType type, BpTemp a0, BpTemp a1, BpTemp a2, BpTemp a3)
{
  BpIrInsn *i = bp_ir_append (b, op, type);
  i->a[0] = a0, i->a[1] = a1, i->a[2] = a2, i->a[3] = a3;
}

static inline void
bp_ir_op5 (BpIrBlock *b, BpIrOp op, BpIrType type, BpTemp a0, BpTemp a1, BpTemp a2, BpTemp a3, BpTemp a4)
{
  BpIrInsn *i = bp_ir_append (b, op, type);
  i->a[0] = a0, i->a[1] = a1, i->a[2] = a2, i->a[3] = a3, i->a[4] = a4;
}

/* --- by op ---------------------------------------------------------------------- */

static inline void
bp_ir_insn_start (BpIrBlock *b, uint64_t pc, uint32_t word)
{
  BpIrInsn *i = bp_ir_append (b, BP_IR_insn_start, BP_IR_I64);
  i->imm = (int64_t) pc;
  i->aux = word;
}

static inline void
bp_ir_discard (BpIrBlock *b, BpTemp t)
{
  bp_ir_append (b, BP_IR_discard, (BpIrType) b->temps[t].type)->a[0] = t;
}

static inline void
bp_ir_mov (BpIrBlock *b, BpIrType type, BpTemp dst, BpTemp src)
{
  if (dst != src || type != b->temps[dst].type)         /* (of an i64 onto itself, 32 bits: zeros go above) */
    bp_ir_op2 (b, BP_IR_mov, type, dst, src);
}

static inline void bp_ir_label (BpIrBlock *b, uint32_t label) { bp_ir_append (b, BP_IR_label, BP_IR_I32)->aux = label; }
static inline void bp_ir_br (BpIrBlock *b, uint32_t label) { bp_ir_append (b, BP_IR_br, BP_IR_I32)->aux = label; }

static inline void
bp_ir_brcond (BpIrBlock *b, BpIrType type, BpIrCond cond, BpTemp x, BpTemp y, uint32_t label)
{
  BpIrInsn *i = bp_ir_append (b, BP_IR_brcond, type);
  i->cond = (uint8_t) cond;
  i->aux = label;
  i->a[0] = x, i->a[1] = y;
}

static inline void
bp_ir_setcond (BpIrBlock *b, BpIrType type, BpIrCond cond, BpTemp dst, BpTemp x, BpTemp y)
{
  BpIrInsn *i = bp_ir_append (b, BP_IR_setcond, type);
  i->cond = (uint8_t) cond;
  i->a[0] = dst, i->a[1] = x, i->a[2] = y;
}

/* dst = x cond y ? if_true : if_false.  dst and the values have the insn's type, as have x and y. */
static inline void
bp_ir_movcond (BpIrBlock *b, BpIrType type, BpIrCond cond, BpTemp dst, BpTemp x, BpTemp y, BpTemp if_true, BpTemp if_false)
{
  BpIrInsn *i = bp_ir_append (b, BP_IR_movcond, type);
  i->cond = (uint8_t) cond;
  i->a[0] = dst, i->a[1] = x, i->a[2] = y, i->a[3] = if_true, i->a[4] = if_false;
}

static inline void
bp_ir_deposit (BpIrBlock *b, BpIrType type, BpTemp dst, BpTemp base, BpTemp field, unsigned pos, unsigned len)
{
  BpIrInsn *i = bp_ir_append (b, BP_IR_deposit, type);
  i->aux = pos | len << 8;
  i->a[0] = dst, i->a[1] = base, i->a[2] = field;
}

/* op: BP_IR_extract or BP_IR_sextract */
static inline void
bp_ir_field (BpIrBlock *b, BpIrOp op, BpIrType type, BpTemp dst, BpTemp src, unsigned pos, unsigned len)
{
  BpIrInsn *i = bp_ir_append (b, op, type);
  i->aux = pos | len << 8;
  i->a[0] = dst, i->a[1] = src;
}

/* op: BP_IR_ld8u .. ld64 */
static inline void
bp_ir_ld (BpIrBlock *b, BpIrOp op, BpIrType type, BpTemp dst, BpTemp base, int64_t offset)
{
  BpIrInsn *i = bp_ir_append (b, op, type);
  i->imm = offset;
  i->a[0] = dst, i->a[1] = base;
}

/* op: BP_IR_st8 .. st64 */
static inline void
bp_ir_st (BpIrBlock *b, BpIrOp op, BpTemp value, BpTemp base, int64_t offset)
{
  BpIrInsn *i = bp_ir_append (b, op, (BpIrType) b->temps[value].type);
  i->imm = offset;
  i->a[0] = value, i->a[1] = base;
}

static inline void
bp_ir_gld (BpIrBlock *b, BpIrType type, BpTemp dst, BpTemp address, BpMemOp memop)
{
  BpIrInsn *i = bp_ir_append (b, BP_IR_gld, type);
  i->aux = memop;
  i->a[0] = dst, i->a[1] = address;
}

static inline void
bp_ir_gst (BpIrBlock *b, BpTemp value, BpTemp address, BpMemOp memop)
{
  BpIrInsn *i = bp_ir_append (b, BP_IR_gst, (BpIrType) b->temps[value].type);
  i->aux = memop;
  i->a[0] = value, i->a[1] = address;
}

/* op: BP_IR_gxchg, gfetch_add, gfetch_and, gfetch_or, gfetch_xor */
static inline void
bp_ir_gatomic (BpIrBlock *b, BpIrOp op, BpIrType type, BpTemp old, BpTemp address, BpTemp value, BpMemOp memop)
{
  BpIrInsn *i = bp_ir_append (b, op, type);
  i->aux = memop;
  i->a[0] = old, i->a[1] = address, i->a[2] = value;
}

static inline void
bp_ir_gcmpxchg (BpIrBlock *b, BpIrType type, BpTemp old, BpTemp address, BpTemp expected, BpTemp desired, BpMemOp memop)
{
  BpIrInsn *i = bp_ir_append (b, BP_IR_gcmpxchg, type);
  i->aux = memop;
  i->a[0] = old, i->a[1] = address, i->a[2] = expected, i->a[3] = desired;
}

static inline void
bp_ir_native (BpIrBlock *b, uint64_t native, uint32_t mem, BpTemp out, BpTemp flags_out, BpTemp in, BpTemp address,
              BpTemp flags_in)
{
  BpIrInsn *i = bp_ir_append (b, BP_IR_native, BP_NATIVE_W (native) ? BP_IR_I64 : BP_IR_I32);
  i->imm = (int64_t) native;
  i->aux = mem;
  i->a[0] = out, i->a[1] = flags_out, i->a[2] = in, i->a[3] = address, i->a[4] = flags_in;
}

/* result may be BP_IR_NONE; unused arguments too. */
static inline void
bp_ir_call (BpIrBlock *b, const BpIrHelper *helper, BpTemp result, const BpTemp *args, unsigned n_args)
{
  BpIrInsn *i = bp_ir_append (b, BP_IR_call, (BpIrType) helper->result_type);
  i->imm = (int64_t) (intptr_t) helper;
  i->a[0] = result;
  for (unsigned k = 0; k < n_args; k++)
    i->a[1 + k] = args[k];
}

static inline void bp_ir_goto_tb (BpIrBlock *b, unsigned exit) { bp_ir_append (b, BP_IR_goto_tb, BP_IR_I32)->aux = exit; }
static inline void bp_ir_exit_tb (BpIrBlock *b, unsigned exit) { bp_ir_append (b, BP_IR_exit_tb, BP_IR_I32)->aux = exit; }

static inline void bp_ir_goto_any (BpIrBlock *b) { bp_ir_append (b, BP_IR_goto_any, BP_IR_I32); }

static inline void
bp_ir_goto_ptr (BpIrBlock *b, BpTemp pc)
{
  bp_ir_append (b, BP_IR_goto_ptr, (BpIrType) b->temps[pc].type)->a[0] = pc;
}

#ifdef __cplusplus
}
#endif
#endif
