/* guest-backplane.c -- a machine of this tree's plugins in a process of its own, which takes cases from shared memory. */
/* SPDX-License-Identifier: MIT */
/*
 * The machine lives in a child process: a crash ends one case, not the test.  A case is a reset: the boot program of the machine puts
 * memory and state as the Slot has them.  HLT with interrupts disabled and a triple fault both ask the machine to shut down, which is
 * how the child learns that the case is over.
 */
#include "system.h"

#include <backplane/iface/memory-backend.h>
#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "machine.h"
#include "../../types.h"

enum { TIME_LIMIT_MS = 1000, CHILD_LIMIT_MS = 20000 };        /* of a run; beyond it, until the child is given up */
enum { HALTED_SHUTDOWN = 2 };           /* in BpX86State.halted */

typedef struct Shared {
  Slot slot;
  unsigned n_cpus, limit_ms;
  bool ask_cpuid;
  uint32_t leaf, subleaf, cpuid[4];
} Shared;

struct Backplane {
  char how[16], cache[16];
  Shared *shared;
  pid_t child;
  int to, from;                 /* pipes: a byte says "go", a byte says "done" */
};

static Shared *shared;                  /* the child's */
static uint8_t *ram;
static BpMachine *machine;

/* --- the machine's own types ------------------------------------------------------------------ */

typedef struct Ram { BpRegion *region; } Ram;

