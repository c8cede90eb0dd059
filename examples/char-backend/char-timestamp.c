/* char-timestamp.c -- a character backend that writes what a device says to a file, line by line, with the time, and hands it on to another backend. */
/* SPDX-License-Identifier: MIT */
#include <backplane/device.h>
#include <backplane/iface/char.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LONGEST_LINE 4096       /* a line without end is written in pieces */
#define LONGEST_CHAIN 100       /* of such backends, each the next of another */

static const char *const clock_names[] = { "virtual", "realtime", "host", NULL };       /* BpClock */

/* --- state: wiring | derived ---------------------------------------------------- */

typedef struct Timestamp {
  char *path;                   /* properties */
  int clock;
  bool append;
  BpLink next;
  bool attached;
  GMutex lock;                  /* any thread may write */
  FILE *file;
  GString *line;                /* begun, and not ended yet */
  int64_t began;                /* ns */
  bool warned;
} Timestamp;

/* --- output ------------------------------------------------------------------------ */

/* Under `lock`. */
static void
end_line (Timestamp *s)
{
  int64_t us = s->began / 1000;
  fprintf (s->file, "[%6" G_GINT64_FORMAT ".%06" G_GINT64_FORMAT "] %s\n", us / 1000000, us % 1000000, s->line->str);
  g_string_truncate (s->line, 0);
  if (ferror (s->file) && !s->warned) {
    s->warned = true;
    bp_warn (s, "cannot write to `%s`: %s", s->path, g_strerror (errno));
  }
}

/* A carriage return is the terminal's business, and what else cannot be printed shows as a dot. */
static void
take_byte (Timestamp *s, uint8_t byte)
{
  if (byte == '\r')
    return;
  if (byte != '\n' && s->line->len == LONGEST_LINE)
    end_line (s);
  if (s->line->len == 0)
    s->began = bp_clock_now (bp_object_machine (s), (BpClock) s->clock);
  if (byte == '\n')
    end_line (s);
  else
    g_string_append_c (s->line, byte >= 0x20 && byte != 0x7f ? (char) byte : byte == '\t' ? '\t' : '.');
}

static void
timestamp_write (void *self, const uint8_t *data, size_t size)
{
  Timestamp *s = self;
  g_mutex_lock (&s->lock);
  for (size_t i = 0; s->file && i < size; i++)
    take_byte (s, data[i]);
  g_mutex_unlock (&s->lock);
  bp_char_write (&s->next, data, size);
}

static void
timestamp_drain (void *self)
{
  Timestamp *s = self;
  const BpCharIface *next = s->next.table;
  g_mutex_lock (&s->lock);
  if (s->file)
    fflush (s->file);
  g_mutex_unlock (&s->lock);
  if (BP_TABLE_HAS (next, drain))
    next->drain (s->next.instance);
}

/* --- input: the next backend's, past this one ------------------------------------------ */

/* The mark is set before the next backend is asked: whatever a descriptor wires, nothing goes round in circles. */
static bool
timestamp_attach (void *self, const BpCharHandlers *handlers, void *user)
{
  Timestamp *s = self;
  if (s->attached == (handlers != NULL))
    return !handlers;
  s->attached = handlers != NULL;
  if (bp_char_attach (&s->next, handlers, user))
    return true;
  s->attached = false;
  return false;
}

static void
timestamp_accept_input (void *self)
{
  Timestamp *s = self;
  bp_char_accept_input (&s->next);
}

/* --- life cycle: configure, realize, unrealize --------------------------------------------- */

static const BpCharIface iface = {
  .struct_size = sizeof iface, .attach = timestamp_attach, .write = timestamp_write, .accept_input = timestamp_accept_input,
  .drain = timestamp_drain,
};

static bool
timestamp_configure (void *self, GError **error)
{
  const BpLink *next = &((Timestamp *) self)->next;
  for (unsigned n = 0; next->table == &iface; n++) {
    if (next->instance == self || n == LONGEST_CHAIN) {
      g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "next: what this backend writes would come back to it");
      return false;
    }
    next = &((Timestamp *) next->instance)->next;
  }
  return true;
}

static bool
timestamp_realize (void *self, GError **error)
{
  Timestamp *s = self;
  g_mutex_init (&s->lock);
  s->line = g_string_new (NULL);
  s->file = fopen (s->path, s->append ? "ae" : "we");
  if (!s->file) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "path: cannot open `%s`: %s", s->path, g_strerror (errno));
    return false;
  }
  setvbuf (s->file, NULL, _IOLBF, BUFSIZ);      /* `tail -f` shows each line as it ends */
  return true;
}

/* Also when realize failed, or was never called: then there is no line. */
static void
timestamp_unrealize (void *self)
{
  Timestamp *s = self;
  if (!s->line)
    return;
  if (s->file && s->line->len > 0)
    end_line (s);
  if (s->file && fclose (s->file) != 0 && !s->warned)
    bp_warn (s, "cannot write to `%s`: %s", s->path, g_strerror (errno));
  s->file = NULL;
  g_string_free (s->line, TRUE);
  s->line = NULL;
  g_mutex_clear (&s->lock);
}

/* --- tables: properties, type ----------------------------------------------------------------- */

static const BpInterfaceDesc interfaces[] = { { BP_CHAR_ID, &iface }, { NULL, NULL } };

static const BpProperty properties[] = {
  BP_PROP_ ("path", BP_PROPERTY_STRING, Timestamp, path, .flags = BP_PROPERTY_REQUIRED,
            .help = "The file that takes the lines; relative to the current directory."),
  BP_PROP_BOOL ("append", Timestamp, append, false, "Whether lines are added to what the file holds, instead of replacing it."),
  BP_PROP_ENUM ("clock", Timestamp, clock, BP_CLOCK_VIRTUAL, clock_names,
                "Which time: the guest's (virtual), the host's since it started (realtime), or since 1970 (host)."),
  BP_PROP_LINK ("next", Timestamp, next, BP_CHAR_ID, 0, "Another backend that gets the same output, and whose input the device gets."),
  BP_PROP_END
};

static const BpTypeDesc type = {
  BP_TYPE ("char-timestamp", BP_KIND_BACKEND, Timestamp),
  .description = "Lines with the time, to a file, on their way to another backend",
  .properties = properties,
  .interfaces = interfaces,
  .configure = timestamp_configure,
  .realize = timestamp_realize,
  .unrealize = timestamp_unrealize,
};

static const BpTypeDesc *const types[] = { &type, NULL };

BP_PLUGIN_DEFINE (.id = "char-timestamp", .version = "1.0", .licence = "MIT", .description = "Lines with the time they were written at", .types = types);
