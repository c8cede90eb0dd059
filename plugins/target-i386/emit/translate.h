/* translate.h -- the translator's working state, and the vocabulary its emitters share. */
/* SPDX-License-Identifier: MIT */
/*
 * An emitter (emit_*) turns one decoded instruction into IR.  What it may count on: insn_start has been
 * emitted, the feature, mode, privilege and unit checks that decode.h lists before memory faults have been
 * made, and nothing of the guest's state has changed yet.  What it owes: registers and flags are written
 * after the last insn that can fault.
 *
 * A value of 1 or 2 bytes lives in a temp whose upper bits are unspecified; zx() and sx() define them up to
 * bit 31.  One of 4 bytes is the low half of its temp, one of 8 bytes needs an i64 temp.  In 64-bit mode
 * every local is i64, and what an i32 operation writes is zero-extended; in the other modes they are i32.
 */
#ifndef TARGET_I386_EMIT_TRANSLATE_H
#define TARGET_I386_EMIT_TRANSLATE_H

#include <glib.h>
#include "../cpu.h"

/* --- the block key -------------------------------------------------------------------------------
 * key.flags: hflags in the low half (HF_BASE0 left out in real and virtual-8086 mode, HF_RF without
 * breakpoints); above it, for segments that are not flat, what their accesses need to know while
 * translating. */
#define KEY_READ(seg)  ((uint64_t) 1 << (32 + (seg)))   /* present, readable, expands up: only the limit is checked */
#define KEY_WRITE(seg) ((uint64_t) 1 << (38 + (seg)))
#define KEY_CS_LIMIT_SHIFT 44           /* 20 bits: CS's limit, in pages from 1 MiB on; 0 when CS is flat */

/* What 64-bit code has in place of its segments' bits: only FS and GS are more than names (SDM 3A 3.4.4). */
#define HF_SEGMENTS (HF_BASE0_ALL | 0x3fu << HF_FLAT_SHIFT | HF_SS32 | HF_CS32)
#define HF_SEGMENTS_64 ((HF_BASE0_ALL & ~(HF_BASE0 (X86_FS) | HF_BASE0 (X86_GS))) | 0x3fu << HF_FLAT_SHIFT)

/* A kernel mostly runs with whatever GS the user has: its accesses through it, which are few, take the way of checks. */
static inline bool
x86_key_leaves_out_gs (uint32_t hflags)
{
  return (hflags & (HF_PE | HF_VM | HF_CODE64)) == HF_PE && (hflags & HF_CPL) != 3;
}

/* The bits of hflags that the key takes in the mode that hflags describes. */
static inline uint32_t
x86_key_mask (uint32_t hflags)
{
  uint32_t mask = 0xffffffffu;
  if (hflags & HF_CODE64)
    mask &= ~HF_SEGMENTS;
  if (x86_key_leaves_out_gs (hflags))
    mask &= ~(HF_BASE0 (X86_GS) | HF_FLAT (X86_GS));
  if ((hflags & (HF_PE | HF_VM)) != HF_PE)
    mask &= ~HF_BASE0_ALL;
  if (!(hflags & HF_BREAKPOINTS))
    mask &= ~(uint32_t) HF_RF;
  return mask;
}

/* The lower half of the key's flags. */
static inline uint32_t
x86_key_flags (uint32_t hflags)
{
  return (hflags & x86_key_mask (hflags)) | (hflags & HF_CODE64 ? HF_SEGMENTS_64 : 0);
}

/* insn_start's state word: CC_* in the low byte, and: */
#define WORD_CC_OP 0xffu
#define WORD_RMW   (1u << 8)            /* memory is read to be written: a page fault of the load is one of a store (SDM 3A 4.7) */
#define WORD_WAITS (1u << 18)           /* an x87 exception that is pending comes before faults of the memory operand */
#define WORD_STACK (1u << 20)           /* its memory is the stack's: an address that is not canonical is #SS, not #GP */
#define WORD_STACK_TOO (1u << 21)       /* besides an operand elsewhere */
/* A jump to where nothing can be is found out when 8 bytes have been pushed, or popped, already. */
#define WORD_CALLS (1u << 22)
#define WORD_RETURNS (1u << 23)

