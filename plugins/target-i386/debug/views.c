/* views.c -- the registers of each view in gdb's order, and the interface bp.cpu-debug. */
/* SPDX-License-Identifier: MIT */
#include "debug.h"

/* --- rows ------------------------------------------------------------------------------- */

#define ROW(name_, bits_, type_, group_, feature_, kind_, index_, flags_) \
  { { .name = (name_), .bits = (bits_), .flags = (flags_), .type = (type_), .group = (group_), .feature = (feature_) }, (kind_), (index_) }

#define GENERAL(name, bits, type, kind, index, flags) ROW (name, bits, type, "general", FEATURE_CORE, kind, index, flags)
#define GPR64(name, index) GENERAL (name, 64, "int64", REG_GPR, index, 0)
#define GPR32(name, index) GENERAL (name, 32, "int32", REG_GPR, index, 0)
#define SELECTOR(name, index) GENERAL (name, 32, "int32", REG_SELECTOR, index, 0)
#define ST(name, index) ROW (name, 80, "i387_ext", "float", FEATURE_CORE, REG_ST, index, 0)
#define FPU(name, index) ROW (name, 32, "int", "float", FEATURE_CORE, REG_FPU, index, 0)
#define XMM(name, index) ROW (name, 128, "vec128", "vector", FEATURE_SSE, REG_XMM, index, 0)
#define MXCSR ROW ("mxcsr", 32, "i386_mxcsr", "vector", FEATURE_SSE, REG_MXCSR, 0, 0)
#define YMM_HIGH(name, index) ROW (name, 128, "uint128", "vector", FEATURE_AVX, REG_YMM_HIGH, index, 0)
#define SYSTEM(name, bits, type, kind, index, flags) ROW (name, bits, type, "system", FEATURE_SYSTEM, kind, index, flags)

#define SELECTORS \
  SELECTOR ("cs", BP_X86_CS), SELECTOR ("ss", BP_X86_SS), SELECTOR ("ds", BP_X86_DS), SELECTOR ("es", BP_X86_ES), SELECTOR ("fs", BP_X86_FS), \
  SELECTOR ("gs", BP_X86_GS)
#define X87 \
  ST ("st0", 0), ST ("st1", 1), ST ("st2", 2), ST ("st3", 3), ST ("st4", 4), ST ("st5", 5), ST ("st6", 6), ST ("st7", 7), \
  FPU ("fctrl", FPU_CONTROL), FPU ("fstat", FPU_STATUS), FPU ("ftag", FPU_TAGS), FPU ("fiseg", FPU_CS), FPU ("fioff", FPU_IP), \
  FPU ("foseg", FPU_DS), FPU ("fooff", FPU_DP), FPU ("fop", FPU_OPCODE)
#define XMM_0_7 \
  XMM ("xmm0", 0), XMM ("xmm1", 1), XMM ("xmm2", 2), XMM ("xmm3", 3), XMM ("xmm4", 4), XMM ("xmm5", 5), XMM ("xmm6", 6), XMM ("xmm7", 7)
#define YMM_0_7 \
  YMM_HIGH ("ymm0h", 0), YMM_HIGH ("ymm1h", 1), YMM_HIGH ("ymm2h", 2), YMM_HIGH ("ymm3h", 3), YMM_HIGH ("ymm4h", 4), YMM_HIGH ("ymm5h", 5), \
  YMM_HIGH ("ymm6h", 6), YMM_HIGH ("ymm7h", 7)
#define DEBUG_REGISTERS(bits, type) \
  SYSTEM ("dr0", bits, type, REG_DR, 0, 0), SYSTEM ("dr1", bits, type, REG_DR, 1, 0), SYSTEM ("dr2", bits, type, REG_DR, 2, 0), \
  SYSTEM ("dr3", bits, type, REG_DR, 3, 0), SYSTEM ("dr6", bits, type, REG_DR, 6, 0), SYSTEM ("dr7", bits, type, REG_DR, 7, 0)

