/* iface/char.h -- you implement this: a character backend (terminal, file, socket). */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  A device links to a backend with property kind LINK and interface BP_CHAR_ID, attaches its handlers in realize, and writes bytes.
 * The backend delivers input only as fast as can_receive allows.
 */
#ifndef BACKPLANE_IFACE_CHAR_H
#define BACKPLANE_IFACE_CHAR_H

#include <backplane/common.h>
BP_BEGIN_DECLS

#define BP_CHAR_ID "bp.char/1"

typedef enum BpCharEvent { BP_CHAR_OPENED, BP_CHAR_CLOSED, BP_CHAR_BREAK, BP_CHAR_RESIZED /* the terminal has another size */ } BpCharEvent;

/* The device's side; called [main][locked]. */
typedef struct BpCharHandlers {
  uint32_t struct_size;
  size_t (*can_receive) (void *user);   /* bytes it can take now */
  void (*receive) (void *user, const uint8_t *data, size_t size);       /* size <= can_receive */
  void (*event) (void *user, BpCharEvent event);                        /* may be NULL; BREAK: the line's, from the other end */
  void (*can_write) (void *user);       /* may be NULL: the backend has room again, after it was asked and had none */
} BpCharHandlers;

typedef struct BpCharIface {
  uint32_t struct_size;
  /* One device at a time; NULL handlers detach.  false: another device is attached. [main] */
  bool (*attach) (void *self, const BpCharHandlers *handlers, void *user);
  /* Takes all bytes (buffers what the host does not take at once; drops when nobody is connected). [any] */
  void (*write) (void *self, const uint8_t *data, size_t size);
  /* The device can receive again.  NULL: there is no input. [any] */
  void (*accept_input) (void *self);
  /* Gives the host what was written and is buffered still, for as long as it takes any.  NULL: nothing is buffered. [main] */
  void (*drain) (void *self);
  /* Bytes that a device should write at most, if it can wait: more would only be held back for somebody who reads slowly.  0: can_write is called when there
   * is room.  Not limited where nobody is connected, and without this function. [any] */
  size_t (*room) (void *self);
  /* Whether somebody is at the other end, as BP_CHAR_OPENED and BP_CHAR_CLOSED tell it.  Without this function: always. [any] */
  bool (*is_open) (void *self);
  /* The size of the terminal at the other end, in characters; false: it is none.  NULL likewise. [any] */
  bool (*terminal_size) (void *self, unsigned *columns, unsigned *rows);
} BpCharIface;

static inline bool bp_char_attach (const BpLink *link, const BpCharHandlers *handlers, void *user)
{
  const BpCharIface *t = (const BpCharIface *) link->table;
  return BP_TABLE_HAS (t, attach) ? t->attach (link->instance, handlers, user) : true;
}
static inline void bp_char_write (const BpLink *link, const uint8_t *data, size_t size)
{
  const BpCharIface *t = (const BpCharIface *) link->table;
  if (BP_TABLE_HAS (t, write))
    t->write (link->instance, data, size);
}
static inline void bp_char_accept_input (const BpLink *link)
{
  const BpCharIface *t = (const BpCharIface *) link->table;
  if (BP_TABLE_HAS (t, accept_input))
    t->accept_input (link->instance);
}
static inline size_t bp_char_room (const BpLink *link)
{
  const BpCharIface *t = (const BpCharIface *) link->table;
  return BP_TABLE_HAS (t, room) ? t->room (link->instance) : SIZE_MAX;
}
static inline bool bp_char_is_open (const BpLink *link)
{
  const BpCharIface *t = (const BpCharIface *) link->table;
  return BP_TABLE_HAS (t, is_open) ? t->is_open (link->instance) : link->instance != NULL;
}
static inline bool bp_char_terminal_size (const BpLink *link, unsigned *columns, unsigned *rows)
{
  const BpCharIface *t = (const BpCharIface *) link->table;
  return BP_TABLE_HAS (t, terminal_size) && t->terminal_size (link->instance, columns, rows);
}

BP_END_DECLS
#endif
