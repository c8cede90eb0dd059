/* cpu.h -- the state of one x86 vCPU, and the words that emitter and runtime share. */
/* SPDX-License-Identifier: MIT */
#ifndef TARGET_I386_CPU_H
#define TARGET_I386_CPU_H

#include <backplane/arch/x86-state.h>
#include <backplane/cpu.h>
#include <backplane/object.h>
#include <backplane/tcg/frontend.h>
#include "decode/decode.h"

/* --- how the arithmetic flags are represented -----------------------------------------------------------------
 * CC_OP says what cc_dst, cc_src, cc_src2 mean; the suffix is the width.  Known while translating (it is insn_start's state
 * word), stored to env->cc_op at block exits.  CC_DYNAMIC: only env->cc_op knows.
 *             cc_dst               cc_src              cc_src2
 *   EFLAGS    -                    the flags as bits   -
 *   ADD       result               second operand      -
 *   ADC       result               second operand      carry in (0/1)
 *   SUB       result               second operand      -          (first operand = dst + src)
 *   SBB       result               second operand      borrow in
 *   LOGIC     result               -                   -          (CF OF AF = 0)
 *   INC, DEC  result               old CF (0/1)        -
 *   SHL       result               operand << (count-1)   -       (CF = its top bit)
 *   SAR       result               operand >> (count-1)   -       (CF = its low bit; SHR too)
 *   MUL       low result           nonzero: CF=OF=1    -
 *   ROL, ROR  result of a LOGIC    result of rotating  -          (CF OF of the rotation, the rest of the LOGIC before it)
 */
enum {
  CC_DYNAMIC, CC_EFLAGS,
  CC_ADD8, CC_ADD16, CC_ADD32, CC_ADD64, CC_ADC8, CC_ADC16, CC_ADC32, CC_ADC64,
  CC_SUB8, CC_SUB16, CC_SUB32, CC_SUB64, CC_SBB8, CC_SBB16, CC_SBB32, CC_SBB64,
  CC_LOGIC8, CC_LOGIC16, CC_LOGIC32, CC_LOGIC64, CC_INC8, CC_INC16, CC_INC32, CC_INC64,
  CC_DEC8, CC_DEC16, CC_DEC32, CC_DEC64, CC_SHL8, CC_SHL16, CC_SHL32, CC_SHL64,
  CC_SAR8, CC_SAR16, CC_SAR32, CC_SAR64, CC_MUL8, CC_MUL16, CC_MUL32, CC_MUL64,
  CC_ROL8, CC_ROL16, CC_ROL32, CC_ROL64, CC_ROR8, CC_ROR16, CC_ROR32, CC_ROR64,
  CC_N_OPS
};

/* --- mode bits: env->hflags, and the block key's flags ----------------------------------------------------------- */
enum {
  HF_CPL = 3 << 0,
  HF_PE = 1 << 2,               /* CR0.PE */
  HF_VM = 1 << 3,               /* EFLAGS.VM */
  HF_CS32 = 1 << 4,             /* CS.D */
  HF_SS32 = 1 << 5,             /* SS.B */
  HF_TF = 1 << 6,               /* EFLAGS.TF */
  HF_IO_OK = 1 << 7,            /* CPL <= EFLAGS.IOPL */
  HF_AVX = 1 << 8,              /* CR4.OSXSAVE, and XCR0 enables SSE and AVX state */
  HF_MP = 1 << 9, HF_EM = 1 << 10, HF_TS = 1 << 11,
  HF_OSFXSR = 1 << 12,
  HF_AC = 1 << 13,              /* CR0.AM and EFLAGS.AC and CPL 3: misaligned data accesses raise #AC */
  HF_INHIBIT = 1 << 14,         /* interrupts are held off until after the next instruction */
  HF_BREAKPOINTS = 1 << 15,     /* DR7 enables a breakpoint on an instruction, or on a port (with CR4.DE) */
  HF_NE = 1 << 16,              /* CR0.NE */
  HF_RF = 1 << 17,              /* EFLAGS.RF: no instruction breakpoint on the first instruction */
  HF_VME = 1 << 18,             /* CR4.VME (or PVI in protected mode) */
  HF_CODE64 = 1 << 19,          /* long mode, CS.L: ES CS SS DS count as flat with base 0; FS and GS as flat, their bases as not 0 */
  /* per data segment (ES CS SS DS FS GS = bit + X86_ES..): */
  HF_BASE0_SHIFT = 20,          /* base is 0; CS has none, its base is in the key */
  HF_SMAP = 1 << 21,            /* CR4.SMAP, CPL below 3 and EFLAGS.AC clear: data accesses to user pages fault */
  HF_FLAT_SHIFT = 26            /* present, limit 4G-1, readable and writable (CS: readable): accesses need no check */
};
#define HF_BASE0(seg) (1u << (HF_BASE0_SHIFT + (seg)))
#define HF_BASE0_ALL (0x3du << HF_BASE0_SHIFT)
#define HF_FLAT(seg)  (1u << (HF_FLAT_SHIFT + (seg)))

