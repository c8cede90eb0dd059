/* corners.c -- corners of the manuals: results at the edges, registers that hold only some values, words that are no instruction, who interrupts first. */
/* SPDX-License-Identifier: MIT */
#include "board.h"

static volatile uint32_t cause, value;
static volatile unsigned n_traps;
static volatile uint32_t order;         /* of interrupts: a digit of their numbers each */

static void
fail (const char *what, uint32_t is, uint32_t wanted)
{
  put ("%s: %08x, and not %08x\n", what, is, wanted);
  finish (1);
}

static void
check (const char *what, uint32_t is, uint32_t wanted)
{
  if (is != wanted)
    fail (what, is, wanted);
}

void
trap (uint32_t the_cause, Frame *frame)
{
  n_traps++;
  cause = the_cause;
  value = csr_read (mtval);
  if (!(cause >> 31)) {
    csr_write (mepc, csr_read (mepc) + 4);
    return;
  }
  order = order << 4 | (cause & 15);
  switch (cause & 15) {                 /* what asked for it is content */
  case 3: REG32 (MSIP) = 0; break;
  case 7: REG32 (MTIMECMP + 4) = 0xffffffff; break;
  case 11: REG8 (UART + 1) = 0; break;
  }
}

/* --- arithmetic: beside 64 bits, with operands that no translator knows ------------------------------------ */

static const volatile uint32_t edges[] = { 0, 1, 2, 31, 32, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff, 12345, 0xffff8765 };
enum { N_EDGES = sizeof edges / sizeof edges[0] };

#define RESULT(name, x, y) ({ uint32_t r_; __asm__ volatile (#name " %0, %1, %2" : "=r" (r_) : "r" (x), "r" (y)); r_; })

static void
arithmetic_of (uint32_t x, uint32_t y)
{
  int64_t sx = (int32_t) x, sy = (int32_t) y;
  uint32_t quotient = 0xffffffff, remainder = x, signed_quotient = 0xffffffff, signed_remainder = x;
  if (y != 0) {
    quotient = x / y;
    remainder = x % y;
    uint32_t a = sx < 0 ? -x : x, b = sy < 0 ? -y : y;
    signed_quotient = (sx < 0) != (sy < 0) ? -(a / b) : a / b;
    signed_remainder = sx < 0 ? -(a % b) : a % b;
  }
  check ("div", RESULT (div, x, y), signed_quotient);
  check ("divu", RESULT (divu, x, y), quotient);
  check ("rem", RESULT (rem, x, y), signed_remainder);
  check ("remu", RESULT (remu, x, y), remainder);
  check ("mulh", RESULT (mulh, x, y), (uint32_t) ((uint64_t) (sx * sy) >> 32));
  check ("mulhu", RESULT (mulhu, x, y), (uint32_t) ((uint64_t) x * y >> 32));
  check ("mulhsu", RESULT (mulhsu, x, y), (uint32_t) ((uint64_t) (sx * (int64_t) y) >> 32));
  check ("sll", RESULT (sll, x, y), x << (y & 31));
  check ("srl", RESULT (srl, x, y), x >> (y & 31));
  check ("sra", RESULT (sra, x, y), (uint32_t) ((int32_t) x >> (y & 31)));
  check ("slt", RESULT (slt, x, y), sx < sy);
  check ("sltu", RESULT (sltu, x, y), x < y);
}

/* --- what is no instruction: the word is told --------------------------------------------------------------- */

static uint32_t space[3] __attribute__ ((aligned (4096)));

static void
run_word (uint32_t word)
{
  space[0] = word;
  space[1] = 0x00008067;        /* ret */
  __asm__ volatile (".word 0x0000100f\n jalr %0" : : "r" (space) : "ra", "t0", "t1", "memory");
}

static void
no_instructions (void)
{
  static const uint32_t words[] = {
    0, 0xffffffff, 0x00000001,          /* zeros, ones, of 16 bits */
    0x02009093, 0x04000033, 0x00003003, /* slli by 32; add with a bit too many; ld */
    0x0000202f, 0x12000073, 0x10200073, /* lr.w; sfence.vma; sret */
    0x30200173, 0x00004073, 0x00000173, /* mret, ecall with a register; a CSR instruction that is none */
    0x3a0022f3, 0x7a0022f3, 0x180022f3, /* pmpcfg0, tselect, satp */
    0x306022f3, 0x30a022f3,             /* mcounteren, menvcfg: there is no user mode */
    0xc0005073, 0xf1106073 | 1 << 15    /* csrwi cycle, 0; csrsi mvendorid, 1 */
  };
  for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) {
    n_traps = 0;
    run_word (words[i]);
    if (n_traps != 1 || cause != 2 || value != words[i])
      fail ("not told as no instruction", words[i], value);
  }
  n_traps = 0;
  run_word (0xc0006073);                /* csrsi cycle, 0 writes nothing */
  run_word (0x0000100f | 0xfff << 20 | 31 << 15 | 31 << 7);     /* fence.i: what is reserved there does not count */
  check ("traps of what is allowed", n_traps, 0);
}

/* --- control and status registers ------------------------------------------------------------------------------ */

