/* test-share.c -- shared probes against a plain model of memory that changes under them. */
/* SPDX-License-Identifier: MIT */
#include "backend.h"
#include "host-x64/host.h"
#include "../suite.h"
#include <check.h>
#include <string.h>

/* --- a CPU ------------------------------------------------------------------------------- */

typedef struct Cpu {
  BpTcgArea area;
  uint64_t r[10];
  TlbEntry tlb[16];
} Cpu;

#define R(i, n) { n, (uint32_t) offsetof (Cpu, r[i]), BP_IR_I64, 1 }
static const BpIrGlobal globals[] = {
  R (0, "r0"), R (1, "r1"), R (2, "r2"), R (3, "r3"), R (4, "r4"),
  R (5, "r5"), R (6, "r6"), R (7, "r7"), R (8, "r8"), R (9, "r9"),
};

static const BpTcgFrontend frontend = {
  .struct_size = sizeof frontend, .name = "test", .globals = globals, .n_globals = G_N_ELEMENTS (globals),
  .address_bits = 64, .n_mmu_indexes = 1,
};

static Cpu *cpu;
static CodeBuffer buffer;
static BpIrBlock ir;
static unsigned slow_accesses;

static BpTemp g (unsigned i) { return bp_ir_global (i); }
static BpTemp t64 (void) { return bp_ir_local (&ir, BP_IR_I64); }

/* --- its memory ---------------------------------------------------------------------------- */

/* A page is one of several buffers; an access to page
 * MODEL_DEVICE exchanges the buffers of all others and empties the TLB. */
#define MODEL_PAGES 16
#define MODEL_DEVICE 7u

typedef struct Model {
  bool exchanged;
  uint8_t memory[2 * MODEL_PAGES][4096];
} Model;
static Model model;

static uint8_t *
model_byte (Model *m, uint64_t address)
{
  unsigned at = (address >> 12) % MODEL_PAGES;
  return &m->memory[at + (m->exchanged ? MODEL_PAGES : 0)][address & 0xfff];
}

static uint64_t
model_do (Model *m, uint64_t address, uint64_t value, BpMemOp memop, bool store)
{
  const uint64_t mask = memop & BP_MO_ADDR64 ? ~(uint64_t) 0 : 0xffffffffu;
  unsigned n = BP_MO_BYTES (memop), unused = 64 - 8 * n;
  uint64_t loaded = 0;
  for (unsigned i = 0; i < n; i++) {
    if (store)
      *model_byte (m, (address + i) & mask) = (uint8_t) (value >> 8 * i);
    loaded |= (uint64_t) *model_byte (m, (address + i) & mask) << 8 * i;
  }
  if (((address & mask) >> 12) % MODEL_PAGES == MODEL_DEVICE)
    m->exchanged = !m->exchanged;
  return memop & BP_MO_SIGN ? (uint64_t) ((int64_t) (loaded << unused) >> unused) : loaded;
}

static uint64_t
model_access (uint64_t at, uint64_t value, BpMemOp memop, bool store)
{
  g_assert ((memop & BP_MO_ADDR64) || !(at >> 32));
  slow_accesses++;
  uint64_t result = model_do (&model, at, value, memop, store);
  if ((at >> 12) % MODEL_PAGES == MODEL_DEVICE) {
    for (unsigned i = 0; i < 16; i++)
      cpu->tlb[i] = (TlbEntry) { TLB_INVALID, TLB_INVALID, TLB_INVALID, 0 };
  } else {
    uint64_t tag = at & TLB_PAGE_MASK, read_only = (at >> 12) % 3 == 1 ? TLB_WATCHED : 0;
    cpu->tlb[(at >> 12) & 15] = (TlbEntry) { tag, tag | read_only, TLB_INVALID,
                                             (uintptr_t) model_byte (&model, tag) - tag };
  }
  return result;
}

uint64_t
tcg_slow_load (void *env, uint64_t address, BpMemOp memop)
{
  return model_access (address, 0, memop, false);
}

