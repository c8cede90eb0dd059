/* random-code.c -- the instructions of random cases, by kind. */
/* SPDX-License-Identifier: MIT */

#include "assemble.h"
#include "random.h"

#define BYTES(g, ...) gen_bytes (g, (const uint8_t[]) { __VA_ARGS__ }, sizeof ((const uint8_t[]) { __VA_ARGS__ }))

enum { ARITHMETIC = FL_CF | FL_PF | FL_AF | FL_ZF | FL_SF | FL_OF };

static unsigned
any (Gen *g)
{
  static const uint8_t all[7] = { RAX, RCX, RDX, RBX, RBP, RSI, RDI };
  return all[gen_below (g, 7)];
}

static unsigned base (Gen *g) { return gen_once_in (g, 8) ? RSP : any (g); }

static unsigned
wide (Gen *g)
{
  static const uint8_t sizes[4] = { 4, 8, 8, 2 };
  return gen_is_64 (g) ? sizes[gen_below (g, 4)] : 4 - 2 * gen_once_in (g, 4);
}

static uint16_t
selector (Gen *g)
{
  static const uint16_t good[8] = { K_DATA, U_DATA, 0, S_SMALL | 3, L_DATA, S_READ_ONLY | 3, S_CONFORMING64, R1_DATA };
  if (gen_once_in (g, 2))
    return gen_once_in (g, 2) ? U_DATA : good[gen_below (g, 8)];
  return (uint16_t) ((gen_below (g, GDT_LIMIT / 8 + 2) * 8) | gen_below (g, 4) | (gen_once_in (g, 8) ? 4 : 0));
}

/* --- memory ----------------------------------------------------------------------------------------------- */

static void
load_store (Gen *g)
{
  static const uint8_t opcodes[6] = { 0x8b, 0x89, 0x01, 0x03, 0x87, 0x39 };
  gen_size (g, wide (g));
  gen_byte (g, opcodes[gen_below (g, 6)]);
  gen_memory (g, any (g), base (g));
}

static void
bytes_access (Gen *g)
{
  static const uint8_t opcodes[4] = { 0x8a, 0x88, 0x00, 0x86 };
  gen_byte (g, opcodes[gen_below (g, 4)]);
  gen_memory (g, gen_below (g, 4), base (g));
}

static void
locked (Gen *g)
{
  static const uint8_t opcodes[5][2] = { { 0x01, 0 }, { 0x0f, 0xc1 }, { 0x0f, 0xb1 }, { 0x29, 0 }, { 0x11, 0 } };
  const uint8_t *o = opcodes[gen_below (g, 5)];
  if (!g->for_kvm || !(g->c->start.state.rflags & FL_AC))       /* the host's processor puts #PF before #AC here, #AC elsewhere */
    gen_byte (g, LOCK);
  gen_size (g, wide (g));
  gen_byte (g, o[0]);
  if (o[1])
    gen_byte (g, o[1]);
  gen_memory (g, any (g), base (g));
}

static void
compare_exchange (Gen *g)
{
  if (g->for_kvm && g->c->start.state.rflags & FL_AC)   /* as locked ones */
    return;
  if (gen_once_in (g, 3))
    gen_byte (g, LOCK);
  if (gen_is_64 (g) && gen_once_in (g, 2) && !g->for_kvm)       /* its emulator has no CMPXCHG16B */
    gen_byte (g, 0x48);
  BYTES (g, 0x0f, 0xc7);
  gen_memory (g, 1, g->for_kvm ? RBX : base (g));
}

static void
vector_access (Gen *g)
{
  static const uint8_t opcodes[4] = { 0x10, 0x11, 0x28, 0x29 };
  bool open = g->c->start.state.rflags & FL_AC;         /* whether MOVUPS raises #AC is left to the processor (SDM 2A 2.4.4) */
  BYTES (g, 0x0f, opcodes[open ? 2 + gen_below (g, 2) : gen_below (g, 4)]);
  gen_memory (g, gen_below (g, 8), g->for_kvm ? RBX : base (g));       /* KVM's emulator puts #SS before #GP */
}

