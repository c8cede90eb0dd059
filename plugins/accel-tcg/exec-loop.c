/* exec-loop.c -- a vCPU's life: find a block, run until something returns, see to what has happened.  Built with -mgeneral-regs-only. */
/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "instr.h"

/* --- where generated code was ---------------------------------------------------------- */

/* The guest instruction being executed, from the return address that the thunk recorded. */
static const TbInsn *
current_insn (TcgVcpu *v, Tb **tb_out)
{
  Tb *tb = v->ret_pc ? tb_at (v->machine, v->ret_pc - 1) : NULL;
  *tb_out = tb;
  if (!tb)
    return NULL;
  int i = tb_insn_at (tb, (const uint8_t *) v->ret_pc - 1);
  return i < 0 ? NULL : &tb->insns[i];
}

/* Puts pc and flag representation of the current instruction into the state. */
void
tcg_restore (TcgVcpu *v)
{
  Tb *tb;
  const TbInsn *insn = current_insn (v, &tb);
  if (!insn)
    return;
  int i = (int) (insn - tb->insns);
  tb_recover (tb, i, v);
  v->frontend->restore (v, tb_insn_pc (tb, (unsigned) i), insn->word);
}

/* What follows the current instruction in its block (`executed`: and is not the instruction itself) was paid for but not run. */
static void
refund (TcgVcpu *v, unsigned executed)
{
  Tb *tb;
  const TbInsn *insn = current_insn (v, &tb);
  if (insn && tb->cflags & BP_TCG_CF_ICOUNT)
    v->icount_left += (int64_t) (tb->n_insns - (uint32_t) (insn - tb->insns) - executed);
  if (insn && tb->instr)
    instr_not_executed (v, tb, (unsigned) (insn - tb->insns) + executed, executed);
}

/* --- leaving ------------------------------------------------------------------------------ */

static void leave (TcgVcpu *v) __attribute__ ((noreturn));
static void
leave (TcgVcpu *v)
{
  v->ret_pc = 0;
  siglongjmp (*v->leave_buffer, 1);
}

void
tcg_leave_loop (TcgVcpu *v)
{
  fp_leave (v);
  refund (v, 1);
  leave (v);
}

void
tcg_raise (TcgVcpu *v)
{
  fp_leave (v);
  if (G_UNLIKELY (v->machine->debug != NULL))
    debug_forget_hit (v);
  tcg_restore (v);
  refund (v, 0);
  tcg_extra (v)->in_event = true;
  leave (v);
}

void
tcg_host_fault (TcgVcpu *v, BpHostFault fault)
{
  fp_leave (v);
  if (G_UNLIKELY (v->machine->debug != NULL))
    debug_forget_hit (v);
  tcg_restore (v);
  refund (v, 0);
  v->ret_pc = 0;                /* restored: once is enough */
  v->frontend->host_fault (v, fault);
  tcg_extra (v)->in_event = true;
  leave (v);
}

void
tcg_begin_again (TcgVcpu *v)
{
  fp_leave (v);
  tcg_restore (v);
  refund (v, 0);
  leave (v);
}

void
tcg_redo_alone (TcgVcpu *v)
{
  fp_leave (v);
  tcg_restore (v);
  refund (v, 0);
  tcg_extra (v)->one_insn = true;
  leave (v);
}

/* (others look at exit_request: tb_link) */
void
tcg_leave_soon (TcgVcpu *v)
{
  __atomic_store_n (&v->exit_request, 1, __ATOMIC_RELEASE);
  v->events |= TCG_EVENT_LEAVE;
  v->jump_cache = v->jump_cache_empty;
}

/* Take the direct jumps out of the block that the vCPU is in, so that it comes back to the loop at its end. */
void
tcg_leave_block (void *env)
{
  TcgVcpu *v = env;
  TcgMachine *m = v->machine;
  Tb *tb = tb_at (m, v->ret_pc - 1);
  v->events &= ~(uint32_t) TCG_EVENT_LEAVE;
  __atomic_store_n (&v->exit_request, 1, __ATOMIC_RELEASE);
  v->jump_cache = v->jump_cache_empty;
  tb_unlink_exits (m, tb);
}

