/* target.c -- the x86-64 host as a Backend: set-up, the compile loop, linking of exits. */
/* SPDX-License-Identifier: MIT */
#include "host.h"
#include "context.h"
#include <cpuid.h>
#include <string.h>

/* The hottest globals come first, in the five registers that C functions preserve; the first of all has a name for its second byte. */
static const uint8_t x64_pins[MAX_PINS] = { RBX, R14, R15, R12, R13, RSI, R8, R9, R10, R11 };
static const uint8_t temporaries_in_order[] = { RAX, RCX, RDX, RDI, RA_NONE };

/* --- what the allocator emits --------------------------------------------------------------- */

static void
ra_emit_move (void *gen, unsigned dst, unsigned src, BpIrType type)
{
  enc_mov_rr (&((Gen *) gen)->e, W (type), dst, src);
}

static void
ra_emit_sum (void *gen, unsigned dst, unsigned src, int32_t disp)
{
  enc_rm (&((Gen *) gen)->e, OP_LEA | X64_W, dst, x64_mem (src, disp));
}

static void
ra_emit_constant (void *gen, unsigned dst, int64_t value, BpIrType type)
{
  x64_constant (gen, dst, value, type);
}

static void
ra_emit_load (void *gen, unsigned dst, RaHome home, BpIrType type)
{
  enc_load (&((Gen *) gen)->e, W (type), dst, x64_home_mem (home));
}

static void
ra_emit_store (void *gen, unsigned src, RaHome home, BpIrType type)
{
  enc_store (&((Gen *) gen)->e, W (type), src, x64_home_mem (home));
}

/* --- set-up -------------------------------------------------------------------------------------- */

/* SDM vol. 2, CPUID: leaves 1, 7 and 80000001h. */
static unsigned
detect_cpu (void)
{
  unsigned a, b, c, d, found = 0;
  if (__get_cpuid (1, &a, &b, &c, &d)) {
    found |= c & bit_POPCNT ? CPU_POPCNT : 0;
    found |= c & bit_MOVBE ? CPU_MOVBE : 0;
  }
  if (__get_cpuid_count (7, 0, &a, &b, &c, &d)) {
    found |= b & bit_BMI ? CPU_BMI1 : 0;
    found |= b & bit_BMI2 ? CPU_BMI2 : 0;
  }
  if (__get_cpuid (0x80000001, &a, &b, &c, &d))
    found |= c & bit_LZCNT ? CPU_LZCNT : 0;
  return found;
}

/* As ra_begin assigns them. */
static void
set_init (X64Set *set, const BpTcgFrontend *frontend, unsigned number)
{
  set->narrow = frontend->narrow_pin_sets >> number & 1;
  for (uint32_t i = 0; i < frontend->n_globals && set->n_pins < MAX_PINS; i++) {
    const BpIrGlobal *global = &frontend->globals[i];
    if (!(global->pin >> number & 1))
      continue;
    unsigned k = set->n_pins++;
    set->pin[k].reg = x64_pins[k];
    set->pin[k].wide = global->type == BP_IR_I64;
    set->pin[k].offset = global->offset;
  }
}

static bool
x64_begin (CodeBuffer *buffer, const BpTcgFrontend *frontend, GError **error)
{
  x64_host = (X64Host) { .frontend = frontend, .cpu = detect_cpu (), .n_sets = frontend->pin_set ? BP_TCG_PIN_SETS : 1 };
  for (unsigned i = 0; i < x64_host.n_sets; i++)
    set_init (&x64_host.set[i], frontend, i);
  x64_host.ra = (RaHost) {
    .temporaries = TEMPORARIES, .order = temporaries_in_order,
    .pins = x64_pins, .n_pins = MAX_PINS, .env = RBP,
    .move = ra_emit_move, .sum = ra_emit_sum, .constant = ra_emit_constant, .load = ra_emit_load, .store = ra_emit_store,
  };
  Enc e = { buffer->rw + buffer->used, buffer->rw + buffer->size, false, 0 };
  if (!x64_thunks_emit (buffer, &e)) {
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_NOSPC,
                 "code buffer of %zu bytes is too small for the x86-64 host",
                 buffer->size);
    return false;
  }
  buffer->used = (size_t) (e.p - buffer->rw);
  backend_x64.leave_code = buffer->rx + (x64_host.leave - buffer->rw);
  backend_x64.fp_store = (void (*) (void *)) (uintptr_t) (buffer->rx + (x64_host.fp_store_for_c - buffer->rw));
  return true;
}

/* --- compiling ------------------------------------------------------------------------------------------ */

