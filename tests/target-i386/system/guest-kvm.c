/* guest-kvm.c -- the host's processor as KVM lends it: a virtual machine of one processor and one piece of memory. */
/* SPDX-License-Identifier: MIT */

#include "system.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { TIME_LIMIT_MS = 200 };

static int system_fd = -1, vm = -1, vcpu = -1;
static struct kvm_run *run;
static size_t run_size;
static uint8_t *memory;
static timer_t timer;

/* --- segments ---------------------------------------------------------------------------------- */

static struct kvm_segment
to_kvm (const BpX86Segment *s)
{
  unsigned a = s->attributes;
  return (struct kvm_segment) {
    .base = s->base, .limit = s->limit, .selector = s->selector, .type = a & 15, .s = a >> 4 & 1, .dpl = a >> 5 & 3, .present = a >> 7 & 1,
    .avl = a >> 12 & 1, .l = a >> 13 & 1, .db = a >> 14 & 1, .g = a >> 15 & 1, .unusable = !(a >> 7 & 1)
  };
}

static BpX86Segment
from_kvm (const struct kvm_segment *s)
{
  unsigned a = s->unusable ? 0
    : (unsigned) (s->type | s->s << 4 | s->dpl << 5 | s->present << 7 | s->avl << 12 | s->l << 13 | s->db << 14 | s->g << 15);
  return (BpX86Segment) { .selector = s->selector, .attributes = (uint16_t) a, .limit = s->limit, .base = s->base };
}

/* BP_X86_ES .. BP_X86_TR */
static struct kvm_segment *
segment_of (struct kvm_sregs *s, unsigned i)
{
  struct kvm_segment *const all[8] = { &s->es, &s->cs, &s->ss, &s->ds, &s->fs, &s->gs, &s->ldt, &s->tr };
  return all[i];
}

/* --- model-specific registers ---------------------------------------------------------------------- */

enum { N_MSRS = 9 };
typedef struct Msrs {
  struct kvm_msrs head;
  struct kvm_msr_entry entry[N_MSRS];
} Msrs;

static const struct { uint32_t number; size_t offset; } msr_fields[N_MSRS] = {
  { 0xc0000081, offsetof (BpX86State, star) }, { 0xc0000082, offsetof (BpX86State, lstar) }, { 0xc0000083, offsetof (BpX86State, cstar) },
  { 0xc0000084, offsetof (BpX86State, sfmask) }, { 0xc0000102, offsetof (BpX86State, kernel_gs_base) },
  { 0x174, offsetof (BpX86State, sysenter_cs) }, { 0x175, offsetof (BpX86State, sysenter_esp) },
  { 0x176, offsetof (BpX86State, sysenter_eip) },
  { 0xc0000103, offsetof (BpX86State, tsc_aux) }
};

static uint64_t *msr_field (BpX86State *s, unsigned i) { return (uint64_t *) ((uint8_t *) s + msr_fields[i].offset); }

static bool
put_msrs (BpX86State *s)
{
  Msrs m = { .head.nmsrs = N_MSRS };
  for (unsigned i = 0; i < N_MSRS; i++)
    m.entry[i] = (struct kvm_msr_entry) { .index = msr_fields[i].number, .data = *msr_field (s, i) };
  return ioctl (vcpu, KVM_SET_MSRS, &m) >= N_MSRS - 1;          /* TSC_AUX may be missing */
}

static void
get_msrs (BpX86State *s)
{
  Msrs m = { .head.nmsrs = N_MSRS };
  for (unsigned i = 0; i < N_MSRS; i++)
    m.entry[i].index = msr_fields[i].number;
  int n = ioctl (vcpu, KVM_GET_MSRS, &m);
  for (int i = 0; i < n; i++)
    *msr_field (s, (unsigned) i) = m.entry[i].data;
}

/* --- the state, in and out ----------------------------------------------------------------------------- */

/* kvm_regs begins with sixteen words: rax rbx rcx rdx rsi rdi rsp rbp r8 .. r15. */
static unsigned
gpr_of_word (unsigned i)
{
  static const uint8_t first[8] = { BP_X86_RAX, BP_X86_RBX, BP_X86_RCX, BP_X86_RDX, BP_X86_RSI, BP_X86_RDI, BP_X86_RSP, BP_X86_RBP };
  return i < 8 ? first[i] : i;
}


static bool
put_sregs (BpX86State *s)
{
  struct kvm_sregs k;
  if (ioctl (vcpu, KVM_GET_SREGS, &k))
    return false;
  for (unsigned i = 0; i < 8; i++)
    *segment_of (&k, i) = to_kvm (&s->segment[i]);
  k.gdt = (struct kvm_dtable) { .base = s->gdtr.base, .limit = (uint16_t) s->gdtr.limit };
  k.idt = (struct kvm_dtable) { .base = s->idtr.base, .limit = (uint16_t) s->idtr.limit };
  k.cr0 = s->cr0;
  k.cr2 = s->cr2;
  k.cr3 = s->cr3;
  k.cr4 = s->cr4;
  k.cr8 = s->cr8;
  k.efer = s->efer;
  memset (k.interrupt_bitmap, 0, sizeof k.interrupt_bitmap);
  return ioctl (vcpu, KVM_SET_SREGS, &k) == 0;
}

