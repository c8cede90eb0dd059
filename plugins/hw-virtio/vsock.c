/* vsock.c -- virtio socket device (VIRTIO 1.2, 5.10): streams between programs in the guest and Unix sockets of the host. */
/* SPDX-License-Identifier: MIT */
/*
 * A guest's connection to (2, PORT) goes to the Unix socket PATH_PORT.  A client of the host connects to PATH, says "CONNECT PORT\n", hears "OK PORT\n", and is
 * connected to the guest's port.  These are the conventions of Firecracker.
 */
#include <backplane/log.h>
#include <backplane/loop.h>
#include "vsock.h"
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* --- what the driver sees ----------------------------------------------------- */

enum { DEVICE_ID = 19, QUEUES = 3 };
enum { QUEUE_RX = 0, QUEUE_TX = 1, QUEUE_EVENT = 2, QUEUE_SIZE = 128, CONFIG_SIZE = 8, FEATURE_STREAM = 1 };
enum { TURN_PACKETS = 256, EVENT_TRANSPORT_RESET = 0 };

static void
on_config_read (void *self, unsigned offset, uint8_t *bytes, unsigned size)
{
  uint64_t cid = GUINT64_TO_LE (((Vsock *) self)->cid);
  memcpy (bytes, (uint8_t *) &cid + offset, size);
}

/* --- packets ------------------------------------------------------------------------ */

static uint64_t
get (const uint8_t *bytes, unsigned size)
{
  uint64_t value = 0;
  for (unsigned i = size; i-- > 0;)
    value = value << 8 | bytes[i];
  return value;
}

static uint8_t *
put (uint8_t *bytes, uint64_t value, unsigned size)
{
  for (unsigned i = 0; i < size; i++)
    bytes[i] = (uint8_t) (value >> 8 * i);
  return bytes + size;
}

static VsockPacket
decode (const uint8_t b[VSOCK_HEADER])
{
  return (VsockPacket) {
    .source = get (b, 8), .destination = get (b + 8, 8), .source_port = (uint32_t) get (b + 16, 4), .destination_port = (uint32_t) get (b + 20, 4),
    .size = (uint32_t) get (b + 24, 4), .type = (uint16_t) get (b + 28, 2), .op = (uint16_t) get (b + 30, 2), .flags = (uint32_t) get (b + 32, 4),
    .buffer = (uint32_t) get (b + 36, 4), .forwarded = (uint32_t) get (b + 40, 4) };
}

static void
encode (const VsockPacket *p, uint8_t b[VSOCK_HEADER])
{
  b = put (b, p->source, 8);
  b = put (b, p->destination, 8);
  b = put (b, p->source_port, 4);
  b = put (b, p->destination_port, 4);
  b = put (b, p->size, 4);
  b = put (b, p->type, 2);
  b = put (b, p->op, 2);
  b = put (b, p->flags, 4);
  b = put (b, p->buffer, 4);
  put (b, p->forwarded, 4);
}

/* --- to the guest ---------------------------------------------------------------------- */

/* A buffer with room for a packet; NULL: there is none. */
static BpVirtioBuffer *
take_room (Vsock *v)
{
  BpVirtioBuffer *b = bp_virtio_pop (&v->bus, v->device, QUEUE_RX);
  if (b && b->in_size <= VSOCK_HEADER) {
    vsock_bus (v)->broken (v->bus.instance, v->device, "a buffer for a packet that is too small for one");
    bp_virtio_push (&v->bus, v->device, b, 0);
    return NULL;
  }
  return b;
}

static void
put_packet (Vsock *v, BpVirtioBuffer *b, const VsockPacket *p)
{
  uint8_t header[VSOCK_HEADER];
  encode (p, header);
  bp_virtio_write (b, 0, header, sizeof header);
  bp_virtio_push (&v->bus, v->device, b, VSOCK_HEADER + p->size);
}

static VsockPacket
packet_of (VsockConnection *c, unsigned op)
{
  c->told_forwarded = c->forwarded;
  c->tell &= ~(unsigned) TELL_CREDIT;
  return (VsockPacket) { .source = VSOCK_HOST, .destination = c->vsock->cid, .source_port = (uint32_t) c->key, .destination_port = (uint32_t) (c->key >> 32),
                         .type = VSOCK_STREAM, .op = (uint16_t) op, .buffer = VSOCK_BUFFER, .forwarded = c->forwarded };
}

void
vsock_tell (VsockConnection *c, unsigned what)
{
  if (c->state == VSOCK_GREETING)
    return;
  c->tell = what == TELL_RESET ? TELL_RESET : c->tell & TELL_RESET ? c->tell : c->tell | what;
}

typedef enum Outcome { NOTHING, SENT, GONE, NO_ROOM } Outcome;