static const X86DebugRow rows_64[] = {
  GPR64 ("rax", BP_X86_RAX), GPR64 ("rbx", BP_X86_RBX), GPR64 ("rcx", BP_X86_RCX), GPR64 ("rdx", BP_X86_RDX), GPR64 ("rsi", BP_X86_RSI),
  GPR64 ("rdi", BP_X86_RDI), GENERAL ("rbp", 64, "data_ptr", REG_GPR, BP_X86_RBP, 0), GENERAL ("rsp", 64, "data_ptr", REG_GPR, BP_X86_RSP, BP_DEBUG_SP),
  GPR64 ("r8", 8), GPR64 ("r9", 9), GPR64 ("r10", 10), GPR64 ("r11", 11), GPR64 ("r12", 12), GPR64 ("r13", 13), GPR64 ("r14", 14), GPR64 ("r15", 15),
  GENERAL ("rip", 64, "code_ptr", REG_IP, 0, BP_DEBUG_PC), GENERAL ("eflags", 32, "i386_eflags", REG_EFLAGS, 0, 0),
  SELECTORS, X87,
  ROW ("fs_base", 64, "int64", "general", FEATURE_SEGMENTS, REG_BASE, BP_X86_FS, 0),
  ROW ("gs_base", 64, "int64", "general", FEATURE_SEGMENTS, REG_BASE, BP_X86_GS, 0),
  SYSTEM ("k_gs_base", 64, "int64", REG_KERNEL_GS, 0, 0),
  SYSTEM ("cr0", 64, "x86_cr0", REG_CR, 0, 0), SYSTEM ("cr2", 64, "int64", REG_CR, 2, 0), SYSTEM ("cr3", 64, "int64", REG_CR, 3, 0),
  SYSTEM ("cr4", 64, "x86_cr4", REG_CR, 4, 0), SYSTEM ("cr8", 64, "int64", REG_CR, 8, 0), SYSTEM ("efer", 64, "x86_efer", REG_EFER, 0, 0),
  DEBUG_REGISTERS (64, "int64"),
  XMM_0_7, XMM ("xmm8", 8), XMM ("xmm9", 9), XMM ("xmm10", 10), XMM ("xmm11", 11), XMM ("xmm12", 12), XMM ("xmm13", 13), XMM ("xmm14", 14),
  XMM ("xmm15", 15), MXCSR,
  YMM_0_7, YMM_HIGH ("ymm8h", 8), YMM_HIGH ("ymm9h", 9), YMM_HIGH ("ymm10h", 10), YMM_HIGH ("ymm11h", 11), YMM_HIGH ("ymm12h", 12),
  YMM_HIGH ("ymm13h", 13), YMM_HIGH ("ymm14h", 14), YMM_HIGH ("ymm15h", 15)
};

#define GPRS_32 \
  GPR32 ("eax", BP_X86_RAX), GPR32 ("ecx", BP_X86_RCX), GPR32 ("edx", BP_X86_RDX), GPR32 ("ebx", BP_X86_RBX), \
  GENERAL ("esp", 32, "data_ptr", REG_GPR, BP_X86_RSP, BP_DEBUG_SP), GENERAL ("ebp", 32, "data_ptr", REG_GPR, BP_X86_RBP, 0), \
  GPR32 ("esi", BP_X86_RSI), GPR32 ("edi", BP_X86_RDI)
#define BASES_32 \
  SYSTEM ("cs_base", 32, "int32", REG_BASE, BP_X86_CS, BP_DEBUG_READ_ONLY), SYSTEM ("ss_base", 32, "int32", REG_BASE, BP_X86_SS, BP_DEBUG_READ_ONLY), \
  SYSTEM ("ds_base", 32, "int32", REG_BASE, BP_X86_DS, BP_DEBUG_READ_ONLY), SYSTEM ("es_base", 32, "int32", REG_BASE, BP_X86_ES, BP_DEBUG_READ_ONLY), \
  SYSTEM ("fs_base", 32, "int32", REG_BASE, BP_X86_FS, 0), SYSTEM ("gs_base", 32, "int32", REG_BASE, BP_X86_GS, 0)
#define CONTROL_32 \
  SYSTEM ("cr0", 32, "x86_cr0", REG_CR, 0, 0), SYSTEM ("cr2", 32, "int32", REG_CR, 2, 0), SYSTEM ("cr3", 32, "int32", REG_CR, 3, 0), \
  SYSTEM ("cr4", 32, "x86_cr4", REG_CR, 4, 0), DEBUG_REGISTERS (32, "int32")

static const X86DebugRow rows_32[] = {
  GPRS_32, GENERAL ("eip", 32, "code_ptr", REG_IP, 0, BP_DEBUG_PC), GENERAL ("eflags", 32, "i386_eflags", REG_EFLAGS, 0, 0), SELECTORS, X87,
  BASES_32, CONTROL_32, XMM_0_7, MXCSR, YMM_0_7
};

