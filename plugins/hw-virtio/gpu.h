/* gpu.h -- the parts of the virtio GPU device: commands, resources, pixels, heads, what is saved. */
/* SPDX-License-Identifier: MIT */
/*
 * A resource is a picture in host memory.  The driver copies rectangles into it from pages of its own that it has attached (backing), lets a head show a
 * rectangle of it, and flushes what shall be seen.
 *   gpu.c             queues, commands, configuration, life     gpu-resources.c   resources, their backing, transfers
 *   gpu-screen.c      heads, cursors: bp.screen/1               gpu-pixels.c      formats -> pixels of a screen
 *   gpu-state.c       resources and cursors, saved
 */
#ifndef HW_VIRTIO_GPU_H
#define HW_VIRTIO_GPU_H

#include <backplane/bus/virtio.h>
#include <backplane/iface/screen.h>

enum { GPU_HEADS = 16, GPU_CURSOR = 64, GPU_CURSOR_PIXELS = GPU_CURSOR * GPU_CURSOR };
enum { GPU_WANTED_LEAST = 64, GPU_WANTED_MOST = 4095 };         /* of a monitor's picture: what EDID can say */
enum { GPU_SHOWN_MOST = 16384 };        /* of a scanout, across or down: VNC has 16 bits for it */
enum { GPU_PIXEL = 4 };                 /* bytes */

enum {                                  /* types of answers (VIRTIO 1.2, 5.7.6.7) */
  GPU_OK = 0x1100, GPU_OK_DISPLAY_INFO = 0x1101, GPU_OK_EDID = 0x1104,
  GPU_UNSPECIFIED = 0x1200, GPU_OUT_OF_MEMORY, GPU_NO_SCANOUT, GPU_NO_RESOURCE, GPU_NO_CONTEXT, GPU_BAD_PARAMETER
};

typedef struct GpuRect {
  uint32_t x, y, width, height;
} GpuRect;

typedef struct GpuSpan {        /* of guest memory */
  uint64_t address;
  uint64_t end;                 /* behind its last byte, counted from the backing's first one */
} GpuSpan;

typedef struct GpuResource {
  uint32_t id, format, width, height;
  uint8_t *pixels;              /* as the format has them, row behind row */
  GpuSpan *backing;             /* NULL: none */
  uint32_t n_spans;
} GpuResource;

typedef struct GpuHead {
  /* saved */
  uint32_t resource;            /* that it shows; 0: none */
  GpuRect shown;                /* of the resource */
  uint32_t wanted_width, wanted_height;         /* what its monitor likes best */
  uint32_t cursor_x, cursor_y;  /* of the cursor's first pixel; may be negative */
  /* saved with the resources */
  uint32_t *cursor;             /* GPU_CURSOR_PIXELS: ARGB, multiplied by A; NULL: none */
  /* derived */
  uint64_t *row_serial;         /* of each row shown: when it changed last */
} GpuHead;

typedef struct Gpu {
  /* saved */
  uint32_t events;              /* for the driver; 1: a monitor's wish has changed */
  GpuHead heads[GPU_HEADS];
  BpStateBuffer saved;          /* resources and cursors, while they are saved or loaded */
  /* wiring */
  BpLink bus;
  char *address;
  uint64_t memory;              /* bytes that resources may take */
  uint32_t n_heads, width, height;
  BpVirtioDevice *device;
  bool deterministic;
  /* derived */
  GTree *resources;             /* of GpuResource, by id */
  uint64_t used;                /* of `memory' */
  uint64_t serial;              /* of the last change of a picture */
  uint64_t moved;               /* bytes copied in this turn */
  bool resumes;
} Gpu;

static inline const BpVirtioBusIface *gpu_bus (const Gpu *g) { return g->bus.table; }
/* Whether there is a driver. */
static inline bool gpu_is_on (const Gpu *g) { return gpu_bus (g)->features (g->bus.instance, g->device) != 0; }
static inline bool
gpu_rect_is_within (const GpuRect *r, uint32_t width, uint32_t height)
{
  return r->x <= width && r->width <= width - r->x && r->y <= height && r->height <= height - r->y;
}

/* --- gpu-resources.c: commands answer with a type; body: the words behind the header [locked] --- */
GpuResource *gpu_resource_find (const Gpu *g, uint32_t id);     /* NULL: none */
/* Adds one, of zeros; NULL, and *answer: there cannot be such a one. */
GpuResource *gpu_resource_new (Gpu *g, uint32_t id, uint32_t format, uint32_t width, uint32_t height, uint32_t *answer);
/* Room for a backing of so many spans; false: beyond what resources may take, or there is no memory. */
bool gpu_backing_new (Gpu *g, GpuResource *r, uint32_t n_spans);
/* From addresses and lengths, as they are in memory entries, to spans; false: a length that goes beyond the end of the address space. */
bool gpu_backing_measure (GpuResource *r);
static inline size_t gpu_resource_size (const GpuResource *r) { return (size_t) r->width * r->height * GPU_PIXEL; }
uint32_t gpu_create (Gpu *g, const uint32_t *body);
uint32_t gpu_unref (Gpu *g, const uint32_t *body);
uint32_t gpu_attach (Gpu *g, const uint32_t *body, const BpVirtioBuffer *b, uint64_t entries_at);
uint32_t gpu_detach (Gpu *g, const uint32_t *body);
uint32_t gpu_transfer (Gpu *g, const uint32_t *body);
void gpu_resources_init (Gpu *g);
void gpu_resources_clear (Gpu *g);
void gpu_resources_finish (Gpu *g);

/* --- gpu-pixels.c --- */
bool gpu_format_exists (uint32_t format);
/* n pixels of a format as ARGB; of one without alpha A is what is in its place. */
void gpu_pixels_read (uint32_t format, const uint8_t *from, uint32_t *to, size_t n);
/* One row of a cursor over a row of a picture: what is left of its first pixel is `x', which may be negative. */
void gpu_pixels_blend (uint32_t *row, uint32_t width, const uint32_t *cursor, int64_t x);

/* --- gpu-screen.c [locked] --- */
extern const BpScreenIface gpu_screen_iface;
uint32_t gpu_set_scanout (Gpu *g, const uint32_t *body);
uint32_t gpu_flush (Gpu *g, const uint32_t *body);
uint32_t gpu_update_cursor (Gpu *g, const uint32_t *body);
uint32_t gpu_move_cursor (Gpu *g, const uint32_t *body);
void gpu_heads_forget (Gpu *g, uint32_t resource);      /* those that show it show nothing */
void gpu_heads_clear (Gpu *g);
bool gpu_heads_loaded (Gpu *g); /* false: they show what cannot be */

/* --- gpu-state.c [locked] --- */
bool gpu_state_fill (const void *gpu);  /* asked before it is saved: fills `saved', without data when there is no memory.  Always true */
bool gpu_state_load (Gpu *g, GError **error);
void gpu_state_release (Gpu *g);        /* what was saved or loaded is needed no more */

#endif
