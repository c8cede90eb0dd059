/* vhost-rings.c -- the guest's memory and rings of both layouts, as the tests' vhost-user back end has them: what is under way, what was written. */
/* SPDX-License-Identifier: MIT */
#include "vhost-rings.h"
#include "vhost-requests.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { WRAP = 1 << 15, PAGE = 4096 };
enum { F_NEXT = 1, F_WRITE = 2, F_AVAILABLE = 1 << 7, F_USED = 1 << 15 };

/* --- what shall be wrong ----------------------------------------------------------------------------- */

bool rings_in_steps (const BackEnd *b) { return b->knows & BACK_END_STEPS; }
uint8_t rings_script_byte (BackEnd *b) { return b->script_at < b->script_end ? b->script[b->script_at++] : 0; }

uint64_t
rings_script_bytes (BackEnd *b, unsigned n)
{
  uint64_t value = 0;
  for (unsigned i = 0; i < n; i++)
    value |= (uint64_t) rings_script_byte (b) << 8 * i;
  return value;
}

/* --- memory ---------------------------------------------------------------------------------- */

/* NULL: there is none. */
static uint8_t *
look_up (BackEnd *b, uint64_t address, uint64_t size, bool by_user)
{
  for (unsigned i = 0; i < b->n_memory; i++) {
    uint64_t start = by_user ? b->memory[i].r.user : b->memory[i].r.guest;
    if (address >= start && address - start <= b->memory[i].r.size && size <= b->memory[i].r.size - (address - start))
      return b->memory[i].at + (address - start);
  }
  return NULL;
}

static uint8_t *
find (BackEnd *b, uint64_t address, uint64_t size, bool by_user)
{
  uint8_t *at = look_up (b, address, size, by_user);
  if (!at)
    g_error ("vhost-back-end: 0x%" G_GINT64_MODIFIER "x is no memory", address);
  return at;
}

void
rings_forget_memory (BackEnd *b)
{
  for (unsigned i = 0; i < b->n_memory; i++)
    munmap (b->memory[i].at - b->memory[i].r.offset, b->memory[i].r.size + b->memory[i].r.offset);
  b->n_memory = 0;
}

void
rings_take_memory (BackEnd *b, const uint8_t *payload, const int *fds, unsigned n_fds)
{
  uint32_t n;
  rings_forget_memory (b);
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

uint8_t *
rings_map (int fd, uint64_t size, uint64_t offset)
{
  uint8_t *at = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t) offset);
  return at == MAP_FAILED ? NULL : at;
}

/* --- rings ------------------------------------------------------------------------------------------ */

typedef struct Descriptor {
  uint64_t address;
  uint32_t size;
  uint16_t a, b;                /* split: flags, next; packed: id, flags */
} Descriptor;

/* false: the driver is wrong. */
static bool
add_part (BackEnd *b, Request *q, uint64_t address, uint32_t size, uint16_t flags)
{
  uint8_t *at = (rings_in_steps (b) ? look_up : find) (b, address, size, false);
  if (rings_in_steps (b) && (!at || q->n == REQUEST_PARTS || size > BACK_END_DISK))
    return false;
  g_assert_cmpuint (q->n, <, REQUEST_PARTS);
  q->parts[q->n++] = (RequestPart) { at, address, size, flags & F_WRITE };
  return true;
}

/* A driver that is wrong has a ring that is not looked at any more. */
static bool
give_up (BackEnd *b, Ring *r)
{
  g_assert (rings_in_steps (b));
  r->enabled = false;
  return false;
}

static uint8_t *begun_at (BackEnd *b, const Ring *r, uint16_t head) { return b->inflight ? b->inflight + (r - b->rings) * RING_ENTRIES + head : NULL; }

static void
note (BackEnd *b, const Ring *r, uint16_t head, bool begun)
{
  uint8_t *at = begun_at (b, r, head);
  if (at)
    *at = begun;
}

