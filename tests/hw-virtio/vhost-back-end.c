/* vhost-back-end.c -- a vhost-user back end of the tests' own: messages, a thread, and what is wrong with its answers. */
/* SPDX-License-Identifier: MIT */
#include "vhost-rings.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SENT_MOST = 4096, FDS_MOST = 16, WRITEBACK_AT = 32 };
enum { ENDS = 'x', SETTLES = 's', LISTENS = 'l', IGNORES = 'i' };       /* on its pipe */

typedef struct Head {
  uint32_t request, flags, size;
} Head;

/* --- messages -------------------------------------------------------------------------------------- */

typedef struct Answer {
  uint8_t bytes[SENT_MOST];     /* with its head */
  size_t size;                  /* of what is sent */
  int fd;                       /* -1: none */
  unsigned n_fds;
  bool last;                    /* it hangs up behind it: nobody waits for what does not come */
} Answer;

static bool
send_answer (BackEnd *b, const Answer *a)
{
  union { char bytes[CMSG_SPACE (sizeof a->fd * FDS_MOST)]; struct cmsghdr align; } control = { { 0 } };
  struct iovec part = { (uint8_t *) (uintptr_t) a->bytes, a->size };
  struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };
  if (a->fd >= 0 && a->n_fds) {
    m.msg_control = control.bytes;
    m.msg_controllen = CMSG_SPACE (sizeof a->fd * a->n_fds);
    struct cmsghdr *c = CMSG_FIRSTHDR (&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN (sizeof a->fd * a->n_fds);
    for (unsigned i = 0; i < a->n_fds; i++)
      memcpy (CMSG_DATA (c) + i * sizeof a->fd, &a->fd, sizeof a->fd);
  }
  return sendmsg (b->peer, &m, MSG_NOSIGNAL) == (ssize_t) a->size && !a->last;
}

enum { ANSWER_FINE = 6, ANSWER_BYTE, ANSWER_NUMBER, ANSWER_REQUEST, ANSWER_FLAGS, ANSWER_SIZE, ANSWER_CUT, ANSWER_LONG, ANSWER_FDS, ANSWER_NONE, ANSWER_TWICE, N_ANSWER_TWISTS };

/* As the script says, which is well if it says nothing.  What does not have the size that it says is the last. */
static void
twist_answer (BackEnd *b, Answer *a)
{
  unsigned twist = rings_script_byte (b) % N_ANSWER_TWISTS;
  uint64_t value;
  Head head;
  memcpy (&head, a->bytes, sizeof head);
  switch (twist) {
  case ANSWER_BYTE: value = rings_script_bytes (b, 1) % a->size; a->bytes[value] = rings_script_byte (b); a->last = value < sizeof head; break;
  case ANSWER_NUMBER: value = rings_script_bytes (b, 8); memcpy (a->bytes + sizeof head, &value, sizeof value); break;
  case ANSWER_REQUEST: head.request = rings_script_byte (b); break;
  case ANSWER_FLAGS: head.flags = rings_script_byte (b); break;
  case ANSWER_SIZE: head.size = (uint32_t) rings_script_bytes (b, 4); a->last = true; break;
  case ANSWER_CUT: a->size = rings_script_bytes (b, 1) % a->size; a->last = true; break;
  case ANSWER_LONG: head.size += 8u * rings_script_byte (b); a->size = sizeof head + head.size; break;
  case ANSWER_FDS: a->n_fds = rings_script_byte (b) % (FDS_MOST + 1); a->fd = a->fd < 0 ? b->stop[0] : a->fd; break;
  case ANSWER_NONE: a->size = 0; a->last = true; break;
  case ANSWER_TWICE: memcpy (a->bytes + a->size, a->bytes, a->size); a->size *= 2; break;
  default: break;
  }
  if (twist > ANSWER_BYTE)
    memcpy (a->bytes, &head, sizeof head);
}

