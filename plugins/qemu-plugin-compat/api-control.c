/* api-control.c -- functions for plugins: call-backs by event, coming and going, words for people, and what a machine has no use for. */
/* SPDX-License-Identifier: MIT */
#include <string.h>
#include "compat.h"

/* --- registration: NULL takes it back ----------------------------------------------------------------- */

/* Up to version 6 only the exit call-back is registered with user data. */
static void
listen (qemu_plugin_id_t id, Event event, Function *function, void *userdata, int types)
{
  Plugin *plugin = plugin_by_id (id);
  if (!plugin) {
    return;
  }
  g_rec_mutex_lock (&plugin->lock);
  plugin->slot[event] = (Slot) { function, plugin->version >= 7 || event == ON_EXIT ? userdata : NULL, types };
  g_rec_mutex_unlock (&plugin->lock);
}

void
qemu_plugin_register_vcpu_init_cb (qemu_plugin_id_t id, qemu_plugin_vcpu_udata_cb_t cb, void *userdata)
{
  listen (id, ON_VCPU_INIT, (Function *) cb, userdata, 0);
}

void
qemu_plugin_register_vcpu_exit_cb (qemu_plugin_id_t id, qemu_plugin_vcpu_udata_cb_t cb, void *userdata)
{
  listen (id, ON_VCPU_EXIT, (Function *) cb, userdata, 0);
}

void
qemu_plugin_register_vcpu_idle_cb (qemu_plugin_id_t id, qemu_plugin_vcpu_udata_cb_t cb, void *userdata)
{
  listen (id, ON_VCPU_IDLE, (Function *) cb, userdata, 0);
}

void
qemu_plugin_register_vcpu_resume_cb (qemu_plugin_id_t id, qemu_plugin_vcpu_udata_cb_t cb, void *userdata)
{
  listen (id, ON_VCPU_RESUME, (Function *) cb, userdata, 0);
}

void
qemu_plugin_register_vcpu_discon_cb (qemu_plugin_id_t id, enum qemu_plugin_discon_type type, qemu_plugin_vcpu_discon_cb_t cb, void *userdata)
{
  listen (id, ON_JUMP, (Function *) cb, userdata, (int) type);
  if (cb && type == QEMU_PLUGIN_DISCON_HOSTCALL) {
    unserved (plugin_by_id (id), NO_HOST_CALLS);
  }
}

void
qemu_plugin_register_vcpu_tb_trans_cb (qemu_plugin_id_t id, qemu_plugin_vcpu_tb_trans_cb_t cb, void *userdata)
{
  listen (id, ON_BLOCK, (Function *) cb, userdata, 0);
}

void
qemu_plugin_register_flush_cb (qemu_plugin_id_t id, qemu_plugin_udata_cb_t cb, void *userdata)
{
  listen (id, ON_FLUSH, (Function *) cb, userdata, 0);
  unserved (cb ? plugin_by_id (id) : NULL, NO_FLUSH);
}

void
qemu_plugin_register_atexit_cb (qemu_plugin_id_t id, qemu_plugin_udata_cb_t cb, void *userdata)
{
  listen (id, ON_EXIT, (Function *) cb, userdata, 0);
}

/* Of emulated programs.  A machine's guest makes its system calls within itself. */
void
qemu_plugin_register_vcpu_syscall_cb (qemu_plugin_id_t id, qemu_plugin_vcpu_syscall_cb_t cb, void *userdata)
{
  listen (id, ON_SYSCALL, (Function *) cb, userdata, 0);
  unserved (cb ? plugin_by_id (id) : NULL, NO_SYSCALLS);
}

void
qemu_plugin_register_vcpu_syscall_ret_cb (qemu_plugin_id_t id, qemu_plugin_vcpu_syscall_ret_cb_t cb, void *userdata)
{
  listen (id, ON_SYSCALL_RETURN, (Function *) cb, userdata, 0);
  unserved (cb ? plugin_by_id (id) : NULL, NO_SYSCALLS);
}

void
qemu_plugin_register_vcpu_syscall_filter_cb (qemu_plugin_id_t id, qemu_plugin_vcpu_syscall_filter_cb_t cb, void *userdata)
{
  listen (id, ON_SYSCALL_FILTER, (Function *) cb, userdata, 0);
  unserved (cb ? plugin_by_id (id) : NULL, NO_SYSCALLS);
}

/* --- coming and going ------------------------------------------------------------------------------------ */

void
qemu_plugin_uninstall (qemu_plugin_id_t id, qemu_plugin_udata_cb_t cb, void *userdata)
{
  Plugin *plugin = plugin_by_id (id);
  if (plugin) {
    events_leave (plugin, false, (Function *) cb, plugin->version >= 7 ? userdata : NULL);
  }
}

void
qemu_plugin_reset (qemu_plugin_id_t id, qemu_plugin_udata_cb_t cb, void *userdata)
{
  Plugin *plugin = plugin_by_id (id);
  if (plugin) {
    events_leave (plugin, true, (Function *) cb, plugin->version >= 7 ? userdata : NULL);
  }
}

/* --- vCPUs ---------------------------------------------------------------------------------------------------- */

int
qemu_plugin_num_vcpus (void)
{
  Plugin *plugin = CALLER ();
  return plugin ? (int) __atomic_load_n (&plugin->n_started, __ATOMIC_RELAXED) : 0;
}

int
qemu_plugin_n_vcpus (void)
{
  Plugin *plugin = CALLER ();
  return plugin ? (int) plugin->n_vcpus : -1;
}

int
qemu_plugin_n_max_vcpus (void)
{
  return qemu_plugin_n_vcpus ();
}

void
qemu_plugin_vcpu_for_each (qemu_plugin_id_t id, qemu_plugin_vcpu_udata_cb_t cb, void *userdata)
{
  Plugin *plugin = plugin_by_id (id);
  for (unsigned i = 0; plugin && cb && i < plugin->n_vcpus; i++) {
    if (!plugin->has_started[i]) {
      continue;
    }
    if (plugin->version >= 7) {
      cb (i, userdata);
    } else {
      ((void (*) (qemu_plugin_id_t, unsigned)) (Function *) cb) (id, i);
    }
  }
}

/* --- words ------------------------------------------------------------------------------------------------------- */

void
qemu_plugin_outs (const char *string)
{
  Plugin *plugin = CALLER ();
  if (plugin && string) {
    output_write (plugin, string);
  }
}

bool
qemu_plugin_bool_parse (const char *name, const char *val, bool *ret)
{
  static const char *const yes[] = { "on", "yes", "true", "y", NULL }, *const no[] = { "off", "no", "false", "n", NULL };
  if (!name || !val) {
    return false;
  }
  if (g_strv_contains (yes, val)) {
    *ret = true;
  } else if (g_strv_contains (no, val)) {
    *ret = false;
  } else {
    return false;
  }
  return true;
}

/* --- what a machine has no use for ---------------------------------------------------------------------------------- */

const char *
qemu_plugin_path_to_binary (void)
{
  return NULL;
}

uint64_t
qemu_plugin_start_code (void)
{
  return 0;
}

uint64_t
qemu_plugin_end_code (void)
{
  return 0;
}

uint64_t
qemu_plugin_entry_code (void)
{
  return 0;
}

const void *
qemu_plugin_request_time_control (void)
{
  unserved (CALLER (), NO_TIME_CONTROL);
  return NULL;
}

void
qemu_plugin_update_ns (const void *handle, int64_t time)
{
  unserved (CALLER (), NO_TIME_CONTROL);
}
