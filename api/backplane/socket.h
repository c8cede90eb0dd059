/* socket.h -- stream sockets by the addresses that users write, for whatever serves or connects to something outside. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  One grammar and one way to open sockets, so that `listen' and `address' mean the same in every plugin:
 *   unix:PATH                              relative to the current directory
 *   [tcp:]HOST:PORT   [tcp:][IPV6]:PORT    a name or a number of a host; a port's number, up to 65535
 *   [tcp:]:PORT   PORT                     this host: 127.0.0.1
 * Who listens on a Unix socket makes its file for the user alone, takes the place of one that a program left behind when it ended badly, and removes it at the
 * end.  No socket is inherited by a process that is started.
 */
#ifndef BACKPLANE_SOCKET_H
#define BACKPLANE_SOCKET_H

#include <backplane/common.h>
BP_BEGIN_DECLS

/* What is wrong with an address, for configure; NULL: nothing.  Free with g_free. [any] */
BP_EXPORT char *bp_socket_wrong (const char *address);
/* A connected socket, which blocks, and which the caller closes; -1 with error.  Waits as long as the host does. [any] */
BP_EXPORT int bp_socket_connect (const char *address, GError **error);

typedef struct BpListener BpListener;
enum { BP_LISTEN_EVERYWHERE = 1 << 0 /* without a host: on all addresses of this one */ };
/* NULL with error. [any] */
BP_EXPORT BpListener *bp_listener_new (const char *address, unsigned flags, GError **error);
/* Of a socket that does not block and listens already; it is the listener's now. [any] */
BP_EXPORT BpListener *bp_listener_new_of (int fd);
/* NULL is fine; nobody is announced any more. [under the lock that `client' is called under, or main] */
BP_EXPORT void bp_listener_free (BpListener *listener);
BP_EXPORT int bp_listener_fd (const BpListener *listener);      /* the listener's, readable when somebody waits. [any] */
/*
 * The next client's socket, which does not block and is the caller's; -1: there is none.  When the program has no descriptors left the client is taken and hung
 * up on. [one thread at a time]
 */
BP_EXPORT int bp_listener_accept (BpListener *listener);
/*
 * Calls client (user, fd) on the main loop for each client, with what accept gives; under the lock of `machine' when `locked'.  It returns whether it wants to
 * hear of more; false: it may have freed the listener.  A host that has nothing left even for hanging up on somebody is asked again after a while. [main]
 */
BP_EXPORT void bp_listener_watch (BpListener *listener, BpMachine *machine, bool locked, bool (*client) (void *user, int fd), void *user);

BP_END_DECLS
#endif
