/* probe.c -- plugin for tests: stops the machine where the guest says so and writes down its whole state; devices of every kind for the guest to touch. */
/* SPDX-License-Identifier: MIT */
#include <backplane/arch/x86-state.h>
#include <backplane/clock.h>
#include <backplane/cpu.h>
#include <backplane/device.h>
#include <backplane/machine.h>
#include <backplane/plugin.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

/* Ports, from the base: what is written to, and what is read. */
enum {
  PORT_POINT = 0,               /* write n: the machine stops, its state is written down as point n, and it goes on */
  PORT_DIRTY = 1,               /* write 1: watch the banks' pages; 2: write down which were written; 0: watch no more */
  PORT_BANK = 2,                /* write n: bank n is in the window, writable; n | 0x80: not writable */
  PORT_DATA = 4,                /* 32 bits: writes go into a sum, reads come from a sequence */
  PORT_BELLS = 8,               /* read: how often doorbells have rung */
  PORT_LATE = 9,                /* read, 8 bits: the sum of all late writes so far */
  PORT_OVERLAY = 11,            /* write 1: a bank lies over other memory; 0: no more */
  PORT_PEEK = 10                /* write 1: look at the registers of a running vCPU again and again */
};
enum { GO = 0x500 };             /* in RAM: what the guest waits for at a point */
enum { BANK = 0x4000, N_BANKS = 8, PAGE = 0x1000 };
#define HEX "%" G_GINT64_MODIFIER "x"

typedef struct Probe {
  char *path, *dirty;
  uint64_t ram_size;
  FILE *file, *dirty_file;
  BpRegion *ports, *mmio, *late, *bells, *window, *overlay, *banks, *alias[N_BANKS], *odd;
  uint8_t *host;
  int bell[2];
  unsigned watch, point, n_bells, n_peeks;
  bool has_point, is_watching;
  uint32_t in, out;
  uint8_t late_sum;
  uint8_t bytes[PAGE];
  BpTimer *timer;
} Probe;

/* --- the state, as text ------------------------------------------------------------------ */

static uint64_t
hash (const void *data, size_t n, uint64_t h)
{
  for (size_t i = 0; i < n; i++)
    h = (h ^ ((const uint8_t *) data)[i]) * UINT64_C (0x100000001b3);
  return h;
}

static void
write_cpu (Probe *p, void *cpu)
{
  static const char names[8][4] = { "es", "cs", "ss", "ds", "fs", "gs", "ldt", "tr" };
  const BpX86CpuIface *x86 = bp_object_interface (cpu, BP_X86_CPU_ID);
  BpX86State s = { .struct_size = sizeof s };
  x86->get_state (cpu, &s);
  fprintf (p->file, " %s halted %u\n ", bp_object_id (cpu), s.halted);
  for (unsigned i = 0; i < 16; i++)
    fprintf (p->file, " r%u " HEX, i, s.gpr[i]);
  fprintf (p->file, "\n  rip " HEX " rflags " HEX "\n ", s.rip, s.rflags);
  for (unsigned i = 0; i < 8; i++)
    fprintf (p->file, " %s %x:" HEX "+%x/%x", names[i], s.segment[i].selector, s.segment[i].base, s.segment[i].limit, s.segment[i].attributes);
  fprintf (p->file, "\n  gdt " HEX "+%x idt " HEX "+%x", s.gdtr.base, s.gdtr.limit, s.idtr.base, s.idtr.limit);
  fprintf (p->file, " cr0 " HEX " cr2 " HEX " cr3 " HEX " cr4 " HEX " cr8 " HEX " efer " HEX " dr6 " HEX " dr7 " HEX "\n", s.cr0, s.cr2, s.cr3, s.cr4,
           s.cr8, s.efer, s.dr[6], s.dr[7]);
  fprintf (p->file, "  star " HEX " lstar " HEX " sfmask " HEX " kernel_gs_base " HEX " sysenter " HEX ":" HEX "/" HEX "\n", s.star, s.lstar, s.sfmask,
           s.kernel_gs_base, s.sysenter_cs, s.sysenter_eip, s.sysenter_esp);
  fprintf (p->file, "  fcw %02x%02x mxcsr %02x%02x xmm " HEX " nmi %u held %u event %u\n", s.fxsave[1], s.fxsave[0], s.fxsave[25], s.fxsave[24],
           hash (s.fxsave + 160, 256, 1), s.nmi_blocked, s.interrupts_held, s.event_kind);
}

