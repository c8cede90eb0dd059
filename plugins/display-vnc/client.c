/* client.c -- a connection's thread: libvncserver with one client on a screen of its own. */
/* SPDX-License-Identifier: MIT */
#include "display-vnc.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define HANDSHAKE_US (120 * G_USEC_PER_SEC)     /* people type passwords */
enum { HANDSHAKE_STALL_MS = 1000, STALL_MS = 10000 };   /* in the midst of a message, to or from it */
enum { SPARE_PLACES = 16 };     /* for browsers that fetch files, and for those to be told that there are too many */

/* What libvncserver keeps for all: the list of security types. */
static GMutex handshakes;

/* --- the library ----------------------------------------------------------------------------- */

/* It writes a line for each connection and each encoding. */
static void say_nothing (const char *format, ...) { }

bool
vnc_library_start (GError **error)
{
  rfbLog = rfbErr = say_nothing;
  rfbRegisterProtocolExtension (&vnc_scan_codes);
  return true;
}

/* --- libvncserver's callbacks ---------------------------------------------------------------- */

static void on_key (rfbBool down, rfbKeySym keysym, rfbClientPtr cl) { vnc_input_push (cl->screen->screenData, VNC_KEYSYM, keysym, down != 0, 0); }

static void
on_pointer (int mask, int x, int y, rfbClientPtr cl)
{
  vnc_input_push (cl->screen->screenData, VNC_POINTER, (uint32_t) mask, (uint32_t) MAX (x, 0), (uint32_t) MAX (y, 0));
}

/* The answer comes with the new picture, if the guest makes one; at once when there is nothing to make, or cannot be. */
static int
on_size (int width, int height, int n, rfbExtDesktopScreen *screens, rfbClientPtr cl)
{
  VncClient *c = cl->screen->screenData;
  const BpScreenIface *screen = c->display->screen.table;
  if (cl->viewOnly || !BP_TABLE_HAS (screen, want_size))
    return rfbExtDesktopSize_ResizeProhibited;
  if (n != 1 || !width || !height)
    return rfbExtDesktopSize_InvalidScreenLayout;
  if ((uint32_t) width == c->width && (uint32_t) height == c->height)
    cl->newFBSizePending = TRUE;
  vnc_input_push (c, VNC_SIZE, 0, (uint32_t) width, (uint32_t) height);
  return rfbExtDesktopSize_Success;
}

static void
refuse_size (VncClient *c, rfbClientPtr cl)
{
  if (!__atomic_exchange_n (&c->is_refused, false, __ATOMIC_ACQUIRE) || !cl->useExtDesktopSize)
    return;
  cl->requestedDesktopSizeChange = rfbExtDesktopSize_ClientRequestedChange;
  cl->lastDesktopSizeChangeError = rfbExtDesktopSize_InvalidScreenLayout;
  cl->newFBSizePending = TRUE;
}

static enum rfbNewClientAction
on_new (rfbClientPtr cl)
{
  VncClient *c = cl->screen->screenData;
  cl->viewOnly = c->display->view_only;
  return RFB_CLIENT_ACCEPT;
}

/* --- a message ------------------------------------------------------------------------------------ */

/* It is here, not yet taken, and says whether the client wants to be alone.  Within WebSocket frames it cannot be seen; browsers share. */
static bool
asks_to_be_alone (rfbClientPtr cl)
{
  uint8_t shared;
  return !cl->wsctx && recv (cl->sock, &shared, 1, MSG_PEEK) == 1 && !shared;
}

