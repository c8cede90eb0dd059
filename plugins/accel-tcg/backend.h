/* backend.h -- what a host (host-x64, host-interp) gives to the translator: one struct. */
/* SPDX-License-Identifier: MIT */
#ifndef ACCEL_TCG_BACKEND_H
#define ACCEL_TCG_BACKEND_H

#include <glib.h>
#include "tcg.h"

/* A region of memory mapped twice: written at `rw`, executed at `rx`; never both at one address (code-buffer.c). */
typedef struct CodeBuffer {
  uint8_t *rw;
  const uint8_t *rx;
  size_t size, used;
  size_t limit;                 /* what is taken begins here; size at first */
  uint32_t *counter;            /* size / CODE_BLOCK_LEAST of them, which generated code reaches */
} CodeBuffer;
#define CODE_BLOCK_LEAST 96     /* bytes of it per block, on average at least */

bool code_buffer_init (CodeBuffer *buffer, size_t size, GError **error);
void code_buffer_populate (const CodeBuffer *buffer, size_t start, size_t size);       /* memory for this part of it, if the host is so kind */
void code_buffer_finish (CodeBuffer *buffer);
/* What goes with code, but is not executed: from the end down, for a CPU that sees writes near what it executes starts over.  Until `used` and
 * `limit` are put back; TB_ALIGN-aligned; NULL: it is full. */
void *code_buffer_take (CodeBuffer *buffer, size_t size);
/* What the next block is likely to fill has long left the caches: it comes while the block is thought about. */
void code_buffer_expect (const CodeBuffer *buffer);

typedef struct BackendBlock {           /* what compile() is given besides the IR */
  Tb *tb;                               /* key, mode, n_insns, cflags, counter, is_loop set; compile fills code .. exit, marks, insns, recoveries */
  const BpTcgFrontend *frontend;
  CodeBuffer *buffer;
  GString *dump;                        /* -d out_asm: appended to when not NULL */
  const GArray *recoveries;             /* of TbRecovery: what opt_recover left out; NULL: nothing */
  const struct InstrFilter *filters;    /* by number less 1, of record insns; NULL: there are none */
} BackendBlock;

/* Exit values of execute(): the block left by, with a number in the low bits (blocks are TB_ALIGN-aligned): of the exit to be linked, or one of these. */
#define TCG_EXIT_TB(v)     ((Tb *) ((v) & ~(uintptr_t) (TB_ALIGN - 1)))
#define TCG_EXIT_NUMBER(v) ((unsigned) ((v) & (TB_ALIGN - 1)))
enum {
  TCG_EXIT_NONE = BP_IR_EXIT_NONE,      /* look the pc up */
  TCG_EXIT_LEAVE,                       /* not entered, or asked to leave */
  TCG_EXIT_HOT                          /* not entered: its counter has run out; the pc is not stored */
};
_Static_assert (TCG_EXIT_HOT < TB_ALIGN, "exit values in the low bits");

typedef struct Backend {
  const char *name;
  /* Emits entry, exit and slow-path thunks for this frontend at the buffer's start. */
  bool (*begin) (CodeBuffer *buffer, const BpTcgFrontend *frontend, GError **error);
  /* Compiles ir (which it may modify).  false: the buffer is full and nothing was taken from it. */
  bool (*compile) (const BackendBlock *block, BpIrBlock *ir);
  /* Runs from tb until something returns to the loop. */
  uintptr_t (*execute) (void *env, Tb *tb);
  /* Make exit n of tb jump to `target` (NULL: fall through again).  Atomic with respect to running code, async-signal-safe. */
  void (*link) (CodeBuffer *buffer, Tb *tb, unsigned n, const Tb *target);
  /* Exit n of tb, which has an exit_guard, may be taken only while `page_id` is among the vCPU's page_ids.  Said once, before it is linked. */
  void (*guard) (CodeBuffer *buffer, Tb *tb, unsigned n, uint32_t page_id);
  /* Frees what compile allocated outside the buffer.  NULL: nothing. */
  void (*release) (Tb *tb);
  /* Frees what compile keeps from block to block.  NULL: nothing. */
  void (*finish) (void);

  /* --- of a host whose code runs on its own; else NULL.  context: a signal handler's ucontext_t; async-signal-safe --- */
  uintptr_t (*context_pc) (const void *context);
  /* A signal found tb running: a look-up that it was about to use is done again. */
  bool (*restart) (const Tb *tb, void *context);
  /* SIGFPE inside a block: what is in registers goes to env, and the handler's return to `entry'. */
  void (*take_fault) (TcgVcpu *v, void *context, void (*entry) (TcgVcpu *v, BpHostFault fault));
  /* Stores the FP state that fp_resident names, gives the host's registers their C defaults, and sets fp_resident = 0; fp_dropped and
   * events are the caller's.  begin() sets it. [vcpu] */
  void (*fp_store) (void *env);
  bool resident_fp;                     /* native insns run on the host's registers */
  bool checks_pages;                    /* a block of two pages begins with a look for the second's name */
  const uint8_t *leave_code;            /* begin() sets it: jumping here returns to the loop with TCG_EXIT_LEAVE */
} Backend;

extern Backend backend_x64, backend_interp;

/* --- passes over the IR, in the order tb-translate.c runs them --------------------- */
bool ir_verify (const BpIrBlock *ir, GError **error);   /* every rule of ir.h; debug builds and tests */
void ir_print (const BpIrBlock *ir, GString *out);
bool ir_parse (BpIrBlock *ir, const char *text, GError **error);
extern const BpIrOpInfo ir_op_info[BP_IR_N_OPS];
extern const char *const ir_cond_names[14];

void opt_fold (BpIrBlock *ir);          /* constants, copies, algebra, dead branches */
void opt_flags (BpIrBlock *ir);         /* setcond + brcond fusion and the like */
void opt_liveness (BpIrBlock *ir);      /* removes what no one reads, globals overwritten before any use, FAULT or exit included */
void opt_recover (BpIrBlock *ir, GArray *recoveries);   /* takes writes out that only faults see, and discards; fills the array with TbRecovery */

/* -1, or the index of the tb->insns entry that host address `pc` belongs to */
int tb_insn_at (const Tb *tb, const uint8_t *pc);
/* A fault is taken in that guest instruction: does what opt_recover left out.  Every global is in env; doing it twice changes nothing. */
void tb_recover (const Tb *tb, int insn, void *env);

#endif
