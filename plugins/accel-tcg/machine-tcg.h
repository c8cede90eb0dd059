/* machine-tcg.h -- the translator's state of one machine, and the functions that its C files share. */
/* SPDX-License-Identifier: MIT */
#ifndef ACCEL_TCG_MACHINE_TCG_H
#define ACCEL_TCG_MACHINE_TCG_H

#include <backplane/cpu.h>
#include <backplane/iface/accel.h>
#include <backplane/log.h>
#include <backplane/object.h>
#include "backend.h"
#include "debug.h"

/* --- physical memory: the last ranges of the flat view, so that fills need no look-up in it --------------------- */

typedef struct PhysRange {
  uint64_t first, size;         /* whole pages; size 0: empty */
  uint8_t *host;                /* NULL: not plain memory */
  uint64_t ram_address;         /* ~0: not RAM */
  bool readonly;
} PhysRange;
#define N_PHYS_RANGES 8

/* --- software TLB, the part that generated code does not see ---------------------------------------------------- */

/* Why a translation holds (BpTlbFill.word): the word that maps the page, and the words above it.  See softmmu-space.c. */
typedef struct TlbProof {
  const void *leaf;             /* in host memory; NULL: nobody knows */
  uint64_t value;
  uint32_t serial;              /* of the path: when it has another one now, nobody knows either */
  uint16_t path;                /* index in the space's paths; TLB_NO_PATH: there is nothing above the leaf */
  uint8_t size;                 /* of a word */
} TlbProof;
#define TLB_NO_PATH 0xffffu

typedef struct TlbFull {
  uint64_t physical;            /* page */
  uint64_t ram_address;         /* page; ~0 when not RAM */
  TlbProof proof;               /* entries that are not global */
  uint8_t global;
  uint8_t written;              /* since the logs were settled, although WATCHED */
  uint8_t listed;               /* stands in the journal */
  uint8_t page_shift;
  uint8_t key;                  /* BpTlbFill.key */
} TlbFull;

/* Which large pages were cached since it was cleared; it may say so of others too. */
typedef struct LargePages {
  uint32_t shifts;              /* bit i: pages of 2^(12 + i) bytes */
  uint64_t bits[16];
} LargePages;

static inline unsigned
large_page_bit (uint64_t page, unsigned shift)
{
  return (unsigned) ((((page >> shift) + shift) * 0x9e3779b97f4a7c15u) >> 54);
}

static inline void
large_pages_note (LargePages *l, uint64_t page, unsigned shift)
{
  unsigned bit = large_page_bit (page, shift);
  l->shifts |= 1u << (shift - TLB_PAGE_BITS);
  l->bits[bit / 64] |= (uint64_t) 1 << bit % 64;
}

/* Whether `page` may lie in one of those of 2^shift bytes. */
static inline bool
large_pages_has_size (const LargePages *l, uint64_t page, unsigned shift)
{
  unsigned bit = large_page_bit (page, shift);
  return l->bits[bit / 64] >> bit % 64 & 1;
}

static inline bool
large_pages_has (const LargePages *l, uint64_t page)
{
  for (uint32_t left = l->shifts; left; left &= left - 1)
    if (large_pages_has_size (l, page, TLB_PAGE_BITS + (unsigned) __builtin_ctz (left)))
      return true;
  return false;
}

/* Whether the two may lie in the same one. */
static inline bool
large_pages_same (const LargePages *l, uint64_t a, uint64_t b)
{
  return l->shifts && (a ^ b) >> (TLB_PAGE_BITS + 31 - (unsigned) __builtin_clz (l->shifts)) == 0;
}

/* A filter of the RAM pages that a table may have entries for which store: most tables have none for a page that code is translated from for the first time. */
#define TLB_STORED_BITS 13

/* What is cached for one MMU index. */
typedef struct TlbTable {
  TlbEntry *entry;
  TlbFull *full;
  uint32_t *journal;            /* indexes of all entries that are not global, each once (and perhaps others) */
  uint32_t entries, n_journal;  /* entries 0: not allocated */
  uint32_t fills, evictions;    /* since the last resize decision; how many of them took another page's place */
  bool has_global;
  uint32_t keys;                /* that were cached since it was cleared: bit k is key k + 1 */
  LargePages large;
  uint64_t stored[(1 << TLB_STORED_BITS) / 64];         /* atomic: tlb_watch_page looks at it */
} TlbTable;