static void
stack_access (Gen *g)
{
  bool open = g->for_kvm && g->c->start.state.rflags & FL_AC;   /* which of two operands #AC, which #SS is for */
  switch (gen_below (g, open ? 3 : 6)) {
  case 0: case 1: gen_byte (g, 0x50 + any (g)); break;
  case 2: gen_byte (g, 0x58 + any (g)); break;
  case 3: gen_byte (g, 0xff), gen_memory (g, 6, base (g)); break;
  case 4: gen_byte (g, 0x8f), gen_memory (g, 0, base (g)); break;
  default: BYTES (g, 0xc8, gen_below (g, 32) * 8, 0, 0);
  }
}

/* CMPS with two operands that fault: which comes first is left open (SDM 3A 6.9); AMD's processors take RSI's, Intel's RDI's. */
static void
one_good_operand (Gen *g)
{
  gen_set (g, gen_once_in (g, 2) ? RSI : RDI, (gen_is_user (g) ? AT_USER_DATA : AT_KERNEL_DATA) + DATA_START);
}

static void
string_access (Gen *g)
{
  enum { CMPS = 4 };
  static const uint8_t opcodes[5] = { 0xa4, 0xaa, 0xac, 0xae, 0xa6 };
  bool repeat = gen_once_in (g, 2);
  unsigned which = gen_below (g, repeat && g->for_kvm ? 3 : 5); /* the host's processor (AMD) keeps flags of REP CMPS, SCAS that fault */
  if (g->for_kvm && which == CMPS)
    one_good_operand (g);
  if (g->for_kvm && repeat)     /* not over itself: AMD's processors go on then, Intel's fetch it again (SDM 3A 8.1.3) */
    gen_set (g, RDI, gen_address (g));
  if (repeat)
    gen_set (g, RCX, gen_below (g, 24));
  if (repeat)
    gen_byte (g, REP);
  unsigned size = gen_once_in (g, 3) || (g->for_kvm && !gen_is_user (g)) ? 1 : wide (g);
  gen_size (g, size);
  gen_byte (g, opcodes[which] + (size != 1));
}

static void
by_segment (Gen *g)
{
  gen_byte (g, gen_once_in (g, 2) ? 0x64 : 0x65);
  gen_size (g, wide (g));
  gen_byte (g, gen_once_in (g, 2) ? 0x8b : 0x89);
  gen_memory (g, any (g), base (g));
}

/* A byte of the number that the next instruction loads. */
static void
modify_number (Gen *g)
{
  gen_set (g, RSI, g->at + 5 + 3 + 1 + gen_below (g, 4));
  BYTES (g, 0xc6, R_M (0, RSI), gen_below (g, 256));
  gen_set (g, RSI, 0);
}

/* A byte of the code to come, whatever it makes of it; for KVM nothing that it might not know. */
static void
modify_code (Gen *g)
{
  unsigned reg = any (g);
  if (g->for_kvm) {
    modify_number (g);
    return;
  }
  gen_set (g, reg, g->at + 10 + gen_below (g, 24));
  gen_byte (g, 0xc6);
  gen_byte (g, reg == RBP ? MODRM (1, 0, RBP) : R_M (0, reg));
  if (reg == RBP)
    gen_byte (g, 0);
  gen_byte (g, NOP);
  g->c->undefined |= ARITHMETIC;        /* whatever it makes of the code */
}

/* --- flow --------------------------------------------------------------------------------------------------- */

static void
jump (Gen *g)
{
  switch (gen_below (g, 5)) {
  case 0: BYTES (g, JMP_SHORT (0)); break;
  case 1: BYTES (g, 0x75, 0x00); break;
  case 2:
    if (g->for_kvm) {           /* not into data, which might be what it does not know */
      gen_set (g, RDX, PAGE (gen_below (g, N_WINDOW)) + 0x123);
      BYTES (g, JMP_R (RDX));
    } else
      BYTES (g, 0xff, R_R (gen_once_in (g, 2) ? 2 : 4, any (g)));
    break;
  case 3: gen_byte (g, RET); break;
  default: BYTES (g, 0xe8, D32 (0)); break;
  }
}

