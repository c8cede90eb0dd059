/* accel-refuses.c -- an accelerator that cannot run on any host, and says so when it is asked. */
/* SPDX-License-Identifier: MIT */

#include <backplane/iface/accel.h>
#include <backplane/object.h>
#include <backplane/plugin.h>

typedef struct Refuses {
  uint32_t luck;
} Refuses;

static bool
probe (GError **error)
{
  g_set_error (error, BP_ERROR, BP_ERROR_IO, "no luck on this host;\nbuy some");
  return false;
}

static const BpAccelIface iface = { .struct_size = sizeof iface, .probe = probe };
static const BpInterfaceDesc interfaces[] = { { BP_ACCEL_ID, &iface }, { NULL, NULL } };
static const BpProperty properties[] = {
  { .name = "luck", .kind = BP_PROPERTY_U32, .offset = offsetof (Refuses, luck), .default_int = 1, .min = 1, .max = 9, .help = "How much of it." }, BP_PROP_END
};
static const BpTypeDesc type = { BP_TYPE ("accel-refuses", BP_KIND_ACCEL, Refuses), .description = "never runs", .properties = properties, .interfaces = interfaces };
static const BpTypeDesc *const types[] = { &type, NULL };

BP_PLUGIN_DEFINE_FLAGS (BP_PLUGIN_SAME_MINOR, .id = "accel-refuses", .version = "1.0", .licence = "MIT", .description = "an accelerator that never runs", .types = types);
