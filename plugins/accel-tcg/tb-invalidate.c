/* tb-invalidate.c -- blocks go when the bytes they were made from change. */
/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "machine-tcg.h"

static uint64_t
page_key (uint64_t page)
{
  return (page * 0x9e3779b97f4a7c15u) >> 52;
}

static CodePage *
find_page (TcgMachine *m, uint64_t page)
{
  for (CodePage *p = m->pages[page_key (page)]; p; p = p->next)
    if (p->page == page)
      return p;
  return NULL;
}

/* The bytes of a block that lie in its page `which`, as RAM addresses [*start, *end). */
static void
bytes_in_page (const Tb *tb, unsigned which, uint64_t *start, uint64_t *end)
{
  uint64_t page_end = (tb->physical[0] | ~TLB_PAGE_MASK) + 1;
  if (which == 0) {
    *start = tb->physical[0];
    *end = tb->physical[0] + tb->n_bytes;
    if (tb->physical[1] != ~(uint64_t) 0 || *end > page_end)
      *end = page_end;
  } else {
    *start = tb->physical[1];
    *end = tb->physical[1] + (tb->n_bytes - (page_end - tb->physical[0]));
  }
}

bool
tb_invalidate_range (TcgMachine *m, uint64_t ram_address, uint64_t size, const Tb *current)
{
  bool hit_current = false;
  uint64_t end = ram_address + size;
  for (uint64_t page = ram_address >> TLB_PAGE_BITS; page <= (end - 1) >> TLB_PAGE_BITS; page++) {
    CodePage *p = find_page (m, page);
    if (!p)
      continue;
    for (Tb *link = p->first, *next; link; link = next) {
      Tb *tb = (Tb *) ((uintptr_t) link & ~(uintptr_t) 7);
      unsigned which = (unsigned) ((uintptr_t) link & 7);
      uint64_t tb_start, tb_end;
      next = tb->page_next[which];
      bytes_in_page (tb, which, &tb_start, &tb_end);
      if (tb_start >= end || tb_end <= ram_address)
        continue;
      hit_current |= tb == current;
      tb_invalidate (m, tb);
    }
    if (!p->first)
      bp_dirty_set (BP_DIRTY_CODE, page << TLB_PAGE_BITS, 1u << TLB_PAGE_BITS);
  }
  return hit_current;
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

void
tb_flush_all (TcgMachine *m)
{
  m->n_flushes++;
  for (uint32_t i = 0; i < m->n_by_address; i++) {
    m->backend->release (m->by_address[i]);
  }
  m->n_by_address = 0;
  memset (m->hash, 0, sizeof m->hash);
  for (unsigned i = 0; i < BP_N_ELEMENTS (m->pages); i++)
    for (CodePage *p = m->pages[i]; p; p = p->next)
      if (p->first) {
        p->first = NULL;
        bp_dirty_set (BP_DIRTY_CODE, p->page << TLB_PAGE_BITS, 1u << TLB_PAGE_BITS);
      }
  m->buffer.used = m->buffer_start;
  for (unsigned i = 0; i < m->vcpus->len; i++) {
    TcgVcpu *v = m->vcpus->pdata[i];
    jump_cache_flush (v, true);
    tcg_extra (v)->last_tb = NULL;
    v->entering = NULL;
  }
}
