/* debug.h -- the CPU as debuggers see it: what the parts of bp.cpu-debug share. */
/* SPDX-License-Identifier: MIT */
#ifndef TARGET_I386_DEBUG_H
#define TARGET_I386_DEBUG_H

#include <backplane/iface/cpu-debug.h>
#include "../cpu.h"

/* Views, as gdb names them; a CPU without long mode has not the first. */
typedef enum X86View { VIEW_X86_64, VIEW_I386, VIEW_I8086, VIEW_N } X86View;

/* What a register is; `index` says which. */
typedef enum X86DebugKind {
  REG_GPR, REG_IP, REG_LINEAR_IP, REG_EFLAGS, REG_SELECTOR, REG_ST, REG_FPU, REG_XMM, REG_MXCSR, REG_YMM_HIGH, REG_BASE, REG_KERNEL_GS, REG_CR, REG_DR,
  REG_EFER
} X86DebugKind;

/* REG_FPU, in gdb's order. */
enum { FPU_CONTROL, FPU_STATUS, FPU_TAGS, FPU_CS, FPU_IP, FPU_DS, FPU_DP, FPU_OPCODE };

typedef struct X86DebugRow {
  BpDebugRegister reg;          /* first */
  uint8_t kind, index;          /* X86DebugKind */
} X86DebugRow;

#define FEATURE_CORE "org.gnu.gdb.i386.core"
#define FEATURE_SSE "org.gnu.gdb.i386.sse"
#define FEATURE_AVX "org.gnu.gdb.i386.avx"
#define FEATURE_SEGMENTS "org.gnu.gdb.i386.segments"
#define FEATURE_SYSTEM "org.backplane.i386.system"

/* views.c: the view's number `view` of this CPU, -1: it has not so many; and the view's rows, NULL after the last. */
const X86DebugRow *x86_debug_row (const X86Cpu *env, X86View view, unsigned number);
extern const char *const x86_debug_view_names[VIEW_N];

/* registers.c */
unsigned x86_debug_get (X86Cpu *env, const X86DebugRow *row, uint8_t *bytes);
bool x86_debug_set (X86Cpu *env, const X86DebugRow *row, const uint8_t *bytes);

/* description.c */
char *x86_debug_description (const X86Cpu *env, X86View view, const char *file);

/* memory.c */
bool x86_debug_translate (const X86Cpu *env, uint64_t address, BpDebugPage *page);
bool x86_debug_read_physical (const X86Cpu *env, uint64_t physical, void *buffer, unsigned size);     /* plain memory only */
uint64_t x86_debug_read (X86Cpu *env, uint64_t address, void *buffer, uint64_t size);
uint64_t x86_debug_write (X86Cpu *env, uint64_t address, const void *buffer, uint64_t size);
void x86_debug_where (const X86Cpu *env, BpDebugPlace *place);
unsigned x86_debug_disassemble (X86Cpu *env, uint64_t address, unsigned code_bits, char *text, size_t text_size);

extern const BpCpuDebugIface x86_debug_iface;

#endif
