/* monitor.h -- where the kernel of a batch has its data; image.h has the pages. */
/* SPDX-License-Identifier: MIT */
#ifndef TEST_OPCODES_MONITOR_H
#define TEST_OPCODES_MONITOR_H

/* In AT_KERNEL_DATA. */
#define MONITOR_INDEX 0x10000
#define MONITOR_COUNT 0x10008
#define MONITOR_RIP 0x10010             /* of the first instruction */
#define MONITOR_CS 0x10018
#define MONITOR_SS 0x10020
#define MONITOR_RSP 0x10028
#define MONITOR_REGISTER 0x10030        /* Batch.value */
#define MONITOR_FILL_VALUE 0x10038      /* OPCODES_FILL */
#define MONITOR_FP 0x10400              /* an image for XRSTOR */
#define MONITOR_SPLIT 0x10800           /* a byte a case: Batch.split */
#define MONITOR_EDGE_END 0x27000
#define MONITOR_CODE 0x28000
#define MONITOR_STACK 0x12800
#define MONITOR_FILL 0x247c0            /* OPCODES_STACK_TOP - 64 */
#define MONITOR_RESULTS 0x2c000         /* RIP, vector (16 bits), error code (16), CR2 (32): 16 bytes a case */

extern const unsigned char monitor_start[], monitor_event[], monitor_end[];

#endif