/* How the TLB sees an access: as the kernel's, as the user's, or as the kernel's that SMAP keeps off user pages. */
enum { MMU_KERNEL = 0, MMU_USER = 1, MMU_KERNEL_SMAP = 2, MMU_N = 3 };

/* Exceptions, by vector. */
enum {
  EXC_DE = 0, EXC_DB = 1, EXC_NMI = 2, EXC_BP = 3, EXC_OF = 4, EXC_BR = 5, EXC_UD = 6, EXC_NM = 7, EXC_DF = 8, EXC_TS = 10, EXC_NP = 11,
  EXC_SS = 12, EXC_GP = 13, EXC_PF = 14, EXC_MF = 16, EXC_AC = 17, EXC_MC = 18, EXC_XM = 19
};

enum {
  CR0_PE = 1u << 0, CR0_MP = 1u << 1, CR0_EM = 1u << 2, CR0_TS = 1u << 3, CR0_ET = 1u << 4, CR0_NE = 1u << 5, CR0_WP = 1u << 16,
  CR0_AM = 1u << 18, CR0_NW = 1u << 29, CR0_CD = 1u << 30, CR0_PG = 1u << 31
};
enum {
  CR4_VME = 1 << 0, CR4_PVI = 1 << 1, CR4_TSD = 1 << 2, CR4_DE = 1 << 3, CR4_PSE = 1 << 4, CR4_PAE = 1 << 5, CR4_MCE = 1 << 6, CR4_PGE = 1 << 7,
  CR4_PCE = 1 << 8, CR4_OSFXSR = 1 << 9, CR4_OSXMMEXCPT = 1 << 10, CR4_UMIP = 1 << 11, CR4_FSGSBASE = 1 << 16, CR4_PCIDE = 1 << 17,
  CR4_OSXSAVE = 1 << 18, CR4_SMEP = 1 << 20, CR4_SMAP = 1 << 21, CR4_PKE = 1 << 22, CR4_PKS = 1 << 24
};
enum { EFER_SCE = 1 << 0, EFER_LME = 1 << 8, EFER_LMA = 1 << 10, EFER_NXE = 1 << 11 };

/* Segment attributes as BpX86Segment has them: descriptor bits 40..55. */
enum {
  SEG_TYPE = 15, SEG_ACCESSED = 1 << 0, SEG_WRITABLE = 1 << 1 /* code: readable */, SEG_EXPAND_DOWN = 1 << 2 /* code: conforming */, SEG_CODE = 1 << 3,
  SEG_S = 1 << 4, SEG_DPL_SHIFT = 5, SEG_P = 1 << 7, SEG_AVL = 1 << 12, SEG_L = 1 << 13, SEG_DB = 1 << 14, SEG_G = 1 << 15
};

/* Offsets in X86Cpu.fp (SDM 1, 13.4): bits 255:128 of the vector registers follow the 64 bytes of header. */
enum { X86_FP_UPPERS = 512 + 64, X86_FP_SIZE = X86_FP_UPPERS + 16 * 16 };

