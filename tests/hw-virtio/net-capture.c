/* net-capture.c -- what a capture of a network backend holds, told in a line: `net-capture FILE'.  Checksums are added up anew, a byte at a time (RFC 1071). */
/* SPDX-License-Identifier: MIT */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef struct Tally {
  unsigned packets, tcp, udp, vlan, wrong, largest, announcements;
} Tally;

static unsigned get16 (const uint8_t *p) { return (unsigned) p[0] << 8 | p[1]; }

static unsigned
add (const uint8_t *bytes, unsigned size, unsigned sum)
{
  for (unsigned i = 0; i < size; i++)
    sum += i & 1 ? bytes[i] : (unsigned) bytes[i] << 8;
  return sum;
}

static bool
is_all_ones (unsigned sum)
{
  while (sum >> 16)
    sum = (sum & 0xffff) + (sum >> 16);
  return sum == 0xffff;
}

/* TCP or UDP, with the sum of the pseudo header's addresses. */
static void
look_at_transport (Tally *t, const uint8_t *p, unsigned size, unsigned protocol, unsigned addresses)
{
  bool udp = protocol == 17;
  if ((protocol != 6 && !udp) || size < (udp ? 8u : 20u))
    return;
  *(udp ? &t->udp : &t->tcp) += 1;
  if (!udp || get16 (p + 6))
    t->wrong += !is_all_ones (add (p, size, addresses + protocol + size));
}

static void
look_at_ipv4 (Tally *t, const uint8_t *ip, unsigned size)
{
  unsigned header = (ip[0] & 15u) * 4, total = get16 (ip + 2);
  if (size < 20 || header < 20 || total > size || header > total) {
    t->wrong++;
    return;
  }
  t->wrong += !is_all_ones (add (ip, header, 0));
  if (!(get16 (ip + 6) & 0x3fff))
    look_at_transport (t, ip + header, total - header, ip[9], add (ip + 12, 8, 0));
}

static void
look_at_ipv6 (Tally *t, const uint8_t *ip, unsigned size)
{
  unsigned n = size >= 40 ? get16 (ip + 4) : 0;
  if (size < 40 || n > size - 40)
    t->wrong++;
  else
    look_at_transport (t, ip + 40, n, ip[6], add (ip + 8, 32, 0));
}

static void
look_at_frame (Tally *t, const uint8_t *f, unsigned size)
{
  unsigned at = 12, type = get16 (f + at);
  if (type == 0x8100) {
    t->vlan++;
    type = get16 (f + (at += 4));
  }
  at += 2;
  t->packets++;
  t->largest = size > t->largest ? size : t->largest;
  if (type == 0x0800)
    look_at_ipv4 (t, f + at, size - at);
  else if (type == 0x86dd)
    look_at_ipv6 (t, f + at, size - at);
  else if (type == 0x0806 && size >= at + 28 && memcmp (f + at + 14, f + at + 24, 4) == 0)
    t->announcements++;         /* who has my own address? */
}

int
main (int argc, char **argv)
{
  struct { uint32_t magic; uint16_t major, minor; uint32_t zone, accuracy, snap, link; } head;
  struct { uint32_t seconds, nanoseconds, kept, size; } record;
  static uint8_t frame[300000];
  Tally t = { 0 };
  FILE *f = argc == 2 ? fopen (argv[1], "rb") : NULL;
  if (!f || fread (&head, sizeof head, 1, f) != 1 || head.magic != 0xa1b23c4d || head.link != 1)
    return fprintf (stderr, "usage: net-capture FILE, a capture with nanoseconds\n"), 2;
  while (fread (&record, sizeof record, 1, f) == 1) {
    if (record.kept > sizeof frame || record.kept < 18 || fread (frame, record.kept, 1, f) != 1)
      return fprintf (stderr, "net-capture: a packet of %u bytes, cut short\n", (unsigned) record.kept), 1;
    if (record.kept == record.size)
      look_at_frame (&t, frame, record.kept);
  }
  printf ("packets %u tcp %u udp %u vlan %u wrong %u largest %u announcements %u\n", t.packets, t.tcp, t.udp, t.vlan, t.wrong, t.largest, t.announcements);
  return 0;
}
