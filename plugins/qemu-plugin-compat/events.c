/* events.c -- what the host tells, as the plugin's version of a call-back; and how a plugin is reset, removed and ended. */
/* SPDX-License-Identifier: MIT */
#include <backplane/cpu.h>
#include <backplane/machine.h>
#include <string.h>
#include "compat.h"

/* Up to version 6 the first argument of a call-back is the plugin's id, from 7 on its last one is user data. */
#define CALL(plugin, slot, types_with_id, arguments_with_id, types_with_data, arguments_with_data) \
  do { \
    if ((plugin)->version < 7) { \
      ((void (*) types_with_id) (slot).function) arguments_with_id; \
    } else { \
      ((void (*) types_with_data) (slot).function) arguments_with_data; \
    } \
  } while (0)

enum LeaveStage { LEAVE_NOT, LEAVE_WANTED, LEAVE_VISITING };

static Slot
listener (Plugin *plugin, Event event)
{
  Slot none = { 0 };
  g_rec_mutex_lock (&plugin->lock);
  Slot slot = plugin->is_closed ? none : plugin->slot[event];
  g_rec_mutex_unlock (&plugin->lock);
  return slot;
}

static inline void
look_for_leave (Plugin *plugin, unsigned vcpu)
{
  if (G_UNLIKELY (__atomic_load_n (&plugin->leaving.stage, __ATOMIC_ACQUIRE) == LEAVE_WANTED)) {
    events_left (plugin, vcpu);
  }
}

/* --- blocks ------------------------------------------------------------------------------------ */

/* The host does not say who translates. */
static unsigned
current_vcpu (const Plugin *plugin)
{
  for (unsigned i = 0; i < plugin->n_vcpus; i++) {
    if (plugin->vcpus[i] && bp_vcpu_is_current (plugin->vcpus[i])) {
      return i;
    }
  }
  return NO_VCPU;
}

static void
leave_at_block (void *user, unsigned vcpu, const BpInsn *insn, void *data)
{
  look_for_leave (user, vcpu);
}

static void
on_block (void *user, BpInstrBlock *block)
{
  Plugin *plugin = user;
  Slot slot = listener (plugin, ON_BLOCK);
  if (!slot.function) {
    return;
  }
  struct qemu_plugin_tb *tb = &plugin->tb;
  block_open (tb, plugin, block);
  Now before = now_enter (plugin, current_vcpu (plugin), QEMU_PLUGIN_CB_RW_REGS);
  CALL (plugin, slot, (qemu_plugin_id_t, struct qemu_plugin_tb *), (plugin->id, tb), (struct qemu_plugin_tb *, void *), (tb, slot.userdata));
  now_leave (before);
  block_close (tb);
  /* Not from here, where the translator's lock is held, but when the block runs, which is at the same instruction in each deterministic run. */
  if (G_UNLIKELY (__atomic_load_n (&plugin->leaving.stage, __ATOMIC_ACQUIRE) == LEAVE_WANTED)) {
    bp_block_call (block, 0, NULL, leave_at_block, NULL, BP_CALL_NO_REGISTERS);
  }
}

/* --- vCPUs ---------------------------------------------------------------------------------------- */

static void
tell_vcpu (Plugin *plugin, Event event, unsigned vcpu)
{
  Slot slot = listener (plugin, event);
  if (!slot.function) {
    return;
  }
  Now before = now_enter (plugin, vcpu, QEMU_PLUGIN_CB_RW_REGS);
  CALL (plugin, slot, (qemu_plugin_id_t, unsigned), (plugin->id, vcpu), (unsigned, void *), (vcpu, slot.userdata));
  now_leave (before);
  look_for_leave (plugin, vcpu);
}

static void
on_vcpu_start (Plugin *plugin, unsigned vcpu)
{
  if (plugin->has_started[vcpu]) {
    return;                     /* a machine that goes on; it has been told */
  }
  g_rec_mutex_lock (&plugin->lock);
  plugin->has_started[vcpu] = 1;
  __atomic_store_n (&plugin->n_started, MAX (plugin->n_started, vcpu + 1), __ATOMIC_RELAXED);
  g_rec_mutex_unlock (&plugin->lock);
  tell_vcpu (plugin, ON_VCPU_INIT, vcpu);
}

