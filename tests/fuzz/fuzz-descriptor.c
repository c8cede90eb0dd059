/* fuzz-descriptor.c -- any text is a machine or a list of errors; a machine's effective one is a machine. */
/* SPDX-License-Identifier: MIT */
/* Built with tests/core/toy.c and the internal library; -dict=tests/fuzz/fuzz-descriptor.dict helps. */
#include "../core/toy.h"
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static char *directory;

static void
leave_directory (void)
{
  g_unlink ("m.ini");
  g_rmdir (directory);
  g_free (directory);
}

/* An empty directory of its own: includes and files find nothing but the descriptor. */
static void
enter_directory (void)
{
  directory = g_dir_make_tmp ("backplane-fuzz-XXXXXX", NULL);
  if (!directory || g_chdir (directory))
    abort ();
  g_setenv ("BACKPLANE_PLUGIN_PATH", directory, TRUE);
  atexit (leave_directory);
}

static void
check_effective (BpMachine *m)
{
  g_autofree char *errors = NULL;
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GString) other = g_string_new (NULL);
  explain_effective (m, text);
  explain_tree (m, other);
  explain_dot (m, other);
  explain_map (m, other);
  BpMachine *again = toy_build (text->str, NULL, &errors);
  if (!again)
    g_error ("the effective descriptor is wrong:\n%s\n%s", text->str, errors);
  toy_free (again);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  static bool entered;
  if (!entered)
    enter_directory ();
  entered = true;
  toy_register ();
  if (size > 65536 || memchr (data, '/', size))
    return 0;
  if (!g_file_set_contents ("m.ini", (const char *) data, (gssize) size, NULL))
    return 0;
  Descriptor *d = descriptor_load ("m.ini", NULL);
  BpMachine *m = machine_build (d);
  if (!m && d->errors->len == 0)
    g_error ("no machine, and no error");
  if (m) {
    check_effective (m);
    machine_free (m);
  }
  descriptor_free (d);
  toy_forget ();
  return 0;
}
