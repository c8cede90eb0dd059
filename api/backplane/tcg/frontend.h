/* frontend.h -- what a CPU frontend gives to a translating accelerator, and what it gets from it. */
/* SPDX-License-Identifier: MIT */
/*
 * PURPOSE.  A CPU type that can be translated provides interface BP_TCG_FRONTEND_ID, a BpTcgFrontend table.  `env` is the
 * CPU object's instance state; its first member must be a BpTcgArea, which belongs to the accelerator.  Everything here runs
 * on the vCPU's thread [vcpu] unless it says otherwise.  Nothing in it takes a "return address": where a helper was
 * called from is recorded by the generated code, so any helper may raise.
 *
 * STABILITY.  Same-minor promise (see plugin.h).
 */
#ifndef BACKPLANE_TCG_FRONTEND_H
#define BACKPLANE_TCG_FRONTEND_H

#include <backplane/tcg/guest-insn.h>
#include <backplane/tcg/ir.h>
#include <backplane/tcg/ir-build.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BP_TCG_FRONTEND_ID "bp.tcg-frontend/1"

typedef enum BpMmuAccess { BP_MMU_LOAD, BP_MMU_STORE, BP_MMU_FETCH } BpMmuAccess;

/* A word of a page table: where it is in physical memory, and its value. */
typedef struct BpTlbWord {
  uint64_t physical, value;
} BpTlbWord;
#define BP_TLB_MAX_WORDS 5

/* What a page walk found; zeros when tlb_fill gets it. */
typedef struct BpTlbFill {
  uint64_t physical;            /* physical address of the page's first byte, aligned to 4 KiB */
  uint8_t page_shift;           /* size of the mapping, 12 or more: one invalidation covers it all */
  uint8_t readable, writable, executable;       /* for this MMU index */
  uint8_t global;               /* survives an address-space switch */
  uint8_t watched;              /* the guest wants to hear of data accesses to it: `watch` is asked before each */
  /* What it rests on: the words that the walk read, from the top level down, the last maps the page.  Values are those that the walk left there
   * (accessed and dirty bits set).  A register that was loaded from such a word (PAE's page-directory pointers) is given as the word's place and the
   * register's value.  While memory holds these values, a new walk from the same root would find the same: so a translation may outlive a
   * reload of the root when its words are told, and does not when they are not (n_words 0). */
  uint8_t n_words, word_size;   /* bytes of a word: 4 or 8 */
  BpTlbWord word[BP_TLB_MAX_WORDS];
  /* What else the rights of data rest on: one of 32 registers or parts of registers, by number from 1; 0: nothing.  tlb_flush_keys names them. */
  uint8_t key;
} BpTlbFill;

/* Under what a block was translated: equal keys and equal bytes at the same place give the same code. */
typedef struct BpTbKey {
  uint64_t pc;                  /* guest virtual (linear) address of the first instruction */
  uint64_t base;                /* what the frontend subtracts for its own pc, e.g. the code segment's base */
  uint64_t flags;               /* CPU mode bits that the translation depends on */
} BpTbKey;

typedef struct BpTcgOps BpTcgOps;

/* First member of a translated CPU's state.  Opaque but for what is declared here; so large that it may grow. */
typedef struct BpTcgArea {
  const BpTcgOps *ops;          /* the accelerator's services; set before the first call of the frontend */
  void *vcpu;                   /* BpVcpu *, see cpu.h */
  uint8_t opaque[16384 - 2 * sizeof (void *)];
} BpTcgArea;

/* One translation in progress. */
typedef struct BpTranslation {
  BpTbKey key;
  BpIrBlock *ir;
  uint32_t max_insns;           /* stop after this many guest instructions (1 when stepping) */
  uint32_t n_insns;             /* out: guest instructions translated, at least 1 */
  uint32_t n_bytes;             /* out: guest code bytes they cover, from key.pc */
  uint32_t cflags;              /* BP_TCG_CF_* */
  /* in: key.flags.  out: the flags of the key under which its goto_tb and goto_ptr go on, when the block changes them in a way known already. */
  uint64_t exit_flags;
  /* in: a hot path from here on: addresses on key.pc's page that were gone to by direct jumps, one after the other.  A branch to the next of them
   * may be followed instead of ending the block: what else it does is a side exit then.  Nothing depends on how many are followed. */
  const uint64_t *path;
  uint32_t n_path;
  uint32_t n_before;            /* out, with a path: the code begins as many bytes before key.pc; n_bytes tells where it ends, as ever.  It is 0 when it comes:
                                   who follows no path leaves it alone, and exit_flags likewise */
} BpTranslation;

