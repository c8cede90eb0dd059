/* test-qemu-shapes.c -- the same commands to this program and to QEMU: answers of the same shape, errors of the same class; skipped without QEMU. */
/* SPDX-License-Identifier: MIT */
#include "../patience.h"
#include "monitor/json.h"
#include "../scratch.h"
#include "../suite.h"
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct Server {
  pid_t pid;
  int fd;
  JsonStream *stream;
  JsonNode *answer;             /* the last one */
} Server;

/* --- servers ------------------------------------------------------------------------------------------ */

static void
on_message (void *user, JsonNode *message)
{
  Server *s = user;
  JsonObject *o = json_node_get_object (message);
  if (!json_object_has_member (o, "return") && !json_object_has_member (o, "error")) {
    json_node_free (message);
    return;
  }
  if (s->answer)
    json_node_free (s->answer);
  s->answer = message;
}

static void on_error (void *user, const char *why) { ck_abort_msg ("a server speaks no JSON: %s", why); }

static void
start (Server *s, const char *socket_name, const char *const *arguments)
{
  static const JsonStreamClient client = { on_message, on_error };
  struct sockaddr_un sun = { .sun_family = AF_UNIX };
  gint64 end = patience_ends (30);
  g_strlcpy (sun.sun_path, socket_name, sizeof sun.sun_path);
  s->pid = fork ();
  if (s->pid == 0) {
    int null = open ("/dev/null", O_RDWR);
    dup2 (null, 0);
    dup2 (null, 1);
    dup2 (null, 2);
    execvp (arguments[0], (char *const *) arguments);
    _exit (127);
  }
  s->stream = json_stream_new (&client, s);
  s->fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  while (connect (s->fd, (struct sockaddr *) &sun, sizeof sun) != 0 && g_get_monotonic_time () < end)
    g_usleep (20000);
}

static JsonObject *
ask (Server *s, const char *command)
{
  struct pollfd ready = { .fd = s->fd, .events = POLLIN };
  char bytes[4096];
  g_clear_pointer (&s->answer, json_node_free);
  ck_assert_int_eq (write (s->fd, command, strlen (command)), (ssize_t) strlen (command));
  while (!s->answer) {
    ck_assert_msg (poll (&ready, 1, 30000) == 1, "no answer to %s", command);
    ssize_t n = read (s->fd, bytes, sizeof bytes);
    ck_assert_msg (n > 0, "the end instead of an answer to %s", command);
    json_stream_feed (s->stream, bytes, (size_t) n);
  }
  return json_node_get_object (s->answer);
}

static void
finish (Server *s)
{
  kill (s->pid, SIGTERM);
  waitpid (s->pid, NULL, 0);
  close (s->fd);
  json_stream_free (s->stream);
  g_clear_pointer (&s->answer, json_node_free);
}

/* --- shapes ---------------------------------------------------------------------------------------------- */

/* NULL when every member of ours is one of theirs, of the same type; else where it is not. */
static char *
differs (JsonNode *ours, JsonNode *theirs, const char *where)
{
  JsonNodeType type = json_node_get_node_type (ours);
  if (type != json_node_get_node_type (theirs))
    return g_strdup_printf ("%s is of another kind", where);
  if (type == JSON_NODE_VALUE)
    return json_node_get_value_type (ours) == json_node_get_value_type (theirs) ? NULL : g_strdup_printf ("%s is of another type", where);
  if (type == JSON_NODE_OBJECT) {
    JsonObjectIter iter;
    const char *name;
    JsonNode *value;
    json_object_iter_init (&iter, json_node_get_object (ours));
    while (json_object_iter_next (&iter, &name, &value)) {
      JsonNode *other = json_object_get_member (json_node_get_object (theirs), name);
      g_autofree char *inner = g_strdup_printf ("%s.%s", where, name);
      char *what = other ? differs (value, other, inner) : g_strdup_printf ("%s is none of QEMU's", inner);
      if (what)
        return what;
    }
  } else if (type == JSON_NODE_ARRAY) {
    JsonArray *a = json_node_get_array (ours), *b = json_node_get_array (theirs);
    for (guint i = 0; i < json_array_get_length (a); i++) {     /* like one of theirs */
      char *what = g_strdup_printf ("%s is not empty", where);
      for (guint j = 0; what && j < json_array_get_length (b); j++) {
        g_free (what);
        what = differs (json_array_get_element (a, i), json_array_get_element (b, j), where);
      }
      if (what)
        return what;
    }
  }
  return NULL;
}

