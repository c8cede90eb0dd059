/* compat.h -- a loaded plugin, what it asked for, and where its call-backs stand: shared by the files of this folder. */
/* SPDX-License-Identifier: MIT */
/*
 * The functions that plugins call (api-*.c) are those of the newest version's header.  Where versions disagree about one name, the function looks
 * at the calling plugin's version: an argument that an older plugin does not pass is not looked at then.
 *
 * Most functions do not say who calls.  Every call into a plugin therefore leaves behind, on its thread, whose it is and what it may do (`now');
 * threads that the plugin made itself are known by the address that they return to.
 */
#ifndef QEMU_PLUGIN_COMPAT_H
#define QEMU_PLUGIN_COMPAT_H

#include <stdio.h>
#include <backplane/iface/cpu-debug.h>
#include <backplane/log.h>
#include <backplane/plugin.h>
#include <backplane/tcg/instrument.h>
/* Versions 2 to 5 take the result of these as an int, all of which must be right. */
#define qemu_plugin_read_register qemu_plugin_read_register_as_bool
#define qemu_plugin_write_register qemu_plugin_write_register_as_bool
#include "qemu-plugin/qemu-plugin.h"
#undef qemu_plugin_read_register
#undef qemu_plugin_write_register

#define VERSION_MIN 1
#define VERSION_MAX 7

/* --- call-backs -------------------------------------------------------------------------------------------- */

typedef enum Event {
  ON_VCPU_INIT, ON_VCPU_EXIT, ON_VCPU_IDLE, ON_VCPU_RESUME, ON_JUMP, ON_BLOCK, ON_FLUSH, ON_EXIT, ON_SYSCALL, ON_SYSCALL_RETURN, ON_SYSCALL_FILTER,
  N_EVENTS
} Event;

typedef void Function (void);

typedef struct Slot {
  Function *function;           /* atomic; NULL: nobody listens */
  void *userdata;
  int types;                    /* ON_JUMP: of qemu_plugin_discon_type */
} Slot;

/* How the accesses of an instruction look to a plugin. */
typedef struct Shape {
  uint8_t element;              /* bytes of each element of a repeated string instruction; 0: it is none */
  uint8_t is_signed;            /* loads are sign-extended */
  uint8_t is_plain;             /* each access is one for the plugin too */
} Shape;

/* What a block was asked to call.  The same request gives the same Call, however often its code is translated; it lives as long as the plugin. */
typedef struct Call {
  struct Plugin *plugin;
  Function *function;
  void *userdata;
  struct qemu_plugin_scoreboard *score; /* condition or operation on memory that has no counter */
  size_t offset;
  uint64_t imm;
  uint32_t generation;          /* Plugin.generation that it belongs to */
  uint8_t op;                   /* enum qemu_plugin_op */
  uint8_t condition;            /* enum qemu_plugin_cond */
  uint8_t flags;                /* enum qemu_plugin_cb_flags */
  Shape shape;
} Call;

/* --- scoreboards --------------------------------------------------------------------------------------------- */

struct qemu_plugin_scoreboard {
  struct Plugin *plugin;
  size_t size;                  /* rounded up */
  BpCounter counter;            /* of its first word; 0: plain memory */
  struct qemu_plugin_scoreboard *next;  /* free ones of the same size */
  uint8_t *base[];              /* by vCPU */
};

typedef struct Chunk {          /* scoreboards are cut from larger ones */
  BpCounter counter;
  size_t used, size;
} Chunk;

/* --- handles of a call-back ------------------------------------------------------------------------------------- */

struct qemu_plugin_insn {
  struct qemu_plugin_tb *tb;
  const BpInsn *insn;
  unsigned index;
};

typedef struct Request Request;

struct qemu_plugin_tb {
  struct Plugin *plugin;
  BpInstrBlock *block;          /* NULL: the call-back is over */
  GArray *asked;                /* of Request: for the host, when it is over */
  unsigned n;
  unsigned room;
  struct qemu_plugin_insn *insn;
};

struct qemu_plugin_hwaddr {
  uint64_t physical;
  bool is_io;
};

struct qemu_plugin_register {
  const char *name, *feature;
  unsigned bytes;
  bool is_readonly;
};

/* An access, or the part of one that the plugin is being told of. */
typedef struct Part {
  const BpAccess *whole;
  uint64_t address;
  uint32_t offset;              /* in the whole */
  uint32_t bytes;
} Part;

/* --- the plugin ----------------------------------------------------------------------------------------------------- */

typedef struct Output {
  GMutex lock;
  GString *kept;
  FILE *file;
  char *path;
  size_t keep;
  bool is_cut, has_failed;
  size_t reported;              /* bytes that a report has shown */
} Output;

typedef struct Plugin {
  /* properties */
  char *file;
  char **args;
  char *output_path;
  uint64_t keep;
  /* loaded */
  void *handle, *global;
  uintptr_t base;               /* where it was loaded */
  qemu_plugin_id_t id;
  int version;
  int argc;
  char **argv;
  const char *target;
  bool is_installed, is_installing, wants_out;
  /* attached */
  BpInstrument *instrument;
  unsigned n_vcpus;
  unsigned n_started;           /* atomic: the highest that was, plus 1 */
  uint8_t *has_started;         /* by vCPU */
  BpVcpu **vcpus;               /* by number; NULL: not known */
  BpAddressSpace *memory;
  struct qemu_plugin_register *registers;
  unsigned n_registers;
  /* what it asked for */
  GRecMutex lock;
  Slot slot[N_EVENTS];
  struct qemu_plugin_tb tb;
  GHashTable *calls;            /* of Call *, each its own key */
  Chunk chunk;
  GHashTable *free_scores;      /* size -> list */
  GPtrArray *scores;            /* all */
  uint32_t generation;          /* atomic */
  bool is_closed;               /* atomic: no call-backs but the one that ends it */
  bool is_over;                 /* exit call-backs were made */
  struct {                      /* a reset or uninstall on its way */
    int stage;                  /* atomic: enum LeaveStage */
    bool is_reset;
    Function *function;
    void *userdata;
    unsigned visited, first;    /* vCPUs that have left the plugin's code; which was the first */
  } leaving;
  uint32_t unserved;            /* atomic bits of Unserved: said already */
  Output out;
} Plugin;

