/* tb-find.c -- which block comes next: the state's key, the blocks there are, links between them.  Built with -mgeneral-regs-only. */
/* SPDX-License-Identifier: MIT */
#include "instr.h"

/* --- the page that it begins in --------------------------------------------------------------------- */

/* The page of the instruction at `linear`: its ram_address is ~0 when it is not RAM.  Raises the fetch's fault, or, with `quiet`, returns false. */
static bool
fetch_page (TcgVcpu *v, uint64_t linear, unsigned mmu, bool quiet, CodeFetch *page)
{
  if (quiet && !tlb_entry_quiet (v, linear, BP_MMU_FETCH, mmu))
    return false;
  if (!quiet)
    tlb_entry_for (v, linear, BP_MMU_FETCH, mmu);
  TlbFull *f = tlb_full (v, linear, mmu);
  page->linear = linear;
  page->ram_address = f->ram_address == ~(uint64_t) 0 ? f->ram_address : f->ram_address + (linear & ~TLB_PAGE_MASK);
  page->proof = f->proof;
  page->global = f->global;
  page->page_shift = f->page_shift;
  return true;
}

bool
tcg_code_is_there (TcgVcpu *v, uint64_t linear)
{
  CodeFetch page;
  return fetch_page (v, linear, v->frontend->fetch_mmu_index (v), true, &page);
}

/* --- the blocks there are ---------------------------------------------------------------------------- */

/* A block that runs into a second page is the right one only while that page is still the one it was made from.  When it is not there
 * at all, that is for the instruction that needs it to raise. */
static bool
second_page_holds (TcgVcpu *v, const Tb *tb, unsigned mmu, CodeFetch *second)
{
  if (tb->physical[1] == ~(uint64_t) 0)
    return true;
  uint64_t linear = tlb_wrap (v, (tb->key.pc & TLB_PAGE_MASK) + (1u << TLB_PAGE_BITS));
  return fetch_page (v, linear, mmu, true, second) && second->ram_address == tb->physical[1];
}

static uint32_t
block_cflags (TcgVcpu *v, unsigned mmu)
{
  const TcgMachine *m = v->machine;
  return instr_cflags (v) | (m->deterministic ? BP_TCG_CF_ICOUNT : 0) | (m->chain ? 0 : BP_TCG_CF_NO_CHAIN) | mmu << TB_MMU_SHIFT;
}

/* The block for the key among those that there are; *wrong: there is one, but made from another second page. */
static Tb *
known_block (TcgVcpu *v, const BpTbKey *key, unsigned mmu, uint32_t cflags, Tb **wrong)
{
  CodeFetch page[2];
  fetch_page (v, key->pc, mmu, false, &page[0]);
  if (page[0].ram_address == ~(uint64_t) 0)
    return NULL;
  Tb *tb = tb_lookup (v->machine, key, page[0].ram_address, cflags);
  if (!tb)
    tb = tb_revive (v, key, page[0].ram_address, cflags);
  if (tb && !second_page_holds (v, tb, mmu, &page[1])) {
    *wrong = tb;
    return NULL;
  }
  if (tb && !(cflags >> TB_MAX_INSNS_SHIFT & TB_MAX_INSNS))
    jump_cache_enter (v, mmu, tb, &page[0], tb->physical[1] == ~(uint64_t) 0 ? NULL : &page[1]);
  return tb;
}

/* --- for the loop ------------------------------------------------------------------------------------ */

uint64_t
tcg_linear_pc (TcgVcpu *v)
{
  BpTbKey key;
  v->frontend->key (v, &key);
  return key.pc;
}

/* The block at the current pc, translated when there is none; max_insns 0: as long as it may be. */
Tb *
tb_find (TcgVcpu *v, uint32_t max_insns)
{
  TcgMachine *m = v->machine;
  VcpuExtra *x = tcg_extra (v);
  BpTbKey key;
  v->frontend->key (v, &key);
  unsigned mmu = v->frontend->fetch_mmu_index (v);
  bool looked = x->looked && !max_insns;
  x->looked = false;
  Tb *tb = max_insns || looked ? NULL : jump_cache_find (v, mmu, &key), *wrong = NULL;
  if (G_LIKELY (tb))
    return tb;
  uint32_t cflags = block_cflags (v, mmu) | (max_insns ? BP_TCG_CF_NO_CHAIN : 0) | max_insns << TB_MAX_INSNS_SHIFT;
  tb = looked ? NULL : known_block (v, &key, mmu, cflags, &wrong);
  if (tb)
    return tb;
  if (wrong) {                  /* an alias with another second page: make it anew */
    g_mutex_lock (&m->lock);
    tb_invalidate (m, wrong);
    g_mutex_unlock (&m->lock);
  }
  return tb_translate (v, &key, cflags);
}

