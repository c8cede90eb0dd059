/* input.c -- virtio input device (VIRTIO 1.2, 5.8): a keyboard, a mouse or a tablet, with Linux's codes. */
/* SPDX-License-Identifier: MIT */
#include <backplane/bus/virtio.h>
#include <backplane/iface/input.h>
#include <backplane/log.h>
#include <linux/input-event-codes.h>

/* --- what the driver sees ----------------------------------------------------- */

enum { DEVICE_ID = 18, EVENTS = 0, STATUS = 1, QUEUE_SIZE = 64 };
enum { SELECT_NAME = 1, SELECT_SERIAL = 2, SELECT_IDS = 3, SELECT_PROPERTIES = 0x10, SELECT_EVENTS = 0x11, SELECT_ABSOLUTE = 0x12 };
enum { CONFIG_HEAD = 8, CONFIG_DATA = 128, CONFIG_SIZE = CONFIG_HEAD + CONFIG_DATA };
enum { EVENT_SIZE = 8, BUS_VIRTUAL_ID = 6, VENDOR_ID = 0x1af4 };

/* --- state: saved | wiring | derived ------------------------------------------ */

typedef enum InputKind { KEYBOARD, MOUSE, TABLET } InputKind;
enum { FIFO = 256, KEY_BYTES = (KEY_MAX + 8) / 8, FRAME_MOST = 16 };

typedef struct InputEvent {
  uint16_t type, code;
  uint32_t value;
} InputEvent;

typedef struct Input {
  InputEvent fifo[FIFO];        /* what the driver has no buffer for yet */
  uint16_t head, count;
  uint8_t held[KEY_BYTES];      /* keys and buttons, as people hold them */
  uint8_t told[KEY_BYTES];      /* and as the driver knows, once it has all of the FIFO */
  uint8_t select, subselect;
  uint8_t leds;                 /* BP_INPUT_LED_* */
  /* wiring */
  BpLink bus;
  char *address, *serial;
  int kind;
  BpVirtioDevice *device;
} Input;

static const BpVirtioBusIface *bus_of (const Input *in) { return in->bus.table; }
static bool is_on (const Input *in) { return bus_of (in)->features (in->bus.instance, in->device) != 0; }
static bool has_bit (const uint8_t *bits, unsigned n) { return bits[n / 8] >> n % 8 & 1; }

static void
set_bit (uint8_t *bits, unsigned n, bool on)
{
  bits[n / 8] = (uint8_t) ((bits[n / 8] & ~(1u << n % 8)) | (on ? 1u << n % 8 : 0));
}

/* --- configuration: what it is ------------------------------------------------------ */

static const uint16_t buttons[] = { BTN_LEFT, BTN_RIGHT, BTN_MIDDLE, BTN_SIDE, BTN_EXTRA };    /* in the order of BP_INPUT_LEFT ... */

typedef struct Answer {
  uint8_t bytes[CONFIG_DATA];
  unsigned size;
} Answer;

static void
add_bit (Answer *a, unsigned n)
{
  set_bit (a->bytes, n, true);
  a->size = MAX (a->size, n / 8 + 1);
}

static void
add_keys (const Input *in, Answer *a)
{
  for (unsigned i = 0; in->kind != KEYBOARD && i < BP_N_ELEMENTS (buttons); i++)
    add_bit (a, buttons[i]);
  for (unsigned code = 1; in->kind == KEYBOARD && code < BTN_MISC; code++)
    if (bp_input_key_name (code))
      add_bit (a, code);
}

static void
add_event_codes (const Input *in, unsigned type, Answer *a)
{
  switch (type) {
  case EV_KEY:
    add_keys (in, a);
    break;
  case EV_REL:
    if (in->kind == MOUSE) {
      add_bit (a, REL_X);
      add_bit (a, REL_Y);
    }
    if (in->kind != KEYBOARD)
      add_bit (a, REL_WHEEL);
    break;
  case EV_ABS:
    if (in->kind == TABLET) {
      add_bit (a, ABS_X);
      add_bit (a, ABS_Y);
    }
    break;
  case EV_LED:
    for (unsigned led = LED_NUML; in->kind == KEYBOARD && led <= LED_SCROLLL; led++)
      add_bit (a, led);
    break;
  case EV_REP:                  /* the guest repeats keys by itself */
    a->size = in->kind == KEYBOARD;
    break;
  }
}