/* --- jumps: see jump-cache.c -------------------------------------------------------------------------------- */

/* A page that code was fetched from. */
typedef struct CodeFetch {
  uint64_t linear, ram_address; /* of the first byte; ram_address ~0: not RAM */
  TlbProof proof;
  uint8_t global, page_shift;
} CodeFetch;

/* Why a name holds. */
typedef struct PageRef {
  uint64_t page;                /* linear */
  TlbProof proof;
  uint16_t next;                /* of the same hash */
  bool used, listed, global;
  bool crowded;                 /* jumps of another page may hang on it, too */
} PageRef;
#define REF_HASH 1024

typedef struct JumpSet {
  JumpEntry *entry;
  uint32_t *page_id;            /* PAGE_IDS */
  PageRef *ref;                 /* PAGE_IDS */
  uint32_t n_listed, n_refs, n_local;
  bool crowded, has_global;
  LargePages large;
  uint16_t hash[REF_HASH];      /* of refs by page */
  uint16_t listed[1 << JUMP_CACHE_BITS];        /* entries that were made, each once */
  uint16_t ref_list[PAGE_IDS];
} JumpSet;

/* Modes as numbers, so that they need not be looked up under the machine's lock. */
typedef struct LastMode {
  uint64_t base, flags;
  uint32_t mmu, mode;
} LastMode;
#define LAST_MODES 16
#define LAST_MODE(key, mmu) (((key)->flags * 0x9e3779b97f4a7c15u + (key)->base * 0xc2b2ae3d27d4eb4fu + (mmu)) >> 60)


/* The words above the leaf of some translations. */
typedef struct TlbPath {
  uint32_t serial;              /* 0: empty */
  uint32_t round;               /* of the last look at the words */
  bool holds;                   /* what that look has shown */
  uint8_t n;
  uint64_t physical[BP_TLB_MAX_WORDS - 1], value[BP_TLB_MAX_WORDS - 1];
  const void *host[BP_TLB_MAX_WORDS - 1];
} TlbPath;
#define TLB_PATHS 64            /* direct-mapped */

/* A guest address space that was not long ago.  Modes that are mostly global share one table; the others have a table in each space. */
typedef struct Space {
  uint64_t root, asid;
  uint64_t last_used;           /* 0: not in use */
  bool doubtful;                /* look at all proofs before it is used again */
  TlbTable table[16];
  JumpSet *jump[16];            /* NULL: not yet */
  TlbPath path[TLB_PATHS];
} Space;
#define N_SPACES 8

/* What other threads ask of a vCPU's TLB. */
enum {
  SOFTMMU_MAP = 1,              /* the memory map changed: forget everything */
  SOFTMMU_LOG = 2               /* dirty bits were cleared: stores need care again */
};

typedef struct Softmmu {
  TlbTable *mode[16];           /* the live tables, as in TcgVcpu.tlb */
  unsigned n_modes;
  TlbTable shared[16];
  uint32_t private_modes;       /* bit: not shared */
  uint32_t n_local[16], n_global[16];   /* fills since everything was flushed: what speaks for and against tables in each space */
  Space space[N_SPACES], *current;
  uint64_t clock;               /* switches so far */
  uint32_t serial, round;       /* last of TlbPath */
  PhysRange range[N_PHYS_RANGES];       /* most recently used first */
  BpAddressSpace *memory, *io;
  JumpSet *jump[16], *shared_jump[16];  /* the live ones; NULL: not yet */
  JumpSet *jump_set[(N_SPACES + 1) * 16];       /* all there are */
  unsigned n_jump_sets;         /* atomic: other threads walk them */
  unsigned fetch_mode;          /* which of them generated code uses */
  JumpEntry *nothing;           /* a jump cache without entries */
  LastMode last_mode[LAST_MODES];
  GMutex table_lock;            /* for the tables' addresses and sizes, which only their vCPU changes */
  uint32_t asked;               /* atomic: SOFTMMU_* that is still to be done */
} Softmmu;

