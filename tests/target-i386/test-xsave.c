/* test-xsave.c -- XSAVE, XRSTOR and XCR0 from the helpers against what this processor makes, and their faults. */
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

typedef struct Area {
  FxImage image;
  uint64_t present, compaction, reserved[6];
  FxUppers uppers;
} Area;
_Static_assert (sizeof (Area) == X86_FP_SIZE, "XSAVE area");

static X86Cpu cpu;
static union { uint8_t bytes[4096]; Area area; } memory __attribute__ ((aligned (64)));
static jmp_buf leave;
static uint64_t forbidden = sizeof memory;      /* addresses from here on fault */

static void *
probe (void *env, uint64_t address, unsigned size, BpMmuAccess access, unsigned mmu)
{
  if (address + size > forbidden)
    longjmp (leave, 1 + EXC_PF);
  return memory.bytes + address;
}

static const BpTcgOps ops = { .probe = probe };

void x86_raise (X86Cpu *env, unsigned vector) { longjmp (leave, 1 + (int) vector); }
void x86_raise_error (X86Cpu *env, unsigned vector, uint32_t error) { longjmp (leave, 1 + (int) vector); }
void x86_host_fault (void *env, BpHostFault fault) { }
uint32_t helper_segment_check (X86Cpu *env, uint32_t seg, uint32_t offset, uint32_t size_write) { return offset; }
static unsigned mode_updates;
void x86_update_mode (X86Cpu *env) { mode_updates++; }
void x86_set_pkru (X86Cpu *env, uint32_t value) { env->pkru = value; }

/* The exception that a call ends with, -1: none. */
#define EXCEPTION_OF(call) ({ int caught = setjmp (leave); if (!caught) call; caught - 1; })

static void
set_up (void)
{
  cpu.tcg.ops = &ops;
  cpu.hflags = HF_CODE64;
  cpu.cr4 = CR4_OSXSAVE;
  cpu.cr0 = 0;
  cpu.xcr0 = 7;
  cpu.cpuid_13_1_eax = 7;
  cpu.feature[X86_FEATURE_SSE] = cpu.feature[X86_FEATURE_AVX] = cpu.feature[X86_FEATURE_XSAVEC] = true;
}

/* A state of which `used` components are not as a reset leaves them. */
static void
random_area (Area *a, unsigned used)
{
  memset (a, 0, sizeof *a);
  a->image.fcw = FCW_INIT;
  a->image.mxcsr = MXCSR_INIT;
  if (used & 1) {
    a->image.fcw = (uint16_t) ((random64 () & 0xf3f) | 0x40);
    a->image.fsw = (uint16_t) (random64 () & 0x7f7f);
    a->image.tags = (uint8_t) random64 ();
    fx_update_pending (&a->image);
    for (unsigned i = 0; i < 8; i++)
      a->image.st[i] = (FxRegister) { .sig = random64 (), .sign_exp = (uint16_t) random64 () };
  }
  for (unsigned i = 0; i < 16; i++)
    for (unsigned k = 0; k < 2; k++) {
      if (used & 2)
        a->image.xmm[i].q[k] = random64 () | 1;
      if (used & 4)
        a->uppers.ymm[i].q[k] = random64 () | 1;
    }
  if (used & 2)
    a->image.mxcsr = (uint32_t) random64 () & 0xffff;
  a->present = used;
}

static void
set_state (const Area *a)
{
  memcpy (cpu.fp, a, sizeof cpu.fp);
}

static void
set_mask (uint64_t mask)
{
  cpu.gpr[X86_RAX] = (uint32_t) mask;
  cpu.gpr[X86_RDX] = mask >> 32;
}

/* --- against the processor ------------------------------------------------------------------------------ */

#ifdef __x86_64__

static Area host_start __attribute__ ((aligned (64))), host_area __attribute__ ((aligned (64)));
static Area host_end __attribute__ ((aligned (64)));

#define CLOBBERED "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", \
  "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "rax", "rdx"
#define ON_HOST(instruction, mask) \
  __asm__ volatile ("mov $7, %%eax; xor %%edx, %%edx; xrstor64 %0; mov %3, %%eax; " instruction " %1; " \
                    "mov $7, %%eax; xsave64 %2; vzeroupper; fninit; ldmxcsr %4" \
                    : "+m" (host_start), "+m" (host_area), "+m" (host_end) \
                    : "r" ((uint32_t) (mask)), "m" (initial_mxcsr) : CLOBBERED)