void
tcg_slow_store (void *env, uint64_t address, uint64_t value, BpMemOp memop)
{
  model_access (address, value, memop, true);
}

/* Not reached here. */
uint64_t
tcg_slow_atomic (void *env, uint64_t address, uint64_t value, BpMemOp memop, uint32_t op)
{
  g_assert_not_reached ();
}

uint64_t
tcg_slow_cmpxchg (void *env, uint64_t address, uint64_t expected, uint64_t desired, BpMemOp memop)
{
  g_assert_not_reached ();
}

void *tcg_native_operand (void *env, uint64_t address, uint32_t aux) { g_assert_not_reached (); }
void tcg_native_commit (void *env, uint64_t address, uint32_t aux) { g_assert_not_reached (); }
void tcg_slow_record (void *env, uint64_t address, uint64_t value, uint64_t imm, uint32_t aux) { g_assert_not_reached (); }
void tcg_ring_full (void *env, uint32_t channel) { g_assert_not_reached (); }
const void *tcg_lookup (void *env, uint64_t pc, unsigned exit) { g_assert_not_reached (); }
const void *tcg_continue (void *env) { g_assert_not_reached (); }
void tcg_leave_block (void *env) { g_assert_not_reached (); }

/* --- running ---------------------------------------------------------------------------------- */

static void
setup (void)
{
  GError *error = NULL;
  cpu = g_aligned_alloc0 (1, sizeof *cpu, 64);
  ck_assert (code_buffer_init (&buffer, 1 << 20, &error));
  ck_assert (backend_x64.begin (&buffer, &frontend, &error));
  bp_ir_block_init (&ir, globals, G_N_ELEMENTS (globals), NULL);
  for (unsigned i = 0; i < 16; i++)
    cpu->tlb[i] = (TlbEntry) { TLB_INVALID, TLB_INVALID, TLB_INVALID, 0 };
  tcg_vcpu (cpu)->tlb[0] = (TlbFast) { 15 << 5, cpu->tlb };
}

static void
teardown (void)
{
  code_buffer_finish (&buffer);
  bp_ir_block_finish (&ir);
  g_aligned_free (cpu);
}

static void
run_once (bool is_loop)
{
  Tb *tb = g_aligned_alloc0 (1, sizeof *tb, 64);
  tb->is_loop = is_loop;
  BackendBlock block = { .tb = tb, .frontend = &frontend, .buffer = &buffer };
  bp_ir_exit_tb (&ir, BP_IR_EXIT_NONE);
  ck_assert (backend_x64.compile (&block, &ir));
  bp_ir_block_reset (&ir);
  ck_assert_uint_eq (TCG_EXIT_NUMBER (backend_x64.execute (cpu, tb)), TCG_EXIT_NONE);
  g_aligned_free (tb);
}

/* Random accesses through few bases, near page borders and the ends of both address spaces, against a plain
 * model. */
