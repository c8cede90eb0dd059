/* plugin-abi.c -- whether a plugin's descriptor fits this ABI: the middle rungs of the refusal ladder. */
/* SPDX-License-Identifier: MIT */

#include "object.h"

/* What ABI 1.0 had; fields appended later are read only when struct_size covers them. */
#define SIZE_1_0 (offsetof (BpPluginDesc, unload) + sizeof (((BpPluginDesc *) 0)->unload))

/* A difference in any other build flag below BP_PLUGIN_SAME_MINOR, known here or not, keeps two binaries
 * apart. */
#define HARMLESS_FLAGS ((uint32_t) BP_BUILD_ADDRESS_SANITIZER)
#define BUILD_FLAGS_MASK ((uint32_t) BP_PLUGIN_SAME_MINOR - 1)

typedef struct FlagName {
  uint32_t bit;
  const char *name;
  const char *meaning;
} FlagName;

static const FlagName flag_names[] = {
  { BP_BUILD_LP64, "LP64", "pointers and long of 64 bits" },
  { BP_BUILD_BIG_ENDIAN, "BIG_ENDIAN", "most significant byte first" },
  { BP_BUILD_ADDRESS_SANITIZER, "ADDRESS_SANITIZER", "memory checking" },
};

static char *
flag_verdict (uint32_t theirs)
{
  uint32_t different = (theirs ^ BP_BUILD_FLAGS) & BUILD_FLAGS_MASK & ~HARMLESS_FLAGS;
  if (!different) {
    return NULL;
  }
  uint32_t bit = different & -different;
  for (size_t i = 0; i < G_N_ELEMENTS (flag_names); i++) {
    if (flag_names[i].bit == bit) {
      bool with = (theirs & bit) != 0;
      return g_strdup_printf (
          "incompatible build flag %s (%s): the plugin was built %s it, this Backplane %s",
          flag_names[i].name, flag_names[i].meaning, with ? "with" : "without", with ? "without" : "with");
    }
  }
  return g_strdup_printf (
      "incompatible build flag: the plugin has bit 0x%x, which this Backplane does not know", bit);
}

static char *
version_verdict (const BpPluginDesc *desc)
{
  if (desc->abi_major != BP_ABI_MAJOR) {
    return g_strdup_printf (
        "other ABI major: the plugin was built for ABI %u.%u, this Backplane has %u.%u; rebuild the plugin",
        desc->abi_major, desc->abi_minor, BP_ABI_MAJOR, BP_ABI_MINOR);
  }
  if ((desc->build_flags & BP_PLUGIN_SAME_MINOR) && desc->abi_minor != BP_ABI_MINOR) {
    return g_strdup_printf ("the plugin needs exactly the ABI minor that it was built for, %u.%u, and this "
                            "Backplane has %u.%u; rebuild the plugin",
                            desc->abi_major, desc->abi_minor, BP_ABI_MAJOR, BP_ABI_MINOR);
  }
  if (desc->abi_minor > BP_ABI_MINOR) {
    return g_strdup_printf ("newer ABI minor: the plugin was built for ABI %u.%u, this Backplane has %u.%u; "
                            "a newer Backplane is needed",
                            desc->abi_major, desc->abi_minor, BP_ABI_MAJOR, BP_ABI_MINOR);
  }
  return NULL;
}

static char *
text_verdict (const BpPluginDesc *desc)
{
  const char *texts[][2] = {
    { "id", desc->id },
    { "version", desc->version },
    { "licence", desc->licence },
    { "description", desc->description },
  };
  for (size_t i = 0; i < G_N_ELEMENTS (texts); i++) {
    if (!texts[i][1] || !*texts[i][1]) {
      return g_strdup_printf ("incomplete descriptor: it has no %s", texts[i][0]);
    }
  }
  return NULL;
}

char *
plugin_verdict (const BpPluginDesc *desc)
{
  if (desc->magic != BP_PLUGIN_MAGIC) {
    return g_strdup_printf ("wrong magic: the descriptor begins with 0x%08x instead of 0x%08x", desc->magic,
                            BP_PLUGIN_MAGIC);
  }
  char *wrong = version_verdict (desc);
  if (!wrong) {
    wrong = flag_verdict (desc->build_flags);
  }
  if (!wrong && desc->struct_size < SIZE_1_0) {
    wrong = g_strdup_printf ("incomplete descriptor: it has %u bytes, and no ABI had fewer than %zu",
                             desc->struct_size, SIZE_1_0);
  }
  return wrong ? wrong : text_verdict (desc);
}
