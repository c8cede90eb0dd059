/* native.c -- the guest's own x87, MMX, SSE and AVX instructions, executed on the host's registers. */
/* SPDX-License-Identifier: MIT */
#include "host.h"

/* --- residency ---------------------------------------------------------------------------- */

static void
late_fp_load (Gen *g, const Late *late)
{
  enc_call_to (&g->e, x64_host.fp_load[late->op]);
  enc_jmp_to (&g->e, late->back);
}

/* What comes along with the parts in `bits`, and the one that stands for all (ir.h, BpIrNativeState). */
static unsigned
resident_with (unsigned bits, FpLoad *load)
{
  const unsigned sse = BP_NATIVE_SSE, high = sse | BP_NATIVE_SSE_HIGH;
  if (bits & BP_NATIVE_X87) {
    *load = FP_LOAD_X87;
    return BP_NATIVE_X87 | high;
  }
  if (bits & BP_NATIVE_AVX) {
    *load = FP_LOAD_AVX;
    return BP_NATIVE_AVX | high;
  }
  *load = bits & BP_NATIVE_SSE_HIGH ? FP_LOAD_SSE_HIGH : FP_LOAD_SSE;
  return bits & BP_NATIVE_SSE_HIGH ? high : sse;
}

static void
need_resident (Gen *g, unsigned bits)
{
  static const uint8_t part[N_FP_LOADS] = {
    [FP_LOAD_X87] = BP_NATIVE_X87, [FP_LOAD_SSE] = BP_NATIVE_SSE, [FP_LOAD_SSE_HIGH] = BP_NATIVE_SSE_HIGH,
    [FP_LOAD_AVX] = BP_NATIVE_AVX
  };
  FpLoad load;
  bits = resident_with (bits, &load);
  if ((g->fp_known & bits) == bits)
    return;
  enc_test_m8 (&g->e, ENV (fp_resident), part[load]);
  Late *late = x64_late (g, late_fp_load, enc_jcc (&g->e, CC_E));
  late->op = load;
  late->back = g->e.p;
  g->fp_known |= bits;
}

/* --- the instruction -------------------------------------------------------------------------- */

/* Everything that the fast and the slow path share: host registers of the operands. */
typedef struct Native {
  uint64_t code;
  unsigned out, in;             /* integer registers, X64_NO_REG */
} Native;

static unsigned
register_field (const Native *n, BpIrNativeOperand kind, unsigned number)
{
  return kind == BP_NATIVE_OUT ? n->out : kind == BP_NATIVE_IN ? n->in : number;
}

static void
emit_instruction (Gen *g, const Native *n, X64Mem mem)
{
  Enc *e = &g->e;
  uint64_t code = n->code;
  uint32_t op = (uint32_t) (code & 0x1fff);             /* opcode, map, prefix, W: laid out as in encode.h */
  x64_mark (g);
  if (BP_NATIVE_NO_MODRM (code)) {
    if (!enc_begin (e))
      return;
    if (BP_NATIVE_VEX (code)) {                         /* vzeroupper, vzeroall */
      enc_u8 (e, 0xc5);
      enc_u8 (e, BP_NATIVE_VEX_L (code) ? 0xfc : 0xf8);
    } else if (BP_NATIVE_MAP (code)) {
      enc_u8 (e, 0x0f);
    }
    enc_u8 (e, BP_NATIVE_OPCODE (code));
    return;
  }
  unsigned reg = register_field (n, BP_NATIVE_REG_KIND (code), BP_NATIVE_REG (code));
  bool memory = BP_NATIVE_RM_KIND (code) == BP_NATIVE_MEM;
  unsigned rm = memory ? 0 : register_field (n, BP_NATIVE_RM_KIND (code), BP_NATIVE_RM (code));
  if (BP_NATIVE_VEX (code)) {
    op |= BP_NATIVE_VEX_L (code) ? X64_L : 0;
    if (memory)
      enc_vex_rm (e, op, reg, BP_NATIVE_VVVV (code), mem);
    else
      enc_vex_rr (e, op, reg, BP_NATIVE_VVVV (code), rm);
  } else if (memory) {
    enc_rm (e, op, reg, mem);
  } else {
    enc_rr (e, op, reg, rm);
  }
  if (BP_NATIVE_HAS_IMM (code))
    enc_u8 (e, BP_NATIVE_IMM8 (code));
}