static void
on_vcpu (void *user, unsigned vcpu, BpVcpuEvent event)
{
  Plugin *plugin = user;
  if (vcpu >= plugin->n_vcpus) {
    return;
  }
  switch (event) {
  case BP_VCPU_START: on_vcpu_start (plugin, vcpu); break;
  case BP_VCPU_STOP: break;     /* QEMU tells of a vCPU's end when it is unplugged: ours are not */
  case BP_VCPU_IDLE: tell_vcpu (plugin, ON_VCPU_IDLE, vcpu); break;
  case BP_VCPU_RESUME: tell_vcpu (plugin, ON_VCPU_RESUME, vcpu); break;
  }
}

static void
on_jump (void *user, unsigned vcpu, const BpJump *jump)
{
  Plugin *plugin = user;
  enum qemu_plugin_discon_type type = jump->kind == BP_JUMP_INTERRUPT ? QEMU_PLUGIN_DISCON_INTERRUPT : QEMU_PLUGIN_DISCON_EXCEPTION;
  Slot slot = listener (plugin, ON_JUMP);
  if (!slot.function || !(slot.types & (int) type)) {
    return;
  }
  Now before = now_enter (plugin, vcpu, QEMU_PLUGIN_CB_RW_REGS);
  CALL (plugin, slot, (qemu_plugin_id_t, unsigned, enum qemu_plugin_discon_type, uint64_t, uint64_t), (plugin->id, vcpu, type, jump->from, jump->to),
        (unsigned, enum qemu_plugin_discon_type, uint64_t, uint64_t, void *), (vcpu, type, jump->from, jump->to, slot.userdata));
  now_leave (before);
  look_for_leave (plugin, vcpu);
}

/* --- the end ----------------------------------------------------------------------------------------- */

/* With user data in all versions. */
void
events_exit (Plugin *plugin)
{
  Slot slot = listener (plugin, ON_EXIT);
  if (plugin->is_over) {
    return;
  }
  plugin->is_over = true;
  if (slot.function) {
    Now before = now_enter (plugin, NO_VCPU, QEMU_PLUGIN_CB_NO_REGS);
    CALL (plugin, slot, (qemu_plugin_id_t, void *), (plugin->id, slot.userdata), (void *), (slot.userdata));
    now_leave (before);
  }
  /* It may have freed what other call-backs use. */
  g_rec_mutex_lock (&plugin->lock);
  __atomic_store_n (&plugin->is_closed, true, __ATOMIC_RELEASE);
  __atomic_fetch_add (&plugin->generation, 1, __ATOMIC_RELEASE);
  g_rec_mutex_unlock (&plugin->lock);
}

static void
report_unserved (Plugin *plugin, BpReport *report)
{
  static const BpReportColumn columns[] = { { "function", "Function", BP_REPORT_CODE }, { "instead", "What is done instead", BP_REPORT_TEXT } };
  uint32_t said = __atomic_load_n (&plugin->unserved, __ATOMIC_RELAXED);
  if (!said) {
    return;
  }
  BpReportTable *table = bp_report_table (report, "not-served", "What the plugin asked for and cannot have", columns, BP_N_ELEMENTS (columns));
  for (unsigned i = 0; i < N_UNSERVED; i++) {
    if (said >> i & 1) {
      bp_report_cell_text (table, unserved_function (i));
      bp_report_cell_text (table, unserved_text (i));
    }
  }
}

static void
on_report (void *user, BpReport *report)
{
  Plugin *plugin = user;
  if (bp_machine_run_state (bp_object_machine (plugin)) == BP_RUN_SHUTDOWN) {
    events_abandon (plugin);
    events_exit (plugin);
  }
  g_autofree char *name = g_path_get_basename (plugin->file);
  bp_report_text (report, "plugin", "Plugin", name);
  bp_report_count (report, "api-version", "Version of the interface", (uint64_t) plugin->version);
  report_unserved (plugin, report);
  output_report (plugin, report);
}

