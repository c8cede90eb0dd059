/* console.h -- the parts of the virtio console device: its ports, what they carry, what is said about them. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_VIRTIO_CONSOLE_H
#define HW_VIRTIO_CONSOLE_H

#include <backplane/bus/virtio.h>
#include <backplane/iface/char.h>

enum { CONSOLE_PORTS = 16, CONSOLE_NAME_MOST = 256 };
enum { CONSOLE_SIZE = 1 << 0, CONSOLE_MULTIPORT = 1 << 1, CONSOLE_EMERGENCY = 1 << 2 };         /* features (VIRTIO 1.2, 5.3.3) */
enum { CONTROL_RX = 2, CONTROL_TX = 3 };

/* What the driver has not been told yet, in the order in which it is. */
enum { TELL_ADD = 1 << 0, TELL_CONSOLE = 1 << 1, TELL_NAME = 1 << 2, TELL_SIZE = 1 << 3, TELL_CLOSED = 1 << 4, TELL_OPEN = 1 << 5, TELL_ALL = 0x3f };

typedef struct Console Console;

typedef struct ConsolePort {
  uint32_t sent;                /* bytes of the next output buffer that the backend has already */
  uint8_t tell;
  bool ready;                   /* the driver knows it */
  bool guest_open, told_open;
  /* wiring */
  BpLink backend;
  char *name;
  /* derived */
  Console *console;
  unsigned number;
  bool posted;                  /* the rest of its output is on the main loop's list */
} ConsolePort;

struct Console {
  ConsolePort ports[CONSOLE_PORTS];
  /* wiring */
  BpLink bus;
  char *address;
  uint32_t n_consoles;
  bool throttle;
  int size_order;
  BpVirtioDevice *device;
  /* derived */
  unsigned n_ports;             /* one more than the last one's number */
};

static inline const BpVirtioBusIface *console_bus (const Console *c) { return c->bus.table; }
static inline uint64_t console_features (const Console *c) { return console_bus (c)->features (c->bus.instance, c->device); }
static inline bool console_port_is_console (const ConsolePort *p) { return p->number < p->console->n_consoles; }
static inline bool console_port_is_there (const ConsolePort *p) { return p->backend.instance || p->number == 0 || console_port_is_console (p); }

/* console-port.c */
extern const BpCharHandlers console_port_handlers;      /* of a ConsolePort */
void console_port_send (ConsolePort *p);                /* output that the driver has made available */
void console_port_accept (ConsolePort *p);              /* the driver can take input, or could not when asked */
ConsolePort *console_port_of_queue (Console *c, unsigned queue, bool *output);

/* console-control.c */
void console_control_tell (ConsolePort *p, unsigned what);
void console_control_send (Console *c);
void console_control_receive (Console *c);
bool console_port_size (const ConsolePort *p, unsigned *columns, unsigned *rows);

#endif
