/* test-decode.c -- the x86 decoder: bytes to text from a data file, and what must hold for any bytes. */
/* SPDX-License-Identifier: MIT */

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "target-i386/decode/decode.h"
#include "../suite.h"

#ifndef SRCDIR
#define SRCDIR "."
#endif

#define CASES_PC 0x1000

/* ck_assert records every call, which is too slow for loops of millions; this one speaks only when it
 * fails. */
#define HOLDS(condition)                                                                                    \
  do {                                                                                                      \
    if (!(condition)) {                                                                                     \
      ck_abort_msg ("%s does not hold", #condition);                                                        \
    }                                                                                                       \
  } while (0)

static const X86Mode all_modes[] = { X86_MODE_16, X86_MODE_32, X86_MODE_64 };

/* --- helpers -------------------------------------------------------------------------------------------- */

static size_t
parse_hex (const char *text, uint8_t *bytes, size_t size)
{
  size_t n = 0;
  unsigned value;
  for (; n < size && sscanf (text, "%2x", &value) == 1; text += 2) {
    bytes[n++] = value;
    if (text[1] == 0) {
      break;
    }
    if (text[2] == 0 || text[2] == ' ') {
      break;
    }
  }
  return n;
}

static X86DecodeResult
decode_hex (const char *hex, X86Mode mode, X86Insn *insn)
{
  uint8_t bytes[32];
  size_t n = parse_hex (hex, bytes, sizeof bytes);
  return x86_decode (bytes, n, mode, insn);
}

static X86Insn
decode_ok (const char *hex, X86Mode mode)
{
  X86Insn insn;
  ck_assert_msg (decode_hex (hex, mode, &insn) == X86_DECODE_OK, "%s does not decode", hex);
  return insn;
}

static uint64_t
next_random (uint64_t *state)
{
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

/* Random bytes that get past the first opcode often: prefixes and escapes are common. */
static void
random_bytes (uint64_t *state, uint8_t *bytes, size_t n)
{
  static const uint8_t popular[16] = { 0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x2e, 0x64, 0x48,
                                       0x0f, 0x0f, 0xc4, 0xc5, 0xe2, 0xd9, 0xdd, 0xff };
  for (size_t i = 0; i < n; i++) {
    uint64_t r = next_random (state);
    bytes[i] = (r & 0x300) == 0 ? popular[(r >> 16) & 15] : (uint8_t) (r >> 24);
  }
}

/* --- text: decode-cases.txt ----------------------------------------------------------------------------- */

static void
check_case (unsigned line, unsigned bits, const char *hex, const char *text, unsigned length)
{
  uint8_t bytes[32];
  char printed[128];
  X86Insn insn;
  X86Mode mode = bits == 16 ? X86_MODE_16 : bits == 32 ? X86_MODE_32 : X86_MODE_64;
  size_t n = parse_hex (hex, bytes, sizeof bytes);

  switch (x86_decode (bytes, n, mode, &insn)) {
  case X86_DECODE_NEED_MORE: strcpy (printed, "(more)"); break;
  case X86_DECODE_TOO_LONG: strcpy (printed, "(long)"); break;
  default: x86_disasm (&insn, CASES_PC, printed, sizeof printed); break;
  }
  ck_assert_msg (strcmp (printed, text) == 0, "line %u: %s is \"%s\", not \"%s\"", line, hex, printed, text);
  ck_assert_msg (insn.length == length, "line %u: %s is %u bytes, not %u", line, hex, insn.length, length);
}

START_TEST (test_cases) {
  FILE *file = fopen (SRCDIR "/tests/target-i386/decode-cases.txt", "r");
  char buffer[256];
  unsigned line = 0, cases = 0;
  ck_assert_msg (file != NULL, "no decode-cases.txt under " SRCDIR);
  while (fgets (buffer, sizeof buffer, file)) {
    unsigned bits, length;
    char hex[64], text[128];
    line++;
    if (buffer[0] == '#' || buffer[0] == '\n') {
      continue;
    }
    int fields = sscanf (buffer, "%u | %63s | %127[^|]| %u", &bits, hex, text, &length);
    ck_assert_msg (fields == 4, "line %u: %s", line, buffer);
    text[strlen (text) - 1] = 0; /* the blank before the bar */
    check_case (line, bits, hex, text, length);
    cases++;
  }
  fclose (file);
  ck_assert_uint_gt (cases, 2500);
}
END_TEST

/* --- what holds for any bytes --------------------------------------------------------------------------- */

static void
check_value (const X86Insn *insn)
{
  HOLDS (insn->op < X86_OP__COUNT);
  HOLDS (insn->op != X86_OP_INVALID);
  HOLDS (insn->feature < X86_FEATURE__COUNT);
  HOLDS (insn->length >= 1);
  HOLDS (insn->length <= X86_MAX_INSN_LENGTH);
  HOLDS (insn->opsize == 2 || insn->opsize == 4 || (insn->opsize == 8 && insn->mode == X86_MODE_64));
  HOLDS (insn->adsize == 2 || insn->adsize == 4 || (insn->adsize == 8 && insn->mode == X86_MODE_64));
  HOLDS ((insn->flags_written & insn->flags_undefined) == 0);
  HOLDS ((insn->flags_varying & ~insn->flags_written) == 0);
  HOLDS (insn->branch == X86_BRANCH_NONE || (insn->attributes & X86_A_ENDS_BLOCK));
  for (unsigned i = 0; i < X86_MAX_OPERANDS; i++) {
    const X86Operand *operand = &insn->operand[i];
    HOLDS ((operand->kind != X86_OPERAND_NONE) == (i < insn->n_operands));
    HOLDS (operand->kind != X86_OPERAND_REL || insn->branch != X86_BRANCH_NONE);
    HOLDS (operand->kind != X86_OPERAND_SEG || operand->reg <= X86_GS);
    bool numbered = operand->kind == X86_OPERAND_GPR || operand->kind == X86_OPERAND_XMM;
    HOLDS (!numbered || operand->reg < (insn->mode == X86_MODE_64 ? 16 : 8));
    HOLDS (operand->kind != X86_OPERAND_XMM || operand->size <= (insn->vex.L ? 32 : 16));
    HOLDS (operand->kind != X86_OPERAND_MEM || operand->mem.adsize == insn->adsize);
    bool narrow_imm = operand->kind == X86_OPERAND_IMM && operand->size < 8;
    HOLDS (!narrow_imm || operand->imm >> (8 * operand->size) == 0);
  }
}

/* More bytes never change a settled answer, and fewer always ask for more. */
static void
check_monotone (const uint8_t *bytes, X86Mode mode)
{
  X86Insn whole, part;
  X86DecodeResult result = x86_decode (bytes, 16, mode, &whole);
  HOLDS (result != X86_DECODE_NEED_MORE);
  if (result == X86_DECODE_OK) {
    check_value (&whole);
  }
  for (size_t avail = 0; avail <= 16; avail++) {
    X86DecodeResult r = x86_decode (bytes, avail, mode, &part);
    if (avail < whole.length) {
      HOLDS (r == X86_DECODE_NEED_MORE);
      HOLDS (part.length == avail);
    } else {
      HOLDS (r == result);
      HOLDS (memcmp (&part, &whole, sizeof part) == 0);
    }
  }
}

START_TEST (test_random_bytes) {
  uint64_t state = 0x9e3779b97f4a7c15ull;
  uint8_t bytes[16];
  for (unsigned i = 0; i < 20000; i++) {
    random_bytes (&state, bytes, sizeof bytes);
    check_monotone (bytes, all_modes[i % 3]);
  }
}
END_TEST

/* Every opcode with every modrm, in both one- and two-byte maps. */
START_TEST (test_every_slot) {
  static const uint8_t prefixes[] = { 0, 0x66, 0xf2, 0xf3 };
  for (unsigned n = 0; n < 3 * 4 * 2 * 0x10000; n++) {
    uint8_t bytes[20] = { 0 };
    size_t at = 0;
    X86Insn insn;
    if (prefixes[(n >> 17) & 3]) {
      bytes[at++] = prefixes[(n >> 17) & 3];
    }
    if (n & 0x10000) {
      bytes[at++] = 0x0f;
    }
    bytes[at++] = n >> 8;
    bytes[at++] = n;
    X86DecodeResult result = x86_decode (bytes, sizeof bytes, all_modes[n >> 19], &insn);
    HOLDS (result != X86_DECODE_NEED_MORE);
    HOLDS (result != X86_DECODE_TOO_LONG);
    if (result == X86_DECODE_OK) {
      check_value (&insn);
    }
  }
}
END_TEST

/* The page after the bytes cannot be read: a look too far is a fault. */
START_TEST (test_reads_only_what_is_there) {
  size_t page = (size_t) sysconf (_SC_PAGESIZE);
  uint8_t *map = mmap (NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ck_assert_ptr_ne (map, MAP_FAILED);
  ck_assert_int_eq (mprotect (map + page, page, PROT_NONE), 0);
  uint64_t state = 1;
  for (unsigned i = 0; i < 20000; i++) {
    uint8_t bytes[16];
    X86Insn insn;
    size_t avail = i % 17;
    random_bytes (&state, bytes, sizeof bytes);
    memcpy (map + page - avail, bytes, avail);
    x86_decode (map + page - avail, avail, all_modes[i % 3], &insn);
    HOLDS (insn.length <= avail);
  }
  munmap (map, 2 * page);
}
END_TEST

START_TEST (test_too_long) {
  uint8_t bytes[32];
  X86Insn insn;
  memset (bytes, 0x66, sizeof bytes);
  ck_assert_int_eq (x86_decode (bytes, 15, X86_MODE_32, &insn), X86_DECODE_TOO_LONG);
  ck_assert_int_eq (x86_decode (bytes, 14, X86_MODE_32, &insn), X86_DECODE_NEED_MORE);
  bytes[14] = 0x90;
  ck_assert_int_eq (x86_decode (bytes, 15, X86_MODE_32, &insn), X86_DECODE_OK);
  ck_assert_uint_eq (insn.length, 15);
  bytes[14] = 0x04; /* its immediate is the sixteenth byte */
  ck_assert_int_eq (x86_decode (bytes, sizeof bytes, X86_MODE_32, &insn), X86_DECODE_TOO_LONG);
}
END_TEST

START_TEST (test_short_buffers) {
  X86Insn insn = decode_ok ("6781848088776655aabbccdd", X86_MODE_16);
  char whole[128], part[128];
  size_t length = x86_disasm (&insn, 0, whole, sizeof whole);
  for (size_t size = 1; size <= length; size++) {
    ck_assert_uint_eq (x86_disasm (&insn, 0, part, size), size - 1);
    ck_assert (strncmp (whole, part, size - 1) == 0);
  }
  ck_assert_uint_eq (x86_disasm (&insn, 0, part, 0), 0);
}
END_TEST

/* --- LOCK ----------------------------------------------------------------------------------------------- */

static bool
may_lock (X86Op op)
{
  switch (op) {
  case X86_OP_ADD:
  case X86_OP_OR:
  case X86_OP_ADC:
  case X86_OP_SBB:
  case X86_OP_AND:
  case X86_OP_SUB:
  case X86_OP_XOR:
  case X86_OP_NOT:
  case X86_OP_NEG:
  case X86_OP_INC:
  case X86_OP_DEC:
  case X86_OP_BTS:
  case X86_OP_BTR:
  case X86_OP_BTC:
  case X86_OP_XCHG:
  case X86_OP_XADD:
  case X86_OP_CMPXCHG:
  case X86_OP_CMPXCHG8B:
  case X86_OP_CMPXCHG16B: return true;
  default: return false;
  }
}

/* SDM vol. 2, LOCK: the list above, and only with memory as the destination. */
START_TEST (test_lock) {
  for (unsigned n = 0; n < 0x20000; n++) {
    uint8_t bytes[20] = { 0xf0 };
    size_t at = 1;
    X86Insn plain, locked;
    if (n & 0x10000) {
      bytes[at++] = 0x0f;
    }
    bytes[at++] = n >> 8;
    bytes[at++] = n;
    if (x86_decode (bytes + 1, sizeof bytes - 1, X86_MODE_32, &plain) != X86_DECODE_OK ||
        (plain.prefixes & X86_PREFIX_LOCK)) {
      continue;
    }
    bool legal = may_lock (plain.op) && plain.operand[0].kind == X86_OPERAND_MEM;
    X86DecodeResult result = x86_decode (bytes, sizeof bytes, X86_MODE_32, &locked);
    if (result != (legal ? X86_DECODE_OK : X86_DECODE_UD)) {
      ck_abort_msg ("lock %s", x86_op_name (plain.op));
    }
    HOLDS (locked.lock == legal);
    HOLDS (locked.length == plain.length + 1);
  }
}
END_TEST

/* --- columns -------------------------------------------------------------------------------------------- */

#define CF X86_FL_CF
#define PF X86_FL_PF
#define AF X86_FL_AF
#define ZF X86_FL_ZF
#define SF X86_FL_SF
#define OF X86_FL_OF
#define ALL6 X86_FL_ARITH

typedef struct FlagCase {
  const char *hex;
  uint32_t read, written, undefined, varying;
} FlagCase;

static const FlagCase flag_cases[] = {
  { "00c8", 0, ALL6, 0, 0 },                                   /* add */
  { "08c8", 0, ALL6 & ~AF, AF, 0 },                            /* or */
  { "11c8", CF, ALL6, 0, 0 },                                  /* adc */
  { "83d805", CF, ALL6, 0, 0 },                                /* sbb */
  { "2405", 0, ALL6 & ~AF, AF, 0 },                            /* and */
  { "29c8", 0, ALL6, 0, 0 },                                   /* sub */
  { "31c0", 0, ALL6 & ~AF, AF, 0 },                            /* xor */
  { "39c8", 0, ALL6, 0, 0 },                                   /* cmp */
  { "84c0", 0, ALL6 & ~AF, AF, 0 },                            /* test */
  { "40", 0, ALL6 & ~CF, 0, 0 },                               /* inc */
  { "fec8", 0, ALL6 & ~CF, 0, 0 },                             /* dec */
  { "f7d0", 0, 0, 0, 0 },                                      /* not */
  { "f7d8", 0, ALL6, 0, 0 },                                   /* neg */
  { "f7e1", 0, CF | OF, SF | ZF | AF | PF, 0 },                /* mul */
  { "0fafc1", 0, CF | OF, SF | ZF | AF | PF, 0 },              /* imul */
  { "f7f1", 0, 0, ALL6, 0 },                                   /* div */
  { "d1e0", 0, ALL6 & ~AF, AF, 0 },                            /* shl 1 */
  { "c1e000", 0, 0, 0, 0 },                                    /* shl 0 */
  { "c1e001", 0, ALL6 & ~AF, AF, 0 },                          /* shl by an immediate 1 */
  { "c1e020", 0, 0, 0, 0 },                                    /* 32 is masked to 0 */
  { "c1e005", 0, CF | PF | ZF | SF, OF | AF, 0 },              /* shl 5 */
  { "c0e009", 0, PF | ZF | SF, OF | AF | CF, 0 },              /* shl of a byte by more than its bits */
  { "c0f809", 0, CF | PF | ZF | SF, OF | AF, 0 },              /* sar keeps carry defined */
  { "d3e0", 0, ALL6 & ~AF, AF, OF },                           /* shl cl */
  { "d2e8", 0, ALL6 & ~AF, AF, OF | CF },                      /* shr of a byte by cl */
  { "d1c0", 0, CF | OF, 0, 0 },                                /* rol 1 */
  { "c1c008", 0, CF, OF, 0 },                                  /* rol 8 */
  { "d1d0", CF, CF | OF, 0, 0 },                               /* rcl 1 */
  { "c1d000", 0, 0, 0, 0 },                                    /* rcl 0 */
  { "d3d8", CF, CF | OF, 0, OF },                              /* rcr cl */
  { "0fa4c805", 0, CF | PF | ZF | SF, OF | AF, 0 },            /* shld 5 */
  { "660fa4c811", 0, 0, ALL6, 0 },                             /* shld of 16 bits by 17 */
  { "0fa3c8", 0, CF, OF | SF | AF | PF, 0 },                   /* bt */
  { "0fbcc1", 0, ZF, CF | OF | SF | AF | PF, 0 },              /* bsf */
  { "f30fbcc1", 0, CF | ZF, OF | SF | AF | PF, 0 },            /* tzcnt */
  { "27", CF | AF, CF | PF | AF | ZF | SF, OF, 0 },            /* daa */
  { "37", AF, CF | AF, OF | SF | ZF | PF, 0 },                 /* aaa */
  { "d40a", 0, SF | ZF | PF, OF | AF | CF, 0 },                /* aam */
  { "d6", CF, 0, 0, 0 },                                       /* salc */
  { "0fc708", 0, ZF, 0, 0 },                                   /* cmpxchg8b */
  { "0fb1c8", 0, ALL6, 0, 0 },                                 /* cmpxchg */
  { "7400", ZF, 0, 0, 0 },                                     /* je */
  { "0f4fc1", ZF | SF | OF, 0, 0, 0 },                         /* cmovg */
  { "0f97c0", CF | ZF, 0, 0, 0 },                              /* seta */
  { "dac9", ZF, 0, 0, 0 },                                     /* fcmove */
  { "dbf1", 0, ALL6, 0, 0 },                                   /* fcomi */
  { "a6", X86_FL_DF, ALL6, 0, 0 },                             /* cmps */
  { "a4", X86_FL_DF, 0, 0, 0 },                                /* movs */
  { "f5", CF, CF, 0, 0 },                                      /* cmc */
  { "9f", SF | ZF | AF | PF | CF, 0, 0, 0 },                   /* lahf */
  { "8d00", 0, 0, 0, 0 },                                      /* lea */
};

START_TEST (test_flags) {
  const FlagCase *c = &flag_cases[_i];
  X86Insn insn = decode_ok (c->hex, X86_MODE_32);
  ck_assert_msg (insn.flags_read == c->read, "%s reads %x", c->hex, insn.flags_read);
  ck_assert_msg (insn.flags_written == c->written, "%s writes %x", c->hex, insn.flags_written);
  ck_assert_msg (insn.flags_undefined == c->undefined, "%s undefines %x", c->hex, insn.flags_undefined);
  ck_assert_msg (insn.flags_varying == c->varying, "%s varies %x", c->hex, insn.flags_varying);
}
END_TEST

typedef struct AttributeCase {
  const char *hex;
  uint32_t has, has_not;
  uint8_t branch, unit, feature, access, align;
} AttributeCase;

#define PLAIN X86_BRANCH_NONE, X86_UNIT_INT, X86_FEATURE_NONE

static const AttributeCase attribute_cases[] = {
  { "f4", X86_A_PRIV0 | X86_A_ENDS_BLOCK, X86_A_IOPL, PLAIN, 0, 0 },
  { "fa", X86_A_IOPL, X86_A_PRIV0 | X86_A_INHIBIT, PLAIN, 0, 0 },
  { "fb", X86_A_IOPL | X86_A_INHIBIT, X86_A_PRIV0, PLAIN, 0, 0 },
  { "9c", X86_A_VM86 | X86_A_STACK, X86_A_PRIV0, PLAIN, 0, 0 },
  { "ec", X86_A_IO, X86_A_STRING, PLAIN, 0, 0 },
  { "6c", X86_A_IO | X86_A_STRING, 0, PLAIN, X86_ACCESS_W, 0 },
  { "f3a6", X86_A_STRING | X86_A_FLAGS_KEEP, 0, PLAIN, X86_ACCESS_R, 0 },
  { "8ed0", X86_A_INHIBIT | X86_A_ENDS_BLOCK, 0, PLAIN, 0, 0 },
  { "8ed8", X86_A_ENDS_BLOCK, X86_A_INHIBIT, PLAIN, 0, 0 },
  { "17", X86_A_INHIBIT | X86_A_STACK, 0, PLAIN, 0, 0 },
  { "0f0000", X86_A_PMODE_ONLY, X86_A_PRIV0, PLAIN, X86_ACCESS_W, 0 },
  { "0f0010", X86_A_PMODE_ONLY | X86_A_PRIV0, 0, PLAIN, X86_ACCESS_R, 0 },
  { "6308", X86_A_PMODE_ONLY, 0, PLAIN, X86_ACCESS_RW, 0 },
  { "0f0110", X86_A_PRIV0, X86_A_PMODE_ONLY, PLAIN, X86_ACCESS_R, 0 },
  { "0f22c0", X86_A_PRIV0 | X86_A_ENDS_BLOCK | X86_A_SERIALIZE, 0, PLAIN, 0, 0 },
  { "8700", X86_A_ATOMIC | X86_A_LOCKABLE, 0, PLAIN, X86_ACCESS_RW, 0 },
  { "8d00", 0, X86_A_LOCKABLE, PLAIN, X86_ACCESS_NONE, 0 },
  { "0100", X86_A_LOCKABLE, X86_A_ATOMIC, PLAIN, X86_ACCESS_RW, 0 },
  { "3900", 0, X86_A_LOCKABLE, PLAIN, X86_ACCESS_R, 0 },
  { "c3", X86_A_STACK, 0, X86_BRANCH_RET, X86_UNIT_INT, X86_FEATURE_NONE, 0, 0 },
  { "cd80", X86_A_VM86, X86_A_PRIV0, X86_BRANCH_INT, X86_UNIT_INT, X86_FEATURE_NONE, 0, 0 },
  { "cf", X86_A_VM86, X86_A_PRIV0, X86_BRANCH_IRET, X86_UNIT_INT, X86_FEATURE_NONE, 0, 0 },
  { "0f34", 0, X86_A_PRIV0, X86_BRANCH_SYSTEM, X86_UNIT_INT, X86_FEATURE_SEP, 0, 0 },
  { "d800", 0, X86_A_NO_WAIT, X86_BRANCH_NONE, X86_UNIT_X87, X86_FEATURE_FPU, X86_ACCESS_R, 0 },
  { "dd30", X86_A_NO_WAIT, 0, X86_BRANCH_NONE, X86_UNIT_X87, X86_FEATURE_FPU, X86_ACCESS_W, 0 },
  { "9b", 0, X86_A_NO_WAIT, X86_BRANCH_NONE, X86_UNIT_WAIT, X86_FEATURE_FPU, 0, 0 },
  { "0ffc00", 0, 0, X86_BRANCH_NONE, X86_UNIT_MMX, X86_FEATURE_MMX, X86_ACCESS_R, 0 },
  { "0fd400", 0, 0, X86_BRANCH_NONE, X86_UNIT_MMX, X86_FEATURE_SSE2, X86_ACCESS_R, 0 },
  { "0f2800", 0, X86_A_SSE_FP, X86_BRANCH_NONE, X86_UNIT_SSE, X86_FEATURE_SSE, X86_ACCESS_R, 16 },
  { "0f1000", X86_A_UNALIGNED, 0, X86_BRANCH_NONE, X86_UNIT_SSE, X86_FEATURE_SSE, X86_ACCESS_R, 0 },
  { "660f5800", X86_A_SSE_FP, 0, X86_BRANCH_NONE, X86_UNIT_SSE, X86_FEATURE_SSE2, X86_ACCESS_R, 16 },
  { "f30f5800", X86_A_SSE_FP, 0, X86_BRANCH_NONE, X86_UNIT_SSE, X86_FEATURE_SSE, X86_ACCESS_R, 0 },
  { "0f2a00", X86_A_MMX_STATE, 0, X86_BRANCH_NONE, X86_UNIT_SSE, X86_FEATURE_SSE, X86_ACCESS_R, 0 },
  { "0fae00", 0, 0, X86_BRANCH_NONE, X86_UNIT_FXSR, X86_FEATURE_FXSR, X86_ACCESS_W, 16 },
  { "660ff7c1", X86_A_NON_TEMPORAL, 0, X86_BRANCH_NONE, X86_UNIT_SSE, X86_FEATURE_SSE2, X86_ACCESS_W, 0 },
  { "0f1800", X86_A_HINT, 0, X86_BRANCH_NONE, X86_UNIT_INT, X86_FEATURE_SSE, X86_ACCESS_NONE, 0 },
};

START_TEST (test_attributes) {
  const AttributeCase *c = &attribute_cases[_i];
  X86Insn insn = decode_ok (c->hex, X86_MODE_32);
  ck_assert_msg ((insn.attributes & c->has) == c->has, "%s: %x", c->hex, insn.attributes);
  ck_assert_msg ((insn.attributes & c->has_not) == 0, "%s: %x", c->hex, insn.attributes);
  ck_assert_msg (insn.branch == c->branch && insn.unit == c->unit, "%s", c->hex);
  ck_assert_msg (insn.feature == c->feature, "%s: %s", c->hex, x86_feature_name (insn.feature));
  ck_assert_msg (insn.mem_access == c->access && insn.mem_align == c->align, "%s", c->hex);
}
END_TEST

/* --- single facts --------------------------------------------------------------------------------------- */

START_TEST (test_segments) {
  ck_assert_uint_eq (decode_ok ("8b4500", X86_MODE_32).operand[1].mem.seg, X86_SS);
  ck_assert_uint_eq (decode_ok ("8b0424", X86_MODE_32).operand[1].mem.seg, X86_SS);
  ck_assert_uint_eq (decode_ok ("8b0400", X86_MODE_32).operand[1].mem.seg, X86_DS);
  ck_assert_uint_eq (decode_ok ("8b0428", X86_MODE_32).operand[1].mem.seg, X86_DS); /* ebp as index */
  ck_assert_uint_eq (decode_ok ("8b02", X86_MODE_16).operand[1].mem.seg, X86_SS);
  ck_assert_uint_eq (decode_ok ("8b063412", X86_MODE_16).operand[1].mem.seg, X86_DS);
  ck_assert_uint_eq (decode_ok ("262e648b00", X86_MODE_32).operand[1].mem.seg, X86_FS);
  ck_assert_uint_eq (decode_ok ("64268b00", X86_MODE_32).operand[1].mem.seg, X86_ES);
  ck_assert_uint_eq (decode_ok ("64a4", X86_MODE_32).operand[0].mem.seg, X86_ES); /* the destination stays */
  ck_assert_uint_eq (decode_ok ("64a4", X86_MODE_32).operand[1].mem.seg, X86_FS);
  ck_assert_uint_eq (decode_ok ("268b00", X86_MODE_64).operand[1].mem.seg, X86_DS);
}
END_TEST

START_TEST (test_repeat) {
  ck_assert_uint_eq (decode_ok ("f3a4", X86_MODE_32).rep, X86_REP_PLAIN);
  ck_assert_uint_eq (decode_ok ("f2a4", X86_MODE_32).rep, X86_REP_PLAIN);
  ck_assert_uint_eq (decode_ok ("f3a6", X86_MODE_32).rep, X86_REP_E);
  ck_assert_uint_eq (decode_ok ("f2a6", X86_MODE_32).rep, X86_REP_NE);
  ck_assert_uint_eq (decode_ok ("f2f3ae", X86_MODE_32).rep, X86_REP_E);
  ck_assert_uint_eq (decode_ok ("f300c8", X86_MODE_32).rep, X86_REP_NONE);
}
END_TEST

START_TEST (test_branch_targets) {
  X86Insn insn = decode_ok ("ebfe", X86_MODE_32);
  ck_assert_uint_eq (x86_branch_target (&insn, 0x12345678), 0x12345678);
  insn = decode_ok ("66e90080", X86_MODE_32);
  ck_assert_uint_eq (x86_branch_target (&insn, 0x12345678), 0xd67c); /* truncated to 16 bits */
  insn = decode_ok ("e9fdff", X86_MODE_16);
  ck_assert_uint_eq (x86_branch_target (&insn, 0), 0);
  insn = decode_ok ("e900000080", X86_MODE_64);
  ck_assert_uint_eq (x86_branch_target (&insn, 0x100000000ull), 0x80000005ull);
}
END_TEST

START_TEST (test_immediates) {
  ck_assert_uint_eq (decode_ok ("83c0ff", X86_MODE_32).operand[1].imm, 0xffffffff);
  ck_assert_uint_eq (decode_ok ("6683c0ff", X86_MODE_32).operand[1].imm, 0xffff);
  ck_assert_uint_eq (decode_ok ("04ff", X86_MODE_32).operand[1].imm, 0xff);
  ck_assert_uint_eq (decode_ok ("4883c0ff", X86_MODE_64).operand[1].imm, UINT64_MAX);
  ck_assert_uint_eq (decode_ok ("4805ffffffff", X86_MODE_64).operand[1].imm, UINT64_MAX);
  ck_assert_uint_eq (decode_ok ("48b80102030405060708", X86_MODE_64).operand[1].imm, 0x0807060504030201ull);
}
END_TEST

START_TEST (test_mandatory_prefix) {
  ck_assert_uint_eq (decode_ok ("f3660f1000", X86_MODE_32).op, X86_OP_MOVSS);
  ck_assert_uint_eq (decode_ok ("f3660f1000", X86_MODE_32).mandatory, 0xf3);
  ck_assert_uint_eq (decode_ok ("f3f20f1000", X86_MODE_32).op, X86_OP_MOVSD);
  ck_assert_uint_eq (decode_ok ("660f1000", X86_MODE_32).op, X86_OP_MOVUPD);
  ck_assert_uint_eq (decode_ok ("660fd500", X86_MODE_32).mandatory, 0x66);
  ck_assert_uint_eq (decode_ok ("660fbcc0", X86_MODE_32).mandatory, 0); /* only an operand size */
  ck_assert_uint_eq (decode_ok ("660fbcc0", X86_MODE_32).opsize, 2);
  ck_assert_uint_eq (decode_ok ("66f30fb8c0", X86_MODE_32).opsize, 2);
}
END_TEST

START_TEST (test_without_feature) {
  X86Insn insn = decode_ok ("f30fbdc1", X86_MODE_32);
  ck_assert_uint_eq (insn.feature, X86_FEATURE_LZCNT);
  ck_assert (x86_insn_without_feature (&insn));
  ck_assert_uint_eq (insn.op, X86_OP_BSR);
  ck_assert_uint_eq (insn.flags_written, ZF);
  insn = decode_ok ("f30fb8c1", X86_MODE_32);
  ck_assert (!x86_insn_without_feature (&insn));
  insn = decode_ok ("0f1800", X86_MODE_32);
  ck_assert (x86_insn_without_feature (&insn));
  ck_assert_uint_eq (insn.op, X86_OP_NOP);
  ck_assert (!x86_insn_without_feature (&insn));
}
END_TEST

START_TEST (test_undefined_on_purpose) {
  X86Insn insn;
  ck_assert_int_eq (decode_hex ("0f0b", X86_MODE_32, &insn), X86_DECODE_UD);
  ck_assert_uint_eq (insn.op, X86_OP_UD2);
  ck_assert_int_eq (decode_hex ("0fb9c1", X86_MODE_32, &insn), X86_DECODE_UD);
  ck_assert_uint_eq (insn.op, X86_OP_UD1);
  ck_assert_int_eq (decode_hex ("0fffc1", X86_MODE_32, &insn), X86_DECODE_UD);
  ck_assert_uint_eq (insn.op, X86_OP_UD0);
  ck_assert_int_eq (decode_hex ("8ec8", X86_MODE_32, &insn), X86_DECODE_UD);
  ck_assert_uint_eq (insn.op, X86_OP_INVALID);
  ck_assert_uint_eq (insn.n_operands, 0);
}
END_TEST

/* --- VEX ------------------------------------------------------------------------------------------------ */

/* What decode.h says a host needs to emit an instruction again, put together in the long form. */
static size_t
emit_again (const X86Insn *insn, uint8_t bytes[X86_MAX_INSN_LENGTH])
{
  static const uint8_t mandatory[4] = { 0, 0x66, 0xf3, 0xf2 };
  uint8_t pp = 0;
  while (mandatory[pp] != insn->mandatory) {
    pp++;
  }
  size_t n = 0;
  bytes[n++] = 0xc4;
  bytes[n++] = (~insn->rex & 7) << 5 | insn->map;
  bytes[n++] = insn->vex.W << 7 | (~insn->vex.vvvv & 15) << 3 | insn->vex.L << 2 | pp;
  bytes[n++] = insn->opcode;
  if (insn->has_modrm) {
    bytes[n++] = insn->modrm;
  }
  if (insn->has_imm8) {
    bytes[n++] = insn->imm8;
  }
  return n;
}

static void
check_vex_value (const X86Insn *insn)
{
  uint8_t bytes[X86_MAX_INSN_LENGTH];
  X86Insn again;
  HOLDS (insn->vex.present);
  HOLDS (insn->unit == X86_UNIT_AVX || insn->unit == X86_UNIT_INT);
  HOLDS (insn->feature != X86_FEATURE_NONE);
  HOLDS (insn->attributes & X86_A_PMODE_ONLY);
  HOLDS (!insn->lock && insn->rep == X86_REP_NONE);
  HOLDS (insn->mem_operand < 0 || insn->mem_align == 0 ||
         insn->mem_align == insn->operand[insn->mem_operand].size);
  if (insn->mem_operand < 0) {
    size_t n = emit_again (insn, bytes);
    HOLDS (x86_decode (bytes, n, insn->mode, &again) == X86_DECODE_OK);
    HOLDS (again.length == n && again.op == insn->op);
    HOLDS (memcmp (again.operand, insn->operand, sizeof insn->operand) == 0);
  }
}

/* Every map, prefix, length, W and opcode, with vvvv used or not, over a register or memory. */
START_TEST (test_every_vex_slot) {
  uint64_t state = 42;
  unsigned accepted = 0;
  for (unsigned n = 0; n < 3 * 8 * 0x2000; n++) {
    uint64_t r = next_random (&state);
    uint8_t bytes[16] = { 0xc4 };
    X86Insn insn;
    bytes[1] = (r & 0x20) | 0xc0 | ((n >> 13) & 7);
    bytes[2] = ((n >> 12) & 1) << 7 | (r & 0x100 ? 0x78 : (r >> 9) & 0x78) | ((n >> 8) & 7);
    bytes[3] = n;
    bytes[4] = r >> 32;
    X86DecodeResult result = x86_decode (bytes, sizeof bytes, all_modes[n >> 16], &insn);
    HOLDS (result == X86_DECODE_OK || result == X86_DECODE_UD);
    if (result == X86_DECODE_OK) {
      check_value (&insn);
      check_vex_value (&insn);
      accepted++;
    }
  }
  ck_assert_uint_gt (accepted, 5000);
}
END_TEST

typedef struct VexCase {
  const char *hex;
  uint8_t L, W, vvvv, unit, feature, align;
  uint8_t size, access[4]; /* of operand 0, and of each */
} VexCase;

enum { AR = X86_ACCESS_R, AW = X86_ACCESS_W, ARW = X86_ACCESS_RW };

static const VexCase vex_cases[] = {
  /* one row of the tables for both encodings: the source that vvvv names is not written */
  { "c5f058c2", 0, 0, 1, X86_UNIT_AVX, X86_FEATURE_AVX, 0, 16, { AW, AR, AR } },          /* vaddps */
  { "c4417458c2", 1, 0, 1, X86_UNIT_AVX, X86_FEATURE_AVX, 0, 32, { AW, AR, AR } },
  { "c5f1fc00", 0, 0, 1, X86_UNIT_AVX, X86_FEATURE_AVX, 0, 16, { AW, AR, AR } },          /* vpaddb */
  { "c5f5fc00", 1, 0, 1, X86_UNIT_AVX, X86_FEATURE_AVX2, 0, 32, { AW, AR, AR } },
  { "c4e271dcc2", 0, 0, 1, X86_UNIT_AVX, X86_FEATURE_AES, 0, 16, { AW, AR, AR } },        /* vaesenc */
  { "c4e275dcc2", 1, 0, 1, X86_UNIT_AVX, X86_FEATURE_VAES, 0, 32, { AW, AR, AR } },
  { "c4e37544c211", 1, 0, 1, X86_UNIT_AVX, X86_FEATURE_VPCLMULQDQ, 0, 32, { AW, AR, AR, AR } },
  { "c5f172d103", 0, 0, 1, X86_UNIT_AVX, X86_FEATURE_AVX, 0, 16, { AW, AR, AR } },        /* vpsrld */
  { "c5fa1000", 0, 0, 0, X86_UNIT_AVX, X86_FEATURE_AVX, 0, 4, { AW, AR } },               /* vmovss */
  { "c5f210c2", 0, 0, 1, X86_UNIT_AVX, X86_FEATURE_AVX, 0, 4, { AW, AR, AR } },
  /* memory has an alignment where the name says so, and then that of its size */
  { "c5f82800", 0, 0, 0, X86_UNIT_AVX, X86_FEATURE_AVX, 16, 16, { AW, AR } },             /* vmovaps */
  { "c5fd7f00", 1, 0, 0, X86_UNIT_AVX, X86_FEATURE_AVX, 32, 32, { AW, AR } },             /* vmovdqa */
  { "c5fde700", 1, 0, 0, X86_UNIT_AVX, X86_FEATURE_AVX, 32, 32, { AW, AR } },             /* vmovntdq */
  { "c4e27d2a00", 1, 0, 0, X86_UNIT_AVX, X86_FEATURE_AVX2, 32, 32, { AW, AR } },          /* vmovntdqa */
  { "c5fc1000", 1, 0, 0, X86_UNIT_AVX, X86_FEATURE_AVX, 0, 32, { AW, AR } },              /* vmovups */
  /* no SSE form */
  { "c4e2f598c2", 1, 1, 1, X86_UNIT_AVX, X86_FEATURE_FMA, 0, 32, { ARW, AR, AR } },       /* vfmadd132pd */
  { "c4e27918c1", 0, 0, 0, X86_UNIT_AVX, X86_FEATURE_AVX2, 0, 16, { AW, AR } },           /* vbroadcastss */
  { "c4e2791800", 0, 0, 0, X86_UNIT_AVX, X86_FEATURE_AVX, 0, 16, { AW, AR } },
  { "c4e26990040b", 0, 0, 2, X86_UNIT_AVX, X86_FEATURE_AVX2, 0, 16, { ARW, AR, ARW } },   /* vpgatherdd */
  { "c4e3714ac2b0", 0, 0, 1, X86_UNIT_AVX, X86_FEATURE_AVX, 0, 16, { AW, AR, AR, AR } },  /* vblendvps */
  { "c4e27d13c1", 1, 0, 0, X86_UNIT_AVX, X86_FEATURE_F16C, 0, 32, { AW, AR } },           /* vcvtph2ps */
  { "c5f877", 0, 0, 0, X86_UNIT_AVX, X86_FEATURE_AVX, 0, 0, { 0 } },                      /* vzeroupper */
  /* general registers: neither CR0.TS nor XCR0 matters */
  { "c4e270f2c2", 0, 0, 1, X86_UNIT_INT, X86_FEATURE_BMI1, 0, 4, { AW, AR, AR } },        /* andn */
  { "c4e2f0f3d9", 0, 1, 1, X86_UNIT_INT, X86_FEATURE_BMI1, 0, 8, { AW, AR } },            /* blsi */
  { "c4e2f3f6c2", 0, 1, 1, X86_UNIT_INT, X86_FEATURE_BMI2, 0, 8, { AW, AW, AR } },        /* mulx */
  { "c4e3fbf0c105", 0, 1, 0, X86_UNIT_INT, X86_FEATURE_BMI2, 0, 8, { AW, AR, AR } },      /* rorx */
};

START_TEST (test_vex) {
  const VexCase *c = &vex_cases[_i];
  X86Insn insn = decode_ok (c->hex, X86_MODE_64);
  const X86Vex vex = insn.vex;
  ck_assert_msg (vex.present && vex.L == c->L && vex.W == c->W && vex.vvvv == c->vvvv, "%s", c->hex);
  ck_assert_msg (insn.unit == c->unit && insn.feature == c->feature, "%s: %s", c->hex,
                 x86_feature_name (insn.feature));
  ck_assert_msg (insn.mem_align == c->align, "%s: aligned to %u", c->hex, insn.mem_align);
  ck_assert_msg (insn.operand[0].size == c->size, "%s: %u bytes", c->hex, insn.operand[0].size);
  for (unsigned i = 0; i < X86_MAX_OPERANDS; i++) {
    ck_assert_msg (insn.operand[i].access == c->access[i], "%s: operand %u", c->hex, i);
  }
}
END_TEST

START_TEST (test_vex_registers) {
  X86Insn insn = decode_ok ("c4017154c2", X86_MODE_64);
  ck_assert_uint_eq (insn.operand[0].reg, 8);
  ck_assert_uint_eq (insn.operand[1].reg, 1);
  ck_assert_uint_eq (insn.operand[2].reg, 10);
  insn = decode_ok ("c4a2ed92440a10", X86_MODE_64); /* vgatherdpd: four indices of four bytes each */
  ck_assert_uint_eq (insn.operand[1].mem.vsib, 16);
  ck_assert_uint_eq (insn.operand[1].mem.index, 9);
  ck_assert_uint_eq (insn.operand[1].size, 8);
  insn = decode_ok ("c4a2ed93440a10", X86_MODE_64);
  ck_assert_uint_eq (insn.operand[1].mem.vsib, 32);
  insn = decode_ok ("c4a2ed93442210", X86_MODE_64); /* 4 is an index like the others */
  ck_assert_uint_eq (insn.operand[1].mem.index, 12);
}
END_TEST

/* --- suite ---------------------------------------------------------------------------------------------- */

int
main (void)
{
  Suite *suite = suite_create ("target-i386/decode");
  TCase *tests = tcase_create ("decode");
  tcase_set_timeout (tests, 60);
  tcase_add_test (tests, test_cases);
  tcase_add_test (tests, test_random_bytes);
  tcase_add_test (tests, test_every_slot);
  tcase_add_test (tests, test_reads_only_what_is_there);
  tcase_add_test (tests, test_too_long);
  tcase_add_test (tests, test_short_buffers);
  tcase_add_test (tests, test_lock);
  tcase_add_loop_test (tests, test_flags, 0, sizeof flag_cases / sizeof flag_cases[0]);
  tcase_add_loop_test (tests, test_attributes, 0, sizeof attribute_cases / sizeof attribute_cases[0]);
  tcase_add_test (tests, test_segments);
  tcase_add_test (tests, test_repeat);
  tcase_add_test (tests, test_branch_targets);
  tcase_add_test (tests, test_immediates);
  tcase_add_test (tests, test_mandatory_prefix);
  tcase_add_test (tests, test_without_feature);
  tcase_add_test (tests, test_undefined_on_purpose);
  tcase_add_test (tests, test_every_vex_slot);
  tcase_add_loop_test (tests, test_vex, 0, sizeof vex_cases / sizeof vex_cases[0]);
  tcase_add_test (tests, test_vex_registers);
  suite_add_tcase (suite, tests);
  return suite_run (suite);
}
