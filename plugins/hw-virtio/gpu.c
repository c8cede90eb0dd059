/* gpu.c -- virtio GPU device (VIRTIO 1.2, 5.7), 2D: queues, commands, configuration, life. */
/* SPDX-License-Identifier: MIT */
#include "gpu.h"
#include <backplane/clock.h>
#include <backplane/log.h>
#include <backplane/loop.h>

/* --- what the driver sees ----------------------------------------------------------------------- */

enum { DEVICE_ID = 16, CONTROL = 0, CURSOR = 1, CONTROL_SIZE = 256, CURSOR_SIZE = 16, FEATURE_EDID = 1 << 1 };
enum { CONFIG_EVENTS_CLEAR = 4, CONFIG_SIZE = 16 };
enum { HEADER_WORDS = 6, BODY_WORDS = 8, EDID_ROOM = 1024, ANSWER_WORDS = HEADER_WORDS + 2 + EDID_ROOM / 4, FLAG_FENCE = 1 };
#define TURN_BYTES (UINT64_C (64) << 20)        /* copied before others have their turn */

typedef struct Command {
  uint32_t type, flags, fence[2], context, ring;
  uint32_t body[BODY_WORDS];
} Command;

typedef struct Answer {
  uint32_t words[ANSWER_WORDS]; /* the header is the first six, and is filled in at last */
  unsigned n;
} Answer;

/* --- commands that ask -------------------------------------------------------------------------------- */

/* GET_DISPLAY_INFO.  Monitors stand side by side. */
static uint32_t
display_info (const Gpu *g, Answer *a)
{
  uint32_t *w = a->words + HEADER_WORDS, x = 0;
  for (unsigned i = 0; i < GPU_HEADS; i++, w += 6) {
    const GpuHead *h = &g->heads[i];
    if (i >= g->n_heads)
      continue;
    w[0] = x;
    w[2] = h->wanted_width;
    w[3] = h->wanted_height;
    w[4] = 1;                   /* it is plugged in */
    x += h->wanted_width;
  }
  a->n = HEADER_WORDS + 6 * GPU_HEADS;
  return GPU_OK_DISPLAY_INFO;
}

/* GET_EDID: scanout */
static uint32_t
edid (const Gpu *g, const uint32_t *body, Answer *a)
{
  uint8_t bytes[BP_SCREEN_EDID_SIZE];
  if (!(gpu_bus (g)->features (g->bus.instance, g->device) & FEATURE_EDID))
    return GPU_UNSPECIFIED;
  if (body[0] >= g->n_heads)
    return GPU_NO_SCANOUT;
  bp_screen_edid (bytes, g->heads[body[0]].wanted_width, g->heads[body[0]].wanted_height, body[0]);
  a->words[HEADER_WORDS] = sizeof bytes;
  for (unsigned i = 0; i < sizeof bytes; i++)
    a->words[HEADER_WORDS + 2 + i / 4] |= (uint32_t) bytes[i] << i % 4 * 8;
  a->n = ANSWER_WORDS;
  return GPU_OK_EDID;
}

/* --- commands ------------------------------------------------------------------------------------------- */

enum {                          /* 5.7.6.7 */
  GET_DISPLAY_INFO = 0x100, RESOURCE_CREATE_2D, RESOURCE_UNREF, SET_SCANOUT, RESOURCE_FLUSH, TRANSFER_TO_HOST_2D, RESOURCE_ATTACH_BACKING,
  RESOURCE_DETACH_BACKING, GET_EDID = 0x10a, UPDATE_CURSOR = 0x300, MOVE_CURSOR
};

static const struct {
  uint16_t type;
  uint8_t queue, words;         /* words: of its body */
} known[] = {
  { GET_DISPLAY_INFO, CONTROL, 0 },    { RESOURCE_CREATE_2D, CONTROL, 4 },  { RESOURCE_UNREF, CONTROL, 2 },          { SET_SCANOUT, CONTROL, 6 },
  { RESOURCE_FLUSH, CONTROL, 6 },      { TRANSFER_TO_HOST_2D, CONTROL, 8 }, { RESOURCE_ATTACH_BACKING, CONTROL, 2 }, { RESOURCE_DETACH_BACKING, CONTROL, 2 },
  { GET_EDID, CONTROL, 2 },            { UPDATE_CURSOR, CURSOR, 8 },        { MOVE_CURSOR, CURSOR, 8 },
};

/* What it is answered before anything of it is looked at. */
static uint32_t
check (const Command *c, unsigned queue, unsigned body_words)
{
  for (unsigned i = 0; i < BP_N_ELEMENTS (known); i++)
    if (known[i].type == c->type && known[i].queue == queue)
      return body_words < known[i].words ? GPU_BAD_PARAMETER : GPU_OK;
  return GPU_UNSPECIFIED;
}

