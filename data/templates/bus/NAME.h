/* @{name}.h -- the bus as its devices see it: what a third party's device includes. */
/* SPDX-License-Identifier: @{licence} */
/* SPDX-FileCopyrightText: @{year} @{author} */
/*
 * A bus with 16 places.  A device has a property `bus`, a link to this interface, and a property for its place; it adds itself in realize and removes itself
 * in unrealize.  Functions are only appended to the tables, and are looked for with BP_TABLE_HAS, so that old and new plugins work together.
 */
#ifndef @{C_NAME}_H
#define @{C_NAME}_H

#include <backplane/object.h>
BP_BEGIN_DECLS

/* Put your own domain in front, reversed: others may have an idea of the same name. */
#define @{C_NAME}_ID "org.example.@{name}/1"
enum { @{C_NAME}_PLACES = 16 };

/* A device's side.  [locked] */
typedef struct @{CName}Slave {
  uint32_t struct_size;
  uint8_t (*read) (void *user);                 /* the next byte that it has to say */
  void (*write) (void *user, uint8_t byte);
} @{CName}Slave;

/* The controller's side.  [main] */
typedef struct @{CName}Iface {
  uint32_t struct_size;
  /* false, with error: the place is taken, or there is no such one.  The table and user live until remove. */
  bool (*add) (void *bus, unsigned place, const @{CName}Slave *slave, void *user, GError **error);
  void (*remove) (void *bus, unsigned place);
  /* The device at the place has something to say, or no more. [any][locked] */
  void (*set_interrupt) (void *bus, unsigned place, bool level);
} @{CName}Iface;

BP_END_DECLS
#endif
