/* migrate-channel.c -- where a machine on its way goes through: sockets, files, commands, descriptors. */
/* SPDX-License-Identifier: MIT */
#include "migrate.h"
#include "sandbox.h"
#include <backplane/socket.h>
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct MigrateChannel {
  int fd;                       /* -1: it is a file */
  bool is_socket;
  SnapshotFile *file;
  GPid child;                   /* 0: no command */
  int wake;                     /* an eventfd: somebody cancels */
  int cancelled;                /* atomic */
  int patience;                 /* ms; -1: no limit */
};

/* --- addresses ---------------------------------------------------------------------------------------- */

typedef enum Kind { KIND_SOCKET, KIND_FILE, KIND_EXEC, KIND_FD } Kind;

static Kind
kind_of (const char *address, const char **rest)
{
  static const char *const prefixes[] = { [KIND_FILE] = "file:", [KIND_EXEC] = "exec:", [KIND_FD] = "fd:" };
  for (Kind k = KIND_FILE; k <= KIND_FD; k++)
    if (g_str_has_prefix (address, prefixes[k])) {
      *rest = address + strlen (prefixes[k]);
      return k;
    }
  *rest = address;
  return KIND_SOCKET;
}

bool
channel_listens (const char *address)
{
  const char *rest;
  return kind_of (address, &rest) == KIND_SOCKET;
}

char *
channel_wrong (const char *address)
{
  const char *rest;
  guint64 number;
  Kind kind = kind_of (address, &rest);
  if (kind == KIND_SOCKET) {
    g_autofree char *wrong = bp_socket_wrong (address);
    return wrong ? g_strdup_printf ("%s, or file:PATH, exec:COMMAND, fd:NUMBER", wrong) : NULL;
  }
  if (kind == KIND_FD && !g_ascii_string_to_unsigned (rest, 10, 0, INT_MAX, &number, NULL))
    return g_strdup_printf ("`%s` is no descriptor's number", rest);
  return *rest ? NULL : g_strdup_printf ("`%s` says which kind, and no more", address);
}

/* --- opening --------------------------------------------------------------------------------------------- */

MigrateChannel *
channel_new_closed (void)
{
  MigrateChannel *c = g_new0 (MigrateChannel, 1);
  c->fd = -1;
  c->patience = -1;
  c->wake = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  return c;
}

/* Without its eventfd nobody could cancel it. */
static bool
can_wait (const MigrateChannel *c, GError **error)
{
  return c->wake >= 0 || snapshot_refuse (error, "the host has no descriptor to spare for it");
}

static void
set_fd (MigrateChannel *c, int fd)
{
  struct stat what;
  c->fd = fd;
  c->is_socket = fstat (fd, &what) == 0 && S_ISSOCK (what.st_mode);
  g_unix_set_fd_nonblocking (fd, TRUE, NULL);
  if (!c->is_socket)
    signal (SIGPIPE, SIG_IGN);  /* write() tells */
}

MigrateChannel *
channel_new (int fd)
{
  MigrateChannel *c = channel_new_closed ();
  set_fd (c, fd);
  return c;
}

/* Our end is the command's standard input, or output. */
static bool
open_command (MigrateChannel *c, const char *command, bool out, GError **error)
{
  char *argv[] = { (char *) "/bin/sh", (char *) "-c", (char *) command, NULL };
  int fd;
  if (!sandbox_may_start_commands ("exec:", error))
    return false;
  if (!g_spawn_async_with_pipes (NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &c->child, out ? &fd : NULL, out ? NULL : &fd, NULL, error))
    return false;
  fcntl (fd, F_SETFD, FD_CLOEXEC);
  set_fd (c, fd);
  return true;
}

/* What the program has opened itself, an image perhaps, no command inherits; what it was started with, it was inherited itself. */
static bool
open_number (MigrateChannel *c, const char *text, GError **error)
{
  int fd = (int) g_ascii_strtoull (text, NULL, 10), flags = fd > 2 ? fcntl (fd, F_GETFD) : -1;
  if (flags < 0 || flags & FD_CLOEXEC)
    return snapshot_refuse (error, "there is no descriptor %s that the program was started with", text);
  fcntl (fd, F_SETFD, FD_CLOEXEC);
  set_fd (c, fd);
  return true;
}

