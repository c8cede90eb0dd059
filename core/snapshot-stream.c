/* snapshot-stream.c -- the stream of a snapshot: header, compression, sections and their parts. */
/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "snapshot.h"
#include <string.h>
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif

enum { SECTION_HEAD = 16, CHECKSUM = 32, HEADER_MOST = 1 << 20 };

/* --- payloads ----------------------------------------------------------------------------------- */

bool
snapshot_refuse (GError **error, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error_literal (error, BP_ERROR, BP_ERROR_FAILED, text);
  return false;
}

void
snapshot_put (GByteArray *out, uint64_t value, unsigned size)
{
  uint64_t bytes = GUINT64_TO_LE (value);
  g_byte_array_append (out, (const uint8_t *) &bytes, size);
}

void
snapshot_put_text (GByteArray *out, const char *text)
{
  size_t n = MIN (strlen (text), UINT16_MAX);
  snapshot_put (out, n, 2);
  g_byte_array_append (out, (const uint8_t *) text, (guint) n);
}

uint64_t
snapshot_get (SnapshotBytes *b, unsigned size)
{
  uint64_t value = 0;
  if ((size_t) (b->end - b->at) < size) {
    b->bad = true;
    b->at = b->end;
    return 0;
  }
  memcpy (&value, b->at, size);
  b->at += size;
  return GUINT64_FROM_LE (value);
}

char *
snapshot_get_text (SnapshotBytes *b)
{
  size_t n = snapshot_get (b, 2);
  if ((size_t) (b->end - b->at) < n) {
    b->bad = true;
    b->at = b->end;
    n = 0;
  }
  char *text = g_strndup ((const char *) b->at, n);
  b->at += n;
  return text;
}

/* --- the header ----------------------------------------------------------------------------------- */

void
snapshot_header_clear (SnapshotHeader *header)
{
  g_free (header->name);
  g_free (header->machine);
  g_free (header->version);
  memset (header, 0, sizeof *header);
}

static void
checksum (const void *data, size_t size, uint8_t sum[CHECKSUM])
{
  gsize n = CHECKSUM;
  g_autoptr (GChecksum) c = g_checksum_new (G_CHECKSUM_SHA256);
  g_checksum_update (c, data, (gssize) size);
  g_checksum_get_digest (c, sum, &n);
}

GByteArray *
snapshot_header_bytes (const SnapshotHeader *h, uint32_t format)
{
  GByteArray *out = g_byte_array_new ();
  g_byte_array_append (out, (const uint8_t *) SNAPSHOT_MAGIC, 8);
  snapshot_put (out, format, 4);
  snapshot_put (out, 0, 4);
  snapshot_put (out, (uint64_t) h->date, 8);
  snapshot_put (out, h->date_ns, 4);
  snapshot_put (out, h->flags, 4);
  snapshot_put (out, (uint64_t) h->vm_clock, 8);
  snapshot_put_text (out, h->name);
  snapshot_put_text (out, h->machine);
  snapshot_put_text (out, h->version);
  uint32_t size = GUINT32_TO_LE (out->len + CHECKSUM);
  memcpy (out->data + 12, &size, sizeof size);
  uint8_t sum[CHECKSUM];
  checksum (out->data, out->len, sum);
  g_byte_array_append (out, sum, CHECKSUM);
  return out;
}

static bool
parse_header (const uint8_t *data, size_t size, SnapshotHeader *h, GError **error)
{
  uint8_t sum[CHECKSUM];
  checksum (data, size - CHECKSUM, sum);
  if (memcmp (sum, data + size - CHECKSUM, CHECKSUM) != 0)
    return snapshot_refuse (error, "the snapshot's header is damaged: its checksum is wrong");
  SnapshotBytes b = { data + 16, data + size - CHECKSUM, false };
  h->date = (int64_t) snapshot_get (&b, 8);
  h->date_ns = (uint32_t) snapshot_get (&b, 4);
  h->flags = (uint32_t) snapshot_get (&b, 4);
  h->vm_clock = (int64_t) snapshot_get (&b, 8);
  h->name = snapshot_get_text (&b);
  h->machine = snapshot_get_text (&b);
  h->version = snapshot_get_text (&b);
  return !b.bad || snapshot_refuse (error, "the snapshot's header is damaged: it ends too early");
}

/* Reads `size` bytes or says why not. */
static bool
read_all (const SnapshotPlace *place, uint8_t *data, size_t size, GError **error)
{
  while (size) {
    ssize_t n = place->read (place->user, data, size, error);
    if (n < 0)
      return false;
    if (n == 0)
      return snapshot_refuse (error, "the snapshot is cut short");
    data += n;
    size -= (size_t) n;
  }
  return true;
}

