/* case.c -- rows become cases, and ends of runs are judged: by the row, and against another run. */
/* SPDX-License-Identifier: MIT */

#include "case.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "target-i386/decode/decode.h"

static char text[1024];

static const char *__attribute__ ((format (printf, 1, 2)))
say (const char *format, ...)
{
  va_list args;
  va_start (args, format);
  vsnprintf (text, sizeof text, format, args);
  va_end (args);
  return text;
}

/* --- from a row ----------------------------------------------------------------------------------- */

static uint64_t *
msr_of (BpX86State *s, ItemKind kind)
{
  switch (kind) {
  case ITEM_STAR: return &s->star;
  case ITEM_LSTAR: return &s->lstar;
  case ITEM_SFMASK: return &s->sfmask;
  case ITEM_KERNEL_GS: return &s->kernel_gs_base;
  case ITEM_SYSENTER_CS: return &s->sysenter_cs;
  case ITEM_SYSENTER_ESP: return &s->sysenter_esp;
  case ITEM_SYSENTER_EIP: return &s->sysenter_eip;
  case ITEM_EFER: return &s->efer;
  case ITEM_GDT_BASE: return &s->gdtr.base;
  case ITEM_IDT_BASE: return &s->idtr.base;
  case ITEM_PKRU: return &s->pkru;
  case ITEM_PKRS: return &s->pkrs;
  default: return NULL;
  }
}

static uint64_t *
control_of (BpX86State *s, unsigned n)
{
  return n == 0 ? &s->cr0 : n == 2 ? &s->cr2 : n == 3 ? &s->cr3 : n == 4 ? &s->cr4 : &s->cr8;
}

static uint64_t merge (uint64_t old, uint64_t value, uint64_t mask) { return (old & ~mask) | (value & mask); }

static void
set_item (Case *c, const Item *i)
{
  BpX86State *s = &c->start.state;
  switch (i->kind) {
  case ITEM_GPR: s->gpr[i->n] = i->value; break;
  case ITEM_FLAGS: s->rflags = i->value; break;
  case ITEM_CR: *control_of (s, i->n) = merge (*control_of (s, i->n), i->value, i->mask); break;
  case ITEM_DR: s->dr[i->n] = merge (s->dr[i->n], i->value, i->mask); break;
  case ITEM_SEGMENT: s->segment[i->n] = image_segment (c->start.memory, (uint16_t) i->value); break;
  case ITEM_BASE: s->segment[i->n].base = i->value; break;
  case ITEM_LIMIT: s->segment[i->n].limit = (uint32_t) i->value; break;
  case ITEM_MEMORY: image_put (&c->start, i->n, i->value, (unsigned) i->mask); break;
  case ITEM_IDT_LIMIT: s->idtr.limit = (uint32_t) i->value; break;
  case ITEM_GDT_LIMIT: s->gdtr.limit = (uint32_t) i->value; break;
  case ITEM_RIP: s->rip = i->value; break;
  case ITEM_CODE: s->rip = c->code_at = i->value; break;
  default: *msr_of (s, i->kind) = i->value;
  }
}

void
case_from_row (Case *c, const Table *table, const Row *row)
{
  snprintf (c->name, sizeof c->name, "%s: %s", table->name, row->name);
  c->row = row;
  c->undefined = row->undefined;
  c->narrow = row->narrow;
  image_build (&c->start, row->mode);
  c->code_at = image_code (row->mode);
  for (const Item *i = row->set; i && i->kind != ITEM_END; i++)
    set_item (c, i);
  uint32_t at = (uint32_t) (c->code_at & (SYS_PAGE * 512 - 1));
  memcpy (c->start.memory + at, row->code, row->length);
  image_put (&c->start, at + row->length, row->halt_at_end ? 0xf4 : 0x0b0f, 2);
}

/* --- what came of it, by the row ----------------------------------------------------------------------- */

static bool
has_error_code (int vector)
{
  return vector == EXC_DF || (vector >= EXC_TS && vector <= EXC_PF) || vector == EXC_AC;
}

