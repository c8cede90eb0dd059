/* instr-sites.c -- what instruments know by number: places that write records, guest instructions, lines. */
/* SPDX-License-Identifier: MIT */
#include <string.h>
#include <sys/mman.h>
#include "instr.h"

#define MAX_SITES (1u << 25)

/* --- memory that is there when it is touched -------------------------------------------------- */

void *
instr_reserve (size_t size)
{
  void *p = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return p == MAP_FAILED ? NULL : p;
}

/* --- tables ---------------------------------------------------------------------------------------- */

/* Sites by all that they say; guest instructions likewise. */
static guint
site_hash (gconstpointer p)
{
  const BpSite *s = p;
  uint64_t h = (uintptr_t) s->insn * 0x9e3779b97f4a7c15u ^ ((uint64_t) s->user << 24 | (uint64_t) s->kind << 16 | s->bytes) * 0xc2b2ae3d27d4eb4fu
               ^ (uint64_t) s->n_insns << 40 ^ (uint64_t) s->flags << 56 ^ s->mmu;
  return (guint) (h >> 32 ^ h);
}

static gboolean
site_equal (gconstpointer a, gconstpointer b)
{
  const BpSite *x = a, *y = b;
  return x->insn == y->insn && x->kind == y->kind && x->flags == y->flags && x->bytes == y->bytes && x->user == y->user && x->mmu == y->mmu
         && x->n_insns == y->n_insns;
}

/* A guest instruction, and under what it was decoded. */
typedef struct KnownInsn {
  BpInsn insn;                  /* first */
  BpTbKey key;
} KnownInsn;

static guint
insn_hash (gconstpointer p)
{
  const BpInsn *i = p;
  uint64_t h = i->address * 0x9e3779b97f4a7c15u ^ (i->physical + i->size) * 0xc2b2ae3d27d4eb4fu;
  return (guint) (h >> 32 ^ h);
}

static gboolean
insn_equal (gconstpointer a, gconstpointer b)
{
  const BpInsn *x = a, *y = b;
  return x->address == y->address && x->physical == y->physical && x->size == y->size && x->privilege == y->privilege
         && x->code_bits == y->code_bits && memcmp (x->bytes, y->bytes, x->size) == 0;
}

bool
instr_sites_init (TcgInstr *a)
{
  static const KnownInsn nothing;
  a->site_index = g_hash_table_new (site_hash, site_equal);
  a->insn_index = g_hash_table_new_full (insn_hash, insn_equal, g_free, NULL);
  a->line_index = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  a->site = instr_reserve (MAX_SITES * sizeof (BpSite));
  if (!a->site)
    return false;
  a->site[0].insn = &nothing.insn;
  a->n_sites = 1;
  return true;
}

void
instr_sites_finish (TcgInstr *a)
{
  if (a->site)
    munmap (a->site, MAX_SITES * sizeof (BpSite));
  g_hash_table_unref (a->site_index);
  g_hash_table_unref (a->insn_index);
  g_hash_table_unref (a->line_index);
}

/* --- sites and instructions ------------------------------------------------------------------------ */

uint32_t
instr_site (TcgInstr *a, const BpSite *site)
{
  g_mutex_lock (&a->lock);
  uint32_t n = GPOINTER_TO_UINT (g_hash_table_lookup (a->site_index, site));
  if (!n && a->n_sites < MAX_SITES) {
    n = a->n_sites++;
    a->site[n] = *site;
    g_hash_table_insert (a->site_index, &a->site[n], GUINT_TO_POINTER (n));
  } else if (!n && !a->is_full) {
    a->is_full = true;
    g_printerr ("backplane: instruments have asked for records at %u places: those of others have site 0\n", MAX_SITES);
  }
  g_mutex_unlock (&a->lock);
  return n;
}

const BpInsn *
instr_intern (TcgInstr *a, const BpTbKey *key, const BpInsn *like)
{
  const BpTcgFrontend *f = a->m->frontend;
  BpInsn insn = *like;
  if (BP_TABLE_HAS (f, describe))
    f->describe (key, &insn);
  g_mutex_lock (&a->lock);
  KnownInsn *known = g_hash_table_lookup (a->insn_index, &insn);
  if (!known) {
    insn.id = a->n_insns++;
    known = g_new (KnownInsn, 1);
    *known = (KnownInsn) { insn, *key };
    g_hash_table_insert (a->insn_index, known, known);
  }
  g_mutex_unlock (&a->lock);
  return &known->insn;
}

uint32_t
instr_line (TcgInstr *a, uint64_t line)
{
  gint64 key = (gint64) line;
  g_mutex_lock (&a->lock);
  uint32_t id = GPOINTER_TO_UINT (g_hash_table_lookup (a->line_index, &key));
  if (!id) {
    id = ++a->n_lines;
    g_hash_table_insert (a->line_index, g_memdup2 (&key, sizeof key), GUINT_TO_POINTER (id));
  }
  g_mutex_unlock (&a->lock);
  return id;
}

/* (all that there are were made here) */
const BpTbKey *
instr_insn_key (const BpInsn *insn)
{
  return &((const KnownInsn *) insn)->key;
}
