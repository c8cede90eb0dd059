/* gpu-screen.c -- virtio GPU device: what its heads show, cursors included, and which rows changed since whom: bp.screen/1. */
/* SPDX-License-Identifier: MIT */
#include "gpu.h"

/* --- what changes ------------------------------------------------------------------------------- */

/* Rows of what a head shows; what is outside of that is left out. */
static void
rows_changed (Gpu *g, const GpuHead *h, int64_t first, int64_t end)
{
  first = MAX (first, 0);
  end = MIN (end, h->resource ? h->shown.height : 0);
  if (first >= end)
    return;
  g->serial++;
  for (int64_t y = first; y < end; y++)
    h->row_serial[y] = g->serial;
}

static void
cursor_changed (Gpu *g, const GpuHead *h)
{
  int64_t y = (int32_t) h->cursor_y;
  if (h->cursor)
    rows_changed (g, h, y, y + GPU_CURSOR);
}

static void
show (Gpu *g, GpuHead *h, uint32_t resource, const GpuRect *shown)
{
  h->resource = resource;
  h->shown = *shown;
  h->row_serial = g_renew (uint64_t, h->row_serial, shown->height);
  rows_changed (g, h, 0, shown->height);
}

static void
show_nothing (GpuHead *h)
{
  h->resource = 0;
  h->shown = (GpuRect) { 0 };
  g_clear_pointer (&h->row_serial, g_free);
}

/* --- commands ---------------------------------------------------------------------------------------- */

static bool
can_show (const GpuResource *r, const GpuRect *rect)
{
  return rect->width && rect->height && rect->width <= GPU_SHOWN_MOST && rect->height <= GPU_SHOWN_MOST && gpu_rect_is_within (rect, r->width, r->height);
}

/* SET_SCANOUT: rectangle, scanout, resource */
uint32_t
gpu_set_scanout (Gpu *g, const uint32_t *body)
{
  const GpuRect rect = { body[0], body[1], body[2], body[3] };
  if (body[4] >= g->n_heads)
    return GPU_NO_SCANOUT;
  GpuHead *h = &g->heads[body[4]];
  if (!body[5]) {
    show_nothing (h);
    return GPU_OK;
  }
  const GpuResource *r = gpu_resource_find (g, body[5]);
  if (!r)
    return GPU_NO_RESOURCE;
  if (!can_show (r, &rect))
    return GPU_BAD_PARAMETER;
  show (g, h, r->id, &rect);
  return GPU_OK;
}

/* RESOURCE_FLUSH: rectangle, resource */
uint32_t
gpu_flush (Gpu *g, const uint32_t *body)
{
  const GpuRect rect = { body[0], body[1], body[2], body[3] };
  const GpuResource *r = gpu_resource_find (g, body[4]);
  if (!r)
    return GPU_NO_RESOURCE;
  if (!gpu_rect_is_within (&rect, r->width, r->height))
    return GPU_BAD_PARAMETER;
  for (unsigned i = 0; i < g->n_heads; i++) {
    const GpuHead *h = &g->heads[i];
    bool beside = rect.x >= (uint64_t) h->shown.x + h->shown.width || h->shown.x >= (uint64_t) rect.x + rect.width;
    if (h->resource == r->id && !beside)
      rows_changed (g, h, (int64_t) rect.y - h->shown.y, (int64_t) rect.y + rect.height - h->shown.y);
  }
  return GPU_OK;
}

/* MOVE_CURSOR: scanout, x, y */
uint32_t
gpu_move_cursor (Gpu *g, const uint32_t *body)
{
  if (body[0] >= g->n_heads)
    return GPU_NO_SCANOUT;
  GpuHead *h = &g->heads[body[0]];
  cursor_changed (g, h);
  h->cursor_x = body[1];
  h->cursor_y = body[2];
  cursor_changed (g, h);
  return GPU_OK;
}

/* UPDATE_CURSOR: scanout, x, y, padding, resource, and which pixel points, for displays that draw cursors themselves.  The cursor stays as the resource is now. */
uint32_t
gpu_update_cursor (Gpu *g, const uint32_t *body)
{
  if (body[0] >= g->n_heads)
    return GPU_NO_SCANOUT;
  GpuHead *h = &g->heads[body[0]];
  const GpuResource *r = gpu_resource_find (g, body[4]);
  if (body[4] && !r)
    return GPU_NO_RESOURCE;
  if (r && (r->width != GPU_CURSOR || r->height != GPU_CURSOR))
    return GPU_BAD_PARAMETER;
  cursor_changed (g, h);
  if (r) {
    h->cursor = g_renew (uint32_t, h->cursor, GPU_CURSOR_PIXELS);
    gpu_pixels_read (r->format, r->pixels, h->cursor, GPU_CURSOR_PIXELS);
  } else {
    g_clear_pointer (&h->cursor, g_free);
  }
  h->cursor_x = body[1];
  h->cursor_y = body[2];
  cursor_changed (g, h);
  return GPU_OK;
}