static void
write_state (Probe *p)
{
  BpMachine *machine = bp_object_machine (p);
  BpAddressSpace *as = bp_machine_address_space (machine, "memory");
  g_autofree uint8_t *page = g_malloc (PAGE);
  uint64_t h = UINT64_C (0xcbf29ce484222325);
  unsigned cursor = 0;
  fprintf (p->file, "point %u\n", p->point);
  for (void *cpu; (cpu = bp_machine_next (machine, BP_X86_CPU_ID, &cursor));)
    write_cpu (p, cpu);
  for (uint64_t at = 0; at < p->ram_size; at += PAGE) {
    if (bp_as_read (as, at, page, PAGE))
      h = hash (page, PAGE, h);
  }
  fprintf (p->file, "  memory " HEX " banks " HEX " ports %x mmio " HEX "\n", h, hash (p->host, N_BANKS * BANK, 1), p->out,
           hash (p->bytes, sizeof p->bytes, 1));
}

static void
on_event (void *user, BpMachineEvent event, const char *detail)
{
  Probe *p = user;
  if (event != BP_MACHINE_STOPPED || !p->has_point)
    return;
  p->has_point = false;
  write_state (p);
  bp_as_store (bp_machine_address_space (bp_object_machine (p), "memory"), GO, 1, 1);
  bp_machine_continue (bp_object_machine (p), NULL);
}

/* --- dirty pages -------------------------------------------------------------------------------- */

static void
write_dirty (Probe *p)
{
  uint64_t ram = bp_region_ram_address (p->banks);
  bp_dirty_sync (ram, N_BANKS * BANK);
  fprintf (p->dirty_file, "dirty");
  for (unsigned i = 0; i < N_BANKS * BANK / PAGE; i++)
    if (bp_dirty_test (BP_DIRTY_DISPLAY, ram + i * PAGE)) {
      bp_dirty_clear (BP_DIRTY_DISPLAY, ram + i * PAGE, PAGE);
      fprintf (p->dirty_file, " %u", i);
    }
  fprintf (p->dirty_file, "\n");
}

static void
dirty_command (Probe *p, unsigned command)
{
  uint64_t ram = bp_region_ram_address (p->banks);
  if ((command != 0) != p->is_watching) {
    p->is_watching = command != 0;
    bp_dirty_enable (BP_DIRTY_DISPLAY, p->is_watching);
    bp_dirty_clear (BP_DIRTY_DISPLAY, ram, N_BANKS * BANK);
  }
  if (command == 2)
    write_dirty (p);
}

/* --- ports ------------------------------------------------------------------------------------------ */

static void
choose_bank (Probe *p, unsigned value)
{
  bp_memory_begin ();
  for (unsigned i = 0; i < N_BANKS; i++) {
    bp_region_set_enabled (p->alias[i], i == value % N_BANKS);
    bp_region_set_readonly (p->alias[i], value & 0x80);
  }
  bp_memory_commit ();
}

static void
count_bells (Probe *p)
{
  for (unsigned i = 0; i < 2; i++) {
    uint64_t n = 0;
    if (read (p->bell[i], &n, sizeof n) == sizeof n)
      p->n_bells += (unsigned) n << 4 * i;
  }
}

