/* paging.c -- linear to physical: no paging, 32-bit paging with 4 MB pages, PAE paging (SDM 3A chapter 4). */
/* SPDX-License-Identifier: MIT */
#include <backplane/log.h>
#include "common.h"

/* --- entry bits ---------------------------------------------------------------------------- */

enum {
  PTE_P = 1 << 0, PTE_W = 1 << 1, PTE_U = 1 << 2, PTE_A = 1 << 5, PTE_D = 1 << 6, PTE_PS = 1 << 7, PTE_G = 1 << 8
};
#define PTE_NX ((uint64_t) 1 << 63)

/* #PF error code. */
enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_FETCH = 16 };

/* One translation under way. */
typedef struct Walk {
  X86Cpu *env;
  uint32_t address;
  BpMmuAccess access;
  bool user;                    /* a user-mode access */
  bool smap;                    /* user pages are out of bounds to a data access */
  uint64_t rights;              /* of all levels so far: W and U are and-ed; NX or-ed */
  uint64_t physical;            /* of the page */
  unsigned shift;
  uint64_t leaf;                /* the entry that maps the page, where it is, and its size */
  uint64_t leaf_address;
  unsigned leaf_size;
  uint64_t table, table_address;        /* the entry that led to the leaf and lacks its accessed bit; 0: none */
} Walk;

enum { WALK_OK, WALK_NOT_PRESENT, WALK_RESERVED };

/* --- physical memory ---------------------------------------------------------------------------- */

static inline uint64_t
a20 (const X86Cpu *env, uint64_t physical)
{
  return physical & ~(uint64_t) (uint32_t) ~env->a20_mask;
}

static inline uint64_t
read_entry (X86Cpu *env, uint64_t address, unsigned size)
{
  return env->tcg.ops->load_physical (env, a20 (env, address), size);
}

/* Sets bits of an entry unless it changed meanwhile (another processor); false: look again. */
static inline bool
set_bits (X86Cpu *env, uint64_t address, uint64_t old, uint64_t bits, unsigned size)
{
  return env->tcg.ops->cmpxchg_physical (env, a20 (env, address), old, old | bits, size);
}

static inline uint64_t
beyond (unsigned bits)
{
  return ~(uint64_t) 0 << bits;
}

/* --- walks ------------------------------------------------------------------------------------------ */

/* Follows a non-leaf entry.  Its accessed bit waits for the end of the walk: a walk that faults leaves no trace in the tables. */
static inline void
pass (Walk *w, uint64_t entry, uint64_t address)
{
  w->rights &= entry | PTE_NX;
  w->rights |= entry & PTE_NX;
  w->table = entry & PTE_A ? 0 : entry;
  w->table_address = address;
}

/* The accessed bits, and dirty for a store; false: an entry changed under us. */
static inline bool
mark_used (Walk *w)
{
  uint64_t bits = PTE_A | (w->access == BP_MMU_STORE ? PTE_D : 0);
  if (UNLIKELY (w->table) && !set_bits (w->env, w->table_address, w->table, PTE_A, w->leaf_size))
    return false;
  return (w->leaf & bits) == bits || set_bits (w->env, w->leaf_address, w->leaf, bits, w->leaf_size);
}

static inline int
land (Walk *w, uint64_t entry, uint64_t address, unsigned size, uint64_t page, unsigned shift)
{
  w->rights &= entry | PTE_NX;
  w->rights |= entry & PTE_NX;
  w->leaf = entry;
  w->leaf_address = address;
  w->leaf_size = size;
  w->shift = shift;
  w->physical = page | (w->address & (((uint32_t) 1 << shift) - 1) & ~0xfffu);
  return WALK_OK;
}

/* SDM 3A 4.3.  4 MB pages carry address bits 39..32 in bits 20..13 (PSE-36). */
static int
walk_legacy (Walk *w)
{
  X86Cpu *env = w->env;
  uint64_t address = (env->cr3 & 0xfffff000) | (w->address >> 20 & 0xffc);
  uint64_t entry = read_entry (env, address, 4);
  if (!(entry & PTE_P))
    return WALK_NOT_PRESENT;
  if (entry & PTE_PS && env->cr4 & CR4_PSE) {
    uint64_t page = (entry & 0xffc00000) | (entry >> 13 & 0xff) << 32;
    if (entry & 1u << 21 || page & beyond (env->physical_bits))
      return WALK_RESERVED;
    return land (w, entry, address, 4, page, 22);
  }
  pass (w, entry, address);
  address = (entry & 0xfffff000) | (w->address >> 10 & 0xffc);
  entry = read_entry (env, address, 4);
  if (!(entry & PTE_P))
    return WALK_NOT_PRESENT;
  return land (w, entry, address, 4, entry & 0xfffff000, 12);
}

