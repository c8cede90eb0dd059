/* object.h -- the host's side of types and instances: what the core's own files may use. */
/* SPDX-License-Identifier: MIT */
#ifndef CORE_OBJECT_H
#define CORE_OBJECT_H

#include <backplane/cpu.h>
#include <backplane/loop.h>
#include <backplane/object.h>
#include <backplane/plugin.h>
#include <string.h>

struct Bytes;

/* --- plugins (plugin-load.c, plugin-abi.c) ---------------------------------------------- */

typedef struct BpModule {
  char *id, *path;              /* "hw-pc", where it was loaded from; the core's built-in types: "core", NULL */
  const BpPluginDesc *desc;
} BpModule;

/* Directories searched, in order: --plugin-path entries, $BACKPLANE_PLUGIN_PATH, beside the descriptor, libdir.  Colon-separated text. */
void plugin_path_prepend (const char *directories);
/* Directories that were given relative to the current one stay where they are when the process goes elsewhere. */
void plugin_path_anchor (void);
void plugin_path_set_descriptor (const char *directory);
/* name: "hw-pc", or a path when it holds a '/'.  Loading twice gives the same module.  Every step of the refusal ladder has its own message. */
BpModule *plugin_load (const char *name, GError **error);
/* What is wrong with a descriptor, NULL when fine (plugin-abi.c; a pure function of the descriptor). */
char *plugin_verdict (const BpPluginDesc *desc);
GPtrArray *plugin_loaded (void);                        /* of BpModule *, in load order */
/* Ids (file names without .so) of the plugins found on the search path, without loading them. */
char **plugin_scan (void);
void plugin_load_all (void);                            /* what plugin_scan finds; those that are refused are left out */
/* The file a name would be loaded from, or NULL with the paths searched in the message. */
char *plugin_find (const char *name, GError **error);

/* --- types (object-type.c) ---------------------------------------------------------------- */

bool type_register (const BpTypeDesc *type, BpModule *module, GError **error);         /* duplicates are refused */
const BpTypeDesc *type_find (const char *name);
BpModule *type_module (const BpTypeDesc *type);
GPtrArray *type_all (void);                             /* of const BpTypeDesc *, by name */
const char *kind_name (BpKind kind);                    /* "device" */
/* Rows of a type and its parents, parents first; *size-safe: rows are found by the type's own row size and copied to ours. Free with g_array_unref. */
GArray *type_properties (const BpTypeDesc *type);       /* of BpProperty */
GArray *type_pins (const BpTypeDesc *type);             /* of BpPinDesc */
GArray *type_regions (const BpTypeDesc *type);          /* of BpRegionDesc */
GArray *type_state (const BpTypeDesc *type);            /* of BpStateField */
const void *type_interface (const BpTypeDesc *type, const char *interface_id);
/* The candidate most like `word` (edit distance, transpositions count one), or NULL when none is near. candidates: NULL-terminated. */
const char *nearest_name (const char *word, const char *const *candidates);
/* Elements of a GPtrArray of strings, for g_ptr_array_sort. */
static inline int strings_compare (gconstpointer a, gconstpointer b) { return strcmp (*(const char *const *) a, *(const char *const *) b); }
/* What is at the path and, if that is a folder, in it, whatever its mode; symbolic links are not followed. */
void remove_tree (const char *path);

/* --- instances (object-instance.c, object-property.c) ----------------------------------------- */

typedef struct ObjectPin {
  char *name;                   /* "irq", "in3" */
  BpPinDesc desc;
  unsigned index;               /* within desc.count */
  BpPin *pin;
} ObjectPin;

typedef struct ObjectRegion {
  char *name;
  char *help;
  BpRegion *region;
} ObjectRegion;

typedef enum ObjectStage { OBJECT_NEW, OBJECT_CONFIGURED, OBJECT_REALIZED } ObjectStage;

struct BpObject {
  uint32_t magic;               /* OBJECT_MAGIC: what a stray pointer lacks */
  ObjectStage stage;
  char *id;
  const BpTypeDesc *type;
  BpMachine *machine;
  GArray *properties;           /* BpProperty rows (flattened) */
  GArray *pins;                 /* ObjectPin */
  GArray *regions;              /* ObjectRegion */
  BpVcpu *vcpu;                 /* kind cpu */
  int index;                    /* among those that its section makes with `count`; -1: it stands alone */
  GPtrArray *owned_strings;
  GByteArray *given;            /* one byte a property: set since object_new */
  bool released;                /* unrealize was called after the last realize, or instead of it */
  bool leaving;                 /* the guest was asked to let it go, and has not answered */
  bool apart;                   /* among the machine's objects, but it has not quite joined them, or is about to go: it takes no messages */
  bool awaits_reset;            /* the machine is being reset, and it was not yet: its inputs hear of their levels after that */
  /* the instance follows, 64-byte aligned */
};
#define OBJECT_MAGIC 0x4a424f42u