static void
software_interrupt (Gen *g)
{
  unsigned which = gen_below (g, 6);
  if (which == 0)
    gen_byte (g, INT3);
  else if (which == 1)
    gen_byte (g, ICEBP);
  else
    BYTES (g, INT (which == 2 ? gen_below (g, 256) : V_DPL3 + gen_below (g, 25)));
}

/* Upper halves do not live through 32-bit code, and differently from way to way (SDM 1 3.4.1.1). */
static void
narrow_registers (Gen *g)
{
  for (unsigned r = RAX; r <= RDI; r++)
    if (r != RSP)
      BYTES (g, 0x89, R_R (r, r));
  g->c->narrow = true;
}

static bool is_narrow (Mode mode) { return mode == USER32 || mode == KERNEL32; }

static const struct { Mode mode; uint16_t code, stack; } places[5] = {
  { USER64, U_CODE64, U_DATA }, { USER32, U_CODE32, U_DATA }, { KERNEL64, K_CODE64, K_DATA }, { RING1_64, R1_CODE64, R1_DATA },
  { KERNEL32, K_CODE32, K_DATA }
};

static uint32_t
stack_of (Mode mode)
{
  return (image_code (mode) == AT_USER_CODE ? AT_USER_STACK : AT_KERNEL_STACK) + 0x600;
}

static uint32_t
some_flags (Gen *g)
{
  uint32_t f = FL_1;
  for (unsigned i = 0; i < 3; i++)
    if (gen_once_in (g, 2))
      f |= 1u << gen_below (g, 22);
  return f & ~(uint32_t) (gen_once_in (g, 4) ? 0 : FL_TF | FL_NT);
}

/* PUSH of a word, whose bytes come later when it is the address of code to come. */
static uint32_t
push_word (Gen *g, uint32_t v)
{
  gen_byte (g, 0x68);
  gen_word (g, v, 4);
  return g->at - 4;
}

static void
fill_in (Gen *g, uint32_t at, uint64_t v)
{
  image_put (&g->c->start, at, v, 4);
}

static void
interrupt_return (Gen *g)
{
  unsigned to = gen_below (g, 5);
  bool odd = gen_once_in (g, 4);
  if (!gen_is_64 (g))
    return;
  if (odd || is_narrow (places[to].mode))
    narrow_registers (g);
  push_word (g, odd && gen_once_in (g, 2) ? selector (g) : places[to].stack);
  push_word (g, stack_of (places[to].mode));
  push_word (g, g->for_kvm ? FL_1 | (gen_once_in (g, 2) ? FL_CF | FL_DF : 0) : some_flags (g));
  push_word (g, odd && gen_once_in (g, 2) ? selector (g) : places[to].code);
  uint32_t rip = push_word (g, 0);
  BYTES (g, IRETQ);
  fill_in (g, rip, gen_move_on (g, places[to].mode));
}

static void
far_return (Gen *g)
{
  unsigned to = gen_below (g, 5);
  bool odd = gen_once_in (g, 4);
  if (!gen_is_64 (g))
    return;
  if (odd || is_narrow (places[to].mode))
    narrow_registers (g);
  push_word (g, odd && gen_once_in (g, 2) ? selector (g) : places[to].stack);
  push_word (g, stack_of (places[to].mode));
  push_word (g, odd && gen_once_in (g, 2) ? selector (g) : places[to].code);
  uint32_t rip = push_word (g, 0);
  BYTES (g, LRETQ);
  fill_in (g, rip, gen_move_on (g, places[to].mode));
}

