/* common.h -- what every other public header includes: compiler glue and the library's export mark. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  Words used throughout the API:
 *   self      an instance: a pointer to the state struct that a type declared; the host allocates it, zeroed, and owns it
 *   [main]    called on the main loop's thread, that of the program; [vcpu] on a vCPU's thread; [any] on any; [locked] with the machine lock held (object.h),
 *             which nobody needs while a machine is built or taken down, or stands: only its main thread runs then; [main or locked] either will do
 *   [configured] [realized] [running]   the earliest state in which a call is allowed: from configure, from realize, from the first vCPU's first instruction on
 * The tag of a function says from where it may be called, that of a callback from where it is.  Most exported functions of [main], [locked] and [main or locked] (pins,
 * timers, the memory map, run state, objects, snapshots, moves) look at it where that is wanted, and end the process with a message when they are called from elsewhere:
 * under libbackplane-test, with BACKPLANE_CONTRACTS in the environment, and always in a Backplane of configure --enable-contracts.  Not looked at are [any], inline functions,
 * the earliest state, and calls through the tables of interfaces.
 * Tables and rows are given by pointer, live as long as the object (or the attachment) they are for, and are not changed.  Every public struct that crosses
 * the boundary as a table starts with struct_size; tables are only appended to, and what is read beyond it counts as 0: fill a struct with zeros, then struct_size.
 * A struct without struct_size has the size that it has for all of 1.x, since others embed it, or step through arrays by its size; but for rows of properties, pins, regions and
 * saved state, which may grow, as their type says how large they are, and for what plugins of BP_PLUGIN_SAME_MINOR share.
 * Enums grow at the end: a value that this header does not have may come from a newer host or plugin, and means as little as one that nobody handles (an OTHER, where there is
 * one).  A count of them (BP_N_...) is this header's own: what comes is compared with it before it is an index.
 * Of an interface's table an implementer fills what its header does not say may be NULL; who calls it looks for the rest, and for what was appended, with BP_TABLE_HAS.
 * Pointers are not NULL, and what a callback is told lives for the call, unless it says so.  Strings are UTF-8.  Sizes are bytes, times ns, where it does not say otherwise.
 */
#ifndef BACKPLANE_COMMON_H
#define BACKPLANE_COMMON_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define BP_BEGIN_DECLS extern "C" {
#define BP_END_DECLS }
#define BP_ROW_END_ {}
#else
#define BP_BEGIN_DECLS
#define BP_END_DECLS
#define BP_ROW_END_ { 0 }
#endif

#define BP_EXPORT __attribute__ ((visibility ("default")))
#define BP_N_ELEMENTS(a) (sizeof (a) / sizeof (a)[0])
/* true when `table`, whose first member is struct_size, is large enough to hold `member` and it is set */
#define BP_TABLE_HAS(table, member) \
  ((table) && (table)->struct_size >= offsetof (__typeof__ (*(table)), member) + sizeof ((table)->member) && (table)->member)

/* Errors that Backplane makes carry this GError domain.  What GLib says of the host comes as it is, in domains of GLib's (G_FILE_ERROR, G_IO_ERROR, G_SPAWN_ERROR,
 * G_THREAD_ERROR): so an error's message is for people, in any domain, and its code is looked at with g_error_matches. */
typedef enum BpError {
  BP_ERROR_FAILED,              /* anything without a code of its own */
  BP_ERROR_PLUGIN,              /* a plugin was refused */
  BP_ERROR_DESCRIPTOR,          /* a machine descriptor is wrong */
  BP_ERROR_PROPERTY,            /* a property's value is wrong */
  BP_ERROR_IO                   /* a host file, socket or terminal */
} BpError;
#define BP_ERROR (bp_error_quark ())

/* C++17 has no designated initialisers.  There a table whose members are chosen by name is filled by a function:
 *   static const BpRegionOps ops = bp_table<BpRegionOps> ([] (BpRegionOps &t) { t.read = read_register; t.write = write_register; });
 * and likewise a type (bp_type, object.h) and the plugin (BP_PLUGIN_DEFINE_WITH, plugin.h).  Rows of properties, pins, regions and state are the same macros.
 * Exceptions must not leave a callback. */
#ifdef __cplusplus
extern "C++" {
template <class Table, class Fill> inline Table
bp_table (Fill fill)
{
  Table t {};
  t.struct_size = sizeof (Table);
  fill (t);
  return t;
}
}
#endif

BP_BEGIN_DECLS
BP_EXPORT GQuark bp_error_quark (void);
BP_END_DECLS

typedef struct BpObject BpObject;               /* the host's side of an instance */
typedef struct BpMachine BpMachine;
typedef struct BpRegion BpRegion;
typedef struct BpAddressSpace BpAddressSpace;
typedef struct BpPin BpPin;
typedef struct BpTimer BpTimer;
typedef struct BpLoop BpLoop;
typedef struct BpVcpu BpVcpu;
typedef struct BpTypeDesc BpTypeDesc;

/* A link to another object through an interface: a field that a property of kind LINK sets (property.h).  instance is NULL while unset.  As large in all of 1.x. */
typedef struct BpLink {
  void *instance;
  const void *table;            /* the interface's table; its type belongs to the interface id */
} BpLink;

#endif
