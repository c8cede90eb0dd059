/* vhost-back-end.c -- a vhost-user back end of the tests' own: messages, memory, one split ring, a disk in memory. */
/* SPDX-License-Identifier: MIT */
#include "vhost-back-end.h"
#include "hw-virtio/vhost-user.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { QUEUES = 2 };

typedef struct Ring {
  uint32_t size;
  uint16_t next;
  uint64_t descriptors, available, used;        /* the front end's addresses */
  int kick, call;
  bool enabled;
} Ring;

typedef struct Mapped {
  VhostRegion r;
  uint8_t *at;
} Mapped;

struct BackEnd {
  BackEndFault fault;
  int listener, peer, stop[2];
  GThread *thread;
  uint8_t disk[BACK_END_DISK];
  Mapped memory[VHOST_REGIONS_MOST];
  unsigned n_memory;
  Ring rings[QUEUES];
};

typedef struct Head {
  uint32_t request, flags, size;
} Head;

/* --- memory ---------------------------------------------------------------------------------- */

static uint8_t *
find (BackEnd *b, uint64_t address, uint64_t size, bool by_user)
{
  for (unsigned i = 0; i < b->n_memory; i++) {
    uint64_t start = by_user ? b->memory[i].r.user : b->memory[i].r.guest;
    if (address >= start && address - start <= b->memory[i].r.size && size <= b->memory[i].r.size - (address - start))
      return b->memory[i].at + (address - start);
  }
  g_error ("vhost-back-end: 0x%" G_GINT64_MODIFIER "x is no memory", address);
}

static void
forget_memory (BackEnd *b)
{
  for (unsigned i = 0; i < b->n_memory; i++)
    munmap (b->memory[i].at - b->memory[i].r.offset, b->memory[i].r.size + b->memory[i].r.offset);
  b->n_memory = 0;
}

static void
take_memory (BackEnd *b, const uint8_t *payload, const int *fds, unsigned n_fds)
{
  uint32_t n;
  forget_memory (b);
  memcpy (&n, payload, sizeof n);
  g_assert_cmpuint (n, ==, n_fds);
  for (unsigned i = 0; i < n; i++) {
    Mapped *m = &b->memory[i];
    memcpy (&m->r, payload + 8 + i * sizeof m->r, sizeof m->r);
    m->at = mmap (NULL, m->r.size + m->r.offset, PROT_READ | PROT_WRITE, MAP_SHARED, fds[i], 0);
    g_assert (m->at != MAP_FAILED);
    m->at += m->r.offset;
  }
  b->n_memory = n;
}

/* --- requests ------------------------------------------------------------------------------------ */

typedef struct Descriptor {
  uint64_t address;
  uint32_t size;
  uint16_t flags, next;
} Descriptor;

/* A header of 16 bytes, data, a byte of status: each a part of its own. */
static uint32_t
serve_chain (BackEnd *b, Ring *r, uint16_t head)
{
  Descriptor d;
  uint32_t type = ~0u, done = 0;
  uint64_t sector = 0;
  for (unsigned i = 0;; i++) {
    memcpy (&d, find (b, r->descriptors + 16 * head, 16, true), sizeof d);
    uint8_t *at = find (b, d.address, d.size, false);
    if (i == 0) {
      memcpy (&type, at, 4);
      memcpy (&sector, at + 8, 8);
      sector %= BACK_END_DISK / 512;
    } else if (d.flags & 1) {
      uint32_t n = MIN (d.size, BACK_END_DISK - (uint32_t) sector * 512);
      memcpy (type ? b->disk + sector * 512 : at, type ? at : b->disk + sector * 512, n);
      done += type ? 0 : n;
    } else {
      *at = 0;
      return done + 1;
    }
    g_assert (d.flags & 1);
    head = d.next;
  }
}

static void
serve_ring (BackEnd *b, Ring *r)
{
  uint16_t until, used;
  uint8_t *available = find (b, r->available, 4 + 2 * r->size, true), *answers = find (b, r->used, 4 + 8 * r->size, true);
  __atomic_thread_fence (__ATOMIC_SEQ_CST);
  memcpy (&until, available + 2, 2);
  memcpy (&used, answers + 2, 2);
  for (; r->next != until; r->next++, used++) {
    uint16_t head;
    memcpy (&head, available + 4 + 2 * (r->next % r->size), 2);
    const uint32_t answer[2] = { head, serve_chain (b, r, head) };
    memcpy (answers + 4 + 8 * (used % r->size), answer, sizeof answer);
  }
  __atomic_thread_fence (__ATOMIC_SEQ_CST);
  memcpy (answers + 2, &used, 2);
  const uint64_t one = 1;
  if (r->call >= 0 && write (r->call, &one, sizeof one) < 0)
    g_assert_cmpint (errno, ==, EAGAIN);
}

