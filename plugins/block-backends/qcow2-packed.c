/* qcow2-packed.c -- compressed clusters: deflate streams without a header, and zstd frames. */
/* SPDX-License-Identifier: MIT */
#include "qcow2.h"
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include <errno.h>
#include <string.h>
#include <zlib.h>
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif

/* What is behind the compressed bytes in their last sector belongs to others: the end is where a cluster is full. */
static int
inflate_cluster (uint8_t *out, size_t out_size, uint8_t *in, size_t in_size)
{
  z_stream stream = { .next_in = in, .avail_in = (uInt) in_size, .next_out = out, .avail_out = (uInt) out_size };
  if (inflateInit2 (&stream, -15) != Z_OK)
    return ENOMEM;
  int result = inflate (&stream, Z_FINISH);
  inflateEnd (&stream);
  return (result == Z_STREAM_END || result == Z_BUF_ERROR) && stream.avail_out == 0 ? 0 : EIO;
}

#ifdef HAVE_ZSTD
static int
unpack_zstd (uint8_t *out_bytes, size_t out_size, const uint8_t *in_bytes, size_t in_size)
{
  ZSTD_DCtx *context = ZSTD_createDCtx ();
  ZSTD_inBuffer in = { in_bytes, in_size, 0 };
  ZSTD_outBuffer out = { out_bytes, out_size, 0 };
  size_t before = 1;
  while (context && out.pos < out.size && in.pos + out.pos != before) {         /* as long as it moves on */
    before = in.pos + out.pos;
    if (ZSTD_isError (ZSTD_decompressStream (context, &out, &in)))
      break;
  }
  ZSTD_freeDCtx (context);
  return !context ? ENOMEM : out.pos == out.size ? 0 : EIO;
}
#endif

bool
qcow2_can_unpack (unsigned compression)
{
#ifdef HAVE_ZSTD
  return compression <= QCOW2_ZSTD;
#else
  return compression == QCOW2_ZLIB;
#endif
}

static int
unpack_cluster (const Qcow2 *q, uint8_t *out, uint8_t *in, size_t in_size)
{
#ifdef HAVE_ZSTD
  if (q->header.compression == QCOW2_ZSTD)
    return unpack_zstd (out, q->cluster_size, in, in_size);
#endif
  return inflate_cluster (out, q->cluster_size, in, in_size);
}

int
qcow2_unpack (Qcow2 *q, uint64_t entry, uint64_t skip, uint8_t *data, uint64_t size)
{
  uint64_t offset, bytes, end;
  int code = 0;
  qcow2_entry_extent (q, entry, &offset, &bytes);
  g_mutex_lock (&q->unpack);
  if (!q->unpacked || q->unpacked_entry != entry) {
    g_autofree uint8_t *packed = g_try_malloc (bytes);
    if (!q->unpacked)
      q->unpacked = g_try_malloc (q->cluster_size);
    q->unpacked_entry = 0;      /* no compressed cluster has this entry */
    code = packed && q->unpacked ? image_file_size (q->file, &end) : ENOMEM;
    if (!code)
      code = offset < end ? image_file_read (q->file, offset, packed, bytes) : EIO;
    if (!code)
      code = unpack_cluster (q, q->unpacked, packed, bytes);
    if (!code)
      q->unpacked_entry = entry;
  }
  if (!code)
    memcpy (data, q->unpacked + skip, size);
  g_mutex_unlock (&q->unpack);
  return code;
}
