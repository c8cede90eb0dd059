/* net-guest.c -- a program for a guest of a test of network devices: what `ethtool' sets, and whether a frame that one interface sends passes the filter of another. */
/* SPDX-License-Identifier: MIT */
/*
 * net-guest feature INTERFACE NAME on|off      as ethtool -K
 * net-guest channels INTERFACE N               as ethtool -L combined; without N it says how many there are
 * net-guest passes FROM TO ADDRESS [VLAN|-] [promiscuous|all|join]     prints yes or no; the last word: what TO is asked for meanwhile
 */
#include <arpa/inet.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int
fail (const char *what)
{
  perror (what);
  return 1;
}

static int
ask (const char *interface, void *command)
{
  struct ifreq r = { .ifr_data = command };
  int fd = socket (AF_INET, SOCK_DGRAM, 0);
  strncpy (r.ifr_name, interface, IFNAMSIZ - 1);
  int result = ioctl (fd, SIOCETHTOOL, &r);
  close (fd);
  return result;
}

/* --- features and channels ------------------------------------------------------------ */

static int
set_feature (const char *interface, const char *name, bool on)
{
  enum { MOST = 256 };
  static struct { struct ethtool_gstrings head; char text[MOST][ETH_GSTRING_LEN]; } names = { .head = { .cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_FEATURES } };
  static struct { struct ethtool_sfeatures head; struct ethtool_set_features_block blocks[MOST / 32]; } set = { .head = { .cmd = ETHTOOL_SFEATURES } };
  if (ask (interface, &names) < 0)
    return fail ("names of features");
  unsigned n = names.head.len, i = 0;
  while (i < n && strcmp (names.text[i], name) != 0)
    i++;
  if (i == n) {
    fprintf (stderr, "there is no feature %s\n", name);
    return 1;
  }
  set.head.size = (n + 31) / 32;
  set.blocks[i / 32].valid = 1u << i % 32;
  set.blocks[i / 32].requested = on ? 1u << i % 32 : 0;
  int result = ask (interface, &set);
  if (result < 0)
    return fail (name);
  if (result)
    fprintf (stderr, "%s stays as it is (%d)\n", name, result);
  return result != 0;
}

static int
channels (const char *interface, const char *count)
{
  struct ethtool_channels c = { .cmd = ETHTOOL_GCHANNELS };
  if (ask (interface, &c) < 0)
    return fail ("channels");
  if (!count) {
    printf ("%u of %u\n", c.combined_count, c.max_combined);
    return 0;
  }
  c.cmd = ETHTOOL_SCHANNELS;
  c.combined_count = (uint32_t) atoi (count);
  return ask (interface, &c) < 0 ? fail ("channels") : 0;
}

/* --- filters ------------------------------------------------------------------------------ */

enum { OWN_TYPE = 0x88b5, FRAME = 64, MARK = 8 };       /* a type for experiments (IEEE 802) */

static int
packet_socket (const char *interface)
{
  struct sockaddr_ll a = { .sll_family = AF_PACKET, .sll_protocol = htons (ETH_P_ALL), .sll_ifindex = (int) if_nametoindex (interface) };
  int fd = socket (AF_PACKET, SOCK_RAW, htons (ETH_P_ALL));
  return fd >= 0 && bind (fd, (struct sockaddr *) &a, sizeof a) == 0 ? fd : -1;
}

static bool
join (int fd, const char *interface, const uint8_t *address, const char *what)
{
  struct packet_mreq m = { .mr_ifindex = (int) if_nametoindex (interface), .mr_alen = ETH_ALEN };
  m.mr_type = strcmp (what, "promiscuous") == 0 ? PACKET_MR_PROMISC : strcmp (what, "all") == 0 ? PACKET_MR_ALLMULTI : PACKET_MR_MULTICAST;
  memcpy (m.mr_address, address, ETH_ALEN);
  return setsockopt (fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m, sizeof m) == 0;
}

static bool
send_marked (int fd, const uint8_t *address, int vlan, const char *mark)
{
  uint8_t f[FRAME] = { [6] = 2, [11] = 99 };
  unsigned at = 12;
  memcpy (f, address, ETH_ALEN);
  if (vlan >= 0) {
    f[at++] = 0x81, f[at++] = 0;
    f[at++] = (uint8_t) (vlan >> 8), f[at++] = (uint8_t) vlan;
  }
  f[at++] = OWN_TYPE >> 8, f[at++] = OWN_TYPE & 0xff;
  memcpy (f + at, mark, MARK);
  return send (fd, f, sizeof f, 0) == sizeof f;
}

/* Which of the two marks comes first.  The second one is everybody's: no time tells that the first does not come. */
static int
first_of (int fd, const char *one, const char *other)
{
  for (;;) {
    uint8_t f[2048];
    struct pollfd p = { .fd = fd, .events = POLLIN };
    if (poll (&p, 1, 20000) != 1)
      return -1;
    ssize_t n = recv (fd, f, sizeof f, 0);
    if (n > 0 && memmem (f, (size_t) n, one, MARK))
      return 1;
    if (n > 0 && memmem (f, (size_t) n, other, MARK))
      return 0;
  }
}

static int
passes (const char *from, const char *to, const char *text, const char *vlan, const char *what)
{
  static const uint8_t all[ETH_ALEN] = { 255, 255, 255, 255, 255, 255 };
  unsigned b[ETH_ALEN];
  uint8_t address[ETH_ALEN];
  int out = packet_socket (from), in = packet_socket (to);
  if (sscanf (text, "%x:%x:%x:%x:%x:%x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) != ETH_ALEN || out < 0 || in < 0)
    return fail ("passes");
  for (unsigned i = 0; i < ETH_ALEN; i++)
    address[i] = (uint8_t) b[i];
  if (what && !join (in, to, address, what))
    return fail (what);
  if (!send_marked (out, address, vlan && *vlan != '-' ? atoi (vlan) : -1, "marked-1") || !send_marked (out, all, -1, "marked-2"))
    return fail ("send");
  int first = first_of (in, "marked-1", "marked-2");
  puts (first < 0 ? "nothing" : first ? "yes" : "no");
  return first < 0;
}

int
main (int argc, char **argv)
{
  if (argc == 5 && strcmp (argv[1], "feature") == 0)
    return set_feature (argv[2], argv[3], strcmp (argv[4], "on") == 0);
  if ((argc == 3 || argc == 4) && strcmp (argv[1], "channels") == 0)
    return channels (argv[2], argv[3]);
  if (argc >= 5 && argc <= 7 && strcmp (argv[1], "passes") == 0)
    return passes (argv[2], argv[3], argv[4], argc > 5 ? argv[5] : NULL, argc > 6 ? argv[6] : NULL);
  fprintf (stderr, "usage: its head says\n");
  return 2;
}
