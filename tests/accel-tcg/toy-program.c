/* toy-program.c -- random programs for the toy CPU, and whether it ended as the plain interpreter did. */
/* SPDX-License-Identifier: MIT */
/*
 * A program is a loop over groups of instructions; jumps within it go forward to a group's start.  It stores, faults, divides, pokes into
 * its own code, remaps pages (of its code too: a copy with other numbers), and switches between two page tables.
 */
#include "toy-cpu.h"
#include <check.h>
#include <string.h>

#define CODE 0x10000u           /* 4 linear pages, global; at the same physical address, or in a copy behind */
#define COPY 0x14000u
#define CODE_PAGES 4
#define DATA 0x20000u           /* 8 linear pages; 8 physical ones and 4 more */
#define DATA_PAGES 8

static unsigned upto (ToyProgram *p, unsigned n) { return (unsigned) g_rand_int_range (p->rand, 0, (gint32) n); }

/* Where loads and stores go: r6 plus a displacement. */
static void
random_base (ToyProgram *p)
{
  static const uint32_t bases[] = { DATA + 0x800, DATA + 0xffc, DATA + 0x3ffd, DATA + 0x5000, DATA + 0x7000, TOY_DEVICE + 0x800 };
  toy_emit_const (&p->code, 6, bases[upto (p, G_N_ELEMENTS (bases))] + upto (p, 8));
}

static void
random_map (ToyProgram *p)
{
  uint32_t linear, entry = TOY_VALID | TOY_WRITABLE | TOY_EXECUTABLE;
  if (upto (p, 3) == 0) {
    unsigned page = upto (p, CODE_PAGES) << 12;
    linear = CODE + page;
    entry |= ((upto (p, 2) ? COPY : CODE) + page) | TOY_GLOBAL;
  } else {
    unsigned how = upto (p, 8);
    linear = DATA + (upto (p, DATA_PAGES) << 12);
    entry |= DATA + (upto (p, DATA_PAGES + 4) << 12);
    entry &= how == 0 ? ~(uint32_t) TOY_VALID : how == 1 ? ~(uint32_t) TOY_WRITABLE : ~0u;
  }
  toy_emit_const (&p->code, 4, linear);
  toy_emit_const (&p->code, 5, entry);
  toy_emit (&p->code, TOY_MAP, 4, 5, 0);
}

/* Linear 64 KiB at 0x40000 in one piece, or in 16. */
static void
random_large (ToyProgram *p)
{
  toy_emit_const (&p->code, 4, 0x40000);
  toy_emit_const (&p->code, 5, (upto (p, 2) ? 0x40000 : 0x50000) | TOY_VALID | TOY_WRITABLE | (upto (p, 3) ? TOY_LARGE : 0));
  toy_emit (&p->code, TOY_MAP, 4, 5, 0);
  toy_emit_const (&p->code, 5, 0x40000 + upto (p, 0xfff0));
  toy_emit (&p->code, upto (p, 2) ? TOY_LD32 : TOY_ST32, 1, 5, 0);
  toy_emit (&p->code, upto (p, 2) ? TOY_LD32 : TOY_ST32, 2, 5, 1);
}

static void
random_jump (ToyProgram *p, unsigned kind, unsigned n_groups)
{
  /* The distance is put in when all groups are there; imm holds how many groups forward. */
  unsigned forward = 1 + upto (p, MIN (6, n_groups - p->n_groups + 1));
  if (kind == 0)
    toy_emit (&p->code, TOY_BNZ, upto (p, 6), 0, (int) forward);
  else if (kind == 1)
    toy_emit (&p->code, TOY_JMP, 0, 0, (int) forward);
  else {
    toy_emit_const (&p->code, 5, forward);
    toy_emit (&p->code, TOY_JR, 5, 0, 0);
  }
}

