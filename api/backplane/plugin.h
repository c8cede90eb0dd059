/* plugin.h -- the plugin descriptor, the ABI's version, and the promise. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  A plugin is a shared object that exports one function, bp_plugin_query, made by BP_PLUGIN_DEFINE.
 * THE PROMISE.  A device, bus, memory, backend, boot or instrumentation plugin compiled against ABI 1.x loads in every 1.y, y >= x, without
 * being rebuilt.  A plugin that sets BP_PLUGIN_SAME_MINOR (accelerators and CPU frontends, which share data structures with the
 * translator) loads only where the minor is the same; one whose types implement BP_ACCEL_ID, BP_TCG_FRONTEND_ID or BP_INSTRUMENT_HOST_ID has to.  Plugins may have any licence; say which.
 * Loading never ends the process: each refusal has a message of its own (`backplane describe FILE.so` prints it).
 */
#ifndef BACKPLANE_PLUGIN_H
#define BACKPLANE_PLUGIN_H

#include <backplane/common.h>
BP_BEGIN_DECLS

#define BP_ABI_MAJOR 1
#define BP_ABI_MINOR 0
#define BP_PLUGIN_MAGIC 0x4e4c5042u     /* "BPLN" */

/* Build flags: what two binaries must agree on to share memory.  Stamped by the header. */
enum {
  BP_BUILD_LP64 = 1 << 0,
  BP_BUILD_BIG_ENDIAN = 1 << 1,
  BP_BUILD_ADDRESS_SANITIZER = 1 << 2,  /* informative: both kinds load into both */
  BP_PLUGIN_SAME_MINOR = 1 << 16
};
#if defined __SANITIZE_ADDRESS__
#define BP_BUILD_ASAN_BIT_ BP_BUILD_ADDRESS_SANITIZER
#else
#define BP_BUILD_ASAN_BIT_ 0
#endif
#define BP_BUILD_FLAGS ((uint32_t) ((sizeof (void *) == 8 ? BP_BUILD_LP64 : 0) \
  | (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? BP_BUILD_BIG_ENDIAN : 0) | BP_BUILD_ASAN_BIT_))

typedef struct BpPluginDesc {
  uint32_t magic;               /* BP_PLUGIN_MAGIC */
  uint32_t struct_size;
  uint16_t abi_major, abi_minor;
  uint32_t build_flags;         /* BP_BUILD_FLAGS | BP_PLUGIN_* */
  const char *id;               /* "hw-pc": also the file's name without .so */
  const char *version;          /* the plugin's own */
  const char *licence;          /* SPDX expression of the whole, libraries it brings included */
  const char *description;      /* one line */
  const BpTypeDesc *const *types;       /* NULL-terminated */
  const char *const *requires_interfaces; /* NULL-terminated ids that some loaded plugin or the core must know; may be NULL */
  bool (*load) (GError **error);        /* [main]; may be NULL */
  void (*unload) (void);                /* reserved, and never called: a plugin that was loaded stays until the program ends */
} BpPluginDesc;

typedef const BpPluginDesc *(*BpPluginQuery) (void);
#define BP_PLUGIN_QUERY_SYMBOL "bp_plugin_query"

/* At the end of plugin.c: BP_PLUGIN_DEFINE (.id = "hw-x", .version = "1.0", .licence = "MIT", .description = "...", .types = types); */
#ifdef __cplusplus
#define BP_PLUGIN_EXTERN_ extern "C"
#else
#define BP_PLUGIN_EXTERN_
#endif
#define BP_PLUGIN_DEFINE_FLAGS(extra_flags, ...) \
  BP_PLUGIN_EXTERN_ BP_EXPORT const BpPluginDesc *bp_plugin_query (void); \
  BP_PLUGIN_EXTERN_ BP_EXPORT const BpPluginDesc *bp_plugin_query (void) { \
    static const BpPluginDesc desc = { .magic = BP_PLUGIN_MAGIC, .struct_size = sizeof (BpPluginDesc), .abi_major = BP_ABI_MAJOR, \
      .abi_minor = BP_ABI_MINOR, .build_flags = BP_BUILD_FLAGS | (extra_flags), __VA_ARGS__ }; \
    return &desc; \
  } \
  struct bp_plugin_define_needs_a_semicolon_
#define BP_PLUGIN_DEFINE(...) BP_PLUGIN_DEFINE_FLAGS (0, __VA_ARGS__)

/* C++: BP_PLUGIN_DEFINE_WITH ([] (BpPluginDesc &p) { p.id = "hw-x"; p.version = "1.0"; ... p.types = types; }); */
#ifdef __cplusplus
extern "C++" {
template <class Fill> inline BpPluginDesc
bp_plugin_desc (Fill fill)
{
  BpPluginDesc p {};
  p.magic = BP_PLUGIN_MAGIC;
  p.struct_size = sizeof p;
  p.abi_major = BP_ABI_MAJOR;
  p.abi_minor = BP_ABI_MINOR;
  p.build_flags = BP_BUILD_FLAGS;
  fill (p);
  return p;
}
}
#define BP_PLUGIN_DEFINE_WITH(...) \
  BP_PLUGIN_EXTERN_ BP_EXPORT const BpPluginDesc *bp_plugin_query (void); \
  BP_PLUGIN_EXTERN_ BP_EXPORT const BpPluginDesc *bp_plugin_query (void) { \
    static const BpPluginDesc desc = bp_plugin_desc (__VA_ARGS__); \
    return &desc; \
  } \
  struct bp_plugin_define_needs_a_semicolon_
#endif

BP_END_DECLS
#endif
