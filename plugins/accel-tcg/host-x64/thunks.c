/* thunks.c -- generated routines at the buffer's start: entry, exit, slow paths, helper calls, FP state. */
/* SPDX-License-Identifier: MIT */
#include "host.h"

/* --- pieces ------------------------------------------------------------------------ */

static void
store_pins (Enc *e, const X64Set *set, uint32_t mask)
{
  for (unsigned i = 0; i < set->n_pins; i++)
    if (mask >> set->pin[i].reg & 1)
      enc_store (e, set->pin[i].wide ? X64_W : 0, set->pin[i].reg, x64_mem (RBP, (int32_t) set->pin[i].offset));
}

static void
load_pins (Enc *e, const X64Set *set, uint32_t mask)
{
  for (unsigned i = 0; i < set->n_pins; i++)
    if (mask >> set->pin[i].reg & 1)
      enc_load (e, set->pin[i].wide && !set->narrow ? X64_W : 0, set->pin[i].reg,
                x64_mem (RBP, (int32_t) set->pin[i].offset));
}

#ifdef __SANITIZE_THREAD__
/* What tcg_fp_store does.  Functions built with -mgeneral-regs-only call ThreadSanitizer's library, which is not. */
static void
emit_fp_drop (Enc *e)
{
  enc_load (e, 0, RAX, ENV (fp_resident));
  enc_rr (e, OP_TEST, RAX, RAX);
  uint8_t *none = enc_jcc (e, CC_E);
  enc_alu_mr (e, ALU_OR, 0, ENV (fp_dropped), RAX);
  enc_alu_mi (e, ALU_OR, 0, ENV (events), TCG_EVENT_FP_DROPPED);
  enc_call_to (e, x64_host.fp_store);
  enc_patch (none, e->p);
}
#else
static void emit_fp_drop (Enc *e) { }
#endif

static void
call_c (Enc *e, void (*function) (void))
{
  emit_fp_drop (e);
  enc_mov_ri (e, RAX, (int64_t) (intptr_t) function);
  enc_call_r (e, RAX);
}

static X64Mem
fx (int32_t offset)
{
  return x64_mem (RBP, (int32_t) x64_host.frontend->fp_offset + offset);
}

static const uint8_t argument_registers[6] = { RDI, RSI, RDX, RCX, R8, R9 };

static void
load_arguments (Enc *e, unsigned first, unsigned n, int32_t below)
{
  for (unsigned i = first; i < n; i++)
    enc_load (e, X64_W, argument_registers[i], x64_mem (RSP, below + FRAME_ARG ((int32_t) i)));
}

static void
align (Enc *e)
{
  while (!e->full && ((uintptr_t) e->p & 15))
    enc_u8 (e, 0xcc);
}

/* --- FP state: called with rbp = env; no general register changes ---------------------- */

#define SSE_HIGH (BP_NATIVE_SSE | BP_NATIVE_SSE_HIGH)

static bool
has_avx (void)
{
  return x64_host.frontend->fp_upper_offset && __builtin_cpu_supports ("avx");
}

static X64Mem
fx_upper (unsigned i)
{
  return x64_mem (RBP, (int32_t) (x64_host.frontend->fp_upper_offset + 16 * i));
}

/* load, or store, of the first vector registers or of the others */
static void
emit_vectors (Enc *e, uint32_t op, bool high)
{
  unsigned n = x64_host.frontend->fp_vectors;
  for (unsigned i = high ? LOW_VECTORS : 0; i < (high ? n : LOW_VECTORS); i++)
    enc_rm (e, op, i, fx (FX_XMM ((int32_t) i)));
}

/* bits 255:128 of all; what follows runs without them */
static void
emit_store_uppers (Enc *e)
{
  for (unsigned i = 0; i < x64_host.frontend->fp_vectors; i++) {
    enc_vex_rm (e, OP_VEXTRACTF128 | X64_L, i, 0, fx_upper (i));
    enc_u8 (e, 1);
  }
  if (enc_begin (e))
    enc_u8 (e, 0xc5), enc_u8 (e, 0xf8), enc_u8 (e, 0x77);       /* vzeroupper */
}