static void
random_group (ToyProgram *p, unsigned n_groups)
{
  ToyCode *c = &p->code;
  unsigned a = upto (p, 6), b = upto (p, 7), kind = upto (p, 40);
  int near = (int) upto (p, 0x200) - 0x100;
  p->group[p->n_groups++] = c->n;
  if (kind < 8)
    toy_emit (c, TOY_LI, a, 0, (int) g_rand_int (p->rand));
  else if (kind < 16)
    toy_emit (c, (ToyOp) (TOY_ADDI + upto (p, TOY_DIV - TOY_ADDI + 1)), a, b, near);
  else if (kind < 25)
    toy_emit (c, (ToyOp) (TOY_LD32 + upto (p, TOY_CAS - TOY_LD32 + 1)), a, 6, near);
  else if (kind < 30)
    random_jump (p, upto (p, 3), n_groups);
  else if (kind < 33)
    toy_emit (c, TOY_POKE, a, upto (p, 6), 0);          /* the distance comes later */
  else if (kind == 33)
    random_base (p);
  else if (kind == 34)
    random_map (p);
  else if (kind == 35) {
    toy_emit_const (c, 5, TOY_TABLES + (upto (p, 2) << 12));
    toy_emit (c, TOY_TABLE, 5, 0, 0);
  } else if (kind == 36) {
    toy_emit_const (c, 4, DATA + upto (p, DATA_PAGES << 12));
    toy_emit_const (c, 5, DATA + upto (p, DATA_PAGES << 12));
    toy_emit (c, TOY_COPY, 4, 5, (int) upto (p, 64));
  } else if (kind == 37)
    toy_emit (c, upto (p, 2) ? TOY_TRAP : TOY_EI, 0, 0, 0);
  else if (kind == 38)
    toy_emit (c, upto (p, 2) ? TOY_OUT : TOY_IN, a, 0, TOY_PORT_HASH);
  else
    random_large (p);
}

static unsigned
group_after (const ToyProgram *p, unsigned at, unsigned n)
{
  unsigned g = 0;
  while (p->group[g] <= at)
    g++;
  return p->group[MIN (g + n - 1, p->n_groups - 1)];
}

static void
resolve (ToyProgram *p)
{
  ToyCode *c = &p->code;
  for (unsigned i = 0; i < c->n; i++) {
    ToyOp op = (ToyOp) (c->word[i] & 0xff);
    uint32_t head = c->word[i] & 0xffff;
    unsigned n = c->word[i] >> 16;
    if ((op == TOY_BNZ && i < c->n - 2) || op == TOY_JMP)
      c->word[i] = head | (4 * (group_after (p, i, n) - i - 1)) << 16;
    else if (op == TOY_JR) {
      uint32_t to = c->origin + 4 * group_after (p, i, c->word[i - 1] >> 16) - p->start.base;
      c->word[i - 2] = (c->word[i - 2] & 0xffff) | (to & 0xffff0000);
      c->word[i - 1] = (c->word[i - 1] & 0xffff) | to << 16;
    } else if (op == TOY_POKE) {
      unsigned to = upto (p, 2) ? MIN (i + upto (p, 6), c->n - 1) : upto (p, c->n);
      while (to < c->n && (c->word[to] & 0xff) != TOY_LI)
        to++;
      c->word[i] = to < c->n ? head | (4 * (to - i)) << 16 : toy_insn (TOY_LI, 0, 0, 0);
    }
  }
}

static void
set_entry (ToyProgram *p, unsigned table, uint32_t linear, uint32_t entry)
{
  memcpy (p->ram + TOY_TABLES + (table << 12) + 4 * (linear >> 12), &entry, 4);
}

static void
make_tables (ToyProgram *p)
{
  const uint32_t all = TOY_VALID | TOY_WRITABLE | TOY_EXECUTABLE;
  for (unsigned table = 0; table < 2; table++) {
    for (unsigned i = 0; i < CODE_PAGES; i++)
      set_entry (p, table, CODE + (i << 12), (CODE + (i << 12)) | all | TOY_GLOBAL);
    for (unsigned i = 0; i < DATA_PAGES; i++)
      set_entry (p, table, DATA + (i << 12), (DATA + ((table ? DATA_PAGES + 3 - i : i) << 12)) | all);
    set_entry (p, table, TOY_DEVICE, TOY_DEVICE | all);
    for (unsigned i = 0; i < 16; i++)
      set_entry (p, table, 0x40000 + (i << 12), (0x60000 + (i << 12)) | all);
  }
}

