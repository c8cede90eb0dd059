/* plugin.c -- hw-virtio: virtio devices, and the buses that carry them. */
/* SPDX-License-Identifier: MIT */
#include <backplane/plugin.h>
#include "hw-virtio.h"
#include "virtio.h"

static const BpTypeDesc *const types[] = {
  &virtio_mmio_type,
  &virtio_pci_type,
  &virtio_balloon_type,
  &virtio_blk_type,
  &virtio_console_type,
  &virtio_gpu_type,
  &virtio_input_type,
  &virtio_mem_type,
  &virtio_net_type,
  &virtio_pmem_type,
  &virtio_rng_type,
  &virtio_vsock_type,
  &virtio_fs_type,
  &vhost_user_blk_type,
  &vhost_user_net_type,
  NULL
};

BP_PLUGIN_DEFINE (.id = "hw-virtio", .version = "1.0", .licence = "MIT", .description = "virtio devices, and buses for them: PCI and memory-mapped",
                  .types = types);