/* An operation whose flags have not been computed, because they die unseen unless something faults first
 * (lookahead.c): the register
 * holds its result, the cc globals still the flags before it. */
#define WORD_PENDING_SHIFT 9            /* 3 bits: PENDING_* */
#define WORD_PENDING_REG_SHIFT 12       /* 4 bits */
#define WORD_PENDING_SIZE_SHIFT 16      /* 2 bits: log2 of the bytes */
#define WORD_PENDING_MASK (0x1ffu << WORD_PENDING_SHIFT)
enum { PENDING_NONE, PENDING_INC, PENDING_DEC, PENDING_ROL, PENDING_ROR };

void x86_block_key (const void *env, BpTbKey *key);
void x86_translate (void *env, BpTranslation *t);
void x86_restore (void *env, uint64_t pc, uint32_t word);
extern const BpIrGlobal x86_globals[G_N];

/* --- helpers ---------------------------------------------------------------------------------- */

enum {
#define HELPER(name, result, flags, n, args) H_##name,
#include "../helpers.def"
#undef HELPER
  H_N
};
extern const BpIrHelper x86_helpers[H_N];
extern const BpIrHelper *const x86_helper_list[H_N + 1];

/* --- the translator --------------------------------------------------------------------------- */

/* Where a branch that is followed goes otherwise, and what the flags' representation is then. */
typedef struct SideExit {
  uint32_t label;
  uint64_t pc, target;          /* of the branch; offsets in CS */
  uint32_t hflags;
  unsigned cc_op;
  bool cc_op_stored;
} SideExit;
#define MAX_SIDE_EXITS (BP_IR_EXITS - 2)        /* the block's end may be another branch */

typedef struct Translator {
  X86Cpu *env;
  BpTranslation *t;
  BpIrBlock *b;
  uint64_t key;                 /* key.flags */
  uint32_t hflags;              /* its low half */
  X86Mode mode;
  BpIrType word;                /* of locals and addresses: I64 in 64-bit mode */
  unsigned mmu, cpl;
  bool is_64, io_ok, ss32, is_protected, is_vm86;
  uint64_t cs_base, cs_limit;

  uint64_t pc, next_pc;         /* offsets in CS of this instruction and the one after it */
  bool ended;                   /* the block has its end */
  bool end_block;               /* end it after this instruction */
  bool mode_changed;            /* what comes after this block may run in another mode */
  unsigned n_exits;             /* numbers for goto_tb that are taken */
  uint32_t n_followed;          /* of t->path */
  SideExit side[MAX_SIDE_EXITS];
  unsigned n_side;
  uint64_t low, high;           /* the code's bytes lie in [low, high): linear addresses on the first one's page, or just past it */
  bool skip_trap;               /* no single-step trap after this instruction */
  BpTemp linear;                /* the memory operand's linear address, once computed */
  BpMemOp linear_bits;          /* and its access_bits */
  BpMemOp access_bits;          /* BP_MO_STACK, BP_MO_TOP, BP_MO_NEAR for the address that emit_linear was last asked for */
  BpMemOp rmw_bit;              /* BP_MO_RMW while the memory operand is read to be written */

  /* flags: see flags.c */
  uint32_t pending;             /* WORD_PENDING_* bits of the state word; 0: none */
  unsigned cc_op;               /* CC_*, CC_DYNAMIC when only env->cc_op knows */
  bool cc_op_stored;            /* env->cc_op holds it */
  unsigned cc_guess;            /* CC_DYNAMIC: what env->cc_op most likely says, CC_DYNAMIC when that is anyone's guess */
  BpTemp cc_first, cc_second;   /* operands of the latest subtraction, NONE when unknown */
  uint32_t cc_first_version, cc_second_version;
  uint32_t version[16];         /* of each general register: counts the writes */
} Translator;

