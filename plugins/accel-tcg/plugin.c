/* plugin.c -- the accel-tcg type: properties, vCPU set-up, and the plugin's descriptor. */
/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <backplane/device.h>
#include "instr.h"

#define HOT_AFTER 2000

enum { BACKEND_AUTO, BACKEND_X64, BACKEND_INTERP };
static const char *const backend_names[] = { "auto", "x64", "interp", NULL };

/* --- the machine --------------------------------------------------------------------- */

static void
on_memory_change (void *user)
{
  TcgMachine *m = user;
  for (unsigned i = 0; i < m->vcpus->len; i++)
    softmmu_ask (m->vcpus->pdata[i], SOFTMMU_MAP);
}

static void
on_dirty_cleared (void *user, uint64_t ram_address, uint64_t size)
{
  TcgMachine *m = user;
  __atomic_store_n (&m->logged, 1, __ATOMIC_SEQ_CST);
  for (unsigned i = 0; i < m->vcpus->len; i++)
    softmmu_ask (m->vcpus->pdata[i], SOFTMMU_LOG);
}

static const BpMemoryListener memory_listener = { .struct_size = sizeof (BpMemoryListener), .commit = on_memory_change };
static const BpDirtyWatcher dirty_watcher = { .struct_size = sizeof (BpDirtyWatcher), .cleared = on_dirty_cleared };

static Backend *
choose_backend (const Accel *a)
{
#ifdef HAVE_HOST_X64
  if (a->backend != BACKEND_INTERP)
    return &backend_x64;
#endif
  return &backend_interp;
}

static bool
accel_configure (void *self, GError **error)
{
#ifndef HAVE_HOST_X64
  Accel *a = self;
  if (a->backend == BACKEND_X64) {
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "backend = x64: this build has no x86-64 code generator (use interp)");
    return false;
  }
#endif
  return true;
}

/* Signals, the dirty log's listener and the thunks are of a process. */
static TcgMachine *of_process;

/* Its tables are looked into all over: a large page of the host's, if it gives one, is found sooner than hundreds.  NULL: there is no memory. */
static TcgMachine *
machine_new (uint64_t code_cache)
{
  const size_t large = (size_t) 2 << 20, size = (sizeof (TcgMachine) + large - 1) & ~(large - 1);
  TcgMachine *m = aligned_alloc (large, size);
  if (!m)
    return NULL;
  madvise (m, size, MADV_HUGEPAGE);
  memset (m, 0, sizeof *m);
  m->by_address = g_try_new (Tb *, (code_cache + 0x1000) / CODE_BLOCK_LEAST);
  if (!m->by_address)
    g_clear_pointer (&m, free);
  return m;
}

static void
machine_free (TcgMachine *m)
{
  g_free (m->by_address);
  free (m);
}

static bool
accel_realize (void *self, GError **error)
{
  Accel *a = self;
  TcgMachine *m = machine_new (a->code_cache);
  if (!m) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "no memory for the translator's tables");
    return false;
  }
  if (!g_atomic_pointer_compare_and_exchange (&of_process, NULL, m)) {
    machine_free (m);
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "another machine of this process has it: accel-tcg runs one at a time");
    return false;
  }
  a->tcg = m;
  m->self = self;
  m->machine = bp_object_machine (self);
  m->backend = choose_backend (a);
  m->optimise = a->optimise;
  m->chain = a->chain && !bp_log_on (BP_LOG_EXEC);
  m->deterministic = bp_machine_is_deterministic (m->machine, &m->icount_shift);
  m->hot_after = m->chain && !m->deterministic ? a->hot_after : 0;
  m->vcpus = g_ptr_array_new ();
  m->recoveries = g_array_new (false, false, sizeof (TbRecovery));
  g_mutex_init (&m->lock);
  g_mutex_init (&m->run_lock);
  g_cond_init (&m->run_cond);
  return signals_install (error);
}

static void
accel_unrealize (void *self)
{
  Accel *a = self;
  TcgMachine *m = a->tcg;
  if (!m)
    return;
  if (m->frontend) {
    bp_as_unlisten (bp_machine_address_space (m->machine, "memory"), m->listener);
    bp_dirty_set_code_listener (NULL, NULL);
    bp_dirty_set_watcher (NULL, NULL);
    tb_flush_all (m);
    if (m->backend->finish)
      m->backend->finish ();
  }
  code_buffer_finish (&m->buffer);
  debug_attach (m, NULL, NULL);
  instr_finish (m);
  tb_cache_finish (m);
  g_ptr_array_unref (m->vcpus);
  g_array_unref (m->recoveries);
  g_mutex_clear (&m->lock);
  g_mutex_clear (&m->run_lock);
  g_cond_clear (&m->run_cond);
  g_atomic_pointer_set (&of_process, NULL);
  machine_free (m);
  a->tcg = NULL;
}

