/* gpu-resources.c -- virtio GPU device: resources, the guest's pages behind them, transfers from there (VIRTIO 1.2, 5.7.6.8). */
/* SPDX-License-Identifier: MIT */
#include "gpu.h"

enum { OVERHEAD = 256 };        /* bytes that a resource takes beside its pixels and spans, roughly */

/* --- finding, making, freeing --------------------------------------------------------------- */

GpuResource *gpu_resource_find (const Gpu *g, uint32_t id) { return g_tree_lookup (g->resources, GUINT_TO_POINTER (id)); }

static gint
by_id (gconstpointer a, gconstpointer b, gpointer user)
{
  guint m = GPOINTER_TO_UINT (a), n = GPOINTER_TO_UINT (b);
  return m < n ? -1 : m > n;
}

static void
resource_free (gpointer resource)
{
  GpuResource *r = resource;
  g_free (r->pixels);
  g_free (r->backing);
  g_free (r);
}

void gpu_resources_init (Gpu *g) { g->resources = g_tree_new_full (by_id, NULL, NULL, resource_free); }

void
gpu_resources_finish (Gpu *g)
{
  g_clear_pointer (&g->resources, g_tree_destroy);
  g->used = 0;
}

void
gpu_resources_clear (Gpu *g)
{
  gpu_resources_finish (g);
  gpu_resources_init (g);
}

GpuResource *
gpu_resource_new (Gpu *g, uint32_t id, uint32_t format, uint32_t width, uint32_t height, uint32_t *answer)
{
  uint64_t n = (uint64_t) width * height, room = g->memory - g->used;
  *answer = !id || gpu_resource_find (g, id) ? GPU_NO_RESOURCE : !n || !gpu_format_exists (format) ? GPU_BAD_PARAMETER : GPU_OUT_OF_MEMORY;
  if (*answer != GPU_OUT_OF_MEMORY || room < OVERHEAD || n > (room - OVERHEAD) / GPU_PIXEL)
    return NULL;
  uint8_t *pixels = g_try_malloc0 (n * GPU_PIXEL);
  if (!pixels)
    return NULL;
  GpuResource *r = g_new (GpuResource, 1);
  *r = (GpuResource) { .id = id, .format = format, .width = width, .height = height, .pixels = pixels };
  g_tree_insert (g->resources, GUINT_TO_POINTER (id), r);
  g->used += OVERHEAD + n * GPU_PIXEL;
  *answer = GPU_OK;
  return r;
}

/* RESOURCE_CREATE_2D: id, format, width, height */
uint32_t
gpu_create (Gpu *g, const uint32_t *body)
{
  uint32_t answer;
  gpu_resource_new (g, body[0], body[1], body[2], body[3], &answer);
  return answer;
}

static void
drop_backing (Gpu *g, GpuResource *r)
{
  g->used -= (uint64_t) r->n_spans * sizeof *r->backing;
  g_clear_pointer (&r->backing, g_free);
  r->n_spans = 0;
}

/* RESOURCE_UNREF: id */
uint32_t
gpu_unref (Gpu *g, const uint32_t *body)
{
  GpuResource *r = gpu_resource_find (g, body[0]);
  if (!r)
    return GPU_NO_RESOURCE;
  gpu_heads_forget (g, r->id);
  drop_backing (g, r);
  g->used -= OVERHEAD + gpu_resource_size (r);
  g_tree_remove (g->resources, GUINT_TO_POINTER (r->id));
  return GPU_OK;
}

/* --- backing ------------------------------------------------------------------------------------- */

bool
gpu_backing_new (Gpu *g, GpuResource *r, uint32_t n_spans)
{
  if (n_spans > (g->memory - g->used) / sizeof *r->backing)
    return false;
  r->backing = g_try_malloc (MAX (n_spans, 1) * sizeof *r->backing);
  if (!r->backing)
    return false;
  r->n_spans = n_spans;
  g->used += (uint64_t) n_spans * sizeof *r->backing;
  return true;
}

/* A memory entry is as large as a span: address, length in 32 bits, and as many of padding. */
bool
gpu_backing_measure (GpuResource *r)
{
  uint64_t all = 0;
  for (uint32_t i = 0; i < r->n_spans; i++) {
    uint64_t address = GUINT64_FROM_LE (r->backing[i].address), length = (uint32_t) GUINT64_FROM_LE (r->backing[i].end);
    if (address + length < address)
      return false;
    all += length;
    r->backing[i] = (GpuSpan) { address, all };
  }
  return true;
}