static void
emit_load_uppers (Enc *e)
{
  for (unsigned i = 0; i < x64_host.frontend->fp_vectors; i++) {
    enc_vex_rm (e, OP_VINSERTF128 | X64_L, i, i, fx_upper (i));
    enc_u8 (e, 1);
  }
}

static uint8_t *
emit_unless_resident (Enc *e, unsigned part)
{
  enc_test_m8 (e, ENV (fp_resident), part);
  return enc_jcc (e, CC_E);
}

static void
emit_store_sse (Enc *e)
{
  emit_vectors (e, OP_MOVAPS_STORE, false);
  uint8_t *low = emit_unless_resident (e, BP_NATIVE_SSE_HIGH);
  emit_vectors (e, OP_MOVAPS_STORE, true);
  enc_patch (low, e->p);
  enc_rm (e, 0xae | X64_0F, 3, fx (FX_MXCSR));          /* stmxcsr */
}

static void
emit_store_all (Enc *e)
{
  uint8_t *sse = emit_unless_resident (e, BP_NATIVE_X87);
  enc_rm (e, 0xae | X64_0F | X64_W, 0, fx (0));         /* fxsave64 */
  enc_u8 (e, 0xdb), enc_u8 (e, 0xe3);                   /* fninit */
  uint8_t *join = enc_jmp (e);
  enc_patch (sse, e->p);
  emit_store_sse (e);
  enc_patch (join, e->p);
  if (has_avx ()) {
    uint8_t *none = emit_unless_resident (e, BP_NATIVE_AVX);
    emit_store_uppers (e);
    enc_patch (none, e->p);
  }
}

static void
emit_fp_store (Enc *e)
{
  align (e);
  uint8_t *constant = e->p;
  enc_u32 (e, MXCSR_DEFAULT);
  align (e);
  x64_host.fp_store = e->p;
  if (x64_host.frontend->fp_offset) {
    emit_store_all (e);
    enc_rm (e, 0xae | X64_0F, 2, x64_mem (X64_NO_REG, 0));      /* ldmxcsr [rip + ...], by hand: */
    if (!e->full) {
      e->p -= 6;                /* ModRM, SIB, disp32 */
      enc_u8 (e, 0x15);
      enc_u32 (e, (uint32_t) (constant - (e->p + 4)));
    }
  }
  enc_mov_mi (e, 0, ENV (fp_resident), 0);
  enc_ret (e);
}

/* Loading clears what was noted as dropped: the copy in env is what is live now. */
static void
emit_loaded (Enc *e, unsigned bits)
{
  enc_alu_mi (e, ALU_OR, 0, ENV (fp_resident), (int32_t) bits);
  enc_mov_mi (e, 0, ENV (fp_dropped), 0);
  enc_alu_mi (e, ALU_AND, 0, ENV (events), ~TCG_EVENT_FP_DROPPED);
}

static uint8_t *
emit_load_x87 (Enc *e)
{
  align (e);
  uint8_t *at = e->p;
  if (x64_host.frontend->fp_offset) {
    uint8_t *none = emit_unless_resident (e, BP_NATIVE_SSE);
    emit_store_sse (e);
    enc_patch (none, e->p);
    enc_rm (e, 0xae | X64_0F | X64_W, 1, fx (0));       /* fxrstor64: leaves bits 255:128 alone */
  }
  emit_loaded (e, BP_NATIVE_X87 | SSE_HIGH);
  enc_ret (e);
  return at;
}