/* --- now.c: whose code runs on this thread ------------------------------------------------------------------------------ */

typedef struct Now {
  Plugin *plugin;
  unsigned vcpu;                /* NO_VCPU: none */
  int flags;                    /* enum qemu_plugin_cb_flags */
  const Part *part;             /* of an access */
  struct qemu_plugin_hwaddr hwaddr;
  void *escape;                 /* jmp_buf *: where qemu_plugin_set_pc goes */
} Now;
#define NO_VCPU UINT32_MAX

extern __thread Now now __attribute__ ((tls_model ("initial-exec")));

Now now_enter (Plugin *plugin, unsigned vcpu, int flags);       /* returns what to leave with */
void now_leave (Now before);
Plugin *now_plugin (const void *return_address);                /* NULL: no plugin's code */
Plugin *plugin_by_id (qemu_plugin_id_t id);                     /* NULL: none */
void plugins_add (Plugin *plugin);
void plugins_remove (Plugin *plugin);
#define CALLER() now_plugin (__builtin_return_address (0))

/* What cannot be done here: said once a plugin. */
typedef enum Unserved {
  NO_TIME_CONTROL, NO_SYSCALLS, NO_FLUSH, NO_HOST_CALLS, NO_SET_PC, NO_VALUE, NO_BLOCK, NO_RESET, NO_COUNTERS,
  N_UNSERVED
} Unserved;
void unserved (Plugin *plugin, Unserved what);
const char *unserved_function (Unserved what);
const char *unserved_text (Unserved what);

/* --- loader.c --------------------------------------------------------------------------------------------------------------- */

bool loader_open (Plugin *plugin, GError **error);
bool loader_install (Plugin *plugin, GError **error);
void loader_close (Plugin *plugin);
char **loader_argv (char **args, int *argc);

/* --- events.c ----------------------------------------------------------------------------------------------------------------- */

extern const BpInstrumentOps events_ops;
void events_exit (Plugin *plugin);              /* makes the exit call-backs, once */
void events_leave (Plugin *plugin, bool is_reset, Function *function, void *userdata);
void events_left (Plugin *plugin, unsigned vcpu);       /* after a call-back, when somebody wants to leave */
void events_abandon (Plugin *plugin);           /* the machine ends: whoever still leaves is out */

/* --- calls.c: from generated code to the plugin ------------------------------------------------------------------------------------ */

const Call *call_intern (Plugin *plugin, const Call *like);
unsigned call_hash (gconstpointer call);
gboolean call_equal (gconstpointer a, gconstpointer b);
BpInsnCall call_exec, call_exec_escape, call_exec_operation;
BpAccessCall call_access, call_access_escape, call_access_operation;

/* --- api-block.c: a block; when its call-back is over, what was asked goes to the host ------------------------------------- */

void block_open (struct qemu_plugin_tb *tb, struct Plugin *plugin, BpInstrBlock *block);
void block_close (struct qemu_plugin_tb *tb);
void block_free (struct qemu_plugin_tb *tb);

/* --- shape.c ---------------------------------------------------------------------------------------------------------------------------- */

Shape shape_of (const BpInsn *insn);
unsigned shape_next (const Plugin *plugin, Shape shape, unsigned left); /* bytes of the next part */

/* --- api-scoreboard.c ---------------------------------------------------------------------------------------------------------------------- */

BpCounter score_counter (qemu_plugin_u64 entry);        /* 0: has none */
void scores_free (Plugin *plugin);

/* --- api-state.c ---------------------------------------------------------------------------------------------------------------------------- */

void registers_find (Plugin *plugin);

/* --- output.c --------------------------------------------------------------------------------------------------------------------------------- */

bool output_open (Plugin *plugin, GError **error);
void output_write (Plugin *plugin, const char *text);
void output_report (Plugin *plugin, BpReport *report);
void output_close (Plugin *plugin);

/* --- names that no header of the newest version declares ------------------------------------------------------------------------------------------ */

QEMU_PLUGIN_API int qemu_plugin_read_register (struct qemu_plugin_register *handle, GByteArray *buf);
QEMU_PLUGIN_API int qemu_plugin_write_register (struct qemu_plugin_register *handle, GByteArray *buf);
QEMU_PLUGIN_API int qemu_plugin_n_vcpus (void);
QEMU_PLUGIN_API int qemu_plugin_n_max_vcpus (void);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_tb_exec_inline (struct qemu_plugin_tb *tb, enum qemu_plugin_op op, void *ptr, uint64_t imm);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_insn_exec_inline (struct qemu_plugin_insn *insn, enum qemu_plugin_op op, void *ptr, uint64_t imm);
QEMU_PLUGIN_API void qemu_plugin_register_vcpu_mem_inline (struct qemu_plugin_insn *insn, enum qemu_plugin_mem_rw rw, enum qemu_plugin_op op,
                                                           void *ptr, uint64_t imm);

#endif
