/* test-tcg-trace-champsim.c -- ChampSim's records of instructions that are known. */
/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include "tcg-instr/tcg-trace-champsim.h"
#include "../suite.h"

enum { IP = CHAMPSIM_INSTRUCTION_POINTER, SP = CHAMPSIM_STACK_POINTER, FL = CHAMPSIM_FLAGS, RAX = 10, RCX = 9, RBX = 7 };
enum { G_RAX = 0, G_RCX = 1, G_RBX = 3, G_RSP = 4, G_RIP = 16, G_FLAGS = 17 };

typedef struct Sample {
  const char *name;
  BpInsn insn;
  uint8_t n_read, read[4], n_written, written[4];
  uint8_t sources[4], destinations[2];
  int kind;                     /* ChampSim's own, below */
} Sample;

enum { DIRECT_JUMP, INDIRECT_JUMP, CONDITIONAL_JUMP, DIRECT_CALL, INDIRECT_CALL, RETURNS, OTHER_BRANCH, NONE };

#define INSN(k, at, n, class_, flags_) { .id = (k), .address = (at), .size = (n), .insn_class = (class_), .flags = (flags_), .target = UINT64_MAX }
static const Sample samples[] = {
  { "add %rcx,%rax", INSN (0, 0x1000, 3, BP_CLASS_ARITHMETIC, 0), 2, { G_RAX, G_RCX }, 2, { G_FLAGS, G_RAX }, { RAX, RCX }, { RAX, FL }, NONE },
  { "mov 8(%rip),%rax", INSN (1, 0x1003, 7, BP_CLASS_MOVE, BP_INSN_LOADS), 1, { G_RIP }, 1, { G_RAX }, { 0 }, { RAX }, NONE },
  { "push %rbx", INSN (2, 0x100a, 1, BP_CLASS_MOVE, BP_INSN_STORES), 2, { G_RBX, G_RSP }, 1, { G_RSP }, { RBX, SP }, { SP }, NONE },
  { "jz", INSN (3, 0x100b, 2, BP_CLASS_BRANCH, BP_INSN_BRANCH | BP_INSN_CONDITIONAL), 2, { G_FLAGS, G_RIP }, 1, { G_RIP }, { IP, FL }, { IP }, CONDITIONAL_JUMP },
  { "jrcxz", INSN (4, 0x100d, 2, BP_CLASS_BRANCH, BP_INSN_BRANCH | BP_INSN_CONDITIONAL), 1, { G_RCX }, 0, { 0 }, { IP, RCX }, { IP }, CONDITIONAL_JUMP },
  { "loop", INSN (5, 0x100f, 2, BP_CLASS_BRANCH, BP_INSN_BRANCH | BP_INSN_CONDITIONAL), 1, { G_RCX }, 1, { G_RCX }, { IP, RCX }, { IP, RCX }, CONDITIONAL_JUMP },
  { "jmp", INSN (6, 0x1011, 2, BP_CLASS_JUMP, BP_INSN_BRANCH), 0, { 0 }, 0, { 0 }, { IP }, { IP }, DIRECT_JUMP },
  { "jmp *%rax", INSN (7, 0x1013, 2, BP_CLASS_JUMP, BP_INSN_BRANCH | BP_INSN_INDIRECT), 1, { G_RAX }, 0, { 0 }, { RAX }, { IP }, INDIRECT_JUMP },
  { "jmp *8(%rip)", INSN (8, 0x1015, 6, BP_CLASS_JUMP, BP_INSN_BRANCH | BP_INSN_INDIRECT | BP_INSN_LOADS), 1, { G_RIP }, 0, { 0 }, { CHAMPSIM_UNNAMED }, { IP },
    INDIRECT_JUMP },
  { "call", INSN (9, 0x101b, 5, BP_CLASS_CALL, BP_INSN_BRANCH | BP_INSN_CALL | BP_INSN_STORES), 1, { G_RSP }, 1, { G_RSP }, { IP, SP }, { IP, SP }, DIRECT_CALL },
  { "call *%rbx", INSN (10, 0x1020, 2, BP_CLASS_CALL, BP_INSN_BRANCH | BP_INSN_CALL | BP_INSN_INDIRECT | BP_INSN_STORES), 2, { G_RSP, G_RBX }, 1, { G_RSP },
    { IP, SP, RBX }, { IP, SP }, INDIRECT_CALL },
  { "ret", INSN (11, 0x1022, 1, BP_CLASS_RETURN, BP_INSN_BRANCH | BP_INSN_RETURN | BP_INSN_INDIRECT | BP_INSN_LOADS), 1, { G_RSP }, 1, { G_RSP }, { SP }, { IP, SP },
    RETURNS },
  { "syscall", INSN (12, 0x1023, 2, BP_CLASS_SYSTEM_CALL, BP_INSN_BRANCH | BP_INSN_INDIRECT), 0, { 0 }, 2, { G_RCX, 11 }, { FL }, { IP }, OTHER_BRANCH },
  { "xmm", INSN (13, 0x1025, 4, BP_CLASS_VECTOR_FLOAT, 0), 2, { 32, 47 }, 1, { 48 }, { 64, 79 }, { 80 }, NONE },
};

