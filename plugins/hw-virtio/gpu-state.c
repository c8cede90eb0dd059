/* gpu-state.c -- virtio GPU device: resources with what is in them and behind them, and cursors, as bytes. */
/* SPDX-License-Identifier: MIT */
#include "gpu.h"

enum { FORMAT = 1, RESOURCE_WORDS = 5, NO_BACKING = 0xffffffff };
enum { ENTRY = 12 };            /* bytes of a span: address and length */

/* --- saving --------------------------------------------------------------------------------------- */

typedef struct Writer {
  uint8_t *at;                  /* NULL: nothing is written yet, only counted */
  uint64_t size;
} Writer;

static void
put_bytes (Writer *w, const void *bytes, size_t size)
{
  if (w->at)
    memcpy (w->at + w->size, bytes, size);
  w->size += size;
}

static void
put (Writer *w, uint64_t value, unsigned size)
{
  uint64_t le = GUINT64_TO_LE (value);
  put_bytes (w, &le, size);
}

static gboolean
put_resource (gpointer key, gpointer resource, gpointer user)
{
  const GpuResource *r = resource;
  Writer *w = user;
  const uint32_t words[RESOURCE_WORDS] = { r->id, r->format, r->width, r->height, r->backing ? r->n_spans : NO_BACKING };
  for (unsigned i = 0; i < RESOURCE_WORDS; i++)
    put (w, words[i], 4);
  put_bytes (w, r->pixels, gpu_resource_size (r));
  for (uint32_t i = 0; i < r->n_spans; i++) {
    put (w, r->backing[i].address, 8);
    put (w, r->backing[i].end - (i ? r->backing[i - 1].end : 0), 4);
  }
  return FALSE;
}

static void
put_cursors (const Gpu *g, Writer *w)
{
  for (unsigned i = 0; i < GPU_HEADS; i++) {
    put (w, g->heads[i].cursor != NULL, 1);
    for (unsigned p = 0; g->heads[i].cursor && p < GPU_CURSOR_PIXELS; p++)
      put (w, g->heads[i].cursor[p], 4);
  }
}

static void
put_all (const Gpu *g, Writer *w)
{
  put (w, FORMAT, 4);
  put (w, (uint64_t) g_tree_nnodes (g->resources), 4);
  g_tree_foreach (g->resources, put_resource, w);
  put_cursors (g, w);
}

bool
gpu_state_fill (const void *gpu)
{
  Gpu *g = (Gpu *) gpu;
  Writer count = { NULL, 0 };
  put_all (g, &count);
  g_free (g->saved.data);
  Writer all = { g_try_malloc (count.size), 0 };
  if (all.at)                   /* else nothing is saved: who saves is told */
    put_all (g, &all);
  g->saved = (BpStateBuffer) { all.at, all.size };
  return true;
}

void
gpu_state_release (Gpu *g)
{
  g_free (g->saved.data);
  g->saved = (BpStateBuffer) { NULL, 0 };
}

/* --- loading ----------------------------------------------------------------------------------------- */

typedef struct Reader {
  const uint8_t *at, *end;
  const char *wrong;            /* NULL: nothing */
} Reader;

static void
refuse (Reader *r, const char *why)
{
  r->wrong = r->wrong ? r->wrong : why;
}

/* false: there are not as many. */
static bool
get_bytes (Reader *r, void *bytes, size_t size)
{
  if ((size_t) (r->end - r->at) < size) {
    refuse (r, "it ends too early");
    r->at = r->end;
    return false;
  }
  memcpy (bytes, r->at, size);
  r->at += size;
  return true;
}

static uint64_t
get (Reader *r, unsigned size)
{
  uint64_t le = 0;
  get_bytes (r, &le, size);
  return GUINT64_FROM_LE (le);
}

static void
get_backing (Gpu *g, Reader *in, GpuResource *r, uint32_t n)
{
  if (n > (size_t) (in->end - in->at) / ENTRY) {
    refuse (in, "it ends too early");
    return;
  }
  if (!gpu_backing_new (g, r, n)) {
    refuse (in, "its resources take more memory than they may here (property memory), or than there is");
    return;
  }
  for (uint32_t i = 0; i < n; i++) {
    uint64_t address = get (in, 8);
    r->backing[i] = (GpuSpan) { GUINT64_TO_LE (address), GUINT64_TO_LE (get (in, 4)) };
  }
  if (!gpu_backing_measure (r))
    refuse (in, "a resource lies beyond all memory");
}

static void
get_resource (Gpu *g, Reader *in)
{
  uint32_t words[RESOURCE_WORDS], answer;
  for (unsigned i = 0; i < RESOURCE_WORDS; i++)
    words[i] = (uint32_t) get (in, 4);
  if (in->wrong)
    return;
  GpuResource *r = gpu_resource_new (g, words[0], words[1], words[2], words[3], &answer);
  if (!r)
    refuse (in, answer == GPU_OUT_OF_MEMORY ? "its resources take more memory than they may here (property memory), or than there is" : "a resource is impossible");
  else if (get_bytes (in, r->pixels, gpu_resource_size (r)) && words[4] != NO_BACKING)
    get_backing (g, in, r, words[4]);
}

static void
get_cursor (GpuHead *h, Reader *in)
{
  g_clear_pointer (&h->cursor, g_free);
  if (!get (in, 1))
    return;
  h->cursor = g_new0 (uint32_t, GPU_CURSOR_PIXELS);
  for (unsigned i = 0; i < GPU_CURSOR_PIXELS; i++)
    h->cursor[i] = (uint32_t) get (in, 4);
}

bool
gpu_state_load (Gpu *g, GError **error)
{
  Reader in = { g->saved.data, (const uint8_t *) g->saved.data + g->saved.size, NULL };
  gpu_resources_clear (g);
  if (get (&in, 4) != FORMAT)
    refuse (&in, "it is of another version");
  uint32_t n = (uint32_t) get (&in, 4);
  for (uint32_t i = 0; i < n && !in.wrong; i++)
    get_resource (g, &in);
  for (unsigned i = 0; i < GPU_HEADS && !in.wrong; i++)
    get_cursor (&g->heads[i], &in);
  if (in.at != in.end)
    refuse (&in, "there is more than belongs to it");
  if (!gpu_heads_loaded (g))
    refuse (&in, "a head shows what cannot be");
  gpu_state_release (g);
  if (in.wrong)
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the saved state of the GPU cannot be loaded: %s", in.wrong);
  return !in.wrong;
}