void
tcg_after_device (TcgVcpu *v)
{
  uint32_t pending = bp_vcpu_pending (v->vcpu);
  if (v->exit_request)
    return;
  if (G_UNLIKELY (bp_vcpu_is_held (v->vcpu)) || (G_UNLIKELY (pending) && v->frontend->wakes (v, pending)))
    tcg_leave_soon (v);
}

/* --- finding the next block --------------------------------------------------------------------- */

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

/* The block at the current pc, translated when there is none; max_insns 0: as long as it may be. */
static Tb *
exec_find (TcgVcpu *v, uint32_t max_insns)
{
  TcgMachine *m = v->machine;
  BpTbKey key;
  v->frontend->key (v, &key);
  unsigned mmu = v->frontend->fetch_mmu_index (v);
  Tb *tb = max_insns ? NULL : jump_cache_find (v, mmu, &key), *wrong = NULL;
  if (G_LIKELY (tb))
    return tb;
  uint32_t cflags = block_cflags (v, mmu) | (max_insns ? BP_TCG_CF_NO_CHAIN : 0) | max_insns << TB_MAX_INSNS_SHIFT;
  tb = known_block (v, &key, mmu, cflags, &wrong);
  if (tb)
    return tb;
  if (wrong) {                  /* an alias with another second page: make it anew */
    g_mutex_lock (&m->lock);
    tb_invalidate (m, wrong);
    g_mutex_unlock (&m->lock);
  }
  return tb_translate (v, &key, cflags);
}

/* A direct jump is right only while what it skips, the look-up, would find the same: same mode, and the same page, or one whose name the jump
 * looks for.  A second page must be looked for by the target itself. */
static void
link_blocks (TcgMachine *m, Tb *from, unsigned n, Tb *to)
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

static void
store_pc (TcgVcpu *v, uint64_t pc)
{
  void *at = (uint8_t *) v + v->frontend->pc_offset;
  if (v->frontend->pc_size == 4)
    *(uint32_t *) at = (uint32_t) pc;
  else
    *(uint64_t *) at = pc;
}

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
  store_pc (v, pc);
}

const void *
tcg_lookup (void *env, uint64_t pc, unsigned exit)
{
  TcgVcpu *v = env;
  TcgMachine *m = v->machine;
  tcg_jump (env, pc);
  if (v->exit_request || tcg_extra (v)->path.head)
    return m->backend->leave_code;
  BpTbKey key;
  uintptr_t ret_pc = v->ret_pc;
  v->ret_pc = 0;                /* the jump is done: a fault now belongs to the target */
  v->frontend->key (v, &key);
  if (G_UNLIKELY (m->debug != NULL) && debug_cuts (m, key.pc)) {        /* even where nothing can be fetched */
    v->ret_pc = ret_pc;
    return m->backend->leave_code;
  }
  unsigned mmu = v->frontend->fetch_mmu_index (v);
  Tb *wrong = NULL, *tb = known_block (v, &key, mmu, block_cflags (v, mmu), &wrong);
  v->ret_pc = ret_pc;
  if (!tb || tb->pin_set != v->pin_set)
    return m->backend->leave_code;
  if (exit < TB_MAX_EXITS)
    link_blocks (m, tb_at (m, ret_pc - 1), exit, tb);
  v->entering = tb;             /* a kick from here on must find it */
  return tb->code;
}

const void *
tcg_continue (void *env)
{
  TcgVcpu *v = env;
  TcgMachine *m = v->machine;
  v->ret_pc = 0;                /* a fault belongs to the target */
  if (v->exit_request || tcg_extra (v)->path.head)
    return m->backend->leave_code;
  BpTbKey key;
  v->frontend->key (v, &key);
  if (G_UNLIKELY (m->debug != NULL) && debug_cuts (m, key.pc))
    return m->backend->leave_code;
  unsigned mmu = v->frontend->fetch_mmu_index (v);
  Tb *wrong = NULL, *tb = jump_cache_find (v, mmu, &key);
  if (G_UNLIKELY (!tb))
    tb = known_block (v, &key, mmu, block_cflags (v, mmu), &wrong);
  if (!tb)
    return m->backend->leave_code;
  v->pin_set = tb->pin_set;
  v->entering = tb;             /* a kick from here on must find it */
  return tb->code;
}

/* --- one turn ------------------------------------------------------------------------------------- */