static const uint32_t initial_mxcsr = MXCSR_INIT;

static bool
host_has (unsigned form)
{
  unsigned a = 13, b, c = 1, d;
  if (!__builtin_cpu_supports ("avx"))
    return false;
  __asm__ ("cpuid" : "+a" (a), "=b" (b), "+c" (c), "=d" (d));
  return form == XSAVE_PLAIN || a >> (form - XSAVE_OPTIMISED) & 1;
}

/* Some processors keep a record of what was last restored, and leave out of XSAVEOPT what has not changed: a
 * different area makes them write. The mask of MXCSR's bits is the processor's own. */
static void
check_saved (unsigned form, unsigned used, unsigned mask)
{
  random_area (&host_start, used);
  random_area (&memory.area, 7);
  memory.area.present = random64 () & 7;
  memory.area.compaction = form == XSAVE_COMPACT ? 0 : random64 ();
  host_area = memory.area;
  set_state (&host_start);
  set_mask (mask);
  if (form == XSAVE_PLAIN)
    ON_HOST ("xsave64", mask);
  else if (form == XSAVE_OPTIMISED)
    ON_HOST ("xsaveopt64", mask);
  else
    ON_HOST ("xsavec64", mask);
  helper_xsave (&cpu, 0, form);
  host_area.image.mxcsr_mask = memory.area.image.mxcsr_mask = 0;
  ck_assert_uint_eq (host_area.present, memory.area.present);
  ck_assert_uint_eq (host_area.compaction, memory.area.compaction);
  ck_assert_mem_eq (&host_area, &memory.area, sizeof host_area);
}

START_TEST (test_save)
{
  for (unsigned form = XSAVE_PLAIN; form <= XSAVE_COMPACT; form++)
    for (unsigned i = 0; i < 64 * 8 && host_has (form); i++)
      check_saved (form, i & 7, i >> 3 & 7);
}
END_TEST

static void
check_restored (bool compact, unsigned present, unsigned mask)
{
  random_area (&host_start, 7);
  random_area (&host_area, 7);
  host_area.present = present;
  host_area.compaction = compact ? (uint64_t) 1 << 63 | present | (random64 () & 7) : 0;
  memory.area = host_area;
  set_state (&host_start);
  set_mask (mask);
  ON_HOST ("xrstor64", mask);
  helper_xrstor (&cpu, 0, 0);
  const Area *ours = (const Area *) cpu.fp;
  ck_assert_uint_eq (host_end.image.fcw, ours->image.fcw);
  ck_assert_uint_eq (host_end.image.fsw, ours->image.fsw);
  ck_assert_uint_eq (host_end.image.tags, ours->image.tags);
  ck_assert_uint_eq (host_end.image.mxcsr, ours->image.mxcsr);
  ck_assert_mem_eq (host_end.image.st, ours->image.st, sizeof ours->image.st);
  ck_assert_mem_eq (host_end.image.xmm, ours->image.xmm, sizeof ours->image.xmm);
  ck_assert_mem_eq (&host_end.uppers, &ours->uppers, sizeof ours->uppers);
}

START_TEST (test_restore)
{
  for (unsigned i = 0; i < 64 * 8 && host_has (XSAVE_PLAIN); i++)
    check_restored (false, i & 7, i >> 3 & 7);
  for (unsigned i = 0; i < 64 * 8 && host_has (XSAVE_COMPACT); i++)
    check_restored (true, i & 7, i >> 3 & 7);
}
END_TEST

#endif

/* --- 32-bit code: registers from 8 on are not touched --------------------------------------------------- */

START_TEST (test_32_bits)
{
  static Area before;
  random_area (&before, 7);
  set_state (&before);
  cpu.hflags = 0;
  memset (&memory, 0xaa, sizeof memory);
  memory.area.present = 0;
  set_mask (7);
  helper_xsave (&cpu, 0, XSAVE_PLAIN);
  ck_assert_mem_eq (memory.area.image.xmm, before.image.xmm, 128);
  ck_assert_uint_eq (memory.area.image.xmm[8].b[0], 0xaa);
  ck_assert_uint_eq (memory.area.uppers.ymm[8].b[0], 0xaa);
  random_area (&memory.area, 7);
  helper_xrstor (&cpu, 0, 0);
  ck_assert_mem_eq (fx_image (&cpu)->xmm, memory.area.image.xmm, 128);
  ck_assert_mem_eq (&fx_image (&cpu)->xmm[8], &before.image.xmm[8], 128);
  ck_assert_mem_eq (&fx_uppers (&cpu)->ymm[8], &before.uppers.ymm[8], 128);
}
END_TEST

