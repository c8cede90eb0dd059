/* qcow2-create.c -- a new qcow2 image: header, refcounts, an empty L1 table. */
/* SPDX-License-Identifier: MIT */
#include "qcow2-create.h"
#include "qcow2.h"
#include <errno.h>
#include <string.h>

typedef struct Plan {           /* clusters, in their order in the file, after the header's */
  uint64_t cluster_size, rt, blocks, l1, total, l1_entries, per_block;
} Plan;

static bool
make_plan (const Qcow2Create *o, Plan *p)
{
  p->cluster_size = UINT64_C (1) << o->cluster_bits;
  p->per_block = p->cluster_size * 8 >> o->refcount_order;
  p->l1_entries = MAX (qcow2_l1_entries (o->cluster_bits, o->size), 1);
  if (o->size > INT64_MAX || p->l1_entries == UINT64_MAX)
    return false;
  p->l1 = MAX ((p->l1_entries * 8 + p->cluster_size - 1) >> o->cluster_bits, 1);
  p->rt = p->blocks = 1;
  for (uint64_t before = UINT64_MAX; before != p->total;) {
    before = p->total;
    p->total = 1 + p->rt + p->blocks + p->l1;
    p->blocks = (p->total + p->per_block - 1) / p->per_block;
    p->rt = (p->blocks * 8 + p->cluster_size - 1) >> o->cluster_bits;
  }
  return true;
}

static size_t
put_extension (uint8_t *at, uint32_t type, const char *text)
{
  size_t size = strlen (text);
  qcow2_put32 (at, type);
  qcow2_put32 (at + 4, (uint32_t) size);
  memcpy (at + 8, text, size);
  return 8 + (size + 7) / 8 * 8;
}

/* False: the names do not fit into the first cluster. */
static bool
make_header (const Qcow2Create *o, const Plan *p, uint8_t *bytes)
{
  size_t at = o->version >= 3 ? 112 : QCOW2_V2_LENGTH, names = strlen (o->backing_name ? o->backing_name : "");
  if (at + 16 + (o->backing_format ? 8 + strlen (o->backing_format) + 7 : 0) + names > p->cluster_size || names > 1023)
    return false;
  qcow2_put32 (bytes, QCOW2_MAGIC);
  qcow2_put32 (bytes + 4, o->version);
  qcow2_put32 (bytes + 20, o->cluster_bits);
  qcow2_put64 (bytes + QCOW2_AT_SIZE, o->size);
  qcow2_put32 (bytes + QCOW2_AT_L1_SIZE, (uint32_t) p->l1_entries);
  qcow2_put64 (bytes + QCOW2_AT_L1, (1 + p->rt + p->blocks) << o->cluster_bits);
  qcow2_put64 (bytes + QCOW2_AT_RT, p->cluster_size);
  qcow2_put32 (bytes + QCOW2_AT_RT_CLUSTERS, (uint32_t) p->rt);
  if (o->version >= 3) {
    qcow2_put64 (bytes + QCOW2_AT_INCOMPATIBLE, o->compression ? QCOW2_COMPRESSION : 0);
    qcow2_put64 (bytes + 80, o->lazy_refcounts ? QCOW2_LAZY : 0);
    qcow2_put32 (bytes + 96, o->refcount_order);
    qcow2_put32 (bytes + 100, 112);
    bytes[104] = (uint8_t) o->compression;
  }
  if (o->backing_name && o->backing_format)
    at += put_extension (bytes + at, 0xe2792aca, o->backing_format);
  at += 8;                      /* the end of the extensions: zeros */
  if (o->backing_name) {
    qcow2_put64 (bytes + 8, at);
    qcow2_put32 (bytes + 16, (uint32_t) names);
    memcpy (bytes + at, o->backing_name, names);
  }
  return true;
}

/* The blocks, then the table that leads to them. */
static int
write_refcounts (ImageFile *file, const Qcow2Create *o, const Plan *p)
{
  Qcow2 q = { .header = { .refcount_order = o->refcount_order } };
  g_autofree uint8_t *bytes = g_try_malloc (p->cluster_size * MAX (p->rt, 1));
  int code = bytes ? 0 : ENOMEM;
  if (code)
    return code;
  for (uint64_t b = 0; b < p->blocks && !code; b++) {
    memset (bytes, 0, p->cluster_size);
    for (uint64_t k = 0; k < p->per_block && b * p->per_block + k < p->total; k++)
      qcow2_entry_set (&q, bytes, k, 1);
    code = image_file_write (file, (1 + p->rt + b) << o->cluster_bits, bytes, p->cluster_size);
  }
  memset (bytes, 0, p->cluster_size * p->rt);
  for (uint64_t b = 0; b < p->blocks; b++)
    qcow2_put64 (bytes + b * 8, (1 + p->rt + b) << o->cluster_bits);
  return code ? code : image_file_write (file, p->cluster_size, bytes, p->cluster_size * p->rt);
}

bool
qcow2_create (ImageFile *file, const Qcow2Create *options, GError **error)
{
  Plan plan = { 0 };
  if (!make_plan (options, &plan)) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s`: %" G_GUINT64_FORMAT " bytes are too many for clusters of %u", image_file_name (file),
                 options->size, 1u << options->cluster_bits);
    return false;
  }
  g_autofree uint8_t *header = g_try_malloc0 (plan.cluster_size);
  if (!header) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot make `%s`: %s", image_file_name (file), g_strerror (ENOMEM));
    return false;
  }
  if (!make_header (options, &plan, header)) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "`%s`: the backing file's name does not fit into the header's cluster", image_file_name (file));
    return false;
  }
  int code = write_refcounts (file, options, &plan);
  if (!code)
    code = image_file_truncate (file, plan.total << options->cluster_bits);     /* an L1 table of zeros */
  if (!code)
    code = image_file_write (file, 0, header, plan.cluster_size);
  if (!code)
    code = image_file_flush (file);
  if (code)
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot write `%s`: %s", image_file_name (file), g_strerror (code));
  return !code;
}
