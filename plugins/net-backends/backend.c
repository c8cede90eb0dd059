/* backend.c -- what all network backends have: the device at the other side, the link, counters, a capture file, packets that wait. */
/* SPDX-License-Identifier: MIT */
#include "backend.h"
#include <backplane/clock.h>

enum { WAITING_MOST = 4 << 20 };        /* bytes; enough for all that a few connections have under way */

typedef struct Waiting {
  BpNetPacket packet;
  struct iovec iov;
  uint8_t bytes[];
} Waiting;

static Waiting *
waiting_new (const BpNetPacket *packet)
{
  Waiting *w = g_malloc (sizeof *w + packet->size);
  w->packet = *packet;
  w->iov = (struct iovec){ w->bytes, packet_copy (packet, w->bytes, packet->size) };
  w->packet.iov = &w->iov;
  w->packet.n_iov = 1;
  return w;
}

/* --- the capture file ------------------------------------------------------------------ */

static bool
capture_one (void *user, const BpNetPacket *packet)
{
  NetBackend *b = user;
  if (!capture_packet (b->capture, packet, bp_clock_now (bp_object_machine (b), BP_CLOCK_HOST)))
    bp_warn (b, "%s takes no more packets: %s", b->capture_file, g_strerror (errno));
  return true;
}

/* As they would be on a wire. */
static void
capture (NetBackend *b, const BpNetPacket *packet)
{
  if (b->capture)
    packet_finish (packet, 0, capture_one, b);
}

/* --- to the device ------------------------------------------------------------------------ */

static bool is_up (const NetBackend *b) { return !b->link_off && !b->unplugged; }

static bool
offer (NetBackend *b, const BpNetPacket *packet)
{
  uint32_t size = packet->size;
  if (b->attached && b->handlers.receive && !b->handlers.receive (b->user, packet))
    return false;
  b->packets[0]++;
  b->bytes[0] += size;
  return true;
}

static void
keep (NetBackend *b, const BpNetPacket *packet)
{
  if (b->waiting_bytes + packet->size > WAITING_MOST)
    return;
  b->waiting_bytes += packet->size;
  g_queue_push_tail (&b->waiting, waiting_new (packet));
}

static bool
deliver_or_keep (void *user, const BpNetPacket *packet)
{
  NetBackend *b = user;
  if (!g_queue_is_empty (&b->waiting) || !offer (b, packet))
    keep (b, packet);
  return true;
}

void
net_receive (void *self, const BpNetPacket *packet)
{
  NetBackend *b = self;
  if (packet->size < ETHERNET_HEADER || b->link_off || !b->attached)
    return;
  capture (b, packet);
  packet_finish (packet, b->work, deliver_or_keep, b);
}

static void to_device (void *user, const BpNetPacket *packet) { net_receive (user, packet); }

void
net_receive_frame (void *self, const uint8_t *bytes, uint32_t size, bool checked)
{
  NetBackend *b = self;
  struct iovec iov = { (void *) (uintptr_t) bytes, size };
  BpNetPacket packet = { .struct_size = sizeof packet, .iov = &iov, .n_iov = 1, .size = size };
  if (checked || (b->work & BP_NET_CHECKSUM && packet_is_checked (bytes, size))) {
    packet_join_add (b->join, bytes, size, b->work);
  } else {
    packet_join_flush (b->join);
    net_receive (b, &packet);
  }
}

void
net_receive_end (void *self)
{
  packet_join_flush (((NetBackend *) self)->join);
}

bool
net_is_full (const void *self)
{
  const NetBackend *b = self;
  return !g_queue_is_empty ((GQueue *) (uintptr_t) &b->waiting);
}

static void
drop_waiting (NetBackend *b)
{
  g_queue_clear_full (&b->waiting, g_free);
  g_queue_clear_full (&b->rest, g_free);
  b->waiting_bytes = 0;
  if (b->join)
    packet_join_drop (b->join);
}

/* The device may have been reset meanwhile, and take less than what the packet was made for. */
static void
deliver_waiting (NetBackend *b)
{
  Waiting *w;
  while ((w = g_queue_peek_head (&b->waiting))) {
    uint32_t left = w->packet.work & (BP_NET_SEGMENTS | BP_NET_CHECKSUM) & ~b->work;
    if (!left && !offer (b, &w->packet))
      return;
    g_queue_pop_head (&b->waiting);
    b->waiting_bytes -= w->packet.size;
    g_free (w);
  }
}

/* --- the device's side -------------------------------------------------------------------------- */

static gboolean
on_room (void *user)
{
  NetBackend *b = user;
  GSource *source = g_main_current_source ();
  bp_machine_lock (bp_object_machine (b));
  if (!g_source_is_destroyed (source)) {
    b->posted = 0;
    deliver_waiting (b);
    if (!net_is_full (b) && b->ops->wanted)
      b->ops->wanted (b);
  }
  bp_machine_unlock (bp_object_machine (b));
  return G_SOURCE_REMOVE;
}

/* From the loop: the device is in the middle of something. */
static void
accept_input (void *self)
{
  NetBackend *b = self;
  if (b->posted || !b->ops)
    return;
  GSource *source = g_idle_source_new ();
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, on_room, b, NULL);
  b->posted = g_source_attach (source, bp_loop_context (bp_loop_main (bp_object_machine (b))));
  g_source_unref (source);
}