static void
process_handshake (VncClient *c, rfbClientPtr cl)
{
  VncDisplay *d = c->display;
  bool alone = d->sharing == SHARING_ASK && cl->state == RFB_INITIALISATION && asks_to_be_alone (cl);
  bool common = cl->state == RFB_PROTOCOL_VERSION || cl->state == RFB_SECURITY_TYPE;
  if (common)
    g_mutex_lock (&handshakes);
  rfbProcessClientMessage (cl);
  if (common)
    g_mutex_unlock (&handshakes);
  int least = 1;
  setsockopt (c->control, SOL_SOCKET, SO_RCVLOWAT, &least, sizeof least);
  /* Another display's security types may have been offered. */
  if (cl->screen->authPasswdData && !c->is_authentic && (cl->state == RFB_INITIALISATION || cl->state == RFB_NORMAL) && cl->sock != RFB_INVALID_SOCKET)
    rfbCloseClient (cl);
  if (cl->state == RFB_NORMAL)
    cl->screen->maxClientWait = STALL_MS;
  if (alone && cl->state == RFB_NORMAL)
    vnc_end_others (c);
}

static bool
process (VncClient *c, rfbClientPtr cl)
{
  if (cl->state != RFB_NORMAL)
    process_handshake (c, cl);
  else
    rfbProcessClientMessage (cl);
  /* The client draws its pointer itself. */
  cl->enableCursorShapeUpdates = cl->enableCursorPosUpdates = cl->cursorWasChanged = cl->cursorWasMoved = FALSE;
  if (cl->sock != RFB_INVALID_SOCKET && cl->scaledScreen != cl->screen) /* its copies do not follow when the size changes */
    rfbCloseClient (cl);
  return cl->sock != RFB_INVALID_SOCKET;
}

/* --- serving ---------------------------------------------------------------------------------------- */

static void
serve (VncClient *c, rfbClientPtr cl)
{
  int64_t deadline = g_get_monotonic_time () + HANDSHAKE_US;
  while (cl->sock != RFB_INVALID_SOCKET) {
    bool greeted = cl->state == RFB_NORMAL;
    struct pollfd fds[] = { { .fd = cl->sock, .events = POLLIN }, { .fd = c->wake, .events = POLLIN } };
    int64_t left = (deadline - g_get_monotonic_time ()) / 1000;
    if ((!greeted && left <= 0) || (poll (fds, 2, greeted ? -1 : (int) left) < 0 && errno != EINTR))
      return;
    if (fds[1].revents)
      vnc_drain (c->wake);
    refuse_size (c, cl);
    if (cl->state == RFB_INITIALISATION)
      vnc_picture_take (c, cl);                 /* the size that it is told */
    if (fds[0].revents) {
      do {
        if (!process (c, cl))
          return;
      } while (cl->wsctx && webSocketsHasDataInBuffer (cl));
    }
    if (cl->state != RFB_NORMAL)
      continue;
    __atomic_store_n (&c->wants, false, __ATOMIC_RELAXED);      /* while it takes what is sent */
    if (!sraRgnEmpty (cl->requestedRegion) && vnc_picture_take (c, cl))
      rfbUpdateClient (cl);
    __atomic_store_n (&c->wants, !sraRgnEmpty (cl->requestedRegion), __ATOMIC_RELAXED);
  }
}

/* In the words of RFB 3.3, which need no answer. */
static void
refuse (int fd, const char *why)
{
  GByteArray *m = g_byte_array_new ();
  uint32_t words[2] = { 0, g_htonl ((uint32_t) strlen (why)) };
  g_byte_array_append (m, (const uint8_t *) "RFB 003.003\n", 12);
  g_byte_array_append (m, (const uint8_t *) words, sizeof words);
  g_byte_array_append (m, (const uint8_t *) why, (guint) strlen (why));
  send (fd, m->data, m->len, MSG_NOSIGNAL | MSG_DONTWAIT);
  shutdown (fd, SHUT_WR);
  struct pollfd answer = { .fd = fd, .events = POLLIN };        /* what is not read would make the host take the reason back */
  uint8_t rest[64];
  if (poll (&answer, 1, 1000) > 0 && recv (fd, rest, sizeof rest, MSG_DONTWAIT) > 0)
    poll (&answer, 1, 100);
  close (fd);
  g_byte_array_unref (m);
}

/* What libvncserver 0.9.14 does not free; later ones find nothing more to free. */
static void
free_forgotten (rfbClientPtr cl)
{
  free (cl->wsctx);
  cl->wsctx = NULL;
  for (rfbExtensionData *next, *e = cl->extensions; e; e = next) {
    next = e->next;
    free (e);
  }
  cl->extensions = NULL;
}