static uint32_t
run (Gpu *g, const Command *c, const BpVirtioBuffer *b, Answer *a)
{
  const uint32_t *body = c->body;
  switch (c->type) {
  case GET_DISPLAY_INFO: return display_info (g, a);
  case RESOURCE_CREATE_2D: return gpu_create (g, body);
  case RESOURCE_UNREF: return gpu_unref (g, body);
  case SET_SCANOUT: return gpu_set_scanout (g, body);
  case RESOURCE_FLUSH: return gpu_flush (g, body);
  case TRANSFER_TO_HOST_2D: return gpu_transfer (g, body);
  case RESOURCE_ATTACH_BACKING: return gpu_attach (g, body, b, (HEADER_WORDS + 2) * sizeof *body);
  case RESOURCE_DETACH_BACKING: return gpu_detach (g, body);
  case GET_EDID: return edid (g, body, a);
  case UPDATE_CURSOR: return gpu_update_cursor (g, body);
  default: return gpu_move_cursor (g, body);
  }
}

/* Linux leaves no room for the answers of the cursor queue. */
static void
answer (Gpu *g, BpVirtioBuffer *b, const Command *c, Answer *a)
{
  if (a->words[0] >= GPU_UNSPECIFIED)
    bp_log_guest (g, "command 0x%x fails with 0x%x", c->type, a->words[0]);
  if (c->flags & FLAG_FENCE) {
    a->words[1] = FLAG_FENCE;
    a->words[2] = c->fence[0];
    a->words[3] = c->fence[1];
    a->words[4] = c->context;
  }
  for (unsigned i = 0; i < a->n; i++)
    a->words[i] = GUINT32_TO_LE (a->words[i]);
  bp_virtio_push (&g->bus, g->device, b, (uint32_t) bp_virtio_write (b, 0, a->words, a->n * sizeof *a->words));
}

static void
serve_one (Gpu *g, unsigned queue, BpVirtioBuffer *b)
{
  union { Command c; uint32_t words[HEADER_WORDS + BODY_WORDS]; } in = { 0 };
  Answer a = { .n = HEADER_WORDS };
  unsigned n = (unsigned) (bp_virtio_read (b, 0, &in, sizeof in) / sizeof *in.words);
  if (n < HEADER_WORDS) {
    gpu_bus (g)->broken (g->bus.instance, g->device, "a command without a whole header");
    bp_virtio_push (&g->bus, g->device, b, 0);
    return;
  }
  for (unsigned i = 0; i < n; i++)
    in.words[i] = GUINT32_FROM_LE (in.words[i]);
  uint32_t type = check (&in.c, queue, n - HEADER_WORDS);
  a.words[0] = type == GPU_OK ? run (g, &in.c, b, &a) : type;
  answer (g, b, &in.c, &a);
}

/* --- queues --------------------------------------------------------------------------------------------- */

static void on_kick (void *self, unsigned queue);

static void
resume (void *user)
{
  Gpu *g = user;
  g->resumes = false;
  if (!g->device)
    return;
  on_kick (g, CURSOR);
  on_kick (g, CONTROL);
}

/* The main loop has more to do, however fast the guest draws; in deterministic mode all that it has asked for is done when the kick returns. */
static bool
turn_is_over (const Gpu *g, unsigned n)
{
  return !g->deterministic && (n == CONTROL_SIZE || g->moved >= TURN_BYTES);
}

static void
on_kick (void *self, unsigned queue)
{
  Gpu *g = self;
  BpMachine *machine = bp_object_machine (g);
  unsigned n = 0;
  gpu_state_release (g);
  g->moved = 0;
  for (BpVirtioBuffer *b; !turn_is_over (g, n) && (b = bp_virtio_pop (&g->bus, g->device, queue)); n++)
    serve_one (g, queue, b);
  if (n)
    bp_virtio_notify (&g->bus, g->device, queue);
  if (!turn_is_over (g, n) || g->resumes)
    return;
  g->resumes = true;
  bp_loop_post (bp_loop_main (machine), true, machine, resume, g);
}

/* --- configuration: events, events to clear, scanouts, capability sets ------------------------------------- */

static void
on_config_read (void *self, unsigned offset, uint8_t *bytes, unsigned size)
{
  const Gpu *g = self;
  const uint32_t config[CONFIG_SIZE / 4] = { GUINT32_TO_LE (g->events), 0, GUINT32_TO_LE (g->n_heads), 0 };
  memcpy (bytes, (const uint8_t *) config + offset, size);
}

static void
on_config_written (void *self, unsigned offset, const uint8_t *bytes, unsigned size)
{
  Gpu *g = self;
  for (unsigned i = 0; i < size; i++)
    if (offset + i >= CONFIG_EVENTS_CLEAR && offset + i < CONFIG_EVENTS_CLEAR + sizeof g->events)
      g->events &= ~((uint32_t) bytes[i] << (offset + i - CONFIG_EVENTS_CLEAR) * 8);
    else
      bp_log_guest (g, "a write at 0x%x of its configuration, where nothing can be written", offset + i);
}

