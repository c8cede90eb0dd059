/* debug.c -- a debugger's breakpoints, watchpoints and steps, with the processor's own debug registers. */
/* SPDX-License-Identifier: MIT */
/*
 * Four debug registers are all there is.  Watchpoints and hardware breakpoints must have one; software breakpoints get what is left, since a register
 * counts in every address space, changes no memory and outlives what the guest loads over it.  Those beyond are an INT3 in memory, there only while some
 * vCPU is in its loop: whoever looks at a stopped machine finds what the guest wrote.
 * A step is the processor's trap flag.  Interrupts wait meanwhile, or their handlers would run before the step is done.
 */
#include <backplane/iface/cpu-debug.h>
#include <backplane/log.h>
#include <backplane/memory.h>
#include <string.h>
#include <sys/ioctl.h>
#include "kvm.h"

enum { N_REGISTERS = 4, INT3 = 0xcc, EXC_DB = 1, EXC_BP = 3, EXC_PF = 14 };
enum { DR6_HITS = 15, DR6_BS = 1 << 14, DR6_GUEST = 0xe00f /* what a processor sets */, DR7_FIXED = 1 << 10 };
#define RFLAGS_TF (1u << 8)

typedef struct Point {
  BpDebugPoint is;
  bool in_memory;               /* no register was left for it */
  bool patched;
  uint8_t original;
  uint64_t physical;
  unsigned lifted;              /* by how many vCPUs, for a step over it */
} Point;

typedef struct KvmDebug {
  const BpDebugger *debugger;
  void *user;
  GArray *points;               /* of Point */
  uint64_t serial;              /* atomic */
  /* the layout of debug registers */
  uint64_t dr[N_REGISTERS];
  uint32_t dr7;
  unsigned owner[N_REGISTERS];  /* number of the point */
  unsigned n_used, n_in_memory;
  /* under lock */
  GMutex lock;
  unsigned n_inside;            /* vCPUs for which memory is patched */
} KvmDebug;

static bool is_break (BpDebugKind kind) { return kind == BP_DEBUG_SOFTWARE || kind == BP_DEBUG_HARDWARE; }

static Point *point_at (const KvmDebug *d, unsigned i) { return &g_array_index (d->points, Point, i); }

/* --- the layout of registers (SDM 3B 17.2.4) --------------------------------------------------- */

static bool
take_register (KvmDebug *d, unsigned owner, uint64_t address, unsigned length, unsigned kind)
{
  static const uint8_t codes[9] = { [1] = 0, [2] = 1, [4] = 3, [8] = 2 };
  unsigned n = d->n_used;
  if (n == N_REGISTERS)
    return false;
  d->dr[n] = address;
  d->dr7 |= 2u << 2 * n | (kind | (uint32_t) codes[length] << 2) << (16 + 4 * n);
  d->owner[n] = owner;
  d->n_used++;
  return true;
}

/* Data of any size, in aligned pieces. */
static bool
take_registers (KvmDebug *d, unsigned owner, const BpDebugPoint *p)
{
  enum { ON_EXECUTE = 0, ON_WRITE = 1, ON_ACCESS = 3 };
  if (is_break (p->kind))
    return take_register (d, owner, p->address, 1, ON_EXECUTE);
  for (uint64_t at = p->address, left = p->size; left;) {
    unsigned length = 8;
    while (at & (length - 1) || length > left)
      length /= 2;
    if (!take_register (d, owner, at, length, p->kind == BP_DEBUG_WRITE ? ON_WRITE : ON_ACCESS))
      return false;
    at += length;
    left -= length;
  }
  return true;
}

static bool
lay_out (KvmDebug *d)
{
  memset (d->dr, 0, sizeof d->dr);
  d->dr7 = DR7_FIXED;
  d->n_used = d->n_in_memory = 0;
  for (unsigned i = 0; i < d->points->len; i++)
    if (point_at (d, i)->is.kind != BP_DEBUG_SOFTWARE && !take_registers (d, i, &point_at (d, i)->is))
      return false;
  for (unsigned i = 0; i < d->points->len; i++) {
    Point *p = point_at (d, i);
    p->in_memory = p->is.kind == BP_DEBUG_SOFTWARE && !take_registers (d, i, &p->is);
    d->n_in_memory += p->in_memory;
  }
  return true;
}

/* --- points in memory: under the lock -------------------------------------------------------------- */

static const BpCpuDebugIface *
cpu_debug (const KvmVcpu *v)
{
  return bp_object_interface (v->cpu, BP_CPU_DEBUG_ID);
}

