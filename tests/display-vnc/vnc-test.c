/* vnc-test.c -- a VNC server under test: its machine, and a small RFB client. */
/* SPDX-License-Identifier: MIT */
#include "../patience.h"
#include "vnc-test.h"
#include "../types.h"
#include <glib/gstdio.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

TestScreen screen;
GString *typed;
uint32_t input_kinds = BP_INPUT_KEYS | BP_INPUT_RELATIVE;
unsigned port;

/* --- screen ------------------------------------------------------------------------------------ */

static void
screen_update (void *self, BpScreenFrame *f)
{
  uint64_t since = f->serial;
  screen.updates++;
  f->resized = f->width != screen.width || f->height != screen.height;
  f->first_row = f->end_row = 0;
  if (f->resized) {
    g_free (f->pixels);
    f->pixels = screen.width ? g_new0 (uint32_t, (size_t) screen.width * screen.height) : NULL;
    f->width = screen.width;
    f->height = screen.height;
    since = 0;
  }
  if (since == screen.serial || !f->pixels)
    return;
  f->first_row = since + 1 == screen.serial ? screen.first : 0;
  f->end_row = since + 1 == screen.serial ? screen.end : screen.height;
  f->serial = screen.serial;
  memcpy (f->pixels, screen.pixels, (size_t) screen.width * screen.height * 4);
}

static bool no_text (void *self, BpScreenText *text) { return false; }

void
screen_changed (uint32_t first, uint32_t end)
{
  screen.first = first;
  screen.end = end;
  screen.serial++;
}

void
screen_size (uint32_t width, uint32_t height)
{
  g_free (screen.pixels);
  screen.pixels = g_new0 (uint32_t, (size_t) width * height + 1);
  screen.width = width;
  screen.height = height;
  screen_changed (0, height);
}

static uint32_t heads (void *self) { return screen.has_second ? 2 : 1; }

static void
update_head (void *self, uint32_t head, BpScreenFrame *f)
{
  static const uint32_t green[] = { 0xff00, 0xff00 };
  f->resized = !f->pixels;
  if (!f->resized)
    return;
  f->width = 2;
  f->height = 1;
  f->pixels = g_memdup2 (green, sizeof green);
}

static bool
want_size (void *self, uint32_t head, uint32_t width, uint32_t height)
{
  if (head || !screen.follows || width > 4000)
    return false;
  screen_size (width, height);
  return true;
}

static const BpScreenIface screen_iface = { .struct_size = sizeof (BpScreenIface), .update = screen_update, .text = no_text, .heads = heads, .update_head = update_head,
                                            .want_size = want_size };
static const BpInterfaceDesc screen_interfaces[] = { { BP_SCREEN_ID, &screen_iface }, { NULL, NULL } };
static const BpTypeDesc screen_type = { BP_TYPE ("test-screen", BP_KIND_DEVICE, uint64_t), .description = "a screen", .interfaces = screen_interfaces };

/* --- input ---------------------------------------------------------------------------------------- */

static uint32_t kinds (void *self) { return input_kinds; }
static void key (void *self, unsigned code, bool down) { g_string_append_printf (typed, "%c%u ", down ? '+' : '-', code); }
static void relative (void *self, int dx, int dy, int wheel, uint32_t buttons) { g_string_append_printf (typed, "rel %d,%d,%d,%u ", dx, dy, wheel, buttons); }
static void absolute (void *self, unsigned x, unsigned y, int wheel, uint32_t buttons) { g_string_append_printf (typed, "abs %u,%u,%d,%u ", x, y, wheel, buttons); }
static const BpInputIface input_iface = { .struct_size = sizeof (BpInputIface), .kinds = kinds, .key = key, .relative = relative, .absolute = absolute };
static const BpInterfaceDesc input_interfaces[] = { { BP_INPUT_ID, &input_iface }, { NULL, NULL } };
static const BpTypeDesc input_type = { BP_TYPE ("test-input", BP_KIND_DEVICE, uint64_t), .description = "an input device", .interfaces = input_interfaces };

/* --- machine ----------------------------------------------------------------------------------------- */

static BpMachine *machine;
static Descriptor *descriptor;
static char *file;

BpMachine *vnc_machine (void) { return machine; }

static void
register_types (void)
{
  static const BpTypeDesc *const types[] = { &display_vnc_type, &screen_type, &input_type, NULL };
  if (type_find ("test-screen"))
    return;
  types_register (types);
  vnc_library_start (NULL);
}

static void
build (const char *properties)
{
  register_types ();
  typed = g_string_new (NULL);
  file = g_strdup_printf ("%s/backplane-vnc-%d.ini", g_get_tmp_dir (), (int) getpid ());
  bool bare = strstr (properties, "[device") != NULL;
  char *text = g_strdup_printf ("[machine]\nformat = 1\ndescription = A test\n%s[device input]\ntype = test-input\n[display vnc]\ntype = display-vnc\n%s\n",
                                bare ? "" : "[device screen]\ntype = test-screen\n", bare ? "" : properties);
  ck_assert (g_file_set_contents (file, text, -1, NULL));
  g_free (text);
  descriptor = descriptor_load (file, NULL);
  machine = machine_build (descriptor);
}

