/* exec-loop.c -- a vCPU's life: run the next block until something returns, see to what has happened.  Built with -mgeneral-regs-only. */
/* SPDX-License-Identifier: MIT */
#include "instr.h"

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
  x->looked = false;
  v->entering = tb;
  uintptr_t result = m->backend->execute (v, tb);
  v->entering = NULL;
  unsigned n = TCG_EXIT_NUMBER (result);
  x->last_tb = n < TB_MAX_EXITS ? tb_left (TCG_EXIT_TB (result)) : NULL;
  x->last_exit = n;
  x->hot = n == TCG_EXIT_HOT ? tb_left (TCG_EXIT_TB (result)) : NULL;
  if (x->hot)
    tcg_store_pc (v, x->hot->key.pc - x->hot->key.base);
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
  if (!run_block (v, tb_find (v, 1)))
    x->debug.alone = false;     /* not yet */
  x->last_tb = NULL;
}

/* Runs blocks until somebody asks to leave. */
static void
run_blocks (TcgVcpu *v)
{
  VcpuExtra *x = tcg_extra (v);
  TcgMachine *m = v->machine;
  x->looked = false;            /* what was there may be elsewhere by now */
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
      Tb *one = tb_find (v, 1);
      x->one_insn = false;
      run_block (v, one);
      x->last_tb = NULL;
      if (x->look_again)
        break;
      continue;
    }
    Tb *last = x->last_tb;
    Tb *tb = tb_find (v, 0);
    if (m->deterministic && (int64_t) tb->n_insns > v->icount_left)
      tb = tb_find (v, (uint32_t) MIN (v->icount_left, 255));
    else if (last && last == x->last_tb)
      tb_link_exit (m, last, x->last_exit, tb);
    if (G_UNLIKELY (x->path.head))
      run_watched (v, tb);
    else
      run_block (v, tb);
    if (G_UNLIKELY (x->hot))
      hot_path_see_to (v);
  }
  x->look_again = false;
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
