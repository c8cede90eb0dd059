/* test-emit.c -- what the translator makes of short blocks: their extent, their ends, the shape of common code. */
/* SPDX-License-Identifier: MIT */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "accel-tcg/backend.h"
#include "target-i386/cpu.h"
#include "target-i386/emit/translate.h"
#include "../suite.h"

#define FLAT_USER                                                                                         \
  (3 | HF_PE | HF_CS32 | HF_SS32 | HF_BASE0 (X86_ES) | HF_BASE0 (X86_SS) | HF_BASE0 (X86_DS) \
   | HF_FLAT (X86_ES) | HF_FLAT (X86_CS) | HF_FLAT (X86_SS) | HF_FLAT (X86_DS))
#define FLAT_KERNEL ((FLAT_USER & ~3) | HF_IO_OK)
#define LONG_USER (3 | HF_PE | HF_CODE64 | HF_SEGMENTS_64)

static X86Cpu *env;
static BpIrBlock ir;
static BpTranslation t;
static GString *text;
static const uint8_t *code;
static size_t code_size;
static uint64_t code_start;

/* The page after the first is not there. */
static unsigned
fetch (void *cpu, BpTranslation *translation, uint64_t address, uint8_t *buffer, unsigned want, bool must)
{
  unsigned n = 0;
  for (; n < want && address + n - code_start < code_size; n++)
    buffer[n] = code[address + n - code_start];
  ck_assert (n > 0 || !must);
  return n;
}

static void
translate_at (uint64_t pc, uint64_t flags, const uint8_t *bytes, size_t n)
{
  static const BpTcgOps ops = { .struct_size = sizeof ops, .fetch = fetch };
  env->tcg.ops = &ops;
  env->segment[BP_X86_CS].limit = 0xffff;
  memset (env->feature, 1, sizeof env->feature);
  code = bytes, code_size = n, code_start = pc;
  bp_ir_block_reset (&ir);
  t = (BpTranslation) { .key = { pc, 0, flags }, .ir = &ir, .max_insns = 64, .cflags = t.cflags };
  x86_translate (env, &t);
  GError *error = NULL;
  ck_assert_msg (ir_verify (&ir, &error), "%s", error ? error->message : "");
  g_string_truncate (text, 0);
  ir_print (&ir, text);
}

#define TRANSLATE(flags, ...) \
  do { \
    static const uint8_t bytes[] = { __VA_ARGS__ }; \
    translate_at (0x1000, flags, bytes, sizeof bytes); \
  } while (0)

static unsigned
count_op (BpIrOp op)
{
  unsigned n = 0;
  for (unsigned i = 0; i < ir.n_insns; i++)
    n += ir.insns[i].op == op;
  return n;
}

static bool
calls (unsigned helper)
{
  for (unsigned i = 0; i < ir.n_insns; i++)
    if (ir.insns[i].op == BP_IR_call && ir.insns[i].imm == (int64_t) (intptr_t) &x86_helpers[helper])
      return true;
  return false;
}

static const BpIrInsn *
last_of (BpIrOp op)
{
  for (unsigned i = ir.n_insns; i-- > 0;)
    if (ir.insns[i].op == op)
      return &ir.insns[i];
  ck_abort_msg ("no such insn in\n%s", text->str);
}

/* --- extent ------------------------------------------------------------------------------------------ */

START_TEST (test_extent)
{
  TRANSLATE (FLAT_USER, 0x90, 0x89, 0xc8, 0xeb, 0x00);                  /* nop; mov eax, ecx; jmp */
  ck_assert_uint_eq (t.n_insns, 3);
  ck_assert_uint_eq (t.n_bytes, 5);
  ck_assert_uint_eq (count_op (BP_IR_insn_start), 3);
}
END_TEST

/* Code behind it may have been written by another processor since the block was entered; and stores before it do not wait behind later loads. */
START_TEST (test_serializing)
{
  static const uint8_t insns[][4] = { { 0x0f, 0xa2 }, { 0x0f, 0x09 }, { 0x0f, 0x01, 0x10 }, { 0x0f, 0x22, 0xd8 }, { 0x0f, 0x00, 0xd0 }, { 0xcf }, { 0x0f, 0x01, 0x38 } };
  static const uint8_t sizes[] = { 2, 2, 3, 3, 3, 1, 3 };       /* cpuid; wbinvd; lgdt [eax]; mov cr3, eax; lldt ax; iret; invlpg [eax] */
  for (unsigned i = 0; i < G_N_ELEMENTS (insns); i++) {
    uint8_t bytes[8] = { 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90 };
    memcpy (bytes + 1, insns[i], sizes[i]);
    translate_at (0x1000, FLAT_KERNEL, bytes, sizeof bytes);
    ck_assert_uint_eq (t.n_insns, 2);
    ck_assert_uint_eq (t.n_bytes, 1u + sizes[i]);
    ck_assert_uint_eq (last_of (BP_IR_fence)->aux, 3);
  }
}
END_TEST