/* to: the last part wanted; each is loaded unless it is there */
static uint8_t *
emit_load_vectors (Enc *e, FpLoad to)
{
  align (e);
  uint8_t *at = e->p;
  unsigned bits = BP_NATIVE_SSE;
  if (x64_host.frontend->fp_offset) {
    enc_test_m8 (e, ENV (fp_resident), BP_NATIVE_SSE);
    uint8_t *there = enc_jcc (e, CC_NE);
    emit_vectors (e, OP_MOVAPS_LOAD, false);
    enc_rm (e, 0xae | X64_0F, 2, fx (FX_MXCSR));        /* ldmxcsr */
    enc_patch (there, e->p);
  }
  if (x64_host.frontend->fp_offset && to != FP_LOAD_SSE) {
    bits = SSE_HIGH;
    enc_test_m8 (e, ENV (fp_resident), BP_NATIVE_SSE_HIGH);
    uint8_t *there = enc_jcc (e, CC_NE);
    emit_vectors (e, OP_MOVAPS_LOAD, true);
    enc_patch (there, e->p);
  }
  if (has_avx () && to == FP_LOAD_AVX) {
    bits |= BP_NATIVE_AVX;
    emit_load_uppers (e);
  }
  emit_loaded (e, bits);
  enc_ret (e);
  return at;
}

static void
emit_fp_load (Enc *e)
{
  x64_host.fp_load[FP_LOAD_X87] = emit_load_x87 (e);
  x64_host.fp_load[FP_LOAD_SSE] = emit_load_vectors (e, FP_LOAD_SSE);
  x64_host.fp_load[FP_LOAD_SSE_HIGH] = emit_load_vectors (e, FP_LOAD_SSE_HIGH);
  x64_host.fp_load[FP_LOAD_AVX] = emit_load_vectors (e, FP_LOAD_AVX);
}

/* Back to what was dropped: eax has the parts. */
static void
emit_reload (Enc *e)
{
  static const struct { uint8_t part, load; } order[] = {
    { BP_NATIVE_X87, FP_LOAD_X87 }, { BP_NATIVE_AVX, FP_LOAD_AVX }, { BP_NATIVE_SSE_HIGH, FP_LOAD_SSE_HIGH },
    { BP_NATIVE_SSE, FP_LOAD_SSE }
  };
  for (unsigned i = 0; i < sizeof order / sizeof *order; i++) {
    enc_test_ri (e, 0, RAX, order[i].part);
    uint8_t *not = enc_jcc (e, CC_E);
    enc_call_to (e, x64_host.fp_load[order[i].load]);
    enc_patch (not, e->p);
  }
}

/* --- entry and exit ------------------------------------------------------------------------ */

static const uint8_t preserved[6] = { RBP, RBX, R12, R13, R14, R15 };

static uint8_t *
emit_enter (Enc *e, X64Set *set)
{
  align (e);
  uint8_t *enter = e->p;
  for (unsigned i = 0; i < 6; i++)
    enc_push (e, preserved[i]);
  enc_alu_ri (e, ALU_SUB, X64_W, RSP, FRAME_SIZE);
  enc_mov_rr (e, X64_W, RBP, RDI);
  enc_store (e, X64_W, RSP, ENV (frame));
  enc_mov_rr (e, X64_W, RAX, RSI);
  enc_mov_mi (e, 0, ENV (pin_set), (int32_t) (set - x64_host.set));
  load_pins (e, set, ~0u);
  enc_alu_mi (e, ALU_CMP, 0, ENV (exit_request), 0);
  uint8_t *refused = enc_jcc (e, CC_NE);
  enc_jmp_r (e, RAX);
  enc_patch (refused, e->p);
  set->leave = e->p;
  enc_mov_ri (e, RAX, TCG_EXIT_LEAVE);

  set->exit = e->p;
  store_pins (e, set, ~0u);
  enc_mov_mi (e, X64_W, ENV (ret_pc), 0);
  enc_alu_mi (e, ALU_CMP, 0, ENV (fp_resident), 0);
  uint8_t *plain = enc_jcc (e, CC_E);
  enc_call_to (e, x64_host.fp_store);
  enc_patch (plain, e->p);
  enc_alu_ri (e, ALU_ADD, X64_W, RSP, FRAME_SIZE);
  for (unsigned i = 6; i-- > 0;)
    enc_pop (e, preserved[i]);
  enc_ret (e);
  return enter;
}