static inline void *object_instance (BpObject *o) { return (uint8_t *) o + ((sizeof (BpObject) + 63) & ~(size_t) 63); }
static inline BpObject *object_of (const void *self) { return (BpObject *) ((uint8_t *) self - ((sizeof (BpObject) + 63) & ~(size_t) 63)); }

/* Allocates the instance, sets every property to its default, creates the pins and regions of its type's tables. */
BpObject *object_new (const BpTypeDesc *type, const char *id, BpMachine *machine);
void object_free (BpObject *object);                    /* unrealized first when need be */
/* The same while the machine goes on: calls that it has posted to its loop find its memory, as it was left, until they were made. */
void object_free_when_called (BpObject *object, BpLoop *loop);
bool object_is_intact (const BpObject *object);         /* its type has written to no byte behind the instance's declared size */
/* Sets a property from text.  LINK properties are set with object_set_link (machine-build.c resolves names).  base_directory: for FILE. */
bool object_set (BpObject *object, const char *name, const char *text, const char *base_directory, GError **error);
/* By its row, which is one of the object's, while it may be set.  NULL when fine, else what is wrong with the text; free it. */
char *object_set_value (BpObject *object, const BpProperty *p, const char *text, const char *base_directory);
bool object_set_link (BpObject *object, const char *name, BpObject *target, GError **error);
const BpProperty *object_property (BpObject *object, const char *name);         /* NULL: none */
bool object_has (BpObject *object, const char *name, GError **error);           /* a property; the error names the nearest */
char *object_get (BpObject *object, const char *name);  /* as text that object_set would take; NULL: none or unset */
/* Checks a value against a row without an object (`backplane check`): NULL when fine, else what is wrong. */
char *property_check (const BpProperty *property, const char *text);
void property_limits (const BpProperty *property, uint64_t *min, uint64_t *max);       /* of a number; signed ones cast */
char *property_range_text (const BpProperty *property); /* "0..15", "on, off", for describe and messages */
const char *property_kind_name (BpPropertyKind kind);
bool parse_size (const char *text, uint64_t *value);    /* 0x.., decimal, k M G T suffixes */
bool parse_switch (const char *text, bool *value);      /* on/off, yes/no, true/false, 1/0 */
bool object_configure (BpObject *object, GError **error);
bool object_realize (BpObject *object, GError **error);
/* What an object forgets in its reset it must be told after it: from object_await_reset until object_reset its inputs' `set` is not called, and then once for each
 * that is high.  Without the first, object_reset alone does so, and tells again what was told before. */
void object_await_reset (BpObject *object);
void object_reset (BpObject *object, BpResetKind kind);
void object_unrealize (BpObject *object);
/* The same as configure and realize, but what a failed one has acquired stays until object_release: for who stops others first.  That unrealizes, once. */
bool object_try_configure (BpObject *object, GError **error);
bool object_try_realize (BpObject *object, GError **error);
void object_release (BpObject *object);
/* What the type says to the object's removal (BP_REMOVAL_NOW when it says nothing). */
BpRemoval object_removal (BpObject *object, GError **error);
ObjectPin *object_pin (BpObject *object, const char *name);             /* NULL: none */
ObjectRegion *object_region (BpObject *object, const char *name);

/* --- pins (irq.c) ------------------------------------------------------------------------------ */
BpPin *pin_new (BpObject *owner, const BpPinDesc *desc, unsigned index);
void pin_free (BpPin *pin);
bool pin_connect (BpPin *out, BpPin *in, GError **error);               /* two drivers of an input that is not WIRED_OR: an error */
GPtrArray *pin_targets (BpPin *out);                                    /* of BpPin * */
BpObject *pin_owner (BpPin *pin);
char *pin_path (BpPin *pin);                                            /* "pic.in4" */
bool pin_is_connected (BpPin *pin);
void pin_reset (BpPin *pin);                                            /* level 0 without calling anyone */
void pin_forget (BpPin *pin);                                           /* an input was told of nothing: its level follows with pin_tell */
void pin_tell (BpPin *pin);                                             /* an input, of a level that is not the one it was last told */
/* What a snapshot keeps of a pin: the level an output drives, or an input is forced to without a wire.  restore calls no one; inputs follow from their drivers,
 * once pin_settle was called for each. */
