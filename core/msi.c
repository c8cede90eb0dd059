/* msi.c -- messages: who in a machine takes them, and eventfds that send them. */
/* SPDX-License-Identifier: MIT */
#include "contract.h"
#include "machine.h"
#include <backplane/iface/msi.h>
#include <poll.h>
#include <unistd.h>

/* --- who takes them --------------------------------------------------------------------------- */

typedef struct Taker {
  void *self;
  const BpMsiIface *iface;
} Taker;

static void
add_taker (BpMachine *m, BpObject *o)
{
  Taker taker = { object_instance (o), type_interface (o->type, BP_MSI_ID) };
  if (taker.iface && !o->apart)
    g_array_append_val (m->message_takers, taker);
}

/* The accelerator, and the first of the others: it takes them for all of its kind.  Machine locked. */
static const Taker *
takers (BpMachine *m, unsigned *n)
{
  if (!m->message_takers) {
    m->message_takers = g_array_new (FALSE, FALSE, sizeof (Taker));
    if (m->accel)
      add_taker (m, m->accel);
    unsigned first = m->message_takers->len;
    for (guint i = 0; i < m->objects->len && m->message_takers->len == first; i++)
      if (m->objects->pdata[i] != m->accel)
        add_taker (m, m->objects->pdata[i]);
  }
  *n = m->message_takers->len;
  return (const Taker *) m->message_takers->data;
}

bool
bp_msi_send (BpMachine *machine, uint64_t address, uint32_t data)
{
  CONTRACT_LOCKED (machine);
  unsigned n;
  const Taker *t = takers (machine, &n);
  for (unsigned i = 0; i < n; i++)
    if (BP_TABLE_HAS (t[i].iface, send) && t[i].iface->send (t[i].self, address, data))
      return true;
  return false;
}

/* --- eventfds --------------------------------------------------------------------------------- */

/* While it is neither masked nor attached to a taker, the main loop watches the eventfd.  What is signalled while it is masked stays in the eventfd. */
struct BpMsiSource {
  BpMachine *machine;
  int fd;
  uint64_t address;
  uint32_t data;
  bool masked;
  Taker taker;                  /* that fd is attached to, as: */
  unsigned number;              /* 0: to none */
  unsigned watch;               /* 0: none */
};

static bool
on_signalled (void *user, GIOCondition condition)
{
  BpMsiSource *s = user;
  struct pollfd p = { .fd = s->fd, .events = POLLIN };
  uint64_t count;
  if (poll (&p, 1, 0) == 1 && p.revents & POLLIN && read (s->fd, &count, sizeof count) == sizeof count)
    bp_msi_send (s->machine, s->address, s->data);
  return true;
}

static bool
attach (BpMsiSource *s)
{
  unsigned n;
  const Taker *t = takers (s->machine, &n);
  for (unsigned i = 0; i < n && !s->number; i++) {
    if (!BP_TABLE_HAS (t[i].iface, attach_fd) || !BP_TABLE_HAS (t[i].iface, detach_fd))
      continue;
    s->number = t[i].iface->attach_fd (t[i].self, s->fd, s->address, s->data);
    s->taker = t[i];
  }
  return s->number > 0;
}

static void
listen_to (BpMsiSource *s)
{
  if (!attach (s))
    s->watch = bp_loop_watch_fd (bp_loop_main (s->machine), s->machine, s->fd, G_IO_IN, on_signalled, s);
}

static void
listen_no_more (BpMsiSource *s)
{
  if (s->number)
    s->taker.iface->detach_fd (s->taker.self, s->number);
  if (s->watch)
    bp_loop_unwatch (bp_loop_main (s->machine), s->watch);
  s->number = s->watch = 0;
}

BpMsiSource *
bp_msi_source_new (BpMachine *machine, int fd, uint64_t address, uint32_t data)
{
  CONTRACT_MAIN_OR_LOCKED (machine);
  BpMsiSource *s = g_new0 (BpMsiSource, 1);
  *s = (BpMsiSource) { .machine = machine, .fd = fd, .address = address, .data = data };
  bp_machine_lock (machine);
  if (!machine->message_sources)
    machine->message_sources = g_ptr_array_new ();
  g_ptr_array_add (machine->message_sources, s);
  listen_to (s);
  bp_machine_unlock (machine);
  return s;
}

/* An address that a taker refuses may suit another, or the main loop, and the other way round. */
void
bp_msi_source_set (BpMsiSource *source, uint64_t address, uint32_t data)
{
  CONTRACT_MAIN_OR_LOCKED (source->machine);
  bp_machine_lock (source->machine);
  bool same = source->address == address && source->data == data;
  source->address = address;
  source->data = data;
  if (!same && !source->masked) {
    const Taker *t = &source->taker;
    if (!source->number || !BP_TABLE_HAS (t->iface, change_fd) || !t->iface->change_fd (t->self, source->number, address, data)) {
      listen_no_more (source);
      listen_to (source);
    }
  }
  bp_machine_unlock (source->machine);
}

void
bp_msi_source_mask (BpMsiSource *source, bool masked)
{
  CONTRACT_MAIN_OR_LOCKED (source->machine);
  bp_machine_lock (source->machine);
  if (source->masked != masked) {
    source->masked = masked;
    (masked ? listen_no_more : listen_to) (source);
  }
  bp_machine_unlock (source->machine);
}

void
bp_msi_source_free (BpMsiSource *source)
{
  if (!source)
    return;
  CONTRACT_MAIN_OR_LOCKED (source->machine);
  bp_machine_lock (source->machine);
  listen_no_more (source);
  g_ptr_array_remove (source->machine->message_sources, source);
  bp_machine_unlock (source->machine);
  g_free (source);
}

/* Sources of one that goes are given to another, or to the main loop, while it can still be told; and those of the main loop to one that has come. */
void
msi_objects_changed (BpMachine *m)
{
  g_clear_pointer (&m->message_takers, g_array_unref);
  for (guint i = 0; m->message_sources && i < m->message_sources->len; i++) {
    BpMsiSource *s = m->message_sources->pdata[i];
    if (s->watch || (s->number && object_of (s->taker.self)->apart)) {
      listen_no_more (s);
      listen_to (s);
    }
  }
}
