/* memory-view.c -- address spaces: flat views published without a lock for readers, and listeners. */
/* SPDX-License-Identifier: MIT */
/*
 * Each thread that reads has a record.  Entering a section stores the global epoch in it, leaving stores 0.
 * A view that was replaced is tagged with the epoch begun after its successor was published; it is freed
 * once every record is 0 or at least that tag.
 */
#include "contract.h"
#include "memory.h"
#include <string.h>

/* --- readers' sections ------------------------------------------------------------------------ */

typedef struct Reader {
  uint64_t epoch;               /* atomic; 0 outside of sections */
  unsigned nest;                /* its own thread's */
  int taken;                    /* atomic: a living thread has it */
  struct Reader *next;
} Reader;

static Reader *readers;         /* atomic; only grows, records of ended threads are taken again */
static uint64_t epoch = 1;      /* atomic */
static __thread Reader *own_reader;

/* At the end of a thread, on it. */
static void
reader_give_back (void *reader)
{
  own_reader = NULL;
  __atomic_store_n (&((Reader *) reader)->epoch, 0, __ATOMIC_RELEASE);
  __atomic_store_n (&((Reader *) reader)->taken, 0, __ATOMIC_RELEASE);
}

static GPrivate reader_private = G_PRIVATE_INIT (reader_give_back);

