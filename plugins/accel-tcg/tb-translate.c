/* tb-translate.c -- from guest bytes to a block: frontend, passes, backend, in one visible list. */
/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "instr.h"

#define MAX_INSNS 64
_Static_assert (MAX_INSNS <= TB_MAX_INSNS, "marks hold the number of an instruction in 8 bits");

/* --- code bytes ----------------------------------------------------------------------- */

/* Who writes to the page has to tell from now on: before the first byte of it is read, so that no write is missed between reading
 * and tb_insert. */
static void
fetch_begin_page (TcgVcpu *v, unsigned which, uint64_t ram_page)
{
  TcgMachine *m = v->machine;
  g_mutex_lock (&m->lock);
  tcg_extra (v)->fetch_page[which] = ram_page;
  code_page_watch (m, ram_page);
  code_buffer_expect (&m->buffer);
  g_mutex_unlock (&m->lock);
}

/* Under the lock. */
static void
fetch_end (VcpuExtra *x)
{
  x->fetch_page[0] = x->fetch_page[1] = ~(uint64_t) 0;
  x->fetch_stale = false;
}

void
translate_abandon (TcgVcpu *v)
{
  VcpuExtra *x = tcg_extra (v);
  TcgMachine *m = v->machine;
  x->again = NULL;
  if (x->fetch_page[0] == ~(uint64_t) 0 && x->fetch_page[1] == ~(uint64_t) 0)
    return;
  g_mutex_lock (&m->lock);
  fetch_end (x);
  g_mutex_unlock (&m->lock);
}

/* Copies bytes of one page; they may come from a device (then nothing of the block is kept). */
static void
fetch_in_page (TcgVcpu *v, const TlbEntry *e, uint64_t linear, unsigned mmu, uint8_t *buffer, unsigned n)
{
  Softmmu *s = tcg_softmmu (v);
  TlbFull *f = tlb_full (v, linear, mmu);
  VcpuExtra *x = tcg_extra (v);
  unsigned which = (linear & TLB_PAGE_MASK) != x->fetch_linear;
  if (x->fetch_page[which] != f->ram_address)
    fetch_begin_page (v, which, f->ram_address);
  if (!(e->fetch & TLB_DEVICE)) {
    memcpy (buffer, (uint8_t *) (uintptr_t) (linear + e->addend), n);
    return;
  }
  uint64_t physical = f->physical + (linear & ~TLB_PAGE_MASK);          /* a device may change the map */
  for (unsigned i = 0; i < n; i++)
    buffer[i] = (uint8_t) bp_as_load (s->memory, physical + i, 1);
}

static const TlbEntry *
code_entry (TcgVcpu *v, uint64_t linear, unsigned mmu, bool must)
{
  return must ? tlb_entry_for (v, linear, BP_MMU_FETCH, mmu) : tlb_entry_quiet (v, linear, BP_MMU_FETCH, mmu);
}

#define READ_AHEAD 64           /* bytes; of RAM only, and in one page */

/* Has `end` bytes of the block's code in the window, or as many as can be fetched. */
static void
window_fill (TcgVcpu *v, const BpTranslation *t, unsigned end, bool must)
{
  VcpuExtra *x = tcg_extra (v);
  unsigned mmu = v->frontend->fetch_mmu_index (v);
  g_assert (end <= CODE_WINDOW);
  while (x->n_code < end) {
    uint64_t linear = tlb_wrap (v, t->key.pc + x->n_code);
    unsigned in_page = (1u << TLB_PAGE_BITS) - (unsigned) (linear & ~TLB_PAGE_MASK), n = end - x->n_code;
    const TlbEntry *e = code_entry (v, linear, mmu, must);
    if (!e)
      return;
    if (!(e->fetch & TLB_DEVICE))
      n = MIN (MAX (n, READ_AHEAD), CODE_WINDOW - x->n_code);
    n = MIN (n, in_page);
    fetch_in_page (v, e, linear, mmu, x->code + x->n_code, n);
    x->n_code += n;
  }
}

/* A path goes back and forth: its code is read from where it is.  As far as the page's end. */
static unsigned
fetch_for_path (TcgVcpu *v, uint64_t linear, uint8_t *buffer, unsigned want, bool must)
{
  unsigned mmu = v->frontend->fetch_mmu_index (v), in_page = (1u << TLB_PAGE_BITS) - (unsigned) (linear & ~TLB_PAGE_MASK), n = MIN (want, in_page);
  const TlbEntry *e = code_entry (v, linear, mmu, must);
  if (!e)
    return 0;
  fetch_in_page (v, e, linear, mmu, buffer, n);
  return n < want ? n + fetch_for_path (v, tlb_wrap (v, linear + n), buffer + n, want - n, false) : n;
}

