/* migrate-stream.c -- the stream of a machine on its way: sections with checksums, some compressed. */
/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "crc32c.h"
#include "migrate.h"
#include <string.h>
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif

enum { SECTION_HEAD = 16, BUFFER = 1 << 17, COMPRESS_LEAST = 512 };
#define COMPRESSED (UINT32_C (1) << 31)
#define SMALL_MOST (UINT64_C (4) << 20)         /* of one that holds no object */

/* --- writing ------------------------------------------------------------------------------------------- */

struct MigrateWriter {
  MigrateChannel *channel;
  uint8_t *buffer;
  size_t used;
  uint64_t written;
  uint32_t crc;                 /* of the section before */
  unsigned level;
#ifdef HAVE_ZSTD
  ZSTD_CCtx *zstd;
#endif
  GByteArray *whole, *packed;   /* scratch of compression */
  GError *error;
};

MigrateWriter *
migrate_writer_new (MigrateChannel *c)
{
  MigrateWriter *w = g_new0 (MigrateWriter, 1);
  w->channel = c;
  w->buffer = g_malloc (BUFFER);
  return w;
}

void
migrate_writer_free (MigrateWriter *w)
{
  if (!w)
    return;
#ifdef HAVE_ZSTD
  ZSTD_freeCCtx (w->zstd);
#endif
  if (w->whole)
    g_byte_array_unref (w->whole);
  if (w->packed)
    g_byte_array_unref (w->packed);
  g_clear_error (&w->error);
  g_free (w->buffer);
  g_free (w);
}

static void
send (MigrateWriter *w, const void *data, size_t size)
{
  if (!w->error)
    channel_write (w->channel, data, size, &w->error);
}

static void
put (MigrateWriter *w, const void *data, size_t size)
{
  w->written += size;
  if (w->used + size > BUFFER) {
    send (w, w->buffer, w->used);
    w->used = 0;
  }
  if (size > BUFFER) {
    send (w, data, size);
  } else if (size) {
    memcpy (w->buffer + w->used, data, size);
    w->used += size;
  }
}

void
migrate_write_header (MigrateWriter *w, const SnapshotHeader *header)
{
  g_autoptr (GByteArray) bytes = snapshot_header_bytes (header, SNAPSHOT_FORMAT_SECTIONS);
  put (w, bytes->data, bytes->len);
}

static void
write_plain (MigrateWriter *w, uint32_t kind, const GByteArray *head, const void *data, size_t size)
{
  uint32_t numbers[2] = { GUINT32_TO_LE (kind), 0 };
  uint64_t bytes = GUINT64_TO_LE ((head ? head->len : 0) + (uint64_t) size);
  w->crc = crc32c (crc32c (w->crc, numbers, 4), &bytes, sizeof bytes);
  if (head)
    w->crc = crc32c (w->crc, head->data, head->len);
  if (size)
    w->crc = crc32c (w->crc, data, size);
  numbers[1] = GUINT32_TO_LE (w->crc);
  put (w, numbers, sizeof numbers);
  put (w, &bytes, sizeof bytes);
  if (head)
    put (w, head->data, head->len);
  if (size)
    put (w, data, size);
}

#ifdef HAVE_ZSTD

/* false: it becomes no smaller. */
static bool
write_compressed (MigrateWriter *w, uint32_t kind, const GByteArray *head, const void *data, size_t size)
{
  if (!w->zstd)
    w->zstd = ZSTD_createCCtx ();
  g_byte_array_set_size (w->whole, 0);
  if (head)
    g_byte_array_append (w->whole, head->data, head->len);
  g_byte_array_append (w->whole, data, (guint) size);
  g_byte_array_set_size (w->packed, w->whole->len);
  size_t n = ZSTD_compressCCtx (w->zstd, w->packed->data, w->packed->len, w->whole->data, w->whole->len, (int) w->level);
  if (ZSTD_isError (n) || n + 8 >= w->whole->len)
    return false;
  g_autoptr (GByteArray) length = g_byte_array_new ();
  snapshot_put (length, w->whole->len, 8);
  write_plain (w, kind | COMPRESSED, length, w->packed->data, n);
  return true;
}

#endif

void
migrate_writer_compress (MigrateWriter *w, unsigned level)
{
#ifdef HAVE_ZSTD
  w->level = level;
  if (level && !w->whole) {
    w->whole = g_byte_array_new ();
    w->packed = g_byte_array_new ();
  }
#endif
}

