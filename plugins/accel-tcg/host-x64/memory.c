/* memory.c -- guest memory: the inline probe of the software TLB, and the slow paths. */
/* SPDX-License-Identifier: MIT */
#include "host.h"
#include "../ir-info.h"

#define BYTE_SWAPPED(memop) (((memop) & BP_MO_BE) && ((memop) & BP_MO_SIZE) != BP_MO_8)

/* --- the probe -------------------------------------------------------------------------- */

/* An i32 address whose register has more than zeros above is copied; a sum is left as it is. */
Operand
x64_address (Gen *g, BpTemp t, bool wide, bool allow_constant)
{
  const BpIrTemp *ir = &g->ir->temps[t];
  BpIrType type = wide ? BP_IR_I64 : BP_IR_I32;
  if (allow_constant && ra_is_const (&g->ra, t))
    return (Operand) { .kind = IS_IMMEDIATE, .imm = (int64_t) ir_const_bits (ir, type) };
  if (wide && ra_is_sum (&g->ra, t)) {
    const RaTemp *sum = &g->ra.temps[t];
    g->ra.locked |= 1u << sum->reg;
    return (Operand) { .kind = IN_REGISTER, .reg = sum->reg, .imm = sum->disp };
  }
  Operand o = x64_operand (g, t, type, !wide && ir->type == BP_IR_I64 ? ALLOW_MEM : 0);
  if (o.kind == IN_REGISTER && (wide || ra_is_clean (&g->ra, o.reg)))
    return o;
  if (o.kind == IN_REGISTER)
    g->ra.locked &= ~(1u << o.reg);
  unsigned copy = ra_scratch (&g->ra, o.kind == IN_REGISTER ? TEMPORARIES & ~(1u << o.reg) : 0);
  x64_move_operand (g, BP_IR_I32, copy, o);
  return (Operand) { .kind = IN_REGISTER, .reg = (uint8_t) copy };
}

static X64Mem
tlb_field (const Probe *p, size_t offset)
{
  return x64_mem (RBP, (int32_t) (offsetof (TcgVcpu, tlb) + p->mmu_index * sizeof (TlbFast) + offset));
}

static X64Mem
near_field (const Probe *p, size_t offset)
{
  return x64_mem (RBP, (int32_t) (offsetof (TcgVcpu, near) + p->mmu_index * sizeof (TlbNear) + offset));
}

static X64Mem
tlb_tag (const Probe *p)
{
  return x64_mem (p->entry, p->store ? offsetof (TlbEntry, store) : offsetof (TlbEntry, load));
}

/* Tags have 64 bits where any address has; then an i32 one is compared as such, too. */
static uint32_t
tag_width (const Probe *p)
{
  return p->wide || x64_host.frontend->address_bits == 64 ? X64_W : 0;
}

/* The last byte's page is compared, or, when it must be aligned, the page and the bits that have to be 0. */
static uint64_t
compare_mask (const Probe *p)
{
  return p->aligned ? TLB_PAGE_MASK | (p->bytes - 1) : TLB_PAGE_MASK;
}

static X64Mem
probe_constant (Gen *g, Probe *p)
{
  Enc *e = &g->e;
  uint64_t address = (uint64_t) p->address.imm, last = address + p->bytes - 1;
  if (!p->wide)
    last = (uint32_t) last;
  int64_t page = (int64_t) ((p->aligned ? address : last) & compare_mask (p));
  enc_mov_ri (e, p->entry, (int64_t) (uint32_t) (address >> (TLB_PAGE_BITS - 5)));
  enc_alu_rm (e, ALU_AND, 0, p->entry, tlb_field (p, offsetof (TlbFast, mask)));
  enc_alu_rm (e, ALU_ADD, X64_W, p->entry, tlb_field (p, offsetof (TlbFast, table)));
  if (!x64_is_far (p->address)) {
    enc_alu_mi (e, ALU_CMP, tag_width (p), tlb_tag (p), (int32_t) page);
  } else {
    enc_mov_ri (e, p->work, page);
    enc_alu_rm (e, ALU_CMP, tag_width (p), p->work, tlb_tag (p));
  }
  p->miss = enc_jcc (e, CC_NE);
  enc_load (e, X64_W, p->entry, x64_mem (p->entry, offsetof (TlbEntry, addend)));
  if (!x64_is_far (p->address))
    return x64_mem (p->entry, (int32_t) address);
  return x64_mem_index (p->entry, p->work, 0, (int32_t) ((int64_t) address - page));    /* (an access that hits is in the page) */
}

