/* device.h -- umbrella for device authors. */
/* SPDX-License-Identifier: MIT */
/* PURPOSE.  What a device's source needs: the object model, regions, pins, clocks, log, and the plugin macro. */
#ifndef BACKPLANE_DEVICE_H
#define BACKPLANE_DEVICE_H
#include <backplane/clock.h>
#include <backplane/common.h>
#include <backplane/irq.h>
#include <backplane/log.h>
#include <backplane/memory.h>
#include <backplane/object.h>
#include <backplane/plugin.h>
#include <backplane/property.h>
#include <backplane/state.h>
#endif