/* Word i of the frame on the handler's stack; the stacks are mapped one to one, in the low half or the high one. */
static uint64_t
pushed (const Slot *end, unsigned i)
{
  int vector = image_vector (end);
  uint64_t at = end->state.gpr[BP_X86_RSP] + 8 * (i + (vector >= 0 && has_error_code (vector)));
  return image_get (end, (uint32_t) (at & ~HIGH), 8);
}

static uint64_t
item_value (const Item *i, const Slot *end)
{
  BpX86State *s = (BpX86State *) &end->state;
  switch (i->kind) {
  case ITEM_GPR: return s->gpr[i->n];
  case ITEM_FLAGS: return s->rflags;
  case ITEM_CR: return *control_of (s, i->n);
  case ITEM_DR: return s->dr[i->n];
  case ITEM_SEGMENT: return s->segment[i->n].selector;
  case ITEM_BASE: return s->segment[i->n].base;
  case ITEM_LIMIT: return s->segment[i->n].limit;
  case ITEM_MEMORY: return image_get (end, i->n, (unsigned) i->mask);
  case ITEM_IDT_LIMIT: return s->idtr.limit;
  case ITEM_GDT_LIMIT: return s->gdtr.limit;
  case ITEM_FRAME: return pushed (end, i->n);
  case ITEM_RIP: return s->rip;
  case ITEM_PORT: return end->n_ports;
  default: return *msr_of (s, i->kind);
  }
}

static const char *
item_wrong (const Item *i, unsigned index, const Slot *end)
{
  uint64_t value = item_value (i, end), mask = i->kind == ITEM_MEMORY ? ~(uint64_t) 0 : i->mask;
  if (((value ^ i->value) & mask) == 0)
    return NULL;
  return say ("check %u (kind %d, %x): %llx instead of %llx, mask %llx", index, (int) i->kind, i->n, (unsigned long long) value,
              (unsigned long long) i->value, (unsigned long long) mask);
}

static const char *
end_wrong (const Case *c, const Slot *end)
{
  const Row *row = c->row;
  int vector = image_vector (end);
  uint64_t expected_at = c->code_at + (row->at == AT_END ? row->length : (unsigned) row->at);
  if (end->end == RUN_STUCK || end->end >= RUN_REFUSED)
    return say ("%s %s", end->end == RUN_STUCK ? "did not end" : "broke off:", end->why);
  if ((row->vector == SHUTS_DOWN) != (end->end == RUN_SHUTDOWN))
    return end->end == RUN_SHUTDOWN ? "triple fault" : say ("vector %d instead of a triple fault", vector);
  if (row->vector >= HALTS)
    return row->vector == HALTS && vector >= 0 ? say ("vector %d instead of a halt", vector) : NULL;
  if (vector != row->vector)
    return say ("vector %d, pushed RIP %llx, instead of vector %d", vector, (unsigned long long) pushed (end, FRAME_RIP), row->vector);
  uint64_t error = has_error_code (vector) ? image_get (end, (uint32_t) end->state.gpr[BP_X86_RSP], 8) : 0;
  if (error != row->error)
    return say ("error code %llx instead of %x", (unsigned long long) error, row->error);
  if (row->at != ANYWHERE && pushed (end, FRAME_RIP) != expected_at)
    return say ("pushed RIP %llx instead of %llx", (unsigned long long) pushed (end, FRAME_RIP), (unsigned long long) expected_at);
  if (vector == EXC_PF && end->state.cr2 != row->cr2)
    return say ("CR2 %llx instead of %llx", (unsigned long long) end->state.cr2, (unsigned long long) row->cr2);
  return NULL;
}

const char *
case_wrong (const Case *c, const Slot *end)
{
  const char *wrong = end_wrong (c, end);
  for (const Item *i = c->row->check; !wrong && i && i->kind != ITEM_END; i++)
    wrong = item_wrong (i, (unsigned) (i - c->row->check), end);
  return wrong;
}

/* --- two runs ------------------------------------------------------------------------------------------------ */

static const char gpr_names[16][4] = {
  "RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI", "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15"
};

typedef struct Comparison {
  const char *x_name, *y_name;
  size_t used;
} Comparison;