/* gdb knows no segments: where they count, it is given the linear address for a program counter, so that breakpoints, stepping and x/i work. */
static const X86DebugRow rows_16[] = {
  GPRS_32, GENERAL ("eip", 32, "code_ptr", REG_LINEAR_IP, 0, BP_DEBUG_PC), GENERAL ("eflags", 32, "i386_eflags", REG_EFLAGS, 0, 0), SELECTORS, X87,
  SYSTEM ("ip", 32, "int32", REG_IP, 0, 0), BASES_32, CONTROL_32, XMM_0_7, MXCSR, YMM_0_7
};

static const struct { const X86DebugRow *rows; unsigned n; } views[VIEW_N] = {
  [VIEW_X86_64] = { rows_64, BP_N_ELEMENTS (rows_64) },
  [VIEW_I386] = { rows_32, BP_N_ELEMENTS (rows_32) },
  [VIEW_I8086] = { rows_16, BP_N_ELEMENTS (rows_16) }
};

const char *const x86_debug_view_names[VIEW_N] = { "i386:x86-64", "i386", "i8086" };

/* --- what this CPU has --------------------------------------------------------------------- */

static int
x86_debug_view (const X86Cpu *env, unsigned view)
{
  unsigned v = view + (env->feature[X86_FEATURE_LM] ? 0 : 1);
  return v < VIEW_N ? (int) v : -1;
}

/* Vectors stand last: a CPU without has fewer registers. */
const X86DebugRow *
x86_debug_row (const X86Cpu *env, X86View view, unsigned number)
{
  const X86DebugRow *row = number < views[view].n ? &views[view].rows[number] : NULL;
  if (!row || (row->kind == REG_YMM_HIGH && !env->feature[X86_FEATURE_AVX])
      || ((row->kind == REG_XMM || row->kind == REG_MXCSR) && !env->feature[X86_FEATURE_SSE]))
    return NULL;
  return row;
}

/* --- the interface --------------------------------------------------------------------------- */

static const char *
view_name (void *self, unsigned view)
{
  int v = x86_debug_view (self, view);
  return v < 0 ? NULL : x86_debug_view_names[v];
}

static const X86DebugRow *
find_row (void *self, unsigned view, unsigned number)
{
  int v = x86_debug_view (self, view);
  return v < 0 ? NULL : x86_debug_row (self, (X86View) v, number);
}

static const BpDebugRegister *
reg (void *self, unsigned view, unsigned number)
{
  const X86DebugRow *row = find_row (self, view, number);
  return row ? &row->reg : NULL;
}

static unsigned
get_register (void *self, unsigned view, unsigned number, uint8_t bytes[BP_DEBUG_REGISTER_BYTES])
{
  const X86DebugRow *row = find_row (self, view, number);
  return row ? x86_debug_get (self, row, bytes) : 0;
}

static bool
set_register (void *self, unsigned view, unsigned number, const uint8_t *bytes, unsigned size)
{
  const X86DebugRow *row = find_row (self, view, number);
  return row && size == row->reg.bits / 8 && !(row->reg.flags & BP_DEBUG_READ_ONLY) && x86_debug_set (self, row, bytes);
}

static char *
description (void *self, unsigned view, const char *file)
{
  int v = x86_debug_view (self, view);
  return v < 0 ? NULL : x86_debug_description (self, (X86View) v, file);
}

static void
where (void *self, BpDebugPlace *place)
{
  x86_debug_where (self, place);
}

static bool
translate (void *self, uint64_t address, BpDebugPage *page)
{
  return x86_debug_translate (self, address, page);
}

static uint64_t
read_memory (void *self, uint64_t address, void *buffer, uint64_t size)
{
  return x86_debug_read (self, address, buffer, size);
}

static uint64_t
write_memory (void *self, uint64_t address, const void *buffer, uint64_t size)
{
  return x86_debug_write (self, address, buffer, size);
}

static unsigned
disassemble (void *self, uint64_t address, unsigned code_bits, char *text, size_t text_size)
{
  return x86_debug_disassemble (self, address, code_bits, text, text_size);
}

const BpCpuDebugIface x86_debug_iface = {
  .struct_size = sizeof (BpCpuDebugIface), .view = view_name, .reg = reg, .get_register = get_register, .set_register = set_register,
  .description = description, .where = where, .translate = translate, .read_memory = read_memory, .write_memory = write_memory,
  .disassemble = disassemble
};
