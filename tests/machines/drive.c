/* drive.c -- drives a machine through its QMP monitor, for scripts: types, waits for text on the screen, takes pictures. */
/* SPDX-License-Identifier: MIT */
/*
 * drive SOCKET STEP...: the steps are in the table at the end.  It needs nothing of the machine but QMP's own commands, so that the same script drives
 * other emulators, too.  The text comes out of the memory of a colour text screen; exit status 1: a step failed, and standard output says which.
 */
#include <errno.h>
#include <glib.h>
#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { TEXT_BASE = 0xb8000, TEXT_SIZE = 0x8000, COLUMNS = 80, PATIENCE = 30 };

typedef struct Drive {
  FILE *in;
  int fd;
} Drive;

G_GNUC_PRINTF (1, 2) G_GNUC_NORETURN static void
fail (const char *format, ...)
{
  va_list args;
  va_start (args, format);
  fputs ("drive: ", stdout);
  vprintf (format, args);
  va_end (args);
  putchar ('\n');
  exit (1);
}

/* --- the connection ------------------------------------------------------------------- */

static double
now (void)
{
  return (double) g_get_monotonic_time () / 1e6;
}

static JsonParser *
read_message (Drive *d)
{
  char *line = NULL;
  size_t room = 0;
  if (getline (&line, &room, d->in) <= 0)
    fail ("the monitor has gone");
  JsonParser *parser = json_parser_new ();
  GError *error = NULL;
  if (!json_parser_load_from_data (parser, line, -1, &error))
    fail ("the monitor said %s: %s", line, error->message);
  free (line);
  return parser;
}

/* The answer's "return" as text; events on the way are dropped.  NULL, with *why: the monitor refuses. */
static char *
try_command (Drive *d, const char *name, const char *arguments, char **why)
{
  char *text = g_strdup_printf ("{\"execute\": \"%s\", \"arguments\": %s}\n", name, arguments ? arguments : "{}");
  for (size_t done = 0, size = strlen (text); done < size;) {
    ssize_t n = write (d->fd, text + done, size - done);
    if (n < 0 && errno != EINTR)
      fail ("cannot write to the monitor: %s", g_strerror (errno));
    done += n > 0 ? (size_t) n : 0;
  }
  g_free (text);
  for (;;) {
    JsonParser *parser = read_message (d);
    JsonObject *object = json_node_get_object (json_parser_get_root (parser));
    char *answer = NULL;
    if (json_object_has_member (object, "error"))
      *why = g_strdup (json_object_get_string_member (json_object_get_object_member (object, "error"), "desc"));
    else if (json_object_has_member (object, "return"))
      answer = json_to_string (json_object_get_member (object, "return"), FALSE);
    bool is_event = !answer && !json_object_has_member (object, "error");
    g_object_unref (parser);
    if (!is_event)
      return answer;
  }
}

static char *
command (Drive *d, const char *name, const char *arguments)
{
  char *why = NULL, *answer = try_command (d, name, arguments, &why);
  if (!answer)
    fail ("%s: %s", name, why);
  return answer;
}

static void
open_monitor (Drive *d, const char *path)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  g_strlcpy (address.sun_path, path, sizeof address.sun_path);
  d->fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  for (double end = now () + PATIENCE; connect (d->fd, (struct sockaddr *) &address, sizeof address) != 0; g_usleep (50000))
    if (now () > end)
      fail ("%s: %s", path, g_strerror (errno));
  d->in = fdopen (d->fd, "r");
  g_object_unref (read_message (d));
  g_free (command (d, "qmp_capabilities", NULL));
}

/* --- keys ------------------------------------------------------------------------------- */