unsigned
translate_fetch (void *env, BpTranslation *t, uint64_t address, uint8_t *buffer, unsigned want, bool must)
{
  TcgVcpu *v = env;
  VcpuExtra *x = tcg_extra (v);
  if (G_UNLIKELY (v->machine->debug != NULL) && address != t->key.pc && debug_cuts (v->machine, tlb_wrap (v, address)))
    return 0;                   /* another block begins there */
  if (G_UNLIKELY (v->instr != NULL) && address != t->key.pc && instr_cuts (v->instr->all, tlb_wrap (v, address)))
    return 0;
  if (t->n_path)
    return fetch_for_path (v, tlb_wrap (v, address), buffer, want, must);
  unsigned at = (unsigned) tlb_wrap (v, address - t->key.pc);
  if (G_UNLIKELY (at + want > x->n_code)) {
    window_fill (v, t, at + want, must);
    want = at < x->n_code ? MIN (want, x->n_code - at) : 0;
  }
  memcpy (buffer, x->code + at, want);
  return want;
}

/* --- dumps ------------------------------------------------------------------------------- */

static void
log_ir (BpLogTopic topic, const char *what, const Tb *tb, const BpIrBlock *ir)
{
  GString *text = g_string_new (NULL);
  ir_print (ir, text);
  bp_log (topic, "%s of block at %" G_GINT64_MODIFIER "x:\n%s", what, tb->key.pc, text->str);
  g_string_free (text, TRUE);
}

static void
log_guest_code (TcgVcpu *v, const BpTranslation *t)
{
  GString *text = g_string_new (NULL);
  BpTranslation scratch = *t;
  for (uint32_t i = 0, n = 0; i < t->ir->n_insns && n < t->n_insns; i++) {
    uint8_t bytes[16];
    char line[160] = "";
    if (t->ir->insns[i].op != BP_IR_insn_start)
      continue;
    uint64_t pc = (uint64_t) t->ir->insns[i].imm + t->key.base;
    unsigned got = translate_fetch (v, &scratch, pc, bytes, 15, false);
    bool known = v->frontend->disassemble (&t->key, pc, bytes, got, line, sizeof line);
    g_string_append_printf (text, "0x%08" G_GINT64_MODIFIER "x:  %s\n", pc, known ? line : "(bad)");
    n++;
  }
  bp_log (BP_LOG_IN_ASM, "block, %u insns, flags %" G_GINT64_MODIFIER "x\n%s", t->n_insns, t->key.flags, text->str);
  g_string_free (text, TRUE);
}

/* --- the pass list -------------------------------------------------------------------------- */

static void
run_passes (TcgMachine *m, const Tb *tb, BpIrBlock *ir)
{
  if (bp_log_on (BP_LOG_OP))
    log_ir (BP_LOG_OP, "IR", tb, ir);
#ifdef IR_VERIFY
  GError *error = NULL;
  ir_verify (ir, &error);
  g_assert_no_error (error);
#endif
  bool is_lasting = !tb->counter;       /* else it will be compiled again, if it ever runs often enough to be worth more than this */
  g_array_set_size (m->recoveries, 0);
  if (m->optimise) {
    if (is_lasting) {
      opt_fold (ir);
      opt_flags (ir);
    }
    opt_liveness (ir);
    if (is_lasting)
      opt_recover (ir, m->recoveries);
  }
  if (bp_log_on (BP_LOG_OP_OPT))
    log_ir (BP_LOG_OP_OPT, "optimised IR", tb, ir);
}

static bool
compile (TcgMachine *m, Tb *tb, BpIrBlock *ir)
{
  BackendBlock block = { .tb = tb, .frontend = m->frontend, .buffer = &m->buffer,
                         .recoveries = m->recoveries, .filters = m->instr ? m->instr->filter : NULL };
  if (bp_log_on (BP_LOG_OUT_ASM))
    block.dump = g_string_new (NULL);
  bool done = tb_may_register (m) && m->backend->compile (&block, ir);
  if (block.dump) {
    if (done)
      bp_log (BP_LOG_OUT_ASM, "host code of block at %" G_GINT64_MODIFIER "x, %u bytes:\n%s", tb->key.pc, tb->code_size, block.dump->str);
    g_string_free (block.dump, TRUE);
  }
  return done;
}

