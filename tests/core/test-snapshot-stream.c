/* test-snapshot-stream.c -- streams of snapshots: there and back, cut short anywhere, with any byte changed, and with sections that lie. */
/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "snapshot.h"
#include "../suite.h"
#include <check.h>
#include <string.h>
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif

/* --- a stream in memory ------------------------------------------------------------------------- */

typedef struct Memory {
  GByteArray *bytes;
  size_t at, end;
  size_t most;                  /* bytes a read gives at once */
  bool full;                    /* writes fail */
} Memory;

static bool
put (void *user, const void *data, size_t size, GError **error)
{
  Memory *m = user;
  if (m->full)
    return snapshot_refuse (error, "the disk is full");
  g_byte_array_append (m->bytes, data, (guint) size);
  return true;
}

static ssize_t
get (void *user, void *data, size_t size, GError **error)
{
  Memory *m = user;
  size_t n = MIN (MIN (size, m->most), m->end - m->at);
  if (n)
    memcpy (data, m->bytes->data + m->at, n);
  m->at += n;
  return (ssize_t) n;
}

static SnapshotPlace
place (Memory *m)
{
  m->at = 0;
  m->end = m->bytes->len;
  m->most = m->most ? m->most : SIZE_MAX;
  return (SnapshotPlace){ put, get, m };
}

static Memory
written (void)
{
  Memory m = { .bytes = g_byte_array_new () };
  SnapshotPlace p = place (&m);
  SnapshotHeader h = { .date = 1700000000, .date_ns = 5, .flags = SNAPSHOT_DETERMINISTIC, .vm_clock = -1, .name = "a name", .machine = "pc.ini", .version = "1" };
  SnapshotWriter *w = snapshot_writer_new (&p, &h);
  g_autoptr (GByteArray) head = g_byte_array_new ();
  uint8_t data[3000];
  uint64_t bytes;
  snapshot_put (head, 7, 4);
  snapshot_put_text (head, "text");
  for (unsigned i = 0; i < sizeof data; i++)
    data[i] = (uint8_t) (i * i >> 3);
  snapshot_write_section (w, SECTION_OBJECT, head, data, sizeof data);
  snapshot_write_section (w, SECTION_PINS, NULL, NULL, 0);
  ck_assert (snapshot_writer_finish (w, &bytes, NULL));
  ck_assert_uint_eq (bytes, m.bytes->len);
  return m;
}

/* The same sections as programs before pieces wrote them. */
static Memory
written_as_one_frame (void)
{
  Memory m = { 0 };
#ifdef HAVE_ZSTD
  static const struct { uint32_t kind; uint64_t size; } sections[] = { { SECTION_OBJECT, 3010 }, { SECTION_PINS, 0 }, { SECTION_END, 8 } };
  SnapshotHeader h = { .date = 1700000000, .date_ns = 5, .flags = SNAPSHOT_DETERMINISTIC, .vm_clock = -1, .name = "a name", .machine = "pc.ini", .version = "1" };
  g_autoptr (GByteArray) plain = g_byte_array_new ();
  for (guint i = 0; i < G_N_ELEMENTS (sections); i++) {
    snapshot_put (plain, sections[i].kind, 8);
    snapshot_put (plain, sections[i].size, 8);
    if (i == 0) {
      snapshot_put (plain, 7, 4);
      snapshot_put_text (plain, "text");
      for (unsigned k = 0; k < 3000; k++)
        snapshot_put (plain, k * k >> 3 & 255, 1);
    }
  }
  snapshot_put (plain, G_N_ELEMENTS (sections) - 1, 8);
  uint8_t frame[8192];
  ZSTD_CCtx *zstd = ZSTD_createCCtx ();
  ZSTD_CCtx_setParameter (zstd, ZSTD_c_checksumFlag, 1);
  size_t n = ZSTD_compress2 (zstd, frame, sizeof frame, plain->data, plain->len);
  ck_assert (!ZSTD_isError (n));
  ZSTD_freeCCtx (zstd);
  m.bytes = snapshot_header_bytes (&h, 1);
  g_byte_array_append (m.bytes, frame, (guint) n);
#endif
  return m;
}

/* Reads all; what is wrong, or NULL. */
static char *
wrong_with (Memory *m)
{
  SnapshotHeader h = { 0 };
  GError *error = NULL;
  SnapshotPlace p = place (m);
  SnapshotReader *r = snapshot_reader_new (&p, &h, &error);
  uint32_t kind = 0, sum = 0;
  const uint8_t *payload;
  size_t size;
  while (r && kind != SECTION_END && snapshot_read_section (r, &kind, &payload, &size, &error))
    for (size_t i = 0; i < size; i++)
      sum = sum * 31 + payload[i];
  static uint32_t right;        /* of what was read first, which was whole */
  if (!error) {
    right = right ? right : sum;
    ck_assert_uint_eq (sum, right);
  }
  snapshot_reader_free (r);
  snapshot_header_clear (&h);
  char *text = error ? g_strdup (error->message) : NULL;
  g_clear_error (&error);
  return text;
}

