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

void x86_host_fault (void *env, BpHostFault fault) { }
void x86_update_mode (X86Cpu *env) { }
uint32_t helper_segment_check (X86Cpu *env, uint32_t seg, uint32_t offset, uint32_t size_write) { return offset; }

void
fp_portable_run (const FpCase *c, FpState *state)
{
  bool memory = BP_NATIVE_RM_KIND (c->native) == BP_NATIVE_MEM;
  memcpy (cpu.fp, &state->image, sizeof cpu.fp);         /* with header and upper halves */
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
  case X86_OP_VMASKMOVPS:
  case X86_OP_VMASKMOVPD:
  case X86_OP_VPMASKMOVD:
  case X86_OP_VPMASKMOVQ: return false;
  /* lengths of 32 bits, and not where the memory operand's address is */
  case X86_OP_PCMPESTRM:
  case X86_OP_PCMPESTRI: return insn->mem_operand < 0 && !(insn->rex & 8) && !insn->vex.W;
  default: break;
  }
  if (insn->mem_operand >= 0 && insn->operand[insn->mem_operand].mem.vsib)
    return false;
  return insn->unit != X86_UNIT_INT && insn->unit != X86_UNIT_FXSR && insn->unit != X86_UNIT_XSAVE;
}

static bool
is_256 (const X86Insn *insn)
{
  bool found = insn->n_operands == 0 && insn->vex.L;
  for (unsigned i = 0; i < insn->n_operands; i++)
    found |= insn->operand[i].size == 32;
  return found;
}

static uint64_t
describe_fields (const X86Insn *insn)
{
  uint64_t n = 0;
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
  if (insn->op == X86_OP_PCMPESTRI || insn->op == X86_OP_PCMPISTRI)
    n |= BP_NATIVE_SET_RCX_OUT;
  if (insn->op == X86_OP_PCMPESTRI || insn->op == X86_OP_PCMPESTRM)
    n |= BP_NATIVE_SET_LENGTHS_IN;
  return n | BP_NATIVE_SET_REG (reg, insn->reg | (insn->rex & 4 ? 8 : 0))
         | BP_NATIVE_SET_RM (rm, insn->rm | (insn->rex & 1 ? 8 : 0));
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
  if (insn->vex.present)
    n |= BP_NATIVE_SET_VEX (is_256 (insn), insn->vex.vvvv) | (insn->vex.W ? BP_NATIVE_SET_W : 0);
  if (insn->rex & 8 && insn->map)
    n |= BP_NATIVE_SET_W;
  if (!insn->has_modrm || (insn->map == 1 && insn->opcode == 0x77))
    return n | BP_NATIVE_SET_NO_MODRM;
  return n | describe_fields (insn);
}