static bool
ram_configure (void *self, GError **error)
{
  Ram *r = self;
  ram = mmap (NULL, SYS_MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  r->region = bp_region_new_ram (self, "ram", ram, SYS_MEMORY);
  bp_region_publish (self, r->region, "The memory.");
  return true;
}

static BpRegion *ram_region (void *self) { return ((Ram *) self)->region; }
static uint64_t ram_size (void *self) { return SYS_MEMORY; }
static int ram_fd (void *self) { return -1; }
static const BpMemoryBackendIface ram_iface = { .struct_size = sizeof ram_iface, .region = ram_region, .size = ram_size, .fd = ram_fd };
static const BpInterfaceDesc ram_interfaces[] = { { BP_MEMORY_BACKEND_ID, &ram_iface }, { NULL, NULL } };
static const BpTypeDesc ram_type = {
  BP_TYPE ("case-ram", BP_KIND_MEMORY, Ram), .description = "Memory of a case", .interfaces = ram_interfaces, .configure = ram_configure
};

typedef struct Ports { BpRegion *all; } Ports;

static uint64_t
port_read (void *self, uint64_t offset, unsigned size)
{
  uint32_t value = sys_port_value ((uint16_t) offset, size);
  sys_note_port (&shared->slot, (uint16_t) offset, size, false, value);
  return value;
}

static void
port_write (void *self, uint64_t offset, uint64_t value, unsigned size)
{
  sys_note_port (&shared->slot, (uint16_t) offset, size, true, (uint32_t) value);
}

static const BpRegionOps port_ops = BP_REGION_OPS (.flags = BP_REGION_OPS_UNALIGNED, .read = port_read, .write = port_write, .impl_max = 4);
static const BpRegionDesc port_regions[] = {
  BP_REGION_DESC ("pio0", Ports, all, &port_ops, 0x10000, "All ports."), BP_REGION_DESC_END
};
static const BpTypeDesc port_type = {
  BP_TYPE ("case-ports", BP_KIND_DEVICE, Ports), .description = "Ports of a case", .regions = port_regions
};

typedef struct Boot { int unused; } Boot;

/* --- one case ---------------------------------------------------------------------------------- */

static void *
cpu_number (unsigned i)
{
  char id[16];
  snprintf (id, sizeof id, "cpu%u", i);
  return object_instance (g_hash_table_lookup (machine->by_id, id));
}

static void *cpu (void) { return cpu_number (0); }

static const BpX86CpuIface *
cpu_iface (void)
{
  return type_interface (object_of (cpu ())->type, BP_X86_CPU_ID);
}

/* Pages that differ, so that code is dropped as a device's write would drop it. */
static bool
boot_load (void *self, GError **error)
{
  BpAddressSpace *as = bp_machine_address_space (machine, "memory");
  for (unsigned at = 0; at < SYS_MEMORY; at += SYS_PAGE)
    if (memcmp (ram + at, shared->slot.memory + at, SYS_PAGE) != 0)
      bp_as_write (as, at, shared->slot.memory + at, SYS_PAGE);
  cpu_iface ()->set_state (cpu (), &shared->slot.state);
  for (unsigned i = 1; i < shared->n_cpus; i++) {       /* the others start like the first, but for this */
    BpX86State other = shared->slot.state;
    other.gpr[BP_X86_RDI] = i;
    other.gpr[BP_X86_RSP] -= i * SYS_STACK_EACH;
    cpu_iface ()->set_state (cpu_number (i), &other);
  }
  return true;
}

static const BpBootIface boot_iface = { .struct_size = sizeof boot_iface, .load = boot_load };
static const BpInterfaceDesc boot_interfaces[] = { { BP_BOOT_ID, &boot_iface }, { NULL, NULL } };
static const BpTypeDesc boot_type = {
  BP_TYPE ("case-boot", BP_KIND_BOOT, Boot), .description = "Puts a case into the machine", .interfaces = boot_interfaces
};

static gboolean
on_limit (void *stuck)
{
  *(bool *) stuck = true;
  return G_SOURCE_REMOVE;
}

static void
run_case (void)
{
  Slot *slot = &shared->slot;
  GError *error = NULL;
  bool stuck = false;
  slot->n_ports = 0;
  slot->why[0] = 0;
  machine->shutdown_requested = false;
  g_clear_pointer (&machine->shutdown_reason, g_free);
  machine_reset (machine, BP_RESET_COLD);
  GSource *limit = g_timeout_source_new (shared->limit_ms);
  g_source_set_callback (limit, on_limit, &stuck, NULL);
  g_source_attach (limit, bp_loop_context (machine->main_loop));
  if (!vcpus_start (machine, &error))
    g_error ("%s", error->message);
  while (!__atomic_load_n (&machine->shutdown_requested, __ATOMIC_ACQUIRE) && !stuck)
    g_main_context_iteration (bp_loop_context (machine->main_loop), TRUE);
  vcpus_stop (machine);
  g_source_destroy (limit);
  g_source_unref (limit);
  while (g_main_context_iteration (bp_loop_context (machine->main_loop), FALSE)) { }
  slot->state.struct_size = sizeof slot->state;
  cpu_iface ()->get_state (cpu (), &slot->state);
  slot->end = stuck ? RUN_STUCK : slot->state.halted == HALTED_SHUTDOWN ? RUN_SHUTDOWN : RUN_HALTED;
  memcpy (slot->memory, ram, SYS_MEMORY);
}

/* --- the child ------------------------------------------------------------------------------------- */

static const char sections[] =
  "[machine]\nformat = 1\non-reset = exit\n\n"
  "[accel]\nmodule = accel-tcg\nbackend = %s\ncode-cache = %s\n\n"
  "[cpu]\nmodule = target-i386\ntype = x86-cpu\nfeatures = -syscall32\non-halt = exit\ncount = %u\n\n"
  "[memory ram]\ntype = case-ram\n\n[map ram]\nregion = ram\nat = memory@0\n\n"
  "[device ports]\ntype = case-ports\npio0 = io@0\n\n"
  "[boot]\ntype = case-boot\n";

static Descriptor *
load_descriptor (const char *how, const char *cache)
{
  GError *error = NULL;
  char *path = NULL, *text = g_strdup_printf (sections, how, cache, shared->n_cpus);
  int fd = g_file_open_tmp ("system-XXXXXX.ini", &path, &error);
  if (fd < 0 || !g_file_set_contents (path, text, -1, &error))
    g_error ("%s", error->message);
  close (fd);
  Descriptor *d = descriptor_load (path, NULL);
  g_unlink (path);
  g_free (path);
  g_free (text);
  return d;
}

static bool
build_machine (const char *how, const char *cache)
{
  static const BpTypeDesc *const own[] = { &ram_type, &port_type, &boot_type, NULL };
  GError *error = NULL;
  plugin_path_prepend (BUILDDIR "/plugins/accel-tcg/.libs:" BUILDDIR "/plugins/target-i386/.libs");
  types_register (own);
  Descriptor *d = load_descriptor (how, cache);
  machine = machine_build (d);
  if (!machine) {
    for (guint i = 0; i < d->errors->len; i++)
      fprintf (stderr, "%s\n", (const char *) d->errors->pdata[i]);
    return false;
  }
  if (!machine_realize (machine, &error)) {
    fprintf (stderr, "%s\n", error->message);
    return false;
  }
  return true;
}

/* Never returns. */
static void
child (const char *how, const char *cache, int from, int to)
{
  char byte = 1;
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  if (!build_machine (how, cache))
    _exit (1);
  memset (&shared->slot, 0, sizeof shared->slot);
  do {
    if (write (to, &byte, 1) != 1 || read (from, &byte, 1) != 1)
      break;
    if (shared->ask_cpuid)
      cpu_iface ()->cpuid (cpu (), shared->leaf, shared->subleaf, shared->cpuid);
    else
      run_case ();
  } while (true);
  _exit (0);
}

/* --- the parent ---------------------------------------------------------------------------------------- */

static bool
launch (Backplane *b)
{
  int down[2], up[2];
  if (pipe (down) || pipe (up))
    return false;
  fflush (NULL);
  b->child = fork ();
  if (b->child == 0) {
    close (down[1]);
    close (up[0]);
    shared = b->shared;
    child (b->how, b->cache, down[0], up[1]);
  }
  close (down[0]);
  close (up[1]);
  b->to = down[1];
  b->from = up[0];
  return b->child > 0;
}

static void
bury (Backplane *b, int *status)
{
  close (b->to);
  close (b->from);
  kill (b->child, SIGKILL);
  waitpid (b->child, status, 0);
  b->child = 0;
}

static bool
wait_for_child (Backplane *b)
{
  struct pollfd p = { .fd = b->from, .events = POLLIN };
  char byte;
  int n;
  do
    n = poll (&p, 1, (int) b->shared->limit_ms + CHILD_LIMIT_MS);
  while (n < 0 && errno == EINTR);
  return n == 1 && read (b->from, &byte, 1) == 1;
}

static bool
ask (Backplane *b)
{
  char byte = 1;
  return write (b->to, &byte, 1) == 1 && wait_for_child (b);
}

Backplane *
backplane_start (const char *how)
{
  return backplane_start_cpus (how, 1, "4M", TIME_LIMIT_MS);
}

Backplane *
backplane_start_cpus (const char *how, unsigned n_cpus, const char *cache, unsigned limit_ms)
{
  Backplane *b = g_new0 (Backplane, 1);
  signal (SIGPIPE, SIG_IGN);
  g_strlcpy (b->how, how, sizeof b->how);
  g_strlcpy (b->cache, cache, sizeof b->cache);
  b->shared = mmap (NULL, sizeof *b->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (b->shared != MAP_FAILED) {
    b->shared->n_cpus = n_cpus;
    b->shared->limit_ms = limit_ms;
  }
  if (b->shared != MAP_FAILED && launch (b) && wait_for_child (b))
    return b;
  backplane_finish (b);
  return NULL;
}

void
backplane_run (Backplane *b, Slot *slot)
{
  int status = 0;
  b->shared->ask_cpuid = false;
  memcpy (&b->shared->slot, slot, sizeof *slot);
  if (b->child > 0 && ask (b)) {
    memcpy (slot, &b->shared->slot, sizeof *slot);
    return;
  }
  if (b->child > 0)
    bury (b, &status);
  slot->end = RUN_CRASHED;
  snprintf (slot->why, sizeof slot->why, "the process ended, wait status %x", (unsigned) status);
  if (launch (b))
    wait_for_child (b);
}

void
backplane_cpuid (Backplane *b, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
  b->shared->ask_cpuid = true;
  b->shared->leaf = leaf;
  b->shared->subleaf = subleaf;
  if (ask (b))
    memcpy (out, b->shared->cpuid, sizeof b->shared->cpuid);
  else
    memset (out, 0, sizeof b->shared->cpuid);
}

void
backplane_finish (Backplane *b)
{
  int status;
  if (b->child > 0)
    bury (b, &status);
  if (b->shared != MAP_FAILED)
    munmap (b->shared, sizeof *b->shared);
  g_free (b);
}