static bool
answer_with (BackEnd *b, uint32_t request, const void *payload, uint32_t size, int fd)
{
  Answer a = { .size = sizeof (Head) + size, .fd = fd, .n_fds = 1 };
  Head head = { request, 1 | 4, size };
  if (b->fault == BACK_END_OTHER_ANSWER)
    head.request++;
  if (b->fault == BACK_END_HUGE_ANSWER)
    head.size = ~0u;
  memcpy (a.bytes, &head, sizeof head);
  memcpy (a.bytes + sizeof head, payload, size);
  if (b->fault == BACK_END_SHORT_ANSWER) {
    a.size = sizeof head + size / 2;
    a.last = true;
  }
  twist_answer (b, &a);
  return send_answer (b, &a);
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

/* Of `peer` and `channel`, which are not closed while a test says something on them. */
static void
set_shared (BackEnd *b, int *to, int fd)
{
  g_mutex_lock (&b->fds_lock);
  set_fd (to, fd);
  g_mutex_unlock (&b->fds_lock);
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
  b->log = rings_map (fd, where[0], where[1]);
  g_assert (b->log);
}

static bool
offer_inflight (BackEnd *b)
{
  struct { uint64_t size, offset; uint16_t queues, queue_size; } where = { RINGS * RING_ENTRIES, 0, RINGS, RING_ENTRIES };
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
  state[1] = rings_are_packed (b) ? r->next | (uint32_t) r->next << 16 : r->next;
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
  case VHOST_GET_QUEUE_NUM: return answer_number (b, head->request, b->fault == BACK_END_NO_QUEUES ? 0 : RINGS);
  case VHOST_GET_CONFIG:
    memset (payload + 12, 0, 60);
    memcpy (payload + 12, &(uint64_t) { __atomic_load_n (&b->sectors, __ATOMIC_RELAXED) }, sizeof (uint64_t));
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
  bool brings = head->request == VHOST_SET_VRING_KICK || head->request == VHOST_SET_VRING_CALL || head->request == VHOST_SET_BACK_END_CHANNEL
                || head->request == VHOST_SET_INFLIGHT_FD;
  g_assert_cmpuint (n_fds, ==, brings ? 1 : head->request == VHOST_SET_MEM_TABLE ? n_fds : 0);
  switch (head->request) {
  case VHOST_SET_FEATURES: memcpy (&b->features, payload, 8); break;
  case VHOST_SET_MEM_TABLE: rings_take_memory (b, payload, fds, n_fds); break;
  case VHOST_SET_VRING_NUM:
    g_assert (value && value <= RING_ENTRIES);
    r->size = value;
    break;
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
  case VHOST_SET_BACK_END_CHANNEL: set_shared (b, &b->channel, dup (fds[0])); break;
  case VHOST_SET_INFLIGHT_FD:
    if (b->inflight)
      munmap (b->inflight, RINGS * RING_ENTRIES);
    b->inflight = rings_map (fds[0], RINGS * RING_ENTRIES, 0);
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
  Ring *r = &b->rings[payload[0] % RINGS];
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
  return read (r->kick, &count, sizeof count) != sizeof count || rings_serve (b, r);
}

/* Until the front end hangs up; false: until it goes itself. */
static bool
serve_peer (BackEnd *b)
{
  for (;;) {
    struct pollfd p[2 + RINGS] = { { .fd = b->stop[0], .events = POLLIN }, { .fd = b->peer, .events = POLLIN } };
    for (unsigned i = 0; i < RINGS; i++)
      p[2 + i] = (struct pollfd) { .fd = b->rings[i].enabled ? b->rings[i].kick : -1, .events = POLLIN };
    if (poll (p, 2 + RINGS, -1) < 0)
      continue;
    if (p[0].revents)
      return false;
    if (p[1].revents && !serve_message (b))
      return true;
    for (unsigned i = 0; i < RINGS && !p[1].revents; i++)
      if (p[2 + i].revents && !serve_kick (b, &b->rings[i]))
        return false;
  }
}

static void
forget_peer (BackEnd *b)
{
  set_shared (b, &b->peer, -1);
  set_shared (b, &b->channel, -1);
  for (unsigned i = 0; i < RINGS; i++) {
    set_fd (&b->rings[i].kick, -1);
    set_fd (&b->rings[i].call, -1);
    b->rings[i] = (Ring) { .kick = -1, .call = -1 };
  }
  if (b->log)
    munmap (b->log, b->log_size);
  if (b->inflight)
    munmap (b->inflight, RINGS * RING_ENTRIES);
  b->log = b->inflight = NULL;
  rings_forget_memory (b);
}

static void
take_peer (BackEnd *b)
{
  g_assert_cmpint (b->peer, ==, -1);
  set_shared (b, &b->peer, accept (b->listener, NULL, NULL));
  g_assert (b->peer >= 0);
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
    take_peer (b);
    goes_on = serve_peer (b);
    forget_peer (b);
  }
  set_fd (&b->listener, -1);
  return NULL;
}

/* false: it goes. */
static bool
serve_kicks (BackEnd *b)
{
  for (unsigned i = 0; i < RINGS; i++)
    if (b->rings[i].enabled && b->rings[i].kick >= 0 && !serve_kick (b, &b->rings[i]))
      return false;
  return true;
}

static void
listen_there (BackEnd *b)
{
  unlink (b->place.sun_path);
  b->listener = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert (b->listener >= 0 && bind (b->listener, (struct sockaddr *) &b->place, sizeof b->place) == 0 && listen (b->listener, 1) == 0);
}

/* What is asked for with a byte comes after all that was there before.  false: to end. */
static bool
settle (BackEnd *b)
{
  char what;
  g_assert (read (b->stop[0], &what, 1) == 1);
  if (what == ENDS)
    return false;
  if (what == LISTENS)
    listen_there (b);
  if (what == IGNORES)
    set_fd (&b->listener, -1);
  if (b->peer >= 0 && !serve_kicks (b))
    forget_peer (b);
  g_assert (write (b->done[1], &what, 1) == 1);
  return true;
}

static gpointer
run_in_steps (gpointer user)
{
  BackEnd *b = user;
  for (bool goes_on = true; goes_on;) {
    struct pollfd p[3] = { { .fd = b->peer, .events = POLLIN }, { .fd = b->listener, .events = POLLIN }, { .fd = b->stop[0], .events = POLLIN } };
    if (poll (p, 3, -1) < 0)
      continue;
    if (p[0].revents) {
      if (!serve_message (b))
        forget_peer (b);
    } else if (p[1].revents) {
      take_peer (b);
      set_fd (&b->listener, -1);
      unlink (b->place.sun_path);
    } else if (p[2].revents) {
      goes_on = settle (b);
    }
  }
  forget_peer (b);
  set_fd (&b->listener, -1);
  return NULL;
}

BackEnd *
back_end_new (const char *path, BackEndFault fault, unsigned knows)
{
  BackEnd *b = g_new0 (BackEnd, 1);
  b->fault = fault;
  b->knows = knows;
  b->sectors = BACK_END_DISK / 512;
  b->writeback = true;
  b->peer = b->channel = -1;
  g_mutex_init (&b->fds_lock);
  b->place.sun_family = AF_UNIX;
  g_strlcpy (b->place.sun_path, path, sizeof b->place.sun_path);
  listen_there (b);
  g_assert (pipe (b->stop) == 0 && pipe (b->done) == 0);
  for (unsigned i = 0; i < RINGS; i++)
    b->rings[i] = (Ring) { .kick = -1, .call = -1 };
  for (unsigned i = 0; i < BACK_END_DISK; i++)
    b->disk[i] = (uint8_t) (i / 512 + i);
#ifdef __SANITIZE_THREAD__
  AnnotateBenignRaceSized (__FILE__, __LINE__, b->disk, sizeof b->disk, "what rings order, in memory that is mapped twice");
#endif
  sigset_t all, before;         /* signals are the main thread's */
  sigfillset (&all);
  pthread_sigmask (SIG_BLOCK, &all, &before);
  b->thread = g_thread_new ("back-end", rings_in_steps (b) ? run_in_steps : run, b);
  pthread_sigmask (SIG_SETMASK, &before, NULL);
  return b;
}

static void
tell (BackEnd *b, char what)
{
  g_assert (write (b->stop[1], &what, 1) == 1);
}

void
back_end_free (BackEnd *b)
{
  tell (b, ENDS);
  g_thread_join (b->thread);
  g_mutex_clear (&b->fds_lock);
  for (unsigned i = 0; i < 2; i++) {
    close (b->stop[i]);
    close (b->done[i]);
  }
  g_free (b);
}

/* --- what the test asks for ------------------------------------------------------------------------------- */

uint8_t *back_end_disk (BackEnd *b) { return b->disk; }
bool back_end_writeback (BackEnd *b) { return __atomic_load_n (&b->writeback, __ATOMIC_ACQUIRE); }
unsigned back_end_inherited (BackEnd *b) { return __atomic_load_n (&b->inherited, __ATOMIC_RELAXED); }

/* On the channel, which there is. */
static void
send_head (BackEnd *b, Head head)
{
  g_mutex_lock (&b->fds_lock);
  g_assert (b->channel >= 0 && send (b->channel, &head, sizeof head, MSG_NOSIGNAL) == sizeof head);
  g_mutex_unlock (&b->fds_lock);
}

void
back_end_resize (BackEnd *b, uint64_t sectors)
{
  __atomic_store_n (&b->sectors, sectors, __ATOMIC_RELAXED);
  send_head (b, (Head) { VHOST_BACK_END_CONFIG_CHANGE, 1 | 8, 0 });
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
  send_head (b, (Head) { 99, 77, 1 << 30 });
}

/* --- in steps ---------------------------------------------------------------------------------------------- */

bool
back_end_is_there (BackEnd *b)
{
  g_mutex_lock (&b->fds_lock);
  bool there = b->peer >= 0;
  g_mutex_unlock (&b->fds_lock);
  return there;
}

bool back_end_listens (BackEnd *b) { return b->listener >= 0; }

static void
ask (BackEnd *b, char what)
{
  tell (b, what);
  ssize_t n;
  while ((n = read (b->done[0], &what, 1)) < 0 && errno == EINTR)
    ;
  g_assert (n == 1);
  g_mutex_lock (&b->fds_lock);
  for (uint8_t answers[512]; b->channel >= 0 && recv (b->channel, answers, sizeof answers, MSG_DONTWAIT) > 0;)
    ;
  g_mutex_unlock (&b->fds_lock);
}

void back_end_settle (BackEnd *b) { ask (b, SETTLES); }
void back_end_ignore (BackEnd *b) { ask (b, IGNORES); }

void
back_end_listen (BackEnd *b, unsigned knows)
{
  b->knows = knows | BACK_END_STEPS;
  ask (b, LISTENS);
}

void
back_end_hang_up (BackEnd *b)
{
  g_mutex_lock (&b->fds_lock);
  if (b->peer >= 0)
    shutdown (b->peer, SHUT_RDWR);
  g_mutex_unlock (&b->fds_lock);
  back_end_settle (b);
}

void
back_end_script (BackEnd *b, const uint8_t *bytes, size_t size)
{
  b->script_at = 0;
  b->script_end = MIN (size, SCRIPT);
  if (size)
    memcpy (b->script, bytes, b->script_end);
}

void
back_end_announce (BackEnd *b, uint64_t sectors)
{
  __atomic_store_n (&b->sectors, sectors, __ATOMIC_RELAXED);
  back_end_speak (b, VHOST_BACK_END_CONFIG_CHANGE, 1 | 8, NULL, 0);
}

static void
send_quietly (BackEnd *b, const int *to, const uint8_t *bytes, size_t size, bool last)
{
  g_mutex_lock (&b->fds_lock);
  if (*to >= 0 && send (*to, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
    g_assert (errno == EPIPE || errno == ECONNRESET || errno == EAGAIN);
  if (*to >= 0 && last)
    shutdown (*to, SHUT_WR);
  g_mutex_unlock (&b->fds_lock);
}

void
back_end_speak (BackEnd *b, uint32_t request, uint32_t flags, const uint8_t *bytes, uint32_t size)
{
  uint8_t message[sizeof (Head) + SCRIPT];
  const Head head = { request, flags, MIN (size, SCRIPT) };
  memcpy (message, &head, sizeof head);
  if (size)
    memcpy (message + sizeof head, bytes, head.size);
  send_quietly (b, &b->channel, message, sizeof head + head.size, false);
}

void
back_end_mumble (BackEnd *b, bool channel, const uint8_t *bytes, size_t size)
{
  send_quietly (b, channel ? &b->channel : &b->peer, bytes, size, true);
}

void back_end_call (BackEnd *b, unsigned queue) { rings_call (&b->rings[queue % RINGS]); }