typedef void Emit (Translator *s, const X86Insn *insn);
extern Emit *const x86_emit[X86_OP__COUNT];     /* emit/table.c; NULL: another unit's */

/* x87, MMX and SSE (units X87, WAIT, FXSR, MMX, SSE).  The unit's #UD and #NM have been checked; pending
 * exceptions (#MF) have
 * not.  false: the instruction is not provided, and becomes #UD. */
bool emit_fp (Translator *s, const X86Insn *insn);
/* Does it report an x87 exception that an earlier instruction left pending? */
bool fp_is_waiting (const X86Insn *insn);

/* --- small words (operands.c) ----------------------------------------------------------------- */

static inline BpIrType op_type (unsigned size) { return size == 8 ? BP_IR_I64 : BP_IR_I32; }
static inline BpTemp gpr (unsigned reg) { return bp_ir_global (reg < 8 ? G_RAX + reg : G_R8 + reg - 8); }
static inline BpTemp i32 (Translator *s, uint32_t v) { return bp_ir_i32 (s->b, (int32_t) v); }
static inline BpTemp i64 (Translator *s, uint64_t v) { return bp_ir_i64 (s->b, (int64_t) v); }
static inline BpTemp local (Translator *s) { return bp_ir_local (s->b, s->word); }
static inline BpTemp local64 (Translator *s) { return bp_ir_local (s->b, BP_IR_I64); }
static inline unsigned log2_size (unsigned size) { return (unsigned) __builtin_ctz (size); }
static inline uint64_t size_mask (unsigned size) { return size >= 8 ? ~(uint64_t) 0 : ((uint64_t) 1 << (8 * size)) - 1; }
static inline uint64_t sign_bit (unsigned size) { return (uint64_t) 1 << (8 * size - 1); }
/* Shifts and rotates look at that much of their count. */
static inline unsigned count_mask (unsigned size) { return size == 8 ? 63 : 31; }

/* Of 32 bits, in a new local. */
BpTemp op2 (Translator *s, BpIrOp op, BpTemp x);
BpTemp op3 (Translator *s, BpIrOp op, BpTemp x, BpTemp y);
BpTemp op3i (Translator *s, BpIrOp op, BpTemp x, uint32_t y);
/* The same on values of `size` bytes: 64 bits wide for 8, 32 bits for all others. */
BpTemp local_for (Translator *s, unsigned size);
BpTemp constant (Translator *s, unsigned size, uint64_t value);
BpTemp unary (Translator *s, unsigned size, BpIrOp op, BpTemp x);
BpTemp binary (Translator *s, unsigned size, BpIrOp op, BpTemp x, BpTemp y);
BpTemp binary_imm (Translator *s, unsigned size, BpIrOp op, BpTemp x, uint64_t y);
void set (Translator *s, unsigned size, BpTemp dst, BpTemp src);       /* a mov; an i64 dst gets all of its bits */
BpTemp zx (Translator *s, BpTemp x, unsigned size);             /* defined up to bit 31, or 63 when size is 8 */
BpTemp sx (Translator *s, BpTemp x, unsigned size);
BpTemp zx64 (Translator *s, BpTemp x, unsigned size);           /* to an i64 */
BpTemp sx64 (Translator *s, BpTemp x, unsigned size);
BpTemp copy (Translator *s, BpTemp x);                          /* of its low half */
BpTemp copy_of (Translator *s, BpTemp x, unsigned size);
BpTemp extract (Translator *s, BpTemp x, unsigned pos, unsigned len);
BpTemp bit_of (Translator *s, BpTemp x, unsigned size, unsigned pos);   /* of a value of size bytes: 0 or 1 */
BpTemp load_env32 (Translator *s, size_t offset);
void store_env32 (Translator *s, size_t offset, BpTemp value);
BpTemp load_env64 (Translator *s, size_t offset);
void store_env64 (Translator *s, size_t offset, BpTemp value);
#define ENV32(s, field) load_env32 (s, offsetof (X86Cpu, field))
#define SET_ENV32(s, field, value) store_env32 (s, offsetof (X86Cpu, field), value)