static Outcome
send_told (VsockConnection *c)
{
  static const uint8_t ops[] = { OP_REQUEST, OP_RESPONSE, OP_CREDIT_UPDATE, OP_CREDIT_REQUEST, OP_SHUTDOWN, OP_RST };
  Vsock *v = c->vsock;
  BpVirtioBuffer *b = take_room (v);
  if (!b)
    return NO_ROOM;
  unsigned what = c->tell & -c->tell;
  VsockPacket p = packet_of (c, ops[g_bit_nth_lsf (what, -1)]);
  if (what == TELL_SHUTDOWN)
    p.flags = c->host_shut;
  put_packet (v, b, &p);
  c->tell &= ~what;
  if (what != TELL_RESET)
    return SENT;
  vsock_connection_free (c);
  return GONE;
}

static Outcome
send_data (VsockConnection *c)
{
  Vsock *v = c->vsock;
  if (!c->readable && !c->hung_up)
    return NOTHING;
  BpVirtioBuffer *b = take_room (v);
  if (!b)
    return NO_ROOM;
  size_t room = MIN (MIN (b->in_size - VSOCK_HEADER, sizeof v->bytes), vsock_connection_credit (c));
  ssize_t n;
  do
    n = recv (c->fd, v->bytes, room, MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  if (n <= 0) {
    vsock_bus (v)->unpop (v->bus.instance, v->device, b);
    c->readable = false;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
      return NOTHING;
    vsock_connection_ended (c);
    return SENT;
  }
  VsockPacket p = packet_of (c, OP_RW);
  p.size = (uint32_t) n;
  bp_virtio_write (b, VSOCK_HEADER, v->bytes, (size_t) n);
  put_packet (v, b, &p);
  c->sent += (uint32_t) n;
  if (!vsock_connection_credit (c))
    vsock_tell (c, TELL_CREDIT_REQUEST);
  return SENT;
}

static Outcome
send_connection (VsockConnection *c)
{
  Outcome outcome = c->tell ? send_told (c) : vsock_connection_may_read (c) ? send_data (c) : NOTHING;
  if (outcome == NOTHING || outcome == SENT)
    vsock_connection_watch (c);
  return outcome;
}

/* One packet a connection and turn.  false: there is no room. */
static bool
send_turn (Vsock *v, unsigned *left)
{
  bool any = true;
  while (any && *left) {
    any = false;
    for (guint i = 0, n = v->connections->len; i < n && v->connections->len && *left; i++) {
      Outcome outcome = send_connection (v->connections->pdata[v->turn++ % v->connections->len]);
      if (outcome == NO_ROOM)
        return false;
      any |= outcome != NOTHING;
      *left -= outcome != NOTHING;
    }
  }
  return true;
}

static bool
send_replies (Vsock *v, unsigned *left)
{
  while (v->n_replies && *left) {
    BpVirtioBuffer *b = take_room (v);
    if (!b)
      return false;
    put_packet (v, b, &v->replies[--v->n_replies]);
    (*left)--;
  }
  return true;
}

static void serve (Vsock *v);

static void
go_on (void *user)
{
  Vsock *v = user;
  v->posted = false;
  if (v->device)
    serve (v);
}

static void
post_rest (Vsock *v)
{
  BpMachine *machine = bp_object_machine (v);
  if (v->posted)
    return;
  v->posted = true;
  bp_loop_post (bp_loop_main (machine), true, machine, go_on, v);
}

void
vsock_pump (Vsock *v)
{
  unsigned left = TURN_PACKETS;
  bool room = send_replies (v, &left) && send_turn (v, &left);
  if (left < TURN_PACKETS)
    bp_virtio_notify (&v->bus, v->device, QUEUE_RX);
  if (room && !left)
    post_rest (v);
}

/* --- from the guest ------------------------------------------------------------------------- */

static void
refuse (Vsock *v, const VsockPacket *p)
{
  if (p->op == OP_RST)
    return;
  v->replies[v->n_replies++] = (VsockPacket) { .source = p->destination, .destination = p->source, .source_port = p->destination_port,
                                               .destination_port = p->source_port, .type = p->type, .op = OP_RST };
}

static void
receive_request (Vsock *v, const VsockPacket *p)
{
  int fd = v->connections->len < VSOCK_CONNECTIONS ? vsock_connect (v, p->destination_port) : -1;
  if (fd < 0 || !(p->source_port | p->destination_port)) {
    if (fd >= 0)
      close (fd);
    refuse (v, p);
    return;
  }
  VsockConnection *c = vsock_connection_new (v, fd, VSOCK_OPEN);
  vsock_connection_set_key (c, p->source_port, p->destination_port);
  c->peer_buffer = p->buffer;
  c->peer_forwarded = p->forwarded;
  vsock_tell (c, TELL_RESPONSE);
  vsock_connection_watch (c);
}

/* NULL: all is well. */
static const char *
receive_for (VsockConnection *c, const VsockPacket *p, const BpVirtioBuffer *b)
{
  c->peer_buffer = p->buffer;
  c->peer_forwarded = p->forwarded;
  if (c->tell & TELL_RESET)
    return NULL;
  if (p->op == OP_RESPONSE && c->state == VSOCK_REQUESTED && !(c->tell & TELL_REQUEST)) {
    vsock_connection_response (c);
    return NULL;
  }
  if (c->state != VSOCK_OPEN || p->op == OP_RESPONSE || p->op == OP_REQUEST)
    return "a packet that does not fit its connection's state";
  if (p->op == OP_RW && c->guest_shut & SHUT_NO_SEND)
    return "data after it was said that there will be none";
  if (p->op == OP_RW && !vsock_connection_take (c, b, VSOCK_HEADER, p->size))
    return "more data than there is credit for";
  if (p->op == OP_SHUTDOWN)
    vsock_connection_guest_shut (c, p->flags);
  if (p->op == OP_CREDIT_REQUEST)
    vsock_tell (c, TELL_CREDIT);
  return p->op >= OP_SHUTDOWN && p->op <= OP_CREDIT_REQUEST ? NULL : "an unknown operation";
}

static void
receive_packet (Vsock *v, const BpVirtioBuffer *b)
{
  uint8_t header[VSOCK_HEADER];
  if (bp_virtio_read (b, 0, header, sizeof header) < sizeof header) {
    bp_log_guest (v, "a packet of %u bytes, less than its header", (unsigned) b->out_size);
    return;
  }
  VsockPacket p = decode (header);
  if (p.source != v->cid || p.size > b->out_size - VSOCK_HEADER) {
    bp_log_guest (v, "a packet from CID %" G_GINT64_MODIFIER "u with %u bytes", p.source, p.size);
    return;
  }
  uint64_t key = (uint64_t) p.source_port << 32 | p.destination_port;
  VsockConnection *c = p.destination == VSOCK_HOST && p.type == VSOCK_STREAM ? g_hash_table_lookup (v->by_key, &key) : NULL;
  if (!c && p.destination == VSOCK_HOST && p.type == VSOCK_STREAM && p.op == OP_REQUEST) {
    receive_request (v, &p);
  } else if (!c) {
    refuse (v, &p);
  } else if (p.op == OP_RST) {
    vsock_connection_free (c);
  } else {
    const char *wrong = receive_for (c, &p, b);
    if (wrong) {
      bp_log_guest (v, "ports %u and %u: %s", p.source_port, p.destination_port, wrong);
      vsock_tell (c, TELL_RESET);
    }
  }
}

/* false: there may be more. */
static bool
receive_packets (Vsock *v)
{
  BpVirtioBuffer *b = NULL;
  unsigned n = 0;
  while (n < TURN_PACKETS && v->n_replies < VSOCK_REPLIES && (b = bp_virtio_pop (&v->bus, v->device, QUEUE_TX))) {
    receive_packet (v, b);
    bp_virtio_push (&v->bus, v->device, b, 0);
    n++;
  }
  if (n)
    bp_virtio_notify (&v->bus, v->device, QUEUE_TX);
  return n < TURN_PACKETS && v->n_replies < VSOCK_REPLIES;
}

/* A driver that takes no answers gets nothing done (5.10.6.1.1); when it takes some, what it had to wait with is done without another kick. */
static void
serve (Vsock *v)
{
  bool all = receive_packets (v);
  vsock_pump (v);
  if (!all && v->n_replies < VSOCK_REPLIES)
    post_rest (v);
}

static void
send_event (Vsock *v)
{
  uint8_t id[4] = { EVENT_TRANSPORT_RESET };
  BpVirtioBuffer *b = v->lost ? bp_virtio_pop (&v->bus, v->device, QUEUE_EVENT) : NULL;
  if (!b)
    return;
  v->lost = false;
  bp_virtio_push (&v->bus, v->device, b, (uint32_t) bp_virtio_write (b, 0, id, sizeof id));
  bp_virtio_notify (&v->bus, v->device, QUEUE_EVENT);
}

static void
on_kick (void *self, unsigned queue)
{
  Vsock *v = self;
  if (queue == QUEUE_EVENT) {
    send_event (v);
    return;
  }
  if (queue == QUEUE_RX)        /* there is room for replies again */
    vsock_pump (v);
  serve (v);
}

/* --- events: a driver comes and goes, clients ------------------------------------------------------ */

static void
drop_connections (Vsock *v)
{
  while (v->connections && v->connections->len)
    vsock_connection_free (v->connections->pdata[v->connections->len - 1]);
  v->n_replies = 0;
}

static void on_stop (void *self) { drop_connections (self); }

static bool
on_features (void *self, uint64_t features)
{
  Vsock *v = self;
  v->fresh = true;
  v->lost = false;
  return true;
}

/* A driver that was loaded has connections that are not here. */
static void
on_start (void *self)
{
  Vsock *v = self;
  v->lost = !v->fresh;
  v->fresh = false;
}

static bool
on_client (void *user, int fd)
{
  Vsock *v = user;
  if (v->connections->len >= VSOCK_CONNECTIONS)
    close (fd);
  else
    vsock_connection_watch (vsock_connection_new (v, fd, VSOCK_GREETING));
  return true;
}

/* --- life cycle: configure, realize, reset ------------------------------------------------------------ */

static bool
vsock_configure (void *self, GError **error)
{
  const Vsock *v = self;
  enum { PORT_DIGITS = 11 };    /* _4294967295 */
  if (*v->path && strlen (v->path) + PORT_DIGITS < sizeof ((struct sockaddr_un *) 0)->sun_path)
    return true;
  g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "path = %s: a Unix socket's name has 1 to %zu characters, and a port's number is appended", v->path,
               sizeof ((struct sockaddr_un *) 0)->sun_path - PORT_DIGITS - 1);
  return false;
}

