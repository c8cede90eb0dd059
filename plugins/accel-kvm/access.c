/* access.c -- accesses of the guest as KVM hands them over: bytes, in any number up to eight. */
/* SPDX-License-Identifier: MIT */
#include "kvm.h"
#include <string.h>

/* An access across two pages comes in two parts of any size. */
static bool is_access_size (unsigned n) { return n == 1 || n == 2 || n == 4 || n == 8; }

static uint64_t
value_of (const uint8_t *data, unsigned size)
{
  uint64_t value = 0;
  memcpy (&value, data, size);
  return GUINT64_FROM_LE (value);
}

void
kvm_read_bytes (BpAddressSpace *as, uint64_t address, uint8_t *data, unsigned size)
{
  if (!is_access_size (size)) {
    bp_as_read (as, address, data, size);
    return;
  }
  uint64_t value = GUINT64_TO_LE (bp_as_load (as, address, size));
  memcpy (data, &value, size);
}

void
kvm_write_bytes (BpAddressSpace *as, uint64_t address, const uint8_t *data, unsigned size)
{
  if (is_access_size (size))
    bp_as_store (as, address, value_of (data, size), size);
  else
    bp_as_write (as, address, data, size);
}

/* Split as the dispatcher would. */
void
kvm_write_region (BpRegion *region, uint64_t offset, const uint8_t *data, unsigned size)
{
  if (is_access_size (size)) {
    bp_region_dispatch_write (region, offset, value_of (data, size), size);
    return;
  }
  for (unsigned n; size; offset += n, data += n, size -= n) {
    n = 4;
    while (n > size || offset & (n - 1))
      n /= 2;
    bp_region_dispatch_write (region, offset, value_of (data, n), n);
  }
}
