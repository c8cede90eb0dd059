/* vsock.h -- the parts of the virtio socket device: packets, connections, and Unix sockets at their other ends. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_VIRTIO_VSOCK_H
#define HW_VIRTIO_VSOCK_H

#include <backplane/bus/virtio.h>
#include <backplane/socket.h>

enum { VSOCK_HOST = 2, VSOCK_STREAM = 1, VSOCK_HEADER = 44 };
enum { VSOCK_BUFFER = 256 << 10 };      /* bytes that a guest may send before the host has taken any */
enum { VSOCK_CONNECTIONS = 512, VSOCK_REPLIES = 64 };
enum { OP_INVALID, OP_REQUEST, OP_RESPONSE, OP_RST, OP_SHUTDOWN, OP_RW, OP_CREDIT_UPDATE, OP_CREDIT_REQUEST };
enum { SHUT_NO_RECEIVE = 1, SHUT_NO_SEND = 2, SHUT_BOTH = 3 };
/* What the guest is to be told about a connection; the lowest first. */
enum { TELL_REQUEST = 1, TELL_RESPONSE = 2, TELL_CREDIT = 4, TELL_CREDIT_REQUEST = 8, TELL_SHUTDOWN = 16, TELL_RESET = 32 };

typedef struct VsockPacket {
  uint64_t source, destination; /* CIDs */
  uint32_t source_port, destination_port, size;
  uint16_t type, op;
  uint32_t flags, buffer, forwarded;
} VsockPacket;

typedef struct Vsock Vsock;

typedef enum VsockState { VSOCK_GREETING, VSOCK_REQUESTED, VSOCK_OPEN } VsockState;

typedef struct VsockConnection {
  Vsock *vsock;
  uint64_t key;                 /* guest's port << 32 | host's */
  VsockState state;
  int fd;
  unsigned watch;
  GIOCondition watched;
  unsigned tell;
  char line[32];                /* what a client has said so far: "CONNECT PORT" */
  unsigned line_size;
  GByteArray *out;              /* from the guest, that the host has not taken */
  uint32_t received, forwarded, told_forwarded; /* bytes from the guest: in all, taken by the host, as the guest knows */
  uint32_t sent, peer_buffer, peer_forwarded;   /* bytes to the guest, and what it said of its own */
  uint8_t guest_shut, host_shut;
  bool readable;                /* perhaps: the host has said so, and no read has found nothing since */
  bool hung_up, deaf;           /* nobody is at the other end; nobody takes what the guest says */
} VsockConnection;

struct Vsock {
  bool fresh;                   /* saved: a driver has agreed on features and not started: it knows no connection */
  /* wiring */
  BpLink bus;
  char *address, *path;
  uint32_t cid;
  BpVirtioDevice *device;
  /* derived */
  BpListener *listener;
  GPtrArray *connections;       /* of VsockConnection *, by turns */
  GHashTable *by_key;           /* those that have ports */
  VsockPacket replies[VSOCK_REPLIES];
  unsigned n_replies, next_port, turn;
  bool lost;                    /* connections are gone, and the driver is to be told */
  bool posted;
  uint8_t bytes[64 << 10];      /* on their way to the guest */
};

static inline const BpVirtioBusIface *vsock_bus (const Vsock *v) { return v->bus.table; }

/* vsock.c */
void vsock_pump (Vsock *v);     /* sends what there is to send, as far as the driver has room */
void vsock_tell (VsockConnection *c, unsigned what);

/* vsock-connection.c */
VsockConnection *vsock_connection_new (Vsock *v, int fd, VsockState state);
void vsock_connection_set_key (VsockConnection *c, uint32_t guest_port, uint32_t host_port);
void vsock_connection_free (VsockConnection *c);
/* To PATH_PORT; -1: nobody listens there. */
int vsock_connect (const Vsock *v, uint32_t port);
/* Bytes that the guest has room for. */
uint32_t vsock_connection_credit (const VsockConnection *c);
bool vsock_connection_may_read (const VsockConnection *c);
/* From the guest: `size' bytes of a buffer from an offset on.  false: more than it was allowed. */
bool vsock_connection_take (VsockConnection *c, const BpVirtioBuffer *b, uint64_t offset, uint32_t size);
void vsock_connection_response (VsockConnection *c);
void vsock_connection_guest_shut (VsockConnection *c, unsigned flags);
/* The host says no more. */
void vsock_connection_ended (VsockConnection *c);
void vsock_connection_watch (VsockConnection *c);

#endif
