/* fp-exec-choices.c -- what is up to a processor when an instruction faults: makes this one's choice the translator's. */
/* SPDX-License-Identifier: MIT */

#include <string.h>

#include "fp-exec.h"

/* The instruction at which the translator's faulted. */
typedef struct Fault {
  const FpExecCase *c;
  X86Insn insn;
  uint64_t place;               /* of its operand, from FP_EXEC_DATA on */
  unsigned end;                 /* of its bytes */
} Fault;

static bool
find_fault (const FpExecCase *c, const FpExecState *guest, Fault *fault)
{
  const X86Insn *insn = &fault->insn;
  unsigned at = (unsigned) (guest->rip - FP_EXEC_CODE);
  if ((guest->vector != EXC_PF && guest->vector != EXC_GP)
      || x86_decode (c->code + at, X86_MAX_INSN_LENGTH, X86_MODE_64, &fault->insn) != X86_DECODE_OK || insn->mem_operand < 0)
    return false;
  const X86Mem *m = &insn->operand[insn->mem_operand].mem;
  fault->c = c;
  fault->place = guest->gpr[m->base] + (uint64_t) m->disp - FP_EXEC_DATA;
  fault->end = at + insn->length;
  return true;
}

static bool is_store (const X86Insn *insn) { return insn->mem_access & X86_ACCESS_W; }
static unsigned size_of (const X86Insn *insn) { return insn->operand[insn->mem_operand].size; }

/* A store that has to end with a page fault, where it did. */
static bool
is_due (const Fault *fault, const FpExecState *guest)
{
  uint64_t first = MAX (fault->place, FP_EXEC_DATA_SIZE);
  return is_store (&fault->insn) && fault->place + size_of (&fault->insn) > first && guest->vector == EXC_PF
         && guest->cr2 == FP_EXEC_DATA + first && guest->error == 6;
}

/* Runs from state, but only to the end of the instruction. false: not even to there */
static bool
run_native (const Fault *fault, FpExecState *state)
{
  static FpExecCase cut;
  cut = *fault->c;
  cut.code[fault->end] = 0x0f, cut.code[fault->end + 1] = 0x0b;
  fp_exec_native (&cut, state);
  return state->vector == EXC_UD && state->rip == FP_EXEC_CODE + fault->end;
}

/* The same instruction where there is memory: what it stores, and what else it does */
enum { DOWN = 128 };

static bool
run_elsewhere (const Fault *fault, const FpExecState *guest, FpExecState *state)
{
  *state = *guest;
  state->gpr[X86_RSI] -= DOWN, state->gpr[X86_RDI] -= DOWN;
  return run_native (fault, state);
}

static void
take_fault (FpExecState *native, const FpExecState *guest)
{
  native->rip = guest->rip, native->vector = guest->vector, native->error = guest->error, native->cr2 = guest->cr2;
}

/* SDM 3A 6.9: the order of the faults that executing an instruction can meet may vary. With an unmasked x87 exception nothing is stored, and
 * Intel's processors do not even look for the page. */
static void
exception_before_page_fault (const Fault *fault, FpExecState *native, const FpExecState *guest)
{
  static FpExecState after;
  const uint16_t reported = FCW_MASKS | FSW_STACK | FSW_ES | FSW_C1 | FSW_B;
  if (fault->insn.unit != X86_UNIT_X87 || !is_due (fault, guest) || (native->vector == EXC_PF && native->rip == guest->rip))
    return;
  after = fault->c->start;
  if (!run_native (fault, &after))
    return;
  FxImage *f = (FxImage *) after.fp;
  const FxImage *before = (const FxImage *) guest->fp;
  if (before->fsw & FSW_ES || !(f->fsw & FSW_ES) || (f->fsw ^ before->fsw) & ~reported)
    return;
  f->fsw = before->fsw;
  take_fault (&after, guest);
  *native = after;
}

/* The same of VCVTPS2PH, the one vector instruction that converts and stores. When nothing is unmasked its flags are set although the store
 * faults, which Intel lists among its processors' errata ("VCVTPS2PH to memory may update MXCSR in the case of a fault on the store"). */
static void
flags_of_converting_store (const Fault *fault, FpExecState *native, const FpExecState *guest)
{
  static FpExecState whole;
  FxImage *f = (FxImage *) native->fp;
  if (fault->insn.op != X86_OP_VCVTPS2PH || !is_due (fault, guest) || native->rip != guest->rip)
    return;
  int wanted = run_elsewhere (fault, guest, &whole) ? EXC_PF : whole.vector;
  if (native->vector != wanted || (wanted != EXC_PF && wanted != EXC_XM) || f->mxcsr != ((FxImage *) whole.fp)->mxcsr)
    return;
  f->mxcsr = ((const FxImage *) guest->fp)->mxcsr;
  take_fault (native, guest);
}

/* SDM 3A 8.1.1: a store of more than eight bytes may be several, and those before the one that faults may be done. Intel's processors store
 * a significand, then sign and exponent. */
