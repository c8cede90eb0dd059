/* interpret.c -- the backend that interprets IR: for hosts without a code generator, and as an oracle. */
/* SPDX-License-Identifier: MIT */
/*
 * compile() turns a block into a Program: one Step an insn, with branch targets, helpers and the places
 * of the operands resolved.  A Program is shared by every vCPU that runs the block; what is private to
 * one execution lives on the stack, because leaving through sigsetjmp's buffer frees nothing.
 */
#include "../ir-info.h"
#include <string.h>

/* --- programs -------------------------------------------------------------------- */

/* A place is an offset in bytes from one of three bases, which its low bits name. */
enum { PLACE_ENV, PLACE_FRAME, PLACE_CONST, PLACE_BITS = 2 };

typedef struct Step {
  uint8_t code;                 /* op << 1 | type */
  uint8_t cond;
  uint8_t wide;                 /* bit i: operand i is written as an i64 (an i32 result zero-extends), or read as one */
  uint8_t absent;               /* bit i: operand i is NONE */
  uint32_t aux;                 /* as in the insn; branches: the step to go to */
  uint32_t place[8];
  int64_t imm;
} Step;

typedef struct Program {
  uint32_t n_steps, frame_size;
  uint64_t *consts;
  Step steps[];
} Program;

#define CODE(op, type) ((op) << 1 | (type))
#define CODE_OFF_END 255        /* after the last insn: control must not get here */
_Static_assert (CODE (BP_IR_N_OPS, 0) < CODE_OFF_END, "a step's code has eight bits");

/* Where each temp lives: filled while compiling; 0 = not yet placed, else the place + 1. */
typedef struct Layout {
  const BpIrBlock *ir;
  uint32_t *place;
  uint64_t *consts;
  uint32_t n_consts, frame_size;
} Layout;

static uint32_t
place_of (Layout *l, BpTemp temp)
{
  if (l->place[temp])
    return l->place[temp] - 1;
  const BpIrTemp *t = &l->ir->temps[temp];
  uint32_t place = 0;
  switch ((BpIrTempKind) t->kind) {
  case BP_IR_TEMP_GLOBAL:
    place = l->ir->globals[t->global].offset << PLACE_BITS | PLACE_ENV;
    break;
  case BP_IR_TEMP_CONST:
    l->consts[l->n_consts] = (uint64_t) t->value;
    place = (uint32_t) (l->n_consts++ * sizeof (uint64_t)) << PLACE_BITS | PLACE_CONST;
    break;
  case BP_IR_TEMP_ENV:          /* frame slot 0 holds the address */
    place = PLACE_FRAME;
    break;
  case BP_IR_TEMP_LOCAL:
    place = l->frame_size << PLACE_BITS | PLACE_FRAME;
    l->frame_size += sizeof (uint64_t);
    break;
  }
  l->place[temp] = place + 1;
  return place;
}

static uint8_t
wide_mask (const BpIrBlock *ir, const BpIrInsn *insn)
{
  uint8_t wide = 0;
  for (unsigned i = 0; i < ir_n_operands (insn); i++) {
    bool is_output = i < ir_op_info[insn->op].n_out;
    if (insn->a[i] != BP_IR_NONE
        && (is_output ? (BpIrType) ir->temps[insn->a[i]].type : ir_operand_type (insn, i)) == BP_IR_I64)
      wide |= (uint8_t) (1u << i);
  }
  return wide;
}

/* The low half of an i64 temp lies behind the high one on hosts of that kind. */
static uint32_t
low_half (const BpIrBlock *ir, const BpIrInsn *insn, unsigned i)
{
  bool is_half = i >= ir_op_info[insn->op].n_out && ir->temps[insn->a[i]].type == BP_IR_I64
                 && ir_operand_type (insn, i) == BP_IR_I32;
  return G_BYTE_ORDER == G_BIG_ENDIAN && is_half ? 4u << PLACE_BITS : 0;
}

static void
compile_step (Layout *l, const BpIrInsn *insn, Step *step)
{
  step->code = (uint8_t) CODE (insn->op, insn->type);
  step->cond = insn->cond;
  step->aux = insn->aux;
  step->imm = insn->imm;
  step->wide = wide_mask (l->ir, insn);
  step->absent = 0;
  for (unsigned i = 0; i < ir_n_operands (insn); i++) {
    if (insn->a[i] == BP_IR_NONE)
      step->absent |= (uint8_t) (1u << i);
    else
      step->place[i] = place_of (l, insn->a[i]) + low_half (l->ir, insn, i);
  }
}

