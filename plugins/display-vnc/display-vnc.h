/* display-vnc.h -- the VNC server: its state, its threads, and what its files give each other. */
/* SPDX-License-Identifier: MIT */
/*
 * Each connection has a thread, a libvncserver screen and a copy of the picture of its own, because libvncserver waits for its clients: one that stalls or
 * sends half a message holds up nobody but itself.  The main loop listens, asks the adapter for the picture, and sends the guest what people type.
 *   display.c   type, properties, life cycle      listen.c    sockets, who is let in       client.c   a connection's thread
 *   picture.c   adapter -> picture -> copies      input.c     events on their way          keys.c     keysyms and scan codes -> keys
 *   web.c       files over HTTP, same port        password.c  VNC authentication
 * Locks, in this order: `frame_lock`, the machine's, `lock`; each of the two is for what is marked with it.  Connections' threads never take the machine's.
 */
#ifndef DISPLAY_VNC_H
#define DISPLAY_VNC_H

#include <backplane/iface/input.h>
#include <backplane/iface/screen.h>
#include <backplane/log.h>
#include <backplane/loop.h>
#include <backplane/object.h>
#include <backplane/socket.h>
#include <linux/input-event-codes.h>
#include <rfb/rfb.h>
#include <rfb/rfbregion.h>

#define MAX_LISTENERS 8
#define MAX_HELD 32             /* keys that a client holds at a time */
#define MAX_EVENTS 256

typedef struct VncDisplay VncDisplay;

/* --- events -------------------------------------------------------------------------------- */

typedef enum VncEventKind { VNC_KEYSYM, VNC_CODE, VNC_POINTER, VNC_SIZE, VNC_LEFT } VncEventKind;
typedef struct VncEvent {
  VncEventKind kind;
  unsigned client;              /* its place among the display's */
  uint32_t value, x, y;         /* keysym, scan code or button mask; x is `down' for keys; x and y are a size that is wanted */
  uint32_t width, height;       /* of what the pointer is on */
} VncEvent;

typedef struct VncHeld { uint32_t name; unsigned code; } VncHeld;       /* name: keysym or scan code */

/* What the main loop remembers of a client. */
typedef struct VncTyping {
  VncHeld held[MAX_HELD];
  unsigned n_held;
  bool has_pointed;
  uint32_t x, y, mask;
} VncTyping;

/* --- connections ---------------------------------------------------------------------------- */

typedef enum VncClientState { VNC_FREE, VNC_CONNECTED, VNC_VIEWING, VNC_GONE } VncClientState;

typedef struct VncClient {
  VncDisplay *display;
  unsigned index;
  rfbScreenInfoPtr screen;      /* lives as long as the display does */
  GThread *thread;
  int socket;                   /* libvncserver's; it closes it */
  int control;                  /* the same connection, to end it */
  int wake;                     /* eventfd: there is a new picture */
  VncClientState state;         /* lock */
  bool wants;                   /* atomic: it waits for a picture */
  bool is_refused;              /* atomic: there is no such size as it has asked for */
  bool wants_any;               /* frame_lock: it waits for the adapter to be asked, even if nothing has changed */
  /* its thread's */
  bool is_authentic;
  uint32_t *pixels, width, height;              /* what libvncserver sends from */
  uint32_t shown_width, shown_height;           /* of the picture in it */
  uint64_t serial;
  VncTyping typing;             /* main */
} VncClient;

/* --- the display ------------------------------------------------------------------------------ */

struct VncDisplay {
  /* properties */
  char *listen, *port, *password, *password_file, *name, *web;
  bool view_only;
  int sharing;
  uint32_t refresh, max_clients, head;
  BpLink screen;
  /* wiring */
  BpListener *listeners[MAX_LISTENERS];
  unsigned n_listeners;
  unsigned bound_port;
  int news;                     /* eventfd: events wait, or a client has gone */
  unsigned news_watch;
  GSource *timer;               /* main; while there are clients */
  char *secret;                 /* lock; NULL: none */
  char *title;
  VncClient *clients;
  unsigned n_clients;           /* places */
  bool is_ready;
  /* derived */
  GMutex frame_lock, lock;
  GCond room;                   /* there is room for events, or an end */
  bool ending;                  /* lock */
  VncEvent events[MAX_EVENTS];  /* lock */
  unsigned n_events;            /* lock */
  BpScreenFrame frame;          /* frame_lock */
  uint64_t serial, *row_serial; /* frame_lock; of the last change */
  int64_t asked_at;             /* frame_lock; when the adapter was asked last */
};

enum { SHARING_SHARED, SHARING_ASK, SHARING_EXCLUSIVE };

/* display.c */
extern const BpTypeDesc display_vnc_type;
void vnc_signal (int eventfd);
void vnc_drain (int eventfd);

/* listen.c [main] */
bool vnc_parse_port (const VncDisplay *d, unsigned *first, unsigned *last, GError **error);
bool vnc_listen (VncDisplay *d, GError **error);
void vnc_listen_stop (VncDisplay *d);
/* Another viewer; false: no more are let in.  With `alone` the others' connections end. [client] */
bool vnc_admit (VncClient *c);
void vnc_end_others (VncClient *c);

/* client.c */
bool vnc_library_start (GError **error);                /* once */
bool vnc_clients_new (VncDisplay *d, GError **error);
void vnc_clients_free (VncDisplay *d);
void *vnc_client_thread (void *client);

/* picture.c */
void vnc_picture_update (VncDisplay *d);                /* [main] */
/* Brings the connection's copy up to date; false: the picture is old, and the client is woken when there is another. [client] */
bool vnc_picture_take (VncClient *c, rfbClientPtr cl);
void vnc_picture_follow_clients (VncDisplay *d);        /* starts or ends the timer [main] */
void vnc_picture_clear (VncDisplay *d);

/* input.c */
void vnc_input_push (VncClient *c, VncEventKind kind, uint32_t value, uint32_t x, uint32_t y);   /* [client] */
void vnc_input_drain (VncDisplay *d);                   /* [main] */

/* keys.c */
extern rfbProtocolExtension vnc_scan_codes;
unsigned vnc_key_of_scan_code (uint32_t code);          /* 0: none */
unsigned vnc_key_of_keysym (uint32_t keysym);           /* of those that are no characters; 0: none */

/* password.c */
bool vnc_password_read (VncDisplay *d, GError **error); /* [main] */
rfbBool vnc_password_check (rfbClientPtr cl, const char *response, int size);

/* web.c [client] */
bool vnc_web_wants (int fd);    /* a browser that asks for a file */
void vnc_web_serve (VncDisplay *d, int fd);

#endif