static void
add_to (Gen *g, const Probe *p, unsigned to, int32_t displacement)
{
  uint32_t w = p->wide ? X64_W : 0;
  if (displacement == 0)
    enc_mov_rr (&g->e, w, to, p->address.reg);
  else
    enc_rm (&g->e, OP_LEA | w, to, x64_mem (p->address.reg, displacement));
}

/* The entry in the table that an address at a register belongs to. */
static void
find_entry (Gen *g, const Probe *p, int32_t displacement)
{
  Enc *e = &g->e;
  uint32_t w = p->wide ? X64_W : 0;
  _Static_assert (sizeof (TlbEntry) == 32, "the index is shifted by 5");
  if (displacement == 0 && (x64_host.cpu & CPU_BMI2)) { /* what is rotated in from below is masked off */
    enc_rorx (e, w, p->entry, p->address.reg, TLB_PAGE_BITS - 5);
  } else {
    add_to (g, p, p->entry, displacement);
    enc_shift_ri (e, SHIFT_SHR, w, p->entry, TLB_PAGE_BITS - 5);
  }
  enc_alu_rm (e, ALU_AND, 0, p->entry, tlb_field (p, offsetof (TlbFast, mask)));
  enc_alu_rm (e, ALU_ADD, X64_W, p->entry, tlb_field (p, offsetof (TlbFast, table)));
}

/*
 * Pages not far from each other have different entries.  So when the entry is that of one byte, and the tag is compared with the page of
 * another one, a hit means that both lie in that page, and with them what lies between: the base is as good an end of the range as
 * its own when it lies just outside.  (Farther away it would too often be in another page.)
 */
#define BASE_REACH 64

/* Which byte's entry to look for, and which one's page to compare. */
static void
choose_ends (int32_t first, int32_t last, int32_t *entry, int32_t *page)
{
  *entry = first, *page = last;
  if (first > 0 && first <= BASE_REACH)
    *entry = 0;
  else if (first < 0 && last <= 0 && first >= -BASE_REACH)
    *entry = 0, *page = first;
}

static X64Mem
probe_register (Gen *g, Probe *p)
{
  Enc *e = &g->e;
  int32_t disp = (int32_t) p->address.imm, first = disp - p->before, entry, page;
  int32_t last = p->aligned ? disp : disp + (int32_t) p->bytes - 1 + p->after;
  choose_ends (first, last, &entry, &page);
  find_entry (g, p, entry);
  add_to (g, p, p->work, page);
  enc_alu_ri (e, ALU_AND, p->wide ? X64_W : 0, p->work, (int32_t) compare_mask (p));
  enc_alu_rm (e, ALU_CMP, tag_width (p), p->work, tlb_tag (p));
  p->miss = enc_jcc (e, CC_NE);
  if (p->guess)
    x64_guess_addend (g, p);
  else
    enc_load (e, X64_W, p->entry, x64_mem (p->entry, offsetof (TlbEntry, addend)));
  if (entry != first)
    p->found = e->p;
  return x64_mem_index (p->address.reg, p->entry, 0, disp);
}

/* Where in the near page it begins must leave room for the rest. */
static X64Mem
probe_near (Gen *g, Probe *p)
{
  Enc *e = &g->e;
  int32_t disp = (int32_t) p->address.imm, size = (int32_t) p->bytes + p->before + p->after;
  add_to (g, p, p->work, disp - p->before);
  enc_alu_rm (e, ALU_SUB, X64_W, p->work, near_field (p, p->store ? offsetof (TlbNear, store) : offsetof (TlbNear, load)));
  enc_alu_ri (e, ALU_CMP, X64_W, p->work, (1 << TLB_PAGE_BITS) - size);
  p->miss = enc_jcc (e, CC_A);
  enc_load (e, X64_W, p->entry, near_field (p, offsetof (TlbNear, addend)));
  p->found = e->p;
  return x64_mem_index (p->address.reg, p->entry, 0, disp);
}

