/* now.c -- whose code runs on this thread, which plugins there are, and what is said once about what cannot be served. */
/* SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include "compat.h"

__thread Now now;

static GMutex lock;             /* of the list */
static GPtrArray *plugins;

/* --- the list ------------------------------------------------------------------------------ */

void
plugins_add (Plugin *plugin)
{
  static qemu_plugin_id_t last;
  g_mutex_lock (&lock);
  if (!plugins) {
    plugins = g_ptr_array_new ();
  }
  plugin->id = ++last;
  g_ptr_array_add (plugins, plugin);
  g_mutex_unlock (&lock);
}

void
plugins_remove (Plugin *plugin)
{
  g_mutex_lock (&lock);
  if (plugins) {
    g_ptr_array_remove (plugins, plugin);
  }
  g_mutex_unlock (&lock);
}

static Plugin *
find (bool (*is_it) (const Plugin *plugin, uint64_t what), uint64_t what)
{
  Plugin *found = NULL;
  g_mutex_lock (&lock);
  for (unsigned i = 0; plugins && !found && i < plugins->len; i++) {
    Plugin *plugin = g_ptr_array_index (plugins, i);
    found = is_it (plugin, what) ? plugin : NULL;
  }
  g_mutex_unlock (&lock);
  return found;
}

static bool
has_id (const Plugin *plugin, uint64_t id)
{
  return plugin->id == id;
}

static bool
has_base (const Plugin *plugin, uint64_t base)
{
  return plugin->base == base;
}

Plugin *
plugin_by_id (qemu_plugin_id_t id)
{
  return now.plugin && now.plugin->id == id ? now.plugin : find (has_id, id);
}

/* --- this thread ------------------------------------------------------------------------------ */

Now
now_enter (Plugin *plugin, unsigned vcpu, int flags)
{
  Now before = now;
  now = (Now) { .plugin = plugin, .vcpu = vcpu, .flags = flags };
  return before;
}

void
now_leave (Now before)
{
  now = before;
}

Plugin *
now_plugin (const void *return_address)
{
  Dl_info info;
  if (G_LIKELY (now.plugin != NULL)) {
    return now.plugin;
  }
  if (!dladdr (return_address, &info)) {
    return NULL;
  }
  return find (has_base, (uintptr_t) info.dli_fbase);
}

/* --- what is not served --------------------------------------------------------------------------- */

static const struct {
  const char *function, *text;
} sayings[N_UNSERVED] = {
  [NO_TIME_CONTROL] = { "qemu_plugin_request_time_control", "the machine's time is its own: the plugin gets no control of it" },
  [NO_SYSCALLS] = { "qemu_plugin_register_vcpu_syscall_cb", "system calls are the guest kernel's: they are not told" },
  [NO_FLUSH] = { "qemu_plugin_register_flush_cb", "code is not forgotten as a whole: the call-back is made when the plugin is reset or removed, not before" },
  [NO_HOST_CALLS] = { "qemu_plugin_register_vcpu_discon_cb", "there are no host calls to tell of; interrupts and exceptions are told" },
  [NO_SET_PC] = { "qemu_plugin_set_pc", "the vCPU does not go elsewhere from here: the call-back ends and the guest goes on" },
  [NO_VALUE] = { "qemu_plugin_mem_get_value", "the value of an access of more than 8 bytes to a device is not known: 0" },
  [NO_BLOCK] = { "qemu_plugin_register_vcpu_*", "a block is only instrumented within the call-back of its translation" },
  [NO_RESET] = { "qemu_plugin_reset", "code that has been translated keeps its counters until it is translated again" },
  [NO_COUNTERS] = { "qemu_plugin_scoreboard_new", "there is no more room for counters: operations on this one are calls" },
};

const char *
unserved_function (Unserved what)
{
  return sayings[what].function;
}

const char *
unserved_text (Unserved what)
{
  return sayings[what].text;
}

void
unserved (Plugin *plugin, Unserved what)
{
  if (!plugin || __atomic_fetch_or (&plugin->unserved, 1u << what, __ATOMIC_RELAXED) >> what & 1) {
    return;
  }
  bp_log_unimp (plugin, "%s: %s", sayings[what].function, sayings[what].text);
}
