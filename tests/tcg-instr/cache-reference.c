/* cache-reference.c -- caches written down as obviously as can be, to compare the fast ones with. */
/* SPDX-License-Identifier: MIT */
#include "cache-reference.h"

/* --- a cache ----------------------------------------------------------------------------------------------------- */

static RefLine *
set_of (RefCache *c, uint64_t line)
{
  return c->lines + line / c->g.line % c->n_sets * c->g.ways;
}

RefLine *
ref_find (RefCache *c, uint64_t line)
{
  for (unsigned i = 0; i < c->g.ways; i++)
    if (set_of (c, line)[i].valid && set_of (c, line)[i].line == line)
      return set_of (c, line) + i;
  return NULL;
}

static bool *
tree_of (RefCache *c, uint64_t line)
{
  return c->points_up + line / c->g.line % c->n_sets * 64;
}

/* The ways [first, first + n) below a node: the half that was not used becomes the one pointed at. */
static void
use_tree (bool *tree, unsigned node, unsigned first, unsigned n, unsigned way)
{
  if (n == 1)
    return;
  bool up = way >= first + n / 2;
  tree[node] = !up;
  use_tree (tree, 2 * node + up, up ? first + n / 2 : first, n / 2, way);
}

static void
use (Ref *ref, RefCache *c, RefLine *l)
{
  l->used = ++ref->now;
  use_tree (tree_of (c, l->line), 1, 0, c->g.ways, (unsigned) (l - set_of (c, l->line)));
}

/* Of what is there (LRU), or the way that was used last, whatever became of it (PLRU). */
static RefLine *
youngest (RefCache *c, uint64_t line)
{
  RefLine *best = NULL, *set = set_of (c, line);
  for (unsigned i = 0; i < c->g.ways; i++)
    if (set[i].used && (set[i].valid || c->g.policy == CACHE_PLRU) && (!best || set[i].used > best->used))
      best = &set[i];
  return best;
}

static RefLine *
victim (RefCache *c, uint64_t line)
{
  RefLine *set = set_of (c, line), *best = set;
  for (unsigned i = 0; i < c->g.ways; i++)
    if (!set[i].valid)
      return &set[i];
  if (c->g.policy == CACHE_RANDOM) {
    c->random ^= c->random << 13;
    c->random ^= c->random >> 7;
    c->random ^= c->random << 17;
    return set + ((c->random >> 32) * c->g.ways >> 32);
  }
  if (c->g.policy == CACHE_PLRU) {
    unsigned node = 1, first = 0;
    for (unsigned n = c->g.ways; n > 1; n /= 2) {
      bool up = tree_of (c, line)[node];
      first += up ? n / 2 : 0;
      node = 2 * node + up;
    }
    return set + first;
  }
  for (unsigned i = 0; i < c->g.ways; i++)
    if (c->g.policy == CACHE_LRU ? set[i].used < best->used : set[i].arrived < best->arrived)
      best = &set[i];
  return best;
}

/* --- lines that go and come ---------------------------------------------------------------------------------------- */

static void put_down (Ref *ref, RefCache *c, uint64_t line);

static bool
is_above (const RefCache *c, const RefCache *below)
{
  for (const RefCache *b = c->below; b; b = b->below)
    if (b == below)
      return true;
  return false;
}

static void
make_room (Ref *ref, RefCache *c, RefLine *l)
{
  if (!l->valid)
    return;
  bool dirty = l->dirty;
  for (unsigned i = 0; ref->config.inclusive && i < ref->n_caches; i++) {
    RefLine *copy = is_above (&ref->caches[i], c) ? ref_find (&ref->caches[i], l->line) : NULL;
    if (copy) {
      dirty |= copy->dirty;
      copy->valid = false;
      ref->caches[i].lost++;
    }
  }
  if (dirty) {
    c->write_backs++;
    put_down (ref, c->below, l->line);
  }
}

static void
put (Ref *ref, RefCache *c, uint64_t line, bool dirty, bool ahead)
{
  RefLine *l = victim (c, line), *first = youngest (c, line);
  make_room (ref, c, l);
  *l = (RefLine) { .valid = true, .line = line, .dirty = dirty, .ahead = ahead, .arrived = ++ref->now };
  use (ref, c, l);
  if (ahead && first && first != l && first->valid && (c->g.policy == CACHE_LRU || c->g.policy == CACHE_PLRU))
    use (ref, c, first);
}

static void
put_down (Ref *ref, RefCache *c, uint64_t line)
{
  if (!c) {
    ref->writes++;
    return;
  }
  c->written++;
  RefLine *l = ref_find (c, line);
  if (!l)
    put (ref, c, line, true, false);
  else {
    l->dirty = true;
    use (ref, c, l);
  }
}

/* --- other cores ------------------------------------------------------------------------------------------------------ */

static void
ask_others (Ref *ref, unsigned core, uint64_t line, bool write)
{
  for (unsigned i = 0; i < ref->n_cores; i++) {
    RefCache *common = ref->data[i] ? ref->data[i] : ref->code[i];
    bool dirty = false;
    if (i == core)
      continue;
    for (unsigned k = 0; k < ref->n_caches; k++) {
      RefCache *c = &ref->caches[k];
      RefLine *l = !c->shared && c->core == i ? ref_find (c, line) : NULL;
      if (l && l->dirty) {
        dirty = true;
        l->dirty = false;
        c->interventions++;
      }
      if (l && write) {
        l->valid = false;
        c->invalidations++;
      }
    }
    while (common && !common->shared)
      common = common->below;
    if (dirty)
      put_down (ref, common, line);
  }
}

