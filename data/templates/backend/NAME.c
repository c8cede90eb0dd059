/* @{name}.c -- a character backend that gives each line a number, on standard output or in a file. */
/* SPDX-License-Identifier: @{licence} */
/* SPDX-FileCopyrightText: @{year} @{author} */
#include <backplane/device.h>
#include <backplane/iface/char.h>
#include <errno.h>
#include <stdio.h>

#define LONGEST_LINE 4096       /* a line without an end is written in pieces */

/* --- state: wiring | derived ------------------------------------------------ */

typedef struct @{CName} {
  char *path;                   /* property */
  bool attached;
  GMutex lock;                  /* any thread may write */
  FILE *file;
  GString *line;                /* begun, and not ended yet */
  unsigned n;                   /* of the line */
  bool warned;
} @{CName};

/* --- output ----------------------------------------------------------------- */

/* Under `lock`.  A full disk does not end the machine: it is told once. */
static void
tell_failure (@{CName} *b)
{
  if (!b->warned)
    bp_warn (b, "cannot write: %s", g_strerror (errno));
  b->warned = true;
}

static void
end_line (@{CName} *b)
{
  if (fprintf (b->file, "%4u  %s\n", ++b->n, b->line->str) < 0)
    tell_failure (b);
  g_string_truncate (b->line, 0);
}

static void
take_byte (@{CName} *b, uint8_t byte)
{
  if (byte == '\n') {
    end_line (b);
  } else if (byte != '\r' && byte != 0) {
    if (b->line->len == LONGEST_LINE)
      end_line (b);
    g_string_append_c (b->line, (char) byte);
  }
}

static void
@{c_name}_write (void *self, const uint8_t *data, size_t size)
{
  @{CName} *b = self;
  g_mutex_lock (&b->lock);
  for (size_t i = 0; i < size; i++)
    take_byte (b, data[i]);
  g_mutex_unlock (&b->lock);
}

static void
@{c_name}_drain (void *self)
{
  @{CName} *b = self;
  g_mutex_lock (&b->lock);
  if (fflush (b->file) != 0)
    tell_failure (b);
  g_mutex_unlock (&b->lock);
}

/* --- input: there is none, so a device's handlers are never called ------------ */

static bool
@{c_name}_attach (void *self, const BpCharHandlers *handlers, void *user)
{
  @{CName} *b = self;
  if (handlers && b->attached)
    return false;
  b->attached = handlers != NULL;
  return true;
}

static void @{c_name}_accept_input (void *self) { }

/* --- life cycle: realize, unrealize ------------------------------------------- */

static bool
@{c_name}_realize (void *self, GError **error)
{
  @{CName} *b = self;
  g_mutex_init (&b->lock);
  b->line = g_string_new (NULL);
  b->file = *b->path ? fopen (b->path, "we") : stdout;
  if (b->file)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "path: cannot open `%s`: %s", b->path, g_strerror (errno));
  return false;
}

/* Also when realize failed, or was never called: then there is no line. */
static void
@{c_name}_unrealize (void *self)
{
  @{CName} *b = self;
  if (!b->line)
    return;
  if (b->file && b->line->len)
    end_line (b);
  if (b->file && (b->file == stdout ? fflush (stdout) : fclose (b->file)) != 0)
    tell_failure (b);
  b->file = NULL;
  g_string_free (b->line, TRUE);
  b->line = NULL;
  g_mutex_clear (&b->lock);
}

/* --- tables: interface, properties, type ---------------------------------------- */

static const BpCharIface iface = {
  .struct_size = sizeof iface, .attach = @{c_name}_attach, .write = @{c_name}_write, .accept_input = @{c_name}_accept_input, .drain = @{c_name}_drain,
};
static const BpInterfaceDesc interfaces[] = { { BP_CHAR_ID, &iface }, { NULL, NULL } };

static const BpProperty properties[] = {
  BP_PROP_STRING ("path", @{CName}, path, "", "The file that takes the lines, relative to the current directory; empty: standard output."),
  BP_PROP_END
};

static const BpTypeDesc @{c_name}_type = {
  BP_TYPE ("@{name}", BP_KIND_BACKEND, @{CName}),
  .description = "Lines with a number",
  .properties = properties,
  .interfaces = interfaces,
  .realize = @{c_name}_realize,
  .unrealize = @{c_name}_unrealize,
};

static const BpTypeDesc *const types[] = { &@{c_name}_type, NULL };

BP_PLUGIN_DEFINE (.id = "@{name}", .version = "1.0", .licence = "@{licence}", .description = "Numbers lines", .types = types);
