/* state.h -- tables of saved state: snapshot, restore and migration are derived from them. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  A type lists the fields that make up its state, each with the state version that introduced it.  A newer plugin loads older state: fields
 * younger than the saved version keep their reset value, as the reset that comes before a load has left it.  What can be recomputed is not listed; post_load() derives it: when it runs, the fields of all objects
 * and the levels of all pins are there, RAM is not.  It returns false for values that the object could not have had, since a file may hold any.
 * What post_load makes of a pin counts for nothing at a vCPU, whose pending word is restored afterwards: a pin has the level that was saved.  What the
 * time brings about is a timer's to do, and the timer is saved (BP_STATE_TIMER): it may have become due before the state was saved and not have fired yet, and
 * then fires when the machine goes on.
 * COMPATIBILITY.  Fields are found by name.  Raise the type's state_version with what is new, and leave state_minimum at the oldest version that loads still.  Then
 *   - a field may be added (`since'), also to a struct;
 *   - an integer may become wider, or narrower: a state loads whose values fit;
 *   - an array, of bytes too, may become longer: an older state keeps what is new at its reset value.  Never shorter, and not of another kind;
 *   - a field may not be renamed or removed, since no state with it loads any more, unless state_minimum rises above the last version that had it.
 * An older plugin loads a newer state in which all fields are known to it, and refuses another with its name: what is seldom there has a `needed', and older plugins load the rest.
 */
#ifndef BACKPLANE_STATE_H
#define BACKPLANE_STATE_H

#include <backplane/common.h>
BP_BEGIN_DECLS

typedef enum BpStateKind {
  BP_STATE_U8, BP_STATE_U16, BP_STATE_U32, BP_STATE_U64,        /* stored little-endian; count > 1: arrays */
  BP_STATE_BOOL,
  BP_STATE_BYTES,               /* count bytes as they are */
  BP_STATE_STRUCT,              /* count structs of `size` bytes described by `fields` */
  BP_STATE_TIMER,               /* BpTimer *: whether and when it fires */
  BP_STATE_BUFFER,              /* BpStateBuffer: bytes as they are, as many as this object has; count 1.  Without any the field is not saved */
  BP_STATE_TABLE,               /* BpStateTable: structs of `size` bytes described by `fields`, as many as this object has; otherwise like a buffer */
  BP_STATE_BLOB                 /* BpStateBuffer whose data is of g_malloc and the object's: a load frees it and puts as many bytes there as were saved, never NULL.
                                 * `needed' is asked first and may make the data: one that it is true of and leaves NULL had no memory, and the state is not saved, with an
                                 * error.  Without a `needed' NULL is not saved.  A state without the blob leaves what reset has left: release there what was saved */
} BpStateKind;

/* Memory that an object acquires before its first reset, when it has use for it: tables that are large and rare.  A state that was saved with a buffer
 * of another size is refused; one that was saved without leaves what is in it. */
typedef struct BpStateBuffer {
  void *data;                   /* NULL: there is none */
  uint64_t size;                /* bytes, below 4 GiB */
} BpStateBuffer;                /* as large in all of 1.x */

/* Structs elsewhere, whose number is known before the object's first reset (the devices on a bus, the queues of a device).  A state that was saved with another
 * number is refused; one that was saved without leaves what is in them. */
typedef struct BpStateTable {
  void *data;                   /* NULL: there are none */
  uint32_t count;
} BpStateTable;                 /* as large in all of 1.x */

typedef struct BpStateField {
  const char *name;             /* NULL ends the table */
  BpStateKind kind;
  uint32_t offset;
  uint32_t count;               /* elements, at least 1 */
  uint32_t size;                /* of one element */
  uint16_t since;               /* state version that introduced it, from 1 */
  uint16_t flags;               /* 0 */
  const struct BpStateField *fields;    /* STRUCT, TABLE */
  bool (*needed) (const void *self);    /* NULL: always; else saved when true, and a state without it loads where it keeps its reset value. [main][locked] */
} BpStateField;

/* What is left out of a row is lost without a word, so a number of elements, or a kind, that is not the member's does not compile: the array below has a size of -1.
 * BP_STATE_OF_KIND_: bytes of one element, where the kind alone says it; else 0. */
#define BP_STATE_OF_KIND_(k) \
  ((k) <= BP_STATE_U64 ? (size_t) 1 << ((k) & 3) : (k) <= BP_STATE_BYTES ? 1 : (k) == BP_STATE_TIMER ? sizeof (BpTimer *) : \
   (k) == BP_STATE_BUFFER || (k) == BP_STATE_BLOB ? sizeof (BpStateBuffer) : 0)