/* --- reset and uninstall --------------------------------------------------------------------------------- */
/*
 * The plugin is told that it is out when no thread can be in its code any more.  From the request on nothing new is called (Plugin.is_closed and
 * generation); the vCPU that asked is out when its call-back returns, the others when they have been seen between two instructions, one after the
 * other.  With one vCPU all this takes place at one instruction, the same in each deterministic run.
 */

static void
finish_leaving (Plugin *plugin, unsigned vcpu)
{
  Function *function = plugin->leaving.function;
  Slot done = { .function = function, .userdata = plugin->leaving.userdata };
  bool is_reset = plugin->leaving.is_reset;
  Slot flush = plugin->slot[ON_FLUSH];
  Now before = now_enter (plugin, vcpu, QEMU_PLUGIN_CB_NO_REGS);
  if (flush.function) {
    CALL (plugin, flush, (qemu_plugin_id_t), (plugin->id), (void *), (flush.userdata));
  }
  g_rec_mutex_lock (&plugin->lock);
  memset (plugin->slot, 0, sizeof plugin->slot);
  g_rec_mutex_unlock (&plugin->lock);
  if (!is_reset) {
    bp_instrument_set_running (plugin->instrument, false);
  } else {
    unserved (plugin, NO_RESET);
  }
  __atomic_store_n (&plugin->leaving.stage, LEAVE_NOT, __ATOMIC_RELEASE);
  if (is_reset) {
    __atomic_store_n (&plugin->is_closed, false, __ATOMIC_RELEASE);
  }
  if (function) {
    CALL (plugin, done, (qemu_plugin_id_t), (plugin->id), (void *), (done.userdata));
  }
  now_leave (before);
  look_for_leave (plugin, vcpu);        /* after a reset it may want to be removed */
}

void
events_abandon (Plugin *plugin)
{
  if (__atomic_load_n (&plugin->leaving.stage, __ATOMIC_ACQUIRE) != LEAVE_NOT) {
    finish_leaving (plugin, NO_VCPU);
  }
}

static void
visit (void *cpu, void *user)
{
  Plugin *plugin = user;
  if (__atomic_load_n (&plugin->leaving.stage, __ATOMIC_ACQUIRE) != LEAVE_VISITING) {
    return;                     /* the end of the machine came first */
  }
  while (plugin->leaving.visited < plugin->n_vcpus) {
    unsigned i = plugin->leaving.visited++;
    if (plugin->vcpus[i] && i != plugin->leaving.first) {
      bp_vcpu_run_on (plugin->vcpus[i], visit, plugin, false);
      return;
    }
  }
  finish_leaving (plugin, plugin->leaving.first);
}

void
events_left (Plugin *plugin, unsigned vcpu)
{
  int wanted = LEAVE_WANTED;
  if (!__atomic_compare_exchange_n (&plugin->leaving.stage, &wanted, LEAVE_VISITING, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
    return;
  }
  plugin->leaving.first = vcpu;
  plugin->leaving.visited = 0;
  visit (NULL, plugin);
}

void
events_leave (Plugin *plugin, bool is_reset, Function *function, void *userdata)
{
  int nothing = LEAVE_NOT;
  if (plugin->is_installing) {
    plugin->wants_out |= !is_reset;     /* loader_install says that this is no way to refuse */
    return;
  }
  if (plugin->is_over || __atomic_exchange_n (&plugin->is_closed, true, __ATOMIC_ACQ_REL)) {
    return;                     /* it is going already */
  }
  plugin->leaving.is_reset = is_reset;
  plugin->leaving.function = function;
  plugin->leaving.userdata = userdata;
  __atomic_fetch_add (&plugin->generation, 1, __ATOMIC_RELEASE);
  __atomic_compare_exchange_n (&plugin->leaving.stage, &nothing, LEAVE_WANTED, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
  if (now.plugin != plugin) {
    events_left (plugin, NO_VCPU);      /* a thread of the plugin's own */
  }
}

const BpInstrumentOps events_ops = {
  .struct_size = sizeof (BpInstrumentOps),
  .flags = BP_INSTRUMENT_BEGUN, /* QEMU adds before an instruction, and does not take back */
  .block = on_block,
  .vcpu = on_vcpu,
  .jump = on_jump,
  .report = on_report,
};