BpTemp read_gpr (Translator *s, unsigned reg, unsigned size, bool high);
void write_gpr (Translator *s, unsigned reg, unsigned size, bool high, BpTemp value);
void gpr_changed (Translator *s, unsigned reg);

BpTemp operand (Translator *s, const X86Insn *insn, unsigned i);       /* upper bits unspecified */
BpTemp operand_zx (Translator *s, const X86Insn *insn, unsigned i);
BpTemp operand_sx (Translator *s, const X86Insn *insn, unsigned i);
void set_operand (Translator *s, const X86Insn *insn, unsigned i, BpTemp value);
/* A register of the full word as destination: it may be computed in place.  NONE otherwise. */
BpTemp operand_in_place (Translator *s, const X86Insn *insn, unsigned i);
/* A destination that keeps its value is written all the same: memory with itself, a 4-byte register's upper
 * half with 0. */
void touch_operand (Translator *s, const X86Insn *insn);
bool is_mem (const X86Insn *insn, unsigned i);
bool same_register (const X86Insn *insn);      /* operands 0 and 1 are one register */

/* Calls a helper; the arguments (BpTemp, env among them as BP_IR_ENV) are as many as its row says, and are
 * zero-extended where it wants 64 bits. */
void emit_call (Translator *s, unsigned helper, BpTemp result, ...);
void emit_raise (Translator *s, unsigned vector);
void emit_raise_error (Translator *s, unsigned vector, uint32_t error);

uint64_t code_linear (const Translator *s, uint64_t pc);       /* the address of code (translate.c) */

/* --- addresses (address.c) -------------------------------------------------------------------- */

/* Addresses are of type s->word. */
BpTemp emit_offset (Translator *s, const X86Mem *mem);                  /* effective address, truncated */
BpTemp add_offset (Translator *s, unsigned adsize, BpTemp offset, BpTemp more);         /* wraps at adsize */
/* A linear address some bytes further. */
BpTemp linear_plus (Translator *s, BpTemp linear, uint32_t bytes);
/* Segment checks and base; access is X86_ACCESS_*.  adsize bounds the offset: 2 says that it is below 64 KiB.
 * */
BpTemp emit_linear (Translator *s, unsigned seg, BpTemp offset, unsigned adsize, unsigned size,
                    unsigned access);
/* the memory operand's; computed once an instruction */
BpTemp operand_linear (Translator *s, const X86Insn *insn, unsigned i);
/* Another part of the memory operand, `displacement` bytes on; the offset wraps at the address size. */
BpTemp operand_linear_at (Translator *s, const X86Insn *insn, unsigned i, uint32_t displacement,
                          unsigned size, unsigned access);
BpMemOp memop (const Translator *s, unsigned size);
BpTemp emit_load (Translator *s, BpTemp linear, unsigned size);         /* zero-extended; size 1, 2, 4, 8 */
BpTemp emit_load_signed (Translator *s, BpTemp linear, unsigned size, unsigned to);     /* extended to `to` bytes */
void emit_store (Translator *s, BpTemp value, BpTemp linear, unsigned size);

unsigned stack_width (const Translator *s);     /* of the stack pointer in bytes */
BpTemp stack_pointer (Translator *s);                                   /* RSP, ESP, or SP zero-extended */
BpTemp stack_add (Translator *s, BpTemp sp, int32_t delta);             /* wraps at the stack's width */
void set_stack_pointer (Translator *s, BpTemp sp);
BpTemp stack_load (Translator *s, BpTemp sp, unsigned size);
void stack_store (Translator *s, BpTemp value, BpTemp sp, unsigned size);
void emit_push (Translator *s, BpTemp value, unsigned size);

