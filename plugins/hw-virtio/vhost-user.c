/* vhost-user.c -- messages of the vhost-user protocol and their answers, over a Unix socket. */
/* SPDX-License-Identifier: MIT */
#include "vhost-user.h"
#include <backplane/common.h>
#include <backplane/socket.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { VERSION = 1, REPLY = 1 << 2, NEED_REPLY = 1 << 3 };
enum { PAYLOAD_MOST = 1024, SECONDS = 5 };
enum { NO_FD = 1 << 8 };        /* in a ring's number */

/* The parts follow one another on the wire; here there may be room between them. */
typedef struct Message {
  struct {
    uint32_t request, flags, size;
  } head;
  union {
    uint64_t number;
    struct { uint32_t index, value; } state;
    struct { uint32_t index, flags; uint64_t descriptors, used, available, log; } address;
    struct { uint32_t n, padding; VhostRegion regions[VHOST_REGIONS_MOST]; } memory;
    struct { uint32_t offset, size, flags; uint8_t bytes[VHOST_CONFIG_MOST]; } config;
    struct { uint64_t size, offset; uint16_t queues, queue_size; } inflight;
    uint8_t bytes[PAYLOAD_MOST];
  } payload;
} Message;

/* --- the socket ---------------------------------------------------------------------------------- */

static bool
wrong (GError **error, const char *what, const char *why)
{
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "the vhost-user back end %s%s%s", what, why ? ": " : "", why ? why : "");
  return false;
}

