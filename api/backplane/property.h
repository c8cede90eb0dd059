/* property.h -- schema rows of a type's properties: one table parses, checks, describes and documents. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  A row says which field of the state struct a key of the descriptor sets, with kind, default, range and help (required: a
 * test fails on a row without).  The host fills the fields before configure(): defaults first, then the descriptor's values, checked for kind and range.
 * Field types: BOOL bool; U8..U64, I8..I64 the stdint type; SIZE uint64_t (bytes; k M G T suffixes); STRING and FILE char * (host
 * owns it; NULL when unset; of a RUNTIME property another one after each change); ENUM int (index into names); LINK BpLink; LIST char ** (NULL-terminated,
 * comma-separated in text; NULL when unset).
 */
#ifndef BACKPLANE_PROPERTY_H
#define BACKPLANE_PROPERTY_H

#include <backplane/common.h>
BP_BEGIN_DECLS

typedef enum BpPropertyKind {
  BP_PROPERTY_BOOL, BP_PROPERTY_U8, BP_PROPERTY_U16, BP_PROPERTY_U32, BP_PROPERTY_U64,
  BP_PROPERTY_I8, BP_PROPERTY_I16, BP_PROPERTY_I32, BP_PROPERTY_I64, BP_PROPERTY_SIZE,
  BP_PROPERTY_STRING, BP_PROPERTY_FILE /* a path, relative to the descriptor that names it */,
  BP_PROPERTY_ENUM, BP_PROPERTY_LINK, BP_PROPERTY_LIST
} BpPropertyKind;

enum {
  BP_PROPERTY_REQUIRED = 1 << 0,        /* must be given */
  BP_PROPERTY_RUNTIME = 1 << 1,         /* may be changed while running; the type's property_changed is called */
  BP_PROPERTY_SECRET = 1 << 2,          /* a password or its like: bp_object_get does not tell it */
  BP_PROPERTY_MAYBE_NEW = 1 << 3,       /* FILE: it need not be there when the descriptor is checked; the type makes it, or says what is wrong */
  BP_PROPERTY_FOLDER = 1 << 4,          /* FILE: the path is a folder's */
  BP_PROPERTY_HOST = 1 << 5             /* of a device: how the host does its part, which the guest cannot tell; the machine may go on in one where it is another.  FILE is that too */
};

typedef struct BpProperty {
  const char *name;             /* lower case, words joined by '-'; NULL ends the table */
  BpPropertyKind kind;
  uint32_t offset;              /* of the field in the state struct */
  uint32_t flags;               /* BP_PROPERTY_REQUIRED ... */
  uint64_t default_int;         /* BOOL, integers (signed ones cast), SIZE, ENUM */
  const char *default_text;     /* STRING, FILE, LIST; may be NULL */
  uint64_t min, max;            /* integers and SIZE; both 0: the kind's whole range; max 0, and min above it: no upper end (signed kinds: cast from int64_t) */
  const char *const *names;     /* ENUM: NULL-terminated */
  const char *interface_id;     /* LINK: that of BpLink.table; NULL: any object will do, and table is NULL */
  const char *help;             /* one or two sentences with units; required */
} BpProperty;

#define BP_PROP_ROW_(n, k, T, f, flags_, int_, text_, min_, max_, names_, interface_, help_) \
  { (n), (k), (uint32_t) offsetof (T, f), (flags_), (int_), (text_), (min_), (max_), (names_), (interface_), (help_) }
#define BP_PROP_INT_(n, k, T, f, default_, min_, max_, help_) BP_PROP_ROW_ (n, k, T, f, 0, default_, NULL, min_, max_, NULL, NULL, help_)
#define BP_PROP_BOOL(name_, T, field, default_, help_)  BP_PROP_INT_ (name_, BP_PROPERTY_BOOL, T, field, default_, 0, 0, help_)
#define BP_PROP_U8(name_, T, field, default_, help_)    BP_PROP_INT_ (name_, BP_PROPERTY_U8, T, field, default_, 0, 0, help_)
#define BP_PROP_U16(name_, T, field, default_, help_)   BP_PROP_INT_ (name_, BP_PROPERTY_U16, T, field, default_, 0, 0, help_)
#define BP_PROP_U32(name_, T, field, default_, help_)   BP_PROP_INT_ (name_, BP_PROPERTY_U32, T, field, default_, 0, 0, help_)
#define BP_PROP_U64(name_, T, field, default_, help_)   BP_PROP_INT_ (name_, BP_PROPERTY_U64, T, field, default_, 0, 0, help_)
#define BP_PROP_U32_RANGE(name_, T, field, default_, min_, max_, help_) BP_PROP_INT_ (name_, BP_PROPERTY_U32, T, field, default_, min_, max_, help_)
#define BP_PROP_I64(name_, T, field, default_, help_)   BP_PROP_INT_ (name_, BP_PROPERTY_I64, T, field, (uint64_t) (default_), 0, 0, help_)
#define BP_PROP_SIZE(name_, T, field, default_, help_)  BP_PROP_INT_ (name_, BP_PROPERTY_SIZE, T, field, default_, 0, 0, help_)
#define BP_PROP_SIZE_REQUIRED(name_, T, field, min_, max_, help_) \
  BP_PROP_ROW_ (name_, BP_PROPERTY_SIZE, T, field, BP_PROPERTY_REQUIRED, 0, NULL, min_, max_, NULL, NULL, help_)
#define BP_PROP_STRING(name_, T, field, default_, help_) BP_PROP_ROW_ (name_, BP_PROPERTY_STRING, T, field, 0, 0, default_, 0, 0, NULL, NULL, help_)
#define BP_PROP_FILE(name_, T, field, flags_, help_)    BP_PROP_ROW_ (name_, BP_PROPERTY_FILE, T, field, flags_, 0, NULL, 0, 0, NULL, NULL, help_)
#define BP_PROP_ENUM(name_, T, field, default_, names_, help_) BP_PROP_ROW_ (name_, BP_PROPERTY_ENUM, T, field, 0, default_, NULL, 0, 0, names_, NULL, help_)
#define BP_PROP_LINK(name_, T, field, interface_, flags_, help_) \
  BP_PROP_ROW_ (name_, BP_PROPERTY_LINK, T, field, flags_, 0, NULL, 0, 0, NULL, interface_, help_)
#define BP_PROP_LIST(name_, T, field, default_, help_)  BP_PROP_ROW_ (name_, BP_PROPERTY_LIST, T, field, 0, 0, default_, 0, 0, NULL, NULL, help_)
/* C: what these do not say, member by member; a C++ author writes BP_PROP_ROW_. */
#define BP_PROP_(n, k, T, f, ...) { .name = (n), .kind = (k), .offset = (uint32_t) offsetof (T, f), __VA_ARGS__ }
#define BP_PROP_END BP_ROW_END_

BP_END_DECLS
#endif