/* --- messages -------------------------------------------------------------------------------------- */

static bool
answer (BackEnd *b, uint32_t request, const void *payload, uint32_t size)
{
  uint8_t bytes[512];
  Head head = { request, 1 | 4, size };
  if (b->fault == BACK_END_OTHER_ANSWER)
    head.request++;
  if (b->fault == BACK_END_HUGE_ANSWER)
    head.size = ~0u;
  memcpy (bytes, &head, sizeof head);
  memcpy (bytes + sizeof head, payload, size);
  size_t n = b->fault == BACK_END_SHORT_ANSWER ? sizeof head + size / 2 : sizeof head + size;
  return send (b->peer, bytes, n, MSG_NOSIGNAL) == (ssize_t) n && b->fault != BACK_END_SHORT_ANSWER;
}

static bool
answer_number (BackEnd *b, uint32_t request, uint64_t number)
{
  return answer (b, request, &number, sizeof number);
}

static void
set_fd (int *to, int fd)
{
  if (*to >= 0)
    close (*to);
  *to = fd;
}

static bool
is_question (uint32_t request)
{
  return request == VHOST_GET_FEATURES || request == VHOST_GET_PROTOCOL_FEATURES || request == VHOST_GET_QUEUE_NUM || request == VHOST_GET_CONFIG
         || request == VHOST_GET_VRING_BASE;
}

static bool
handle_question (BackEnd *b, const Head *head, uint8_t *payload, Ring *r)
{
  uint64_t capacity = BACK_END_DISK / 512;
  uint32_t state[2];
  switch (head->request) {
  case VHOST_GET_FEATURES:
    return answer_number (b, head->request, UINT64_C (1) << VHOST_F_PROTOCOL_FEATURES | 1 << 9 | (b->fault == BACK_END_OLD ? 0 : UINT64_C (1) << 32));
  case VHOST_GET_PROTOCOL_FEATURES:
    return answer_number (b, head->request, 1 << VHOST_PROTOCOL_MQ | 1 << VHOST_PROTOCOL_REPLY_ACK | (b->fault == BACK_END_NO_CONFIG ? 0 : 1 << VHOST_PROTOCOL_CONFIG));
  case VHOST_GET_QUEUE_NUM:
    return answer_number (b, head->request, b->fault == BACK_END_NO_QUEUES ? 0 : QUEUES);
  case VHOST_GET_CONFIG:
    memset (payload + 12, 0, 60);
    memcpy (payload + 12, &capacity, sizeof capacity);
    return answer (b, head->request, payload, head->size);
  default:
    memcpy (state, payload, sizeof state);
    state[1] = r->next;
    r->enabled = false;
    set_fd (&r->kick, -1);
    return answer (b, head->request, state, sizeof state);
  }
}

static void
handle_order (BackEnd *b, const Head *head, const uint8_t *payload, Ring *r, const int *fds, unsigned n_fds)
{
  uint32_t value;
  memcpy (&value, payload + 4, sizeof value);
  switch (head->request) {
  case VHOST_SET_MEM_TABLE: take_memory (b, payload, fds, n_fds); break;
  case VHOST_SET_VRING_NUM: r->size = value; break;
  case VHOST_SET_VRING_BASE: r->next = (uint16_t) value; break;
  case VHOST_SET_VRING_ADDR:
    memcpy (&r->descriptors, payload + 8, 8);
    memcpy (&r->used, payload + 16, 8);
    memcpy (&r->available, payload + 24, 8);
    break;
  case VHOST_SET_VRING_KICK: set_fd (&r->kick, dup (fds[0])); break;
  case VHOST_SET_VRING_CALL: set_fd (&r->call, dup (fds[0])); break;
  case VHOST_SET_VRING_ENABLE: r->enabled = value; break;
  default: break;
  }
}

