/* vhost-back-end.c -- a vhost-user back end of the tests' own: messages, memory, rings of both layouts, what is under way and what was written. */
/* SPDX-License-Identifier: MIT */
#include "vhost-back-end.h"
#include "vhost-requests.h"
#include "hw-virtio/vhost-user.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { QUEUES = 2, ENTRIES = 1024, WRAP = 1 << 15, PAGE = 4096, WRITEBACK_AT = 32 };
enum { F_NEXT = 1, F_WRITE = 2, F_AVAILABLE = 1 << 7, F_USED = 1 << 15 };

typedef struct Ring {
  uint32_t size;
  uint16_t next;                /* packed: with the wrap counter */
  uint64_t descriptors, available, used;        /* the front end's addresses */
  int kick, call;
  bool enabled, fresh;          /* fresh: not looked at yet */
} Ring;

typedef struct Mapped {
  VhostRegion r;
  uint8_t *at;
} Mapped;

struct BackEnd {
  BackEndFault fault;
  unsigned knows;
  int listener, peer, channel, stop[2];
  GThread *thread;
  uint64_t features;            /* in use */
  uint64_t sectors;
  uint8_t disk[BACK_END_DISK];
  bool writeback;
  unsigned inherited;
  Mapped memory[VHOST_REGIONS_MOST];
  unsigned n_memory;
  uint8_t *log, *inflight;      /* inflight: a byte a descriptor, 1: it was begun */
  uint64_t log_size;
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

static void
log_written (BackEnd *b, uint64_t address, uint64_t size)
{
  if (!b->log || !size)
    return;
  for (uint64_t page = address / PAGE; page <= (address + size - 1) / PAGE; page++) {
    g_assert_cmpuint (page / 8, <, b->log_size);
    __atomic_fetch_or (&b->log[page / 8], (uint8_t) (1 << page % 8), __ATOMIC_RELAXED);
  }
}

static uint8_t *
map_shared (int fd, uint64_t size, uint64_t offset)
{
  uint8_t *at = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t) offset);
  g_assert (at != MAP_FAILED);
  return at;
}

/* --- rings ------------------------------------------------------------------------------------------ */

typedef struct Descriptor {
  uint64_t address;
  uint32_t size;
  uint16_t a, b;                /* split: flags, next; packed: id, flags */
} Descriptor;

static void
add_part (BackEnd *b, Request *q, uint64_t address, uint32_t size, uint16_t flags)
{
  g_assert_cmpuint (q->n, <, REQUEST_PARTS);
  q->parts[q->n++] = (RequestPart) { find (b, address, size, false), address, size, flags & F_WRITE };
}

static uint8_t *begun_at (BackEnd *b, const Ring *r, uint16_t head) { return b->inflight ? b->inflight + (r - b->rings) * ENTRIES + head : NULL; }

static void
note (BackEnd *b, const Ring *r, uint16_t head, bool begun)
{
  uint8_t *at = begun_at (b, r, head);
  if (at)
    *at = begun;
}

static void
read_split (BackEnd *b, const Ring *r, uint16_t head, Request *q)
{
  Descriptor d;
  *q = (Request) { .head = head };
  do {
    memcpy (&d, find (b, r->descriptors + 16 * head, 16, true), sizeof d);
    add_part (b, q, d.address, d.size, d.a);
    head = d.b;
  } while (d.a & F_NEXT);
}

static bool
next_split (BackEnd *b, Ring *r, Request *q)
{
  const uint8_t *available = find (b, r->available, 4 + 2 * r->size, true);
  uint16_t until, head;
  __atomic_thread_fence (__ATOMIC_SEQ_CST);
  memcpy (&until, available + 2, 2);
  if (r->next == until)
    return false;
  memcpy (&head, available + 4 + 2 * (r->next++ % r->size), 2);
  read_split (b, r, head, q);
  note (b, r, head, true);
  return true;
}