static bool
is_format (uint32_t format, uint32_t wanted, GError **error)
{
  if (format == wanted || (wanted == SNAPSHOT_FORMAT && format >= 1 && format < wanted))
    return true;
  if (format == SNAPSHOT_FORMAT_SECTIONS)
    return snapshot_refuse (error, "this is a machine on its way, which `--incoming` takes, and no snapshot");
  if (format <= SNAPSHOT_FORMAT)
    return snapshot_refuse (error, "this is a snapshot, which `--load` takes, and no machine on its way");
  if (wanted == SNAPSHOT_FORMAT)
    return snapshot_refuse (error, "the snapshot is in format %u, and this program knows formats 1 to %u", format, wanted);
  return snapshot_refuse (error, "the stream is in format %u, and this program knows format %u", format, wanted);
}

bool
snapshot_read_header (const SnapshotPlace *place, uint32_t wanted, SnapshotHeader *h, GError **error)
{
  uint8_t head[16];
  uint32_t format, size;
  if (!read_all (place, head, sizeof head, error))
    return false;
  if (memcmp (head, SNAPSHOT_MAGIC, 8) != 0)
    return snapshot_refuse (error, "this is no snapshot of this program");
  memcpy (&format, head + 8, 4);
  memcpy (&size, head + 12, 4);
  format = GUINT32_FROM_LE (format);
  size = GUINT32_FROM_LE (size);
  if (!is_format (format, wanted, error))
    return false;
  h->format = format;
  if (size < sizeof head + CHECKSUM || size > HEADER_MOST)
    return snapshot_refuse (error, "the snapshot's header is damaged: its size is %u", size);
  g_autofree uint8_t *data = g_malloc (size);
  memcpy (data, head, sizeof head);
  return read_all (place, data + sizeof head, size - sizeof head, error) && parse_header (data, size, h, error);
}

#ifdef HAVE_ZSTD

/* --- writing ---------------------------------------------------------------------------------------- */

struct SnapshotWriter {
  SnapshotPlace place;
  SnapshotPieces *pieces;
  SnapshotPiece *piece;         /* to be filled */
  uint64_t written, n_sections;
  GError *error;
};

static void
write_out (SnapshotWriter *w, const void *data, size_t size)
{
  if (!w->error && w->place.write (w->place.user, data, size, &w->error))
    w->written += size;
}

static void
write_piece_head (SnapshotWriter *w, size_t packed, size_t size)
{
  uint32_t head[2] = { GUINT32_TO_LE ((uint32_t) packed), GUINT32_TO_LE ((uint32_t) size) };
  write_out (w, head, sizeof head);
}

/* false: none is left. */
static bool
write_oldest (SnapshotWriter *w)
{
  SnapshotPiece *p = snapshot_pieces_oldest (w->pieces);
  if (!p)
    return false;
  if (p->wrong && !w->error)
    snapshot_refuse (&w->error, "the snapshot cannot be compressed: %s", p->wrong);
  write_piece_head (w, p->packed_size, p->size);
  write_out (w, p->packed, p->packed_size);
  snapshot_pieces_release (w->pieces);
  return true;
}

static void
next_piece (SnapshotWriter *w)
{
  if (w->piece && w->piece->size)
    snapshot_pieces_give (w->pieces);
  while (!(w->piece = snapshot_pieces_next (w->pieces)))
    write_oldest (w);
  w->piece->size = 0;
}

SnapshotWriter *
snapshot_writer_new (const SnapshotPlace *place, const SnapshotHeader *header)
{
  SnapshotWriter *w = g_new0 (SnapshotWriter, 1);
  g_autoptr (GByteArray) head = snapshot_header_bytes (header, SNAPSHOT_FORMAT);
  w->place = *place;
  w->pieces = snapshot_pieces_new (true);
  write_out (w, head->data, head->len);
  next_piece (w);
  return w;
}

static void
append (SnapshotWriter *w, const void *data, size_t size)
{
  for (const uint8_t *at = data; size && !w->error;) {
    if (w->piece->size == SNAPSHOT_PIECE_MOST)
      next_piece (w);
    size_t n = MIN (size, SNAPSHOT_PIECE_MOST - w->piece->size);
    memcpy (w->piece->data + w->piece->size, at, n);
    w->piece->size += n;
    at += n;
    size -= n;
  }
}