/* --- the machine ------------------------------------------------------------------------------------------------ */

#define TB_HASH_BITS 17
#define MODE_HASH_BITS 10
#define MOST_MODES 16384u       /* a guest may have a mode for each code segment it makes up: then they go, with all blocks */

typedef struct TbMode {         /* an interned (base, flags, MMU index that fetches) */
  uint64_t base, flags;
  uint32_t mmu, id;
  struct TbMode *next;
} TbMode;

/* A RAM page's name where it is fetched from: see jump-cache.c. */
typedef struct PageName {
  uint64_t linear;              /* page */
  uint32_t mmu, id;
} PageName;
#define PAGE_NAMES 8

/* Blocks of a RAM page; the page's CODE dirty bit is clear while there are any. */
typedef struct CodePage {
  uint64_t page;                /* ram_address >> 12 */
  Tb *first;                    /* through page_next[which], low bit of the pointer = which */
  uint64_t lines;               /* bit i: there may be blocks of the page's 64 bytes from 64 * i on; others than those have none */
  uint64_t starts[8];           /* atomic; ditto of blocks that begin in the 8 bytes from 8 * i on */
  struct CodePage *next;
  PageName name[PAGE_NAMES];    /* the last ones; id 0: none */
  unsigned next_name;
  unsigned emptied;             /* how often writes have taken the last block from it, up to CODE_PAGE_STAYS */
  unsigned idle;                /* then: writes since there was code */
  uint8_t retired_sizes;        /* atomic: of blocks that have gone from here; see tb-revive.c */
  unsigned lost;                /* how often writes have taken blocks that were compiled twice: others have to be hotter */
} CodePage;
static inline unsigned page_start (uint64_t ram_address) { return (unsigned) (ram_address & ~TLB_PAGE_MASK) / 8; }
/* A page whose code comes and goes stays watched, which costs its stores something and saves looking for its TLB entries each time; until
 * so many writes found no code. */
#define CODE_PAGE_STAYS 16
#define CODE_PAGE_IDLE 64

/* The code buffer is filled part by part: tb-regions.c. */
#define CODE_REGIONS 256
#define EMPTIED_BITS 15
#define CODE_REGION_MIN (64u << 10)     /* holds the largest block several times */

/* Blocks that were invalidated, and may be put back: see tb-revive.c.  A set is a cache line, the latest first. */
typedef struct Retired {
  uint64_t tag;                 /* atomic; 0: none */
  Tb *tb;
} Retired;
#define RETIRED_BITS 11
#define RETIRED_WAYS 4

typedef struct TcgMachine {
  void *self;                   /* the accel object */
  BpMachine *machine;
  const BpTcgFrontend *frontend;
  Backend *backend;
  CodeBuffer buffer;
  size_t buffer_start;          /* used after begin(): the blocks' parts of the buffer begin there */
  size_t region_size;           /* of one part */
  unsigned n_regions, region;   /* how many; the one that is being filled */
  unsigned n_in_use, oldest;    /* the first so many of them; the one to be emptied next */
  uint32_t n_made, n_missed;    /* blocks since the one before that was begun; those that had not long gone */
  uint32_t n_made_here, n_missed_here;  /* since that one was begun */
  uint8_t emptied_at[1 << EMPTIED_BITS];        /* by a hash of a block: n_flushes then, modulo, 1 and up; 0: not */
  GMutex lock;                  /* translation, linking, invalidation */
  Tb *hash[1 << TB_HASH_BITS];
  TbMode *modes[1 << MODE_HASH_BITS];
  uint32_t n_modes;
  uint32_t n_page_ids[16];      /* names given out, by MMU index */
  CodePage *pages[4096];
  Retired retired[1 << RETIRED_BITS][RETIRED_WAYS];
  Tb **by_address;              /* region_blocks of each region, sorted by code: appended as code is */
  uint32_t region_blocks, n_by_address[CODE_REGIONS];
  GPtrArray *vcpus;             /* of TcgVcpu * */
  GMutex run_lock;              /* for the next three: see exclusive.c */
  GCond run_cond;
  unsigned n_running;
  bool exclusive;
  unsigned listener;
  bool deterministic, optimise, chain;
  int logged;                   /* atomic: somebody has cleared dirty bits, so dropping a TLB entry needs care */
  unsigned icount_shift;
  GArray *recoveries;           /* of TbRecovery: of the block that is being made */
  TcgDebug *debug;              /* NULL: there is no debugger */
  struct TcgInstr *instr;       /* NULL: there has been no instrument */
  uint32_t hot_after;           /* entries that make a block hot; 0: nothing is counted */
  uint64_t n_translated, n_flushes, n_invalidated, n_revived, n_replaced;
} TcgMachine;

