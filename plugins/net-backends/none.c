/* none.c -- net-none: a link at whose other end nobody is. */
/* SPDX-License-Identifier: MIT */
#include "backend.h"

typedef struct NetNone {
  NetBackend net;
} NetNone;

static void describe (void *self, BpNetInfo *info) { g_strlcpy (info->what, "nobody", sizeof info->what); }
static bool send_packet (void *self, const BpNetPacket *packet) { return true; }
static const NetOps ops = { .describe = describe, .send = send_packet };

static bool none_realize (void *self, GError **error) { return net_realize (self, &ops, error); }

static const BpProperty properties[] = { NET_PROPERTIES (NetNone), BP_PROP_END };
static const BpStateField state[] = { NET_STATE (NetNone), BP_STATE_END };

const BpTypeDesc net_none_type = {
  BP_TYPE ("net-none", BP_KIND_BACKEND, NetNone),
  .description = "a network without anybody: what is sent is gone, but can be captured",
  .properties = properties,
  .interfaces = net_interfaces,
  .state_version = 1,
  .state_minimum = 1,
  .state = state,
  .realize = none_realize,
  .unrealize = net_finish,
};