/* --- accesses ------------------------------------------------------------------------------------------------------------ */

static bool
is_coherent (const Ref *ref)
{
  return ref->config.coherent && ref->n_cores > 1;
}

/* origin: whose prefetcher asks; NULL: the program. */
static void
ask (Ref *ref, unsigned core, RefCache *c, uint64_t line, bool write, const RefCache *origin)
{
  if (!c) {
    if (write)
      ref->writes++;
    else
      ref->reads++;
    return;
  }
  RefLine *l = ref_find (c, line);
  bool through = write && (c->through || (!l && c->no_allocate));
  if (write && c->number == 1 && is_coherent (ref) && !(l && l->dirty))
    ask_others (ref, core, line, true);
  if (!origin && (!l || l->ahead) && c->g.prefetch)
    ref->told[ref->n_told++] = c;
  if (l && l->ahead && !origin) {
    l->ahead = false;
    c->useful++;
  }
  if (l)
    use (ref, c, l);
  if (!l && !origin)
    c->misses++;
  if (!l || through) {
    if (!c->shared && (!c->below || c->below->shared) && is_coherent (ref))
      ask_others (ref, core, line, false);
    ask (ref, core, c->below, line, through, origin);
  }
  if (l) {
    l->dirty |= write && !c->through;
    return;
  }
  if (write && c->no_allocate)
    return;
  if (through && !c->below)
    ref->reads++;
  put (ref, c, line, write && !c->through, origin == c);
}

static void
look_ahead (Ref *ref, unsigned core, RefCache *c, uint64_t line, uint32_t insn)
{
  int64_t step = c->g.line;
  if (c->g.prefetch == CACHE_STRIDE) {
    struct RefStride *s = &c->strides[insn % 256];
    if (!s->known || s->insn != insn) {
      *s = (struct RefStride) { .known = true, .insn = insn, .last = line };
      return;
    }
    int64_t now = (int64_t) (line - s->last);
    step = now == s->stride ? now : 0;
    s->stride = now;
    s->last = line;
  }
  for (uint32_t i = 1; step && i <= c->g.degree; i++) {
    uint64_t next = line + (uint64_t) step * i;
    if (next / 4096 != line / 4096 || ref_find (c, next))
      continue;
    c->prefetches++;
    ask (ref, core, c, next, false, c);
  }
}

void
ref_access (Ref *ref, unsigned core, uint64_t address, uint32_t bytes, CacheKind kind, uint32_t insn)
{
  RefCache *c = kind == CACHE_FETCH ? ref->code[core] : ref->data[core];
  for (uint64_t line = address / c->g.line * c->g.line; line < address + bytes; line += c->g.line) {
    ref->n_told = 0;
    ask (ref, core, c, line, kind == CACHE_STORE, NULL);
    for (unsigned i = 0; i < ref->n_told; i++)
      look_ahead (ref, core, ref->told[i], line, insn);
  }
}

/* --- life ------------------------------------------------------------------------------------------------------------------- */

static RefCache *
add (Ref *ref, unsigned which, unsigned core, bool shared)
{
  const CacheGeometry *g = &ref->config.caches[which];
  if (!g->size)
    return NULL;
  RefCache *c = &ref->caches[ref->n_caches];
  c->g = *g;
  c->n_sets = (unsigned) (g->size / g->line / g->ways);
  c->number = which == CACHE_L3 ? 3 : which == CACHE_L2 ? 2 : 1;
  c->core = core;
  c->code = which == CACHE_L1I;
  c->shared = shared;
  c->through = which == CACHE_L1D && ref->config.write_through;
  c->no_allocate = which == CACHE_L1D && ref->config.no_allocate;
  c->lines = g_new0 (RefLine, (size_t) c->n_sets * g->ways);
  c->points_up = g_new0 (bool, (size_t) c->n_sets * 64);
  c->random = (ref->config.seed + ref->n_caches) * 0x9e3779b97f4a7c15ull | 1;
  ref->n_caches++;
  return c;
}

Ref *
ref_new (const CacheConfig *config, unsigned n_cores)
{
  Ref *ref = g_new0 (Ref, 1);
  RefCache *l2 = NULL, *l3 = NULL;
  ref->config = *config;
  ref->n_cores = n_cores;
  for (unsigned i = 0; i < n_cores; i++) {
    ref->code[i] = add (ref, CACHE_L1I, i, false);
    ref->data[i] = add (ref, CACHE_L1D, i, false);
    if (!i || !config->shared_l2)
      l2 = add (ref, CACHE_L2, i, config->shared_l2 && n_cores > 1);
    if (!i || !config->shared_l3)
      l3 = add (ref, CACHE_L3, i, config->shared_l3 && n_cores > 1);
    if (l2)
      l2->below = l3;
    if (ref->code[i])
      ref->code[i]->below = l2 ? l2 : l3;
    if (ref->data[i])
      ref->data[i]->below = l2 ? l2 : l3;
  }
  return ref;
}

void
ref_free (Ref *ref)
{
  for (unsigned i = 0; i < ref->n_caches; i++) {
    g_free (ref->caches[i].lines);
    g_free (ref->caches[i].points_up);
  }
  g_free (ref);
}
