/* tcg-trace-champsim.h -- executed instructions as the records that ChampSim reads. */
/* SPDX-License-Identifier: MIT */
#ifndef TCG_TRACE_CHAMPSIM_H
#define TCG_TRACE_CHAMPSIM_H

#include <backplane/tcg/instrument.h>
#include "tcg-trace-format.h"

/* ChampSim's `input_instr': numbers in the order of the host; a register or an address that is 0 is none. */
typedef struct ChampsimRecord {
  uint64_t ip;
  uint8_t is_branch, branch_taken;
  uint8_t destination_registers[2], source_registers[4];
  uint64_t destination_memory[2], source_memory[4];
} ChampsimRecord;
_Static_assert (sizeof (ChampsimRecord) == 64, "as ChampSim has it");

/* Registers that mean something to ChampSim, and one for what has no number of its own. */
enum { CHAMPSIM_STACK_POINTER = 6, CHAMPSIM_FLAGS = 25, CHAMPSIM_INSTRUCTION_POINTER = 26, CHAMPSIM_UNNAMED = 255 };
enum { CHAMPSIM_LINE = 64 };

typedef struct Champsim Champsim;
/* registers: asked once for each insn->id; NULL, or false: not known.  emit: gets records in program order. */
typedef bool ChampsimRegisters (void *user, const BpInsn *insn, BpInsnRegisters *out);
typedef void ChampsimEmit (void *user, const ChampsimRecord *records, size_t n);
Champsim *champsim_new (ChampsimRegisters *registers, ChampsimEmit *emit, void *user);
void champsim_insn (Champsim *c, const BpInsn *insn, const TraceAccess *accesses, unsigned n);
/* What was executed last would have gone on at `next', but something else comes: an interrupt, an exception. */
void champsim_interrupted (Champsim *c, uint64_t next);
/* The last instruction comes out: whether it was taken is not known, and told as not (when it could be either). */
void champsim_finish (Champsim *c);
void champsim_free (Champsim *c);

#endif
