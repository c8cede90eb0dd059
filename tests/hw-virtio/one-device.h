/* one-device.h -- a machine with one virtio device in slot 0 of a virtio-mmio bus, for the devices' own tests. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_ONE_DEVICE_H
#define TESTS_ONE_DEVICE_H

#include <backplane/bus/virtio.h>
#include <backplane/device.h>
#include <backplane/test-virtio.h>

const BpPluginDesc *bp_plugin_query (void);

enum { ONE_DEVICE_RAM = 4 << 20, ONE_DEVICE_MEMORY = 0x10000, ONE_DEVICE_MEMORY_SIZE = 0xf0000, ONE_DEVICE_REGISTERS = 0x10000000 };

/* The plugin's, and one of the test's own. */
static inline const BpTypeDesc *const *
one_device_types (const BpTypeDesc *extra)
{
  static const BpTypeDesc *types[32];
  const BpTypeDesc *const *plugin = bp_plugin_query ()->types;
  unsigned n = 0;
  if (extra)
    types[n++] = extra;
  while (*plugin && n < BP_N_ELEMENTS (types) - 1)
    types[n++] = *plugin++;
  types[n] = NULL;
  return types;
}

static inline char *
one_device_sections (bool packed, const char *keys, const char *more)
{
  return g_strdup_printf (
    "[memory ram]\ntype = test-ram\nsize = 4M\n[map ram]\nregion = ram\nat = memory@0\n[device probe]\ntype = test-probe\n"
    "[device bus]\ntype = virtio-mmio\nmmio0 = memory@0x10000000\nirq0 = probe.in0\npacked = %s\n[device d]\n%sbus = bus\naddress = 0\n%s",
    packed ? "on" : "off", keys, more ? more : "");
}

/* 4 MiB of RAM, the bus, `[device d]' with these keys, and more sections; `extra': a type of the test's own, or NULL. */
static inline BpTest *
one_device_new (const BpTypeDesc *extra, bool packed, const char *keys, const char *more)
{
  g_autofree char *text = one_device_sections (packed, keys, more);
  return bp_test_new (one_device_types (extra), text);
}

/* Why there cannot be such a one; g_free. */
static inline char *
one_device_refusal (const char *keys, const char *more)
{
  g_autofree char *text = one_device_sections (false, keys, more);
  return bp_test_refusal (one_device_types (NULL), text);
}

static inline BpTestVirtio *
one_device_driver (BpTest *t)
{
  return bp_test_virtio_mmio (t, ONE_DEVICE_REGISTERS, ONE_DEVICE_MEMORY, ONE_DEVICE_MEMORY_SIZE);
}

/* A buffer for the device to fill, offered; its address. */
static inline uint64_t
one_device_offer (BpTestVirtio *v, unsigned queue, uint32_t size)
{
  uint64_t address;
  bp_test_virtio_add_bytes (v, queue, NULL, 0, size, &address);
  bp_test_virtio_kick (v, queue);
  return address;
}

/* Bytes for the device, offered; not waited for. */
static inline void
one_device_send (BpTestVirtio *v, unsigned queue, const void *bytes, uint32_t size)
{
  bp_test_virtio_add_bytes (v, queue, bytes, size, 0, NULL);
  bp_test_virtio_kick (v, queue);
}

#endif
