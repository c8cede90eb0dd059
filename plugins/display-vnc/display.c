/* display.c -- display-vnc: properties and life cycle. */
/* SPDX-License-Identifier: MIT */
#include "display-vnc.h"
#include <backplane/machine.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- eventfds --------------------------------------------------------------------------- */

void
vnc_signal (int fd)
{
  while (eventfd_write (fd, 1) != 0 && errno == EINTR)
    ;
}

void
vnc_drain (int fd)
{
  eventfd_t value;
  while (eventfd_read (fd, &value) != 0 && errno == EINTR)
    ;
}

/* --- events --------------------------------------------------------------------------------- */

static void
join (VncClient *c)
{
  g_thread_join (c->thread);
  c->thread = NULL;
  g_mutex_lock (&c->display->lock);
  close (c->control);
  c->control = -1;
  c->state = VNC_FREE;
  g_mutex_unlock (&c->display->lock);
}

/* A client's last event is that it left; only when that is delivered another may have the place. */
static bool
on_news (void *display, GIOCondition condition)
{
  VncDisplay *d = display;
  bool *gone = g_newa (bool, d->n_clients);
  vnc_drain (d->news);
  g_mutex_lock (&d->lock);
  for (unsigned i = 0; i < d->n_clients; i++)
    gone[i] = d->clients[i].state == VNC_GONE;
  g_mutex_unlock (&d->lock);
  vnc_input_drain (d);
  for (unsigned i = 0; i < d->n_clients; i++)
    if (gone[i])
      join (&d->clients[i]);
  vnc_picture_follow_clients (d);
  return true;
}

/* --- life cycle ----------------------------------------------------------------------------- */

static bool
find_screen (VncDisplay *d, GError **error)
{
  unsigned cursor = 0;
  if (!d->screen.instance) {
    d->screen.instance = bp_machine_next (bp_object_machine (d), BP_SCREEN_ID, &cursor);
    d->screen.table = d->screen.instance ? bp_object_interface (d->screen.instance, BP_SCREEN_ID) : NULL;
  }
  const BpScreenIface *screen = d->screen.table;
  if (!BP_TABLE_HAS (screen, update))
    g_set_error (error, BP_ERROR, BP_ERROR_DESCRIPTOR, "the machine has no screen to show: no object implements " BP_SCREEN_ID);
  else if (d->head >= bp_screen_heads (screen, d->screen.instance))
    g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "head = %u: the heads of %s are 0 to %u", d->head, bp_object_id (d->screen.instance),
                 bp_screen_heads (screen, d->screen.instance) - 1);
  else
    return true;
  return false;
}

static bool
check_web (const VncDisplay *d, GError **error)
{
  if (!d->web || g_file_test (d->web, G_FILE_TEST_IS_DIR))
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "web = %s is no folder", d->web);
  return false;
}

static void
set_name (VncDisplay *d)
{
  const char *what = bp_machine_description (bp_object_machine (d));
  g_free (d->title);
  d->title = g_strdup (d->name ? d->name : what ? what : "Backplane");
}

static bool
vnc_configure (void *self, GError **error)
{
  unsigned first, last;
  return vnc_parse_port (self, &first, &last, error);
}

static bool
vnc_realize (void *self, GError **error)
{
  VncDisplay *d = self;
  g_mutex_init (&d->frame_lock);
  g_mutex_init (&d->lock);
  g_cond_init (&d->room);
  d->frame.struct_size = sizeof d->frame;
  d->is_ready = true;
  signal (SIGPIPE, SIG_IGN);    /* write() tells */
  set_name (d);
  d->news = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (d->news < 0) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "eventfd: %s", g_strerror (errno));
    return false;
  }
  if (!check_web (d, error) || !find_screen (d, error) || !vnc_password_read (d, error) || !vnc_clients_new (d, error) || !vnc_listen (d, error))
    return false;
  d->news_watch = bp_loop_watch_fd (bp_loop_main (bp_object_machine (d)), NULL, d->news, G_IO_IN, on_news, d);
  fprintf (stderr, "backplane: %s: VNC on %s, port %u\n", bp_object_id (d), d->listen, d->bound_port);
  return true;
}