#ifdef __cplusplus
extern "C++" {
template <class M> struct BpStateElement_ { static constexpr size_t size = sizeof (M); };
template <class M, size_t n> struct BpStateElement_<M[n]> : BpStateElement_<M> { };
template <class M> struct BpStateElement_<M &> : BpStateElement_<M> { };
}
#define BP_STATE_OF_STRUCT_(k, T, f) BpStateElement_<decltype (((T *) 0)->f)>::size
#else
/* A struct is its own element, an array has those of its own: x of a class other than struct and union (12, 13) is one. */
#define BP_STATE_FIRST_(k, x) (*__builtin_choose_expr ((k) == BP_STATE_STRUCT && __builtin_classify_type (x) != 12 && __builtin_classify_type (x) != 13, x, &(x)))
#define BP_STATE_OF_STRUCT_(k, T, f) sizeof (BP_STATE_FIRST_ (k, BP_STATE_FIRST_ (k, ((T *) 0)->f)))
#endif
#define BP_STATE_FITS_(k, T, f, n) \
  (sizeof (((T *) 0)->f) == (n) * ((k) == BP_STATE_STRUCT ? BP_STATE_OF_STRUCT_ (k, T, f) : (k) == BP_STATE_TABLE ? sizeof (((T *) 0)->f) : BP_STATE_OF_KIND_ (k)))
#define BP_STATE_SIZE_(k, T, f, n) (uint32_t) (sizeof (((T *) 0)->f) / (n) * sizeof (char[BP_STATE_FITS_ (k, T, f, n) ? 1 : -1]))

#define BP_STATE_ROW_(k, T, f, n, since_, fields_, needed_) \
  { #f, (k), (uint32_t) offsetof (T, f), (n), BP_STATE_SIZE_ (k, T, f, n), (since_), 0, (fields_), (needed_) }
/* A field, or an array of n, that state version `since' has added: BP_STATE_SINCE (2, BP_STATE_U32, Timer, laps, 1). */
#define BP_STATE_SINCE(since, k, T, f, n) BP_STATE_ROW_ (k, T, f, n, (since), NULL, NULL)
/* C: what the others do not say, member by member (.needed = has_more); a C++ author writes BP_STATE_ROW_. */
#define BP_STATE_(k, T, f, n, ...) \
  { .name = #f, .kind = (k), .offset = (uint32_t) offsetof (T, f), .count = (n), .size = BP_STATE_SIZE_ (k, T, f, n), .since = 1, __VA_ARGS__ }
#define BP_STATE_ONE_(k, T, f, n) BP_STATE_ROW_ (k, T, f, n, 1, NULL, NULL)
#define BP_STATE_FIELD_U8(T, f)  BP_STATE_ONE_ (BP_STATE_U8, T, f, 1)
#define BP_STATE_FIELD_U16(T, f) BP_STATE_ONE_ (BP_STATE_U16, T, f, 1)
#define BP_STATE_FIELD_U32(T, f) BP_STATE_ONE_ (BP_STATE_U32, T, f, 1)
#define BP_STATE_FIELD_U64(T, f) BP_STATE_ONE_ (BP_STATE_U64, T, f, 1)
#define BP_STATE_FIELD_BOOL(T, f) BP_STATE_ONE_ (BP_STATE_BOOL, T, f, 1)
#define BP_STATE_FIELD_BYTES(T, f) \
  { #f, BP_STATE_BYTES, (uint32_t) offsetof (T, f), (uint32_t) sizeof (((T *) 0)->f), 1, 1, 0, NULL, NULL }
#define BP_STATE_FIELD_ARRAY(k, T, f, n) BP_STATE_ONE_ (k, T, f, n)
#define BP_STATE_FIELD_TIMER(T, f) BP_STATE_ONE_ (BP_STATE_TIMER, T, f, 1)
#define BP_STATE_FIELD_BUFFER(T, f) BP_STATE_ONE_ (BP_STATE_BUFFER, T, f, 1)
#define BP_STATE_FIELD_BLOB(T, f) BP_STATE_ONE_ (BP_STATE_BLOB, T, f, 1)
/* A BpStateTable of E's. */
#define BP_STATE_FIELD_TABLE(T, f, E, fields_) { #f, BP_STATE_TABLE, (uint32_t) offsetof (T, f), 1, (uint32_t) sizeof (E), 1, 0, fields_, NULL }
#define BP_STATE_FIELD_STRUCTS(T, f, n, fields_) BP_STATE_ROW_ (BP_STATE_STRUCT, T, f, n, 1, fields_, NULL)
#define BP_STATE_END BP_ROW_END_

BP_END_DECLS
#endif