static bool
put_state (BpX86State *s)
{
  struct kvm_regs r;
  struct kvm_debugregs d = { .dr6 = s->dr[6], .dr7 = s->dr[7] };
  struct kvm_vcpu_events events = { .flags = 0 };
  struct kvm_fpu fpu = { .fcw = 0x37f, .mxcsr = 0x1f80 };
  uint64_t *g = (uint64_t *) &r;
  for (unsigned i = 0; i < 16; i++)
    g[i] = s->gpr[gpr_of_word (i)];
  r.rip = s->rip;
  r.rflags = s->rflags;
  memcpy (d.db, s->dr, sizeof d.db);
  run->cr8 = s->cr8;
  return ioctl (vcpu, KVM_SET_VCPU_EVENTS, &events) == 0 && ioctl (vcpu, KVM_SET_FPU, &fpu) == 0 && put_sregs (s)
         && ioctl (vcpu, KVM_SET_REGS, &r) == 0 && ioctl (vcpu, KVM_SET_DEBUGREGS, &d) == 0 && put_msrs (s);
}

static void
get_state (BpX86State *s)
{
  struct kvm_sregs k;
  struct kvm_regs r;
  struct kvm_debugregs d;
  const uint64_t *g = (const uint64_t *) &r;
  ioctl (vcpu, KVM_GET_SREGS, &k);
  ioctl (vcpu, KVM_GET_REGS, &r);
  ioctl (vcpu, KVM_GET_DEBUGREGS, &d);
  for (unsigned i = 0; i < 16; i++)
    s->gpr[gpr_of_word (i)] = g[i];
  s->rip = r.rip;
  s->rflags = r.rflags;
  for (unsigned i = 0; i < 8; i++)
    s->segment[i] = from_kvm (segment_of (&k, i));
  s->gdtr.base = k.gdt.base;
  s->gdtr.limit = k.gdt.limit;
  s->idtr.base = k.idt.base;
  s->idtr.limit = k.idt.limit;
  s->cr0 = k.cr0;
  s->cr2 = k.cr2;
  s->cr3 = k.cr3;
  s->cr4 = k.cr4;
  s->cr8 = run->cr8;
  s->efer = k.efer;
  memcpy (s->dr, d.db, sizeof d.db);
  s->dr[6] = d.dr6;
  s->dr[7] = d.dr7;
  get_msrs (s);
}

/* --- memory ------------------------------------------------------------------------------------------------- */

static bool
put_slot (size_t size)
{
  struct kvm_userspace_memory_region region = { .slot = 0, .memory_size = size, .userspace_addr = (uintptr_t) memory };
  return ioctl (vm, KVM_SET_USER_MEMORY_REGION, &region) == 0;
}

/* KVM may hold translations from the case before, and is told of the guest's own stores to tables alone.  A change of the host's mapping
 * makes it forget pages; what it knows of upper tables goes only with the memory itself, which takes milliseconds. */
static bool
put_memory (const Slot *slot)
{
  static uint64_t tables[5 * SYS_PAGE / 8];
  const uint64_t *now = (const uint64_t *) (slot->memory + SYS_PAGE);
  bool alike = memcmp (tables, now, 3 * SYS_PAGE) == 0 && memcmp (tables + 4 * SYS_PAGE / 8, now + 4 * SYS_PAGE / 8, SYS_PAGE) == 0;
  memcpy (tables, now, sizeof tables);
  memcpy (memory, slot->memory, SYS_MEMORY);
  if (!alike)
    return put_slot (0) && put_slot (SYS_MEMORY);
  return mprotect (memory, SYS_MEMORY, PROT_READ) == 0 && mprotect (memory, SYS_MEMORY, PROT_READ | PROT_WRITE) == 0;
}

/* --- running ------------------------------------------------------------------------------------------------ */

static void
do_port (Slot *slot)
{
  uint8_t *data = (uint8_t *) run + run->io.data_offset;
  for (unsigned i = 0; i < run->io.count; i++, data += run->io.size) {
    uint32_t value = 0;
    bool is_write = run->io.direction == KVM_EXIT_IO_OUT;
    if (is_write)
      memcpy (&value, data, run->io.size);
    else
      value = sys_port_value (run->io.port, run->io.size);
    memcpy (data, &value, run->io.size);
    sys_note_port (slot, run->io.port, run->io.size, is_write, value);
  }
}