static void
answer_split (BackEnd *b, Ring *r, const Request *q, uint32_t written)
{
  uint8_t *answers = find (b, r->used, 4 + 8 * r->size, true);
  const uint32_t answer[2] = { q->head, written };
  uint16_t used;
  memcpy (&used, answers + 2, 2);
  memcpy (answers + 4 + 8 * (used++ % r->size), answer, sizeof answer);
  __atomic_thread_fence (__ATOMIC_SEQ_CST);
  memcpy (answers + 2, &used, 2);
  note (b, r, q->head, false);
}

/* What another had begun comes first; what it had answered is answered. */
static void
inherit (BackEnd *b, Ring *r, void (*each) (BackEnd *b, Ring *r, Request *q))
{
  Request q;
  uint16_t used;
  if (!b->inflight)
    return;
  memcpy (&used, find (b, r->used, 4, true) + 2, 2);
  r->next = used;
  for (uint16_t head = 0; head < r->size; head++)
    if (*begun_at (b, r, head)) {
      read_split (b, r, head, &q);
      r->next++;
      b->inherited++;
      each (b, r, &q);
    }
}

static uint16_t
advance (const Ring *r, uint16_t position, unsigned n)
{
  unsigned at = (position & ~WRAP) + n;
  return (uint16_t) (at < r->size ? at | (position & WRAP) : (at - r->size) | ((position & WRAP) ^ WRAP));
}

static bool
next_packed (BackEnd *b, Ring *r, Request *q)
{
  uint16_t at = r->next;
  Descriptor d;
  *q = (Request) { .head = 0 };
  do {
    memcpy (&d, find (b, r->descriptors + 16 * (at & ~WRAP), 16, true), sizeof d);
    __atomic_thread_fence (__ATOMIC_SEQ_CST);
    if (!q->n && (!(d.b & F_AVAILABLE) == !!(at & WRAP) || !(d.b & F_USED) != !!(at & WRAP)))
      return false;
    add_part (b, q, d.address, d.size, d.b);
    at = advance (r, at, 1);
  } while (d.b & F_NEXT);
  q->head = d.a;
  return true;
}

/* In their order: the used side stands where the available one does. */
static void
answer_packed (BackEnd *b, Ring *r, const Request *q, uint32_t written)
{
  uint8_t *at = find (b, r->descriptors + 16 * (r->next & ~WRAP), 16, true);
  const uint16_t flags = (uint16_t) ((r->next & WRAP ? F_AVAILABLE | F_USED : 0) | (written ? F_WRITE : 0));
  memcpy (at + 8, &written, 4);
  memcpy (at + 12, &q->head, 2);
  __atomic_thread_fence (__ATOMIC_SEQ_CST);
  memcpy (at + 14, &flags, 2);
  r->next = advance (r, r->next, q->n);
}

/* --- requests ------------------------------------------------------------------------------------------ */

static bool is_packed (const BackEnd *b) { return b->features >> 34 & 1; }

static void
call (Ring *r)
{
  const uint64_t one = 1;
  if (r->call >= 0 && write (r->call, &one, sizeof one) < 0)
    g_assert_cmpint (errno, ==, EAGAIN);
}

static void
answer_request (BackEnd *b, Ring *r, Request *q, uint32_t written)
{
  for (unsigned i = 0; i < q->n; i++)
    if (q->parts[i].write)
      log_written (b, q->parts[i].address, q->parts[i].size);
  if (is_packed (b))
    answer_packed (b, r, q, written);
  else
    answer_split (b, r, q, written);
}

static void
do_disk (BackEnd *b, Ring *r, Request *q)
{
  answer_request (b, r, q, request_on_disk (q, b->disk, sizeof b->disk));
}

static bool next_request (BackEnd *b, Ring *r, Request *q) { return is_packed (b) ? next_packed (b, r, q) : next_split (b, r, q); }