/* --- faults --------------------------------------------------------------------------------------------- */

START_TEST (test_faults)
{
  static Area before;
  random_area (&before, 7);
  set_state (&before);
  set_mask (7);
  random_area (&memory.area, 7);
  ck_assert_int_eq (EXCEPTION_OF (helper_xsave (&cpu, 32, XSAVE_PLAIN)), EXC_GP);
  ck_assert_int_eq (EXCEPTION_OF (helper_xrstor (&cpu, 32, 0)), EXC_GP);
  cpu.cr0 = CR0_TS;
  ck_assert_int_eq (EXCEPTION_OF (helper_xsave (&cpu, 0, XSAVE_PLAIN)), EXC_NM);
  cpu.cr4 = 0;
  ck_assert_int_eq (EXCEPTION_OF (helper_xsave (&cpu, 0, XSAVE_PLAIN)), EXC_UD);
  ck_assert_int_eq (EXCEPTION_OF (helper_xgetbv (&cpu)), EXC_UD);
  set_up ();
  forbidden = X86_FP_SIZE - 1;
  ck_assert_int_eq (EXCEPTION_OF (helper_xsave (&cpu, 0, XSAVE_PLAIN)), EXC_PF);
  ck_assert_int_eq (EXCEPTION_OF (helper_xrstor (&cpu, 0, 0)), EXC_PF);
  set_mask (3);
  ck_assert_int_eq (EXCEPTION_OF (helper_xsave (&cpu, 0, XSAVE_PLAIN)), -1);
  forbidden = sizeof memory;
  ck_assert_mem_eq (&before, cpu.fp, sizeof before);
}
END_TEST

static int
restore_with (uint64_t present, uint64_t compaction, uint64_t reserved)
{
  random_area (&memory.area, 7);
  memory.area.present = present;
  memory.area.compaction = compaction;
  memory.area.reserved[0] = reserved;
  return EXCEPTION_OF (helper_xrstor (&cpu, 0, 0));
}

START_TEST (test_header)
{
  const uint64_t compact = (uint64_t) 1 << 63;
  set_mask (7);
  ck_assert_int_eq (restore_with (7, 0, 0), -1);
  ck_assert_int_eq (restore_with (8, 0, 0), EXC_GP);
  ck_assert_int_eq (restore_with (7, 1, 0), EXC_GP);
  ck_assert_int_eq (restore_with (7, 0, 1), EXC_GP);
  ck_assert_int_eq (restore_with (3, compact | 7, 0), -1);
  ck_assert_int_eq (restore_with (7, compact | 3, 0), EXC_GP);
  ck_assert_int_eq (restore_with (7, compact | 15, 0), EXC_GP);
  ck_assert_int_eq (restore_with (7, compact | 7, 1), EXC_GP);
  cpu.xcr0 = 3;
  ck_assert_int_eq (restore_with (7, 0, 0), EXC_GP);
  ck_assert_int_eq (restore_with (3, 0, 0), -1);
  cpu.feature[X86_FEATURE_XSAVEC] = false;
  ck_assert_int_eq (restore_with (3, compact | 3, 0), EXC_GP);
  random_area (&memory.area, 7);
  memory.area.image.mxcsr = 0x10000;
  memory.area.present = 1;
  ck_assert_int_eq (EXCEPTION_OF (helper_xrstor (&cpu, 0, 0)), EXC_GP);
}
END_TEST

/* --- PKRU: by itself behind everything else ------------------------------------------------------------- */

static uint32_t
pkru_in (unsigned offset)
{
  uint32_t value;
  memcpy (&value, memory.bytes + offset, 4);
  return value;
}