static bool
translate (const KvmVcpu *v, uint64_t address, uint64_t *physical)
{
  const BpCpuDebugIface *iface = cpu_debug (v);
  BpDebugPage page = { .struct_size = sizeof page };
  if (!BP_TABLE_HAS (iface, translate) || !iface->translate (v->cpu, address, &page))
    return false;
  *physical = page.physical;
  return true;
}

/* What is not mapped for this vCPU may be for the next. */
static void
patch (KvmVcpu *v, Point *p)
{
  static const uint8_t int3 = INT3;
  BpAddressSpace *memory = v->kvm->memory;
  if (!p->in_memory || p->patched || p->lifted || !translate (v, p->is.address, &p->physical))
    return;
  p->patched = bp_as_read (memory, p->physical, &p->original, 1) && bp_as_write_rom (memory, p->physical, &int3, 1);
}

/* Where the guest has written something else meanwhile, that stays. */
static void
restore (KvmVcpu *v, Point *p)
{
  uint8_t now;
  if (p->patched && bp_as_read (v->kvm->memory, p->physical, &now, 1) && now == INT3)
    bp_as_write_rom (v->kvm->memory, p->physical, &p->original, 1);
  p->patched = false;
}

static void
patch_all (KvmVcpu *v)
{
  KvmDebug *d = v->kvm->debug;
  if (!d->n_in_memory || v->sync.wants_patches)
    return;
  g_mutex_lock (&d->lock);
  v->sync.wants_patches = true;
  d->n_inside++;
  for (unsigned i = 0; i < d->points->len; i++)
    patch (v, point_at (d, i));
  g_mutex_unlock (&d->lock);
}

static Point *
find_patched (KvmDebug *d, uint64_t address)
{
  for (unsigned i = 0; i < d->points->len; i++)
    if (point_at (d, i)->in_memory && point_at (d, i)->is.address == address)
      return point_at (d, i);
  return NULL;
}

/* For a step over it the instruction is there again; other vCPUs may pass meanwhile. */
static void
lift (KvmVcpu *v, uint64_t address)
{
  KvmDebug *d = v->kvm->debug;
  g_mutex_lock (&d->lock);
  Point *p = find_patched (d, address);
  if (p) {
    restore (v, p);
    p->lifted++;
    v->sync.has_lifted = true;
    v->sync.lifted = address;
  }
  g_mutex_unlock (&d->lock);
}

static void
put_down (KvmVcpu *v)
{
  KvmDebug *d = v->kvm->debug;
  if (!v->sync.has_lifted)
    return;
  g_mutex_lock (&d->lock);
  Point *p = find_patched (d, v->sync.lifted);
  v->sync.has_lifted = false;
  if (p) {
    p->lifted--;
    if (d->n_inside)
      patch (v, p);
  }
  g_mutex_unlock (&d->lock);
}

void
kvm_debug_left (KvmVcpu *v)
{
  KvmDebug *d = v->kvm->debug;
  if (!d)
    return;
  put_down (v);
  if (!v->sync.wants_patches)
    return;
  g_mutex_lock (&d->lock);
  v->sync.wants_patches = false;
  if (--d->n_inside == 0)
    for (unsigned i = 0; i < d->points->len; i++)
      restore (v, point_at (d, i));
  g_mutex_unlock (&d->lock);
}

/* --- into the guest ----------------------------------------------------------------------------------- */

static uint64_t
place_of (const KvmVcpu *v)
{
  const BpCpuDebugIface *iface = cpu_debug (v);
  BpDebugPlace place = { .struct_size = sizeof place };
  if (BP_TABLE_HAS (iface, where))
    iface->where (v->cpu, &place);
  return place.address;
}

/* Registers without the breakpoints at an address. */
static uint32_t
dr7_without (const KvmDebug *d, uint64_t address)
{
  uint32_t dr7 = d->dr7;
  for (unsigned i = 0; i < d->n_used; i++)
    if (is_break (point_at (d, d->owner[i])->is.kind) && d->dr[i] == address)
      dr7 &= ~(3u << 2 * i);
  return dr7;
}

static void
tell (KvmVcpu *v, const struct kvm_guest_debug *g)
{
  bool steps = g->control & KVM_GUESTDBG_SINGLESTEP;    /* begins at RIP: said each time */
  if (!steps && !memcmp (g, &v->sync.armed, sizeof *g))
    return;
  int rc = kvm_ioctl (v->fd, KVM_SET_GUEST_DEBUG, g);
  if (rc < 0 && !v->sync.is_not_debugged) {
    v->sync.is_not_debugged = true;
    bp_warn (v->cpu, "KVM refuses to debug: %s", g_strerror (-rc));
  }
  v->sync.armed = *g;
}

