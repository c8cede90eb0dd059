/* picture.c -- the picture on its way: from the adapter, at the refresh rate, into each connection's copy, which keeps what has changed. */
/* SPDX-License-Identifier: MIT */
#include "display-vnc.h"
#include <string.h>

#define BAND 16u                /* rows that are compared together */
enum { NOTHING_WIDTH = 640, NOTHING_HEIGHT = 480 };     /* of the black while the adapter shows nothing */

/* --- from the adapter ------------------------------------------------------------------------ */

void
vnc_picture_update (VncDisplay *d)
{
  const BpScreenIface *screen = d->screen.table;
  BpMachine *machine = bp_object_machine (d);
  BpScreenFrame *f = &d->frame;
  g_mutex_lock (&d->frame_lock);
  bp_machine_lock (machine);
  bp_screen_update (screen, d->screen.instance, d->head, f);
  bp_machine_unlock (machine);
  if (f->resized || f->first_row < f->end_row)
    d->serial++;
  if (f->resized)
    d->row_serial = g_renew (uint64_t, d->row_serial, f->height);
  for (uint32_t y = f->resized ? 0 : f->first_row; y < (f->resized ? f->height : f->end_row); y++)
    d->row_serial[y] = d->serial;
  d->asked_at = g_get_monotonic_time ();
  for (unsigned i = 0; i < d->n_clients; i++) {
    VncClient *c = &d->clients[i];
    if (c->wants_any || (__atomic_load_n (&c->wants, __ATOMIC_RELAXED) && c->serial != d->serial))
      vnc_signal (c->wake);
    c->wants_any = false;
  }
  g_mutex_unlock (&d->frame_lock);
}

void
vnc_picture_clear (VncDisplay *d)
{
  bp_screen_frame_clear (&d->frame);
  g_clear_pointer (&d->row_serial, g_free);
}

/* --- the refresh rate ------------------------------------------------------------------------- */

static gboolean
tick (void *display)
{
  VncDisplay *d = display;
  bool wanted = false;
  for (unsigned i = 0; i < d->n_clients; i++)
    wanted |= __atomic_load_n (&d->clients[i].wants, __ATOMIC_RELAXED);
  if (wanted)
    vnc_picture_update (d);
  return G_SOURCE_CONTINUE;
}

void
vnc_picture_follow_clients (VncDisplay *d)
{
  bool any = false;
  for (unsigned i = 0; i < d->n_clients; i++)
    any |= d->clients[i].thread != NULL;
  if (any && !d->timer) {
    d->timer = g_timeout_source_new (1000 / d->refresh);
    g_source_set_callback (d->timer, tick, d, NULL);
    g_source_attach (d->timer, bp_loop_context (bp_loop_main (bp_object_machine (d))));
  } else if (!any && d->timer) {
    g_source_destroy (d->timer);
    g_clear_pointer (&d->timer, g_source_unref);
  }
}

/* --- to a connection -------------------------------------------------------------------------- */

/* The part of a row that differs; false: none. */
static bool
copy_row (uint32_t *to, const uint32_t *from, uint32_t width, uint32_t *left, uint32_t *right)
{
  uint32_t l = 0, r = width;
  if (memcmp (to, from, width * sizeof *to) == 0)
    return false;
  while (to[l] == from[l])
    l++;
  while (to[r - 1] == from[r - 1])
    r--;
  memcpy (to + l, from + l, (r - l) * sizeof *to);
  *left = MIN (*left, l);
  *right = MAX (*right, r);
  return true;
}

static void
copy_band (VncClient *c, uint32_t first, uint32_t end, uint32_t width)
{
  const VncDisplay *d = c->display;
  uint32_t left = width, right = 0, top = end, bottom = first;
  for (uint32_t y = first; y < end; y++) {
    if (d->row_serial[y] <= c->serial || !copy_row (c->pixels + (size_t) y * c->width, d->frame.pixels + (size_t) y * d->frame.width, width, &left, &right))
      continue;
    top = MIN (top, y);
    bottom = y + 1;
  }
  if (top < bottom)
    rfbMarkRectAsModified (c->screen, (int) left, (int) top, (int) right, (int) bottom);
}

/* rfbNewFramebuffer forgets where the colours are. */
static void
resize (VncClient *c, rfbClientPtr cl, uint32_t width, uint32_t height)
{
  uint32_t *before = c->pixels, *pixels = g_try_new0 (uint32_t, (size_t) width * height);
  if (!pixels)
    return;                     /* it keeps the size that it has, if any, and tries again with the next picture */
  c->pixels = pixels;
  c->width = width;
  c->height = height;
  rfbNewFramebuffer (c->screen, (char *) c->pixels, (int) width, (int) height, 8, 3, 4);
  c->screen->serverFormat.redShift = 16;
  c->screen->serverFormat.greenShift = 8;
  c->screen->serverFormat.blueShift = 0;
  if (!cl)
    ;
  else if (cl->readyForSetColourMapEntries)     /* it has said which format it wants */
    c->screen->setTranslateFunction (cl);
  else
    cl->format = c->screen->serverFormat;
  g_free (before);
}

/* A client that cannot follow keeps its size: it sees a part, or black around the picture. */
bool
vnc_picture_take (VncClient *c, rfbClientPtr cl)
{
  VncDisplay *d = c->display;
  g_mutex_lock (&d->frame_lock);
  bool fresh = g_get_monotonic_time () - d->asked_at <= G_USEC_PER_SEC / d->refresh;
  c->wants_any = !fresh;
  const BpScreenFrame *f = &d->frame;
  uint32_t width = f->pixels ? f->width : NOTHING_WIDTH, height = f->pixels ? f->height : NOTHING_HEIGHT;
  bool can_follow = !cl || cl->state != RFB_NORMAL || cl->useNewFBSize;
  if ((width != c->width || height != c->height) && can_follow)
    resize (c, cl, width, height);
  if (!c->pixels) {
    g_mutex_unlock (&d->frame_lock);
    return false;
  }
  if (width != c->shown_width || height != c->shown_height) {
    memset (c->pixels, 0, (size_t) c->width * c->height * sizeof *c->pixels);
    rfbMarkRectAsModified (c->screen, 0, 0, (int) c->width, (int) c->height);
    c->shown_width = width;
    c->shown_height = height;
    c->serial = 0;
  }
  if (f->pixels && c->serial != d->serial)
    for (uint32_t y = 0; y < MIN (height, c->height); y += BAND)
      copy_band (c, y, MIN (y + BAND, MIN (height, c->height)), MIN (width, c->width));
  c->serial = d->serial;
  g_mutex_unlock (&d->frame_lock);
  return fresh;
}
