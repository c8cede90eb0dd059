/* tb-invalidate.c -- blocks go when the bytes they were made from change. */
/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "instr.h"

static bool
overlaps (const Tb *tb, unsigned which, uint64_t start, uint64_t end)
{
  uint64_t tb_start, tb_end;
  if (tb->physical[which] == ~(uint64_t) 0)
    return false;
  tb_bytes_in_page (tb, which, &tb_start, &tb_end);
  return tb_start < end && start < tb_end;
}

bool
tb_is_on_page (const Tb *tb, uint64_t ram_address)
{
  return ((tb->physical[0] ^ ram_address) & TLB_PAGE_MASK) == 0 || ((tb->physical[1] ^ ram_address) & TLB_PAGE_MASK) == 0;
}

/* A translation that is reading the page starts over, and goes on hearing of writes. */
static bool
is_being_fetched (TcgMachine *m, uint64_t page)
{
  bool found = false;
  for (unsigned i = 0; i < m->vcpus->len; i++) {
    VcpuExtra *x = tcg_extra (m->vcpus->pdata[i]);
    if (x->fetch_page[0] >> TLB_PAGE_BITS == page || x->fetch_page[1] >> TLB_PAGE_BITS == page)
      found = x->fetch_stale = true;
  }
  return found;
}

/* Data beside code is written often, and a page's blocks lie all over memory: lines that have none are not looked for. */
static void
invalidate_in_page (TcgMachine *m, CodePage *p, uint64_t start, uint64_t end)
{
  uint64_t page = p->page << TLB_PAGE_BITS, lines = 0, starts[BP_N_ELEMENTS (p->starts)] = { 0 };
  bool lost = false;
  if (!(p->lines & tb_lines_between (MAX (start, page), MIN (end, page + (1u << TLB_PAGE_BITS)))))
    return;
  for (Tb *link = p->first, *next; link; link = next) {
    Tb *tb = (Tb *) ((uintptr_t) link & ~(uintptr_t) 7);
    unsigned which = (unsigned) ((uintptr_t) link & 7);
    next = tb->page_next[which];
    if (overlaps (tb, which, start, end)) {
      lost |= tb->is_watched;
      tb_invalidate (m, tb);
      continue;
    }
    unsigned at = page_start (tb->physical[0]);
    lines |= tb_lines (tb, which);
    starts[at / 64] |= (uint64_t) (which == 0) << at % 64;
  }
  p->lines = lines;
  for (unsigned i = 0; i < BP_N_ELEMENTS (starts); i++)
    __atomic_store_n (&p->starts[i], starts[i], __ATOMIC_RELEASE);
  p->lost += lost;
}

/* Whether a page without code goes on being watched. */
static bool
stays_watched (CodePage *p)
{
  if (!p || p->emptied < CODE_PAGE_STAYS)
    return false;
  if (++p->idle < CODE_PAGE_IDLE)
    return true;
  p->emptied = p->idle = 0;
  return false;
}

bool
tb_invalidate_range (TcgMachine *m, uint64_t ram_address, uint64_t size, const Tb *current)
{
  uint64_t end = ram_address + size;
  for (uint64_t page = ram_address >> TLB_PAGE_BITS; page <= (end - 1) >> TLB_PAGE_BITS; page++) {
    CodePage *p = code_page_find (m, page);
    if (p && p->first) {
      invalidate_in_page (m, p, ram_address, end);
      p->idle = 0;
      p->emptied += !p->first && p->emptied < CODE_PAGE_STAYS;
    }
    if (!is_being_fetched (m, page) && (!p || !p->first) && !stays_watched (p))
      bp_dirty_set (BP_DIRTY_CODE, page << TLB_PAGE_BITS, 1u << TLB_PAGE_BITS);
  }
  return current && (overlaps (current, 0, ram_address, end) || overlaps (current, 1, ram_address, end));
}

/* Somebody other than generated code (a device, a loader) writes to pages that hold code. */
void
tb_code_written (void *user, uint64_t ram_address, uint64_t size)
{
  TcgMachine *m = user;
  g_mutex_lock (&m->lock);
  tb_invalidate_range (m, ram_address, size, NULL);
  g_mutex_unlock (&m->lock);
}