/* The accelerator's object. */
typedef struct Accel {
  int backend;
  uint64_t code_cache;
  bool optimise, chain;
  uint32_t hot_after;
  TcgMachine *tcg;
} Accel;

#define CODE_WINDOW 2048        /* the longest block, and an instruction to look at behind it */

/* The path from a hot block while it is being watched. */
typedef struct HotPath {
  Tb *head;                     /* NULL: none */
  Tb *at;                       /* the block that runs, or ran last; NULL: head is yet to */
  uint16_t offset[TB_MAX_PATH];
  unsigned n;
} HotPath;

/* What the accelerator keeps for one vCPU beyond TcgVcpu. */
typedef struct VcpuExtra {
  TcgMachine *tcg;
  BpVcpu *vcpu;
  BpIrBlock ir;
  Tb scratch;                   /* the block being translated, until its IR is done */
  bool in_event;                /* deliver() what was recorded */
  bool look_again;              /* an interrupt is only held off by the instruction before: look after one block */
  bool one_insn;                /* the next block must be a single instruction, outside the cache */
  bool looked;                  /* for the block that the last one went on to, in vain: only tb_translate has it */
  Tb *last_tb;                  /* block and exit that wait to be linked */
  unsigned last_exit;
  HotPath path;
  Tb *hot;                      /* its counter has run out */
  Tb *again;                    /* the block that the translation in progress is to take the place of, or NULL */
  uint64_t exit_flags;          /* of the block just translated: BpTranslation.exit_flags */
  uint64_t fetch_linear;        /* the translation in progress: linear address of its first page */
  uint8_t code[CODE_WINDOW];    /* what it has read, from its key's pc on */
  unsigned n_code;
  uint64_t fetch_page[2];       /* under the machine's lock: RAM addresses of the pages it has read, ~0 none */
  bool fetch_stale;             /* ditto: one of them was written meanwhile */
  int64_t icount_budget;        /* what icount_left started from */
  uint64_t icount_done;         /* instructions before that */
  uint64_t icount_skew;         /* instructions' worth of time skipped while halted */
  Tb *writer;                   /* the last block that stored to a watched page: the next such store is mostly of the same */
  bool running;                 /* under run_lock, written by its own thread: counted in n_running */
  uint64_t icount_seen;         /* atomic: done + skew as other threads see it */
  VcpuDebug debug;
  bool in_loop;                 /* atomic: its thread is in exec_run */
} VcpuExtra;

static inline Softmmu *tcg_softmmu (TcgVcpu *v) { return (Softmmu *) v->softmmu; }
static inline VcpuExtra *tcg_extra (TcgVcpu *v) { return (VcpuExtra *) v->extra; }

/* --- leaving generated code: the rest is in exec-leave.c ---------------------------------------------------------- */

/* At the end of the block that runs.  (Others look at exit_request: tb_link.) */
TCG_IN_SIGNAL static inline void
tcg_ask_to_leave (TcgVcpu *v)
{
  __atomic_store_n (&v->exit_request, 1, __ATOMIC_RELEASE);
  v->jump_cache = v->jump_cache_empty;
}

