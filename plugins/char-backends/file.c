/* file.c -- char-file: output goes to a file, input may come from another. */
/* SPDX-License-Identifier: MIT */
#include "stream.h"
#include <backplane/machine.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

typedef struct CharFile {
  CharBase base;
  /* wiring */
  char *path, *input;
  bool append;
  /* derived: descriptors + 1, so that 0 is none */
  int out, in;
} CharFile;

static bool
open_file (int *slot, const char *path, int flags, GError **error)
{
  int fd = open (path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
  if (fd < 0)
    g_set_error (error, BP_ERROR, BP_ERROR_IO,
                 errno == ENXIO ? "nobody reads from `%s`: %s" : "cannot open `%s`: %s", path,
                 g_strerror (errno));
  *slot = fd + 1;
  return fd >= 0;
}

static void
broken (void *self)
{
  CharFile *file = self;
  bp_warn (self, "cannot write to `%s`: %s; the output from here on is lost", file->path, char_stream_reason (self));
}

/* --- life cycle --------------------------------------------------------------------------- */

/* The one before it in the descriptor that writes to the same regular file; NULL: none.  Two that append may share it. */
static const CharFile *
other_writer (const CharFile *file)
{
  unsigned cursor = 0;
  g_autofree char *path = g_canonicalize_filename (file->path, NULL);
  if (g_file_test (path, G_FILE_TEST_EXISTS) && !g_file_test (path, G_FILE_TEST_IS_REGULAR))
    return NULL;
  for (const CharFile *o; (o = bp_machine_next (bp_object_machine (file), BP_CHAR_ID, &cursor)) && o != file;) {
    if (strcmp (bp_object_type (o)->name, char_file_type.name) != 0 || !o->path || (o->append && file->append))
      continue;
    g_autofree char *its = g_canonicalize_filename (o->path, NULL);
    if (strcmp (path, its) == 0)
      return o;
  }
  return NULL;
}

/* What can be told before the file is made. */
static bool
file_configure (void *self, GError **error)
{
  CharFile *file = self;
  g_autofree char *directory = g_path_get_dirname (file->path);
  const CharFile *other = other_writer (file);
  if (!g_file_test (directory, G_FILE_TEST_IS_DIR))
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "path: cannot write `%s`: there is no directory `%s`", file->path, directory);
  else if (other)
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "path: `%s` writes `%s` too, and one would overwrite the other; give each a file, or append = on to both",
                 bp_object_id (other), file->path);
  else
    return true;
  return false;
}

static bool
file_realize (void *self, GError **error)
{
  CharFile *file = self;
  static const CharHooks hooks = { .broken = broken };
  if (!open_file (&file->out, file->path, O_WRONLY | O_CREAT | (file->append ? O_APPEND : O_TRUNC), error))
    return false;
  if (file->input && !open_file (&file->in, file->input, O_RDONLY, error))
    return false;
  char_stream_set_hooks (self, &hooks);
  char_stream_open (self, file->in - 1, file->out - 1, false, false);
  return true;
}

static void
file_unrealize (void *self)
{
  CharFile *file = self;
  char_stream_finish (self, true);
  if (file->out)
    close (file->out - 1);
  if (file->in)
    close (file->in - 1);
  file->out = file->in = 0;
}

/* --- tables ------------------------------------------------------------------------------- */

static const BpProperty properties[] = {
  BP_PROP_ ("path", BP_PROPERTY_STRING, CharFile, path, .flags = BP_PROPERTY_REQUIRED,
            .help = "The file that takes the output; relative to the current directory.  A FIFO needs its "
                    "reader first."),
  BP_PROP_BOOL ("append", CharFile, append, false,
                "Whether output is added to what the file holds, instead of replacing it."),
  BP_PROP_FILE ("input", CharFile, input, 0,
                "A file whose bytes the device receives, once; none when not given."),
  BP_PROP_END
};

static const BpInterfaceDesc interfaces[] = { { BP_CHAR_ID, &char_stream_iface }, { NULL, NULL } };

const BpTypeDesc char_file_type = {
  BP_TYPE ("char-file", BP_KIND_BACKEND, CharFile),
  .description = "output to a file, input from another",
  .properties = properties,
  .interfaces = interfaces,
  .configure = file_configure,
  .realize = file_realize,
  .unrealize = file_unrealize,
};