static void
set_timer (int ms)
{
  struct itimerspec t = { .it_value.tv_nsec = ms * 1000000L, .it_interval.tv_nsec = ms * 1000000L };
  timer_settime (timer, 0, &t, NULL);
}

/* true: it goes on. */
static bool
serve_exit (Slot *slot)
{
  switch (run->exit_reason) {
  case KVM_EXIT_IO:
    do_port (slot);
    return true;
  case KVM_EXIT_MMIO:           /* nothing there */
    memset (run->mmio.data, 0xff, sizeof run->mmio.data);
    return true;
  case KVM_EXIT_SET_TPR:
    return true;
  case KVM_EXIT_HLT:
    slot->end = RUN_HALTED;
    return false;
  case KVM_EXIT_SHUTDOWN:
    slot->end = RUN_SHUTDOWN;
    return false;
  case KVM_EXIT_INTERNAL_ERROR:
    snprintf (slot->why, sizeof slot->why, "KVM gave up, internal error %u", run->internal.suberror);
    break;
  default:
    snprintf (slot->why, sizeof slot->why, "KVM gave up, exit reason %u", run->exit_reason);
  }
  slot->end = RUN_REFUSED;
  return false;
}

static void
run_loop (Slot *slot)
{
  for (;;) {
    if (ioctl (vcpu, KVM_RUN, 0) == 0) {
      if (!serve_exit (slot))
        return;
    } else if (errno == EINTR) {
      slot->end = RUN_STUCK;
      return;
    } else {
      snprintf (slot->why, sizeof slot->why, "KVM_RUN: %s", strerror (errno));
      slot->end = RUN_REFUSED;
      return;
    }
  }
}

void
kvm_run (Slot *slot)
{
  slot->n_ports = 0;
  slot->why[0] = 0;
  if (!put_memory (slot) || !put_state (&slot->state)) {
    snprintf (slot->why, sizeof slot->why, "KVM does not take the state");
    slot->end = RUN_REFUSED;
    return;
  }
  set_timer (TIME_LIMIT_MS);
  run_loop (slot);
  set_timer (0);
  get_state (&slot->state);
  memcpy (slot->memory, memory, SYS_MEMORY);
}

/* --- starting ------------------------------------------------------------------------------------------------ */

static void on_alarm (int number) { }

typedef struct Cpuid {
  struct kvm_cpuid2 head;
  struct kvm_cpuid_entry2 entry[64];
} Cpuid;

static void
add_leaf (Cpuid *c, Backplane *model, uint32_t leaf, uint32_t subleaf, bool indexed)
{
  uint32_t out[4];
  backplane_cpuid (model, leaf, subleaf, out);
  c->entry[c->head.nent++] = (struct kvm_cpuid_entry2) {
    .function = leaf, .index = subleaf, .flags = indexed ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
    .eax = out[0], .ebx = out[1], .ecx = out[2], .edx = out[3]
  };
}

static bool
put_cpuid (Backplane *model)
{
  Cpuid c = { .head.nent = 0 };
  for (uint32_t leaf = 0; leaf < 11; leaf++)
    add_leaf (&c, model, leaf, 0, leaf == 7);
  for (uint32_t sub = 0; sub < 3; sub++)
    add_leaf (&c, model, 13, sub, true);
  for (uint32_t leaf = 0x80000000; leaf <= 0x80000008; leaf++)
    add_leaf (&c, model, leaf, 0, false);
  return ioctl (vcpu, KVM_SET_CPUID2, &c) == 0;
}

static bool
make_machine (void)
{
  vm = ioctl (system_fd, KVM_CREATE_VM, 0);
  if (vm < 0)
    return false;
  ioctl (vm, KVM_SET_TSS_ADDR, 0xfffbd000);
  memory = mmap (NULL, SYS_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED || !put_slot (SYS_MEMORY))
    return false;
  vcpu = ioctl (vm, KVM_CREATE_VCPU, 0);
  if (vcpu < 0)
    return false;
  run_size = (size_t) ioctl (system_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
  run = mmap (NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
  return run != MAP_FAILED;
}

bool
kvm_start (Backplane *model, const char **why)
{
  struct sigaction action = { .sa_handler = on_alarm };
  struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
  *why = "/dev/kvm does not open";
  system_fd = open ("/dev/kvm", O_RDWR | O_CLOEXEC);
  if (system_fd < 0)
    return false;
  *why = "KVM makes no virtual machine";
  if (!make_machine ())
    return false;
  *why = "KVM does not take the model's CPUID";
  if (!put_cpuid (model))
    return false;
  *why = "no timer";
  return sigaction (SIGALRM, &action, NULL) == 0 && timer_create (CLOCK_MONOTONIC, &event, &timer) == 0;
}

void
kvm_finish (void)
{
  munmap (run, run_size);
  munmap (memory, SYS_MEMORY);
  close (vcpu);
  close (vm);
  close (system_fd);
  timer_delete (timer);
}
