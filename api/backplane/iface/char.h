/* iface/char.h -- you implement this: a character backend (terminal, file, socket). */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  A device links to a backend with property kind LINK and interface BP_CHAR_ID, attaches its handlers in realize, and writes bytes.
 * The backend delivers input only as fast as can_receive allows.
 */
#ifndef BACKPLANE_IFACE_CHAR_H
#define BACKPLANE_IFACE_CHAR_H

#include <backplane/property.h>
BP_BEGIN_DECLS

#define BP_CHAR_ID "bp.char/1"

typedef enum BpCharEvent { BP_CHAR_OPENED, BP_CHAR_CLOSED, BP_CHAR_BREAK } BpCharEvent;

/* The device's side; called [main][locked]. */
typedef struct BpCharHandlers {
  uint32_t struct_size;
  size_t (*can_receive) (void *user);   /* bytes it can take now */
  void (*receive) (void *user, const uint8_t *data, size_t size);       /* size <= can_receive */
  void (*event) (void *user, BpCharEvent event);                        /* may be NULL */
} BpCharHandlers;

typedef struct BpCharIface {
  uint32_t struct_size;
  /* One device at a time; NULL handlers detach.  false: another device is attached. [main] */
  bool (*attach) (void *self, const BpCharHandlers *handlers, void *user);
  /* Takes all bytes (buffers what the host does not take at once; drops when nobody is connected). [any] */
  void (*write) (void *self, const uint8_t *data, size_t size);
  /* The device can receive again. [any] */
  void (*accept_input) (void *self);
  /* Gives the host what was written and is buffered still, for as long as it takes any. [main] */
  void (*drain) (void *self);
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

BP_END_DECLS
#endif
