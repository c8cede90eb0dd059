/* tb-regions.c -- parts of the code buffer: filled one after the other, emptied when there is no room, as many as the guest needs. */
/* SPDX-License-Identifier: MIT */
/*
 * Host code is resident memory.  A guest that boots runs most of its code once, and what it runs often fits into a fraction of what all of it
 * would take.  So few parts are in use at first, and the oldest is emptied for what comes.  Blocks that are missed soon afterwards tell that there
 * are too few of them: when a good part of what a part was filled with is such, the next one is taken beside the others.
 */
#include <string.h>
#include "machine-tcg.h"
#include "instr.h"

#define REGION_GOOD (1u << 20)          /* emptying one costs little beside filling it */
#define REGIONS_LEAST 8                 /* of a small buffer */
#define IN_USE_AT_FIRST (30u << 20)     /* bytes */
#define MISSED_PART 2                   /* one in so many is a good part */

/* --- filling ---------------------------------------------------------------------------------- */

/* blocks go there from now on; it is empty */
static void
tb_region_begin (TcgMachine *m, unsigned region)
{
  m->region = region;
  m->n_by_address[region] = 0;
  m->n_made = m->n_made_here;
  m->n_missed = m->n_missed_here;
  m->n_made_here = m->n_missed_here = 0;
  m->buffer.used = tb_region_start (m, region);
  m->buffer.limit = m->buffer.used + m->region_size;
}

void
tb_regions_init (TcgMachine *m)
{
  size_t room = m->buffer.size - tb_region_start (m, 0);
  m->n_regions = (unsigned) CLAMP (MAX (room / REGION_GOOD, MIN (room / CODE_REGION_MIN, REGIONS_LEAST)), 1, CODE_REGIONS);
  m->region_size = (room / m->n_regions) & ~(size_t) 63;
  m->region_blocks = (uint32_t) (m->buffer.size / CODE_BLOCK_LEAST / m->n_regions);
  m->n_in_use = (unsigned) CLAMP (IN_USE_AT_FIRST / m->region_size, MIN (m->n_regions, 2), m->n_regions);
  m->oldest = 1 % m->n_in_use;
  memset (m->n_by_address, 0, sizeof m->n_by_address);
  memset (m->emptied_at, 0, sizeof m->emptied_at);
  m->n_made_here = m->n_missed_here = 0;
  tb_region_begin (m, 0);
}

/* --- what is missed ------------------------------------------------------------------------------- */

static uint8_t *
emptied_at (TcgMachine *m, const Tb *tb)
{
  return &m->emptied_at[((tb->physical[0] + tb->key.pc * 31) * 0x9e3779b97f4a7c15u) >> (64 - EMPTIED_BITS)];
}

/* As often as that parts were emptied since; 0: the block was not there, or long ago. */
static unsigned
emptied_since (TcgMachine *m, const Tb *tb)
{
  uint8_t at = *emptied_at (m, tb);
  return at ? (m->n_flushes % UINT8_MAX + UINT8_MAX - (at - 1u)) % UINT8_MAX + 1 : 0;
}

void
tb_region_made (TcgMachine *m, const Tb *tb)
{
  unsigned since = emptied_since (m, tb);
  bool missed = since > 0 && since <= m->n_in_use;
  m->n_made++;
  m->n_made_here++;
  m->n_missed += missed;
  m->n_missed_here += missed;
  *emptied_at (m, tb) = 0;
}

/* --- emptying -------------------------------------------------------------------------------------- */

static void
release_region (TcgMachine *m, unsigned region)
{
  uint32_t n;
  Tb **blocks = tb_region_blocks (m, region, &n);
  for (uint32_t i = 0; m->instr && i < n; i++)
    instr_release (m, blocks[i]);
  for (uint32_t i = 0; m->backend->release && i < n; i++)
    m->backend->release (blocks[i]);
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
  tb_modes_forget (m);
  tb_regions_init (m);
  for (unsigned i = 0; i < m->vcpus->len; i++)
    jump_cache_flush (m->vcpus->pdata[i]);
  forget_running (m);
}

static bool
has_numbers_left (const TcgMachine *m)
{
  if (m->n_modes > MOST_MODES)
    return false;
  for (unsigned i = 0; i < BP_N_ELEMENTS (m->n_page_ids); i++)
    if (m->n_page_ids[i] > UINT32_MAX - 16)
      return false;
  return true;
}

/* Of `region` alone.  Pages that lost all their blocks stay watched until a write finds that out. */
static void
empty_region (TcgMachine *m, unsigned region)
{
  uint32_t n;
  Tb **blocks = tb_region_blocks (m, region, &n);
  m->n_flushes++;
  for (uint32_t i = 0; i < n; i++)
    if (!blocks[i]->invalid) {
      tb_forget (m, blocks[i], false);
      *emptied_at (m, blocks[i]) = (uint8_t) (m->n_flushes % UINT8_MAX + 1);
    }
  const uint8_t *from = m->buffer.rw + tb_region_start (m, region), *end = from + m->region_size;
  tb_retired_forget_between (m, from, end);
  for (unsigned i = 0; i < m->vcpus->len; i++)
    jump_cache_forget_between (m->vcpus->pdata[i], from, end);
  release_region (m, region);
  tb_region_begin (m, region);
  forget_running (m);
}

void
tb_make_room (TcgMachine *m)
{
  if (m->n_regions == 1 || !has_numbers_left (m)) {
    tb_flush_all (m);
    return;
  }
  if (m->n_in_use < m->n_regions && m->n_missed >= m->n_made / MISSED_PART && m->n_missed > 0) {
    tb_region_begin (m, m->n_in_use++);
    code_buffer_populate (&m->buffer, m->buffer.used, m->region_size);
    return;
  }
  unsigned region = m->oldest;
  bool was_filled = m->n_by_address[region] > 0;
  m->oldest = (region + 1) % m->n_in_use;
  empty_region (m, region);
  if (!was_filled)              /* (the first one of all is not asked for at once: many a guest never fills it) */
    code_buffer_populate (&m->buffer, m->buffer.used, m->region_size);
}
