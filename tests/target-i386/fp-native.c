/* fp-native.c -- generates a stub around one instruction, runs it, and the portable code beside it. */
/* SPDX-License-Identifier: MIT */

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#ifdef __x86_64__
#include <cpuid.h>
#endif

#include "fp-native.h"
#include "target-i386/runtime/helpers.h"

/* --- the portable side ---------------------------------------------------------------------------------- */

static X86Cpu cpu;
static sigjmp_buf leave;
static int raised;

void
x86_raise (X86Cpu *env, unsigned vector)
{
  raised = (int) vector;
  siglongjmp (leave, 1);
}

void
x86_raise_error (X86Cpu *env, unsigned vector, uint32_t error)
{
  x86_raise (env, vector);
}

void
x86_host_fault (void *env, BpHostFault fault)
{
}

void
fp_portable_run (const FpCase *c, FpState *state)
{
  bool memory = BP_NATIVE_RM_KIND (c->native) == BP_NATIVE_MEM;
  memcpy (cpu.fp, &state->image, sizeof cpu.fp);
  cpu.cr4 = CR4_OSXMMEXCPT;
  raised = -1;
  if (sigsetjmp (leave, 0) == 0)
    state->integer = x86_native_portable (&cpu, c->native, c->aux, state->integer,
                                          memory ? state->memory : NULL, &state->flags);
  state->exception = raised;
  memcpy (&state->image, cpu.fp, sizeof cpu.fp);
}

/* --- cases ---------------------------------------------------------------------------------------------- */

static bool
is_native (const X86Insn *insn)
{
  switch (insn->op) {
  case X86_OP_FLDENV:
  case X86_OP_FNSTENV:
  case X86_OP_FRSTOR:
  case X86_OP_FNSAVE:
  case X86_OP_LDMXCSR:
  case X86_OP_MASKMOVQ:
  case X86_OP_MASKMOVDQU:
  case X86_OP_FNENI:
  case X86_OP_FNDISI:
  case X86_OP_FNSETPM:
  case X86_OP_PCMPESTRM:
  case X86_OP_PCMPESTRI:
  case X86_OP_PCMPISTRI:
  case X86_OP_PCMPISTRM: return false;
  default: break;
  }
  switch (insn->feature) {
  case X86_FEATURE_AES:
  case X86_FEATURE_SHA: return false;
  default: return insn->unit != X86_UNIT_INT && insn->unit != X86_UNIT_FXSR && insn->unit != X86_UNIT_XSAVE;
  }
}

/* The fields as ir.h defines them, worked out from the operands alone. */
static uint64_t
describe (const X86Insn *insn)
{
  uint8_t byte = insn->mandatory;
  unsigned prefix = byte == 0x66 ? 1 : byte == 0xf3 ? 2 : byte == 0xf2 ? 3 : 0;
  uint64_t n = BP_NATIVE_MAKE (insn->opcode, insn->map, prefix);
  unsigned state = insn->unit == X86_UNIT_SSE ? BP_NATIVE_SSE : BP_NATIVE_X87;
  if (insn->attributes & X86_A_MMX_STATE)
    state |= BP_NATIVE_X87;
  n |= BP_NATIVE_SET_STATE (state);
  if (insn->has_imm8)
    n |= BP_NATIVE_SET_IMM8 (insn->imm8);
  if (insn->flags_read)
    n |= BP_NATIVE_SET_FLAGS_IN;
  if (insn->flags_written)
    n |= BP_NATIVE_SET_FLAGS_OUT;
  if (!insn->has_modrm || insn->op == X86_OP_EMMS)
    return n | BP_NATIVE_SET_NO_MODRM;
  BpIrNativeOperand reg = BP_NATIVE_FIELD, rm = insn->mem_operand >= 0 ? BP_NATIVE_MEM : BP_NATIVE_FIELD;
  bool rm_out = insn->map == 3 || insn->opcode == 0x7e;
  for (unsigned i = 0; i < insn->n_operands; i++)
    if (insn->operand[i].kind == X86_OPERAND_GPR) {
      if (insn->op == X86_OP_FNSTSW)
        n |= BP_NATIVE_SET_RAX_OUT;
      else if (i > 0)
        rm = BP_NATIVE_IN;
      else if (rm_out)
        rm = BP_NATIVE_OUT;
      else
        reg = BP_NATIVE_OUT;
    }
  return n | BP_NATIVE_SET_REG (reg, insn->reg) | BP_NATIVE_SET_RM (rm, insn->rm);
}