static void
gen_begin (Gen *g, const BackendBlock *block, BpIrBlock *ir)
{
  CodeBuffer *buffer = block->buffer;
  g->fixups.n = g->late.n = g->marks.n = g->insns.n = g->lines.n = 0;
  g->block = block;
  g->ir = ir;
  size_t first = (buffer->used + 15) & ~(size_t) 15;
  g->start = buffer->rw + MIN (first, buffer->limit);
  g->e = (Enc) { g->start, buffer->rw + buffer->limit, false, 0 };
  g->flags = (Flags) { 0 };
  g->insn = -1;
  g->fp_known = 0;
  g->n_restart = 0;
  g->has_look_up = false;
  g->n_exits = 0;
  g->hot_insns = 0;
  for (unsigned n = 0; n < TB_MAX_EXITS; n++) {
    g->exit[n] = (TbExit) { .jump = TB_NO_EXIT, .unlinked = TB_NO_EXIT, .guard = TB_NO_EXIT };
    g->direct_exit[n] = false;
  }
  if (g->labels_size < ir->n_labels) {
    g->labels_size = ir->n_labels * 2;
    g->label = g_renew (uint8_t *, g->label, g->labels_size);
    g->label_refs = g_renew (uint32_t, g->label_refs, g->labels_size);
  }
  for (uint32_t i = 0; i < ir->n_labels; i++)
    g->label[i] = NULL, g->label_refs[i] = 0;
  for (uint32_t i = 0; i < ir->n_insns && ir->n_labels > 0; i++)
    if (ir->insns[i].op == BP_IR_br || ir->insns[i].op == BP_IR_brcond)
      g->label_refs[ir->insns[i].aux]++;
}

static void
end_of_line (Gen *g)
{
  g->hot_insns = g->e.n_insns;
  g->hot_bytes = (uint32_t) (g->e.p - g->start);
}

static void
resolve_labels (Gen *g)
{
  for (unsigned i = 0; i < g->fixups.n; i++) {
    Fixup fixup = g->fixups.at[i];
    enc_patch (fixup.rel32, g->label[fixup.label]);
  }
}

static void
dump (const Gen *g, GString *out)
{
  uint32_t size = (uint32_t) (g->e.p - g->start), next = 0;
  g_string_append_printf (out, "host x86-64: %u insns (%u bytes) in line, %u (%u) out of line, at %p\n",
                          g->hot_insns,
                          g->hot_bytes, g->e.n_insns - g->hot_insns, size - g->hot_bytes,
                          (const void *) g->block->tb->code);
  for (unsigned i = 0; i <= g->lines.n; i++) {
    uint32_t end = i < g->lines.n ? g->lines.at[i] : size;
    while (next < end) {
      g_string_append_printf (out, "  +%04x ", next);
      for (unsigned k = 0; k < 16 && next < end; k++)
        g_string_append_printf (out, " %02x", g->start[next++]);
      g_string_append_c (out, '\n');
    }
    if (i < g->lines.n)
      g_string_append_printf (out, " guest %#" G_GINT64_MODIFIER "x\n",
                              tb_insn_pc (g->block->tb, i));
  }
}

static size_t
tables_size (const Gen *g)
{
  const GArray *recoveries = g->block->recoveries;
  return g->n_exits * sizeof (TbExit) + g->insns.n * sizeof (TbInsn) + g->marks.n * sizeof (TbMark)
         + (recoveries ? recoveries->len * sizeof (TbRecovery) : 0);
}

static void
commit_exits (Gen *g, Tb *tb, uint8_t *to)
{
  tb->exit = (TbExit *) (void *) to;
  tb->n_exits = g->n_exits;
  for (unsigned n = 0; n < g->n_exits; n++) {
    tb->exit[n] = g->exit[n];
    if (g->exit[n].jump != TB_NO_EXIT)
      enc_patch (g->start + g->exit[n].jump, g->start + g->exit[n].unlinked);
  }
}

/* The tables come and go with the code. */
static bool
commit (Gen *g)
{
  Tb *tb = g->block->tb;
  CodeBuffer *buffer = g->block->buffer;
  size_t before = buffer->used;
  buffer->used = (size_t) (g->e.p - buffer->rw);
  uint8_t *tables = code_buffer_take (buffer, tables_size (g));
  if (!tables) {
    buffer->used = before;
    return false;
  }
  tb->code = buffer->rx + (g->start - buffer->rw);
  tb->code_size = (uint32_t) (g->e.p - g->start);
  tb->n_marks = g->marks.n;
  commit_exits (g, tb, tables);
  tb->insns = (TbInsn *) (void *) (tables + g->n_exits * sizeof (TbExit));
  const GArray *recoveries = g->block->recoveries;
  tb->n_recoveries = recoveries ? recoveries->len : 0;
  tb->recoveries = (TbRecovery *) (void *) (tb->insns + g->insns.n);
  tb->marks = (TbMark *) (void *) (tb->recoveries + tb->n_recoveries);
  if (g->insns.n > 0)
    memcpy (tb->insns, g->insns.at, g->insns.n * sizeof (TbInsn));
  if (tb->n_recoveries > 0)
    memcpy (tb->recoveries, recoveries->data, tb->n_recoveries * sizeof (TbRecovery));
  if (g->marks.n > 0)
    memcpy (tb->marks, g->marks.at, g->marks.n * sizeof (TbMark));
  for (unsigned n = 0; n < 2; n++) {
    tb->restart[n].from = n < g->n_restart ? g->restart[n][0] : 0;
    tb->restart[n].to = n < g->n_restart ? g->restart[n][1] : 0;
    tb->restart[n].again = n < g->n_restart ? g->restart[n][2] : 0;
  }
  return true;
}