/* Emits it.  The host address. */
static X64Mem
x64_probe (Gen *g, Probe *p)
{
  return p->address.kind == IS_IMMEDIATE ? probe_constant (g, p)
         : p->near && !p->aligned ? probe_near (g, p) : probe_register (g, p);
}

/* --- out of line: the table itself -------------------------------------------------------- */

/* Calls the thunk; rel32 of the jump when the page is not in the table, or the range not in one page. */
static uint8_t *
ask_table (Gen *g, const Probe *p)
{
  Enc *e = &g->e;
  Operand first = p->address;
  first.imm -= p->before;
  x64_put_argument (g, 1, first);
  uint32_t span = p->bytes - 1 + (uint32_t) (p->before + p->after), bits = p->aligned ? p->bytes - 1 : 0;
  enc_mov_mi (e, 0, x64_mem (RSP, FRAME_ARG (5)), (int32_t) (span | bits << 16));
  enc_call_to (e, x64_host.table[p->mmu_index][p->store][p->near]);
  uint8_t *miss = enc_jcc (e, CC_AE);
  enc_load (e, X64_W, p->entry, x64_mem (RSP, FRAME_RESULT));
  return miss;
}

void
x64_probe_again (Gen *g, const Probe *p)
{
  uint8_t *miss = ask_table (g, p);
  enc_jmp_to (&g->e, p->found);
  enc_patch (miss, g->e.p);
}

static Probe
probe_for (BpMemOp memop, bool store, Operand address, unsigned entry, unsigned work)
{
  unsigned bytes = BP_MO_BYTES (memop);
  return (Probe) { .address = address, .entry = entry, .work = work, .bytes = bytes,
                   .mmu_index = BP_MO_MMU_INDEX (memop), .store = store,
                   .aligned = bytes > 1 && (memop & BP_MO_ALIGN), .wide = memop & BP_MO_ADDR64, .near = memop & BP_MO_NEAR };
}

/* --- slow paths ----------------------------------------------------------------------------- */

void
x64_store_operand (Gen *g, X64Mem to, Operand o)
{
  if (o.kind == IN_REGISTER) {
    enc_store (&g->e, X64_W, o.reg, to);
    if (o.imm)                  /* an address */
      enc_alu_mi (&g->e, ALU_ADD, X64_W, to, (int32_t) o.imm);
  } else if (o.kind == IS_IMMEDIATE && o.imm == (int32_t) o.imm) {
    enc_mov_mi (&g->e, X64_W, to, (int32_t) o.imm);
  } else if (o.kind == IS_IMMEDIATE) {
    X64Mem high = to;
    high.disp += 4;
    enc_mov_mi (&g->e, 0, to, (int32_t) o.imm);
    enc_mov_mi (&g->e, 0, high, (int32_t) (o.imm >> 32));
  } else {
    enc_load (&g->e, X64_W, RAX, o.mem);
    enc_store (&g->e, X64_W, RAX, to);
  }
}

void
x64_put_argument (Gen *g, unsigned i, Operand o)
{
  x64_store_operand (g, x64_mem (RSP, FRAME_ARG ((int32_t) i)), o);
}

static void
put_number (Gen *g, unsigned i, uint32_t number)
{
  enc_mov_mi (&g->e, 0, x64_mem (RSP, FRAME_ARG ((int32_t) i)), (int32_t) number);
}

static void
finish_slow (Gen *g, const Late *late, SlowThunk thunk)
{
  x64_call_marked (g, g->set->slow[thunk]);
  if (late->result != X64_NO_REG)
    enc_load (&g->e, W (late->type), late->result, x64_mem (RSP, FRAME_RESULT));
  x64_share_clear (g, late);
  enc_jmp_to (&g->e, late->back);
}

static void
call_load (Gen *g, const Late *late)
{
  x64_put_argument (g, 1, late->address);
  put_number (g, 2, late->aux);
  finish_slow (g, late, SLOW_LOAD);
}

