/* backplane.h -- umbrella of the public API, translator headers excepted. */
/* SPDX-License-Identifier: MIT */
/* PURPOSE.  For those who do not care which header a name is in. */
#ifndef BACKPLANE_BACKPLANE_H
#define BACKPLANE_BACKPLANE_H
#include <backplane/arch/x86-state.h>
#include <backplane/bus/pci.h>
#include <backplane/cpu.h>
#include <backplane/device.h>
#include <backplane/iface/accel.h>
#include <backplane/iface/block.h>
#include <backplane/iface/boot.h>
#include <backplane/iface/char.h>
#include <backplane/iface/cmos.h>
#include <backplane/iface/firmware-config.h>
#include <backplane/iface/image-tool.h>
#include <backplane/iface/input.h>
#include <backplane/iface/interrupt-controller.h>
#include <backplane/iface/isa-dma.h>
#include <backplane/iface/memory-backend.h>
#include <backplane/iface/power.h>
#include <backplane/iface/screen.h>
#include <backplane/iface/tone.h>
#include <backplane/loop.h>
#include <backplane/machine.h>
#include <backplane/migration.h>
#include <backplane/snapshot.h>
#include <backplane/socket.h>
#endif
