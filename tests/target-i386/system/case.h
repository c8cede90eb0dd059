/* case.h -- a case: code, what is special before it, and what the manual says must come of it. */
/* SPDX-License-Identifier: MIT */
#ifndef TEST_SYSTEM_CASE_H
#define TEST_SYSTEM_CASE_H

#include "image.h"

enum {
  EXC_DE = 0, EXC_DB = 1, EXC_BP = 3, EXC_OF = 4, EXC_BR = 5, EXC_UD = 6, EXC_NM = 7, EXC_DF = 8, EXC_TS = 10, EXC_NP = 11, EXC_SS = 12,
  EXC_GP = 13, EXC_PF = 14, EXC_MF = 16, EXC_AC = 17, EXC_XM = 19
};

enum {
  FL_CF = 1, FL_1 = 2, FL_PF = 4, FL_AF = 16, FL_ZF = 64, FL_SF = 128, FL_TF = 1 << 8, FL_IF = 1 << 9, FL_DF = 1 << 10, FL_OF = 1 << 11,
  FL_IOPL = 3 << 12, FL_NT = 1 << 14, FL_RF = 1 << 16, FL_VM = 1 << 17, FL_AC = 1 << 18, FL_VIF = 1 << 19, FL_VIP = 1 << 20, FL_ID = 1 << 21
};

/* --- something set before, or looked at after ------------------------------------------------------ */

typedef enum ItemKind {
  ITEM_END, ITEM_GPR, ITEM_FLAGS, ITEM_CR, ITEM_DR, ITEM_EFER, ITEM_SEGMENT, ITEM_BASE, ITEM_MEMORY, ITEM_FRAME, ITEM_RIP, ITEM_STAR,
  ITEM_LSTAR,
  ITEM_SFMASK, ITEM_KERNEL_GS, ITEM_SYSENTER_CS, ITEM_SYSENTER_ESP, ITEM_SYSENTER_EIP, ITEM_IDT_LIMIT, ITEM_GDT_LIMIT, ITEM_GDT_BASE,
  ITEM_IDT_BASE, ITEM_LIMIT, ITEM_PORT, ITEM_CODE, ITEM_PKRU, ITEM_PKRS
} ItemKind;

typedef struct Item {
  ItemKind kind;
  uint32_t n;                   /* which register; an address */
  uint64_t value;
  uint64_t mask;                /* what is looked at; size of memory */
} Item;

#define GPR(r, v) { ITEM_GPR, r, v, ~(uint64_t) 0 }
#define FLAGS(v) { ITEM_FLAGS, 0, (v) | FL_1, ~(uint64_t) 0 }           /* before: RFLAGS */
#define CR(n, v) { ITEM_CR, n, v, ~(uint64_t) 0 }
#define CR_BITS(n, v, m) { ITEM_CR, n, v, m }                           /* before: these bits of it */
#define DR(n, v) { ITEM_DR, n, v, ~(uint64_t) 0 }
#define DR_BITS(n, v, m) { ITEM_DR, n, v, m }
#define EFER(v) { ITEM_EFER, 0, v, ~(uint64_t) 0 }
#define SEG(seg, selector) { ITEM_SEGMENT, BP_X86_##seg, selector, 0xffff }     /* before: loaded from the image */
#define BASE(seg, v) { ITEM_BASE, BP_X86_##seg, v, ~(uint64_t) 0 }
#define LIMIT(seg, v) { ITEM_LIMIT, BP_X86_##seg, v, ~(uint64_t) 0 }
#define MEM8(at, v) { ITEM_MEMORY, at, v, 1 }
#define MEM16(at, v) { ITEM_MEMORY, at, v, 2 }
#define MEM32(at, v) { ITEM_MEMORY, at, v, 4 }
#define MEM64(at, v) { ITEM_MEMORY, at, v, 8 }
#define STAR(v) { ITEM_STAR, 0, v, ~(uint64_t) 0 }
#define LSTAR(v) { ITEM_LSTAR, 0, v, ~(uint64_t) 0 }
#define SFMASK(v) { ITEM_SFMASK, 0, v, ~(uint64_t) 0 }
#define KERNEL_GS(v) { ITEM_KERNEL_GS, 0, v, ~(uint64_t) 0 }
#define SYSENTER_CS(v) { ITEM_SYSENTER_CS, 0, v, ~(uint64_t) 0 }
#define SYSENTER_ESP(v) { ITEM_SYSENTER_ESP, 0, v, ~(uint64_t) 0 }
#define SYSENTER_EIP(v) { ITEM_SYSENTER_EIP, 0, v, ~(uint64_t) 0 }
#define IDT_LIMIT(v) { ITEM_IDT_LIMIT, 0, v, ~(uint64_t) 0 }
#define GDT_LIMIT_IS(v) { ITEM_GDT_LIMIT, 0, v, ~(uint64_t) 0 }
#define GDT_BASE(v) { ITEM_GDT_BASE, 0, v, ~(uint64_t) 0 }
#define IDT_BASE(v) { ITEM_IDT_BASE, 0, v, ~(uint64_t) 0 }
#define RIP(v) { ITEM_RIP, 0, v, ~(uint64_t) 0 }                        /* before: where to start; after: where it halted */
#define CODE_AT(v) { ITEM_CODE, 0, v, ~(uint64_t) 0 }                   /* before: put the code at this linear and physical address */
#define PORTS(n) { ITEM_PORT, 0, n, ~(uint64_t) 0 }                     /* after: how many accesses */
/* After: of the frame that the last exception pushed. */
enum { FRAME_RIP, FRAME_CS, FRAME_RFLAGS, FRAME_RSP, FRAME_SS };
#define PUSHED(word, v) { ITEM_FRAME, FRAME_##word, v, ~(uint64_t) 0 }
#define PUSHED_BITS(word, v, m) { ITEM_FRAME, FRAME_##word, v, m }

