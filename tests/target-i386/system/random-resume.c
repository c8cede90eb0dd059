/* random-resume.c -- handlers that note an event and go on, so that a random case has more than one. */
/* SPDX-License-Identifier: MIT */
/*
 * R15 is where to go on, R14 how often yet, R13 where the next note goes: vector, error code, RIP, CS, CR2.  Random code leaves these
 * alone, and 32-bit code cannot reach them: there every event leads back to where it began.
 */
#include "assemble.h"
#include "random.h"

enum { AT_NOTES = AT_SPARE_TABLES + 6 * SYS_PAGE, AT_COMMON = AT_SPARE_TABLES + 7 * SYS_PAGE, EVENTS = 12, LAST_WORD = 0xfc };

#define PUT(at, ...) put (g, at, (const uint8_t[]) { __VA_ARGS__ }, sizeof ((const uint8_t[]) { __VA_ARGS__ }))

static uint32_t
put (Gen *g, uint32_t at, const uint8_t *bytes, unsigned n)
{
  for (unsigned i = 0; i < n; i++)
    image_put (&g->c->start, at + i, bytes[i], 1);
  return at + n;
}

static bool
pushes_error (unsigned vector)
{
  return vector == EXC_DF || (vector >= EXC_TS && vector <= EXC_PF) || vector == EXC_AC;
}

static void
put_common (Gen *g)
{
  uint32_t end = AT_HANDLERS + HANDLER_SIZE * LAST_WORD, at = AT_COMMON;
  at = PUT (at, 0x41, 0x8f, 0x45, 0x00, 0x41, 0x8f, 0x45, 0x08);        /* pop 0(%r13), pop 8(%r13) */
  at = PUT (at, 0xff, 0x34, 0x24, 0x41, 0x8f, 0x45, 0x10);              /* push (%rsp), pop 16(%r13) */
  at = PUT (at, 0xff, 0x74, 0x24, 0x08, 0x41, 0x8f, 0x45, 0x18);        /* push 8(%rsp), pop 24(%r13) */
  at = PUT (at, 0x41, 0x0f, 0x20, 0xd4, 0x4d, 0x89, 0x65, 0x20);        /* mov %cr2, %r12, mov %r12, 32(%r13) */
  at = PUT (at, 0x49, 0x83, 0xc5, 0x40, 0x49, 0xff, 0xce);              /* add $64, %r13, dec %r14 */
  at = PUT (at, 0x79, 0x05, 0xe9);                                      /* jns over a jmp */
  at = PUT (at, D32 (end - at - 4));
  PUT (at, 0x4c, 0x89, 0x3c, 0x24, IRETQ);                              /* mov %r15, (%rsp) */
}

void
resume_handlers (Gen *g)
{
  BpX86State *s = &g->c->start.state;
  put_common (g);
  for (unsigned v = 0; v < LAST_WORD; v++) {
    uint32_t at = AT_HANDLERS + HANDLER_SIZE * v;
    if (!pushes_error (v))
      at = PUT (at, 0x6a, 0);
    at = PUT (at, 0x6a, v, 0xe9);
    PUT (at, D32 (AT_COMMON - at - 4));
  }
  s->gpr[13] = AT_NOTES;
  s->gpr[14] = EVENTS;
  s->gpr[15] = g->c->code_at;
}

uint32_t
resume_before (Gen *g)
{
  if (!g->resumes || !gen_is_64 (g))
    return 0;
  gen_bytes (g, (const uint8_t[]) { 0x41, 0xbf, D32 (0) }, 6);         /* mov $., %r15d */
  return g->at - 4;
}

void
resume_after (Gen *g, uint32_t at)
{
  if (at)
    image_put (&g->c->start, at, g->at, 4);
}
