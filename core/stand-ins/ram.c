/* ram.c -- memory of a test. */
/* SPDX-License-Identifier: MIT */
#include "stand-ins.h"
#include <backplane/iface/memory-backend.h>

typedef struct Ram {
  uint64_t size;
  uint8_t *host;
  BpRegion *region;
} Ram;

static bool
configure (void *self, GError **error)
{
  Ram *r = self;
  r->host = g_aligned_alloc0 (1, (r->size + 4095) & ~UINT64_C (4095), 4096);
  r->region = bp_region_new_ram (self, "ram", r->host, r->size);
  bp_region_publish (self, r->region, "The memory.");
  return true;
}

static void
unrealize (void *self)
{
  Ram *r = self;
  bp_region_free (r->region);
  r->region = NULL;
  g_clear_pointer (&r->host, g_aligned_free);
}

static BpRegion *region (void *self) { return ((Ram *) self)->region; }
static uint64_t size (void *self) { return ((Ram *) self)->size; }
static int fd (void *self) { return -1; }

static bool
discard (void *self, uint64_t offset, uint64_t n)
{
  Ram *r = self;
  bool inside = offset <= r->size && n <= r->size - offset;
  if (inside)
    memset (r->host + offset, 0, n);
  return inside;
}

static const BpMemoryBackendIface iface = { .struct_size = sizeof iface, .region = region, .size = size, .fd = fd, .discard = discard };
static const BpInterfaceDesc interfaces[] = { { BP_MEMORY_BACKEND_ID, &iface }, { NULL, NULL } };
static const BpProperty properties[] = {
  BP_PROP_SIZE_REQUIRED ("size", Ram, size, 4096, UINT64_C (1) << 32, "Bytes of memory."), BP_PROP_END
};
const BpTypeDesc stand_in_ram = {
  BP_TYPE ("test-ram", BP_KIND_MEMORY, Ram), .description = "Memory of a test", .properties = properties, .interfaces = interfaces,
  .configure = configure, .unrealize = unrealize
};