static void
close_fd (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

static bool
send_all (int fd, const void *bytes, size_t size, const int *fds, unsigned n_fds)
{
  union { char bytes[CMSG_SPACE (sizeof (int) * VHOST_REGIONS_MOST)]; struct cmsghdr align; } control = { { 0 } };
  for (size_t done = 0; done < size;) {
    struct iovec part = { (uint8_t *) (uintptr_t) bytes + done, size - done };
    struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };
    if (n_fds && !done) {
      m.msg_control = control.bytes;
      m.msg_controllen = CMSG_SPACE (sizeof (int) * n_fds);
      struct cmsghdr *c = CMSG_FIRSTHDR (&m);
      c->cmsg_level = SOL_SOCKET;
      c->cmsg_type = SCM_RIGHTS;
      c->cmsg_len = CMSG_LEN (sizeof (int) * n_fds);
      memcpy (CMSG_DATA (c), fds, sizeof (int) * n_fds);
    }
    ssize_t n = sendmsg (fd, &m, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return false;
    done += (size_t) n;
  }
  return true;
}

/* The one descriptor that an answer may bring; others are closed. */
static void
take_fds (struct msghdr *m, int *fd)
{
  for (struct cmsghdr *c = CMSG_FIRSTHDR (m); c; c = CMSG_NXTHDR (m, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
      continue;
    for (size_t at = 0; at + sizeof (int) <= c->cmsg_len - CMSG_LEN (0); at += sizeof (int)) {
      int got;
      memcpy (&got, CMSG_DATA (c) + at, sizeof got);
      if (*fd < 0)
        *fd = got;
      else
        close (got);
    }
  }
}

static bool
receive_all (int fd, void *bytes, size_t size, int *passed)
{
  for (size_t done = 0; done < size;) {
    union { char bytes[CMSG_SPACE (sizeof (int) * VHOST_REGIONS_MOST)]; struct cmsghdr align; } control;
    struct iovec part = { (uint8_t *) bytes + done, size - done };
    struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes };
    ssize_t n = recvmsg (fd, &m, MSG_CMSG_CLOEXEC);
    if (n < 0 && errno == EINTR)
      continue;
    if (n == 0)
      errno = ECONNRESET;
    if (n <= 0)
      return false;
    take_fds (&m, passed);
    done += (size_t) n;
  }
  return true;
}

/* A peer that breaks off in the middle of an answer, or says something else, is not talked to any more.  Who watches the socket finds it at its end. */
static bool
give_up (Vhost *v, GError **error, const char *what, bool by_errno)
{
  const char *why = !by_errno ? NULL : errno == EAGAIN ? "it does not answer within 5 seconds" : g_strerror (errno);
  shutdown (v->fd, SHUT_RDWR);
  return wrong (error, what, why);
}

static bool
send_message (int fd, Message *m, uint32_t request, uint32_t flags, size_t size, const int *fds, unsigned n_fds)
{
  uint8_t bytes[sizeof m->head + PAYLOAD_MOST];
  m->head.request = request;
  m->head.flags = VERSION | flags;
  m->head.size = (uint32_t) size;
  memcpy (bytes, &m->head, sizeof m->head);
  memcpy (bytes + sizeof m->head, &m->payload, size);
  return send_all (fd, bytes, sizeof m->head + size, fds, n_fds);
}

static bool
say (Vhost *v, Message *m, uint32_t request, size_t size, const int *fds, unsigned n_fds, GError **error)
{
  if (v->fd < 0)
    return wrong (error, "is not connected", NULL);
  return send_message (v->fd, m, request, m->head.flags & NEED_REPLY, size, fds, n_fds) || give_up (v, error, "takes no message", true);
}

static bool
hear (Vhost *v, Message *m, uint32_t request, size_t least, int *passed, GError **error)
{
  int none = -1, *fd = passed ? passed : &none;
  bool there = receive_all (v->fd, &m->head, sizeof m->head, fd);
  bool fine = there && m->head.request == request && (m->head.flags & (3 | REPLY)) == (VERSION | REPLY) && m->head.size >= least && m->head.size <= PAYLOAD_MOST;
  bool whole = fine && receive_all (v->fd, &m->payload, m->head.size, fd);
  int code = errno;
  close_fd (&none);             /* nobody has asked for it */
  errno = code;
  return whole || give_up (v, error, !there || fine ? "is gone or stuck" : "answers something else than it was asked", !there || fine);
}

static bool has_protocol (const Vhost *v, unsigned bit) { return v->protocol_features >> bit & 1; }

/* Tells it something; whether it says yes, when it can say. */
static bool
tell (Vhost *v, Message *m, uint32_t request, size_t size, const int *fds, unsigned n_fds, GError **error)
{
  bool acknowledged = has_protocol (v, VHOST_PROTOCOL_REPLY_ACK);
  m->head.flags = acknowledged ? NEED_REPLY : 0;
  if (!say (v, m, request, size, fds, n_fds, error))
    return false;
  if (!acknowledged)
    return true;
  if (!hear (v, m, request, sizeof m->payload.number, NULL, error))
    return false;
  return !m->payload.number || wrong (error, "refuses a message", NULL);
}

static bool
tell_number (Vhost *v, uint32_t request, uint64_t number, GError **error)
{
  Message m = { .payload.number = number };
  return tell (v, &m, request, sizeof number, NULL, 0, error);
}

static bool
tell_ring (Vhost *v, uint32_t request, uint32_t index, uint32_t value, GError **error)
{
  Message m = { .payload.state = { index, value } };
  return tell (v, &m, request, sizeof m.payload.state, NULL, 0, error);
}

static bool
tell_ring_fd (Vhost *v, uint32_t request, uint32_t index, int fd, GError **error)
{
  Message m = { .payload.number = index | (fd < 0 ? NO_FD : 0) };
  return tell (v, &m, request, sizeof m.payload.number, &fd, fd >= 0, error);
}

static bool
ask_number (Vhost *v, uint32_t request, uint64_t *number, GError **error)
{
  Message m = { .payload.number = 0 };
  if (!say (v, &m, request, 0, NULL, 0, error) || !hear (v, &m, request, sizeof *number, NULL, error))
    return false;
  *number = m.payload.number;
  return true;
}

/* --- a connection ------------------------------------------------------------------------------------- */

void vhost_init (Vhost *v) { *v = (Vhost) { .fd = -1, .channel = -1, .inflight_fd = -1 }; }

void
vhost_disconnect (Vhost *v)
{
  close_fd (&v->fd);
  close_fd (&v->channel);
}

void vhost_forget_inflight (Vhost *v) { close_fd (&v->inflight_fd); }

void
vhost_finish (Vhost *v)
{
  vhost_disconnect (v);
  vhost_forget_inflight (v);
}

static void
set_patience (int fd)
{
  const struct timeval patience = { .tv_sec = SECONDS };
  setsockopt (fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt (fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

static bool
open_channel (Vhost *v, GError **error)
{
  Message m = { .payload.number = 0 };
  int ends[2];
  if (!has_protocol (v, VHOST_PROTOCOL_BACK_END_CHANNEL))
    return true;
  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return wrong (error, "cannot have a channel of its own", g_strerror (errno));
  v->channel = ends[0];
  set_patience (v->channel);
  bool told = tell (v, &m, VHOST_SET_BACK_END_CHANNEL, 0, &ends[1], 1, error);
  close (ends[1]);
  return told;
}

static bool
agree (Vhost *v, GError **error)
{
  const uint64_t known = 1 << VHOST_PROTOCOL_MQ | 1 << VHOST_PROTOCOL_LOG_SHMFD | 1 << VHOST_PROTOCOL_REPLY_ACK | 1 << VHOST_PROTOCOL_BACK_END_CHANNEL
                         | 1 << VHOST_PROTOCOL_CONFIG | 1 << VHOST_PROTOCOL_INFLIGHT;
  uint64_t offered, most = 0;
  v->protocol_features = 0;
  if (!ask_number (v, VHOST_GET_FEATURES, &v->features, error))
    return false;
  if (v->features >> VHOST_F_PROTOCOL_FEATURES & 1) {
    if (!ask_number (v, VHOST_GET_PROTOCOL_FEATURES, &offered, error) || !tell_number (v, VHOST_SET_PROTOCOL_FEATURES, offered & known, error))
      return false;
    v->protocol_features = offered & known;
  }
  if (has_protocol (v, VHOST_PROTOCOL_MQ) && !ask_number (v, VHOST_GET_QUEUE_NUM, &most, error))
    return false;
  v->queues_most = has_protocol (v, VHOST_PROTOCOL_MQ) ? (unsigned) MIN (most, 1024) : 1024;
  Message m = { .payload.number = 0 };
  return tell (v, &m, VHOST_SET_OWNER, 0, NULL, 0, error) && open_channel (v, error);
}

char *
vhost_wrong (const char *address)
{
  return g_str_has_prefix (address, "unix:") ? bp_socket_wrong (address)
                                             : g_strdup_printf ("`%s` is not unix:PATH: descriptors cannot be passed otherwise", address);
}

bool
vhost_connect (Vhost *v, const char *address, GError **error)
{
  v->fd = bp_socket_connect (address, error);
  if (v->fd < 0)
    return false;
  set_patience (v->fd);
  if (agree (v, error))
    return true;
  vhost_disconnect (v);
  return false;
}

/* Answered before anything comes of it: what that is may take questions, which a back end that waits for its answer would not hear. */
bool
vhost_hear_back_end (Vhost *v, uint32_t *request, GError **error)
{
  Message m;
  int fd = -1;
  if (!receive_all (v->channel, &m.head, sizeof m.head, &fd)) {
    close_fd (&fd);
    return false;
  }
  bool fine = (m.head.flags & (3 | REPLY)) == VERSION && m.head.size <= PAYLOAD_MOST && receive_all (v->channel, &m.payload, m.head.size, &fd);
  close_fd (&fd);
  if (!fine)
    return wrong (error, "sends a message that is none", NULL);
  *request = m.head.request;
  if (!(m.head.flags & NEED_REPLY))
    return true;
  Message answer = { .payload.number = *request != VHOST_BACK_END_CONFIG_CHANGE };
  return send_message (v->channel, &answer, *request, REPLY, sizeof answer.payload.number, NULL, 0) || wrong (error, "does not take an answer", g_strerror (errno));
}

/* --- configuration --------------------------------------------------------------------------------------- */

bool
vhost_get_config (Vhost *v, uint8_t *config, uint32_t size, GError **error)
{
  Message m = { .payload.config = { .size = size } };
  size_t head = offsetof (Message, payload.config.bytes) - offsetof (Message, payload);
  if (!has_protocol (v, VHOST_PROTOCOL_CONFIG))
    return wrong (error, "cannot tell its configuration (protocol feature CONFIG)", NULL);
  if (!say (v, &m, VHOST_GET_CONFIG, head + size, NULL, 0, error) || !hear (v, &m, VHOST_GET_CONFIG, head, NULL, error))
    return false;
  if (m.head.size < head + size || m.payload.config.size != size)
    return wrong (error, "has no configuration of the size that such a device has", NULL);
  memcpy (config, m.payload.config.bytes, size);
  return true;
}

bool
vhost_set_config (Vhost *v, uint32_t offset, const uint8_t *bytes, uint32_t size, GError **error)
{
  Message m = { .payload.config = { .offset = offset, .size = size } };
  memcpy (m.payload.config.bytes, bytes, MIN (size, VHOST_CONFIG_MOST));
  return tell (v, &m, VHOST_SET_CONFIG, offsetof (Message, payload.config.bytes) - offsetof (Message, payload) + size, NULL, 0, error);
}

/* --- what is under way, for the next back end ----------------------------------------------------------------- */

static bool
share_inflight (Vhost *v, unsigned n_queues, unsigned queue_size, GError **error)
{
  Message m = { .payload.inflight = { .queues = (uint16_t) n_queues, .queue_size = (uint16_t) queue_size } };
  size_t size = 20;             /* without what pads the struct */
  if (v->inflight_fd < 0) {
    if (!say (v, &m, VHOST_GET_INFLIGHT_FD, size, NULL, 0, error) || !hear (v, &m, VHOST_GET_INFLIGHT_FD, size, &v->inflight_fd, error)) {
      vhost_forget_inflight (v);        /* one of which only the descriptor came */
      return false;
    }
    if (v->inflight_fd < 0)
      return true;              /* it wants none */
    v->inflight_size = m.payload.inflight.size;
    v->inflight_offset = m.payload.inflight.offset;
    v->inflight_queues = (uint16_t) n_queues;
    v->inflight_queue_size = (uint16_t) queue_size;
  }
  m = (Message) { .payload.inflight = { v->inflight_size, v->inflight_offset, v->inflight_queues, v->inflight_queue_size } };
  return tell (v, &m, VHOST_SET_INFLIGHT_FD, size, &v->inflight_fd, 1, error);
}

/* --- what it writes --------------------------------------------------------------------------------------------- */

bool vhost_can_log (const Vhost *v) { return v->features >> VHOST_F_LOG_ALL & 1 && has_protocol (v, VHOST_PROTOCOL_LOG_SHMFD); }

/* It is answered in any case. */
bool
vhost_set_log (Vhost *v, int fd, uint64_t size, GError **error)
{
  struct { uint64_t size, offset; } where = { size, 0 };
  Message m = { .payload.number = 0 };
  memcpy (m.payload.bytes, &where, sizeof where);
  return say (v, &m, VHOST_SET_LOG_BASE, sizeof where, &fd, 1, error) && hear (v, &m, VHOST_SET_LOG_BASE, 0, NULL, error);
}

/* --- memory and rings -------------------------------------------------------------------------------------------- */

bool
vhost_start (Vhost *v, uint64_t features, const VhostMemory *memory, unsigned n_queues, unsigned queue_size, GError **error)
{
  Message m = { .payload.memory.n = memory->n };
  uint64_t own = v->features & (UINT64_C (1) << VHOST_F_PROTOCOL_FEATURES | (vhost_can_log (v) ? UINT64_C (1) << VHOST_F_LOG_ALL : 0));
  memcpy (m.payload.memory.regions, memory->regions, sizeof m.payload.memory.regions);
  if (has_protocol (v, VHOST_PROTOCOL_INFLIGHT) && !share_inflight (v, n_queues, queue_size, error))
    return false;
  return tell_number (v, VHOST_SET_FEATURES, features | own, error)
         && tell (v, &m, VHOST_SET_MEM_TABLE, 8 + memory->n * sizeof (VhostRegion), memory->fds, memory->n, error);
}

bool
vhost_start_ring (Vhost *v, const VhostRing *r, GError **error)
{
  Message address = { .payload.address = { .index = r->index, .descriptors = r->descriptors, .used = r->used, .available = r->available } };
  bool enable = v->features >> VHOST_F_PROTOCOL_FEATURES & 1;
  return tell_ring (v, VHOST_SET_VRING_NUM, r->index, r->size, error) && tell_ring (v, VHOST_SET_VRING_BASE, r->index, r->next, error)
         && tell (v, &address, VHOST_SET_VRING_ADDR, sizeof address.payload.address, NULL, 0, error)
         && tell_ring_fd (v, VHOST_SET_VRING_KICK, r->index, r->kick_fd, error) && tell_ring_fd (v, VHOST_SET_VRING_CALL, r->index, r->call_fd, error)
         && (!enable || tell_ring (v, VHOST_SET_VRING_ENABLE, r->index, 1, error));
}

bool
vhost_stop_ring (Vhost *v, uint32_t index, uint32_t *next, GError **error)
{
  Message m = { .payload.state = { index, 0 } };
  if (!say (v, &m, VHOST_GET_VRING_BASE, sizeof m.payload.state, NULL, 0, error)
      || !hear (v, &m, VHOST_GET_VRING_BASE, sizeof m.payload.state, NULL, error))
    return false;
  *next = m.payload.state.value;
  return m.payload.state.index == index || wrong (error, "tells of another ring than it was asked about", NULL);
}