static bool
can_block (const Kvm *k)
{
  return kvm_has (k, KVM_CAP_SET_GUEST_DEBUG2) & KVM_GUESTDBG_BLOCKIRQ;
}

/* The first instruction is one at which a breakpoint does not count: it is stepped over, without. */
static void
see_to_over (KvmVcpu *v)
{
  KvmDebug *d = v->kvm->debug;
  if (!(v->resume.flags & BP_DEBUG_OVER) || v->sync.is_over)
    return;
  uint64_t here = place_of (v);
  v->sync.is_over = find_patched (d, here) || dr7_without (d, here) != d->dr7;
  v->sync.over = here;
  if (!v->sync.is_over)
    v->resume.flags &= ~(uint32_t) BP_DEBUG_OVER;
  else
    lift (v, here);
}

/* The guest's own breakpoints get the registers that are left, as they were when the guest was last left; the kernel shows it the numbers it knows. */
static void
add_guests (KvmVcpu *v, uint64_t *dr)
{
  enum { ON_IO = 2 };
  struct kvm_debugregs regs = { .dr7 = 0 };
  unsigned n = v->kvm->debug->n_used;
  if (kvm_ioctl (v->fd, KVM_GET_DEBUGREGS, &regs) < 0)
    return;
  for (unsigned i = 0; i < N_REGISTERS && n < N_REGISTERS; i++) {
    uint32_t how = (uint32_t) regs.dr7 >> (16 + 4 * i) & 15;
    if (!(regs.dr7 >> 2 * i & 3) || (how & 3) == ON_IO)
      continue;
    dr[n] = regs.db[i];
    dr[7] |= 2u << 2 * n | how << (16 + 4 * n);
    v->sync.guests[n++] = (uint8_t) i;
  }
}

void
kvm_debug_arm (KvmVcpu *v)
{
  KvmDebug *d = v->kvm->debug;
  struct kvm_guest_debug g;
  if (G_LIKELY (!d && !v->sync.armed.control))
    return;
  memset (&g, 0, sizeof g);
  if (d) {
    see_to_over (v);
    patch_all (v);
    v->stepping = v->resume.action == BP_DEBUG_ONE || v->sync.is_over;
    if (v->stepping)
      v->run->request_interrupt_window = 0;     /* or it would not be entered at all */
    if (d->n_in_memory)
      g.control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP;
    if (d->n_used || v->sync.left_trap_flag) {
      g.control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP;
      memcpy (g.arch.debugreg, d->dr, sizeof d->dr);
      g.arch.debugreg[7] = v->sync.is_over ? dr7_without (d, v->sync.over) : d->dr7;
      add_guests (v, (uint64_t *) g.arch.debugreg);
    }
    if (v->stepping)
      g.control |= KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP | (can_block (v->kvm) ? KVM_GUESTDBG_BLOCKIRQ : 0);
  }
  tell (v, &g);
}

bool
kvm_debug_may_run (const KvmVcpu *v)
{
  return v->resume.action != BP_DEBUG_STAY;
}

bool
kvm_debug_masks (const KvmVcpu *v)
{
  return v->stepping;
}

/* --- out of the guest ------------------------------------------------------------------------------------- */

static void
end_step (KvmVcpu *v)
{
  put_down (v);
  v->stepping = v->sync.is_over = false;
  v->resume.flags &= ~(uint32_t) BP_DEBUG_OVER;
}

static void
stop_here (KvmVcpu *v, BpDebugKind kind, uint64_t address)
{
  KvmDebug *d = v->kvm->debug;
  uint64_t serial = __atomic_add_fetch (&d->serial, 1, __ATOMIC_RELAXED);
  v->sync.left_trap_flag |= v->stepping && kind != BP_DEBUG_STEP;
  end_step (v);
  v->stop = (BpDebugStop) { .struct_size = sizeof (BpDebugStop), .kind = kind, .address = address, .serial = serial };
  v->has_stopped = true;
  v->resume = (BpDebugResume) { .struct_size = sizeof (BpDebugResume), .action = BP_DEBUG_STAY };
  d->debugger->stopped (d->user, v->vcpu);
}

/* An instruction is done; true: there is more to do. */
static bool
step_done (KvmVcpu *v, uint64_t pc)
{
  bool one = v->resume.action == BP_DEBUG_ONE;
  end_step (v);
  if (!one || (pc >= v->resume.first && pc < v->resume.end))
    return true;
  stop_here (v, BP_DEBUG_STEP, pc);
  return false;
}