static bool
attach (void *self, const BpNetHandlers *handlers, void *user)
{
  NetBackend *b = self;
  if (!handlers) {
    b->attached = false;
    drop_waiting (b);
    return true;
  }
  if (b->attached)
    return false;
  memset (&b->handlers, 0, sizeof b->handlers);
  memcpy (&b->handlers, handlers, MIN (handlers->struct_size, sizeof b->handlers));
  b->user = user;
  b->attached = true;
  b->work = 0;
  b->queues = 1;
  accept_input (b);
  return true;
}

static void
info (void *self, BpNetInfo *out)
{
  NetBackend *b = self;
  BpMachine *machine = bp_object_machine (self);
  BpNetInfo full = { .struct_size = sizeof full, .link_up = true, .mtu = 1500, .queues = 1 };
  bp_machine_lock (machine);
  if (b->ops)
    b->ops->describe (self, &full);
  full.link_up = b->ops && is_up (b);
  full.takes = b->takes;
  memcpy (full.packets, b->packets, sizeof full.packets);
  memcpy (full.bytes, b->bytes, sizeof full.bytes);
  bp_machine_unlock (machine);
  uint32_t size = out->struct_size;
  memcpy (out, &full, MIN (size, sizeof full));
  out->struct_size = size;
}

static void
set_receive (void *self, uint32_t work, uint32_t queues)
{
  NetBackend *b = self;
  b->work = work;
  b->queues = MAX (queues, 1);
  if (b->ops && b->ops->work_changed)
    b->ops->work_changed (self);
}

/* What the type had no room for, when a part of the same packet was on its way already; it goes with the link.  true: nothing is left of it. */
static bool
send_rest (NetBackend *b)
{
  Waiting *w;
  if (!is_up (b))
    g_queue_clear_full (&b->rest, g_free);
  while ((w = g_queue_peek_head (&b->rest)) && b->ops->send (b, &w->packet))
    g_free (g_queue_pop_head (&b->rest));
  return !w;
}

/* The first of a packet's segments finds room, or none does. */
static bool
pass_on (void *user, const BpNetPacket *packet)
{
  NetBackend *b = user;
  if (!b->within_packet) {
    b->within_packet = b->ops->send (b, packet);
    return b->within_packet;
  }
  if (!send_rest (b) || !b->ops->send (b, packet))
    g_queue_push_tail (&b->rest, waiting_new (packet));
  return true;
}

static bool
send_packet (void *self, const BpNetPacket *packet)
{
  NetBackend *b = self;
  if (!b->ops || packet->size < ETHERNET_HEADER)
    return true;
  if (is_up (b)) {
    if (!send_rest (b))
      return false;
    b->within_packet = false;
    int taken = packet_finish (packet, b->takes, pass_on, b);
    if (taken == 0)
      return false;
    if (taken < 0) {
      bp_log_guest (b, "a packet of %u bytes is not the one that its driver says it is (work 0x%x); it is dropped", packet->size, packet->work);
      return true;
    }
    capture (b, packet);
  }
  b->packets[1]++;
  b->bytes[1] += packet->size;
  return true;
}

void
net_can_send (void *self)
{
  NetBackend *b = self;
  if (send_rest (b) && b->attached && b->handlers.can_send)
    b->handlers.can_send (b->user);
}

static void
tell_changed (const NetBackend *b)
{
  if (b->attached && b->handlers.changed)
    b->handlers.changed (b->user);
}

void
net_set_cable (void *self, bool plugged)
{
  NetBackend *b = self;
  if (b->unplugged != plugged)
    return;
  b->unplugged = !plugged;
  tell_changed (b);
}

static void
set_link (void *self, bool up)
{
  NetBackend *b = self;
  BpMachine *machine = bp_object_machine (self);
  bp_machine_lock (machine);
  if (b->link_off == up) {
    b->link_off = !up;
    drop_waiting (b);
    accept_input (b);           /* nothing waits any more: who had stopped to read goes on */
    tell_changed (b);
  }
  bp_machine_unlock (machine);
}

/* --- life cycle -------------------------------------------------------------------------------------- */

bool
net_realize (void *self, const NetOps *ops, GError **error)
{
  NetBackend *b = self;
  b->ops = ops;
  b->join = packet_join_new (to_device, b);
  if (b->capture_file)
    b->capture = capture_new (b->capture_file, (uint32_t) b->capture_size, error);
  return !b->capture_file || b->capture;
}

void
net_finish (void *self)
{
  NetBackend *b = self;
  if (b->posted)
    bp_loop_unwatch (bp_loop_main (bp_object_machine (self)), b->posted);
  b->posted = 0;
  drop_waiting (b);
  g_clear_pointer (&b->join, packet_join_free);
  g_clear_pointer (&b->capture, capture_free);
  b->ops = NULL;
}

static const BpNetIface iface = {
  .struct_size = sizeof (BpNetIface),
  .attach = attach,
  .info = info,
  .set_receive = set_receive,
  .send = send_packet,
  .accept_input = accept_input,
  .set_link = set_link,
};
const BpInterfaceDesc net_interfaces[] = { { BP_NET_ID, &iface }, { NULL, NULL } };
