/* riscv.h -- what the files of this plugin share: the state of a hart, its instructions, its traps. */
/* SPDX-License-Identifier: MIT */
/*
 * "Unprivileged" and "privileged" in comments are the two volumes of The RISC-V Instruction Set Manual, version 20191213 and 20211203.
 */
#ifndef RISCV_H
#define RISCV_H

#include <backplane/cpu.h>
#include <backplane/object.h>
#include <backplane/tcg/frontend.h>
#include "board.h"

/* --- the state of a hart --------------------------------------------------------------------- */

typedef struct RvCpu {
  BpTcgArea tcg;                /* the accelerator's; it must be first */

  /* saved */
  uint32_t x[32];               /* x[0] is never written */
  uint32_t pc;
  uint32_t halted;              /* waits in WFI */
  uint32_t mstatus, mie, mtvec, mscratch, mepc, mcause, mtval;
  uint64_t cycle_offset, instret_offset;        /* what mcycle and minstret show beyond what has passed */

  /* wiring and properties */
  uint32_t hart_id, reset_vector;
  BpLink clock;

  /* derived */
  uint32_t cause, value;        /* of the exception that is recorded, until it is delivered */
  bool is_deterministic;
  BpAddressSpace *memory;
} RvCpu;

extern const BpTcgFrontend rv_frontend;
extern const BpIrGlobal rv_globals[31];
extern const BpIrHelper *const rv_helpers[];
extern const char *const rv_register_names[32];         /* "zero", "ra" ... */

/* --- instructions ------------------------------------------------------------------------------ */

typedef enum RvFormat {
  RV_FORMAT_R, RV_FORMAT_I, RV_FORMAT_SHIFT, RV_FORMAT_LOAD, RV_FORMAT_STORE, RV_FORMAT_BRANCH, RV_FORMAT_U, RV_FORMAT_JAL, RV_FORMAT_JALR,
  RV_FORMAT_CSR, RV_FORMAT_CSRI, RV_FORMAT_FENCE, RV_FORMAT_NONE
} RvFormat;

typedef enum RvOp {
#define INSN(op, mask, match, format, insn_class) RV_OP_##op,
#include "insns.def"
#undef INSN
  RV_N_OPS
} RvOp;

typedef struct RvInsn {
  uint32_t word;
  uint8_t op;                   /* RvOp */
  uint8_t format;               /* RvFormat */
  uint8_t insn_class;           /* BpInsnClass */
  uint8_t rd, rs1, rs2;
  int32_t imm;                  /* also the shift count; of CSR instructions the number */
} RvInsn;

/* false: no instruction of RV32IM, Zicsr, Zifencei, or of machine mode. */
bool rv_decode (uint32_t word, RvInsn *insn);
void rv_disassemble (const RvInsn *insn, uint32_t pc, char *out, size_t out_size);
void rv_translate (void *env, BpTranslation *t);

/* --- traps (privileged, 3.1.15) -------------------------------------------------------------------- */

enum {
  CAUSE_FETCH_MISALIGNED = 0, CAUSE_FETCH_ACCESS = 1, CAUSE_ILLEGAL = 2, CAUSE_BREAKPOINT = 3, CAUSE_LOAD_ACCESS = 5, CAUSE_STORE_ACCESS = 7,
  CAUSE_ECALL_M = 11
};
#define CAUSE_INTERRUPT 0x80000000u

/* Bits of mip and mie, and which bits of the vCPU's pending word are behind them. */
enum { MIP_SOFTWARE = 1 << 3, MIP_TIMER = 1 << 7, MIP_EXTERNAL = 1 << 11, MIP_ALL = MIP_SOFTWARE | MIP_TIMER | MIP_EXTERNAL };
enum { IRQ_SOFTWARE = BP_VCPU_IRQ_USER, IRQ_TIMER = BP_VCPU_IRQ_USER << 1, IRQ_EXTERNAL = BP_VCPU_IRQ_USER << 2 };
enum { MSTATUS_MIE = 1 << 3, MSTATUS_MPIE = 1 << 7, MSTATUS_MPP = 3 << 11 };

void rv_record (RvCpu *env, uint32_t cause, uint32_t value);
void rv_raise (RvCpu *env, uint32_t cause, uint32_t value) __attribute__ ((noreturn));
void rv_deliver (void *env);
bool rv_interrupt (void *env, uint32_t pending);
bool rv_wakes (const void *env, uint32_t pending);
void rv_return (RvCpu *env);            /* MRET */
uint32_t rv_mip (uint32_t pending);
/* Interrupts may have become possible: the current block is left at its end. */
void rv_look_at_interrupts (RvCpu *env);

/* --- control and status registers --------------------------------------------------------------------- */

bool rv_csr_exists (const RvCpu *env, uint32_t number);
const char *rv_csr_name (uint32_t number);              /* NULL: none */
bool rv_csr_counts (uint32_t number);                   /* whether its value depends on when it is read */
uint32_t rv_csr_read (RvCpu *env, uint32_t number);
void rv_csr_write (RvCpu *env, uint32_t number, uint32_t value);

#endif
