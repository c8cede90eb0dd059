/* a20-gate.h -- the gate of address line 20: the keyboard controller has it, port 0x92 works it as well. */
/* SPDX-License-Identifier: MIT */
/*
 * Two switches for one gate, and the last one that was touched counts, as in chipsets and not as in the first PS/2, which lets the line through while
 * either is on: firmware that opened the gate by the port leaves that on for good, and memory managers shut and open it by the controller alone.
 */
#ifndef HW_PC_A20_GATE_H
#define HW_PC_A20_GATE_H

#include <stdbool.h>
#include <stdint.h>

#define A20_GATE_ID "hw-pc.a20-gate/1"

typedef struct A20GateIface {   /* both [locked] */
  uint32_t struct_size;
  void (*set) (void *self, bool open);
  bool (*is_open) (void *self);
} A20GateIface;

#endif
