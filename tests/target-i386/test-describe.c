/* test-describe.c -- what instruments are told of an instruction, from a data file. */
/* SPDX-License-Identifier: MIT */

#include "../suite.h"
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "target-i386/cpu.h"
#include "../random-numbers.h"

#ifndef SRCDIR
#define SRCDIR "."
#endif

#define BASE 0x10000
#define ADDRESS 0x11000

static const char *const class_names[BP_N_CLASSES] = {
  "OTHER", "MOVE", "ARITHMETIC", "LOGIC", "SHIFT", "MULTIPLY", "DIVIDE", "CONDITIONAL", "STRING", "ATOMIC", "FLOAT", "VECTOR_FLOAT",
  "VECTOR_INTEGER", "CRYPTO", "BRANCH", "JUMP", "CALL", "RETURN", "SYSTEM_CALL", "SYSTEM", "IO", "FENCE", "NOP"
};
static const char *const flag_names[] = { "branch", "conditional", "indirect", "call", "return", "loads", "stores", "repeated" };
static const char *const register_names[] = {
  "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip", "flags"
};

/* --- as text ---------------------------------------------------------------------------------- */

static void
print_flags (GString *out, unsigned flags)
{
  if (flags == 0)
    g_string_append (out, " -");
  for (unsigned i = 0; i < G_N_ELEMENTS (flag_names); i++)
    if (flags >> i & 1)
      g_string_append_printf (out, " %s", flag_names[i]);
  ck_assert_uint_eq (flags >> G_N_ELEMENTS (flag_names), 0);
}

static void
print_registers (GString *out, const uint8_t *numbers, unsigned n)
{
  for (unsigned i = 0; i < n; i++) {
    unsigned number = numbers[i];
    if (number < G_N_ELEMENTS (register_names))
      g_string_append_printf (out, " %s", register_names[number]);
    else
      g_string_append_printf (out, number >= 48 ? " st%u" : " xmm%u", number >= 48 ? number - 48 : number - 32);
  }
}

static BpInsn
describe (unsigned bits, uint64_t base, const uint8_t *bytes, unsigned n)
{
  BpTbKey key = { ADDRESS, bits == 64 ? 0 : base, bits == 16 ? 0 : HF_PE | 3 | (bits == 64 ? HF_CODE64 : HF_CS32) };
  BpInsn insn = { .address = ADDRESS, .size = (uint8_t) n, .id = 7, .insn_class = 99, .flags = 0xffff };
  memcpy (insn.bytes, bytes, n);
  x86_describe (&key, &insn);
  return insn;
}

static void
print (GString *out, const BpInsn *insn)
{
  BpInsnRegisters r = { .struct_size = sizeof r };
  g_string_assign (out, class_names[insn->insn_class]);
  g_string_append (out, " |");
  print_flags (out, insn->flags);
  g_string_append (out, " |");
  if (x86_insn_registers (insn, &r))
    print_registers (out, r.read, r.n_read);
  g_string_append (out, " >");
  print_registers (out, r.written, r.n_written);
  if (insn->target == UINT64_MAX)
    g_string_append (out, " | -");
  else
    g_string_append_printf (out, " | %" PRIx64, insn->target);
}

/* --- the cases ---------------------------------------------------------------------------------- */

static unsigned
parse_hex (const char *hex, uint8_t *bytes)
{
  unsigned n = 0, value;
  for (; n < 15 && sscanf (hex, "%2x", &value) == 1; hex += 2)
    bytes[n++] = (uint8_t) value;
  return n;
}

START_TEST (test_cases)
{
  char line[256];
  unsigned number = 0, cases = 0;
  GString *out = g_string_new (NULL), *wrong = g_string_new (NULL);
  FILE *file = fopen (SRCDIR "/tests/target-i386/describe-cases.txt", "r");
  ck_assert (file != NULL);
  while (number++, fgets (line, sizeof line, file)) {
    uint8_t bytes[16];
    unsigned bits;
    char hex[40], *expected;
    int at = 0;
    if (line[0] == '#' || line[0] == '\n')
      continue;
    ck_assert_msg (sscanf (line, "%u | %39s | %n", &bits, hex, &at) == 2 && at > 0, "line %u: %s", number, line);
    expected = g_strchomp (line + at);
    unsigned n = parse_hex (hex, bytes);
    BpInsn insn = describe (bits, BASE, bytes, n);
    print (out, &insn);
    if (strcmp (out->str, expected) != 0)
      g_string_append_printf (wrong, "line %u: %s is\n  %s, not\n  %s\n", number, hex, out->str, expected);
    ck_assert_uint_eq (insn.code_bits, bits);
    ck_assert_uint_eq (insn.privilege, bits == 16 ? 0 : 3);
    ck_assert (insn.size == n && insn.id == 7 && insn.address == ADDRESS);
    cases++;
  }
  fclose (file);
  ck_assert_msg (wrong->len == 0, "%s", wrong->str);
  g_string_free (out, TRUE);
  g_string_free (wrong, TRUE);
  ck_assert_uint_gt (cases, 180);
}
END_TEST

/* --- what holds for any bytes ----------------------------------------------------------------------- */