/* Emits the IR of one block; may raise (the first instruction cannot be fetched). */
static void
translate_ir (TcgVcpu *v, Tb *tb, unsigned most)
{
  VcpuExtra *x = tcg_extra (v);
  uint32_t limit = tb->cflags >> TB_MAX_INSNS_SHIFT & TB_MAX_INSNS;
  BpTranslation t = { .key = tb->key, .ir = &x->ir, .max_insns = limit ? MIN (limit, most) : most, .cflags = tb->cflags & 0xff,
                      .exit_flags = tb->key.flags };
  uint64_t path[TB_MAX_PATH];
  for (unsigned i = 0; i < tb->n_path; i++)
    path[i] = (tb->key.pc & TLB_PAGE_MASK) + tb->path[i];
  t.path = path;
  t.n_path = tb->n_path;
  x->fetch_linear = tb->key.pc & TLB_PAGE_MASK;
  x->n_code = 0;
  bp_ir_block_reset (&x->ir);
  v->frontend->translate (v, &t);
  tb->n_insns = t.n_insns;
  tb->n_before = t.n_before;
  tb->n_bytes = t.n_bytes;
  x->exit_flags = t.exit_flags;
  if (bp_log_on (BP_LOG_IN_ASM))
    log_guest_code (v, &t);
}

static void
place (TcgVcpu *v, Tb *tb)
{
  VcpuExtra *x = tcg_extra (v);
  bool two_pages = ((tb->key.pc + tb->n_bytes - 1) ^ tb->key.pc) & TLB_PAGE_MASK;
  if (x->fetch_page[0] == ~(uint64_t) 0 || (two_pages && x->fetch_page[1] == ~(uint64_t) 0)) {
    tb->physical[0] = tb->physical[1] = ~(uint64_t) 0;  /* not all in RAM: run once */
    return;
  }
  tb->physical[0] = x->fetch_page[0] + (tb->key.pc & ~TLB_PAGE_MASK);
  tb->physical[1] = two_pages ? x->fetch_page[1] : ~(uint64_t) 0;
}

/* Blocks live in the code buffer, before the guest's bytes; NULL: it is full. */
static Tb *
allocate (TcgMachine *m, const VcpuExtra *x)
{
  const Tb *scratch = &x->scratch;
  unsigned n_bytes = scratch->n_bytes <= x->n_code && scratch->physical[0] != ~(uint64_t) 0 ? scratch->n_bytes : 0;
  Tb *tb = code_buffer_take (&m->buffer, sizeof (Tb) + n_bytes);
  if (!tb)
    return NULL;
  *tb = *scratch;
  if (n_bytes)
    tb->bytes = memcpy (tb + 1, x->code, n_bytes);
  return tb;
}

/* Kept for jump_cache_find, which has no lock. */
static uint32_t
mode_number (TcgVcpu *v, const BpTbKey *key, unsigned mmu)      /* mmu: instr_mode */
{
  LastMode *last = &tcg_softmmu (v)->last_mode[LAST_MODE (key, mmu)];
  if (!last->mode || last->base != key->base || last->flags != key->flags || last->mmu != mmu)
    *last = (LastMode) { .base = key->base, .flags = key->flags, .mmu = mmu, .mode = tb_mode (v->machine, key->base, key->flags, mmu) };
  return last->mode;
}

static uint32_t
exit_mode (TcgVcpu *v, const Tb *tb)
{
  const BpTcgFrontend *f = v->frontend;
  BpTbKey after = { .pc = tb->key.pc, .base = tb->key.base, .flags = tcg_extra (v)->exit_flags };
  if (after.flags == tb->key.flags)
    return tb->mode;
  if (BP_TABLE_HAS (f, pin_set) && f->pin_set (&after) != f->pin_set (&tb->key))
    return UINT32_MAX;          /* not without the loop, then */
  return tb_mode (v->machine, after.base, after.flags, instr_mode (tb->cflags));
}

/* The same block, when another vCPU has been faster: two of them would take each other's links away. */
static Tb *
made_meanwhile (TcgMachine *m, const Tb *scratch)
{
  if (scratch->physical[0] == ~(uint64_t) 0)
    return NULL;
  Tb *tb = tb_lookup (m, &scratch->key, scratch->physical[0], scratch->cflags);
  return tb && tb->physical[1] == scratch->physical[1] ? tb : NULL;
}

