/* tcg-cache-prefetch.c -- what a cache brings in before it is asked for. */
/* SPDX-License-Identifier: MIT */
#include "tcg-cache-model.h"

static void
bring (CacheModel *model, CacheCore *core, CacheLevel *level, uint64_t from, uint64_t line, const CacheRequest *request)
{
  if ((from ^ line) & ~(uint64_t) CACHE_PAGE_MASK || !cache_is_ram (model, line) || cache_find (level, cache_set (level, line), line) >= 0)
    return;
  CacheRequest ahead = { .kind = request->kind, .user = request->user, .site = request->site, .origin = level };
  level->counts.prefetches++;
  cache_request (model, core, level, line, -1, &ahead);
}

/* An instruction that went on by the same number of lines twice is taken to do so once more. */
static int64_t
stride_of (CacheLevel *level, uint64_t line, uint32_t insn)
{
  CacheStride *row = &level->strides[insn % CACHE_STRIDES];
  int64_t stride = (int64_t) (line - row->last);
  if (row->insn != insn + 1) {
    *row = (CacheStride) { .insn = insn + 1, .last = line };
    return 0;
  }
  row->sure = stride && stride == row->stride;
  row->stride = stride;
  row->last = line;
  return row->sure ? stride : 0;
}

void
cache_prefetch (CacheModel *model, CacheCore *core, CacheLevel *level, uint64_t line, const CacheRequest *request)
{
  int64_t step = level->prefetch == CACHE_STRIDE ? stride_of (level, line, request->site->insn->id) : (int64_t) model->line_bytes;
  if (!step)
    return;
  for (uint32_t i = 1; i <= level->degree; i++)
    bring (model, core, level, line, line + (uint64_t) step * i, request);
}