/* --- connecting: the host may take minutes, and nobody who cancels waits for it ----------------------------- */

typedef struct Attempt {
  char *address;
  int fd, done;                 /* done: an eventfd */
  GError *error;
  int users;                    /* atomic: its thread, and who waits */
} Attempt;

static void
attempt_unref (Attempt *a)
{
  if (!g_atomic_int_dec_and_test (&a->users))
    return;
  if (a->fd >= 0)
    close (a->fd);
  close (a->done);
  g_clear_error (&a->error);
  g_free (a->address);
  g_free (a);
}

static void *
attempt_thread (void *user)
{
  Attempt *a = user;
  const uint64_t one = 1;
  a->fd = bp_socket_connect (a->address, &a->error);
  while (write (a->done, &one, sizeof one) < 0 && errno == EINTR)
    continue;
  attempt_unref (a);
  return NULL;
}

static bool
open_socket (MigrateChannel *c, const char *address, GError **error)
{
  int done = eventfd (0, EFD_CLOEXEC);
  if (done < 0)
    return snapshot_refuse (error, "no way to wait for a connection: %s", g_strerror (errno));
  Attempt *a = g_new0 (Attempt, 1);
  *a = (Attempt){ .address = g_strdup (address), .fd = -1, .done = done, .users = 2 };
  GThread *thread = g_thread_try_new ("connect", attempt_thread, a, error);
  if (!thread) {
    a->users = 1;
    attempt_unref (a);
    return false;
  }
  g_thread_unref (thread);
  struct pollfd p[2] = { { .fd = a->done, .events = POLLIN }, { .fd = c->wake, .events = POLLIN } };
  while (poll (p, 2, -1) < 0 && errno == EINTR)
    continue;
  uint64_t n;
  if (!p[0].revents || read (a->done, &n, sizeof n) < 0)        /* (to have read it, not only to know of it, is what makes its results ours) */
    snapshot_refuse (error, "it was cancelled");
  else if (a->fd < 0)
    g_propagate_error (error, g_steal_pointer (&a->error));
  else
    set_fd (c, a->fd);
  if (c->fd >= 0)
    a->fd = -1;
  attempt_unref (a);
  return c->fd >= 0;
}

bool
channel_open (MigrateChannel *c, const char *address, bool out, GError **error)
{
  const char *rest;
  if (!can_wait (c, error))
    return false;
  switch (kind_of (address, &rest)) {
  case KIND_FILE:
    c->file = out ? snapshot_file_create (rest, error) : snapshot_file_open (rest, error);
    return c->file;
  case KIND_EXEC: return open_command (c, rest, out, error);
  case KIND_FD: return open_number (c, rest, error);
  default: return open_socket (c, address, error);
  }
}

MigrateChannel *
channel_new_open (const char *address, bool out, GError **error)
{
  MigrateChannel *c = channel_new_closed ();
  if (channel_open (c, address, out, error))
    return c;
  channel_free (c);
  return NULL;
}

bool
channel_is_two_way (const MigrateChannel *c)
{
  return c->is_socket;
}

/* --- waiting ---------------------------------------------------------------------------------------------- */

void
channel_cancel (MigrateChannel *c)
{
  uint64_t one = 1;
  __atomic_store_n (&c->cancelled, 1, __ATOMIC_SEQ_CST);
  if (write (c->wake, &one, sizeof one) < 0)
    return;                     /* (it is set already) */
}

/* [any] */
static bool
channel_is_cancelled (const MigrateChannel *c)
{
  return __atomic_load_n (&c->cancelled, __ATOMIC_SEQ_CST);
}

void
channel_set_patience (MigrateChannel *c, int ms)
{
  c->patience = ms;
}

static bool
is_open (const MigrateChannel *c, GError **error)
{
  return !channel_is_cancelled (c) || snapshot_refuse (error, "it was cancelled");
}

