/* loader.c -- a plugin's file: found, opened where it sees our functions, asked for its version, installed, closed. */
/* SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>
#include "compat.h"

/* --- arguments ------------------------------------------------------------------------------------ */

static bool
is_boolean (const char *text)
{
  static const char *const words[] = { "on", "off", "yes", "no", "true", "false", NULL };
  return g_strv_contains (words, text);
}

/* As QEMU hands them on: NAME=VALUE; a NAME alone is switched on; arg=X, of its early days, is X. */
static char *
argument (const char *text)
{
  const char *value = strchr (text, '=');
  if (value && strncmp (text, "arg=", 4) == 0 && !is_boolean (value + 1)) {
    text = value + 1;
    value = strchr (text, '=');
  }
  return value ? g_strdup (text) : g_strconcat (text, "=on", NULL);
}

char **
loader_argv (char **args, int *argc)
{
  GPtrArray *argv = g_ptr_array_new ();
  for (; args && *args; args++) {
    g_autofree char *text = g_strstrip (g_strdup (*args));
    if (*text) {
      g_ptr_array_add (argv, argument (text));
    }
  }
  *argc = (int) argv->len;
  g_ptr_array_add (argv, NULL);
  return (char **) g_ptr_array_free (argv, FALSE);
}

/* --- opening ------------------------------------------------------------------------------------------ */

/* What an object finds that is loaded now: names of the program, of its libraries, and of what was opened with RTLD_GLOBAL. */
static bool
is_global (void)
{
  void *program = dlopen (NULL, RTLD_LAZY);
  bool is = program && dlsym (program, "qemu_plugin_outs") == (void *) qemu_plugin_outs;
  if (program) {
    dlclose (program);
  }
  return is;
}

/* Modules are loaded for themselves alone; a plugin looks for qemu_plugin_* among what is global, so there we put ourselves. */
static bool
become_global (Plugin *plugin, GError **error)
{
  Dl_info info;
  if (is_global ()) {
    return true;
  }
  if (dladdr ((void *) qemu_plugin_outs, &info) && info.dli_fname) {
    plugin->global = dlopen (info.dli_fname, RTLD_LAZY | RTLD_GLOBAL | RTLD_NOLOAD);
  }
  if (!is_global ()) {
    g_set_error (error, BP_ERROR, BP_ERROR_PLUGIN, "another part of the program has a function qemu_plugin_outs; plugins would call that");
    return false;
  }
  return true;
}

/* A second instance of a plugin needs memory of its own; the linker would give it the first one's. */
static void *
open_copy (const char *path)
{
  struct stat info;
  void *handle = NULL;
  int in = open (path, O_RDONLY | O_CLOEXEC), out = memfd_create ("qemu-plugin", MFD_CLOEXEC);
  if (in >= 0 && out >= 0 && fstat (in, &info) == 0) {
    ssize_t n = 1;
    for (off_t left = info.st_size; left > 0 && n > 0; left -= n) {
      n = sendfile (out, in, NULL, (size_t) left);
    }
    g_autofree char *name = g_strdup_printf ("/proc/self/fd/%d", out);
    handle = n > 0 ? dlopen (name, RTLD_NOW | RTLD_LOCAL) : NULL;
  }
  if (in >= 0) {
    close (in);
  }
  if (out >= 0 && !handle) {
    close (out);                /* else it stays open: the linker knows libraries by their names */
  }
  return handle;
}

static void *
open_file (const char *path)
{
  void *loaded = dlopen (path, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
  if (!loaded) {
    return dlopen (path, RTLD_NOW | RTLD_LOCAL);
  }
  dlclose (loaded);
  return open_copy (path);
}

static bool
check_version (Plugin *plugin, GError **error)
{
  const int *version = dlsym (plugin->handle, "qemu_plugin_version");
  if (!version || !dlsym (plugin->handle, "qemu_plugin_install")) {
    bool is_ours = dlsym (plugin->handle, BP_PLUGIN_QUERY_SYMBOL) != NULL;
    g_set_error (error, BP_ERROR, BP_ERROR_PLUGIN, "%s is not a plugin for QEMU: it does not export %s%s", plugin->file,
                 version ? "qemu_plugin_install" : "qemu_plugin_version", is_ours ? " (a Backplane plugin is named with `module')" : "");
    return false;
  }
  if (*version < VERSION_MIN || *version > VERSION_MAX) {
    g_set_error (error, BP_ERROR, BP_ERROR_PLUGIN, "%s is written for version %d of QEMU's plugin interface; %d to %d are served", plugin->file, *version,
                 VERSION_MIN, VERSION_MAX);
    return false;
  }
  plugin->version = *version;
  return true;
}

bool
loader_open (Plugin *plugin, GError **error)
{
  Dl_info info;
  if (!become_global (plugin, error)) {
    return false;
  }
  if (!g_file_test (plugin->file, G_FILE_TEST_IS_REGULAR)) {
    g_set_error (error, BP_ERROR, BP_ERROR_PLUGIN, "%s: %s", plugin->file, g_file_test (plugin->file, G_FILE_TEST_EXISTS) ? "not a file" : g_strerror (ENOENT));
    return false;
  }
  g_autofree char *path = g_canonicalize_filename (plugin->file, NULL);        /* a name alone is looked for among the system's libraries */
  dlerror ();
  plugin->handle = open_file (path);
  if (!plugin->handle) {
    const char *why = dlerror ();
    g_set_error (error, BP_ERROR, BP_ERROR_PLUGIN, "%s: not loadable: %s", plugin->file, why ? why : "it cannot be loaded a second time");
    return false;
  }
  if (!check_version (plugin, error)) {
    return false;
  }
  if (dladdr (dlsym (plugin->handle, "qemu_plugin_install"), &info)) {
    plugin->base = (uintptr_t) info.dli_fbase;
  }
  return true;
}

/* --- installing --------------------------------------------------------------------------------------------- */

bool
loader_install (Plugin *plugin, GError **error)
{
  int (*install) (qemu_plugin_id_t, const qemu_info_t *, int, char **) = dlsym (plugin->handle, "qemu_plugin_install");
  const qemu_info_t info = {
    .target_name = plugin->target,
    .version = { VERSION_MIN, VERSION_MAX },
    .system_emulation = true,
    .system = { (int) plugin->n_vcpus, (int) plugin->n_vcpus },
  };
  plugin->argv = loader_argv (plugin->args, &plugin->argc);
  plugin->is_installing = true;
  Now before = now_enter (plugin, NO_VCPU, QEMU_PLUGIN_CB_NO_REGS);
  int result = install (plugin->id, &info, plugin->argc, plugin->argv);
  now_leave (before);
  plugin->is_installing = false;
  if (result || plugin->wants_out) {
    g_autofree char *args = g_strjoinv (",", plugin->argv);
    g_set_error (error, BP_ERROR, BP_ERROR_PLUGIN, "%s: its qemu_plugin_install %s (%s%s)", plugin->file,
                 plugin->wants_out ? "called qemu_plugin_uninstall" : "refused", *args ? "arguments: " : "no arguments", args);
    return false;
  }
  plugin->is_installed = true;
  return true;
}

/* What it does when it is unloaded may still say something. */
void
loader_close (Plugin *plugin)
{
  if (plugin->handle) {
    Now before = now_enter (plugin, NO_VCPU, QEMU_PLUGIN_CB_NO_REGS);
    dlclose (plugin->handle);
    now_leave (before);
    plugin->handle = NULL;
  }
  if (plugin->global) {
    dlclose (plugin->global);
    plugin->global = NULL;
  }
  g_clear_pointer (&plugin->argv, g_strfreev);
}