/* --- a row of a table ------------------------------------------------------------------------------ */

enum { AT_END = -1, ANYWHERE = -2 };
enum { HALTS = 0x100, SHUTS_DOWN = 0x101 };             /* where a vector is expected */

typedef struct Row {
  const char *name;
  Mode mode;
  const uint8_t *code;
  unsigned length;
  int vector;                   /* how it ends: a UD2 behind the code is #UD there */
  uint32_t error;
  int at;                       /* pushed RIP, from the start of the code */
  uint64_t cr2;                 /* of a page fault */
  const Item *set, *check;      /* end with ITEM_END */
  uint32_t undefined;           /* RFLAGS that the manual leaves open */
  bool halt_at_end;             /* HLT behind the code instead of UD2: there is no IDT any more */
  bool narrow;                  /* passes through 32-bit code, which leaves upper halves of registers open (SDM 1 3.4.1.1) */
} Row;

#define CODE(...) (const uint8_t[]) { __VA_ARGS__ }, sizeof ((const uint8_t[]) { __VA_ARGS__ })
#define SET(...) .set = (const Item[]) { __VA_ARGS__, { ITEM_END, 0, 0, 0 } }
#define CHECK(...) .check = (const Item[]) { __VA_ARGS__, { ITEM_END, 0, 0, 0 } }
#define ENDS .vector = EXC_UD, .at = AT_END             /* the code runs through */
#define FAULTS(vector_, error_, at_) .vector = EXC_##vector_, .error = (error_), .at = (at_)
#define CALLS(vector_, at_) .vector = (vector_), .at = (at_)            /* a software interrupt, or the handler of SYSCALL and SYSENTER */
#define PAGE_FAULTS(error_, at_, cr2_) .vector = EXC_PF, .error = (error_), .at = (at_), .cr2 = (cr2_)
#define NO_ERROR 0

typedef struct Table {
  const char *name;
  const Row *row;
  unsigned n;
} Table;

/* The tables, cases-*.c. */
extern const Table cases_exceptions, cases_gates, cases_segments, cases_transfers, cases_iret, cases_calls, cases_control, cases_msr,
  cases_flags, cases_debug, cases_paging, cases_keys, cases_compat, cases_vectors;

/* --- a case ready to run ------------------------------------------------------------------------------ */

typedef struct Case {
  char name[128];
  const Row *row;               /* what must come of it; NULL: nobody but an oracle knows */
  Row own;                      /* a generated case's */
  uint64_t code_at;
  uint32_t undefined;
  bool narrow;
  Slot start;
} Case;

void case_from_row (Case *c, const Table *table, const Row *row);
/* NULL: as expected; else what is wrong, until the next call. */
const char *case_wrong (const Case *c, const Slot *end);
/* NULL: alike; else what differs. */
const char *case_differs (const Case *c, const Slot *x, const Slot *y, const char *x_name, const char *y_name);
void case_print (const Case *c);

/* cases-matrix.c, random.c: generated cases, by number or seed. */
unsigned matrix_count (void);
void matrix_case (Case *c, unsigned n);
void random_case (Case *c, uint64_t seed);

#endif
