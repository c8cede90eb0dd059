/* segments.c -- the segments of each mode in which cases run. */
/* SPDX-License-Identifier: MIT */

#include "exec.h"

#define LDT(n) ((n) << 3 | 7)
#define CODE16 0x00fb           /* present, DPL 3, code, readable, accessed */
#define CODE32 0x40fb
#define DATA16 0x00f3           /* data, writable */
#define DATA32 0x40f3
#define READ_ONLY 0x40f1
#define DOWN16 0x00f7           /* expand-down: offsets above the limit */
#define FLAT 0x8000             /* limit in pages */
#define CODE64 0xa0fb

static const ExecSegment segments[EXEC_N_MODES][4] = {
  [EXEC_FLAT32] = { { 0x2b, DATA32 | FLAT, 0, 0xffffffff }, { 0x23, CODE32 | FLAT, 0, 0xffffffff },
                    { 0x2b, DATA32 | FLAT, 0, 0xffffffff },
                    { 0x2b, DATA32 | FLAT, 0, 0xffffffff } },
  [EXEC_SMALL32] = { { LDT (0), READ_ONLY, EXEC_DATA, 0x2fff }, { LDT (1), CODE32, EXEC_CODE, 0xfff },
                     { LDT (2), DATA32, EXEC_STACK, 0xfff },
                     { LDT (3), DATA32, EXEC_DATA, 0x1fff } },
  [EXEC_SMALL16] = { { LDT (4), DOWN16, EXEC_DATA - 0x1000, 0xfff }, { LDT (5), CODE16, EXEC_CODE, 0xfff },
                     { LDT (6), DATA16, EXEC_STACK, 0xfff }, { LDT (7), DATA16, EXEC_DATA, 0x2fff } },
  [EXEC_LONG64] = { { 0x2b, DATA32 | FLAT, 0, 0xffffffff }, { 0x33, CODE64, 0, 0xffffffff },
                    { 0x2b, DATA32 | FLAT, 0, 0xffffffff },
                    { 0x2b, DATA32 | FLAT, 0, 0xffffffff } },
};

const ExecSegment *
exec_segment (ExecMode mode, unsigned seg)
{
  return &segments[mode][seg];
}