START_TEST (test_pkru)
{
  enum { KEYS = 1 << 9, STANDARD = 2688, COMPACT = 576 };
  uint32_t stored = 0xc;
  cpu.feature[X86_FEATURE_PKU] = true;
  cpu.xcr0 = 7 | KEYS;
  for (unsigned form = XSAVE_PLAIN; form <= XSAVE_COMPACT; form++)
    for (unsigned k = 0; k < 4; k++) {
      bool avx = k & 1, used = k & 2;
      unsigned offset = form < XSAVE_COMPACT ? STANDARD : avx ? X86_FP_SIZE : COMPACT;
      memset (&memory, 0x77, sizeof memory);
      memory.area.present = 0;
      cpu.pkru = used ? 0x55555554 : 0;
      set_mask (KEYS | (avx ? 4 : 0));
      helper_xsave (&cpu, 0, form);
      ck_assert_uint_eq (memory.area.present & KEYS, used ? KEYS : 0);
      ck_assert_uint_eq (pkru_in (offset), form == XSAVE_PLAIN || used ? (uint32_t) cpu.pkru : 0x77777777);
      ck_assert_uint_eq (pkru_in (offset + 8), 0x77777777);
    }
  set_mask (KEYS);
  random_area (&memory.area, 0);
  memory.area.present = KEYS;
  memcpy (memory.bytes + STANDARD, &stored, 4);
  helper_xrstor (&cpu, 0, 0);
  ck_assert_uint_eq (cpu.pkru, 0xc);
  memory.area.present = 0;
  helper_xrstor (&cpu, 0, 0);
  ck_assert_uint_eq (cpu.pkru, 0);
  memory.area.present = KEYS;
  memory.area.compaction = (uint64_t) 1 << 63 | KEYS | 4;
  memcpy (memory.bytes + X86_FP_SIZE, &stored, 4);
  helper_xrstor (&cpu, 0, 0);
  ck_assert_uint_eq (cpu.pkru, 0xc);
  forbidden = STANDARD;
  ck_assert_int_eq (EXCEPTION_OF (helper_xsave (&cpu, 0, XSAVE_PLAIN)), EXC_PF);
  forbidden = sizeof memory;
  cpu.feature[X86_FEATURE_PKU] = false;
  cpu.pkru = 0;
}
END_TEST

/* --- XCR0 ----------------------------------------------------------------------------------------------- */

static int
set_xcr (uint32_t which, uint64_t value)
{
  cpu.gpr[X86_RCX] = which;
  set_mask (value);
  return EXCEPTION_OF (helper_xsetbv (&cpu));
}

START_TEST (test_xcr0)
{
  static Area area;
  mode_updates = 0;
  ck_assert_int_eq (set_xcr (0, 3), -1);
  ck_assert_uint_eq (cpu.xcr0, 3);
  ck_assert_uint_eq (mode_updates, 1);
  ck_assert_int_eq (set_xcr (0, 7), -1);
  ck_assert_int_eq (set_xcr (0, 1), -1);
  ck_assert_int_eq (set_xcr (0, 0), EXC_GP);
  ck_assert_int_eq (set_xcr (0, 2), EXC_GP);
  ck_assert_int_eq (set_xcr (0, 5), EXC_GP);
  ck_assert_int_eq (set_xcr (0, 9), EXC_GP);
  ck_assert_int_eq (set_xcr (0, (uint64_t) 1 << 32 | 1), EXC_GP);
  ck_assert_int_eq (set_xcr (1, 1), EXC_GP);
  cpu.feature[X86_FEATURE_AVX] = false;
  ck_assert_int_eq (set_xcr (0, 7), EXC_GP);
  ck_assert_uint_eq (cpu.xcr0, 1);
  cpu.xcr0 = 7;
  random_area (&area, 5);
  set_state (&area);
  cpu.gpr[X86_RCX] = 0;
  ck_assert_uint_eq (helper_xgetbv (&cpu), 7);
  cpu.gpr[X86_RCX] = 1;
  ck_assert_uint_eq (helper_xgetbv (&cpu), 5);
  cpu.gpr[X86_RCX] = 2;
  ck_assert_int_eq (EXCEPTION_OF (helper_xgetbv (&cpu)), EXC_GP);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("xsave");
  TCase *tcase = tcase_create ("helpers");
  tcase_add_checked_fixture (tcase, set_up, NULL);
#ifdef __x86_64__
  tcase_add_test (tcase, test_save);
  tcase_add_test (tcase, test_restore);
#endif
  tcase_add_test (tcase, test_32_bits);
  tcase_add_test (tcase, test_faults);
  tcase_add_test (tcase, test_header);
  tcase_add_test (tcase, test_pkru);
  tcase_add_test (tcase, test_xcr0);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}