START_TEST (test_page_end)
{
  static const uint8_t bytes[] = { 0x90, 0x90, 0xb8, 1, 2, 3, 4, 0x90 };
  translate_at (0x1ffc, FLAT_USER, bytes, sizeof bytes);                /* mov eax, imm crosses: left to a block of its own */
  ck_assert_uint_eq (t.n_insns, 2);
  ck_assert_uint_eq (t.n_bytes, 2);
  translate_at (0x1ffe, FLAT_USER, bytes + 2, sizeof bytes - 2);
  ck_assert_uint_eq (t.n_insns, 1);
  ck_assert_uint_eq (t.n_bytes, 5);
  translate_at (0x1ffe, FLAT_USER, bytes, 2);                           /* exactly to the end */
  ck_assert_uint_eq (t.n_insns, 2);
  ck_assert_uint_eq (count_op (BP_IR_goto_ptr), 1);                     /* the next page may be elsewhere tomorrow */
}
END_TEST

START_TEST (test_beyond_limit)
{
  static const uint8_t bytes[] = { 0x90, 0xb8, 1, 2 };
  translate_at (0xfffe, HF_PE, bytes, sizeof bytes);                    /* 16-bit code up to limit 0xffff */
  ck_assert_uint_eq (t.n_insns, 2);
  ck_assert (calls (H_raise_error));
}
END_TEST

/* A branch that is not taken, the last below the limit: what follows is the next instruction's fault. */
START_TEST (test_not_taken_at_the_limit)
{
  static const uint8_t bytes[] = { 0x39, 0xd8, 0x74, 0xf0 };
  translate_at (0xfffc, HF_PE, bytes, sizeof bytes);
  ck_assert (!calls (H_raise_error));
  ck_assert_uint_eq (count_op (BP_IR_exit_tb) + count_op (BP_IR_goto_any), 2);
}
END_TEST

/* --- a hot path ---------------------------------------------------------------------------------------- */

/* There: dec ecx; jnz past the jump; here: jmp there.  The code begins before its first instruction. */
START_TEST (test_path)
{
  static const uint8_t bytes[] = { 0x49, 0x75, 0x05, 0x90, 0x90, 0x90, 0xeb, 0xf8, 0x40, 0xc3 };
  const uint64_t path[] = { 0x1000, 0x1008 };
  translate_at (0x1000, FLAT_USER, bytes, sizeof bytes);
  for (uint32_t n = 0; n <= 2; n++) {
    bp_ir_block_reset (&ir);
    t = (BpTranslation) { .key = { 0x1006, 0, FLAT_USER }, .ir = &ir, .max_insns = 64, .path = path, .n_path = n };
    x86_translate (env, &t);
    ck_assert (ir_verify (&ir, NULL));
    ck_assert_uint_eq (t.n_insns, n == 0 ? 1 : n == 1 ? 3 : 5);
    ck_assert_uint_eq (t.n_before, n == 0 ? 0 : 6);
    ck_assert_uint_eq (t.n_bytes, n == 2 ? 4 : 2);
    ck_assert_uint_eq (count_op (BP_IR_goto_tb), n == 1 ? 2 : 1);
    ck_assert_uint_eq (count_op (BP_IR_goto_ptr), n == 2);
  }
  ck_assert_uint_eq (ir.insns[ir.n_insns - 1].op, BP_IR_exit_tb);       /* the side exit comes last */
}
END_TEST

/* --- ends ---------------------------------------------------------------------------------------------- */

START_TEST (test_jcc_links_both_ways)
{
  TRANSLATE (FLAT_USER, 0x39, 0xd8, 0x7c, 0x10);                        /* cmp eax, ebx; jl */
  ck_assert_uint_eq (count_op (BP_IR_goto_tb), 2);
  const BpIrInsn *branch = last_of (BP_IR_brcond);
  ck_assert_uint_eq (branch->cond, BP_IR_LT);
  ck_assert_uint_eq (branch->a[0], gpr (X86_RAX));                      /* the operands themselves, not their difference */
  ck_assert_uint_eq (branch->a[1], gpr (X86_RBX));
}
END_TEST

START_TEST (test_operand_overwritten)
{
  TRANSLATE (FLAT_USER, 0x39, 0xd8, 0xb8, 0, 0, 0, 0, 0x7c, 0x10);      /* cmp eax, ebx; mov eax, 0; jl */
  ck_assert_uint_ne (last_of (BP_IR_brcond)->a[0], gpr (X86_RAX));
}
END_TEST

START_TEST (test_single_step)
{
  TRANSLATE (FLAT_USER | HF_TF, 0x90, 0x90);
  ck_assert_uint_eq (t.n_insns, 1);
  ck_assert (calls (H_single_step));
  TRANSLATE (FLAT_USER | HF_TF, 0x74, 0x00);
  ck_assert_uint_eq (count_op (BP_IR_goto_tb), 0);
}
END_TEST