static const char *const questions[] = {
  "query-status", "query-version", "query-name", "query-uuid", "query-kvm", "query-cpus-fast", "query-block", "query-blockstats", "query-chardev",
  "query-memory-devices", "query-memory-size-summary", "query-commands", "query-target", "query-mice", "stop", "query-status", "cont", "inject-nmi", "system_reset",
  "qom-list-types", "nope", "pmemsave", "memsave", "screendump", "send-key", "input-send-event", "human-monitor-command", "eject", "blockdev-open-tray",
  "blockdev-close-tray", "blockdev-remove-medium", "blockdev-change-medium", "qom-list", "qom-get", "qom-set", "qom-list-properties", "device-list-properties"
};

static const char *const longer[] = {
  "\"qom-list\", \"arguments\": {\"path\": \"/\"}", "\"qom-list\", \"arguments\": {\"path\": \"/machine\"}", "\"qom-list\", \"arguments\": {\"path\": \"/machine/nope\"}",
  "\"qom-get\", \"arguments\": {\"path\": \"/machine\", \"property\": \"type\"}", "\"qom-get\", \"arguments\": {\"path\": \"/machine\", \"property\": \"nope\"}",
  "\"qom-list-properties\", \"arguments\": {\"typename\": \"nope\"}",
  "\"device-list-properties\", \"arguments\": {\"typename\": \"nope\"}", "\"stop\", \"arguments\": {\"x\": 1}", "\"stop\", \"x\": 1",
  "\"pmemsave\", \"arguments\": {\"val\": 0, \"size\": 16, \"filename\": \"memory\"}", "\"pmemsave\", \"arguments\": {\"val\": 0, \"size\": 16, \"filename\": \"/nowhere/x\"}",
  "\"memsave\", \"arguments\": {\"val\": 0, \"size\": 16, \"filename\": \"memory\", \"cpu-index\": 9}", "\"eject\", \"arguments\": {\"device\": \"nope\"}",
  "\"eject\", \"arguments\": {\"id\": \"nope\"}", "\"eject\", \"arguments\": {\"device\": \"cd\"}", "\"blockdev-open-tray\", \"arguments\": {\"device\": \"cd\"}",
  "\"blockdev-close-tray\", \"arguments\": {\"device\": \"cd\"}", "\"blockdev-change-medium\", \"arguments\": {\"device\": \"cd\", \"filename\": \"nowhere\"}",
  "\"blockdev-change-medium\", \"arguments\": {\"device\": \"cd\", \"filename\": \"cd.iso\", \"format\": \"raw\"}",
  "\"blockdev-change-medium\", \"arguments\": {\"device\": \"cd\", \"filename\": \"cd.iso\", \"read-only-mode\": \"x\"}",
  "\"screendump\", \"arguments\": {\"filename\": \"x\", \"format\": \"x\"}", "\"screendump\", \"arguments\": {\"filename\": \"x\", \"device\": \"nope\"}",
  "\"send-key\", \"arguments\": {\"keys\": [{\"type\": \"qcode\", \"data\": \"nope\"}]}", "\"send-key\", \"arguments\": {\"keys\": [1]}",
  "\"human-monitor-command\", \"arguments\": {\"command-line\": \"info status\"}"
};