/* SDM 3A 4.4. */
static int
walk_pae (Walk *w)
{
  X86Cpu *env = w->env;
  uint64_t reserved = beyond (env->physical_bits) & (env->efer & EFER_NXE ? ~PTE_NX : ~(uint64_t) 0);
  uint64_t frame = ~beyond (env->physical_bits) & ~(uint64_t) 0xfff;
  uint64_t pdpte = env->pdpte[w->address >> 30];
  if (!(pdpte & PTE_P))
    return WALK_NOT_PRESENT;
  uint64_t address = (pdpte & frame) | (w->address >> 18 & 0xff8);
  uint64_t entry = read_entry (env, address, 8);
  if (!(entry & PTE_P))
    return WALK_NOT_PRESENT;
  if (entry & reserved)
    return WALK_RESERVED;
  if (entry & PTE_PS) {
    if (entry & 0x1fe000)     /* bits 20..13; bit 12 is PAT */
      return WALK_RESERVED;
    return land (w, entry, address, 8, entry & frame & ~(uint64_t) 0x1fffff, 21);
  }
  pass (w, entry, address);
  address = (entry & frame) | (w->address >> 9 & 0xff8);
  entry = read_entry (env, address, 8);
  if (!(entry & PTE_P))
    return WALK_NOT_PRESENT;
  if (entry & reserved)
    return WALK_RESERVED;
  return land (w, entry, address, 8, entry & frame, 12);
}

/* --- rights --------------------------------------------------------------------------------------------- */

/* SDM 3A 4.6: what the page allows, for this mode, before its dirty bit is thought of. */
static inline void
judge (const Walk *w, BpTlbFill *fill)
{
  bool user_page = w->rights & PTE_U, mode_ok = w->user ? user_page : !(w->smap && user_page);
  fill->readable = mode_ok;
  fill->writable = mode_ok && (w->rights & PTE_W || (!w->user && !(w->env->cr0 & CR0_WP)));
  mode_ok = w->user ? user_page : !(user_page && w->env->cr4 & CR4_SMEP);
  fill->executable = mode_ok && !(w->rights & PTE_NX);
}

static void __attribute__ ((noinline))
log_fault (X86Cpu *env, uint32_t address, uint32_t error)
{
  env->tcg.ops->fp_store (env);
  bp_log_write (BP_LOG_MMU, "page fault at %08x error %04x cr3 %08x eip %04x:%08x", address, error, (uint32_t) env->cr3,
                env->segment[X86_CS].selector, (uint32_t) env->eip);
}

static bool
refuse (const Walk *w, uint32_t error, bool quiet)
{
  X86Cpu *env = w->env;
  if (quiet)
    return false;
  if (w->access == BP_MMU_STORE)
    error |= PF_W;
  if (w->user)
    error |= PF_U;
  if (w->access == BP_MMU_FETCH && (env->cr4 & CR4_SMEP || (env->cr4 & CR4_PAE && env->efer & EFER_NXE)))
    error |= PF_FETCH;
  env->cr2_before = env->cr2;
  env->cr2 = w->address;
  if (bp_log_on (BP_LOG_MMU))
    log_fault (env, w->address, error);
  x86_record_exception (env, EXC_PF, error);
  return false;
}

static bool
fill_unpaged (const X86Cpu *env, uint32_t address, BpTlbFill *fill)
{
  fill->physical = a20 (env, address & ~0xfffu);
  fill->page_shift = 12;
  fill->readable = fill->writable = fill->executable = 1;
  fill->global = 0;
  fill->watched = x86_is_watched (env, address);
  return true;
}

bool
x86_tlb_fill (void *opaque, uint64_t address, BpMmuAccess access, unsigned mmu_index, bool quiet, BpTlbFill *fill)
{
  X86Cpu *env = opaque;
  if (!(env->cr0 & CR0_PG))
    return fill_unpaged (env, (uint32_t) address, fill);
  Walk w = { .env = env, .address = (uint32_t) address, .access = access, .user = mmu_index == MMU_USER, .smap = mmu_index == MMU_KERNEL_SMAP };
  for (;;) {
    w.rights = PTE_W | PTE_U;
    w.table = 0;
    int result = env->cr4 & CR4_PAE ? walk_pae (&w) : walk_legacy (&w);
    if (UNLIKELY (result != WALK_OK))
      return refuse (&w, result == WALK_RESERVED ? PF_RSVD | PF_P : 0, quiet);
    judge (&w, fill);
    bool allowed = access == BP_MMU_STORE ? fill->writable : access == BP_MMU_FETCH ? fill->executable : fill->readable;
    if (UNLIKELY (!allowed))
      return refuse (&w, PF_P, quiet);
    if (LIKELY (mark_used (&w)))
      break;
  }
  /* The first store to a clean page must come back, to set D. */
  if (access != BP_MMU_STORE && !(w.leaf & PTE_D))
    fill->writable = 0;
  fill->physical = a20 (env, w.physical);
  /* With A20 masked a large page is not contiguous. */
  fill->page_shift = (uint8_t) (env->a20_mask == 0xffffffff ? w.shift : 12);
  fill->global = w.leaf & PTE_G && env->cr4 & CR4_PGE;
  fill->watched = x86_is_watched (env, (uint32_t) address);
  return true;
}

/* --- PAE: the four top entries are registers (SDM 3A 4.4.1) --------------------------------------------------- */

bool
x86_load_pdptes (X86Cpu *env, uint64_t cr3)
{
  uint64_t pdpte[4];
  uint64_t reserved = beyond (env->physical_bits) | 0x1e6;
  for (unsigned i = 0; i < 4; i++) {
    pdpte[i] = read_entry (env, (cr3 & 0xffffffe0) + 8 * i, 8);
    if (pdpte[i] & PTE_P && pdpte[i] & reserved)
      return false;
  }
  for (unsigned i = 0; i < 4; i++)
    env->pdpte[i] = pdpte[i];
  return true;
}