enum {
  BP_TCG_CF_NO_CHAIN = 1 << 0,  /* emit no goto_tb/goto_ptr/goto_any: every block returns to the loop */
  /* Deterministic mode.  An instruction that goes to a device, or asks for the time or the count of instructions, by a helper is the last of its block, so that what
   * comes of it (a timer that is due, an interrupt) comes right behind it.  gld and gst need no care: the accelerator knows which instruction is at a
   * device, and the time that this one sees is its own; what comes of it comes at the block's end. */
  BP_TCG_CF_ICOUNT   = 1 << 1
};

/* Services of the accelerator. */
struct BpTcgOps {
  uint32_t struct_size;

  /* Copies up to `want` (<= 16) code bytes at linear address `address` into `buffer` while translating; returns how many it got.
   * Fewer than wanted: the next page cannot be fetched.  With `must` it raises that page's fault instead (and does
   * not return): use it when the faulting instruction is the first of the block. */
  unsigned (*fetch) (void *env, BpTranslation *t, uint64_t address, uint8_t *buffer, unsigned want, bool must);

  /* Leave generated code now and deliver what the frontend has recorded in its state: the guest state is first restored to
   * the start of the current instruction.  Never returns.  Not in a helper with BP_HELPER_NO_GLOBALS or _PURE, nor are leave, load, store and probe. */
  void (*raise) (void *env) __attribute__ ((noreturn));
  /* Leave generated code now without restoring anything: the state is what the frontend says it is. */
  void (*leave) (void *env) __attribute__ ((noreturn));
  /* Ask that the current block be left at its end (interrupts were enabled, say). */
  void (*leave_soon) (void *env);
  /* Restore pc and flag representation to the start of the current instruction without leaving (helpers that look at them). */
  void (*restore) (void *env);

  /* Guest virtual memory from a helper, with this CPU's paging; may raise.  Sizes 1, 2, 4, 8. */
  uint64_t (*load) (void *env, uint64_t address, BpMemOp memop);
  void (*store) (void *env, uint64_t address, uint64_t value, BpMemOp memop);
  /* The host address of [address, address+size), which must lie in one page, when it is plain RAM that may be accessed directly
   * (stores: dirty logs and translated code have been taken care of); NULL when it is a device; raises on a fault. Valid until the next guest access.
   * Who accesses memory through it says so with `accessed'. */
  void *(*probe) (void *env, uint64_t address, unsigned size, BpMmuAccess access, unsigned mmu_index);
  /* Guest physical memory and I/O ports.  Never raise; size 1, 2, 4, 8. */
  uint64_t (*load_physical) (void *env, uint64_t physical, unsigned size);
  void (*store_physical) (void *env, uint64_t physical, uint64_t value, unsigned size);
  uint32_t (*io_read) (void *env, uint16_t port, unsigned size);
  void (*io_write) (void *env, uint16_t port, uint32_t value, unsigned size);
  /* compare-and-exchange of a physical 4 or 8 byte word (page-table accessed/dirty bits): true when it was `expected`. */
  bool (*cmpxchg_physical) (void *env, uint64_t physical, uint64_t expected, uint64_t desired, unsigned size);

  /* The software TLB of this vCPU. */
  void (*tlb_flush) (void *env, bool global_too);
  void (*tlb_flush_page) (void *env, uint64_t address);
  /* The guest switched to the address space named by `id` (a CR3 value, say); what was cached for others must not be used. */
  void (*tlb_switch) (void *env, uint64_t id);

  /* The FP state of env is stored to its copy and no longer resident (call before looking at it from plain C). */
  void (*fp_store) (void *env);