static void
add_text (Answer *a, const char *text)
{
  a->size = (unsigned) strlen (text);
  memcpy (a->bytes, text, a->size);
}

static void
add_number (Answer *a, uint32_t value, unsigned size)
{
  for (unsigned i = 0; i < size; i++)
    a->bytes[a->size++] = (uint8_t) (value >> 8 * i);
}

static void
answer_select (const Input *in, Answer *a)
{
  static const char *const names[] = { "Backplane keyboard", "Backplane mouse", "Backplane tablet" };
  *a = (Answer) { .size = 0 };
  if (in->select == SELECT_EVENTS)
    add_event_codes (in, in->subselect, a);
  else if (in->select == SELECT_ABSOLUTE && in->kind == TABLET && in->subselect <= ABS_Y) {
    add_number (a, 0, 4);
    add_number (a, BP_INPUT_ABSOLUTE_MAX, 4);
    a->size += 12;              /* no fuzz, no flat, no resolution */
  } else if (in->subselect) {
    return;
  } else if (in->select == SELECT_NAME) {
    add_text (a, names[in->kind]);
  } else if (in->select == SELECT_SERIAL && in->serial) {
    add_text (a, in->serial);
  } else if (in->select == SELECT_IDS) {
    add_number (a, BUS_VIRTUAL_ID, 2);
    add_number (a, VENDOR_ID, 2);
    add_number (a, (uint32_t) in->kind + 1, 2);
    add_number (a, 1, 2);
  }
}

static void
on_config_read (void *self, unsigned offset, uint8_t *bytes, unsigned size)
{
  const Input *in = self;
  uint8_t config[CONFIG_SIZE] = { in->select, in->subselect };
  Answer a;
  answer_select (in, &a);
  config[2] = (uint8_t) a.size;
  memcpy (config + CONFIG_HEAD, a.bytes, CONFIG_DATA);
  memcpy (bytes, config + offset, size);
}

static void
on_config_written (void *self, unsigned offset, const uint8_t *bytes, unsigned size)
{
  Input *in = self;
  for (unsigned i = 0; i < size; i++)
    if (offset + i == 0)
      in->select = bytes[i];
    else if (offset + i == 1)
      in->subselect = bytes[i];
    else
      bp_log_guest (in, "a write at 0x%x of its configuration, where nothing can be written", offset + i);
}

/* --- events to the driver ----------------------------------------------------------------- */

/* false: it has no buffer. */
static bool
send_event (Input *in, const InputEvent *e)
{
  BpVirtioBuffer *b = bp_virtio_pop (&in->bus, in->device, EVENTS);
  const uint8_t bytes[EVENT_SIZE] = { (uint8_t) e->type, (uint8_t) (e->type >> 8), (uint8_t) e->code, (uint8_t) (e->code >> 8),
                                      (uint8_t) e->value, (uint8_t) (e->value >> 8), (uint8_t) (e->value >> 16), (uint8_t) (e->value >> 24) };
  if (!b)
    return false;
  if (b->in_size < EVENT_SIZE)
    bus_of (in)->broken (in->bus.instance, in->device, "a buffer for an event that is too small for one");
  bp_virtio_push (&in->bus, in->device, b, (uint32_t) bp_virtio_write (b, 0, bytes, sizeof bytes));
  return true;
}

static void
send_fifo (Input *in)
{
  bool any = false;
  for (; in->count && send_event (in, &in->fifo[in->head]); any = true) {
    in->head = (uint16_t) ((in->head + 1) % FIFO);
    in->count--;
  }
  if (any)
    bp_virtio_notify (&in->bus, in->device, EVENTS);
}

typedef struct Frame {
  InputEvent events[FRAME_MOST];
  unsigned n;
} Frame;

static void
add_event (Frame *f, unsigned type, unsigned code, uint32_t value)
{
  if (f->n < FRAME_MOST - 1)
    f->events[f->n++] = (InputEvent) { (uint16_t) type, (uint16_t) code, value };
}

/* What somebody holds and the driver does not know, or the other way round. */
static void
add_changes (const Input *in, Frame *f)
{
  for (unsigned i = 0; i < KEY_BYTES; i++)
    for (unsigned bit = 0, change = in->held[i] ^ in->told[i]; change >> bit; bit++)
      if (change >> bit & 1)
        add_event (f, EV_KEY, i * 8 + bit, in->held[i] >> bit & 1);
}

