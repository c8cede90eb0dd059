/* test-fp-state.c -- environments and FXSAVE images from the helpers against what this processor makes. */
/* SPDX-License-Identifier: MIT */

#include <check.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include "target-i386/runtime/fp.h"
#include "target-i386/runtime/helpers.h"
#include "../random-numbers.h"
#include "../suite.h"

/* --- a flat memory for the helpers ---------------------------------------------------------------------- */

static X86Cpu cpu;
static uint8_t memory[1024] __attribute__ ((aligned (64)));
static jmp_buf leave;
static uint32_t forbidden = 1024;       /* addresses from here on fault */

static void *
probe (void *env, uint64_t address, unsigned size, BpMmuAccess access, unsigned mmu)
{
  if (address + size > forbidden)
    longjmp (leave, 1 + EXC_PF);
  return memory + address;
}

static uint64_t
load (void *env, uint64_t address, BpMemOp memop)
{
  uint64_t value = 0;
  memcpy (&value, probe (env, address, BP_MO_BYTES (memop), BP_MMU_LOAD, 0), BP_MO_BYTES (memop));
  return value;
}

static void
store (void *env, uint64_t address, uint64_t value, BpMemOp memop)
{
  memcpy (probe (env, address, BP_MO_BYTES (memop), BP_MMU_STORE, 0), &value, BP_MO_BYTES (memop));
}

static void
restore (void *env)
{
}

static void __attribute__ ((noreturn))
leave_block (void *env)
{
  longjmp (leave, 100);
}

static const BpTcgOps ops = {
  .probe = probe, .load = load, .store = store, .restore = restore, .raise = leave_block
};
static int host_faults;

void x86_raise (X86Cpu *env, unsigned vector) { longjmp (leave, 1 + (int) vector); }
void x86_raise_error (X86Cpu *env, unsigned vector, uint32_t error) { longjmp (leave, 1 + (int) vector); }
void x86_host_fault (void *env, BpHostFault fault) { host_faults++; }
void x86_update_mode (X86Cpu *env) { }
uint32_t helper_segment_check (X86Cpu *env, uint32_t seg, uint32_t offset, uint32_t size_write) { return offset; }

/* The exception that a call ends with, -1: none. */
#define EXCEPTION_OF(call) ({ int caught = setjmp (leave); if (!caught) call; caught - 1; })

static FxImage *
random_image (void)
{
  FxImage *f = fx_image (&cpu);
  cpu.tcg.ops = &ops;
  memset (f, 0, sizeof *f);
  f->fcw = (uint16_t) ((random64 () & 0xf3f) | 0x40);
  f->fsw = (uint16_t) (random64 () & 0x7f7f);
  f->tags = (uint8_t) random64 ();
  f->mxcsr = (uint32_t) random64 () & 0xffff;
  fx_update_pending (f);
  for (unsigned i = 0; i < 8; i++) {
    static const uint16_t exponents[4] = { 0, 0x7fff, 0x3fff, 0xbfff };
    f->st[i].sig = random64 () & 1 ? random64 () : random64 () & 1 ? (uint64_t) 1 << 63 : 0;
    f->st[i].sign_exp = exponents[random64 () & 3];
  }
  for (unsigned i = 0; i < 16; i++)
    f->xmm[i].q[0] = random64 (), f->xmm[i].q[1] = random64 ();
  return f;
}

/* --- against the processor ------------------------------------------------------------------------------ */

#ifdef __x86_64__