static bool
wait_for (MigrateChannel *c, short events, GError **error)
{
  struct pollfd p[2] = { { .fd = c->fd, .events = events }, { .fd = c->wake, .events = POLLIN } };
  int n;
  if (!can_wait (c, error))
    return false;
  do
    n = poll (p, 2, c->patience);
  while (n < 0 && errno == EINTR && is_open (c, NULL));
  if (n == 0)
    return snapshot_refuse (error, "nothing has moved for %d ms", c->patience);
  return is_open (c, error);
}

static bool
failed (const char *what, GError **error)
{
  int code = errno;
  if (code == EPIPE || code == ECONNRESET)
    return snapshot_refuse (error, "the connection is broken: the other side has ended");
  return snapshot_refuse (error, "the connection cannot be %s: %s", what, g_strerror (code));
}

static bool
is_moment (void)
{
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

bool
channel_write (MigrateChannel *c, const void *data, size_t size, GError **error)
{
  if (!is_open (c, error))
    return false;
  if (c->file) {
    SnapshotPlace place = snapshot_in_file (c->file);
    return place.write (place.user, data, size, error);
  }
  for (const uint8_t *at = data; size;) {
    ssize_t n = c->is_socket ? send (c->fd, at, size, MSG_NOSIGNAL) : write (c->fd, at, size);
    if (n < 0 && !is_moment ())
      return failed ("written to", error);
    if (n < 0 && !wait_for (c, POLLOUT, error))
      return false;
    if (n > 0) {
      at += n;
      size -= (size_t) n;
    }
  }
  return true;
}

ssize_t
channel_read (MigrateChannel *c, void *data, size_t size, GError **error)
{
  if (!is_open (c, error))
    return -1;
  if (c->file) {
    SnapshotPlace place = snapshot_in_file (c->file);
    return place.read (place.user, data, size, error);
  }
  for (;;) {
    ssize_t n = read (c->fd, data, size);
    if (n >= 0)
      return n;
    if (!is_moment ()) {
      failed ("read", error);
      return -1;
    }
    if (!wait_for (c, POLLIN, error))
      return -1;
  }
}

/* --- the end ---------------------------------------------------------------------------------------------- */

/* The command has ended, within so many ms. */
static bool
has_ended (MigrateChannel *c, unsigned ms, int *status)
{
  int64_t end = g_get_monotonic_time () + ms * INT64_C (1000);
  pid_t pid;
  *status = 0;
  while ((pid = waitpid (c->child, status, WNOHANG)) == 0 || (pid < 0 && errno == EINTR)) {
    if (g_get_monotonic_time () >= end)
      return false;
    g_usleep (2000);
  }
  g_spawn_close_pid (c->child);
  c->child = 0;
  return true;
}

/* Nobody waits for one that does not end when its pipe has. */
static void
end_command (MigrateChannel *c)
{
  static const int signals[] = { 0, SIGTERM, SIGKILL };
  int status;
  for (unsigned i = channel_is_cancelled (c); c->child && i < G_N_ELEMENTS (signals); i++) {
    kill (c->child, signals[i]);
    has_ended (c, 1000, &status);
  }
}

static bool
command_is_well (MigrateChannel *c, GError **error)
{
  g_autoptr (GError) wrong = NULL;
  int64_t since = g_get_monotonic_time ();
  int status;
  while (!has_ended (c, 20, &status))
    if (!is_open (c, error))
      return false;
    else if (c->patience >= 0 && migration_ms (since) > (uint64_t) c->patience)
      return snapshot_refuse (error, "the command has got all, and has not ended for %d ms", c->patience);
  return g_spawn_check_wait_status (status, &wrong) || snapshot_refuse (error, "the command has failed: %s", wrong->message);
}

bool
channel_finish (MigrateChannel *c, GError **error)
{
  if (c->file)
    return snapshot_file_sync (c->file, error) && snapshot_file_commit (c->file, error);
  if (!c->child)
    return true;
  close (c->fd);
  c->fd = -1;
  return command_is_well (c, error);
}

void
channel_free (MigrateChannel *c)
{
  if (!c)
    return;
  if (c->fd >= 0)
    close (c->fd);
  end_command (c);
  snapshot_file_close (c->file);
  close (c->wake);
  g_free (c);
}