typedef struct X86Cpu {
  BpTcgArea tcg;                /* first: belongs to the accelerator */
  /* What generated code stores all the time must not lie a multiple of 4 KiB from what each guest access loads, the area's TLB: the
   * processor compares 12 bits of the addresses first (Intel's optimization manual, 4-KByte aliasing).  Worth 6 % of Linux's start. */
  uint64_t away[32];

  /* --- saved: registers --------------------------------------------------------- */
  uint64_t gpr[16];             /* BP_X86_RAX order; the 32-bit machine uses the low halves */
  uint64_t cc_dst, cc_src, cc_src2;
  uint64_t eip;                 /* offset in CS */
  uint32_t cc_op;               /* CC_*, never CC_DYNAMIC here */
  int32_t df;                   /* 1, or -1 when EFLAGS.DF is set */
  uint32_t eflags;              /* all but the arithmetic flags and DF, which are zero here; bit 1 set */
  uint32_t hflags;              /* HF_*: derived, see x86_update_hflags and x86_update_mode */
  BpX86Segment segment[8];      /* BP_X86_ES .. BP_X86_TR; a null selector: attributes 0 */
  struct { uint64_t base; uint32_t limit; uint32_t reserved; } gdtr, idtr;
  uint64_t cr0, cr2, cr3, cr4;
  uint64_t pdpte[4];            /* PAE: loaded with CR3 */
  uint64_t dr[8];
  uint64_t efer;
  uint32_t a20_mask;            /* all ones, or without bit 20 */
  uint32_t halted;              /* HALTED_* */
  uint8_t fp[X86_FP_SIZE] __attribute__ ((aligned (64)));       /* an XSAVE area: FXSAVE64 layout, header, upper halves; the truth only while not resident */
  uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
  uint64_t tsc_offset, pat, mcg_status, misc_enable;
  uint64_t mtrr_def, mtrr_fixed[11], mtrr_variable[16];
  uint64_t tsc_adjust, tsc_aux;
  uint64_t star, lstar, cstar, sfmask;          /* SYSCALL: cstar is kept, Intel's processors do not use it */
  uint64_t kernel_gs_base;
  uint64_t xcr0, xss;
  uint64_t pkru, pkrs;          /* 32 bits each: what pages' keys forbid, by two bits a key */
  uint64_t cr8;                 /* without a local APIC to hold it */
  uint64_t tsc_counted;         /* Hz that tsc_offset goes with: tsc_frequency, but in a snapshot that another host or accelerator has made */

  /* --- saved: an event on its way ------------------------------------------------ */
  int32_t exc_vector;           /* recorded before ops->raise; -1: none */
  uint32_t exc_error;
  uint32_t exc_has_error;
  uint32_t exc_is_int;          /* EXC_KIND_* */
  uint64_t exc_next_eip;
  int32_t exc_old;              /* the exception being delivered, for #DF; -1: none */
  uint32_t nmi_masked;
  uint8_t startup_vector;       /* of the start-up message that BP_VCPU_IRQ_SIPI announces; atomic */
  uint64_t held_eip;            /* HF_INHIBIT was put there, for the instruction here, by ... */
  uint32_t held;                /* (BpX86State.interrupts_held); not saved */
  uint32_t repeating;           /* a repeated string instruction is between iterations: an event pushes RF (SDM 3B 17.3.1.1) */
  uint32_t new_task;            /* a task switch is past its point of no return: a fault belongs to the new task, at new_task_eip */
  uint32_t new_task_eip, new_task_cc_op;

  /* --- wiring ----------------------------------------------------------------- */
  BpLink intc;                  /* interrupt controller that acknowledges */
  BpAddressSpace *memory, *io;
  BpPin *ferr;                  /* FERR#: to IRQ 13 */
  char *model;                  /* property: a model's name, and perhaps ",+name,-name" */
  char *features;               /* property: "+name,-name" */

  int exit_on_halt;             /* property on-halt */
  /* --- derived ------------------------------------------------------------------- */
  const struct X86Model *model_row;
  uint32_t cpuid_1_edx, cpuid_1_ecx, cpuid_80000001_edx, cpuid_80000001_ecx;
  bool feature[X86_FEATURE__COUNT];     /* what the decoder's feature column is checked against */
  uint32_t cpuid_13_1_eax;
  uint32_t cpuid_7_ebx, cpuid_7_ecx, cpuid_7_edx, cpuid_80000007_edx;
  uint32_t own_features;        /* OWN_*: what CPUID does not tell */
  uint32_t n_processors;        /* of its package */
  uint32_t cores;               /* property: at most so many; 0: all of the machine's */
  uint32_t cr4_allowed;         /* bits that may be set */
  uint32_t physical_bits;       /* MAXPHYADDR */
  uint64_t tsc_frequency;       /* Hz: the property's, or the host's where that cannot be scaled */
  uint64_t tsc_asked;           /* property */
  uint32_t apic_id;             /* property */
  int bsp;                      /* property: BSP_* */
  bool hypervisor;              /* property: CPUID.1:ECX[31] */
  uint64_t cr2_before;          /* the latest page fault */
  uint32_t watch_hits;          /* DR6 bits that the instruction being executed has set: a fault takes them back */
  bool bad_jump;                /* the recorded #GP(0) is about where an instruction, which is done otherwise, jumps to */
  uint64_t bad_address;         /* not canonical: what the recorded #GP(0) is about; 0: about something else */
} X86Cpu;