/* Where C, which does not know the set, sends a block's successor look-up that is to end in the loop. */
static void
emit_leave (Enc *e)
{
  align (e);
  x64_host.leave = e->p;
  for (unsigned i = 1; i < x64_host.n_sets; i++) {
    enc_alu_mi (e, ALU_CMP, 0, ENV (pin_set), (int32_t) i);
    enc_jcc_to (e, CC_E, x64_host.set[i].leave);
  }
  enc_jmp_to (e, x64_host.set[0].leave);
}

/* void (void *env) for C. */
static void
emit_fp_store_for_c (Enc *e)
{
  align (e);
  x64_host.fp_store_for_c = e->p;
  enc_push (e, RBP);
  enc_mov_rr (e, X64_W, RBP, RDI);
  enc_alu_mi (e, ALU_CMP, 0, ENV (fp_resident), 0);
  uint8_t *none = enc_jcc (e, CC_E);
  enc_call_to (e, x64_host.fp_store);
  enc_patch (none, e->p);
  enc_pop (e, RBP);
  enc_ret (e);
}

/*
 * ret_pc is left as it is on the way back into a block; the exit clears it.  A signal does not rely on it: the
 * return address of the last call out of a block stands below `frame`, whatever that has stored so far.
 */

/* --- on the way back from C -------------------------------------------------------------------- */

/* Pinned globals are in env; may use any caller-saved register. */
static void
emit_events (Enc *e)
{
  align (e);
  x64_host.events = e->p;
  enc_alu_ri (e, ALU_SUB, X64_W, RSP, 8);
  enc_test_m8 (e, ENV (events), TCG_EVENT_LEAVE);
  uint8_t *stay = enc_jcc (e, CC_E);
  enc_alu_mi (e, ALU_AND, 0, ENV (events), ~TCG_EVENT_LEAVE);
  enc_mov_rr (e, X64_W, RDI, RBP);
  call_c (e, (void (*) (void)) tcg_leave_block);
  enc_patch (stay, e->p);
  enc_test_m8 (e, ENV (events), TCG_EVENT_FP_DROPPED);
  uint8_t *done = enc_jcc (e, CC_E);
  enc_load (e, 0, RAX, ENV (fp_dropped));
  emit_reload (e);
  enc_alu_mi (e, ALU_AND, 0, ENV (events), ~TCG_EVENT_FP_DROPPED);
  enc_patch (done, e->p);
  enc_alu_ri (e, ALU_ADD, X64_W, RSP, 8);
  enc_ret (e);
}

/* rsp is 16-aligned here; the result of the C function is kept. */
static void
emit_check_events (Enc *e, int32_t below, bool keep_result)
{
  enc_alu_mi (e, ALU_CMP, 0, ENV (events), 0);
  uint8_t *quiet = enc_jcc (e, CC_E);
  if (keep_result)
    enc_store (e, X64_W, RAX, x64_mem (RSP, below + FRAME_RESULT));
  enc_call_to (e, x64_host.events);
  if (keep_result)
    enc_load (e, X64_W, RAX, x64_mem (RSP, below + FRAME_RESULT));
  enc_patch (quiet, e->p);
}

/* --- slow paths ------------------------------------------------------------------------------------ */

static const uint8_t temporaries[4] = { RAX, RCX, RDX, RDI };

#define NEAR_PATIENCE 3

/* Out-of-line code stores arguments 1 .. n-1 in the frame and calls; every register is preserved, the
 * result is in the frame. */