/* --- flags (flags.c) -------------------------------------------------------------------------- */

typedef enum CcKind { K_ADD, K_ADC, K_SUB, K_SBB, K_LOGIC, K_INC, K_DEC, K_SHL, K_SAR, K_MUL, K_ROL, K_ROR } CcKind;

typedef struct Compare {
  BpIrType type;
  BpIrCond cond;
  BpTemp a, b;
} Compare;

/* The cc globals have been written: from here on they mean this.  Last thing an instruction does. */
void flags_set (Translator *s, CcKind kind, unsigned size);
/* remembers the operands too */
void flags_set_sub (Translator *s, unsigned size, BpTemp first, BpTemp second);
void flags_set_eflags (Translator *s, BpTemp eflags);                   /* the six arithmetic flags as bits */
void flags_set_logic (Translator *s, unsigned size, BpTemp result);
/* A helper has written the cc globals and env->cc_op, which most likely says `likely`. */
void flags_dynamic (Translator *s, unsigned likely);
void flags_settle (Translator *s);      /* nothing is pending */
void flags_store_op (Translator *s);    /* env->cc_op is current */
BpTemp flags_value (Translator *s);     /* as EFLAGS bits; changes nothing */
/* make EFLAGS bits the representation; only when nothing faults after it */
void flags_materialize (Translator *s);
BpTemp flags_carry (Translator *s);     /* 0 or 1 */
/* The test for an X86Cond.  may_commit: nothing that follows in this instruction faults. */
Compare flags_condition (Translator *s, unsigned condition, bool may_commit);
BpTemp flags_setcond (Translator *s, unsigned condition, bool may_commit);     /* 0 or 1 */
void brcond (Translator *s, Compare c, uint32_t label);
BpTemp movcond (Translator *s, Compare c, BpTemp if_true, BpTemp if_false);     /* of values of 4 bytes at most */
BpTemp movcond_of (Translator *s, unsigned size, Compare c, BpTemp if_true, BpTemp if_false);
Compare compare (BpIrCond cond, BpTemp a, BpTemp b);    /* of 32 bits */
Compare compare_of (unsigned size, BpIrCond cond, BpTemp a, BpTemp b);
BpTemp setcond (Translator *s, Compare c);      /* 0 or 1 */
/* Operand 0 = value, unless the comparison holds: then it is not written at all (operands.c). */
void set_operand_unless (Translator *s, const X86Insn *insn, Compare keeps, BpTemp value);
static inline Compare negated (Compare c) { c.cond ^= 1; return c; }
/* CF and OF as given (0 or 1 each), the rest as it was; nothing changes where count, if not NONE, is 0. */
void flags_set_carry_overflow (Translator *s, BpTemp count, BpTemp carry, BpTemp overflow);
/* The flags of ROL or ROR, from the result. */
void flags_set_rotated (Translator *s, BpTemp count, BpTemp result, unsigned size, bool left);
/* From here on the flags are: `count` zero, what they were; else cc globals computed as given. */
void flags_set_shift_by (Translator *s, BpTemp count, CcKind kind, unsigned size, BpTemp dst, BpTemp src);

/* --- looking ahead (lookahead.c) -------------------------------------------------------------- */

/* The instruction's flags are overwritten in this block before anything reads them, and its destination
 * register is not written
 * until then.  without_faults: nor can anything fault until they are. */
bool flags_die_unseen (const Translator *s, const X86Insn *insn, bool without_faults);
/* Leaves the flags of a PENDING_* operation on a register to whoever asks for them. */
void flags_set_pending (Translator *s, const X86Insn *insn, unsigned kind);
bool flags_pending_is_rotation (const Translator *s);

/* --- leaving the block (control-flow.c) ------------------------------------------------------- */

