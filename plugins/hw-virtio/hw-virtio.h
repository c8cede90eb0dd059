/* hw-virtio.h -- the types of this plugin's devices; none of them knows the buses but by bus/virtio.h. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_VIRTIO_HW_VIRTIO_H
#define HW_VIRTIO_HW_VIRTIO_H

#include <backplane/common.h>

extern const BpTypeDesc vhost_user_blk_type, vhost_user_net_type, virtio_balloon_type, virtio_blk_type, virtio_console_type, virtio_fs_type, virtio_gpu_type;
extern const BpTypeDesc virtio_input_type, virtio_mem_type, virtio_net_type, virtio_pmem_type, virtio_rng_type, virtio_vsock_type;

#endif