/* CF PF AF ZF SF from rax's low byte. */
static void
set_flags (Gen *g)
{
  enc_rr (&g->e, 0x8a, RSP /* ah */, RAX);
  enc_u8 (&g->e, 0x9e);                                 /* sahf */
}

static void
get_flags (Gen *g, unsigned to)
{
  if (!enc_begin (&g->e))
    return;
  enc_u8 (&g->e, 0x9c);                                 /* pushfq */
  enc_pop (&g->e, to);
  enc_alu_ri (&g->e, ALU_AND, 0, to, 0x8d5);            /* CF PF AF ZF SF OF */
}

static Probe
probe_for (uint32_t aux, Operand address, unsigned entry, unsigned work)
{
  return (Probe) { .address = address, .entry = entry, .work = work, .bytes = BP_NATIVE_MEM_SIZE (aux),
                   .mmu_index = BP_NATIVE_MEM_MMU_INDEX (aux), .store = aux & BP_NATIVE_MEM_WRITE,
                   .aligned = aux & BP_NATIVE_MEM_ALIGN, .wide = aux & BP_NATIVE_MEM_ADDR64 };
}

/* The page was not proved for all that share the probe: perhaps it can be for this access alone, before C is asked.  The
 * addend's register is free for that (it holds 0, and will again). */
static void
try_alone (Gen *g, const Late *late, const Native *n)
{
  Enc *e = &g->e;
  Probe probe = probe_for (late->aux, late->address, late->entry, X64_NO_REG);
  uint8_t *miss;
  X64Mem mem = x64_probe_alone (g, &probe, &miss);
  if (BP_NATIVE_FLAGS_IN (n->code))
    set_flags (g);
  emit_instruction (g, n, mem);
  enc_mov_ri (e, late->entry, 0);
  enc_jmp_to (e, late->back);
  enc_patch (miss, e->p);
}

/* What the instruction does to the flags outlives what follows it. */
static void
late_native (Gen *g, const Late *late)
{
  Native n = { late->native, late->result, late->value.reg };
  bool store = late->aux & BP_NATIVE_MEM_WRITE;
  if (late->probe.found)
    x64_probe_again (g, &late->probe);
  enc_patch (late->from_too, g->e.p);
  if (late->shared)
    try_alone (g, late, &n);
  x64_put_argument (g, 1, late->address);
  enc_mov_mi (&g->e, 0, x64_mem (RSP, FRAME_ARG (2)), (int32_t) late->aux);
  x64_call_marked (g, g->set->slow[SLOW_NATIVE_OPERAND]);
  if (!store)
    x64_share_clear (g, late);
  enc_load (&g->e, X64_W, late->entry, x64_mem (RSP, FRAME_RESULT));
  if (BP_NATIVE_FLAGS_IN (n.code))
    set_flags (g);
  emit_instruction (g, &n, x64_mem (late->entry, 0));
  if (store) {
    x64_call_marked (g, g->set->slow[SLOW_NATIVE_COMMIT]);     /* its arguments are still in the frame */
    x64_share_clear (g, late);
  } else if (late->shared) {
    enc_mov_ri (&g->e, late->entry, 0);
  }
  enc_jmp_to (&g->e, late->back);
}

/* --- the op ---------------------------------------------------------------------------------------- */

static void
with_memory (Gen *g, const BpIrInsn *insn, const Native *n, Share *share, Operand address, unsigned entry,
             unsigned work)
{
  Probe probe = probe_for (insn->aux, address, entry, work);
  uint8_t *misaligned = NULL;
  if (share && probe.aligned) {         /* that is each one's own business */
    probe.aligned = false;
    if (address.kind == IN_REGISTER) {
      enc_test_ri (&g->e, 0, address.reg, (int32_t) probe.bytes - 1);
      misaligned = enc_jcc (&g->e, CC_NE);
    }
  }
  X64Mem mem = x64_site (g, &probe, &share);
  if (BP_NATIVE_FLAGS_IN (n->code))
    set_flags (g);
  emit_instruction (g, n, mem);
  Late *late = x64_late (g, late_native, probe.miss);
  late->probe = probe;
  late->from_too = misaligned;
  late->native = n->code;
  late->aux = insn->aux;
  late->address = address;
  late->entry = (uint8_t) entry;
  late->shared = share != NULL;
  late->result = (uint8_t) n->out;
  late->value.reg = (uint8_t) n->in;
  late->back = g->e.p;
  x64_share_stale (g, late);
}