static void
emit_slow (Enc *e, X64Set *set, SlowThunk which, void (*function) (void), unsigned n_args)
{
  align (e);
  set->slow[which] = e->p;
  for (unsigned i = 0; i < 4; i++)
    enc_store (e, X64_W, temporaries[i], x64_mem (RSP, 8 + FRAME_SAVE ((int32_t) i)));
  store_pins (e, set, ~0u);
  enc_load (e, X64_W, RAX, x64_mem (RSP, 0));
  enc_store (e, X64_W, RAX, ENV (ret_pc));
  enc_alu_ri (e, ALU_SUB, X64_W, RSP, 8);
  enc_mov_rr (e, X64_W, RDI, RBP);
  load_arguments (e, 1, n_args, 16);
  call_c (e, function);
  enc_store (e, X64_W, RAX, x64_mem (RSP, 16 + FRAME_RESULT));
  emit_check_events (e, 0, false);
  enc_alu_ri (e, ALU_ADD, X64_W, RSP, 8);
  load_pins (e, set, CALLER_SAVED);
  for (unsigned i = 0; i < 4; i++)
    enc_load (e, X64_W, temporaries[i], x64_mem (RSP, 8 + FRAME_SAVE ((int32_t) i)));
  enc_ret (e);
}

static X64Mem
tlb_field (unsigned mmu, size_t field)
{
  return x64_mem (RBP, (int32_t) (offsetof (TcgVcpu, tlb) + mmu * sizeof (TlbFast) + field));
}

/* rax: the entry, rdx: its page.  The near entry becomes a copy; see tcg.h for who else writes to it. */
static void
emit_make_near (Enc *e, unsigned mmu)
{
  int32_t near = (int32_t) (offsetof (TcgVcpu, near) + mmu * sizeof (TlbNear));
  X64Mem patience = x64_mem (RBP, near + (int32_t) offsetof (TlbNear, patience));
  static const size_t tag[2][2] = { { offsetof (TlbEntry, load), offsetof (TlbNear, load) },
                                    { offsetof (TlbEntry, store), offsetof (TlbNear, store) } };
  enc_alu_mi (e, ALU_SUB, 0, patience, 1);
  uint8_t *wait = enc_jcc (e, CC_NS);
  enc_mov_mi (e, 0, patience, NEAR_PATIENCE);
  enc_load (e, X64_W, RCX, x64_mem (RAX, offsetof (TlbEntry, addend)));
  enc_store (e, X64_W, RCX, x64_mem (RBP, near + (int32_t) offsetof (TlbNear, addend)));
  for (unsigned i = 0; i < 2; i++) {
    enc_mov_ri (e, RCX, (int64_t) TLB_NEAR_NONE);
    enc_alu_mr (e, ALU_CMP, X64_W, x64_mem (RAX, (int32_t) tag[i][0]), RDX);
    enc_cmov (e, CC_E, X64_W, RCX, RDX);
    enc_rm (e, OP_XCHG | X64_W, RCX, x64_mem (RBP, near + (int32_t) tag[i][1]));        /* (a fence) */
  }
  enc_alu_mr (e, ALU_CMP, X64_W, x64_mem (RAX, offsetof (TlbEntry, store)), RDX);
  uint8_t *same = enc_jcc (e, CC_E);
  enc_mov_ri (e, RCX, (int64_t) TLB_NEAR_NONE);
  enc_store (e, X64_W, RCX, x64_mem (RBP, near + (int32_t) offsetof (TlbNear, store)));
  enc_patch (same, e->p);
  enc_patch (wait, e->p);
}

static void
save_three (Enc *e, bool restore)
{
  for (unsigned i = 0; i < 3; i++)
    (restore ? enc_load : enc_store) (e, X64_W, temporaries[i], x64_mem (RSP, 8 + FRAME_SAVE ((int32_t) i)));
}

/*
 * An inline probe missed that had not looked at the right entry in the table.  In the frame: argument 1, the first address; 5, how many
 * bytes on the last one is, and in its upper half the bits of the address that must be 0.  CF: it is in the table, and the result is the
 * addend.  Every register is preserved.
 */