/* "ctrl+alt+delete": all of them pressed, then released. */
static void
press (Drive *d, const char *names)
{
  g_auto (GStrv) keys = g_strsplit (names, "+", -1);
  GString *list = g_string_new ("{\"hold-time\": 30, \"keys\": [");
  for (unsigned i = 0; keys[i]; i++)
    g_string_append_printf (list, "%s{\"type\": \"qcode\", \"data\": \"%s\"}", i ? ", " : "", keys[i]);
  g_string_append (list, "]}");
  g_free (command (d, "send-key", list->str));
  g_string_free (list, TRUE);
  g_usleep (90000);
}

static const struct {
  char character;
  const char *name;
} keys[] = {
  { ' ', "spc" }, { '\n', "ret" }, { '\t', "tab" }, { '\033', "esc" }, { '-', "minus" }, { '=', "equal" }, { '/', "slash" }, { '.', "dot" }, { ',', "comma" },
  { ';', "semicolon" }, { '\'', "apostrophe" }, { '\\', "backslash" }, { '[', "bracket_left" }, { ']', "bracket_right" }, { '`', "grave_accent" },
};

/* As on a US keyboard. */
static void
type_text (Drive *d, const char *text)
{
  static const char with_shift[] = "!@#$%^&*()_+{}|:\"<>?~", without[] = "1234567890-=[]\\;',./`";
  for (; *text; text++) {
    const char *shifted = strchr (with_shift, *text);
    char c = shifted ? without[shifted - with_shift] : g_ascii_tolower (*text);
    char letter[2] = { c, 0 };
    const char *name = letter;
    for (unsigned i = 0; i < G_N_ELEMENTS (keys); i++)
      if (keys[i].character == c)
        name = keys[i].name;
    char *all = g_strconcat (shifted || g_ascii_isupper (*text) ? "shift+" : "", name, NULL);
    press (d, all);
    g_free (all);
  }
}

/* --- the screen -------------------------------------------------------------------------- */

/* All of the text memory, for consoles scroll by moving the start; runs of empty rows become one. */
static char *
screen_text (Drive *d)
{
  char *file = g_strdup_printf ("%s/drive-%d.bin", g_get_tmp_dir (), (int) getpid ()), *bytes = NULL;
  char *arguments = g_strdup_printf ("{\"val\": %d, \"size\": %d, \"filename\": \"%s\"}", TEXT_BASE, TEXT_SIZE, file);
  size_t size = 0;
  g_free (command (d, "pmemsave", arguments));
  if (!g_file_get_contents (file, &bytes, &size, NULL) || size != TEXT_SIZE)
    fail ("pmemsave has not written %s", file);
  unlink (file);
  GString *text = g_string_new (NULL);
  for (unsigned row = 0; row < TEXT_SIZE / (2 * COLUMNS); row++) {
    char line[COLUMNS + 1] = "";
    for (unsigned column = 0; column < COLUMNS; column++) {
      char c = bytes[(row * COLUMNS + column) * 2];
      line[column] = c >= 32 && c < 127 ? c : c ? '?' : ' ';
    }
    g_strchomp (line);
    if (*line || !g_str_has_suffix (text->str, "\n\n"))
      g_string_append_printf (text, "%s\n", line);
  }
  g_free (file);
  g_free (arguments);
  g_free (bytes);
  return g_string_free (text, FALSE);
}

static void
wait_for (Drive *d, const char *pattern, const char *seconds)
{
  GError *error = NULL;
  GRegex *regex = g_regex_new (pattern, G_REGEX_MULTILINE, 0, &error);
  if (!regex)
    fail ("%s", error->message);
  for (double end = now () + atof (seconds);; g_usleep (200000)) {
    char *text = screen_text (d);
    bool found = g_regex_match (regex, text, 0, NULL);
    if (!found && now () > end) {
      fputs (text, stdout);
      fail ("after %s s there is no \"%s\" on the screen", seconds, pattern);
    }
    g_free (text);
    if (found)
      break;
  }
  g_regex_unref (regex);
}

/* --- steps ------------------------------------------------------------------------------- */

