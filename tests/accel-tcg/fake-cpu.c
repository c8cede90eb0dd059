/* fake-cpu.c -- the CPU of the translator's tests. */
/* SPDX-License-Identifier: MIT */
#include "fake-cpu.h"
#include <string.h>

#define STATE(field) ((uint32_t) offsetof (FakeCpu, state.field))

/* Both sets are fuller than any host: of the second, the last two are not pinned. */
static const BpIrGlobal globals[] = {
  { "eax", STATE (r[0]), BP_IR_I32, 3 },    { "ecx", STATE (r[1]), BP_IR_I32, 1 },
  { "edx", STATE (r[2]), BP_IR_I32, 3 },    { "ebx", STATE (r[3]), BP_IR_I32, 1 },
  { "esp", STATE (r[4]), BP_IR_I32, 1 },    { "ebp", STATE (r[5]), BP_IR_I32, 1 },
  { "esi", STATE (r[6]), BP_IR_I32, 1 },    { "edi", STATE (r[7]), BP_IR_I32, 1 },
  { "cc_dst", STATE (r[8]), BP_IR_I32, 1 }, { "cc_src", STATE (r[9]), BP_IR_I32, 1 },
  { "w0", STATE (w[0]), BP_IR_I64, 3 },     { "w1", STATE (w[1]), BP_IR_I64, 3 },
  { "w2", STATE (w[2]), BP_IR_I64, 2 },     { "w3", STATE (w[3]), BP_IR_I64, 2 },
  { "u0", STATE (u0), BP_IR_I32, 0 },       { "u1", STATE (u1), BP_IR_I64, 0 },
};

/* --- helpers ------------------------------------------------------------------------- */

static uint32_t
h_pure (uint32_t a, uint32_t b)
{
  return a * 3 + b;
}

static uint64_t
h_wide (uint64_t a, uint32_t b)
{
  return a * 5 - b;
}

static uint32_t
h_read (FakeCpu *cpu)
{
  return cpu->state.r[0] ^ cpu->state.u0;
}

static void
h_write (FakeCpu *cpu, uint32_t value)
{
  cpu->state.r[3] = value;
  cpu->state.w[1] += value;
}

static void
h_count (FakeCpu *cpu, uint32_t value)
{
  cpu->state.calls = cpu->state.calls * 31 + value + 1;
}

static uint64_t
h_seven (FakeCpu *cpu, uint32_t a, uint64_t b, uint32_t c, uint64_t d, uint32_t e, uint64_t f)
{
  return a + 2 * b + 3 * (uint64_t) c + 5 * d + 7 * (uint64_t) e + 11 * f + cpu->state.r[0];
}

static void __attribute__ ((noreturn))
h_raise (FakeCpu *cpu)
{
  cpu->kind = FAKE_RAISED;
  bp_tcg_ops (cpu)->raise (cpu);
  g_assert_not_reached ();
}

#define HELPER(name, flags, n, result, type, ...) \
  static const BpIrHelper helper_##name = { #name, (void (*) (void)) name, flags, n, result, type, \
                                            { __VA_ARGS__ } }

HELPER (h_pure, BP_HELPER_PURE | BP_HELPER_NO_GLOBALS, 2, 1, BP_IR_I32, BP_IR_I32, BP_IR_I32);
HELPER (h_wide, BP_HELPER_PURE | BP_HELPER_NO_GLOBALS, 2, 1, BP_IR_I64, BP_IR_I64, BP_IR_I32);
HELPER (h_read, BP_HELPER_NO_WRITE, 1, 1, BP_IR_I32, BP_IR_I64);
HELPER (h_write, 0, 2, 0, BP_IR_I32, BP_IR_I64, BP_IR_I32);
HELPER (h_count, BP_HELPER_NO_GLOBALS, 2, 0, BP_IR_I32, BP_IR_I64, BP_IR_I32);
HELPER (h_seven, BP_HELPER_NO_WRITE, 7, 1, BP_IR_I64,
        BP_IR_I64, BP_IR_I32, BP_IR_I64, BP_IR_I32, BP_IR_I64, BP_IR_I32, BP_IR_I64);
HELPER (h_raise, BP_HELPER_NO_RETURN, 1, 0, BP_IR_I32, BP_IR_I64);