/* A frame goes as a whole or not at all.  Of those that a driver had no time for, movement is lost, and keys are told with the next one that goes. */
static bool
queue_frame (Input *in, Frame *f)
{
  if (!f->n || in->count + f->n + 1 > FIFO)
    return false;
  f->events[f->n++] = (InputEvent) { EV_SYN, SYN_REPORT, 0 };
  for (unsigned i = 0; i < f->n; i++) {
    const InputEvent *e = &f->events[i];
    in->fifo[(in->head + in->count++) % FIFO] = *e;
    if (e->type == EV_KEY)
      set_bit (in->told, e->code, e->value);
  }
  return true;
}

static void
tell (Input *in, Frame *f)
{
  do {
    add_changes (in, f);
    bool queued = queue_frame (in, f);
    *f = (Frame) { .n = 0 };
    send_fifo (in);
    if (!queued)
      break;
  } while (memcmp (in->held, in->told, sizeof in->held));
}

/* --- events from people ---------------------------------------------------------------------- */

static uint32_t
input_kinds (void *self)
{
  static const uint32_t kinds[] = { BP_INPUT_KEYS, BP_INPUT_RELATIVE, BP_INPUT_ABSOLUTE };
  const Input *in = self;
  return is_on (in) ? kinds[in->kind] | BP_INPUT_PREFERRED : 0;
}

static void
input_key (void *self, unsigned code, bool down)
{
  Input *in = self;
  Frame f = { .n = 0 };
  if (!code || code >= BTN_MISC || has_bit (in->held, code) == down)
    return;
  set_bit (in->held, code, down);
  tell (in, &f);
}

static void
hold_buttons (Input *in, uint32_t held)
{
  for (unsigned i = 0; i < BP_N_ELEMENTS (buttons); i++)
    set_bit (in->held, buttons[i], held >> i & 1);
}

/* Linux's wheel turns away from the user. */
static void
input_relative (void *self, int dx, int dy, int wheel, uint32_t held)
{
  Input *in = self;
  Frame f = { .n = 0 };
  if (dx)
    add_event (&f, EV_REL, REL_X, (uint32_t) dx);
  if (dy)
    add_event (&f, EV_REL, REL_Y, (uint32_t) dy);
  if (wheel)
    add_event (&f, EV_REL, REL_WHEEL, (uint32_t) -wheel);
  hold_buttons (in, held);
  tell (in, &f);
}

static void
input_absolute (void *self, unsigned x, unsigned y, int wheel, uint32_t held)
{
  Input *in = self;
  Frame f = { .n = 0 };
  add_event (&f, EV_ABS, ABS_X, x);
  add_event (&f, EV_ABS, ABS_Y, y);
  if (wheel)
    add_event (&f, EV_REL, REL_WHEEL, (uint32_t) -wheel);
  hold_buttons (in, held);
  tell (in, &f);
}

static void
input_release (void *self)
{
  Input *in = self;
  Frame f = { .n = 0 };
  memset (in->held, 0, sizeof in->held);
  if (is_on (in))
    tell (in, &f);
}

static uint32_t input_leds (void *self) { return ((Input *) self)->leds; }

/* --- guest access -------------------------------------------------------------------------------- */

/* What the driver wants shown: LEDs. */
static void
on_status (Input *in)
{
  unsigned n = 0;
  for (BpVirtioBuffer *b; n < QUEUE_SIZE && (b = bp_virtio_pop (&in->bus, in->device, STATUS)); n++) {
    uint8_t e[EVENT_SIZE];
    if (bp_virtio_read (b, 0, e, sizeof e) == sizeof e && (e[0] | e[1] << 8) == EV_LED && (e[2] | e[3] << 8) <= LED_SCROLLL && in->kind == KEYBOARD)
      in->leds = (uint8_t) ((in->leds & ~(1u << e[2])) | (e[4] || e[5] || e[6] || e[7] ? 1u << e[2] : 0));
    bp_virtio_push (&in->bus, in->device, b, 0);
  }
  if (n)
    bp_virtio_notify (&in->bus, in->device, STATUS);
}

static void
on_kick (void *self, unsigned queue)
{
  Input *in = self;
  Frame f = { .n = 0 };
  if (queue == STATUS) {
    on_status (in);
    return;
  }
  send_fifo (in);
  tell (in, &f);
}

static void
forget (Input *in)
{
  in->head = in->count = 0;
  memset (in->held, 0, sizeof in->held);
  memset (in->told, 0, sizeof in->told);
  in->leds = 0;
}