static void
compare (Comparison *m, const char *what, uint64_t x, uint64_t y)
{
  if (x == y || m->used > sizeof text - 120)
    return;
  m->used += (size_t) snprintf (text + m->used, sizeof text - m->used, "%s%s: %s %llx, %s %llx", m->used ? "; " : "", what, m->x_name,
                                (unsigned long long) x, m->y_name, (unsigned long long) y);
}

/* What the manual calls visible of a segment register: nothing behind a null selector but the bases of FS and GS; the others' bases and
 * limits do not count in 64-bit code but are there for compatibility code. */
static void
compare_segment (Comparison *m, unsigned i, const BpX86Segment *x, const BpX86Segment *y)
{
  static const char *const names[8] = { "ES", "CS", "SS", "DS", "FS", "GS", "LDTR", "TR" };
  char what[32];
  compare (m, names[i], x->selector, y->selector);
  snprintf (what, sizeof what, "%s base", names[i]);
  if (i == BP_X86_FS || i == BP_X86_GS)
    compare (m, what, x->base, y->base);
  if (!(x->selector & ~3u) || !(y->selector & ~3u))
    return;
  compare (m, what, x->base, y->base);
  snprintf (what, sizeof what, "%s limit", names[i]);
  compare (m, what, x->limit, y->limit);
  snprintf (what, sizeof what, "%s attributes", names[i]);
  compare (m, what, x->attributes | 0x1001u, y->attributes | 0x1001u);  /* but for accessed, AVL */
}

/* After 32-bit code upper halves are open, but for R8 to R15 (SDM 1 3.4.1.1), and RSP when it came from the TSS. */
static void
compare_state (Comparison *m, const BpX86State *x, const BpX86State *y, const Case *c, bool from_user)
{
  static const char drs[8][4] = { "DR0", "DR1", "DR2", "DR3", "", "", "DR6", "DR7" };
  compare (m, "RIP", x->rip, y->rip);
  for (unsigned i = 0; i < 16; i++) {
    uint64_t mask = c->narrow && i < 8 && (i != BP_X86_RSP || !from_user) ? 0xffffffff : ~(uint64_t) 0;
    compare (m, gpr_names[i], x->gpr[i] & mask, y->gpr[i] & mask);
  }
  compare (m, "RFLAGS", x->rflags & ~(uint64_t) c->undefined, y->rflags & ~(uint64_t) c->undefined);
  for (unsigned i = 0; i < 8; i++)
    compare_segment (m, i, &x->segment[i], &y->segment[i]);
  for (unsigned i = 0; i < 8; i++)
    if (i < 4 || i >= 6)
      compare (m, drs[i], x->dr[i], y->dr[i]);
  compare (m, "GDTR base", x->gdtr.base, y->gdtr.base);
  compare (m, "GDTR limit", x->gdtr.limit, y->gdtr.limit);
  compare (m, "IDTR base", x->idtr.base, y->idtr.base);
  compare (m, "IDTR limit", x->idtr.limit, y->idtr.limit);
  compare (m, "CR0", x->cr0, y->cr0);
  compare (m, "CR2", x->cr2, y->cr2);
  compare (m, "CR3", x->cr3, y->cr3);
  compare (m, "CR4", x->cr4, y->cr4);
  compare (m, "CR8", x->cr8, y->cr8);
  compare (m, "EFER", x->efer, y->efer);
  compare (m, "STAR", x->star, y->star);
  compare (m, "LSTAR", x->lstar, y->lstar);
  compare (m, "CSTAR", x->cstar, y->cstar);
  compare (m, "SFMASK", x->sfmask, y->sfmask);
  compare (m, "KERNEL_GS_BASE", x->kernel_gs_base, y->kernel_gs_base);
  compare (m, "SYSENTER_CS", x->sysenter_cs, y->sysenter_cs);
  compare (m, "SYSENTER_ESP", x->sysenter_esp, y->sysenter_esp);
  compare (m, "SYSENTER_EIP", x->sysenter_eip, y->sysenter_eip);
  compare (m, "PKRU", x->pkru, y->pkru);
  compare (m, "PKRS", x->pkrs, y->pkrs);
}