START_TEST (test_shadow_lasts_one_instruction)
{
  TRANSLATE (FLAT_KERNEL | HF_INHIBIT, 0x90, 0x90);
  ck_assert_uint_eq (t.n_insns, 1);
  ck_assert_uint_eq (count_op (BP_IR_goto_any), 1);
}
END_TEST

/* It calls, goes where the state says, and what follows is a block of its own; nothing of the kind for its neighbour. */
START_TEST (test_marker)
{
  TRANSLATE (FLAT_USER, 0x90, 0x66, 0x87, 0xdb, 0x90);
  ck_assert_uint_eq (t.n_insns, 2);
  ck_assert (calls (H_marker));
  ck_assert_uint_eq (count_op (BP_IR_goto_any), 1);
  ck_assert_uint_eq (count_op (BP_IR_goto_tb) + count_op (BP_IR_goto_ptr), 0);
  TRANSLATE (LONG_USER, 0x66, 0x87, 0xdb, 0x90);
  ck_assert_uint_eq (t.n_insns, 1);
  ck_assert (calls (H_marker));
  TRANSLATE (FLAT_USER, 0x87, 0xdb, 0x90);
  ck_assert_uint_gt (t.n_insns, 1);
  ck_assert (!calls (H_marker));
  t.cflags = BP_TCG_CF_NO_CHAIN;
  TRANSLATE (FLAT_USER, 0x66, 0x87, 0xdb, 0x90);
  ck_assert_uint_eq (count_op (BP_IR_goto_any), 0);
  t.cflags = 0;
}
END_TEST

START_TEST (test_breakpoints)
{
  TRANSLATE (FLAT_USER | HF_BREAKPOINTS, 0x90, 0xeb, 0);
  ck_assert (calls (H_check_breakpoint));
  TRANSLATE (FLAT_USER | HF_BREAKPOINTS | HF_RF, 0x90, 0x90);
  ck_assert (!calls (H_check_breakpoint));
  ck_assert_uint_eq (t.n_insns, 1);
}
END_TEST

START_TEST (test_no_chain)
{
  t.cflags = BP_TCG_CF_NO_CHAIN;
  TRANSLATE (FLAT_USER, 0x74, 0x10);
  ck_assert_uint_eq (count_op (BP_IR_goto_tb) + count_op (BP_IR_goto_ptr) + count_op (BP_IR_goto_any), 0);
  t.cflags = 0;
}
END_TEST

START_TEST (test_port_ends_deterministic_block)
{
  t.cflags = BP_TCG_CF_ICOUNT;
  TRANSLATE (FLAT_KERNEL, 0xec, 0x90, 0x90, 0xeb, 0);
  ck_assert_uint_eq (t.n_insns, 1);
  t.cflags = 0;
  TRANSLATE (FLAT_KERNEL, 0xec, 0x90, 0x90, 0xeb, 0);
  ck_assert_uint_eq (t.n_insns, 4);
}
END_TEST

START_TEST (test_flat_segment_load_goes_on)
{
  TRANSLATE (FLAT_KERNEL, 0x8e, 0xd8, 0x90, 0xeb, 0);                   /* mov ds, ax */
  ck_assert_uint_eq (t.n_insns, 3);
  TRANSLATE (FLAT_KERNEL, 0x8e, 0xd0, 0x90);                            /* mov ss, ax */
  ck_assert_uint_eq (t.n_insns, 1);
}
END_TEST

/* --- checks -------------------------------------------------------------------------------------------- */

START_TEST (test_privilege)
{
  TRANSLATE (FLAT_USER, 0xf4);                                          /* hlt */
  ck_assert (calls (H_raise_error));
  TRANSLATE (FLAT_KERNEL, 0xf4);
  ck_assert (calls (H_hlt));
  TRANSLATE (0, 0x0f, 0x00, 0xc0);                                      /* sldt in real mode */
  ck_assert (calls (H_raise));
}
END_TEST

START_TEST (test_port_permission)
{
  TRANSLATE (FLAT_USER, 0xec);
  ck_assert (calls (H_check_io));
  TRANSLATE (FLAT_USER | HF_IO_OK, 0xec);
  ck_assert (!calls (H_check_io));
  TRANSLATE (FLAT_USER | HF_IO_OK | HF_VM, 0xec);
  ck_assert (calls (H_check_io));
}
END_TEST

START_TEST (test_alignment)
{
  TRANSLATE (FLAT_USER | HF_AC, 0x8b, 0x03);
  ck_assert (last_of (BP_IR_gld)->aux & BP_MO_ALIGN);
  TRANSLATE (FLAT_USER | HF_AC, 0x8a, 0x03);
  ck_assert (!(last_of (BP_IR_gld)->aux & BP_MO_ALIGN));
}
END_TEST

/* --- flags ----------------------------------------------------------------------------------------------- */