/* Puts step indexes into the branches. */
static void
resolve_branches (Program *program, const BpIrBlock *ir, uint32_t *step_of_label)
{
  for (uint32_t i = 0; i < ir->n_insns; i++)
    if (ir->insns[i].op == BP_IR_label)
      step_of_label[ir->insns[i].aux] = i;
  for (uint32_t i = 0; i < ir->n_insns; i++)
    if (ir->insns[i].op == BP_IR_br || ir->insns[i].op == BP_IR_brcond)
      program->steps[i].aux = step_of_label[ir->insns[i].aux];
}

static void
record_insns (Tb *tb, const BpIrBlock *ir)
{
  uint32_t n = 0;
  for (uint32_t i = 0; i < ir->n_insns; i++)
    n += ir->insns[i].op == BP_IR_insn_start;
  tb->insns = g_new0 (TbInsn, n + 1);
  tb->marks = g_new0 (TbMark, n + 1);
  tb->n_marks = n;
  n = 0;
  for (uint32_t i = 0; i < ir->n_insns; i++) {
    if (ir->insns[i].op != BP_IR_insn_start)
      continue;
    tb->insns[n].pc_delta = (int32_t) ((uint64_t) ir->insns[i].imm - (tb->key.pc - tb->key.base));
    tb->insns[n].word = ir->insns[i].aux;
    tb->marks[n].offset = i;
    tb->marks[n].insn = n;
    n++;
  }
}

static Program *
program_new (const BpIrBlock *ir, uint32_t *words)
{
  uint32_t n_consts = 0;
  for (uint32_t i = 0; i < ir->n_temps; i++)
    n_consts += ir->temps[i].kind == BP_IR_TEMP_CONST;

  size_t steps_size = sizeof (Program) + (ir->n_insns + 1) * sizeof (Step);
  Program *program = g_malloc (steps_size + n_consts * sizeof (uint64_t));
  program->n_steps = ir->n_insns;
  program->consts = (uint64_t *) ((uint8_t *) program + steps_size);

  Layout layout = { ir, words, program->consts, 0, sizeof (uint64_t) };
  memset (words, 0, ir->n_temps * sizeof *words);
  for (uint32_t i = 0; i < ir->n_insns; i++)
    compile_step (&layout, &ir->insns[i], &program->steps[i]);
  program->steps[ir->n_insns].code = CODE_OFF_END;
  program->frame_size = layout.frame_size;
  return program;
}

static bool
compile (const BackendBlock *block, BpIrBlock *ir)
{
  Tb *tb = block->tb;
  /* The buffer holds nothing of ours, but its size still bounds what all blocks together may take. */
  CodeBuffer *buffer = block->buffer;
  size_t size = sizeof (Program) + (ir->n_insns + 1) * sizeof (Step) + ir->n_temps * sizeof (uint64_t);
  if (buffer != NULL && buffer->size != 0) {
    if (size > buffer->limit - buffer->used)
      return false;
    buffer->used += size;
  }

  uint32_t *words = g_new (uint32_t, MAX (ir->n_temps, ir->n_labels));
  Program *program = program_new (ir, words);
  resolve_branches (program, ir, words);
  g_free (words);
  record_insns (tb, ir);
  tb->n_recoveries = block->recoveries ? block->recoveries->len : 0;
  if (tb->n_recoveries > 0)
    tb->recoveries = g_memdup2 (block->recoveries->data, tb->n_recoveries * sizeof (TbRecovery));

  tb->code = (const uint8_t *) program;
  tb->code_size = ir->n_insns + 1;
  return true;
}

static void
release (Tb *tb)
{
  g_free ((void *) tb->code);
  g_free (tb->insns);
  g_free (tb->marks);
  g_free (tb->recoveries);
  tb->code = NULL;
  tb->insns = NULL;
  tb->marks = NULL;
  tb->recoveries = NULL;
  tb->n_marks = tb->n_recoveries = 0;
}

/* --- one execution ------------------------------------------------------------------- */