/* The same from C code that a block called, and from the handler of kicks. */
TCG_IN_SIGNAL static inline void
tcg_leave_soon (TcgVcpu *v)
{
  tcg_ask_to_leave (v);
  v->events |= TCG_EVENT_LEAVE;
}

/* The current instruction is not done: what the frontend has recorded is delivered. */
void tcg_raise (TcgVcpu *v) __attribute__ ((noreturn));

/* softmmu-tlb.c */
void softmmu_init (TcgVcpu *v, BpAddressSpace *memory, BpAddressSpace *io);
void softmmu_finish (TcgVcpu *v);
void tlb_flush_all (TcgVcpu *v);
void tlb_flush_page (TcgVcpu *v, uint64_t address);
void tlb_flush_keys (TcgVcpu *v, uint32_t keys);        /* BpTcgOps.tlb_flush_keys */
void tlb_watch_page (TcgVcpu *v, uint64_t ram_page);    /* stores to the RAM page take the slow path from now on */
void softmmu_ask (TcgVcpu *v, uint32_t what);           /* [any]: done at once on the vCPU's thread, else before its next block */
void softmmu_do_asked (TcgVcpu *v);
void phys_cache_flush (TcgVcpu *v);
const PhysRange *phys_find (TcgVcpu *v, uint64_t physical);     /* of phys_range: not the first one */
/* Makes the entry for address valid for the access; NULL: there is a fault, which the frontend has recorded unless it is `quiet`. */
TlbEntry *tlb_try (TcgVcpu *v, uint64_t address, BpMmuAccess access, unsigned mmu, bool quiet);
/* The same, or raises. */
static inline TlbEntry *
tlb_fill (TcgVcpu *v, uint64_t address, BpMmuAccess access, unsigned mmu)
{
  TlbEntry *e = tlb_try (v, address, access, mmu, false);
  if (G_UNLIKELY (!e))
    tcg_raise (v);
  return e;
}
void tlb_show (TcgVcpu *v, unsigned mmu, TlbTable *t);  /* the mode's table is t from now on */
void tlb_table_allocate (TcgVcpu *v, TlbTable *t);
void tlb_table_clear (TcgVcpu *v, TlbTable *t);
void tlb_entry_clear (TcgVcpu *v, TlbTable *t, uint32_t index);

/* softmmu-space.c */
void space_init (TcgVcpu *v);
void space_switch (TcgVcpu *v, uint64_t root, uint64_t asid, bool keep);
void space_flush (TcgVcpu *v, uint64_t asid);           /* BP_TLB_EVERY_ASID: all */
void space_flush_current (TcgVcpu *v);
void space_flush_page (TcgVcpu *v, uint64_t asid, uint64_t address);
void space_forget_all (TcgVcpu *v);                     /* and one table for everything again; the shared ones are cleared already */
void proof_make (TcgVcpu *v, const BpTlbFill *fill, TlbProof *proof);
bool proof_holds (Softmmu *s, Space *space, const TlbProof *proof);      /* of this round: as of the last refresh */

