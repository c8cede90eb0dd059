/* monitor.h -- commands about a machine, as rows of one table, and what the two kinds of monitor share. */
/* SPDX-License-Identifier: MIT */
/*
 * A command is a row: its names (QMP's, the console's), its arguments by kind, the function that does it, which takes a JSON object and gives a JSON value,
 * and how that value is printed for people.  QMP checks the object that a client sent against the arguments; the console makes the object from words.
 * Everything here runs on the main loop's thread without the machine lock.
 */
#ifndef MONITOR_MONITOR_H
#define MONITOR_MONITOR_H

#include "json.h"
#include <backplane/clock.h>
#include <backplane/cpu.h>
#include <backplane/machine.h>

/* --- what all monitors of a machine share (monitor.c) ------------------------------------------- */

typedef struct Monitor Monitor;

/* A QMP server: told of every event. */
typedef struct MonitorSink {
  void (*event) (void *user, const char *name, JsonObject *data);       /* data NULL: none; the caller's */
  void *user;
} MonitorSink;

struct Monitor {
  BpMachine *machine;
  unsigned refs, watch, migration_watch;
  GPtrArray *sinks;             /* of MonitorSink * */
  GHashTable *added;            /* ids of objects that have joined the machine */
  GHashTable *trays;            /* instance of a block backend -> Tray * (commands-block.c) */
  /* keys and buttons (commands-input.c) */
  GQueue *keys;                 /* of KeyStep * */
  BpTimer *key_timer;
  uint32_t buttons;
  unsigned absolute[2];
  /* the balloon (commands-balloon.c) */
  GSource *balloon_turn;        /* for what there is to tell; NULL: nothing was told lately */
  bool balloon_changed;
  bool quits;                   /* somebody asked a monitor to end the run */
  bool resets;                  /* ... to reset the machine */
  bool deletes_object;          /* ... to remove what is no device: no event tells of it */
};

Monitor *monitor_ref (void *self);      /* of the machine of that object */
void monitor_unref (Monitor *monitor);
void monitor_add_sink (Monitor *monitor, MonitorSink *sink);
void monitor_remove_sink (Monitor *monitor, MonitorSink *sink);
void monitor_event (Monitor *monitor, const char *name, JsonObject *data);      /* takes data, which may be NULL */

/* --- errors ---------------------------------------------------------------------------------------- */

/* QMP's classes; an error of any other domain is a GenericError. */
typedef enum MonitorError {
  MONITOR_ERROR_GENERIC, MONITOR_ERROR_COMMAND_NOT_FOUND, MONITOR_ERROR_DEVICE_NOT_ACTIVE, MONITOR_ERROR_DEVICE_NOT_FOUND, MONITOR_ERROR_KVM_MISSING_CAP
} MonitorError;
#define MONITOR_ERROR (monitor_error_quark ())
GQuark monitor_error_quark (void);
const char *monitor_error_class (const GError *error);
/* Sets the error; NULL, for a command to return. */
void *monitor_fail (GError **error, MonitorError code, const char *format, ...) G_GNUC_PRINTF (3, 4);

/* --- commands ---------------------------------------------------------------------------------------- */

typedef enum ArgumentKind {
  ARGUMENT_END,
  ARGUMENT_INTEGER,             /* an expression in the console */
  ARGUMENT_BOOL,                /* a flag, or on and off, in the console */
  ARGUMENT_STRING,
  ARGUMENT_OBJECT,              /* an object's name: a string that is completed */
  ARGUMENT_INSTRUMENT,          /* the same, of objects that are instruments */
  ARGUMENT_PROPERTY,            /* OBJECT.PROPERTY */
  ARGUMENT_FILE,
  ARGUMENT_ENUM,
  ARGUMENT_COMMAND,             /* the console's: the rest, a command's name */
  ARGUMENT_REST,                /* the console's: what is left of the line, a string */
  ARGUMENT_FORMAT,              /* the console's: /10xw, a string */
  ARGUMENT_KEYS,                /* an array; in the console ctrl-alt-f1 */
  ARGUMENT_ARRAY,
  ARGUMENT_ANY
} ArgumentKind;

typedef struct Argument {
  const char *name;
  ArgumentKind kind;
  bool optional;
  char flag;                    /* the console has it as -f, before the others; 0: by its place */
  const char *const *names;     /* ENUM */
} Argument;

#define ARGUMENT(name_, KIND, ...) { .name = (name_), .kind = ARGUMENT_##KIND, __VA_ARGS__ }
#define OPTIONAL(name_, KIND, ...) { .name = (name_), .kind = ARGUMENT_##KIND, .optional = true, __VA_ARGS__ }

/* What takes long is done in steps, so that the main loop turns in between. */
typedef struct Job {
  bool (*step) (void *user, bool *done, GError **error);        /* some milliseconds' worth */
  void (*free) (void *user);
  void *user;
  JsonNode *result;             /* when done; NULL: {} */
  unsigned pause;               /* ms to the next step, for it waits for what others do, on this loop too; 0: it is all its own work */
  void (*progress) (void *user, GString *out);  /* for the console, between two steps: a line in the place of the one before.  NULL: it shows nothing */
} Job;
Job *job_new (bool (*step) (void *user, bool *done, GError **error), void (*free) (void *user), void *user);
void job_free (Job *job);