static void
emit_table (Enc *e, unsigned mmu, bool store, bool near)
{
  align (e);
  x64_host.table[mmu][store][near] = e->p;
  save_three (e, false);
  enc_load (e, X64_W, RCX, x64_mem (RSP, 8 + FRAME_ARG (1)));
  enc_rm (e, OP_MOVZX16, RDX, x64_mem (RSP, 8 + FRAME_ARG (5)));
  enc_rm (e, OP_MOVZX16, RAX, x64_mem (RSP, 8 + FRAME_ARG (5) + 2));
  enc_rr (e, OP_TEST, RAX, RCX);
  uint8_t *misaligned = enc_jcc (e, CC_NE);
  _Static_assert (sizeof (TlbEntry) == 32, "the index is shifted by 5");
  enc_mov_rr (e, X64_W, RAX, RCX);
  enc_shift_ri (e, SHIFT_SHR, X64_W, RAX, TLB_PAGE_BITS - 5);
  enc_alu_rm (e, ALU_AND, 0, RAX, tlb_field (mmu, offsetof (TlbFast, mask)));
  enc_alu_rm (e, ALU_ADD, X64_W, RAX, tlb_field (mmu, offsetof (TlbFast, table)));
  enc_alu_rr (e, ALU_ADD, X64_W, RDX, RCX);
  enc_alu_ri (e, ALU_AND, X64_W, RDX, (int32_t) TLB_PAGE_MASK);
  enc_alu_rm (e, ALU_CMP, X64_W, RDX, x64_mem (RAX, store ? offsetof (TlbEntry, store) : offsetof (TlbEntry, load)));
  uint8_t *miss = enc_jcc (e, CC_NE);
  enc_load (e, X64_W, RCX, x64_mem (RAX, offsetof (TlbEntry, addend)));
  enc_store (e, X64_W, RCX, x64_mem (RSP, 8 + FRAME_RESULT));
  if (near)
    emit_make_near (e, mmu);
  save_three (e, true);
  enc_u8 (e, 0xf9);                                     /* stc */
  enc_ret (e);
  enc_patch (misaligned, e->p);
  enc_patch (miss, e->p);
  save_three (e, true);
  enc_u8 (e, 0xf8);                                     /* clc */
  enc_ret (e);
}

/* Blocks put the arguments in the frame and the function in rax, and call; the result is in rax, the
 * temporaries are lost. */
static void
emit_call (Enc *e, X64Set *set, CallThunk which, bool fp_safe)
{
  bool globals = which != CALL_NO_GLOBALS;
  align (e);
  set->call[which][fp_safe] = e->p;
  store_pins (e, set, globals ? ~0u : CALLER_SAVED);
  if (globals) {
    enc_load (e, X64_W, RCX, x64_mem (RSP, 0));
    enc_store (e, X64_W, RCX, ENV (ret_pc));
  }
  if (!fp_safe) {
    enc_alu_mi (e, ALU_CMP, 0, ENV (fp_resident), 0);
    uint8_t *none = enc_jcc (e, CC_E);
    enc_call_to (e, x64_host.fp_store);
    enc_patch (none, e->p);
  }
  load_arguments (e, 0, 6, 8);
  enc_push_m (e, x64_mem (RSP, 8 + FRAME_ARG (6)));     /* the seventh argument; aligns the stack as well */
  enc_call_r (e, RAX);
  if (globals)
    emit_check_events (e, 16, true);
  enc_alu_ri (e, ALU_ADD, X64_W, RSP, 8);
  load_pins (e, set, which == CALL_WRITES ? ~0u : CALLER_SAVED);
  enc_ret (e);
}

