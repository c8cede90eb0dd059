/* qcow2-resize.c -- makes the disk of a qcow2 image longer or shorter. */
/* SPDX-License-Identifier: MIT */
#include "qcow2.h"
#include <errno.h>

/* What has been between the old end and the new one (a longer backing file, vm state) must read as zeros. */
static int
grow (Qcow2 *q, uint64_t size)
{
  uint64_t old = q->header.size, cluster_end = qcow2_align (q, old), n = qcow2_l1_entries (q->header.cluster_bits, size);
  int code = n == UINT64_MAX ? EFBIG : qcow2_l1_grow (q, n);
  if (!code && cluster_end < n << (q->header.cluster_bits + q->l2_bits))
    code = qcow2_drop (q, cluster_end, (n << (q->header.cluster_bits + q->l2_bits)) - cluster_end, QCOW2_DROP_FORGET);
  if (!code)
    code = qcow2_flush (q);
  if (code)
    return code;
  uint64_t behind = q->image->backing ? q->image->backing->size : 0;
  q->header.size = size;
  code = qcow2_drop (q, old, MIN (size, MAX (cluster_end, behind)) - MIN (old, size), QCOW2_DROP_ZERO);
  if (!code)
    code = qcow2_flush (q);
  if (code) {
    q->header.size = old;
    return code;
  }
  code = qcow2_header_write_l1 (q);
  if (code)
    q->header.size = old;
  return code;
}

/* The header first: after that nobody looks at what is behind the end. */
static int
shrink (Qcow2 *q, uint64_t size)
{
  uint64_t old = q->header.size, old_end = qcow2_align (q, old), keep = qcow2_l1_entries (q->header.cluster_bits, size);
  uint64_t l1_end = qcow2_l1_entries (q->header.cluster_bits, old);
  int code = qcow2_flush (q);
  if (code)
    return code;
  q->header.size = size;
  code = qcow2_header_write_l1 (q);
  if (code) {
    q->header.size = old;
    return code;
  }
  if (qcow2_align (q, size) < old_end)
    code = qcow2_drop (q, qcow2_align (q, size), old_end - qcow2_align (q, size), QCOW2_DROP_FORGET);
  for (uint64_t i = keep; i < l1_end && !code; i++)
    if (q->l1[i] & QCOW2_OFFSET) {
      qcow2_free_later (q, q->l1[i] & QCOW2_OFFSET, 1, true);
      qcow2_l1_set (q, i, 0);
    }
  return code ? code : qcow2_flush (q);
}

int
qcow2_resize (Qcow2 *q, uint64_t size)
{
  if (size > INT64_MAX)
    return EFBIG;
  if (q->header.version < 3 && q->snapshots->len && size != q->header.size)
    return ENOTSUP;             /* its snapshots do not know the size that they were made with */
  return size > q->header.size ? grow (q, size) : size < q->header.size ? shrink (q, size) : 0;
}