/* --- resources that go, states that come ------------------------------------------------------------------ */

void
gpu_heads_forget (Gpu *g, uint32_t resource)
{
  for (unsigned i = 0; i < g->n_heads; i++)
    if (g->heads[i].resource == resource)
      show_nothing (&g->heads[i]);
}

void
gpu_heads_clear (Gpu *g)
{
  for (unsigned i = 0; i < GPU_HEADS; i++) {
    GpuHead *h = &g->heads[i];
    show_nothing (h);
    g_clear_pointer (&h->cursor, g_free);
    h->cursor_x = h->cursor_y = 0;
  }
}

static bool
is_wanted (uint32_t width, uint32_t height)
{
  return width >= GPU_WANTED_LEAST && width <= GPU_WANTED_MOST && height >= GPU_WANTED_LEAST && height <= GPU_WANTED_MOST;
}

bool
gpu_heads_loaded (Gpu *g)
{
  bool fine = true;
  for (unsigned i = 0; i < GPU_HEADS; i++) {
    GpuHead *h = &g->heads[i];
    const GpuRect rect = h->shown;
    const GpuResource *r = h->resource ? gpu_resource_find (g, h->resource) : NULL;
    bool possible = is_wanted (h->wanted_width, h->wanted_height) && (h->resource ? i < g->n_heads && r && can_show (r, &rect) : !h->cursor || i < g->n_heads);
    if (possible && r)
      show (g, h, r->id, &rect);
    else
      show_nothing (h);
    fine &= possible;
  }
  return fine;
}

/* --- for askers --------------------------------------------------------------------------------------------- */

static void
draw_row (const GpuHead *h, const GpuResource *r, uint32_t y, uint32_t *row)
{
  size_t first = (size_t) (h->shown.y + y) * r->width + h->shown.x;
  int64_t line = (int64_t) y - (int32_t) h->cursor_y;
  gpu_pixels_read (r->format, r->pixels + first * GPU_PIXEL, row, h->shown.width);
  if (h->cursor && line >= 0 && line < GPU_CURSOR)
    gpu_pixels_blend (row, h->shown.width, h->cursor + line * GPU_CURSOR, (int32_t) h->cursor_x);
  for (uint32_t x = 0; x < h->shown.width; x++)
    row[x] &= 0xffffff;
}

static void
resize (BpScreenFrame *f, uint32_t width, uint32_t height)
{
  g_free (f->pixels);
  f->pixels = width ? g_try_new0 (uint32_t, (size_t) width * height) : NULL;
  f->width = f->pixels ? width : 0;     /* without memory there is no picture this time */
  f->height = f->pixels ? height : 0;
  f->resized = true;
}

static void
update_head (void *self, uint32_t head, BpScreenFrame *f)
{
  const Gpu *g = self;
  const GpuHead *h = &g->heads[head];
  const GpuResource *r = h->resource ? gpu_resource_find (g, h->resource) : NULL;
  uint32_t width = r ? h->shown.width : 0, height = r ? h->shown.height : 0;
  uint64_t since = f->serial;
  f->resized = false;
  f->first_row = f->end_row = 0;
  if (f->width != width || f->height != height) {
    resize (f, width, height);
    since = 0;
  }
  f->serial = g->serial;
  for (uint32_t y = 0; y < f->height; y++) {
    if (h->row_serial[y] <= since)
      continue;
    draw_row (h, r, y, f->pixels + (size_t) y * width);
    if (!f->end_row)
      f->first_row = y;
    f->end_row = y + 1;
  }
}

static void update (void *self, BpScreenFrame *f) { update_head (self, 0, f); }
static bool text (void *self, BpScreenText *t) { return false; }
static uint32_t heads (void *self) { return ((const Gpu *) self)->n_heads; }

/* A driver that is not there yet asks when it comes. */
static bool
want_size (void *self, uint32_t head, uint32_t width, uint32_t height)
{
  enum { EVENT_DISPLAY = 1 };
  Gpu *g = self;
  if (head >= g->n_heads || !is_wanted (width, height))
    return false;
  GpuHead *h = &g->heads[head];
  if (h->wanted_width == width && h->wanted_height == height)
    return true;
  h->wanted_width = width;
  h->wanted_height = height;
  if (gpu_is_on (g)) {
    g->events |= EVENT_DISPLAY;
    gpu_bus (g)->config_changed (g->bus.instance, g->device);
  }
  return true;
}

const BpScreenIface gpu_screen_iface = {
  .struct_size = sizeof (BpScreenIface), .update = update, .text = text, .heads = heads, .update_head = update_head, .want_size = want_size
};