START_TEST (test_flags_that_die_are_not_made)
{
  TRANSLATE (FLAT_USER, 0x40, 0x8b, 0x0b, 0x39, 0xd8, 0x74, 0);         /* inc eax; mov ecx, [ebx]; cmp eax, ebx; jz */
  ck_assert (!calls (H_compute_cc));
  TRANSLATE (FLAT_USER, 0x40, 0x8b, 0x03, 0x39, 0xd8, 0x74, 0);         /* the result is overwritten: the fault needs it */
  ck_assert (calls (H_compute_cc));
  TRANSLATE (FLAT_USER, 0x40, 0x72, 0);                                 /* inc eax; jb */
  ck_assert (calls (H_compute_cc));
}
END_TEST

START_TEST (test_pending_flags_are_restored)
{
  TRANSLATE (FLAT_USER, 0x40, 0x8b, 0x0b, 0x39, 0xd8, 0x74, 0);
  uint32_t word = 0;
  for (unsigned i = 0, seen = 0; i < ir.n_insns; i++)
    if (ir.insns[i].op == BP_IR_insn_start && seen++ == 1)
      word = ir.insns[i].aux;
  env->gpr[X86_RAX] = 0x80000000;
  env->cc_op = CC_EFLAGS;
  env->cc_src = X86_FL_CF | X86_FL_ZF;
  for (unsigned twice = 0; twice < 2; twice++) {
    x86_restore (env, 0x1001, word);
    ck_assert_uint_eq (env->eip, 0x1001);
    ck_assert_uint_eq (x86_eflags (env) & X86_FL_ARITH, X86_FL_CF | X86_FL_OF | X86_FL_SF | X86_FL_PF | X86_FL_AF);
  }
}
END_TEST

/* The carry is another block's: tested as if it were of the kind of now, unless env->cc_op says otherwise. */
START_TEST (test_flags_are_guessed)
{
  env->cc_op = CC_SUB32;
  TRANSLATE (FLAT_USER, 0x72, 0);                                       /* jb */
  const BpIrInsn *branch = last_of (BP_IR_brcond);
  ck_assert (calls (H_compute_cc));
  ck_assert_uint_eq (count_op (BP_IR_brcond), 2);
  ck_assert_uint_eq (branch->cond, BP_IR_NE);
  env->cc_op = CC_DYNAMIC;                                              /* nothing to guess from */
  TRANSLATE (FLAT_USER, 0x72, 0);
  ck_assert_uint_eq (count_op (BP_IR_brcond), 1);
  env->cc_op = CC_EFLAGS;
}
END_TEST

/* --- operands ------------------------------------------------------------------------------------------ */

static uint32_t
first_word (void)
{
  for (unsigned i = 0; i < ir.n_insns; i++)
    if (ir.insns[i].op == BP_IR_insn_start)
      return ir.insns[i].aux;
  ck_abort ();
}

START_TEST (test_fp_exception_comes_before_faults)
{
  TRANSLATE (FLAT_USER, 0xd8, 0x03);                                    /* fadd dword [ebx] */
  uint32_t waits = first_word ();
  TRANSLATE (FLAT_USER, 0xdd, 0x3b);                                    /* fnstsw [ebx] does not wait */
  uint32_t does_not = first_word ();
  env->cr0 = CR0_PE | CR0_NE;
  for (unsigned i = 0; i < 3; i++) {
    env->exc_vector = EXC_PF;
    env->exc_error = 4;
    env->cr2 = 0x1234;
    env->cr2_before = 0x5678;
    env->fp[2] = i == 0 ? 0 : 0x81;                                     /* ES and IE */
    x86_restore (env, 0x1000, i == 1 ? does_not : waits);
    ck_assert_int_eq (env->exc_vector, i < 2 ? EXC_PF : EXC_MF);
    ck_assert_uint_eq (env->cr2, i < 2 ? 0x1234 : 0x5678);
  }
  env->fp[2] = 0;
  env->cr0 = 0;
  env->exc_vector = -1;
}
END_TEST

START_TEST (test_what_accesses_say)
{
  TRANSLATE (FLAT_USER, 0x01, 0x03);                                    /* add [ebx], eax */
  ck_assert_uint_eq (last_of (BP_IR_gld)->aux & (BP_MO_RMW | BP_MO_TOP | BP_MO_STACK), BP_MO_RMW | BP_MO_TOP);
  ck_assert_uint_eq (last_of (BP_IR_gst)->aux & (BP_MO_RMW | BP_MO_TOP | BP_MO_STACK), BP_MO_TOP);
  TRANSLATE (FLAT_USER, 0xff, 0x33);                                    /* push [ebx] */
  ck_assert_uint_eq (last_of (BP_IR_gld)->aux & (BP_MO_RMW | BP_MO_STACK), 0);
  ck_assert (last_of (BP_IR_gst)->aux & BP_MO_STACK);
  TRANSLATE (FLAT_USER & ~HF_BASE0 (X86_DS), 0x8b, 0x03);               /* with a base, sums wrap */
  ck_assert (!(last_of (BP_IR_gld)->aux & BP_MO_TOP));
}
END_TEST

