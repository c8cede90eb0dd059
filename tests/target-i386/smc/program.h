/* program.h -- where the writer and the readers of changing code meet; image.h has the pages. */
/* SPDX-License-Identifier: MIT */
#ifndef TEST_SMC_PROGRAM_H
#define TEST_SMC_PROGRAM_H

/* In AT_KERNEL_DATA; what several processors write has cache lines of its own. */
#define SMC_PUBLISHED 0x10000           /* the last change that is in memory */
#define SMC_PAUSE 0x10040               /* not 0: readers are to stay out, and say so */
#define SMC_EPOCH 0x10080               /* readers that come by serialise, and say so */
#define SMC_KIND 0x100c0
#define SMC_ROUNDS 0x100c8
#define SMC_N_CPUS 0x100d0
#define SMC_CODE 0x100d8                /* what readers call */
#define SMC_AT 0x100e0                  /* what the writer changes: the address of the operand, the site, the page */
#define SMC_MASK 0x100e8                /* changes are counted modulo this + 1 in what the code returns */
#define SMC_SITES 0x10100               /* KIND_POKE: four times the five bytes of a site */
#define SMC_FAILED 0x10140              /* 1; then what the first failure saw: lo, value, hi */
#define SMC_SEEN 0x10200                /* + 64 * processor: published, when it last began */
#define SMC_PAUSED 0x10400
#define SMC_SERIALISED 0x10600
#define SMC_CALLS 0x10800
#define SMC_INT3 0x10a00                /* + 64 * processor: how often */

/* Kinds of changes. */
#define KIND_BYTE 0                     /* one byte, an immediate */
#define KIND_DWORD 1                    /* four bytes, aligned */
#define KIND_POKE 2                     /* five bytes by way of INT3 */
#define KIND_PAGE 3                     /* a page, through another mapping, while nobody is in it */
#define KIND_TABLE 4                    /* the page table under the code */

#define SMC_RETURNS_CC 0x2f000          /* MOV EAX, 0xcc; RET */
#define SMC_DRAFT 0x2e000               /* KIND_PAGE: the page to be */
#define SMC_PAGE 0x29000
#define SMC_PAGE_CHECKS 100
#define SMC_TABLE_PAGE 0x2a000          /* KIND_TABLE: this page or the next one is there */

extern const unsigned char smc_start[], smc_end[], smc_int3[];

#endif