/* By a pointer in the data page, or a gate. */
static void
far_branch (Gen *g)
{
  unsigned to = gen_below (g, 5);
  uint32_t data = (gen_is_user (g) ? AT_USER_DATA : AT_KERNEL_DATA) + 0x200;
  bool gate = gen_once_in (g, 3);
  if (gen_is_64 (g))
    narrow_registers (g);
  gen_set (g, RBX, data);
  BYTES (g, 0xff, R_M (gen_once_in (g, 2) ? 5 : 3, RBX));
  image_put (&g->c->start, data + 4, gate ? S_GATE + 16 * gen_below (g, 12) : gen_once_in (g, 4) ? selector (g) : places[to].code, 2);
  image_put (&g->c->start, data, gen_move_on (g, gate ? KERNEL64 : places[to].mode), 4);
}

static void
system_call (Gen *g)
{
  if (gen_is_64 (g))
    narrow_registers (g);
  switch (gen_below (g, 4)) {
  case 0:
    BYTES (g, SYSCALL);
    g->c->start.state.lstar = gen_move_on (g, KERNEL64);
    break;
  case 1:
    BYTES (g, SYSENTER);
    g->c->start.state.sysenter_eip = gen_move_on (g, KERNEL64);
    break;
  case 2: {
    Mode to = gen_once_in (g, 2) ? USER64 : USER32;
    gen_set (g, RCX, 0);
    uint32_t rcx = g->at - 4;
    if (gen_is_64 (g))
      BYTES (g, 0x41, 0xbb, D32 (some_flags (g)));
    if (to == USER64 && gen_is_64 (g))
      gen_byte (g, 0x48);
    BYTES (g, SYSRETL);
    fill_in (g, rcx, gen_move_on (g, to));
    break;
  }
  default: {
    Mode to = gen_once_in (g, 2) ? USER64 : USER32;
    gen_set (g, RCX, stack_of (to));
    gen_set (g, RDX, 0);
    uint32_t rdx = g->at - 4;
    if (to == USER64 && gen_is_64 (g))
      gen_byte (g, 0x48);
    BYTES (g, SYSEXITL);
    fill_in (g, rdx, gen_move_on (g, to));
    break;
  }
  }
}

/* --- segments -------------------------------------------------------------------------------------------------- */

static void
segment_load (Gen *g)
{
  static const uint8_t segs[5] = { ES, SS, DS, FS, GS };
  unsigned seg = segs[gen_below (g, 5)], reg = any (g);
  gen_set (g, reg, selector (g));
  if (seg >= FS && gen_once_in (g, 3)) {
    gen_byte (g, 0x50 + reg);
    BYTES (g, 0x0f, seg == FS ? 0xa1 : 0xa9);
  } else
    BYTES (g, MOV_S_R (seg, reg));
}

static void
segment_read (Gen *g)
{
  gen_size (g, wide (g));
  BYTES (g, MOV_R_S (any (g), gen_below (g, 6)));
}

static void
descriptor_query (Gen *g)
{
  unsigned reg = any (g), which = gen_below (g, 4);
  gen_set (g, reg, selector (g));
  if (which < 2) {
    gen_size (g, wide (g));
    BYTES (g, 0x0f, 2 + which, R_R (any (g), reg));
  } else
    BYTES (g, 0x0f, 0x00, R_R (2 + which, reg));
}

static void
table_load (Gen *g)
{
  unsigned reg = any (g);
  static const uint16_t some[8] = { 0, S_LDT, S_LDT_HIGH, S_TSS_FREE, S_TSS, S_LDT_NP, S_TSS_NP, S_TSS16 };
  gen_set (g, reg, gen_once_in (g, 4) ? selector (g) : some[gen_below (g, 8)]);
  BYTES (g, 0x0f, 0x00, R_R (2 + gen_once_in (g, 2), reg));
}

static void
table_store (Gen *g)
{
  if (gen_once_in (g, 2)) {
    gen_size (g, wide (g));
    BYTES (g, 0x0f, gen_once_in (g, 2) ? 0x00 : 0x01);
    gen_byte (g, R_R (g->c->start.memory[g->at - 1] ? 4 : gen_below (g, 2), any (g)));
  } else {
    BYTES (g, 0x0f, 0x01);
    gen_memory (g, gen_below (g, 2), base (g));
  }
}