/* What is fetched is put back: the kernel has handed its NMIs over. */
static void
fetch (KvmVcpu *v)
{
  kvm_state_get (v);
  v->dirty = true;
}

void
kvm_debug_halted (KvmVcpu *v)
{
  if (!v->kvm->debug || !v->stepping)
    return;
  fetch (v);
  step_done (v, place_of (v));
}

/* It is the guest's own: it gets what the processor would have raised.  (The kernel has kept the length of an INT3.) */
static bool
give_back (KvmVcpu *v, unsigned exception, uint64_t dr6)
{
  struct kvm_vcpu_events events = { .flags = 0 };
  struct kvm_debugregs regs = { .dr6 = 0 };
  if (exception == EXC_DB && kvm_ioctl (v->fd, KVM_GET_DEBUGREGS, &regs) >= 0) {
    regs.dr6 = (regs.dr6 & ~(uint64_t) DR6_HITS) | (dr6 & DR6_GUEST);
    kvm_ioctl (v->fd, KVM_SET_DEBUGREGS, &regs);
  }
  if (kvm_ioctl (v->fd, KVM_GET_VCPU_EVENTS, &events) < 0)
    return true;
  events.flags = 0;
  events.exception.injected = 1;
  events.exception.nr = (uint8_t) exception;
  events.exception.has_error_code = 0;
  kvm_ioctl (v->fd, KVM_SET_VCPU_EVENTS, &events);
  return true;
}

/* A software breakpoint is one that has been fetched.  Where nothing is mapped, the fetch raises its page fault, and comes again. */
static bool
raises_fault (KvmVcpu *v, uint64_t pc)
{
  enum { CR4_SMEP = 1 << 20, EFER_NXE = 1 << 11, ERROR_USER = 4, ERROR_FETCH = 16 };
  BpX86State s = { .struct_size = sizeof s };
  uint64_t physical;
  fetch (v);
  if (translate (v, pc, &physical))
    return false;
  v->x86->get_state (v->cpu, &s);
  s.cr2 = pc;
  s.event_kind = BP_X86_EVENT_EXCEPTION;
  s.event_vector = EXC_PF;
  s.event_has_error = 1;
  s.event_error = ((s.segment[BP_X86_SS].attributes >> 5 & 3) == 3 ? ERROR_USER : 0) | (s.cr4 & CR4_SMEP || s.efer & EFER_NXE ? ERROR_FETCH : 0);
  v->x86->set_state (v->cpu, &s);
  return true;
}

/* One of the debugger's registers.  true: the guest goes on. */
static bool
register_hit (KvmVcpu *v, unsigned hits, uint64_t pc)
{
  KvmDebug *d = v->kvm->debug;
  const BpDebugPoint *found = NULL;
  for (unsigned i = 0; i < d->n_used; i++) {
    const BpDebugPoint *p = &point_at (d, d->owner[i])->is;
    if (hits >> i & 1 && (!found || is_break (p->kind)))
      found = p;
  }
  if (found->kind == BP_DEBUG_SOFTWARE && raises_fault (v, pc))
    return true;
  stop_here (v, found->kind, is_break (found->kind) ? pc : found->address);
  return false;
}

/* A step that was given up left the flag in memory, in some handler's frame. */
static bool
drop_trap_flag (KvmVcpu *v)
{
  struct kvm_regs regs = { .rflags = 0 };
  v->sync.left_trap_flag = false;
  if (kvm_ioctl (v->fd, KVM_GET_REGS, &regs) >= 0) {
    regs.rflags &= ~(uint64_t) RFLAGS_TF;
    kvm_ioctl (v->fd, KVM_SET_REGS, &regs);
  }
  return true;
}

/* A processor reports those that match and are not enabled, too. */
static unsigned
enabled_hits (const KvmVcpu *v, uint32_t dr6)
{
  uint32_t dr7 = (uint32_t) v->sync.armed.arch.debugreg[7];
  unsigned hits = 0;
  for (unsigned i = 0; i < N_REGISTERS; i++)
    if (dr6 >> i & 1 && dr7 >> 2 * i & 3)
      hits |= 1u << i;
  return hits;
}

/* DR6 with the guest's numbers. */
static uint64_t
guests_dr6 (const KvmVcpu *v, unsigned hits, uint64_t dr6)
{
  dr6 &= ~(uint64_t) DR6_HITS;
  for (unsigned i = v->kvm->debug->n_used; i < N_REGISTERS; i++)
    if (hits >> i & 1)
      dr6 |= 1u << v->sync.guests[i];
  return dr6;
}

