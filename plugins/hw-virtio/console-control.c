/* console-control.c -- control messages of a virtio console (VIRTIO 1.2, 5.3.6.2): which ports there are, who is at their ends. */
/* SPDX-License-Identifier: MIT */
/* What the driver is to be told is a bit a port and kind, so that one that never reads costs nothing; what it means is looked up when it is told. */
#include <backplane/log.h>
#include "console.h"
#include <string.h>

enum { DEVICE_READY, PORT_ADD, PORT_REMOVE, PORT_READY, CONSOLE_PORT, RESIZE, PORT_OPEN, PORT_NAME };
enum { HEADER = 8 };

typedef struct Message {
  uint8_t bytes[HEADER + CONSOLE_NAME_MOST];
  unsigned size;
} Message;

/* --- to the driver --------------------------------------------------------------------------- */

bool
console_port_size (const ConsolePort *p, unsigned *columns, unsigned *rows)
{
  return p->backend.instance && bp_char_terminal_size (&p->backend, columns, rows);
}

static void
put16 (Message *m, unsigned value)
{
  m->bytes[m->size++] = (uint8_t) value;
  m->bytes[m->size++] = (uint8_t) (value >> 8);
}

static void
header (Message *m, const ConsolePort *p, unsigned event, unsigned value)
{
  m->size = 0;
  put16 (m, p->number);
  put16 (m, 0);
  put16 (m, event);
  put16 (m, value);
}

/* The standard has columns first; Linux reads rows first. */
static void
size_message (Message *m, const ConsolePort *p)
{
  unsigned columns = 0, rows = 0;
  console_port_size (p, &columns, &rows);
  header (m, p, RESIZE, 0);
  put16 (m, p->console->size_order ? columns : rows);
  put16 (m, p->console->size_order ? rows : columns);
}

static void
name_message (Message *m, const ConsolePort *p)
{
  size_t size = strlen (p->name);
  header (m, p, PORT_NAME, 1);
  memcpy (m->bytes + m->size, p->name, size);
  m->size += (unsigned) size;
}

static void
make_message (Message *m, ConsolePort *p, unsigned what)
{
  switch (what) {
  case TELL_ADD: header (m, p, PORT_ADD, 1); break;
  case TELL_CONSOLE: header (m, p, CONSOLE_PORT, 1); break;
  case TELL_NAME: name_message (m, p); break;
  case TELL_SIZE: size_message (m, p); break;
  default: header (m, p, PORT_OPEN, what == TELL_OPEN); break;
  }
}

/* false: the driver has no room. */
static bool
send_message (Console *c, const Message *m)
{
  BpVirtioBuffer *b = bp_virtio_pop (&c->bus, c->device, CONTROL_RX);
  if (!b)
    return false;
  if (b->in_size < m->size)
    console_bus (c)->broken (c->bus.instance, c->device, "a buffer for control messages that is too small for one");
  bp_virtio_push (&c->bus, c->device, b, (uint32_t) bp_virtio_write (b, 0, m->bytes, m->size));
  return true;
}

static bool
send_port (ConsolePort *p)
{
  while (p->tell) {
    unsigned what = p->tell & -(unsigned) p->tell;
    Message m;
    make_message (&m, p, what);
    if (!send_message (p->console, &m))
      return false;
    p->tell &= (uint8_t) ~what;
    if (what == TELL_OPEN || what == TELL_CLOSED)
      p->told_open = what == TELL_OPEN;
  }
  return true;
}

void
console_control_send (Console *c)
{
  if (!(console_features (c) & CONSOLE_MULTIPORT))
    return;
  for (unsigned i = 0; i < c->n_ports; i++)
    if (!send_port (&c->ports[i]))
      break;
  bp_virtio_notify (&c->bus, c->device, CONTROL_RX);
}

/* An end that closes and opens before the driver hears of it is told as both, in that order. */
void
console_control_tell (ConsolePort *p, unsigned what)
{
  Console *c = p->console;
  uint64_t features = console_features (c);
  if (what == TELL_SIZE && features & CONSOLE_SIZE && !(features & CONSOLE_MULTIPORT) && p->number == 0)
    console_bus (c)->config_changed (c->bus.instance, c->device);
  if (!p->ready || (what == TELL_SIZE && !console_port_is_console (p)))
    return;
  if (what == TELL_CLOSED)
    p->tell &= (uint8_t) ~TELL_OPEN;
  p->tell |= (uint8_t) what;
  console_control_send (c);
}

/* --- from the driver --------------------------------------------------------------------------- */

static void
device_ready (Console *c, unsigned value)
{
  for (unsigned i = 0; i < c->n_ports && value == 1; i++)
    if (console_port_is_there (&c->ports[i]))
      c->ports[i].tell |= TELL_ADD;
  if (value != 1)
    bp_log_guest (c, "the driver could not set itself up");
}

static void
port_ready (ConsolePort *p, unsigned value)
{
  unsigned columns, rows;
  p->ready = value == 1;
  if (value != 1) {
    bp_log_guest (p->console, "the driver could not set up port %u", p->number);
    return;
  }
  p->tell |= (uint8_t) ((console_port_is_console (p) ? TELL_CONSOLE : 0) | (p->name && *p->name ? TELL_NAME : 0));
  if (console_port_is_console (p) && console_port_size (p, &columns, &rows))
    p->tell |= TELL_SIZE;
  if (p->backend.instance && bp_char_is_open (&p->backend))
    p->tell |= TELL_OPEN;
}

static void
port_open (ConsolePort *p, unsigned value)
{
  p->guest_open = value == 1;
  if (p->guest_open)
    console_port_accept (p);
}

static void
receive_message (Console *c, const uint8_t message[HEADER])
{
  uint32_t number = message[0] | message[1] << 8 | message[2] << 16 | (uint32_t) message[3] << 24;
  unsigned event = message[4] | message[5] << 8, value = message[6] | message[7] << 8;
  if (event == DEVICE_READY) {
    device_ready (c, value);
    return;
  }
  if (number >= c->n_ports || !console_port_is_there (&c->ports[number]))
    bp_log_guest (c, "a control message, %u, about port %u, which there is not", event, number);
  else if (event == PORT_READY)
    port_ready (&c->ports[number], value);
  else if (event == PORT_OPEN)
    port_open (&c->ports[number], value);
  else
    bp_log_guest (c, "a control message, %u, that no driver sends", event);
}

void
console_control_receive (Console *c)
{
  enum { TURN = 256 };          /* of the ring's 64: a driver that adds more meanwhile kicks again */
  BpVirtioBuffer *b;
  for (unsigned i = 0; i < TURN && (b = bp_virtio_pop (&c->bus, c->device, CONTROL_TX)); i++) {
    uint8_t message[HEADER];
    if (bp_virtio_read (b, 0, message, HEADER) == HEADER)
      receive_message (c, message);
    else
      bp_log_guest (c, "a control message of %u bytes", (unsigned) b->out_size);
    bp_virtio_push (&c->bus, c->device, b, 0);
  }
  bp_virtio_notify (&c->bus, c->device, CONTROL_TX);
  console_control_send (c);
}