/* Those that are not compiled again do not count. */
static void
set_counter (TcgMachine *m, Tb *tb)
{
  bool counts = m->hot_after && !instr_mask (tb->cflags) && tb->physical[0] != ~(uint64_t) 0 && !(tb->cflags & BP_TCG_CF_NO_CHAIN) && !tb->is_watched && tb_may_register (m);
  if (!counts)
    return;
  tb->counter = tb_counter (m);
  tb_count_afresh (m, tb);
}

/* Under the lock: NULL when there is no room. */
static Tb *
make_block (TcgVcpu *v)
{
  TcgMachine *m = v->machine;
  VcpuExtra *x = tcg_extra (v);
  size_t used = m->buffer.used, limit = m->buffer.limit;
  if (m->n_modes > MOST_MODES)
    return NULL;
  place (v, &x->scratch);
  x->scratch.mode = mode_number (v, &x->scratch.key, instr_mode (x->scratch.cflags));
  Tb *made = made_meanwhile (m, &x->scratch);
  if (made && made != x->again)
    return made;
  if (!tb_name_pages (m, &x->scratch))
    return NULL;
  x->scratch.exit_mode = exit_mode (v, &x->scratch);
  set_counter (m, &x->scratch);
  if (x->scratch.cflags & BP_TCG_CF_ICOUNT)
    icount_weave (&x->ir, x->scratch.n_insns);
  if (G_UNLIKELY (v->instr != NULL))
    instr_weave (v, &x->scratch, &x->ir, x->code);
  run_passes (m, &x->scratch, &x->ir);
  Tb *tb = allocate (m, x);
  if (!tb || !compile (m, tb, &x->ir)) {
    instr_release (m, &x->scratch);
    m->buffer.used = used;
    m->buffer.limit = limit;
    return NULL;
  }
  m->n_translated++;
  tb_made (tb);
  tb_register_code (m, tb);
  if (x->again && !x->again->invalid && x->again->physical[0] == tb->physical[0])
    tb_replace (m, x->again, tb);
  if (tb->physical[0] != ~(uint64_t) 0) {
    tb_region_made (m, tb);
    tb_insert (m, tb);
  }
  return tb;
}

/* There is no room: the oldest blocks go, if they have to, once every other vCPU is out of them.  false: there were none. */
static bool
make_room (TcgVcpu *v)
{
  TcgMachine *m = v->machine;
  uint32_t n;
  fp_leave (v);
  if (!exclusive_begin (v))
    return true;
  g_mutex_lock (&m->lock);
  tb_region_blocks (m, m->region, &n);
  bool had_any = n > 0 || m->n_modes > MOST_MODES;
  tb_make_room (m);
  g_mutex_unlock (&m->lock);
  exclusive_end (v);
  return had_any;
}

static Tb *
translate (TcgVcpu *v, const BpTbKey *key, uint32_t cflags, const Tb *watched)
{
  VcpuExtra *x = tcg_extra (v);
  TcgMachine *m = v->machine;
  unsigned most = MAX_INSNS;
  for (Tb *tb = NULL;;) {
    x->scratch = (Tb) { .key = *key, .cflags = cflags };
    if (watched) {
      x->scratch.is_watched = true;
      x->scratch.is_loop = watched->is_loop;
      x->scratch.n_path = watched->n_path;
      memcpy (x->scratch.path, watched->path, sizeof watched->path);
    }
    translate_ir (v, &x->scratch, most);
    g_mutex_lock (&m->lock);
    bool stale = x->fetch_stale;        /* its bytes have changed since: again */
    if (!stale)
      tb = make_block (v);
    fetch_end (x);
    g_mutex_unlock (&m->lock);
    if (tb)
      return tb;
    if (stale || make_room (v))
      continue;
    g_assert (most > 1);        /* the smallest code cache holds the largest block many times, unless instruments ask for very much */
    most /= 2;
  }
}

Tb *
tb_translate (TcgVcpu *v, const BpTbKey *key, uint32_t cflags)
{
  return translate (v, key, cflags, NULL);
}

void
tb_translate_again (TcgVcpu *v, Tb *tb)
{
  VcpuExtra *x = tcg_extra (v);
  g_mutex_lock (&v->machine->lock);     /* (another vCPU may be noting a path as well) */
  Tb watched = *tb;             /* it may go when room has to be made */
  g_mutex_unlock (&v->machine->lock);
  x->again = tb;
  translate (v, &watched.key, watched.cflags, &watched);
  x->again = NULL;
}