static void
call_store (Gen *g, const Late *late)
{
  x64_put_argument (g, 1, late->address);
  x64_put_argument (g, 2, late->value);
  put_number (g, 3, late->aux);
  finish_slow (g, late, SLOW_STORE);
}

static void
late_load (Gen *g, const Late *late)
{
  if (late->probe.found)
    x64_probe_again (g, &late->probe);
  call_load (g, late);
}

static void
late_store (Gen *g, const Late *late)
{
  if (late->probe.found)
    x64_probe_again (g, &late->probe);
  call_store (g, late);
}

/* rax is free in these two: it takes the result. */
static void
late_atomic (Gen *g, const Late *late)
{
  if (late->probe.found)
    x64_probe_again (g, &late->probe);
  x64_put_argument (g, 1, late->address);
  x64_put_argument (g, 2, late->value);
  put_number (g, 3, late->aux);
  put_number (g, 4, late->op);
  finish_slow (g, late, SLOW_ATOMIC);
}

static void
late_cmpxchg (Gen *g, const Late *late)
{
  if (late->probe.found)
    x64_probe_again (g, &late->probe);
  x64_put_argument (g, 1, late->address);
  x64_put_argument (g, 2, late->other);
  x64_put_argument (g, 3, late->value);
  put_number (g, 4, late->aux);
  finish_slow (g, late, SLOW_CMPXCHG);
}

static Late *
slow_path (Gen *g, const BpIrInsn *insn, void (*emit) (Gen *g, const Late *late), const Probe *probe)
{
  Late *late = x64_late (g, emit, probe->miss);
  late->probe = *probe;
  late->type = (BpIrType) insn->type;
  late->aux = insn->aux;
  late->op = insn->op;
  late->address = probe->address;
  late->back = g->e.p;
  x64_share_stale (g, late);
  return late;
}

/* --- loads and stores --------------------------------------------------------------------------- */

/* Extends register r, which holds a value of the memop's size. */
static void
extend (Gen *g, BpIrType type, BpMemOp memop, unsigned r)
{
  bool sign = memop & BP_MO_SIGN;
  uint32_t w = sign ? W (type) : 0;
  switch (memop & BP_MO_SIZE) {
  case BP_MO_8: enc_rr (&g->e, (sign ? OP_MOVSX8 : OP_MOVZX8) | w, r, r); break;
  case BP_MO_16: enc_rr (&g->e, (sign ? OP_MOVSX16 : OP_MOVZX16) | w, r, r); break;
  case BP_MO_32:
    if (sign && type == BP_IR_I64)
      enc_rr (&g->e, OP_MOVSXD, r, r);
    break;
  }
}

static void
load_swapped (Gen *g, BpIrType type, BpMemOp memop, unsigned dst, X64Mem mem)
{
  unsigned size = memop & BP_MO_SIZE;
  if (size == BP_MO_16) {
    enc_rm (&g->e, OP_MOVZX16, dst, mem);
    enc_rr (&g->e, 0xc1 | X64_P66, SHIFT_ROL, dst);
    enc_u8 (&g->e, 8);
    if (memop & BP_MO_SIGN)
      enc_rr (&g->e, OP_MOVSX16 | W (type), dst, dst);
    return;
  }
  uint32_t w = size == BP_MO_64 ? X64_W : 0;
  if (x64_host.cpu & CPU_MOVBE) {
    enc_rm (&g->e, OP_MOVBE_LOAD | w, dst, mem);
  } else {
    enc_load (&g->e, w, dst, mem);
    enc_bswap (&g->e, w, dst);
  }
  extend (g, type, memop, dst);
}

static void
load_plain (Gen *g, BpIrType type, BpMemOp memop, unsigned dst, X64Mem mem)
{
  bool sign = memop & BP_MO_SIGN;
  uint32_t w = sign ? W (type) : 0, op;
  switch (memop & BP_MO_SIZE) {
  case BP_MO_8: op = (sign ? OP_MOVSX8 : OP_MOVZX8) | w; break;
  case BP_MO_16: op = (sign ? OP_MOVSX16 : OP_MOVZX16) | w; break;
  case BP_MO_32: op = sign && type == BP_IR_I64 ? OP_MOVSXD : OP_MOV_LOAD; break;
  default: op = OP_MOV_LOAD | X64_W; break;
  }
  enc_rm (&g->e, op, dst, mem);
}

