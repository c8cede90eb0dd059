/* validate.h -- `backplane describe --validate': what its parent, its child and the machines that it makes share. */
/* SPDX-License-Identifier: MIT */
/*
 * The parent (validate.c) never touches the plugin: a child (validate-process.c, validate-child.c) loads it and takes its types through their lives, saying in a
 * pipe what it is about to do.  When the child ends, or is silent for too long, the last thing it said is the finding, and another child goes on behind it.
 */
#ifndef CORE_VALIDATE_H
#define CORE_VALIDATE_H

#include "object.h"
#include "report.h"
#include "stand-ins/stand-ins.h"
#include <sys/types.h>

enum { VALIDATE_SAMPLE_SIZE = 65536 };  /* of the file that stands for any other, and of what has a size */
enum { VALIDATE_MOST_ITEMS = 100000 };

/* --- validate.c ------------------------------------------------------------------------------- */

typedef struct Validation {
  unsigned passed, failed, skipped;
} Validation;

/* Fills the report; seconds: what one step may take. */
Validation validate_plugin (const char *file, unsigned seconds, BpReport *report);

/* --- validate-process.c: a process in which anything may happen --------------------------------------- */

typedef struct ProcessStream {
  int fd;                       /* -1: it is closed */
  GString *line;                /* the one that has no end yet */
} ProcessStream;

typedef struct Process {
  pid_t pid;
  ProcessStream said, words;    /* what it says to its parent, and on standard error */
} Process;

typedef enum ProcessState { PROCESS_TALKS, PROCESS_DEAD, PROCESS_SILENT, PROCESS_INTERRUPTED } ProcessState;
/* true: it is a sign of life. */
typedef bool ProcessLine (void *user, const char *line);
typedef void ProcessBody (void *user, int fd);

/* Around all processes: signals that would end this one come at the end. */
void process_watch_begin (void);
void process_watch_end (void);
/* The new one works in this directory and writes what it says to fd.  false: errno says why. */
bool process_start (Process *p, const char *directory, ProcessBody *body, void *user);
/* Until it has said something, or has been silent for so long, or is dead and all of its words are taken. */
ProcessState process_listen (Process *p, unsigned seconds, ProcessLine *said, ProcessLine *words, void *user);
/* Its exit status; after this nothing of it is left. */
int process_end (Process *p);

/* --- between the two ---------------------------------------------------------------------------- */

typedef enum ValidateResult { VALIDATE_PASSED, VALIDATE_FAILED, VALIDATE_SKIPPED } ValidateResult;

/* Where a child begins: item 0 of a type is its life with its defaults, item n the values of its n-th property.  type -1: loading the plugin. */
typedef struct ValidatePlace {
  int type, item;
} ValidatePlace;

/* Lines: "@TYPE ITEM TYPE-NAME\tWHAT" begins an item, ":STEP" a step of it, "=RESULT DETAIL" ends it, "." ends all. */
void validate_child (const char *file, ValidatePlace from, int fd) G_GNUC_NORETURN;

/* --- validate-values.c: what to try for a property -------------------------------------------------- */

/* NULL-terminated texts; `sample' is a file that exists. */
char **validate_good_values (const BpProperty *p, const char *sample);
char **validate_wrong_values (const BpProperty *p);

/* --- validate-machine.c: a machine around one object -------------------------------------------------- */

#define VALIDATE_ID "it"

typedef struct ValidateMachine {
  const BpTypeDesc *type;
  const char *key, *value;      /* a property that is given, and its value unless it is a link; NULL: none */
  bool all_links, all_files;    /* also those that may be left out */
  const char *sample;
  char *text;                   /* out: the descriptor */
  char *missing;                /* out: an interface that a required link needs and nobody here provides; NULL: none */
  GString *invented;            /* out: required values that had to be made up, "file, name" */
} ValidateMachine;

void validate_machine_write (ValidateMachine *vm);
void validate_machine_clear (ValidateMachine *vm);
/* The objects that it makes for links are called that and a number. */
#define VALIDATE_PROVIDER "other"

/* --- validate-stand-ins.c: types for the other end of links ---------------------------------------------- */

/* false: a plugin has a type of such a name. */
bool stand_ins_register (GError **error);
/* The type that stands in for an interface; NULL: there is none. */
const BpTypeDesc *stand_in_for (const char *interface_id);
/* What its section says; NULL: it is none of these. */
const char *stand_in_keys (const BpTypeDesc *type);
extern const BpTypeDesc stand_in_pins, stand_in_accel, stand_in_virtio;
enum { STAND_IN_PINS = 256 };

#endif