static const BpIrHelper *const helpers[] = {
  &helper_h_pure, &helper_h_wide, &helper_h_read, &helper_h_write, &helper_h_count, &helper_h_seven,
  &helper_h_raise, NULL,
};

/* --- frontend and services ---------------------------------------------------------------- */

static void
restore (void *env)
{
  FakeCpu *cpu = env;
  int i = tb_insn_at (cpu->tb, (const uint8_t *) tcg_vcpu (env)->ret_pc - 1);
  cpu->fault_pc = i < 0 ? ~(uint64_t) 0 : tb_insn_pc (cpu->tb, (unsigned) i);
  cpu->fault_word = i < 0 ? ~0u : cpu->tb->insns[i].word;
  tb_recover (cpu->tb, i, cpu);
}

static void __attribute__ ((noreturn))
raise_now (void *env)
{
  restore (env);
  siglongjmp (((FakeCpu *) env)->leave, 1);
}

static void
host_fault (void *env, BpHostFault fault)
{
  ((FakeCpu *) env)->kind = fault == BP_HOST_FAULT_DIVIDE ? FAKE_DIVIDE : FAKE_ALIGN;
}

/* Not what any processor does, but a function of everything that goes in. */
static uint64_t
native_portable (void *env, uint64_t native, uint32_t aux, uint64_t in, void *mem, uint32_t *flags)
{
  uint8_t *bytes = mem;
  uint64_t out = in + BP_NATIVE_OPCODE (native);
  if (aux & BP_NATIVE_MEM_READ)
    for (unsigned i = 0; i < BP_NATIVE_MEM_SIZE (aux); i++)
      out += bytes[i];
  if (aux & BP_NATIVE_MEM_WRITE)
    memset (bytes, (int) in & 0xff, BP_NATIVE_MEM_SIZE (aux));
  *flags ^= 0x41;
  return out;
}

/* The tests look at the values through the services' restore. */
static void
restore_values (void *env, uint64_t pc, uint32_t word)
{
}

static void
dump (const void *env, char *out, size_t out_size)
{
  g_strlcpy (out, "", out_size);
}

static unsigned
pin_set (const BpTbKey *key)
{
  return key->flags & FAKE_PIN_SET ? 1 : 0;
}

static const BpTcgOps ops = { .struct_size = sizeof (BpTcgOps), .raise = raise_now, .leave = raise_now,
                              .restore = restore };

#define FAKE_FRONTEND \
  .struct_size = sizeof (BpTcgFrontend), \
  .name = "fake", \
  .globals = globals, \
  .n_globals = G_N_ELEMENTS (globals), \
  .helpers = helpers, \
  .pc_offset = STATE (pc), \
  .pc_size = 4, \
  .address_bits = 64, \
  .n_mmu_indexes = 2, \
  .max_insn_bytes = 15, \
  .restore = restore_values, \
  .host_fault = host_fault, \
  .native_portable = native_portable, \
  .dump = dump, \
  .pin_set = pin_set

const BpTcgFrontend fake_frontend = { FAKE_FRONTEND };
const BpTcgFrontend fake_narrow_frontend = { FAKE_FRONTEND, .narrow_pin_sets = 1u << 1 };

/* --- guest memory ---------------------------------------------------------------------------- */

/* Where in the memory's first place the byte is that a guest address means; 0: nowhere. */
static uint32_t
place_of (uint64_t address)
{
  uint64_t at = address;
  if (address >= FAKE_HIGH)
    at -= FAKE_HIGH;
  else if (address >= FAKE_MIDDLE)
    at -= FAKE_MIDDLE;
  return at >= FAKE_MEMORY_BASE && at < FAKE_MEMORY_BASE + FAKE_MEMORY_SIZE ? (uint32_t) at : 0;
}

static void
fill_tlb (FakeCpu *cpu, uint64_t page)
{
  TlbEntry *entry = &cpu->tlb[(page >> TLB_PAGE_BITS) % FAKE_N_TLB];
  uint32_t place = place_of (page);
  uint64_t device = place == FAKE_DEVICE ? TLB_DEVICE : 0;
  entry->load = page | device;
  entry->store = page | device | (place == FAKE_WATCHED ? TLB_WATCHED : 0);
  if (place == FAKE_READ_ONLY)
    entry->store |= TLB_INVALID;
  entry->fetch = TLB_INVALID;
  entry->addend = (uint64_t) (uintptr_t) cpu->memory - FAKE_MEMORY_BASE - (page - place);
}