typedef struct Call {
  Monitor *monitor;
  unsigned *cpu;                /* the vCPU that commands mean which name none */
  bool console;
  Job *job;                     /* out: the command goes on; it returned NULL without an error */
  const struct Command *command;        /* the one that job is of */
} Call;

typedef JsonNode *CommandRun (Call *call, JsonObject *arguments, GError **error);

typedef struct Command {
  const char *qmp, *console;    /* names; NULL: there only for the other */
  const char *alias;            /* a short name in the console */
  const char *help;             /* one line; for the console */
  CommandRun *run;
  void (*print) (JsonNode *result, GString *out);       /* NULL: a string as it is, nothing of anything else */
  bool open;                    /* QMP: members that no argument names are the command's business */
  Argument arguments[8];
} Command;
#define BOTH(qmp_, console_, help_, run_, ...) { .qmp = (qmp_), .console = (console_), .help = (help_), .run = (run_), __VA_ARGS__ }
#define QMP(qmp_, run_, ...) { .qmp = (qmp_), .run = (run_), __VA_ARGS__ }
#define CONSOLE(console_, help_, run_, ...) { .console = (console_), .help = (help_), .run = (run_), __VA_ARGS__ }
#define COMMANDS_END { .run = NULL }

/* --- command.c --------------------------------------------------------------------------------------- */

/* Every row, in order: call with *cursor = 0 first; NULL at the end. */
const Command *command_next (unsigned *cursor);
const Command *command_find_qmp (const char *name);
/* The row that a line begins with ("info status ..."), and the rest of the line. */
const Command *command_find_console (const char *line, const char **rest);
/* Whether the arguments are those of the row; the error says which is not. */
bool command_check (const Command *command, JsonObject *arguments, GError **error);
/* What the console shows of a row's arguments: "[-f] device [filename]". */
char *command_synopsis (const Command *command);
/* A line of the console: what came of it is appended to `out`.  When call->job is set then, it goes on: command_continue until that says so. */
void command_execute (Call *call, const char *line, GString *out);
/* One step; true: it has ended, its outcome is in `out`, and call->job is NULL. */
bool command_continue (Call *call, GString *out);
/* The whole command, to its end, or as far as it goes without the loop; lines end with \n. */
char *command_execute_all (Call *call, const char *line);

/* --- words.c: the console's words --------------------------------------------------------------------- */

/* The next word, quotes and backslashes taken off; NULL at the end, or, with error, when a quote is not closed. */
char *word_next (const char **line, GError **error);
/* 0x10, 16, 4K, $pc+8, (1+2)*3; the registers are those of the CPU `cpu`. */
bool expression_parse (Call *call, const char *text, int64_t *value, GError **error);

/* --- small help ------------------------------------------------------------------------------------------ */

static inline JsonNode *node_string (const char *text) { return json_node_init_string (json_node_alloc (), text); }
JsonNode *node_take_string (char *text);        /* frees the text */
JsonNode *node_take_object (JsonObject *object);
JsonNode *node_take_array (JsonArray *array);
JsonNode *node_empty (void);                    /* {} */
JsonObject *version_object (void);               /* as in the greeting (commands-machine.c) */
/* With a default for what was not given. */
int64_t argument_int (JsonObject *arguments, const char *name, int64_t otherwise);
bool argument_bool (JsonObject *arguments, const char *name, bool otherwise);
const char *argument_string (JsonObject *arguments, const char *name);  /* NULL: not given */
/* An object by its name or path (/machine/NAME); it has to have the interface if one is named.  NULL with error. */
void *monitor_object (Call *call, const char *name, const char *interface_id, GError **error);
/* The object that links to it; NULL: none (commands-machine.c). */
void *monitor_user_of (Monitor *monitor, const void *object);
/* "/machine/NAME" */
char *monitor_path (const void *object);
/* The CPU object that the command means: `index` or, when that is negative, the chosen one; NULL with error. */
void *monitor_cpu (Call *call, int64_t index, GError **error);

/* --- file.c --------------------------------------------------------------------------------------------- */

/* A file that is there whole or not at all: it is written beside its place and takes it at the end. */
typedef struct NewFile {
  char *name, *temporary;
  int fd;
} NewFile;
bool new_file_open (NewFile *file, const char *name, GError **error);
bool new_file_write (NewFile *file, const void *bytes, size_t size, GError **error);
bool new_file_commit (NewFile *file, GError **error);   /* finishes it, whatever comes of it */
void new_file_discard (NewFile *file);                  /* also of one that was committed or never opened */

/* --- screen-file.c ---------------------------------------------------------------------------------------- */

/* A job that writes XRGB pixels (rows without gaps; taken) to a file. */
typedef struct ScreenFile ScreenFile;
ScreenFile *screen_file_new (const char *name, bool png, uint32_t *pixels, uint32_t width, uint32_t height, GError **error);
bool screen_file_step (void *user, bool *done, GError **error);
void screen_file_free (void *user);

#endif
