/* random.c -- generated cases: a few instructions of every system kind, in a machine that is odd here and there. */
/* SPDX-License-Identifier: MIT */
/*
 * A seed makes the same case again.  Even seeds take what KVM is good at, odd ones everything: the latter are compared between the ways
 * of the translator alone.  Where an instruction leads to other code (IRET, SYSRET, far transfers), the next ones are put there, for the
 * mode that it should be.
 */
#include "assemble.h"
#include "random.h"

#include <stdio.h>
#include <string.h>

/* --- dice -------------------------------------------------------------------------------------------- */

static uint64_t
next (Gen *g)
{
  uint64_t z = g->dice += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

unsigned gen_below (Gen *g, unsigned n) { return (unsigned) (next (g) >> 33) % n; }
bool gen_once_in (Gen *g, unsigned n) { return gen_below (g, n) == 0; }

/* An address of some interest: of data, of the window, of nothing. */
uint64_t
gen_address (Gen *g)
{
  static const uint16_t offsets[12] = { 0, 4, 0xff8, 0xffc, 0xffd, 0xfff, 8, 0x10, 0x40, 0x7f8, 0xfe8, 0x123 };
  unsigned within = g->for_kvm && !gen_is_user (g) ? 6 : 0;     /* KVM's emulator does the first part of what lies across pages */
  uint64_t own = gen_is_user (g) ? AT_USER_DATA : AT_KERNEL_DATA, offset = offsets[within + gen_below (g, 12 - within)];
  switch (gen_below (g, 16)) {
  case 0: case 1: case 2: case 3: return PAGE (gen_below (g, N_WINDOW)) + offset;
  case 4: return (gen_is_user (g) ? AT_KERNEL_DATA : AT_USER_DATA) + offset;
  case 5: return HIGH + own + offset;
  case 6: return NON_CANONICAL + gen_below (g, 16) + (g->for_kvm ? 0x1000 : -(uint64_t) 8);  /* KVM lets what lies across through */
  case 7: return g->for_kvm || gen_once_in (g, 2) ? UNMAPPED + offset : 0xffff800000000000 - 8 + gen_below (g, 16);
  default: return own + offset;
  }
}

static uint64_t
value (Gen *g)
{
  switch (gen_below (g, 6)) {
  case 0: return gen_below (g, 64);
  case 1: return next (g);
  case 2: return (uint32_t) next (g);
  default: return gen_address (g);
  }
}

/* --- bytes ------------------------------------------------------------------------------------------------ */

void
gen_byte (Gen *g, unsigned byte)
{
  g->c->start.memory[g->at++] = (uint8_t) byte;
}

void
gen_bytes (Gen *g, const uint8_t *bytes, unsigned n)
{
  for (unsigned i = 0; i < n; i++)
    gen_byte (g, bytes[i]);
}

void
gen_word (Gen *g, uint64_t v, unsigned size)
{
  for (unsigned i = 0; i < size; i++, v >>= 8)
    gen_byte (g, v & 0xff);
}

/* MOV of an immediate; outside of 64-bit code of its low half. */
void
gen_set (Gen *g, unsigned reg, uint64_t v)
{
  if (gen_is_64 (g) && v >> 32) {
    gen_byte (g, 0x48);
    gen_byte (g, 0xb8 + reg);
    gen_word (g, v, 8);
  } else {
    gen_byte (g, 0xb8 + reg);
    gen_word (g, v, 4);
  }
}

/* Opcode, ModRM and perhaps SIB, displacement: [base], or [base + 8] by a register that wants one. */
void
gen_memory (Gen *g, unsigned reg, unsigned base)
{
  if (base == RSP || base == RBP || gen_once_in (g, 4)) {
    gen_byte (g, MODRM (1, reg, base));
    if (base == RSP)
      gen_byte (g, 0x24);
    gen_byte (g, gen_below (g, 3) * 8 - 8);
  } else
    gen_byte (g, R_M (reg, base));
}

void
gen_size (Gen *g, unsigned size)
{
  if (size == 2)
    gen_byte (g, 0x66);
  if (size == 8)
    gen_byte (g, 0x48);
}

/* What follows is for another mode: it is put on a page of its own kind. */
uint64_t
gen_move_on (Gen *g, Mode mode)
{
  bool user = image_code (mode) == AT_USER_CODE;
  uint32_t *free_at = user ? &g->user_at : &g->kernel_at;
  gen_byte (g, 0x0f);
  gen_byte (g, 0x0b);
  if (*free_at < g->at && (*free_at ^ g->at) < SYS_PAGE)
    *free_at = g->at;
  *free_at = (*free_at + 15) & ~15u;
  g->at = *free_at;
  *free_at += 0x80;
  g->mode = mode;
  g->c->narrow |= mode == USER32 || mode == KERNEL32;
  return g->at;
}

/* --- the machine ---------------------------------------------------------------------------------------------- */

static void
make_window (Gen *g)
{
  Slot *s = &g->c->start;
  for (unsigned k = 0; k < N_WINDOW; k++) {
    uint64_t entry = (AT_TARGETS + SYS_PAGE * gen_below (g, 8)) | PG_P | PG_W | PG_U;
    if (gen_once_in (g, 3))
      entry ^= 1u << gen_below (g, 3);
    if (gen_once_in (g, 6))
      entry |= PG_NX;
    if (gen_once_in (g, 6))
      entry |= PG_A | PG_D;
    if (gen_once_in (g, 16))
      entry |= (uint64_t) 1 << 51;
    if (gen_once_in (g, 8) && !g->for_kvm)      /* KVM does not keep what it may keep */
      entry |= PG_G;
    image_put (s, PTE (k), entry, 8);
  }
  if (!g->for_kvm && gen_once_in (g, 16))
    image_put (s, AT_PD + 8, image_get (s, AT_PD + 8, 8) ^ (uint64_t) 1 << (gen_once_in (g, 2) ? 63 : gen_below (g, 8)), 8);
}

static void
make_state (Gen *g)
{
  BpX86State *r = &g->c->start.state;
  for (unsigned i = 0; i < 16; i++)
    if (i != RSP)
      r->gpr[i] = value (g);
  if (gen_once_in (g, 4))
    r->gpr[RSP] = gen_is_user (g) && gen_once_in (g, 2) ? gen_address (g) : r->gpr[RSP] + gen_below (g, 16);
  if (g->for_kvm && r->gpr[RSP] >= NON_CANONICAL)       /* pvm emulates what has such a stack */
    r->gpr[RSP] = AT_USER_STACK + STACK_START;
  for (unsigned i = 0; i < 16; i++)
    if (g->mode == USER32 || g->mode == KERNEL32)
      r->gpr[i] = (uint32_t) r->gpr[i];
  r->rflags |= gen_below (g, 2) * FL_CF | gen_below (g, 2) * FL_ZF | (gen_once_in (g, 6) ? FL_DF : 0);
  if (gen_once_in (g, 8) && (!g->for_kvm || gen_is_user (g)))
    r->rflags |= FL_AC;
  if (gen_once_in (g, 12))
    r->rflags |= FL_TF;
  if (gen_once_in (g, 3))
    r->cr0 &= ~(uint64_t) (1 << 16);
  r->cr4 |= gen_once_in (g, 3) ? 1 << 20 : 0;
  r->cr4 |= gen_once_in (g, 3) && !g->for_kvm ? 1 << 21 : 0;
  r->cr4 |= gen_once_in (g, 2) ? 1 << 7 : 0;
  if (gen_once_in (g, 6))
    r->efer &= ~(uint64_t) 0x800;
  if (g->for_kvm)
    return;
  r->rflags |= (gen_once_in (g, 8) ? FL_IOPL : 0) | (gen_once_in (g, 16) ? FL_NT : 0) | (gen_once_in (g, 16) ? FL_RF : 0);
  r->cr0 ^= (gen_once_in (g, 8) ? 1 << 18 : 0) | (gen_once_in (g, 16) ? 8 : 0) | (gen_once_in (g, 32) ? 4 : 0);
  r->cr4 |= (gen_once_in (g, 2) ? 1 << 16 : 0) | (gen_once_in (g, 8) ? 1 << 11 : 0) | (gen_once_in (g,
    4) ? 1 << 17 : 0) | (gen_once_in (g, 8) ? 4 : 0);
  if (gen_once_in (g, 8)) {
    unsigned n = gen_below (g, 4);
    r->dr[n] = gen_once_in (g, 3) ? r->rip + gen_below (g, 16) : gen_address (g);
    r->dr[7] |= 2u << (2 * n) | (uint64_t) gen_below (g, 16) << (16 + 4 * n);
    if ((r->dr[7] >> (16 + 4 * n) & 3) == 0)            /* of code: one byte */
      r->dr[7] &= ~((uint64_t) 12 << (16 + 4 * n));
  }
  if (gen_once_in (g, 6))
    image_put (&g->c->start, AT_IDT + 16 * gen_below (g, 20) + 4, gen_below (g, 6), 1);
  if (gen_once_in (g, 16))
    image_put (&g->c->start, AT_IDT + 16 * gen_below (g, 20) + 5, gen_below (g, 256), 1);
  if (gen_once_in (g, 16))
    image_put (&g->c->start, AT_TSS + 4, gen_address (g), 8);
}

void
random_case (Case *c, uint64_t seed)
{
  static const Mode modes[16] = { USER64, USER64, USER64, USER64, USER64, USER64, USER64, KERNEL64, KERNEL64, KERNEL64, KERNEL64,
    KERNEL64, KERNEL64,
                                  USER32, KERNEL32, RING1_64 };
  Gen g = { .c = c, .dice = seed * 0x2545f4914f6cdd1du, .for_kvm = !(seed & 1) };
  g.mode = modes[gen_below (&g, g.for_kvm ? 13 : 16)];
  image_build (&c->start, g.mode);
  c->row = NULL;
  c->undefined = 0;
  c->narrow = g.mode == USER32 || g.mode == KERNEL32;
  c->code_at = image_code (g.mode);
  snprintf (c->name, sizeof c->name, "random: %llu", (unsigned long long) seed);
  g.at = (uint32_t) c->code_at;
  g.kernel_at = AT_KERNEL_CODE + 0x400;
  g.user_at = AT_USER_CODE + 0x400;
  memset (c->start.memory + AT_KERNEL_CODE, DAA, 2 * SYS_PAGE);         /* so that nobody runs wild for long */
  memset (c->start.memory + AT_USER_CODE, DAA, 2 * SYS_PAGE);
  make_window (&g);
  make_state (&g);
  g.resumes = gen_once_in (&g, 2) && !g.for_kvm;
  if (g.resumes)
    resume_handlers (&g);
  unsigned n = 1 + gen_below (&g, 8);
  for (unsigned i = 0; i < n; i++) {
    uint32_t resume = resume_before (&g);
    random_instruction (&g);
    resume_after (&g, resume);
  }
  gen_byte (&g, 0x0f);
  gen_byte (&g, 0x0b);
}
