/* vhost-requests.c -- what the tests' vhost-user back end does with requests: of a disk in memory, and of a network with one host. */
/* SPDX-License-Identifier: MIT */
#include "vhost-requests.h"
#include <string.h>

enum { T_IN = 0, T_OUT = 1, T_GET_ID = 8 };
enum { HEADER = 12, ETHERNET = 14, ARP = 28, IP = 20, ECHO_LEAST = 8 };

#ifndef MIN
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#endif

/* --- a disk ----------------------------------------------------------------------------------- */

/* A header of 16 bytes, data, a byte of status: header and status are parts of their own. */
uint32_t
request_on_disk (const Request *q, uint8_t *disk, size_t disk_size)
{
  uint32_t type, done = 0;
  uint64_t sector;
  memcpy (&type, q->parts[0].at, 4);
  memcpy (&sector, q->parts[0].at + 8, 8);
  uint64_t offset = sector * 512 % disk_size;
  for (unsigned i = 1; i + 1 < q->n; i++) {
    const RequestPart *p = &q->parts[i];
    uint32_t n = (uint32_t) MIN (p->size, disk_size - offset);
    if (type == T_OUT)
      memcpy (disk + offset, p->at, n);
    else if (type == T_IN)
      memcpy (p->at, disk + offset, n);
    else if (type == T_GET_ID)
      strncpy ((char *) p->at, "vhost-back-end", p->size);
    offset += n;
    done += p->write ? n : 0;
  }
  *q->parts[q->n - 1].at = 0;
  return done + 1;
}

/* --- a network -------------------------------------------------------------------------------- */

uint32_t
request_fill (const Request *q, const uint8_t *bytes, uint32_t size)
{
  uint32_t done = 0;
  for (unsigned i = 0; i < q->n && done < size; i++) {
    uint32_t n = MIN (q->parts[i].size, size - done);
    memcpy (q->parts[i].at, bytes + done, n);
    done += n;
  }
  return done;
}

static uint32_t
gather (const Request *q, uint8_t bytes[REQUEST_FRAME])
{
  uint32_t done = 0;
  for (unsigned i = 0; i < q->n && done < REQUEST_FRAME; i++) {
    uint32_t n = MIN (q->parts[i].size, REQUEST_FRAME - done);
    memcpy (bytes + done, q->parts[i].at, n);
    done += n;
  }
  return done;
}

static void
swap (uint8_t *a, uint8_t *b, size_t n)
{
  for (size_t i = 0; i < n; i++) {
    uint8_t was = a[i];
    a[i] = b[i];
    b[i] = was;
  }
}

/* The type of an echo reply is smaller by 8 than that of the request, so the sum grows by as much. */
static void
make_echo (uint8_t *icmp)
{
  unsigned sum = (unsigned) (icmp[2] << 8 | icmp[3]) + 0x800;
  sum = (sum & 0xffff) + (sum >> 16);
  icmp[0] = 0;
  icmp[2] = (uint8_t) (sum >> 8);
  icmp[3] = (uint8_t) sum;
}

uint32_t
request_answer_frame (const Request *q, uint8_t a[REQUEST_FRAME])
{
  static const uint8_t mac[6] = { 0x52, 0x55, 0, 0, 0, 1 };
  uint32_t size = gather (q, a);
  uint8_t *frame = a + HEADER, *packet = frame + ETHERNET;
  if (size < HEADER + ETHERNET + ARP)
    return 0;
  bool arp = frame[12] == 8 && frame[13] == 6 && packet[7] == 1;
  bool echo = frame[12] == 8 && frame[13] == 0 && packet[0] == 0x45 && packet[9] == 1 && size >= HEADER + ETHERNET + IP + ECHO_LEAST && packet[IP] == 8;
  if (!arp && !echo)
    return 0;
  memset (a, 0, HEADER);
  a[10] = 1;                    /* buffers */
  memcpy (frame, frame + 6, 6);
  memcpy (frame + 6, mac, 6);
  if (arp) {
    packet[7] = 2;
    swap (packet + 8, packet + 18, 10);
    memcpy (packet + 8, mac, 6);
  } else {
    swap (packet + 12, packet + 16, 4);
    make_echo (packet + IP);
  }
  return size;
}
