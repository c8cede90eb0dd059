/* matrix.c -- generated cases: a page-table entry of every kind, under every kind of access. */
/* SPDX-License-Identifier: MIT */
/* What must come of them is SDM 3A 4.6 and 4.7 once more, in a few lines. */

#include "assemble.h"
#include "case.h"

#include <stdio.h>
#include <string.h>

typedef enum Access { READS, STORES, FETCHES, N_ACCESSES } Access;

typedef struct Page {
  uint64_t entry;               /* flags */
  Access access;
  bool user, wp, nxe, smep, smap, ac;
} Page;

#define BEYOND ((uint64_t) 1 << 51)
enum { CR0_WP = 1 << 16, CR4_SMEP = 1 << 20, CR4_SMAP = 1 << 21, EFER_NXE = 0x800 };
enum { N_ENTRIES = 32, N_USER = N_ENTRIES * N_ACCESSES * 2, N_KERNEL = N_ENTRIES * N_ACCESSES * 2 * 2 * 2 * 3 };

static Page
page_of (unsigned n)
{
  Page p = { .user = n < N_USER, .wp = true };
  n = p.user ? n : n - N_USER;
  unsigned bits = n % N_ENTRIES;
  n /= N_ENTRIES;
  p.entry = (bits & 7) | (bits & 8 ? PG_NX : 0) | (bits & 16 ? BEYOND : 0);
  p.access = n % N_ACCESSES;
  n /= N_ACCESSES;
  p.nxe = !(n & 1);
  if (!p.user) {
    p.wp = !(n & 2);
    p.smep = n & 4;
    p.smap = n / 8 > 0;
    p.ac = n / 8 > 1;
  }
  return p;
}

static bool
is_reserved (const Page *p)
{
  return p->entry & BEYOND || (p->entry & PG_NX && !p->nxe);
}

static bool
is_allowed (const Page *p)
{
  bool users = p->entry & PG_U, writable = p->entry & PG_W;
  if (p->access == FETCHES && p->entry & PG_NX)
    return false;
  if (p->user)
    return users && (p->access != STORES || writable);
  if (p->access == FETCHES)
    return !users || !p->smep;
  if (users && p->smap && !p->ac)
    return false;
  return p->access != STORES || writable || !p->wp;
}

/* -1: none */
static int
error_of (const Page *p)
{
  int error = (p->access == STORES ? 2 : 0) | (p->user ? 4 : 0) | (p->access == FETCHES && (p->nxe || p->smep) ? 16 : 0);
  if (!(p->entry & PG_P))
    return error;
  if (is_reserved (p))
    return error | 1 | 8;
  return is_allowed (p) ? -1 : (error | 1);
}

unsigned
matrix_count (void)
{
  return N_USER + N_KERNEL;
}

static const struct { uint8_t code[2]; const char *name; } accesses[N_ACCESSES] = {
  { { 0x8b, R_M (RAX, RCX) }, "load" }, { { 0x89, R_M (RAX, RCX) }, "store" }, { { JMP_R (RCX) }, "fetch" }
};

static void
expect (Case *c, const Page *p)
{
  int error = error_of (p);
  c->own = (Row) { .code = accesses[p->access].code, .length = 2, .vector = EXC_UD, .at = AT_END };
  if (p->access == FETCHES)
    c->own.at = ANYWHERE;
  if (error >= 0) {
    c->own.vector = EXC_PF;
    c->own.error = (uint32_t) error;
    c->own.cr2 = PAGE (1);
    c->own.at = p->access == FETCHES ? ANYWHERE : 0;
  }
  c->row = &c->own;
}

void
matrix_case (Case *c, unsigned n)
{
  Page p = page_of (n);
  BpX86State *s = &c->start.state;
  image_build (&c->start, p.user ? USER64 : KERNEL64);
  expect (c, &p);
  c->undefined = 0;
  c->narrow = false;
  c->code_at = image_code (p.user ? USER64 : KERNEL64);
  memcpy (c->start.memory + c->code_at, c->own.code, 2);
  image_put (&c->start, (uint32_t) c->code_at + 2, 0x0b0f, 2);
  image_put (&c->start, AT_TARGETS, 0x0b0f, 2);
  image_put (&c->start, PTE (1), AT_TARGETS | p.entry, 8);
  s->gpr[RCX] = PAGE (1);
  s->cr0 = (s->cr0 & ~(uint64_t) CR0_WP) | (p.wp ? CR0_WP : 0);
  s->cr4 |= (p.smep ? CR4_SMEP : 0) | (p.smap ? CR4_SMAP : 0);
  s->efer = (s->efer & ~(uint64_t) EFER_NXE) | (p.nxe ? EFER_NXE : 0);
  s->rflags |= p.ac ? FL_AC : 0;
  snprintf (c->name, sizeof c->name, "matrix: %s by %s: %s%s%s%s%s%s%s%s%s%s", accesses[p.access].name, p.user ? "user" : "kernel",
            p.entry & PG_P ? "P" : "-", p.entry & PG_W ? "W" : "-", p.entry & PG_U ? "U" : "-", p.entry & PG_NX ? "X" : "-",
            p.entry & BEYOND ? "R" : "-",
            p.wp ? "" : ", no WP", p.nxe ? "" : ", no NXE", p.smep ? ", SMEP" : "", p.smap ? ", SMAP" : "", p.ac ? ", AC" : "");
}