bool pin_save (const BpPin *pin);
void pin_restore (BpPin *pin, bool level);
void pin_settle (BpPin *pin);

/* --- state (state.c) -------------------------------------------------------------------------- */
/* One object's state as bytes (little-endian, self-describing by field name) and back.  Load into an object that was reset: what the state
 * lacks keeps its value.  A refused state changes nothing. */
bool state_save (BpObject *object, struct Bytes *out);  /* false: out lacks some */
GByteArray *state_saved (BpObject *object);             /* NULL: there is no memory for it */
bool state_load (BpObject *object, const uint8_t *data, size_t size, GError **error);
/* The three steps of it, for who loads several objects: all are checked, then all stored, then each post_load runs. */
bool state_check (BpObject *object, const uint8_t *data, size_t size, GQueue *blobs, GError **error);   /* blobs: gets memory for what store puts in its place */
void state_store (BpObject *object, const uint8_t *data, size_t size, GQueue *blobs);   /* what state_check took, and gave */

/* --- who frees what is returned above -------------------------------------------------------- */
/* plugin_loaded, type_all, pin_targets: g_ptr_array_unref.  plugin_scan: g_strfreev.  char *: g_free. */

/* --- more of plugins (plugin-load.c, plugin-file.c) ------------------------------------------- */
/* Names that the descriptor mentions anywhere: when plugin_load meets a plugin that requires an interface which one of these provides,
 * it loads that one first, so that the order of sections does not matter.  Call before the first plugin_load. */
void plugin_offer (const char *const *names);
/* The module of the types built into the core; plugin_load ("core") gives it, and it comes first in plugin_loaded. */
BpModule *plugin_core (void);
/* What keeps the file from being handed to the host's linker (which may crash on a truncated one), NULL when fine. */
char *plugin_file_verdict (const char *path);

/* --- more of types (object-type.c, type-check.c) ----------------------------------------------- */
/* What is wrong with a type's tables (offsets outside the instance, rows without help, names used twice), NULL when fine. */
char *type_verdict (const BpTypeDesc *type);
/* What a table of its interfaces lacks, its own or an ancestor's, NULL when fine.  Of a plugin's types: a test's stand-ins have what is called there. */
char *type_functions_verdict (const BpTypeDesc *type);
/* Rows of one table alone, each row_size bytes apart, ended by one without a name, copied into rows of our size. Free with g_array_unref. */
GArray *rows_copy (const void *rows, size_t row_size, size_t our_size);
extern const BpTypeDesc stub_type;                      /* stub.c */

/* --- interfaces.c -------------------------------------------------------------------------------- */
bool interface_is_ours (const char *id);                /* of the headers of this ABI */
/* What its table lacks that every such table has, NULL when fine, or when it is a third party's. */
char *interface_verdict (const BpInterfaceDesc *interface);
char *interface_id_verdict (const char *id);            /* of a link, or of what requires it */

/* --- more of instances (object-instance.c) ------------------------------------------------------ */
/* Appends a region to those that the descriptor can map; from now on the object frees it. */
void object_add_region (BpObject *object, const char *name, BpRegion *region, const char *help);
/* bp_region_free of an owned region calls this, so that an owner may free what it published.  Unknown regions are ignored. */
void object_forget_region (BpObject *object, BpRegion *region);
/* Call the type's callback, its own or the nearest ancestor's. */
bool object_post_load (BpObject *object, GError **error);
void object_property_changed (BpObject *object, const char *name);
void property_set_default (BpObject *object, const BpProperty *property, uint8_t *self);
char *property_default_text (const BpProperty *property);               /* as text that object_set would take; NULL: none */

/* --- log (log.c) ---------------------------------------------------------------------------------- */
/* list: "in_asm,int", "all", or "" for none.  An unknown topic is an error that names the nearest.  For "help" print log_topics_text. */
bool log_set_topics (const char *list, GError **error);
bool log_set_file (const char *path, GError **error);   /* truncated; NULL: stderr again */
/* Lines go there instead, one at a time, each with its newline; NULL: no longer. */
void log_set_sink (void (*take) (const char *line));
char *log_topics_text (void);                           /* one line a topic, with what it shows */

/* --- descriptions for people (plugin-describe.c) --------------------------------------------------- */
struct BpReport;                /* report.h */
void describe_type (struct BpReport *report, const BpTypeDesc *type);
void describe_section (struct BpReport *report, const char *kind);      /* section-help.c: one that section_kind has */
void describe_module (struct BpReport *report, BpModule *module);

#endif