static bool
sample_registers (void *user, const BpInsn *insn, BpInsnRegisters *out)
{
  const Sample *s = &samples[insn->id];
  out->n_read = s->n_read;
  out->n_written = s->n_written;
  memcpy (out->read, s->read, sizeof s->read);
  memcpy (out->written, s->written, sizeof s->written);
  return true;
}

static GArray *emitted;

static void emit (void *user, const ChampsimRecord *records, size_t n) { g_array_append_vals (emitted, records, (guint) n); }

static bool
has (const uint8_t *set, unsigned n, uint8_t r)
{
  for (unsigned i = 0; i < n; i++)
    if (set[i] == r)
      return true;
  return false;
}

/* How ChampSim tells the kinds apart, from what its documentation says of registers. */
static int
champsim_kind (const ChampsimRecord *r)
{
  bool reads_ip = has (r->source_registers, 4, IP), reads_sp = has (r->source_registers, 4, SP), reads_flags = has (r->source_registers, 4, FL);
  bool writes_ip = has (r->destination_registers, 2, IP), writes_sp = has (r->destination_registers, 2, SP), reads_other = false;
  for (unsigned i = 0; i < 4; i++)
    reads_other |= r->source_registers[i] && r->source_registers[i] != IP && r->source_registers[i] != SP && r->source_registers[i] != FL;
  if (!writes_ip)
    return NONE;
  if (writes_sp && reads_sp)
    return !reads_ip ? RETURNS : reads_flags ? OTHER_BRANCH : reads_other ? INDIRECT_CALL : DIRECT_CALL;
  if (reads_sp)
    return OTHER_BRANCH;
  if (!reads_flags && !reads_other)
    return DIRECT_JUMP;
  if (!reads_ip)
    return reads_flags ? OTHER_BRANCH : INDIRECT_JUMP;
  return writes_sp ? OTHER_BRANCH : CONDITIONAL_JUMP;
}

START_TEST (test_champsim_registers)
{
  Champsim *c = champsim_new (sample_registers, emit, NULL);
  g_array_set_size (emitted, 0);
  for (unsigned i = 0; i < G_N_ELEMENTS (samples); i++)
    champsim_insn (c, &samples[i].insn, NULL, 0);
  champsim_finish (c);
  champsim_free (c);
  ck_assert_uint_eq (emitted->len, G_N_ELEMENTS (samples));
  for (unsigned i = 0; i < emitted->len; i++) {
    const ChampsimRecord *r = &g_array_index (emitted, ChampsimRecord, i);
    const Sample *s = &samples[i];
    ck_assert_uint_eq (r->ip, s->insn.address);
    ck_assert_msg (!memcmp (r->source_registers, s->sources, 4), "sources of %s: %u %u %u %u", s->name, r->source_registers[0], r->source_registers[1],
                   r->source_registers[2], r->source_registers[3]);
    ck_assert_msg (!memcmp (r->destination_registers, s->destinations, 2), "destinations of %s", s->name);
    ck_assert_msg (champsim_kind (r) == s->kind, "kind of %s: %d", s->name, champsim_kind (r));
    ck_assert_int_eq (r->is_branch, s->kind != NONE);
    /* conditional ones fall through here, all others go somewhere */
    ck_assert_msg (r->branch_taken == (s->kind != NONE && s->kind != CONDITIONAL_JUMP), "%s taken: %u", s->name, r->branch_taken);
  }
}
END_TEST

