/* no-descriptor.c -- a plugin that answers the query with nothing. */
/* SPDX-License-Identifier: MIT */

#include <backplane/plugin.h>

BP_EXPORT const BpPluginDesc *bp_plugin_query (void);

const BpPluginDesc *
bp_plugin_query (void)
{
  return NULL;
}