START_TEST (test_ins_is_alone)
{
  TRANSLATE (FLAT_KERNEL, 0x90, 0x6c, 0x90);                            /* nop; insb; nop */
  ck_assert_uint_eq (t.n_insns, 1);
  TRANSLATE (FLAT_KERNEL, 0x6c, 0x90);
  ck_assert_uint_eq (t.n_insns, 1);
}
END_TEST

/* --- 64-bit code ----------------------------------------------------------------------------------------- */

static bool
is_constant (BpTemp x, uint64_t value)
{
  return ir.temps[x].kind == BP_IR_TEMP_CONST && (uint64_t) ir.temps[x].value == value;
}

START_TEST (test_long_extent)
{
  static const uint8_t bytes[] = { 0x90, 0x48, 0x89, 0xd8, 0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8 };
  translate_at (0xffffffff81000ffc, LONG_USER, bytes, sizeof bytes);    /* mov rax, imm64 crosses the page's end */
  ck_assert_uint_eq (t.n_insns, 2);
  ck_assert_uint_eq (t.n_bytes, 4);
  ck_assert (is_constant (last_of (BP_IR_goto_ptr)->a[0], 0xffffffff81001000));
  translate_at (0xffffffff81000ffe, LONG_USER, bytes + 4, sizeof bytes - 4);
  ck_assert_uint_eq (t.n_insns, 1);
  ck_assert_uint_eq (t.n_bytes, 10);
}
END_TEST

START_TEST (test_long_widths)
{
  TRANSLATE (LONG_USER, 0x4c, 0x01, 0xf8, 0xeb, 0);                     /* add rax, r15 */
  ck_assert_uint_eq (last_of (BP_IR_add)->type, BP_IR_I64);
  ck_assert_uint_eq (last_of (BP_IR_add)->a[0], gpr (X86_RAX));
  ck_assert_uint_eq (last_of (BP_IR_add)->a[2], gpr (15));
  TRANSLATE (LONG_USER, 0x44, 0x01, 0xf8, 0xeb, 0);                     /* add eax, r15d: what it writes is zero-extended */
  ck_assert_uint_eq (last_of (BP_IR_add)->type, BP_IR_I32);
  ck_assert_uint_eq (last_of (BP_IR_add)->a[0], gpr (X86_RAX));
  TRANSLATE (LONG_USER, 0x89, 0xc0, 0xeb, 0);                           /* mov eax, eax is not nothing */
  ck_assert_uint_eq (last_of (BP_IR_ext32u)->a[0], gpr (X86_RAX));
  TRANSLATE (LONG_USER, 0x40, 0x88, 0xc4, 0xeb, 0);                     /* mov spl, al */
  ck_assert_uint_eq (last_of (BP_IR_deposit)->type, BP_IR_I64);
  ck_assert_uint_eq (last_of (BP_IR_deposit)->a[0], gpr (X86_RSP));
  TRANSLATE (LONG_USER, 0x88, 0xc4, 0xeb, 0);                           /* mov ah, al */
  ck_assert_uint_eq (last_of (BP_IR_deposit)->a[0], gpr (X86_RAX));
  ck_assert_uint_eq (last_of (BP_IR_deposit)->aux, 8 | 8 << 8);
  TRANSLATE (FLAT_USER, 0x88, 0xc4, 0xeb, 0);
  ck_assert_uint_eq (last_of (BP_IR_deposit)->type, BP_IR_I32);
}
END_TEST

START_TEST (test_long_addresses)
{
  TRANSLATE (LONG_USER, 0x48, 0x8b, 0x05, 0xf0, 0xff, 0xff, 0xff, 0xeb, 0);     /* mov rax, [rip - 16] */
  ck_assert_uint_eq (last_of (BP_IR_gld)->aux & (BP_MO_ADDR64 | BP_MO_TOP | BP_MO_SIZE), BP_MO_ADDR64 | BP_MO_64);
  ck_assert (is_constant (last_of (BP_IR_gld)->a[1], 0x1007 - 16));
  TRANSLATE (LONG_USER, 0x67, 0x8b, 0x00, 0xeb, 0);                     /* mov eax, [eax] */
  ck_assert_uint_eq (last_of (BP_IR_ext32u)->a[1], gpr (X86_RAX));
  TRANSLATE (LONG_USER, 0x67, 0x8b, 0x40, 8, 0xeb, 0);                  /* mov eax, [eax + 8]: 32 bits wide, so truncated */
  ck_assert_uint_eq (last_of (BP_IR_add)->type, BP_IR_I32);
  TRANSLATE (LONG_USER, 0x64, 0x8b, 0x00, 0xeb, 0);                     /* mov eax, fs:[rax] */
  ck_assert_uint_eq ((uint64_t) last_of (BP_IR_ld64)->imm, offsetof (X86Cpu, segment[BP_X86_FS].base));
  TRANSLATE (LONG_USER, 0x26, 0x8b, 0x00, 0xeb, 0);                     /* es: means nothing */
  ck_assert_uint_eq (count_op (BP_IR_ld64), 0);
}
END_TEST

