/* port.h -- a device at the end of a character backend. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_CHAR_PORT_H
#define TESTS_CHAR_PORT_H

#include <backplane/iface/char.h>
#include <backplane/object.h>
#include <glib.h>

/* The type `test-port`. */
typedef struct Port {
  BpLink backend;
  GString *input;
  size_t room;                  /* what can_receive answers: less by what came */
  unsigned n_opened, n_closed, n_breaks, n_writes;
} Port;

extern const BpTypeDesc port_type;

#endif