/* RESOURCE_ATTACH_BACKING: id, number of entries; the entries are behind it */
uint32_t
gpu_attach (Gpu *g, const uint32_t *body, const BpVirtioBuffer *b, uint64_t entries_at)
{
  GpuResource *r = gpu_resource_find (g, body[0]);
  uint32_t n = body[1];
  if (!r)
    return GPU_NO_RESOURCE;
  if (r->backing)
    return GPU_UNSPECIFIED;
  if (n > (b->out_size - entries_at) / sizeof (GpuSpan))
    return GPU_BAD_PARAMETER;
  if (!gpu_backing_new (g, r, n))
    return GPU_OUT_OF_MEMORY;
  g->moved += bp_virtio_read (b, entries_at, r->backing, (size_t) n * sizeof (GpuSpan));
  if (gpu_backing_measure (r))
    return GPU_OK;
  drop_backing (g, r);
  return GPU_BAD_PARAMETER;
}

/* RESOURCE_DETACH_BACKING: id */
uint32_t
gpu_detach (Gpu *g, const uint32_t *body)
{
  GpuResource *r = gpu_resource_find (g, body[0]);
  if (!r)
    return GPU_NO_RESOURCE;
  if (!r->backing)
    return GPU_UNSPECIFIED;
  drop_backing (g, r);
  return GPU_OK;
}

/* --- transfers --------------------------------------------------------------------------------------- */

/* Only RAM: a driver must not make the device touch the registers of others, or its own. */
static bool
read_guest (BpAddressSpace *as, uint64_t address, uint8_t *to, uint64_t size)
{
  for (uint64_t part; size; address += part, to += part, size -= part) {
    const BpFlatRange *range = bp_as_lookup (as, address);
    if (!range)
      return false;
    uint64_t inside = address - range->address;
    const uint8_t *from = range->host;
    part = range->size ? MIN (size, range->size - inside) : size;
    if (from)
      memcpy (to, from + inside, part);
    bp_as_leave (as);
    if (!from)
      return false;
  }
  return true;
}

static uint32_t
first_behind (const GpuResource *r, uint64_t offset)
{
  uint32_t low = 0, high = r->n_spans;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (r->backing[middle].end <= offset)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* Of the backing, which has as much. */
static bool
read_backing (const Gpu *g, const GpuResource *r, uint64_t offset, uint8_t *to, uint64_t size)
{
  BpAddressSpace *as = gpu_bus (g)->dma (g->bus.instance, g->device);
  for (uint32_t i = first_behind (r, offset); size; i++) {
    uint64_t start = i ? r->backing[i - 1].end : 0, part = MIN (size, r->backing[i].end - offset);
    if (!read_guest (as, r->backing[i].address + (offset - start), to, part))
      return false;
    offset += part;
    to += part;
    size -= part;
  }
  return true;
}

/* Rows lie as far from each other in the backing as they do in the resource. */
static bool
copy_rows (Gpu *g, const GpuResource *r, const GpuRect *rect, uint64_t offset)
{
  uint64_t pitch = (uint64_t) r->width * GPU_PIXEL, bytes = (uint64_t) rect->width * GPU_PIXEL, rows = rect->height;
  uint8_t *to = r->pixels + rect->y * pitch + (uint64_t) rect->x * GPU_PIXEL;
  g->moved += bytes * rows;
  if (bytes == pitch) {
    bytes *= rows;
    rows = 1;
  }
  for (uint64_t i = 0; i < rows; i++)
    if (!read_backing (g, r, offset + i * pitch, to + i * pitch, bytes))
      return false;
  return true;
}

/* TRANSFER_TO_HOST_2D: rectangle, offset of its first pixel in the backing (64 bits), id */
uint32_t
gpu_transfer (Gpu *g, const uint32_t *body)
{
  const GpuRect rect = { body[0], body[1], body[2], body[3] };
  uint64_t offset = body[4] | (uint64_t) body[5] << 32;
  const GpuResource *r = gpu_resource_find (g, body[6]);
  if (!r)
    return GPU_NO_RESOURCE;
  if (!r->backing)
    return GPU_UNSPECIFIED;
  if (!gpu_rect_is_within (&rect, r->width, r->height))
    return GPU_BAD_PARAMETER;
  if (!rect.width || !rect.height)
    return GPU_OK;
  uint64_t all = r->n_spans ? r->backing[r->n_spans - 1].end : 0;
  uint64_t needed = ((uint64_t) (rect.height - 1) * r->width + rect.width) * GPU_PIXEL;
  if (offset > all || needed > all - offset)
    return GPU_BAD_PARAMETER;
  return copy_rows (g, r, &rect, offset) ? GPU_OK : GPU_UNSPECIFIED;
}