/* The copy does the same with other numbers. */
static void
put_copy (ToyProgram *p)
{
  ToyCode copy = p->code;
  for (unsigned i = 0; i < copy.n; i++)
    if ((copy.word[i] & 0xff) == TOY_LI)
      copy.word[i] ^= 0x5a000000;
  copy.origin += COPY - CODE;
  toy_put (p->ram, &copy);
}

ToyProgram *
toy_program_new (uint64_t seed)
{
  ToyProgram *p = g_new0 (ToyProgram, 1);
  p->rand = g_rand_new_with_seed ((guint32) seed);
  p->ram = g_malloc0 (TOY_RAM_SIZE);
  p->code.origin = CODE + 0xc00 + upto (p, 0x200);
  p->start.base = upto (p, 3) ? 0 : CODE + 0x1000;
  unsigned n_groups = 20 + upto (p, 600);
  toy_emit (&p->code, TOY_LI, 7, 0, 8 + (int) upto (p, 30));
  random_base (p);
  while (p->n_groups < n_groups)
    random_group (p, n_groups);
  p->group[p->n_groups++] = p->code.n;
  toy_emit (&p->code, TOY_ADDI, 7, 7, -1);
  toy_emit_jump (&p->code, TOY_BNZ, 7, p->code.origin + 4);
  toy_emit (&p->code, TOY_STOP, 0, 0, 0);
  g_assert (toy_here (&p->code) < CODE + (CODE_PAGES << 12));
  resolve (p);
  toy_put (p->ram, &p->code);
  put_copy (p);
  make_tables (p);
  for (uint32_t i = DATA; i < 0x70000; i++)
    if (i < DATA + 0xc000 || i >= 0x40000)
      p->ram[i] = (uint8_t) toy_mix (i, (uint32_t) seed);
  p->start.pc = p->code.origin - p->start.base;
  p->start.table = upto (p, 8) ? TOY_TABLES : 0;
  return p;
}

void
toy_program_free (ToyProgram *p)
{
  g_rand_free (p->rand);
  g_free (p->ram);
  g_free (p);
}

/* --- running one ------------------------------------------------------------------------------ */

void
toy_compare (Toy *t, const ToyState *want, const ToyBoard *board, const char *where)
{
  const ToyState *got = &t->cpu->s;
  for (unsigned i = 0; i < 8; i++)
    ck_assert_msg (got->r[i] == want->r[i], "%s: r%u is %x, not %x", where, i, got->r[i], want->r[i]);
  ck_assert_msg (got->pc == want->pc && got->table == want->table, "%s: pc %x, not %x; table %x, not %x", where, got->pc, want->pc, got->table,
                 want->table);
  ck_assert_msg (got->faults == want->faults && got->n_faults == want->n_faults, "%s: %u faults (%x), not %u (%x)", where, got->n_faults,
                 got->faults, want->n_faults, want->faults);
  ck_assert_msg (t->board.hash == board->hash && t->board.counter == board->counter, "%s: devices differ", where);
  for (uint32_t i = 0; i < TOY_RAM_SIZE; i++)
    if (t->board.ram[i] != board->ram[i])
      ck_abort_msg ("%s: byte at %x is %x, not %x", where, i, t->board.ram[i], board->ram[i]);
}

void
toy_program_run (Toy *t, uint64_t seed, void (*meanwhile) (Toy *t))
{
  ToyProgram *p = toy_program_new (seed);
  ToyState want = p->start;
  ToyBoard board = { .ram = g_memdup2 (p->ram, TOY_RAM_SIZE) };
  ck_assert (toy_reference (&want, &board, 10000000));
  ck_assert (bp_as_write (t->memory_space, 0, p->ram, TOY_RAM_SIZE));
  t->board.hash = t->board.counter = 0;
  toy_start (t, &p->start);
  if (meanwhile)
    meanwhile (t);
  toy_wait_stopped (t);
  g_autofree char *where = g_strdup_printf ("seed %u", (unsigned) seed);
  toy_compare (t, &want, &board, where);
  g_free (board.ram);
  toy_program_free (p);
}