static void
first_part_of_store (const Fault *fault, FpExecState *native, const FpExecState *guest)
{
  enum { PART = 8 };
  static FpExecState whole;
  if ((fault->insn.op != X86_OP_FSTP && fault->insn.op != X86_OP_FBSTP) || size_of (&fault->insn) != 10
      || !is_due (fault, guest) || fault->place + PART > FP_EXEC_DATA_SIZE)
    return;
  if (run_elsewhere (fault, guest, &whole) && !memcmp (native->data + fault->place, whole.data + fault->place - DOWN, PART))
    memcpy (native->data + fault->place, guest->data + fault->place, PART);
}

/* SDM 3A 6.5 has the state from before the instruction for a fault. When an MMX instruction that stores faults, Intel's processors have made
 * TOP 0 already; tags and registers are as before. */
static void
top_of_mmx_store (const Fault *fault, FpExecState *native, const FpExecState *guest)
{
  FxImage *f = (FxImage *) native->fp, was = *f;
  unsigned top = fx_top ((const FxImage *) guest->fp);
  if (fault->insn.unit != X86_UNIT_MMX || !is_store (&fault->insn) || fx_top (f) != 0)
    return;
  f->fsw = (uint16_t) (f->fsw | top << FSW_TOP_SHIFT);
  for (unsigned i = 0; i < 8; i++)
    f->st[i] = was.st[(top + i) & 7];
}

/* SDM 3A 4.7: CR2 is an address whose access faulted. Of a masked store into two pages Intel's processors take the last byte that was to be
 * stored, others the second page's first. */
static void
address_of_masked_store (const Fault *fault, FpExecState *native, const FpExecState *guest)
{
  const X86Insn *insn = &fault->insn;
  bool quads = insn->op == X86_OP_VMASKMOVPD || insn->op == X86_OP_VPMASKMOVQ;
  const FxVector *mask[2] = { &((const FxImage *) guest->fp)->xmm[insn->vex.vvvv],
                              &((const FxUppers *) (guest->fp + X86_FP_UPPERS))->ymm[insn->vex.vvvv] };
  uint64_t first = 0, last = 0, element = quads ? 8 : 4;
  if ((!quads && insn->op != X86_OP_VMASKMOVPS && insn->op != X86_OP_VPMASKMOVD) || !is_store (insn))
    return;
  for (unsigned at = size_of (insn); at >= element; at -= (unsigned) element)
    if (mask[(at - 1) / 16]->b[(at - 1) % 16] & 0x80) {
      first = fault->place + at - element;
      last = MAX (last, fault->place + at - 1);
    }
  if (first < FP_EXEC_DATA_SIZE && guest->cr2 == FP_EXEC_DATA + FP_EXEC_DATA_SIZE && native->cr2 == FP_EXEC_DATA + last)
    native->cr2 = guest->cr2;
}

static bool
is_zero (const FxVector *v)
{
  return !(v->q[0] | v->q[1]);
}

/* SDM vol. 2, VPGATHERDD: the mask is all sign bits before the first element, and zero above; bits that are no element's may be zero when there
 * is a fault. AMD's processors change elements as they arrive, the rest at the end. */
static void
rest_of_gather (const Fault *fault, FpExecState *native, const FpExecState *guest)
{
  const X86Insn *insn = &fault->insn;
  FxVector *upper = ((FxUppers *) (native->fp + X86_FP_UPPERS))->ymm;
  const FxVector *guest_upper = ((const FxUppers *) (guest->fp + X86_FP_UPPERS))->ymm;
  unsigned to = insn->operand[0].reg, from = insn->operand[2].reg;
  FxVector *mask[2] = { &((FxImage *) native->fp)->xmm[from], &upper[from] };
  if (!insn->operand[insn->mem_operand].mem.vsib)
    return;
  for (unsigned k = 0; k < 2; k++)
    for (unsigned i = 0; i < 4; i++) {
      unsigned sign = insn->operand[1].size == 8 ? i | 1 : i;
      mask[k]->d[i] = mask[k]->d[sign] >> 31 ? 0xffffffff : 0;
    }
  if (insn->vex.L)
    return;
  memset (&upper[from], 0, sizeof upper[from]);
  if (is_zero (&upper[to]) || is_zero (&guest_upper[to]))
    upper[to] = guest_upper[to];
}

void
fp_exec_choose_alike (const FpExecCase *c, FpExecState *native, const FpExecState *guest)
{
  Fault fault;
  if (!find_fault (c, guest, &fault))
    return;
  exception_before_page_fault (&fault, native, guest);
  flags_of_converting_store (&fault, native, guest);
  if (native->rip != guest->rip || native->vector != guest->vector)
    return;
  first_part_of_store (&fault, native, guest);
  top_of_mmx_store (&fault, native, guest);
  address_of_masked_store (&fault, native, guest);
  if (fp_exec_host_is_amd ())
    rest_of_gather (&fault, native, guest);
}
