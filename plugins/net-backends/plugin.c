/* plugin.c -- net-backends: where the packets of network devices go. */
/* SPDX-License-Identifier: MIT */
#include "backend.h"
#include <config.h>

static const BpTypeDesc *const types[] = {
  &net_none_type, &net_socket_type, &net_dgram_type, &net_tap_type,
#ifdef HAVE_SLIRP
  &net_user_type,
#endif
  NULL
};

BP_PLUGIN_DEFINE (.id = "net-backends", .version = "1.0", .licence = "MIT",
                  .description = "network backends: user (libslirp), tap, sockets, nobody", .types = types);