void
migrate_write (MigrateWriter *w, uint32_t kind, const GByteArray *head, const void *data, size_t size)
{
#ifdef HAVE_ZSTD
  if (w->level && size >= COMPRESS_LEAST && size <= SMALL_MOST && write_compressed (w, kind, head, data, size))
    return;
#endif
  write_plain (w, kind, head, data, size);
}

void
migrate_write_text (MigrateWriter *w, uint32_t kind, const char *text)
{
  migrate_write (w, kind, NULL, text, strlen (text));
}

static void
put_section (void *user, uint32_t kind, const GByteArray *head, const void *data, size_t size)
{
  migrate_write (user, kind, head, data, size);
}

static void
fail_section (void *user, GError *error)
{
  MigrateWriter *w = user;
  if (w->error)
    g_error_free (error);
  else
    w->error = error;
}

SnapshotSink
migrate_sink (MigrateWriter *w)
{
  return (SnapshotSink){ put_section, fail_section, w };
}

bool
migrate_writer_good (const MigrateWriter *w)
{
  return !w->error;
}

uint64_t
migrate_writer_bytes (const MigrateWriter *w)
{
  return w->written;
}

bool
migrate_writer_flush (MigrateWriter *w, GError **error)
{
  send (w, w->buffer, w->used);
  w->used = 0;
  if (w->error && error)
    *error = g_error_copy (w->error);
  return !w->error;
}

/* --- reading ------------------------------------------------------------------------------------------- */

struct MigrateReader {
  MigrateChannel *channel;
  uint8_t *buffer;
  size_t at, end;               /* in buffer */
  uint8_t *payload, *unpacked;
  size_t payload_size, unpacked_size;
  uint64_t read;
  uint32_t crc;                 /* of the section before */
};

MigrateReader *
migrate_reader_new (MigrateChannel *c)
{
  MigrateReader *r = g_new0 (MigrateReader, 1);
  r->channel = c;
  r->buffer = g_malloc (BUFFER);
  return r;
}

void
migrate_reader_free (MigrateReader *r)
{
  if (!r)
    return;
  g_free (r->buffer);
  g_free (r->payload);
  g_free (r->unpacked);
  g_free (r);
}

uint64_t
migrate_reader_bytes (const MigrateReader *r)
{
  return r->read;
}

static ssize_t
read_some (void *user, void *data, size_t size, GError **error)
{
  MigrateReader *r = user;
  ssize_t n;
  if (r->at == r->end && size >= BUFFER) {
    n = channel_read (r->channel, data, size, error);
  } else {
    if (r->at == r->end) {
      n = channel_read (r->channel, r->buffer, BUFFER, error);
      if (n <= 0)
        return n;
      r->at = 0;
      r->end = (size_t) n;
    }
    n = (ssize_t) MIN (size, r->end - r->at);
    memcpy (data, r->buffer + r->at, (size_t) n);
    r->at += (size_t) n;
  }
  if (n > 0)
    r->read += (uint64_t) n;
  return n;
}

static bool
read_all (MigrateReader *r, void *data, size_t size, GError **error)
{
  for (uint8_t *at = data; size;) {
    ssize_t n = read_some (r, at, size, error);
    if (n == 0)
      snapshot_refuse (error, "the stream is cut short: the other side has ended");
    if (n <= 0)
      return false;
    at += n;
    size -= (size_t) n;
  }
  return true;
}

bool
migrate_read_header (MigrateReader *r, SnapshotHeader *header, GError **error)
{
  SnapshotPlace place = { NULL, read_some, r };
  return snapshot_read_header (&place, SNAPSHOT_FORMAT_SECTIONS, header, error);
}

static bool
damaged (GError **error, const char *what)
{
  return snapshot_refuse (error, "the stream is damaged: %s", what);
}

/* What a few bytes claim does not become memory before as much has come. */
static bool
read_payload (MigrateReader *r, uint64_t size, GError **error)
{
  for (size_t done = 0; done < size || !r->payload;) {
    size_t n = (size_t) MIN (size - done, SMALL_MOST);
    if (done + n > r->payload_size || !r->payload) {
      uint8_t *more = g_try_realloc (r->payload, MAX (done + n, 4096));
      if (!more)
        return snapshot_refuse (error, "the stream has a section of %" G_GUINT64_FORMAT " bytes, for which the host has no memory", size);
      r->payload = more;
      r->payload_size = MAX (done + n, 4096);
    }
    if (!read_all (r, r->payload + done, n, error))
      return false;
    done += n;
  }
  return true;
}