/* One that fits into a piece lies in one: its reader has no need for a copy. */
void
snapshot_write_section (SnapshotWriter *w, uint32_t kind, const GByteArray *head, const void *data, size_t size)
{
  uint32_t numbers[2] = { GUINT32_TO_LE (kind), 0 };
  uint64_t bytes = (head ? head->len : 0) + (uint64_t) size, bytes_le = GUINT64_TO_LE (bytes);
  if (SECTION_HEAD + bytes > SNAPSHOT_PIECE_MOST - w->piece->size)
    next_piece (w);
  append (w, numbers, sizeof numbers);
  append (w, &bytes_le, sizeof bytes_le);
  if (head)
    append (w, head->data, head->len);
  append (w, data, size);
  w->n_sections++;
}

void
snapshot_write_raw (SnapshotWriter *w, const void *data, size_t size)
{
  append (w, data, size);
}

void
snapshot_writer_fail (SnapshotWriter *w, GError *error)
{
  if (w->error)
    g_error_free (error);
  else
    w->error = error;
}

bool
snapshot_writer_finish (SnapshotWriter *w, uint64_t *bytes, GError **error)
{
  uint64_t n = GUINT64_TO_LE (w->n_sections);
  snapshot_write_section (w, SECTION_END, NULL, &n, sizeof n);
  snapshot_pieces_give (w->pieces);
  while (write_oldest (w))
    ;
  write_piece_head (w, 0, 0);
  *bytes = w->written;
  bool good = !w->error;
  if (w->error)
    g_propagate_error (error, w->error);
  snapshot_pieces_free (w->pieces);
  g_free (w);
  return good;
}

/* --- reading ---------------------------------------------------------------------------------------- */

struct SnapshotReader {
  SnapshotPlace place;
  /* in pieces */
  SnapshotPieces *pieces;       /* NULL: it is one frame */
  const SnapshotPiece *piece;   /* that is read from; NULL: none yet */
  size_t at;                    /* in it */
  bool all_read;                /* there are no more to be read, */
  GError *unread;               /* or this is why */
  /* one frame */
  ZSTD_DCtx *zstd;
  uint8_t *in;
  size_t in_size;
  ZSTD_inBuffer left;           /* read and not decompressed yet */
  bool frame_ended;
  uint8_t *payload;
  size_t payload_size;
  uint64_t n_sections;
};

SnapshotReader *
snapshot_reader_new (const SnapshotPlace *place, SnapshotHeader *header, GError **error)
{
  if (!snapshot_read_header (place, SNAPSHOT_FORMAT, header, error))
    return NULL;
  SnapshotReader *r = g_new0 (SnapshotReader, 1);
  r->place = *place;
  if (header->format >= SNAPSHOT_FORMAT_PIECES) {
    r->pieces = snapshot_pieces_new (false);
    return r;
  }
  r->zstd = ZSTD_createDCtx ();
  r->in_size = 1 << 18;
  r->in = g_malloc (r->in_size);
  r->left = (ZSTD_inBuffer) { r->in, 0, 0 };
  return r;
}

bool
snapshot_reader_again (SnapshotReader *r, GError **error)
{
  SnapshotHeader header = { 0 };
  bool good = snapshot_read_header (&r->place, SNAPSHOT_FORMAT, &header, error);
  good = good && ((header.format >= SNAPSHOT_FORMAT_PIECES) == (r->pieces != NULL) || snapshot_refuse (error, "the snapshot is another one by now"));
  snapshot_header_clear (&header);
  r->all_read = r->frame_ended = false;
  r->left = (ZSTD_inBuffer){ r->in, 0, 0 };
  r->n_sections = 0;
  return good;
}

void
snapshot_reader_free (SnapshotReader *r)
{
  if (!r)
    return;
  snapshot_pieces_free (r->pieces);
  g_clear_error (&r->unread);
  ZSTD_freeDCtx (r->zstd);
  g_free (r->in);
  g_free (r->payload);
  g_free (r);
}

static bool
read_more (SnapshotReader *r, GError **error)
{
  if (r->left.pos < r->left.size)
    return true;
  ssize_t n = r->place.read (r->place.user, r->in, r->in_size, error);
  if (n < 0)
    return false;
  r->left = (ZSTD_inBuffer) { r->in, (size_t) n, 0 };
  return n > 0 || snapshot_refuse (error, "the snapshot is cut short");
}