void
vnc_start (const char *properties)
{
  GError *error = NULL;
  char *all = g_strdup_printf ("port = auto\n%s", properties);
  if (!screen.width)
    screen_size (64, 48);
  screen.updates = 0;
  build (all);
  g_free (all);
  ck_assert_msg (machine != NULL, "%s", descriptor->errors->len ? (char *) descriptor->errors->pdata[0] : "");
  ck_assert_msg (machine_realize (machine, &error), "%s", error ? error->message : "");
  port = ((VncDisplay *) bp_machine_find (machine, "vnc"))->bound_port;
}

char *
vnc_refusal (const char *properties)
{
  GError *error = NULL;
  build (properties);
  ck_assert (!machine || !machine_realize (machine, &error));
  char *message = g_strdup (machine ? error->message : (char *) descriptor->errors->pdata[0]);
  g_clear_error (&error);
  vnc_stop ();
  return message;
}

void
vnc_stop (void)
{
  g_clear_pointer (&machine, machine_free);
  g_clear_pointer (&descriptor, descriptor_free);
  g_unlink (file);
  g_clear_pointer (&file, g_free);
  g_string_free (typed, TRUE);
  g_clear_pointer (&screen.pixels, g_free);
  screen = (TestScreen) { .width = 0 };
  input_kinds = BP_INPUT_KEYS | BP_INPUT_RELATIVE;
}

/* --- threads -------------------------------------------------------------------------------------------- */

typedef struct Aside {
  void (*f) (void *user);
  void *user;
  bool done;
} Aside;

static void *
run_aside (void *data)
{
  Aside *a = data;
  a->f (a->user);
  __atomic_store_n (&a->done, true, __ATOMIC_RELEASE);
  g_main_context_wakeup (NULL);
  return NULL;
}

void
aside (void (*f) (void *user), void *user)
{
  Aside a = { f, user, false };
  GThread *thread = g_thread_new ("client", run_aside, &a);
  while (!__atomic_load_n (&a.done, __ATOMIC_ACQUIRE))
    g_main_context_iteration (NULL, TRUE);
  g_thread_join (thread);
}

static void sleep_aside (void *user) { g_usleep (*(unsigned *) user * 1000); }

void run_main (unsigned milliseconds) { aside (sleep_aside, &milliseconds); }

/* --- a client: bytes ---------------------------------------------------------------------------------------- */

int
client_connect (const char *host)
{
  struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *a;
  struct timeval limit = { .tv_sec = 10 };
  char service[8];
  g_snprintf (service, sizeof service, "%u", port);
  if (getaddrinfo (host, service, &hints, &a) != 0)
    return -1;
  int fd = socket (a->ai_family, SOCK_STREAM, 0);
  bool fine = fd >= 0 && connect (fd, a->ai_addr, a->ai_addrlen) == 0;
  freeaddrinfo (a);
  if (!fine && fd >= 0)
    close (fd);
  if (!fine)
    return -1;
  setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  return fd;
}

bool client_write (int fd, const void *bytes, size_t size) { return send (fd, bytes, size, MSG_NOSIGNAL) == (ssize_t) size; }
bool client_read (int fd, void *bytes, size_t size) { return size == 0 || recv (fd, bytes, size, MSG_WAITALL) == (ssize_t) size; }

bool
client_has_ended (int fd)
{
  int64_t end = patience_ends (2);
  uint8_t rest[4096];
  while (g_get_monotonic_time () < end) {
    struct pollfd p = { .fd = fd, .events = POLLIN };
    if (poll (&p, 1, 100) > 0 && recv (fd, rest, sizeof rest, MSG_DONTWAIT) <= 0)
      return true;
  }
  return false;
}

/* --- a client: RFB ---------------------------------------------------------------------------------------------- */

static uint16_t read16 (int fd) { uint16_t v = 0; client_read (fd, &v, 2); return g_ntohs (v); }
static uint32_t read32 (int fd) { uint32_t v = 0; client_read (fd, &v, 4); return g_ntohl (v); }

static bool
authenticate (int fd, const char *password)
{
  uint8_t n = 0, types[255], type = password ? 2 : 1, challenge[16];
  char key[9] = { 0 };
  if (!client_read (fd, &n, 1) || !n || !client_read (fd, types, n) || n != 1 || types[0] != type || !client_write (fd, &type, 1))
    return false;
  if (password) {
    g_strlcpy (key, password, sizeof key);
    if (!client_read (fd, challenge, 16))
      return false;
    rfbEncryptBytes (challenge, key);
    client_write (fd, challenge, 16);
  }
  uint32_t result = 1;
  return client_read (fd, &result, 4) && result == 0;
}