/* exc_is_int.  INT n is delivered where it stands, and never recorded; ICEBP returns to exc_next_eip. */
enum { EXC_KIND_FAULT = 0, EXC_KIND_ICEBP = 2, EXC_KIND_INTERRUPT = 3, EXC_KIND_NMI = 4 /* these two with X86_IRQ_EVENT only */ };
#define EXC_TRIPLE 0x100        /* in exc_vector: nothing left to try */
/* halted */
enum {
  HALTED_NOT = 0, HALTED_HLT = 1, HALTED_SHUTDOWN = 2 /* after a triple fault: only a reset helps */,
  HALTED_WAIT_SIPI = 3          /* an application processor after reset or INIT: for a start-up message */
};
enum { BSP_AUTO, BSP_ON, BSP_OFF };
enum { OWN_SYSCALL32 = 1 << 0 };
/* cpuid_7_ecx */
#define X86_C7_PKU (1u << 3)
#define X86_C7_PKS (1u << 31)
/* Bits of the vCPU's pending word that are this type's own. */
enum { X86_IRQ_RESET = BP_X86_IRQ_RESET, X86_IRQ_TRAP = BP_VCPU_IRQ_USER << 1 /* #DB, DR6 tells why, before the next instruction */,
       X86_IRQ_EVENT = BP_VCPU_IRQ_USER << 3 /* exc_vector is to be delivered before anything else: whoever put the registers here had accepted it */,
       X86_IRQ_NMI_2 = BP_X86_IRQ_NMI_2 /* as BP_VCPU_IRQ_NMI: both, when two came before the first was taken */ };
#define X86_IRQ_NMIS (BP_VCPU_IRQ_NMI | X86_IRQ_NMI_2)


static inline unsigned x86_cpl (const X86Cpu *env) { return env->hflags & HF_CPL; }
static inline bool x86_is_protected (const X86Cpu *env) { return (env->hflags & (HF_PE | HF_VM)) == HF_PE; }

/* Indexes of the IR globals (table in emit/translate.c), hottest first. */
enum {
  G_RAX, G_RCX, G_RDX, G_RBX, G_RSP, G_RBP, G_RSI, G_RDI, G_CC_DST, G_CC_SRC,
  G_R8, G_R9, G_R10, G_R11, G_R12, G_R13, G_R14, G_R15, G_CC_SRC2, G_N
};

/* --- functions that all parts share ------------------------------------------------------------------------------ */