static void
forget_picture (VncClient *c)
{
  c->screen->frameBuffer = NULL;
  g_clear_pointer (&c->pixels, g_free);
  c->width = c->height = c->shown_width = c->shown_height = 0;
  c->is_refused = false;
}

static void
view (VncClient *c)
{
  int least = 12, one = 1;      /* bytes of the version, so that reading it does not wait */
  c->screen->maxClientWait = HANDSHAKE_STALL_MS;
  setsockopt (c->socket, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
  vnc_picture_take (c, NULL);
  if (!c->pixels) {
    close (c->socket);
    return;
  }
  rfbClientPtr cl = rfbNewClient (c->screen, c->socket);
  if (!cl) {                    /* closed */
    forget_picture (c);
    return;
  }
  if (!cl->wsctx)
    setsockopt (c->control, SOL_SOCKET, SO_RCVLOWAT, &least, sizeof least);
  serve (c, cl);
  if (cl->sock != RFB_INVALID_SOCKET)
    rfbCloseClient (cl);
  free_forgotten (cl);
  rfbClientConnectionGone (cl);
  forget_picture (c);
}

void *
vnc_client_thread (void *client)
{
  VncClient *c = client;
  VncDisplay *d = c->display;
  if (d->web && vnc_web_wants (c->socket))
    vnc_web_serve (d, c->socket);
  else if (vnc_admit (c))
    view (c);
  else
    refuse (c->socket, d->sharing == SHARING_EXCLUSIVE ? "somebody else is watching" : "too many clients");
  __atomic_store_n (&c->wants, false, __ATOMIC_RELAXED);
  vnc_input_push (c, VNC_LEFT, 0, 0, 0);
  g_mutex_lock (&d->lock);
  c->state = VNC_GONE;
  g_mutex_unlock (&d->lock);
  vnc_signal (d->news);
  return NULL;
}

/* --- places --------------------------------------------------------------------------------------------- */

static rfbScreenInfoPtr
screen_new (VncClient *c)
{
  rfbScreenInfoPtr s = rfbGetScreen (NULL, NULL, 640, 480, 8, 3, 4);
  if (!s)
    return NULL;
  s->screenData = c;
  s->desktopName = c->display->title;
  s->authPasswdData = c->display->secret ? c->display : NULL;
  s->passwordCheck = vnc_password_check;
  s->newClientHook = on_new;
  s->kbdAddEvent = on_key;
  s->ptrAddEvent = on_pointer;
  s->setDesktopSizeHook = on_size;
  s->alwaysShared = TRUE;       /* among its only one */
  s->deferUpdateTime = s->deferPtrUpdateTime = 0;
  s->cursor = NULL;
  return s;
}

/* All at once: each rfbGetScreen makes libvncserver's common mutex anew, which nobody may hold then. */
bool
vnc_clients_new (VncDisplay *d, GError **error)
{
  unsigned n = d->max_clients + SPARE_PLACES;
  d->clients = g_new0 (VncClient, n);
  for (d->n_clients = 0; d->n_clients < n; d->n_clients++) {
    VncClient *c = &d->clients[d->n_clients];
    *c = (VncClient) { .display = d, .index = d->n_clients, .socket = -1, .control = -1, .wake = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK) };
    c->screen = c->wake < 0 ? NULL : screen_new (c);
    if (c->screen)
      continue;
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "no place for a client: %s", g_strerror (errno));
    if (c->wake >= 0)
      close (c->wake);
    return false;
  }
  return true;
}

/* No thread lives any more. */
void
vnc_clients_free (VncDisplay *d)
{
  for (unsigned i = 0; i < d->n_clients; i++) {
    close (d->clients[i].wake);
    g_free (d->clients[i].pixels);
    rfbScreenCleanup (d->clients[i].screen);
  }
  g_clear_pointer (&d->clients, g_free);
  d->n_clients = 0;
}