START_TEST (test_champsim_taken)
{
  const BpInsn *add = &samples[0].insn, *jz = &samples[3].insn, *next = &samples[4].insn;
  struct { const BpInsn *after; uint64_t interrupted; int taken; } cases[] = { { add, 0, 1 }, { next, 0, 0 }, { add, 0x100d, 0 }, { next, 0x2000, 1 } };
  for (unsigned i = 0; i < G_N_ELEMENTS (cases); i++) {
    Champsim *c = champsim_new (sample_registers, emit, NULL);
    g_array_set_size (emitted, 0);
    champsim_insn (c, jz, NULL, 0);
    if (cases[i].interrupted)
      champsim_interrupted (c, cases[i].interrupted);
    champsim_insn (c, cases[i].after, NULL, 0);
    champsim_free (c);
    ck_assert_uint_eq (emitted->len, 1);
    ck_assert_int_eq (g_array_index (emitted, ChampsimRecord, 0).branch_taken, cases[i].taken);
  }
}
END_TEST

static guint
champsim_memory (const TraceAccess *a, unsigned n)
{
  Champsim *c = champsim_new (sample_registers, emit, NULL);
  g_array_set_size (emitted, 0);
  champsim_insn (c, &samples[1].insn, a, n);
  champsim_finish (c);
  champsim_free (c);
  return emitted->len;
}

START_TEST (test_champsim_memory)
{
  const ChampsimRecord *r;
  TraceAccess one = { .address = 0x2010, .bytes = 8 };
  ck_assert_uint_eq (champsim_memory (&one, 1), 1);
  r = &g_array_index (emitted, ChampsimRecord, 0);
  ck_assert_uint_eq (r->source_memory[0], 0x2010);
  ck_assert_uint_eq (r->source_memory[1], 0);
  ck_assert_uint_eq (r->destination_memory[0], 0);

  TraceAccess crossing = { .address = 0x203c, .bytes = 8, .is_store = true };
  ck_assert_uint_eq (champsim_memory (&crossing, 1), 1);
  r = &g_array_index (emitted, ChampsimRecord, 0);
  ck_assert_uint_eq (r->destination_memory[0], 0x203c);
  ck_assert_uint_eq (r->destination_memory[1], 0x2040);

  /* behind the last address comes the first one, which ChampSim takes for none */
  TraceAccess around = { .address = UINT64_MAX - 1, .bytes = 4 };
  ck_assert_uint_eq (champsim_memory (&around, 1), 1);
  r = &g_array_index (emitted, ChampsimRecord, 0);
  ck_assert_uint_eq (r->source_memory[0], UINT64_MAX - 1);
  ck_assert_uint_eq (r->source_memory[1], 0);

  /* eight bytes of one line are one */
  TraceAccess bytes[8];
  for (unsigned i = 0; i < 8; i++)
    bytes[i] = (TraceAccess) { .address = 0x3000 + i, .bytes = 1 };
  ck_assert_uint_eq (champsim_memory (bytes, 8), 1);
  ck_assert_uint_eq (g_array_index (emitted, ChampsimRecord, 0).source_memory[1], 0);

  /* rep movs of ten lines: two stores a record, no line is lost */
  TraceAccess moves[20];
  for (unsigned i = 0; i < 10; i++) {
    moves[2 * i] = (TraceAccess) { .address = 0x4000 + i * 64, .bytes = 64 };
    moves[2 * i + 1] = (TraceAccess) { .address = 0x8000 + i * 64, .bytes = 64, .is_store = true };
  }
  ck_assert_uint_eq (champsim_memory (moves, 20), 5);
  unsigned loads = 0, stores = 0;
  for (guint i = 0; i < emitted->len; i++) {
    r = &g_array_index (emitted, ChampsimRecord, i);
    ck_assert_uint_eq (r->ip, samples[1].insn.address);
    for (unsigned k = 0; k < 4; k++)
      if (r->source_memory[k])
        ck_assert_uint_eq (r->source_memory[k], 0x4000 + 64 * loads++);
    for (unsigned k = 0; k < 2; k++)
      if (r->destination_memory[k])
        ck_assert_uint_eq (r->destination_memory[k], 0x8000 + 64 * stores++);
  }
  ck_assert_uint_eq (loads, 10);
  ck_assert_uint_eq (stores, 10);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("tcg-trace-champsim");
  TCase *c = tcase_create ("tcg-trace-champsim");
  emitted = g_array_new (FALSE, FALSE, sizeof (ChampsimRecord));
  tcase_add_test (c, test_champsim_registers);
  tcase_add_test (c, test_champsim_taken);
  tcase_add_test (c, test_champsim_memory);
  suite_add_tcase (suite, c);
  int failed = suite_run (suite);
  g_array_unref (emitted);
  return failed;
}
