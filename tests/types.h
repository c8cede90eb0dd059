/* types.h -- a test's own types, and those of the plugin that is linked into it, as if the core had them or a plugin of that name. */
/* SPDX-License-Identifier: MIT */
#ifndef TESTS_TYPES_H
#define TESTS_TYPES_H

#include "object.h"
#include "private.h"

/* To NULL.  Those that are there already are fine. */
static inline void
types_register (const BpTypeDesc *const *types)
{
  for (; *types; types++) {
    g_autoptr (GError) error = NULL;
    if (!bp_private_register_type (*types, &error))
      g_error ("%s", error->message);
  }
}

static inline void
types_register_of (const char *plugin, const BpTypeDesc *const *types)
{
  if (type_module (*types))
    return;
  BpPluginDesc *desc = g_new0 (BpPluginDesc, 1);
  BpModule *module = g_new0 (BpModule, 1);
  *desc = (BpPluginDesc) { .magic = BP_PLUGIN_MAGIC, .struct_size = sizeof *desc, .id = plugin, .version = "1", .types = types };
  *module = (BpModule) { .id = g_strdup (plugin), .desc = desc };
  for (; *types; types++) {
    g_autoptr (GError) error = NULL;
    if (!type_register (*types, module, &error))
      g_error ("%s", error->message);
  }
}

#endif