static void
forget (Gpu *g)
{
  gpu_heads_clear (g);
  gpu_resources_clear (g);
  g->events = 0;
}

static void on_stop (void *self) { forget (self); }

/* A driver that comes finds nothing of the one before, even if that was loaded broken, and so never stopped. */
static bool
on_features (void *self, uint64_t features)
{
  forget (self);
  return true;
}

/* --- life cycle: realize, reset ------------------------------------------------------------------------------ */

static bool
gpu_realize (void *self, GError **error)
{
  static const uint16_t sizes[] = { CONTROL_SIZE, CURSOR_SIZE };
  Gpu *g = self;
  BpVirtioFunction f = { .struct_size = sizeof f, .device_id = DEVICE_ID, .n_queues = BP_N_ELEMENTS (sizes), .queue_sizes = sizes, .features = FEATURE_EDID,
                         .config_size = CONFIG_SIZE, .self = g, .config_read = on_config_read, .config_written = on_config_written,
                         .accept_features = on_features, .stop = on_stop, .kick = on_kick };
  g->deterministic = bp_machine_is_deterministic (bp_object_machine (g), NULL);
  gpu_resources_init (g);
  for (unsigned i = 0; i < GPU_HEADS; i++) {
    g->heads[i].wanted_width = g->width;
    g->heads[i].wanted_height = g->height;
  }
  g->device = gpu_bus (g)->add (g->bus.instance, g->address, &f, error);
  return g->device != NULL;
}

static void
gpu_unrealize (void *self)
{
  Gpu *g = self;
  if (g->device)
    gpu_bus (g)->remove (g->bus.instance, g->device);
  g->device = NULL;
  gpu_heads_clear (g);
  gpu_resources_finish (g);
  gpu_state_release (g);
}

/* What monitors like best is no state of the guest's. */
static void
gpu_reset (void *self, BpResetKind kind)
{
  Gpu *g = self;
  gpu_bus (g)->reset (g->bus.instance, g->device);
  gpu_state_release (g);
  forget (g);
}

static bool gpu_post_load (void *self, GError **error) { return gpu_state_load (self, error); }

/* --- tables: properties, saved fields, type -------------------------------------------------------------------- */

static const BpProperty gpu_properties[] = {
  BP_VIRTIO_DEVICE_PROPERTIES (Gpu, bus, address),
  BP_PROP_U32_RANGE ("heads", Gpu, n_heads, 1, 1, GPU_HEADS, "Monitors that are plugged in, each with a picture of its own."),
  BP_PROP_U32_RANGE ("width", Gpu, width, 1280, GPU_WANTED_LEAST, GPU_WANTED_MOST, "Pixels across that each monitor likes best, until a display asks for another size."),
  BP_PROP_U32_RANGE ("height", Gpu, height, 800, GPU_WANTED_LEAST, GPU_WANTED_MOST, "Lines that each monitor likes best."),
  BP_PROP_ ("memory", BP_PROPERTY_SIZE, Gpu, memory, .default_int = 256u << 20, .min = 1u << 20, .max = 2u << 30,
            .help = "Bytes of host memory that the guest may take for pictures and what belongs to them."),
  BP_PROP_END
};
static const BpStateField rect_state[] = {
  BP_STATE_FIELD_U32 (GpuRect, x), BP_STATE_FIELD_U32 (GpuRect, y), BP_STATE_FIELD_U32 (GpuRect, width), BP_STATE_FIELD_U32 (GpuRect, height), BP_STATE_END
};
static const BpStateField head_state[] = {
  BP_STATE_FIELD_U32 (GpuHead, resource), BP_STATE_FIELD_STRUCTS (GpuHead, shown, 1, rect_state), BP_STATE_FIELD_U32 (GpuHead, wanted_width),
  BP_STATE_FIELD_U32 (GpuHead, wanted_height), BP_STATE_FIELD_U32 (GpuHead, cursor_x), BP_STATE_FIELD_U32 (GpuHead, cursor_y), BP_STATE_END
};
static const BpStateField gpu_state[] = {
  BP_STATE_FIELD_U32 (Gpu, events), BP_STATE_FIELD_STRUCTS (Gpu, heads, GPU_HEADS, head_state), BP_STATE_ (BP_STATE_BLOB, Gpu, saved, 1, .needed = gpu_state_fill),
  BP_STATE_END
};
static const BpInterfaceDesc gpu_interfaces[] = { { BP_SCREEN_ID, &gpu_screen_iface }, { NULL, NULL } };

const BpTypeDesc virtio_gpu_type = {
  BP_TYPE ("virtio-gpu", BP_KIND_DEVICE, Gpu),
  .description = "Virtio GPU device, 2D: a display adapter",
  .properties = gpu_properties,
  .interfaces = gpu_interfaces,
  .state_version = 1,
  .state_minimum = 1,
  .state = gpu_state,
  .realize = gpu_realize,
  .unrealize = gpu_unrealize,
  .reset = gpu_reset,
  .post_load = gpu_post_load,
};