/* Runs between two instructions of a vCPU that is not stopped: its registers must be there. */
static void
peek (void *cpu, void *user)
{
  const BpX86CpuIface *x86 = bp_object_interface (cpu, BP_X86_CPU_ID);
  BpX86State s = { .struct_size = sizeof s };
  Probe *p = user;
  x86->get_state (cpu, &s);
  if (__atomic_add_fetch (&p->n_peeks, s.gpr[BP_X86_RBP] == 0x5eed, __ATOMIC_RELAXED) == 5)
    s.gpr[BP_X86_RDI] = 1;      /* what ends the guest's loop */
  x86->set_state (cpu, &s);
}

static void
on_timer (void *user)
{
  Probe *p = user;
  unsigned cursor = 0;
  void *cpu = bp_machine_next (bp_object_machine (p), BP_X86_CPU_ID, &cursor);
  bp_vcpu_run_on (bp_vcpu_of (cpu), peek, p, false);
  if (__atomic_load_n (&p->n_peeks, __ATOMIC_RELAXED) < 5)
    bp_timer_arm (p->timer, bp_clock_now (bp_object_machine (p), BP_CLOCK_VIRTUAL) + 5000000);
}

static uint64_t
port_read (void *self, uint64_t offset, unsigned size)
{
  Probe *p = self;
  switch (offset) {
  case PORT_BELLS:
    count_bells (p);
    return p->n_bells;
  case PORT_LATE:
    return p->late_sum;
  default:
    p->in = p->in * 1103515245 + 12345;
    return p->in >> 3;
  }
}

static void
port_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Probe *p = self;
  switch (offset) {
  case PORT_POINT:
    p->point = (unsigned) value;
    p->has_point = true;
    bp_machine_request_stop (bp_object_machine (p), BP_RUN_DEBUG);
    break;
  case PORT_DIRTY:
    dirty_command (p, (unsigned) value);
    break;
  case PORT_BANK:
    choose_bank (p, (unsigned) value);
    break;
  case PORT_OVERLAY:
    bp_region_set_enabled (p->overlay, value & 1);
    break;
  case PORT_PEEK:
    bp_timer_arm (p->timer, 0);
    break;
  default:
    p->out = p->out * 31 + (uint32_t) value + size;
  }
}

/* --- memory ---------------------------------------------------------------------------------------- */

static uint64_t
mmio_read (void *self, uint64_t offset, unsigned size)
{
  Probe *p = self;
  uint64_t value = 0;
  memcpy (&value, p->bytes + offset, MIN (size, PAGE - offset));
  return value;
}

static void
mmio_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Probe *p = self;
  memcpy (p->bytes + offset, &value, MIN (size, PAGE - offset));
}

static uint64_t late_read (void *self, uint64_t offset, unsigned size) { return ((Probe *) self)->late_sum; }

static void
late_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  Probe *p = self;
  p->late_sum = (uint8_t) (p->late_sum * 5 + value + offset * 3 + size);
}

/* --- life ------------------------------------------------------------------------------------------- */

static const BpRegionOps port_ops = BP_REGION_OPS (.read = port_read, .write = port_write, .impl_max = 4);
static const BpRegionOps mmio_ops = BP_REGION_OPS (.flags = BP_REGION_OPS_UNALIGNED, .read = mmio_read, .write = mmio_write, .impl_max = 8);
static const BpRegionOps late_ops = BP_REGION_OPS (.flags = BP_REGION_OPS_LATE_WRITES, .read = late_read, .write = late_write, .impl_max = 8);