typedef uint32_t __attribute__ ((may_alias)) Word32;
typedef uint64_t __attribute__ ((may_alias)) Word64;
typedef int32_t __attribute__ ((may_alias)) Signed32;
typedef int64_t __attribute__ ((may_alias)) Signed64;

/* Host memory, at any alignment. */
typedef uint8_t __attribute__ ((may_alias)) Host8;
typedef uint16_t __attribute__ ((may_alias, aligned (1))) Host16;
typedef uint32_t __attribute__ ((may_alias, aligned (1))) Host32;
typedef uint64_t __attribute__ ((may_alias, aligned (1))) Host64;

typedef struct Frame {
  uint8_t *base[3];             /* by the low bits of a place */
  TcgVcpu *vcpu;
  const Tb *tb;
} Frame;

static inline void *
at (const Frame *f, uint32_t place)
{
  return f->base[place & ((1u << PLACE_BITS) - 1)] + (place >> PLACE_BITS);
}

/* Input i of a step whose operands are of mixed types; i32 comes zero-extended. */
static inline uint64_t
get (const Frame *f, const Step *s, unsigned i)
{
  if (s->absent >> i & 1)
    return 0;
  return s->wide >> i & 1 ? *(Word64 *) at (f, s->place[i]) : *(Word32 *) at (f, s->place[i]);
}

static inline void
put (const Frame *f, const Step *s, unsigned i, uint64_t value)
{
  if (s->absent >> i & 1)
    return;
  if (s->wide >> i & 1)
    *(Word64 *) at (f, s->place[i]) = value;
  else
    *(Word32 *) at (f, s->place[i]) = (uint32_t) value;
}

/* What follows may raise: note where, as generated code's thunks do. */
static inline void
enter_c (const Frame *f, const Step *s)
{
  const Program *program = (const Program *) f->tb->code;
  f->vcpu->ret_pc = (uintptr_t) f->tb->code + (uintptr_t) (s - program->steps) + 1;
}

static inline void
leave_c (const Frame *f)
{
  f->vcpu->ret_pc = 0;
}

/* --- guest memory ---------------------------------------------------------------------- */

static uint64_t
extend (uint64_t value, BpMemOp memop)
{
  bool sign = memop & BP_MO_SIGN;
  switch (memop & BP_MO_SIZE) {
  case BP_MO_8: return sign ? (uint64_t) (int8_t) value : (uint8_t) value;
  case BP_MO_16: return sign ? (uint64_t) (int16_t) value : (uint16_t) value;
  case BP_MO_32: return sign ? (uint64_t) (int32_t) value : (uint32_t) value;
  default: return value;
  }
}

static uint64_t
swap_bytes (uint64_t value, BpMemOp memop)
{
  switch (memop & BP_MO_SIZE) {
  case BP_MO_16: return __builtin_bswap16 ((uint16_t) value);
  case BP_MO_32: return __builtin_bswap32 ((uint32_t) value);
  case BP_MO_64: return __builtin_bswap64 (value);
  default: return value;
  }
}

static inline const TlbEntry *
tlb_entry (const TcgVcpu *vcpu, uint64_t address, BpMemOp memop)
{
  const TlbFast *tlb = &vcpu->tlb[BP_MO_MMU_INDEX (memop)];
  return (const TlbEntry *) ((const uint8_t *) tlb->table + (((address >> TLB_PAGE_BITS) << 5) & tlb->mask));
}

/* The access lies in one page and is aligned if it must be. */
static inline bool
is_plain (uint64_t address, BpMemOp memop)
{
  uint64_t bytes = BP_MO_BYTES (memop);
  return (address & ~TLB_PAGE_MASK) + bytes <= ~TLB_PAGE_MASK + 1
         && !((memop & BP_MO_ALIGN) && (address & (bytes - 1)));
}

static uint64_t
guest_load (const Frame *f, const Step *s, uint64_t address)
{
  BpMemOp memop = s->aux;
  const TlbEntry *entry = tlb_entry (f->vcpu, address, memop);
  if (G_UNLIKELY (entry->load != (address & TLB_PAGE_MASK) || !is_plain (address, memop))) {
    enter_c (f, s);
    uint64_t value = tcg_slow_load (f->vcpu, address, memop);
    leave_c (f);
    return value;
  }
  const volatile void *host = (const void *) (uintptr_t) (address + entry->addend);
  uint64_t value;
  switch (memop & BP_MO_SIZE) {
  case BP_MO_8: value = *(const volatile uint8_t *) host; break;
  case BP_MO_16: value = *(const volatile Host16 *) host; break;
  case BP_MO_32: value = *(const volatile Host32 *) host; break;
  default: value = *(const volatile Host64 *) host; break;
  }
  return extend (memop & BP_MO_BE ? swap_bytes (value, memop) : value, memop);
}