  /* Instructions executed by this vCPU so far, when the machine is deterministic (bp_machine_is_deterministic; else nobody counts them, and it is 0); and the
   * machine's virtual time in ns.  Instructions that fault are not counted, nor is the current one.  A frontend that is about to tell its guest the time calls
   * bp_machine_catch_up (iface/accel.h) with it first, and leave_soon when that says that timers were due: on a busy host the guest would see its alarms late. */
  uint64_t (*instructions) (void *env);
  int64_t (*virtual_time) (void *env);

  /* Address spaces with tags: these take the place of tlb_switch and tlb_flush (env, false).  "Dropped" means that a later access finds what a walk
   * now would find; global translations are never meant.
   * The guest switched to the space whose top table is at `root`, under tag `asid` (x86: the PCID, 0 without PCIDs).  keep: what was cached under the tag may
   * still be used (x86: bit 63 of CR3); else it is dropped. */
  void (*tlb_switch_space) (void *env, uint64_t root, uint64_t asid, bool keep);
  /* What was cached under the tag is dropped; BP_TLB_EVERY_ASID: under every tag. */
  void (*tlb_flush_space) (void *env, uint64_t asid);
  /* One page under the tag. */
  void (*tlb_flush_page_in) (void *env, uint64_t asid, uint64_t address);
  /* What rests on a key of the set (bit k: BpTlbFill.key k + 1) is dropped, in every space, and what is global too: the key gives fewer rights than
   * it did.  When it gives more, nothing need be said.  What may be executed does not depend on keys. */
  void (*tlb_flush_keys) (void *env, uint32_t keys);
  /* The guest's magic instruction was executed, with this number: instruments are told.  It must end its block (goto_any, or exit_tb NONE). */
  void (*marker) (void *env, uint64_t number);
  /* [address, address+size), in one page, was loaded or stored by way of what `probe' gave: instruments hear of it, and code that another CPU has translated from
   * there since the probe goes.  load and store tell by themselves.  NULL: nobody wants to know. */
  void (*accessed) (void *env, uint64_t address, unsigned size, BpMmuAccess access, unsigned mmu_index);
};
#define BP_TLB_EVERY_ASID (~(uint64_t) 0)