static void
log_block (TcgVcpu *v, const Tb *tb)
{
  char text[2048] = "";
  v->frontend->dump (v, text, sizeof text);
  bp_log (BP_LOG_EXEC, "block %u: pc %" G_GINT64_MODIFIER "x flags %" G_GINT64_MODIFIER "x, %u insns\n%s", bp_vcpu_index (v->vcpu), tb->key.pc,
          tb->key.flags, tb->n_insns, text);
}

/* Kicks take the jumps out of the block that runs; the loop clears them and puts the jump cache back. */
static void
requests_clear (TcgVcpu *v)
{
  __atomic_store_n (&v->exit_request, 0, __ATOMIC_SEQ_CST);
  v->events = 0;
  v->fp_dropped = 0;
  jump_cache_show (v);
}

/* false: somebody asked to leave at the last moment (or, at the end of blocks that are chained, before the next). */
static bool
run_block (TcgVcpu *v, Tb *tb)
{
  VcpuExtra *x = tcg_extra (v);
  TcgMachine *m = v->machine;
  if (bp_log_on (BP_LOG_EXEC))
    log_block (v, tb);
  x->last_tb = NULL;            /* (the block may be left by a jump) */
  v->entering = tb;
  uintptr_t result = m->backend->execute (v, tb);
  v->entering = NULL;
  unsigned n = TCG_EXIT_NUMBER (result);
  x->last_tb = n < TB_MAX_EXITS ? TCG_EXIT_TB (result) : NULL;
  x->last_exit = n;
  x->hot = n == TCG_EXIT_HOT ? TCG_EXIT_TB (result) : NULL;
  if (x->hot)
    store_pc (v, x->hot->key.pc - x->hot->key.base);
  return n != TCG_EXIT_LEAVE;
}

/* One block after the other, to see where their jumps lead. */
static void
run_watched (TcgVcpu *v, Tb *tb)
{
  bool is_watched = hot_path_enter (v, tb);
  run_block (v, tb);
  if (is_watched)
    hot_path_leave (v);
}

/* One instruction for a debugger; what waits meanwhile is looked at after it. */
static void
run_alone (TcgVcpu *v)
{
  VcpuExtra *x = tcg_extra (v);
  x->debug.alone = true;
  x->one_insn = x->look_again = false;
  if (!run_block (v, exec_find (v, 1)))
    x->debug.alone = false;     /* not yet */
  x->last_tb = NULL;
}

/* Runs blocks until somebody asks to leave. */
static void
run_blocks (TcgVcpu *v)
{
  VcpuExtra *x = tcg_extra (v);
  TcgMachine *m = v->machine;
  while (!__atomic_load_n (&v->exit_request, __ATOMIC_ACQUIRE)) {
    if (m->deterministic && v->icount_left <= 0)
      return;
    if (G_UNLIKELY (m->debug != NULL)) {
      if (!debug_may_run (v))
        return;
      if (debug_wants_alone (v)) {
        run_alone (v);
        return;
      }
    }
    if (G_UNLIKELY (x->one_insn)) {
      Tb *one = exec_find (v, 1);
      x->one_insn = false;
      run_block (v, one);
      x->last_tb = NULL;
      if (x->look_again)
        break;
      continue;
    }
    Tb *last = x->last_tb;
    Tb *tb = exec_find (v, 0);
    if (m->deterministic && (int64_t) tb->n_insns > v->icount_left)
      tb = exec_find (v, (uint32_t) MIN (v->icount_left, 255));
    else if (last && last == x->last_tb)
      link_blocks (m, last, x->last_exit, tb);
    if (G_UNLIKELY (x->path.head))
      run_watched (v, tb);
    else
      run_block (v, tb);
    if (G_UNLIKELY (x->hot))
      hot_path_see_to (v);
  }
  x->look_again = false;
}

uint64_t
tcg_linear_pc (TcgVcpu *v)
{
  BpTbKey key;
  v->frontend->key (v, &key);
  return key.pc;
}