/* A frame that was sent, and what the host says to it. */
static void
do_frame (BackEnd *b, Ring *r, Request *q)
{
  uint8_t frame[REQUEST_FRAME];
  uint32_t size = request_answer_frame (q, frame);
  Ring *receive = &b->rings[0];
  Request room;
  answer_request (b, r, q, 0);
  if (!size || !receive->enabled || !next_request (b, receive, &room))
    return;
  answer_request (b, receive, &room, request_fill (&room, frame, size));
  call (receive);
}

/* false: it goes. */
static bool
serve_ring (BackEnd *b, Ring *r)
{
  Request q, second;
  bool net = b->knows & BACK_END_NET;
  if (net && r == &b->rings[0])
    return true;                /* room for what comes later */
  if (r->fresh && !is_packed (b) && !net)
    inherit (b, r, do_disk);
  r->fresh = false;
  while (next_request (b, r, &q)) {
    if (b->fault == BACK_END_ENDS_IN_REQUEST)
      return false;
    if (b->fault == BACK_END_ENDS_WITH_SECOND) {
      while (!next_request (b, r, &second))
        g_usleep (100);
      do_disk (b, r, &second);
      return false;
    }
    (net ? do_frame : do_disk) (b, r, &q);
  }
  call (r);
  return true;
}

/* --- messages -------------------------------------------------------------------------------------- */

static bool
answer_with (BackEnd *b, uint32_t request, const void *payload, uint32_t size, int fd)
{
  uint8_t bytes[512];
  Head head = { request, 1 | 4, size };
  union { char bytes[CMSG_SPACE (sizeof fd)]; struct cmsghdr align; } control = { { 0 } };
  if (b->fault == BACK_END_OTHER_ANSWER)
    head.request++;
  if (b->fault == BACK_END_HUGE_ANSWER)
    head.size = ~0u;
  memcpy (bytes, &head, sizeof head);
  memcpy (bytes + sizeof head, payload, size);
  struct iovec part = { bytes, b->fault == BACK_END_SHORT_ANSWER ? sizeof head + size / 2 : sizeof head + size };
  struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };
  if (fd >= 0) {
    m.msg_control = control.bytes;
    m.msg_controllen = sizeof control.bytes;
    struct cmsghdr *c = CMSG_FIRSTHDR (&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN (sizeof fd);
    memcpy (CMSG_DATA (c), &fd, sizeof fd);
  }
  return sendmsg (b->peer, &m, MSG_NOSIGNAL) == (ssize_t) part.iov_len && b->fault != BACK_END_SHORT_ANSWER;
}

/* One that breaks off brings a descriptor, which nobody has asked for. */
static bool
answer (BackEnd *b, uint32_t request, const void *payload, uint32_t size)
{
  return answer_with (b, request, payload, size, b->fault == BACK_END_SHORT_ANSWER ? b->stop[0] : -1);
}

static bool answer_number (BackEnd *b, uint32_t request, uint64_t number) { return answer (b, request, &number, sizeof number); }

static void
set_fd (int *to, int fd)
{
  if (*to >= 0)
    close (*to);
  *to = fd;
}

static uint64_t
features_of (const BackEnd *b)
{
  uint64_t f = UINT64_C (1) << VHOST_F_PROTOCOL_FEATURES | (b->fault == BACK_END_OLD ? 0 : UINT64_C (1) << 32);
  f |= b->knows & BACK_END_NET ? 0 : 1 << 9;
  f |= b->knows & BACK_END_WCE ? 1 << 11 : 0;
  f |= b->knows & BACK_END_LOGS ? UINT64_C (1) << VHOST_F_LOG_ALL : 0;
  return f | (b->knows & BACK_END_PACKED ? UINT64_C (1) << 34 : 0);
}