static void
guest_store (const Frame *f, const Step *s, uint64_t address, uint64_t value)
{
  BpMemOp memop = s->aux;
  const TlbEntry *entry = tlb_entry (f->vcpu, address, memop);
  if (G_UNLIKELY (entry->store != (address & TLB_PAGE_MASK) || !is_plain (address, memop))) {
    enter_c (f, s);
    tcg_slow_store (f->vcpu, address, value, memop);
    leave_c (f);
    return;
  }
  volatile void *host = (void *) (uintptr_t) (address + entry->addend);
  if (memop & BP_MO_BE)
    value = swap_bytes (value, memop);
  switch (memop & BP_MO_SIZE) {
  case BP_MO_8: *(volatile uint8_t *) host = (uint8_t) value; break;
  case BP_MO_16: *(volatile Host16 *) host = (uint16_t) value; break;
  case BP_MO_32: *(volatile Host32 *) host = (uint32_t) value; break;
  default: *(volatile Host64 *) host = value; break;
  }
}

#define ATOMIC(type) \
  switch (op) { \
  case BP_IR_gxchg: return __atomic_exchange_n ((type *) host, (type) value, __ATOMIC_SEQ_CST); \
  case BP_IR_gfetch_add: return __atomic_fetch_add ((type *) host, (type) value, __ATOMIC_SEQ_CST); \
  case BP_IR_gfetch_and: return __atomic_fetch_and ((type *) host, (type) value, __ATOMIC_SEQ_CST); \
  case BP_IR_gfetch_or: return __atomic_fetch_or ((type *) host, (type) value, __ATOMIC_SEQ_CST); \
  default: return __atomic_fetch_xor ((type *) host, (type) value, __ATOMIC_SEQ_CST); \
  }

static uint64_t
host_atomic (unsigned op, void *host, uint64_t value, BpMemOp memop)
{
  switch (memop & BP_MO_SIZE) {
  case BP_MO_8: ATOMIC (uint8_t)
  case BP_MO_16: ATOMIC (uint16_t)
  case BP_MO_32: ATOMIC (uint32_t)
  default: ATOMIC (uint64_t)
  }
}

#define CMPXCHG(type) \
  { \
    type old = (type) expected; \
    __atomic_compare_exchange_n ((type *) host, &old, (type) desired, false, __ATOMIC_SEQ_CST, \
                                 __ATOMIC_SEQ_CST); \
    return old; \
  }

static uint64_t
host_cmpxchg (void *host, uint64_t expected, uint64_t desired, BpMemOp memop)
{
  switch (memop & BP_MO_SIZE) {
  case BP_MO_8: CMPXCHG (uint8_t)
  case BP_MO_16: CMPXCHG (uint16_t)
  case BP_MO_32: CMPXCHG (uint32_t)
  default: CMPXCHG (uint64_t)
  }
}

/* Where an atomic access may be done directly; NULL: the slow path decides. */
static void *
atomic_host (const Frame *f, uint64_t address, BpMemOp memop)
{
  const TlbEntry *entry = tlb_entry (f->vcpu, address, memop);
  if (entry->store != (address & TLB_PAGE_MASK) || entry->load != entry->store
      || (address & (BP_MO_BYTES (memop) - 1)) || (memop & BP_MO_BE))
    return NULL;
  return (void *) (uintptr_t) (address + entry->addend);
}

static uint64_t
guest_atomic (const Frame *f, const Step *s, uint64_t address, uint64_t value)
{
  void *host = atomic_host (f, address, s->aux);
  if (host != NULL)
    return extend (host_atomic (s->code >> 1, host, value, s->aux), s->aux);
  enter_c (f, s);
  value = tcg_slow_atomic (f->vcpu, address, value, s->aux, s->code >> 1);
  leave_c (f);
  return extend (value, s->aux);
}

