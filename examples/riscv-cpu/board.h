/* board.h -- the types of this plugin, and what the board's devices and the hart know of each other. */
/* SPDX-License-Identifier: MIT */
#ifndef RISCV_BOARD_H
#define RISCV_BOARD_H

#include <backplane/common.h>

extern const BpTypeDesc rv_cpu_type, rv_clint_type, rv_finisher_type, rv_boot_type;

/* What a loader asks of a hart. */
#define RV_CPU_ID "org.example.riscv-cpu/1"
typedef struct RvCpuIface {
  uint32_t struct_size;
  void (*start) (void *self, uint32_t pc);      /* begins there; after a reset [main][locked] */
} RvCpuIface;

/* A machine's mtime, behind the CSR `time'. */
#define RV_CLOCK_ID "org.example.riscv-clock/1"
typedef struct RvClockIface {
  uint32_t struct_size;
  uint64_t (*ticks) (void *self, int64_t virtual_time);         /* [any] */
} RvClockIface;

#endif