static void
store_immediate (Gen *g, BpMemOp memop, X64Mem mem, int64_t value)
{
  switch (memop & BP_MO_SIZE) {
  case BP_MO_8:
    enc_rm (&g->e, 0xc6, 0, mem);
    enc_u8 (&g->e, (uint8_t) value);
    break;
  case BP_MO_16:
    enc_rm (&g->e, 0xc7 | X64_P66, 0, mem);
    enc_u16 (&g->e, (uint16_t) value);
    break;
  default:
    enc_mov_mi (&g->e, (memop & BP_MO_SIZE) == BP_MO_64 ? X64_W : 0, mem, (int32_t) value);
  }
}

static void
store_register (Gen *g, BpMemOp memop, X64Mem mem, unsigned r)
{
  static const uint32_t op[4] = { OP_MOV8_STORE, OP_MOV16_STORE, OP_MOV_STORE, OP_MOV_STORE | X64_W };
  static const uint32_t swapped[4] = { 0, OP_MOVBE_STORE | X64_P66, OP_MOVBE_STORE, OP_MOVBE_STORE | X64_W };
  bool movbe = BYTE_SWAPPED (memop);
  enc_rm (&g->e, movbe ? swapped[memop & 3] : op[memop & 3], r, mem);
}

/* The address in one register, so that work can be used otherwise. */
static X64Mem
without_work (Gen *g, X64Mem mem)
{
  enc_alu_rr (&g->e, ALU_ADD, X64_W, mem.base, mem.index);
  return x64_mem (mem.base, mem.disp);
}

/* --- shared probes ------------------------------------------------------------------------------- */

/* The addend is known; of far constants, which lie in one page, it is that of the offset in it. */
static X64Mem
proved_address (const Probe *p)
{
  if (p->address.kind == IN_REGISTER)
    return x64_mem_index (p->address.reg, p->entry, 0, (int32_t) p->address.imm);
  return x64_mem (p->entry, (int32_t) (x64_is_far (p->address) ? p->address.imm & ~TLB_PAGE_MASK : (uint64_t) p->address.imm));
}

X64Mem
x64_probe_alone (Gen *g, const Probe *p, uint8_t **miss)
{
  *miss = ask_table (g, p);
  if (x64_is_far (p->address)) {        /* the page, by way of memory: there is no register to spare */
    Operand page = { .kind = IS_IMMEDIATE, .imm = p->address.imm & (int64_t) TLB_PAGE_MASK };
    x64_put_argument (g, 6, page);
    enc_alu_rm (&g->e, ALU_ADD, X64_W, p->entry, x64_mem (RSP, FRAME_ARG (6)));
  }
  return proved_address (p);
}

/* The page was not proved for the whole range: perhaps it can be for this access alone.  The addend's register is free for that; it
 * holds 0 again afterwards. */
static void
late_shared (Gen *g, const Late *late)
{
  Enc *e = &g->e;
  bool store = late->op == BP_IR_gst;
  if (late->probe.found)
    x64_probe_again (g, &late->probe);
  Probe alone = probe_for (late->aux, store, late->address, late->entry, X64_NO_REG);
  uint8_t *miss;
  X64Mem mem = x64_probe_alone (g, &alone, &miss);
  if (!store)
    load_plain (g, late->type, late->aux, late->result, mem);
  else if (late->value.kind == IS_IMMEDIATE)
    store_immediate (g, late->aux, mem, late->value.imm);
  else
    store_register (g, late->aux, mem, late->value.reg);
  enc_alu_rr (e, ALU_XOR, 0, late->entry, late->entry);
  enc_jmp_to (e, late->back);
  enc_patch (miss, e->p);
  (store ? call_store : call_load) (g, late);
}