static uint64_t
guest_cmpxchg (const Frame *f, const Step *s, uint64_t address, uint64_t expected, uint64_t desired)
{
  void *host = atomic_host (f, address, s->aux);
  if (host != NULL)
    return extend (host_cmpxchg (host, expected, desired, s->aux), s->aux);
  enter_c (f, s);
  uint64_t old = tcg_slow_cmpxchg (f->vcpu, address, expected, desired, s->aux);
  leave_c (f);
  return extend (old, s->aux);
}

/* --- division, native insns, calls --------------------------------------------------------- */

static void __attribute__ ((noreturn))
divide_fault (const Frame *f, const Step *s)
{
  TcgVcpu *vcpu = f->vcpu;
  enter_c (f, s);
  vcpu->ops->restore (vcpu);
  vcpu->frontend->host_fault (vcpu, BP_HOST_FAULT_DIVIDE);
  vcpu->ops->raise (vcpu);
  g_assert_not_reached ();
}

/* Divides magnitudes, then gives both results their signs; false when the quotient does not fit in `bits`. */
static bool
divide (unsigned __int128 dividend, uint64_t divisor, bool negative, bool divisor_negative, bool is_signed,
        unsigned bits, uint64_t *quotient, uint64_t *remainder)
{
  if (divisor == 0)
    return false;
  unsigned __int128 q = dividend / divisor;
  uint64_t r = (uint64_t) (dividend % divisor);
  bool q_negative = negative != divisor_negative;
  unsigned __int128 limit = is_signed ? ((unsigned __int128) 1 << (bits - 1)) - !q_negative
                                      : ((unsigned __int128) 1 << bits) - 1;
  if (q > limit)
    return false;
  *quotient = q_negative ? -(uint64_t) q : (uint64_t) q;
  *remainder = negative ? -r : r;
  return true;
}

static void
run_native (const Frame *f, const Step *s)
{
  TcgVcpu *vcpu = f->vcpu;
  bool memory = BP_NATIVE_RM_KIND ((uint64_t) s->imm) == BP_NATIVE_MEM && !BP_NATIVE_NO_MODRM (s->imm);
  uint64_t in = get (f, s, 2), address = get (f, s, 3);
  uint32_t flags = (uint32_t) get (f, s, 4);
  enter_c (f, s);
  void *mem = memory ? tcg_native_operand (vcpu, address, s->aux) : NULL;
  uint64_t out = vcpu->frontend->native_portable (vcpu, (uint64_t) s->imm, s->aux, in, mem, &flags);
  if (memory && (s->aux & BP_NATIVE_MEM_WRITE))
    tcg_native_commit (vcpu, address, s->aux);
  leave_c (f);
  put (f, s, 0, BP_NATIVE_W ((uint64_t) s->imm) ? out : (uint32_t) out);
  put (f, s, 1, flags);
}

