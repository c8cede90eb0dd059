/* user-config.c -- net-user's addresses and forwarded ports, from the descriptor's texts. */
/* SPDX-License-Identifier: MIT */
#include "user.h"
#include <arpa/inet.h>
#include <stdlib.h>

/* --- addresses --------------------------------------------------------------------------- */

static bool
fail (GError **error, const char *key, const char *text, const char *why)
{
  g_set_error (error, BP_ERROR, BP_ERROR_PROPERTY, "%s = %s: %s", key, text, why);
  return false;
}

/* "10.0.2.0/24" */
static bool
parse_subnet (const char *text, struct in_addr *net, struct in_addr *mask, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (text, "/", 2);
  guint64 bits = 24;
  if (!parts[0] || inet_pton (AF_INET, parts[0], net) != 1)
    return fail (error, "subnet", text, "an IPv4 network is meant, such as 10.0.2.0/24");
  if (parts[1] && !g_ascii_string_to_unsigned (parts[1], 10, 8, 29, &bits, NULL))
    return fail (error, "subnet", text, "a network has 8 to 29 bits: behind the / is no such number");
  mask->s_addr = htonl ((uint32_t) (UINT64_C (0xffffffff) << (32 - bits)));
  if (net->s_addr & ~mask->s_addr)
    return fail (error, "subnet", text, "there are bits set behind those of the network");
  return true;
}

/* An address within the network; not given: its n-th. */
static bool
parse_in_subnet (const NetUser *u, const char *key, const char *text, uint32_t n, struct in_addr *address, GError **error)
{
  const SlirpConfig *c = &u->config;
  address->s_addr = c->vnetwork.s_addr | htonl (MIN (n, ~ntohl (c->vnetmask.s_addr) - 1));
  if (!text)
    return true;
  if (inet_pton (AF_INET, text, address) != 1)
    return fail (error, key, text, "this is no IPv4 address");
  uint32_t host = ntohl (address->s_addr & ~c->vnetmask.s_addr);
  if ((address->s_addr & c->vnetmask.s_addr) != c->vnetwork.s_addr || host == 0 || host == ~ntohl (c->vnetmask.s_addr))
    return fail (error, key, text, "this is no address of a host within `subnet`");
  return true;
}

static bool
parse_ipv4 (NetUser *u, GError **error)
{
  SlirpConfig *c = &u->config;
  if (!parse_subnet (u->subnet, &c->vnetwork, &c->vnetmask, error) || !parse_in_subnet (u, "host", u->host, 2, &c->vhost, error)
      || !parse_in_subnet (u, "dns", u->dns, 3, &c->vnameserver, error) || !parse_in_subnet (u, "dhcp-start", u->dhcp_start, 15, &c->vdhcp_start, error))
    return false;
  if (c->vhost.s_addr == c->vnameserver.s_addr)
    return fail (error, "dns", u->dns ? u->dns : "(default)", "this is the address of `host`");
  if (c->vdhcp_start.s_addr == c->vhost.s_addr || c->vdhcp_start.s_addr == c->vnameserver.s_addr)
    return fail (error, "dhcp-start", u->dhcp_start ? u->dhcp_start : "(default)", "this is the address of `host` or `dns`");
  return true;
}

static bool
parse_in_prefix (const NetUser *u, const char *key, const char *text, struct in6_addr *address, GError **error)
{
  if (inet_pton (AF_INET6, text, address) != 1)
    return fail (error, key, text, "this is no IPv6 address");
  if (memcmp (address, &u->config.vprefix_addr6, 8) != 0)
    return fail (error, key, text, "this is no address within `ipv6-prefix`");
  return true;
}

static bool
parse_ipv6 (NetUser *u, GError **error)
{
  SlirpConfig *c = &u->config;
  static const uint8_t none[8];
  g_auto (GStrv) parts = g_strsplit (u->prefix6, "/", 2);
  if (!parts[0] || inet_pton (AF_INET6, parts[0], &c->vprefix_addr6) != 1 || g_strcmp0 (parts[1], "64") != 0 || memcmp (c->vprefix_addr6.s6_addr + 8, none, 8) != 0)
    return fail (error, "ipv6-prefix", u->prefix6, "an IPv6 network of 64 bits is meant, such as fec0::/64");
  c->vprefix_len = 64;
  c->vhost6 = c->vnameserver6 = c->vprefix_addr6;
  c->vhost6.s6_addr[15] = 2;
  c->vnameserver6.s6_addr[15] = 3;
  return (!u->host6 || parse_in_prefix (u, "ipv6-host", u->host6, &c->vhost6, error))
         && (!u->dns6 || parse_in_prefix (u, "ipv6-dns", u->dns6, &c->vnameserver6, error));
}

