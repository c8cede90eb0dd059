/* descriptor.h -- how the reader, parser, schema, builder and printer of descriptors work together. */
/* SPDX-License-Identifier: MIT */
/*
 * grammar  the kinds of sections, what stands inside values (machine-grammar.c)
 * reader   bytes of one file -> sections and key/value pairs with their origin (machine-reader.c; includes inih)
 * parser   files, includes, overrides, --set -> one Descriptor (machine-parse.c)
 * schema   what a section may hold, values checked against types (machine-schema.c)
 * builder  Descriptor -> BpMachine (machine-build.c, machine-wire.c, machine-map.c)
 * The structs of machine.h are the first members of the ones here: what holds a Value holds a FullValue.
 */
#ifndef CORE_DESCRIPTOR_H
#define CORE_DESCRIPTOR_H

#include "machine.h"

/* --- machine-reader.c --------------------------------------------------------------------- */

/* A value's text both ways: `whole` is everything to the end of the line, `bare` stops at a ` ;` comment.
 * Which one counts is the schema's to say: kernel command lines may hold ` ;`, a number may not; until it says so, the bare one. */
typedef struct ReaderValue {
  const char *key, *whole, *bare;
  bool quoted, extends;         /* was in quotes; key += value */
} ReaderValue;

typedef struct ReaderClient {
  void (*section) (void *user, const Origin *origin, const char *kind, const char *name);
  void (*value) (void *user, const Origin *origin, const ReaderValue *value);
  void (*error) (void *user, const Origin *origin, const char *key, const char *message);
} ReaderClient;

/* Reads a descriptor's text.  Origins' texts live in `strings`. */
void reader_read (const char *data, size_t size, const char *file, GStringChunk *strings,
                  const ReaderClient *client, void *user);
/* Splits "value", value or value ; comment.  NULL when fine, else what is wrong; *whole and *bare are the
 * caller's. */
bool reader_is_key (const char *text, size_t length);

/* --- machine-parse.c ---------------------------------------------------------------------- */

typedef struct OldValue {       /* element of Value.history */
  char *text;                   /* NULL: it was not set */
  char *whole;                  /* as FullValue.whole */
  Origin origin;
} OldValue;

typedef struct FullValue {
  Value value;                  /* text NULL: unset by an override */
  char *whole;                  /* text with what looks like a comment; NULL: the same */
} FullValue;

typedef struct FullSection {
  Section section;
  GHashTable *by_key;           /* key -> Value * */
  char *label;                  /* "device com1", for messages */
  struct AccelChoice *choice;   /* of an [accel] that names several modules, once they were loaded (machine-accel.c) */
} FullSection;

typedef struct ErrorPlace {
  const char *file;
  unsigned line;
} ErrorPlace;

typedef struct FullDescriptor {
  Descriptor descriptor;
  GStringChunk *strings;
  GPtrArray *files;             /* of char *: canonical paths read, in order of inclusion */
  GArray *error_places;         /* of ErrorPlace, parallel to errors */
  GHashTable *error_texts;      /* the same error of several objects of one section is said once */
  GHashTable *bad_modules;      /* names of modules that did not load */
} FullDescriptor;

/* A value as it stands in a file. */
typedef struct RawValue {
  char *key, *whole, *bare;
  bool extends, quoted;
  Origin origin;
} RawValue;

static inline FullSection *full_section (const Section *s) { return (FullSection *) s; }
static inline FullDescriptor *full_descriptor (const Descriptor *d) { return (FullDescriptor *) d; }

/* Sections that come behind those of the files (path NULL: which are all), as a descriptor would have them; free with g_free, NULL: none.  *name stands for a
 * file's in messages. */
typedef char *DescriptorMore (const Descriptor *d, void *user, const char **name);
Descriptor *descriptor_load_more (const char *path, char **set_options, DescriptorMore *more, void *user);

/* --- machine-errors.c; descriptor_error is in machine.h --------------------------------------- */

/* Puts errors in the order of files and lines. */
void descriptor_sort_errors (Descriptor *d);
void descriptor_clear_errors (Descriptor *d);

/* --- machine-section.c -------------------------------------------------------------------- */

/* The section that makes or holds `id`: an object's id, "machine", "accel", "cpu", "boot", "clock", "sandbox",
 * or "map low". */
Section *descriptor_section (const Descriptor *d, const char *id);
/* What looks like a ` ;` comment is part of the value's text from now on: its kind is one that may hold it. */
void value_keep_comment (Value *v);
/* "device com1", "boot" */
const char *section_label (const Section *s);
/* The id of the section's object when it makes one: "com1", "accel". */
const char *section_id (const Section *s);
/* Directory that relative paths in a value are relative to; free it. */
/* One that a person can go to. */
static inline bool origin_has_line (const Origin *o) { return o->line && strcmp (o->file, COMMAND_LINE) != 0; }
char *origin_directory (const Origin *origin);
bool section_is_name (const char *text);
bool section_is_single (const char *kind);      /* machine, clock, sandbox: may be meant though no file has it */
bool section_is_added (const Section *s);       /* to a machine that was there; its origin is no file: "" */
/* The name under which a section is found: objects by their id, the others with their kind. */
char *section_lookup_name (const char *kind, const char *name);
/* Every name that a section can be meant by; free with g_free (names are borrowed). */
const char **descriptor_names (Descriptor *d);
Section *descriptor_add (Descriptor *d, const char *kind, const char *name, const Origin *origin);
/* Takes a raw value into the section; `overrides`: it comes from an override or --set, where an empty value unsets. */
void section_put (Section *s, const RawValue *raw, bool overrides);
/* The section is the caller's, and is no longer found; or is found again. */
void descriptor_take_out (Descriptor *d, Section *s);
void descriptor_put_back (Descriptor *d, Section *s);
void section_free (void *section);