static bool
serve_message (BackEnd *b)
{
  uint8_t payload[512] = { 0 };
  Head head;
  int fds[VHOST_REGIONS_MOST];
  unsigned n_fds = 0;
  union { char bytes[CMSG_SPACE (sizeof fds)]; struct cmsghdr align; } control;
  struct iovec part = { &head, sizeof head };
  struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes };
  if (recvmsg (b->peer, &m, MSG_WAITALL | MSG_CMSG_CLOEXEC) != sizeof head)
    return false;
  struct cmsghdr *c = CMSG_FIRSTHDR (&m);
  if (c) {
    n_fds = (unsigned) ((c->cmsg_len - CMSG_LEN (0)) / sizeof (int));
    memcpy (fds, CMSG_DATA (c), n_fds * sizeof (int));
  }
  g_assert (head.size <= sizeof payload);
  if (head.size && recv (b->peer, payload, head.size, MSG_WAITALL) != (ssize_t) head.size)
    return false;
  Ring *r = &b->rings[payload[0] % QUEUES];
  bool fine = true;
  if (is_question (head.request)) {
    fine = handle_question (b, &head, payload, r);
  } else {
    handle_order (b, &head, payload, r, fds, n_fds);
    if (head.flags & 8)
      fine = answer_number (b, head.request, head.request == VHOST_SET_MEM_TABLE && b->fault == BACK_END_REFUSES_MEMORY);
  }
  for (unsigned i = 0; i < n_fds; i++)
    close (fds[i]);
  return fine;
}

/* --- a thread ------------------------------------------------------------------------------------------ */

static bool
serve_kick (BackEnd *b, Ring *r)
{
  uint64_t count;
  if (read (r->kick, &count, sizeof count) != sizeof count)
    return true;
  if (b->fault == BACK_END_ENDS_IN_REQUEST)
    return false;
  serve_ring (b, r);
  return true;
}

/* Until the front end hangs up, or the test ends.  false: the latter. */
static bool
serve_peer (BackEnd *b)
{
  for (;;) {
    struct pollfd p[2 + QUEUES] = { { .fd = b->stop[0], .events = POLLIN }, { .fd = b->peer, .events = POLLIN } };
    for (unsigned i = 0; i < QUEUES; i++)
      p[2 + i] = (struct pollfd) { .fd = b->rings[i].enabled ? b->rings[i].kick : -1, .events = POLLIN };
    if (poll (p, 2 + QUEUES, -1) < 0)
      continue;
    if (p[0].revents)
      return false;
    if (p[1].revents && !serve_message (b))
      return true;
    for (unsigned i = 0; i < QUEUES && !p[1].revents; i++)
      if (p[2 + i].revents && !serve_kick (b, &b->rings[i]))
        return true;
  }
}

static void
forget_peer (BackEnd *b)
{
  close (b->peer);
  b->peer = -1;
  for (unsigned i = 0; i < QUEUES; i++) {
    set_fd (&b->rings[i].kick, -1);
    set_fd (&b->rings[i].call, -1);
    b->rings[i] = (Ring) { .kick = -1, .call = -1 };
  }
  forget_memory (b);
}

static gpointer
run (gpointer user)
{
  BackEnd *b = user;
  for (bool goes_on = true; goes_on;) {
    struct pollfd p[2] = { { .fd = b->stop[0], .events = POLLIN }, { .fd = b->listener, .events = POLLIN } };
    if (poll (p, 2, -1) < 0)
      continue;
    if (p[0].revents)
      break;
    b->peer = accept (b->listener, NULL, NULL);
    g_assert (b->peer >= 0);
    goes_on = serve_peer (b);
    forget_peer (b);
  }
  return NULL;
}

BackEnd *
back_end_new (const char *path, BackEndFault fault)
{
  struct sockaddr_un a = { .sun_family = AF_UNIX };
  BackEnd *b = g_new0 (BackEnd, 1);
  b->fault = fault;
  g_strlcpy (a.sun_path, path, sizeof a.sun_path);
  unlink (path);
  b->listener = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert (b->listener >= 0 && bind (b->listener, (struct sockaddr *) &a, sizeof a) == 0 && listen (b->listener, 1) == 0 && pipe (b->stop) == 0);
  for (unsigned i = 0; i < QUEUES; i++)
    b->rings[i] = (Ring) { .kick = -1, .call = -1 };
  for (unsigned i = 0; i < BACK_END_DISK; i++)
    b->disk[i] = (uint8_t) (i / 512 + i);
  b->thread = g_thread_new ("back-end", run, b);
  return b;
}

void
back_end_free (BackEnd *b)
{
  g_assert (write (b->stop[1], "x", 1) == 1);
  g_thread_join (b->thread);
  close (b->listener);
  close (b->stop[0]);
  close (b->stop[1]);
  g_free (b);
}

uint8_t *back_end_disk (BackEnd *b) { return b->disk; }