/* runtime/segment.c */
void x86_update_hflags (X86Cpu *env);           /* all of them, from a state that was put there */
void x86_update_mode (X86Cpu *env);             /* after any change of CS, SS, CR0, CR4, EFLAGS.VM/TF/IOPL/AC/RF, EFER, DR7 */
void x86_set_segment (X86Cpu *env, unsigned seg, uint16_t selector, uint64_t base, uint32_t limit, uint32_t attributes);
/* runtime/flags.c */
uint32_t x86_compute_cc (uint32_t cc_op, uint64_t dst, uint64_t src, uint64_t src2);   /* CF PF AF ZF SF OF as EFLAGS bits */
uint32_t x86_eflags (X86Cpu *env);              /* the whole register; env->cc_op must be current */
void x86_set_eflags (X86Cpu *env, uint32_t value, uint32_t mask);       /* no privilege checks; updates hflags */
/* runtime/exception.c: record and leave; never return.  The guest state is restored to the current instruction first. */
void x86_raise (X86Cpu *env, unsigned vector) __attribute__ ((noreturn));
void x86_raise_error (X86Cpu *env, unsigned vector, uint32_t error) __attribute__ ((noreturn));
void x86_record_exception (X86Cpu *env, unsigned vector, uint32_t error);      /* as x86_raise_error, but returns */
void x86_deliver (void *env);
bool x86_interrupt (void *env, uint32_t pending);
bool x86_wakes (const void *env, uint32_t pending);
bool x86_is_halted (const void *env);
void x86_host_fault (void *env, BpHostFault fault);
/* cpu.c, state.c */
void x86_reset_registers (X86Cpu *env, bool init);      /* init: INIT#, which spares FP, MSRs and CR0.CD, NW */
void x86_dump (const void *env, char *out, size_t out_size);
/* emit/frontend.c */
extern const BpTcgFrontend x86_frontend;
/* describe.c */
void x86_describe (const BpTbKey *key, BpInsn *insn);
bool x86_insn_registers (const BpInsn *insn, BpInsnRegisters *out);
/* runtime/msr.c: false: no such MSR, or a value it does not take */
bool x86_msr_read (X86Cpu *env, uint32_t number, uint64_t *value);
bool x86_msr_write (X86Cpu *env, uint32_t number, uint64_t value);
uint64_t x86_tsc (X86Cpu *env);                 /* the counter now; [main] while the vCPU is stopped, or its own thread */
void x86_set_tsc_frequency (X86Cpu *env, uint64_t hz);  /* the counter goes on from where it is */
uint64_t x86_cr8_read (X86Cpu *env);
void x86_cr8_write (X86Cpu *env, uint64_t value);
/* cpuid.c */
extern const char *const x86_model_names[];             /* NULL-terminated */
bool x86_configure_features (X86Cpu *env, GError **error);      /* model and features -> what CPUID says and the decoder may accept */
uint32_t x86_signature (const X86Cpu *env);             /* CPUID.1:EAX, and EDX after reset */
unsigned x86_family (const X86Cpu *env);
const char *x86_cpuid_bit_name (uint32_t leaf, uint32_t subleaf, unsigned reg, unsigned bit);   /* NULL: none */
bool x86_has_apic (const X86Cpu *env);                  /* the linked controller is a local APIC */
bool x86_has_x2apic (const X86Cpu *env);                /* the model and that controller have it */
bool x86_has_tsc_deadline (const X86Cpu *env);
/* state.c */
extern const BpStateField x86_state_fields[];
extern const BpX86CpuIface x86_cpu_iface;
uint64_t x86_priority (X86Cpu *env);            /* CR8, wherever it is asked for: [vcpu], or [main] while the vCPU is stopped */
void x86_set_priority (X86Cpu *env, uint64_t value);
unsigned x86_state_msrs (const X86Cpu *env, uint32_t *numbers, unsigned n);     /* runtime/msr.c */
void x86_mask_mxcsr (X86Cpu *env);              /* of an FP state that was put there: its reserved bits are cleared */
void x86_cpuid (X86Cpu *env, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
/* runtime/xsave.c */
uint64_t x86_xcr0_allowed (const X86Cpu *env);          /* bits that XCR0 may have set */
uint32_t x86_xsave_size (uint64_t components, bool compacted);  /* bytes of an area that has them */
uint32_t x86_xsave_component (unsigned i, uint32_t *offset);    /* bytes of one, and where the standard format has it; of legacy ones: 0 */
/* runtime/protection-keys.c: the translations that rest on what changes are dropped */
void x86_set_pkru (X86Cpu *env, uint32_t value);
void x86_set_pkrs (X86Cpu *env, uint32_t value);
/* runtime/paging.c */
bool x86_load_pdptes (X86Cpu *env, uint64_t cr3);       /* false: reserved bits set, nothing loaded */
/* runtime/debug.c */
bool x86_is_watched (const X86Cpu *env, uint64_t page);         /* a data breakpoint lies in it */
bool x86_breaks_at (X86Cpu *env, uint64_t linear);      /* a breakpoint on the instruction there: DR6 says which */
bool x86_watch (void *env, uint64_t address, unsigned size, BpMmuAccess access, bool alone);
bool x86_tlb_fill (void *env, uint64_t address, BpMmuAccess access, unsigned mmu_index, bool quiet, BpTlbFill *fill);

/* --- addresses ------------------------------------------------------------------------------------------------------ */

static inline bool x86_in_long_mode (const X86Cpu *env) { return env->efer & EFER_LMA; }
static inline bool x86_in_code64 (const X86Cpu *env) { return env->hflags & HF_CODE64; }
/* What offsets and linear addresses of the running code are cut to. */
static inline uint64_t x86_linear_mask (const X86Cpu *env) { return x86_in_code64 (env) ? ~(uint64_t) 0 : 0xffffffffu; }
static inline uint64_t x86_code_linear (const X86Cpu *env, uint64_t eip)
{ return x86_in_code64 (env) ? eip : (uint32_t) (env->segment[BP_X86_CS].base + eip); }
/* 48 bits, the upper ones as the 48th. */
static inline bool x86_is_canonical (uint64_t address) { return (uint64_t) ((int64_t) (address << 16) >> 16) == address; }

/* Guest memory from helpers: linear addresses, current privilege (user when CPL 3), or as the kernel's own structures (descriptor tables,
 * TSS), an access that EFLAGS.AC never excuses from SMAP (SDM 3A 4.6). */
static inline unsigned
x86_mmu_index_of (uint32_t hflags)
{ return (hflags & HF_CPL) == 3 ? MMU_USER : hflags & HF_SMAP ? MMU_KERNEL_SMAP : MMU_KERNEL; }
static inline unsigned x86_mmu_index (const X86Cpu *env) { return x86_mmu_index_of (env->hflags); }
static inline unsigned x86_mmu_implicit (const X86Cpu *env) { return env->cr4 & CR4_SMAP ? MMU_KERNEL_SMAP : MMU_KERNEL; }
static inline unsigned x86_mmu_fetch (const X86Cpu *env) { return (env->hflags & HF_CPL) == 3 ? MMU_USER : MMU_KERNEL; }
static inline BpMemOp x86_memop (const X86Cpu *env, BpMemOp size, unsigned mmu)
{ return size | BP_MO_MMU (mmu) | (x86_in_long_mode (env) ? BP_MO_ADDR64 : 0); }
static inline uint64_t x86_load (X86Cpu *env, uint64_t linear, BpMemOp size)
{ return env->tcg.ops->load (env, linear & x86_linear_mask (env), x86_memop (env, size, x86_mmu_index (env))); }
static inline void x86_store (X86Cpu *env, uint64_t linear, uint64_t value, BpMemOp size)
{ env->tcg.ops->store (env, linear & x86_linear_mask (env), value, x86_memop (env, size, x86_mmu_index (env))); }
/* Descriptor tables and the TSS have 64-bit addresses in compatibility mode too. */
static inline uint64_t x86_system_linear (const X86Cpu *env, uint64_t linear) { return x86_in_long_mode (env) ? linear : (uint32_t) linear; }
static inline uint64_t x86_load_kernel (X86Cpu *env, uint64_t linear, BpMemOp size)
{ return env->tcg.ops->load (env, x86_system_linear (env, linear), x86_memop (env, size, x86_mmu_implicit (env))); }
static inline void x86_store_kernel (X86Cpu *env, uint64_t linear, uint64_t value, BpMemOp size)
{ env->tcg.ops->store (env, x86_system_linear (env, linear), value, x86_memop (env, size, x86_mmu_implicit (env))); }

#endif