static uint64_t
protocol_features_of (const BackEnd *b)
{
  uint64_t f = 1 << VHOST_PROTOCOL_MQ | 1 << VHOST_PROTOCOL_REPLY_ACK | (b->fault == BACK_END_NO_CONFIG ? 0 : 1 << VHOST_PROTOCOL_CONFIG);
  f |= b->knows & BACK_END_LOGS ? 1 << VHOST_PROTOCOL_LOG_SHMFD : 0;
  f |= b->knows & BACK_END_CHANNEL ? 1 << VHOST_PROTOCOL_BACK_END_CHANNEL : 0;
  return f | (b->knows & BACK_END_INFLIGHT ? 1 << VHOST_PROTOCOL_INFLIGHT : 0);
}

static bool
is_question (uint32_t request)
{
  return request == VHOST_GET_FEATURES || request == VHOST_GET_PROTOCOL_FEATURES || request == VHOST_GET_QUEUE_NUM || request == VHOST_GET_CONFIG
         || request == VHOST_GET_VRING_BASE || request == VHOST_GET_INFLIGHT_FD || request == VHOST_SET_LOG_BASE;
}

static void
take_log (BackEnd *b, const uint8_t *payload, int fd)
{
  uint64_t where[2];
  memcpy (where, payload, sizeof where);
  if (b->log)
    munmap (b->log, b->log_size);
  b->log_size = where[0];
  b->log = map_shared (fd, where[0], where[1]);
}

static bool
offer_inflight (BackEnd *b)
{
  struct { uint64_t size, offset; uint16_t queues, queue_size; } where = { QUEUES * ENTRIES, 0, QUEUES, ENTRIES };
  int fd = memfd_create ("inflight", MFD_CLOEXEC);
  g_assert (fd >= 0 && ftruncate (fd, (off_t) where.size) == 0);
  bool fine = answer_with (b, VHOST_GET_INFLIGHT_FD, &where, 20, fd);
  close (fd);
  return fine;
}

static bool
tell_position (BackEnd *b, const Head *head, const uint8_t *payload, Ring *r)
{
  uint32_t state[2];
  memcpy (state, payload, sizeof state);
  state[1] = is_packed (b) ? r->next | (uint32_t) r->next << 16 : r->next;
  if (b->fault == BACK_END_WRONG_POSITION)
    state[1] = 0x7000 | 0x7000u << 16;
  r->enabled = false;
  set_fd (&r->kick, -1);
  return answer (b, head->request, state, sizeof state);
}

static bool
handle_question (BackEnd *b, const Head *head, uint8_t *payload, Ring *r, const int *fds)
{
  switch (head->request) {
  case VHOST_GET_FEATURES: return answer_number (b, head->request, features_of (b));
  case VHOST_GET_PROTOCOL_FEATURES: return answer_number (b, head->request, protocol_features_of (b));
  case VHOST_GET_QUEUE_NUM: return answer_number (b, head->request, b->fault == BACK_END_NO_QUEUES ? 0 : QUEUES);
  case VHOST_GET_CONFIG:
    memset (payload + 12, 0, 60);
    memcpy (payload + 12, &b->sectors, sizeof b->sectors);
    payload[12 + WRITEBACK_AT] = b->writeback;
    return answer (b, head->request, payload, head->size);
  case VHOST_SET_LOG_BASE: take_log (b, payload, fds[0]); return answer_number (b, head->request, 0);
  case VHOST_GET_INFLIGHT_FD: return offer_inflight (b);
  default: return tell_position (b, head, payload, r);
  }
}