static inline uint32_t tlb_index (const TcgVcpu *v, uint64_t address, unsigned mmu)
{ return (uint32_t) ((address >> TLB_PAGE_BITS) & (v->tlb[mmu].mask >> 5)); }
static inline uint64_t tlb_wrap (const TcgVcpu *v, uint64_t address)
{ return v->frontend->address_bits == 32 ? (uint32_t) address : address; }
static inline TlbEntry *tlb_entry (const TcgVcpu *v, uint64_t address, unsigned mmu)
{ return &v->tlb[mmu].table[tlb_index (v, address, mmu)]; }
static inline TlbFull *tlb_full (TcgVcpu *v, uint64_t address, unsigned mmu)
{ return &tcg_softmmu (v)->mode[mmu]->full[tlb_index (v, address, mmu)]; }
/* The one field of an entry that other threads write as well (tlb_watch_page). */
static inline uint64_t tlb_store_tag (const TlbEntry *e) { return __atomic_load_n (&e->store, __ATOMIC_RELAXED); }
static inline uint64_t
tlb_tag (const TlbEntry *e, BpMmuAccess access)
{ return access == BP_MMU_LOAD ? e->load : access == BP_MMU_STORE ? tlb_store_tag (e) : e->fetch; }
static inline bool tlb_covers (uint64_t tag, uint64_t address) { return (tag & (TLB_PAGE_MASK | TLB_INVALID)) == (address & TLB_PAGE_MASK); }
/* The entry that covers `address` for this access, filled when it has to be: raises, or, quiet, is NULL. */
static inline TlbEntry *
tlb_entry_for (TcgVcpu *v, uint64_t address, BpMmuAccess access, unsigned mmu)
{
  TlbEntry *e = tlb_entry (v, address, mmu);
  return G_LIKELY (tlb_covers (tlb_tag (e, access), address)) ? e : tlb_fill (v, address, access, mmu);
}
static inline TlbEntry *
tlb_entry_quiet (TcgVcpu *v, uint64_t address, BpMmuAccess access, unsigned mmu)
{
  TlbEntry *e = tlb_entry (v, address, mmu);
  return G_LIKELY (tlb_covers (tlb_tag (e, access), address)) ? e : tlb_try (v, address, access, mmu, true);
}
/* Guest memory in the host's byte order: one load or store each, wherever it lies. */
typedef union __attribute__ ((packed, may_alias)) HostWord {
  uint8_t u8;
  uint16_t u16;
  uint32_t u32;
  uint64_t u64;
} HostWord;
static inline uint64_t
host_load (const void *at, unsigned size)
{
  const HostWord *p = at;
  return size == 1 ? p->u8 : size == 2 ? p->u16 : size == 4 ? p->u32 : p->u64;
}
static inline void
host_store (void *at, uint64_t value, unsigned size)
{
  HostWord *p = at;
  switch (size) {
  case 1: p->u8 = (uint8_t) value; break;
  case 2: p->u16 = (uint16_t) value; break;
  case 4: p->u32 = (uint32_t) value; break;
  default: p->u64 = value;
  }
}
/* What lies at a physical address and around it: at least the page.  Valid until the next call. */
static inline const PhysRange *
phys_range (TcgVcpu *v, uint64_t physical)
{
  const PhysRange *r = tcg_softmmu (v)->range;
  return G_LIKELY (physical - r->first < r->size) ? r : phys_find (v, physical);
}

static inline uint8_t *phys_host (const PhysRange *r, uint64_t physical) { return r->host ? r->host + (physical - r->first) : NULL; }
static inline uint64_t
phys_ram_address (const PhysRange *r, uint64_t physical)
{
  return r->ram_address == ~(uint64_t) 0 ? r->ram_address : r->ram_address + (physical - r->first);
}

/* Resident FP state is put away before code that may use the host's FP registers. */
static inline void fp_leave (TcgVcpu *v) { if (v->fp_resident) tcg_fp_store (v); }

/* softmmu-access.c */
void *softmmu_probe (void *env, uint64_t address, unsigned size, BpMmuAccess access, unsigned mmu);
void softmmu_accessed (void *env, uint64_t address, unsigned size, BpMmuAccess access, unsigned mmu);   /* through what that has given */

/* tb-cache.c */
#define TB_MMU_SHIFT 24         /* tb->cflags: the MMU index that fetches */
uint32_t tb_mode (TcgMachine *m, uint64_t base, uint64_t flags, unsigned mmu);
void tb_modes_forget (TcgMachine *m);                   /* no block is left that has one */
Tb *tb_lookup (TcgMachine *m, const BpTbKey *key, uint64_t physical, uint32_t cflags);
bool tb_name_pages (TcgMachine *m, Tb *tb);             /* false: there are no more names */
void tb_insert (TcgMachine *m, Tb *tb);
Tb *tb_at (TcgMachine *m, uintptr_t pc);                /* the block that a host code address lies in, or NULL; async-signal-safe */

