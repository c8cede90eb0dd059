/* test-pc-qmp.c -- a QMP client of machines/pc.ini with SeaBIOS: pictures of its screen, keys to its keyboard, memory, stop and go, the end. */
/* SPDX-License-Identifier: MIT */
#include "../patience.h"
#include "../scratch.h"
#include "../suite.h"
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <png.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t child;
static int fd;
static GString *got;

/* --- the program and its client ---------------------------------------------------------------------- */

static void
start (void)
{
  const char *program = getenv ("BACKPLANE_RUN");
  g_autofree char *machine = g_build_filename (getenv ("BACKPLANE_SRCDIR"), "machines", "pc.ini", NULL);
  struct sockaddr_un sun = { .sun_family = AF_UNIX, .sun_path = "qmp.sock" };
  gint64 end = patience_ends (30);
  got = g_string_new (NULL);
  child = fork ();
  if (child == 0) {
    int null = open ("/dev/null", O_RDWR), log = open ("log", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    dup2 (null, 0);
    dup2 (log, 1);
    dup2 (log, 2);
    execl (program, program, "run", machine, "--monitor", "unix:qmp.sock", "--machine-timeout", "120", (char *) NULL);
    _exit (127);
  }
  fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  while (connect (fd, (struct sockaddr *) &sun, sizeof sun) != 0 && g_get_monotonic_time () < end)
    g_usleep (20000);
}

/* The next line; "" at the end. */
static char *
line (void)
{
  struct pollfd ready = { .fd = fd, .events = POLLIN };
  char bytes[4096];
  const char *end;
  while (!(end = strstr (got->str, "\r\n"))) {
    ck_assert_msg (poll (&ready, 1, 60000) == 1, "nothing comes");
    ssize_t n = read (fd, bytes, sizeof bytes);
    if (n <= 0)
      return g_strdup ("");
    g_string_append_len (got, bytes, n);
  }
  char *text = g_strndup (got->str, (gsize) (end - got->str));
  g_string_erase (got, 0, end + 2 - got->str);
  return text;
}

/* The answer to a command; events that come before it are passed over, unless they are wanted: then it is one of those. */
static char *
ask (const char *command, const char *event)
{
  ck_assert_int_eq (write (fd, command, strlen (command)), (ssize_t) strlen (command));
  for (;;) {
    char *text = line ();
    ck_assert_msg (*text, "the end instead of an answer to %s", command);
    if (event ? strstr (text, event) != NULL : strncmp (text, "{\"timestamp\"", 12) != 0)
      return text;
    g_free (text);
  }
}

static void
is (const char *command, const char *answer)
{
  g_autofree char *text = ask (command, NULL);
  ck_assert_msg (strcmp (text, answer) == 0, "%s: %s", command, text);
}

#define DONE "{\"return\": {}}"

/* --- what it sees -------------------------------------------------------------------------------------- */

/* How many dots are not black; 0: not a picture of the size. */
static unsigned
lit (unsigned width, unsigned height)
{
  png_image image = { .version = PNG_IMAGE_VERSION };
  g_autofree char *answer = ask ("{\"execute\": \"screendump\", \"arguments\": {\"filename\": \"screen.png\", \"format\": \"png\"}}", NULL);
  unsigned n = 0;
  if (strcmp (answer, DONE) != 0 || !png_image_begin_read_from_file (&image, "screen.png"))
    return 0;
  bool fits = image.width == width && image.height == height;
  image.format = PNG_FORMAT_GRAY;
  g_autofree uint8_t *pixels = g_malloc (PNG_IMAGE_SIZE (image));
  ck_assert (png_image_finish_read (&image, NULL, pixels, 0, NULL));
  for (size_t i = 0; fits && i < (size_t) width * height; i++)
    n += pixels[i] > 0;
  return n;
}

/* What the console prints of a word of the BIOS's data. */
static char *
word (unsigned address)
{
  g_autofree char *command = g_strdup_printf ("{\"execute\": \"human-monitor-command\", \"arguments\": {\"command-line\": \"xp /1xh 0x%x\"}}", address);
  return ask (command, NULL);
}

START_TEST (conversation)
{
  start ();
  g_autofree char *greeting = line ();
  ck_assert_msg (g_str_has_prefix (greeting, "{\"QMP\": {"), "%s", greeting);
  is ("{\"execute\": \"qmp_capabilities\"}", DONE);
  gint64 end = patience_ends (60);
  unsigned dots = 0;
  while ((dots = lit (720, 400)) < 3000 && g_get_monotonic_time () < end)       /* SeaBIOS's version, and that there is nothing to boot */
    g_usleep (200000);
  ck_assert_uint_gt (dots, 3000);
  is ("{\"execute\": \"screendump\", \"arguments\": {\"filename\": \"screen.ppm\", \"device\": \"vga\"}}", DONE);
  g_autofree char *ppm = NULL;
  gsize size;
  ck_assert (g_file_get_contents ("screen.ppm", &ppm, &size, NULL) && size == 15 + 720 * 400 * 3 && strncmp (ppm, "P6\n720 400\n255\n", 15) == 0);

  /* a key gets into the BIOS's buffer, whose end is at 40:1c */
  g_autofree char *before = word (0x41c);
  g_autofree char *sent = ask ("{\"execute\": \"send-key\", \"arguments\": {\"keys\": [{\"type\": \"qcode\", \"data\": \"shift\"}, {\"type\": \"qcode\", \"data\": \"a\"}]}}",
                               NULL);
  if (strcmp (sent, DONE) == 0) {
    char *after = word (0x41c);
    while (strcmp (after, before) == 0 && g_get_monotonic_time () < end) {
      g_usleep (50000);
      g_free (after);
      after = word (0x41c);
    }
    ck_assert_str_ne (after, before);
    g_free (after);
  } else {
    ck_assert_str_eq (sent, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"Input handler not found for event type key\"}}");
    g_print ("test-pc-qmp: no key is pressed: the keyboard takes none from monitors\n");
  }

  g_free (ask ("{\"execute\": \"stop\"}", "\"event\": \"STOP\""));
  is ("", DONE);
  is ("{\"execute\": \"pmemsave\", \"arguments\": {\"val\": 983040, \"size\": 65536, \"filename\": \"bios\"}}", DONE);
  g_autofree char *bios = NULL;
  ck_assert (g_file_get_contents ("bios", &bios, &size, NULL) && size == 65536 && (uint8_t) bios[0xfff0] == 0xea);
  g_free (ask ("{\"execute\": \"cont\"}", "\"event\": \"RESUME\""));
  is ("", DONE);
  g_autofree char *reset = ask ("{\"execute\": \"system_reset\"}", "\"event\": \"RESET\"");
  ck_assert (strstr (reset, "\"data\": {\"guest\": false, \"reason\": \"host-qmp-system-reset\"}"));
  g_autofree char *down = ask ("{\"execute\": \"quit\"}", "\"event\": \"SHUTDOWN\"");
  ck_assert (strstr (down, "\"data\": {\"guest\": false, \"reason\": \"host-qmp-quit\"}"));
  g_autofree char *nothing = line ();
  ck_assert_str_eq (nothing, "");
  int status;
  ck_assert_int_eq (waitpid (child, &status, 0), child);
  ck_assert_int_eq (status, 0);
  ck_assert (!g_file_test ("qmp.sock", G_FILE_TEST_EXISTS));
  close (fd);
  g_string_free (got, TRUE);
}
END_TEST

int
main (void)
{
  static const char *const firmware[] = { "/usr/share/seabios/bios-256k.bin", "/usr/share/seabios/vgabios-stdvga.bin" };
  for (guint i = 0; i < G_N_ELEMENTS (firmware); i++)
    if (access (firmware[i], R_OK) != 0) {
      g_print ("test-pc-qmp: skipped: there is no %s\n", firmware[i]);
      return 77;
    }
  if (!getenv ("BACKPLANE_RUN") || !getenv ("BACKPLANE_SRCDIR")) {
    g_print ("test-pc-qmp: skipped: BACKPLANE_RUN and BACKPLANE_SRCDIR do not say what to run\n");
    return 77;
  }
  scratch_enter ();
  Suite *suite = suite_create ("pc-qmp");
  TCase *tcase = tcase_create ("all");
  tcase_set_timeout (tcase, 180);
  tcase_add_test (tcase, conversation);
  suite_add_tcase (suite, tcase);
  int failed = suite_run (suite);
  scratch_leave ();
  return failed;
}