static bool
unpack (MigrateReader *r, const uint8_t **payload, size_t *size, GError **error)
{
#ifdef HAVE_ZSTD
  SnapshotBytes b = { *payload, *payload + *size, false };
  uint64_t whole = snapshot_get (&b, 8);
  if (b.bad || whole > SMALL_MOST + 4096)
    return damaged (error, "a compressed section is none");
  if (whole > r->unpacked_size || !r->unpacked) {
    uint8_t *more = g_try_realloc (r->unpacked, MAX (whole, 4096));
    if (!more)
      return snapshot_refuse (error, "the stream has a section of %" G_GUINT64_FORMAT " bytes, for which the host has no memory", whole);
    r->unpacked = more;
    r->unpacked_size = MAX (whole, 4096);
  }
  size_t n = ZSTD_decompress (r->unpacked, whole, b.at, (size_t) (b.end - b.at));
  if (ZSTD_isError (n) || n != whole)
    return damaged (error, "a compressed section does not unpack");
  *payload = r->unpacked;
  *size = n;
  return true;
#else
  return snapshot_refuse (error, "the stream is compressed, and this program was built without libzstd");
#endif
}

static uint64_t
most_of (uint32_t kind)
{
  return kind == SECTION_OBJECT || kind == SECTION_PINS || kind == SECTION_SHAPE ? SNAPSHOT_SECTION_MOST : SMALL_MOST;
}

bool
migrate_read (MigrateReader *r, uint32_t *kind, const uint8_t **payload, size_t *size, GError **error)
{
  uint8_t head[SECTION_HEAD];
  if (!read_all (r, head, sizeof head, error))
    return false;
  SnapshotBytes b = { head, head + sizeof head, false };
  uint32_t first = (uint32_t) snapshot_get (&b, 4), crc = (uint32_t) snapshot_get (&b, 4);
  uint64_t bytes = snapshot_get (&b, 8);
  *kind = first & ~COMPRESSED;
  if (bytes > most_of (*kind))
    return damaged (error, "a section is longer than there can be");
  if (!read_payload (r, bytes, error))
    return false;
  r->crc = crc32c (crc32c (crc32c (r->crc, head, 4), head + 8, 8), r->payload, bytes);
  if (r->crc != crc)
    return damaged (error, "a section's checksum is wrong");
  *payload = r->payload;
  *size = bytes;
  return !(first & COMPRESSED) || unpack (r, payload, size, error);
}

/* Of somebody who may write what it likes. */
static char *
text_of (const uint8_t *payload, size_t size)
{
  return g_utf8_make_valid ((const char *) payload, (gssize) MIN (size, 8192));
}

char *
migrate_last_words (MigrateReader *r)
{
  uint32_t kind = 0;
  const uint8_t *payload;
  size_t size;
  while (kind != REPLY_REFUSED)
    if (!migrate_read (r, &kind, &payload, &size, NULL))
      return NULL;
  return text_of (payload, size);
}

bool
migrate_expect (MigrateReader *r, uint32_t wanted, GError **error)
{
  uint32_t kind;
  const uint8_t *payload;
  size_t size;
  if (!migrate_read (r, &kind, &payload, &size, error))
    return false;
  if (kind == REPLY_REFUSED) {
    g_autofree char *text = text_of (payload, size);
    return snapshot_refuse (error, "the receiver refuses: %s", text);
  }
  return (kind == wanted && !size) || damaged (error, "another section than this one comes now");
}

bool
migrate_expect_end (MigrateReader *r, GError **error)
{
  uint8_t none;
  ssize_t n = read_some (r, &none, 1, error);
  return n == 0 || (n > 0 && damaged (error, "there is more behind its end"));
}

static bool
next_section (void *user, uint32_t *kind, const uint8_t **payload, size_t *size, GError **error)
{
  return migrate_read (user, kind, payload, size, error);
}

SnapshotPull
migrate_pull (MigrateReader *r)
{
  return (SnapshotPull){ next_section, r };
}