/* Who comes out of a block has come into it after it was made, perhaps by a jump that another vCPU had patched: ThreadSanitizer does not see that. */
#ifdef __SANITIZE_THREAD__
static inline void tb_made (Tb *tb) { __tsan_release (tb); }
static inline Tb *
tb_left (Tb *tb)
{
  if (tb)
    __tsan_acquire (tb);
  return tb;
}
#else
static inline void tb_made (Tb *tb) { }
static inline Tb *tb_left (Tb *tb) { return tb; }
#endif
void tb_link (TcgMachine *m, Tb *tb, unsigned n, Tb *target);
/* Takes the jumps out of a block (or NULL), which stays linked otherwise: they come back when they are linked again.  [any]; async-signal-safe */
void tb_unlink_exits (TcgMachine *m, Tb *tb);
void tb_register_code (TcgMachine *m, Tb *tb);
bool tb_may_register (TcgMachine *m);
uint32_t *tb_counter (TcgMachine *m);
void tb_count_afresh (TcgMachine *m, Tb *tb);
Tb **tb_region_blocks (TcgMachine *m, unsigned region, uint32_t *n);
void tb_replace (TcgMachine *m, Tb *tb, Tb *by);         /* tb, which has the same key, goes; what jumped there jumps to the other one */
/* It is found no longer, but by jump caches; without `unlink', its code goes at once, and what jumps there do does not matter. */
void tb_forget (TcgMachine *m, Tb *tb, bool unlink);
void tb_cache_finish (TcgMachine *m);
CodePage *code_page_find (TcgMachine *m, uint64_t page);
bool code_page_has_code (TcgMachine *m, uint64_t ram_address);
/* The bytes of a block that lie in its first or second page, as RAM addresses [*start, *end). */
void tb_bytes_in_page (const Tb *tb, unsigned which, uint64_t *start, uint64_t *end);
uint64_t tb_lines_between (uint64_t start, uint64_t end);       /* of a page's RAM addresses: as CodePage.lines */
uint64_t tb_lines (const Tb *tb, unsigned which);               /* those of a block */
void tb_invalidate (TcgMachine *m, Tb *tb);             /* [any], under the lock */
void code_page_watch (TcgMachine *m, uint64_t ram_page);        /* under the lock: writes to it are told from now on */

/* tb-revive.c */
void tb_retire (TcgMachine *m, Tb *tb);
Tb *tb_revive (TcgVcpu *v, const BpTbKey *key, uint64_t physical, uint32_t cflags);
void tb_retired_forget_between (TcgMachine *m, const void *from, const void *end);

/* jump-cache.c */
void jump_cache_init (TcgVcpu *v);
void jump_cache_finish (TcgVcpu *v);
void jump_cache_enter (TcgVcpu *v, unsigned mmu, Tb *tb, const CodeFetch *first, const CodeFetch *second);
Tb *jump_cache_find (TcgVcpu *v, unsigned mmu, const BpTbKey *key);
void jump_cache_show (TcgVcpu *v);                      /* to generated code: again after it was to leave */
void jump_cache_flush (TcgVcpu *v);
void jump_cache_flush_page (TcgVcpu *v, uint64_t page);
void jump_cache_drop_local (TcgVcpu *v, bool look);     /* look: but for what holds; else: of the shared sets */
void jump_cache_space_clear (Softmmu *s, Space *space);
void jump_cache_space_changed (TcgVcpu *v);
void jump_cache_forget (TcgVcpu *v, const Tb *tb);      /* [any] */
void jump_cache_forget_between (TcgVcpu *v, const void *from, const void *end);         /* blocks that lie there; v does not run */

/* tb-invalidate.c */
bool tb_is_on_page (const Tb *tb, uint64_t ram_address);
/* Blocks that overlap [ram_address, +size) go.  Returns whether `current` overlaps (it may have gone before).  [any], under the lock */
bool tb_invalidate_range (TcgMachine *m, uint64_t ram_address, uint64_t size, const Tb *current);
void tb_code_written (void *user, uint64_t ram_address, uint64_t size);        /* the core's code listener */

/* tb-regions.c */
void tb_regions_init (TcgMachine *m);                   /* by buffer_start and the buffer's size */
void tb_region_made (TcgMachine *m, const Tb *tb);      /* a block that is in RAM */
static inline size_t tb_region_start (const TcgMachine *m, unsigned region) { return ((m->buffer_start + 63) & ~(size_t) 63) + region * m->region_size; }
/* No vCPU in generated code; under the lock once there are vCPUs. */
void tb_flush_all (TcgMachine *m);
void tb_make_room (TcgMachine *m);                      /* the oldest blocks go, or there is more room to use */