static void
bases (Gen *g)
{
  BYTES (g, 0xf3);
  if (gen_is_64 (g) && gen_once_in (g, 2))
    gen_byte (g, 0x48);
  BYTES (g, 0x0f, 0xae, R_R (gen_below (g, 4), any (g)));
}

/* --- control ------------------------------------------------------------------------------------------------------- */

static void
control_write (Gen *g)
{
  static const uint8_t numbers[5] = { 0, 0, 4, 4, 3 };
  unsigned n = numbers[gen_below (g, 5)], reg = any (g);
  uint64_t bit = (uint64_t) 1 << gen_below (g, gen_once_in (g, 4) ? 64 : 23);
  const BpX86State *s = &g->c->start.state;
  gen_set (g, reg, (n == 0 ? s->cr0 : n == 4 ? s->cr4 : s->cr3) ^ (gen_once_in (g, 4) ? 0 : bit));
  BYTES (g, MOV_CR_R (n, reg));
}

static void
control_read (Gen *g)
{
  static const uint8_t numbers[4] = { 0, 2, 4, 3 };     /* (what KVM makes of stores to tables by CR3's address shows) */
  BYTES (g, MOV_R_CR (any (g), numbers[gen_below (g, g->for_kvm ? 3 : 4)]));
}

static void
debug_access (Gen *g)
{
  BYTES (g, 0x0f, gen_once_in (g, 2) ? 0x21 : 0x23, R_R (gen_below (g, 8), any (g)));
}

static void
msr_access (Gen *g)
{
  static const uint32_t numbers[12] = {
    0xc0000080, 0xc0000081, 0xc0000082, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103, 0x174, 0x175, 0x176, 0x277
  };
  bool write = gen_once_in (g, 2);
  gen_set (g, RCX, numbers[gen_below (g, 12)]);
  if (write && gen_once_in (g, 2))
    gen_set (g, RDX, gen_once_in (g, 2) ? 0 : 0xffffffff);
  if (write && gen_once_in (g, 2))
    gen_set (g, RAX, 1u << gen_below (g, 13));
  BYTES (g, 0x0f, write ? 0x30 : 0x32);
}

static void
odd_ends (Gen *g)
{
  static const uint8_t some[10][4] = {
    { 2, CLTS }, { 3, SWAPGS }, { 3, STAC }, { 3, CLAC }, { 2, WBINVD }, { 3, 0x0f, 0x01, 0xf0 },
    { 1, CLI }, { 1, STI }, { 3, XGETBV }, { 2, UD2 }
  };
  const uint8_t *s = some[gen_below (g, 10)];
  gen_bytes (g, s + 1, s[0]);
}

static void
flags_access (Gen *g)
{
  if (gen_once_in (g, 3)) {
    gen_byte (g, PUSHF);
    return;
  }
  push_word (g, g->for_kvm ? FL_1 | (gen_once_in (g, 2) ? FL_CF | FL_DF | FL_ID : 0) : some_flags (g));
  gen_byte (g, POPF);
}

static void
ports (Gen *g)
{
  static const uint8_t opcodes[8] = { 0xec, 0xed, 0xee, 0xef, 0x6c, 0x6d, 0x6e, 0x6f };
  unsigned last = g->for_kvm ? 0xfffc : 0xffff; /* what lies across the end of the ports is left open (SDM 1 19.3) */
  gen_set (g, RDX, gen_once_in (g, 3) ? gen_below (g, last + 1) : 0xfc + gen_below (g, 0x18));
  if (gen_once_in (g, 4))
    gen_byte (g, 0x66);
  gen_byte (g, opcodes[gen_below (g, g->for_kvm ? 4 : 8)]);
}

