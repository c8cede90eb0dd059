/* test-packet-work.c -- checksums and segments of known packets, segments joined again, and the file that captures them. */
/* SPDX-License-Identifier: MIT */
#include "net-backends/capture.h"
#include "net-backends/packet-join.h"
#include "net-backends/packet-work.h"
#include "../scratch.h"
#include "../suite.h"
#include <check.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

/* --- a reference that takes its time -------------------------------------------------------- */

static unsigned
reference_sum (const uint8_t *bytes, size_t size, unsigned sum)
{
  for (size_t i = 0; i < size; i++)
    sum += i & 1 ? bytes[i] : (unsigned) bytes[i] << 8;
  while (sum >> 16)
    sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

/* A whole TCP or UDP packet, as a receiver checks it (RFC 1071: all ones). */
static void
expect_right (const uint8_t *frame, uint32_t size, bool v6, bool udp)
{
  const uint8_t *ip = frame + 14;
  uint32_t transport = v6 ? 54 : 34, n = size - transport;
  ck_assert_uint_eq (v6 ? packet_get16 (ip + 4) + 40 : packet_get16 (ip + 2), size - 14);
  if (!v6)
    ck_assert_uint_eq (reference_sum (ip, 20, 0), 0xffff);
  if (udp)
    ck_assert_uint_eq (packet_get16 (frame + transport + 4), n);
  unsigned pseudo = reference_sum (v6 ? ip + 8 : ip + 12, v6 ? 32 : 8, n + (udp ? 17 : 6));
  ck_assert_uint_eq (reference_sum (frame + transport, n, pseudo), 0xffff);
}

/* --- packets as a guest makes them -------------------------------------------------------------- */

typedef struct Big {
  uint8_t bytes[14 + 40 + 32 + 70000];
  uint32_t size, header;
  bool v6, udp;
} Big;

/* TCP with 12 bytes of options; flags: FIN, PSH, ACK and CWR. */
static void
make (Big *b, bool v6, bool udp, uint32_t payload)
{
  memset (b->bytes, 0, sizeof b->bytes);
  uint8_t *ip = b->bytes + 14, *tcp = ip + (v6 ? 40 : 20);
  b->v6 = v6;
  b->udp = udp;
  b->header = 14 + (v6 ? 40 : 20) + (udp ? 8 : 32);
  b->size = b->header + payload;
  for (unsigned i = 0; i < 12; i++)
    b->bytes[i] = (uint8_t) (2 + i);
  packet_put16 (b->bytes + 12, v6 ? 0x86dd : 0x0800);
  ip[0] = v6 ? 0x60 : 0x45;
  if (!v6) {
    packet_put16 (ip + 4, 0xfffe);
    ip[8] = 64;
  } else {
    ip[7] = 64;
  }
  ip[v6 ? 6 : 9] = udp ? 17 : 6;
  for (unsigned i = 0; i < (v6 ? 32u : 8u); i++)
    ip[(v6 ? 8 : 12) + i] = (uint8_t) (10 + i);
  packet_put16 (tcp, 1234);
  packet_put16 (tcp + 2, 80);
  if (!udp) {
    packet_put32 (tcp + 4, 0xfffffff0);
    packet_put32 (tcp + 8, 77);
    tcp[12] = 8 << 4;
    tcp[13] = TCP_FIN | TCP_PSH | TCP_ACK | TCP_CWR;
    packet_put16 (tcp + 14, 5000);
    memcpy (tcp + 20, "\1\1\10\12abcdefgh", 12);
  }
  for (uint32_t i = 0; i < payload; i++)
    b->bytes[b->header + i] = (uint8_t) (i * 7 + (i >> 8));
}

static BpNetPacket
packet_of (const Big *b, struct iovec *iov, uint32_t work, uint16_t segment)
{
  iov[0] = (struct iovec){ (void *) (uintptr_t) b->bytes, 20 };      /* headers over two parts */
  iov[1] = (struct iovec){ (void *) (uintptr_t) (b->bytes + 20), b->size - 20 };
  return (BpNetPacket){ .struct_size = sizeof (BpNetPacket), .work = work, .iov = iov, .n_iov = 2, .size = b->size, .segment_size = segment,
                        .checksum_start = (uint16_t) (b->v6 ? 54 : 34), .checksum_offset = b->udp ? 6 : 16 };
}

/* --- what came of them ---------------------------------------------------------------------------- */

typedef struct Out {
  GPtrArray *frames;            /* of GBytes */
  uint32_t work, segment;
  unsigned most;                /* that are taken */
} Out;

static bool
keep (void *user, const BpNetPacket *p)
{
  Out *o = user;
  if (o->most && o->frames->len == o->most)
    return false;
  uint8_t *bytes = g_malloc (p->size);
  ck_assert_uint_eq (packet_copy (p, bytes, p->size), p->size);
  g_ptr_array_add (o->frames, g_bytes_new_take (bytes, p->size));
  o->work = p->work;
  o->segment = p->segment_size;
  return true;
}

static void keep_joined (void *user, const BpNetPacket *p) { keep (user, p); }
static void frame_free (void *bytes) { g_bytes_unref (bytes); }
static Out out_new (void) { return (Out){ .frames = g_ptr_array_new_with_free_func (frame_free) }; }
static const uint8_t *frame_of (const Out *o, unsigned i, uint32_t *size)
{
  gsize n;
  const uint8_t *bytes = g_bytes_get_data (g_ptr_array_index (o->frames, i), &n);
  *size = (uint32_t) n;
  return bytes;
}

/* --- tests -------------------------------------------------------------------------------------------- */

START_TEST (known_sums)
{
  static const uint8_t rfc[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };      /* RFC 1071, 3 */
  uint8_t header[] = { 0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0, 0xc7 };
  uint16_t sum = packet_sum (rfc, sizeof rfc, 0);
  ck_assert_uint_eq (packet_get16 ((uint8_t *) &sum), 0xddf2);
  ck_assert_uint_eq (packet_sum (header, sizeof header, 0), 0xffff);
  uint8_t odd[67];
  for (unsigned n = 0; n <= sizeof odd; n++) {
    for (unsigned i = 0; i < n; i++)
      odd[i] = (uint8_t) (i * 37 + n);
    sum = packet_sum (odd, n, 0);
    ck_assert_uint_eq (packet_get16 ((uint8_t *) &sum), reference_sum (odd, n, 0));
  }
}
END_TEST

START_TEST (a_checksum_is_filled_in)
{
  for (unsigned kind = 0; kind < 4; kind++) {
    Big *b = g_new (Big, 1);
    struct iovec iov[2];
    Out o = out_new ();
    uint32_t size;
    PacketHeaders h;
    make (b, kind & 1, kind & 2, 333);
    ck_assert (packet_parse (b->bytes, b->size, &h));
    packet_set_length (b->bytes, &h, b->size);
    uint16_t pseudo = packet_pseudo_sum (b->bytes, &h, b->size - h.transport);
    memcpy (b->bytes + h.transport + (b->udp ? 6 : 16), &pseudo, 2);
    BpNetPacket p = packet_of (b, iov, BP_NET_CHECKSUM, 0);
    ck_assert_int_eq (packet_finish (&p, 0, keep, &o), 1);
    expect_right (frame_of (&o, 0, &size), b->size, b->v6, b->udp);
    ck_assert_uint_eq (o.work, 0);
    /* who takes it gets it as it is */
    ck_assert_int_eq (packet_finish (&p, BP_NET_CHECKSUM, keep, &o), 1);
    ck_assert (memcmp (frame_of (&o, 1, &size), b->bytes, b->size) == 0);
    ck_assert_uint_eq (o.work, BP_NET_CHECKSUM);
    g_ptr_array_unref (o.frames);
    g_free (b);
  }
}
END_TEST

static void
check_segments (const Big *b, const Out *o, uint32_t step)
{
  uint32_t from = 0, payload = b->size - b->header, size;
  for (unsigned i = 0; i < o->frames->len; i++) {
    const uint8_t *f = frame_of (o, i, &size), *transport = f + (b->v6 ? 54 : 34);
    uint32_t n = size - b->header;
    bool last = from + n == payload;
    ck_assert_uint_eq (n, MIN (step, payload - from));
    expect_right (f, size, b->v6, b->udp);
    ck_assert (memcmp (f + b->header, b->bytes + b->header + from, n) == 0);
    if (!b->v6)
      ck_assert_uint_eq (packet_get16 (f + 18), (0xfffe + i) & 0xffff);
    if (!b->udp) {
      ck_assert_uint_eq (packet_get32 (transport + 4), 0xfffffff0 + from);
      ck_assert_uint_eq (transport[13], TCP_ACK | (last ? TCP_FIN | TCP_PSH : 0) | (from ? 0 : TCP_CWR));
      ck_assert (memcmp (transport + 20, "\1\1\10\12abcdefgh", 12) == 0);
    }
    from += n;
  }
  ck_assert_uint_eq (from, payload);
}

START_TEST (segments_are_cut)
{
  static const uint32_t works[] = { BP_NET_TCP4, BP_NET_TCP6, BP_NET_UDP, BP_NET_UDP };
  static const uint32_t payloads[] = { 1, 1447, 1448, 1449, 4344, 64000 };
  for (unsigned i = 0; i < 4 * G_N_ELEMENTS (payloads); i++) {
    Big *b = g_new (Big, 1);
    struct iovec iov[2];
    Out o = out_new ();
    make (b, i & 1, i >> 1 & 1, payloads[i / 4]);
    BpNetPacket p = packet_of (b, iov, works[i & 3] | BP_NET_CHECKSUM | BP_NET_ECN, 1448);
    int n = packet_finish (&p, 0, keep, &o);
    ck_assert_int_eq (n, (int) (payloads[i / 4] + 1447) / 1448);
    check_segments (b, &o, 1448);
    /* with checksums that others fill in: what they have to add up is there */
    g_ptr_array_set_size (o.frames, 0);
    ck_assert_int_eq (packet_finish (&p, BP_NET_CHECKSUM, keep, &o), n);
    ck_assert_uint_eq (o.work, BP_NET_CHECKSUM);
    /* one packet, whose checksum is right */
    g_ptr_array_set_size (o.frames, 0);
    uint32_t size;
    ck_assert_int_eq (packet_finish (&p, works[i & 3] | BP_NET_ECN, keep, &o), 1);
    expect_right (frame_of (&o, 0, &size), b->size, b->v6, b->udp);
    ck_assert_uint_eq (o.segment, 1448);
    /* whoever takes but two */
    g_ptr_array_set_size (o.frames, 0);
    o.most = 2;
    ck_assert_int_eq (packet_finish (&p, 0, keep, &o), MIN (n, 2));
    g_ptr_array_unref (o.frames);
    g_free (b);
  }
}
END_TEST

START_TEST (lies_are_refused)
{
  Big *b = g_new (Big, 1);
  struct iovec iov[2];
  Out o = out_new ();
  make (b, false, false, 3000);
  BpNetPacket good = packet_of (b, iov, BP_NET_TCP4 | BP_NET_CHECKSUM, 1000), p = good;
  p.segment_size = 0;
  ck_assert_int_eq (packet_finish (&p, 0, keep, &o), -1);
  p = good, p.work = BP_NET_TCP6;
  ck_assert_int_eq (packet_finish (&p, 0, keep, &o), -1);
  p = good, p.work = BP_NET_UDP;
  ck_assert_int_eq (packet_finish (&p, 0, keep, &o), -1);
  p = good, p.work = BP_NET_TCP4 | BP_NET_TCP6;
  ck_assert_int_eq (packet_finish (&p, 0, keep, &o), -1);
  p = good, p.work = BP_NET_CHECKSUM, p.checksum_start = 0xffff;
  ck_assert_int_eq (packet_finish (&p, 0, keep, &o), -1);
  p = good, p.work = BP_NET_CHECKSUM, p.checksum_offset = 0xffff;
  ck_assert_int_eq (packet_finish (&p, 0, keep, &o), -1);
  p = good, p.size = 200000;
  ck_assert_int_eq (packet_finish (&p, 0, keep, &o), -1);
  p = good, p.size = 13;
  ck_assert_int_eq (packet_finish (&p, 0, keep, &o), -1);
  /* headers that go beyond the packet, at each length */
  for (uint32_t size = 14; size < b->header; size++) {
    p = good;
    iov[1].iov_len = size > 20 ? size - 20 : 0;
    iov[0].iov_len = MIN (size, 20);
    p.size = size;
    ck_assert_int_eq (packet_finish (&p, 0, keep, &o), -1);
  }
  ck_assert_uint_eq (o.frames->len, 0);
  g_ptr_array_unref (o.frames);
  g_free (b);
}
END_TEST

/* Segments of a packet, joined again, are that packet. */
START_TEST (segments_are_joined)
{
  for (unsigned v6 = 0; v6 < 2; v6++) {
    Big *b = g_new (Big, 1);
    struct iovec iov[2];
    Out cut = out_new (), o = out_new ();
    uint32_t size, work = v6 ? BP_NET_TCP6 : BP_NET_TCP4;
    PacketJoin *j = packet_join_new (keep_joined, &o);
    make (b, v6, false, 10 * 1448 + 5);
    b->bytes[v6 ? 67 : 47] = TCP_ACK | TCP_PSH;
    BpNetPacket p = packet_of (b, iov, work | BP_NET_CHECKSUM, 1448);
    ck_assert_int_eq (packet_finish (&p, 0, keep, &cut), 11);
    for (unsigned i = 0; i < 11; i++) {
      const uint8_t *f = frame_of (&cut, i, &size);
      packet_join_add (j, f, size, BP_NET_CHECKSUM | work);
    }
    ck_assert (packet_join_is_empty (j));       /* the last was shorter */
    ck_assert_uint_eq (o.frames->len, 1);
    const uint8_t *f = frame_of (&o, 0, &size);
    ck_assert_uint_eq (size, b->size);
    ck_assert_uint_eq (o.work, BP_NET_CHECKSUM | work);
    ck_assert_uint_eq (o.segment, 1448);
    ck_assert (memcmp (f + b->header, b->bytes + b->header, b->size - b->header) == 0);
    /* and cut again they are what they were */
    BpNetPacket again = { .struct_size = sizeof again, .work = o.work, .iov = &(struct iovec){ (void *) (uintptr_t) f, size }, .n_iov = 1, .size = size,
                          .segment_size = 1448 };
    Out twice = out_new ();
    ck_assert_int_eq (packet_finish (&again, 0, keep, &twice), 11);
    for (unsigned i = 0; i < 11; i++)
      ck_assert (g_bytes_equal (g_ptr_array_index (cut.frames, i), g_ptr_array_index (twice.frames, i)));
    packet_join_free (j);
    g_ptr_array_unref (o.frames);
    g_ptr_array_unref (cut.frames);
    g_ptr_array_unref (twice.frames);
    g_free (b);
  }
}
END_TEST

/* Whoever comes with many tags gets no longer packet for them than others. */
START_TEST (joined_packets_are_bounded)
{
  enum { TAGS = 10, N = 1023, HEADER = 14 + 4 * TAGS + 20 + 20 };
  uint8_t f[HEADER + N] = { 0 }, *ip = f + 14 + 4 * TAGS, *tcp = ip + 20;
  Out o = out_new ();
  PacketJoin *j = packet_join_new (keep_joined, &o);
  for (unsigned i = 0; i < TAGS; i++)
    packet_put16 (f + 12 + 4 * i, 0x8100);
  packet_put16 (ip - 2, 0x0800);
  ip[0] = 0x45;
  ip[8] = 64;
  ip[9] = 6;
  packet_put16 (ip + 2, 40 + N);
  tcp[12] = 5 << 4;
  tcp[13] = TCP_ACK;
  for (unsigned i = 0; i < 65; i++) {
    packet_put32 (tcp + 4, i * N);
    packet_join_add (j, f, sizeof f, BP_NET_TCP4 | BP_NET_CHECKSUM);
  }
  packet_join_flush (j);
  ck_assert_uint_eq (o.frames->len, 2);
  for (unsigned i = 0; i < o.frames->len; i++) {
    uint32_t size;
    frame_of (&o, i, &size);
    ck_assert_uint_le (size, 14 + 8 + 65536);
  }
  packet_join_free (j);
  g_ptr_array_unref (o.frames);
}
END_TEST

/* Each bit of headers that are summed, and of the payload, counts; padding does not. */
START_TEST (checksums_are_checked)
{
  for (unsigned kind = 0; kind < 4; kind++) {
    Big *b = g_new (Big, 1);
    struct iovec iov[2];
    Out o = out_new ();
    uint32_t size;
    make (b, kind & 1, kind & 2, 101);
    BpNetPacket p = packet_of (b, iov, kind & 2 ? BP_NET_UDP : kind & 1 ? BP_NET_TCP6 : BP_NET_TCP4, 1000);
    ck_assert_int_eq (packet_finish (&p, 0, keep, &o), 1);
    const uint8_t *f = frame_of (&o, 0, &size);
    uint8_t bytes[400] = { 0 };
    memcpy (bytes, f, size);
    ck_assert (packet_is_checked (bytes, size));
    ck_assert (packet_is_checked (bytes, size + 7));
    ck_assert (!packet_is_checked (bytes, size - 1));
    for (uint32_t at = b->v6 ? 22 : 15; at < size; at++) {
      bytes[at] ^= 0x10;
      ck_assert (!packet_is_checked (bytes, size));
      bytes[at] ^= 0x10;
    }
    for (uint32_t n = 0; n < size; n++) {       /* cut short, in memory of just that size */
      g_autofree uint8_t *part = g_memdup2 (bytes, n);
      ck_assert (!packet_is_checked (part, n));
    }
    if (b->udp) {               /* without a checksum: nobody knows */
      packet_put16 (bytes + (b->v6 ? 60 : 40), 0);
      ck_assert (!packet_is_checked (bytes, size));
    }
    g_ptr_array_unref (o.frames);
    g_free (b);
  }
}
END_TEST

/* Whatever is not the next piece of the same stream comes by itself, in its order. */
START_TEST (strangers_are_not_joined)
{
  static const struct { unsigned offset; uint8_t change; } changes[] = {
    { 0, 1 }, { 15, 4 }, { 22, 1 }, { 29, 1 }, { 35, 1 }, { 41, 1 }, { 45, 1 }, { 47, TCP_FIN }, { 47, TCP_URG }, { 48, 1 }, { 60, 1 }
  };
  Big *b = g_new (Big, 1);
  struct iovec iov[2];
  Out cut = out_new ();
  uint32_t size, work = BP_NET_TCP4 | BP_NET_CHECKSUM;
  make (b, false, false, 2 * 1448);
  b->bytes[47] = TCP_ACK;
  BpNetPacket p = packet_of (b, iov, work, 1448);
  ck_assert_int_eq (packet_finish (&p, 0, keep, &cut), 2);
  for (unsigned i = 0; i < G_N_ELEMENTS (changes); i++) {
    uint8_t second[2000];
    Out o = out_new ();
    PacketJoin *j = packet_join_new (keep_joined, &o);
    const uint8_t *f = frame_of (&cut, 0, &size);
    packet_join_add (j, f, size, work);
    f = frame_of (&cut, 1, &size);
    memcpy (second, f, size);
    second[changes[i].offset] ^= changes[i].change;
    packet_join_add (j, second, size, work);
    packet_join_flush (j);
    ck_assert_uint_eq (o.frames->len, 2);
    ck_assert (memcmp (frame_of (&o, 1, &size), second, size) == 0);
    ck_assert_uint_eq (o.work, BP_NET_CHECKED);
    packet_join_free (j);
    g_ptr_array_unref (o.frames);
  }
  /* nor is anything for a device that takes no large packets */
  Out o = out_new ();
  PacketJoin *j = packet_join_new (keep_joined, &o);
  for (unsigned i = 0; i < 2; i++) {
    const uint8_t *f = frame_of (&cut, i, &size);
    packet_join_add (j, f, size, BP_NET_CHECKSUM);
  }
  ck_assert_uint_eq (o.frames->len, 2);
  packet_join_free (j);
  g_ptr_array_unref (o.frames);
  g_ptr_array_unref (cut.frames);
  g_free (b);
}
END_TEST

START_TEST (a_capture_is_read_back)
{
  char *folder = scratch_new ();
  g_autofree char *file = g_build_filename (folder, "x.pcap", NULL), *bytes = NULL;
  gsize size;
  uint32_t word[10];
  GError *error = NULL;
  Capture *c = capture_new (file, 100, &error);
  ck_assert_ptr_nonnull (c);
  Big *b = g_new (Big, 1);
  struct iovec iov[2];
  make (b, false, false, 200);
  BpNetPacket p = packet_of (b, iov, 0, 0);
  ck_assert (capture_packet (c, &p, INT64_C (1700000000123456789)));
  iov[1].iov_len = 10, p.size = 30;
  ck_assert (capture_packet (c, &p, INT64_C (1700000001000000000)));
  /* in many parts */
  struct iovec bytes_of[90];
  for (unsigned i = 0; i < 90; i++)
    bytes_of[i] = (struct iovec){ b->bytes + i, 1 };
  BpNetPacket parts = { .struct_size = sizeof parts, .iov = bytes_of, .n_iov = 90, .size = 90 };
  ck_assert (capture_packet (c, &parts, INT64_C (1700000002000000000)));
  capture_free (c);
  ck_assert (g_file_get_contents (file, &bytes, &size, NULL));
  ck_assert_uint_eq (size, 24 + 16 + 100 + 16 + 30 + 16 + 90);
  memcpy (word, bytes, 40);
  ck_assert_uint_eq (word[0], 0xa1b23c4d);
  ck_assert_uint_eq (word[4], 100);
  ck_assert_uint_eq (word[5], 1);
  ck_assert_uint_eq (word[6], 1700000000);
  ck_assert_uint_eq (word[7], 123456789);
  ck_assert_uint_eq (word[8], 100);
  ck_assert_uint_eq (word[9], b->size);
  ck_assert (memcmp (bytes + 40, b->bytes, 100) == 0);
  ck_assert (memcmp (bytes + 156, b->bytes, 30) == 0);
  ck_assert (memcmp (bytes + 202, b->bytes, 90) == 0);
  g_free (b);
  ck_assert_ptr_null (capture_new ("/nonexistent/x", 100, &error));
  ck_assert_str_eq (error->message, "capture = /nonexistent/x: No such file or directory");
  g_clear_error (&error);
  if (g_access ("/dev/full", W_OK) == 0) {
    ck_assert_ptr_null (capture_new ("/dev/full", 100, &error));
    ck_assert_str_eq (error->message, "capture = /dev/full: No space left on device");
    g_clear_error (&error);
  }
  scratch_free (folder);
}
END_TEST

int
main (void)
{
  Suite *s = suite_create ("packet-work");
  TCase *c = tcase_create ("all");
  tcase_add_test (c, known_sums);
  tcase_add_test (c, a_checksum_is_filled_in);
  tcase_add_test (c, segments_are_cut);
  tcase_add_test (c, lies_are_refused);
  tcase_add_test (c, segments_are_joined);
  tcase_add_test (c, strangers_are_not_joined);
  tcase_add_test (c, joined_packets_are_bounded);
  tcase_add_test (c, checksums_are_checked);
  tcase_add_test (c, a_capture_is_read_back);
  suite_add_tcase (s, c);
  return suite_run (s);
}
