/* test-integer.c -- helpers of integer instructions: what hosts without the instruction fall back on, and CMPXCHG16B on a device; random numbers. */
/* SPDX-License-Identifier: MIT */

#include <check.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

/* The fallbacks are static. */
#include "target-i386/runtime/integer.c"
#include "../suite.h"

static X86Cpu *env;
static uint64_t device[2], now;
static void *ram;

/* --- what the helpers call --------------------------------------------------------------------------- */

uint32_t
x86_compute_cc (uint32_t cc_op, uint64_t dst, uint64_t src, uint64_t src2)
{
  return (uint32_t) src;
}

static jmp_buf out;

void
x86_raise_error (X86Cpu *cpu, unsigned vector, uint32_t error)
{
  longjmp (out, (int) vector);
}

static void *
probe (void *cpu, uint64_t address, unsigned size, BpMmuAccess access, unsigned mmu_index)
{
  ck_assert_uint_eq (size, 16);
  ck_assert_int_eq (access, BP_MMU_STORE);
  return ram;
}

static uint64_t
load (void *cpu, uint64_t address, BpMemOp memop)
{
  ck_assert (memop & BP_MO_ADDR64);
  return device[(address >> 3) & 1];
}

static void
store (void *cpu, uint64_t address, uint64_t value, BpMemOp memop)
{
  device[(address >> 3) & 1] = value;
}

static uint64_t
instructions (void *cpu)
{
  return now;
}

static const BpTcgOps ops = {
  .struct_size = sizeof ops, .probe = probe, .load = load, .store = store, .instructions = instructions
};

/* --- fallbacks ------------------------------------------------------------------------------------------ */

START_TEST (test_crc32)
{
  static const char digits[] = "123456789";     /* its CRC-32C is E3069283 (RFC 3720, B.4 has the polynomial) */
  uint32_t crc = 0xffffffff;
  for (unsigned i = 0; i < 9; i++)
    crc = crc32_by_table (crc, (uint8_t) digits[i], 1);
  ck_assert_uint_eq (~crc, 0xe3069283);
  uint64_t word;
  memcpy (&word, digits, 8);
  ck_assert_uint_eq (~crc32_by_table (crc32_by_table (0xffffffff, word, 8), '9', 1), 0xe3069283);
  ck_assert_uint_eq (helper_crc32 (123, word, 8), crc32_by_table (123, word, 8));
  ck_assert_uint_eq (helper_crc32 (123, word, 2), crc32_by_table (123, word, 2));
}
END_TEST

START_TEST (test_scattered_bits)
{
  ck_assert_uint_eq (deposit_bits (0x123, 0xf0f0f0), 0x102030);
  ck_assert_uint_eq (extract_bits (0xabcdef, 0xf0f0f0), 0xace);
  uint64_t x = 0x123456789abcdef, mask = 0x8000f0f012345678;
  for (unsigned i = 0; i < 1000; i++) {
    ck_assert_uint_eq (extract_bits (deposit_bits (x, mask), mask),
                       x & (((uint64_t) 1 << __builtin_popcountll (mask) % 64) - 1));
    ck_assert_uint_eq (helper_pdep (x, mask), deposit_bits (x, mask));
    ck_assert_uint_eq (helper_pext (x, mask), extract_bits (x, mask));
    x = x * 6364136223846793005u + 1442695040888963407u;
    mask = (mask ^ x >> 7) & ~((uint64_t) 1 << i % 64);
  }
}
END_TEST

/* --- CMPXCHG16B ------------------------------------------------------------------------------------------ */

static void
set_registers (uint64_t rdx, uint64_t rax, uint64_t rcx, uint64_t rbx)
{
  env->gpr[X86_RDX] = rdx, env->gpr[X86_RAX] = rax, env->gpr[X86_RCX] = rcx, env->gpr[X86_RBX] = rbx;
}

START_TEST (test_exchange)
{
  static uint64_t memory[2] __attribute__ ((aligned (16)));
  for (unsigned in_ram = 0; in_ram < 2; in_ram++) {
    uint64_t *at = in_ram ? memory : device;
    ram = in_ram ? memory : NULL;
    at[0] = 1, at[1] = 2;
    set_registers (2, 1, 4, 3);
    ck_assert_uint_eq (helper_cmpxchg16b (env, 0x1000), 1);
    ck_assert_uint_eq (at[0], 3);
    ck_assert_uint_eq (at[1], 4);
    ck_assert_uint_eq (env->gpr[X86_RAX], 1);
    set_registers (4, 9, 6, 5);                 /* the low half differs */
    ck_assert_uint_eq (helper_cmpxchg16b (env, 0x1000), 0);
    ck_assert_uint_eq (at[0], 3);
    ck_assert_uint_eq (env->gpr[X86_RAX], 3);
    ck_assert_uint_eq (env->gpr[X86_RDX], 4);
  }
  int vector = setjmp (out);
  if (vector == 0)
    helper_cmpxchg16b (env, 0x1008);
  ck_assert_int_eq (vector, EXC_GP);
}
END_TEST

/* --- random numbers ---------------------------------------------------------------------------------------- */

START_TEST (test_random)
{
  now = 1000;
  uint64_t first = helper_random (env, 1);
  ck_assert_uint_eq (helper_random (env, 1), first);
  now++;
  ck_assert_uint_ne (helper_random (env, 1), first);
  now--;
  env->apic_id = 1;
  ck_assert_uint_ne (helper_random (env, 1), first);
  ck_assert_uint_ne (helper_random (env, 0), helper_random (env, 0));
}
END_TEST

int
main (void)
{
  env = aligned_alloc (64, (sizeof *env + 63) / 64 * 64);
  memset (env, 0, sizeof *env);
  env->tcg.ops = &ops;
  Suite *suite = suite_create ("integer");
  TCase *t = tcase_create ("integer");
  tcase_add_test (t, test_crc32);
  tcase_add_test (t, test_scattered_bits);
  tcase_add_test (t, test_exchange);
  tcase_add_test (t, test_random);
  suite_add_tcase (suite, t);
  int failed = suite_run (suite);
  free (env);
  return failed;
}
