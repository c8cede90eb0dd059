/* tb-invalidate.c -- blocks go when the bytes they were made from change. */
/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "instr.h"

/* The bytes of a block that lie in its page `which`, as RAM addresses [*start, *end). */
static void
bytes_in_page (const Tb *tb, unsigned which, uint64_t *start, uint64_t *end)
{
  uint64_t page_end = (tb->physical[0] | ~TLB_PAGE_MASK) + 1;
  if (which == 0) {
    *start = tb->physical[0] - tb->n_before;
    *end = tb->physical[0] + tb->n_bytes;
    if (tb->physical[1] != ~(uint64_t) 0 || *end > page_end)
      *end = page_end;
  } else {
    *start = tb->physical[1];
    *end = tb->physical[1] + (tb->n_bytes - (page_end - tb->physical[0]));
  }
}

static bool
overlaps (const Tb *tb, unsigned which, uint64_t start, uint64_t end)
{
  uint64_t tb_start, tb_end;
  if (tb->physical[which] == ~(uint64_t) 0)
    return false;
  bytes_in_page (tb, which, &tb_start, &tb_end);
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

static void
invalidate_in_page (TcgMachine *m, CodePage *p, uint64_t start, uint64_t end)
{
  bool lost = false;
  for (Tb *link = p->first, *next; link; link = next) {
    Tb *tb = (Tb *) ((uintptr_t) link & ~(uintptr_t) 7);
    unsigned which = (unsigned) ((uintptr_t) link & 7);
    next = tb->page_next[which];
    if (overlaps (tb, which, start, end)) {
      lost |= tb->is_watched;
      tb_invalidate (m, tb);
    }
  }
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

/* --- making room ---------------------------------------------------------------------- */

static void
release_region (TcgMachine *m, unsigned region)
{
  uint32_t n;
  Tb **blocks = tb_region_blocks (m, region, &n);
  for (uint32_t i = 0; i < n; i++) {
    instr_release (m, blocks[i]);
    m->backend->release (blocks[i]);
  }
}

static void
forget_running (TcgMachine *m)
{
  for (unsigned i = 0; i < m->vcpus->len; i++) {
    TcgVcpu *v = m->vcpus->pdata[i];
    tcg_extra (v)->last_tb = tcg_extra (v)->writer = NULL;
    tcg_extra (v)->again = NULL;
    hot_path_forget (v);
    v->entering = NULL;
  }
}

void
tb_flush_all (TcgMachine *m)
{
  m->n_flushes++;
  for (unsigned r = 0; r < m->n_regions; r++)
    release_region (m, r);
  memset (m->hash, 0, sizeof m->hash);
  for (unsigned i = 0; i < BP_N_ELEMENTS (m->pages); i++)
    for (CodePage *p = m->pages[i]; p; p = p->next) {
      memset (p->name, 0, sizeof p->name);
      if (p->first) {
        p->first = NULL;
        bp_dirty_set (BP_DIRTY_CODE, p->page << TLB_PAGE_BITS, 1u << TLB_PAGE_BITS);
      }
    }
  memset (m->n_page_ids, 0, sizeof m->n_page_ids);
  memset (m->retired, 0, sizeof m->retired);
  tb_regions_init (m);
  for (unsigned i = 0; i < m->vcpus->len; i++)
    jump_cache_flush (m->vcpus->pdata[i]);
  forget_running (m);
}

static bool
has_names_left (const TcgMachine *m)
{
  for (unsigned i = 0; i < BP_N_ELEMENTS (m->n_page_ids); i++)
    if (m->n_page_ids[i] > UINT32_MAX - 16)
      return false;
  return true;
}

/* Pages that lost all their blocks stay watched until a write finds that out. */
void
tb_flush_oldest (TcgMachine *m)
{
  unsigned region = (m->region + 1) % m->n_regions;
  uint32_t n;
  if (m->n_regions == 1 || !has_names_left (m)) {
    tb_flush_all (m);
    return;
  }
  m->n_flushes++;
  Tb **blocks = tb_region_blocks (m, region, &n);
  for (uint32_t i = 0; i < n; i++)
    if (!blocks[i]->invalid)
      tb_forget (m, blocks[i]);
  release_region (m, region);
  tb_region_begin (m, region);
  code_pages_forget_between (m, m->buffer.rw + m->buffer.used, m->buffer.rw + m->buffer.limit);
  tb_retired_forget_between (m, m->buffer.rw + m->buffer.used, m->buffer.rw + m->buffer.limit);
  for (unsigned i = 0; i < m->vcpus->len; i++)
    jump_cache_forget_between (m->vcpus->pdata[i], m->buffer.rw + m->buffer.used, m->buffer.rw + m->buffer.limit);
  forget_running (m);
}