/* --- links between them ------------------------------------------------------------------------------ */

/* A direct jump is right only while what it skips, the look-up, would find the same: same mode, and the same page, or one whose name the jump
 * looks for.  A second page must be looked for by the target itself. */
void
tb_link_exit (TcgMachine *m, Tb *from, unsigned n, Tb *to)
{
  if (!m->chain || to->physical[0] == ~(uint64_t) 0 || (to->physical[1] != ~(uint64_t) 0 && !m->backend->checks_pages)
      || from->exit_mode != to->mode || from->pin_set != to->pin_set)
    return;
  bool same_page = ((from->key.pc ^ to->key.pc) & TLB_PAGE_MASK) == 0 && ((from->physical[0] ^ to->physical[0]) & TLB_PAGE_MASK) == 0;
  if (!same_page && (n >= from->n_exits || from->exit[n].guard == TB_NO_EXIT))
    return;
  g_mutex_lock (&m->lock);
  tb_link (m, from, n, to);
  g_mutex_unlock (&m->lock);
}

/* --- for generated code ------------------------------------------------------------------------------ */

void
tcg_jump (void *env, uint64_t pc)
{
  TcgVcpu *v = env;
  const BpTcgFrontend *f = v->frontend;
  if (BP_TABLE_HAS (f, may_jump) && !f->may_jump (env, pc)) {
    if (v->instr)
      v->instr->at_exit = true;
    tcg_raise (v);
  }
  tcg_store_pc (v, pc);
}

/* The state's key, for generated code to go on with; false: the loop must decide.  A fault from here on is the target's. */
static bool
next_key (TcgVcpu *v, BpTbKey *key)
{
  const TcgMachine *m = v->machine;
  if (v->exit_request || tcg_extra (v)->path.head)
    return false;
  v->ret_pc = 0;
  v->frontend->key (v, key);
  return G_LIKELY (m->debug == NULL) || !debug_cuts (m, key->pc);       /* even where nothing can be fetched */
}

static Tb *
next_known (TcgVcpu *v, const BpTbKey *key)
{
  unsigned mmu = v->frontend->fetch_mmu_index (v);
  Tb *wrong = NULL, *tb = known_block (v, key, mmu, block_cflags (v, mmu), &wrong);
  tcg_extra (v)->looked = !tb && !wrong;
  return tb;
}

const void *
tcg_lookup (void *env, uint64_t pc, unsigned exit)
{
  TcgVcpu *v = env;
  TcgMachine *m = v->machine;
  tcg_jump (env, pc);
  uintptr_t ret_pc = v->ret_pc;
  BpTbKey key;
  Tb *tb = next_key (v, &key) ? next_known (v, &key) : NULL;    /* (the jump cache, or the page's name, has been missed inline) */
  v->ret_pc = ret_pc;
  if (!tb || tb->pin_set != v->pin_set)
    return m->backend->leave_code;
  if (exit < TB_MAX_EXITS)
    tb_link_exit (m, tb_left (tb_at (m, ret_pc - 1)), exit, tb);
  v->entering = tb;             /* a kick from here on must find it */
  return tb->code;
}

const void *
tcg_continue (void *env)
{
  TcgVcpu *v = env;
  BpTbKey key;
  Tb *tb = NULL;
  if (next_key (v, &key) && !(tb = jump_cache_find (v, v->frontend->fetch_mmu_index (v), &key)))
    tb = next_known (v, &key);
  v->ret_pc = 0;
  if (!tb)
    return v->machine->backend->leave_code;
  v->pin_set = tb->pin_set;
  v->entering = tb;             /* a kick from here on must find it */
  return tb->code;
}