/* --- machine-grammar.c -------------------------------------------------------------------- */

typedef struct SectionKind {
  const char *name;
  bool is_object;
  BpKind kind;                  /* is_object */
  bool may_be_unnamed;
  const char *const *keys;      /* reserved keys; for those that make no object: all of them */
  const char *help;
} SectionKind;

const SectionKind *section_kind (const char *name);             /* NULL: no such kind */
const char *const *section_kind_names (void);
bool section_key_is_prose (const char *kind, const char *key);  /* a reserved key whose value may hold ` ;` */

/* A region's place: "memory@0xfebf0000 prio 1 size 4K". */
typedef struct Place {
  char *space;
  uint64_t address;
  bool has_size;
  uint64_t size;
  int priority;
} Place;
/* NULL when fine, else what is wrong; place->space is the caller's. */
char *place_parse (const char *text, Place *place);
/* Items of a comma-separated list, blanks stripped; free with g_strfreev. */
char **list_split (const char *text);
bool parse_priority (const char *text, int *priority);

/* --- machine-schema.c --------------------------------------------------------------------- */

/* A key that all sections of a kind have, for people. */
typedef struct SectionKey {
  const char *name, *default_text, *values, *help;      /* default_text NULL: none */
} SectionKey;

extern const SectionKey instrument_keys[];      /* instrument.c; the last has no name */
/* Those keys of a kind's sections that `describe' explains; NULL: none. */
const SectionKey *section_keys (const char *kind);

/* The type of a section's object; NULL with the error appended. */
const BpTypeDesc *schema_type (Descriptor *d, Section *s);
/* By its name alone, from the plugins that are loaded or can be; NULL: none has it. */
const BpTypeDesc *schema_find_type (const char *name);
/* Loads the modules the section names. */
void schema_load_module (Descriptor *d, Section *s);
/* Keys and values of sections that make no object. */
void schema_check_plain (Descriptor *d, Section *s);
/* Every name a key of the object may have, NULL-terminated; free with g_free (names are borrowed). */
const char **schema_keys (BpObject *o);
/* Modules that `module =' names, as plugin_load takes them: one, for an [accel] also several.  NULL: none; free with g_strfreev. */
char **schema_modules (Section *s);
/* What kind of key it is. */
typedef enum KeyRole { KEY_RESERVED, KEY_PROPERTY, KEY_PIN, KEY_REGION, KEY_UNKNOWN } KeyRole;
KeyRole schema_key_role (Section *s, BpObject *o, const char *key);
/* Checks that an existing file of a FILE property can be read; false with the error appended. */
bool schema_check_file (Descriptor *d, Section *s, Value *v, const char *path, bool is_folder);

/* --- machine-accel.c: [accel] module = a, b ------------------------------------------------ */

typedef struct AccelChoice AccelChoice;
/* Takes the first that can run on this host; with an error appended when none can. */
void accel_choose (Descriptor *d, Section *s, char **names);
void accel_choice_free (AccelChoice *choice);
/* The module that was taken; NULL: none, or there was nothing to choose. */
const char *accel_module (const Section *s);
/* Whether an accelerator that was not chosen from several can run here; false with the error appended. */
bool accel_can_run (Descriptor *d, Section *s, const BpTypeDesc *type);
/* Whether a key that the machine's accelerator lacks is one of another of the list; an error is appended when its value is wrong there.
 * *unsure: one of the list could not be asked. */
bool accel_skips (Descriptor *d, Section *s, Value *v, bool *unsure);
/* Of all of the list. */
const char *accel_nearest_key (const Section *s, const char *key);
/* "accel-tcg (accel-kvm cannot: ...)"; NULL: there was nothing to choose. */
char *accel_taken_text (const Descriptor *d);
/* What --explain says of a key of the section besides: which was taken, who would use the key. */
void accel_explain (const Section *s, const char *key, GString *out);

/* --- machine-build.c, machine-explain.c --------------------------------------------------- */

Section *object_section (BpObject *o);
/* The value's text for this object: ${index} is replaced by a CPU's number; free it. */
char *value_text (const Value *v, const BpObject *o);

void explain_tree (BpMachine *m, GString *out);
void explain_map (BpMachine *m, GString *out);
void explain_effective (BpMachine *m, GString *out);
bool explain_value (BpMachine *m, const char *path, GString *out, GError **error);
void explain_dot (BpMachine *m, GString *out);

/* --- machine-run.c ------------------------------------------------------------------------ */
void machine_unrealize (BpMachine *m);
/* Ends the run with `exit_code` after so many seconds. */
void machine_set_timeout (BpMachine *m, unsigned seconds, int exit_code);
/* machine_run builds and resets it, and waits for somebody to continue it. */
void machine_set_stopped (BpMachine *m, bool stopped);
/* The run begins with this snapshot rather than with a reset; the name outlives it. */
void machine_set_load (BpMachine *m, const char *snapshot);
/* The run begins with a machine from another process (migrate.h); before machine_realize.  "defer": a monitor will say where from. */
void machine_set_incoming (BpMachine *m, const char *address);
void machine_set_template (BpMachine *m, const char *folder);   /* ... with a template */
/* machine_run confines the whole process as [sandbox] says; without, it does not. */
void machine_set_confined (BpMachine *m, bool confined);
/* What the instruments said at the end of machine_run (instrument.h); the caller's.  NULL: there are none. */
struct Results *machine_take_results (BpMachine *m);
/* Forgets requests that nobody will serve. */
void machine_drop_requests (BpMachine *m);

#endif