/* The inline jump cache missed: rax = guest pc, the return address names the block.  miss_link: edx = the exit to be linked. */
static void
emit_miss (Enc *e, X64Set *set)
{
  align (e);
  set->miss = e->p;
  enc_mov_ri (e, RDX, BP_IR_EXIT_NONE);
  set->miss_link = e->p;
  enc_pop (e, RCX);
  enc_store (e, X64_W, RCX, ENV (ret_pc));
  store_pins (e, set, ~0u);
  enc_mov_rr (e, X64_W, RDI, RBP);
  enc_mov_rr (e, X64_W, RSI, RAX);
  call_c (e, (void (*) (void)) tcg_lookup);
  emit_check_events (e, 0, true);
  load_pins (e, set, CALLER_SAVED);
  enc_alu_mi (e, ALU_CMP, 0, ENV (exit_request), 0);
  enc_jcc_to (e, CC_NE, set->leave);
  enc_jmp_r (e, RAX);
}

/* To the state's pc in its mode, which may have another set: C has put that into pin_set when it gives code of it. */
static void
emit_any (Enc *e, X64Set *set)
{
  align (e);
  set->any = e->p;
  store_pins (e, set, ~0u);
  enc_mov_rr (e, X64_W, RDI, RBP);
  call_c (e, (void (*) (void)) tcg_continue);
  emit_check_events (e, 0, true);
  for (unsigned i = 0; i < x64_host.n_sets; i++) {
    X64Set *to = &x64_host.set[i];
    enc_alu_mi (e, ALU_CMP, 0, ENV (pin_set), (int32_t) i);
    uint8_t *other = enc_jcc (e, CC_NE);
    load_pins (e, to, to == set ? CALLER_SAVED : ~0u);
    enc_alu_mi (e, ALU_CMP, 0, ENV (exit_request), 0);
    enc_jcc_to (e, CC_NE, to->leave);
    enc_jmp_r (e, RAX);
    enc_patch (other, e->p);
  }
}

static void
emit_set (CodeBuffer *buffer, Enc *e, X64Set *set)
{
  uint8_t *enter = emit_enter (e, set);
  emit_slow (e, set, SLOW_LOAD, (void (*) (void)) tcg_slow_load, 3);
  emit_slow (e, set, SLOW_STORE, (void (*) (void)) tcg_slow_store, 4);
  emit_slow (e, set, SLOW_ATOMIC, (void (*) (void)) tcg_slow_atomic, 5);
  emit_slow (e, set, SLOW_CMPXCHG, (void (*) (void)) tcg_slow_cmpxchg, 5);
  emit_slow (e, set, SLOW_NATIVE_OPERAND, (void (*) (void)) tcg_native_operand, 3);
  emit_slow (e, set, SLOW_NATIVE_COMMIT, (void (*) (void)) tcg_native_commit, 3);
  emit_slow (e, set, SLOW_RECORD, (void (*) (void)) tcg_slow_record, 5);
  emit_slow (e, set, SLOW_RING_FULL, (void (*) (void)) tcg_ring_full, 2);
  for (unsigned which = 0; which < N_CALL_THUNKS; which++)
    for (unsigned fp_safe = 0; fp_safe < 2; fp_safe++)
      emit_call (e, set, (CallThunk) which, fp_safe);
  emit_miss (e, set);
  set->enter = (uintptr_t (*) (void *, const void *)) (uintptr_t) (buffer->rx + (enter - buffer->rw));
}

bool
x64_thunks_emit (CodeBuffer *buffer, Enc *e)
{
  emit_fp_store (e);
  emit_fp_load (e);
  emit_fp_store_for_c (e);
  emit_events (e);
  for (unsigned i = 0; i < x64_host.n_sets; i++)
    emit_set (buffer, e, &x64_host.set[i]);
  for (unsigned i = 0; i < x64_host.n_sets; i++)
    emit_any (e, &x64_host.set[i]);
  for (unsigned mmu = 0; mmu < x64_host.frontend->n_mmu_indexes; mmu++)
    for (unsigned kind = 0; kind < 4; kind++)
      emit_table (e, mmu, kind & 1, kind & 2);
  emit_leave (e);
  align (e);
  return !e->full;
}