X64Mem
x64_site (Gen *g, Probe *probe, Share **share)
{
  Share *s = *share;
  if (s && s->first == g->at && !x64_share_begin (g, s))
    s = *share = NULL;
  if (s && s->first != g->at) {
    enc_rr (&g->e, OP_TEST | X64_W, probe->entry, probe->entry);
    probe->miss = enc_jcc (&g->e, CC_E);
    return proved_address (probe);
  }
  if (s && probe->address.kind == IN_REGISTER) {
    probe->before = (int32_t) (s->start - s->low);
    probe->after = (int32_t) (s->high - (s->start + probe->bytes - 1));
  }
  if (s)
    probe->store = s->store;
  X64Mem mem = x64_probe (g, probe);
  if (s && x64_is_far (probe->address))
    mem = without_work (g, mem);
  if (s)
    ra_hold (&g->ra, s->addend, probe->entry);
  return mem;
}

/* --- the two ops --------------------------------------------------------------------------------------- */

void
x64_guest_load (Gen *g, const BpIrInsn *insn)
{
  BpIrType type = (BpIrType) insn->type;
  BpMemOp memop = insn->aux;
  Regalloc *ra = &g->ra;
  Share *share = x64_share_of (g);
  bool proved = share && share->first != g->at;
  Operand address = x64_address (g, insn->a[1], memop & BP_MO_ADDR64, true);
  unsigned entry = proved ? ra_use (ra, share->addend, 0) : ra_scratch (ra, 0);
  /* The result's register is made ready before the probe, and serves in it unless it is pinned: a fault
   * must find those unchanged. */
  ra_release_dead (ra);
  unsigned dst = ra_define (ra, insn->a[0], RA_NONE, proved ? 0 : x64_operand_mask (address));
  unsigned work = dst;
  if (!proved && (!(TEMPORARIES >> dst & 1) || dst == x64_operand_reg (address)))
    work = ra_scratch (ra, 0);
  Probe probe = probe_for (memop, false, address, entry, work);
  probe.guess = x64_guess_of (g);
  X64Mem mem = x64_site (g, &probe, &share);
  if (BYTE_SWAPPED (memop))
    load_swapped (g, type, memop, dst, mem);
  else
    load_plain (g, type, memop, dst, mem);
  Late *late = slow_path (g, insn, share ? late_shared : late_load, &probe);
  late->result = (uint8_t) dst;
  late->entry = (uint8_t) entry;
  ra_defined (ra, insn->a[0], 0);
}

void
x64_guest_store (Gen *g, const BpIrInsn *insn)
{
  BpMemOp memop = insn->aux;
  Regalloc *ra = &g->ra;
  bool swap = BYTE_SWAPPED (memop), by_hand = swap && !(x64_host.cpu & CPU_MOVBE);
  Operand address = x64_address (g, insn->a[1], memop & BP_MO_ADDR64, true);
  Operand value = x64_operand (g, insn->a[0], (BpIrType) insn->type, swap ? 0 : ALLOW_IMM);
  Share *share = x64_share_of (g);
  bool proved = share && share->first != g->at;
  unsigned entry = proved ? ra_use (ra, share->addend, 0) : ra_scratch (ra, 0);
  unsigned work = proved ? entry : ra_scratch (ra, 0);
  Probe probe = probe_for (memop, true, address, entry, work);
  probe.guess = x64_guess_of (g);
  X64Mem mem = x64_site (g, &probe, &share);
  if (value.kind == IS_IMMEDIATE) {
    store_immediate (g, memop, mem, value.imm);
  } else if (by_hand) {
    if (mem.index == work)
      mem = without_work (g, mem);
    enc_mov_rr (&g->e, X64_W, work, value.reg);
    enc_bswap (&g->e, X64_W, work);
    if ((memop & BP_MO_SIZE) != BP_MO_64)
      enc_shift_ri (&g->e, SHIFT_SHR, X64_W, work, (memop & BP_MO_SIZE) == BP_MO_32 ? 32 : 48);
    store_register (g, memop & ~BP_MO_BE, mem, work);
  } else {
    store_register (g, memop, mem, value.reg);
  }
  Late *late = slow_path (g, insn, share ? late_shared : late_store, &probe);
  late->value = value;
  late->result = X64_NO_REG;
  late->entry = (uint8_t) entry;
  ra_release_dead (ra);
}

/* --- atomic read-modify-write: the result in rax ------------------------------------------------------ */