static void
step_keys (Drive *d, char **a)
{
  char *text = g_strcompress (a[0]);
  type_text (d, text);
  g_free (text);
}

static void
step_key (Drive *d, char **a)
{
  press (d, a[0]);
}

static void
step_wait (Drive *d, char **a)
{
  wait_for (d, a[0], a[1]);
}

static void
step_text (Drive *d, char **a)
{
  (void) a;
  char *text = screen_text (d);
  fputs (text, stdout);
  g_free (text);
}

static void
step_picture (Drive *d, char **a)
{
  char *path = g_canonicalize_filename (a[0], NULL);
  char *arguments = g_strdup_printf ("{\"filename\": \"%s\", \"format\": \"%s\"}", path, g_str_has_suffix (path, ".png") ? "png" : "ppm");
  g_free (command (d, "screendump", arguments));
  g_free (arguments);
  g_free (path);
}

static void
step_command (Drive *d, char **a)
{
  char *answer = command (d, a[0], a[1]);
  puts (answer);
  g_free (answer);
}

static void
step_human (Drive *d, char **a)
{
  JsonObject *object = json_object_new ();
  JsonNode *node = json_node_init_object (json_node_alloc (), object);
  json_object_set_string_member (object, "command-line", a[0]);
  char *arguments = json_to_string (node, FALSE), *answer = command (d, "human-monitor-command", arguments);
  JsonNode *said = json_from_string (answer, NULL);
  fputs (said ? json_node_get_string (said) : answer, stdout);
  json_object_unref (object);
  json_node_unref (node);
  g_clear_pointer (&said, json_node_unref);
  g_free (answer);
  g_free (arguments);
}

/* The last step: whatever the monitor says, it may be gone before it has said it. */
static void
step_quit (Drive *d, char **a)
{
  (void) a;
  static const char text[] = "{\"execute\": \"quit\"}\n";
  if (write (d->fd, text, sizeof text - 1) < 0)
    fail ("cannot write to the monitor: %s", g_strerror (errno));
  while (fgetc (d->in) != EOF)
    ;
}

static void
step_sleep (Drive *d, char **a)
{
  (void) d;
  g_usleep ((gulong) (atof (a[0]) * 1e6));
}

static const struct Step {
  const char *name, *arguments;
  int count;
  void (*f) (Drive *d, char **arguments);
} steps[] = {
  { "keys", "TEXT", 1, step_keys },                     /* types it; \n is the return key */
  { "key", "NAME[+NAME]...", 1, step_key },             /* QMP's names of keys */
  { "wait", "REGEX SECONDS", 2, step_wait },            /* until the text screen has it */
  { "text", "", 0, step_text },                         /* prints the text screen */
  { "picture", "FILE", 1, step_picture },               /* .png, or else PPM */
  { "command", "NAME JSON", 2, step_command },          /* prints what is returned */
  { "human", "LINE", 1, step_human },
  { "sleep", "SECONDS", 1, step_sleep },
  { "quit", "", 0, step_quit },
};

static const struct Step *
find_step (const char *name)
{
  for (unsigned i = 0; i < G_N_ELEMENTS (steps); i++)
    if (strcmp (steps[i].name, name) == 0)
      return &steps[i];
  return NULL;
}

int
main (int argc, char **argv)
{
  Drive drive;
  if (argc < 3) {
    puts ("usage: drive SOCKET STEP..., the steps are");
    for (unsigned i = 0; i < G_N_ELEMENTS (steps); i++)
      printf ("  %s %s\n", steps[i].name, steps[i].arguments);
    return 2;
  }
  open_monitor (&drive, argv[1]);
  for (int i = 2; i < argc;) {
    const struct Step *step = find_step (argv[i]);
    if (!step || i + step->count >= argc)
      fail ("`%s': %s", argv[i], step ? "arguments are missing" : "no such step");
    step->f (&drive, argv + i + 1);
    fflush (stdout);
    i += 1 + step->count;
  }
  return 0;
}