/* eax and edx from the two halves. */
static void
lengths (Gen *g, Operand both)
{
  x64_move_operand (g, BP_IR_I64, RAX, both);
  enc_mov_rr (&g->e, X64_W, RDX, RAX);
  enc_shift_ri (&g->e, SHIFT_SHR, X64_W, RDX, 32);
}

void
x64_native (Gen *g, const BpIrInsn *insn)
{
  uint64_t code = (uint64_t) insn->imm;
  Regalloc *ra = &g->ra;
  BpTemp d0 = insn->a[0], d1 = insn->a[1];
  Native n = { code, X64_NO_REG, X64_NO_REG };
  bool memory = BP_NATIVE_RM_KIND (code) == BP_NATIVE_MEM && !BP_NATIVE_NO_MODRM (code);
  bool rax_out = BP_NATIVE_RAX_OUT (code), flags_in = BP_NATIVE_FLAGS_IN (code);
  bool rcx_out = BP_NATIVE_RCX_OUT (code), lengths_in = BP_NATIVE_LENGTHS_IN (code);

  need_resident (g, BP_NATIVE_STATE (code));
  if (rax_out || flags_in || lengths_in)
    ra_take (ra, RAX);
  if (lengths_in)
    ra_take (ra, RDX);
  if (rcx_out)
    ra_take (ra, RCX);
  Operand address = { .kind = IS_IMMEDIATE };
  Share *share = memory ? x64_share_of (g) : NULL;
  bool proved = share && share->first != g->at;
  unsigned entry = RA_NONE, work = RA_NONE;
  if (memory) {
    address = x64_address (g, insn->a[3], insn->aux & BP_NATIVE_MEM_ADDR64, true);
    entry = proved ? ra_use (ra, share->addend, 0) : ra_scratch (ra, 0);
  }
  if (lengths_in)
    lengths (g, x64_operand (g, insn->a[2], BP_IR_I64, ALLOW_IMM64 | ALLOW_MEM));
  else if (insn->a[2] != BP_IR_NONE)
    n.in = ra_use (ra, insn->a[2], 0);
  if (flags_in)
    x64_move_operand (g, BP_IR_I32, RAX, x64_operand (g, insn->a[4], BP_IR_I32, ALLOW_IMM64 | ALLOW_MEM));
  else if (rax_out)
    x64_constant (g, RAX, 0, BP_IR_I32);
  ra_release_dead (ra);
  /* The probe's work register: the one of the result if it is a temporary, as that is written last. */
  if (d0 != BP_IR_NONE && !rax_out && !rcx_out) {
    n.out = ra_define (ra, d0, RA_NONE, x64_operand_mask (address) | (n.in != X64_NO_REG ? 1u << n.in : 0));
    if ((TEMPORARIES >> n.out & 1) && n.out != x64_operand_reg (address) && n.out != n.in)
      work = n.out;
  }
  if (rcx_out)
    work = RCX;
  if (memory && work == RA_NONE && !proved)
    work = ra_scratch (ra, 0);

  if (memory) {
    with_memory (g, insn, &n, share, address, entry, work);
  } else {
    if (flags_in)
      set_flags (g);
    emit_instruction (g, &n, x64_mem (RAX, 0));
  }
  if (BP_NATIVE_FLAGS_OUT (code) && d1 != BP_IR_NONE) {
    unsigned flags = ra_define (ra, d1, RA_NONE, 0);
    get_flags (g, flags);
    ra_defined (ra, d1, 1);
  }
  if (d0 != BP_IR_NONE && rax_out)
    ra_define_in (ra, d0, 0, RAX);
  else if (d0 != BP_IR_NONE && rcx_out)
    ra_define_in (ra, d0, 0, RCX);
  else if (d0 != BP_IR_NONE)
    ra_defined (ra, d0, 0);
}