static bool
vsock_realize (void *self, GError **error)
{
  static const uint16_t sizes[QUEUES] = { QUEUE_SIZE, QUEUE_SIZE, QUEUE_SIZE };
  Vsock *v = self;
  BpVirtioFunction f = { .struct_size = sizeof f, .device_id = DEVICE_ID, .n_queues = QUEUES, .queue_sizes = sizes, .features = FEATURE_STREAM,
                         .config_size = CONFIG_SIZE, .self = v, .owner = v, .config_read = on_config_read, .accept_features = on_features, .start = on_start,
                         .stop = on_stop, .kick = on_kick };
  g_autofree char *address = g_strdup_printf ("unix:%s", v->path);
  v->connections = g_ptr_array_new ();
  v->by_key = g_hash_table_new (g_int64_hash, g_int64_equal);
  v->listener = bp_listener_new (address, 0, error);
  if (!v->listener) {
    g_prefix_error (error, "path: ");
    return false;
  }
  bp_listener_watch (v->listener, bp_object_machine (v), true, on_client, v);
  v->device = vsock_bus (v)->add (v->bus.instance, v->address, &f, error);
  return v->device != NULL;
}

static void
vsock_unrealize (void *self)
{
  Vsock *v = self;
  if (v->device)
    vsock_bus (v)->remove (v->bus.instance, v->device);
  v->device = NULL;
  drop_connections (v);
  g_clear_pointer (&v->listener, bp_listener_free);
  g_clear_pointer (&v->connections, g_ptr_array_unref);
  g_clear_pointer (&v->by_key, g_hash_table_unref);
}

