/* paging.c -- linear to physical: no paging, 32-bit paging with 4 MB pages, PAE paging, 4-level paging (SDM 3A chapter 4). */
/* SPDX-License-Identifier: MIT */
#include <backplane/log.h>
#include "common.h"

/* --- entry bits ---------------------------------------------------------------------------- */

enum {
  PTE_P = 1 << 0, PTE_W = 1 << 1, PTE_U = 1 << 2, PTE_A = 1 << 5, PTE_D = 1 << 6, PTE_PS = 1 << 7, PTE_G = 1 << 8
};
#define PTE_NX ((uint64_t) 1 << 63)

/* #PF error code. */
enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_FETCH = 16, PF_PK = 32 };

/* One translation under way. */
typedef struct Walk {
  X86Cpu *env;
  uint64_t address;
  BpMmuAccess access;
  bool user;                    /* a user-mode access */
  bool smap;                    /* user pages are out of bounds to a data access */
  uint64_t rights;              /* of all levels so far: W and U are and-ed; NX or-ed */
  uint32_t locked;              /* bit: an access that the page's key forbids */
  uint64_t physical;            /* of the page */
  uint64_t leaf;                /* the entry that maps the page */
  unsigned shift;
  unsigned size;                /* of an entry */
  BpTlbWord *word;              /* the entries read so far, from the top level down; the latest maps the page */
  unsigned n_words;
  bool has_registers;           /* the first of them is PAE's register, not memory */
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

static inline void
note (Walk *w, uint64_t entry, uint64_t address)
{
  w->word[w->n_words++] = (BpTlbWord) { a20 (w->env, address), entry };
}

/* Follows a non-leaf entry.  Its accessed bit waits for the end of the walk: a walk that faults leaves no trace in the tables. */
static inline void
pass (Walk *w, uint64_t entry, uint64_t address)
{
  w->rights &= entry | PTE_NX;
  w->rights |= entry & PTE_NX;
  note (w, entry, address);
}

static inline bool
mark (Walk *w, BpTlbWord *word, uint64_t bits)
{
  if (LIKELY ((word->value & bits) == bits))
    return true;
  if (!set_bits (w->env, word->physical, word->value, bits, w->size))
    return false;
  word->value |= bits;
  return true;
}

/* The accessed bits, and dirty for a store; false: an entry changed under us. */
static inline bool
mark_used (Walk *w)
{
  for (unsigned i = w->has_registers; i + 1 < w->n_words; i++)
    if (!mark (w, &w->word[i], PTE_A))
      return false;
  return mark (w, &w->word[w->n_words - 1], PTE_A | (w->access == BP_MMU_STORE ? PTE_D : 0));
}

static inline int
land (Walk *w, uint64_t entry, uint64_t address, uint64_t page, unsigned shift)
{
  pass (w, entry, address);
  w->leaf = entry;
  w->shift = shift;
  w->physical = page | (w->address & (((uint64_t) 1 << shift) - 1) & ~(uint64_t) 0xfff);
  return WALK_OK;
}

/* SDM 3A 4.3.  4 MB pages carry address bits 39..32 in bits 20..13 (PSE-36). */
static int
walk_legacy (Walk *w)
{
  X86Cpu *env = w->env;
  w->size = 4;
  uint64_t address = (env->cr3 & 0xfffff000) | (w->address >> 20 & 0xffc);
  uint64_t entry = read_entry (env, address, 4);
  if (!(entry & PTE_P))
    return WALK_NOT_PRESENT;
  if (entry & PTE_PS && env->cr4 & CR4_PSE) {
    uint64_t page = (entry & 0xffc00000) | (entry >> 13 & 0xff) << 32;
    if (entry & 1u << 21 || page & beyond (env->physical_bits))
      return WALK_RESERVED;
    return land (w, entry, address, page, 22);
  }
  pass (w, entry, address);
  address = (entry & 0xfffff000) | (w->address >> 10 & 0xffc);
  entry = read_entry (env, address, 4);
  if (!(entry & PTE_P))
    return WALK_NOT_PRESENT;
  return land (w, entry, address, entry & 0xfffff000, 12);
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
  w->size = 8;
  w->has_registers = true;
  note (w, pdpte, (env->cr3 & 0xffffffe0) + 8 * (w->address >> 30));
  uint64_t address = (pdpte & frame) | (w->address >> 18 & 0xff8);
  uint64_t entry = read_entry (env, address, 8);
  if (!(entry & PTE_P))
    return WALK_NOT_PRESENT;
  if (entry & reserved)
    return WALK_RESERVED;
  if (entry & PTE_PS) {
    if (entry & 0x1fe000)     /* bits 20..13; bit 12 is PAT */
      return WALK_RESERVED;
    return land (w, entry, address, entry & frame & ~(uint64_t) 0x1fffff, 21);
  }
  pass (w, entry, address);
  address = (entry & frame) | (w->address >> 9 & 0xff8);
  entry = read_entry (env, address, 8);
  if (!(entry & PTE_P))
    return WALK_NOT_PRESENT;
  if (entry & reserved)
    return WALK_RESERVED;
  return land (w, entry, address, entry & frame, 12);
}

#define PDPTE_1G (1u << 26)      /* CPUID.80000001:EDX */

/* SDM 3A 4.5.  A page may be mapped at three levels; the entries of all of them look alike. */
static int
walk_long (Walk *w)
{
  X86Cpu *env = w->env;
  uint64_t frame = ~beyond (env->physical_bits) & ~(uint64_t) 0xfff;
  uint64_t reserved = (beyond (env->physical_bits) & ~beyond (52)) | (env->efer & EFER_NXE ? 0 : PTE_NX), table = env->cr3 & frame;
  bool huge = env->cpuid_80000001_edx & PDPTE_1G;
  w->size = 8;
  for (unsigned shift = 39; ; shift -= 9) {
    uint64_t address = table + (w->address >> shift << 3 & 0xff8), entry = read_entry (env, address, 8);
    if (!(entry & PTE_P))
      return WALK_NOT_PRESENT;
    if (entry & reserved)
      return WALK_RESERVED;
    if (shift == 12)
      return land (w, entry, address, entry & frame, 12);
    if (entry & PTE_PS) {
      uint64_t page_bits = ((uint64_t) 1 << shift) - 1;
      if (shift == 39 || (shift == 30 && !huge) || entry & frame & page_bits & ~(uint64_t) 0x1000)      /* bit 12 is PAT */
        return WALK_RESERVED;
      return land (w, entry, address, entry & frame & ~page_bits, shift);
    }
    pass (w, entry, address);
    table = entry & frame;
  }
}

/* --- rights --------------------------------------------------------------------------------------------- */

#define LOADS (1u << BP_MMU_LOAD)
#define STORES (1u << BP_MMU_STORE)

/* SDM 3A 4.6.2: the key of a page of 4-level paging, and what PKRU or IA32_PKRS says of it.  User pages' keys are 1 to 16 to the TLB, the
 * others' 17 to 32 (x86_set_pkru). */
static void __attribute__ ((noinline))
judge_key (Walk *w, bool user_page, BpTlbFill *fill)
{
  enum { ACCESS_DISABLE = 1, WRITE_DISABLE = 2 };
  const X86Cpu *env = w->env;
  if (!x86_in_long_mode (env) || !(env->cr4 & (user_page ? CR4_PKE : CR4_PKS)))
    return;
  unsigned key = w->leaf >> 59 & 15;
  uint64_t rights = (user_page ? env->pkru : env->pkrs) >> 2 * key;
  fill->key = (uint8_t) ((user_page ? 1 : 17) + key);
  if (rights & ACCESS_DISABLE)
    w->locked = LOADS | STORES;
  else if (rights & WRITE_DISABLE && (w->user || env->cr0 & CR0_WP))
    w->locked = STORES;
}

/* SDM 3A 4.6: what the page allows, for this mode, before its dirty bit is thought of. */
static inline void
judge (Walk *w, BpTlbFill *fill)
{
  bool user_page = w->rights & PTE_U, mode_ok = w->user ? user_page : !(w->smap && user_page);
  w->locked = fill->key = 0;
  if (w->env->cr4 & (CR4_PKE | CR4_PKS))
    judge_key (w, user_page, fill);
  fill->readable = mode_ok && !(w->locked & LOADS);
  fill->writable = mode_ok && (w->rights & PTE_W || (!w->user && !(w->env->cr0 & CR0_WP))) && !(w->locked & STORES);
  mode_ok = w->user ? user_page : !(user_page && w->env->cr4 & CR4_SMEP);
  fill->executable = mode_ok && !(w->rights & PTE_NX);
}

static void __attribute__ ((noinline))
log_fault (X86Cpu *env, uint64_t address, uint32_t error)
{
  env->tcg.ops->fp_store (env);
  bp_log_write (BP_LOG_MMU, "page fault at %08" G_GINT64_MODIFIER "x error %04x cr3 %08" G_GINT64_MODIFIER "x eip %04x:%08" G_GINT64_MODIFIER "x",
                address, error, env->cr3, env->segment[X86_CS].selector, env->eip);
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
  if (UNLIKELY (w->access == BP_MMU_FETCH && env->hflags & HF_BREAKPOINTS && w->address == x86_code_linear (env, env->eip)
                && x86_breaks_at (env, w->address))) {
    x86_record_exception (env, EXC_DB, 0);      /* of a class before this one (SDM 3A table 6-2) */
    return false;
  }
  env->cr2_before = env->cr2;
  env->cr2 = w->address;
  if (bp_log_on (BP_LOG_MMU))
    log_fault (env, w->address, error);
  x86_record_exception (env, EXC_PF, error);
  return false;
}

/* The accelerator makes it #SS(0) where the stack's segment was meant. */
static bool
refuse_address (X86Cpu *env, uint64_t address, bool quiet)
{
  if (!quiet) {
    x86_record_exception (env, EXC_GP, 0);
    env->bad_address = address;
  }
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
  fill->n_words = fill->key = 0;
  return true;
}

static int
walk (Walk *w)
{
  w->rights = PTE_W | PTE_U;
  w->n_words = 0;
  return x86_in_long_mode (w->env) ? walk_long (w) : w->env->cr4 & CR4_PAE ? walk_pae (w) : walk_legacy (w);
}

bool
x86_tlb_fill (void *opaque, uint64_t address, BpMmuAccess access, unsigned mmu_index, bool quiet, BpTlbFill *fill)
{
  X86Cpu *env = opaque;
  if (!(env->cr0 & CR0_PG))
    return fill_unpaged (env, (uint32_t) address, fill);
  if (!x86_in_long_mode (env))
    address = (uint32_t) address;
  else if (UNLIKELY (!x86_is_canonical (address)))
    return refuse_address (env, address, quiet);
  Walk w = { .env = env, .address = address, .access = access, .user = mmu_index == MMU_USER, .smap = mmu_index == MMU_KERNEL_SMAP,
             .word = fill->word };
  for (;;) {
    int result = walk (&w);
    if (UNLIKELY (result != WALK_OK))
      return refuse (&w, result == WALK_RESERVED ? PF_RSVD | PF_P : 0, quiet);
    judge (&w, fill);
    bool allowed = access == BP_MMU_STORE ? fill->writable : access == BP_MMU_FETCH ? fill->executable : fill->readable;
    if (UNLIKELY (!allowed))
      return refuse (&w, PF_P | (w.locked >> access & 1 ? PF_PK : 0), quiet);
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
  fill->watched = x86_is_watched (env, address);
  fill->n_words = (uint8_t) w.n_words;
  fill->word_size = (uint8_t) w.size;
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
