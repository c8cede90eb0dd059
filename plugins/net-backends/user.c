/* user.c -- net-user: a network without privileges, whose router is this process (libslirp). */
/* SPDX-License-Identifier: MIT */
#include "user.h"
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>

/* --- packets ----------------------------------------------------------------------------- */

/* What libslirp answers at once may reach the device while it is sending. */
static bool
user_send (void *self, const BpNetPacket *packet)
{
  NetUser *u = self;
  const uint8_t *frame = packet->iov[0].iov_base;
  if (packet->n_iov != 1) {
    packet_copy (packet, u->frame, packet->size);
    frame = u->frame;
  }
  slirp_input (u->slirp, frame, (int) packet->size);
  user_loop_look (u);
  return true;
}

static void user_wanted (void *self) { user_loop_look (self); }

static void
user_describe (void *self, BpNetInfo *info)
{
  const NetUser *u = self;
  g_snprintf (info->what, sizeof info->what, "user, %s%s%s%s", u->ipv4 ? u->subnet : "", u->ipv4 && u->ipv6 ? " and " : "", u->ipv6 ? u->prefix6 : "",
              u->restricted ? ", restricted" : "");
}

static const NetOps ops = { .describe = user_describe, .send = user_send, .wanted = user_wanted };

/* --- libslirp's life ------------------------------------------------------------------------- */

static socklen_t
address_size (const struct sockaddr *a)
{
  return a->sa_family == AF_INET6 ? sizeof (struct sockaddr_in6) : sizeof (struct sockaddr_in);
}

static bool
add_forwards (NetUser *u, GError **error)
{
  for (guint i = 0; i < u->forwards->len; i++) {
    const UserForward *f = &g_array_index (u->forwards, UserForward, i);
    if (slirp_add_hostxfwd (u->slirp, &f->host.any, address_size (&f->host.any), &f->guest.any, address_size (&f->guest.any), f->udp ? SLIRP_HOSTFWD_UDP : 0) == 0)
      continue;
    int reason = errno;
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "forward = %s: %s%s", u->forward[i], g_strerror (reason),
                 reason == EADDRINUSE ? "; another program has this port, choose another one"
                 : reason == EACCES ? "; ports below 1024 need privileges (CAP_NET_BIND_SERVICE)" : "");
    return false;
  }
  return true;
}

static bool
open_slirp (NetUser *u, GError **error)
{
  u->slirp = slirp_new (&u->config, &user_callbacks, u);
  if (!u->slirp) {
    g_set_error (error, BP_ERROR, BP_ERROR_FAILED, "libslirp %s does not start", slirp_version_string ());
    return false;
  }
  user_loop_start (u);
  return add_forwards (u, error);
}

static void
close_slirp (NetUser *u)
{
  user_loop_stop (u);
  g_clear_pointer (&u->slirp, slirp_cleanup);
}

/* --- life cycle ---------------------------------------------------------------------------------- */

static bool
user_configure (void *self, GError **error)
{
  return user_parse_config (self, error);
}

static bool
user_realize (void *self, GError **error)
{
  NetUser *u = self;
  u->net.takes = BP_NET_TCP4 | BP_NET_ECN;      /* a large packet is to libslirp as good as many, but for IPv6, whose it holds against its MTU */
  signal (SIGPIPE, SIG_IGN);    /* libslirp's writes tell */
  u->frame = g_malloc (PACKET_MOST);
  return net_realize (u, &ops, error) && open_slirp (u, error);
}

static void
user_unrealize (void *self)
{
  NetUser *u = self;
  close_slirp (u);
  g_clear_pointer (&u->frame, g_free);
  g_clear_pointer (&u->forwards, g_array_unref);
  net_finish (u);
}

/* Connections are sockets of the host, which no snapshot holds: what the guest believes to be open is answered by resets. */
static bool
user_post_load (void *self, GError **error)
{
  NetUser *u = self;
  if (u->net.packets[1])
    bp_warn (u, "connections of the guest are not part of a snapshot: those that it had are cut");
  close_slirp (u);
  packet_join_drop (u->net.join);
  return open_slirp (u, error);
}

/* --- tables: properties, saved fields, type ----------------------------------------------------------- */

static const BpProperty properties[] = {
  BP_PROP_BOOL ("ipv4", NetUser, ipv4, true, "Whether there is IPv4: addresses by DHCP, a router, a name server."),
  BP_PROP_STRING ("subnet", NetUser, subnet, "10.0.2.0/24", "The guest's IPv4 network."),
  BP_PROP_STRING ("host", NetUser, host, NULL, "The router, by which the guest also reaches the host's loopback; not given: the network's second address."),
  BP_PROP_STRING ("dns", NetUser, dns, NULL, "The name server, which passes questions to the host's; not given: the network's third address."),
  BP_PROP_STRING ("dhcp-start", NetUser, dhcp_start, NULL, "The first address that is given to a guest; not given: the network's fifteenth."),
  BP_PROP_BOOL ("ipv6", NetUser, ipv6, true, "Whether there is IPv6: router advertisements, a name server."),
  BP_PROP_STRING ("ipv6-prefix", NetUser, prefix6, "fec0::/64", "The guest's IPv6 network, of 64 bits."),
  BP_PROP_STRING ("ipv6-host", NetUser, host6, NULL, "The router; not given: the network's second address."),
  BP_PROP_STRING ("ipv6-dns", NetUser, dns6, NULL, "The name server; not given: the network's third address."),
  BP_PROP_STRING ("hostname", NetUser, hostname, NULL, "The name that DHCP gives to the guest."),
  BP_PROP_STRING ("domain", NetUser, domain, NULL, "The domain that DHCP tells the guest."),
  BP_PROP_LIST ("dns-search", NetUser, dns_search, NULL, "Domains in which the guest shall look for names."),
  BP_PROP_BOOL ("restrict", NetUser, restricted, false, "Whether the guest is shut in: it reaches nothing but DHCP, and what `forward` lets in."),
  BP_PROP_LIST ("forward", NetUser, forward, NULL,
                "Ports of the host that lead into the guest: tcp:HOST:PORT-GUEST:PORT or udp:..., IPv6 addresses in brackets.  Without HOST the host's loopback alone, "
                "without GUEST the first address of DHCP, or what the guest has for IPv6: tcp::8080-:80."),
  BP_PROP_FILE ("tftp", NetUser, tftp, BP_PROPERTY_FOLDER, "A folder whose files the guest may read by TFTP from `host`."),
  BP_PROP_STRING ("tftp-server", NetUser, tftp_server, NULL, "The name of a TFTP server that DHCP tells the guest (option 66)."),
  BP_PROP_STRING ("bootfile", NetUser, bootfile, NULL, "The file that DHCP tells a guest to boot from."),
  NET_PROPERTIES (NetUser),
  BP_PROP_END
};
static const BpStateField state[] = { NET_STATE (NetUser), BP_STATE_END };

const BpTypeDesc net_user_type = {
  BP_TYPE ("net-user", BP_KIND_BACKEND, NetUser),
  .description = "a network without privileges: DHCP, a router, a name server, ports of the host that lead into the guest (libslirp)",
  .properties = properties,
  .interfaces = net_interfaces,
  .state_version = 1,
  .state_minimum = 1,
  .state = state,
  .configure = user_configure,
  .realize = user_realize,
  .unrealize = user_unrealize,
  .post_load = user_post_load,
};