static BpRemoval
vsock_removal (void *self, GError **error)
{
  Vsock *v = self;
  return bp_virtio_removal (&v->bus, v->device, error);
}

static void
vsock_reset (void *self, BpResetKind kind)
{
  Vsock *v = self;
  vsock_bus (v)->reset (v->bus.instance, v->device);
  drop_connections (v);
  v->fresh = v->lost = false;
}

/* --- tables: properties, saved fields, type ------------------------------------------------------------ */

static const BpProperty vsock_properties[] = {
  BP_VIRTIO_DEVICE_PROPERTIES (Vsock, bus, address),
  BP_PROP_U32_RANGE ("cid", Vsock, cid, 3, 3, UINT32_MAX - 1, "The guest's address, its context ID; the host's is 2."),
  BP_PROP_ ("path", BP_PROPERTY_STRING, Vsock, path, .flags = BP_PROPERTY_REQUIRED,
            .help = "The Unix socket on which clients of the host ask for a port of the guest; what the guest connects to is beside it: PATH_PORT.  Relative to the current "
                    "directory."),
  BP_PROP_END
};
static const BpStateField vsock_state[] = { BP_STATE_FIELD_BOOL (Vsock, fresh), BP_STATE_END };

const BpTypeDesc virtio_vsock_type = {
  BP_TYPE ("virtio-vsock", BP_KIND_DEVICE, Vsock),
  .description = "Virtio socket device: streams between programs in the guest and Unix sockets of the host",
  .properties = vsock_properties,
  .state_version = 1,
  .state_minimum = 1,
  .state = vsock_state,
  .configure = vsock_configure,
  .realize = vsock_realize,
  .unrealize = vsock_unrealize,
  .reset = vsock_reset,
  .flags = BP_TYPE_HOT_PLUG,
  .removal = vsock_removal,
};