/* A table entry changes, and the processor is told. */
static void
change_page (Gen *g)
{
  unsigned k = gen_below (g, N_WINDOW);
  gen_set (g, RDX, PTE (k));
  gen_set (g, RSI, (AT_TARGETS + SYS_PAGE * gen_below (g, 8)) | gen_below (g, 8));
  gen_size (g, gen_is_64 (g) ? 8 : 4);
  BYTES (g, 0x89, R_M (RSI, RDX));
  gen_set (g, RBX, PAGE (k) + gen_below (g, SYS_PAGE));
  if (gen_once_in (g, 2))
    BYTES (g, 0x0f, 0x01, R_M (7, RBX));
  else
    BYTES (g, MOV_R_CR (RAX, 3), MOV_CR_R (3, RAX));
  BYTES (g, 0x8b, R_M (RAX, RBX));
  gen_set (g, RDX, 0);          /* so that nothing else happens to the entry, of which the processor would not be told */
}

static void
forbidden (Gen *g)
{
  static const uint8_t some[8][4] = {
    { 2, UD2 }, { 1, 0x06 }, { 2, LOCK, NOP }, { 3, LOCK, 0x01, 0xc0 }, { 2, 0x0f, 0x04 },
    { 2, 0x8d, 0xc0 }, { 1, 0xd6 }, { 3, 0x0f, 0xb9, 0xc0 }
  };
  const uint8_t *s = some[gen_below (g, 8)];
  gen_bytes (g, s + 1, s[0]);
}

static void
divide (Gen *g)
{
  gen_set (g, RDX, gen_below (g, 3));
  gen_set (g, RCX, gen_below (g, 3));
  BYTES (g, 0xf7, R_R (6, RCX), 0x39, R_R (RCX, RCX));        /* CMP: flags are defined again */
  g->c->undefined |= ARITHMETIC;
}

/* --- which ------------------------------------------------------------------------------------------------------------ */

enum { IN_KVM_USER = 1, IN_KVM_KERNEL = 2, IN_KVM = 3 };

static const struct { void (*make) (Gen *g); uint8_t weight, kvm; } kinds[] = {
  { load_store, 8, IN_KVM }, { bytes_access, 3, IN_KVM }, { locked, 3, IN_KVM }, { compare_exchange, 2, IN_KVM_USER },
  { vector_access, 2, IN_KVM_USER }, { stack_access, 4, IN_KVM }, { string_access, 4, IN_KVM }, { by_segment, 2, IN_KVM },
  { modify_code, 2, IN_KVM }, { jump, 3, IN_KVM_USER }, { software_interrupt, 2, 0 }, { interrupt_return, 4, 0 }, { far_return, 3, 0 },
  { far_branch, 3, 0 }, { system_call, 4, 0 }, { segment_load, 4, IN_KVM_KERNEL }, { segment_read, 1, IN_KVM_KERNEL },
  { descriptor_query, 2, 0 }, { table_load, 2, 0 }, { table_store, 2, 0 }, { bases, 2, 0 }, { control_write, 3, 0 },
  { control_read, 2, IN_KVM_KERNEL }, { debug_access, 2, 0 }, { msr_access, 3, 0 }, { odd_ends, 3, 0 },
  { flags_access, 3, IN_KVM_KERNEL }, { ports, 2, IN_KVM }, { change_page, 3, IN_KVM_KERNEL }, { forbidden, 1, IN_KVM },
  { divide, 1, IN_KVM }
};

void
random_instruction (Gen *g)
{
  unsigned need = gen_is_user (g) ? IN_KVM_USER : IN_KVM_KERNEL, i, total = 0;
  for (i = 0; i < sizeof kinds / sizeof *kinds; i++)
    total += !g->for_kvm || kinds[i].kvm & need ? kinds[i].weight : 0;
  unsigned dice = gen_below (g, total);
  for (i = 0; ; i++) {
    unsigned weight = !g->for_kvm || kinds[i].kvm & need ? kinds[i].weight : 0;
    if (dice < weight)
      break;
    dice -= weight;
  }
  kinds[i].make (g);
}