/* The table of a CPU frontend. */
typedef struct BpTcgFrontend {
  uint32_t struct_size;
  const char *name;                     /* "i386" */
  const BpIrGlobal *globals;
  uint32_t n_globals;
  const BpIrHelper *const *helpers;     /* NULL-terminated: every helper, for the text form */
  uint32_t pc_offset;                   /* from env: the pc that exits store; 32 or 64 bits by pc_size */
  uint8_t pc_size;                      /* 4 or 8 */
  uint8_t address_bits;                 /* 32 or 64: width of gld/gst addresses */
  uint8_t n_mmu_indexes;                /* at most 16 */
  uint8_t max_insn_bytes;               /* 15 */
  /* From env, 64-aligned: 512 bytes in FXSAVE64 layout (SDM 2A table 3-47).  0: none, and no `native' insns.  With it, what may be called while this state is in the
   * host's registers is built with -mgeneral-regs-only: all of this table but translate, disassemble, dump, describe and insn_registers. */
  uint32_t fp_offset;
  uint32_t fp_vectors;                  /* vector registers in use: 8 or 16 */

  /* The key under which the code at the current pc runs. */
  void (*key) (const void *env, BpTbKey *key);
  unsigned (*fetch_mmu_index) (const void *env);
  /* Emits one block into t->ir, beginning at t->key.pc: insn_start before each guest instruction, an END insn last. */
  void (*translate) (void *env, BpTranslation *t);
  /* insn_start's values of the instruction being executed, to be put into the state. */
  void (*restore) (void *env, uint64_t pc, uint32_t word);
  /* Looks `address` up in the guest's page tables.  false: the fault is recorded in env (and will be raised), or, with `quiet`, nothing
   * is recorded.  Only fetches are quiet, of code that may run soon: what the walk leaves in the page tables is what a processor's leaves that fetches ahead.
   * Of an access that runs over into another page, each page is looked up by the first byte that is in it. */
  bool (*tlb_fill) (void *env, uint64_t address, BpMmuAccess access, unsigned mmu_index, bool quiet, BpTlbFill *fill);
  /* Deliver what was recorded before `raise`: an exception or trap.  May itself raise. */
  void (*deliver) (void *env);
  /* Take the highest pending enabled interrupt among `pending` (cpu.h BP_VCPU_IRQ_*); true when one was taken.  A halted CPU is asked only when `wakes' says so, and
   * is not halted any more afterwards, also when none is taken (RISC-V's WFI with interrupts off). */
  bool (*interrupt) (void *env, uint32_t pending);
  /* A halted CPU: whether one of `pending` wakes it.  One that runs: whether `interrupt' would take one of them before the next instruction, or soon (a state
   * that ends with this instruction keeps it waiting): it is then run an instruction at a time until that is done, so what a mask keeps waiting does not count. */
  bool (*wakes) (const void *env, uint32_t pending);
  bool (*is_halted) (const void *env);
  /* A host fault happened in generated code, state restored; record the guest's exception. */
  void (*host_fault) (void *env, BpHostFault fault);
  /* Portable execution of a native insn on the state's FP copy.  mem points to host memory that holds the operand (and takes
   * the result); returns the integer result.  NULL: there are no native insns. */
  uint64_t (*native_portable) (void *env, uint64_t native, uint32_t aux, uint64_t in, void *mem, uint32_t *flags);
  /* One guest instruction as text, for -d in_asm; returns its length in bytes, 0 when undecodable. */
  unsigned (*disassemble) (const BpTbKey *key, uint64_t pc, const uint8_t *bytes, unsigned n, char *out, size_t out_size);
  /* The registers as text, for -d cpu_reset, int, exec. */
  void (*dump) (const void *env, char *out, size_t out_size);
  /* A load or store to a page that tlb_fill reported as `watched` is about to be made.  What strikes is recorded, to be seen to after the
   * instruction; leave_soon has been called then.  true: it strikes, and nothing is recorded yet, because the instruction is not `alone`
   * in its block: do it again in one of its own.  NULL: no page is watched. */
  bool (*watch) (void *env, uint64_t address, unsigned size, BpMmuAccess access, bool alone);
  /* The pin set (0 .. BP_TCG_PIN_SETS - 1) of blocks with this key; it may depend on key->flags alone.  NULL: always 0. */
  unsigned (*pin_set) (const BpTbKey *key);
  /* Bit k: blocks of pin set k use the low halves of i64 globals only (no op writes 64 bits to a pinned one).  Then the accelerator
   * takes their upper halves as 0, whatever was there when such a block is entered. */
  uint32_t narrow_pin_sets;
  /* From env, 16-aligned: bits 255:128 of the vector registers, 16 bytes each (SDM 1, 13.5.3); 0 = they have none. */
  uint32_t fp_upper_offset;
  /* goto_ptr is about to go to pc, which it has not proved to be right before.  false: it may not; the fault is recorded and will be
   * raised, on the instruction that jumps: what that has changed in globals already is for `restore` to undo.  NULL: it may always. */
  bool (*may_jump) (void *env, uint64_t pc);
  /* Whether an access with BP_MO_ADDR64 can reach `address`, whatever the tables say (x86: it is canonical).  Where it cannot, tlb_fill records
   * the fault, which comes before that of a misaligned access and before those of the access's other pages.  NULL: it always can. */
  bool (*is_address) (uint64_t address);
  /* Bits of the pending word that wait while a debugger steps: interrupts, but not resets nor what an instruction has brought upon itself. */
  uint32_t debug_masked;
  /* What instruments are told of an instruction that was translated under `key': fills insn_class, code_bits, privilege, flags and target from
   * insn's address, size and bytes; the rest is there.  NULL: nothing is known. */
  void (*describe) (const BpTbKey *key, BpInsn *insn);
  /* The registers that it names; struct_size has been set. false: not known.  NULL: never. */
  bool (*insn_registers) (const BpInsn *insn, BpInsnRegisters *out);
} BpTcgFrontend;

#define BP_TCG_PIN_SETS 2

/* Services as calls. */
static inline const BpTcgOps *bp_tcg_ops (const void *env) { return ((const BpTcgArea *) env)->ops; }

#ifdef __cplusplus
}
#endif
#endif