bool
fp_case_make (FpCase *c, const uint8_t *bytes, unsigned n)
{
  static char text[128];
  memset (c, 0, sizeof *c);
  if (x86_decode (bytes, n, X86_MODE_64, &c->insn) != X86_DECODE_OK || c->insn.length != n)
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
static FpState *target;
static uint8_t components;              /* of the XSAVE area: x87, SSE, AVX */

static void
on_fault (int number, siginfo_t *info, void *context)
{
  if (!running)
    _exit (99);
  running = 0;
  const ucontext_t *u = context;
  const uint8_t *area = (const uint8_t *) u->uc_mcontext.fpregs;
  memcpy (&target->image, area, sizeof target->image);
  if (components & 4)
    memcpy (target->header, area + sizeof target->image, sizeof target->header + sizeof target->upper);
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
fp_native_has_avx (void)
{
  return components & 4;
}

bool
fp_native_open (void)
{
  components = __builtin_cpu_supports ("avx") ? 7 : 3;
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

/* mov reg, [rsi + offset], or the reverse */
static uint8_t *
put_move (uint8_t *p, bool store, unsigned reg, uint8_t offset)
{
  *p++ = (uint8_t) (0x48 | reg >> 3 << 2);
  *p++ = store ? 0x89 : 0x8b;
  *p++ = (uint8_t) (0x46 | (reg & 7) << 3);
  *p++ = offset;
  return p;
}

/* eax, edx from the two halves of the operand */
static uint8_t *
put_lengths (uint8_t *p, uint8_t offset)
{
  PUT (p, "\x8b\x46"), *p++ = offset;
  PUT (p, "\x8b\x56"), *p++ = (uint8_t) (offset + 4);
  return p;
}

/* Arguments in rdi (XSAVE area), rsi and rdx (memory operand); integer register: as encoded. */
static void
generate (const FpCase *c)
{
  uint8_t *p = code, offset = offsetof (FpState, integer) - offsetof (FpState, memory);
  const X86Insn *insn = &c->insn;
  unsigned reg = BP_NATIVE_RCX_OUT (c->native) ? 1 : 0;         /* of the integer operand */
  for (unsigned i = 0; i < insn->n_operands; i++)
    if (insn->operand[i].kind == X86_OPERAND_GPR)
      reg = insn->operand[i].reg;
  PUT (p, "\x49\x89\xd4\x31\xd2\xb8"), *p++ = components;      /* mov r12, rdx; xor edx, edx; mov eax, components */
  PUT (p, "\0\0\0\x48\x0f\xae\x2f\x4c\x89\xe2");           /* xrstor64 [rdi]; mov rdx, r12 */
  PUT (p, "\xff\x76"), *p++ = (uint8_t) (offset + 8);           /* push [rsi + flags]; popf */
  PUT (p, "\x9d");
  if (BP_NATIVE_LENGTHS_IN (c->native))
    p = put_lengths (p, offset);
  else
    p = put_move (p, false, reg, offset);
  p = put (p, (const char *) insn->bytes, insn->length);
  p = put_move (p, true, reg, offset);
  PUT (p, "\x9c\x58\x89\x46"), *p++ = (uint8_t) (offset + 8);   /* pushf; pop rax; mov [rsi + flags], eax */
  PUT (p, "\x31\xd2\xb8"), *p++ = components;
  PUT (p, "\0\0\0\x48\x0f\xae\x27\xdb\xe3\xc3");           /* xsave64 [rdi]; fninit; ret */
}

void
fp_native_run (const FpCase *c, FpState *state)
{
  static const uint32_t mxcsr = MXCSR_INIT;
  generate (c);
  target = state;
  memset (state->header, 0, sizeof state->header);
  state->header[0] = components;
  raised = -1;
  if (sigsetjmp (leave, 1) == 0) {
    running = 1;
    FxImage *image = &state->image;
    uint8_t *base = state->memory;
    __asm__ volatile ("call *%3"
                      : "+D" (image), "+S" (base)
                      : "d" (state->memory), "r" (code)
                      : "rax", "rcx", "rbx", "r8", "r9", "r10", "r11", "r12", "memory", "cc", "xmm0", "xmm1", "xmm2",
                        "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",
                        "xmm14", "xmm15");
    running = 0;
  }
  if (components & 4)
    __asm__ volatile ("vzeroupper");
  __asm__ volatile ("fninit; ldmxcsr %0" : : "m" (mxcsr));
  if ((components & 4) && !(state->header[0] & 4))
    memset (&state->upper, 0, sizeof state->upper);
  bool x87 = c->insn.unit != X86_UNIT_SSE && c->insn.unit != X86_UNIT_AVX;
  if (raised == 0)
    raised = x87 || (c->insn.attributes & X86_A_MMX_STATE && state->image.fsw & FSW_ES) ? EXC_MF : EXC_XM;
  state->exception = raised;
}

#else

bool fp_native_is_amd (void) { return false; }
bool fp_native_open (void) { return false; }
bool fp_native_has_avx (void) { return false; }
void fp_native_run (const FpCase *c, FpState *state) { }

#endif