static bool
on_features (void *self, uint64_t features)
{
  forget (self);
  return true;
}

/* --- life cycle: configure, realize, reset ------------------------------------------------------------- */

static bool
input_configure (void *self, GError **error)
{
  const Input *in = self;
  if (!in->serial || strlen (in->serial) <= CONFIG_DATA)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "serial = %s: it has %zu characters, and there is room for %d", in->serial, strlen (in->serial), CONFIG_DATA);
  return false;
}

static bool
input_realize (void *self, GError **error)
{
  static const uint16_t sizes[] = { QUEUE_SIZE, QUEUE_SIZE };
  Input *in = self;
  BpVirtioFunction f = { .struct_size = sizeof f, .device_id = DEVICE_ID, .n_queues = BP_N_ELEMENTS (sizes), .queue_sizes = sizes,
                         .config_size = CONFIG_SIZE, .self = in, .owner = in, .config_read = on_config_read, .config_written = on_config_written,
                         .accept_features = on_features, .kick = on_kick };
  in->device = bus_of (in)->add (in->bus.instance, in->address, &f, error);
  return in->device != NULL;
}

static void
input_unrealize (void *self)
{
  Input *in = self;
  if (in->device)
    bus_of (in)->remove (in->bus.instance, in->device);
  in->device = NULL;
}

static BpRemoval
input_removal (void *self, GError **error)
{
  Input *in = self;
  return bp_virtio_removal (&in->bus, in->device, error);
}

static void
input_reset (void *self, BpResetKind kind)
{
  Input *in = self;
  bus_of (in)->reset (in->bus.instance, in->device);
  forget (in);
  in->select = in->subselect = 0;
}

static bool
input_post_load (void *self, GError **error)
{
  const Input *in = self;
  if (in->head < FIFO && in->count <= FIFO)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "the saved input device has %u events from number %u on, of %u", in->count, in->head, FIFO);
  return false;
}

/* --- tables: properties, saved fields, type ------------------------------------------------------------ */

static const char *const kind_names[] = { "keyboard", "mouse", "tablet", NULL };

static const BpProperty input_properties[] = {
  BP_VIRTIO_DEVICE_PROPERTIES (Input, bus, address),
  BP_PROP_ ("kind", BP_PROPERTY_ENUM, Input, kind, .flags = BP_PROPERTY_REQUIRED, .names = kind_names,
            .help = "What it is: a keyboard, a mouse (moves by steps), or a tablet (points at places on the screen)."),
  BP_PROP_STRING ("serial", Input, serial, NULL, "A serial number that the guest can tell it by, up to 128 characters."),
  BP_PROP_END
};
static const BpStateField event_state[] = {
  BP_STATE_FIELD_U16 (InputEvent, type), BP_STATE_FIELD_U16 (InputEvent, code), BP_STATE_FIELD_U32 (InputEvent, value), BP_STATE_END
};
static const BpStateField input_state[] = {
  BP_STATE_FIELD_STRUCTS (Input, fifo, FIFO, event_state), BP_STATE_FIELD_U16 (Input, head), BP_STATE_FIELD_U16 (Input, count),
  BP_STATE_FIELD_BYTES (Input, held), BP_STATE_FIELD_BYTES (Input, told), BP_STATE_FIELD_U8 (Input, select), BP_STATE_FIELD_U8 (Input, subselect),
  BP_STATE_FIELD_U8 (Input, leds), BP_STATE_END
};
static const BpInputIface input_iface = {
  .struct_size = sizeof input_iface, .kinds = input_kinds, .key = input_key, .relative = input_relative, .absolute = input_absolute,
  .release = input_release, .leds = input_leds
};
static const BpInterfaceDesc input_interfaces[] = { { BP_INPUT_ID, &input_iface }, { NULL, NULL } };

const BpTypeDesc virtio_input_type = {
  BP_TYPE ("virtio-input", BP_KIND_DEVICE, Input),
  .description = "Virtio input device: a keyboard, a mouse or a tablet",
  .properties = input_properties,
  .interfaces = input_interfaces,
  .state_version = 1,
  .state_minimum = 1,
  .state = input_state,
  .configure = input_configure,
  .realize = input_realize,
  .unrealize = input_unrealize,
  .reset = input_reset,
  .post_load = input_post_load,
  .flags = BP_TYPE_HOT_PLUG,
  .removal = input_removal,
};