#define ON_HOST(image, instruction, operand) \
  __asm__ volatile ("fxrstor64 %0; " instruction " %1; fxsave64 %0; fninit; ldmxcsr %2" \
                    : "+m" (image), "+m" (operand) : "m" (initial_mxcsr) \
                    : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", \
                      "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15")

static const uint32_t initial_mxcsr = MXCSR_INIT;
typedef struct Operand { uint8_t bytes[512]; } Operand;
static Operand operand __attribute__ ((aligned (64)));
static FxImage image __attribute__ ((aligned (64)));

/* Pointers and opcode are not kept, on either side of the comparison. */
static void
check_images (const FxImage *host, const FxImage *ours)
{
  ck_assert_uint_eq (host->fcw, ours->fcw);
  ck_assert_uint_eq (host->fsw, ours->fsw);
  ck_assert_uint_eq (host->tags, ours->tags);
  ck_assert_uint_eq (host->mxcsr, ours->mxcsr);
  ck_assert_mem_eq (host->st, ours->st, sizeof host->st);
  ck_assert_mem_eq (host->xmm, ours->xmm, 128);
}

static void
forget_pointers (uint8_t *environment, unsigned word)
{
  memset (environment + 3 * word, 0, 3 * word + 2);
}

/* size: of the words; whole: FNSAVE */
static void
check_stored (unsigned size, bool whole)
{
  FxImage *f = random_image ();
  image = *f;
  if (whole && size == 4)
    ON_HOST (image, "fnsave", operand);
  else if (whole)
    ON_HOST (image, "data16 fnsave", operand);
  else if (size == 4)
    ON_HOST (image, "fnstenv", operand);
  else
    ON_HOST (image, "data16 fnstenv", operand);
  memset (memory, 0, sizeof memory);
  (whole ? helper_fnsave : helper_fnstenv) (&cpu, 0, size);
  forget_pointers (operand.bytes, size);
  forget_pointers (memory, size);
  ck_assert_mem_eq (operand.bytes, memory, 7 * size + (whole ? 80 : 0));
  check_images (&image, f);
}

static void
check_loaded (unsigned size, bool whole)
{
  FxImage *f = random_image (), *other = &image;
  f->fsw &= (uint16_t) ~(FP_ALL | FSW_ES | FSW_B);       /* these wait */
  for (unsigned i = 0; i < sizeof operand; i++)
    operand.bytes[i] = (uint8_t) random64 ();
  memcpy (memory, &operand, sizeof operand);
  *other = *f;
  if (whole && size == 4)
    ON_HOST (image, "frstor", operand);
  else if (whole)
    ON_HOST (image, "data16 frstor", operand);
  else if (size == 4)
    ON_HOST (image, "fldenv", operand);
  else
    ON_HOST (image, "data16 fldenv", operand);
  (whole ? helper_frstor : helper_fldenv) (&cpu, 0, size);
  check_images (&image, f);
}

START_TEST (test_environment)
{
  for (unsigned i = 0; i < 200; i++) {
    check_stored (2, false);
    check_stored (4, false);
    check_stored (2, true);
    check_stored (4, true);
    check_loaded (2, false);
    check_loaded (4, false);
    check_loaded (2, true);
    check_loaded (4, true);
  }
}
END_TEST

START_TEST (test_fxsave)
{
  for (unsigned i = 0; i < 200; i++) {
    FxImage *f = random_image (), *saved = (FxImage *) memory;
    image = *f;
    memset (&operand, 0, sizeof operand);
    ON_HOST (image, "fxsave", operand);
    helper_fxsave (&cpu, 0);
    check_images ((FxImage *) &operand, saved);
    ck_assert_uint_eq (saved->mxcsr_mask & 0xffff, 0xffff);
  }
}
END_TEST

START_TEST (test_fxrstor)
{
  for (unsigned i = 0; i < 200; i++) {
    FxImage *f = random_image ();
    memcpy (memory, f, 512);
    memcpy (&operand, f, 512);
    f = random_image ();
    image = *f;
    ON_HOST (image, "fxrstor", operand);
    helper_fxrstor (&cpu, 0);
    check_images (&image, f);
  }
}
END_TEST

#endif

/* --- faults --------------------------------------------------------------------------------------------- */

START_TEST (test_faults)
{
  FxImage *f = random_image (), before;
  f->fsw = 0x3800;
  before = *f;
  ck_assert_int_eq (EXCEPTION_OF (helper_fxsave (&cpu, 8)), EXC_GP);
  ck_assert_int_eq (EXCEPTION_OF (helper_fxrstor (&cpu, 8)), EXC_GP);
  memset (memory, 0x55, sizeof memory);
  ck_assert_int_eq (EXCEPTION_OF (helper_fxrstor (&cpu, 0)), EXC_GP);   /* reserved bits of MXCSR */
  ck_assert_int_eq (EXCEPTION_OF (helper_ldmxcsr (&cpu, 0x10000)), EXC_GP);
  forbidden = 100;
  ck_assert_int_eq (EXCEPTION_OF (helper_fnsave (&cpu, 0, 4)), EXC_PF);
  ck_assert_int_eq (EXCEPTION_OF (helper_fnstenv (&cpu, 80, 4)), EXC_PF);
  ck_assert_int_eq (EXCEPTION_OF (helper_frstor (&cpu, 0, 4)), EXC_PF);
  ck_assert_int_eq (EXCEPTION_OF (helper_fxsave (&cpu, 0)), EXC_PF);
  forbidden = 1024;
  ck_assert_mem_eq (&before, f, sizeof before);
  for (unsigned i = 0; i < sizeof memory; i++)
    ck_assert_uint_eq (memory[i], 0x55);
  helper_ldmxcsr (&cpu, 0x9fc0);
  ck_assert_uint_eq (f->mxcsr, 0x9fc0);
}
END_TEST

START_TEST (test_pending)
{
  FxImage *f = random_image ();
  f->fcw = FCW_INIT;
  f->fsw = FP_ZE;
  fx_update_pending (f);
  host_faults = 0;
  helper_fp_pending (&cpu);
  ck_assert_int_eq (host_faults, 0);
  fx_set_control (f, FCW_INIT & ~FP_ZE);
  ck_assert_int_eq (EXCEPTION_OF (helper_fp_pending (&cpu)), 99);
  ck_assert_int_eq (host_faults, 1);
  ck_assert_int_eq (EXCEPTION_OF (helper_fldenv (&cpu, 0, 4)), EXC_MF);
  ck_assert_int_eq (EXCEPTION_OF (helper_maskmov (&cpu, 0, 0x12)), EXC_MF);
}
END_TEST

START_TEST (test_maskmov)
{
  FxImage *f = random_image ();
  f->xmm[2] = (FxVector) { .b = { 0, 0x80, 0x7f, 0xff } };
  memset (memory, 0, 16);
  helper_maskmov (&cpu, 4, 1 | 2 << 4 | 1 << 8);
  for (unsigned i = 0; i < 16; i++)
    ck_assert_uint_eq (memory[i], i == 5 || i == 7 ? f->xmm[1].b[i - 4] : 0);
  forbidden = 8;                /* what is not stored cannot fault */
  ck_assert_int_eq (EXCEPTION_OF (helper_maskmov (&cpu, 4, 1 | 2 << 4 | 1 << 8)), -1);
  forbidden = 7;
  ck_assert_int_eq (EXCEPTION_OF (helper_maskmov (&cpu, 4, 1 | 2 << 4 | 1 << 8)), EXC_PF);
  forbidden = 1024;

  f->fsw = 3 << FSW_TOP_SHIFT;  /* MM1 is physical register 1, wherever the top is */
  f->tags = 0;
  f->st[6].sig = 0x1122334455667788;
  f->st[7].sig = 0x8000000000000080;
  memset (memory, 0, 16);
  helper_maskmov (&cpu, 0, 1 | 2 << 4);
  ck_assert_uint_eq (memory[0], 0x88);
  ck_assert_uint_eq (memory[7], 0x11);
  ck_assert_uint_eq (memory[1], 0);
  ck_assert_uint_eq (fx_top (f), 0);
  ck_assert_uint_eq (f->tags, 0xff);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("fp-state");
  TCase *tcase = tcase_create ("helpers");
#ifdef __x86_64__
  tcase_add_test (tcase, test_environment);
  tcase_add_test (tcase, test_fxsave);
  tcase_add_test (tcase, test_fxrstor);
#endif
  tcase_add_test (tcase, test_faults);
  tcase_add_test (tcase, test_pending);
  tcase_add_test (tcase, test_maskmov);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}
