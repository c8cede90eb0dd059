/* hw-virtio.h -- what the devices of this plugin share; none of them knows the buses but by bus/virtio.h. */
/* SPDX-License-Identifier: MIT */
#ifndef HW_VIRTIO_HW_VIRTIO_H
#define HW_VIRTIO_HW_VIRTIO_H

#include <backplane/bus/virtio.h>
#include <backplane/device.h>

#define VIRTIO_DEVICE_PROPERTIES(T) \
  BP_PROP_LINK ("bus", T, bus, BP_VIRTIO_BUS_ID, BP_PROPERTY_REQUIRED, "The bus of virtio devices it is on."), \
  BP_PROP_ ("address", BP_PROPERTY_STRING, T, address, .flags = BP_PROPERTY_REQUIRED, \
            .help = "Its place on the bus: device (hexadecimal) and function where the bus is one of PCI functions (04.0), else a slot's number.")

extern const BpTypeDesc vhost_user_blk_type, vhost_user_net_type, virtio_balloon_type, virtio_blk_type, virtio_console_type, virtio_fs_type, virtio_gpu_type, virtio_input_type, virtio_mem_type, virtio_net_type, virtio_pmem_type, virtio_rng_type, virtio_vsock_type;

#endif