static void
end_clients (VncDisplay *d)
{
  g_mutex_lock (&d->lock);
  d->ending = true;
  g_cond_broadcast (&d->room);
  for (unsigned i = 0; i < d->n_clients; i++)
    if (d->clients[i].control >= 0)
      shutdown (d->clients[i].control, SHUT_RDWR);
  g_mutex_unlock (&d->lock);
  for (unsigned i = 0; i < d->n_clients; i++)
    if (d->clients[i].thread)
      join (&d->clients[i]);
}

static void
vnc_unrealize (void *self)
{
  VncDisplay *d = self;
  if (!d->is_ready)
    return;
  d->is_ready = false;
  vnc_listen_stop (d);
  if (d->news_watch)
    bp_loop_unwatch (bp_loop_main (bp_object_machine (d)), d->news_watch);
  d->news_watch = 0;
  end_clients (d);
  vnc_picture_follow_clients (d);
  vnc_clients_free (d);
  vnc_picture_clear (d);
  if (d->news >= 0)
    close (d->news);
  g_clear_pointer (&d->secret, g_free);
  g_clear_pointer (&d->title, g_free);
  g_cond_clear (&d->room);
  g_mutex_clear (&d->lock);
  g_mutex_clear (&d->frame_lock);
}

static void
vnc_property_changed (void *self, const char *name)
{
  GError *error = NULL;
  if (vnc_password_read (self, &error))
    return;
  bp_warn (self, "%s; the password is as it was", error->message);
  g_error_free (error);
}

/* --- tables ------------------------------------------------------------------------------------ */

static const char *const sharings[] = { "shared", "ask", "exclusive", NULL };

static const BpProperty vnc_properties[] = {
  BP_PROP_LINK ("screen", VncDisplay, screen, BP_SCREEN_ID, 0, "The adapter whose picture is shown; without it the first of the machine."),
  BP_PROP_U32_RANGE ("head", VncDisplay, head, 0, 0, 255, "Which of the adapter's heads, for one that has several."),
  BP_PROP_STRING ("listen", VncDisplay, listen, "127.0.0.1", "Address or host name to listen on, IPv4 or IPv6; `*' is every address of this host."),
  BP_PROP_STRING ("port", VncDisplay, port, "5900", "TCP port; `auto' takes the first free one from 5900 to 5999."),
  BP_PROP_ ("password", BP_PROPERTY_STRING, VncDisplay, password, .flags = BP_PROPERTY_RUNTIME | BP_PROPERTY_SECRET,
            .help = "What clients must know, 8 characters (VNC authentication); without it everybody who can connect is let in."),
  BP_PROP_FILE ("password-file", VncDisplay, password_file, 0, "File whose first line is the password."),
  BP_PROP_BOOL ("view-only", VncDisplay, view_only, false, "Clients see the screen and cannot type or point."),
  BP_PROP_ENUM ("sharing", VncDisplay, sharing, SHARING_SHARED, sharings,
                "shared: clients come and go; ask: one that wants to be alone ends the others; exclusive: one at a time."),
  BP_PROP_U32_RANGE ("max-clients", VncDisplay, max_clients, 8, 1, 64, "Clients at a time; more are refused."),
  BP_PROP_U32_RANGE ("refresh", VncDisplay, refresh, 30, 1, 100, "Pictures a second at most."),
  BP_PROP_STRING ("name", VncDisplay, name, NULL, "What clients show as their window's title; without it the machine's description."),
  BP_PROP_STRING ("web", VncDisplay, web, NULL, "Folder with a web client (/usr/share/novnc), served over HTTP on the same port, relative to the current directory; without it nothing is served."),
  BP_PROP_END
};

const BpTypeDesc display_vnc_type = {
  BP_TYPE ("display-vnc", BP_KIND_DISPLAY, VncDisplay),
  .description = "VNC server (RFB 3.3 to 3.8, WebSocket): the screen, a keyboard and a pointer over the network",
  .properties = vnc_properties,
  .configure = vnc_configure,
  .realize = vnc_realize,
  .unrealize = vnc_unrealize,
  .property_changed = vnc_property_changed,
};