/* What of a word in memory may be compared: of a frame's RFLAGS what is defined, of its RSP what 32-bit code has. */
static uint64_t
memory_mask (const Case *c, const Slot *end, uint32_t at)
{
  int vector = image_vector (end);
  if (vector < 0)
    return ~(uint64_t) 0;
  uint64_t frame = (end->state.gpr[BP_X86_RSP] & ~HIGH) + 8 * has_error_code (vector);
  if (at == frame + 8 * FRAME_RFLAGS)
    return ~(uint64_t) c->undefined;
  return at == frame + 8 * FRAME_RSP && c->narrow ? 0xffffffff : ~(uint64_t) 0;
}

static void
compare_memory (Comparison *m, const Slot *x, const Slot *y, const Case *c)
{
  char what[32];
  for (uint32_t page = 0; page < SYS_MEMORY; page += SYS_PAGE) {
    if (memcmp (x->memory + page, y->memory + page, SYS_PAGE) == 0)
      continue;
    for (uint32_t at = page; at < page + SYS_PAGE; at += 8) {
      uint64_t mask = memory_mask (c, x, at);
      snprintf (what, sizeof what, "[%x]", at);
      compare (m, what, image_get (x, at, 8) & mask, image_get (y, at, 8) & mask);
    }
  }
}

static void
compare_ports (Comparison *m, const Slot *x, const Slot *y)
{
  compare (m, "port accesses", x->n_ports, y->n_ports);
  for (unsigned i = 0; i < x->n_ports && i < y->n_ports && i < SYS_PORTS; i++) {
    compare (m, "port", x->port[i].port, y->port[i].port);
    compare (m, "port's size", x->port[i].size, y->port[i].size);
    compare (m, "port's value", x->port[i].value, y->port[i].value);
    compare (m, "port's direction", x->port[i].is_write, y->port[i].is_write);
  }
}

/* After a triple fault nothing more is promised; and how far somebody gets who goes on and on depends on the host. */
const char *
case_differs (const Case *c, const Slot *x, const Slot *y, const char *x_name, const char *y_name)
{
  Comparison m = { x_name, y_name, 0 };
  text[0] = 0;
  if (x->end == RUN_STUCK || y->end == RUN_STUCK)
    return NULL;
  compare (&m, "end", x->end, y->end);
  if (x->end != RUN_HALTED || y->end != RUN_HALTED)
    return m.used ? text : NULL;
  compare (&m, "vector", (uint64_t) image_vector (x), (uint64_t) image_vector (y));
  compare_state (&m, &x->state, &y->state, c, (pushed (x, FRAME_CS) & 3) == 3);
  compare_memory (&m, x, y, c);
  compare_ports (&m, x, y);
  return m.used ? text : NULL;
}

/* --- for a report --------------------------------------------------------------------------------------------- */

void
case_print (const Case *c)
{
  const BpX86State *s = &c->start.state;
  unsigned cs = s->segment[BP_X86_CS].attributes;
  X86Mode mode = cs & 0x2000 ? X86_MODE_64 : cs & 0x4000 ? X86_MODE_32 : X86_MODE_16;
  uint64_t at = s->rip;
  X86Insn insn;
  for (unsigned i = 0; i < 16; i++)
    printf ("%s%s=%llx", i % 8 ? " " : i ? "\n    " : "    ", gpr_names[i], (unsigned long long) s->gpr[i]);
  printf ("\n    window:");
  for (unsigned k = 0; k < 8; k++)
    printf (" %llx", (unsigned long long) image_get (&c->start, PTE (k), 8));
  printf ("\n    CS %04x RFLAGS %llx CR0 %llx CR4 %llx EFER %llx\n", s->segment[BP_X86_CS].selector, (unsigned long long) s->rflags,
          (unsigned long long) s->cr0, (unsigned long long) s->cr4, (unsigned long long) s->efer);
  for (unsigned i = 0; i < 16; i++) {
    char line[96];
    const uint8_t *bytes = c->start.memory + (at & (SYS_PAGE * 512 - 1));
    if (x86_decode (bytes, 15, mode, &insn) != X86_DECODE_OK)
      snprintf (line, sizeof line, "(bad)");
    else
      x86_disasm (&insn, at, line, sizeof line);
    printf ("    %08llx  %s\n", (unsigned long long) at, line);
    if (!strncmp (line, "ud2", 3) || !strncmp (line, "(bad)", 5))
      break;
    at += insn.length;
  }
}