static void
select_all (Gen *g)
{
  unsigned cold = 0;
  for (g->at = 0; g->at < g->ir->n_insns && !g->e.full; g->at++) {
    if (cold < g->cold.n && g->cold.at[cold].at == g->at) {
      if (cold == 0)
        end_of_line (g);
      g->insn = g->cold.at[cold++].insn;
    }
    x64_select (g, &g->ir->insns[g->at]);
  }
  if (cold == 0)
    end_of_line (g);
}

static Gen gen;                 /* keeps its arrays from block to block; the translator's lock is held */

static bool
x64_compile (const BackendBlock *block, BpIrBlock *ir)
{
  Gen *g = &gen;
  const BpTcgFrontend *frontend = block->frontend;
  unsigned set = frontend->pin_set ? frontend->pin_set (&block->tb->key) : 0;
  g_assert (set < x64_host.n_sets);
  block->tb->pin_set = (uint8_t) set;
  g->set = &x64_host.set[set];
  gen_begin (g, block, ir);
  x64_layout (g);
  x64_share_analyse (g);
  x64_chase_analyse (g);
  ra_begin (&g->ra, &x64_host.ra, g, ir, set, g->set->narrow);
  if (block->tb->page_id[1] && !tb_is_limited (block->tb))
    x64_second_page (g);
  if (block->tb->cflags & BP_TCG_CF_ICOUNT)
    x64_icount (g);
  if (block->tb->counter)
    x64_count (g);
  select_all (g);
  if (!g->e.full)
    x64_emit_late (g);
  if (g->e.full)
    return false;
  resolve_labels (g);
  if (!commit (g))
    return false;
  if (block->dump)
    dump (g, block->dump);
  return true;
}

/* --- running and linking
 * ------------------------------------------------------------------------------------ */

static uintptr_t
x64_execute (void *env, Tb *tb)
{
  return x64_host.set[tb->pin_set].enter (env, tb->code);
}

TCG_IN_SIGNAL static void
x64_link (CodeBuffer *buffer, Tb *tb, unsigned n, const Tb *target)
{
  const TbExit *x = &tb->exit[n];
  if (x->jump == TB_NO_EXIT)
    return;
  const uint8_t *from = tb->code + x->jump;
  const uint8_t *to = target ? target->code : tb->code + x->unlinked;
  int32_t distance = (int32_t) (to - (from + 4));
  __atomic_store_n ((int32_t *) (void *) (buffer->rw + (from - buffer->rx)), distance, __ATOMIC_RELEASE);
}

/* The displacement and the immediate of `cmp [page_ids + displacement], immediate`, at once. */
static void
x64_guard (CodeBuffer *buffer, Tb *tb, unsigned n, uint32_t page_id)
{
  uint64_t fields = page_id % PAGE_IDS * sizeof (uint32_t) | (uint64_t) page_id << 32;
  uint8_t *at = buffer->rw + (tb->code + tb->exit[n].guard - buffer->rx);
  __atomic_store_n ((uint64_t *) (void *) at, fields, __ATOMIC_RELEASE);
}

static void
x64_finish (void)
{
  ra_finish (&gen.ra);
  g_free (gen.label);
  g_free (gen.label_refs);
  x64_share_finish (&gen);
  x64_chase_finish (&gen);
  g_free (gen.shares.at);
  g_free (gen.fixups.at);
  g_free (gen.late.at);
  g_free (gen.marks.at);
  g_free (gen.insns.at);
  g_free (gen.lines.at);
  g_free (gen.cold.at);
  g_free (gen.cold_insns.at);
  memset (&gen, 0, sizeof gen);
}

Backend backend_x64 = {
  .name = "x86-64",
  .begin = x64_begin,
  .compile = x64_compile,
  .execute = x64_execute,
  .link = x64_link,
  .guard = x64_guard,
  .finish = x64_finish,
  .context_pc = x64_context_pc,
  .restart = x64_restart,
  .take_fault = x64_take_fault,
  .resident_fp = true,
  .checks_pages = true,
};
