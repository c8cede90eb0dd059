/* test-flags.c -- EFLAGS from operands: every 8-bit case against plain arithmetic, and the whole register. */
/* SPDX-License-Identifier: MIT */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "target-i386/cpu.h"
#include "../suite.h"

void
x86_update_mode (X86Cpu *env)
{
}

/* --- by definition --------------------------------------------------------------------------------- */

static uint32_t
result_flags (unsigned r)
{
  unsigned ones = 0;
  for (unsigned i = 0; i < 8; i++)
    ones += r >> i & 1;
  return (ones % 2 == 0 ? X86_FL_PF : 0) | ((r & 0xff) == 0 ? X86_FL_ZF : 0) | (r & 0x80 ? X86_FL_SF : 0);
}

static uint32_t
expected_sum (int a, int b, int carry)
{
  int wide = (a & 0xff) + (b & 0xff) + carry, exact = (int8_t) a + (int8_t) b + carry;
  return result_flags ((unsigned) wide & 0xff) | (wide > 0xff ? X86_FL_CF : 0) | (exact != (int8_t) wide ? X86_FL_OF : 0)
         | ((a & 15) + (b & 15) + carry > 15 ? X86_FL_AF : 0);
}

static uint32_t
expected_difference (int a, int b, int borrow)
{
  int wide = (a & 0xff) - (b & 0xff) - borrow, exact = (int8_t) a - (int8_t) b - borrow;
  return result_flags ((unsigned) wide & 0xff) | (wide < 0 ? X86_FL_CF : 0) | (exact != (int8_t) wide ? X86_FL_OF : 0)
         | ((a & 15) - (b & 15) - borrow < 0 ? X86_FL_AF : 0);
}

/* Bits above the width are noise that must not matter. */
#define NOISE 0xa5a5a500u

START_TEST (test_sums_and_differences)
{
  for (unsigned a = 0; a < 256; a++)
    for (unsigned b = 0; b < 256; b++)
      for (unsigned c = 0; c < 2; c++) {
        uint32_t sum = ((a + b + c) & 0xff) | NOISE, difference = ((a - b - c) & 0xff) | NOISE;
        uint32_t add = expected_sum ((int) a, (int) b, (int) c), sub = expected_difference ((int) a, (int) b, (int) c);
        ck_assert_uint_eq (x86_compute_cc (CC_ADC8, sum, b | NOISE, c), add);
        ck_assert_uint_eq (x86_compute_cc (CC_SBB8, difference, b | NOISE, c), sub);
        if (c == 0) {
          ck_assert_uint_eq (x86_compute_cc (CC_ADD8, sum, b | NOISE, 0), add);
          ck_assert_uint_eq (x86_compute_cc (CC_SUB8, difference, b | NOISE, 0), sub);
        }
      }
}
END_TEST

START_TEST (test_steps)
{
  for (unsigned a = 0; a < 256; a++)
    for (unsigned carry = 0; carry < 2; carry++) {
      uint32_t keep = ~(uint32_t) X86_FL_CF, cf = carry ? X86_FL_CF : 0;
      ck_assert_uint_eq (x86_compute_cc (CC_INC8, a + 1, carry, 0), (expected_sum ((int) a, 1, 0) & keep) | cf);
      ck_assert_uint_eq (x86_compute_cc (CC_DEC8, a - 1, carry, 0), (expected_difference ((int) a, 1, 0) & keep) | cf);
    }
}
END_TEST

/* What a logic operation left, and of a rotation that followed it CF and OF (SDM 2B, ROL, for a count of 1). */
START_TEST (test_rotations)
{
  for (unsigned logic = 0; logic < 256; logic++)
    for (unsigned x = 0; x < 256; x++) {
      unsigned left = (x << 1 | x >> 7) & 0xff, right = (x >> 1 | x << 7) & 0xff;
      uint32_t rol = (left & 1 ? X86_FL_CF : 0) | ((left ^ x) & 0x80 ? X86_FL_OF : 0);
      uint32_t ror = (x & 1 ? X86_FL_CF : 0) | ((right ^ x) & 0x80 ? X86_FL_OF : 0);
      ck_assert_uint_eq (x86_compute_cc (CC_ROL8, logic | NOISE, left | NOISE, 0), result_flags (logic) | rol);
      ck_assert_uint_eq (x86_compute_cc (CC_ROR8, logic | NOISE, right | NOISE, 0), result_flags (logic) | ror);
    }
}
END_TEST

START_TEST (test_widths)
{
  ck_assert_uint_eq (x86_compute_cc (CC_ADD16, 0x10000, 1, 0), X86_FL_CF | X86_FL_ZF | X86_FL_PF | X86_FL_AF);
  ck_assert_uint_eq (x86_compute_cc (CC_ADD32, 0x80000000, 1, 0), X86_FL_OF | X86_FL_SF | X86_FL_PF | X86_FL_AF);
  ck_assert_uint_eq (x86_compute_cc (CC_SUB32, 0xffffffff, 1, 0), X86_FL_CF | X86_FL_SF | X86_FL_PF | X86_FL_AF);
  ck_assert_uint_eq (x86_compute_cc (CC_ADD64, 0, 1, 0), X86_FL_CF | X86_FL_ZF | X86_FL_PF | X86_FL_AF);
  ck_assert_uint_eq (x86_compute_cc (CC_LOGIC16, 0x18000, 0, 0), X86_FL_SF | X86_FL_PF);
  ck_assert_uint_eq (x86_compute_cc (CC_SHL32, 2, 0x80000001, 0), X86_FL_CF | X86_FL_OF);
  ck_assert_uint_eq (x86_compute_cc (CC_SAR8, 0x40, 0x81, 0), X86_FL_CF | X86_FL_OF);
  ck_assert_uint_eq (x86_compute_cc (CC_MUL8, 1, 0x100, 0), X86_FL_CF | X86_FL_OF);
  ck_assert_uint_eq (x86_compute_cc (CC_EFLAGS, 5, X86_FL_ZF | X86_FL_OF, 7), X86_FL_ZF | X86_FL_OF);
}
END_TEST