/* The first vCPU brings the frontend; its register layout shapes the thunks. */
static bool
begin (Accel *a, const BpTcgFrontend *frontend, GError **error)
{
  TcgMachine *m = a->tcg;
  if (!code_buffer_init (&m->buffer, a->code_cache, error) || !m->backend->begin (&m->buffer, frontend, error))
    return false;
  m->frontend = frontend;
  m->buffer_start = m->buffer.used;
  tb_regions_init (m);
  m->listener = bp_as_listen (bp_machine_address_space (m->machine, "memory"), &memory_listener, m);
  bp_dirty_set_code_listener (tb_code_written, m);
  bp_dirty_set_watcher (&dirty_watcher, m);
  return true;
}

/* --- vCPUs ------------------------------------------------------------------------------- */

static bool
vcpu_init (void *self, BpVcpu *vcpu, GError **error)
{
  Accel *a = self;
  void *cpu = bp_vcpu_cpu (vcpu);
  const BpTcgFrontend *frontend = bp_object_interface (cpu, BP_TCG_FRONTEND_ID);
  if (!frontend) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "CPU type %s cannot be translated: it lacks interface %s", bp_object_type_name (cpu),
                 BP_TCG_FRONTEND_ID);
    return false;
  }
  if (bp_vcpu_index (vcpu) > 0 && a->tcg->deterministic) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "[clock] mode = instructions runs one vCPU; set [cpu] count = 1");
    return false;
  }
  if (!a->tcg->frontend && !begin (a, frontend, error))
    return false;
  TcgVcpu *v = cpu;
  VcpuExtra *x = g_new0 (VcpuExtra, 1);
  v->ops = &tcg_ops;
  v->vcpu = vcpu;
  v->frontend = frontend;
  v->machine = a->tcg;
  v->extra = x;
  x->tcg = a->tcg;
  x->vcpu = vcpu;
  x->fetch_page[0] = x->fetch_page[1] = ~(uint64_t) 0;
  bp_ir_block_init (&x->ir, frontend->globals, frontend->n_globals, frontend->helpers);
  softmmu_init (v, bp_machine_address_space (a->tcg->machine, "memory"), bp_machine_address_space (a->tcg->machine, "io"));
  g_ptr_array_add (a->tcg->vcpus, v);
  instr_vcpu_init (v, bp_vcpu_index (vcpu));
  return true;
}

static void
vcpu_run (void *self, BpVcpu *vcpu)
{
  exec_run (bp_vcpu_cpu (vcpu));
}

static void
vcpu_kick (void *self, BpVcpu *vcpu, GThread *thread, uint64_t pthread_id)
{
  signals_kick (pthread_id);
}

static void
vcpu_synchronise (void *self, BpVcpu *vcpu)
{
  TcgVcpu *v = bp_vcpu_cpu (vcpu);
  VcpuExtra *x = v->extra;
  if (!x)
    return;
  phys_cache_flush (v);
  tlb_flush_all (v);
  x->last_tb = NULL;
  x->in_event = x->one_insn = false;
  debug_forget (v);
}

static void
vcpu_finish (void *self, BpVcpu *vcpu)
{
  TcgVcpu *v = bp_vcpu_cpu (vcpu);
  VcpuExtra *x = v->extra;
  if (!x)
    return;
  g_ptr_array_remove (x->tcg->vcpus, v);
  instr_vcpu_finish (v);
  softmmu_finish (v);
  bp_ir_block_finish (&x->ir);
  g_free (x);
  v->extra = NULL;
}

static int64_t
virtual_time (void *self)
{
  Accel *a = self;
  return a->tcg && a->tcg->deterministic ? icount_time (a->tcg) : -1;
}

static void
timer_moved (void *self, int64_t at)
{
  Accel *a = self;
  if (!a->tcg)
    return;
  for (unsigned i = 0; i < a->tcg->vcpus->len; i++) {   /* a new budget is due */
    TcgVcpu *v = a->tcg->vcpus->pdata[i];
    if (bp_vcpu_is_current (v->vcpu))
      tcg_leave_soon (v);
    else
      bp_vcpu_kick (v->vcpu);
  }
}