#define HOLDS(name, mask, fixed) \
  do { \
    csr_write (name, 0xffffffff); \
    check (#name, csr_read (name), (mask) | (fixed)); \
    csr_write (name, 0); \
    check (#name, csr_read (name), fixed); \
  } while (0)

static void
registers (void)
{
  uint32_t vector = csr_read (mtvec);
  csr_write (mie, 0);
  HOLDS (mstatus, 0x88, 0x1800);
  HOLDS (mtvec, 0xfffffffd, 0);
  csr_write (mtvec, vector);
  HOLDS (mie, 0x888, 0);
  HOLDS (mip, 0, 0);
  HOLDS (mepc, 0xfffffffc, 0);
  HOLDS (mcause, 0xffffffff, 0);
  HOLDS (mtval, 0xffffffff, 0);
  HOLDS (mscratch, 0xffffffff, 0);
  HOLDS (misa, 0, 0x40001100);
  HOLDS (mcountinhibit, 0, 0);
  csr_write (mscratch, 0xf0);
  uint32_t old;
  __asm__ volatile ("csrrci %0, mscratch, 16" : "=r" (old));
  check ("csrrci's old value", old, 0xf0);
  check ("csrrci", csr_read (mscratch), 0xe0);
}

/* MIE becomes what MPIE was, and MPIE 1. */
static uint32_t
return_with (uint32_t status)
{
  uint32_t after;
  __asm__ volatile ("csrw mstatus, %1\n la %0, 1f\n csrw mepc, %0\n mret\n unimp\n 1: csrrci %0, mstatus, 8" : "=&r" (after) : "r" (status) : "memory");
  return after;
}

/* --- interrupts: external, software, timer ------------------------------------------------------------------------ */

static void
raise_all (void)
{
  REG32 (MSIP) = 1;
  REG32 (MTIMECMP) = 0;
  REG32 (MTIMECMP + 4) = 0;
  REG8 (UART + 4) = 8;                  /* modem control, OUT2: lets interrupts out */
  REG8 (UART + 1) = 2;                  /* interrupt enable: transmitter empty */
  check ("mip", csr_read (mip), 0x888);
}

/* A table of jumps, of which each but the one for cause 11 leads to the trap handler as well; that one is counted. */
extern char vectors[];
static volatile uint32_t by_vector;
__asm__ (".text\n.align 6\nvectors:\n.rept 11\n j trap_entry\n.endr\n j 1f\n"
         "1: csrw mscratch, t0\n la t0, by_vector\n sw t0, (t0)\n csrr t0, mscratch\n j trap_entry");

static void
interrupts (void)
{
  uint32_t vector = csr_read (mtvec);
  csr_write (mie, 0x888);
  raise_all ();
  csr_set (mstatus, MSTATUS_MIE);
  check ("order of interrupts", order, 0xb37);
  csr_clear (mstatus, MSTATUS_MIE);

  csr_write (mtvec, (uint32_t) (uintptr_t) vectors | 1);
  n_traps = 0;
  run_word (0x00000073);                /* ecall, cause 11: exceptions all go to the table's beginning */
  check ("exception by the table", by_vector, 0);
  raise_all ();
  csr_set (mstatus, MSTATUS_MIE);
  check ("order of interrupts", order, 0xb37b37);
  check ("interrupt by the table", by_vector, (uint32_t) (uintptr_t) &by_vector);
  csr_write (mtvec, vector);

  csr_clear (mstatus, MSTATUS_MIE);     /* WFI ends all the same */
  REG32 (MSIP) = 1;
  __asm__ volatile ("wfi");
  REG32 (MSIP) = 0;
  csr_set (mstatus, MSTATUS_MIE);
  check ("interrupts that have gone", order, 0xb37b37);
}

/* --- memory -------------------------------------------------------------------------------------------------------- */

static void
memory (void)
{
  static volatile uint8_t bytes[12] __attribute__ ((aligned (4)));
  for (unsigned k = 0; k < 4; k++) {
    *(volatile uint32_t *) (bytes + 3 + k) = 0x81828384;
    check ("misaligned lw", *(volatile uint32_t *) (bytes + 3 + k), 0x81828384);
    check ("misaligned lh", (uint32_t) *(volatile int16_t *) (bytes + 5 + k), 0xffff8182);
  }
  for (unsigned k = 0; k < 3; k++) {    /* each time another instruction at one place, behind fence.i */
    run_word (0x00100293 + (k << 20));  /* li t0, k + 1 */
    uint32_t t0;
    __asm__ volatile ("jalr %1\n mv %0, t0" : "=r" (t0) : "r" (space) : "ra", "t0");
    check ("code that has changed", t0, k + 1);
  }
}

int
main (void)
{
  for (unsigned i = 0; i < N_EDGES; i++)
    for (unsigned k = 0; k < N_EDGES; k++)
      arithmetic_of (edges[i], edges[k]);
  put ("arithmetic\n");
  no_instructions ();
  put ("what is no instruction\n");
  registers ();
  check ("mstatus after mret", return_with (0x80), 0x1888);
  check ("mstatus after mret", return_with (0x8), 0x1880);
  put ("registers\n");
  interrupts ();
  put ("interrupts\n");
  memory ();
  put ("memory\n");
  return 0;
}