static Reader *
reader_take (void)
{
  Reader *r = __atomic_load_n (&readers, __ATOMIC_ACQUIRE);
  int expected = 0;
  while (
    r && !__atomic_compare_exchange_n (&r->taken, &expected, 1, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
    r = r->next;
    expected = 0;
  }
  if (!r) {
    r = g_new0 (Reader, 1);
    r->taken = 1;
    r->next = __atomic_load_n (&readers, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n (&readers, &r->next, r, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
      ;
  }
  r->nest = 0;
  own_reader = r;
  g_private_set (&reader_private, r);
  return r;
}

static inline void
reader_enter (void)
{
  Reader *r = own_reader ? own_reader : reader_take ();
  /* Sequentially consistent: the view is loaded after every writer can see that this thread is inside. */
  if (r->nest++ == 0)
    __atomic_store_n (&r->epoch, __atomic_load_n (&epoch, __ATOMIC_ACQUIRE), __ATOMIC_SEQ_CST);
}

const FlatView *
view_enter (BpAddressSpace *as)
{
  reader_enter ();
  return __atomic_load_n (&as->view, __ATOMIC_SEQ_CST);
}

void
section_enter (void)
{
  reader_enter ();
}

void
view_leave (void)
{
  Reader *r = own_reader;
  if (r && r->nest && --r->nest == 0)
    __atomic_store_n (&r->epoch, 0, __ATOMIC_RELEASE);
}

unsigned
view_pause (void)
{
  Reader *r = own_reader;
  if (!r || !r->nest)
    return 0;
  unsigned nest = r->nest;
  r->nest = 1;
  view_leave ();
  return nest;
}

void
view_resume (unsigned nest)
{
  if (nest) {
    reader_enter ();
    own_reader->nest = nest;
  }
}

const BpFlatRange *
bp_as_lookup (BpAddressSpace *as, uint64_t address)
{
  const BpFlatRange *range = view_find (view_enter (as), address);
  if (!range)
    view_leave ();
  return range;
}

void
bp_as_leave (BpAddressSpace *as)
{
  view_leave ();
}

/* --- freeing what readers may still see ------------------------------------------------------- */

typedef struct Retired {
  uint64_t tag;
  void *what;
  void (*destroy) (void *what);
} Retired;

static GQueue retired = G_QUEUE_INIT;   /* oldest first; under the map lock */

/* The oldest section still open, but for the caller's own. */
static uint64_t
oldest_epoch (void)
{
  uint64_t oldest = UINT64_MAX;
  for (Reader *r = __atomic_load_n (&readers, __ATOMIC_SEQ_CST); r; r = r->next) {
    uint64_t e = __atomic_load_n (&r->epoch, __ATOMIC_SEQ_CST);
    if (e && e < oldest)
      oldest = e;
  }
  return oldest;
}

static void
reclaim (void)
{
  if (g_queue_is_empty (&retired))
    return;
  uint64_t oldest = oldest_epoch ();
  for (Retired *r; (r = g_queue_peek_head (&retired)) && r->tag <= oldest;) {
    g_queue_pop_head (&retired);
    r->destroy (r->what);
    g_free (r);
  }
}

void
view_retire (void *what, void (*destroy) (void *what))
{
  Retired *r = g_new (Retired, 1);
  r->tag = __atomic_add_fetch (&epoch, 1, __ATOMIC_SEQ_CST);
  r->what = what;
  r->destroy = destroy;
  g_queue_push_tail (&retired, r);
  reclaim ();
}

void
views_synchronise (void)
{
  unsigned nest = view_pause ();        /* or it would wait for itself */
  uint64_t tag = __atomic_add_fetch (&epoch, 1, __ATOMIC_SEQ_CST);
  while (oldest_epoch () < tag)
    g_thread_yield ();
  reclaim ();
  view_resume (nest);
}

/* --- listeners -------------------------------------------------------------------------------- */

typedef struct Listening {
  unsigned number;
  BpMemoryListener listener;
  void *user;
} Listening;

static void
tell_begin (const Listening *l)
{
  if (l->listener.begin)
    l->listener.begin (l->user);
}

static void
tell_commit (const Listening *l)
{
  if (l->listener.commit)
    l->listener.commit (l->user);
}

static bool
same_range (const BpFlatRange *a, const BpFlatRange *b)
{
  return a->address == b->address && a->size == b->size && a->region == b->region
         && a->region_offset == b->region_offset && a->host == b->host && a->ram_address == b->ram_address
         && a->readonly == b->readonly && a->late_writes == b->late_writes;
}

static unsigned n_doorbells (const FlatView *view) { return view->doorbells ? view->doorbells->len : 0; }

static const FlatDoorbell *doorbell_at (const FlatView *view, unsigned i) { return &g_array_index (view->doorbells, FlatDoorbell, i); }

static bool
same_view (const FlatView *a, const FlatView *b)
{
  if (a->n_ranges != b->n_ranges || a->limit != b->limit || n_doorbells (a) != n_doorbells (b))
    return false;
  for (unsigned i = 0; i < a->n_ranges; i++)
    if (!same_range (&a->ranges[i], &b->ranges[i]))
      return false;
  for (unsigned i = 0; i < n_doorbells (a); i++)
    if (doorbells_compare (doorbell_at (a, i), doorbell_at (b, i)))
      return false;
  return true;
}

/* Calls f for the ranges of `these` that `others` lacks. */
static void
tell_difference (const FlatView *these, const FlatView *others,
                 void (*f) (void *user, const BpFlatRange *range), void *user)
{
  for (unsigned i = 0, j = 0; f && i < these->n_ranges; i++) {
    const BpFlatRange *range = &these->ranges[i];
    while (j < others->n_ranges && others->ranges[j].address < range->address)
      j++;
    if (j == others->n_ranges || !same_range (range, &others->ranges[j]))
      f (user, range);
  }
}

static void
tell_doorbells (const FlatView *these, const FlatView *others, void (*f) (void *user, uint64_t address, const BpDoorbell *doorbell), void *user)
{
  for (unsigned i = 0, j = 0; f && i < n_doorbells (these); i++) {
    const FlatDoorbell *bell = doorbell_at (these, i);
    int order = -1;
    while (j < n_doorbells (others) && (order = doorbells_compare (doorbell_at (others, j), bell)) < 0)
      j++;
    if (j == n_doorbells (others) || order)
      f (user, bell->address, &bell->doorbell);
  }
}

static bool
is_listening (const BpAddressSpace *as, unsigned number)
{
  for (unsigned i = 0; i < as->listeners->len; i++)
    if (g_array_index (as->listeners, Listening, i).number == number)
      return true;
  return false;
}

static void
tell_listeners (BpAddressSpace *as, const FlatView *before, const FlatView *after)
{
  GArray *all = g_array_copy (as->listeners);   /* a callback may end or start a listener */
  for (unsigned i = 0; i < all->len; i++) {
    const Listening *l = &g_array_index (all, Listening, i);
    if (!is_listening (as, l->number))
      continue;
    tell_begin (l);
    tell_difference (before, after, l->listener.remove, l->user);
    tell_difference (after, before, l->listener.add, l->user);
    tell_doorbells (before, after, l->listener.doorbell_remove, l->user);
    tell_doorbells (after, before, l->listener.doorbell_add, l->user);
    tell_commit (l);
  }
  g_array_unref (all);
}

unsigned
bp_as_listen (BpAddressSpace *as, const BpMemoryListener *listener, void *user)
{
  memory_map_lock ();
  Listening l = { .number = ++as->next_listener, .user = user };
  memcpy (&l.listener, listener, MIN (listener->struct_size, sizeof l.listener));
  g_array_append_val (as->listeners, l);
  tell_begin (&l);
  for (unsigned i = 0; l.listener.add && i < as->view->n_ranges; i++)
    l.listener.add (user, &as->view->ranges[i]);
  for (unsigned i = 0; l.listener.doorbell_add && i < n_doorbells (as->view); i++)
    l.listener.doorbell_add (user, doorbell_at (as->view, i)->address, &doorbell_at (as->view, i)->doorbell);
  tell_commit (&l);
  memory_map_unlock ();
  return l.number;
}

void
bp_as_unlisten (BpAddressSpace *as, unsigned number)
{
  memory_map_lock ();
  for (unsigned i = 0; i < as->listeners->len; i++)
    if (g_array_index (as->listeners, Listening, i).number == number) {
      g_array_remove_index (as->listeners, i);
      break;
    }
  memory_map_unlock ();
}

/* --- address spaces --------------------------------------------------------------------------- */

static GPtrArray *spaces;       /* all of the process; under the map lock */

BpAddressSpace *
bp_address_space_new (BpMachine *machine, const char *name, BpRegion *root)
{
  CONTRACT_MAIN_OR_LOCKED (machine);
  BpAddressSpace *as = g_new0 (BpAddressSpace, 1);
  as->machine = machine;
  as->name = g_strdup (name);
  as->root = root;
  as->listeners = g_array_new (FALSE, FALSE, sizeof (Listening));
  g_mutex_init (&as->log_lock);
  memory_map_lock ();
  as->view = view_new (root);
  if (!spaces)
    spaces = g_ptr_array_new ();
  g_ptr_array_add (spaces, as);
  memory_map_unlock ();
  return as;
}

void
bp_address_space_free (BpAddressSpace *as)
{
  if (!as)
    return;
  memory_map_lock ();
  g_ptr_array_remove (spaces, as);
  if (!spaces->len)
    g_clear_pointer (&spaces, g_ptr_array_unref);
  view_retire (as->view, (void (*) (void *)) view_free);
  memory_map_unlock ();
  g_array_unref (as->listeners);
  g_clear_pointer (&as->logged, g_hash_table_unref);
  g_mutex_clear (&as->log_lock);
  g_free (as->name);
  g_free (as);
}

unsigned
memory_n_spaces (BpMachine *machine)
{
  unsigned n = 0;
  memory_map_lock ();
  for (unsigned i = 0; spaces && i < spaces->len; i++)
    n += ((const BpAddressSpace *) g_ptr_array_index (spaces, i))->machine == machine;
  memory_map_unlock ();
  return n;
}

BpAddressSpace *
memory_space_find (BpMachine *machine, const char *name)
{
  BpAddressSpace *found = NULL;
  memory_map_lock ();
  for (unsigned i = 0; spaces && i < spaces->len && !found; i++) {
    BpAddressSpace *as = g_ptr_array_index (spaces, i);
    if (as->machine == machine && strcmp (as->name, name) == 0)
      found = as;
  }
  memory_map_unlock ();
  return found;
}

unsigned
memory_n_listeners (BpMachine *machine)
{
  unsigned n = 0;
  memory_map_lock ();
  for (unsigned i = 0; spaces && i < spaces->len; i++) {
    const BpAddressSpace *as = g_ptr_array_index (spaces, i);
    n += as->machine == machine ? as->listeners->len : 0;
  }
  memory_map_unlock ();
  return n;
}

BpRegion *
bp_address_space_root (BpAddressSpace *as)
{
  return as->root;
}

const char *
address_space_name (const BpAddressSpace *as)
{
  return as->name;
}

static void
update (BpAddressSpace *as)
{
  FlatView *before = as->view, *after = view_new (as->root);
  as->stale = false;
  if (same_view (before, after)) {
    view_free (after);
    return;
  }
  __atomic_store_n (&as->view, after, __ATOMIC_SEQ_CST);
  tell_listeners (as, before, after);
  view_retire (before, (void (*) (void *)) view_free);
}

void
views_update (uint64_t stamp)
{
  for (unsigned i = 0; spaces && i < spaces->len; i++) {
    BpAddressSpace *as = g_ptr_array_index (spaces, i);
    if (as->stale || (as->root && as->root->stamp == stamp))
      update (as);
  }
}

void
views_forget_root (const BpRegion *root)
{
  for (unsigned i = 0; spaces && i < spaces->len; i++) {
    BpAddressSpace *as = g_ptr_array_index (spaces, i);
    if (as->root == root) {
      as->root = NULL;
      as->stale = true;
    }
  }
}