void emit_go_on (Translator *s);        /* to the next instruction, whose business CS's limit is */
void emit_side_exits (Translator *s);   /* behind everything else */
BpTemp next_eip (Translator *s);                                        /* as an argument of a helper */
/* env->eip stored by a helper; mode may have changed */
void emit_exit_dynamic (Translator *s);
/* Leave through the loop when a helper has changed the mode that this block was translated for. */
void emit_check_mode (Translator *s);
void emit_go_anywhere (Translator *s);  /* to the state's pc, in whatever mode */
void emit_this_eip (Translator *s);                                     /* env->eip = this instruction */
void emit_next_eip (Translator *s);                                     /* or the one after it */

/* --- the emitters ----------------------------------------------------------------------------- */

/* integer.c */
Emit emit_add, emit_or, emit_adc, emit_sbb, emit_and, emit_sub, emit_xor, emit_cmp, emit_test, emit_not,
  emit_neg, emit_inc,
  emit_dec, emit_xadd, emit_cmpxchg, emit_cmpxchg8b, emit_cmpxchg16b;
/* multiply.c */
Emit emit_mul, emit_imul, emit_imul2, emit_imul3, emit_div, emit_idiv, emit_aam, emit_aad, emit_bcd;
/* move.c */
Emit emit_mov, emit_movzx, emit_movsx, emit_movbe, emit_lea, emit_xchg, emit_bswap, emit_setcc, emit_cmovcc,
  emit_xlat, emit_cbw,
  emit_cwd, emit_nop, emit_flag_carry, emit_direction, emit_lahf, emit_sahf, emit_salc;
/* stack.c */
Emit emit_push_insn, emit_pop, emit_pusha, emit_popa, emit_pushf, emit_popf, emit_enter, emit_leave;
/* shift.c, rotate.c, bits.c */
Emit emit_shl, emit_shr, emit_sar, emit_shld, emit_shrd, emit_rol, emit_ror, emit_rcl, emit_rcr;
Emit emit_bit, emit_bsf, emit_bsr, emit_tzcnt, emit_lzcnt, emit_popcnt, emit_crc32, emit_adcx, emit_random;
/* bmi.c */
Emit emit_andn, emit_bextr, emit_blsi, emit_blsmsk, emit_blsr, emit_bzhi, emit_mulx, emit_pdep, emit_pext, emit_rorx,
  emit_sarx, emit_shlx, emit_shrx;
/* string.c */
Emit emit_movs, emit_cmps, emit_scas, emit_lods, emit_stos, emit_ins, emit_outs, emit_in, emit_out;
/* control-flow.c */
Emit emit_jcc, emit_jcxz, emit_loop, emit_jmp, emit_call_near, emit_ret, emit_jmpf, emit_callf, emit_retf,
  emit_iret, emit_int,
  emit_int3, emit_int1, emit_into, emit_bound, emit_ud, emit_sysenter, emit_sysexit;
/* system.c, segment.c */
Emit emit_push_seg, emit_pop_seg, emit_mov_to_seg, emit_mov_from_seg, emit_load_far_pointer, emit_arpl,
  emit_lar, emit_verr, emit_sldt,
  emit_lldt, emit_sgdt, emit_lgdt;
Emit emit_mov_to_cr, emit_mov_from_cr, emit_mov_to_dr, emit_mov_from_dr, emit_smsw, emit_lmsw, emit_clts,
  emit_invlpg, emit_hlt,
  emit_cpuid, emit_rdtsc, emit_rdpmc, emit_rdmsr, emit_wrmsr, emit_monitor, emit_mwait, emit_cli, emit_sti,
  emit_fence, emit_clflush,
  emit_wbinvd, emit_rdpkru, emit_wrpkru, emit_rdtscp, emit_rdpid, emit_clac, emit_stac, emit_syscall, emit_sysret, emit_invpcid, emit_swapgs,
  emit_rdfsbase, emit_wrfsbase;
void emit_marker (Translator *s);
void emit_umip_check (Translator *s);   /* SGDT and kin: #GP(0) for a user when CR4.UMIP says so */

#endif