static bool
init (Client *c, bool shared)
{
  uint8_t flag = shared, format[16];
  client_write (c->fd, &flag, 1);
  c->width = read16 (c->fd);
  c->height = read16 (c->fd);
  if (!c->width || !client_read (c->fd, format, 16))
    return false;
  uint32_t n = read32 (c->fd);
  c->pixels = g_new0 (uint32_t, (size_t) c->width * c->height);
  return n < sizeof c->name && client_read (c->fd, c->name, n);
}

bool
client_open (Client *c, const char *password, bool shared)
{
  char version[12];
  *c = (Client) { .fd = client_connect ("127.0.0.1") };
  return c->fd >= 0 && client_read (c->fd, version, 12) && memcmp (version, "RFB 003.008\n", 12) == 0 && client_write (c->fd, "RFB 003.008\n", 12)
    && authenticate (c->fd, password) && init (c, shared);
}

void
client_close (Client *c)
{
  if (c->fd >= 0)
    close (c->fd);
  g_clear_pointer (&c->pixels, g_free);
  c->fd = -1;
}

void
client_encodings (Client *c, unsigned n, const int32_t *encodings)
{
  uint32_t words[17] = { g_htonl (2 << 24 | n) };
  for (unsigned i = 0; i < n; i++)
    words[i + 1] = g_htonl ((uint32_t) encodings[i]);
  client_write (c->fd, words, 4 * (n + 1));
}

void
client_request (Client *c, bool incremental)
{
  uint8_t m[10] = { 3, incremental, 0, 0, 0, 0, (uint8_t) (c->width >> 8), (uint8_t) c->width, (uint8_t) (c->height >> 8), (uint8_t) c->height };
  client_write (c->fd, m, sizeof m);
}

static bool
take_rectangle (Client *c)
{
  uint32_t x = read16 (c->fd), y = read16 (c->fd), width = read16 (c->fd), height = read16 (c->fd);
  int32_t encoding = (int32_t) read32 (c->fd);
  c->saw_scan_codes |= encoding == -258;
  if (encoding == -308) {       /* ExtendedDesktopSize: one screen */
    uint8_t rest[4 + 16];
    if (!client_read (c->fd, rest, sizeof rest) || rest[0] != 1)
      return false;
    c->reason = x;
    c->status = y;
  }
  if (encoding == -223 || encoding == -308) {
    c->resized = true;
    c->width = width;
    c->height = height;
    c->pixels = g_renew (uint32_t, c->pixels, (size_t) width * height);
  }
  if (encoding != 0)
    return encoding == -223 || encoding == -258 || encoding == -308;
  c->left = MIN (c->left, x);
  c->top = MIN (c->top, y);
  c->right = MAX (c->right, x + width);
  c->bottom = MAX (c->bottom, y + height);
  if (x + width > c->width || y + height > c->height)
    return false;
  for (uint32_t row = y; row < y + height; row++)
    if (!client_read (c->fd, c->pixels + (size_t) row * c->width + x, 4 * (size_t) width))
      return false;
  return true;
}

bool
client_update (Client *c)
{
  uint8_t head[4];
  if (!client_read (c->fd, head, 4) || head[0] != 0)
    return false;
  c->rectangles = head[2] * 256u + head[3];
  c->left = c->top = UINT32_MAX;
  c->right = c->bottom = 0;
  for (unsigned i = 0; i < c->rectangles; i++)
    if (!take_rectangle (c))
      return false;
  return true;
}

void
client_key (Client *c, uint32_t keysym, bool down)
{
  uint32_t m[2] = { g_htonl (4 << 24 | (uint32_t) down << 16), g_htonl (keysym) };
  client_write (c->fd, m, sizeof m);
}

void
client_scan (Client *c, uint32_t scan, bool down)
{
  uint32_t m[3] = { g_htonl (UINT32_C (255) << 24 | (uint32_t) down), 0, g_htonl (scan) };
  client_write (c->fd, m, sizeof m);
}

void
client_size (Client *c, unsigned width, unsigned height, unsigned n_screens)
{
  uint8_t m[8 + 2 * 16] = { 251, 0, (uint8_t) (width >> 8), (uint8_t) width, (uint8_t) (height >> 8), (uint8_t) height, (uint8_t) n_screens };
  client_write (c->fd, m, 8 + 16 * n_screens);
}

void
client_pointer (Client *c, unsigned x, unsigned y, unsigned mask)
{
  uint8_t m[6] = { 5, (uint8_t) mask, (uint8_t) (x >> 8), (uint8_t) x, (uint8_t) (y >> 8), (uint8_t) y };
  client_write (c->fd, m, sizeof m);
}