START_TEST (test_long_stack)
{
  TRANSLATE (LONG_USER, 0x41, 0x57, 0xeb, 0);                           /* push r15 */
  ck_assert_uint_eq (last_of (BP_IR_gst)->aux & (BP_MO_SIZE | BP_MO_STACK), BP_MO_64 | BP_MO_STACK);
  ck_assert_uint_eq (first_word () & (WORD_STACK | WORD_STACK_TOO), WORD_STACK);
  TRANSLATE (LONG_USER, 0x66, 0x50, 0xeb, 0);                           /* push ax */
  ck_assert_uint_eq (last_of (BP_IR_gst)->aux & BP_MO_SIZE, BP_MO_16);
  TRANSLATE (LONG_USER, 0xff, 0x30, 0xeb, 0);                           /* push [rax] */
  ck_assert_uint_eq (first_word () & (WORD_STACK | WORD_STACK_TOO), WORD_STACK | WORD_STACK_TOO);
  TRANSLATE (LONG_USER, 0x8b, 0x45, 8, 0xeb, 0);                        /* mov eax, [rbp + 8] */
  ck_assert_uint_eq (first_word () & (WORD_STACK | WORD_STACK_TOO), WORD_STACK);
  TRANSLATE (LONG_USER, 0x41, 0x8b, 0x45, 8, 0xeb, 0);                  /* mov eax, [r13 + 8] */
  ck_assert_uint_eq (first_word () & WORD_STACK, 0);
  TRANSLATE (FLAT_USER, 0x8b, 0x45, 8, 0xeb, 0);
  ck_assert_uint_eq (first_word () & WORD_STACK, 0);
}
END_TEST

/* Which fault an address is that is not canonical. */
START_TEST (test_long_stack_faults)
{
  static const struct { uint32_t word; uint64_t address; int vector; } rows[] = {
    { 0, 0x800000000000, EXC_GP }, { WORD_STACK, 0x900000000000, EXC_SS }, { WORD_STACK, 0, EXC_GP },
    { WORD_STACK | WORD_STACK_TOO, 0x800000000000 - 8, EXC_SS }, { WORD_STACK | WORD_STACK_TOO, 0x900000000000, EXC_GP }
  };
  env->hflags = LONG_USER;
  env->gpr[X86_RSP] = 0x800000000000;
  for (unsigned i = 0; i < G_N_ELEMENTS (rows); i++) {
    env->exc_vector = EXC_GP;
    env->bad_address = rows[i].address;
    x86_restore (env, 0xffffffff81000000, rows[i].word | CC_EFLAGS);
    ck_assert_int_eq (env->exc_vector, rows[i].vector);
    ck_assert_uint_eq (env->eip, 0xffffffff81000000);
  }
  env->exc_vector = -1;
  env->bad_address = env->hflags = 0;
}
END_TEST

/* A jump to nowhere is found out when it is done. */
START_TEST (test_undone_jump)
{
  static const struct { uint32_t word; uint64_t rsp; } rows[] = { { 0, 0x1000 }, { WORD_CALLS, 0x1008 }, { WORD_RETURNS, 0xff8 } };
  ck_assert (x86_frontend.may_jump (env, 0x00007fffffffffff) && x86_frontend.may_jump (env, 0xffff800000000000));
  env->hflags = LONG_USER;
  for (unsigned i = 0; i < 2 * G_N_ELEMENTS (rows); i++) {
    env->bad_jump = i & 1;
    env->gpr[X86_RSP] = 0x1000;
    x86_restore (env, 0x400000, rows[i / 2].word | CC_EFLAGS);
    ck_assert_uint_eq (env->gpr[X86_RSP], i & 1 ? rows[i / 2].rsp : 0x1000);
    ck_assert (!env->bad_jump);
  }
  env->hflags = 0;
}
END_TEST