/* Sums and differences of 64 bits, by arithmetic on 128. */
static uint32_t
expected_64 (uint64_t a, uint64_t b, unsigned carry, bool subtract)
{
  __int128 exact = subtract ? (__int128) (int64_t) a - (int64_t) b - carry : (__int128) (int64_t) a + (int64_t) b + carry;
  unsigned __int128 wide = subtract ? (unsigned __int128) a - b - carry : (unsigned __int128) a + b + carry;
  uint64_t r = (uint64_t) wide;
  int nibbles = subtract ? (int) (a & 15) - (int) (b & 15) - (int) carry : (int) ((a & 15) + (b & 15) + carry);
  return (result_flags ((unsigned) r & 0xff) & X86_FL_PF) | (r == 0 ? X86_FL_ZF : 0) | (r >> 63 ? X86_FL_SF : 0)
         | (wide >> 64 ? X86_FL_CF : 0) | (exact != (int64_t) r ? X86_FL_OF : 0) | (nibbles < 0 || nibbles > 15 ? X86_FL_AF : 0);
}

START_TEST (test_64_bits)
{
  static const uint64_t values[] = {
    0, 1, 2, 15, 16, 0x7f, 0x80, 0xffffffff, 0x80000000, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000, 0x8000000000000001,
    0xfffffffffffffffe, 0xffffffffffffffff, 0x123456789abcdef0
  };
  enum { N = sizeof values / sizeof *values };
  for (unsigned i = 0; i < N; i++)
    for (unsigned k = 0; k < N; k++)
      for (unsigned c = 0; c < 2; c++) {
        uint64_t a = values[i], b = values[k];
        ck_assert_uint_eq (x86_compute_cc (CC_ADC64, a + b + c, b, c), expected_64 (a, b, c, false));
        ck_assert_uint_eq (x86_compute_cc (CC_SBB64, a - b - c, b, c), expected_64 (a, b, c, true));
        if (c == 0) {
          ck_assert_uint_eq (x86_compute_cc (CC_ADD64, a + b, b, 0), expected_64 (a, b, 0, false));
          ck_assert_uint_eq (x86_compute_cc (CC_SUB64, a - b, b, 0), expected_64 (a, b, 0, true));
        }
      }
  ck_assert_uint_eq (x86_compute_cc (CC_INC64, 0x8000000000000000, 1, 0), X86_FL_CF | X86_FL_OF | X86_FL_SF | X86_FL_AF | X86_FL_PF);
  ck_assert_uint_eq (x86_compute_cc (CC_DEC64, 0x7fffffffffffffff, 0, 0), X86_FL_OF | X86_FL_AF | X86_FL_PF);
  ck_assert_uint_eq (x86_compute_cc (CC_SHL64, 2, 0x8000000000000001, 0), X86_FL_CF | X86_FL_OF);
  ck_assert_uint_eq (x86_compute_cc (CC_SAR64, 0x4000000000000000, 0x8000000000000001, 0), X86_FL_CF | X86_FL_OF | X86_FL_PF);
  ck_assert_uint_eq (x86_compute_cc (CC_MUL64, 1, (uint64_t) 1 << 32, 0), X86_FL_CF | X86_FL_OF);
  ck_assert_uint_eq (x86_compute_cc (CC_MUL32, 1, (uint64_t) 1 << 32, 0), 0);
  ck_assert_uint_eq (x86_compute_cc (CC_LOGIC64, (uint64_t) 1 << 63, 0, 0), X86_FL_SF | X86_FL_PF);
  ck_assert_uint_eq (x86_compute_cc (CC_ROL64, 1, 0x8000000000000001, 0), X86_FL_CF);
  ck_assert_uint_eq (x86_compute_cc (CC_ROR64, 1, 0x8000000000000000, 0), X86_FL_CF | X86_FL_OF);
}
END_TEST

START_TEST (test_register)
{
  X86Cpu *env = aligned_alloc (64, (sizeof *env + 63) / 64 * 64);
  memset (env, 0, sizeof *env);
  env->df = 1;
  x86_set_eflags (env, 0xffffffff, X86_FL_CF | X86_FL_DF | X86_FL_IF);
  ck_assert_uint_eq (x86_eflags (env), 2 | X86_FL_CF | X86_FL_DF | X86_FL_IF);
  ck_assert_int_eq (env->df, -1);
  x86_set_eflags (env, X86_FL_ZF, X86_FL_ZF);
  ck_assert_uint_eq (x86_eflags (env), 2 | X86_FL_CF | X86_FL_ZF | X86_FL_DF | X86_FL_IF);
  x86_set_eflags (env, 0, X86_FL_ALL);
  ck_assert_uint_eq (x86_eflags (env), 2);
  /* what lies above the width is not looked at */
  env->cc_op = CC_LOGIC32;
  env->cc_dst = 0xdead00000000;
  ck_assert_uint_eq (x86_eflags (env), 2 | X86_FL_ZF | X86_FL_PF);
  free (env);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("flags");
  TCase *t = tcase_create ("flags");
  tcase_add_test (t, test_sums_and_differences);
  tcase_add_test (t, test_steps);
  tcase_add_test (t, test_rotations);
  tcase_add_test (t, test_widths);
  tcase_add_test (t, test_64_bits);
  tcase_add_test (t, test_register);
  suite_add_tcase (suite, t);
  return suite_run (suite);
}
