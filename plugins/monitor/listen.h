/* listen.h -- a socket that clients connect to, by the address that a user writes. */
/* SPDX-License-Identifier: MIT */
#ifndef MONITOR_LISTEN_H
#define MONITOR_LISTEN_H

#include <backplane/common.h>

typedef struct Listener {
  int fd;                       /* -1: none */
  char *path;                   /* of a Unix socket that is ours to remove; NULL: none */
} Listener;

/* unix:PATH, tcp:HOST:PORT, HOST:PORT; no HOST: this machine alone.  NULL when fine, else what is wrong with the text. */
char *listen_wrong (const char *address);
bool listen_open (Listener *listener, const char *address, GError **error);
void listen_close (Listener *listener);
/* A connected socket that does not block, -1: none now. */
int listen_accept (const Listener *listener);

#endif