static void
compare (Server *ours, Server *theirs, const char *command)
{
  JsonObject *a = ask (ours, command), *b = ask (theirs, command);
  JsonNode *mine = json_object_get_member (a, "return"), *other = json_object_get_member (b, "return");
  if (!mine || !other) {
    GString *text = g_string_new (NULL);
    json_print (ours->answer, text);
    ck_assert_msg (!mine && !other, "%s: one fails, the other does not: %s", command, text->str);
    g_string_free (text, TRUE);
    const char *class_a = json_object_get_string_member (json_object_get_object_member (a, "error"), "class");
    const char *class_b = json_object_get_string_member (json_object_get_object_member (b, "error"), "class");
    ck_assert_msg (strcmp (class_a, class_b) == 0, "%s: %s instead of %s", command, class_a, class_b);
    return;
  }
  g_autofree char *what = differs (mine, other, "return");
  ck_assert_msg (!what, "%s: %s", command, what);
}

START_TEST (side_by_side)
{
  const char *program = getenv ("BACKPLANE_RUN");
  g_autofree char *text = g_strdup_printf ("[machine]\nformat = 1\ninclude = %s/machines/pc.ini\n[backend cd]\nmodule = block-backends\ntype = block-image\n"
                                           "file = cd.iso\nformat = raw\nread-only = on\n", getenv ("BACKPLANE_SRCDIR"));
  Server ours = { 0 }, theirs = { 0 };
  ck_assert (g_file_set_contents ("shapes.ini", text, -1, NULL));
  g_autofree char *zeros = g_malloc0 (1 << 20);
  ck_assert (g_file_set_contents ("cd.iso", zeros, 1 << 20, NULL));
  start (&ours, "ours", (const char *[]) { program, "run", "shapes.ini", "--monitor", "unix:ours", "--machine-timeout", "120", NULL });
  start (&theirs, "theirs", (const char *[]) { "qemu-system-x86_64", "-M", "pc", "-accel", "tcg", "-display", "none", "-name", "x", "-serial", "null", "-drive",
                                               "if=ide,index=2,media=cdrom,id=cd,file=cd.iso,format=raw", "-qmp", "unix:theirs,server=on,wait=off", NULL });
  ask (&ours, "{\"execute\": \"qmp_capabilities\"}");
  ask (&theirs, "{\"execute\": \"qmp_capabilities\"}");
  compare (&ours, &theirs, "{\"execute\": \"qmp_capabilities\"}");
  for (guint i = 0; i < G_N_ELEMENTS (questions); i++) {
    g_autofree char *command = g_strdup_printf ("{\"execute\": \"%s\"}", questions[i]);
    compare (&ours, &theirs, command);
  }
  for (guint i = 0; i < G_N_ELEMENTS (longer); i++) {
    g_autofree char *command = g_strdup_printf ("{\"execute\": %s}", longer[i]);
    compare (&ours, &theirs, command);
  }
  finish (&ours);
  finish (&theirs);
}
END_TEST

int
main (void)
{
  g_autofree char *qemu = g_find_program_in_path ("qemu-system-x86_64");
  if (!qemu || !getenv ("BACKPLANE_RUN") || !getenv ("BACKPLANE_SRCDIR") || access ("/usr/share/seabios/bios-256k.bin", R_OK) != 0) {
    g_print ("test-qemu-shapes: skipped: qemu-system-x86_64, /usr/share/seabios/bios-256k.bin, BACKPLANE_RUN or BACKPLANE_SRCDIR is missing\n");
    return 77;
  }
  scratch_enter ();
  Suite *suite = suite_create ("qemu-shapes");
  TCase *tcase = tcase_create ("all");
  tcase_set_timeout (tcase, 120);
  tcase_add_test (tcase, side_by_side);
  suite_add_tcase (suite, tcase);
  int failed = suite_run (suite);
  scratch_leave ();
  return failed;
}