/* An opcode for the access size: the byte form is the even one. */
static uint32_t
sized (uint32_t op, BpMemOp memop)
{
  switch (memop & BP_MO_SIZE) {
  case BP_MO_8: return (op - 1) | X64_B8REG;
  case BP_MO_16: return op | X64_P66;
  case BP_MO_64: return op | X64_W;
  default: return op;
  }
}

/* Other byte orders are left to the slow path. */
static uint8_t *
always_slow (Gen *g)
{
  return enc_jmp (&g->e);
}

static void
atomic_inline (Gen *g, const BpIrInsn *insn, X64Mem mem, Operand value, unsigned spare)
{
  const SelectRow *row = g->row;
  BpIrType type = (BpIrType) insn->type;
  Enc *e = &g->e;
  if (row->code) {
    x64_move_operand (g, type, RAX, value);
    enc_rm (e, sized (row->code, insn->aux), RAX, mem);
  } else if (insn->mark & 1) {                          /* no one reads the result */
    x64_move_operand (g, type, spare, value);
    enc_rm (e, sized (row->extra << 3 | 1, insn->aux) | X64_LOCK, spare, mem);
    return;
  } else {
    load_plain (g, BP_IR_I64, insn->aux & BP_MO_SIZE, RAX, mem);
    uint8_t *again = e->p;
    x64_move_operand (g, type, spare, value);
    enc_alu_rr (e, (X64Alu) row->extra, X64_W, spare, RAX);
    enc_rm (e, sized (OP_CMPXCHG, insn->aux) | X64_LOCK, spare, mem);
    enc_jcc_to (e, CC_NE, again);
  }
  extend (g, type, insn->aux, RAX);
}

void
x64_guest_atomic (Gen *g, const BpIrInsn *insn)
{
  BpMemOp memop = insn->aux;
  Regalloc *ra = &g->ra;
  ra_take (ra, RAX);
  Operand address = x64_address (g, insn->a[1], memop & BP_MO_ADDR64, false);
  unsigned entry = ra_scratch (ra, 0), spare = ra_scratch (ra, 0);
  Operand value = x64_operand (g, insn->a[2], (BpIrType) insn->type, ALLOW_IMM64 | ALLOW_MEM);
  Probe probe = probe_for (memop, true, address, entry, RAX);
  if (BYTE_SWAPPED (memop)) {
    probe.miss = always_slow (g);
  } else {
    X64Mem mem = x64_probe (g, &probe);
    atomic_inline (g, insn, mem, value, spare);
  }
  Late *late = slow_path (g, insn, late_atomic, &probe);
  late->value = value;
  late->result = RAX;
  ra_release_dead (ra);
  ra_define_in (ra, insn->a[0], 0, RAX);
}

void
x64_guest_cmpxchg (Gen *g, const BpIrInsn *insn)
{
  BpIrType type = (BpIrType) insn->type;
  BpMemOp memop = insn->aux;
  Regalloc *ra = &g->ra;
  ra_take (ra, RAX);
  Operand address = x64_address (g, insn->a[1], memop & BP_MO_ADDR64, false), desired = x64_operand (g, insn->a[3], type, 0);
  unsigned entry = ra_scratch (ra, 0);
  Operand expected = x64_operand (g, insn->a[2], type, ALLOW_IMM64 | ALLOW_MEM);
  Probe probe = probe_for (memop, true, address, entry, RAX);
  if (BYTE_SWAPPED (memop)) {
    probe.miss = always_slow (g);
  } else {
    X64Mem mem = x64_probe (g, &probe);
    x64_move_operand (g, type, RAX, expected);
    enc_rm (&g->e, sized (OP_CMPXCHG, memop) | X64_LOCK, desired.reg, mem);
    if ((memop & BP_MO_SIZE) == BP_MO_32)
      enc_mov_rr (&g->e, 0, RAX, RAX);  /* expected may have had more bits */
    extend (g, type, memop, RAX);
  }
  Late *late = slow_path (g, insn, late_cmpxchg, &probe);
  late->value = desired;
  late->other = expected;
  late->result = RAX;
  ra_release_dead (ra);
  ra_define_in (ra, insn->a[0], 0, RAX);
}