/* Raises unless every byte may be accessed; NULL never. */
static uint8_t *
check_access (FakeCpu *cpu, uint64_t address, unsigned size, bool store, bool align, bool wide)
{
  cpu->slow_accesses++;
  cpu->bad_addresses += !wide && address >> 32;
  if (align && (address & (size - 1))) {
    cpu->kind = FAKE_ALIGN;
    raise_now (cpu);
  }
  for (unsigned i = 0; i < size; i += size - 1) {
    uint64_t byte = wide ? address + i : (uint32_t) (address + i);
    uint32_t place = place_of (byte);
    if (place == 0 || (store && place >= FAKE_READ_ONLY && place < FAKE_READ_ONLY + 0x1000)) {
      cpu->kind = FAKE_PAGE_FAULT;
      raise_now (cpu);
    }
    fill_tlb (cpu, byte & TLB_PAGE_MASK);
    if (size == 1)
      break;
  }
  return cpu->memory + place_of (address) - FAKE_MEMORY_BASE;
}

static uint64_t
swap_if_big (uint64_t value, BpMemOp memop)
{
  return memop & BP_MO_BE ? __builtin_bswap64 (value) >> (64 - 8 * BP_MO_BYTES (memop)) : value;
}

static uint64_t
extend (uint64_t value, BpMemOp memop)
{
  unsigned unused = 64 - 8 * BP_MO_BYTES (memop);
  return memop & BP_MO_SIGN ? (uint64_t) ((int64_t) (value << unused) >> unused) : value << unused >> unused;
}

uint64_t
tcg_slow_load (void *env, uint64_t address, BpMemOp memop)
{
  uint64_t value = 0;
  memcpy (&value, check_access (env, address, BP_MO_BYTES (memop), false, memop & BP_MO_ALIGN, memop & BP_MO_ADDR64),
          BP_MO_BYTES (memop));
  return extend (swap_if_big (value, memop), memop);
}

void
tcg_slow_store (void *env, uint64_t address, uint64_t value, BpMemOp memop)
{
  uint8_t *host = check_access (env, address, BP_MO_BYTES (memop), true, memop & BP_MO_ALIGN, memop & BP_MO_ADDR64);
  value = swap_if_big (extend (value, memop & ~BP_MO_SIGN), memop);
  memcpy (host, &value, BP_MO_BYTES (memop));
}

uint64_t
tcg_slow_atomic (void *env, uint64_t address, uint64_t value, BpMemOp memop, uint32_t op)
{
  check_access (env, address, BP_MO_BYTES (memop), true, memop & BP_MO_ALIGN, memop & BP_MO_ADDR64);
  uint64_t old = tcg_slow_load (env, address, memop), result = value;
  switch (op) {
  case BP_IR_gfetch_add: result = old + value; break;
  case BP_IR_gfetch_and: result = old & value; break;
  case BP_IR_gfetch_or: result = old | value; break;
  case BP_IR_gfetch_xor: result = old ^ value; break;
  default: break;
  }
  tcg_slow_store (env, address, result, memop);
  return old;
}

uint64_t
tcg_slow_cmpxchg (void *env, uint64_t address, uint64_t expected, uint64_t desired, BpMemOp memop)
{
  check_access (env, address, BP_MO_BYTES (memop), true, memop & BP_MO_ALIGN, memop & BP_MO_ADDR64);
  uint64_t old = tcg_slow_load (env, address, memop);
  if (extend (old, memop & ~BP_MO_SIGN) == extend (expected, memop & ~BP_MO_SIGN))
    tcg_slow_store (env, address, desired, memop);
  return old;
}

void *
tcg_native_operand (void *env, uint64_t address, uint32_t aux)
{
  return check_access (env, address, BP_NATIVE_MEM_SIZE (aux), aux & BP_NATIVE_MEM_WRITE,
                       aux & BP_NATIVE_MEM_ALIGN, aux & BP_NATIVE_MEM_ADDR64);
}