/* What waits for the vCPU between blocks; false when it must not run guest code now. */
static bool
see_to_events (TcgVcpu *v)
{
  VcpuExtra *x = tcg_extra (v);
  const BpTcgFrontend *f = v->frontend;
  bool is_debugged = v->machine->debug != NULL;
  if (x->in_event) {
    uint64_t from = v->instr ? tcg_linear_pc (v) : 0;
    x->in_event = false;
    x->last_tb = NULL;
    f->deliver (v);
    if (G_UNLIKELY (v->instr != NULL))
      instr_jump (v, BP_JUMP_EXCEPTION, from);
  }
  if (G_UNLIKELY (is_debugged) && !debug_settle (v))
    return false;
  uint32_t pending = bp_vcpu_pending (v->vcpu);
  if (G_UNLIKELY (is_debugged))
    pending = debug_pending (v, pending);
  if (f->is_halted (v) && !f->wakes (v, pending))
    return false;
  if (pending) {
    uint64_t from = v->instr ? tcg_linear_pc (v) : 0;
    if (f->interrupt (v, pending)) {
      x->last_tb = NULL;
      if (G_UNLIKELY (v->instr != NULL))
        instr_jump (v, BP_JUMP_INTERRUPT, from);
      if (G_UNLIKELY (is_debugged))
        debug_event_taken (v);
    } else if (f->wakes (v, pending))
      x->one_insn = x->look_again = true;
  }
  return !f->is_halted (v);
}

/* One event may have been taken while another that wakes the CPU came with it. */
static bool
has_work (TcgVcpu *v)
{
  return v->frontend->wakes (v, bp_vcpu_pending (v->vcpu));
}

/* The clock of a deterministic machine stands while its CPU sleeps: go on to the next timer. */
static bool
sleep_deterministic (TcgVcpu *v)
{
  TcgMachine *m = v->machine;
  int64_t next = bp_machine_next_virtual_timer (m->machine);
  if (next == INT64_MAX)
    return false;
  int64_t now = icount_time (m);
  if (next > now)
    tcg_extra (v)->icount_skew += (uint64_t) ((next - now) >> m->icount_shift) + 1;
  bp_machine_run_virtual_timers (m->machine);
  return true;
}

void
exec_run (TcgVcpu *v)
{
  TcgMachine *m = v->machine;
  sigjmp_buf leave;
  v->leave_buffer = &leave;
  v->frame = 0;
  signals_thread (v);
  __atomic_store_n (&tcg_extra (v)->in_loop, true, __ATOMIC_SEQ_CST);
  if (G_UNLIKELY (v->instr != NULL))
    instr_begin (v);
  /* What is recorded is delivered before the vCPU stands: its state then tells all, to debuggers and snapshots. */
  while (bp_vcpu_may_run (v->vcpu) || tcg_extra (v)->in_event) {
    if (sigsetjmp (leave, 0)) {
      v->entering = NULL;
      v->ret_pc = 0;
      translate_abandon (v);
      hot_path_forget (v);
      run_leave (v);
    }
    if (m->deterministic)
      icount_stop (v);
    run_leave (v);
    requests_clear (v);         /* first: whoever wants to be alone kicks once, and not those that wait on their way in */
    run_enter (v);
    softmmu_do_asked (v);
    if (G_UNLIKELY (v->instr != NULL))
      instr_look (v);
    bool may_run = bp_vcpu_may_run (v->vcpu);
    if (!may_run && !tcg_extra (v)->in_event)
      break;
    if (m->deterministic && icount_time (m) >= bp_machine_next_virtual_timer (m->machine))
      bp_machine_run_virtual_timers (m->machine);
    bool runs = see_to_events (v);
    if (!may_run)
      continue;
    if (G_UNLIKELY (v->instr != NULL))
      instr_idle (v, !runs);
    if (!runs) {
      run_leave (v);
      bool stays = tcg_extra (v)->debug.how.action == BP_DEBUG_STAY;
      if (stays || ((!m->deterministic || !sleep_deterministic (v)) && !has_work (v)))
        bp_vcpu_wait (v->vcpu);
      continue;
    }
    if (m->deterministic)
      icount_start (v);
    run_blocks (v);
  }
  if (m->deterministic)
    icount_stop (v);
  if (m->debug && !tcg_extra (v)->in_event)
    debug_settle (v);
  softmmu_do_asked (v);         /* the dirty log is complete while the machine stands, and so are instruments' records */
  if (G_UNLIKELY (v->instr != NULL))
    instr_deliver_all (v);
  __atomic_store_n (&tcg_extra (v)->in_loop, false, __ATOMIC_SEQ_CST);
  run_leave (v);
  signals_thread (NULL);
}