/* tb-translate.c */
Tb *tb_translate (TcgVcpu *v, const BpTbKey *key, uint32_t cflags);     /* may raise */
void tb_translate_again (TcgVcpu *v, Tb *tb);            /* along its path: a new block takes its place.  The vCPU is where it begins; may raise */
void translate_abandon (TcgVcpu *v);                    /* it raised */
unsigned translate_fetch (void *env, BpTranslation *t, uint64_t address, uint8_t *buffer, unsigned want, bool must);

/* hot-path.c */
static inline void
hot_path_forget (TcgVcpu *v)
{
  VcpuExtra *x = tcg_extra (v);
  x->path.head = x->path.at = x->hot = NULL;
}
bool hot_path_enter (TcgVcpu *v, Tb *tb);               /* while path.head is set, before tb is run */
void hot_path_leave (TcgVcpu *v);                       /* and after */
void hot_path_see_to (TcgVcpu *v);                      /* x->hot is set; may raise */

/* exec-loop.c */
void exec_run (TcgVcpu *v);

/* tb-find.c */
Tb *tb_find (TcgVcpu *v, uint32_t max_insns);           /* at the state's pc, made when there is none; may raise */
void tb_link_exit (TcgMachine *m, Tb *from, unsigned n, Tb *to);        /* when that jump is always right */
uint64_t tcg_linear_pc (TcgVcpu *v);                    /* of the state */
bool tcg_code_is_there (TcgVcpu *v, uint64_t linear);   /* an instruction's first byte can be fetched */
static inline void
tcg_store_pc (TcgVcpu *v, uint64_t pc)
{
  void *at = (uint8_t *) v + v->frontend->pc_offset;
  if (v->frontend->pc_size == 4)
    *(uint32_t *) at = (uint32_t) pc;
  else
    *(uint64_t *) at = pc;
}

/* exec-leave.c */
void tcg_restore (TcgVcpu *v);                          /* pc and flags of the current instruction, into the state */
/* A device may have raised an interrupt for the very vCPU that accessed it, which only looks between blocks. */
void tcg_after_device (TcgVcpu *v);
void tcg_leave_loop (TcgVcpu *v) __attribute__ ((noreturn));    /* the current instruction is done */
void tcg_host_fault (TcgVcpu *v, BpHostFault fault) __attribute__ ((noreturn));
/* It is begun again, in whatever block is right then. */
void tcg_begin_again (TcgVcpu *v) __attribute__ ((noreturn));
/* A store is about to change the block that is running: redo its instruction alone, outside the cache. */
void tcg_redo_alone (TcgVcpu *v) __attribute__ ((noreturn));

/* icount.c */
uint64_t icount_now (TcgVcpu *v);                       /* instructions executed, exact inside a block too */
void icount_start (TcgVcpu *v);
void icount_stop (TcgVcpu *v);
void icount_weave (BpIrBlock *ir, uint32_t n_insns);    /* into a block of deterministic mode, before its passes */
int64_t icount_time (TcgMachine *m);                    /* [any]; exact on the vCPU's thread */

/* exclusive.c: [vcpu] */
void run_enter (TcgVcpu *v);                            /* waits while another vCPU is alone */
void run_leave (TcgVcpu *v);
bool exclusive_begin (TcgVcpu *v);                      /* true: no other vCPU runs until exclusive_end; false: another one was alone meanwhile */
void exclusive_end (TcgVcpu *v);

/* runtime.c */
extern const BpTcgOps tcg_ops;
extern const BpTcgOps tcg_ops_told;                     /* the same, and instruments hear of accesses */

/* signals.c */
bool signals_install (GError **error);
void signals_thread (TcgVcpu *v);                       /* this thread runs v from now on; NULL: no longer */
void signals_kick (uint64_t pthread_id);

#endif
