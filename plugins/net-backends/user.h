/* user.h -- net-user: libslirp's network, its clock, and its place in the main loop. */
/* SPDX-License-Identifier: MIT */
#ifndef NET_BACKENDS_USER_H
#define NET_BACKENDS_USER_H

#include "backend.h"
#include <libslirp.h>
#include <netinet/in.h>

typedef struct NetUser {
  NetBackend net;
  /* wiring */
  bool ipv4, ipv6, restricted;
  char *subnet, *host, *dns, *dhcp_start;
  char *prefix6, *host6, *dns6;
  char *hostname, *domain, *tftp, *tftp_server, *bootfile;
  char **dns_search, **forward;
  /* derived */
  SlirpConfig config;
  GArray *forwards;             /* of UserForward */
  Slirp *slirp;
  GSource *source;
  uint8_t *frame;               /* one on its way from it */
} NetUser;

typedef union UserEnd { struct sockaddr any; struct sockaddr_in v4; struct sockaddr_in6 v6; } UserEnd;

/* A port of the host that leads to one of the guest. */
typedef struct UserForward {
  bool udp;
  UserEnd host, guest;
} UserForward;

/* user-config.c: the descriptor's texts.  false with error. */
bool user_parse_config (NetUser *u, GError **error);

/* user-loop.c: what libslirp waits for, as a source of the main loop. */
extern const SlirpCb user_callbacks;
void user_loop_start (NetUser *u);
void user_loop_stop (NetUser *u);
/* What it waits for may be other than before. [any][locked] */
void user_loop_look (NetUser *u);

#endif