static bool
debug_exception (KvmVcpu *v, uint64_t dr6, uint64_t pc)
{
  unsigned hits = enabled_hits (v, (uint32_t) dr6), ours = hits & ((1u << v->kvm->debug->n_used) - 1);
  if (ours)
    return register_hit (v, ours, pc);
  if (hits)
    return give_back (v, EXC_DB, guests_dr6 (v, hits, v->stepping ? dr6 & ~(uint64_t) DR6_BS : dr6));
  if (dr6 & DR6_BS && v->stepping)
    return step_done (v, pc);
  if (dr6 & DR6_BS && v->sync.left_trap_flag)
    return drop_trap_flag (v);
  return give_back (v, EXC_DB, guests_dr6 (v, 0, dr6));
}

bool
kvm_debug_exit (KvmVcpu *v)
{
  KvmDebug *d = v->kvm->debug;
  const struct kvm_debug_exit_arch *x = &v->run->debug.arch;
  if (!d)
    return give_back (v, x->exception, x->dr6);
  if (x->exception != EXC_BP)
    return debug_exception (v, x->dr6, x->pc);
  if (!find_patched (d, x->pc))
    return give_back (v, EXC_BP, 0);
  stop_here (v, BP_DEBUG_SOFTWARE, x->pc);
  return false;
}

/* --- the debugger's side: [main], while all are stopped --------------------------------------------------------- */

static void
detach (Kvm *k)
{
  KvmDebug *d = k->debug;
  if (!d)
    return;
  for (unsigned i = 0; i < k->vcpus->len; i++) {
    KvmVcpu *v = k->vcpus->pdata[i];
    kvm_debug_left (v);
    memset (&v->resume, 0, sizeof v->resume);
    v->has_stopped = v->stepping = v->sync.is_over = v->sync.left_trap_flag = false;
  }
  k->debug = NULL;
  g_array_unref (d->points);
  g_mutex_clear (&d->lock);
  g_free (d);
}

void
kvm_debug_finish (Kvm *k)
{
  detach (k);
}

bool
kvm_debug_attach (void *self, const BpDebugger *debugger, void *user)
{
  Kvm *k = self;
  if (!debugger) {
    detach (k);
    return true;
  }
  if (k->debug)
    return false;
  KvmDebug *d = g_new0 (KvmDebug, 1);
  d->debugger = debugger;
  d->user = user;
  d->points = g_array_new (false, true, sizeof (Point));
  g_mutex_init (&d->lock);
  lay_out (d);
  k->debug = d;
  return true;
}

static int
find_point (const KvmDebug *d, const BpDebugPoint *like)
{
  for (unsigned i = 0; i < d->points->len; i++) {
    const BpDebugPoint *p = &point_at (d, i)->is;
    if (p->kind == like->kind && p->address == like->address && (is_break (p->kind) || p->size == like->size))
      return (int) i;
  }
  return -1;
}

/* The processor has no watchpoint that reads strike and writes do not. */
bool
kvm_debug_insert (void *self, const BpDebugPoint *point)
{
  KvmDebug *d = ((Kvm *) self)->debug;
  Point new = { .is = *point };
  if (!d || point->kind >= BP_DEBUG_STEP || point->kind == BP_DEBUG_READ || (!is_break (point->kind) && point->size == 0))
    return false;
  if (find_point (d, point) >= 0)
    return true;
  g_array_append_val (d->points, new);
  if (lay_out (d))
    return true;
  g_array_set_size (d->points, d->points->len - 1);
  lay_out (d);
  return false;
}

bool
kvm_debug_remove (void *self, const BpDebugPoint *point)
{
  KvmDebug *d = ((Kvm *) self)->debug;
  int i = d ? find_point (d, point) : -1;
  if (i < 0)
    return false;
  g_array_remove_index (d->points, (guint) i);
  lay_out (d);
  return true;
}

/* A step that was not finished (the machine was stopped before) may have left the trap flag in a frame. */
void
kvm_debug_resume (void *self, BpVcpu *vcpu, const BpDebugResume *how)
{
  KvmVcpu *v = kvm_vcpu_at (self, vcpu);
  v->sync.left_trap_flag |= v->stepping;
  v->sync.is_over = false;
  v->resume = *how;
  v->stepping = how->action == BP_DEBUG_ONE && v->activity != BP_X86_HALTED;
}

bool
kvm_debug_take_stop (void *self, BpVcpu *vcpu, BpDebugStop *stop)
{
  KvmVcpu *v = kvm_vcpu_at (self, vcpu);
  if (!v->has_stopped)
    return false;
  v->has_stopped = false;
  *stop = v->stop;
  return true;
}
