/* instr-weave.h -- what instruments have asked for in the block that is being translated. */
/* SPDX-License-Identifier: MIT */
#ifndef ACCEL_TCG_INSTR_WEAVE_H
#define ACCEL_TCG_INSTR_WEAVE_H

#include "instr.h"

typedef enum RequestKind {      /* in the order in which they stand before an instruction */
  REQUEST_FETCH, REQUEST_BLOCK, REQUEST_INSN, REQUEST_STORE, REQUEST_ADD, REQUEST_CALL
} RequestKind;

typedef struct Request {
  RequestKind kind;
  uint16_t insn;
  uint8_t channel, filter, registers;
  uint32_t user, counter, line_bytes;
  uint64_t value, line;         /* line: address of the code line */
  bool conditional;
  BpCondition condition;
  InstrCall *call;
} Request;

typedef struct Weave {
  BpInstrBlock block;           /* first */
  TcgVcpu *v;
  TcgInstr *all;
  Tb *tb;
  unsigned n_insns, index;      /* index: of the instrument that is asked */
  const BpInsn **insn;
  GArray *request, *memory, *tally, *live, *whole;
  InstrCall *calls;
  bool too_many;
  uint8_t may_go_ahead;         /* channels */
  unsigned ahead[INSTR_MAX];    /* records written since the pointer moved */
} Weave;

#endif
