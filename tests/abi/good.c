/* good.c -- a plugin that loads: one device that calls the library. */
/* SPDX-License-Identifier: MIT */

#include <backplane/device.h>

typedef struct Good {
  uint32_t level;
  const char *id;
} Good;

static bool
good_configure (void *self, GError **error)
{
  Good *good = self;
  good->id = bp_object_id (good);
  return true;
}

static const BpProperty good_properties[] = {
  BP_PROP_U32_RANGE ("level", Good, level, 3, 1, 9, "How loud it is."),
  BP_PROP_END,
};

static const BpTypeDesc good_type = {
  BP_TYPE ("good", BP_KIND_DEVICE, Good),
  .description = "a device that loads",
  .properties = good_properties,
  .configure = good_configure,
};
static const BpTypeDesc *const types[] = { &good_type, NULL };

BP_PLUGIN_DEFINE (.id = "good", .version = "1.0", .licence = "MIT", .description = "loads", .types = types);
