/* console-port.c -- the bytes of a virtio console's ports, at the pace of whoever is slower. */
/* SPDX-License-Identifier: MIT */
/*
 * No buffer is kept: input goes into the driver's next one when the backend has some, output that the backend has no room for stays in its buffer, which is put
 * back.  A console's is written in any case: Linux waits for it with interrupts off, and a guest must not hang because nobody reads what it says.
 */
#include <backplane/loop.h>
#include "console.h"

enum { CHUNK = 4096, TURN_BUFFERS = 256, TURN_BYTES = 1 << 20 };

static unsigned rx_queue (const ConsolePort *p) { return p->number ? 2 + 2 * p->number : 0; }
static unsigned tx_queue (const ConsolePort *p) { return rx_queue (p) + 1; }

ConsolePort *
console_port_of_queue (Console *c, unsigned queue, bool *output)
{
  unsigned number = queue < 2 ? 0 : queue / 2 - 1;
  *output = queue & 1;
  return queue != CONTROL_RX && queue != CONTROL_TX && number < c->n_ports ? &c->ports[number] : NULL;
}

/* --- output --------------------------------------------------------------------------------- */

/* false: the backend has no room for the rest, or the turn is over. */
static bool
send_buffer (ConsolePort *p, const BpVirtioBuffer *b, uint64_t *turn)
{
  bool waits = p->console->throttle || !console_port_is_console (p);
  if (!console_port_is_there (p) || !bp_char_is_open (&p->backend))
    return true;
  while (p->sent < b->out_size && *turn) {
    uint8_t bytes[CHUNK];
    size_t room = waits ? bp_char_room (&p->backend) : CHUNK;
    size_t n = bp_virtio_read (b, p->sent, bytes, MIN (MIN (room, CHUNK), *turn));
    if (!n)
      return false;
    bp_char_write (&p->backend, bytes, n);
    p->sent += (uint32_t) n;
    *turn -= n;
  }
  return p->sent >= b->out_size;
}

static void
send_posted (void *user)
{
  ConsolePort *p = user;
  p->posted = false;
  if (p->console->device)
    console_port_send (p);
}

/* The loop has more to do than this port, however fast the guest writes. */
static void
post_rest (ConsolePort *p)
{
  BpMachine *machine = bp_object_machine (p->console);
  if (p->posted)
    return;
  p->posted = true;
  bp_loop_post (bp_loop_main (machine), true, machine, send_posted, p);
}

void
console_port_send (ConsolePort *p)
{
  Console *c = p->console;
  uint64_t turn = TURN_BYTES;
  unsigned buffers = 0;
  BpVirtioBuffer *b = NULL;
  while (turn && buffers < TURN_BUFFERS && (b = bp_virtio_pop (&c->bus, c->device, tx_queue (p)))) {
    if (!send_buffer (p, b, &turn)) {
      console_bus (c)->unpop (c->bus.instance, c->device, b);
      break;
    }
    p->sent = 0;
    bp_virtio_push (&c->bus, c->device, b, 0);
    buffers++;
  }
  if (buffers)
    bp_virtio_notify (&c->bus, c->device, tx_queue (p));
  if (b && (!turn || buffers == TURN_BUFFERS))
    post_rest (p);
}

static void on_can_write (void *user) { console_port_send (user); }

/* --- input ----------------------------------------------------------------------------------- */

static size_t
can_receive (void *user)
{
  ConsolePort *p = user;
  Console *c = p->console;
  if (console_features (c) & CONSOLE_MULTIPORT && !p->guest_open)
    return 0;
  BpVirtioBuffer *b = bp_virtio_pop (&c->bus, c->device, rx_queue (p));
  if (!b)
    return 0;
  uint64_t room = b->in_size;
  console_bus (c)->unpop (c->bus.instance, c->device, b);
  if (!room)
    console_bus (c)->broken (c->bus.instance, c->device, "a buffer for input without room for any");
  return room;
}

static void
on_receive (void *user, const uint8_t *data, size_t size)
{
  ConsolePort *p = user;
  Console *c = p->console;
  BpVirtioBuffer *b = bp_virtio_pop (&c->bus, c->device, rx_queue (p));
  if (!b)
    return;                     /* a driver that has changed its mind, and its ring, since it was asked */
  bp_virtio_push (&c->bus, c->device, b, (uint32_t) bp_virtio_write (b, 0, data, size));
  bp_virtio_notify (&c->bus, c->device, rx_queue (p));
}

void
console_port_accept (ConsolePort *p)
{
  if (p->backend.instance)
    bp_char_accept_input (&p->backend);
}

/* --- events ------------------------------------------------------------------------------------ */

static void
on_event (void *user, BpCharEvent event)
{
  ConsolePort *p = user;
  if (event == BP_CHAR_OPENED)
    console_control_tell (p, TELL_OPEN);
  if (event == BP_CHAR_CLOSED) {
    console_control_tell (p, TELL_CLOSED);
    console_port_send (p);      /* there is nobody to wait for */
  }
  if (event == BP_CHAR_RESIZED)
    console_control_tell (p, TELL_SIZE);
}

const BpCharHandlers console_port_handlers = {
  .struct_size = sizeof (BpCharHandlers), .can_receive = can_receive, .receive = on_receive, .event = on_event, .can_write = on_can_write
};
