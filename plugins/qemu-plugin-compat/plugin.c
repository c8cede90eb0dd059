/* plugin.c -- qemu-plugin-compat: plugins written for QEMU as instruments. */
/* SPDX-License-Identifier: MIT */
#include <backplane/cpu.h>
#include <backplane/machine.h>
#include <string.h>
#include "compat.h"

/* --- the machine ------------------------------------------------------------------------------------- */

/* The CPU's widest view tells what QEMU would call the target. */
static const char *
target_name (const void *cpu)
{
  const BpCpuDebugIface *debug = cpu ? bp_object_interface (cpu, BP_CPU_DEBUG_ID) : NULL;
  const char *view = debug ? debug->view ((void *) cpu, 0) : NULL;
  if (!view || strcmp (view, "i386:x86-64") == 0) {
    return "x86_64";
  }
  return view;
}

static void
find_vcpus (Plugin *plugin)
{
  BpMachine *machine = bp_object_machine (plugin);
  unsigned cursor = 0;
  void *object;
  plugin->vcpus = g_new0 (BpVcpu *, plugin->n_vcpus);
  plugin->has_started = g_new0 (uint8_t, plugin->n_vcpus);
  while ((object = bp_machine_next (machine, BP_CPU_DEBUG_ID, &cursor))) {
    BpVcpu *vcpu = bp_vcpu_of (object);
    plugin->target = plugin->target ? plugin->target : target_name (object);
    if (vcpu && bp_vcpu_index (vcpu) < plugin->n_vcpus) {
      plugin->vcpus[bp_vcpu_index (vcpu)] = vcpu;
    }
  }
  plugin->target = plugin->target ? plugin->target : target_name (NULL);
}

/* --- life cycle ------------------------------------------------------------------------------------------ */

static void
prepare (Plugin *plugin)
{
  g_rec_mutex_init (&plugin->lock);
  plugin->calls = g_hash_table_new_full (call_hash, call_equal, g_free, NULL);
  plugin->free_scores = g_hash_table_new (g_direct_hash, g_direct_equal);
  plugin->scores = g_ptr_array_new ();
  plugins_add (plugin);
}

static bool
realize (void *self, GError **error)
{
  Plugin *plugin = self;
  prepare (plugin);
  if (!output_open (plugin, error) || !loader_open (plugin, error)) {
    return false;
  }
  plugin->instrument = bp_instrument_attach (plugin, &events_ops, plugin, error);
  if (!plugin->instrument) {
    return false;
  }
  plugin->n_vcpus = bp_instrument_n_vcpus (plugin->instrument);
  plugin->memory = bp_machine_address_space (bp_object_machine (plugin), "memory");
  find_vcpus (plugin);
  registers_find (plugin);
  return loader_install (plugin, error);
}

static void
unrealize (void *self)
{
  Plugin *plugin = self;
  if (!plugin->calls) {
    return;
  }
  if (plugin->is_installed) {
    events_abandon (plugin);
    events_exit (plugin);
  }
  bp_instrument_detach (plugin->instrument);
  loader_close (plugin);
  plugin->instrument = NULL;
  output_close (plugin);
  plugins_remove (plugin);
  scores_free (plugin);
  g_clear_pointer (&plugin->calls, g_hash_table_unref);
  block_free (&plugin->tb);
  g_clear_pointer (&plugin->registers, g_free);
  g_clear_pointer (&plugin->vcpus, g_free);
  g_clear_pointer (&plugin->has_started, g_free);
  g_rec_mutex_clear (&plugin->lock);
}

/* --- tables -------------------------------------------------------------------------------------------------- */

static const BpProperty properties[] = {
  BP_PROP_FILE ("file", Plugin, file, BP_PROPERTY_REQUIRED, "The plugin: a shared object that exports qemu_plugin_version and qemu_plugin_install."),
  BP_PROP_LIST ("args", Plugin, args, NULL, "Its arguments, as after the file's name on QEMU's command line: NAME=VALUE, comma-separated; NAME alone is NAME=on."),
  BP_PROP_STRING ("output", Plugin, output_path, NULL,
                  "A file for all that the plugin says with qemu_plugin_outs, written anew, relative to the current directory; without one it is only in the report."),
  BP_PROP_SIZE ("keep", Plugin, keep, 1u << 20, "How much of that the report holds, from its beginning."),
  BP_PROP_END
};

static const BpTypeDesc qemu_plugin_type = {
  BP_TYPE ("qemu-plugin-compat", BP_KIND_INSTRUMENT, Plugin),
  .description = "a plugin written for QEMU's translator, versions 1 to 7 of the interface",
  .properties = properties,
  .realize = realize,
  .unrealize = unrealize,
};

static const BpTypeDesc *const types[] = { &qemu_plugin_type, NULL };

BP_PLUGIN_DEFINE (.id = "qemu-plugin-compat", .version = "1.0", .licence = "MIT", .description = "plugins written for QEMU, as instruments",
                  .types = types);