START_TEST (test_long_branches)
{
  TRANSLATE (LONG_USER, 0xc3);                                          /* ret: the look-up checks the target */
  ck_assert (!calls (H_raise_error));
  ck_assert_uint_eq (last_of (BP_IR_insn_start)->aux, CC_DYNAMIC | WORD_STACK | WORD_RETURNS);
  TRANSLATE (LONG_USER, 0xff, 0xd0);                                    /* call rax */
  ck_assert (!calls (H_raise_error));
  ck_assert_uint_eq (last_of (BP_IR_insn_start)->aux, CC_DYNAMIC | WORD_STACK | WORD_CALLS);
  TRANSLATE (LONG_USER, 0xff, 0xe0);                                    /* jmp rax */
  ck_assert (!calls (H_raise_error) && count_op (BP_IR_goto_ptr) == 1);
  TRANSLATE (LONG_USER | HF_TF, 0xff, 0xe0);                            /* a trap comes before the look-up: checked in line */
  ck_assert (calls (H_raise_error));
  TRANSLATE (LONG_USER, 0xc2, 8, 0);                                    /* ret 8: the target is checked before RSP moves */
  ck_assert (calls (H_raise_error));
  ck_assert_uint_eq (last_of (BP_IR_gld)->aux & BP_MO_SIZE, BP_MO_64);
  TRANSLATE (LONG_USER, 0x66, 0xe8, 0, 0, 0, 0);                        /* call: 66 means nothing */
  ck_assert_uint_eq (last_of (BP_IR_gst)->aux & BP_MO_SIZE, BP_MO_64);
  ck_assert (is_constant (last_of (BP_IR_gst)->a[0], 0x1006));
  static const uint8_t forward[] = { 0xe9, 0xf0, 0xff, 0xff, 0x7f };
  translate_at (0x00007fffffff0000, LONG_USER, forward, sizeof forward);
  ck_assert (calls (H_raise_error));
  ck_assert_uint_eq (count_op (BP_IR_goto_ptr), 0);
  TRANSLATE (LONG_USER, 0x67, 0xe3, 0);                                 /* jecxz */
  ck_assert_uint_eq (last_of (BP_IR_brcond)->type, BP_IR_I32);
  TRANSLATE (LONG_USER, 0xe3, 0);                                       /* jrcxz */
  ck_assert_uint_eq (last_of (BP_IR_brcond)->type, BP_IR_I64);
}
END_TEST

START_TEST (test_long_conditions)
{
  TRANSLATE (LONG_USER, 0x39, 0xd8, 0x48, 0x0f, 0x4c, 0xd1, 0xeb, 0);   /* cmp eax, ebx; cmovl rdx, rcx */
  ck_assert_uint_eq (last_of (BP_IR_movcond)->type, BP_IR_I64);
  ck_assert_uint_eq (count_op (BP_IR_ext32s), 2);
  TRANSLATE (LONG_USER, 0x48, 0x39, 0xd8, 0x0f, 0x4c, 0xd1, 0xeb, 0);   /* cmp rax, rbx; cmovl edx, ecx: the upper half becomes 0 */
  ck_assert_uint_eq (last_of (BP_IR_movcond)->type, BP_IR_I64);
  ck_assert_uint_eq (last_of (BP_IR_mov)->type, BP_IR_I32);
  ck_assert_uint_eq (last_of (BP_IR_mov)->a[0], gpr (X86_RDX));
}
END_TEST

START_TEST (test_random_in_deterministic_mode)
{
  TRANSLATE (LONG_USER, 0x48, 0x0f, 0xc7, 0xf0, 0x90, 0xeb, 0);         /* rdrand rax */
  ck_assert (calls (H_random));
  ck_assert_uint_eq (t.n_insns, 3);
  t.cflags = BP_TCG_CF_ICOUNT;
  TRANSLATE (LONG_USER, 0x48, 0x0f, 0xc7, 0xf0, 0x90, 0xeb, 0);
  ck_assert_uint_eq (t.n_insns, 1);
  t.cflags = 0;
}
END_TEST

/* STAC and CLAC change the mode within a block: what it goes on to is found under the key of then. */
START_TEST (test_exit_flags)
{
  TRANSLATE (LONG_USER & ~3, 0x90, 0xeb, 0);
  ck_assert_uint_eq (t.exit_flags, t.key.flags);
  TRANSLATE ((LONG_USER & ~3) | HF_SMAP, 0x0f, 0x01, 0xcb, 0xeb, 0);    /* stac */
  ck_assert_uint_eq (t.exit_flags, t.key.flags & ~(uint64_t) HF_SMAP);
  TRANSLATE (FLAT_USER, 0x90, 0xeb, 0);
  ck_assert_uint_eq (t.exit_flags, t.key.flags);
}
END_TEST

/* Whether env->cc_op is stored on the way to the block's last end, on which all branches are taken. */
static bool
stores_op (void)
{
  for (unsigned i = 0; i < ir.n_insns; i++) {
    const BpIrInsn *insn = &ir.insns[i];
    if (insn->op == BP_IR_st32 && insn->imm == offsetof (X86Cpu, cc_op))
      return true;
    while (insn->op == BP_IR_brcond && !(ir.insns[i].op == BP_IR_label && ir.insns[i].aux == insn->aux))
      i++;
  }
  return false;
}

/* CLAC leaves the block when CR4.SMAP is not what it was, and then goes on: what the flags are made of is told on both ways.  Else an interrupt
 * right behind takes any bits for EFLAGS, and IRET sets DF, say. */