typedef uint64_t (*Call0) (void);
typedef uint64_t (*Call1) (uint64_t);
typedef uint64_t (*Call2) (uint64_t, uint64_t);
typedef uint64_t (*Call3) (uint64_t, uint64_t, uint64_t);
typedef uint64_t (*Call4) (uint64_t, uint64_t, uint64_t, uint64_t);
typedef uint64_t (*Call5) (uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
typedef uint64_t (*Call6) (uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
typedef uint64_t (*Call7) (uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);

static void
run_call (const Frame *f, const Step *s)
{
  const BpIrHelper *helper = (const BpIrHelper *) (intptr_t) s->imm;
  uint64_t x[BP_HELPER_MAX_ARGS], result;
  for (unsigned i = 0; i < helper->n_args; i++)
    x[i] = get (f, s, 1 + i);
  enter_c (f, s);
  switch (helper->n_args) {
  case 0: result = ((Call0) helper->function) (); break;
  case 1: result = ((Call1) helper->function) (x[0]); break;
  case 2: result = ((Call2) helper->function) (x[0], x[1]); break;
  case 3: result = ((Call3) helper->function) (x[0], x[1], x[2]); break;
  case 4: result = ((Call4) helper->function) (x[0], x[1], x[2], x[3]); break;
  case 5: result = ((Call5) helper->function) (x[0], x[1], x[2], x[3], x[4]); break;
  case 6: result = ((Call6) helper->function) (x[0], x[1], x[2], x[3], x[4], x[5]); break;
  default: result = ((Call7) helper->function) (x[0], x[1], x[2], x[3], x[4], x[5], x[6]); break;
  }
  leave_c (f);
  put (f, s, 0, helper->result_type == BP_IR_I64 ? result : (uint32_t) result);
}

static void
run_fence (uint32_t aux)
{
  switch (aux) {
  case 1: __atomic_thread_fence (__ATOMIC_ACQUIRE); break;
  case 2: __atomic_thread_fence (__ATOMIC_RELEASE); break;
  default: __atomic_thread_fence (__ATOMIC_SEQ_CST); break;
  }
}

/* --- steps, and the loop -------------------------------------------------------------------------------- */

/* In what BOTH is given, U and S are the width's unsigned and signed types, UX and SX those of twice it. */
#define CASE(op, t, u, sg, ux, sx, ...) \
  case CODE (BP_IR_##op, t): { \
    typedef u U; \
    typedef sg S; \
    typedef ux UX; \
    typedef sx SX; \
    enum { TYPE = t, BITS = 8 * sizeof (U) }; \
    (void) sizeof (S), (void) sizeof (UX), (void) sizeof (SX), (void) TYPE, (void) BITS; \
    __VA_ARGS__; \
    break; \
  }
#define BOTH(op, ...) \
  CASE (op, BP_IR_I32, Word32, Signed32, uint64_t, int64_t, __VA_ARGS__) \
  CASE (op, BP_IR_I64, Word64, Signed64, unsigned __int128, __int128, __VA_ARGS__)
#define ALSO(op) case CODE (BP_IR_##op, BP_IR_I32): case CODE (BP_IR_##op, BP_IR_I64):

#define A(i) (*(U *) at (f, s->place[i]))
#define A32(i) (*(Word32 *) at (f, s->place[i]))
#define A64(i) (*(Word64 *) at (f, s->place[i]))
#define IS_WIDE(i) (s->wide >> (i) & 1)
/* Output i = v */
#define PUT(i, v) do { U out_ = (U) (v); if (BITS == 64 || !IS_WIDE (i)) A (i) = out_; else A64 (i) = out_; } while (0)
#define SIGNED(i) ((S) A (i))
#define COUNT(i) (A (i) & (BITS - 1))
#define POS (s->aux & 0xff)
#define LEN (s->aux >> 8 & 0xff)
#define HOST(i, type) (*(type *) (uintptr_t) (A64 (i) + (uint64_t) s->imm))
#define ADDRESS(i) (s->aux & BP_MO_ADDR64 ? A64 (i) : A32 (i))
#define HOLDS(x, y) ir_cond_holds ((BpIrType) TYPE, (BpIrCond) s->cond, x, y)

/* Each carries out a step of its kind; false: it is none. */

static bool
calculate (Frame *f, const Step *s)
{
  switch (s->code) {
  BOTH (mov, PUT (0, A (1)))
  BOTH (add, PUT (0, A (1) + A (2)))
  BOTH (sub, PUT (0, A (1) - A (2)))
  BOTH (addc, PUT (0, A (1) + A (2) + A (3)))
  BOTH (subb, PUT (0, A (1) - A (2) - A (3)))
  BOTH (mul, PUT (0, A (1) * A (2)))
  BOTH (mulu2, UX p = (UX) A (2) * A (3); PUT (0, (U) p); PUT (1, (U) (p >> BITS)))
  BOTH (muls2, SX p = (SX) SIGNED (2) * SIGNED (3); PUT (0, (U) p); PUT (1, (U) (p >> BITS)))
  BOTH (divu2,
        uint64_t q, r;
        if (!divide ((UX) A (3) << BITS | A (2), A (4), false, false, false, BITS, &q, &r))
          divide_fault (f, s);
        PUT (0, (U) q);
        PUT (1, (U) r))
  BOTH (divs2,
        uint64_t q, r;
        SX n = (SX) ((UX) A (3) << BITS | A (2));
        S d = SIGNED (4);
        if (!divide (n < 0 ? -(UX) n : (UX) n, d < 0 ? -(U) d : (U) d, n < 0, d < 0, true, BITS, &q, &r))
          divide_fault (f, s);
        PUT (0, (U) q);
        PUT (1, (U) r))
  BOTH (and, PUT (0, A (1) & A (2)))
  BOTH (or, PUT (0, A (1) | A (2)))
  BOTH (xor, PUT (0, A (1) ^ A (2)))
  BOTH (andc, PUT (0, A (1) & ~A (2)))
  BOTH (neg, PUT (0, -A (1)))
  BOTH (not, PUT (0, ~A (1)))
  BOTH (shl, PUT (0, A (1) << COUNT (2)))
  BOTH (shr, PUT (0, A (1) >> COUNT (2)))
  BOTH (sar, PUT (0, (U) (SIGNED (1) >> COUNT (2))))
  BOTH (rotl, U x = A (1); unsigned n = COUNT (2); PUT (0, x << n | x >> (-n & (BITS - 1))))
  BOTH (rotr, U x = A (1); unsigned n = COUNT (2); PUT (0, x >> n | x << (-n & (BITS - 1))))
  BOTH (clz, U x = A (1); PUT (0, x == 0 ? A (2) : (U) (__builtin_clzll (x) - (64 - BITS))))
  BOTH (ctz, U x = A (1); PUT (0, x == 0 ? A (2) : (U) __builtin_ctzll (x)))
  BOTH (popcnt, PUT (0, (U) __builtin_popcountll (A (1))))
  BOTH (bswap, PUT (0, (U) (__builtin_bswap64 (A (1)) >> (64 - BITS))))

  /* widths and fields */
  BOTH (ext8s, PUT (0, (U) (int8_t) A (1)))
  BOTH (ext8u, PUT (0, (uint8_t) A (1)))
  BOTH (ext16s, PUT (0, (U) (int16_t) A (1)))
  BOTH (ext16u, PUT (0, (uint16_t) A (1)))
  ALSO (ext32s)
    A64 (0) = (uint64_t) (int32_t) A32 (1);
    break;
  ALSO (ext32u)
    A64 (0) = A32 (1);
    break;
  ALSO (trunc)
    if (IS_WIDE (0))
      A64 (0) = (uint32_t) A64 (1);
    else
      A32 (0) = (uint32_t) A64 (1);
    break;
  BOTH (deposit, U mask = (U) (ir_low_mask (LEN) << POS); PUT (0, (A (1) & ~mask) | ((A (2) << POS) & mask)))
  BOTH (extract, PUT (0, (U) ((A (1) >> POS) & ir_low_mask (LEN))))
  BOTH (sextract, PUT (0, (U) ((S) (A (1) << (BITS - LEN - POS)) >> (BITS - LEN))))
  BOTH (setcond, PUT (0, HOLDS (A (1), A (2))))
  BOTH (movcond, PUT (0, HOLDS (A (1), A (2)) ? A (3) : A (4)))
  default: return false;
  }
  return true;
}

static bool
access_host (Frame *f, const Step *s)
{
  switch (s->code) {
  BOTH (ld8u, PUT (0, HOST (1, Host8)))
  BOTH (ld8s, PUT (0, (U) (int8_t) HOST (1, Host8)))
  BOTH (ld16u, PUT (0, HOST (1, Host16)))
  BOTH (ld16s, PUT (0, (U) (int16_t) HOST (1, Host16)))
  BOTH (ld32u, PUT (0, HOST (1, Host32)))
  BOTH (ld32s, PUT (0, (U) (int32_t) HOST (1, Host32)))
  ALSO (ld64)
    A64 (0) = HOST (1, Host64);
    break;
  BOTH (st8, HOST (1, Host8) = (uint8_t) A (0))
  BOTH (st16, HOST (1, Host16) = (uint16_t) A (0))
  BOTH (st32, HOST (1, Host32) = (uint32_t) A (0))
  ALSO (st64)
    HOST (1, Host64) = A64 (0);
    break;
  default: return false;
  }
  return true;
}

static bool
access_guest (Frame *f, const Step *s)
{
  switch (s->code) {
  BOTH (gld, PUT (0, (U) guest_load (f, s, ADDRESS (1))))
  BOTH (gst, guest_store (f, s, ADDRESS (1), A (0)))
  BOTH (gxchg, PUT (0, (U) guest_atomic (f, s, ADDRESS (1), A (2))))
  BOTH (gfetch_add, PUT (0, (U) guest_atomic (f, s, ADDRESS (1), A (2))))
  BOTH (gfetch_and, PUT (0, (U) guest_atomic (f, s, ADDRESS (1), A (2))))
  BOTH (gfetch_or, PUT (0, (U) guest_atomic (f, s, ADDRESS (1), A (2))))
  BOTH (gfetch_xor, PUT (0, (U) guest_atomic (f, s, ADDRESS (1), A (2))))
  BOTH (gcmpxchg, PUT (0, (U) guest_cmpxchg (f, s, ADDRESS (1), A (2), A (3))))
  ALSO (fence)
    run_fence (s->aux);
    break;
  default: return false;
  }
  return true;
}

static bool
instrument (Frame *f, const Step *s)
{
  switch (s->code) {
  ALSO (count)
    tcg_score_add (f->vcpu->score, (size_t) s->imm, (uint64_t) (int32_t) s->aux);
    break;
  ALSO (record)
    enter_c (f, s);
    tcg_slow_record (f->vcpu, get (f, s, 0), get (f, s, 1), (uint64_t) s->imm, s->aux);
    leave_c (f);
    break;
  ALSO (advance)
    f->vcpu->ring[s->aux] += (uint64_t) s->imm;
    if (f->vcpu->ring[s->aux] & INSTR_RING_BYTES) {
      enter_c (f, s);
      tcg_ring_full (f->vcpu, s->aux);
      leave_c (f);
    }
    break;
  default: return false;
  }
  return true;
}

static uintptr_t
interpret (TcgVcpu *vcpu, Tb *tb)
{
  const Program *program = (const Program *) tb->code;
  uint64_t frame[program->frame_size / sizeof (uint64_t)];
  frame[0] = (uint64_t) (uintptr_t) vcpu;
  Frame all = { { (uint8_t *) vcpu, (uint8_t *) frame, (uint8_t *) program->consts }, vcpu, tb }, *f = &all;

  for (const Step *s = program->steps;; s++) {
    switch (s->code) {
    ALSO (nop) ALSO (insn_start) ALSO (discard) ALSO (label) ALSO (goto_tb)
      break;
    BOTH (brcond, if (HOLDS (A (0), A (1))) s = program->steps + s->aux)
    ALSO (br)
      s = program->steps + s->aux;
      break;
    ALSO (native)
      run_native (f, s);
      break;
    ALSO (call)
      run_call (f, s);
      break;
    ALSO (exit_tb)
      return (uintptr_t) tb | s->aux;
    BOTH (goto_ptr,
          enter_c (f, s);
          tcg_jump (vcpu, A (0));
          leave_c (f);
          return (uintptr_t) tb | TCG_EXIT_NONE)
    ALSO (goto_any)
      return (uintptr_t) tb | TCG_EXIT_NONE;
    default:
      if (!calculate (f, s) && !access_host (f, s) && !access_guest (f, s) && !instrument (f, s))
        g_assert_not_reached ();
    }
  }
}

/* --- backend ------------------------------------------------------------------------------------ */

static bool
begin (CodeBuffer *buffer, const BpTcgFrontend *frontend, GError **error)
{
  return true;
}

/* vCPUs that enter the block at the same time may count as one, here as in generated code. */
static bool
is_hot (Tb *tb)
{
  if (!tb->counter)
    return false;
  uint32_t left = __atomic_load_n (tb->counter, __ATOMIC_RELAXED) - 1;
  __atomic_store_n (tb->counter, left, __ATOMIC_RELAXED);
  return (int32_t) left < 0;
}

static uintptr_t
execute (void *env, Tb *tb)
{
  TcgVcpu *vcpu = tcg_vcpu (env);
  vcpu->ret_pc = 0;
  vcpu->events = 0;
  if (*(volatile uint32_t *) &vcpu->exit_request)
    return (uintptr_t) tb | TCG_EXIT_LEAVE;
  if (is_hot (tb))
    return (uintptr_t) tb | TCG_EXIT_HOT;
  if (tb->cflags & BP_TCG_CF_ICOUNT) {
    if (vcpu->icount_left < (int64_t) tb->n_insns)
      return (uintptr_t) tb | TCG_EXIT_LEAVE;
    vcpu->icount_left -= (int64_t) tb->n_insns;
  }
  return interpret (vcpu, tb);
}

/* Every block returns to the loop, linked or not. */
TCG_IN_SIGNAL static void
link_exit (CodeBuffer *buffer, Tb *tb, unsigned n, const Tb *target)
{
}

Backend backend_interp = {
  .name = "interp",
  .begin = begin,
  .compile = compile,
  .execute = execute,
  .link = link_exit,
  .release = release,
};