static void
vcpu_get_state (void *self, BpVcpu *vcpu, BpAccelVcpuState *state)
{
  const VcpuExtra *x = tcg_extra (bp_vcpu_cpu (vcpu));
  BpAccelVcpuState s = { state->struct_size, x->icount_done, x->icount_skew };
  memcpy (state, &s, MIN (state->struct_size, sizeof s));
}

static void
vcpu_set_state (void *self, BpVcpu *vcpu, const BpAccelVcpuState *state)
{
  VcpuExtra *x = tcg_extra (bp_vcpu_cpu (vcpu));
  x->icount_done = state->instructions;
  x->icount_skew = state->skipped;
  __atomic_store_n (&x->icount_seen, x->icount_done + x->icount_skew, __ATOMIC_RELEASE);
}

/* --- debugging ----------------------------------------------------------------------------- */

static bool
accel_debug_attach (void *self, const BpDebugger *debugger, void *user)
{
  return debug_attach (((Accel *) self)->tcg, debugger, user);
}

static bool
accel_debug_insert (void *self, const BpDebugPoint *point)
{
  return debug_insert (((Accel *) self)->tcg, point);
}

static bool
accel_debug_remove (void *self, const BpDebugPoint *point)
{
  return debug_remove (((Accel *) self)->tcg, point);
}

static void
accel_debug_resume (void *self, BpVcpu *vcpu, const BpDebugResume *how)
{
  debug_resume (bp_vcpu_cpu (vcpu), how);
}

static bool
accel_debug_take_stop (void *self, BpVcpu *vcpu, BpDebugStop *stop)
{
  return debug_take_stop (bp_vcpu_cpu (vcpu), stop);
}

static const BpAccelIface accel_iface = {
  .struct_size = sizeof (BpAccelIface),
  .vcpu_init = vcpu_init,
  .vcpu_run = vcpu_run,
  .vcpu_kick = vcpu_kick,
  .vcpu_synchronise = vcpu_synchronise,
  .vcpu_finish = vcpu_finish,
  .virtual_time = virtual_time,
  .timer_moved = timer_moved,
  .vcpu_get_state = vcpu_get_state,
  .vcpu_set_state = vcpu_set_state,
  .debug_attach = accel_debug_attach,
  .debug_insert = accel_debug_insert,
  .debug_remove = accel_debug_remove,
  .debug_resume = accel_debug_resume,
  .debug_take_stop = accel_debug_take_stop,
};

/* --- tables ---------------------------------------------------------------------------------- */

static const BpProperty accel_properties[] = {
  BP_PROP_ENUM ("backend", Accel, backend, BACKEND_AUTO, backend_names,
                "Code generator: x64 emits host code, interp interprets the IR (slow, the reference), auto takes the best there is."),
  { .name = "code-cache", .kind = BP_PROPERTY_SIZE, .offset = offsetof (Accel, code_cache), .default_int = 256u << 20, .min = 1u << 20,
    .max = UINT64_C (1) << 30, .help = "Most bytes of translated code. A guest begins with 30M of them, whose oldest part is dropped when they are full, and gets more when it misses what went." },
  BP_PROP_BOOL ("optimise", Accel, optimise, true, "Run the optimising passes over the IR; off helps to find a pass that is wrong."),
  BP_PROP_BOOL ("chain", Accel, chain, true, "Let blocks jump to each other directly; off returns to the loop after each block."),
  BP_PROP_U32_RANGE ("hot-after", Accel, hot_after, HOT_AFTER, 0, 1u << 30,
                     "How often a block runs before it is compiled again along the path taken most likely; 0: never."),
  BP_PROP_END
};

static const BpInterfaceDesc accel_interfaces[] = { { BP_ACCEL_ID, &accel_iface }, { BP_INSTRUMENT_HOST_ID, &instr_host }, { NULL, NULL } };

static const BpTypeDesc accel_type = {
  BP_TYPE ("accel-tcg", BP_KIND_ACCEL, Accel),
  .description = "Binary translator: guest code becomes host code, block by block",
  .properties = accel_properties,
  .interfaces = accel_interfaces,
  .configure = accel_configure,
  .realize = accel_realize,
  .unrealize = accel_unrealize,
};

static const BpTypeDesc *const types[] = { &accel_type, NULL };

BP_PLUGIN_DEFINE_FLAGS (BP_PLUGIN_SAME_MINOR, .id = "accel-tcg", .version = "0.1", .licence = "MIT", .description = "TCG-style binary translator",
                        .types = types);