static bool
decompress (SnapshotReader *r, void *data, size_t size, GError **error)
{
  ZSTD_outBuffer out = { data, size, 0 };
  while (out.pos < out.size) {
    if (r->frame_ended)
      return snapshot_refuse (error, "the snapshot is damaged: it ends within a section");
    size_t before = out.pos, n = ZSTD_decompressStream (r->zstd, &out, &r->left);
    if (ZSTD_isError (n))
      return snapshot_refuse (error, "the snapshot is damaged: %s", ZSTD_getErrorName (n));
    r->frame_ended = n == 0;
    if (!r->frame_ended && out.pos == before && r->left.pos == r->left.size && !read_more (r, error))
      return false;
  }
  return true;
}

/* --- pieces: those that come are read while threads unpack --- */

static bool
read_piece (SnapshotReader *r, SnapshotPiece *p, GError **error)
{
  uint32_t head[2];
  if (!read_all (&r->place, (uint8_t *) head, sizeof head, error))
    return false;
  p->packed_size = GUINT32_FROM_LE (head[0]);
  p->size = GUINT32_FROM_LE (head[1]);
  r->all_read = !p->packed_size && !p->size;
  if (!r->all_read && (!p->packed_size || !p->size || p->packed_size > SNAPSHOT_PACKED_MOST || p->size > SNAPSHOT_PIECE_MOST))
    return snapshot_refuse (error, "the snapshot is damaged: a piece of %zu bytes in %zu", p->size, p->packed_size);
  return read_all (&r->place, p->packed, p->packed_size, error);
}

static void
read_ahead (SnapshotReader *r)
{
  SnapshotPiece *p;
  while (!r->all_read && (p = snapshot_pieces_next (r->pieces)))
    if (!read_piece (r, p, &r->unread))
      r->all_read = true;
    else if (!r->all_read)
      snapshot_pieces_give (r->pieces);
}

/* What went wrong is told when all before it was used. */
static bool
open_piece (SnapshotReader *r, GError **error)
{
  if (r->piece)
    snapshot_pieces_release (r->pieces);
  read_ahead (r);
  r->piece = snapshot_pieces_oldest (r->pieces);
  r->at = 0;
  if (r->piece)
    return !r->piece->wrong || snapshot_refuse (error, "the snapshot is damaged: %s", r->piece->wrong);
  if (!r->unread)
    return snapshot_refuse (error, "the snapshot is damaged: it ends within a section");
  g_propagate_error (error, g_steal_pointer (&r->unread));
  return false;
}

static bool
take (SnapshotReader *r, void *data, size_t size, GError **error)
{
  if (!r->pieces)
    return decompress (r, data, size, error);
  for (uint8_t *to = data; size;) {
    if ((!r->piece || r->at == r->piece->size) && !open_piece (r, error))
      return false;
    size_t n = MIN (size, r->piece->size - r->at);
    memcpy (to, r->piece->data + r->at, n);
    r->at += n;
    to += n;
    size -= n;
  }
  return true;
}

static bool
more_behind (GError **error)
{
  return snapshot_refuse (error, "the snapshot is damaged: there is more behind its end");
}

static bool
end_pieces (SnapshotReader *r, GError **error)
{
  if (r->at < r->piece->size)
    return more_behind (error);
  snapshot_pieces_release (r->pieces);
  r->piece = NULL;
  read_ahead (r);
  if (snapshot_pieces_oldest (r->pieces))
    return more_behind (error);
  if (!r->unread)
    return true;
  g_propagate_error (error, g_steal_pointer (&r->unread));
  return false;
}

/* The frame's end has the checksum; behind it there is nothing. */
static bool
read_end (SnapshotReader *r, GError **error)
{
  uint8_t none;
  if (r->pieces && !end_pieces (r, error))
    return false;
  while (!r->pieces && !r->frame_ended) {
    ZSTD_outBuffer out = { &none, 1, 0 };
    size_t n = ZSTD_decompressStream (r->zstd, &out, &r->left);
    if (ZSTD_isError (n))
      return snapshot_refuse (error, "the snapshot is damaged: %s", ZSTD_getErrorName (n));
    if (out.pos)
      return more_behind (error);
    r->frame_ended = n == 0;
    if (!r->frame_ended && !read_more (r, error))
      return false;
  }
  ssize_t n = r->left.pos < r->left.size ? 1 : r->place.read (r->place.user, &none, 1, error);
  if (n < 0)
    return false;
  return n == 0 || more_behind (error);
}