bool
fp_case_make (FpCase *c, const uint8_t *bytes, unsigned n)
{
  static char text[128];
  memset (c, 0, sizeof *c);
  if (x86_decode (bytes, n, X86_MODE_32, &c->insn) != X86_DECODE_OK || c->insn.length != n)
    return false;
  if (!is_native (&c->insn))
    return false;
  c->native = describe (&c->insn);
  if (c->insn.mem_operand >= 0) {
    const X86Operand *o = &c->insn.operand[c->insn.mem_operand];
    c->mem_size = (uint8_t) o->size;
    c->aux = o->size | (o->access & X86_ACCESS_R ? BP_NATIVE_MEM_READ : 0)
             | (o->access & X86_ACCESS_W ? BP_NATIVE_MEM_WRITE : 0);
  }
  x86_disasm (&c->insn, 0, text, sizeof text);
  c->text = text;
  return true;
}

/* --- the native side ------------------------------------------------------------------------------------ */

#ifdef __x86_64__

static uint8_t *code;
static volatile sig_atomic_t running;
static FxImage *target;

static void
on_fault (int number, siginfo_t *info, void *context)
{
  if (!running)
    _exit (99);
  running = 0;
  const ucontext_t *u = context;
  memcpy (target, u->uc_mcontext.fpregs, sizeof *target);
  raised = number == SIGFPE ? 0 : number == SIGILL ? EXC_UD : EXC_GP;
  siglongjmp (leave, 1);
}

bool
fp_native_is_amd (void)
{
  unsigned a, b, c, d;
  return __get_cpuid (0, &a, &b, &c, &d) && c == signature_AMD_ecx;
}

bool
fp_native_open (void)
{
  struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };
  sigaction (SIGFPE, &action, NULL);
  sigaction (SIGILL, &action, NULL);
  sigaction (SIGSEGV, &action, NULL);
  code = mmap (NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return code != MAP_FAILED;
}

static uint8_t *
put (uint8_t *p, const char *bytes, unsigned n)
{
  memcpy (p, bytes, n);
  return p + n;
}

#define PUT(p, string) ((p) = put ((p), (string), sizeof (string) - 1))

/* Arguments in rdi, rsi, rdx; memory operand [rdx], which 32-bit code calls [edx]; integer register: as
 * encoded. */
static void
generate (const FpCase *c)
{
  uint8_t *p = code, offset = offsetof (FpState, integer) - offsetof (FpState, memory);
  const X86Insn *insn = &c->insn;
  unsigned reg = 0;             /* of the integer operand */
  for (unsigned i = 0; i < insn->n_operands; i++)
    if (insn->operand[i].kind == X86_OPERAND_GPR)
      reg = insn->operand[i].reg;
  PUT (p, "\x48\x0f\xae\x0f");                          /* fxrstor64 [rdi] */
  PUT (p, "\xff\x76"), *p++ = (uint8_t) (offset + 8);   /* push [rsi + flags]; popf */
  PUT (p, "\x9d");
  PUT (p, "\x48\x8b"), *p++ = (uint8_t) (0x46 | reg << 3), *p++ = offset;       /* mov reg, [rsi + integer] */
  p = put (p, (const char *) insn->bytes, insn->length);
  PUT (p, "\x48\x89"), *p++ = (uint8_t) (0x46 | reg << 3), *p++ = offset;
  PUT (p, "\x9c\x58\x89\x46"), *p++ = (uint8_t) (offset + 8);   /* pushf; pop rax; mov [rsi + flags], eax */
  PUT (p, "\x48\x0f\xae\x07\xdb\xe3\xc3");              /* fxsave64 [rdi]; fninit; ret */
}

void
fp_native_run (const FpCase *c, FpState *state)
{
  static const uint32_t mxcsr = MXCSR_INIT;
  generate (c);
  target = &state->image;
  raised = -1;
  if (sigsetjmp (leave, 1) == 0) {
    running = 1;
    uint8_t *base = state->memory;
    __asm__ volatile ("call *%3"
                      : "+D" (target), "+S" (base)
                      : "d" (state->memory), "r" (code)
                      : "rax", "rcx", "rbx", "r8", "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
                        "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",
                        "xmm14", "xmm15");
    running = 0;
  }
  __asm__ volatile ("fninit; ldmxcsr %0" : : "m" (mxcsr));
  bool x87 = c->insn.unit != X86_UNIT_SSE;
  if (raised == 0)
    raised = x87 || (c->insn.attributes & X86_A_MMX_STATE && state->image.fsw & FSW_ES) ? EXC_MF : EXC_XM;
  state->exception = raised;
}

#else

bool fp_native_is_amd (void) { return false; }
bool fp_native_open (void) { return false; }
void fp_native_run (const FpCase *c, FpState *state) { }

#endif