static void
shared_block (GRand *rng, unsigned round, Model *want, uint64_t *r)
{
  static const uint64_t spaces[] = { 0, 0, 0xffffffff00000000u, 0x00007f1200000000u };
  for (unsigned k = 0; k < 2; k++) {
    uint64_t border = (uint64_t) g_rand_int_range (rng, 0, 17) << (g_rand_boolean (rng) ? 12 : 28);
    r[k] = border + (uint64_t) (int64_t) g_rand_int_range (rng, -90, 90) + spaces[g_rand_int_range (rng, 0, 4)];
    cpu->r[k] = r[k];
  }
  bool mixed = round & 4;
  BpIrType type = round & 8 ? BP_IR_I64 : BP_IR_I32;
  for (unsigned i = 0; i < 14; i++) {
    unsigned k = g_rand_int_range (rng, 0, 8) < 6 ? 0 : 1, size = (unsigned) g_rand_int_range (rng, 0, 4);
    int32_t disp = g_rand_int_range (rng, -70, 70);
    if (mixed)
      type = g_rand_boolean (rng) ? BP_IR_I64 : BP_IR_I32;
    bool wide = type == BP_IR_I64;
    BpMemOp memop = size | (g_rand_boolean (rng) ? BP_MO_SIGN : 0) | (wide ? BP_MO_ADDR64 : 0), plain = memop & ~BP_MO_SIGN;
    BpTemp address = bp_ir_local (&ir, mixed ? BP_IR_I64 : type), value = t64 ();
    uint64_t at = r[k] + (uint64_t) (int64_t) disp;
    if (!wide)
      at = (uint32_t) at;
    if (round & 2 && k == 1) {  /* a constant address */
      address = bp_ir_const (&ir, type, (int64_t) at);
    } else {
      bp_ir_op3 (&ir, BP_IR_add, type, address, g (k), bp_ir_const (&ir, type, disp));
    }
    unsigned x = (unsigned) g_rand_int_range (rng, 2, 10);
    switch (g_rand_int_range (rng, 0, 5)) {
    case 0:
      bp_ir_gst (&ir, g (x), address, plain);
      model_do (want, at, r[x], plain, true);
      break;
    case 1:                     /* read, modify, write */
      bp_ir_gld (&ir, BP_IR_I64, value, address, plain);
      bp_ir_op3 (&ir, BP_IR_add, BP_IR_I64, value, value, g (x));
      bp_ir_gst (&ir, value, address, plain);
      uint64_t sum = model_do (want, at, 0, plain, false) + r[x];
      model_do (want, at, sum, plain, true);
      break;
    case 2:                     /* the base moves, as a stack pointer does */
      bp_ir_gst (&ir, g (x), address, plain);
      model_do (want, at, r[x], plain, true);
      bp_ir_mov (&ir, type, g (k), address);
      r[k] = at;
      break;
    case 3:                     /* where the base goes is in memory: of a loop, the addend is guessed */
      bp_ir_gld (&ir, BP_IR_I64, value, address, plain);
      bp_ir_op3 (&ir, BP_IR_and, BP_IR_I64, value, value, bp_ir_const (&ir, BP_IR_I64, 3));
      bp_ir_op3 (&ir, BP_IR_add, type, g (k), address, value);
      r[k] = at + (model_do (want, at, 0, plain, false) & 3);
      if (!wide)
        r[k] = (uint32_t) r[k];
      break;
    default:
      bp_ir_gld (&ir, BP_IR_I64, g (x), address, memop);
      r[x] = model_do (want, at, 0, memop, false);
    }
  }
}

START_TEST (test_shared_probes)
{
  GRand *rng = g_rand_new_with_seed (20);
  static Model want;
  unsigned accesses = 0, features = x64_host.cpu;
  CodeBuffer before = buffer;
  for (unsigned i = 0; i < 2 * MODEL_PAGES; i++)
    for (unsigned k = 0; k < 4096; k++)
      model.memory[i][k] = (uint8_t) g_rand_int (rng);
  want = model;
  for (unsigned round = 0; round < 4000; round++) {
    uint64_t r[10];
    memcpy (r, cpu->r, sizeof r);
    x64_host.cpu = round & 1 ? 0 : features;
    shared_block (rng, round, &want, r);
    slow_accesses = 0;
    run_once (round & 16);
    accesses += slow_accesses;
    for (unsigned i = 0; i < 10; i++)
      ck_assert_msg (cpu->r[i] == r[i], "round %u: r%u is %#lx, not %#lx", round, i, (unsigned long) cpu->r[i],
                     (unsigned long) r[i]);
    ck_assert_msg (memcmp (&model, &want, sizeof want) == 0, "round %u: memory", round);
    buffer = before;            /* the code is not needed again */
  }
  ck_assert_uint_lt (accesses, 4000 * 14);      /* most take the fast path */
  ck_assert_uint_gt (tcg_vcpu (cpu)->guess[0].misses, 100);
  g_rand_free (rng);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("share");
  TCase *tcase = tcase_create ("all");
  tcase_add_checked_fixture (tcase, setup, teardown);
  tcase_add_test (tcase, test_shared_probes);
  suite_add_tcase (suite, tcase);
  return suite_run (suite);
}
