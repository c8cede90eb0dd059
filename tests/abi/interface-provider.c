/* interface-provider.c -- a plugin that brings an interface which the API does not know. */
/* SPDX-License-Identifier: MIT */

#include <backplane/device.h>

typedef struct Nothing {
  int unused;
} Nothing;

typedef struct SensorIface {
  uint32_t struct_size;
} SensorIface;

static const SensorIface sensor = { sizeof (SensorIface) };
static const BpInterfaceDesc interfaces[] = { { "org.example.sensor/1", &sensor }, { NULL, NULL } };
static const BpTypeDesc type = { BP_TYPE ("interface-provider", BP_KIND_DEVICE, Nothing),
                                 .description = "a sensor", .interfaces = interfaces };
static const BpTypeDesc *const types[] = { &type, NULL };

BP_PLUGIN_DEFINE (.id = "interface-provider", .version = "1.0", .licence = "MIT",
                  .description = "provides org.example.sensor/1", .types = types);