static bool
read_payload (SnapshotReader *r, uint64_t size, const uint8_t **payload, GError **error)
{
  if (size > SNAPSHOT_SECTION_MOST)
    return snapshot_refuse (error, "the snapshot is damaged: a section of %" G_GUINT64_FORMAT " bytes", size);
  if (r->piece && size && size <= r->piece->size - r->at) {
    *payload = r->piece->data + r->at;
    r->at += size;
    return true;
  }
  /* What a few bytes of a file claim does not become memory before as much has come. */
  for (size_t done = 0; done < size || !r->payload;) {
    size_t n = (size_t) MIN (size - done, (uint64_t) 4 << 20);
    if (done + n > r->payload_size || !r->payload) {
      uint8_t *more = g_try_realloc (r->payload, MAX (done + n, 4096));
      if (!more)
        return snapshot_refuse (error, "the snapshot has a section of %" G_GUINT64_FORMAT " bytes, for which the host has no memory", size);
      r->payload = more;
      r->payload_size = MAX (done + n, 4096);
    }
    if (!take (r, r->payload + done, n, error))
      return false;
    done += n;
  }
  *payload = r->payload;
  return true;
}

bool
snapshot_read_section (SnapshotReader *r, uint32_t *kind, const uint8_t **payload, size_t *size, GError **error)
{
  uint8_t head[SECTION_HEAD];
  if (!take (r, head, sizeof head, error))
    return false;
  SnapshotBytes b = { head, head + sizeof head, false };
  *kind = (uint32_t) snapshot_get (&b, 4);
  uint32_t zero = (uint32_t) snapshot_get (&b, 4);
  *size = snapshot_get (&b, 8);
  if (!*kind || (*kind > SECTION_CHANGE && *kind != SECTION_SHAPE) || zero)
    return snapshot_refuse (error, "the snapshot is damaged: a section of kind %u", *kind);
  if (!read_payload (r, *size, payload, error))
    return false;
  if (*kind != SECTION_END) {
    r->n_sections++;
    return true;
  }
  SnapshotBytes end = { *payload, *payload + *size, false };
  uint64_t n = snapshot_get (&end, 8);
  if (end.bad || end.at != end.end || n != r->n_sections)
    return snapshot_refuse (error, "the snapshot is damaged: sections are missing");
  return read_end (r, error);
}

#else /* without libzstd there are no snapshots, and who asks is told */

static const char no_zstd[] = "this program was built without libzstd, which snapshots need";

struct SnapshotWriter {
  char unused;
};

SnapshotWriter *
snapshot_writer_new (const SnapshotPlace *place, const SnapshotHeader *header)
{
  g_autoptr (GByteArray) bytes = snapshot_header_bytes (header, SNAPSHOT_FORMAT);
  return g_new0 (SnapshotWriter, 1);
}

void
snapshot_write_section (SnapshotWriter *w, uint32_t kind, const GByteArray *head, const void *data, size_t size)
{
}

void
snapshot_write_raw (SnapshotWriter *w, const void *data, size_t size)
{
}

void
snapshot_writer_fail (SnapshotWriter *w, GError *error)
{
  g_error_free (error);
}

bool
snapshot_writer_finish (SnapshotWriter *w, uint64_t *bytes, GError **error)
{
  g_free (w);
  return snapshot_refuse (error, "%s", no_zstd);
}

SnapshotReader *
snapshot_reader_new (const SnapshotPlace *place, SnapshotHeader *header, GError **error)
{
  if (snapshot_read_header (place, SNAPSHOT_FORMAT, header, error))
    snapshot_refuse (error, "%s", no_zstd);
  return NULL;
}

bool
snapshot_reader_again (SnapshotReader *r, GError **error)
{
  return snapshot_refuse (error, "%s", no_zstd);
}

bool
snapshot_read_section (SnapshotReader *r, uint32_t *kind, const uint8_t **payload, size_t *size, GError **error)
{
  return snapshot_refuse (error, "%s", no_zstd);
}

void
snapshot_reader_free (SnapshotReader *r)
{
}

#endif

/* --- as a sink and a source of sections ------------------------------------------------------------- */

static void
put_section (void *user, uint32_t kind, const GByteArray *head, const void *data, size_t size)
{
  snapshot_write_section (user, kind, head, data, size);
}

static void
fail_section (void *user, GError *error)
{
  snapshot_writer_fail (user, error);
}

SnapshotSink
snapshot_sink (SnapshotWriter *w)
{
  return (SnapshotSink){ put_section, fail_section, w };
}

static bool
next_section (void *user, uint32_t *kind, const uint8_t **payload, size_t *size, GError **error)
{
  return snapshot_read_section (user, kind, payload, size, error);
}

SnapshotPull
snapshot_pull (SnapshotReader *r)
{
  return (SnapshotPull){ next_section, r };
}