static void
handle_order (BackEnd *b, const Head *head, const uint8_t *payload, Ring *r, const int *fds, unsigned n_fds)
{
  uint32_t value;
  memcpy (&value, payload + 4, sizeof value);
  switch (head->request) {
  case VHOST_SET_FEATURES: memcpy (&b->features, payload, 8); break;
  case VHOST_SET_MEM_TABLE: take_memory (b, payload, fds, n_fds); break;
  case VHOST_SET_VRING_NUM: r->size = value; break;
  case VHOST_SET_VRING_BASE: r->next = (uint16_t) value; r->fresh = true; break;
  case VHOST_SET_VRING_ADDR:
    memcpy (&r->descriptors, payload + 8, 8);
    memcpy (&r->used, payload + 16, 8);
    memcpy (&r->available, payload + 24, 8);
    break;
  case VHOST_SET_VRING_KICK: set_fd (&r->kick, dup (fds[0])); break;
  case VHOST_SET_VRING_CALL: set_fd (&r->call, dup (fds[0])); break;
  case VHOST_SET_VRING_ENABLE: r->enabled = value; break;
  case VHOST_SET_CONFIG:
    g_assert (payload[0] == WRITEBACK_AT && value == 1);
    __atomic_store_n (&b->writeback, payload[12], __ATOMIC_RELEASE);
    break;
  case VHOST_SET_BACK_END_CHANNEL: set_fd (&b->channel, dup (fds[0])); break;
  case VHOST_SET_INFLIGHT_FD:
    if (b->inflight)
      munmap (b->inflight, QUEUES * ENTRIES);
    b->inflight = map_shared (fds[0], QUEUES * ENTRIES, 0);
    break;
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
    fine = handle_question (b, &head, payload, r, fds);
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
  return read (r->kick, &count, sizeof count) != sizeof count || serve_ring (b, r);
}

/* Until the front end hangs up; false: until it goes itself. */
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
        return false;
  }
}

static void
forget_peer (BackEnd *b)
{
  set_fd (&b->peer, -1);
  set_fd (&b->channel, -1);
  for (unsigned i = 0; i < QUEUES; i++) {
    set_fd (&b->rings[i].kick, -1);
    set_fd (&b->rings[i].call, -1);
    b->rings[i] = (Ring) { .kick = -1, .call = -1 };
  }
  if (b->log)
    munmap (b->log, b->log_size);
  if (b->inflight)
    munmap (b->inflight, QUEUES * ENTRIES);
  b->log = b->inflight = NULL;
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
  set_fd (&b->listener, -1);
  return NULL;
}

BackEnd *
back_end_new (const char *path, BackEndFault fault, unsigned knows)
{
  struct sockaddr_un a = { .sun_family = AF_UNIX };
  BackEnd *b = g_new0 (BackEnd, 1);
  b->fault = fault;
  b->knows = knows;
  b->sectors = BACK_END_DISK / 512;
  b->writeback = true;
  b->channel = -1;
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
  close (b->stop[0]);
  close (b->stop[1]);
  g_free (b);
}

/* --- what the test asks for ------------------------------------------------------------------------------- */

uint8_t *back_end_disk (BackEnd *b) { return b->disk; }
bool back_end_writeback (BackEnd *b) { return __atomic_load_n (&b->writeback, __ATOMIC_ACQUIRE); }
unsigned back_end_inherited (BackEnd *b) { return b->inherited; }

void
back_end_resize (BackEnd *b, uint64_t sectors)
{
  const Head head = { VHOST_BACK_END_CONFIG_CHANGE, 1 | 8, 0 };
  b->sectors = sectors;
  g_assert (b->channel >= 0 && send (b->channel, &head, sizeof head, MSG_NOSIGNAL) == sizeof head);
}

bool
back_end_heard (BackEnd *b)
{
  struct { Head head; uint32_t number[2]; } answer = { .number = { 1 } };
  return recv (b->channel, &answer, sizeof answer, MSG_WAITALL) == sizeof answer && answer.head.request == VHOST_BACK_END_CONFIG_CHANGE
         && answer.head.flags == (1 | 4) && !answer.number[0];
}

void
back_end_babble (BackEnd *b)
{
  const Head head = { 99, 77, 1 << 30 };
  g_assert (b->channel >= 0 && send (b->channel, &head, sizeof head, MSG_NOSIGNAL) == sizeof head);
}