START_TEST (there_and_back)
{
  Memory m = _i ? written_as_one_frame () : written ();
  for (m.most = 1; m.most < 5000; m.most *= 7) {
    SnapshotPlace p = place (&m);
    SnapshotHeader h = { 0 };
    SnapshotReader *r = snapshot_reader_new (&p, &h, NULL);
    uint32_t kind;
    const uint8_t *payload;
    size_t size;
    ck_assert_ptr_nonnull (r);
    ck_assert_str_eq (h.name, "a name");
    ck_assert_str_eq (h.machine, "pc.ini");
    ck_assert_str_eq (h.version, "1");
    ck_assert_int_eq (h.date, 1700000000);
    ck_assert_uint_eq (h.date_ns, 5);
    ck_assert_uint_eq (h.flags, SNAPSHOT_DETERMINISTIC);
    ck_assert_int_eq (h.vm_clock, -1);
    ck_assert (snapshot_read_section (r, &kind, &payload, &size, NULL));
    ck_assert_uint_eq (kind, SECTION_OBJECT);
    ck_assert_uint_eq (size, 3010);
    SnapshotBytes b = { payload, payload + size, false };
    ck_assert_uint_eq (snapshot_get (&b, 4), 7);
    g_autofree char *text = snapshot_get_text (&b);
    ck_assert_str_eq (text, "text");
    ck_assert_uint_eq (payload[10 + 100], 100 * 100 >> 3 & 255);
    ck_assert (snapshot_read_section (r, &kind, &payload, &size, NULL));
    ck_assert_uint_eq (kind, SECTION_PINS);
    ck_assert_uint_eq (size, 0);
    ck_assert (snapshot_read_section (r, &kind, &payload, &size, NULL));
    ck_assert_uint_eq (kind, SECTION_END);
    snapshot_reader_free (r);
    snapshot_header_clear (&h);
  }
  g_byte_array_unref (m.bytes);
}
END_TEST

START_TEST (cut_short_anywhere)
{
  Memory m = _i ? written_as_one_frame () : written ();
  ck_assert_ptr_null (wrong_with (&m));
  guint whole = m.bytes->len;
  for (guint n = 0; n < whole; n++) {
    m.bytes->len = n;
    g_autofree char *wrong = wrong_with (&m);
    ck_assert_msg (wrong && strstr (wrong, "cut short"), "%u bytes: %s", n, wrong ? wrong : "nothing is wrong");
  }
  m.bytes->len = whole;
  ck_assert_ptr_null (wrong_with (&m));
  g_byte_array_append (m.bytes, (const uint8_t *) "x", 1);
  g_autofree char *wrong = wrong_with (&m);
  ck_assert_ptr_nonnull (strstr (wrong, "more behind its end"));
  g_byte_array_unref (m.bytes);
}
END_TEST

/* Refused; or it was one of the few bits of a zstd frame's header that contents do not depend on (RFC 8878, 3.1.1.1: an unused bit, a window larger than
 * need be). */
START_TEST (any_byte_changed)
{
  Memory m = _i ? written_as_one_frame () : written ();
  unsigned harmless = 0;
  ck_assert_ptr_null (wrong_with (&m));
  for (guint n = 0; n < m.bytes->len; n++)
    for (unsigned bit = 0; bit < 8; bit++) {
      m.bytes->data[n] ^= 1u << bit;
      g_autofree char *wrong = wrong_with (&m);
      harmless += !wrong;
      m.bytes->data[n] ^= 1u << bit;
    }
  ck_assert_ptr_null (wrong_with (&m));
  ck_assert_uint_le (harmless, 16);
  g_byte_array_unref (m.bytes);
}
END_TEST