static bool
read_split (BackEnd *b, const Ring *r, uint16_t head, Request *q)
{
  Descriptor d;
  q->head = head;
  q->n = 0;
  do {
    if (head >= r->size || q->n == r->size)
      return false;
    memcpy (&d, find (b, r->descriptors + 16 * head, 16, true), sizeof d);
    if (!add_part (b, q, d.address, d.size, d.a))
      return false;
    head = d.b;
  } while (d.a & F_NEXT);
  return true;
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
  if ((uint16_t) (until - r->next) >= r->size || !read_split (b, r, head, q))
    return give_up (b, r);
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
  used = (uint16_t) (used + b->jump);
  b->jump = 0;
  __atomic_thread_fence (__ATOMIC_SEQ_CST);
  memcpy (answers + 2, &used, 2);
  if (q->head < RING_ENTRIES)
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
      if (!read_split (b, r, head, &q)) {
        give_up (b, r);
        return;
      }
      r->next++;
      __atomic_fetch_add (&b->inherited, 1, __ATOMIC_RELAXED);
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
  q->n = 0;
  do {
    memcpy (&d, find (b, r->descriptors + 16 * (at & ~WRAP), 16, true), sizeof d);
    __atomic_thread_fence (__ATOMIC_SEQ_CST);
    if (!q->n && (!(d.b & F_AVAILABLE) == !!(at & WRAP) || !(d.b & F_USED) != !!(at & WRAP)))
      return false;
    if (!add_part (b, q, d.address, d.size, d.b) || q->n > r->size)
      return give_up (b, r);
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
  r->next = advance (r, r->next, (q->n + b->jump) % (r->size + 1));
  b->jump = 0;
}

/* --- requests ------------------------------------------------------------------------------------------ */

bool rings_are_packed (const BackEnd *b) { return b->features >> 34 & 1; }

void
rings_call (Ring *r)
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
  if (rings_are_packed (b))
    answer_packed (b, r, q, written);
  else
    answer_split (b, r, q, written);
}

/* Header and status where they have to be, and no more than there is. */
static bool
is_for_disk (const Request *q)
{
  uint64_t size = 0;
  for (unsigned i = 0; i < q->n; i++)
    size += q->parts[i].size;
  return q->n >= 2 && size <= BACK_END_DISK && q->parts[0].size >= 16 && q->parts[q->n - 1].size && q->parts[q->n - 1].write;
}

static void
do_disk (BackEnd *b, Ring *r, Request *q)
{
  bool fine = !rings_in_steps (b) || is_for_disk (q);
  answer_request (b, r, q, fine ? request_on_disk (q, b->disk, sizeof b->disk) : 0);
}

static bool next_request (BackEnd *b, Ring *r, Request *q) { return rings_are_packed (b) ? next_packed (b, r, q) : next_split (b, r, q); }

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
  rings_call (receive);
}

enum { RING_FINE = 8, RING_TWICE, RING_OTHER, RING_JUMPS, RING_LOGS, RING_WRITTEN, RING_LEFT, RING_ENDS, N_RING_TWISTS };

/* As the script says, which is well if it says nothing.  false: this is all for now; *goes: forever. */
static bool
do_twisted (BackEnd *b, Ring *r, Request *q, bool *goes)
{
  void (*done) (BackEnd *b, Ring *r, Request *q) = b->knows & BACK_END_NET ? do_frame : do_disk;
  unsigned twist = rings_script_byte (b) % N_RING_TWISTS;
  if (twist == RING_LEFT || twist == RING_ENDS) {
    *goes = twist == RING_ENDS;
    return false;
  }
  if (twist == RING_OTHER)
    q->head = (uint16_t) rings_script_bytes (b, 2);
  if (twist == RING_JUMPS)
    b->jump = (uint16_t) rings_script_bytes (b, 2);
  if (twist == RING_WRITTEN)
    answer_request (b, r, q, (uint32_t) rings_script_bytes (b, 4));
  else
    done (b, r, q);
  if (twist == RING_TWICE)
    answer_request (b, r, q, 1);
  if (twist == RING_LOGS && b->log)
    b->log[rings_script_bytes (b, 4) % b->log_size] |= rings_script_byte (b);
  return true;
}

/* false: it goes. */
static bool
serve_in_steps (BackEnd *b, Ring *r)
{
  bool net = b->knows & BACK_END_NET, goes = false;
  Request q;
  if (net && r == &b->rings[0])
    return true;
  if (r->fresh && !rings_are_packed (b) && !net)
    inherit (b, r, do_disk);
  r->fresh = false;
  for (unsigned n = 0; n < r->size && r->enabled && next_request (b, r, &q); n++)
    if (!do_twisted (b, r, &q, &goes))
      break;
  rings_call (r);
  return !goes;
}

/* false: it goes. */
bool
rings_serve (BackEnd *b, Ring *r)
{
  Request q, second;
  if (rings_in_steps (b))
    return serve_in_steps (b, r);
  bool net = b->knows & BACK_END_NET;
  if (net && r == &b->rings[0])
    return true;                /* room for what comes later */
  if (r->fresh && !rings_are_packed (b) && !net)
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
  rings_call (r);
  return true;
}