START_TEST (test_clac_keeps_flags)
{
  for (unsigned smap = 0; smap < 2; smap++) {
    env->cr4 = smap ? CR4_SMAP : 0;
    TRANSLATE (LONG_USER & ~3, 0x29, 0xc8, 0x0f, 0x01, 0xca, 0xc3);     /* sub eax, ecx; clac; ret */
    ck_assert_uint_eq (t.n_insns, 3);
    ck_assert_msg (stores_op (), "%s", text->str);
    TRANSLATE (LONG_USER & ~3, 0x29, 0xc8, 0x0f, 0x01, 0xca, 0x29, 0xc8, 0xc3);   /* the same kind again */
    ck_assert_msg (stores_op (), "%s", text->str);
  }
  env->cr4 = 0;
}
END_TEST

START_TEST (test_long_key)
{
  BpTbKey a, b;
  env->segment[BP_X86_CS] = (BpX86Segment) { 0x10, 0xa09b, 0xffffffff, 0 };
  env->eip = 0xffffffff81000000;
  env->hflags = HF_PE | HF_CODE64;
  x86_block_key (env, &a);
  ck_assert_uint_eq (a.pc, 0xffffffff81000000);
  ck_assert_uint_eq (a.base, 0);
  ck_assert_uint_eq (x86_frontend.pin_set (&a), 1);
  env->segment[BP_X86_DS] = (BpX86Segment) { 0, 0, 0, 0 };              /* segments are names only, FS and GS a base that is added */
  env->segment[BP_X86_FS].base = 0x7f0000000000;
  env->hflags |= HF_BASE0 (X86_GS) | HF_FLAT (X86_SS) | HF_SS32;
  x86_block_key (env, &b);
  ck_assert_uint_eq (a.flags, b.flags);
  env->hflags |= 3;
  x86_block_key (env, &b);
  ck_assert_uint_ne (a.flags, b.flags);
  env->hflags = HF_PE | HF_CS32;
  x86_block_key (env, &a);
  ck_assert_uint_eq (a.pc, 0x81000000);
  ck_assert_uint_eq (x86_frontend.pin_set (&a), 0);
  env->hflags = 0;
  env->eip = 0;
  memset (env->segment, 0, sizeof env->segment);
}
END_TEST

/* --- keys ------------------------------------------------------------------------------------------------- */

START_TEST (test_key)
{
  BpTbKey a, b;
  env->segment[BP_X86_CS] = (BpX86Segment) { 0xf000, 0x93, 0xffff, 0xf0000 };
  env->eip = 0xfff0;
  env->hflags = 0;
  x86_block_key (env, &a);
  ck_assert_uint_eq (a.pc, 0xffff0);
  ck_assert_uint_eq (a.base, 0xf0000);
  env->hflags = HF_BASE0 (X86_DS);      /* real mode adds bases always: one translation for all */
  x86_block_key (env, &b);
  ck_assert_uint_eq (a.flags, b.flags);
  env->segment[BP_X86_CS].limit = 0x7fff;
  x86_block_key (env, &b);
  ck_assert_uint_ne (a.flags, b.flags);
  env->hflags = HF_PE;
  env->segment[BP_X86_DS] = (BpX86Segment) { 8, 0xf1, 0xfff, 0 };       /* read-only */
  x86_block_key (env, &a);
  ck_assert ((a.flags & KEY_READ (X86_DS)) && !(a.flags & KEY_WRITE (X86_DS)));
  env->segment[BP_X86_DS].attributes = 0;
  x86_block_key (env, &a);
  ck_assert (!(a.flags & (KEY_READ (X86_DS) | KEY_WRITE (X86_DS))));
}
END_TEST

int
main (void)
{
  const TTest *const tests[] = {
    test_extent, test_serializing, test_page_end, test_path, test_beyond_limit, test_jcc_links_both_ways, test_operand_overwritten, test_single_step,
    test_shadow_lasts_one_instruction, test_breakpoints, test_marker, test_no_chain, test_port_ends_deterministic_block,
    test_flat_segment_load_goes_on, test_privilege, test_port_permission, test_alignment, test_flags_that_die_are_not_made,
    test_pending_flags_are_restored, test_flags_are_guessed, test_fp_exception_comes_before_faults, test_what_accesses_say,
    test_ins_is_alone, test_not_taken_at_the_limit, test_key, test_long_extent, test_long_widths, test_long_addresses, test_long_stack,
    test_long_stack_faults, test_long_branches, test_undone_jump, test_long_conditions, test_random_in_deterministic_mode, test_exit_flags, test_clac_keeps_flags,
    test_long_key
  };
  env = aligned_alloc (64, (sizeof *env + 63) / 64 * 64);
  memset (env, 0, sizeof *env);
  env->exc_vector = -1;
  env->df = 1;
  text = g_string_new (NULL);
  bp_ir_block_init (&ir, x86_globals, G_N, x86_helper_list);
  Suite *suite = suite_create ("emit");
  TCase *c = tcase_create ("emit");
  for (unsigned i = 0; i < G_N_ELEMENTS (tests); i++)
    tcase_add_test (c, tests[i]);
  suite_add_tcase (suite, c);
  return suite_run (suite);
}