START_TEST (sections_that_lie)
{
  static const struct { uint32_t kind, zero; uint64_t size; const char *because; } cases[] = {
    { 0, 0, 0, "kind 0" }, { SECTION_CHANGE + 1, 0, 0, "kind" }, { SECTION_OBJECT, 1, 0, "kind" }, { SECTION_OBJECT, 0, UINT64_MAX, "bytes" },
    { SECTION_OBJECT, 0, 200 << 20, "within a section" }, { SECTION_END, 0, 0, "missing" },
  };
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    Memory m = { .bytes = g_byte_array_new () };
    SnapshotPlace p = place (&m);
    SnapshotHeader h = { .name = "", .machine = "", .version = "" };
    SnapshotWriter *w = snapshot_writer_new (&p, &h);
    g_autoptr (GByteArray) inner = g_byte_array_new ();
    uint64_t bytes;
    snapshot_put (inner, cases[i].kind, 4);
    snapshot_put (inner, cases[i].zero, 4);
    snapshot_put (inner, cases[i].size, 8);
    snapshot_write_raw (w, inner->data, inner->len);
    ck_assert (snapshot_writer_finish (w, &bytes, NULL));
    g_autofree char *wrong = wrong_with (&m);
    ck_assert_msg (wrong && strstr (wrong, cases[i].because), "%u: %s", i, wrong ? wrong : "nothing is wrong");
    g_byte_array_unref (m.bytes);
  }
}
END_TEST

/* Sections that end where a piece does, that go over several, and more pieces than are under way at a time. */
START_TEST (many_pieces)
{
  enum { N = 60 };
  Memory m = { .bytes = g_byte_array_new (), .most = 70000 };
  SnapshotPlace p = place (&m);
  SnapshotHeader h = { .name = "", .machine = "", .version = "" };
  SnapshotWriter *w = snapshot_writer_new (&p, &h);
  size_t most = 3 << 20, size;
  g_autofree uint8_t *data = g_malloc (most);
  uint32_t kind, seed = 1;
  uint64_t bytes;
  const uint8_t *payload;
  for (size_t i = 0; i < most; i++)
    data[i] = (uint8_t) ((seed = seed * 1664525 + 1013904223) >> 30 << (i >> 16 & 7));
  const size_t sizes[] = { most, SNAPSHOT_PIECE_MOST - 16, SNAPSHOT_PAGES_WRITTEN, 0, 1, SNAPSHOT_PIECE_MOST - 15, 300000 };
  for (unsigned i = 0; i < N; i++)
    snapshot_write_section (w, SECTION_PAGES, NULL, data, sizes[i % G_N_ELEMENTS (sizes)]);
  ck_assert (snapshot_writer_finish (w, &bytes, NULL));
  ck_assert_uint_eq (bytes, m.bytes->len);
  p = place (&m);
  SnapshotReader *r = snapshot_reader_new (&p, &h, NULL);
  for (unsigned i = 0; i < N; i++) {
    ck_assert (snapshot_read_section (r, &kind, &payload, &size, NULL));
    ck_assert_uint_eq (size, sizes[i % G_N_ELEMENTS (sizes)]);
    ck_assert (memcmp (payload, data, size) == 0);
  }
  ck_assert (snapshot_read_section (r, &kind, &payload, &size, NULL));
  ck_assert_uint_eq (kind, SECTION_END);
  snapshot_reader_free (r);
  snapshot_header_clear (&h);
  /* One that is given up meanwhile waits for its threads. */
  p = place (&m);
  r = snapshot_reader_new (&p, &h, NULL);
  ck_assert (snapshot_read_section (r, &kind, &payload, &size, NULL));
  snapshot_reader_free (r);
  snapshot_header_clear (&h);
  g_byte_array_unref (m.bytes);
}
END_TEST

START_TEST (a_full_disk)
{
  Memory m = { .bytes = g_byte_array_new (), .full = true };
  SnapshotPlace p = place (&m);
  SnapshotHeader h = { .name = "", .machine = "", .version = "" };
  SnapshotWriter *w = snapshot_writer_new (&p, &h);
  uint64_t bytes;
  GError *error = NULL;
  snapshot_write_section (w, SECTION_OBJECT, NULL, NULL, 0);
  ck_assert (!snapshot_writer_finish (w, &bytes, &error));
  ck_assert_str_eq (error->message, "the disk is full");
  g_error_free (error);
  g_byte_array_unref (m.bytes);
}
END_TEST

int
main (void)
{
#ifndef HAVE_ZSTD
  puts ("built without libzstd");
  return 77;
#endif
  Suite *suite = suite_create ("snapshot-stream");
  TCase *all = tcase_create ("all");
  tcase_add_loop_test (all, there_and_back, 0, 2);
  tcase_add_loop_test (all, cut_short_anywhere, 0, 2);
  tcase_add_loop_test (all, any_byte_changed, 0, 2);
  tcase_add_test (all, sections_that_lie);
  tcase_add_test (all, many_pieces);
  tcase_add_test (all, a_full_disk);
  suite_add_tcase (suite, all);
  return suite_run (suite);
}