static void
check_sense (const BpInsn *insn)
{
  unsigned f = insn->flags, k = insn->insn_class;
  bool ok = k < BP_N_CLASSES && insn->size <= 15;
  ok &= !(f & (BP_INSN_CONDITIONAL | BP_INSN_INDIRECT | BP_INSN_CALL | BP_INSN_RETURN)) || (f & BP_INSN_BRANCH);
  ok &= insn->target == UINT64_MAX || ((f & BP_INSN_BRANCH) && !(f & BP_INSN_INDIRECT));
  ok &= insn->target == UINT64_MAX || insn->code_bits == 64 || insn->target <= UINT32_MAX;
  ok &= (k == BP_CLASS_CALL) == !!(f & BP_INSN_CALL);
  ok &= (k == BP_CLASS_RETURN) == !!(f & BP_INSN_RETURN);
  ok &= k != BP_CLASS_BRANCH || (f & (BP_INSN_BRANCH | BP_INSN_CONDITIONAL)) == (BP_INSN_BRANCH | BP_INSN_CONDITIONAL);
  ok &= k != BP_CLASS_ATOMIC || (f & (BP_INSN_LOADS | BP_INSN_STORES)) == (BP_INSN_LOADS | BP_INSN_STORES);
  ok &= !(f & BP_INSN_REPEATED) || k == BP_CLASS_STRING || k == BP_CLASS_IO;
  if (!ok)
    ck_abort_msg ("%02x %02x %02x %02x %02x in %u bits: class %u, flags %x, target %" PRIx64, insn->bytes[0], insn->bytes[1],
                  insn->bytes[2], insn->bytes[3], insn->bytes[4], insn->code_bits, k, f, insn->target);
}

/* No list is cut short: read and written are as long as their arrays at most. */
static void
check_registers (const BpInsn *insn)
{
  struct { uint32_t before; BpInsnRegisters r; uint32_t after; } guarded = { 0x5a5a5a5a, { .struct_size = sizeof guarded.r }, 0x5a5a5a5a };
  BpInsnRegisters *r = &guarded.r;
  if (!x86_insn_registers (insn, r))
    return;
  bool ok = r->n_read <= 8 && r->n_written <= 8 && guarded.before == 0x5a5a5a5a && guarded.after == 0x5a5a5a5a;
  for (unsigned i = 1; ok && i < r->n_read; i++)
    ok &= r->read[i - 1] < r->read[i] && r->read[i] < 56;
  for (unsigned i = 1; ok && i < r->n_written; i++)
    ok &= r->written[i - 1] < r->written[i] && r->written[i] < 56;
  ok = ok && r->struct_size == sizeof *r && (!(insn->flags & BP_INSN_BRANCH) || (r->n_written > 0 && memchr (r->written, 16, r->n_written)));
  if (!ok)
    ck_abort_msg ("registers of %02x %02x %02x %02x", insn->bytes[0], insn->bytes[1], insn->bytes[2], insn->bytes[3]);
}

START_TEST (test_any_bytes)
{
  static const unsigned all_bits[] = { 16, 32, 64 };
  static const uint8_t popular[16] = { 0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x2e, 0x64, 0x48, 0x0f, 0x0f, 0xc4, 0xc5, 0xe2, 0xd9, 0xdd, 0xff };
  for (unsigned round = 0; round < 1000000; round++) {
    uint8_t bytes[16];
    for (unsigned i = 0; i < sizeof bytes; i++) {
      uint64_t r = random64 ();
      bytes[i] = (r & 0x300) == 0 ? popular[r >> 16 & 15] : (uint8_t) (r >> 24);
    }
    BpInsn insn = describe (all_bits[round % 3], random64 (), bytes, round % 16);
    check_sense (&insn);
    check_registers (&insn);
  }
}
END_TEST

START_TEST (test_not_told)
{
  static const uint8_t bytes[] = { 0x90 };
  BpInsn insn = describe (64, 0, bytes, 1);
  BpInsnRegisters r = { .struct_size = sizeof r };
  ck_assert (x86_insn_registers (&insn, &r));
  insn.code_bits = 0;
  ck_assert (!x86_insn_registers (&insn, &r));
}
END_TEST

/* --- every operation ----------------------------------------------------------------------------------- */

START_TEST (test_every_operation)
{
  static const uint8_t class_of[] = {
#define OP(name, stem, kind) BP_CLASS_##kind,
#include "target-i386/decode/ops.def"
#undef OP
  };
  static const char *const others[] = {
    "INVALID", "UD0", "UD1", "UD2", "CPUID", "RDTSC", "RDTSCP", "RDPMC", "RDPID", "RDRAND", "RDSEED", "FXSAVE", "FXRSTOR", "XSAVE", "XRSTOR",
    "XSAVEOPT", "XSAVEC", "XGETBV", "RDPKRU", "WRPKRU", NULL
  };
  bool seen[BP_N_CLASSES] = { [BP_CLASS_ATOMIC] = true };       /* which no operation is without a prefix or memory */
  ck_assert_uint_eq (G_N_ELEMENTS (class_of), X86_OP__COUNT);
  for (unsigned op = 0; op < X86_OP__COUNT; op++) {
    const char *name = x86_op_name (op);
    seen[class_of[op]] = true;
    ck_assert_msg ((class_of[op] == BP_CLASS_OTHER) == g_strv_contains (others, name), "%s", name);
  }
  for (unsigned i = 0; i < BP_N_CLASSES; i++)
    ck_assert_msg (seen[i], "no %s", class_names[i]);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("describe");
  TCase *c = tcase_create ("describe");
  tcase_set_timeout (c, 120);
  tcase_add_test (c, test_cases);
  tcase_add_test (c, test_any_bytes);
  tcase_add_test (c, test_not_told);
  tcase_add_test (c, test_every_operation);
  suite_add_tcase (suite, c);
  return suite_run (suite);
}
