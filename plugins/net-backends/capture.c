/* capture.c -- packets written to a file for tcpdump and Wireshark (pcap 2.4, nanoseconds: draft-ietf-opsawg-pcap). */
/* SPDX-License-Identifier: MIT */
#include "capture.h"
#include "packet-work.h"
#include <backplane/common.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct Capture {
  int fd;
  uint32_t snap;
  bool failed;
  off_t end;                    /* behind the last whole packet */
};

/* In the host's order of bytes, which a reader sees by the magic number. */
typedef struct FileHeader { uint32_t magic; uint16_t major, minor; uint32_t zone, accuracy, snap, link_type; } FileHeader;
typedef struct RecordHeader { uint32_t seconds, nanoseconds, kept, size; } RecordHeader;

static void
skip (struct iovec **iov, int *n, size_t done)
{
  for (; *n && done >= (*iov)->iov_len; (*iov)++, (*n)--)
    done -= (*iov)->iov_len;
  if (*n) {
    (*iov)->iov_base = (uint8_t *) (*iov)->iov_base + done;
    (*iov)->iov_len -= done;
  }
}

/* All or nothing.  Changes the vectors. */
static bool
append (Capture *c, struct iovec *iov, int n, size_t size)
{
  size_t put = 0;
  while (put < size) {
    ssize_t done = writev (c->fd, iov, n);
    if (done < 0 && errno == EINTR)
      continue;
    if (done <= 0) {
      int reason = done < 0 ? errno : ENOSPC;
      if (put && ftruncate (c->fd, c->end) != 0 && errno != EINVAL)    /* a pipe is not cut */
        reason = errno;
      errno = reason;
      return false;
    }
    put += (size_t) done;
    skip (&iov, &n, (size_t) done);
  }
  c->end += (off_t) size;
  return true;
}

Capture *
capture_new (const char *file, uint32_t snap, GError **error)
{
  enum { MAGIC = 0xa1b23c4d, ETHERNET = 1 };
  FileHeader header = { .magic = MAGIC, .major = 2, .minor = 4, .snap = snap, .link_type = ETHERNET };
  struct iovec iov = { &header, sizeof header };
  Capture *c = g_new0 (Capture, 1);
  c->snap = snap;
  c->fd = open (file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (c->fd >= 0 && append (c, &iov, 1, sizeof header))
    return c;
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "capture = %s: %s", file, g_strerror (errno));
  capture_free (c);
  return NULL;
}

void
capture_free (Capture *c)
{
  if (!c)
    return;
  if (c->fd >= 0)
    close (c->fd);
  g_free (c);
}

/* One of more parts than a write takes is copied first. */
static bool
capture_copy (Capture *c, const BpNetPacket *packet, int64_t time)
{
  g_autofree uint8_t *bytes = g_malloc (packet->size);
  struct iovec iov = { bytes, packet_copy (packet, bytes, packet->size) };
  BpNetPacket whole = *packet;
  whole.iov = &iov;
  whole.n_iov = 1;
  return capture_packet (c, &whole, time);
}

bool
capture_packet (Capture *c, const BpNetPacket *packet, int64_t time)
{
  enum { PARTS = 64 };
  if (packet->n_iov > PARTS)
    return capture_copy (c, packet, time);
  RecordHeader header = { .seconds = (uint32_t) (time / 1000000000), .nanoseconds = (uint32_t) (time % 1000000000), .size = packet->size };
  struct iovec iov[1 + PARTS] = { { &header, sizeof header } };
  int n = 1;
  for (unsigned i = 0; i < packet->n_iov && header.kept < c->snap; i++) {
    iov[n] = packet->iov[i];
    iov[n].iov_len = MIN (iov[n].iov_len, c->snap - header.kept);
    header.kept += (uint32_t) iov[n++].iov_len;
  }
  if (c->failed)
    return true;
  c->failed = !append (c, iov, n, sizeof header + header.kept);
  return !c->failed;
}