static void
add_banks (Probe *p)
{
  p->host = mmap (NULL, N_BANKS * BANK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  p->banks = bp_region_new_ram (p, "bank-memory", p->host, N_BANKS * BANK);
  p->window = bp_region_new_container (p, "window", BANK);
  p->odd = bp_region_new_alias (p, "odd", p->banks, 0x7000, PAGE);
  for (unsigned i = 0; i < N_BANKS; i++) {
    p->alias[i] = bp_region_new_alias (p, "bank", p->banks, i * BANK, BANK);
    bp_region_add (p->window, 0, p->alias[i], 0);
    bp_region_set_enabled (p->alias[i], i == 0);
  }
  bp_region_publish (p, p->window, "One of the banks.");
  bp_region_publish (p, p->banks, "All of the banks.");
  p->overlay = bp_region_new_alias (p, "overlay", p->banks, BANK, BANK);
  bp_region_set_enabled (p->overlay, false);
  bp_region_publish (p, p->overlay, "The second bank, to lie over something else.");
  bp_region_publish (p, p->odd, "A page of them that may lie where no page begins.");
}

static bool
configure (void *self, GError **error)
{
  Probe *p = self;
  add_banks (p);
  for (unsigned i = 0; i < 2; i++)
    p->bell[i] = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC);
  return true;
}

static bool
realize (void *self, GError **error)
{
  Probe *p = self;
  const BpDoorbell any = { .struct_size = sizeof any, .offset = 0, .fd = p->bell[0] };
  const BpDoorbell one = { .struct_size = sizeof one, .offset = 8, .size = 4, .match = true, .value = 0x55, .fd = p->bell[1] };
  p->file = fopen (p->path, "w");
  p->dirty_file = fopen (p->dirty, "w");
  if (!p->file || !p->dirty_file) {
    g_set_error (error, BP_ERROR, BP_ERROR_IO, "cannot write %s or %s", p->path, p->dirty);
    return false;
  }
  p->timer = bp_timer_new (self, BP_CLOCK_VIRTUAL, on_timer, p);
  bp_region_add_doorbell (p->bells, &any);
  bp_region_add_doorbell (p->bells, &one);
  p->watch = bp_machine_watch (bp_object_machine (self), on_event, p);
  return true;
}

static void
unrealize (void *self)
{
  Probe *p = self;
  if (p->watch)
    bp_machine_unwatch (bp_object_machine (self), p->watch);
  bp_timer_free (g_steal_pointer (&p->timer));
  if (p->file)
    fclose (p->file);
  if (p->dirty_file)
    fclose (p->dirty_file);
  for (unsigned i = 0; i < N_BANKS; i++)
    bp_region_free (p->alias[i]);
  bp_region_free (p->odd);
  bp_region_free (p->overlay);
  bp_region_free (p->window);
  bp_region_free (p->banks);
  munmap (p->host, N_BANKS * BANK);
  close (p->bell[0]);
  close (p->bell[1]);
}

static const BpProperty properties[] = {
  BP_PROP_STRING ("path", Probe, path, "/dev/null", "File for the states."),
  BP_PROP_STRING ("dirty", Probe, dirty, "/dev/null", "File for which pages of the banks were written."),
  { .name = "ram-size", .kind = BP_PROPERTY_SIZE, .offset = offsetof (Probe, ram_size), .default_int = 0xa0000, .max = UINT64_C (1) << 30,
    .help = "How much memory from 0 on goes into the sum." },
  BP_PROP_END
};

static const BpRegionDesc regions[] = {
  BP_REGION_DESC ("pio0", Probe, ports, &port_ops, 16, "Commands and data."),
  BP_REGION_DESC ("mmio0", Probe, mmio, &mmio_ops, PAGE, "Bytes."),
  BP_REGION_DESC ("mmio1", Probe, late, &late_ops, PAGE, "Writes that may come late."),
  BP_REGION_DESC ("mmio2", Probe, bells, &mmio_ops, PAGE, "Doorbells: any write at 0, 0x55 in 4 bytes at 8."),
  BP_REGION_DESC_END
};

static const BpTypeDesc probe_type = {
  BP_TYPE ("state-probe", BP_KIND_DEVICE, Probe), .description = "Writes down the machine's state where the guest says so", .properties = properties,
  .regions = regions, .configure = configure, .realize = realize, .unrealize = unrealize
};

static const BpTypeDesc *const types[] = { &probe_type, NULL };
BP_PLUGIN_DEFINE (.id = "state-probe", .version = "0.1", .licence = "MIT", .description = "The machine's state at points that the guest names", .types = types);