void tcg_slow_record (void *env, uint64_t address, uint64_t value, uint64_t imm, uint32_t aux) { g_assert_not_reached (); }
void tcg_ring_full (void *env, uint32_t channel) { g_assert_not_reached (); }

void
tcg_native_commit (void *env, uint64_t address, uint32_t aux)
{
}

const void *
tcg_lookup (void *env, uint64_t pc, unsigned exit)
{
  return NULL;
}

const void *
tcg_continue (void *env)
{
  return NULL;
}

void
tcg_jump (void *env, uint64_t pc)
{
  ((FakeCpu *) env)->jumped_to = pc;
}

void
tcg_leave_block (void *env)
{
}

void
tcg_fp_store (void *env)
{
}

/* --- running -------------------------------------------------------------------------------------- */

void
fake_cpu_reset (FakeCpu *cpu)
{
  TcgVcpu *vcpu = tcg_vcpu (cpu);
  memset (&cpu->state, 0, sizeof cpu->state);
  memset (cpu->memory, 0, FAKE_MEMORY_SIZE);
  memset (cpu->jump_cache, 0, sizeof cpu->jump_cache);
  for (unsigned i = 0; i < FAKE_N_TLB; i++)
    cpu->tlb[i] = (TlbEntry) { ~(uint64_t) 0, ~(uint64_t) 0, ~(uint64_t) 0, 0 };
  for (unsigned i = 0; i < 16; i++)
    vcpu->tlb[i] = (TlbFast) { (FAKE_N_TLB - 1) << 5, cpu->tlb };
  cpu->slow_accesses = cpu->bad_addresses = 0;
}

FakeCpu *
fake_cpu_new (void)
{
  FakeCpu *cpu = g_aligned_alloc0 (1, sizeof *cpu, 64);
  TcgVcpu *vcpu = tcg_vcpu (cpu);
  cpu->memory = g_aligned_alloc0 (1, FAKE_MEMORY_SIZE, 4096);
  vcpu->ops = &ops;
  vcpu->frontend = &fake_frontend;
  vcpu->jump_cache = vcpu->jump_cache_empty = cpu->jump_cache;
  vcpu->page_ids = cpu->page_ids;
  fake_cpu_reset (cpu);
  return cpu;
}

void
fake_cpu_free (FakeCpu *cpu)
{
  g_aligned_free (cpu->memory);
  g_aligned_free (cpu);
}

void
fake_cpu_block_init (BpIrBlock *ir)
{
  bp_ir_block_init (ir, globals, G_N_ELEMENTS (globals), helpers);
}

FakeResult
fake_cpu_run (FakeCpu *cpu, const Backend *backend, CodeBuffer *buffer, BpIrBlock *ir)
{
  return fake_cpu_run_flags (cpu, backend, buffer, ir, 0);
}

FakeResult
fake_cpu_run_flags (FakeCpu *cpu, const Backend *backend, CodeBuffer *buffer, BpIrBlock *ir, uint64_t flags)
{
  CodeBuffer before = buffer != NULL ? *buffer : (CodeBuffer) { 0 };
  Tb *tb = g_aligned_alloc0 (1, sizeof *tb, 64);
  BackendBlock block = { .tb = tb, .frontend = tcg_vcpu (cpu)->frontend, .buffer = buffer, .recoveries = cpu->recoveries };
  FakeResult result = { FAKE_EXIT, 0, 0, 0 };
  for (uint32_t i = 0; i < ir->n_insns; i++)
    tb->n_insns += ir->insns[i].op == BP_IR_insn_start;
  tb->key.flags = flags;
  g_assert (backend->compile (&block, ir));
  cpu->tb = tb;
  if (sigsetjmp (cpu->leave, 0) == 0) {
    uintptr_t exit = backend->execute (cpu, tb);
    g_assert (TCG_EXIT_TB (exit) == tb);
    g_assert (tcg_vcpu (cpu)->ret_pc == 0);
    result.number = TCG_EXIT_NUMBER (exit);
  } else {
    result = (FakeResult) { cpu->kind, 0, cpu->fault_pc, cpu->fault_word };
    tcg_vcpu (cpu)->ret_pc = 0;
  }
  if (backend->release)
    backend->release (tb);
  g_aligned_free (tb);
  if (buffer != NULL)
    *buffer = before;
  return result;
}