/* --- forwarded ports ----------------------------------------------------------------------- */

/* "ADDRESS:PORT", "[ADDRESS]:PORT"; ":PORT": any address of the family `usual'. */
static bool
parse_end (const char *text, size_t size, sa_family_t usual, UserEnd *e)
{
  g_autofree char *end = g_strndup (text, size);
  char *colon = strrchr (end, ':');
  guint64 port;
  if (!colon || !g_ascii_string_to_unsigned (colon + 1, 10, 1, 65535, &port, NULL))
    return false;
  *colon = '\0';
  bool v6 = end[0] == '[' && colon > end + 1 && colon[-1] == ']';
  if (v6)
    colon[-1] = '\0';
  if ((v6 ? AF_INET6 : *end ? AF_INET : usual) == AF_INET6)
    e->v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons ((uint16_t) port) };
  else
    e->v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons ((uint16_t) port) };
  return !*end || (v6 ? inet_pton (AF_INET6, end + 1, &e->v6.sin6_addr) : inet_pton (AF_INET, end, &e->v4.sin_addr)) == 1;
}

/* "tcp:HOST:PORT-GUEST:PORT"; IPv6 addresses in brackets. */
static bool
user_parse_forward (const char *text, UserForward *f, GError **error)
{
  const char *rest = text + 4, *dash = strchr (text, '-');
  *f = (UserForward){ .udp = g_str_has_prefix (text, "udp:") };
  if ((!f->udp && !g_str_has_prefix (text, "tcp:")) || !dash || dash <= rest || !parse_end (rest, (size_t) (dash - rest), AF_INET, &f->host)
      || !parse_end (dash + 1, strlen (dash + 1), f->host.any.sa_family, &f->guest))
    return fail (error, "forward", text, "tcp or udp, the host's side and the guest's are meant: tcp::8080-:80, udp:0.0.0.0:53-10.0.2.15:53 (IPv6 addresses in brackets)");
  if (*rest == ':')
    f->host.v4.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  return f->host.any.sa_family == f->guest.any.sa_family
         || fail (error, "forward", text, "both sides have to be IPv4, or both IPv6: tcp:[::1]:8080-[fec0::15]:80");
}

/* libslirp cuts what does not fit off. */
static bool
fits (const char *key, const char *text, size_t most, GError **error)
{
  g_autofree char *why = g_strdup_printf ("DHCP has room for %zu characters", most);
  return !text || strlen (text) <= most || fail (error, key, text, why);
}

static bool
parse_forwards (NetUser *u, GError **error)
{
  u->forwards = g_array_new (FALSE, TRUE, sizeof (UserForward));
  for (char **text = u->forward; text && *text; text++) {
    UserForward f;
    if (!user_parse_forward (*text, &f, error))
      return false;
    if (!(f.guest.any.sa_family == AF_INET6 ? u->ipv6 : u->ipv4))
      return fail (error, "forward", *text, f.guest.any.sa_family == AF_INET6 ? "`ipv6` is off" : "`ipv4` is off");
    g_array_append_val (u->forwards, f);
  }
  return true;
}

bool
user_parse_config (NetUser *u, GError **error)
{
  SlirpConfig *c = &u->config;
  *c = (SlirpConfig){ .version = 4, .restricted = u->restricted, .in_enabled = u->ipv4, .in6_enabled = u->ipv6, .vhostname = u->hostname,
                      .tftp_path = u->tftp, .tftp_server_name = u->tftp_server, .bootfile = u->bootfile, .vdomainname = u->domain,
                      .vdnssearch = u->dns_search && u->dns_search[0] ? (const char **) u->dns_search : NULL };
  if (!u->ipv4 && !u->ipv6)
    return fail (error, "ipv4", "off", "ipv6 is off as well: nothing is left");
  if (u->tftp && !g_file_test (u->tftp, G_FILE_TEST_IS_DIR))
    return fail (error, "tftp", u->tftp, "there is no such folder");
  if ((u->ipv4 && !parse_ipv4 (u, error)) || (u->ipv6 && !parse_ipv6 (u, error)))
    return false;
  return fits ("hostname", u->hostname, 32, error) && fits ("domain", u->domain, 255, error) && fits ("tftp-server", u->tftp_server, 255, error)
         && fits ("bootfile", u->bootfile, 127, error) && parse_forwards (u, error);
}
