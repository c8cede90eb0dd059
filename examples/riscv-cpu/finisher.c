/* finisher.c -- a register by which a program ends the run: what SiFive's boards and their emulators call the test finisher. */
/* SPDX-License-Identifier: MIT */
#include <backplane/device.h>
#include "board.h"

enum { FINISH_FAIL = 0x3333, FINISH_PASS = 0x5555, FINISH_RESET = 0x7777 };

typedef struct Finisher {
  BpRegion *regs;
} Finisher;

static uint64_t read_register (void *self, uint64_t offset, unsigned size) { return 0; }

/* Bits 15:0 say what is to happen, bits 31:16 with which exit status. */
static void
write_register (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  BpMachine *machine = bp_object_machine (self);
  unsigned code = (unsigned) (value >> 16 & 0xffff);
  switch (value & 0xffff) {
  case FINISH_PASS: bp_machine_request_shutdown (machine, 0, "the guest is done"); break;
  case FINISH_FAIL: bp_machine_request_shutdown (machine, code > 0 && code < 126 ? (int) code : 1, "the guest says that it failed"); break;
  case FINISH_RESET: bp_machine_request_reset (machine, "the guest asked for it"); break;
  default: bp_log_guest (self, "write of 0x%x, which means nothing", (unsigned) value);
  }
}

static const BpRegionOps ops = BP_REGION_OPS (.read = read_register, .write = write_register, .impl_min = 4, .impl_max = 4);
static const BpRegionDesc regions[] = {
  BP_REGION_DESC ("regs", Finisher, regs, &ops, 4,
                  "0x5555 ends the run with status 0, 0x3333 with that of bits 31:16 (1 .. 125, or else 1), 0x7777 resets the machine."),
  BP_REGION_DESC_END
};

const BpTypeDesc rv_finisher_type = {
  BP_TYPE ("riscv-finisher", BP_KIND_DEVICE, Finisher),
  .description = "Register by which the guest ends the run",
  .regions = regions,
};
